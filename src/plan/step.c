/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One step on values of any layout. */
#include "plan/plan.h"

#include <string.h>

bool gpf__linear(const gpf_tensor *x, const gpf_tensor *y)
{
    for (int a = 0; a < y->rank; a++)
        if (y->dim[a] != 1 && x->stride[a] != y->stride[a])
            return false;
    return true;
}

gpf__walk gpf__walk_make(const gpf_tensor *x, const gpf_tensor *like)
{
    int axis[GPF_MAX_RANK], n = 0;
    for (int a = 0; a < like->rank; a++) {
        if (like->dim[a] == 1)
            continue;
        int i = n++;
        for (; i > 0 && like->stride[axis[i - 1]] > like->stride[a]; i--)
            axis[i] = axis[i - 1];
        axis[i] = a;
    }
    gpf__walk w = { 1, { 1, 1, 1, 1 }, { 1, 0, 0, 0 } };
    int k = -1;
    for (int i = 0; i < n; i++) {
        const size_t count = like->dim[axis[i]];
        const ptrdiff_t stride = x->stride[axis[i]];
        if (k >= 0 && stride == w.stride[k] * (ptrdiff_t)w.count[k]) {
            w.count[k] *= count;
        } else {
            w.count[++k] = count;
            w.stride[k] = stride;
        }
    }
    w.n = k < 0 ? 1 : k + 1;
    return w;
}

/* Four at a time, stored as vectors: a loop over single ones would not become that by itself. */
static void read_run(double *to, const double *from, ptrdiff_t stride, size_t n)
{
    size_t j = 0;
    if (stride == 1) {
        memcpy(to, from, n * sizeof *to);
    } else if (stride == 0) {
        const double c = *from, four[] = { c, c, c, c };
        for (; j + 4 <= n; j += 4)
            memcpy(to + j, four, sizeof four);
        for (; j < n; j++)
            to[j] = c;
    } else {
        for (; j + 4 <= n; j += 4, from += 4 * stride) {
            const double four[] = { from[0], from[stride], from[2 * stride], from[3 * stride] };
            memcpy(to + j, four, sizeof four);
        }
        for (; j < n; j++, from += stride)
            to[j] = *from;
    }
}

void gpf__walk_read(double *to, const double *from, const gpf__walk *w, size_t at, size_t n)
{
    if (at == 0 && w->n <= 2 && n == w->count[0] * w->count[1]) { /* all of a matrix */
        for (size_t j = 0; j < w->count[1]; j++)
            read_run(to + j * w->count[0], from + (ptrdiff_t)j * w->stride[1], w->stride[0],
                     w->count[0]);
        return;
    }
    size_t i[GPF_MAX_RANK] = { 0 };
    for (int a = 0; at > 0 && a < w->n; a++) {
        i[a] = at % w->count[a];
        at /= w->count[a];
        from += (ptrdiff_t)i[a] * w->stride[a];
    }
    for (;;) {
        const size_t left = w->count[0] - i[0], m = n < left ? n : left;
        read_run(to, from, w->stride[0], m);
        if (m == n)
            return;
        to += m;
        n -= m;
        from -= (ptrdiff_t)i[0] * w->stride[0];
        i[0] = 0;
        for (int a = 1; a < w->n; a++) { /* the next run, as an odometer */
            from += w->stride[a];
            if (++i[a] < w->count[a])
                break;
            from -= (ptrdiff_t)i[a] * w->stride[a];
            i[a] = 0;
        }
    }
}

void gpf__layout_copy(const gpf_tensor *y, const gpf_tensor *x)
{
    const gpf__walk w = gpf__walk_make(x, y);
    gpf__walk_read(y->data, x->data, &w, 0, gpf__tensor_size(y));
}

size_t gpf__frame_size(const gpf_plan *p)
{
    return p->scratch * sizeof(double) +
           (size_t)p->max_in * (sizeof(gpf_tensor) + sizeof(gpf_tensor *));
}

void gpf__frame_init(gpf__frame *f, const gpf_plan *p, void *memory)
{
    f->scratch = memory;
    f->packed = (gpf_tensor *)(void *)(f->scratch + p->scratch);
    f->x = (const gpf_tensor **)(void *)(f->packed + p->max_in);
}

static bool wants_packing(const gpf__step *s, const gpf_tensor *x)
{
    return s->op && s->op->flags & GPF_OP_DENSE && !gpf__tensor_is_dense(x);
}

bool gpf__step_direct(const gpf_plan *p, const gpf__step *s)
{
    for (int i = 0; i < s->n_in; i++)
        if (wants_packing(s, &p->value[p->in[s->first_in + i]].t))
            return false;
    return true;
}

