/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"
#include "op/rows.h"

enum { PLAIN, TRANSPOSED, BLOCK, ONE_ROW, ONE_COLUMN, COLUMN_OF_BLOCK, N_LAYOUTS };

/* A rows x cols matrix in some layout, made from a new param. */
static gpf_node matrix(gpf_graph *g, const char *name, ptrdiff_t rows, ptrdiff_t cols, int layout)
{
    const gpf_shape shape = gpf_shape2(rows, cols);
    const ptrdiff_t start[] = { 1, 2 };
    switch (layout) {
    case TRANSPOSED:
        return gpf_transpose(g, gpf_param(g, name, gpf_shape2(cols, rows)));
    case BLOCK:
        return gpf_slice(g, gpf_param(g, name, gpf_shape2(rows + 2, cols + 3)), start, shape.dim);
    case ONE_ROW:
        return gpf_broadcast(g, gpf_param(g, name, gpf_shape1(cols)), shape);
    case ONE_COLUMN:
        return gpf_broadcast(g, gpf_param(g, name, gpf_shape2(rows, 1)), shape);
    case COLUMN_OF_BLOCK: {
        const gpf_node p = gpf_param(g, name, gpf_shape2(cols + 3, rows + 2));
        const ptrdiff_t from[] = { 2, 1 }, size[] = { cols, rows };
        return gpf_transpose(g, gpf_slice(g, p, from, size));
    }
    default:
        return gpf_param(g, name, shape);
    }
}

/* Every pair of layouts, with sizes of 1 among the sizes, against the triple loop. */
static void test_matmul_layouts(void **state)
{
    (void)state;
    dice d = { 31 };
    static const ptrdiff_t sizes[][3] = { { 3, 4, 5 }, { 1, 4, 5 }, { 3, 1, 5 },
                                          { 3, 4, 1 }, { 1, 1, 5 }, { 1, 4, 1 },
                                          { 3, 1, 1 }, { 1, 1, 1 }, { 17, 33, 9 } };
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (int la = 0; la < N_LAYOUTS; la++)
            for (int lb = 0; lb < N_LAYOUTS; lb++) {
                const size_t m = (size_t)sizes[s][0], k = (size_t)sizes[s][1],
                             n = (size_t)sizes[s][2];
                gpf_graph *g = gpf_graph_alloc();
                const gpf_node a = matrix(g, "a", sizes[s][0], sizes[s][1], la),
                               b = matrix(g, "b", sizes[s][1], sizes[s][2], lb);
                const gpf_node nodes[] = { gpf_matmul(g, a, b), a, b };
                assert_no_error(g);
                gpf_point *at = gpf_point_alloc(g, 0);
                fill(&d, theta(at), gpf_graph_n_params(g), -1, 1);
                double got[17 * 9 + 17 * 33 + 33 * 9];
                evaluate(g, at, nodes, 3, got);
                const double *A = got + m * n, *B = A + m * k;
                for (size_t i = 0; i < m; i++)
                    for (size_t j = 0; j < n; j++) {
                        long double y = 0;
                        for (size_t l = 0; l < k; l++)
                            y += (long double)A[i * k + l] * B[l * n + j];
                        assert_close(got[i * n + j], (double)y, 0, 1e-13);
                    }
                gpf_point_free(at);
                gpf_graph_free(g);
            }
}

/* The matrix `of` (row after row) in memory of other strides; free its data. */
static gpf_tensor laid_out(const double *of, size_t rows, size_t cols, ptrdiff_t s0, ptrdiff_t s1)
{
    gpf_tensor t = { .rank = 2, .dim = { rows, cols, 1, 1 }, .stride = { s0, s1, 0, 0 } };
    t.data = calloc((rows - 1) * (size_t)s0 + (cols - 1) * (size_t)s1 + 1, sizeof(double));
    assert_non_null(t.data);
    for (size_t i = 0; of && i < rows * cols; i++)
        t.data[i / cols * (size_t)s0 + i % cols * (size_t)s1] = of[i];
    return t;
}

/* Products small and large with each matrix lying row after row, column after column, with gaps,
 * and with no axis contiguous. */
