/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verdict on one element. */
#ifndef GPF_CHECK_STENCIL_H
#define GPF_CHECK_STENCIL_H

#include <gradproof/check.h>
#include <stdbool.h>

/* How many of its own error estimates the numeric value may be off before the gap counts: GSL's
 * estimate covered every one of 16 800 entries of smooth nets, so 3 is a factor of safety. */
#define GPF__SAFETY 3.0
/* An agreement is evidence when the error is below this fraction of the value: then, with the
 * factor above, a value that is off by a thousandth cannot pass. */
#define GPF__RESOLVED 1e-4

/* y as a function of one number t, the change of an element: the graph's overlay, or anything
 * else. */
typedef struct gpf__line {
    void *arg;
    /* y at t[0], .., t[m-1] into y; NaN where it is not defined. b: m branch records, or NULL. */
    void (*values)(void *arg, const double *t, size_t m, double *y, gpf_branch *b);
    /* As gpf_overlay_side; NULL: nothing is known of sides, all records are zero, and kinks are
     * inferred. */
    int (*side)(void *arg, gpf_node node, size_t element, int *side);
    /* Every step is a power of two times the first: elements that share their points (the rows of
     * a Jacobian's column) ask for the same ones. Else GSL's second stage takes the step it likes. */
    bool grid;
    double step; /* the first one; 0: from the element and around->typical */
} gpf__line;

/* What the decision knows beside the element. */
typedef struct gpf__around {
    double base;     /* y at the base point */
    double noise;    /* rounding noise of y when the element's tensor changes */
    double typical;  /* magnitude of the tensor's elements, for the step */
    double rounding; /* noise of the analytic value */
    int depends;     /* y depends on the tensor at all */
} gpf__around;

/* Fills in *e, whose tensor, k, value and analytic are set. */
void gpf__decide(const gpf__line *line, const gpf__around *around, gpf_element *e);

/* Before anybody is accused on the word of the smallest steps of a black box alone: is the analytic
 * value the slope of y at a larger step, and far more exactly than it is off? Or, if the gap is
 * small beside y, at two? Then y is a table, or has jumps where an iteration stops elsewhere, and
 * its slopes near by are those of its errors. A wrong value is wrong at all steps. */
int gpf__is_due_to_step(const gpf__line *line, const gpf__around *around, gpf_element *e);

/* gpf__decide for element e->k of target e->tensor of an overlay. */
void gpf__decide_on(gpf_overlay *o, const gpf__around *around, gpf_element *e);

/* The step to begin with where a variable matters on that scale. */
double gpf__first_step(double scale);

/* 1 if the gap between both values is within what both may be off by; rounding is the analytic
 * one's. */
int gpf__agree(double analytic, double numeric, double error, double rounding);

#endif
