/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "plan/plan.h"
#include "random_graph.h"

/* Buffers are shared by liveness. Never corrupts: 200 random nodes, evaluated with few outputs in
 * shared memory, give the bits they give when every one of them is kept as an output. */
static void test_shared_memory_is_right(void **state)
{
    (void)state;
    enum { NODES = 200 };
    static random_graph r;
    double saved = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        const size_t N = seed % 20 == 0 ? 513 : 1 + seed % 9; /* one strip, or more than one */
        random_build(&r, seed, NODES, SIZE_MAX);
        gpf_point *at = random_point(&r, N, seed);
        gpf_plan *all = gpf_plan_alloc(r.g, r.node, r.n, N);
        gpf_workspace *all_ws = gpf_workspace_alloc(all);
        assert_int_equal(gpf_plan_run(all, all_ws, at), GSL_SUCCESS);
        dice d = { seed };
        gpf_node few[4];
        size_t index[4];
        for (size_t i = 0; i < 4; i++) {
            index[i] = (size_t)below(&d, NODES);
            few[i] = r.node[index[i]];
        }
        gpf_plan *plan = gpf_plan_alloc(r.g, few, 4, N);
        gpf_workspace *ws = gpf_workspace_alloc(plan);
        for (int again = 0; again < 2; again++) { /* a dirty workspace changes nothing */
            assert_int_equal(gpf_plan_run(plan, ws, at), GSL_SUCCESS);
            for (size_t i = 0; i < 4; i++) {
                assert_int_equal(gpf_plan_output_size(plan, i),
                                 gpf_plan_output_size(all, index[i]));
                assert_memory_equal(gpf_workspace_output(ws, i),
                                    gpf_workspace_output(all_ws, index[i]),
                                    gpf_plan_output_size(plan, i) * sizeof(double));
            }
        }
        gpf_plan *keep; /* other layouts, so other rounding */
        assert_int_equal(gpf__plan_make(r.g, few, 4, N, NULL, 0, true, &keep), GSL_SUCCESS);
        gpf_workspace *keep_ws = gpf_workspace_alloc(keep);
        assert_int_equal(gpf_plan_run(keep, keep_ws, at), GSL_SUCCESS);
        for (size_t i = 0; i < 4; i++)
            for (size_t k = 0; k < gpf_plan_output_size(plan, i); k++)
                assert_close(gpf_workspace_output(ws, i)[k], gpf_workspace_output(keep_ws, i)[k],
                             1e-10, 1e-10);
        gpf_workspace_free(keep_ws);
        gpf_plan_free(keep);
        gpf_plan *y = gpf_plan_alloc(r.g, &r.y, 1, N);
        saved += (double)gpf_plan_memory(y) / (double)gpf_plan_memory(all);
        gpf_plan_free(y);
        gpf_workspace_free(ws);
        gpf_plan_free(plan);
        gpf_workspace_free(all_ws);
        gpf_plan_free(all);
        gpf_point_free(at);
        gpf_graph_free(r.g);
    }
    assert_true(saved / 60 < 0.75);
}

/* A chain needs two buffers, however long it is. */
static void test_chain_memory(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape1(1000));
    gpf_node y = x;
    for (int i = 0; i < 50; i++)
        y = gpf_sin(g, y);
    gpf_plan *plan = gpf_plan_alloc(g, &y, 1, 0);
    assert_int_equal(gpf_plan_steps(plan), 50);
    assert_true(gpf_plan_memory(plan) < 3 * 1000 + 1000); /* output, two buffers, scratch */
    gpf_plan_free(plan);
    gpf_graph_free(g);
}

/* A result takes over the slot of an input that dies with it: a long chain through memory (the
 * sums keep it from being one group) needs no second buffer. */
static void test_in_place(void **state)
{
    (void)state;
    enum { SIZE = 4096 };
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape2(64, SIZE / 64));
    gpf_node y = gpf_matmul(g, x, x), total = gpf_const(g, 0);
    for (int i = 0; i < 5; i++) {
        y = gpf_sin(g, gpf_add(g, y, total));
        total = gpf_sum(g, y, GPF_ALL_AXES);
    }
    gpf_plan *plan = gpf_plan_alloc(g, &total, 1, 0);
    assert_in_range(gpf_plan_memory(plan), SIZE, 2 * SIZE);
    gpf_plan_free(plan);
    gpf_graph_free(g);
}

/* A value that is read across itself (its transpose) must not be overwritten meanwhile, nor one
 * that a later step of the group reads. */
static void test_not_in_place(void **state)
{
    (void)state;
    enum { SIDE = 40, SIZE = SIDE * SIDE };
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape2(SIDE, SIDE));
    const gpf_node a = gpf_matmul(g, x, x);
    const gpf_node nodes[] = { gpf_sub(g, a, gpf_transpose(g, a)),
                               gpf_add(g, gpf_exp(g, gpf_transpose(g, a)), gpf_sin(g, a)), a };
    gpf_point *at = gpf_point_alloc(g, 0);
    dice d = { 3 };
    fill(&d, theta(at), SIZE, -0.1, 0.1);
    static double got[2 * SIZE], A[SIZE];
    evaluate(g, at, nodes, 2, got);
    evaluate(g, at, &nodes[2], 1, A);
    for (size_t i = 0; i < SIDE; i++)
        for (size_t j = 0; j < SIDE; j++) {
            assert_true(got[i * SIDE + j] == A[i * SIDE + j] - A[j * SIDE + i]);
            assert_close(got[SIZE + i * SIDE + j], exp(A[j * SIDE + i]) + sin(A[i * SIDE + j]),
                         1e-15, 0);
        }
    gpf_point_free(at);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shared_memory_is_right),
        cmocka_unit_test(test_chain_memory),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_not_in_place),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
