/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Making a training loop: what is computed over which samples. loop.c runs it. */
#include "base/text.h"
#include "plan/plan.h"
#include "train/loop.h"

#include <gradproof/grad.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

gpf_train_with gpf_train_plain(void)
{
    return (gpf_train_with){
        .task = { .prediction = GPF_NONE, .target = GPF_NONE },
        .rate = GPF_NONE,
    };
}

static const char *label(const gpf_graph *g, gpf_node n, char buf[80])
{
    return gpf_node_label(g, n, buf, 80);
}

static int no_memory(gpf_diag *why)
{
    return gpf__diag(why, GSL_ENOMEM, "no memory for the training");
}

static bool one_element(gpf_shape s)
{
    return gpf_shape_size(s, 1) == 1 && gpf_shape_size(s, 2) == 1;
}

static int check_loss(const gpf_train *t, gpf_diag *why)
{
    char name[80], shape[64];
    if (!gpf__ok(t->g, t->loss))
        return gpf_graph_status(t->g, why);
    const gpf_shape s = gpf_node_shape(t->g, t->loss);
    if (!one_element(s))
        return gpf__diag(why, GPF_ESHAPE, "the loss %s is %s, one element is expected (sum it)",
                         label(t->g, t->loss, name), gpf_shape_text(s, shape, sizeof shape));
    if (t->at->n_params != t->g->n_params)
        return gpf__diag(why, GPF_EDATA,
                         "the point knows %zu params, the graph has %zu: make it anew",
                         t->at->n_params, t->g->n_params);
    return GSL_SUCCESS;
}

/* Every data leaf that some of the nodes need has values at the point. */
static int check_bound(const gpf_train *t, const gpf_point *at, const char *what,
                       const gpf_node *nodes, size_t n, gpf_diag *why)
{
    unsigned char *need = gpf__needed(t->g, nodes, n);
    int status = need ? GSL_SUCCESS : no_memory(why);
    for (size_t i = 0; !status && i < gpf_graph_n_data(t->g); i++) {
        const gpf_node leaf = gpf_graph_data(t->g, i);
        if (need[leaf] && leaf != t->with.rate && !gpf_point_values(at, leaf))
            status = gpf__diag(why, GPF_EUNBOUND, "data %s has no values%s",
                               gpf_node_name(t->g, leaf), what);
    }
    free(need);
    return status;
}

static int take_xs(gpf_train *t, const gpf_train_with *with, gpf_diag *why)
{
    char name[80];
    t->n_xs = with->xs ? with->n_xs : gpf_graph_n_param_tensors(t->g);
    if (t->n_xs == 0)
        return gpf__diag(why, GPF_ENOTHING, "there is no param to train");
    t->xs = malloc(t->n_xs * sizeof *t->xs);
    if (!t->xs)
        return no_memory(why);
    for (size_t i = 0; i < t->n_xs; i++) {
        const gpf_node x = t->xs[i] = with->xs ? with->xs[i] : gpf_graph_param(t->g, i);
        if (!gpf__ok(t->g, x))
            return gpf_graph_status(t->g, why);
        if (!gpf_node_is_param(t->g, x))
            return gpf__diag(why, GPF_EDATA, "%s cannot be trained: it is no param",
                             label(t->g, x, name));
        for (size_t k = 0; k < i; k++)
            if (t->xs[k] == x)
                return gpf__diag(why, GPF_ENAME, "param %s is to be trained twice",
                                 gpf_node_name(t->g, x));
        t->n += gpf_shape_size(gpf_node_shape(t->g, x), 0);
    }
    t->whole = t->n_xs == gpf_graph_n_param_tensors(t->g);
    for (size_t i = 0; t->whole && i < t->n_xs; i++)
        t->whole = t->xs[i] == gpf_graph_param(t->g, i);
    return GSL_SUCCESS;
}

