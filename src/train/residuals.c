/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A loss as a sum of squares, found as gradients are: by a sweep from the loss down. What a node x
 * adds to the loss is sum(c * x) over all its elements, c broadcast to x; the loss has c = 1. An op
 * passes c on to its inputs, which add up what they get, until a square takes it. */
#include "train/train.h"

#include "base/arena.h"
#include "graph/graph.h"
#include "op/rows.h"
#include "plan/plan.h"

#include <gradproof/grad.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct gpf__residuals {
    size_t n_x, n, m; /* tensors of params, their elements, residuals */
    gpf_node *x;
    gpf_plan *values, *slopes;
    gpf_workspace *values_ws, *slopes_ws;
    gpf_point *point; /* of the Jacobian's own: with the directions */
    gpf_node *data;   /* leaves that are taken over from the point asked about */
    size_t n_data;
    double *direction; /* n */
};

typedef struct search {
    gpf_graph *g;
    gpf_node loss;
    bool *depends;    /* by node: on the params */
    gpf_node *c;      /* by node: sum(c * x) is part of the loss; GPF_NONE: nothing */
    gpf_node *square; /* by node: sum(square * x^2) is */
    gpf_diag *why;
} search;

static bool depends(const search *s, gpf_node n)
{
    return s->depends[n];
}

static void add(search *s, gpf_node *sum, gpf_node c)
{
    *sum = *sum == GPF_NONE ? c : gpf_add(s->g, *sum, c);
}

/* Passes c, of y, on to input x of y: sum(c * broadcast(x)) = sum(c' * x), where c' sums c over what
 * x was repeated for. What has nothing to do with the params does not matter. */
static void pass(search *s, gpf_node y, gpf_node x, gpf_node c)
{
    const gpf_shape from = gpf_node_shape(s->g, y), to = gpf_node_shape(s->g, x);
    if (!depends(s, x))
        return;
    if (!gpf_shape_equal(from, to))
        c = gpf_sum_to(s->g, gpf_broadcast(s->g, c, from), to);
    add(s, &s->c[x], c);
}

/* A rule passes on what y = op(x) adds. False: it cannot. */
typedef bool (*rule)(search *s, gpf_node y, const gpf_node *x, gpf_node c);

static bool through_add(search *s, gpf_node y, const gpf_node *x, gpf_node c)
{
    pass(s, y, x[0], c);
    pass(s, y, x[1], c);
    return true;
}

static bool through_sub(search *s, gpf_node y, const gpf_node *x, gpf_node c)
{
    pass(s, y, x[0], c);
    pass(s, y, x[1], gpf_neg(s->g, c));
    return true;
}

static bool through_neg(search *s, gpf_node y, const gpf_node *x, gpf_node c)
{
    pass(s, y, x[0], gpf_neg(s->g, c));
    return true;
}

static bool through_mul(search *s, gpf_node y, const gpf_node *x, gpf_node c)
{
    if (x[0] == x[1])
        return add(s, &s->square[x[0]], c), true;
    if (depends(s, x[0]) && depends(s, x[1]))
        return false;
    const int i = depends(s, x[0]) ? 0 : 1;
    pass(s, y, x[i], gpf_mul(s->g, c, x[1 - i]));
    return true;
}

static bool through_div(search *s, gpf_node y, const gpf_node *x, gpf_node c)
{
    if (depends(s, x[1]))
        return false;
    pass(s, y, x[0], gpf_div(s->g, c, x[1]));
    return true;
}

/* A sum keeps the axes it adds up with size 1, or has no axes at all: c broadcasts to x as it is. */
static bool through_sum(search *s, gpf_node y, const gpf_node *x, gpf_node c)
{
    (void)y;
    add(s, &s->c[x[0]], c);
    return true;
}

static bool through_broadcast(search *s, gpf_node y, const gpf_node *x, gpf_node c)
{
    pass(s, y, x[0], c);
    return true;
}

static bool through_reshape(search *s, gpf_node y, const gpf_node *x, gpf_node c)
{
    const gpf_node whole = gpf_broadcast(s->g, c, gpf_node_shape(s->g, y));
    add(s, &s->c[x[0]], gpf_reshape(s->g, whole, gpf_node_shape(s->g, x[0])));
    return true;
}

