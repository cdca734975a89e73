/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every row of the registry and every composed function through the same loops. */
#include "ops/feed.h"

#include <float.h>

typedef long double real;

/* Part 1: values and first derivatives of the elementwise rows against long double.
 * X(row, arity, value, d/da, d/db); p: the row's parameters. */
#define SHARE(c) ((c) ? 1 : a == b ? p[0] : 0)
#define ORACLES(X)                                                                              \
    X(add, 2, a + b, 1, 1)                                                                      \
    X(sub, 2, a - b, 1, -1)                                                                     \
    X(mul, 2, a *b, b, a)                                                                       \
    X(div, 2, a / b, 1 / b, -a / (b * b))                                                       \
    X(neg, 1, -a, -1, 0)                                                                        \
    X(pow, 2, powl(a, b), b *powl(a, b - 1), powl(a, b) * logl(a))                              \
    X(sqrt, 1, sqrtl(a), 0.5L / sqrtl(a), 0)                                                    \
    X(square, 1, a *a, 2 * a, 0)                                                                \
    X(exp, 1, expl(a), expl(a), 0)                                                              \
    X(log, 1, logl(a), 1 / a, 0)                                                                \
    X(expm1, 1, expm1l(a), expl(a), 0)                                                          \
    X(log1p, 1, log1pl(a), 1 / (1 + a), 0)                                                      \
    X(sin, 1, sinl(a), cosl(a), 0)                                                              \
    X(cos, 1, cosl(a), -sinl(a), 0)                                                             \
    X(tanh, 1, tanhl(a), 1 / (coshl(a) * coshl(a)), 0)                                          \
    X(sech2, 1, 1 / (coshl(a) * coshl(a)), -2 * tanhl(a) / (coshl(a) * coshl(a)), 0)            \
    X(sigmoid, 1, 1 / (1 + expl(-a)), 1 / ((1 + expl(-a)) * (1 + expl(a))), 0)                  \
    X(softplus, 1, a > 50 ? a + log1pl(expl(-a)) : log1pl(expl(a)), 1 / (1 + expl(-a)), 0)      \
    X(erf, 1, erfl(a), 1.1283791670955125738961589L * expl(-a * a), 0)                          \
    X(abs, 1, fabsl(a), a > 0 ? 1 : a < 0 ? -1 : p[0], 0)                                       \
    X(sign, 1, a > 0 ? 1 : a < 0 ? -1 : a == 0 ? p[0] : a, 0, 0)                                \
    X(step, 1, a > 0 ? 1 : a < 0 ? 0 : a == 0 ? p[0] : a, 0, 0)                                 \
    X(greater, 2, a > b ? 1 : a < b ? 0 : a == b ? p[0] : NAN, 0, 0)                            \
    X(relu, 1, a<0 ? 0 : a, a> 0 ? 1 : a < 0 ? 0 : p[0], 0)                                     \
    X(leaky_relu, 1, a<0 ? p[0] * a : a, a> 0 ? 1 : a < 0 ? p[0] : p[0] + (1 - p[0]) * p[1], 0) \
    X(prelu, 2, a<0 ? b * a : a, a> 0 ? 1 : a < 0 ? b : b + (1 - b) * p[0], a < 0 ? a : 0)      \
    X(elu, 1,                                                                                   \
      a<0 ? p[0] * expm1l(a) : a, a> 0 ? 1                                                      \
      : a < 0 ? p[0] * expl(a)                                                                  \
              : p[0] + (1 - p[0]) * p[1],                                                       \
      0)                                                                                        \
    X(max, 2, isunordered(a, b) ? NAN : a > b ? a : b, SHARE(a > b), 1 - SHARE(a > b))          \
    X(min, 2, isunordered(a, b) ? NAN : a < b ? a : b, SHARE(a < b), 1 - SHARE(a < b))          \
    X(clip, 1, a<p[0] ? p[0] : a> p[1] ? p[1] : a, a >= p[0] && a <= p[1], 0)

#define DEFINE(name, arity, value, da, db)                 \
    static real name##_at(real a, real b, const double *p) \
    {                                                      \
        (void)b, (void)p;                                  \
        return (value);                                    \
    }                                                      \
    static real name##_da(real a, real b, const double *p) \
    {                                                      \
        (void)a, (void)b, (void)p;                         \
        return (da);                                       \
    }                                                      \
    static real name##_db(real a, real b, const double *p) \
    {                                                      \
        (void)a, (void)b, (void)p;                         \
        return (db);                                       \
    }
ORACLES(DEFINE)

typedef struct oracle {
    const char *name;
    int arity;
    real (*at)(real a, real b, const double *p), (*d[2])(real a, real b, const double *p);
} oracle;
static const oracle oracles[] = {
#define ENTRY(name, arity, value, da, db) { #name, arity, name##_at, { name##_da, name##_db } },
    ORACLES(ENTRY)
};

static const oracle *oracle_of(const gpf_op *op)
{
    for (size_t i = 0; i < COUNT(oracles); i++)
        if (!strcmp(oracles[i].name, op->name) && oracles[i].arity == op->arity)
            return &oracles[i];
    fail_msg("no oracle for the row %s of %d inputs", op->name, op->arity);
    return NULL;
}

/* y, dy/da, dy/db (each n) of an elementwise row at n points, by reverse and by forward rules. */
typedef struct sampled {
    double y[400], vjp[2][400], jvp[2][400];
    gpf_node grad[2]; /* for GPF_NONE */
} sampled;

