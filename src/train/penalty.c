/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What L2 regularisation has to know of a loss. */
#include "base/text.h"
#include "plan/plan.h"
#include "train/loop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int gpf__is_bias(const gpf_graph *g, gpf_node loss, gpf_node param, int *bias)
{
    unsigned char *need = gpf__needed(g, &loss, 1);
    bool *bare = calloc(g->n, sizeof *bare); /* the param itself, or a view of it */
    if (!need || !bare) {
        free(need);
        free(bare);
        return GSL_ENOMEM;
    }
    *bias = need[param];
    bare[param] = true;
    for (gpf_node i = param + 1; i <= loss && *bias; i++) {
        const gpf__node *node = gpf__get(g, i);
        bool reads = false;
        for (int k = 0; need[i] && k < node->n_x; k++)
            reads = reads || bare[node->x[k]];
        if (reads && node->op->view && node->n_x == 1)
            bare[i] = true;
        else if (reads && !(node->op->flags & GPF_OP_SHIFTS))
            *bias = 0;
    }
    free(need);
    free(bare);
    return GSL_SUCCESS;
}

static int value_at(gpf__batch *b, const gpf_graph *g, const gpf_point *like, const size_t *order,
                    double *value)
{
    gpf__batch_fill(b, g, like, order);
    const int status = gpf_plan_run(b->plan, b->ws, b->at);
    *value = status ? NAN : *gpf_workspace_output(b->ws, 0);
    return status;
}

/* By the values of the loss over some samples, and over these twice: 2 or 1 times as much. */
static gpf__adding judge(double once, double twice)
{
    const double off = 1e-9 * fabs(twice);
    if (!isfinite(once) || !isfinite(twice) || once == 0)
        return GPF__UNKNOWN;
    return fabs(twice - 2 * once) <= off ? GPF__SUMS
           : fabs(twice - once) <= off   ? GPF__MEANS
                                         : GPF__UNKNOWN;
}

/* Params that are like no others: where the loss happens to be 0, it is not elsewhere. */
static void draw(gsl_vector *theta, int round)
{
    double x = 0.31 + 0.17 * round;
    for (size_t i = 0; i < theta->size; i++) {
        x = fmod(x + 0.6180339887498949, 1); /* golden ratio: evenly, never twice the same */
        theta->data[i] = 2 * x - 1;
    }
}

int gpf__loss_scale(const gpf_graph *g, gpf_node loss, const gpf_point *like, gpf__adding *scale)
{
    enum { FEW = 8, ROUNDS = 4 };
    const size_t n = like->N < FEW ? like->N : FEW;
    size_t order[2 * FEW];
    gpf__batch once = { .N = 0 }, twice = { .N = 0 };
    gsl_vector *theta = gsl_vector_alloc(like->theta->size);
    *scale = GPF__UNKNOWN;
    int status = theta ? GSL_SUCCESS : GSL_ENOMEM;
    for (size_t i = 0; i < 2 * n; i++)
        order[i] = i % n;
    if (!status)
        status = gpf__batch_make(&once, g, like, theta, n, true);
    if (!status)
        status = gpf__batch_make(&twice, g, like, theta, 2 * n, true);
    if (!status)
        status = gpf__batch_plan(&once, g, &loss, 1);
    if (!status)
        status = gpf__batch_plan(&twice, g, &loss, 1);
    if (!status)
        memcpy(theta->data, like->theta->data, theta->size * sizeof *theta->data);
    for (int round = 0; !status && round < ROUNDS && *scale == GPF__UNKNOWN; round++) {
        double a, b;
        status = value_at(&once, g, like, order, &a);
        if (!status)
            status = value_at(&twice, g, like, order, &b);
        if (!status)
            *scale = judge(a, b);
        draw(theta, round);
    }
    gpf__batch_free(&once);
    gpf__batch_free(&twice);
    gsl_vector_free(theta);
    return status;
}
