/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One element changes: recompute what lies downstream of it, beside the base values. */
#include "plan/plan.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What changing a target damages: values that y needs, in order. */
typedef struct target {
    int value;
    int first, n; /* into gpf_damage.list */
    bool depends; /* y depends on it */
} target;

/* The branch record of a piecewise value: elements at `first` of the side arrays. */
typedef struct branches {
    size_t first;
    bool has;
} branches;

struct gpf_damage {
    gpf_plan *plan;
    gpf_workspace *base;
    target *target;
    size_t n_target;
    int *list;
    int y;                     /* value */
    branches *branch;          /* by value */
    size_t n_sides, copy_size; /* elements of all branches; the largest target */
    int *side;
    double *margin;
    unsigned long epoch; /* of the base */
};

struct gpf_overlay {
    const gpf_damage *d;
    gpf_tensor *t; /* by value: the base's, or this overlay's own while downstream */
    double *block, *copy;
    gpf__frame frame;
    int *side;      /* of the last evaluation */
    double *margin; /* scratch: margins are only reported at the base */
    size_t target;  /* entered, SIZE_MAX: none */
    unsigned long epoch;
};

static bool is_piecewise(const gpf__step *s)
{
    return s->op && (s->op->side || s->op->branch);
}

/* Marks what is downstream of `from` and upstream of y. */
static void mark(const gpf_plan *p, int from, const unsigned char *to_y, unsigned char *down)
{
    memset(down, 0, (size_t)p->n_value);
    down[from] = 1;
    for (int v = from + 1; v < p->n_value; v++) {
        const gpf__value *value = &p->value[v];
        if (!to_y[v])
            continue;
        if (value->source == GPF__VIEW)
            down[v] = down[value->of];
        for (int i = 0; value->step >= 0 && i < p->step[value->step].n_in; i++)
            down[v] |= down[p->in[p->step[value->step].first_in + i]];
    }
    down[from] = 0; /* its own value is the perturbed one */
}

static void mark_upstream(const gpf_plan *p, int y, unsigned char *to_y)
{
    memset(to_y, 0, (size_t)p->n_value);
    to_y[y] = 1;
    for (int v = y; v >= 0; v--) {
        const gpf__value *value = &p->value[v];
        if (!to_y[v])
            continue;
        if (value->source == GPF__VIEW)
            to_y[value->of] = 1;
        for (int i = 0; value->step >= 0 && i < p->step[value->step].n_in; i++)
            to_y[p->in[p->step[value->step].first_in + i]] = 1;
    }
}

static int value_of(const gpf_plan *p, gpf_node n)
{
    int v = p->n_value;
    while (--v >= 0 && p->value[v].node != n)
        ;
    return v;
}

static int prepare(gpf_damage *d, const gpf_node *xs)
{
    const gpf_plan *p = d->plan;
    const size_t n_value = (size_t)p->n_value;
    unsigned char *to_y = malloc(2 * n_value), *down = to_y + n_value;
    size_t cap = 0, n_list = 0;
    int status = to_y ? GSL_SUCCESS : GSL_ENOMEM;
    d->branch = calloc(n_value, sizeof *d->branch);
    if (!d->branch)
        status = GSL_ENOMEM;
    if (status == GSL_SUCCESS)
        mark_upstream(p, d->y, to_y);
    for (size_t i = 0; status == GSL_SUCCESS && i < d->n_target; i++) {
        target *t = &d->target[i];
        t->value = value_of(p, xs[i]);
        t->depends = to_y[t->value];
        t->first = (int)n_list;
        const size_t size = gpf__tensor_size(&p->value[t->value].t);
        d->copy_size = size > d->copy_size ? size : d->copy_size;
        mark(p, t->value, to_y, down);
        for (int v = t->value + 1; v < p->n_value && status == GSL_SUCCESS; v++)
            if (down[v]) {
                status = gpf__grow(&d->list, &cap, n_list + 1, sizeof *d->list);
                if (status == GSL_SUCCESS)
                    d->list[n_list++] = v;
            }
        t->n = (int)n_list - t->first;
    }
    free(to_y);
    for (int v = 0; status == GSL_SUCCESS && v < p->n_value; v++)
        if (p->value[v].step >= 0 && is_piecewise(&p->step[p->value[v].step])) {
            d->branch[v] = (branches){ d->n_sides, true };
            d->n_sides += gpf__tensor_size(&p->value[v].t);
        }
    if (status == GSL_SUCCESS) {
        d->side = calloc(d->n_sides + 1, sizeof *d->side);
        d->margin = calloc(d->n_sides + 1, sizeof *d->margin);
        d->base = gpf__workspace_make(p);
        if (!d->side || !d->margin || !d->base)
            status = GSL_ENOMEM;
    }
    return status;
}

