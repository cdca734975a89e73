/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "random_graph.h"

/* Only what the outputs need is computed. */
static void test_needed_steps(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape2(2, 2)), y = gpf_exp(g, x);
    gpf_sin(g, y);
    gpf_data(g, "unbound", gpf_shape1(GPF_N));
    const gpf_node t = gpf_transpose(g, y);
    gpf_plan *plan = gpf_plan_alloc(g, &t, 1, 0);
    assert_int_equal(gpf_plan_steps(plan), 1); /* the transpose is a view, the sin not needed */
    gpf_workspace *ws = gpf_workspace_alloc(plan);
    gpf_point *at = gpf_point_alloc(g, 0);
    assert_int_equal(gpf_plan_run(plan, ws, at), GSL_SUCCESS); /* nor is the unbound leaf */
    gpf_point_free(at);
    gpf_workspace_free(ws);
    gpf_plan_free(plan);
    gpf_graph_free(g);
}

/* A sum over one sample is that sample, and no step. */
static void test_nothing_to_reduce(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 3));
    const gpf_node outputs[] = { gpf_sum(g, X, 1), gpf_max_over(g, X, 1),
                                 gpf_sum(g, gpf_max_over(g, X, 2), GPF_ALL_AXES) };
    gpf_plan *one = gpf_plan_alloc(g, outputs, 3, 1), *two = gpf_plan_alloc(g, outputs, 3, 2);
    assert_int_equal(gpf_plan_steps(one), 1); /* the largest of three */
    assert_int_equal(gpf_plan_steps(two), 4);
    gpf_workspace *ws = gpf_workspace_alloc(one);
    gpf_point *at = gpf_point_alloc(g, 1);
    const double row[] = { 1, 3, 2 }, expected[] = { 1, 3, 2, 1, 3, 2, 3 };
    gpf_point_bind(at, X, row);
    assert_int_equal(gpf_plan_run(one, ws, at), GSL_SUCCESS);
    assert_values(gpf_workspace_output(ws, 0), expected, COUNT(expected));
    gpf_point_free(at);
    gpf_workspace_free(ws);
    gpf_plan_free(one);
    gpf_plan_free(two);
    gpf_graph_free(g);
}

/* Leaves, views, constants, repeats; one after another without gaps. */
static void test_odd_outputs(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 2)),
                   w = gpf_param(g, "w", gpf_shape2(1, 2));
    const gpf_node e = gpf_exp(g, w), view = gpf_transpose(g, e), c = gpf_const(g, 0.75),
                   wide = gpf_broadcast(g, e, gpf_shape2(2, 2));
    const double table[] = { 7, 8 };
    const gpf_node k = gpf_const_tensor(g, gpf_shape1(2), table);
    const ptrdiff_t start[] = { 0, 1 }, size[] = { 1, 1 };
    const gpf_node outputs[] = { view, e, X,    gpf_transpose(g, X),         w, c, e,
                                 wide, k, view, gpf_slice(g, w, start, size) };
    gpf_plan *plan = gpf_plan_alloc(g, outputs, COUNT(outputs), 3);
    gpf_workspace *ws = gpf_workspace_alloc(plan);
    gpf_point *at = gpf_point_alloc(g, 3);
    const double rows[] = { 1, 2, 3, 4, 5, 6 };
    gpf_point_bind(at, X, rows);
    theta(at)[0] = 0.5;
    theta(at)[1] = -1;
    assert_int_equal(gpf_plan_run(plan, ws, at), GSL_SUCCESS);
    const double a = exp(0.5), b = exp(-1);
    const double expected[] = { a, b,   a,  b,    1, 2, 3, 4, 5, 6, 1, 3, 5, 2, 4,
                                6, 0.5, -1, 0.75, a, b, a, b, a, b, 7, 8, a, b, -1 };
    assert_values(gpf_workspace_output(ws, 0), expected, COUNT(expected));
    const double *next = gpf_workspace_output(ws, 0);
    for (size_t i = 0; i < COUNT(outputs); i++) {
        assert_ptr_equal(gpf_workspace_output(ws, i), next);
        next += gpf_plan_output_size(plan, i);
    }
    assert_true(gpf_shape_equal(gpf_plan_output_shape(plan, 3), gpf_shape2(2, 3))); /* N is 3 */
    assert_null(gpf_workspace_output(ws, COUNT(outputs)));
    assert_int_equal(gpf_plan_output_size(plan, COUNT(outputs)), 0);
    assert_int_equal(gpf_plan_output_shape(plan, COUNT(outputs)).rank, 0);
    gpf_point_free(at);
    gpf_workspace_free(ws);
    gpf_plan_free(plan);
    gpf_graph_free(g);
}

