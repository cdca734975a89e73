/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a row promises of its values. Every call of a kernel is on memory with guards around each
 * tensor, so that whatever is tried, stray reads and writes show. */
#include "check/op_check.h"
#include "plan/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool gpf__op_same_bits(double a, double b)
{
    return (isnan(a) && isnan(b)) || !memcmp(&a, &b, sizeof a);
}

/* Layouts of a tensor in memory. */
static const struct layout {
    const char *name;
    bool columns;   /* the first axis is the fast one */
    bool backwards; /* strides are negative */
    size_t gap;     /* stride of the fast axis; rows are 3 farther apart than they need be */
} layouts[] = {
    { "row by row", false, false, 1 }, { "column by column", true, false, 1 },
    { "with gaps", false, false, 2 },  { "column by column, with gaps", true, false, 3 },
    { "backwards", false, true, 1 },
};
enum { N_LAYOUTS = sizeof layouts / sizeof *layouts, GUARD = 64 };

/* A tensor with its guards: memory[at .. at + size). */
typedef struct piece {
    size_t at, size, first; /* element 0 lies at memory[at + first] */
    gpf_tensor t;
} piece;

/* Strides, and room for it behind `at`. */
static piece lay_out(const gpf_tensor *like, int layout, size_t at)
{
    const struct layout *l = &layouts[layout];
    piece p = { .at = at, .t = *like };
    size_t s = l->gap;
    for (int i = 0; i < like->rank; i++) {
        const int a = l->columns ? i : like->rank - 1 - i;
        p.t.stride[a] = l->backwards ? -(ptrdiff_t)s : (ptrdiff_t)s;
        s = s * like->dim[a] + (l->gap > 1 ? 3 : 0);
    }
    p.size = s + 2 * GUARD;
    p.first = l->backwards ? GUARD + s - 1 : GUARD;
    return p;
}

static bool need_memory(gpf__op_rig *r, size_t n)
{
    if (n <= r->room)
        return true;
    free(r->memory);
    r->memory = gpf__op_alloc(r, n);
    r->room = r->memory ? n : 0;
    return r->memory;
}

static void fill(double *x, size_t n, double value)
{
    for (size_t k = 0; k < n; k++)
        x[k] = value;
}

/* Index of the first of n that is not what it was; n if all are. */
static size_t changed(const double *now, const double *then, size_t n)
{
    size_t k = 0;
    while (k < n && !memcmp(&now[k], &then[k], sizeof *now))
        k++;
    return k;
}

/* Memory index of element e of the piece. */
static size_t place_of(const piece *p, size_t e)
{
    ptrdiff_t at = (ptrdiff_t)p->first;
    for (int a = p->t.rank; a-- > 0; e /= p->t.dim[a])
        at += (ptrdiff_t)(e % p->t.dim[a]) * p->t.stride[a];
    return (size_t)at;
}

/* Is memory index k of the piece one of its elements? Most lie one behind the other: the first
 * guess. */
static bool is_element(const piece *p, size_t k)
{
    const size_t n = gpf__tensor_size(&p->t);
    if (k >= p->first && k - p->first < n && place_of(p, k - p->first) == k)
        return true;
    for (size_t e = 0; e < n; e++)
        if (place_of(p, e) == k)
            return true;
    return false;
}

/* Says what was written where nothing belongs. then: the memory before. */
static void watch(gpf__op_rig *r, const gpf__op_trial *t, const piece *x, const piece *y,
                  size_t scratch_at, size_t scratch, const double *then, int place)
{
    const double *now = r->memory;
    for (int i = 0; i < r->n_x; i++) {
        const piece *p = &x[i];
        const size_t k = changed(now + p->at, then + p->at, p->size);
        if (i == place - 1 || k == p->size)
            continue;
        if (is_element(p, k))
            gpf__op_fault(r, "inputs untouched", i, "%s: input %d was changed", t->text, i);
        else
            gpf__op_fault(r, "stays inside", -1, "%s: memory beside input %d was written to",
                          t->text, i);
    }
    for (size_t k = 0; y && k < y->size; k++)
        if (memcmp(&now[y->at + k], &then[y->at + k], sizeof *now) && !is_element(y, k)) {
            gpf__op_fault(r, "stays inside", -1,
                          "%s: memory beside y (%zu elements) was written to, %zu %s it", t->text,
                          t->ny, k < y->first ? y->first - k : k - y->first - t->ny + 1,
                          k < y->first ? "before" : "behind");
            break;
        }
    for (size_t k = 0; k < scratch + 2 * GUARD; k++)
        if ((k < GUARD || k >= GUARD + scratch) &&
            memcmp(&now[scratch_at + k], &then[scratch_at + k], sizeof *now)) {
            gpf__op_fault(r, "stays inside", -1,
                          "%s: memory beside scratch (%zu doubles asked for) was written to",
                          t->text, scratch);
            break;
        }
}

