/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Making a plan: which nodes, in which order, in which memory. */
#include "plan/plan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* State while a plan is made. */
typedef struct maker {
    const gpf_graph *g;
    gpf_plan *p;
    const gpf_node *targets;
    size_t n_targets;
    unsigned char *need; /* by node */
    gpf_node *twin;      /* by node */
    int *index;          /* by node: its value */
    size_t value_cap, step_cap, in_cap, n_consts, const_cap;
    int *last; /* by value: the last step that reads its memory; INT_MAX: keep */
} maker;

static bool is_target(const maker *m, gpf_node n)
{
    for (size_t i = 0; i < m->n_targets; i++)
        if (m->targets[i] == n)
            return true;
    return false;
}

static void mark_needed(maker *m, const gpf_node *outputs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        m->need[outputs[i]] = 1;
    for (size_t i = 0; i < m->n_targets; i++)
        m->need[m->targets[i]] = 1;
    for (gpf_node i = (gpf_node)m->g->n - 1; i >= 1; i--) {
        if (!m->need[i])
            continue;
        const gpf__node *node = gpf__get(m->g, i);
        m->twin[i] = gpf__stable_for(m->g, i, m->targets, m->n_targets);
        if (m->twin[i] != GPF_NONE)
            m->need[m->twin[i]] = 1;
        for (int k = 0; m->twin[i] == GPF_NONE && k < node->n_x; k++)
            m->need[node->x[k]] = 1;
    }
}

static gpf_tensor tensor_of(gpf_shape s, size_t N)
{
    gpf_tensor t = { .data = NULL, .rank = s.rank, .dim = { 1, 1, 1, 1 } };
    for (int a = 0; a < s.rank; a++)
        t.dim[a] = s.dim[a] == GPF_N ? N : (size_t)s.dim[a];
    gpf__tensor_dense(&t);
    return t;
}

/* Appends a value; its index, or -1 without memory. */
static int add_value(maker *m, gpf__value v)
{
    gpf_plan *p = m->p;
    if (gpf__grow(&p->value, &m->value_cap, (size_t)p->n_value + 1, sizeof *p->value))
        return -1;
    p->value[p->n_value] = v;
    return p->n_value++;
}

/* Makes value v the result of a step over the n values `in`. */
static int add_step(maker *m, int v, const gpf_op *op, const gpf_attr *attr, const int *in, int n)
{
    gpf_plan *p = m->p;
    if (gpf__grow(&p->step, &m->step_cap, (size_t)p->n_step + 1, sizeof *p->step) ||
        gpf__grow(&p->in, &m->in_cap, (size_t)p->n_in + (size_t)n, sizeof *p->in))
        return GSL_ENOMEM;
    p->step[p->n_step] = (gpf__step){ v, op, *attr, p->n_in, n };
    for (int i = 0; i < n; i++)
        p->in[p->n_in++] = in[i];
    if (n > p->max_in)
        p->max_in = n;
    p->value[v].step = p->n_step++;
    return GSL_SUCCESS;
}

static int add_leaf(maker *m, const gpf__node *node, gpf__value *v)
{
    if (node->op == &gpf__op_const) {
        const size_t n = gpf__tensor_size(&v->t);
        if (gpf__grow(&m->p->consts, &m->const_cap, m->n_consts + n, sizeof(double)))
            return GSL_ENOMEM;
        memcpy(m->p->consts + m->n_consts, node->values ? node->values : node->attr.p,
               n * sizeof(double));
        v->source = GPF__CONST;
        v->offset = (ptrdiff_t)m->n_consts;
        m->n_consts += n;
        return GSL_SUCCESS;
    }
    const bool data = node->op == &gpf__op_data;
    v->source = data ? GPF__DATA : GPF__PARAM;
    v->offset = (ptrdiff_t)node->leaf;
    const size_t end = data ? node->leaf + 1 : node->leaf + gpf__tensor_size(&v->t);
    size_t *least = data ? &m->p->n_data : &m->p->n_params;
    if (end > *least)
        *least = end;
    return GSL_SUCCESS;
}

