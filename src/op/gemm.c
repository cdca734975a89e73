/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "op/gemm.h"

#include "base/cpu.h"

#include <stdbool.h>

#ifdef GPF__X86
#include <immintrin.h>
#endif

/* Y (m x n) (+)= A (m x k) B (k x n). */
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
#define FMA1(a, b, c) FMA(a, b, c)
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
    for (size_t j = 0; j < n; j++) {
        const double *from = at(&M, 0, j);
        double *to = P + j * ld;
        for (size_t i = m; i > 0; i--, from += M.row)
            *to++ = *from;
    }
}

#ifdef GPF__X86
#define NAME(name) name##_avx2
#define TARGET GPF__TARGET_AVX2
#define LANES 4
#define TILE_COLS 6
#define FMA(a, b, c) ((vec)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#define FMA1(a, b, c) __builtin_fma(a, b, c)
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

/* The same, with contiguous rows copied and contiguous columns transposed in registers. */
static GPF__TARGET_AVX2 void pack_avx2(double *P, size_t ld, size_t m, size_t n, gpf__matrix M)
{
    if (M.row == 1) {
        for (const double *from = M.data; n > 0; n--, from += M.col, P += ld) {
            size_t i = 0;
            for (; i + 4 <= m; i += 4)
                _mm256_storeu_pd(P + i, _mm256_loadu_pd(from + i));
            for (; i + 2 <= m; i += 2)
                _mm_storeu_pd(P + i, _mm_loadu_pd(from + i));
            if (i < m)
                P[i] = from[i];
        }
        return;
    }
    const size_t m4 = M.col == 1 ? m / 4 * 4 : 0, n4 = n / 4 * 4;
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
#define FMA1(a, b, c) __builtin_fma(a, b, c)
#define SPLAT(s) ((vec)_mm512_set1_pd(s))
#define TAIL __mmask8
#define TAIL_OF(n) ((__mmask8)((1u << (n)) - 1))
#define LOAD_TAIL(p, tail) ((vec)_mm512_maskz_loadu_pd(tail, p))
#define STORE_TAIL(p, tail, x) _mm512_mask_storeu_pd(p, tail, (__m512d)(x))
#define SUM(x) _mm512_reduce_add_pd((__m512d)(x))
#include "op/gemm_kernel.h"
#endif

/* Sums go over K_BLOCK terms at a time (dots: twice that), so that what a row of tiles shares stays
 * in L1, and over M_BLOCK rows (dots: N_BLOCK columns), so that what all tiles share stays in L2.
 * Before that, operands that do not lie well are packed on the stack if they are used often enough
 * to pay: PACKED rows of A, PAD apart lest their columns fall into the same few cache sets, as
 * those of an A with SPREAD or more between columns do; and the columns of B of a tile. */
enum { K_BLOCK = 128, M_BLOCK = 192, N_BLOCK = 96, PACKED = 64, PAD = 8, LD = PACKED + PAD };
enum { PACK_K = 32, PACK_M = 32, PACK_N = 24, SPREAD = 128 };
/* Shorter dots lose too much in adding up their lanes. */
enum { DOT_K = 65 };
enum { MAX_COLS = 12 };
/* Multiplications up to which a product is made one by one; less than DOT_K. */
enum { FEW = 32 };

typedef struct level {
    size_t rows, cols; /* of a tile */
    void (*columns)(const gemm *g);
    void (*dots)(const gemm *g);
    void (*pack)(double *P, size_t ld, size_t m, size_t n, gpf__matrix M);
    void (*few)(size_t m, size_t n, size_t k, const gpf__matrix *A, const gpf__matrix *B,
                const gpf__matrix *Y, bool add);
} level;

static const level levels[GPF__N_CPUS] = {
    [GPF__CPU_ANY] = { 4, 6, columns_any, dots_any, pack_any, few_any },
#ifdef GPF__X86
    [GPF__CPU_AVX2] = { 8, 6, columns_avx2, dots_avx2, pack_avx2, few_avx2 },
    [GPF__CPU_AVX512] = { 16, 12, columns_avx512, dots_avx512, pack_avx2, few_avx512 },
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

/* Y (m x n) (+)= P, column after column, LD apart. */
static void unpack(const level *on, gpf__matrix Y, double *P, size_t m, size_t n, bool add)
{
    if (Y.col == 1 && !add) { /* row after row: Y' is packed from P' */
        on->pack(Y.data, (size_t)Y.row, n, m, (gpf__matrix){ P, LD, 1 });
        return;
    }
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < m; i++) {
            double *y = at(&Y, i, j);
            *y = add ? *y + P[j * LD + i] : P[j * LD + i];
        }
}

/* All tiles of one block of k. */
static void columns(const level *on, const gemm *whole)
{
    double a[LD * K_BLOCK], b[MAX_COLS * K_BLOCK], y[LD * MAX_COLS];
    const size_t m = whole->m, n = whole->n, k = whole->k;
    const bool pack_a = whole->A.row != 1 || (whole->A.col >= SPREAD && k >= PACK_K && n >= PACK_N);
    const bool pack_b = whole->B.row != 1 && k >= PACK_K && m >= PACK_M;
    const bool pack_y = whole->Y.row != 1;
    gemm g = *whole;
    g.add = whole->add && !pack_y;
    for (size_t i = 0; i < m; i += g.m) {
        g.m = smaller(m - i, pack_a || pack_y ? PACKED : k < PACK_K ? m : M_BLOCK);
        g.A.data = at(&whole->A, i, 0);
        if (pack_a) {
            on->pack(a, LD, g.m, k, (gpf__matrix){ g.A.data, whole->A.row, whole->A.col });
            g.A = (gpf__matrix){ a, 1, LD };
        }
        for (size_t j = 0; j < n; j += g.n) {
            g.n = piece(n - j, on->cols);
            g.B.data = at(&whole->B, 0, j);
            g.Y.data = at(&whole->Y, i, j);
            if (pack_b) { /* row after row: B' column after column */
                on->pack(b, g.n, g.n, k, (gpf__matrix){ g.B.data, whole->B.col, whole->B.row });
                g.B = (gpf__matrix){ b, (ptrdiff_t)g.n, 1 };
            }
            if (pack_y) {
                const gpf__matrix Y = { g.Y.data, whole->Y.row, whole->Y.col };
                g.Y = (gpf__matrix){ y, 1, LD };
                on->columns(&g);
                unpack(on, Y, y, g.m, g.n, whole->add);
            } else {
                on->columns(&g);
            }
        }
    }
}

static void dots(const level *on, const gemm *whole)
{
    gemm g = *whole;
    for (size_t block = 0; block < whole->n; block += N_BLOCK)
        for (size_t i = 0; i < whole->m; i += DOT_ROWS) {
            g.m = smaller(DOT_ROWS, whole->m - i);
            g.A.data = at(&whole->A, i, 0);
            for (size_t j = block; j < smaller(whole->n, block + N_BLOCK); j += DOT_COLS) {
                g.n = smaller(DOT_COLS, whole->n - j);
                g.B.data = at(&whole->B, 0, j);
                g.Y.data = at(&whole->Y, i, j);
                on->dots(&g);
            }
        }
}

/* Whether Y' = B' A' is the better way round: Y lies row after row. But where A lies column after
 * column and Y's rows are short, long vectors gain more than turning Y costs. */
static bool turned(const level *on, const gemm *g)
{
    const bool slim = g->A.row == 1 && g->n <= 2 * on->rows && g->m >= 6 * g->n;
    return g->Y.row != 1 && g->Y.col == 1 && !slim;
}

void gpf__gemm_at(size_t m, size_t n, size_t k, const gpf__matrix *A, const gpf__matrix *B,
                  const gpf__matrix *Y, int add)
{
    const level *on = &levels[gpf__cpu()];
    if (m <= FEW && n <= FEW && k <= FEW && m * n * k <= FEW) {
        on->few(m, n, k, A, B, Y, add);
        return;
    }
    gemm g = { m, n, k, *A, *B, *Y, add };
    if (turned(on, &g))
        g = (gemm){ .m = n,
                    .n = m,
                    .k = k,
                    .A = { B->data, B->col, B->row },
                    .B = { A->data, A->col, A->row },
                    .Y = { Y->data, Y->col, Y->row },
                    .add = add };
    const bool by_dots = k >= DOT_K && g.A.col == 1 && g.B.row == 1;
    const size_t k_block = by_dots ? 2 * K_BLOCK : K_BLOCK;
    /* Small ones: a kernel call and no more. */
    if (k <= k_block && (by_dots ? g.m <= DOT_ROWS && g.n <= DOT_COLS
                                 : g.n <= on->cols && g.A.row == 1 && g.Y.row == 1)) {
        (by_dots ? on->dots : on->columns)(&g);
        return;
    }
    size_t left = k;
    do {
        g.k = piece(left, k_block);
        (by_dots ? dots : columns)(on, &g);
        g.A.data = at(&g.A, 0, g.k);
        g.B.data = at(&g.B, g.k, 0);
        g.add = true;
        left -= g.k;
    } while (left > 0);
}
