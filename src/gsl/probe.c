/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a callback behaves, before any difference is taken: does it give the same when asked again,
 * after other calls, whatever its output held before; does it keep to its own memory; and does fdf
 * say what f and df say. */
#include "base/norm.h"
#include "gsl/gsl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Calls at one x beyond which a spread is believed. */
enum { REPEATS = 6, PLACES = 2, N_SEGMENTS = 12, EITHER = GPF__N_ROUTES };
enum { NEAR_STREAM = 1, U_STREAM, V_STREAM, ROUNDING_STREAM };

/* Differences between two calls up to this part of the largest value are rounding: a sum in another
 * order. */
static const double ROUNDING = 512 * 2.220446049250313e-16;

/* An output of a route. */
typedef struct segment {
    gpf__route route;
    gpf__slot out;
    size_t at, size; /* among all values of a place */
    /* Asked again at the same x: */
    bool random;     /* it is another value every now and then */
    bool unsettled;  /* the first value was another than all that followed */
    double spread;   /* the largest difference of an entry, */
    double relative; /* and beside the largest entry */
    size_t entry;    /* the first that differed, and how */
    double one, other;
    /* Calls that alternate between two places: */
    bool moved;       /* it depended on what was called before, */
    bool stale;       /* and was that of the other place whenever it was not right */
    unsigned decides; /* bit of a route: it is always that of the place of that route's last call;
                         bit EITHER: of the last call of f or fdf */
    gpf__route
        after; /* the call before the first that was not right; entry, one and other are its */
} segment;

typedef struct probe {
    gpf__subject *s;
    double *x[PLACES];    /* where: the point, one beside it */
    double *base[PLACES]; /* what is returned there */
    double *again;
    double *u, *w; /* directions: n; m */
    int status[PLACES][GPF__N_ROUTES];
    segment segment[N_SEGMENTS];
    size_t n_segment, size;
    double *memory;
} probe;

static bool same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* What an output is called in a sentence. */
static const char *output_name(const gpf__subject *s, gpf__route r, gpf__slot o)
{
    switch (o) {
    case GPF__OUT_F:
        return s->kind->time ? "dydt" : "f";
    case GPF__OUT_D:
        return s->kind->time ? "dfdy" : s->kind->indices < 2 ? "df" : "J";
    case GPF__OUT_DT:
        return "dfdt";
    case GPF__OUT_JTJ:
        return "JTJ";
    default:
        return r == GPF__FVV ? "fvv" : "v";
    }
}

/* "fdf's df"; "f" where it is all a function gives. */
static void segment_name(const gpf__subject *s, gpf__route r, gpf__slot o, char *buf, size_t size)
{
    const char *of = gpf__route_name(s->kind, r), *what = output_name(s, r, o);
    const bool whole =
        (r == GPF__F && !s->kind->time) || r == GPF__FVV || (r == GPF__DF && s->kind->indices < 2);
    if (r == GPF__JU || (r == GPF__JTU && o == GPF__OUT_V))
        gpf__format(buf, size, "%s's %s", of, r == GPF__JU ? "J u" : "J' u");
    else if (whole)
        gpf__format(buf, size, "%s", of);
    else
        gpf__format(buf, size, "%s's %s", of, what);
}

static void entry_name(const gpf__subject *s, gpf__route r, gpf__slot o, size_t k, char *buf,
                       size_t size)
{
    const char *name = output_name(s, r, o);
    const size_t cols = o == GPF__OUT_D ? s->n_d : s->n;
    if ((o == GPF__OUT_D && s->kind->indices == 2) || o == GPF__OUT_JTJ)
        gpf__format(buf, size, "%s[%zu,%zu]", name, k / cols, k % cols);
    else if (s->kind->indices == 0)
        gpf__format(buf, size, "%s", name);
    else if (s->kind->indices == 1 && o == GPF__OUT_F)
        gpf__format(buf, size, "%s", name);
    else
        gpf__format(buf, size, "%s[%zu]", name, k);
}

/* "(1, 2, 3, 4, ..)" */
static void point_text(const double *x, size_t n, char *buf, size_t size)
{
    enum { SHOWN = 4 };
    gpf__format(buf, size, "(");
    for (size_t j = 0; j < n && j < SHOWN; j++)
        gpf__append(buf, size, "%s%.9g", j ? ", " : "", x[j]);
    gpf__append(buf, size, n > SHOWN ? ", ..)" : ")");
}

/* The part that a route's output belongs to. */
static int part_of(const gpf__subject *s, gpf__route r, gpf__slot o)
{
    gpf_fdf *c = s->result;
    const char *name = r == GPF__FDF       ? "fdf"
                       : r == GPF__FVV     ? "fvv"
                       : o == GPF__OUT_DT  ? "dfdt"
                       : o == GPF__OUT_JTJ ? "J'J"
                       : r == GPF__JTU     ? "J' u"
                       : r == GPF__F       ? ""
                                           : s->kind->part;
    const gpf_fdf_part *p = gpf__part_named(c, name);
    return p ? (int)(p - c->part) : -1;
}