static const gpf_node *inputs_of(const search *s, gpf_node n, const gpf_op *op)
{
    int n_x;
    return gpf_node_op(s->g, n) == op ? gpf_node_inputs(s->g, n, &n_x) : NULL;
}

/* The square of a root is what is under it. */
static bool through_square(search *s, gpf_node y, const gpf_node *x, gpf_node c)
{
    (void)y;
    const gpf_node *under = inputs_of(s, x[0], &gpf_op_sqrt);
    add(s, under ? &s->c[under[0]] : &s->square[x[0]], c);
    return true;
}

/* r' r and r r' of one element. */
static bool through_matmul(search *s, gpf_node y, const gpf_node *x, gpf_node c)
{
    const gpf_node *left = inputs_of(s, x[0], &gpf_op_transpose),
                   *right = inputs_of(s, x[1], &gpf_op_transpose);
    if (!gpf_shape_equal(gpf_node_shape(s->g, y), gpf_shape2(1, 1)) ||
        !((left && left[0] == x[1]) || (right && right[0] == x[0])))
        return false;
    add(s, &s->square[left ? x[1] : x[0]], c);
    return true;
}

static const struct {
    const gpf_op *op;
    rule through;
} rules[] = {
    { &gpf_op_add, through_add },         { &gpf_op_sub, through_sub },
    { &gpf_op_neg, through_neg },         { &gpf_op_mul, through_mul },
    { &gpf_op_div, through_div },         { &gpf_op_sum, through_sum },
    { &gpf_op_square, through_square },   { &gpf_op_broadcast, through_broadcast },
    { &gpf_op_reshape, through_reshape }, { &gpf_op_matmul, through_matmul },
};

static int in_the_way(search *s, gpf_node n)
{
    char label[200], loss[80];
    gpf_node_label(s->g, n, label, sizeof label);
    return gpf__diag(s->why, GPF_EDATA,
                     "lm needs a sum of squares with positive factors; %s is none because of %s "
                     "(%s)",
                     gpf_node_label(s->g, s->loss, loss, sizeof loss), label,
                     gpf_node_op(s->g, n)->name);
}

static int follow(search *s, gpf_node y)
{
    int n_x;
    const gpf_node *x = gpf_node_inputs(s->g, y, &n_x);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].op == gpf_node_op(s->g, y) && rules[i].through(s, y, x, s->c[y]))
            return gpf_graph_status(s->g, s->why);
    return in_the_way(s, y);
}

static int split(search *s, const gpf_node *xs, size_t n)
{
    const size_t size = (size_t)s->loss + 1;
    s->depends = calloc(size, sizeof *s->depends);
    s->c = malloc(2 * size * sizeof *s->c);
    if (!s->depends || !s->c)
        return gpf__diag(s->why, GSL_ENOMEM, "no memory for a loss of %d nodes", s->loss);
    s->square = s->c + size;
    for (size_t i = 0; i < 2 * size; i++)
        s->c[i] = GPF_NONE;
    for (size_t i = 0; i < n; i++)
        if (xs[i] <= s->loss)
            s->depends[xs[i]] = true;
    for (gpf_node i = 1; i <= s->loss; i++) {
        int n_x;
        const gpf_node *x = gpf_node_inputs(s->g, i, &n_x);
        for (int k = 0; k < n_x; k++)
            s->depends[i] |= s->depends[x[k]];
    }
    if (!s->depends[s->loss])
        return gpf__diag(s->why, GPF_ENOTHING, "the loss does not depend on the params to train");
    s->c[s->loss] = gpf_const(s->g, 1);
    int status = GSL_SUCCESS;
    for (gpf_node i = s->loss; i >= 1 && !status; i--)
        if (s->c[i] != GPF_NONE && s->depends[i])
            status = follow(s, i);
    return status;
}

static int make_plan(gpf_graph *g, const gpf_node *outputs, size_t n, size_t N, gpf_plan **plan,
                     gpf_workspace **ws, gpf_diag *why)
{
    int status = gpf__plan_make(g, outputs, n, N, NULL, 0, false, plan);
    if (!status) {
        *ws = gpf__workspace_make(*plan);
        status = *ws ? GSL_SUCCESS : GSL_ENOMEM;
    }
    return status ? gpf__diag(why, status, "%s", gpf__plan_error(status)) : GSL_SUCCESS;
}

