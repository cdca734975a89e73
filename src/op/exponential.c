/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "op/rows.h"

#include <math.h>

MAP1(exp_map, gpf__exp(u))
RULE(exp_vjp, gpf_mul(g, bar, y))
RULE(exp_jvp, gpf_mul(g, gpf_exp(g, x), bar))
const gpf_op gpf_op_exp = { .name = "exp",
                            .arity = 1,
                            .formula = "e^x",
                            .latex = "e^{x}",
                            .map = exp_map,
                            .vjp = { exp_vjp },
                            .jvp = { exp_jvp } };

/* Logarithms of what rounds to 0 or 1 are taken from the argument instead:
 * log sigmoid z = -softplus(-z), log softmax, log(1 + e^z) = softplus z, log(1 + z) = log1p z,
 * log sum e^z = logsumexp z. The input's own twin counts, so log(1 - sigmoid z) is covered. */
static gpf_node log_stable(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    (void)attr;
    gpf_node u = gpf_node_stable(g, x[0]);
    if (u == GPF_NONE)
        u = x[0];
    const gpf_op *op = gpf_node_op(g, u);
    int n_x;
    const gpf_node *in = gpf_node_inputs(g, u, &n_x);
    if (op == &gpf_op_sigmoid)
        return gpf_neg(g, gpf_softplus(g, gpf_neg(g, in[0])));
    if (op == &gpf_op_softmax)
        return gpf_apply(g, &gpf_op_log_softmax, in, 1, gpf_node_attr(g, u));
    if (op == &gpf_op_sum && gpf_node_op(g, in[0]) == &gpf_op_exp) {
        const ptrdiff_t axes = gpf_node_attr(g, u)->k[0];
        return gpf_logsumexp(g, gpf_node_inputs(g, in[0], &n_x)[0], axes);
    }
    for (int i = 0; op == &gpf_op_add && i < 2; i++) {
        double one;
        if (!gpf_node_is_const(g, in[i], &one) || one != 1)
            continue;
        const gpf_node z = in[1 - i];
        if (gpf_node_op(g, z) == &gpf_op_exp)
            return gpf_softplus(g, gpf_node_inputs(g, z, &n_x)[0]);
        return gpf_log1p(g, z);
    }
    return GPF_NONE;
}

/* Outside the domain y is not finite, which says enough; 0 is the edge. */
EDGE(positive, u)

MAP1(log_map, gpf__log(u))
RULE(log_vjp, gpf_div(g, bar, x))
RULE(log_jvp, gpf_mul(g, bar, gpf_div(g, gpf_const(g, 1), x)))
const gpf_op gpf_op_log = { .name = "log",
                            .arity = 1,
                            .formula = "log x",
                            .latex = "\\log x",
                            .map = log_map,
                            .vjp = { log_vjp },
                            .jvp = { log_jvp },
                            .stable = log_stable,
                            .side = positive_side,
                            .moved = positive_moved,
                            .pieces = "undefined|defined",
                            .lo = 0.2,
                            .hi = 3 };

MAP1(expm1_map, gpf__expm1(u))
RULE(expm1_vjp, gpf_mul(g, bar, gpf_exp(g, x)))
const gpf_op gpf_op_expm1 = { .name = "expm1",
                              .arity = 1,
                              .formula = "e^x - 1, accurate near 0",
                              .latex = "e^{x} - 1",
                              .map = expm1_map,
                              .vjp = { expm1_vjp },
                              .jvp = { exp_jvp } };

MAP1(log1p_map, gpf__log1p(u))
RULE(log1p_vjp, gpf_div(g, bar, gpf_add(g, gpf_const(g, 1), x)))
RULE(log1p_jvp, gpf_mul(g, bar, gpf_exp(g, gpf_neg(g, y))))
/* log1p(-sigmoid z) = log sigmoid(-z) */
static gpf_node log1p_stable(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    (void)attr;
    int n_x;
    const gpf_node *in = gpf_node_inputs(g, x[0], &n_x);
    if (gpf_node_op(g, x[0]) != &gpf_op_neg || gpf_node_op(g, in[0]) != &gpf_op_sigmoid)
        return GPF_NONE;
    return gpf_neg(g, gpf_softplus(g, gpf_node_inputs(g, in[0], &n_x)[0]));
}
const gpf_op gpf_op_log1p = { .name = "log1p",
                              .arity = 1,
                              .formula = "log(1 + x), accurate near 0",
                              .latex = "\\log(1 + x)",
                              .map = log1p_map,
                              .vjp = { log1p_vjp },
                              .jvp = { log1p_jvp },
                              .stable = log1p_stable,
                              .lo = -0.7,
                              .hi = 3 };

/* Angles of many turns are libm's; all the others are reduced in place. */
GPF__INLINE int far_body(size_t n, const double *x)
{
    uint64_t any = 0;
    GPF__SIMD_OR(any) for (size_t j = 0; j < n; j++)
    {
        any |= gpf__bits(gpf__pick(fabs(x[j]) > GPF__TURNS, 1, 0));
    }
    return any != 0;
}
VERSIONS(int, return, far, (size_t n, const double *x), (n, x))

