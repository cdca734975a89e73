/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sides against values: along lines, one element of one input at a time. A break of the slope must
 * be a change of side, margins must not promise more than there is, and a step must be one. */
#include "check/op_check.h"

#include <gsl/gsl_machine.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A line: input `input` at `*place` varies, f(t) = sum(weight * y). */
typedef struct line {
    gpf__op_rig *r;
    const gpf__op_trial *t;
    const double *x[GPF__OP_INPUTS];
    double *place, *y, *weight, *margin;
    int *side;
    int input;
    bool sided;
    double noise;
} line;

static bool is_odd(int side)
{
    return side % 2 != 0;
}

static double value_at(line *l, double t)
{
    double f = 0;
    *l->place = t;
    if (!gpf__op_run(l->r, l->t, l->x, &(gpf__op_how){ 0 }, l->y))
        return NAN;
    for (size_t k = 0; k < l->t->ny; k++)
        f += l->weight[k] * l->y[k];
    return f;
}

/* Pieces there are names for; INT_MAX where they are numbered. */
static int n_names(const gpf_op *op)
{
    int n = 1;
    for (const char *p = op->pieces; p && *p; p++)
        n += *p == '|';
    return op->pieces ? n : 0x7fffffff;
}

/* Sides and margins at t, into the line's. */
static void sides_at(line *l, double t)
{
    *l->place = t;
    if (!l->sided || !gpf__op_sides(l->r, l->t, l->x, l->side, l->margin))
        return;
    for (size_t k = 0; k < l->t->ny; k++) {
        const int s = l->side[k];
        if (s < 0)
            gpf__op_fault(l->r, "sides", -1, "side %d: 0, 2, 4 .. are pieces, 1, 3 .. edges", s);
        else if (!is_odd(s) && s / 2 >= n_names(l->r->op))
            gpf__op_fault(l->r, "pieces", -1,
                          "side %d is piece number %d, but pieces names only %d", s, s / 2 + 1,
                          n_names(l->r->op));
        if (!is_odd(s) && l->margin[k] < 0)
            gpf__op_fault(l->r, "margin", l->input, "negative: %g at x = %.9g", l->margin[k], t);
    }
}

/* Element whose sides differ at a and b; ny if none. */
static size_t differing_side(line *l, double a, double b, int *at_a, int *at_b)
{
    const size_t n = l->t->ny;
    size_t k = n;
    if (!l->sided)
        return n;
    int *side = malloc(n * sizeof *side);
    if (!side) {
        l->r->status = GSL_ENOMEM;
        return n;
    }
    sides_at(l, a);
    memcpy(side, l->side, n * sizeof *side);
    sides_at(l, b);
    for (k = 0; k < n && side[k] == l->side[k]; k++)
        ;
    if (k < n) {
        *at_a = side[k];
        *at_b = l->side[k];
    }
    free(side);
    return k;
}

/* Of f on [a, a + h] and its middle: twice the deviation from a straight line, over h. For a smooth
 * f it falls as h, at a kink it stays, at a jump it grows. */
static double bend(line *l, double a, double h)
{
    return fabs(value_at(l, a) - 2 * value_at(l, a + h / 2) + value_at(l, a + h)) / h;
}

/* Narrows [a, a + h] down to where f bends most; true if it breaks there. */
static bool breaks(line *l, double *a, double *h, double least)
{
    enum { LEVELS = 14, LAST = 4 };
    double before[LEVELS + 1];
    before[0] = bend(l, *a, *h);
    for (int level = 1; level <= LEVELS; level++) {
        double best = -1, from = *a;
        const double half = *h / 2;
        for (int i = 0; i < 3; i++) {
            const double b = bend(l, *a + i * half / 2, half);
            if (!isfinite(b))
                return false;
            if (b > best) {
                best = b;
                from = *a + i * half / 2;
            }
        }
        if (best < least + 100 * l->noise / half)
            return false;
        *a = from;
        *h = half;
        before[level] = best;
    }
    /* 1/16 where f is smooth, 1/4 for |x|^1.5 */
    return before[LEVELS] > 0.4 * before[LEVELS - LAST];
}

/* Five values h apart; true if neighbours are equal. */
static bool look_through(double (*f)(void *arg, double t), void *arg, double t, double h,
                         double y[5])
{
    bool flat = false;
    for (int i = 0; i < 5; i++) {
        y[i] = f(arg, t + i * h);
        flat |= i > 0 && y[i] == y[i - 1];
    }
    return flat;
}

