/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Making a plan: which nodes, in which order, in which layout. */
#include "plan/make.h"

#include <stdlib.h>
#include <string.h>

/* Data of at most so many columns is turned once a run, so that its columns are contiguous. */
enum { NARROW = 16 };

static void mark_needed(gpf__maker *m, const gpf_node *outputs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        m->need[outputs[i]] |= GPF__IS_OUTPUT;
    for (size_t i = 0; i < m->n_targets; i++)
        m->need[m->targets[i]] |= GPF__IS_TARGET;
    for (gpf_node i = (gpf_node)m->g->n - 1; i >= 1; i--) {
        if (!m->need[i])
            continue;
        const gpf__node *node = gpf__get(m->g, i);
        m->twin[i] = gpf__stable_for(m->g, i, m->targets, m->n_targets);
        if (m->twin[i] != GPF_NONE)
            m->need[m->twin[i]] |= GPF__IS_READ;
        for (int k = 0; m->twin[i] == GPF_NONE && k < node->n_x; k++)
            m->need[node->x[k]] |= GPF__IS_READ;
    }
}

/* Without a free N, samples are taken for as many as the longest table of data has rows. */
static void count_rows(gpf__maker *m)
{
    for (size_t i = 0; m->p->N == 0 && i < m->g->n_data; i++) {
        const gpf_shape s = gpf__get(m->g, m->g->data[i])->shape;
        if (s.rank == 2 && s.dim[0] > m->rows)
            m->rows = s.dim[0];
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

/* Are the rows of a matrix samples, and enough of them to work on a column at a time? */
static bool is_batch(const gpf__maker *m, gpf_shape s, const gpf_tensor *t)
{
    enum { ENOUGH = 8 };
    return s.rank == 2 && (s.dim[0] == GPF_N || (m->rows && s.dim[0] == m->rows)) &&
           t->dim[0] > 1 && t->dim[1] > 1 && (t->dim[0] >= ENOUGH || t->dim[0] >= t->dim[1]);
}

/* For a matrix whose elements both axes tell apart: 1 column-major, -1 row-major, else 0. */
static int order_of(const gpf_tensor *t)
{
    if (t->rank != 2 || t->dim[0] == 1 || t->dim[1] == 1 || !t->stride[0] || !t->stride[1])
        return 0;
    return t->stride[0] < t->stride[1] ? 1 : -1;
}

/* Is this data better read with its columns contiguous? */
static bool worth_turning(const gpf__maker *m, gpf_node i, const gpf_tensor *t)
{
    return m->need[i] & GPF__IS_READ && t->dim[1] <= NARROW &&
           is_batch(m, gpf__get(m->g, i)->shape, t);
}

/* Layout is the plan's: samples are the fast axis, so that layers of a few units still fill a
 * vector; elementwise results lie as their inputs do. Everything works with any layout: this only decides
 * how fast. What is an output has no say, so that its value has the same bits if it is none. */
static void choose_layout(const gpf__maker *m, gpf_node i, gpf_tensor *t)
{
    const gpf__node *node = gpf__get(m->g, i);
    const gpf_op *op = node->op;
    const bool able = op->map || (op->flags & GPF_OP_STRIDED && !op->branch);
    if (!able || t->rank != 2 || m->need[i] & GPF__IS_TARGET)
        return;
    int vote = 0, data = 0;
    for (int k = 0; k < node->n_x && (op->map || node->n_x == 1); k++) {
        const gpf__value *x = &m->p->value[m->index[node->x[k]]];
        if (memcmp(x->t.dim, t->dim, sizeof t->dim))
            continue;
        if (x->source != GPF__DATA)
            vote += order_of(&x->t);
        else if (worth_turning(m, node->x[k], &x->t))
            vote++; /* also where it is not turned: the layouts must be the same */
        else
            data += order_of(&x->t);
    }
    vote = vote ? vote : data;
    if (vote > 0 || (vote == 0 && is_batch(m, node->shape, t))) {
        t->stride[0] = 1;
        t->stride[1] = (ptrdiff_t)t->dim[0];
    }
}

/* Appends a value; its index, or -1 without memory. */
static int add_value(gpf__maker *m, gpf__value v)
{
    gpf_plan *p = m->p;
    if (gpf__grow(&p->value, &m->value_cap, (size_t)p->n_value + 1, sizeof *p->value))
        return -1;
    p->value[p->n_value] = v;
    return p->n_value++;
}

/* Appends the value of node i, by which others will find it. */
static int add_indexed(gpf__maker *m, gpf_node i, gpf__value v)
{
    m->index[i] = add_value(m, v);
    return m->index[i] < 0 ? GSL_ENOMEM : GSL_SUCCESS;
}

/* Makes value v the result of a step over the n values `in`. */
static int add_step(gpf__maker *m, int v, const gpf_op *op, const gpf_attr *attr, const int *in,
                    int n)
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

/* Room for n more constants: their offset in *at. */
static int add_consts(gpf__maker *m, size_t n, ptrdiff_t *at)
{
    if (gpf__grow(&m->p->consts, &m->const_cap, m->n_consts + n, sizeof(double)))
        return GSL_ENOMEM;
    *at = (ptrdiff_t)m->n_consts;
    m->n_consts += n;
    return GSL_SUCCESS;
}

/* A copy of the data behind value v, its columns contiguous, which everybody reads in its place. A
 * plan that keeps its values is one for changing them: there every copy would change too. */
static int turn_data(gpf__maker *m, gpf_node i, gpf__value v)
{
    int from = m->index[i];
    if (m->keep || !worth_turning(m, i, &v.t))
        return GSL_SUCCESS;
    const gpf_attr none = { .p = { 0 } };
    v.node = GPF_NONE;
    v.source = GPF__SLOT;
    v.offset = 0;
    v.t.stride[0] = 1;
    v.t.stride[1] = (ptrdiff_t)v.t.dim[0];
    const int status = add_indexed(m, i, v);
    return status ? status : add_step(m, m->index[i], NULL, &none, &from, 1);
}

static int add_leaf(gpf__maker *m, gpf_node i, gpf__value v)
{
    const gpf__node *node = gpf__get(m->g, i);
    if (node->op == &gpf__op_const) {
        const size_t n = gpf__tensor_size(&v.t);
        v.source = GPF__CONST;
        const int status = add_consts(m, n, &v.offset);
        if (status)
            return status;
        memcpy(m->p->consts + v.offset, node->values ? node->values : node->attr.p,
               n * sizeof(double));
        return add_indexed(m, i, v);
    }
    const bool data = node->op == &gpf__op_data;
    v.source = data ? GPF__DATA : GPF__PARAM;
    v.offset = (ptrdiff_t)node->leaf;
    const size_t end = data ? node->leaf + 1 : node->leaf + gpf__tensor_size(&v.t);
    size_t *least = data ? &m->p->n_data : &m->p->n_params;
    if (end > *least)
        *least = end;
    const int status = add_indexed(m, i, v);
    return status || !data ? status : turn_data(m, i, v);
}

int gpf__root(const gpf_plan *p, int v)
{
    while (p->value[v].source == GPF__VIEW)
        v = p->value[v].of;
    return v;
}

const double *gpf__one_constant(const gpf_plan *p, int v)
{
    const gpf_tensor *t = &p->value[v].t;
    ptrdiff_t offset = 0;
    for (int a = 0; a < t->rank; a++)
        if (t->dim[a] != 1 && t->stride[a] != 0)
            return NULL;
    for (; p->value[v].source == GPF__VIEW; v = p->value[v].of)
        offset += p->value[v].offset;
    return p->value[v].source == GPF__CONST ? p->consts + p->value[v].offset + offset : NULL;
}

/* What depends on constants alone (1/N) is computed now: an elementwise op on inputs of one value
 * each, or what has no inputs. *done: node i is a constant value. */
static int fold(gpf__maker *m, gpf_node i, gpf__value v, const int *in, bool *done)
{
    const gpf__node *node = gpf__get(m->g, i);
    gpf_plan *p = m->p;
    const double *x[3] = { NULL };
    *done = false;
    if (m->need[i] & GPF__IS_TARGET || gpf__piecewise(node->op))
        return GSL_SUCCESS;
    if (node->n_x == 0 ? !node->op->eval || node->op->scratch || v.t.rank != 0 : !node->op->map)
        return GSL_SUCCESS;
    for (int k = 0; k < node->n_x; k++)
        if (!(x[k] = gpf__one_constant(p, in[k])))
            return GSL_SUCCESS;
    double y = 0;
    if (node->n_x) {
        node->op->map(1, &y, x, &node->attr);
    } else {
        v.t.data = &y;
        node->op->eval(&(gpf_call){ &v.t, NULL, 0, &node->attr, p->N, NULL });
        v.t.data = NULL;
    }
    v.source = GPF__CONST;
    const int status = add_consts(m, 1, &v.offset);
    if (status)
        return status;
    p->consts[v.offset] = y;
    for (int a = 0; a < v.t.rank; a++)
        v.t.stride[a] = v.t.dim[a] == 1 ? v.t.stride[a] : 0;
    *done = true;
    return add_indexed(m, i, v);
}

/* Node i as the result of a step of its op. */
static int add_computed(gpf__maker *m, gpf_node i, gpf__value v)
{
    const gpf__node *node = gpf__get(m->g, i);
    int in[16], *xs = node->n_x <= 16 ? in : malloc((size_t)node->n_x * sizeof *xs);
    if (!xs)
        return GSL_ENOMEM;
    for (int k = 0; k < node->n_x; k++)
        xs[k] = m->index[node->x[k]];
    bool done;
    int status = fold(m, i, v, xs, &done);
    if (status == GSL_SUCCESS && !done) {
        v.source = GPF__SLOT;
        choose_layout(m, i, &v.t);
        status = add_indexed(m, i, v);
        const gpf_op *op = node->op->map || node->op->eval ? node->op : NULL;
        if (status == GSL_SUCCESS)
            status = add_step(m, m->index[i], op, &node->attr, xs, node->n_x);
    }
    if (xs != in)
        free(xs);
    return status;
}

/* Is node i its input because there is nothing to reduce (a sum over one sample)? In a plan that
 * keeps its values such a step stays, for what else is asked of it. */
static bool reduces_nothing(const gpf__maker *m, gpf_node i, const gpf_tensor *y)
{
    const gpf__node *node = gpf__get(m->g, i);
    return !m->keep && node->op->flags & GPF_OP_SINGLE &&
           gpf__tensor_size(y) == gpf__tensor_size(&m->p->value[m->index[node->x[0]]].t);
}

/* Node i as a value: a leaf, a view, or a slot with the step that fills it. */
static int add_node(gpf__maker *m, gpf_node i)
{
    const gpf__node *node = gpf__get(m->g, i);
    const gpf__value v = { .node = i, .of = -1, .step = -1, .t = tensor_of(node->shape, m->p->N) };
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
        return add_leaf(m, i, v);
    } else if (node->op->view) {
        view.of = m->index[node->x[0]];
        view.view = node->op;
        view.attr = node->attr;
        is_view = node->op->view(&view.t, &m->p->value[view.of].t, &node->attr, &view.offset);
    } else if (reduces_nothing(m, i, &v.t)) {
        view.of = m->index[node->x[0]];
        for (int a = 0; a < view.t.rank; a++) /* the same axes, or none */
            view.t.stride[a] = m->p->value[view.of].t.stride[a];
        is_view = true;
    }
    view.source = GPF__VIEW;
    if (!is_view)
        return add_computed(m, i, v);
    if (!(m->need[i] & GPF__IS_TARGET))
        return add_indexed(m, i, view);
    /* A target must have memory of its own: copy the view. */
    view.node = GPF_NONE;
    const int helper = add_value(m, view);
    if (helper < 0)
        return GSL_ENOMEM;
    gpf__value copy = v;
    copy.source = GPF__SLOT;
    const int status = add_indexed(m, i, copy);
    return status ? status : add_step(m, m->index[i], NULL, &node->attr, &helper, 1);
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
    gpf__maker m = { .g = g, .targets = targets, .n_targets = n_targets, .keep = keep };
    m.p = calloc(1, sizeof *m.p);
    m.need = calloc(g->n, 1);
    m.twin = malloc(g->n * sizeof *m.twin);
    m.index = malloc(g->n * sizeof *m.index);
    int status = m.p && m.need && m.twin && m.index ? GSL_SUCCESS : GSL_ENOMEM;
    if (status == GSL_SUCCESS) {
        m.p->N = N;
        mark_needed(&m, outputs, n);
        count_rows(&m);
    }
    for (gpf_node i = 1; status == GSL_SUCCESS && i < (gpf_node)g->n; i++)
        if (m.need[i])
            status = add_node(&m, i);
    if (status == GSL_SUCCESS)
        status = gpf__make_groups(&m);
    if (status == GSL_SUCCESS)
        status = gpf__make_memory(&m, outputs, n);
    if (status == GSL_SUCCESS)
        status = gpf__make_code(&m);
    free(m.need);
    free(m.twin);
    free(m.index);
    free(m.group_of);
    free(m.last);
    /* A check has several plans' worth of values, and a system that promises more memory than it
     * has would kill the process in the middle of it. */
    enum { SHARE = 16 };
    if (status == GSL_SUCCESS &&
        gpf_plan_memory(m.p) > gpf__machine_memory() / SHARE / sizeof(double))
        status = GPF_ELIMIT;
    if (status)
        gpf_plan_free(m.p);
    else
        *result = m.p;
    return status;
}

int gpf__plan_value(const gpf_plan *p, gpf_node n)
{
    int v = p->n_value;
    while (--v >= 0 && p->value[v].node != n)
        ;
    return v;
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
    free(p->group);
    free(p->code);
    free(p->walk);
    free(p->outside);
    free(p->rebind);
    free(p->fill);
    free(p->consts);
    free(p->output);
    free(p);
}

size_t gpf_plan_memory(const gpf_plan *p)
{
    return p->block + p->scratch + p->buffers + p->fills;
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
