/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <check.h>
#include <gradproof/require.h>

#include "callbacks.h"

START_TEST(right)
{
    GPF_REQUIRE_GRADIENT(multimin, &right_fdf, &point);
    GPF_REQUIRE_ODEIV2(&right_ode, 0.4, state_y);
}
END_TEST

START_TEST(wrong)
{
    GPF_REQUIRE_GRADIENT(multimin, &wrong_fdf, &point);
}
END_TEST

START_TEST(untested)
{
    GPF_REQUIRE_GRADIENT(multimin, &flat_fdf, &point);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gradients");
    TCase *t = tcase_create("all");
    (void)wrong_ode;
    tcase_add_test(t, right);
    tcase_add_test(t, wrong);
    tcase_add_test(t, untested);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_VERBOSE);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 2;
}
