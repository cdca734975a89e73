/* SPDX-License-Identifier: GPL-3.0-or-later */
/* .npz: a zip of .npy files. A .npy file is
 *     "\x93NUMPY", the version in 2 bytes, the length of the header (version 1: 2 bytes, else 4),
 *     the header, a literal of Python: {'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }
 *     the elements
 * The zip container is minizip's. */
#define _POSIX_C_SOURCE 200809L /* fseeko */
#include "train/archive.h"

#include "base/arena.h"

#include <errno.h>
#include <unzip.h>
#include <zip.h>
#include <stdlib.h>
#include <string.h>

static const char magic[] = "\x93NUMPY";
static const char ending[] = ".npy";

enum {
    PREFIX = 12,             /* bytes before the header, at most */
    MAX_HEADER = 65535,      /* what version 1 can say; at most 4 axes need far less */
    PART = 1 << 16,          /* bytes read or written at once; a multiple of any element's */
    MAX_NAME = 1 << 16,      /* more than a zip can say */
    MAX_ENTRIES = 100000000, /* bytes of texts, as in the other format */
    MAX_RATIO = 1032         /* deflate cannot shrink by more */
};

static bool is_npz(const unsigned char *head, size_t n)
{
    return n >= 4 && (!memcmp(head, "PK\3\4", 4) || !memcmp(head, "PK\5\6", 4));
}

/* Writing. */
typedef struct output {
    FILE *to;
    int error; /* errno of the first failure */
} output;

static voidpf open_output(voidpf opaque, const void *name, int mode)
{
    (void)name, (void)mode;
    return opaque;
}

static int failed(output *o)
{
    if (!o->error)
        o->error = errno ? errno : EIO;
    return -1;
}

static uLong write_output(voidpf opaque, voidpf stream, const void *bytes, uLong n)
{
    (void)stream;
    output *o = opaque;
    const size_t put = fwrite(bytes, 1, n, o->to);
    if (put != n)
        failed(o);
    return put;
}

static ZPOS64_T tell_output(voidpf opaque, voidpf stream)
{
    (void)stream;
    const off_t at = ftello(((output *)opaque)->to);
    return at < 0 ? (ZPOS64_T)failed(opaque) : (ZPOS64_T)at;
}

static long seek_output(voidpf opaque, voidpf stream, ZPOS64_T to, int origin)
{
    (void)stream;
    const int whence = origin == ZLIB_FILEFUNC_SEEK_SET   ? SEEK_SET
                       : origin == ZLIB_FILEFUNC_SEEK_CUR ? SEEK_CUR
                                                          : SEEK_END;
    return fseeko(((output *)opaque)->to, (off_t)to, whence) ? failed(opaque) : 0;
}

static int close_output(voidpf opaque, voidpf stream)
{
    (void)opaque, (void)stream;
    return 0;
}

static int output_error(voidpf opaque, voidpf stream)
{
    (void)stream;
    return ferror(((output *)opaque)->to);
}

/* Bytes of the .npy file's beginning: a multiple of 64, as NumPy does it. */
static size_t put_header(const char *descr, gpf_shape shape, char *buf, size_t size)
{
    char sizes[128] = "";
    for (int i = 0; i < shape.rank; i++)
        gpf__append(sizes, sizeof sizes, "%s%td", i ? ", " : "", shape.dim[i]);
    gpf__format(buf + 10, size - 10, "{'descr': '%s', 'fortran_order': False, 'shape': (%s%s), }",
                descr, sizes, shape.rank == 1 ? "," : "");
    const size_t used = 10 + strlen(buf + 10), all = (used + 1 + 63) / 64 * 64;
    memcpy(buf, magic, 6);
    memcpy(buf + 6, "\1\0", 2);
    buf[8] = (char)((all - 10) & 0xff);
    buf[9] = (char)((all - 10) >> 8);
    memset(buf + used, ' ', all - used);
    buf[all - 1] = '\n';
    return all;
}

