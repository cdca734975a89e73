/* SPDX-License-Identifier: GPL-3.0-or-later */
/* .npz: a zip of .npy files. A .npy file is
 *     "\x93NUMPY", the version in 2 bytes, the length of the header (version 1: 2 bytes, else 4),
 *     the header, a literal of Python: {'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }
 *     the elements */
#include "train/archive.h"
#include "train/zip.h"

#include "base/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char magic[] = "\x93NUMPY";
static const char ending[] = ".npy";

enum {
    PREFIX = 12,             /* bytes before the header, at most */
    MAX_HEADER = 65535,      /* what version 1 can say; at most 4 axes need far less */
    PART = 1 << 16,          /* bytes read or written at once; a multiple of any element's */
    MAX_ENTRIES = 100000000, /* bytes of texts, as in the other format */
};

static bool is_npz(const unsigned char *head, size_t n)
{
    return n >= 4 && (!memcmp(head, "PK\3\4", 4) || !memcmp(head, "PK\5\6", 4));
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

static void put_array(void *arg, gpf__zip_sink *s)
{
    const gpf_array *x = arg;
    unsigned char bytes[PART];
    char header[256];
    const size_t n = gpf_shape_size(x->shape, 1), part = sizeof bytes / sizeof *x->values;
    gpf__zip_put(s, header, put_header("<f8", x->shape, header, sizeof header));
    for (size_t i = 0; i < n; i += part) {
        const size_t m = n - i < part ? n - i : part;
        gpf__encode(x->values + i, m, bytes);
        gpf__zip_put(s, bytes, m * sizeof *x->values);
    }
}

typedef struct span {
    const char *bytes;
    size_t n;
} span;

static void put_text(void *arg, gpf__zip_sink *s)
{
    const span *t = arg;
    char header[256];
    const gpf_shape shape = gpf_shape1((ptrdiff_t)t->n);
    gpf__zip_put(s, header, put_header("|u1", shape, header, sizeof header));
    gpf__zip_put(s, t->bytes, t->n);
}

static void add_entries(gpf__zip *z, const gpf_archive *a)
{
    json_t *all = gpf__archive_entries(a);
    const size_t n = all ? json_dumpb(all, NULL, 0, JSON_COMPACT) : 0;
    char *bytes = n && n <= MAX_ENTRIES ? malloc(n) : NULL;
    if (bytes && json_dumpb(all, bytes, n, JSON_COMPACT) == n) {
        gpf__zip_add(z, GPF__METADATA ".npy", put_text, &(span){ bytes, n });
    } else {
        z->failed = true;
        errno = n > MAX_ENTRIES ? EFBIG : ENOMEM;
    }
    free(bytes);
    json_decref(all);
}

static void add_array(gpf__zip *z, const gpf_array *x)
{
    const size_t n = strlen(x->name);
    char *member = malloc(n + sizeof ending);
    if (!member) {
        z->failed = true;
        errno = ENOMEM;
        return;
    }
    memcpy(member, x->name, n);
    memcpy(member + n, ending, sizeof ending);
    gpf__zip_add(z, member, put_array, (void *)(uintptr_t)x);
    free(member);
}

static int write_npz(const gpf_archive *a, FILE *to)
{
    gpf__zip z = { .to = to, .limit = GPF__ZIP_LIMIT };
    const gpf_array *x;
    if (gpf__archive_has_entries(a))
        add_entries(&z, a);
    for (size_t i = 0; !z.failed && (x = gpf_archive_at(a, i)); i++)
        add_array(&z, x);
    return gpf__zip_end(&z);
}

/* Reading. */
typedef struct reader {
    gpf_archive *a;
    gpf__unzip zip; /* at the member that is read */
    gpf_diag *why;
    char *name; /* of the member */
    size_t cap;
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

static int get(reader *r, void *bytes, size_t n)
{
    return gpf__unzip_get(&r->zip, bytes, n, r->why);
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
    if (n > MAX_HEADER || d->bytes > r->zip.size)
        return WRONG(r, GPF_EDATA, "%.200s: its header claims %llu bytes, but there are %llu",
                     r->name, (unsigned long long)n, (unsigned long long)r->zip.size);
    status = get(r, b, (size_t)n);
    if (!status)
        status = read_literal(r, (const char *)b, (size_t)n, d);
    const uint64_t there = r->zip.size - d->bytes;
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
    r->name[strlen(r->name) - strlen(ending)] = 0;
    if (!strcmp(r->name, GPF__METADATA))
        return read_entries(r, &d);
    status = gpf__archive_room(r->a, r->name, d.shape, &values, r->why);
    return status ? status : read_values(r, &d, values);
}

/* *found: it was an array. */
static int read_member(reader *r, bool *found)
{
    const size_t n = r->zip.name_length, tail = strlen(ending);
    *found = n >= tail && !memcmp(r->zip.name + n - tail, ending, tail);
    if (!*found)
        return GSL_SUCCESS;
    if (gpf__grow(&r->name, &r->cap, n + 1, 1))
        return WRONG(r, GSL_ENOMEM, "out of memory");
    memcpy(r->name, r->zip.name, n);
    r->name[n] = 0;
    return strlen(r->name) == n ? read_array(r) : WRONG(r, GPF_EDATA, "a name has a zero byte");
}

static int read_members(reader *r, const unsigned char *bytes, size_t n)
{
    bool any = false, found, more = false;
    int status = gpf__unzip_begin(&r->zip, bytes, n, r->why);
    const bool empty = r->zip.left == 0;
    while (!status && !(status = gpf__unzip_next(&r->zip, &more, r->why)) && more) {
        status = read_member(r, &found);
        any = any || found;
    }
    if (!status && !any && !empty)
        status = WRONG(r, GPF_EDATA, "it is a zip, but no .npy file is in it");
    return status;
}

static int read_npz(gpf_archive *a, const unsigned char *bytes, size_t n, gpf_diag *why)
{
    reader *r = calloc(1, sizeof *r);
    if (!r)
        return gpf__diag(why, GSL_ENOMEM, "out of memory");
    r->a = a;
    r->why = why;
    const int status = read_members(r, bytes, n);
    gpf__unzip_free(&r->zip);
    free(r->name);
    free(r);
    return status;
}

const gpf__archive_format gpf__npz = { ".npz", is_npz, write_npz, read_npz };
