/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/loop.h"

#include <gsl/gsl_math.h>
#include <string.h>

static double constant(double p, double epochs, double every, double factor, double final)
{
    (void)p, (void)epochs, (void)every, (void)factor, (void) final;
    return 1;
}

/* factor^k by squaring: products only, so that it is the same on every machine. */
static double step(double p, double epochs, double every, double factor, double final)
{
    (void)p, (void) final;
    double power = 1;
    const double times = floor(epochs / every);
    for (uint64_t k = times < 0x1p63 ? (uint64_t)times : (uint64_t)1 << 63; k; k >>= 1) {
        if (k & 1)
            power *= factor;
        factor *= factor;
    }
    return power;
}

static double cosine(double p, double epochs, double every, double factor, double final)
{
    (void)epochs, (void)every, (void)factor;
    return final + (1 - final) * (1 + cos(M_PI * p)) / 2;
}

static const gpf_schedule schedules[] = {
    { "constant", "shape = 1", constant },
    { "step", "shape = factor^floor(epochs/every)", step },
    { "cosine", "shape = final + (1 - final) (1 + cos(pi p))/2", cosine },
};

const gpf_schedule *gpf_schedule_at(size_t i)
{
    return i < sizeof schedules / sizeof *schedules ? &schedules[i] : NULL;
}

const gpf_schedule *gpf_schedule_find(const char *name)
{
    const gpf_schedule *s;
    for (size_t i = 0; (s = gpf_schedule_at(i)) && strcmp(s->name, name); i++)
        ;
    return s;
}

double gpf__schedule_rate(const gpf_train_options *how, size_t steps, size_t s)
{
    const double per_epoch = (double)steps, now = (double)s, all = (double)how->epochs * per_epoch,
                 warm = how->warmup * per_epoch;
    double p = all > warm ? (now - warm) / (all - warm) : 1;
    p = p < 0 ? 0 : p > 1 ? 1 : p;
    const double rising = now + 1 < warm ? (now + 1) / warm : 1;
    return how->rate * rising *
           gpf_schedule_find(how->schedule)
               ->shape(p, now / per_epoch, how->every, how->factor, how->final);
}
