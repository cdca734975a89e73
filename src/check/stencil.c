/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check/stencil.h"

#include <float.h>
#include <gsl/gsl_deriv.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* y as a function of one element, as GSL wants it, with what the branches did on the way. */
typedef struct probe {
    const gpf__line *line;
    gpf_element *e;
    const gpf__around *around;
    double origin;         /* what the points are counted from: the element's value; a grid's: 0 */
    double base, reaction; /* y at the base; how strongly it reacts, as a slope */
    double noise;          /* of y */
    double h0;             /* the first step */
    bool searched;         /* for the steps of a staircase */
    double still;          /* y does not move at all nearer than that; 0: not looked for */
    double used;           /* step of the points GSL last asked for */
    /* The points of the last stencil, evaluated together, served to GSL one by one. */
    double at[4], y[4];
    gpf_branch branch[4];
    /* Over the points since the last reset: */
    bool moved;   /* some op is on another piece than at the base */
    bool finite;  /* y was finite everywhere */
    bool reacted; /* y differed from the base somewhere, by more than its noise */
    bool tie;     /* some op that moved was exactly on an edge at the base */
    bool same;    /* all points are on the same pieces as the first */
} probe;

static void note(probe *p, size_t i)
{
    p->moved |= p->branch[i].n_changed > 0;
    p->tie |= p->branch[i].tie != 0;
    p->finite &= isfinite(p->y[i]) != 0;
    p->reacted |= !(fabs(p->y[i] - p->base) <= p->noise);
    p->same &= p->branch[i].signature == p->branch[0].signature;
}

static void evaluate(probe *p, const double at[4])
{
    double t[4];
    for (size_t i = 0; i < 4; i++)
        t[i] = (p->at[i] = at[i]) - p->origin;
    p->line->values(p->line->arg, t, 4, p->y, p->branch);
    p->e->evaluations += 4;
    for (size_t i = 0; i < 4; i++)
        note(p, i);
}

/* GSL's callback. The first stage of its rules asks for the points of the stencil just evaluated;
 * a second stage, with another step, asks for points of its own. */
static double value_at(double x, void *arg)
{
    probe *p = arg;
    for (size_t i = 0; i < 4; i++)
        if (p->at[i] == x)
            return p->y[i];
    double y;
    gpf_branch b;
    const double t = x - p->origin;
    p->line->values(p->line->arg, &t, 1, &y, &b);
    p->e->evaluations++;
    p->used = fmin(p->used, 2 * fabs(t)); /* the second stage's, from its points at h and h/2 */
    p->moved |= b.n_changed > 0 && b.signature != p->branch[0].signature;
    p->finite &= isfinite(y) != 0;
    return y;
}

/* Nothing tells of pieces: a slope must prove itself to be the one next to the base. */
static bool inferred(const probe *p)
{
    return !p->line->side;
}

static void reset(probe *p)
{
    p->moved = p->tie = p->reacted = false;
    p->finite = p->same = true;
}

/* The four points of GSL's central rule, in the expressions it uses. */
static void central_points(probe *p, double h)
{
    const double x = p->origin, at[] = { x - h, x + h, x - h / 2, x + h / 2 };
    reset(p);
    evaluate(p, at);
}

/* The same for its one-sided rule; h < 0 is backward. */
static void one_sided_points(probe *p, double h)
{
    const double x = p->origin, at[] = { x + h / 4.0, x + h / 2.0, x + (3.0 / 4.0) * h, x + h };
    reset(p);
    evaluate(p, at);
}

/* By how much the rules amplify noise that is independent from point to point: the root of the sum
 * of their squared coefficients, 1.9 and 38, of h. */
static const double CENTRAL_POINTS = 2, ONE_SIDED_POINTS = 40;

typedef struct slope {
    double value, error, step;
    bool ok; /* finite, and all points on the same smooth piece */
} slope;

/* GSL takes y to be exact to eps |y|. What cancels inside y, and underflow, is noise beyond that:
 * `points` of it, over the step. */
static double noise_error(const probe *p, double points, double h)
{
    return (points * p->noise + GSL_DBL_MIN) / fabs(h);
}

/* GSL's five-point rule at the points just evaluated, without its adaptation, and the two parts of
 * its error estimate: r3 = (y(h) - y(-h))/2, r5 = 4/3 (y(h/2) - y(-h/2)) - r3/3. */
typedef struct raw {
    double value, truncation, rounding, step;
    double bend; /* by how much a kink between these points could have moved the value */
} raw;

static raw raw_central(const probe *p, double h)
{
    const double r3 = 0.5 * (p->y[1] - p->y[0]),
                 r5 = 4.0 / 3.0 * (p->y[3] - p->y[2]) - 1.0 / 3.0 * r3,
                 e3 = (fabs(p->y[1]) + fabs(p->y[0])) * GSL_DBL_EPSILON,
                 e5 = 2.0 * (fabs(p->y[3]) + fabs(p->y[2])) * GSL_DBL_EPSILON + e3,
                 dx = fmax(fabs(r3 / h), fabs(r5 / h)) * fabs(p->e->value / h) * GSL_DBL_EPSILON;
    /* A kink of the slopes l, r leaves (r - l) h in the second difference over h, and half of r - l,
     * at most, in the slope from -h to h. */
    const double wide = fabs(p->y[0] - 2 * p->base + p->y[1]),
                 near = fabs(p->y[2] - 2 * p->base + p->y[3]);
    return (raw){ r5 / h, fabs((r5 - r3) / h),
                  fabs(e5 / h) + dx + noise_error(p, CENTRAL_POINTS, h), h,
                  (4.0 / 3.0 * near + wide / 6) / fabs(h) };
}

