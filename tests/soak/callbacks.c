/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random callbacks with a right Jacobian, of smooth, noisy and piecewise functions: not one entry may
 * be accused. Smooth ones with a planted error: it must be flagged wherever the right entry is
 * resolved. The truth behind the error bars is forward mode in long double.
 *
 *     callbacks [callbacks [seed]]
 */
#include <gradproof.h>
#include <gsl/gsl_blas.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEW_N = 6, FEW_M = 5, MOST_N = 30, MOST_M = 200, MOST_NODES = 60 };

typedef enum op {
    CONSTANT,
    VARIABLE,
    ADD,
    SUB,
    MUL,
    DIV,
    SIN,
    EXP,
    TANH,
    POW,
    LOG,
    SQRT,
    OFFSET,
    ABS,
    MAX,
    RELU,
    N_OPS
} op;

typedef struct expression_node {
    op op;
    int a, b;
    double c;
} expression_node;

/* What is added to the exact values. */
typedef enum noise_kind { NONE, HASH, RANDOM, ROUNDED, FLOAT, STOPPED, TABLE, N_NOISES } noise_kind;
static const char *const noise_name[] = { "none",  "hash of x",         "random", "rounded",
                                          "float", "stopped iteration", "table" };

typedef struct callback {
    size_t n, m;
    double x[MOST_N], scale[MOST_N], size[MOST_M];
    int n_node, value[MOST_M];
    expression_node node[MOST_NODES];
    noise_kind noise;
    double amount; /* relative */
    gsl_rng *random;
    double J[MOST_M * MOST_N]; /* what df returns at x, if fault is set */
    bool fixed;
    bool lossless; /* no digits are lost but those that noise takes */
} callback;

/* Value and derivatives of all nodes by forward mode, in both precisions. */
#define FORWARD(NAME, T, SIN_, COS_, EXP_, TANH_, POW_, LOG_, SQRT_)                       \
    static void NAME(const callback *c, const double *x, T *f, T *J)                       \
    {                                                                                      \
        static T v[MOST_NODES], d[MOST_NODES][MOST_N];                                     \
        for (int k = 0; k < c->n_node; k++) {                                              \
            const expression_node *e = &c->node[k];                                        \
            const T a = e->a >= 0 ? v[e->a] : 0, b = e->b >= 0 ? v[e->b] : 0, s = (T)e->c; \
            T da = 0, db = 0, y = 0;                                                       \
            switch (e->op) {                                                               \
            case CONSTANT:                                                                 \
                y = s;                                                                     \
                break;                                                                     \
            case VARIABLE:                                                                 \
                y = (T)x[e->b] / s;                                                        \
                break;                                                                     \
            case ADD:                                                                      \
                y = a + b, da = db = 1;                                                    \
                break;                                                                     \
            case SUB:                                                                      \
                y = a - b, da = 1, db = -1;                                                \
                break;                                                                     \
            case MUL:                                                                      \
                y = a * b, da = b, db = a;                                                 \
                break;                                                                     \
            case DIV:                                                                      \
                y = a / (1 + b * b), da = 1 / (1 + b * b), db = -2 * b * y * da;           \
                break;                                                                     \
            case SIN:                                                                      \
                y = SIN_(s * a), da = s * COS_(s * a);                                     \
                break;                                                                     \
            case EXP:                                                                      \
                y = da = EXP_(a);                                                          \
                break;                                                                     \
            case TANH:                                                                     \
                y = TANH_(a), da = 1 - y * y;                                              \
                break;                                                                     \
            case POW:                                                                      \
                y = POW_(1 + a * a, s), da = 2 * a * s * y / (1 + a * a);                  \
                break;                                                                     \
            case LOG:                                                                      \
                y = LOG_(1 + a * a), da = 2 * a / (1 + a * a);                             \
                break;                                                                     \
            case SQRT:                                                                     \
                y = SQRT_(1 + a * a), da = a / y;                                          \
                break;                                                                     \
            case OFFSET:                                                                   \
                y = a + s, da = 1;                                                         \
                break;                                                                     \
            case ABS:                                                                      \
                y = a < 0 ? -a : a, da = a < 0 ? -1 : 1;                                   \
                break;                                                                     \
            case MAX:                                                                      \
                y = a > b ? a : b, da = a > b, db = !(a > b);                              \
                break;                                                                     \
            case RELU:                                                                     \
                y = a > 0 ? a : 0, da = a > 0;                                             \
                break;                                                                     \
            case N_OPS:                                                                    \
                break;                                                                     \
            }                                                                              \
            v[k] = y;                                                                      \
            for (size_t j = 0; J && j < c->n; j++)                                         \
                d[k][j] = e->op == VARIABLE ? ((size_t)e->b == j ? 1 / s : 0)              \
                                            : (e->a >= 0 ? da * d[e->a][j] : 0) +          \
                                                  (e->b >= 0 ? db * d[e->b][j] : 0);       \
        }                                                                                  \
        for (size_t i = 0; i < c->m; i++) {                                                \
            f[i] = v[c->value[i]] * (T)c->size[i];                                         \
            for (size_t j = 0; J && j < c->n; j++)                                         \
                J[i * c->n + j] = d[c->value[i]][j] * (T)c->size[i];                       \
        }                                                                                  \
    }
