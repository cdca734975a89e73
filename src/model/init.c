/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Initial values of params: from the call in the text to the row of train.h that it names. */
#include "model/model.h"
#include "train/train.h"

#include <string.h>

int gpf__stream(gpf_model *m, const char *name, gsl_rng **rng)
{
    m->seed_used = true;
    *rng = gpf__stream_alloc(name, m->seed);
    return *rng ? GSL_SUCCESS : gpf__report_nomem(&m->source);
}

int gpf__initialise(gpf_model *m, const gpf__ast *call, const char *name, gpf_shape shape,
                    double *values)
{
    const gpf_initializer *row = gpf_initializer_find(call->text);
    if (!row) {
        char hint[100];
        gpf__suggestion similar = { .wanted = call->text };
        for (size_t i = 0; (row = gpf_initializer_at(i)); i++)
            gpf__suggest(&similar, row->name);
        return gpf__report(&m->source, call->at, GPF_ENAME,
                           "there is no initialiser '%s'%s; there are zeros, ones, constant, "
                           "normal, uniform, he, glorot, lecun and the last three with _uniform",
                           call->text, gpf__suggestion_text(&similar, hint, sizeof hint));
    }
    if (call->n < (size_t)row->min_args || call->n > (size_t)row->max_args)
        return gpf__report(&m->source, call->at, GPF_ESYNTAX, "%s takes %d to %d numbers, not %zu",
                           row->name, row->min_args, row->max_args, call->n);
    double arg[GPF_MAX_INIT_ARGS];
    memcpy(arg, row->arg, sizeof arg);
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
    gpf__initialize(row, rng, shape, arg, values);
    gsl_rng_free(rng);
    return GSL_SUCCESS;
}
