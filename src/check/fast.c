/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check/fast.h"
#include "base/text.h"
#include "plan/plan.h"

#include <gsl/gsl_deriv.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { DIRECTIONS = GPF__DIRECTIONS, FEWER = 2 };

/* A range this short is looked at element by element, at most so many of a tensor; so many wrong
 * ones say enough about it. */
enum { LEAF = 8, MOST_LOOKED_AT = 256, MOST_WRONG = 64 };

/* First, largest and smallest step, as fractions of the tensor's own scale. Below the smallest
 * rounding would leave nothing to see. */
static const double STEP = 0x1.6p-17, STEP_MAX = 0x1p-4, STEP_MIN = 0x1p-30;

typedef struct fast {
    const gpf__fast_job *job;
    const gpf_check_options *how;
    gpf__elements *found;
    /* y alone, every value kept: at the base point, and moved */
    gpf_plan *plan;
    gpf_workspace *base, *ws;
    gpf_tensor *t;       /* by value: the workspace's, but `moved` and its views */
    unsigned char *down; /* by value: downstream of the target */
    size_t *first;       /* by value: its sides in the arrays; of those that have none: unset */
    int *base_side, *side;
    double *margin;
    int y;
    /* The tensor under test: values x, and x + t v, which is what the plan reads */
    size_t i, size;
    const double *x, *a, *rounding;
    double scale, step; /* step: the best known */
    int target;
    double *v, *moved;
    size_t lo, hi; /* v is 0 outside */
    /* The last stencil and what was met since the last reset */
    double at[4], y_at[4], used;
    bool kinked, tie, finite, reacted; /* tie: what changed side was exactly on an edge */
    /* Of the search */
    gpf_block *b;
    unsigned next_id;
    size_t looked_at, wrong, total_wrong, done, total;
    double weakest; /* the largest error that might have been missed */
    bool unconfirmed;
    int status;
} fast;

/* Direction `id` at element k: a pure function, so that a part of a direction is that direction.
 * splitmix64 of the counters. */
static double xi(const fast *f, unsigned id, size_t k)
{
    uint64_t z = (uint64_t)f->how->seed * 0xd1342543de82ef95u + (uint64_t)f->i;
    z = (z ^ z >> 31) * 0x9e3779b97f4a7c15u + id;
    z = (z ^ z >> 29) * 0xbf58476d1ce4e5b9u + (uint64_t)k * 0x9e3779b97f4a7c15u;
    z = gpf__mix(z);
    const double magnitude = 0.5 + (double)(z >> 12) * 0x1p-52;
    return z & 1 ? magnitude : -magnitude;
}

/* Elements whose value or gradient is not finite are looked at one by one and do not move. */
static bool takes_part(const fast *f, size_t k)
{
    return isfinite(f->x[k]) && (!f->a || (isfinite(f->a[k]) && isfinite(f->rounding[k])));
}

static const gpf__step *piecewise(const fast *f, int v)
{
    const int step = f->plan->value[v].step;
    const gpf__step *s = step >= 0 ? &f->plan->step[step] : NULL;
    return s && gpf__piecewise(s->op) ? s : NULL;
}

/* In a large net some element of some piecewise op changes its side within any step worth taking.
 * It goes on along the piece it is on at the base point x0,
 *     y(x) = 2 y(x0) - y(2 x0 - x),
 * exact for linear pieces, off by the square of the move for others. So y is smooth along the
 * direction, and its slope at the base point is the same. False where the mirrored point is not on
 * that piece either: on an edge, or too far away. */
static bool go_on(fast *f, int v, const gpf__step *s, size_t e)
{
    const int side = f->base_side[f->first[v] + e];
    double x[3], y, margin;
    const double *in[3] = { NULL, NULL, NULL };
    int mirrored;
    if (!s->op->map || side & 1)
        return false;
    for (int i = 0; i < s->n_in; i++) {
        const int u = f->plan->in[s->first_in + i];
        x[i] = 2 * *gpf__tensor_at(&f->base->t[u], e) - *gpf__tensor_at(&f->t[u], e);
        in[i] = &x[i];
    }
    s->op->side(1, &mirrored, &margin, in, &s->attr);
    if (mirrored != side)
        return false;
    s->op->map(1, &y, in, &s->attr);
    *gpf__tensor_at(&f->t[v], e) = 2 * *gpf__tensor_at(&f->base->t[v], e) - y;
    return true;
}