/* Node i as a value: a leaf, a view, or a slot with the step that fills it. */
static int add_node(maker *m, gpf_node i)
{
    const gpf__node *node = gpf__get(m->g, i);
    gpf__value v = { .node = i, .of = -1, .step = -1, .t = tensor_of(node->shape, m->p->N) };
    if (gpf_shape_size(node->shape, m->p->N) == 0)
        return GPF_ELIMIT;
    const bool leaf =
        node->op == &gpf__op_const || node->op == &gpf__op_data || node->op == &gpf__op_param;
    gpf__value view = v;
    bool is_view = false;
    if (m->twin[i] != GPF_NONE) {
        view.of = m->index[m->twin[i]];
        view.t = m->p->value[view.of].t;
        is_view = true;
    } else if (leaf) {
        const int status = add_leaf(m, node, &v);
        if (status)
            return status;
        m->index[i] = add_value(m, v);
        return m->index[i] < 0 ? GSL_ENOMEM : GSL_SUCCESS;
    } else if (node->op->view) {
        view.of = m->index[node->x[0]];
        view.view = node->op;
        view.attr = node->attr;
        is_view = node->op->view(&view.t, &m->p->value[view.of].t, &node->attr, &view.offset);
    }
    view.source = GPF__VIEW;
    if (is_view && !is_target(m, i)) {
        m->index[i] = add_value(m, view);
        return m->index[i] < 0 ? GSL_ENOMEM : GSL_SUCCESS;
    }
    int helper = -1;
    if (is_view) { /* a target must have memory of its own: copy the view */
        view.node = GPF_NONE;
        helper = add_value(m, view);
        if (helper < 0)
            return GSL_ENOMEM;
    }
    v.source = GPF__SLOT;
    m->index[i] = add_value(m, v);
    if (m->index[i] < 0)
        return GSL_ENOMEM;
    if (is_view)
        return add_step(m, m->index[i], NULL, &node->attr, &helper, 1);
    int in[16], *xs = node->n_x <= 16 ? in : malloc((size_t)node->n_x * sizeof *xs);
    if (!xs)
        return GSL_ENOMEM;
    for (int k = 0; k < node->n_x; k++)
        xs[k] = m->index[node->x[k]];
    const gpf_op *op = node->op->map || node->op->eval ? node->op : NULL;
    const int status = add_step(m, m->index[i], op, &node->attr, xs, node->n_x);
    if (xs != in)
        free(xs);
    return status;
}

/* The value that owns the memory v looks into. */
static int root(const gpf_plan *p, int v)
{
    while (p->value[v].source == GPF__VIEW)
        v = p->value[v].of;
    return v;
}

/* Outputs get the front of the block, in the order asked for. A slot that is an output is computed
 * in place; everything else (leaves, views, repeats) is copied there. */
static int place_outputs(maker *m, const gpf_node *outputs, size_t n)
{
    gpf_plan *p = m->p;
    p->output = calloc(n + 1, sizeof *p->output);
    if (!p->output)
        return GSL_ENOMEM;
    p->n_output = n;
    for (size_t i = 0; i < n; i++) {
        gpf__output *o = &p->output[i];
        o->value = m->index[outputs[i]];
        gpf__value *v = &p->value[o->value];
        o->size = gpf__tensor_size(&v->t);
        o->offset = p->block;
        o->shape.rank = v->t.rank;
        for (int a = 0; a < GPF_MAX_RANK; a++)
            o->shape.dim[a] = (ptrdiff_t)v->t.dim[a];
        o->copy = v->source != GPF__SLOT || m->last[o->value] == INT32_MAX;
        if (!o->copy) {
            v->offset = (ptrdiff_t)o->offset;
            m->last[o->value] = INT32_MAX;
        }
        if (o->copy && m->last[root(p, o->value)] < p->n_step)
            m->last[root(p, o->value)] = p->n_step; /* alive until the copy */
        p->block += o->size;
    }
    p->block = (p->block + 7) & ~(size_t)7;
    return GSL_SUCCESS;
}

/* Free pieces of the block, by offset. */
typedef struct hole {
    size_t offset, size;
} hole;

