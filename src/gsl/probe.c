/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gsl/gsl.h"
int gpf__probe(gpf__subject *s)
{
    gpf__call(s, GPF__F, &(gpf__args){ .x = s->x, .f = s->f });
    if (s->kind->has(s->structure, GPF__DF) && !s->kind->time)
        gpf__call(s, GPF__DF, &(gpf__args){ .x = s->x, .d = s->d });
    return 0;
}
int gpf__describe(gpf__subject *s)
{
    (void)s;
    return 0;
}
int gpf__check_fdf_route(gpf__subject *s)
{
    (void)s;
    return 0;
}
