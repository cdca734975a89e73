/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How noisy are values? Differences of high order of equally spaced values of a smooth function
 * vanish; what is left is noise, the same at every order:
 *     sigma_k^2 = (k!)^2/(2k)! mean T_k^2
 * (J. J. More' and S. M. Wild, Estimating computational noise, SIAM J. Sci. Comput. 33, 2011). With
 * points so far apart that a stopped iteration stops elsewhere and a rounded value is another one,
 * and again with nearer ones where it may have been curvature, a kink or waves. */
#include "gsl/gsl.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { POINTS = 9, ORDERS = POINTS - 1, LEVELS = 5, WIDE = 2 };

/* Spacings in units of v: two so wide that an iteration stops elsewhere, the usual one, and two for
 * what varies within it. */
static const double spacing[LEVELS] = { 0x1.cp-5, 0x1.4p-6, 0x1.4p-10, 0x1.4p-16, 0x1.4p-22 };

/* The largest of some values beside their standard deviation. */
static const double BOUND = 2.5;

/* What one value showed at one spacing. */
typedef struct sight {
    double sigma, range, size;
    bool defined; /* finite everywhere */
    bool flat;    /* no two values differ */
    bool plain;   /* sigma is that of noise, not what is left of curvature */
} sight;

/* The second differences of one kink between two points: one is large, or two neighbours of one
 * sign. Then the longer part beside it. */
static bool beside_kink(const double *value, size_t *from, size_t *to)
{
    double t[POINTS - 2], most = 0;
    size_t first = POINTS, count = 0, last = 0;
    for (size_t i = 0; i + 2 < POINTS; i++) {
        t[i] = value[i] - 2 * value[i + 1] + value[i + 2];
        most = fmax(most, fabs(t[i]));
    }
    for (size_t i = 0; i + 2 < POINTS; i++)
        if (fabs(t[i]) > most / 8) {
            first = first < POINTS ? first : i;
            last = i;
            count++;
        }
    if (!(count == 1 || (count == 2 && last == first + 1 && t[first] * t[last] > 0)))
        return false;
    if (first + 2 > POINTS - (last + 1))
        *to = first + 2;
    else
        *from = last + 1;
    return true;
}

/* Of n values in a row, whose place is taken by their differences. */
static void estimate(sight *s, double *t, size_t n)
{
    double sd[ORDERS + 1], gamma = 1;
    bool both[ORDERS + 1];
    for (size_t k = 1; k < n; k++) {
        double squares = 0;
        bool up = false, down = false;
        gamma *= (double)k / (2 * (2 * (double)k - 1)); /* (k!)^2/(2k)! */
        for (size_t i = 0; i < n - k; i++) {
            t[i] = t[i + 1] - t[i];
            up |= t[i] > 0;
            down |= t[i] < 0;
            squares += t[i] / s->range * (t[i] / s->range);
        }
        sd[k] = s->range * sqrt(gamma * squares / (double)(n - k));
        both[k] = (up && down) || sd[k] == 0;
    }
    for (size_t k = 1; k + 2 < n && !s->plain; k++) {
        const double hi = fmax(sd[k], fmax(sd[k + 1], sd[k + 2])),
                     lo = fmin(sd[k], fmin(sd[k + 1], sd[k + 2]));
        s->plain = hi <= 4 * lo && both[k];
        s->sigma = sd[k];
    }
    if (!s->plain)
        s->sigma = fmax(sd[n - 2], sd[n - 1]);
}

static sight look(const double *value, size_t stride)
{
    enum { ENOUGH = 5 };
    double t[POINTS], least = INFINITY, most = -INFINITY;
    sight s = { .defined = true };
    for (size_t i = 0; i < POINTS; i++) {
        t[i] = value[i * stride];
        s.defined &= isfinite(t[i]) != 0;
        least = fmin(least, t[i]);
        most = fmax(most, t[i]);
    }
    s.range = most - least;
    s.size = fmax(fabs(most), fabs(least));
    s.flat = s.range == 0;
    s.defined &= isfinite(s.range) != 0;
    size_t from = 0, to = POINTS;
    if (!s.defined || s.flat)
        return s;
    const bool kinked = beside_kink(t, &from, &to);
    if (!kinked || to - from >= ENOUGH)
        estimate(&s, t + from, to - from);
    return s;
}

/* What is known of one value so far. */
typedef struct known {
    double sigma;    /* as last seen; negative: not yet */
    double rest;     /* sigma at the first spacing, believable or not */
    double believed; /* the largest that was believable */
    double size;
    bool closed;
} known;

/* Waves and kinks are of the size of the value's change, and smaller with a smaller spacing. An
 * iteration that stops at a tolerance is noise also where it stops alike at neighbouring points. */
static bool believable(const sight *s)
{
    return s->plain && s->sigma <= 1e-3 * s->range;
}

/* From far away only what is no wave for certain. */
static void learn_wide(known *k, const sight *s)
{
    if (k->rest < 0)
        k->rest = s->defined ? s->sigma : INFINITY;
    if (s->defined && s->plain && s->sigma <= fmax(1e-6 * s->range, 2e-10 * s->size))
        k->believed = fmax(k->believed, s->sigma);
}

static void learn(known *k, const sight *s)
{
    if (!s->defined)
        return;
    k->size = fmax(k->size, s->size);
    if (believable(s))
        k->believed = fmax(k->believed, s->sigma);
    /* Nothing but rounding, or the same when nearer: noise. */
    k->closed = s->flat || s->sigma <= 64 * DBL_EPSILON * s->size ||
                (k->sigma >= 0 && s->plain && s->sigma >= k->sigma / 8);
    k->sigma =
        k->closed && !s->flat && s->plain ? fmax(s->sigma, fmin(k->sigma, 8 * s->sigma)) : s->sigma;
}

static bool inside(const gsl_vector *lo, const gsl_vector *hi, size_t j, double x)
{
    return !(lo && x < gsl_vector_get(lo, j)) && !(hi && x > gsl_vector_get(hi, j));
}

/* Points x + i h v, i = 0, 1, .., each variable in the direction, and as far, as its bounds
 * allow. */
static void place(const gpf__subject *s, const double *v, double h, size_t i, double *x)
{
    const gsl_vector *lo = s->how->lo, *hi = s->how->hi;
    for (size_t j = 0; j < s->n; j++) {
        double step = h * v[j];
        const double end = (POINTS - 1) * step;
        if (!inside(lo, hi, j, s->x[j] + end)) {
            if (inside(lo, hi, j, s->x[j] - end)) {
                step = -step;
            } else {
                const double up = hi ? gsl_vector_get(hi, j) - s->x[j] : INFINITY,
                             down = lo ? s->x[j] - gsl_vector_get(lo, j) : INFINITY;
                step = (up > down ? up : -down) / POINTS;
            }
        }
        x[j] = s->x[j] + (double)i * step;
    }
}

static int measure(gpf__subject *s, gpf__sampled *values, void *arg, size_t count, const double *v,
                   double *rest, double *noise)
{
    const bool wide = rest;
    double *table = malloc(POINTS * (count + 1) * sizeof *table),
           *x = malloc((s->n + 1) * sizeof *x);
    known *k = malloc((count + 1) * sizeof *k);
    const bool memory = table && x && k;
    bool open = memory;
    for (size_t i = 0; memory && i < count; i++)
        k[i] = (known){ .sigma = -1, .rest = -1 };
    for (int level = wide ? 0 : WIDE; level < (wide ? WIDE : LEVELS) && open; level++) {
        for (size_t p = 0; p < POINTS; p++) {
            double *y = table + p * count;
            place(s, v, spacing[level], p, x);
            if (gpf__interrupted(s) || values(arg, x, y))
                for (size_t i = 0; i < count; i++)
                    y[i] = NAN;
        }
        open = false;
        for (size_t i = 0; i < count; i++) {
            if (!k[i].closed) {
                const sight seen = look(table + i, count);
                if (wide)
                    learn_wide(&k[i], &seen);
                else
                    learn(&k[i], &seen);
            }
            open |= !k[i].closed;
        }
    }
    for (size_t i = 0; memory && rest && i < count; i++)
        rest[i] = k[i].rest;
    for (size_t i = 0; memory && i < count; i++)
        noise[i] = fmax(BOUND * fmax(k[i].believed, k[i].sigma), DBL_EPSILON * k[i].size);
    free(table);
    free(x);
    free(k);
    return memory ? GSL_SUCCESS : GSL_ENOMEM;
}

int gpf__scatter(gpf__subject *s, gpf__sampled *values, void *arg, size_t count, const double *v,
                 double *noise)
{
    return measure(s, values, arg, count, v, NULL, noise);
}

static int sampled_f(void *arg, const double *x, double *values)
{
    return gpf__call(arg, GPF__F, &(gpf__args){ .x = x, .f = values });
}

int gpf__measure_noise(gpf__subject *s, const double *v, double *noise)
{
    return measure(s, sampled_f, s, s->m, v, NULL, noise);
}

int gpf__measure_noise_wide(gpf__subject *s, const double *v, double *noise, double *rest)
{
    return measure(s, sampled_f, s, s->m, v, rest, noise);
}
