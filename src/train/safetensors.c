/* SPDX-License-Identifier: GPL-3.0-or-later */
/* .safetensors: the length of the header in 8 bytes, least significant first; the header, JSON:
 *     { "__metadata__": { "key": "text", .. },
 *       "NAME": { "dtype": "F64", "shape": [3, 2], "data_offsets": [begin, end] }, .. }
 * and the data, to which the offsets refer: without gaps, to the end of the file. */
#include "train/archive.h"

#include "base/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH = 8, MAX_HEADER = 100000000 /* the original's limit */ };

static uint64_t length_of(const unsigned char *head)
{
    uint64_t n = 0;
    for (int i = 0; i < LENGTH; i++)
        n |= (uint64_t)head[i] << 8 * i;
    return n;
}

static bool is_safetensors(const unsigned char *head, size_t n)
{
    return n > LENGTH && length_of(head) <= MAX_HEADER && head[LENGTH] == '{';
}

/* "NAME": .. of the header; *at: where its values begin. */
static json_t *describe(const gpf_array *x, size_t *at)
{
    const size_t bytes = gpf_shape_size(x->shape, 1) * sizeof *x->values;
    json_t *shape = json_array(), *offsets = json_array(), *all = json_object();
    int bad = json_array_append_new(offsets, json_integer((json_int_t)*at));
    *at += bytes;
    bad |= json_array_append_new(offsets, json_integer((json_int_t)*at));
    for (int i = 0; i < x->shape.rank; i++)
        bad |= json_array_append_new(shape, json_integer(x->shape.dim[i]));
    bad |= json_object_set_new(all, "dtype", json_string("F64"));
    bad |= json_object_set_new(all, "shape", shape);
    bad |= json_object_set_new(all, "data_offsets", offsets);
    if (bad) {
        json_decref(all);
        all = NULL;
    }
    return all;
}

/* Padded with blanks, so that the data begins at a multiple of 8. NULL without memory. */
static char *header(const gpf_archive *a, size_t *n)
{
    json_t *all = json_object();
    size_t at = 0;
    int bad = all == NULL;
    if (gpf__archive_has_entries(a))
        bad |= json_object_set_new(all, GPF__METADATA, gpf__archive_entries(a));
    const gpf_array *x;
    for (size_t i = 0; !bad && (x = gpf_archive_at(a, i)); i++)
        bad |= json_object_set_new(all, x->name, describe(x, &at));
    const size_t length = bad ? 0 : json_dumpb(all, NULL, 0, JSON_COMPACT);
    *n = (length + 7) / 8 * 8;
    char *text = length ? malloc(*n) : NULL;
    if (text && json_dumpb(all, text, length, JSON_COMPACT) != length) {
        free(text);
        text = NULL;
    }
    if (text)
        memset(text + length, ' ', *n - length);
    json_decref(all);
    return text;
}

static int write_safetensors(const gpf_archive *a, FILE *to)
{
    enum { PART = 4096 };
    size_t n;
    char *text = header(a, &n);
    if (!text || n > MAX_HEADER) {
        errno = text ? EFBIG : ENOMEM;
        free(text);
        return -1;
    }
    unsigned char bytes[PART * sizeof(double)];
    for (int i = 0; i < LENGTH; i++)
        bytes[i] = (unsigned char)(n >> 8 * i);
    bool ok = fwrite(bytes, 1, LENGTH, to) == LENGTH && fwrite(text, 1, n, to) == n;
    free(text);
    const gpf_array *x;
    for (size_t i = 0; ok && (x = gpf_archive_at(a, i)); i++) {
        const size_t size = gpf_shape_size(x->shape, 1);
        for (size_t k = 0; ok && k < size; k += PART) {
            const size_t m = size - k < PART ? size - k : PART;
            gpf__encode(x->values + k, m, bytes);
            ok = fwrite(bytes, sizeof(double), m, to) == m;
        }
    }
    return ok ? 0 : -1;
}

/* What the header says of a tensor. */
typedef struct tensor {
    const char *name;
    const gpf__dtype *dtype;
    gpf_shape shape;
    uint64_t begin, end;
} tensor;

static const gpf__dtype *dtype_of(const json_t *name)
{
    const gpf__dtype *t;
    for (size_t i = 0; (t = gpf__dtype_at(i)); i++)
        if (json_is_string(name) && !strcmp(t->safetensors, json_string_value(name)))
            break;
    return t;
}

