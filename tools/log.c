/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The log of a training run. A run that is resumed goes on with it as if it had never ended. */
#define _POSIX_C_SOURCE 200809L /* getline */
#include "cmd.h"
#include "base/json.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct field {
    const char *name;
    size_t offset; /* into gpf_progress */
    int whole;
} fields[] = {
    { "epoch", offsetof(gpf_progress, evaluated), 1 },
    { "step", offsetof(gpf_progress, step), 1 },
    { "loss", offsetof(gpf_progress, loss), 0 },
    { "penalty", offsetof(gpf_progress, penalty), 0 },
    { "held_out", offsetof(gpf_progress, held_out), 0 },
    { "accuracy", offsetof(gpf_progress, accuracy), 0 },
    { "held_out_accuracy", offsetof(gpf_progress, held_out_accuracy), 0 },
    { "gradient", offsetof(gpf_progress, gradient), 0 },
    { "rate", offsetof(gpf_progress, rate), 0 },
    { "update", offsetof(gpf_progress, update), 0 },
    { "dead", offsetof(gpf_progress, dead), 0 },
};
enum { N_FIELDS = sizeof fields / sizeof *fields };

/* Of each layer, as PREFIX.LABEL. */
static const char *const layer_fields[] = { "dead", "grad", "act" };
enum { N_LAYER_FIELDS = sizeof layer_fields / sizeof *layer_fields };

static double layer_value(const gpf_layer *l, size_t field)
{
    const double value[N_LAYER_FIELDS] = { l->units ? (double)l->dead / (double)l->units : 0,
                                           l->weight_gradient, l->activation };
    return value[field];
}

/* Layers without names of their own may have the same label: the later ones get their number. */
static void layer_name(const gpf_health *h, size_t layer, size_t field, char *buf, size_t size)
{
    char label[64], other[64];
    size_t first = 0;
    gpf_node_label(gpf_health_graph(h), gpf_health_layer(h, layer)->a, label, sizeof label);
    while (strcmp(
        gpf_node_label(gpf_health_graph(h), gpf_health_layer(h, first)->a, other, sizeof other),
        label))
        first++;
    if (first == layer)
        snprintf(buf, size, "%s.%s", layer_fields[field], label);
    else
        snprintf(buf, size, "%s.%s#%zu", layer_fields[field], label, layer + 1);
    for (char *c = buf; *c; c++)
        *c = strchr("\t\"\\", *c) ? ' ' : *c;
}

void cmd_log_number(FILE *f, double x)
{
    const char *text = gpf__json_nonfinite(x);
    if (text)
        fputs(text, f);
    else
        fprintf(f, "%.17g", x);
}

static void put_value(const cmd_log *l, double x)
{
    if (l->json && gpf__json_nonfinite(x))
        fputs("null", l->file);
    else
        cmd_log_number(l->file, x);
}

static int add_column(cmd_log *l, const char *name)
{
    char **column = realloc(l->column, (l->n_columns + 1) * sizeof *column);
    if (!column)
        return GSL_ENOMEM;
    l->column = column;
    column[l->n_columns] = strdup(name);
    return column[l->n_columns++] ? 0 : GSL_ENOMEM;
}

static int name_columns(cmd_log *l, const gpf_health *h)
{
    int status = 0;
    for (size_t i = 0; i < N_FIELDS && !status; i++)
        status = add_column(l, fields[i].name);
    for (size_t i = 0; h && i < gpf_health_n_layers(h); i++)
        for (size_t k = 0; k < N_LAYER_FIELDS && !status; k++) {
            char name[100];
            layer_name(h, i, k, name, sizeof name);
            status = add_column(l, name);
        }
    return status;
}

static void put_column(const cmd_log *l, const char *name, const gpf_progress *p,
                       const gpf_health *h)
{
    for (size_t i = 0; i < N_FIELDS; i++) {
        const void *value = (const char *)p + fields[i].offset;
        if (strcmp(fields[i].name, name))
            continue;
        if (fields[i].whole)
            fprintf(l->file, "%zu", *(const size_t *)value);
        else
            put_value(l, *(const double *)value);
        return;
    }
    for (size_t i = 0; h && i < gpf_health_n_layers(h); i++)
        for (size_t k = 0; k < N_LAYER_FIELDS; k++) {
            char is[100];
            layer_name(h, i, k, is, sizeof is);
            if (!strcmp(is, name)) {
                put_value(l, layer_value(gpf_health_layer(h, i), k));
                return;
            }
        }
    put_value(l, NAN); /* a log that was begun with more columns */
}

static void put_header(const cmd_log *l)
{
    for (size_t i = 0; i < l->n_columns; i++)
        fprintf(l->file, "%s%s", i ? "\t" : "", l->column[i]);
    putc('\n', l->file);
}

