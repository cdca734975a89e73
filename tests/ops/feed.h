/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inputs for every row of the registry: random shapes that conform, attributes, drawing ranges. */
#ifndef GPF_TESTS_OPS_FEED_H
#define GPF_TESTS_OPS_FEED_H

#include "../unit/help.h"
#include "op/rows.h"

static inline bool is_elementwise(const gpf_op *op)
{
    return op->map && !op->shape;
}

/* Where a row wants its inputs drawn. */
static inline void domain(const gpf_op *op, double *lo, double *hi)
{
    const bool given = op->lo != 0 || op->hi != 0;
    *lo = given ? op->lo : -2;
    *hi = given ? op->hi : 2;
}

typedef struct feed {
    const gpf_op *op; /* one of these two */
    const gpf_fn *fn;
    gpf_attr attr;
    int n_x;
    gpf_shape x[3];
    double lo[3], hi[3];
    int kind[3];                /* what the values are */
    ptrdiff_t (*size)(dice *d); /* draws sizes; NULL: 1 .. 3 */
    size_t most, N;             /* elements of a tensor at batch size N; 0: any number */
} feed;

enum { NUMBER, LABEL, SIGN, ROW_OF_PROBABILITIES };

/* 1 .. 3, or as the feed says. */
static inline ptrdiff_t some_size(dice *d, const feed *f)
{
    return f->size ? f->size(d) : 1 + below(d, 3);
}

static inline gpf_shape some_shape(dice *d, const feed *f, int least_rank, bool with_n)
{
    gpf_shape s = gpf_shape0();
    s.rank = least_rank + below(d, GPF_MAX_RANK + 1 - least_rank);
    for (int a = 0; a < s.rank; a++) {
        s.dim[a] = with_n && below(d, 4) == 0 ? GPF_N : some_size(d, f);
        if (f->most && gpf_shape_size(s, f->N) > f->most)
            s.dim[a] = 1;
    }
    return s;
}

/* Shrinks an input to the feed's number of elements; sizes that two inputs share stay shared. */
static inline void fit(feed *f, ptrdiff_t *size, const ptrdiff_t *other)
{
    if (f->most && *size != GPF_N &&
        (size_t)*size > f->most / (size_t)(*other == GPF_N ? (ptrdiff_t)f->N : *other))
        *size = 3;
}

/* Inputs that broadcast to one shape: leading axes dropped, others of size 1. */
static inline void feed_elementwise(dice *d, feed *f)
{
    const gpf_shape y = some_shape(d, f, 0, true);
    for (int i = 0; i < f->n_x; i++) {
        const int drop = below(d, 3) ? 0 : below(d, y.rank + 1);
        f->x[i] = gpf_shape_of(y.rank - drop, y.dim + drop);
        for (int a = 0; a < f->x[i].rank; a++)
            if (below(d, 3) == 0)
                f->x[i].dim[a] = 1;
    }
    /* Parameters in (0, 1), growing: clip wants lo < hi. */
    double last = 0.1;
    for (const gpf_op_param *p = f->op->params; p && p->name && below(d, 2); p++)
        f->attr.p[p->slot] = last = between(d, last, 0.95);
}

static inline void feed_axes(dice *d, feed *f)
{
    f->x[0] = some_shape(d, f, 0, true);
    f->attr.k[0] = below(d, 3) ? below(d, 1 << f->x[0].rank) : GPF_ALL_AXES;
}

static inline void feed_axis(dice *d, feed *f)
{
    f->x[0] = some_shape(d, f, 1, true);
    f->attr.k[0] = below(d, 2 * f->x[0].rank) - f->x[0].rank;
}

static inline void feed_matmul(dice *d, feed *f)
{
    ptrdiff_t inner = below(d, 4) ? some_size(d, f) : GPF_N,
              rows = below(d, 2) ? GPF_N : some_size(d, f), cols = some_size(d, f);
    fit(f, &inner, &rows);
    fit(f, &cols, &inner);
    fit(f, &cols, &rows);
    f->x[0] = gpf_shape2(rows, inner);
    f->x[1] = gpf_shape2(inner, cols);
}

static inline void feed_matrix(dice *d, feed *f)
{
    ptrdiff_t rows = below(d, 2) ? GPF_N : some_size(d, f), cols = some_size(d, f);
    fit(f, &cols, &rows);
    f->x[0] = gpf_shape2(rows, cols);
}

static inline void feed_square(dice *d, feed *f)
{
    ptrdiff_t n = below(d, 2) ? GPF_N : some_size(d, f);
    fit(f, &n, &n);
    f->x[0] = gpf_shape2(n, n);
}

static inline void feed_vector(dice *d, feed *f)
{
    const ptrdiff_t n = below(d, 2) ? GPF_N : some_size(d, f);
    const int form = below(d, 3);
    f->x[0] = form == 0 ? gpf_shape1(n) : form == 1 ? gpf_shape2(1, n) : gpf_shape2(n, 1);
}

static inline void put_shape(gpf_attr *a, gpf_shape s)
{
    a->k[0] = s.rank;
    memcpy(a->k + 1, s.dim, sizeof s.dim);
}

