/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"
#include "train/train.h"

#include <float.h>
#include <gsl/gsl_blas.h>
#include <gsl/gsl_multifit.h>
#include <stdio.h>

/* Nothing here is an error: GSL's handler must not be reached. */
static void aborting(const char *reason, const char *file, int line, int code)
{
    fprintf(stderr, "%s:%d: %s (%d)\n", file, line, reason, code);
    abort();
}

enum { MAX_N = 8, MAX_M = 60 };

typedef struct run {
    double theta[MAX_N], f, gradient;
    int status;
    size_t iterations;
    bool fell; /* f in every iteration, or stayed but for rounding */
} run;

/* To the end, or `most` iterations. */
static run minimize(const char *name, const gpf__objective *o, const double *from, size_t most)
{
    run r = { .fell = true };
    gpf__minimizer *m;
    assert_int_equal(gpf__minimizer_make(gpf_minimizer_find(name), o, NAN, NAN, &m), GSL_SUCCESS);
    memcpy(r.theta, from, o->n * sizeof *from);
    r.status = gpf__minimizer_start(m, from);
    double last = DBL_MAX;
    while (!r.status && r.iterations < most) {
        r.status = gpf__minimizer_iterate(m, r.theta, &r.f, &r.gradient);
        r.iterations++;
        r.fell = r.fell && (r.status > 0 || r.f <= last * (1 + 1e-12));
        last = r.f;
    }
    gpf__minimizer_free(m);
    return r;
}

/* min |A x - b|^2 / 2 + lambda/2 |x|^2, of n params and m rows (those of the penalty included). */
typedef struct linear {
    size_t m, n;
    double A[MAX_M * MAX_N], b[MAX_M], x[MAX_N]; /* x: the solution */
} linear;

static int linear_residuals(void *arg, const double *x, double *r)
{
    const linear *l = arg;
    for (size_t i = 0; i < l->m; i++) {
        r[i] = -l->b[i];
        for (size_t j = 0; j < l->n; j++)
            r[i] += l->A[i * l->n + j] * x[j];
    }
    return GSL_SUCCESS;
}

static int linear_jacobian(void *arg, const double *x, double *J)
{
    const linear *l = arg;
    (void)x;
    memcpy(J, l->A, l->m * l->n * sizeof *J);
    return GSL_SUCCESS;
}

static int linear_value(void *arg, const double *x, double *f, double *gradient)
{
    const linear *l = arg;
    double r[MAX_M];
    linear_residuals(arg, x, r);
    *f = 0;
    for (size_t i = 0; i < l->m; i++)
        *f += r[i] * r[i] / 2;
    for (size_t j = 0; gradient && j < l->n; j++) {
        gradient[j] = 0;
        for (size_t i = 0; i < l->m; i++)
            gradient[j] += l->A[i * l->n + j] * r[i];
    }
    return GSL_SUCCESS;
}

static gpf__objective of_linear(linear *l)
{
    return (gpf__objective){ l, l->n, linear_value, l->m, linear_residuals, linear_jacobian };
}

/* Random rows, and n more that are sqrt(lambda) I with b = 0 if lambda > 0; solved by GSL. */
static void make_linear(linear *l, dice *d, size_t m, size_t n, double lambda)
{
    *l = (linear){ .m = m, .n = n };
    fill(d, l->A, m * n, -2, 3);
    fill(d, l->b, m, -5, 5);
    for (size_t j = 0; lambda > 0 && j < n; j++)
        l->A[l->m++ * n + j] = sqrt(lambda);
    gsl_matrix_view A = gsl_matrix_view_array(l->A, l->m, n);
    gsl_vector_view b = gsl_vector_view_array(l->b, l->m), x = gsl_vector_view_array(l->x, n);
    gsl_matrix *cov = gsl_matrix_alloc(n, n);
    gsl_multifit_linear_workspace *w = gsl_multifit_linear_alloc(l->m, n);
    double chisq;
    gsl_multifit_linear(&A.matrix, &b.vector, &x.vector, cov, &chisq, w);
    gsl_multifit_linear_free(w);
    gsl_matrix_free(cov);
}

