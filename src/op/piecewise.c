/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ops with kinks and jumps. Each states the derivative it takes on an edge. The kernels are
 * written so that NaN stays NaN. */
#include "op/rows.h"

#include <math.h>

static const gpf_op_param at0_params[] = { { "at0", GPF_REAL, 0, 0 }, { NULL, 0, 0, 0 } };

static gpf_node constant(gpf_graph *g, double c)
{
    return gpf_const(g, c);
}

EDGE(sign, u)

MAP1(abs_map, fabs(u))
RULE(abs_vjp, gpf_mul(g, bar, gpf__apply_p(g, &gpf_op_sign, x, p[0])))
RULE(abs_jvp, gpf_sub(g, gpf__scale(g, 2, gpf_mul(g, bar, gpf_step(g, x, (1 + p[0]) / 2))), bar))
const gpf_op gpf_op_abs = { .name = "abs",
                            .arity = 1,
                            .formula = "|x|",
                            .latex = "|x|",
                            .params = at0_params,
                            .map = abs_map,
                            .vjp = { abs_vjp },
                            .jvp = { abs_jvp },
                            .side = sign_side,
                            .moved = sign_moved,
                            .pieces = "negative|positive",
                            .tie = "at0 (default 0) at x = 0" };

MAP1(sign_map, u > 0 ? 1 : u < 0 ? -1 : u == 0 ? p[0] : u)
const gpf_op gpf_op_sign = { .name = "sign",
                             .arity = 1,
                             .formula = "-1, at0, 1 for x < 0, = 0, > 0",
                             .latex = "\\operatorname{sign} x",
                             .flags = GPF_OP_STEP,
                             .params = at0_params,
                             .map = sign_map,
                             .side = sign_side,
                             .moved = sign_moved,
                             .pieces = "negative|positive",
                             .tie = "none: a jump" };

MAP1(step_map, u > 0 ? 1 : u < 0 ? 0 : u == 0 ? p[0] : u)
const gpf_op gpf_op_step = { .name = "step",
                             .arity = 1,
                             .formula = "0, at0, 1 for x < 0, = 0, > 0",
                             .latex = "H(x)",
                             .flags = GPF_OP_STEP,
                             .params = at0_params,
                             .map = step_map,
                             .side = sign_side,
                             .moved = sign_moved,
                             .pieces = "negative|positive",
                             .tie = "none: a jump" };

/* Not step(a - b): that would be NaN for two equal infinities. */
static const gpf_op_param tie_params[] = { { "tie", GPF_REAL, 0, 0 }, { NULL, 0, 0, 0 } };
MAP2(greater_map, u > v ? 1 : u < v ? 0 : u == v ? p[0] : u - v)
EDGE(compare, u == v ? 0 : u - v)
const gpf_op gpf_op_greater = { .name = "greater",
                                .arity = 2,
                                .formula = "0, tie, 1 for a < b, a = b, a > b",
                                .latex = "[a > b]",
                                .flags = GPF_OP_STEP,
                                .params = tie_params,
                                .map = greater_map,
                                .side = compare_side,
                                .moved = compare_moved,
                                .pieces = "a < b|a > b",
                                .tie = "none: a jump" };

MAP1(relu_map, u < 0 ? 0 : u)
RULE(relu_vjp, gpf_mul(g, bar, gpf_step(g, x, p[0])))
RULE(relu_jvp, gpf_mul(g, gpf__apply_p2(g, &gpf_op_greater, x, constant(g, 0), p[0]), bar))
const gpf_op gpf_op_relu = { .name = "relu",
                             .arity = 1,
                             .formula = "max(0, x)",
                             .latex = "\\max(0, x)",
                             .params = at0_params,
                             .map = relu_map,
                             .vjp = { relu_vjp },
                             .jvp = { relu_jvp },
                             .side = sign_side,
                             .moved = sign_moved,
                             .pieces = "off|on",
                             .tie = "at0 (default 0) at x = 0" };

/* y' = s + (1 - s) step(x), s = slope */
static const gpf_op_param leaky_params[] = { { "slope", GPF_REAL, 0, 0.01 },
                                             { "at0", GPF_REAL, 1, 0 },
                                             { NULL, 0, 0, 0 } };
