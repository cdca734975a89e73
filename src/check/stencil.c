/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check/stencil.h"

#include <gsl/gsl_deriv.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* y as a function of one element, as GSL wants it, with what the branches did on the way. */
typedef struct probe {
    gpf_overlay *o;
    gpf_element *e;
    double base, reaction; /* y at the base; how strongly it reacts, as a slope */
    /* The points of the last stencil, evaluated together, served to GSL one by one. */
    double at[4], y[4];
    gpf_branch branch[4];
    /* Over the points since the last reset: */
    bool moved;   /* some op is on another piece than at the base */
    bool finite;  /* y was finite everywhere */
    bool reacted; /* y differed from the base somewhere */
    bool tie;     /* some op that moved was exactly on an edge at the base */
    bool same;    /* all points are on the same pieces as the first */
} probe;

static void note(probe *p, size_t i)
{
    p->moved |= p->branch[i].n_changed > 0;
    p->tie |= p->branch[i].tie != 0;
    p->finite &= isfinite(p->y[i]) != 0;
    p->reacted |= p->y[i] != p->base;
    p->same &= p->branch[i].signature == p->branch[0].signature;
}

static void evaluate(probe *p, const double at[4])
{
    double t[4];
    for (size_t i = 0; i < 4; i++)
        t[i] = (p->at[i] = at[i]) - p->e->value;
    gpf_overlay_values(p->o, (size_t)p->e->tensor, p->e->k, t, 4, p->y, p->branch);
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
    const double t = x - p->e->value;
    gpf_overlay_values(p->o, (size_t)p->e->tensor, p->e->k, &t, 1, &y, &b);
    p->e->evaluations++;
    p->moved |= b.n_changed > 0 && b.signature != p->branch[0].signature;
    p->finite &= isfinite(y) != 0;
    return y;
}

static void reset(probe *p)
{
    p->moved = p->tie = p->reacted = false;
    p->finite = p->same = true;
}

/* The four points of GSL's central rule, in the expressions it uses. */
static void central_points(probe *p, double h)
{
    const double x = p->e->value, at[] = { x - h, x + h, x - h / 2, x + h / 2 };
    reset(p);
    evaluate(p, at);
}

/* The same for its one-sided rule; h < 0 is backward. */
static void one_sided_points(probe *p, double h)
{
    const double x = p->e->value, at[] = { x + h / 4.0, x + h / 2.0, x + (3.0 / 4.0) * h, x + h };
    reset(p);
    evaluate(p, at);
}

typedef struct slope {
    double value, error, step;
    bool ok; /* finite, and all points on the same smooth piece */
} slope;

static slope central(probe *p, double h)
{
    slope s = { .step = h };
    const gsl_function f = { value_at, p };
    gsl_deriv_central(&f, p->e->value, h, &s.value, &s.error);
    s.ok = p->finite && !p->moved && isfinite(s.value) && isfinite(s.error);
    return s;
}

static slope one_sided(probe *p, double h)
{
    slope s = { .step = fabs(h) };
    const gsl_function f = { value_at, p };
    if (h > 0)
        gsl_deriv_forward(&f, p->e->value, h, &s.value, &s.error);
    else
        gsl_deriv_backward(&f, p->e->value, -h, &s.value, &s.error);
    s.ok = p->finite && p->same && isfinite(s.value) && isfinite(s.error);
    return s;
}

/* The first step: 2^-16 of the element's scale, where GSL's truncation and rounding errors meet
 * for functions of curvature 1, so that its second stage is rarely needed. A power of two, so
 * that x +- h is exact. */
static double first_step(double x, double typical)
{
    double scale = fmax(fabs(x), typical);
    if (!(scale > 0) || !isfinite(scale))
        scale = 1;
    int exponent;
    frexp(scale, &exponent);
    return ldexp(1, exponent - 16);
}

enum { RETREAT = 4, MIN_STEP_BITS = 40 };

static double magnitude(const gpf_element *e, double numeric)
{
    return fmax(isfinite(e->analytic) ? fabs(e->analytic) : 0, fabs(numeric));
}

/* The analytic value has rounding errors of its own, of its terms' size rather than its own. */
static double own_rounding(double analytic, double numeric, double gradient_scale)
{
    return 4e-13 * fmax(fabs(analytic), fabs(numeric)) + 1e-14 * gradient_scale;
}

int gpf__agree(double analytic, double numeric, double error, double gradient_scale)
{
    /* written so that NaN does not agree */
    return fabs(analytic - numeric) <=
           GPF__SAFETY * error + own_rounding(analytic, numeric, gradient_scale);
}