MAP1(near_sin_map, gpf__sin(u))
MAP1(far_sin_map, fabs(u) > GPF__TURNS ? sin(u) : gpf__sin(u))
static void sin_map(size_t n, double *y, const double *const *x, const gpf_attr *attr)
{
    (far(n, x[0]) ? far_sin_map : near_sin_map)(n, y, x, attr);
}
RULE(sin_vjp, gpf_mul(g, bar, gpf_cos(g, x)))
RULE(sin_jvp, gpf_mul(g, gpf_cos(g, x), bar))
const gpf_op gpf_op_sin = { .name = "sin",
                            .arity = 1,
                            .formula = "sin x",
                            .latex = "\\sin x",
                            .map = sin_map,
                            .vjp = { sin_vjp },
                            .jvp = { sin_jvp } };

MAP1(near_cos_map, gpf__cos(u))
MAP1(far_cos_map, fabs(u) > GPF__TURNS ? cos(u) : gpf__cos(u))
static void cos_map(size_t n, double *y, const double *const *x, const gpf_attr *attr)
{
    (far(n, x[0]) ? far_cos_map : near_cos_map)(n, y, x, attr);
}
RULE(cos_vjp, gpf_neg(g, gpf_mul(g, bar, gpf_sin(g, x))))
RULE(cos_jvp, gpf_mul(g, gpf_sin(g, gpf_neg(g, x)), bar))
const gpf_op gpf_op_cos = { .name = "cos",
                            .arity = 1,
                            .formula = "cos x",
                            .latex = "\\cos x",
                            .map = cos_map,
                            .vjp = { cos_vjp },
                            .jvp = { cos_jvp } };

/* tanh' = 1/cosh^2, not 1 - tanh^2: that has no digits left from x = 19 on. */
MAP1(tanh_map, gpf__tanh(u))
RULE(tanh_vjp, gpf_mul(g, bar, gpf_sech2(g, x)))
RULE(tanh_jvp, gpf__scale(g, 4,
                          gpf_mul(g, bar,
                                  gpf_mul(g, gpf_sigmoid(g, gpf__scale(g, 2, x)),
                                          gpf_sigmoid(g, gpf__scale(g, -2, x))))))
const gpf_op gpf_op_tanh = { .name = "tanh",
                             .arity = 1,
                             .formula = "tanh x",
                             .latex = "\\tanh x",
                             .map = tanh_map,
                             .vjp = { tanh_vjp },
                             .jvp = { tanh_jvp } };

MAP1(sech2_map, gpf__sech2(u))
RULE(sech2_vjp, gpf_mul(g, bar, gpf_mul(g, gpf__scale(g, -2, gpf_tanh(g, x)), y)))
/* The jvp takes tanh x = 2t/(1 + t^2) from t = tanh(x/2). */
static gpf_node tanh_half(gpf_graph *g, gpf_node x)
{
    return gpf_tanh(g, gpf__scale(g, 0.5, x));
}
RULE(sech2_jvp, gpf_mul(g, gpf_mul(g, bar, y),
                        gpf_div(g, gpf__scale(g, -4, tanh_half(g, x)),
                                gpf_add(g, gpf_const(g, 1), gpf_square(g, tanh_half(g, x))))))
const gpf_op gpf_op_sech2 = { .name = "sech2",
                              .arity = 1,
                              .formula = "1/cosh(x)^2, the derivative of tanh",
                              .latex = "\\operatorname{sech}^2 x",
                              .map = sech2_map,
                              .vjp = { sech2_vjp },
                              .jvp = { sech2_jvp } };

/* sigmoid' = sigmoid(x) sigmoid(-x): y(1 - y) is 0 from x = 37 on. */
MAP1(sigmoid_map, gpf__sigmoid(u))
RULE(sigmoid_vjp, gpf_mul(g, bar, gpf_mul(g, y, gpf_sigmoid(g, gpf_neg(g, x)))))
RULE(sigmoid_jvp, gpf_mul(g, bar,
                          gpf_exp(g, gpf_neg(g, gpf_add(g, gpf_softplus(g, x),
                                                        gpf_softplus(g, gpf_neg(g, x)))))))
const gpf_op gpf_op_sigmoid = { .name = "sigmoid",
                                .arity = 1,
                                .formula = "1/(1 + e^-x)",
                                .latex = "\\sigma(x)",
                                .map = sigmoid_map,
                                .vjp = { sigmoid_vjp },
                                .jvp = { sigmoid_jvp } };

MAP1(softplus_map, gpf__softplus(u))
RULE(softplus_vjp, gpf_mul(g, bar, gpf_sigmoid(g, x)))
RULE(softplus_jvp, gpf_mul(g, bar, gpf_exp(g, gpf_sub(g, x, y))))
const gpf_op gpf_op_softplus = { .name = "softplus",
                                 .arity = 1,
                                 .formula = "log(1 + e^x)",
                                 .latex = "\\log(1 + e^{x})",
                                 .map = softplus_map,
                                 .vjp = { softplus_vjp },
                                 .jvp = { softplus_jvp } };

/* erf' = 2/sqrt(pi) e^(-x^2) */
#define TWO_OVER_SQRT_PI 1.12837916709551257390
MAP1(erf_map, erf(u))
RULE(erf_vjp,
     gpf_mul(g, bar, gpf__scale(g, TWO_OVER_SQRT_PI, gpf_exp(g, gpf_neg(g, gpf_square(g, x))))))
RULE(erf_jvp, gpf_div(g, gpf__scale(g, TWO_OVER_SQRT_PI, bar), gpf_exp(g, gpf_mul(g, x, x))))
const gpf_op gpf_op_erf = { .name = "erf",
                            .arity = 1,
                            .formula = "erf x",
                            .latex = "\\operatorname{erf} x",
                            .map = erf_map,
                            .vjp = { erf_vjp },
                            .jvp = { erf_jvp } };