/* The same for GSL's one-sided rule: r2 = 2 (y(h) - y(h/2)), and r4 of all four points. */
static raw raw_one_sided(const probe *p, double h)
{
    const double *y = p->y, r2 = 2.0 * (y[3] - y[1]),
                 r4 = 22.0 / 3.0 * (y[3] - y[2]) - 62.0 / 3.0 * (y[2] - y[1]) +
                      52.0 / 3.0 * (y[1] - y[0]),
                 e4 = 2 * 20.67 * (fabs(y[3]) + fabs(y[2]) + fabs(y[1]) + fabs(y[0])) *
                      GSL_DBL_EPSILON,
                 dx = fmax(fabs(r2 / h), fabs(r4 / h)) * fabs(p->e->value / h) * GSL_DBL_EPSILON;
    return (raw){ r4 / h, fabs((r4 - r2) / h),
                  fabs(e4 / h) + dx + noise_error(p, ONE_SIDED_POINTS, h), fabs(h), 0 };
}

/* One of GSL's rules where points are shared: the second stage takes the power of two below the
 * step GSL would take, and is left out if the first is more than good enough. */
typedef struct rule {
    void (*points)(probe *p, double h);
    raw (*raw)(const probe *p, double h);
    double (*shorter)(double rounding, double truncation); /* GSL's second step over the first */
} rule;

static double shorter_central(double rounding, double truncation)
{
    return cbrt(rounding / (2 * truncation));
}

static double shorter_one_sided(double rounding, double truncation)
{
    return sqrt(rounding / truncation);
}

static const rule central_rule = { central_points, raw_central, shorter_central },
                  one_sided_rule = { one_sided_points, raw_one_sided, shorter_one_sided };

/* At the points just evaluated; those last evaluated may be others afterwards. */
static slope on_grid(probe *p, double h, const rule *by)
{
    const double plenty = 1e-8;
    raw best = by->raw(p, h);
    double error = best.truncation + best.rounding;
    bool finite = p->finite;
    if (best.rounding > 0 && best.rounding < best.truncation && error > plenty * fabs(best.value)) {
        int exponent;
        frexp(by->shorter(best.rounding, best.truncation), &exponent);
        const double k = ldexp(h, exponent - 1);
        by->points(p, k);
        const raw second = by->raw(p, k);
        const double other = second.truncation + second.rounding;
        if (p->finite && other < error && fabs(second.value - best.value) < 4 * error) {
            best = second;
            error = other;
            finite = true;
        }
    }
    return (slope){ best.value, error, best.step,
                    finite && isfinite(best.value) && isfinite(error) };
}

/* GSL's value, or that of its first stage where its second, which shrinks the step as far as
 * eps |y| allows, runs into noise GSL does not know of. */
static slope central(probe *p, double h)
{
    if (p->line->grid)
        return on_grid(p, h, &central_rule);
    slope s = { .step = h };
    const gsl_function f = { value_at, p };
    p->used = h;
    gsl_deriv_central(&f, p->e->value, h, &s.value, &s.error);
    s.error += noise_error(p, CENTRAL_POINTS, p->used);
    const raw first = raw_central(p, h);
    if (!(s.error <= first.truncation + first.rounding)) {
        s.value = first.value;
        s.error = first.truncation + first.rounding;
    }
    s.ok = p->finite && !p->moved && isfinite(s.value) && isfinite(s.error);
    return s;
}

static slope one_sided(probe *p, double h)
{
    if (p->line->grid)
        return on_grid(p, h, &one_sided_rule);
    slope s = { .step = fabs(h) };
    const gsl_function f = { value_at, p };
    p->used = fabs(h);
    if (h > 0)
        gsl_deriv_forward(&f, p->e->value, h, &s.value, &s.error);
    else
        gsl_deriv_backward(&f, p->e->value, -h, &s.value, &s.error);
    s.error += noise_error(p, ONE_SIDED_POINTS, p->used);
    s.ok = p->finite && p->same && isfinite(s.value) && isfinite(s.error);
    return s;
}

/* 2^-16 of the scale, where GSL's truncation and rounding errors meet for functions of curvature 1,
 * so that its second stage is rarely needed. 11/8 of a power of two, so that x +- h is exact and a
 * function of period 2^-k is not met at the same phase everywhere. */
double gpf__first_step(double scale)
{
    if (!(scale > 0) || !isfinite(scale))
        scale = 1;
    int exponent;
    frexp(scale, &exponent);
    return ldexp(1.375, exponent - 17);
}

/* A small element of a tensor of large ones has a scale of its own. */
static double first_step(double x, double typical)
{
    return gpf__first_step(x == 0 ? typical : fmax(fabs(x), typical / 64));
}

static double first_step_of(const probe *p)
{
    return p->line->step > 0 ? p->line->step : first_step(p->e->value, p->around->typical);
}

enum { RETREAT = 4, MIN_STEP_BITS = 40 };

/* The analytic value has rounding errors of its own. */
static double own_rounding(double analytic, double numeric, double rounding)
{
    return 4e-13 * fmax(fabs(analytic), fabs(numeric)) + GPF__SAFETY * rounding;
}

