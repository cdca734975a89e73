/* GSL's minimisers say "iteration is not making progress towards solution" at a minimum they cannot
 * improve on, and when the gradient is wrong. Here it is wrong, the check says where, and the
 * corrected one converges.
 *   cc enoprog.c $(pkg-config --cflags --libs gradproof) -lm && ./a.out */
#include <gradproof.h>
#include <math.h>

#define N 4

/* A chain of springs of stiffness k, length 1 at rest, in a fourth-order well:
 *   E(x) = sum_i k (x[i+1] - x[i] - 1)^2 / 2 + sum_i x[i]^4 / 4 */
static double energy(const gsl_vector *x, void *params)
{
    double k = *(const double *)params, sum = 0;
    for (size_t i = 0; i < N; i++) {
        sum += pow(gsl_vector_get(x, i), 4) / 4;
        if (i + 1 < N) {
            double d = gsl_vector_get(x, i + 1) - gsl_vector_get(x, i) - 1;
            sum += k * d * d / 2;
        }
    }
    return sum;
}

/* sign: of the force on the left end of a spring. Newton says -1. */
static void forces(const gsl_vector *x, double k, double sign, gsl_vector *df)
{
    for (size_t i = 0; i < N; i++)
        gsl_vector_set(df, i, pow(gsl_vector_get(x, i), 3));
    for (size_t i = 0; i + 1 < N; i++) {
        double d = gsl_vector_get(x, i + 1) - gsl_vector_get(x, i) - 1;
        gsl_vector_set(df, i, gsl_vector_get(df, i) + sign * k * d);
        gsl_vector_set(df, i + 1, gsl_vector_get(df, i + 1) + k * d);
    }
}

static void wrong_df(const gsl_vector *x, void *params, gsl_vector *df)
{
    forces(x, *(const double *)params, +1, df);
}

static void wrong_fdf(const gsl_vector *x, void *params, double *f, gsl_vector *df)
{
    *f = energy(x, params);
    wrong_df(x, params, df);
}

static void right_df(const gsl_vector *x, void *params, gsl_vector *df)
{
    forces(x, *(const double *)params, -1, df);
}

static void right_fdf(const gsl_vector *x, void *params, double *f, gsl_vector *df)
{
    *f = energy(x, params);
    right_df(x, params, df);
}

static int minimise(gsl_multimin_function_fdf *f, const gsl_vector *start, gsl_vector *end)
{
    gsl_multimin_fdfminimizer *m =
        gsl_multimin_fdfminimizer_alloc(gsl_multimin_fdfminimizer_vector_bfgs2, N);
    gsl_multimin_fdfminimizer_set(m, f, start, 0.1, 0.1);
    int status = GSL_CONTINUE, step = 0;
    while (status == GSL_CONTINUE && step++ < 200) {
        status = gsl_multimin_fdfminimizer_iterate(m);
        if (status == GSL_SUCCESS)
            status = gsl_multimin_test_gradient(gsl_multimin_fdfminimizer_gradient(m), 1e-8);
    }
    printf("step %d, energy %.10f: %s\n\n", step, gsl_multimin_fdfminimizer_minimum(m),
           gsl_strerror(status));
    gsl_vector_memcpy(end, gsl_multimin_fdfminimizer_x(m));
    gsl_multimin_fdfminimizer_free(m);
    return status;
}

static gpf_outcome check(const gsl_multimin_function_fdf *f, const gsl_vector *x)
{
    gpf_diag why;
    gpf_fdf *c = gpf_check_multimin_fdf(f, x, NULL, &why);
    if (!c) {
        fprintf(stderr, "%s\n", why.text);
        return GPF_OUTCOME_TROUBLE;
    }
    gpf_report_fdf_text(stdout, c, NULL);
    printf("\n");
    gpf_outcome outcome = gpf_fdf_outcome(c);
    gpf_fdf_free(c);
    return outcome;
}

int main(void)
{
    double stiffness = 2.5;
    const double start[N] = { -0.4, 0.3, 0.9, 1.7 };
    gsl_vector_const_view x = gsl_vector_const_view_array(start, N);
    gsl_vector *end = gsl_vector_alloc(N);
    gsl_multimin_function_fdf f;
    f.f = energy;
    f.n = N;
    f.params = &stiffness;

    f.df = wrong_df;
    f.fdf = wrong_fdf;
    int stuck = minimise(&f, &x.vector, end) == GSL_ENOPROG;
    int found = check(&f, end) == GPF_OUTCOME_WRONG;

    f.df = right_df;
    f.fdf = right_fdf;
    int clean = check(&f, end) == GPF_OUTCOME_RIGHT;
    int minimum = minimise(&f, &x.vector, end) == GSL_SUCCESS;
    gsl_vector_free(end);
    return stuck && found && clean && minimum ? 0 : 1;
}
