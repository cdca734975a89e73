/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train_test.h"

static gpf_train_options how;

static double at(size_t steps, size_t s)
{
    return gpf__schedule_rate(&how, steps, s);
}

static void test_rows(void **state)
{
    (void)state;
    static const char *const names[] = { "constant", "step", "cosine" };
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_string_equal(gpf_schedule_at(i)->name, names[i]);
        assert_ptr_equal(gpf_schedule_find(names[i]), gpf_schedule_at(i));
    }
    assert_null(gpf_schedule_at(COUNT(names)));
    assert_null(gpf_schedule_find("line"));
}

static void test_constant(void **state)
{
    (void)state;
    how = gpf_train_defaults();
    how.rate = 0.3;
    how.epochs = 7;
    for (size_t s = 0; s < 40; s++)
        assert_true(at(5, s) == 0.3);
    how.warmup = 2; /* of 5 steps: 10 steps up */
    for (size_t s = 0; s < 10; s++)
        assert_true(at(5, s) == 0.3 * ((double)(s + 1) / 10));
    assert_true(at(5, 10) == 0.3 && at(5, 34) == 0.3);
    how.warmup = 0.5; /* 2.5 steps */
    assert_true(at(5, 0) == 0.3 * (1 / 2.5) && at(5, 1) == 0.3 * (2 / 2.5) && at(5, 2) == 0.3);
}

static void test_step(void **state)
{
    (void)state;
    how = gpf_train_defaults();
    how.schedule = "step";
    how.rate = 0.7;
    how.epochs = 40;
    how.every = 3;
    how.factor = 0.37;
    double want = 0.7;
    for (size_t epoch = 0; epoch < 40; epoch++) {
        if (epoch && epoch % 3 == 0)
            want *= 0.37;
        for (size_t s = 0; s < 4; s++)
            assert_close(at(4, 4 * epoch + s), want, 1e-14, 0);
    }
    assert_true(at(4, 12) == 0.7 * 0.37);
    how.every = 0.5; /* twice an epoch */
    assert_true(at(4, 1) == 0.7 && at(4, 2) == 0.7 * 0.37 && at(4, 4) == 0.7 * (0.37 * 0.37));
    how.factor = 0;
    assert_true(at(4, 1) == 0.7 && at(4, 2) == 0);
    how.every = 1e-300; /* more steps than can be counted */
    how.factor = 0.99;
    assert_true(at(4, 39) == 0);
    how.factor = 1;
    assert_true(at(4, 39) == 0.7);
}

static void test_cosine(void **state)
{
    (void)state;
    how = gpf_train_defaults();
    how.schedule = "cosine";
    how.rate = 0.2;
    how.epochs = 10;
    how.final = 0.1;
    assert_true(at(2, 0) == 0.2);
    assert_close(at(2, 5), 0.2 * (0.1 + 0.9 * (1 + sqrt(0.5)) / 2), 1e-14, 0);
    assert_close(at(2, 10), 0.2 * 0.55, 1e-14, 0);
    assert_close(at(2, 20), 0.2 * 0.1, 1e-14, 0);
    assert_true(at(2, 30) == at(2, 20));
    for (size_t s = 0; s < 20; s++)
        assert_true(at(2, s + 1) < at(2, s));
    /* behind the warm-up it begins from the top */
    how.warmup = 3;
    assert_true(at(2, 0) == 0.2 * (1.0 / 6) && at(2, 5) == 0.2 && at(2, 6) == 0.2);
    assert_close(at(2, 13), 0.2 * 0.55, 1e-14, 0);
    how.warmup = 30; /* longer than the run */
    assert_true(isfinite(at(2, 19)) && at(2, 19) > 0);
    how.warmup = 0;
    how.epochs = 0;
    assert_true(isfinite(at(1, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_constant),
        cmocka_unit_test(test_step),
        cmocka_unit_test(test_cosine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
