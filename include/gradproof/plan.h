/* Values: points, plans, workspaces, damage.
 *
 * A point gives values to the leaves. A plan is the schedule that computes some outputs of a
 * graph at one batch size: immutable, independent of the graph once made, shareable between
 * threads. A workspace is the memory of one thread running it. After the workspace exists, an
 * evaluation allocates nothing.
 *
 * Layout is the plan's affair: inside, samples are the fast axis, so that layers of a few units
 * fill vectors too; what goes in and out is row-major, samples in rows. Consecutive elementwise ops
 * run together, strip by strip in the L1 cache; values that only they read are never stored.
 *
 * Threads: an evaluation runs on the thread that calls it. Only large matrix products use more, and
 * those are the CBLAS's own (OPENBLAS_NUM_THREADS, or what it calls its variable): a second pool
 * beside it would fight for the cores, and all that is elementwise in a step of a large net takes
 * less time than waking threads up. To use the cores on small nets, run one workspace per thread on
 * samples of its own. The thread knob of a check is gpf_check_options.threads.
 *
 * @example plan
 *     gpf_graph *g = gpf_graph_alloc();
 *     gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 2)), w = gpf_param(g, "w", gpf_shape2(2, 1));
 *     gpf_node f = gpf_sum(g, gpf_matmul(g, X, w), GPF_ALL_AXES), out[2] = { f, GPF_NONE };
 *     gpf_grad(g, f, &w, 1, &out[1]);
 *     double rows[] = { 1, 2, 3, 4, 5, 6 }; // three samples
 *     gpf_point *at = gpf_point_alloc(g, 3);
 *     gpf_point_bind(at, X, rows);
 *     gsl_vector_set_all(gpf_point_params(at), 0.5);
 *     gpf_plan *plan = gpf_plan_alloc(g, out, 2, 3);
 *     gpf_workspace *ws = gpf_workspace_alloc(plan);
 *     assert(gpf_plan_run(plan, ws, at) == GSL_SUCCESS);
 *     assert(gpf_workspace_output(ws, 0)[0] == 10.5);
 *     assert(gpf_workspace_output(ws, 1)[0] == 9 && gpf_workspace_output(ws, 1)[1] == 12);
 *     gpf_workspace_free(ws);
 *     gpf_plan_free(plan);
 *     gpf_point_free(at);
 *     gpf_graph_free(g);
 * @end
 */
#ifndef GPF_PLAN_H
#define GPF_PLAN_H

#include <gradproof/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A point: the batch size N, all params in one gsl_vector (zeros at first), and for each data
 * leaf a pointer to its values. Owned by the caller. A point made before leaves were added to its
 * graph does not know them. Threads: read-only sharing is safe. */
typedef struct gpf_point gpf_point;
GPF_API gpf_point *gpf_point_alloc(const gpf_graph *g, size_t N);
GPF_API void gpf_point_free(gpf_point *p);
/* The params, in the graph's order; borrowed from the point, write it freely. NULL if the graph
 * has none (GSL has no empty vectors). */
GPF_API gsl_vector *gpf_point_params(const gpf_point *p);
/* Borrows `values` (row-major, N rows where the shape says N) until rebound: they must stay
 * valid. GPF_ENAME if the node is not a data leaf the point knows. */
GPF_API int gpf_point_bind(gpf_point *p, gpf_node data, const double *values);
GPF_API const double *gpf_point_values(const gpf_point *p, gpf_node leaf); /* NULL: unbound */
GPF_API size_t gpf_point_batch(const gpf_point *p);

/* A plan for n outputs at batch size N (N = 0 where no shape has an N). Outputs may repeat and
 * may be leaves. NULL on failure: GPF_ELIMIT for a tensor of more than GPF_MAX_ELEMENTS or values
 * that take more than a sixteenth of the machine's memory, GSL_ENOMEM, or the graph's own error,
 * through GSL_ERROR. The graph may be extended or freed afterwards. */
typedef struct gpf_plan gpf_plan;
GPF_API gpf_plan *gpf_plan_alloc(const gpf_graph *g, const gpf_node *outputs, size_t n, size_t N);
GPF_API void gpf_plan_free(gpf_plan *p);
/* Doubles of buffer a workspace of this plan needs; steps it runs. */
GPF_API size_t gpf_plan_memory(const gpf_plan *p);
GPF_API size_t gpf_plan_steps(const gpf_plan *p);

