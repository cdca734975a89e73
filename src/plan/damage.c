/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One element changes: recompute the rectangles that change with it, beside the base values.
 *
 * What lies downstream of a target is a list of values in order, cut into items: a single value
 * whose op's damage rule (op/tile.h) fills its tile, or a group of elementwise steps over the same
 * index space that run together, strip by strip. */
#include "op/tile.h"
#include "plan/plan.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* An entry of a target's list. */
typedef struct entry {
    int value;
    int strip;    /* of the group, where it lives; -1: in its tile, others read it */
    bool changes; /* its tile holds changes only */
    bool narrow;  /* what follows is little: rows left out would save less than they cost */
    int own[3];   /* of a member of a group: the entries of the group its inputs are, or -1 */
    const gpf_op *op;
} entry;

typedef struct item {
    int first, n; /* entries */
    bool group;
} item;

/* What changing a target damages: values that y needs, in order. */
typedef struct target {
    int value;
    size_t first_item, n_items;
    size_t first, n;
    bool depends;  /* y depends on it */
    double *dense; /* its base values in row-major order if they lie otherwise, or NULL */
} target;

/* Where the overlay keeps a value's tile; NOWHERE: not at all. */
#define NOWHERE SIZE_MAX
typedef struct place {
    size_t data, few, kept, cache;
    size_t side; /* of its branch record, in the arrays of the base */
    int first_x; /* of its inputs, in gpf_damage.x */
} place;

struct gpf_damage {
    gpf_plan *plan;
    gpf_workspace *base;
    target *target;
    size_t n_target;
    entry *entry;
    item *item;
    size_t n_entry, n_item, entry_cap, item_cap;
    int y;                /* value */
    place *place;         /* by value */
    gpf_call *call;       /* by value: its step, or its view, at the base */
    const gpf_tensor **x; /* inputs of the calls */
    int *in;              /* the values they are */
    int *all;             /* 0, 1, 2, .. */
    int *every;           /* values that some target damages, in order */
    size_t n_every;
    size_t n_sides, n_strips, strip, tiles, ints, most; /* doubles, ints; of the largest value */
    size_t points;                                      /* evaluated together */
    int *side;
    double *margin;
    bool plain;          /* something at the base is not finite: differences would not be either */
    unsigned long epoch; /* of the base */
};

struct gpf_overlay {
    const gpf_damage *d;
    gpf__tile *tile; /* by value */
    gpf__tile **x;   /* inputs of the calls */
    gpf__patch *patch;
    gpf_tensor *t; /* by value: the base's; whole evaluations put their own there for a moment */
    double *strip, *operand, *before, *fresh, *delta, *full;
    double *margin; /* sides and margins of a strip, or of a whole value */
    int *side, *side_before, *rows;
    uint64_t *bits;
    gpf__frame frame;
    double element[GPF__POINTS];
    size_t target; /* entered, SIZE_MAX: none */
    unsigned long epoch, lists;
    int watched; /* a value and an element of it whose side is wanted, and that side */
    size_t watched_element;
    int watched_side;
    size_t last_k;
    double last_t;
    double work;       /* doubles computed */
    double *leaf_data; /* the target tile's own room, while it holds the element */
    gpf_workspace *shaken;
    gpf__noise *noise;
};

static const gpf_op *op_of(const gpf_plan *p, int v)
{
    const gpf__value *value = &p->value[v];
    return value->source == GPF__VIEW ? value->view : p->step[value->step].op;
}

static bool is_piecewise(const gpf_op *op)
{
    return op && (op->side || op->branch);
}

static bool is_elementwise(const gpf_plan *p, int v)
{
    return p->value[v].step >= 0 && op_of(p, v) && op_of(p, v)->map;
}

static int n_inputs(const gpf_plan *p, int v)
{
    const gpf__value *value = &p->value[v];
    return value->source == GPF__VIEW ? 1 : value->step >= 0 ? p->step[value->step].n_in : 0;
}

static int named_input(const gpf_plan *p, int v, int i)
{
    const gpf__value *value = &p->value[v];
    return value->source == GPF__VIEW ? value->of : p->in[p->step[value->step].first_in + i];
}

/* The value itself, where v is only another name for it. */
static int behind(const gpf_plan *p, int v)
{
    while (p->value[v].source == GPF__VIEW && !p->value[v].view)
        v = p->value[v].of;
    return v;
}

static int input(const gpf_plan *p, int v, int i)
{
    return behind(p, named_input(p, v, i));
}

static void matrix_sizes(const gpf_tensor *t, size_t *rows, size_t *cols)
{
    *rows = t->rank == 2 ? t->dim[0] : 1;
    *cols = gpf__tensor_size(t) / *rows;
}

/* Marks what is downstream of `from` and upstream of y. */
static void mark(const gpf_plan *p, int from, const unsigned char *to_y, unsigned char *down)
{
    memset(down, 0, (size_t)p->n_value);
    down[from] = 1;
    for (int v = from + 1; v < p->n_value; v++)
        for (int i = 0; to_y[v] && i < n_inputs(p, v); i++)
            down[v] |= down[input(p, v, i)];
    down[from] = 0; /* its own value is the perturbed one */
}

static void mark_upstream(const gpf_plan *p, int y, unsigned char *to_y)
{
    memset(to_y, 0, (size_t)p->n_value);
    to_y[y] = 1;
    for (int v = y; v >= 0; v--)
        for (int i = 0; to_y[v] && i < n_inputs(p, v); i++)
            to_y[input(p, v, i)] = 1;
}

