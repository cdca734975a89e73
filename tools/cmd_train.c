/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gradproof train: fits the params of a model. */
#define _POSIX_C_SOURCE 200809L /* isatty, access, open_memstream */
#include "cmd.h"
#include "base/json.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECONDS_TO_SAVE = 10, LINES = 20 };

/* How a run ended: for programs, and the word that begins the closing line. */
static const struct {
    const char *name, *word;
    int status;
} ends[] = {
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

/* Everything a run needs and leaves behind, freed in one place. */
typedef struct run {
    const cmd *o;
    gpf_model *model;
    const char *loss;
    gpf_node *xs, *updates; /* n_xs params; NULL or the formulas of their next values */
    size_t n_xs;
    gpf_point *held_out;
    gpf_train *train;
    cmd_log log;
    int table;   /* lines for people */
    int bar;     /* and a bar on the terminal between them */
    int visible; /* it is there */
    int decides; /* predictions are classes */
    int resumed, trouble;
    int unsaved; /* steps were done since it was saved */
    double start, drawn, saved;
    size_t first_step;  /* done before this run */
    size_t saved_epoch; /* the last one for which --save-every was due */
    size_t next_line;   /* the epoch of the next line */
} run;

static void free_run(run *r)
{
    gpf_train_free(r->train);
    gpf_point_free(r->held_out);
    gpf_model_free(r->model);
    cmd_log_close(&r->log);
    free(r->xs);
    free(r->updates);
}

/* The params that --wrt names, or all. */
static int take_params(run *r)
{
    const cmd *o = r->o;
    const gpf_graph *g = gpf_model_graph(r->model);
    cmd_named *found = NULL;
    int status = cmd_targets(o, r->model, &found, &r->n_xs);
    if (status)
        return status;
    r->xs = malloc((r->n_xs + 1) * sizeof *r->xs);
    if (!r->xs)
        status = cmd_fail_status(o, GSL_ENOMEM, NULL);
    for (size_t i = 0; i < r->n_xs && !status; i++) {
        r->xs[i] = found[i].node;
        if (!gpf_node_is_param(g, found[i].node))
            status = cmd_failf(o, GPF_ENAME, "%s cannot be trained: it is no param", found[i].name);
    }
    free(found);
    return status;
}

/* The formulas of the model, for the params to be trained; none: an optimiser does it. */
static int take_updates(run *r)
{
    const cmd *o = r->o;
    const gpf_graph *g = gpf_model_graph(r->model);
    gpf_node param, next;
    if (!gpf_model_update(r->model, 0, &param, &next))
        return 0;
    for (size_t i = 0; i < o->n_set; i++)
        if (o->set[i].setting->type == GPF_SETTING_OPTIMIZER)
            return cmd_failf(o, GPF_ENAME,
                             "--optimizer %.40s: the model has update formulas of its own, that of "
                             "%s first, which take its place",
                             o->set[i].value, gpf_node_name(g, param));
    r->updates = malloc((r->n_xs + 1) * sizeof *r->updates);
    if (!r->updates)
        return cmd_fail_status(o, GSL_ENOMEM, NULL);
    size_t n = 0;
    for (size_t i = 0; i < r->n_xs; i++) { /* only params that have one */
        for (size_t k = 0; gpf_model_update(r->model, k, &param, &next); k++) {
            if (param != r->xs[i])
                continue;
            r->xs[n] = param;
            r->updates[n++] = next;
            break;
        }
    }
    r->n_xs = n;
    return n ? 0
             : cmd_failf(o, GPF_ENOTHING, "none of the params of --wrt has an update formula in %s",
                         o->args[0]);
}

static int take_loss(run *r, gpf_node *loss)
{
    const cmd *o = r->o;
    const gpf_graph *g = gpf_model_graph(r->model);
    double value;
    int status = cmd_output(o, r->model, loss, &r->loss);
    if (status)
        return status;
    if (*loss == GPF_NONE || gpf_node_is_const(g, *loss, &value))
        return cmd_failf(o, GPF_ENOTHING,
                         "%s: nothing to train: no node called loss, no one-element assignment",
                         o->args[0]);
    if (!gpf_graph_n_param_tensors(g))
        return cmd_failf(o, GPF_ENOTHING, "%s: nothing to train: the model has no param",
                         o->args[0]);
    return 0;
}

/* The rows of the split that are not trained on, if there are any. */
static int take_held_out(run *r)
{
    const cmd *o = r->o;
    if (o->data || o->rows == CMD_ALL_ROWS)
        return 0;
    gpf_diag why = { 0 };
    r->held_out = gpf_model_rows(r->model, o->rows == CMD_TRAIN ? CMD_TEST : CMD_TRAIN, &why);
    if (!r->held_out && why.status != GPF_EDATA) /* that would be: no split */
        return cmd_fail_status(o, why.status ? why.status : GSL_ENOMEM, &why);
    return 0;
}

/* The model's settings with those of the options over them. */
static int take_settings(run *r, gpf_train_options *how)
{
    *how = *gpf_model_train_options(r->model);
    for (size_t i = 0; i < r->o->n_set; i++) {
        gpf_diag why = { 0 };
        const int status =
            gpf_setting_set(how, r->o->set[i].setting->name, r->o->set[i].value, &why);
        if (status)
            return cmd_fail_status(r->o, status, &why);
    }
    return 0;
}

static int on_progress(void *arg, const gpf_progress *p);

static int prepare(run *r)
{
    const cmd *o = r->o;
    gpf_node loss = GPF_NONE;
    gpf_train_options how;
    gpf_diag why = { 0 };
    r->model = cmd_model(o);
    int status = r->model ? take_loss(r, &loss) : GPF_OUTCOME_TROUBLE;
    if (!status)
        status = take_params(r);
    if (!status)
        status = take_updates(r);
    if (!status)
        status = take_held_out(r);
    if (!status)
        status = take_settings(r, &how);
    if (status)
        return status;
    gpf_train_with with = gpf_train_plain();
    with.xs = r->xs;
    with.n_xs = r->n_xs;
    with.held_out = r->held_out;
    with.updates = r->updates;
    with.rate = gpf_model_rate(r->model);
    if (loss == gpf_model_output(r->model))
        with.task = gpf_model_task(r->model);
    r->decides = with.task.decision != GPF_DECIDE_NOTHING;
    with.progress = on_progress;
    with.progress_arg = r;
    r->train = gpf_train_alloc(gpf_model_graph(r->model), loss, gpf_model_point(r->model), &how,
                               &with, &why);
    return r->train ? 0 : cmd_fail_status(o, why.status ? why.status : GSL_ENOMEM, &why);
}

/* Lines for people. */

/* The columns there is something to say in. */
enum { PENALTY = 1, HELD_OUT = 2, ACCURACY = 4, DEAD = 8, RATE = 16, GRADIENT = 32 };

static int columns_of(const run *r)
{
    const gpf_train_options *how = gpf_train_how(r->train);
    return (how->l2 > 0 ? PENALTY : 0) | (r->held_out ? HELD_OUT : 0) |
           (r->decides ? ACCURACY : 0) | (how->health ? DEAD : 0) | (r->updates ? 0 : GRADIENT) |
           (strcmp(how->schedule, "constant") || how->warmup > 0 ? RATE : 0);
}

static const char *show(double x, const char *format, char buf[40])
{
    const char *text = gpf__json_nonfinite(x);
    if (text)
        return text;
    snprintf(buf, 40, format, x);
    return buf;
}

static void put_cell(const char *format, double x)
{
    char text[40];
    printf("  %11s", isnan(x) ? "-" : show(x, format, text));
}

static void put_line(const run *r, const gpf_progress *p)
{
    const int columns = columns_of(r);
    char text[40];
    printf("  %7zu  %11s", p->evaluated, show(p->loss, "%.6g", text));
    if (columns & PENALTY)
        put_cell("%.4g", p->penalty);
    if (columns & HELD_OUT)
        put_cell("%.6g", p->held_out);
    if (columns & ACCURACY)
        put_cell("%.4f", p->accuracy);
    if (columns & ACCURACY && columns & HELD_OUT)
        put_cell("%.4f", p->held_out_accuracy);
    if (columns & GRADIENT)
        put_cell("%.3g", p->gradient);
    if (columns & RATE)
        put_cell("%.3g", p->rate);
    if (columns & DEAD)
        put_cell("%.4f", p->dead);
    putchar('\n');
    fflush(stdout);
}

static void put_columns(const run *r)
{
    const int columns = columns_of(r);
    printf("\n  %7s  %11s", "epoch", "loss");
    if (columns & PENALTY)
        printf("  %11s", "penalty");
    if (columns & HELD_OUT)
        printf("  %11s", "held out");
    if (columns & ACCURACY)
        printf("  %11s", "accuracy");
    if (columns & ACCURACY && columns & HELD_OUT)
        printf("  %11s", "held out");
    if (columns & GRADIENT)
        printf("  %11s", "gradient");
    if (columns & RATE)
        printf("  %11s", "rate");
    if (columns & DEAD)
        printf("  %11s", "dead");
    putchar('\n');
}

/* Settings unlike the defaults, and those everybody asks for; as the statement they could be. */
static void put_settings(const run *r)
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

static void put_heading(const run *r)
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
    put_settings(r);
    for (size_t i = 0; r->updates && i < r->n_xs; i++)
        printf("%s%s", i ? ", " : "  by the model's own updates of ", gpf_node_name(g, r->xs[i]));
    if (r->updates)
        putchar('\n');
    for (size_t i = 0; gpf_model_note(r->model, i); i++)
        printf("  %s\n", gpf_model_note(r->model, i));
    if (*note)
        printf("  %s\n", note);
    if (r->resumed)
        printf("  resumed at epoch %zu, step %zu\n", p->epoch, p->step);
    put_columns(r);
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
static size_t line_after(const run *r, size_t epoch)
{
    const size_t epochs = gpf_train_how(r->train)->epochs;
    size_t step = r->o->print_every ? r->o->print_every : 1, next = 1;
    while (!r->o->print_every && step * LINES < epochs)
        step = grow(step);
    while (next <= epoch && next < step)
        next = grow(next);
    return next > epoch && !r->o->print_every ? next : (epoch / step + 1) * step;
}

static void clear_bar(run *r)
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

static void put_bar(run *r, double t)
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

/* The bar does not know of a line it has not drawn over. */
static int on_progress(void *arg, const gpf_progress *p)
{
    run *r = arg;
    if (r->log.file && p->end != GPF_TRAIN_PATIENCE &&
        cmd_log_row(&r->log, p, gpf_train_health(r->train)))
        return 1;
    if (r->table && (p->epoch >= r->next_line || p->end != GPF_TRAIN_RUNNING)) {
        clear_bar(r);
        put_line(r, p);
        r->next_line = line_after(r, p->epoch);
    }
    return 0;
}

/* The training. */

static int save(run *r)
{
    gpf_diag why = { 0 };
    const int status = gpf_train_save(r->train, r->o->save, &why);
    r->saved = cmd_now();
    r->unsaved = 0;
    if (!status)
        return 0;
    clear_bar(r);
    return cmd_fail_status(r->o, status, &why);
}

/* What would be written over must be a checkpoint; and a place where none can be is found out before
 * the work is done, not after. */
static int prepare_saving(run *r)
{
    const cmd *o = r->o;
    if (!o->save)
        return 0;
    if (access(o->save, F_OK))
        return save(r);
    if (!gpf_archive_is(o->save))
        return cmd_failf(o, GPF_EFILE,
                         "%s is there and no .npz or .safetensors file: it is not written over",
                         o->save);
    return 0;
}

/* Does a minimiser do it? It forgets where it was going when it is saved, so the clock must not say
 * when: the same run would give other numbers. */
static int minimizes(const run *r)
{
    return !r->updates && gpf_minimizer_find(gpf_train_how(r->train)->optimizer) != NULL;
}

static int save_if_due(run *r, double t)
{
    const gpf_progress *p = gpf_train_progress(r->train);
    const size_t every = r->o->save_every;
    if (!r->o->save)
        return 0;
    if (every) {
        if (p->step != p->epoch * p->steps || p->epoch % every || p->epoch == r->saved_epoch)
            return 0;
        r->saved_epoch = p->epoch;
        return save(r);
    }
    return !minimizes(r) && t - r->saved > SECONDS_TO_SAVE ? save(r) : 0;
}

/* To the end of the run, or until somebody has had enough. */
static int drive(run *r)
{
    const gpf_progress *p = gpf_train_progress(r->train);
    int status = 0;
    while (p->end == GPF_TRAIN_RUNNING && !cmd_interrupted() && !status) {
        const int trouble = gpf_train_step(r->train);
        if (trouble) {
            clear_bar(r);
            return cmd_fail_status(r->o, trouble, NULL);
        }
        r->unsaved = 1;
        const double t = cmd_now();
        if (p->end == GPF_TRAIN_RUNNING)
            status = save_if_due(r, t);
        put_bar(r, t);
    }
    clear_bar(r);
    return status;
}

/* The last good checkpoint is worth more than a params full of NaN. */
static int save_at_end(run *r)
{
    const gpf_progress *p = gpf_train_progress(r->train);
    return r->o->save && r->unsaved && p->end != GPF_TRAIN_NOT_FINITE ? save(r) : 0;
}

static int resume(run *r)
{
    gpf_diag why = { 0 };
    if (!r->o->resume)
        return 0;
    const int status = gpf_train_resume(r->train, r->o->resume, &why);
    r->resumed = !status;
    return status ? cmd_fail_status(r->o, status, &why) : 0;
}

static int open_log(run *r)
{
    const size_t *keep = r->resumed ? &gpf_train_progress(r->train)->epoch : NULL;
    return r->o->log ? cmd_log_open(r->o, r->o->log, keep, &r->log) : 0;
}

/* The report of the check that ended the run. */
static int put_check(const run *r, FILE *out, int json)
{
    static const char *const of_step[] = {
        "\"backprop\" is the step taken: (params before - after)/rate", NULL
    };
    gpf_report_options how = gpf_report_defaults();
    if (strstr(gpf_train_progress(r->train)->why, "(before - after)"))
        how.notes = of_step;
    how.model = r->o->args[0];
    how.output = r->loss;
    how.model_seed = gpf_model_seed(r->model);
    how.seconds = -1;
    how.color = !json && cmd_use_color(r->o);
    return (json ? gpf_report_json : gpf_report_text)(out, gpf_train_check(r->train), &how);
}

static int exit_status(const run *r)
{
    return r->trouble ? GPF_OUTCOME_TROUBLE : ends[gpf_train_progress(r->train)->end].status;
}

static void put_loss(const run *r, const gpf_progress *p)
{
    char text[40];
    printf("; %s %s", r->loss, show(p->loss, "%.6g", text));
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
    printf("%s%s: %s", r->table ? "\n" : "", r->log.failed ? "stopped" : ends[p->end].word,
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
    else if (ends[p->end].status == 3)
        printf("saved in %s; the same command with --resume %s goes on\n", o->save, o->save);
    else
        printf("saved in %s\n", o->save);
}

static json_t *number(double x)
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
    if (!bad)
        return all;
    json_decref(all);
    return NULL;
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
        bad |= json_object_set_new(all, real[i].name, number(real[i].value));
        if (!isfinite(real[i].value)) {
            snprintf(text, sizeof text, "%s_text", real[i].name);
            bad |= json_object_set_new(all, text, json_string(gpf__json_nonfinite(real[i].value)));
        }
    }
    if (!bad)
        return all;
    json_decref(all);
    return NULL;
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
    bad |= json_object_set_new(all, "end", json_string(ends[p->end].name));
    bad |= json_object_set_new(all, "why", cmd_json_text(p->why));
    if (p->end == GPF_TRAIN_WRONG && gpf_train_check(r->train))
        bad |= json_object_set_new(all, "check", check_json(r));
    bad |= json_object_set_new(all, "saved", r->o->save ? cmd_json_text(r->o->save) : json_null());
    bad |= json_object_set_new(all, "seconds", json_real(seconds));
    bad |= json_object_set_new(all, "exit_status", json_integer(exit_status(r)));
    if (bad) {
        json_decref(all);
        all = NULL;
    }
    return cmd_put_json(r->o, all);
}

