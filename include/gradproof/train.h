/* Training: initial values, optimisers, the loop, files of params, the health of a net.
 *
 * Nothing here prints, exits or looks at a clock. In this order:
 *
 *   optimisers     one update of the params from a gradient
 *   initialisers   the params to begin with
 *   minimisers     GSL's, which choose their steps themselves
 *   schedules      of the learning rate
 *   settings       every knob of a training run: one table for C, .gpf text, the command, checkpoints
 *   the loop       an object that is stepped; it trains the point it was given
 *   archives       named tensors in files that NumPy and safetensors read, written atomically
 *   health         which units are dead, saturated or equal, where the gradient ends, and why
 *
 * An optimiser turns a gradient into a step of the params. It is one constant row (name, formula,
 * parameters with defaults, number of state vectors) whose update is a single pass over the
 * contiguous params, gradient and state. Bit-identical on every CPU and for any number of threads.
 *
 * @example train
 *     gpf_graph *g = gpf_graph_alloc();
 *     gpf_node w = gpf_param(g, "w", gpf_shape1(3)), f, df;
 *     f = gpf_sum(g, gpf_square(g, w), GPF_ALL_AXES);
 *     gpf_grad(g, f, &w, 1, &df);
 *     gpf_plan *plan = gpf_plan_alloc(g, &df, 1, 0);
 *     gpf_workspace *ws = gpf_workspace_alloc(plan);
 *     gpf_point *at = gpf_point_alloc(g, 0);
 *     gsl_vector *theta = gpf_point_params(at);
 *     gsl_vector_set_all(theta, 1);
 *     gpf_optimizer *o = gpf_optimizer_alloc(gpf_optimizer_find("momentum"), 3);
 *     gpf_optimizer_set(o, "momentum", 0.5);
 *     for (int step = 0; step < 200; step++) {
 *         gpf_plan_run(plan, ws, at);
 *         gpf_optimizer_step(o, theta, gpf_workspace_output(ws, 0), 0.1);
 *     }
 *     assert(gsl_vector_max(theta) < 1e-9 && gsl_vector_min(theta) > -1e-9);
 *     gpf_optimizer_free(o);
 *     gpf_point_free(at);
 *     gpf_workspace_free(ws);
 *     gpf_plan_free(plan);
 *     gpf_graph_free(g);
 * @end
 *
 * Below, e is the learning rate (in units of theta^2 per unit of the loss for sgd, momentum and
 * nesterov; in units of theta for the others, whose steps do not depend on the loss's scale), t
 * counts steps from 1, and d = g + weight_decay * theta, the gradient with L2 regularisation of
 * weight_decay/2 |theta|^2. Squares, roots and quotients are elementwise. State begins at 0.
 *
 *   sgd       theta -= e d
 *   momentum  v = momentum v + d;  theta -= e v
 *             (Polyak 1964, doi:10.1016/0041-5553(64)90137-5)
 *   nesterov  v = momentum v + d;  theta -= e (d + momentum v)
 *             (Nesterov 1983, in the form of Sutskever et al., ICML 2013, at the point looked
 *             ahead to)
 *   adagrad   s = s + d^2;  theta -= e d / (sqrt(s) + epsilon)
 *             (Duchi, Hazan, Singer, JMLR 12, 2011)
 *   rmsprop   s = decay s + (1 - decay) d^2;  theta -= e d / (sqrt(s) + epsilon)
 *             (Tieleman, Hinton, lecture 6.5 of Neural Networks for Machine Learning, 2012)
 *   adam      m = beta1 m + (1 - beta1) d;  v = beta2 v + (1 - beta2) d^2
 *             theta -= e m/(1 - beta1^t) / (sqrt(v/(1 - beta2^t)) + epsilon)
 *             (Kingma, Ba, arXiv:1412.6980)
 *   adamw     adam with d = g, and theta -= e weight_decay theta first
 *             (Loshchilov, Hutter, arXiv:1711.05101)
 */
#ifndef GPF_TRAIN_H
#define GPF_TRAIN_H

#include <gradproof/check.h>
#include <gsl/gsl_rng.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { GPF_MAX_STATE = 2, GPF_MAX_SETTINGS = 4 };

/* What an update gets: n elements of everything. */
typedef struct gpf_update {
    double *theta;
    const double *gradient;
    double *state[GPF_MAX_STATE]; /* unused entries are NULL */
    const double *setting;        /* the row's parameters, in its order */
    double rate;                  /* the learning rate */
    unsigned long step;           /* t, 1 at first */
} gpf_update;