/* Update rules; a param without one stays, which is a rule too. */
static int take_updates(gpf_train *t, const gpf_train_with *with, gpf_diag *why)
{
    if (!with->updates)
        return GSL_SUCCESS;
    t->updates = malloc(t->n_xs * sizeof *t->updates);
    if (!t->updates)
        return no_memory(why);
    for (size_t i = 0; i < t->n_xs; i++) {
        const gpf_node x = t->xs[i], u = with->updates[i] == GPF_NONE ? x : with->updates[i];
        if (!gpf__ok(t->g, u))
            return gpf_graph_status(t->g, why);
        const gpf_shape is = gpf_node_shape(t->g, u), want = gpf_node_shape(t->g, x);
        char a[64], b[64];
        if (!gpf_shape_equal(is, want))
            return gpf__diag(why, GPF_ESHAPE, "the update of %s is %s, %s is expected",
                             gpf_node_name(t->g, x), gpf_shape_text(is, a, sizeof a),
                             gpf_shape_text(want, b, sizeof b));
        t->updates[i] = u;
    }
    return GSL_SUCCESS;
}

static int check_with(gpf_train *t, gpf_diag *why)
{
    const gpf_train_with *w = &t->with;
    char name[80];
    if (w->rate != GPF_NONE) {
        if (!gpf__ok(t->g, w->rate))
            return gpf_graph_status(t->g, why);
        if (!gpf_node_is_data(t->g, w->rate) || gpf_node_shape(t->g, w->rate).rank != 0)
            return gpf__diag(why, GPF_ESHAPE, "the learning rate %s must be scalar data",
                             label(t->g, w->rate, name));
    }
    if (w->task.decision != GPF_DECIDE_NOTHING) {
        if (!gpf__ok(t->g, w->task.prediction) || !gpf__ok(t->g, w->task.target))
            return gpf_graph_status(t->g, why);
    }
    if (!isnan(t->how.until_accuracy) && w->task.decision == GPF_DECIDE_NOTHING)
        return gpf__diag(why, GPF_ENAME,
                         "until_accuracy needs classes, but nothing shows how one is decided");
    if (w->held_out && t->N && !gpf_point_batch(w->held_out))
        return gpf__diag(why, GPF_EDATA, "nothing is held out: the point has no samples");
    return GSL_SUCCESS;
}

static int cut_batches(gpf_train *t, gpf_diag *why)
{
    bool samples = false;
    for (size_t i = 0; i < t->at->n_data; i++)
        samples = samples || gpf__has_samples(t->g, t->at->data_node[i]);
    t->N = gpf_point_batch(t->at);
    t->B = t->how.batch && t->how.batch < t->N ? t->how.batch : t->N;
    if (t->how.batch && (!samples || t->N == 0))
        return gpf__diag(why, GPF_EDATA,
                         "batch %zu: no data has N rows to take some of; without a batch, every "
                         "step takes all",
                         t->how.batch);
    t->steps = t->N ? (t->N + t->B - 1) / t->B : 1;
    if (t->B == t->N)
        return GSL_SUCCESS;
    t->order = malloc(t->N * sizeof *t->order);
    if (!t->order)
        return no_memory(why);
    for (size_t i = 0; i < t->N; i++)
        t->order[i] = i;
    return GSL_SUCCESS;
}

static void list_name(char *buf, size_t size, const char *name)
{
    gpf__append(buf, size, "%s%s", *buf ? ", " : "", name);
}