MAP1(leaky_map, u < 0 ? p[0] * u : u)
RULE(leaky_vjp,
     gpf_mul(g, bar, gpf_add(g, constant(g, p[0]), gpf__scale(g, 1 - p[0], gpf_step(g, x, p[1])))))
RULE(leaky_jvp,
     gpf_sub(g, bar,
             gpf__scale(g, 1 - p[0], gpf_mul(g, bar, gpf_step(g, gpf_neg(g, x), 1 - p[1])))))
const gpf_op gpf_op_leaky_relu = { .name = "leaky_relu",
                                   .arity = 1,
                                   .formula = "x for x >= 0, slope x below",
                                   .latex = "\\max(0, x) + s \\min(0, x)",
                                   .params = leaky_params,
                                   .map = leaky_map,
                                   .vjp = { leaky_vjp },
                                   .jvp = { leaky_jvp },
                                   .side = sign_side,
                                   .moved = sign_moved,
                                   .pieces = "x < 0|x > 0",
                                   .tie = "slope + (1 - slope) at0 (default at0 0) at x = 0" };

/* d/dx = alpha + (1 - alpha) step(x);  d/dalpha = min(0, x) */
MAP2(prelu_map, u < 0 ? v * u : u)
RULE(prelu_vjp0,
     gpf_mul(g, bar,
             gpf_add(g, w, gpf_mul(g, gpf_sub(g, constant(g, 1), w), gpf_step(g, x, p[0])))))
RULE(prelu_vjp1, gpf_mul(g, bar, gpf_min(g, x, constant(g, 0))))
RULE(prelu_jvp0, gpf_add(g, gpf_mul(g, bar, gpf_step(g, x, p[0])),
                         gpf_mul(g, gpf_mul(g, w, bar), gpf_step(g, gpf_neg(g, x), 1 - p[0]))))
RULE(prelu_jvp1, gpf_neg(g, gpf_mul(g, gpf_relu(g, gpf_neg(g, x)), bar)))
const gpf_op gpf_op_prelu = { .name = "prelu",
                              .arity = 2,
                              .formula = "a for a >= 0, b a below (b is learnt)",
                              .latex = "\\max(0, a) + b \\min(0, a)",
                              .params = at0_params,
                              .map = prelu_map,
                              .vjp = { prelu_vjp0, prelu_vjp1 },
                              .jvp = { prelu_jvp0, prelu_jvp1 },
                              .side = sign_side,
                              .moved = sign_moved,
                              .pieces = "a < 0|a > 0",
                              .tie = "b + (1 - b) at0 (default at0 0) at a = 0" };

/* y' = e^min(x,0) (alpha + (1 - alpha) step(x)); alpha = 1 has no kink, only a jump in y'' */
static const gpf_op_param elu_params[] = { { "alpha", GPF_REAL, 0, 1 },
                                           { "at0", GPF_REAL, 1, 0 },
                                           { NULL, 0, 0, 0 } };
MAP1(elu_map, u < 0 ? p[0] * gpf__expm1(u) : u)
RULE(elu_vjp,
     gpf_mul(g, bar,
             gpf_mul(g, gpf_exp(g, gpf_min(g, x, constant(g, 0))),
                     gpf_add(g, constant(g, p[0]), gpf__scale(g, 1 - p[0], gpf_step(g, x, p[1]))))))
RULE(elu_jvp, gpf_add(g, gpf_mul(g, bar, gpf_step(g, x, p[1])),
                      gpf_mul(g, gpf__scale(g, p[0], bar),
                              gpf_mul(g, gpf_exp(g, gpf_neg(g, gpf_relu(g, gpf_neg(g, x)))),
                                      gpf_step(g, gpf_neg(g, x), 1 - p[1])))))
const gpf_op gpf_op_elu = { .name = "elu",
                            .arity = 1,
                            .formula = "x for x >= 0, alpha (e^x - 1) below",
                            .latex = "\\max(0, x) + \\alpha (e^{\\min(0, x)} - 1)",
                            .params = elu_params,
                            .map = elu_map,
                            .vjp = { elu_vjp },
                            .jvp = { elu_jvp },
                            .side = sign_side,
                            .moved = sign_moved,
                            .pieces = "x < 0|x > 0",
                            .tie = "alpha + (1 - alpha) at0 (default at0 0) at x = 0" };

