/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A framework of one's own: failures are counted; what nothing is tested of may pass. */
#include <stdio.h>

static int failures;
#define GPF_REQUIRE_FAIL(text) (printf("<<%s>>\n", text), failures++)
#define GPF_REQUIRE_TESTED 0

#include <gradproof/require.h>

#include "callbacks.h"

int main(void)
{
    GPF_REQUIRE_GRADIENT(multimin, &right_fdf, &point);
    GPF_REQUIRE_GRADIENT(multimin, &wrong_fdf, &point);
    GPF_REQUIRE_GRADIENT(multimin, &flat_fdf, &point);
    GPF_REQUIRE_ODEIV2(&right_ode, 0.4, state_y);
    GPF_REQUIRE_ODEIV2(&wrong_ode, 0.4, state_y);
    printf("%d failures\n", failures);
    return 0;
}
