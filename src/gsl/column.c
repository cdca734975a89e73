/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/arena.h"
#include "gsl/gsl.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Steps far below it, and their differences, are still normal numbers. */
static const double LEAST_SIZE = 1e-270;

enum { MOST_POINTS = 256, LEAST_POINTS = 8 };

typedef struct row {
    gpf__column *column;
    size_t i;
    double factor; /* the group's t over the variable's */
} row;

struct gpf__column {
    gpf__subject *s;
    double *x;                /* n: the point of a call */
    double *value;            /* room x m: f there */
    double t[MOST_POINTS];    /* of each point */
    size_t used[MOST_POINTS]; /* when it was last asked for */
    size_t clock, n_point, room, last;
    size_t evaluations;
    const size_t *variable; /* borrowed */
    size_t n;
    double zero;  /* typical size of a variable that is 0 */
    double *step; /* n: first steps of these variables */
    row row;
};

/* Where nothing is known of the variable, which is 0, the others tell whether 1 is absurd. */
static double typical_of_zero(const gpf__subject *s)
{
    double least = INFINITY, most = 0;
    for (size_t j = 0; j < s->n; j++)
        if (s->x[j] != 0) {
            least = fmin(least, fabs(s->x[j]));
            most = fmax(most, fabs(s->x[j]));
        }
    return most > 0 ? fmin(fmax(1, least), fmax(most, 0x1p-20)) : 1;
}

static double bound(const gsl_vector *v, size_t j, double none)
{
    return v ? gsl_vector_get(v, j) : none;
}

static double typical(const gpf__subject *s, size_t j, double zero)
{
    const double x = fabs(s->x[j]),
                 room = bound(s->how->hi, j, INFINITY) - bound(s->how->lo, j, -INFINITY);
    /* A step has to move the variable. */
    if (s->how->scale)
        return fmax(fmax(gsl_vector_get(s->how->scale, j), ldexp(x, -16)), LEAST_SIZE);
    /* 1e6 + 0.3 between 1e6 and 1e6 + 1 */
    return fmax(fmax(fmin(x > 0 ? x : zero, room), ldexp(x, -16)), LEAST_SIZE);
}

double gpf__typical(const gpf__subject *s, size_t j)
{
    return typical(s, j, s->x[j] == 0 ? typical_of_zero(s) : 0);
}

void gpf__typicals(const gpf__subject *s, double *all)
{
    const double zero = typical_of_zero(s);
    for (size_t j = 0; j < s->n; j++)
        all[j] = typical(s, j, zero);
}

gpf__column *gpf__column_alloc(gpf__subject *s)
{
    gpf__column *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    const size_t m = s->m > 0 ? s->m : 1, fit = gpf__machine_memory() / 64 / sizeof(double) / m;
    c->s = s;
    c->room = fit < LEAST_POINTS ? LEAST_POINTS : fit > MOST_POINTS ? MOST_POINTS : fit;
    c->zero = typical_of_zero(s);
    c->x = malloc((s->n + 1) * sizeof *c->x);
    c->step = malloc((s->n + 1) * sizeof *c->step);
    /* Touched only as points come: a column of a smooth f needs eight. */
    c->value = malloc(c->room * m * sizeof *c->value);
    if (!c->x || !c->step || !c->value) {
        gpf__column_free(c);
        return NULL;
    }
    c->row.column = c;
    return c;
}

void gpf__column_free(gpf__column *c)
{
    if (!c)
        return;
    free(c->x);
    free(c->step);
    free(c->value);
    free(c);
}

void gpf__column_set(gpf__column *c, const size_t *variables, size_t n)
{
    c->variable = variables;
    c->n = n;
    c->n_point = c->last = c->clock = c->evaluations = 0;
    for (size_t i = 0; i < n; i++)
        c->step[variables[i]] = gpf__first_step(typical(c->s, variables[i], c->zero));
}

/* A power of two. */
static double factor_of(const gpf__column *c, size_t variable)
{
    return c->step[variable] / c->step[c->variable[0]];
}

/* Calls f where all variables are moved by t times their factors, into y. */
static void call(gpf__column *c, double t, double *y)
{
    gpf__subject *s = c->s;
    memcpy(c->x, s->x, s->n * sizeof *c->x);
    for (size_t i = 0; i < c->n; i++)
        c->x[c->variable[i]] += t * factor_of(c, c->variable[i]);
    if (gpf__is_inside(s, c->x) && !gpf__interrupted(s)) {
        gpf__call(s, GPF__F, &(gpf__args){ .x = c->x, .f = y });
        c->evaluations++;
    } else {
        for (size_t i = 0; i < s->m; i++)
            y[i] = NAN;
    }
}

/* The values at t, from memory if they are there; else in the place of those not asked for for the
 * longest time. */
static const double *point(gpf__column *c, double t)
{
    /* The next row asks for the same points in the same order. */
    for (size_t k = 0, i = c->last; k < c->n_point; k++) {
        i = i + 1 < c->n_point ? i + 1 : 0;
        if (c->t[i] == t) {
            c->last = i;
            c->used[i] = ++c->clock;
            return c->value + i * c->s->m;
        }
    }
    size_t i = c->n_point;
    if (i < c->room) {
        c->n_point++;
    } else {
        i = 0;
        for (size_t k = 1; k < c->room; k++)
            if (c->used[k] < c->used[i])
                i = k;
    }
    c->t[i] = t;
    c->last = i;
    c->used[i] = ++c->clock;
    call(c, t, c->value + i * c->s->m);
    return c->value + i * c->s->m;
}

static void values(void *arg, const double *t, size_t m, double *y, gpf_branch *b)
{
    const row *r = arg;
    if (b)
        memset(b, 0, m * sizeof *b);
    for (size_t k = 0; k < m; k++)
        y[k] = point(r->column, t[k] / r->factor)[r->i];
}

gpf__line gpf__column_row(gpf__column *c, size_t i, size_t variable)
{
    c->row.i = i;
    c->row.factor = factor_of(c, variable);
    return (gpf__line){ .arg = &c->row, .values = values, .grid = true, .step = c->step[variable] };
}

size_t gpf__column_evaluations(const gpf__column *c)
{
    return c->evaluations;
}