FORWARD(forward, double, sin, cos, exp, tanh, pow, log, sqrt)
FORWARD(forward_long, long double, sinl, cosl, expl, tanhl, powl, logl, sqrtl)

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* In [-1, 1). */
static double hash(const double *x, size_t n, uint64_t i)
{
    uint64_t h = i;
    for (size_t j = 0; j < n; j++) {
        uint64_t bits;
        memcpy(&bits, &x[j], sizeof bits);
        h = mix(h + bits + 0x9e3779b97f4a7c15u);
    }
    return (double)(h >> 11) * 0x1p-52 - 1;
}

/* y (1 + q^k), where k is the number of steps until that is small enough: how fast an iteration
 * converges depends on x. */
static double stopped(const callback *c, const double *x, double y)
{
    double q = 0.5, error = 1;
    for (size_t j = 0; j < c->n; j++)
        q += 0.3 / (double)c->n * sin(x[j] / c->scale[j] * (1 + (double)j));
    while (error > c->amount)
        error *= q;
    return y * (1 + error);
}

/* What is linear between the entries of a table is off by arcs between them; with kinks at those. */
static double zigzag(const callback *c, const double *x)
{
    double off = 0;
    for (size_t j = 0; j < c->n; j++) {
        const double u = x[j] / c->scale[j] / sqrt(c->amount), at = u - floor(u);
        off += at * (1 - at) / (double)c->n;
    }
    return off;
}

static double with_noise(const callback *c, const double *x, size_t i, double y)
{
    int exponent;
    switch (c->noise) {
    case HASH:
        return y * (1 + c->amount * hash(x, c->n, i));
    case RANDOM:
        return y * (1 + c->amount * gsl_ran_gaussian(c->random, 1));
    case ROUNDED:
        frexp(y, &exponent);
        exponent -= (int)ceil(-log2(c->amount));
        return ldexp(round(ldexp(y, -exponent)), exponent);
    case FLOAT:
        return fabs(y) < 1e30 && fabs(y) > 1e-30 ? (double)(float)y : y;
    case STOPPED:
        return stopped(c, x, y);
    case TABLE:
        return y * (1 + c->amount * zigzag(c, x));
    default:
        return y;
    }
}

static int f(const gsl_vector *x, void *params, gsl_vector *values)
{
    const callback *c = params;
    double y[MOST_M];
    forward(c, x->data, y, NULL);
    for (size_t i = 0; i < c->m; i++)
        gsl_vector_set(values, i, with_noise(c, x->data, i, y[i]));
    return GSL_SUCCESS;
}

static int df(const gsl_vector *x, void *params, gsl_matrix *J)
{
    const callback *c = params;
    double y[MOST_M], d[MOST_M * MOST_N];
    if (c->fixed) /* a fault: of the wrong entry only the value at x matters */
        memcpy(d, c->J, sizeof d);
    else
        forward(c, x->data, y, d);
    for (size_t i = 0; i < c->m; i++)
        for (size_t j = 0; j < c->n; j++)
            gsl_matrix_set(J, i, j, d[i * c->n + j]);
    return GSL_SUCCESS;
}

static double uniform(gsl_rng *r, double lo, double hi)
{
    return lo + (hi - lo) * gsl_rng_uniform(r);
}

static unsigned pick(gsl_rng *r, unsigned n)
{
    return (unsigned)gsl_rng_uniform_int(r, n);
}

/* The value of the newest node at x. */
static double value_of(callback *c, int k)
{
    callback one = *c;
    double y[MOST_M];
    one.m = 1;
    one.value[0] = k;
    one.size[0] = 1;
    forward(&one, c->x, y, NULL);
    return y[0];
}

static int append(callback *c, op o, int a, int b, double s)
{
    c->node[c->n_node] = (expression_node){ o, a, b, s };
    return c->n_node++;
}

static int random_expression(callback *c, gsl_rng *r, bool kinks);

/* u - (its value at x) + a distance: |.|, max or relu of that has its kink so far from x. */
static int kinked(callback *c, gsl_rng *r, int a)
{
    const double distance = pick(r, 4) ? (pick(r, 2) ? 1 : -1) * pow(10, uniform(r, -13, 0)) : 0,
                 here = value_of(c, a);
    const op o = (op)(ABS + pick(r, 3));
    if (o == MAX) {
        const int slope = append(c, MUL, a, append(c, CONSTANT, -1, -1, uniform(r, -2, 2)), 0),
                  b = append(c, OFFSET, slope, -1, here - value_of(c, slope) + distance);
        return append(c, MAX, a, b, 0);
    }
    return append(c, o, append(c, OFFSET, a, -1, distance - here), -1, 0);
}

