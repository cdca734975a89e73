/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Batches: some of the samples as a point of their own. */
#include "plan/plan.h"
#include "train/loop.h"

#include <stdlib.h>
#include <string.h>

bool gpf__has_samples(const gpf_graph *g, gpf_node leaf)
{
    const gpf_shape s = gpf_node_shape(g, leaf);
    for (int a = 0; a < s.rank; a++)
        if (s.dim[a] == GPF_N)
            return true;
    return false;
}

/* The params of `like`, in a point that knows the leaves made since too. */
static int share_params(gpf__batch *b, const gpf_graph *g, gsl_vector *theta)
{
    b->at = gpf_point_alloc(g, b->N);
    if (!b->at)
        return GSL_ENOMEM;
    if (b->at->theta)
        gsl_vector_free(b->at->theta);
    b->at->theta = theta;
    return GSL_SUCCESS;
}

int gpf__batch_make(gpf__batch *b, const gpf_graph *g, const gpf_point *like, gsl_vector *theta,
                    size_t N, bool gather)
{
    b->N = N;
    b->own = GPF_NONE;
    if (share_params(b, g, theta))
        return GSL_ENOMEM;
    b->n_rows = like->n_data;
    b->rows = calloc(b->n_rows + 1, sizeof *b->rows);
    if (!b->rows)
        return GSL_ENOMEM;
    for (size_t i = 0; gather && i < like->n_data; i++) {
        if (!like->data[i] || !gpf__has_samples(g, like->data_node[i]))
            continue;
        const size_t size = gpf_shape_size(gpf_node_shape(g, like->data_node[i]), N);
        if (size == 0)
            return GPF_ELIMIT;
        b->rows[i] = gpf__aligned_alloc(size * sizeof **b->rows);
        if (!b->rows[i])
            return GSL_ENOMEM;
    }
    return GSL_SUCCESS;
}

int gpf__batch_own(gpf__batch *b, gpf_node leaf, const double *value)
{
    b->own = leaf;
    b->own_value = value;
    return leaf == GPF_NONE ? GSL_SUCCESS : gpf_point_bind(b->at, leaf, value);
}

int gpf__batch_plan(gpf__batch *b, const gpf_graph *g, const gpf_node *outputs, size_t n)
{
    const int status = gpf__plan_make(g, outputs, n, b->N, NULL, 0, false, &b->plan);
    if (status)
        return status;
    b->ws = gpf__workspace_make(b->plan);
    return b->ws ? GSL_SUCCESS : GSL_ENOMEM;
}

void gpf__batch_free(gpf__batch *b)
{
    gpf_workspace_free(b->ws);
    gpf_plan_free(b->plan);
    if (b->at)
        b->at->theta = NULL;
    gpf_point_free(b->at);
    for (size_t i = 0; b->rows && i < b->n_rows; i++)
        free(b->rows[i]);
    free(b->rows);
    free(b->change);
    *b = (gpf__batch){ .N = 0 };
}

/* `to`, with B for N in its shape, from the samples order[0 .. B-1] of `from`. Of the axes behind the
 * last N, blocks are contiguous. */
static void gather(double *to, const double *from, gpf_shape s, size_t N, size_t B,
                   const size_t *order)
{
    size_t size[GPF_MAX_RANK], stride[GPF_MAX_RANK], at[GPF_MAX_RANK] = { 0 }, block = 1;
    int axes = s.rank;
    while (axes > 0 && s.dim[axes - 1] != GPF_N)
        block *= (size_t)s.dim[--axes];
    size_t step = block;
    for (int a = axes - 1; a >= 0; a--) {
        const bool samples = s.dim[a] == GPF_N;
        stride[a] = step;
        size[a] = samples ? B : (size_t)s.dim[a];
        step *= samples ? N : size[a];
    }
    for (;;) {
        size_t offset = 0;
        for (int a = 0; a < axes; a++)
            offset += stride[a] * (s.dim[a] == GPF_N ? order[at[a]] : at[a]);
        memcpy(to, from + offset, block * sizeof *to);
        to += block;
        int a = axes - 1;
        while (a >= 0 && ++at[a] == size[a])
            at[a--] = 0;
        if (a < 0)
            return;
    }
}

int gpf__batch_fill(gpf__batch *b, const gpf_graph *g, const gpf_point *like, const size_t *order)
{
    int moved = 0;
    for (size_t i = 0; i < b->n_rows; i++) {
        const double *values = like->data[i];
        if (b->rows[i] && values) {
            gather(b->rows[i], values, gpf_node_shape(g, like->data_node[i]), like->N, b->N, order);
            values = b->rows[i];
        }
        if (like->data_node[i] == b->own)
            values = b->own_value;
        moved |= b->at->data[i] != values;
        b->at->data[i] = values;
    }
    return moved;
}

/* A number below n, all equally likely: what would make some likelier is thrown again. */
static uint64_t below(uint64_t *state, uint64_t n)
{
    const uint64_t most = UINT64_MAX - UINT64_MAX % n;
    uint64_t z;
    do
        z = gpf__mix(*state += 0x9e3779b97f4a7c15u); /* splitmix64 */
    while (z >= most);
    return z % n;
}

void gpf__batch_shuffle(size_t *order, size_t n, unsigned long seed, size_t epoch)
{
    uint64_t state = gpf__mix(gpf__mix((uint64_t)seed + 0x9e3779b97f4a7c15u) + (uint64_t)epoch);
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n; i > 1; i--) { /* Fisher, Yates */
        const size_t j = (size_t)below(&state, i), last = order[i - 1];
        order[i - 1] = order[j];
        order[j] = last;
    }
}