static int report(run *r)
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

static int train_once(run *r)
{
    int status = prepare(r);
    if (!status)
        status = resume(r);
    if (!status)
        status = prepare_saving(r);
    if (!status)
        status = open_log(r);
    if (status)
        return status;
    const gpf_progress *p = gpf_train_progress(r->train);
    r->first_step = p->step;
    r->saved_epoch = p->epoch;
    r->next_line = r->resumed ? line_after(r, p->epoch) : 0;
    r->table = !r->o->quiet && !r->o->json;
    r->bar = r->table && isatty(STDERR_FILENO);
    r->start = r->saved = cmd_now();
    if (r->table)
        put_heading(r);
    status = drive(r);
    if (!status)
        status = save_at_end(r);
    return status ? status : report(r);
}

/* One line per seed. */

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
    bad |= json_object_set_new(row, "loss", number(p->loss));
    bad |= json_object_set_new(row, "held_out", number(p->held_out));
    bad |= json_object_set_new(row, "accuracy", number(p->accuracy));
    bad |= json_object_set_new(row, "held_out_accuracy", number(p->held_out_accuracy));
    bad |= json_object_set_new(row, "dead", number(p->dead));
    bad |= json_object_set_new(row, "end", json_string(ends[p->end].name));
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
        fprintf(s->log, "\t%s\n", ends[p->end].name);
    }
    bad |= json_array_append_new(s->rows, row);
    s->loss[s->n] = p->loss;
    s->accuracy[s->n++] = p->accuracy;
    return bad;
}

