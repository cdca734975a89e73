/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L /* fmemopen */
#include "archive_test.h"

static void round_trip(void **state)
{
    (void)state;
    gpf_archive *a = small_archive(), *empty = gpf_archive_alloc();
    assert_round_trip(&gpf__npz, a);
    assert_round_trip(&gpf__npz, empty);
    gpf_archive_free(a);
    gpf_archive_free(empty);
}

/* More than is read or written at once. */
static void large(void **state)
{
    (void)state;
    enum { N = 30011 };
    static const char *const path[] = { "test_npz_large.npz", "test_npz_large.safetensors" };
    double *x = malloc(N * sizeof *x);
    dice d = { 5 };
    fill(&d, x, N, -1, 1);
    gpf_archive *a = gpf_archive_alloc();
    gpf_archive_add(a, "x", gpf_shape1(N), x);
    gpf_archive_add(a, "y", gpf_shape2(10, 3001), x);
    for (size_t i = 0; i < COUNT(path); i++) {
        assert_int_equal(gpf_archive_write(a, path[i], NULL), GSL_SUCCESS);
        gpf_archive *b = gpf_archive_read(path[i], NULL);
        assert_true(b && same_archive(a, b));
        gpf_archive_free(b);
        remove(path[i]);
    }
    gpf_archive_free(a);
    free(x);
}

static void cut(void **state)
{
    (void)state;
    static image i;
    gpf_archive *a = small_archive();
    image_of(&gpf__npz, a, &i);
    assert_refused_cut(&i);
    gpf_archive_free(a);
}

/* Data and names are there twice or have a checksum: any bit of the file is either not data or found. */
static void flips(void **state)
{
    (void)state;
    static image i;
    gpf_archive *a = small_archive();
    image_of(&gpf__npz, a, &i);
    for (size_t k = 0; k < 8 * i.n; k++) {
        gpf_diag why = { 0 };
        i.bytes[k / 8] ^= (unsigned char)(1 << k % 8);
        gpf_archive *b = parse(i.bytes, i.n, &why);
        if (b ? !same_archive(a, b) : !why.status || !why.text[0])
            fail_msg("bit %zu of byte %zu of %zu: %s", k % 8, k / 8, i.n,
                     b ? "other content" : "no reason given");
        gpf_archive_free(b);
        i.bytes[k / 8] ^= (unsigned char)(1 << k % 8);
    }
    gpf_archive_free(a);
}

/* A .npy file of that version, literal and n bytes 0, 1, 2, .. of data. */
static size_t npy_of(int version, const char *literal, size_t n, unsigned char *bytes)
{
    const size_t length = strlen(literal), prefix = version > 1 ? 12 : 10;
    memset(bytes, 0, 12);
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)version;
    bytes[8] = (unsigned char)(length & 0xff);
    bytes[9] = (unsigned char)(length >> 8);
    memcpy(bytes + prefix, literal, length);
    for (size_t i = 0; i < n; i++)
        bytes[prefix + length + i] = (unsigned char)i;
    return prefix + length + n;
}

#define D(descr, order, shape) \
    "{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }"