/* Which params are weights, and what share of the penalty a batch gets. */
static int take_penalty(gpf_train *t, gpf_diag *why)
{
    char weights[200] = "", biases[120] = "";
    t->squares = GPF_NONE;
    if (t->how.l2 == 0)
        return GSL_SUCCESS;
    for (size_t i = 0; i < t->n_xs; i++) {
        int bias;
        if (gpf__is_bias(t->g, t->loss, t->xs[i], &bias))
            return no_memory(why);
        const char *name = gpf_node_name(t->g, t->xs[i]);
        list_name(bias ? biases : weights, bias ? sizeof biases : sizeof weights, name);
        if (bias)
            continue;
        const gpf_node squares = gpf_sum(t->g, gpf_square(t->g, t->xs[i]), GPF_ALL_AXES);
        t->squares = t->squares == GPF_NONE ? squares : gpf_add(t->g, t->squares, squares);
    }
    if (t->squares == GPF_NONE)
        return gpf__diag(why, GPF_EDATA, "l2: no weights: the params (%s) are only added", biases);
    const int status = t->N ? gpf__loss_scale(t->g, t->loss, t->at, &t->scale) : GSL_SUCCESS;
    if (status)
        return gpf__diag(why, status, "l2: %s", gpf__plan_error(status));
    if (t->B < t->N && t->scale == GPF__UNKNOWN)
        return gpf__diag(why, GPF_EDATA,
                         "l2 with a batch: the loss neither sums nor averages over samples (twice "
                         "the samples give neither 2 nor 1 times the loss), so a batch's part of "
                         "the penalty is not known; use batch 0");
    gpf__format(t->note, sizeof t->note,
                "l2 %.15g: adds %.15g/2 * sum of squares of %s%s%s%s to the loss", t->how.l2,
                t->how.l2, weights, *biases ? " (not of " : "", biases, *biases ? ")" : "");
    const char *over = t->scale == GPF__SUMS ? "sums over" : "is a mean over";
    if (t->B == t->N && t->scale != GPF__UNKNOWN)
        gpf__append(t->note, sizeof t->note, ", which %s %zu samples", over, t->N);
    else if (t->B < t->N && t->scale == GPF__SUMS)
        gpf__append(t->note, sizeof t->note,
                    "; the loss sums over samples, so a batch of %zu of %zu gets %zu/%zu of it",
                    t->B, t->N, t->B, t->N);
    else if (t->B < t->N)
        gpf__append(t->note, sizeof t->note,
                    "; the loss is a mean over samples, so every batch gets all of it");
    return GSL_SUCCESS;
}

/* lambda/2 |W|^2, or a batch's share of it. */
static gpf_node penalty(const gpf_train *t, size_t n)
{
    const double share = t->scale == GPF__SUMS && n < t->N ? (double)n / (double)t->N : 1;
    return gpf_mul(t->g, gpf_const(t->g, t->how.l2 / 2 * share), t->squares);
}

/* What a batch minimises, and the gradient of that. */
static int build_objective(gpf_train *t, gpf__batch *b, size_t n, bool gradient, gpf_diag *why)
{
    b->objective = t->loss;
    if (t->squares != GPF_NONE)
        b->objective = gpf_add(t->g, t->loss, penalty(t, n));
    if (!gradient)
        return gpf_graph_status(t->g, why);
    b->change = malloc(t->n_xs * sizeof *b->change);
    if (!b->change)
        return no_memory(why);
    if (t->updates) {
        memcpy(b->change, t->updates, t->n_xs * sizeof *b->change);
        return gpf_graph_status(t->g, why);
    }
    if (gpf_grad(t->g, b->objective, t->xs, t->n_xs, b->change))
        return gpf_graph_status(t->g, why);
    bool some = false;
    for (size_t i = 0; i < t->n_xs; i++) {
        some = some || b->change[i] != GPF_NONE;
        if (b->change[i] == GPF_NONE)
            b->change[i] = gpf_broadcast(t->g, gpf_const(t->g, 0), gpf_node_shape(t->g, t->xs[i]));
    }
    if (!some && gpf_graph_status(t->g, why) == GSL_SUCCESS)
        return gpf__diag(why, GPF_ENOTHING, "the loss depends on no param that is to be trained");
    return gpf_graph_status(t->g, why);
}

typedef struct outputs {
    gpf_node *node;
    size_t n;
} outputs;

