/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A graph as a structure of GSL. Every callback is the same few steps: place x, sweep, and NaN
 * everywhere if that failed. */
#include "graph/graph.h"
#include "gsl/sweep.h"
#include "plan/plan.h"

#include <gradproof/gsl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct gpf_gsl {
    gpf_graph *g;
    gpf_node y;
    const gpf_point *at;
    gpf__sweeps *by_x;
    gpf__sweeps *by_t; /* odeiv2: of the time; NULL without */
    gpf_node t;
    int status;
};

/* Asking for one. */

/* xs are leaves of g, each once. */
static int check_variables(const gpf_graph *g, const gpf_node *xs, size_t n, gpf_diag *why)
{
    for (size_t i = 0; i < n; i++) {
        char label[120];
        if (xs[i] <= GPF_POISON || (size_t)xs[i] >= gpf_graph_n_nodes(g))
            return gpf__diag(why, GSL_EINVAL, "variable %zu: %d is not a node of the graph", i,
                             xs[i]);
        gpf_node_label(g, xs[i], label, sizeof label);
        if (!gpf_node_is_param(g, xs[i]) && !gpf_node_is_data(g, xs[i]))
            return gpf__diag(why, GSL_EINVAL, "variable %zu, %s, is neither a param nor data", i,
                             label);
        for (size_t k = 0; k < i; k++)
            if (xs[k] == xs[i])
                return gpf__diag(why, GSL_EINVAL, "variables %zu and %zu are both %s", k, i, label);
    }
    return GSL_SUCCESS;
}

/* The point's leaves are the first of the graph's. */
static int check_point(const gpf_graph *g, const gpf_point *at, gpf_diag *why)
{
    bool same = at->n_data <= g->n_data && at->n_param <= g->n_param;
    for (size_t i = 0; same && i < at->n_data; i++)
        same = at->data_node[i] == g->data[i];
    for (size_t i = 0; same && i < at->n_param; i++)
        same = at->param_node[i] == g->param[i];
    return same ? GSL_SUCCESS : gpf__diag(why, GSL_EINVAL, "the point belongs to another graph");
}

/* What y needs beside the variables must be known to the point. */
static int check_leaves(const gpf_graph *g, gpf_node y, const gpf_node *xs, size_t n,
                        const gpf_point *at, gpf_diag *why)
{
    unsigned char *need = gpf__needed(g, &y, 1);
    if (!need)
        return gpf__diag(why, GSL_ENOMEM, "no memory for a function of %d nodes", y);
    gpf_node unknown = GPF_NONE;
    for (size_t i = 0; i < n; i++)
        need[xs[i]] = 0;
    for (size_t i = at->n_data; i < g->n_data; i++)
        unknown = need[g->data[i]] ? g->data[i] : unknown;
    for (size_t i = at->n_param; i < g->n_param; i++)
        unknown = need[g->param[i]] ? g->param[i] : unknown;
    free(need);
    return unknown == GPF_NONE
               ? GSL_SUCCESS
               : gpf__diag(why, GPF_EUNBOUND, "the point was made before %s %s was added",
                           gpf_node_op(g, unknown)->name, gpf_node_name(g, unknown));
}

static int make(gpf_gsl *a, const gpf_node *xs, size_t n, gpf_diag *why)
{
    gpf_graph *g = a->g;
    int status = gpf_graph_status(g, why);
    if (!status && (a->y <= GPF_POISON || (size_t)a->y >= gpf_graph_n_nodes(g)))
        status = gpf__diag(why, GSL_EINVAL, "%d is not a node of the graph", a->y);
    if (!status)
        status = check_point(g, a->at, why);
    if (!status && n == 0) {
        xs = g->param;
        n = g->n_param;
        if (n == 0)
            status = gpf__diag(why, GPF_ENOTHING, "no variables: the graph has no params");
    }
    if (!status)
        status = check_variables(g, xs, n, why);
    if (!status)
        status = check_leaves(g, a->y, xs, n, a->at, why);
    if (!status)
        status = gpf__sweeps_make(g, &a->y, 1, xs, n, gpf_point_batch(a->at), &a->by_x, why);
    return status ? status : gpf__sweeps_plan(a->by_x, GPF__SWEEP_VALUES, why);
}

