/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train_test.h"

/* Samples may be any axis, also two of them (a kernel matrix). */
static void test_gather(void **state)
{
    (void)state;
    enum { N = 5, B = 3 };
    static const size_t order[B] = { 4, 1, 4 };
    const ptrdiff_t n = GPF_N;
    const gpf_shape shapes[] = {
        gpf_shape1(n),           gpf_shape2(n, 3),        gpf_shape2(4, n),
        gpf_shape2(n, n),        shape_of(3, 2, n, 3, 1), shape_of(3, n, 2, n, 1),
        shape_of(4, 2, n, 1, n), gpf_shape2(7, 2),        gpf_shape0()
    };
    dice d = { 5 };
    for (size_t i = 0; i < COUNT(shapes); i++) {
        gpf_graph *g = gpf_graph_alloc();
        const gpf_node X = gpf_data(g, "X", shapes[i]);
        gpf_param(g, "w", gpf_shape0());
        gpf_point *at = gpf_point_alloc(g, N);
        double from[4 * N * N * 4];
        fill(&d, from, COUNT(from), -1, 1);
        gpf_point_bind(at, X, from);
        gpf__batch b = { .N = 0 };
        assert_int_equal(gpf__batch_make(&b, g, at, gpf_point_params(at), B, true), GSL_SUCCESS);
        assert_ptr_equal(gpf_point_params(b.at), gpf_point_params(at));
        assert_int_equal(gpf__batch_fill(&b, g, at, order), 1);
        assert_int_equal(gpf__batch_fill(&b, g, at, order), 0);
        const double *got = gpf_point_values(b.at, X);
        size_t whole[4] = { 1, 1, 1, 1 }, part[4] = { 1, 1, 1, 1 }, k = 0;
        bool samples[4] = { false };
        for (int a = 0; a < shapes[i].rank; a++) {
            samples[a] = shapes[i].dim[a] == n;
            whole[a] = samples[a] ? N : (size_t)shapes[i].dim[a];
            part[a] = samples[a] ? B : whole[a];
        }
        for (size_t p = 0; p < part[0]; p++)
            for (size_t q = 0; q < part[1]; q++)
                for (size_t r = 0; r < part[2]; r++)
                    for (size_t s = 0; s < part[3]; s++, k++) {
                        const size_t P = samples[0] ? order[p] : p, Q = samples[1] ? order[q] : q,
                                     R = samples[2] ? order[r] : r, S = samples[3] ? order[s] : s;
                        const size_t m = ((P * whole[1] + Q) * whole[2] + R) * whole[3] + S;
                        assert_true(got[k] == from[m]);
                    }
        gpf__batch_free(&b);
        gpf_point_free(at);
        gpf_graph_free(g);
    }
}

/* A leaf of the loop's own stays bound to what it is. */
static void test_own(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 1)), e = gpf_data(g, "e", gpf_shape0());
    gpf_param(g, "w", gpf_shape0());
    const double x[] = { 1, 2, 3, 4 }, one = 1, other = 7;
    gpf_point *at = gpf_point_alloc(g, 4);
    gpf_point_bind(at, X, x);
    gpf_point_bind(at, e, &other);
    gpf__batch b = { .N = 0 };
    assert_int_equal(gpf__batch_make(&b, g, at, gpf_point_params(at), 4, false), GSL_SUCCESS);
    assert_int_equal(gpf__batch_own(&b, e, &one), GSL_SUCCESS);
    gpf__batch_fill(&b, g, at, NULL);
    assert_ptr_equal(gpf_point_values(b.at, e), &one);
    assert_ptr_equal(gpf_point_values(b.at, X), x); /* all samples: as they are */
    gpf__batch_free(&b);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void test_shuffle(void **state)
{
    (void)state;
    enum { N = 40 };
    size_t a[N], b[N];
    for (size_t epoch = 0; epoch < 50; epoch++) {
        bool seen[N] = { false };
        gpf__batch_shuffle(a, N, 3, epoch);
        gpf__batch_shuffle(b, N, 3, epoch);
        assert_memory_equal(a, b, sizeof a);
        for (size_t i = 0; i < N; i++) {
            assert_true(a[i] < N && !seen[a[i]]);
            seen[a[i]] = true;
        }
        gpf__batch_shuffle(b, N, 3, epoch + 1);
        assert_memory_not_equal(a, b, sizeof a);
        gpf__batch_shuffle(b, N, 4, epoch);
        assert_memory_not_equal(a, b, sizeof a);
    }
    gpf__batch_shuffle(a, 1, 3, 0);
    assert_int_equal(a[0], 0);
    gpf__batch_shuffle(a, 0, 3, 0);
    /* The order of a seed is part of what a run is: it stays from version to version. */
    static const size_t pinned[] = { 1, 3, 5, 2, 0, 6, 7, 4 };
    gpf__batch_shuffle(a, 8, 1, 0);
    assert_memory_equal(a, pinned, sizeof pinned);
}

/* Every sample comes to every place equally often: chi squared with 35 degrees of freedom. */
static void test_fair(void **state)
{
    (void)state;
    enum { N = 6, ROUNDS = 6000 };
    size_t count[N][N] = { { 0 } }, order[N];
    for (size_t epoch = 0; epoch < ROUNDS; epoch++) {
        gpf__batch_shuffle(order, N, 17, epoch);
        for (size_t i = 0; i < N; i++)
            count[i][order[i]]++;
    }
    double chi = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < N; k++)
            chi += pow((double)count[i][k] - ROUNDS / N, 2) / (ROUNDS / N);
    assert_true(chi < 60); /* 0.5 % of seeds would be above */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gather),
        cmocka_unit_test(test_own),
        cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_fair),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
