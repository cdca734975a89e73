/* GSL's callbacks: is a derivative you wrote right; and a graph as such a callback.
 *
 * GSL has seven structures that carry derivatives, and believes all of them. One call here compares
 * the derivatives in a structure with differences of its own function, entry by entry, with the
 * verdicts of check.h; looks at how it behaves (the same value when asked twice and after other
 * calls, all of its output written and nothing else); and says in words what is wrong.
 *
 *   structure                     what is checked, against what
 *   gsl_function_fdf              df: f'; fdf: f and df
 *   gsl_multimin_function_fdf     df: the gradient; fdf: f and df
 *   gsl_multiroot_function_fdf    df: J, row i = function i; fdf: f and df
 *   gsl_multifit_function_fdf     df: J (the old interface, gsl_multifit_nlin.h); fdf: f and df
 *   gsl_multifit_nlinear_fdf      df: J without weights, GSL applies them; fvv: d2 f(x + s v)/ds2
 *   gsl_multilarge_nlinear_fdf    df: J u, J' u, the lower half of J'J; fvv
 *   gsl_odeiv2_system             jacobian: dfdy, row-major dim x dim, and dfdt
 *
 * How an entry is judged: columns of the Jacobian are differenced for all rows at once, by GSL's
 * adaptive five-point rule and its error estimate, with steps scaled to each variable, inside the
 * bounds, and with the noise of f measured at the point (differences of several orders at nearby
 * points; J. J. More and S. M. Wild, Estimating computational noise, SIAM J. Sci. Comput. 33, 2011).
 * A callback says nothing of its kinks: they are inferred from one-sided slopes and from how the gap
 * depends on the step, and the report says so.
 *
 * The structure's functions are only called from inside gpf_check_..., on the calling thread, with
 * copies of x; its counters (nevalf, ..) are left alone. What they do with GSL's error handler is
 * their affair: this library calls none for what a callback returns.
 */
#ifndef GPF_GSL_H
#define GPF_GSL_H

#include <gradproof/check.h>
#include <gsl/gsl_math.h>
#include <gsl/gsl_multifit_nlin.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <gsl/gsl_multilarge_nlinear.h>
#include <gsl/gsl_multimin.h>
#include <gsl/gsl_multiroots.h>
#include <gsl/gsl_odeiv2.h>
#include <gsl/gsl_spmatrix.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How to check. Everything is optional; vectors are borrowed for the call. */
typedef struct gpf_fdf_options {
    const gsl_vector *lo, *hi; /* f is called only at lo <= x <= hi; NULL: no bounds. Infinities are
                                  allowed; lo = hi keeps a variable fixed and unchecked */
    const gsl_vector *scale;   /* typical size of each variable, > 0, for the steps; NULL: from x */
    const gsl_spmatrix *pattern; /* entries of J that may be nonzero, any format; values are not
                                    looked at. Columns without a common row are differenced together;
                                    that the others are zero is checked too. NULL: all. Not used by
                                    the fast mode, whose directions do not get cheaper by it */
    const gsl_vector *weights; /* of the residuals, as given to gsl_multifit_nlinear_winit: only to
                                  recognise where they were applied again */
    const char *const *names;  /* of the variables, for texts; NULL: x[0], x[1], .. */
    size_t max_failures;       /* stop once that many entries are wrong; 0: never */
    unsigned long seed;        /* of directions */
    int fast;                  /* 1: random directions, see gpf_fdf_part */
    int (*progress)(void *arg, size_t done, size_t total); /* as in gpf_check_options */
    void *progress_arg;
} gpf_fdf_options;

GPF_API gpf_fdf_options gpf_fdf_defaults(void);

/* A finished check; owned by the caller, who frees it. It keeps nothing of the structure but what
 * was found. */
typedef struct gpf_fdf gpf_fdf;
GPF_API void gpf_fdf_free(gpf_fdf *c);

