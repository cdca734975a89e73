/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The fast mode for callbacks: what is right is not accused, a planted error of the stated size is
 * found with the stated probability, the search ends at it, at a cost that does not grow with n. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <gradproof.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define say(...) (getenv("GRADPROOF_POWER") ? print_message(__VA_ARGS__) : (void)0)

/* f = sum_j (c_j exp(x_j / s_j) + x_j x_{j+1} / (s_j s_{j+1})), variables of size s_j. */
typedef struct sums {
    size_t n;
    double *scale, *c;
    size_t wrong; /* this entry of df .. */
    double off;   /* .. is off by that */
    size_t evaluations;
    double kink;   /* strength of |x_0 - its value| */
    double factor; /* of all of df */
    const double *lo;
    int strayed;
} sums;

static double value(const gsl_vector *x, void *arg)
{
    sums *p = arg;
    double f = 0;
    p->evaluations++;
    for (size_t j = 0; j < p->n; j++) {
        const size_t k = (j + 1) % p->n;
        const double u = gsl_vector_get(x, j) / p->scale[j], v = gsl_vector_get(x, k) / p->scale[k];
        f += p->c[j] * exp(u) + u * v;
        if (p->lo && gsl_vector_get(x, j) < p->lo[j])
            p->strayed = 1;
    }
    return f + p->kink * fabs(gsl_vector_get(x, 0) - 1);
}

static void slope(const gsl_vector *x, void *arg, gsl_vector *df)
{
    const sums *p = arg;
    for (size_t j = 0; j < p->n; j++) {
        const size_t k = (j + 1) % p->n, i = (j + p->n - 1) % p->n;
        const double u = gsl_vector_get(x, j) / p->scale[j], v = gsl_vector_get(x, k) / p->scale[k],
                     w = gsl_vector_get(x, i) / p->scale[i];
        gsl_vector_set(df, j, (p->c[j] * exp(u) + v + w) / p->scale[j] * p->factor);
    }
    if (p->off != 0)
        gsl_vector_set(df, p->wrong, gsl_vector_get(df, p->wrong) + p->off);
}

static void both(const gsl_vector *x, void *arg, double *f, gsl_vector *df)
{
    *f = value(x, arg);
    slope(x, arg, df);
}

typedef struct scene {
    sums p;
    gsl_vector *x;
    gsl_multimin_function_fdf f;
    gpf_fdf_options how;
} scene;

static void begin(scene *s, size_t n, double spread)
{
    gsl_rng *r = gsl_rng_alloc(gsl_rng_mt19937);
    memset(s, 0, sizeof *s);
    s->p.n = n;
    s->p.factor = 1;
    s->p.scale = malloc(n * sizeof(double));
    s->p.c = malloc(n * sizeof(double));
    s->x = gsl_vector_alloc(n);
    for (size_t j = 0; j < n; j++) {
        s->p.scale[j] = pow(10, spread * (gsl_rng_uniform(r) - 0.5));
        s->p.c[j] = 0.5 + gsl_rng_uniform(r);
        gsl_vector_set(s->x, j, s->p.scale[j] * (0.3 + gsl_rng_uniform(r)));
    }
    s->f = (gsl_multimin_function_fdf){ value, slope, both, n, &s->p };
    s->how = gpf_fdf_defaults();
    s->how.fast = 1;
    gsl_rng_free(r);
}

static void end(scene *s)
{
    free(s->p.scale);
    free(s->p.c);
    gsl_vector_free(s->x);
}

static gpf_fdf *run(scene *s)
{
    gpf_fdf *c = gpf_check_multimin_fdf(&s->f, s->x, &s->how, NULL);
    assert_non_null(c);
    return c;
}

static const gpf_fdf_part *df_of(const gpf_fdf *c)
{
    return gpf_fdf_part_at(c, 0);
}

static void test_right(void **state)
{
    (void)state;
    static const size_t size[] = { 9, 100, 3000, 100000 };
    for (size_t k = 0; k < 4; k++) {
        scene s;
        begin(&s, size[k], k % 2 ? 6 : 0);
        gpf_fdf *c = run(&s);
        const gpf_fdf_part *p = df_of(c);
        say("n %zu: %zu evaluations, %u directions, covered %zu of %zu, error %g; "
            "outcome %d reason %s; calls %zu\n",
            size[k], p->block.evaluations, p->block.directions, p->block.covered, p->block.total,
            p->block.error, (int)gpf_fdf_outcome(c), gpf_reason_name(p->block.reason),
            s.p.evaluations);
        assert_int_equal(p->block.verdict, GPF_RIGHT);
        assert_int_equal(p->block.covered + p->block.small + p->block.untested, size[k]);
        assert_int_equal(p->tally.count[GPF_WRONG], 0);
        assert_true(p->block.evaluations < 100);
        gpf_fdf_free(c);
        end(&s);
    }
}

