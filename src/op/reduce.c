/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reductions over chosen axes. A mask keeps the reduced axes as size 1, so results line up with
 * their input in broadcasting; GPF_ALL_AXES gives a scalar. */
#include "graph/graph.h"
#include "op/axes.h"
#include "op/tile.h"

#include <math.h>
#include <string.h>

static const gpf_op_param axes_params[] = { { "axis", GPF_AXES, 0, GPF_ALL_AXES },
                                            { NULL, 0, 0, 0 } };

static int reduce_shape(const gpf_shape *x, int n_x, const gpf_attr *attr, gpf_shape *y, char *why,
                        size_t why_size)
{
    (void)n_x;
    const ptrdiff_t axes = attr->k[0];
    if (axes == GPF_ALL_AXES)
        return *y = gpf_shape0(), GSL_SUCCESS;
    if (axes < 0 || axes >> x->rank) {
        gpf__format(why, why_size, x->rank ? "it has axes 0 to %d" : "it has no axes", x->rank - 1);
        return GPF_ESHAPE;
    }
    *y = *x;
    for (int a = 0; a < x->rank; a++)
        if (axes >> a & 1)
            y->dim[a] = 1;
    return GSL_SUCCESS;
}

static gpf_node reduce_fold(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    const gpf_shape s = gpf_node_shape(g, x[0]);
    return s.rank == 0 || attr->k[0] == 0 ? x[0] : GPF_NONE;
}

/* Pairwise: the error grows with log n instead of n, which is what finite differences of sums
 * over a batch need. A leaf is LEAF elements or less, element i added to the partial sum i modulo
 * PARTS; the same tree along a row and across lanes. */
enum { PARTS = 8, LEAF = 128 };

GPF__INLINE double parts_sum(const double *s, size_t step)
{
    return ((s[0] + s[step]) + (s[2 * step] + s[3 * step])) +
           ((s[4 * step] + s[5 * step]) + (s[6 * step] + s[7 * step]));
}

GPF__INLINE double leaf_along_body(const double *x, size_t n)
{
    double s[PARTS] = { 0 };
    size_t i = 0;
    for (; i + PARTS <= n; i += PARTS)
        GPF__SIMD for (size_t k = 0; k < PARTS; k++)
        {
            s[k] += x[i + k];
        }
    for (size_t k = 0; i + k < n; k++)
        s[k] += x[i + k];
    return parts_sum(s, 1);
}
VERSIONS(double, return, leaf_along, (const double *x, size_t n), (x, n))

static size_t half_of(size_t n)
{
    return n / 2 & ~(size_t)(PARTS - 1);
}

static double sum_along(const double *x, size_t n)
{
    if (n <= LEAF)
        return leaf_along(x, n);
    return sum_along(x, half_of(n)) + sum_along(x + half_of(n), n - half_of(n));
}

GPF__INLINE void leaf_across_body(const gpf__fibres *f, const double *x, size_t n, double *sum)
{
    double s[PARTS * GPF__LANES], buffer[GPF__LANES];
    for (size_t k = 0; k < PARTS; k++)
        memset(s + k * GPF__LANES, 0, f->lanes * sizeof *s);
    for (size_t i = 0; i < n; i++) {
        const double *u = gpf__lanes(x + (ptrdiff_t)i * f->x_step, f->x_lane, f->lanes, buffer);
        double *part = s + i % PARTS * GPF__LANES;
        GPF__SIMD for (size_t j = 0; j < f->lanes; j++)
        {
            part[j] += u[j];
        }
    }
    GPF__SIMD for (size_t j = 0; j < f->lanes; j++)
    {
        sum[j] = parts_sum(s + j, GPF__LANES);
    }
}
VERSIONS(void, , leaf_across, (const gpf__fibres *f, const double *x, size_t n, double *sum),
         (f, x, n, sum))

