/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "op/tile.h"
#include "op/axes.h"
#include "op/vector.h"

#include <math.h>
#include <string.h>

void gpf__tile_sizes(const gpf_tensor *t, size_t *rows, size_t *cols)
{
    *rows = t->rank == 2 ? t->dim[0] : 1;
    *cols = gpf__tensor_size(t) / *rows;
}

gpf__rect gpf__rect_rows(const gpf__tile *t, size_t lo, size_t hi, size_t col, size_t n_cols)
{
    return (gpf__rect){ .n_rows = hi - lo, .n_cols = n_cols, .col = col, .row = t->all + lo };
}

void gpf__rect_join(const gpf__tile *t, gpf__rect *y, const gpf__rect *x)
{
    if (x->n_cols == 0)
        return;
    if (y->n_cols == 0) {
        *y = *x;
        return;
    }
    const size_t lo = y->col < x->col ? y->col : x->col, y_end = y->col + y->n_cols,
                 x_end = x->col + x->n_cols;
    y->col = lo;
    y->n_cols = (y_end > x_end ? y_end : x_end) - lo;
    if (y->row == x->row && y->n_rows == x->n_rows)
        return;
    const int first = y->row[0] < x->row[0] ? y->row[0] : x->row[0], y_last = y->row[y->n_rows - 1],
              x_last = x->row[x->n_rows - 1], last = y_last > x_last ? y_last : x_last;
    *y = gpf__rect_rows(t, (size_t)first, (size_t)last + 1, y->col, y->n_cols);
}

size_t gpf__rect_chunk(const gpf__rect *at, size_t points, size_t strip)
{
    const size_t column = points * at->n_rows;
    if (column * at->n_cols <= strip)
        return at->n_cols;
    const size_t n = strip / column;
    return n == 0 ? 1 : n;
}

/* n times v; the end. */
static double *fill(double *to, double v, size_t n)
{
    GPF__SIMD for (size_t i = 0; i < n; i++)
    {
        to[i] = v;
    }
    return to + n;
}

static void replicate(double *to, const double *from, size_t n, size_t points)
{
    for (size_t p = 0; p < points; p++, to += n)
        if (n >= 16)
            memcpy(to, from, n * sizeof *to);
        else
            for (size_t i = 0; i < n; i++)
                to[i] = from[i];
}

static void gather(const gpf__tile *x, const gpf__rect *at, size_t c, double *to)
{
    const gpf_tensor *t = x->base;
    if (t->rank > 2) {
        to[0] = *gpf__tensor_at(t, c);
        return;
    }
    const ptrdiff_t rs = t->rank == 2 ? t->stride[0] : 0,
                    cs = t->rank == 2 ? t->stride[1] : t->stride[0];
    const double *from = t->data + (ptrdiff_t)c * (t->rank ? cs : 0);
    for (size_t i = 0; i < at->n_rows; i++)
        to[i] = from[at->row[i] * rs];
}

static bool is_cached(const gpf__tile *x, const gpf__rect *at)
{
    return x->cached.n_cols && x->cached.n_rows == at->n_rows && x->cached.list == at->list &&
           (at->list || x->cached.row == at->row);
}

/* Rows that have to be gathered are gathered once for as long as the list stays, which is that of
 * all elements of one unit. */
static bool use_cache(gpf__tile *x, const gpf__rect *at)
{
    if (!x->cache)
        return false;
    if (is_cached(x, at))
        return true;
    if (at->n_cols < x->cols || at->n_rows < 8)
        return false;
    for (size_t c = 0; c < x->cols; c++)
        gather(x, at, c, x->cache + c * at->n_rows);
    x->cached = *at;
    return true;
}

void gpf__tile_base(gpf__tile *x, const gpf__rect *at, size_t c, size_t n, size_t points,
                    double *to)
{
    const gpf_tensor *t = x->base;
    const size_t rows = at->n_rows, step = points * rows;
    const ptrdiff_t rs = t->rank == 2 ? t->stride[0] : 0, cs = t->rank == 2 ? t->stride[1] : 0;
    if (t->rank == 2 && (rs == 0 || x->rows == 1)) {
        for (size_t j = 0; j < n; j++)
            to = fill(to, t->data[(ptrdiff_t)(c + j) * cs], step);
    } else if (rs == 1 && at->list == 0) {
        const double *from = t->data + at->row[0];
        for (size_t j = 0; j < n; j++, to += step)
            replicate(to, from + (ptrdiff_t)(c + j) * cs, rows, points);
    } else if (cs != 0 && use_cache(x, at)) {
        for (size_t j = 0; j < n; j++, to += step)
            replicate(to, x->cache + (c + j) * rows, rows, points);
    } else {
        for (size_t j = 0; j < n; j++, to += step) {
            gather(x, at, c + j, to);
            replicate(to + rows, to, rows, points - 1);
        }
    }
}