int gpf__damage_make(const gpf_graph *g, gpf_node y, const gpf_node *xs, size_t n, size_t N,
                     gpf_damage **result)
{
    *result = NULL;
    gpf_damage *d = calloc(1, sizeof *d);
    if (!d)
        return GSL_ENOMEM;
    d->n_target = n;
    d->target = calloc(n + 1, sizeof *d->target);
    int status = d->target ? gpf__plan_make(g, &y, 1, N, xs, n, true, &d->plan) : GSL_ENOMEM;
    if (status == GSL_SUCCESS) {
        d->y = value_of(d->plan, y);
        if (gpf__tensor_size(&d->plan->value[d->y].t) != 1)
            status = GPF_ESHAPE;
    }
    if (status == GSL_SUCCESS)
        status = prepare(d, xs);
    if (status)
        gpf_damage_free(d);
    else
        *result = d;
    return status;
}

gpf_damage *gpf_damage_alloc(const gpf_graph *g, gpf_node y, const gpf_node *xs, size_t n, size_t N)
{
    gpf_damage *d;
    const int status = gpf__damage_make(g, y, xs, n, N, &d);
    if (status)
        GSL_ERROR_NULL(gpf__plan_error(status), status);
    return d;
}

void gpf_damage_free(gpf_damage *d)
{
    if (!d)
        return;
    gpf_plan_free(d->plan);
    gpf_workspace_free(d->base);
    free(d->target);
    free(d->list);
    free(d->branch);
    free(d->side);
    free(d->margin);
    free(d);
}

int gpf_damage_base(gpf_damage *d, const gpf_point *at, double *y)
{
    const gpf_plan *p = d->plan;
    d->epoch++;
    const int status = gpf_plan_run(p, d->base, at);
    if (status)
        return status;
    for (int v = 0; v < p->n_value; v++)
        if (d->branch[v].has)
            gpf__step_sides(p, &p->step[p->value[v].step], d->base->t, &d->base->frame,
                            d->side + d->branch[v].first, d->margin + d->branch[v].first);
    if (y)
        *y = d->base->t[d->y].data[0];
    return GSL_SUCCESS;
}

const double *gpf_damage_target(const gpf_damage *d, size_t i)
{
    return i < d->n_target && d->base->ran ? d->base->t[d->target[i].value].data : NULL;
}

size_t gpf_damage_target_size(const gpf_damage *d, size_t i)
{
    return i < d->n_target ? gpf__tensor_size(&d->plan->value[d->target[i].value].t) : 0;
}

size_t gpf__damage_work(const gpf_damage *d)
{
    return d->plan->block;
}

int gpf_damage_depends(const gpf_damage *d, size_t i)
{
    return i < d->n_target && d->target[i].depends;
}

gpf_node gpf_damage_nonfinite(const gpf_damage *d, size_t *element)
{
    for (int v = 0; d->base->ran && v < d->plan->n_value; v++) {
        const gpf__value *value = &d->plan->value[v];
        if (value->source == GPF__VIEW || value->node == GPF_NONE)
            continue; /* looks into a value that was looked at */
        gpf_tensor row_major = value->t;
        gpf__tensor_dense(&row_major);
        const gpf__walk w = gpf__walk_make(&value->t, &row_major);
        for (size_t i = 0; i < gpf__tensor_size(&value->t); i++) {
            double x;
            gpf__walk_read(&x, d->base->t[v].data, &w, i, 1);
            if (isfinite(x))
                continue;
            if (element)
                *element = i;
            return value->node;
        }
    }
    return GPF_NONE;
}

gpf_overlay *gpf_overlay_alloc(const gpf_damage *d)
{
    const gpf_plan *p = d->plan;
    const size_t head = (sizeof(gpf_overlay) + 63) & ~(size_t)63, block = p->block * sizeof(double),
                 copy = d->copy_size * sizeof(double),
                 tensors = (size_t)p->n_value * sizeof(gpf_tensor),
                 margins = d->n_sides * sizeof(double), frame = gpf__frame_size(p);
    gpf_overlay *o = gpf__aligned_alloc(head + block + copy + frame + tensors + margins +
                                        d->n_sides * sizeof(int));
    if (!o)
        GSL_ERROR_NULL("no memory for an overlay", GSL_ENOMEM);
    char *memory = (char *)o + head;
    o->d = d;
    o->block = (double *)(void *)memory;
    o->copy = (double *)(void *)(memory += block);
    gpf__frame_init(&o->frame, p, memory += copy);
    o->t = (gpf_tensor *)(void *)(memory += frame);
    o->margin = (double *)(void *)(memory += tensors);
    o->side = (int *)(void *)(memory + margins);
    o->target = SIZE_MAX;
    return o;
}

void gpf_overlay_free(gpf_overlay *o)
{
    free(o);
}

/* Turns the overlay to target i: everything as at the base, but the target in a copy of its own
 * and what is downstream of it in the overlay's block. */
