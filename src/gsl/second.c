/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fvv, d2 f(x + t v) / dt2 at t = 0: against differences of J v where J is right, otherwise against
 * second differences of f. */
#include "gsl/gsl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 64, DIRECTIONS = 2, DIRECTION_STREAM = 20, MOST_VARIABLES = 256 };

/* Values along a direction. Points are kept: every row asks for the same. */
typedef struct path {
    gpf__subject *s;
    gpf__route by;    /* DF, JU: values are J v; F: f */
    const double *v;  /* n */
    double *x, *d;    /* n; m x n: room of a call, d of DF alone */
    double *value;    /* POINTS x m */
    double t[POINTS]; /* of each */
    size_t n, next;   /* points there are; the one to be given up next */
    size_t row, evaluations;
} path;

/* J v or f, at x. */
static int value_at(void *arg, const double *x, double *values)
{
    path *p = arg;
    gpf__subject *s = p->s;
    int status;
    p->evaluations++;
    if (p->by == GPF__F)
        return gpf__call(s, GPF__F, &(gpf__args){ .x = x, .f = values });
    if (p->by == GPF__JU)
        return gpf__call(s, GPF__JU, &(gpf__args){ .x = x, .u = p->v, .out = values });
    status = gpf__call(s, GPF__DF, &(gpf__args){ .x = x, .d = p->d });
    for (size_t i = 0; i < s->m; i++) {
        values[i] = 0;
        for (size_t j = 0; j < s->n; j++)
            values[i] += p->d[i * s->n + j] * p->v[j];
    }
    return status;
}

static const double *at(path *p, double t)
{
    const gpf__subject *s = p->s;
    for (size_t k = 0; k < p->n; k++)
        if (p->t[k] == t)
            return p->value + k * s->m;
    const size_t k = p->n < POINTS ? p->n++ : p->next++ % POINTS;
    double *values = p->value + k * s->m;
    p->t[k] = t;
    for (size_t j = 0; j < s->n; j++)
        p->x[j] = s->x[j] + t * p->v[j];
    if (!gpf__is_inside(s, p->x) || value_at(p, p->x, values))
        for (size_t i = 0; i < s->m; i++)
            values[i] = GSL_NAN;
    return values;
}

static void row_values(void *arg, const double *t, size_t m, double *y, gpf_branch *b)
{
    path *p = arg;
    for (size_t k = 0; k < m; k++)
        y[k] = at(p, t[k])[p->row];
    if (b)
        memset(b, 0, m * sizeof *b);
}

static void set_path(path *p, const double *v)
{
    p->v = v;
    p->n = p->next = 0;
}

/* A part's check. */
typedef struct job {
    gpf__subject *s;
    path path;
    double *v[DIRECTIONS];                   /* n */
    double *analytic, *noise;                /* m */
    double *rounding;                        /* m: of fvv */
    double *axes;                            /* m: sum over j of N(e_j) v_j^2 */
    double *unit;                            /* n */
    double *again;                           /* m */
    gpf_element *found[DIRECTIONS], *chosen; /* m */
    void *memory;
} job;

/* Of random signs and sizes 1 to 7/4 times a power of two, so that x + t v is exact for the steps
 * taken; signs into the bounds. */
static void choose_direction(const gpf__subject *s, size_t stream, double *v)
{
    for (size_t j = 0; j < s->n; j++) {
        const double u = gpf__uniform(s, DIRECTION_STREAM + stream, j);
        int exponent;
        frexp(gpf__typical(s, j), &exponent);
        v[j] = ldexp(floor(4 + 4 * fabs(2 * u - 1)) / 4, exponent - 1);
        if (gpf__is_fixed(s, j))
            v[j] = 0;
        const double below = s->how->lo ? s->x[j] - gsl_vector_get(s->how->lo, j) : INFINITY,
                     above = s->how->hi ? gsl_vector_get(s->how->hi, j) - s->x[j] : INFINITY;
        if (u < 0.5 ? below >= v[j] / 64 : above < v[j] / 64)
            v[j] = -v[j];
    }
}

static int sampled_second(void *arg, const double *x, double *values)
{
    job *w = arg;
    return gpf__call(w->s, GPF__FVV, &(gpf__args){ .x = x, .u = w->path.v, .out = values });
}

/* Do the second derivatives of f on both sides differ by a good part of the gap? Then it jumps
 * here, or near by. By differences to one side, their truncation removed to first order, of J v,
 *     D(h) = (4 Jv(h/2) - Jv(h) - 3 Jv(0))/h
 * or of f, (f(2h) - 2 f(h) + f(0))/h^2 at h/2 and h/4. */
