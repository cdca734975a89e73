/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef GPF_PLAN_PLAN_H
#define GPF_PLAN_PLAN_H

#include "graph/graph.h"
#include "op/rows.h"

#include <gradproof/plan.h>
#include <stdint.h>

/* Elements of elementwise ops done at a time, so that what they pass on stays in the L1 cache. */
enum { GPF__STRIP = 512 };

/* Where a value's memory is. */
typedef enum gpf__source {
    GPF__DATA,  /* the point's, leaf `offset` */
    GPF__PARAM, /* the point's params from `offset` */
    GPF__CONST, /* the plan's constants from `offset` */
    GPF__SLOT,  /* the workspace's block from `offset` */
    GPF__LOCAL, /* nowhere: it passes through a strip of its group */
    GPF__VIEW   /* inside value `of`, `offset` elements further (may be negative) */
} gpf__source;

/* A node at evaluation. Values are in node order, so inputs come first. A slot has no gaps, but its
 * axes may lie in any order: the plan chooses (gpf__plan_make). */
typedef struct gpf__value {
    gpf_node node; /* GPF_NONE: a helper without a node */
    gpf__source source;
    ptrdiff_t offset;
    int of;
    const gpf_op *view; /* GPF__VIEW: the op that looks, NULL: the value as it is */
    gpf_attr attr;      /* its */
    gpf_tensor t;       /* sizes and strides; data is filled in per workspace */
    int step;           /* that computes it, or -1 */
} gpf__value;

/* Steps are in an order they can run in. */
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

/* How to read a tensor in the order of another one's memory: axes of size 1 left out, neighbours
 * merged, the fastest first. */
typedef struct gpf__walk {
    int n;
    size_t count[GPF_MAX_RANK];
    ptrdiff_t stride[GPF_MAX_RANK];
} gpf__walk;

/* Where an instruction finds an operand. */
typedef enum gpf__place {
    GPF__NOWHERE,
    GPF__MEMORY, /* of value `at`; moves on with the strips */
    GPF__OUTPUT, /* of output `at` */
    GPF__BUFFER, /* in the workspace's strip buffers from `at` */
    GPF__FILL    /* strip of constants `at` */
} gpf__place;

typedef struct gpf__operand {
    gpf__place place;
    int at;
} gpf__operand;

typedef enum gpf__kind {
    GPF__MAP,   /* step `of` on n elements */
    GPF__READ,  /* n elements of x[0] along walk `of` into y */
    GPF__WHOLE, /* step `of`, its inputs as they are */
    GPF__PACK,  /* step `of` by gpf__step_run */
    GPF__STRIPS /* the next n instructions, strip by strip, for group `of` */
} gpf__kind;

typedef struct gpf__code {
    gpf__kind kind;
    int of;
    size_t n;
    gpf__operand y, x[3];
} gpf__code;

/* Steps that run together: elementwise ones over as many elements, or one other. */
typedef struct gpf__group {
    int first, n;       /* steps */
    size_t size, strip; /* of elementwise ones: elements, and how many at a time */
} gpf__group;

/* A constant that strips are filled with when a workspace is made. */
typedef struct gpf__fill {
    double value;
    size_t offset, size;
} gpf__fill;

struct gpf_plan {
    size_t N;
    gpf__value *value;
    int n_value;
    gpf__step *step;
    int n_step;
    int *in; /* values the steps read */
    int n_in;
    gpf__group *group;
    int n_group;
    int n_once; /* of them: what depends on nothing but constants, run when a workspace is made */
    gpf__code *code;
    int n_code, n_once_code; /* of groups that run once */
    gpf__walk *walk;
    int n_walk;
    /* Values in the point's memory, and views into them: its data first, n_leaves of them. */
    int *outside, n_outside, n_leaves;
    int *rebind, n_rebind; /* instructions that read such values */
    double *consts;
    gpf__fill *fill;
    int n_fill;
    gpf__output *output;
    size_t n_output;
    size_t block, scratch, buffers, fills; /* doubles */
    int max_in;
    size_t n_params, n_data; /* a point must have at least these */
};

/* The memory one step runs in, beside the values: pointers to inputs, packed copies, scratch. */
typedef struct gpf__frame {
    const gpf_tensor **x;
    gpf_tensor *packed;
    double *scratch;
} gpf__frame;

/* gpf__code with its pointers, as it runs: in one cache line. */
typedef struct gpf__ins {
    void (*map)(size_t n, double *y, const double *const *x, const gpf_attr *attr);
    void (*eval)(const gpf_call *call);
    size_t n;
    double *y;
    const double *x[3];
    union {
        const gpf_attr *attr;  /* map */
        const gpf_call *call;  /* eval */
        const gpf__code *code; /* neither: what else it is */
    } with;
} gpf__ins;

