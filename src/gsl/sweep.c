/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gsl/sweep.h"

#include "grad/sweep.h"
#include "op/gemm.h"
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

/* Sweeps of a Jacobian that are one plan, with the directions as constants: what does not depend on
 * them is computed once, and a derivative by a scalar is as short as on paper. Beyond that many, of
 * a graph that large or so many entries, one plan is run for each direction: some ALONE times the
 * work.
 */
enum { MAX_AT_ONCE = 256, MAX_NODES = 1 << 16, MAX_HELD = 1 << 20, ALONE = 4 };

/* A tensor that is part of a vector: of the variables, or of the values. */
typedef struct piece {
    gpf_node node;
    size_t at, size; /* in that vector */
    bool param;      /* a variable: a param, else data */
    size_t leaf;     /* of it: offset into the params, or index among the data */
    size_t helper;   /* index among the data of the leaf that is its direction */
} piece;

struct gpf__sweeps {
    gpf_graph *g;
    piece *x, *y;
    size_t n_x, n_y, n, m, N;
    gpf_node *dot, *bar; /* directions of x and y; NULL before they are needed */
    struct {
        gpf_plan *plan;
        gpf_workspace *ws;
    } part[GPF__N_SWEEPS];
    bool jacobian, forward; /* planned; by which sweeps */
    gpf_point *point;
    double *theta; /* its own params; its theta points elsewhere where it can */
    bool params,
        whole; /* some variables are params; they are all params that are needed, in order */
    size_t fixed, all;              /* params a point must have: where x is given, or is not */
    double *x_copy, *u_copy, *unit; /* n; max(n, m); zeros, max(n, m) */
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static int no_memory(gpf_diag *why)
{
    return gpf__diag(why, GSL_ENOMEM, "no memory for the derivatives of a function");
}

/* The graph's error goes into *why, and from the graph. */
static int take_error(gpf_graph *g, gpf_diag *why)
{
    const int status = gpf_graph_status(g, why);
    gpf_graph_clear_status(g);
    return status;
}

/* Making one. */

static int lay_out(gpf__sweeps *s, piece *pieces, const gpf_node *nodes, size_t n, size_t *total,
                   gpf_diag *why)
{
    *total = 0;
    for (size_t i = 0; i < n; i++) {
        const gpf_shape shape = gpf_node_shape(s->g, nodes[i]);
        const size_t size = gpf_shape_size(shape, s->N);
        if (size == 0 || *total + size > GPF_MAX_ELEMENTS) {
            char label[80], text[64];
            gpf_node_label(s->g, nodes[i], label, sizeof label);
            gpf_shape_text(shape, text, sizeof text);
            return s->N == 0 && size == 0
                       ? gpf__diag(why, GSL_EBADLEN, "%s is %s, but the point has no batch size",
                                   label, text)
                       : gpf__diag(why, GPF_ELIMIT, "%s is %s: more than %zu elements", label, text,
                                   GPF_MAX_ELEMENTS);
        }
        pieces[i] = (piece){ .node = nodes[i],
                             .at = *total,
                             .size = size,
                             .param = gpf_node_is_param(s->g, nodes[i]),
                             .leaf = gpf__get(s->g, nodes[i])->leaf };
        *total += size;
    }
    return GSL_SUCCESS;
}

/* Which params the values need beside the variables. */
static int look_at_params(gpf__sweeps *s, const gpf_node *ys, gpf_diag *why)
{
    unsigned char *need = gpf__needed(s->g, ys, s->n_y);
    if (!need)
        return no_memory(why);
    s->whole = true;
    for (size_t k = 0; k < s->n_x; k++) {
        const piece *x = &s->x[k];
        s->params |= x->param;
        s->whole &= x->param && x->leaf == x->at;
        if (need[x->node] && x->param)
            s->all = larger(s->all, x->leaf + x->size);
        need[x->node] = 0;
    }
    for (size_t i = 0; i < gpf_graph_n_param_tensors(s->g); i++) {
        const gpf_node param = gpf_graph_param(s->g, i);
        if (need[param])
            s->fixed =
                gpf_param_offset(s->g, param) + gpf_shape_size(gpf_node_shape(s->g, param), s->N);
    }
    s->whole &= s->fixed == 0;
    s->all = larger(s->all, s->fixed);
    free(need);
    return GSL_SUCCESS;
}

/* The point must know the leaves that the graph has got meanwhile. */
static int renew_point(gpf__sweeps *s, gpf_diag *why)
{
    if (s->point && s->point->n_data == s->g->n_data)
        return GSL_SUCCESS;
    gpf_point *p = gpf_point_alloc(s->g, s->N);
    if (!p)
        return no_memory(why);
    gpf_point_free(s->point);
    s->point = p;
    s->theta = p->theta ? p->theta->data : NULL;
    return GSL_SUCCESS;
}

static int make(gpf__sweeps *s, const gpf_node *ys, const gpf_node *xs, gpf_diag *why)
{
    s->x = calloc(s->n_x, sizeof *s->x);
    s->y = calloc(s->n_y, sizeof *s->y);
    if (!s->x || !s->y)
        return no_memory(why);
    int status = lay_out(s, s->x, xs, s->n_x, &s->n, why);
    if (!status)
        status = lay_out(s, s->y, ys, s->n_y, &s->m, why);
    if (!status)
        status = look_at_params(s, ys, why);
    if (status)
        return status;
    const size_t most = larger(s->n, s->m);
    s->x_copy = malloc(s->n * sizeof *s->x_copy);
    s->u_copy = malloc(most * sizeof *s->u_copy);
    s->unit = calloc(most, sizeof *s->unit);
    return s->x_copy && s->u_copy && s->unit ? renew_point(s, why) : no_memory(why);
}

int gpf__sweeps_make(gpf_graph *g, const gpf_node *ys, size_t n_y, const gpf_node *xs, size_t n_x,
                     size_t N, gpf__sweeps **made, gpf_diag *why)
{
    *made = NULL;
    gpf__sweeps *s = calloc(1, sizeof *s);
    if (!s)
        return no_memory(why);
    s->g = g;
    s->n_x = n_x;
    s->n_y = n_y;
    s->N = N;
    const int status = make(s, ys, xs, why);
    if (status)
        gpf__sweeps_free(s);
    else
        *made = s;
    return status;
}

void gpf__sweeps_free(gpf__sweeps *s)
{
    if (!s)
        return;
    for (int i = 0; i < GPF__N_SWEEPS; i++) {
        gpf_workspace_free(s->part[i].ws);
        gpf_plan_free(s->part[i].plan);
    }
    gpf_point_free(s->point);
    free(s->x_copy);
    free(s->u_copy);
    free(s->unit);
    free(s->dot);
    free(s->bar);
    free(s->x);
    free(s->y);
    free(s);
}

bool gpf__sweeps_has(const gpf__sweeps *s, gpf_node x)
{
    bool has = false;
    for (size_t k = 0; k < s->n_x; k++)
        has |= s->x[k].node == x;
    return has;
}

size_t gpf__sweeps_n(const gpf__sweeps *s)
{
    return s->n;
}

size_t gpf__sweeps_m(const gpf__sweeps *s)
{
    return s->m;
}

gpf_point *gpf__sweeps_point(gpf__sweeps *s)
{
    return s->point;
}

/* Planning. */

/* The data leaf that is the direction of a tensor, again if it is there from other sweeps; but not
 * if this function depends on it, nor one of the n that were made before. */
static gpf_node helper(gpf_graph *g, const char *kind, gpf_node like, const unsigned char *need,
                       size_t n_need, const gpf_node *made, size_t n)
{
    char name[160];
    const gpf_shape shape = gpf_node_shape(g, like);
    for (int i = 0;; i++) {
        gpf__format(name, sizeof name, "gpf.%s.", kind);
        if (gpf_node_name(g, like))
            gpf__append(name, sizeof name, "%.100s", gpf_node_name(g, like));
        else
            gpf__append(name, sizeof name, "%d", like);
        if (i > 0)
            gpf__append(name, sizeof name, ".%d", i);
        const gpf_node there = gpf_graph_find(g, name);
        if (there == GPF_NONE)
            return gpf_data(g, name, shape);
        bool usable = gpf_node_is_data(g, there) &&
                      gpf_shape_equal(gpf_node_shape(g, there), shape) &&
                      !((size_t)there < n_need && need[there]);
        for (size_t k = 0; k < n && usable; k++)
            usable = made[k] != there;
        if (usable)
            return there;
    }
}

/* Directions of n pieces. */
static gpf_node *helpers(gpf__sweeps *s, const char *kind, piece *pieces, size_t n, gpf_diag *why)
{
    gpf_graph *g = s->g;
    const size_t n_need = gpf_graph_n_nodes(g), n_used = s->n_x + s->n_y;
    gpf_node *made = malloc(n * sizeof *made), *used = malloc(n_used * sizeof *used);
    unsigned char *need = NULL;
    for (size_t k = 0; used && k < n_used; k++)
        used[k] = k < s->n_x ? s->x[k].node : s->y[k - s->n_x].node;
    if (used)
        need = gpf__needed(g, used, n_used);
    for (size_t k = 0; made && need && k < n && !gpf_graph_status(g, NULL); k++) {
        made[k] = helper(g, kind, pieces[k].node, need, n_need, made, k);
        pieces[k].helper = gpf__get(g, made[k])->leaf;
    }
    if (!made || !need)
        no_memory(why);
    const bool failed = !made || !need || take_error(g, why);
    free(used);
    free(need);
    if (failed) {
        free(made);
        made = NULL;
    }
    return made;
}

static gpf_node zeros(gpf_graph *g, gpf_node like)
{
    return gpf_broadcast(g, gpf_const(g, 0), gpf_node_shape(g, like));
}

/* of[i] by the xs along dots, `order` times. of may be out. */
static void push_forward(gpf__sweeps *s, const gpf_node *dots, int order, gpf_node *out)
{
    gpf_graph *g = s->g;
    gpf_node *xs = malloc(s->n_x * sizeof *xs);
    if (!xs)
        gpf__fail(g, GSL_ENOMEM, "no memory for a forward sweep");
    for (size_t k = 0; xs && k < s->n_x; k++)
        xs[k] = s->x[k].node;
    for (size_t i = 0; xs && i < s->n_y && !gpf_graph_status(g, NULL); i++) {
        gpf_node slope = s->y[i].node;
        for (int k = 0; k < order && slope > GPF_POISON; k++)
            gpf_jvp(g, slope, xs, dots, s->n_x, &slope);
        out[i] = slope == GPF_NONE ? zeros(g, s->y[i].node) : slope;
    }
    free(xs);
}

/* sum over i of J_i' bars[i]; a bar may be GPF_NONE. */
static void pull_back(gpf__sweeps *s, const gpf_node *bars, gpf_node *out)
{
    gpf_graph *g = s->g;
    gpf_node *xs = malloc(2 * s->n_x * sizeof *xs), *part = xs + s->n_x;
    if (!xs)
        gpf__fail(g, GSL_ENOMEM, "no memory for a reverse sweep");
    for (size_t k = 0; xs && k < s->n_x; k++) {
        xs[k] = s->x[k].node;
        out[k] = GPF_NONE;
    }
    for (size_t i = 0; xs && i < s->n_y && !gpf_graph_status(g, NULL); i++) {
        if (bars[i] == GPF_NONE || gpf_vjp(g, s->y[i].node, bars[i], xs, s->n_x, part))
            continue;
        for (size_t k = 0; k < s->n_x; k++)
            out[k] = gpf__sweep_add(g, out[k], part[k]);
    }
    for (size_t k = 0; xs && k < s->n_x; k++)
        if (out[k] == GPF_NONE)
            out[k] = zeros(g, xs[k]);
    free(xs);
}

static int plan_part(gpf__sweeps *s, gpf__sweep kind, const gpf_node *outputs, size_t n,
                     gpf_diag *why)
{
    int status = take_error(s->g, why);
    if (status)
        return status;
    status = renew_point(s, why);
    if (!status) {
        status = gpf__plan_make(s->g, outputs, n, s->N, NULL, 0, false, &s->part[kind].plan);
        if (!status)
            s->part[kind].ws = gpf__workspace_make(s->part[kind].plan);
        if (!status && !s->part[kind].ws)
            status = GSL_ENOMEM;
        if (status) {
            gpf_plan_free(s->part[kind].plan);
            s->part[kind].plan = NULL;
            gpf__diag(why, status, "%s", gpf__plan_error(status));
        }
    }
    return status;
}

static int plan_values(gpf__sweeps *s, gpf__sweep kind, gpf_node *out, gpf_diag *why)
{
    push_forward(s, NULL, 0, out);
    return plan_part(s, kind, out, s->n_y, why);
}

static int plan_forward(gpf__sweeps *s, gpf__sweep kind, gpf_node *out, gpf_diag *why)
{
    if (!s->dot && !(s->dot = helpers(s, "dot", s->x, s->n_x, why)))
        return GSL_ENOMEM;
    push_forward(s, s->dot, kind == GPF__SWEEP_SECOND ? 2 : 1, out);
    return plan_part(s, kind, out, s->n_y, why);
}

static int plan_reverse(gpf__sweeps *s, gpf__sweep kind, gpf_node *out, gpf_diag *why)
{
    if (!s->bar && !(s->bar = helpers(s, "bar", s->y, s->n_y, why)))
        return GSL_ENOMEM;
    pull_back(s, s->bar, out);
    return plan_part(s, kind, out, s->n_x, why);
}

/* Can all units of n pieces be constants? Not of a shape with N, but for a single element. */
static bool has_units(const gpf__sweeps *s, const piece *pieces, size_t n)
{
    bool all = true;
    for (size_t k = 0; k < n; k++) {
        const gpf_shape shape = gpf_node_shape(s->g, pieces[k].node);
        all &= pieces[k].size == 1 || gpf_shape_size(shape, 1) == gpf_shape_size(shape, 2);
    }
    return all;
}

/* All sweeps of J: along each unit vector of the variables, or of the values. */
static int plan_at_once(gpf__sweeps *s, bool forward, gpf_diag *why)
{
    gpf_graph *g = s->g;
    const piece *from = forward ? s->x : s->y;
    const size_t n_from = forward ? s->n_x : s->n_y, n_to = forward ? s->n_y : s->n_x;
    const size_t count = forward ? s->n : s->m;
    gpf_node *out = malloc(count * n_to * sizeof *out), *unit = malloc(n_from * sizeof *unit);
    int status = out && unit ? GSL_SUCCESS : no_memory(why);
    for (size_t k = 0; !status && k < n_from; k++)
        unit[k] = GPF_NONE;
    for (size_t k = 0, j = 0; !status && j < count; j++) {
        while (from[k].at + from[k].size <= j)
            k++;
        const gpf_shape shape = gpf_node_shape(g, from[k].node);
        s->unit[j - from[k].at] = 1;
        unit[k] = from[k].size == 1 ? gpf_broadcast(g, gpf_const(g, 1), shape)
                                    : gpf_const_tensor(g, shape, s->unit);
        s->unit[j - from[k].at] = 0;
        if (forward)
            push_forward(s, unit, 1, out + j * n_to);
        else
            pull_back(s, unit, out + j * n_to);
        unit[k] = GPF_NONE;
        status = take_error(g, why);
    }
    if (!status)
        status = plan_part(s, GPF__SWEEP_JACOBIAN, out, count * n_to, why);
    free(out);
    free(unit);
    return status;
}

static bool fits_at_once(const gpf__sweeps *s, bool forward)
{
    const size_t count = forward ? s->n : s->m;
    return count <= MAX_AT_ONCE && s->n * s->m <= MAX_HELD &&
           count * gpf_graph_n_nodes(s->g) <= MAX_NODES &&
           (forward ? has_units(s, s->x, s->n_x) : has_units(s, s->y, s->n_y));
}

static int plan_jacobian_by(gpf__sweeps *s, bool forward, gpf_diag *why)
{
    const int status =
        fits_at_once(s, forward)
            ? plan_at_once(s, forward, why)
            : gpf__sweeps_plan(s, forward ? GPF__SWEEP_FORWARD : GPF__SWEEP_REVERSE, why);
    s->jacobian = status == GSL_SUCCESS;
    s->forward = forward;
    return status;
}

/* The cheaper way; the other one if only that has all the rules. */
static int plan_jacobian(gpf__sweeps *s, gpf__sweep kind, gpf_node *out, gpf_diag *why)
{
    (void)kind;
    (void)out;
    const size_t columns = s->n * (fits_at_once(s, true) ? 1 : ALONE),
                 rows = s->m * (fits_at_once(s, false) ? 1 : ALONE);
    int status = plan_jacobian_by(s, columns <= rows, why);
    if (status == GPF_ENOGRAD && plan_jacobian_by(s, columns > rows, NULL) == GSL_SUCCESS)
        status = GSL_SUCCESS;
    return status;
}

/* What belongs to the kinds: how many numbers go in and out. */
static const struct {
    int (*plan)(gpf__sweeps *s, gpf__sweep kind, gpf_node *out, gpf_diag *why);
    bool from_x, from_y, to_x;
} kinds[GPF__N_SWEEPS] = {
    [GPF__SWEEP_VALUES] = { plan_values, false, false, false },
    [GPF__SWEEP_FORWARD] = { plan_forward, true, false, false },
    [GPF__SWEEP_REVERSE] = { plan_reverse, false, true, true },
    [GPF__SWEEP_SECOND] = { plan_forward, true, false, false },
    [GPF__SWEEP_JACOBIAN] = { plan_jacobian, false, false, false },
};

int gpf__sweeps_plan(gpf__sweeps *s, gpf__sweep kind, gpf_diag *why)
{
    if (s->part[kind].plan || (kind == GPF__SWEEP_JACOBIAN && s->jacobian))
        return GSL_SUCCESS;
    if (gpf_graph_status(s->g, NULL))
        return gpf_graph_status(s->g, why);
    gpf_node *out = malloc(larger(s->n_x, s->n_y) * sizeof *out);
    const int status = out ? kinds[kind].plan(s, kind, out, why) : no_memory(why);
    free(out);
    return status;
}

int gpf__sweeps_plan_gram(gpf__sweeps *s, gpf_diag *why)
{
    int status = GSL_SUCCESS;
    if (fits_at_once(s, true) || fits_at_once(s, false))
        status = gpf__sweeps_plan(s, GPF__SWEEP_JACOBIAN, why);
    if (!status && !s->part[GPF__SWEEP_JACOBIAN].plan)
        status = gpf__sweeps_plan(s, GPF__SWEEP_FORWARD, why);
    if (!status && !s->part[GPF__SWEEP_JACOBIAN].plan)
        status = gpf__sweeps_plan(s, GPF__SWEEP_REVERSE, why);
    return status;
}

/* Running. */

int gpf__sweeps_place(gpf__sweeps *s, const gpf_point *at, const gsl_vector *x)
{
    gpf_point *p = s->point;
    if ((x && x->size != s->n) || at->N != s->N)
        return GSL_EBADLEN;
    if (at->n_params < (x ? s->fixed : s->all))
        return GPF_EUNBOUND;
    const size_t n_data = at->n_data < p->n_data ? at->n_data : p->n_data;
    memcpy(p->data, at->data, n_data * sizeof *p->data);
    for (size_t i = n_data; i < p->n_data; i++)
        p->data[i] = NULL;
    double *v = x ? x->data : NULL;
    if (x && x->stride != 1) {
        v = s->x_copy;
        for (size_t i = 0; i < s->n; i++)
            v[i] = x->data[i * x->stride];
    }
    if (p->theta && at->theta && !(x && s->params))
        p->theta->data = at->theta->data;
    else if (p->theta && s->whole)
        p->theta->data = v;
    else if (p->theta) {
        const size_t n = at->n_params < p->n_params ? at->n_params : p->n_params;
        p->theta->data = s->theta;
        if (at->theta)
            memcpy(s->theta, at->theta->data, n * sizeof *s->theta);
    }
    for (size_t k = 0; x && k < s->n_x; k++)
        if (!s->x[k].param)
            p->data[s->x[k].leaf] = v + s->x[k].at;
        else if (!s->whole)
            memcpy(s->theta + s->x[k].leaf, v + s->x[k].at, s->x[k].size * sizeof *v);
    return GSL_SUCCESS;
}

/* One sweep along u; *out is in its workspace until it runs again. */
static int sweep(gpf__sweeps *s, gpf__sweep kind, const double *u, const double **out)
{
    for (size_t k = 0; kinds[kind].from_x && k < s->n_x; k++)
        s->point->data[s->x[k].helper] = u + s->x[k].at;
    for (size_t k = 0; kinds[kind].from_y && k < s->n_y; k++)
        s->point->data[s->y[k].helper] = u + s->y[k].at;
    const int status = gpf_plan_run(s->part[kind].plan, s->part[kind].ws, s->point);
    *out = gpf_workspace_output(s->part[kind].ws, 0);
    return status;
}

/* The same along unit vector k. */
static int sweep_unit(gpf__sweeps *s, gpf__sweep kind, size_t k, const double **out)
{
    s->unit[k] = 1;
    const int status = sweep(s, kind, s->unit, out);
    s->unit[k] = 0;
    return status;
}

static void put(double *to, size_t stride, const double *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i * stride] = from[i];
}

