/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The entries of a Jacobian, column by column, and what is outside its pattern. */
#include "base/text.h"
#include "gsl/gsl.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    gpf__subject *s;
    int part;
    size_t cols;                   /* columns of the part; dfdt: 1 */
    size_t first;                  /* variable of its column 0 */
    gpf__column *together, *alone; /* a group; one variable */
    size_t lone;                   /* the variable that `alone` is set to */
    gpf__pattern *pattern;
    size_t *all;  /* n: 0, 1, .. */
    double *own;  /* m: noise along variable own_of */
    double *wide; /* 2 m: in a wide region, along all variables and along wide_of */
    double *rest; /* 2 m: the same, how smooth f is there */
    double *near; /* m: of variable near_of, at very small steps */
    size_t own_of, wide_of, near_of;
    double *
        rounding; /* m times n_rounding: noise of the analytic values, from column rounding_of on */
    size_t rounding_of, n_rounding;
    double *v;            /* n */
    unsigned char *moved; /* m: rows in which something beside the pattern moves */
    size_t done, total;
    size_t outside, out_row, out_col; /* entries outside the pattern, the first */
} job;

enum { NOT_SET = -1, DIRECTION_STREAM = 202 };

/* Columns from `first` on of the analytic Jacobian at x, one after another. */
typedef struct analytic {
    gpf__subject *s;
    double *whole, *dt, *unit, *f; /* m x n_d; m; n; m */
    size_t first, count;
} analytic;

static int analytic_column(void *arg, const double *x, double *values)
{
    analytic *a = arg;
    return gpf__call(a->s, GPF__JU, &(gpf__args){ .x = x, .u = a->unit, .out = values });
}

static int analytic_columns(void *arg, const double *x, double *values)
{
    analytic *a = arg;
    gpf__subject *s = a->s;
    const gpf__route r = s->kind->has(s->structure, GPF__DF) ? GPF__DF : GPF__FDF;
    const gpf__args args = {
        .x = x, .f = r == GPF__FDF ? a->f : NULL, .d = a->whole, .dt = s->kind->time ? a->dt : NULL
    };
    const int status = gpf__call(s, r, &args);
    for (size_t k = 0; k < a->count && !status; k++)
        for (size_t i = 0, j = a->first + k; i < s->m; i++)
            values[k * s->m + i] = j < s->n_d ? a->whole[i * s->n_d + j] : a->dt[i];
    return status;
}

/* The noise of the analytic values of column j. Where all columns come at once, it is measured of
 * so many, from that one on, as take little memory. */
static int measure_rounding(job *w, size_t j)
{
    enum { LITTLE = 1 << 16 };
    gpf__subject *s = w->s;
    if (j >= w->rounding_of && j - w->rounding_of < w->n_rounding)
        return GSL_SUCCESS;
    const bool by_column = s->kind->has(s->structure, GPF__JU);
    const size_t fit = by_column || s->m > LITTLE ? 1 : LITTLE / (s->m + !s->m);
    analytic a = { .s = s, .first = j, .count = fit < s->n - j ? fit : s->n - j };
    free(w->rounding);
    w->n_rounding = 0;
    w->rounding = malloc((s->m * a.count + 1) * sizeof *w->rounding);
    if (by_column) {
        a.unit = calloc(s->n, sizeof *a.unit);
    } else {
        a.whole = malloc((s->m * s->n_d + 1) * sizeof *a.whole);
        a.dt = malloc((s->m + 1) * sizeof *a.dt);
        a.f = malloc((s->m + 1) * sizeof *a.f);
    }
    int status = GSL_ENOMEM;
    if (w->rounding && (by_column ? a.unit != NULL : a.whole && a.dt && a.f)) {
        if (by_column)
            a.unit[j] = 1;
        gpf__random_direction(s, DIRECTION_STREAM, w->v);
        status = gpf__scatter(s, by_column ? analytic_column : analytic_columns, &a, s->m * a.count,
                              w->v, w->rounding);
        w->rounding_of = j;
        w->n_rounding = status ? 0 : a.count;
    }
    free(a.unit);
    free(a.whole);
    free(a.dt);
    free(a.f);
    return status;
}

