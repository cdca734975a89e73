/* Nonlinear least squares with weights, the problem of GSL's manual: an exponential decay on a
 * background. One call proves J, which must be without the weights, before the fit relies on it.
 *   cc manual_fit.c $(pkg-config --cflags --libs gradproof) -lm && ./a.out */
#include <gradproof.h>
#include <gsl/gsl_randist.h>
#include <math.h>

#define POINTS 100
#define PARAMS 3

typedef struct measurement {
    double t[POINTS], y[POINTS];
} measurement;

/* A exp(-lambda t) + b - y */
static int residuals(const gsl_vector *x, void *params, gsl_vector *f)
{
    const measurement *m = (const measurement *)params;
    double A = gsl_vector_get(x, 0), lambda = gsl_vector_get(x, 1), b = gsl_vector_get(x, 2);
    for (size_t i = 0; i < POINTS; i++)
        gsl_vector_set(f, i, A * exp(-lambda * m->t[i]) + b - m->y[i]);
    return GSL_SUCCESS;
}

static int jacobian(const gsl_vector *x, void *params, gsl_matrix *J)
{
    const measurement *m = (const measurement *)params;
    double A = gsl_vector_get(x, 0), lambda = gsl_vector_get(x, 1);
    for (size_t i = 0; i < POINTS; i++) {
        double e = exp(-lambda * m->t[i]);
        gsl_matrix_set(J, i, 0, e);
        gsl_matrix_set(J, i, 1, -m->t[i] * A * e);
        gsl_matrix_set(J, i, 2, 1);
    }
    return GSL_SUCCESS;
}

/* sum_kl v_k v_l d2f / dx_k dx_l; only A with lambda and lambda with itself have one. */
static int second(const gsl_vector *x, const gsl_vector *v, void *params, gsl_vector *fvv)
{
    const measurement *m = (const measurement *)params;
    double A = gsl_vector_get(x, 0), lambda = gsl_vector_get(x, 1);
    double dA = gsl_vector_get(v, 0), dlambda = gsl_vector_get(v, 1);
    for (size_t i = 0; i < POINTS; i++) {
        double t = m->t[i], e = exp(-lambda * t);
        gsl_vector_set(fvv, i, e * t * dlambda * (t * A * dlambda - 2 * dA));
    }
    return GSL_SUCCESS;
}

int main(void)
{
    const double truth[PARAMS] = { 5, 1.5, 1 };
    static measurement m;
    gsl_vector *weights = gsl_vector_alloc(POINTS);
    gsl_rng *r = gsl_rng_alloc(gsl_rng_default);
    for (int i = 0; i < POINTS; i++) {
        double clean, sigma;
        m.t[i] = 3.0 * i / (POINTS - 1);
        clean = truth[0] * exp(-truth[1] * m.t[i]) + truth[2];
        sigma = 0.1 * clean;
        m.y[i] = clean + gsl_ran_gaussian(r, sigma);
        gsl_vector_set(weights, (size_t)i, 1 / (sigma * sigma));
    }
    gsl_rng_free(r);

    gsl_multifit_nlinear_fdf f;
    f.f = residuals;
    f.df = jacobian;
    f.fvv = second;
    f.n = POINTS;
    f.p = PARAMS;
    f.params = &m;

    const double start[PARAMS] = { 1, 1, 0 };
    gsl_vector_const_view x = gsl_vector_const_view_array(start, PARAMS);
    const char *names[PARAMS] = { "A", "lambda", "b" };
    gpf_fdf_options how = gpf_fdf_defaults();
    how.names = names;
    how.weights = weights;
    gpf_fdf *check = gpf_check_multifit_nlinear_fdf(&f, &x.vector, &how, NULL);
    if (!check || gpf_fdf_outcome(check) != GPF_OUTCOME_RIGHT)
        return 1;
    gpf_report_fdf_text(stdout, check, NULL);
    gpf_fdf_free(check);

    gsl_multifit_nlinear_parameters options = gsl_multifit_nlinear_default_parameters();
    gsl_multifit_nlinear_workspace *w =
        gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &options, POINTS, PARAMS);
    gsl_multifit_nlinear_winit(&x.vector, weights, &f, w);
    int info;
    int status = gsl_multifit_nlinear_driver(100, 1e-8, 1e-8, 0, NULL, NULL, &info, w);
    gsl_matrix *covariance = gsl_matrix_alloc(PARAMS, PARAMS);
    gsl_multifit_nlinear_covar(gsl_multifit_nlinear_jac(w), 0, covariance);
    printf("%s after %zu steps\n", gsl_strerror(status), gsl_multifit_nlinear_niter(w));
    int good = status == GSL_SUCCESS;
    for (size_t i = 0; i < PARAMS; i++) {
        double found = gsl_vector_get(gsl_multifit_nlinear_position(w), i);
        double error = sqrt(gsl_matrix_get(covariance, i, i));
        printf("%-6s = %.4f +- %.4f, the truth is %g\n", names[i], found, error, truth[i]);
        good = good && fabs(found - truth[i]) < 5 * error;
    }
    gsl_matrix_free(covariance);
    gsl_multifit_nlinear_free(w);
    gsl_vector_free(weights);
    return good ? 0 : 1;
}