static const gpf_op_param share_params[] = { { "tie", GPF_REAL, 0, 0.5 }, { NULL, 0, 0, 0 } };

MAP2(max_map, u > v || isnan(u) ? u : v)
RULE(max_vjp0, gpf_mul(g, bar, gpf__apply_p2(g, &gpf_op_greater, x, w, p[0])))
RULE(max_vjp1, gpf_mul(g, bar, gpf__apply_p2(g, &gpf_op_greater, w, x, 1 - p[0])))
RULE(max_jvp0, gpf_mul(g, gpf_step(g, gpf_sub(g, x, w), p[0]), bar))
RULE(max_jvp1, gpf_sub(g, bar, gpf_mul(g, gpf_step(g, gpf_sub(g, x, w), p[0]), bar)))
const gpf_op gpf_op_max = { .name = "max",
                            .arity = 2,
                            .formula = "the larger of a and b",
                            .latex = "\\max(a, b)",
                            .params = share_params,
                            .map = max_map,
                            .vjp = { max_vjp0, max_vjp1 },
                            .jvp = { max_jvp0, max_jvp1 },
                            .side = compare_side,
                            .moved = compare_moved,
                            .pieces = "a < b|a > b",
                            .tie = "tie (default 1/2) to a, the rest to b, at a = b" };

MAP2(min_map, u < v || isnan(u) ? u : v)
RULE(min_vjp0, gpf_mul(g, bar, gpf__apply_p2(g, &gpf_op_greater, w, x, p[0])))
RULE(min_vjp1, gpf_mul(g, bar, gpf__apply_p2(g, &gpf_op_greater, x, w, 1 - p[0])))
RULE(min_jvp0, gpf_mul(g, gpf_step(g, gpf_sub(g, w, x), p[0]), bar))
RULE(min_jvp1, gpf_sub(g, bar, gpf_mul(g, gpf_step(g, gpf_sub(g, w, x), p[0]), bar)))
const gpf_op gpf_op_min = { .name = "min",
                            .arity = 2,
                            .formula = "the smaller of a and b",
                            .latex = "\\min(a, b)",
                            .params = share_params,
                            .map = min_map,
                            .vjp = { min_vjp0, min_vjp1 },
                            .jvp = { min_jvp0, min_jvp1 },
                            .side = compare_side,
                            .moved = compare_moved,
                            .pieces = "a < b|a > b",
                            .tie = "tie (default 1/2) to a, the rest to b, at a = b" };

/* y' = [lo <= x <= hi]: 1 on both edges */
static const gpf_op_param clip_params[] = { { "lo", GPF_REAL, 0, 0 },
                                            { "hi", GPF_REAL, 1, 1 },
                                            { NULL, 0, 0, 0 } };
MAP1(clip_map, u<p[0] ? p[0] : u> p[1] ? p[1] : u)
RULE(clip_vjp, gpf_mul(g, bar,
                       gpf_mul(g, gpf_step(g, gpf_sub(g, x, constant(g, p[0])), 1),
                               gpf_step(g, gpf_sub(g, constant(g, p[1]), x), 1))))
RULE(clip_jvp, gpf_sub(g, gpf_mul(g, bar, gpf_step(g, gpf_sub(g, x, constant(g, p[0])), 1)),
                       gpf_mul(g, bar, gpf_step(g, gpf_sub(g, x, constant(g, p[1])), 0))))
PIECES(clip,
       u < p[0]    ? 0
       : u == p[0] ? 1
       : u < p[1]  ? 2
       : u == p[1] ? 3
                   : 4,
       fmin(fabs(u - p[0]), fabs(u - p[1])))
const gpf_op gpf_op_clip = { .name = "clip",
                             .arity = 1,
                             .formula = "x cut to [lo, hi]",
                             .latex = "\\min(\\max(x, lo), hi)",
                             .params = clip_params,
                             .map = clip_map,
                             .vjp = { clip_vjp },
                             .jvp = { clip_jvp },
                             .side = clip_side,
                             .moved = clip_moved,
                             .pieces = "below|inside|above",
                             .tie = "1 at x = lo and x = hi" };
