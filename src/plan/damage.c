/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One element changes: recompute the rectangles that change with it, beside the base values.
 *
 * What lies downstream of a target is a list of values in order, cut into items: a single value
 * whose op's damage rule (op/tile.h) fills its tile, or a group of elementwise steps over the same
 * index space that run together, strip by strip. */
#include "op/vector.h"
#include "plan/damage.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const gpf_op *op_of(const gpf_plan *p, int v)
{
    const gpf__value *value = &p->value[v];
    return value->source == GPF__VIEW ? value->view : p->step[value->step].op;
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

/* The value itself, where v is only another name for it. */
static int behind(const gpf_plan *p, int v)
{
    while (p->value[v].source == GPF__VIEW && !p->value[v].view)
        v = p->value[v].of;
    return v;
}

static int input(const gpf_plan *p, int v, int i)
{
    return behind(p, gpf__named_input(p, v, i));
}

static bool same_sizes(const gpf_tensor *a, const gpf_tensor *b)
{
    return a->rank == b->rank && !memcmp(a->dim, b->dim, sizeof a->dim);
}

/* Of a value, while a target's list is made. */
typedef struct survey {
    bool to_y, down; /* upstream of y; downstream of the target, so that it is in the list */
    /* Where it is in the list: */
    bool linear;     /* its readers want to know only how it changes */
    int entry;       /* which one it is */
    int last_reader; /* -1: none; INT32_MAX: whoever asked for y */
} survey;

static void mark_upstream(const gpf_plan *p, int y, survey *s)
{
    s[y].to_y = true;
    for (int v = y; v >= 0; v--)
        for (int i = 0; s[v].to_y && i < n_inputs(p, v); i++)
            s[input(p, v, i)].to_y = true;
}

static void mark_downstream(const gpf_plan *p, int from, survey *s)
{
    for (int v = 0; v < p->n_value; v++)
        s[v].down = v == from;
    for (int v = from + 1; v < p->n_value; v++)
        for (int i = 0; s[v].to_y && i < n_inputs(p, v); i++)
            s[v].down |= s[input(p, v, i)].down;
    s[from].down = false; /* its own value is the perturbed one */
}

/* Puts what a target damages into its list. */
static int make_list(gpf_damage *d, gpf__target *t, const survey *s)
{
    const gpf_plan *p = d->plan;
    t->first = d->n_entry;
    for (int v = t->value + 1; v < p->n_value; v++) {
        if (!s[v].down)
            continue;
        if (gpf__grow(&d->entry, &d->entry_cap, d->n_entry + 1, sizeof *d->entry))
            return GSL_ENOMEM;
        d->entry[d->n_entry++] = (gpf__entry){ v, -1, false, true, { -1, -1, -1 }, op_of(p, v) };
    }
    t->n = d->n_entry - t->first;
    return GSL_SUCCESS;
}

static void find_readers(const gpf_damage *d, const gpf__target *t, survey *s)
{
    const gpf_plan *p = d->plan;
    const gpf__entry *e = d->entry + t->first;
    for (size_t k = 0; k < t->n; k++) {
        const bool is_y = e[k].value == d->y;
        s[e[k].value].entry = (int)k;
        s[e[k].value].last_reader = is_y ? INT32_MAX : -1;
        s[e[k].value].linear = !is_y;
    }
    for (size_t k = 0; k < t->n; k++)
        for (int i = 0; i < n_inputs(p, e[k].value); i++) {
            survey *x = &s[input(p, e[k].value, i)];
            if (!x->down)
                continue;
            if (x->last_reader != INT32_MAX)
                x->last_reader = e[k].value;
            /* An elementwise reader takes values, whatever its row says. */
            x->linear &= e[k].op && !e[k].op->map && e[k].op->flags & GPF_OP_LINEAR;
        }
}

/* Marks the entries behind which little follows. */
static void find_narrow(const gpf_damage *d, const gpf__target *t)
{
    enum { FEW_COLUMNS = 14 };
    gpf__entry *e = d->entry + t->first;
    size_t to_come = 0;
    for (size_t k = t->n; k-- > 0;) {
        size_t rows, cols;
        gpf__tile_sizes(&d->plan->value[e[k].value].t, &rows, &cols);
        e[k].narrow = to_come < FEW_COLUMNS;
        to_come += rows > 1 ? cols : 0;
    }
}

/* Gives the members first .. end-1 of a group a strip each where nobody else reads them. */
static void make_group(gpf_damage *d, const gpf__target *t, size_t first, size_t end,
                       const survey *s)
{
    const gpf_plan *p = d->plan;
    gpf__entry *e = d->entry + t->first;
    size_t strips = 0;
    for (size_t k = first; k < end; k++) {
        const int v = e[k].value;
        e[k].strip = s[v].last_reader <= e[end - 1].value ? (int)strips++ : -1;
        e[k].changes = e[k].strip < 0 && s[v].linear;
        for (int i = 0; i < n_inputs(p, v); i++) {
            const survey *x = &s[input(p, v, i)];
            if (x->down && x->entry >= (int)first)
                e[k].own[i] = x->entry;
        }
    }
    d->n_strips = strips > d->n_strips ? strips : d->n_strips;
}

/* Cuts a target's list into items. */
static int make_items(gpf_damage *d, gpf__target *t, const survey *s)
{
    const gpf_plan *p = d->plan;
    const gpf__entry *e = d->entry + t->first;
    t->first_item = d->n_item;
    for (size_t k = 0, end; k < t->n; k = end) {
        const bool group = is_elementwise(p, e[k].value);
        end = k + 1;
        while (group && end < t->n && is_elementwise(p, e[end].value) &&
               same_sizes(&p->value[e[k].value].t, &p->value[e[end].value].t))
            end++;
        if (group)
            make_group(d, t, k, end, s);
        if (gpf__grow(&d->item, &d->item_cap, d->n_item + 1, sizeof *d->item))
            return GSL_ENOMEM;
        d->item[d->n_item++] = (gpf__item){ (int)(t->first + k), (int)(end - k), group };
    }
    t->n_items = d->n_item - t->first_item;
    return GSL_SUCCESS;
}

/* Lists what any target damages; s has no marks that are still needed. */
static int list_every(gpf_damage *d, survey *s)
{
    const size_t n_value = (size_t)d->plan->n_value;
    d->every = malloc(n_value * sizeof *d->every);
    if (!d->every)
        return GSL_ENOMEM;
    for (size_t v = 0; v < n_value; v++)
        s[v].down = false;
    for (size_t k = 0; k < d->n_entry; k++)
        s[d->entry[k].value].down = true;
    for (size_t v = 0; v < n_value; v++)
        if (s[v].down)
            d->every[d->n_every++] = (int)v;
    return GSL_SUCCESS;
}

/* The lists of what each target damages. */
static int make_lists(gpf_damage *d, const gpf_node *xs)
{
    const gpf_plan *p = d->plan;
    survey *s = calloc((size_t)p->n_value, sizeof *s);
    int status = s ? GSL_SUCCESS : GSL_ENOMEM;
    if (status == GSL_SUCCESS)
        mark_upstream(p, d->y, s);
    for (size_t i = 0; status == GSL_SUCCESS && i < d->n_target; i++) {
        gpf__target *t = &d->target[i];
        t->value = gpf__plan_value(p, xs[i]);
        t->depends = s[t->value].to_y;
        mark_downstream(p, t->value, s);
        status = make_list(d, t, s);
        if (status)
            break;
        find_readers(d, t, s);
        find_narrow(d, t);
        status = make_items(d, t, s);
    }
    if (status == GSL_SUCCESS)
        status = list_every(d, s);
    free(s);
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
    gpf__tile_place *at = &d->place[v];
    const gpf_tensor *t = &d->plan->value[v].t;
    size_t rows, cols;
    gpf__tile_sizes(t, &rows, &cols);
    if (tile && at->data == GPF__NOT_KEPT) {
        at->data = take(&d->tiles, d->points * rows * cols);
        at->few = take(&d->tiles, d->points * rows * GPF__FEW);
        at->kept = take(&d->ints, rows);
    }
    if (at->cache == GPF__NOT_KEPT && t->rank == 2 && rows >= 8 && t->stride[0] && t->stride[1])
        at->cache = take(&d->tiles, rows * cols);
}

static void make_places(gpf_damage *d)
{
    const gpf_plan *p = d->plan;
    size_t all = 0;
    for (int v = 0; v < p->n_value; v++) {
        size_t rows, cols, whole;
        gpf__tile_sizes(&p->value[v].t, &rows, &cols);
        d->most_rows = rows > d->most_rows ? rows : d->most_rows;
        d->most = rows * cols > d->most ? rows * cols : d->most;
        all += whole = rows * cols;
        for (int i = 0; i < n_inputs(p, v); i++)
            whole += gpf__tensor_size(&p->value[input(p, v, i)].t);
        d->whole = whole > d->whole ? whole : d->whole;
    }
    /* All points at once, unless that takes more than a part of the memory. */
    d->points = all < gpf__machine_memory() / sizeof(double) / 256 ? GPF__POINTS : 1;
    d->strip = d->points * d->most_rows > GPF__CHUNK ? d->points * d->most_rows : GPF__CHUNK;
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
    d->call = calloc((size_t)p->n_value, sizeof *d->call);
    d->x = malloc((n + 1) * sizeof *d->x);
    d->in = malloc((n + 1) * sizeof *d->in);
    d->all = malloc(d->most_rows * sizeof *d->all);
    if (!d->call || !d->x || !d->in || !d->all)
        return GSL_ENOMEM;
    for (size_t i = 0; i < d->most_rows; i++)
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
        d->place[v] = (gpf__tile_place){ GPF__NOT_KEPT,
                                         GPF__NOT_KEPT,
                                         GPF__NOT_KEPT,
                                         GPF__NOT_KEPT,
                                         GPF__NOT_KEPT,
                                         GPF__NOT_KEPT,
                                         0 };
    int status = make_lists(d, xs);
    if (status)
        return status;
    make_places(d);
    for (int v = 0; v < p->n_value; v++)
        if (p->value[v].step >= 0 && gpf__piecewise(op_of(p, v))) {
            d->place[v].side = d->n_sides;
            d->n_sides += gpf__tensor_size(&p->value[v].t);
            size_t rows, cols;
            gpf__tile_sizes(&p->value[v].t, &rows, &cols);
            d->place[v].least = d->n_least;
            d->n_least += cols;
        }
    d->side = calloc(d->n_sides + 1, sizeof *d->side);
    d->margin = calloc(d->n_sides + 1, sizeof *d->margin);
    d->least = calloc(d->n_least + 1, sizeof *d->least);
    d->base = gpf__workspace_make(p);
    if (!d->side || !d->margin || !d->least || !d->base)
        return GSL_ENOMEM;
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
        d->y = behind(d->plan, gpf__plan_value(d->plan, y));
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
    free(d->least);
    free(d);
}

/* How near the elements of each column are to an edge. */
static void find_least_margins(gpf_damage *d, int v)
{
    size_t rows, cols;
    gpf__tile_sizes(&d->plan->value[v].t, &rows, &cols);
    const double *margin = d->margin + d->place[v].side;
    double *least = d->least + d->place[v].least;
    for (size_t j = 0; j < cols; j++)
        least[j] = margin[j];
    for (size_t i = 1; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            least[j] = margin[i * cols + j] >= least[j] ? least[j] : margin[i * cols + j];
}

int gpf_damage_base(gpf_damage *d, const gpf_point *at, double *y)
{
    const gpf_plan *p = d->plan;
    d->epoch++;
    const int status = gpf_plan_run(p, d->base, at);
    if (status)
        return status;
    for (int v = 0; v < p->n_value; v++)
        if (d->place[v].side != GPF__NOT_KEPT) {
            gpf__step_sides(p, &p->step[p->value[v].step], d->base->t, &d->base->frame,
                            d->side + d->place[v].side, d->margin + d->place[v].side);
            find_least_margins(d, v);
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
    return d->base->t[d->target[i].value].data;
}

size_t gpf_damage_target_size(const gpf_damage *d, size_t i)
{
    return i < d->n_target ? gpf__tensor_size(&d->plan->value[d->target[i].value].t) : 0;
}

int gpf_damage_depends(const gpf_damage *d, size_t i)
{
    return i < d->n_target && d->target[i].depends;
}

/* Numbers a value has in memory: along some axes a constant may be one for all. */
static size_t stored(const gpf_tensor *t)
{
    size_t n = 1;
    for (int a = 0; a < t->rank; a++)
        n *= t->stride[a] ? t->dim[a] : 1;
    return n;
}

static bool all_finite(const double *x, size_t n)
{
    /* An exponent of all ones carries into the sign. */
    const uint64_t ones = 0x7ff0000000000000u, one = 0x0010000000000000u;
    uint64_t any = 0;
    GPF__SIMD_OR(any) for (size_t i = 0; i < n; i++)
    {
        any |= (gpf__bits(x[i]) & ones) + one;
    }
    return any >> 63 == 0;
}

gpf_node gpf_damage_nonfinite(const gpf_damage *d, size_t *element)
{
    for (int v = 0; d->base->ran && v < d->plan->n_value; v++) {
        const gpf__value *value = &d->plan->value[v];
        if (value->source == GPF__VIEW || value->node == GPF_NONE)
            continue; /* looks into a value that was looked at */
        /* A fast look first, in the order of the memory. */
        const size_t n = stored(&value->t);
        if (all_finite(d->base->t[v].data, n))
            continue;
        for (size_t e = 0; element && e < gpf__tensor_size(&value->t); e++)
            if (!isfinite(*gpf__tensor_at(&d->base->t[v], e))) {
                *element = e;
                break;
            }
        return value->node;
    }
    return GPF_NONE;
}
