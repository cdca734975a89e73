/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"

#include "gsl/gsl.h"

/* f_i = x0^2 sin(i + x1), i < m; with its J. */
static size_t stop_after, progressed;
static int f_status;

static int f_of(const gsl_vector *x, void *p, gsl_vector *f)
{
    (void)p;
    const double a = gsl_vector_get(x, 0), b = gsl_vector_get(x, 1);
    for (size_t i = 0; i < f->size; i++)
        gsl_vector_set(f, i, a * a * sin((double)i + b));
    return f_status;
}

static double factor;

static int df_of(const gsl_vector *x, void *p, gsl_matrix *J)
{
    (void)p;
    const double a = gsl_vector_get(x, 0), b = gsl_vector_get(x, 1);
    for (size_t i = 0; i < J->size1; i++) {
        gsl_matrix_set(J, i, 0, factor * 2 * a * sin((double)i + b));
        gsl_matrix_set(J, i, 1, factor * a * a * cos((double)i + b));
    }
    return GSL_SUCCESS;
}

static int fdf_of(const gsl_vector *x, void *p, gsl_vector *f, gsl_matrix *J)
{
    f_of(x, p, f);
    return df_of(x, p, J);
}

static gsl_multifit_function_fdf fit(void)
{
    factor = 1;
    f_status = GSL_SUCCESS;
    return (gsl_multifit_function_fdf){ .f = f_of, .df = df_of, .fdf = fdf_of, .n = 5, .p = 2 };
}

static int progress(void *arg, size_t done, size_t total)
{
    (void)arg;
    assert_true(done <= total);
    progressed++;
    return done >= stop_after;
}

static void refuse(const gsl_multifit_function_fdf *f, const gsl_vector *x, gpf_fdf_options how,
                   int status, const char *text)
{
    gpf_diag why;
    gpf_fdf *c = gpf_check_multifit_fdf(f, x, &how, &why);
    assert_null(c);
    assert_string_equal(why.text, text);
    assert_int_equal(why.status, status);
    assert_null(gpf_check_multifit_fdf(f, x, &how, NULL));
}

static void test_bad_input(void **state)
{
    (void)state;
    gsl_multifit_function_fdf f = fit();
    double at[] = { 1, 2, 3 }, lo[] = { 0, 0, 0 }, hi[] = { 3, 3, 3 }, scale[] = { 1, 1, 1 };
    gsl_vector_view x = gsl_vector_view_array(at, 2), x3 = gsl_vector_view_array(at, 3),
                    l = gsl_vector_view_array(lo, 2), l3 = gsl_vector_view_array(lo, 3),
                    h = gsl_vector_view_array(hi, 2), h3 = gsl_vector_view_array(hi, 3),
                    s = gsl_vector_view_array(scale, 2), s3 = gsl_vector_view_array(scale, 3);
    gpf_fdf_options how = gpf_fdf_defaults();
    refuse(NULL, &x.vector, how, GSL_EINVAL,
           "no structure is given (NULL), a gsl_multifit_function_fdf is expected");
    refuse(&f, NULL, how, GSL_EINVAL, "no x is given (NULL)");
    assert_null(gpf_check_fdf(NULL, &f, &x.vector, NULL, NULL));
    refuse(&f, &x3.vector, how, GSL_EBADLEN,
           "x has 3 elements, but the gsl_multifit_function_fdf has 2 variables");
    how.lo = &l3.vector;
    refuse(&f, &x.vector, how, GSL_EBADLEN,
           "lo has 3 elements, but the gsl_multifit_function_fdf has 2 variables");
    how.lo = &l.vector;
    how.hi = &h3.vector;
    refuse(&f, &x.vector, how, GSL_EBADLEN,
           "hi has 3 elements, but the gsl_multifit_function_fdf has 2 variables");
    how.hi = &h.vector;
    how.scale = &s3.vector;
    refuse(&f, &x.vector, how, GSL_EBADLEN,
           "scale has 3 elements, but the gsl_multifit_function_fdf has 2 variables");
    how.scale = &s.vector;
    how.weights = &s3.vector;
    refuse(&f, &x.vector, how, GSL_EBADLEN, "weights has 3 elements, but there are 5 values");
    how.weights = NULL;
    scale[1] = 0;
    refuse(&f, &x.vector, how, GSL_EINVAL, "scale[1] is 0, a number > 0 is expected");
    scale[1] = NAN;
    refuse(&f, &x.vector, how, GSL_EINVAL, "scale[1] is nan, a number > 0 is expected");
    scale[1] = 1;
    lo[1] = 4;
    refuse(&f, &x.vector, how, GSL_EINVAL, "lo[1] = 4 is not below hi[1] = 3");
    lo[1] = NAN;
    refuse(&f, &x.vector, how, GSL_EINVAL, "lo[1] = nan is not below hi[1] = 3");
    lo[1] = 2.5;
    refuse(&f, &x.vector, how, GSL_EINVAL, "x[1] = 2 is below lo[1] = 2.5");
    lo[1] = 0;
    hi[0] = 0.5;
    refuse(&f, &x.vector, how, GSL_EINVAL, "x[0] = 1 is above hi[0] = 0.5");
    lo[0] = hi[0] = 1;
    lo[1] = hi[1] = 2;
    refuse(&f, &x.vector, how, GPF_ENOTHING, "nothing to check: every variable has lo = hi");
    at[0] = INFINITY;
    refuse(&f, &x.vector, gpf_fdf_defaults(), GSL_EINVAL,
           "x[0] is inf, a finite number is expected");
    at[0] = 1;
    gsl_spmatrix *pattern = gsl_spmatrix_alloc(2, 5);
    how = gpf_fdf_defaults();
    how.pattern = pattern;
    refuse(&f, &x.vector, how, GSL_EBADLEN, "the pattern is 2x5, but J is 5x2");
    gsl_spmatrix_free(pattern);
    f.n = 0;
    refuse(&f, &x.vector, gpf_fdf_defaults(), GPF_ENOTHING,
           "nothing to check: the gsl_multifit_function_fdf has no values");
    f = fit();
    f.p = 0;
    refuse(&f, &x.vector, gpf_fdf_defaults(), GPF_ENOTHING,
           "nothing to check: the gsl_multifit_function_fdf has no variables");
    f = fit();
    f.n = (size_t)1 << 50;
    gpf_diag why;
    assert_null(gpf_check_multifit_fdf(&f, &x.vector, NULL, &why));
    assert_int_equal(why.status, GPF_ELIMIT);
    f = fit();
    f.f = NULL;
    refuse(&f, &x.vector, gpf_fdf_defaults(), GSL_EINVAL,
           "the gsl_multifit_function_fdf has no function f: it is NULL");
    f = fit();
    f.df = NULL;
    f.fdf = NULL;
    refuse(&f, &x.vector, gpf_fdf_defaults(), GSL_EINVAL,
           "the gsl_multifit_function_fdf has no derivative to check: df and all others are NULL");
    gsl_odeiv2_system ode = { NULL, NULL, 2, NULL };
    assert_null(gpf_check_odeiv2(&ode, 0, at, NULL, &why));
    assert_string_equal(why.text, "the gsl_odeiv2_system has no function function: it is NULL");
    assert_null(gpf_check_odeiv2(&ode, 0, NULL, NULL, &why));
    assert_null(gpf_check_odeiv2(NULL, 0, at, NULL, &why));
}

