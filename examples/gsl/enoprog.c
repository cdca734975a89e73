/* GSL's minimisers say "iteration is not making progress towards solution" at a minimum they cannot
 * improve on, and also when the gradient is wrong. Here it is wrong; the check says what is wrong with
 * it, and with the corrected one the minimum is reached.
 *   cc enoprog.c $(pkg-config --cflags --libs gradproof) -lm && ./a.out */
#include <gradproof.h>
#include <math.h>

#define POINTS 12

/* A circle through points: E(a, b, d) = sum_i e_i^2, e_i = |point_i - (a, b)| - d / 2. */
typedef struct cloud {
    double x[POINTS], y[POINTS];
} cloud;

static double distance(const gsl_vector *v, const cloud *c, int i)
{
    return hypot(gsl_vector_get(v, 0) - c->x[i], gsl_vector_get(v, 1) - c->y[i]);
}

static double energy(const gsl_vector *v, void *params)
{
    const cloud *c = (const cloud *)params;
    double sum = 0;
    for (int i = 0; i < POINTS; i++)
        sum += gsl_pow_2(distance(v, c, i) - gsl_vector_get(v, 2) / 2);
    return sum;
}

/* half: d e_i / d d is -half. */
static void gradient(const gsl_vector *v, const cloud *c, double half, gsl_vector *df)
{
    double by_a = 0, by_b = 0, by_d = 0;
    for (int i = 0; i < POINTS; i++) {
        double far = distance(v, c, i), e = far - gsl_vector_get(v, 2) / 2;
        by_a += 2 * e * (gsl_vector_get(v, 0) - c->x[i]) / far;
        by_b += 2 * e * (gsl_vector_get(v, 1) - c->y[i]) / far;
        by_d -= 2 * e * half;
    }
    gsl_vector_set(df, 0, by_a);
    gsl_vector_set(df, 1, by_b);
    gsl_vector_set(df, 2, by_d);
}

/* As if d were the radius. */
static void wrong_df(const gsl_vector *v, void *params, gsl_vector *df)
{
    gradient(v, (const cloud *)params, 1, df);
}

static void wrong_fdf(const gsl_vector *v, void *params, double *f, gsl_vector *df)
{
    *f = energy(v, params);
    wrong_df(v, params, df);
}

static void right_df(const gsl_vector *v, void *params, gsl_vector *df)
{
    gradient(v, (const cloud *)params, 0.5, df);
}

static void right_fdf(const gsl_vector *v, void *params, double *f, gsl_vector *df)
{
    *f = energy(v, params);
    right_df(v, params, df);
}

static int minimise(gsl_multimin_function_fdf *f, const gsl_vector *start, gsl_vector *end)
{
    gsl_multimin_fdfminimizer *m =
        gsl_multimin_fdfminimizer_alloc(gsl_multimin_fdfminimizer_vector_bfgs2, f->n);
    gsl_multimin_fdfminimizer_set(m, f, start, 0.1, 0.1);
    int status = GSL_CONTINUE, step = 0;
    while (status == GSL_CONTINUE && step++ < 200) {
        status = gsl_multimin_fdfminimizer_iterate(m);
        if (status == GSL_SUCCESS)
            status = gsl_multimin_test_gradient(gsl_multimin_fdfminimizer_gradient(m), 1e-6);
    }
    printf("step %d, E = %.8f: %s\n\n", step, gsl_multimin_fdfminimizer_minimum(m),
           gsl_strerror(status));
    gsl_vector_memcpy(end, gsl_multimin_fdfminimizer_x(m));
    gsl_multimin_fdfminimizer_free(m);
    return status;
}

static gpf_outcome check(const gsl_multimin_function_fdf *f, const gsl_vector *v)
{
    const char *names[] = { "a", "b", "d" };
    gpf_fdf_options how = gpf_fdf_defaults();
    how.names = names;
    gpf_diag why;
    gpf_fdf *c = gpf_check_multimin_fdf(f, v, &how, &why);
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
    cloud c;
    for (int i = 0; i < POINTS; i++) { /* radius 2 and a little */
        double angle = 0.4 * i, radius = 2 + 0.1 * sin(7 * angle);
        c.x[i] = 1 + radius * cos(angle);
        c.y[i] = -0.5 + radius * sin(angle);
    }
    const double start[] = { 0.2, 0.3, 2 };
    gsl_vector_const_view v = gsl_vector_const_view_array(start, 3);
    gsl_vector *end = gsl_vector_alloc(3);
    gsl_multimin_function_fdf f;
    f.f = energy;
    f.n = 3;
    f.params = &c;

    f.df = wrong_df;
    f.fdf = wrong_fdf;
    int stuck = minimise(&f, &v.vector, end) == GSL_ENOPROG;
    int found = check(&f, end) == GPF_OUTCOME_WRONG;

    f.df = right_df;
    f.fdf = right_fdf;
    int clean = check(&f, end) == GPF_OUTCOME_RIGHT;
    int minimum = minimise(&f, end, end) == GSL_SUCCESS;
    printf("centre (%.4f, %.4f), diameter %.4f\n", gsl_vector_get(end, 0), gsl_vector_get(end, 1),
           gsl_vector_get(end, 2));
    gsl_vector_free(end);
    return stuck && found && clean && minimum ? 0 : 1;
}
