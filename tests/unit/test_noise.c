/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "plan/plan.h"

#include <gradproof/grad.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Noise of f(w) at one point, of the plan's outputs and through an overlay. */
static double noise_of(gpf_graph *g, gpf_node f, gpf_node w, const double *values, size_t n)
{
    gpf_point *at = gpf_point_alloc(g, 0);
    memcpy(gpf_point_params(at)->data, values, n * sizeof *values);
    gpf_plan *plan;
    assert_int_equal(gpf__plan_make(g, &f, 1, 0, NULL, 0, true, &plan), GSL_SUCCESS);
    gpf_workspace *ws = gpf_workspace_alloc(plan);
    assert_int_equal(gpf_plan_run(plan, ws, at), GSL_SUCCESS);
    const double exact = gpf_workspace_output(ws, 0)[0];
    double first, again, through;
    assert_int_equal(gpf__plan_noise(plan, ws, &first), GSL_SUCCESS);
    assert_true(gpf_workspace_output(ws, 0)[0] == exact); /* put back */
    assert_int_equal(gpf_plan_run(plan, ws, at), GSL_SUCCESS);
    assert_int_equal(gpf__plan_noise(plan, ws, &again), GSL_SUCCESS);
    assert_true(first == again); /* no chance in it */
    gpf_damage *d = gpf_damage_alloc(g, f, &w, 1, 0);
    assert_int_equal(gpf_damage_base(d, at, NULL), GSL_SUCCESS);
    gpf_overlay *o = gpf_overlay_alloc(d);
    assert_int_equal(gpf__damage_noise(o, 0, false, &through), GSL_SUCCESS);
    assert_true(through <= 4 * first + 1e-300 && first <= 4 * through + 1e-300);
    gpf_overlay_free(o);
    gpf_damage_free(d);
    gpf_workspace_free(ws);
    gpf_plan_free(plan);
    gpf_point_free(at);
    return first;
}

static void cancellation_is_seen(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node w = gpf_param(g, "w", gpf_shape0()), big = gpf_const(g, 1e8), s = gpf_sin(g, w);
    const double at = 0.7;
    const double plain = noise_of(g, s, w, &at, 1),
                 lost = noise_of(g, gpf_sub(g, gpf_add(g, s, big), big), w, &at, 1);
    assert_true(plain > 1e-17 && plain < 1e-15);
    assert_true(lost > 1e-9 && lost < 1e-6); /* 1e8 eps = 2e-8 */
    gpf_graph_free(g);
}

/* A sum that cancels loses digits inside the op, where its result does not show it. */
static void inside_a_sum(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node w = gpf_param(g, "w", gpf_shape1(3));
    const double values[] = { 1e6, 0.3, -1e6 };
    const double noise = noise_of(g, gpf_sum(g, w, GPF_ALL_AXES), w, values, 3);
    assert_true(noise > 1e-11 && noise < 1e-8);
    gpf_graph_free(g);
}

/* Noise goes on through a value's other names: log(sigmoid(z)) is computed as -softplus(-z). */
static void through_a_twin(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node w = gpf_param(g, "w", gpf_shape1(3)), big = gpf_const(g, 1e8),
                   z = gpf_sub(g, gpf_add(g, w, big), big),
                   y = gpf_sum(g, gpf_log(g, gpf_sigmoid(g, z)), GPF_ALL_AXES);
    const double values[] = { 0.1, 0.2, 0.3 }, noise = noise_of(g, y, w, values, 3);
    assert_true(noise > 1e-9 && noise < 1e-6);
    gpf_graph_free(g);
}

/* At a tie the least change tips a step over; that is a kink, not noise. */
static void ties_are_no_noise(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node w = gpf_param(g, "w", gpf_shape0()), one = gpf_const(g, 0.1),
                   x = gpf_sub(g, gpf_add(g, w, one), one);
    gpf_node grad;
    assert_int_equal(gpf_grad(g, gpf_relu(g, x), &w, 1, &grad), GSL_SUCCESS);
    const double at = 0;
    assert_true(noise_of(g, gpf_mul(g, grad, gpf_const(g, 3)), w, &at, 1) < 1e-15);
    gpf_graph_free(g);
}

/* A step function keeps its value, whatever an overlay held before. */
static void steps_keep_their_values(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node w = gpf_param(g, "w", gpf_shape0()),
                   f = gpf_mul(g, gpf_step(g, w, 0), gpf_sin(g, w));
    const double at = 0.7;
    const double noise = noise_of(g, f, w, &at, 1);
    assert_true(noise > 0 && noise < 1e-15);
    gpf_graph_free(g);
}

/* What a workspace computes once and for all is the same after noise went through it. */
static void constants_stay(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const double table[] = { 0.1, 0.2, 0.3 }, w = 0.7;
    const gpf_node c = gpf_exp(g, gpf_const_tensor(g, gpf_shape1(3), table)),
                   x = gpf_param(g, "x", gpf_shape0()),
                   f = gpf_sum(g, gpf_mul(g, c, x), GPF_ALL_AXES);
    gpf_point *at = gpf_point_alloc(g, 0);
    gpf_point_params(at)->data[0] = w;
    gpf_plan *plan;
    assert_int_equal(gpf__plan_make(g, &f, 1, 0, NULL, 0, true, &plan), GSL_SUCCESS);
    assert_int_equal(plan->n_once, 1);
    gpf_workspace *ws = gpf_workspace_alloc(plan);
    assert_int_equal(gpf_plan_run(plan, ws, at), GSL_SUCCESS);
    const double before = gpf_workspace_output(ws, 0)[0];
    double noise;
    assert_int_equal(gpf__plan_noise(plan, ws, &noise), GSL_SUCCESS);
    assert_true(noise > 0);
    assert_int_equal(gpf_plan_run(plan, ws, at), GSL_SUCCESS);
    assert_true(gpf_workspace_output(ws, 0)[0] == before);
    gpf_workspace_free(ws);
    gpf_plan_free(plan);
    gpf_point_free(at);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancellation_is_seen),    cmocka_unit_test(inside_a_sum),
        cmocka_unit_test(through_a_twin),          cmocka_unit_test(ties_are_no_noise),
        cmocka_unit_test(steps_keep_their_values), cmocka_unit_test(constants_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
