/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One training run per seed, a line each. */
#include "training.h"
#include "base/json.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct seeds {
    FILE *log;
    int json_log;
    json_t *rows; /* for --json */
    size_t n;
    double *loss, *accuracy; /* n of them */
} seeds;

static int seed_row(seeds *s, const run *r, size_t seed)
{
    const gpf_progress *p = gpf_train_progress(r->train);
    json_t *row = json_object();
    int bad = json_object_set_new(row, "seed", json_integer((json_int_t)seed));
    bad |= json_object_set_new(row, "epochs", json_integer((json_int_t)p->evaluated));
    bad |= json_object_set_new(row, "loss", train_json(p->loss));
    bad |= json_object_set_new(row, "held_out", train_json(p->held_out));
    bad |= json_object_set_new(row, "accuracy", train_json(p->accuracy));
    bad |= json_object_set_new(row, "held_out_accuracy", train_json(p->held_out_accuracy));
    bad |= json_object_set_new(row, "dead", train_json(p->dead));
    bad |= json_object_set_new(row, "end", json_string(train_ends[p->end].name));
    if (s->log && s->json_log && !bad) {
        bad |= json_dumpf(row, s->log, 0);
        putc('\n', s->log);
    } else if (s->log) {
        const double x[] = { p->loss, p->held_out, p->accuracy, p->held_out_accuracy, p->dead };
        fprintf(s->log, "%zu\t%zu", seed, p->evaluated);
        for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
            putc('\t', s->log);
            cmd_log_number(s->log, x[i]);
        }
        fprintf(s->log, "\t%s\n", train_ends[p->end].name);
    }
    bad |= json_array_append_new(s->rows, row);
    s->loss[s->n] = p->loss;
    s->accuracy[s->n++] = p->accuracy;
    return bad;
}

static int seed_line(const run *r, size_t seed, int first)
{
    const gpf_progress *p = gpf_train_progress(r->train);
    const int columns = train_columns(r);
    char text[40];
    if (first) {
        printf("%s: training %s from every seed\n", r->o->args[0], r->loss);
        train_settings(r);
        printf("\n  %7s  %7s  %11s", "seed", "epochs", "loss");
        if (columns & HELD_OUT)
            printf("  %11s", "held out");
        if (columns & ACCURACY)
            printf("  %11s", "accuracy");
        if (columns & ACCURACY && columns & HELD_OUT)
            printf("  %11s", "held out");
        if (columns & DEAD)
            printf("  %11s", "dead");
        puts("  end");
    }
    printf("  %7zu  %7zu  %11s", seed, p->evaluated, train_number(p->loss, "%.6g", text));
    if (columns & HELD_OUT)
        train_cell("%.6g", p->held_out);
    if (columns & ACCURACY)
        train_cell("%.4f", p->accuracy);
    if (columns & ACCURACY && columns & HELD_OUT)
        train_cell("%.4f", p->held_out_accuracy);
    if (columns & DEAD)
        train_cell("%.4f", p->dead);
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
        if (!status && s->log && (fflush(s->log) || ferror(s->log)))
            status = cmd_failf(o, GPF_EFILE, "%s: %s", o->log, strerror(errno));
        if (status)
            return status;
    }
    if (o->json) {
        json_t *all = json_object();
        int bad = json_object_set_new(all, "model", cmd_json_text(o->args[0]));
        bad |= json_object_set(all, "seeds", s->rows);
        if (bad) {
            json_decref(all);
            all = NULL;
        }
        status = cmd_put_json(o, all);
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
    const char *ending = o->log ? strrchr(o->log, '.') : NULL;
    if (!s.rows || !s.loss || !s.accuracy)
        status = cmd_fail_status(o, GSL_ENOMEM, NULL);
    s.json_log = ending && !strcmp(ending, ".jsonl");
    if (!status && o->log && !s.json_log && (!ending || strcmp(ending, ".tsv")))
        status = cmd_usage(o, "--log takes a FILE.tsv or FILE.jsonl, not ", o->log);
    if (!status && o->log && !(s.log = fopen(o->log, "w")))
        status = cmd_failf(o, GPF_EFILE, "%s: %s", o->log, strerror(errno));
    if (s.log && !s.json_log)
        fputs("seed\tepochs\tloss\theld_out\taccuracy\theld_out_accuracy\tdead\tend\n", s.log);
    if (!status)
        status = all_seeds(o, &s);
    if (s.log && fclose(s.log) && status != GPF_OUTCOME_TROUBLE)
        status = cmd_failf(o, GPF_EFILE, "%s: %s", o->log, strerror(errno));
    json_decref(s.rows);
    free(s.loss);
    free(s.accuracy);
    return status;
}