static void test_results(void **state)
{
    (void)state;
    gsl_multifit_function_fdf f = fit();
    double at[] = { 1.3, 0.4 };
    gsl_vector_view x = gsl_vector_view_array(at, 2);
    gpf_fdf *c = gpf_check_multifit_fdf(&f, &x.vector, NULL, NULL);
    assert_non_null(c);
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_RIGHT);
    assert_int_equal(gpf_fdf_n_parts(c), 2);
    assert_null(gpf_fdf_part_at(c, 2));
    const gpf_fdf_part *J = gpf_fdf_part_at(c, 0), *fdf = gpf_fdf_part_at(c, 1);
    assert_string_equal(J->name, "J");
    assert_true(J->rows == 5 && J->cols == 2 && J->total == 10);
    assert_int_equal(J->tally.count[GPF_RIGHT], 10);
    assert_string_equal(fdf->name, "fdf");
    assert_true(fdf->rows == 5 && fdf->cols == 3 && fdf->tally.count[GPF_RIGHT] == 15);
    assert_int_equal(gpf_fdf_n_elements(c), 25);
    assert_null(gpf_fdf_element(c, 25));
    for (size_t i = 1; i < 25; i++) {
        const gpf_element *e = gpf_fdf_element(c, i), *before = gpf_fdf_element(c, i - 1);
        assert_true(e->tensor > before->tensor || e->k > before->k);
        assert_true(e->digits >= 4);
    }
    assert_close(gpf_fdf_element(c, 3)->analytic, 1.69 * cos(1.4), 1e-15, 0);
    assert_true(gpf_fdf_element(c, 3)->value == 0.4);
    char label[64];
    assert_string_equal(gpf_fdf_label(c, 3, label, sizeof label), "J[1,1]");
    assert_string_equal(gpf_fdf_label(c, 10, label, sizeof label), "fdf f[0]");
    assert_string_equal(gpf_fdf_label(c, 15, label, sizeof label), "fdf J[1,1]");
    assert_string_equal(gpf_fdf_label(c, 15, label, 6), "fdf J");
    assert_string_equal(gpf_fdf_label(c, 25, label, sizeof label), "");
    assert_int_equal(gpf_fdf_n_explanations(c), 0);
    assert_null(gpf_fdf_explanation(c, 0));
    assert_string_equal(gpf_fdf_kind_name(gpf_fdf_kind_of(c)), "multifit");
    assert_true(gpf_fdf_x(c)->size == 2 && gsl_vector_get(gpf_fdf_x(c), 1) == 0.4);
    assert_string_equal(gpf_fdf_variable(c, 1), "x[1]");
    assert_null(gpf_fdf_variable(c, 2));
    assert_close(gpf_fdf_values(c)[2], 1.69 * sin(2.4), 1e-15, 0);
    const gpf_fdf_calls n = gpf_fdf_n_calls(c);
    assert_true(n.f > 10 && n.df > 2 && n.fdf > 2 && n.fvv == 0);
    assert_false(gpf_fdf_stopped(c));
    gpf_fdf_free(c);
    gpf_fdf_free(NULL);
}

