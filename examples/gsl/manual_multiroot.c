/* Multidimensional root finding with derivatives, the problem of GSL's manual: Rosenbrock's system
 *   a (1 - x) = 0,  b (y - x^2) = 0
 * One call proves that row i of J belongs to equation i before Newton's method relies on it.
 *   cc manual_multiroot.c $(pkg-config --cflags --libs gradproof) -lm && ./a.out */
#include <gradproof.h>
#include <math.h>

typedef struct rosenbrock {
    double a, b;
} rosenbrock;

static int equations(const gsl_vector *v, void *params, gsl_vector *f)
{
    const rosenbrock *p = (const rosenbrock *)params;
    double x = gsl_vector_get(v, 0), y = gsl_vector_get(v, 1);
    gsl_vector_set(f, 0, p->a * (1 - x));
    gsl_vector_set(f, 1, p->b * (y - x * x));
    return GSL_SUCCESS;
}

static int jacobian(const gsl_vector *v, void *params, gsl_matrix *J)
{
    const rosenbrock *p = (const rosenbrock *)params;
    gsl_matrix_set(J, 0, 0, -p->a);
    gsl_matrix_set(J, 0, 1, 0);
    gsl_matrix_set(J, 1, 0, -2 * p->b * gsl_vector_get(v, 0));
    gsl_matrix_set(J, 1, 1, p->b);
    return GSL_SUCCESS;
}

static int both(const gsl_vector *v, void *params, gsl_vector *f, gsl_matrix *J)
{
    equations(v, params, f);
    return jacobian(v, params, J);
}

int main(void)
{
    rosenbrock p = { 1, 10 };
    gsl_multiroot_function_fdf f;
    f.f = equations;
    f.df = jacobian;
    f.fdf = both;
    f.n = 2;
    f.params = &p;

    gsl_vector *x = gsl_vector_alloc(2);
    gsl_vector_set(x, 0, -10);
    gsl_vector_set(x, 1, -5);
    gpf_fdf *check = gpf_check_multiroot_fdf(&f, x, NULL, NULL);
    if (!check || gpf_fdf_outcome(check) != GPF_OUTCOME_RIGHT)
        return 1;
    gpf_report_fdf_text(stdout, check, NULL);
    gpf_fdf_free(check);

    gsl_multiroot_fdfsolver *s = gsl_multiroot_fdfsolver_alloc(gsl_multiroot_fdfsolver_gnewton, 2);
    gsl_multiroot_fdfsolver_set(s, &f, x);
    int status = GSL_CONTINUE;
    for (int step = 1; status == GSL_CONTINUE && step < 100; step++) {
        status = gsl_multiroot_fdfsolver_iterate(s);
        if (status == GSL_SUCCESS)
            status = gsl_multiroot_test_residual(gsl_multiroot_fdfsolver_f(s), 1e-7);
        gsl_vector_memcpy(x, gsl_multiroot_fdfsolver_root(s));
        printf("step %d: (%.6f, %.6f)\n", step, gsl_vector_get(x, 0), gsl_vector_get(x, 1));
    }
    int good = status == GSL_SUCCESS && fabs(gsl_vector_get(x, 0) - 1) < 1e-6 &&
               fabs(gsl_vector_get(x, 1) - 1) < 1e-6;
    gsl_multiroot_fdfsolver_free(s);
    gsl_vector_free(x);
    return good ? 0 : 1;
}
