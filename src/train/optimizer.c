/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "op/vector.h"
#include "plan/plan.h"

#include <gradproof/train.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* In the loops are only operations that IEEE rounds correctly and no contraction: every version gives
 * the same bits, and so does every place in the vectors. */
#define UPDATE(name) VERSIONS(void, , name, (const gpf_update *u, size_t n), (u, n))

/* d = g + weight_decay theta; in every row the weight decay stands first. */
GPF__INLINE void sgd_body(const gpf_update *u, size_t n)
{
    double *const theta = u->theta;
    const double *const g = u->gradient, rate = u->rate, lambda = u->setting[0];
    GPF__SIMD for (size_t i = 0; i < n; i++)
    {
        theta[i] -= rate * (g[i] + lambda * theta[i]);
    }
}
UPDATE(sgd)

GPF__INLINE void momentum_body(const gpf_update *u, size_t n)
{
    double *const theta = u->theta, *const v = u->state[0];
    const double *const g = u->gradient, rate = u->rate, lambda = u->setting[0], mu = u->setting[1];
    GPF__SIMD for (size_t i = 0; i < n; i++)
    {
        const double d = g[i] + lambda * theta[i], next = mu * v[i] + d;
        v[i] = next;
        theta[i] -= rate * next;
    }
}
UPDATE(momentum)

GPF__INLINE void nesterov_body(const gpf_update *u, size_t n)
{
    double *const theta = u->theta, *const v = u->state[0];
    const double *const g = u->gradient, rate = u->rate, lambda = u->setting[0], mu = u->setting[1];
    GPF__SIMD for (size_t i = 0; i < n; i++)
    {
        const double d = g[i] + lambda * theta[i], next = mu * v[i] + d;
        v[i] = next;
        theta[i] -= rate * (d + mu * next);
    }
}
UPDATE(nesterov)

GPF__INLINE void adagrad_body(const gpf_update *u, size_t n)
{
    double *const theta = u->theta, *const s = u->state[0];
    const double *const g = u->gradient, rate = u->rate, lambda = u->setting[0],
                        epsilon = u->setting[1];
    GPF__SIMD for (size_t i = 0; i < n; i++)
    {
        const double d = g[i] + lambda * theta[i], next = s[i] + d * d;
        s[i] = next;
        theta[i] -= rate * d / (sqrt(next) + epsilon);
    }
}
UPDATE(adagrad)

GPF__INLINE void rmsprop_body(const gpf_update *u, size_t n)
{
    double *const theta = u->theta, *const s = u->state[0];
    const double *const g = u->gradient, rate = u->rate, lambda = u->setting[0],
                        decay = u->setting[1], rest = 1 - decay, epsilon = u->setting[2];
    GPF__SIMD for (size_t i = 0; i < n; i++)
    {
        const double d = g[i] + lambda * theta[i], next = decay * s[i] + rest * (d * d);
        s[i] = next;
        theta[i] -= rate * d / (sqrt(next) + epsilon);
    }
}
UPDATE(rmsprop)

/* m = beta1 m + (1 - beta1) d, v = beta2 v + (1 - beta2) d^2, and
 *     theta = keep theta - e m/(1 - beta1^t) / (sqrt(v/(1 - beta2^t)) + epsilon)
 * with the corrections taken out of the loop. d = g + weight_decay theta, or g if decoupled: then
 * the decay is in `keep`. */
GPF__INLINE void adam_like(const gpf_update *u, size_t n, bool decoupled)
{
    double *const theta = u->theta, *const m = u->state[0], *const v = u->state[1];
    const double *const g = u->gradient, lambda = u->setting[0], beta1 = u->setting[1],
                        rest1 = 1 - beta1, beta2 = u->setting[2], rest2 = 1 - beta2,
                        epsilon = u->setting[3], t = (double)u->step,
                        step = u->rate / (1 - pow(beta1, t)), root = sqrt(1 / (1 - pow(beta2, t))),
                        keep = decoupled ? 1 - u->rate * lambda : 1;
    GPF__SIMD for (size_t i = 0; i < n; i++)
    {
        const double d = decoupled ? g[i] : g[i] + lambda * theta[i],
                     first = beta1 * m[i] + rest1 * d, second = beta2 * v[i] + rest2 * (d * d);
        m[i] = first;
        v[i] = second;
        theta[i] = keep * theta[i] - step * first / (sqrt(second) * root + epsilon);
    }
}

