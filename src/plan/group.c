/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What runs together, and as which instructions. Consecutive elementwise steps over as many
 * elements are one group: it runs strip by strip, and what only its own steps read never goes
 * further than a strip buffer. */
#include "plan/make.h"

#include <stdlib.h>
#include <string.h>

static bool is_map(const gpf__step *s)
{
    return s->op && s->op->map;
}

static size_t size_of(const gpf_plan *p, const gpf__step *s)
{
    return gpf__tensor_size(&p->value[s->value].t);
}

bool gpf__reads_linear(const gpf_plan *p, const gpf__step *s, int v)
{
    if (!gpf__linear(&p->value[v].t, &p->value[s->value].t))
        return false;
    /* A view of all of it, from its start: a reshape. */
    for (; p->value[v].source == GPF__VIEW; v = p->value[v].of)
        if (p->value[v].offset != 0)
            return false;
    return gpf__tensor_size(&p->value[v].t) == size_of(p, s);
}

/* The groups found so far. */
typedef struct grouping {
    struct found {
        size_t size; /* 0: not elementwise */
        int count;   /* steps */
        bool product;
    } * group;
    int n;
} grouping;

/* May step s run in group k? What it reads must come from earlier groups, or from this one element
 * by element. */
static bool fits(const gpf__maker *m, const gpf__step *s, int k)
{
    const gpf_plan *p = m->p;
    for (int i = 0; i < s->n_in; i++) {
        const int v = p->in[s->first_in + i], from = p->value[gpf__root(p, v)].step;
        if (from < 0 || m->group_of[from] < k)
            continue;
        if (m->group_of[from] > k || !gpf__reads_linear(p, s, v))
            return false;
    }
    return true;
}

/* The group step s joins, or -1. It may move up past reductions, but not past a product: its
 * result would wait in memory through all of that. */
static int find_group(const gpf__maker *m, const grouping *g, int s)
{
    enum { LOOK_BACK = 8, MOST = 24 };
    const gpf_plan *p = m->p;
    const size_t size = size_of(p, &p->step[s]);
    if (!is_map(&p->step[s]))
        return -1;
    for (int k = g->n - 1; k >= 0 && k >= g->n - LOOK_BACK; k--) {
        const struct found *f = &g->group[k];
        if (f->size == size && (size <= GPF__STRIP || f->count < MOST) && fits(m, &p->step[s], k))
            return k;
        if (f->product)
            return -1;
    }
    return -1;
}

/* Does step s depend on constants alone? Such steps get groups of their own, the first ones. */
static bool runs_once(const gpf_plan *p, const gpf__step *s, const bool *once)
{
    for (int i = 0; i < s->n_in; i++) {
        const gpf__value *v = &p->value[gpf__root(p, p->in[s->first_in + i])];
        if (v->source != GPF__CONST && (v->step < 0 || !once[v->step]))
            return false;
    }
    return true;
}

/* Sorts the steps by group, and in a group as they were. */
static int reorder(gpf__maker *m, const grouping *g)
{
    gpf_plan *p = m->p;
    gpf__step *sorted = malloc(((size_t)p->n_step + 1) * sizeof *sorted);
    int *group_of = malloc(((size_t)p->n_step + 1) * sizeof *group_of);
    if (!sorted || !group_of) {
        free(sorted);
        free(group_of);
        return GSL_ENOMEM;
    }
    for (int k = 0, first = 0; k < g->n; k++) {
        p->group[k].first = first;
        first += g->group[k].count;
    }
    for (int s = 0; s < p->n_step; s++) {
        gpf__group *k = &p->group[m->group_of[s]];
        const int to = k->first + k->n++;
        sorted[to] = p->step[s];
        group_of[to] = m->group_of[s];
        p->value[sorted[to].value].step = to;
    }
    free(p->step);
    free(m->group_of);
    p->step = sorted;
    m->group_of = group_of;
    return GSL_SUCCESS;
}

/* Groups the steps that run once, or those that do not. */
static void group_steps(gpf__maker *m, grouping *g, const bool *once, bool want)
{
    const gpf_plan *p = m->p;
    const int first = g->n;
    for (int s = 0; s < p->n_step; s++) {
        if (once[s] != want)
            continue;
        const gpf__step *step = &p->step[s];
        int k = find_group(m, g, s);
        if (k < first) {
            k = g->n++;
            g->group[k] = (struct found){ is_map(step) ? size_of(p, step) : 0, 0,
                                          !is_map(step) && step->n_in > 1 };
        }
        m->group_of[s] = k;
        g->group[k].count++;
    }
}

