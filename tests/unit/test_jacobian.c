/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"

/* softmax(z W): the whole matrix against differences, and against diag(mu) - mu mu'. */
static void test_against_differences(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node z = gpf_param(g, "z", gpf_shape2(2, 3)), W = gpf_param(g, "W", gpf_shape2(3, 4));
    const gpf_node y = gpf_softmax(g, gpf_matmul(g, z, W));
    gpf_node J;
    assert_int_equal(gpf_jacobian(g, y, z, &J), GSL_SUCCESS);
    assert_true(gpf_shape_equal(gpf_node_shape(g, J), gpf_shape2(8, 6)));
    gpf_point *at = gpf_point_alloc(g, 0);
    dice d = { 12 };
    fill(&d, theta(at), 18, -1, 1);
    double matrix[48], up[8], down[8];
    evaluate(g, at, &J, 1, matrix);
    for (size_t j = 0; j < 6; j++) {
        const double keep = theta(at)[j], h = 1e-5;
        theta(at)[j] = keep + h;
        evaluate(g, at, &y, 1, up);
        theta(at)[j] = keep - h;
        evaluate(g, at, &y, 1, down);
        theta(at)[j] = keep;
        for (size_t i = 0; i < 8; i++)
            assert_close(matrix[6 * i + j], (up[i] - down[i]) / (2 * h), 0, 1e-9);
    }
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void test_softmax_formula(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node f = gpf_param(g, "f", gpf_shape1(3)), mu = gpf_softmax(g, f);
    const gpf_node column = gpf_reshape(g, mu, gpf_shape2(3, 1));
    const gpf_node formula =
        gpf_sub(g, gpf_diagonal(g, mu), gpf_matmul(g, column, gpf_transpose(g, column)));
    gpf_node J;
    assert_int_equal(gpf_jacobian(g, mu, f, &J), GSL_SUCCESS);
    const gpf_node gap = gpf_max_over(g, gpf_abs(g, gpf_sub(g, J, formula)), GPF_ALL_AXES);
    gpf_point *at = gpf_point_alloc(g, 0);
    memcpy(theta(at), (double[]){ 0.3, -1.1, 2.4 }, 3 * sizeof(double));
    assert_close(evaluate1(g, at, gap), 0, 0, 1e-16);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void test_small_and_none(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape0()), w = gpf_param(g, "w", gpf_shape1(3));
    gpf_node J;
    double got[9];
    gpf_point *at = gpf_point_alloc(g, 0);
    memcpy(theta(at), (double[]){ 2, 3, 4, 5 }, 4 * sizeof(double));
    assert_int_equal(gpf_jacobian(g, gpf_square(g, x), x, &J), GSL_SUCCESS); /* 1x1 */
    assert_close(evaluate1(g, at, J), 4, 1e-15, 0);
    assert_int_equal(gpf_jacobian(g, w, w, &J), GSL_SUCCESS); /* the identity */
    evaluate(g, at, &J, 1, got);
    assert_values(got, (double[]){ 1, 0, 0, 0, 1, 0, 0, 0, 1 }, 9);
    assert_int_equal(gpf_jacobian(g, w, x, &J), GSL_SUCCESS); /* no path: zeros, 3x1 */
    assert_true(gpf_shape_equal(gpf_node_shape(g, J), gpf_shape2(3, 1)));
    evaluate(g, at, &J, 1, got);
    assert_values(got, (double[]){ 0, 0, 0 }, 3);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void test_limits(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 2)),
                   w = gpf_param(g, "w", gpf_shape2(2, 1));
    const gpf_node big = gpf_param(g, "big", gpf_shape1(1025)),
                   just = gpf_param(g, "just", gpf_shape1(1024));
    gpf_node J = 77;
    gpf_jacobian(g, gpf_matmul(g, X, w), w, &J);
    assert_int_equal(J, GPF_POISON);
    assert_error(g, GPF_ESHAPE,
                 "jacobian: matmul(X, w) is Nx1 and w is 2x1 (no N, and at most 1024 outputs, are "
                 "expected)");
    gpf_jacobian(g, gpf_sum(g, X, GPF_ALL_AXES), X, &J);
    assert_int_equal(gpf_graph_status(g, NULL), GPF_ESHAPE);
    gpf_graph_clear_status(g);
    gpf_jacobian(g, big, w, &J);
    assert_error(
        g, GPF_ESHAPE,
        "jacobian: big is 1025 and w is 2x1 (no N, and at most 1024 outputs, are expected)");
    assert_int_equal(gpf_jacobian(g, just, w, &J), GSL_SUCCESS);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_differences),
        cmocka_unit_test(test_softmax_formula),
        cmocka_unit_test(test_small_and_none),
        cmocka_unit_test(test_limits),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