/* One thread's memory for a plan, one aligned block. Must not outlive the plan. */
typedef struct gpf_workspace gpf_workspace;
GPF_API gpf_workspace *gpf_workspace_alloc(const gpf_plan *p);
GPF_API void gpf_workspace_free(gpf_workspace *ws);

/* Evaluates the outputs at a point. Allocates nothing. GPF_EUNBOUND if a needed data leaf has no
 * values, GSL_EBADLEN if the point has another batch size. */
GPF_API int gpf_plan_run(const gpf_plan *p, gpf_workspace *ws, const gpf_point *at);

/* Output i of the last run, row-major, borrowed from the workspace until the next run. Outputs
 * lie one after another in the order asked for, without gaps: gradients of all params, asked for
 * in order, are one vector. NULL before the first run or if i is no output. */
GPF_API const double *gpf_workspace_output(const gpf_workspace *ws, size_t i);
GPF_API size_t gpf_plan_output_size(const gpf_plan *p, size_t i);
GPF_API gpf_shape gpf_plan_output_shape(const gpf_plan *p, size_t i); /* N replaced by its value */

/* Damage: what a finite difference needs.
 *
 * Evaluates a one-element y again and again with one element of one tensor changed, recomputing
 * only what lies downstream of it, in an overlay: the base values stay untouched and are shared by
 * all threads. Any node may be a target, also an intermediate one. */
typedef struct gpf_damage gpf_damage;
typedef struct gpf_overlay gpf_overlay;

/* For y (one element) and the targets xs. NULL on failure, as gpf_plan_alloc. */
GPF_API gpf_damage *gpf_damage_alloc(const gpf_graph *g, gpf_node y, const gpf_node *xs, size_t n,
                                     size_t N);
GPF_API void gpf_damage_free(gpf_damage *d);
/* Sets the base point and evaluates there; *y may be NULL. No overlay may be in use meanwhile, and
 * the point and the data bound to it must not change until no overlay is used any more. */
GPF_API int gpf_damage_base(gpf_damage *d, const gpf_point *at, double *y);
/* Base values of target i, row-major; its size. */
GPF_API const double *gpf_damage_target(const gpf_damage *d, size_t i);
GPF_API size_t gpf_damage_target_size(const gpf_damage *d, size_t i);
/* 1 if y depends on target i at all. */
GPF_API int gpf_damage_depends(const gpf_damage *d, size_t i);
/* The oldest node whose base value is not finite, GPF_NONE if all are; *element may be NULL. */
GPF_API gpf_node gpf_damage_nonfinite(const gpf_damage *d, size_t *element);

/* One thread's overlay. Must not outlive the damage object. */
GPF_API gpf_overlay *gpf_overlay_alloc(const gpf_damage *d);
GPF_API void gpf_overlay_free(gpf_overlay *o);

/* A branch record: an element of a piecewise op that is on another smooth piece than at the base
 * point. Sides as in gpf_op: even = piece, odd = exactly on an edge. */
typedef struct gpf_branch {
    size_t n_changed; /* elements on another piece than at the base; 0: none, the rest is unset */
    gpf_node node;    /* of the changed element that was nearest to its edge at the base */
    size_t element;   /* row-major index into that node */
    int base, side;
    double margin;                /* distance of the op's input from the edge, at the base */
    int tie;                      /* 1 if some changed element was exactly on an edge at the base */
    unsigned long long signature; /* of all changes together; equal for equal changes, 0 for none */
} gpf_branch;

/* y with element k of target i changed by t[0], .., t[m-1], one value each, into f[0..m-1]. b: m
 * branch records, or NULL. Allocates nothing; the same result on any thread. */
GPF_API int gpf_overlay_values(gpf_overlay *o, size_t i, size_t k, const double *t, size_t m,
                               double *f, gpf_branch *b);
/* Side of one element of a piecewise node at the last point evaluated with a branch record, if the
 * target has not changed since; GSL_EINVAL if the node has none. */
GPF_API int gpf_overlay_side(gpf_overlay *o, gpf_node node, size_t element, int *side);

#ifdef __cplusplus
}
#endif
#endif
