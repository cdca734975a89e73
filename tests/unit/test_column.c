/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Points along variables: shared by rows, inside the bounds, at steps of each variable's own scale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gsl/gsl.h"

#include <math.h>

enum { N = 3, ROWS = 2 };

static size_t calls;
static double last[N];

static void sizes(const void *s, size_t *n, size_t *m)
{
    (void)s;
    *n = N;
    *m = ROWS;
}

static int has(const void *s, gpf__route r)
{
    (void)s;
    return r == GPF__F;
}

/* f0 = x0 x0, f1 = x2 sin x1; undefined for x1 > 0.7 */
static int call(const void *s, gpf__route r, const gpf__args *a)
{
    (void)s;
    (void)r;
    calls++;
    for (int j = 0; j < N; j++)
        last[j] = a->x[j];
    a->f[0] = a->x[0] * a->x[0];
    a->f[1] = a->x[2] * sin(a->x[1]);
    return a->x[1] > 0.7 ? GSL_EDOM : GSL_SUCCESS;
}

static const gpf_fdf_kind kind = { .name = "test", .sizes = sizes, .has = has, .call = call };

static void rows_share_points(void **state)
{
    (void)state;
    double x[] = { 1234.5, 0.6, 1e-6 };
    const gpf_fdf_options how = gpf_fdf_defaults();
    gpf__subject s = { .kind = &kind, .n = N, .m = ROWS, .n_d = N, .how = &how, .x = x };
    assert_int_equal(gpf__call_alloc(&s), GSL_SUCCESS);
    gpf__column *c = gpf__column_alloc(&s);
    const size_t both[] = { 0, 2 };
    gpf__column_set(c, both, 2);
    calls = 0;
    const double t0 = gpf__column_row(c, 0, 0).step, t2 = gpf__column_row(c, 1, 2).step;
    assert_true(t0 > 1234.5 * 0x1p-18 && t0 < 1234.5 * 0x1p-15);
    assert_true(t2 > 1e-6 * 0x1p-18 && t2 < 1e-6 * 0x1p-15);
    int exponent;
    assert_true(frexp(t0 / t2, &exponent) == 0.5);
    const double t[] = { t0, -t0, t0 / 2, t0 }, u[] = { t2 / 2, t2, -t2, t2 };
    double y[4];
    gpf_branch b[4];
    gpf__line line = gpf__column_row(c, 0, 0);
    line.values(line.arg, t, 4, y, b);
    assert_int_equal(calls, 3);
    assert_true(y[0] == (x[0] + t0) * (x[0] + t0) && y[3] == y[0] && b[2].n_changed == 0);
    assert_true(last[1] == x[1]);
    line = gpf__column_row(c, 1, 2);
    line.values(line.arg, u, 4, y, NULL);
    assert_int_equal(calls, 3); /* the other variable moved along */
    assert_int_equal(gpf__column_evaluations(c), 3);
    assert_true(y[1] == (x[2] + t2) * sin(x[1]));

    /* As many points as it takes, older ones are forgotten. */
    for (int k = 0; k < 1000; k++) {
        const double at = t2 * (1 + k);
        line.values(line.arg, &at, 1, y, NULL);
        assert_true(y[0] == (x[2] + at) * sin(x[1]));
    }
    gpf__column_free(c);
    gpf__call_free(&s);
}

static void where_f_is_not(void **state)
{
    (void)state;
    double x[] = { 1234.5, 0.6, 1e-6 }, low[] = { 1234.5, -INFINITY, 0 }, high[] = { 2e3, 1, 0.25 };
    gsl_vector_view lo = gsl_vector_view_array(low, N), hi = gsl_vector_view_array(high, N);
    gpf_fdf_options how = gpf_fdf_defaults();
    how.lo = &lo.vector;
    how.hi = &hi.vector;
    gpf__subject s = { .kind = &kind, .n = N, .m = ROWS, .n_d = N, .how = &how, .x = x };
    assert_int_equal(gpf__call_alloc(&s), GSL_SUCCESS);
    gpf__column *c = gpf__column_alloc(&s);
    const size_t first = 0, second = 1;
    gpf__column_set(c, &first, 1);
    calls = 0;
    gpf__line line = gpf__column_row(c, 0, 0);
    const double t[] = { -1e-3, 1e-3, 1e5 };
    double y[3];
    line.values(line.arg, t, 3, y, NULL);
    assert_int_equal(calls, 1); /* outside the bounds it costs nothing */
    assert_true(isnan(y[0]) && isfinite(y[1]) && isnan(y[2]));
    gpf__column_set(c, &second, 1);
    line = gpf__column_row(c, 1, 1);
    const double u[] = { 0.2, 0.05 };
    line.values(line.arg, u, 2, y, NULL);
    assert_int_equal(calls, 3);
    assert_true(isnan(y[0]) && isfinite(y[1]));
    assert_int_equal(s.mishap[GPF__F].status, GSL_EDOM);
    assert_true(s.mishap[GPF__F].at[1] == 0.6 + 0.2);
    gpf__column_free(c);
    gpf__call_free(&s);
}

static void scales(void **state)
{
    (void)state;
    double x[] = { 1234.5, 0, -3e-7 }, scale[] = { 5, 6, 7 }, low[] = { 1234, -9, -1 },
           high[] = { 1235, 9, 1 };
    gsl_vector_view v = gsl_vector_view_array(scale, N), lo = gsl_vector_view_array(low, N),
                    hi = gsl_vector_view_array(high, N);
    gpf_fdf_options how = gpf_fdf_defaults();
    gpf__subject s = { .n = N, .m = ROWS, .how = &how, .x = x };
    assert_true(gpf__typical(&s, 0) == 1234.5 && gpf__typical(&s, 2) == 3e-7);
    assert_true(gpf__typical(&s, 1) == 1);
    how.lo = &lo.vector;
    how.hi = &hi.vector;
    assert_true(gpf__typical(&s, 0) == 1); /* the distance of the bounds */
    how.scale = &v.vector;
    assert_true(gpf__typical(&s, 0) == 5 && gpf__typical(&s, 1) == 6 && gpf__typical(&s, 2) == 7);
    scale[0] = 1e-300; /* a step has to move it */
    assert_true(gpf__typical(&s, 0) > 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_share_points),
        cmocka_unit_test(where_f_is_not),
        cmocka_unit_test(scales),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