static bool jumps(job *w, size_t i, double step, const gpf_element *e)
{
    path *p = &w->path;
    double slope[2];
    for (int k = 0; k < 2; k++) {
        const double h = k ? -step : step, base = at(p, 0)[i], wide = at(p, h)[i] - base,
                     near = at(p, h / 2)[i] - base;
        slope[k] =
            p->by == GPF__F
                ? (32 * (near - 2 * (at(p, h / 4)[i] - base)) - 4 * (wide - 2 * near)) / (h * h)
                : (4 * near - wide) / h;
    }
    /* written so that a side outside the bounds, NaN, is no jump */
    return fabs(slope[1] - slope[0]) > 0.1 * fabs(e->analytic - e->numeric);
}

/* Nobody is accused at a kink of J: a direction may meet those of several variables, each with a
 * side of its own. */
static void spare_kinks(job *w, size_t i, gpf_element *e)
{
    if (e->verdict != GPF_WRONG || !isfinite(e->analytic))
        return;
    if (e->reason != GPF_REASON_OUTSIDE && !jumps(w, i, e->step, e) &&
        !jumps(w, i, e->step / 16, e))
        return;
    e->verdict = GPF_UNRESOLVED;
    e->reason = GPF_REASON_CROWDED;
}

/* One row by the first differences of J v. */
static void decide_row(job *w, size_t i, double rounding, gpf_element *e)
{
    path *p = &w->path;
    const gpf__line line = { .arg = p, .values = row_values, .grid = true };
    const gpf__around around = {
        .base = at(p, 0)[i], .noise = w->noise[i], .typical = 1, .rounding = rounding, .depends = 1
    };
    p->row = i;
    gpf__decide(&line, &around, e);
}

/* The second difference of f, D(h) = (f(h) - 2 f(0) + f(-h))/h^2, its truncation removed to first
 * order by D(h/2), at the step where what is left of it and noise are least. */
static void second_difference(job *w, size_t i, double *value, double *error, double *step)
{
    enum { LARGEST = 3, SMALLEST = 20 };
    path *p = &w->path;
    const double f = w->s->f[i], noise = w->noise[i] + 2 * GSL_DBL_EPSILON * fabs(f);
    double wide = GSL_NAN;
    *value = *step = GSL_NAN;
    *error = INFINITY;
    for (int k = LARGEST; k < SMALLEST; k++) {
        const double h = ldexp(1.375, -k), up = at(p, h)[i] - f, down = at(p, -h)[i] - f,
                     near = (up + down) / (h * h), better = (4 * near - wide) / 3,
                     off = fabs(better - near) + 8 * noise / (h * h);
        if (off < *error) {
            *value = better;
            *error = off;
            *step = 2 * h;
        }
        wide = near;
    }
}

static void judge_row(job *w, size_t i, double rounding, gpf_element *e)
{
    second_difference(w, i, &e->numeric, &e->error, &e->step);
    const double size = fmax(fabs(e->analytic), fabs(e->numeric)), off = e->analytic - e->numeric;
    const bool agree = gpf__agree(e->analytic, e->numeric, e->error, rounding);
    e->left = e->right = e->left_error = e->right_error = e->kink_step = GSL_NAN;
    e->verdict = GPF_UNRESOLVED;
    e->reason = GPF_REASON_NOISE;
    if (!isfinite(e->numeric))
        e->reason = isfinite(w->s->f[i]) ? GPF_REASON_CROWDED : GPF_REASON_NOT_FINITE;
    else if (!isfinite(e->analytic)) {
        e->verdict = GPF_WRONG;
        e->reason = GPF_REASON_NOT_FINITE;
    } else if (agree && e->analytic == 0) {
        e->verdict = GPF_VACUOUS;
        e->reason = GPF_REASON_NO_REACTION;
    } else if (agree && e->error <= GPF__RESOLVED * size) {
        e->verdict = GPF_RIGHT;
        e->reason = GPF_REASON_NONE;
        e->digits = fmin(16, fmax(0, -log10(fmax(e->error, fabs(off)) / size)));
    } else if (!agree && e->error <= 0.01 * size) {
        e->verdict = GPF_WRONG;
        e->reason = GPF_REASON_FLAT_GAP;
    }
}

static void check_row(job *w, size_t i, double rounding, gpf_element *e)
{
    const size_t before = w->path.evaluations;
    e->value = 0; /* of t */
    e->verdict = GPF_N_VERDICTS;
    e->reason = GPF_REASON_NONE;
    e->digits = 0;
    if (w->path.by == GPF__F)
        judge_row(w, i, rounding, e);
    else
        decide_row(w, i, rounding, e);
    spare_kinks(w, i, e);
    e->evaluations = (unsigned)(w->path.evaluations - before);
    e->value = GSL_NAN;
}