static void headers(void **state)
{
    (void)state;
    static unsigned char npy[ROOM];
    static image i;
    static const struct {
        const char *literal;
        size_t n;
        int status;
        const char *text;
    } list[] = {
        { D("<f8", "False", "(3, 2)"), 40, GPF_EDATA,
          "W1.npy: the header says 3x2 float64, 48 bytes, but there are 40" },
        { D("<f8", "False", "(3, 2)"), 49, GPF_EDATA, "48 bytes, but there are 49" },
        { D("|O", "False", "(1,)"), 8, GPF_EDATA, "W1.npy holds Python objects" },
        { "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }", 8, GPF_EDATA,
          "records are not read" },
        { D("<U4", "False", "(1,)"), 16, GPF_EDATA, "type '<U4' are not read" },
        { D("<c16", "False", "(1,)"), 16, GPF_EDATA, "type '<c16' are not read" },
        { D("=f8", "False", "(1,)"), 8, GPF_EDATA, "type '=f8' are not read" },
        { D("|f8", "False", "(1,)"), 8, GPF_EDATA, "type '|f8' are not read" },
        { D("", "False", "(1,)"), 8, GPF_EDATA, "type '' are not read" },
        { D("<f8", "false", "(1,)"), 8, GPF_EDATA, "no description of an array" },
        { D("<f8", "False", "(1)"), 8, GPF_EDATA, "no tuple of sizes" },
        { D("<f8", "False", "(,)"), 8, GPF_EDATA, "no tuple of sizes" },
        { D("<f8", "False", "(1,,1)"), 8, GPF_EDATA, "no tuple of sizes" },
        { D("<f8", "False", "(-1,)"), 8, GPF_EDATA, "no tuple of sizes" },
        { D("<f8", "False", "(1.0,)"), 8, GPF_EDATA, "no tuple of sizes" },
        { D("<f8", "False", "[1]"), 8, GPF_EDATA, "no tuple of sizes" },
        { D("<f8", "False", "(1"), 8, GPF_EDATA, "no tuple of sizes" },
        { D("<f8", "False", "(0, 3)"), 0, GPF_EDATA, "W1.npy has no elements" },
        { D("<f8", "False", "(1, 1, 1, 1, 1)"), 8, GPF_EDATA, "more than 4 axes" },
        { D("<f8", "False", "(1, 1, 1, 1, 1, 1, 1, 1)"), 8, GPF_EDATA, "more than 4 axes" },
        { D("<f8", "False", "(9223372036854775808,)"), 8, GPF_ELIMIT, "W1.npy: more elements" },
        { D("<f8", "False", "(99999999999999999999999999,)"), 8, GPF_ELIMIT, "more elements" },
        { D("<f8", "False", "(65536, 65536)"), 8, GPF_ELIMIT, "more elements" },
        { D("<f8", "False", "(2147483647,)"), 8, GPF_EDATA,
          "2147483647 float64, 17179869176 bytes, but there are 8" },
        { "{'descr': '<f8', 'fortran_order': False}", 8, GPF_EDATA, "no description" },
        { "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'shape': (1,)}", 8, GPF_EDATA,
          "no description" },
        { "{'descr': '<f8' 'fortran_order': False, 'shape': (1,)}", 8, GPF_EDATA,
          "no description" },
        { D("<f8", "False", "(1,)") "x", 8, GPF_EDATA, "no description" },
        { "{'descr': '<f\\x38', 'fortran_order': False, 'shape': (1,)}", 8, GPF_EDATA, "not read" },
        { "{'descr': 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'shape': (1,)}", 8, GPF_EDATA,
          "not read" },
        { "", 8, GPF_EDATA, "no description" },
        { "{", 8, GPF_EDATA, "no description" },
        { "{'descr'", 8, GPF_EDATA, "no description" },
        { "{'descr': '<f8", 8, GPF_EDATA, "not read" },
    };
    for (size_t k = 0; k < COUNT(list); k++)
        for (int version = 1; version < 4; version++) {
            zip_of("W1.npy", npy, npy_of(version, list[k].literal, list[k].n, npy), k % 2, &i);
            assert_refused(i.bytes, i.n, list[k].status, list[k].text);
        }
    size_t n = npy_of(1, D("<f8", "False", "(1,)"), 8, npy);
    npy[6] = 4;
    zip_of("W1.npy", npy, n, false, &i);
    assert_refused(i.bytes, i.n, GPF_EDATA, "does not begin like a .npy file of version 1, 2 or 3");
    npy[6] = 1;
    npy[9] = 0xff;
    zip_of("W1.npy", npy, n, false, &i);
    assert_refused(i.bytes, i.n, GPF_EDATA, "its header claims");
    zip_of("W1.npy", npy, 4, true, &i);
    assert_refused(i.bytes, i.n, GPF_EDATA, "W1.npy ends too early");
    zip_of("W1.npy", "", 0, false, &i);
    assert_refused(i.bytes, i.n, GPF_EDATA, "W1.npy ends too early");
    zip_of("W1.txt", npy, n, false, &i);
    assert_refused(i.bytes, i.n, GPF_EDATA, "it is a zip, but no .npy file is in it");
    n = npy_of(1, D("<f8", "False", "()"), 8, npy);
    zip_of(".npy", npy, n, false, &i);
    assert_refused(i.bytes, i.n, GPF_EDATA, "a name is empty");
    zip_of("\x1b.npy", npy, n, false, &i);
    assert_refused(i.bytes, i.n, GPF_EDATA, "has control characters");
    zip_of("__metadata__.npy", npy, n, false, &i);
    assert_refused(i.bytes, i.n, GPF_EDATA, "__metadata__ is no array of bytes");
    n = npy_of(1, D("|u1", "False", "(8,)"), 8, npy);
    zip_of("__metadata__.npy", npy, n, false, &i);
    assert_refused(i.bytes, i.n, GPF_EDATA, "__metadata__ is no JSON");
    memcpy(npy + n - 8, "{\"a\":[]}", 8);
    zip_of("__metadata__.npy", npy, n, false, &i);
    assert_refused(i.bytes, i.n, GPF_EDATA, "__metadata__: a is no string");
}

