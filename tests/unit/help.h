/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of the core share: repeatable numbers, one-line evaluation, comparison. */
#ifndef GPF_TESTS_UNIT_HELP_H
#define GPF_TESTS_UNIT_HELP_H

#include <gradproof.h>
#include <math.h>
#include <stdbool.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* splitmix64: high-entropy numbers, the same on every machine. */
typedef struct dice {
    uint64_t state;
} dice;

static inline uint64_t roll(dice *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline int below(dice *d, int n)
{
    return (int)(roll(d) % (uint64_t)n);
}

static inline double between(dice *d, double lo, double hi)
{
    return lo + (hi - lo) * ((double)(roll(d) >> 11) * 0x1p-53);
}

static inline void fill(dice *d, double *x, size_t n, double lo, double hi)
{
    for (size_t i = 0; i < n; i++)
        x[i] = between(d, lo, hi);
}

static inline gpf_shape shape_of(int rank, ptrdiff_t a, ptrdiff_t b, ptrdiff_t c, ptrdiff_t d)
{
    const ptrdiff_t dim[] = { a, b, c, d };
    return gpf_shape_of(rank, dim);
}

/* The params of the point as plain doubles. */
static inline double *theta(const gpf_point *at)
{
    return gpf_point_params(at)->data;
}

/* Evaluates n nodes; their values one after another in `values`. */
static inline void evaluate(const gpf_graph *g, const gpf_point *at, const gpf_node *nodes,
                            size_t n, double *values)
{
    gpf_plan *plan = gpf_plan_alloc(g, nodes, n, gpf_point_batch(at));
    assert_non_null(plan);
    gpf_workspace *ws = gpf_workspace_alloc(plan);
    assert_non_null(ws);
    assert_int_equal(gpf_plan_run(plan, ws, at), GSL_SUCCESS);
    for (size_t i = 0; i < n; i++) {
        const size_t size = gpf_plan_output_size(plan, i);
        memcpy(values, gpf_workspace_output(ws, i), size * sizeof *values);
        values += size;
    }
    gpf_workspace_free(ws);
    gpf_plan_free(plan);
}

static inline double evaluate1(const gpf_graph *g, const gpf_point *at, gpf_node node)
{
    double y = NAN;
    assert_int_equal(gpf_shape_size(gpf_node_shape(g, node), gpf_point_batch(at)), 1);
    evaluate(g, at, &node, 1, &y);
    return y;
}

/* Equal to `rel` of the larger magnitude or to `abs`; NaN equals NaN, an infinity itself. */
static inline int close_to(double a, double b, double rel, double abs)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    return a == b || fabs(a - b) <= rel * fmax(fabs(a), fabs(b)) || fabs(a - b) <= abs;
}

#define assert_close(a, b, rel, abs)                                               \
    do {                                                                           \
        const double close_a = (a), close_b = (b);                                 \
        if (!close_to(close_a, close_b, rel, abs))                                 \
            fail_msg("%s = %.17g, expected %s = %.17g", #a, close_a, #b, close_b); \
    } while (0)

static inline void assert_values(const double *got, const double *expected, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!close_to(got[i], expected[i], 1e-14, 1e-300))
            fail_msg("element %zu is %.17g, expected %.17g", i, got[i], expected[i]);
}

static inline void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is missing in:\n%s", part, text);
}

static inline void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' should not be in:\n%s", part, text);
}

/* The graph's error, whole; it is cleared. */
static inline void assert_error(gpf_graph *g, int status, const char *text)
{
    gpf_diag why;
    assert_int_equal(gpf_graph_status(g, &why), status);
    assert_int_equal(why.status, status);
    assert_string_equal(why.text, text);
    gpf_graph_clear_status(g);
}

static inline void assert_no_error(const gpf_graph *g)
{
    gpf_diag why;
    if (gpf_graph_status(g, &why))
        fail_msg("%d: %s", why.status, why.text);
}

/* d f(x) / dx of a one-element overlay value by central differences of fourth order; NaN if a
 * piecewise op changes side on the way. */
static inline double slope(gpf_overlay *o, size_t target, size_t k, double h)
{
    const double t[] = { -h, -h / 2, h / 2, h };
    double f[4];
    gpf_branch b[4];
    assert_int_equal(gpf_overlay_values(o, target, k, t, 4, f, b), GSL_SUCCESS);
    for (int i = 0; i < 4; i++)
        if (b[i].n_changed)
            return NAN;
    return (8 * (f[2] - f[1]) - (f[3] - f[0])) / (6 * h);
}

#endif