/* A factor may not be negative. One that depends on data is only known when they are: a negative one
 * then makes its residuals NaN. */
static int judge_factor(search *s, gpf_node x, size_t N)
{
    const gpf_node c = s->square[x];
    gpf_plan *plan = NULL;
    gpf_workspace *ws = NULL;
    gpf_point *at = NULL;
    int status = make_plan(s->g, &c, 1, N, &plan, &ws, s->why);
    if (!status && plan->n_data == 0 && plan->n_params == 0) {
        at = gpf_point_alloc(s->g, N);
        status = at ? gpf_plan_run(plan, ws, at) : gpf__diag(s->why, GSL_ENOMEM, "no memory");
        for (size_t i = 0; !status && i < gpf_plan_output_size(plan, 0); i++)
            if (!(gpf_workspace_output(ws, 0)[i] >= 0)) {
                char label[200];
                status = gpf__diag(s->why, GPF_EDATA,
                                   "lm needs a sum of squares with positive factors; that of the "
                                   "square of %s is %g",
                                   gpf_node_label(s->g, x, label, sizeof label),
                                   gpf_workspace_output(ws, 0)[i]);
            }
    }
    gpf_point_free(at);
    gpf_workspace_free(ws);
    gpf_plan_free(plan);
    return status;
}

/* sqrt(2 c) x, a residual: half its square is c x^2. */
static gpf_node residual(gpf_graph *g, gpf_node x, gpf_node c)
{
    return gpf_mul(g, gpf_sqrt(g, gpf__scale(g, 2, c)), x);
}

/* The data leaf that is the direction of x: "<name>.dot", again if it is there from another loop. */
static gpf_node direction_of(gpf_graph *g, gpf_node x)
{
    char name[160];
    const gpf_shape shape = gpf_node_shape(g, x);
    for (int i = 0;; i++) {
        gpf__format(name, sizeof name, "%.120s.dot", gpf_node_name(g, x));
        if (i > 0)
            gpf__append(name, sizeof name, "%d", i);
        const gpf_node there = gpf_graph_find(g, name);
        if (there == GPF_NONE)
            return gpf_data(g, name, shape);
        if (gpf_node_is_data(g, there) && gpf_shape_equal(gpf_node_shape(g, there), shape))
            return there;
    }
}

/* The plan whose outputs, one after another, are J v for the directions v that are bound. */
static int make_slopes(gpf__residuals *r, gpf_graph *g, gpf_node *rho, size_t n, size_t N,
                       gpf_diag *why)
{
    const size_t n_given = gpf_graph_n_data(g);
    gpf_node *dots = malloc(r->n_x * sizeof *dots);
    if (!dots)
        return gpf__diag(why, GSL_ENOMEM, "no memory for a Jacobian");
    for (size_t i = 0; i < r->n_x; i++)
        dots[i] = direction_of(g, r->x[i]);
    for (size_t k = 0; k < n && !gpf_graph_status(g, NULL); k++) {
        gpf_node slope;
        if (gpf_jvp(g, rho[k], r->x, dots, r->n_x, &slope) == GSL_SUCCESS)
            rho[k] = slope != GPF_NONE
                         ? slope
                         : gpf_broadcast(g, gpf_const(g, 0), gpf_node_shape(g, rho[k]));
    }
    int status = gpf_graph_status(g, why);
    if (!status)
        status = make_plan(g, rho, n, N, &r->slopes, &r->slopes_ws, why);
    if (!status) {
        r->point = gpf_point_alloc(g, N);
        r->data = malloc((n_given + 1) * sizeof *r->data);
        r->direction = calloc(r->n, sizeof *r->direction);
        if (!r->point || !r->data || !r->direction)
            status = gpf__diag(why, GSL_ENOMEM, "no memory for a Jacobian");
    }
    for (size_t i = 0; !status && i < n_given; i++)
        r->data[r->n_data++] = gpf_graph_data(g, i);
    for (size_t i = 0, at = 0; !status && i < r->n_x; i++) {
        gpf_point_bind(r->point, dots[i], r->direction + at);
        at += gpf_shape_size(gpf_node_shape(g, r->x[i]), N);
        for (size_t k = 0; k < r->n_data; k++)
            if (r->data[k] == dots[i])
                r->data[k] = r->data[--r->n_data];
    }
    free(dots);
    return status;
}

