/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L /* fork, setenv */
#include "base/cpu.h"
#include "help.h"
#include "op/gemm.h"

#include <float.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Row after row, column after column, both with gaps, neither axis contiguous; then layouts that
 * only an input can have: one row, one column, one number everywhere. */
enum { ROWS, COLS, ROWS_GAP, COLS_GAP, APART, N_OUT, ONE_ROW = N_OUT, ONE_COL, ONE, N_IN };

typedef struct room {
    gpf__matrix M;
    size_t size;
} room;

/* Exactly the memory the matrix spans, so that a sanitizer sees any step outside. */
static room make(dice *d, size_t rows, size_t cols, int layout)
{
    const ptrdiff_t r = (ptrdiff_t)rows, c = (ptrdiff_t)cols;
    const ptrdiff_t strides[N_IN][2] = { { c, 1 },         { 1, r }, { c + 3, 1 }, { 1, r + 1 },
                                         { 2, 2 * r + 1 }, { 0, 1 }, { 1, 0 },     { 0, 0 } };
    room m = { .M = { NULL, strides[layout][0], strides[layout][1] } };
    m.size = rows && cols ? (size_t)((r - 1) * m.M.row + (c - 1) * m.M.col) + 1 : 0;
    m.M.data = malloc(m.size ? m.size * sizeof(double) : 1);
    assert_non_null(m.M.data);
    fill(d, m.M.data, m.size, -1, 1);
    return m;
}

static double *at(gpf__matrix M, size_t i, size_t j)
{
    return &M.data[(ptrdiff_t)i * M.row + (ptrdiff_t)j * M.col];
}

/* One product of random numbers against the same in long double; gaps of Y stay as they were. */
static void compare(dice *d, size_t m, size_t n, size_t k, int la, int lb, int ly, int add)
{
    const room A = make(d, m, k, la), B = make(d, k, n, lb), Y = make(d, m, n, ly);
    double *y = malloc((Y.size + 1) * sizeof *y);
    assert_non_null(y);
    memcpy(y, Y.M.data, Y.size * sizeof *y);
    const gpf__matrix before = { y, Y.M.row, Y.M.col };
    gpf__gemm(m, n, k, A.M, B.M, Y.M, add);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            long double s = add ? *at(before, i, j) : 0, size = fabsl(s);
            for (size_t l = 0; l < k; l++) {
                const long double term = (long double)*at(A.M, i, l) * *at(B.M, l, j);
                s += term;
                size += fabsl(term);
            }
            if (!(fabsl(s - *at(Y.M, i, j)) <= (long double)(k + 1) * DBL_EPSILON / 2 * size))
                fail_msg("%zux%zux%zu, layouts %d %d %d, add %d: (%zu, %zu) is %.17g, not %.17Lg",
                         m, n, k, la, lb, ly, add, i, j, *at(Y.M, i, j), s);
            *at(before, i, j) = *at(Y.M, i, j);
        }
    assert_memory_equal(y, Y.M.data, Y.size * sizeof *y);
    free(y);
    free(A.M.data);
    free(B.M.data);
    free(Y.M.data);
}

/* Every size around the edges of tiles, in some layouts each. */
static void test_small(void **state)
{
    (void)state;
    static const size_t ks[] = { 1, 2, 5, 32, 37, 64, 67 };
    dice d = { 1 };
    for (size_t m = 1; m <= 35; m++)
        for (size_t n = 1; n <= 26; n++)
            for (int i = 0; i < 5; i++)
                compare(&d, m, n, ks[below(&d, COUNT(ks))], below(&d, N_IN), below(&d, N_IN),
                        below(&d, N_OUT), below(&d, 2));
}

/* Every combination of layouts, in sizes that are packed, cut into blocks, or neither. */
static void test_layouts(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {
        { 3, 2, 50 }, { 21, 2, 3 }, { 33, 17, 33 }, { 9, 64, 130 }, { 70, 13, 257 }
    };
    dice d = { 2 };
    for (size_t s = 0; s < COUNT(sizes); s++)
        for (int l = 0; l < N_IN * N_IN * N_OUT; l++)
            compare(&d, sizes[s][0], sizes[s][1], sizes[s][2], l % N_IN, l / N_IN % N_IN,
                    l / N_IN / N_IN, below(&d, 2));
}

static void test_empty(void **state)
{
    (void)state;
    dice d = { 3 };
    for (int add = 0; add < 2; add++)
        for (int layout = 0; layout < N_OUT; layout++) {
            compare(&d, 5, 3, 0, ROWS, ROWS, layout, add);
            for (int l = 0; l < N_OUT * N_OUT; l++) {
                compare(&d, 2, 0, 70, l % N_OUT, l / N_OUT, layout, add);
                compare(&d, 0, 3, 70, l % N_OUT, l / N_OUT, layout, add);
            }
        }
}

