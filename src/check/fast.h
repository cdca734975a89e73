/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whole tensors along random directions, and the way from a gap to the guilty elements. */
#ifndef GPF_CHECK_FAST_H
#define GPF_CHECK_FAST_H

#include "check/stencil.h"

/* What is checked; arrays by tensor. */
typedef struct gpf__fast_job {
    const gpf_graph *g;
    gpf_node y; /* one element */
    const gpf_node *x;
    size_t n, N;
    const gpf_point *at;
    const gpf_damage *damage; /* at the base point, for y and the xs */
    gpf_overlay *overlay;
    const gpf__around *around;
    const double *const *analytic, *const *rounding; /* NULL entries: no dependence */
} gpf__fast_job;

/* Elements looked at one by one, grown as needed; released with free. */
typedef struct gpf__elements {
    gpf_element *e;
    size_t n, cap;
} gpf__elements;

/* Fills job->n blocks and appends the elements the search ended at, ordered by tensor and index.
 * GSL_ENOMEM, GPF_ECANCEL (the blocks not come to are unresolved), or the plan's error. */
int gpf__fast_check(const gpf__fast_job *job, const gpf_check_options *how, gpf_block *block,
                    gpf__elements *found);

#endif
