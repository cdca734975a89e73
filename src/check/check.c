/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/arena.h"
#include "base/text.h"
#include "check/explain.h"
#include "check/fast.h"
#include "check/stencil.h"
#include "plan/plan.h"

#include <gsl/gsl_machine.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#endif

struct gpf_check {
    gpf_graph *g;
    gpf_node y, contracted; /* as given; with one element */
    gpf_node *x, *grad;
    size_t n_x, N;
    gpf_node weights; /* data leaf of the contraction, or GPF_NONE */
    double *weight;   /* its values */
    gpf_plan *plan;   /* of the gradients that exist, in the order of the xs */
    gpf_workspace *ws;
    double *rounding; /* noise of each analytic value, beside the plan's outputs */
    double *noise;    /* of y by x, measured well; negative: not yet */
    bool rounded;     /* rounding is measured */
    gpf_damage *damage;
    /* Kept from run to run: */
    gpf_point *point;
    gpf_overlay **overlay;
    int n_overlay;
    gpf__around *around; /* by x */
    gpf_element *element;
    size_t *order; /* in which the elements are checked */
    size_t n_element, room;
    gpf_block *block; /* by tensor, of the fast mode */
    gpf_explanation *explanation;
    size_t n_explanation, explanation_room;
    double value;
    int threads;
    bool ran, fast;
};

const char *gpf_verdict_name(gpf_verdict v)
{
    static const char *const name[] = { "right", "wrong", "kink", "vacuous", "unresolved" };
    return v < GPF_N_VERDICTS ? name[v] : "";
}

const char *gpf_reason_name(gpf_reason r)
{
    static const char *const name[] = { [GPF_REASON_NONE] = "",
                                        [GPF_REASON_FLAT_GAP] = "flat gap",
                                        [GPF_REASON_NOT_FINITE] = "not finite",
                                        [GPF_REASON_OUTSIDE] = "outside one-sided slopes",
                                        [GPF_REASON_TIE] = "tie convention",
                                        [GPF_REASON_BETWEEN] = "between one-sided slopes",
                                        [GPF_REASON_JUMP] = "jump",
                                        [GPF_REASON_NO_REACTION] = "no reaction",
                                        [GPF_REASON_INDEPENDENT] = "no dependence",
                                        [GPF_REASON_NOISE] = "noise",
                                        [GPF_REASON_TRUNCATION] = "truncation",
                                        [GPF_REASON_CROWDED] = "crowded by kinks",
                                        [GPF_REASON_UNCONFIRMED] = "unconfirmed",
                                        [GPF_REASON_TOO_SMALL] = "too small" };
    return r <= GPF_REASON_TOO_SMALL ? name[r] : "";
}

gpf_check_options gpf_check_defaults(void)
{
    return (gpf_check_options){ .seed = 1 };
}

static double random_weight(gsl_rng *r)
{
    return 0.5 + gsl_rng_uniform(r);
}

/* y with more than one element becomes sum(y * weights): with equal weights a cotangent of ones
 * could not tell g from g^2, or one output from another. */
static int contract(gpf_check *c, unsigned long seed)
{
    const gpf_shape s = gpf_node_shape(c->g, c->y);
    const size_t size = gpf_shape_size(s, c->N);
    c->contracted = c->y;
    c->weights = GPF_NONE;
    if (size == 0)
        return GPF_ELIMIT;
    if (size == 1 && gpf_shape_size(s, 2) == 1)
        return GSL_SUCCESS;
    c->weight = malloc(size * sizeof *c->weight);
    gsl_rng *r = c->weight ? gsl_rng_alloc(gsl_rng_mt19937) : NULL;
    if (!r)
        return GSL_ENOMEM;
    gsl_rng_set(r, seed);
    for (size_t i = 0; i < size; i++)
        c->weight[i] = random_weight(r);
    gsl_rng_free(r);
    char name[64];
    gpf__format(name, sizeof name, "check.weights.%d", c->y);
    c->weights = gpf_graph_find(c->g, name);
    if (c->weights == GPF_NONE)
        c->weights = gpf_data(c->g, name, s);
    c->contracted = gpf_sum(c->g, gpf_mul(c->g, c->y, c->weights), GPF_ALL_AXES);
    return gpf_graph_status(c->g, NULL);
}

