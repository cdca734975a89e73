/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random points at which an identity that holds is no coincidence. */
#include "check/generic.h"
#include "plan/plan.h"

#include <gradproof/check.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a leaf's own values show, and how values of that kind are drawn: row of `cols` elements. */
typedef struct kind {
    bool (*fits)(const double *x, size_t rows, size_t cols);
    void (*draw)(gsl_rng *r, double *row, size_t cols);
} kind;

static bool all(const double *x, size_t n, bool (*test)(double))
{
    for (size_t i = 0; i < n; i++)
        if (!test(x[i]))
            return false;
    return true;
}

static bool is_sign(double v)
{
    return v == 1 || v == -1;
}

static bool is_fraction(double v)
{
    return v >= 0 && v <= 1;
}

static bool is_positive(double v)
{
    return v > 0;
}

static bool is_negative(double v)
{
    return v < 0;
}

static bool signs(const double *x, size_t rows, size_t cols)
{
    return all(x, rows * cols, is_sign);
}

static bool fractions(const double *x, size_t rows, size_t cols)
{
    return all(x, rows * cols, is_fraction);
}

static bool positive(const double *x, size_t rows, size_t cols)
{
    return all(x, rows * cols, is_positive);
}

static bool negative(const double *x, size_t rows, size_t cols)
{
    return all(x, rows * cols, is_negative);
}

/* One-hot rows and other distributions: their sum is part of what they mean. */
static bool distributions(const double *x, size_t rows, size_t cols)
{
    if (cols < 2 || !fractions(x, rows, cols))
        return false;
    for (size_t i = 0; i < rows; i++) {
        double s = 0;
        for (size_t j = 0; j < cols; j++)
            s += x[i * cols + j];
        if (fabs(s - 1) > 1e-9)
            return false;
    }
    return true;
}

static bool anything(const double *x, size_t rows, size_t cols)
{
    (void)x, (void)rows, (void)cols;
    return true;
}

static double between(gsl_rng *r, double lo, double hi)
{
    return lo + (hi - lo) * gsl_rng_uniform_pos(r);
}

static void draw_signs(gsl_rng *r, double *row, size_t cols)
{
    for (size_t j = 0; j < cols; j++)
        row[j] = gsl_rng_uniform(r) < 0.5 ? -1 : 1;
}

static void draw_fractions(gsl_rng *r, double *row, size_t cols)
{
    for (size_t j = 0; j < cols; j++)
        row[j] = between(r, 0.07, 0.93);
}

static void draw_positive(gsl_rng *r, double *row, size_t cols)
{
    for (size_t j = 0; j < cols; j++)
        row[j] = between(r, 0.3, 1.7);
}

static void draw_negative(gsl_rng *r, double *row, size_t cols)
{
    for (size_t j = 0; j < cols; j++)
        row[j] = -between(r, 0.3, 1.7);
}

static void draw_distribution(gsl_rng *r, double *row, size_t cols)
{
    double s = 0;
    for (size_t j = 0; j < cols; j++)
        s += row[j] = between(r, 0.1, 1);
    for (size_t j = 0; j < cols; j++)
        row[j] /= s;
}

static void draw_any(gsl_rng *r, double *row, size_t cols)
{
    for (size_t j = 0; j < cols; j++)
        row[j] = between(r, 0.3, 1.7) * (gsl_rng_uniform(r) < 0.5 ? -1 : 1);
}

/* The first that fits. */
static const kind kinds[] = { { signs, draw_signs },         { distributions, draw_distribution },
                              { fractions, draw_fractions }, { positive, draw_positive },
                              { negative, draw_negative },   { anything, draw_any } };

/* Values that only piecewise constant ops read are labels: any other number would be no label. */
static bool is_label(const gpf_graph *g, gpf_node leaf)
{
    bool read = false;
    for (size_t i = 1; i < g->n; i++) {
        const gpf__node *n = g->node[i];
        for (int k = 0; k < n->n_x; k++) {
            if (n->x[k] != leaf)
                continue;
            if (!(n->op->flags & GPF_OP_STEP))
                return false;
            read = true;
        }
    }
    return read;
}

static size_t size_of(gpf_shape s, size_t N, size_t *rows, size_t *cols)
{
    const size_t n = gpf_shape_size(s, N);
    *cols = s.rank < 2 ? 1 : (size_t)s.dim[s.rank - 1];
    *rows = n / *cols;
    return n;
}

