/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "plan/plan.h"

#include <stdlib.h>
#include <string.h>

gpf_point *gpf_point_alloc(const gpf_graph *g, size_t N)
{
    gpf_point *p = calloc(1, sizeof *p);
    if (!p)
        GSL_ERROR_NULL("no memory for a point", GSL_ENOMEM);
    p->N = N;
    p->n_data = g->n_data;
    p->n_param = g->n_param;
    p->n_params = g->n_params;
    p->data = calloc(p->n_data + 1, sizeof *p->data);
    p->offset = calloc(p->n_param + 1, sizeof *p->offset);
    p->data_node = calloc(p->n_data + 1, sizeof *p->data_node);
    p->param_node = calloc(p->n_param + 1, sizeof *p->param_node);
    if (p->n_params)
        p->theta = gsl_vector_calloc(p->n_params);
    if (!p->data || !p->offset || !p->data_node || !p->param_node || (p->n_params && !p->theta)) {
        gpf_point_free(p);
        GSL_ERROR_NULL("no memory for a point", GSL_ENOMEM);
    }
    for (size_t i = 0; i < p->n_data; i++)
        p->data_node[i] = g->data[i];
    for (size_t i = 0; i < p->n_param; i++) {
        p->param_node[i] = g->param[i];
        p->offset[i] = gpf_param_offset(g, g->param[i]);
    }
    return p;
}

void gpf_point_free(gpf_point *p)
{
    if (!p)
        return;
    if (p->theta)
        gsl_vector_free(p->theta);
    free(p->data);
    free(p->offset);
    free(p->data_node);
    free(p->param_node);
    free(p->owned);
    free(p);
}

gsl_vector *gpf_point_params(const gpf_point *p)
{
    return p->theta;
}

size_t gpf_point_batch(const gpf_point *p)
{
    return p->N;
}

static long find(const gpf_node *list, size_t n, gpf_node node)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == node)
            return (long)i;
    return -1;
}

int gpf_point_bind(gpf_point *p, gpf_node data, const double *values)
{
    const long i = find(p->data_node, p->n_data, data);
    if (i < 0)
        return GPF_ENAME;
    p->data[i] = values;
    return GSL_SUCCESS;
}

const double *gpf_point_values(const gpf_point *p, gpf_node leaf)
{
    long i = find(p->data_node, p->n_data, leaf);
    if (i >= 0)
        return p->data[i];
    i = find(p->param_node, p->n_param, leaf);
    return i >= 0 ? p->theta->data + p->offset[i] : NULL;
}

