/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of archives share: small archives, and files in memory. */
#ifndef GPF_TESTS_UNIT_ARCHIVE_TEST_H
#define GPF_TESTS_UNIT_ARCHIVE_TEST_H

#include "help.h"

#include "train/archive.h"

#include <zlib.h>

enum { ROOM = 1 << 16 };

typedef struct image {
    unsigned char bytes[ROOM];
    size_t n;
} image;

/* The archive as a file of that format. */
static inline void image_of(const gpf__archive_format *format, const gpf_archive *a, image *i)
{
    FILE *f = fmemopen(i->bytes, ROOM, "wb");
    assert_non_null(f);
    assert_int_equal(format->write(a, f), 0);
    i->n = (size_t)ftell(f);
    assert_int_equal(fclose(f), 0);
}

/* Read from memory that ends where the bytes end. */
static inline gpf_archive *parse(const unsigned char *bytes, size_t n, gpf_diag *why)
{
    unsigned char *exact = malloc(n ? n : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, n);
    gpf_archive *a = gpf__archive_parse(exact, n, "memory", why);
    free(exact);
    return a;
}

/* Of every rank, with every kind of number. */
static inline gpf_archive *small_archive(void)
{
    static const double odd[] = { NAN,     INFINITY, -INFINITY, -0.0,  0x1p-1074, -0x1.8p-1030,
                                  1.0 / 3, -1e300,   0x1p53,    1e-30, 6,         7 };
    gpf_archive *a = gpf_archive_alloc();
    assert_non_null(a);
    assert_int_equal(gpf_archive_add(a, "W1", gpf_shape2(2, 3), odd), GSL_SUCCESS);
    assert_int_equal(gpf_archive_add(a, "s", gpf_shape0(), odd + 6), GSL_SUCCESS);
    assert_int_equal(gpf_archive_add(a, "a/\xc3\xa9 \"b\"'", gpf_shape1(5), odd + 7), GSL_SUCCESS);
    assert_int_equal(gpf_archive_add(a, "r3", shape_of(3, 1, 2, 2, 1), odd + 1), GSL_SUCCESS);
    assert_int_equal(gpf_archive_add(a, "r4", shape_of(4, 3, 1, 2, 2), odd), GSL_SUCCESS);
    assert_int_equal(gpf_archive_set(a, "note", "two\nlines, \"quoted\" \xe2\x82\xac"), 0);
    assert_int_equal(gpf_archive_set(a, "empty", ""), GSL_SUCCESS);
    return a;
}

/* The same arrays in the same order, to the bit, and the entries of small_archive. */
static inline bool same_archive(const gpf_archive *a, const gpf_archive *b)
{
    const gpf_array *x, *y;
    size_t i = 0;
    for (; (x = gpf_archive_at(a, i)) && (y = gpf_archive_at(b, i)); i++)
        if (strcmp(x->name, y->name) || !gpf_shape_equal(x->shape, y->shape) ||
            memcmp(x->values, y->values, gpf_shape_size(x->shape, 1) * sizeof(double)))
            return false;
    if (x || gpf_archive_at(b, i))
        return false;
    static const char *const keys[] = { "note", "empty" };
    for (size_t k = 0; k < COUNT(keys); k++) {
        const char *s = gpf_archive_get(a, keys[k]), *t = gpf_archive_get(b, keys[k]);
        if (!s != !t || (s && strcmp(s, t)))
            return false;
    }
    return true;
}

static inline void assert_round_trip(const gpf__archive_format *format, const gpf_archive *a)
{
    static image once, again;
    gpf_diag why = { 0 };
    image_of(format, a, &once);
    image_of(format, a, &again);
    assert_int_equal(once.n, again.n);
    assert_memory_equal(once.bytes, again.bytes, once.n);
    gpf_archive *b = parse(once.bytes, once.n, &why);
    if (!b)
        fail_msg("%s", why.text);
    assert_true(same_archive(a, b));
    gpf_archive_free(b);
}

/* A zip made by hand, independently of the library: members, then end_zip. */
typedef struct zip_maker {
    image *i;
    unsigned char entries[4096];
    size_t n, members;
} zip_maker;

static inline void put_le(unsigned char *to, int size, uint64_t x)
{
    for (int k = 0; k < size; k++)
        to[k] = (unsigned char)(x >> 8 * k);
}

static inline void begin_zip(zip_maker *z, image *i)
{
    memset(z, 0, sizeof *z);
    z->i = i;
    i->n = 0;
}

static inline void add_member(zip_maker *z, const char *name, const void *bytes, size_t n,
                              bool deflated)
{
    static unsigned char packed[ROOM];
    size_t n_packed = n;
    if (n)
        memcpy(packed, bytes, n);
    if (deflated) {
        z_stream s = { .next_in = (unsigned char *)(uintptr_t)bytes,
                       .avail_in = (uInt)n,
                       .next_out = packed,
                       .avail_out = ROOM };
        assert_int_equal(deflateInit2(&s, 6, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
        assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
        n_packed = s.total_out;
        deflateEnd(&s);
    }
    unsigned char *local = z->i->bytes + z->i->n, *entry = z->entries + z->n;
    const size_t length = strlen(name);
    memset(local, 0, 30);
    memcpy(local, "PK\3\4\24", 5);
    put_le(local + 8, 2, deflated ? 8 : 0);
    put_le(local + 14, 4, crc32(0, bytes, (uInt)n));
    put_le(local + 18, 4, n_packed);
    put_le(local + 22, 4, n);
    put_le(local + 26, 2, length);
    memcpy(local + 30, name, length);
    memcpy(local + 30 + length, packed, n_packed);
    memset(entry, 0, 46);
    memcpy(entry, "PK\1\2", 4);
    memcpy(entry + 6, local + 4, 26);
    put_le(entry + 42, 4, z->i->n);
    memcpy(entry + 46, name, length);
    z->n += 46 + length;
    z->members++;
    z->i->n += 30 + length + n_packed;
}

static inline void end_zip(zip_maker *z)
{
    unsigned char *end = z->i->bytes + z->i->n + z->n;
    memcpy(z->i->bytes + z->i->n, z->entries, z->n);
    memset(end, 0, 22);
    memcpy(end, "PK\5\6", 4);
    put_le(end + 8, 2, z->members);
    put_le(end + 10, 2, z->members);
    put_le(end + 12, 4, z->n);
    put_le(end + 16, 4, z->i->n);
    z->i->n += z->n + 22;
}

static inline void zip_of(const char *name, const void *bytes, size_t n, bool deflated, image *i)
{
    zip_maker z;
    begin_zip(&z, i);
    add_member(&z, name, bytes, n, deflated);
    end_zip(&z);
}

/* An error that says something. */
static inline void assert_refused(const unsigned char *bytes, size_t n, int status,
                                  const char *text)
{
    gpf_diag why = { 0 };
    gpf_archive *a = parse(bytes, n, &why);
    if (a)
        fail_msg("read, expected: %s", text);
    if (why.status != status || !strstr(why.text, text))
        fail_msg("%d: %s, expected %d: %s", why.status, why.text, status, text);
    assert_string_equal(why.file, "memory");
}

static inline void assert_refused_cut(const image *i)
{
    for (size_t n = 0; n < i->n; n++) {
        gpf_diag why = { 0 };
        gpf_archive *a = parse(i->bytes, n, &why);
        if (a || !why.status || !why.text[0])
            fail_msg("cut to %zu of %zu bytes: %s", n, i->n, a ? "read" : "no reason given");
    }
}

#endif
