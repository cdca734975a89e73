/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who takes part, and talking to them: each is a process of its own (worker.h), started at its
 * first question. */
#ifndef GPF_BENCH_CONTENDER_H
#define GPF_BENCH_CONTENDER_H

#include <stddef.h>

typedef enum who {
    PRODUCT,
    PRODUCT_ALL, /* on all processors */
    HAND,
    HAND_BLAS,   /* its BLAS on all processors */
    HAND_OPENMP, /* its loop over units on all processors */
    HAND_GSL,
    NAIVE,
    LINKS,
    NUMPY,
    TORCH,
    FANN,
    ADOLC,
    N_WHO
} who;

const char *contender_name(who w);
const char *contender_package(who w); /* Debian's, that brings it; NULL: our own */
int contender_threads(who w);

/* Where peer.py is, and what runs it. */
void contender_setup(const char *source, const char *python);
/* Sends one line; 1 and what follows "ok" in `answer`, or 0. */
int contender_ask(who w, char *answer, size_t size, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Ends the process; the next question starts a new one. */
void contender_stop(who w);
/* Seconds from the start of a program to its exit, and its peak memory; NaN if it fails. */
double contender_process(const char *const *argv, double *mb);

double contender_now(void);

#endif