/* One call for each structure. x has n elements (odeiv2: dim; y is the state at time t).
 *
 * NULL and the reason in *why (may be NULL): GSL_EINVAL for a structure without f or without any
 * derivative, lo > hi, x outside of them or not finite; GSL_EBADLEN for a vector or pattern of the
 * wrong size; GPF_ENOTHING for n = 0 or nothing free; GPF_ELIMIT for a Jacobian larger than a
 * sixteenth of the memory (the fast mode needs none); GSL_ENOMEM. That f itself fails or is not
 * finite is an outcome. GPF_ECANCEL by progress is one, too: gpf_fdf_stopped. */
GPF_API gpf_fdf *gpf_check_function_fdf(const gsl_function_fdf *f, double x,
                                        const gpf_fdf_options *how, gpf_diag *why);
GPF_API gpf_fdf *gpf_check_multimin_fdf(const gsl_multimin_function_fdf *f, const gsl_vector *x,
                                        const gpf_fdf_options *how, gpf_diag *why);
GPF_API gpf_fdf *gpf_check_multiroot_fdf(const gsl_multiroot_function_fdf *f, const gsl_vector *x,
                                         const gpf_fdf_options *how, gpf_diag *why);
GPF_API gpf_fdf *gpf_check_multifit_fdf(const gsl_multifit_function_fdf *f, const gsl_vector *x,
                                        const gpf_fdf_options *how, gpf_diag *why);
GPF_API gpf_fdf *gpf_check_multifit_nlinear_fdf(const gsl_multifit_nlinear_fdf *f,
                                                const gsl_vector *x, const gpf_fdf_options *how,
                                                gpf_diag *why);
GPF_API gpf_fdf *gpf_check_multilarge_nlinear_fdf(const gsl_multilarge_nlinear_fdf *f,
                                                  const gsl_vector *x, const gpf_fdf_options *how,
                                                  gpf_diag *why);
/* lo, hi, scale and names are those of y, then of t. */
GPF_API gpf_fdf *gpf_check_odeiv2(const gsl_odeiv2_system *f, double t, const double *y,
                                  const gpf_fdf_options *how, gpf_diag *why);

/* The same by name, for callers that know the structure only at run time: rows of the seven, in the
 * order above. */
typedef struct gpf_fdf_kind gpf_fdf_kind;
GPF_API const gpf_fdf_kind *gpf_fdf_kind_at(size_t i);             /* NULL past the end */
GPF_API const gpf_fdf_kind *gpf_fdf_kind_find(const char *name);   /* "multimin"; NULL: unknown */
GPF_API const char *gpf_fdf_kind_name(const gpf_fdf_kind *k);      /* function, multimin, multiroot,
                                               multifit, multifit_nlinear, multilarge_nlinear, odeiv2 */
GPF_API const char *gpf_fdf_kind_structure(const gpf_fdf_kind *k); /* "gsl_multimin_function_fdf" */
/* Variables and values of a structure of that kind. Variables of odeiv2: dim + 1, t the last. */
GPF_API size_t gpf_fdf_kind_variables(const gpf_fdf_kind *k, const void *structure);
GPF_API size_t gpf_fdf_kind_values(const gpf_fdf_kind *k, const void *structure);
/* structure: of that kind, e.g. a const gsl_multimin_function_fdf *. x: its variables. */
GPF_API gpf_fdf *gpf_check_fdf(const gpf_fdf_kind *kind, const void *structure, const gsl_vector *x,
                               const gpf_fdf_options *how, gpf_diag *why);

/* What was checked, part by part, in this order where the structure has them:
 *   "df", "J", "J u" or "dfdy"  rows = values, columns = variables    against differences of f
 *   "dfdt"                      odeiv2: dim x 1                         against differences of f
 *   "fdf"                       f and df at once: rows = values, columns = 1 + variables; the first
 *                               column is f                             against f and df themselves
 *   "J' u"                      multilarge: 1 x variables, a random u   against J: the columns J e_j
 *   "J'J"                       multilarge: variables x variables, the  where they are right, the
 *                               lower half                              differences where not
 *   "fvv"                       values x 1, in a random direction v     against differences of J v
 *                               or, if J is wrong or missing, second differences of f
 * Elements are gpf_element (check.h): tensor = part, k = row * columns + column, value = the
 * variable. The numeric value is what it was compared with. Parts compared exactly have the rounding
 * of a sum as their error. kink.n_changed is 0: a kink verdict is inferred. */