static void sample(const gpf_op *op, const gpf_attr *attr, const double *a, const double *b,
                   size_t n, sampled *s)
{
    gpf_graph *g = gpf_graph_alloc();
    const gpf_shape shape = gpf_shape1((ptrdiff_t)n);
    const gpf_node x[] = { gpf_param(g, "a", shape), gpf_param(g, "b", shape) };
    const gpf_node y = gpf_apply(g, op, x, op->arity, attr);
    const gpf_node bar = gpf_data(g, "bar", shape);
    double ones[400];
    for (size_t i = 0; i < n; i++)
        ones[i] = 1;
    gpf_point *at = gpf_point_alloc(g, 0);
    gpf_point_bind(at, bar, ones);
    memcpy(theta(at), a, n * sizeof *a);
    memcpy(theta(at) + n, b, n * sizeof *b);
    evaluate(g, at, &y, 1, s->y);
    for (int i = 0; i < op->arity; i++) {
        gpf_node dot;
        gpf_vjp(g, y, bar, &x[i], 1, &s->grad[i]);
        gpf_jvp(g, y, &x[i], &bar, 1, &dot);
        assert_no_error(g);
        assert_int_equal(s->grad[i] == GPF_NONE, dot == GPF_NONE);
        if (dot == GPF_NONE)
            continue;
        evaluate(g, at, &s->grad[i], 1, s->vjp[i]);
        evaluate(g, at, &dot, 1, s->jvp[i]);
    }
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* Compares with the oracle; derivatives where point and truth are finite. */
static size_t compare(const gpf_op *op, const double *a, const double *b, size_t n)
{
    static sampled s;
    const gpf_attr attr = gpf_attr_default(op->params);
    const oracle *o = oracle_of(op);
    size_t compared = 0;
    sample(op, &attr, a, b, n, &s);
    for (size_t i = 0; i < n; i++) {
        const double u = a[i], v = op->arity == 2 ? b[i] : 0, y = (double)o->at(u, v, attr.p);
        if (!close_to(s.y[i], y, 1e-14, 1e-307))
            fail_msg("%s(%g, %g) = %.17g, expected %.17g", op->name, u, v, s.y[i], y);
        for (int j = 0; j < op->arity; j++) {
            if (op->flags & GPF_OP_STEP) {
                assert_int_equal(s.grad[j], GPF_NONE);
                continue;
            }
            const double d = (double)o->d[j](u, v, attr.p);
            if (!isfinite(u) || !isfinite(v) || !isfinite(d) || !isfinite(y))
                continue;
            if (!close_to(s.vjp[j][i], d, 2e-13, 1e-307))
                fail_msg("vjp of %s(%g, %g) by %d = %.17g, expected %.17g", op->name, u, v, j,
                         s.vjp[j][i], d);
            if (!close_to(s.jvp[j][i], d, 4e-13, 1e-307))
                fail_msg("jvp of %s(%g, %g) by %d = %.17g, expected %.17g", op->name, u, v, j,
                         s.jvp[j][i], d);
            compared++;
        }
    }
    return compared;
}

static void test_elementwise_values(void **state)
{
    (void)state;
    dice d = { 11 };
    size_t rows = 0, compared = 0;
    for (size_t i = 0; gpf_op_at(i); i++) {
        const gpf_op *op = gpf_op_at(i);
        if (!is_elementwise(op))
            continue;
        double a[400], b[400];
        double lo, hi;
        domain(op, &lo, &hi);
        fill(&d, a, COUNT(a), lo, hi);
        fill(&d, b, COUNT(b), lo, hi);
        compared += compare(op, a, b, COUNT(a));
        rows++;
    }
    assert_int_equal(rows, COUNT(oracles));
    assert_true(compared >= 12000);
}

static const double special[] = {
    0,  -0.0, 1e-300, -1e-300, 1e-10, -1e-10, 0.3,      -0.3,      1,
    -1, 37,   -37,    710,     800,   -800,   INFINITY, -INFINITY, NAN
};

static void test_special_points(void **state)
{
    (void)state;
    double a[400], b[400];
    size_t n = 0;
    for (size_t i = 0; i < COUNT(special); i++)
        for (size_t j = 0; j < COUNT(special); j++, n++) {
            a[n] = special[i];
            b[n] = special[j];
        }
    for (size_t i = 0; gpf_op_at(i); i++)
        if (is_elementwise(gpf_op_at(i)))
            compare(gpf_op_at(i), a, b, n);
}

/* What does not contribute cannot spoil: 1^NaN and NaN^0 are 1 by IEEE, prelu's slope is not used
 * above 0. Nothing else may swallow a NaN. */
static bool ignores_nan(const gpf_op *op, double a, double b)
{
    return op == &gpf_op_pow ? a == 1 || b == 0 : op == &gpf_op_prelu && a >= 0;
}

static void test_nan_propagates(void **state)
{
    (void)state;
    static sampled s;
    for (size_t i = 0; gpf_op_at(i); i++) {
        const gpf_op *op = gpf_op_at(i);
        if (!is_elementwise(op))
            continue;
        double a[2 * COUNT(special)], b[2 * COUNT(special)];
        for (size_t k = 0; k < COUNT(special); k++) {
            a[2 * k] = b[2 * k + 1] = NAN;
            a[2 * k + 1] = b[2 * k] = special[k];
        }
        const gpf_attr attr = gpf_attr_default(op->params);
        sample(op, &attr, a, b, COUNT(a), &s);
        for (size_t k = 0; k < COUNT(a); k++)
            if ((op->arity == 2 || isnan(a[k])) && !ignores_nan(op, a[k], b[k]) && !isnan(s.y[k]))
                fail_msg("%s(%g, %g) = %g", op->name, a[k], b[k], s.y[k]);
    }
}

/* Part 2: ties. What the rules choose exactly on an edge, and the sides around it. */
static const struct tie {
    const char *name;
    double p[2];
    double a, b;   /* the edge */
    double da, db; /* NAN: a jump, no derivative */
} ties[] = {
    { "abs", { 0 }, 0, 0, 0, 0 },
    { "abs", { 0.25 }, 0, 0, 0.25, 0 },
    { "sign", { 0 }, 0, 0, NAN, 0 },
    { "step", { 0 }, 0, 0, NAN, 0 },
    { "greater", { 0 }, 0.7, 0.7, NAN, NAN },
    { "relu", { 0 }, 0, 0, 0, 0 },
    { "relu", { 0.5 }, 0, 0, 0.5, 0 },
    { "relu", { 1 }, 0, 0, 1, 0 },
    { "relu", { 0 }, -0.0, 0, 0, 0 },
    { "leaky_relu", { 0.1, 0 }, 0, 0, 0.1, 0 },
    { "leaky_relu", { 0.1, 1 }, 0, 0, 1, 0 },
    { "leaky_relu", { 0.2, 0.5 }, 0, 0, 0.6, 0 },
    { "prelu", { 0 }, 0, 0.3, 0.3, 0 },
    { "prelu", { 1 }, 0, 0.3, 1, 0 },
    { "elu", { 2, 0 }, 0, 0, 2, 0 },
    { "elu", { 2, 1 }, 0, 0, 1, 0 },
    { "elu", { 0.5, 0.5 }, 0, 0, 0.75, 0 },
    { "max", { 0.5 }, 0.7, 0.7, 0.5, 0.5 },
    { "max", { 1 }, -0.7, -0.7, 1, 0 },
    { "max", { 0 }, 0.7, 0.7, 0, 1 },
    { "min", { 0.5 }, 0.7, 0.7, 0.5, 0.5 },
    { "min", { 1 }, 0.7, 0.7, 1, 0 },
    { "min", { 0 }, -0.7, -0.7, 0, 1 },
    { "clip", { -0.3, 0.9 }, -0.3, 0, 1, 0 },
    { "clip", { -0.3, 0.9 }, 0.9, 0, 1, 0 },
    { "log", { 0 }, 0, 0, INFINITY, 0 },
};

static int side_at(const gpf_op *op, const gpf_attr *attr, double a, double b, double *margin)
{
    const double *x[] = { &a, op->arity == 2 ? &b : NULL, NULL };
    int side = -1;
    op->side(1, &side, margin, x, attr);
    return side;
}

static void test_ties(void **state)
{
    (void)state;
    static sampled s;
    for (size_t i = 0; i < COUNT(ties); i++) {
        const struct tie *t = &ties[i];
        const bool pair = !strcmp(t->name, "prelu") || t->b != 0;
        const gpf_op *op = gpf_op_find(t->name, pair ? 2 : 1);
        assert_non_null(op);
        gpf_attr attr = gpf_attr_default(op->params);
        memcpy(attr.p, t->p, sizeof attr.p);
        sample(op, &attr, &t->a, &t->b, 1, &s);
        const double expected[] = { t->da, t->db };
        for (int j = 0; j < op->arity; j++) {
            assert_int_equal(s.grad[j] == GPF_NONE, isnan(expected[j]));
            if (isnan(expected[j]))
                continue;
            assert_close(s.vjp[j][0], expected[j], 1e-15, 0);
            assert_close(s.jvp[j][0], expected[j], 1e-15, 0);
        }
        /* odd on the edge, two different even pieces beside it, the margin is the distance */
        const double h = 0x1p-10;
        double margin;
        assert_int_equal(side_at(op, &attr, t->a, t->b, &margin) % 2, 1);
        assert_true(margin == 0);
        const int below_it = side_at(op, &attr, t->a - h, t->b, &margin);
        assert_close(margin, h, 1e-12, 0);
        const int above_it = side_at(op, &attr, t->a + h, t->b, &margin);
        assert_close(margin, h, 1e-12, 0);
        assert_int_equal(below_it % 2, 0);
        assert_int_equal(above_it % 2, 0);
        assert_int_not_equal(below_it, above_it);
    }
}

static void test_rows_are_complete(void **state)
{
    (void)state;
    size_t n = 0;
    for (; gpf_op_at(n); n++) {
        const gpf_op *op = gpf_op_at(n);
        assert_non_null(op->name);
        assert_true(op->formula && *op->formula && !strchr(op->formula, '\n'));
        assert_true(op->latex && *op->latex);
        assert_true(op->map || op->eval || op->view);
        assert_false(op->map && op->eval);
        assert_true(op->map || op->shape);
        for (size_t j = 0; j < n; j++)
            assert_false(!strcmp(gpf_op_at(j)->name, op->name) && gpf_op_at(j)->arity == op->arity);
        /* The vjp and the jvp of an input exist together, or neither does and it is a step. */
        const int n_rules = op->arity == GPF_VARIADIC ? 1 : op->arity;
        for (int i = 0; i < 3; i++) {
            assert_int_equal(!op->vjp[i], !op->jvp[i]);
            assert_int_equal(!op->vjp[i], i >= n_rules || op->flags & GPF_OP_STEP);
        }
        assert_true(op->lo <= op->hi);
        assert_false(op->side && !op->map);
        assert_false(op->branch && !op->eval);
        assert_false(op->tie && !op->side && !op->branch);
        if (op->side) {
            size_t listed = 0;
            for (size_t i = 0; i < COUNT(ties); i++)
                listed += !strcmp(ties[i].name, op->name);
            if (!listed)
                fail_msg("%s has an edge that test_ties does not know", op->name);
        }
    }
    assert_true(n >= 47);
    for (n = 0; gpf_fn_at(n); n++) {
        const gpf_fn *fn = gpf_fn_at(n);
        assert_true(fn->formula && *fn->formula && fn->latex && *fn->latex && fn->build);
        assert_null(gpf_op_find(fn->name, fn->arity));
        for (size_t j = 0; j < n; j++)
            assert_string_not_equal(gpf_fn_at(j)->name, fn->name);
    }
    assert_true(n >= 19);
}

/* Part 3: derivatives of everything, on random shapes and layouts. */
/* The graph, point and seeds of one trial. Values in one block each, so that all is freed. */
typedef struct rig {
    feed f;
    gpf_graph *g;
    gpf_node leaf[3], v[3], u, y;
    gpf_point *at;
    size_t N;
    double *values[8];
    size_t n_values;
} rig;

enum layout { DIRECT, TRANSPOSED, SLICED, STRETCHED, N_LAYOUTS };

/* An input of the given shape as a leaf that is not laid out row by row. */
static gpf_node input(rig *r, dice *d, int i, gpf_shape s, gpf_node *leaf)
{
    char name[] = { 'x', (char)('0' + i), 0 };
    const enum layout how = r->f.kind[i] ? DIRECT : (enum layout)below(d, N_LAYOUTS);
    gpf_shape l = s;
    ptrdiff_t start[GPF_MAX_RANK] = { 0 };
    bool has_n = false;
    for (int a = 0; a < s.rank; a++) {
        if (how == TRANSPOSED && s.rank == 2)
            l.dim[a] = s.dim[1 - a];
        if (how == SLICED && s.dim[a] != GPF_N) {
            start[a] = below(d, 2);
            l.dim[a] += start[a] + below(d, 2);
        }
        if (how == STRETCHED && below(d, 2))
            l.dim[a] = 1;
    }
    for (int a = 0; a < l.rank; a++)
        has_n = has_n || l.dim[a] == GPF_N;
    *leaf = has_n || below(d, 4) == 0 ? gpf_data(r->g, name, l) : gpf_param(r->g, name, l);
    return how == TRANSPOSED && s.rank == 2 ? gpf_transpose(r->g, *leaf)
           : how == SLICED                  ? gpf_slice(r->g, *leaf, start, s.dim)
                                            : gpf_broadcast(r->g, *leaf, s);
}

static void rig_build(rig *r, dice *d)
{
    r->g = gpf_graph_alloc();
    r->N = 1 + (size_t)below(d, 3);
    gpf_node x[3] = { GPF_NONE, GPF_NONE, GPF_NONE };
    for (int i = 0; i < r->f.n_x; i++) {
        char name[] = { 'v', (char)('0' + i), 0 };
        x[i] = input(r, d, i, r->f.x[i], &r->leaf[i]);
        r->v[i] = gpf_data(r->g, name, gpf_node_shape(r->g, r->leaf[i]));
    }
    r->y = r->f.op ? gpf_apply(r->g, r->f.op, x, r->f.n_x, &r->f.attr)
                   : r->f.fn->build(r->g, x, &r->f.attr);
    assert_no_error(r->g);
    r->u = gpf_data(r->g, "u", gpf_node_shape(r->g, r->y));
    assert_no_error(r->g);
}

static size_t size_of(const rig *r, gpf_node n)
{
    return gpf_shape_size(gpf_node_shape(r->g, n), r->N);
}

/* Fresh values for every leaf; random u and v of both signs. */
static void rig_draw(rig *r, dice *d)
{
    r->at = gpf_point_alloc(r->g, r->N);
    for (int i = 0; i < r->f.n_x; i++) {
        const size_t n = size_of(r, r->leaf[i]);
        double *x;
        if (gpf_node_is_param(r->g, r->leaf[i])) {
            x = theta(r->at) + gpf_param_offset(r->g, r->leaf[i]);
        } else {
            x = r->values[r->n_values++] = malloc(n * sizeof *x);
            gpf_point_bind(r->at, r->leaf[i], x);
        }
        fill(d, x, n, r->f.lo[i], r->f.hi[i]);
        const gpf_shape s = gpf_node_shape(r->g, r->leaf[i]);
        const size_t row = s.rank ? (size_t)s.dim[s.rank - 1] : 1;
        for (size_t k = 0; k < n; k++) {
            if (r->f.kind[i] == LABEL)
                x[k] = below(d, 3);
            if (r->f.kind[i] == SIGN)
                x[k] = below(d, 2) ? 1 : -1;
            if (r->f.kind[i] == ROW_OF_PROBABILITIES && k % row == 0) {
                double sum = 0;
                for (size_t j = 0; j < row; j++)
                    sum += x[k + j] = between(d, 0.1, 1);
                for (size_t j = 0; j < row; j++)
                    x[k + j] /= sum;
            }
        }
        double *v = r->values[r->n_values++] = malloc(n * sizeof *v);
        fill(d, v, n, -1, 1.5);
        gpf_point_bind(r->at, r->v[i], v);
    }
    double *u = r->values[r->n_values++] = malloc(size_of(r, r->y) * sizeof *u);
    fill(d, u, size_of(r, r->y), -1.5, 1);
    gpf_point_bind(r->at, r->u, u);
}

static void rig_free(rig *r)
{
    for (size_t i = 0; i < r->n_values; i++)
        free(r->values[i]);
    gpf_point_free(r->at);
    gpf_graph_free(r->g);
}

static const char *rig_name(const rig *r)
{
    return r->f.op ? r->f.op->name : r->f.fn->name;
}

/* sum_i a_i b_i and sum |a_i b_i|, added to what is there. */
static void inner(const double *a, const double *b, size_t n, double *sum, double *scale)
{
    real s = 0, m = 0;
    for (size_t i = 0; i < n; i++) {
        s += (real)a[i] * b[i];
        m += fabsl((real)a[i] * b[i]);
    }
    *sum += (double)s;
    *scale += (double)m;
}

static double *values_of(const rig *r, gpf_node n)
{
    double *x = malloc(size_of(r, n) * sizeof *x);
    evaluate(r->g, r->at, &n, 1, x);
    return x;
}

/* Compares the gradient nodes of f (one element) with differences; how many elements were. */
static size_t against_differences(const rig *r, gpf_node f, const gpf_node *grads, double tolerance,
                                  const char *what)
{
    size_t compared = 0;
    gpf_damage *damage = gpf_damage_alloc(r->g, f, r->leaf, (size_t)r->f.n_x, r->N);
    assert_non_null(damage);
    double y;
    assert_int_equal(gpf_damage_base(damage, r->at, &y), GSL_SUCCESS);
    gpf_overlay *o = gpf_overlay_alloc(damage);
    for (int i = 0; i < r->f.n_x; i++) {
        if (r->f.kind[i])
            continue;
        const size_t n = size_of(r, r->leaf[i]);
        double *a = grads[i] == GPF_NONE ? NULL : values_of(r, grads[i]), scale = fabs(y);
        for (size_t k = 0; a && k < n; k++)
            scale = fmax(scale, fabs(a[k]));
        for (size_t k = 0; k < n; k++) {
            const double numeric = slope(o, (size_t)i, k, 1e-3);
            if (isnan(numeric))
                continue;
            if (!close_to(a ? a[k] : 0, numeric, 0, tolerance * scale + 1e-13))
                fail_msg("%s of %s by input %d, element %zu: %.12g, differences %.12g", what,
                         rig_name(r), i, k, a ? a[k] : 0, numeric);
            compared++;
        }
        free(a);
    }
    gpf_overlay_free(o);
    gpf_damage_free(damage);
    return compared;
}

/* Every op a rule emits has rules itself, or is a step: derivatives of any order exist. */
static void assert_closed(const gpf_graph *g)
{
    for (gpf_node n = 1; n < (gpf_node)gpf_graph_n_nodes(g); n++) {
        const gpf_op *op = gpf_node_op(g, n);
        const int rules = op->arity == GPF_VARIADIC ? 1 : op->arity;
        for (int i = 0; i < rules && !(op->flags & GPF_OP_STEP); i++)
            assert_true(op->vjp[i] && op->jvp[i]);
    }
}

static bool any(const gpf_node *n, int count)
{
    for (int i = 0; i < count; i++)
        if (n[i] != GPF_NONE)
            return true;
    return false;
}

/* Adds up sum(a_i * b_i) as a node; GPF_NONE if all a_i are. */
static gpf_node contract(gpf_graph *g, const gpf_node *a, const gpf_node *b, int n)
{
    gpf_node total = GPF_NONE;
    for (int i = 0; i < n; i++)
        if (a[i] != GPF_NONE) {
            const gpf_node part = gpf_sum(g, gpf_mul(g, a[i], b[i]), GPF_ALL_AXES);
            total = total == GPF_NONE ? part : gpf_add(g, total, part);
        }
    return total;
}

/* First order, adjoint identity, second order two ways. How many elements met differences. */
static size_t all_derivatives(rig *r)
{
    gpf_graph *g = r->g;
    const size_t n = (size_t)r->f.n_x;
    const gpf_node f = gpf_sum(g, gpf_mul(g, r->y, r->u), GPF_ALL_AXES);
    gpf_node grad[3], jv, gg[3] = { GPF_NONE, GPF_NONE, GPF_NONE }, hv[3];
    assert_int_equal(gpf_vjp(g, r->y, r->u, r->leaf, n, grad), GSL_SUCCESS);
    assert_int_equal(gpf_jvp(g, r->y, r->leaf, r->v, n, &jv), GSL_SUCCESS);
    assert_int_equal(any(grad, r->f.n_x), jv != GPF_NONE);
    size_t compared = against_differences(r, f, grad, 2e-8, "gradient");
    if (jv == GPF_NONE) {
        assert_true(!r->f.op || r->f.op->flags & GPF_OP_STEP);
        return compared;
    }
    assert_closed(g);

    /* <u, J v> = <J' u, v> */
    double left = 0, right = 0, scale = 0;
    double *j = values_of(r, jv), *u = values_of(r, r->u);
    inner(u, j, size_of(r, r->y), &left, &scale);
    free(j);
    free(u);
    for (size_t i = 0; i < n; i++) {
        if (grad[i] == GPF_NONE)
            continue;
        double *a = values_of(r, grad[i]), *v = values_of(r, r->v[i]);
        inner(a, v, size_of(r, r->leaf[i]), &right, &scale);
        free(a);
        free(v);
    }
    if (!close_to(left, right, 0, 1e-13 * scale + 1e-15))
        fail_msg("%s: <u, Jv> = %.17g but <J'u, v> = %.17g", rig_name(r), left, right);

    /* H v: reverse over reverse, forward over reverse, differences of <J'u, v> */
    const gpf_node gv = contract(g, grad, r->v, r->f.n_x);
    assert_int_equal(gpf_grad(g, gv, r->leaf, n, gg), GSL_SUCCESS);
    assert_int_equal(gpf_hvp(g, f, r->leaf, r->v, n, hv), GSL_SUCCESS);
    assert_closed(g);
    compared += against_differences(r, gv, gg, 1e-6, "second derivative");
    for (size_t i = 0; i < n; i++) {
        double *a = gg[i] == GPF_NONE ? NULL : values_of(r, gg[i]);
        double *b = hv[i] == GPF_NONE ? NULL : values_of(r, hv[i]);
        double most = 1e-300;
        for (size_t k = 0; (a || b) && k < size_of(r, r->leaf[i]); k++)
            most = fmax(most, fmax(a ? fabs(a[k]) : 0, b ? fabs(b[k]) : 0));
        for (size_t k = 0; (a || b) && k < size_of(r, r->leaf[i]); k++)
            if (!close_to(a ? a[k] : 0, b ? b[k] : 0, 0, 1e-12 * (1 + most)))
                fail_msg("%s: element %zu of Hv is %.17g in reverse, %.17g forward", rig_name(r), k,
                         a ? a[k] : 0, b ? b[k] : 0);
        free(a);
        free(b);
    }
    return compared;
}

/* What a row promises by itself: strides, aliasing, strips, flags, sides, folds, first and second
 * derivatives in company of others (gpf_check_op); on random shapes and attributes. */
static bool may_lose_nan(const gpf_op *op)
{
    static const gpf_op *const rows[] = { &gpf_op_pow, &gpf_op_prelu, &gpf_op_slice,
                                          &gpf_op_diag_part, &gpf_op_trace };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (op == rows[i])
            return true;
    return false;
}

static void test_rows_alone(void **state)
{
    (void)state;
    enum { SEEDS = 6 };
    dice d = { 17 };
    for (size_t i = 0; gpf_op_at(i); i++)
        for (unsigned long seed = 1; seed <= SEEDS; seed++) {
            feed f = { .op = gpf_op_at(i),
                       .n_x = gpf_op_at(i)->arity,
                       .attr = gpf_attr_default(gpf_op_at(i)->params) };
            feed_row(&d, &f);
            gpf_op_options how = { .attr = &f.attr, .n_x = f.n_x, .points = 2, .seed = seed };
            /* Shapes that broadcast are found without help. */
            if (!is_elementwise(f.op) && f.n_x > 0) {
                how.shapes = f.x;
                how.n_shapes = 1;
            }
            gpf_diag why = { 0 };
            gpf_op_check *c = gpf_check_op(f.op, &how, &why);
            if (!c)
                fail_msg("%s: %s", f.op->name, why.text);
            for (size_t k = 0; k < gpf_op_check_n_cases(c); k++) {
                const gpf_op_case *e = gpf_op_check_case(c, k);
                if (e->verdict == GPF_WRONG || (!strcmp(e->aspect, "NaN") && !may_lose_nan(f.op)))
                    fail_msg("%s, seed %lu: %s of input %d: %s", f.op->name, seed, e->aspect,
                             e->input, e->text);
            }
            gpf_op_check_free(c);
        }
}

static void test_row_derivatives(void **state)
{
    (void)state;
    enum { TRIALS = 100 };
    dice d = { 5 };
    for (size_t i = 0; gpf_op_at(i); i++) {
        size_t compared = 0;
        for (int trial = 0; trial < TRIALS; trial++) {
            rig r = { .f = { .op = gpf_op_at(i), .n_x = gpf_op_at(i)->arity } };
            r.f.attr = gpf_attr_default(r.f.op->params);
            feed_row(&d, &r.f);
            rig_build(&r, &d);
            rig_draw(&r, &d);
            if (r.f.n_x > 0)
                compared += all_derivatives(&r);
            rig_free(&r);
        }
        if (compared < 3 * TRIALS && gpf_op_at(i)->arity != 0 && gpf_op_at(i) != &gpf_op_one_hot)
            fail_msg("%s: only %zu elements compared", gpf_op_at(i)->name, compared);
    }
}

/* Part 4: composed functions. X(name, how terms add up, term); ranges: feed_function. */
enum gather { EACH, TOTAL, LOSS, OWN };
#define FUNCTIONS(X)                                                                               \
    X(mean, OWN, 0)                                                                                \
    X(variance, OWN, 0)                                                                            \
    X(swish, EACH, a / (1 + expl(-p[0] * a)))                                                      \
    X(gelu, EACH, a *(1 + erfl(a / sqrtl(2))) / 2)                                                 \
    X(softsign, EACH, a / (1 + fabsl(a)))                                                          \
    X(mish, EACH, a *tanhl(log1pl(expl(a))))                                                       \
    X(selu, EACH,                                                                                  \
      1.0507009873554804934193349852946L *                                                         \
          (a > 0 ? a : 1.6732632423543772848170429916717L * expm1l(a)))                            \
    X(mse, LOSS, (a - b) * (a - b))                                                                \
    X(mae, LOSS, fabsl(a - b))                                                                     \
    X(bce, LOSS, -b *logl(a) - (1 - b) * logl(1 - a))                                              \
    X(bce_with_logits, LOSS, log1pl(expl(a)) - a * b)                                              \
    X(cross_entropy, OWN, 0)                                                                       \
    X(hinge, LOSS, a *b < 1 ? 1 - a * b : 0)                                                       \
    X(huber, LOSS, fabsl(a - b) < p[0] ? (a - b) * (a - b) / 2 : p[0] * (fabsl(a - b) - p[0] / 2)) \
    X(half_sse, TOTAL, (a - b) * (a - b) / 2)                                                      \
    X(dot, TOTAL, a *b)                                                                            \
    X(l1, TOTAL, fabsl(a))                                                                         \
    X(l2, TOTAL, a *a / 2)                                                                         \
    X(norm, OWN, 0)

#define TERM(name, how, term)                                \
    static real name##_term(real a, real b, const double *p) \
    {                                                        \
        (void)a, (void)b, (void)p;                           \
        return (term);                                       \
    }
FUNCTIONS(TERM)

static const struct function {
    const char *name;
    enum gather how;
    real (*term)(real a, real b, const double *p);
} functions[] = {
#define LINE(name, how, term) { #name, how, name##_term },
    FUNCTIONS(LINE)
};

/* Functions that are not sums of terms, over all of a (rows x cols). */
static real own_value(const char *name, const double *a, const double *b, size_t rows, size_t cols)
{
    const size_t n = rows * cols;
    real sum = 0, squares = 0, total = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i];
    for (size_t i = 0; i < n; i++)
        squares += (a[i] - sum / (real)n) * (a[i] - sum / (real)n);
    if (!strcmp(name, "mean"))
        return sum / (real)n;
    if (!strcmp(name, "variance"))
        return squares / (real)n;
    if (!strcmp(name, "norm")) {
        for (size_t i = 0; i < n; i++)
            total += (real)a[i] * a[i];
        return sqrtl(total);
    }
    assert_string_equal(name, "cross_entropy");
    for (size_t i = 0; i < rows; i++) {
        real z = 0;
        for (size_t j = 0; j < cols; j++)
            z += expl(a[i * cols + j]);
        for (size_t j = 0; j < cols; j++)
            total -= b[i * cols + j] * (a[i * cols + j] - logl(z));
    }
    return total; /* mean: divided by rows, by the caller */
}

