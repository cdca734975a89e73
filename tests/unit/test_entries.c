/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The entries of a Jacobian: bounds, scales, patterns, kinks, noise, large ones; what they cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <gradproof.h>
#include <gsl/gsl_spmatrix.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct scene scene;
struct scene {
    size_t n, m;
    void (*f)(const scene *s, const double *x, double *y);
    void (*df)(const scene *s, const double *x, double *J);
    const double *lo, *hi;
    size_t bad_row, bad_col; /* an entry of J that is wrong */
    double factor, plus;
    size_t calls;
};

static int call_f(const gsl_vector *x, void *params, gsl_vector *y)
{
    scene *s = params;
    s->calls++;
    for (size_t j = 0; j < s->n; j++) {
        assert_true(!s->lo || x->data[j] >= s->lo[j]);
        assert_true(!s->hi || x->data[j] <= s->hi[j]);
    }
    s->f(s, x->data, y->data);
    return GSL_SUCCESS;
}

static int call_df(const gsl_vector *x, void *params, gsl_matrix *J)
{
    scene *s = params;
    memset(J->data, 0, s->n * s->m * sizeof *J->data);
    s->df(s, x->data, J->data);
    double *bad = &J->data[s->bad_row * s->n + s->bad_col];
    *bad = *bad * s->factor + s->plus;
    return GSL_SUCCESS;
}

static gpf_fdf *check(scene *s, const double *x, gpf_fdf_options *how)
{
    gpf_fdf_options defaults = gpf_fdf_defaults();
    how = how ? how : &defaults;
    const gsl_multifit_nlinear_fdf f = {
        .f = call_f, .df = call_df, .n = s->m, .p = s->n, .params = s
    };
    const gsl_vector_const_view at = gsl_vector_const_view_array(x, s->n);
    gsl_vector_const_view lo = gsl_vector_const_view_array(s->lo ? s->lo : x, s->n),
                          hi = gsl_vector_const_view_array(s->hi ? s->hi : x, s->n);
    how->lo = s->lo ? &lo.vector : NULL;
    how->hi = s->hi ? &hi.vector : NULL;
    s->calls = 0;
    gpf_diag why;
    gpf_fdf *c = gpf_check_multifit_nlinear_fdf(&f, &at.vector, how, &why);
    if (!c)
        fail_msg("%s", why.text);
    return c;
}

static const gpf_element *entry(const gpf_fdf *c, size_t part, size_t k)
{
    for (size_t i = 0; i < gpf_fdf_n_elements(c); i++) {
        const gpf_element *e = gpf_fdf_element(c, i);
        if ((size_t)e->tensor == part && e->k == k)
            return e;
    }
    return NULL;
}

static bool explained(const gpf_fdf *c, gpf_explanation_kind kind)
{
    for (size_t i = 0; i < gpf_fdf_n_explanations(c); i++)
        if (gpf_fdf_explanation(c, i)->kind == kind)
            return true;
    return false;
}

/* y0 = x0^1.5 exp(x1), y1 = x1 + log(x0): not defined below 0 */
static void f_root(const scene *s, const double *x, double *y)
{
    (void)s;
    y[0] = x[0] * sqrt(x[0]) * exp(x[1]);
    y[1] = x[1] + log(x[0]);
}

static void df_root(const scene *s, const double *x, double *J)
{
    (void)s;
    J[0] = 1.5 * sqrt(x[0]) * exp(x[1]);
    J[1] = x[0] * sqrt(x[0]) * exp(x[1]);
    J[2] = 1 / x[0];
    J[3] = 1;
}

