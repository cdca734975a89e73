/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Running a training loop: steps, evaluations, ends. */
#include "train/loop.h"

#include "base/text.h"
#include "plan/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The params trained: in the point, and one after another. */

void gpf__train_take(const gpf_train *t, double *to)
{
    for (size_t i = 0; i < t->n_xs; i++) {
        const size_t n = gpf_shape_size(gpf_node_shape(t->g, t->xs[i]), 0);
        memcpy(to, t->at->theta->data + gpf_param_offset(t->g, t->xs[i]), n * sizeof *to);
        to += n;
    }
}

void gpf__train_put(gpf_train *t, const double *from)
{
    for (size_t i = 0; i < t->n_xs; i++) {
        const size_t n = gpf_shape_size(gpf_node_shape(t->g, t->xs[i]), 0);
        memcpy(t->at->theta->data + gpf_param_offset(t->g, t->xs[i]), from, n * sizeof *from);
        from += n;
    }
}

static const double *output(const gpf__batch *b, int role)
{
    return b->out[role] < 0 ? NULL : gpf_workspace_output(b->ws, (size_t)b->out[role]);
}

/* Everything over all samples at the params as they are, unless that is known. */
static int run_all(gpf_train *t)
{
    const size_t bytes = t->at->n_params * sizeof(double);
    t->rate = gpf__schedule_rate(&t->how, t->steps, t->now.progress.step);
    const int moved = gpf__batch_fill(&t->all, t->g, t->at, NULL);
    if (t->fresh && !moved && !memcmp(t->seen, t->at->theta->data, bytes))
        return GSL_SUCCESS;
    t->fresh = false;
    const int status = gpf_plan_run(t->all.plan, t->all.ws, t->all.at);
    if (status)
        return status;
    memcpy(t->seen, t->at->theta->data, bytes);
    t->fresh = true;
    return GSL_SUCCESS;
}

/* Ends. */

static void end(gpf_train *t, gpf_train_end how, const char *format, ...) GPF_PRINTF(3, 4);
static void end(gpf_train *t, gpf_train_end how, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    gpf_progress *p = &t->now.progress;
    p->end = how;
    gpf__vformat(p->why, sizeof p->why, format, ap);
    va_end(ap);
}

static bool ended(const gpf_train *t)
{
    return t->now.progress.end != GPF_TRAIN_RUNNING;
}

/* Where the run is: in the step being done, or between epochs. */
static char *place(const gpf_train *t, bool in_step, char *buf, size_t size)
{
    const gpf_progress *p = &t->now.progress;
    if (!in_step)
        gpf__format(buf, size, p->epoch ? "after epoch %zu" : "before the first epoch", p->epoch);
    else
        gpf__format(buf, size, "in epoch %zu", p->epoch + 1);
    if (in_step && t->steps > 1)
        gpf__append(buf, size, ", step %zu of %zu", p->step - p->epoch * t->steps + 1, t->steps);
    return buf;
}

/* What everything the batch computes has in common: the objective, or a sum over its changes. */
static gpf_node below_all(gpf_train *t, const gpf__batch *b, bool changes)
{
    gpf_node y = b->objective;
    for (size_t i = 0; changes && b->change && i < t->n_xs; i++)
        y = gpf_add(t->g, y, gpf_sum(t->g, b->change[i], GPF_ALL_AXES));
    return y;
}

/* Names the oldest node that is not finite, where it can be found. */
static void blame(gpf_train *t, const gpf__batch *b, bool changes)
{
    gpf_progress *p = &t->now.progress;
    const gpf_node y = below_all(t, b, changes);
    gpf_damage *d = NULL;
    size_t k = 0;
    char label[80];
    if (gpf_graph_status(t->g, NULL)) {
        gpf_graph_clear_status(t->g);
        return;
    }
    if (gpf__damage_make(t->g, y, t->xs, t->n_xs, b->N, &d))
        return;
    const gpf_node n =
        gpf_damage_base(d, b->at, NULL) == GSL_SUCCESS ? gpf_damage_nonfinite(d, &k) : GPF_NONE;
    if (n != GPF_NONE)
        gpf__append(p->why, sizeof p->why, "; the first node that is not finite is %s, element %zu",
                    gpf_node_label(t->g, n, label, sizeof label), k);
    gpf_damage_free(d);
}

