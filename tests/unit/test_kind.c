/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"

#include "gsl/gsl.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_multilarge_nlinear.h>

static const char *const names[] = { "function", "multimin",         "multiroot",
                                     "multifit", "multifit_nlinear", "multilarge_nlinear",
                                     "odeiv2" };

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        const gpf_fdf_kind *k = gpf_fdf_kind_at(i);
        assert_non_null(k);
        assert_string_equal(gpf_fdf_kind_name(k), names[i]);
        assert_ptr_equal(gpf_fdf_kind_find(names[i]), k);
        assert_ptr_equal(gpf_fdf_kind_find(gpf_fdf_kind_structure(k)), k);
        assert_memory_equal(gpf_fdf_kind_structure(k), "gsl_", 4);
        assert_non_null(k->f);
        assert_non_null(k->df);
        assert_non_null(k->part);
    }
    assert_null(gpf_fdf_kind_at(COUNT(names)));
    assert_null(gpf_fdf_kind_find("multi"));
    assert_null(gpf_fdf_kind_find(NULL));
}

static double number(double x, void *p)
{
    return x + *(double *)p;
}

static void both(double x, void *p, double *f, double *df)
{
    *f = x;
    *df = *(double *)p;
}

/* Which calls the last one was, and with what. */
static struct {
    const gsl_vector *x, *u, *v;
    const gsl_matrix *J;
    CBLAS_TRANSPOSE_t trans;
    size_t n[4]; /* sizes of x, u, v, and columns of J */
} seen;

static int see(const gsl_vector *x, void *p, gsl_vector *f)
{
    (void)p;
    assert_true(x->stride == 1 && f->stride == 1);
    seen.n[0] = x->size;
    seen.n[2] = f->size;
    return 41;
}

static int see_J(const gsl_vector *x, void *p, gsl_matrix *J)
{
    (void)p;
    assert_true(J->tda == J->size2);
    seen.n[0] = x->size;
    seen.n[2] = J->size1;
    seen.n[3] = J->size2;
    return 42;
}

static int see_both(const gsl_vector *x, void *p, gsl_vector *f, gsl_matrix *J)
{
    see_J(x, p, J);
    see(x, p, f);
    return 43;
}

static int see_second(const gsl_vector *x, const gsl_vector *v, void *p, gsl_vector *fvv)
{
    see(x, p, fvv);
    seen.n[1] = v->size;
    return 44;
}

static int see_product(CBLAS_TRANSPOSE_t trans, const gsl_vector *x, const gsl_vector *u, void *p,
                       gsl_vector *v, gsl_matrix *JTJ)
{
    (void)p;
    seen.trans = trans;
    seen.n[0] = x->size;
    seen.n[1] = u->size;
    seen.n[2] = v->size;
    seen.n[3] = JTJ ? JTJ->size1 * 100 + JTJ->size2 : 0;
    return 45;
}

static double see_number(const gsl_vector *x, void *p)
{
    (void)p;
    seen.n[0] = x->size;
    return 7;
}

static void see_gradient(const gsl_vector *x, void *p, gsl_vector *df)
{
    (void)p;
    seen.n[0] = x->size;
    seen.n[2] = df->size;
}

static void see_number_and_gradient(const gsl_vector *x, void *p, double *f, gsl_vector *df)
{
    *f = see_number(x, p);
    see_gradient(x, p, df);
}

static void assert_seen(size_t x, size_t u, size_t v, size_t cols)
{
    const size_t n[] = { x, u, v, cols };
    for (size_t i = 0; i < 4; i++)
        if (seen.n[i] != n[i])
            fail_msg("size %zu is %zu, expected %zu", i, seen.n[i], n[i]);
    memset(&seen, 0, sizeof seen);
}

static double room[8][64];
static const gpf__args args = { room[0], room[1], room[2], room[3], room[4], room[5], NULL };

static void test_function(void **state)
{
    (void)state;
    double p = 5, x = 2, f = 0, d = 0;
    gsl_function_fdf s = { number, number, NULL, &p };
    const gpf_fdf_kind *k = gpf_fdf_kind_find("function");
    assert_int_equal(gpf_fdf_kind_variables(k, &s), 1);
    assert_int_equal(gpf_fdf_kind_values(k, &s), 1);
    assert_true(k->has(&s, GPF__F) && k->has(&s, GPF__DF) && !k->has(&s, GPF__FDF));
    assert_false(k->has(&s, GPF__FVV));
    const gpf__args a = { .x = &x, .f = &f, .d = &d };
    k->call(&s, GPF__F, &a);
    k->call(&s, GPF__DF, &a);
    assert_true(f == 7 && d == 7);
    s.fdf = both;
    assert_true(k->has(&s, GPF__FDF));
    k->call(&s, GPF__FDF, &a);
    assert_true(f == 2 && d == 5);
}