static void test_names(void **state)
{
    (void)state;
    gsl_multifit_function_fdf f = fit();
    double at[] = { 1.3, 0.4 };
    gsl_vector_view x = gsl_vector_view_array(at, 2);
    const char *const names[] = { "amplitude", NULL };
    gpf_fdf_options how = gpf_fdf_defaults();
    how.names = names;
    gpf_fdf *c = gpf_check_multifit_fdf(&f, &x.vector, &how, NULL);
    assert_string_equal(gpf_fdf_variable(c, 0), "amplitude");
    assert_string_equal(gpf_fdf_variable(c, 1), "x[1]");
    gpf_fdf_free(c);
}

static void test_stopping(void **state)
{
    (void)state;
    gsl_multifit_function_fdf f = fit();
    double at[] = { 1.3, 0.4 };
    gsl_vector_view x = gsl_vector_view_array(at, 2);
    gpf_fdf_options how = gpf_fdf_defaults();
    how.progress = progress;
    progressed = 0;
    stop_after = 1;
    gpf_fdf *c = gpf_check_multifit_fdf(&f, &x.vector, &how, NULL);
    assert_true(gpf_fdf_stopped(c));
    assert_int_equal(gpf_fdf_n_elements(c), 5); /* one column */
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_TROUBLE);
    gpf_fdf_free(c);
    how = gpf_fdf_defaults();
    how.max_failures = 3;
    factor = 2;
    c = gpf_check_multifit_fdf(&f, &x.vector, &how, NULL);
    assert_true(gpf_fdf_stopped(c));
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_WRONG);
    assert_true(gpf_fdf_n_elements(c) < 10);
    assert_int_equal(gpf_fdf_explanation(c, 0)->kind, GPF_SCALED_COLUMN); /* all that is known */
    gpf_fdf_free(c);
}

/* f that is not defined at x is a doubt, whatever df says. */
static void test_undefined(void **state)
{
    (void)state;
    gsl_multifit_function_fdf f = fit();
    double at[] = { 1.3, 0.4 };
    gsl_vector_view x = gsl_vector_view_array(at, 2);
    f_status = GSL_EDOM;
    gpf_fdf *c = gpf_check_multifit_fdf(&f, &x.vector, NULL, NULL);
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_UNTESTED);
    assert_int_equal(gpf_fdf_explanation(c, 0)->kind, GPF_UNDEFINED);
    assert_string_equal(gpf_fdf_explanation(c, 0)->text,
                        "f returned 1 (input domain error) at x = (1.3, 0.4)");
    assert_true(isnan(gpf_fdf_values(c)[0]));
    gpf_fdf_free(c);
    f = fit();
    at[0] = 1e200;
    c = gpf_check_multifit_fdf(&f, &x.vector, NULL, NULL);
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_UNTESTED);
    assert_string_equal(gpf_fdf_explanation(c, 0)->text, "f[0] is inf at x = (1e+200, 0.4)");
    gpf_fdf_free(c);
}

static int ode_f(double t, const double y[], double dydt[], void *p)
{
    (void)p;
    dydt[0] = y[1] * t;
    dydt[1] = -y[0];
    return GSL_SUCCESS;
}

static int ode_jacobian(double t, const double y[], double *dfdy, double dfdt[], void *p)
{
    (void)p;
    dfdy[0] = dfdy[3] = 0;
    dfdy[1] = t;
    dfdy[2] = -1;
    dfdt[0] = y[1];
    dfdt[1] = 0;
    return GSL_SUCCESS;
}

static void test_time(void **state)
{
    (void)state;
    const gsl_odeiv2_system f = { ode_f, ode_jacobian, 2, NULL };
    const double y[] = { 0.3, -0.8 };
    gpf_fdf *c = gpf_check_odeiv2(&f, 1.7, y, NULL, NULL);
    char label[64];
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_RIGHT);
    assert_int_equal(gpf_fdf_n_parts(c), 2);
    assert_string_equal(gpf_fdf_part_at(c, 0)->name, "dfdy");
    assert_string_equal(gpf_fdf_part_at(c, 1)->name, "dfdt");
    assert_string_equal(gpf_fdf_variable(c, 1), "y[1]");
    assert_string_equal(gpf_fdf_variable(c, 2), "t");
    assert_string_equal(gpf_fdf_label(c, 1, label, sizeof label), "dfdy[0,1]");
    assert_string_equal(gpf_fdf_label(c, 4, label, sizeof label), "dfdt[0]");
    assert_true(gpf_fdf_element(c, 4)->value == 1.7);
    gpf_fdf_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_input), cmocka_unit_test(test_results),
        cmocka_unit_test(test_names),     cmocka_unit_test(test_stopping),
        cmocka_unit_test(test_undefined), cmocka_unit_test(test_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