/* y with the range moved by t v. */
static double evaluate(fast *f, double t)
{
    const gpf_plan *p = f->plan;
    for (size_t k = f->lo; k < f->hi; k++)
        f->moved[k] = f->x[k] + t * f->v[k];
    for (int v = f->target + 1; v < p->n_value; v++) {
        if (!f->down[v] || p->value[v].step < 0)
            continue;
        gpf__step_run(p, &p->step[p->value[v].step], f->t, &f->ws->frame);
        const gpf__step *s = piecewise(f, v);
        if (!s || f->kinked)
            continue;
        const size_t first = f->first[v], n = gpf__tensor_size(&f->t[v]);
        gpf__step_sides(p, s, f->t, &f->ws->frame, f->side, f->margin);
        for (size_t e = 0; e < n; e++)
            if (f->side[e] != f->base_side[first + e] && !go_on(f, v, s, e)) {
                f->kinked = true;
                f->tie |= f->base_side[first + e] & 1;
            }
    }
    const double y = f->t[f->y].data[0];
    f->finite &= isfinite(y) != 0;
    f->reacted |= y != f->job->around[f->i].base;
    f->b->evaluations++;
    return y;
}

static void points(fast *f, double h)
{
    const double at[] = { -h, h, -h / 2, h / 2 };
    f->kinked = f->tie = f->reacted = false;
    f->finite = true;
    for (int i = 0; i < 4 && !f->kinked; i++) {
        f->at[i] = at[i];
        f->y_at[i] = evaluate(f, at[i]);
    }
}

/* GSL's callback: the points of the stencil just evaluated, or those of its second stage. */
static double value_at(double t, void *arg)
{
    fast *f = arg;
    for (int i = 0; i < 4; i++)
        if (f->at[i] == t)
            return f->y_at[i];
    f->used = fmin(f->used, 2 * fabs(t));
    return evaluate(f, t);
}

typedef struct slope {
    double value, error, step;
    bool ok;
} slope;

/* dy/dt by GSL's central rule with step h; not ok where a kink or a hole is within the step. GSL
 * knows neither the noise inside y nor that x + t v is rounded: size_ax is |a x|. */
static slope central(fast *f, double h, double size_ax)
{
    slope s = { .step = h };
    points(f, h);
    if (f->kinked || !f->finite)
        return s;
    const double *y = f->y_at, r3 = 0.5 * (y[1] - y[0]),
                 r5 = 4.0 / 3.0 * (y[3] - y[2]) - 1.0 / 3.0 * r3,
                 size = fabs(y[0]) + fabs(y[1]) + 2 * (fabs(y[2]) + fabs(y[3])),
                 noise = 2 * f->job->around[f->i].noise + GSL_DBL_EPSILON * size_ax + GSL_DBL_MIN,
                 first = fabs((r5 - r3) / h) + (size * GSL_DBL_EPSILON + noise) / h;
    const gsl_function along = { value_at, f };
    f->used = h;
    gsl_deriv_central(&along, 0, h, &s.value, &s.error);
    s.error += noise / f->used;
    /* the second stage may have met a kink, or noise GSL does not know of */
    if (f->kinked || !f->finite || !(s.error <= first)) {
        s.value = r5 / h;
        s.error = first;
    }
    s.ok = isfinite(s.value) && isfinite(s.error);
    return s;
}

/* With a larger step, while that helps: where rounding is what limits, GSL's rule only shrinks. */
static slope enlarge(fast *f, slope s, double size_ax)
{
    for (double h = 8 * s.step; s.ok && h <= STEP_MAX; h *= 8) {
        const slope next = central(f, h, size_ax);
        if (!next.ok || !(next.error < s.error))
            break;
        s = next;
    }
    return s;
}

/* Sums over the range along the direction: <a, v>, and the sizes of what could blur it. The signs
 * of v are random, so independent errors add up as the root of their squares. */
typedef struct projection {
    double value, size, rounding, size_ax;
} projection;

static projection project(fast *f, unsigned id, size_t lo, size_t hi)
{
    /* what an earlier range moved goes back */
    memcpy(f->moved + f->lo, f->x + f->lo, (f->hi - f->lo) * sizeof *f->x);
    f->lo = lo;
    f->hi = hi;
    long double value = 0;
    double size = 0, rounding = 0, ax = 0;
    for (size_t k = lo; k < hi; k++) {
        f->v[k] = takes_part(f, k) ? f->scale * xi(f, id, k) : 0;
        if (!f->a || f->v[k] == 0)
            continue;
        const double term = f->a[k] * f->v[k], off = f->rounding[k] * f->v[k];
        value += (long double)f->a[k] * f->v[k];
        size += term * term;
        rounding += off * off;
        ax += f->a[k] * f->x[k] * f->a[k] * f->x[k];
    }
    return (projection){ (double)value, sqrt(size), sqrt(rounding), sqrt(ax) };
}

