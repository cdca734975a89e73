/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L /* fmemopen */
#include "archive_test.h"

static void arrays(void **state)
{
    (void)state;
    gpf_archive *a = gpf_archive_alloc();
    double x[] = { 1.25, -2.5, 3.125, 4, 5, 6 };
    assert_null(gpf_archive_at(a, 0));
    assert_null(gpf_archive_find(a, "W"));
    assert_int_equal(gpf_archive_add(a, "W", gpf_shape2(2, 3), x), GSL_SUCCESS);
    x[0] = 0; /* copied */
    assert_int_equal(gpf_archive_add(a, "s", gpf_shape0(), x + 1), GSL_SUCCESS);
    assert_int_equal(gpf_archive_add(a, "W", gpf_shape1(6), x), GPF_ENAME);
    assert_int_equal(gpf_archive_add(a, "none", gpf_shape2(2, 0), x), GPF_ESHAPE);
    assert_int_equal(gpf_archive_add(a, "N", gpf_shape1(GPF_N), x), GPF_ESHAPE);
    assert_int_equal(gpf_archive_add(a, "large", gpf_shape2(1 << 20, 1 << 20), x), GPF_ELIMIT);
    assert_string_equal(gpf_archive_at(a, 0)->name, "W");
    assert_true(gpf_archive_at(a, 0)->values[0] == 1.25);
    assert_ptr_equal(gpf_archive_find(a, "s"), gpf_archive_at(a, 1));
    assert_true(gpf_archive_find(a, "s")->values[0] == -2.5);
    assert_null(gpf_archive_at(a, 2));
    gpf_archive_free(a);
    gpf_archive_free(NULL);
}

static void many(void **state)
{
    (void)state;
    gpf_archive *a = gpf_archive_alloc();
    char name[32];
    for (int i = 0; i < 20000; i++) {
        const double x = i;
        snprintf(name, sizeof name, "w.%d", i);
        assert_int_equal(gpf_archive_add(a, name, gpf_shape0(), &x), GSL_SUCCESS);
        assert_int_equal(gpf_archive_set(a, name, name), GSL_SUCCESS);
    }
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "w.%d", i);
        assert_true(gpf_archive_find(a, name)->values[0] == i);
        assert_string_equal(gpf_archive_get(a, name), name);
    }
    assert_null(gpf_archive_find(a, "w.20000"));
    gpf_archive_free(a);
}

static void texts(void **state)
{
    (void)state;
    gpf_archive *a = gpf_archive_alloc();
    assert_null(gpf_archive_get(a, "k"));
    assert_int_equal(gpf_archive_set(a, "k", "first"), GSL_SUCCESS);
    assert_int_equal(gpf_archive_set(a, "l", "other"), GSL_SUCCESS);
    assert_int_equal(gpf_archive_set(a, "k", "second\n"), GSL_SUCCESS);
    assert_string_equal(gpf_archive_get(a, "k"), "second\n");
    assert_string_equal(gpf_archive_get(a, "l"), "other");
    assert_int_equal(gpf_archive_set(a, "k", "\xff"), GPF_EDATA);
    assert_int_equal(gpf_archive_set(a, "", "x"), GPF_ENAME);
    assert_string_equal(gpf_archive_get(a, "k"), "second\n");
    gpf_archive_free(a);
}

static void names(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a",   "../x", "/abs", "\xc3\xa9", "\xf0\x9f\x98\x80", "\xef\xbf\xbf",
        "a b", "\"",   "\\",   "x.npy",    "\xc2\xa0"
    };
    static const char *const bad[] = { "",
                                       "a\nb",
                                       "\x7f",
                                       "\x1b[31m",
                                       "__metadata__",
                                       "\xc2\x80",
                                       "\xc3",
                                       "\x80",
                                       "\xc0\xaf",
                                       "\xe0\x80\xaf",
                                       "\xed\xa0\x80",
                                       "\xff",
                                       "a\xe2\x82",
                                       "\xf4\x90\x80\x80",
                                       "\xf8\x88\x80\x80\x80",
                                       "\xe2\x28\xa1" };
    gpf_archive *a = gpf_archive_alloc();
    const double x = 1;
    for (size_t i = 0; i < COUNT(good); i++)
        assert_int_equal(gpf_archive_add(a, good[i], gpf_shape0(), &x), GSL_SUCCESS);
    for (size_t i = 0; i < COUNT(bad); i++)
        if (gpf_archive_add(a, bad[i], gpf_shape0(), &x) != GPF_ENAME)
            fail_msg("name %zu was taken", i);
    char *name = malloc(70000);
    memset(name, 'x', 70000);
    name[65532] = 0;
    assert_int_equal(gpf_archive_add(a, name, gpf_shape0(), &x), GPF_ENAME);
    name[65531] = 0;
    assert_int_equal(gpf_archive_add(a, name, gpf_shape0(), &x), GSL_SUCCESS);
    free(name);
    static const char *const path[] = { "test_archive_names.npz",
                                        "test_archive_names.safetensors" };
    for (size_t k = 0; k < COUNT(path); k++) {
        gpf_diag why = { 0 };
        assert_int_equal(gpf_archive_write(a, path[k], &why), GSL_SUCCESS);
        gpf_archive *b = gpf_archive_read(path[k], &why);
        if (!b)
            fail_msg("%s", why.text);
        assert_true(same_archive(a, b));
        gpf_archive_free(b);
        remove(path[k]);
    }
    gpf_archive_free(a);
}