static void not_finite(gpf_train *t, const gpf__batch *b, const char *what, double value,
                       bool in_step, bool changes)
{
    char where[80];
    const double most = gpf__max_norm(t->at->theta->data, t->at->n_params);
    /* A NaN has a sign, which says nothing and differs from machine to machine. */
    end(t, GPF_TRAIN_NOT_FINITE, "%s is %g %s", what, isnan(value) ? (double)NAN : value,
        place(t, in_step, where, sizeof where));
    blame(t, b, changes);
    if (most > 1e8)
        gpf__append(t->now.progress.why, sizeof t->now.progress.why,
                    "; params have grown to %.2g: a smaller rate, or clip", most);
}

static void found_wrong(gpf_train *t, const gpf_check *c, bool in_step, const char *what)
{
    char name[80], where[80];
    for (size_t i = 0; i < gpf_check_n_elements(c); i++) {
        const gpf_element *e = gpf_check_element(c, i);
        if (e->verdict != GPF_WRONG)
            continue;
        end(t, GPF_TRAIN_WRONG, "%s: element %zu of %s is wrong: %s %.8g, GSL %.8g",
            place(t, in_step, where, sizeof where), e->k,
            gpf_node_label(t->g, gpf_check_tensor(c, (size_t)e->tensor), name, sizeof name), what,
            e->analytic, e->numeric);
        return;
    }
}

/* Evaluation. */

static double accuracy(const gpf_train *t, const gpf__batch *b)
{
    const int p = b->out[GPF__PREDICTION], y = b->out[GPF__TARGET];
    if (p < 0)
        return NAN;
    size_t rows, cols, target_rows, target_cols;
    gpf__rows_of(gpf_plan_output_shape(b->plan, (size_t)p), &rows, &cols);
    gpf__rows_of(gpf_plan_output_shape(b->plan, (size_t)y), &target_rows, &target_cols);
    return gpf_accuracy(t->with.task.decision, rows, cols, output(b, GPF__PREDICTION), target_cols,
                        output(b, GPF__TARGET));
}

int gpf_train_evaluate(gpf_train *t)
{
    gpf_progress *p = &t->now.progress;
    int status = run_all(t);
    if (status)
        return status;
    p->loss = *output(&t->all, GPF__LOSS);
    p->penalty = t->squares == GPF_NONE ? 0 : *output(&t->all, GPF__PENALTY);
    p->accuracy = accuracy(t, &t->all);
    if (!t->updates && t->all.change)
        p->gradient = gpf__norm(output(&t->all, GPF__CHANGE), t->n);
    if (t->held.plan) {
        gpf__batch_fill(&t->held, t->g, t->with.held_out, NULL);
        status = gpf_plan_run(t->held.plan, t->held.ws, t->held.at);
        if (status)
            return status;
        p->held_out = *output(&t->held, GPF__LOSS);
        p->held_out_accuracy = accuracy(t, &t->held);
    }
    if (t->health) {
        status = gpf_health_run(t->health, t->all.at);
        t->healthy = status == GSL_SUCCESS;
        if (status)
            return status;
        p->dead = gpf_health_dead(t->health);
    }
    p->evaluated = p->epoch;
    return GSL_SUCCESS;
}

static void end_if_reached(gpf_train *t)
{
    const gpf_train_options *how = &t->how;
    const gpf_progress *p = &t->now.progress;
    if (p->loss <= how->until_loss)
        end(t, GPF_TRAIN_UNTIL, "the loss %.6g is at most %.6g", p->loss, how->until_loss);
    else if (p->gradient <= how->until_gradient)
        end(t, GPF_TRAIN_UNTIL, "the norm of the gradient %.6g is at most %.6g", p->gradient,
            how->until_gradient);
    else if (p->accuracy >= how->until_accuracy)
        end(t, GPF_TRAIN_UNTIL, "the accuracy %.6g is at least %.6g", p->accuracy,
            how->until_accuracy);
}

static void end_if_done(gpf_train *t)
{
    const size_t epoch = t->now.progress.epoch;
    if (epoch == t->how.epochs && epoch == 1)
        end(t, GPF_TRAIN_EPOCHS, "the one epoch is done");
    else if (epoch >= t->how.epochs)
        end(t, GPF_TRAIN_EPOCHS, "all %zu epochs are done", epoch);
}

