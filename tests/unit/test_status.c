/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"

static void test_own_codes(void **state)
{
    (void)state;
    static const struct {
        int value;
        const char *text;
    } codes[] = {
#define ENTRY(name, value, text) { name, text },
        GPF_STATUS_LIST(ENTRY)
#undef ENTRY
    };
    for (size_t i = 0; i < COUNT(codes); i++) {
        assert_int_equal(codes[i].value, 1024 + (int)i);
        assert_string_equal(gpf_strerror(codes[i].value), codes[i].text);
    }
    assert_string_equal(gpf_strerror(GPF_ESHAPE), "shapes do not conform");
}

static void test_gsl_codes(void **state)
{
    (void)state;
    for (int code = GSL_CONTINUE; code <= GSL_EOF; code++)
        assert_string_equal(gpf_strerror(code), gsl_strerror(code));
    assert_non_null(gpf_strerror(1023));
    assert_non_null(gpf_strerror(-12345));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_codes),
        cmocka_unit_test(test_gsl_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
