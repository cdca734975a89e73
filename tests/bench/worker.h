/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The contender's side: a process that does jobs on request, one line each way.
 *
 *   version                -> ok TEXT
 *   values WORK            -> ok LOSS PROJECTION LAST   loss and gradient at the start, and the loss
 *                             after 10 steps; check: the gradient is the numeric one, LAST how many
 *                             elements disagree
 *   time SECONDS WORK      -> ok SECONDS ALLOCATIONS KB  per repetition; peak memory
 *
 * or "no" if it cannot. */
#ifndef GPF_BENCH_WORKER_H
#define GPF_BENCH_WORKER_H

#include "work.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct contender {
    const char *name, *version;
    void *(*open)(const work *w);             /* NULL: cannot; stays open to the end */
    void (*reset)(void *job);                 /* to the starting parameters */
    void (*run)(void *job, long times);       /* repetitions of the work */
    void (*values)(void *job, double *three); /* NULL: cannot be given our nets */
    unsigned long (*allocations)(void);       /* so far; NULL: not counted */
} contender;

int worker_main(const contender *c);

#ifdef __cplusplus
}
#endif
#endif
