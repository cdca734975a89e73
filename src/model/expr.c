/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Expressions of the text become nodes of the graph. */
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_USES = 1024 };

/* A function that builds a node, from whichever list it comes. */
typedef struct function {
    const char *name;
    int arity;
    const gpf_op *op; /* or */
    const gpf_fn *fn;
    const gpf_op_param *params;
} function;

static gpf_node report(gpf_model *m, gpf__place at, int status, const char *format, ...)
    GPF_PRINTF(4, 5);

static gpf_node report(gpf_model *m, gpf__place at, int status, const char *format, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, format);
    gpf__vformat(text, sizeof text, format, ap);
    va_end(ap);
    gpf__report(&m->source, at, status, "%s", text);
    return GPF_POISON;
}

/* The node, or the graph's complaint with its place in the text. */
static gpf_node result(gpf_model *m, gpf__place at, gpf_node node)
{
    return gpf__report_graph(m, at) ? GPF_POISON : node;
}

static char *shape_text(gpf_model *m, gpf_node n, char *buf, size_t size)
{
    return gpf_shape_text(gpf_node_shape(m->g, n), buf, size);
}

static bool add_use(gpf_model *m, size_t use, gpf__place at)
{
    for (size_t i = 0; i < m->n_current; i++)
        if (m->current[i] == use)
            return true;
    if (m->n_current == MAX_USES) {
        report(m, at, GPF_ELIMIT, "more than %d gradients in one expression", MAX_USES);
        return false;
    }
    if (gpf__grow(&m->current, &m->current_cap, m->n_current + 1, sizeof *m->current)) {
        gpf__report_nomem(&m->source);
        return false;
    }
    m->current[m->n_current++] = use;
    return true;
}

/* All functions by index: ops, then composed ones. */
static bool function_at(size_t i, function *f)
{
    const gpf_op *op = gpf_op_at(i);
    if (op) {
        *f = (function){ op->name, op->arity, op, NULL, op->params };
        return true;
    }
    size_t n_ops = 0;
    while (gpf_op_at(n_ops))
        n_ops++;
    const gpf_fn *fn = gpf_fn_at(i - n_ops);
    if (fn)
        *f = (function){ fn->name, fn->arity, NULL, fn, fn->params };
    return fn != NULL;
}

static bool find_function(const char *name, int arity, function *f)
{
    const gpf_op *op = gpf_op_find(name, arity);
    const gpf_fn *fn = op ? NULL : gpf_fn_find(name, arity);
    if (op)
        *f = (function){ op->name, op->arity, op, NULL, op->params };
    else if (fn)
        *f = (function){ fn->name, fn->arity, NULL, fn, fn->params };
    return op || fn;
}

static gpf_node call_function(gpf_model *m, const function *f, gpf__place at, const gpf_node *x,
                              int n_x, const gpf_attr *attr)
{
    return result(m, at,
                  f->op ? gpf_apply(m->g, f->op, x, n_x, attr) : f->fn->build(m->g, x, attr));
}

gpf_node gpf__activation(gpf_model *m, const char *name, gpf__place at, gpf_node x)
{
    function f;
    if (!find_function(name, 1, &f)) {
        gpf__suggestion similar = { .wanted = name };
        char hint[100];
        for (size_t i = 0; function_at(i, &f); i++)
            if (f.arity == 1)
                gpf__suggest(&similar, f.name);
        return report(m, at, GPF_ENAME, "there is no activation '%s'%s", name,
                      gpf__suggestion_text(&similar, hint, sizeof hint));
    }
    const gpf_attr attr = gpf_attr_default(f.params);
    return call_function(m, &f, at, &x, 1, &attr);
}

int gpf__number(gpf_model *m, const gpf__ast *a, const char *what, double *value)
{
    const gpf_node n = gpf__expr(m, a);
    if (n == GPF_POISON)
        return GPF_EDATA;
    char text[64];
    if (gpf_node_shape(m->g, n).rank == 0 && gpf_node_is_const(m->g, n, value))
        return isfinite(*value) ? GSL_SUCCESS
                                : gpf__report(&m->source, a->whole, GPF_EDATA,
                                              "%s: expected a finite number, not %s", what,
                                              isnan(*value) ? "nan"
                                              : *value > 0  ? "inf"
                                                            : "-inf");
    return gpf__report(&m->source, a->whole, GPF_EDATA,
                       "%s: expected a number that is known here, not an expression of shape %s",
                       what, shape_text(m, n, text, sizeof text));
}

