/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How noisy is a value? Rounding errors inside a computation can be far above eps times its result
 * (cancellation), which no formula over the result alone can tell. So the steps are run again with
 * every rounded number off by half to one and a half more units, up or down at random: the spread
 * of the result is its noise (Vignes' stochastic arithmetic). All that is taken GPF__NOISE_UNITS
 * times as large and the spread divided by as much: of two numbers that are off by whole units,
 * every second run would not see that their difference is noise. Where that is not in proportion,
 * or leaves the domain (1/(1 - p) and log(1 - p) of a p that rounds to nearly 1), it is done again
 * with single units. Fixed random numbers: the same answer every time. */
#include "op/vector.h"
#include "plan/plan.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FACTORS = 256 };

struct gpf__noise {
    const gpf_plan *plan;
    gpf__frame frame;
    double *copy;   /* inputs of a step that rounds inside, each off by a unit */
    bool *inside;   /* by step: rounds_inside */
    gpf_tensor *in; /* over these copies */
    const gpf_tensor **x;
    unsigned long long state;
    /* Random factors, read from a random place on: as good as drawn anew, and a loop the compiler
     * vectorises. By as many units as usual, and by single ones. */
    double factor[2][2 * FACTORS];
    int single;
};

/* Steps whose kernel rounds on its way to a result, so that units of the result do not tell: those
 * that add up, and a row of the caller's, which may do anything inside (sin(a) b + b). Their inputs
 * are off by units too. A map of the library is one rounding. */
static bool rounds_inside(const gpf__step *s)
{
    return s->op && (!s->op->map || gpf_op_find(s->op->name, s->op->arity) != s->op);
}

static size_t copy_size(const gpf_plan *p)
{
    size_t most = 0;
    for (int i = 0; i < p->n_step; i++) {
        size_t n = 0;
        for (int k = 0; rounds_inside(&p->step[i]) && k < p->step[i].n_in; k++)
            n += gpf__tensor_size(&p->value[p->in[p->step[i].first_in + k]].t);
        most = n > most ? n : most;
    }
    return most;
}

static unsigned long long draw(gpf__noise *n)
{
    n->state ^= n->state << 13;
    n->state ^= n->state >> 7;
    return n->state ^= n->state << 17;
}

/* +- (1/2 .. 3/2) */
static double units(gpf__noise *n)
{
    const unsigned long long bits = draw(n);
    const double size = 0.5 + (double)(bits >> 41) * 0x1p-23;
    return GPF__NOISE_UNITS * (bits >> 40 & 1 ? size : -size);
}

gpf__noise *gpf__noise_alloc(const gpf_plan *p)
{
    const size_t head = (sizeof(gpf__noise) + 63) & ~(size_t)63, frame = gpf__frame_size(p),
                 copy = copy_size(p) * sizeof(double), in = (size_t)p->max_in * sizeof(gpf_tensor);
    gpf__noise *n =
        gpf__aligned_alloc(head + frame + copy + in + (size_t)p->max_in * sizeof(gpf_tensor *) +
                           (size_t)p->n_step * sizeof(bool));
    if (!n)
        return NULL;
    char *memory = (char *)n + head;
    n->plan = p;
    gpf__frame_init(&n->frame, p, memory);
    n->copy = (double *)(void *)(memory += frame);
    n->in = (gpf_tensor *)(void *)(memory += copy);
    n->x = (const gpf_tensor **)(void *)(memory + in);
    n->inside = (bool *)(n->x + p->max_in);
    for (int i = 0; i < p->n_step; i++)
        n->inside[i] = rounds_inside(&p->step[i]);
    gpf__noise_restart(n);
    for (size_t i = 0; i < FACTORS; i++) {
        const double off = units(n) * 0x1p-52;
        n->factor[0][i] = n->factor[0][FACTORS + i] = 1 + off;
        n->factor[1][i] = n->factor[1][FACTORS + i] = 1 + off / GPF__NOISE_UNITS;
    }
    return n;
}

void gpf__noise_restart(gpf__noise *n)
{
    n->state = 0x2545f4914f6cdd1du;
    n->single = 0;
}

void gpf__noise_single(gpf__noise *n)
{
    n->single = 1;
}

/* Infinite where a number of units may be off leaves the domain: then nothing is known. */
double gpf__noise_of(const gpf__noise *n, double shaken, double exact)
{
    const double off = fabs(shaken - exact);
    if (!isfinite(exact))
        return 0;
    return !isfinite(off) ? INFINITY : n->single ? off : off / GPF__NOISE_UNITS;
}

/* Nothing but a few roundings, none of them magnified. */
bool gpf__noise_is_plain(double noise, double exact)
{
    return noise <= 64 * DBL_EPSILON * fabs(exact) || !isfinite(exact);
}

void gpf__noise_free(gpf__noise *n)
{
    free(n);
}

GPF__INLINE void scale_body(size_t n, double *x, const double *factor)
{
    GPF__SIMD for (size_t i = 0; i < n; i++)
    {
        x[i] *= factor[i];
    }
}
VERSIONS(void, , scale, (size_t n, double *x, const double *factor), (n, x, factor))

static void shake(gpf__noise *n, double *x, size_t size)
{
    for (size_t i = 0; i < size; i += FACTORS)
        scale(size - i < FACTORS ? size - i : FACTORS, x + i,
              n->factor[n->single] + (draw(n) >> 40) % FACTORS);
}

/* Does the tensor fill its memory, its axes in some order? */
static bool has_no_gaps(const gpf_tensor *t)
{
    ptrdiff_t step = 1;
    for (int found = 0, a = 0; found < t->rank; found++) {
        for (a = 0; a < t->rank && !(t->stride[a] == step && t->dim[a] > 1); a++)
            ;
        if (a == t->rank)
            break;
        step *= (ptrdiff_t)t->dim[a];
    }
    return (size_t)step == gpf__tensor_size(t);
}

/* x in `to`, every element off by a unit: as it lies, if the op takes it so, or in row-major
 * order. */
static gpf_tensor shaken(gpf__noise *n, const gpf_tensor *x, const gpf_op *op, double *to)
{
    gpf_tensor copy = *x;
    copy.data = to;
    const size_t size = gpf__tensor_size(x);
    if (op->flags & GPF_OP_STRIDED && has_no_gaps(x)) {
        memcpy(to, x->data, size * sizeof *to);
    } else {
        gpf__tensor_dense(&copy);
        gpf__tensor_copy(&copy, x);
    }
    shake(n, to, size);
    return copy;
}

/* The inputs of a map one after another, in the order of y's memory, every element off by a
 * unit. */
static void run_shaken_map(gpf__noise *n, const gpf__step *s, const gpf_tensor *t)
{
    const gpf_tensor *y = &t[s->value];
    const size_t size = gpf__tensor_size(y);
    const double *x[3] = { NULL, NULL, NULL };
    for (int i = 0; i < s->n_in; i++) {
        const gpf_tensor *in = &t[n->plan->in[s->first_in + i]];
        const gpf__walk w = gpf__walk_make(in, y);
        double *to = n->copy + (size_t)i * size;
        gpf__walk_read(to, in->data, &w, 0, size);
        shake(n, to, size);
        x[i] = to;
    }
    s->op->map(size, y->data, x, &s->attr);
}

void gpf__noise_step(gpf__noise *n, const gpf__step *s, const gpf_tensor *t)
{
    const gpf_plan *p = n->plan;
    /* A step function keeps its value: a tie that tips over is a kink, not noise. */
    if (s->op && s->op->flags & GPF_OP_STEP)
        return;
    const gpf_tensor *y = &t[s->value];
    const bool inside = n->inside[s - p->step];
    if (inside && s->op->map) {
        run_shaken_map(n, s, t);
    } else if (inside) {
        double *copy = n->copy;
        for (int i = 0; i < s->n_in; i++) {
            const gpf_tensor *x = &t[p->in[s->first_in + i]];
            n->in[i] = shaken(n, x, s->op, copy);
            copy += gpf__tensor_size(x);
            n->x[i] = &n->in[i];
        }
        const gpf_call call = { y, n->x, s->n_in, &s->attr, p->N, n->frame.scratch };
        s->op->eval(&call);
    } else {
        gpf__step_run(p, s, t, &n->frame);
    }
    if (s->op)
        shake(n, y->data, gpf__tensor_size(y));
}

/* Largest of some runs; whether single units need a look too. */
static bool run_shaken(gpf__noise *n, gpf_workspace *ws, const double *exact, size_t total,
                       double *noise)
{
    const gpf_plan *p = n->plan;
    /* What a workspace computes once and for all must stay. */
    const int first = p->n_once < p->n_group ? p->group[p->n_once].first : p->n_step;
    bool plain = true;
    for (int run = 0; run < GPF__NOISE_RUNS; run++) {
        for (int s = first; s < p->n_step; s++)
            gpf__noise_step(n, &p->step[s], ws->t);
        gpf__plan_collect(p, ws);
        for (size_t i = 0; i < total; i++)
            noise[i] = fmax(noise[i], gpf__noise_of(n, ws->block[i], exact[i]));
    }
    for (size_t i = 0; plain && i < total; i++)
        plain = gpf__noise_is_plain(noise[i], exact[i]);
    return plain;
}

int gpf__plan_noise(const gpf_plan *p, gpf_workspace *ws, double *noise)
{
    gpf__noise *n = gpf__noise_alloc(p);
    size_t total = 0;
    for (size_t i = 0; i < p->n_output; i++)
        total += p->output[i].size;
    double *exact = malloc((total + 1) * sizeof *exact);
    if (!n || !exact) {
        gpf__noise_free(n);
        free(exact);
        return GSL_ENOMEM;
    }
    memcpy(exact, ws->block, total * sizeof *exact);
    memset(noise, 0, total * sizeof *noise);
    if (!run_shaken(n, ws, exact, total, noise)) {
        for (size_t i = 0; i < total; i++)
            noise[i] = isfinite(noise[i]) ? noise[i] : 0;
        gpf__noise_single(n);
        run_shaken(n, ws, exact, total, noise);
    }
    memcpy(ws->block, exact, total * sizeof *exact);
    gpf__noise_free(n);
    free(exact);
    return GSL_SUCCESS;
}