static void enter(gpf_overlay *o, size_t i)
{
    const gpf_damage *d = o->d;
    const gpf_plan *p = d->plan;
    const target *t = &d->target[i];
    memcpy(o->t, d->base->t, (size_t)p->n_value * sizeof *o->t);
    o->t[t->value].data = o->copy;
    memcpy(o->copy, d->base->t[t->value].data, gpf__tensor_size(&o->t[t->value]) * sizeof(double));
    for (int k = 0; k < t->n; k++) {
        const int v = d->list[t->first + k];
        const gpf__value *value = &p->value[v];
        o->t[v].data = value->source == GPF__VIEW ? o->t[value->of].data + value->offset
                                                  : o->block + value->offset;
    }
    o->target = i;
    o->epoch = d->epoch;
}

/* Compares the sides of value v with the base's. */
static void compare(const gpf_overlay *o, int v, gpf_branch *b)
{
    const gpf_damage *d = o->d;
    const size_t first = d->branch[v].first, n = gpf__tensor_size(&o->t[v]);
    for (size_t e = 0; e < n; e++) {
        const int base = d->side[first + e], side = o->side[first + e];
        if (side == base)
            continue;
        const double margin = d->margin[first + e];
        b->tie |= base & 1;
        /* A sum of scrambled terms: the order of the changes does not matter. */
        unsigned long long h = (first + e + 1) * 0x9e3779b97f4a7c15u + (unsigned)side;
        h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
        b->signature += (h ^ h >> 32) | 1;
        if (b->n_changed++ == 0 || margin < b->margin) {
            b->node = d->plan->value[v].node;
            b->element = e;
            b->base = base;
            b->side = side;
            b->margin = margin;
        }
    }
}

int gpf_overlay_values(gpf_overlay *o, size_t i, size_t k, const double *t, size_t m, double *f,
                       gpf_branch *b)
{
    const gpf_damage *d = o->d;
    const gpf_plan *p = d->plan;
    if (!d->base->ran)
        GSL_ERROR("no base point", GSL_EINVAL);
    if (i >= d->n_target || k >= gpf_damage_target_size(d, i))
        GSL_ERROR("no such element to change", GSL_EINVAL);
    if (o->target != i || o->epoch != d->epoch)
        enter(o, i);
    const target *x = &d->target[i];
    const double base = o->copy[k];
    for (size_t j = 0; j < m; j++) {
        o->copy[k] = base + t[j];
        if (b)
            memset(&b[j], 0, sizeof b[j]);
        for (int l = 0; l < x->n; l++) {
            const int v = d->list[x->first + l], step = p->value[v].step;
            if (step < 0)
                continue;
            gpf__step_run(p, &p->step[step], o->t, &o->frame);
            if (b && d->branch[v].has) {
                gpf__step_sides(p, &p->step[step], o->t, &o->frame, o->side + d->branch[v].first,
                                o->margin + d->branch[v].first);
                compare(o, v, &b[j]);
            }
        }
        f[j] = o->t[d->y].data[0];
    }
    o->copy[k] = base;
    return GSL_SUCCESS;
}

int gpf__damage_noise(gpf_overlay *o, size_t i, double *noise)
{
    const gpf_damage *d = o->d;
    const gpf_plan *p = d->plan;
    gpf__noise *n = gpf__noise_alloc(p);
    *noise = 0;
    if (!n)
        return GSL_ENOMEM;
    /* Unchanged, once: the steps that noise leaves alone need their values in the overlay. */
    const double none = 0;
    double y;
    const int status = gpf_overlay_values(o, i, 0, &none, 1, &y, NULL);
    const target *x = &d->target[i];
    for (int run = 0; status == GSL_SUCCESS && run < GPF__NOISE_RUNS; run++) {
        for (int l = 0; l < x->n; l++) {
            const int step = p->value[d->list[x->first + l]].step;
            if (step >= 0)
                gpf__noise_step(n, &p->step[step], o->t);
        }
        const double off = fabs(o->t[d->y].data[0] - d->base->t[d->y].data[0]);
        *noise = isfinite(off) ? fmax(*noise, off) : *noise;
    }
    gpf__noise_free(n);
    return status;
}

int gpf_overlay_side(const gpf_overlay *o, gpf_node node, size_t element, int *side)
{
    const gpf_damage *d = o->d;
    const int v = value_of(d->plan, node);
    if (o->target == SIZE_MAX || v < 0 || !d->branch[v].has ||
        element >= gpf__tensor_size(&o->t[v]))
        return GSL_EINVAL;
    /* What is not downstream is where it was. */
    bool downstream = false;
    const target *x = &d->target[o->target];
    for (int l = 0; l < x->n; l++)
        downstream |= d->list[x->first + l] == v;
    *side = (downstream ? o->side : d->side)[d->branch[v].first + element];
    return GSL_SUCCESS;
}
