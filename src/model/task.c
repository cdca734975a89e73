/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a model predicts, as its loss shows. */
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Losses of a prediction and a target. Where they leave the decision open, the target's values say
 * whether there is one. */
static const struct kind {
    const char *loss;
    gpf_decision decision;
    bool either; /* a and b may change places */
} kinds[] = {
    { "mse", GPF_DECIDE_NOTHING, true },
    { "mae", GPF_DECIDE_NOTHING, true },
    { "huber", GPF_DECIDE_NOTHING, true },
    { "half_sse", GPF_DECIDE_NOTHING, true },
    { "bce", GPF_DECIDE_HALF, false },
    { "bce_with_logits", GPF_DECIDE_LOGIT, false },
    { "cross_entropy", GPF_DECIDE_ARGMAX, false },
    { "hinge", GPF_DECIDE_SIGN, false },
};

/* How a node takes part: is the output built from it, is it built from a param? */
enum { IN_LOSS = 1, TRAINED = 2 };

int gpf__loss_call(gpf_model *m, const char *function, gpf_node value, const gpf_node *x)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].loss, function))
            continue;
        if (gpf__grow(&m->loss, &m->loss_cap, m->n_losses + 1, sizeof *m->loss))
            return gpf__report_nomem(&m->source);
        m->loss[m->n_losses++] =
            (gpf__loss){ value, { x[0], x[1], kinds[i].decision }, kinds[i].either };
    }
    return GSL_SUCCESS;
}

/* Of the nodes up to y. Inputs are older than what is made of them. NULL without memory. */
static unsigned char *parts_of(const gpf_graph *g, gpf_node y)
{
    unsigned char *part = calloc((size_t)y + 1, sizeof *part);
    if (!part)
        return NULL;
    part[y] = IN_LOSS;
    for (gpf_node n = y; n > GPF_POISON; n--) {
        int n_x = 0;
        const gpf_node *x = gpf_node_inputs(g, n, &n_x);
        for (int i = 0; i < n_x; i++)
            part[x[i]] |= part[n] & IN_LOSS;
    }
    for (gpf_node n = 1; n <= y; n++) {
        int n_x = 0;
        const gpf_node *x = gpf_node_inputs(g, n, &n_x);
        if (gpf_node_is_param(g, n))
            part[n] |= TRAINED;
        for (int i = 0; i < n_x; i++)
            part[n] |= part[x[i]] & TRAINED;
    }
    return part;
}

static size_t elements(const gpf_model *m, gpf_node n)
{
    return gpf_shape_size(gpf_node_shape(m->g, n), gpf_point_batch(m->point));
}

/* The loss function the output is made of; of several the one that is a term of it as it stands,
 * then the one with the most elements. */
static bool called_loss(const gpf_model *m, const unsigned char *part, gpf_node y, gpf_task *task)
{
    size_t most = 0;
    bool best_whole = false;
    for (size_t i = 0; i < m->n_losses; i++) {
        const gpf__loss *l = &m->loss[i];
        gpf_task t = l->task;
        /* sums and factors may have been folded into the node of the loss, not into its inputs */
        if (t.prediction > y || t.target > y || !(part[t.prediction] & part[t.target] & IN_LOSS))
            continue;
        if (l->either && !(part[t.prediction] & TRAINED)) {
            t.prediction = l->task.target;
            t.target = l->task.prediction;
        }
        const bool whole = l->value <= y && part[l->value] & IN_LOSS;
        const size_t n = elements(m, t.prediction);
        if (!(part[t.prediction] & TRAINED) || whole < best_whole ||
            (whole == best_whole && n <= most))
            continue;
        best_whole = whole;
        most = n;
        *task = t;
    }
    return most > 0;
}

/* The first of the names that means a node of the loss, a trained one or not. */
static gpf_node named(const gpf_model *m, const unsigned char *part, gpf_node y, bool trained,
                      const char *const *names)
{
    for (; *names; names++) {
        const gpf_node n = gpf_model_find(m, *names);
        if (n > GPF_POISON && n <= y && part[n] == (IN_LOSS | (trained ? TRAINED : 0)) &&
            !gpf_node_is_param(m->g, n))
            return n;
    }
    return GPF_NONE;
}