static void sum_across(const gpf__fibres *f, const double *x, size_t n, double *sum)
{
    if (n <= LEAF) {
        leaf_across(f, x, n, sum);
        return;
    }
    double right[GPF__LANES];
    sum_across(f, x, half_of(n), sum);
    sum_across(f, x + (ptrdiff_t)half_of(n) * f->x_step, n - half_of(n), right);
    for (size_t j = 0; j < f->lanes; j++)
        sum[j] += right[j];
}

static void sum_fibres(const gpf__fibres *f)
{
    double total[GPF__LANES], sum[GPF__LANES];
    for (size_t j = 0; j < f->lanes; j++)
        total[j] = 0;
    for (size_t r = 0; r < f->runs; r++) {
        ptrdiff_t x_at, y_at;
        gpf__run_start(f, r, &x_at, &y_at);
        if (f->x_step != 1)
            sum_across(f, f->x + x_at, f->n, sum);
        for (size_t j = 0; j < f->lanes; j++)
            total[j] +=
                f->x_step != 1 ? sum[j] : sum_along(f->x + x_at + (ptrdiff_t)j * f->x_lane, f->n);
    }
    gpf__outputs(f, total);
}

/* Sums over contiguous runs of x, `lanes` of them: what nearly every sum of a net is. */
typedef struct runs {
    size_t n, lanes;
    ptrdiff_t x_lane, y_lane;
} runs;

static bool contiguous_runs(const gpf_call *c, runs *r)
{
    const gpf_tensor *x = c->x[0];
    int axis[GPF_MAX_RANK], n = 0;
    for (int a = 0; a < x->rank; a++)
        if (x->dim[a] > 1)
            axis[n++] = a;
    if (n == 0 || n > 2)
        return false;
    const int first = n == 2 && x->stride[axis[0]] == 1, fast = axis[n == 2 && !first],
              slow = axis[first];
    const bool all = gpf__tensor_size(c->y) == 1;
    *r = (runs){ .n = x->dim[fast], .lanes = 1 };
    if (n == 2 && all)
        r->n *= x->dim[slow];
    if (n == 2 && !all)
        *r = (runs){ x->dim[fast], x->dim[slow], x->stride[slow], c->y->stride[slow] };
    return x->stride[fast] == 1 &&
           (all ? n == 1 || x->stride[slow] == (ptrdiff_t)x->dim[fast]
                : n == 2 && c->attr->k[0] >> fast & 1 && !(c->attr->k[0] >> slow & 1));
}

static void sum_eval(const gpf_call *c)
{
    runs r;
    if (!contiguous_runs(c, &r)) {
        gpf__each_fibres(c->x[0], c->y, c->attr->k[0], sum_fibres);
        return;
    }
    for (size_t j = 0; j < r.lanes; j++)
        c->y->data[(ptrdiff_t)j * r.y_lane] =
            0 + sum_along(c->x[0]->data + (ptrdiff_t)j * r.x_lane, r.n);
}

/* y + sum of the differences: each of them is nearly exact, and where nothing changes y stays as it
 * is, bit for bit. */
static int sum_damage(const gpf__patch *p)
{
    gpf__tile *x = p->x[0], *y = p->y;
    const ptrdiff_t axes = p->call->attr->k[0];
    const int rank = p->call->x[0]->rank;
    const bool all = axes == GPF_ALL_AXES, over_rows = all || (rank == 2 && axes & 1),
               over_cols = all || (rank == 2 ? axes >> 1 & 1 : axes & 1);
    if (rank > 2 && !all)
        return 0;
    y->at = x->at;
    if (over_rows)
        y->at = gpf__rect_rows(y, 0, 1, x->at.col, x->at.n_cols);
    if (over_cols)
        y->at.col = 0, y->at.n_cols = 1;
    const size_t n = x->at.n_rows, points = p->points;
    const size_t m = y->at.n_rows * y->at.n_cols * points;
    const double *delta = gpf__tile_delta(x, points, p->delta, p->strip);
    memset(y->data, 0, m * sizeof *y->data);
    for (size_t c = 0; c < x->at.n_cols; c++)
        for (size_t q = 0; q < points; q++) {
            const double *d = delta + (c * points + q) * n;
            double *to = y->data + ((over_cols ? 0 : c) * points + q) * y->at.n_rows;
            if (over_rows)
                *to += sum_along(d, n);
            else
                for (size_t i = 0; i < n; i++)
                    to[i] += d[i];
        }
    gpf__tile_base(y, &y->at, y->at.col, y->at.n_cols, points, p->delta);
    for (size_t i = 0; i < m; i++)
        y->data[i] += p->delta[i];
    return 1;
}

