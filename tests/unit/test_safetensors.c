/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L /* fmemopen */
#include "archive_test.h"

static void round_trip(void **state)
{
    (void)state;
    gpf_archive *a = small_archive(), *empty = gpf_archive_alloc();
    assert_round_trip(&gpf__safetensors, a);
    assert_round_trip(&gpf__safetensors, empty);
    gpf_archive_free(a);
    gpf_archive_free(empty);
}

static void layout(void **state)
{
    (void)state;
    static image i;
    const double x[] = { 1, -2 };
    gpf_archive *a = gpf_archive_alloc();
    gpf_archive_add(a, "z", gpf_shape1(2), x);
    gpf_archive_add(a, "b", gpf_shape0(), x);
    gpf_archive_set(a, "k", "v");
    image_of(&gpf__safetensors, a, &i);
    static const char header[] = "{\"__metadata__\":{\"k\":\"v\"},"
                                 "\"z\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,16]},"
                                 "\"b\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[16,24]}}";
    const size_t n = (sizeof header - 1 + 7) / 8 * 8;
    assert_int_equal(i.n, 8 + n + 24);
    assert_int_equal(i.bytes[0], n);
    assert_memory_equal(i.bytes + 8, header, sizeof header - 1);
    for (size_t k = 8 + sizeof header - 1; k < 8 + n; k++)
        assert_int_equal(i.bytes[k], ' ');
    assert_memory_equal(i.bytes + 8 + n, "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\xc0", 16);
    gpf_archive_free(a);
}

static void cut(void **state)
{
    (void)state;
    static image i;
    gpf_archive *a = small_archive();
    image_of(&gpf__safetensors, a, &i);
    assert_refused_cut(&i);
    i.bytes[i.n] = 0;
    assert_refused(i.bytes, i.n + 1, GPF_EDATA, "bytes of data, but there are");
    gpf_archive_free(a);
}

/* No bit of the header is read wrong without a reason that can be said: what is still read has all
 * values. */
static void flips(void **state)
{
    (void)state;
    static image i;
    gpf_archive *a = small_archive();
    image_of(&gpf__safetensors, a, &i);
    const size_t header = 8 + (size_t)(i.bytes[0] | i.bytes[1] << 8);
    for (size_t k = 0; k < 8 * header; k++) {
        gpf_diag why = { 0 };
        i.bytes[k / 8] ^= (unsigned char)(1 << k % 8);
        gpf_archive *b = parse(i.bytes, i.n, &why);
        assert_true(b || (why.status && why.text[0]));
        if (b)
            for (size_t j = 0; j < 5; j++)
                assert_non_null(gpf_archive_at(b, j));
        gpf_archive_free(b);
        i.bytes[k / 8] ^= (unsigned char)(1 << k % 8);
    }
    gpf_archive_free(a);
}

/* A file of that header and n bytes of data. */
static size_t file_of(const char *header, size_t n, unsigned char *bytes)
{
    const size_t length = strlen(header);
    memset(bytes, 0, ROOM);
    bytes[0] = (unsigned char)(length & 0xff);
    bytes[1] = (unsigned char)(length >> 8);
    memcpy(bytes + 8, header, length);
    return 8 + length + n;
}