int gpf__make_groups(gpf__maker *m)
{
    gpf_plan *p = m->p;
    const size_t n = (size_t)p->n_step + 1;
    grouping g = { malloc(n * sizeof *g.group), 0 };
    bool *once = calloc(n, sizeof *once);
    m->group_of = malloc(n * sizeof *m->group_of);
    int status = g.group && once && m->group_of ? GSL_SUCCESS : GSL_ENOMEM;
    if (status == GSL_SUCCESS) {
        for (int s = 0; s < p->n_step; s++)
            once[s] = runs_once(p, &p->step[s], once);
        group_steps(m, &g, once, true);
        p->n_once = g.n;
        group_steps(m, &g, once, false);
        p->group = calloc((size_t)g.n + 1, sizeof *p->group);
        p->n_group = g.n;
        status = p->group ? reorder(m, &g) : GSL_ENOMEM;
    }
    free(g.group);
    free(once);
    return status;
}

/* Instructions being written for one group. Strip buffers have numbers of their own until it is
 * known which of them can share memory. */
typedef struct buffer {
    int last; /* instruction that reads it; INT32_MAX: filled once for all strips */
    int slot;
} buffer;

typedef struct coder {
    gpf__maker *m;
    const gpf__group *group;
    int first; /* instruction of the group */
    size_t code_cap, walk_cap, fill_cap, buffer_cap;
    buffer *buffer;
    int n_buffer;
    int *local; /* by value: its buffer in this group */
} coder;

static int new_buffer(coder *c)
{
    if (gpf__grow(&c->buffer, &c->buffer_cap, (size_t)c->n_buffer + 1, sizeof *c->buffer))
        return -1;
    c->buffer[c->n_buffer] = (buffer){ c->m->p->n_code, 0 };
    return c->n_buffer++;
}

static int emit(coder *c, gpf__code code)
{
    gpf_plan *p = c->m->p;
    if (gpf__grow(&p->code, &c->code_cap, (size_t)p->n_code + 1, sizeof *p->code))
        return GSL_ENOMEM;
    p->code[p->n_code++] = code;
    return GSL_SUCCESS;
}

static gpf__operand in_buffer(coder *c, int b)
{
    if (c->buffer[b].last < c->m->p->n_code)
        c->buffer[b].last = c->m->p->n_code;
    return (gpf__operand){ GPF__BUFFER, b };
}

/* Strips full of one constant are made with the workspace, up to some of them. */
static int fill_for(coder *c, const double *value, gpf__operand *x)
{
    enum { MOST = 32 };
    gpf_plan *p = c->m->p;
    int i = 0;
    while (i < p->n_fill && memcmp(&p->fill[i].value, value, sizeof *value))
        i++;
    if (i == MOST)
        return GSL_SUCCESS;
    if (i == p->n_fill) {
        if (gpf__grow(&p->fill, &c->fill_cap, (size_t)i + 1, sizeof *p->fill))
            return GSL_ENOMEM;
        p->fill[p->n_fill++] = (gpf__fill){ *value, 0, 0 };
    }
    if (p->fill[i].size < c->group->strip)
        p->fill[i].size = c->group->strip;
    *x = (gpf__operand){ GPF__FILL, i };
    return GSL_SUCCESS;
}

static int add_walk(coder *c, gpf__walk w)
{
    gpf_plan *p = c->m->p;
    if (gpf__grow(&p->walk, &c->walk_cap, (size_t)p->n_walk + 1, sizeof *p->walk))
        return -1;
    p->walk[p->n_walk] = w;
    return p->n_walk++;
}

static bool same_walk(const gpf__walk *a, const gpf__walk *b)
{
    return a->n == b->n && !memcmp(a->count, b->count, sizeof a->count) &&
           !memcmp(a->stride, b->stride, sizeof a->stride);
}

/* Value v, which does not lie as the result does, read into a buffer along a walk: once a strip,
 * or once for all where it is a single number. */
