/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"

#include "train/train.h"

#include <float.h>

static void norms_of_any_size(void **state)
{
    (void)state;
    const double x[] = { 2, -3, 6, 1.5, -0.25, 4.75, 7 };
    for (size_t n = 0; n <= 7; n++) {
        long double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += (long double)x[i] * x[i];
        const double want = (double)sqrtl(sum);
        assert_true(fabs(gpf__norm(x, n) - want) <= 2 * DBL_EPSILON * want);
    }
}

static void squares_that_do_not_fit(void **state)
{
    (void)state;
    const double scales[] = { 0x1p-1070, 0x1p-600, 0x1p600, 0x1p1019 };
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        const double x[] = { 0, 3 * scales[i], 0, 0, -4 * scales[i] };
        assert_true(gpf__norm(x, 5) == 5 * scales[i]);
    }
}

static void what_is_not_finite_is_seen_wherever_it_stands(void **state)
{
    (void)state;
    for (size_t at = 0; at < 6; at++) {
        double x[6] = { 0, 1, 0, 2, 0, 0 };
        x[at] = NAN;
        assert_true(isnan(gpf__norm(x, 6)));
        assert_false(gpf__all_finite(x, 6));
        x[at] = -INFINITY;
        assert_true(gpf__norm(x, 6) == INFINITY);
        assert_false(gpf__all_finite(x, 6));
        x[at] = -DBL_MAX;
        assert_true(gpf__max_norm(x, 6) == DBL_MAX);
        assert_true(gpf__all_finite(x, 6));
    }
    assert_true(gpf__all_finite(NULL, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(norms_of_any_size),
        cmocka_unit_test(squares_that_do_not_fit),
        cmocka_unit_test(what_is_not_finite_is_seen_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