static int take_gradients(gpf_check *c, const gpf_node *grads)
{
    if (!grads)
        return gpf_grad(c->g, c->contracted, c->x, c->n_x, c->grad);
    if (c->weights != GPF_NONE) {
        gpf__fail(c->g, GPF_ESHAPE, "gradients are given, so y must have one element");
        return GPF_ESHAPE;
    }
    for (size_t i = 0; i < c->n_x; i++) {
        c->grad[i] = grads[i];
        if (grads[i] == GPF_NONE)
            continue;
        if (!gpf__ok(c->g, grads[i]))
            break;
        const gpf_shape given = gpf_node_shape(c->g, grads[i]), x = gpf_node_shape(c->g, c->x[i]);
        if (!gpf_shape_equal(given, x)) {
            char a[64], b[64], label[80];
            gpf__fail(c->g, GPF_ESHAPE, "the gradient given for %s is %s, %s is expected",
                      gpf_node_label(c->g, c->x[i], label, sizeof label),
                      gpf_shape_text(given, a, sizeof a), gpf_shape_text(x, b, sizeof b));
        }
    }
    return gpf_graph_status(c->g, NULL);
}

static int prepare(gpf_check *c, const gpf_node *xs, const gpf_node *grads, unsigned long seed)
{
    c->x = malloc(c->n_x * sizeof *c->x);
    c->grad = malloc(c->n_x * sizeof *c->grad);
    gpf_node *outputs = malloc(c->n_x * sizeof *outputs);
    int status = c->x && c->grad && outputs ? GSL_SUCCESS : GSL_ENOMEM;
    if (status == GSL_SUCCESS) {
        memcpy(c->x, xs, c->n_x * sizeof *xs);
        status = contract(c, seed);
    }
    if (status == GSL_SUCCESS)
        status = take_gradients(c, grads);
    size_t n = 0;
    for (size_t i = 0; status == GSL_SUCCESS && i < c->n_x; i++)
        if (c->grad[i] != GPF_NONE)
            outputs[n++] = c->grad[i];
    if (status == GSL_SUCCESS)
        status = gpf__plan_make(c->g, outputs, n, c->N, NULL, 0, true, &c->plan);
    if (status == GSL_SUCCESS)
        status = gpf__damage_make(c->g, c->contracted, c->x, c->n_x, c->N, &c->damage);
    c->around = malloc(c->n_x * sizeof *c->around);
    c->noise = malloc(c->n_x * sizeof *c->noise);
    if (!c->around || !c->noise)
        status = GSL_ENOMEM;
    if (status == GSL_SUCCESS) {
        size_t n_values = 1;
        for (size_t i = 0; i < n; i++)
            n_values += gpf_plan_output_size(c->plan, i);
        c->ws = gpf__workspace_make(c->plan);
        c->rounding = malloc(n_values * sizeof *c->rounding);
        status = c->ws && c->rounding ? GSL_SUCCESS : GSL_ENOMEM;
    }
    free(outputs);
    return status;
}

gpf_check *gpf_check_alloc(gpf_graph *g, gpf_node y, const gpf_node *xs, const gpf_node *grads,
                           size_t n, size_t N, unsigned long seed, gpf_diag *why)
{
    gpf_diag unused;
    why = why ? why : &unused;
    if (n == 0) {
        gpf__diag(why, GPF_ENOTHING, "nothing to check: no tensor is given");
        return NULL;
    }
    bool ok = gpf__ok(g, y);
    for (size_t i = 0; ok && i < n; i++)
        ok = gpf__ok(g, xs[i]);
    gpf_check *c = ok ? calloc(1, sizeof *c) : NULL;
    int status = c ? GSL_SUCCESS : ok ? GSL_ENOMEM : gpf_graph_status(g, NULL);
    if (c) {
        c->g = g;
        c->y = y;
        c->n_x = n;
        c->N = N;
        status = prepare(c, xs, grads, seed);
    }
    if (status) {
        if (gpf_graph_status(g, why) == GSL_SUCCESS)
            gpf__diag(why, status, "%s", gpf__plan_error(status));
        gpf_check_free(c);
        return NULL;
    }
    return c;
}

void gpf_check_free(gpf_check *c)
{
    if (!c)
        return;
    gpf_workspace_free(c->ws);
    gpf_plan_free(c->plan);
    gpf_damage_free(c->damage);
    free(c->x);
    free(c->grad);
    free(c->weight);
    for (int i = 0; i < c->n_overlay; i++)
        gpf_overlay_free(c->overlay[i]);
    free(c->overlay);
    gpf_point_free(c->point);
    free(c->rounding);
    free(c->noise);
    free(c->around);
    free(c->order);
    free(c->element);
    free(c->block);
    free(c->explanation);
    free(c);
}

