/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the training stage share. */
#ifndef GPF_TRAIN_TRAIN_H
#define GPF_TRAIN_TRAIN_H

#include "base/norm.h"

#include <gradproof/train.h>
#include <stdbool.h>
#include <stdint.h>

/* A random stream for every purpose and name, so that one more changes no other: splitmix64's
 * finaliser over the hash of the name and the seed, into mt19937. NULL without memory.
 * initializer.c */
gsl_rng *gpf__stream_alloc(const char *name, unsigned long seed);
/* Draws all values of a param. arg: as many as the row takes at most, right by its `wrong`. */
void gpf__initialize(const gpf_initializer *row, gsl_rng *rng, gpf_shape shape, const double *arg,
                     double *values);

/* A loss as a function of a vector of n params, for minimisers. Every function returns a status. */
typedef struct gpf__objective {
    void *arg;
    size_t n;
    /* f, and the gradient (n numbers) unless it is NULL. */
    int (*value)(void *arg, const double *theta, double *f, double *gradient);
    /* Least squares, f = |r|^2 / 2 of m residuals: only for lm, else NULL. J: m x n row-major. */
    size_t m;
    int (*residuals)(void *arg, const double *theta, double *r);
    int (*jacobian)(void *arg, const double *theta, double *J);
} gpf__objective;

/* A minimiser of GSL over an objective. minimizer.c */
typedef struct gpf__minimizer gpf__minimizer;
/* rate: length of the first step (lm: not used); tolerance: of the line search; NaN or 0: usual
 * ones. Status, *m: GPF_ENOTHING without params, GPF_ELIMIT, GSL_ENOMEM. */
int gpf__minimizer_make(const gpf_minimizer_kind *kind, const gpf__objective *f, double rate,
                        double tolerance, gpf__minimizer **m);
void gpf__minimizer_free(gpf__minimizer *m);
/* Begins anew at theta. Codes as below. */
int gpf__minimizer_start(gpf__minimizer *m, const double *theta);
/* One iteration from where it is; where it is then: theta, f and the norm of the gradient.
 * GSL_SUCCESS: go on; GPF__CONVERGED: nothing but rounding is left to improve; GSL_ENOPROG: no
 * lower point found, though the gradient says there is one; GSL_EBADFUNC: f or its gradient is not
 * finite (at trial points that is no failure: a shorter step is tried); other codes: the
 * objective's own. After a failure theta is where the iteration began. */
enum { GPF__CONVERGED = -1 };
int gpf__minimizer_iterate(gpf__minimizer *m, double *theta, double *f, double *gradient);

/* A loss that is a sum of squares, as residuals r with loss = |r|^2 / 2 (and what does not depend
 * on the params), and their Jacobian by sweeps over the graph (gsl/sweep.h). residuals.c */
typedef struct gpf__residuals gpf__residuals;
/* loss = sum of sum(c_i * square(r_i)), no c_i negative or depending on the xs. GPF_EDATA with what
 * is in the way in *why. N: batch size of the points it will be run at. Extends the graph, also by
 * data leaves for directions, gpf.dot.<param>, that nobody else has to bind. */
int gpf__residuals_make(gpf_graph *g, gpf_node loss, const gpf_node *xs, size_t n, size_t N,
                        gpf__residuals **r, gpf_diag *why);
void gpf__residuals_free(gpf__residuals *r);
size_t gpf__residuals_size(const gpf__residuals *r); /* m */
/* At the point's data and params (all params of the graph). out: m; J: m x (elements of the xs). */
int gpf__residuals_run(gpf__residuals *r, const gpf_point *at, double *out);
int gpf__residuals_jacobian(gpf__residuals *r, const gpf_point *at, double *J);

#endif
