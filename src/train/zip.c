/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A zip is its members, each behind a local header, then the directory, then where that is:
 *
 *   local header     PK34 version flags method time date crc packed size n_name n_extra, name, extra
 *   directory entry  PK12 made_by version flags .. n_extra n_comment disk attributes offset, name, ..
 *   end              PK56 disks entries size offset n_comment, comment
 *
 * A number that does not fit stands as 0xff.. there, and in 64 bits in an extra field of type 1 or, for
 * those of the end, in a record of its own before it (PK66, found by PK67). */
#include "train/zip.h"

#include "base/arena.h"
#include "base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOCAL = 30,
    ENTRY = 46,
    END = 22,
    LOCATOR = 20,
    END64 = 56,
    ZIP64 = 1,     /* type of extra field */
    ENCRYPTED = 1, /* flags */
    UTF8 = 1 << 11,
    MAX_RATIO = 1032 /* deflate cannot shrink by more */
};
#define BEYOND32 0xffffffffu
#define BEYOND16 0xffffu

static uint64_t number(const unsigned char *at, int size)
{
    uint64_t x = 0;
    for (int i = 0; i < size; i++)
        x |= (uint64_t)at[i] << 8 * i;
    return x;
}

/* Reading. */
static bool begins(const unsigned char *at, const char *signature)
{
    return !memcmp(at, signature, 4);
}

/* The end, whose comment has to reach the end of the file exactly. */
static const unsigned char *find_end(const unsigned char *bytes, size_t n)
{
    for (size_t comment = 0; comment <= BEYOND16 && comment + END <= n; comment++) {
        const unsigned char *e = bytes + n - END - comment;
        if (begins(e, "PK\5\6") && number(e + 20, 2) == comment)
            return e;
    }
    return NULL;
}

int gpf__unzip_begin(gpf__unzip *z, const unsigned char *bytes, size_t n, gpf_diag *why)
{
    *z = (gpf__unzip){ .bytes = bytes, .n = n };
    const unsigned char *e = find_end(bytes, n);
    if (!e)
        return gpf__diag(why, GPF_EDATA, "the zip has no directory at its end: it was cut short");
    uint64_t here = number(e + 8, 2), entries = number(e + 10, 2), size = number(e + 12, 4),
             from = number(e + 16, 4), disks = number(e + 4, 2) | number(e + 6, 2);
    size_t before = (size_t)(e - bytes); /* what the directory ends at */
    if (here == BEYOND16 || size == BEYOND32 || from == BEYOND32) {
        if (before < LOCATOR + END64 || !begins(e - LOCATOR, "PK\6\7"))
            return gpf__diag(why, GPF_EDATA, "the zip's directory cannot be found");
        const uint64_t at = number(e - LOCATOR + 8, 8);
        before -= LOCATOR + END64;
        if (at != before || !begins(bytes + at, "PK\6\6"))
            return gpf__diag(why, GPF_EDATA, "the zip's directory cannot be found");
        e = bytes + at;
        here = number(e + 24, 8);
        entries = number(e + 32, 8);
        size = number(e + 40, 8);
        from = number(e + 48, 8);
    }
    if (disks || here != entries || from > before || size != before - from)
        return gpf__diag(why, GPF_EDATA, "the zip's directory does not end where its end begins");
    z->at = (size_t)from;
    z->end = before;
    z->left = entries;
    return GSL_SUCCESS;
}

/* Numbers that stand as 0xff.. in the entry, in that order, from its extra field. */
static bool read_zip64(const unsigned char *extra, size_t n, uint64_t *const *missing,
                       int n_missing)
{
    while (n >= 4) {
        const size_t type = (size_t)number(extra, 2), size = (size_t)number(extra + 2, 2);
        if (size > n - 4)
            return false;
        if (type == ZIP64) {
            for (int i = 0; i < n_missing; i++)
                *missing[i] = 8 * (size_t)i + 8 <= size ? number(extra + 4 + 8 * i, 8) : UINT64_MAX;
            return 8 * (size_t)n_missing <= size;
        }
        extra += 4 + size;
        n -= 4 + size;
    }
    return false;
}