int gpf__integer(gpf_model *m, const gpf__ast *a, const char *what, ptrdiff_t lo, ptrdiff_t hi,
                 ptrdiff_t *value)
{
    double v;
    const int status = gpf__number(m, a, what, &v);
    if (status)
        return status;
    if (!(v == floor(v) && v >= (double)lo && v <= (double)hi))
        return gpf__report(&m->source, a->whole, GPF_EDATA,
                           "%s: expected a whole number from %td to %td, not %.10g", what, lo, hi,
                           v);
    *value = (ptrdiff_t)v;
    return GSL_SUCCESS;
}

int gpf__literal(gpf_model *m, const gpf__ast *a, double *values)
{
    if (a->bad)
        return GPF_ESYNTAX;
    memcpy(values, a->values, a->n_values * sizeof *values);
    int status = GSL_SUCCESS;
    for (const gpf__ast *e = a->first; e && !status; e = e->next)
        status = gpf__number(m, e, "element", &values[e->index]);
    return status;
}

int gpf__shape(gpf_model *m, const gpf__ast *first, bool allow_n, gpf_shape *shape)
{
    *shape = gpf_shape0();
    for (const gpf__ast *a = first; a; a = a->next) {
        if (shape->rank == GPF_MAX_RANK)
            return gpf__report(&m->source, a->whole, GPF_ESHAPE, "a shape has at most %d sizes",
                               GPF_MAX_RANK);
        ptrdiff_t *d = &shape->dim[shape->rank];
        if (a->kind == GPF__NAME && !strcmp(a->text, "N")) {
            if (!allow_n || shape->rank > 0)
                return gpf__report(&m->source, a->at, GPF_ESHAPE,
                                   "N, the number of samples, can only be the first size of data");
            *d = GPF_N;
        } else {
            const int status = gpf__integer(m, a, "size", 1, INT32_MAX, d);
            if (status)
                return status;
        }
        shape->rank++;
    }
    return GSL_SUCCESS;
}

static gpf_node matrix(gpf_model *m, const gpf__ast *a)
{
    double *v;
    if (a->bad || gpf__reserve(m, a->whole, "literal", a->rows, a->cols, &v) ||
        gpf__literal(m, a, v))
        return GPF_POISON;
    const gpf_shape s = gpf_shape2((ptrdiff_t)a->rows, (ptrdiff_t)a->cols);
    return result(m, a->whole, gpf_const_tensor(m->g, s, v));
}

static gpf_node unknown_name(gpf_model *m, const gpf__ast *a)
{
    gpf__suggestion similar = { .wanted = a->text };
    char hint[100];
    function f;
    if (find_function(a->text, GPF_VARIADIC, &f))
        return report(m, a->at, GPF_ENAME, "'%s' is a function: write %s(x)", a->text, a->text);
    for (size_t i = 0; i < m->n_symbols && m->source.n_why < m->source.max_why; i++)
        if (m->symbol[i]->assigned)
            gpf__suggest(&similar, m->symbol[i]->name);
    gpf__symbol_get(m, a->text); /* known as poison from now on: one message is enough */
    return report(m, a->at, GPF_ENAME, "'%s' has no meaning so far%s", a->text,
                  gpf__suggestion_text(&similar, hint, sizeof hint));
}

/* The learning rate of the settings: a number that formulas of a step use. */
static gpf_node learning_rate(gpf_model *m, const gpf__ast *a)
{
    m->rate_value = gpf__arena_alloc(&m->arena, sizeof *m->rate_value);
    if (!m->rate_value) {
        gpf__report_nomem(&m->source);
        return GPF_POISON;
    }
    const gpf_node node = gpf_data(m->g, a->text, gpf_shape0());
    const size_t n_current = m->n_current;
    m->n_current = 0; /* the gradients it stands beside are not part of it */
    const bool ok = !gpf__report_graph(m, a->at) && !gpf__remember_leaf(m, node, m->rate_value) &&
                    !gpf__symbol_assign(m, a->text, a->at, node);
    m->n_current = n_current;
    m->rate = ok ? node : GPF_POISON;
    return m->rate;
}

