/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The zip container: members that are stored or deflated, one after another. No more of the format than
 * that, and no tolerance: whatever is said twice in a zip has to be the same twice. */
#ifndef GPF_TRAIN_ZIP_H
#define GPF_TRAIN_ZIP_H

#include "train/train.h"

#include <zlib.h>

/* Reading from memory. Begin, then next and get until there is no more. */
typedef struct gpf__unzip {
    const unsigned char *bytes;
    size_t n, at, end; /* at: of the next entry of the directory, which ends at end */
    uint64_t left;     /* entries */
    uint64_t claimed;  /* bytes of the members so far */

    /* The member: */
    const char *name; /* name_length bytes */
    size_t name_length;
    uint64_t size; /* of its content */
    const unsigned char *packed;
    size_t n_packed;
    bool deflated;
    uint32_t crc;
    uint64_t got; /* bytes of content handed out */
    uint32_t got_crc;
    z_stream stream;
    bool inflating;
} gpf__unzip;

/* Status, with what is wrong in *why. */
int gpf__unzip_begin(gpf__unzip *z, const unsigned char *bytes, size_t n, gpf_diag *why);
/* *more: 0 behind the last one. size is at most about 1000 times what the file has for it. */
int gpf__unzip_next(gpf__unzip *z, bool *more, gpf_diag *why);
/* The next n bytes of the member; with the last one its checksum is compared. */
int gpf__unzip_get(gpf__unzip *z, void *bytes, size_t n, gpf_diag *why);
void gpf__unzip_free(gpf__unzip *z);

/* Writing: members are stored, and always of the same date, so that equal content is equal bytes. */
typedef struct gpf__zip {
    FILE *to;
    uint64_t at;    /* bytes written */
    uint64_t limit; /* from here on sizes are written in 64 bits */
    bool failed;    /* errno tells */
    unsigned char *directory;
    size_t n, cap;
    uint64_t members;
} gpf__zip;

#define GPF__ZIP_LIMIT 0xffffffffu

typedef struct gpf__zip_sink {
    gpf__zip *zip; /* NULL: counting */
    uint64_t n;
    uint32_t crc;
} gpf__zip_sink;
/* The content comes by calls of gpf__zip_put, twice the same: it is counted, then written. */
void gpf__zip_add(gpf__zip *z, const char *name, void (*content)(void *arg, gpf__zip_sink *sink),
                  void *arg);
void gpf__zip_put(gpf__zip_sink *s, const void *bytes, size_t n);
/* Writes the directory and frees it: 0, or -1 with errno. */
int gpf__zip_end(gpf__zip *z);

#endif
