/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tiles: what is damaged of a value, at several points at once.
 *
 * Changing one number of a graph's input changes a rectangle of most values: some rows (samples),
 * some columns (units). A tile holds the changed values of such a rectangle beside the base's. An op
 * row's `damage` rule says how tiles pass through the op; elementwise ops need none.
 *
 * Every tensor is a matrix here: rank 0 is 1x1, rank 1 is 1xC, rank 2 RxC, higher ranks are one row
 * of all elements in row-major order. */
#ifndef GPF_OP_TILE_H
#define GPF_OP_TILE_H

#include "op/rows.h"

enum { GPF__POINTS = 4, GPF__CHUNK = 1024, GPF__FEW = 4 };
/* Fewer rows than this are worth a copy for every point, so that one call does for all points. */
enum { GPF__MANY_ROWS = 32 };

/* Rows row[0] < .. < row[n_rows-1], columns col .. col + n_cols - 1. n_cols = 0: nothing. */
typedef struct gpf__rect {
    size_t n_rows, n_cols, col;
    const int *row;
    unsigned long list; /* names the list; 0: consecutive rows */
} gpf__rect;

typedef struct gpf__tile gpf__tile;
struct gpf__tile {
    const gpf_tensor *base; /* the value at the base point */
    size_t rows, cols;      /* as a matrix */
    gpf__rect at;           /* what is damaged */
    double *data;           /* [col][point][row]; room for all of the value at all points */
    bool changes;           /* data is values minus base: all readers are GPF_OP_LINEAR */
    /* If set, data is not filled: writes columns c .. c+n-1 on demand. `of` is the tile itself, or
     * one that changes by as much. */
    void (*columns)(const gpf__tile *made, gpf__tile *of, size_t c, size_t n, size_t points,
                    double *to);
    /* What it needs (matrix.c): room for GPF__FEW columns at all points, NULL: do not offer it. */
    double *few;
    const double *with; /* the changes it is made with: in `few` or in an input's tile */
    /* How far columns c .. c+n-1 may change at most; NULL: not known. */
    double (*furthest)(const gpf__tile *made, size_t c, size_t n, size_t points);
    double largest[GPF__FEW]; /* of the changes, for each of the few */
    const gpf_call *call;
    size_t first, count;
    int *kept; /* room for a list of rows, what it holds and its name */
    size_t n_kept;
    unsigned long kept_list;
    double *cache; /* the base's rows `cached`, [col][row]; NULL: not offered */
    gpf__rect cached;
    const int *all; /* 0, 1, 2, .. */
};

/* A value's sizes as a matrix. */
void gpf__tile_sizes(const gpf_tensor *t, size_t *rows, size_t *cols);

/* A rule's call: x are the tiles of the step's inputs, y is to be filled in: at, then data (or
 * columns). call: the step at the base point. False: no rule for this case, the whole node is
 * evaluated. */
typedef struct gpf__patch {
    const gpf_call *call;
    gpf__tile **x;
    gpf__tile *y;
    size_t points;
    double *delta, *strip; /* room for any tile; for two strips */
    double *scratch;       /* for all points, what the op asks for at the base for each */
} gpf__patch;

/* Rows lo .. hi-1. */
gpf__rect gpf__rect_rows(const gpf__tile *t, size_t lo, size_t hi, size_t col, size_t n_cols);
/* Grows y to hold x too; rows that differ become all rows between the first and the last. */
void gpf__rect_join(const gpf__tile *t, gpf__rect *y, const gpf__rect *x);

static inline bool gpf__tile_damaged(const gpf__tile *t)
{
    return t->at.n_cols > 0;
}

/* Number of columns of a rectangle that fill a strip. */
size_t gpf__rect_chunk(const gpf__rect *at, size_t points, size_t strip);

/* Columns of values somewhere: row i of column c + j at point p is data[j*col + p*point + i]. */
typedef struct gpf__columns {
    const double *data;
    ptrdiff_t col;
    size_t point;
} gpf__columns;

/* Values one after another: [col][point][row]. */
static inline gpf__columns gpf__columns_dense(const double *data, size_t points, size_t rows)
{
    return (gpf__columns){ data, (ptrdiff_t)(points * rows), rows };
}

/* Base values in rows `at`, columns c .. c+n-1: where they are, or in `buffer` (a strip). */
gpf__columns gpf__tile_base_columns(gpf__tile *x, const gpf__rect *at, size_t c, size_t n,
                                    size_t points, double *buffer);
/* An elementwise op on n columns of such values; y is dense. */
void gpf__map_columns(const gpf_op *op, const gpf_attr *attr, const gpf__columns *x, int n_x,
                      size_t n, size_t points, size_t rows, double *y);

/* Base values in rows `at`, columns c .. c+n-1, the same at every point: [col][point][row]. */
void gpf__tile_base(gpf__tile *x, const gpf__rect *at, size_t c, size_t n, size_t points,
                    double *to);
/* Values at the points there, whether damaged or not; in `buffer` or where they are already. `at`
 * has all damaged rows. */
const double *gpf__tile_values(gpf__tile *x, const gpf__rect *at, size_t c, size_t n, size_t points,
                               double *buffer);
/* Values minus base, over the tile's own rectangle; in `to` or where they are already. */
const double *gpf__tile_delta(gpf__tile *x, size_t points, double *to, double *buffer);
/* Fills in data if `columns` was to do that. */
void gpf__tile_settle(gpf__tile *x, size_t points);

/* Where the elements of an input lie in y: row and column offset, after a swap of both, and
 * whether an axis of size 1 is repeated over all of y's. */
typedef struct gpf__move {
    bool swap, all_rows, all_cols;
    ptrdiff_t row, col;
} gpf__move;

/* The rule of ops that move elements: one move for each input. */
int gpf__damage_moved(const gpf__patch *p, const gpf__move *move);
/* The rule of ops of rank 2 that work row by row: op->eval over all points' rows at once. */
int gpf__damage_rowwise(const gpf__patch *p, void (*eval)(const gpf_call *c));

#endif