typedef struct gpf_optimizer_kind {
    const char *name;
    const char *formula; /* one line */
    struct {
        const char *name;
        double value;            /* the default */
        double lo, hi;           /* lo <= value < hi */
    } setting[GPF_MAX_SETTINGS]; /* up to the entry without a name */
    int n_state;
    /* Elementwise: may be called on parts of the vectors, in any order. */
    void (*update)(const gpf_update *u, size_t n);
} gpf_optimizer_kind;

/* The rows above, in that order; NULL behind the last, or if there is no such name. A row of your
 * own is used in the same way. Static storage. */
GPF_API const gpf_optimizer_kind *gpf_optimizer_at(size_t i);
GPF_API const gpf_optimizer_kind *gpf_optimizer_find(const char *name);

/* An optimiser of n params, its state 0. Owned by the caller, kept by one thread. NULL through
 * GSL_ERROR: GSL_EINVAL for no row, GSL_ENOMEM. */
typedef struct gpf_optimizer gpf_optimizer;
GPF_API gpf_optimizer *gpf_optimizer_alloc(const gpf_optimizer_kind *kind, size_t n);
GPF_API void gpf_optimizer_free(gpf_optimizer *o);

/* A parameter of the row by its name: GPF_ENAME if it has none of that name, GSL_EDOM outside the
 * row's range. NaN for an unknown name. */
GPF_API int gpf_optimizer_set(gpf_optimizer *o, const char *name, double value);
GPF_API double gpf_optimizer_get(const gpf_optimizer *o, const char *name);

/* One step. theta: n elements, of stride 1, such as gpf_point_params; NULL if n is 0. gradient: n
 * numbers, such as the outputs of a plan of all gradients; it may be theta's own memory, but not
 * overlap it otherwise. Allocates nothing. GSL_EBADLEN, GSL_EINVAL (stride) through GSL_ERROR.
 * A NaN in the gradient becomes a NaN in theta and stays in the state. */
GPF_API int gpf_optimizer_step(gpf_optimizer *o, gsl_vector *theta, const double *gradient,
                               double learning_rate);

/* Threads for a step, 1 at first. More are used only from GPF_THREADED_UPDATE params on: below that
 * starting them costs more than they save. Beside a CBLAS with threads of its own that spin, 1 is
 * usually faster. The result does not depend on it. */
#define GPF_THREADED_UPDATE ((size_t)1 << 20)
GPF_API void gpf_optimizer_set_threads(gpf_optimizer *o, int threads);

/* For saving and loading: the row, n, state vector i < n_state (n numbers to read and write; NULL
 * else) and the steps taken so far, which adam's bias correction needs. */
GPF_API const gpf_optimizer_kind *gpf_optimizer_kind_of(const gpf_optimizer *o);
GPF_API size_t gpf_optimizer_size(const gpf_optimizer *o);
GPF_API double *gpf_optimizer_state(gpf_optimizer *o, int i);
GPF_API unsigned long gpf_optimizer_steps(const gpf_optimizer *o);
GPF_API void gpf_optimizer_set_steps(gpf_optimizer *o, unsigned long steps);

/* Initialisers: one constant row each. Weights are inputs x units: `in` is the number of rows of the
 * param (all its axes but the last), `out` of columns.
 *
 * @example initialize
 *     gpf_graph *g = gpf_graph_alloc();
 *     gpf_node W = gpf_param(g, "W", gpf_shape2(64, 32));
 *     gpf_point *at = gpf_point_alloc(g, 0);
 *     assert(gpf_initialize(g, W, gpf_point_params(at), "he", NULL, 1) == GSL_SUCCESS);
 *     gpf_point_free(at);
 *     gpf_graph_free(g);
 * @end
 */
enum { GPF_MAX_INIT_ARGS = 2 };

typedef struct gpf_initializer {
    const char *name;
    const char *formula; /* one line, with its source */
    double (*draw)(gsl_rng *rng, double in, double out, const double *arg);
    int min_args, max_args;
    double arg[GPF_MAX_INIT_ARGS];           /* those that are not given */
    const char *(*wrong)(const double *arg); /* what is wrong with them, or NULL; NULL: nothing */
    const char *suits; /* activations it is the default for, " a b ", or NULL */
} gpf_initializer;