gpf_gsl *gpf_gsl_alloc(gpf_graph *g, gpf_node y, const gpf_node *xs, size_t n, const gpf_point *at,
                       gpf_diag *why)
{
    gpf_gsl *a = calloc(1, sizeof *a);
    if (!a) {
        gpf__diag(why, GSL_ENOMEM, "no memory for a graph as a function");
        return NULL;
    }
    a->g = g;
    a->y = y;
    a->at = at;
    a->t = GPF_NONE;
    if (make(a, xs, n, why)) {
        gpf_gsl_free(a);
        a = NULL;
    }
    return a;
}

void gpf_gsl_free(gpf_gsl *a)
{
    if (!a)
        return;
    gpf__sweeps_free(a->by_x);
    gpf__sweeps_free(a->by_t);
    free(a);
}

size_t gpf_gsl_variables(const gpf_gsl *a)
{
    return gpf__sweeps_n(a->by_x);
}

size_t gpf_gsl_values(const gpf_gsl *a)
{
    return gpf__sweeps_m(a->by_x);
}

int gpf_gsl_status(const gpf_gsl *a)
{
    return a->status;
}

void gpf_gsl_clear(gpf_gsl *a)
{
    a->status = GSL_SUCCESS;
}

/* Where the results of callbacks are. */

static gpf__grid number(double *at)
{
    return gpf__numbers(at, 1);
}

static gpf__grid column(gsl_vector *v)
{
    return (gpf__grid){ v->data, v->size, 1, v->stride, 0 };
}

static gpf__grid row(gsl_vector *v)
{
    return (gpf__grid){ v->data, 1, v->size, 0, v->stride };
}

static gpf__grid matrix(gsl_matrix *A)
{
    return (gpf__grid){ A->data, A->size1, A->size2, A->tda, 1 };
}

static const gpf__grid nowhere = { NULL, 0, 0, 0, 0 };

static void put_nan(gpf__grid to)
{
    for (size_t i = 0; to.at && i < to.rows; i++)
        for (size_t j = 0; j < to.cols; j++)
            to.at[i * to.row + j * to.col] = NAN;
}

/* Keeps the first failure, of which the results are NaN. */
static int judge(gpf_gsl *a, int status, gpf__grid f, gpf__grid d)
{
    if (status) {
        put_nan(f);
        put_nan(d);
        a->status = a->status ? a->status : status;
    }
    return status;
}

/* f and the Jacobian, each where it is asked for. f comes from the same plan always, so that all
 * routes to it agree to the last bit. */
static int evaluate(gpf_gsl *a, const gsl_vector *x, gpf__grid f, gpf__grid d)
{
    int status = gpf__sweeps_place(a->by_x, a->at, x);
    if (!status && f.at)
        status = gpf__sweeps_run(a->by_x, GPF__SWEEP_VALUES, NULL, f);
    if (!status && d.at)
        status = gpf__sweeps_run(a->by_x, GPF__SWEEP_JACOBIAN, NULL, d);
    return judge(a, status, f, d);
}

/* One sweep along u. */
static int along(gpf_gsl *a, const gsl_vector *x, gpf__sweep kind, const gsl_vector *u,
                 gpf__grid to)
{
    int status = gpf__sweeps_place(a->by_x, a->at, x);
    if (!status)
        status = gpf__sweeps_run(a->by_x, kind, u, to);
    return judge(a, status, to, nowhere);
}

/* function */

static double function_f(double x, void *params)
{
    const gsl_vector_const_view v = gsl_vector_const_view_array(&x, 1);
    double f;
    evaluate(params, &v.vector, number(&f), nowhere);
    return f;
}

static double function_df(double x, void *params)
{
    const gsl_vector_const_view v = gsl_vector_const_view_array(&x, 1);
    double df;
    evaluate(params, &v.vector, nowhere, number(&df));
    return df;
}