static int read_tensor(const char *name, const json_t *what, tensor *t, gpf_diag *why)
{
    const json_t *shape = json_object_get(what, "shape"), *dtype = json_object_get(what, "dtype"),
                 *offsets = json_object_get(what, "data_offsets"),
                 *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    *t = (tensor){ .name = name, .dtype = dtype_of(dtype) };
    if (!json_is_string(dtype) || !json_is_array(shape) || !json_is_array(offsets))
        return gpf__diag(why, GPF_EDATA, "%.200s: dtype, shape or data_offsets is missing", name);
    if (!t->dtype)
        return gpf__diag(why, GPF_EDATA, "%.200s: elements of type %.40s are not read", name,
                         json_string_value(dtype));
    const size_t rank = json_array_size(shape);
    if (rank > GPF_MAX_RANK)
        return gpf__diag(why, GPF_EDATA, "%.200s: %zu axes, at most %d are read", name, rank,
                         GPF_MAX_RANK);
    ptrdiff_t dim[GPF_MAX_RANK];
    for (size_t i = 0; i < rank; i++) {
        const json_t *d = json_array_get(shape, i);
        const json_int_t size = json_integer_value(d);
        if (!json_is_integer(d) || size < 0)
            return gpf__diag(why, GPF_EDATA, "%.200s: shape is no list of sizes", name);
        if (size == 0)
            return gpf__diag(why, GPF_EDATA, "%.200s has no elements", name);
        if ((uint64_t)size > GPF_MAX_ELEMENTS)
            return gpf__diag(why, GPF_ELIMIT, "%.200s: more elements than a tensor can have", name);
        dim[i] = (ptrdiff_t)size;
    }
    t->shape = gpf_shape_of((int)rank, dim);
    const size_t n = gpf_shape_size(t->shape, 1);
    if (n == 0)
        return gpf__diag(why, GPF_ELIMIT, "%.200s: more elements than a tensor can have", name);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return gpf__diag(why, GPF_EDATA, "%.200s: data_offsets is not [begin, end]", name);
    t->begin = (uint64_t)json_integer_value(begin);
    t->end = (uint64_t)json_integer_value(end);
    char text[64];
    if (t->end - t->begin != n * t->dtype->size)
        return gpf__diag(why, GPF_EDATA,
                         "%.200s: the header says %s %s, %zu bytes, but its data_offsets hold %llu",
                         name, gpf_shape_text(t->shape, text, sizeof text), t->dtype->name,
                         n * t->dtype->size, (unsigned long long)(t->end - t->begin));
    return GSL_SUCCESS;
}

static int by_begin(const void *a, const void *b)
{
    const tensor *const *x = a, *const *y = b;
    return ((*x)->begin > (*y)->begin) - ((*x)->begin < (*y)->begin);
}

/* One after another from 0 to the end of the data. */
static int check_layout(const tensor *t, size_t n, size_t n_data, gpf_diag *why)
{
    const tensor **sorted = malloc((n + 1) * sizeof *sorted);
    if (!sorted)
        return gpf__diag(why, GSL_ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        sorted[i] = &t[i];
    qsort(sorted, n, sizeof *sorted, by_begin);
    uint64_t end = 0;
    int status = GSL_SUCCESS;
    for (size_t i = 0; !status && i < n; i++) {
        if (sorted[i]->begin != end)
            status = gpf__diag(
                why, GPF_EDATA, "%.200s begins at byte %llu of the data, %s at byte %llu",
                sorted[i]->name, (unsigned long long)sorted[i]->begin,
                i ? "but the one before it ends" : "which begins", (unsigned long long)end);
        end = sorted[i]->end;
    }
    if (!status && end != n_data)
        status = gpf__diag(why, GPF_EDATA, "the header says %llu bytes of data, but there are %zu",
                           (unsigned long long)end, n_data);
    free(sorted);
    return status;
}

/* Nothing is taken for the tensors before all of the header is found to be right. */
static int read_tensors(gpf_archive *a, const json_t *all, const unsigned char *data, size_t n_data,
                        gpf_diag *why)
{
    tensor *t = malloc((json_object_size(all) + 1) * sizeof *t);
    size_t n = 0;
    int status = t ? GSL_SUCCESS : gpf__diag(why, GSL_ENOMEM, "out of memory");
    const char *name;
    json_t *what;
    json_object_foreach((json_t *)(uintptr_t)all, name, what)
    {
        if (status)
            break;
        status = strcmp(name, GPF__METADATA) ? read_tensor(name, what, &t[n++], why)
                                             : gpf__archive_read_entries(a, what, why);
    }
    if (!status)
        status = check_layout(t, n, n_data, why);
    for (size_t i = 0; !status && i < n; i++) {
        double *values;
        status = gpf__archive_room(a, t[i].name, t[i].shape, &values, why);
        if (!status)
            gpf__decode(t[i].dtype, false, data + t[i].begin, gpf_shape_size(t[i].shape, 1),
                        values);
    }
    free(t);
    return status;
}

static int read_safetensors(gpf_archive *a, const unsigned char *bytes, size_t n, gpf_diag *why)
{
    const uint64_t length = length_of(bytes);
    const size_t rest = n - LENGTH;
    if (length > rest)
        return gpf__diag(why, GPF_EDATA, "the header claims %llu bytes, but there are %zu",
                         (unsigned long long)length, rest);
    json_error_t e;
    json_t *all =
        json_loadb((const char *)bytes + LENGTH, (size_t)length, JSON_REJECT_DUPLICATES, &e);
    if (!all && json_error_code(&e) == json_error_out_of_memory)
        return gpf__diag(why, GSL_ENOMEM, "out of memory");
    if (!all)
        return gpf__diag(why, GPF_EDATA, "the header is no JSON at byte %d: %.150s",
                         LENGTH + e.position, e.text);
    const int status =
        json_is_object(all)
            ? read_tensors(a, all, bytes + LENGTH + length, rest - (size_t)length, why)
            : gpf__diag(why, GPF_EDATA, "the header is no JSON object");
    json_decref(all);
    return status;
}

const gpf__archive_format gpf__safetensors = { ".safetensors", is_safetensors, write_safetensors,
                                               read_safetensors };
