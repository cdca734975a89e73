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

static bool same_sizes(const gpf_tensor *a, const gpf_tensor *b)
{
    return a->rank == b->rank && !memcmp(a->dim, b->dim, sizeof a->dim);
}

/* Do all readers of a value in the list want to know only how it changes? */
static bool linear_readers(const gpf_damage *d, const gpf__target *t, int value)
{
    const gpf_plan *p = d->plan;
    const gpf__entry *e = d->entry + t->first;
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
static int make_items(gpf_damage *d, gpf__target *t, int *last_reader)
{
    const gpf_plan *p = d->plan;
    gpf__entry *e = d->entry + t->first;
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
        gpf__tile_sizes(&p->value[e[k].value].t, &rows, &cols);
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
        d->item[d->n_item++] = (gpf__item){ (int)(t->first + k), (int)(end - k), group };
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
        gpf__target *t = &d->target[i];
        t->value = gpf__plan_value(p, xs[i]);
        t->depends = to_y[t->value];
        t->first = d->n_entry;
        mark(p, t->value, to_y, down);
        for (int v = t->value + 1; v < p->n_value && status == GSL_SUCCESS; v++)
            if (down[v]) {
                status = gpf__grow(&d->entry, &d->entry_cap, d->n_entry + 1, sizeof *d->entry);
                if (status == GSL_SUCCESS)
                    d->entry[d->n_entry++] =
                        (gpf__entry){ v, -1, false, true, { -1, -1, -1 }, op_of(p, v) };
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
    size_t rows = 1, cols, most = 1, block = 0;
    for (int v = 0; v < p->n_value; v++) {
        size_t r;
        gpf__tile_sizes(&p->value[v].t, &r, &cols);
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
        gpf__tile_sizes(&p->value[v].t, &rows, &cols);
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
        const size_t n = gpf__tensor_size(&value->t);
        if (all_finite(d->base->t[v].data, n))
            continue;
        if (element)
            *element = first_nonfinite(&d->base->t[v]);
        return value->node;
    }
    return GPF_NONE;
}
