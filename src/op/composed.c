/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Functions made of ops. Their derivatives need no rules. */
#include "graph/graph.h"
#include "op/rows.h"

#include <math.h>

/* A function's body: one expression over x and w (the inputs), p and k (parameters). */
#define BUILD(name, expression)                                                  \
    static gpf_node name(gpf_graph *g, const gpf_node *in, const gpf_attr *attr) \
    {                                                                            \
        const gpf_node x = in[0], w = in[1];                                     \
        const double *const p = attr->p;                                         \
        const ptrdiff_t *const k = attr->k;                                      \
        (void)w, (void)p, (void)k;                                               \
        return (expression);                                                     \
    }

static gpf_node number(gpf_graph *g, double c)
{
    return gpf_const(g, c);
}

static gpf_node one_minus(gpf_graph *g, gpf_node x)
{
    return gpf_sub(g, number(g, 1), x);
}

static gpf_node sum_all(gpf_graph *g, gpf_node x)
{
    return gpf_sum(g, x, GPF_ALL_AXES);
}

/* The terms of a loss added up; a mean divides by `count` terms. */
static gpf_node reduce(gpf_graph *g, gpf_node terms, gpf_node count, ptrdiff_t reduction)
{
    const gpf_node total = sum_all(g, terms);
    return reduction == GPF_SUM        ? total
           : reduction == GPF_HALF_SUM ? gpf__scale(g, 0.5, total)
                                       : gpf_div(g, total, count);
}

static gpf_node reduce_all(gpf_graph *g, gpf_node terms, ptrdiff_t reduction)
{
    return reduce(g, terms, gpf_size(g, terms, GPF_ALL_AXES), reduction);
}

static const gpf_op_param axes_params[] = { { "axis", GPF_AXES, 0, GPF_ALL_AXES },
                                            { NULL, 0, 0, 0 } };
static const gpf_op_param loss_params[] = { { "reduction", GPF_REDUCTION, 0, GPF_MEAN },
                                            { NULL, 0, 0, 0 } };
static const gpf_op_param huber_params[] = { { "reduction", GPF_REDUCTION, 0, GPF_MEAN },
                                             { "delta", GPF_REAL, 0, 1 },
                                             { NULL, 0, 0, 0 } };
static const gpf_op_param swish_params[] = { { "beta", GPF_REAL, 0, 1 }, { NULL, 0, 0, 0 } };

BUILD(mean, gpf_div(g, gpf_sum(g, x, k[0]), gpf_size(g, x, k[0])))
BUILD(variance, gpf_mean(g, gpf_square(g, gpf_sub(g, x, gpf_mean(g, x, k[0]))), k[0]))
BUILD(swish, gpf_mul(g, x, gpf_sigmoid(g, gpf__scale(g, p[0], x))))
BUILD(gelu,
      gpf__scale(g, 0.5,
                 gpf_mul(g, x, gpf_add(g, number(g, 1), gpf_erf(g, gpf__scale(g, sqrt(0.5), x))))))
BUILD(softsign, gpf_div(g, x, gpf_add(g, number(g, 1), gpf_abs(g, x))))
BUILD(mish, gpf_mul(g, x, gpf_tanh(g, gpf_softplus(g, x))))
/* Klambauer et al. 2017: fixed point of mean 0, variance 1 */
BUILD(selu, gpf__scale(g, 1.0507009873554805, gpf_elu(g, x, 1.6732632423543772)))

/* Losses want equal shapes: Nx1 against N would broadcast to NxN and mean something else. */
static bool same_shape(gpf_graph *g, const char *name, const gpf_node *in)
{
    if (!gpf__ok(g, in[0]) || !gpf__ok(g, in[1]))
        return false;
    const gpf_shape a = gpf_node_shape(g, in[0]), b = gpf_node_shape(g, in[1]);
    if (gpf_shape_equal(a, b))
        return true;
    char an[80], bn[80], as[64], bs[64];
    gpf__fail(g, GPF_ESHAPE, "%s: %s is %s but %s is %s (a loss wants equal shapes)", name,
              gpf_node_label(g, in[0], an, sizeof an), gpf_shape_text(a, as, sizeof as),
              gpf_node_label(g, in[1], bn, sizeof bn), gpf_shape_text(b, bs, sizeof bs));
    return false;
}