static void check_values(const rig *r, const struct function *f, size_t rows, size_t cols)
{
    const size_t n = rows * cols;
    double *y = values_of(r, r->y), *a = values_of(r, r->leaf[0]);
    double *b = r->f.n_x == 2 ? values_of(r, r->leaf[1]) : NULL;
    real total = 0;
    for (size_t i = 0; i < n; i++) {
        const real t = f->term(a[i], b ? b[i] : 0, r->f.attr.p);
        if (f->how == EACH)
            assert_close(y[i], (double)t, 2e-15, 1e-15);
        total += t;
    }
    const ptrdiff_t reduction = r->f.fn->params ? r->f.attr.k[0] : GPF_SUM;
    const bool counted = !strcmp(f->name, "cross_entropy");
    if (f->how == OWN)
        total = own_value(f->name, a, b, rows, cols);
    if ((f->how == LOSS || counted) && reduction != GPF_SUM)
        total *= reduction == GPF_HALF_SUM ? 0.5L : 1 / (real)(counted ? rows : n);
    if (f->how != EACH)
        assert_close(y[0], (double)total, 4e-15, 1e-15);
    free(y);
    free(a);
    free(b);
}

static void test_functions(void **state)
{
    (void)state;
    dice d = { 21 };
    size_t n = 0;
    for (; gpf_fn_at(n); n++) {
        const struct function *f = NULL;
        for (size_t i = 0; i < COUNT(functions); i++)
            if (!strcmp(functions[i].name, gpf_fn_at(n)->name))
                f = &functions[i];
        if (!f)
            fail_msg("no line for the function %s", gpf_fn_at(n)->name);
        for (int trial = 0; trial < 9; trial++) {
            const gpf_fn *fn = gpf_fn_at(n);
            rig r = { .f = { .fn = fn, .n_x = fn->arity } };
            r.f.attr = gpf_attr_default(fn->params);
            const bool loss = fn->params && fn->params[0].kind == GPF_REDUCTION;
            if (loss)
                r.f.attr.k[0] = trial % 3;
            feed_function(&d, &r.f);
            r.f.x[0] = r.f.x[1] = gpf_shape2(trial % 2 ? GPF_N : 4, 3);
            rig_build(&r, &d);
            rig_draw(&r, &d);
            if (gpf_shape_equal(gpf_node_shape(r.g, r.leaf[0]), r.f.x[0]) &&
                (fn->arity == 1 || gpf_shape_equal(gpf_node_shape(r.g, r.leaf[1]), r.f.x[0])))
                check_values(&r, f, trial % 2 ? r.N : 4, 3);
            assert_true(all_derivatives(&r) > 0);
            rig_free(&r);
        }
    }
    assert_int_equal(n, COUNT(functions));
}