gpf__columns gpf__tile_base_columns(gpf__tile *x, const gpf__rect *at, size_t c, size_t n,
                                    size_t points, double *buffer)
{
    const gpf_tensor *t = x->base;
    const size_t rows = at->n_rows;
    if (rows < GPF__MANY_ROWS || t->rank != 2) {
        gpf__tile_base(x, at, c, n, points, buffer);
        return gpf__columns_dense(buffer, points, rows);
    }
    const ptrdiff_t rs = t->stride[0], cs = t->stride[1];
    if (rs == 1 && at->list == 0)
        return (gpf__columns){ t->data + at->row[0] + (ptrdiff_t)c * cs, cs, 0 };
    if (rs != 0 && cs != 0 && use_cache(x, at))
        return (gpf__columns){ x->cache + c * rows, (ptrdiff_t)rows, 0 };
    gpf__tile_base(x, at, c, cs == 0 ? 1 : n, 1, buffer);
    return (gpf__columns){ buffer, cs == 0 ? 0 : (ptrdiff_t)rows, 0 };
}

void gpf__map_columns(const gpf_op *op, const gpf_attr *attr, const gpf__columns *x, int n_x,
                      size_t n, size_t points, size_t rows, double *y)
{
    const double *in[3] = { NULL, NULL, NULL };
    bool dense = true;
    for (int i = 0; i < n_x; i++) {
        in[i] = x[i].data;
        dense &= x[i].point == rows && x[i].col == (ptrdiff_t)(points * rows);
    }
    if (dense) {
        op->map(n * points * rows, y, in, attr);
        return;
    }
    for (size_t j = 0; j < n; j++)
        for (size_t p = 0; p < points; p++, y += rows) {
            for (int i = 0; i < n_x; i++)
                in[i] = x[i].data + (ptrdiff_t)j * x[i].col + p * x[i].point;
            op->map(rows, y, in, attr);
        }
}

void gpf__tile_settle(gpf__tile *x, size_t points)
{
    if (!x->columns)
        return;
    x->columns(x, x, x->at.col, x->at.n_cols, points, x->data);
    x->columns = NULL;
}

/* Writes the columns c .. c+n-1 of x's tile that there are over the values in rows `at`. */
static void overwrite(gpf__tile *x, const gpf__rect *at, size_t c, size_t n, size_t points,
                      double *to)
{
    gpf__tile_settle(x, points);
    const size_t rows = x->at.n_rows;
    for (size_t j = 0; j < n; j++) {
        if (c + j < x->at.col || c + j >= x->at.col + x->at.n_cols)
            continue;
        const double *from = x->data + (c + j - x->at.col) * points * rows;
        double *y = to + j * points * at->n_rows;
        for (size_t i = 0, k = 0; i < rows; i++, k++) {
            while (at->row[k] != x->at.row[i])
                k++;
            for (size_t p = 0; p < points; p++)
                y[p * at->n_rows + k] = from[p * rows + i];
        }
    }
}

const double *gpf__tile_values(gpf__tile *x, const gpf__rect *at, size_t c, size_t n, size_t points,
                               double *buffer)
{
    const gpf__rect *own = &x->at;
    if (own->n_cols && own->row == at->row && own->n_rows == at->n_rows && c >= own->col &&
        c + n <= own->col + own->n_cols) {
        if (!x->columns)
            return x->data + (c - own->col) * points * own->n_rows;
        x->columns(x, x, c, n, points, buffer);
        return buffer;
    }
    gpf__tile_base(x, at, c, n, points, buffer);
    if (own->n_cols)
        overwrite(x, at, c, n, points, buffer);
    return buffer;
}