/* Is the error small enough to call an agreement evidence? Elements far below the largest of
 * their tensor are held to that one's scale; an exact zero to how strongly y reacts. */
static bool resolved(const probe *p, const slope *s, gpf__scale_of scale)
{
    const gpf_element *e = p->e;
    const double claim = e->analytic == 0 ? p->reaction : magnitude(e, s->value);
    return s->error <= GPF__RESOLVED * fmax(claim, 1e-6 * scale.gradient);
}

static double digits_of(const probe *p)
{
    const gpf_element *e = p->e;
    const double off = fmax(e->error, fabs(e->analytic - e->numeric)),
                 size = e->analytic == 0 ? p->reaction : magnitude(e, e->numeric);
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
        r = fmax(r, fabs(p->y[i] - p->base) / h);
    return isfinite(r) ? r : 0;
}

/* A step too small for y to feel is no proof of independence. With a large one, y may only react
 * because an op changed to another piece: here, on this piece, it still does not. */
static bool no_reaction_at_all(probe *p, double h_max)
{
    central_points(p, h_max);
    if (p->moved || !p->reacted)
        return true;
    p->reaction = reaction_of(p, h_max);
    return false;
}

/* GSL's five-point rule at the points just evaluated, without its adaptation, and the two parts of
 * its error estimate: r3 = (y(h) - y(-h))/2, r5 = 4/3 (y(h/2) - y(-h/2)) - r3/3. */
typedef struct raw {
    double value, truncation, rounding, step;
} raw;

static raw raw_central(const probe *p, double h)
{
    const double r3 = 0.5 * (p->y[1] - p->y[0]),
                 r5 = 4.0 / 3.0 * (p->y[3] - p->y[2]) - 1.0 / 3.0 * r3,
                 e3 = (fabs(p->y[1]) + fabs(p->y[0])) * GSL_DBL_EPSILON,
                 e5 = 2.0 * (fabs(p->y[3]) + fabs(p->y[2])) * GSL_DBL_EPSILON + e3,
                 dx = fmax(fabs(r3 / h), fabs(r5 / h)) * fabs(p->e->value / h) * GSL_DBL_EPSILON;
    return (raw){ r5 / h, fabs((r5 - r3) / h), fabs(e5 / h) + dx, h };
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
} side;

static side side_slope(probe *p, double h, double h_min)
{
    side r = { .s = { .ok = false } };
    for (; fabs(h) >= h_min; h /= RETREAT) {
        one_sided_points(p, h);
        r.finite = p->finite;
        if (!p->finite || !p->same)
            continue;
        r.own_piece = !p->moved;
        r.change = reaction_of(p, 1);
        r.s = one_sided(p, h);
        r.limit = p->y[0] - r.s.value * (h / 4);
        break;
    }
    return r;
}