/* The rows by index and by name; NULL past the end or for no such name. Static storage. */
GPF_API const gpf_initializer *gpf_initializer_at(size_t i);
GPF_API const gpf_initializer *gpf_initializer_find(const char *name);
/* The name of the one that suits an activation (NULL: none). */
GPF_API const char *gpf_initializer_for(const char *activation);

/* Draws a param's values into theta (all params of the graph, stride 1). arg: as many numbers as the
 * row takes, NULL: its defaults. Every param has a random stream of its own, from the seed and its
 * name: the same numbers as `param W ~ he` gives in a model with that seed. GPF_ENAME for an unknown
 * initialiser, GSL_EDOM for arguments that are wrong, GSL_EINVAL if it needs some and gets NULL; no
 * param, or another theta than that: GSL_EINVAL, GSL_EBADLEN through GSL_ERROR. */
GPF_API int gpf_initialize(const gpf_graph *g, gpf_node param, gsl_vector *theta,
                           const char *initializer, const double *arg, unsigned long seed);

/* Minimisers of GSL, which take the whole data set at once and choose their steps themselves.
 *
 *   bfgs, cg-fr, cg-pr, steepest   gsl_multimin: vector_bfgs2, conjugate_fr, conjugate_pr,
 *                                  steepest_descent
 *   lm                             gsl_multifit_nlinear (Levenberg-Marquardt), for a loss that is a
 *                                  sum of squares times positive constants; its Jacobian comes from
 *                                  the graph, one forward sweep per param
 */
typedef struct gpf_minimizer_kind {
    const char *name;
    const char *formula; /* one line */
    const void *type;    /* the address of GSL's variable; NULL: gsl_multifit_nlinear */
} gpf_minimizer_kind;
GPF_API const gpf_minimizer_kind *gpf_minimizer_at(size_t i);
GPF_API const gpf_minimizer_kind *gpf_minimizer_find(const char *name);

/* Learning-rate schedules. At step s (from 0) of S in all, with w steps of warm-up, the rate is
 *     rate * min(1, (s + 1)/w) * shape,   and p = (s - w)/(S - w) is how far behind the warm-up
 *   constant  shape = 1
 *   step      shape = factor^k, k whole times `every` epochs gone by since the start
 *   cosine    shape = final + (1 - final) (1 + cos(pi p))/2   (Loshchilov, Hutter, arXiv:1608.03983)
 */
typedef struct gpf_schedule {
    const char *name;
    const char *formula;
    double (*shape)(double p, double epochs, double every, double factor, double final);
} gpf_schedule;
GPF_API const gpf_schedule *gpf_schedule_at(size_t i);
GPF_API const gpf_schedule *gpf_schedule_find(const char *name);

/* Settings. Numbers are NaN where the row of the optimiser decides. */
typedef struct gpf_train_options {
    const char *optimizer; /* a row of gpf_optimizer_at or gpf_minimizer_at */
    double rate;           /* learning rate; bfgs .. steepest: the first step's length */
    double weight_decay, momentum, decay, beta1, beta2, epsilon; /* of the optimiser's row */
    double tolerance;                    /* bfgs .. steepest: of the line search */
    const char *schedule;                /* a row of gpf_schedule_at */
    double warmup, every, factor, final; /* epochs, epochs, -, part of the rate */
    size_t epochs;                       /* a minimiser's iterations; 0: none, only evaluate */
    size_t batch;    /* samples per step; 0, or more than there are: all; 1: after each sample */
    int shuffle;     /* 1: another order in every epoch, where batch is not all */
    double l2;       /* lambda: adds lambda/2 |W|^2 over the weights W (not biases: params that are
                        only ever added) to the loss over all samples. Where the loss sums over
                        samples, a batch of B of them gets B/samples of it, so that an epoch counts
                        it once, whatever the batch */
    double clip;     /* longest gradient, as a norm over all params; 0: any */
    size_t patience; /* evaluations without a better held-out loss (loss, if nothing is held out)
                        until it stops and goes back to the best params; 0: never */
    double until_loss, until_gradient, until_accuracy; /* stop there; NaN: do not */
    size_t evaluate;     /* epochs between evaluations of loss, held-out loss, accuracy */
    size_t check_every;  /* epochs between gradient checks, the first before any; 0: none */
    size_t check_sample; /* elements per tensor in such a check */
    int check_step;      /* 1: check the first step of every epoch (check_every: of those), see
                            gpf_step_check_alloc; for sgd and updates, which step by rate * gradient */
    int health;          /* 1: health at every evaluation */
    size_t seed;         /* of shuffling and samples */
} gpf_train_options;