/* The variance of a fourth difference of independent noise is 70 times its own; of a smooth f
 * nothing is left at this distance. Where f is a staircase the window must be wider than its steps.
 * One may have met a kink: the second largest is taken. */
double gpf__op_noise(double (*f)(void *arg, double t), void *arg, double at, double spread,
                     double range, double *size)
{
    enum { WINDOWS = 8 };
    double most = 0, second = 0, y[5];
    *size = 0;
    for (int w = 0; w < WINDOWS; w++) {
        const double t = at + spread * ((2 * w + 1.237) / WINDOWS - 1);
        double h = 1e-6 * range * (1 + 0.2361 * w); /* else rounding may be alike at all points */
        while (look_through(f, arg, t, h, y) && h < 3e-4 * range)
            h *= 4;
        const double d = fabs(y[0] - 4 * y[1] + 6 * y[2] - 4 * y[3] + y[4]) / sqrt(70);
        if (!isfinite(d))
            continue;
        *size = fmax(*size, fabs(y[2]));
        second = fmax(second, fmin(d, most));
        most = fmax(most, d);
    }
    return fmax(second, GSL_DBL_EPSILON * *size);
}

static double value_of(void *arg, double t)
{
    return value_at(arg, t);
}

/* A break of the slope between a and b must show in the sides. */
static void look_for_break(line *l, double a, double b, double least)
{
    gpf__op_rig *r = l->r;
    double at = a, h = b - a;
    int from, to;
    if (differing_side(l, a, b, &from, &to) < l->t->ny)
        return; /* looked at on its own */
    if (!breaks(l, &at, &h, least) || differing_side(l, at, at + h, &from, &to) < l->t->ny)
        return;
    const double d = 64 * h, f0 = value_at(l, at), f1 = value_at(l, at + h);
    if (fmax(fabs(f0), fabs(f1)) > 100 * fmax(fabs(value_at(l, a)), fabs(value_at(l, b))))
        return; /* a pole */
    const double left = (f0 - value_at(l, at - d)) / d, right = (value_at(l, at + h + d) - f1) / d;
    /* Is that all of the difference, or does something very steep and smooth pass? */
    const double jump = fabs(f1 - f0) - h * (fabs(left) + fabs(right));
    if (!(fabs(right - left) > least) && !(jump > 1e3 * l->noise))
        return;
    gpf__op_fault(r, l->sided ? "sides" : "smooth", l->input,
                  "%s: at x = %.9g the slope of y goes from %.6g to %.6g%s, but %s", l->t->text, at,
                  left, right, jump > 1e3 * l->noise ? " and y jumps" : "",
                  l->sided ? "no side changes" : "the row has no side");
}

/* The smallest double in (a, b] that is not on the side a is on. */
static double bisect(line *l, size_t k, double a, double b, int side)
{
    for (int i = 0; i < 2200; i++) {
        const double m = a + (b - a) / 2;
        if (!(m > a && m < b))
            break;
        sides_at(l, m);
        if (l->side[k] == side)
            a = m;
        else
            b = m;
    }
    return b;
}

/* Distances that margins promise on both sides of the edge e of element k. */
static void look_at_margins(line *l, size_t k, double e)
{
    gpf__op_rig *r = l->r;
    const double range = r->hi - r->lo;
    sides_at(l, e);
    const int at_edge = l->side[k];
    gpf__op_tried(r, "margin", l->input, 1);
    if (is_odd(at_edge) && l->margin[k] > 1e-9 * (fabs(e) + 1e-300)) {
        gpf__op_fault(r, "margin", l->input, "%g at x = %.9g, which is on an edge: 0 is expected",
                      l->margin[k], e);
        return;
    }
    for (int i = 0; i < 8; i++) {
        const double d = range * (i / 2 == 0   ? 1e-2
                                  : i / 2 == 1 ? 1e-3
                                  : i / 2 == 2 ? 1e-5
                                               : 0.1),
                     t = i % 2 ? e - d : e + d;
        if (t < r->lo || t > r->hi)
            continue;
        sides_at(l, t);
        const double margin = l->margin[k];
        const int side = l->side[k];
        gpf__op_tried(r, "margin", l->input, 1);
        if (side == at_edge)
            continue;
        if (!(margin <= d * (1 + 1e-6) + 4 * GSL_DBL_EPSILON * fabs(e))) {
            gpf__op_fault(r, "margin", l->input,
                          "%.9g at x = %.9g, but the edge at %.9g is only %.9g away", margin, t, e,
                          d);
            return;
        }
        /* Nearer than promised is an edge too, if there is no other that could be meant. */
        if (r->n_x > 1 || !r->op->map || margin > 0.99 * d || t - d < r->lo || t + d > r->hi)
            continue;
        sides_at(l, t - 0.98 * d);
        const int left = l->side[k];
        sides_at(l, t + 0.98 * d);
        if (left == side && l->side[k] == side)
            gpf__op_fault(r, "margin", l->input,
                          "%.9g at x = %.9g, but the nearest edge, at %.9g, is %.9g away", margin,
                          t, e, d);
    }
}

