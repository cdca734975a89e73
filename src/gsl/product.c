/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gsl/gsl.h"
int gpf__check_products(gpf__subject *s)
{
    (void)s;
    return 0;
}