GPF__INLINE void adam_body(const gpf_update *u, size_t n)
{
    adam_like(u, n, false);
}
UPDATE(adam)

GPF__INLINE void adamw_body(const gpf_update *u, size_t n)
{
    adam_like(u, n, true);
}
UPDATE(adamw)

#define WEIGHT_DECAY(value)                \
    {                                      \
        "weight_decay", value, 0, INFINITY \
    }
#define EPSILON(value)                \
    {                                 \
        "epsilon", value, 0, INFINITY \
    }

static const gpf_optimizer_kind kinds[] = {
    { "sgd", "theta -= e d", { WEIGHT_DECAY(0) }, 0, sgd },
    { "momentum",
      "v = momentum v + d; theta -= e v",
      { WEIGHT_DECAY(0), { "momentum", 0.9, 0, 1 } },
      1,
      momentum },
    { "nesterov",
      "v = momentum v + d; theta -= e (d + momentum v)",
      { WEIGHT_DECAY(0), { "momentum", 0.9, 0, 1 } },
      1,
      nesterov },
    { "adagrad",
      "s = s + d^2; theta -= e d/(sqrt(s) + epsilon)",
      { WEIGHT_DECAY(0), EPSILON(1e-10) },
      1,
      adagrad },
    { "rmsprop",
      "s = decay s + (1 - decay) d^2; theta -= e d/(sqrt(s) + epsilon)",
      { WEIGHT_DECAY(0), { "decay", 0.9, 0, 1 }, EPSILON(1e-8) },
      1,
      rmsprop },
    { "adam",
      "m = beta1 m + (1 - beta1) d; v = beta2 v + (1 - beta2) d^2; "
      "theta -= e m/(1 - beta1^t)/(sqrt(v/(1 - beta2^t)) + epsilon)",
      { WEIGHT_DECAY(0), { "beta1", 0.9, 0, 1 }, { "beta2", 0.999, 0, 1 }, EPSILON(1e-8) },
      2,
      adam },
    { "adamw",
      "theta -= e weight_decay theta; then adam with d = g",
      { WEIGHT_DECAY(0.01), { "beta1", 0.9, 0, 1 }, { "beta2", 0.999, 0, 1 }, EPSILON(1e-8) },
      2,
      adamw },
};

const gpf_optimizer_kind *gpf_optimizer_at(size_t i)
{
    return i < sizeof kinds / sizeof *kinds ? &kinds[i] : NULL;
}

const gpf_optimizer_kind *gpf_optimizer_find(const char *name)
{
    const gpf_optimizer_kind *k = kinds;
    for (size_t i = 0; (k = gpf_optimizer_at(i)) && strcmp(k->name, name); i++)
        ;
    return k;
}

struct gpf_optimizer {
    const gpf_optimizer_kind *kind;
    size_t n;
    double setting[GPF_MAX_SETTINGS];
    double *state[GPF_MAX_STATE];
    unsigned long steps;
    int threads;
};