static void least_squares_and_ridge(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double rel;
    } list[] = { { "lm", 1e-10 }, { "bfgs", 1e-8 }, { "cg-fr", 1e-7 }, { "cg-pr", 1e-7 } };
    dice d = { 20261 };
    gsl_error_handler_t *before = gsl_set_error_handler(aborting);
    for (int k = 0; k < 20; k++) {
        linear l;
        make_linear(&l, &d, k % 2 ? 56 : 60, 4, k % 2 ? 3.7 : 0);
        const gpf__objective o = of_linear(&l);
        double from[4];
        fill(&d, from, 4, -9, 9);
        for (size_t i = 0; i < COUNT(list); i++) {
            const run r = minimize(list[i].name, &o, from, 200);
            assert_int_equal(r.status, GPF__CONVERGED);
            assert_true(r.fell);
            for (size_t j = 0; j < 4; j++)
                assert_close(r.theta[j], l.x[j], list[i].rel, list[i].rel);
        }
    }
    gsl_set_error_handler(before);
}

/* Rosenbrock's valley as least squares: r = (10 (y - x^2), 1 - x). */
static int valley_residuals(void *arg, const double *x, double *r)
{
    (void)arg;
    r[0] = 10 * (x[1] - x[0] * x[0]);
    r[1] = 1 - x[0];
    return GSL_SUCCESS;
}

static int valley_jacobian(void *arg, const double *x, double *J)
{
    (void)arg;
    J[0] = -20 * x[0];
    J[1] = 10;
    J[2] = -1;
    J[3] = 0;
    return GSL_SUCCESS;
}

static int valley_value(void *arg, const double *x, double *f, double *gradient)
{
    double r[2], J[4];
    valley_residuals(arg, x, r);
    valley_jacobian(arg, x, J);
    *f = (r[0] * r[0] + r[1] * r[1]) / 2;
    for (int j = 0; gradient && j < 2; j++)
        gradient[j] = J[j] * r[0] + J[2 + j] * r[1];
    return GSL_SUCCESS;
}

static void a_curved_valley(void **state)
{
    (void)state;
    static const char *const names[] = { "lm", "bfgs", "cg-fr", "cg-pr" };
    const gpf__objective o = { NULL, 2, valley_value, 2, valley_residuals, valley_jacobian };
    const double from[] = { -1.2, 1 };
    gsl_error_handler_t *before = gsl_set_error_handler(aborting);
    for (size_t i = 0; i < COUNT(names); i++) {
        const run r = minimize(names[i], &o, from, 2000);
        assert_int_equal(r.status, GPF__CONVERGED);
        assert_true(r.fell);
        assert_close(r.theta[0], 1, 1e-6, 0);
        assert_close(r.theta[1], 1, 1e-6, 0);
    }
    const run slow = minimize("steepest", &o, from, 500);
    assert_true(slow.f < 2.1 && slow.f > 0); /* 12.1 at the start */
    gsl_set_error_handler(before);
}

/* y = A exp(-lambda t) + b, the example of GSL's manual, with noise of our own. */
typedef struct decay {
    double t[40], y[40];
} decay;

/* The rate is the length of the first step, the tolerance that of the search along it. */
static void rate_and_tolerance_count(void **state)
{
    (void)state;
    const gpf__objective o = { NULL, 2, valley_value, 2, valley_residuals, valley_jacobian };
    static const double from[] = { -1.2, 1 },
                        how[3][2] = { { 0.01, 0.1 }, { 0.01, 0.9 }, { 0.3, 0.1 } };
    double theta[3][2], f, gradient;
    for (int i = 0; i < 3; i++) {
        gpf__minimizer *m;
        const gpf_minimizer_kind *bfgs = gpf_minimizer_find("bfgs");
        assert_int_equal(gpf__minimizer_make(bfgs, &o, how[i][0], how[i][1], &m), GSL_SUCCESS);
        assert_int_equal(gpf__minimizer_start(m, from), GSL_SUCCESS);
        for (int k = 0; k < 6; k++)
            assert_int_equal(gpf__minimizer_iterate(m, theta[i], &f, &gradient), GSL_SUCCESS);
        gpf__minimizer_free(m);
    }
    assert_memory_not_equal(theta[0], theta[1], sizeof *theta);
    assert_memory_not_equal(theta[0], theta[2], sizeof *theta);
}