/* A view of x[0]: its elements. */
static bool run_view(gpf__op_rig *r, const gpf__op_trial *t, const piece *x, double *y)
{
    gpf_tensor at = x->t, view = t->ty;
    ptrdiff_t offset = 0;
    at.data = r->memory + x->at + x->first;
    if (!r->op->view(&view, &at, &r->attr, &offset))
        return false;
    for (size_t e = 0; e < t->ny; e++) {
        ptrdiff_t k = (ptrdiff_t)x->first + offset;
        size_t rest = e;
        for (int a = t->ty.rank; a-- > 0; rest /= t->ty.dim[a])
            k += (ptrdiff_t)(rest % t->ty.dim[a]) * view.stride[a];
        if (k < 0 || (size_t)k >= x->size || !is_element(x, (size_t)k)) {
            gpf__op_fault(r, "stays inside", -1, "%s: element %zu of the view is outside x (%s)",
                          t->text, e, "offset or strides are wrong");
            fill(y, t->ny, NAN);
            return true;
        }
        y[e] = r->memory[x->at + (size_t)k];
    }
    return true;
}

bool gpf__op_run(gpf__op_rig *r, const gpf__op_trial *t, const double *const *x,
                 const gpf__op_how *how, double *y)
{
    const gpf_op *op = r->op;
    piece in[GPF__OP_INPUTS], out;
    gpf_tensor tensor[GPF__OP_INPUTS];
    const gpf_tensor *pointer[GPF__OP_INPUTS];
    size_t n = 0, scratch = 0;
    for (int i = 0; i < r->n_x; i++) {
        in[i] = lay_out(&t->tx[i], how->layout, n);
        n += in[i].size;
        if (how->still && i == (how->still - 1) / GPF_MAX_RANK)
            in[i].t.stride[(how->still - 1) % GPF_MAX_RANK] = 0;
        tensor[i] = in[i].t;
        pointer[i] = &tensor[i];
    }
    out = lay_out(&t->ty, how->y_layout, n);
    n += how->place ? 0 : out.size;
    if (how->place)
        out = in[how->place - 1];
    gpf_tensor result = out.t;
    gpf_call call = { &result, pointer, r->n_x, &r->attr, t->N, NULL };
    if (op->eval && op->scratch)
        scratch = op->scratch(&call);
    const size_t scratch_at = n;
    n += scratch + 2 * GUARD;
    if (scratch > GPF_MAX_ELEMENTS) {
        r->stuck = true;
        gpf__op_say(r, "value", -1, GPF_UNRESOLVED,
                    "%s: asks for %zu doubles of scratch, more than %zu", t->text, scratch,
                    GPF_MAX_ELEMENTS);
    }
    if (r->stuck || !need_memory(r, 2 * n))
        return false;
    double *const now = r->memory, *const then = now + n;
    fill(now, n, how->other & GPF__OP_GUARDS ? 1234.0625 : NAN);
    fill(now + scratch_at + GUARD, scratch, how->other & GPF__OP_SCRATCH ? 0.75 : NAN);
    if (!how->place)
        for (size_t e = 0; e < t->ny; e++) {
            result.data = now + out.at + out.first;
            *gpf__tensor_at(&result, e) = how->other & GPF__OP_Y ? 750.5 : -3251.25;
        }
    for (int i = 0; i < r->n_x; i++) {
        tensor[i].data = now + in[i].at + in[i].first;
        for (size_t e = 0; e < t->nx[i]; e++)
            *gpf__tensor_at(&tensor[i], e) = x[i][e];
    }
    result.data = now + out.at + out.first;
    call.scratch = now + scratch_at + GUARD;
    memcpy(then, now, n * sizeof *now);
    bool viewed = op->view && r->n_x > 0 && how->y_layout == 0 && run_view(r, t, &in[0], y);
    if (!viewed && !op->map && !op->eval) {
        gpf__op_fault(r, "value", -1, "%s, %s: view refuses and there is no eval to copy", t->text,
                      layouts[how->layout].name);
        return false;
    }
    if (op->map) {
        const double *at[3] = { NULL, NULL, NULL };
        for (int i = 0; i < r->n_x; i++)
            at[i] = tensor[i].data;
        op->map(t->ny, result.data, at, &r->attr);
    } else if (!viewed) {
        op->eval(&call);
    }
    watch(r, t, in, how->place || viewed ? NULL : &out, scratch_at, scratch, then, how->place);
    for (size_t e = 0; !viewed && e < t->ny; e++)
        y[e] = *gpf__tensor_at(&result, e);
    return true;
}