/* Stored: floating-point numbers hardly shrink. Always the same time: equal content is equal bytes. */
static int begin_member(zipFile zip, const char *name, const char *descr, gpf_shape shape,
                        size_t size)
{
    enum { UTF8 = 1 << 11, MADE_BY = 0, NEW_YEAR_1980 = 1 << 21 | 1 << 16 };
    const zip_fileinfo info = { .dosDate = NEW_YEAR_1980 };
    char text[256];
    const size_t n = put_header(descr, shape, text, sizeof text), length = strlen(name);
    bool ascii = true;
    for (size_t i = 0; i < length; i++)
        ascii = ascii && (unsigned char)name[i] < 0x80;
    char *member = malloc(length + sizeof ending);
    if (!member) {
        errno = ENOMEM;
        return ZIP_ERRNO;
    }
    memcpy(member, name, length);
    memcpy(member + length, ending, sizeof ending);
    int status = zipOpenNewFileInZip4_64(zip, member, &info, NULL, 0, NULL, 0, NULL, 0, 0, 0,
                                         -MAX_WBITS, DEF_MEM_LEVEL, Z_DEFAULT_STRATEGY, NULL, 0,
                                         MADE_BY, ascii ? 0 : UTF8, n + size >= 0xffffffff);
    free(member);
    return status == ZIP_OK ? zipWriteInFileInZip(zip, text, (unsigned)n) : status;
}

static int write_array(zipFile zip, const gpf_array *x)
{
    unsigned char bytes[PART];
    const size_t n = gpf_shape_size(x->shape, 1), part = sizeof bytes / sizeof *x->values;
    int status = begin_member(zip, x->name, "<f8", x->shape, n * sizeof *x->values);
    for (size_t i = 0; status == ZIP_OK && i < n; i += part) {
        const size_t m = n - i < part ? n - i : part;
        gpf__encode(x->values + i, m, bytes);
        status = zipWriteInFileInZip(zip, bytes, (unsigned)(m * sizeof *x->values));
    }
    return status == ZIP_OK ? zipCloseFileInZip(zip) : status;
}

static int write_entries(zipFile zip, const gpf_archive *a)
{
    json_t *all = gpf__archive_entries(a);
    const size_t n = all ? json_dumpb(all, NULL, 0, JSON_COMPACT) : 0;
    char *text = n && n <= MAX_ENTRIES ? malloc(n) : NULL;
    int status = ZIP_ERRNO;
    if (text && json_dumpb(all, text, n, JSON_COMPACT) == n) {
        status = begin_member(zip, GPF__METADATA, "|u1", gpf_shape1((ptrdiff_t)n), n);
        if (status == ZIP_OK)
            status = zipWriteInFileInZip(zip, text, (unsigned)n);
        if (status == ZIP_OK)
            status = zipCloseFileInZip(zip);
    } else {
        errno = n > MAX_ENTRIES ? EFBIG : ENOMEM;
    }
    free(text);
    json_decref(all);
    return status;
}

static int write_npz(const gpf_archive *a, FILE *to)
{
    output o = { .to = to };
    zlib_filefunc64_def functions = { .zopen64_file = open_output,
                                      .zwrite_file = write_output,
                                      .ztell64_file = tell_output,
                                      .zseek64_file = seek_output,
                                      .zclose_file = close_output,
                                      .zerror_file = output_error,
                                      .opaque = &o };
    errno = 0;
    zipFile zip = zipOpen2_64("", APPEND_STATUS_CREATE, NULL, &functions);
    if (!zip) {
        errno = o.error ? o.error : ENOMEM;
        return -1;
    }
    int status = gpf__archive_has_entries(a) ? write_entries(zip, a) : ZIP_OK;
    const gpf_array *x;
    for (size_t i = 0; status == ZIP_OK && (x = gpf_archive_at(a, i)); i++)
        status = write_array(zip, x);
    const int error = o.error ? o.error : errno;
    if (zipClose(zip, NULL) == ZIP_OK && status == ZIP_OK && !o.error)
        return 0;
    errno = o.error ? o.error : error ? error : EIO;
    return -1;
}

/* Reading: the file is in memory. */
typedef struct input {
    const unsigned char *bytes;
    size_t n, at;
} input;

static uLong read_input(voidpf opaque, voidpf stream, void *bytes, uLong n)
{
    (void)stream;
    input *in = opaque;
    const size_t rest = in->n - in->at, got = n < rest ? n : rest;
    memcpy(bytes, in->bytes + in->at, got);
    in->at += got;
    return got;
}

