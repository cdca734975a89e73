/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "config.h"
#include "help.h"

static void test_version(void **state)
{
    (void)state;
    assert_string_equal(gpf_version(), GPF_VERSION);
    int major, minor, patch;
    char rest;
    assert_int_equal(sscanf(gpf_version(), "%d.%d.%d%c", &major, &minor, &patch, &rest), 3);
    assert_int_equal(GPF_VERSION_MAJOR, major);
    assert_int_equal(GPF_VERSION_MINOR, minor);
    assert_int_equal(GPF_VERSION_PATCH, patch);
    assert_int_equal(gpf_version_number(), GPF_VERSION_NUMBER);
    assert_int_equal(gpf_version_number(), (major * 1000 + minor) * 1000 + patch);
    assert_true(minor < 1000 && patch < 1000);
    assert_string_equal(gpf_version(), PACKAGE_VERSION); /* configure.ac's */
#if GPF_VERSION_NUMBER < 1000 || GPF_VERSION_NUMBER >= 1000000000
#error GPF_VERSION_NUMBER is not for the preprocessor
#endif
}

static void test_cpu(void **state)
{
    (void)state;
    assert_true(!strcmp(gpf_cpu(), "any") || !strcmp(gpf_cpu(), "avx2") ||
                !strcmp(gpf_cpu(), "avx512"));
    const char *wanted = getenv("GRADPROOF_CPU");
    if (wanted && !strcmp(wanted, "any"))
        assert_string_equal(gpf_cpu(), "any");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_cpu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