int gpf__agree(double analytic, double numeric, double error, double rounding)
{
    /* written so that NaN does not agree */
    return fabs(analytic - numeric) <=
           GPF__SAFETY * error + own_rounding(analytic, numeric, rounding);
}

static bool agrees(const probe *p, const slope *s)
{
    return gpf__agree(p->e->analytic, s->value, s->error, p->around->rounding);
}

/* Are the errors of both values small enough to call an agreement evidence? An exact zero is
 * measured by how strongly y reacts. */
static bool resolved(const probe *p, const slope *s)
{
    const double claim = p->e->analytic == 0 ? p->reaction : fabs(s->value);
    return fmax(s->error, p->around->rounding) <= GPF__RESOLVED * claim;
}

/* Is the slope not one at all yet? Its error is a good part of it and far above rounding, so it is
 * truncation: y varies on a scale below the step. Nobody is accused with such a number. */
static bool vague(const probe *p, const slope *s)
{
    const double rounding = GSL_DBL_EPSILON * fabs(p->base) + p->noise + GSL_DBL_MIN;
    return !(s->error <= 0.01 * fabs(s->value)) && !(s->error * s->step <= 100 * rounding);
}

static double digits_of(const probe *p)
{
    const gpf_element *e = p->e;
    const double off = fmax(e->error, fabs(e->analytic - e->numeric)),
                 size = e->analytic == 0 ? p->reaction : fabs(e->numeric);
    if (!(size > 0) || !isfinite(off))
        return 0;
    return off > 0 ? fmin(16, fmax(0, -log10(off / size))) : 16;
}

static void conclude(gpf_element *e, gpf_verdict v, gpf_reason r)
{
    e->verdict = v;
    e->reason = r;
}

static void take(gpf_element *e, const slope *s)
{
    e->numeric = s->value;
    e->error = s->error;
    e->step = s->step;
}

/* y's reaction to the stencil, as a slope: the scale of an exact zero. */
static double reaction_of(const probe *p, double h)
{
    double r = 0;
    for (size_t i = 0; i < 4; i++)
        r = fmax(r, (fabs(p->y[i] - p->base) - p->noise) / h);
    return isfinite(r) ? r : 0;
}

/* How far y was from the base in the last stencil. */
static double stirred(const probe *p)
{
    double most = 0;
    for (size_t i = 0; i < 4; i++)
        most = fmax(most, fabs(p->y[i] - p->base));
    return most;
}

/* Does y stay what it is, as far as it is defined, up to the largest step that has a point where it
 * is? */
static bool silent(probe *p, double h, double h_max)
{
    for (double k = h_max;; k = fmax(k / 8, h)) {
        central_points(p, k);
        bool defined = false, moves = false;
        for (size_t i = 0; i < 4; i++) {
            defined |= isfinite(p->y[i]) != 0;
            moves |= fabs(p->y[i] - p->base) > p->noise;
        }
        if (moves || defined || k <= h)
            return defined && !moves;
    }
}

/* The least by which y, where it is defined, is off the base at one of the points, but more than
 * that; infinity if it is nowhere. */
static double least_move(const probe *p, double more)
{
    double least = INFINITY;
    for (size_t i = 0; i < 4; i++) {
        const double off = fabs(p->y[i] - p->base);
        if (isfinite(off) && off > more)
            least = fmin(least, off);
    }
    return least;
}

static bool unmoved(const probe *p, double more)
{
    return !(least_move(p, more) < INFINITY);
}

/* y does not move by more than so much: has it steps, as where digits are lost in 1e8 + y - 1e8, or
 * is it constant? Steps are noise of the size of the least that y can move by. So large a change of
 * the variable that y moves is looked for, and then the least such change: of a step there y moves
 * at once by all of its height, behind the edge of a relu by next to nothing. */
static void find_steps(probe *p, double h, double more)
{
    enum { FAR = 24, NARROW = 10 };
    double lo = h, hi = h, least = INFINITY;
    p->searched = true;
    for (int k = 0; k < FAR && !(least < INFINITY); k += 2) {
        lo = hi;
        hi = ldexp(hi, 2);
        central_points(p, hi);
        least = least_move(p, more);
    }
    if (!(least < INFINITY)) {
        /* Constant; or its digits are lost, and where it could move it is saturated. Then the claim
         * has to be such that its change is plain beside y itself. */
        p->still = ldexp(p->h0, 13);
        p->noise = fmax(p->noise, 0x1p-14 * fabs(p->base) + GSL_DBL_EPSILON);
        return;
    }
    for (int k = 0; k < NARROW; k++) {
        const double mid = lo + (hi - lo) / 2;
        central_points(p, mid);
        least = fmin(least, least_move(p, more));
        *(unmoved(p, more) ? &lo : &hi) = mid;
    }
    p->still = lo;
    p->noise = fmax(p->noise, least);
}

/* A step too small for y to feel is no proof of independence. With a large one, y may only react
 * because an op changed to another piece: here, on this piece, it still does not. */
static bool no_reaction_at_all(probe *p, double h_max)
{
    central_points(p, h_max);
    return p->moved || !p->reacted;
}

/* Another step when GSL's error is too large: larger if rounding makes it (GSL's own adaptation
 * only shrinks), smaller if truncation does. As long as the error falls. */