/* All rows along v. */
static int check_direction(job *w, const double *v, gpf_element *found)
{
    gpf__subject *s = w->s;
    bool measured = false;
    set_path(&w->path, v);
    gpf__call(s, GPF__FVV, &(gpf__args){ .x = s->x, .u = v, .out = w->analytic });
    int status = GSL_SUCCESS;
    if (w->path.by == GPF__F)
        memcpy(w->noise, s->noise, s->m * sizeof *w->noise);
    else
        status = gpf__scatter(s, value_at, &w->path, s->m, v, w->noise);
    for (size_t i = 0; i < s->m && !status; i++) {
        gpf_element *e = &found[i];
        *e = (gpf_element){ .k = i, .analytic = w->analytic[i] };
        check_row(w, i, 0, e);
        if (e->verdict == GPF_WRONG && isfinite(e->analytic)) { /* is that fvv's own rounding? */
            if (!measured)
                status = gpf__scatter(s, sampled_second, w, s->m, v, w->rounding);
            measured = true;
            if (!status && !(1e3 * w->rounding[i] < fabs(e->analytic - e->numeric)))
                check_row(w, i, w->rounding[i], e);
        }
    }
    return status;
}

/* What is wrong with it. */

static bool near(double a, double b, double size)
{
    return fabs(a - b) <= 1e-6 * size;
}

/* fvv(2 v) = 4 fvv(v): if it is not even that. */
static int explain_degree(job *w, int part, bool *said)
{
    gpf__subject *s = w->s;
    const double *v = w->path.v;
    bool quadratic = true, linear = true, constant = true, first = true, any = false;
    for (size_t j = 0; j < s->n; j++)
        w->unit[j] = 2 * v[j];
    const double *slope = w->path.by == GPF__F ? NULL : at(&w->path, 0);
    const gpf__args twice = { .x = s->x, .u = w->unit, .out = w->again };
    if (gpf__call(s, GPF__FVV, &twice))
        return GSL_SUCCESS;
    for (size_t i = 0; i < s->m; i++) {
        const double one = w->analytic[i], two = w->again[i],
                     size = fmax(fabs(two), 4 * fabs(one)) + GSL_DBL_MIN;
        if (!isfinite(one) || !isfinite(two))
            continue;
        any |= one != 0 || two != 0;
        quadratic &= near(two, 4 * one, size);
        linear &= near(two, 2 * one, size);
        constant &= near(two, one, size);
        first &= slope && near(slope[i], one, size);
    }
    *said = any && !quadratic;
    if (!*said)
        return GSL_SUCCESS;
    return gpf__say(s, GPF_NOT_QUADRATIC, part, "%s",
                    first      ? "fvv is J v, the first derivative along v, not the second"
                    : constant ? "fvv does not depend on v: fvv(2 v) = fvv(v)"
                    : linear   ? "fvv is linear in v: fvv(2 v) = 2 fvv(v), not 4 fvv(v)"
                               : "fvv is not quadratic in v: fvv(2 v) is not 4 fvv(v)");
}

/* sum over j of d2 f/dx_j^2 v_j^2, what is left of fvv without its mixed terms. False where bounds
 * or undefined values are in the way. */
static bool sum_axes(job *w, const double *v)
{
    gpf__subject *s = w->s;
    path *p = &w->path;
    memset(w->axes, 0, s->m * sizeof *w->axes);
    memset(w->unit, 0, s->n * sizeof *w->unit);
    bool ok = true;
    for (size_t j = 0; j < s->n && ok; j++) {
        if (v[j] == 0)
            continue;
        w->unit[j] = v[j];
        set_path(p, w->unit);
        const double h = p->by == GPF__F ? 0x1p-9 : 0x1p-13;
        for (size_t i = 0; i < s->m && ok; i++) {
            const double up = at(p, h)[i], down = at(p, -h)[i],
                         by = p->by == GPF__F ? (up - 2 * s->f[i] + down) / (h * h)
                                              : (up - down) / (2 * h);
            w->axes[i] += by;
            ok = isfinite(by);
        }
        w->unit[j] = 0;
    }
    return ok;
}

/* Are the mixed terms missing, or there once where they belong twice? With N = fvv by differences
 * and S the sum without them: A = S, A = (N + S)/2. */
