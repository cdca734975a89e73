/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reductions over chosen axes. A mask keeps the reduced axes as size 1, so results line up with
 * their input in broadcasting; GPF_ALL_AXES gives a scalar. */
#include "graph/graph.h"
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

/* Calls run(ctx, out, step, in, n) for consecutive pieces of the input, in order: elements in ..
 * in+n-1 belong to output out (step 0) or out, out+1, .. (step 1). x is dense. */
typedef void run_fn(void *ctx, size_t out, size_t step, size_t in, size_t n);

static void each_run(const gpf_tensor *x, ptrdiff_t axes, run_fn *run, void *ctx)
{
    /* Merge neighbouring axes that are both kept or both reduced; what is left alternates. */
    size_t len[GPF_MAX_RANK + 1] = { 1 };
    bool reduced[GPF_MAX_RANK + 1] = { false };
    int m = 0;
    for (int a = 0; a < x->rank; a++) {
        if (x->dim[a] == 1)
            continue;
        const bool r = axes >> a & 1;
        if (len[m] == 1)
            reduced[m] = r;
        else if (reduced[m] != r)
            len[++m] = 1, reduced[m] = r;
        len[m] *= x->dim[a];
    }
    size_t step[GPF_MAX_RANK + 1], count = 1, total = 1;
    for (int a = m; a >= 0; a--) {
        step[a] = reduced[a] ? 0 : count;
        count *= reduced[a] ? 1 : len[a];
        total *= len[a];
    }
    size_t index[GPF_MAX_RANK + 1] = { 0 }, out = 0;
    for (size_t in = 0; in < total; in += len[m]) {
        run(ctx, out, step[m], in, len[m]);
        for (int a = m - 1; a >= 0; a--) { /* count the outer indices up, as an odometer */
            out += step[a];
            if (++index[a] < len[a])
                break;
            out -= step[a] * len[a];
            index[a] = 0;
        }
    }
}

typedef struct reduction {
    const double *x;
    double *y, *aux;
    const double *most;
    size_t *winner;
    int *side;
    double *margin;
} reduction;

/* Pairwise: the error grows with log n instead of n, which is what finite differences of sums
 * over a batch need. */
