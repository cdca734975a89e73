/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A guarded call: what a callback is given is a copy, between zones that it must not touch. */
#include "gsl/gsl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Quiet NaNs with payloads of their own; arithmetic hands a payload on, and may flip the sign. The
 * poison's low bits count the calls. */
static const uint64_t POISON = 0x7ff8677000000000u, GUARD = 0x7ff8677100000000u,
                      TAG = 0x7fffffff00000000u;

enum { SMALL_GUARD = 64, MOST_BESIDE = 1024, MOST_BEHIND_J = 1 << 16 };

/* An argument and the guard behind it; before it lies the guard of the zone before. */
typedef struct zone {
    double *data;
    size_t size, guard;
} zone;

enum { X = GPF__N_SLOTS, U, FIRST, N_ZONES };

struct gpf__frame {
    zone zone[N_ZONES];     /* outputs, x, u; FIRST is nothing but a guard */
    uint64_t before_number; /* of the call: in its poison */
    gpf__poison poison;     /* of the last call */
    double memory[];
};

static uint64_t bits_of(double x)
{
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static double from_bits(uint64_t b)
{
    double x;
    memcpy(&x, &b, sizeof x);
    return x;
}

double gpf__poison_number(gpf__slot o, size_t k)
{
    return 1 + ldexp((double)(gpf__mix(k * GPF__N_SLOTS + (uint64_t)o + 1) >> 12 | 1), -52);
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void set_guard(const zone *z)
{
    for (size_t i = 0; i < z->guard; i++)
        z->data[z->size + i] = from_bits(GUARD + i);
}

static bool guard_is_whole(const zone *z)
{
    for (size_t i = 0; i < z->guard; i++)
        if (bits_of(z->data[z->size + i]) != GUARD + i)
            return false;
    return true;
}

/* An argument whose size is that of the route. */
static void resize(zone *z, size_t size)
{
    if (z->size == size)
        return;
    z->guard = z->guard + z->size - size;
    z->size = size;
    set_guard(z);
}

int gpf__call_alloc(gpf__subject *s)
{
    const size_t n = s->n, m = s->m, longer = most(n, m);
    const size_t guard = SMALL_GUARD + least(longer, MOST_BESIDE);
    const bool dense = gpf__has(s, GPF__DF) || gpf__has(s, GPF__FDF);
    zone z[N_ZONES] = { [FIRST] = { .size = 0 },
                        [X] = { .size = n },
                        [U] = { .size = longer },
                        [GPF__OUT_F] = { .size = m },
                        [GPF__OUT_D] = { .size = dense ? m * s->n_d : 0 },
                        [GPF__OUT_DT] = { .size = s->kind->time ? m : 0 },
                        [GPF__OUT_V] = { .size = longer },
                        [GPF__OUT_JTJ] = { .size = s->squares ? n * n : 0 } };
    size_t total = 0;
    for (int i = 0; i < N_ZONES; i++) {
        z[i].guard = guard;
        /* J written with rows and columns exchanged reaches n_d * n_d */
        if (i == GPF__OUT_D && s->n_d > m)
            z[i].guard += least(s->n_d * (s->n_d - m), MOST_BEHIND_J);
        total += z[i].size + z[i].guard;
    }
    struct gpf__frame *f = malloc(sizeof *f + total * sizeof *f->memory);
    double *at = malloc(GPF__N_ROUTES * n * sizeof *at);
    if (!f || !at) {
        free(f);
        free(at);
        return GSL_ENOMEM;
    }
    static const int order[] = { FIRST,      X,           U,          GPF__OUT_F,
                                 GPF__OUT_D, GPF__OUT_DT, GPF__OUT_V, GPF__OUT_JTJ };
    memset(f, 0, sizeof *f);
    double *next = f->memory;
    for (int i = 0; i < N_ZONES; i++) {
        zone *to = &f->zone[order[i]];
        *to = z[order[i]];
        to->data = next;
        next += to->size + to->guard;
        set_guard(to);
    }
    for (size_t r = 0; r < GPF__N_ROUTES; r++)
        s->mishap[r].at = at + r * n;
    s->frame = f;
    return GSL_SUCCESS;
}

void gpf__call_free(gpf__subject *s)
{
    free(s->frame);
    s->frame = NULL;
    free(s->mishap[0].at);
    s->mishap[0].at = NULL;
}

double gpf__call_raw(const gpf__subject *s, gpf__slot o, size_t k)
{
    return s->frame->zone[o].data[k];
}

bool gpf__is_poison(const gpf__subject *s, gpf__slot o, size_t k)
{
    const struct gpf__frame *f = s->frame;
    const double left = f->zone[o].data[k];
    if (f->poison == GPF__POISON_NAN)
        return (bits_of(left) & TAG) == POISON;
    return f->poison == GPF__POISON_NUMBER && bits_of(left) == bits_of(gpf__poison_number(o, k));
}

static void put_poison(struct gpf__frame *f, gpf__slot o, size_t size)
{
    double *to = f->zone[o].data;
    const double nan = from_bits(POISON + (f->before_number & 0xffffffffu));
    for (size_t k = 0; k < size; k++)
        to[k] = f->poison == GPF__POISON_NAN    ? nan
                : f->poison == GPF__POISON_ZERO ? 0
                                                : gpf__poison_number(o, k);
}

/* What one output of the call came to; into the caller's array, the poison as a plain NaN. Of J'J
 * only the lower half is anybody's business. */
static void take_output(gpf__subject *s, gpf__mishap *h, gpf__slot o, double *to, size_t size)
{
    const double *from = s->frame->zone[o].data;
    size_t unfilled = 0, first = 0;
    for (size_t k = 0; k < size; k++) {
        const bool poison = gpf__is_poison(s, o, k),
                   counts = o != GPF__OUT_JTJ || k % s->n <= k / s->n;
        to[k] = poison ? GSL_NAN : from[k];
        if (poison && counts && unfilled++ == 0)
            first = k;
        if (!poison && counts && !isfinite(from[k]) && h->nonfinite[o]++ == 0)
            h->nonfinite_first[o] = k;
    }
    if (unfilled > h->unfilled[o]) {
        h->unfilled[o] = unfilled;
        h->unfilled_first[o] = first;
    }
}

static void check_zones(struct gpf__frame *f, gpf__mishap *h)
{
    for (int i = 0; i < N_ZONES; i++)
        if (!guard_is_whole(&f->zone[i])) {
            h->wrote_outside = true;
            set_guard(&f->zone[i]);
        }
}

/* Where, not further from the point than the variables' own size, it first failed or gave what is
 * no number. */
static void note_trouble(const gpf__subject *s, gpf__mishap *h, const double *x, int status)
{
    gpf__slot o = GPF__OUT_F;
    while (o < GPF__N_SLOTS && h->nonfinite[o] == 0)
        o++;
    h->failures += status != GSL_SUCCESS;
    if (status == GSL_SUCCESS && o == GPF__N_SLOTS)
        return;
    for (size_t j = 0; j < s->n; j++)
        if (x[j] != s->x[j] && fabs(x[j] - s->x[j]) > gpf__typical(s, j))
            return;
    if (h->troubles++ > 0)
        return;
    memcpy(h->at, x, s->n * sizeof *x);
    h->status = status;
    if (status == GSL_SUCCESS) {
        h->odd_entry = h->nonfinite_first[o];
        const double odd = gpf__call_raw(s, o, h->odd_entry);
        h->odd = isnan(odd) ? NAN : odd; /* of no sign, in texts */
    }
}

static int call(gpf__subject *s, gpf__route r, const gpf__args *a)
{
    struct gpf__frame *f = s->frame;
    gpf__mishap *h = &s->mishap[r];
    const size_t n_u = a->u ? r == GPF__JTU ? s->m : s->n : 0;
    double *const to[GPF__N_SLOTS] = { [GPF__OUT_F] = a->f,
                                       [GPF__OUT_D] = a->d,
                                       [GPF__OUT_DT] = a->dt,
                                       [GPF__OUT_V] = a->out,
                                       [GPF__OUT_JTJ] = a->jtj };
    const size_t size[GPF__N_SLOTS] = { [GPF__OUT_F] = s->m,
                                        [GPF__OUT_D] = s->m * s->n_d,
                                        [GPF__OUT_DT] = s->m,
                                        [GPF__OUT_V] = r == GPF__JTU ? s->n : s->m,
                                        [GPF__OUT_JTJ] = s->n * s->n };
    double *in[GPF__N_SLOTS];
    memset(h->nonfinite, 0, sizeof h->nonfinite);
    f->before_number++;
    f->poison = h->accumulates ? GPF__POISON_ZERO : s->poison;
    memcpy(f->zone[X].data, a->x, s->n * sizeof *a->x);
    resize(&f->zone[U], n_u);
    if (n_u)
        memcpy(f->zone[U].data, a->u, n_u * sizeof *a->u);
    resize(&f->zone[GPF__OUT_V], a->out ? size[GPF__OUT_V] : 0);
    for (gpf__slot o = 0; o < GPF__N_SLOTS; o++) {
        in[o] = to[o] ? f->zone[o].data : NULL;
        if (to[o])
            put_poison(f, o, size[o]);
    }
    const gpf__args guarded = { .x = f->zone[X].data,
                                .u = n_u ? f->zone[U].data : NULL,
                                .f = in[GPF__OUT_F],
                                .d = in[GPF__OUT_D],
                                .dt = in[GPF__OUT_DT],
                                .out = in[GPF__OUT_V],
                                .jtj = in[GPF__OUT_JTJ] };
    const int status = s->kind->call(s->structure, r, &guarded);
    s->n_calls[r]++;
    if (memcmp(f->zone[X].data, a->x, s->n * sizeof *a->x) != 0 ||
        (n_u && memcmp(f->zone[U].data, a->u, n_u * sizeof *a->u) != 0))
        h->wrote_x = true;
    check_zones(f, h);
    for (gpf__slot o = 0; o < GPF__N_SLOTS; o++) {
        if (to[o] && status == GSL_SUCCESS)
            take_output(s, h, o, to[o], size[o]);
        for (size_t k = 0; to[o] && status != GSL_SUCCESS && k < size[o]; k++)
            to[o][k] = GSL_NAN;
    }
    note_trouble(s, h, a->x, status);
    return status;
}

int gpf__call(gpf__subject *s, gpf__route r, const gpf__args *a)
{
    const gpf__mishap *h = &s->mishap[r];
    if (!h->primed)
        return call(s, r, a);
    if (h->prime == r)
        call(s, r, a);
    else /* f, whose values nobody wants */
        call(s, h->prime, &(gpf__args){ .x = a->x, .f = s->idle });
    return call(s, r, a);
}
