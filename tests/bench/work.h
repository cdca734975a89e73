/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is timed: a small language of jobs that every contender understands, and the numbers they
 * all start from.
 *
 *   KIND SIZES BATCH ACT LOSS      train 64,256,256,10 128 relu ce
 *
 * KIND: train (forward, backward, SGD), gradient (forward, backward), loss (forward), check (every
 * parameter's derivative by differences), chain (SIZES scalar ops, forward and backward). */
#ifndef GPF_BENCH_WORK_H
#define GPF_BENCH_WORK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MAX_LAYERS = 8 };

typedef struct work {
    char kind[16], act[16], loss[16];
    int layers, size[MAX_LAYERS + 1], batch; /* layer l: size[l] inputs, size[l + 1] units */
    size_t n_params;                         /* W and b of each layer, W inputs x units by rows */
} work;

#define WORK_RATE 0.01 /* of SGD */

int work_parse(const char *text, work *w); /* 1: understood */
/* Starting parameters; inputs and targets, samples in rows. */
void work_params(const work *w, double *theta);
void work_data(const work *w, double *X, double *Y);
/* sum_i v_i g_i with fixed random v: two gradients that agree here agree. */
double work_projection(size_t n, const double *g);
/* Multiply-adds of a forward pass. */
double work_cost(const work *w);

#ifdef __cplusplus
}
#endif
#endif