GPF_API gpf_train_options gpf_train_defaults(void);

/* The table of them: name as in C, in the model language and, with - for _, of the command's
 * options. */
typedef enum gpf_setting_type {
    GPF_SETTING_REAL,
    GPF_SETTING_WHOLE,
    GPF_SETTING_FLAG,
    GPF_SETTING_OPTIMIZER,
    GPF_SETTING_SCHEDULE
} gpf_setting_type;
typedef struct gpf_setting {
    const char *name;
    gpf_setting_type type;
    size_t offset;    /* into gpf_train_options */
    double lo, hi;    /* lo <= value <= hi */
    const char *help; /* for people: one or two lines */
    int loose;        /* 1: moves no param, so it may be another where a run is resumed */
} gpf_setting;
GPF_API const gpf_setting *gpf_setting_at(size_t i);
GPF_API const gpf_setting *gpf_setting_find(const char *name); /* _ and - are the same */
/* Sets one from text. GPF_ENAME, GSL_EDOM with what was expected in *why (may be NULL). */
GPF_API int gpf_setting_set(gpf_train_options *o, const char *name, const char *value,
                            gpf_diag *why);
/* Its value as text that gpf_setting_set reads back exactly; "" for NaN. Returns buf. */
GPF_API char *gpf_setting_text(const gpf_train_options *o, const gpf_setting *s, char *buf,
                               size_t size);

/* What a net is for, where that is known: which node predicts which. */
typedef enum gpf_decision {
    GPF_DECIDE_NOTHING, /* a regression */
    GPF_DECIDE_ARGMAX,  /* rows of the prediction against one-hot rows or labels 0, 1, .. */
    GPF_DECIDE_HALF,    /* elements above 1/2 against 0 and 1 */
    GPF_DECIDE_LOGIT,   /* elements above 0 against 0 and 1 */
    GPF_DECIDE_SIGN     /* elements >= 0 against -1 and 1 */
} gpf_decision;
typedef struct gpf_task {
    gpf_node prediction, target; /* GPF_NONE: not known */
    gpf_decision decision;
} gpf_task;
/* The part decided rightly of rows x cols predictions (row-major; target has as many columns, or one
 * for ARGMAX); NaN for a regression and where a prediction is NaN. */
GPF_API double gpf_accuracy(gpf_decision d, size_t rows, size_t cols, const double *prediction,
                            size_t target_cols, const double *target);

/* The loop.
 *
 * @example loop
 *     gpf_graph *g = gpf_graph_alloc();
 *     gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 1)), y = gpf_data(g, "y", gpf_shape2(GPF_N, 1));
 *     gpf_node loss = gpf_mse(g, gpf_dense(g, "line", X, 1, NULL), y, GPF_MEAN);
 *     double x[] = { 0, 1, 2, 3 }, want[] = { 1, 3, 5, 7 };
 *     gpf_point *at = gpf_point_alloc(g, 4);
 *     gpf_point_bind(at, X, x);
 *     gpf_point_bind(at, y, want);
 *     gpf_train_options how = gpf_train_defaults();
 *     how.optimizer = "bfgs";
 *     gpf_train *t = gpf_train_alloc(g, loss, at, &how, NULL, NULL);
 *     gpf_train_run(t);
 *     assert(gpf_train_progress(t)->loss < 1e-12); // y = 1 + 2 x
 *     gpf_train_free(t);
 *     gpf_point_free(at);
 *     gpf_graph_free(g);
 * @end
 */
typedef enum gpf_train_end {
    GPF_TRAIN_RUNNING,
    GPF_TRAIN_EPOCHS,      /* all of them are done */
    GPF_TRAIN_UNTIL,       /* until_loss, until_gradient or until_accuracy is reached */
    GPF_TRAIN_PATIENCE,    /* the held-out loss got no better; the best params are back */
    GPF_TRAIN_CONVERGED,   /* the minimiser says so */
    GPF_TRAIN_NO_PROGRESS, /* the minimiser finds no lower point: a minimum, a kink, a loss
                              without a minimum, or a wrong gradient */
    GPF_TRAIN_NOT_FINITE,  /* the loss or a param is NaN or infinite */
    GPF_TRAIN_WRONG,       /* a check of gradient or step found an element wrong */
    GPF_TRAIN_STOPPED      /* by the callback */
} gpf_train_end;