typedef struct holes {
    hole *list;
    size_t n, cap;
} holes;

static size_t take(holes *h, size_t size, size_t *end)
{
    size_t best = h->n;
    for (size_t i = 0; i < h->n; i++)
        if (h->list[i].size >= size && (best == h->n || h->list[i].size < h->list[best].size))
            best = i;
    if (best == h->n) {
        *end += size;
        return *end - size;
    }
    const size_t offset = h->list[best].offset;
    h->list[best].offset += size;
    h->list[best].size -= size;
    if (h->list[best].size == 0)
        memmove(&h->list[best], &h->list[best + 1], (--h->n - best) * sizeof *h->list);
    return offset;
}

/* Merges hole i with hole i + 1 if they touch. */
static void merge(holes *h, size_t i)
{
    if (i + 1 >= h->n || h->list[i].offset + h->list[i].size != h->list[i + 1].offset)
        return;
    h->list[i].size += h->list[i + 1].size;
    memmove(&h->list[i + 1], &h->list[i + 2], (--h->n - i - 1) * sizeof *h->list);
}

static int give(holes *h, size_t offset, size_t size)
{
    if (gpf__grow(&h->list, &h->cap, h->n + 1, sizeof *h->list))
        return GSL_ENOMEM;
    size_t i = h->n++;
    for (; i > 0 && h->list[i - 1].offset > offset; i--)
        h->list[i] = h->list[i - 1];
    h->list[i] = (hole){ offset, size };
    merge(h, i);
    if (i > 0)
        merge(h, i - 1);
    return GSL_SUCCESS;
}

static size_t slot_size(const gpf__value *v)
{
    return (gpf__tensor_size(&v->t) + 7) & ~(size_t)7; /* whole cache lines */
}

/* Slots for the steps in order; one that nobody reads any more is used again. */
static int place_slots(maker *m, bool keep)
{
    gpf_plan *p = m->p;
    holes h = { NULL, 0, 0 };
    int status = GSL_SUCCESS;
    int *next = malloc(((size_t)p->n_value + (size_t)p->n_step + 1) * sizeof *next);
    if (!next)
        return GSL_ENOMEM;
    /* Values by the step after which they die, as linked lists. */
    int *head = next + p->n_value;
    for (int s = 0; s <= p->n_step; s++)
        head[s] = -1;
    for (int v = 0; v < p->n_value; v++)
        if (p->value[v].source == GPF__SLOT && m->last[v] <= p->n_step) {
            next[v] = head[m->last[v]];
            head[m->last[v]] = v;
        }
    for (int s = 0; s < p->n_step && status == GSL_SUCCESS; s++) {
        gpf__value *v = &p->value[p->step[s].value];
        if (m->last[p->step[s].value] != INT32_MAX)
            v->offset = (ptrdiff_t)take(&h, slot_size(v), &p->block);
        for (int dead = head[s]; !keep && dead >= 0 && status == GSL_SUCCESS; dead = next[dead])
            status = give(&h, (size_t)p->value[dead].offset, slot_size(&p->value[dead]));
    }
    free(h.list);
    free(next);
    return status;
}

/* Scratch: strips of an elementwise op's inputs, or packed inputs and what the op asks for. */
static size_t step_scratch(const maker *m, const gpf__step *s, const gpf_tensor **x)
{
    const gpf_plan *p = m->p;
    size_t n = 0;
    if (!s->op)
        return 0;
    for (int i = 0; i < s->n_in; i++) {
        x[i] = &p->value[p->in[s->first_in + i]].t;
        if (s->op->map)
            n += GPF__STRIP;
        else if (s->op->flags & GPF_OP_DENSE && !gpf__tensor_is_dense(x[i]))
            n += gpf__tensor_size(x[i]);
    }
    const gpf_call call = { &p->value[s->value].t, x, s->n_in, &s->attr, p->N, NULL };
    return n + (s->op->scratch ? s->op->scratch(&call) : 0);
}

