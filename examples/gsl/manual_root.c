/* One-dimensional root finding with derivatives, the problem of GSL's manual: the positive root of
 * x^2 - 5. One call proves the three callbacks before Newton's method relies on them.
 *   cc manual_root.c $(pkg-config --cflags --libs gradproof) -lm && ./a.out */
#include <gradproof.h>
#include <gsl/gsl_roots.h>
#include <math.h>

/* a x^2 + b x + c */
typedef struct quadratic {
    double a, b, c;
} quadratic;

static double value(double x, void *params)
{
    const quadratic *q = (const quadratic *)params;
    return (q->a * x + q->b) * x + q->c;
}

static double slope(double x, void *params)
{
    const quadratic *q = (const quadratic *)params;
    return 2 * q->a * x + q->b;
}

static void both(double x, void *params, double *y, double *dy)
{
    *y = value(x, params);
    *dy = slope(x, params);
}

int main(void)
{
    quadratic q = { 1, 0, -5 };
    gsl_function_fdf f;
    f.f = value;
    f.df = slope;
    f.fdf = both;
    f.params = &q;

    double x = 5, before;
    gpf_fdf *check = gpf_check_function_fdf(&f, x, NULL, NULL);
    if (!check || gpf_fdf_outcome(check) != GPF_OUTCOME_RIGHT)
        return 1;
    gpf_report_fdf_text(stdout, check, NULL);
    gpf_fdf_free(check);

    gsl_root_fdfsolver *s = gsl_root_fdfsolver_alloc(gsl_root_fdfsolver_newton);
    gsl_root_fdfsolver_set(s, &f, x);
    int status = GSL_CONTINUE;
    for (int step = 1; status == GSL_CONTINUE && step < 50; step++) {
        before = x;
        status = gsl_root_fdfsolver_iterate(s);
        x = gsl_root_fdfsolver_root(s);
        if (status == GSL_SUCCESS)
            status = gsl_root_test_delta(x, before, 0, 1e-12);
        printf("step %d: %.12f\n", step, x);
    }
    gsl_root_fdfsolver_free(s);
    return status == GSL_SUCCESS && fabs(x - sqrt(5)) < 1e-12 ? 0 : 1;
}