gpf__op_trial gpf__op_part(const gpf__op_rig *r, const double *const *x, size_t from, size_t m,
                           const double *part[])
{
    gpf__op_trial t = { .y = gpf_shape1((ptrdiff_t)m), .ny = m };
    t.ty = (gpf_tensor){ .rank = 1, .dim = { m, 1, 1, 1 } };
    gpf__tensor_dense(&t.ty);
    gpf__format(t.text, sizeof t.text, m == 1 ? "one element" : "%zu elements", m);
    for (int i = 0; i < r->n_x; i++) {
        t.x[i] = t.y;
        t.tx[i] = t.ty;
        t.nx[i] = m;
        part[i] = x ? x[i] + from : NULL;
    }
    return t;
}

/* Sides of all elements, on guarded memory too. */
bool gpf__op_sides(gpf__op_rig *r, const gpf__op_trial *t, const double *const *x, int *side,
                   double *margin)
{
    enum { NO_SIDE = -77777 };
    const gpf_op *op = r->op;
    if (!op->side && !op->branch)
        return false;
    const size_t n = t->ny;
    int *s = malloc((n + 2 * GUARD) * sizeof *s);
    double *m = gpf__op_alloc(r, n + 2 * GUARD), *scratch = NULL;
    gpf_tensor tensor[GPF__OP_INPUTS], y = t->ty;
    const gpf_tensor *pointer[GPF__OP_INPUTS];
    double *copy[GPF__OP_INPUTS] = { NULL };
    size_t total = n;
    for (int i = 0; i < r->n_x; i++)
        total += t->nx[i];
    double *values = gpf__op_alloc(r, total);
    gpf_call call = { &y, pointer, r->n_x, &r->attr, t->N, NULL };
    for (int i = 0; i < r->n_x; i++) {
        tensor[i] = t->tx[i];
        pointer[i] = &tensor[i];
    }
    if (op->branch)
        scratch = gpf__op_alloc(r, op->scratch ? op->scratch(&call) : 0);
    if (!s)
        r->status = GSL_ENOMEM;
    bool ok = s && m && values && (scratch || !op->branch);
    if (ok) {
        total = 0;
        for (int i = 0; i < r->n_x; i++, total += t->nx[i - 1])
            copy[i] = tensor[i].data = memcpy(values + total, x[i], t->nx[i] * sizeof **x);
        y.data = values + total;
        call.scratch = scratch;
        fill(m, n + 2 * GUARD, NAN);
        for (size_t k = 0; k < n + 2 * GUARD; k++)
            s[k] = NO_SIDE;
        if (op->side) {
            const double *at[3] = { copy[0], copy[1], copy[2] };
            op->side(n, s + GUARD, m + GUARD, at, &r->attr);
        } else {
            op->eval(&call); /* branch is asked after the value */
            op->branch(&call, s + GUARD, m + GUARD);
        }
        gpf__op_tried(r, "sides", -1, n);
        for (size_t k = 0; k < n + 2 * GUARD; k++) {
            const bool inside = k >= GUARD && k < GUARD + n;
            if (!inside && (s[k] != NO_SIDE || !isnan(m[k])))
                gpf__op_fault(r, "stays inside", -1,
                              "%s: memory beside side or margin was written to", t->text);
            else if (inside && s[k] == NO_SIDE)
                gpf__op_fault(r, "sides", -1, "%s: the side of element %zu is not filled", t->text,
                              k - GUARD);
        }
        memcpy(side, s + GUARD, n * sizeof *side);
        memcpy(margin, m + GUARD, n * sizeof *margin);
    }
    free(s);
    free(m);
    free(values);
    free(scratch);
    return ok;
}

int gpf__op_evaluate(gpf__op_rig *r, const gpf_graph *g, const gpf_point *at, const gpf_node *nodes,
                     size_t n, double *values)
{
    gpf_plan *plan;
    int status = gpf__plan_make(g, nodes, n, gpf_point_batch(at), NULL, 0, false, &plan);
    gpf_workspace *ws = status ? NULL : gpf__workspace_make(plan);
    if (status == GSL_SUCCESS)
        status = ws ? gpf_plan_run(plan, ws, at) : GSL_ENOMEM;
    for (size_t i = 0; status == GSL_SUCCESS && i < n; i++) {
        const size_t size = gpf_plan_output_size(plan, i);
        memcpy(values, gpf_workspace_output(ws, i), size * sizeof *values);
        values += size;
    }
    gpf_workspace_free(ws);
    gpf_plan_free(plan);
    if (status == GSL_ENOMEM)
        r->status = status;
    return status;
}

/* What is tried with values x of all inputs at which y came out. */
typedef struct scene {
    gpf__op_rig *r;
    const gpf__op_trial *t;
    const double *const *x;
    const double *y;
    double *z, *u; /* room for other values of y */
} scene;