/* The noise of all rows when only variable j moves. */
static int measure_own(job *w, size_t j)
{
    gpf__subject *s = w->s;
    if (w->own_of == j)
        return GSL_SUCCESS;
    memset(w->v, 0, s->n * sizeof *w->v);
    w->v[j] = gpf__typical(s, j);
    w->own_of = j;
    const int status = gpf__measure_noise(s, w->v, w->own);
    for (size_t i = 0; i < s->m; i++)
        w->own[i] = fmax(w->own[i], s->spread[i]);
    return status;
}

/* The noise in a wide region: along all variables, and along j. */
static int measure_wide(job *w, size_t j)
{
    gpf__subject *s = w->s;
    int status = GSL_SUCCESS;
    if (!w->wide) {
        w->wide = malloc((2 * s->m + 1) * sizeof *w->wide);
        free(w->rest);
        w->rest = malloc((2 * s->m + 1) * sizeof *w->rest);
        if (!w->wide || !w->rest)
            return GSL_ENOMEM;
        gpf__random_direction(s, DIRECTION_STREAM, w->v);
        status = gpf__measure_noise_wide(s, w->v, w->wide, w->rest);
    }
    if (w->wide_of == j || status)
        return status;
    memset(w->v, 0, s->n * sizeof *w->v);
    w->v[j] = gpf__typical(s, j);
    w->wide_of = j;
    return gpf__measure_noise_wide(s, w->v, w->wide + s->m, w->rest + s->m);
}

/* The noise at very small steps of variable j: waves too fast for the usual ones look like noise,
 * but not there. */
static int measure_near(job *w, size_t j)
{
    gpf__subject *s = w->s;
    if (!w->near && !(w->near = malloc((s->m + 1) * sizeof *w->near)))
        return GSL_ENOMEM;
    if (w->near_of == j)
        return GSL_SUCCESS;
    memset(w->v, 0, s->n * sizeof *w->v);
    w->v[j] = ldexp(gpf__typical(s, j), -18);
    w->near_of = j;
    const int status = gpf__measure_noise(s, w->v, w->near);
    for (size_t i = 0; i < s->m; i++)
        w->near[i] = fmax(w->near[i], s->spread[i]);
    return status;
}

static void decide(gpf__column *c, size_t j, const gpf__around *around, size_t i, gpf_element *e)
{
    const gpf__line line = gpf__column_row(c, i, j);
    const size_t before = gpf__column_evaluations(c);
    const unsigned so_far = e->evaluations;
    gpf__decide(&line, around, e);
    e->evaluations = so_far + (unsigned)(gpf__column_evaluations(c) - before);
}

static bool is_plain(const gpf__around *a)
{
    return a->noise <= 64 * DBL_EPSILON * fabs(a->base);
}

/* Does it disagree, or does noise hide it, that may not be as large as was thought? */
static bool noise_matters(const gpf_element *e, const gpf__around *a)
{
    return e->verdict == GPF_WRONG || e->reason == GPF_REASON_NOISE ||
           (e->reason == GPF_REASON_NO_REACTION && !is_plain(a));
}

/* Is the gap so small a part of f that an approximation inside f may be the cause, a sum that is
 * cut off or an iteration that is stopped? Its error may be as smooth as f, with a slope of its
 * own, and show only where the iteration stops elsewhere: in a wide region. An error of 1e-10 of f
 * that falls as q^k, k = 30 to 100 steps, has slopes up to a hundred times that: so far below f,
 * the gap counts only if f is seen to be much smoother. */
static bool is_excused(const job *w, const gpf_element *e, const gpf__around *a, size_t i)
{
    const double *wide = w->wide + i, *rest = w->rest + i, gap = fabs(e->analytic - e->numeric),
                 change = gap * a->typical,
                 size = fmax(fabs(a->base), a->typical * fabs(e->numeric));
    const size_t m = w->s->m;
    if (change <= fmax(200 * fmax(wide[0], wide[m]), 5e-10 * size))
        return true;
    return change <= 5e-8 * size && (gap <= 1e-5 * fabs(e->numeric) || e->analytic == 0 ||
                                     !(change > 1e3 * fmax(rest[0], rest[m])));
}