/* Is this the best so far? */
static void compare(gpf_train *t)
{
    gpf_progress *p = &t->now.progress;
    const double judged = t->held.plan ? p->held_out : p->loss;
    if (isfinite(judged) && !(judged >= p->best)) {
        p->best = judged;
        p->best_epoch = p->epoch;
        t->now.worse = 0;
        if (t->best)
            gpf__train_take(t, t->best);
    } else {
        t->now.worse++;
    }
}

static int give_up(gpf_train *t)
{
    gpf_progress *p = &t->now.progress;
    end(t, GPF_TRAIN_PATIENCE, "no better %s than %.6g of epoch %zu, whose params are back",
        t->held.plan ? "held-out loss" : "loss", p->best, p->best_epoch);
    if (isnan(p->best)) /* none of them was a number */
        return GSL_SUCCESS;
    gpf__train_put(t, t->best);
    const int status = gpf_train_evaluate(t);
    p->evaluated = p->best_epoch;
    return status;
}

/* An evaluation that counts. */
static int judge(gpf_train *t)
{
    gpf_progress *p = &t->now.progress;
    int status = gpf_train_evaluate(t);
    if (status)
        return status;
    t->now.judged++;
    compare(t);
    if (!isfinite(p->loss))
        not_finite(t, &t->all, "the loss", p->loss, false, false);
    else if (!gpf__all_finite(t->at->theta->data, t->at->n_params))
        not_finite(t, &t->all, "a param", INFINITY, false, true);
    if (!ended(t))
        end_if_reached(t);
    if (!ended(t) && t->how.patience && t->now.worse >= t->how.patience)
        status = give_up(t);
    if (!ended(t))
        end_if_done(t);
    if (!status && t->with.progress && t->with.progress(t->with.progress_arg, p) && !ended(t))
        end(t, GPF_TRAIN_STOPPED, "stopped by the caller after epoch %zu", p->epoch);
    return status;
}

static gpf_check_options check_options(const gpf_train *t)
{
    gpf_check_options how = gpf_check_defaults();
    how.sample = t->how.check_sample;
    how.seed = (unsigned long)(t->how.seed + t->now.progress.epoch);
    return how;
}

static int check_gradient(gpf_train *t)
{
    const gpf_check_options how = check_options(t);
    gpf__batch_fill(&t->all, t->g, t->at, NULL);
    const int status = gpf_check_run(t->check, t->all.at, &how, NULL);
    t->last_check = t->check;
    if (!status && gpf_check_outcome(t->check) == GPF_OUTCOME_WRONG)
        found_wrong(t, t->check, false, "backprop says");
    return status;
}

/* What is due between epochs, also before the first one. */
static int between_epochs(gpf_train *t)
{
    const size_t epoch = t->now.progress.epoch;
    int status = GSL_SUCCESS;
    if (t->check && epoch % t->how.check_every == 0)
        status = check_gradient(t);
    if (!status && (ended(t) || epoch % t->how.evaluate == 0 || epoch >= t->how.epochs))
        status = judge(t);
    t->due = status != GSL_SUCCESS;
    return status;
}

/* Steps. */

static int step_is_checked(const gpf_train *t)
{
    const gpf_progress *p = &t->now.progress;
    return t->step_check && p->step == p->epoch * t->steps && t->rate > 0 &&
           (t->how.check_every == 0 || p->epoch % t->how.check_every == 0);
}

static int check_step(gpf_train *t, const gpf__batch *b)
{
    const gpf_check_options how = check_options(t);
    const int status = gpf__step_check_run(t->step_check, b->at, t->before, t->at->theta->data,
                                           t->rate, &how, NULL);
    t->last_check = gpf__step_check_of(t->step_check);
    if (!status && gpf_check_outcome(t->last_check) == GPF_OUTCOME_WRONG)
        found_wrong(t, t->last_check, true, "(before - after)/rate is");
    return status;
}

