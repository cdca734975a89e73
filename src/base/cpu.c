/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cpu.h"

#include <stdatomic.h>
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

int gpf__cpu(void)
{
    /* Two threads that come first together find the same. */
    static atomic_int found = -1;
    int cpu = atomic_load_explicit(&found, memory_order_relaxed);
    if (cpu < 0) {
        cpu = detect();
        atomic_store_explicit(&found, cpu, memory_order_relaxed);
    }
    return cpu;
}