const double *gpf__tile_delta(gpf__tile *x, size_t points, double *to, double *buffer)
{
    if (x->changes)
        return x->data;
    gpf__tile_settle(x, points);
    const size_t rows = x->at.n_rows, step = points * rows,
                 chunk = gpf__rect_chunk(&x->at, points, GPF__CHUNK);
    const gpf_attr none = { .k = { 0 } };
    for (size_t c = 0; c < x->at.n_cols; c += chunk) {
        const size_t n = x->at.n_cols - c < chunk ? x->at.n_cols - c : chunk;
        const gpf__columns in[] = { gpf__columns_dense(x->data + c * step, points, rows),
                                    gpf__tile_base_columns(x, &x->at, x->at.col + c, n, points,
                                                           buffer) };
        gpf__map_columns(&gpf_op_sub, &none, in, 2, n, points, rows, to + c * step);
    }
    return to;
}

/* Rows and columns of y that x's tile moves to. */
static gpf__rect moved_rect(const gpf__tile *x, const gpf__tile *y, gpf__move m)
{
    const ptrdiff_t first = x->at.row[0], last = x->at.row[x->at.n_rows - 1];
    const ptrdiff_t left = (ptrdiff_t)x->at.col, right = left + (ptrdiff_t)x->at.n_cols - 1;
    ptrdiff_t r0 = (m.swap ? left : first) + m.row, r1 = (m.swap ? right : last) + m.row,
              c0 = (m.swap ? first : left) + m.col, c1 = (m.swap ? last : right) + m.col;
    const ptrdiff_t rows = (ptrdiff_t)y->rows, cols = (ptrdiff_t)y->cols;
    if (m.all_rows)
        r0 = 0, r1 = rows - 1;
    if (m.all_cols)
        c0 = 0, c1 = cols - 1;
    const bool same_rows = !m.swap && !m.all_rows && m.row == 0 && r1 < rows;
    r0 = r0 < 0 ? 0 : r0;
    c0 = c0 < 0 ? 0 : c0;
    r1 = r1 >= rows ? rows - 1 : r1;
    c1 = c1 >= cols ? cols - 1 : c1;
    if (r0 > r1 || c0 > c1)
        return (gpf__rect){ .n_cols = 0 };
    gpf__rect at = gpf__rect_rows(y, (size_t)r0, (size_t)r1 + 1, (size_t)c0, (size_t)(c1 - c0) + 1);
    if (same_rows) {
        at.row = x->at.row;
        at.n_rows = x->at.n_rows;
        at.list = x->at.list;
    }
    return at;
}

/* Position of a row in an ascending list; n if it is not there. */
static size_t find_row(const gpf__rect *at, ptrdiff_t row)
{
    if (at->list == 0)
        return row >= at->row[0] && row <= at->row[at->n_rows - 1] ? (size_t)(row - at->row[0])
                                                                   : at->n_rows;
    size_t lo = 0, hi = at->n_rows;
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        if (at->row[mid] < row)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < at->n_rows && at->row[lo] == row ? lo : at->n_rows;
}

static void move_tile(const gpf__tile *x, gpf__tile *y, gpf__move m, size_t points)
{
    const size_t x_rows = x->at.n_rows, y_rows = y->at.n_rows;
    for (size_t j = 0; j < x->at.n_cols; j++)
        for (size_t i = 0; i < x_rows; i++) {
            const ptrdiff_t r = x->at.row[i], c = (ptrdiff_t)(x->at.col + j);
            const ptrdiff_t to_c = (m.swap ? r : c) + m.col - (ptrdiff_t)y->at.col;
            size_t k = 0, k_end = y_rows, l = 0, l_end = y->at.n_cols;
            if (!m.all_rows) {
                k = find_row(&y->at, (m.swap ? c : r) + m.row);
                k_end = k < y_rows ? k + 1 : k;
            }
            if (!m.all_cols) {
                l = to_c >= 0 && to_c < (ptrdiff_t)y->at.n_cols ? (size_t)to_c : l_end;
                l_end = l < l_end ? l + 1 : l;
            }
            const double *from = x->data + j * points * x_rows + i;
            for (; l < l_end; l++)
                for (size_t p = 0; p < points; p++) {
                    double *to = y->data + (l * points + p) * y_rows;
                    for (size_t q = k; q < k_end; q++)
                        to[q] = from[p * x_rows];
                }
        }
}