RULE(spread, gpf_broadcast(g, bar, gpf_node_shape(g, x)))
RULE(sum_jvp, gpf_sum(g, bar, k[0]))
const gpf_op gpf_op_sum = { .name = "sum",
                            .arity = 1,
                            .formula = "sum of x over the axes",
                            .latex = "\\sum x",
                            .flags = GPF_OP_STRIDED | GPF_OP_LINEAR | GPF_OP_SINGLE,
                            .params = axes_params,
                            .shape = reduce_shape,
                            .eval = sum_eval,
                            .damage = sum_damage,
                            .vjp = { spread },
                            .jvp = { sum_jvp },
                            .fold = reduce_fold };

static void max_fibres(const gpf__fibres *f)
{
    double most[GPF__LANES];
    gpf__largest(f, most);
    gpf__outputs(f, most);
}

static void max_eval(const gpf_call *c)
{
    gpf__each_fibres(c->x[0], c->y, c->attr->k[0], max_fibres);
}

/* Branch records go by positions, so these walks are in row-major order: calls run(ctx, out, step,
 * in, n, x, x_step) for consecutive pieces of the input. Elements in .. in+n-1 are x[0], x[x_step],
 * .. and belong to output out (step 0) or out, out+1, .. (step 1). */
typedef void run_fn(void *ctx, size_t out, size_t step, size_t in, size_t n, const double *x,
                    ptrdiff_t x_step);

static void each_run(const gpf_tensor *x, ptrdiff_t axes, run_fn *run, void *ctx)
{
    size_t step[GPF_MAX_RANK] = { 0 }, count = 1;
    for (int a = x->rank; a-- > 0;)
        if (!(axes >> a & 1)) {
            step[a] = count;
            count *= x->dim[a];
        }
    const int last = x->rank ? x->rank - 1 : 0;
    const size_t total = gpf__tensor_size(x), n = x->dim[last];
    size_t index[GPF_MAX_RANK] = { 0 }, out = 0;
    const double *from = x->data;
    for (size_t in = 0; in < total; in += n) {
        run(ctx, out, step[last] ? 1 : 0, in, n, from, x->stride[last]);
        for (int a = last; a-- > 0;) { /* count the outer indices up, as an odometer */
            out += step[a];
            from += x->stride[a];
            if (++index[a] < x->dim[a])
                break;
            out -= step[a] * x->dim[a];
            from -= x->stride[a] * (ptrdiff_t)x->dim[a];
            index[a] = 0;
        }
    }
}

typedef struct reduction {
    double *y, *aux;
    size_t *winner;
    int *side;
    double *margin;
} reduction;

/* Side: the winner's position in the input (even); the edge: two share the maximum. Margin: the
 * lead of the winner over the next. */
static void lead_run(void *ctx, size_t out, size_t step, size_t in, size_t n, const double *x,
                     ptrdiff_t x_step)
{
    const reduction *r = ctx;
    for (size_t i = 0; i < n; i++) {
        const size_t o = out + step * i;
        const double u = x[(ptrdiff_t)i * x_step];
        if (u > r->y[o]) {
            r->aux[o] = r->y[o];
            r->y[o] = u;
            r->winner[o] = in + i;
        } else if (u > r->aux[o]) {
            r->aux[o] = u;
        }
    }
}

/* Two infinities are a tie, their difference is none. */
static double lead(double most, double next)
{
    return most == next ? 0 : most - next;
}

