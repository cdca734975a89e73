/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Weak stand-ins for what other stages do not define yet. Goes when they do. */
#include "gsl/gsl.h"

#include <string.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#define WEAK __attribute__((weak))

WEAK size_t gpf_check_n_explanations(const gpf_check *c)
{
    (void)c;
    return 0;
}
WEAK const gpf_explanation *gpf_check_explanation(const gpf_check *c, size_t i)
{
    (void)c;
    (void)i;
    return NULL;
}