static int explain_mixed(job *w, int part, bool *said)
{
    gpf__subject *s = w->s;
    *said = false;
    if (s->n < 2 || s->n > MOST_VARIABLES || !sum_axes(w, w->path.v))
        return GSL_SUCCESS;
    size_t wrong = 0, none = 0, once = 0;
    for (size_t i = 0; i < s->m; i++) {
        const gpf_element *e = &w->chosen[i];
        if (e->verdict != GPF_WRONG)
            continue;
        const double a = e->analytic, n = e->numeric, sum = w->axes[i],
                     slack = 1e-4 * fabs(n - sum) + 3 * e->error;
        wrong++;
        none += fabs(a - sum) <= slack;
        once += fabs(a - (n + sum) / 2) <= slack;
    }
    const size_t matched = none > once ? none : once;
    *said = wrong > 0 && matched == wrong;
    if (!*said)
        return GSL_SUCCESS;
    gpf_explanation e = gpf__explanation(GPF_CROSS_TERMS, part);
    e.matched = matched;
    e.total = wrong;
    gpf__format(e.text, sizeof e.text,
                none > once
                    ? "fvv has no mixed terms: v[i] v[j] d2f/dx[i]dx[j], i != j, are missing "
                      "(%zu of %zu entries)"
                    : "fvv has its mixed terms once, v[i] v[j] d2f/dx[i]dx[j] for i < j: they "
                      "belong there twice (%zu of %zu entries)",
                matched, wrong);
    return gpf__add(s, e);
}

static int explain_second(job *w, int part, const double *v)
{
    bool said = false;
    int status = GSL_SUCCESS;
    set_path(&w->path, v);
    for (size_t i = 0; i < w->s->m; i++)
        w->analytic[i] = w->chosen[i].analytic;
    status = explain_degree(w, part, &said);
    if (!status && !said)
        status = explain_mixed(w, part, &said);
    if (said)
        w->s->named |= 1u << part;
    return status;
}

/* Is row i wrong along this direction? Not where the other one says that there is a kink: both
 * sides of this one may happen to have the same slope. */
static bool is_wrong(const job *w, size_t k, size_t i)
{
    const gpf_reason other = w->found[1 - k][i].reason;
    return w->found[k][i].verdict == GPF_WRONG && other != GPF_REASON_BETWEEN &&
           other != GPF_REASON_CROWDED;
}

static int check(job *w)
{
    gpf__subject *s = w->s;
    size_t wrong[DIRECTIONS] = { 0 };
    int status = GSL_SUCCESS;
    for (size_t k = 0; k < DIRECTIONS && !status; k++) {
        choose_direction(s, k, w->v[k]);
        status = check_direction(w, w->v[k], w->found[k]);
    }
    for (size_t k = 0; k < DIRECTIONS && !status; k++)
        for (size_t i = 0; i < s->m; i++)
            wrong[k] += is_wrong(w, k, i);
    const size_t which = wrong[0] == 0 && wrong[1] > 0;
    w->chosen = w->found[which];
    for (size_t i = 0; i < s->m && !status; i++)
        if (w->chosen[i].verdict == GPF_WRONG && !is_wrong(w, which, i)) {
            w->chosen[i].verdict = GPF_UNRESOLVED;
            w->chosen[i].reason = GPF_REASON_CROWDED;
        }
    const int part = gpf__part(s, "fvv", s->m, 1);
    for (size_t i = 0; i < s->m && !status; i++) {
        w->chosen[i].tensor = part;
        status = gpf__element(s, &w->chosen[i]);
    }
    if (!status && wrong[which])
        status = explain_second(w, part, w->v[which]);
    return status;
}

/* May J be differenced? It does not depend on other calls, nothing in it is wrong, and something is
 * right. */
static gpf__route best_route(const gpf__subject *s)
{
    const gpf_fdf_part *J = gpf__part_named(s->result, s->kind->part);
    if (!J || s->unsteady || J->tally.count[GPF_WRONG] || !gpf__part_tested(J))
        return GPF__F;
    return gpf__has(s, GPF__DF) ? GPF__DF : gpf__has(s, GPF__JU) ? GPF__JU : GPF__F;
}

int gpf__check_second(gpf__subject *s)
{
    if (!gpf__has(s, GPF__FVV))
        return GSL_SUCCESS;
    const size_t n = s->n, m = s->m;
    job w = { .s = s, .path = { .s = s, .by = best_route(s) } };
    const size_t whole = w.path.by == GPF__DF ? m * n : 0;
    double *next = w.memory = malloc((4 * n + 5 * m + POINTS * m + whole) * sizeof *next);
    w.found[0] = malloc(DIRECTIONS * m * sizeof **w.found);
    int status = w.memory && w.found[0] ? GSL_SUCCESS : GSL_ENOMEM;
    if (!status) {
        w.found[1] = w.found[0] + m;
        w.v[0] = next;
        w.v[1] = next += n;
        w.unit = next += n;
        w.path.x = next += n;
        w.analytic = next += n;
        w.noise = next += m;
        w.rounding = next += m;
        w.axes = next += m;
        w.again = next += m;
        w.path.value = next += m;
        w.path.d = next + POINTS * m;
        status = check(&w);
    }
    free(w.memory);
    free(w.found[0]);
    return status;
}
