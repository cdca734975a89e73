/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What archives and their formats share. */
#ifndef GPF_TRAIN_ARCHIVE_H
#define GPF_TRAIN_ARCHIVE_H

#include "base/text.h"
#include "train/train.h"

#include <jansson.h>

/* One row per format. Formats see no paths: a diagnostic's file is the caller's to fill in. */
typedef struct gpf__archive_format {
    const char *ending;
    bool (*is)(const unsigned char *head, size_t n);
    /* 0, or -1 with errno set. */
    int (*write)(const gpf_archive *a, FILE *to);
    /* Into an empty archive. */
    int (*read)(gpf_archive *a, const unsigned char *bytes, size_t n, gpf_diag *why);
} gpf__archive_format;
extern const gpf__archive_format gpf__npz, gpf__safetensors;

enum { GPF__HEAD = 16 }; /* bytes that tell a format */
#define GPF__METADATA "__metadata__"

/* The format that writes a file of that name, by its ending; NULL: none. */
const gpf__archive_format *gpf__archive_format_for(const char *path);

/* The archive in n bytes of memory; file is for messages. */
gpf_archive *gpf__archive_parse(const unsigned char *bytes, size_t n, const char *file,
                                gpf_diag *why);

/* An array of the archive whose values the caller fills. Unlike gpf_archive_add it tells what is wrong
 * and knows no handler. */
int gpf__archive_room(gpf_archive *a, const char *name, gpf_shape shape, double **values,
                      gpf_diag *why);

/* gpf_archive_set without a handler. */
int gpf__archive_set(gpf_archive *a, const char *key, const char *text);

/* Every param of a graph, into an archive and out of it; path: for messages. Out of it, all or none. */
int gpf__params_into(const gpf_graph *g, const gsl_vector *theta, gpf_archive *a, gpf_diag *why);
int gpf__params_from(const gpf_graph *g, gsl_vector *theta, const gpf_archive *a, const char *path,
                     gpf_diag *why);

/* The entries as a JSON object of strings: NULL without memory. And back. */
json_t *gpf__archive_entries(const gpf_archive *a);
bool gpf__archive_has_entries(const gpf_archive *a);
int gpf__archive_read_entries(gpf_archive *a, const json_t *entries, gpf_diag *why);

/* What an element of a file may be: names of it, bytes, and its value from its bits. */
typedef struct gpf__dtype {
    const char *name, *npy, *safetensors; /* npy: NULL, NumPy has none */
    size_t size;
    double (*value)(uint64_t bits);
} gpf__dtype;
const gpf__dtype *gpf__dtype_at(size_t i); /* NULL past the end */
/* n elements; big: most significant byte first. */
void gpf__decode(const gpf__dtype *t, bool big, const unsigned char *bytes, size_t n, double *out);
/* n doubles, least significant byte first. */
void gpf__encode(const double *x, size_t n, unsigned char *bytes);

/* file.c: a regular file, or its first max bytes, in memory from malloc. */
int gpf__file_read(const char *path, size_t max, unsigned char **bytes, size_t *n, gpf_diag *why);
/* Like gpf__diag, with the file's name beside the text. */
int gpf__diag_of(gpf_diag *why, const char *file, int status, const char *format, ...)
    GPF_PRINTF(4, 5);

#endif
