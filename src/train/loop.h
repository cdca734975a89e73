/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The training loop from inside: what its own files and the checkpoint share. */
#ifndef GPF_TRAIN_LOOP_H
#define GPF_TRAIN_LOOP_H

#include "train/train.h"

/* Outputs of a plan, by what they are. Changes are the gradient, or the new values of an update rule:
 * the last outputs, one vector in the order of the params trained. */
enum {
    GPF__OBJECTIVE,
    GPF__LOSS,
    GPF__PENALTY,
    GPF__PREDICTION,
    GPF__TARGET,
    GPF__CHANGE,
    GPF__ROLES
};

/* Some samples as a point that shares the params of the loop's, and a plan over them. */
typedef struct gpf__batch {
    size_t N;
    gpf_point *at;
    gpf_plan *plan;
    gpf_workspace *ws;
    double *
        *rows; /* by data leaf: room for rows gathered from all samples; NULL where bound as is */
    size_t n_rows;
    gpf_node own; /* a leaf that is bound to a number of the loop; GPF_NONE */
    const double *own_value;
    gpf_node objective, *change; /* by x */
    int out[GPF__ROLES];         /* number of the output, -1: none */
} gpf__batch;

/* Has it a row for every sample? batch.c */
bool gpf__has_samples(const gpf_graph *g, gpf_node leaf);
/* Points and gathers for N samples of `like` without a plan, into zeros. N: gpf_point_batch(like): nothing is
 * gathered. Status. batch.c */
int gpf__batch_make(gpf__batch *b, const gpf_graph *g, const gpf_point *like, gsl_vector *theta,
                    size_t N, bool gather);
int gpf__batch_own(gpf__batch *b, gpf_node leaf, const double *value);
int gpf__batch_plan(gpf__batch *b, const gpf_graph *g, const gpf_node *outputs, size_t n);
void gpf__batch_free(gpf__batch *b);
/* Takes the values `like` has now: samples order[0 .. N-1] of it where something is gathered. 1 if a
 * leaf is bound elsewhere than before. Allocates nothing. */
int gpf__batch_fill(gpf__batch *b, const gpf_graph *g, const gpf_point *like, const size_t *order);
/* A permutation of 0 .. n-1 that depends on nothing but seed and epoch. */
void gpf__batch_shuffle(size_t *order, size_t n, unsigned long seed, size_t epoch);

/* 0.5 lambda |W|^2 over weights. penalty.c */
typedef enum gpf__adding { GPF__UNKNOWN, GPF__SUMS, GPF__MEANS } gpf__adding;
/* Does the loss add up over samples, or average? Tried out: some samples, and the same twice. */
int gpf__loss_scale(const gpf_graph *g, gpf_node loss, const gpf_point *like, gpf__adding *scale);
/* *bias: 1 if the loss uses the param only by adding it. */
int gpf__is_bias(const gpf_graph *g, gpf_node loss, gpf_node param, int *bias);

/* The learning rate of step s (from 0), `steps` of them an epoch. schedule.c */
double gpf__schedule_rate(const gpf_train_options *how, size_t steps, size_t s);

/* A whole number of digits only, exactly; false for anything else. setting.c */
bool gpf__read_digits(const char *text, size_t *x);
/* Are all settings in their ranges, do they fit the optimiser? Names become those of the rows. NULL
 * for the optimizer where updates are formulas. setting.c */
int gpf__settings_check(gpf_train_options *how, bool updates, gpf_diag *why);

/* (before - after)/rate against GSL. The graph has leaves for `after` and the rate, so that it is
 * made once and run at one step after another. step_check.c */
typedef struct gpf__step_check gpf__step_check;
int gpf__step_check_make(gpf_graph *g, gpf_node loss, const gpf_node *xs, size_t n, size_t N,
                         unsigned long seed, gpf__step_check **s, gpf_diag *why);
void gpf__step_check_free(gpf__step_check *s);
/* before: all params; then after. data: the values of the step's samples. */
int gpf__step_check_run(gpf__step_check *s, const gpf_point *data, const double *before,
                        const double *after, double rate, const gpf_check_options *how,
                        gpf_diag *why);
gpf_check *gpf__step_check_of(gpf__step_check *s);

/* All that a run needs to go on, beside the params, the state of the optimiser and `best`. */
typedef struct gpf__run_state {
    gpf_progress
        progress;  /* step counts from the start of the run: it tells the place in the epoch */
    size_t judged; /* evaluations so far that counted; 0: not begun */
    size_t worse;  /* of these, since the best one */
} gpf__run_state;

struct gpf_train {
    gpf_graph *g;
    gpf_node loss, squares; /* squares: |W|^2 of the penalty, or GPF_NONE */
    gpf__adding scale;      /* of the loss, where that matters */
    gpf_point *at;
    gpf_train_options how;
    gpf_train_with with;    /* but xs and updates */
    gpf_node *xs, *updates; /* n_xs params to train; NULL or their new values */
    size_t n_xs, n;         /* n: elements of them */
    bool whole;             /* they are all params in the graph's order */
    char note[512];

    size_t N, B, steps;    /* samples, of a batch, batches */
    gpf__batch all;        /* every sample: to judge, and to step where B = N */
    gpf__batch held;       /* no plan: nothing is held out */
    gpf__batch part, rest; /* B samples, where B < N; the last ones of an epoch, if they are fewer.
                              With a minimiser, part is all samples without the gradient */
    size_t *order;         /* of the samples in epoch `ordered` */
    size_t ordered;
    bool due;              /* what is due between epochs, at first too, is not done yet */
    double rate;           /* of the step that comes, what with.rate is bound to */
    bool fresh;            /* all.ws holds the values at the params in `seen` */
    double *seen, *before; /* all params of the graph */
    gsl_vector *theta;     /* of the params trained, where they are not whole */
    double *scaled;        /* the gradient where it was clipped */

    gpf_optimizer *optimizer;
    const gpf_minimizer_kind *minimizing;
    gpf__minimizer *minimizer;
    gpf__residuals *residuals;
    bool started; /* the minimiser has a place to go on from */

    gpf_check *check;
    gpf__step_check *step_check;
    const gpf_check *last_check;
    gpf_health *health;
    bool healthy; /* health has run */

    gpf__run_state now;
    double *best; /* n trained params at the best evaluation; NULL without patience */
};

/* For a minimiser: over all samples, as a function of the params trained, which it moves. loop.c */
void gpf__train_objective(gpf_train *t, gpf__objective *f);
/* Predictions and targets as rows: the last axis of two or more is the columns. train.c */
void gpf__rows_of(gpf_shape s, size_t *rows, size_t *cols);

/* The checkpoint's part: the params trained, n numbers, out of the point and into it; then what
 * follows from `now` after it was read. Before it is saved, a minimiser forgets where it is. loop.c */
void gpf__train_take(const gpf_train *t, double *to);
void gpf__train_put(gpf_train *t, const double *from);
void gpf__train_saved(gpf_train *t);
void gpf__train_resumed(gpf_train *t);

#endif