static double largest(const double *y, size_t n)
{
    double most = 0;
    for (size_t k = 0; k < n; k++)
        if (isfinite(y[k]))
            most = fmax(most, fabs(y[k]));
    return most;
}

/* First element by which z differs from y by more than `tolerance` of the largest; ny if none. */
static size_t differs(const scene *s, const double *z, double tolerance)
{
    const double room = tolerance * largest(s->y, s->t->ny);
    size_t k = 0;
    while (k < s->t->ny &&
           (gpf__op_same_bits(z[k], s->y[k]) || z[k] == s->y[k] || fabs(z[k] - s->y[k]) <= room))
        k++;
    return k;
}

static size_t differs_bits(const scene *s, const double *z)
{
    size_t k = 0;
    while (k < s->t->ny && gpf__op_same_bits(z[k], s->y[k]))
        k++;
    return k;
}

/* The same, but vectorized and plain code of one function may differ in the last digits: that is
 * noted only. */
static size_t differs_much(const scene *s, const double *z, const char *when)
{
    const size_t k = differs_bits(s, z);
    if (k < s->t->ny)
        gpf__op_note(s->r, "last digits", -1,
                     "element %zu of %zu is %.17g, but %.17g%s, as vectorized code (-ffast-math) "
                     "has it: right, but results are not the same to the bit",
                     k, s->t->ny, s->y[k], z[k], when);
    for (size_t e = k; e < s->t->ny; e++)
        if (!gpf__op_same_bits(z[e], s->y[e]) && !(fabs(z[e] - s->y[e]) <= 1e-13 * fabs(s->y[e])))
            return e;
    return s->t->ny;
}

static void try_deterministic(const scene *s)
{
    gpf__op_rig *r = s->r;
    const double *other[GPF__OP_INPUTS];
    const gpf__op_how plain = { 0 };
    gpf__op_run(r, s->t, s->x, &plain, s->z);
    const size_t k = differs_bits(s, s->z);
    if (k < s->t->ny)
        gpf__op_fault(r, "deterministic", -1, "%s: element %zu of y is %.17g, then %.17g",
                      s->t->text, k, s->y[k], s->z[k]);
    double *block = gpf__op_draw_all(r, s->t, other);
    if (block && k == s->t->ny) {
        gpf__op_run(r, s->t, other, &plain, s->z);
        gpf__op_run(r, s->t, s->x, &plain, s->z);
        const size_t j = differs_bits(s, s->z);
        if (j < s->t->ny)
            gpf__op_fault(r, "deterministic", -1,
                          "%s: element %zu of y is %.17g, and %.17g after another call: it depends "
                          "on what was called before",
                          s->t->text, j, s->y[j], s->z[j]);
    }
    free(block);
}

/* y written whatever was in it. */
static void try_filled(const scene *s)
{
    gpf__op_rig *r = s->r;
    const double before = -3251.25, then = 750.5;
    gpf__op_run(r, s->t, s->x, &(gpf__op_how){ .other = GPF__OP_Y }, s->z);
    const size_t k = differs_bits(s, s->z);
    if (k == s->t->ny)
        return;
    if (s->y[k] == before && s->z[k] == then)
        gpf__op_fault(r, "fills y", -1, "%s: element %zu of %zu is not filled", s->t->text, k,
                      s->t->ny);
    else if (fabs(s->z[k] - s->y[k] - (then - before)) < 1e-6)
        gpf__op_fault(r, "fills y", -1,
                      "%s: accumulates: element %zu is added to what was in y before", s->t->text,
                      k);
    else
        gpf__op_fault(r, "fills y", -1, "%s: element %zu depends on what was in y before",
                      s->t->text, k);
}

static void try_reads(const scene *s)
{
    static const struct {
        int other;
        const char *text;
    } ways[] = { { GPF__OP_GUARDS, "memory outside the tensors" },
                 { GPF__OP_SCRATCH, "what was in scratch before" } };
    for (int i = 0; i < 2; i++) {
        gpf__op_run(s->r, s->t, s->x, &(gpf__op_how){ .other = ways[i].other }, s->z);
        const size_t k = differs_bits(s, s->z);
        if (k < s->t->ny)
            gpf__op_fault(s->r, "reads inside", -1, "%s: element %zu of y depends on %s",
                          s->t->text, k, ways[i].text);
    }
}

