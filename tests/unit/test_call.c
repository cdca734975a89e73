/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "../count_allocations.h"
#include "help.h"

#include "gsl/gsl.h"

/* A callback that does one thing. */
static void (*act)(const double *x, double *f, double *J);
static int result;

static int f_of(const gsl_vector *x, void *p, gsl_vector *f)
{
    (void)p;
    act(x->data, f->data, NULL);
    return result;
}

static int df_of(const gsl_vector *x, void *p, gsl_matrix *J)
{
    (void)p;
    act(x->data, NULL, J->data);
    return result;
}

enum { M = 3, N = 2 };
static gsl_multifit_nlinear_fdf structure = { .f = f_of, .df = df_of, .n = M, .p = N };
static double at[N] = { 0.4, -3 }, f[M], J[M * N];

static gpf__subject open_subject(void)
{
    static const gpf_fdf_options how = { .seed = 1 };
    gpf__subject s = { .kind = gpf_fdf_kind_find("multifit_nlinear"),
                       .structure = &structure,
                       .n = N,
                       .m = M,
                       .n_d = N,
                       .how = &how,
                       .x = at };
    assert_int_equal(gpf__call_alloc(&s), GSL_SUCCESS);
    result = GSL_SUCCESS;
    return s;
}

static const gpf__args ask_f = { .x = at, .f = f }, ask_J = { .x = at, .d = J };

static void fill_all(const double *x, double *to_f, double *to_J)
{
    for (size_t i = 0; to_f && i < M; i++)
        to_f[i] = x[0] * (double)i;
    for (size_t k = 0; to_J && k < M * N; k++)
        to_J[k] = x[1] + (double)k;
}

static void test_values(void **state)
{
    (void)state;
    gpf__subject s = open_subject();
    act = fill_all;
    assert_int_equal(gpf__call(&s, GPF__F, &ask_f), GSL_SUCCESS);
    assert_true(f[2] == 0.8);
    assert_int_equal(gpf__call(&s, GPF__DF, &ask_J), GSL_SUCCESS);
    assert_true(J[5] == 2);
    assert_int_equal(s.n_calls[GPF__F], 1);
    assert_int_equal(s.n_calls[GPF__DF], 1);
    const gpf__mishap *h = &s.mishap[GPF__DF];
    assert_false(h->wrote_x || h->wrote_outside || h->failures || h->unfilled[GPF__OUT_D]);
    const unsigned long before = allocations;
    for (int i = 0; i < 100; i++)
        gpf__call(&s, GPF__DF, &ask_J);
    assert_int_equal(allocations, before);
    gpf__call_free(&s);
    gpf__call_free(&s); /* twice is as good */
}

static void write_x(const double *x, double *to_f, double *to_J)
{
    ((double *)x)[1] = -0.0 + x[1] + 1e-15;
    fill_all(x, to_f, to_J);
}

static void test_x_is_restored(void **state)
{
    (void)state;
    gpf__subject s = open_subject();
    act = write_x;
    gpf__call(&s, GPF__DF, &ask_J);
    assert_true(s.mishap[GPF__DF].wrote_x);
    assert_true(at[0] == 0.4 && at[1] == -3);
    act = fill_all;
    gpf__call(&s, GPF__F, &ask_f);
    assert_false(s.mishap[GPF__F].wrote_x);
    gpf__call_free(&s);
}

static ptrdiff_t beside;

static void write_beside(const double *x, double *to_f, double *to_J)
{
    fill_all(x, to_f, to_J);
    (to_f ? to_f : to_J)[beside] = 1;
}

static void test_guards(void **state)
{
    (void)state;
    static const ptrdiff_t places[] = { -1, -17, M * N, M * N + 9, M * N + 60 };
    for (size_t i = 0; i < COUNT(places); i++) {
        gpf__subject s = open_subject();
        act = write_beside;
        beside = places[i];
        gpf__call(&s, GPF__DF, &ask_J);
        assert_true(s.mishap[GPF__DF].wrote_outside);
        act = fill_all; /* the zones are whole again */
        gpf__call(&s, GPF__F, &ask_f);
        assert_false(s.mishap[GPF__F].wrote_outside);
        gpf__call_free(&s);
    }
}

static void write_some(const double *x, double *to_f, double *to_J)
{
    (void)to_f;
    to_J[0] = x[0];
    to_J[1] = NAN;
    to_J[3] = INFINITY;
}

