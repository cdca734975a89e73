/* Training: optimiser updates.
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

#include <gradproof/plan.h>

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

#ifdef __cplusplus
}
#endif
#endif
