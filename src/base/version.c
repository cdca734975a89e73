/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE /* dladdr */
#include "base/cpu.h"
#include "base/text.h"

#include <dlfcn.h>
#include <gradproof.h>
#include <gsl/gsl_cblas.h>
#include <string.h>

const char *gpf_version(void)
{
    return GPF_VERSION;
}

int gpf_version_number(void)
{
    return GPF_VERSION_NUMBER;
}

char *gpf_cblas_provider(char *buf, size_t size)
{
    /* A function pointer has no portable way into a void *; its bytes have. */
    void (*dgemm)(void) = (void (*)(void))cblas_dgemm;
    void *address;
    memcpy(&address, &dgemm, sizeof address);
    Dl_info info;
    gpf__format(buf, size, "%s",
                dladdr(address, &info) && info.dli_fname ? info.dli_fname : "unknown");
    return buf;
}

const char *gpf_cpu(void)
{
    return gpf__cpu_name(gpf__cpu());
}
