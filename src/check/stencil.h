/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verdict on one element. */
#ifndef GPF_CHECK_STENCIL_H
#define GPF_CHECK_STENCIL_H

#include <gradproof/check.h>

/* How many of its own error estimates the numeric value may be off before the gap counts: GSL's
 * estimate covered every one of 16 800 entries of smooth nets, so 3 is a factor of safety. */
#define GPF__SAFETY 3.0
/* An agreement is evidence when the error is below this fraction of the value: then, with the
 * factor above, a value that is off by a thousandth cannot pass. */
#define GPF__RESOLVED 1e-4

/* What the decision knows beside the element. */
typedef struct gpf__around {
    double base;     /* y at the base point */
    double noise;    /* rounding noise of y when the element's tensor changes */
    double typical;  /* magnitude of the tensor's elements, for the step */
    double rounding; /* noise of the analytic value */
    int depends;     /* y depends on the tensor at all */
} gpf__around;

/* Fills in *e, whose tensor, k, value and analytic are set. */
void gpf__decide(gpf_overlay *o, const gpf__around *around, gpf_element *e);

/* 1 if the gap between both values is within what both may be off by; rounding is the analytic
 * one's. */
int gpf__agree(double analytic, double numeric, double error, double rounding);

#endif
