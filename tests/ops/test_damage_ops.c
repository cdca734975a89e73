/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Damage through every row and every composed function: what an overlay gives against whole
 * evaluations, in random surroundings, at random shapes.
 *
 *     test_damage_ops [scenes for each row [seed]]
 */
#include "ops/feed.h"

#include <float.h>
#include <stdio.h>

enum { MOST_LEAVES = 40, MOST_STAGES = 40, POINTS = 6 };

/* Units, of `magnitude`, by which a correction may differ from a whole evaluation. */
enum { LIMIT = 4 };

static int scenes_per_row = 40;
static uint64_t first_seed = 1;

typedef struct leaf {
    gpf_node node;
    double lo, hi;
    int kind;
    double *x; /* in the point */
} leaf;

/* A piecewise node, and where its inputs and its value are among a plan's outputs. */
typedef struct watched {
    gpf_node node;
    size_t first, n, size; /* outputs from `first`: n inputs, then the value; elements */
    bool exact;            /* made of halves by ops that do not round them */
} watched;

/* A random function of one element. Built twice from the same dice, the second time with one stage
 * replaced by a data leaf: the function of that stage. */
typedef struct scene {
    feed f;
    int number; /* of the row's scenes */
    gpf_graph *g;
    int cut; /* this stage is a leaf; -1: none */
    gpf_node stage[MOST_STAGES];
    int n_stage;
    leaf leaf[MOST_LEAVES];
    int n_leaf;
    gpf_node y;
    gpf_point *at;
    /* y and all that tells sides, by whole evaluations. */
    gpf_plan *plan;
    gpf_workspace *ws;
    watched *watched;
    size_t n_watched, n_sides;
    /* All values y needs, and its derivative by each. */
    gpf_plan *wide;
    gpf_workspace *wide_ws;
    gpf_node *node, *grad;
    size_t n_node;
} scene;

static ptrdiff_t any_size(dice *d)
{
    static const ptrdiff_t sizes[] = { 1, 1, 2, 2, 3, 3, 3, 7, 7, 40, 40, 130 };
    return sizes[below(d, COUNT(sizes))];
}

static gpf_node stage(scene *s, gpf_node n)
{
    assert_no_error(s->g);
    assert_in_range(s->n_stage, 0, MOST_STAGES - 1);
    if (s->n_stage == s->cut) {
        const gpf_node l = gpf_data(s->g, "cut", gpf_node_shape(s->g, n));
        s->leaf[s->n_leaf++] = (leaf){ .node = l };
        n = l;
    }
    return s->stage[s->n_stage++] = n;
}

static gpf_node make_leaf(scene *s, dice *d, gpf_shape shape, double lo, double hi, int kind)
{
    char name[16];
    snprintf(name, sizeof name, "x%d", s->n_leaf);
    bool has_n = below(d, 4) == 0;
    for (int a = 0; a < shape.rank; a++)
        has_n |= shape.dim[a] == GPF_N;
    assert_in_range(s->n_leaf, 0, MOST_LEAVES - 2);
    leaf *l = &s->leaf[s->n_leaf++];
    *l = (leaf){ .lo = lo, .hi = hi, .kind = kind };
    return l->node = has_n ? gpf_data(s->g, name, shape) : gpf_param(s->g, name, shape);
}

static gpf_node constant(scene *s, double c)
{
    return gpf_const(s->g, c);
}

/* A tensor of a shape, as the end of a short chain of other ops: what an op finds before it. */
static gpf_node source(scene *s, dice *d, gpf_shape shape, int depth)
{
    enum {
        LEAF,
        LEFT,
        RIGHT,
        TRANSPOSED,
        SLICED,
        BIASED,
        RESHAPED,
        RELU,
        CURVED,
        STRETCHED,
        SCALED,
        KINDS
    };
    gpf_graph *g = s->g;
    int how = below(d, KINDS);
    if (shape.rank != 2 && (how == LEFT || how == RIGHT || how == TRANSPOSED))
        how = shape.rank ? BIASED : CURVED;
    if (how == LEAF || depth == 0)
        return make_leaf(s, d, shape, -1.5, 1.5, NUMBER);
    gpf_shape in = shape, other = shape;
    ptrdiff_t start[GPF_MAX_RANK] = { 0 }, inner = any_size(d);
    for (int a = 0; a < shape.rank; a++) {
        if (how == SLICED && shape.dim[a] != GPF_N) {
            start[a] = below(d, 3);
            in.dim[a] += start[a] + below(d, 2);
        }
        if (how == STRETCHED && below(d, 2))
            in.dim[a] = 1;
        if (below(d, 2))
            other.dim[a] = 1;
        if (how == RESHAPED) {
            const int b = below(d, a + 1);
            const ptrdiff_t swap = in.dim[a];
            in.dim[a] = in.dim[b];
            in.dim[b] = swap;
        }
    }
    if (how == LEFT || how == RIGHT) {
        const gpf_shape left = gpf_shape2(shape.dim[0], inner),
                        right = gpf_shape2(inner, shape.dim[1]);
        const gpf_node a =
            how == LEFT ? make_leaf(s, d, left, -1.5, 1.5, NUMBER) : source(s, d, left, depth - 1);
        const gpf_node b = how == LEFT ? source(s, d, right, depth - 1)
                                       : make_leaf(s, d, right, -1.5, 1.5, NUMBER);
        const gpf_node product = stage(s, gpf_matmul(g, a, b));
        const double scale = ldexp(1, -(int)lround(log2((double)inner) / 2)); /* exact */
        return stage(s, gpf_mul(g, constant(s, scale), product));
    }
    if (how == TRANSPOSED) {
        in.dim[0] = shape.dim[1];
        in.dim[1] = shape.dim[0];
    }
    const gpf_node x = source(s, d, in, depth - 1);
    switch (how) {
    case TRANSPOSED:
        return stage(s, gpf_transpose(g, x));
    case SLICED:
        return stage(s, gpf_slice(g, x, start, shape.dim));
    case BIASED:
        return stage(s, gpf_add(g, x, make_leaf(s, d, other, -1, 1, NUMBER)));
    case RESHAPED:
        return stage(s, gpf_reshape(g, x, shape));
    case RELU:
        return stage(s, gpf_relu(g, x));
    case CURVED:
        return stage(s, below(d, 2) ? gpf_tanh(g, x) : gpf_sin(g, x));
    case STRETCHED:
        return stage(s, gpf_broadcast(g, x, shape));
    default:
        return stage(s, gpf_mul(g, make_leaf(s, d, other, -1, 1, NUMBER), x));
    }
}