/* The caller's point, with values for every leaf the graph has by now. */
static int extend(gpf_check *c, const gpf_point *at)
{
    if (c->point && (c->point->n_params < at->n_params || c->point->n_data < at->n_data)) {
        gpf_point_free(c->point); /* the graph has grown since */
        c->point = NULL;
    }
    if (!c->point)
        c->point = gpf_point_alloc(c->g, at->N);
    gpf_point *p = c->point;
    if (!p)
        return GSL_ENOMEM;
    /* What an older point does not know is as in a new one, not as in the last run. */
    for (size_t i = 0; i < p->n_params; i++)
        p->theta->data[i] = i < at->n_params ? at->theta->data[i] : 0;
    for (size_t i = 0; i < p->n_data; i++)
        p->data[i] = i < at->n_data ? at->data[i] : NULL;
    if (c->weights != GPF_NONE)
        gpf_point_bind(p, c->weights, c->weight);
    return GSL_SUCCESS;
}

/* Analytic values of tensor i at the last evaluation, NULL for "no dependence". */
static const double *gradient(const gpf_check *c, size_t i)
{
    if (c->grad[i] == GPF_NONE)
        return NULL;
    size_t k = 0;
    for (size_t j = 0; j < i; j++)
        k += c->grad[j] != GPF_NONE;
    return gpf_workspace_output(c->ws, k);
}

/* m of n numbers, ascending. */
static int sample(size_t *chosen, size_t m, size_t n, gsl_rng *r)
{
    size_t *all = malloc(n * sizeof *all);
    if (!all)
        return GSL_ENOMEM;
    for (size_t i = 0; i < n; i++)
        all[i] = i;
    const int status = gsl_ran_choose(r, chosen, m, all, n, sizeof *all);
    free(all);
    return status;
}

/* The order of checking: a matrix column by column, since the elements of a column share what lies
 * downstream of one unit. */
static void by_columns(size_t *order, size_t first, size_t rows, size_t cols)
{
    for (size_t j = 0; j < cols; j++)
        for (size_t i = 0; i < rows; i++)
            *order++ = first + i * cols + j;
}

/* The elements to check: all, or a random sample of each tensor. */
static int choose(gpf_check *c, const gpf_check_options *how)
{
    size_t total = 0;
    for (size_t i = 0; i < c->n_x; i++) {
        const size_t n = gpf_damage_target_size(c->damage, i);
        total += how->sample && how->sample < n ? how->sample : n;
    }
    if (total > c->room) {
        free(c->element);
        free(c->order);
        c->room = 0;
        c->element = malloc(total * sizeof *c->element);
        c->order = malloc(total * sizeof *c->order);
        if (!c->element || !c->order)
            return GSL_ENOMEM;
        c->room = total;
    }
    gsl_rng *r = how->sample ? gsl_rng_alloc(gsl_rng_mt19937) : NULL;
    if (how->sample && !r)
        return GSL_ENOMEM;
    if (r)
        gsl_rng_set(r, how->seed);
    int status = GSL_SUCCESS;
    size_t done = 0;
    for (size_t i = 0; i < c->n_x && status == GSL_SUCCESS; i++) {
        const size_t n = gpf_damage_target_size(c->damage, i),
                     m = how->sample && how->sample < n ? how->sample : n;
        const gpf_shape shape = gpf_check_tensor_shape(c, i);
        const double *a = gradient(c, i), *x = gpf_damage_target(c->damage, i);
        size_t *chosen = c->order + done;
        if (m < n)
            status = sample(chosen, m, n, r);
        for (size_t j = 0; j < m && status == GSL_SUCCESS; j++) {
            gpf_element *e = &c->element[done + j];
            const size_t k = m < n ? chosen[j] : j;
            *e = (gpf_element){ .tensor = (int)i,
                                .k = k,
                                .value = x[k],
                                .analytic = a ? a[k] : 0,
                                .verdict = GPF_N_VERDICTS };
        }
        if (m == n && shape.rank == 2)
            by_columns(chosen, done, (size_t)shape.dim[0], (size_t)shape.dim[1]);
        else
            for (size_t j = 0; j < m; j++)
                chosen[j] = done + j;
        done += m;
    }
    gsl_rng_free(r);
    c->n_element = total;
    return status;
}