/* Entry i of variable j's column with points of c; with its noise measured well, if it disagrees or
 * noise hides it, before it counts. */
static int look_at(job *w, gpf__column *c, size_t i, size_t j, gpf_element *e)
{
    enum { TWICE = 2 };
    gpf__subject *s = w->s;
    gpf__around here = {
        .base = s->f[i], .noise = s->noise[i], .typical = gpf__typical(s, j), .depends = 1
    };
    decide(c, j, &here, i, e);
    for (int n = 0; n < TWICE; n++) {
        bool again = false;
        if (noise_matters(e, &here)) {
            const int status = measure_own(w, j);
            if (status)
                return status;
            const double own = w->own[i];
            if (e->verdict == GPF_WRONG ? own > here.noise : 2 * own < here.noise) {
                here.noise = own;
                again = true;
            }
        }
        if ((e->verdict == GPF_WRONG || e->verdict == GPF_UNRESOLVED) && here.rounding == 0 &&
            isfinite(e->analytic) && isfinite(e->numeric)) {
            const int status = measure_rounding(w, j);
            if (status)
                return status;
            here.rounding = w->rounding[(j - w->rounding_of) * s->m + i];
            /* Far below the gap it changes nothing. */
            again |= !(1e3 * here.rounding < fabs(e->analytic - e->numeric));
        }
        if (!again)
            break;
        decide(c, j, &here, i, e);
    }
    if (e->verdict == GPF_WRONG && isfinite(e->analytic) && !is_plain(&here)) {
        const int status = measure_near(w, j);
        if (status)
            return status;
        if (w->near[i] < here.noise / 8) { /* it has to be wrong either way */
            here.noise = w->near[i];
            decide(c, j, &here, i, e);
            /* Where f has steps, next to nothing is no proof of a zero. */
            if (e->verdict == GPF_RIGHT && e->analytic == 0) {
                e->verdict = GPF_UNRESOLVED;
                e->reason = GPF_REASON_NOISE;
            }
        }
    }
    if (e->verdict != GPF_WRONG || !isfinite(e->analytic))
        return GSL_SUCCESS;
    const int status = measure_wide(w, j);
    if (status)
        return status;
    const gpf__line line = gpf__column_row(c, i, j);
    if (is_excused(w, e, &here, i) || gpf__is_due_to_step(&line, &here, e)) {
        e->verdict = GPF_UNRESOLVED;
        e->reason = GPF_REASON_NOISE;
    }
    return GSL_SUCCESS;
}

static gpf__column *alone(job *w, size_t j)
{
    if (w->lone != j)
        gpf__column_set(w->alone, &w->all[j], 1);
    w->lone = j;
    return w->alone;
}

static gpf_element entry(const job *w, size_t i, size_t j)
{
    const gpf__subject *s = w->s;
    return (gpf_element){ .tensor = w->part,
                          .k = i * w->cols + (j - w->first),
                          .value = s->x[j],
                          .analytic = s->d[i * s->n + j],
                          .verdict = GPF_N_VERDICTS };
}

/* Of an interrupted entry nothing is known. */
static int add(job *w, const gpf_element *e)
{
    return w->s->result->stopped ? GSL_SUCCESS : gpf__element(w->s, e);
}

/* All rows of a variable that shares its points with no other. */
static int check_column(job *w, size_t j)
{
    gpf__subject *s = w->s;
    gpf__column *c = alone(w, j);
    int status = GSL_SUCCESS;
    for (size_t i = 0; i < s->m && !status && !s->result->stopped; i++) {
        gpf_element e = entry(w, i, j);
        status = look_at(w, c, i, j, &e);
        if (status == GSL_SUCCESS)
            status = add(w, &e);
    }
    w->done += s->m;
    return status;
}

/* Does row i move at some of the points that a check of it would use? */
static bool moves(gpf__column *c, const gpf__subject *s, size_t i, size_t j)
{
    const gpf__line line = gpf__column_row(c, i, j);
    const double h = line.step, t[] = { -h, h, -ldexp(h, 13), ldexp(h, 13) };
    double y[4];
    line.values(line.arg, t, 4, y, NULL);
    for (int k = 0; k < 4; k++)
        if (fabs(y[k] - s->f[i]) > 2 * s->noise[i])
            return true;
    return false;
}