/* An input of the op under test: a leaf of its own kind, or a chain, pressed into its range. */
static gpf_node input(scene *s, dice *d, int i)
{
    const double lo = s->f.lo[i], hi = s->f.hi[i];
    if (s->f.kind[i] || below(d, 5) == 0)
        return make_leaf(s, d, s->f.x[i], lo, hi, s->f.kind[i]);
    const gpf_node x = source(s, d, s->f.x[i], 1 + below(d, 2));
    if (lo <= -2 && hi >= 2)
        return x;
    const gpf_node unit = stage(s, gpf_sigmoid(s->g, x));
    return stage(s, gpf_add(s->g, constant(s, lo), gpf_mul(s->g, constant(s, hi - lo), unit)));
}

/* What follows: another tensor made of x. */
static gpf_node follow(scene *s, dice *d, gpf_node x)
{
    enum {
        PRODUCT,
        PRODUCT_LEFT,
        SOFTMAX,
        TRANSPOSE,
        CONCAT,
        PAD,
        SUM,
        SQUARE,
        GRAM,
        SKIP,
        RELU,
        MOST,
        CURVE,
        LOGSUMEXP,
        SLICE,
        RESHAPE,
        GATE,
        KINDS
    };
    gpf_graph *g = s->g;
    const gpf_shape shape = gpf_node_shape(g, x);
    const size_t size = gpf_shape_size(shape, s->f.N);
    int how = below(d, KINDS);
    if (shape.rank != 2 &&
        (how == PRODUCT || how == PRODUCT_LEFT || how == TRANSPOSE || how == GRAM))
        how = CURVE;
    if (shape.rank == 0 && how != SQUARE && how != SKIP && how != RELU && how != GATE)
        how = CURVE;
    const int axis = shape.rank ? below(d, shape.rank) : 0;
    ptrdiff_t start[GPF_MAX_RANK] = { 0 }, units = 1 + below(d, 9);
    gpf_shape other = shape;
    switch (how) {
    case PRODUCT:
        return stage(
            s, gpf_matmul(g, x, make_leaf(s, d, gpf_shape2(shape.dim[1], units), -1, 1, NUMBER)));
    case PRODUCT_LEFT:
        return stage(
            s, gpf_matmul(g, make_leaf(s, d, gpf_shape2(units, shape.dim[0]), -1, 1, NUMBER), x));
    case SOFTMAX:
        return stage(s, gpf_softmax(g, x));
    case TRANSPOSE:
        return stage(s, gpf_transpose(g, stage(s, gpf_tanh(g, stage(s, gpf_transpose(g, x))))));
    case CONCAT:
        if (shape.dim[axis] == GPF_N)
            return stage(s, gpf_abs(g, x));
        other.dim[axis] = 2;
        const gpf_node rest = make_leaf(s, d, other, -1, 1, NUMBER),
                       pair[] = { below(d, 2) ? rest : x, x, rest };
        return stage(s, gpf_concat(g, pair, 2 + below(d, 2), axis));
    case PAD:
        for (int a = 0; a < shape.rank; a++)
            if (shape.dim[a] != GPF_N) {
                start[a] = below(d, 3);
                other.dim[a] += start[a] + below(d, 2);
            }
        return stage(s, gpf_pad(g, x, start, other));
    case SUM:
        return stage(
            s, gpf_square(g, stage(s, gpf_sum(g, x, below(d, 4) ? 1 << axis : GPF_ALL_AXES))));
    case SQUARE:
        return stage(s, gpf_mul(g, x, x));
    case GRAM: {
        const gpf_node other_way = stage(s, gpf_transpose(g, x));
        const bool outer = gpf_shape_size(gpf_shape2(shape.dim[0], 1), s->f.N) <= 40;
        return stage(s, outer ? gpf_matmul(g, x, other_way) : gpf_matmul(g, other_way, x));
    }
    case SKIP:
        return stage(
            s, gpf_add(g, x, stage(s, gpf_tanh(g, stage(s, gpf_mul(g, x, constant(s, 0.7)))))));
    case RELU:
        return stage(
            s,
            gpf_relu(g, stage(s, gpf_sub(g, x, make_leaf(s, d, gpf_shape0(), -0.5, 0.5, NUMBER)))));
    case MOST:
        return stage(s, gpf_max_over(g, x, 1 << axis));
    case LOGSUMEXP:
        return stage(s, gpf_logsumexp(g, x, below(d, 3) ? 1 << axis : GPF_ALL_AXES));
    case SLICE:
        for (int a = 0; a < shape.rank; a++)
            if (shape.dim[a] != GPF_N) {
                other.dim[a] = 1 + below(d, (int)shape.dim[a]);
                start[a] = below(d, (int)(shape.dim[a] - other.dim[a]) + 1);
            }
        return stage(s, gpf_slice(g, x, start, other.dim));
    case RESHAPE:
        other = gpf_shape_of(shape.rank - (shape.dim[0] == 1), shape.dim + (shape.dim[0] == 1));
        return stage(s, gpf_reshape(g, x, other));
    case GATE:
        return stage(s, gpf_mul(g, x, make_leaf(s, d, shape, -1, 1, NUMBER)));
    default:
        return stage(s, size % 2 ? gpf_sigmoid(g, x) : gpf_sin(g, x));
    }
}