#define LOSS(name, expression)                                                        \
    BUILD(name##_unchecked, expression)                                               \
    static gpf_node name(gpf_graph *g, const gpf_node *in, const gpf_attr *attr)      \
    {                                                                                 \
        return same_shape(g, #name, in) ? name##_unchecked(g, in, attr) : GPF_POISON; \
    }

LOSS(mse, reduce_all(g, gpf_square(g, gpf_sub(g, x, w)), k[0]))
LOSS(mae, reduce_all(g, gpf_abs(g, gpf_sub(g, x, w)), k[0]))
LOSS(bce, reduce_all(g,
                     gpf_neg(g, gpf_add(g, gpf_mul(g, w, gpf_log(g, x)),
                                        gpf_mul(g, one_minus(g, w), gpf_log(g, one_minus(g, x))))),
                     k[0]))
/* y softplus(-z) + (1 - y) softplus(z): two terms >= 0, so nothing cancels at any z */
LOSS(bce_with_logits, reduce_all(g,
                                 gpf_add(g, gpf_mul(g, w, gpf_softplus(g, gpf_neg(g, x))),
                                         gpf_mul(g, one_minus(g, w), gpf_softplus(g, x))),
                                 k[0]))
/* One term a row: all axes but the last count rows. */
static gpf_node rows(gpf_graph *g, gpf_node x)
{
    const int rank = gpf_node_shape(g, x).rank;
    return gpf_size(g, x, rank ? ((ptrdiff_t)1 << (rank - 1)) - 1 : 0);
}
LOSS(cross_entropy, reduce(g, gpf_neg(g, gpf_mul(g, w, gpf_log_softmax(g, x))), rows(g, x), k[0]))
LOSS(hinge, reduce_all(g, gpf_relu(g, one_minus(g, gpf_mul(g, w, x))), k[0]))
/* m (e - m/2) with e = |a - b|, m = min(e, delta) */
static gpf_node huber(gpf_graph *g, const gpf_node *in, const gpf_attr *attr)
{
    if (!same_shape(g, "huber", in))
        return GPF_POISON;
    const gpf_node e = gpf_abs(g, gpf_sub(g, in[0], in[1])),
                   m = gpf_min(g, e, number(g, attr->p[0]));
    return reduce_all(g, gpf_mul(g, m, gpf_sub(g, e, gpf__scale(g, 0.5, m))), attr->k[0]);
}
LOSS(half_sse, gpf__scale(g, 0.5, sum_all(g, gpf_square(g, gpf_sub(g, x, w)))))
BUILD(dot, sum_all(g, gpf_mul(g, x, w)))
BUILD(l1, sum_all(g, gpf_abs(g, x)))
BUILD(l2, gpf__scale(g, 0.5, sum_all(g, gpf_square(g, x))))
BUILD(norm, gpf_sqrt(g, sum_all(g, gpf_square(g, x))))

/* Arity by kind of constructor. */
enum { ARITY_U = 1, ARITY_R = 1, ARITY_B = 2, ARITY_L = 2 };

#define FN(kind, name, parameters, text, tex) \
    const gpf_fn gpf__fn_##name = { #name, ARITY_##kind, text, tex, parameters, name };
FN(R, mean, axes_params, "sum(x) / size(x) over the axes", "\\bar{x}")
FN(R, variance, axes_params, "mean((x - mean(x))^2) over the axes", "\\operatorname{var} x")
FN(U, swish, swish_params, "x sigmoid(beta x)", "x\\,\\sigma(\\beta x)")
FN(U, gelu, NULL, "x (1 + erf(x/sqrt 2)) / 2", "x\\,\\Phi(x)")
FN(U, softsign, NULL, "x / (1 + |x|)", "x/(1 + |x|)")
FN(U, mish, NULL, "x tanh(softplus(x))", "x\\tanh\\log(1 + e^{x})")
FN(U, selu, NULL, "1.0507 elu(x, 1.6733)", "\\lambda\\operatorname{elu}(x, \\alpha)")
FN(L, mse, loss_params, "(a - b)^2, mean over all elements", "(a - b)^2")
FN(L, mae, loss_params, "|a - b|, mean over all elements", "|a - b|")
FN(L, bce, loss_params, "-(b log a + (1 - b) log(1 - a)), mean over all elements",
   "-b\\log a - (1 - b)\\log(1 - a)")
FN(L, bce_with_logits, loss_params, "bce(sigmoid(a), b) without overflow",
   "-b\\log\\sigma(a) - (1 - b)\\log(1 - \\sigma(a))")
FN(L, cross_entropy, loss_params, "-sum(b log_softmax(a)), mean over the rows",
   "-b^{\\top}\\log\\operatorname{softmax}(a)")
FN(L, hinge, loss_params, "max(0, 1 - a b), b = -1 or 1, mean over all elements",
   "\\max(0, 1 - ab)")
FN(L, huber, huber_params, "m (|a - b| - m/2), m = min(|a - b|, delta), mean over all elements",
   "m(|a - b| - m/2)")
FN(B, half_sse, NULL, "sum((a - b)^2) / 2", "\\tfrac12\\sum (a - b)^2")
FN(B, dot, NULL, "sum(a b)", "\\sum ab")
FN(U, l1, NULL, "sum |x|", "\\sum |x|")
FN(U, l2, NULL, "sum(x^2) / 2", "\\tfrac12\\sum x^2")
FN(U, norm, NULL, "sqrt(sum(x^2))", "\\|x\\|_2")

/* Layer: Z = X W + b, A = act(Z), samples in rows, W inputs x units. */
gpf_node gpf_dense(gpf_graph *g, const char *name, gpf_node x, ptrdiff_t units, gpf_activation act)
{
    if (!gpf__ok(g, x))
        return GPF_POISON;
    char w_name[128], b_name[128];
    gpf__format(w_name, sizeof w_name, "%s.W", name);
    gpf__format(b_name, sizeof b_name, "%s.b", name);
    const gpf_shape s = gpf_node_shape(g, x);
    if (s.rank != 2 || s.dim[1] == GPF_N)
        return gpf__fail(g, GPF_ESHAPE, "dense: layer %s wants samples in rows, Nxfeatures", name);
    const gpf_node w = gpf_param(g, w_name, gpf_shape2(s.dim[1], units));
    const gpf_node b = gpf_param(g, b_name, gpf_shape2(1, units));
    const gpf_node z = gpf_add(g, gpf_matmul(g, x, w), b);
    if (!act)
        return z;
    char z_name[128]; /* reports then say which unit's kink they met */
    gpf__format(z_name, sizeof z_name, "%s.z", name);
    gpf_node_set_name(g, z, z_name);
    return act(g, z);
}