/* Both sides have a slope of their own: the analytic value must lie between them. */
static void between_slopes(probe *p, const side both[2], gpf__scale_of scale)
{
    gpf_element *e = p->e;
    const slope *l = &both[0].s, *r = &both[1].s;
    if (!l->ok || !r->ok) {
        conclude(e, GPF_UNRESOLVED,
                 both[0].finite && both[1].finite ? GPF_REASON_CROWDED : GPF_REASON_NOT_FINITE);
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
                 slack = GPF__SAFETY * fmax(e->left_error, e->right_error) +
                         own_rounding(lo, hi, scale.gradient),
                 jump = fabs(both[1].limit - both[0].limit);
    if (!(e->analytic >= lo - slack && e->analytic <= hi + slack))
        conclude(e, GPF_WRONG, GPF_REASON_OUTSIDE);
    else if (jump > 0.5 * fmax(both[0].change, both[1].change) + 1e-9 * fabs(p->base))
        conclude(e, GPF_KINK, GPF_REASON_JUMP);
    else if (resolved(p, &mid, scale)) /* both slopes agree: smooth after all */
        conclude(e, GPF_RIGHT, GPF_REASON_NONE);
    else
        conclude(e, GPF_KINK, GPF_REASON_BETWEEN);
}

/* Does y have two different slopes here although no op tells of a kink (a caller's op without a
 * side rule, two switches between two points)? A central difference is then confident and wrong. */
static bool hidden_kink(probe *p, double h, side both[2])
{
    both[0] = side_slope(p, -h, h / 1024);
    both[1] = side_slope(p, h, h / 1024);
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
                 noise = 1e3 * GSL_DBL_EPSILON *
                         (fabs(p->y[0]) + fabs(p->y[1]) + fabs(p->y[2]) + fabs(p->y[3]));
    return fabs(wide) > noise && fabs(near) > 0.4 * fabs(wide);
}

/* The step law, when both values disagree: GSL's rule without adaptation at steps around its own.
 * If all of them agree among themselves, the larger ones included, the error estimates are honest
 * and the gap is flat: the analytic value is wrong. A function noisier than GSL assumes, or
 * branches that switched twice between two points, show as steps that disagree; then their scatter
 * is the error that was measured. */
static void step_law(probe *p, const slope *first, gpf__scale_of scale)
{
    enum { UP = 3, DOWN = 2, STEPS = UP + DOWN + 1 };
    gpf_element *e = p->e;
    raw s[STEPS];
    int n = 0, best = 0;
    for (int j = -UP; j <= DOWN; j++) {
        const double h = ldexp(first->step, -2 * j);
        central_points(p, h);
        if (p->moved || !p->finite)
            n = 0; /* only steps below the nearest kink count */
        else
            s[n++] = raw_central(p, h);
    }
    bool flat = n >= 3;
    for (int i = 0; i < n; i++)
        if (s[i].truncation + s[i].rounding < s[best].truncation + s[best].rounding)
            best = i;
    for (int i = 0; i < n; i++)
        flat &= fabs(s[i].value - s[best].value) <=
                GPF__SAFETY *
                        (s[i].truncation + s[i].rounding + s[best].truncation + s[best].rounding) +
                    1e-12 * fabs(s[best].value);
    if (flat) {
        side both[2];
        if (hidden_kink(p, first->step, both)) {
            between_slopes(p, both, scale);
            return;
        }
        take(e, first);
        conclude(e, GPF_WRONG, GPF_REASON_FLAT_GAP);
        return;
    }
    slope b = *first;
    double least = INFINITY;
    for (int i = 0; i < n; i++) {
        double scatter = s[i].truncation + s[i].rounding;
        if (i > 0)
            scatter = fmax(scatter, fabs(s[i].value - s[i - 1].value));
        if (i + 1 < n)
            scatter = fmax(scatter, fabs(s[i].value - s[i + 1].value));
        if (scatter < least) {
            least = scatter;
            b = (slope){ s[i].value, scatter, s[i].step, true };
        }
    }
    take(e, &b);
    if (n >= 3 && gpf__agree(e->analytic, b.value, b.error, scale.gradient))
        conclude(e, resolved(p, &b, scale) ? GPF_RIGHT : GPF_UNRESOLVED,
                 resolved(p, &b, scale) ? GPF_REASON_NONE : GPF_REASON_NOISE);
    else if (n >= 3 && fabs(e->analytic - b.value) > 100 * b.error && resolved(p, &b, scale))
        conclude(e, GPF_WRONG, GPF_REASON_FLAT_GAP); /* flat beyond the measured scatter */
    else
        conclude(e, GPF_UNRESOLVED,
                 n >= 2 && fabs(e->analytic - s[n - 1].value) < fabs(e->analytic - s[0].value)
                     ? GPF_REASON_TRUNCATION
                     : GPF_REASON_NOISE);
}

/* The branch record of the smallest central stencil: which op was where at each of its points. */
static void record_kink(probe *p, double h)
{
    gpf_element *e = p->e;
    const double x = e->value, at[] = { x - h, x - h / 2, x + h / 2, x + h };
    double y;
    for (size_t i = 0; i < 4; i++) {
        const double t = at[i] - x;
        gpf_branch b;
        gpf_overlay_values(p->o, (size_t)e->tensor, e->k, &t, 1, &y, &b);
        if (b.n_changed && (e->kink.n_changed == 0 || b.margin < e->kink.margin))
            e->kink = b;
    }
    for (size_t i = 0; e->kink.n_changed && i < 4; i++) {
        const double t = at[i] - x;
        gpf_branch b;
        gpf_overlay_values(p->o, (size_t)e->tensor, e->k, &t, 1, &y, &b);
        gpf_overlay_side(p->o, e->kink.node, e->kink.element, &e->side[i]);
    }
    e->evaluations += 8;
    e->kink_step = h;
}

/* The verdict from the smooth piece the base point is on, if that reaches far enough to one side
 * or, by a central stencil, to both: then that slope is the derivative. The best of the three. */
static bool from_own_piece(probe *p, const side both[2], const slope *central_slope,
                           gpf__scale_of scale)
{
    gpf_element *e = p->e;
    const slope *best = central_slope->ok ? central_slope : NULL;
    for (int i = 0; i < 2; i++)
        if (both[i].own_piece && both[i].s.ok && (!best || both[i].s.error < best->error))
            best = &both[i].s;
    if (!best || !resolved(p, best, scale))
        return false;
    take(e, best);
    if (gpf__agree(e->analytic, best->value, best->error, scale.gradient)) {
        conclude(e, GPF_RIGHT, GPF_REASON_NONE);
        return true;
    }
    /* The step law on one side: does a smaller step say the same? */
    const double h = best->step / 4 * (best == &both[0].s ? -1 : 1);
    if (best == central_slope)
        central_points(p, h);
    else
        one_sided_points(p, h);
    const slope again = best == central_slope ? central(p, h) : one_sided(p, h);
    const bool flat =
        again.ok && fabs(again.value - best->value) <=
                        GPF__SAFETY * (again.error + best->error) + 1e-12 * fabs(best->value);
    conclude(e, flat ? GPF_WRONG : GPF_UNRESOLVED, flat ? GPF_REASON_FLAT_GAP : GPF_REASON_NOISE);
    return true;
}

/* Kinks around: the derivative of the base point's own smooth piece if that can be had. Otherwise
 * the analytic value must lie between the slopes of both sides. */
static void kink_verdict(probe *p, double h, double h_min, double kink_step,
                         const slope *central_slope, gpf__scale_of scale)
{
    record_kink(p, kink_step);
    const side both[] = { side_slope(p, -16 * h, h_min), side_slope(p, 16 * h, h_min) };
    if (from_own_piece(p, both, central_slope, scale))
        return;
    between_slopes(p, both, scale);
}

static void decide(probe *p, int depends, gpf__scale_of scale)
{
    gpf_element *e = p->e;
    if (!depends) {
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
    const double h0 = first_step(e->value, scale.value), h_min = ldexp(h0, 16 - MIN_STEP_BITS),
                 h_max = fmax(ldexp(h0, 13), 0.0625);
    double h = h0, kink_step = 0;
    central_points(p, h);
    p->reaction = reaction_of(p, h);
    if (e->analytic == 0 && !p->reacted && no_reaction_at_all(p, h_max)) {
        e->numeric = e->error = 0;
        e->step = h;
        conclude(e, GPF_VACUOUS, GPF_REASON_NO_REACTION);
        return;
    }
    /* Retreat to the largest stencil without a kink. One at the base point itself stays. */
    while (p->moved || !p->finite) {
        kink_step = h;
        if (p->tie || h / RETREAT < h_min) {
            const slope none = { .ok = false };
            kink_verdict(p, h0, h_min, kink_step, &none, scale);
            return;
        }
        central_points(p, h /= RETREAT);
    }
    const bool suspicious = looks_kinked(p);
    slope s = central(p, h);
    if (!(s.ok && resolved(p, &s, scale)) && kink_step == 0)
        s = better(p, s, h, h_max, h_min);
    /* Near a kink the clean central stencil may be too small to say much. */
    if (kink_step > 0 && !(s.ok && s.error <= 1e-7 * magnitude(e, s.value))) {
        kink_verdict(p, h0, h_min, kink_step, &s, scale);
        return;
    }
    side both[2];
    if (suspicious && s.ok && hidden_kink(p, h, both)) {
        between_slopes(p, both, scale);
        return;
    }
    take(e, &s);
    if (!isfinite(e->analytic)) {
        conclude(e, s.ok ? GPF_WRONG : GPF_UNRESOLVED, GPF_REASON_NOT_FINITE);
    } else if (!s.ok) {
        conclude(e, GPF_UNRESOLVED, p->finite ? GPF_REASON_CROWDED : GPF_REASON_NOT_FINITE);
    } else if (!gpf__agree(e->analytic, s.value, s.error, scale.gradient)) {
        step_law(p, &s, scale);
    } else if (resolved(p, &s, scale)) {
        conclude(e, GPF_RIGHT, GPF_REASON_NONE);
    } else {
        conclude(e, GPF_UNRESOLVED, GPF_REASON_NOISE);
    }
}

void gpf__decide(gpf_overlay *o, double base, int depends, gpf__scale_of scale, gpf_element *e)
{
    probe p = { .o = o, .e = e, .base = base };
    e->numeric = e->error = e->step = e->left = e->right = e->left_error = e->right_error =
        e->kink_step = GSL_NAN;
    e->digits = 0;
    e->evaluations = 0;
    memset(&e->kink, 0, sizeof e->kink);
    memset(e->side, 0, sizeof e->side);
    reset(&p);
    decide(&p, depends, scale);
    if (e->verdict == GPF_RIGHT)
        e->digits = digits_of(&p);
}