/* A forward sweep is a column of J, a reverse sweep a row; both lie one after another. */
static int run_jacobian(gpf__sweeps *s, gpf__grid to)
{
    const size_t count = s->forward ? s->n : s->m, length = s->forward ? s->m : s->n;
    const size_t apart = s->forward ? to.col : to.row, along = s->forward ? to.row : to.col;
    const bool at_once = s->part[GPF__SWEEP_JACOBIAN].plan;
    const gpf__sweep by = s->forward ? GPF__SWEEP_FORWARD : GPF__SWEEP_REVERSE;
    const double *all = NULL, *one;
    int status = at_once ? sweep(s, GPF__SWEEP_JACOBIAN, NULL, &all) : GSL_SUCCESS;
    for (size_t k = 0; k < count && !status; k++) {
        if (at_once)
            one = all + k * length;
        else
            status = sweep_unit(s, by, k, &one);
        if (!status)
            put(to.at + k * apart, along, one, length);
    }
    return status;
}

int gpf__sweeps_run(gpf__sweeps *s, gpf__sweep kind, const gsl_vector *u, gpf__grid to)
{
    const bool jacobian = kind == GPF__SWEEP_JACOBIAN,
               directed = kind != GPF__SWEEP_VALUES && !jacobian;
    if (to.rows != (kinds[kind].to_x ? s->n : s->m) || to.cols != (jacobian ? s->n : 1) ||
        (directed && (!u || u->size != (kinds[kind].from_x ? s->n : s->m))))
        return GSL_EBADLEN;
    if (jacobian)
        return run_jacobian(s, to);
    const double *v = directed ? u->data : NULL, *out;
    if (directed && u->stride != 1) {
        for (size_t i = 0; i < u->size; i++)
            s->u_copy[i] = u->data[i * u->stride];
        v = s->u_copy;
    }
    const int status = sweep(s, kind, v, &out);
    if (!status)
        put(to.at, to.row, out, to.rows);
    return status;
}