static gpf_node name(gpf_model *m, const gpf__ast *a)
{
    if (!strcmp(a->text, "pi"))
        return result(m, a->at, gpf_const(m->g, 3.14159265358979323846));
    if (!strcmp(a->text, "N")) {
        if (m->n_samples == 0)
            return report(m, a->at, GPF_ENAME, "N is not known: no data has N rows so far");
        return result(m, a->at, gpf_size(m->g, m->samples_node, 1));
    }
    const gpf__symbol *s = gpf__symbol_find(m, a->text);
    if (!s && !m->own_rate && !m->point && !strcmp(a->text, "rate"))
        return learning_rate(m, a);
    if (!s)
        return unknown_name(m, a);
    for (size_t i = 0; i < s->n_uses; i++)
        if (!add_use(m, s->uses[i], a->at))
            return GPF_POISON;
    return s->node;
}

/* start and size of one index along an axis of size d. An integer keeps its axis, with size 1, so
 * that X[:,0] (Nx1) lines up with the rest in broadcasting. */
static int index_range(gpf_model *m, const gpf__ast *a, int axis, ptrdiff_t d, const char *of,
                       ptrdiff_t *start, ptrdiff_t *size)
{
    const bool range = a->kind == GPF__RANGE;
    if (range && !a->from && !a->to) {
        *start = 0;
        *size = d;
        return GSL_SUCCESS;
    }
    if (d == GPF_N)
        return gpf__report(&m->source, a->whole, GPF_ESHAPE,
                           "axis %d of %s is N, the samples: only ':' is possible there", axis, of);
    char what[120];
    gpf__format(what, sizeof what, "axis %d of %s has size %td", axis, of, d);
    ptrdiff_t from = 0, to = d;
    int status = GSL_SUCCESS;
    if (!range)
        status = gpf__integer(m, a, what, -d, d - 1, &from);
    if (range && a->from)
        status = gpf__integer(m, a->from, what, -d, d - 1, &from);
    if (range && a->to && !status)
        status = gpf__integer(m, a->to, what, -d, d, &to);
    if (status)
        return status;
    from += from < 0 ? d : 0;
    to = !range ? from + 1 : to < 0 ? to + d : to;
    if (from >= to)
        return gpf__report(&m->source, a->whole, GPF_ESHAPE, "%s: %td:%td is empty", what, from,
                           to);
    *start = from;
    *size = to - from;
    return GSL_SUCCESS;
}

static gpf_node slice(gpf_model *m, const gpf__ast *a)
{
    const gpf_node x = gpf__expr(m, a->first);
    if (x == GPF_POISON)
        return x;
    const gpf_shape s = gpf_node_shape(m->g, x);
    char text[64], label[64];
    gpf_node_label(m->g, x, label, sizeof label);
    if (a->n - 1 > (size_t)s.rank)
        return report(m, a->at, GPF_ESHAPE, "%s is %s but has %zu indices here", label,
                      gpf_shape_text(s, text, sizeof text), a->n - 1);
    ptrdiff_t start[GPF_MAX_RANK] = { 0 }, size[GPF_MAX_RANK];
    memcpy(size, s.dim, sizeof size);
    int axis = 0;
    for (const gpf__ast *i = a->first->next; i; i = i->next, axis++)
        if (index_range(m, i, axis, s.dim[axis], label, &start[axis], &size[axis]))
            return GPF_POISON;
    return result(m, a->at, gpf_slice(m->g, x, start, size));
}

/* Values of parameters, one function per kind. k is that slot of the attributes and what follows;
 * x the first input. Each takes one argument, SHAPE all that are left. */
static int axis_value(gpf_model *m, const gpf__ast *a, gpf_node x, ptrdiff_t *k)
{
    const ptrdiff_t rank = gpf_node_shape(m->g, x).rank;
    char what[100], label[64];
    gpf__format(what, sizeof what, "%s has %td axes", gpf_node_label(m->g, x, label, sizeof label),
                rank);
    ptrdiff_t axis = 0;
    const int status = gpf__integer(m, a, what, -rank, rank - 1, &axis);
    if (status)
        return status;
    const ptrdiff_t bit = (ptrdiff_t)1 << (axis < 0 ? axis + rank : axis);
    *k = *k == GPF_ALL_AXES ? bit : *k | bit; /* repeated: both axes */
    return GSL_SUCCESS;
}

