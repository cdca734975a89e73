/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Until the other files are there. */
#include "gsl/gsl.h"
#define WEAK __attribute__((weak))
WEAK int gpf__noise(gpf__subject *s, const double *v, double *noise)
{
    (void)v;
    for (size_t i = 0; i < s->m; i++)
        noise[i] = 0;
    return 0;
}
WEAK double gpf__typical(const gpf__subject *s, size_t j)
{
    return s->x[j] ? s->x[j] < 0 ? -s->x[j] : s->x[j] : 1;
}
WEAK int gpf__check_jacobian(gpf__subject *s)
{
    (void)s;
    return 0;
}
WEAK int gpf__check_random(gpf__subject *s)
{
    (void)s;
    return 0;
}