static void add_some(const double *x, double *to_f, double *to_J)
{
    (void)to_f;
    for (size_t k = 0; k < M * N; k++)
        to_J[k] = k % 2 ? x[0] : to_J[k] + x[0];
}

/* What was not written is told from NaN that was. */
static void test_poison(void **state)
{
    (void)state;
    gpf__subject s = open_subject();
    gpf__mishap *h = &s.mishap[GPF__DF];
    act = write_some;
    gpf__call(&s, GPF__DF, &ask_J);
    assert_int_equal(h->unfilled[GPF__OUT_D], 3);
    assert_int_equal(h->unfilled_first[GPF__OUT_D], 2);
    assert_int_equal(h->nonfinite[GPF__OUT_D], 2);
    assert_int_equal(h->nonfinite_first[GPF__OUT_D], 1);
    assert_true(J[0] == 0.4 && isnan(J[2]) && isinf(J[3]) && isnan(J[5]));
    assert_true(gpf__is_poison(&s, GPF__OUT_D, 4));
    assert_false(gpf__is_poison(&s, GPF__OUT_D, 1));
    s.poison = GPF__POISON_NUMBER;
    gpf__call(&s, GPF__DF, &ask_J);
    assert_int_equal(h->unfilled[GPF__OUT_D], 3);
    assert_true(isnan(J[2]));
    assert_true(gpf__call_raw(&s, GPF__OUT_D, 4) == gpf__poison_number(GPF__OUT_D, 4));
    act = add_some;
    gpf__call(&s, GPF__DF, &ask_J);
    assert_true(J[2] == gpf__poison_number(GPF__OUT_D, 2) + 0.4);
    s.poison = GPF__POISON_NAN;
    gpf__call(&s, GPF__DF, &ask_J); /* the poison comes back */
    assert_true(gpf__is_poison(&s, GPF__OUT_D, 2) && isnan(J[2]) && J[1] == 0.4);
    h->accumulates = true;
    gpf__call(&s, GPF__DF, &ask_J);
    assert_true(J[2] == 0.4);
    gpf__call_free(&s);
}

static void test_poison_numbers_differ(void **state)
{
    (void)state;
    for (int o = 0; o < GPF__N_SLOTS; o++)
        for (size_t k = 0; k < 50; k++) {
            const double p = gpf__poison_number((gpf__slot)o, k);
            assert_true(p > 1 && p < 2);
            for (size_t l = 0; l < k; l++)
                assert_true(p != gpf__poison_number((gpf__slot)o, l));
        }
}

static void test_status(void **state)
{
    (void)state;
    gpf__subject s = open_subject();
    act = fill_all;
    result = GSL_ERANGE;
    assert_int_equal(gpf__call(&s, GPF__DF, &ask_J), GSL_ERANGE);
    for (size_t k = 0; k < M * N; k++)
        assert_true(isnan(J[k]));
    double other[N] = { 7, 8 };
    result = GSL_EDOM;
    gpf__call(&s, GPF__DF, &(gpf__args){ .x = other, .d = J });
    assert_int_equal(s.mishap[GPF__DF].failures, 2);
    assert_int_equal(s.mishap[GPF__DF].status, GSL_ERANGE);
    assert_memory_equal(s.mishap[GPF__DF].at, at, sizeof at);
    gpf__call_free(&s);
}

/* Values of another x until f was called at this one. */
static double of_f;

static void need_f(const double *x, double *to_f, double *to_J)
{
    if (to_f)
        of_f = x[0];
    fill_all(x, to_f, to_J);
    if (to_J)
        to_J[0] = of_f;
}

static void test_priming(void **state)
{
    (void)state;
    gpf__subject s = open_subject();
    double idle[M], other[N] = { 7, 8 };
    s.idle = idle;
    act = need_f;
    of_f = 99;
    gpf__call(&s, GPF__DF, &ask_J);
    assert_true(J[0] == 99);
    s.mishap[GPF__DF].primed = true;
    s.mishap[GPF__DF].prime = GPF__F;
    gpf__call(&s, GPF__DF, &ask_J);
    assert_true(J[0] == 0.4);
    gpf__call(&s, GPF__DF, &(gpf__args){ .x = other, .d = J });
    assert_true(J[0] == 7);
    gpf__call_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),  cmocka_unit_test(test_x_is_restored),
        cmocka_unit_test(test_guards),  cmocka_unit_test(test_poison),
        cmocka_unit_test(test_status),  cmocka_unit_test(test_poison_numbers_differ),
        cmocka_unit_test(test_priming),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
