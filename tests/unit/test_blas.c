/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"

#include "base/blas.h"
#include "config.h"

static void test_provider(void **state)
{
    (void)state;
    char path[512], small[4] = "zzz";
    assert_ptr_equal(gpf_cblas_provider(path, sizeof path), path);
    assert_true(strlen(path) > 0);
    gpf_cblas_provider(small, sizeof small);
    assert_memory_equal(small, path, 3);
    assert_int_equal(small[3], 0);
}

static void test_names(void **state)
{
    (void)state;
    const char *self = "/usr/lib/libgradproof.so.0";
    assert_true(gpf__blas_plain_in("/usr/lib/x86_64-linux-gnu/libgslcblas.so.0", self));
    assert_true(gpf__blas_plain_in("libgslcblas.so.0", self));
    assert_true(gpf__blas_plain_in("./program", self));
    assert_false(gpf__blas_plain_in("./program", "./program"));
    assert_false(gpf__blas_plain_in("unknown", "unknown"));
    assert_false(gpf__blas_plain_in("/lib/libopenblas.so.0", self));
    assert_false(gpf__blas_plain_in("/home/gslcblas/libopenblas.so.0", self));
    assert_false(gpf__blas_plain_in(self, self));
}

static void test_found(void **state)
{
    (void)state;
    const int plain = gpf__blas_is_plain();
#ifdef GPF_CBLAS_PLAIN
    assert_int_equal(plain, 1);
#else
    char path[512];
    if (strstr(gpf_cblas_provider(path, sizeof path), "openblas"))
        assert_int_equal(plain, 0);
#endif
    assert_int_equal(plain, atomic_load(&gpf__blas_found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_provider),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
