/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stand-ins until health.c is there; weak, so that it takes their place. To be deleted then. */
#include "base/text.h"

#include <gradproof/train.h>
#include <math.h>

__attribute__((weak)) gpf_health *gpf_health_alloc(gpf_graph *g, gpf_node loss, size_t N,
                                                   const gpf_task *task, double rate, gpf_diag *why)
{
    (void)g, (void)loss, (void)N, (void)task, (void)rate;
    gpf__diag(why, GPF_ELIMIT, "health is not there yet");
    return NULL;
}

__attribute__((weak)) void gpf_health_free(gpf_health *h)
{
    (void)h;
}

__attribute__((weak)) int gpf_health_run(gpf_health *h, const gpf_point *at)
{
    (void)h, (void)at;
    return GPF_ELIMIT;
}

__attribute__((weak)) double gpf_health_dead(const gpf_health *h)
{
    (void)h;
    return NAN;
}
