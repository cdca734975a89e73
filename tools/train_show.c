/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What people and programs see of a training run. */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include "training.h"
#include "base/json.h"
#include <stdlib.h>
#include <string.h>

enum { LINES = 20 };

const train_ending train_ends[] = {
    [GPF_TRAIN_RUNNING] = { "interrupted", "interrupted", 3 },
    [GPF_TRAIN_EPOCHS] = { "epochs", "done", 0 },
    [GPF_TRAIN_UNTIL] = { "until", "done", 0 },
    [GPF_TRAIN_PATIENCE] = { "patience", "done", 0 },
    [GPF_TRAIN_CONVERGED] = { "converged", "done", 0 },
    [GPF_TRAIN_NO_PROGRESS] = { "no_progress", "done", 0 },
    [GPF_TRAIN_NOT_FINITE] = { "not_finite", "failed", 3 },
    [GPF_TRAIN_WRONG] = { "wrong", "wrong", 1 },
    [GPF_TRAIN_STOPPED] = { "stopped", "interrupted", 3 },
};

/* The columns of a table of progress, and what there must be to say in them. */
static const struct column {
    const char *title, *format;
    size_t offset; /* into gpf_progress */
    unsigned needs;
} columns[] = {
    { "loss", "%.6g", offsetof(gpf_progress, loss), 0 },
    { "penalty", "%.4g", offsetof(gpf_progress, penalty), PENALTY },
    { "held out", "%.6g", offsetof(gpf_progress, held_out), HELD_OUT },
    { "accuracy", "%.4f", offsetof(gpf_progress, accuracy), ACCURACY },
    { "held out", "%.4f", offsetof(gpf_progress, held_out_accuracy), ACCURACY | HELD_OUT },
    { "gradient", "%.3g", offsetof(gpf_progress, gradient), GRADIENT },
    { "rate", "%.3g", offsetof(gpf_progress, rate), RATE },
    { "dead", "%.4f", offsetof(gpf_progress, dead), DEAD },
};

static unsigned there(const run *r)
{
    const gpf_train_options *how = gpf_train_how(r->train);
    return (how->l2 > 0 ? PENALTY : 0) | (r->held_out ? HELD_OUT : 0) |
           (r->decides ? ACCURACY : 0) | (how->health ? DEAD : 0) | (r->updates ? 0 : GRADIENT) |
           (strcmp(how->schedule, "constant") || how->warmup > 0 ? RATE : 0);
}

const char *train_number(double x, const char *format, char buf[40])
{
    const char *text = gpf__json_nonfinite(x);
    if (text)
        return text;
    snprintf(buf, 40, format, x);
    return buf;
}

void train_columns(const run *r, const gpf_progress *p, unsigned without)
{
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        const struct column *c = &columns[i];
        char text[40];
        double x = 0;
        if (c->needs & ~(there(r) & ~without))
            continue;
        if (p)
            memcpy(&x, (const char *)p + c->offset, sizeof x);
        printf("  %11s", !p                     ? c->title
                         : c->needs && isnan(x) ? "-"
                                                : train_number(x, c->format, text));
    }
}

void train_line(const run *r, const gpf_progress *p)
{
    printf("  %7zu", p->evaluated);
    train_columns(r, p, 0);
    putchar('\n');
    fflush(stdout);
}

/* Settings unlike the defaults, and those everybody asks for; as the statement they could be. */
void train_settings(const run *r)
{
    static const char *const always[] = { "optimizer", "rate", "epochs" };
    const gpf_train_options *how = gpf_train_how(r->train), plain = gpf_train_defaults();
    const gpf_setting *s;
    const char *before = "  train ";
    for (size_t i = 0; (s = gpf_setting_at(i)); i++) {
        char is[64], was[64];
        gpf_setting_text(how, s, is, sizeof is);
        gpf_setting_text(&plain, s, was, sizeof was);
        int wanted = strcmp(is, was) != 0;
        for (size_t k = 0; k < sizeof always / sizeof *always; k++)
            wanted |= !strcmp(s->name, always[k]);
        if (!wanted || !*is || (r->updates && s->type == GPF_SETTING_OPTIMIZER))
            continue;
        printf("%s%s=%s", before, s->name, is);
        before = ", ";
    }
    putchar('\n');
}

/* A param that was forgotten among the formulas is easily overlooked, and no check of a step sees it:
 * it is not trained. */
