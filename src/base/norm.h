/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef GPF_BASE_NORM_H
#define GPF_BASE_NORM_H

#include <stdbool.h>
#include <stddef.h>

/* Of n numbers: the length, right also where squares do not fit a double, NaN and infinity as they
 * come; the largest size, but for NaN; whether all are finite (yes of NULL). */
double gpf__norm(const double *x, size_t n);
double gpf__max_norm(const double *x, size_t n);
bool gpf__all_finite(const double *x, size_t n);

#endif