/* At a bound, just beside it, in a corner, in hardly any room. */
static void bounds(void **state)
{
    (void)state;
    static const double x[] = { 0.731, 0.283 },
                        rooms[][2] = { { 0, 5 },    { 5, 0 },       { 1e-9, 5 },
                                       { 5, 1e-6 }, { 1e-9, 1e-7 }, { 0, 1e-5 } };
    for (size_t k = 0; k < sizeof rooms / sizeof *rooms; k++)
        for (size_t bad = 0; bad < 5; bad++) {
            const double lo[] = { x[0] - fmin(rooms[k][0], 0.7), x[1] - rooms[k][0] },
                         hi[] = { x[0] + rooms[k][1], x[1] + rooms[k][1] };
            scene s = { 2, 2, f_root, df_root, lo, hi, bad / 2, bad % 2, 1.001, 0, 0 };
            if (bad == 4) {
                s.bad_row = s.bad_col = 0;
                s.factor = 1;
            }
            gpf_fdf *c = check(&s, x, NULL);
            for (size_t i = 0; i < 4; i++) {
                const gpf_element *e = entry(c, 0, i);
                if (e->verdict != (i == bad ? GPF_WRONG : GPF_RIGHT) || (i != bad && e->digits < 4))
                    fail_msg(
                        "room %zu, entry %zu, wrong is %zu: %s (%s), %.12g, numeric %.12g +- %g", k,
                        i, bad, gpf_verdict_name(e->verdict), gpf_reason_name(e->reason),
                        e->analytic, e->numeric, e->error);
            }
            gpf_fdf_free(c);
        }
}

static void fixed_variables(void **state)
{
    (void)state;
    const double x[] = { 0.731, 0.283 }, lo[] = { 0.731, -1 }, hi[] = { 0.731, 1 };
    scene s = { 2, 2, f_root, df_root, lo, hi, 0, 0, 7, 0, 0 };
    gpf_fdf *c = check(&s, x, NULL);
    assert_int_equal(gpf_fdf_n_elements(c), 2);
    assert_null(entry(c, 0, 0));
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_RIGHT);
    gpf_fdf_free(c);
}

/* y_i = sin(x_i) x_{i-1} + x_{i+1}^2, and what is not in the pattern */
static void f_band(const scene *s, const double *x, double *y)
{
    for (size_t i = 0; i < s->m; i++)
        y[i] = sin(x[i]) * (i > 0 ? x[i - 1] : 1) + (i + 1 < s->n ? x[i + 1] * x[i + 1] : 0);
}

static void df_band(const scene *s, const double *x, double *J)
{
    for (size_t i = 0; i < s->m; i++) {
        J[i * s->n + i] = cos(x[i]) * (i > 0 ? x[i - 1] : 1);
        if (i > 0)
            J[i * s->n + i - 1] = sin(x[i]);
        if (i + 1 < s->n)
            J[i * s->n + i + 1] = 2 * x[i + 1];
    }
}

static void f_band_and_more(const scene *s, const double *x, double *y)
{
    f_band(s, x, y);
    y[7] += 0.25 * x[31];
}

enum { BAND = 60 };

static gsl_spmatrix *band(void)
{
    gsl_spmatrix *a = gsl_spmatrix_alloc(BAND, BAND);
    for (size_t i = 0; i < BAND; i++)
        for (size_t j = i > 0 ? i - 1 : 0; j <= i + 1 && j < BAND; j++)
            gsl_spmatrix_set(a, i, j, 1);
    return a;
}