int cmd_log_row(cmd_log *l, const gpf_progress *p, const gpf_health *h)
{
    if (!l->file || l->failed)
        return l->failed;
    errno = 0;
    int fresh = l->n_columns == 0, status = fresh ? name_columns(l, h) : 0;
    if (fresh && !status && !l->json)
        put_header(l);
    for (size_t i = 0; i < l->n_columns && !status; i++) {
        if (l->json)
            fprintf(l->file, "%s\"%s\": ", i ? ", " : "{", l->column[i]);
        else if (i)
            putc('\t', l->file);
        put_column(l, l->column[i], p, h);
    }
    fputs(l->json ? "}\n" : "\n", l->file);
    if (fflush(l->file) || ferror(l->file) || status)
        l->failed = status ? ENOMEM : errno ? errno : EIO;
    return l->failed;
}

/* The epoch a line is about; 0 if it is no row. */
static int epoch_of(const cmd_log *l, const char *line, unsigned long *epoch)
{
    char *end;
    if (!l->json) {
        *epoch = strtoul(line, &end, 10);
        return *line >= '0' && *line <= '9' && *end == '\t';
    }
    json_t *row = json_loads(line, 0, NULL), *value = json_object_get(row, "epoch");
    int found = json_is_integer(value);
    *epoch = (unsigned long)json_integer_value(value);
    json_decref(row);
    return found;
}

static int split_header(cmd_log *l, char *line)
{
    int status = 0;
    for (char *c = line; c && !status;) {
        char *tab = strchr(c, '\t');
        if (tab)
            *tab++ = '\0';
        status = add_column(l, c);
        c = tab;
    }
    return status;
}

/* The columns of a row of JSON lines. */
static int split_row(cmd_log *l, const char *line)
{
    json_t *row = json_loads(line, 0, NULL), *value;
    const char *name;
    int status = 0;
    json_object_foreach(row, name, value) status = status ? status : add_column(l, name);
    json_decref(row);
    return status;
}

typedef struct copying {
    cmd_log *l;
    FILE *from;
    size_t keep;
} copying;

/* Copies what stays of a log. A last line without its end was never written to the end. */
static int copy_rows(void *arg, FILE *to)
{
    const copying *c = arg;
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    int status = 0;
    for (size_t i = 0; !status && (n = getline(&line, &size, c->from)) > 0; i++) {
        unsigned long epoch = 0;
        if (line[n - 1] != '\n')
            break;
        const int header = i == 0 && !c->l->json;
        if (!header && (!epoch_of(c->l, line, &epoch) || epoch > c->keep))
            continue;
        fputs(line, to);
        line[n - 1] = '\0';
        if (header)
            status = split_header(c->l, line);
        else if (c->l->n_columns == 0)
            status = split_row(c->l, line);
    }
    free(line);
    if (status)
        errno = ENOMEM;
    return status;
}

/* Is a file there that begins as no log does? A log whose first words were cut short is one. */
static int is_foreign(const cmd_log *l, int resumed)
{
    static const char *const begins[2][2] = { { "epoch\t", "seed\t" },
                                              { "{\"epoch\": ", "{\"seed\": " } };
    struct stat is;
    char start[16];
    FILE *f = !stat(l->path, &is) && S_ISREG(is.st_mode) && is.st_size ? fopen(l->path, "r") : NULL;
    if (!f)
        return 0; /* opening it says what is wrong, if anything is */
    const size_t n = fread(start, 1, sizeof start, f);
    fclose(f);
    for (int i = 0; i < (resumed ? 1 : 2); i++) {
        const char *begin = begins[l->json][i];
        if (!strncmp(start, begin, n < strlen(begin) ? n : strlen(begin)))
            return 0;
    }
    return 1;
}

static int ends_in(const char *path, const char *ending)
{
    const char *last = strrchr(path, '.');
    return last && !strcmp(last, ending);
}

int cmd_log_check(const cmd *o)
{
    if (!o->log || ends_in(o->log, ".tsv") || ends_in(o->log, ".jsonl"))
        return 0;
    return cmd_usage(o, "--log takes a FILE.tsv or FILE.jsonl, not ", o->log);
}

int cmd_log_open(const cmd *o, const char *path, const size_t *keep, cmd_log *l)
{
    *l = (cmd_log){ .path = path, .json = ends_in(path, ".jsonl") };
    if (is_foreign(l, keep != NULL))
        return cmd_failf(o, GPF_EFILE, "%s is there and no log of %s: it is not written over", path,
                         keep ? "this run" : "a run");
    FILE *from = keep ? fopen(path, "r") : NULL;
    if (keep && !from && errno != ENOENT)
        return cmd_failf(o, GPF_EFILE, "%s: %s", path, strerror(errno));
    gpf_diag why = { 0 };
    const int status =
        from ? gpf_file_replace(path, copy_rows, &(copying){ l, from, *keep }, &why) : 0;
    if (from)
        fclose(from);
    if (status)
        return cmd_fail_status(o, status, &why);
    l->file = fopen(path, from ? "a" : "w");
    return l->file ? 0 : cmd_failf(o, GPF_EFILE, "%s: %s", path, strerror(errno));
}

void cmd_log_close(cmd_log *l)
{
    if (l->file)
        fclose(l->file);
    for (size_t i = 0; i < l->n_columns; i++)
        free(l->column[i]);
    free(l->column);
    l->file = NULL;
    l->column = NULL;
    l->n_columns = 0;
}