typedef enum finding { AGREES, DISAGREES, BLOCKED } finding;

static double tolerance(const projection *p, const slope *s)
{
    return GPF__SAFETY * (s->error + p->rounding) + 4e-13 * p->size;
}

/* One direction over [lo, hi): does <a, v> agree with GSL, within what tolerance tau? A gap counts
 * when it stays at smaller steps, as far down as these can tell: an error estimate that was too
 * small accuses nobody. */
static finding along(fast *f, unsigned id, size_t lo, size_t hi, double *tau)
{
    enum { SMALLER = 4 };
    const projection p = project(f, id, lo, hi);
    const bool fresh = f->step == 0;
    double h = fresh ? STEP : f->step;
    slope s = central(f, h, p.size_ax);
    if (s.ok && fresh)
        s = enlarge(f, s, p.size_ax);
    while (!s.ok && !f->tie && (h /= 4) >= STEP_MIN)
        s = central(f, h, p.size_ax);
    if (!s.ok)
        return BLOCKED;
    if (fresh)
        f->step = s.step;
    double gap = fabs(p.value - s.value);
    *tau = tolerance(&p, &s);
    for (int i = 0; i < SMALLER && !(gap <= *tau) && s.step / 4 >= STEP_MIN; i++) {
        s = central(f, s.step / 4, p.size_ax);
        if (!s.ok || !(tolerance(&p, &s) <= gap / 4))
            break;
        *tau = tolerance(&p, &s);
        gap = fabs(p.value - s.value);
    }
    return gap <= *tau ? AGREES : DISAGREES;
}

double gpf__error_seen(double *tau, unsigned n)
{
    const double miss = 1 - GPF_FAST_PROBABILITY;
    double best = INFINITY, log_product = -log(miss);
    for (unsigned i = 0; i < n; i++) {
        for (unsigned j = i + 1; j < n; j++)
            if (tau[j] < tau[i]) {
                const double t = tau[i];
                tau[i] = tau[j];
                tau[j] = t;
            }
        log_product += log(tau[i]);
        best = fmin(best, 2 * exp(log_product / (i + 1)));
    }
    return best;
}

void gpf__block_looked_at(gpf_block *b, gpf_verdict v)
{
    if (v == GPF_VACUOUS)
        b->small++;
    else if (v == GPF_UNRESOLVED)
        b->untested++;
    else
        b->covered++;
}

void gpf__block_conclude(gpf_block *b, double weakest, bool wrong, bool unconfirmed)
{
    b->error = weakest > 0 ? weakest : GSL_NAN;
    b->magnitude = b->error / GPF_FAST_RELATIVE;
    b->reason = GPF_REASON_NONE;
    b->verdict = GPF_UNRESOLVED;
    if (wrong)
        b->verdict = GPF_WRONG;
    else if (unconfirmed)
        b->reason = GPF_REASON_UNCONFIRMED;
    else if (b->covered)
        b->verdict = GPF_RIGHT;
    else
        b->reason = b->untested ? GPF_REASON_CROWDED : GPF_REASON_TOO_SMALL;
}

static void cover(fast *f, size_t lo, size_t hi, double error)
{
    f->weakest = fmax(f->weakest, error);
    for (size_t k = lo; k < hi; k++) {
        if (!takes_part(f, k))
            continue; /* looked at already */
        if (f->a && fabs(f->a[k]) * GPF_FAST_RELATIVE >= error)
            f->b->covered++;
        else
            f->b->small++;
    }
}

static bool enough(const fast *f)
{
    return f->status || f->wrong >= MOST_WRONG || f->looked_at >= MOST_LOOKED_AT ||
           (f->how->max_failures && f->total_wrong >= f->how->max_failures);
}

/* The exact check of one element; its verdict is the one that counts. */
static void look_at(fast *f, size_t k)
{
    if (enough(f)) {
        f->b->untested++;
        return;
    }
    gpf__elements *l = f->found;
    if (gpf__grow(&l->e, &l->cap, l->n + 1, sizeof *l->e)) {
        f->status = GSL_ENOMEM;
        return;
    }
    gpf_element *e = &l->e[l->n++];
    memset(e, 0, sizeof *e);
    e->tensor = (int)f->i;
    e->k = k;
    e->value = f->x[k];
    e->analytic = f->a ? f->a[k] : 0;
    gpf__around here = f->job->around[f->i];
    here.rounding = f->rounding ? f->rounding[k] : 0;
    gpf__decide_on(f->job->overlay, &here, e);
    f->looked_at++;
    f->b->evaluations += e->evaluations;
    f->wrong += e->verdict == GPF_WRONG;
    f->total_wrong += e->verdict == GPF_WRONG;
    gpf__block_looked_at(f->b, e->verdict);
}

