/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gradproof check: is the gradient right, do the claims hold? */
#include "callback.h"
#include <stdlib.h>
#include <string.h>

/* Everything a check needs and leaves behind, freed in one place. */
typedef struct job {
    gpf_model *model;
    const char *output;
    gpf_check *check;
    cmd_named *targets;
    gpf_node *xs;
    gpf_claim_result *results;
    gpf_report_claim *claims;
    const char **notes;
} job;

static void free_job(job *j)
{
    gpf_check_free(j->check);
    gpf_model_free(j->model);
    free(j->targets);
    free(j->xs);
    free(j->results);
    free(j->claims);
    free(j->notes);
}

/* Prepares the check of the elements, if there is an output and something to differentiate by. */
static int prepare(const cmd *o, job *j)
{
    gpf_node y;
    size_t n;
    double value;
    int status = cmd_output(o, j->model, &y, &j->output);
    if (status)
        return status;
    size_t claims = o->claims == CMD_NO_CLAIMS ? 0 : gpf_model_n_claims(j->model);
    size_t params = gpf_graph_n_param_tensors(gpf_model_graph(j->model));
    int asked = o->of || o->n_wrt;
    /* A model of claims may set sizes, H = 3, but they are not what is to be checked. */
    int output = y != GPF_NONE && !gpf_node_is_const(gpf_model_graph(j->model), y, &value);
    if (o->claims == CMD_CLAIMS && !claims)
        return cmd_failf(o, GPF_ENOTHING, "%s: nothing to check: the model has no claim",
                         o->args[0]);
    if (o->claims == CMD_CLAIMS || (claims && !asked && (!output || !params)))
        return 0;
    if (y == GPF_NONE)
        return cmd_failf(o, GPF_ENOTHING,
                         "%s: nothing to check: no node called loss, no one-element assignment%s",
                         o->args[0], claims ? "" : " and no claim");
    if (!params && !o->n_wrt)
        return cmd_failf(o, GPF_ENOTHING,
                         "%s: nothing to check: the model has no param; --wrt names other nodes",
                         o->args[0]);
    status = cmd_targets(o, j->model, &j->targets, &n);
    if (status)
        return status;
    j->xs = malloc((n ? n : 1) * sizeof *j->xs);
    if (!j->xs)
        return cmd_fail_status(o, GSL_ENOMEM, NULL);
    for (size_t i = 0; i < n; i++)
        j->xs[i] = j->targets[i].node;
    gpf_diag why = { 0 };
    status = gpf_model_bound(j->model, &y, 1, &why);
    if (status)
        return cmd_fail_status(o, status, &why);
    j->check =
        gpf_check_alloc(gpf_model_graph(j->model), y, j->xs, NULL, n,
                        gpf_point_batch(gpf_model_point(j->model)), gpf_model_seed(j->model), &why);
    return j->check ? 0 : cmd_fail_status(o, why.status ? why.status : GSL_ENOMEM, &why);
}

/* Tests the claims until interrupted; *n says how many. */
static int test_claims(const cmd *o, job *j, size_t *n)
{
    size_t total = o->claims == CMD_NO_CLAIMS ? 0 : gpf_model_n_claims(j->model);
    *n = 0;
    j->results = calloc(total ? total : 1, sizeof *j->results);
    j->claims = calloc(total ? total : 1, sizeof *j->claims);
    if (!j->results || !j->claims)
        return cmd_fail_status(o, GSL_ENOMEM, NULL);
    for (size_t i = 0; i < total && !cmd_interrupted(); i++) {
        gpf_model_claim claim = gpf_model_claim_at(j->model, i);
        int status = gpf_claim_run(gpf_model_graph(j->model), claim.left, claim.right, claim.uses,
                                   claim.n_uses, gpf_model_point(j->model),
                                   gpf_model_seed(j->model), &j->results[i]);
        if (status)
            return cmd_fail_status(o, status, NULL);
        j->claims[i] = (gpf_report_claim){ claim.text, claim.line, &j->results[i] };
        *n = i + 1;
    }
    return 0;
}