static void max_branch(const gpf_call *c, int *side, double *margin)
{
    const size_t n = gpf__tensor_size(c->y);
    for (size_t i = 0; i < n; i++)
        margin[i] = c->scratch[i] = -INFINITY;
    size_t *winner = (size_t *)(void *)(c->scratch + n);
    memset(winner, 0, n * sizeof *winner);
    reduction r = { .y = margin, .aux = c->scratch, .winner = winner };
    each_run(c->x[0], c->attr->k[0], lead_run, &r);
    for (size_t i = 0; i < n; i++) {
        margin[i] = lead(margin[i], c->scratch[i]);
        /* folded into an int: positions a multiple of 2^30 apart would look alike */
        side[i] = (int)(winner[i] & 0x3fffffff) * 2 + (margin[i] == 0);
    }
}

static size_t max_scratch(const gpf_call *c)
{
    return gpf__tensor_size(c->y) * 2;
}

RULE(max_over_vjp, gpf_mul(g, bar, gpf_winner(g, x, k[0])))
RULE(max_over_jvp, gpf_sum(g, gpf_mul(g, gpf_winner(g, x, k[0]), bar), k[0]))
const gpf_op gpf_op_max_over = { .name = "max",
                                 .arity = 1,
                                 .formula = "largest of x over the axes",
                                 .latex = "\\max x",
                                 .flags = GPF_OP_STRIDED | GPF_OP_SINGLE,
                                 .params = axes_params,
                                 .shape = reduce_shape,
                                 .eval = max_eval,
                                 .scratch = max_scratch,
                                 .vjp = { max_over_vjp },
                                 .jvp = { max_over_jvp },
                                 .fold = reduce_fold,
                                 .branch = max_branch,
                                 .tie = "equal shares to all that are largest" };

/* winner: 1/m where x is one of the m largest along the axes, else 0, NaN beside a NaN; of x's
 * shape. */
static int winner_shape(const gpf_shape *x, int n_x, const gpf_attr *attr, gpf_shape *y, char *why,
                        size_t why_size)
{
    const int status = reduce_shape(x, n_x, attr, y, why, why_size);
    *y = *x;
    return status;
}

/* share += [x = most] */
GPF__INLINE void count_run(const gpf__fibres *f, const double *x, const double *most, double *share)
{
    double buffer[GPF__LANES];
    for (size_t i = 0; i < f->n; i++) {
        const double *u = gpf__lanes(x + (ptrdiff_t)i * f->x_step, f->x_lane, f->lanes, buffer);
        GPF__SIMD for (size_t j = 0; j < f->lanes; j++)
        {
            share[j] += gpf__pick(u[j] == most[j], 1, 0);
        }
    }
}

/* y = share where x = most, NaN beside a NaN. */
GPF__INLINE void share_run(const gpf__fibres *f, const double *x, double *y, const double *most,
                           const double *share)
{
    double buffer[GPF__LANES], to[GPF__LANES];
    for (size_t i = 0; i < f->n; i++) {
        const double *u = gpf__lanes(x + (ptrdiff_t)i * f->x_step, f->x_lane, f->lanes, buffer);
        double *row = y + (ptrdiff_t)i * f->y_step, *z = gpf__lanes_to(row, f->y_lane, to);
        GPF__SIMD for (size_t j = 0; j < f->lanes; j++)
        {
            const double other = gpf__pick(most[j] != most[j], most[j], 0);
            z[j] = gpf__pick(u[j] == most[j], share[j], other);
        }
        gpf__lanes_done(row, f->y_lane, f->lanes, to);
    }
}

GPF__INLINE void winner_fibres_body(const gpf__fibres *f)
{
    double most[GPF__LANES], share[GPF__LANES];
    ptrdiff_t x_at, y_at;
    gpf__largest(f, most);
    for (size_t j = 0; j < f->lanes; j++)
        share[j] = 0;
    for (size_t r = 0; r < f->runs; r++) {
        gpf__run_start(f, r, &x_at, &y_at);
        count_run(f, f->x + x_at, most, share);
    }
    for (size_t j = 0; j < f->lanes; j++)
        share[j] = 1 / share[j];
    for (size_t r = 0; r < f->runs; r++) {
        gpf__run_start(f, r, &x_at, &y_at);
        share_run(f, f->x + x_at, f->y + y_at, most, share);
    }
}
VERSIONS(void, , winner_fibres, (const gpf__fibres *f), (f))

