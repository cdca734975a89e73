/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "grad/sweep.h"

#include <stdlib.h>

int gpf_jvp(gpf_graph *g, gpf_node y, const gpf_node *xs, const gpf_node *dots, size_t n,
            gpf_node *out)
{
    if (gpf__sweep_check(g, y, xs, n, out, 1))
        return gpf_graph_status(g, NULL);
    for (size_t i = 0; i < n; i++)
        if (dots[i] != GPF_NONE && gpf__sweep_shape(g, "the tangent", dots[i], xs[i]))
            return gpf_graph_status(g, NULL);
    const size_t size = (size_t)y + 1;
    bool *useful = calloc(size, sizeof *useful); /* does y depend on the node? */
    gpf_node *tangent = malloc(2 * size * sizeof *tangent), *twin = tangent + size;
    if (!useful || !tangent) {
        gpf__fail(g, GSL_ENOMEM, "no memory for a forward sweep over %d nodes", y);
        goto done;
    }
    useful[y] = true;
    for (gpf_node i = y; i >= 1; i--) {
        tangent[i] = GPF_NONE;
        twin[i] = gpf__stable_for(g, i, xs, n);
        const gpf__node *node = gpf__get(g, i);
        if (useful[i] && twin[i] != GPF_NONE)
            useful[twin[i]] = true;
        for (int k = 0; useful[i] && twin[i] == GPF_NONE && k < node->n_x; k++)
            useful[node->x[k]] = true;
    }
    for (size_t i = 0; i < n; i++)
        if (xs[i] <= y)
            tangent[xs[i]] = gpf__sweep_add(g, tangent[xs[i]], dots[i]);
    for (gpf_node i = 1; i <= y; i++) {
        if (!useful[i])
            continue;
        const gpf__node *node = gpf__get(g, i);
        if (twin[i] != GPF_NONE)
            tangent[i] = gpf__sweep_add(g, tangent[i], tangent[twin[i]]);
        for (int k = 0; twin[i] == GPF_NONE && k < node->n_x; k++)
            if (tangent[node->x[k]] != GPF_NONE)
                tangent[i] = gpf__sweep_add(g, tangent[i],
                                            gpf__sweep_rule(g, i, k, tangent[node->x[k]], true));
        if (gpf_graph_status(g, NULL))
            goto done;
    }
    *out = tangent[y];
done:
    free(useful);
    free(tangent);
    return gpf_graph_status(g, NULL);
}

int gpf_hvp(gpf_graph *g, gpf_node y, const gpf_node *xs, const gpf_node *vs, size_t n,
            gpf_node *out)
{
    int status = gpf_grad(g, y, xs, n, out);
    for (size_t i = 0; status == GSL_SUCCESS && i < n; i++)
        if (out[i] != GPF_NONE)
            status = gpf_jvp(g, out[i], xs, vs, n, &out[i]);
    for (size_t i = 0; status && i < n; i++)
        out[i] = GPF_POISON;
    return status;
}