static ZPOS64_T tell_input(voidpf opaque, voidpf stream)
{
    (void)stream;
    return ((input *)opaque)->at;
}

static long seek_input(voidpf opaque, voidpf stream, ZPOS64_T by, int origin)
{
    (void)stream;
    input *in = opaque;
    const ZPOS64_T from = origin == ZLIB_FILEFUNC_SEEK_SET   ? 0
                          : origin == ZLIB_FILEFUNC_SEEK_CUR ? in->at
                                                             : in->n;
    if (from + by > in->n || from + by < from)
        return -1;
    in->at = (size_t)(from + by);
    return 0;
}

static int input_error(voidpf opaque, voidpf stream)
{
    (void)opaque, (void)stream;
    return 0;
}

/* One member at a time; the zip is closed with it. */
typedef struct reader {
    gpf_archive *a;
    input in;
    unzFile zip;
    unz_file_info64 info;
    uint64_t compressed; /* bytes of all members so far */
    gpf_diag *why;
    char name[MAX_NAME];
    unsigned char bytes[PART];
} reader;

#define WRONG(r, status, ...) gpf__diag((r)->why, (status), __VA_ARGS__)

/* What a .npy header says. */
typedef struct description {
    const gpf__dtype *dtype;
    bool big, fortran;
    gpf_shape shape;
    size_t n, bytes; /* elements; bytes of the file up to them */
} description;

/* The literal: a cursor over the header. */
typedef struct cursor {
    const char *s, *end;
} cursor;

static void skip_blanks(cursor *c)
{
    while (c->s < c->end && (*c->s == ' ' || *c->s == '\n' || *c->s == '\t'))
        c->s++;
}

static bool take(cursor *c, char what)
{
    skip_blanks(c);
    if (c->s == c->end || *c->s != what)
        return false;
    c->s++;
    return true;
}

static bool take_word(cursor *c, const char *word)
{
    const size_t n = strlen(word);
    if (!take(c, *word) || (size_t)(c->end - c->s) < n - 1 || memcmp(c->s, word + 1, n - 1))
        return false;
    c->s += n - 1;
    return true;
}

/* A quoted text without escapes, into buf. */
static bool take_text(cursor *c, char *buf, size_t size)
{
    const char quote = take(c, '\'') ? '\'' : take(c, '"') ? '"' : 0;
    size_t n = 0;
    while (quote && c->s < c->end && *c->s != quote && *c->s != '\\' && n + 1 < size)
        buf[n++] = *c->s++;
    buf[n] = 0;
    return quote && take(c, quote);
}

/* A size; sizes beyond any limit stay beyond. */
static bool take_size(cursor *c, uint64_t *size)
{
    const uint64_t most = (uint64_t)1 << 62;
    size_t digits = 0;
    *size = 0;
    skip_blanks(c);
    for (; c->s < c->end && *c->s >= '0' && *c->s <= '9'; c->s++, digits++)
        *size = *size > most / 10 ? most : *size * 10 + (uint64_t)(*c->s - '0');
    if (digits && c->s < c->end && *c->s == 'L') /* a long of Python 2 */
        c->s++;
    return digits > 0;
}

static int read_descr(reader *r, cursor *c, description *d)
{
    char text[32] = "";
    if (!take_text(c, text, sizeof text))
        return WRONG(r, GPF_EDATA, "%.200s: elements that are records are not read", r->name);
    if (strchr(text, 'O'))
        return WRONG(r, GPF_EDATA, "%.200s holds Python objects; to read them would be to run them",
                     r->name);
    const gpf__dtype *t;
    for (size_t i = 0; (t = gpf__dtype_at(i)); i++)
        if (t->npy && text[0] && strchr("<>|=", text[0]) && !strcmp(t->npy, text + 1))
            break;
    /* '|': no order; '=' cannot be known here */
    if (!t || (t->size > 1 && text[0] != '<' && text[0] != '>'))
        return WRONG(r, GPF_EDATA, "%.200s: elements of type '%s' are not read", r->name, text);
    d->dtype = t;
    d->big = text[0] == '>';
    return GSL_SUCCESS;
}