static void ask(gpf__batch *b, outputs *o, int role, gpf_node node)
{
    b->out[role] = (int)o->n;
    o->node[o->n++] = node;
}

/* Point and plan of a batch whose nodes are built. judge: the loss and what it is judged by. */
static int plan_batch(gpf_train *t, gpf__batch *b, const gpf_point *like, size_t n, bool judge,
                      gpf_diag *why)
{
    outputs o = { malloc((t->n_xs + GPF__ROLES) * sizeof *o.node), 0 };
    int status = o.node ? gpf__batch_make(b, t->g, like, t->at->theta, n, like == t->at && n < t->N)
                        : GSL_ENOMEM;
    for (int i = 0; i < GPF__ROLES; i++)
        b->out[i] = -1;
    if (!status)
        status = gpf__batch_own(b, t->with.rate, &t->rate);
    if (!status) {
        if (b->objective != GPF_NONE)
            ask(b, &o, GPF__OBJECTIVE, b->objective);
        if (judge)
            ask(b, &o, GPF__LOSS, t->loss);
        if (judge && like == t->at && t->squares != GPF_NONE)
            ask(b, &o, GPF__PENALTY, penalty(t, n));
        if (judge && t->with.task.decision != GPF_DECIDE_NOTHING) {
            ask(b, &o, GPF__PREDICTION, t->with.task.prediction);
            ask(b, &o, GPF__TARGET, t->with.task.target);
        }
        for (size_t i = 0; b->change && i < t->n_xs; i++)
            ask(b, &o, GPF__CHANGE, b->change[i]);
        if (b->change)
            b->out[GPF__CHANGE] -= (int)t->n_xs - 1; /* the first of them */
        status = gpf_graph_status(t->g, why);
        if (!status)
            status = gpf__batch_plan(b, t->g, o.node, o.n);
    }
    free(o.node);
    if (status && gpf_graph_status(t->g, why) == GSL_SUCCESS)
        gpf__diag(why, status, "%s", gpf__plan_error(status));
    return status;
}

static int check_task(const gpf_train *t, const gpf__batch *b, gpf_diag *why)
{
    if (b->out[GPF__PREDICTION] < 0)
        return GSL_SUCCESS;
    const gpf_decision d = t->with.task.decision;
    gpf_shape p = gpf_plan_output_shape(b->plan, (size_t)b->out[GPF__PREDICTION]),
              y = gpf_plan_output_shape(b->plan, (size_t)b->out[GPF__TARGET]);
    size_t rows[2], cols[2];
    gpf__rows_of(p, &rows[0], &cols[0]);
    gpf__rows_of(y, &rows[1], &cols[1]);
    char a[64], c[64];
    if (rows[0] != rows[1] || !(cols[0] == cols[1] || (d == GPF_DECIDE_ARGMAX && cols[1] == 1)))
        return gpf__diag(why, GPF_ESHAPE, "no accuracy: predictions are %s but targets are %s",
                         gpf_shape_text(p, a, sizeof a), gpf_shape_text(y, c, sizeof c));
    return GSL_SUCCESS;
}

void gpf__rows_of(gpf_shape s, size_t *rows, size_t *cols)
{
    const size_t size = gpf_shape_size(s, 0);
    *cols = s.rank >= 2 ? (size_t)s.dim[s.rank - 1] : 1;
    *rows = size / *cols;
}