static int damaged(gpf_diag *why)
{
    return gpf__diag(why, GPF_EDATA, "the zip's directory is damaged");
}

/* What the member's name is in messages. */
#define NAME(z) (int)((z)->name_length < 200 ? (z)->name_length : 200), (z)->name

static int find_content(gpf__unzip *z, uint64_t offset, uint64_t packed, size_t directory,
                        gpf_diag *why)
{
    if (offset > directory || directory - offset < LOCAL + z->name_length)
        return gpf__diag(why, GPF_EDATA, "%.*s begins behind the end of the data", NAME(z));
    const unsigned char *l = z->bytes + offset;
    const size_t name = (size_t)number(l + 26, 2), extra = (size_t)number(l + 28, 2),
                 room = directory - (size_t)offset - LOCAL;
    if (!begins(l, "PK\3\4") || name != z->name_length || memcmp(l + LOCAL, z->name, name))
        return gpf__diag(why, GPF_EDATA, "%.*s has another name in the directory", NAME(z));
    /* What members share counts as often as they claim it. */
    z->claimed += packed;
    if (name + extra > room || packed > room - name - extra || z->claimed > z->n)
        return gpf__diag(why, GPF_EDATA, "%.*s: the directory claims more bytes than there are",
                         NAME(z));
    z->packed = l + LOCAL + name + extra;
    z->n_packed = (size_t)packed;
    return GSL_SUCCESS;
}

int gpf__unzip_next(gpf__unzip *z, bool *more, gpf_diag *why)
{
    gpf__unzip_free(z);
    const unsigned char *e = z->bytes + z->at;
    *more = z->left > 0;
    if (!*more)
        return z->at == z->end ? GSL_SUCCESS : damaged(why);
    if (z->end - z->at < ENTRY || !begins(e, "PK\1\2"))
        return damaged(why);
    const size_t name = (size_t)number(e + 28, 2), extra = (size_t)number(e + 30, 2),
                 comment = (size_t)number(e + 32, 2), directory = z->end;
    if (z->end - z->at - ENTRY < name + extra + comment)
        return damaged(why);
    const uint64_t flags = number(e + 8, 2), method = number(e + 10, 2);
    uint64_t packed = number(e + 20, 4), offset = number(e + 42, 4);
    z->left--;
    z->at += ENTRY + name + extra + comment;
    z->name = (const char *)e + ENTRY;
    z->name_length = name;
    z->crc = (uint32_t)number(e + 16, 4);
    z->size = number(e + 24, 4);
    z->deflated = method == Z_DEFLATED;
    uint64_t *missing[3];
    int n = 0;
    if (z->size == BEYOND32)
        missing[n++] = &z->size;
    if (packed == BEYOND32)
        missing[n++] = &packed;
    if (offset == BEYOND32)
        missing[n++] = &offset;
    if (n && !read_zip64(e + ENTRY + name, extra, missing, n))
        return damaged(why);
    if (flags & ENCRYPTED)
        return gpf__diag(why, GPF_EDATA, "%.*s is encrypted", NAME(z));
    if (method && method != Z_DEFLATED)
        return gpf__diag(why, GPF_EDATA, "%.*s: compression method %d is not read", NAME(z),
                         (int)method);
    const int status = find_content(z, offset, packed, directory, why);
    if (status)
        return status;
    if (z->deflated ? z->size / MAX_RATIO > packed : z->size != packed)
        return gpf__diag(why, GPF_EDATA, "%.*s: %llu bytes cannot come from %llu", NAME(z),
                         (unsigned long long)z->size, (unsigned long long)packed);
    z->got = 0;
    z->got_crc = 0;
    return GSL_SUCCESS;
}

/* One call of inflate for at most n bytes. *made: how many. */
static int inflate_part(gpf__unzip *z, unsigned char *bytes, size_t n, size_t *made)
{
    const size_t rest = z->n_packed - (size_t)(z->stream.next_in - z->packed);
    const uInt room = n < UINT_MAX ? (uInt)n : UINT_MAX;
    z->stream.avail_in = rest < UINT_MAX ? (uInt)rest : UINT_MAX;
    z->stream.next_out = bytes;
    z->stream.avail_out = room;
    const int status = inflate(&z->stream, Z_NO_FLUSH);
    *made = room - z->stream.avail_out;
    return status;
}