typedef struct gpf_fdf_part {
    const char *name; /* static */
    size_t rows, cols;
    gpf_tally tally;
    size_t total; /* entries checked or proven; those outside a pattern count */
    /* In the fast mode, for the first part and dfdt, as gpf_block by directions of x; for the other
     * parts, and otherwise, directions = 0. */
    gpf_block block;
} gpf_fdf_part;

GPF_API size_t gpf_fdf_n_parts(const gpf_fdf *c);
GPF_API const gpf_fdf_part *gpf_fdf_part_at(const gpf_fdf *c, size_t i);
GPF_API size_t gpf_fdf_n_elements(const gpf_fdf *c); /* ordered by part, row, column */
GPF_API const gpf_element *gpf_fdf_element(const gpf_fdf *c, size_t i);
/* The explanations (check.h): faults first. */
GPF_API size_t gpf_fdf_n_explanations(const gpf_fdf *c);
GPF_API const gpf_explanation *gpf_fdf_explanation(const gpf_fdf *c, size_t i);
/* WRONG: an entry is wrong or an explanation is a fault; UNTESTED: none is, but one is a doubt, or a
 * part has no entry right or at a kink; but dfdt and fvv may be 0 = 0 in every entry, as they are
 * where f does not depend on t or is linear. */
GPF_API gpf_outcome gpf_fdf_outcome(const gpf_fdf *c);
GPF_API const gpf_fdf_kind *gpf_fdf_kind_of(const gpf_fdf *c);
GPF_API const gsl_vector *gpf_fdf_x(const gpf_fdf *c);            /* where; owned by c */
GPF_API const char *gpf_fdf_variable(const gpf_fdf *c, size_t j); /* its name; odeiv2's last is t */
/* f there: gpf_fdf_kind_values numbers, NaN where it failed. */
GPF_API const double *gpf_fdf_values(const gpf_fdf *c);
/* Calls that were made of each function of the structure. */
typedef struct gpf_fdf_calls {
    size_t f, df, fdf, fvv;
} gpf_fdf_calls;
GPF_API gpf_fdf_calls gpf_fdf_n_calls(const gpf_fdf *c);
GPF_API int gpf_fdf_stopped(const gpf_fdf *c); /* 1: by progress or max_failures, before its end */
/* Element i's name: "J[3,1]", "df[2]", "dfdt[0]", "fdf f[3]". Returns buf. */
GPF_API char *gpf_fdf_label(const gpf_fdf *c, size_t i, char *buf, size_t size);

/* The other direction: a graph as a function of GSL.
 *
 * y's elements, row-major, as functions of the elements of xs, one after another. The values of
 * everything else, also of params that are not among the xs, are read from `at` at every call:
 * bind other data, and the function is one of these. The derivatives are graphs, planned when a
 * structure is first asked for; after that, no call allocates, and the graph itself is not needed. x
 * is read in place where it can be (all params in the graph's order, stride 1), results go straight
 * into GSL's vectors and matrices, of any stride and tda.
 *
 * GSL's callbacks may return void: a call that fails, say because data are not bound, writes NaN to
 * all its outputs, and the first status is kept. Those that return a status return it too; those of
 * odeiv2 return GSL_EBADFUNC, on which GSL gives up at once.
 *
 * @example gsl
 *     gpf_graph *g = gpf_graph_alloc();
 *     gpf_node w = gpf_param(g, "w", gpf_shape1(3)), one = gpf_const(g, 1);
 *     gpf_node f = gpf_sum(g, gpf_square(g, gpf_sub(g, w, one)), GPF_ALL_AXES);
 *     gpf_point *at = gpf_point_alloc(g, 0);
 *     gpf_gsl *a = gpf_gsl_alloc(g, f, &w, 1, at, NULL);
 *     gsl_multimin_function_fdf func;
 *     assert(gpf_gsl_multimin(a, &func, NULL) == GSL_SUCCESS && func.n == 3);
 *     gsl_vector *x = gsl_vector_calloc(3), *df = gsl_vector_alloc(3);
 *     double value;
 *     func.fdf(x, func.params, &value, df);
 *     assert(value == 3 && gsl_vector_get(df, 2) == -2);
 *     gsl_vector_free(df);
 *     gsl_vector_free(x);
 *     gpf_gsl_free(a);
 *     gpf_point_free(at);
 *     gpf_graph_free(g);
 * @end
 *
 * Threads: one gpf_gsl belongs to one thread at a time; any number may share a graph that no longer
 * grows (ask for the structures first) and a point. */