static slope better(probe *p, slope s, double h, double largest, double smallest)
{
    central_points(p, h);
    const raw r = raw_central(p, h);
    const double factor = r.rounding >= r.truncation ? 8 : 0.125;
    for (h *= factor; h <= largest && h >= smallest; h *= factor) {
        central_points(p, h);
        if (p->moved || !p->finite)
            break;
        const slope next = central(p, h);
        if (!next.ok || (s.ok && next.error >= s.error && next.error > 0))
            break;
        s = next;
    }
    return s;
}

/* One side's slope, over the largest stencil all of whose points are on one smooth piece, and y's
 * limit from that side. */
typedef struct side {
    slope s;
    double limit, change; /* largest difference of y from the base on this side */
    bool own_piece, finite;
    bool jump;   /* y differs from the base however near */
    double near; /* inferred: nearest to the base at which it is known to be the slope there */
} side;

/* Do the chords from the base to nearer and nearer points, until noise would hide that it is the
 * analytic value they lead to, tend to the slope as those of a smooth y do, in proportion to their
 * length? The points of the one-sided rule of step h are the last evaluated. */
static bool leads_to_base(probe *p, double h, const slope *s, double h_min, double *near)
{
    enum { MOST = 8 };
    const double gap = fabs(p->e->analytic - s->value),
                 sag = fabs((p->y[3] - p->base) / h - s->value),
                 rounding = 4 * GSL_DBL_EPSILON * fabs(p->base) + 2 * p->noise;
    bool hidden = false;
    double t = h;
    for (int n = 0; n < MOST && !hidden && fabs(t) >= h_min; n++) {
        double at[4];
        for (int i = 0; i < 4; i++)
            at[i] = p->origin + (t /= 4);
        evaluate(p, at);
        for (int i = 0; i < 4 && !hidden; i++) {
            const double d = at[i] - p->origin, noise = rounding / fabs(d),
                         off = fabs((p->y[i] - p->base) / d - s->value);
            if (!(off <= GPF__SAFETY * s->error + noise + 2 * sag * fabs(d / h)))
                return false;
            hidden = noise > gap / 4;
            *near = fabs(d);
        }
    }
    return true;
}

/* Do all points nearer than h on its side lie on the pieces of the points just evaluated? Only then
 * is it the side next to the base, not one behind another kink. */
static bool reaches_base(probe *p, double h, double h_min)
{
    const unsigned long long far = p->branch[0].signature;
    const double x = p->origin;
    for (h /= 16; fabs(h) >= h_min; h /= 256) {
        const double at[] = { x + h, x + h / 4, x + h / 16, x + h / 64 };
        evaluate(p, at);
        if (!p->finite || !p->same || p->branch[0].signature != far)
            return false;
    }
    return true;
}

static side inferred_side_slope(probe *p, double h, double h_min)
{
    side r = { .s = { .ok = false }, .own_piece = true };
    double first = 0;
    for (; fabs(h) >= h_min; h /= RETREAT) {
        one_sided_points(p, h);
        if (!p->finite)
            continue;
        r.finite = true;
        if (!p->searched && unmoved(p, 2 * p->noise)) {
            central_points(p, h);
            if (unmoved(p, 2 * p->noise)) /* on both sides */
                find_steps(p, h, 2 * p->noise);
            one_sided_points(p, h);
        }
        r.change = reaction_of(p, 1);
        first = first > 0 ? first : r.change;
        r.s = one_sided(p, h);
        one_sided_points(p, h);
        if (r.s.ok && leads_to_base(p, h, &r.s, h_min, &r.near)) {
            r.limit = p->base;
            return r;
        }
        r.s.ok = false;
    }
    r.jump = r.change > 0.25 * first && r.change > 16 * p->noise;
    return r;
}

static side side_slope(probe *p, double h, double h_min)
{
    if (inferred(p))
        return inferred_side_slope(p, h, h_min);
    side r = { .s = { .ok = false } };
    for (; fabs(h) >= h_min; h /= RETREAT) {
        one_sided_points(p, h);
        r.finite = p->finite;
        if (!p->finite || !p->same || !reaches_base(p, h, h_min))
            continue;
        one_sided_points(p, h);
        r.own_piece = !p->moved;
        r.change = reaction_of(p, 1);
        r.s = one_sided(p, h);
        r.limit = p->y[0] - r.s.value * (h / 4);
        break;
    }
    return r;
}

/* Are both slopes known down to so near the base that it would be a rare accident if it lay between
 * other kinks yet? Not where noise is large, or was taken to be by a kink. */
static bool proven_near(const probe *p, const side both[2])
{
    return !inferred(p) || fmax(both[0].near, both[1].near) <= ldexp(p->h0, -12);
}