/* Input i repeated along an axis: with stride 0 as with equal elements. */
static void try_broadcast_axis(const scene *s, int i, int axis)
{
    const gpf_tensor *t = &s->t->tx[i];
    const size_t stride = (size_t)t->stride[axis], n = s->t->nx[i], ny = s->t->ny;
    double *equal = gpf__op_alloc(s->r, n + ny), *y = equal + n;
    const double *x[GPF__OP_INPUTS];
    if (!equal)
        return;
    memcpy(x, s->x, (size_t)s->r->n_x * sizeof *x);
    x[i] = equal;
    for (size_t e = 0; e < n; e++)
        equal[e] = s->x[i][e - e / stride % t->dim[axis] * stride];
    const gpf__op_how still = { .still = 1 + GPF_MAX_RANK * i + axis };
    if (gpf__op_run(s->r, s->t, x, &(gpf__op_how){ 0 }, y) &&
        gpf__op_run(s->r, s->t, x, &still, s->z)) {
        const scene other = { .r = s->r, .t = s->t, .x = x, .y = y };
        const size_t k = differs(&other, s->z, 1e-11);
        if (k < ny)
            gpf__op_fault(s->r, "strides", -1,
                          "%s: element %zu of y is %.12g, but %.12g where input %d is broadcast "
                          "along axis %d (stride 0)",
                          s->t->text, k, y[k], s->z[k], i, axis);
    }
    free(equal);
}

static void try_strides(const scene *s)
{
    for (int l = 1; l < N_LAYOUTS; l++) {
        if (!gpf__op_run(s->r, s->t, s->x, &(gpf__op_how){ .layout = l }, s->z))
            continue;
        const size_t k = differs(s, s->z, 1e-11);
        if (k < s->t->ny)
            gpf__op_fault(s->r, "strides", -1,
                          "%s: element %zu of y is %.12g, but %.12g where the inputs lie %s",
                          s->t->text, k, s->y[k], s->z[k], layouts[l].name);
    }
    for (int i = 0; i < s->r->n_x; i++)
        for (int a = 0; a < s->t->tx[i].rank; a++)
            if (s->t->tx[i].dim[a] > 1)
                try_broadcast_axis(s, i, a);
}

static void try_strided_y(const scene *s)
{
    gpf__op_run(s->r, s->t, s->x, &(gpf__op_how){ .y_layout = 1 }, s->z);
    const size_t k = differs(s, s->z, 1e-11);
    if (k < s->t->ny)
        gpf__op_fault(s->r, "strided y", -1,
                      "%s: element %zu of y is %.12g, but %.12g where y lies column by column",
                      s->t->text, k, s->y[k], s->z[k]);
}

static void try_in_place(const scene *s)
{
    for (int i = 0; i < s->r->n_x; i++) {
        gpf__op_run(s->r, s->t, s->x, &(gpf__op_how){ .place = 1 + i }, s->z);
        const size_t k = differs_much(s, s->z, ", with y in the place of an input");
        gpf__op_tried(s->r, "in place", i, s->t->ny);
        if (k < s->t->ny)
            gpf__op_fault(s->r, "in place", i,
                          "element %zu of y is %.12g, but %.12g with y in the place of input %d", k,
                          s->y[k], s->z[k], i);
    }
}

/* Elements of a map do not know of one another. */
static void try_strips(const scene *s)
{
    static const size_t sizes[] = { 1, 3, 7 };
    const size_t n = s->t->ny;
    for (size_t w = 0; w < sizeof sizes / sizeof *sizes; w++) {
        for (size_t from = 0; from < n; from += sizes[w]) {
            const double *part[GPF__OP_INPUTS];
            const size_t m = n - from < sizes[w] ? n - from : sizes[w];
            const gpf__op_trial t = gpf__op_part(s->r, s->x, from, m, part);
            gpf__op_run(s->r, &t, part, &(gpf__op_how){ 0 }, s->z + from);
        }
        const size_t k = differs_much(s, s->z, " in strips");
        if (k < n)
            gpf__op_fault(s->r, "strips", -1,
                          "element %zu of %zu is %.17g computed with all, %.17g in a strip of %zu",
                          k, n, s->y[k], s->z[k], sizes[w]);
    }
}

/* The row's node on leaves of the given shapes; GPF_POISON with the case filed. */
static gpf_node build(const scene *s, gpf_graph *g, const gpf_node *x, const char *aspect)
{
    gpf_diag why;
    const gpf_node y = gpf_apply(g, s->r->op, x, s->r->n_x, &s->r->attr);
    const int status = gpf_graph_status(g, &why);
    if (status == GSL_ENOMEM)
        s->r->status = status;
    else if (status)
        gpf__op_fault(s->r, aspect, -1, "%s: %.200s", s->t->text, why.text);
    return y;
}