/* The batch of this step, its outputs computed. */
static int run_batch(gpf_train *t, gpf__batch **chosen)
{
    const gpf_progress *p = &t->now.progress;
    if (t->B == t->N) {
        *chosen = &t->all;
        return run_all(t);
    }
    const size_t k = p->step - p->epoch * t->steps;
    if (t->how.shuffle && t->ordered != p->epoch) {
        gpf__batch_shuffle(t->order, t->N, t->how.seed, p->epoch);
        t->ordered = p->epoch;
    }
    gpf__batch *b = *chosen = k + 1 == t->steps && t->rest.plan ? &t->rest : &t->part;
    t->rate = gpf__schedule_rate(&t->how, t->steps, p->step);
    gpf__batch_fill(b, t->g, t->at, t->order + k * t->B);
    return gpf_plan_run(b->plan, b->ws, b->at);
}

/* |after - before| / |after|; what was before is not needed any more. */
static double relative_change(gpf_train *t)
{
    const double *after = t->at->theta->data;
    for (size_t i = 0; i < t->at->n_params; i++)
        t->before[i] -= after[i];
    const double change = gpf__norm(t->before, t->at->n_params);
    return change == 0 ? 0 : change / gpf__norm(after, t->at->n_params);
}

static void count_step(gpf_train *t)
{
    gpf_progress *p = &t->now.progress;
    p->step++;
    p->epoch = p->step / t->steps;
    if (p->step == p->epoch * t->steps)
        p->update = relative_change(t);
}

/* New values by formulas: all of the old params. */
static void take_update(gpf_train *t, const gpf__batch *b)
{
    const double *change = output(b, GPF__CHANGE);
    for (size_t i = 0; i < t->n; i++)
        if (!isfinite(change[i])) {
            not_finite(t, b, "an update", change[i], true, true);
            return;
        }
    gpf__train_put(t, change);
}

static int descend(gpf_train *t, const gpf__batch *b)
{
    gpf_progress *p = &t->now.progress;
    const double *gradient = output(b, GPF__CHANGE);
    p->gradient = gpf__norm(gradient, t->n);
    if (!isfinite(p->gradient)) {
        not_finite(t, b, "the gradient's norm", p->gradient, true, true);
        return GSL_SUCCESS;
    }
    if (t->how.clip > 0 && p->gradient > t->how.clip) {
        const double scale = t->how.clip / p->gradient;
        for (size_t i = 0; i < t->n; i++)
            t->scaled[i] = gradient[i] * scale;
        gradient = t->scaled;
    }
    if (t->whole)
        return gpf_optimizer_step(t->optimizer, t->at->theta, gradient, t->rate);
    gpf__train_take(t, t->theta->data);
    const int status = gpf_optimizer_step(t->optimizer, t->theta, gradient, t->rate);
    gpf__train_put(t, t->theta->data);
    return status;
}

static int step_by_gradient(gpf_train *t)
{
    gpf__batch *b;
    int status = run_batch(t, &b);
    if (status)
        return status;
    const double f = *output(b, GPF__OBJECTIVE);
    if (!isfinite(f)) {
        not_finite(t, b, t->squares == GPF_NONE ? "the loss" : "the loss with its penalty", f, true,
                   false);
        return GSL_SUCCESS;
    }
    const bool checked = step_is_checked(t);
    if (checked || (t->now.progress.step + 1) % t->steps == 0)
        memcpy(t->before, t->at->theta->data, t->at->n_params * sizeof *t->before);
    if (t->updates)
        take_update(t, b);
    else
        status = descend(t, b);
    if (status || ended(t))
        return status;
    t->now.progress.rate = t->rate;
    if (checked)
        status = check_step(t, b);
    count_step(t);
    return status;
}

/* Minimisers. */

static int objective_value(void *arg, const double *theta, double *f, double *gradient)
{
    gpf_train *t = arg;
    gpf__train_put(t, theta);
    gpf__batch *b = gradient ? &t->all : &t->part;
    int status;
    if (gradient) {
        status = run_all(t);
    } else {
        gpf__batch_fill(b, t->g, t->at, NULL);
        status = gpf_plan_run(b->plan, b->ws, b->at);
    }
    if (status)
        return status;
    *f = *output(b, GPF__OBJECTIVE);
    if (gradient)
        memcpy(gradient, output(b, GPF__CHANGE), t->n * sizeof *gradient);
    return GSL_SUCCESS;
}