static int read_shape(reader *r, cursor *c, description *d)
{
    uint64_t size[GPF_MAX_RANK + 1];
    ptrdiff_t dim[GPF_MAX_RANK] = { 0 };
    int rank = 0;
    bool comma = true, ok = take(c, '(');
    while (ok && !take(c, ')')) {
        ok = comma && take_size(c, &size[rank < GPF_MAX_RANK ? rank : GPF_MAX_RANK]);
        rank += rank <= GPF_MAX_RANK;
        comma = take(c, ',');
    }
    if (!ok || (rank == 1 && !comma))
        return WRONG(r, GPF_EDATA, "%.200s: the header's shape is no tuple of sizes", r->name);
    if (rank > GPF_MAX_RANK)
        return WRONG(r, GPF_EDATA, "%.200s: more than %d axes, which are not read", r->name,
                     GPF_MAX_RANK);
    bool large = false;
    for (int i = 0; i < rank; i++) {
        if (size[i] == 0)
            return WRONG(r, GPF_EDATA, "%.200s has no elements", r->name);
        large = large || size[i] > GPF_MAX_ELEMENTS;
        dim[i] = large ? 1 : (ptrdiff_t)size[i];
    }
    d->shape = gpf_shape_of(rank, dim);
    d->n = large ? 0 : gpf_shape_size(d->shape, 1);
    return d->n ? GSL_SUCCESS
                : WRONG(r, GPF_ELIMIT, "%.200s: more elements than a tensor can have", r->name);
}

/* { 'descr': text, 'fortran_order': truth, 'shape': tuple }, in any order, each once. */
static int read_literal(reader *r, const char *text, size_t n, description *d)
{
    cursor c = { text, text + n };
    enum { DESCR = 1, ORDER = 2, SHAPE = 4 };
    int seen = 0, status = GSL_SUCCESS;
    bool comma = true, ok = take(&c, '{');
    while (ok && !status && !take(&c, '}')) {
        char key[32];
        ok = comma && take_text(&c, key, sizeof key) && take(&c, ':');
        const int which = !strcmp(key, "descr")           ? DESCR
                          : !strcmp(key, "fortran_order") ? ORDER
                          : !strcmp(key, "shape")         ? SHAPE
                                                          : 0;
        ok = ok && which && !(seen & which);
        seen |= which;
        if (ok && which == DESCR)
            status = read_descr(r, &c, d);
        else if (ok && which == SHAPE)
            status = read_shape(r, &c, d);
        else if (ok)
            ok = (d->fortran = take_word(&c, "True")) || take_word(&c, "False");
        comma = take(&c, ',');
    }
    skip_blanks(&c);
    if (!status && (!ok || seen != (DESCR | ORDER | SHAPE) || c.s != c.end))
        status =
            WRONG(r, GPF_EDATA, "%.200s: the .npy header is no description of an array", r->name);
    return status;
}

/* n bytes of the member, to the last. */
static int get(reader *r, void *bytes, size_t n)
{
    for (size_t got = 0; got < n;) {
        const int more = unzReadCurrentFile(r->zip, (char *)bytes + got, (unsigned)(n - got));
        if (more <= 0)
            return WRONG(r, GPF_EDATA, "%.200s %s", r->name,
                         more ? "cannot be inflated" : "ends too early");
        got += (size_t)more;
    }
    return GSL_SUCCESS;
}

static int read_header(reader *r, description *d)
{
    unsigned char *b = r->bytes;
    int status = get(r, b, PREFIX - 2);
    if (!status && (memcmp(b, magic, 6) || b[6] < 1 || b[6] > 3 || b[7]))
        status = WRONG(r, GPF_EDATA, "%.200s does not begin like a .npy file of version 1, 2 or 3",
                       r->name);
    if (!status && b[6] > 1)
        status = get(r, b + 10, 2);
    if (status)
        return status;
    uint64_t n = b[8] | (uint64_t)b[9] << 8;
    if (b[6] > 1)
        n |= (uint64_t)b[10] << 16 | (uint64_t)b[11] << 24;
    d->bytes = (b[6] > 1 ? PREFIX : PREFIX - 2) + (size_t)n;
    if (n > MAX_HEADER || d->bytes > r->info.uncompressed_size)
        return WRONG(r, GPF_EDATA, "%.200s: its header claims %llu bytes, but there are %llu",
                     r->name, (unsigned long long)n, (unsigned long long)r->info.uncompressed_size);
    status = get(r, b, (size_t)n);
    if (!status)
        status = read_literal(r, (const char *)b, (size_t)n, d);
    const uint64_t there = r->info.uncompressed_size - d->bytes;
    char text[64];
    if (!status && d->n * d->dtype->size != there)
        status = WRONG(r, GPF_EDATA, "%.200s: the header says %s %s, %zu bytes, but there are %llu",
                       r->name, gpf_shape_text(d->shape, text, sizeof text), d->dtype->name,
                       d->n * d->dtype->size, (unsigned long long)there);
    return status;
}

