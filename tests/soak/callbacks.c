/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random callbacks with a right Jacobian, of smooth, noisy and piecewise functions: not one entry may
 * be accused. Smooth ones with a planted error: it must be flagged wherever the right entry is
 * resolved. The truth behind the error bars is forward mode in long double.
 *
 *     callbacks [callbacks [seed [noise]]]
 */
#include <gradproof.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_N = 6, MOST_M = 5, MOST_NODES = 60 };

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
typedef enum noise_kind { NONE, HASH, RANDOM, ROUNDED, FLOAT, STOPPED, N_NOISES } noise_kind;
static const char *const noise_name[] = { "none",    "hash of x", "random",
                                          "rounded", "float",     "stopped iteration" };

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
    if (!kinks && pick(r, 4) == 0) /* what has been added goes again, the digits do not come back */
        y = append(c, OFFSET, append(c, OFFSET, y, -1, 1e6), -1, -1e6);
    return y;
}

static callback random_callback(gsl_rng *r, bool kinks)
{
    callback c = { .n = 1 + pick(r, MOST_N), .m = 1 + pick(r, MOST_M) };
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
        callback c = random_callback(r, kinks);
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
        callback c = random_callback(r, false);
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

int main(int argc, char **argv)
{
    const unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 10) : 500,
                        seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    const double amounts[] = { 1e-10, 1e-6, 1e-14 };
    gsl_rng *r = gsl_rng_alloc(gsl_rng_mt19937);
    totals t;
    size_t bad = run(r, n, seed, false, NONE, 0, &t);
    bool failed = bad > 0;
    printf("1..5\n");
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
            /* The error of the stopped iteration is smooth between the stops, so that f as it is
             * computed has other slopes than the given: an accusation is true, if of little use. With
             * a millionth of f as noise, waves of that size in f are lost in it. */
            bad += k == STOPPED || amounts[a] > 1e-7 ? t.failed : accused;
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
    const bool blind = missed > 0 || flagged < planted - planted / 50;
    failed |= blind;
    printf("%s 5 - planted errors flagged (%zu of %zu), none called right (%zu)\n",
           blind ? "not ok" : "ok", flagged, planted, missed);
    gsl_rng_free(r);
    return failed;
}