static int found_outside(job *w, const gpf_element *e, size_t i, size_t j)
{
    if (!w->s->result->stopped && w->outside++ == 0) {
        w->out_row = i;
        w->out_col = j - w->first;
    }
    return add(w, e);
}

/* What there is of variable j outside the pattern: analytic values, and rows that move. */
static int check_outside(job *w, size_t j, bool moved)
{
    gpf__subject *s = w->s;
    const gpf__pattern *p = w->pattern;
    int status = GSL_SUCCESS;
    for (size_t i = 0; i < s->m && !status && !s->result->stopped; i++) {
        const double d = s->d[i * s->n + j];
        if ((d == 0 && !(moved && w->moved[i])) || gpf__pattern_has(p, i, j))
            continue;
        gpf__column *c = alone(w, j);
        if (d == 0 && !moves(c, s, i, j))
            continue;
        gpf_element e = entry(w, i, j);
        status = look_at(w, c, i, j, &e);
        if (!status && (d != 0 || e.verdict == GPF_WRONG))
            status = found_outside(w, &e, i, j);
    }
    return status;
}

/* The variables of a group, together; each row belongs to at most one of them. */
static int check_group(job *w, size_t g)
{
    gpf__subject *s = w->s;
    const gpf__pattern *p = w->pattern;
    const size_t *variable = p->variable + p->group[g], n = p->group[g + 1] - p->group[g];
    enum { NOBODYS, RIGHT, MOVED };
    memset(w->moved, NOBODYS, s->m);
    gpf__column_set(w->together, variable, n);
    int status = GSL_SUCCESS;
    for (size_t v = 0; v < n && !status; v++) {
        const size_t j = variable[v];
        for (size_t k = p->column[j]; k < p->column[j + 1] && !status && !s->result->stopped; k++) {
            const size_t i = p->row_of[k];
            gpf_element e = entry(w, i, j);
            w->moved[i] = RIGHT;
            status = look_at(w, w->together, i, j, &e);
            if (!status && n > 1 && e.verdict != GPF_RIGHT && e.verdict != GPF_VACUOUS) {
                const gpf_verdict before = e.verdict;
                const unsigned evaluations = e.evaluations;
                e = entry(w, i, j);
                e.evaluations = evaluations;
                status = look_at(w, alone(w, j), i, j, &e);
                if (e.verdict != before)
                    w->moved[i] = MOVED;
            }
            if (status == GSL_SUCCESS)
                status = add(w, &e);
        }
    }
    bool any = false;
    for (size_t i = 0; i < s->m; i++) {
        w->moved[i] = w->moved[i] == MOVED ||
                      (w->moved[i] == NOBODYS && moves(w->together, s, i, variable[0]));
        any |= w->moved[i] != 0;
    }
    for (size_t v = 0; v < n && !status; v++) {
        status = check_outside(w, variable[v], any);
        w->done += p->column[variable[v] + 1] - p->column[variable[v]];
    }
    return status;
}

static int explain_outside(job *w)
{
    if (w->outside == 0)
        return GSL_SUCCESS;
    gpf_explanation e = gpf__explanation(GPF_OUTSIDE_PATTERN, w->part);
    e.row = (ptrdiff_t)w->out_row;
    e.column = (ptrdiff_t)w->out_col;
    e.matched = e.total = w->outside;
    const gpf__subject *s = w->s;
    gpf__format(e.text, sizeof e.text, "%s[%zu,%zu] is not in the pattern, but %s%s", s->kind->part,
                w->out_row, w->out_col,
                s->d[w->out_row * s->n + w->out_col] != 0 ? "is not zero" : "f depends on it",
                w->outside == 1 ? "" : "; it is the first of several");
    return gpf__add(w->s, e);
}