static int value_of(const gpf_plan *p, gpf_node n)
{
    int v = p->n_value;
    while (--v >= 0 && p->value[v].node != n)
        ;
    return v;
}

static bool same_sizes(const gpf_tensor *a, const gpf_tensor *b)
{
    return a->rank == b->rank && !memcmp(a->dim, b->dim, sizeof a->dim);
}

/* Do all readers of a value in the list want to know only how it changes? */
static bool linear_readers(const gpf_damage *d, const target *t, int value)
{
    const gpf_plan *p = d->plan;
    const entry *e = d->entry + t->first;
    if (value == d->y)
        return false;
    for (size_t k = 0; k < t->n; k++)
        for (int i = 0; i < n_inputs(p, e[k].value); i++)
            if (input(p, e[k].value, i) == value && !(e[k].op && e[k].op->flags & GPF_OP_LINEAR))
                return false;
    return true;
}

/* Cuts a target's list into items, and gives the members of groups that nobody else reads a strip
 * each. */
static int make_items(gpf_damage *d, target *t, int *last_reader)
{
    const gpf_plan *p = d->plan;
    entry *e = d->entry + t->first;
    for (size_t k = 0; k < t->n; k++)
        last_reader[e[k].value] = e[k].value == d->y ? INT32_MAX : -1;
    for (size_t k = 0; k < t->n; k++)
        for (int i = 0; i < n_inputs(p, e[k].value); i++)
            if (last_reader[input(p, e[k].value, i)] != INT32_MAX)
                last_reader[input(p, e[k].value, i)] = e[k].value;
    enum { FEW_COLUMNS = 14 };
    size_t to_come = 0;
    for (size_t k = t->n; k-- > 0;) {
        size_t rows, cols;
        matrix_sizes(&p->value[e[k].value].t, &rows, &cols);
        e[k].narrow = to_come < FEW_COLUMNS;
        to_come += rows > 1 ? cols : 0;
    }
    t->first_item = d->n_item;
    for (size_t k = 0, end; k < t->n; k = end) {
        const bool group = is_elementwise(p, e[k].value);
        end = k + 1;
        while (group && end < t->n && is_elementwise(p, e[end].value) &&
               same_sizes(&p->value[e[k].value].t, &p->value[e[end].value].t))
            end++;
        const int last = e[end - 1].value;
        size_t strips = 0;
        for (size_t j = k; group && j < end; j++) {
            e[j].strip = last_reader[e[j].value] <= last ? (int)strips++ : -1;
            e[j].changes = e[j].strip < 0 && linear_readers(d, t, e[j].value);
            for (int i = 0; i < n_inputs(p, e[j].value); i++)
                for (size_t l = k; l < j; l++)
                    if (e[l].value == input(p, e[j].value, i))
                        e[j].own[i] = (int)l;
        }
        d->n_strips = strips > d->n_strips ? strips : d->n_strips;
        if (gpf__grow(&d->item, &d->item_cap, d->n_item + 1, sizeof *d->item))
            return GSL_ENOMEM;
        d->item[d->n_item++] = (item){ (int)(t->first + k), (int)(end - k), group };
    }
    t->n_items = d->n_item - t->first_item;
    return GSL_SUCCESS;
}

/* The lists of what each target damages. */
static int make_lists(gpf_damage *d, const gpf_node *xs)
{
    const gpf_plan *p = d->plan;
    const size_t n_value = (size_t)p->n_value;
    unsigned char *to_y = malloc(2 * n_value), *down = to_y + n_value;
    int *last_reader = calloc(n_value, sizeof *last_reader);
    int status = to_y && last_reader ? GSL_SUCCESS : GSL_ENOMEM;
    if (status == GSL_SUCCESS)
        mark_upstream(p, d->y, to_y);
    for (size_t i = 0; status == GSL_SUCCESS && i < d->n_target; i++) {
        target *t = &d->target[i];
        t->value = value_of(p, xs[i]);
        t->depends = to_y[t->value];
        t->first = d->n_entry;
        mark(p, t->value, to_y, down);
        for (int v = t->value + 1; v < p->n_value && status == GSL_SUCCESS; v++)
            if (down[v]) {
                status = gpf__grow(&d->entry, &d->entry_cap, d->n_entry + 1, sizeof *d->entry);
                if (status == GSL_SUCCESS)
                    d->entry[d->n_entry++] =
                        (entry){ v, -1, false, true, { -1, -1, -1 }, op_of(p, v) };
            }
        t->n = d->n_entry - t->first;
        if (status == GSL_SUCCESS)
            status = make_items(d, t, last_reader);
    }
    d->every = malloc(n_value * sizeof *d->every);
    if (!d->every)
        status = GSL_ENOMEM;
    for (int v = 0; status == GSL_SUCCESS && v < p->n_value; v++) {
        bool listed = false;
        for (size_t k = 0; k < d->n_entry && !listed; k++)
            listed = d->entry[k].value == v;
        if (listed)
            d->every[d->n_every++] = v;
    }
    free(to_y);
    free(last_reader);
    return status;
}

static size_t take(size_t *total, size_t n)
{
    const size_t at = *total;
    *total += (n + 7) & ~(size_t)7; /* whole cache lines */
    return at;
}