size_t gpf__step_scratch(const gpf_plan *p, const gpf__step *s, gpf_tensor *dense,
                         const gpf_tensor **x)
{
    size_t n = 0;
    if (!s->op)
        return 0;
    gpf_call call = { &p->value[s->value].t, x, s->n_in, &s->attr, p->N, NULL };
    for (int i = 0; i < s->n_in; i++) {
        x[i] = &p->value[p->in[s->first_in + i]].t;
        if (s->op->map)
            n += GPF__STRIP;
        else if (wants_packing(s, x[i]))
            n += gpf__tensor_size(x[i]);
    }
    if (!s->op->scratch)
        return n;
    const size_t as_is = s->op->scratch(&call);
    for (int i = 0; i < s->n_in; i++) {
        dense[i] = *x[i];
        gpf__tensor_dense(&dense[i]);
        x[i] = &dense[i];
    }
    const size_t packed = s->op->scratch(&call);
    return n + (packed > as_is ? packed : as_is);
}

/* Fills in the frame's input pointers, packing what the op wants dense; the op's own scratch. */
static double *inputs(const gpf_plan *p, const gpf__step *s, const gpf_tensor *t,
                      const gpf__frame *f)
{
    double *scratch = f->scratch;
    for (int i = 0; i < s->n_in; i++) {
        f->x[i] = &t[p->in[s->first_in + i]];
        if (wants_packing(s, f->x[i])) {
            f->packed[i] = *f->x[i];
            f->packed[i].data = scratch;
            gpf__tensor_dense(&f->packed[i]);
            gpf__layout_copy(&f->packed[i], f->x[i]);
            scratch += gpf__tensor_size(&f->packed[i]);
            f->x[i] = &f->packed[i];
        }
    }
    return scratch;
}

/* The inputs of an elementwise step in the order of the memory of `like`, strip by strip: in place
 * where they lie so, read into scratch where they do not. Unused entries are NULL. */
typedef struct strips {
    const gpf_tensor *const *x;
    gpf__walk walk[3];
    bool linear[3];
    double *scratch;
    int n;
} strips;

static strips strips_make(const gpf__step *s, const gpf_tensor *const *x, const gpf_tensor *like,
                          double *scratch)
{
    strips all = { .x = x, .scratch = scratch, .n = s->n_in };
    for (int i = 0; i < s->n_in; i++) {
        all.linear[i] = gpf__linear(x[i], like);
        if (!all.linear[i])
            all.walk[i] = gpf__walk_make(x[i], like);
    }
    return all;
}

static void strips_read(const strips *all, size_t at, size_t n, const double *strip[3])
{
    strip[0] = strip[1] = strip[2] = NULL;
    for (int i = 0; i < all->n; i++)
        if (all->linear[i]) {
            strip[i] = all->x[i]->data + at;
        } else {
            double *to = all->scratch + i * GPF__STRIP;
            gpf__walk_read(to, all->x[i]->data, &all->walk[i], at, n);
            strip[i] = to;
        }
}

/* Small steps, which are most of a small net's, want no more than this. */
static bool run_in_place(const gpf__step *s, const gpf_tensor *const *x, const gpf_tensor *y)
{
    const double *at[3] = { NULL, NULL, NULL };
    for (int i = 0; i < s->n_in; i++) {
        if (!gpf__linear(x[i], y))
            return false;
        at[i] = x[i]->data;
    }
    s->op->map(gpf__tensor_size(y), y->data, at, &s->attr);
    return true;
}

void gpf__step_run(const gpf_plan *p, const gpf__step *s, const gpf_tensor *t, const gpf__frame *f)
{
    const gpf_tensor *y = &t[s->value];
    double *scratch = inputs(p, s, t, f);
    if (!s->op) {
        gpf__layout_copy(y, f->x[0]);
    } else if (!s->op->map) {
        const gpf_call call = { y, f->x, s->n_in, &s->attr, p->N, scratch };
        s->op->eval(&call);
    } else if (!run_in_place(s, f->x, y)) {
        const strips all = strips_make(s, f->x, y, scratch);
        const size_t n = gpf__tensor_size(y);
        for (size_t at = 0; at < n; at += GPF__STRIP) {
            const double *strip[3];
            const size_t m = n - at < GPF__STRIP ? n - at : GPF__STRIP;
            strips_read(&all, at, m, strip);
            s->op->map(m, y->data + at, strip, &s->attr);
        }
    }
}

void gpf__step_sides(const gpf_plan *p, const gpf__step *s, const gpf_tensor *t,
                     const gpf__frame *f, int *side, double *margin)
{
    const gpf_tensor *y = &t[s->value];
    double *scratch = inputs(p, s, t, f);
    if (s->op->branch) {
        const gpf_call call = { y, f->x, s->n_in, &s->attr, p->N, scratch };
        s->op->branch(&call, side, margin);
        return;
    }
    gpf_tensor row_major = *y;
    gpf__tensor_dense(&row_major);
    const strips all = strips_make(s, f->x, &row_major, scratch);
    const size_t n = gpf__tensor_size(y);
    for (size_t at = 0; at < n; at += GPF__STRIP) {
        const double *strip[3];
        const size_t m = n - at < GPF__STRIP ? n - at : GPF__STRIP;
        strips_read(&all, at, m, strip);
        s->op->side(m, side + at, margin + at, strip, &s->attr);
    }
}