static gpf_node weights(scene *s, dice *d, gpf_shape shape, double inputs)
{
    const double most = sqrt(3 / inputs);
    return make_leaf(s, d, shape, -most, most, NUMBER);
}

/* Nets of sizes where kernels work in blocks: layers, a normalisation, a skip connection, a loss. */
static gpf_node net(scene *s, dice *d)
{
    static const ptrdiff_t widths[] = { 1, 5, 10, 17, 32, 33, 64, 70 };
    static const gpf_activation act[] = { gpf_relu, gpf_tanh, gpf_relu, gpf_sigmoid, gpf_softplus };
    gpf_graph *g = s->g;
    const ptrdiff_t rows = below(d, 3) ? GPF_N : (ptrdiff_t)s->f.N;
    ptrdiff_t width = widths[below(d, COUNT(widths))];
    gpf_node a = make_leaf(s, d, gpf_shape2(rows, width), -1.5, 1.5, NUMBER);
    for (int layers = 1 + below(d, 3); layers >= 0; layers--) {
        const ptrdiff_t units = below(d, 4) ? widths[below(d, COUNT(widths))] : width;
        const gpf_node W = weights(s, d, gpf_shape2(width, units), (double)width);
        const gpf_node b = make_leaf(s, d, gpf_shape2(1, units), -0.3, 0.3, NUMBER);
        const gpf_node z = stage(s, gpf_add(g, stage(s, gpf_matmul(g, a, W)), b));
        gpf_node next = z;
        if (layers > 0) /* an unused stage might be a node of the loss, too */
            next = stage(s, below(d, 5) ? act[below(d, COUNT(act))](g, z) : gpf_softmax(g, z));
        if (layers > 0 && units == width && below(d, 2))
            next = stage(s, gpf_add(g, a, next));
        else if (layers > 0 && below(d, 3) == 0) {
            const ptrdiff_t axis = 1 + below(d, 2); /* over the rows or the units */
            next = stage(s, gpf_sub(g, next, stage(s, gpf_mean(g, next, axis))));
            next = stage(s, gpf_div(g, next,
                                    stage(s, gpf_sqrt(g, gpf_add(g, constant(s, 0.1),
                                                                 gpf_variance(g, next, axis))))));
        }
        width = units;
        a = next;
    }
    const int loss = below(d, 4);
    const gpf_node y =
        make_leaf(s, d, gpf_shape2(rows, width), -1, 1, loss == 0 ? ROW_OF_PROBABILITIES : NUMBER);
    return loss == 0   ? gpf_cross_entropy(g, a, y, GPF_MEAN)
           : loss == 1 ? gpf_mse(g, a, y, GPF_MEAN)
           : loss == 2 ? gpf_bce_with_logits(g, a, y, GPF_SUM)
                       : gpf_mean(g, stage(s, gpf_mul(g, a, y)), GPF_ALL_AXES);
}

static void build(scene *s, dice d)
{
    if (!s->f.op && !s->f.fn) {
        s->g = gpf_graph_alloc();
        s->y = net(s, &d);
        assert_no_error(s->g);
        return;
    }
    gpf_node x[3] = { GPF_NONE, GPF_NONE, GPF_NONE };
    s->g = gpf_graph_alloc();
    for (int i = 0; i < s->f.n_x; i++)
        x[i] = i == 1 && below(&d, 8) == 0 && gpf_shape_equal(s->f.x[0], s->f.x[1]) &&
                       s->f.kind[1] == NUMBER
                   ? x[0]
                   : input(s, &d, i);
    gpf_node y = s->f.op ? gpf_apply(s->g, s->f.op, x, s->f.n_x, &s->f.attr)
                         : s->f.fn->build(s->g, x, &s->f.attr);
    y = stage(s, y);
    for (int follows = below(&d, 4); follows > 0; follows--)
        y = follow(s, &d, y);
    const gpf_node w = make_leaf(s, &d, gpf_node_shape(s->g, y), -1, 1.5, NUMBER);
    s->y = gpf_sum(s->g, stage(s, gpf_mul(s->g, y, w)), GPF_ALL_AXES);
    assert_no_error(s->g);
}

/* What of the graph y needs, in order. */
static void reach(scene *s)
{
    const size_t n = gpf_graph_n_nodes(s->g);
    bool *needed = calloc(n, sizeof *needed);
    needed[s->y] = true;
    s->node = malloc(n * sizeof *s->node);
    for (gpf_node v = s->y; v > 0; v--) {
        if (!needed[v])
            continue;
        int n_x;
        const gpf_node *x = gpf_node_inputs(s->g, v, &n_x);
        for (int i = 0; i < n_x; i++)
            needed[x[i]] = true;
    }
    for (gpf_node v = 1; v <= s->y; v++)
        if (needed[v])
            s->node[s->n_node++] = v;
    free(needed);
}

