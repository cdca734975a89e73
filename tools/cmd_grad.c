/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gradproof grad: gradients, as backprop computes them. */
#include "cmd.h"
#include <stdlib.h>

typedef struct gradients {
    const char *y;
    const cmd_named *xs;
    const gpf_node *grads; /* GPF_NONE: y does not depend on that x */
    size_t n;
    const cmd_values *values;
} gradients;

static int print_text(const gradients *d)
{
    for (size_t i = 0, out = 0; i < d->n; i++) {
        char name[256];
        if (d->grads[i] == GPF_NONE) {
            printf("# grad(%s, %s): %s does not depend on %s\n", d->y, d->xs[i].name, d->y,
                   d->xs[i].name);
            continue;
        }
        snprintf(name, sizeof name, "grad(%s, %s)", d->y, d->xs[i].name);
        cmd_put_values(name, gpf_plan_output_shape(d->values->plan, out),
                       gpf_workspace_output(d->values->ws, out),
                       gpf_plan_output_size(d->values->plan, out));
        out++;
    }
    return GPF_OUTCOME_RIGHT;
}

static int print_json(const cmd *o, const gradients *d)
{
    json_t *all = json_object(), *list = json_array();
    int bad = json_object_set_new(all, "output", cmd_json_text(d->y)) != 0;
    for (size_t i = 0, out = 0; i < d->n; i++) {
        json_t *item = json_object();
        int depends = d->grads[i] != GPF_NONE;
        bad += json_object_set_new(item, "name", cmd_json_text(d->xs[i].name)) != 0;
        bad += json_object_set_new(item, "depends", json_boolean(depends)) != 0;
        if (depends) {
            bad += cmd_json_values(item, gpf_plan_output_shape(d->values->plan, out),
                                   gpf_workspace_output(d->values->ws, out),
                                   gpf_plan_output_size(d->values->plan, out));
            out++;
        }
        bad += json_array_append_new(list, item) != 0;
    }
    bad += json_object_set_new(all, "gradients", list) != 0;
    return cmd_put_json(o, cmd_json_built(all, bad));
}

static int print_gradients(const cmd *o, gpf_model *m, gpf_node y, const char *name,
                           const cmd_named *xs, size_t n)
{
    gpf_graph *g = gpf_model_graph(m);
    gpf_node *nodes = malloc(2 * (n ? n : 1) * sizeof *nodes), *grads = nodes ? nodes + n : NULL;
    if (!nodes)
        return cmd_fail_status(o, GSL_ENOMEM, NULL);
    for (size_t i = 0; i < n; i++)
        nodes[i] = xs[i].node;
    gpf_diag why = { 0 };
    cmd_values v = { 0 };
    int status = gpf_grad(g, y, nodes, n, grads);
    if (status) {
        gpf_graph_status(g, &why);
        status = cmd_fail_status(o, status, &why);
    } else {
        status = cmd_values_run(o, m, grads, n, &v);
    }
    gradients d = { name, xs, grads, n, &v };
    if (!status)
        status = o->json ? print_json(o, &d) : print_text(&d);
    cmd_values_free(&v);
    free(nodes);
    return status;
}

int cmd_grad(const cmd *o)
{
    gpf_node y = GPF_NONE;
    cmd_named *xs = NULL;
    const char *name = "";
    size_t n = 0;
    gpf_model *m = cmd_model(o);
    int status = m ? cmd_output(o, m, &y, &name) : GPF_OUTCOME_TROUBLE;
    if (!status && y == GPF_NONE)
        status =
            cmd_failf(o, GPF_ENOTHING, "%s: the model has no output; --of names one", o->args[0]);
    if (!status)
        status = cmd_targets(o, m, &xs, &n);
    if (!status && n == 0)
        status = cmd_failf(o, GPF_ENOTHING, "%s: the model has no param; --wrt names other nodes",
                           o->args[0]);
    if (!status)
        status = print_gradients(o, m, y, name, xs, n);
    free(xs);
    gpf_model_free(m);
    return status;
}