/* All that is added to the graph, so that points made afterwards know every leaf. */
static int build(gpf_train *t, gpf_diag *why)
{
    const bool steps = t->B == t->N;
    t->all.objective = t->held.objective = t->part.objective = t->rest.objective = GPF_NONE;
    int status = take_penalty(t, why);
    /* Where steps take batches, the gradient of all samples is for until_gradient only. */
    const bool gradient = steps || !isnan(t->how.until_gradient);
    if (!status)
        status = build_objective(t, &t->all, t->N, gradient, why);
    if (!status && t->B < t->N)
        status = build_objective(t, &t->part, t->B, true, why);
    if (!status && t->N && t->N % t->B)
        status = build_objective(t, &t->rest, t->N % t->B, true, why);
    if (!status && t->minimizing)
        status = build_objective(t, &t->part, t->N, false, why);
    if (!status && t->how.check_every) {
        t->check =
            gpf_check_alloc(t->g, t->all.objective, t->xs, NULL, t->n_xs, t->N, t->how.seed, why);
        status = t->check ? GSL_SUCCESS : why->status;
    }
    if (!status && t->how.check_step) {
        const gpf_node y = t->B < t->N ? t->part.objective : t->all.objective;
        status =
            gpf__step_check_make(t->g, y, t->xs, t->n_xs, t->B, t->how.seed, &t->step_check, why);
    }
    if (!status && t->how.health) {
        const bool plain = !t->updates && !strcmp(t->how.optimizer, "sgd");
        t->health =
            gpf_health_alloc(t->g, t->loss, t->N, &t->with.task, plain ? t->how.rate : NAN, why);
        status = t->health ? GSL_SUCCESS : why->status;
    }
    if (!status && t->minimizing && !t->minimizing->type)
        status =
            gpf__residuals_make(t->g, t->all.objective, t->xs, t->n_xs, t->N, &t->residuals, why);
    return status;
}

static int plan(gpf_train *t, gpf_diag *why)
{
    int status = plan_batch(t, &t->all, t->at, t->N, true, why);
    if (!status && (t->B < t->N || t->minimizing))
        status = plan_batch(t, &t->part, t->at, t->B, false, why);
    if (!status && t->rest.change)
        status = plan_batch(t, &t->rest, t->at, t->N % t->B, false, why);
    if (!status && t->with.held_out)
        status =
            plan_batch(t, &t->held, t->with.held_out, gpf_point_batch(t->with.held_out), true, why);
    if (!status)
        status = check_task(t, &t->all, why);
    if (!status && t->with.held_out)
        status = check_task(t, &t->held, why);
    return status;
}

static int set_up_optimizer(gpf_train *t, gpf_diag *why)
{
    if (t->updates)
        return GSL_SUCCESS;
    if (t->minimizing) {
        gpf__objective f;
        gpf__train_objective(t, &f);
        const int status =
            gpf__minimizer_make(t->minimizing, &f, t->how.rate, t->how.tolerance, &t->minimizer);
        return status ? gpf__diag(why, status, "%s for %zu params: %s", t->how.optimizer, t->n,
                                  gpf__plan_error(status))
                      : GSL_SUCCESS;
    }
    t->optimizer = gpf_optimizer_alloc(gpf_optimizer_find(t->how.optimizer), t->n);
    if (!t->optimizer)
        return no_memory(why);
    const gpf_optimizer_kind *kind = gpf_optimizer_kind_of(t->optimizer);
    for (int i = 0; i < GPF_MAX_SETTINGS && kind->setting[i].name; i++) {
        const gpf_setting *s = gpf_setting_find(kind->setting[i].name);
        const double v = *(const double *)(const void *)((const char *)&t->how + s->offset);
        if (!isnan(v) && gpf_optimizer_set(t->optimizer, s->name, v))
            return gpf__diag(why, GSL_EDOM, "%s: %s must be from %g to below %g, not %g",
                             kind->name, s->name, kind->setting[i].lo, kind->setting[i].hi, v);
    }
    return GSL_SUCCESS;
}

static int reserve(gpf_train *t, gpf_diag *why)
{
    t->seen = malloc(t->at->n_params * sizeof *t->seen);
    t->before = malloc(t->at->n_params * sizeof *t->before);
    bool ok = t->seen && t->before;
    if (!t->whole || t->minimizing)
        ok = ok && (t->theta = gsl_vector_calloc(t->n));
    if (t->how.clip > 0)
        ok = ok && (t->scaled = malloc(t->n * sizeof *t->scaled));
    if (t->how.patience)
        ok = ok && (t->best = calloc(t->n, sizeof *t->best)); /* may be saved before it is set */
    return ok ? GSL_SUCCESS : no_memory(why);
}

