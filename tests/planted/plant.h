/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ops with a fault in one derivative rule. */
#ifndef GPF_TESTS_PLANT_H
#define GPF_TESTS_PLANT_H

#include <gradproof.h>
#include <stdbool.h>
#include <string.h>

typedef struct planted_op planted_op;

/* What goes wrong with the cotangent `right` that the original rule sends to input r->i. */
typedef struct fault {
    const char *name;
    gpf_node (*apply)(const gpf_rule_args *r, const planted_op *p);
} fault;

struct planted_op {
    gpf_op op; /* first: a node's op pointer leads back here */
    const gpf_op *original;
    const fault *fault;
    int slot;
    bool used; /* set when the fault changed something; rules run on one thread */
};

static inline gpf_node plant_right(const gpf_rule_args *r, const planted_op *p)
{
    return p->original->vjp[p->slot](r);
}

static inline gpf_node plant_times(const gpf_rule_args *r, const planted_op *p, double c)
{
    const gpf_node right = plant_right(r, p);
    return right == GPF_NONE ? right : gpf_mul(r->g, gpf_const(r->g, c), right);
}

static inline gpf_node plant_1001(const gpf_rule_args *r, const planted_op *p)
{
    return plant_times(r, p, 1.001);
}

static inline gpf_node plant_2(const gpf_rule_args *r, const planted_op *p)
{
    return plant_times(r, p, 2);
}

static inline gpf_node plant_minus(const gpf_rule_args *r, const planted_op *p)
{
    return plant_times(r, p, -1);
}

static inline gpf_node plant_dropped(const gpf_rule_args *r, const planted_op *p)
{
    (void)r, (void)p;
    return GPF_NONE;
}

/* The rule gets the square of the cotangent: invisible with seeds of 0 and 1. */
static inline gpf_node plant_squared(const gpf_rule_args *r, const planted_op *p)
{
    gpf_rule_args a = *r;
    a.bar = gpf_square(r->g, r->bar);
    return plant_right(&a, p);
}

static inline gpf_node plant_transposed(const gpf_rule_args *r, const planted_op *p)
{
    const gpf_node right = plant_right(r, p);
    const gpf_shape s = gpf_node_shape(r->g, right);
    return s.rank == 2 && s.dim[0] == s.dim[1] && s.dim[0] != 1 ? gpf_transpose(r->g, right)
                                                                : right;
}

/* The rule sees inputs and outputs of another moment than the cotangent's. */
static inline gpf_node plant_stale(const gpf_rule_args *r, const planted_op *p)
{
    gpf_node old[3] = { 0 };
    gpf_rule_args a = *r;
    for (int i = 0; i < r->n_x && i < 3; i++)
        old[i] = gpf_mul(r->g, gpf_const(r->g, 1.05), r->x[i]);
    a.x = old;
    a.y = gpf_apply(r->g, p->original, old, r->n_x, r->attr);
    return plant_right(&a, p);
}

static const fault faults[] = {
    { "scaled by 1.001", plant_1001 },      { "scaled by 2", plant_2 },
    { "sign flipped", plant_minus },        { "term dropped", plant_dropped },
    { "cotangent squared", plant_squared }, { "transpose missing", plant_transposed },
    { "stale value", plant_stale },
};
enum { N_FAULTS = sizeof faults / sizeof *faults };

static inline gpf_node plant_rule(const gpf_rule_args *r, int slot)
{
    /* The row was made by plant_make, so the node's op is the first member of a planted_op. */
    planted_op *p = (planted_op *)(void *)(size_t)gpf_node_op(r->g, r->y);
    if (slot != p->slot)
        return p->original->vjp[slot](r);
    const gpf_node wrong = p->fault->apply(r, p);
    p->used |= wrong != plant_right(r, p);
    return wrong;
}

static inline gpf_node plant_rule0(const gpf_rule_args *r)
{
    return plant_rule(r, 0);
}

static inline gpf_node plant_rule1(const gpf_rule_args *r)
{
    return plant_rule(r, 1);
}

/* A copy of `op` whose vjp rule for input `slot` has fault `f`. Its twin is left out: it would
 * bypass the rule. */
static inline void plant_make(planted_op *p, const gpf_op *op, int slot, const fault *f)
{
    memset(p, 0, sizeof *p);
    p->op = *op;
    p->op.fold = NULL;
    p->op.stable = NULL;
    p->original = op;
    p->fault = f;
    p->slot = slot;
    p->op.vjp[0] = plant_rule0;
    if (op->vjp[1])
        p->op.vjp[1] = plant_rule1;
}

/* The i-th pair of one-input elementwise row and fault; false if they do not go together. */
static inline bool plant_elementwise(planted_op *p, unsigned long i)
{
    static const char *const names[] = { "tanh",  "sigmoid",    "softplus", "sin",    "relu",
                                         "abs",   "leaky_relu", "elu",      "square", "cos",
                                         "expm1", "erf",        "neg",      "clip" };
    enum { N = sizeof names / sizeof *names };
    const gpf_op *op = gpf_op_find(names[i % N], 1);
    if (!op)
        return false;
    plant_make(p, op, 0, &faults[i / N % N_FAULTS]);
    return true;
}

#endif