static int seed_line(const run *r, size_t seed, int first)
{
    const gpf_progress *p = gpf_train_progress(r->train);
    const int columns = columns_of(r);
    char text[40];
    if (first) {
        printf("%s: training %s from every seed\n", r->o->args[0], r->loss);
        put_settings(r);
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
    printf("  %7zu  %7zu  %11s", seed, p->evaluated, show(p->loss, "%.6g", text));
    if (columns & HELD_OUT)
        put_cell("%.6g", p->held_out);
    if (columns & ACCURACY)
        put_cell("%.4f", p->accuracy);
    if (columns & ACCURACY && columns & HELD_OUT)
        put_cell("%.4f", p->held_out_accuracy);
    if (columns & DEAD)
        put_cell("%.4f", p->dead);
    printf("  %s\n", ends[p->end].name);
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
           show(s->loss[0], "%.6g", lo), show(s->loss[s->n - 1], "%.6g", hi),
           show(s->loss[s->n / 2], "%.6g", mid));
    if (decided)
        printf("; all samples right in %zu", all_right);
    putchar('\n');
}

static int train_seeds(const cmd *o, seeds *s)
{
    int worst = 0, status = 0;
    char loss[100] = "";
    for (size_t seed = o->seeds[0]; seed <= o->seeds[1] && !cmd_interrupted(); seed++) {
        cmd one = *o;
        one.seed = seed;
        run r = { .o = &one };
        status = prepare(&r);
        if (!status)
            status = drive(&r);
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
        free_run(&r);
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

static int many_seeds(const cmd *o)
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
        status = train_seeds(o, &s);
    if (s.log && fclose(s.log) && status != GPF_OUTCOME_TROUBLE)
        status = cmd_failf(o, GPF_EFILE, "%s: %s", o->log, strerror(errno));
    json_decref(s.rows);
    free(s.loss);
    free(s.accuracy);
    return status;
}

int cmd_train(const cmd *o)
{
    const int many = o->seeds[1] != CMD_NOT_GIVEN;
    if (o->resume && o->at)
        return cmd_usage(o, "one of --resume and --load: a checkpoint has the params too", "");
    if (many && (o->save || o->resume))
        return cmd_usage(o, "--seeds goes without --save and --resume", "");
    if (many && o->seed != CMD_NOT_GIVEN)
        return cmd_usage(o, "one of --seed and --seeds", "");
    if (many && !strcmp(o->args[0], "-"))
        return cmd_usage(o, "--seeds reads the model once per seed: it cannot be standard input",
                         "");
    if (o->save_every && !o->save)
        return cmd_usage(o, "--save-every needs --save FILE", "");
    if (o->threads)
        cmd_blas_threads((int)o->threads);
    cmd_watch_interrupt();
    if (many)
        return many_seeds(o);
    run r = { .o = o };
    const int status = train_once(&r);
    free_run(&r);
    return status;
}
