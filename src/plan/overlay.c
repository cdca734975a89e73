/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Running a target's list (damage.h), item by item, beside the base values. */
#include "op/vector.h"
#include "plan/damage.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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
    part.full = carve(c, d->whole * sizeof(double));
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
        const gpf__tile_place *at = &d->place[v];
        gpf__tile *t = &o->tile[v];
        gpf__tile **x = o->x + at->first_x;
        t->base = &d->base->t[v];
        gpf__tile_sizes(&p->value[v].t, &t->rows, &t->cols);
        t->data = at->data == GPF__NOT_KEPT ? NULL : tiles + at->data;
        t->few = at->few == GPF__NOT_KEPT ? NULL : tiles + at->few;
        t->kept = at->kept == GPF__NOT_KEPT ? NULL : ints + at->kept;
        t->cache = at->cache == GPF__NOT_KEPT ? NULL : tiles + at->cache;
        t->all = d->all;
        for (int i = 0; i < d->call[v].n_x; i++)
            x[i] = &o->tile[d->in[at->first_x + i]];
        o->patch[v] = (gpf__patch){ .call = &d->call[v],
                                    .x = x,
                                    .y = t,
                                    .delta = o->delta,
                                    .strip = o->operand,
                                    .scratch = scratch };
    }
}

size_t gpf__damage_memory(const gpf_damage *d)
{
    carver c = { NULL, 0 };
    carve_overlay(NULL, d, &c);
    return c.size / sizeof(double);
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
static void compare_columns(gpf_overlay *o, const gpf__entry *e, const gpf__rect *at, size_t c,
                            size_t n, size_t points, const gpf__columns *x, gpf_branch *b)
{
    const gpf_op *op = e->op;
    const int v = e->value;
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

static bool all_as_base(const double *x, const double *base, size_t n, size_t points)
{
    for (size_t p = 0; p < points; p++)
        for (size_t i = 0; i < n; i++)
            if (gpf__bits(x[p * n + i]) != gpf__bits(base[i]))
                return false;
    return true;
}

/* Drops the rows of a narrow tile that are as at the base: of a dead unit nothing goes on. */
static void prune(gpf_overlay *o, const gpf__entry *e, size_t points)
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
        GPF__SIMD for (size_t i = 0; i < n; i++)
        {
            bits[i] |= gpf__bits(t->data[p * n + i]) ^ gpf__bits(base[i]);
        }
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
static double *strip_of(const gpf_overlay *o, const gpf__entry *e, size_t c, size_t points)
{
    const gpf__tile *t = &o->tile[e->value];
    if (t->changes)
        return o->fresh;
    return e->strip >= 0 ? o->strip + (size_t)e->strip * o->d->strip
                         : t->data + (c - t->at.col) * points * t->at.n_rows;
}

/* The values of a member that changes by as much as an input does whose columns are made on demand:
 * they are made on top of the member's base. */
static const gpf__tile *shift(gpf_overlay *o, const gpf__entry *e, const gpf__rect *at, size_t c,
                              size_t n, size_t points)
{
    if (!(e->op->flags & GPF_OP_SHIFTS) || e->op->arity != 2)
        return NULL;
    gpf__tile **x = o->patch[e->value].x;
    for (int i = 0; i < (e->op->flags & GPF_OP_COMMUTES ? 2 : 1); i++) {
        const gpf__tile *other = x[1 - i];
        if (e->own[0] >= 0 || e->own[1] >= 0 || !x[i]->columns || gpf__tile_damaged(other) ||
            x[i]->at.row != at->row || x[i]->at.n_rows != at->n_rows ||
            x[i]->at.n_cols != at->n_cols)
            continue;
        x[i]->columns(x[i], &o->tile[e->value], c, n, points, strip_of(o, e, c, points));
        return x[i];
    }
    return NULL;
}

/* Can no element of columns c .. c+n-1 change side, since its input, made by a shift, changes by
 * less than the margin? */
static bool stays(const gpf_overlay *o, const gpf__tile *made, int v, size_t c, size_t n,
                  size_t points)
{
    if (!made || !made->furthest)
        return false;
    const double *least = o->d->least + o->d->place[v].least;
    for (size_t j = c; j < c + n; j++)
        if (!(made->furthest(made, j, 1, points) < least[j]))
            return false;
    return true;
}

/* Keeps of columns c .. what they differ by from the base. */
static void keep_changes(gpf_overlay *o, const gpf__entry *e, const gpf__rect *at, size_t c,
                         size_t n, size_t points)
{
    gpf__tile *t = &o->tile[e->value];
    const size_t rows = at->n_rows;
    const gpf__columns in[] = { gpf__columns_dense(o->fresh, points, rows),
                                gpf__tile_base_columns(t, at, c, n, points, o->operand) };
    gpf__map_columns(&gpf_op_sub, o->d->call[e->value].attr, in, 2, n, points, rows,
                     t->data + (c - at->col) * points * rows);
}

/* Columns c .. of input i of a member. */
static gpf__columns operand(gpf_overlay *o, const gpf__entry *all, const gpf__entry *e, int i,
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

static void run_group(gpf_overlay *o, const gpf__target *t, const gpf__item *it, size_t points,
                      gpf_branch *b)
{
    const gpf_damage *d = o->d;
    const gpf__entry *all = d->entry + t->first, *e = d->entry + it->first;
    gpf__rect at = { .n_cols = 0 };
    for (int k = 0; k < it->n; k++)
        for (int i = 0; i < d->call[e[k].value].n_x; i++)
            if (e[k].own[i] < 0)
                gpf__rect_join(o->patch[e[k].value].x[i], &at, &o->patch[e[k].value].x[i]->at);
    for (int k = 0; k < it->n; k++) {
        o->tile[e[k].value].at = at;
        o->tile[e[k].value].changes = e[k].changes && !d->plain;
    }
    if (at.n_cols == 0)
        return;
    const size_t chunk = gpf__rect_chunk(&at, points, d->strip), end = at.col + at.n_cols;
    for (size_t c = at.col; c < end; c += chunk) {
        const gpf__tile *made = NULL; /* what the last shift was made by */
        int shifted = -1;
        const size_t n = end - c < chunk ? end - c : chunk;
        for (int k = 0; k < it->n; k++) {
            const int v = e[k].value;
            const gpf_call *call = &d->call[v];
            const gpf__tile *by = shift(o, &e[k], &at, c, n, points);
            if (by) {
                made = by;
                shifted = k;
            } else {
                gpf__columns x[3];
                for (int i = 0; i < call->n_x; i++)
                    x[i] = operand(o, all, &e[k], i, &at, c, n, points);
                const bool known = shifted >= 0 && call->n_x == 1 &&
                                   e[k].own[0] == it->first + shifted - (int)t->first;
                if (e[k].op->side && (b || v == o->watched) &&
                    !(known && v != o->watched && stays(o, made, v, c, n, points)))
                    compare_columns(o, &e[k], &at, c, n, points, x, b);
                gpf__map_columns(e[k].op, call->attr, x, call->n_x, n, points, at.n_rows,
                                 strip_of(o, &e[k], c, points));
            }
            if (o->tile[v].changes)
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
            room += gpf__tensor_size(x->base);
        }
        for (int i = 0; i < call->n_x; i++)
            o->t[gpf__named_input(p, v, i)] = o->t[d->in[d->place[v].first_x + i]];
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
        if (d->place[v].side != GPF__NOT_KEPT && (b || v == o->watched))
            compare_whole(o, v, b ? &b[q] : NULL);
        gpf__tile whole = { .base = t, .rows = y->rows, .cols = y->cols, .all = y->all };
        for (size_t c = 0; c < y->cols; c++)
            gpf__tile_base(&whole, &y->at, c, 1, 1, y->data + (c * points + q) * y->rows);
        for (int i = 0; i < call->n_x; i++) {
            o->t[d->in[d->place[v].first_x + i]] = *call->x[i];
            o->t[gpf__named_input(p, v, i)] = d->base->t[gpf__named_input(p, v, i)];
        }
        *t = d->base->t[v];
    }
}

static void run_single(gpf_overlay *o, const gpf__entry *e, size_t points, gpf_branch *b)
{
    const gpf_damage *d = o->d;
    const int v = e->value;
    const gpf_op *op = e->op;
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
    if (d->plain || gpf__piecewise(op) ||
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
    const gpf__target *x = &d->target[o->target];
    gpf__tile *leaf = &o->tile[x->value], *y = &o->tile[d->y];
    leaf->at = gpf__rect_rows(leaf, k / leaf->cols, k / leaf->cols + 1, k % leaf->cols, 1);
    const double base = gpf_damage_target(d, o->target)[k];
    for (size_t p = 0; p < points; p++)
        o->element[p] = base + t[p];
    for (size_t i = 0; i < x->n_items; i++) {
        const gpf__item *it = &d->item[x->first_item + i];
        if (it->group)
            run_group(o, x, it, points, b);
        else
            run_single(o, &d->entry[it->first], points, b);
    }
    gpf__tile_settle(y, points);
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

/* Value k of those downstream of target i, or of any, in order. */
static int downstream(const gpf_damage *d, size_t i, size_t k)
{
    return i == GPF__ALL_TARGETS ? d->every[k] : d->entry[d->target[i].first + k].value;
}

/* Gives what is downstream of target i memory of its own, and all views of it. */
static void set_aside(gpf_overlay *o, size_t i, size_t n)
{
    const gpf_damage *d = o->d;
    const gpf_plan *p = d->plan;
    gpf_tensor *t = o->shaken->t;
    memcpy(t, d->base->t, (size_t)p->n_value * sizeof *t);
    for (size_t k = 0; k < n; k++) {
        const int v = downstream(d, i, k);
        if (p->value[v].source != GPF__SLOT)
            continue;
        t[v].data = o->shaken->block + p->value[v].offset;
        /* Noise leaves some steps alone: they need their values here. */
        memcpy(t[v].data, d->base->t[v].data, gpf__tensor_size(&t[v]) * sizeof(double));
    }
    for (int v = 0; v < p->n_value; v++)
        if (p->value[v].source == GPF__VIEW)
            t[v].data = t[p->value[v].of].data + p->value[v].offset;
}

/* What is downstream of target i computed again, and shaken. */
static double shake(gpf_overlay *o, size_t i, size_t n, bool hasty)
{
    /* Noise that GSL's own eps |y| covers need not be known well: two runs, doubled. */
    enum { FEW_RUNS = 2 };
    const gpf_damage *d = o->d;
    const gpf_plan *p = d->plan;
    const gpf_tensor *t = o->shaken->t;
    const double y = d->base->t[d->y].data[0];
    double noise = 0;
    set_aside(o, i, n);
    for (int run = 0; run < GPF__NOISE_RUNS; run++) {
        if (hasty && run == FEW_RUNS && noise > 0 && noise <= 8 * DBL_EPSILON * fabs(y))
            return fmax(2 * noise, DBL_EPSILON * fabs(y));
        for (size_t k = 0; k < n; k++) {
            const int step = p->value[downstream(d, i, k)].step;
            if (step >= 0)
                gpf__noise_step(o->noise, &p->step[step], t);
        }
        noise = fmax(noise, gpf__noise_of(o->noise, t[d->y].data[0], y));
    }
    return noise;
}

int gpf__damage_noise(gpf_overlay *o, size_t i, bool hasty, double *noise)
{
    const gpf_damage *d = o->d;
    *noise = 0;
    if (!o->shaken)
        o->shaken = gpf__workspace_make(d->plan);
    if (!o->noise)
        o->noise = gpf__noise_alloc(d->plan);
    if (!o->shaken || !o->noise)
        return GSL_ENOMEM;
    const size_t n = i == GPF__ALL_TARGETS ? d->n_every : d->target[i].n;
    gpf__noise_restart(o->noise);
    *noise = shake(o, i, n, hasty);
    if (!gpf__noise_is_plain(*noise, d->base->t[d->y].data[0])) {
        gpf__noise_single(o->noise);
        const double single = shake(o, i, n, false);
        *noise = isfinite(*noise) ? fmax(*noise, single) : single;
    }
    return GSL_SUCCESS;
}

int gpf_overlay_side(gpf_overlay *o, gpf_node node, size_t element, int *side)
{
    const gpf_damage *d = o->d;
    const int v = gpf__plan_value(d->plan, node);
    if (o->target == SIZE_MAX || o->epoch != d->epoch || v < 0 ||
        d->place[v].side == GPF__NOT_KEPT || element >= gpf__tensor_size(&d->plan->value[v].t))
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