static void make_plans(scene *s)
{
    const size_t n = s->n_node, N = s->f.N;
    gpf_node *out = malloc((4 * n + 1) * sizeof *out);
    size_t n_out = 0;
    s->watched = calloc(n, sizeof *s->watched);
    out[n_out++] = s->y;
    for (size_t v = 0; v < n; v++) {
        const gpf_op *op = gpf_node_op(s->g, s->node[v]);
        if (!op || !(op->side || op->branch))
            continue;
        int n_x;
        const gpf_node *x = gpf_node_inputs(s->g, s->node[v], &n_x);
        gpf_node in[3];
        memcpy(in, x, (size_t)n_x * sizeof *in);
        const gpf_shape shape = gpf_node_shape(s->g, s->node[v]);
        watched *w = &s->watched[s->n_watched++];
        *w = (watched){ s->node[v], n_out, (size_t)n_x, gpf_shape_size(shape, N), false };
        for (int i = 0; i < n_x; i++)
            out[n_out++] = op->side ? gpf_broadcast(s->g, in[i], shape) : in[i];
        out[n_out++] = s->node[v];
        s->n_sides += w->size;
    }
    s->plan = gpf_plan_alloc(s->g, out, n_out, N);
    s->ws = gpf_workspace_alloc(s->plan);
    assert_non_null(s->ws);
    /* Derivatives by everything: how much a unit of each value's last place is in y. */
    s->grad = malloc(n * sizeof *s->grad);
    size_t n_wide = 0;
    memcpy(out, s->node, n * sizeof *out);
    n_wide = n;
    assert_int_equal(gpf_grad(s->g, s->y, s->node, n, s->grad), GSL_SUCCESS);
    for (size_t v = 0; v < n; v++)
        if (s->grad[v] != GPF_NONE)
            out[n_wide++] = s->grad[v];
    s->wide = gpf_plan_alloc(s->g, out, n_wide, N);
    s->wide_ws = gpf_workspace_alloc(s->wide);
    assert_non_null(s->wide_ws);
    free(out);
}

/* Memory for every leaf, after the graph has all its nodes. */
static void make_point(scene *s)
{
    s->at = gpf_point_alloc(s->g, s->f.N);
    for (int i = 0; i < s->n_leaf; i++) {
        leaf *l = &s->leaf[i];
        if (gpf_node_is_param(s->g, l->node)) {
            l->x = theta(s->at) + gpf_param_offset(s->g, l->node);
            continue;
        }
        l->x = calloc(gpf_shape_size(gpf_node_shape(s->g, l->node), s->f.N), sizeof *l->x);
        gpf_point_bind(s->at, l->node, l->x);
    }
}

static size_t leaf_size(const scene *s, int i)
{
    return gpf_shape_size(gpf_node_shape(s->g, s->leaf[i].node), s->f.N);
}

/* Values for all leaves but the cut one. grid: multiples of 1/2, for ties. */
static void draw(scene *s, dice d, bool grid)
{
    for (int i = 0; i < s->n_leaf; i++) {
        const leaf *l = &s->leaf[i];
        const size_t n = leaf_size(s, i);
        if (l->lo == 0 && l->hi == 0)
            continue;
        fill(&d, l->x, n, l->lo, l->hi);
        const gpf_shape shape = gpf_node_shape(s->g, l->node);
        const size_t row =
            shape.rank ? gpf_shape_size(gpf_shape1(shape.dim[shape.rank - 1]), s->f.N) : 1;
        for (size_t k = 0; k < n; k++) {
            if (grid && l->lo < 0)
                l->x[k] = round(2 * l->x[k]) / 2;
            if (l->kind == LABEL)
                l->x[k] = below(&d, 3);
            if (l->kind == SIGN)
                l->x[k] = below(&d, 2) ? 1 : -1;
            if (l->kind == ROW_OF_PROBABILITIES)
                l->x[k] = between(&d, 0.1, 1) / (double)row;
        }
    }
}

static void free_scene(scene *s)
{
    for (int i = 0; i < s->n_leaf; i++)
        if (!gpf_node_is_param(s->g, s->leaf[i].node))
            free(s->leaf[i].x);
    gpf_workspace_free(s->ws);
    gpf_workspace_free(s->wide_ws);
    gpf_plan_free(s->plan);
    gpf_plan_free(s->wide);
    gpf_point_free(s->at);
    gpf_graph_free(s->g);
    free(s->watched);
    free(s->node);
    free(s->grad);
}

static double most_of(const double *x, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    return most;
}

/* What one unit in the last place of everything that is computed and summed is in y:
 * sum over nodes and elements of |dy/dv| times the magnitudes that make v. Infinite where a
 * derivative is. */
static double magnitude(scene *s)
{
    assert_int_equal(gpf_plan_run(s->wide, s->wide_ws, s->at), GSL_SUCCESS);
    double total = 0;
    for (size_t v = 0, next = s->n_node; v < s->n_node; v++) {
        if (s->grad[v] == GPF_NONE)
            continue;
        const double *value = gpf_workspace_output(s->wide_ws, v),
                     *grad = gpf_workspace_output(s->wide_ws, next++);
        const gpf_op *op = gpf_node_op(s->g, s->node[v]);
        const size_t n = gpf_plan_output_size(s->wide, v);
        int n_x;
        const gpf_node *x = gpf_node_inputs(s->g, s->node[v], &n_x);
        /* For an op that gathers, the most its terms can add up to. */
        double summed = 0;
        if (op && !op->map && !op->view && n_x > 0) {
            double terms = 1;
            summed = 1;
            for (int i = 0; i < n_x; i++) {
                size_t j = 0;
                while (s->node[j] != x[i])
                    j++;
                const size_t size = gpf_plan_output_size(s->wide, j);
                summed *= fmax(1, most_of(gpf_workspace_output(s->wide_ws, j), size));
                terms = fmax(terms, (double)size / (double)n);
                if (n_x == 2 && i == 0)
                    terms = fmax(terms, (double)gpf_plan_output_shape(s->wide, j).dim[1]);
            }
            const gpf_shape shape = gpf_plan_output_shape(s->wide, v);
            for (int a = 0; a < shape.rank && n_x == 1; a++)
                terms = fmax(terms, (double)shape.dim[a]);
            summed *= terms;
        }
        for (size_t e = 0; e < n; e++)
            if (grad[e] != 0)
                total += fabs(grad[e]) * fmax(fabs(value[e]), summed);
    }
    return isfinite(total) ? total : INFINITY;
}