static int reduction_value(gpf_model *m, const gpf__ast *a, ptrdiff_t *k)
{
    static const char *const names[] = {
        [GPF_MEAN] = "mean", [GPF_SUM] = "sum", [GPF_HALF_SUM] = "half_sum"
    };
    for (ptrdiff_t i = 0; a->kind == GPF__NAME && i < 3; i++)
        if (!strcmp(a->text, names[i])) {
            *k = i;
            return GSL_SUCCESS;
        }
    return gpf__report(&m->source, a->whole, GPF_ENAME, "reduction is mean, sum or half_sum");
}

static int set_param(gpf_model *m, const gpf_op_param *p, const gpf__ast *a, gpf_node x,
                     gpf_attr *attr)
{
    switch (p->kind) {
    case GPF_REAL:
        return gpf__number(m, a, p->name, &attr->p[p->slot]);
    case GPF_INTEGER:
        return gpf__integer(m, a, p->name, INT32_MIN, INT32_MAX, &attr->k[p->slot]);
    case GPF_AXES:
        return axis_value(m, a, x, &attr->k[p->slot]);
    case GPF_REDUCTION:
        return reduction_value(m, a, &attr->k[p->slot]);
    case GPF_SHAPE:
    case GPF_RANGE:
        break;
    }
    return gpf__report(&m->source, a->at, GPF_ESYNTAX, "%s cannot be given by name", p->name);
}

/* Sizes given one by one: reshape(x, 2, 3); N stands for itself. */
static int set_shape(gpf_model *m, const gpf_op_param *p, const gpf__ast *first, gpf_attr *attr)
{
    gpf_shape shape;
    const int status = gpf__shape(m, first, true, &shape);
    if (status)
        return status;
    attr->k[p->slot] = shape.rank;
    for (int i = 0; i < shape.rank; i++)
        attr->k[p->slot + 1 + i] = shape.dim[i];
    return GSL_SUCCESS;
}

static int unknown_param(gpf_model *m, const function *f, const gpf__ast *a)
{
    char list[200] = "";
    for (const gpf_op_param *p = f->params; p && p->name; p++)
        gpf__append(list, sizeof list, "%s%s", p == f->params ? "; it has " : ", ", p->name);
    return gpf__report(&m->source, a->at, GPF_ENAME, "%s has no parameter '%s'%s", f->name, a->key,
                       list);
}

/* Arguments after the nodes fill the parameters: positional ones in order, others by name. */
static int set_params(gpf_model *m, const function *f, const gpf__ast *rest, gpf_node x,
                      gpf_attr *attr)
{
    const gpf_op_param *next = f->params;
    unsigned given = 0;
    for (const gpf__ast *a = rest; a; a = a->next) {
        if (!a->key && next && next->name && next->kind == GPF_SHAPE)
            return set_shape(m, next, a, attr);
        const gpf_op_param *p = a->key ? f->params : next;
        while (a->key && p && p->name && strcmp(p->name, a->key))
            p++;
        if (!p || !p->name)
            return unknown_param(m, f, a);
        const unsigned bit = 1u << (p - f->params);
        if (given & bit && p->kind != GPF_AXES)
            return gpf__report(&m->source, a->at, GPF_ENAME, "%s: %s is given twice", f->name,
                               p->name);
        const int status = set_param(m, p, a, x, attr);
        if (status)
            return status;
        given |= bit;
        next += !a->key;
    }
    return GSL_SUCCESS;
}

static size_t n_params(const gpf_op_param *p)
{
    size_t n = 0;
    for (; p && p->name; p++)
        n += p->kind == GPF_SHAPE ? GPF_MAX_RANK : 1;
    return n;
}

static gpf_node unknown_function(gpf_model *m, const gpf__ast *a, size_t given);

/* The most inputs for which the rest fits the parameters: max(a, b) has two, max(a, axis=0) and
 * leaky_relu(a, 0.1) one. */
