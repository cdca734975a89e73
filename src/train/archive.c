/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L /* strnlen */
#include "train/archive.h"

#include "base/arena.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const gpf__archive_format *const formats[] = { &gpf__npz, &gpf__safetensors };

/* Items that begin with their name, in order of addition and found by it. Files may hold millions. */
typedef struct list {
    void *items;
    size_t n, cap, size; /* size: of an item */
    size_t *slot;        /* open addressing: index + 1 */
    size_t n_slots;      /* a power of 2, more than n */
} list;

typedef struct entry {
    const char *key, *text;
} entry;

struct gpf_archive {
    gpf__arena arena; /* names, texts, values */
    list arrays;      /* of gpf_array */
    list entries;     /* of entry */
    double bytes;     /* of values so far */
};

static void *item(const list *l, size_t i)
{
    return (char *)l->items + i * l->size;
}

static const char *name_of(const void *item)
{
    const char *name;
    memcpy(&name, item, sizeof name);
    return name;
}

/* Where the name is, or would be. */
static size_t *slot_of(const list *l, const char *name)
{
    size_t at = (size_t)gpf__hash(GPF__HASH, name, strlen(name)) & (l->n_slots - 1);
    while (l->slot[at] && strcmp(name_of(item(l, l->slot[at] - 1)), name))
        at = (at + 1) & (l->n_slots - 1);
    return &l->slot[at];
}

static void *find(const list *l, const char *name)
{
    const size_t at = l->n ? *slot_of(l, name) : 0;
    return at ? item(l, at - 1) : NULL;
}

/* Room for one more and its slot. */
static int reserve(list *l)
{
    if (gpf__grow(&l->items, &l->cap, l->n + 1, l->size))
        return GSL_ENOMEM;
    if (2 * (l->n + 1) <= l->n_slots)
        return GSL_SUCCESS;
    list wider = *l;
    wider.n_slots = l->n_slots ? 2 * l->n_slots : 16;
    wider.slot = calloc(wider.n_slots, sizeof *wider.slot);
    if (!wider.slot)
        return GSL_ENOMEM;
    for (size_t i = 0; i < l->n; i++)
        *slot_of(&wider, name_of(item(l, i))) = i + 1;
    free(l->slot);
    *l = wider;
    return GSL_SUCCESS;
}

/* The item is copied in; there is room, and none of its name. */
static void append(list *l, const void *new)
{
    *slot_of(l, name_of(new)) = l->n + 1;
    memcpy(item(l, l->n++), new, l->size);
}

gpf_archive *gpf_archive_alloc(void)
{
    gpf_archive *a = calloc(1, sizeof *a);
    if (!a)
        GSL_ERROR_NULL("no memory for an archive", GSL_ENOMEM);
    a->arrays.size = sizeof(gpf_array);
    a->entries.size = sizeof(entry);
    return a;
}

void gpf_archive_free(gpf_archive *a)
{
    if (!a)
        return;
    gpf__arena_free(&a->arena);
    free(a->arrays.items);
    free(a->arrays.slot);
    free(a->entries.items);
    free(a->entries.slot);
    free(a);
}

/* The character at s and its length; 0 if it is not UTF-8 (too long a form and surrogates are not). */
static size_t character(const char *s, uint32_t *c)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    const unsigned char *b = (const unsigned char *)s;
    const size_t n = b[0] < 0x80             ? 1
                     : (b[0] & 0xe0) == 0xc0 ? 2
                     : (b[0] & 0xf0) == 0xe0 ? 3
                     : (b[0] & 0xf8) == 0xf0 ? 4
                                             : 0;
    if (n == 0)
        return 0;
    *c = n == 1 ? b[0] : b[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((b[i] & 0xc0) != 0x80) /* also the end */
            return 0;
        *c = *c << 6 | (b[i] & 0x3f);
    }
    return *c >= least[n] && *c <= 0x10ffff && (*c < 0xd800 || *c > 0xdfff) ? n : 0;
}

