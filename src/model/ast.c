/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/ast.h"

#include <string.h>

void gpf__parser_leave(gpf__parser *p, int status)
{
    longjmp(p->out, status);
}

void *gpf__parser_alloc(gpf__parser *p, size_t size)
{
    void *m = gpf__arena_alloc(p->arena, size);
    if (!m)
        gpf__parser_leave(p, GSL_ENOMEM);
    return m;
}

char *gpf__parser_strndup(gpf__parser *p, const char *s, size_t n)
{
    char *copy = gpf__arena_strndup(p->arena, s, n);
    if (!copy)
        gpf__parser_leave(p, GSL_ENOMEM);
    return copy;
}

gpf__place gpf__span(gpf__place from, gpf__place to)
{
    return (gpf__place){ from.from, to.to > from.to ? to.to : from.to, from.line };
}

gpf__ast *gpf__ast_new(gpf__parser *p, enum gpf__ast_kind kind, gpf__place at)
{
    gpf__ast *a = gpf__parser_alloc(p, sizeof *a);
    a->kind = kind;
    a->at = a->whole = at;
    a->depth = 1;
    return a;
}

gpf__ast *gpf__ast_text(gpf__parser *p, enum gpf__ast_kind kind, gpf__place at, const char *text)
{
    gpf__ast *a = gpf__ast_new(p, kind, at);
    a->text = text;
    return a;
}

static void deepen(gpf__parser *p, gpf__ast *parent, const gpf__ast *child)
{
    if (child->depth < parent->depth)
        return;
    parent->depth = child->depth + 1;
    if (parent->depth > GPF__MAX_DEPTH)
        gpf__parser_leave(p, gpf__report(p->source, parent->at, GPF_ELIMIT,
                                         "expression has more than %d levels; give parts of it "
                                         "names of their own",
                                         GPF__MAX_DEPTH));
}

gpf__ast *gpf__ast_add(gpf__parser *p, gpf__ast *parent, gpf__ast *child)
{
    deepen(p, parent, child);
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->n++;
    return parent;
}

gpf__ast *gpf__ast_call(gpf__parser *p, const char *name, gpf__place at, gpf__ast *a, gpf__ast *b)
{
    gpf__ast *call = gpf__ast_text(p, GPF__CALL, at, name);
    gpf__ast_add(p, call, a);
    if (b)
        gpf__ast_add(p, call, b);
    const gpf__place first = a->whole.from < at.from ? a->whole : at;
    const gpf__place last = b ? b->whole : a->whole.to > at.to ? a->whole : at;
    call->whole = gpf__span(first, last);
    return call;
}

gpf__ast *gpf__ast_range(gpf__parser *p, gpf__place at, gpf__ast *from, gpf__ast *to)
{
    gpf__ast *range = gpf__ast_new(p, GPF__RANGE, at);
    range->from = from;
    range->to = to;
    if (from)
        deepen(p, range, from);
    if (to)
        deepen(p, range, to);
    return range;
}

gpf__ast *gpf__ast_element(gpf__parser *p, gpf__ast *matrix, double value, gpf__ast *expression,
                           gpf__place at, bool separated)
{
    /* [1-2], [1.5.2], and rows laid out by line ends would read as something else than they look
     * like. matrix->at is the place of the element before. */
    const char *wrong = NULL;
    if (matrix->n_values && !separated && matrix->at.to == at.from)
        wrong = "separate elements by blanks or commas; a computed element stands in parentheses";
    else if (matrix->n_values && !separated && matrix->at.line != at.line)
        wrong = "a literal goes on in a new line after ',' (same row) or ';' (next row)";
    if (wrong && !matrix->bad) {
        gpf__report(p->source, at, GPF_ESYNTAX, "%s", wrong);
        matrix->bad = true;
    }
    if (matrix->n_values == matrix->cap) {
        const size_t cap = matrix->cap ? 2 * matrix->cap : 8;
        double *values = gpf__parser_alloc(p, cap * sizeof *values);
        if (matrix->n_values)
            memcpy(values, matrix->values, matrix->n_values * sizeof *values);
        matrix->values = values;
        matrix->cap = cap;
    }
    if (expression) {
        expression->index = matrix->n_values;
        gpf__ast_add(p, matrix, expression);
    }
    matrix->values[matrix->n_values++] = value;
    matrix->at = at;
    return matrix;
}

gpf__ast *gpf__ast_end_row(gpf__parser *p, gpf__ast *matrix, gpf__place at)
{
    const size_t n = matrix->n_values - matrix->row_from;
    matrix->row_from = matrix->n_values;
    if (matrix->rows == 0)
        matrix->cols = n;
    if (n != matrix->cols && !matrix->bad) {
        gpf__report(p->source, at, GPF_ESHAPE, "row %zu has %zu element%s but row 1 has %zu",
                    matrix->rows + 1, n, n == 1 ? "" : "s", matrix->cols);
        matrix->bad = true;
    }
    matrix->rows++;
    return matrix;
}

gpf__statement *gpf__ast_statement(gpf__parser *p, enum gpf__statement_kind kind, gpf__place at,
                                   gpf__place whole)
{
    gpf__statement *s = gpf__parser_alloc(p, sizeof *s);
    s->kind = kind;
    s->at = at;
    s->whole = whole;
    if (p->last)
        p->last->next = s;
    else
        p->first = s;
    p->last = s;
    return s;
}