static void report_progress(fast *f, size_t n)
{
    f->done += n;
    if (f->how->progress && !f->status && f->how->progress(f->how->progress_arg, f->done, f->total))
        f->status = GPF_ECANCEL;
}

/* Tests [lo, hi) along the directions given; *guilty is the one that disagrees or is blocked. */
static finding test(fast *f, size_t lo, size_t hi, const unsigned *id, unsigned n, unsigned *guilty)
{
    double tau[DIRECTIONS];
    unsigned clean = 0;
    for (unsigned j = 0; j < n; j++) {
        const finding one = along(f, id[j], lo, hi, &tau[clean]);
        *guilty = id[j];
        if (n == DIRECTIONS) {
            f->b->directions = j + 1;
            f->b->disagreed = one == DISAGREES;
        }
        if (one == DISAGREES || (one == BLOCKED && clean == 0))
            return one;
        clean += one == AGREES;
    }
    cover(f, lo, hi, gpf__error_seen(tau, clean) / f->scale);
    return AGREES;
}

/* Narrows a gap (or a kink that is inside every step) down to elements. Halves are tested along the
 * direction that showed it, whose gap is the sum of theirs, and along a new one. */
static void search(fast *f, size_t lo, size_t hi, const unsigned *id, unsigned n)
{
    if (hi - lo <= LEAF || enough(f)) {
        for (size_t k = lo; k < hi; k++)
            if (takes_part(f, k))
                look_at(f, k);
        report_progress(f, hi - lo);
        return;
    }
    unsigned guilty = 0;
    const size_t wrong = f->wrong;
    const finding found = test(f, lo, hi, id, n, &guilty);
    if (found == AGREES) {
        report_progress(f, hi - lo);
        return;
    }
    const unsigned next[FEWER] = { guilty, f->next_id++ };
    search(f, lo, lo + (hi - lo) / 2, next, FEWER);
    search(f, lo + (hi - lo) / 2, hi, next, FEWER);
    f->unconfirmed |= found == DISAGREES && f->wrong == wrong && !f->status;
}

/* All of backprop is 0 here: does y react at all, other than by changing to another piece? */
static bool reacts(fast *f)
{
    for (unsigned id = 0; id < FEWER; id++) {
        project(f, id, 0, f->size);
        points(f, STEP);
        if (f->reacted)
            return true;
        points(f, STEP_MAX);
        if (f->reacted && !f->kinked)
            return true;
    }
    return false;
}

/* Turns to tensor i: the base values anew, and what is downstream of it. */
static int enter(fast *f, size_t i)
{
    const gpf__fast_job *job = f->job;
    const gpf_plan *p = f->plan;
    const int status = gpf_plan_run(p, f->ws, job->at);
    if (status)
        return status;
    memcpy(f->t, f->ws->t, (size_t)p->n_value * sizeof *f->t);
    f->i = i;
    f->size = gpf_damage_target_size(job->damage, i);
    f->x = gpf_damage_target(job->damage, i);
    f->a = job->analytic[i];
    f->rounding = job->rounding[i];
    f->scale = job->around[i].typical > 0 ? job->around[i].typical : 1;
    f->step = 0;
    f->lo = f->hi = 0;
    f->next_id = DIRECTIONS;
    f->looked_at = f->wrong = 0;
    f->weakest = 0;
    f->unconfirmed = false;
    memcpy(f->moved, f->x, f->size * sizeof *f->x);
    f->target = gpf__plan_value(p, job->x[i]);
    f->t[f->target].data = f->moved;
    memset(f->down, 0, (size_t)p->n_value);
    f->down[f->target] = 1;
    for (int v = f->target + 1; v < p->n_value; v++) {
        const gpf__value *value = &p->value[v];
        if (value->source == GPF__VIEW && f->down[value->of]) {
            f->down[v] = 1;
            f->t[v].data = f->t[value->of].data + value->offset;
        }
        for (int j = 0; value->step >= 0 && j < p->step[value->step].n_in; j++)
            f->down[v] |= f->down[p->in[p->step[value->step].first_in + j]];
    }
    return GSL_SUCCESS;
}

static void vacuous(gpf_block *b, gpf_reason r)
{
    b->verdict = GPF_VACUOUS;
    b->reason = r;
    b->small = b->total;
}