static void pattern(void **state)
{
    (void)state;
    double x[BAND];
    for (size_t j = 0; j < BAND; j++) /* of very different sizes */
        x[j] = (0.2 + 0.7 * sin((double)(3 * j + 1))) * (j % 5 == 2 ? 1e-4 : 1);
    gsl_spmatrix *a = band();
    gpf_fdf_options how = gpf_fdf_defaults();
    how.pattern = a;
    scene s = { BAND, BAND, f_band, df_band, NULL, NULL, 0, 0, 1, 0, 0 };
    gpf_fdf *c = check(&s, x, &how);
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_RIGHT);
    assert_int_equal(gpf_fdf_part_at(c, 0)->tally.count[GPF_RIGHT], 3 * BAND - 2);
    assert_true(s.calls < 100); /* of 60 * 4 at least, without one */
    gpf_fdf_free(c);

    s.bad_row = 20;
    s.bad_col = 21;
    s.factor = 1.001;
    c = check(&s, x, &how);
    assert_int_equal(entry(c, 0, 20 * BAND + 21)->verdict, GPF_WRONG);
    assert_int_equal(gpf_fdf_part_at(c, 0)->tally.count[GPF_WRONG], 1);
    assert_false(explained(c, GPF_OUTSIDE_PATTERN));
    gpf_fdf_free(c);

    s.bad_col = 50; /* a number where there should be none */
    s.plus = 0.125;
    c = check(&s, x, &how);
    assert_int_equal(entry(c, 0, 20 * BAND + 50)->verdict, GPF_WRONG);
    assert_int_equal(gpf_fdf_part_at(c, 0)->tally.count[GPF_WRONG], 1);
    assert_true(explained(c, GPF_OUTSIDE_PATTERN));
    gpf_fdf_free(c);

    s.factor = 1; /* f depends on more than the pattern says */
    s.plus = 0;
    s.f = f_band_and_more;
    c = check(&s, x, &how);
    assert_non_null(entry(c, 0, 7 * BAND + 31));
    assert_int_equal(entry(c, 0, 7 * BAND + 31)->verdict, GPF_WRONG);
    assert_int_equal(gpf_fdf_part_at(c, 0)->tally.count[GPF_WRONG], 1);
    assert_int_equal(gpf_fdf_part_at(c, 0)->tally.count[GPF_RIGHT], 3 * BAND - 2);
    assert_true(explained(c, GPF_OUTSIDE_PATTERN));
    gpf_fdf_free(c);
    gsl_spmatrix_free(a);
}

/* |x0| + relu(x1), at and beside the kinks; the claim for x0 */
static void f_kinks(const scene *s, const double *x, double *y)
{
    (void)s;
    y[0] = fabs(x[0]) + (x[1] > 0 ? x[1] : 0) + x[0] * x[0] + cos(x[1]);
}

static void df_kinks(const scene *s, const double *x, double *J)
{
    (void)s;
    J[0] = (x[0] > 0) - (x[0] < 0) + 2 * x[0];
    J[1] = (x[1] > 0) - sin(x[1]);
}

static void kinks(void **state)
{
    (void)state;
    static const double d[] = { 0, 1e-14, -1e-12, 1e-10, -1e-8, 1e-7, -3e-6, 1e-5, 1e-3, -0.4 };
    for (size_t i = 0; i < sizeof d / sizeof *d; i++)
        for (size_t j = 0; j < sizeof d / sizeof *d; j++) {
            const double x[] = { d[i], d[j] };
            scene s = { 2, 1, f_kinks, df_kinks, NULL, NULL, 0, 0, 1, 0, 0 };
            gpf_fdf *c = check(&s, x, NULL);
            assert_int_not_equal(entry(c, 0, 0)->verdict, GPF_WRONG);
            assert_int_not_equal(entry(c, 0, 1)->verdict, GPF_WRONG);
            if (d[i] == 0)
                assert_int_equal(entry(c, 0, 0)->verdict, GPF_KINK);
            if (fabs(d[i]) >= 1e-8)
                assert_int_equal(entry(c, 0, 0)->verdict, GPF_RIGHT);
            gpf_fdf_free(c);
            s.plus = 2.5; /* no slope at all */
            c = check(&s, x, NULL);
            assert_int_not_equal(entry(c, 0, 0)->verdict, GPF_RIGHT);
            if (d[i] == 0 || fabs(d[i]) >= 1e-8)
                assert_int_equal(entry(c, 0, 0)->verdict, GPF_WRONG);
            gpf_fdf_free(c);
        }
}

/* floats inside: 6e-8; digits that go */
static void f_float(const scene *s, const double *x, double *y)
{
    (void)s;
    y[0] = (float)(exp(x[0]) * x[1]);
    y[1] = (sin(x[0]) + 1e8) - 1e8 + x[1];
}

static void df_float(const scene *s, const double *x, double *J)
{
    (void)s;
    J[0] = exp(x[0]) * x[1];
    J[1] = exp(x[0]);
    J[2] = cos(x[0]);
    J[3] = 1;
}