/* One call, of all the outputs of its route. */
static int call(probe *p, gpf__route r, int place, double *to)
{
    double *out[GPF__N_SLOTS] = { NULL };
    for (size_t i = 0; i < p->n_segment; i++)
        if (p->segment[i].route == r)
            out[p->segment[i].out] = to + p->segment[i].at;
    const gpf__args a = { .x = p->x[place],
                          .u = r == GPF__JTU                   ? p->w
                               : r == GPF__JU || r == GPF__FVV ? p->u
                                                               : NULL,
                          .f = out[GPF__OUT_F],
                          .d = out[GPF__OUT_D],
                          .dt = out[GPF__OUT_DT],
                          .out = out[GPF__OUT_V],
                          .jtj = out[GPF__OUT_JTJ] };
    return gpf__call(p->s, r, &a);
}

static void add_segment(probe *p, gpf__route r, gpf__slot o, size_t size)
{
    if (size == 0 || !gpf__has(p->s, r))
        return;
    p->segment[p->n_segment++] = (segment){ .route = r, .out = o, .at = p->size, .size = size };
    p->size += size;
}

static int open_probe(probe *p, gpf__subject *s)
{
    const size_t n = s->n, m = s->m, d = m * s->n_d, dt = s->kind->time ? m : 0;
    *p = (probe){ .s = s };
    add_segment(p, GPF__F, GPF__OUT_F, m);
    add_segment(p, GPF__DF, GPF__OUT_D, d);
    add_segment(p, GPF__DF, GPF__OUT_DT, dt);
    add_segment(p, GPF__FDF, GPF__OUT_F, m);
    add_segment(p, GPF__FDF, GPF__OUT_D, d);
    add_segment(p, GPF__FVV, GPF__OUT_V, m);
    add_segment(p, GPF__JU, GPF__OUT_V, m);
    add_segment(p, GPF__JTU, GPF__OUT_V, n);
    add_segment(p, GPF__JTU, GPF__OUT_JTJ, s->squares ? n * n : 0);
    double *next = p->memory = malloc((3 * n + m + 3 * p->size) * sizeof *p->memory);
    if (!next)
        return GSL_ENOMEM;
    p->x[0] = next;
    p->x[1] = next += n;
    p->u = next += n;
    p->w = next += n;
    p->base[0] = next += m;
    p->base[1] = next += p->size;
    p->again = next + p->size;
    memcpy(p->x[0], s->x, n * sizeof *s->x);
    for (size_t j = 0; j < n; j++)
        p->u[j] = (0.5 + gpf__uniform(s, U_STREAM, j)) * (gpf__is_fixed(s, j) ? 0 : 1);
    for (size_t i = 0; i < m; i++)
        p->w[i] = 0.5 + gpf__uniform(s, V_STREAM, i);
    return GSL_SUCCESS;
}

/* A point beside x, inside the bounds, `part` of each variable's size away. */
static void step_beside(probe *p, double part)
{
    const gpf__subject *s = p->s;
    const gsl_vector *lo = s->how->lo, *hi = s->how->hi;
    for (size_t j = 0; j < s->n; j++) {
        const double u = gpf__uniform(s, NEAR_STREAM, j),
                     below = lo ? s->x[j] - gsl_vector_get(lo, j) : INFINITY,
                     above = hi ? gsl_vector_get(hi, j) - s->x[j] : INFINITY;
        double by = part * gpf__typical(s, j) * (u < 0.5 ? u - 1 : u);
        if (by < 0 ? -by > below : by > above)
            by = -by;
        if (by < 0 ? -by > below : by > above)
            by = above > below ? above / 2 : -below / 2;
        p->x[1][j] = s->x[j] + by;
    }
}

/* Finds a second place at which f is defined, if it is at the first. */
static bool find_near(probe *p)
{
    static const double parts[] = { 0x1p-8, -0x1p-8, 0x1p-16, -0x1p-16, 0x1p-26, -0x1p-26 };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        step_beside(p, parts[i]);
        if (memcmp(p->x[0], p->x[1], p->s->n * sizeof(double)) != 0 &&
            call(p, GPF__F, 1, p->again) == GSL_SUCCESS && gpf__all_finite(p->again, p->s->m))
            return true;
    }
    return false;
}

/* Does what an output held before the call enter the result? base: of a call with the poison that
 * is NaN; again: the same with numbers. Where that is so, outputs are zeroed from now on. */
static bool test_accumulation(probe *p, gpf__route r)
{
    gpf__subject *s = p->s;
    gpf__mishap *h = &s->mishap[r];
    bool found = false;
    for (size_t i = 0; i < p->n_segment; i++) {
        const segment *g = &p->segment[i];
        if (g->route != r || h->unfilled[g->out] == 0)
            continue;
        size_t left = 0, back = 0;
        for (size_t k = 0; k < g->size; k++) {
            const bool counts = g->out != GPF__OUT_JTJ || k % s->n <= k / s->n;
            const bool poison = gpf__is_poison(s, g->out, k);
            left += poison && counts;
            back += counts && isnan(p->base[0][g->at + k]) && isfinite(p->again[g->at + k]);
        }
        h->unfilled[g->out] = left;
        if (back) { /* an entry to which 0 was added looks unwritten */
            h->adds[g->out] = true;
            h->unfilled[g->out] = 0;
            found = true;
        }
    }
    h->accumulates |= found;
    return found;
}

