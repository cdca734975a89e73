/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"
#include "op/rows.h"

static gpf_node log_of(gpf_graph *g, gpf_node x)
{
    return gpf_node_stable(g, gpf_log(g, x));
}

static void test_log_twins(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node z = gpf_param(g, "z", gpf_shape2(2, 3)), one = gpf_const(g, 1);
    const gpf_node s = gpf_sigmoid(g, z), e = gpf_exp(g, z);
    const gpf_node minus = gpf_neg(g, z);
    assert_int_equal(log_of(g, s), gpf_neg(g, gpf_softplus(g, minus)));
    assert_int_equal(log_of(g, gpf_sub(g, one, s)), gpf_neg(g, gpf_softplus(g, z)));
    assert_int_equal(log_of(g, gpf_softmax(g, z)), gpf_log_softmax(g, z));
    assert_int_equal(log_of(g, gpf_add(g, one, e)), gpf_softplus(g, z));
    assert_int_equal(log_of(g, gpf_add(g, e, one)), gpf_softplus(g, z));
    assert_int_equal(log_of(g, gpf_add(g, one, z)), gpf_log1p(g, z));
    for (ptrdiff_t axes = -1; axes < 4; axes++)
        if (axes != 0)
            assert_int_equal(log_of(g, gpf_sum(g, e, axes)), gpf_logsumexp(g, z, axes));
    assert_int_equal(gpf_node_stable(g, gpf_log1p(g, gpf_neg(g, s))),
                     gpf_neg(g, gpf_softplus(g, z)));
    assert_int_equal(log_of(g, z), GPF_NONE);
    assert_int_equal(log_of(g, gpf_add(g, gpf_const(g, 2), e)), GPF_NONE);
    assert_int_equal(log_of(g, gpf_sum(g, z, 1)), GPF_NONE);
    assert_no_error(g);
    gpf_graph_free(g);
}

/* A softmax over another axis keeps it in the twin. */
static void test_twin_keeps_parameters(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node z = gpf_param(g, "z", gpf_shape2(2, 3));
    const gpf_attr axis0 = { .k = { 0 } };
    const gpf_node s = gpf_apply(g, &gpf_op_softmax, &z, 1, &axis0);
    const gpf_node twin = log_of(g, s);
    assert_ptr_equal(gpf_node_op(g, twin), &gpf_op_log_softmax);
    assert_int_equal(gpf_node_attr(g, twin)->k[0], 0);
    gpf_graph_free(g);
}

/* The derivatives that lose all digits when taken from the value: sigma' from s(1 - s) is 0 from
 * 37 on, tanh' from 1 - t^2 from 19 on. */
static void test_saturated_derivatives(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node z = gpf_param(g, "z", gpf_shape1(6));
    const gpf_node f[] = { gpf_sum(g, gpf_sigmoid(g, z), GPF_ALL_AXES),
                           gpf_sum(g, gpf_tanh(g, z), GPF_ALL_AXES) };
    gpf_node d[2];
    gpf_grad(g, f[0], &z, 1, &d[0]);
    gpf_grad(g, f[1], &z, 1, &d[1]);
    assert_no_error(g);
    gpf_point *at = gpf_point_alloc(g, 0);
    const double zs[] = { 37, -37, 40, -40, 300, -300 };
    memcpy(theta(at), zs, sizeof zs);
    double got[12];
    evaluate(g, at, d, 2, got);
    for (size_t i = 0; i < 6; i++) {
        assert_close(got[i], exp(-fabs(zs[i])), 1e-14, 0);
        assert_close(got[6 + i], 4 * exp(-2 * fabs(zs[i])), 1e-14, 0);
        assert_true(got[i] > 0 && got[6 + i] > 0);
    }
    gpf_point_free(at);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_twins),
        cmocka_unit_test(test_twin_keeps_parameters),
        cmocka_unit_test(test_saturated_derivatives),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