/* From the order of columns: element k of the file is element (i, j, ..) with the first index
 * fastest. */
static int from_fortran(reader *r, gpf_shape shape, double *values, size_t n)
{
    double *columns = malloc(n * sizeof *columns);
    if (!columns)
        return WRONG(r, GSL_ENOMEM, "out of memory");
    memcpy(columns, values, n * sizeof *values);
    size_t index[GPF_MAX_RANK] = { 0 }, stride[GPF_MAX_RANK + 1] = { 0 }, at = 0;
    stride[shape.rank] = 1;
    for (int i = shape.rank; i-- > 0;)
        stride[i] = stride[i + 1] * (size_t)shape.dim[i];
    for (size_t k = 0; k < n; k++) {
        values[at] = columns[k];
        for (int i = 0; i < shape.rank; i++) {
            at += stride[i + 1];
            if (++index[i] < (size_t)shape.dim[i])
                break;
            at -= stride[i];
            index[i] = 0;
        }
    }
    free(columns);
    return GSL_SUCCESS;
}

static int read_values(reader *r, const description *d, double *values)
{
    const size_t part = PART / d->dtype->size;
    int status = GSL_SUCCESS;
    for (size_t i = 0; !status && i < d->n; i += part) {
        const size_t m = d->n - i < part ? d->n - i : part;
        status = get(r, r->bytes, m * d->dtype->size);
        if (!status)
            gpf__decode(d->dtype, d->big, r->bytes, m, values + i);
    }
    return !status && d->fortran && d->shape.rank > 1 ? from_fortran(r, d->shape, values, d->n)
                                                      : status;
}

static int read_entries(reader *r, const description *d)
{
    if (strcmp(d->dtype->name, "uint8") || d->shape.rank != 1)
        return WRONG(r, GPF_EDATA, GPF__METADATA " is no array of bytes");
    if (d->n > MAX_ENTRIES)
        return WRONG(r, GPF_ELIMIT, GPF__METADATA ": more than %d bytes", MAX_ENTRIES);
    char *text = malloc(d->n);
    int status = text ? get(r, text, d->n) : WRONG(r, GSL_ENOMEM, "out of memory");
    json_t *all = status ? NULL : json_loadb(text, d->n, JSON_REJECT_DUPLICATES, NULL);
    if (!status)
        status = all ? gpf__archive_read_entries(r->a, all, r->why)
                     : WRONG(r, GPF_EDATA, GPF__METADATA " is no JSON");
    json_decref(all);
    free(text);
    return status;
}

static int read_array(reader *r)
{
    description d = { 0 };
    double *values;
    int status = read_header(r, &d);
    if (status)
        return status;
    const size_t n = strlen(r->name) - strlen(ending);
    char *name = malloc(n + 1);
    if (!name)
        return WRONG(r, GSL_ENOMEM, "out of memory");
    memcpy(name, r->name, n);
    name[n] = 0;
    if (!strcmp(name, GPF__METADATA))
        status = read_entries(r, &d);
    else if (!(status = gpf__archive_room(r->a, name, d.shape, &values, r->why)))
        status = read_values(r, &d, values);
    free(name);
    return status;
}

/* Members are looked up in the directory at the end; the name before the data has to be the same. */
static bool same_name(const reader *r, size_t n)
{
    const ZPOS64_T at = unzGetCurrentFileZStreamPos64(r->zip);
    const int extra = unzGetLocalExtrafield(r->zip, NULL, 0);
    return extra >= 0 && at <= r->in.n && at >= (ZPOS64_T)extra + n &&
           !memcmp(r->in.bytes + at - (ZPOS64_T)extra - n, r->name, n);
}