/* Is an output what is given at a place? Outputs that vary by rounding are so to that. */
static bool matches(const probe *p, const segment *g, const double *values, int place)
{
    const double *base = p->base[place] + g->at, *v = values + g->at;
    double most = 0;
    for (size_t k = 0; g->random && k < g->size; k++)
        most = fmax(most, fabs(base[k]));
    for (size_t k = 0; k < g->size; k++)
        if (!same(v[k], base[k]) && !(g->random && fabs(v[k] - base[k]) <= ROUNDING * most))
            return false;
    return true;
}

static void note_entry(const probe *p, segment *g, int place)
{
    const double *base = p->base[place] + g->at, *v = p->again + g->at;
    size_t k = 0;
    while (k + 1 < g->size && same(base[k], v[k]))
        k++;
    g->entry = k;
    g->one = base[k];
    g->other = v[k];
}

/* By how much the last call differs from the base. */
static void note_spread(probe *p, segment *g, int place)
{
    const double *base = p->base[place] + g->at, *v = p->again + g->at;
    double most = 0, off = 0;
    for (size_t k = 0; k < g->size; k++) {
        if (same(base[k], v[k]))
            continue;
        const double by = fabs(base[k] - v[k]);
        off = by <= off ? off : by; /* NaN is a large difference */
        if (g->route == GPF__F && place == 0 && by > p->s->spread[k])
            p->s->spread[k] = by;
    }
    for (size_t k = 0; k < g->size; k++)
        most = fmax(most, fabs(base[k]));
    if (off == 0)
        return;
    if (!g->random && !g->unsettled)
        note_entry(p, g, place);
    if (!(off <= g->spread)) {
        g->spread = off;
        g->relative = isnan(off) ? INFINITY : off / most;
    }
}

/* Calls of a route at a place until it can be said what it gives there. */
static void settle(probe *p, gpf__route r, int place)
{
    gpf__subject *s = p->s;
    p->status[place][r] = call(p, r, place, p->base[place]);
    s->poison = GPF__POISON_NUMBER;
    const int status = call(p, r, place, p->again);
    if (place == 0 && !status && !p->status[0][r] && test_accumulation(p, r)) {
        p->status[0][r] = call(p, r, place, p->base[0]); /* with zeros from now on */
        call(p, r, place, p->again);
    }
    s->poison = GPF__POISON_NAN;
    bool differs = false;
    for (size_t i = 0; i < p->n_segment; i++)
        differs |= p->segment[i].route == r && !matches(p, &p->segment[i], p->again, place);
    for (int n = 0; differs && n < REPEATS; n++) {
        for (size_t i = 0; i < p->n_segment; i++) {
            segment *g = &p->segment[i];
            if (g->route != r || matches(p, g, p->again, place))
                continue;
            note_spread(p, g, place);
            if (n == 0) { /* was only the first call another? */
                g->unsettled = true;
                memcpy(p->base[place] + g->at, p->again + g->at, g->size * sizeof *p->again);
            } else
                g->random = true;
        }
        p->status[place][r] = call(p, r, place, p->again);
    }
}

/* Every route after every other, each time at the other place. */
static void alternate(probe *p)
{
    gpf__route order[GPF__N_ROUTES * GPF__N_ROUTES + 1], route[GPF__N_ROUTES];
    size_t n = 0, n_route = 0;
    for (gpf__route r = 0; r < GPF__N_ROUTES; r++)
        if (gpf__has(p->s, r))
            route[n_route++] = r;
    for (size_t i = 0; i < n_route; i++) { /* 0 01 02 1 12 2 0: every pair once */
        order[n++] = route[i];
        for (size_t j = i + 1; j < n_route; j++) {
            order[n++] = route[i];
            order[n++] = route[j];
        }
    }
    order[n++] = route[0];
    int last[GPF__N_ROUTES + 1]; /* the place of each route's last call, of f's or fdf's */
    for (size_t r = 0; r <= EITHER; r++)
        last[r] = 1;
    for (size_t i = 0; i < n; i++) {
        const int place = i % 2 ? 1 : 0;
        call(p, order[i], place, p->again);
        for (size_t j = 0; j < p->n_segment; j++) {
            segment *g = &p->segment[j];
            if (g->route != order[i] || (g->random && g->relative > ROUNDING))
                continue;
            if (!matches(p, g, p->again, place)) {
                if (!g->moved) {
                    note_entry(p, g, place);
                    g->after = i ? order[i - 1] : route[n_route - 1];
                }
                g->moved = true;
                g->stale &= matches(p, g, p->again, 1 - place);
            }
            for (size_t r = 0; r <= EITHER; r++)
                if (!matches(p, g, p->again, last[r]))
                    g->decides &= ~(1u << r);
        }
        last[order[i]] = place;
        if (order[i] == GPF__F || order[i] == GPF__FDF)
            last[EITHER] = place;
    }
}