static bool dyadic(const double *x, size_t n)
{
    size_t i = 0;
    while (i < n && fabs(x[i]) < 0x1p20 && rint(x[i] * 0x1p20) == x[i] * 0x1p20)
        i++;
    return i == n;
}

/* Which watched nodes have inputs without rounding errors, at the point of the last `magnitude`
 * and wherever a half more or less of one leaf leads. There no order of summation can move an
 * element from its side. */
static void find_exact(scene *s)
{
    static const char *const keep[] = { "add",   "sub",     "mul",  "neg",       "square",
                                        "abs",   "max",     "min",  "relu",      "matmul",
                                        "sum",   "trace",   "pad",  "concat",    "transpose",
                                        "slice", "reshape", "diag", "diag_part", "broadcast" };
    bool *exact = calloc((size_t)s->y + 1, sizeof *exact);
    for (size_t v = 0, w = 0; v < s->n_node; v++) {
        int n_x;
        const gpf_node *x = gpf_node_inputs(s->g, s->node[v], &n_x);
        bool inputs = true, keeps = n_x == 0;
        for (int i = 0; i < n_x; i++)
            inputs &= exact[x[i]];
        for (size_t i = 0; i < COUNT(keep) && n_x; i++)
            keeps |= !strcmp(keep[i], gpf_node_op(s->g, s->node[v])->name);
        exact[s->node[v]] =
            inputs && keeps &&
            dyadic(gpf_workspace_output(s->wide_ws, v), gpf_plan_output_size(s->wide, v));
        if (w < s->n_watched && s->watched[w].node == s->node[v])
            s->watched[w++].exact = inputs;
    }
    free(exact);
}

/* Within rounding of an edge, at the base or where it moved to. */
static bool is_close(const watched *w, bool half, double margin0, double margin1, double slack)
{
    return !(w->exact && half) && (!(margin1 > slack) || (margin0 <= slack && margin0 > 0));
}

/* Sides and margins of all watched elements after a run of s->plan. */
static void sides(const scene *s, int *side, double *margin)
{
    for (size_t i = 0; i < s->n_watched; i++) {
        const watched *w = &s->watched[i];
        const gpf_op *op = gpf_node_op(s->g, w->node);
        gpf_tensor t[4] = { { NULL, 0, { 0 }, { 0 } } };
        const gpf_tensor *in[3] = { &t[0], &t[1], &t[2] };
        const double *x[3] = { NULL, NULL, NULL };
        for (size_t j = 0; j <= w->n; j++) {
            union {
                const double *read;
                double *write;
            } data = { .read = gpf_workspace_output(s->ws, w->first + j) };
            const gpf_shape shape = gpf_plan_output_shape(s->plan, w->first + j);
            gpf_tensor *to = j < w->n ? &t[j] : &t[3];
            *to = (gpf_tensor){ .data = data.write, .rank = shape.rank };
            ptrdiff_t stride = 1;
            for (int a = GPF_MAX_RANK; a-- > 0;) {
                to->dim[a] = (size_t)shape.dim[a];
                to->stride[a] = a < shape.rank ? stride : 0;
                stride *= a < shape.rank ? shape.dim[a] : 1;
            }
            if (j < w->n)
                x[j] = data.read;
        }
        if (op->side) {
            op->side(w->size, side, margin, x, gpf_node_attr(s->g, w->node));
        } else {
            gpf_call call = { &t[3], in, (int)w->n, gpf_node_attr(s->g, w->node), s->f.N, NULL };
            call.scratch = malloc(((op->scratch ? op->scratch(&call) : 0) + 1) * sizeof(double));
            op->branch(&call, side, margin);
            free(call.scratch);
        }
        side += w->size;
        margin += w->size;
    }
}

/* Everything under test at one base point. */
typedef struct trial {
    scene *s;
    gpf_damage *damage;
    gpf_overlay *o, *second;
    double base;
    size_t n_target;
    dice d;
} trial;

/* Counted over all, so that the tests cannot pass without having compared. */
static struct {
    size_t points, loose, not_finite, jumps, records, changed, single, ties, edges, doubtful;
    double worst;
} seen;

static const char *title(const scene *s)
{
    static char text[80];
    snprintf(text, sizeof text, "%s, scene %d (N %zu, cut %d)",
             s->f.op   ? s->f.op->name
             : s->f.fn ? s->f.fn->name
                       : "net",
             s->number, s->f.N, s->cut);
    return text;
}

static bool same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static void assert_same_record(const scene *s, const gpf_branch *a, const gpf_branch *b)
{
    const bool equal =
        a->n_changed == b->n_changed && a->signature == b->signature &&
        (!a->n_changed || (a->node == b->node && a->element == b->element && a->base == b->base &&
                           a->side == b->side && same(a->margin, b->margin) && a->tie == b->tie));
    if (!equal)
        fail_msg("%s: a record depends on how points are grouped", title(s));
}

/* The node of the uncut graph: a cut one has the same nodes and, in between, one leaf more. */
static gpf_node origin(const scene *r, gpf_node n)
{
    return r->cut >= 0 && n > r->stage[r->cut] ? n - 1 : n;
}