static int random_expression(callback *c, gsl_rng *r, bool kinks)
{
    int live[MOST_NODES], n = 0;
    const unsigned leaves = 1 + pick(r, 5), first = pick(r, (unsigned)c->n);
    for (unsigned k = 0; k < leaves; k++) {
        const size_t j = (first + k) % c->n;
        live[n++] = append(c, VARIABLE, -1, (int)j, c->scale[j]);
    }
    for (unsigned steps = 1 + leaves / 2 + pick(r, 6); steps > 0 && c->n_node < MOST_NODES - 12;
         steps--) {
        /* mostly what came last, so that it does not go to waste */
        const int a = live[pick(r, 3) ? n - 1 : (int)pick(r, (unsigned)n)],
                  b = live[pick(r, (unsigned)n)];
        const double size = fabs(value_of(c, a));
        if (kinks && pick(r, 3) == 0) {
            live[n++] = kinked(c, r, a);
            continue;
        }
        switch (pick(r, 13)) {
        case 11:
        case 12:
        case 0:
            live[n++] = append(c, ADD, a, b, 0);
            break;
        case 1:
            live[n++] = append(c, SUB, a, b, 0);
            break;
        case 2:
            live[n++] = append(c, MUL, a, b, 0);
            break;
        case 3:
            live[n++] = append(c, DIV, a, b, 0);
            break;
        case 4:
            live[n++] =
                append(c, SIN, a, -1, pick(r, 6) ? uniform(r, 0.3, 3) : pow(10, uniform(r, 0, 4)));
            break;
        case 5:
            live[n++] = append(c, size < 20 ? EXP : TANH, a, -1, 0);
            break;
        case 6:
            live[n++] = append(c, TANH, a, -1, 0);
            break;
        case 7:
            live[n++] = append(c, POW, a, -1, uniform(r, -3, 3));
            break;
        case 8:
            live[n++] = append(c, LOG, a, -1, 0);
            break;
        case 9:
            live[n++] = append(c, SQRT, a, -1, 0);
            break;
        default: /* sometimes so large that it swallows digits; a kink may be where they are */
            live[n++] = append(c, OFFSET, a, -1,
                               kinks || pick(r, 3) ? uniform(r, -3, 3) : pow(10, uniform(r, 0, 8)));
        }
    }
    int y = live[n - 1];
    if (pick(r, 2)) /* or on all there is */
        for (int k = 0; k + 1 < n && c->n_node < MOST_NODES - 8; k++)
            y = append(c, ADD, y, live[k], 0);
    if (!kinks && pick(r, 4) == 0 &&
        !c->lossless) /* what has been added goes again, the digits do not come back */
        y = append(c, OFFSET, append(c, OFFSET, y, -1, 1e6), -1, -1e6);
    return y;
}

static callback random_callback(gsl_rng *r, bool kinks, bool lossless)
{
    callback c = { .n = 1 + pick(r, FEW_N), .m = 1 + pick(r, FEW_M), .lossless = lossless };
    for (size_t j = 0; j < c.n; j++) {
        c.scale[j] = pick(r, 2) ? 1 : pow(10, uniform(r, -8, 8));
        /* of a variable that is 0 only the caller may know the scale */
        c.x[j] = c.scale[j] != 1 || pick(r, 8) ? c.scale[j] * gsl_ran_gaussian(r, 1.5) : 0;
    }
    double y[MOST_M], J[MOST_M * MOST_N];
    for (;;) {
        c.n_node = 0;
        const size_t m = c.m;
        for (c.m = 0; c.m < m; c.m++) {
            if (c.n_node > MOST_NODES / 2)
                c.n_node = 0, c.m = 0;
            c.value[c.m] = random_expression(&c, r, kinks);
            c.size[c.m] = pick(r, 2) ? 1 : pow(10, uniform(r, -8, 8));
        }
        forward(&c, c.x, y, J);
        bool fine = true;
        for (size_t i = 0; i < c.m; i++)
            fine &= fabs(y[i]) < 1e100;
        for (size_t k = 0; k < c.m * c.n; k++)
            fine &= fabs(J[k]) < 1e100;
        if (fine)
            return c;
    }
}

static gpf_fdf *check(callback *c, unsigned long seed)
{
    const gsl_multifit_nlinear_fdf s = { .f = f, .df = df, .n = c->m, .p = c->n, .params = c };
    const gsl_vector_const_view x = gsl_vector_const_view_array(c->x, c->n);
    gpf_fdf_options how = gpf_fdf_defaults();
    how.seed = seed;
    return gpf_check_multifit_nlinear_fdf(&s, &x.vector, &how, NULL);
}