static void updated(const run *r)
{
    const gpf_graph *g = gpf_model_graph(r->model);
    size_t n = 0;
    for (size_t i = 0; i < r->n_xs; i++)
        printf("%s%s", i ? ", " : "  by the model's own updates of ", gpf_node_name(g, r->xs[i]));
    for (size_t i = 0; i < gpf_graph_n_param_tensors(g); i++) {
        gpf_node param = GPF_NONE, next;
        for (size_t k = 0; gpf_model_update(r->model, k, &param, &next); k++)
            if (param == gpf_graph_param(g, i))
                break;
        if (param != gpf_graph_param(g, i))
            printf("%s%s", n++ ? ", " : "; not of ", gpf_node_name(g, gpf_graph_param(g, i)));
    }
    printf("%s\n", n == 0 ? "" : n == 1 ? ", which stays as it is" : ", which stay as they are");
}

void train_heading(const run *r)
{
    const gpf_graph *g = gpf_model_graph(r->model);
    const gpf_progress *p = gpf_train_progress(r->train);
    const char *note = gpf_train_penalty_note(r->train);
    size_t n = 0;
    for (size_t i = 0; i < r->n_xs; i++)
        n += gpf_shape_size(gpf_node_shape(g, r->xs[i]), 0);
    printf("%s: training %s", strcmp(r->o->args[0], "-") ? r->o->args[0] : "standard input",
           r->loss);
    if (p->samples)
        printf(" over %zu sample%s", p->samples, p->samples == 1 ? "" : "s");
    if (p->held_out_samples)
        printf(", %zu held out", p->held_out_samples);
    printf("; %zu number%s in %zu param%s\n", n, n == 1 ? "" : "s", r->n_xs,
           r->n_xs == 1 ? "" : "s");
    train_settings(r);
    if (r->updates)
        updated(r);
    for (size_t i = 0; gpf_model_note(r->model, i); i++)
        if (gpf_model_note_concerns(r->model, i, r->y))
            printf("  %s\n", gpf_model_note(r->model, i));
    if (*note)
        printf("  %s\n", note);
    if (r->resumed)
        printf("  resumed at epoch %zu, step %zu\n", p->epoch, p->step);
    printf("\n  %7s", "epoch");
    train_columns(r, NULL, 0);
    putchar('\n');
}

/* 1, 2, 5, 10, 20, 50, .. */
static size_t grow(size_t x)
{
    size_t ten = 1;
    while (x / ten >= 10)
        ten *= 10;
    return x / ten == 2 ? 5 * ten : 2 * x;
}

/* Few lines at first where the loss falls fast, then evenly: 0, 1, 2, 5, 10, 20, 40, 60, .. */
size_t train_line_after(const run *r, size_t epoch)
{
    const size_t epochs = gpf_train_how(r->train)->epochs;
    size_t step = r->o->print_every ? r->o->print_every : 1, next = 1;
    while (!r->o->print_every && step * LINES < epochs)
        step = grow(step);
    while (next <= epoch && next < step)
        next = grow(next);
    return next > epoch && !r->o->print_every ? next : (epoch / step + 1) * step;
}

void train_clear_bar(run *r)
{
    if (r->visible)
        fputs("\r\033[K", stderr);
    r->visible = 0;
}

/* Samples in the steps of this run, per second. */
static double speed(const run *r, double seconds)
{
    const gpf_progress *p = gpf_train_progress(r->train);
    return (double)(p->step - r->first_step) / (double)p->steps * (double)p->samples / seconds;
}

void train_bar(run *r, double t)
{
    enum { WIDTH = 20 };
    static const char bar[] = "####################                    ";
    const gpf_progress *p = gpf_train_progress(r->train);
    const size_t total = gpf_train_how(r->train)->epochs * p->steps;
    const double part = total ? (double)p->step / (double)total : 0;
    const double done = (double)(p->step - r->first_step), seconds = t - r->start;
    if (!r->bar || seconds < 0.5 || t - r->drawn < 0.1)
        return;
    r->drawn = t;
    r->visible = 1;
    const int full = (int)(part * WIDTH);
    fprintf(stderr, "\repoch %zu/%zu [%.*s] loss %.4g", p->epoch, gpf_train_how(r->train)->epochs,
            WIDTH, bar + WIDTH - full, p->loss);
    if (!isnan(p->held_out))
        fprintf(stderr, ", held out %.4g", p->held_out);
    if (!isnan(p->accuracy))
        fprintf(stderr, ", accuracy %.3f", p->accuracy);
    if (!isnan(p->gradient))
        fprintf(stderr, ", gradient %.2g", p->gradient);
    if (p->samples)
        fprintf(stderr, ", %.3g samples/s", speed(r, seconds));
    if (done > 0)
        fprintf(stderr, ", %.0f s left", seconds * (double)(total - p->step) / done);
    fputs("\033[K", stderr);
}

