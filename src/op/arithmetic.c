/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "op/rows.h"

#include <float.h>
#include <math.h>

static bool is(const gpf_graph *g, gpf_node n, double value)
{
    double c;
    return gpf_node_is_const(g, n, &c) && c == value;
}

/* The input of n if n is the given one-input op, else GPF_NONE. */
static gpf_node under(const gpf_graph *g, const gpf_op *op, gpf_node n)
{
    int n_x;
    return gpf_node_op(g, n) == op ? gpf_node_inputs(g, n, &n_x)[0] : GPF_NONE;
}

MAP2(add_map, u + v)
RULE(add_vjp, bar)
static gpf_node add_fold(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    (void)attr;
    if (is(g, x[0], 0))
        return x[1];
    if (is(g, x[1], 0))
        return x[0];
    const gpf_node minus = under(g, &gpf_op_neg, x[1]);
    return minus == GPF_NONE ? GPF_NONE : gpf_sub(g, x[0], minus);
}
const gpf_op gpf_op_add = { .name = "add",
                            .arity = 2,
                            .formula = "a + b",
                            .latex = "a + b",
                            .flags = GPF_OP_COMMUTES | GPF_OP_SHIFTS,
                            .map = add_map,
                            .vjp = { add_vjp, add_vjp },
                            .jvp = { add_vjp, add_vjp },
                            .fold = add_fold };

MAP2(sub_map, u - v)
RULE(sub_vjp1, gpf_neg(g, bar))
RULE(sub_jvp1, gpf__scale(g, -1, bar))
static gpf_node sub_fold(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    (void)attr;
    if (is(g, x[0], 0))
        return gpf_neg(g, x[1]);
    return is(g, x[1], 0) ? x[0] : GPF_NONE;
}
/* 1 - sigmoid(z) loses all digits for large z, exp(z) - 1 near 0. */
static gpf_node sub_stable(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    (void)attr;
    const gpf_node z = under(g, &gpf_op_sigmoid, x[1]);
    if (is(g, x[0], 1) && z != GPF_NONE)
        return gpf_sigmoid(g, gpf_neg(g, z));
    const gpf_node e = under(g, &gpf_op_exp, x[0]);
    return is(g, x[1], 1) && e != GPF_NONE ? gpf_expm1(g, e) : GPF_NONE;
}
const gpf_op gpf_op_sub = { .name = "sub",
                            .arity = 2,
                            .formula = "a - b",
                            .latex = "a - b",
                            .flags = GPF_OP_SHIFTS,
                            .map = sub_map,
                            .vjp = { add_vjp, sub_vjp1 },
                            .jvp = { add_vjp, sub_jvp1 },
                            .fold = sub_fold,
                            .stable = sub_stable };

MAP2(mul_map, u *v)
RULE(mul_vjp0, gpf_mul(g, bar, w))
RULE(mul_vjp1, gpf_mul(g, bar, x))
RULE(mul_jvp0, gpf_mul(g, w, bar))
RULE(mul_jvp1, gpf_mul(g, x, bar))
static gpf_node mul_fold(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    (void)attr;
    for (int i = 0; i < 2; i++) {
        if (is(g, x[i], 1))
            return x[1 - i];
        if (is(g, x[i], -1))
            return gpf_neg(g, x[1 - i]);
    }
    return GPF_NONE;
}
const gpf_op gpf_op_mul = { .name = "mul",
                            .arity = 2,
                            .formula = "a * b",
                            .latex = "a \\odot b",
                            .flags = GPF_OP_COMMUTES,
                            .map = mul_map,
                            .vjp = { mul_vjp0, mul_vjp1 },
                            .jvp = { mul_jvp0, mul_jvp1 },
                            .fold = mul_fold };