typedef struct gpf_gsl gpf_gsl;

/* xs: params or data leaves, each once; NULL with n = 0: all params. Extends the graph when a
 * structure is asked for, also by data leaves that nobody has to bind (gpf.dot.<name>,
 * gpf.bar.<name>). at is borrowed and must outlive it; its batch size is that of the function. NULL
 * with *why: the graph's error, GPF_ENOTHING without variables, GPF_EUNBOUND if the point is older
 * than a leaf that y needs, GSL_EINVAL for what is no variable or another graph's point, GSL_EBADLEN
 * for a point without a batch size, GPF_ELIMIT, GSL_ENOMEM. */
GPF_API gpf_gsl *gpf_gsl_alloc(gpf_graph *g, gpf_node y, const gpf_node *xs, size_t n,
                               const gpf_point *at, gpf_diag *why);
GPF_API void gpf_gsl_free(gpf_gsl *a);
GPF_API size_t gpf_gsl_variables(const gpf_gsl *a);
GPF_API size_t gpf_gsl_values(const gpf_gsl *a);

/* Fill in a structure whose params is a; it is valid as long as a is. GPF_ENOGRAD where an op has
 * no rule; GPF_ESHAPE where y or the xs have the wrong size: function 1 and 1, multimin 1 value,
 * multiroot and odeiv2 as many values as variables. J is filled by forward sweeps, one for each
 * variable, or reverse ones, one for each value, whichever are less work (or have their rules); up
 * to 256 of them share what they have in common. multilarge multiplies by J and J' without forming
 * it, and does so for J'J unless J is small (a million entries). fvv is a second forward sweep; it is NULL, on which GSL takes differences, where
 * a rule of an op has no rule itself. */
GPF_API int gpf_gsl_function(gpf_gsl *a, gsl_function_fdf *f, gpf_diag *why);
GPF_API int gpf_gsl_multimin(gpf_gsl *a, gsl_multimin_function_fdf *f, gpf_diag *why);
GPF_API int gpf_gsl_multiroot(gpf_gsl *a, gsl_multiroot_function_fdf *f, gpf_diag *why);
GPF_API int gpf_gsl_multifit(gpf_gsl *a, gsl_multifit_function_fdf *f, gpf_diag *why);
GPF_API int gpf_gsl_multifit_nlinear(gpf_gsl *a, gsl_multifit_nlinear_fdf *f, gpf_diag *why);
GPF_API int gpf_gsl_multilarge_nlinear(gpf_gsl *a, gsl_multilarge_nlinear_fdf *f, gpf_diag *why);
/* t: a data leaf of one element that is the time, or GPF_NONE if the right-hand side has none. One
 * that was given cannot be changed. */
GPF_API int gpf_gsl_odeiv2(gpf_gsl *a, gpf_node t, gsl_odeiv2_system *f, gpf_diag *why);

/* The first status other than GSL_SUCCESS that a call had since the last clear. A value that is NaN
 * is none. */
GPF_API int gpf_gsl_status(const gpf_gsl *a);
GPF_API void gpf_gsl_clear(gpf_gsl *a);

#ifdef __cplusplus
}
#endif
#endif
