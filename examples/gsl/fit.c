/* A logistic curve through noisy points by Levenberg-Marquardt with geodesic acceleration. Only the
 * model is written down; the Jacobian and the second derivatives along the steps come from it.
 *   cc fit.c $(pkg-config --cflags --libs gradproof) -lm && ./a.out */
#include <gradproof.h>
#include <gsl/gsl_randist.h>
#include <math.h>

#define POINTS 60
#define PARAMS 3

int main(void)
{
    /* A population that grows from little to 12, half of it at 4.5. */
    const double truth[PARAMS] = { 12, 1.4, 4.5 }, sigma = 0.15;
    double times[POINTS], sizes[POINTS];
    gsl_rng *r = gsl_rng_alloc(gsl_rng_default);
    for (int i = 0; i < POINTS; i++) {
        times[i] = 10.0 * i / (POINTS - 1);
        sizes[i] =
            truth[0] / (1 + exp(-truth[1] * (times[i] - truth[2]))) + gsl_ran_gaussian(r, sigma);
    }
    gsl_rng_free(r);

    /* residuals = K sigmoid(rate (t - middle)) - y, in units of sigma */
    gpf_graph *g = gpf_graph_alloc();
    gpf_node t = gpf_data(g, "t", gpf_shape1(GPF_N)), y = gpf_data(g, "y", gpf_shape1(GPF_N));
    gpf_node K = gpf_param(g, "K", gpf_shape0()), rate = gpf_param(g, "rate", gpf_shape0());
    gpf_node middle = gpf_param(g, "middle", gpf_shape0());
    gpf_node model = gpf_mul(g, K, gpf_sigmoid(g, gpf_mul(g, rate, gpf_sub(g, t, middle))));
    gpf_node residuals = gpf_div(g, gpf_sub(g, model, y), gpf_const(g, sigma));
    gpf_point *at = gpf_point_alloc(g, POINTS);
    gpf_point_bind(at, t, times);
    gpf_point_bind(at, y, sizes);

    gpf_diag why;
    gsl_multifit_nlinear_fdf f;
    gpf_gsl *callback = gpf_gsl_alloc(g, residuals, NULL, 0, at, &why);
    if (!callback || gpf_gsl_multifit_nlinear(callback, &f, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return 2;
    }

    /* A graph's derivatives can be checked like anybody's. */
    const char *names[PARAMS] = { "K", "rate", "middle" };
    const double start[PARAMS] = { 8, 0.7, 6 };
    gsl_vector_const_view x = gsl_vector_const_view_array(start, PARAMS);
    gpf_fdf_options how = gpf_fdf_defaults();
    how.names = names;
    gpf_fdf *check = gpf_check_multifit_nlinear_fdf(&f, &x.vector, &how, &why);
    if (!check || gpf_fdf_outcome(check) != GPF_OUTCOME_RIGHT)
        return 1;
    printf("J and fvv are right at the start: %zu entries\n", gpf_fdf_n_elements(check));
    gpf_fdf_free(check);

    gsl_multifit_nlinear_parameters options = gsl_multifit_nlinear_default_parameters();
    options.trs = gsl_multifit_nlinear_trs_lmaccel;
    gsl_multifit_nlinear_workspace *w =
        gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &options, POINTS, PARAMS);
    gsl_multifit_nlinear_init(&x.vector, &f, w);
    int info;
    int status = gsl_multifit_nlinear_driver(100, 1e-10, 1e-10, 0, NULL, NULL, &info, w);
    gsl_matrix *covariance = gsl_matrix_alloc(PARAMS, PARAMS);
    gsl_multifit_nlinear_covar(gsl_multifit_nlinear_jac(w), 0, covariance);
    printf("%s after %zu steps: %zu calls of f, %zu of df, %zu of fvv\n", gsl_strerror(status),
           gsl_multifit_nlinear_niter(w), f.nevalf, f.nevaldf, f.nevalfvv);
    int good = status == GSL_SUCCESS && f.nevalfvv > 0 && gpf_gsl_status(callback) == GSL_SUCCESS;
    for (size_t i = 0; i < PARAMS; i++) {
        double found = gsl_vector_get(gsl_multifit_nlinear_position(w), i);
        double error = sqrt(gsl_matrix_get(covariance, i, i));
        printf("%-7s %8.4f +- %.4f, the truth is %g\n", names[i], found, error, truth[i]);
        good = good && fabs(found - truth[i]) < 5 * error;
    }
    gsl_matrix_free(covariance);
    gsl_multifit_nlinear_free(w);
    gpf_gsl_free(callback);
    gpf_point_free(at);
    gpf_graph_free(g);
    return good ? 0 : 1;
}