static int decay_residuals(void *arg, const double *x, double *r)
{
    const decay *e = arg;
    for (int i = 0; i < 40; i++)
        r[i] = x[0] * exp(-x[1] * e->t[i]) + x[2] - e->y[i];
    return GSL_SUCCESS;
}

static int decay_jacobian(void *arg, const double *x, double *J)
{
    const decay *e = arg;
    for (int i = 0; i < 40; i++) {
        const double u = exp(-x[1] * e->t[i]);
        J[3 * i] = u;
        J[3 * i + 1] = -x[0] * e->t[i] * u;
        J[3 * i + 2] = 1;
    }
    return GSL_SUCCESS;
}

static void a_decay(void **state)
{
    (void)state;
    dice d = { 77 };
    decay e, exact;
    for (int i = 0; i < 40; i++) {
        exact.t[i] = e.t[i] = 3.0 * i / 39;
        exact.y[i] = 5 * exp(-1.5 * e.t[i]) + 1;
        e.y[i] = exact.y[i] + between(&d, -0.1, 0.1);
    }
    const double from[] = { 1, 1, 0 };
    gsl_error_handler_t *before = gsl_set_error_handler(aborting);
    const gpf__objective o = { &e, 3, NULL, 40, decay_residuals, decay_jacobian };
    run r = minimize("lm", &o, from, 100);
    assert_int_equal(r.status, GPF__CONVERGED);
    /* At the minimum J'r = 0. */
    double J[120], residual[40];
    decay_residuals(&e, r.theta, residual);
    decay_jacobian(&e, r.theta, J);
    for (int j = 0; j < 3; j++) {
        double g = 0, size = 0;
        for (int i = 0; i < 40; i++) {
            g += J[3 * i + j] * residual[i];
            size += fabs(J[3 * i + j] * residual[i]);
        }
        assert_true(fabs(g) <= 1e-7 * size);
    }
    assert_close(r.theta[0], 5, 0.05, 0);
    /* Without noise the residuals vanish. */
    const gpf__objective p = { &exact, 3, NULL, 40, decay_residuals, decay_jacobian };
    r = minimize("lm", &p, from, 100);
    assert_int_equal(r.status, GPF__CONVERGED);
    assert_close(r.theta[0], 5, 1e-12, 0);
    assert_close(r.theta[1], 1.5, 1e-12, 0);
    assert_close(r.theta[2], 1, 1e-12, 0);
    assert_true(r.f < 1e-24);
    gsl_set_error_handler(before);
}

/* Fewer residuals than params, which GSL does not take, and params that nothing depends on. */
static void underdetermined(void **state)
{
    (void)state;
    dice d = { 5 };
    linear l = { .m = 2, .n = 5 };
    fill(&d, l.A, 10, -2, 3);
    fill(&d, l.b, 2, -5, 5);
    l.A[3] = l.A[8] = 0;
    const gpf__objective o = of_linear(&l);
    const double from[] = { 1, 2, 3, 4, 5 };
    gsl_error_handler_t *before = gsl_set_error_handler(aborting);
    for (size_t i = 0; gpf_minimizer_at(i); i++) {
        const run r = minimize(gpf_minimizer_at(i)->name, &o, from, 300);
        assert_true(r.fell && r.f < 1e-10);
        assert_true(r.theta[3] == 4);
    }
    gsl_set_error_handler(before);
}

/* x0 and a unit that is saturated, x0 tanh(x1): its column is so short that a step along it is a leap
 * to the other side of the world. */
static int unit_residuals(void *arg, const double *x, double *r)
{
    (void)arg;
    r[0] = x[0] - 3;
    r[1] = x[0] * tanh(x[1]) - 1;
    return GSL_SUCCESS;
}

static int unit_jacobian(void *arg, const double *x, double *J)
{
    (void)arg;
    J[0] = 1;
    J[1] = 0;
    J[2] = tanh(x[1]);
    J[3] = x[0] * pow(cosh(x[1]), -2);
    return GSL_SUCCESS;
}

