/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reducing a tensor of any strides over some of its axes, several outputs side by side. */
#ifndef GPF_OP_AXES_H
#define GPF_OP_AXES_H

#include "op/rows.h"

/* Outputs done at a time: what is kept of them stays in the first-level cache. */
enum { GPF__LANES = 64 };

/* The elements of x that belong to `lanes` outputs: element i of a run in lane j is
 * x[j * x_lane + i * x_step], i < n; y likewise (y_step is 0 where y has only one element for all).
 * Runs start at gpf__run_start: there is more than one if the reduced axes do not lie one inside
 * the other in memory. */
typedef struct gpf__fibres {
    const double *x;
    double *y;
    size_t lanes, n, runs;
    ptrdiff_t x_lane, y_lane, x_step, y_step;
    int n_outer; /* reduced axes outside a run, the slowest first */
    size_t len[GPF_MAX_RANK];
    ptrdiff_t x_outer[GPF_MAX_RANK], y_outer[GPF_MAX_RANK];
} gpf__fibres;

/* Offsets of run r. */
void gpf__run_start(const gpf__fibres *f, size_t r, ptrdiff_t *x, ptrdiff_t *y);

/* Calls reduce for all of x. y has x's shape, or size 1 along the reduced axes (a bit mask), or one
 * element. Both may have any strides. */
void gpf__each_fibres(const gpf_tensor *x, const gpf_tensor *y, ptrdiff_t axes,
                      void (*reduce)(const gpf__fibres *f));

/* One element of every lane, x[0], x[lane], ..: in place, or copied to a buffer. */
GPF__INLINE const double *gpf__lanes(const double *x, ptrdiff_t lane, size_t lanes, double *buffer)
{
    if (lane == 1)
        return x;
    for (size_t j = 0; j < lanes; j++)
        buffer[j] = x[(ptrdiff_t)j * lane];
    return buffer;
}

/* The same for writing, between these two: where to, and the way there from a buffer. */
GPF__INLINE double *gpf__lanes_to(double *y, ptrdiff_t lane, double *buffer)
{
    return lane == 1 ? y : buffer;
}

GPF__INLINE void gpf__lanes_done(double *y, ptrdiff_t lane, size_t lanes, const double *buffer)
{
    for (size_t j = 0; lane != 1 && j < lanes; j++)
        y[(ptrdiff_t)j * lane] = buffer[j];
}

/* Writes the one output of every lane. */
void gpf__outputs(const gpf__fibres *f, const double *value);

/* The larger, or the first NaN. */
GPF__INLINE double gpf__larger(double most, double u)
{
    return ((u > most) | (u != u)) ? u : most;
}

/* Largest element of every lane; NaN if one is NaN. */
void gpf__largest(const gpf__fibres *f, double *most);

/* Runs at least as long as this and without gaps are worth vectorising along themselves; shorter
 * ones, and all others, across the lanes. The result is the same bit for bit. */
GPF__INLINE int gpf__along(const gpf__fibres *f)
{
    return f->x_step == 1 && (f->n >= 16 || f->lanes == 1);
}

#endif