/* The variable whose step is the smallest: what is stated is stated of the worst entry. */
static size_t smallest(const scene *s)
{
    size_t least = 0;
    for (size_t j = 1; j < s->p.n; j++)
        if (fabs(gsl_vector_get(s->x, j)) < fabs(gsl_vector_get(s->x, least)))
            least = j;
    return least;
}

static int in_full(void)
{
    return getenv("GRADPROOF_POWER") != NULL;
}

/* An error of the stated size in one entry: seen in 99 of 100 trials, and found. */
static void test_power(void **state)
{
    (void)state;
    static const size_t size[] = { 9, 150, 2000 };
    for (size_t k = 0; k < 3; k++) {
        const unsigned long trials = in_full() ? 1000 : size[k] > 1000 ? 20 : 100;
        scene s;
        size_t seen = 0, found = 0, smaller = 0, cost = 0;
        begin(&s, size[k], k % 2 ? 4 : 0);
        s.p.wrong = smallest(&s);
        for (unsigned long seed = 1; seed <= trials; seed++) {
            s.how.seed = seed;
            s.p.off = 0;
            gpf_fdf *c = run(&s);
            const double error = df_of(c)->block.error;
            assert_int_equal(df_of(c)->block.verdict, GPF_RIGHT);
            gpf_fdf_free(c);
            s.p.off = seed % 2 ? error : -error;
            c = run(&s);
            const gpf_fdf_part *p = df_of(c);
            seen += p->block.disagreed != 0;
            found += p->block.verdict == GPF_WRONG;
            cost += p->block.evaluations;
            for (size_t i = 0; i < gpf_fdf_n_elements(c); i++)
                if (gpf_fdf_element(c, i)->verdict == GPF_WRONG)
                    assert_int_equal(gpf_fdf_element(c, i)->k, s.p.wrong);
            gpf_fdf_free(c);
            s.p.off /= 10;
            c = run(&s);
            smaller += df_of(c)->block.disagreed != 0;
            gpf_fdf_free(c);
        }
        say("n %zu: seen %zu, found %zu, a tenth of it seen %zu of %lu; %.1f evaluations\n",
            size[k], seen, found, smaller, trials, (double)cost / (double)trials);
        assert_true(seen * 100 >= trials * 98);
        end(&s);
    }
}

/* A thousandth of an entry that is covered. */
static void test_covered(void **state)
{
    (void)state;
    scene s;
    size_t found = 0;
    const unsigned long trials = in_full() ? 1000 : 30;
    begin(&s, 1200, 0);
    for (unsigned long seed = 1; seed <= trials; seed++) {
        gsl_vector *df = gsl_vector_alloc(s.p.n);
        s.p.off = 0;
        slope(s.x, &s.p, df);
        s.how.seed = seed;
        s.p.wrong = seed * 7919 % s.p.n;
        s.p.off = 1e-3 * gsl_vector_get(df, s.p.wrong);
        gpf_fdf *c = run(&s);
        found += df_of(c)->block.verdict == GPF_WRONG;
        gpf_fdf_free(c);
        gsl_vector_free(df);
    }
    say("a thousandth: found %zu of %lu\n", found, trials);
    assert_true(found * 100 >= trials * 98);
    end(&s);
}

/* All of it, two of it, by a factor: what the explanations say. */
static void test_found(void **state)
{
    (void)state;
    scene s;
    begin(&s, 20000, 2);
    s.p.factor = 2;
    gpf_fdf *c = run(&s);
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_WRONG);
    say("%zu evaluations: %s\n", df_of(c)->block.evaluations, gpf_fdf_explanation(c, 0)->text);
    assert_int_equal(gpf_fdf_explanation(c, 0)->kind, GPF_SCALED);
    gpf_fdf_free(c);
    s.p.factor = 1;
    s.p.wrong = 12345;
    s.p.off = 3 / s.p.scale[12345];
    c = run(&s);
    say("%zu evaluations, %zu elements: %s\n", df_of(c)->block.evaluations, gpf_fdf_n_elements(c),
        gpf_fdf_explanation(c, 0)->text);
    assert_int_equal(gpf_fdf_explanation(c, 0)->kind, GPF_SINGLE);
    assert_int_equal(gpf_fdf_explanation(c, 0)->column, 12345);
    assert_true(df_of(c)->block.evaluations < 600);
    gpf_fdf_free(c);
    s.p.off = NAN;
    c = run(&s);
    say("%s\n", gpf_fdf_explanation(c, 0)->text);
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_WRONG);
    gpf_fdf_free(c);
    end(&s);
}