static void noise(void **state)
{
    (void)state;
    const double x[] = { 0.731, 0.283 };
    scene s = { 2, 2, f_float, df_float, NULL, NULL, 0, 0, 1, 0, 0 };
    gpf_fdf *c = check(&s, x, NULL);
    assert_int_equal(gpf_fdf_part_at(c, 0)->tally.count[GPF_WRONG], 0);
    gpf_fdf_free(c);
    for (size_t k = 0; k < 4; k++) {
        s.bad_row = k / 2;
        s.bad_col = k % 2;
        s.factor = -1;
        c = check(&s, x, NULL);
        assert_int_equal(entry(c, 0, k)->verdict, GPF_WRONG);
        assert_int_equal(gpf_fdf_part_at(c, 0)->tally.count[GPF_WRONG], 1);
        gpf_fdf_free(c);
    }
}

static double sum_of_squares(const gsl_vector *x, void *calls)
{
    double y = 0;
    ++*(size_t *)calls;
    for (size_t j = 0; j < x->size; j++)
        y += (x->data[j] - 1) * (x->data[j] - 1);
    return y;
}

static void its_gradient(const gsl_vector *x, void *calls, gsl_vector *df)
{
    (void)calls;
    for (size_t j = 0; j < x->size; j++)
        df->data[j] = 2 * (x->data[j] - 1) * (j == 777 ? 1.01 : 1);
}

static void its_both(const gsl_vector *x, void *calls, double *f, gsl_vector *df)
{
    *f = sum_of_squares(x, calls);
    its_gradient(x, calls, df);
}

static void many_variables(void **state)
{
    (void)state;
    enum { SIZE = 2000 };
    size_t calls = 0;
    const gsl_multimin_function_fdf f = { sum_of_squares, its_gradient, its_both, SIZE, &calls };
    gsl_vector *x = gsl_vector_alloc(SIZE);
    for (size_t j = 0; j < SIZE; j++)
        x->data[j] = 1 + sin((double)(7 * j + 1));
    gpf_fdf *c = gpf_check_multimin_fdf(&f, x, NULL, NULL);
    assert_non_null(c);
    assert_int_equal(gpf_fdf_part_at(c, 0)->tally.count[GPF_WRONG], 1);
    assert_int_equal(gpf_fdf_element(c, 777)->verdict, GPF_WRONG);
    assert_int_equal(gpf_fdf_part_at(c, 0)->tally.count[GPF_RIGHT], SIZE - 1);
    assert_true(calls < 8 * SIZE + 500);
    gpf_fdf_free(c);
    gsl_vector_free(x);
}

/* y_i = exp(a_i x0) sin(x1 + i) + x2 */
static void f_rows(const scene *s, const double *x, double *y)
{
    for (size_t i = 0; i < s->m; i++)
        y[i] = exp((double)(i % 7) * x[0]) * sin(x[1] + (double)i) + x[2];
}

static void df_rows(const scene *s, const double *x, double *J)
{
    for (size_t i = 0; i < s->m; i++, J += 3) {
        const double a = (double)(i % 7), e = exp(a * x[0]);
        J[0] = a * e * sin(x[1] + (double)i);
        J[1] = e * cos(x[1] + (double)i);
        J[2] = 1;
    }
}

/* All rows of a column share their points: what a column costs does not depend on how many. */
static void cost_of_a_column(void **state)
{
    (void)state;
    const double x[] = { 0.2731, 0.283, -1.1 };
    const size_t rows[] = { 1, 10, 100, 3000 };
    for (size_t k = 0; k < 4; k++) {
        scene s = { 3, rows[k], f_rows, df_rows, NULL, NULL, 0, 0, 1, 0, 0 };
        gpf_fdf *c = check(&s, x, NULL);
        const gpf_tally *t = &gpf_fdf_part_at(c, 0)->tally;
        assert_int_equal(t->count[GPF_WRONG] + t->count[GPF_KINK], 0);
        assert_int_equal(t->count[GPF_UNRESOLVED], 0);
        assert_true(t->evaluations <= 3 * 12);
        gpf_fdf_free(c);
    }
}

static int stop_after_a_column(void *arg, size_t done, size_t total)
{
    (void)arg;
    assert_true(total > 0);
    return done > 0;
}

typedef struct patience {
    const scene *s;
    int asked, most;
    size_t calls; /* when it ended */
} patience;