static int read_for(coder *c, const gpf__step *s, int v, gpf__operand *x)
{
    gpf_plan *p = c->m->p;
    const gpf__walk w = gpf__walk_make(&p->value[v].t, &p->value[s->value].t);
    for (int i = c->first; i < p->n_code; i++) {
        const gpf__code *earlier = &p->code[i];
        if (earlier->kind == GPF__READ && earlier->x[0].at == v &&
            same_walk(&p->walk[earlier->of], &w)) {
            *x = in_buffer(c, earlier->y.at);
            return GSL_SUCCESS;
        }
    }
    const int b = new_buffer(c), walk = add_walk(c, w);
    if (b < 0 || walk < 0)
        return GSL_ENOMEM;
    if (w.n == 1 && w.stride[0] == 0)
        c->buffer[b].last = INT32_MAX;
    const gpf__code code = { .kind = GPF__READ,
                             .of = walk,
                             .n = c->group->strip,
                             .y = { GPF__BUFFER, b },
                             .x = { { GPF__MEMORY, v } } };
    const int status = emit(c, code);
    *x = in_buffer(c, b);
    return status;
}

static int operand_for(coder *c, const gpf__step *s, int v, gpf__operand *x)
{
    const gpf_plan *p = c->m->p;
    const int owner = gpf__root(p, v);
    if (p->value[owner].source == GPF__LOCAL) {
        *x = in_buffer(c, c->local[owner]);
        return GSL_SUCCESS;
    }
    *x = (gpf__operand){ GPF__MEMORY, v };
    if (gpf__linear(&p->value[v].t, &p->value[s->value].t))
        return GSL_SUCCESS;
    const double *constant = gpf__one_constant(p, v);
    if (constant) {
        const int status = fill_for(c, constant, x);
        if (status || x->place == GPF__FILL)
            return status;
    }
    return read_for(c, s, v, x);
}

static int code_step(coder *c, int step)
{
    const gpf_plan *p = c->m->p;
    const gpf__step *s = &p->step[step];
    gpf__code code = { .kind = GPF__MAP, .of = step, .n = c->group->strip };
    for (int i = 0; i < s->n_in; i++) {
        const int status = operand_for(c, s, p->in[s->first_in + i], &code.x[i]);
        if (status)
            return status;
    }
    for (int i = 0; i < s->n_in; i++) /* reading one may have put instructions between */
        if (code.x[i].place == GPF__BUFFER)
            in_buffer(c, code.x[i].at);
    code.y = (gpf__operand){ GPF__MEMORY, s->value };
    if (p->value[s->value].source == GPF__LOCAL) {
        const int b = new_buffer(c);
        if (b < 0)
            return GSL_ENOMEM;
        c->local[s->value] = b;
        code.y = (gpf__operand){ GPF__BUFFER, b };
    }
    return emit(c, code);
}

/* Gives the buffers memory: one whose last reader is an instruction is free for its result. */
static int share_buffers(coder *c)
{
    gpf_plan *p = c->m->p;
    const size_t size = (c->group->strip + 7) & ~(size_t)7;
    int *free_slot = malloc(((size_t)c->n_buffer + 1) * sizeof *free_slot), n_free = 0, n_slot = 0;
    if (!free_slot)
        return GSL_ENOMEM;
    for (int i = c->first; i < p->n_code; i++) {
        gpf__code *code = &p->code[i];
        for (int k = 0; k < 3; k++) {
            if (code->x[k].place != GPF__BUFFER)
                continue;
            buffer *b = &c->buffer[code->x[k].at];
            code->x[k].at = b->slot * (int)size;
            if (b->last == i) {
                free_slot[n_free++] = b->slot;
                b->last = -1; /* given back, also if it is read twice */
            }
        }
        if (code->y.place == GPF__BUFFER) {
            buffer *b = &c->buffer[code->y.at];
            /* What is filled once must not even be anybody's before. */
            b->slot = n_free > 0 && b->last != INT32_MAX ? free_slot[--n_free] : n_slot++;
            code->y.at = b->slot * (int)size;
            if (b->last == i) /* nobody reads it */
                free_slot[n_free++] = b->slot;
        }
    }
    free(free_slot);
    if (p->buffers < (size_t)n_slot * size)
        p->buffers = (size_t)n_slot * size;
    return GSL_SUCCESS;
}

/* y = x for the value or output y, which lies as `like`. */
static int code_copy(coder *c, gpf__operand y, const gpf_tensor *like, int x)
{
    const int walk = add_walk(c, gpf__walk_make(&c->m->p->value[x].t, like));
    if (walk < 0)
        return GSL_ENOMEM;
    const gpf__code code = { .kind = GPF__READ,
                             .of = walk,
                             .n = gpf__tensor_size(like),
                             .y = y,
                             .x = { { GPF__MEMORY, x } } };
    return emit(c, code);
}