/* The model's notes on what is checked, NULL-terminated. */
static int collect_notes(const cmd *o, job *j)
{
    size_t n = 0;
    while (gpf_model_note(j->model, n))
        n++;
    j->notes = calloc(n + 1, sizeof *j->notes);
    if (!j->notes)
        return cmd_fail_status(o, GSL_ENOMEM, NULL);
    for (size_t i = 0, k = 0; i < n; i++)
        if (!j->check || gpf_model_note_concerns(j->model, i, gpf_check_output(j->check)))
            j->notes[k++] = gpf_model_note(j->model, i);
    return 0;
}

/* Why the check ended before its end, "" if it did not. */
static void tell_stopped(const gpf_check *c, const gpf_check_options *how, int by_user, char *buf,
                         size_t size)
{
    gpf_tally all = gpf_check_tally(c, -1);
    size_t wanted = 0, wrong = all.count[GPF_WRONG];
    for (size_t t = 0; t < gpf_check_n_tensors(c); t++) {
        size_t total = gpf_check_tally(c, (int)t).total;
        wanted += how->sample && how->sample < total ? how->sample : total;
    }
    if (how->fast) {
        if (by_user)
            snprintf(buf, size, "interrupted");
        else if (how->max_failures && wrong >= how->max_failures)
            snprintf(buf, size, "stopped at %zu wrong", wrong);
    } else if (by_user) {
        snprintf(buf, size, "interrupted after %zu of %zu elements", all.checked, wanted);
    } else if (how->max_failures && all.checked < wanted) {
        snprintf(buf, size, "stopped at %zu wrong, after %zu of %zu elements", wrong, all.checked,
                 wanted);
    }
}

static int check_model(const cmd *o, job *j)
{
    char stopped[96] = "";
    if (o->fast && o->sample)
        return cmd_usage(o, "one of --fast and --sample", "");
    cmd_watch_interrupt();
    j->model = cmd_model(o);
    int status = j->model ? prepare(o, j) : GPF_OUTCOME_TROUBLE;
    if (!status)
        status = collect_notes(o, j);
    if (status)
        return status;

    cmd_progress p = cmd_progress_start(o);
    gpf_check_options how = gpf_check_defaults();
    how.sample = o->sample;
    how.fast = o->fast;
    how.max_failures = o->max_failures;
    how.threads = (int)o->threads;
    how.seed = gpf_model_seed(j->model);
    how.progress = cmd_progress_show;
    how.progress_arg = &p;
    if (j->check) {
        gpf_diag why = { 0 };
        status = gpf_check_run(j->check, gpf_model_point(j->model), &how, &why);
        cmd_progress_end(&p);
        if (status && status != GPF_ECANCEL)
            return cmd_fail_status(o, status, &why);
        tell_stopped(j->check, &how, status == GPF_ECANCEL, stopped, sizeof stopped);
    }
    size_t n_claims;
    status = test_claims(o, j, &n_claims);
    if (status)
        return status;
    if (cmd_interrupted() && !*stopped)
        snprintf(stopped, sizeof stopped, "interrupted after %zu claim%s", n_claims,
                 n_claims == 1 ? "" : "s");

    gpf_report_options report = gpf_report_defaults();
    report.all = o->all;
    report.quiet = o->quiet;
    report.color = cmd_use_color(o);
    report.model = strcmp(o->args[0], "-") ? o->args[0] : "standard input";
    report.output = j->output;
    report.notes = j->notes;
    report.claims = j->claims;
    report.n_claims = n_claims;
    report.how = &how;
    report.model_seed = gpf_model_seed(j->model);
    report.seconds = cmd_now() - p.start;
    report.stopped = *stopped ? stopped : NULL;
    status = (o->json ? gpf_report_json : gpf_report_text)(stdout, j->check, &report);
    if (status && status != GSL_EFAILED) /* main tells of write errors */
        return cmd_fail_status(o, status, NULL);
    return (int)gpf_report_outcome(j->check, &report);
}

int cmd_check(const cmd *o)
{
    job j = { 0 };
    if (o->plugin || o->exec)
        return callback_check(o);
    if (!o->n_args)
        return cmd_usage(o, "missing argument MODEL, or --plugin or --exec", "");
    if (o->callback_option)
        return cmd_usage(o, "this option needs --plugin or --exec: --", o->callback_option);
    int status = check_model(o, &j);
    free_job(&j);
    return status;
}
