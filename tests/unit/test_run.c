/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Linked with --wrap=malloc and so on: every allocation of the library is counted here. */
#include "count_allocations.h"
#include "random_graph.h"

#include <pthread.h>

static void test_no_allocation(void **state)
{
    (void)state;
    static random_graph r;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        allocations = 0;
        random_build(&r, seed, 150, SIZE_MAX);
        gpf_point *at = random_point(&r, 33, seed);
        gpf_plan *plan = gpf_plan_alloc(r.g, &r.y, 1, 33);
        gpf_workspace *ws = gpf_workspace_alloc(plan);
        const gpf_node targets[] = { gpf_graph_param(r.g, 0), r.X, r.node[60] };
        gpf_damage *damage = gpf_damage_alloc(r.g, r.y, targets, 3, 33);
        assert_int_equal(gpf_damage_base(damage, at, NULL), GSL_SUCCESS);
        gpf_overlay *o = gpf_overlay_alloc(damage);
        assert_true(allocations > 30); /* the counter works */
        const double t[] = { -0.5, 0.125, 2 };
        double f[3];
        gpf_branch b[3];
        allocations = 0;
        for (int i = 0; i < 3; i++) {
            assert_int_equal(gpf_plan_run(plan, ws, at), GSL_SUCCESS);
            assert_int_equal(gpf_damage_base(damage, at, NULL), GSL_SUCCESS);
            for (size_t target = 0; target < 3; target++)
                assert_int_equal(gpf_overlay_values(o, target, 0, t, 3, f, i ? b : NULL),
                                 GSL_SUCCESS);
        }
        assert_int_equal(allocations, 0);
        gpf_overlay_free(o);
        gpf_damage_free(damage);
        gpf_workspace_free(ws);
        gpf_plan_free(plan);
        gpf_point_free(at);
        gpf_graph_free(r.g);
    }
}

static int handled;

static void count_errors(const char *reason, const char *file, int line, int code)
{
    (void)reason, (void)file, (void)line, (void)code;
    handled++;
}

static void test_refusals(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 2)),
                   w = gpf_param(g, "w", gpf_shape2(2, 1));
    const gpf_node y = gpf_matmul(g, X, w);
    gpf_plan *plan = gpf_plan_alloc(g, &y, 1, 3), *other = gpf_plan_alloc(g, &w, 1, 3);
    gpf_workspace *ws = gpf_workspace_alloc(plan);
    gpf_point *at = gpf_point_alloc(g, 3), *small = gpf_point_alloc(g, 2);
    const double rows[] = { 1, 2, 3, 4, 5, 6 };
    gpf_point_bind(small, X, rows);
    gsl_vector_set_all(gpf_point_params(at), 0.5);
    assert_null(gpf_workspace_output(ws, 0)); /* before the first run */

    gsl_error_handler_t *before = gsl_set_error_handler(count_errors);
    handled = 0;
    assert_int_equal(gpf_plan_run(plan, ws, at), GPF_EUNBOUND); /* input, not misuse: no handler */
    assert_int_equal(handled, 0);
    assert_int_equal(gpf_plan_run(plan, ws, small), GSL_EBADLEN);
    assert_int_equal(handled, 1);
    assert_int_equal(gpf_plan_run(other, ws, at), GSL_EINVAL); /* another plan's workspace */
    assert_int_equal(handled, 2);
    gsl_set_error_handler(before);

    gpf_point_bind(at, X, rows);
    assert_int_equal(gpf_plan_run(plan, ws, at), GSL_SUCCESS);
    assert_values(gpf_workspace_output(ws, 0), (double[]){ 1.5, 3.5, 5.5 }, 3);
    assert_int_equal(gpf_plan_run(plan, ws, small), GSL_EBADLEN);
    assert_null(gpf_workspace_output(ws, 0)); /* not the stale numbers of the run before */
    gpf_point_free(small);
    gpf_point_free(at);
    gpf_workspace_free(ws);
    gpf_workspace_free(NULL);
    gpf_plan_free(other);
    gpf_plan_free(plan);
    gpf_graph_free(g);
}

/* Elementwise ops gather inputs that are not dense strip by strip; here the strips end within
 * rows, and every input of the op has another layout. */