static void function_fdf(double x, void *params, double *f, double *df)
{
    const gsl_vector_const_view v = gsl_vector_const_view_array(&x, 1);
    evaluate(params, &v.vector, number(f), number(df));
}

/* multimin */

static double multimin_f(const gsl_vector *x, void *params)
{
    double f;
    evaluate(params, x, number(&f), nowhere);
    return f;
}

static void multimin_df(const gsl_vector *x, void *params, gsl_vector *df)
{
    evaluate(params, x, nowhere, row(df));
}

static void multimin_fdf(const gsl_vector *x, void *params, double *f, gsl_vector *df)
{
    evaluate(params, x, number(f), row(df));
}

/* multiroot, multifit, multifit_nlinear */

static int vector_f(const gsl_vector *x, void *params, gsl_vector *f)
{
    return evaluate(params, x, column(f), nowhere);
}

static int vector_df(const gsl_vector *x, void *params, gsl_matrix *J)
{
    return evaluate(params, x, nowhere, matrix(J));
}

static int vector_fdf(const gsl_vector *x, void *params, gsl_vector *f, gsl_matrix *J)
{
    return evaluate(params, x, column(f), matrix(J));
}

static int vector_fvv(const gsl_vector *x, const gsl_vector *v, void *params, gsl_vector *fvv)
{
    return along(params, x, GPF__SWEEP_SECOND, v, column(fvv));
}

/* multilarge_nlinear. v and JTJ may be NULL. */

static int products(CBLAS_TRANSPOSE_t trans, const gsl_vector *x, const gsl_vector *u, void *params,
                    gsl_vector *v, gsl_matrix *JTJ)
{
    gpf_gsl *a = params;
    const gpf__grid product = v ? column(v) : nowhere, gram = JTJ ? matrix(JTJ) : nowhere;
    const gpf__sweep kind = trans == CblasNoTrans ? GPF__SWEEP_FORWARD : GPF__SWEEP_REVERSE;
    int status = gpf__sweeps_place(a->by_x, a->at, x);
    if (!status && v)
        status = gpf__sweeps_run(a->by_x, kind, u, product);
    if (!status && JTJ)
        status = gpf__sweeps_gram(a->by_x, gram);
    return judge(a, status, product, gram);
}

/* odeiv2, whose steppers try again with a smaller step unless the error is GSL_EBADFUNC. */

/* Places the state y at the time t, which stays bound to it. */
static int place_state(gpf_gsl *a, const double *t, const double *y)
{
    const gsl_vector_const_view x = gsl_vector_const_view_array(y, gpf__sweeps_n(a->by_x));
    const int status = gpf__sweeps_place(a->by_x, a->at, &x.vector);
    if (!status && a->t != GPF_NONE)
        gpf_point_bind(gpf__sweeps_point(a->by_x), a->t, t);
    return status;
}

static int ode_function(double t, const double *y, double *dydt, void *params)
{
    gpf_gsl *a = params;
    const gpf__grid f = gpf__numbers(dydt, gpf__sweeps_m(a->by_x));
    int status = place_state(a, &t, y);
    if (!status)
        status = gpf__sweeps_run(a->by_x, GPF__SWEEP_VALUES, NULL, f);
    return judge(a, status, f, nowhere) ? GSL_EBADFUNC : GSL_SUCCESS;
}

static int ode_jacobian(double t, const double *y, double *dfdy, double *dfdt, void *params)
{
    gpf_gsl *a = params;
    const size_t n = gpf__sweeps_n(a->by_x);
    const gpf__grid by_y = { dfdy, n, n, n, 1 }, by_t = gpf__numbers(dfdt, n);
    int status = place_state(a, &t, y);
    if (!status)
        status = gpf__sweeps_run(a->by_x, GPF__SWEEP_JACOBIAN, NULL, by_y);
    if (!status && a->by_t)
        status = gpf__sweeps_place(a->by_t, gpf__sweeps_point(a->by_x), NULL);
    if (!status && a->by_t)
        status = gpf__sweeps_run(a->by_t, GPF__SWEEP_JACOBIAN, NULL, by_t);
    else if (!status)
        memset(dfdt, 0, n * sizeof *dfdt);
    return judge(a, status, by_y, by_t) ? GSL_EBADFUNC : GSL_SUCCESS;
}

