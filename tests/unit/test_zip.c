/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L /* fmemopen */
#include "archive_test.h"

#include "train/zip.h"

/* All members, their content as text one after another in out: status. */
static int contents(const image *i, size_t step, char *out, gpf_diag *why)
{
    gpf__unzip z;
    unsigned char *exact = malloc(i->n);
    assert_non_null(exact);
    memcpy(exact, i->bytes, i->n);
    bool more = true;
    int status = gpf__unzip_begin(&z, exact, i->n, why);
    while (!status && !(status = gpf__unzip_next(&z, &more, why)) && more) {
        out += sprintf(out, "%.*s:", (int)z.name_length, z.name);
        for (size_t at = 0; !status && at < z.size; at += step) {
            const size_t n = z.size - at < step ? (size_t)z.size - at : step;
            status = gpf__unzip_get(&z, out, n, why);
            out += n;
        }
        char none;
        if (!status)
            assert_int_equal(gpf__unzip_get(&z, &none, 1, NULL), GPF_EDATA);
        *out++ = ';';
    }
    *out = 0;
    gpf__unzip_free(&z);
    free(exact);
    return status;
}

static void assert_wrong(const image *i, const char *text)
{
    static char out[2 * ROOM];
    gpf_diag why = { 0 };
    const int status = contents(i, 1000, out, &why);
    if (status != GPF_EDATA || !strstr(why.text, text))
        fail_msg("%d: %s, expected: %s", status, status ? why.text : out, text);
}

static void reads(void **state)
{
    (void)state;
    static image i;
    static char out[2 * ROOM];
    static const size_t steps[] = { 1, 2, 7, 1000 };
    zip_maker z;
    begin_zip(&z, &i);
    add_member(&z, "a", "stored text", 11, false);
    add_member(&z, "folder/", "", 0, false);
    add_member(&z, "\xc3\xa9", "deflated deflated deflated text", 31, true);
    add_member(&z, "nothing", "", 0, true);
    end_zip(&z);
    for (size_t k = 0; k < COUNT(steps); k++) {
        gpf_diag why = { 0 };
        if (contents(&i, steps[k], out, &why))
            fail_msg("%s", why.text);
        assert_string_equal(out, "a:stored text;folder/:;\xc3\xa9:deflated deflated deflated text;"
                                 "nothing:;");
    }
    /* A comment at the end, which may look like an end. */
    static const char comment[] = "..PK\5\6 and more than a whole one";
    memcpy(i.bytes + i.n, comment, sizeof comment);
    put_le(i.bytes + i.n - 2, 2, sizeof comment);
    i.n += sizeof comment;
    assert_int_equal(contents(&i, 5, out, NULL), GSL_SUCCESS);
    i.n++;
    assert_wrong(&i, "cut short");
}

static void put_arg(void *arg, gpf__zip_sink *s)
{
    const char *text = arg;
    gpf__zip_put(s, text, 1);
    gpf__zip_put(s, NULL, 0);
    gpf__zip_put(s, text + 1, strlen(text) - 1);
}

/* limit: small ones force what otherwise only files beyond 4 GB have. */
static void writes(void **state)
{
    (void)state;
    static image i;
    static char out[2 * ROOM];
    for (uint64_t limit = 0; limit < 200; limit++) {
        FILE *f = fmemopen(i.bytes, ROOM, "wb");
        gpf__zip z = { .to = f, .limit = limit == 199 ? GPF__ZIP_LIMIT : limit };
        gpf__zip_add(&z, "one", put_arg, (void *)(uintptr_t) "some text");
        gpf__zip_add(&z, "\xc3\xa9", put_arg, (void *)(uintptr_t) "x");
        gpf__zip_add(&z, "three", put_arg, (void *)(uintptr_t) "some other text");
        assert_int_equal(gpf__zip_end(&z), 0);
        i.n = (size_t)ftell(f);
        assert_int_equal(i.n, z.at);
        fclose(f);
        gpf_diag why = { 0 };
        if (contents(&i, 4, out, &why))
            fail_msg("limit %d: %s", (int)limit, why.text);
        assert_string_equal(out, "one:some text;\xc3\xa9:x;three:some other text;");
        for (size_t n = 0; n < i.n; n++) {
            const size_t whole = i.n;
            i.n = n;
            if (!contents(&i, 4, out, NULL))
                fail_msg("limit %d, cut to %zu of %zu", (int)limit, n, whole);
            i.n = whole;
        }
        for (size_t k = 0; k < 8 * i.n; k++) {
            i.bytes[k / 8] ^= (unsigned char)(1 << k % 8);
            if (!contents(&i, 4, out, NULL) &&
                strcmp(out, "one:some text;\xc3\xa9:x;three:some other text;"))
                fail_msg("limit %d, bit %zu of byte %zu", (int)limit, k % 8, k / 8);
            i.bytes[k / 8] ^= (unsigned char)(1 << k % 8);
        }
    }
}

static void no_room(void **state)
{
    (void)state;
    FILE *f = fopen("/dev/full", "wb");
    if (!f)
        skip();
    setvbuf(f, NULL, _IONBF, 0);
    gpf__zip z = { .to = f, .limit = GPF__ZIP_LIMIT };
    gpf__zip_add(&z, "one", put_arg, (void *)(uintptr_t) "some text");
    assert_true(z.failed);
    assert_int_equal(gpf__zip_end(&z), -1);
    fclose(f);
}