/* A kink elsewhere, and one exactly here: nobody is accused. */
static void test_kinks(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++) {
        scene s;
        begin(&s, 400, 0);
        s.p.kink = 3;
        gsl_vector_set(s.x, 0, k ? 1 : 1 + 1e-6);
        s.p.wrong = 0;
        s.p.off = k ? 0.7 : 3;
        gpf_fdf *c = run(&s);
        say("kink: verdict %s, %zu evaluations, %zu elements\n",
            gpf_verdict_name(df_of(c)->block.verdict), df_of(c)->block.evaluations,
            gpf_fdf_n_elements(c));
        assert_int_equal(df_of(c)->tally.count[GPF_WRONG], 0);
        assert_int_equal(df_of(c)->block.verdict, GPF_RIGHT);
        gpf_fdf_free(c);
        end(&s);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    scene s;
    begin(&s, 500, 3);
    gsl_vector *lo = gsl_vector_alloc(500), *hi = gsl_vector_alloc(500);
    for (size_t j = 0; j < 500; j++) {
        const double x = gsl_vector_get(s.x, j);
        gsl_vector_set(lo, j, j % 3 ? x / 2 : x); /* every third one is at it */
        gsl_vector_set(hi, j, j % 50 ? GSL_POSINF : x);
    }
    s.how.lo = lo;
    s.how.hi = hi;
    s.p.lo = lo->data;
    gpf_fdf *c = run(&s);
    const gpf_fdf_part *p = df_of(c);
    say("bounds: %zu evaluations, covered %zu small %zu of %zu, error %g\n", p->block.evaluations,
        p->block.covered, p->block.small, p->block.total, p->block.error);
    assert_int_equal(p->block.verdict, GPF_RIGHT);
    assert_false(s.p.strayed);
    gpf_fdf_free(c);
    s.p.wrong = 333; /* at its bound */
    s.p.off = 0.1 / s.p.scale[333];
    c = run(&s);
    assert_int_not_equal(gpf_fdf_outcome(c), GPF_OUTCOME_RIGHT);
    assert_false(s.p.strayed);
    gpf_fdf_free(c);
    s.p.wrong = 334;
    s.p.off = 0.1 / s.p.scale[334];
    c = run(&s);
    assert_int_equal(df_of(c)->block.verdict, GPF_WRONG);
    assert_false(s.p.strayed);
    gpf_fdf_free(c);
    gsl_vector_free(lo);
    gsl_vector_free(hi);
    end(&s);
}

/* Values: f_i = sum_k over five variables; J sparse in fact, dense in the structure or by products. */
typedef struct fit {
    size_t m, n;
    int mode; /* 1: column 17 has the wrong sign, 2: row 5 is doubled, 3: one entry */
    size_t calls;
} fit;

static double term(size_t i, size_t k, double x, double *d)
{
    const double w = 1 + 0.1 * (double)((i * 7 + k * 3) % 11);
    *d = w * cos(w * x);
    return sin(w * x);
}

static int fit_f(const gsl_vector *x, void *arg, gsl_vector *f)
{
    fit *p = arg;
    double d;
    p->calls++;
    for (size_t i = 0; i < p->m; i++) {
        double sum = 0;
        for (size_t k = 0; k < 5; k++)
            sum += term(i, k, gsl_vector_get(x, (i * 3 + k * 13) % p->n), &d);
        gsl_vector_set(f, i, sum);
    }
    return GSL_SUCCESS;
}

static double entry(const fit *p, size_t i, size_t j, double d)
{
    if (p->mode == 1 && j == 17)
        return -d;
    if (p->mode == 2 && i == 5)
        return 2 * d;
    return p->mode == 3 && i == 30 && j == (30 * 3 + 13) % p->n ? d + 0.2 : d;
}