/* Part 5: constructors. Each makes a node of its own row. */
static gpf_node leaf_for(gpf_graph *g, const char *name)
{
    const gpf_node n = gpf_graph_find(g, name);
    return n != GPF_NONE ? n : gpf_param(g, name, gpf_shape2(3, 3));
}

static gpf_node make_U(gpf_graph *g, const gpf_op *row, gpf_node (*f)(gpf_graph *, gpf_node))
{
    const gpf_node x = leaf_for(g, "x");
    return f(g, row == &gpf_op_diagonal ? gpf_sum(g, x, 1) : x);
}

static gpf_node make_B(gpf_graph *g, gpf_node (*f)(gpf_graph *, gpf_node, gpf_node))
{
    return f(g, leaf_for(g, "x"), leaf_for(g, "w"));
}

static gpf_node make_R(gpf_graph *g, gpf_node (*f)(gpf_graph *, gpf_node, ptrdiff_t))
{
    const gpf_node y = f(g, leaf_for(g, "x"), 2);
    assert_int_equal(gpf_node_attr(g, y)->k[0], 2);
    return y;
}

static gpf_node make_P(gpf_graph *g, gpf_node (*f)(gpf_graph *, gpf_node, double))
{
    const gpf_node y = f(g, leaf_for(g, "x"), 0.25);
    assert_true(gpf_node_attr(g, y)->p[0] == 0.25);
    return y;
}

