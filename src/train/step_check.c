/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The check of a step: (before - after)/rate as the gradient under test, written as before/rate -
 * after/rate. Params are rounded numbers, and a small rate makes their last digit large: the check
 * measures what rounding does to its formula, step by step, so the formula must have numbers of the
 * size that was rounded. */
#include "base/text.h"
#include "plan/plan.h"
#include "train/loop.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

/* What depends on nothing but constants is computed once and not measured: so the params before are
 * those of the point. x/1 would be folded to x, which has no rounding either. */
static int build(gpf_graph *g, const gpf_node *xs, size_t n, const double *after, double rate,
                 gpf_node *step, gpf_diag *why)
{
    char label[80];
    const double unit = rate == 1 ? 2 : 1;
    for (size_t i = 0; i < n; i++) {
        if (!gpf__ok(g, xs[i]))
            return gpf_graph_status(g, why);
        if (!gpf_node_is_param(g, xs[i]))
            return gpf__diag(why, GPF_EDATA, "%s is no param: a step changes params",
                             gpf_node_label(g, xs[i], label, sizeof label));
        const gpf_node e = gpf_const(g, unit * rate),
                       to = gpf_const_tensor(g, gpf_node_shape(g, xs[i]),
                                             after + gpf_param_offset(g, xs[i]));
        step[i] = gpf_sub(g, gpf_div(g, xs[i], e), gpf_div(g, to, e));
        if (unit != 1)
            step[i] = gpf_mul(g, gpf_const(g, unit), step[i]);
    }
    return GSL_SUCCESS;
}

gpf_check *gpf_step_check_alloc(gpf_graph *g, gpf_node loss, const gpf_node *xs, size_t n,
                                const double *after, double rate, size_t N, unsigned long seed,
                                gpf_diag *why)
{
    if (!(rate > 0 && rate <= DBL_MAX)) {
        gpf__diag(why, GSL_EDOM, "the learning rate of a step is above 0, not %g", rate);
        return NULL;
    }
    gpf_check *c = NULL;
    gpf_node *step = malloc((n + 1) * sizeof *step);
    if (!step)
        gpf__diag(why, GSL_ENOMEM, "%s", gpf_strerror(GSL_ENOMEM));
    else if (build(g, xs, n, after, rate, step, why) == GSL_SUCCESS)
        c = gpf_check_alloc(g, loss, xs, step, n, N, seed, why);
    free(step);
    return c;
}

struct gpf__step_check {
    gpf_graph *g;
    gpf_check *check;
    gpf_point *at; /* its params are those before the step */
    gpf_node *after, rate_leaf;
    size_t n;
    const gpf_node *x; /* behind `after` */
    double rate;
};

/* A data leaf of a name that nobody has. */
static gpf_node leaf(gpf_graph *g, const char *what, const char *of, gpf_shape s)
{
    char name[160];
    for (int i = 0; i < 1000; i++) {
        gpf__format(name, sizeof name, "%s.%d.%.100s", what, i, of);
        if (gpf_graph_find(g, name) == GPF_NONE)
            break;
    }
    return gpf_data(g, name, s);
}

int gpf__step_check_make(gpf_graph *g, gpf_node loss, const gpf_node *xs, size_t n, size_t N,
                         unsigned long seed, gpf__step_check **result, gpf_diag *why)
{
    gpf__step_check *s = calloc(1, sizeof *s);
    gpf_node *step = malloc((n + 1) * sizeof *step), *own = malloc(2 * (n + 1) * sizeof *own);
    gpf_diag own_why = { .status = 0 };
    int status = s && step && own ? GSL_SUCCESS : GSL_ENOMEM;
    if (!status) {
        *s = (gpf__step_check){ .g = g, .after = own, .n = n, .x = own + n };
        memcpy(own + n, xs, n * sizeof *own);
        own = NULL;
        s->rate_leaf = leaf(g, "step", "rate", gpf_shape0());
        for (size_t i = 0; i < n; i++) {
            s->after[i] = leaf(g, "step", gpf_node_name(g, xs[i]), gpf_node_shape(g, xs[i]));
            step[i] =
                gpf_sub(g, gpf_div(g, xs[i], s->rate_leaf), gpf_div(g, s->after[i], s->rate_leaf));
        }
        s->check = gpf_check_alloc(g, loss, xs, step, n, N, seed, &own_why);
        status = s->check ? GSL_SUCCESS : own_why.status;
    }
    if (!status) {
        s->at = gpf_point_alloc(g, N);
        status = s->at ? gpf_point_bind(s->at, s->rate_leaf, &s->rate) : GSL_ENOMEM;
    }
    if (status) {
        if (own_why.status && why)
            *why = own_why;
        else
            gpf__diag(why, status, "%s", gpf_strerror(status));
        gpf__step_check_free(s);
        s = NULL;
    }
    free(own);
    free(step);
    *result = s;
    return status;
}

void gpf__step_check_free(gpf__step_check *s)
{
    if (!s)
        return;
    gpf_check_free(s->check);
    gpf_point_free(s->at);
    free(s->after);
    free(s);
}

int gpf__step_check_run(gpf__step_check *s, const gpf_point *data, const double *before,
                        const double *after, double rate, const gpf_check_options *how,
                        gpf_diag *why)
{
    for (size_t i = 0; i < data->n_data; i++)
        if (data->data[i])
            gpf_point_bind(s->at, data->data_node[i], data->data[i]);
    for (size_t i = 0; i < s->n; i++)
        gpf_point_bind(s->at, s->after[i], after + gpf_param_offset(s->g, s->x[i]));
    gsl_vector *theta = gpf_point_params(s->at);
    memcpy(theta->data, before, theta->size * sizeof *before);
    s->rate = rate;
    return gpf_check_run(s->check, s->at, how, why);
}

gpf_check *gpf__step_check_of(gpf__step_check *s)
{
    return s->check;
}
