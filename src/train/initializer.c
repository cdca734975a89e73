/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/train.h"

#include "base/text.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

static double draw_constant(gsl_rng *rng, double in, double out, const double *arg)
{
    (void)rng, (void)in, (void)out;
    return arg[0];
}

static double draw_normal(gsl_rng *rng, double in, double out, const double *arg)
{
    (void)in, (void)out;
    return arg[0] + gsl_ran_gaussian_ziggurat(rng, arg[1]);
}

static double draw_uniform(gsl_rng *rng, double in, double out, const double *arg)
{
    (void)in, (void)out;
    return arg[0] + (arg[1] - arg[0]) * gsl_rng_uniform_pos(rng);
}

/* The others have mean 0 and a variance of gain over a fan: sigma^2 as a normal number, or evenly
 * between -limit and limit, whose variance is limit^2/3. */
static double centred(gsl_rng *rng, double limit)
{
    return limit * (2 * gsl_rng_uniform_pos(rng) - 1);
}

static double draw_he(gsl_rng *rng, double in, double out, const double *arg)
{
    (void)out, (void)arg;
    return gsl_ran_gaussian_ziggurat(rng, sqrt(2 / in));
}

static double draw_he_uniform(gsl_rng *rng, double in, double out, const double *arg)
{
    (void)out, (void)arg;
    return centred(rng, sqrt(6 / in));
}

static double draw_glorot(gsl_rng *rng, double in, double out, const double *arg)
{
    (void)arg;
    return gsl_ran_gaussian_ziggurat(rng, sqrt(2 / (in + out)));
}

static double draw_glorot_uniform(gsl_rng *rng, double in, double out, const double *arg)
{
    (void)arg;
    return centred(rng, sqrt(6 / (in + out)));
}

static double draw_lecun(gsl_rng *rng, double in, double out, const double *arg)
{
    (void)out, (void)arg;
    return gsl_ran_gaussian_ziggurat(rng, sqrt(1 / in));
}

static double draw_lecun_uniform(gsl_rng *rng, double in, double out, const double *arg)
{
    (void)out, (void)arg;
    return centred(rng, sqrt(3 / in));
}

static const char *normal_wrong(const double *arg)
{
    return arg[1] < 0 ? "the standard deviation is not negative" : NULL;
}

static const char *uniform_wrong(const double *arg)
{
    return arg[0] > arg[1] ? "the first number is the lower bound, the second the upper" : NULL;
}

#define HE "He et al. 2015, arXiv:1502.01852"
#define GLOROT "Glorot, Bengio, AISTATS 2010"
#define LECUN "LeCun et al., Efficient BackProp, 1998"

/* lecun for selu: what its fixed point of mean 0 and variance 1 asks for (Klambauer et al. 2017,
 * arXiv:1706.02515). */
static const gpf_initializer initializers[] = {
    { "zeros", "0", draw_constant, .arg = { 0 } },
    { "ones", "1", draw_constant, .arg = { 1 } },
    { "constant", "c", draw_constant, .min_args = 1, .max_args = 1 },
    { "normal", "normal, mean and standard deviation as given", draw_normal, .max_args = 2,
      .arg = { 0, 1 }, .wrong = normal_wrong },
    { "uniform", "evenly between the bounds given", draw_uniform, .max_args = 2, .arg = { 0, 1 },
      .wrong = uniform_wrong },
    { "he", "normal, variance 2/in (" HE ")", draw_he,
      .suits = " relu leaky_relu prelu elu swish gelu mish softplus " },
    { "he_uniform", "evenly between -+sqrt(6/in) (" HE ")", draw_he_uniform, .suits = NULL },
    { "glorot", "normal, variance 2/(in + out) (" GLOROT ")", draw_glorot,
      .suits = " sigmoid tanh softsign softmax " },
    { "glorot_uniform", "evenly between -+sqrt(6/(in + out)) (" GLOROT ")", draw_glorot_uniform,
      .suits = NULL },
    { "lecun", "normal, variance 1/in (" LECUN ")", draw_lecun, .suits = " selu " },
    { "lecun_uniform", "evenly between -+sqrt(3/in) (" LECUN ")", draw_lecun_uniform,
      .suits = NULL },
};

const gpf_initializer *gpf_initializer_at(size_t i)
{
    return i < sizeof initializers / sizeof *initializers ? &initializers[i] : NULL;
}

const gpf_initializer *gpf_initializer_find(const char *name)
{
    const gpf_initializer *row = initializers;
    for (size_t i = 0; (row = gpf_initializer_at(i)) && strcmp(row->name, name); i++)
        ;
    return row;
}

const char *gpf_initializer_for(const char *activation)
{
    const size_t n = activation ? strlen(activation) : 0;
    const gpf_initializer *row = initializers;
    for (size_t i = 0; n && (row = gpf_initializer_at(i)); i++)
        for (const char *word = row->suits; word && (word = strstr(word, activation)); word += n)
            if (word > row->suits && word[-1] == ' ' && word[n] == ' ')
                return row->name;
    return "glorot";
}

gsl_rng *gpf__stream_alloc(const char *name, unsigned long seed)
{
    gsl_rng *rng = gsl_rng_alloc(gsl_rng_mt19937);
    if (!rng)
        return NULL;
    uint64_t h = gpf__hash(GPF__HASH, name, strlen(name));
    h = gpf__mix(h ^ (uint64_t)seed * 0x9e3779b97f4a7c15u);
    gsl_rng_set(rng, (unsigned long)(h & 0xffffffffu));
    return rng;
}

void gpf__initialize(const gpf_initializer *row, gsl_rng *rng, gpf_shape shape, const double *arg,
                     double *values)
{
    const size_t n = gpf_shape_size(shape, 0);
    const size_t cols = shape.rank ? (size_t)shape.dim[shape.rank - 1] : 1;
    for (size_t i = 0; i < n; i++)
        values[i] = row->draw(rng, (double)(n / cols), (double)cols, arg);
}

int gpf_initialize(const gpf_graph *g, gpf_node param, gsl_vector *theta, const char *initializer,
                   const double *arg, unsigned long seed)
{
    if (!gpf_node_is_param(g, param))
        GSL_ERROR("only params are initialized", GSL_EINVAL);
    if (!theta || theta->size != gpf_graph_n_params(g))
        GSL_ERROR("theta has another number of elements than the graph's params", GSL_EBADLEN);
    if (theta->stride != 1)
        GSL_ERROR("theta must have stride 1", GSL_EINVAL);
    const gpf_initializer *row = gpf_initializer_find(initializer);
    if (!row)
        return GPF_ENAME;
    if (!arg && row->min_args > 0)
        return GSL_EINVAL;
    const double *used = arg && row->max_args > 0 ? arg : row->arg;
    for (int i = 0; i < row->max_args; i++)
        if (!isfinite(used[i]))
            return GSL_EDOM;
    if (row->wrong && row->wrong(used))
        return GSL_EDOM;
    gsl_rng *rng = gpf__stream_alloc(gpf_node_name(g, param), seed);
    if (!rng)
        return GSL_ENOMEM;
    gpf__initialize(row, rng, gpf_node_shape(g, param), used,
                    theta->data + gpf_param_offset(g, param));
    gsl_rng_free(rng);
    return GSL_SUCCESS;
}
