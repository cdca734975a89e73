/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"
#include "op/rows.h"

static void test_none_is_not_zero(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node w = gpf_param(g, "w", gpf_shape1(3)), u = gpf_param(g, "u", gpf_shape1(3)),
                   v = gpf_param(g, "v", gpf_shape1(3));
    const gpf_node y =
        gpf_sum(g, gpf_add(g, gpf_square(g, w), gpf_mul(g, v, gpf_const(g, 0))), GPF_ALL_AXES);
    const gpf_node later = gpf_exp(g, w); /* newer than y: y cannot depend on it */
    const gpf_node xs[] = { w, u, v, later };
    gpf_node d[4];
    assert_int_equal(gpf_grad(g, y, xs, 4, d), GSL_SUCCESS);
    assert_int_equal(d[0], gpf_mul(g, gpf_const(g, 2), w));
    assert_int_equal(d[1], GPF_NONE);
    double zero;
    assert_true(gpf_node_is_const(g, d[2], &zero) && zero == 0); /* depends, with slope 0 */
    assert_int_equal(d[3], GPF_NONE);
    /* by way of a step: no gradient, by statement */
    assert_int_equal(gpf_grad(g, gpf_sum(g, gpf_step(g, w, 0), GPF_ALL_AXES), &w, 1, d),
                     GSL_SUCCESS);
    assert_int_equal(d[0], GPF_NONE);
    assert_int_equal(gpf_grad(g, gpf_const(g, 3), &w, 1, d), GSL_SUCCESS);
    assert_int_equal(d[0], GPF_NONE);
    assert_int_equal(gpf_grad(g, y, NULL, 0, NULL), GSL_SUCCESS);
    gpf_graph_free(g);
}

/* f = h(x) with h = x^2, y = h^3 + 2h: x and h both among the xs, and y itself. */
static void test_intermediate_xs(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape0()), h = gpf_square(g, x);
    const gpf_node y = gpf_add(g, gpf_pow(g, h, gpf_const(g, 3)), gpf_mul(g, gpf_const(g, 2), h));
    const gpf_node xs[] = { h, x, y };
    gpf_node d[3];
    assert_int_equal(gpf_grad(g, y, xs, 3, d), GSL_SUCCESS);
    gpf_point *at = gpf_point_alloc(g, 0);
    theta(at)[0] = 0.7;
    const double dh = 3 * 0.49 * 0.49 + 2;
    assert_close(evaluate1(g, at, d[0]), dh, 1e-14, 0);
    assert_close(evaluate1(g, at, d[1]), dh * 1.4, 1e-14, 0);
    assert_int_equal(d[2], gpf_const(g, 1));
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* A node used in many places gets the sum of what they send. */
static void test_accumulation(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape1(2)), b = gpf_param(g, "b", gpf_shape0());
    gpf_node y = gpf_mul(g, x, x); /* both inputs are the same node */
    y = gpf_add(g, y, gpf_sin(g, x));
    y = gpf_add(g, y, gpf_mul(g, x, b)); /* b is broadcast: summed back */
    y = gpf_add(g, y, b);
    gpf_node d[2];
    const gpf_node xs[] = { x, b };
    assert_int_equal(gpf_grad(g, gpf_sum(g, y, GPF_ALL_AXES), xs, 2, d), GSL_SUCCESS);
    assert_true(gpf_shape_equal(gpf_node_shape(g, d[1]), gpf_shape0()));
    gpf_point *at = gpf_point_alloc(g, 0);
    memcpy(theta(at), (double[]){ 0.3, -1.2, 0.4 }, 3 * sizeof(double));
    double got[3];
    evaluate(g, at, d, 2, got);
    assert_values(got, (double[]){ 0.6 + cos(0.3) + 0.4, -2.4 + cos(1.2) + 0.4, 0.3 - 1.2 + 2 }, 3);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void test_given_cotangent(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 2)),
                   W = gpf_param(g, "W", gpf_shape2(2, 2));
    const gpf_node y = gpf_matmul(g, X, W), bar = gpf_data(g, "bar", gpf_shape2(GPF_N, 2));
    gpf_node d;
    assert_int_equal(gpf_vjp(g, y, bar, &W, 1, &d), GSL_SUCCESS);
    assert_int_equal(d, gpf_matmul(g, gpf_transpose(g, X), bar)); /* readable: X' bar */
    gpf_vjp(g, y, W, &W, 1, &d);
    assert_int_equal(d, GPF_POISON);
    assert_error(g, GPF_ESHAPE, "the cotangent is 2x2 but matmul(X, W) is Nx2");
    gpf_vjp(g, y, GPF_NONE, &W, 1, &d);
    assert_error(g, GSL_EINVAL, "GPF_NONE given where a node is needed");
    gpf_grad(g, y, &W, 1, &d);
    assert_int_equal(d, GPF_POISON);
    assert_error(
        g, GPF_ESHAPE,
        "grad: matmul(X, W) is Nx2, one element is expected (sum it, or take the jacobian)");
    gpf_grad(g, gpf_sum(g, gpf_reshape(g, X, gpf_shape2(2, GPF_N)), 1), &W, 1, &d);
    assert_int_equal(gpf_graph_status(g, NULL), GPF_ESHAPE); /* one element at N = 1 only */
    gpf_graph_clear_status(g);
    const gpf_node bad[] = { W, 4711 };
    gpf_node out[2];
    assert_int_equal(gpf_grad(g, gpf_sum(g, y, GPF_ALL_AXES), bad, 2, out), GSL_EINVAL);
    assert_true(out[0] == GPF_POISON && out[1] == GPF_POISON);
    gpf_graph_free(g);
}