/* *found: it was an array. */
static int read_member(reader *r, bool *found)
{
    const unz_file_info64 *info = &r->info;
    if (unzGetCurrentFileInfo64(r->zip, &r->info, r->name, sizeof r->name, NULL, 0, NULL, 0) !=
            UNZ_OK ||
        strlen(r->name) != info->size_filename)
        return WRONG(r, GPF_EDATA, "the zip's directory is damaged");
    const size_t n = info->size_filename, tail = strlen(ending);
    *found = n >= tail && !strcmp(r->name + n - tail, ending);
    if (!*found)
        return GSL_SUCCESS;
    /* No more than the file can hold, counting what members share as often as they claim it. */
    r->compressed += info->compressed_size;
    if (info->compressed_size > r->in.n || r->compressed > r->in.n)
        return WRONG(r, GPF_EDATA, "%.200s: the directory claims more bytes than the file has",
                     r->name);
    if (info->flag & 1)
        return WRONG(r, GPF_EDATA, "%.200s is encrypted", r->name);
    if (info->compression_method != 0 && info->compression_method != Z_DEFLATED)
        return WRONG(r, GPF_EDATA, "%.200s: compression method %lu is not read", r->name,
                     info->compression_method);
    if (info->compression_method ? info->uncompressed_size / MAX_RATIO > info->compressed_size
                                 : info->uncompressed_size != info->compressed_size)
        return WRONG(r, GPF_EDATA, "%.200s: %llu bytes cannot come from %llu", r->name,
                     (unsigned long long)info->uncompressed_size,
                     (unsigned long long)info->compressed_size);
    if (unzOpenCurrentFile(r->zip) != UNZ_OK)
        return WRONG(r, GPF_EDATA, "%.200s: the zip is damaged", r->name);
    int status = same_name(r, n)
                     ? read_array(r)
                     : WRONG(r, GPF_EDATA, "%.200s has another name in the directory", r->name);
    const int closed = unzCloseCurrentFile(r->zip);
    if (!status && closed != UNZ_OK)
        status = WRONG(r, GPF_EDATA, "%.200s: its checksum is wrong", r->name);
    return status;
}

static int read_members(reader *r)
{
    unz_global_info64 all;
    bool any = false, found = false;
    if (unzGetGlobalInfo64(r->zip, &all) != UNZ_OK)
        return WRONG(r, GPF_EDATA, "the zip is damaged");
    if (all.number_entry == 0)
        return GSL_SUCCESS;
    int next = unzGoToFirstFile(r->zip);
    for (; next == UNZ_OK; next = unzGoToNextFile(r->zip)) {
        const int status = read_member(r, &found);
        if (status)
            return status;
        any = any || found;
    }
    if (next != UNZ_END_OF_LIST_OF_FILE)
        return WRONG(r, GPF_EDATA, "the zip's directory is damaged");
    return any ? GSL_SUCCESS : WRONG(r, GPF_EDATA, "it is a zip, but no .npy file is in it");
}

static int read_npz(gpf_archive *a, const unsigned char *bytes, size_t n, gpf_diag *why)
{
    reader *r = malloc(sizeof *r);
    if (!r)
        return gpf__diag(why, GSL_ENOMEM, "out of memory");
    r->a = a;
    r->in = (input){ bytes, n, 0 };
    r->compressed = 0;
    r->why = why;
    zlib_filefunc64_def functions = { .zopen64_file = open_output,
                                      .zread_file = read_input,
                                      .ztell64_file = tell_input,
                                      .zseek64_file = seek_input,
                                      .zclose_file = close_output,
                                      .zerror_file = input_error,
                                      .opaque = &r->in };
    r->zip = unzOpen2_64("", &functions);
    int status = r->zip ? read_members(r)
                        : gpf__diag(why, GPF_EDATA, "the zip has no directory: it is cut short");
    if (r->zip)
        unzClose(r->zip);
    free(r);
    return status;
}

const gpf__archive_format gpf__npz = { ".npz", is_npz, write_npz, read_npz };
