/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every update against the plain formula in long double, and by hand where that is short. */
#include "unit/help.h"

#include <gsl/gsl_errno.h>

/* One element after another, as the formulas are written. s: state, c: settings by name. */
typedef struct rule {
    const char *name;
    long double (*step)(long double x, long double g, long double *s, const gpf_optimizer *o,
                        long double rate, unsigned long t);
} rule;

static long double of(const gpf_optimizer *o, const char *name)
{
    return (long double)gpf_optimizer_get(o, name);
}

#define STEP(name)                                                                                \
    static long double name(long double x, long double g, long double *s, const gpf_optimizer *o, \
                            long double e, unsigned long t)

STEP(sgd)
{
    (void)s, (void)t;
    return x - e * (g + of(o, "weight_decay") * x);
}

STEP(momentum)
{
    (void)t;
    s[0] = of(o, "momentum") * s[0] + g + of(o, "weight_decay") * x;
    return x - e * s[0];
}

STEP(nesterov)
{
    (void)t;
    const long double d = g + of(o, "weight_decay") * x;
    s[0] = of(o, "momentum") * s[0] + d;
    return x - e * (d + of(o, "momentum") * s[0]);
}

STEP(adagrad)
{
    (void)t;
    const long double d = g + of(o, "weight_decay") * x;
    s[0] += d * d;
    return x - e * d / (sqrtl(s[0]) + of(o, "epsilon"));
}

STEP(rmsprop)
{
    (void)t;
    const long double d = g + of(o, "weight_decay") * x, decay = of(o, "decay");
    s[0] = decay * s[0] + (1 - decay) * d * d;
    return x - e * d / (sqrtl(s[0]) + of(o, "epsilon"));
}

static long double adam_move(long double d, long double *s, const gpf_optimizer *o, unsigned long t)
{
    const long double b1 = of(o, "beta1"), b2 = of(o, "beta2");
    s[0] = b1 * s[0] + (1 - b1) * d;
    s[1] = b2 * s[1] + (1 - b2) * d * d;
    return s[0] / (1 - powl(b1, (long double)t)) /
           (sqrtl(s[1] / (1 - powl(b2, (long double)t))) + of(o, "epsilon"));
}

STEP(adam)
{
    return x - e * adam_move(g + of(o, "weight_decay") * x, s, o, t);
}

STEP(adamw)
{
    return x - e * of(o, "weight_decay") * x - e * adam_move(g, s, o, t);
}

static const rule rules[] = { { "sgd", sgd },           { "momentum", momentum },
                              { "nesterov", nesterov }, { "adagrad", adagrad },
                              { "rmsprop", rmsprop },   { "adam", adam },
                              { "adamw", adamw } };

static void every_row_has_a_rule_here(void **state)
{
    (void)state;
    size_t n = 0;
    for (; gpf_optimizer_at(n); n++) {
        const gpf_optimizer_kind *k = gpf_optimizer_at(n);
        assert_true(n < COUNT(rules));
        assert_string_equal(k->name, rules[n].name);
        assert_ptr_equal(gpf_optimizer_find(k->name), k);
        assert_true(k->formula && strstr(k->formula, "theta -= "));
        for (int i = 0; i < GPF_MAX_SETTINGS && k->setting[i].name; i++) {
            assert_true(k->setting[i].value >= k->setting[i].lo);
            assert_true(k->setting[i].value < k->setting[i].hi);
        }
    }
    assert_int_equal(n, COUNT(rules));
    assert_null(gpf_optimizer_find("adamant"));
}

/* As close as rounding allows: each step is a handful of operations. */
static void against_the_formulas(const rule *r, size_t n, bool decay)
{
    enum { STEPS = 6 };
    const double rate = 0.013;
    gpf_optimizer *o = gpf_optimizer_alloc(gpf_optimizer_find(r->name), n);
    if (decay)
        assert_int_equal(gpf_optimizer_set(o, "weight_decay", 0.07), GSL_SUCCESS);
    gsl_vector *theta = gsl_vector_alloc(n);
    double *g = malloc(n * sizeof *g);
    long double *x = malloc(n * sizeof *x), *s = calloc(2 * n, sizeof *s);
    dice d = { n };
    fill(&d, theta->data, n, -2, 2);
    for (size_t i = 0; i < n; i++)
        x[i] = (long double)theta->data[i];
    double worst = 0;
    for (unsigned long t = 1; t <= STEPS; t++) {
        fill(&d, g, n, -3, 3);
        g[n / 2] = 0;
        assert_int_equal(gpf_optimizer_step(o, theta, g, rate), GSL_SUCCESS);
        for (size_t i = 0; i < n; i++) {
            x[i] = r->step(x[i], (long double)g[i], &s[2 * i], o, (long double)rate, t);
            worst = fmax(worst, fabs((double)((long double)theta->data[i] - x[i])));
        }
    }
    assert_true(worst < 4e-15);
    for (int k = 0; gpf_optimizer_state(o, k); k++)
        for (size_t i = 0; i < n; i++)
            assert_true(fabs((double)((long double)gpf_optimizer_state(o, k)[i] -
                                      s[2 * i + (size_t)k])) < 1e-13);
    assert_int_equal(gpf_optimizer_steps(o), STEPS);
    gpf_optimizer_free(o);
    gsl_vector_free(theta);
    free(g);
    free(x);
    free(s);
}

