/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Matrix products of any layout, one thread, nothing allocated. */
#ifndef GPF_OP_GEMM_H
#define GPF_OP_GEMM_H

#include <stddef.h>

/* Element (i, j) is data[i*row + j*col]. */
typedef struct gpf__matrix {
    double *data;
    ptrdiff_t row, col;
} gpf__matrix;

/* A matrix that is only read. */
static inline gpf__matrix gpf__matrix_read(const double *data, ptrdiff_t row, ptrdiff_t col)
{
    const union {
        const double *read;
        double *write;
    } u = { .read = data };
    return (gpf__matrix){ u.write, row, col };
}

/* By address: copies of three matrices on the stack would cost more than a small product. */
void gpf__gemm_at(size_t m, size_t n, size_t k, const gpf__matrix *A, const gpf__matrix *B,
                  const gpf__matrix *Y, int add);

/* Y (m x n) = A (m x k) B (k x n), or Y += A B if add. A and B are only read; Y overlaps neither.
 * An element's bits depend on its row of A, its column of B, k and the strides: not on m, n or its
 * place. Uses 90 KB of stack. */
static inline void gpf__gemm(size_t m, size_t n, size_t k, gpf__matrix A, gpf__matrix B,
                             gpf__matrix Y, int add)
{
    gpf__gemm_at(m, n, k, &A, &B, &Y, add);
}

#endif