static void a_saturated_unit(void **state)
{
    (void)state;
    const gpf__objective o = {
        .n = 2, .m = 2, .residuals = unit_residuals, .jacobian = unit_jacobian
    };
    for (double x1 = 10; x1 < 400; x1 += 13.7) {
        const double from[] = { 5.3, x1 };
        const run r = minimize("lm", &o, from, 200);
        assert_int_equal(r.status, GPF__CONVERGED);
        /* x0 is 2, or 1 where the unit has gone over to -1 */
        const double x0 = tanh(r.theta[1]) > 0 ? 2 : 1;
        assert_close(r.theta[0], x0, 1e-7, 0);
    }
}

static void at_the_minimum_already(void **state)
{
    (void)state;
    linear zero = { .m = 3, .n = 2 }; /* J = 0: nothing to do, and no rank */
    const gpf__objective o = of_linear(&zero);
    const gpf__objective valley = { NULL, 2, valley_value, 2, valley_residuals, valley_jacobian };
    const double from[] = { 1, 1 };
    gsl_error_handler_t *before = gsl_set_error_handler(aborting);
    for (size_t i = 0; gpf_minimizer_at(i); i++) {
        zero.b[0] = 0;
        run r = minimize(gpf_minimizer_at(i)->name, &o, from, 9);
        assert_int_equal(r.status, GPF__CONVERGED);
        zero.b[0] = 7;
        r = minimize(gpf_minimizer_at(i)->name, &o, from, 9);
        assert_int_equal(r.status, GPF__CONVERGED);
        assert_int_equal(r.iterations, 1);
        assert_true(r.theta[0] == 1 && r.theta[1] == 1 && r.f == 24.5 && r.gradient == 0);
        r = minimize(gpf_minimizer_at(i)->name, &valley, from, 9);
        assert_int_equal(r.status, GPF__CONVERGED);
    }
    gsl_set_error_handler(before);
}

/* f = x - log x - 1 as a sum of squares of a thing that is NaN for x <= 0; at 40 every step goes
 * there first. */
static int edge_residuals(void *arg, const double *x, double *r)
{
    (void)arg;
    r[0] = log(x[0]) - 1;
    return GSL_SUCCESS;
}

static int edge_jacobian(void *arg, const double *x, double *J)
{
    (void)arg;
    J[0] = x[0] > 0 ? 1 / x[0] : NAN;
    return GSL_SUCCESS;
}

static int edge_value(void *arg, const double *x, double *f, double *gradient)
{
    double r, J;
    edge_residuals(arg, x, &r);
    edge_jacobian(arg, x, &J);
    *f = r * r / 2;
    if (gradient)
        *gradient = r * J;
    return GSL_SUCCESS;
}

static void around_what_is_not_finite(void **state)
{
    (void)state;
    const gpf__objective o = { NULL, 1, edge_value, 1, edge_residuals, edge_jacobian };
    gsl_error_handler_t *before = gsl_set_error_handler(aborting);
    for (size_t i = 0; gpf_minimizer_at(i); i++) {
        static const double starts[] = { 40, 1e-3, 1e6 };
        for (size_t k = 0; k < COUNT(starts); k++) {
            gpf__minimizer *m;
            double x = starts[k], f = NAN, gradient;
            assert_int_equal(gpf__minimizer_make(gpf_minimizer_at(i), &o, 100 * starts[k], 0.1, &m),
                             0);
            int status = gpf__minimizer_start(m, &x);
            for (int t = 0; t < 300 && !status; t++)
                status = gpf__minimizer_iterate(m, &x, &f, &gradient);
            assert_true(status == GPF__CONVERGED || status == GSL_SUCCESS || status == GSL_ENOPROG);
            assert_true(isfinite(f) && x > 0);
            if (k == 0)
                assert_close(x, exp(1), 1e-3, 0);
            gpf__minimizer_free(m);
        }
        const double below = -1;
        const run r = minimize(gpf_minimizer_at(i)->name, &o, &below, 9);
        assert_int_equal(r.status, GSL_EBADFUNC);
        assert_int_equal(r.iterations, 0);
    }
    gsl_set_error_handler(before);
}

/* Values that turn NaN or fail after some calls. */
typedef struct failing {
    linear l;
    int left;
    double value;
    int status;
} failing;

static int fail_residuals(void *arg, const double *x, double *r)
{
    failing *s = arg;
    linear_residuals(&s->l, x, r);
    if (s->left-- > 0)
        return GSL_SUCCESS;
    r[0] = s->value;
    return s->status;
}