/* Both sides have a slope of their own: the analytic value must lie between them. */
static void between_slopes(probe *p, const side both[2])
{
    gpf_element *e = p->e;
    const slope *l = &both[0].s, *r = &both[1].s;
    if (!l->ok || !r->ok) {
        conclude(e, GPF_UNRESOLVED,
                 both[0].jump || both[1].jump       ? GPF_REASON_JUMP
                 : both[0].finite && both[1].finite ? GPF_REASON_CROWDED
                                                    : GPF_REASON_NOT_FINITE);
        return;
    }
    e->left = l->value;
    e->left_error = l->error;
    e->right = r->value;
    e->right_error = r->error;
    e->step = fmin(l->step, r->step);
    const slope mid = { .value = (l->value + r->value) / 2,
                        .error = fmax(l->error, r->error) + fabs(l->value - r->value) / 2,
                        .step = e->step,
                        .ok = true };
    take(e, &mid);
    const double lo = fmin(e->left, e->right), hi = fmax(e->left, e->right),
                 error = fmax(e->left_error, e->right_error),
                 slack = GPF__SAFETY * error + own_rounding(lo, hi, p->around->rounding),
                 jump = fabs(both[1].limit - both[0].limit);
    const bool outside = !(e->analytic >= lo - slack && e->analytic <= hi + slack),
               unsure = vague(p, l) || vague(p, r) || !proven_near(p, both);
    if (!isfinite(e->analytic))
        conclude(e, unsure ? GPF_UNRESOLVED : GPF_WRONG, GPF_REASON_NOT_FINITE);
    else if (jump >
             0.5 * fmax(both[0].change, both[1].change) + 1e-9 * fabs(p->base) + 4 * p->noise)
        conclude(e, GPF_UNRESOLVED, GPF_REASON_JUMP);
    else if (outside)
        conclude(e, unsure ? GPF_UNRESOLVED : GPF_WRONG,
                 unsure ? GPF_REASON_TRUNCATION : GPF_REASON_OUTSIDE);
    else if (resolved(p, &mid)) /* both slopes agree: smooth after all */
        conclude(e, GPF_RIGHT, GPF_REASON_NONE);
    else
        conclude(e, GPF_KINK, GPF_REASON_BETWEEN);
}

/* Does y have two different slopes here although no op tells of a kink (a caller's op without a
 * side rule, two switches between two points)? A central difference is then confident and wrong. */
static bool hidden_kink(probe *p, double h, double h_min, side both[2])
{
    h_min = inferred(p) ? h_min : h / 1024;
    both[0] = side_slope(p, -h, h_min);
    both[1] = side_slope(p, h, h_min);
    const slope *l = &both[0].s, *r = &both[1].s;
    const double apart = fabs(l->value - r->value);
    return l->ok && r->ok && apart > 10 * (l->error + r->error) &&
           apart > 1e-6 * fmax(fabs(l->value), fabs(r->value));
}

/* A sign of that, for nothing: the second difference of a smooth y falls by four when the step is
 * halved, that of a kink by two. */
static bool looks_kinked(const probe *p)
{
    const double wide = p->y[0] - 2 * p->base + p->y[1], near = p->y[2] - 2 * p->base + p->y[3],
                 size = fabs(p->y[0]) + fabs(p->y[1]) + fabs(p->y[2]) + fabs(p->y[3]),
                 noise = 1e3 * GSL_DBL_EPSILON * size + 16 * p->noise;
    return fabs(wide) > noise && fabs(near) > 0.4 * fabs(wide);
}

/* Is y no curve with that slope after all? It has no digits; or it leaves the slope between the
 * points of the stencil, by what would matter or by far more than its error, which is that of a
 * smooth y. Waves as long as a part of the step show in none of its points: sin(1e12 x). */
static bool wavers(probe *p, const slope *s, double gap)
{
    const double x = p->origin, h = s->step, room = fmin(gap / 4, 30 * s->error),
                 at[] = { x - 0.8431 * h, x + 0.8431 * h, x - 0.3719 * h, x + 0.3719 * h };
    double most = 0;
    bool apart = false;
    evaluate(p, at);
    for (int i = 0; i < 4; i++) {
        most = fmax(most, fabs(p->y[i]));
        if (i % 2)
            apart |= !(fabs((p->y[i] - p->y[i - 1]) / (at[i] - at[i - 1]) - s->value) <= room);
    }
    return apart || p->noise > 1e-3 * most;
}

/* Is the base itself beside the line through the points near it, all on one side and by more than
 * they are off each other? Then there are kinks, or a jump, nearer than they are. */
static bool base_is_apart(probe *p, const slope *s)
{
    double least = INFINITY, most = -INFINITY;
    central_points(p, fmax(ldexp(p->h0, -14), ldexp(fabs(p->e->value), -42)));
    for (size_t i = 0; i < 4; i++) {
        const double off = p->y[i] - p->base - s->value * (p->at[i] - p->origin);
        least = fmin(least, off);
        most = fmax(most, off);
    }
    return fmin(fabs(least), fabs(most)) > 4 * (most - least) + 8 * GSL_DBL_EPSILON * fabs(p->base);
}

/* The step law, when both values disagree: GSL's rule without adaptation at smaller and smaller
 * steps, until rounding would hide the gap. The steps at the small end that agree with each other
 * are the truth: truncation is gone there and the noise is known. If the analytic value is apart
 * from them, the gap is flat and it is wrong; if it is not, the larger steps were too large. */