/* In a plan, between other elementwise ops and not: what a graph gets. */
static void try_plan(const scene *s)
{
    gpf__op_rig *r = s->r;
    const gpf__op_trial *t = s->t;
    gpf_graph *g = gpf_graph_alloc();
    gpf_node leaf[GPF__OP_INPUTS], x[GPF__OP_INPUTS], twice[GPF__OP_INPUTS];
    size_t total = 2 * t->ny;
    for (int i = 0; i < r->n_x; i++)
        total += t->nx[i];
    double *halves = gpf__op_alloc(r, total), *out = halves, *next = halves + 2 * t->ny;
    if (!g || !halves) {
        r->status = GSL_ENOMEM;
        gpf_graph_free(g);
        free(halves);
        return;
    }
    for (int i = 0; i < r->n_x; i++) {
        char name[] = { 'x', (char)('0' + i), 0 }, half[] = { 'h', (char)('0' + i), 0 };
        const gpf_shape shape = r->op->shape ? t->x[i] : t->y;
        leaf[i] = gpf_data(g, name, shape);
        x[i] = gpf_data(g, half, shape);
        twice[i] = gpf_add(g, x[i], x[i]);
    }
    const gpf_node nodes[] = { build(s, g, leaf, "plan"), build(s, g, twice, "plan") };
    gpf_point *at = gpf_graph_status(g, NULL) ? NULL : gpf_point_alloc(g, t->N);
    for (int i = 0; at && i < r->n_x; i++) {
        for (size_t k = 0; k < t->nx[i]; k++)
            next[k] = s->x[i][k] / 2;
        gpf_point_bind(at, leaf[i], s->x[i]);
        gpf_point_bind(at, x[i], next);
        next += t->nx[i];
    }
    const bool folded = at && gpf_node_op(g, nodes[0]) != r->op;
    const char *const aspect = folded ? "fold" : "plan";
    const gpf_shape shape = at ? gpf_node_shape(g, nodes[0]) : t->y;
    char a[64], b[64];
    if (!gpf_shape_equal(shape, t->y)) {
        gpf__op_fault(r, aspect, -1, "%s: the node is %s, y should be %s", t->text,
                      gpf_shape_text(shape, a, sizeof a), gpf_shape_text(t->y, b, sizeof b));
    } else if (at && gpf__op_evaluate(r, g, at, nodes, 2, out) == GSL_SUCCESS) {
        gpf__op_tried(r, aspect, -1, 2 * t->ny);
        for (int i = 0; i < 2; i++) {
            const size_t k = differs(s, out + (size_t)i * t->ny, 1e-11);
            if (k < t->ny)
                gpf__op_fault(r, aspect, -1, "%s: element %zu of y is %.12g, but %.12g in a plan%s",
                              t->text, k, s->y[k], out[(size_t)i * t->ny + k],
                              i ? ", between other ops" : "");
        }
    } else if (!at && !gpf_graph_status(g, NULL)) {
        r->status = GSL_ENOMEM;
    }
    gpf_point_free(at);
    gpf_graph_free(g);
    free(halves);
}

static void try_commutes(const scene *s)
{
    gpf__op_trial t = *s->t;
    const double *const x[] = { s->x[1], s->x[0] };
    gpf_shape y = t.y;
    char why[160];
    const gpf_shape shapes[] = { t.x[1], t.x[0] };
    if (s->r->op->shape && s->r->op->shape(shapes, 2, &s->r->attr, &y, why, sizeof why)) {
        gpf__op_fault(s->r, "COMMUTES", -1, "%s: the other way round the shapes are refused",
                      t.text);
        return;
    }
    t.tx[0] = s->t->tx[1];
    t.tx[1] = s->t->tx[0];
    t.nx[0] = s->t->nx[1];
    t.nx[1] = s->t->nx[0];
    if (!gpf_shape_equal(y, t.y)) {
        gpf__op_fault(s->r, "COMMUTES", -1, "%s: the other way round y has another shape", t.text);
        return;
    }
    gpf__op_run(s->r, &t, x, &(gpf__op_how){ 0 }, s->z);
    const size_t k = differs_bits(s, s->z);
    if (k < t.ny)
        gpf__op_fault(s->r, "COMMUTES", -1, "f(a, b) = %.17g but f(b, a) = %.17g (element %zu)",
                      s->y[k], s->z[k], k);
}

static void try_shifts(const scene *s)
{
    double *moved = gpf__op_alloc(s->r, s->t->nx[0]);
    const double *x[GPF__OP_INPUTS] = { moved, s->x[1] };
    if (!moved)
        return;
    for (size_t k = 0; k < s->t->nx[0]; k++)
        moved[k] = s->x[0][k] + 0.25 * (double)(1 + k % 3);
    gpf__op_run(s->r, s->t, x, &(gpf__op_how){ 0 }, s->z);
    for (size_t k = 0; k < s->t->ny; k++) {
        const double d = moved[k] - s->x[0][k], e = s->z[k] - s->y[k];
        if (isfinite(s->y[k]) && !(fabs(d - e) <= 1e-12 * (fabs(s->y[k]) + fabs(moved[k]) + 1))) {
            gpf__op_fault(s->r, "SHIFTS", -1, "the first input changes by %g, y by %g", d, e);
            break;
        }
    }
    free(moved);
}