/* The structures. */

static int wrong_size(const gpf_gsl *a, const char *structure, const char *expected, gpf_diag *why)
{
    char label[120], shape[64];
    gpf_node_label(a->g, a->y, label, sizeof label);
    gpf_shape_text(gpf_node_shape(a->g, a->y), shape, sizeof shape);
    return gpf__diag(why, GPF_ESHAPE, "%s: %s is %s: %zu value%s of %zu variable%s; %s expected",
                     structure, label, shape, gpf_gsl_values(a), gpf_gsl_values(a) == 1 ? "" : "s",
                     gpf_gsl_variables(a), gpf_gsl_variables(a) == 1 ? "" : "s", expected);
}

/* Without a rule for the second derivatives there is no fvv: GSL has differences of its own. */
static int plan_second(gpf_gsl *a, bool *there, gpf_diag *why)
{
    gpf_diag reason;
    const int status = gpf__sweeps_plan(a->by_x, GPF__SWEEP_SECOND, &reason);
    *there = status == GSL_SUCCESS;
    if (status && status != GPF_ENOGRAD) {
        if (why)
            *why = reason;
        return status;
    }
    return GSL_SUCCESS;
}

int gpf_gsl_function(gpf_gsl *a, gsl_function_fdf *f, gpf_diag *why)
{
    if (gpf_gsl_values(a) != 1 || gpf_gsl_variables(a) != 1)
        return wrong_size(a, "gsl_function_fdf", "1 of 1 is", why);
    const int status = gpf__sweeps_plan(a->by_x, GPF__SWEEP_JACOBIAN, why);
    if (!status)
        *f = (gsl_function_fdf){
            .f = function_f, .df = function_df, .fdf = function_fdf, .params = a
        };
    return status;
}

int gpf_gsl_multimin(gpf_gsl *a, gsl_multimin_function_fdf *f, gpf_diag *why)
{
    if (gpf_gsl_values(a) != 1)
        return wrong_size(a, "gsl_multimin_function_fdf", "1 value is", why);
    const int status = gpf__sweeps_plan(a->by_x, GPF__SWEEP_JACOBIAN, why);
    if (!status)
        *f = (gsl_multimin_function_fdf){ .f = multimin_f,
                                          .df = multimin_df,
                                          .fdf = multimin_fdf,
                                          .n = gpf_gsl_variables(a),
                                          .params = a };
    return status;
}

int gpf_gsl_multiroot(gpf_gsl *a, gsl_multiroot_function_fdf *f, gpf_diag *why)
{
    if (gpf_gsl_values(a) != gpf_gsl_variables(a))
        return wrong_size(a, "gsl_multiroot_function_fdf", "as many are", why);
    const int status = gpf__sweeps_plan(a->by_x, GPF__SWEEP_JACOBIAN, why);
    if (!status)
        *f = (gsl_multiroot_function_fdf){ .f = vector_f,
                                           .df = vector_df,
                                           .fdf = vector_fdf,
                                           .n = gpf_gsl_variables(a),
                                           .params = a };
    return status;
}

int gpf_gsl_multifit(gpf_gsl *a, gsl_multifit_function_fdf *f, gpf_diag *why)
{
    const int status = gpf__sweeps_plan(a->by_x, GPF__SWEEP_JACOBIAN, why);
    if (!status)
        *f = (gsl_multifit_function_fdf){ .f = vector_f,
                                          .df = vector_df,
                                          .fdf = vector_fdf,
                                          .n = gpf_gsl_values(a),
                                          .p = gpf_gsl_variables(a),
                                          .params = a };
    return status;
}