static bool is_utf8(const char *s, bool controls)
{
    uint32_t c;
    for (size_t n; *s; s += n) {
        n = character(s, &c);
        if (n == 0 || (!controls && (c < 0x20 || (c >= 0x7f && c < 0xa0))))
            return false;
    }
    return true;
}

/* Names that both formats can hold: a zip counts name and ".npy" in 16 bits. */
static bool is_name(const char *name)
{
    enum { MAX = 0xffff - 4 };
    return *name && strnlen(name, MAX + 1) <= MAX && is_utf8(name, false);
}

int gpf__archive_room(gpf_archive *a, const char *name, gpf_shape shape, double **values,
                      gpf_diag *why)
{
    if (!is_name(name) || !strcmp(name, GPF__METADATA))
        return gpf__diag(why, GPF_ENAME,
                         "a name is empty, too long, not UTF-8, has control characters or is "
                         "__metadata__");
    if (find(&a->arrays, name))
        return gpf__diag(why, GPF_ENAME, "two arrays have the name %.200s", name);
    for (int i = 0; i < shape.rank; i++)
        if (shape.dim[i] < 1)
            return gpf__diag(why, GPF_ESHAPE, "%.200s has no elements", name);
    const size_t n = gpf_shape_size(shape, 1);
    const double bytes = a->bytes + (double)n * sizeof **values;
    if (n == 0 || bytes > (double)gpf__machine_memory())
        return gpf__diag(why, GPF_ELIMIT, "%.200s: %s", name,
                         n ? "more values than this machine's memory can hold"
                           : "more elements than a tensor can have");
    gpf_array array = { .name = gpf__arena_strndup(&a->arena, name, strlen(name)), .shape = shape };
    *values = gpf__arena_alloc(&a->arena, n * sizeof **values);
    if (!array.name || !*values || reserve(&a->arrays))
        return gpf__diag(why, GSL_ENOMEM, "out of memory");
    array.values = *values;
    append(&a->arrays, &array);
    a->bytes = bytes;
    return GSL_SUCCESS;
}

int gpf_archive_add(gpf_archive *a, const char *name, gpf_shape shape, const double *values)
{
    double *room = NULL;
    const int status = gpf__archive_room(a, name, shape, &room, NULL);
    if (status == GSL_ENOMEM)
        GSL_ERROR("no memory for an array", GSL_ENOMEM);
    if (!status)
        memcpy(room, values, gpf_shape_size(shape, 1) * sizeof *room);
    return status;
}

int gpf__archive_set(gpf_archive *a, const char *key, const char *text)
{
    if (!is_name(key))
        return GPF_ENAME;
    if (!is_utf8(text, true))
        return GPF_EDATA;
    const char *copy = gpf__arena_strndup(&a->arena, text, strlen(text));
    if (!copy)
        return GSL_ENOMEM;
    entry *old = find(&a->entries, key);
    if (old) {
        old->text = copy;
        return GSL_SUCCESS;
    }
    const entry new = { gpf__arena_strndup(&a->arena, key, strlen(key)), copy };
    if (!new.key || reserve(&a->entries))
        return GSL_ENOMEM;
    append(&a->entries, &new);
    return GSL_SUCCESS;
}

int gpf_archive_set(gpf_archive *a, const char *key, const char *text)
{
    const int status = gpf__archive_set(a, key, text);
    if (status == GSL_ENOMEM)
        GSL_ERROR("no memory for a text", GSL_ENOMEM);
    return status;
}

const char *gpf_archive_get(const gpf_archive *a, const char *key)
{
    const entry *e = find(&a->entries, key);
    return e ? e->text : NULL;
}

const gpf_array *gpf_archive_find(const gpf_archive *a, const char *name)
{
    return find(&a->arrays, name);
}

