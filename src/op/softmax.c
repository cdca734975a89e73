/* SPDX-License-Identifier: GPL-3.0-or-later */
/* softmax and log_softmax along one axis, by default the last: one row of logits a sample. */
#include "op/tile.h"

#include <math.h>

static const gpf_op_param axis_params[] = { { "axis", GPF_INTEGER, 0, -1 }, { NULL, 0, 0, 0 } };

static int axis_of(const gpf_attr *attr, int rank)
{
    return (int)(attr->k[0] < 0 ? attr->k[0] + rank : attr->k[0]);
}

static int softmax_shape(const gpf_shape *x, int n_x, const gpf_attr *attr, gpf_shape *y, char *why,
                         size_t why_size)
{
    (void)n_x;
    const int axis = axis_of(attr, x->rank);
    if (axis < 0 || axis >= x->rank) {
        gpf__format(why, why_size, "there is no axis %td", attr->k[0]);
        return GPF_ESHAPE;
    }
    *y = *x;
    return GSL_SUCCESS;
}

/* Every softmax row is n elements, `stride` apart: e^(x - m) / s with m = max x,
 * s = sum e^(x - m), or the logarithm of that, x - (m + log s). */
static void softmax_rows(const gpf_call *c, bool logarithm)
{
    const gpf_tensor *t = c->x[0];
    const int axis = axis_of(c->attr, t->rank);
    const size_t n = t->dim[axis], total = gpf__tensor_size(t);
    size_t stride = 1; /* not the tensor's own: that of an axis of size 1 may be anything */
    for (int a = axis + 1; a < t->rank; a++)
        stride *= t->dim[a];
    for (size_t first = 0; first < total; first += n * stride)
        for (size_t j = 0; j < stride; j++) {
            const double *x = t->data + first + j;
            double *y = c->y->data + first + j, m = x[0], s = 0;
            for (size_t i = 1; i < n; i++)
                m = x[i * stride] > m || isnan(x[i * stride]) ? x[i * stride] : m;
            for (size_t i = 0; i < n; i++)
                s += exp(x[i * stride] - m);
            const double log_s = logarithm ? log(s) : 0;
            for (size_t i = 0; i < n; i++) {
                const double d = x[i * stride] - m;
                y[i * stride] = logarithm ? d - log_s : exp(d) / s;
            }
        }
}

static void softmax_eval(const gpf_call *c)
{
    softmax_rows(c, false);
}

static void log_softmax_eval(const gpf_call *c)
{
    softmax_rows(c, true);
}

/* Along the last axis of a matrix: by row. */
static bool by_row(const gpf__patch *p)
{
    const gpf_tensor *x = p->call->x[0];
    return gpf_op_softmax.flags & GPF_OP_STRIDED && x->rank == 2 && axis_of(p->call->attr, 2) == 1;
}

static int softmax_damage(const gpf__patch *p)
{
    return by_row(p) && gpf__damage_rowwise(p, softmax_eval);
}

static int log_softmax_damage(const gpf__patch *p)
{
    return by_row(p) && gpf__damage_rowwise(p, log_softmax_eval);
}

/* Sum along the softmax axis of r->x[0]'s shape. */
static gpf_node row_sum(const gpf_rule_args *r, gpf_node v)
{
    return gpf_sum(r->g, v, (ptrdiff_t)1 << axis_of(r->attr, gpf_node_shape(r->g, r->x[0]).rank));
}

static gpf_node softmax(const gpf_rule_args *r)
{
    return gpf_apply(r->g, &gpf_op_softmax, r->x, 1, r->attr);
}

/* J = diag(y) - y'y: vjp y (bar - sum(bar y)), jvp y bar - y sum(y bar) */
RULE(softmax_vjp, gpf_mul(g, y, gpf_sub(g, bar, row_sum(r, gpf_mul(g, bar, y)))))
RULE(softmax_jvp, gpf_sub(g, gpf_mul(g, y, bar), gpf_mul(g, y, row_sum(r, gpf_mul(g, y, bar)))))
const gpf_op gpf_op_softmax = { .name = "softmax",
                                .arity = 1,
                                .formula = "e^x / sum e^x along an axis, the last by default",
                                .latex = "\\operatorname{softmax}(x)",
                                .flags = GPF_OP_DENSE,
                                .params = axis_params,
                                .shape = softmax_shape,
                                .eval = softmax_eval,
                                .damage = softmax_damage,
                                .vjp = { softmax_vjp },
                                .jvp = { softmax_jvp } };

/* J = I - 1 softmax: vjp bar - softmax sum(bar), jvp bar - sum(softmax bar) */
RULE(log_softmax_vjp, gpf_sub(g, bar, gpf_mul(g, softmax(r), row_sum(r, bar))))
RULE(log_softmax_jvp, gpf_sub(g, bar, row_sum(r, gpf_mul(g, gpf_exp(g, y), bar))))
const gpf_op gpf_op_log_softmax = { .name = "log_softmax",
                                    .arity = 1,
                                    .formula = "x - log sum e^x along an axis, the last by default",
                                    .latex = "\\log\\operatorname{softmax}(x)",
                                    .flags = GPF_OP_DENSE,
                                    .params = axis_params,
                                    .shape = softmax_shape,
                                    .eval = log_softmax_eval,
                                    .damage = log_softmax_damage,
                                    .vjp = { log_softmax_vjp },
                                    .jvp = { log_softmax_jvp } };