/* f(x + d + e) - f(x + d) - f(x + e) + f(x) = 0 in each input. */
static void try_linear(const scene *s)
{
    gpf__op_rig *r = s->r;
    for (int i = 0; i < r->n_x; i++) {
        const size_t n = s->t->nx[i];
        const double *x[GPF__OP_INPUTS];
        double *block = gpf__op_alloc(r, 3 * n + 3 * s->t->ny), *d = block, *e = d + n, *at = e + n,
               *y = at + n;
        if (!block)
            return;
        memcpy(x, s->x, (size_t)r->n_x * sizeof *x);
        x[i] = at;
        gpf__op_draw(r, i, n, d);
        gpf__op_draw(r, i, n, e);
        for (int j = 0; j < 3; j++) {
            for (size_t k = 0; k < n; k++)
                at[k] = s->x[i][k] + (j != 1 ? d[k] : 0) + (j != 0 ? e[k] : 0);
            gpf__op_run(r, s->t, x, &(gpf__op_how){ 0 }, y + (size_t)j * s->t->ny);
        }
        const double scale = largest(y, 3 * s->t->ny) + largest(s->y, s->t->ny);
        gpf__op_tried(r, "LINEAR", i, s->t->ny);
        for (size_t k = 0; k < s->t->ny; k++) {
            const double *u = y + k;
            const double gap = u[2 * s->t->ny] - u[0] - u[s->t->ny] + s->y[k];
            if (fabs(gap) > 1e-11 * scale) {
                gpf__op_fault(r, "LINEAR", i, "%s: element %zu of y is not linear in input %d",
                              s->t->text, k, i);
                break;
            }
        }
        free(block);
    }
}

static void try_single(const scene *s)
{
    if (s->t->nx[0] != s->t->ny)
        return;
    gpf__op_tried(s->r, "SINGLE", -1, s->t->ny);
    for (size_t k = 0; k < s->t->ny; k++)
        if (!gpf__op_same_bits(s->y[k], s->x[0][k])) {
            gpf__op_fault(s->r, "SINGLE", -1,
                          "%s: as many elements in y as in x, but of x = %.12g it makes %.12g",
                          s->t->text, s->y[k], s->x[0][k]);
            return;
        }
}

static bool always(const gpf_op *op)
{
    return op->map || op->eval || op->view;
}

static bool is_map(const gpf_op *op)
{
    return op->map;
}

static bool takes_strides(const gpf_op *op)
{
    return !op->map && !(op->flags & GPF_OP_DENSE);
}

static bool writes_strides(const gpf_op *op)
{
    return op->eval && !op->view && op->flags & GPF_OP_STRIDED;
}

static bool commutes(const gpf_op *op)
{
    return op->arity == 2 && op->flags & GPF_OP_COMMUTES;
}

static bool shifts(const gpf_op *op)
{
    return op->map && op->arity == 2 && op->flags & GPF_OP_SHIFTS;
}

static bool is_linear(const gpf_op *op)
{
    return op->flags & GPF_OP_LINEAR;
}

static bool is_single(const gpf_op *op)
{
    return op->arity != 0 && op->flags & GPF_OP_SINGLE;
}

/* What is tried of a value; of an aspect that files its cases itself, counted is false. */
static const struct {
    const char *aspect;
    bool counted;
    bool (*applies)(const gpf_op *op);
    void (*attempt)(const scene *s);
} aspects[] = {
    { "deterministic", true, always, try_deterministic },
    { "fills y", true, always, try_filled },
    { "reads inside", true, always, try_reads },
    { "strides", true, takes_strides, try_strides },
    { "strided y", true, writes_strides, try_strided_y },
    { "in place", false, is_map, try_in_place },
    { "strips", true, is_map, try_strips },
    { "plan", false, always, try_plan },
    { "COMMUTES", true, commutes, try_commutes },
    { "SHIFTS", true, shifts, try_shifts },
    { "LINEAR", false, is_linear, try_linear },
    { "SINGLE", false, is_single, try_single },
};

static void try_scene(gpf__op_rig *r, const gpf__op_trial *t, const double *const *x)
{
    double *room = gpf__op_alloc(r, 2 * t->ny);
    const scene s = { .r = r, .t = t, .x = x, .y = room, .z = room + t->ny };
    if (room && gpf__op_run(r, t, x, &(gpf__op_how){ 0 }, room)) {
        gpf__op_tried(r, "stays inside", -1, t->ny);
        for (int i = 0; i < r->n_x; i++)
            gpf__op_tried(r, "inputs untouched", i, t->nx[i]);
        for (size_t i = 0; i < sizeof aspects / sizeof *aspects && !r->status; i++)
            if (aspects[i].applies(r->op) && (aspects[i].attempt != try_plan || gpf__op_safe(r)) &&
                !gpf__op_faulty(r, "deterministic", -1)) {
                if (aspects[i].counted)
                    gpf__op_tried(r, aspects[i].aspect, -1, t->ny);
                aspects[i].attempt(&s);
            }
    }
    free(room);
}