int gpf_gsl_multifit_nlinear(gpf_gsl *a, gsl_multifit_nlinear_fdf *f, gpf_diag *why)
{
    bool second;
    int status = gpf__sweeps_plan(a->by_x, GPF__SWEEP_JACOBIAN, why);
    if (!status)
        status = plan_second(a, &second, why);
    if (!status)
        *f = (gsl_multifit_nlinear_fdf){ .f = vector_f,
                                         .df = vector_df,
                                         .fvv = second ? vector_fvv : NULL,
                                         .n = gpf_gsl_values(a),
                                         .p = gpf_gsl_variables(a),
                                         .params = a };
    return status;
}

int gpf_gsl_multilarge_nlinear(gpf_gsl *a, gsl_multilarge_nlinear_fdf *f, gpf_diag *why)
{
    bool second;
    int status = gpf__sweeps_plan(a->by_x, GPF__SWEEP_FORWARD, why);
    if (!status)
        status = gpf__sweeps_plan(a->by_x, GPF__SWEEP_REVERSE, why);
    if (!status)
        status = gpf__sweeps_plan_gram(a->by_x, why);
    if (!status)
        status = plan_second(a, &second, why);
    if (!status)
        *f = (gsl_multilarge_nlinear_fdf){ .f = vector_f,
                                           .df = products,
                                           .fvv = second ? vector_fvv : NULL,
                                           .n = gpf_gsl_values(a),
                                           .p = gpf_gsl_variables(a),
                                           .params = a };
    return status;
}

static int check_time(const gpf_gsl *a, gpf_node t, gpf_diag *why)
{
    char label[120], shape[64];
    if (t <= GPF_POISON || (size_t)t >= gpf_graph_n_nodes(a->g))
        return gpf__diag(why, GSL_EINVAL, "the time: %d is not a node of the graph", t);
    gpf_node_label(a->g, t, label, sizeof label);
    gpf_shape_text(gpf_node_shape(a->g, t), shape, sizeof shape);
    if (!gpf_node_is_data(a->g, t))
        return gpf__diag(why, GPF_ESHAPE, "the time, %s, is a %s; data of one element expected",
                         label, gpf_node_op(a->g, t)->name);
    if (gpf_shape_size(gpf_node_shape(a->g, t), gpf_point_batch(a->at)) != 1)
        return gpf__diag(why, GPF_ESHAPE,
                         "the time, %s, is data of shape %s; data of one element "
                         "expected",
                         label, shape);
    if (gpf__sweeps_has(a->by_x, t))
        return gpf__diag(why, GSL_EINVAL, "the time, %s, is one of the variables", label);
    return GSL_SUCCESS;
}

int gpf_gsl_odeiv2(gpf_gsl *a, gpf_node t, gsl_odeiv2_system *f, gpf_diag *why)
{
    if (gpf_gsl_values(a) != gpf_gsl_variables(a))
        return wrong_size(a, "gsl_odeiv2_system", "as many are", why);
    if (a->t != GPF_NONE && a->t != t)
        return gpf__diag(why, GSL_EINVAL, "the time is %s already", gpf_node_name(a->g, a->t));
    int status = t == GPF_NONE ? GSL_SUCCESS : check_time(a, t, why);
    if (!status)
        status = gpf__sweeps_plan(a->by_x, GPF__SWEEP_JACOBIAN, why);
    if (!status && t != GPF_NONE && !a->by_t) {
        status = gpf__sweeps_make(a->g, &a->y, 1, &t, 1, gpf_point_batch(a->at), &a->by_t, why);
        if (!status)
            status = gpf__sweeps_plan(a->by_t, GPF__SWEEP_JACOBIAN, why);
        if (status) {
            gpf__sweeps_free(a->by_t);
            a->by_t = NULL;
        }
    }
    if (!status) {
        a->t = t;
        *f = (gsl_odeiv2_system){ .function = ode_function,
                                  .jacobian = ode_jacobian,
                                  .dimension = gpf_gsl_variables(a),
                                  .params = a };
    }
    return status;
}