typedef struct gpf_progress {
    size_t epoch, step; /* done so far; steps over all epochs */
    size_t steps;       /* of an epoch */
    size_t samples, held_out_samples;
    /* Of the last evaluation, at the params as they are after `evaluated` epochs; NaN: unknown */
    size_t evaluated;
    double loss;     /* over all training samples, as the graph has it, without the penalty */
    double penalty;  /* lambda/2 |W|^2 */
    double held_out; /* loss over the held-out samples */
    double accuracy, held_out_accuracy;
    double gradient; /* norm of the last gradient computed, before clipping: of all samples if steps
                        take them all or until_gradient is set, else of a batch */
    double rate;     /* of the last step */
    double update;   /* |change of params| / |params| in the last step of an epoch */
    double best;     /* lowest held-out loss, or loss if nothing is held out */
    size_t best_epoch;
    double dead; /* part of the hidden units that are dead; NaN without health */
    gpf_train_end end;
    char why[256]; /* one line on the end; "" while running */
} gpf_progress;

typedef struct gpf_train_with {
    const gpf_node *xs; /* the params to train; NULL: all */
    size_t n_xs;
    const gpf_point *held_out; /* samples to judge by, not to train on; its params are not used */
    gpf_task task;             /* for accuracy */
    const gpf_node *updates;   /* new values of xs[i] as formulas, taken instead of an optimiser */
    gpf_node rate;             /* a scalar data leaf that gets the learning rate; GPF_NONE: none */
    /* Called after every epoch that was evaluated and at first, before any step (epoch 0); nonzero
     * stops. May be NULL. */
    int (*progress)(void *arg, const gpf_progress *p);
    void *progress_arg;
} gpf_train_with;
/* All params, nothing else. */
GPF_API gpf_train_with gpf_train_plain(void);

/* Prepares training of the params of `at`, which are shared: the loop writes them, a check reads
 * them. Extends the graph (gradient, penalty). loss must have one element. at, and the data bound to
 * it, must live as long as the loop; batches are copied out of them. with: NULL, or borrowed while
 * this call lasts, but held_out and progress_arg as long as the loop. NULL on failure with the reason
 * in *why (may be NULL): GPF_ENOTHING (no params), GPF_ENAME (settings the optimiser does not have,
 * unknown names), GSL_EDOM, GPF_ESHAPE, GPF_EDATA, GPF_EUNBOUND (data without values), GPF_ELIMIT,
 * GSL_ENOMEM, the graph's error. One thread at a time. The same seed gives the same bits on one
 * machine, as long as its CBLAS does: OpenBLAS adds up large products (above 128^3, no side below 33)
 * in another order with another number of threads, so give it one (openblas_set_num_threads(1), as
 * the command does) or always as many. */
typedef struct gpf_train gpf_train;
GPF_API gpf_train *gpf_train_alloc(gpf_graph *g, gpf_node loss, gpf_point *at,
                                   const gpf_train_options *how, const gpf_train_with *with,
                                   gpf_diag *why);
GPF_API void gpf_train_free(gpf_train *t);

/* One update of the params (a minimiser: one iteration); and the evaluation if it ends an epoch that
 * is due for one. The first step is preceded by an evaluation. GSL_SUCCESS also where it ends the
 * run: see end in the progress. Once ended, does nothing. Allocates nothing, but for checks, health
 * and to tell why a number is not finite. */
GPF_API int gpf_train_step(gpf_train *t);
GPF_API int gpf_train_epoch(gpf_train *t); /* steps to the end of the epoch */
GPF_API int gpf_train_run(gpf_train *t);   /* to the end of the run */
/* Evaluates now, at the current params. Counts for nothing: not for patience, not for an end. */
GPF_API int gpf_train_evaluate(gpf_train *t);
GPF_API const gpf_progress *gpf_train_progress(const gpf_train *t);
GPF_API const gpf_train_options *gpf_train_how(const gpf_train *t);
/* What the penalty is and how a batch counts it, or "" without l2: one line for people. */
GPF_API const char *gpf_train_penalty_note(const gpf_train *t);
/* The last check of the gradient or the step, NULL if there was none; owned by the loop. */
GPF_API const gpf_check *gpf_train_check(const gpf_train *t);