/* Room for value v in an overlay: its tile, and its gathered base rows. */
static void place_value(gpf_damage *d, int v, bool tile)
{
    place *at = &d->place[v];
    const gpf_tensor *t = &d->plan->value[v].t;
    size_t rows, cols;
    matrix_sizes(t, &rows, &cols);
    if (tile && at->data == NOWHERE) {
        at->data = take(&d->tiles, d->points * rows * cols);
        at->few = take(&d->tiles, d->points * rows * GPF__FEW);
        at->kept = take(&d->ints, rows);
    }
    if (at->cache == NOWHERE && t->rank == 2 && rows >= 8 && t->stride[0] && t->stride[1])
        at->cache = take(&d->tiles, rows * cols);
}

static void make_places(gpf_damage *d)
{
    const gpf_plan *p = d->plan;
    size_t rows = 1, cols, most = 1, block = 0;
    for (int v = 0; v < p->n_value; v++) {
        size_t r;
        matrix_sizes(&p->value[v].t, &r, &cols);
        rows = r > rows ? r : rows;
        most = r * cols > most ? r * cols : most;
        block += r * cols;
    }
    /* All points at once, unless that takes more than a part of the memory. */
    d->points = block < gpf__machine_memory() / sizeof(double) / 256 ? GPF__POINTS : 1;
    d->strip = d->points * rows > GPF__CHUNK ? d->points * rows : GPF__CHUNK;
    d->most = most;
    for (size_t k = 0; k < d->n_entry; k++) {
        const int v = d->entry[k].value;
        place_value(d, v, d->entry[k].strip < 0);
        for (int i = 0; is_elementwise(p, v) && i < n_inputs(p, v); i++)
            place_value(d, input(p, v, i), false);
    }
}

static int make_calls(gpf_damage *d)
{
    const gpf_plan *p = d->plan;
    size_t n = 0;
    for (int v = 0; v < p->n_value; v++)
        n += (size_t)n_inputs(p, v);
    size_t most_rows = 1;
    for (int v = 0; v < p->n_value; v++) {
        size_t rows, cols;
        matrix_sizes(&p->value[v].t, &rows, &cols);
        most_rows = rows > most_rows ? rows : most_rows;
    }
    d->call = calloc((size_t)p->n_value, sizeof *d->call);
    d->x = malloc((n + 1) * sizeof *d->x);
    d->in = malloc((n + 1) * sizeof *d->in);
    d->all = malloc(most_rows * sizeof *d->all);
    if (!d->call || !d->x || !d->in || !d->all)
        return GSL_ENOMEM;
    for (size_t i = 0; i < most_rows; i++)
        d->all[i] = (int)i;
    int at = 0;
    for (int v = 0; v < p->n_value; v++) {
        const gpf__value *value = &p->value[v];
        d->place[v].first_x = at;
        d->call[v] = (gpf_call){ &d->base->t[v],
                                 d->x + at,
                                 n_inputs(p, v),
                                 value->source == GPF__VIEW ? &value->attr
                                 : value->step >= 0         ? &p->step[value->step].attr
                                                            : NULL,
                                 p->N,
                                 NULL };
        for (int i = 0; i < n_inputs(p, v); i++, at++) {
            d->in[at] = input(p, v, i);
            d->x[at] = &d->base->t[d->in[at]];
        }
    }
    return GSL_SUCCESS;
}

static int prepare(gpf_damage *d, const gpf_node *xs)
{
    const gpf_plan *p = d->plan;
    d->place = malloc((size_t)p->n_value * sizeof *d->place);
    if (!d->place)
        return GSL_ENOMEM;
    for (int v = 0; v < p->n_value; v++)
        d->place[v] = (place){ NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE, 0 };
    int status = make_lists(d, xs);
    if (status)
        return status;
    make_places(d);
    for (int v = 0; v < p->n_value; v++)
        if (p->value[v].step >= 0 && is_piecewise(op_of(p, v))) {
            d->place[v].side = d->n_sides;
            d->n_sides += gpf__tensor_size(&p->value[v].t);
        }
    d->side = calloc(d->n_sides + 1, sizeof *d->side);
    d->margin = calloc(d->n_sides + 1, sizeof *d->margin);
    d->base = gpf__workspace_make(p);
    if (!d->side || !d->margin || !d->base)
        return GSL_ENOMEM;
    for (size_t i = 0; i < d->n_target; i++) {
        const gpf_tensor *t = &p->value[d->target[i].value].t;
        if (gpf__tensor_is_dense(t))
            continue;
        d->target[i].dense = malloc(gpf__tensor_size(t) * sizeof(double));
        if (!d->target[i].dense)
            return GSL_ENOMEM;
    }
    return make_calls(d);
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
        d->y = behind(d->plan, value_of(d->plan, y));
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
    for (size_t i = 0; d->target && i < d->n_target; i++)
        free(d->target[i].dense);
    gpf_plan_free(d->plan);
    gpf_workspace_free(d->base);
    free(d->target);
    free(d->entry);
    free(d->item);
    free(d->place);
    free(d->call);
    free(d->x);
    free(d->in);
    free(d->all);
    free(d->every);
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
        if (d->place[v].side != NOWHERE)
            gpf__step_sides(p, &p->step[p->value[v].step], d->base->t, &d->base->frame,
                            d->side + d->place[v].side, d->margin + d->place[v].side);
    for (size_t i = 0; i < d->n_target; i++)
        if (d->target[i].dense) {
            gpf_tensor to = d->base->t[d->target[i].value];
            to.data = d->target[i].dense;
            gpf__tensor_dense(&to);
            gpf__tensor_copy(&to, &d->base->t[d->target[i].value]);
        }
    d->plain = gpf_damage_nonfinite(d, NULL) != GPF_NONE;
    if (y)
        *y = d->base->t[d->y].data[0];
    return GSL_SUCCESS;
}

