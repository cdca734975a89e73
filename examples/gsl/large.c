/* A logistic curve through very many points: Steihaug-Toint asks for products J u and J' u only, and
 * no Jacobian is ever formed, neither by GSL nor by the graph.
 *   cc large.c $(pkg-config --cflags --libs gradproof) -lm && ./a.out */
#include <gradproof.h>
#include <gsl/gsl_randist.h>
#include <math.h>

#define POINTS 20000
#define PARAMS 3

static double times[POINTS], sizes[POINTS];

int main(void)
{
    const double truth[PARAMS] = { 12, 1.4, 4.5 }, sigma = 0.15;
    gsl_rng *r = gsl_rng_alloc(gsl_rng_default);
    for (int i = 0; i < POINTS; i++) {
        times[i] = 10.0 * i / (POINTS - 1);
        sizes[i] =
            truth[0] / (1 + exp(-truth[1] * (times[i] - truth[2]))) + gsl_ran_gaussian(r, sigma);
    }
    gsl_rng_free(r);

    gpf_graph *g = gpf_graph_alloc();
    gpf_node t = gpf_data(g, "t", gpf_shape1(GPF_N)), y = gpf_data(g, "y", gpf_shape1(GPF_N));
    gpf_node K = gpf_param(g, "K", gpf_shape0()), rate = gpf_param(g, "rate", gpf_shape0());
    gpf_node middle = gpf_param(g, "middle", gpf_shape0());
    gpf_node model = gpf_mul(g, K, gpf_sigmoid(g, gpf_mul(g, rate, gpf_sub(g, t, middle))));
    gpf_point *at = gpf_point_alloc(g, POINTS);
    gpf_point_bind(at, t, times);
    gpf_point_bind(at, y, sizes);

    gpf_diag why;
    gsl_multilarge_nlinear_fdf f;
    gpf_gsl *callback = gpf_gsl_alloc(g, gpf_sub(g, model, y), NULL, 0, at, &why);
    if (!callback || gpf_gsl_multilarge_nlinear(callback, &f, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return 2;
    }

    /* All 60 000 entries of J, for some 40 calls of f: columns are differenced whole. */
    const double start[PARAMS] = { 8, 0.7, 6 };
    gsl_vector_const_view x = gsl_vector_const_view_array(start, PARAMS);
    gpf_fdf *check = gpf_check_multilarge_nlinear_fdf(&f, &x.vector, NULL, &why);
    if (!check || gpf_fdf_outcome(check) != GPF_OUTCOME_RIGHT)
        return 1;
    gpf_report_fdf_text(stdout, check, NULL);
    gpf_fdf_free(check);

    gsl_multilarge_nlinear_parameters options = gsl_multilarge_nlinear_default_parameters();
    options.trs = gsl_multilarge_nlinear_trs_cgst;
    options.solver = gsl_multilarge_nlinear_solver_none; /* no normal equations either */
    gsl_multilarge_nlinear_workspace *w =
        gsl_multilarge_nlinear_alloc(gsl_multilarge_nlinear_trust, &options, POINTS, PARAMS);
    gsl_multilarge_nlinear_init(&x.vector, &f, w);
    int info;
    int status = gsl_multilarge_nlinear_driver(200, 1e-8, 1e-8, 1e-8, NULL, NULL, &info, w);
    printf("%s after %zu steps: %zu calls of f, %zu products with J or J', %zu with J'J\n",
           gsl_strerror(status), gsl_multilarge_nlinear_niter(w), f.nevalf, f.nevaldfu, f.nevaldf2);
    int good = status == GSL_SUCCESS && f.nevaldf2 == 0 && gpf_gsl_status(callback) == GSL_SUCCESS;
    const char *names[PARAMS] = { "K", "rate", "middle" };
    for (size_t i = 0; i < PARAMS; i++) {
        double found = gsl_vector_get(gsl_multilarge_nlinear_position(w), i);
        printf("%-7s %9.5f, the truth is %g\n", names[i], found, truth[i]);
        good = good && fabs(found - truth[i]) < 0.02; /* more than five standard errors */
    }
    gsl_multilarge_nlinear_free(w);
    gpf_gsl_free(callback);
    gpf_point_free(at);
    gpf_graph_free(g);
    return good ? 0 : 1;
}
