/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"

/* J v of f(x, w) = (x w, x^2) by hand. */
static void test_jvp(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape1(1)), w = gpf_param(g, "w", gpf_shape1(1));
    const gpf_node parts[] = { gpf_mul(g, x, w), gpf_square(g, x) };
    const gpf_node y = gpf_concat(g, parts, 2, 0), xs[] = { x, w };
    const gpf_node dots[] = { gpf_param(g, "a", gpf_shape1(1)), gpf_param(g, "b", gpf_shape1(1)) };
    const gpf_node only_w[] = { GPF_NONE, dots[1] };
    gpf_node out[2];
    assert_int_equal(gpf_jvp(g, y, xs, dots, 2, &out[0]), GSL_SUCCESS);
    assert_int_equal(gpf_jvp(g, y, xs, only_w, 2, &out[1]), GSL_SUCCESS);
    gpf_point *at = gpf_point_alloc(g, 0);
    memcpy(theta(at), (double[]){ 0.3, 0.7, 2, 5 }, 4 * sizeof(double));
    double got[4];
    evaluate(g, at, out, 2, got);
    assert_values(got, (double[]){ 0.7 * 2 + 0.3 * 5, 0.6 * 2, 0.3 * 5, 0 }, 4);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void test_nothing_moves(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape1(2)), u = gpf_param(g, "u", gpf_shape1(2));
    const gpf_node y = gpf_exp(g, x), none = GPF_NONE;
    gpf_node out = 77;
    assert_int_equal(gpf_jvp(g, y, &u, &x, 1, &out), GSL_SUCCESS); /* no path */
    assert_int_equal(out, GPF_NONE);
    assert_int_equal(gpf_jvp(g, y, &x, &none, 1, &out), GSL_SUCCESS);
    assert_int_equal(out, GPF_NONE);
    assert_int_equal(gpf_jvp(g, y, &y, &u, 1, &out), GSL_SUCCESS); /* y itself */
    assert_int_equal(out, u);
    assert_int_equal(gpf_jvp(g, x, &y, &u, 1, &out), GSL_SUCCESS); /* newer than the output */
    assert_int_equal(out, GPF_NONE);
    gpf_jvp(g, y, &x, (gpf_node[]){ gpf_const(g, 1) }, 1, &out);
    assert_int_equal(out, GPF_POISON);
    assert_error(g, GPF_ESHAPE, "the tangent is scalar but x is 2");
    gpf_graph_free(g);
}

/* The Hessian of a small net, column by column: symmetric, and differences of the gradient. */
static void test_hvp(void **state)
{
    (void)state;
    enum { N = 4, P = 2 * 3 + 3 + 3 };
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 2)),
                   y = gpf_data(g, "y", gpf_shape2(GPF_N, 1));
    const gpf_node xs[] = { gpf_param(g, "W", gpf_shape2(2, 3)),
                            gpf_param(g, "b", gpf_shape2(1, 3)),
                            gpf_param(g, "v", gpf_shape2(3, 1)) };
    const gpf_node vs[] = { gpf_data(g, "vW", gpf_shape2(2, 3)),
                            gpf_data(g, "vb", gpf_shape2(1, 3)),
                            gpf_data(g, "vv", gpf_shape2(3, 1)) };
    const gpf_node h = gpf_tanh(g, gpf_add(g, gpf_matmul(g, X, xs[0]), xs[1]));
    const gpf_node f = gpf_bce_with_logits(g, gpf_matmul(g, h, xs[2]), y, GPF_SUM);
    gpf_node hv[3], d[3];
    assert_int_equal(gpf_hvp(g, f, xs, vs, 3, hv), GSL_SUCCESS);
    assert_int_equal(gpf_grad(g, f, xs, 3, d), GSL_SUCCESS);
    dice random = { 99 };
    double Xv[2 * N], yv[N], v[P] = { 0 }, H[P][P], up[P], down[P];
    fill(&random, Xv, COUNT(Xv), -1.5, 1.5);
    fill(&random, yv, COUNT(yv), 0.1, 0.9);
    gpf_point *at = gpf_point_alloc(g, N);
    fill(&random, theta(at), P, -1, 1);
    gpf_point_bind(at, X, Xv);
    gpf_point_bind(at, y, yv);
    gpf_point_bind(at, vs[0], v);
    gpf_point_bind(at, vs[1], v + 6);
    gpf_point_bind(at, vs[2], v + 9);
    for (size_t j = 0; j < P; j++) {
        v[j] = 1;
        evaluate(g, at, hv, 3, H[j]);
        v[j] = 0;
    }
    double most = 0;
    for (size_t j = 0; j < P; j++) {
        const double keep = theta(at)[j], step = 1e-5;
        theta(at)[j] = keep + step;
        evaluate(g, at, d, 3, up);
        theta(at)[j] = keep - step;
        evaluate(g, at, d, 3, down);
        theta(at)[j] = keep;
        for (size_t i = 0; i < P; i++) {
            assert_close(H[j][i], (up[i] - down[i]) / (2 * step), 0, 1e-9);
            assert_close(H[j][i], H[i][j], 0, 1e-14);
            most = fmax(most, fabs(H[j][i]));
        }
    }
    assert_true(most > 0.1);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void test_hvp_of_intermediates_and_failures(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape0()), h = gpf_exp(g, x);
    const gpf_node y = gpf_pow(g, h, gpf_const(g, 3)), v = gpf_const(g, 2);
    const gpf_node u = gpf_param(g, "u", gpf_shape0());
    gpf_node out[2] = { 77, 77 };
    assert_int_equal(gpf_hvp(g, y, &h, &v, 1, out), GSL_SUCCESS); /* 6 h v */
    gpf_point *at = gpf_point_alloc(g, 0);
    theta(at)[0] = 0.4;
    assert_close(evaluate1(g, at, out[0]), 12 * exp(0.4), 1e-14, 0);
    gpf_point_free(at);
    /* linear: the gradient does not move, so there is no Hessian */
    const gpf_node xs[] = { x, u }, vs[] = { v, v };
    assert_int_equal(gpf_hvp(g, gpf_mul(g, v, x), xs, vs, 2, out), GSL_SUCCESS);
    assert_true(out[0] == GPF_NONE && out[1] == GPF_NONE);
    const gpf_node wide[] = { gpf_param(g, "wide", gpf_shape1(2)), v };
    assert_int_equal(gpf_hvp(g, gpf_exp(g, gpf_mul(g, x, u)), xs, wide, 2, out), GPF_ESHAPE);
    assert_true(out[0] == GPF_POISON && out[1] == GPF_POISON);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jvp),
        cmocka_unit_test(test_nothing_moves),
        cmocka_unit_test(test_hvp),
        cmocka_unit_test(test_hvp_of_intermediates_and_failures),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