static int stop_within(void *arg, size_t done, size_t total)
{
    patience *p = arg;
    (void)done;
    (void)total;
    assert_true(p->asked <= p->most);
    p->calls = p->s->calls;
    return ++p->asked > p->most;
}

static void stopping(void **state)
{
    (void)state;
    const double x[] = { 0.2731, 0.283, -1.1 };
    scene s = { 3, 10, f_rows, df_rows, NULL, NULL, 4, 0, -1, 0, 0 };
    gpf_fdf_options how = gpf_fdf_defaults();
    how.max_failures = 1;
    gpf_fdf *c = check(&s, x, &how);
    assert_int_equal(gpf_fdf_stopped(c), 1);
    assert_int_equal(gpf_fdf_n_elements(c), 10);
    gpf_fdf_free(c);
    how = gpf_fdf_defaults();
    how.progress = stop_after_a_column;
    c = check(&s, x, &how);
    assert_int_equal(gpf_fdf_stopped(c), 1);
    assert_int_equal(gpf_fdf_n_elements(c), 10);
    gpf_fdf_free(c);
    /* In the middle of an entry: f is not called again, and the entry is not in the result. */
    for (int most = 0; most < 60; most++) {
        patience p = { .s = &s, .most = most };
        how.progress = stop_within;
        how.progress_arg = &p;
        c = check(&s, x, &how);
        assert_int_equal(gpf_fdf_stopped(c), 1);
        assert_int_equal(s.calls, p.calls);
        for (size_t i = 0; i < gpf_fdf_n_elements(c); i++) {
            const gpf_element *e = gpf_fdf_element(c, i);
            assert_true((e->verdict == GPF_WRONG) == (e->k == 4 * s.n));
        }
        gpf_fdf_free(c);
    }
}

static int rhs(double t, const double y[], double dydt[], void *params)
{
    (void)params;
    dydt[0] = y[1] * cos(t);
    dydt[1] = -y[0] * y[0];
    return GSL_SUCCESS;
}

static int jacobian(double t, const double y[], double *dfdy, double dfdt[], void *params)
{
    dfdy[0] = 0;
    dfdy[1] = cos(t);
    dfdy[2] = -2 * y[0];
    dfdy[3] = 0;
    dfdt[0] = -y[1] * sin(t) * *(const double *)params;
    dfdt[1] = 0;
    return GSL_SUCCESS;
}

static void time_is_a_part_of_its_own(void **state)
{
    (void)state;
    const double y[] = { 0.4, -1.3 };
    for (double factor = 1; factor < 3; factor++) {
        const gsl_odeiv2_system f = { rhs, jacobian, 2, &factor };
        gpf_fdf *c = gpf_check_odeiv2(&f, 0.7, y, NULL, NULL);
        assert_non_null(c);
        assert_int_equal(gpf_fdf_n_parts(c), 2);
        assert_int_equal(gpf_fdf_part_at(c, 0)->tally.count[GPF_RIGHT], 2);
        assert_int_equal(gpf_fdf_part_at(c, 0)->tally.count[GPF_VACUOUS], 2);
        assert_int_equal(entry(c, 1, 0)->verdict, factor == 1 ? GPF_RIGHT : GPF_WRONG);
        assert_int_equal(entry(c, 1, 1)->verdict, GPF_VACUOUS);
        gpf_fdf_free(c);
    }
}

static void f_infinite(const scene *s, const double *x, double *y)
{
    (void)s;
    y[0] = sqrt(fabs(x[0])); /* inf on both sides */
    y[1] = cbrt(x[0]);
    y[2] = x[0] > 0 ? x[0] * log(x[0]) : x[0] < 0 ? x[0] * log(-x[0]) : 0;
    y[3] = fabs(x[0]) + x[0] / 3;
}
static void df_infinite(const scene *s, const double *x, double *J)
{
    (void)s;
    (void)x;
    J[0] = J[1] = J[3] = INFINITY;
    J[2] = -INFINITY;
}