static int make(gpf__residuals *r, search *s, const gpf_node *xs, size_t n, size_t N)
{
    int status = split(s, xs, n);
    if (status)
        return status;
    size_t n_rho = 0;
    for (gpf_node x = 1; x <= s->loss; x++)
        n_rho += s->square[x] != GPF_NONE;
    r->x = malloc(n * sizeof *r->x);
    gpf_node *rho = malloc((n_rho + 1) * sizeof *rho);
    if (!r->x || !rho)
        status = gpf__diag(s->why, GSL_ENOMEM, "no memory for a sum of squares");
    n_rho = 0;
    for (gpf_node x = 1; x <= s->loss && !status; x++)
        if (s->square[x] != GPF_NONE) {
            status = judge_factor(s, x, N);
            rho[n_rho++] = residual(s->g, x, s->square[x]);
        }
    if (!status)
        status = gpf_graph_status(s->g, s->why);
    if (!status)
        status = make_plan(s->g, rho, n_rho, N, &r->values, &r->values_ws, s->why);
    for (size_t i = 0; i < n; i++)
        r->n += gpf_shape_size(gpf_node_shape(s->g, xs[i]), N);
    for (size_t i = 0; !status && i < n_rho; i++)
        r->m += gpf_plan_output_size(r->values, i);
    if (!status && r->m > gpf__machine_memory() / 16 / sizeof(double) / r->n)
        status = gpf__diag(s->why, GPF_ELIMIT,
                           "lm: a Jacobian of %zu residuals by %zu params takes more than a "
                           "sixteenth of this machine's memory; bfgs needs none",
                           r->m, r->n);
    if (!status) {
        memcpy(r->x, xs, n * sizeof *xs);
        r->n_x = n;
        status = make_slopes(r, s->g, rho, n_rho, N, s->why);
    }
    free(rho);
    return status;
}

int gpf__residuals_make(gpf_graph *g, gpf_node loss, const gpf_node *xs, size_t n, size_t N,
                        gpf__residuals **made, gpf_diag *why)
{
    *made = NULL;
    if (n == 0)
        return gpf__diag(why, GPF_ENOTHING, "there are no params to train");
    if (!gpf__ok(g, loss))
        return gpf_graph_status(g, why);
    gpf__residuals *r = calloc(1, sizeof *r);
    if (!r)
        return gpf__diag(why, GSL_ENOMEM, "no memory for a sum of squares");
    search s = { .g = g, .loss = loss, .why = why };
    const int status = make(r, &s, xs, n, N);
    free(s.depends);
    free(s.c);
    if (status)
        gpf__residuals_free(r);
    else
        *made = r;
    return status;
}

void gpf__residuals_free(gpf__residuals *r)
{
    if (!r)
        return;
    gpf_workspace_free(r->values_ws);
    gpf_plan_free(r->values);
    gpf_workspace_free(r->slopes_ws);
    gpf_plan_free(r->slopes);
    gpf_point_free(r->point);
    free(r->data);
    free(r->direction);
    free(r->x);
    free(r);
}

size_t gpf__residuals_size(const gpf__residuals *r)
{
    return r->m;
}

int gpf__residuals_run(gpf__residuals *r, const gpf_point *at, double *out)
{
    const int status = gpf_plan_run(r->values, r->values_ws, at);
    if (status == GSL_SUCCESS)
        memcpy(out, gpf_workspace_output(r->values_ws, 0), r->m * sizeof *out);
    return status;
}

/* Column j of J is J e_j. */
int gpf__residuals_jacobian(gpf__residuals *r, const gpf_point *at, double *J)
{
    const gsl_vector *theta = gpf_point_params(at), *own = gpf_point_params(r->point);
    memcpy(own->data, theta->data, theta->size * sizeof *theta->data);
    for (size_t i = 0; i < r->n_data; i++)
        gpf_point_bind(r->point, r->data[i], gpf_point_values(at, r->data[i]));
    int status = GSL_SUCCESS;
    for (size_t j = 0; j < r->n && !status; j++) {
        r->direction[j] = 1;
        status = gpf_plan_run(r->slopes, r->slopes_ws, r->point);
        r->direction[j] = 0;
        const double *column = gpf_workspace_output(r->slopes_ws, 0);
        for (size_t i = 0; !status && i < r->m; i++)
            J[i * r->n + j] = column[i];
    }
    return status;
}