/* The report of the check that ended the run. */
static int put_check(const run *r, FILE *out, int json)
{
    static const char *const of_step[] = {
        "the step taken, (params before - after)/rate, instead of backprop's gradient", NULL
    };
    gpf_report_options how = gpf_report_defaults();
    if (strstr(gpf_train_progress(r->train)->why, "(before - after)")) {
        how.analytic = "step/rate";
        how.notes = of_step;
    }
    how.model = r->o->args[0];
    how.output = r->loss;
    how.model_seed = gpf_model_seed(r->model);
    how.seconds = -1;
    how.color = !json && cmd_use_color(r->o);
    return (json ? gpf_report_json : gpf_report_text)(out, gpf_train_check(r->train), &how);
}

static int exit_status(const run *r)
{
    return r->trouble ? GPF_OUTCOME_TROUBLE : train_ends[gpf_train_progress(r->train)->end].status;
}

static void put_loss(const run *r, const gpf_progress *p)
{
    char text[40];
    printf("; %s %s", r->loss, train_number(p->loss, "%.6g", text));
    if (!isnan(p->held_out))
        printf(", held out %.6g", p->held_out);
    if (!isnan(p->accuracy))
        printf(", accuracy %.4g", p->accuracy);
    if (!isnan(p->held_out_accuracy))
        printf(", held out %.4g", p->held_out_accuracy);
    if (p->end == GPF_TRAIN_RUNNING)
        printf(" after epoch %zu", p->evaluated);
}

/* "gradient checked, 9.1 digits": of the last check. */
static void put_checked(const run *r)
{
    const gpf_check *c = gpf_train_check(r->train);
    if (!c || gpf_train_progress(r->train)->end == GPF_TRAIN_WRONG)
        return;
    const gpf_tally all = gpf_check_tally(c, -1);
    printf("; last check: %zu of %zu elements right", all.count[GPF_RIGHT], all.checked);
}

static void put_closing(const run *r, double seconds)
{
    const gpf_progress *p = gpf_train_progress(r->train);
    printf("%s%s: %s", r->table ? "\n" : "", r->log.failed ? "stopped" : train_ends[p->end].word,
           r->log.failed                 ? "the log cannot be written"
           : p->end == GPF_TRAIN_RUNNING ? "by ^C"
                                         : p->why);
    put_loss(r, p);
    put_checked(r);
    printf("; %.3g s", seconds);
    if (p->samples && p->step > r->first_step)
        printf(", %.3g samples/s", speed(r, seconds));
    putchar('\n');
}

/* How to go on with a run that was interrupted, or where the result is. */
static void put_saved(const run *r)
{
    const cmd *o = r->o;
    const gpf_progress *p = gpf_train_progress(r->train);
    if (!o->save)
        return;
    if (p->end == GPF_TRAIN_NOT_FINITE)
        printf("%s holds the params of before\n", o->save);
    else if (train_ends[p->end].status == 3)
        printf("saved in %s; the same command with --resume %s goes on\n", o->save, o->save);
    else
        printf("saved in %s\n", o->save);
}

json_t *train_json(double x)
{
    return gpf__json_nonfinite(x) ? json_null() : json_real(x);
}

static json_t *settings_json(const run *r)
{
    json_t *all = json_object();
    const gpf_train_options *how = gpf_train_how(r->train);
    const gpf_setting *s;
    int bad = 0;
    for (size_t i = 0; (s = gpf_setting_at(i)); i++) {
        char text[64];
        gpf_setting_text(how, s, text, sizeof text);
        const int word = s->type == GPF_SETTING_OPTIMIZER || s->type == GPF_SETTING_SCHEDULE;
        json_t *v = s->type == GPF_SETTING_OPTIMIZER && r->updates ? json_string("update")
                    : word                                         ? json_string(text)
                    : !*text                                       ? json_null()
                    : s->type == GPF_SETTING_FLAG                  ? json_boolean(*text == '1')
                    : s->type == GPF_SETTING_WHOLE
                        ? json_integer((json_int_t)strtoull(text, NULL, 10))
                        : json_real(strtod(text, NULL));
        bad |= json_object_set_new(all, s->name, v);
    }
    return cmd_json_built(all, bad);
}