static int say_random(gpf__subject *s, const segment *g)
{
    char name[32], entry[64];
    segment_name(s, g->route, g->out, name, sizeof name);
    entry_name(s, g->route, g->out, g->entry, entry, sizeof entry);
    gpf_explanation e = gpf__explanation(GPF_RANDOM, -1);
    if (g->relative <= ROUNDING) {
        e.severity = GPF_NOTE;
        gpf__format(e.text, sizeof e.text,
                    "%s varies from call to call by rounding (%.2g): a sum in changing order", name,
                    g->spread);
    } else
        gpf__format(e.text, sizeof e.text,
                    "%s is not deterministic: called again at the same x, %s is %.9g, then %.9g "
                    "(varies by %.2g)",
                    name, entry, g->one, g->other, g->spread);
    return gpf__add(s, e);
}

/* That of the x of another call: of which. */
static int say_stale(gpf__subject *s, const segment *g, const char *name, const char *entry)
{
    gpf__mishap *h = &s->mishap[g->route];
    const char *function = gpf__route_name(s->kind, g->route);
    char which[96] = "of an earlier call";
    const bool f = g->decides >> GPF__F & 1;
    if (g->decides >> g->route & 1) {
        gpf__format(which, sizeof which, "of %s's own call before", function);
        h->primed = true;
        h->prime = g->route;
    } else if (f || g->decides >> EITHER & 1) {
        gpf__format(which, sizeof which, "at which %s%s was called last", s->kind->f,
                    f ? "" : " or fdf");
        h->primed = true;
        h->prime = GPF__F;
    }
    return gpf__say(s, GPF_STALE, -1, "%s is stale: it belongs to the x %s (%s is %.9g, not %.9g)",
                    name, which, entry, g->other, g->one);
}

static int say_moved(gpf__subject *s, const segment *g)
{
    char name[32], entry[64];
    segment_name(s, g->route, g->out, name, sizeof name);
    entry_name(s, g->route, g->out, g->entry, entry, sizeof entry);
    s->unsteady |= g->route == GPF__DF || g->route == GPF__JU;
    if (g->moved && g->stale)
        return say_stale(s, g, name, entry);
    if (g->moved)
        return gpf__say(s, GPF_ORDER, -1,
                        "%s depends on what was called before: %s is %.9g, but %.9g after %s at "
                        "another x",
                        name, entry, g->one, g->other, gpf__route_name(s->kind, g->after));
    return gpf__say(s, GPF_ORDER, -1,
                    "%s depends on how often it was called: %s is %.9g at first, then %.9g", name,
                    entry, g->one, g->other);
}

/* f failed, or a function did where f does not. */
static int say_failures(probe *p, bool near)
{
    gpf__subject *s = p->s;
    char at[160], entry[64];
    int status = GSL_SUCCESS;
    point_text(s->x, s->n, at, sizeof at);
    const gpf__mishap *h = &s->mishap[GPF__F];
    if (p->status[0][GPF__F])
        return gpf__say(s, GPF_UNDEFINED, -1, "%s returned %d (%s) at x = %s", s->kind->f,
                        p->status[0][GPF__F], gpf_strerror(p->status[0][GPF__F]), at);
    for (size_t i = 0; i < s->m; i++)
        if (!isfinite(p->base[0][i]) && h->unfilled[GPF__OUT_F] == 0) {
            entry_name(s, GPF__F, GPF__OUT_F, i, entry, sizeof entry);
            return gpf__say(s, GPF_UNDEFINED, -1, "%s is %g at x = %s", entry,
                            isnan(p->base[0][i]) ? NAN : p->base[0][i], at);
        }
    for (gpf__route r = GPF__DF; r < GPF__N_ROUTES && !status; r++) {
        const int place = p->status[0][r] || !near ? 0 : 1, code = p->status[place][r];
        if (!gpf__has(s, r) || !code)
            continue;
        point_text(p->x[place], s->n, at, sizeof at);
        status =
            gpf__say(s, GPF_FAILS, -1, "%s%s returned %d (%s) at x = %s, where %s does not fail",
                     gpf__route_name(s->kind, r),
                     r == GPF__JU    ? " (CblasNoTrans)"
                     : r == GPF__JTU ? " (CblasTrans)"
                                     : "",
                     code, gpf_strerror(code), at, s->kind->f);
    }
    return status;
}

/* The Jacobian under test, from the first route that has it. */
static void take_jacobian(probe *p)
{
    gpf__subject *s = p->s;
    const gpf__route from = gpf__has(s, GPF__DF) ? GPF__DF : GPF__FDF;
    for (size_t i = 0; i < p->n_segment; i++) {
        const segment *g = &p->segment[i];
        if (g->route != from || (g->out != GPF__OUT_D && g->out != GPF__OUT_DT))
            continue;
        const size_t cols = g->out == GPF__OUT_D ? s->n_d : 1,
                     first = g->out == GPF__OUT_D ? 0 : s->n_d;
        for (size_t k = 0; k < g->size; k++)
            s->d[k / cols * s->n + first + k % cols] = p->base[0][g->at + k];
    }
}

/* J from J e_j. */
static int multiply_jacobian(gpf__subject *s)
{
    const size_t n = s->n, m = s->m;
    double *e = calloc(n + m, sizeof *e), *column = e ? e + n : NULL;
    if (!e)
        return GSL_ENOMEM;
    for (size_t j = 0; j < n; j++) {
        e[j] = 1;
        gpf__call(s, GPF__JU, &(gpf__args){ .x = s->x, .u = e, .out = column });
        e[j] = 0;
        for (size_t i = 0; i < m; i++)
            s->d[i * n + j] = column[i];
    }
    free(e);
    return GSL_SUCCESS;
}