static void show(const callback *c, unsigned long id, const gpf_element *e, long double truth)
{
    printf("# callback %lu (n %zu, m %zu, %s) %zu: %s (%s) at %.17g, given %.12g, true %.12Lg, "
           "numeric %.12g +- %.1e, step %g, slopes %g %g, %u calls\n",
           id, c->n, c->m, noise_name[c->noise], e->k, gpf_verdict_name(e->verdict),
           gpf_reason_name(e->reason), e->value, e->analytic, truth, e->numeric, e->error, e->step,
           e->left, e->right, e->evaluations);
}

typedef struct totals {
    size_t callbacks, entries, count[GPF_N_VERDICTS], digits[17], accused, failed, none;
    size_t within, within_3, compared, columns, calls, beyond_8;
} totals;

/* Is that a slope of row i right beside x, in exact arithmetic? Where two kinks meet at x their
 * conventions may make a number that is none, which is rightly called wrong. */
static bool is_slope(const callback *c, size_t k, double given)
{
    const size_t i = k / c->n, j = k % c->n;
    long double scale = 0;
    for (int side = -1; side <= 1; side += 2) {
        callback beside = *c;
        const double x = c->x[j];
        const double size = x == 0 ? c->scale[j] : fabs(x);
        beside.x[j] = x + side * ldexp(size, -40);
        long double y[MOST_M], J[MOST_M * MOST_N];
        forward_long(&beside, beside.x, y, J);
        scale = fmaxl(scale, fmaxl(fabsl(J[k]), 1e-6L * fabsl(y[i]) / size));
        if (fabsl(J[k] - (long double)given) <= 1e-6L * scale)
            return true;
    }
    return false;
}

static void tally(totals *t, const callback *c, const gpf_fdf *r, unsigned long id)
{
    long double y[MOST_M], truth[MOST_M * MOST_N];
    forward_long(c, c->x, y, truth);
    t->callbacks++;
    t->failed += r == NULL;
    for (size_t i = 0; r && i < gpf_fdf_n_elements(r); i++) {
        const gpf_element *e = gpf_fdf_element(r, i);
        if (e->tensor != 0)
            continue;
        t->entries++;
        t->count[e->verdict]++;
        if (e->verdict == GPF_WRONG && !is_slope(c, e->k, e->analytic)) {
            t->none++;
        } else if (e->verdict == GPF_WRONG) {
            t->accused++;
            if (c->amount < 1e-7 && c->noise != FLOAT)
                show(c, id, e, truth[e->k]);
        }
        if (e->verdict == GPF_RIGHT) {
            const double off = (double)fabsl((long double)e->numeric - truth[e->k]);
            t->digits[(int)e->digits]++;
            t->compared++;
            t->within += off <= e->error;
            t->within_3 += off <= 3 * e->error;
        }
    }
    if (r) {
        t->columns += c->n;
        t->calls += gpf_fdf_part_at(r, 0)->tally.evaluations;
        t->beyond_8 += gpf_fdf_part_at(r, 0)->tally.evaluations > 8 * c->n;
    }
}

static void put(const totals *t, const char *what)
{
    printf(
        "# %s: %zu callbacks, %zu entries: %zu right, %zu kink, %zu vacuous, %zu unresolved, %zu "
        "wrong (%zu no slope of it); %.4f of numeric values within their error, %.5f within 3; "
        "%.1f calls a column, "
        "%zu callbacks above 8\n",
        what, t->callbacks, t->entries, t->count[GPF_RIGHT], t->count[GPF_KINK],
        t->count[GPF_VACUOUS], t->count[GPF_UNRESOLVED], t->count[GPF_WRONG], t->none,
        (double)t->within / (double)(t->compared + !t->compared),
        (double)t->within_3 / (double)(t->compared + !t->compared),
        (double)t->calls / (double)(t->columns + !t->columns), t->beyond_8);
}

/* Random callbacks of one sort; how many entries were accused. */
static size_t run(gsl_rng *r, unsigned long n, unsigned long seed, bool kinks, noise_kind noise,
                  double amount, totals *t)
{
    *t = (totals){ 0 };
    gsl_rng *random = gsl_rng_alloc(gsl_rng_taus);
    for (unsigned long i = 0; i < n; i++) {
        gsl_rng_set(r, seed * 1000003 + i);
        callback c = random_callback(r, kinks, noise != NONE);
        c.noise = noise;
        c.amount = amount;
        c.random = random;
        gpf_fdf *found = check(&c, i + 1);
        tally(t, &c, found, i);
        gpf_fdf_free(found);
    }
    gsl_rng_free(random);
    return t->accused + t->failed;
}

