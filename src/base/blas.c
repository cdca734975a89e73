/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE /* dladdr */
#include "base/blas.h"
#include "base/text.h"
#include "config.h"

#include <dlfcn.h>
#include <gradproof.h>
#include <gsl/gsl_cblas.h>
#include <string.h>

/* Path of the object that a function lies in. */
static const char *object_of(void (*function)(void))
{
    /* A function pointer has no portable way into a void *; its bytes have. */
    void *address;
    memcpy(&address, &function, sizeof address);
    Dl_info info;
    return dladdr(address, &info) && info.dli_fname ? info.dli_fname : "unknown";
}

char *gpf_cblas_provider(char *buf, size_t size)
{
    gpf__format(buf, size, "%s", object_of((void (*)(void))cblas_dgemm));
    return buf;
}

bool gpf__blas_plain_in(const char *provider, const char *self)
{
    const char *slash = strrchr(provider, '/'), *name = slash ? slash : provider;
    return strstr(name, "gslcblas") || (!strstr(name, ".so") && strcmp(provider, self));
}

/* Two threads that come first together find the same. */
atomic_int gpf__blas_found = -1;

int gpf__blas_find(void)
{
#ifdef GPF_CBLAS_PLAIN
    const int plain = 1; /* as configured; another one may be bound, but nobody asked for it */
#else
    const int plain = gpf__blas_plain_in(object_of((void (*)(void))cblas_dgemm),
                                         object_of((void (*)(void))gpf__blas_find));
#endif
    atomic_store_explicit(&gpf__blas_found, plain, memory_order_relaxed);
    return plain;
}
