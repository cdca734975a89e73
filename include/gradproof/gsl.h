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
 * In a program one line is enough (require.h): it is silent where all is right, and else prints the
 * report and exits, or fails the unit test it stands in. Or take the check and look into it:
 *
 * @example callback
 *     #include <gradproof.h>
 *
 *     // f(x) = sum_i (x_i^2 - i)^2
 *     static double my_f(const gsl_vector *x, void *p)
 *     {
 *         double sum = 0;
 *         (void)p;
 *         for (size_t i = 0; i < x->size; i++) {
 *             const double xi = gsl_vector_get(x, i);
 *             sum += gsl_pow_2(xi * xi - (double)i);
 *         }
 *         return sum;
 *     }
 *
 *     static void my_df(const gsl_vector *x, void *p, gsl_vector *g)
 *     {
 *         (void)p;
 *         for (size_t i = 0; i < x->size; i++) {
 *             const double xi = gsl_vector_get(x, i);
 *             gsl_vector_set(g, i, 4 * xi * (xi * xi - (double)i));
 *         }
 *     }
 *
 *     static void my_fdf(const gsl_vector *x, void *p, double *f, gsl_vector *g)
 *     {
 *         *f = my_f(x, p);
 *         my_df(x, p, g);
 *     }
 *
 *     int main(void)
 *     {
 *         gsl_multimin_function_fdf my = { my_f, my_df, my_fdf, 3, NULL };
 *         const double here[] = { 0.7, -1.3, 2.2 };
 *         gsl_vector_const_view x = gsl_vector_const_view_array(here, 3);
 *
 *         GPF_REQUIRE_GRADIENT(multimin, &my, &x.vector);
 *
 *         gpf_diag why;
 *         gpf_fdf *c = gpf_check_multimin_fdf(&my, &x.vector, NULL, &why);
 *         if (!c) {
 *             fprintf(stderr, "%s\n", why.text);
 *             return GPF_OUTCOME_TROUBLE;
 *         }
 *         gpf_report_fdf_text(stdout, c, NULL);
 *         gpf_outcome outcome = gpf_fdf_outcome(c);
 *         gpf_fdf_free(c);
 *         return (int)outcome;
 *     }
 * @end
 *
 * Where to check: at a point without symmetry, zeros or minimum, where no term vanishes, and again
 * where a solver stopped: a minimiser that stops with GSL_ENOPROG is at a minimum or has a wrong
 * gradient, and only a check tells which. At the minimum itself a right gradient may be unresolved,
 * as it is nothing but rounding. One point shows nothing of branches it does not take.
 *
 * How an entry is judged: columns of the Jacobian are differenced for all rows at once, by GSL's
 * adaptive five-point rule and its error estimate, with steps scaled to each variable, inside the
 * bounds, and with the noise of f measured at the point (differences of several orders at nearby
 * points; J. J. More and S. M. Wild, Estimating computational noise, SIAM J. Sci. Comput. 33,
 * 2011). A callback says nothing of its kinks: they are inferred from one-sided slopes and from how
 * the gap depends on the step, and the report says so.
 *
 * What it costs where all is right, in calls: f 4 to 10 for each column (or group of a pattern; the
 * fast mode: some 50 in all) and some 20 for its behaviour and noise; df 6, fdf 8, and with both df
 * 8; fvv 9, with 30 to 90 of df. multilarge's J is n calls of df. A column whose rows need
 * different steps takes up to some 40, and what is wrong, noisy or kinked more.
 *
 * The structure's functions are only called from inside gpf_check_..., on the calling thread, with
 * copies of x; its counters (nevalf, ..) are left alone. What they do with GSL's error handler is
 * their affair: this library calls none for what a callback returns. Checks share nothing: any
 * number of threads may check at once, if the functions can be called so. A function that crashes
 * or hangs takes the program with it; `gradproof check --plugin' survives that and names it.
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

/* How to check. Everything is optional; vectors and names are borrowed for the call. They have an
 * element for each variable, weights one for each value.
 *
 *   lo, hi    for an f that is not defined everywhere: it is called only at lo <= x <= hi, and at a
 *             bound it is differenced to the one side. Infinities are none; lo = hi keeps a
 *             variable fixed and unchecked
 *   scale     typical sizes, > 0, in the units of the variables, for the steps. Where it matters: a
 *             variable that is 0 here but usually 1e-9 or 1e9, or known to move less than its size
 *   pattern   for a sparse J: the entries that may be nonzero, values x variables (odeiv2: dim x
 *             dim), any format; the numbers stored are not looked at. Columns without a common row
 *             are differenced together, and that all other entries are zero is checked too. Not
 *             used by the fast mode, whose directions do not get cheaper by it
 *   weights   of the residuals, as given to gsl_multifit_nlinear_winit: no result depends on them,
 *             but where f or J has them in it already, the report can say so
 *   names     of the variables, for texts */
typedef struct gpf_fdf_options {
    const gsl_vector *lo, *hi;   /* NULL: no bounds */
    const gsl_vector *scale;     /* NULL: from x */
    const gsl_spmatrix *pattern; /* NULL: all entries */
    const gsl_vector *weights;   /* NULL: not known */
    const char *const *names;    /* NULL: x[0], x[1], .. */
    size_t max_failures;         /* stop once that many entries are wrong; 0: never */
    unsigned long seed;          /* of directions */
    int fast;                    /* 1: random directions, see gpf_fdf_part */
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
GPF_API const gpf_fdf_kind *gpf_fdf_kind_at(size_t i); /* NULL past the end */
/* "multimin" or "gsl_multimin_function_fdf"; NULL: unknown */
GPF_API const gpf_fdf_kind *gpf_fdf_kind_find(const char *name);
/* function, multimin, multiroot, multifit, multifit_nlinear, multilarge_nlinear, odeiv2 */
GPF_API const char *gpf_fdf_kind_name(const gpf_fdf_kind *k);
GPF_API const char *gpf_fdf_kind_structure(const gpf_fdf_kind *k); /* "gsl_multimin_function_fdf" */
/* Variables and values of a structure of that kind. Variables of odeiv2: dim + 1, t the last. */
GPF_API size_t gpf_fdf_kind_variables(const gpf_fdf_kind *k, const void *structure);
GPF_API size_t gpf_fdf_kind_values(const gpf_fdf_kind *k, const void *structure);
/* structure: of that kind, e.g. a const gsl_multimin_function_fdf *. x: its variables. */
GPF_API gpf_fdf *gpf_check_fdf(const gpf_fdf_kind *kind, const void *structure, const gsl_vector *x,
                               const gpf_fdf_options *how, gpf_diag *why);

/* What was checked, part by part, in this order where the structure has them:
 *
 *   df, J, J u, dfdy  rows = values, columns = variables; against differences of f
 *   dfdt              odeiv2: dim x 1; against differences of f
 *   fdf               rows = values, columns = 1 + variables, the first of them f; against f and df
 *                     themselves
 *   J' u              multilarge: 1 x variables, u random; against the columns J e_j where these
 *                     are right, else against differences
 *   J'J               multilarge: variables x variables, the lower half; against the same
 *   fvv               values x 1, in a random direction v; against differences of J v or, if J is
 *                     wrong or missing, second differences of f
 *
 * Elements are gpf_element (check.h): tensor = part, k = row * columns + column, value = the
 * variable. The numeric value is what it was compared with. Parts compared exactly have the
 * rounding of a sum as their error. kink.n_changed is 0: a kink verdict is inferred. */
typedef struct gpf_fdf_part {
    const char *name; /* as above; static */
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
/* The explanations, faults first. What each means: GPF_EXPLANATION_LIST in check.h. */
GPF_API size_t gpf_fdf_n_explanations(const gpf_fdf *c);
GPF_API const gpf_explanation *gpf_fdf_explanation(const gpf_fdf *c, size_t i);
/* WRONG: an entry is wrong or an explanation is a fault; UNTESTED: none is, but one is a doubt, or
 * a part has no entry right or at a kink; but dfdt and fvv may be 0 = 0 in every entry, as they are
 * where f does not depend on t or is linear. TROUBLE: nothing is wrong so far, but it was
 * stopped. */
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
 * structure is first asked for; after that, no call allocates, and the graph itself is not needed.
 * x is read in place where it can be (all params in the graph's order, stride 1), results go
 * straight into GSL's vectors and matrices, of any stride and tda.
 *
 * GSL's callbacks may return void: a call that fails, say because data are not bound, writes NaN to
 * all its outputs, and the first status is kept. Those that return a status return it too; those of
 * odeiv2 return GSL_EBADFUNC, on which GSL gives up at once.
 *
 * @example gsl
 *     // sum_i (w_i - 1)^2 for gsl_multimin
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
 * than a leaf that y needs, GSL_EINVAL for what is no variable or another graph's point,
 * GSL_EBADLEN for a point without a batch size, GPF_ELIMIT, GSL_ENOMEM. */
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
 * it, and does so for J'J unless J is small (a million entries). fvv is a second forward sweep; it
 * is NULL, on which GSL takes differences, where a rule of an op has no rule itself. */
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