/* One entry that was right with some digits is made wrong. */
static void plant(gsl_rng *r, unsigned long n, unsigned long seed, size_t *planted, size_t *flagged,
                  size_t *missed)
{
    enum { DIGITS = 5 };
    *planted = *flagged = *missed = 0;
    for (unsigned long i = 0; i < n; i++) {
        gsl_rng_set(r, seed * 7000003 + i);
        callback c = random_callback(r, false, false);
        gpf_fdf *right = check(&c, i + 1);
        double y[MOST_M];
        forward(&c, c.x, y, c.J);
        for (size_t k = 0; right && k < gpf_fdf_n_elements(right); k++) {
            const gpf_element e = *gpf_fdf_element(right, k);
            if (e.tensor != 0 || e.verdict != GPF_RIGHT || e.digits < DIGITS || e.analytic == 0)
                continue;
            callback bad = c;
            bad.fixed = true;
            const double factor[] = { 1.001, 0.999, -1, 0, 2, 0.5 };
            bad.J[e.k] *= factor[pick(r, 6)];
            gpf_fdf *found = check(&bad, i + 1);
            const gpf_element *b = found ? gpf_fdf_element(found, k) : NULL;
            ++*planted;
            *missed += !b || b->verdict == GPF_RIGHT;
            if (b && b->verdict == GPF_WRONG)
                ++*flagged;
            else if (b) {
                printf("# planted: ");
                show(&bad, i, b, e.analytic);
            }
            gpf_fdf_free(found);
        }
        gpf_fdf_free(right);
    }
}

/* The same as any of the seven structures, and larger. */

static int any_f(const callback *c, const double *x, double *y)
{
    forward(c, x, y, NULL);
    return GSL_SUCCESS;
}

static double value_1(double x, void *params)
{
    double y;
    any_f(params, &x, &y);
    return y;
}
static void both_1(double x, void *params, double *y, double *d)
{
    forward(params, &x, y, d);
}
static double slope_1(double x, void *params)
{
    double y, d;
    both_1(x, params, &y, &d);
    return d;
}

static double value_n(const gsl_vector *x, void *params)
{
    double y;
    any_f(params, x->data, &y);
    return y;
}
static void both_n(const gsl_vector *x, void *params, double *y, gsl_vector *d)
{
    forward(params, x->data, y, d->data);
}
static void slope_n(const gsl_vector *x, void *params, gsl_vector *d)
{
    double y;
    both_n(x, params, &y, d);
}

static int values_and_slopes(const gsl_vector *x, void *params, gsl_vector *y, gsl_matrix *J)
{
    return df(x, params, J) || any_f(params, x->data, y->data);
}

static int products(CBLAS_TRANSPOSE_t t, const gsl_vector *x, const gsl_vector *u, void *params,
                    gsl_vector *v, gsl_matrix *JTJ)
{
    const callback *c = params;
    static double J[MOST_M * MOST_N], y[MOST_M];
    forward(c, x->data, y, J);
    gsl_matrix_view view = gsl_matrix_view_array(J, c->m, c->n);
    if (v)
        gsl_blas_dgemv(t, 1, &view.matrix, u, 0, v);
    if (JTJ)
        gsl_blas_dsyrk(CblasLower, CblasTrans, 1, &view.matrix, 0, JTJ);
    return GSL_SUCCESS;
}

/* Its first variables are y, the last is t. */
static int rate(double t, const double *y, double *dydt, void *params)
{
    const callback *c = params;
    double x[MOST_N];
    memcpy(x, y, (c->n - 1) * sizeof *x);
    x[c->n - 1] = t;
    return any_f(c, x, dydt);
}
static int rate_slopes(double t, const double *y, double *dfdy, double *dfdt, void *params)
{
    const callback *c = params;
    double x[MOST_N], value[MOST_M];
    static double J[MOST_M * MOST_N];
    memcpy(x, y, (c->n - 1) * sizeof *x);
    x[c->n - 1] = t;
    forward(c, x, value, J);
    for (size_t i = 0; i < c->m; i++) {
        memcpy(dfdy + i * (c->n - 1), J + i * c->n, (c->n - 1) * sizeof *J);
        dfdt[i] = J[i * c->n + c->n - 1];
    }
    return GSL_SUCCESS;
}

typedef union structure {
    gsl_function_fdf function;
    gsl_multimin_function_fdf multimin;
    gsl_multiroot_function_fdf multiroot;
    gsl_multifit_function_fdf multifit;
    gsl_multifit_nlinear_fdf nlinear;
    gsl_multilarge_nlinear_fdf large;
    gsl_odeiv2_system odeiv2;
} structure;

enum { N_KINDS = 7 };