static void test_long_strips(void **state)
{
    (void)state;
    enum { R = 37, C = 61 };
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node a = gpf_param(g, "a", gpf_shape2(C, R)), b = gpf_param(g, "b", gpf_shape2(1, C)),
                   c = gpf_param(g, "c", shape_of(3, 2, R + 2, C + 3, 1));
    const ptrdiff_t start[] = { 1, 1, 2 }, size[] = { 1, R, C };
    const gpf_node s = gpf_slice(g, c, start, size);
    const gpf_node nodes[] = { gpf_mul(g, gpf_transpose(g, a), b),
                               gpf_sub(g, s, gpf_transpose(g, a)) };
    gpf_point *at = gpf_point_alloc(g, 0);
    dice d = { 5 };
    fill(&d, theta(at), gpf_graph_n_params(g), -1, 1);
    const double *A = gpf_point_values(at, a), *B = gpf_point_values(at, b),
                 *S = gpf_point_values(at, c);
    double *got = malloc(2 * R * C * sizeof *got);
    evaluate(g, at, nodes, 2, got);
    for (size_t i = 0; i < R; i++)
        for (size_t j = 0; j < C; j++) {
            assert_true(got[i * C + j] == A[j * R + i] * B[j]);
            assert_true(got[R * C + i * C + j] ==
                        S[(R + 2) * (C + 3) + (i + 1) * (C + 3) + j + 2] - A[j * R + i]);
        }
    free(got);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* A workspace follows the points it is run at: other params, other data, a leaf taken away. */
static void test_points_change(void **state)
{
    (void)state;
    enum { N = 30, C = 3 };
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, C)),
                   Y = gpf_data(g, "Y", gpf_shape2(GPF_N, 1)),
                   h = gpf_dense(g, "h", X, 4, gpf_tanh), z = gpf_dense(g, "z", h, 1, NULL);
    const ptrdiff_t start[] = { 0, 1 }, size[] = { GPF_N, 1 };
    const gpf_node outputs[] = { gpf_mse(g, z, Y, GPF_MEAN), h,
                                 gpf_mul(g, gpf_slice(g, X, start, size), Y) };
    gpf_plan *p = gpf_plan_alloc(g, outputs, 3, N);
    gpf_workspace *ws = gpf_workspace_alloc(p);
    gpf_point *at[2];
    double x[2][N * C], y[2][N], expected[1 + 5 * N];
    dice d = { 9 };
    for (int i = 0; i < 2; i++) {
        at[i] = gpf_point_alloc(g, N);
        fill(&d, theta(at[i]), gpf_graph_n_params(g), -1, 1);
        fill(&d, x[i], N * C, -1, 1);
        fill(&d, y[i], N, -1, 1);
    }
    for (int round = 0; round < 16; round++) {
        gpf_point *point = at[round & 1];
        gpf_point_bind(point, X, x[round >> 1 & 1]);
        gpf_point_bind(point, Y, y[round >> 2 & 1]);
        x[0][round] += 0.5; /* the same memory, other values */
        theta(point)[round] -= 0.5;
        assert_int_equal(gpf_plan_run(p, ws, point), GSL_SUCCESS);
        evaluate(g, point, outputs, 3, expected);
        assert_memory_equal(gpf_workspace_output(ws, 0), expected, sizeof expected);
        if (round == 7) {
            gpf_point_bind(point, Y, NULL);
            assert_int_equal(gpf_plan_run(p, ws, point), GPF_EUNBOUND);
            assert_null(gpf_workspace_output(ws, 0));
        }
    }
    gpf_point_free(at[0]);
    gpf_point_free(at[1]);
    gpf_workspace_free(ws);
    gpf_plan_free(p);
    gpf_graph_free(g);
}

typedef struct job {
    const gpf_plan *plan;
    const gpf_point *at;
    double y;
    int status;
} job;

static void *run_often(void *arg)
{
    job *j = arg;
    gpf_workspace *ws = gpf_workspace_alloc(j->plan);
    for (int i = 0; i < 50 && !j->status; i++) {
        j->status = gpf_plan_run(j->plan, ws, j->at);
        j->y = gpf_workspace_output(ws, 0)[0];
    }
    gpf_workspace_free(ws);
    return NULL;
}

static void test_threads_share_a_plan(void **state)
{
    (void)state;
    static random_graph r;
    random_build(&r, 77, 200, SIZE_MAX);
    gpf_point *at[] = { random_point(&r, 20, 1), random_point(&r, 20, 2) };
    gpf_plan *plan = gpf_plan_alloc(r.g, &r.y, 1, 20);
    job jobs[4];
    pthread_t thread[4];
    for (size_t i = 0; i < 4; i++) {
        jobs[i] = (job){ plan, at[i % 2], NAN, GSL_SUCCESS };
        assert_int_equal(pthread_create(&thread[i], NULL, run_often, &jobs[i]), 0);
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(jobs[i].status, GSL_SUCCESS);
        assert_true(jobs[i].y == evaluate1(r.g, at[i % 2], r.y));
    }
    assert_true(jobs[0].y != jobs[1].y);
    gpf_plan_free(plan);
    gpf_point_free(at[0]);
    gpf_point_free(at[1]);
    gpf_graph_free(r.g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_allocation),        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_long_strips),          cmocka_unit_test(test_points_change),
        cmocka_unit_test(test_threads_share_a_plan),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