/* The record against sides at both points by whole evaluations. What is within rounding of an edge
 * may be on either side. */
static void check_record(const scene *r, const gpf_branch *b, const int *side0,
                         const double *margin0, const int *side1, const double *margin1, bool half,
                         double slack, gpf_overlay *o)
{
    size_t sure = 0, maybe = 0, e = 0;
    double nearest = INFINITY;
    bool tie = false, doubtful_tie = false, found = b->n_changed == 0;
    for (size_t i = 0; i < r->n_watched; i++)
        for (size_t k = 0; k < r->watched[i].size; k++, e++) {
            const bool differs = side0[e] != side1[e],
                       close = is_close(&r->watched[i], half, margin0[e], margin1[e], slack);
            sure += differs && !close;
            maybe += close;
            if (differs && !close)
                nearest = fmin(nearest, margin0[e]);
            tie |= differs && !close && side0[e] & 1;
            doubtful_tie |= close;
            seen.edges += differs && !close && side1[e] & 1;
            const gpf_node node = origin(r, r->watched[i].node);
            if (b->n_changed && b->node == node && b->element == k) {
                found = true;
                if (!close && (b->side != side1[e] || b->base != side0[e] || !differs))
                    fail_msg("%s: side %d to %d, recorded %d to %d", title(r), side0[e], side1[e],
                             b->base, b->side);
                if (fabs(b->margin - margin0[e]) > slack)
                    fail_msg("%s: margin %g, recorded %g", title(r), margin0[e], b->margin);
            }
            int side;
            if (o && k < 3 && !close) {
                assert_int_equal(gpf_overlay_side(o, node, k, &side), GSL_SUCCESS);
                if (side != side1[e])
                    fail_msg("%s: on side %d, told %d", title(r), side1[e], side);
            }
        }
    if (b->n_changed < sure || b->n_changed > sure + maybe)
        fail_msg("%s: %zu elements change side, %zu recorded", title(r), sure, b->n_changed);
    if (!found)
        fail_msg("%s: recorded node %d is not piecewise", title(r), b->node);
    if (b->n_changed && b->margin > nearest + slack)
        fail_msg("%s: nearest edge at %g, recorded %g", title(r), nearest, b->margin);
    if (!doubtful_tie && b->n_changed)
        assert_int_equal(b->tie, tie);
    assert_int_equal(b->n_changed == 0, b->signature == 0);
    seen.records++;
    seen.changed += sure > 0;
    seen.single += sure == 1 && maybe == 0;
    seen.ties += sure > 0 && tie;
    seen.doubtful += maybe > 0;
}

/* Is there an element of a step so close to its edge that rounding may make it jump? */
static bool may_jump(const scene *r, const double *margin0, const double *margin1, bool half,
                     double slack)
{
    for (size_t i = 0, e = 0; i < r->n_watched; i++)
        for (size_t k = 0; k < r->watched[i].size; k++, e++)
            if (gpf_node_op(r->g, r->watched[i].node)->flags & GPF_OP_STEP &&
                is_close(&r->watched[i], half, margin0[e], margin1[e], slack))
                return true;
    return false;
}

static void draw_points(dice *d, double x, double *t)
{
    t[0] = below(d, 2) && !signbit(x) ? 0.0 : -0.0; /* -0 + 0 is not -0 */
    for (int j = 1; j < POINTS; j++)
        t[j] = (below(d, 2) ? 1 : -1) * pow(10, between(d, -7, -0.52));
    /* x + t is x */
    t[2] = below(d, 2) ? t[2] : between(d, -1.5, 1.5);
    t[5] = below(d, 2) ? t[5] : fmax(fabs(x), 1e-10) * (below(d, 2) ? 1e-18 : -1e-18);
    if (below(d, 2))
        t[4] = below(d, 2) ? 0.5 : -0.5; /* onto an edge, from the grid */
    if (below(d, 16) == 0)
        t[3] = (double[]){ INFINITY, -INFINITY, NAN }[below(d, 3)];
}

static double whole(const scene *r)
{
    assert_int_equal(gpf_plan_run(r->plan, r->ws, r->at), GSL_SUCCESS);
    return gpf_workspace_output(r->ws, 0)[0];
}