/* Columns c .. c+n-1 of what `of` is at the base, plus the changes of the row that is repeated. */
static void add_row(const gpf__tile *made, gpf__tile *of, size_t c, size_t n, size_t points,
                    double *to)
{
    const size_t rows = made->at.n_rows;
    const double *change = made->few + (c - made->at.col) * points;
    const gpf__columns base = gpf__tile_base_columns(of, &made->at, c, n, points, to);
    for (size_t j = n; j-- > 0;) /* from the end: base may be columns at the front of `to` */
        for (size_t p = points; p-- > 0;) {
            double *y = to + (j * points + p) * rows;
            const double *from = base.data + (ptrdiff_t)j * base.col + p * base.point,
                         d = change[j * points + p];
            GPF__SIMD for (size_t i = 0; i < rows; i++)
            {
                y[i] = from[i] + d;
            }
        }
}

/* NaN if one point is. */
static double furthest_row(const gpf__tile *made, size_t c, size_t n, size_t points)
{
    const double *change = made->few + (c - made->at.col) * points;
    double most = 0;
    for (size_t k = 0; k < n * points; k++)
        most = gpf__larger(most, fabs(change[k]));
    return most * (1 + 1e-6);
}

/* One row that is repeated over all of y's, as a bias is. Of few columns it is left to whoever reads
 * y, and adds it to something else. */
static void repeat_row(gpf__tile *x, gpf__tile *y, size_t points)
{
    gpf__tile_settle(x, points);
    y->at = gpf__rect_rows(y, 0, y->rows, x->at.col, x->at.n_cols);
    if (y->few && x->at.n_cols <= GPF__FEW) {
        for (size_t j = 0; j < x->at.n_cols; j++) {
            double base;
            gpf__tile_base(x, &x->at, x->at.col + j, 1, 1, &base);
            for (size_t p = 0; p < points; p++)
                y->few[j * points + p] = x->data[j * points + p] - base;
        }
        y->columns = add_row;
        y->furthest = furthest_row;
        return;
    }
    double *to = y->data;
    for (size_t k = 0; k < x->at.n_cols * points; k++)
        to = fill(to, x->data[k], y->rows);
}

int gpf__damage_moved(const gpf__patch *p, const gpf__move *move)
{
    gpf__tile *y = p->y;
    if (p->call->n_x == 1 && move->all_rows && !move->all_cols) {
        repeat_row(p->x[0], y, p->points);
        return 1;
    }
    for (int i = 0; i < p->call->n_x; i++)
        if (gpf__tile_damaged(p->x[i])) {
            const gpf__rect at = moved_rect(p->x[i], y, move[i]);
            gpf__rect_join(y, &y->at, &at);
        }
    if (!gpf__tile_damaged(y))
        return true;
    gpf__tile_base(y, &y->at, y->at.col, y->at.n_cols, p->points, y->data);
    for (int i = 0; i < p->call->n_x; i++)
        if (gpf__tile_damaged(p->x[i])) {
            gpf__tile_settle(p->x[i], p->points);
            move_tile(p->x[i], y, move[i], p->points);
        }
    return true;
}

int gpf__damage_rowwise(const gpf__patch *p, void (*eval)(const gpf_call *c))
{
    gpf__tile *x = p->x[0], *y = p->y;
    y->at = x->at;
    y->at.col = 0;
    y->at.n_cols = y->cols;
    gpf__rect wide = x->at;
    wide.col = 0;
    wide.n_cols = x->cols;
    const double *in = gpf__tile_values(x, &wide, 0, x->cols, p->points, p->delta);
    const size_t n = p->points * y->at.n_rows;
    const ptrdiff_t ld = (ptrdiff_t)n;
    union { /* read only: eval's inputs are */
        const double *read;
        double *write;
    } from = { .read = in };
    const gpf_tensor tx = { from.write, 2, { n, x->cols, 1, 1 }, { 1, ld, 1, 1 } },
                     ty = { y->data, 2, { n, y->cols, 1, 1 }, { 1, ld, 1, 1 } };
    const gpf_tensor *const xs[] = { &tx };
    const gpf_call call = { &ty, xs, 1, p->call->attr, p->call->N, p->scratch };
    /* A row's result has the same bits in any layout, so a row as at the base keeps its own. */
    eval(&call);
    return true;
}