/* All a run needs to go on bit-identically, as an archive (below) in a file, written to a temporary
 * name and renamed: at any moment there is the old file or the new one. Between steps only. It holds
 * the params by their names, optimizer/I/NAME, best/NAME, and as texts settings and counters.
 * Resuming needs a loop made in the same way: other settings, params to train, samples or formulas
 * are GPF_EDATA, named in *why, and the loop stays as it was. Settings that move no param may differ:
 * until_.., check_.., health, and `epochs`, down to those already done: the run goes on to the new
 * number. What depends on the number of all epochs, the
 * cosine, then follows the new one from there on; all else is as if it had been that from the start.
 * GPF_EFILE, GPF_ENAME (ending). A minimiser begins anew at the params whenever it is saved, so that
 * a resumed run is the same as one that was saved at the same steps and not interrupted. */
GPF_API int gpf_train_save(gpf_train *t, const char *path, gpf_diag *why);
GPF_API int gpf_train_resume(gpf_train *t, const char *path, gpf_diag *why);

/* Checks a step of any program's own: the params after it (all params, n_params numbers, copied) and
 * the learning rate. (before - after)/rate is compared with GSL's gradient of the loss at `before`,
 * which also sees what no check of a gradient can: weights updated before the error was passed back
 * through them, a wrong batch mean in the step, a forgotten param. Run it at a point that holds the
 * samples of that step and the params before it. A rate so small that the params' last digits hide
 * the step leaves elements unresolved, not wrong.
 *
 * @example step_check
 *     gpf_graph *g = gpf_graph_alloc();
 *     gpf_node w = gpf_param(g, "w", gpf_shape1(2));
 *     gpf_node loss = gpf_sum(g, gpf_square(g, w), GPF_ALL_AXES);
 *     gpf_point *at = gpf_point_alloc(g, 0);
 *     double *theta = gpf_point_params(at)->data, after[2];
 *     theta[0] = 1, theta[1] = -3;
 *     after[0] = theta[0] - 0.1 * 2 * theta[0];
 *     after[1] = theta[1] - 0.1 * 2 * after[0]; // should be theta[1]
 *     gpf_check *c = gpf_step_check_alloc(g, loss, &w, 1, after, 0.1, 0, 1, NULL);
 *     gpf_check_run(c, at, NULL, NULL);
 *     assert(gpf_check_element(c, 0)->verdict == GPF_RIGHT);
 *     assert(gpf_check_element(c, 1)->verdict == GPF_WRONG);
 *     gpf_check_free(c);
 *     gpf_point_free(at);
 *     gpf_graph_free(g);
 * @end
 *
 * Extends the graph by the step. Errors as of gpf_check_alloc; GSL_EDOM for a rate that is not above
 * 0, GPF_EDATA for an x that is no param. */
GPF_API gpf_check *gpf_step_check_alloc(gpf_graph *g, gpf_node loss, const gpf_node *xs, size_t n,
                                        const double *after, double rate, size_t N,
                                        unsigned long seed, gpf_diag *why);

/* Archives: named tensors and text entries, in memory and in files.
 *
 *   .npz           what numpy.load reads: a zip of .npy, float64, C order; entries as the byte array
 *                  __metadata__ of JSON
 *   .safetensors   F64; entries in __metadata__
 *
 * Reading knows the format by its content, takes F64, F32, F16, BF16, bool and integers (as doubles),
 * npy in both orders and both byte orders, and refuses what does not add up before it takes memory
 * for it. Numbers come back to the bit, and equal archives are equal files. Names are any UTF-8 without
 * control characters, but for __metadata__; tensors have 0 to 4 axes and at least one element.
 *
 * @example archive
 *     double x[] = { 1, 2, 3, 4, 5, 6 };
 *     gpf_archive *a = gpf_archive_alloc(), *b;
 *     gpf_archive_add(a, "W", gpf_shape2(2, 3), x);
 *     gpf_archive_set(a, "author", "somebody");
 *     assert(gpf_archive_write(a, "example.npz", NULL) == GSL_SUCCESS);
 *     b = gpf_archive_read("example.npz", NULL);
 *     assert(gpf_archive_find(b, "W")->values[5] == 6);
 *     gpf_archive_free(a);
 *     gpf_archive_free(b);
 *     remove("example.npz");
 * @end
 */
typedef struct gpf_archive gpf_archive;
typedef struct gpf_array {
    const char *name;
    gpf_shape shape; /* no N */
    const double *values;
} gpf_array;
GPF_API gpf_archive *gpf_archive_alloc(void);
GPF_API void gpf_archive_free(gpf_archive *a);
/* Copies. GPF_ENAME for a second one of that name or one that is no name, GPF_ESHAPE, GPF_ELIMIT;
 * nothing is added then. */