/* Rules of the caller's own that are wrong in ways a sweep must catch. */
static void identity_map(size_t n, double *y, const double *const *x, const gpf_attr *attr)
{
    (void)attr;
    memcpy(y, x[0], n * sizeof *y);
}

static gpf_node wrong_shape(const gpf_rule_args *r)
{
    return gpf_sum(r->g, r->bar, GPF_ALL_AXES);
}

static gpf_node no_such_node(const gpf_rule_args *r)
{
    (void)r;
    return 123456;
}

static gpf_node fails(const gpf_rule_args *r)
{
    return gpf_matmul(r->g, r->bar, r->bar);
}

static gpf_node nothing(const gpf_rule_args *r)
{
    (void)r;
    return GPF_NONE;
}

static void test_bad_rules(void **state)
{
    (void)state;
    static const struct {
        gpf_rule rule;
        int status;
        const char *vjp, *jvp;
    } cases[] = {
        { wrong_shape, GPF_ERULE, "the vjp rule of mine for input 0 returned scalar, expected 3",
          "the jvp rule of mine for input 0 returned scalar, expected 3" },
        { no_such_node, GPF_ERULE, "the vjp rule of mine for input 0 returned no node, expected 3",
          "the jvp rule of mine for input 0 returned no node, expected 3" },
        { fails, GPF_ESHAPE, "matmul: bar is 3 but bar is 3 (a matrix is expected, rank is 1)",
          "matmul: bar is 3 but bar is 3 (a matrix is expected, rank is 1)" },
        { NULL, GPF_ENOGRAD, "mine has no vjp rule for its input 0",
          "mine has no jvp rule for its input 0" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        gpf_graph *g = gpf_graph_alloc();
        const gpf_op mine = { .name = "mine",
                              .arity = 1,
                              .map = identity_map,
                              .vjp = { cases[i].rule },
                              .jvp = { cases[i].rule } };
        const gpf_node x = gpf_param(g, "x", gpf_shape1(3)),
                       bar = gpf_param(g, "bar", gpf_shape1(3));
        const gpf_node y = gpf_apply(g, &mine, &x, 1, NULL);
        gpf_node d = 77;
        assert_int_equal(gpf_vjp(g, y, bar, &x, 1, &d), cases[i].status);
        assert_int_equal(d, GPF_POISON);
        assert_error(g, cases[i].status, cases[i].vjp);
        assert_int_equal(gpf_jvp(g, y, &x, &bar, 1, &d), cases[i].status);
        assert_int_equal(d, GPF_POISON);
        assert_error(g, cases[i].status, cases[i].jvp);
        /* who does not depend on it does not ask for it */
        assert_int_equal(gpf_grad(g, gpf_sum(g, bar, GPF_ALL_AXES), &bar, 1, &d), GSL_SUCCESS);
        gpf_graph_free(g);
    }
    gpf_graph *g = gpf_graph_alloc();
    const gpf_op mine = {
        .name = "mine", .arity = 1, .map = identity_map, .vjp = { nothing }, .jvp = { nothing }
    };
    const gpf_node x = gpf_param(g, "x", gpf_shape1(3));
    gpf_node d = 77;
    assert_int_equal(gpf_vjp(g, gpf_apply(g, &mine, &x, 1, NULL), x, &x, 1, &d), GSL_SUCCESS);
    assert_int_equal(d, GPF_NONE);
    gpf_graph_free(g);
}

/* A long chain: no recursion, and work that grows with the number of nodes only. */
static void test_long_chain(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape0());
    gpf_node y = x;
    for (int i = 0; i < 20000; i++)
        y = gpf_mul(g, gpf_const(g, 1 + 1e-5 * i), gpf_sin(g, y));
    gpf_node d;
    assert_int_equal(gpf_grad(g, y, &x, 1, &d), GSL_SUCCESS);
    assert_true(gpf_graph_n_nodes(g) < 200000);
    gpf_point *at = gpf_point_alloc(g, 0);
    theta(at)[0] = 0.5;
    const gpf_node nodes[] = { y, d };
    double got[2], v = 0.5, slope_product = 1;
    for (int i = 0; i < 20000; i++) {
        slope_product *= (1 + 1e-5 * i) * cos(v);
        v = (1 + 1e-5 * i) * sin(v);
    }
    evaluate(g, at, nodes, 2, got);
    assert_close(got[0], v, 1e-12, 0);
    assert_close(got[1], slope_product, 1e-11, 0);
    gpf_point_free(at);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none_is_not_zero), cmocka_unit_test(test_intermediate_xs),
        cmocka_unit_test(test_accumulation),     cmocka_unit_test(test_given_cotangent),
        cmocka_unit_test(test_bad_rules),        cmocka_unit_test(test_long_chain),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