/* Rows until there are m, columns until there are n. */
static void reshape(callback *c, gsl_rng *r, unsigned kind)
{
    const bool large = pick(r, 8) == 0;
    size_t n = c->n, m = c->m;
    if (large) {
        n = 1 + pick(r, MOST_N);
        m = 1 + pick(r, MOST_M);
    }
    n = kind == 0 ? 1 : kind == 6 && n < 2 ? 2 : n < c->n && kind != 0 ? c->n : n;
    m = kind < 2 ? 1 : kind == 2 ? n : kind == 6 ? n - 1 : m;
    for (size_t j = c->n; j < n; j++) {
        c->scale[j] = 1;
        c->x[j] = gsl_ran_gaussian(r, 1.5);
    }
    for (size_t i = c->m; i < m; i++) {
        c->value[i] = c->value[pick(r, (unsigned)c->m)];
        c->size[i] = uniform(r, -2, 2);
    }
    if (kind == 0)
        for (int k = 0; k < c->n_node; k++)
            if (c->node[k].op == VARIABLE && c->node[k].b > 0)
                c->node[k].b = 0, c->node[k].c = c->scale[0];
    c->n = n;
    c->m = m;
}

static structure as_kind(callback *c, unsigned kind)
{
    structure s;
    switch (kind) {
    case 0:
        s.function = (gsl_function_fdf){ value_1, slope_1, both_1, c };
        break;
    case 1:
        s.multimin = (gsl_multimin_function_fdf){ value_n, slope_n, both_n, c->n, c };
        break;
    case 2:
        s.multiroot = (gsl_multiroot_function_fdf){ f, df, values_and_slopes, c->n, c };
        break;
    case 3:
        s.multifit = (gsl_multifit_function_fdf){
            .f = f, .df = df, .fdf = values_and_slopes, .n = c->m, .p = c->n, .params = c
        };
        break;
    case 4:
        s.nlinear =
            (gsl_multifit_nlinear_fdf){ .f = f, .df = df, .n = c->m, .p = c->n, .params = c };
        break;
    case 5:
        s.large = (gsl_multilarge_nlinear_fdf){
            .f = f, .df = products, .n = c->m, .p = c->n, .params = c
        };
        break;
    default:
        s.odeiv2 = (gsl_odeiv2_system){ rate, rate_slopes, c->m, c };
    }
    return s;
}

/* Accused: entries, and explanations that are faults. */
static size_t accusations(const gpf_fdf *r, const char *what, unsigned long id)
{
    size_t n = r == NULL;
    char label[128];
    for (size_t i = 0; r && i < gpf_fdf_n_elements(r); i++) {
        const gpf_element *e = gpf_fdf_element(r, i);
        if (e->verdict == GPF_WRONG && n++ == 0)
            printf("# %s %lu (%s): %s wrong (%s) at %.17g: %.17g, numeric %.17g +- %.1e, step %g\n",
                   what, id, gpf_fdf_kind_name(gpf_fdf_kind_of(r)),
                   gpf_fdf_label(r, i, label, sizeof label), gpf_reason_name(e->reason), e->value,
                   e->analytic, e->numeric, e->error, e->step);
    }
    for (size_t i = 0; r && i < gpf_fdf_n_explanations(r); i++)
        if (gpf_fdf_explanation(r, i)->severity == GPF_FAULT) {
            n++;
            printf("# %s %lu (%s): %s\n", what, id, gpf_fdf_kind_name(gpf_fdf_kind_of(r)),
                   gpf_fdf_explanation(r, i)->text);
        }
    return n;
}

static gsl_spmatrix *pattern_of(const callback *c, size_t columns)
{
    gsl_spmatrix *p = gsl_spmatrix_alloc(c->m, columns);
    bool needs[MOST_NODES][MOST_N] = { { false } };
    for (int k = 0; k < c->n_node; k++)
        for (size_t j = 0; j < c->n; j++) {
            const expression_node *e = &c->node[k];
            needs[k][j] = (e->op == VARIABLE && (size_t)e->b == j) ||
                          (e->op != VARIABLE &&
                           ((e->a >= 0 && needs[e->a][j]) || (e->b >= 0 && needs[e->b][j])));
        }
    for (size_t i = 0; i < c->m; i++)
        for (size_t j = 0; j < columns; j++)
            if (needs[c->value[i]][j])
                gsl_spmatrix_set(p, i, j, 1);
    return p;
}

