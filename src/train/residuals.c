/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A loss as a sum of squares, found as gradients are: by a sweep from the loss down. What a node x
 * adds to the loss is sum(c * x) over all its elements, c broadcast to x; the loss has c = 1. An op
 * passes c on to its inputs, which add up what they get, until a square takes it. */
#include "train/train.h"

#include "base/arena.h"
#include "graph/graph.h"
#include "gsl/sweep.h"
#include "op/rows.h"
#include "plan/plan.h"

#include <stdlib.h>

struct gpf__residuals {
    gpf__sweeps *sweeps;
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

/* Passes c, of y, on to input x of y: sum(c * broadcast(x)) = sum(c' * x), where c' sums c over
 * what x was repeated for. What has nothing to do with the params does not matter. */
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

/* A sum keeps the axes it adds up with size 1, or has no axes at all: c broadcasts to x as it
 * is. */
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

/* A factor may not be negative. One that depends on data is only known when they are: a negative
 * one then makes its residuals NaN. */
static int judge_factor(search *s, gpf_node x, size_t N)
{
    const gpf_node c = s->square[x];
    gpf_plan *plan = NULL;
    gpf_workspace *ws = NULL;
    gpf_point *at = NULL;
    int status = gpf__plan_make(s->g, &c, 1, N, NULL, 0, false, &plan);
    if (!status && plan->n_data == 0 && plan->n_params == 0) {
        at = gpf_point_alloc(s->g, N);
        ws = gpf__workspace_make(plan);
        status = at && ws ? gpf_plan_run(plan, ws, at) : GSL_ENOMEM;
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
    return status && status != GPF_EDATA ? gpf__diag(s->why, status, "%s", gpf__plan_error(status))
                                         : status;
}

/* sqrt(2 c) x, a residual: half its square is c x^2. */
static gpf_node residual(gpf_graph *g, gpf_node x, gpf_node c)
{
    return gpf_mul(g, gpf_sqrt(g, gpf__scale(g, 2, c)), x);
}

static int make(gpf__residuals *r, search *s, const gpf_node *xs, size_t n, size_t N)
{
    int status = split(s, xs, n);
    if (status)
        return status;
    size_t n_rho = 0;
    for (gpf_node x = 1; x <= s->loss; x++)
        n_rho += s->square[x] != GPF_NONE;
    gpf_node *rho = malloc((n_rho + 1) * sizeof *rho);
    if (!rho)
        return gpf__diag(s->why, GSL_ENOMEM, "no memory for a sum of squares");
    n_rho = 0;
    for (gpf_node x = 1; x <= s->loss && !status; x++)
        if (s->square[x] != GPF_NONE) {
            status = judge_factor(s, x, N);
            rho[n_rho++] = residual(s->g, x, s->square[x]);
        }
    if (!status)
        status = gpf_graph_status(s->g, s->why);
    if (!status)
        status = gpf__sweeps_make(s->g, rho, n_rho, xs, n, N, &r->sweeps, s->why);
    if (!status)
        status = gpf__sweeps_plan(r->sweeps, GPF__SWEEP_VALUES, s->why);
    if (!status) {
        const size_t rows = gpf__sweeps_m(r->sweeps), cols = gpf__sweeps_n(r->sweeps);
        if (rows > gpf__machine_memory() / 16 / sizeof(double) / cols)
            status = gpf__diag(s->why, GPF_ELIMIT,
                               "lm: a Jacobian of %zu residuals by %zu params takes more than a "
                               "sixteenth of this machine's memory; bfgs needs none",
                               rows, cols);
    }
    if (!status)
        status = gpf__sweeps_plan(r->sweeps, GPF__SWEEP_JACOBIAN, s->why);
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
    gpf__sweeps_free(r->sweeps);
    free(r);
}

size_t gpf__residuals_size(const gpf__residuals *r)
{
    return gpf__sweeps_m(r->sweeps);
}

int gpf__residuals_run(gpf__residuals *r, const gpf_point *at, double *out)
{
    const int status = gpf__sweeps_place(r->sweeps, at, NULL);
    return status ? status
                  : gpf__sweeps_run(r->sweeps, GPF__SWEEP_VALUES, NULL,
                                    gpf__numbers(out, gpf__sweeps_m(r->sweeps)));
}

int gpf__residuals_jacobian(gpf__residuals *r, const gpf_point *at, double *J)
{
    const size_t m = gpf__sweeps_m(r->sweeps), n = gpf__sweeps_n(r->sweeps);
    const int status = gpf__sweeps_place(r->sweeps, at, NULL);
    return status ? status
                  : gpf__sweeps_run(r->sweeps, GPF__SWEEP_JACOBIAN, NULL,
                                    (gpf__grid){ J, m, n, n, 1 });
}
