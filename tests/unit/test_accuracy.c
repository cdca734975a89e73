/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"

static void test_rows(void **state)
{
    (void)state;
    const double p[] = { 0.2, 0.5, 0.3, 0.9, 0.05, 0.05, 0.1, 0.1, 0.8, 0.4, 0.4, 0.2 };
    const double hot[] = { 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0 }, label[] = { 1, 0, 1, 0 };
    assert_true(gpf_accuracy(GPF_DECIDE_ARGMAX, 4, 3, p, 3, hot) == 0.75);
    assert_true(gpf_accuracy(GPF_DECIDE_ARGMAX, 4, 3, p, 1, label) == 0.75);
    const double other[] = { 1.5, 0, 2, 1 }; /* 1.5 is no class */
    assert_true(gpf_accuracy(GPF_DECIDE_ARGMAX, 4, 3, p, 1, other) == 0.5);
    assert_true(isnan(gpf_accuracy(GPF_DECIDE_ARGMAX, 4, 3, p, 2, hot)));
}

static void test_elements(void **state)
{
    (void)state;
    const double p[] = { 0.5, 0.51, 0.2, 0.9, 0.7, 0.1 }, t[] = { 0, 1, 0, 1, 0, 1 };
    assert_close(gpf_accuracy(GPF_DECIDE_HALF, 3, 2, p, 2, t), 4.0 / 6, 1e-15, 0);
    const double z[] = { 0, 1e-9, -3, 4, 2, -1 };
    assert_close(gpf_accuracy(GPF_DECIDE_LOGIT, 6, 1, z, 1, t), 4.0 / 6, 1e-15, 0);
    const double s[] = { 0, 1e-9, -3, 4, 2, -1 }, side[] = { 1, 1, -1, 1, -1, 1 };
    assert_close(gpf_accuracy(GPF_DECIDE_SIGN, 6, 1, s, 1, side), 4.0 / 6, 1e-15, 0);
    assert_true(isnan(gpf_accuracy(GPF_DECIDE_HALF, 3, 2, p, 1, t)));
    assert_true(isnan(gpf_accuracy(GPF_DECIDE_NOTHING, 3, 2, p, 2, t)));
    assert_true(isnan(gpf_accuracy(GPF_DECIDE_HALF, 0, 2, p, 2, t)));
}

/* NaN agrees with nothing. */
static void test_nan(void **state)
{
    (void)state;
    const double p[] = { 0.5, NAN }, q[] = { 0.5, 0.7 }, t[] = { 0, 1 }, u[] = { NAN, 1 };
    for (int d = GPF_DECIDE_ARGMAX; d <= GPF_DECIDE_SIGN; d++) {
        assert_true(isnan(gpf_accuracy((gpf_decision)d, 1, 2, p, 2, t)));
        assert_true(isnan(gpf_accuracy((gpf_decision)d, 1, 2, q, 2, u)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_elements),
        cmocka_unit_test(test_nan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
