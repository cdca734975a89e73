/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kernels of gemm.c, included there once per CPU level: vectors of LANES doubles, tiles of at
 * most TILE_VECS vectors x TILE_COLS columns (products of columns) and of DOT_ROWS x DOT_COLS
 * (products of rows), which fill the vector registers. */

typedef double NAME(vec)
    __attribute__((vector_size(LANES * sizeof(double)), aligned(8), may_alias));
#define vec NAME(vec)

/* Y (rows x cols) (+)= A B, with rows side by side in A and Y: n_vec vectors of them, the last of
 * only `tail` rows if `cut`. Wherever an element stands, it is one chain of FMAs over k. */
static ALWAYS_INLINE TARGET void NAME(column_tile)(int n_vec, int cols, bool cut, TAIL tail,
                                                   const gemm *g, const double *A, double *Y)
{
    vec y[TILE_COLS][TILE_VECS];
    UNROLL
    for (int c = 0; c < cols; c++) {
        UNROLL
        for (int v = 0; v < n_vec; v++)
            y[c][v] = (vec){ 0 };
    }
    const double *B = g->B.data;
    for (size_t l = g->k; l > 0; l--) {
        vec a[TILE_VECS];
        UNROLL
        for (int v = 0; v < n_vec; v++)
            a[v] = cut && v == n_vec - 1 ? LOAD_TAIL(A + v * LANES, tail)
                                         : *(const vec *)(A + v * LANES);
        UNROLL
        for (int c = 0; c < cols; c++) {
            const vec b = SPLAT(B[c * g->B.col]);
            UNROLL
            for (int v = 0; v < n_vec; v++)
                y[c][v] = FMA(a[v], b, y[c][v]);
        }
        A += g->A.col;
        B += g->B.row;
    }
    UNROLL
    for (int c = 0; c < cols; c++, Y += g->Y.col) {
        UNROLL
        for (int v = 0; v < n_vec; v++) {
            double *to = Y + v * LANES;
            vec sum = y[c][v];
            if (cut && v == n_vec - 1) {
                if (g->add)
                    sum += LOAD_TAIL(to, tail);
                STORE_TAIL(to, tail, sum);
            } else {
                if (g->add)
                    sum += *(const vec *)to;
                *(vec *)to = sum;
            }
        }
    }
}

static ALWAYS_INLINE TARGET void NAME(column_tiles)(const gemm *g, int cols)
{
    enum { ROWS = TILE_VECS * LANES };
    const double *A = g->A.data;
    double *Y = g->Y.data;
    size_t m = g->m;
    for (; m >= ROWS; m -= ROWS, A += ROWS, Y += ROWS)
        NAME(column_tile)(TILE_VECS, cols, false, TAIL_OF(0), g, A, Y);
    if (m > LANES)
        NAME(column_tile)(2, cols, true, TAIL_OF(m - LANES), g, A, Y);
    else if (m > 0)
        NAME(column_tile)(1, cols, true, TAIL_OF(m), g, A, Y);
}

/* Y (rows x cols) (+)= A B, with k the contiguous axis of A and B: an element is LANES chains over
 * k, then their sum. */
static ALWAYS_INLINE TARGET void NAME(dot_tile)(const gemm *g, int rows, int cols)
{
    vec y[DOT_ROWS][DOT_COLS];
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int c = 0; c < cols; c++)
            y[r][c] = (vec){ 0 };
    }
    const double *A = g->A.data, *B = g->B.data;
    size_t k = g->k;
    for (; k >= LANES; k -= LANES, A += LANES, B += LANES) {
        vec b[DOT_COLS];
        UNROLL
        for (int c = 0; c < cols; c++)
            b[c] = *(const vec *)(B + c * g->B.col);
        UNROLL
        for (int r = 0; r < rows; r++) {
            const vec a = *(const vec *)(A + r * g->A.row);
            UNROLL
            for (int c = 0; c < cols; c++)
                y[r][c] = FMA(a, b[c], y[r][c]);
        }
    }
    if (k > 0) {
        const TAIL tail = TAIL_OF(k);
        UNROLL
        for (int r = 0; r < rows; r++) {
            const vec a = LOAD_TAIL(A + r * g->A.row, tail);
            UNROLL
            for (int c = 0; c < cols; c++)
                y[r][c] = FMA(a, LOAD_TAIL(B + c * g->B.col, tail), y[r][c]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int c = 0; c < cols; c++) {
            double *to = g->Y.data + r * g->Y.row + c * g->Y.col;
            const double sum = SUM(y[r][c]);
            *to = g->add ? *to + sum : sum;
        }
    }
}

/* So few multiplications that they cost less than arranging them: any layout, the same chains. */
static TARGET void NAME(few)(size_t m, size_t n, size_t k, const gpf__matrix *A,
                             const gpf__matrix *B, const gpf__matrix *Y, bool add)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            const double *a = A->data + (ptrdiff_t)i * A->row;
            const double *b = B->data + (ptrdiff_t)j * B->col;
            double sum = 0, *y = Y->data + (ptrdiff_t)i * Y->row + (ptrdiff_t)j * Y->col;
            for (size_t l = k; l > 0; l--, a += A->col, b += B->row)
                sum = FMA1(*a, *b, sum);
            *y = add ? *y + sum : sum;
        }
}

/* One tile of columns, all rows; and one tile of dots. */
#define CASE(n)                   \
    case n:                       \
        NAME(column_tiles)(g, n); \
        break
static TARGET void NAME(columns)(const gemm *g)
{
    switch (g->n) {
        CASE(1);
        CASE(2);
        CASE(3);
        CASE(4);
        CASE(5);
        CASE(6);
#if TILE_COLS > 6
        CASE(7);
        CASE(8);
        CASE(9);
        CASE(10);
        CASE(11);
        CASE(12);
#endif
    }
}
#undef CASE

#define CASE(m, n)               \
    case 10 * m + n:             \
        NAME(dot_tile)(g, m, n); \
        break
static TARGET void NAME(dots)(const gemm *g)
{
    switch (10 * g->m + g->n) {
        CASE(1, 1);
        CASE(1, 2);
        CASE(1, 3);
        CASE(2, 1);
        CASE(2, 2);
        CASE(2, 3);
        CASE(3, 1);
        CASE(3, 2);
        CASE(3, 3);
        CASE(4, 1);
        CASE(4, 2);
        CASE(4, 3);
    }
}
#undef CASE

#undef vec
#undef NAME
#undef TARGET
#undef LANES
#undef TILE_COLS
#undef FMA
#undef FMA1
#undef SPLAT
#undef TAIL
#undef TAIL_OF
#undef LOAD_TAIL
#undef STORE_TAIL
#undef SUM