gpf_optimizer *gpf_optimizer_alloc(const gpf_optimizer_kind *kind, size_t n)
{
    if (!kind || kind->n_state < 0 || kind->n_state > GPF_MAX_STATE)
        GSL_ERROR_NULL("no such optimizer", GSL_EINVAL);
    /* One block: the object, then the state vectors, each at the beginning of a cache line. */
    const size_t head = (sizeof(gpf_optimizer) + 63) & ~(size_t)63, line = (n + 7) & ~(size_t)7;
    gpf_optimizer *o = NULL;
    if (n <= (SIZE_MAX / 2 - head) / sizeof(double) / GPF_MAX_STATE - 8)
        o = gpf__aligned_alloc(head + line * sizeof(double) * (size_t)kind->n_state);
    if (!o)
        GSL_ERROR_NULL("no memory for an optimizer", GSL_ENOMEM);
    o->kind = kind;
    o->n = n;
    o->threads = 1;
    for (int i = 0; i < kind->n_state; i++)
        o->state[i] = (double *)(void *)((char *)o + head) + (size_t)i * line;
    for (int i = 0; i < GPF_MAX_SETTINGS && kind->setting[i].name; i++)
        o->setting[i] = kind->setting[i].value;
    return o;
}

void gpf_optimizer_free(gpf_optimizer *o)
{
    free(o);
}

static int setting(const gpf_optimizer *o, const char *name)
{
    for (int i = 0; i < GPF_MAX_SETTINGS && o->kind->setting[i].name; i++)
        if (!strcmp(o->kind->setting[i].name, name))
            return i;
    return -1;
}

int gpf_optimizer_set(gpf_optimizer *o, const char *name, double value)
{
    const int i = setting(o, name);
    if (i < 0)
        return GPF_ENAME;
    if (!(value >= o->kind->setting[i].lo && value < o->kind->setting[i].hi))
        return GSL_EDOM;
    o->setting[i] = value;
    return GSL_SUCCESS;
}

double gpf_optimizer_get(const gpf_optimizer *o, const char *name)
{
    const int i = setting(o, name);
    return i < 0 ? NAN : o->setting[i];
}

int gpf_optimizer_step(gpf_optimizer *o, gsl_vector *theta, const double *gradient,
                       double learning_rate)
{
    /* Parts this long stay in the L2 of the core that has them. */
    enum { PART = 1 << 14 };
    if ((theta ? theta->size : 0) != o->n)
        GSL_ERROR("theta has another number of elements than the optimizer", GSL_EBADLEN);
    if (theta && theta->stride != 1)
        GSL_ERROR("theta must have stride 1", GSL_EINVAL);
    o->steps++;
    if (o->n == 0)
        return GSL_SUCCESS;
    const gpf_update whole = { theta->data, gradient,      { o->state[0], o->state[1] },
                               o->setting,  learning_rate, o->steps };
#ifdef _OPENMP
    if (o->threads > 1 && o->n >= GPF_THREADED_UPDATE) {
        const ptrdiff_t n = (ptrdiff_t)o->n;
#pragma omp parallel for schedule(static) num_threads(o->threads)
        for (ptrdiff_t at = 0; at < n; at += PART) {
            gpf_update part = whole;
            part.theta += at;
            part.gradient += at;
            for (int i = 0; i < o->kind->n_state; i++)
                part.state[i] += at;
            o->kind->update(&part, (size_t)(n - at < PART ? n - at : PART));
        }
        return GSL_SUCCESS;
    }
#endif
    o->kind->update(&whole, o->n);
    return GSL_SUCCESS;
}

void gpf_optimizer_set_threads(gpf_optimizer *o, int threads)
{
    o->threads = threads > 1 ? threads : 1;
}

const gpf_optimizer_kind *gpf_optimizer_kind_of(const gpf_optimizer *o)
{
    return o->kind;
}

size_t gpf_optimizer_size(const gpf_optimizer *o)
{
    return o->n;
}

double *gpf_optimizer_state(gpf_optimizer *o, int i)
{
    return i >= 0 && i < o->kind->n_state ? o->state[i] : NULL;
}

unsigned long gpf_optimizer_steps(const gpf_optimizer *o)
{
    return o->steps;
}

void gpf_optimizer_set_steps(gpf_optimizer *o, unsigned long steps)
{
    o->steps = steps;
}
