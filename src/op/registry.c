/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The registry and the C constructors, both made from the lists in gradproof/op.h. */
#include "op/rows.h"

#include <string.h>

static const gpf_op *const ops[] = {
#define ENTRY(kind, name) &gpf_op_##name,
    GPF_OP_LIST(ENTRY)
#undef ENTRY
};

static const gpf_fn *const fns[] = {
#define ENTRY(kind, name) &gpf__fn_##name,
    GPF_FN_LIST(ENTRY)
#undef ENTRY
};

const gpf_op *gpf_op_at(size_t i)
{
    return i < sizeof ops / sizeof *ops ? ops[i] : NULL;
}

const gpf_op *gpf_op_find(const char *name, int arity)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (!strcmp(ops[i]->name, name) &&
            (arity == GPF_VARIADIC || ops[i]->arity == arity || ops[i]->arity == GPF_VARIADIC))
            return ops[i];
    return NULL;
}

const gpf_fn *gpf_fn_at(size_t i)
{
    return i < sizeof fns / sizeof *fns ? fns[i] : NULL;
}

const gpf_fn *gpf_fn_find(const char *name, int arity)
{
    for (size_t i = 0; i < sizeof fns / sizeof *fns; i++)
        if (!strcmp(fns[i]->name, name) && (arity == GPF_VARIADIC || fns[i]->arity == arity))
            return fns[i];
    return NULL;
}

gpf_attr gpf_attr_default(const gpf_op_param *params)
{
    gpf_attr a = { .p = { 0 } };
    for (; params && params->name; params++) {
        if (params->kind == GPF_REAL)
            a.p[params->slot] = params->value;
        else
            a.k[params->slot] = (ptrdiff_t)params->value;
    }
    return a;
}

gpf_node gpf__apply_p(gpf_graph *g, const gpf_op *op, gpf_node x, double p0)
{
    gpf_attr a = gpf_attr_default(op->params);
    a.p[0] = p0;
    return gpf_apply(g, op, &x, 1, &a);
}

gpf_node gpf__apply_p2(gpf_graph *g, const gpf_op *op, gpf_node x, gpf_node y, double p0)
{
    const gpf_node in[] = { x, y };
    gpf_attr a = gpf_attr_default(op->params);
    a.p[0] = p0;
    return gpf_apply(g, op, in, 2, &a);
}

/* op applied to x with k[0] = k0 (an axis or a mask of axes). */
static gpf_node apply_k(gpf_graph *g, const gpf_op *op, gpf_node x, ptrdiff_t k0)
{
    gpf_attr a = gpf_attr_default(op->params);
    a.k[0] = k0;
    return gpf_apply(g, op, &x, 1, &a);
}

#define OP_U(name)                                        \
    gpf_node gpf_##name GPF_ARGS_U                        \
    {                                                     \
        return gpf_apply(g, &gpf_op_##name, &x, 1, NULL); \
    }
#define OP_B(name)                                        \
    gpf_node gpf_##name GPF_ARGS_B                        \
    {                                                     \
        const gpf_node in[] = { a, b };                   \
        return gpf_apply(g, &gpf_op_##name, in, 2, NULL); \
    }
#define OP_R(name)                                  \
    gpf_node gpf_##name GPF_ARGS_R                  \
    {                                               \
        return apply_k(g, &gpf_op_##name, x, axes); \
    }
#define OP_P(name)                                    \
    gpf_node gpf_##name GPF_ARGS_P                    \
    {                                                 \
        return gpf__apply_p(g, &gpf_op_##name, x, p); \
    }
#define OP_Q(name)                                           \
    gpf_node gpf_##name GPF_ARGS_Q                           \
    {                                                        \
        gpf_attr a = gpf_attr_default(gpf_op_##name.params); \
        a.p[0] = p;                                          \
        a.p[1] = q;                                          \
        return gpf_apply(g, &gpf_op_##name, &x, 1, &a);      \
    }
#define OP_S(name) /* written by hand beside its row */
#define CONSTRUCTOR(kind, name) OP_##kind(name)
GPF_OP_LIST(CONSTRUCTOR)
#undef CONSTRUCTOR

#define FN_BODY(name, first, second, slot0)                                                 \
    {                                                                                       \
        const gpf_node in[] = { first, second };                                            \
        gpf_attr attr = gpf_attr_default(gpf__fn_##name.params);                            \
        slot0;                                                                              \
        return gpf_graph_status(g, NULL) ? GPF_POISON : gpf__fn_##name.build(g, in, &attr); \
    }
#define FN_U(name) gpf_node gpf_##name GPF_ARGS_U FN_BODY(name, x, GPF_NONE, (void)0)
#define FN_B(name) gpf_node gpf_##name GPF_ARGS_B FN_BODY(name, a, b, (void)0)
#define FN_R(name) gpf_node gpf_##name GPF_ARGS_R FN_BODY(name, x, GPF_NONE, attr.k[0] = axes)
#define FN_L(name) gpf_node gpf_##name GPF_ARGS_L FN_BODY(name, a, b, attr.k[0] = reduction)
#define CONSTRUCTOR(kind, name) FN_##kind(name)
GPF_FN_LIST(CONSTRUCTOR)
#undef CONSTRUCTOR