static bool choose_function(const gpf__ast *a, size_t positional, function *f)
{
    for (size_t n = positional; n > 0; n--)
        if (n <= INT32_MAX && find_function(a->text, (int)n, f) &&
            positional - n <= n_params(f->params) && !(f->params && f->params->kind == GPF_RANGE))
            return true;
    return false;
}

static void note_loss(gpf_model *m, const function *f, const gpf_attr *attr, gpf_node x, gpf_node y)
{
    static const char *const names[] = { "mean", "sum", "half_sum" };
    for (const gpf_op_param *p = f->params; p && p->name; p++) {
        if (p->kind != GPF_REDUCTION)
            continue;
        if (gpf__grow(&m->note, &m->note_cap, m->n_notes + 1, sizeof *m->note))
            gpf__report_nomem(&m->source);
        else
            m->note[m->n_notes++] =
                (gpf__note){ f->name, names[attr->k[p->slot]], gpf_node_shape(m->g, x), y };
    }
}

static gpf_node plain_call(gpf_model *m, const gpf__ast *a)
{
    size_t positional = 0;
    for (const gpf__ast *c = a->first; c && !c->key; c = c->next)
        positional++;
    function f;
    if (!choose_function(a, positional, &f))
        return unknown_function(m, a, positional);
    const size_t n_x = f.arity == GPF_VARIADIC ? positional : (size_t)f.arity;
    gpf_node few[3], *x = n_x <= 3 ? few : gpf__arena_alloc(&m->arena, n_x * sizeof *x);
    if (!x) {
        gpf__report_nomem(&m->source);
        return GPF_POISON;
    }
    const gpf__ast *c = a->first;
    bool poison = false;
    for (size_t i = 0; i < n_x; i++, c = c->next) {
        x[i] = gpf__expr(m, c);
        poison = poison || x[i] == GPF_POISON;
    }
    gpf_attr attr = gpf_attr_default(f.params);
    if (poison || set_params(m, &f, c, x[0], &attr))
        return GPF_POISON;
    if (!strcmp(f.name, "clip") && attr.p[0] > attr.p[1])
        return report(m, a->at, GPF_EDATA, "clip: lo = %.10g is larger than hi = %.10g", attr.p[0],
                      attr.p[1]);
    const gpf_node y = call_function(m, &f, a->at, x, (int)n_x, &attr);
    if (y != GPF_POISON && n_x == 2)
        gpf__loss_call(m, f.name, y, x);
    if (y != GPF_POISON)
        note_loss(m, &f, &attr, x[0], y);
    return y;
}

/* grad(f, x) and jacobian(f, x): both nodes, neither poison. */
static bool two_nodes(gpf_model *m, const gpf__ast *a, gpf_node *f, gpf_node *x)
{
    if (a->n != 2 || a->first->key || a->last->key) {
        report(m, a->at, GPF_ESYNTAX,
               "%s takes two arguments: %s(f, x) is the derivative of f by x", a->text, a->text);
        return false;
    }
    *f = gpf__expr(m, a->first);
    *x = gpf__expr(m, a->last);
    return *f != GPF_POISON && *x != GPF_POISON;
}

static gpf_node use(gpf_model *m, const gpf__ast *a, gpf_claim_use u)
{
    if (gpf__grow(&m->use, &m->use_cap, m->n_uses + 1, sizeof *m->use)) {
        gpf__report_nomem(&m->source);
        return GPF_POISON;
    }
    m->use[m->n_uses++] = u;
    return add_use(m, m->n_uses - 1, a->at) ? u.grad : GPF_POISON;
}

static bool is_leaf(const gpf_model *m, gpf_node n)
{
    return gpf_node_is_param(m->g, n) || gpf_node_is_data(m->g, n);
}

/* Is x among what f is computed from? -1: no memory. Inputs are older than what is made of them. */
static int is_built_from(const gpf_model *m, gpf_node f, gpf_node x)
{
    if (x >= f)
        return x == f;
    bool *on_path = calloc((size_t)(f - x) + 1, sizeof *on_path);
    if (!on_path)
        return -1;
    on_path[0] = true;
    for (gpf_node n = x + 1; n <= f; n++) {
        int n_x = 0;
        const gpf_node *input = gpf_node_inputs(m->g, n, &n_x);
        for (int i = 0; i < n_x; i++)
            on_path[n - x] |= input[i] >= x && on_path[input[i] - x];
    }
    const bool found = on_path[f - x];
    free(on_path);
    return found;
}