/* Target i, element k, against scene r, in which the target is the leaf at x. */
static void check_element(trial *q, size_t i, size_t k, scene *r, double *x)
{
    double t[POINTS], f[POINTS], apart[POINTS] = { 0 }, g[4], u[4];
    gpf_branch b[POINTS], c[4];
    dice *d = &q->d;
    draw_points(d, x[k], t);
    /* one by one, in some order, with and without records, on both overlays, others in between */
    for (int j = 0, from = below(d, POINTS); j < POINTS; j++) {
        const int p = (from + j) % POINTS;
        double other, again;
        gpf_overlay *o = below(d, 2) ? q->o : q->second;
        assert_int_equal(gpf_overlay_values(o, i, k, &t[p], 1, &f[p], &b[p]), GSL_SUCCESS);
        const size_t away = (size_t)below(d, (int)q->n_target);
        const size_t where = (size_t)below(d, (int)gpf_damage_target_size(q->damage, away));
        gpf_overlay_values(below(d, 2) ? q->o : q->second, away, where, &t[1], 1, &other, NULL);
        assert_int_equal(gpf_overlay_values(q->o, i, k, &t[p], 1, &again, NULL), GSL_SUCCESS);
        if (!same(f[p], again))
            fail_msg("%s: %.17g, and %.17g again", title(q->s), f[p], again);
    }
    /* together */
    for (int group = 0; group < 6; group++) {
        const size_t m = 1 + (size_t)below(d, 4);
        int pick[4];
        for (size_t j = 0; j < m; j++)
            u[j] = t[pick[j] = (int)below(d, POINTS)];
        gpf_overlay *o = below(d, 2) ? q->o : q->second;
        const bool record = below(d, 3);
        assert_int_equal(gpf_overlay_values(o, i, k, u, m, g, record ? c : NULL), GSL_SUCCESS);
        for (size_t j = 0; j < m; j++) {
            /* The rows that change at some point are summed at all of them, in another order: of
             * what changes, the last bits may differ. */
            if (!same(g[j], f[pick[j]]))
                apart[pick[j]] =
                    fmax(apart[pick[j]],
                         isfinite(g[j] - f[pick[j]]) ? fabs(g[j] - f[pick[j]]) : INFINITY);
            if (record)
                assert_same_record(q->s, &c[j], &b[pick[j]]);
        }
    }
    if (!same(f[0], q->base))
        fail_msg("%s: %.17g at the base, %.17g at t = 0", title(q->s), q->base, f[0]);
    assert_int_equal(b[0].n_changed, 0);
    /* whole evaluations */
    int *side = malloc((2 * r->n_sides + 1) * sizeof *side);
    double *margin = malloc((2 * r->n_sides + 1) * sizeof *margin), most = 0;
    whole(r);
    sides(r, side, margin);
    const double keep = x[k], base_scale = magnitude(r);
    find_exact(r);
    for (size_t v = 0; v < r->n_node; v++)
        most = fmax(most,
                    most_of(gpf_workspace_output(r->wide_ws, v), gpf_plan_output_size(r->wide, v)));
    for (int j = 0; j < POINTS; j++) {
        x[k] = keep + t[j];
        if (same(x[k], keep) && !same(f[j], q->base))
            fail_msg("%s: the base point by t = %g gives %.17g, not %.17g", title(q->s), t[j], f[j],
                     q->base);
        const double truth = whole(r), slack = 1e-13 * (1 + most);
        /* where all derivatives are 0, of second order: x*x beside x = 0 */
        const double least = pow(DBL_EPSILON * (1 + most), 2);
        double unit = DBL_EPSILON * base_scale + least;
        const bool half = dyadic((double[]){ 1024 * keep, 1024 * t[j] }, 2);
        sides(r, side + r->n_sides, margin + r->n_sides);
        seen.points++;
        if (!isfinite(truth)) {
            seen.not_finite++;
            if (isnan(truth) ? !isnan(f[j]) : f[j] != truth)
                fail_msg("%s: t = %g gives %g, not %g", title(q->s), t[j], f[j], truth);
            continue;
        }
        if (!isfinite(most))
            continue;
        if (may_jump(r, margin, margin + r->n_sides, half, slack)) {
            seen.jumps++;
            continue;
        }
        if (!(fabs(f[j] - truth) <= unit))
            unit = DBL_EPSILON * fmax(base_scale, magnitude(r)) + least;
        if (!(fabs(f[j] - truth) <= LIMIT * unit))
            fail_msg("%s: target %zu[%zu] %+g gives %.17g, not %.17g: %g units off", title(q->s), i,
                     k, t[j], f[j], truth, fabs(f[j] - truth) / unit);
        if (!(apart[j] <= LIMIT * unit))
            fail_msg("%s: %+g gives %.17g, and %g off together with others", title(q->s), t[j],
                     f[j], apart[j]);
        seen.loose += unit < 1e-9 * fmax(1, fabs(truth)) ? 0 : 1;
        if (isfinite(unit))
            seen.worst = fmax(seen.worst, fabs(f[j] - truth) / unit);
        x[k] = keep;
        gpf_overlay_values(q->o, i, k, &t[j], 1, g, c); /* sides are told of the last */
        check_record(r, &b[j], side, margin, side + r->n_sides, margin + r->n_sides, half, slack,
                     q->o);
    }
    x[k] = keep;
    free(side);
    free(margin);
}

/* Is node n a stage of its own that can be replaced by a leaf? A view is folded into what uses it,
 * equal nodes are one. */
static bool can_cut(const scene *s, int i)
{
    const gpf_node n = s->stage[i];
    const gpf_op *op = gpf_node_op(s->g, n);
    int uses = 0;
    for (int j = 0; j < s->n_stage; j++)
        uses += s->stage[j] == n;
    for (int j = 0; j < s->n_leaf; j++)
        uses += s->leaf[j].node == n;
    return uses == 1 && op && !op->view && op->arity != 0 &&
           !gpf_node_is_const(s->g, n, &(double){ 0 });
}

static void check_target(trial *q, size_t i, scene *r, double *x)
{
    const size_t n = gpf_damage_target_size(q->damage, i);
    const int samples = q->s->f.op || q->s->f.fn ? 3 : 1;
    for (int e = 0; e < samples && (size_t)e < n; e++)
        check_element(q, i, n <= (size_t)samples ? (size_t)e : (size_t)below(&q->d, (int)n), r, x);
}

