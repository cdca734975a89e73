/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which CBLAS is really bound: the program decides that by what it links, not this library. */
#ifndef GPF_BASE_BLAS_H
#define GPF_BASE_BLAS_H

#include <stdatomic.h>
#include <stdbool.h>

extern atomic_int gpf__blas_found;
int gpf__blas_find(void);

/* gslcblas, plain loops: or what may be it, a CBLAS inside of the program, which shadows the one
 * this library was linked with. Found out once. */
static inline bool gpf__blas_is_plain(void)
{
    const int plain = atomic_load_explicit(&gpf__blas_found, memory_order_relaxed);
    return plain < 0 ? gpf__blas_find() : plain;
}

/* The same of the object that cblas_dgemm is in and the one that this library is in: linked
 * statically, both are the program, and the CBLAS is the one that was meant. */
bool gpf__blas_plain_in(const char *provider, const char *self);

#endif