/* An infinite slope has no number to be compared with; a finite one is not infinite. */
static void infinite_slopes(void **state)
{
    (void)state;
    const double x[] = { 0 };
    scene s = { 1, 4, f_infinite, df_infinite, NULL, NULL, 0, 0, 1, 0, 0 };
    gpf_fdf *c = check(&s, x, NULL);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(entry(c, 0, i)->verdict, GPF_UNRESOLVED);
    assert_int_equal(entry(c, 0, 3)->verdict, GPF_WRONG);
    gpf_fdf_free(c);
}

/* Linear between entries 3e-5 apart. */
static void f_table(const scene *s, const double *x, double *y)
{
    (void)s;
    const double d = 3.1e-5, k = floor(x[0] / d), t = x[0] / d - k;
    y[0] = 2 + (1 - t) * sin(k * d) + t * sin((k + 1) * d);
    y[1] = 2 + sin(x[0]) / 3;
}
static void df_table(const scene *s, const double *x, double *J)
{
    (void)s;
    J[0] = cos(x[0]);
    J[1] = cos(x[0]) / 3;
}

static void tables(void **state)
{
    (void)state;
    for (int k = 0; k < 40; k++) {
        const double x[] = { 0.731 + 0.0371 * k };
        scene s = { 1, 2, f_table, df_table, NULL, NULL, 0, 0, 1, 0, 0 };
        gpf_fdf *c = check(&s, x, NULL);
        assert_int_not_equal(entry(c, 0, 0)->verdict, GPF_WRONG);
        assert_int_equal(entry(c, 0, 1)->verdict, GPF_RIGHT);
        gpf_fdf_free(c);
        for (size_t row = 0; row < 2; row++) {
            s.bad_row = row;
            s.factor = 1.01;
            c = check(&s, x, NULL);
            assert_int_not_equal(entry(c, 0, row)->verdict, GPF_RIGHT);
            if (row == 1)
                assert_int_equal(entry(c, 0, row)->verdict, GPF_WRONG);
            gpf_fdf_free(c);
        }
    }
}

/* At 0 nothing tells that x matters on a scale of 1e-8. */
static void f_tiny(const scene *s, const double *x, double *y)
{
    (void)s;
    const double u = x[0] / 1e-8 + 0.3;
    y[0] = tanh(u);
    y[1] = exp(-u * u);
    y[2] = 1 / (1 + u * u);
    y[3] = sin(u);
    y[4] = u / sqrt(1 + u * u);
}
static void df_tiny(const scene *s, const double *x, double *J)
{
    (void)s;
    const double u = x[0] / 1e-8 + 0.3;
    J[0] = 1e8 * (1 - tanh(u) * tanh(u));
    J[1] = 1e8 * -2 * u * exp(-u * u);
    J[2] = 1e8 * -2 * u / ((1 + u * u) * (1 + u * u));
    J[3] = 1e8 * cos(u);
    J[4] = 1e8 / ((1 + u * u) * sqrt(1 + u * u));
}

static void tiny_scale_at_zero(void **state)
{
    (void)state;
    const double x[] = { 0 };
    scene s = { 1, 5, f_tiny, df_tiny, NULL, NULL, 0, 0, 1, 0, 0 };
    gpf_fdf *c = check(&s, x, NULL);
    for (size_t i = 0; i < 5; i++)
        assert_int_not_equal(entry(c, 0, i)->verdict, GPF_WRONG);
    gpf_fdf_free(c);
    const double size[] = { 1e-8 };
    const gsl_vector_const_view scale = gsl_vector_const_view_array(size, 1);
    gpf_fdf_options how = gpf_fdf_defaults();
    how.scale = &scale.vector;
    c = check(&s, x, &how);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(entry(c, 0, i)->verdict, GPF_RIGHT);
    gpf_fdf_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds),
        cmocka_unit_test(fixed_variables),
        cmocka_unit_test(pattern),
        cmocka_unit_test(kinks),
        cmocka_unit_test(noise),
        cmocka_unit_test(many_variables),
        cmocka_unit_test(cost_of_a_column),
        cmocka_unit_test(stopping),
        cmocka_unit_test(infinite_slopes),
        cmocka_unit_test(tables),
        cmocka_unit_test(tiny_scale_at_zero),
        cmocka_unit_test(time_is_a_part_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