const double *gpf_damage_target(const gpf_damage *d, size_t i)
{
    if (i >= d->n_target || !d->base->ran)
        return NULL;
    return d->target[i].dense ? d->target[i].dense : d->base->t[d->target[i].value].data;
}

size_t gpf_damage_target_size(const gpf_damage *d, size_t i)
{
    return i < d->n_target ? gpf__tensor_size(&d->plan->value[d->target[i].value].t) : 0;
}

size_t gpf__damage_memory(const gpf_damage *d)
{
    return d->tiles + (6 + d->n_strips) * d->strip + 7 * d->most + 4 * d->plan->scratch;
}

int gpf_damage_depends(const gpf_damage *d, size_t i)
{
    return i < d->n_target && d->target[i].depends;
}

/* The first element in row-major order that is not finite; the size if all are. */
static size_t first_nonfinite(const gpf_tensor *t)
{
    const size_t *n = t->dim;
    size_t e = 0;
    for (size_t i = 0; i < n[0]; i++)
        for (size_t j = 0; j < n[1]; j++)
            for (size_t k = 0; k < n[2]; k++) {
                const double *x = t->data + (ptrdiff_t)i * t->stride[0] +
                                  (ptrdiff_t)j * t->stride[1] + (ptrdiff_t)k * t->stride[2];
                for (size_t l = 0; l < n[3]; l++, e++)
                    if (!isfinite(x[(ptrdiff_t)l * t->stride[3]]))
                        return e;
            }
    return e;
}

gpf_node gpf_damage_nonfinite(const gpf_damage *d, size_t *element)
{
    for (int v = 0; d->base->ran && v < d->plan->n_value; v++) {
        const gpf__value *value = &d->plan->value[v];
        if (value->source == GPF__VIEW || value->node == GPF_NONE)
            continue; /* looks into a value that was looked at */
        /* 0 x is 0, or NaN if x is not finite: a fast look first, in the order of the memory. */
        const size_t n = gpf__tensor_size(&value->t);
        const double *x = d->base->t[v].data;
        double sum[8] = { 0 };
        for (size_t i = 0; i < n; i++)
            sum[i % 8] += 0 * x[i];
        if (((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7])) == 0)
            continue;
        if (element)
            *element = first_nonfinite(&d->base->t[v]);
        return value->node;
    }
    return GPF_NONE;
}

/* A piece of memory that is cut up in two passes: sizes first, then addresses. */
typedef struct carver {
    char *memory; /* NULL in the first pass */
    size_t size;
} carver;

static void *carve(carver *c, size_t bytes)
{
    char *p = c->memory ? c->memory + c->size : NULL;
    c->size += (bytes + 63) & ~(size_t)63;
    return p;
}

static void carve_overlay(gpf_overlay *o, const gpf_damage *d, carver *c)
{
    const gpf_plan *p = d->plan;
    const size_t n_value = (size_t)p->n_value;
    size_t n_x = 0;
    for (int v = 0; v < p->n_value; v++)
        n_x += (size_t)d->call[v].n_x;
    double *tiles = carve(c, d->tiles * sizeof(double));
    int *ints = carve(c, d->ints * sizeof(int));
    gpf_overlay part = { .d = d };
    part.tile = carve(c, n_value * sizeof *o->tile);
    part.x = carve(c, n_x * sizeof *o->x);
    part.patch = carve(c, n_value * sizeof *o->patch);
    part.t = carve(c, n_value * sizeof *o->t);
    part.strip = carve(c, d->n_strips * d->strip * sizeof(double));
    part.operand = carve(c, 3 * d->strip * sizeof(double));
    part.fresh = carve(c, d->strip * sizeof(double));
    part.before = carve(c, 3 * d->strip * sizeof(double));
    part.delta = carve(c, d->points * d->most * sizeof(double));
    part.full = carve(c, (size_t)(p->max_in + 1) * d->most * sizeof(double));
    const size_t sides = d->strip > d->most ? d->strip : d->most;
    part.margin = carve(c, sides * sizeof(double));
    part.side = carve(c, sides * sizeof(int));
    part.side_before = carve(c, sides * sizeof(int));
    part.rows = carve(c, d->strip * sizeof(int));
    part.bits = carve(c, d->strip * sizeof(uint64_t));
    void *frame = carve(c, gpf__frame_size(p));
    double *scratch = carve(c, d->points * p->scratch * sizeof(double));
    if (!c->memory)
        return;
    *o = part;
    memset(o->tile, 0, n_value * sizeof *o->tile);
    gpf__frame_init(&o->frame, p, frame);
    for (int v = 0; v < p->n_value; v++) {
        const place *at = &d->place[v];
        gpf__tile *t = &o->tile[v];
        gpf__tile *const *x = o->x + at->first_x;
        t->base = &d->base->t[v];
        matrix_sizes(&p->value[v].t, &t->rows, &t->cols);
        t->data = at->data == NOWHERE ? NULL : tiles + at->data;
        t->few = at->few == NOWHERE ? NULL : tiles + at->few;
        t->kept = at->kept == NOWHERE ? NULL : ints + at->kept;
        t->cache = at->cache == NOWHERE ? NULL : tiles + at->cache;
        t->all = d->all;
        for (int i = 0; i < d->call[v].n_x; i++)
            o->x[at->first_x + i] = &o->tile[d->in[at->first_x + i]];
        o->patch[v] = (gpf__patch){ .call = &d->call[v],
                                    .x = (gpf__tile **)x,
                                    .y = t,
                                    .delta = o->delta,
                                    .strip = o->operand,
                                    .scratch = scratch };
    }
}