/* Root mean square of the finite values of tensor i. */
static double typical(const gpf_check *c, size_t i)
{
    const size_t n = gpf_damage_target_size(c->damage, i);
    const double *x = gpf_damage_target(c->damage, i);
    double most = 0, squares = 0;
    for (size_t k = 0; k < n; k++)
        if (isfinite(x[k]))
            most = fmax(most, fabs(x[k]));
    for (size_t k = 0; k < n && most > 0; k++)
        if (isfinite(x[k]))
            squares += x[k] / most * (x[k] / most);
    return most * sqrt(squares / (double)n);
}

/* What the elements of each tensor have in common. The noise of all of y is a bound for what is
 * downstream of one tensor; where nothing much cancels, that is as good. hasty: an element that
 * disagrees is looked at again with better numbers. */
static int look_around(gpf_check *c, gpf_overlay *o, bool hasty)
{
    double all;
    int status = gpf__damage_noise(o, GPF__ALL_TARGETS, hasty, &all);
    const bool enough = all <= 64 * GSL_DBL_EPSILON * fabs(c->value);
    for (size_t i = 0; i < c->n_x && status == GSL_SUCCESS; i++) {
        c->around[i] = (gpf__around){ .base = c->value,
                                      .noise = all,
                                      .typical = typical(c, i),
                                      .depends = gpf_damage_depends(c->damage, i) };
        c->noise[i] = -1;
        if (!enough || !hasty)
            status = gpf__damage_noise(o, i, hasty, &c->around[i].noise);
    }
    c->rounded = false;
    return status;
}

static int thread_number(void)
{
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

/* Overlays for n threads. */
static int need_overlays(gpf_check *c, int n)
{
    if (n <= c->n_overlay)
        return GSL_SUCCESS;
    gpf_overlay **o = realloc(c->overlay, (size_t)n * sizeof *o);
    if (!o)
        return GSL_ENOMEM;
    c->overlay = o;
    while (c->n_overlay < n) {
        if (!(o[c->n_overlay] = gpf_overlay_alloc(c->damage)))
            return GSL_ENOMEM;
        c->n_overlay++;
    }
    return GSL_SUCCESS;
}

/* How many threads the work is worth. Starting one costs about 50 us, what it computes in 2^17
 * doubles: with less than that for each, fewer are faster. Each has an overlay of its own: together
 * they take at most a quarter of the memory. */
static int thread_count(const gpf_check *c, int wanted, size_t elements, double doubles)
{
#ifdef _OPENMP
    enum { WORTH_A_THREAD = 1 << 17 };
    const size_t room = 1 + gpf__machine_memory() / 4 / sizeof(double) /
                                (gpf__damage_memory(c->damage) + 1),
                 most = (size_t)omp_get_max_threads();
    const double worth = 1 + doubles / WORTH_A_THREAD;
    size_t n = wanted > 0 ? (size_t)wanted : worth < (double)most ? (size_t)worth : most;
    n = n < room ? n : room;
    n = elements < n ? elements : n;
    return n > 0 ? (int)n : 1;
#else
    (void)c, (void)wanted, (void)elements, (void)doubles;
    return 1;
#endif
}

static void check_block(gpf_check *c, size_t first, size_t n, int threads)
{
    /* Neighbours on one thread: they share what an overlay has gathered. */
    const int together = n >= 16 * 8 * (size_t)threads ? 16 : 1;
    (void)together;
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic, together) num_threads(threads) if (threads > 1)
#endif
    for (long i = 0; i < (long)n; i++) {
        gpf_element *e = &c->element[c->order[first + (size_t)i]];
        gpf__decide_on(c->overlay[thread_number()], &c->around[e->tensor], e);
    }
}

/* Was y's noise said to hide the element, or did y not hide it although it should have? */
static bool noise_matters(const gpf_element *e)
{
    return e->verdict == GPF_WRONG || e->reason == GPF_REASON_NOISE ||
           (e->reason == GPF_REASON_NO_REACTION && e->error > 0);
}

/* What was measured hastily or not at all: the rounding noise of the analytic values, and that of y
 * by the tensor of e. */
static int measure_well(gpf_check *c, const gpf_element *e)
{
    int status = GSL_SUCCESS;
    if (!c->rounded && e->verdict != GPF_VACUOUS) {
        status = gpf__plan_noise(c->plan, c->ws, c->rounding);
        c->rounded = status == GSL_SUCCESS;
    }
    if (status == GSL_SUCCESS && noise_matters(e) && c->noise[e->tensor] < 0)
        status = gpf__damage_noise(c->overlay[0], (size_t)e->tensor, false, &c->noise[e->tensor]);
    return status;
}

