/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The limit to compare with: the same nets by hand in C, without a graph, on the same CBLAS. All
 * matrices have the batch as their fast axis (units x samples), so that narrow layers vectorise
 * over the samples. */
#ifndef GPF_BENCH_MLP_H
#define GPF_BENCH_MLP_H

#include "work.h"

typedef struct mlp {
    work w;
    double *theta, *grad, *X, *Y;  /* X inputs x samples, Y outputs x samples */
    double *z[MAX_LAYERS + 1];     /* before the activation */
    double *a[MAX_LAYERS + 1];     /* after it; z itself where z is not kept */
    double *delta[MAX_LAYERS + 1]; /* d loss / d z */
    size_t weights[MAX_LAYERS];    /* where layer l begins in theta */
    double *memory;
} mlp;

mlp *mlp_open(const work *w, int keep_z);
void mlp_close(mlp *m);
void mlp_reset(mlp *m);
double mlp_forward(mlp *m); /* the loss */
void mlp_backward(mlp *m);  /* after forward */
double mlp_step(mlp *m);    /* forward, backward, SGD; the loss before it */

/* Pieces the check shares. Z[units x n] = W' A[inputs x n] + b; activation in place or from z to a;
 * the loss of `batch` samples whose rows are ld apart, and d loss / d z if delta is not NULL. */
void mlp_affine(const mlp *m, int l, int n, const double *A, double *Z);
void mlp_activate(const work *w, size_t n, const double *z, double *a);
double mlp_loss(const mlp *m, const double *z, size_t ld, double *delta);

/* The full check by central differences of two points: every parameter's derivative, analytic and
 * numeric, and how many differ. naive: the whole net twice per parameter. */
typedef struct mlp_check mlp_check;
mlp_check *mlp_check_open(const work *w);
void mlp_check_close(mlp_check *c);
mlp *mlp_check_net(const mlp_check *c);
const double *mlp_check_numeric(const mlp_check *c);
size_t mlp_check_run(mlp_check *c);
size_t mlp_check_naive(mlp_check *c);

#endif