static void test_matmul_strides(void **state)
{
    (void)state;
    enum { M = 129, N = 131, K = 130, N_LAID = 5 };
    static const size_t sizes[][3] = { { 7, 5, 3 }, { M, N, K } };
    static double A[M * K], B[K * N], expected[M * N];
    dice d = { 77 };
    fill(&d, A, M * K, -1, 1);
    fill(&d, B, K * N, -1, 1);
    for (size_t s = 0; s < COUNT(sizes); s++) {
        const size_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++) {
                long double sum = 0;
                for (size_t l = 0; l < k; l++)
                    sum += (long double)A[i * k + l] * B[l * n + j];
                expected[i * n + j] = (double)sum;
            }
        const size_t rows[] = { m, k, m }, cols[] = { k, n, n };
        const double *values[] = { A, B, NULL };
        for (int l = 0; l < N_LAID * N_LAID * N_LAID; l++) {
            gpf_tensor t[3];
            for (int i = 0, rest = l; i < 3; i++, rest /= N_LAID) {
                const ptrdiff_t r = (ptrdiff_t)rows[i], c = (ptrdiff_t)cols[i];
                const ptrdiff_t strides[N_LAID][2] = {
                    { c, 1 }, { 1, r }, { c + 3, 1 }, { 1, r + 2 }, { 2 * c, 2 }
                };
                t[i] = laid_out(values[i], rows[i], cols[i], strides[rest % N_LAID][0],
                                strides[rest % N_LAID][1]);
            }
            const gpf_tensor *x[] = { &t[0], &t[1] };
            const gpf_call call = { .y = &t[2], .x = x, .n_x = 2 };
            gpf_op_matmul.eval(&call);
            for (size_t i = 0; i < m * n; i++) {
                const size_t at = i / n * (size_t)t[2].stride[0] + i % n * (size_t)t[2].stride[1];
                assert_close(t[2].data[at], expected[i], 0, 1e-13);
            }
            for (int i = 0; i < 3; i++)
                free(t[i].data);
        }
    }
}

/* diag, diag_part, trace and transpose of a 3x3 matrix in every layout. */
static void test_diagonals(void **state)
{
    (void)state;
    dice d = { 6 };
    for (int layout = 0; layout < N_LAYOUTS; layout++) {
        gpf_graph *g = gpf_graph_alloc();
        const gpf_node a = matrix(g, "a", 3, 3, layout), part = gpf_diag_part(g, a);
        const gpf_node nodes[] = { a, gpf_transpose(g, a), part, gpf_trace(g, a),
                                   gpf_diagonal(g, part) };
        assert_no_error(g);
        gpf_point *at = gpf_point_alloc(g, 0);
        fill(&d, theta(at), gpf_graph_n_params(g), -1, 1);
        double got[9 + 9 + 3 + 1 + 9];
        evaluate(g, at, nodes, 5, got);
        for (size_t i = 0; i < 3; i++) {
            assert_true(got[18 + i] == got[4 * i]);
            for (size_t j = 0; j < 3; j++) {
                assert_true(got[9 + 3 * i + j] == got[3 * j + i]);
                assert_true(got[22 + 3 * i + j] == (i == j ? got[4 * i] : 0));
            }
        }
        assert_close(got[21], got[0] + got[4] + got[8], 1e-15, 1e-15);
        gpf_point_free(at);
        gpf_graph_free(g);
    }
}

static void test_folds_and_shapes(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape2(2, 3)), v = gpf_param(g, "v", gpf_shape1(4));
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 1));
    assert_int_equal(gpf_transpose(g, gpf_transpose(g, x)), x);
    assert_true(gpf_shape_equal(gpf_node_shape(g, gpf_diagonal(g, v)), gpf_shape2(4, 4)));
    assert_true(gpf_shape_equal(gpf_node_shape(g, gpf_diagonal(g, X)), gpf_shape2(GPF_N, GPF_N)));
    assert_true(gpf_shape_equal(gpf_node_shape(g, gpf_diag_part(g, gpf_diagonal(g, X))),
                                gpf_shape2(GPF_N, 1)));
    assert_no_error(g);
    gpf_graph_free(g);
}

static void test_messages(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 3)),
                   W = gpf_param(g, "W", gpf_shape2(2, 3));
    const gpf_node v = gpf_param(g, "v", gpf_shape1(3));
    gpf_matmul(g, X, W);
    assert_error(g, GPF_ESHAPE, "matmul: X is Nx3 but W is 2x3 (inner sizes 3 and 2 differ)");
    gpf_matmul(g, gpf_transpose(g, X), gpf_exp(g, W));
    assert_error(g, GPF_ESHAPE,
                 "matmul: transpose(X) is 3xN but exp(W) is 2x3 (inner sizes N and 2 differ)");
    gpf_matmul(g, X, v);
    assert_error(g, GPF_ESHAPE, "matmul: X is Nx3 but v is 3 (a matrix is expected, rank is 1)");
    gpf_transpose(g, v);
    assert_error(g, GPF_ESHAPE, "transpose: v is 3 (a matrix is expected, rank is 1)");
    gpf_trace(g, W);
    assert_error(g, GPF_ESHAPE, "trace: W is 2x3 (a square matrix is expected)");
    gpf_diag_part(g, X);
    assert_error(g, GPF_ESHAPE, "diag_part: X is Nx3 (a square matrix is expected)");
    gpf_diagonal(g, W);
    assert_error(g, GPF_ESHAPE, "diag: W is 2x3 (a vector n, 1xn or nx1 is expected)");
    gpf_diagonal(g, gpf_param(g, "long", gpf_shape1(50000)));
    assert_error(g, GPF_ELIMIT, "result of diag is 50000x50000: more than 2147483647 elements");
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matmul_layouts), cmocka_unit_test(test_matmul_strides),
        cmocka_unit_test(test_diagonals),      cmocka_unit_test(test_folds_and_shapes),
        cmocka_unit_test(test_messages),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
