/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where values lie and how long: slots of one block, used again when nobody reads them any more. */
#include "plan/make.h"

#include <stdlib.h>
#include <string.h>

static bool is_map_group(const gpf_plan *p, const gpf__group *g)
{
    const gpf_op *op = p->step[g->first].op;
    return op && op->map;
}

/* When each value's memory is read for the last time; scratch of what runs as whole steps. */
static int find_lifetimes(gpf__maker *m, const gpf_node *outputs, size_t n)
{
    gpf_plan *p = m->p;
    m->last = malloc(((size_t)p->n_value + 1) * sizeof *m->last);
    gpf_tensor *dense = malloc(((size_t)p->max_in + 1) * sizeof *dense);
    const gpf_tensor **x = malloc(((size_t)p->max_in + 1) * sizeof *x);
    if (!m->last || !dense || !x) {
        free(dense);
        free(x);
        return GSL_ENOMEM;
    }
    for (int v = 0; v < p->n_value; v++)
        m->last[v] = p->value[v].step < 0 ? 0 : p->value[v].step; /* unread: dies at birth */
    for (int s = 0; s < p->n_step; s++) {
        for (int i = 0; i < p->step[s].n_in; i++)
            m->last[gpf__root(p, p->in[p->step[s].first_in + i])] = s;
        const size_t scratch = !m->keep && p->step[s].op && p->step[s].op->map
                                   ? 0
                                   : gpf__step_scratch(p, &p->step[s], dense, x);
        if (scratch > p->scratch)
            p->scratch = scratch;
    }
    free(dense);
    free(x);
    for (size_t i = 0; i < n; i++) /* alive until it is copied */
        m->last[gpf__root(p, m->index[outputs[i]])] = p->n_step;
    for (int k = 0; k < p->n_once; k++)
        for (int s = p->group[k].first; s < p->group[k].first + p->group[k].n; s++)
            m->last[p->step[s].value] = GPF__KEPT;
    return GSL_SUCCESS;
}

/* What only its own group reads needs no memory. */
static void find_local(const gpf__maker *m)
{
    gpf_plan *p = m->p;
    for (int s = 0; s < p->n_step && !m->keep; s++) {
        const int v = p->step[s].value, k = m->group_of[s];
        if (m->last[v] < p->n_step && m->group_of[m->last[v]] == k && is_map_group(p, &p->group[k]))
            p->value[v].source = GPF__LOCAL;
    }
}

/* Outputs get the front of the block, in the order asked for. A slot that is an output is computed
 * in place; everything else (leaves, views, repeats, other layouts) is copied there. */
static int place_outputs(gpf__maker *m, const gpf_node *outputs, size_t n, bool *placed)
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
        o->copy = v->source != GPF__SLOT || placed[o->value] || !gpf__tensor_is_dense(&v->t);
        if (!o->copy) {
            v->offset = (ptrdiff_t)o->offset;
            placed[o->value] = true;
        }
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

/* State of handing out slots. */
typedef struct slots {
    const gpf__maker *m;
    holes holes;
    bool *placed; /* by value: an output in place, or its slot went to another value */
    int *dead;    /* by value: the next in a list of those that die with the same step */
    int *first;   /* by step: the first of that list */
} slots;

/* Does some step of the group read v's memory otherwise than element by element? */
static bool read_across(const gpf_plan *p, const gpf__group *g, int v)
{
    for (int s = g->first; s < g->first + g->n; s++)
        for (int i = 0; i < p->step[s].n_in; i++) {
            const int x = p->in[p->step[s].first_in + i];
            if (gpf__root(p, x) == v && !gpf__reads_linear(p, &p->step[s], x))
                return true;
        }
    return false;
}

/* An input that dies in the group before the result of step s is written, and whose slot that may
 * take over: strip by strip, it has been read by then. -1: none. */
static int heir(const slots *w, const gpf__group *g, int s)
{
    const gpf_plan *p = w->m->p;
    enum { WORTH_IT = 64 };
    if (w->m->keep || !is_map_group(p, g) || slot_size(&p->value[p->step[s].value]) < WORTH_IT)
        return -1;
    for (int e = s; e >= g->first; e--)
        for (int i = 0; i < p->step[e].n_in; i++) {
            const int x = p->in[p->step[e].first_in + i];
            if (p->value[x].source == GPF__SLOT && w->m->last[x] == e && !w->placed[x] &&
                gpf__reads_linear(p, &p->step[e], x) && !read_across(p, g, x))
                return x;
        }
    return -1;
}

static int place_group(slots *w, const gpf__group *g)
{
    gpf_plan *p = w->m->p;
    int status = GSL_SUCCESS;
    for (int s = g->first; s < g->first + g->n; s++) {
        gpf__value *v = &p->value[p->step[s].value];
        if (v->source != GPF__SLOT || w->placed[p->step[s].value])
            continue;
        const int x = heir(w, g, s);
        if (x >= 0) {
            v->offset = p->value[x].offset;
            w->placed[x] = true;
        } else {
            v->offset = (ptrdiff_t)take(&w->holes, slot_size(v), &p->block);
        }
    }
    for (int s = g->first; s < g->first + g->n && !w->m->keep; s++)
        for (int v = w->first[s]; v >= 0 && status == GSL_SUCCESS; v = w->dead[v])
            if (!w->placed[v])
                status = give(&w->holes, (size_t)p->value[v].offset, slot_size(&p->value[v]));
    return status;
}

int gpf__make_memory(gpf__maker *m, const gpf_node *outputs, size_t n)
{
    gpf_plan *p = m->p;
    int status = find_lifetimes(m, outputs, n);
    if (status)
        return status;
    find_local(m);
    slots w = { .m = m,
                .placed = calloc((size_t)p->n_value + 1, sizeof *w.placed),
                .dead = malloc(((size_t)p->n_value + 1) * sizeof *w.dead),
                .first = malloc(((size_t)p->n_step + 1) * sizeof *w.first) };
    status = w.placed && w.dead && w.first ? place_outputs(m, outputs, n, w.placed) : GSL_ENOMEM;
    if (status == GSL_SUCCESS) {
        for (int s = 0; s < p->n_step; s++)
            w.first[s] = -1;
        for (int v = 0; v < p->n_value; v++)
            if (p->value[v].source == GPF__SLOT && m->last[v] < p->n_step) {
                w.dead[v] = w.first[m->last[v]];
                w.first[m->last[v]] = v;
            }
    }
    for (int k = 0; k < p->n_group && status == GSL_SUCCESS; k++)
        status = place_group(&w, &p->group[k]);
    free(w.holes.list);
    free(w.placed);
    free(w.dead);
    free(w.first);
    return status;
}
