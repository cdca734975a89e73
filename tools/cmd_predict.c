/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gradproof predict: what the model says of each sample, as a table. */
#include "cmd.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct prediction {
    gpf_model *model;
    gpf_node node;
    const char *name;
    gpf_decision decision; /* NOTHING: no class */
    gpf_node labels;       /* data with the categories' texts, or GPF_NONE */
    size_t rows, cols;
    const double *values; /* rows x cols */
} prediction;

/* Quoted where a reader of CSV would take it for something else: a delimiter, a comment, blanks
 * that do not count. */
static void put_text(FILE *to, const char *s)
{
    const size_t n = strlen(s);
    if (n && !strpbrk(s, ",\"\n\r") && !strchr(" \t#", s[0]) && !strchr(" \t", s[n - 1])) {
        fputs(s, to);
        return;
    }
    putc('"', to);
    for (; *s; s++) {
        if (*s == '"')
            putc('"', to);
        putc(*s, to);
    }
    putc('"', to);
}

static void put_code(const prediction *p, size_t code, FILE *to)
{
    const char *text = p->labels == GPF_NONE ? NULL : gpf_model_category(p->model, p->labels, code);
    if (text)
        put_text(to, text);
    else
        fprintf(to, "%zu", code);
}

/* The class of n elements: of all of them together, or of one. As gpf_accuracy decides. */
static void put_class(const prediction *p, const double *x, size_t n, FILE *to)
{
    size_t best = 0;
    int nan = 0;
    for (size_t j = 0; j < n; j++) {
        nan |= isnan(x[j]);
        best = x[j] > x[best] ? j : best;
    }
    if (nan)
        fputs("nan", to);
    else if (p->decision == GPF_DECIDE_SIGN)
        fputs(*x >= 0 ? "1" : "-1", to);
    else if (p->decision == GPF_DECIDE_ARGMAX)
        put_code(p, best, to);
    else
        put_code(p, *x > (p->decision == GPF_DECIDE_HALF ? 0.5 : 0), to);
}

/* name, or name.0, name.1, .. */
static void put_names(const char *name, size_t n, FILE *to)
{
    for (size_t j = 0; j < n; j++) {
        if (n == 1)
            fputs(name, to);
        else
            fprintf(to, "%s%s.%zu", j ? "," : "", name, j);
    }
}

static int put_table(void *arg, FILE *to)
{
    const prediction *p = arg;
    const size_t classes = p->decision == GPF_DECIDE_NOTHING  ? 0
                           : p->decision == GPF_DECIDE_ARGMAX ? 1
                                                              : p->cols;
    put_names(p->name, p->cols, to);
    if (classes)
        putc(',', to);
    put_names("class", classes, to);
    putc('\n', to);
    for (size_t i = 0; i < p->rows && !ferror(to); i++) {
        const double *x = p->values + i * p->cols;
        for (size_t j = 0; j < p->cols; j++) {
            if (j)
                putc(',', to);
            cmd_put_number(to, x[j]);
        }
        for (size_t j = 0; j < classes; j++) {
            putc(',', to);
            put_class(p, x + j, classes == 1 ? p->cols : 1, to);
        }
        putc('\n', to);
    }
    return ferror(to);
}

static int has_samples(const gpf_graph *g, gpf_node n)
{
    const gpf_shape s = gpf_node_shape(g, n);
    return n > GPF_POISON && s.rank > 0 && s.dim[0] == GPF_N;
}

static int tell_candidates(const cmd *o, gpf_model *m)
{
    const gpf_graph *g = gpf_model_graph(m);
    char list[300] = "";
    const char *name;
    for (size_t i = 0; (name = gpf_model_name(m, i)); i++) {
        const gpf_node n = gpf_model_find(m, name);
        const size_t used = strlen(list);
        if (has_samples(g, n) && !gpf_node_is_data(g, n))
            snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", name);
    }
    if (*list)
        return cmd_failf(o, GPF_ENOTHING,
                         "%s: the model does not show what it predicts; --of NODE says it: %s",
                         o->args[0], list);
    return cmd_failf(o, GPF_ENOTHING,
                     "%s: the model predicts nothing: no node has a row for each of N samples",
                     o->args[0]);
}

/* The data with categories that the target is or is made of. */
static gpf_node find_labels(const gpf_model *m, const gpf_graph *g, gpf_node target)
{
    gpf_node node = target;
    int n = 1;
    while (n == 1 && !gpf_node_is_data(g, node)) { /* one_hot(label) */
        const gpf_node *x = gpf_node_inputs(g, node, &n);
        node = n == 1 ? x[0] : node;
    }
    return gpf_model_category(m, node, 0) ? node : GPF_NONE;
}

static int choose(const cmd *o, prediction *p)
{
    gpf_model *m = p->model;
    const gpf_graph *g = gpf_model_graph(m);
    const gpf_task task = gpf_model_task(m);
    char label[64], text[64];
    int status = o->of ? cmd_output(o, m, &p->node, &p->name) : 0;
    if (status)
        return status;
    if (!o->of) {
        p->node = task.prediction;
        if (p->node == GPF_NONE)
            return tell_candidates(o, m);
        p->name = gpf_node_name(g, p->node);
    }
    p->name = p->name ? p->name : "prediction";
    if (!has_samples(g, p->node))
        return cmd_failf(o, GPF_ESHAPE,
                         "%s: %s is %s; a prediction has a row for each of N samples, which data "
                         "declared as X[N,..] or read from a file have",
                         o->args[0], gpf_node_label(g, p->node, label, sizeof label),
                         gpf_shape_text(gpf_node_shape(g, p->node), text, sizeof text));
    p->labels = GPF_NONE;
    if (p->node == task.prediction) {
        p->decision = task.decision;
        if (task.target != GPF_NONE)
            p->labels = find_labels(m, g, task.target);
    }
    return 0;
}

static int run(const cmd *o, prediction *p)
{
    cmd_values v = { 0 };
    gpf_diag why = { 0 };
    int status = cmd_values_run(o, p->model, &p->node, 1, &v);
    if (status)
        return status;
    p->rows = gpf_point_batch(gpf_model_point(p->model));
    p->cols = p->rows ? gpf_plan_output_size(v.plan, 0) / p->rows : 0;
    p->values = gpf_workspace_output(v.ws, 0);
    if (!o->out)
        put_table(p, stdout); /* main tells of write errors */
    else if ((status = gpf_file_replace(o->out, put_table, p, &why)))
        status = cmd_fail_status(o, status, &why);
    cmd_values_free(&v);
    return status;
}

int cmd_predict(const cmd *o)
{
    prediction p = { .model = cmd_model(o) };
    int status = p.model ? choose(o, &p) : GPF_OUTCOME_TROUBLE;
    if (!status)
        status = run(o, &p);
    gpf_model_free(p.model);
    return status;
}