static gpf_fdf *check_any(gsl_rng *r, callback *c, unsigned kind, unsigned long seed)
{
    const structure s = as_kind(c, kind);
    double lo[MOST_N], hi[MOST_N];
    const unsigned bounds = pick(r, 4);
    for (size_t j = 0; j < c->n; j++) { /* bounds near, or at x itself */
        const double room = c->scale[j] * pow(10, uniform(r, -6, 2));
        lo[j] = c->x[j] - (pick(r, 3) ? room : 0);
        hi[j] = c->x[j] + (pick(r, 3) || lo[j] == c->x[j] ? room : 0);
    }
    const gsl_vector_const_view x = gsl_vector_const_view_array(c->x, c->n),
                                l = gsl_vector_const_view_array(lo, c->n),
                                h = gsl_vector_const_view_array(hi, c->n),
                                scale = gsl_vector_const_view_array(c->scale, c->n);
    gpf_fdf_options how = gpf_fdf_defaults();
    how.seed = seed;
    how.lo = bounds == 0 ? &l.vector : NULL;
    how.hi = bounds <= 1 ? &h.vector : NULL;
    how.scale = pick(r, 2) ? &scale.vector : NULL;
    how.fast = pick(r, 4) == 0;
    gsl_spmatrix *p = pick(r, 3) == 0 ? pattern_of(c, c->n - (kind == 6)) : NULL;
    how.pattern = p;
    gpf_fdf *found = gpf_check_fdf(gpf_fdf_kind_at(kind), &s, &x.vector, &how, NULL);
    if (p)
        gsl_spmatrix_free(p);
    return found;
}

static size_t run_kinds(gsl_rng *r, unsigned long n, unsigned long seed, size_t *checked)
{
    size_t bad = 0;
    for (unsigned long i = 0; i < n; i++) {
        const unsigned kind = (unsigned)(i % N_KINDS);
        gsl_rng_set(r, seed * 3000017 + i);
        callback c = random_callback(r, false, false);
        reshape(&c, r, kind);
        gpf_fdf *found = check_any(r, &c, kind, i + 1);
        bad += accusations(found, "any", i);
        *checked += found ? gpf_fdf_n_elements(found) : 0;
        gpf_fdf_free(found);
    }
    return bad;
}

/* Graphs as callbacks: A act(B x + c) + A act(B x) . act(c), of random sizes. */
static const gpf_activation activations[] = { gpf_tanh,     gpf_sin,  gpf_sigmoid, gpf_softplus,
                                              gpf_softsign, gpf_gelu, gpf_swish,   gpf_square };

static double *normals(gsl_rng *r, size_t n, double sd)
{
    double *v = malloc(n * sizeof *v);
    for (size_t i = 0; v && i < n; i++)
        v[i] = gsl_ran_gaussian(r, sd);
    return v;
}

static gpf_fdf *check_graph(gsl_rng *r, unsigned kind, unsigned long seed)
{
    const size_t n = kind == 0 ? 1 : 1 + pick(r, pick(r, 8) ? 6 : MOST_N), h = 1 + pick(r, 8),
                 m = kind < 2                 ? 1
                     : kind == 2 || kind == 6 ? n
                                              : 1 + pick(r, pick(r, 8) ? 8 : 200);
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape2((ptrdiff_t)n, 1)),
                   A = gpf_data(g, "A", gpf_shape2((ptrdiff_t)m, (ptrdiff_t)h)),
                   B = gpf_data(g, "B", gpf_shape2((ptrdiff_t)h, (ptrdiff_t)n)),
                   b = gpf_data(g, "b", gpf_shape2((ptrdiff_t)h, 1)),
                   t = kind == 6 ? gpf_data(g, "t", gpf_shape0()) : GPF_NONE;
    gpf_node z = gpf_add(g, gpf_matmul(g, B, x), b);
    if (kind == 6)
        z = gpf_add(g, z, gpf_sin(g, t));
    for (unsigned k = pick(r, 3) + 1; k > 0; k--) {
        const gpf_node next = activations[pick(r, 8)](g, z);
        z = pick(r, 2) ? next : gpf_mul(g, next, gpf_tanh(g, z));
    }
    gpf_node y = gpf_matmul(g, A, z);
    if (pick(r, 3) == 0)
        y = gpf_add(g, y, gpf_const(g, pow(10, uniform(r, 0, 8))));
    gpf_point *at = gpf_point_alloc(g, 0);
    double *a_ = normals(r, m * h, 1), *b_ = normals(r, h * n, 1 / sqrt((double)n)),
           *c_ = normals(r, h, 1), t_ = 0.3;
    gpf_point_bind(at, A, a_);
    gpf_point_bind(at, B, b_);
    gpf_point_bind(at, b, c_);
    if (kind == 6)
        gpf_point_bind(at, t, &t_);
    gpf_diag why = { 0 };
    gpf_gsl *as = gpf_gsl_alloc(g, y, NULL, 0, at, &why);
    structure s;
    int status = !as;
    switch (as ? kind : 99) {
    case 0:
        status = gpf_gsl_function(as, &s.function, &why);
        break;
    case 1:
        status = gpf_gsl_multimin(as, &s.multimin, &why);
        break;
    case 2:
        status = gpf_gsl_multiroot(as, &s.multiroot, &why);
        break;
    case 3:
        status = gpf_gsl_multifit(as, &s.multifit, &why);
        break;
    case 4:
        status = gpf_gsl_multifit_nlinear(as, &s.nlinear, &why);
        break;
    case 5:
        status = gpf_gsl_multilarge_nlinear(as, &s.large, &why);
        break;
    case 6:
        status = gpf_gsl_odeiv2(as, t, &s.odeiv2, &why);
    }
    gpf_fdf *found = NULL;
    if (!status) {
        double x_[MOST_N + 1];
        for (size_t j = 0; j < n; j++)
            x_[j] = pick(r, 12) ? gsl_ran_gaussian(r, 1.2) : 0;
        x_[n] = t_;
        const gsl_vector_const_view v = gsl_vector_const_view_array(x_, n + (kind == 6));
        gpf_fdf_options how = gpf_fdf_defaults();
        how.seed = seed;
        how.fast = pick(r, 4) == 0;
        found = gpf_check_fdf(gpf_fdf_kind_at(kind), &s, &v.vector, &how, &why);
    }
    if (!found)
        printf("# graph: %s\n", why.text);
    gpf_gsl_free(as);
    gpf_point_free(at);
    gpf_graph_free(g);
    free(a_);
    free(b_);
    free(c_);
    return found;
}

