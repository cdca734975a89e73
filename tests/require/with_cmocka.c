/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <gradproof.h> /* before the framework */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "callbacks.h"

static void right(void **state)
{
    (void)state;
    GPF_REQUIRE_GRADIENT(multimin, &right_fdf, &point);
    GPF_REQUIRE_ODEIV2(&right_ode, 0.4, state_y);
}

static void wrong(void **state)
{
    (void)state;
    GPF_REQUIRE_GRADIENT(multimin, &wrong_fdf, &point);
}

static void untested(void **state)
{
    (void)state;
    GPF_REQUIRE_GRADIENT(multimin, &flat_fdf, &point);
}

int main(void)
{
    (void)wrong_ode;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right),
        cmocka_unit_test(wrong),
        cmocka_unit_test(untested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
