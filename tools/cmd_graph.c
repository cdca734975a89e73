/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gradproof graph: the nodes, as text or for Graphviz, with their values if wanted. */
#include "cmd.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* What stands beside the nodes: outputs of one plan. */
typedef struct notes {
    size_t n;                 /* nodes of the graph before gradients were appended */
    size_t *value, *gradient; /* by node: output of the plan, or CMD_NOT_GIVEN */
    cmd_values values;
    const char *y;
} notes;

/* "[1 2; 3 4]", or how the numbers of a larger tensor lie. */
static void put_tensor(const cmd_values *v, size_t output, char *buf, size_t size)
{
    enum { MOST = 16 };
    const gpf_shape s = gpf_plan_output_shape(v->plan, output);
    const double *x = gpf_workspace_output(v->ws, output);
    const size_t n = gpf_plan_output_size(v->plan, output),
                 columns = s.rank ? (size_t)s.dim[s.rank - 1] : 1;
    size_t used = strlen(buf);
    double lo = x[0], hi = x[0], sum = 0;
    for (size_t i = 0; n <= MOST && i < n && used < size; i++)
        used += (size_t)snprintf(buf + used, size - used, "%s%.5g",
                                 i             ? i % columns ? " " : "; "
                                 : s.rank == 0 ? ""
                                               : "[",
                                 x[i] == 0 ? 0 : x[i]);
    if (n <= MOST) {
        if (s.rank && used < size)
            snprintf(buf + used, size - used, "]");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        lo = x[i] < lo || isnan(x[i]) ? x[i] : lo;
        hi = x[i] > hi || isnan(x[i]) ? x[i] : hi;
        sum += x[i];
    }
    snprintf(buf + used, size - used, "%.5g .. %.5g, mean %.5g", lo + 0, hi + 0, sum / (double)n);
}

static int note(void *arg, gpf_node node, size_t line, char *buf, size_t size)
{
    const notes *t = arg;
    if ((size_t)node >= t->n || line > 1)
        return 0;
    const size_t output = (line ? t->gradient : t->value)[node];
    if (output == CMD_NOT_GIVEN)
        return 0;
    snprintf(buf, size, line ? "d %s: " : "value: ", t->y);
    put_tensor(&t->values, output, buf, size);
    return 1;
}

/* Which nodes y needs; all for GPF_NONE. */
static void mark_needed(const gpf_graph *g, gpf_node y, size_t n, unsigned char *mark)
{
    memset(mark, y == GPF_NONE, n);
    if (y != GPF_NONE)
        mark[y] = 1;
    for (size_t i = n; i-- > 1;) {
        int n_x;
        const gpf_node *x = gpf_node_inputs(g, (gpf_node)i, &n_x);
        for (int k = 0; mark[i] && k < n_x; k++)
            mark[x[k]] = 1;
    }
}

/* d y / d node for the wanted nodes, one by one: among others, p = sigmoid(z) would keep log(p) from
 * being computed as -softplus(-z). */
static int take_gradients(const cmd *o, gpf_model *m, gpf_node y, const unsigned char *wanted,
                          size_t n, gpf_node *grads)
{
    gpf_graph *g = gpf_model_graph(m);
    for (size_t i = 1; i < n; i++) {
        const gpf_node node = (gpf_node)i;
        gpf_diag why = { 0 };
        int n_x;
        /* Constants do not vary. */
        gpf_node_inputs(g, node, &n_x);
        if (!wanted[i] || (n_x == 0 && !gpf_node_is_param(g, node) && !gpf_node_is_data(g, node)))
            continue;
        const int status = gpf_grad(g, y, &node, 1, &grads[i]);
        if (status) {
            gpf_graph_status(g, &why);
            return cmd_fail_status(o, status, &why);
        }
    }
    return 0;
}

/* With --wrt only those get a gradient. */
static int narrow(const cmd *o, gpf_model *m, size_t n, unsigned char *wanted)
{
    cmd_named *xs = NULL;
    size_t n_xs = 0;
    int status = o->n_wrt ? cmd_targets(o, m, &xs, &n_xs) : 0;
    if (o->n_wrt && !status)
        memset(wanted, 0, n);
    for (size_t i = 0; i < n_xs; i++)
        if (xs[i].node < (gpf_node)n)
            wanted[xs[i].node] = 1;
    free(xs);
    return status;
}

static int print_values(const cmd *o, gpf_model *m, gpf_node y, const char *name)
{
    gpf_graph *g = gpf_model_graph(m);
    const size_t n = gpf_graph_n_nodes(g);
    const gpf_node what = o->of || o->grad ? y : GPF_NONE;
    if (o->grad && y == GPF_NONE)
        return cmd_failf(o, GPF_ENOTHING, "%s: the model has no output; --of names one",
                         o->args[0]);
    unsigned char *mark = malloc(n);
    gpf_node *nodes = malloc(2 * n * sizeof *nodes), *grads = nodes ? nodes + n : NULL;
    notes t = { .n = n, .y = *name ? name : "output" };
    t.value = malloc(2 * n * sizeof *t.value);
    t.gradient = t.value ? t.value + n : NULL;
    int status = mark && nodes && t.value ? 0 : cmd_fail_status(o, GSL_ENOMEM, NULL);
    for (size_t i = 0; !status && i < 2 * n; i++) {
        nodes[i] = GPF_NONE;
        t.value[i] = CMD_NOT_GIVEN;
    }
    size_t outputs = 0;
    if (!status) {
        mark_needed(g, what, n, mark);
        for (size_t i = 1; i < n; i++)
            if (mark[i]) {
                nodes[i] = (gpf_node)i;
                t.value[i] = outputs++;
            }
        if (o->grad)
            status = narrow(o, m, n, mark);
    }
    if (!status && o->grad)
        status = take_gradients(o, m, y, mark, n, grads);
    for (size_t i = 1; !status && i < n; i++)
        if (grads[i] != GPF_NONE)
            t.gradient[i] = outputs++;
    if (!status)
        status = cmd_values_run(o, m, nodes, 2 * n, &t.values);
    if (!status) {
        (o->dot ? gpf_graph_print_dot_notes : gpf_graph_print_notes)(g, what, stdout, note, &t);
        cmd_values_free(&t.values);
    }
    free(mark);
    free(nodes);
    free(t.value);
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
    if (!status && o->values) {
        status = print_values(o, m, y, name);
        gpf_model_free(m);
        return status;
    }
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