static void step_law(probe *p, const slope *first, double h_min)
{
    enum { UP = 2, MOST = 40, PLATEAU = 3 };
    gpf_element *e = p->e;
    raw s[MOST];
    int n = 0, up = UP;
    while (up < MOST / 2 && ldexp(first->step, 2 * up + 2) <= p->still)
        up++;
    for (int j = -up; j < MOST - up; j++) {
        const double h = ldexp(first->step, -2 * j);
        if (j > 0 && h < h_min)
            break;
        central_points(p, h);
        if (inferred(p) && !p->searched && unmoved(p, 2 * p->noise)) {
            find_steps(p, h, 2 * p->noise);
            while (up < MOST / 2 && ldexp(first->step, 2 * up + 2) <= p->still)
                up++;
            j = -up - 1; /* from the largest step on */
            n = 0;
            continue;
        }
        if (p->moved || !p->finite) {
            n = 0; /* only steps below the nearest kink count */
            continue;
        }
        /* Rounding inside a kernel can make y a staircase: on a tread of it there is no slope. */
        if (j > 0 && stirred(p) == 0 &&
            fabs(first->value) * h <= 16 * GSL_DBL_EPSILON * fmax(fabs(e->value), fabs(p->base)))
            break;
        s[n++] = raw_central(p, h);
        if (j > 0 && !(10 * s[n - 1].rounding < fabs(e->analytic - s[n - 1].value)))
            break;
    }
    slope best = { .error = INFINITY };
    int plateau = 0;
    /* A kink that accounts for the gap does so at the smallest steps, too, where the curvature of a
     * smooth y is gone. */
    bool bent = inferred(p), asked = false;
    for (int i = n; i-- > 0; plateau++) {
        const double error = s[i].truncation + s[i].rounding;
        if (plateau > 0 && !(fabs(s[i].value - best.value) <=
                             GPF__SAFETY * (error + best.error) + 1e-12 * fabs(best.value)))
            break;
        const double gap = fabs(e->analytic - s[i].value),
                     slack = GPF__SAFETY * error +
                             own_rounding(e->analytic, s[i].value, p->around->rounding);
        if (!asked && slack < gap / 2) {
            asked = true;
            bent &= gap <= slack + s[i].bend;
        }
        if (error < best.error)
            best = (slope){ s[i].value, error, s[i].step, true };
    }
    if (!best.ok) { /* a kink or a hole in the domain inside every step */
        take(e, first);
        conclude(e, GPF_UNRESOLVED, GPF_REASON_CROWDED);
        return;
    }
    const bool agree = agrees(p, &best);
    /* r5 - r3 may be near 0 by accident, where y's derivatives of third and fifth order cancel.
     * Then it is larger at the smallest step, and the gap is gone there although noise would not
     * hide it. */
    const raw *last = &s[n - 1];
    const double gap = fabs(e->analytic - best.value);
    const bool accident = last->step < best.step && last->truncation > best.error &&
                          last->rounding < gap && fabs(e->analytic - last->value) < 0.2 * gap;
    bool unsure = accident || bent || vague(p, &best);
    side both[2];
    if (!agree && (!unsure || bent) && plateau >= PLATEAU) {
        if (hidden_kink(p, best.step, h_min, both)) {
            between_slopes(p, both);
            return;
        }
        /* A base value far off what lies around it, as at a pole: no step was small enough. */
        central_points(p, best.step);
        unsure = unsure || looks_kinked(p) || wavers(p, &best, gap) ||
                 (inferred(p) && base_is_apart(p, &best));
    }
    /* GSL's own adapted value, where that is of the plateau */
    const bool same = fabs(first->value - best.value) <= GPF__SAFETY * (first->error + best.error);
    take(e, same && first->error < best.error && !agree ? first : &best);
    if (agree && resolved(p, &best))
        conclude(e, GPF_RIGHT, GPF_REASON_NONE);
    else if (!agree && !unsure && plateau >= PLATEAU)
        conclude(e, GPF_WRONG, GPF_REASON_FLAT_GAP);
    else
        conclude(e, GPF_UNRESOLVED, unsure ? GPF_REASON_TRUNCATION : GPF_REASON_NOISE);
}

/* The branch record of the smallest central stencil: which op was where at each of its points. */
static void record_kink(probe *p, double h)
{
    if (!p->line->side)
        return;
    gpf_element *e = p->e;
    const double x = e->value, at[] = { x - h, x - h / 2, x + h / 2, x + h };
    double y;
    for (size_t i = 0; i < 4; i++) {
        const double t = at[i] - x;
        gpf_branch b;
        p->line->values(p->line->arg, &t, 1, &y, &b);
        if (b.n_changed && (e->kink.n_changed == 0 || b.margin < e->kink.margin))
            e->kink = b;
    }
    for (size_t i = 0; e->kink.n_changed && i < 4; i++) {
        const double t = at[i] - x;
        gpf_branch b;
        p->line->values(p->line->arg, &t, 1, &y, &b);
        p->line->side(p->line->arg, e->kink.node, e->kink.element, &e->side[i]);
    }
    e->evaluations += 8;
    e->kink_step = h;
}

/* The verdict from the smooth piece the base point is on, if that reaches far enough to one side
 * or, by a central stencil, to both: then that slope is the derivative. The best of the three. */