static gpf_node make_Q(gpf_graph *g, gpf_node (*f)(gpf_graph *, gpf_node, double, double))
{
    const gpf_node y = f(g, leaf_for(g, "x"), 0.25, 0.75);
    assert_true(gpf_node_attr(g, y)->p[0] == 0.25 && gpf_node_attr(g, y)->p[1] == 0.75);
    return y;
}

/* The ones with arguments of their own. */
static gpf_node make_S(gpf_graph *g, const gpf_op *row)
{
    const gpf_node x = leaf_for(g, "x"), pair[] = { x, x };
    const ptrdiff_t start[] = { 1, 0 }, size[] = { 2, 3 };
    if (row == &gpf_op_size)
        return gpf_size(g, gpf_data(g, "rows", gpf_shape1(GPF_N)), GPF_ALL_AXES);
    return row == &gpf_op_reshape     ? gpf_reshape(g, x, gpf_shape1(9))
           : row == &gpf_op_broadcast ? gpf_broadcast(g, x, shape_of(3, 2, 3, 3, 1))
           : row == &gpf_op_slice     ? gpf_slice(g, x, start, size)
           : row == &gpf_op_pad       ? gpf_pad(g, x, start, gpf_shape2(5, 3))
           : row == &gpf_op_concat    ? gpf_concat(g, pair, 2, 1)
           : row == &gpf_op_one_hot   ? gpf_one_hot(g, gpf_param(g, "labels", gpf_shape1(2)), 4)
                                      : GPF_NONE;
}