gpf_overlay *gpf_overlay_alloc(const gpf_damage *d)
{
    carver c = { NULL, 0 };
    carve(&c, sizeof(gpf_overlay));
    carve_overlay(NULL, d, &c);
    /* Not zeroed: of a large overlay many pages are never touched. */
    gpf_overlay *o = aligned_alloc(64, (c.size + 63) & ~(size_t)63);
    if (!o)
        GSL_ERROR_NULL("no memory for an overlay", GSL_ENOMEM);
    c = (carver){ (char *)o, 0 };
    carve(&c, sizeof(gpf_overlay));
    carve_overlay(o, d, &c);
    o->target = SIZE_MAX;
    o->watched = -1;
    return o;
}

void gpf_overlay_free(gpf_overlay *o)
{
    if (!o)
        return;
    gpf_workspace_free(o->shaken);
    gpf__noise_free(o->noise);
    free(o);
}

/* Turns the overlay to target i: nothing is damaged yet, and the target's tile is one element. */
static void enter(gpf_overlay *o, size_t i)
{
    const gpf_damage *d = o->d;
    const gpf_plan *p = d->plan;
    if (o->target != SIZE_MAX)
        o->tile[d->target[o->target].value].data = o->leaf_data;
    for (int v = 0; v < p->n_value; v++) {
        o->tile[v].at.n_cols = 0;
        o->tile[v].columns = NULL;
        o->tile[v].changes = false;
    }
    if (o->epoch != d->epoch) {
        memcpy(o->t, d->base->t, (size_t)p->n_value * sizeof *o->t);
        for (int v = 0; v < p->n_value; v++)
            o->tile[v].cached.n_cols = 0;
    }
    gpf__tile *leaf = &o->tile[d->target[i].value];
    o->leaf_data = leaf->data;
    leaf->data = o->element;
    o->target = i;
    o->epoch = d->epoch;
}

/* Notes that element e of piecewise value v has side `side`. */
static void note_side(gpf_overlay *o, int v, size_t e, int side, gpf_branch *b)
{
    const gpf_damage *d = o->d;
    const size_t at = d->place[v].side + e;
    const int base = d->side[at];
    if (v == o->watched && e == o->watched_element)
        o->watched_side = side;
    if (!b || side == base)
        return;
    const double margin = d->margin[at];
    const gpf_node node = d->plan->value[v].node;
    b->tie |= base & 1;
    /* A sum of scrambled terms: the order of the changes does not matter. */
    unsigned long long h = (at + 1) * 0x9e3779b97f4a7c15u + (unsigned)side;
    h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9u;
    b->signature += (h ^ h >> 32) | 1;
    const bool nearer =
        margin < b->margin ||
        (margin == b->margin && (node < b->node || (node == b->node && e < b->element)));
    if (b->n_changed++ == 0 || nearer) {
        b->node = node;
        b->element = e;
        b->base = base;
        b->side = side;
        b->margin = margin;
    }
}

/* Are some of n elements on another side at x than at x0? */
static bool any_moved(gpf_overlay *o, const gpf_op *op, size_t n, const double *const *x,
                      const double *const *x0, const gpf_attr *attr)
{
    if (op->moved)
        return op->moved(n, x, x0, attr);
    op->side(n, o->side, o->margin, x, attr);
    op->side(n, o->side_before, o->margin, x0, attr);
    return memcmp(o->side, o->side_before, n * sizeof *o->side) != 0;
}

/* The branch records of columns c .. c+n-1, rows `at`, of a piecewise step with inputs x. */
static void compare_columns(gpf_overlay *o, int v, const gpf__rect *at, size_t c, size_t n,
                            size_t points, const gpf__columns *x, gpf_branch *b)
{
    const gpf_op *op = op_of(o->d->plan, v);
    const gpf_call *call = o->patch[v].call;
    const size_t rows = at->n_rows, cols = o->tile[v].cols;
    gpf__columns base[3];
    for (int i = 0; i < call->n_x; i++)
        base[i] = gpf__tile_base_columns(o->patch[v].x[i], at, c, n, points,
                                         o->before + (size_t)i * o->d->strip);
    bool dense = v != o->watched;
    for (int i = 0; i < call->n_x; i++)
        dense &= x[i].point == rows && base[i].point == rows;
    const double *in[3] = { NULL, NULL, NULL }, *before[3] = { NULL, NULL, NULL };
    for (int i = 0; i < call->n_x; i++) {
        in[i] = x[i].data;
        before[i] = base[i].data;
    }
    if (dense && !any_moved(o, op, n * points * rows, in, before, call->attr))
        return;
    for (size_t j = 0; j < n; j++)
        for (size_t q = 0; q < points; q++) {
            for (int i = 0; i < call->n_x; i++) {
                in[i] = x[i].data + (ptrdiff_t)j * x[i].col + q * x[i].point;
                before[i] = base[i].data + (ptrdiff_t)j * base[i].col + q * base[i].point;
            }
            if (v != o->watched && !any_moved(o, op, rows, in, before, call->attr))
                continue;
            op->side(rows, o->side, o->margin, in, call->attr);
            for (size_t i = 0; i < rows; i++)
                note_side(o, v, (size_t)at->row[i] * cols + c + j, o->side[i], b ? &b[q] : NULL);
        }
}