static int fit_df(const gsl_vector *x, void *arg, gsl_matrix *J)
{
    const fit *p = arg;
    gsl_matrix_set_zero(J);
    for (size_t i = 0; i < p->m; i++)
        for (size_t k = 0; k < 5; k++) {
            const size_t j = (i * 3 + k * 13) % p->n;
            double d;
            term(i, k, gsl_vector_get(x, j), &d);
            gsl_matrix_set(J, i, j, gsl_matrix_get(J, i, j) + entry(p, i, j, d));
        }
    return GSL_SUCCESS;
}

static int fit_large(CBLAS_TRANSPOSE_t t, const gsl_vector *x, const gsl_vector *u, void *arg,
                     gsl_vector *v, gsl_matrix *JTJ)
{
    const fit *p = arg;
    gsl_vector_set_zero(v);
    if (JTJ)
        gsl_matrix_set_zero(JTJ);
    for (size_t i = 0; i < p->m; i++)
        for (size_t k = 0; k < 5; k++) {
            const size_t j = (i * 3 + k * 13) % p->n, to = t == CblasTrans ? j : i,
                         from = t == CblasTrans ? i : j;
            double d;
            term(i, k, gsl_vector_get(x, j), &d);
            d = entry(p, i, j, d);
            gsl_vector_set(v, to, gsl_vector_get(v, to) + d * gsl_vector_get(u, from));
            for (size_t l = 0; JTJ && l < 5; l++) {
                const size_t q = (i * 3 + l * 13) % p->n;
                double e;
                term(i, l, gsl_vector_get(x, q), &e);
                if (q <= j)
                    gsl_matrix_set(JTJ, j, q, gsl_matrix_get(JTJ, j, q) + d * entry(p, i, q, e));
            }
        }
    return GSL_SUCCESS;
}

static void test_values(void **state)
{
    (void)state;
    for (int large = 0; large < 2; large++)
        for (int mode = 0; mode < 4; mode++) {
            fit p = { .m = 300, .n = 120, .mode = mode };
            gsl_vector *x = gsl_vector_alloc(p.n);
            for (size_t j = 0; j < p.n; j++)
                gsl_vector_set(x, j, 0.4 + 0.011 * (double)j);
            gpf_fdf_options how = gpf_fdf_defaults();
            how.fast = 1;
            gsl_multifit_nlinear_fdf f = {
                .f = fit_f, .df = fit_df, .n = p.m, .p = p.n, .params = &p
            };
            gsl_multilarge_nlinear_fdf g = {
                .f = fit_f, .df = fit_large, .n = p.m, .p = p.n, .params = &p
            };
            gpf_fdf *c = large ? gpf_check_multilarge_nlinear_fdf(&g, x, &how, NULL)
                               : gpf_check_multifit_nlinear_fdf(&f, x, &how, NULL);
            assert_non_null(c);
            const gpf_fdf_part *q = df_of(c);
            say("%s mode %d: %s %s, covered %zu small %zu untested %zu of %zu, error %g, "
                "%zu evaluations, %zu elements: %s\n",
                large ? "large" : "fit", mode, gpf_verdict_name(q->block.verdict),
                gpf_reason_name(q->block.reason), q->block.covered, q->block.small,
                q->block.untested, q->block.total, q->block.error, q->block.evaluations,
                q->tally.checked, gpf_fdf_n_explanations(c) ? gpf_fdf_explanation(c, 0)->text : "");
            assert_int_equal(q->block.verdict, mode ? GPF_WRONG : GPF_RIGHT);
            assert_int_equal(q->block.total, q->block.covered + q->block.small + q->block.untested);
            gpf_fdf_free(c);
            gsl_vector_free(x);
        }
}

/* dy_i/dt = sin(y_{i+1}) t - y_i, of many equations; dfdt has the wrong sign in `wrong`. */
typedef struct flow {
    size_t n, wrong;
} flow;

static int flow_f(double t, const double *y, double *dydt, void *arg)
{
    const flow *p = arg;
    for (size_t i = 0; i < p->n; i++)
        dydt[i] = sin(y[(i + 1) % p->n]) * t - y[i];
    return GSL_SUCCESS;
}

static int flow_df(double t, const double *y, double *dfdy, double *dfdt, void *arg)
{
    const flow *p = arg;
    memset(dfdy, 0, p->n * p->n * sizeof *dfdy);
    for (size_t i = 0; i < p->n; i++) {
        const size_t k = (i + 1) % p->n;
        dfdy[i * p->n + k] = cos(y[k]) * t;
        dfdy[i * p->n + i] = -1;
        dfdt[i] = i == p->wrong ? -sin(y[k]) : sin(y[k]);
    }
    return GSL_SUCCESS;
}