static void test_constructors(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
#define MAKE_U(name) make_U(g, &gpf_op_##name, gpf_##name)
#define MAKE_B(name) make_B(g, gpf_##name)
#define MAKE_R(name) make_R(g, gpf_##name)
#define MAKE_P(name) make_P(g, gpf_##name)
#define MAKE_Q(name) make_Q(g, gpf_##name)
#define MAKE_S(name) make_S(g, &gpf_op_##name)
#define MAKE(kind, name) assert_ptr_equal(gpf_node_op(g, MAKE_##kind(name)), &gpf_op_##name);
    GPF_OP_LIST(MAKE)
    assert_no_error(g);
    gpf_graph_free(g);
}

/* Part 6: what must not happen at +-800 (N1 .. N6): values and gradients against the truth. */
static real sigma(real z)
{
    return 1 / (1 + expl(-z));
}

static real soft(real z)
{
    return z > 50 ? z + log1pl(expl(-z)) : log1pl(expl(z));
}

static gpf_node number(gpf_graph *g, double c)
{
    return gpf_const(g, c);
}

/* Each as a person writes it, elementwise in z; y is the target of the losses. */
static gpf_node log_sigmoid(gpf_graph *g, gpf_node z, gpf_node y)
{
    (void)y;
    return gpf_log(g, gpf_sigmoid(g, z));
}
static real log_sigmoid_at(real z, real y)
{
    return (void)y, -soft(-z);
}
static real log_sigmoid_d(real z, real y)
{
    return (void)y, sigma(-z);
}