/* Is d the same at both places although f is not linear between them? It may be that of the first
 * for ever: known by the address of x, which is the same here and in GSL's solvers. Looked at when
 * d is known to be right at x, and the noise of f too. */
static int keep_beside(probe *p)
{
    gpf__subject *s = p->s;
    const segment *dt = NULL;
    bool is_same = false;
    for (size_t i = 0; i < p->n_segment; i++) {
        const segment *g = &p->segment[i];
        if (g->route != GPF__DF || g->random)
            continue;
        is_same |= g->out == GPF__OUT_D && matches(p, g, p->base[0], 1);
        dt = g->out == GPF__OUT_DT ? g : dt;
    }
    if (!is_same)
        return GSL_SUCCESS;
    const size_t n = s->n, m = s->m;
    s->beside = calloc(n + 2 * m, sizeof *s->beside);
    if (!s->beside)
        return GSL_ENOMEM;
    memcpy(s->beside, p->x[1], n * sizeof *s->beside);
    memcpy(s->beside + n, p->base[1], m * sizeof *s->beside);
    for (size_t i = 0; dt && i < m; i++) /* y' = y + sin t: curved, but not in y */
        s->beside[n + m + i] = fabs((p->base[1][dt->at + i] - p->base[0][dt->at + i]) *
                                    (p->x[1][n - 1] - p->x[0][n - 1]));
    return GSL_SUCCESS;
}

static int look(probe *p)
{
    gpf__subject *s = p->s;
    int status = GSL_SUCCESS;
    for (gpf__route r = 0; r < GPF__N_ROUTES; r++)
        if (gpf__has(s, r))
            settle(p, r, 0);
    memcpy(s->f, p->base[0], s->m * sizeof *s->f);
    const bool defined = !p->status[0][GPF__F] && gpf__all_finite(s->f, s->m),
               near = defined && find_near(p);
    for (gpf__route r = 0; near && r < GPF__N_ROUTES; r++)
        if (gpf__has(s, r))
            settle(p, r, 1);
    for (size_t i = 0; i < p->n_segment; i++) {
        p->segment[i].stale = true;
        p->segment[i].decides = ~0u;
    }
    if (near)
        alternate(p);
    status = say_failures(p, near);
    for (size_t i = 0; i < p->n_segment && !status; i++) {
        const segment *g = &p->segment[i];
        if (g->random)
            status = say_random(s, g);
        if (!status && (g->moved || (g->unsettled && !g->random)))
            status = say_moved(s, g);
    }
    if (gpf__has(s, GPF__DF) || gpf__has(s, GPF__FDF))
        take_jacobian(p);
    if (!status && near)
        status = keep_beside(p);
    return status;
}

int gpf__probe(gpf__subject *s)
{
    probe p;
    int status = open_probe(&p, s);
    if (!status)
        status = look(&p);
    free(p.memory);
    if (!status && gpf__has(s, GPF__JU) && s->d)
        status = multiply_jacobian(s);
    return status;
}

/* What was seen in the calls, all of them. */

static int describe_output(gpf__subject *s, gpf__route r, gpf__slot o)
{
    const gpf__mishap *h = &s->mishap[r];
    const int part = part_of(s, r, o);
    const char *asked = r == GPF__JU    ? " where J u is asked for"
                        : r == GPF__JTU ? " where J' u is asked for"
                                        : "";
    char entry[64];
    int status = GSL_SUCCESS;
    if (h->adds[o])
        status = gpf__say(s, GPF_ACCUMULATES, part,
                          "%s adds to the old content of %s%s, which it has to replace: set it to "
                          "zero first",
                          gpf__route_name(s->kind, r), output_name(s, r, o), asked);
    if (status || h->unfilled[o] == 0)
        return status;
    const size_t n = s->n, size = o == GPF__OUT_D                    ? s->m * s->n_d
                                  : o == GPF__OUT_JTJ                ? n * (n + 1) / 2
                                  : o == GPF__OUT_V && r == GPF__JTU ? n
                                                                     : s->m;
    gpf_explanation e = gpf__explanation(GPF_UNFILLED, part);
    e.matched = h->unfilled[o];
    e.total = size;
    entry_name(s, r, o, h->unfilled_first[o], entry, sizeof entry);
    if (e.matched == size)
        gpf__format(e.text, sizeof e.text, "%s writes nothing to %s%s", gpf__route_name(s->kind, r),
                    output_name(s, r, o), asked);
    else
        gpf__format(e.text, sizeof e.text,
                    "%s leaves %zu of %zu entries of %s%s unwritten, the first %s",
                    gpf__route_name(s->kind, r), e.matched, size,
                    o == GPF__OUT_JTJ ? "the lower half of " : "", output_name(s, r, o), entry);
    return gpf__add(s, e);
}

/* f's row on the way from x to the point beside it, and on from there. */
typedef struct way {
    gpf__subject *s;
    const double *from;
    double *by, *at, *f; /* n, n, m */
    size_t row;
} way;

