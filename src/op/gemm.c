/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "op/gemm.h"

#include "base/cpu.h"

#include <stdbool.h>
#include <string.h>

#ifdef GPF__X86
#include <immintrin.h>
#endif

/* What one kernel call works on: m x n of at most a tile in n (dot: in both). */
typedef struct gemm {
    size_t m, n, k;
    gpf__matrix A, B, Y;
    bool add;
} gemm;

static double *at(const gpf__matrix *M, size_t i, size_t j)
{
    return M->data + (ptrdiff_t)i * M->row + (ptrdiff_t)j * M->col;
}

#define ALWAYS_INLINE inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum { TILE_VECS = 2, DOT_ROWS = 4, DOT_COLS = 3 };

#define NAME(name) name##_any
#define TARGET
#define LANES 2
#define TILE_COLS 6
#define FMA(a, b, c) ((a) * (b) + (c))
#define SPLAT(s) ((vec){ (s), (s) })
#define TAIL size_t
#define TAIL_OF(n) (n)
#define LOAD_TAIL(p, n) ((vec){ (p)[0], (n) > 1 ? (p)[1] : 0 })
#define STORE_TAIL(p, n, x)     \
    do {                        \
        const vec stored = (x); \
        (p)[0] = stored[0];     \
        if ((n) > 1)            \
            (p)[1] = stored[1]; \
    } while (0)
#define SUM(x) ((x)[0] + (x)[1])
#include "op/gemm_kernel.h"

/* P (m x n, column after column, ld apart) = M. */
static void pack_any(double *P, size_t ld, size_t m, size_t n, gpf__matrix M)
{
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < m; i++)
            P[j * ld + i] = *at(&M, i, j);
}

#ifdef GPF__X86
#define NAME(name) name##_avx2
#define TARGET GPF__TARGET_AVX2
#define LANES 4
#define TILE_COLS 6
#define FMA(a, b, c) ((vec)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define SPLAT(s) ((vec)_mm256_set1_pd(s))
#define TAIL __m256i
/* Lane i takes part if i < n. */
#define TAIL_OF(n) \
    _mm256_cmpgt_epi64(_mm256_set1_epi64x((long long)(n)), _mm256_setr_epi64x(0, 1, 2, 3))