/* Decides e again if the noise of its analytic value, or a better measure of y's, may matter. */
static int look_again(gpf_check *c, gpf_element *e, gpf__around *here)
{
    const int status = measure_well(c, e);
    if (status)
        return status;
    const double *a = gradient(c, (size_t)e->tensor), well = c->noise[e->tensor];
    bool again = false;
    if (e->verdict != GPF_VACUOUS && a) {
        here->rounding = c->rounding[a - gpf_workspace_output(c->ws, 0) + (ptrdiff_t)e->k];
        /* Far below the gap it changes nothing. */
        again = here->rounding > 0 && !(1e3 * here->rounding < fabs(e->analytic - e->numeric));
    }
    if (noise_matters(e) &&
        (e->verdict == GPF_WRONG ? well > here->noise : 2 * well < here->noise)) {
        here->noise = well;
        again = true;
    }
    if (again) {
        const unsigned before = e->evaluations;
        gpf__decide_on(c->overlay[0], here, e);
        e->evaluations += before;
    }
    return GSL_SUCCESS;
}

/* An element that disagrees or that noise hides: is it so when all noise is known? Before it counts
 * as anything. One that y reacts to after all is then looked at like any other. */
static int reconsider(gpf_check *c, gpf_element *e)
{
    const bool vacuous = e->verdict == GPF_VACUOUS;
    if (e->verdict == GPF_RIGHT || (vacuous && !noise_matters(e)))
        return GSL_SUCCESS;
    gpf__around here = c->around[e->tensor];
    const int status = look_again(c, e, &here);
    return !status && vacuous && e->verdict != GPF_VACUOUS ? look_again(c, e, &here) : status;
}

/* Only what was looked at, in the order of the tensors. */
static void drop_unchecked(gpf_check *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_element; i++)
        if (c->element[i].verdict != GPF_N_VERDICTS)
            c->element[n++] = c->element[i];
    c->n_element = n;
}

/* Checks the elements in blocks. An element's verdict depends on nothing but the base values, and
 * the caller's wish to stop is looked at between blocks whose sizes do not depend on the threads:
 * so the result is the same for any number of them. */
static int check_elements(gpf_check *c, const gpf_check_options *how)
{
    enum { BLOCK = 32, BLOCK_WORK = 1 << 26 }; /* about 20 ms */
    const size_t total = c->n_element;
    int status = need_overlays(c, 1);
    if (status == GSL_SUCCESS)
        status = look_around(c, c->overlay[0], true);
    size_t done = 0, wrong = 0, block = BLOCK;
    const double before = status == GSL_SUCCESS ? gpf__overlay_work(c->overlay[0]) : 0;
    c->threads = 1;
    while (status == GSL_SUCCESS && done < total) {
        const size_t n = total - done < block ? total - done : block;
        check_block(c, done, n, c->threads);
        for (size_t i = done; i < done + n && status == GSL_SUCCESS; i++) {
            gpf_element *e = &c->element[c->order[i]];
            status = reconsider(c, e);
            wrong += e->verdict == GPF_WRONG;
        }
        if (status)
            break;
        done += n;
        if (how->progress && how->progress(how->progress_arg, done, total))
            status = GPF_ECANCEL;
        if (how->max_failures && wrong >= how->max_failures)
            break;
        if (done == n && done < total) { /* the first block tells what the others will cost */
            const double each = (gpf__overlay_work(c->overlay[0]) - before) / (double)n;
            c->threads = thread_count(c, how->threads, total - done, each * (double)(total - done));
            if (status == GSL_SUCCESS)
                status = need_overlays(c, c->threads);
            if (!how->max_failures && each * BLOCK < BLOCK_WORK)
                block = (size_t)(BLOCK_WORK / (each + 1));
        }
    }
    drop_unchecked(c);
    return status;
}

