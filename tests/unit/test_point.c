/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"

static void test_values(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 2)),
                   y = gpf_data(g, "y", gpf_shape1(GPF_N));
    const gpf_node W = gpf_param(g, "W", gpf_shape2(2, 2)), b = gpf_param(g, "b", gpf_shape1(3));
    gpf_point *at = gpf_point_alloc(g, 5);
    assert_int_equal(gpf_point_batch(at), 5);
    const gsl_vector *params = gpf_point_params(at);
    assert_int_equal(params->size, 7);
    assert_int_equal(params->stride, 1);
    for (size_t i = 0; i < 7; i++)
        assert_true(gsl_vector_get(params, i) == 0);
    assert_ptr_equal(gpf_point_values(at, W), params->data);
    assert_ptr_equal(gpf_point_values(at, b), params->data + 4);
    assert_null(gpf_point_values(at, X));
    const double rows[10] = { 0 };
    assert_int_equal(gpf_point_bind(at, X, rows), GSL_SUCCESS);
    assert_ptr_equal(gpf_point_values(at, X), rows); /* borrowed */
    assert_null(gpf_point_values(at, y));
    assert_int_equal(gpf_point_bind(at, X, NULL), GSL_SUCCESS); /* unbound again */
    assert_null(gpf_point_values(at, X));
    assert_int_equal(gpf_point_bind(at, W, rows), GPF_ENAME);
    assert_int_equal(gpf_point_bind(at, GPF_NONE, rows), GPF_ENAME);
    const gpf_node late = gpf_data(g, "late", gpf_shape0());
    assert_int_equal(gpf_point_bind(at, late, rows), GPF_ENAME);
    assert_null(gpf_point_values(at, gpf_exp(g, X)));
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void test_empty_and_old(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    gpf_point *old = gpf_point_alloc(g, 0);
    assert_non_null(old);
    assert_null(gpf_point_params(old)); /* GSL has no empty vectors */
    const gpf_node w = gpf_param(g, "w", gpf_shape0());
    gpf_plan *plan = gpf_plan_alloc(g, &w, 1, 0);
    gpf_workspace *ws = gpf_workspace_alloc(plan);
    assert_int_equal(gpf_plan_run(plan, ws, old), GPF_EUNBOUND); /* made before w */
    gpf_workspace_free(ws);
    gpf_plan_free(plan);
    gpf_point_free(old);
    gpf_point_free(NULL);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_empty_and_old),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