static bool inflate_some(gpf__unzip *z, unsigned char *bytes, size_t n)
{
    if (!z->inflating) {
        memset(&z->stream, 0, sizeof z->stream);
        z->stream.next_in = (unsigned char *)(uintptr_t)z->packed;
        z->inflating = inflateInit2(&z->stream, -MAX_WBITS) == Z_OK;
    }
    int status = z->inflating ? Z_OK : Z_MEM_ERROR;
    size_t made;
    while (n && status == Z_OK) {
        status = inflate_part(z, bytes, n, &made);
        bytes += made;
        n -= made;
        z->got += made;
    }
    if (n || z->got < z->size)
        return n == 0;
    /* That was the last of it: nothing may come behind. */
    unsigned char more;
    made = 0;
    while (status == Z_OK && !made)
        status = inflate_part(z, &more, 1, &made);
    return !made && status == Z_STREAM_END && z->stream.next_in == z->packed + z->n_packed;
}

int gpf__unzip_get(gpf__unzip *z, void *bytes, size_t n, gpf_diag *why)
{
    if (n > z->size - z->got)
        return gpf__diag(why, GPF_EDATA, "%.*s ends too early", NAME(z));
    if (n == 0)
        return GSL_SUCCESS;
    if (!z->deflated) {
        memcpy(bytes, z->packed + z->got, n);
        z->got += n;
    } else if (!inflate_some(z, bytes, n)) {
        return gpf__diag(why, GPF_EDATA, "%.*s cannot be inflated", NAME(z));
    }
    z->got_crc = (uint32_t)crc32_z(z->got_crc, bytes, n);
    if (z->got == z->size && z->got_crc != z->crc)
        return gpf__diag(why, GPF_EDATA, "%.*s: its checksum is wrong", NAME(z));
    return GSL_SUCCESS;
}

void gpf__unzip_free(gpf__unzip *z)
{
    if (z->inflating)
        inflateEnd(&z->stream);
    z->inflating = false;
}

/* Writing. */
static unsigned char *put_number(unsigned char *to, uint64_t x, int size)
{
    for (; size > 0; size--, x >>= 8)
        *to++ = (unsigned char)(x & 0xff);
    return to;
}

static void emit(gpf__zip *z, const void *bytes, size_t n)
{
    if (!z->failed && n && fwrite(bytes, 1, n, z->to) != n) {
        z->failed = true;
        if (!errno)
            errno = EIO;
    }
    z->at += n;
}

void gpf__zip_put(gpf__zip_sink *s, const void *bytes, size_t n)
{
    if (n == 0) /* crc32_z would begin again at a null pointer */
        return;
    s->n += n;
    if (s->zip)
        emit(s->zip, bytes, n);
    else
        s->crc = (uint32_t)crc32_z(s->crc, bytes, n);
}

/* From the version needed to the length of the name, which headers and entries share. */
static unsigned char *put_common(unsigned char *to, const gpf__zip_sink *content, const char *name,
                                 size_t length, bool wide, bool far)
{
    enum { VERSION = 20, VERSION64 = 45, NEW_YEAR_1980 = 1 << 5 | 1 };
    bool ascii = true;
    for (size_t i = 0; i < length; i++)
        ascii = ascii && (unsigned char)name[i] < 0x80;
    to = put_number(to, wide || far ? VERSION64 : VERSION, 2);
    to = put_number(to, ascii ? 0 : UTF8, 2);
    to = put_number(to, 0, 2); /* stored */
    to = put_number(to, 0, 2); /* midnight */
    to = put_number(to, NEW_YEAR_1980, 2);
    to = put_number(to, content->crc, 4);
    to = put_number(to, wide ? BEYOND32 : content->n, 4);
    to = put_number(to, wide ? BEYOND32 : content->n, 4);
    return put_number(to, length, 2);
}