/* Checks the tensors as blocks, on one thread: each evaluation is one of the whole net. */
static int check_blocks(gpf_check *c, const gpf_point *p, const gpf_check_options *how)
{
    const size_t n = c->n_x;
    gpf__elements found = { .e = NULL };
    const double **analytic = malloc(n * sizeof *analytic),
                 **rounding = malloc(n * sizeof *rounding);
    c->threads = 1;
    if (!c->block)
        c->block = calloc(n, sizeof *c->block);
    int status = analytic && rounding && c->block ? need_overlays(c, 1) : GSL_ENOMEM;
    if (status == GSL_SUCCESS)
        status = look_around(c, c->overlay[0], false);
    if (status == GSL_SUCCESS)
        status = gpf__plan_noise(c->plan, c->ws, c->rounding);
    if (status == GSL_SUCCESS) {
        for (size_t i = 0; i < n; i++) {
            const double *a = analytic[i] = gradient(c, i);
            rounding[i] = a ? c->rounding + (a - gpf_workspace_output(c->ws, 0)) : NULL;
        }
        const gpf__fast_job job = { c->g,      c->contracted, c->x,      n,        c->N,    p,
                                    c->damage, c->overlay[0], c->around, analytic, rounding };
        status = gpf__fast_check(&job, how, c->block, &found);
        free(c->element);
        c->element = found.e;
        c->n_element = found.n;
        c->room = 0;
    }
    free(analytic);
    free(rounding);
    return status;
}

/* The gradient of element e with that element moved by t. */
static int gradient_beside(gpf_check *c, gpf_point *p, const gpf_element *e, double t, double *a)
{
    const gpf_node x = c->x[e->tensor];
    const double *values = gpf_point_values(p, x);
    const size_t n = gpf_damage_target_size(c->damage, (size_t)e->tensor);
    double *moved = malloc(n * sizeof *moved);
    if (!moved)
        return GSL_ENOMEM;
    memcpy(moved, values, n * sizeof *moved);
    moved[e->k] += t;
    double *theta = gpf_node_is_param(c->g, x) ? p->theta->data + gpf_param_offset(c->g, x) : NULL;
    const double before = values[e->k];
    if (theta)
        theta[e->k] = moved[e->k];
    else
        gpf_point_bind(p, x, moved);
    const int status = gpf_plan_run(c->plan, c->ws, p);
    *a = status ? NAN : gradient(c, (size_t)e->tensor)[e->k];
    if (theta)
        theta[e->k] = before;
    else
        gpf_point_bind(p, x, values);
    free(moved);
    return status;
}

static bool close_to(double a, double slope, double error)
{
    return fabs(a - slope) <= 0.01 * fabs(slope) + GPF__SAFETY * error;
}

/* Outside the one-sided slopes at a tie: is the rule wrong, or only the derivative it takes on the
 * edge? Beside the edge, on both sides, the rule's value tells. */
static int blame_ties(gpf_check *c, gpf_point *p)
{
    enum { MOST = 256 };
    int status = GSL_SUCCESS, n = 0;
    for (size_t i = 0; i < c->n_element && n < MOST && status == GSL_SUCCESS; i++) {
        gpf_element *e = &c->element[i];
        const gpf_node x = c->x[e->tensor];
        if (e->reason != GPF_REASON_OUTSIDE || !e->kink.tie || c->grad[e->tensor] == GPF_NONE ||
            !(gpf_node_is_param(c->g, x) || gpf_node_is_data(c->g, x)))
            continue;
        n++;
        double left, right;
        const double t = e->step / 1024; /* the stencils reach down to the base: no kink between */
        status = gradient_beside(c, p, e, -t, &left);
        if (status == GSL_SUCCESS)
            status = gradient_beside(c, p, e, t, &right);
        if (status == GSL_SUCCESS && close_to(left, e->left, e->left_error) &&
            close_to(right, e->right, e->right_error))
            e->reason = GPF_REASON_TIE;
    }
    return status;
}

/* Numbers by which a gradient may be off: sizes that are averaged or summed over. */
static size_t count_sizes(const gpf_check *c, size_t i, gpf__count *count, size_t most)
{
    const gpf_shape s = gpf_check_tensor_shape(c, i);
    size_t n = 0;
    if (c->N)
        count[n++] = (gpf__count){ (double)c->N, "the number of samples", NULL };
    for (size_t k = 0; k < c->g->n_data && n < most - 1; k++) {
        const gpf_shape d = gpf_node_shape(c->g, c->g->data[k]);
        bool known = d.rank == 0 || d.dim[0] == GPF_N;
        for (size_t j = 0; j < n && !known; j++)
            known = count[j].value == (double)d.dim[0];
        if (!known)
            count[n++] = (gpf__count){ (double)d.dim[0], "the rows of the data", NULL };
    }
    count[n++] = (gpf__count){ (double)gpf_shape_size(s, c->N), "the size of the tensor", NULL };
    return n;
}