static int check_part(job *w)
{
    gpf__subject *s = w->s;
    int status = GSL_SUCCESS;
    if (w->pattern)
        for (size_t g = 0; g < w->pattern->n_group && !status && !gpf__stop(s, w->done, w->total);
             g++)
            status = check_group(w, g);
    else
        for (size_t j = w->first;
             j < w->first + w->cols && !status && !gpf__stop(s, w->done, w->total); j++)
            if (!gpf__is_fixed(s, j))
                status = check_column(w, j);
    if (!status && !s->result->stopped)
        gpf__stop(s, w->done, w->total); /* after the last one, too */
    return status ? status : explain_outside(w);
}

static void free_job(job *w)
{
    gpf__column_free(w->together);
    gpf__column_free(w->alone);
    gpf__pattern_free(w->pattern);
    free(w->all);
    free(w->own);
    free(w->wide);
    free(w->near);
    free(w->rounding);
    free(w->rest);
    free(w->v);
    free(w->moved);
}

static int alloc_job(job *w)
{
    gpf__subject *s = w->s;
    const size_t n = s->n, m = s->m;
    w->lone = w->own_of = w->wide_of = w->near_of = (size_t)NOT_SET;
    w->alone = gpf__column_alloc(s);
    w->all = malloc(n * sizeof *w->all);
    w->own = malloc((m + 1) * sizeof *w->own);
    w->v = malloc(n * sizeof *w->v);
    if (!w->alone || !w->all || !w->own || !w->v)
        return GSL_ENOMEM;
    for (size_t j = 0; j < n; j++) {
        w->all[j] = j;
        w->total += gpf__is_fixed(s, j) ? 0 : m;
    }
    if (!s->how->pattern)
        return GSL_SUCCESS;
    unsigned char *skip = calloc(n, sizeof *skip);
    for (size_t j = 0; skip && j < n; j++)
        skip[j] = gpf__is_fixed(s, j);
    w->together = gpf__column_alloc(s);
    w->moved = malloc(m + 1);
    if (skip && w->together && w->moved)
        w->pattern = gpf__pattern_alloc(s->how->pattern, m, n - (size_t)s->kind->time, skip);
    free(skip);
    if (!w->pattern)
        return GSL_ENOMEM;
    w->total = 0;
    const gpf__pattern *p = w->pattern;
    for (size_t k = 0; p->n_group && k < p->group[p->n_group]; k++)
        w->total += p->column[p->variable[k] + 1] - p->column[p->variable[k]];
    if (s->kind->time && !gpf__is_fixed(s, n - 1))
        w->total += m;
    return GSL_SUCCESS;
}

int gpf__check_jacobian(gpf__subject *s)
{
    job w = { .s = s, .cols = s->n - (size_t)s->kind->time };
    int status = alloc_job(&w);
    if (status == GSL_SUCCESS && (w.part = gpf__part(s, s->kind->part, s->m, w.cols)) < 0)
        status = GSL_ENOMEM;
    if (status == GSL_SUCCESS)
        status = check_part(&w);
    if (status == GSL_SUCCESS && s->kind->time && !s->result->stopped) {
        gpf__pattern_free(w.pattern);
        w.pattern = NULL;
        w.outside = 0;
        w.first = s->n - 1;
        w.cols = 1;
        if ((w.part = gpf__part(s, "dfdt", s->m, 1)) < 0)
            status = GSL_ENOMEM;
        else
            status = check_part(&w);
    }
    free_job(&w);
    return status;
}

struct gpf__entries {
    job w;
};

gpf__entries *gpf__entries_alloc(gpf__subject *s)
{
    gpf__entries *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->w.s = s;
    if (alloc_job(&l->w)) {
        gpf__entries_free(l);
        return NULL;
    }
    return l;
}

void gpf__entries_free(gpf__entries *l)
{
    if (!l)
        return;
    free_job(&l->w);
    free(l);
}

int gpf__entries_look(gpf__entries *l, size_t i, size_t j, gpf_element *e)
{
    const int status = look_at(&l->w, alone(&l->w, j), i, j, e);
    if (l->w.s->result->stopped) {
        e->verdict = GPF_UNRESOLVED;
        e->reason = GPF_REASON_NOISE;
    }
    return status;
}