/* The same sizes in another order, with a 1 more or less. */
static inline void feed_reshape(dice *d, feed *f)
{
    f->x[0] = some_shape(d, f, 1, true);
    gpf_shape y = f->x[0];
    for (int a = y.rank; a-- > 1;) {
        const int b = below(d, a + 1);
        const ptrdiff_t swap = y.dim[a];
        y.dim[a] = y.dim[b];
        y.dim[b] = swap;
    }
    y.rank += y.rank < GPF_MAX_RANK && below(d, 2);
    put_shape(&f->attr, y);
}

static inline void feed_broadcast(dice *d, feed *f)
{
    const gpf_shape y = some_shape(d, f, 0, true);
    const int drop = below(d, y.rank + 1);
    f->x[0] = gpf_shape_of(y.rank - drop, y.dim + drop);
    for (int a = 0; a < f->x[0].rank; a++)
        if (below(d, 2))
            f->x[0].dim[a] = 1;
    put_shape(&f->attr, y);
}

/* A box in a larger shape: slice goes one way, pad the other. */
static inline void feed_box(dice *d, feed *f, bool pad)
{
    const gpf_shape large = some_shape(d, f, 0, true);
    gpf_shape small = large;
    for (int a = 0; a < large.rank; a++) {
        if (large.dim[a] != GPF_N) {
            small.dim[a] = 1 + below(d, (int)large.dim[a]);
            f->attr.k[a] = below(d, (int)(large.dim[a] - small.dim[a]) + 1);
        }
        f->attr.k[4 + a] = pad ? large.dim[a] : small.dim[a];
    }
    f->x[0] = pad ? small : large;
}

static inline void feed_slice(dice *d, feed *f)
{
    feed_box(d, f, false);
}

static inline void feed_pad(dice *d, feed *f)
{
    feed_box(d, f, true);
}

static inline void feed_concat(dice *d, feed *f)
{
    f->n_x = 1 + below(d, 3);
    const gpf_shape s = some_shape(d, f, 1, true);
    const int axis = below(d, s.rank);
    f->attr.k[0] = axis;
    for (int i = 0; i < f->n_x; i++) {
        f->x[i] = s;
        f->x[i].dim[axis] = some_size(d, f);
        if (f->most && gpf_shape_size(f->x[i], f->N) > f->most)
            f->x[i].dim[axis] = 2;
    }
}

static inline void feed_one_hot(dice *d, feed *f)
{
    const ptrdiff_t n = below(d, 2) ? GPF_N : some_size(d, f);
    f->x[0] = below(d, 2) ? gpf_shape1(n) : gpf_shape2(n, 1);
    f->attr.k[0] = 3;
    f->kind[0] = LABEL;
}

static inline void feed_size(dice *d, feed *f)
{
    f->attr.k[0] = 1 + below(d, 5);
    f->attr.k[1] = 1 + below(d, 3);
}

static const struct {
    const char *name;
    void (*draw)(dice *d, feed *f);
} feeds[] = {
    { "sum", feed_axes },         { "max", feed_axes },
    { "winner", feed_axes },      { "logsumexp", feed_axes },
    { "size", feed_size },        { "softmax", feed_axis },
    { "log_softmax", feed_axis }, { "matmul", feed_matmul },
    { "transpose", feed_matrix }, { "diag", feed_vector },
    { "diag_part", feed_square }, { "trace", feed_square },
    { "reshape", feed_reshape },  { "broadcast", feed_broadcast },
    { "slice", feed_slice },      { "pad", feed_pad },
    { "concat", feed_concat },    { "one_hot", feed_one_hot },
};

static inline void feed_row(dice *d, feed *f)
{
    for (int i = 0; i < 3; i++)
        domain(f->op, &f->lo[i], &f->hi[i]);
    if (is_elementwise(f->op)) {
        feed_elementwise(d, f);
        return;
    }
    for (size_t i = 0; i < COUNT(feeds); i++)
        if (!strcmp(feeds[i].name, f->op->name)) {
            feeds[i].draw(d, f);
            return;
        }
    fail_msg("the row %s has a shape rule and no line in `feeds`", f->op->name);
}

/* Composed functions: two equal matrices, what the second one is, ranges where all is smooth. */
static inline void feed_function(dice *d, feed *f)
{
    static const struct {
        const char *name;
        double lo, hi;
        int kind;
    } special[] = {
        { "bce", 0.1, 0.9, NUMBER },
        { "cross_entropy", -2, 2, ROW_OF_PROBABILITIES },
        { "hinge", -2, 2, SIGN },
        { "norm", 0.2, 2, NUMBER },
    };
    feed_matrix(d, f);
    f->x[1] = f->x[0];
    for (int i = 0; i < 2; i++) {
        f->lo[i] = -2;
        f->hi[i] = 2;
    }
    for (size_t s = 0; s < COUNT(special); s++)
        if (!strcmp(special[s].name, f->fn->name)) {
            f->lo[0] = f->lo[1] = special[s].lo;
            f->hi[0] = f->hi[1] = special[s].hi;
            f->kind[1] = special[s].kind;
        }
}

#endif
