/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "grad/sweep.h"

#include <stdlib.h>
#include <string.h>

int gpf_jacobian(gpf_graph *g, gpf_node y, gpf_node x, gpf_node *out)
{
    enum { MAX_ROWS = 1024 };
    if (gpf__sweep_check(g, y, &x, 1, out, 1))
        return gpf_graph_status(g, NULL);
    const gpf_shape ys = gpf__get(g, y)->shape, xs = gpf__get(g, x)->shape;
    const size_t rows = gpf_shape_size(ys, 1), cols = gpf_shape_size(xs, 1);
    if (rows != gpf_shape_size(ys, 2) || cols != gpf_shape_size(xs, 2) || rows > MAX_ROWS) {
        char a[64], b[64], l[80], m[80];
        gpf__fail(g, GPF_ESHAPE,
                  "jacobian: %s is %s and %s is %s (no N, and at most %d outputs, are expected)",
                  gpf_node_label(g, y, l, sizeof l), gpf_shape_text(ys, a, sizeof a),
                  gpf_node_label(g, x, m, sizeof m), gpf_shape_text(xs, b, sizeof b), MAX_ROWS);
        return GPF_ESHAPE;
    }
    double *seed = calloc(rows, sizeof *seed);
    gpf_node *row = malloc(rows * sizeof *row);
    if (!seed || !row)
        gpf__fail(g, GSL_ENOMEM, "no memory for a Jacobian of %zu rows", rows);
    const gpf_shape one_row = gpf_shape2(1, (ptrdiff_t)cols);
    for (size_t i = 0; seed && row && i < rows; i++) {
        /* row i of J = J' e_i */
        seed[i] = 1;
        gpf_node v;
        if (gpf_vjp(g, y, gpf_const_tensor(g, ys, seed), &x, 1, &v))
            break;
        seed[i] = 0;
        row[i] =
            v == GPF_NONE ? gpf_broadcast(g, gpf_const(g, 0), one_row) : gpf_reshape(g, v, one_row);
    }
    if (gpf_graph_status(g, NULL) == GSL_SUCCESS)
        *out = gpf_concat(g, row, (int)rows, 0);
    free(seed);
    free(row);
    return gpf_graph_status(g, NULL);
}
