/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef GPF_PLAN_PLAN_H
#define GPF_PLAN_PLAN_H

#include "graph/graph.h"
#include "op/rows.h"

#include <gradproof/plan.h>
#include <stdint.h>

/* Elements of an elementwise op done at a time where an input has to be gathered first. */
enum { GPF__STRIP = 512 };

/* Where a value's memory is. */
typedef enum gpf__source {
    GPF__DATA,  /* the point's, leaf `offset` */
    GPF__PARAM, /* the point's params from `offset` */
    GPF__CONST, /* the plan's constants from `offset` */
    GPF__SLOT,  /* the workspace's block from `offset` */
    GPF__VIEW   /* inside value `of`, `offset` elements further (may be negative) */
} gpf__source;

/* A node at evaluation. Values are in node order, so inputs come first. */
typedef struct gpf__value {
    gpf_node node; /* GPF_NONE: a helper without a node */
    gpf__source source;
    ptrdiff_t offset;
    int of;
    const gpf_op *view; /* GPF__VIEW: the op that looks, NULL: the value as it is */
    gpf_attr attr;      /* its */
    gpf_tensor t; /* sizes and strides; data is filled in per workspace */
    int step;     /* that computes it, or -1 */
} gpf__value;

typedef struct gpf__step {
    int value;
    const gpf_op *op; /* NULL: copy the input */
    gpf_attr attr;
    int first_in, n_in; /* into gpf_plan.in */
} gpf__step;

typedef struct gpf__output {
    int value;
    size_t offset, size; /* in the block */
    bool copy;           /* computed elsewhere: copied at the end of a run */
    gpf_shape shape;
} gpf__output;

struct gpf_plan {
    size_t N;
    gpf__value *value;
    int n_value;
    gpf__step *step;
    int n_step;
    int *in; /* values the steps read */
    int n_in;
    double *consts;
    gpf__output *output;
    size_t n_output;
    size_t block, scratch; /* doubles */
    int max_in;
    size_t n_params, n_data; /* a point must have at least these */
};

/* The memory one step runs in, beside the values: pointers to inputs, packed copies, scratch. */
typedef struct gpf__frame {
    const gpf_tensor **x;
    gpf_tensor *packed;
    double *scratch;
} gpf__frame;

struct gpf_workspace {
    const gpf_plan *plan;
    gpf_tensor *t; /* by value */
    double *block;
    gpf__frame frame;
    bool ran;
};

struct gpf_point {
    size_t N;
    gsl_vector *theta;
    const double **data; /* by data leaf */
    size_t *offset;      /* by param tensor */
    gpf_node *data_node, *param_node;
    size_t n_data, n_param, n_params;
    double *owned; /* released with the point; may be NULL */
};

/* A plan that keeps every value (no buffer is used twice) and in which none of the targets is a
 * view or bypassed by a twin. Status and *p. */
int gpf__plan_make(const gpf_graph *g, const gpf_node *outputs, size_t n, size_t N,
                   const gpf_node *targets, size_t n_targets, bool keep, gpf_plan **p);

/* What to say of a status of gpf__plan_make. Static storage. */
const char *gpf__plan_error(int status);

/* gpf_damage_alloc with a status instead of a handler call. */
int gpf__damage_make(const gpf_graph *g, gpf_node y, const gpf_node *xs, size_t n, size_t N,
                     gpf_damage **d);

/* The rounding noise of values: steps run with every number off by a unit at random, some times
 * over. For plans that keep every value. noise.c */
enum { GPF__NOISE_RUNS = 6 };
typedef struct gpf__noise gpf__noise;
gpf__noise *gpf__noise_alloc(const gpf_plan *p); /* NULL without memory */
void gpf__noise_free(gpf__noise *n);
void gpf__noise_restart(gpf__noise *n); /* the same random signs again */
void gpf__noise_step(gpf__noise *n, const gpf__step *s, const gpf_tensor *t);
/* Noise of every output element, in the outputs' order, at the point ws was last run at. ws keeps
 * its outputs. */
int gpf__plan_noise(const gpf_plan *p, gpf_workspace *ws, double *noise);
/* Noise of y when something downstream of target i is computed again, at the base point; or when
 * everything is. */
#define GPF__ALL_TARGETS SIZE_MAX
int gpf__damage_noise(gpf_overlay *o, size_t i, double *noise);

/* Copies outputs that are computed elsewhere to their places. */
void gpf__plan_collect(const gpf_plan *p, gpf_workspace *ws);

/* Doubles an overlay takes. */
size_t gpf__damage_memory(const gpf_damage *d);
/* Doubles an overlay has computed so far. */
double gpf__overlay_work(const gpf_overlay *o);

/* gpf_workspace_alloc without a handler call: NULL without memory. */
gpf_workspace *gpf__workspace_make(const gpf_plan *p);

/* Points every value of `t` at its memory. GPF_EUNBOUND, GSL_EBADLEN. */
int gpf__plan_bind(const gpf_plan *p, const gpf_point *at, gpf_tensor *t, double *block);
/* Runs one step on values t. */
void gpf__step_run(const gpf_plan *p, const gpf__step *s, const gpf_tensor *t, const gpf__frame *f);
/* Sides and margins of a piecewise step's result, after it ran. */
void gpf__step_sides(const gpf_plan *p, const gpf__step *s, const gpf_tensor *t,
                     const gpf__frame *f, int *side, double *margin);
/* Bytes of a frame for this plan, and its set-up in zeroed memory aligned for double. */
size_t gpf__frame_size(const gpf_plan *p);
void gpf__frame_init(gpf__frame *f, const gpf_plan *p, void *memory);

/* Cache-line aligned, zeroed; NULL without memory. Release with free. */
void *gpf__aligned_alloc(size_t bytes);

#endif