static void way_values(void *arg, const double *t, size_t m, double *y, gpf_branch *b)
{
    const way *w = arg;
    gpf__subject *s = w->s;
    for (size_t k = 0; k < m; k++) {
        for (size_t j = 0; j < s->n; j++)
            w->at[j] = w->from[j] + t[k] * w->by[j];
        const bool ok = gpf__is_inside(s, w->at) &&
                        !gpf__call(s, GPF__F, &(gpf__args){ .x = w->at, .f = w->f });
        y[k] = ok ? w->f[w->row] : GSL_NAN;
    }
    if (b)
        memset(b, 0, m * sizeof *b);
}

/* Is the slope of row i beside x, on the way there, another than the d of x says? f may be curved
 * by nothing but the digits it loses. */
static bool is_other_slope(way *w, size_t i)
{
    const gpf__subject *s = w->s;
    const double *d = s->d + i * s->n;
    gpf_element e = { .analytic = 0 };
    for (size_t j = 0; j < s->n; j++) /* dfdt may be another, and known to be */
        e.analytic += d[j] * (w->by[j] = s->kind->time && j == s->n - 1 ? 0 : w->from[j] - s->x[j]);
    const gpf__line line = { .arg = w, .values = way_values, .grid = true };
    const gpf__around around = {
        .base = s->beside[s->n + i], .noise = s->noise[i], .typical = 1, .depends = 1
    };
    w->row = i;
    gpf__decide(&line, &around, &e);
    return e.verdict == GPF_WRONG && e.reason == GPF_REASON_FLAT_GAP &&
           !gpf__is_due_to_step(&line, &around, &e);
}

/* d is right at x and the same beside it: is it right there? Rows in which f is not linear on the
 * way are looked at; a few, as each costs some 100 calls. */
int gpf__check_beside(gpf__subject *s)
{
    enum { MOST = 4 };
    const gpf_fdf_part *first = s->beside ? gpf__part_named(s->result, s->kind->part) : NULL;
    if (!first || first->tally.count[GPF_WRONG] || !first->tally.count[GPF_RIGHT])
        return GSL_SUCCESS;
    const size_t n = s->n, m = s->m;
    double *room = malloc((2 * n + m) * sizeof *room);
    if (!room)
        return GSL_ENOMEM;
    way w = { s, s->beside, room, room + n, room + 2 * n, 0 };
    int looked = 0, status = GSL_SUCCESS;
    for (size_t i = 0; i < m && looked < MOST && !s->unsteady; i++) {
        double linear = s->f[i], size = fabs(s->f[i]);
        for (size_t j = 0; j < n; j++) {
            const double by = s->d[i * n + j] * (s->beside[j] - s->x[j]);
            linear += by;
            size += fabs(by);
        }
        /* f' - f - J (x' - x) = 0 for a linear f */
        const double off = fabs(s->beside[n + i] - linear) - s->beside[n + m + i];
        if (!(off > 100 * s->noise[i] + 1e-7 * (size - fabs(s->f[i])) + 1e-13 * size))
            continue;
        looked++;
        s->unsteady = is_other_slope(&w, i);
    }
    if (s->unsteady)
        status = gpf__say(s, GPF_STALE, -1,
                          "%s gives the same beside x to the last bit, although %s has another "
                          "slope there: does it know x by its address?",
                          gpf__route_name(s->kind, GPF__DF), s->kind->f);
    free(room);
    return status;
}

/* f is defined at x, but not at some of the points beside it. */
static int describe_domain(gpf__subject *s)
{
    const gpf__mishap *h = &s->mishap[GPF__F];
    char at[160], entry[64];
    if (h->troubles == 0 || !gpf__all_finite(s->f, s->m))
        return GSL_SUCCESS;
    gpf_explanation e = gpf__explanation(GPF_UNDEFINED, -1);
    e.severity = GPF_NOTE;
    point_text(h->at, s->n, at, sizeof at);
    entry_name(s, GPF__F, GPF__OUT_F, h->odd_entry, entry, sizeof entry);
    if (h->status)
        gpf__format(e.text, sizeof e.text, "%s returned %d (%s)", s->kind->f, h->status,
                    gpf_strerror(h->status));
    else
        gpf__format(e.text, sizeof e.text, "%s is %g", entry, h->odd);
    gpf__append(e.text, sizeof e.text,
                " at x = %s, near the point (%zu of %zu calls): if it is not defined there, give "
                "bounds",
                at, h->troubles, s->n_calls[GPF__F]);
    return gpf__add(s, e);
}

int gpf__describe(gpf__subject *s)
{
    int status = describe_domain(s);
    for (gpf__route r = 0; r < GPF__N_ROUTES && !status; r++) {
        const gpf__mishap *h = &s->mishap[r];
        const char *name = gpf__route_name(s->kind, r);
        if (h->wrote_x)
            status = gpf__say(s, GPF_WRITES_X, -1, "%s writes to its %s, which is const", name,
                              r == GPF__F || r == GPF__DF || r == GPF__FDF ? "x" : "x or u");
        if (h->wrote_outside && !status)
            status = gpf__say(s, GPF_WRITES_OUTSIDE, -1,
                              "%s writes to memory beside what it is given", name);
        for (int o = 0; o < GPF__N_SLOTS && !status; o++)
            status = describe_output(s, r, (gpf__slot)o);
    }
    return status;
}

