/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cpu.h"

#include <stdlib.h>
#include <string.h>

const char *gpf__cpu_name(int cpu)
{
    static const char *const name[] = { "any", "avx2", "avx512" };
    return name[cpu];
}

static int detect(void)
{
    int best = GPF__CPU_ANY;
#ifdef GPF__X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        best = GPF__CPU_AVX2;
    if (best == GPF__CPU_AVX2 && __builtin_cpu_supports("avx512f") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw"))
        best = GPF__CPU_AVX512;
#endif
    const char *wanted = getenv("GRADPROOF_CPU");
    for (int i = 0; wanted && i < best; i++)
        if (!strcmp(wanted, gpf__cpu_name(i)))
            return i;
    return best;
}

/* Two threads that come first together find the same. */
atomic_int gpf__cpu_found = -1;

int gpf__cpu_find(void)
{
    const int cpu = detect();
    atomic_store_explicit(&gpf__cpu_found, cpu, memory_order_relaxed);
    return cpu;
}