static void accepted(void **state)
{
    (void)state;
    static unsigned char npy[ROOM];
    static image i;
    static const struct {
        const char *literal;
        int rank;
        size_t bytes, n;
        double value[6];
    } list[] = {
        { D("|u1", "False", "(2, 3)"), 2, 6, 6, { 0, 1, 2, 3, 4, 5 } },
        { D("|u1", "True", "(2, 3)"), 2, 6, 6, { 0, 2, 4, 1, 3, 5 } },
        { D("|u1", "True", "(6,)"), 1, 6, 6, { 0, 1, 2, 3, 4, 5 } },
        { D("|u1", "True", "(1, 3, 2, 1)"), 4, 6, 6, { 0, 3, 1, 4, 2, 5 } },
        { D(">u2", "False", "(3,)"), 1, 6, 3, { 1, 0x203, 0x405 } },
        { D("<u2", "False", "(3L,)"), 1, 6, 3, { 0x100, 0x302, 0x504 } },
        { D("|b1", "False", "()"), 0, 1, 1, { 0 } },
        { "{\"shape\":(2,),\"fortran_order\":True,\"descr\":\"|i1\"}", 1, 2, 2, { 0, 1 } },
        { " {'shape': ( 2 , 1 ) ,'fortran_order' :False , 'descr': '<u1' } \n", 2, 2, 2, { 0, 1 } },
    };
    for (size_t k = 0; k < COUNT(list); k++)
        for (int version = 1; version < 4; version++) {
            gpf_diag why = { 0 };
            zip_of("W.npy", npy, npy_of(version, list[k].literal, list[k].bytes, npy), k % 2, &i);
            gpf_archive *a = parse(i.bytes, i.n, &why);
            if (!a)
                fail_msg("%s: %s", list[k].literal, why.text);
            const gpf_array *x = gpf_archive_find(a, "W");
            assert_int_equal(x->shape.rank, list[k].rank);
            assert_int_equal(gpf_shape_size(x->shape, 1), list[k].n);
            assert_memory_equal(x->values, list[k].value, list[k].n * sizeof(double));
            gpf_archive_free(a);
        }
}

static void twice(void **state)
{
    (void)state;
    static unsigned char npy[ROOM];
    static image i;
    const size_t n = npy_of(1, D("|u1", "False", "(9,)"), 9, npy);
    zip_maker z;
    begin_zip(&z, &i);
    add_member(&z, "W.npy", npy, n, false);
    add_member(&z, "note.txt", npy, n, true);
    add_member(&z, "W.npy", npy, n, true);
    end_zip(&z);
    assert_refused(i.bytes, i.n, GPF_EDATA, "two arrays have the name W");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(large),   cmocka_unit_test(cut),
        cmocka_unit_test(flips),      cmocka_unit_test(headers), cmocka_unit_test(accepted),
        cmocka_unit_test(twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
