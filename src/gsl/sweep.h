/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Nodes as a function F of variables: its values and derivatives, swept out of the graph at a point
 * of the caller's. F is all elements of the ys, one after another; m of them, of n variables. */
#ifndef GPF_GSL_SWEEP_H
#define GPF_GSL_SWEEP_H

#include <gradproof/plan.h>
#include <stdbool.h>

typedef struct gpf__sweeps gpf__sweeps;

/* What may be asked for, once it is planned. */
typedef enum gpf__sweep {
    GPF__SWEEP_VALUES,   /* F */
    GPF__SWEEP_FORWARD,  /* J u */
    GPF__SWEEP_REVERSE,  /* J' u */
    GPF__SWEEP_SECOND,   /* d2 F(x + s u) / ds2 */
    GPF__SWEEP_JACOBIAN, /* J */
    GPF__N_SWEEPS
} gpf__sweep;

/* Where results go: element i,j to at[i * row + j * col]. */
typedef struct gpf__grid {
    double *at;
    size_t rows, cols, row, col;
} gpf__grid;

static inline gpf__grid gpf__numbers(double *at, size_t n)
{
    return (gpf__grid){ at, n, 1, 1, 0 };
}

/* xs: leaves, each once. N: the batch size. The graph is needed as long as something is planned,
 * and left without an error. Status and *why. */
int gpf__sweeps_make(gpf_graph *g, const gpf_node *ys, size_t n_y, const gpf_node *xs, size_t n_x,
                     size_t N, gpf__sweeps **made, gpf_diag *why);
void gpf__sweeps_free(gpf__sweeps *s);
bool gpf__sweeps_has(const gpf__sweeps *s, gpf_node x); /* is it one of the xs */
size_t gpf__sweeps_n(const gpf__sweeps *s);
size_t gpf__sweeps_m(const gpf__sweeps *s);
/* Plans a sweep, if it is not planned. GPF_ENOGRAD where a rule is missing, all else stays
 * usable. */
int gpf__sweeps_plan(gpf__sweeps *s, gpf__sweep kind, gpf_diag *why);

/* From here on nothing is allocated, and the graph is not looked at. */

/* Where: x for the variables, read in place where it can be, and `at` for all other leaves; x NULL:
 * `at` for all. Both are borrowed until the last of the calls below. GPF_EUNBOUND if at is older
 * than a leaf. */
int gpf__sweeps_place(gpf__sweeps *s, const gpf_point *at, const gsl_vector *x);
/* The point the sweeps run at, as it was placed last; leaves may be bound otherwise. Another one
 * after something was planned. */
gpf_point *gpf__sweeps_point(gpf__sweeps *s);

/* GSL_EBADLEN for a grid or u of the wrong size. VALUES: to m x 1, u NULL. FORWARD, SECOND: u of n,
 * to m x 1. REVERSE: u of m, to n x 1. JACOBIAN: to m x n, u NULL. */
int gpf__sweeps_run(gpf__sweeps *s, gpf__sweep kind, const gsl_vector *u, gpf__grid to);
/* The lower half of J'J, perhaps all of it: from a small J, or column by column or as a sum over
 * rows without one, whichever are fewer sweeps. */
int gpf__sweeps_plan_gram(gpf__sweeps *s, gpf_diag *why);
int gpf__sweeps_gram(gpf__sweeps *s, gpf__grid to);

#endif