const gpf_array *gpf_archive_at(const gpf_archive *a, size_t i)
{
    return i < a->arrays.n ? item(&a->arrays, i) : NULL;
}

bool gpf__archive_has_entries(const gpf_archive *a)
{
    return a->entries.n > 0;
}

json_t *gpf__archive_entries(const gpf_archive *a)
{
    json_t *all = json_object();
    for (size_t i = 0; all && i < a->entries.n; i++) {
        const entry *e = item(&a->entries, i);
        if (json_object_set_new(all, e->key, json_string(e->text))) {
            json_decref(all);
            all = NULL;
        }
    }
    return all;
}

int gpf__archive_read_entries(gpf_archive *a, const json_t *entries, gpf_diag *why)
{
    if (!json_is_object(entries))
        return gpf__diag(why, GPF_EDATA, GPF__METADATA " is no JSON object");
    const char *key;
    json_t *text;
    json_object_foreach((json_t *)(uintptr_t)entries, key, text)
    {
        if (!json_is_string(text))
            return gpf__diag(why, GPF_EDATA, GPF__METADATA ": %.200s is no string", key);
        switch (gpf__archive_set(a, key, json_string_value(text))) {
        case GSL_SUCCESS:
            break;
        case GSL_ENOMEM:
            return gpf__diag(why, GSL_ENOMEM, "out of memory");
        default:
            return gpf__diag(why, GPF_EDATA,
                             GPF__METADATA ": a name is empty, too long or has control characters");
        }
    }
    return GSL_SUCCESS;
}

/* Elements of files. A sign, an exponent of `exponent` bits and a fraction of `fraction` bits: */
static double small_float(uint64_t bits, int exponent, int fraction)
{
    const uint64_t e = bits >> fraction & ((1u << exponent) - 1),
                   f = bits & (((uint64_t)1 << fraction) - 1);
    const int bias = (1 << (exponent - 1)) - 1;
    const double size =
        e == (1u << exponent) - 1 ? (f ? NAN : INFINITY)
        : e == 0                  ? ldexp((double)f, 1 - bias - fraction)
                 : ldexp((double)(f | (uint64_t)1 << fraction), (int)e - bias - fraction);
    return bits >> (exponent + fraction) ? -size : size;
}

static double float64(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double float32(uint64_t bits)
{
    const uint32_t half = (uint32_t)bits;
    float x;
    memcpy(&x, &half, sizeof x);
    return x;
}

static double float16(uint64_t bits)
{
    return small_float(bits, 5, 10);
}

static double bfloat16(uint64_t bits)
{
    return small_float(bits, 8, 7);
}

static double whole(uint64_t bits)
{
    return (double)bits;
}

static double truth(uint64_t bits)
{
    return bits != 0;
}

/* Two's complement of `size` bytes. */
static double negative(uint64_t bits, int size)
{
    const uint64_t sign = (uint64_t)1 << (8 * size - 1);
    return bits & sign ? -(double)(sign - (bits & (sign - 1))) : (double)bits;
}

static double int8(uint64_t bits)
{
    return negative(bits, 1);
}

static double int16(uint64_t bits)
{
    return negative(bits, 2);
}

static double int32(uint64_t bits)
{
    return negative(bits, 4);
}

static double int64(uint64_t bits)
{
    return negative(bits, 8);
}

static const gpf__dtype dtypes[] = {
    { "float64", "f8", "F64", 8, float64 }, { "float32", "f4", "F32", 4, float32 },
    { "float16", "f2", "F16", 2, float16 }, { "bfloat16", NULL, "BF16", 2, bfloat16 },
    { "bool", "b1", "BOOL", 1, truth },     { "int8", "i1", "I8", 1, int8 },
    { "int16", "i2", "I16", 2, int16 },     { "int32", "i4", "I32", 4, int32 },
    { "int64", "i8", "I64", 8, int64 },     { "uint8", "u1", "U8", 1, whole },
    { "uint16", "u2", "U16", 2, whole },    { "uint32", "u4", "U32", 4, whole },
    { "uint64", "u8", "U64", 8, whole },
};

const gpf__dtype *gpf__dtype_at(size_t i)
{
    return i < sizeof dtypes / sizeof *dtypes ? &dtypes[i] : NULL;
}

void gpf__decode(const gpf__dtype *t, bool big, const unsigned char *bytes, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++, bytes += t->size) {
        uint64_t bits = 0;
        for (size_t k = 0; k < t->size; k++)
            bits |= (uint64_t)bytes[big ? t->size - 1 - k : k] << 8 * k;
        out[i] = t->value(bits);
    }
}

