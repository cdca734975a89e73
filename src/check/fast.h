/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whole tensors along random directions, and the way from a gap to the guilty elements. */
#ifndef GPF_CHECK_FAST_H
#define GPF_CHECK_FAST_H

#include "check/stencil.h"

#include <stdbool.h>

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

/* Of every mode that goes along random directions.
 *
 * Power. Along v = s xi the measured gap is s (sum_k d_k xi_k) + e, d_k the errors of the elements
 * and |e| at most the tolerance tau. The gap stays within tau only if |sum_k d_k s xi_k| <= 2 tau.
 * xi_k is +-U[1/2, 3/2], of density 1/2: whatever the other elements do, xi_k hits that interval of
 * length 4 tau / (s |d_k|) with probability at most 2 tau / (s |d_k|). So m independent directions
 * all miss d_k with probability at most prod_j 2 tau_j / (s |d_k|), which is
 * MISS = 1 - GPF_FAST_PROBABILITY for
 *     |d_k| = 2/s (tau_1 .. tau_m / MISS)^(1/m).
 * Signs alone would do for one wrong element, but two that are swapped would cancel half of the
 * time. */
enum { GPF__DIRECTIONS = 4 };

/* That error, for s = 1, from the tolerances of n directions, which it sorts. Any subset of them
 * gives a bound; the best one. */
double gpf__error_seen(double *tau, unsigned n);
/* Counts an element that was looked at alone. */
void gpf__block_looked_at(gpf_block *b, gpf_verdict v);
/* The verdict of a block, and what it would have seen: weakest, of all its elements. */
void gpf__block_conclude(gpf_block *b, double weakest, bool wrong, bool unconfirmed);

#endif
