/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/arena.h"
#include "help.h"

#include <stdalign.h>

static void test_alignment_and_zeros(void **state)
{
    (void)state;
    gpf__arena a = { 0 };
    dice d = { 3 };
    unsigned char *first = gpf__arena_alloc(&a, 33);
    memset(first, 7, 33);
    for (int i = 0; i < 3000; i++) {
        const size_t n = (size_t)below(&d, 300);
        unsigned char *p = gpf__arena_alloc(&a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(p[k], 0);
        memset(p, 0xff, n);
    }
    for (int k = 0; k < 33; k++)
        assert_int_equal(first[k], 7); /* never moved, never overlapped */
    gpf__arena_free(&a);
    assert_null(a.last);
    gpf__arena_free(&a);
}

static void test_large_and_impossible(void **state)
{
    (void)state;
    gpf__arena a = { 0 };
    char *large = gpf__arena_alloc(&a, 1 << 20);
    assert_non_null(large);
    memset(large, 1, 1 << 20);
    assert_null(gpf__arena_alloc(&a, SIZE_MAX));
    assert_null(gpf__arena_alloc(&a, SIZE_MAX - 16));
    assert_non_null(gpf__arena_alloc(&a, 8)); /* still usable */
    gpf__arena_free(&a);
}

static void test_strndup(void **state)
{
    (void)state;
    gpf__arena a = { 0 };
    assert_string_equal(gpf__arena_strndup(&a, "weights", 6), "weight");
    assert_string_equal(gpf__arena_strndup(&a, "", 0), "");
    gpf__arena_free(&a);
}

static void test_grow(void **state)
{
    (void)state;
    int *array = NULL;
    size_t cap = 0, moves = 0;
    for (size_t n = 1; n <= 1000; n++) {
        const size_t before = cap;
        assert_int_equal(gpf__grow(&array, &cap, n, sizeof *array), GSL_SUCCESS);
        assert_true(cap >= n);
        moves += cap != before;
        array[n - 1] = (int)n;
    }
    assert_true(moves < 12); /* doubles */
    for (size_t n = 1; n <= 1000; n++)
        assert_int_equal(array[n - 1], (int)n);
    const size_t before = cap;
    int *const where = array;
    assert_int_equal(gpf__grow(&array, &cap, SIZE_MAX / 2, sizeof *array), GSL_ENOMEM);
    assert_true(cap == before && array == where && array[999] == 1000);
    free(array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment_and_zeros),
        cmocka_unit_test(test_large_and_impossible),
        cmocka_unit_test(test_strndup),
        cmocka_unit_test(test_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