#define T(dtype, shape, offsets) \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void headers(void **state)
{
    (void)state;
    static unsigned char bytes[ROOM];
    static const struct {
        const char *header;
        size_t n;
        int status;
        const char *text;
    } list[] = {
        { "{\"W\":" T("F64", "[3,2]", "[0,48]") "}", 40, GPF_EDATA,
          "the header says 48 bytes of data, but there are 40" },
        { "{\"W\":" T("F64", "[3,2]", "[0,40]") "}", 40, GPF_EDATA,
          "W: the header says 3x2 float64, 48 bytes, but its data_offsets hold 40" },
        { "{\"W\":" T("F32", "[1]", "[0,4]") ",\"V\":" T("F32", "[1]", "[0,4]") "}", 4, GPF_EDATA,
          "begins at byte 0 of the data, but the one before it ends at byte 4" },
        { "{\"W\":" T("F32", "[1]", "[0,4]") ",\"V\":" T("F32", "[1]", "[8,12]") "}", 12, GPF_EDATA,
          "V begins at byte 8 of the data, but the one before it ends at byte 4" },
        { "{\"W\":" T("F32", "[1]", "[4,8]") "}", 8, GPF_EDATA,
          "W begins at byte 4 of the data, which begins at byte 0" },
        { "{\"W\":" T("F32", "[1]", "[0,4]") "}", 9, GPF_EDATA, "but there are 9" },
        { "{\"W\":" T("F32", "[1]", "[4,0]") "}", 4, GPF_EDATA, "not [begin, end]" },
        { "{\"W\":" T("F32", "[1]", "[-4,0]") "}", 4, GPF_EDATA, "not [begin, end]" },
        { "{\"W\":" T("F32", "[1]", "[0,4,8]") "}", 4, GPF_EDATA, "not [begin, end]" },
        { "{\"W\":" T("F32", "[1]", "[0.0,4.0]") "}", 4, GPF_EDATA, "not [begin, end]" },
        { "{\"W\":" T("F32", "[1]", "[0,9223372036854775807]") "}", 4, GPF_EDATA, "hold 92233720" },
        { "{\"W\":" T("F32", "[1]", "[0,9223372036854775808]") "}", 4, GPF_EDATA, "no JSON" },
        { "{\"W\":" T("F64", "[9223372036854775807]", "[0,8]") "}", 8, GPF_ELIMIT, "W: more el" },
        { "{\"W\":" T("F64", "[65536,65536]", "[0,8]") "}", 8, GPF_ELIMIT, "W: more elements" },
        { "{\"W\":" T("F64", "[2147483647]", "[0,17179869176]") "}", 8, GPF_EDATA,
          "the header says 17179869176 bytes of data, but there are 8" },
        { "{\"W\":" T("F64", "[-1]", "[0,8]") "}", 8, GPF_EDATA, "no list of sizes" },
        { "{\"W\":" T("F64", "[0]", "[0,0]") "}", 0, GPF_EDATA, "W has no elements" },
        { "{\"W\":" T("F64", "[1,1,1,1,1]", "[0,8]") "}", 8, GPF_EDATA, "5 axes, at most 4" },
        { "{\"W\":" T("F64", "1", "[0,8]") "}", 8, GPF_EDATA, "is missing" },
        { "{\"W\":" T("F8_E4M3", "[1]", "[0,1]") "}", 1, GPF_EDATA, "type F8_E4M3 are not read" },
        { "{\"W\":{\"shape\":[1],\"data_offsets\":[0,8]}}", 8, GPF_EDATA, "is missing" },
        { "{\"W\":7}", 0, GPF_EDATA, "is missing" },
        { "{\"W\":" T("U8", "[1]", "[0,1]") ",\"W\":" T("U8", "[1]", "[1,2]") "}", 2, GPF_EDATA,
          "duplicate" },
        { "{\"__metadata__\":7}", 0, GPF_EDATA, "no JSON object" },
        { "{\"__metadata__\":{\"a\":7}}", 0, GPF_EDATA, "__metadata__: a is no string" },
        { "{\"__metadata__\":{\"\":\"x\"}}", 0, GPF_EDATA, "a name is empty" },
        { "{\"\\u0007\":" T("U8", "[1]", "[0,1]") "}", 1, GPF_EDATA, "has control characters" },
        { "{\"a\\u0000b\":" T("U8", "[1]", "[0,1]") "}", 1, GPF_EDATA, "no JSON" },
        { "{\"\":" T("U8", "[1]", "[0,1]") "}", 1, GPF_EDATA, "a name is empty" },
        { "{\"\xff\":" T("U8", "[1]", "[0,1]") "}", 1, GPF_EDATA, "no JSON at byte" },
        { "{\"W\":", 0, GPF_EDATA, "no JSON at byte" },
        { "{} []", 0, GPF_EDATA, "no JSON at byte" },
    };
    for (size_t i = 0; i < COUNT(list); i++)
        assert_refused(bytes, file_of(list[i].header, list[i].n, bytes), list[i].status,
                       list[i].text);
    /* Longer than the file, than the limit, than any number. */
    size_t n = file_of("{}", 0, bytes);
    bytes[2] = 1;
    assert_refused(bytes, n, GPF_EDATA, "the header claims 65538 bytes, but there are 2");
    bytes[7] = 0x80;
    assert_refused(bytes, n, GPF_EDATA, "neither");
    /* Deep. */
    char deep[40000] = "{\"W\":";
    memset(deep + 5, '[', sizeof deep - 6);
    n = file_of(deep, 0, bytes);
    assert_refused(bytes, n, GPF_EDATA, "no JSON at byte");
}

static void every_type(void **state)
{
    (void)state;
    static unsigned char bytes[ROOM];
    static const char header[] =
        "{\"a\":" T("BF16", "[2]", "[1,5]") ",\"b\":" T("BOOL", "[]", "[0,1]") ",\"c\":" T(
            "I16", "[1,1,1,1]", "[5,7]") ",\"__metadata__\":{\"format\":\"pt\"}}  \n";
    const size_t n = file_of(header, 7, bytes);
    memcpy(bytes + n - 7, "\1\x80\x3f\0\0\xfe\xff", 7);
    gpf_diag why = { 0 };
    gpf_archive *a = parse(bytes, n, &why);
    assert_non_null(a);
    assert_string_equal(gpf_archive_at(a, 0)->name, "a");
    assert_true(gpf_archive_find(a, "a")->values[0] == 1);
    assert_true(gpf_archive_find(a, "b")->values[0] == 1);
    assert_int_equal(gpf_archive_find(a, "b")->shape.rank, 0);
    assert_true(gpf_archive_find(a, "c")->values[0] == -2);
    assert_string_equal(gpf_archive_get(a, "format"), "pt");
    gpf_archive_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(layout),  cmocka_unit_test(cut),
        cmocka_unit_test(flips),      cmocka_unit_test(headers), cmocka_unit_test(every_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