static json_t *progress_json(const gpf_progress *p)
{
    const struct {
        const char *name;
        double value;
    } real[] = { { "loss", p->loss },
                 { "penalty", p->penalty },
                 { "held_out", p->held_out },
                 { "accuracy", p->accuracy },
                 { "held_out_accuracy", p->held_out_accuracy },
                 { "gradient", p->gradient },
                 { "rate", p->rate },
                 { "update", p->update },
                 { "best", p->best },
                 { "dead", p->dead } };
    const struct {
        const char *name;
        size_t value;
    } whole[] = { { "epoch", p->epoch },
                  { "step", p->step },
                  { "steps", p->steps },
                  { "samples", p->samples },
                  { "held_out_samples", p->held_out_samples },
                  { "evaluated", p->evaluated },
                  { "best_epoch", p->best_epoch } };
    json_t *all = json_object();
    int bad = 0;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        bad |= json_object_set_new(all, whole[i].name, json_integer((json_int_t)whole[i].value));
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        char text[40];
        bad |= json_object_set_new(all, real[i].name, train_json(real[i].value));
        /* a loss that is no number is a result, other numbers are not known then */
        if (isinf(real[i].value) || (isnan(real[i].value) && i == 0)) {
            snprintf(text, sizeof text, "%s_text", real[i].name);
            bad |= json_object_set_new(all, text, json_string(gpf__json_nonfinite(real[i].value)));
        }
    }
    return cmd_json_built(all, bad);
}

/* The report as one member; NULL without memory. */
static json_t *check_json(const run *r)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    const int status = put_check(r, f, 1);
    json_t *all = fclose(f) || status ? NULL : json_loads(text, 0, NULL);
    free(text);
    return all;
}

static int put_json(const run *r, double seconds)
{
    const gpf_progress *p = gpf_train_progress(r->train);
    json_t *all = json_object(), *params = json_array();
    int bad = json_object_set_new(all, "model", cmd_json_text(r->o->args[0]));
    bad |= json_object_set_new(all, "output", cmd_json_text(r->loss));
    bad |= json_object_set_new(all, "settings", settings_json(r));
    const char *note = gpf_train_penalty_note(r->train);
    bad |= json_object_set_new(all, "penalty_note", *note ? cmd_json_text(note) : json_null());
    for (size_t i = 0; i < r->n_xs; i++)
        bad |= json_array_append_new(
            params, cmd_json_text(gpf_node_name(gpf_model_graph(r->model), r->xs[i])));
    bad |= json_object_set_new(all, "params", params);
    bad |= json_object_set_new(all, "progress", progress_json(p));
    bad |= json_object_set_new(all, "end", json_string(train_ends[p->end].name));
    bad |= json_object_set_new(all, "why", cmd_json_text(p->why));
    if (p->end == GPF_TRAIN_WRONG && gpf_train_check(r->train))
        bad |= json_object_set_new(all, "check", check_json(r));
    bad |= json_object_set_new(all, "saved", r->o->save ? cmd_json_text(r->o->save) : json_null());
    bad |= json_object_set_new(all, "seconds", json_real(seconds));
    bad |= json_object_set_new(all, "exit_status", json_integer(exit_status(r)));
    return cmd_put_json(r->o, cmd_json_built(all, bad));
}

int train_report(run *r)
{
    const double seconds = cmd_now() - r->start;
    const gpf_progress *p = gpf_train_progress(r->train);
    if (r->log.failed) {
        r->trouble = 1;
        fprintf(stderr, "gradproof: cannot write %s: %s\n", r->log.path, strerror(r->log.failed));
    }
    if (r->o->json) {
        const int status = put_json(r, seconds);
        return status ? status : exit_status(r);
    }
    if (p->end == GPF_TRAIN_WRONG && gpf_train_check(r->train)) {
        putchar('\n');
        const int status = put_check(r, stdout, 0);
        if (status && status != GSL_EFAILED)
            return cmd_fail_status(r->o, status, NULL);
    }
    put_closing(r, seconds);
    put_saved(r);
    return exit_status(r);
}