/* fdf against f and df. */

/* What rounding may do to the values of a route: how much they change from x to places a few units
 * in the last place away. */
static int rounding_of(gpf__subject *s, gpf__route r, double *f, double *d, double *noise_f,
                       double *noise_d)
{
    enum { TIMES = 4 };
    const size_t n = s->n, m = s->m, size = m * s->n_d;
    double *x = malloc((n + m + size) * sizeof *x), *f1 = x ? x + n : NULL, *d1 = x ? f1 + m : NULL;
    if (!x)
        return GSL_ENOMEM;
    for (size_t k = 0; f && k < m; k++)
        noise_f[k] = 64 * GSL_DBL_EPSILON * fabs(f[k]);
    for (size_t k = 0; d && k < size; k++)
        noise_d[k] = 64 * GSL_DBL_EPSILON * fabs(d[k]);
    for (int t = 0; t < TIMES; t++) {
        for (size_t j = 0; j < n; j++) {
            const double by = floor(8 * gpf__uniform(s, ROUNDING_STREAM + (size_t)t, j)) - 3.5;
            x[j] = gpf__is_fixed(s, j) ? s->x[j] : s->x[j] * (1 + by * GSL_DBL_EPSILON);
        }
        if (!gpf__is_inside(s, x) ||
            gpf__call(s, r, &(gpf__args){ .x = x, .f = f ? f1 : NULL, .d = d ? d1 : NULL }))
            continue;
        for (size_t k = 0; f && k < m; k++)
            noise_f[k] = fmax(noise_f[k], 32 * fabs(f1[k] - f[k]));
        for (size_t k = 0; d && k < size; k++)
            noise_d[k] = fmax(noise_d[k], 32 * fabs(d1[k] - d[k]));
    }
    free(x);
    return GSL_SUCCESS;
}

/* f and df of a call each, and of one call. */
typedef struct pair {
    double *f[2], *d[2]; /* of f and df; of fdf */
    double *error_f, *error_d;
    double *memory;
} pair;

static gpf_element judge(double analytic, double numeric, double error, double value)
{
    const double off = fabs(analytic - numeric);
    gpf_element e = gpf__compared(analytic, numeric, error, value);
    if (!isfinite(numeric)) {
        e.verdict = same(analytic, numeric) && !isnan(numeric) ? GPF_RIGHT : GPF_UNRESOLVED;
        e.reason = e.verdict == GPF_RIGHT ? GPF_REASON_NONE : GPF_REASON_NOT_FINITE;
    } else if (off <= error) {
        e.verdict = GPF_RIGHT;
        e.digits = off == 0 ? 16 : fmin(16, fmax(0, -log10(off / fabs(numeric))));
        e.digits = numeric == 0 && off > 0 ? 0 : e.digits;
    } else {
        e.verdict = GPF_WRONG;
        e.reason = isfinite(analytic) ? GPF_REASON_FLAT_GAP : GPF_REASON_NOT_FINITE;
    }
    return e;
}

/* Does what fdf put into f belong into df, and the reverse? Where both have as many entries. */
static bool exchanged(const gpf__subject *s, const pair *p)
{
    if (s->n_d != 1 || !gpf__has(s, GPF__DF))
        return false;
    bool apart = false;
    for (size_t i = 0; i < s->m; i++) {
        if (!(fabs(p->f[1][i] - p->d[0][i]) <= p->error_d[i]) ||
            !(fabs(p->d[1][i] - p->f[0][i]) <= p->error_f[i]))
            return false;
        apart |= !(fabs(p->f[0][i] - p->d[0][i]) <= p->error_f[i] + p->error_d[i]);
    }
    return apart;
}

/* Has it been said that a value depends on the calls before? Then it may differ here, too. */
static bool order_matters(const gpf__subject *s)
{
    for (size_t i = 0; i < s->n_explanation; i++)
        if (s->explanation[i].kind == GPF_STALE || s->explanation[i].kind == GPF_ORDER)
            return true;
    return false;
}

/* The numbers of fdf that differ from those of f or df, as a block. */
static int explain_block(gpf__subject *s, int part, const char *name, size_t rows, size_t cols,
                         const double *analytic, const double *numeric, const double *error,
                         const char *against)
{
    enum { MOST = 6 };
    gpf_explanation found[MOST];
    unsigned char *verdict = malloc(rows * cols);
    if (!verdict)
        return GSL_ENOMEM;
    size_t wrong = 0, first = 0;
    for (size_t k = 0; k < rows * cols; k++) {
        const gpf_element e = judge(analytic[k], numeric[k], error[k], 0);
        verdict[k] = (unsigned char)(isfinite(analytic[k]) ? e.verdict : GPF_N_VERDICTS);
        if (verdict[k] == GPF_WRONG && wrong++ == 0)
            first = k;
    }
    const gpf__evidence e = { .part = part,
                              .name = name,
                              .truth = against,
                              .rows = rows,
                              .cols = cols,
                              .analytic = analytic,
                              .numeric = numeric,
                              .error = error,
                              .verdict = verdict };
    int n = wrong ? gpf__explain(&e, found, MOST) : 0, status = n < 0 ? GSL_ENOMEM : GSL_SUCCESS;
    bool known = n > 0;
    for (int i = 0; i < n; i++)
        known &= found[i].kind != GPF_UNEXPLAINED && found[i].kind != GPF_SINGLE;
    for (int i = 0; i < n && known && !status; i++)
        status = gpf__add(s, found[i]);
    if (n > 0 && !known) {
        gpf_explanation i = gpf__explanation(GPF_INCOHERENT, part);
        i.matched = wrong;
        i.total = rows * cols;
        gpf__format(i.text, sizeof i.text,
                    "%s differs from %s in %zu of %zu entr%s: the first is %.9g, not %.9g", name,
                    against, wrong, rows * cols, rows * cols == 1 ? "y" : "ies", analytic[first],
                    numeric[first]);
        status = gpf__add(s, i);
    }
    free(verdict);
    return status;
}

