/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check/op_check.h"

void gpf__op_try_rules(gpf__op_rig *r)
{
    (void)r;
}