MAP2(div_map, u / v)
RULE(div_vjp0, gpf_div(g, bar, w))
RULE(div_vjp1, gpf_neg(g, gpf_mul(g, bar, gpf_div(g, y, w))))
RULE(div_jvp1, gpf_neg(g, gpf_mul(g, gpf_div(g, x, w), gpf_div(g, bar, w))))
static gpf_node div_fold(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    (void)attr;
    return is(g, x[1], 1) ? x[0] : GPF_NONE;
}
const gpf_op gpf_op_div = { .name = "div",
                            .arity = 2,
                            .formula = "a / b",
                            .latex = "a \\oslash b",
                            .map = div_map,
                            .vjp = { div_vjp0, div_vjp1 },
                            .jvp = { div_vjp0, div_jvp1 },
                            .fold = div_fold,
                            .lo = 0.3,
                            .hi = 2.7 };

MAP1(neg_map, -u)
RULE(neg_vjp, gpf_neg(g, bar))
RULE(neg_jvp, gpf__scale(g, -1, bar))
static gpf_node neg_fold(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    (void)attr;
    return under(g, &gpf_op_neg, x[0]);
}
const gpf_op gpf_op_neg = { .name = "neg",
                            .arity = 1,
                            .formula = "-x",
                            .latex = "-x",
                            .map = neg_map,
                            .vjp = { neg_vjp },
                            .jvp = { neg_jvp },
                            .fold = neg_fold };

/* d/da a^b = b a^(b-1);  d/db a^b = a^b log a, for a > 0, and 0 at a = 0: not 0 log 0. */
static gpf_node log_above_0(gpf_graph *g, gpf_node x)
{
    return gpf_log(g, gpf_max(g, x, gpf_const(g, DBL_MIN)));
}
MAP2(pow_map, pow(u, v))
RULE(pow_vjp0, gpf_mul(g, bar, gpf_mul(g, w, gpf_pow(g, x, gpf_sub(g, w, gpf_const(g, 1))))))
RULE(pow_vjp1, gpf_mul(g, bar, gpf_mul(g, y, log_above_0(g, x))))
RULE(pow_jvp0, gpf_mul(g, gpf_mul(g, bar, w), gpf_pow(g, x, gpf_add(g, w, gpf_const(g, -1)))))
RULE(pow_jvp1, gpf_mul(g, log_above_0(g, x), gpf_mul(g, gpf_pow(g, x, w), bar)))
static gpf_node pow_fold(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    (void)attr;
    if (is(g, x[1], 2))
        return gpf_square(g, x[0]);
    if (is(g, x[1], 1))
        return x[0];
    if (is(g, x[1], 0.5))
        return gpf_sqrt(g, x[0]);
    if (is(g, x[1], 0))
        return gpf_broadcast(g, gpf_const(g, 1), gpf_node_shape(g, x[0]));
    return is(g, x[1], -1) ? gpf_div(g, gpf_const(g, 1), x[0]) : GPF_NONE;
}
const gpf_op gpf_op_pow = { .name = "pow",
                            .arity = 2,
                            .formula = "a ^ b",
                            .latex = "a^{b}",
                            .map = pow_map,
                            .vjp = { pow_vjp0, pow_vjp1 },
                            .jvp = { pow_jvp0, pow_jvp1 },
                            .fold = pow_fold,
                            .lo = 0.3,
                            .hi = 2.7 };

MAP1(sqrt_map, sqrt(u))
RULE(sqrt_vjp, gpf_div(g, bar, gpf__scale(g, 2, y)))
RULE(sqrt_jvp, gpf__scale(g, 0.5, gpf_div(g, bar, gpf_sqrt(g, x))))
const gpf_op gpf_op_sqrt = { .name = "sqrt",
                             .arity = 1,
                             .formula = "sqrt x",
                             .latex = "\\sqrt{x}",
                             .map = sqrt_map,
                             .vjp = { sqrt_vjp },
                             .jvp = { sqrt_jvp },
                             .lo = 0.2,
                             .hi = 3 };

MAP1(square_map, u *u)
RULE(square_vjp, gpf_mul(g, bar, gpf__scale(g, 2, x)))
RULE(square_jvp, gpf_add(g, gpf_mul(g, x, bar), gpf_mul(g, x, bar)))
const gpf_op gpf_op_square = { .name = "square",
                               .arity = 1,
                               .formula = "x^2",
                               .latex = "x^{2}",
                               .map = square_map,
                               .vjp = { square_vjp },
                               .jvp = { square_jvp } };