static void test_multimin(void **state)
{
    (void)state;
    gsl_multimin_function_fdf s = { see_number, see_gradient, see_number_and_gradient, 3, NULL };
    const gpf_fdf_kind *k = gpf_fdf_kind_find("multimin");
    assert_int_equal(gpf_fdf_kind_variables(k, &s), 3);
    assert_int_equal(gpf_fdf_kind_values(k, &s), 1);
    assert_int_equal(k->call(&s, GPF__F, &args), 0);
    assert_seen(3, 0, 0, 0);
    assert_true(room[2][0] == 7);
    assert_int_equal(k->call(&s, GPF__DF, &args), 0);
    assert_seen(3, 0, 3, 0);
    assert_int_equal(k->call(&s, GPF__FDF, &args), 0);
    assert_seen(3, 0, 3, 0);
    s.df = NULL;
    assert_false(k->has(&s, GPF__DF));
}

static void test_multiroot(void **state)
{
    (void)state;
    gsl_multiroot_function_fdf s = { see, see_J, see_both, 4, NULL };
    const gpf_fdf_kind *k = gpf_fdf_kind_find("multiroot");
    assert_int_equal(gpf_fdf_kind_variables(k, &s), 4);
    assert_int_equal(gpf_fdf_kind_values(k, &s), 4);
    assert_int_equal(k->call(&s, GPF__F, &args), 41);
    assert_seen(4, 0, 4, 0);
    assert_int_equal(k->call(&s, GPF__DF, &args), 42);
    assert_seen(4, 0, 4, 4);
    assert_int_equal(k->call(&s, GPF__FDF, &args), 43);
    assert_seen(4, 0, 4, 4);
}

static void test_multifit(void **state)
{
    (void)state;
    gsl_multifit_function_fdf s = { .f = see, .df = see_J, .n = 6, .p = 2 };
    const gpf_fdf_kind *k = gpf_fdf_kind_find("multifit");
    assert_int_equal(gpf_fdf_kind_variables(k, &s), 2);
    assert_int_equal(gpf_fdf_kind_values(k, &s), 6);
    assert_false(k->has(&s, GPF__FDF));
    assert_int_equal(k->call(&s, GPF__F, &args), 41);
    assert_seen(2, 0, 6, 0);
    assert_int_equal(k->call(&s, GPF__DF, &args), 42);
    assert_seen(2, 0, 6, 2);
    s.fdf = see_both;
    assert_int_equal(k->call(&s, GPF__FDF, &args), 43);
    assert_seen(2, 0, 6, 2);
}

static void test_nlinear(void **state)
{
    (void)state;
    gsl_multifit_nlinear_fdf s = { .f = see, .df = see_J, .fvv = see_second, .n = 6, .p = 2 };
    const gpf_fdf_kind *k = gpf_fdf_kind_find("multifit_nlinear");
    assert_int_equal(gpf_fdf_kind_variables(k, &s), 2);
    assert_int_equal(gpf_fdf_kind_values(k, &s), 6);
    assert_int_equal(k->call(&s, GPF__DF, &args), 42);
    assert_seen(2, 0, 6, 2);
    assert_int_equal(k->call(&s, GPF__FVV, &args), 44);
    assert_seen(2, 2, 6, 0);
    s.df = NULL; /* GSL differences then */
    s.fvv = NULL;
    assert_false(k->has(&s, GPF__DF) || k->has(&s, GPF__FVV));
}

static void test_large(void **state)
{
    (void)state;
    gsl_multilarge_nlinear_fdf s = {
        .f = see, .df = see_product, .fvv = see_second, .n = 6, .p = 2
    };
    const gpf_fdf_kind *k = gpf_fdf_kind_find("multilarge_nlinear");
    assert_int_equal(gpf_fdf_kind_variables(k, &s), 2);
    assert_int_equal(gpf_fdf_kind_values(k, &s), 6);
    assert_true(k->has(&s, GPF__JU) && k->has(&s, GPF__JTU) && !k->has(&s, GPF__DF));
    gpf__args a = args;
    assert_int_equal(k->call(&s, GPF__JU, &a), 45);
    assert_int_equal(seen.trans, CblasNoTrans);
    assert_seen(2, 2, 6, 0);
    k->call(&s, GPF__JTU, &a);
    assert_int_equal(seen.trans, CblasTrans);
    assert_seen(2, 6, 2, 0);
    a.jtj = room[6];
    k->call(&s, GPF__JTU, &a);
    assert_seen(2, 6, 2, 202);
    assert_int_equal(k->call(&s, GPF__FVV, &a), 44);
    assert_seen(2, 2, 6, 0);
}

/* The three ways in which GSL calls df: the ones the check makes. */
static unsigned ways;