static int objective_residuals(void *arg, const double *theta, double *r)
{
    gpf_train *t = arg;
    gpf__train_put(t, theta);
    gpf__batch_fill(&t->all, t->g, t->at, NULL);
    return gpf__residuals_run(t->residuals, t->all.at, r);
}

static int objective_jacobian(void *arg, const double *theta, double *J)
{
    gpf_train *t = arg;
    gpf__train_put(t, theta);
    gpf__batch_fill(&t->all, t->g, t->at, NULL);
    return gpf__residuals_jacobian(t->residuals, t->all.at, J);
}

void gpf__train_objective(gpf_train *t, gpf__objective *f)
{
    *f = (gpf__objective){ .arg = t, .n = t->n, .value = objective_value };
    if (t->residuals) {
        f->m = gpf__residuals_size(t->residuals);
        f->residuals = objective_residuals;
        f->jacobian = objective_jacobian;
    }
}

/* One iteration; its place is its own until it has ended. */
static int iterate(gpf_train *t, double *f, double *gradient)
{
    int status = GSL_SUCCESS;
    gpf__train_take(t, t->theta->data);
    if (!t->started)
        status = gpf__minimizer_start(t->minimizer, t->theta->data);
    if (!status) {
        t->started = true;
        status = gpf__minimizer_iterate(t->minimizer, t->theta->data, f, gradient);
    }
    gpf__train_put(t, t->theta->data);
    return status;
}

static int step_by_minimizer(gpf_train *t)
{
    gpf_progress *p = &t->now.progress;
    double f = NAN, gradient = NAN;
    const size_t bytes = t->at->n_params * sizeof *t->before;
    memcpy(t->before, t->at->theta->data, bytes);
    const int status = iterate(t, &f, &gradient);
    if (!isnan(gradient))
        p->gradient = gradient;
    if (memcmp(t->before, t->at->theta->data, bytes))
        count_step(t);
    if (status == GPF__CONVERGED)
        end(t, GPF_TRAIN_CONVERGED, "%s has nothing left to improve: gradient %.3g",
            t->how.optimizer, gradient);
    else if (status == GSL_ENOPROG)
        end(t, GPF_TRAIN_NO_PROGRESS,
            "%s finds no lower point, gradient %.3g: a minimum as far as rounding lets it see, a "
            "kink, a loss without a minimum, or a wrong gradient, which a check tells",
            t->how.optimizer, gradient);
    else if (status == GSL_EBADFUNC)
        not_finite(t, &t->all, "the objective", f, true, true);
    else if (status)
        return status;
    return GSL_SUCCESS;
}

int gpf_train_step(gpf_train *t)
{
    const gpf_progress *p = &t->now.progress;
    int status = GSL_SUCCESS;
    if (!ended(t) && t->due)
        status = between_epochs(t);
    if (status || ended(t))
        return status;
    const size_t epoch = p->epoch;
    status = t->minimizer ? step_by_minimizer(t) : step_by_gradient(t);
    /* Where a minimiser ends without a step, that epoch may not have been evaluated. */
    t->due = p->epoch > epoch || (t->minimizer && ended(t) && p->evaluated != epoch);
    return !status && t->due ? between_epochs(t) : status;
}

int gpf_train_epoch(gpf_train *t)
{
    const size_t epoch = t->now.progress.epoch;
    int status = GSL_SUCCESS;
    while (!status && !ended(t) && t->now.progress.epoch == epoch)
        status = gpf_train_step(t);
    return status;
}

int gpf_train_run(gpf_train *t)
{
    int status = GSL_SUCCESS;
    while (!status && !ended(t))
        status = gpf_train_step(t);
    return status;
}

void gpf__train_saved(gpf_train *t)
{
    t->started = false;
}

void gpf__train_resumed(gpf_train *t)
{
    gpf_progress *p = &t->now.progress;
    t->fresh = t->started = t->healthy = false;
    t->due = t->now.judged == 0;
    t->ordered = SIZE_MAX;
    t->last_check = NULL;
    if (p->end > GPF_TRAIN_UNTIL && p->end != GPF_TRAIN_STOPPED)
        return;
    /* How far it is to go may be another now. */
    p->end = GPF_TRAIN_RUNNING;
    *p->why = '\0';
    if (!t->due)
        end_if_reached(t);
    if (!t->due && !ended(t))
        end_if_done(t);
}