/* The number of `size` bytes at `at` behind each place that begins with the signature. */
static void patch(image *i, const char *signature, size_t at, int size, uint64_t value)
{
    for (size_t k = 0; k + 22 <= i->n; k++)
        if (!memcmp(i->bytes + k, signature, 4))
            put_le(i->bytes + k + at, size, value);
}

enum { FLAGS = 8, METHOD = 10, PACKED = 20, SIZE = 24, NAME = 28, EXTRA = 30, OFFSET = 42 };
static const char entry[] = "PK\1\2", end[] = "PK\5\6";

static void hostile(void **state)
{
    (void)state;
    static unsigned char zeros[30000];
    static image i;
    zip_of("W", zeros, sizeof zeros, true, &i);
    const image good = i;
    static const struct {
        const char *signature;
        size_t at;
        int size;
        uint64_t value;
        const char *text;
    } list[] = {
        { entry, SIZE, 4, 0xfffffff0, "W: 4294967280 bytes cannot come from" },
        { entry, SIZE, 4, 0xffffffff, "directory is damaged" }, /* without its 64 bits */
        { entry, SIZE, 4, 30001, "W cannot be inflated" },
        { entry, SIZE, 4, 29999, "W cannot be inflated" },
        { entry, SIZE, 4, 29000, "W cannot be inflated" },
        { entry, PACKED, 4, 0x10000000, "W: the directory claims more bytes than there are" },
        { entry, PACKED, 4, 40, "cannot be inflated" },
        { entry, METHOD, 2, 12, "W: compression method 12 is not read" },
        { entry, METHOD, 2, 0, "W: 30000 bytes cannot come from" },
        { entry, FLAGS, 2, 1, "W is encrypted" },
        { entry, 46, 1, 'V', "V has another name in the directory" },
        { entry, NAME, 2, 2, "directory is damaged" },
        { entry, EXTRA, 2, 0xffff, "directory is damaged" },
        { entry, OFFSET, 4, 0x7fffffff, "W begins behind the end of the data" },
        { entry, OFFSET, 4, 1, "W has another name in the directory" },
        { entry, 16, 4, 7, "W: its checksum is wrong" },
        { entry, 0, 4, 7, "directory is damaged" },
        { end, 8, 2, 2, "does not end where its end begins" },
        { end, 8, 4, 0x20002, "directory is damaged" },
        { end, 8, 4, 0, "directory is damaged" },
        { end, 8, 4, 0xffffffff, "directory cannot be found" },
        { end, 4, 2, 1, "does not end where its end begins" },
        { end, 12, 4, 46, "does not end where its end begins" },
        { end, 16, 4, 0xfffffffe, "does not end where its end begins" },
        { end, 20, 2, 1, "cut short" },
    };
    for (size_t k = 0; k < COUNT(list); k++) {
        i = good;
        patch(&i, list[k].signature, list[k].at, list[k].size, list[k].value);
        assert_wrong(&i, list[k].text);
    }
    i = good;
    i.bytes[31 + 5] ^= 0xff; /* of the deflated data */
    assert_wrong(&i, "W");
}

/* A terabyte from a few bytes, said in 64 bits. */
static void bomb(void **state)
{
    (void)state;
    static image i;
    zip_of("W", "0123456789", 10, true, &i);
    unsigned char extra[20] = { 1, 0, 16, 0 };
    put_le(extra + 4, 8, (uint64_t)1 << 40);
    put_le(extra + 12, 8, 12);
    const size_t at = i.n - 22;
    memmove(i.bytes + at + sizeof extra, i.bytes + at, 22);
    memcpy(i.bytes + at, extra, sizeof extra);
    i.n += sizeof extra;
    patch(&i, entry, SIZE, 4, 0xffffffff);
    patch(&i, entry, PACKED, 4, 0xffffffff);
    patch(&i, entry, EXTRA, 2, sizeof extra);
    put_le(i.bytes + i.n - 10, 4, 46 + 1 + sizeof extra);
    assert_wrong(&i, "W: 1099511627776 bytes cannot come from 12");
    put_le(i.bytes + at + 4, 8, UINT64_MAX);
    assert_wrong(&i, "W: 18446744073709551615 bytes cannot come from 12");
    put_le(i.bytes + at + 12, 8, UINT64_MAX);
    assert_wrong(&i, "W: the directory claims more bytes than there are");
}

/* Members that share their bytes: each may claim them, all together may not. */
static void overlapping(void **state)
{
    (void)state;
    static unsigned char bytes[9000];
    static image i;
    zip_maker z;
    begin_zip(&z, &i);
    add_member(&z, "W", bytes, sizeof bytes, false);
    for (int k = 0; k < 2; k++) {
        memcpy(z.entries + z.n, z.entries, 47);
        z.n += 47;
        z.members++;
    }
    end_zip(&z);
    assert_wrong(&i, "W: the directory claims more bytes than there are");
}

/* For tests/archive.sh: everything in 64 bits. */
static int write_wide(const char *path)
{
    gpf__zip z = { .to = fopen(path, "wb") };
    if (!z.to)
        return 1;
    gpf__zip_add(&z, "one", put_arg, (void *)(uintptr_t) "some text");
    gpf__zip_add(&z, "\xc3\xa9", put_arg, (void *)(uintptr_t) "x");
    return gpf__zip_end(&z) || fclose(z.to);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return write_wide(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),   cmocka_unit_test(writes), cmocka_unit_test(no_room),
        cmocka_unit_test(hostile), cmocka_unit_test(bomb),   cmocka_unit_test(overlapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
