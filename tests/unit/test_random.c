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
        print_message("n %zu: %zu evaluations, %u directions, covered %zu of %zu, error %g; "
                      "outcome %d reason %s; calls %zu\n",
                      size[k], p->block.evaluations, p->block.directions, p->block.covered,
                      p->block.total, p->block.error, (int)gpf_fdf_outcome(c),
                      gpf_reason_name(p->block.reason), s.p.evaluations);
        assert_int_equal(p->block.verdict, GPF_RIGHT);
        assert_int_equal(p->block.covered + p->block.small + p->block.untested, size[k]);
        assert_int_equal(p->tally.count[GPF_WRONG], 0);
        assert_true(p->block.evaluations < 100);
        gpf_fdf_free(c);
        end(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