/* Of the wrong elements, those at a tie have their explanation: the op's convention there. */
static bool is_unexplained(const gpf_element *e)
{
    return e->verdict == GPF_WRONG && e->reason != GPF_REASON_TIE;
}

/* What the wrong elements of tensor i, n of them from *first, have in common. */
static int explain_tensor(gpf_check *c, size_t i, const gpf_element *e, size_t n)
{
    enum { MOST = 4, COUNTS = 6 };
    const size_t size = gpf_damage_target_size(c->damage, i);
    const gpf_shape s = gpf_check_tensor_shape(c, i);
    const double *a = gradient(c, i);
    double *numeric = malloc(3 * size * sizeof *numeric);
    unsigned char *verdict = malloc(size);
    gpf__count count[COUNTS];
    char label[80];
    int found = -1;
    if (numeric && verdict &&
        !gpf__grow(&c->explanation, &c->explanation_room, c->n_explanation + MOST,
                   sizeof *c->explanation)) {
        double *error = numeric + size, *analytic = error + size;
        memset(verdict, GPF_N_VERDICTS, size);
        for (size_t k = 0; k < size; k++) {
            analytic[k] = a ? a[k] : 0;
            numeric[k] = error[k] = NAN;
        }
        for (size_t k = 0; k < n; k++) {
            const size_t at = e[k].k;
            analytic[at] = e[k].analytic; /* the last run of the plan may have been elsewhere */
            numeric[at] = e[k].numeric;
            error[at] = e[k].error;
            if (a && c->rounded)
                error[at] += c->rounding[a - gpf_workspace_output(c->ws, 0) + (ptrdiff_t)at];
            verdict[at] = e[k].verdict == GPF_WRONG && !is_unexplained(&e[k])
                              ? (unsigned char)GPF_N_VERDICTS
                              : (unsigned char)e[k].verdict;
        }
        const size_t cols = s.rank == 2 ? (size_t)s.dim[1] : size;
        const gpf__evidence ev = { .part = (int)i,
                                   .name = gpf_node_label(c->g, c->x[i], label, sizeof label),
                                   .rows = size / cols,
                                   .cols = cols,
                                   .analytic = analytic,
                                   .numeric = numeric,
                                   .error = error,
                                   .verdict = verdict,
                                   .x = gpf_damage_target(c->damage, i),
                                   .x_row = cols,
                                   .x_col = 1,
                                   .counts = count,
                                   .n_counts = count_sizes(c, i, count, COUNTS) };
        found = gpf__explain(&ev, c->explanation + c->n_explanation, MOST);
    }
    free(numeric);
    free(verdict);
    c->n_explanation += found > 0 ? (size_t)found : 0;
    return found < 0 ? GSL_ENOMEM : GSL_SUCCESS;
}

/* Elements are in the order of the tensors. */
static int explain(gpf_check *c)
{
    int status = GSL_SUCCESS;
    for (size_t k = 0; k < c->n_element && status == GSL_SUCCESS;) {
        const size_t first = k;
        bool wrong = false;
        for (; k < c->n_element && c->element[k].tensor == c->element[first].tensor; k++)
            wrong |= is_unexplained(&c->element[k]);
        if (wrong)
            status =
                explain_tensor(c, (size_t)c->element[first].tensor, &c->element[first], k - first);
    }
    return status;
}

int gpf_check_run(gpf_check *c, const gpf_point *at, const gpf_check_options *how, gpf_diag *why)
{
    const gpf_check_options defaults = gpf_check_defaults();
    how = how ? how : &defaults;
    c->ran = false;
    c->n_element = c->n_explanation = 0;
    c->fast = how->fast != 0;
    if (how->fast && how->sample)
        return gpf__diag(why, GSL_EINVAL, "the fast mode takes whole tensors, not a sample");
    if (at->N != c->N)
        return gpf__diag(why, GSL_EBADLEN, "the point has %zu rows, the check was made for %zu",
                         at->N, c->N);
    int status = extend(c, at);
    gpf_point *p = c->point;
    if (status == GSL_SUCCESS)
        status = gpf_plan_run(c->plan, c->ws, p);
    if (status == GSL_SUCCESS)
        status = gpf_damage_base(c->damage, p, &c->value);
    if (status == GSL_SUCCESS && !how->fast)
        status = choose(c, how);
    if (status == GSL_SUCCESS) {
        status = how->fast ? check_blocks(c, p, how) : check_elements(c, how);
        c->ran = status == GSL_SUCCESS || status == GPF_ECANCEL;
    }
    if (status == GSL_SUCCESS)
        status = blame_ties(c, p);
    if (c->ran && explain(c) != GSL_SUCCESS)
        status = GSL_ENOMEM;
    const char *unbound = NULL;
    for (size_t i = 0; status == GPF_EUNBOUND && p && i < p->n_data && !unbound; i++)
        if (!p->data[i])
            unbound = gpf_node_name(c->g, p->data_node[i]);
    if (unbound)
        return gpf__diag(why, status, "data %s has no values", unbound);
    return status ? gpf__diag(why, status, "%s", gpf_strerror(status)) : GSL_SUCCESS;
}

