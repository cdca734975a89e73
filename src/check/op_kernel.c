/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check/op_check.h"

bool gpf__op_run(gpf__op_rig *r, const gpf__op_trial *t, const double *const *x,
                 const gpf__op_how *how, double *y)
{
    (void)r, (void)t, (void)x, (void)how, (void)y;
    return false;
}
void gpf__op_try_kernel(gpf__op_rig *r)
{
    (void)r;
}
