/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

/* A view of more elements than there are: a broadcast. */
static bool repeats(const gpf_graph *g, const gpf__node *n)
{
    return n->op->view && n->n_x == 1 &&
           gpf_shape_size(n->shape, 2) > gpf_shape_size(gpf__get(g, n->x[0])->shape, 2);
}

/* "tanh(z1)", "add(matmul(..), b)": two levels say enough to find the place. */
static void label(const gpf_graph *g, gpf_node id, int depth, char *buf, size_t size)
{
    const gpf__node *n = gpf__get(g, id);
    if (n->name) {
        gpf__append(buf, size, "%s", n->name);
    } else if (n->op == &gpf__op_const && !n->values) {
        gpf__append(buf, size, "%g", n->attr.p[0]);
    } else if (n->op == &gpf__op_const) {
        gpf__append(buf, size, "[..]");
    } else if (repeats(g, n)) {
        label(g, n->x[0], depth, buf, size); /* says nothing a reader wants to know */
    } else if (depth == 0 && n->n_x) {
        gpf__append(buf, size, "%s(..)", n->op->name);
    } else {
        gpf__append(buf, size, "%s(", n->op->name);
        for (int i = 0; i < n->n_x && i < 4; i++) {
            gpf__append(buf, size, i ? ", " : "");
            label(g, n->x[i], depth - 1, buf, size);
        }
        gpf__append(buf, size, n->n_x > 4 ? ", ..)" : ")");
    }
}

char *gpf_node_label(const gpf_graph *g, gpf_node n, char *buf, size_t size)
{
    if (size)
        buf[0] = 0;
    label(g, n, 1, buf, size);
    return buf;
}

/* Marks what y needs, all nodes for GPF_NONE; NULL without memory. */
static unsigned char *needed(const gpf_graph *g, gpf_node y)
{
    unsigned char *mark = gpf__needed(g, &y, 1);
    if (mark && y == GPF_NONE)
        memset(mark, 1, g->n);
    return mark;
}

static void input_text(const gpf_graph *g, gpf_node id, char *buf, size_t size)
{
    const gpf__node *n = gpf__get(g, id);
    if (n->name || (n->op == &gpf__op_const && !n->values))
        gpf_node_label(g, id, buf, size);
    else
        gpf__format(buf, size, "%%%d", id);
}

/* The row's parameters that differ from their defaults or have no obvious one: "axis=0". */
static void attr_text(const gpf__node *n, char *buf, size_t size)
{
    for (const gpf_op_param *p = n->op->params; p && p->name; p++) {
        for (int a = 0; p->kind == GPF_RANGE && a < n->shape.rank; a++)
            gpf__append(buf, size, "%s%td%s", a ? "," : ", from [", n->attr.k[a],
                        a + 1 == n->shape.rank ? "]" : "");
        if (p->kind == GPF_REAL && n->attr.p[p->slot] != p->value)
            gpf__append(buf, size, ", %s=%g", p->name, n->attr.p[p->slot]);
        else if (p->kind == GPF_INTEGER)
            gpf__append(buf, size, ", %s=%td", p->name, n->attr.k[p->slot]);
        else if (p->kind == GPF_AXES && n->attr.k[p->slot] != GPF_ALL_AXES)
            for (int a = 0; a < GPF_MAX_RANK; a++)
                if (n->attr.k[p->slot] >> a & 1)
                    gpf__append(buf, size, ", %s=%d", p->name, a);
    }
}

/* The notes of a node, each between `before` and `after`; quotes would end a label of Graphviz. */
static void put_notes(FILE *out, gpf_node n, gpf_graph_note note, void *arg, const char *before,
                      const char *after)
{
    char text[1024];
    for (size_t line = 0; note && note(arg, n, line, text, sizeof text); line++) {
        fputs(before, out);
        for (const char *c = text; *c; c++)
            putc(*c == '"' || *c == '\\' || (unsigned char)*c < ' ' ? ' ' : *c, out);
        fputs(after, out);
    }
}

int gpf_graph_print(const gpf_graph *g, gpf_node y, FILE *out)
{
    return gpf_graph_print_notes(g, y, out, NULL, NULL);
}

int gpf_graph_print_dot(const gpf_graph *g, gpf_node y, FILE *out)
{
    return gpf_graph_print_dot_notes(g, y, out, NULL, NULL);
}

int gpf_graph_print_notes(const gpf_graph *g, gpf_node y, FILE *out, gpf_graph_note note, void *arg)
{
    unsigned char *mark = needed(g, y);
    if (!mark)
        GSL_ERROR("no memory to print a graph", GSL_ENOMEM);
    for (size_t i = 1; i < g->n; i++) {
        const gpf__node *n = g->node[i];
        if (!mark[i] || (n->op == &gpf__op_const && !n->values))
            continue;
        char text[1024], shape[64];
        input_text(g, (gpf_node)i, text, sizeof text);
        gpf__append(text, sizeof text, " = %s", n->op->name);
        const size_t count = n->values ? gpf_shape_size(n->shape, 1) : 0;
        for (size_t k = 0; k < count && k < 4; k++)
            gpf__append(text, sizeof text, "%s%g%s", k ? " " : " [", n->values[k],
                        k + 1 == count ? "]"
                        : k == 3       ? " ..]"
                                       : "");
        if (n->n_x) {
            gpf__append(text, sizeof text, "(");
            for (int k = 0; k < n->n_x; k++) {
                char in[160];
                input_text(g, n->x[k], in, sizeof in);
                gpf__append(text, sizeof text, "%s%s", k ? ", " : "", in);
            }
            attr_text(n, text, sizeof text);
            gpf__append(text, sizeof text, ")");
        }
        fprintf(out, "%-48s %s\n", text, gpf_shape_text(n->shape, shape, sizeof shape));
        put_notes(out, (gpf_node)i, note, arg, "    ", "\n");
    }
    free(mark);
    return ferror(out) ? GSL_EFAILED : GSL_SUCCESS;
}

int gpf_graph_print_dot_notes(const gpf_graph *g, gpf_node y, FILE *out, gpf_graph_note note,
                              void *arg)
{
    unsigned char *mark = needed(g, y);
    if (!mark)
        GSL_ERROR("no memory to print a graph", GSL_ENOMEM);
    fputs("digraph gradproof {\n    rankdir=LR;\n    node [shape=box, fontname=\"monospace\"];\n",
          out);
    for (size_t i = 1; i < g->n; i++) {
        const gpf__node *n = g->node[i];
        if (!mark[i])
            continue;
        char name[160], shape[64];
        input_text(g, (gpf_node)i, name, sizeof name);
        fprintf(out, "    n%zu [label=\"%s\\n%s %s", i, name, n->op->name,
                gpf_shape_text(n->shape, shape, sizeof shape));
        put_notes(out, (gpf_node)i, note, arg, "\\n", "");
        fprintf(out, "\"%s];\n",
                n->op == &gpf__op_param  ? ", style=filled, fillcolor=\"#ffe8c0\""
                : n->op == &gpf__op_data ? ", style=filled, fillcolor=\"#d8e8ff\""
                                         : "");
        for (int k = 0; k < n->n_x; k++)
            fprintf(out, "    n%d -> n%zu;\n", n->x[k], i);
    }
    fputs("}\n", out);
    free(mark);
    return ferror(out) ? GSL_EFAILED : GSL_SUCCESS;
}