static void as_the_formulas_say(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 2, 7, 8, 17, 1003 };
    for (size_t r = 0; r < COUNT(rules); r++)
        for (size_t i = 0; i < COUNT(sizes); i++)
            against_the_formulas(&rules[r], sizes[i], i % 2);
}

/* The first steps of Adam on a constant gradient: m^ = g and v^ = g^2 each time, so each step is
 * e g / (|g| + epsilon). */
static void first_steps_of_adam(void **state)
{
    (void)state;
    gpf_optimizer *o = gpf_optimizer_alloc(gpf_optimizer_find("adam"), 3);
    const double g[] = { 4, -1e-8, 0.5 };
    gsl_vector *theta = gsl_vector_calloc(3);
    for (int t = 1; t <= 4; t++) {
        assert_int_equal(gpf_optimizer_step(o, theta, g, 0.1), GSL_SUCCESS);
        for (size_t i = 0; i < 3; i++) {
            const double expected = -0.1 * t * g[i] / (fabs(g[i]) + 1e-8);
            assert_true(fabs(theta->data[i] - expected) < 1e-12);
        }
    }
    assert_true(fabs(theta->data[1] - 0.2) < 1e-12); /* where epsilon halves it */
    gpf_optimizer_free(o);
    gsl_vector_free(theta);
}

/* An element's value depends neither on its place nor on threads nor on parts. */
static void same_bits_everywhere(void **state)
{
    (void)state;
    enum { BIG = 1000003 + (1 << 16) };
    double *g = malloc(BIG * sizeof *g), *start = malloc(BIG * sizeof *start);
    dice d = { 3 };
    fill(&d, g, BIG, -1, 1);
    fill(&d, start, BIG, -1, 1);
    gsl_vector *all = gsl_vector_alloc(BIG), *threaded = gsl_vector_alloc(BIG),
               *one = gsl_vector_alloc(1);
    for (size_t r = 0; r < COUNT(rules); r++) {
        const gpf_optimizer_kind *kind = gpf_optimizer_find(rules[r].name);
        gpf_optimizer *o = gpf_optimizer_alloc(kind, BIG), *p = gpf_optimizer_alloc(kind, BIG);
        memcpy(all->data, start, BIG * sizeof *start);
        memcpy(threaded->data, start, BIG * sizeof *start);
        gpf_optimizer_set_threads(p, 3);
        for (int t = 0; t < 2; t++) {
            gpf_optimizer_step(o, all, g, 0.1);
            gpf_optimizer_step(p, threaded, g, 0.1);
        }
        assert_memory_equal(all->data, threaded->data, BIG * sizeof(double));
        for (size_t i = 0; i < BIG; i += 99991) {
            gpf_optimizer *q = gpf_optimizer_alloc(kind, 1);
            one->data[0] = start[i];
            for (int t = 0; t < 2; t++)
                gpf_optimizer_step(q, one, &g[i], 0.1);
            assert_memory_equal(one->data, &all->data[i], sizeof(double));
            gpf_optimizer_free(q);
        }
        gpf_optimizer_free(o);
        gpf_optimizer_free(p);
    }
    gsl_vector_free(all);
    gsl_vector_free(threaded);
    gsl_vector_free(one);
    free(g);
    free(start);
}

/* f = |theta|^2 / 2: theta is its own gradient. */
static void the_gradient_may_be_theta(void **state)
{
    (void)state;
    enum { N = 37 };
    for (size_t r = 0; r < COUNT(rules); r++) {
        const gpf_optimizer_kind *kind = gpf_optimizer_find(rules[r].name);
        gpf_optimizer *o = gpf_optimizer_alloc(kind, N), *p = gpf_optimizer_alloc(kind, N);
        gsl_vector *a = gsl_vector_alloc(N), *b = gsl_vector_alloc(N);
        for (size_t i = 0; i < N; i++)
            a->data[i] = b->data[i] = 0.1 * (double)i - 1;
        for (int t = 0; t < 3; t++) {
            double g[N];
            memcpy(g, b->data, sizeof g);
            gpf_optimizer_step(o, a, a->data, 0.05);
            gpf_optimizer_step(p, b, g, 0.05);
        }
        assert_memory_equal(a->data, b->data, N * sizeof(double));
        gpf_optimizer_free(o);
        gpf_optimizer_free(p);
        gsl_vector_free(a);
        gsl_vector_free(b);
    }
}

static void nan_stays_and_stays_alone(void **state)
{
    (void)state;
    for (size_t r = 0; r < COUNT(rules); r++) {
        gpf_optimizer *o = gpf_optimizer_alloc(gpf_optimizer_find(rules[r].name), 9);
        gsl_vector *theta = gsl_vector_calloc(9);
        double g[9] = { 0, 1, 2, NAN, 4, 5, 6, 7, 8 };
        gpf_optimizer_step(o, theta, g, 0.1);
        g[3] = 1;
        gpf_optimizer_step(o, theta, g, 0.1);
        for (size_t i = 0; i < 9; i++)
            assert_int_equal(isnan(theta->data[i]) != 0, i == 3);
        assert_true(theta->data[0] == 0); /* no gradient, no step, whatever epsilon is */
        gpf_optimizer_free(o);
        gsl_vector_free(theta);
    }
}