static uint64_t bits_of(double x)
{
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static bool all_as_base(const double *x, const double *base, size_t n, size_t points)
{
    for (size_t p = 0; p < points; p++)
        for (size_t i = 0; i < n; i++)
            if (bits_of(x[p * n + i]) != bits_of(base[i]))
                return false;
    return true;
}

/* Drops the rows of a narrow tile that are as at the base: of a dead unit nothing goes on. */
static void prune(gpf_overlay *o, const entry *e, size_t points)
{
    gpf__tile *t = &o->tile[e->value];
    const size_t n = t->at.n_rows;
    if (t->at.n_cols != 1 || t->columns)
        return;
    double *base = o->operand;
    uint64_t *bits = o->bits;
    if (t->changes)
        memset(base, 0, n * sizeof *base);
    else
        gpf__tile_base(t, &t->at, t->at.col, 1, 1, base);
    if (e->narrow || n == 1) {
        if (all_as_base(t->data, base, n, points))
            t->at.n_cols = 0;
        return;
    }
    memset(bits, 0, n * sizeof *bits);
    for (size_t p = 0; p < points; p++)
        for (size_t i = 0; i < n; i++)
            bits[i] |= bits_of(t->data[p * n + i]) ^ bits_of(base[i]);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        kept += bits[i] != 0;
    if (kept == n || (kept > 0 && kept > n - n / 8))
        return;
    if (kept == 0) {
        t->at.n_cols = 0;
        return;
    }
    for (size_t i = 0, k = 0; i < n; i++) {
        o->rows[k] = (int)i;
        k += bits[i] != 0;
    }
    for (size_t p = 0, to = 0; p < points; p++)
        for (size_t i = 0; i < kept; i++)
            t->data[to++] = t->data[p * n + (size_t)o->rows[i]];
    for (size_t i = 0; i < kept; i++)
        o->rows[i] = t->at.row[o->rows[i]];
    /* The same list as last time keeps its name, and with it what was gathered for it. */
    if (kept != t->n_kept || memcmp(t->kept, o->rows, kept * sizeof *t->kept)) {
        memcpy(t->kept, o->rows, kept * sizeof *t->kept);
        t->n_kept = kept;
        t->kept_list = ++o->lists;
    }
    t->at.row = t->kept;
    t->at.n_rows = kept;
    t->at.list = t->kept_list;
}

/* Where columns c .. of a member's values are written: its strip or its tile. Of one that keeps only
 * changes: a strip for a moment. */
static double *strip_of(const gpf_overlay *o, const entry *e, size_t c, size_t points)
{
    const gpf__tile *t = &o->tile[e->value];
    if (e->changes)
        return o->fresh;
    return e->strip >= 0 ? o->strip + (size_t)e->strip * o->d->strip
                         : t->data + (c - t->at.col) * points * t->at.n_rows;
}

/* The values of a member that changes by as much as an input does whose columns are made on demand:
 * they are made on top of the member's base. */
static bool shift(gpf_overlay *o, const entry *e, const gpf__rect *at, size_t c, size_t n,
                  size_t points)
{
    if (!(e->op->flags & GPF_OP_SHIFTS))
        return false;
    gpf__tile **x = o->patch[e->value].x;
    for (int i = 0; i < (e->op->flags & GPF_OP_COMMUTES ? 2 : 1); i++) {
        const gpf__tile *other = x[1 - i];
        if (e->own[0] >= 0 || e->own[1] >= 0 || !x[i]->columns || gpf__tile_damaged(other) ||
            x[i]->at.row != at->row || x[i]->at.n_rows != at->n_rows ||
            x[i]->at.n_cols != at->n_cols)
            continue;
        x[i]->columns(x[i], &o->tile[e->value], c, n, points, strip_of(o, e, c, points));
        return true;
    }
    return false;
}

/* Keeps of columns c .. what they differ by from the base. */
static void keep_changes(gpf_overlay *o, const entry *e, const gpf__rect *at, size_t c, size_t n,
                         size_t points)
{
    gpf__tile *t = &o->tile[e->value];
    const size_t rows = at->n_rows;
    const gpf__columns in[] = { gpf__columns_dense(o->fresh, points, rows),
                                gpf__tile_base_columns(t, at, c, n, points, o->operand) };
    gpf__map_columns(&gpf_op_sub, o->d->call[e->value].attr, in, 2, n, points, rows,
                     t->data + (c - at->col) * points * rows);
}

/* Columns c .. of input i of a member. */
static gpf__columns operand(gpf_overlay *o, const entry *all, const entry *e, int i,
                            const gpf__rect *at, size_t c, size_t n, size_t points)
{
    gpf__tile *x = o->patch[e->value].x[i];
    double *buffer = o->operand + (size_t)i * o->d->strip;
    if (e->own[i] < 0 && !gpf__tile_damaged(x))
        return gpf__tile_base_columns(x, at, c, n, points, buffer);
    return gpf__columns_dense(e->own[i] >= 0 ? strip_of(o, &all[e->own[i]], c, points)
                                             : gpf__tile_values(x, at, c, n, points, buffer),
                              points, at->n_rows);
}

static void run_group(gpf_overlay *o, const target *t, const item *it, size_t points, gpf_branch *b)
{
    const gpf_damage *d = o->d;
    const entry *all = d->entry + t->first, *e = d->entry + it->first;
    gpf__rect at = { .n_cols = 0 };
    for (int k = 0; k < it->n; k++)
        for (int i = 0; i < d->call[e[k].value].n_x; i++)
            if (e[k].own[i] < 0)
                gpf__rect_join(o->patch[e[k].value].x[i], &at, &o->patch[e[k].value].x[i]->at);
    for (int k = 0; k < it->n; k++) {
        o->tile[e[k].value].at = at;
        o->tile[e[k].value].changes = e[k].changes;
    }
    if (at.n_cols == 0)
        return;
    const size_t chunk = gpf__rect_chunk(&at, points, d->strip), end = at.col + at.n_cols;
    for (size_t c = at.col; c < end; c += chunk) {
        const size_t n = end - c < chunk ? end - c : chunk;
        for (int k = 0; k < it->n; k++) {
            const int v = e[k].value;
            const gpf_call *call = &d->call[v];
            if (!shift(o, &e[k], &at, c, n, points)) {
                gpf__columns x[3];
                for (int i = 0; i < call->n_x; i++)
                    x[i] = operand(o, all, &e[k], i, &at, c, n, points);
                if (e[k].op->side && (b || v == o->watched))
                    compare_columns(o, v, &at, c, n, points, x, b);
                gpf__map_columns(e[k].op, call->attr, x, call->n_x, n, points, at.n_rows,
                                 strip_of(o, &e[k], c, points));
            }
            if (e[k].changes)
                keep_changes(o, &e[k], &at, c, n, points);
        }
    }
    o->work += (double)it->n * (double)(at.n_cols * points * at.n_rows);
    for (int k = 0; k < it->n; k++)
        if (e[k].strip < 0)
            prune(o, &e[k], points);
}

/* Input x at point q as a whole tensor in row-major order, in `to`; whether it is as at the base. */
static bool materialise(gpf__tile *x, size_t q, size_t points, gpf_tensor *t, double *to)
{
    *t = *x->base;
    t->data = to;
    gpf__tensor_dense(t);
    gpf__tensor_copy(t, x->base);
    gpf__tile_settle(x, points);
    bool same = true;
    for (size_t j = 0; j < x->at.n_cols; j++)
        for (size_t i = 0; i < x->at.n_rows; i++) {
            double *y = &to[(size_t)x->at.row[i] * x->cols + x->at.col + j];
            const double *v = &x->data[(j * points + q) * x->at.n_rows + i];
            same &= x->changes ? *v == 0 : memcmp(y, v, sizeof *v) == 0;
            *y = x->changes ? *y + *v : *v;
        }
    return same;
}

static void compare_whole(gpf_overlay *o, int v, gpf_branch *b)
{
    const gpf_plan *p = o->d->plan;
    gpf__step_sides(p, &p->step[p->value[v].step], o->t, &o->frame, o->side, o->margin);
    for (size_t e = 0; e < gpf__tensor_size(&p->value[v].t); e++)
        note_side(o, v, e, o->side[e], b);
}

/* No rule: the whole node, point by point. */
static void run_whole(gpf_overlay *o, int v, size_t points, gpf_branch *b)
{
    const gpf_damage *d = o->d;
    const gpf_plan *p = d->plan;
    const gpf__value *value = &p->value[v];
    const gpf_call *call = &d->call[v];
    gpf__tile *y = &o->tile[v];
    y->at = gpf__rect_rows(y, 0, y->rows, 0, y->cols);
    for (size_t q = 0; q < points; q++) {
        bool same = true;
        double *room = o->full;
        for (int i = 0; i < call->n_x; i++) {
            gpf__tile *x = o->patch[v].x[i];
            const int in = (int)(x - o->tile);
            if (!gpf__tile_damaged(x) || o->t[in].data != d->base->t[in].data)
                continue; /* undamaged, or the same input once more */
            same &= materialise(x, q, points, &o->t[in], room);
            room += d->most;
        }
        for (int i = 0; i < call->n_x; i++)
            o->t[named_input(p, v, i)] = o->t[input(p, v, i)];
        gpf_tensor *t = &o->t[v];
        if (same) {
            *t = d->base->t[v];
        } else if (value->source == GPF__VIEW) {
            ptrdiff_t offset = 0;
            const gpf_tensor *x = &o->t[value->of];
            *t = value->t;
            value->view->view(t, x, &value->attr, &offset);
            t->data = x->data + offset;
        } else {
            *t = d->base->t[v];
            t->data = room;
            gpf__tensor_dense(t);
            gpf__step_run(p, &p->step[value->step], o->t, &o->frame);
        }
        if (d->place[v].side != NOWHERE && (b || v == o->watched))
            compare_whole(o, v, b ? &b[q] : NULL);
        gpf__tile whole = { .base = t, .rows = y->rows, .cols = y->cols, .all = y->all };
        for (size_t c = 0; c < y->cols; c++)
            gpf__tile_base(&whole, &y->at, c, 1, 1, y->data + (c * points + q) * y->rows);
        for (int i = 0; i < call->n_x; i++) {
            o->t[input(p, v, i)] = *call->x[i];
            o->t[named_input(p, v, i)] = d->base->t[named_input(p, v, i)];
        }
        *t = d->base->t[v];
    }
}

static void run_single(gpf_overlay *o, const entry *e, size_t points, gpf_branch *b)
{
    const gpf_damage *d = o->d;
    const int v = e->value;
    const gpf_op *op = op_of(d->plan, v);
    gpf__patch *patch = &o->patch[v];
    gpf__tile *y = patch->y;
    y->at.n_cols = 0;
    y->columns = NULL;
    y->changes = false;
    patch->points = points;
    bool any = false;
    for (int i = 0; i < patch->call->n_x; i++)
        any |= gpf__tile_damaged(patch->x[i]);
    if (!any)
        return;
    const gpf__move stay = { .row = 0 };
    if (d->plain || is_piecewise(op) ||
        !(op ? op->damage && op->damage(patch) : gpf__damage_moved(patch, &stay))) {
        y->at.n_cols = 0;
        run_whole(o, v, points, b);
    }
    if (!gpf__tile_damaged(y))
        return;
    o->work += 2 * (double)(points * y->at.n_rows * y->at.n_cols);
    prune(o, e, points);
}

/* f at base element + t[0 .. points-1]. */
static void evaluate(gpf_overlay *o, size_t k, const double *t, size_t points, double *f,
                     gpf_branch *b)
{
    const gpf_damage *d = o->d;
    const target *x = &d->target[o->target];
    gpf__tile *leaf = &o->tile[x->value], *y = &o->tile[d->y];
    leaf->at = gpf__rect_rows(leaf, k / leaf->cols, k / leaf->cols + 1, k % leaf->cols, 1);
    const double base = gpf_damage_target(d, o->target)[k];
    for (size_t p = 0; p < points; p++)
        o->element[p] = base + t[p];
    for (size_t i = 0; i < x->n_items; i++) {
        const item *it = &d->item[x->first_item + i];
        if (it->group)
            run_group(o, x, it, points, b);
        else
            run_single(o, &d->entry[it->first], points, b);
    }
    for (size_t p = 0; p < points; p++)
        f[p] = gpf__tile_damaged(y) ? y->data[p] : y->base->data[0];
}

int gpf_overlay_values(gpf_overlay *o, size_t i, size_t k, const double *t, size_t m, double *f,
                       gpf_branch *b)
{
    const gpf_damage *d = o->d;
    if (!d->base->ran)
        GSL_ERROR("no base point", GSL_EINVAL);
    if (i >= d->n_target || k >= gpf_damage_target_size(d, i))
        GSL_ERROR("no such element to change", GSL_EINVAL);
    if (o->target != i || o->epoch != d->epoch)
        enter(o, i);
    if (b)
        memset(b, 0, m * sizeof *b);
    for (size_t j = 0; j < m; j += d->points) {
        const size_t points = m - j < d->points ? m - j : d->points;
        evaluate(o, k, t + j, points, f + j, b ? b + j : NULL);
    }
    if (m && b) {
        o->last_k = k;
        o->last_t = t[m - 1];
    }
    return GSL_SUCCESS;
}

/* The n values (their numbers are `apart` ints from each other), in order, computed again and
 * shaken, in memory of their own. */
static double shake(gpf_overlay *o, const int *value, size_t apart, size_t n)
{
    const gpf_damage *d = o->d;
    const gpf_plan *p = d->plan;
    gpf_tensor *t = o->shaken->t;
    memcpy(t, d->base->t, (size_t)p->n_value * sizeof *t);
    for (size_t k = 0; k < n; k++) {
        const int v = value[k * apart];
        const gpf__value *at = &p->value[v];
        if (at->source == GPF__VIEW)
            t[v].data = t[at->of].data + at->offset;
        if (at->source != GPF__SLOT)
            continue;
        t[v].data = o->shaken->block + at->offset;
        /* Noise leaves some steps alone: they need their values here. */
        memcpy(t[v].data, d->base->t[v].data, gpf__tensor_size(&t[v]) * sizeof(double));
    }
    /* Noise that GSL's own eps |y| covers need not be known well: two runs, doubled. */
    enum { FEW_RUNS = 2 };
    const double y = d->base->t[d->y].data[0];
    double noise = 0;
    for (int run = 0; run < GPF__NOISE_RUNS; run++) {
        if (run == FEW_RUNS && noise <= 8 * DBL_EPSILON * fabs(y))
            return fmax(2 * noise, DBL_EPSILON * fabs(y));
        for (size_t k = 0; k < n; k++) {
            const int step = p->value[value[k * apart]].step;
            if (step >= 0)
                gpf__noise_step(o->noise, &p->step[step], t);
        }
        const double off = fabs(t[d->y].data[0] - y);
        noise = isfinite(off) ? fmax(noise, off) : noise;
    }
    return noise;
}

int gpf__damage_noise(gpf_overlay *o, size_t i, double *noise)
{
    const gpf_damage *d = o->d;
    *noise = 0;
    if (!o->shaken)
        o->shaken = gpf__workspace_make(d->plan);
    if (!o->noise)
        o->noise = gpf__noise_alloc(d->plan);
    if (!o->shaken || !o->noise)
        return GSL_ENOMEM;
    gpf__noise_restart(o->noise);
    const size_t apart = sizeof *d->entry / sizeof(int);
    if (i == GPF__ALL_TARGETS)
        *noise = shake(o, d->every, 1, d->n_every);
    else
        *noise = shake(o, &d->entry[d->target[i].first].value, apart, d->target[i].n);
    return GSL_SUCCESS;
}

int gpf_overlay_side(gpf_overlay *o, gpf_node node, size_t element, int *side)
{
    const gpf_damage *d = o->d;
    const int v = value_of(d->plan, node);
    if (o->target == SIZE_MAX || o->epoch != d->epoch || v < 0 || d->place[v].side == NOWHERE ||
        element >= gpf__tensor_size(&d->plan->value[v].t))
        return GSL_EINVAL;
    /* Sides are not kept: the last point again, with an eye on this one. What is not damaged is
     * where it was. */
    double f;
    o->watched = v;
    o->watched_element = element;
    o->watched_side = d->side[d->place[v].side + element];
    evaluate(o, o->last_k, &o->last_t, 1, &f, NULL);
    o->watched = -1;
    *side = o->watched_side;
    return GSL_SUCCESS;
}

double gpf__overlay_work(const gpf_overlay *o)
{
    return o->work;
}