#define LOAD_TAIL(p, tail) ((vec)_mm256_maskload_pd(p, tail))
#define STORE_TAIL(p, tail, x) _mm256_maskstore_pd(p, tail, (__m256d)(x))
#define SUM(x) sum_avx2((__m256d)(x))
static ALWAYS_INLINE TARGET double sum_avx2(__m256d x)
{
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd(x, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}
#include "op/gemm_kernel.h"

/* The same where either axis of M is contiguous: four rows at a time, copied or transposed. */
static GPF__TARGET_AVX2 void pack_avx2(double *P, size_t ld, size_t m, size_t n, gpf__matrix M)
{
    const size_t m4 = M.row == 1 || M.col == 1 ? m / 4 * 4 : 0, n4 = M.row == 1 ? n : n / 4 * 4;
    if (M.row == 1)
        for (size_t j = 0; j < n; j++)
            for (size_t i = 0; i < m4; i += 4)
                _mm256_storeu_pd(P + j * ld + i, _mm256_loadu_pd(at(&M, i, j)));
    else
        for (size_t i = 0; i < m4; i += 4)
            for (size_t j = 0; j < n4; j += 4) {
                const double *from = at(&M, i, j);
                double *to = P + j * ld + i;
                const __m256d r0 = _mm256_loadu_pd(from), r1 = _mm256_loadu_pd(from + M.row),
                              r2 = _mm256_loadu_pd(from + 2 * M.row),
                              r3 = _mm256_loadu_pd(from + 3 * M.row);
                const __m256d lo01 = _mm256_unpacklo_pd(r0, r1), hi01 = _mm256_unpackhi_pd(r0, r1),
                              lo23 = _mm256_unpacklo_pd(r2, r3), hi23 = _mm256_unpackhi_pd(r2, r3);
                _mm256_storeu_pd(to, _mm256_permute2f128_pd(lo01, lo23, 0x20));
                _mm256_storeu_pd(to + ld, _mm256_permute2f128_pd(hi01, hi23, 0x20));
                _mm256_storeu_pd(to + 2 * ld, _mm256_permute2f128_pd(lo01, lo23, 0x31));
                _mm256_storeu_pd(to + 3 * ld, _mm256_permute2f128_pd(hi01, hi23, 0x31));
            }
    pack_any(P + n4 * ld, ld, m4, n - n4, (gpf__matrix){ at(&M, 0, n4), M.row, M.col });
    pack_any(P + m4, ld, m - m4, n, (gpf__matrix){ at(&M, m4, 0), M.row, M.col });
}

#define NAME(name) name##_avx512
#define TARGET GPF__TARGET_AVX512
#define LANES 8
#define TILE_COLS 12
#define FMA(a, b, c) ((vec)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#define SPLAT(s) ((vec)_mm512_set1_pd(s))
#define TAIL __mmask8
#define TAIL_OF(n) ((__mmask8)((1u << (n)) - 1))
#define LOAD_TAIL(p, tail) ((vec)_mm512_maskz_loadu_pd(tail, p))
#define STORE_TAIL(p, tail, x) _mm512_mask_storeu_pd(p, tail, (__m512d)(x))
#define SUM(x) _mm512_reduce_add_pd((__m512d)(x))
#include "op/gemm_kernel.h"
#endif

/* Of a tile of columns; its panels of A and blocks of B are packed on the stack. */
enum { MAX_ROWS = 16, K_BLOCK = 128, N_BLOCK = 60 };
#ifndef TUNE
enum { DOT_MIN = 16, PACK_K = 32, PACK_N = 16, PACK_M = 32 };
#endif

typedef struct level {
    size_t rows, cols;
    void (*columns)(const gemm *g);
    void (*dots)(const gemm *g);
    void (*pack)(double *P, size_t ld, size_t m, size_t n, gpf__matrix M);
} level;

static const level levels[GPF__N_CPUS] = {
    [GPF__CPU_ANY] = { 4, 6, columns_any, dots_any, pack_any },
#ifdef GPF__X86
    [GPF__CPU_AVX2] = { 8, 6, columns_avx2, dots_avx2, pack_avx2 },
    [GPF__CPU_AVX512] = { 16, 12, columns_avx512, dots_avx512, pack_avx2 },
#endif
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The next of the fewest nearly equal pieces of n that are no longer than `most`. */
static size_t piece(size_t n, size_t most)
{
    return n <= most ? n : n / ((n + most - 1) / most);
}

/* Tiles of columns side by side. */
static void columns(const level *on, const gemm *whole)
{
    gemm g = *whole;
    for (size_t j = 0; j < whole->n; j += g.n) {
        g.n = piece(whole->n - j, on->cols);
        g.B.data = at(&whole->B, 0, j);
        g.Y.data = at(&whole->Y, 0, j);
        on->columns(&g);
    }
}

static void unpack(gpf__matrix Y, const double *P, size_t ld, size_t m, size_t n, bool add)
{
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < m; i++) {
            double *y = at(&Y, i, j);
            *y = add ? *y + P[j * ld + i] : P[j * ld + i];
        }
}

static void blocks(const level *on, const gemm *whole)
{
    double a[MAX_ROWS * K_BLOCK], b[K_BLOCK * N_BLOCK], y[MAX_ROWS * N_BLOCK];
    const size_t m = whole->m, n = whole->n, k = whole->k, ld = on->rows;
    const bool pack_a = whole->A.row != 1 || (k >= PACK_K && n >= PACK_N);
    const bool pack_b = whole->B.row != 1 && k >= PACK_K && m >= PACK_M;
    const bool pack_y = whole->Y.row != 1;
    gemm g = *whole;
    if (pack_a)
        g.A = (gpf__matrix){ a, 1, (ptrdiff_t)ld };
    if (pack_b)
        g.B = (gpf__matrix){ b, 1, (ptrdiff_t)k };
    if (pack_y)
        g.Y = (gpf__matrix){ y, 1, (ptrdiff_t)ld }, g.add = false;
    for (size_t j = 0; j < n; j += g.n) {
        g.n = pack_a || pack_b || pack_y ? smaller(n - j, N_BLOCK) : n;
        const gpf__matrix B = { at(&whole->B, 0, j), whole->B.row, whole->B.col };
        if (pack_b)
            on->pack(b, k, k, g.n, B);
        else
            g.B.data = B.data;
        for (size_t i = 0; i < m; i += g.m) {
            g.m = pack_a || pack_y ? smaller(m - i, ld) : m;
            const gpf__matrix A = { at(&whole->A, i, 0), whole->A.row, whole->A.col };
            if (pack_a)
                on->pack(a, ld, g.m, k, A);
            else
                g.A.data = A.data;
            const gpf__matrix Y = { at(&whole->Y, i, j), whole->Y.row, whole->Y.col };
            if (!pack_y)
                g.Y.data = Y.data;
            columns(on, &g);
            if (pack_y)
                unpack(Y, y, ld, g.m, g.n, whole->add);
        }
    }
}

static void dots(const level *on, const gemm *whole)
{
    gemm g = *whole;
    for (size_t J = 0; J < whole->n; J += N_BLOCK)
        for (size_t i = 0; i < whole->m; i += DOT_ROWS) {
            g.m = smaller(DOT_ROWS, whole->m - i);
            g.A.data = at(&whole->A, i, 0);
            for (size_t j = J; j < smaller(whole->n, J + N_BLOCK); j += DOT_COLS) {
                g.n = smaller(DOT_COLS, whole->n - j);
                g.B.data = at(&whole->B, 0, j);
                g.Y.data = at(&whole->Y, i, j);
                on->dots(&g);
            }
        }
}

void gpf__gemm(size_t m, size_t n, size_t k, gpf__matrix A, gpf__matrix B, gpf__matrix Y, int add)
{
    const level *on = &levels[gpf__cpu()];
    gemm g = { m, n, k, A, B, Y, add };
    if (Y.row != 1 && Y.col == 1)
        g = (gemm){
            n,  m, k, { B.data, B.col, B.row }, { A.data, A.col, A.row }, { Y.data, Y.col, Y.row },
            add
        };
    const bool by_dots = k >= DOT_MIN && g.A.col == 1 && g.B.row == 1;
    if (by_dots ? g.m <= DOT_ROWS && g.n <= DOT_COLS && k <= 2 * K_BLOCK
                : g.n <= on->cols && k <= K_BLOCK && g.A.row == 1 && g.Y.row == 1) {
        (by_dots ? on->dots : on->columns)(&g);
        return;
    }
    size_t l = 0;
    do {
        g.k = piece(k - l, by_dots ? 2 * K_BLOCK : K_BLOCK);
        (by_dots ? dots : blocks)(on, &g);
        g.A.data = at(&g.A, 0, g.k);
        g.B.data = at(&g.B, g.k, 0);
        g.add = true;
        l += g.k;
    } while (l < k);
}