static int find_lifetimes(maker *m)
{
    gpf_plan *p = m->p;
    m->last = malloc(((size_t)p->n_value + 1) * sizeof *m->last);
    const gpf_tensor **x = malloc(((size_t)p->max_in + 1) * sizeof *x);
    if (!m->last || !x) {
        free(x);
        return GSL_ENOMEM;
    }
    for (int v = 0; v < p->n_value; v++)
        m->last[v] = p->value[v].step < 0 ? 0 : p->value[v].step; /* unread: dies at birth */
    for (int s = 0; s < p->n_step; s++) {
        for (int i = 0; i < p->step[s].n_in; i++)
            m->last[root(p, p->in[p->step[s].first_in + i])] = s;
        const size_t scratch = step_scratch(m, &p->step[s], x);
        if (scratch > p->scratch)
            p->scratch = scratch;
    }
    free(x);
    return GSL_SUCCESS;
}

int gpf__plan_make(const gpf_graph *g, const gpf_node *outputs, size_t n, size_t N,
                   const gpf_node *targets, size_t n_targets, bool keep, gpf_plan **result)
{
    *result = NULL;
    if (g->error.status)
        return g->error.status;
    for (size_t i = 0; i < n + n_targets; i++) {
        const gpf_node node = i < n ? outputs[i] : targets[i - n];
        if (node <= GPF_POISON || (size_t)node >= g->n)
            return GSL_EINVAL;
    }
    maker m = { .g = g, .targets = targets, .n_targets = n_targets };
    m.p = calloc(1, sizeof *m.p);
    m.need = calloc(g->n, 1);
    m.twin = malloc(g->n * sizeof *m.twin);
    m.index = malloc(g->n * sizeof *m.index);
    int status = m.p && m.need && m.twin && m.index ? GSL_SUCCESS : GSL_ENOMEM;
    if (status == GSL_SUCCESS) {
        m.p->N = N;
        mark_needed(&m, outputs, n);
    }
    for (gpf_node i = 1; status == GSL_SUCCESS && i < (gpf_node)g->n; i++)
        if (m.need[i])
            status = add_node(&m, i);
    if (status == GSL_SUCCESS)
        status = find_lifetimes(&m);
    if (status == GSL_SUCCESS)
        status = place_outputs(&m, outputs, n);
    if (status == GSL_SUCCESS)
        status = place_slots(&m, keep);
    free(m.need);
    free(m.twin);
    free(m.index);
    free(m.last);
    /* A check has several plans' worth of values, and a system that promises more memory than it
     * has would kill the process in the middle of it. */
    enum { SHARE = 16 };
    if (status == GSL_SUCCESS &&
        m.p->block + m.p->scratch > gpf__machine_memory() / SHARE / sizeof(double))
        status = GPF_ELIMIT;
    if (status)
        gpf_plan_free(m.p);
    else
        *result = m.p;
    return status;
}

const char *gpf__plan_error(int status)
{
    return status == GPF_ELIMIT ? "a tensor has more than 2147483647 elements, or all values "
                                  "together take more than a sixteenth of this machine's memory"
                                : gpf_strerror(status);
}

gpf_plan *gpf_plan_alloc(const gpf_graph *g, const gpf_node *outputs, size_t n, size_t N)
{
    gpf_plan *p;
    const int status = gpf__plan_make(g, outputs, n, N, NULL, 0, false, &p);
    if (status)
        GSL_ERROR_NULL(gpf__plan_error(status), status);
    return p;
}

void gpf_plan_free(gpf_plan *p)
{
    if (!p)
        return;
    free(p->value);
    free(p->step);
    free(p->in);
    free(p->consts);
    free(p->output);
    free(p);
}

size_t gpf_plan_memory(const gpf_plan *p)
{
    return p->block + p->scratch;
}

size_t gpf_plan_steps(const gpf_plan *p)
{
    return (size_t)p->n_step;
}

size_t gpf_plan_output_size(const gpf_plan *p, size_t i)
{
    return i < p->n_output ? p->output[i].size : 0;
}

gpf_shape gpf_plan_output_shape(const gpf_plan *p, size_t i)
{
    return i < p->n_output ? p->output[i].shape : gpf_shape0();
}