/* Is fdf's d what differences say wherever df is not? Then df is the wrong one. */
static bool fdf_is_right(const gpf__subject *s, const pair *p)
{
    const gpf_fdf *c = s->result;
    size_t wrong = 0, healed = 0;
    for (size_t i = 0; i < c->n_element; i++) {
        const gpf_element *e = &c->element[i];
        if (e->tensor != 0 || e->verdict != GPF_WRONG)
            continue;
        wrong++;
        healed += gpf__agree(p->d[1][e->k], e->numeric, e->error, 0) != 0;
    }
    return wrong > 0 && healed == wrong;
}

static int explain_pair(gpf__subject *s, int part, const pair *p)
{
    const char *f_name = "fdf's f", *d_name = s->kind->indices < 2 ? "fdf's df" : "fdf's J";
    s->named |= 1u << part;
    if (exchanged(s, p))
        return gpf__say(s, GPF_EXCHANGED, part,
                        "fdf exchanges its outputs: %s is put into df, and the derivative into f",
                        s->kind->f);
    if (order_matters(s))
        return GSL_SUCCESS;
    const int status =
        explain_block(s, part, f_name, s->m, 1, p->f[1], p->f[0], p->error_f, s->kind->f);
    if (status || !gpf__has(s, GPF__DF))
        return status;
    if (fdf_is_right(s, p))
        return gpf__say(s, GPF_INCOHERENT, part,
                        "%s differs from %s, and is right by differences of %s where %s is wrong",
                        d_name, s->kind->df, s->kind->f, s->kind->df);
    return explain_block(s, part, d_name, s->m, s->n_d, p->d[1], p->d[0], p->error_d, s->kind->df);
}

static int compare_pair(gpf__subject *s, pair *p)
{
    const size_t m = s->m, n = s->n_d;
    const bool df = gpf__has(s, GPF__DF);
    gpf__call(s, GPF__F, &(gpf__args){ .x = s->x, .f = p->f[0] });
    if (df)
        gpf__call(s, GPF__DF, &(gpf__args){ .x = s->x, .d = p->d[0] });
    gpf__call(s, GPF__FDF, &(gpf__args){ .x = s->x, .f = p->f[1], .d = p->d[1] });
    bool equal = true;
    for (size_t i = 0; i < m; i++) {
        p->error_f[i] = 0;
        equal &= same(p->f[0][i], p->f[1][i]);
    }
    for (size_t k = 0; df && k < m * n; k++) {
        p->error_d[k] = 0;
        equal &= same(p->d[0][k], p->d[1][k]);
    }
    int status = GSL_SUCCESS;
    if (!equal)
        status = rounding_of(s, GPF__F, p->f[0], NULL, p->error_f, NULL);
    if (!equal && df && !status)
        status = rounding_of(s, GPF__DF, NULL, p->d[0], NULL, p->error_d);
    for (size_t i = 0; i < m && !equal; i++)
        p->error_f[i] = fmax(p->error_f[i], 16 * s->noise[i]);
    const int part = gpf__part(s, "fdf", m, n + 1);
    for (size_t i = 0; i < m && !status; i++)
        for (size_t j = 0; j < (df ? n + 1 : 1) && !status; j++) {
            const size_t k = i * n + j - 1;
            gpf_element e = j == 0 ? judge(p->f[1][i], p->f[0][i], p->error_f[i], GSL_NAN)
                                   : judge(p->d[1][k], p->d[0][k], p->error_d[k], s->x[j - 1]);
            e.tensor = part;
            e.k = i * (n + 1) + j;
            status = gpf__element(s, &e);
        }
    if (!status && s->result->part[part].tally.count[GPF_WRONG])
        status = explain_pair(s, part, p);
    return status;
}

int gpf__check_fdf_route(gpf__subject *s)
{
    if (!gpf__has(s, GPF__FDF))
        return GSL_SUCCESS;
    const size_t m = s->m, size = m * s->n_d;
    pair p;
    double *next = p.memory = malloc(3 * (m + size) * sizeof *p.memory);
    if (!next)
        return GSL_ENOMEM;
    p.f[0] = next;
    p.f[1] = next += m;
    p.error_f = next += m;
    p.d[0] = next += m;
    p.d[1] = next += size;
    p.error_d = next + size;
    const int status = compare_pair(s, &p);
    free(p.memory);
    return status;
}
