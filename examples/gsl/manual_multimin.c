/* Minimisation with derivatives, the problem of GSL's manual: the lowest point of a paraboloid. One
 * call proves f, df and fdf before conjugate gradients rely on them.
 *   cc manual_multimin.c $(pkg-config --cflags --libs gradproof) -lm && ./a.out */
#include <gradproof.h>
#include <math.h>

/* height + sum_i curve[i] (x[i] - centre[i])^2 */
typedef struct paraboloid {
    double centre[2], curve[2], height;
} paraboloid;

static double value(const gsl_vector *x, void *params)
{
    const paraboloid *p = (const paraboloid *)params;
    double sum = p->height;
    for (size_t i = 0; i < 2; i++)
        sum += p->curve[i] * gsl_pow_2(gsl_vector_get(x, i) - p->centre[i]);
    return sum;
}

static void gradient(const gsl_vector *x, void *params, gsl_vector *df)
{
    const paraboloid *p = (const paraboloid *)params;
    for (size_t i = 0; i < 2; i++)
        gsl_vector_set(df, i, 2 * p->curve[i] * (gsl_vector_get(x, i) - p->centre[i]));
}

static void both(const gsl_vector *x, void *params, double *f, gsl_vector *df)
{
    *f = value(x, params);
    gradient(x, params, df);
}

int main(void)
{
    paraboloid p = { { 1, 2 }, { 10, 20 }, 30 };
    gsl_multimin_function_fdf f;
    f.f = value;
    f.df = gradient;
    f.fdf = both;
    f.n = 2;
    f.params = &p;

    gsl_vector *x = gsl_vector_alloc(2);
    gsl_vector_set(x, 0, 5);
    gsl_vector_set(x, 1, 7);
    gpf_fdf *check = gpf_check_multimin_fdf(&f, x, NULL, NULL);
    if (!check || gpf_fdf_outcome(check) != GPF_OUTCOME_RIGHT)
        return 1;
    gpf_report_fdf_text(stdout, check, NULL);
    gpf_fdf_free(check);

    gsl_multimin_fdfminimizer *m =
        gsl_multimin_fdfminimizer_alloc(gsl_multimin_fdfminimizer_conjugate_fr, 2);
    gsl_multimin_fdfminimizer_set(m, &f, x, 0.01, 1e-4);
    int status = GSL_CONTINUE;
    for (int step = 1; status == GSL_CONTINUE && step < 100; step++) {
        status = gsl_multimin_fdfminimizer_iterate(m);
        if (status == GSL_SUCCESS)
            status = gsl_multimin_test_gradient(gsl_multimin_fdfminimizer_gradient(m), 1e-3);
        gsl_vector_memcpy(x, gsl_multimin_fdfminimizer_x(m));
        printf("step %2d: %.5f at (%.5f, %.5f)\n", step, gsl_multimin_fdfminimizer_minimum(m),
               gsl_vector_get(x, 0), gsl_vector_get(x, 1));
    }
    int good = status == GSL_SUCCESS && fabs(gsl_vector_get(x, 0) - 1) < 1e-3 &&
               fabs(gsl_vector_get(x, 1) - 2) < 1e-3;
    gsl_multimin_fdfminimizer_free(m);
    gsl_vector_free(x);
    return good ? 0 : 1;
}
