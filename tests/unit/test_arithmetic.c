/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"
#include "op/rows.h"

/* Trivial algebra disappears, so gradients stay readable; nothing else does. */
static void test_folds(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape2(2, 3)), y = gpf_param(g, "y", gpf_shape2(2, 3));
    const gpf_node zero = gpf_const(g, 0), one = gpf_const(g, 1);
    assert_int_equal(gpf_add(g, x, zero), x);
    assert_int_equal(gpf_add(g, zero, x), x);
    assert_int_equal(gpf_add(g, x, gpf_neg(g, y)), gpf_sub(g, x, y));
    assert_int_equal(gpf_sub(g, x, zero), x);
    assert_int_equal(gpf_sub(g, zero, x), gpf_neg(g, x));
    assert_int_equal(gpf_mul(g, x, one), x);
    assert_int_equal(gpf_mul(g, one, x), x);
    assert_int_equal(gpf_mul(g, x, gpf_const(g, -1)), gpf_neg(g, x));
    assert_int_equal(gpf_div(g, x, one), x);
    assert_int_equal(gpf_neg(g, gpf_neg(g, x)), x);
    assert_int_equal(gpf_pow(g, x, one), x);
    assert_int_equal(gpf_pow(g, x, gpf_const(g, 2)), gpf_square(g, x));
    assert_int_equal(gpf_pow(g, x, gpf_const(g, 0.5)), gpf_sqrt(g, x));
    assert_int_equal(gpf_pow(g, x, gpf_const(g, -1)), gpf_div(g, one, x));
    double v;
    assert_true(gpf_node_is_const(g, gpf_pow(g, x, zero), &v) && v == 1);
    assert_true(gpf_shape_equal(gpf_node_shape(g, gpf_pow(g, x, zero)), gpf_shape2(2, 3)));
    /* not x * 0: that is NaN where x is not finite */
    assert_false(gpf_node_is_const(g, gpf_mul(g, x, zero), &v));
    /* nor where folding would change the shape */
    const gpf_node s = gpf_param(g, "s", gpf_shape0());
    const gpf_node ones = gpf_broadcast(g, one, gpf_shape2(2, 3));
    assert_true(gpf_shape_equal(gpf_node_shape(g, gpf_mul(g, s, ones)), gpf_shape2(2, 3)));
    assert_no_error(g);
    gpf_graph_free(g);
}

static void test_stable_twins(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node z = gpf_param(g, "z", gpf_shape1(4)), one = gpf_const(g, 1);
    assert_int_equal(gpf_node_stable(g, gpf_sub(g, one, gpf_sigmoid(g, z))),
                     gpf_sigmoid(g, gpf_neg(g, z)));
    assert_int_equal(gpf_node_stable(g, gpf_sub(g, gpf_exp(g, z), one)), gpf_expm1(g, z));
    assert_int_equal(gpf_node_stable(g, gpf_sub(g, gpf_const(g, 2), gpf_sigmoid(g, z))), GPF_NONE);
    assert_int_equal(gpf_node_stable(g, gpf_sub(g, one, z)), GPF_NONE);
    /* 1 - sigmoid(z) at 40 has no digits, the twin has all */
    const gpf_node y = gpf_sum(g, gpf_sub(g, one, gpf_sigmoid(g, z)), GPF_ALL_AXES);
    gpf_point *at = gpf_point_alloc(g, 0);
    for (size_t i = 0; i < 4; i++)
        theta(at)[i] = 40;
    assert_close(evaluate1(g, at, y), 4 * exp(-40), 1e-14, 0);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* Negative bases: pow with a constant integer exponent has a gradient there. */
static void test_pow_of_a_negative_base(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape0());
    const gpf_node y = gpf_pow(g, x, gpf_const(g, 3));
    gpf_node d, dd;
    assert_int_equal(gpf_grad(g, y, &x, 1, &d), GSL_SUCCESS);
    assert_int_equal(gpf_grad(g, d, &x, 1, &dd), GSL_SUCCESS);
    gpf_point *at = gpf_point_alloc(g, 0);
    theta(at)[0] = -1.5;
    assert_close(evaluate1(g, at, y), -3.375, 1e-15, 0);
    assert_close(evaluate1(g, at, d), 6.75, 1e-15, 0);
    assert_close(evaluate1(g, at, dd), -9, 1e-15, 0);
    gpf_point_free(at);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folds),
        cmocka_unit_test(test_stable_twins),
        cmocka_unit_test(test_pow_of_a_negative_base),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