static bool from_own_piece(probe *p, const side both[2], const slope *central_slope)
{
    enum { SMALLER = 3 };
    gpf_element *e = p->e;
    const slope *best = central_slope->ok ? central_slope : NULL, *l = &both[0].s, *r = &both[1].s;
    /* Nobody is accused with one of two different slopes, or beside a jump. */
    bool sure = true;
    if (inferred(p)) {
        if (l->ok && r->ok && fabs(l->value - r->value) > GPF__SAFETY * (l->error + r->error))
            return false;
        sure = (l->ok || !both[0].finite) && (r->ok || !both[1].finite);
    }
    for (int i = 0; i < 2; i++)
        if (both[i].own_piece && both[i].s.ok && (!best || both[i].s.error < best->error))
            best = &both[i].s;
    if (!best || !resolved(p, best))
        return false;
    take(e, best);
    if (agrees(p, best)) {
        conclude(e, GPF_RIGHT, GPF_REASON_NONE);
        return true;
    }
    /* The step law on one side: do smaller steps say the same? */
    bool flat = true;
    double h = best->step * (best == &both[0].s ? -1 : 1);
    for (int i = 0; i < SMALLER && flat; i++) {
        h /= 4;
        if (best == central_slope)
            central_points(p, h);
        else
            one_sided_points(p, h);
        const slope again = best == central_slope ? central(p, h) : one_sided(p, h);
        flat =
            again.ok && fabs(again.value - best->value) <=
                            GPF__SAFETY * (again.error + best->error) + 1e-12 * fabs(best->value);
    }
    flat &= sure;
    conclude(e, flat ? GPF_WRONG : GPF_UNRESOLVED, flat ? GPF_REASON_FLAT_GAP : GPF_REASON_NOISE);
    return true;
}

/* A kink may be inside the stencil, but no op tells where. Where a smaller stencil has none, or one
 * too weak to matter, its slope is the derivative; the error is the most that a kink could do. */
static bool right_beside_kink(probe *p, double h, double h_min)
{
    slope best = { .error = INFINITY };
    for (; h >= h_min; h /= RETREAT) {
        central_points(p, h);
        const raw r = raw_central(p, h);
        const double error = r.truncation + r.rounding + r.bend;
        if (p->finite && error < best.error)
            best = (slope){ r.value, error, h, true };
        if (r.rounding > best.error)
            break;
    }
    if (!best.ok || !resolved(p, &best) || !agrees(p, &best))
        return false;
    take(p->e, &best);
    conclude(p->e, GPF_RIGHT, GPF_REASON_NONE);
    return true;
}

/* Beside the end of y's domain: is the slope of the other side the analytic value? */
static bool right_on_one_side(probe *p, double h, double h_min)
{
    const bool left = isfinite(p->y[0]) && isfinite(p->y[2]),
               right = isfinite(p->y[1]) && isfinite(p->y[3]);
    if (left == right)
        return false;
    const side s = side_slope(p, left ? -16 * h : 16 * h, h_min);
    if (!s.s.ok || !resolved(p, &s.s) || !agrees(p, &s.s))
        return false;
    take(p->e, &s.s);
    conclude(p->e, GPF_RIGHT, GPF_REASON_NONE);
    return true;
}

/* Kinks around: the derivative of the base point's own smooth piece if that can be had. Otherwise
 * the analytic value must lie between the slopes of both sides. */
static void kink_verdict(probe *p, double h, double h_min, double kink_step,
                         const slope *central_slope)
{
    record_kink(p, kink_step);
    const side both[] = { side_slope(p, -16 * h, h_min), side_slope(p, 16 * h, h_min) };
    if (from_own_piece(p, both, central_slope))
        return;
    between_slopes(p, both);
}

static void decide(probe *p)
{
    gpf_element *e = p->e;
    if (!p->around->depends) {
        e->numeric = e->error = 0;
        if (e->analytic == 0)
            conclude(e, GPF_VACUOUS, GPF_REASON_INDEPENDENT);
        else
            conclude(e, GPF_WRONG,
                     isfinite(e->analytic) ? GPF_REASON_FLAT_GAP : GPF_REASON_NOT_FINITE);
        return;
    }
    if (!isfinite(p->base) || !isfinite(e->value)) {
        conclude(e, GPF_UNRESOLVED, GPF_REASON_NOT_FINITE);
        return;
    }
    if (!isfinite(p->noise)) { /* another rounding of it has no value at all */
        conclude(e, GPF_UNRESOLVED, GPF_REASON_NOISE);
        return;
    }
    /* y may vary on the element's own scale, however small that is beside its tensor's */
    const bool grid = p->line->grid;
    const double h0 = first_step_of(p);
    p->h0 = h0;
    double h_min = ldexp(e->value == 0 ? h0 : fmin(h0, fabs(e->value)), 16 - MIN_STEP_BITS),
           h_max = fmax(ldexp(h0, 13), 0.0625);
    if (grid) { /* the step is all that is known of the scale; it must move the variable */
        h_min = e->value == 0 ? ldexp(h0, 16 - 2 * MIN_STEP_BITS)
                              : fmax(ldexp(h0, 16 - MIN_STEP_BITS), ldexp(fabs(e->value), -42));
        h_max = ldexp(h0, 13);
    }
    double h = h0, kink_step = 0;
    central_points(p, h);
    p->reaction = reaction_of(p, h);
    const double near = stirred(p) / h;
    if (e->analytic == 0 &&
        (grid ? silent(p, h0, h_max) : !p->reacted && no_reaction_at_all(p, h_max))) {
        e->numeric = 0;
        e->error = grid ? p->noise / h_max : p->moved ? near : stirred(p) / h_max;
        e->step = h;
        conclude(e, GPF_VACUOUS, GPF_REASON_NO_REACTION);
        return;
    }
    if (inferred(p) && unmoved(p, 0))
        find_steps(p, h, 0);
    if (p->at[1] != p->origin + h)
        central_points(p, h); /* others were asked for since */
    if (inferred(p) && !p->finite) {
        if (right_on_one_side(p, h, h_min))
            return;
        central_points(p, h);
    }
    /* Retreat to the largest stencil without a kink. One at the base point itself stays. */
    while (p->moved || !p->finite) {
        kink_step = h;
        if (p->tie || h / RETREAT < h_min) {
            const slope none = { .ok = false };
            kink_verdict(p, h0, h_min, kink_step, &none);
            return;
        }
        central_points(p, h /= RETREAT);
    }
    const bool suspicious = looks_kinked(p);
    if (suspicious && inferred(p) && right_beside_kink(p, h, h_min))
        return;
    if (grid)
        central_points(p, h);
    slope s = central(p, h);
    if (!(s.ok && resolved(p, &s)) && kink_step == 0)
        s = better(p, s, h, h_max, h_min);
    /* Near a kink the clean central stencil may be too small to say much. */
    if (kink_step > 0 && !(s.ok && s.error <= 1e-7 * fabs(s.value))) {
        kink_verdict(p, h0, h_min, kink_step, &s);
        return;
    }
    side both[2];
    if (suspicious && s.ok && hidden_kink(p, h, h_min, both)) {
        between_slopes(p, both);
        return;
    }
    take(e, &s);
    if (!isfinite(e->analytic)) {
        conclude(e, s.ok && !vague(p, &s) ? GPF_WRONG : GPF_UNRESOLVED, GPF_REASON_NOT_FINITE);
    } else if (!s.ok) {
        /* GSL's second stage met a kink, or its error estimate overflows */
        conclude(e, GPF_UNRESOLVED, p->moved ? GPF_REASON_CROWDED : GPF_REASON_NOT_FINITE);
    } else if (!agrees(p, &s)) {
        step_law(p, &s, h_min);
    } else if (resolved(p, &s)) {
        conclude(e, GPF_RIGHT, GPF_REASON_NONE);
    } else {
        conclude(e, GPF_UNRESOLVED, GPF_REASON_NOISE);
    }
}

