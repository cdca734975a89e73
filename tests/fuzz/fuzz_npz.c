/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L /* fmemopen */
/* Any bytes as a file of tensors: an archive that is written and read again the same, or one error. */
#include "train/archive.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int same(const gpf_array *x, const gpf_array *y)
{
    return x && y && !strcmp(x->name, y->name) && gpf_shape_equal(x->shape, y->shape) &&
           !memcmp(x->values, y->values, gpf_shape_size(x->shape, 1) * sizeof(double));
}

static void write_and_read(const gpf_archive *a, const gpf__archive_format *format)
{
    static unsigned char bytes[1 << 20];
    FILE *f = fmemopen(bytes, sizeof bytes, "wb");
    if (!f)
        abort();
    const int failed = format->write(a, f) || fflush(f);
    const long n = ftell(f);
    fclose(f);
    if (failed || n < 0)
        return; /* larger than the room here */
    gpf_diag why = { 0 };
    gpf_archive *b = gpf__archive_parse(bytes, (size_t)n, "again", &why);
    if (!b)
        abort();
    const gpf_array *x;
    size_t i = 0;
    for (; (x = gpf_archive_at(a, i)); i++)
        if (!same(x, gpf_archive_at(b, i)))
            abort();
    if (gpf_archive_at(b, i))
        abort();
    gpf_archive_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gpf_diag why = { 0 };
    gpf_archive *a = gpf__archive_parse(data, size, "fuzz", &why);
    if ((a == NULL) != (why.status != 0) || (!a && !why.text[0]))
        abort();
    if (a) {
        write_and_read(a, &gpf__npz);
        write_and_read(a, &gpf__safetensors);
    }
    gpf_archive_free(a);
    return 0;
}