size_t gpf_check_n_elements(const gpf_check *c)
{
    return c->n_element;
}

const gpf_element *gpf_check_element(const gpf_check *c, size_t i)
{
    return i < c->n_element ? &c->element[i] : NULL;
}

gpf_tally gpf_check_tally(const gpf_check *c, int tensor)
{
    gpf_tally t = { .total = 0 };
    for (size_t i = 0; i < c->n_x; i++)
        if (tensor < 0 || (size_t)tensor == i)
            t.total += gpf_damage_target_size(c->damage, i);
    for (size_t i = 0; i < c->n_element; i++) {
        const gpf_element *e = &c->element[i];
        if (tensor >= 0 && e->tensor != tensor)
            continue;
        t.checked++;
        t.count[e->verdict]++;
        t.evaluations += e->evaluations;
        if (e->verdict == GPF_RIGHT)
            t.digits[(int)e->digits]++;
        const double gap = fabs(e->analytic - e->numeric);
        if (!(gap <= t.max_gap))
            t.max_gap = isnan(t.max_gap) ? t.max_gap : gap; /* a NaN stays */
    }
    return t;
}

gpf_outcome gpf_check_outcome(const gpf_check *c)
{
    if (!c->ran)
        return GPF_OUTCOME_TROUBLE;
    if (gpf_check_tally(c, -1).count[GPF_WRONG])
        return GPF_OUTCOME_WRONG;
    for (size_t i = 0; i < c->n_x; i++) {
        const gpf_tally t = gpf_check_tally(c, (int)i);
        if (c->fast ? c->block[i].verdict != GPF_RIGHT
                    : t.count[GPF_RIGHT] + t.count[GPF_KINK] == 0)
            return GPF_OUTCOME_UNTESTED;
    }
    return GPF_OUTCOME_RIGHT;
}

const gpf_block *gpf_check_block(const gpf_check *c, size_t i)
{
    return c->ran && c->fast && i < c->n_x ? &c->block[i] : NULL;
}

size_t gpf_check_n_explanations(const gpf_check *c)
{
    return c->n_explanation;
}

const gpf_explanation *gpf_check_explanation(const gpf_check *c, size_t i)
{
    return i < c->n_explanation ? &c->explanation[i] : NULL;
}

size_t gpf_check_n_tensors(const gpf_check *c)
{
    return c->n_x;
}

gpf_node gpf_check_tensor(const gpf_check *c, size_t i)
{
    return i < c->n_x ? c->x[i] : GPF_NONE;
}

gpf_shape gpf_check_tensor_shape(const gpf_check *c, size_t i)
{
    gpf_shape s = gpf_node_shape(c->g, c->x[i]);
    for (int a = 0; a < s.rank; a++)
        if (s.dim[a] == GPF_N)
            s.dim[a] = (ptrdiff_t)c->N;
    return s;
}

size_t gpf_check_batch(const gpf_check *c)
{
    return c->N;
}

gpf_node gpf_check_output(const gpf_check *c)
{
    return c->y;
}

double gpf_check_value(const gpf_check *c)
{
    return c->value;
}

int gpf_check_contracted(const gpf_check *c)
{
    return c->weights != GPF_NONE;
}

int gpf_check_threads(const gpf_check *c)
{
    return c->threads;
}

const gpf_graph *gpf_check_graph(const gpf_check *c)
{
    return c->g;
}

gpf_node gpf_check_nonfinite(const gpf_check *c, size_t *element)
{
    return gpf_damage_nonfinite(c->damage, element);
}
