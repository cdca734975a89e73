/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <gradproof/require.h>

#include "callbacks.h"

int main(void)
{
    gpf_tap tap = { stdout, 0, 0 };
    GPF_TAP_GRADIENT(&tap, multimin, &right_fdf, &point);
    GPF_TAP_GRADIENT(&tap, multimin, &wrong_fdf, &point);
    GPF_TAP_ODEIV2(&tap, &right_ode, 0.4, state_y);
    GPF_TAP_ODEIV2(&tap, &wrong_ode, 0.4, state_y);
    GPF_TAP_OP(&tap, gpf_op_find("tanh", 1));
    GPF_TAP_GRADIENT(&tap, multimin, &flat_fdf, &point);
#undef GPF_REQUIRE_TESTED
#define GPF_REQUIRE_TESTED 0
    GPF_TAP_GRADIENT(&tap, multimin, &flat_fdf, &point);
    GPF_TAP_OP(&tap, gpf_op_find("no #such\\op", 1));
    return gpf_tap_end(&tap);
}
