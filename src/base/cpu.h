/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which of a kernel's versions this machine runs. One binary holds all: code for any x86-64 (or any
 * other machine), for AVX2 with FMA, and for AVX-512. */
#ifndef GPF_BASE_CPU_H
#define GPF_BASE_CPU_H

#include <stdatomic.h>

enum { GPF__CPU_ANY, GPF__CPU_AVX2, GPF__CPU_AVX512, GPF__N_CPUS };

#if defined(__x86_64__) && defined(__GNUC__)
#define GPF__X86 1
#define GPF__TARGET_AVX2 __attribute__((target("avx2,fma")))
#ifdef __clang__ /* has no such words for the width */
#define GPF__WIDE
#else
#define GPF__WIDE ",prefer-vector-width=512"
#endif
#define GPF__TARGET_AVX512 \
    __attribute__((target("avx2,fma,avx512f,avx512vl,avx512dq,avx512bw" GPF__WIDE)))
#endif

extern atomic_int gpf__cpu_found;
int gpf__cpu_find(void);

/* The best this machine has, or what the environment variable GRADPROOF_CPU names (any, avx2,
 * avx512) if the machine has that. Found out once: the same answer for the life of the process. */
static inline int gpf__cpu(void)
{
    const int cpu = atomic_load_explicit(&gpf__cpu_found, memory_order_relaxed);
    return cpu < 0 ? gpf__cpu_find() : cpu;
}
const char *gpf__cpu_name(int cpu);

#endif
