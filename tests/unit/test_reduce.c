/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"
#include "op/rows.h"

#include <float.h>

enum { MOST = 4 * 4 * 4 * 4 };

/* Sum, maximum, number of maxima and log-sum-exp of the elements of x that share an output. */
typedef struct cell {
    long double sum, max, shares, expsum;
} cell;

/* The slow way: for every element, its output's index from its own coordinates. */
static size_t reference(const double *x, gpf_shape s, ptrdiff_t axes, cell *out, size_t *to)
{
    const size_t n = gpf_shape_size(s, 0);
    size_t n_out = 1;
    for (int a = 0; a < s.rank; a++)
        n_out *= axes >> a & 1 ? 1 : (size_t)s.dim[a];
    for (size_t i = 0; i < n; i++) {
        size_t rest = i, at = 0, step = 1;
        for (int a = s.rank; a-- > 0;) {
            const size_t d = (size_t)s.dim[a];
            if (!(axes >> a & 1)) {
                at += rest % d * step;
                step *= d;
            }
            rest /= d;
        }
        to[i] = at;
    }
    for (size_t i = 0; i < n_out; i++)
        out[i] = (cell){ 0, -INFINITY, 0, 0 };
    for (size_t i = 0; i < n; i++) {
        out[to[i]].sum += x[i];
        out[to[i]].max = fmaxl(out[to[i]].max, x[i]);
    }
    for (size_t i = 0; i < n; i++) {
        out[to[i]].shares += x[i] == out[to[i]].max;
        out[to[i]].expsum += expl(x[i] - out[to[i]].max);
    }
    return n_out;
}

static void test_all_masks(void **state)
{
    (void)state;
    dice d = { 17 };
    for (int trial = 0; trial < 400; trial++) {
        gpf_graph *g = gpf_graph_alloc();
        gpf_shape s = gpf_shape0();
        s.rank = 1 + below(&d, 4);
        for (int a = 0; a < s.rank; a++)
            s.dim[a] = 1 + below(&d, 4);
        const ptrdiff_t axes = 1 + below(&d, (1 << s.rank) - 1);
        const gpf_node x = gpf_param(g, "x", s);
        const gpf_node nodes[] = { gpf_sum(g, x, axes), gpf_max_over(g, x, axes),
                                   gpf_logsumexp(g, x, axes), gpf_winner(g, x, axes) };
        gpf_point *at = gpf_point_alloc(g, 0);
        const size_t n = gpf_shape_size(s, 0);
        for (size_t i = 0; i < n; i++)
            theta(at)[i] = below(&d, 4) ? between(&d, -3, 3) : 1.5; /* ties, too */
        cell out[MOST];
        size_t to[MOST];
        const size_t n_out = reference(theta(at), s, axes, out, to);
        double got[4 * MOST];
        evaluate(g, at, nodes, 4, got);
        for (size_t i = 0; i < n_out; i++) {
            assert_close(got[i], (double)out[i].sum, 1e-14, 1e-14);
            assert_true(got[n_out + i] == (double)out[i].max);
            assert_close(got[2 * n_out + i], (double)(out[i].max + logl(out[i].expsum)), 1e-14,
                         1e-15);
        }
        for (size_t i = 0; i < n; i++) {
            const cell *c = &out[to[i]];
            assert_close(got[3 * n_out + i], theta(at)[i] == c->max ? (double)(1 / c->shares) : 0,
                         1e-15, 0);
        }
        gpf_shape kept = s;
        for (int a = 0; a < s.rank; a++)
            kept.dim[a] = axes >> a & 1 ? 1 : s.dim[a];
        assert_true(gpf_shape_equal(gpf_node_shape(g, nodes[0]), kept));
        gpf_point_free(at);
        gpf_graph_free(g);
    }
}

/* Pairwise: the error of a long sum stays at rounding, where one by one would lose digits. */
static void test_long_sum(void **state)
{
    (void)state;
    enum { N = 200001 };
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_data(g, "x", gpf_shape1(GPF_N));
    double *v = malloc(N * sizeof *v), naive = 0, truth = 0, lost = 0;
    dice d = { 2 };
    for (size_t i = 0; i < N; i++) {
        v[i] = 1 + between(&d, 0, 1e-3);
        naive += v[i];
        const double next = truth + v[i]; /* Neumaier: no long double, valgrind has none */
        lost += (truth - next) + v[i];
        truth = next;
    }
    truth += lost;
    gpf_point *at = gpf_point_alloc(g, N);
    gpf_point_bind(at, x, v);
    const double y = evaluate1(g, at, gpf_sum(g, x, GPF_ALL_AXES));
    assert_close(y, truth, 4 * DBL_EPSILON, 0);
    assert_true(fabs(naive - truth) > 10 * fabs(y - truth));
    gpf_point_free(at);
    gpf_graph_free(g);
    free(v);
}

