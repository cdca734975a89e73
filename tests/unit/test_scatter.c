/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The noise of values: rounding, hashes, floats, steps; none where there is only curvature or a
 * kink. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gsl/gsl.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { N = 2, ROWS = 8 };

static double hash(const double *x)
{
    uint64_t h = 0, bits;
    for (int j = 0; j < N; j++) {
        memcpy(&bits, &x[j], sizeof bits);
        h = gpf__mix(h + bits);
    }
    return (double)(h >> 11) * 0x1p-52 - 1;
}

/* One row for each sort of value. */
static int values(void *arg, const double *x, double *y)
{
    size_t *calls = arg;
    ++*calls;
    const double s = exp(0.3 * x[0]) + sin(x[1]);
    y[0] = s;
    y[1] = s * (1 + 1e-10 * hash(x));
    y[2] = (double)(float)s;
    y[3] = (1e8 + s) - 1e8;
    y[4] = fabs(x[0] - 1.234567) + x[1]; /* the kink is at the point */
    y[5] = sin(300 * x[0]);
    y[6] = 42.5;
    y[7] = x[0] < 1.2 || x[0] > 1.3 ? NAN : s;
    return GSL_SUCCESS;
}

static const double v[] = { 0.8, -1.1 };

static void sizes_of_noise(void **state)
{
    (void)state;
    double x[] = { 1.234567, -0.654321 }, noise[ROWS];
    const gpf_fdf_options how = gpf_fdf_defaults();
    gpf__subject s = { .n = N, .m = ROWS, .x = x, .how = &how };
    size_t calls = 0;
    assert_int_equal(gpf__scatter(&s, values, &calls, ROWS, v, noise), GSL_SUCCESS);
    assert_true(calls <= 27);
    const double y = exp(0.3 * x[0]) + sin(x[1]);
    assert_true(noise[0] >= 0.99 * DBL_EPSILON * y && noise[0] < 30 * DBL_EPSILON * y);
    assert_true(noise[1] > 0.5e-10 * y && noise[1] < 5e-10 * y);
    assert_true(noise[2] > 0x1p-26 && noise[2] < 0x1p-20);
    assert_true(noise[3] > 2e-9 && noise[3] < 5e-8);
    assert_true(noise[4] < 1e-14);
    assert_true(noise[5] < 1e-12);
    assert_true(noise[6] >= 42 * DBL_EPSILON && noise[6] < 64 * DBL_EPSILON);
    assert_true(noise[7] < 1e-14);
}

/* No point outside, wherever the bounds are; a variable without room does not move. */
static int bounded(void *arg, const double *x, double *y)
{
    assert_true(x[0] <= 1.234567 && x[0] >= -7);
    assert_true(x[1] == -0.654321);
    return values(arg, x, y);
}

static void within_bounds(void **state)
{
    (void)state;
    double x[] = { 1.234567, -0.654321 }, noise[ROWS], low[] = { -7, -0.654321 },
           high[] = { 1.234567, -0.654321 };
    gsl_vector_view lo = gsl_vector_view_array(low, N), hi = gsl_vector_view_array(high, N);
    gpf_fdf_options how = gpf_fdf_defaults();
    how.lo = &lo.vector;
    how.hi = &hi.vector;
    gpf__subject s = { .n = N, .m = ROWS, .x = x, .how = &how };
    size_t calls = 0;
    assert_int_equal(gpf__scatter(&s, bounded, &calls, ROWS, v, noise), GSL_SUCCESS);
    assert_true(noise[1] > 0.5e-10 && noise[1] < 5e-10);
    low[0] = 1.234567 - 1e-9; /* so little room that hardly anything can be seen */
    assert_int_equal(gpf__scatter(&s, bounded, &calls, ROWS, v, noise), GSL_SUCCESS);
    assert_true(noise[1] > 0.5e-10 && noise[1] < 5e-10);
}

static int fails(void *arg, const double *x, double *y)
{
    (void)arg;
    (void)x;
    (void)y;
    return GSL_EDOM;
}

static void nothing_to_see(void **state)
{
    (void)state;
    double x[] = { 1.234567, -0.654321 }, noise[ROWS];
    const gpf_fdf_options how = gpf_fdf_defaults();
    gpf__subject s = { .n = N, .m = ROWS, .x = x, .how = &how };
    assert_int_equal(gpf__scatter(&s, fails, NULL, ROWS, v, noise), GSL_SUCCESS);
    assert_true(noise[0] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_of_noise),
        cmocka_unit_test(within_bounds),
        cmocka_unit_test(nothing_to_see),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