/* Where f does not depend on x: zeros, unless asking for them must be a slip. */
static gpf_node no_dependence(gpf_model *m, const gpf__ast *a, gpf_node f, gpf_node x)
{
    /* gradients are simplified, so that a node they are made of may have vanished */
    const int built = is_leaf(m, x) || m->n_current ? 1 : is_built_from(m, f, x);
    char label[64], of[64];
    if (built < 0) {
        gpf__report_nomem(&m->source);
        return GPF_POISON;
    }
    if (!built)
        return report(m, a->last->whole, GPF_ENOGRAD, "grad: %s was not built from %s",
                      gpf_node_label(m->g, f, label, sizeof label),
                      gpf_node_label(m->g, x, of, sizeof of));
    return result(m, a->at, gpf_broadcast(m->g, gpf_const(m->g, 0), gpf_node_shape(m->g, x)));
}

static gpf_node grad(gpf_model *m, const gpf__ast *a)
{
    gpf_node f, x, d;
    if (!two_nodes(m, a, &f, &x))
        return GPF_POISON;
    const gpf_shape s = gpf_node_shape(m->g, f);
    if (gpf_shape_size(s, 2) != 1) { /* also if its size is N */
        char label[64], text[64];
        return report(m, a->at, GPF_ESHAPE,
                      "grad: %s is %s, but only one number has a gradient; take sum(..) of it, or "
                      "jacobian",
                      gpf_node_label(m->g, f, label, sizeof label),
                      gpf_shape_text(s, text, sizeof text));
    }
    int n_x = 0;
    gpf_node_inputs(m->g, x, &n_x);
    if (!n_x && !is_leaf(m, x))
        return report(m, a->last->whole, GPF_ENOGRAD,
                      "grad: a constant has no gradient; the second argument is a param, data or "
                      "what is computed from them");
    gpf_grad(m->g, f, &x, 1, &d);
    if (gpf__report_graph(m, a->at))
        return GPF_POISON;
    if (d == GPF_NONE)
        d = no_dependence(m, a, f, x);
    return d == GPF_POISON ? d : use(m, a, (gpf_claim_use){ f, x, d, 0 });
}

static gpf_node jacobian(gpf_model *m, const gpf__ast *a)
{
    gpf_node f, x, d;
    if (!two_nodes(m, a, &f, &x))
        return GPF_POISON;
    /* every row is a gradient that starts from a tensor of f's size */
    const size_t rows = gpf_shape_size(gpf_node_shape(m->g, f), 1);
    if (gpf__charge(m, a->at, "jacobian", rows, rows))
        return GPF_POISON;
    gpf_jacobian(m->g, f, x, &d);
    if (gpf__report_graph(m, a->at))
        return GPF_POISON;
    return use(m, a, (gpf_claim_use){ f, x, d, 1 });
}

static gpf_node size(gpf_model *m, const gpf__ast *a)
{
    if (a->n < 1 || a->first->key)
        return report(m, a->at, GPF_ESYNTAX, "size takes a tensor: size(x) or size(x, axis=0)");
    const gpf_node x = gpf__expr(m, a->first);
    ptrdiff_t axes = GPF_ALL_AXES;
    if (x == GPF_POISON)
        return x;
    for (const gpf__ast *c = a->first->next; c; c = c->next) {
        if (c->key && strcmp(c->key, "axis"))
            return report(m, c->at, GPF_ENAME, "size has no parameter '%s'; it has axis", c->key);
        if (axis_value(m, c, x, &axes))
            return GPF_POISON;
    }
    return result(m, a->at, gpf_size(m->g, x, axes));
}

