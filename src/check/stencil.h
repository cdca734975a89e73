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

/* What the decision knows about the element's tensor. */
typedef struct gpf__scale_of {
    double value;    /* typical magnitude of the elements, for the step */
    double gradient; /* largest finite |analytic| */
} gpf__scale_of;

/* Fills in *e, whose tensor, k, value and analytic are set. base: y at the base point. */
void gpf__decide(gpf_overlay *o, double base, int depends, gpf__scale_of scale, gpf_element *e);

/* 1 if the gap between both values is within what both may be off by. */
int gpf__agree(double analytic, double numeric, double error, double gradient_scale);

#endif