/* A plan owns all it needs: the graph may grow, or be gone. */
static void test_outlives_the_graph(void **state)
{
    (void)state;
    static random_graph r;
    random_build(&r, 7, 120, SIZE_MAX);
    const double c[] = { 0.25, -0.5 };
    const gpf_node y =
        gpf_mul(r.g, r.y, gpf_sum(r.g, gpf_const_tensor(r.g, gpf_shape1(2), c), GPF_ALL_AXES));
    gpf_point *at = random_point(&r, 5, 7);
    gpf_plan *plan = gpf_plan_alloc(r.g, &y, 1, 5);
    gpf_workspace *ws = gpf_workspace_alloc(plan);
    assert_int_equal(gpf_plan_run(plan, ws, at), GSL_SUCCESS);
    const double before = gpf_workspace_output(ws, 0)[0];
    for (int i = 0; i < 3000; i++)
        gpf_exp(r.g, gpf_mul(r.g, r.y, gpf_const(r.g, i)));
    gpf_param(r.g, "late", gpf_shape1(5));
    assert_int_equal(gpf_plan_run(plan, ws, at), GSL_SUCCESS);
    assert_true(gpf_workspace_output(ws, 0)[0] == before);
    gpf_graph_free(r.g);
    assert_int_equal(gpf_plan_run(plan, ws, at), GSL_SUCCESS);
    assert_true(gpf_workspace_output(ws, 0)[0] == before);
    gpf_point_free(at);
    gpf_workspace_free(ws);
    gpf_plan_free(plan);
}

/* One graph serves every batch size: rows are independent, a mean divides by the right N. */
static void test_batch_sizes(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 3));
    const gpf_node h = gpf_dense(g, "h", X, 4, gpf_tanh);
    const gpf_node outputs[] = { gpf_softmax(g, h), gpf_mean(g, h, GPF_ALL_AXES) };
    dice d = { 41 };
    double rows[40 * 3], all[40 * 4 + 1], part[40 * 4 + 1];
    fill(&d, rows, COUNT(rows), -1, 1);
    gpf_point *largest = gpf_point_alloc(g, 40);
    fill(&d, theta(largest), 16, -1, 1);
    gpf_point_bind(largest, X, rows);
    evaluate(g, largest, outputs, 2, all);
    for (size_t N = 1; N <= 40; N += 13) {
        gpf_point *at = gpf_point_alloc(g, N);
        memcpy(theta(at), theta(largest), 16 * sizeof(double));
        gpf_point_bind(at, X, rows);
        evaluate(g, at, outputs, 2, part);
        assert_values(part, all, 4 * N);
        const gpf_node sum = gpf_sum(g, h, GPF_ALL_AXES);
        assert_close(part[4 * N], evaluate1(g, at, sum) / (double)(4 * N), 1e-15, 0);
        gpf_point_free(at);
    }
    gpf_point_free(largest);
    gpf_graph_free(g);
}

static int handled;

static void count_errors(const char *reason, const char *file, int line, int code)
{
    (void)reason, (void)file, (void)line;
    handled = code;
}

static void assert_no_plan(const gpf_graph *g, gpf_node y, size_t N, int status)
{
    gsl_error_handler_t *before = gsl_set_error_handler(count_errors);
    handled = 0;
    assert_null(gpf_plan_alloc(g, &y, 1, N));
    assert_int_equal(handled, status);
    gsl_set_error_handler(before);
}

static void test_no_plan(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 1 << 20)), y = gpf_exp(g, X);
    assert_no_plan(g, y, 0, GPF_ELIMIT);
    assert_no_plan(g, y, 1 << 12, GPF_ELIMIT);
    assert_no_plan(g, GPF_NONE, 1, GSL_EINVAL);
    assert_no_plan(g, GPF_POISON, 1, GSL_EINVAL);
    assert_no_plan(g, 99, 1, GSL_EINVAL);
    gpf_matmul(g, X, X);
    assert_no_plan(g, y, 1, GPF_ESHAPE); /* the graph's own error */
    gpf_graph_clear_status(g);
    gpf_plan *empty = gpf_plan_alloc(g, NULL, 0, 1);
    gpf_workspace *ws = gpf_workspace_alloc(empty);
    gpf_point *at = gpf_point_alloc(g, 1);
    assert_int_equal(gpf_plan_run(empty, ws, at), GSL_SUCCESS);
    assert_null(gpf_workspace_output(ws, 0));
    gpf_point_free(at);
    gpf_workspace_free(ws);
    gpf_plan_free(empty);
    gpf_plan_free(NULL);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_needed_steps), cmocka_unit_test(test_nothing_to_reduce),
        cmocka_unit_test(test_odd_outputs),  cmocka_unit_test(test_outlives_the_graph),
        cmocka_unit_test(test_batch_sizes),  cmocka_unit_test(test_no_plan),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