/* One scene: some leaves and stages as targets. */
static void check_scene(const feed *f, int number, uint64_t seed, bool grid)
{
    static scene s, plain, cut[2]; /* under test; for whole evaluations, of leaves and of stages */
    const dice d = { seed }, values = { seed ^ 0x5eed };
    s = (scene){ .f = *f, .number = number, .cut = -1 };
    plain = s;
    build(&s, d);
    make_point(&s);
    draw(&s, values, grid);
    build(&plain, d);
    reach(&plain);
    make_plans(&plain);
    make_point(&plain);
    trial q = { .s = &s, .d = { seed ^ 0x7a16e7 } };
    gpf_node xs[MOST_LEAVES + 2];
    int stages[2], n_cut = 0;
    for (int i = 0; i < s.n_leaf; i++)
        xs[q.n_target++] = s.leaf[i].node;
    for (int tries = 0; tries < 10 && n_cut < 2; tries++) {
        const int i = below(&q.d, s.n_stage);
        if (can_cut(&s, i) && !(n_cut && stages[0] == i)) {
            xs[q.n_target++] = s.stage[i];
            stages[n_cut++] = i;
        }
    }
    q.damage = gpf_damage_alloc(s.g, s.y, xs, q.n_target, f->N);
    assert_non_null(q.damage);
    assert_int_equal(gpf_damage_base(q.damage, s.at, &q.base), GSL_SUCCESS);
    q.o = gpf_overlay_alloc(q.damage);
    q.second = gpf_overlay_alloc(q.damage);
    for (int i = 0; i < n_cut; i++) {
        cut[i] = (scene){ .f = *f, .number = number, .cut = stages[i] };
        build(&cut[i], d);
        reach(&cut[i]);
        make_plans(&cut[i]);
        make_point(&cut[i]);
    }
    double first[3][2];
    for (int round = 0; round < 3; round++) {
        /* the base, another one, the base again */
        draw(&s, round == 1 ? (dice){ seed ^ 0x0ff } : values, grid);
        assert_int_equal(gpf_damage_base(q.damage, s.at, &q.base), GSL_SUCCESS);
        for (size_t j = 0; j < q.n_target; j++)
            if (round == 0 || (round == 1 && below(&q.d, 4) == 0)) {
                scene *r = j < (size_t)s.n_leaf ? &plain : &cut[j - (size_t)s.n_leaf];
                double *x = plain.leaf[j < (size_t)s.n_leaf ? j : 0].x;
                draw(r, round == 1 ? (dice){ seed ^ 0x0ff } : values, grid);
                for (int l = 0; l < r->n_leaf && r != &plain; l++)
                    if (!strcmp(gpf_node_name(r->g, r->leaf[l].node), "cut"))
                        x = r->leaf[l].x;
                memcpy(x, gpf_damage_target(q.damage, j),
                       gpf_damage_target_size(q.damage, j) * sizeof *x);
                check_target(&q, j, r, x);
            }
        const double t = 0.125;
        gpf_overlay_values(q.o, 0, 0, &t, 1, &first[round][0], NULL);
        gpf_overlay_values(q.second, q.n_target - 1, 0, &t, 1, &first[round][1], NULL);
    }
    assert_true(same(first[0][0], first[2][0]) && same(first[0][1], first[2][1]));
    for (int i = 0; i < n_cut; i++)
        free_scene(&cut[i]);
    gpf_overlay_free(q.o);
    gpf_overlay_free(q.second);
    gpf_damage_free(q.damage);
    free_scene(&plain);
    free_scene(&s);
}

static void check_rows(bool functions)
{
    for (size_t i = 0; functions ? gpf_fn_at(i) != NULL : gpf_op_at(i) != NULL; i++)
        for (int n = 0; n < scenes_per_row; n++) {
            const uint64_t seed = first_seed * 1000003 + (i + 100 * functions) * 4096 + (uint64_t)n;
            dice d = { seed };
            static const size_t batches[] = { 1, 2, 3, 7, 40, 130 };
            feed f = { .most = 500, .N = batches[below(&d, n % 4 ? 4 : 6)], .size = any_size };
            if (functions) {
                f.fn = gpf_fn_at(i);
                f.n_x = f.fn->arity;
                f.attr = gpf_attr_default(f.fn->params);
                feed_function(&d, &f);
            } else {
                f.op = gpf_op_at(i);
                f.n_x = f.op->arity;
                f.attr = gpf_attr_default(f.op->params);
                feed_row(&d, &f);
            }
            check_scene(&f, n, roll(&d), n % 3 == 2);
        }
}

static void test_rows(void **state)
{
    (void)state;
    check_rows(false);
}

static void test_functions(void **state)
{
    (void)state;
    check_rows(true);
}

static void test_nets(void **state)
{
    (void)state;
    static const size_t batches[] = { 1, 64, 100, 130, 257 };
    for (int n = 0; n < scenes_per_row; n++) {
        dice d = { first_seed * 1000003 + 999999 + (uint64_t)n };
        const feed f = { .N = batches[below(&d, COUNT(batches))] };
        check_scene(&f, n, roll(&d), n % 4 == 3);
    }
}

static void test_enough_was_compared(void **state)
{
    (void)state;
    print_message(
        "# %zu points, worst %.2g units, %zu loose, %zu not finite, %zu might jump; %zu "
        "records, %zu with changes, %zu of one, %zu at ties, %zu onto edges, %zu doubtful\n",
        seen.points, seen.worst, seen.loose, seen.not_finite, seen.jumps, seen.records,
        seen.changed, seen.single, seen.ties, seen.edges, seen.doubtful);
    if (scenes_per_row < 15)
        skip(); /* too few for rates */
    assert_true(seen.points > (size_t)scenes_per_row * 3000);
    assert_true(seen.loose < seen.points / 50 && seen.jumps < seen.points / 20);
    assert_true(seen.not_finite > seen.points / 500 && seen.not_finite < seen.points / 20);
    assert_true(seen.changed > seen.records / 200 && seen.single > seen.records / 500);
    assert_true(seen.ties > seen.records / 1000 && seen.edges > seen.records / 5000);
    assert_true(seen.doubtful < seen.records / 8);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_nets),
        cmocka_unit_test(test_enough_was_compared),
    };
    if (argc > 1)
        scenes_per_row = (int)strtol(argv[1], NULL, 10);
    if (argc > 2)
        first_seed = strtoul(argv[2], NULL, 10);
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