struct gpf_workspace {
    const gpf_plan *plan;
    gpf_tensor *t; /* by value */
    double *block, *buffers, *fills;
    gpf__frame frame;
    gpf__ins *ins;
    gpf_call *call;       /* by step */
    const gpf_tensor **x; /* of the calls */
    const double *theta;  /* where t and ins point now */
    bool bound, ran;
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

/* A plan in which none of the targets is a view or bypassed by a twin; they are row-major. keep:
 * every value is kept, no buffer is used twice. Status and *p. */
int gpf__plan_make(const gpf_graph *g, const gpf_node *outputs, size_t n, size_t N,
                   const gpf_node *targets, size_t n_targets, bool keep, gpf_plan **p);

/* The value of a node; -1: the plan has none. */
int gpf__plan_value(const gpf_plan *p, gpf_node n);

/* What to say of a status of gpf__plan_make. Static storage. */
const char *gpf__plan_error(int status);

/* gpf_damage_alloc with a status instead of a handler call. */
int gpf__damage_make(const gpf_graph *g, gpf_node y, const gpf_node *xs, size_t n, size_t N,
                     gpf_damage **d);

/* The rounding noise of values: steps run with every number off by some GPF__NOISE_UNITS units at
 * random, some times over. For plans that keep every value. noise.c */
enum { GPF__NOISE_RUNS = 6, GPF__NOISE_UNITS = 32 };
typedef struct gpf__noise gpf__noise;
gpf__noise *gpf__noise_alloc(const gpf_plan *p); /* NULL without memory */
void gpf__noise_free(gpf__noise *n);
void gpf__noise_restart(gpf__noise *n); /* the same random signs again */
void gpf__noise_single(gpf__noise *n);  /* by single units until the next restart */
void gpf__noise_step(gpf__noise *n, const gpf__step *s, const gpf_tensor *t);
/* What a shaken number tells of its noise; infinite if it left the domain. Noise that is not plain
 * is to be looked at by single units too. */
double gpf__noise_of(const gpf__noise *n, double shaken, double exact);
bool gpf__noise_is_plain(double noise, double exact);
/* Noise of every output element, in the outputs' order, at the point ws was last run at. ws keeps
 * its outputs. */
int gpf__plan_noise(const gpf_plan *p, gpf_workspace *ws, double *noise);
/* Noise of y when something downstream of target i is computed again, at the base point; or when
 * everything is. hasty: two runs where they find little, which may be luck. */
#define GPF__ALL_TARGETS SIZE_MAX
int gpf__damage_noise(gpf_overlay *o, size_t i, bool hasty, double *noise);

/* Copies outputs that are computed elsewhere to their places. */
void gpf__plan_collect(const gpf_plan *p, gpf_workspace *ws);

/* Doubles an overlay takes. */
size_t gpf__damage_memory(const gpf_damage *d);
/* Doubles an overlay has computed so far. */
double gpf__overlay_work(const gpf_overlay *o);

/* gpf_workspace_alloc without a handler call: NULL without memory. */
gpf_workspace *gpf__workspace_make(const gpf_plan *p);

/* Single steps. step.c */

/* Does x lie in memory as y of the same sizes does, so that y's elements in the order of its memory
 * are x's in the order of its own? */
bool gpf__linear(const gpf_tensor *x, const gpf_tensor *y);
/* x in the order of the memory of `like`, which has the same sizes and no gaps. */
gpf__walk gpf__walk_make(const gpf_tensor *x, const gpf_tensor *like);
/* The n elements from number `at` on. */
void gpf__walk_read(double *to, const double *from, const gpf__walk *w, size_t at, size_t n);
/* y = x for tensors of the same sizes, y without gaps. */
void gpf__layout_copy(const gpf_tensor *y, const gpf_tensor *x);
/* Does the step take its inputs as they are? If not, gpf__step_run packs them. */
bool gpf__step_direct(const gpf_plan *p, const gpf__step *s);
/* Doubles of scratch it needs in gpf__step_run, or run on row-major copies of its inputs. dense and x
 * are room for n_in each. */
size_t gpf__step_scratch(const gpf_plan *p, const gpf__step *s, gpf_tensor *dense,
                         const gpf_tensor **x);
/* Runs one step on values t. */
void gpf__step_run(const gpf_plan *p, const gpf__step *s, const gpf_tensor *t, const gpf__frame *f);
/* Sides and margins of a piecewise step's result, after it ran: in row-major order, whatever the
 * order of y. */
void gpf__step_sides(const gpf_plan *p, const gpf__step *s, const gpf_tensor *t,
                     const gpf__frame *f, int *side, double *margin);
/* Bytes of a frame for this plan, and its set-up in zeroed memory aligned for double. */
size_t gpf__frame_size(const gpf_plan *p);
void gpf__frame_init(gpf__frame *f, const gpf_plan *p, void *memory);

/* Cache-line aligned, zeroed; NULL without memory. Release with free. */
void *gpf__aligned_alloc(size_t bytes);

#endif