static gpf_node log_rest(gpf_graph *g, gpf_node z, gpf_node y)
{
    (void)y;
    return gpf_log(g, gpf_sub(g, number(g, 1), gpf_sigmoid(g, z)));
}
static real log_rest_at(real z, real y)
{
    return (void)y, -soft(z);
}
static real log_rest_d(real z, real y)
{
    return (void)y, -sigma(z);
}

static gpf_node log1p_rest(gpf_graph *g, gpf_node z, gpf_node y)
{
    (void)y;
    return gpf_log1p(g, gpf_neg(g, gpf_sigmoid(g, z)));
}

static gpf_node log_one_exp(gpf_graph *g, gpf_node z, gpf_node y)
{
    (void)y;
    return gpf_log(g, gpf_add(g, number(g, 1), gpf_exp(g, z)));
}
static real soft_at(real z, real y)
{
    return (void)y, soft(z);
}
static real soft_d(real z, real y)
{
    return (void)y, sigma(z);
}

static gpf_node bce_written(gpf_graph *g, gpf_node z, gpf_node y)
{
    return gpf_bce(g, gpf_sigmoid(g, z), y, GPF_SUM);
}
static gpf_node bce_fused(gpf_graph *g, gpf_node z, gpf_node y)
{
    return gpf_bce_with_logits(g, z, y, GPF_SUM);
}
static real bce_at(real z, real y)
{
    return y * soft(-z) + (1 - y) * soft(z);
}
static real bce_d(real z, real y)
{
    return -y * sigma(-z) + (1 - y) * sigma(z);
}

static const struct {
    gpf_node (*build)(gpf_graph *g, gpf_node z, gpf_node y);
    real (*at)(real z, real y), (*d)(real z, real y);
} stable[] = {
    { log_sigmoid, log_sigmoid_at, log_sigmoid_d },
    { log_rest, log_rest_at, log_rest_d },
    { log1p_rest, log_rest_at, log_rest_d },
    { log_one_exp, soft_at, soft_d },
    { bce_written, bce_at, bce_d },
    { bce_fused, bce_at, bce_d },
};

