/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Initial values of params. Weights are inputs x units: fan_in = rows, fan_out = columns. */
#include "model/model.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

typedef struct fan {
    double in, out;
} fan;

static double draw_constant(gsl_rng *rng, fan f, const double *arg)
{
    (void)rng;
    (void)f;
    return arg[0];
}

static double draw_normal(gsl_rng *rng, fan f, const double *arg)
{
    (void)f;
    return arg[0] + gsl_ran_gaussian_ziggurat(rng, arg[1]);
}

static double draw_uniform(gsl_rng *rng, fan f, const double *arg)
{
    (void)f;
    return arg[0] + (arg[1] - arg[0]) * gsl_rng_uniform_pos(rng);
}

static double centred(gsl_rng *rng, double limit)
{
    return limit * (2 * gsl_rng_uniform_pos(rng) - 1);
}

/* Standard deviation sqrt(2 / in): He et al. 2015 */
static double draw_he(gsl_rng *rng, fan f, const double *arg)
{
    (void)arg;
    return gsl_ran_gaussian_ziggurat(rng, sqrt(2 / f.in));
}

static double draw_he_uniform(gsl_rng *rng, fan f, const double *arg)
{
    (void)arg;
    return centred(rng, sqrt(6 / f.in));
}

/* sqrt(2 / (in + out)): Glorot and Bengio 2010 */
static double draw_glorot(gsl_rng *rng, fan f, const double *arg)
{
    (void)arg;
    return gsl_ran_gaussian_ziggurat(rng, sqrt(2 / (f.in + f.out)));
}

static double draw_glorot_uniform(gsl_rng *rng, fan f, const double *arg)
{
    (void)arg;
    return centred(rng, sqrt(6 / (f.in + f.out)));
}

/* sqrt(1 / in): LeCun et al. 1998 */
static double draw_lecun(gsl_rng *rng, fan f, const double *arg)
{
    (void)arg;
    return gsl_ran_gaussian_ziggurat(rng, sqrt(1 / f.in));
}

static double draw_lecun_uniform(gsl_rng *rng, fan f, const double *arg)
{
    (void)arg;
    return centred(rng, sqrt(3 / f.in));
}

static const char *normal_wrong(const double *arg)
{
    return arg[1] < 0 ? "the standard deviation is not negative" : NULL;
}

static const char *uniform_wrong(const double *arg)
{
    return arg[0] > arg[1] ? "the first number is the lower bound, the second the upper" : NULL;
}

enum { MAX_ARGS = 2 };

static const struct initialiser {
    const char *name;
    size_t min_args, max_args;
    double arg[MAX_ARGS]; /* those that are not given */
    double (*draw)(gsl_rng *rng, fan f, const double *arg);
    const char *suits;                       /* activations it is the default for */
    const char *(*wrong)(const double *arg); /* what is, or NULL; NULL: nothing can be */
} initialisers[] = {
    { "zeros", 0, 0, { 0 }, draw_constant, "", NULL },
    { "ones", 0, 0, { 1 }, draw_constant, "", NULL },
    { "constant", 1, 1, { 0 }, draw_constant, "", NULL },
    { "normal", 0, 2, { 0, 1 }, draw_normal, "", normal_wrong },
    { "uniform", 0, 2, { 0, 1 }, draw_uniform, "", uniform_wrong },
    { "he", 0, 0, { 0 }, draw_he, " relu leaky_relu prelu elu swish gelu mish softplus ", NULL },
    { "he_uniform", 0, 0, { 0 }, draw_he_uniform, "", NULL },
    { "glorot", 0, 0, { 0 }, draw_glorot, "", NULL },
    { "glorot_uniform", 0, 0, { 0 }, draw_glorot_uniform, "", NULL },
    { "lecun", 0, 0, { 0 }, draw_lecun, " selu ", NULL },
    { "lecun_uniform", 0, 0, { 0 }, draw_lecun_uniform, "", NULL },
};
enum { N_INITIALISERS = sizeof initialisers / sizeof *initialisers };

const char *gpf__default_initialiser(const char *activation)
{
    char word[GPF__MAX_NAME + 3];
    gpf__format(word, sizeof word, " %s ", activation ? activation : "");
    for (size_t i = 0; activation && i < N_INITIALISERS; i++)
        if (strstr(initialisers[i].suits, word))
            return initialisers[i].name;
    return "glorot";
}

int gpf__stream(gpf_model *m, const char *name, gsl_rng **rng)
{
    m->seed_used = true;
    *rng = gsl_rng_alloc(gsl_rng_mt19937);
    if (!*rng)
        return gpf__report_nomem(&m->source);
    /* splitmix64's finaliser mixes seed and name */
    uint64_t h = gpf__hash(GPF__HASH, name, strlen(name));
    h ^= (uint64_t)m->seed * 0x9e3779b97f4a7c15u;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    gsl_rng_set(*rng, (unsigned long)((h ^ (h >> 31)) & 0xffffffffu));
    return GSL_SUCCESS;
}

int gpf__initialise(gpf_model *m, const gpf__ast *call, const char *name, gpf_shape shape,
                    double *values)
{
    const struct initialiser *row = NULL;
    gpf__suggestion similar = { .wanted = call->text };
    for (size_t i = 0; i < N_INITIALISERS; i++) {
        gpf__suggest(&similar, initialisers[i].name);
        if (!strcmp(initialisers[i].name, call->text))
            row = &initialisers[i];
    }
    if (!row) {
        char hint[100];
        return gpf__report(&m->source, call->at, GPF_ENAME,
                           "there is no initialiser '%s'%s; there are zeros, ones, constant, "
                           "normal, uniform, he, glorot, lecun and the last three with _uniform",
                           call->text, gpf__suggestion_text(&similar, hint, sizeof hint));
    }
    if (call->n < row->min_args || call->n > row->max_args)
        return gpf__report(&m->source, call->at, GPF_ESYNTAX,
                           "%s takes %zu to %zu numbers, not %zu", row->name, row->min_args,
                           row->max_args, call->n);
    double arg[MAX_ARGS] = { row->arg[0], row->arg[1] };
    size_t k = 0;
    for (const gpf__ast *a = call->first; a; a = a->next, k++) {
        if (a->key)
            return gpf__report(&m->source, a->at, GPF_ESYNTAX,
                               "%s takes its numbers in order, without names", row->name);
        const int status = gpf__number(m, a, row->name, &arg[k]);
        if (status)
            return status;
    }
    const char *wrong = row->wrong ? row->wrong(arg) : NULL;
    if (wrong)
        return gpf__report(&m->source, call->at, GPF_EDATA, "%s(%.10g, %.10g): %s", row->name,
                           arg[0], arg[1], wrong);
    gsl_rng *rng;
    const int status = gpf__stream(m, name, &rng);
    if (status)
        return status;
    const size_t n = gpf_shape_size(shape, 0);
    const size_t cols = shape.rank ? (size_t)shape.dim[shape.rank - 1] : 1;
    const fan f = { (double)(n / cols), (double)cols };
    for (size_t i = 0; i < n; i++)
        values[i] = row->draw(rng, f, arg);
    gsl_rng_free(rng);
    return GSL_SUCCESS;
}
