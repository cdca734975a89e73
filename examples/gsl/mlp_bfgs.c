/* A net with two hidden layers learns two interleaved spirals by GSL's vector_bfgs2, in as many lines
 * as a paraboloid takes: the minimiser sees a function of a gsl_vector.
 *   cc mlp_bfgs.c $(pkg-config --cflags --libs gradproof) -lm && ./a.out */
#include <gradproof.h>
#include <gsl/gsl_randist.h>
#include <math.h>

#define PER_CLASS 60
#define SAMPLES (2 * PER_CLASS)

int main(void)
{
    double points[2 * SAMPLES], labels[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        double turn = 0.25 + 1.25 * (i / 2) / PER_CLASS, angle = 2 * M_PI * turn + M_PI * (i % 2);
        points[2 * i] = turn * cos(angle);
        points[2 * i + 1] = turn * sin(angle);
        labels[i] = i % 2;
    }

    gpf_graph *g = gpf_graph_alloc();
    gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 2)), y = gpf_data(g, "y", gpf_shape2(GPF_N, 1));
    gpf_node first = gpf_dense(g, "first", X, 12, gpf_tanh);
    gpf_node second = gpf_dense(g, "second", first, 8, gpf_tanh);
    gpf_node score = gpf_dense(g, "out", second, 1, NULL);
    gpf_node loss = gpf_bce_with_logits(g, score, y, GPF_MEAN);
    gpf_point *at = gpf_point_alloc(g, SAMPLES);
    gpf_point_bind(at, X, points);
    gpf_point_bind(at, y, labels);

    gpf_diag why;
    gsl_multimin_function_fdf f;
    gpf_gsl *net = gpf_gsl_alloc(g, loss, NULL, 0, at, &why);
    if (!net || gpf_gsl_multimin(net, &f, &why)) {
        fprintf(stderr, "%s\n", why.text);
        return 2;
    }

    gsl_rng *r = gsl_rng_alloc(gsl_rng_default);
    gsl_vector *x = gsl_vector_alloc(f.n);
    for (size_t i = 0; i < f.n; i++)
        gsl_vector_set(x, i, gsl_ran_gaussian(r, 0.7));
    gsl_rng_free(r);

    gpf_fdf *check = gpf_check_multimin_fdf(&f, x, NULL, &why);
    int right = check && gpf_fdf_outcome(check) == GPF_OUTCOME_RIGHT;
    printf("%zu params, the gradient at the start is %s\n", f.n, right ? "right" : "NOT right");
    gpf_fdf_free(check);

    gsl_multimin_fdfminimizer *m =
        gsl_multimin_fdfminimizer_alloc(gsl_multimin_fdfminimizer_vector_bfgs2, f.n);
    gsl_multimin_fdfminimizer_set(m, &f, x, 0.1, 0.1);
    double begin = gsl_multimin_fdfminimizer_minimum(m);
    int status = GSL_CONTINUE, step = 0;
    for (; status == GSL_CONTINUE && step < 600; step++) {
        status = gsl_multimin_fdfminimizer_iterate(m);
        if (status == GSL_SUCCESS)
            status = gsl_multimin_test_gradient(gsl_multimin_fdfminimizer_gradient(m), 1e-4);
        if (step % 100 == 0)
            printf("step %3d  loss %.6f\n", step, gsl_multimin_fdfminimizer_minimum(m));
    }
    double end = gsl_multimin_fdfminimizer_minimum(m);
    printf("step %3d  loss %.6f: %s\n", step, end, gsl_strerror(status));

    /* The scores, by a function of the same params. */
    gpf_gsl *scores = gpf_gsl_alloc(g, score, NULL, 0, at, &why);
    gsl_multifit_function_fdf s;
    if (!scores || gpf_gsl_multifit(scores, &s, &why))
        return 2;
    gsl_vector *out = gsl_vector_alloc(SAMPLES);
    s.f(gsl_multimin_fdfminimizer_x(m), s.params, out);
    int hits = 0;
    for (int i = 0; i < SAMPLES; i++)
        hits += (gsl_vector_get(out, (size_t)i) > 0) == (labels[i] > 0.5);
    printf("%d of %d points are on the right side\n", hits, SAMPLES);

    int good = right && end < begin && gpf_gsl_status(net) == GSL_SUCCESS &&
               gpf_gsl_status(scores) == GSL_SUCCESS;
    gsl_vector_free(out);
    gpf_gsl_free(scores);
    gsl_multimin_fdfminimizer_free(m);
    gsl_vector_free(x);
    gpf_gsl_free(net);
    gpf_point_free(at);
    gpf_graph_free(g);
    return good ? 0 : 1;
}