/* The first kind that fits a leaf's own values; anything if it has none. */
static const kind *kind_of(const double *like, size_t rows, size_t cols)
{
    const kind *k = kinds;
    while (like && !k->fits(like, rows, cols))
        k++;
    return like ? k : &kinds[sizeof kinds / sizeof *kinds - 1];
}

/* Near the leaf's own values, where a formula's domain is far from 0. */
static void draw_near(const double *like, size_t like_rows, gsl_rng *r, double *x, size_t rows,
                      size_t cols)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            const double v = like[i % like_rows * cols + j];
            x[i * cols + j] = v == 0 ? between(r, -0.2, 0.2) : v * between(r, 0.85, 1.18);
        }
}

static void draw_leaf(const gpf_graph *g, gpf_node leaf, const double *like, size_t like_N,
                      gsl_rng *r, size_t N, gpf__draw how, double *x)
{
    size_t rows, cols, like_rows;
    const gpf_shape s = gpf_node_shape(g, leaf);
    const size_t like_size = size_of(s, like_N, &like_rows, &cols), n = size_of(s, N, &rows, &cols);
    const bool param = gpf_node_is_param(g, leaf);
    if (like && is_label(g, leaf)) {
        for (size_t i = 0; i < n; i++)
            x[i] = like[gsl_rng_uniform_int(r, like_size)];
        return;
    }
    const kind *k = kind_of(param && how.where == GPF__ANYWHERE ? NULL : like, like_rows, cols);
    const bool free_scale =
        k->draw == draw_any || k->draw == draw_positive || k->draw == draw_negative;
    if (like && free_scale && how.where == GPF__NEARBY) {
        draw_near(like, like_rows, r, x, rows, cols);
        return;
    }
    for (size_t i = 0; i < rows; i++)
        k->draw(r, x + i * cols, cols);
    /* Params are smaller the more of them add up, so that nothing saturates. */
    const double scale = how.scale * (param && s.rank == 2 ? 1 / sqrt((double)s.dim[0]) : 1);
    for (size_t i = 0; free_scale && i < n; i++)
        x[i] *= scale;
}

size_t gpf__unlike_batch(const gpf_graph *g, size_t beyond)
{
    for (size_t N = beyond < 3 ? 3 : beyond + 1;; N++) {
        bool taken = false;
        for (size_t i = 0; i < g->n && !taken; i++)
            for (int a = 0; a < g->node[i]->shape.rank; a++)
                taken |= g->node[i]->shape.dim[a] == (ptrdiff_t)N;
        if (!taken)
            return N;
    }
}

gpf_point *gpf__generic(const gpf_graph *g, const gpf_point *like, size_t N, unsigned long seed,
                        gpf__draw how)
{
    gpf_point *p = gpf_point_alloc(g, N);
    gsl_rng *r = p ? gsl_rng_alloc(gsl_rng_mt19937) : NULL;
    size_t total = 1;
    for (size_t i = 0; i < g->n_data; i++)
        total += gpf_shape_size(gpf_node_shape(g, g->data[i]), N);
    if (r)
        p->owned = malloc(total * sizeof *p->owned);
    if (!r || !p->owned) {
        gsl_rng_free(r);
        gpf_point_free(p);
        return NULL;
    }
    gsl_rng_set(r, seed);
    const size_t like_N = like ? like->N : 0;
    for (size_t i = 0; i < g->n_param; i++) {
        const double *values = like ? gpf_point_values(like, g->param[i]) : NULL;
        draw_leaf(g, g->param[i], values, like_N, r, N, how, p->theta->data + p->offset[i]);
    }
    double *x = p->owned;
    for (size_t i = 0; i < g->n_data; i++) {
        const double *values = like ? gpf_point_values(like, g->data[i]) : NULL;
        draw_leaf(g, g->data[i], values, like_N, r, N, how, x);
        p->data[i] = x;
        x += gpf_shape_size(gpf_node_shape(g, g->data[i]), N);
    }
    gsl_rng_free(r);
    return p;
}

gpf_point *gpf_point_generic(const gpf_graph *g, const gpf_point *like, size_t N,
                             unsigned long seed)
{
    const gpf__draw how = { GPF__ANYWHERE, 1 };
    gpf_point *p = gpf__generic(g, like, N ? N : gpf__unlike_batch(g, 0), seed, how);
    if (!p)
        GSL_ERROR_NULL("no memory for a generic point", GSL_ENOMEM);
    return p;
}