static int fit_f(const gsl_vector *x, void *p, gsl_vector *f)
{
    (void)p;
    for (size_t i = 0; i < f->size; i++) {
        const double t = 0.3 * (double)i;
        gsl_vector_set(f, i,
                       gsl_vector_get(x, 0) * exp(-gsl_vector_get(x, 1) * t) - 2 * exp(-t) -
                           0.1 * sin(9 * t));
    }
    return GSL_SUCCESS;
}

static int fit_df(CBLAS_TRANSPOSE_t trans, const gsl_vector *x, const gsl_vector *u, void *p,
                  gsl_vector *v, gsl_matrix *JTJ)
{
    double d[2 * 12];
    gsl_matrix_view J = gsl_matrix_view_array(d, 12, 2);
    (void)p;
    for (size_t i = 0; i < 12; i++) {
        const double t = 0.3 * (double)i;
        d[2 * i] = exp(-gsl_vector_get(x, 1) * t);
        d[2 * i + 1] = -gsl_vector_get(x, 0) * t * d[2 * i];
    }
    assert_non_null(u);
    assert_non_null(v);
    ways |= 1u << (trans == CblasNoTrans ? 0 : JTJ ? 2 : 1);
    assert_true(!JTJ || trans == CblasTrans);
    gsl_blas_dgemv(trans, 1, &J.matrix, u, 0, v);
    if (JTJ)
        gsl_blas_dsyrk(CblasLower, CblasTrans, 1, &J.matrix, 0, JTJ);
    return GSL_SUCCESS;
}

static void test_how_gsl_calls(void **state)
{
    (void)state;
    const gsl_multilarge_nlinear_trs *const trs[] = {
        gsl_multilarge_nlinear_trs_lm,         gsl_multilarge_nlinear_trs_lmaccel,
        gsl_multilarge_nlinear_trs_dogleg,     gsl_multilarge_nlinear_trs_ddogleg,
        gsl_multilarge_nlinear_trs_subspace2D, gsl_multilarge_nlinear_trs_cgst
    };
    ways = 0;
    for (size_t i = 0; i < COUNT(trs); i++) {
        gsl_multilarge_nlinear_parameters how = gsl_multilarge_nlinear_default_parameters();
        how.trs = trs[i];
        gsl_multilarge_nlinear_fdf f = { .f = fit_f, .df = fit_df, .n = 12, .p = 2 };
        gsl_multilarge_nlinear_workspace *w =
            gsl_multilarge_nlinear_alloc(gsl_multilarge_nlinear_trust, &how, 12, 2);
        double at[] = { 1, 2 };
        gsl_vector_view x = gsl_vector_view_array(at, 2);
        int info;
        gsl_multilarge_nlinear_init(&x.vector, &f, w);
        gsl_multilarge_nlinear_driver(20, 1e-8, 1e-8, 1e-8, NULL, NULL, &info, w);
        gsl_multilarge_nlinear_free(w);
        gpf_fdf *c = gpf_check_multilarge_nlinear_fdf(&f, &x.vector, NULL, NULL);
        assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_RIGHT);
        assert_int_equal(gpf_fdf_n_parts(c), 3);
        gpf_fdf_free(c);
    }
    assert_int_equal(ways, 7);
}

static int ode_f(double t, const double y[], double dydt[], void *p)
{
    (void)p;
    dydt[0] = y[1];
    dydt[1] = t;
    return 46;
}

static int ode_jacobian(double t, const double y[], double *dfdy, double dfdt[], void *p)
{
    (void)p;
    dfdy[3] = t;
    dfdt[1] = y[0];
    return 47;
}

static void test_odeiv2(void **state)
{
    (void)state;
    gsl_odeiv2_system s = { ode_f, NULL, 2, NULL };
    const gpf_fdf_kind *k = gpf_fdf_kind_find("odeiv2");
    assert_int_equal(gpf_fdf_kind_variables(k, &s), 3);
    assert_int_equal(gpf_fdf_kind_values(k, &s), 2);
    assert_false(k->has(&s, GPF__DF));
    s.jacobian = ode_jacobian;
    assert_true(k->has(&s, GPF__DF));
    const double x[] = { 1.5, 2.5, 9 }; /* y, t */
    gpf__args a = args;
    a.x = x;
    assert_int_equal(k->call(&s, GPF__F, &a), 46);
    assert_true(a.f[0] == 2.5 && a.f[1] == 9);
    assert_int_equal(k->call(&s, GPF__DF, &a), 47);
    assert_true(a.d[3] == 9 && a.dt[1] == 1.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),          cmocka_unit_test(test_function),
        cmocka_unit_test(test_multimin),      cmocka_unit_test(test_multiroot),
        cmocka_unit_test(test_multifit),      cmocka_unit_test(test_nlinear),
        cmocka_unit_test(test_large),         cmocka_unit_test(test_odeiv2),
        cmocka_unit_test(test_how_gsl_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