static void look_at_edge(line *l, double a, double b)
{
    gpf__op_rig *r = l->r;
    int from, to;
    const size_t k = differing_side(l, a, b, &from, &to);
    if (k == l->t->ny || is_odd(from))
        return;
    const double e = bisect(l, k, a, b, from);
    look_at_margins(l, k, e);
    if (!r->op->map || r->n_edges == GPF__OP_EDGES)
        return;
    *l->place = e;
    for (int i = 0; i < r->n_x; i++)
        r->edge[r->n_edges][i] = l->x[i][0];
    r->n_edges++;
}

/* Between edges a step is constant, bit for bit. */
static void look_for_change(line *l, double a, double b)
{
    int from, to;
    if (differing_side(l, a, b, &from, &to) < l->t->ny)
        return;
    const double f = value_at(l, a), g = value_at(l, b);
    gpf__op_tried(l->r, "step", l->input, 1);
    if (isfinite(f) && isfinite(g) && f != g)
        gpf__op_fault(l->r, "step", l->input,
                      "%s: GPF_OP_STEP, but y changes by %.9g from x = %.9g to %.9g on one side",
                      l->t->text, g - f, a, b);
}

/* Of an input without a rule, an index say, nobody can ask a derivative. */
static bool smooth_matters(const gpf__op_rig *r, int input)
{
    return gpf__op_rule(r->op, input, false) || gpf__op_rule(r->op, input, true);
}

static void walk(line *l)
{
    enum { INTERVALS = 48 };
    gpf__op_rig *r = l->r;
    /* Not on round numbers, where edges like to be: they are found from both sides. */
    const double lo = r->lo + 1.3e-3 * (r->hi - r->lo), h = (r->hi - lo) * 0.9993 / INTERVALS;
    const double start = *l->place;
    double scale;
    l->noise = gpf__op_noise(value_of, l, 0.5 * (r->lo + r->hi), 0.499 * (r->hi - r->lo),
                             r->hi - r->lo, &scale);
    if (l->noise > 1e-11 * scale) {
        r->noise = fmax(r->noise, l->noise / scale);
        gpf__op_note(r, "noise", l->input,
                     "%s: y is exact to %.1g of its size only: derivatives can be tested to a few "
                     "digits",
                     l->t->text, l->noise / scale);
    }
    for (int i = 0; i < INTERVALS && !r->status; i++) {
        const double a = lo + i * h, b = a + h;
        if (l->sided)
            look_at_edge(l, a, b);
        if (r->op->flags & GPF_OP_STEP)
            look_for_change(l, a, b);
        if (l->sided || smooth_matters(r, l->input))
            look_for_break(l, a, b, 1e-5 * scale);
    }
    if (l->sided || smooth_matters(r, l->input))
        gpf__op_tried(r, l->sided ? "sides" : "smooth", l->input, INTERVALS);
    *l->place = start;
}

/* Element `at` of input i on one line through random values of everything else. */
static void try_line(gpf__op_rig *r, const gpf__op_trial *t, int i)
{
    line l = { .r = r, .t = t, .input = i, .sided = r->op->side || r->op->branch };
    double *values = gpf__op_draw_all(r, t, l.x), *room = gpf__op_alloc(r, 3 * t->ny);
    l.side = calloc(t->ny + 1, sizeof *l.side);
    if (!l.side)
        r->status = GSL_ENOMEM;
    if (values && room && l.side) {
        l.y = room;
        l.weight = room + t->ny;
        l.margin = room + 2 * t->ny;
        for (size_t k = 0; k < t->ny; k++)
            l.weight[k] = t->ny == 1 ? 1 : 0.5 + gsl_rng_uniform(r->rng);
        l.place = values + (l.x[i] - values) + gsl_rng_uniform_int(r->rng, t->nx[i]);
        walk(&l);
    }
    free(values);
    free(room);
    free(l.side);
}

