/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef GPF_GRAPH_GRAPH_H
#define GPF_GRAPH_GRAPH_H

#include "base/arena.h"
#include "base/text.h"

#include <gradproof/op.h>
#include <stdbool.h>

/* Leaves are ops without inputs and without a kernel; the leaf's own data hang on the node. */
extern const gpf_op gpf__op_data, gpf__op_param, gpf__op_const;

typedef struct gpf__node {
    const gpf_op *op;
    const gpf_node *x; /* inputs, in the graph's arena: stable while the graph grows */
    int n_x;
    gpf_node stable; /* twin, or GPF_NONE */
    gpf_shape shape;
    gpf_attr attr;
    const char *name;     /* or NULL */
    const double *values; /* of a const tensor; a scalar const has attr.p[0] */
    size_t leaf;          /* data: index among data; param: offset into the param vector */
} gpf__node;

struct gpf_graph {
    gpf__arena arena;
    gpf__node **node; /* by id; each in the arena, so pointers stay valid */
    size_t n, cap;
    gpf_node *table; /* open addressing by hash, 0 = empty; size is a power of two */
    size_t table_size;
    gpf_node *param, *data;
    size_t n_param, param_cap, n_data, data_cap;
    size_t n_params; /* doubles of all params */
    gpf_diag error;
};

static inline const gpf__node *gpf__get(const gpf_graph *g, gpf_node n)
{
    return g->node[n];
}

/* Records the first error; always GPF_POISON, so `return gpf__fail(...)` ends a builder. */
gpf_node gpf__fail(gpf_graph *g, int status, const char *format, ...) GPF_PRINTF(3, 4);

/* The twin to use for n where xs are told apart from what they were computed from (they are
 * differentiated by, or changed): GPF_NONE if there is none or if it bypasses one of the xs, as
 * the twin -softplus(-z) of log(p), p = sigmoid(z), bypasses p. */
gpf_node gpf__stable_for(const gpf_graph *g, gpf_node n, const gpf_node *xs, size_t n_xs);

/* By node: 1 for what n nodes need, themselves included; the caller's to free, NULL without memory.
 * GPF_NONE among them needs nothing. */
unsigned char *gpf__needed(const gpf_graph *g, const gpf_node *nodes, size_t n);

/* 1 if n is a node the graph has and no error stands: builders return GPF_POISON otherwise. */
bool gpf__ok(gpf_graph *g, gpf_node n);

#endif