static unsigned char *put_zip64(unsigned char *to, const gpf__zip_sink *content, bool sizes,
                                const uint64_t *offset)
{
    to = put_number(to, ZIP64, 2);
    to = put_number(to, (sizes ? 16u : 0u) + (offset ? 8u : 0u), 2);
    if (sizes) {
        to = put_number(to, content->n, 8);
        to = put_number(to, content->n, 8);
    }
    return offset ? put_number(to, *offset, 8) : to;
}

/* The entry of the member that begins at offset. */
static void add_entry(gpf__zip *z, const char *name, const gpf__zip_sink *content, uint64_t offset)
{
    const bool wide = content->n >= z->limit, far = offset >= z->limit;
    const size_t length = strlen(name);
    if (gpf__grow(&z->directory, &z->cap, z->n + ENTRY + length + 28, 1)) {
        z->failed = true;
        errno = ENOMEM;
        return;
    }
    unsigned char extra[28], *to = z->directory + z->n;
    const size_t n_extra =
        wide || far ? (size_t)(put_zip64(extra, content, wide, far ? &offset : NULL) - extra) : 0;
    memcpy(to, "PK\1\2", 4);
    to = put_number(to + 4, 0, 2); /* made by */
    to = put_common(to, content, name, length, wide, far);
    to = put_number(to, n_extra, 2);
    to = put_number(to, 0, 10); /* comment, disk, attributes */
    to = put_number(to, far ? BEYOND32 : offset, 4);
    memcpy(to, name, length);
    memcpy(to + length, extra, n_extra);
    z->n = (size_t)(to - z->directory) + length + n_extra;
    z->members++;
}

void gpf__zip_add(gpf__zip *z, const char *name, void (*content)(void *arg, gpf__zip_sink *sink),
                  void *arg)
{
    gpf__zip_sink count = { 0 }, sink = { .zip = z };
    content(arg, &count);
    const bool wide = count.n >= z->limit;
    const uint64_t offset = z->at;
    unsigned char local[LOCAL] = "PK\3\4", extra[20];
    put_number(put_common(local + 4, &count, name, strlen(name), wide, false),
               wide ? sizeof extra : 0, 2);
    emit(z, local, LOCAL);
    emit(z, name, strlen(name));
    if (wide)
        emit(z, extra, (size_t)(put_zip64(extra, &count, true, NULL) - extra));
    if (!z->failed)
        content(arg, &sink);
    if (!z->failed)
        add_entry(z, name, &count, offset);
}

int gpf__zip_end(gpf__zip *z)
{
    const uint64_t from = z->at, many = z->limit < BEYOND16 ? z->limit : BEYOND16;
    if (!z->failed)
        emit(z, z->directory, z->n);
    free(z->directory);
    z->directory = NULL;
    const bool wide = from >= z->limit || z->n >= z->limit || z->members >= many;
    unsigned char end[END64 + LOCATOR + END], *to = end;
    if (wide) {
        const uint64_t at = z->at;
        memcpy(to, "PK\6\6", 4);
        to = put_number(to + 4, END64 - 12, 8);
        to = put_number(to, 45, 2); /* made by, version needed */
        to = put_number(to, 45, 2);
        to = put_number(to, 0, 8); /* disks */
        to = put_number(to, z->members, 8);
        to = put_number(to, z->members, 8);
        to = put_number(to, z->n, 8);
        to = put_number(to, from, 8);
        memcpy(to, "PK\6\7", 4);
        to = put_number(to + 4, 0, 4);
        to = put_number(to, at, 8);
        to = put_number(to, 1, 4);
    }
    memcpy(to, "PK\5\6", 4);
    to = put_number(to + 4, 0, 4);
    to = put_number(to, wide ? BEYOND16 : z->members, 2);
    to = put_number(to, wide ? BEYOND16 : z->members, 2);
    to = put_number(to, wide ? BEYOND32 : z->n, 4);
    to = put_number(to, wide ? BEYOND32 : from, 4);
    to = put_number(to, 0, 2);
    emit(z, end, (size_t)(to - end));
    return z->failed ? -1 : 0;
}