static void check_tensor(fast *f)
{
    gpf_block *b = f->b;
    const gpf__around *around = &f->job->around[f->i];
    bool zero = true;
    for (size_t k = 0; k < f->size && zero; k++)
        zero = !f->a || f->a[k] == 0;
    if (zero && !around->depends) {
        vacuous(b, GPF_REASON_INDEPENDENT);
    } else if (!isfinite(around->base)) {
        b->reason = GPF_REASON_NOT_FINITE; /* and unresolved, as it was set up */
    } else if (zero && !reacts(f)) {
        vacuous(b, GPF_REASON_NO_REACTION);
    } else {
        b->untested = 0;
        for (size_t k = 0; k < f->size; k++)
            if (!takes_part(f, k))
                look_at(f, k);
        unsigned id[DIRECTIONS];
        for (unsigned j = 0; j < DIRECTIONS; j++)
            id[j] = j;
        search(f, 0, f->size, id, DIRECTIONS);
        gpf__block_conclude(f->b, f->weakest, f->wrong > 0, f->unconfirmed);
        return;
    }
    b->untested = b->total - b->small;
    report_progress(f, f->size);
}

static int by_place(const void *a, const void *b)
{
    const gpf_element *p = a, *q = b;
    return p->tensor != q->tensor ? (p->tensor < q->tensor ? -1 : 1)
                                  : (p->k > q->k) - (p->k < q->k);
}

static int prepare(fast *f)
{
    const gpf__fast_job *job = f->job;
    int status = gpf__plan_make(job->g, &job->y, 1, job->N, job->x, job->n, true, &f->plan);
    if (status)
        return status;
    const gpf_plan *p = f->plan;
    const size_t n_value = (size_t)p->n_value;
    size_t sides = 0, most_sides = 0, most = 0;
    f->y = gpf__plan_value(p, job->y);
    f->first = calloc(n_value, sizeof *f->first);
    for (int v = 0; f->first && v < p->n_value; v++) {
        const size_t size = gpf__tensor_size(&p->value[v].t);
        if (!piecewise(f, v))
            continue;
        f->first[v] = sides;
        sides += size;
        most_sides = size > most_sides ? size : most_sides;
    }
    for (size_t i = 0; i < job->n; i++) {
        const size_t size = gpf_damage_target_size(job->damage, i);
        most = size > most ? size : most;
        f->total += size;
    }
    f->base = gpf__workspace_make(p);
    f->ws = gpf__workspace_make(p);
    f->t = malloc(n_value * sizeof *f->t);
    f->down = malloc(n_value);
    f->base_side = malloc((sides + 1) * sizeof *f->base_side);
    f->side = malloc((most_sides + 1) * sizeof *f->side);
    f->margin = malloc((most_sides + 1) * sizeof *f->margin);
    f->v = malloc(2 * most * sizeof *f->v);
    if (!f->first || !f->base || !f->ws || !f->t || !f->down || !f->base_side || !f->side ||
        !f->margin || !f->v)
        return GSL_ENOMEM;
    f->moved = f->v + most;
    status = gpf_plan_run(p, f->base, job->at);
    for (int v = 0; status == GSL_SUCCESS && v < p->n_value; v++)
        if (piecewise(f, v))
            gpf__step_sides(p, piecewise(f, v), f->base->t, &f->base->frame,
                            f->base_side + f->first[v], f->margin);
    return status;
}

static void release(fast *f)
{
    gpf_workspace_free(f->base);
    gpf_workspace_free(f->ws);
    gpf_plan_free(f->plan);
    free(f->first);
    free(f->t);
    free(f->down);
    free(f->base_side);
    free(f->side);
    free(f->margin);
    free(f->v);
}

int gpf__fast_check(const gpf__fast_job *job, const gpf_check_options *how, gpf_block *block,
                    gpf__elements *found)
{
    fast f = { .job = job, .how = how, .found = found };
    for (size_t i = 0; i < job->n; i++) {
        const size_t size = gpf_damage_target_size(job->damage, i);
        block[i] = (gpf_block){ .verdict = GPF_UNRESOLVED,
                                .total = size,
                                .untested = size,
                                .error = GSL_NAN,
                                .magnitude = GSL_NAN };
    }
    f.status = prepare(&f);
    for (size_t i = 0; i < job->n && f.status == GSL_SUCCESS; i++) {
        if (how->max_failures && f.total_wrong >= how->max_failures)
            break;
        f.b = &block[i];
        f.status = enter(&f, i);
        if (f.status == GSL_SUCCESS)
            check_tensor(&f);
    }
    if (found->n)
        qsort(found->e, found->n, sizeof *found->e, by_place);
    release(&f);
    return f.status;
}