/* One way of being a class: what the values of a target show. */
static bool all_of(const double *x, size_t n, double a, double b)
{
    bool has_a = false, has_b = false;
    for (size_t i = 0; i < n; i++) {
        has_a = has_a || x[i] == a;
        has_b = has_b || x[i] == b;
        if (x[i] != a && x[i] != b)
            return false;
    }
    return has_a && has_b;
}

static bool one_hot_rows(const double *x, size_t rows, size_t cols)
{
    for (size_t i = 0; i < rows; i++) {
        double sum = 0;
        for (size_t j = 0; j < cols; j++)
            sum += x[i * cols + j];
        if (sum != 1)
            return false;
    }
    return cols > 1;
}

static bool labels(const double *x, size_t rows, size_t classes)
{
    for (size_t i = 0; i < rows; i++)
        if (!(x[i] >= 0 && x[i] < (double)classes && x[i] == floor(x[i])))
            return false;
    return classes > 1;
}

static size_t columns(const gpf_model *m, gpf_node n)
{
    const gpf_shape s = gpf_node_shape(m->g, n);
    return s.rank > 1 && s.dim[s.rank - 1] != GPF_N ? (size_t)s.dim[s.rank - 1] : 1;
}

static gpf_decision judge(const gpf_model *m, const gpf_task *t, const double *target)
{
    const size_t n = elements(m, t->target), cols = columns(m, t->target);
    const size_t outputs = columns(m, t->prediction);
    if (n == 0)
        return GPF_DECIDE_NOTHING;
    if (n != elements(m, t->prediction))
        return cols == 1 && n * outputs == elements(m, t->prediction) && labels(target, n, outputs)
                   ? GPF_DECIDE_ARGMAX
                   : GPF_DECIDE_NOTHING;
    if (all_of(target, n, 0, 1))
        return cols == outputs && one_hot_rows(target, n / cols, cols) ? GPF_DECIDE_ARGMAX
                                                                       : GPF_DECIDE_HALF;
    return all_of(target, n, -1, 1) ? GPF_DECIDE_SIGN : GPF_DECIDE_NOTHING;
}

/* Evaluates a target that is computed, and judges. */
static int judge_values(const gpf_model *m, gpf_task *t)
{
    enum { MANY = 1 << 20 }; /* elements; more is not worth the memory */
    const double *leaf = gpf_point_values(m->point, t->target);
    if (leaf) {
        t->decision = judge(m, t, leaf);
        return GSL_SUCCESS;
    }
    if (elements(m, t->target) > MANY)
        return GSL_SUCCESS;
    gpf_plan *plan = gpf_plan_alloc(m->g, &t->target, 1, gpf_point_batch(m->point));
    gpf_workspace *ws = plan ? gpf_workspace_alloc(plan) : NULL;
    const int status = ws ? gpf_plan_run(plan, ws, m->point) : GSL_ENOMEM;
    if (!status)
        t->decision = judge(m, t, gpf_workspace_output(ws, 0));
    gpf_workspace_free(ws);
    gpf_plan_free(plan);
    return status;
}

int gpf__find_task(gpf_model *m)
{
    static const char *const predictions[] = { "yhat", "p", "logits", "prediction", NULL };
    static const char *const targets[] = { "y", "Y", "labels", NULL };
    const gpf_node y = gpf_model_output(m);
    gpf_task t = { GPF_NONE, GPF_NONE, GPF_DECIDE_NOTHING };
    m->task = t;
    if (y <= GPF_POISON)
        return GSL_SUCCESS;
    unsigned char *part = parts_of(m->g, y);
    if (!part)
        return gpf__report_nomem(&m->source);
    if (!called_loss(m, part, y, &t)) {
        t.prediction = named(m, part, y, true, predictions);
        t.target = named(m, part, y, false, targets);
    }
    free(part);
    if (t.prediction == GPF_NONE || t.target == GPF_NONE)
        return GSL_SUCCESS;
    if (t.decision == GPF_DECIDE_NOTHING && judge_values(m, &t))
        return gpf__report_nomem(&m->source);
    if (t.decision == GPF_DECIDE_HALF && gpf_model_find(m, "logits") == t.prediction)
        t.decision = GPF_DECIDE_LOGIT;
    m->task = t;
    return GSL_SUCCESS;
}

gpf_task gpf_model_task(const gpf_model *m)
{
    return m->task;
}