static double sum_run(const double *x, size_t n)
{
    if (n > 128) {
        const size_t half = n / 2 & ~(size_t)7;
        return sum_run(x, half) + sum_run(x + half, n - half);
    }
    double s[4] = { 0, 0, 0, 0 };
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (size_t j = 0; j < 4; j++)
            s[j] += x[i + j];
    for (; i < n; i++)
        s[0] += x[i];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static void add_run(void *ctx, size_t out, size_t step, size_t in, size_t n)
{
    const reduction *r = ctx;
    if (step == 0)
        r->y[out] += sum_run(r->x + in, n);
    else
        for (size_t i = 0; i < n; i++)
            r->y[out + i] += r->x[in + i];
}

static void sum_eval(const gpf_call *c)
{
    memset(c->y->data, 0, gpf__tensor_size(c->y) * sizeof(double));
    reduction r = { .x = c->x[0]->data, .y = c->y->data };
    each_run(c->x[0], c->attr->k[0], add_run, &r);
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
                *to += sum_run(d, n);
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
                            .flags = GPF_OP_DENSE | GPF_OP_LINEAR | GPF_OP_SINGLE,
                            .params = axes_params,
                            .shape = reduce_shape,
                            .eval = sum_eval,
                            .damage = sum_damage,
                            .vjp = { spread },
                            .jvp = { sum_jvp },
                            .fold = reduce_fold };

static void max_run(void *ctx, size_t out, size_t step, size_t in, size_t n)
{
    const reduction *r = ctx;
    for (size_t i = 0; i < n; i++) {
        double *y = &r->y[out + step * i];
        const double u = r->x[in + i];
        if (u > *y || isnan(u))
            *y = u;
    }
}

static void max_into(const gpf_call *c, double *y)
{
    for (size_t i = gpf__tensor_size(c->y); i-- > 0;)
        y[i] = -INFINITY;
    reduction r = { .x = c->x[0]->data, .y = y };
    each_run(c->x[0], c->attr->k[0], max_run, &r);
}

static void max_eval(const gpf_call *c)
{
    max_into(c, c->y->data);
}

/* Side: the winner's position in the input (even); the edge: two share the maximum. Margin: the
 * lead of the winner over the next. */
static void lead_run(void *ctx, size_t out, size_t step, size_t in, size_t n)
{
    const reduction *r = ctx;
    for (size_t i = 0; i < n; i++) {
        const size_t o = out + step * i;
        const double u = r->x[in + i];
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
    reduction r = { .x = c->x[0]->data, .y = margin, .aux = c->scratch, .winner = winner };
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
                                 .flags = GPF_OP_DENSE | GPF_OP_SINGLE,
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

static void count_run(void *ctx, size_t out, size_t step, size_t in, size_t n)
{
    const reduction *r = ctx;
    for (size_t i = 0; i < n; i++)
        r->aux[out + step * i] += r->x[in + i] == r->most[out + step * i];
}

static void share_run(void *ctx, size_t out, size_t step, size_t in, size_t n)
{
    const reduction *r = ctx;
    for (size_t i = 0; i < n; i++) {
        const size_t o = out + step * i;
        const double m = r->most[o];
        r->y[in + i] = r->x[in + i] == m ? 1 / r->aux[o] : isnan(m) ? m : 0;
    }
}

static void winner_eval(const gpf_call *c)
{
    const size_t n = gpf__tensor_size(c->x[0]); /* at least as many as there are maxima */
    double *most = c->scratch, *count = c->scratch + n;
    for (size_t i = 0; i < n; i++)
        most[i] = -INFINITY;
    memset(count, 0, n * sizeof *count);
    reduction r = { .x = c->x[0]->data, .y = most };
    each_run(c->x[0], c->attr->k[0], max_run, &r);
    r = (reduction){ .x = c->x[0]->data, .y = c->y->data, .aux = count, .most = most };
    each_run(c->x[0], c->attr->k[0], count_run, &r);
    each_run(c->x[0], c->attr->k[0], share_run, &r);
}

/* Side: below the largest (0), the largest alone (2), on the edge where it is shared (1). */
static void winner_side_run(void *ctx, size_t out, size_t step, size_t in, size_t n)
{
    const reduction *r = ctx;
    for (size_t i = 0; i < n; i++) {
        const size_t o = out + step * i;
        const double u = r->x[in + i], ahead = lead(r->y[o], r->aux[o]);
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
    reduction r = { .x = c->x[0]->data,
                    .y = most,
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
                               .flags = GPF_OP_DENSE | GPF_OP_STEP,
                               .params = axes_params,
                               .shape = winner_shape,
                               .eval = winner_eval,
                               .scratch = winner_scratch,
                               .branch = winner_branch,
                               .pieces = "less|largest",
                               .tie = "none: a jump" };

/* log sum e^x = m + log sum e^(x - m), m = max x: no overflow, at least one term is 1. */
static void exp_run(void *ctx, size_t out, size_t step, size_t in, size_t n)
{
    const reduction *r = ctx;
    for (size_t i = 0; i < n; i++)
        r->aux[out + step * i] += exp(r->x[in + i] - r->most[out + step * i]);
}

static void logsumexp_eval(const gpf_call *c)
{
    const size_t n = gpf__tensor_size(c->y);
    max_into(c, c->y->data);
    memset(c->scratch, 0, n * sizeof(double));
    reduction r = { .x = c->x[0]->data, .most = c->y->data, .aux = c->scratch };
    each_run(c->x[0], c->attr->k[0], exp_run, &r);
    for (size_t i = 0; i < n; i++)
        if (isfinite(c->y->data[i])) /* all -inf: log 0; one +inf: +inf; not inf - inf */
            c->y->data[i] += log(c->scratch[i]);
}

static size_t logsumexp_scratch(const gpf_call *c)
{
    return gpf__tensor_size(c->y);
}

static int logsumexp_damage(const gpf__patch *p)
{
    return gpf_op_logsumexp.flags & GPF_OP_STRIDED && p->call->x[0]->rank == 2 &&
           p->call->attr->k[0] == 2 && gpf__damage_rowwise(p, logsumexp_eval);
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
                                  .flags = GPF_OP_DENSE,
                                  .params = axes_params,
                                  .shape = reduce_shape,
                                  .eval = logsumexp_eval,
                                  .scratch = logsumexp_scratch,
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