static void winner_eval(const gpf_call *c)
{
    gpf__each_fibres(c->x[0], c->y, c->attr->k[0], winner_fibres);
}

/* Side: below the largest (0), the largest alone (2), on the edge where it is shared (1). */
static void winner_side_run(void *ctx, size_t out, size_t step, size_t in, size_t n,
                            const double *x, ptrdiff_t x_step)
{
    const reduction *r = ctx;
    for (size_t i = 0; i < n; i++) {
        const size_t o = out + step * i;
        const double u = x[(ptrdiff_t)i * x_step], ahead = lead(r->y[o], r->aux[o]);
        r->side[in + i] = u != r->y[o] ? 0 : ahead == 0 ? 1 : 2;
        r->margin[in + i] = u != r->y[o] ? r->y[o] - u : ahead;
    }
}

static void winner_branch(const gpf_call *c, int *side, double *margin)
{
    const size_t n = gpf__tensor_size(c->x[0]);
    double *most = c->scratch, *next = c->scratch + n;
    for (size_t i = 0; i < 2 * n; i++)
        most[i] = -INFINITY;
    reduction r = { .y = most,
                    .aux = next,
                    .winner = (size_t *)(void *)(next + n),
                    .side = side,
                    .margin = margin };
    each_run(c->x[0], c->attr->k[0], lead_run, &r);
    each_run(c->x[0], c->attr->k[0], winner_side_run, &r);
}

/* For the largest, the next or their number, and which it is. */
static size_t winner_scratch(const gpf_call *c)
{
    return 3 * gpf__tensor_size(c->x[0]);
}

const gpf_op gpf_op_winner = { .name = "winner",
                               .arity = 1,
                               .formula = "1/m at the m largest of x over the axes, else 0",
                               .latex = "[x = \\max x]",
                               .flags = GPF_OP_STRIDED | GPF_OP_STEP,
                               .params = axes_params,
                               .shape = winner_shape,
                               .eval = winner_eval,
                               .scratch = winner_scratch,
                               .branch = winner_branch,
                               .pieces = "less|largest",
                               .tie = "none: a jump" };

/* log sum e^x = m + log sum e^(x - m), m = max x: no overflow, at least one term is 1. */
GPF__INLINE void exp_sum_body(const gpf__fibres *f, const double *x, const double *m, double *s)
{
    double buffer[GPF__LANES], e[GPF__LANES];
    if (gpf__along(f)) /* a stretch of a row at a time, added in order */
        for (size_t j = 0; j < f->lanes; j++) {
            const double *row = x + (ptrdiff_t)j * f->x_lane;
            for (size_t i = 0; i < f->n; i += GPF__LANES) {
                const size_t n = f->n - i < GPF__LANES ? f->n - i : (size_t)GPF__LANES;
                GPF__SIMD for (size_t k = 0; k < n; k++)
                {
                    e[k] = gpf__exp(row[i + k] - m[j]);
                }
                for (size_t k = 0; k < n; k++)
                    s[j] += e[k];
            }
        }
    else
        for (size_t i = 0; i < f->n; i++) {
            const double *u = gpf__lanes(x + (ptrdiff_t)i * f->x_step, f->x_lane, f->lanes, buffer);
            GPF__SIMD for (size_t j = 0; j < f->lanes; j++)
            {
                s[j] += gpf__exp(u[j] - m[j]);
            }
        }
}
VERSIONS(void, , exp_sum, (const gpf__fibres *f, const double *x, const double *m, double *s),
         (f, x, m, s))

