/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "op/gemm.h"

void gpf__gemm(size_t m, size_t n, size_t k, gpf__matrix A, gpf__matrix B, gpf__matrix Y, int add)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double *y = &Y.data[(ptrdiff_t)i * Y.row + (ptrdiff_t)j * Y.col], s = add ? *y : 0;
            for (size_t l = 0; l < k; l++)
                s += A.data[(ptrdiff_t)i * A.row + (ptrdiff_t)l * A.col] *
                     B.data[(ptrdiff_t)l * B.row + (ptrdiff_t)j * B.col];
            *y = s;
        }
}