static int fail_jacobian(void *arg, const double *x, double *J)
{
    failing *s = arg;
    linear_jacobian(&s->l, x, J);
    if (s->left-- > 0)
        return GSL_SUCCESS;
    J[0] = s->value;
    return s->status;
}

static int fail_value(void *arg, const double *x, double *f, double *gradient)
{
    failing *s = arg;
    linear_value(&s->l, x, f, gradient);
    if (s->left-- > 0)
        return GSL_SUCCESS;
    *f = s->value;
    for (size_t i = 0; gradient && i < s->l.n; i++)
        gradient[i] = s->value;
    return s->status;
}

static void failures_end_it(void **state)
{
    (void)state;
    static const double values[] = { NAN, INFINITY, -INFINITY, 1e308 };
    dice d = { 8 };
    failing s = { 0 };
    make_linear(&s.l, &d, 12, 3, 0);
    const gpf__objective o = { &s, 3, fail_value, 12, fail_residuals, fail_jacobian };
    const double from[] = { 1, -2, 3 };
    gsl_error_handler_t *before = gsl_set_error_handler(aborting);
    for (size_t i = 0; gpf_minimizer_at(i); i++)
        for (int calls = 0; calls < 40; calls++) {
            for (size_t k = 0; k < COUNT(values); k++) {
                s.left = calls;
                s.value = values[k];
                s.status = GSL_SUCCESS;
                const run r = minimize(gpf_minimizer_at(i)->name, &o, from, 50);
                for (int j = 0; j < 3; j++)
                    assert_true(isfinite(r.theta[j]));
                if (calls == 0 && k < 3)
                    assert_int_equal(r.status, GSL_EBADFUNC);
            }
            s.left = calls;
            s.status = GPF_EUNBOUND;
            const run r = minimize(gpf_minimizer_at(i)->name, &o, from, 50);
            assert_true(r.status == GPF_EUNBOUND || s.left >= 0);
        }
    gsl_set_error_handler(before);
}

/* A gradient of the wrong sign: no lower point, and that is said. */
static int uphill(void *arg, const double *x, double *f, double *gradient)
{
    linear_value(arg, x, f, gradient);
    for (int j = 0; gradient && j < 3; j++)
        gradient[j] = -gradient[j];
    return GSL_SUCCESS;
}

static int wrong_jacobian(void *arg, const double *x, double *J)
{
    linear_jacobian(arg, x, J);
    for (int j = 0; j < 36; j++)
        J[j] = -J[j];
    return GSL_SUCCESS;
}

static void a_wrong_gradient_finds_nothing(void **state)
{
    (void)state;
    dice d = { 9 };
    linear l;
    make_linear(&l, &d, 12, 3, 0);
    gpf__objective o = of_linear(&l);
    o.value = uphill;
    o.jacobian = wrong_jacobian;
    const double from[] = { 1, -2, 3 };
    gsl_error_handler_t *before = gsl_set_error_handler(aborting);
    for (size_t i = 0; gpf_minimizer_at(i); i++) {
        const run r = minimize(gpf_minimizer_at(i)->name, &o, from, 50);
        assert_int_equal(r.status, GSL_ENOPROG);
        for (int j = 0; j < 3; j++)
            assert_close(r.theta[j], from[j], 1e-9, 0);
    }
    gsl_set_error_handler(before);
}

/* A loss without a minimum: BFGS comes back from its search to where it began, and says nothing. */
static int down(void *arg, const double *x, double *f, double *gradient)
{
    const double *slope = arg;
    *f = 0;
    for (int j = 0; j < 2; j++) {
        *f += slope[j] * x[j];
        if (gradient)
            gradient[j] = slope[j];
    }
    return GSL_SUCCESS;
}

static void a_loss_without_a_minimum_ends(void **state)
{
    (void)state;
    double slope[] = { 1.3, 2.9 };
    const gpf__objective o = { .arg = slope, .n = 2, .value = down };
    const double from[] = { 3.1, 0.7 };
    gsl_error_handler_t *before = gsl_set_error_handler(aborting);
    for (size_t i = 0; gpf_minimizer_at(i)->type; i++) {
        const run r = minimize(gpf_minimizer_at(i)->name, &o, from, 5000);
        assert_int_equal(r.status, GSL_ENOPROG);
    }
    gsl_set_error_handler(before);
}

