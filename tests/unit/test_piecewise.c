/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"
#include "op/rows.h"

/* relu's value at 0 is a parameter of the node: two conventions live in one graph. */
static void test_at0_is_per_node(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape1(3));
    const double at0[] = { 0, 0.5, 1 };
    gpf_point *at = gpf_point_alloc(g, 0);
    theta(at)[0] = -1;
    theta(at)[2] = 1;
    for (size_t i = 0; i < COUNT(at0); i++) {
        const gpf_attr attr = { .p = { at0[i] } };
        const gpf_node y = gpf_sum(g, gpf_apply(g, &gpf_op_relu, &x, 1, &attr), GPF_ALL_AXES);
        gpf_node d;
        double got[3];
        assert_int_equal(gpf_grad(g, y, &x, 1, &d), GSL_SUCCESS);
        evaluate(g, at, &d, 1, got);
        const double expected[] = { 0, at0[i], 1 };
        assert_values(got, expected, 3);
    }
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* greater is not step(a - b): two equal infinities are a tie, not a NaN. */
static void test_infinities_compare(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node a = gpf_param(g, "a", gpf_shape1(4)), b = gpf_param(g, "b", gpf_shape1(4));
    const gpf_attr tie = { .p = { 0.25 } };
    const gpf_node in[] = { a, b };
    const gpf_node nodes[] = { gpf_apply(g, &gpf_op_greater, in, 2, &tie), gpf_max(g, a, b),
                               gpf_min(g, a, b) };
    gpf_point *at = gpf_point_alloc(g, 0);
    const double v[] = { INFINITY, -INFINITY, INFINITY, -INFINITY, INFINITY, -INFINITY, 1, 1 };
    memcpy(theta(at), v, sizeof v);
    double got[12];
    evaluate(g, at, nodes, 3, got);
    const double expected[] = { 0.25,     0.25, 1,        0,         INFINITY, -INFINITY,
                                INFINITY, 1,    INFINITY, -INFINITY, 1,        -INFINITY };
    assert_values(got, expected, 12);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void test_clip_sides(void **state)
{
    (void)state;
    const double x[] = { -2, -0.5, 0, 0.25, 1, 3 }, *in[] = { x, NULL, NULL };
    const int expected[] = { 0, 1, 2, 2, 3, 4 };
    const double margins[] = { 1.5, 0, 0.5, 0.75, 0, 2 };
    const gpf_attr attr = { .p = { -0.5, 1 } };
    int side[6];
    double margin[6];
    gpf_op_clip.side(6, side, margin, in, &attr);
    assert_memory_equal(side, expected, sizeof side);
    assert_values(margin, margins, 6);
}

/* prelu's slope is learnt: d/db = min(0, a). elu has no kink at alpha 1 but a jump in y''. */
static void test_learnt_slope_and_elu(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node a = gpf_param(g, "a", gpf_shape1(2)), b = gpf_param(g, "b", gpf_shape1(1));
    const gpf_node y = gpf_sum(g, gpf_prelu(g, a, b), GPF_ALL_AXES),
                   z = gpf_sum(g, gpf_elu(g, a, 1), GPF_ALL_AXES);
    gpf_node db, dz, ddz;
    gpf_grad(g, y, &b, 1, &db);
    gpf_grad(g, z, &a, 1, &dz);
    gpf_grad(g, gpf_sum(g, dz, GPF_ALL_AXES), &a, 1, &ddz);
    assert_no_error(g);
    assert_true(gpf_shape_equal(gpf_node_shape(g, db), gpf_shape1(1)));
    gpf_point *at = gpf_point_alloc(g, 0);
    const double v[] = { -1.5, 2.5, 0.1 };
    memcpy(theta(at), v, sizeof v);
    assert_close(evaluate1(g, at, db), -1.5, 1e-15, 0);
    double got[2];
    evaluate(g, at, &dz, 1, got);
    assert_values(got, (double[]){ exp(-1.5), 1 }, 2);
    evaluate(g, at, &ddz, 1, got);
    assert_values(got, (double[]){ exp(-1.5), 0 }, 2);
    gpf_point_free(at);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at0_is_per_node),
        cmocka_unit_test(test_infinities_compare),
        cmocka_unit_test(test_clip_sides),
        cmocka_unit_test(test_learnt_slope_and_elu),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
