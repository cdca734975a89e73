/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gradproof train: fits the params of a model. */
#define _POSIX_C_SOURCE 200809L /* isatty, access */
#include "training.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECONDS_TO_SAVE = 10 };

void train_free(run *r)
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
    if (o->rows == CMD_ALL_ROWS)
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

int train_prepare(run *r)
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
    r->y = loss;
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

static int on_progress(void *arg, const gpf_progress *p)
{
    run *r = arg;
    if (r->log.file && p->end != GPF_TRAIN_PATIENCE &&
        cmd_log_row(&r->log, p, gpf_train_health(r->train)))
        return 1;
    if (r->table && (p->epoch >= r->next_line || p->end != GPF_TRAIN_RUNNING)) {
        train_clear_bar(r);
        train_line(r, p);
        r->next_line = train_line_after(r, p->epoch);
    }
    return 0;
}

static int save(run *r)
{
    gpf_diag why = { 0 };
    const int status = gpf_train_save(r->train, r->o->save, &why);
    r->saved = cmd_now();
    r->unsaved = 0;
    if (!status)
        return 0;
    train_clear_bar(r);
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
int train_drive(run *r)
{
    const gpf_progress *p = gpf_train_progress(r->train);
    int status = 0;
    while (p->end == GPF_TRAIN_RUNNING && !cmd_interrupted() && !status) {
        const int trouble = gpf_train_step(r->train);
        if (trouble) {
            train_clear_bar(r);
            return cmd_fail_status(r->o, trouble, NULL);
        }
        r->unsaved = 1;
        const double t = cmd_now();
        if (p->end == GPF_TRAIN_RUNNING)
            status = save_if_due(r, t);
        train_bar(r, t);
    }
    train_clear_bar(r);
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

static int train_once(run *r)
{
    int status = train_prepare(r);
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
    r->next_line = r->resumed ? train_line_after(r, p->epoch) : 0;
    r->table = !r->o->quiet && !r->o->json;
    r->bar = r->table && isatty(STDERR_FILENO);
    r->start = r->saved = cmd_now();
    if (r->table)
        train_heading(r);
    status = train_drive(r);
    if (!status)
        status = save_at_end(r);
    return status ? status : train_report(r);
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
    if (cmd_log_check(o))
        return GPF_OUTCOME_TROUBLE;
    cmd_watch_interrupt();
    if (many)
        return train_seeds(o);
    run r = { .o = o };
    const int status = train_once(&r);
    train_free(&r);
    return status;
}