static size_t run_graphs(gsl_rng *r, unsigned long n, unsigned long seed, size_t *checked)
{
    size_t bad = 0;
    for (unsigned long i = 0; i < n; i++) {
        gsl_rng_set(r, seed * 9000011 + i);
        gpf_fdf *found = check_graph(r, (unsigned)(i % N_KINDS), i + 1);
        bad += accusations(found, "graph", i);
        *checked += found ? gpf_fdf_n_elements(found) : 0;
        gpf_fdf_free(found);
    }
    return bad;
}

int main(int argc, char **argv)
{
    const unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 10) : 500,
                        seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    const double amounts[] = { 1e-10, 1e-6, 1e-14 };
    gsl_rng *r = gsl_rng_alloc(gsl_rng_mt19937);
    totals t;
    size_t bad = run(r, n, seed, false, NONE, 0, &t);
    bool failed = bad > 0;
    printf("1..7\n");
    put(&t, "smooth");
    printf("%s 1 - no right entry of a smooth callback accused (%zu)\n", bad ? "not ok" : "ok",
           bad);
    const bool lies = t.within_3 < t.compared - t.compared / 10000;
    failed |= lies;
    printf("%s 2 - numeric values within 3 errors of the truth\n", lies ? "not ok" : "ok");
    bad = 0;
    for (noise_kind k = HASH; k < N_NOISES; k++)
        for (int a = 0; a < 3 && (k != FLOAT || a == 0); a++) {
            char what[80];
            snprintf(what, sizeof what, "%s, %.0e", noise_name[k], k == FLOAT ? 6e-8 : amounts[a]);
            const size_t accused = run(r, n / 10, seed + 1 + (unsigned)a, false, k, amounts[a], &t);
            /* With a millionth of f as noise, or a float's 6e-8, waves of that size in f are lost in
             * it, and the error of a stopped iteration is smooth between the stops: f as it is
             * computed has other slopes than the given, and an accusation is true, if of little use. */
            bad += k == FLOAT || amounts[a] > 1e-7 ? t.failed : accused;
            put(&t, what);
        }
    failed |= bad > 0;
    printf("%s 3 - nor of noisy ones (%zu)\n", bad ? "not ok" : "ok", bad);
    bad = run(r, n, seed + 9, true, NONE, 0, &t);
    put(&t, "piecewise");
    const bool kinks = bad > t.entries / 50000; /* several kinks as near as rounding lets tell */
    failed |= kinks;
    printf("%s 4 - nor of piecewise ones (%zu)\n", kinks ? "not ok" : "ok", bad);
    size_t planted, flagged, missed;
    plant(r, n / 5, seed + 10, &planted, &flagged, &missed);
    const bool blind = missed > 0 || flagged < planted - planted / 40;
    failed |= blind;
    printf("%s 5 - planted errors flagged (%zu of %zu), none called right (%zu)\n",
           blind ? "not ok" : "ok", flagged, planted, missed);
    size_t checked = 0;
    bad = run_kinds(r, n, seed + 11, &checked);
    failed |= bad > 0;
    printf("%s 6 - nobody accused in any structure (%zu), %zu entries\n", bad ? "not ok" : "ok",
           bad, checked);
    checked = 0;
    bad = run_graphs(r, n, seed + 12, &checked);
    failed |= bad > 0;
    printf("%s 7 - no graph as a callback accused (%zu), %zu entries\n", bad ? "not ok" : "ok", bad,
           checked);
    gsl_rng_free(r);
    return failed;
}