/* An infinite analytic value: do the chords from the base grow without end? Their change does not
 * fall with their length, as that of a smooth y does, but is as large again or, for x log x, the
 * same. */
static bool grows_steep(probe *p)
{
    enum { CHORDS = 4 };
    for (int k = 0; k < 2; k++) { /* -h, h */
        double chord[CHORDS], h = p->h0;
        for (int i = 0; i < CHORDS; i++, h /= 16) {
            central_points(p, h);
            chord[i] = (p->y[k] - p->base) / (p->at[k] - p->origin);
        }
        bool grows = true;
        for (int i = 2; i < CHORDS; i++) {
            const double before = chord[i - 1] - chord[i - 2], now = chord[i] - chord[i - 1];
            grows &= now / before > 0.5 && fabs(now) > 1e-3 * fabs(chord[i]) &&
                     fabs(chord[i]) > fabs(chord[i - 1]);
        }
        if (grows)
            return true;
    }
    return false;
}

static probe probe_of(const gpf__line *line, const gpf__around *around, gpf_element *e)
{
    return (probe){ .line = line,
                    .e = e,
                    .around = around,
                    .base = around->base,
                    .noise = around->noise,
                    .origin = line->grid ? 0 : e->value };
}

void gpf__decide(const gpf__line *line, const gpf__around *around, gpf_element *e)
{
    probe p = probe_of(line, around, e);
    e->numeric = e->error = e->step = e->left = e->right = e->left_error = e->right_error =
        e->kink_step = GSL_NAN;
    e->digits = 0;
    e->evaluations = 0;
    memset(&e->kink, 0, sizeof e->kink);
    memset(e->side, 0, sizeof e->side);
    reset(&p);
    decide(&p);
    if (e->verdict == GPF_WRONG && isinf(e->analytic) && around->depends && grows_steep(&p))
        conclude(e, GPF_UNRESOLVED, GPF_REASON_NOT_FINITE);
    if (e->verdict == GPF_RIGHT)
        e->digits = digits_of(&p);
}

int gpf__is_due_to_step(const gpf__line *line, const gpf__around *around, gpf_element *e)
{
    probe p = probe_of(line, around, e);
    const double gap = fabs(e->analytic - e->numeric), scale = ldexp(first_step_of(&p), 16);
    const bool small = gap * scale <= 0.01 * fmax(fabs(p.base), scale * fabs(e->numeric));
    int close = 0;
    for (double h = 4 * e->step; h <= scale && close < 2; h *= 4) {
        central_points(&p, h);
        const raw r = raw_central(&p, h);
        const double error = r.truncation + r.rounding;
        if (error < gap / 10 && gpf__agree(e->analytic, r.value, error, around->rounding))
            return 1;
        close =
            small && h <= 256 * e->step && fabs(e->analytic - r.value) <= gap / 10 ? close + 1 : 0;
    }
    return close == 2;
}

typedef struct overlay_line {
    gpf_overlay *o;
    size_t i, k;
} overlay_line;

static void overlay_values(void *arg, const double *t, size_t m, double *y, gpf_branch *b)
{
    const overlay_line *at = arg;
    gpf_overlay_values(at->o, at->i, at->k, t, m, y, b);
}

static int overlay_side(void *arg, gpf_node node, size_t element, int *where)
{
    const overlay_line *at = arg;
    return gpf_overlay_side(at->o, node, element, where);
}

void gpf__decide_on(gpf_overlay *o, const gpf__around *around, gpf_element *e)
{
    overlay_line at = { o, (size_t)e->tensor, e->k };
    const gpf__line line = { .arg = &at, .values = overlay_values, .side = overlay_side };
    gpf__decide(&line, around, e);
}