/* Numbers that are not like others, in every combination of the inputs of a map; one of them in
 * each place of other tensors. Nothing is asked of the values but to be the same in any company. */
static const double special[] = { 0,  -0.0, 1,   -1,   0.5,   1e-300,   -1e-300,   1e-10,
                                  37, -37,  710, -710, 1e300, INFINITY, -INFINITY, NAN };
enum { N_SPECIAL = sizeof special / sizeof *special };

static void try_specials_of_map(gpf__op_rig *r)
{
    size_t n = 1;
    for (int i = 0; i < r->n_x; i++)
        n *= N_SPECIAL;
    double *block = gpf__op_alloc(r, n * (size_t)(r->n_x + 1)), *y = block;
    const double *x[GPF__OP_INPUTS];
    if (!block)
        return;
    size_t every = 1;
    for (int i = 0; i < r->n_x; i++, every *= N_SPECIAL) {
        double *in = block + n * (size_t)(i + 1);
        for (size_t k = 0; k < n; k++)
            in[k] = special[k / every % N_SPECIAL];
        x[i] = in;
    }
    const double *part[GPF__OP_INPUTS];
    const gpf__op_trial t = gpf__op_part(r, x, 0, n, part);
    try_scene(r, &t, x);
    gpf__op_run(r, &t, x, &(gpf__op_how){ 0 }, y);
    gpf__op_tried(r, "special values", -1, n);
    for (int i = 0; i < r->n_x; i++)
        for (size_t k = 0; k < n; k++)
            if (isnan(x[i][k]) && !isnan(y[k])) {
                gpf__op_note(r, "NaN", i, "a NaN in input %d can vanish: y is %g", i, y[k]);
                break;
            }
    free(block);
}

static void try_specials_of(gpf__op_rig *r, const gpf__op_trial *t)
{
    const double *x[GPF__OP_INPUTS];
    double *block = gpf__op_draw_all(r, t, x), *y = gpf__op_alloc(r, 2 * t->ny), *z = y + t->ny;
    for (int i = 0; block && y && i < r->n_x; i++) {
        double *place = block + (x[i] - block) + gsl_rng_uniform_int(r->rng, t->nx[i]);
        const double saved = *place;
        for (int v = 0; v < N_SPECIAL; v++) {
            bool nan = false;
            *place = special[v];
            if (!gpf__op_run(r, t, x, &(gpf__op_how){ 0 }, y) ||
                !gpf__op_run(r, t, x, &(gpf__op_how){ .other = GPF__OP_GUARDS }, z))
                continue;
            gpf__op_tried(r, "special values", -1, t->ny);
            for (size_t k = 0; k < t->ny; k++) {
                nan = nan || isnan(y[k]);
                if (!gpf__op_same_bits(y[k], z[k]))
                    gpf__op_fault(r, "special values", -1,
                                  "%s: with %g in input %d element %zu of y is %.17g, then %.17g",
                                  t->text, special[v], i, k, y[k], z[k]);
            }
            if (isnan(special[v]) && !nan)
                gpf__op_note(r, "NaN", i, "%s: a NaN in input %d does not reach y", t->text, i);
        }
        *place = saved;
    }
    free(block);
    free(y);
}

void gpf__op_try_kernel(gpf__op_rig *r)
{
    for (size_t i = 0; i < r->n_trials && !r->status; i++) {
        const gpf__op_trial *t = &r->trial[i];
        const double *x[GPF__OP_INPUTS];
        double *block = gpf__op_draw_all(r, t, x);
        if (block)
            try_scene(r, t, x);
        free(block);
        if (!r->status && !r->op->map)
            try_specials_of(r, t);
    }
    if (r->op->map && !r->status) {
        /* More than two strips of a plan. */
        enum { MANY = 1100 };
        double *block = gpf__op_alloc(r, MANY * (size_t)r->n_x);
        const double *x[GPF__OP_INPUTS], *part[GPF__OP_INPUTS];
        for (int i = 0; block && i < r->n_x; i++) {
            gpf__op_draw(r, i, MANY, block + i * MANY);
            x[i] = block + i * MANY;
        }
        if (block) {
            const gpf__op_trial t = gpf__op_part(r, x, 0, MANY, part);
            try_scene(r, &t, x);
            try_specials_of_map(r);
        }
        free(block);
    }
}
