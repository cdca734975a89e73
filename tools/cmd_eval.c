/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gradproof eval: values of nodes. */
#include "cmd.h"
#include <stdlib.h>

static int print_text(const cmd_named *named, size_t n, const cmd_values *v)
{
    for (size_t i = 0; i < n; i++)
        cmd_put_values(named[i].name, gpf_plan_output_shape(v->plan, i),
                       gpf_workspace_output(v->ws, i), gpf_plan_output_size(v->plan, i));
    return GPF_OUTCOME_RIGHT;
}

static int print_json(const cmd *o, const cmd_named *named, size_t n, const cmd_values *v)
{
    json_t *all = json_object(), *list = json_array();
    int bad = 0;
    for (size_t i = 0; i < n; i++) {
        json_t *item = json_object();
        bad += json_object_set_new(item, "name", cmd_json_text(named[i].name)) != 0;
        bad += cmd_json_values(item, gpf_plan_output_shape(v->plan, i),
                               gpf_workspace_output(v->ws, i), gpf_plan_output_size(v->plan, i));
        bad += json_array_append_new(list, item) != 0;
    }
    bad += json_object_set_new(all, "nodes", list) != 0;
    return cmd_put_json(o, cmd_json_built(all, bad));
}

/* The nodes to print: those of the NAMEs, or the output. */
static int choose(const cmd *o, gpf_model *m, cmd_named **named, size_t *n)
{
    const char *const *patterns = (const char *const *)(o->args + 1);
    if (o->n_args > 1)
        return cmd_select(o, m, patterns, (size_t)o->n_args - 1, 0, named, n);
    gpf_node y;
    const char *name;
    int status = cmd_output(o, m, &y, &name);
    if (status)
        return status;
    if (y == GPF_NONE)
        return cmd_failf(o, GPF_ENOTHING, "%s: no NAME given, and the model has no output",
                         o->args[0]);
    *named = malloc(sizeof **named);
    if (!*named)
        return cmd_fail_status(o, GSL_ENOMEM, NULL);
    **named = (cmd_named){ name, y };
    *n = 1;
    return 0;
}

int cmd_eval(const cmd *o)
{
    cmd_named *named = NULL;
    cmd_values v = { 0 };
    size_t n = 0;
    gpf_model *m = cmd_model(o);
    int status = m ? choose(o, m, &named, &n) : GPF_OUTCOME_TROUBLE;
    gpf_node *nodes = status ? NULL : malloc((n ? n : 1) * sizeof *nodes);
    if (!status && !nodes)
        status = cmd_fail_status(o, GSL_ENOMEM, NULL);
    for (size_t i = 0; i < n && nodes; i++)
        nodes[i] = named[i].node;
    if (!status)
        status = cmd_values_run(o, m, nodes, n, &v);
    if (!status)
        status = o->json ? print_json(o, named, n, &v) : print_text(named, n, &v);
    cmd_values_free(&v);
    free(nodes);
    free(named);
    gpf_model_free(m);
    return status;
}