void gpf__encode(const double *x, size_t n, unsigned char *bytes)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        for (size_t k = 0; k < sizeof bits; k++)
            *bytes++ = (unsigned char)(bits >> 8 * k);
    }
}

/* Files. */
static const gpf__archive_format *format_of(const unsigned char *head, size_t n)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i]->is(head, n))
            return formats[i];
    return NULL;
}

gpf_archive *gpf__archive_parse(const unsigned char *bytes, size_t n, const char *file,
                                gpf_diag *why)
{
    const gpf__archive_format *format = format_of(bytes, n);
    if (!format) {
        gpf__diag_of(why, file, GPF_EDATA,
                     "is neither .npz nor .safetensors: it begins like nothing of the kind");
        return NULL;
    }
    gpf_archive *a = gpf_archive_alloc();
    gpf_diag what = { .status = GSL_ENOMEM, .text = "out of memory" };
    if (a && format->read(a, bytes, n, &what) == GSL_SUCCESS)
        return a;
    gpf_archive_free(a);
    /* What a file is called and how large it is are its data. */
    if (what.status == GPF_ENAME || what.status == GPF_ESHAPE)
        what.status = GPF_EDATA;
    gpf__diag_of(why, file, what.status, "%s", what.text);
    return NULL;
}

gpf_archive *gpf_archive_read(const char *path, gpf_diag *why)
{
    unsigned char *bytes;
    size_t n;
    /* No need to read all of something else. */
    if (gpf__file_read(path, GPF__HEAD, &bytes, &n, why))
        return NULL;
    const bool known = format_of(bytes, n) != NULL;
    if (known) {
        free(bytes);
        if (gpf__file_read(path, SIZE_MAX, &bytes, &n, why))
            return NULL;
    }
    gpf_archive *a = gpf__archive_parse(bytes, n, path, why);
    free(bytes);
    return a;
}

int gpf_archive_is(const char *path)
{
    unsigned char *bytes;
    size_t n;
    if (gpf__file_read(path, GPF__HEAD, &bytes, &n, NULL))
        return 0;
    const int known = format_of(bytes, n) != NULL;
    free(bytes);
    return known;
}

typedef struct job {
    const gpf__archive_format *format;
    const gpf_archive *a;
} job;

static int write_job(void *arg, FILE *to)
{
    const job *j = arg;
    return j->format->write(j->a, to);
}

const gpf__archive_format *gpf__archive_format_for(const char *path)
{
    const size_t n = strlen(path);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const size_t end = strlen(formats[i]->ending);
        if (n > end && !strcmp(path + n - end, formats[i]->ending))
            return formats[i];
    }
    return NULL;
}

int gpf_archive_write(const gpf_archive *a, const char *path, gpf_diag *why)
{
    const gpf__archive_format *format = gpf__archive_format_for(path);
    return format
               ? gpf_file_replace(path, write_job, &(job){ format, a }, why)
               : gpf__diag_of(why, path, GPF_ENAME, "the name has to end in .npz or .safetensors");
}