static double decoded(const char *name, bool big, const char *bytes)
{
    const gpf__dtype *t;
    double x = NAN;
    for (size_t i = 0; (t = gpf__dtype_at(i)); i++)
        if (!strcmp(t->name, name))
            gpf__decode(t, big, (const unsigned char *)bytes, 1, &x);
    return x;
}

static void elements(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes; /* least significant first */
        size_t size;
        double value;
    } list[] = {
        { "float64", "\x55\x55\x55\x55\x55\x55\xd5\x3f", 8, 1.0 / 3 },
        { "float32", "\xcd\xcc\xcc\x3d", 4, 0x1.99999ap-4 },
        { "float32", "\1\0\0\x80", 4, -0x1p-149 },
        { "float16", "\xff\x7b", 2, 65504 },
        { "float16", "\x00\xc0", 2, -2 },
        { "float16", "\x01\x00", 2, 0x1p-24 },
        { "float16", "\xff\x03", 2, 0x3ffp-24 },
        { "float16", "\x00\x04", 2, 0x1p-14 },
        { "float16", "\x00\xfc", 2, -INFINITY },
        { "bfloat16", "\x80\x3f", 2, 1 },
        { "bool", "\1", 1, 1 },
        { "bool", "\0", 1, 0 },
        { "int8", "\x80", 1, -128 },
        { "int8", "\x7f", 1, 127 },
        { "int16", "\xfe\xff", 2, -2 },
        { "int32", "\0\0\0\x80", 4, -2147483648.0 },
        { "int64", "\xff\xff\xff\xff\xff\xff\xff\xff", 8, -1 },
        { "int64", "\0\0\0\0\0\0\0\x80", 8, -0x1p63 },
        { "uint8", "\xff", 1, 255 },
        { "uint16", "\1\x80", 2, 32769 },
        { "uint32", "\xff\xff\xff\xff", 4, 4294967295.0 },
        { "uint64", "\0\0\0\0\0\0\0\x80", 8, 0x1p63 },
    };
    for (size_t i = 0; i < COUNT(list); i++) {
        char swapped[8];
        for (size_t k = 0; k < list[i].size; k++)
            swapped[k] = list[i].bytes[list[i].size - 1 - k];
        assert_true(decoded(list[i].name, false, list[i].bytes) == list[i].value);
        assert_true(decoded(list[i].name, true, swapped) == list[i].value);
    }
    assert_true(isnan(decoded("float16", false, "\x01\x7c")));
    assert_true(signbit(decoded("float16", false, "\x00\x80")) != 0);
    /* bfloat16 is the upper half of float32. */
    for (unsigned i = 0; i < 1u << 16; i++) {
        const char b[] = { 0, 0, (char)(i & 0xff), (char)(i >> 8) };
        const double x = decoded("bfloat16", false, b + 2), y = decoded("float32", false, b);
        assert_true(isnan(x) ? isnan(y) : x == y && !signbit(x) == !signbit(y));
    }
    /* Neighbours in float16 are apart as their exponent says. */
    for (unsigned i = 0; i < 0x7bff; i++) {
        const char b[] = { (char)(i & 0xff), (char)(i >> 8), (char)((i + 1) & 0xff),
                           (char)((i + 1) >> 8) };
        const int e = (int)(i >> 10);
        assert_true(decoded("float16", false, b + 2) - decoded("float16", false, b) ==
                    ldexp(1, (e ? e : 1) - 25));
    }
}

