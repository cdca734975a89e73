/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gradproof graph: the nodes, as text or for Graphviz. */
#include "cmd.h"
#include <stdlib.h>

/* Appends the gradient of y, its nodes named grad.<x> where that name is free. */
static int append_gradient(const cmd *o, gpf_model *m, gpf_node y)
{
    gpf_graph *g = gpf_model_graph(m);
    cmd_named *xs = NULL;
    size_t n = 0;
    if (y == GPF_NONE)
        return cmd_failf(o, GPF_ENOTHING, "%s: the model has no output; --of names one",
                         o->args[0]);
    int status = cmd_targets(o, m, &xs, &n);
    gpf_node *nodes = status ? NULL : malloc(2 * (n ? n : 1) * sizeof *nodes);
    if (!status && !nodes)
        status = cmd_fail_status(o, GSL_ENOMEM, NULL);
    for (size_t i = 0; i < n && nodes; i++)
        nodes[i] = xs[i].node;
    if (!status) {
        gpf_diag why = { 0 };
        status = gpf_grad(g, y, nodes, n, nodes + n);
        if (status) {
            gpf_graph_status(g, &why);
            status = cmd_fail_status(o, status, &why);
        }
    }
    for (size_t i = 0; i < n && !status; i++) {
        char name[128];
        snprintf(name, sizeof name, "grad.%s", xs[i].name);
        if (nodes[n + i] != GPF_NONE && gpf_graph_find(g, name) == GPF_NONE)
            gpf_node_set_name(g, nodes[n + i], name);
    }
    free(nodes);
    free(xs);
    return status;
}

int cmd_graph(const cmd *o)
{
    gpf_node y = GPF_NONE;
    const char *name;
    if (o->n_wrt && !o->grad)
        return cmd_usage(o, "--wrt is about gradients and needs ", "--grad");
    gpf_model *m = cmd_model(o);
    int status = m ? cmd_output(o, m, &y, &name) : GPF_OUTCOME_TROUBLE;
    if (!status && o->grad)
        status = append_gradient(o, m, y);
    if (!status) {
        /* One node cannot stand for all gradients, so with them everything is printed. */
        gpf_node what = o->of && !o->grad ? y : GPF_NONE;
        (o->dot ? gpf_graph_print_dot : gpf_graph_print)(gpf_model_graph(m), what, stdout);
    }
    gpf_model_free(m);
    return status;
}