/* Params. */
int gpf__params_into(const gpf_graph *g, const gsl_vector *theta, gpf_archive *a, gpf_diag *why)
{
    int status = GSL_SUCCESS;
    for (size_t i = 0; !status && i < gpf_graph_n_param_tensors(g); i++) {
        const gpf_node p = gpf_graph_param(g, i);
        const gpf_shape shape = gpf_node_shape(g, p);
        double *room;
        status = gpf__archive_room(a, gpf_node_name(g, p), shape, &room, why);
        if (!status)
            memcpy(room, theta->data + gpf_param_offset(g, p),
                   gpf_shape_size(shape, 1) * sizeof *room);
    }
    return status;
}

int gpf_params_write(const gpf_graph *g, const gsl_vector *theta, const char *path, gpf_diag *why)
{
    if ((theta ? theta->size : 0) != gpf_graph_n_params(g) || (theta && theta->stride != 1))
        GSL_ERROR("theta must be all params of the graph, of stride 1", GSL_EBADLEN);
    gpf_archive *a = gpf_archive_alloc();
    gpf_diag what = { .status = GSL_ENOMEM, .text = "out of memory" };
    int status = a ? gpf__params_into(g, theta, a, &what) : GSL_ENOMEM;
    status =
        status ? gpf__diag_of(why, path, status, "%s", what.text) : gpf_archive_write(a, path, why);
    gpf_archive_free(a);
    return status;
}

/* The names of the first few arrays. */
static char *some_names(const gpf_archive *a, char *buf, size_t size)
{
    enum { SHOWN = 6 };
    buf[0] = 0;
    for (size_t i = 0; i < SHOWN && i < a->arrays.n; i++)
        gpf__append(buf, size, "%s%.30s", i ? ", " : "", gpf_archive_at(a, i)->name);
    if (a->arrays.n == 0)
        gpf__append(buf, size, "nothing");
    if (a->arrays.n > SHOWN)
        gpf__append(buf, size, " and %zu more", a->arrays.n - SHOWN);
    return buf;
}

int gpf__params_from(const gpf_graph *g, gsl_vector *theta, const gpf_archive *a, const char *path,
                     gpf_diag *why)
{
    char here[64], there[64], names[300];
    for (size_t i = 0; i < gpf_graph_n_param_tensors(g); i++) {
        const gpf_node p = gpf_graph_param(g, i);
        const gpf_array *x = gpf_archive_find(a, gpf_node_name(g, p));
        if (!x)
            return gpf__diag_of(why, path, GPF_ENAME, "the param %.60s is not in it; it has %s",
                                gpf_node_name(g, p), some_names(a, names, sizeof names));
        if (!gpf_shape_equal(x->shape, gpf_node_shape(g, p)))
            return gpf__diag_of(why, path, GPF_ESHAPE, "%.200s is %s there, but %s in the model",
                                x->name, gpf_shape_text(x->shape, there, sizeof there),
                                gpf_shape_text(gpf_node_shape(g, p), here, sizeof here));
    }
    for (size_t i = 0; i < gpf_graph_n_param_tensors(g); i++) {
        const gpf_node p = gpf_graph_param(g, i);
        const gpf_array *x = gpf_archive_find(a, gpf_node_name(g, p));
        memcpy(theta->data + gpf_param_offset(g, p), x->values,
               gpf_shape_size(x->shape, 1) * sizeof *x->values);
    }
    return GSL_SUCCESS;
}

int gpf_params_read(const gpf_graph *g, gsl_vector *theta, const char *path, gpf_diag *why)
{
    if ((theta ? theta->size : 0) != gpf_graph_n_params(g) || (theta && theta->stride != 1))
        GSL_ERROR("theta must be all params of the graph, of stride 1", GSL_EBADLEN);
    gpf_diag what = { 0 };
    gpf_archive *a = gpf_archive_read(path, &what);
    const int status = a ? gpf__params_from(g, theta, a, path, why) : what.status;
    if (!a && why)
        *why = what;
    gpf_archive_free(a);
    return status;
}