/* The number of classes may be left out where the labels' table knows it. */
static gpf_node one_hot(gpf_model *m, const gpf__ast *a)
{
    if (a->n != 1 || a->first->key)
        return plain_call(m, a);
    const gpf_node x = gpf__expr(m, a->first);
    if (x == GPF_POISON)
        return x;
    const gpf__symbol *s = a->first->kind == GPF__NAME ? gpf__symbol_find(m, a->first->text) : NULL;
    if (!s || !s->table.n_classes)
        return report(m, a->at, GPF_ESYNTAX,
                      "the number of classes is not known: write one_hot(labels, 3)");
    return result(m, a->at, gpf_one_hot(m->g, x, (ptrdiff_t)s->table.n_classes));
}

static gpf_node dense(gpf_model *m, const gpf__ast *a)
{
    return report(m, a->at, GPF_ESYNTAX,
                  "dense makes params named after it, so it stands alone: h1 = dense(X, 64, relu)");
}

static const struct special {
    const char *name;
    gpf_node (*build)(gpf_model *m, const gpf__ast *a);
} specials[] = { { "grad", grad },
                 { "jacobian", jacobian },
                 { "size", size },
                 { "one_hot", one_hot },
                 { "dense", dense } };
enum { N_SPECIALS = sizeof specials / sizeof *specials };

/* How many arguments the functions of this name take, as "1 or 2". */
static gpf_node unknown_function(gpf_model *m, const gpf__ast *a, size_t given)
{
    static const char *const of_data[] = { "csv", "standardize", "randint", "spirals" };
    gpf__suggestion similar = { .wanted = a->text };
    char hint[100], counts[100] = "";
    function f;
    for (size_t i = 0; function_at(i, &f); i++)
        gpf__suggest(&similar, f.name);
    for (int n = 1; n <= 3; n++)
        if (find_function(a->text, n, &f) && f.arity == n) {
            gpf__append(counts, sizeof counts, "%s%d", *counts ? " or " : "", n);
        }
    if (find_function(a->text, GPF_VARIADIC, &f) && f.params && f.params->kind == GPF_RANGE)
        return report(m, a->at, GPF_ESYNTAX, "%s cannot be called; parts of x are x[1:3, :]",
                      a->text);
    if (*counts)
        return report(m, a->at, GPF_ESYNTAX, "%s takes %s tensor%s, %zu argument%s given", a->text,
                      counts, strcmp(counts, "1") ? "s" : "", given, given == 1 ? " is" : "s are");
    if (find_function(a->text, GPF_VARIADIC, &f))
        return report(m, a->at, GPF_ESYNTAX, "%s takes at least one tensor", a->text);
    for (size_t i = 0; i < sizeof of_data / sizeof *of_data; i++)
        if (!strcmp(of_data[i], a->text))
            return report(m, a->at, GPF_ENAME, "%s makes a table: data X = %s(..)", a->text,
                          a->text);
    for (size_t i = 0; i < N_SPECIALS; i++)
        gpf__suggest(&similar, specials[i].name);
    return report(m, a->at, GPF_ENAME, "there is no function '%s'%s", a->text,
                  gpf__suggestion_text(&similar, hint, sizeof hint));
}

static gpf_node call(gpf_model *m, const gpf__ast *a)
{
    for (size_t i = 0; i < N_SPECIALS; i++)
        if (!strcmp(specials[i].name, a->text))
            return specials[i].build(m, a);
    return plain_call(m, a);
}

static gpf_node number(gpf_model *m, const gpf__ast *a)
{
    return result(m, a->at, gpf_const(m->g, a->number));
}

static gpf_node string(gpf_model *m, const gpf__ast *a)
{
    return report(m, a->at, GPF_ESYNTAX, "a string has no value here; it names files and columns");
}

static gpf_node range(gpf_model *m, const gpf__ast *a)
{
    return report(m, a->at, GPF_ESYNTAX, "':' stands only in the indices of a slice");
}

gpf_node gpf__expr(gpf_model *m, const gpf__ast *a)
{
    static gpf_node (*const build[])(gpf_model *, const gpf__ast *) = {
        [GPF__NUMBER] = number, [GPF__STRING] = string, [GPF__NAME] = name,    [GPF__CALL] = call,
        [GPF__SLICE] = slice,   [GPF__RANGE] = range,   [GPF__MATRIX] = matrix
    };
    return m->source.status ? GPF_POISON : build[a->kind](m, a);
}
