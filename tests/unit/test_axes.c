/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"
#include "op/rows.h"

enum { MOST = 4000 };

static const gpf_op *const ops[] = { &gpf_op_sum,       &gpf_op_max_over, &gpf_op_winner,
                                     &gpf_op_logsumexp, &gpf_op_softmax,  &gpf_op_log_softmax };

static bool keeps_shape(const gpf_op *op)
{
    return op == &gpf_op_winner || op == &gpf_op_softmax || op == &gpf_op_log_softmax;
}

static bool has_one_axis(const gpf_op *op)
{
    return op == &gpf_op_softmax || op == &gpf_op_log_softmax;
}

/* Strides without gaps, the axes in the order of a random permutation. */
static void lay_out(dice *d, gpf_tensor *t, double *data, bool permute)
{
    int order[GPF_MAX_RANK];
    for (int a = 0; a < t->rank; a++)
        order[a] = a;
    for (int a = t->rank; permute && a-- > 1;) {
        const int b = below(d, a + 1), c = order[a];
        order[a] = order[b];
        order[b] = c;
    }
    ptrdiff_t step = 1;
    for (int a = t->rank; a-- > 0;) {
        t->stride[order[a]] = step;
        step *= (ptrdiff_t)t->dim[order[a]];
    }
    t->data = data;
}

static void run(const gpf_op *op, const gpf_tensor *y, const gpf_tensor *x, ptrdiff_t k)
{
    static double scratch[3 * MOST];
    const gpf_attr attr = { .k = { k } };
    const gpf_call call = { y, &x, 1, &attr, 0, scratch };
    assert_true(!op->scratch || op->scratch(&call) <= COUNT(scratch));
    op->eval(&call);
}

static double exact(const double *x, size_t n)
{
    double sum = 0, lost = 0; /* Neumaier: no long double, valgrind has none */
    for (size_t i = 0; i < n; i++) {
        const double t = sum + x[i];
        lost += fabs(sum) >= fabs(x[i]) ? (sum - t) + x[i] : (x[i] - t) + sum;
        sum = t;
    }
    return sum + lost;
}

/* Any layout of x and y, also x broadcast along some axes, against row-major: bit for bit over one
 * axis, to rounding over several (they are added in the order of memory). */
static void layouts(void)
{
    static double data[MOST], dense[MOST], out[MOST], expected[MOST], back[MOST];
    dice d = { 3 };
    for (int trial = 0; trial < 3000; trial++) {
        gpf_tensor x = { .rank = 1 + below(&d, 4), .dim = { 1, 1, 1, 1 } };
        for (int a = 0; a < x.rank; a++)
            x.dim[a] = 1 + (size_t)below(&d, trial % 4 || x.rank > 2 ? 7 : a ? 40 : 90);
        const gpf_op *op = ops[trial % (int)COUNT(ops)];
        const int axis = below(&d, x.rank);
        ptrdiff_t k = has_one_axis(op) ? axis : 1 + below(&d, (1 << x.rank) - 1);
        if (!has_one_axis(op) && below(&d, 2))
            k = (ptrdiff_t)1 << axis;
        const bool one = has_one_axis(op) || (k & (k - 1)) == 0;
        gpf_tensor y = x;
        for (int a = 0; !keeps_shape(op) && a < x.rank; a++)
            y.dim[a] = k >> a & 1 ? 1 : x.dim[a];
        lay_out(&d, &x, data, true);
        for (int a = 0; a < x.rank; a++)
            if (below(&d, 6) == 0)
                x.stride[a] = 0;
        for (size_t i = 0; i < MOST; i++)
            data[i] = below(&d, 30)   ? between(&d, -3, 3)
                      : below(&d, 20) ? 1.5
                      : below(&d, 3)  ? -INFINITY
                      : below(&d, 2)  ? INFINITY
                                      : NAN;
        gpf_tensor x_dense = x, y_dense = y, y_back = y;
        lay_out(&d, &x_dense, dense, false);
        gpf__tensor_copy(&x_dense, &x);
        lay_out(&d, &y, out, true);
        lay_out(&d, &y_dense, expected, false);
        lay_out(&d, &y_back, back, false);
        run(op, &y, &x, k);
        run(op, &y_dense, &x_dense, k);
        gpf__tensor_copy(&y_back, &y);
        const size_t n = gpf__tensor_size(&y);
        for (size_t i = 0; i < n; i++)
            if (one ? !close_to(back[i], expected[i], 0, 0)
                    : !close_to(back[i], expected[i], 1e-14, 1e-13))
                fail_msg("%s over %td, trial %d: element %zu is %.17g, row-major %.17g", op->name,
                         k, trial, i, back[i], expected[i]);
    }
}

/* Long sums along and across memory are pairwise, and the same. */
static void long_sums(void)
{
    enum { N = 1500, C = 70 };
    static double rows[N * C], sums[C], expected[C], column[N];
    dice d = { 9 };
    fill(&d, rows, N * C, 1, 1.001);
    const gpf_tensor across = { rows, 2, { N, C, 1, 1 }, { C, 1, 1, 1 } };
    const gpf_tensor y = { sums, 2, { 1, C, 1, 1 }, { C, 1, 1, 1 } };
    run(&gpf_op_sum, &y, &across, 1);
    memcpy(expected, sums, sizeof sums);
    for (size_t c = 0; c < C; c++) {
        for (size_t i = 0; i < N; i++)
            column[i] = rows[i * C + c];
        const gpf_tensor along = { column, 1, { N, 1, 1, 1 }, { 1, 1, 1, 1 } };
        const gpf_tensor one = { sums, 0, { 1, 1, 1, 1 }, { 0, 0, 0, 0 } };
        run(&gpf_op_sum, &one, &along, GPF_ALL_AXES);
        assert_true(sums[0] == expected[c]);
        assert_close(sums[0], exact(column, N), 2e-16 * 2, 0);
    }
}

static void on_every_cpu(void (*test)(void))
{
    const int best = gpf__cpu();
    for (int cpu = 0; cpu <= best; cpu++) {
        atomic_store(&gpf__cpu_found, cpu);
        test();
    }
    atomic_store(&gpf__cpu_found, best);
}

static void test_layouts(void **state)
{
    (void)state;
    on_every_cpu(layouts);
}

static void test_long_sums(void **state)
{
    (void)state;
    on_every_cpu(long_sums);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_long_sums),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