static void test_time(void **state)
{
    (void)state;
    enum { N = 60 };
    double y[N];
    for (size_t i = 0; i < N; i++)
        y[i] = 0.2 + 0.013 * (double)i;
    for (int k = 0; k < 2; k++) {
        flow p = { N, k ? 7 : N };
        const gsl_odeiv2_system f = { flow_f, flow_df, N, &p };
        gpf_fdf_options how = gpf_fdf_defaults();
        how.fast = 1;
        gpf_fdf *c = gpf_check_odeiv2(&f, 1.3, y, &how, NULL);
        assert_non_null(c);
        const gpf_fdf_part *dfdy = gpf_fdf_part_at(c, 0), *dfdt = gpf_fdf_part_at(c, 1);
        assert_int_equal(dfdy->block.verdict, GPF_RIGHT);
        assert_int_equal(dfdt->block.directions, 0); /* one variable: every entry */
        assert_int_equal(dfdt->tally.checked, N);
        assert_int_equal(dfdt->tally.count[GPF_WRONG], k);
        assert_int_equal(gpf_fdf_outcome(c), k ? GPF_OUTCOME_WRONG : GPF_OUTCOME_RIGHT);
        gpf_fdf_free(c);
    }
}

static double noisy(const gsl_vector *x, void *arg)
{
    double y = value(x, arg);
    for (size_t j = 0; j < x->size; j++)
        y *= 1 + 1e-10 * sin(1e9 * gsl_vector_get(x, j) * (double)(j + 1));
    return y;
}

static void noisy_both(const gsl_vector *x, void *arg, double *f, gsl_vector *df)
{
    *f = noisy(x, arg);
    slope(x, arg, df);
}

/* Noise far above rounding accuses nobody. */
static void test_noise(void **state)
{
    (void)state;
    for (unsigned long seed = 1; seed <= 20; seed++) {
        scene s;
        begin(&s, 60, 1);
        s.how.seed = seed;
        s.f.f = noisy;
        s.f.fdf = noisy_both;
        gpf_fdf *c = run(&s);
        assert_int_equal(df_of(c)->tally.count[GPF_WRONG], 0);
        gpf_fdf_free(c);
        end(&s);
    }
}

/* Stopped by the caller, or after a few wrong entries. */
static int stop_at_once(void *arg, size_t done, size_t total)
{
    (void)done, (void)total;
    return ++*(int *)arg > 0;
}

static void test_stop(void **state)
{
    (void)state;
    scene s;
    int asked = 0;
    begin(&s, 500, 1);
    s.p.factor = 2;
    s.how.max_failures = 3;
    gpf_fdf *c = run(&s);
    assert_true(gpf_fdf_stopped(c));
    assert_in_range(df_of(c)->tally.count[GPF_WRONG], 3, 8);
    assert_int_equal(df_of(c)->block.total,
                     df_of(c)->block.covered + df_of(c)->block.small + df_of(c)->block.untested);
    gpf_fdf_free(c);
    s.how.max_failures = 0;
    s.how.progress = stop_at_once;
    s.how.progress_arg = &asked;
    c = run(&s);
    assert_true(gpf_fdf_stopped(c) && asked > 0);
    gpf_fdf_free(c);
    end(&s);
}

/* Nothing to see: f does not react, and df says so. */
static double constant(const gsl_vector *x, void *arg)
{
    (void)x, (void)arg;
    return 3;
}

static void nothing(const gsl_vector *x, void *arg, gsl_vector *df)
{
    (void)x, (void)arg;
    gsl_vector_set_zero(df);
}

static void constant_both(const gsl_vector *x, void *arg, double *f, gsl_vector *df)
{
    *f = constant(x, arg);
    nothing(x, arg, df);
}

static void test_vacuous(void **state)
{
    (void)state;
    scene s;
    begin(&s, 100, 0);
    s.f.f = constant;
    s.f.df = nothing;
    s.f.fdf = constant_both;
    gpf_fdf *c = run(&s);
    assert_int_equal(df_of(c)->block.verdict, GPF_VACUOUS);
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_UNTESTED);
    gpf_fdf_free(c);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),   cmocka_unit_test(test_power),
        cmocka_unit_test(test_covered), cmocka_unit_test(test_found),
        cmocka_unit_test(test_kinks),   cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_values),  cmocka_unit_test(test_time),
        cmocka_unit_test(test_noise),   cmocka_unit_test(test_stop),
        cmocka_unit_test(test_vacuous),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