/* Saved and loaded in the middle, a run goes on as if nothing had been. */
static void save_and_load(void **state)
{
    (void)state;
    const gpf_optimizer_kind *kind = gpf_optimizer_find("adam");
    gpf_optimizer *o = gpf_optimizer_alloc(kind, 5), *p = gpf_optimizer_alloc(kind, 5);
    gsl_vector *a = gsl_vector_calloc(5), *b = gsl_vector_alloc(5);
    const double g[] = { 1, -2, 3, -4, 5 }, h[] = { -1, 1, 2, 0, 9 };
    gpf_optimizer_step(o, a, g, 0.1);
    gsl_vector_memcpy(b, a);
    for (int i = 0; i < kind->n_state; i++)
        memcpy(gpf_optimizer_state(p, i), gpf_optimizer_state(o, i), 5 * sizeof(double));
    gpf_optimizer_set_steps(p, gpf_optimizer_steps(o));
    gpf_optimizer_step(o, a, h, 0.1);
    gpf_optimizer_step(p, b, h, 0.1);
    assert_memory_equal(a->data, b->data, 5 * sizeof(double));
    assert_ptr_equal(gpf_optimizer_kind_of(p), kind);
    assert_int_equal(gpf_optimizer_size(p), 5);
    assert_null(gpf_optimizer_state(p, 2));
    assert_null(gpf_optimizer_state(p, -1));
    gpf_optimizer_free(o);
    gpf_optimizer_free(p);
    gsl_vector_free(a);
    gsl_vector_free(b);
}

static void doubled(const gpf_update *u, size_t n)
{
    for (size_t i = 0; i < n; i++)
        u->theta[i] -= u->setting[0] * u->rate * u->gradient[i];
}

static void misuse_and_rows_of_ones_own(void **state)
{
    (void)state;
    gsl_error_handler_t *before = gsl_set_error_handler_off();
    assert_null(gpf_optimizer_alloc(gpf_optimizer_find("none"), 4));
    assert_null(gpf_optimizer_alloc(gpf_optimizer_at(0), SIZE_MAX / 8));
    gpf_optimizer *o = gpf_optimizer_alloc(gpf_optimizer_find("adam"), 4);
    gsl_vector *three = gsl_vector_calloc(3), *eight = gsl_vector_calloc(8);
    gsl_vector_view every_other = gsl_vector_subvector_with_stride(eight, 0, 2, 4);
    const double g[4] = { 1, 1, 1, 1 };
    assert_int_equal(gpf_optimizer_step(o, three, g, 0.1), GSL_EBADLEN);
    assert_int_equal(gpf_optimizer_step(o, NULL, g, 0.1), GSL_EBADLEN);
    assert_int_equal(gpf_optimizer_step(o, &every_other.vector, g, 0.1), GSL_EINVAL);
    assert_int_equal(gpf_optimizer_steps(o), 0);
    assert_int_equal(gpf_optimizer_set(o, "momentum", 0.5), GPF_ENAME);
    assert_int_equal(gpf_optimizer_set(o, "beta1", 1), GSL_EDOM);
    assert_int_equal(gpf_optimizer_set(o, "beta1", NAN), GSL_EDOM);
    assert_int_equal(gpf_optimizer_set(o, "beta1", 0.8), GSL_SUCCESS);
    assert_true(gpf_optimizer_get(o, "beta1") == 0.8);
    assert_true(isnan(gpf_optimizer_get(o, "momentum")));
    gpf_optimizer_free(o);
    gpf_optimizer_free(NULL);

    o = gpf_optimizer_alloc(gpf_optimizer_find("adamw"), 0);
    assert_int_equal(gpf_optimizer_step(o, NULL, NULL, 0.1), GSL_SUCCESS);
    gpf_optimizer_free(o);

    static const gpf_optimizer_kind own = { .name = "double",
                                            .formula = "theta -= 2 e g",
                                            .setting = { { "factor", 2, 0, 9 } },
                                            .update = doubled };
    o = gpf_optimizer_alloc(&own, 3);
    assert_int_equal(gpf_optimizer_step(o, three, g, 0.25), GSL_SUCCESS);
    assert_true(three->data[2] == -0.5);
    gpf_optimizer_free(o);
    gsl_vector_free(three);
    gsl_vector_free(eight);
    gsl_set_error_handler(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_a_rule_here),
        cmocka_unit_test(as_the_formulas_say),
        cmocka_unit_test(first_steps_of_adam),
        cmocka_unit_test(same_bits_everywhere),
        cmocka_unit_test(the_gradient_may_be_theta),
        cmocka_unit_test(nan_stays_and_stays_alone),
        cmocka_unit_test(save_and_load),
        cmocka_unit_test(misuse_and_rows_of_ones_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