static int make(gpf_train *t, const gpf_train_with *with, gpf_diag *why)
{
    int status = gpf__settings_check(&t->how, with->updates != NULL, why);
    if (status)
        return status;
    t->minimizing = with->updates ? NULL : gpf_minimizer_find(t->how.optimizer);
    if ((status = check_loss(t, why)) || (status = take_xs(t, with, why)) ||
        (status = take_updates(t, with, why)) || (status = cut_batches(t, why)) ||
        (status = check_with(t, why)))
        return status;
    const gpf_node needed[] = { t->loss, t->with.task.prediction, t->with.task.target };
    status = check_bound(t, t->at, "", needed, 3, why);
    if (!status && t->updates)
        status = check_bound(t, t->at, "", t->updates, t->n_xs, why);
    if (!status && t->with.held_out)
        status = check_bound(t, t->with.held_out, " among what is held out", needed, 3, why);
    if (!status)
        status = build(t, why);
    if (!status)
        status = plan(t, why);
    if (!status)
        status = reserve(t, why);
    return status ? status : set_up_optimizer(t, why);
}

gpf_train *gpf_train_alloc(gpf_graph *g, gpf_node loss, gpf_point *at, const gpf_train_options *how,
                           const gpf_train_with *with, gpf_diag *why)
{
    const gpf_train_with nothing = gpf_train_plain();
    gpf_diag unused;
    with = with ? with : &nothing;
    why = why ? why : &unused; /* always asked for the status */
    gpf_train *t = calloc(1, sizeof *t);
    if (!t) {
        no_memory(why);
        return NULL;
    }
    t->g = g;
    t->loss = loss;
    t->at = at;
    t->how = how ? *how : gpf_train_defaults();
    t->with = *with;
    t->with.xs = t->with.updates = NULL;
    t->ordered = SIZE_MAX;
    t->due = true;
    if (make(t, with, why)) {
        gpf_train_free(t);
        return NULL;
    }
    t->now.progress = (gpf_progress){
        .steps = t->steps,
        .samples = t->N,
        .held_out_samples = t->with.held_out ? gpf_point_batch(t->with.held_out) : 0,
        .loss = NAN,
        .penalty = NAN,
        .held_out = NAN,
        .accuracy = NAN,
        .held_out_accuracy = NAN,
        .gradient = NAN,
        .rate = NAN,
        .update = NAN,
        .best = NAN,
        .dead = NAN,
    };
    return t;
}

void gpf_train_free(gpf_train *t)
{
    if (!t)
        return;
    gpf__batch *const batches[] = { &t->all, &t->held, &t->part, &t->rest };
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++)
        gpf__batch_free(batches[i]);
    gpf_optimizer_free(t->optimizer);
    gpf__minimizer_free(t->minimizer);
    gpf__residuals_free(t->residuals);
    gpf_check_free(t->check);
    gpf__step_check_free(t->step_check);
    gpf_health_free(t->health);
    gsl_vector_free(t->theta);
    free(t->xs);
    free(t->updates);
    free(t->order);
    free(t->seen);
    free(t->before);
    free(t->scaled);
    free(t->best);
    free(t);
}

const gpf_progress *gpf_train_progress(const gpf_train *t)
{
    return &t->now.progress;
}

const gpf_train_options *gpf_train_how(const gpf_train *t)
{
    return &t->how;
}

const char *gpf_train_penalty_note(const gpf_train *t)
{
    return t->note;
}

const gpf_check *gpf_train_check(const gpf_train *t)
{
    return t->last_check;
}

const gpf_health *gpf_train_health(const gpf_train *t)
{
    return t->healthy ? t->health : NULL;
}
