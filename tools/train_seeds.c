/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One training run per seed, a line each. */
#include "training.h"
#include "base/json.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct seeds {
    cmd_log log;
    json_t *rows; /* for --json */
    size_t n;
    double *loss, *accuracy; /* n of them */
} seeds;

/* What is told of a run, behind its seed and epochs. */
static const struct field {
    const char *name;
    size_t offset; /* into gpf_progress */
} fields[] = {
    { "loss", offsetof(gpf_progress, loss) },
    { "held_out", offsetof(gpf_progress, held_out) },
    { "accuracy", offsetof(gpf_progress, accuracy) },
    { "held_out_accuracy", offsetof(gpf_progress, held_out_accuracy) },
    { "dead", offsetof(gpf_progress, dead) },
};
enum { N_FIELDS = sizeof fields / sizeof *fields };

static double value_of(const gpf_progress *p, const struct field *f)
{
    return *(const double *)(const void *)((const char *)p + f->offset);
}

static json_t *seed_json(const gpf_progress *p, size_t seed)
{
    json_t *row = json_object();
    int bad = json_object_set_new(row, "seed", json_integer((json_int_t)seed));
    bad |= json_object_set_new(row, "epochs", json_integer((json_int_t)p->evaluated));
    for (size_t i = 0; i < N_FIELDS; i++)
        bad |= json_object_set_new(row, fields[i].name, train_json(value_of(p, &fields[i])));
    bad |= json_object_set_new(row, "end", json_string(train_ends[p->end].name));
    return cmd_json_built(row, bad);
}

static int seed_row(seeds *s, const run *r, size_t seed)
{
    const gpf_progress *p = gpf_train_progress(r->train);
    FILE *const log = s->log.file;
    json_t *row = seed_json(p, seed);
    if (log && s->log.json) {
        if (row)
            json_dumpf(row, log, 0);
        putc('\n', log);
    } else if (log) {
        fprintf(log, "%zu\t%zu", seed, p->evaluated);
        for (size_t i = 0; i < N_FIELDS; i++) {
            putc('\t', log);
            cmd_log_number(log, value_of(p, &fields[i]));
        }
        fprintf(log, "\t%s\n", train_ends[p->end].name);
    }
    s->loss[s->n] = p->loss;
    s->accuracy[s->n++] = p->accuracy;
    return json_array_append_new(s->rows, row);
}

static int seed_line(const run *r, size_t seed, int first)
{
    const unsigned without = PENALTY | GRADIENT | RATE;
    const gpf_progress *p = gpf_train_progress(r->train);
    if (first) {
        printf("%s: training %s from every seed\n", r->o->args[0], r->loss);
        train_settings(r);
        printf("\n  %7s  %7s", "seed", "epochs");
        train_columns(r, NULL, without);
        puts("  end");
    }
    printf("  %7zu  %7zu", seed, p->evaluated);
    train_columns(r, p, without);
    printf("  %s\n", train_ends[p->end].name);
    return fflush(stdout);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return isnan(x) || isnan(y) ? isnan(x) - isnan(y) : (x > y) - (x < y);
}

static void put_summary(seeds *s, const char *loss)
{
    size_t all_right = 0, decided = 0;
    for (size_t i = 0; i < s->n; i++) {
        decided += isnan(s->accuracy[i]) ? 0 : 1;
        if (s->accuracy[i] == 1)
            all_right++;
    }
    qsort(s->loss, s->n, sizeof *s->loss, by_size);
    char lo[40], mid[40], hi[40];
    printf("\n%zu seed%s: %s from %s to %s, median %s", s->n, s->n == 1 ? "" : "s", loss,
           train_number(s->loss[0], "%.6g", lo), train_number(s->loss[s->n - 1], "%.6g", hi),
           train_number(s->loss[s->n / 2], "%.6g", mid));
    if (decided)
        printf("; all samples right in %zu", all_right);
    putchar('\n');
}

static int all_seeds(const cmd *o, seeds *s)
{
    int worst = 0, status = 0;
    char loss[100] = "";
    for (size_t seed = o->seeds[0]; seed <= o->seeds[1] && !cmd_interrupted(); seed++) {
        cmd one = *o;
        one.seed = seed;
        run r = { .o = &one };
        status = train_prepare(&r);
        if (!status)
            status = train_drive(&r);
        /* a run that was interrupted says nothing */
        if (!status && gpf_train_progress(r.train)->end != GPF_TRAIN_RUNNING) {
            if (!o->json && !o->quiet)
                seed_line(&r, seed, seed == o->seeds[0]);
            snprintf(loss, sizeof loss, "%s", r.loss);
            if (seed_row(s, &r, seed))
                status = cmd_fail_status(o, GSL_ENOMEM, NULL);
            if (gpf_train_progress(r.train)->end == GPF_TRAIN_WRONG)
                worst = GPF_OUTCOME_WRONG;
        }
        train_free(&r);
        if (!status && s->log.file && (fflush(s->log.file) || ferror(s->log.file)))
            status = cmd_failf(o, GPF_EFILE, "%s: %s", o->log, strerror(errno));
        if (status)
            return status;
    }
    if (o->json) {
        json_t *all = json_object();
        int bad = json_object_set_new(all, "model", cmd_json_text(o->args[0]));
        bad |= json_object_set(all, "seeds", s->rows);
        status = cmd_put_json(o, cmd_json_built(all, bad));
    } else if (s->n) {
        put_summary(s, loss);
    }
    return status ? status : cmd_interrupted() ? 3 : worst;
}

int train_seeds(const cmd *o)
{
    const size_t n = o->seeds[1] - o->seeds[0] + 1;
    seeds s = { .rows = json_array(),
                .loss = calloc(n, sizeof *s.loss),
                .accuracy = calloc(n, sizeof *s.accuracy) };
    int status = 0;
    if (!s.rows || !s.loss || !s.accuracy)
        status = cmd_fail_status(o, GSL_ENOMEM, NULL);
    if (!status && o->log)
        status = cmd_log_open(o, o->log, NULL, &s.log);
    if (s.log.file && !s.log.json) {
        fputs("seed\tepochs", s.log.file);
        for (size_t i = 0; i < N_FIELDS; i++)
            fprintf(s.log.file, "\t%s", fields[i].name);
        fputs("\tend\n", s.log.file);
    }
    if (!status)
        status = all_seeds(o, &s);
    cmd_log_close(&s.log); /* every row was flushed */
    json_decref(s.rows);
    free(s.loss);
    free(s.accuracy);
    return status;
}