static void test_infinities(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape2(4, 2));
    const gpf_node nodes[] = { gpf_logsumexp(g, x, 2), gpf_max_over(g, x, 2) };
    gpf_point *at = gpf_point_alloc(g, 0);
    const double v[] = { -INFINITY, -INFINITY, INFINITY, 0, 1000, 1000, -INFINITY, -1000 };
    memcpy(theta(at), v, sizeof v);
    double got[8];
    evaluate(g, at, nodes, 2, got);
    assert_values(
        got,
        (double[]){ -INFINITY, INFINITY, 1000 + log(2), -1000, -INFINITY, INFINITY, 1000, -1000 },
        8);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void call_branch(const gpf_op *op, const double *x, size_t rows, size_t cols, size_t n_out,
                        int *side, double *margin)
{
    double data[16], out[16], scratch[64];
    memcpy(data, x, rows * cols * sizeof *x);
    const gpf_tensor in = { data, 2, { rows, cols, 1, 1 }, { (ptrdiff_t)cols, 1, 1, 1 } };
    const gpf_tensor y = {
        out, 2, { rows, n_out / rows, 1, 1 }, { (ptrdiff_t)(n_out / rows), 1, 1, 1 }
    };
    const gpf_tensor *inputs[] = { &in };
    const gpf_attr attr = { .k = { 2 } };
    const gpf_call call = { &y, inputs, 1, &attr, 0, scratch };
    assert_true(op->scratch(&call) <= COUNT(scratch));
    op->branch(&call, side, margin);
}

/* The piece is the position of the winner, the margin its lead. */
static void test_branches(void **state)
{
    (void)state;
    const double x[] = { 1, 3, 2, 5, 5, 4, -INFINITY, -INFINITY, -INFINITY, 7, INFINITY, INFINITY };
    int side[12];
    double margin[12];
    call_branch(&gpf_op_max_over, x, 4, 3, 4, side, margin);
    assert_int_equal(side[0], 2 * 1);
    assert_int_equal(side[1] % 2, 1);
    assert_int_equal(side[2] % 2, 1);
    assert_int_equal(side[3] % 2, 1); /* inf - inf is no lead */
    assert_values(margin, (double[]){ 1, 0, 0, 0 }, 4);
    call_branch(&gpf_op_winner, x, 2, 3, 6, side, margin);
    const int expected[] = { 0, 2, 0, 1, 1, 0 };
    assert_memory_equal(side, expected, sizeof expected);
    assert_values(margin, (double[]){ 2, 1, 1, 0, 0, 1 }, 6);
}

/* winner is the derivative of max: where max is NaN it must not be a plausible number. */
static void test_winner_of_nan(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape2(2, 2));
    gpf_node d;
    gpf_grad(g, gpf_sum(g, gpf_max_over(g, x, 2), GPF_ALL_AXES), &x, 1, &d);
    gpf_point *at = gpf_point_alloc(g, 0);
    const double v[] = { 1, NAN, 1, 2 };
    memcpy(theta(at), v, sizeof v);
    double got[4];
    evaluate(g, at, &d, 1, got);
    assert_values(got, (double[]){ NAN, NAN, 0, 1 }, 4);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void test_size(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_data(g, "x", shape_of(3, GPF_N, 3, GPF_N, 1));
    const gpf_node y = gpf_param(g, "y", gpf_shape2(4, 5));
    gpf_point *at = gpf_point_alloc(g, 7);
    assert_true(evaluate1(g, at, gpf_size(g, x, GPF_ALL_AXES)) == 147);
    assert_true(evaluate1(g, at, gpf_size(g, x, 1)) == 7);
    assert_true(evaluate1(g, at, gpf_size(g, x, 6)) == 21);
    double v;
    assert_true(gpf_node_is_const(g, gpf_size(g, x, 2), &v) && v == 3);
    assert_true(gpf_node_is_const(g, gpf_size(g, y, GPF_ALL_AXES), &v) && v == 20);
    assert_true(gpf_node_is_const(g, gpf_size(g, y, 0), &v) && v == 1);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void test_folds_and_messages(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node s = gpf_param(g, "s", gpf_shape0()), x = gpf_param(g, "x", gpf_shape2(2, 3));
    assert_int_equal(gpf_sum(g, s, GPF_ALL_AXES), s);
    assert_int_equal(gpf_sum(g, x, 0), x);
    assert_int_equal(gpf_logsumexp(g, x, 0), x);
    assert_int_equal(gpf_node_shape(g, gpf_sum(g, x, 3)).rank, 2); /* kept as sizes of 1 */
    assert_int_equal(gpf_node_shape(g, gpf_sum(g, x, GPF_ALL_AXES)).rank, 0);
    gpf_sum(g, x, 4);
    assert_error(g, GPF_ESHAPE, "sum: x is 2x3 (it has axes 0 to 1)");
    gpf_logsumexp(g, x, -2);
    assert_error(g, GPF_ESHAPE, "logsumexp: x is 2x3 (it has axes 0 to 1)");
    gpf_max_over(g, s, 1);
    assert_error(g, GPF_ESHAPE, "max: s is scalar (it has no axes)");
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_masks),          cmocka_unit_test(test_long_sum),
        cmocka_unit_test(test_infinities),         cmocka_unit_test(test_branches),
        cmocka_unit_test(test_winner_of_nan),      cmocka_unit_test(test_size),
        cmocka_unit_test(test_folds_and_messages),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