/* moved says what sides say, for pairs on and beside edges and anywhere. */
static void try_moved(gpf__op_rig *r)
{
    enum { PAIRS = 200, MOST = 5 };
    double x[2][3][MOST], margin[MOST];
    int side[2][MOST];
    for (int pair = 0; pair < PAIRS; pair++) {
        const size_t n = 1 + gsl_rng_uniform_int(r->rng, MOST);
        const double *at[2][3] = { { NULL }, { NULL } };
        bool differ = false;
        for (int i = 0; i < r->n_x; i++)
            for (int s = 0; s < 2; s++) {
                gpf__op_draw(r, i, n, x[s][i]);
                at[s][i] = x[s][i];
            }
        for (size_t k = 0; k < n; k++) {
            const unsigned long how = gsl_rng_uniform_int(r->rng, 8);
            const double *edge = r->edge[r->n_edges ? pair % r->n_edges : 0];
            for (int i = 0; i < r->n_x; i++) {
                if (how > 1) /* most elements stay */
                    x[1][i][k] = x[0][i][k];
                if (how > 5 && r->n_edges)
                    x[how - 6][i][k] = edge[i];
                if (how == 5 && r->n_edges)
                    x[1][i][k] = x[0][i][k] = edge[i];
            }
        }
        for (int s = 0; s < 2; s++) {
            const double *in[3] = { at[s][0], at[s][1], at[s][2] };
            r->op->side(n, side[s], margin, in, &r->attr);
        }
        for (size_t k = 0; k < n; k++)
            differ = differ || side[0][k] != side[1][k];
        gpf__op_tried(r, "moved", -1, 1);
        if (!r->op->moved(n, at[1], at[0], &r->attr) != !differ) {
            gpf__op_fault(r, "moved", -1, "%s from x = %.9g to %.9g, but side says %s",
                          differ ? "0" : "1", x[0][0][0], x[1][0][0],
                          differ ? "another piece" : "the same piece");
            return;
        }
    }
}

/* Sides of elements together and one by one. */
static void try_together(gpf__op_rig *r)
{
    enum { N = 9 };
    double *values = gpf__op_alloc(r, N * (size_t)r->n_x), margin[N], m;
    const double *x[GPF__OP_INPUTS], *part[GPF__OP_INPUTS];
    int side[N], s;
    for (int i = 0; values && i < r->n_x; i++) {
        gpf__op_draw(r, i, N, values + i * N);
        x[i] = values + i * N;
    }
    if (values) {
        const gpf__op_trial all = gpf__op_part(r, x, 0, N, part);
        const bool ok = gpf__op_sides(r, &all, x, side, margin);
        for (size_t k = 0; ok && k < N; k++) {
            const gpf__op_trial one = gpf__op_part(r, x, k, 1, part);
            if (gpf__op_sides(r, &one, part, &s, &m) &&
                (s != side[k] || !gpf__op_same_bits(m, margin[k])))
                gpf__op_fault(r, "sides", -1,
                              "element %zu of %d: side %d, margin %.9g with all, %d, %.9g alone", k,
                              N, side[k], margin[k], s, m);
        }
    }
    free(values);
}

void gpf__op_try_edges(gpf__op_rig *r)
{
    enum { LINES = 3 };
    const gpf_op *op = r->op;
    if (gpf__op_faulty(r, "deterministic", -1))
        return;
    for (int i = 0; i < r->n_x; i++)
        for (int n = 0; n < LINES && !r->status && !(r->whole >> i & 1); n++) {
            const double *part[GPF__OP_INPUTS];
            if (op->map) {
                const gpf__op_trial one = gpf__op_part(r, NULL, 0, 1, part);
                try_line(r, &one, i);
            } else {
                try_line(r, &r->trial[(size_t)n % r->n_trials], i);
            }
        }
    for (int i = 0; i < r->n_x; i++)
        if (op->flags & GPF_OP_STEP && r->whole >> i & 1)
            gpf__op_tried(r, "step", i, 1); /* there is nothing between whole numbers */
    if (op->map && op->side && !r->status)
        try_together(r);
    if (op->moved && op->side && !r->status)
        try_moved(r);
    if (op->flags & GPF_OP_STEP && r->n_x == 0)
        gpf__op_tried(r, "step", -1, 1);
}
