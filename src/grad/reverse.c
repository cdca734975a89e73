/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "grad/sweep.h"

#include <stdlib.h>
#include <string.h>

int gpf__sweep_check(gpf_graph *g, gpf_node y, const gpf_node *xs, size_t n, gpf_node *out,
                     size_t n_out)
{
    for (size_t i = 0; i < n_out; i++)
        out[i] = GPF_POISON;
    bool ok = gpf__ok(g, y);
    for (size_t i = 0; ok && i < n; i++)
        ok = gpf__ok(g, xs[i]);
    return ok ? GSL_SUCCESS : gpf_graph_status(g, NULL);
}

int gpf__sweep_shape(gpf_graph *g, const char *what, gpf_node given, gpf_node like)
{
    char a[64], b[64], label[80];
    if (!gpf__ok(g, given))
        return gpf_graph_status(g, NULL);
    if (gpf_shape_equal(gpf__get(g, given)->shape, gpf__get(g, like)->shape))
        return GSL_SUCCESS;
    gpf__fail(g, GPF_ESHAPE, "%s is %s but %s is %s", what,
              gpf_shape_text(gpf__get(g, given)->shape, a, sizeof a),
              gpf_node_label(g, like, label, sizeof label),
              gpf_shape_text(gpf__get(g, like)->shape, b, sizeof b));
    return GPF_ESHAPE;
}

gpf_node gpf__sweep_rule(gpf_graph *g, gpf_node n, int i, gpf_node bar, bool forward)
{
    const gpf__node *node = gpf__get(g, n);
    const gpf_op *op = node->op;
    const int slot = op->arity == GPF_VARIADIC ? 0 : i;
    const gpf_rule rule = slot < 3 ? (forward ? op->jvp : op->vjp)[slot] : NULL;
    if (!rule) {
        if (op->flags & GPF_OP_STEP)
            return GPF_NONE; /* piecewise constant: the statement is "no gradient" */
        return gpf__fail(g, GPF_ENOGRAD, "%s has no %s rule for its input %d", op->name,
                         forward ? "jvp" : "vjp", i);
    }
    const gpf_rule_args args = {
        .g = g, .x = node->x, .n_x = node->n_x, .y = n, .bar = bar, .i = i, .attr = &node->attr
    };
    const gpf_node result = rule(&args);
    if (gpf_graph_status(g, NULL))
        return GPF_POISON;
    if (result == GPF_NONE)
        return GPF_NONE;
    const gpf_shape want = gpf__get(g, forward ? n : node->x[i])->shape;
    if (result <= GPF_POISON || (size_t)result >= g->n ||
        !gpf_shape_equal(gpf__get(g, result)->shape, want)) {
        char got[64] = "no node", expected[64];
        if (result > GPF_POISON && (size_t)result < g->n)
            gpf_shape_text(gpf__get(g, result)->shape, got, sizeof got);
        return gpf__fail(g, GPF_ERULE, "the %s rule of %s for input %d returned %s, expected %s",
                         forward ? "jvp" : "vjp", op->name, i, got,
                         gpf_shape_text(want, expected, sizeof expected));
    }
    return result;
}

gpf_node gpf__sweep_add(gpf_graph *g, gpf_node a, gpf_node b)
{
    return a == GPF_NONE ? b : b == GPF_NONE ? a : gpf_add(g, a, b);
}

/* What node i takes its value from: its twin alone, or its inputs. */
static const gpf_node *sources(const gpf_graph *g, gpf_node i, const gpf_node *twin, int *n)
{
    *n = twin[i] == GPF_NONE ? gpf__get(g, i)->n_x : 1;
    return twin[i] == GPF_NONE ? gpf__get(g, i)->x : &twin[i];
}

int gpf_vjp(gpf_graph *g, gpf_node y, gpf_node bar, const gpf_node *xs, size_t n, gpf_node *out)
{
    if (gpf__sweep_check(g, y, xs, n, out, n) || gpf__sweep_shape(g, "the cotangent", bar, y))
        return gpf_graph_status(g, NULL);
    const size_t size = (size_t)y + 1;
    bool *need = calloc(size, sizeof *need); /* does the node depend on some x? */
    gpf_node *cotangent = malloc(2 * size * sizeof *cotangent), *twin = cotangent + size;
    if (!need || !cotangent) {
        gpf__fail(g, GSL_ENOMEM, "no memory for a reverse sweep over %d nodes", y);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        if (xs[i] <= y)
            need[xs[i]] = true;
    for (gpf_node i = 1; i <= y; i++) {
        cotangent[i] = GPF_NONE;
        twin[i] = gpf__stable_for(g, i, xs, n);
        int n_in;
        const gpf_node *in = sources(g, i, twin, &n_in);
        for (int k = 0; k < n_in; k++)
            need[i] = need[i] || need[in[k]];
    }
    cotangent[y] = bar;
    for (gpf_node i = y; i >= 1; i--) {
        if (cotangent[i] == GPF_NONE || !need[i])
            continue;
        int n_in;
        const gpf_node *in = sources(g, i, twin, &n_in);
        for (int k = 0; k < n_in; k++) {
            if (!need[in[k]])
                continue;
            const gpf_node part =
                twin[i] != GPF_NONE ? cotangent[i] : gpf__sweep_rule(g, i, k, cotangent[i], false);
            cotangent[in[k]] = gpf__sweep_add(g, cotangent[in[k]], part);
            if (gpf_graph_status(g, NULL))
                goto done;
        }
    }
    for (size_t i = 0; i < n; i++)
        out[i] = xs[i] <= y ? cotangent[xs[i]] : GPF_NONE;
done:
    free(need);
    free(cotangent);
    return gpf_graph_status(g, NULL);
}

int gpf_grad(gpf_graph *g, gpf_node y, const gpf_node *xs, size_t n, gpf_node *out)
{
    if (gpf__sweep_check(g, y, xs, n, out, n))
        return gpf_graph_status(g, NULL);
    const gpf_shape s = gpf__get(g, y)->shape;
    if (gpf_shape_size(s, 1) != 1 || gpf_shape_size(s, 2) != 1) {
        char label[80], shape[64];
        gpf__fail(g, GPF_ESHAPE,
                  "grad: %s is %s, one element is expected (sum it, or take the "
                  "jacobian)",
                  gpf_node_label(g, y, label, sizeof label),
                  gpf_shape_text(s, shape, sizeof shape));
        return GPF_ESHAPE;
    }
    return gpf_vjp(g, y, gpf_broadcast(g, gpf_const(g, 1), s), xs, n, out);
}