/* An element has the same bits when fewer rows or columns are computed. */
static void test_parts(void **state)
{
    (void)state;
    dice d = { 4 };
    for (int round = 0; round < 2000; round++) {
        const size_t m = 1 + (size_t)below(&d, round % 10 ? 60 : 260),
                     n = 1 + (size_t)below(&d, 60),
                     k = 1 + (size_t)below(&d, round % 10 ? 40 : 400);
        const int add = below(&d, 2);
        const room A = make(&d, m, k, below(&d, N_IN)), B = make(&d, k, n, below(&d, N_IN)),
                   Y = make(&d, m, n, below(&d, N_OUT));
        const room part = { .M = { malloc(Y.size * sizeof(double)), Y.M.row, Y.M.col } };
        assert_non_null(part.M.data);
        memcpy(part.M.data, Y.M.data, Y.size * sizeof(double));
        gpf__gemm(m, n, k, A.M, B.M, Y.M, add);
        const size_t i = (size_t)below(&d, (int)m), j = (size_t)below(&d, (int)n),
                     rows = 1 + (size_t)below(&d, (int)(m - i)),
                     cols = 1 + (size_t)below(&d, (int)(n - j));
        gpf__gemm(rows, cols, k, (gpf__matrix){ at(A.M, i, 0), A.M.row, A.M.col },
                  (gpf__matrix){ at(B.M, 0, j), B.M.row, B.M.col },
                  (gpf__matrix){ at(part.M, i, j), Y.M.row, Y.M.col }, add);
        for (size_t r = i; r < i + rows; r++)
            for (size_t c = j; c < j + cols; c++)
                assert_memory_equal(at(part.M, r, c), at(Y.M, r, c), sizeof(double));
        free(part.M.data);
        free(A.M.data);
        free(B.M.data);
        free(Y.M.data);
    }
}

/* A NaN reaches its row and nothing else; inf * 0, inf - inf, and an infinite sum. */
static void test_not_finite(void **state)
{
    (void)state;
    dice d = { 5 };
    for (int l = 0; l < N_OUT * N_OUT * N_OUT; l++)
        for (size_t k = 3; k < 40; k += 33) {
            const size_t m = 13, n = 9;
            const room A = make(&d, m, k, l % N_OUT), B = make(&d, k, n, l / N_OUT % N_OUT),
                       Y = make(&d, m, n, l / N_OUT / N_OUT);
            for (size_t j = 0; j < k; j++)
                *at(A.M, 5, j) = *at(A.M, 6, j) = *at(A.M, 7, j) = 1;
            for (size_t j = 0; j < n; j++)
                *at(B.M, 1, j) = *at(B.M, 2, j) = 1;
            *at(A.M, 4, 1) = NAN;
            *at(A.M, 5, 1) = INFINITY;
            *at(A.M, 6, 1) = INFINITY;
            *at(A.M, 6, 2) = -INFINITY;
            *at(A.M, 7, 0) = INFINITY;
            *at(B.M, 0, 3) = 0;
            *at(Y.M, 0, 0) = NAN; /* what was there does not matter */
            gpf__gemm(m, n, k, A.M, B.M, Y.M, 0);
            for (size_t i = 0; i < m; i++)
                for (size_t j = 0; j < n; j++) {
                    const double y = *at(Y.M, i, j);
                    if (i == 4 || i == 6 || (i == 7 && j == 3))
                        assert_true(isnan(y));
                    else if (i == 5)
                        assert_true(y == INFINITY);
                    else if (i == 7)
                        assert_true(isinf(y) && (y > 0) == (*at(B.M, 0, j) > 0));
                    else
                        assert_true(isfinite(y));
                }
            free(A.M.data);
            free(B.M.data);
            free(Y.M.data);
        }
}

/* The kernels that this machine would not choose: the program again on the next lower ones. */
static const char *program;
static void test_other_cpus(void **state)
{
    (void)state;
    if (gpf__cpu() == 0)
        return;
    const char *lower = gpf__cpu_name(gpf__cpu() - 1);
    fflush(NULL);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(STDERR_FILENO, STDOUT_FILENO); /* its results are not this program's */
        setenv("GRADPROOF_CPU", lower, 1);
        execl(program, program, (char *)NULL);
        _exit(99);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("GRADPROOF_CPU=%s %s: status %d", lower, program, status);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),      cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_empty),      cmocka_unit_test(test_parts),
        cmocka_unit_test(test_not_finite), cmocka_unit_test(test_other_cpus),
    };
    (void)argc;
    program = argv[0];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