static void formats(void **state)
{
    (void)state;
    gpf_diag why = { 0 };
    gpf_archive *a = small_archive();
    assert_int_equal(gpf_archive_write(a, "w.txt", &why), GPF_ENAME);
    assert_string_equal(why.file, "w.txt");
    assert_string_equal(why.text, "the name has to end in .npz or .safetensors");
    assert_int_equal(gpf_archive_write(a, ".npz", NULL), GPF_ENAME);
    /* Content counts in reading, not the name. */
    assert_int_equal(gpf_archive_write(a, "test_archive.npz", &why), GSL_SUCCESS);
    assert_int_equal(rename("test_archive.npz", "test_archive.txt"), 0);
    assert_int_equal(gpf_archive_is("test_archive.txt"), 1);
    gpf_archive *b = gpf_archive_read("test_archive.txt", &why);
    assert_true(b && same_archive(a, b));
    gpf_archive_free(b);
    gpf_archive_free(a);
    FILE *f = fopen("test_archive.txt", "w");
    fputs("W = [1 2 3]\n", f);
    fclose(f);
    assert_int_equal(gpf_archive_is("test_archive.txt"), 0);
    assert_null(gpf_archive_read("test_archive.txt", &why));
    assert_int_equal(why.status, GPF_EDATA);
    assert_string_equal(why.file, "test_archive.txt");
    remove("test_archive.txt");
    assert_int_equal(gpf_archive_is("test_archive.txt"), 0);
    assert_null(gpf_archive_read("test_archive.txt", &why));
    assert_int_equal(why.status, GPF_EFILE);
    assert_null(gpf_archive_read("test_archive.txt", NULL));
    assert_refused((const unsigned char *)"", 0, GPF_EDATA, "neither .npz nor .safetensors");
}

static void params(void **state)
{
    (void)state;
    static const char *const path[] = { "test_archive_params.npz",
                                        "test_archive_params.safetensors" };
    gpf_diag why = { 0 };
    gpf_graph *g = gpf_graph_alloc(), *other = gpf_graph_alloc(), *more = gpf_graph_alloc();
    gpf_param(g, "W", gpf_shape2(2, 3));
    gpf_param(g, "b", gpf_shape1(3));
    gpf_param(other, "W", gpf_shape2(3, 2));
    gpf_param(more, "b", gpf_shape1(3));
    gpf_param(more, "c", gpf_shape0());
    dice d = { 77 };
    double x[9], y[9] = { 0 };
    fill(&d, x, 9, -1, 1);
    gsl_vector_view theta = gsl_vector_view_array(x, 9), back = gsl_vector_view_array(y, 9);
    for (size_t k = 0; k < COUNT(path); k++) {
        memset(y, 0, sizeof y);
        assert_int_equal(gpf_params_write(g, &theta.vector, path[k], &why), GSL_SUCCESS);
        assert_int_equal(gpf_params_read(g, &back.vector, path[k], &why), GSL_SUCCESS);
        assert_memory_equal(x, y, sizeof x);
        gsl_vector_view six = gsl_vector_view_array(y, 6), four = gsl_vector_view_array(y, 4);
        assert_int_equal(gpf_params_read(other, &six.vector, path[k], &why), GPF_ESHAPE);
        assert_string_equal(why.text, "W is 2x3 there, but 3x2 in the model");
        assert_int_equal(gpf_params_read(more, &four.vector, path[k], &why), GPF_ENAME);
        assert_string_equal(why.text, "the param c is not in it; it has W, b");
        assert_string_equal(why.file, path[k]);
        assert_memory_equal(x, y, sizeof x); /* bad input loses nothing */
        remove(path[k]);
        assert_int_equal(gpf_params_read(g, &back.vector, path[k], &why), GPF_EFILE);
    }
    assert_int_equal(gpf_params_write(g, &theta.vector, "params.csv", &why), GPF_ENAME);
    gsl_error_handler_t *old = gsl_set_error_handler_off();
    gsl_vector_view few = gsl_vector_view_array(x, 8);
    assert_int_equal(gpf_params_write(g, &few.vector, path[0], NULL), GSL_EBADLEN);
    assert_int_equal(gpf_params_read(g, NULL, path[0], NULL), GSL_EBADLEN);
    gsl_set_error_handler(old);
    gpf_graph_free(g);
    gpf_graph_free(other);
    gpf_graph_free(more);
}

/* For tests/archive.sh: reads a file, prints it, and writes it as another. */
static int convert(const char *from, const char *to)
{
    gpf_diag why = { 0 };
    char shape[64];
    gpf_archive *a = gpf_archive_read(from, &why);
    const gpf_array *x;
    for (size_t i = 0; a && (x = gpf_archive_at(a, i)); i++) {
        printf("%s %s", x->name, gpf_shape_text(x->shape, shape, sizeof shape));
        for (size_t k = 0; k < gpf_shape_size(x->shape, 1); k++)
            printf(" %a", x->values[k]);
        printf("\n");
    }
    const int status = a ? to ? gpf_archive_write(a, to, &why) : GSL_SUCCESS : why.status;
    if (status)
        printf("%s: %s\n", why.file, why.text);
    gpf_archive_free(a);
    return status != GSL_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return convert(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays), cmocka_unit_test(many),     cmocka_unit_test(texts),
        cmocka_unit_test(names),  cmocka_unit_test(elements), cmocka_unit_test(formats),
        cmocka_unit_test(params),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