GPF_API int gpf_archive_add(gpf_archive *a, const char *name, gpf_shape shape,
                            const double *values);
/* Replaces. GPF_ENAME, GPF_EDATA (text that is not UTF-8). */
GPF_API int gpf_archive_set(gpf_archive *a, const char *key, const char *text);
GPF_API const char *gpf_archive_get(const gpf_archive *a, const char *key); /* NULL: none */
/* By name, NULL if there is none; by index in order of addition, NULL past the end. Valid until the next
 * one is added. */
GPF_API const gpf_array *gpf_archive_find(const gpf_archive *a, const char *name);
GPF_API const gpf_array *gpf_archive_at(const gpf_archive *a, size_t i);
/* The format by the ending of the name: .npz or .safetensors; other endings are GPF_ENAME. Writes
 * path.tmp in the same folder, flushes it to the disk, renames it: at any moment there is the old file
 * or the whole new one, and one that cannot be written leaves the old one (GPF_EFILE). A link is
 * followed, the mode of an old file is kept; what is not a regular file is not replaced. Of several
 * writers each waits for its turn; a path.tmp that a killed one has left is replaced. */
GPF_API int gpf_archive_write(const gpf_archive *a, const char *path, gpf_diag *why);
/* NULL on failure: GPF_EFILE, GPF_EDATA with what is wrong where, GPF_ELIMIT, GSL_ENOMEM. */
GPF_API gpf_archive *gpf_archive_read(const char *path, gpf_diag *why);
/* 1 if the file begins as one of the two formats do. */
GPF_API int gpf_archive_is(const char *path);
/* A file of your own written in the same way: at any moment there is the old one or the whole new one.
 * write: 0, or not 0 with errno set. GPF_EFILE. */
GPF_API int gpf_file_replace(const char *path, int (*write)(void *arg, FILE *to), void *arg,
                             gpf_diag *why);

/* The params of a graph (theta: all of them, of stride 1, else GSL_EBADLEN through GSL_ERROR) to and
 * from a file, as the two above. Reading wants every param of the graph with its shape (GPF_ENAME,
 * GPF_ESHAPE) and changes theta only where it finds them; more is ignored (optimiser state in a
 * checkpoint). */
GPF_API int gpf_params_write(const gpf_graph *g, const gsl_vector *theta, const char *path,
                             gpf_diag *why);
GPF_API int gpf_params_read(const gpf_graph *g, gsl_vector *theta, const char *path, gpf_diag *why);

/* Health: can this net learn?
 *
 * A layer is what the graph shows to be one: an affine node z = x @ W + b (or W @ x + b: units may be
 * rows) with a param W, and the value a(z) that later layers multiply with their weights. Nothing is
 * known of activations but their slopes a'(z), which the graph derives. Slopes are not judged where
 * a mixes elements of z (softmax, normalisation).
 *
 * @example health
 *     gpf_graph *g = gpf_graph_alloc();
 *     gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 1));
 *     gpf_node h = gpf_dense(g, "h", X, 2, gpf_relu), y = gpf_dense(g, "y", h, 1, NULL);
 *     gpf_node loss = gpf_sum(g, gpf_square(g, y), GPF_ALL_AXES);
 *     double x[] = { 1, 2, 3 }, theta[] = { 1, -1, 0, 0, 1, 1, 0 }; // h.W, h.b, y.W, y.b
 *     gpf_point *at = gpf_point_alloc(g, 3);
 *     gpf_point_bind(at, X, x);
 *     memcpy(gpf_point_params(at)->data, theta, sizeof theta);
 *     gpf_health *net = gpf_health_alloc(g, loss, 3, NULL, 0.01, NULL);
 *     gpf_health_run(net, at);
 *     assert(gpf_health_layer(net, 0)->dead == 1 && gpf_health_layer(net, 0)->unit[1].off == 1);
 *     assert(gpf_health_n_findings(net) == 1);
 *     assert(gpf_health_finding(net, 0)->kind == GPF_DEAD_UNIT);
 *     gpf_health_free(net);
 *     gpf_point_free(at);
 *     gpf_graph_free(g);
 * @end
 */