static void test_stable_forms(void **state)
{
    (void)state;
    const double zs[] = { 0, 1e-10, -1e-10, 2.5, -2.5, 37, -37, 40, -40, 710, -710, 800, -800 };
    const double ys[] = { 0, 1, 0.3 };
    for (size_t f = 0; f < COUNT(stable); f++) {
        gpf_graph *g = gpf_graph_alloc();
        const gpf_node z = gpf_param(g, "z", gpf_shape1(1)), y = gpf_data(g, "y", gpf_shape1(1));
        const gpf_node nodes[] = { gpf_sum(g, stable[f].build(g, z, y), GPF_ALL_AXES) };
        gpf_node d, dot, one = gpf_broadcast(g, number(g, 1), gpf_shape1(1));
        gpf_grad(g, nodes[0], &z, 1, &d);
        gpf_jvp(g, nodes[0], &z, &one, 1, &dot);
        assert_no_error(g);
        gpf_point *at = gpf_point_alloc(g, 0);
        for (size_t i = 0; i < COUNT(zs); i++)
            for (size_t j = 0; j < COUNT(ys); j++) {
                theta(at)[0] = zs[i];
                gpf_point_bind(at, y, &ys[j]);
                const double truth = (double)stable[f].at(zs[i], ys[j]);
                const double slope_truth = (double)stable[f].d(zs[i], ys[j]);
                assert_close(evaluate1(g, at, nodes[0]), truth, 1e-14, 1e-307);
                assert_close(evaluate1(g, at, d), slope_truth, 1e-14, 1e-307);
                assert_close(evaluate1(g, at, dot), slope_truth, 2e-13, 1e-307);
            }
        gpf_point_free(at);
        gpf_graph_free(g);
    }
}

static void test_stable_softmax(void **state)
{
    (void)state;
    static const double logits[][2] = {
        { 800, 0 }, { 0, 800 }, { 1000, -1000 }, { 1e4, 1e4 }, { -800, -801 }
    };
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node z = gpf_param(g, "z", gpf_shape2(1, 2)), y = gpf_data(g, "y", gpf_shape2(1, 2));
    const gpf_node mu = gpf_softmax(g, z);
    const gpf_node losses[] = {
        gpf_cross_entropy(g, z, y, GPF_MEAN),
        gpf_neg(g, gpf_sum(g, gpf_mul(g, y, gpf_log(g, mu)), GPF_ALL_AXES)),
    };
    gpf_point *at = gpf_point_alloc(g, 0);
    for (size_t i = 0; i < COUNT(logits); i++)
        for (int hot = 0; hot < 2; hot++)
            for (size_t f = 0; f < COUNT(losses); f++) {
                const double target[] = { hot == 0, hot == 1 };
                memcpy(theta(at), logits[i], sizeof logits[i]);
                gpf_point_bind(at, y, target);
                /* -log mu_hot = softplus(z_other - z_hot); gradient mu - y */
                const real gap = (real)logits[i][1 - hot] - logits[i][hot];
                gpf_node d;
                double got[2];
                assert_int_equal(gpf_grad(g, losses[f], &z, 1, &d), GSL_SUCCESS);
                assert_close(evaluate1(g, at, losses[f]), (double)soft(gap), 1e-14, 1e-15);
                evaluate(g, at, &d, 1, got);
                for (int j = 0; j < 2; j++)
                    assert_close(got[j], (double)(j == hot ? -sigma(gap) : sigma(gap)), 1e-14,
                                 1e-15);
            }
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* Where p = sigmoid(z) is itself an x, log(p) is log(p): the twin -softplus(-z) would bypass it. */
static void test_stable_form_does_not_bypass(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node z = gpf_param(g, "z", gpf_shape0()), p = gpf_sigmoid(g, z);
    const gpf_node y = gpf_log(g, p), q = gpf_log(g, gpf_sub(g, number(g, 1), p));
    assert_int_not_equal(gpf_node_stable(g, y), GPF_NONE);
    assert_int_not_equal(gpf_node_stable(g, q), GPF_NONE);
    const gpf_node xs[] = { z, p };
    gpf_node dy[2], dq[2], dot;
    assert_int_equal(gpf_grad(g, y, xs, 2, dy), GSL_SUCCESS);
    assert_int_equal(gpf_grad(g, q, xs, 2, dq), GSL_SUCCESS);
    gpf_point *at = gpf_point_alloc(g, 0);
    theta(at)[0] = 0.3;
    const double s = (double)sigma(0.3L);
    assert_close(evaluate1(g, at, dy[0]), 1 - s, 1e-15, 0);
    assert_close(evaluate1(g, at, dy[1]), 1 / s, 1e-15, 0);
    assert_close(evaluate1(g, at, dq[0]), -s, 1e-15, 0);
    assert_close(evaluate1(g, at, dq[1]), -1 / (1 - s), 1e-15, 0);
    const gpf_node one = number(g, 1);
    assert_int_equal(gpf_jvp(g, y, &p, &one, 1, &dot), GSL_SUCCESS);
    assert_close(evaluate1(g, at, dot), 1 / s, 1e-15, 0);

    gpf_damage *damage = gpf_damage_alloc(g, y, xs, 2, 0);
    gpf_overlay *o = gpf_overlay_alloc(damage);
    const double t[] = { 0.125 };
    double f, base;
    assert_int_equal(gpf_damage_base(damage, at, &base), GSL_SUCCESS);
    assert_true(gpf_damage_depends(damage, 0) && gpf_damage_depends(damage, 1));
    assert_int_equal(gpf_overlay_values(o, 1, 0, t, 1, &f, NULL), GSL_SUCCESS);
    assert_close(f, log(s + 0.125), 1e-15, 0);
    assert_int_equal(gpf_overlay_values(o, 0, 0, t, 1, &f, NULL), GSL_SUCCESS);
    assert_close(f, (double)log_sigmoid_at(0.425L, 0), 1e-14, 0);
    gpf_overlay_free(o);
    gpf_damage_free(damage);
    gpf_point_free(at);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_complete),
        cmocka_unit_test(test_constructors),
        cmocka_unit_test(test_elementwise_values),
        cmocka_unit_test(test_special_points),
        cmocka_unit_test(test_nan_propagates),
        cmocka_unit_test(test_ties),
        cmocka_unit_test(test_rows_alone),
        cmocka_unit_test(test_row_derivatives),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_stable_forms),
        cmocka_unit_test(test_stable_softmax),
        cmocka_unit_test(test_stable_form_does_not_bypass),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
