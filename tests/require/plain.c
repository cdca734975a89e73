/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A test without a framework: its argument says which callback. */
#include <gradproof.h>
#include <string.h>

#include "callbacks.h"

int main(int argc, char **argv)
{
    const char *which = argc > 1 ? argv[1] : "right";
    (void)df_flat;
    if (strcmp(which, "right") == 0) {
        GPF_REQUIRE_GRADIENT(multimin, &right_fdf, &point);
        GPF_REQUIRE_ODEIV2(&right_ode, 0.4, state_y);
        GPF_REQUIRE_OP(gpf_op_find("tanh", 1));
    } else if (strcmp(which, "wrong") == 0) {
        GPF_REQUIRE_GRADIENT(multimin, &wrong_fdf, &point);
    } else if (strcmp(which, "ode") == 0) {
        GPF_REQUIRE_ODEIV2(&wrong_ode, 0.4, state_y);
    } else if (strcmp(which, "op") == 0) {
        gpf_op mine = *gpf_op_find("tanh", 1);
        mine.vjp[0] = gpf_op_find("sin", 1)->vjp[0];
        GPF_REQUIRE_OP(&mine);
    } else if (strcmp(which, "flat") == 0) {
        GPF_REQUIRE_GRADIENT(multimin, &flat_fdf, &point);
    } else if (strcmp(which, "trouble") == 0) {
        gpf_fdf_options how = gpf_fdf_defaults();
        gsl_vector narrow = point;
        narrow.size = 2;
        how.lo = &narrow;
        GPF_REQUIRE_GRADIENT_HOW(multimin, &right_fdf, &point, &how);
    } else {
        return 2;
    }
    printf("passed\n");
    return 0;
}