typedef enum gpf_finding_kind {
    GPF_DEAD_UNIT,       /* a'(z) = 0 for every sample */
    GPF_NEARLY_DEAD,     /* a(z) = a'(z) = 0 for 95 % of them or more. A finding only where nearly
                            all units of a layer are: a unit that is seldom on is what relu is for */
    GPF_SATURATED,       /* |a'(z)| < 0.01 for 95 % of them or more: a finding for a quarter of a
                            layer, in a net whose prediction does not follow the target */
    GPF_IDENTICAL_UNITS, /* units that compute the same, come from equal weights and lead to equal
                            ones, or all units of a layer of rank 1: they stay so for ever */
    GPF_NO_GRADIENT,     /* a param, or some of its columns, with a gradient of exactly 0: why */
    GPF_VANISHING,       /* the gradient shrinks from layer to layer */
    GPF_EXPLODING,       /* gradient or activations grow from layer to layer */
    GPF_LARGE_STEP,      /* a step at the learning rate changes a param by a large part of itself */
    GPF_TINY_STEP,
    GPF_CONSTANT, /* the prediction is the same for every sample */
    GPF_NOT_FINITE,
    GPF_N_FINDINGS
} gpf_finding_kind;
/* "dead unit", ...; what usually helps against it. Static storage. */
GPF_API const char *gpf_finding_name(gpf_finding_kind k);
GPF_API const char *gpf_finding_help(gpf_finding_kind k);

typedef struct gpf_finding {
    gpf_finding_kind kind;
    int layer;        /* -1: none in particular */
    gpf_node node;    /* what it is about: the activation, the param, the prediction */
    size_t n_units;   /* how many units or columns; 0: the whole */
    const char *help; /* what usually helps against this one. Static storage */
    char text[256];   /* one line: "units 1 and 3 of h1 are off for all 200 samples" */
} gpf_finding;

typedef struct gpf_unit {
    double off;             /* part of the samples with slope 0 */
    double silent;          /* part of them with slope 0 where a is 0 too: relu, not tanh far out */
    double saturated;       /* part of the samples with a slope that is small or 0 */
    double mean, deviation; /* of a over the samples */
    int twin;               /* the first unit that computes the same, or itself */
} gpf_unit;

typedef struct gpf_layer {
    gpf_node z, a, weight, bias; /* bias: GPF_NONE if there is none; a = z without activation */
    char name[64]; /* for people: a's, or "relu(z1)", or "layer W1" where neither a nor z has one */
    size_t units, samples;
    int hidden;           /* 1: later weights multiply what comes of a */
    int sloped;           /* 1: a hidden a that is elementwise in z, so that units can be off */
    const gpf_unit *unit; /* units of them; borrowed */
    size_t dead, nearly, saturated, distinct; /* numbers of units */
    size_t rank; /* of the weights, numerically; (size_t)-1 where both their sizes are above 256 or
                    one is above 4096: not computed */
    double activation;                   /* root mean square of a */
    double gradient;                     /* norm of d loss/d z */
    double weight_gradient, weight_norm; /* norms of d loss/d W and W */
    double ratio;                        /* of a step: rate * weight_gradient / weight_norm */
} gpf_layer;

typedef struct gpf_health gpf_health;
/* For a loss at batch size N. Extends the graph. task may be NULL; rate: for the size of a step, NaN:
 * not judged. NULL with the reason in *why: GPF_ENOTHING without params, the graph's error,
 * GPF_ELIMIT, GSL_ENOMEM. */
GPF_API gpf_health *gpf_health_alloc(gpf_graph *g, gpf_node loss, size_t N, const gpf_task *task,
                                     double rate, gpf_diag *why);
GPF_API void gpf_health_free(gpf_health *h);
/* At a point of batch size N. Codes as of gpf_plan_run; the point is not needed afterwards. */
GPF_API int gpf_health_run(gpf_health *h, const gpf_point *at);
GPF_API double gpf_health_loss(const gpf_health *h); /* its value; NaN before a run */
GPF_API gpf_node gpf_health_output(const gpf_health *h);
GPF_API size_t gpf_health_n_layers(const gpf_health *h); /* from the input on */
GPF_API const gpf_layer *gpf_health_layer(const gpf_health *h, size_t i);
GPF_API size_t gpf_health_n_findings(const gpf_health *h); /* 0: healthy; worst first */
GPF_API const gpf_finding *gpf_health_finding(const gpf_health *h, size_t i);
GPF_API double gpf_health_dead(const gpf_health *h); /* part of the hidden units that is dead */
GPF_API const gpf_graph *gpf_health_graph(const gpf_health *h);
/* That of the loop, if its settings ask for it; NULL before the first evaluation. */
GPF_API const gpf_health *gpf_train_health(const gpf_train *t);

#ifdef __cplusplus
}
#endif
#endif
