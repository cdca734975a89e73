/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of gpf_check_op share: the row under test, shapes it takes, cases. */
#ifndef GPF_CHECK_OP_CHECK_H
#define GPF_CHECK_OP_CHECK_H

#include "base/text.h"
#include "op/rows.h"

#include <gradproof/check.h>
#include <gsl/gsl_rng.h>

enum { GPF__OP_INPUTS = 8, GPF__OP_EDGES = 16 };

/* Shapes the row takes, at one batch size. */
typedef struct gpf__op_trial {
    gpf_shape x[GPF__OP_INPUTS], y; /* as in a graph: may hold N */
    size_t N;
    /* As the kernel meets them, elementwise inputs broadcast: sizes, row-major strides, no data. */
    gpf_tensor tx[GPF__OP_INPUTS], ty;
    size_t nx[GPF__OP_INPUTS], ny;
    char text[160]; /* "2x3, scalar" for case texts */
} gpf__op_trial;

typedef struct gpf__op_rig {
    const gpf_op *op;
    gpf_attr attr;
    int n_x;
    double lo, hi;
    unsigned whole; /* inputs drawn as whole numbers, by bit */
    size_t points;
    unsigned long seed;
    gpf__op_trial *trial;
    size_t n_trials;
    gsl_rng *rng;
    /* Of a map: inputs of one element that is exactly on an edge, or as near as can be. */
    double edge[GPF__OP_EDGES][3];
    int n_edges;
    double *memory; /* of kernel runs */
    size_t room;
    double noise; /* of y, in parts of its size, if that is more than rounding */
    bool stuck;   /* it asks for more scratch than there can be */
    gpf_op_check *c;
    int status; /* GSL_ENOMEM: nothing more is tried */
} gpf__op_rig;

/* Cases: one for each aspect and input (-1: none), made when first mentioned. Of several things
 * said of it the worst counts, and of these the first. aspect: static storage. */
void gpf__op_count(gpf__op_rig *r, const char *aspect, int input, gpf_verdict v, size_t n);
static inline void gpf__op_tried(gpf__op_rig *r, const char *aspect, int input, size_t n)
{
    gpf__op_count(r, aspect, input, GPF_RIGHT, n);
}
void gpf__op_say(gpf__op_rig *r, const char *aspect, int input, gpf_verdict v, const char *format,
                 ...) GPF_PRINTF(5, 6);
#define gpf__op_fault(r, aspect, input, ...) gpf__op_say(r, aspect, input, GPF_WRONG, __VA_ARGS__)
#define gpf__op_note(r, aspect, input, ...) gpf__op_say(r, aspect, input, GPF_VACUOUS, __VA_ARGS__)
bool gpf__op_faulty(const gpf__op_rig *r, const char *aspect, int input); /* wrong already? */

/* May the kernel be run on memory without guards, and does it mean anything? */
static inline bool gpf__op_safe(const gpf__op_rig *r)
{
    return !r->stuck && !gpf__op_faulty(r, "stays inside", -1) &&
           !gpf__op_faulty(r, "reads inside", -1) && !gpf__op_faulty(r, "deterministic", -1);
}

/* The rule for input i. */
static inline gpf_rule gpf__op_rule(const gpf_op *op, int i, bool forward)
{
    const int slot = op->arity == GPF_VARIADIC ? 0 : i;
    return slot < 3 ? (forward ? op->jvp : op->vjp)[slot] : NULL;
}

/* Room for n values; NULL without memory, which ends the check. Free with free. */
double *gpf__op_alloc(gpf__op_rig *r, size_t n);

/* n values for input i: in the row's domain, none like another. */
void gpf__op_draw(gpf__op_rig *r, int i, size_t n, double *x);
/* The values of all inputs as the kernel meets them; one block to free, NULL without memory. */
double *gpf__op_draw_all(gpf__op_rig *r, const gpf__op_trial *t, const double *x[]);

/* The kernel alone, on guarded memory. op_kernel.c */
enum { GPF__OP_Y = 1, GPF__OP_GUARDS = 2, GPF__OP_SCRATCH = 4 };
typedef struct gpf__op_how {
    int layout, y_layout; /* of the inputs, of y: 0 is row-major */
    int other;            /* what holds other numbers before than usual, GPF__OP_Y, .. */
    int place;            /* 1 + input in whose place y is; 0: none */
    int still;            /* 1 + GPF_MAX_RANK * input + axis that is broadcast; 0: none */
} gpf__op_how;

/* Values of y, row-major, from row-major inputs. false: it could not be run, which was said.
 * Whatever it writes where it must not is said too. */
bool gpf__op_run(gpf__op_rig *r, const gpf__op_trial *t, const double *const *x,
                 const gpf__op_how *how, double *y);
/* Sides and margins of y's elements; false if the row has none. */
bool gpf__op_sides(gpf__op_rig *r, const gpf__op_trial *t, const double *const *x, int *side,
                   double *margin);
/* -0 and 0 differ, a NaN equals any. */
bool gpf__op_same_bits(double a, double b);
/* m elements of a map from number `from` on: a trial and inputs of their own (x may be NULL). */
gpf__op_trial gpf__op_part(const gpf__op_rig *r, const double *const *x, size_t from, size_t m,
                           const double *part[]);
/* Evaluates nodes at a point, one after another in `values`; GSL_ENOMEM is kept in the rig. */
int gpf__op_evaluate(gpf__op_rig *r, const gpf_graph *g, const gpf_point *at, const gpf_node *nodes,
                     size_t n, double *values);
/* The noise of f, beyond which its differences mean nothing, and its size: in windows between at -
 * spread and at + spread of a variable whose domain is `range` wide. */
double gpf__op_noise(double (*f)(void *arg, double t), void *arg, double at, double spread,
                     double range, double *size);
/* What is promised of values; of sides; of derivatives. */
void gpf__op_try_kernel(gpf__op_rig *r);
void gpf__op_try_edges(gpf__op_rig *r);
void gpf__op_try_rules(gpf__op_rig *r);

#endif