/* However short or long the first step is to be. */
static void any_first_step(void **state)
{
    (void)state;
    dice d = { 19 };
    linear l;
    make_linear(&l, &d, 12, 3, 0);
    const gpf__objective o = of_linear(&l);
    const double from[] = { 1, -2, 3 }, rates[] = { 1e-300, 1e-30, 1e-13, 1e13, 1e300 };
    for (size_t i = 0; i < 5; i++) {
        gpf__minimizer *m;
        double theta[3], f, slope;
        int status = gpf__minimizer_make(gpf_minimizer_find("bfgs"), &o, rates[i], NAN, &m);
        assert_int_equal(status, GSL_SUCCESS);
        assert_int_equal(gpf__minimizer_start(m, from), GSL_SUCCESS);
        for (int k = 0; k < 200 && !status; k++)
            status = gpf__minimizer_iterate(m, theta, &f, &slope);
        assert_int_equal(status, GPF__CONVERGED);
        for (int j = 0; j < 3; j++)
            assert_close(theta[j], l.x[j], 1e-6, 0);
        gpf__minimizer_free(m);
    }
}

/* Started again at the same point it does the same, bit for bit, whatever was before. */
static void starting_again(void **state)
{
    (void)state;
    dice d = { 10 };
    linear l;
    make_linear(&l, &d, 20, 4, 0);
    const gpf__objective o = of_linear(&l);
    for (size_t i = 0; gpf_minimizer_at(i); i++) {
        gpf__minimizer *m;
        double first[4], x[4], f, gradient;
        const double from[] = { 1, -2, 3, 0.5 };
        gpf__minimizer_make(gpf_minimizer_at(i), &o, 0.1, 0.1, &m);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(gpf__minimizer_start(m, from), GSL_SUCCESS);
            for (int t = 0; t < 5; t++)
                gpf__minimizer_iterate(m, x, &f, &gradient);
            memcpy(again ? x : first, x, sizeof x);
        }
        assert_memory_equal(x, first, sizeof x);
        gpf__minimizer_free(m);
    }
}

static void misuse(void **state)
{
    (void)state;
    gsl_error_handler_t *before = gsl_set_error_handler(aborting);
    linear l = { .m = 1, .n = 0 };
    gpf__objective o = of_linear(&l);
    gpf__minimizer *m;
    for (size_t i = 0; gpf_minimizer_at(i); i++) {
        assert_ptr_equal(gpf_minimizer_find(gpf_minimizer_at(i)->name), gpf_minimizer_at(i));
        assert_int_equal(gpf__minimizer_make(gpf_minimizer_at(i), &o, 0.1, 0.1, &m), GPF_ENOTHING);
        assert_null(m);
    }
    assert_null(gpf_minimizer_find("lbfgs"));
    o.n = 1000;
    o.m = SIZE_MAX / 64;
    assert_int_equal(gpf__minimizer_make(gpf_minimizer_find("lm"), &o, 0.1, 0.1, &m), GPF_ELIMIT);
    o.n = SIZE_MAX / 64;
    o.m = 1000;
    assert_int_equal(gpf__minimizer_make(gpf_minimizer_find("lm"), &o, 0.1, 0.1, &m), GPF_ELIMIT);
    gpf__minimizer_free(NULL);
    gsl_set_error_handler(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(least_squares_and_ridge),
        cmocka_unit_test(a_curved_valley),
        cmocka_unit_test(rate_and_tolerance_count),
        cmocka_unit_test(a_decay),
        cmocka_unit_test(underdetermined),
        cmocka_unit_test(a_saturated_unit),
        cmocka_unit_test(at_the_minimum_already),
        cmocka_unit_test(around_what_is_not_finite),
        cmocka_unit_test(failures_end_it),
        cmocka_unit_test(a_wrong_gradient_finds_nothing),
        cmocka_unit_test(a_loss_without_a_minimum_ends),
        cmocka_unit_test(any_first_step),
        cmocka_unit_test(starting_again),
        cmocka_unit_test(misuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
