/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values and gradients of all of them: tests/ops. Here what each does beside that. */
#include "help.h"

static void test_reductions(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node a = gpf_data(g, "a", gpf_shape2(GPF_N, 2)),
                   b = gpf_data(g, "b", gpf_shape2(GPF_N, 2));
    const double av[] = { 1, 2, 3, 4, 5, 6 }, bv[] = { 0, 0, 1, 1, 2, 2 };
    gpf_point *at = gpf_point_alloc(g, 3);
    gpf_point_bind(at, a, av);
    gpf_point_bind(at, b, bv);
    const double total = 1 + 4 + 4 + 9 + 9 + 16;
    assert_close(evaluate1(g, at, gpf_mse(g, a, b, GPF_SUM)), total, 1e-15, 0);
    assert_close(evaluate1(g, at, gpf_mse(g, a, b, GPF_HALF_SUM)), total / 2, 1e-15, 0);
    assert_close(evaluate1(g, at, gpf_mse(g, a, b, GPF_MEAN)), total / 6, 1e-15, 0); /* terms */
    const gpf_node rows = gpf_mean(g, a, 2), cols = gpf_mean(g, a, 1);
    double got[3];
    evaluate(g, at, &rows, 1, got);
    assert_values(got, (double[]){ 1.5, 3.5, 5.5 }, 3);
    evaluate(g, at, &cols, 1, got); /* over N: divided by the batch size of the evaluation */
    assert_values(got, (double[]){ 3, 4 }, 2);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* cross_entropy's mean is over rows: one term for a single vector, all but the last axis else. */
static void test_cross_entropy_counts_rows(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_shape shapes[] = { gpf_shape1(3), gpf_shape2(4, 3), shape_of(3, 2, 5, 3, 1),
                                 gpf_shape2(GPF_N, 3) };
    const double rows[] = { 1, 4, 10, 6 };
    double y[30] = { 0 };
    for (size_t i = 0; i < 30; i += 3)
        y[i] = 1;
    for (size_t i = 0; i < COUNT(shapes); i++) {
        char name[] = { 'z', (char)('0' + i), 0 }, target[] = { 'y', (char)('0' + i), 0 };
        const gpf_node z = gpf_data(g, name, shapes[i]), t = gpf_data(g, target, shapes[i]);
        const gpf_node sum = gpf_cross_entropy(g, z, t, GPF_SUM),
                       mean = gpf_cross_entropy(g, z, t, GPF_MEAN);
        gpf_point *at = gpf_point_alloc(g, 6);
        gpf_point_bind(at, z, y); /* any logits */
        gpf_point_bind(at, t, y);
        assert_close(evaluate1(g, at, sum), rows[i] * evaluate1(g, at, mean), 1e-14, 0);
        assert_close(evaluate1(g, at, mean), log(2 + exp(1)) - 1, 1e-14, 0);
        gpf_point_free(at);
    }
    gpf_graph_free(g);
}

static void test_losses_want_equal_shapes(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node p = gpf_data(g, "p", gpf_shape2(GPF_N, 1)),
                   y = gpf_data(g, "y", gpf_shape1(GPF_N));
    static const struct {
        gpf_node (*loss)(gpf_graph *, gpf_node, gpf_node, enum gpf_reduction);
        const char *text;
    } losses[] = {
        { gpf_mse, "mse: p is Nx1 but y is N (a loss wants equal shapes)" },
        { gpf_mae, "mae: p is Nx1 but y is N (a loss wants equal shapes)" },
        { gpf_bce, "bce: p is Nx1 but y is N (a loss wants equal shapes)" },
        { gpf_bce_with_logits, "bce_with_logits: p is Nx1 but y is N (a loss wants equal shapes)" },
        { gpf_cross_entropy, "cross_entropy: p is Nx1 but y is N (a loss wants equal shapes)" },
        { gpf_hinge, "hinge: p is Nx1 but y is N (a loss wants equal shapes)" },
        { gpf_huber, "huber: p is Nx1 but y is N (a loss wants equal shapes)" },
    };
    for (size_t i = 0; i < COUNT(losses); i++) {
        assert_int_equal(losses[i].loss(g, p, y, GPF_MEAN), GPF_POISON);
        assert_error(g, GPF_ESHAPE, losses[i].text);
    }
    assert_int_equal(gpf_half_sse(g, p, y), GPF_POISON);
    assert_error(g, GPF_ESHAPE, "half_sse: p is Nx1 but y is N (a loss wants equal shapes)");
    gpf_graph_free(g);
}

static void test_dense(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 3));
    const gpf_node h = gpf_dense(g, "h1", X, 4, gpf_tanh), z = gpf_dense(g, "out", h, 2, NULL);
    assert_no_error(g);
    const gpf_node W = gpf_graph_find(g, "h1.W"), b = gpf_graph_find(g, "h1.b");
    assert_int_equal(h, gpf_tanh(g, gpf_add(g, gpf_matmul(g, X, W), b)));
    assert_true(gpf_shape_equal(gpf_node_shape(g, W), gpf_shape2(3, 4)));
    assert_true(gpf_shape_equal(gpf_node_shape(g, b), gpf_shape2(1, 4)));
    assert_true(gpf_shape_equal(gpf_node_shape(g, z), gpf_shape2(GPF_N, 2)));
    assert_int_equal(gpf_graph_n_params(g), 12 + 4 + 8 + 2);
    gpf_dense(g, "h1", h, 4, gpf_tanh);
    assert_error(g, GPF_ENAME, "the name 'h1.W' is taken");
    gpf_dense(g, "v", gpf_data(g, "v", gpf_shape1(GPF_N)), 4, NULL);
    assert_error(g, GPF_ESHAPE, "dense: layer v wants samples in rows, Nxfeatures");
    gpf_dense(g, "t", gpf_transpose(g, X), 4, NULL);
    assert_error(g, GPF_ESHAPE, "dense: layer t wants samples in rows, Nxfeatures");
    gpf_dense(g, "none", X, 0, NULL);
    assert_error(g, GPF_ESHAPE, "param none.W is 3x0: size 0 of axis 1 is not a positive number");
    gpf_dense(g, "a layer", X, 1, NULL);
    assert_error(g, GPF_ENAME, "'a layer.W' is not a name (letters, digits, '_' and '.')");
    gpf_graph_free(g);
}

/* Parameters of functions, as the model language sets them. */
static void test_parameters(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape0()), zero = gpf_const(g, 0);
    const gpf_fn *swish = gpf_fn_find("swish", 1), *huber = gpf_fn_find("huber", 2);
    gpf_attr a = gpf_attr_default(swish->params), b = gpf_attr_default(huber->params);
    assert_true(a.p[0] == 1 && b.p[0] == 1 && b.k[0] == GPF_MEAN);
    a.p[0] = 2;
    b.p[0] = 0.5;
    const gpf_node in[] = { x, zero };
    gpf_point *at = gpf_point_alloc(g, 0);
    theta(at)[0] = 1.5;
    assert_close(evaluate1(g, at, swish->build(g, in, &a)), 1.5 / (1 + exp(-3)), 1e-15, 0);
    assert_close(evaluate1(g, at, huber->build(g, in, &b)), 0.5 * (1.5 - 0.25), 1e-15, 0);
    gpf_point_free(at);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reductions),
        cmocka_unit_test(test_cross_entropy_counts_rows),
        cmocka_unit_test(test_losses_want_equal_shapes),
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_parameters),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