static void logsumexp_fibres(const gpf__fibres *f)
{
    double m[GPF__LANES], s[GPF__LANES];
    gpf__largest(f, m);
    for (size_t j = 0; j < f->lanes; j++)
        s[j] = 0;
    for (size_t r = 0; r < f->runs; r++) {
        ptrdiff_t x_at, y_at;
        gpf__run_start(f, r, &x_at, &y_at);
        exp_sum(f, f->x + x_at, m, s);
    }
    for (size_t j = 0; j < f->lanes; j++)
        if (isfinite(m[j])) /* all -inf: log 0; one +inf: +inf; not inf - inf */
            m[j] += gpf__log(s[j]);
    gpf__outputs(f, m);
}

static void logsumexp_eval(const gpf_call *c)
{
    gpf__each_fibres(c->x[0], c->y, c->attr->k[0], logsumexp_fibres);
}

static int logsumexp_damage(const gpf__patch *p)
{
    return p->call->x[0]->rank == 2 && p->call->attr->k[0] == 2 &&
           gpf__damage_rowwise(p, logsumexp_eval);
}

/* d/dx_i = e^(x_i - y) = softmax_i. The jvp takes the quotient of sums instead. */
static gpf_node shifted_exp(gpf_graph *g, gpf_node x, ptrdiff_t axes)
{
    return gpf_exp(g, gpf_sub(g, x, gpf_max_over(g, x, axes)));
}
RULE(logsumexp_vjp, gpf_mul(g, bar, gpf_exp(g, gpf_sub(g, x, y))))
RULE(logsumexp_jvp, gpf_div(g, gpf_sum(g, gpf_mul(g, shifted_exp(g, x, k[0]), bar), k[0]),
                            gpf_sum(g, shifted_exp(g, x, k[0]), k[0])))
const gpf_op gpf_op_logsumexp = { .name = "logsumexp",
                                  .arity = 1,
                                  .formula = "log of the sum of e^x over the axes",
                                  .latex = "\\log \\sum e^{x}",
                                  .flags = GPF_OP_STRIDED,
                                  .params = axes_params,
                                  .shape = reduce_shape,
                                  .eval = logsumexp_eval,
                                  .damage = logsumexp_damage,
                                  .vjp = { logsumexp_vjp },
                                  .jvp = { logsumexp_jvp },
                                  .fold = reduce_fold };

/* size: c N^e as a scalar; c = k[0], e = k[1]. Depends on shapes only, so it has no inputs. */
static int size_shape(const gpf_shape *x, int n_x, const gpf_attr *attr, gpf_shape *y, char *why,
                      size_t why_size)
{
    (void)x, (void)n_x, (void)attr, (void)why, (void)why_size;
    *y = gpf_shape0();
    return GSL_SUCCESS;
}

static void size_eval(const gpf_call *c)
{
    double size = (double)c->attr->k[0];
    for (ptrdiff_t i = 0; i < c->attr->k[1]; i++)
        size *= (double)c->N;
    c->y->data[0] = size;
}

static gpf_node size_fold(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    (void)x;
    return attr->k[1] == 0 ? gpf_const(g, (double)attr->k[0]) : GPF_NONE;
}

static const gpf_op_param size_params[] = { { "count", GPF_INTEGER, 0, 1 },
                                            { "power", GPF_INTEGER, 1, 0 },
                                            { NULL, 0, 0, 0 } };
const gpf_op gpf_op_size = { .name = "size",
                             .arity = 0,
                             .formula = "number of elements over the axes: count N^power",
                             .latex = "|x|",
                             .flags = GPF_OP_STEP,
                             .params = size_params,
                             .shape = size_shape,
                             .eval = size_eval,
                             .fold = size_fold };

gpf_node gpf_size(gpf_graph *g, gpf_node x, ptrdiff_t axes)
{
    if (!gpf__ok(g, x))
        return GPF_POISON;
    gpf_attr a = { .k = { 1, 0 } };
    const gpf_shape s = gpf_node_shape(g, x);
    for (int i = 0; i < s.rank; i++) {
        if (!(axes >> i & 1))
            continue;
        if (s.dim[i] == GPF_N)
            a.k[1]++;
        else
            a.k[0] *= s.dim[i];
    }
    return gpf_apply(g, &gpf_op_size, NULL, 0, &a);
}