/* J'J of a J that one plan computes: its columns lie one after another, or its rows do. */
static int gram_at_once(gpf__sweeps *s, gpf__grid to)
{
    const double *J;
    const int status = sweep(s, GPF__SWEEP_JACOBIAN, NULL, &J);
    const ptrdiff_t row = s->forward ? 1 : (ptrdiff_t)s->n, col = s->forward ? (ptrdiff_t)s->m : 1;
    if (!status)
        gpf__gemm(s->n, s->n, s->m, gpf__matrix_read(J, col, row), gpf__matrix_read(J, row, col),
                  (gpf__matrix){ to.at, (ptrdiff_t)to.row, (ptrdiff_t)to.col }, 0);
    return status;
}

/* As a sum over the rows r of r' r. */
static int gram_by_rows(gpf__sweeps *s, gpf__grid to)
{
    int status = GSL_SUCCESS;
    for (size_t k = 0; k < s->m && !status; k++) {
        const double *r;
        status = sweep_unit(s, GPF__SWEEP_REVERSE, k, &r);
        for (size_t i = 0; i < s->n && !status; i++)
            for (size_t j = 0; j <= i; j++) {
                double *entry = &to.at[i * to.row + j * to.col];
                *entry = k == 0 ? r[i] * r[j] : *entry + r[i] * r[j];
            }
    }
    return status;
}

/* Its column j is J' (J e_j). */
static int gram_by_columns(gpf__sweeps *s, gpf__grid to)
{
    int status = GSL_SUCCESS;
    for (size_t j = 0; j < s->n && !status; j++) {
        const double *column;
        status = sweep_unit(s, GPF__SWEEP_FORWARD, j, &column);
        if (!status)
            status = sweep(s, GPF__SWEEP_REVERSE, column, &column);
        if (!status)
            put(to.at + j * (to.row + to.col), to.row, column + j, s->n - j);
    }
    return status;
}

int gpf__sweeps_gram(gpf__sweeps *s, gpf__grid to)
{
    if (to.rows != s->n || to.cols != s->n)
        return GSL_EBADLEN;
    if (s->part[GPF__SWEEP_JACOBIAN].plan)
        return gram_at_once(s, to);
    return s->m <= s->n ? gram_by_rows(s, to) : gram_by_columns(s, to);
}
