/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "op/axes.h"

typedef struct axis {
    size_t len;
    ptrdiff_t x, y;
} axis;

/* Slowest first; what does not move at all is slowest. */
static bool slower(const axis *a, const axis *b)
{
    const size_t s = (size_t)(a->x < 0 ? -a->x : a->x), t = (size_t)(b->x < 0 ? -b->x : b->x);
    return s - 1 > t - 1; /* 0 - 1 is the largest */
}

/* Puts an axis in its place and merges those that lie one inside the other without gaps. */
static void insert(axis *list, int *n, axis a)
{
    int i = (*n)++;
    for (; i > 0 && slower(&a, &list[i - 1]); i--)
        list[i] = list[i - 1];
    list[i] = a;
}

static void merge(axis *list, int *n)
{
    int m = 0;
    for (int i = 1; i < *n; i++) {
        const axis in = list[i];
        axis *out = &list[m];
        if (out->x == in.x * (ptrdiff_t)in.len && out->y == in.y * (ptrdiff_t)in.len)
            *out = (axis){ out->len * in.len, in.x, in.y };
        else
            list[++m] = in;
    }
    *n = *n ? m + 1 : 0;
}

void gpf__run_start(const gpf__fibres *f, size_t r, ptrdiff_t *x, ptrdiff_t *y)
{
    *x = *y = 0;
    for (int a = f->n_outer; a-- > 0; r /= f->len[a]) {
        *x += (ptrdiff_t)(r % f->len[a]) * f->x_outer[a];
        *y += (ptrdiff_t)(r % f->len[a]) * f->y_outer[a];
    }
}

void gpf__each_fibres(const gpf_tensor *x, const gpf_tensor *y, ptrdiff_t axes,
                      void (*reduce)(const gpf__fibres *f))
{
    axis kept[GPF_MAX_RANK + 1], reduced[GPF_MAX_RANK + 1];
    int n_kept = 0, n_reduced = 0;
    for (int a = 0; a < x->rank; a++) {
        const bool r = axes >> a & 1;
        const ptrdiff_t step = a < y->rank && y->dim[a] > 1 ? y->stride[a] : 0;
        if (x->dim[a] > 1)
            insert(r ? reduced : kept, r ? &n_reduced : &n_kept,
                   (axis){ x->dim[a], x->stride[a], step });
    }
    merge(kept, &n_kept);
    merge(reduced, &n_reduced);
    const axis one = { 1, 1, 1 };
    const axis lane = n_kept ? kept[--n_kept] : one, run = n_reduced ? reduced[--n_reduced] : one;
    gpf__fibres f; /* only what is used is set: a call must be cheap for a handful of numbers */
    f.n = run.len;
    f.runs = 1;
    f.x_lane = lane.x;
    f.y_lane = lane.y;
    f.x_step = run.x;
    f.y_step = run.y;
    f.n_outer = n_reduced;
    for (int a = 0; a < n_reduced; a++) {
        f.len[a] = reduced[a].len;
        f.x_outer[a] = reduced[a].x;
        f.y_outer[a] = reduced[a].y;
        f.runs *= reduced[a].len;
    }
    size_t outer = 1;
    for (int a = 0; a < n_kept; a++)
        outer *= kept[a].len;
    for (size_t o = 0; o < outer; o++) {
        ptrdiff_t x_at = 0, y_at = 0;
        size_t rest = o;
        for (int a = n_kept; a-- > 0; rest /= kept[a].len) {
            x_at += (ptrdiff_t)(rest % kept[a].len) * kept[a].x;
            y_at += (ptrdiff_t)(rest % kept[a].len) * kept[a].y;
        }
        for (size_t j = 0; j < lane.len; j += GPF__LANES) {
            f.x = x->data + x_at + (ptrdiff_t)j * lane.x;
            f.y = y->data + y_at + (ptrdiff_t)j * lane.y;
            f.lanes = lane.len - j < GPF__LANES ? lane.len - j : (size_t)GPF__LANES;
            reduce(&f);
        }
    }
}

void gpf__outputs(const gpf__fibres *f, const double *value)
{
    for (size_t j = 0; j < f->lanes; j++)
        f->y[(ptrdiff_t)j * f->y_lane] = value[j];
}

GPF__INLINE void largest_across_body(const gpf__fibres *f, const double *x, double *most)
{
    double buffer[GPF__LANES];
    for (size_t i = 0; i < f->n; i++) {
        const double *u = gpf__lanes(x + (ptrdiff_t)i * f->x_step, f->x_lane, f->lanes, buffer);
        GPF__SIMD for (size_t j = 0; j < f->lanes; j++)
        {
            most[j] = gpf__larger(most[j], u[j]);
        }
    }
}
VERSIONS(void, , largest_across, (const gpf__fibres *f, const double *x, double *most),
         (f, x, most))

GPF__INLINE double largest_along_body(size_t n, const double *x, double most)
{
    enum { WIDTH = 8 };
    double m[WIDTH];
    for (size_t k = 0; k < WIDTH; k++)
        m[k] = most;
    size_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH)
        GPF__SIMD for (size_t k = 0; k < WIDTH; k++)
        {
            m[k] = gpf__larger(m[k], x[i + k]);
        }
    for (; i < n; i++)
        m[0] = gpf__larger(m[0], x[i]);
    for (size_t k = 1; k < WIDTH; k++)
        m[0] = gpf__larger(m[0], m[k]);
    return m[0];
}
VERSIONS(double, return, largest_along, (size_t n, const double *x, double most), (n, x, most))

void gpf__largest(const gpf__fibres *f, double *most)
{
    for (size_t j = 0; j < f->lanes; j++)
        most[j] = -HUGE_VAL;
    for (size_t r = 0; r < f->runs; r++) {
        ptrdiff_t x_at, y_at;
        gpf__run_start(f, r, &x_at, &y_at);
        if (!gpf__along(f))
            largest_across(f, f->x + x_at, most);
        else
            for (size_t j = 0; j < f->lanes; j++)
                most[j] = largest_along(f->n, f->x + x_at + (ptrdiff_t)j * f->x_lane, most[j]);
    }
}