/* A step that is not elementwise. */
static int code_whole(coder *c, int step)
{
    const gpf_plan *p = c->m->p;
    const gpf__step *s = &p->step[step];
    if (!s->op)
        return code_copy(c, (gpf__operand){ GPF__MEMORY, s->value }, &p->value[s->value].t,
                         p->in[s->first_in]);
    return emit(c,
                (gpf__code){ .kind = gpf__step_direct(p, s) ? GPF__WHOLE : GPF__PACK, .of = step });
}

static int code_group(coder *c, int k)
{
    gpf_plan *p = c->m->p;
    gpf__group *g = &p->group[k];
    if (!is_map(&p->step[g->first]))
        return code_whole(c, g->first);
    g->size = size_of(p, &p->step[g->first]);
    g->strip = g->size < GPF__STRIP ? g->size : GPF__STRIP;
    c->group = g;
    c->n_buffer = 0;
    const int strips = g->size > g->strip ? p->n_code : -1;
    int status = strips < 0 ? GSL_SUCCESS : emit(c, (gpf__code){ .kind = GPF__STRIPS, .of = k });
    c->first = p->n_code;
    for (int s = g->first; s < g->first + g->n && status == GSL_SUCCESS; s++)
        status = code_step(c, s);
    if (strips >= 0 && status == GSL_SUCCESS)
        p->code[strips].n = (size_t)(p->n_code - c->first);
    return status ? status : share_buffers(c);
}

/* Outputs that are computed elsewhere, to their places. */
static int code_outputs(coder *c)
{
    const gpf_plan *p = c->m->p;
    int status = GSL_SUCCESS;
    for (size_t i = 0; i < p->n_output && status == GSL_SUCCESS; i++) {
        if (!p->output[i].copy)
            continue;
        gpf_tensor like = p->value[p->output[i].value].t;
        gpf__tensor_dense(&like);
        status = code_copy(c, (gpf__operand){ GPF__OUTPUT, (int)i }, &like, p->output[i].value);
    }
    return status;
}

static bool is_outside(const gpf_plan *p, int v)
{
    const gpf__source source = p->value[gpf__root(p, v)].source;
    return source == GPF__DATA || source == GPF__PARAM;
}

static bool reads_outside(const gpf_plan *p, const gpf__code *code)
{
    for (int k = 0; k < 3; k++)
        if (code->x[k].place == GPF__MEMORY && is_outside(p, code->x[k].at))
            return true;
    return false;
}

/* What has to be pointed elsewhere when a point's memory is another one. */
static int list_outside(gpf_plan *p)
{
    p->outside = malloc(((size_t)p->n_value + 1) * sizeof *p->outside);
    p->rebind = malloc(((size_t)p->n_code + 1) * sizeof *p->rebind);
    if (!p->outside || !p->rebind)
        return GSL_ENOMEM;
    for (int v = 0; v < p->n_value; v++)
        if (p->value[v].source == GPF__DATA)
            p->outside[p->n_outside++] = v;
    p->n_leaves = p->n_outside;
    for (int v = 0; v < p->n_value; v++)
        if (p->value[v].source != GPF__DATA && is_outside(p, v))
            p->outside[p->n_outside++] = v;
    for (int i = 0; i < p->n_code; i++)
        if (reads_outside(p, &p->code[i]))
            p->rebind[p->n_rebind++] = i;
    return GSL_SUCCESS;
}

int gpf__make_code(gpf__maker *m)
{
    gpf_plan *p = m->p;
    coder c = { .m = m, .local = malloc(((size_t)p->n_value + 1) * sizeof *c.local) };
    int status = c.local ? GSL_SUCCESS : GSL_ENOMEM;
    for (int k = 0; k < p->n_group && status == GSL_SUCCESS; k++) {
        status = code_group(&c, k);
        if (k < p->n_once)
            p->n_once_code = p->n_code;
    }
    if (status == GSL_SUCCESS)
        status = code_outputs(&c);
    free(c.local);
    free(c.buffer);
    for (int i = 0; i < p->n_fill; i++) {
        p->fill[i].offset = p->fills;
        p->fills += (p->fill[i].size + 7) & ~(size_t)7;
    }
    return status ? status : list_outside(p);
}
