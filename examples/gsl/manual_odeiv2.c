/* Ordinary differential equations with a Jacobian, the problem of GSL's manual: Van der Pol's
 * oscillator u'' + mu u' (u^2 - 1) + u = 0 as two equations of first order. One call proves dfdy and
 * dfdt before an implicit stepper relies on them.
 *   cc manual_odeiv2.c $(pkg-config --cflags --libs gradproof) -lm && ./a.out */
#include <gradproof.h>
#include <math.h>

static int oscillator(double t, const double y[], double dydt[], void *params)
{
    double mu = *(const double *)params;
    (void)t;
    dydt[0] = y[1];
    dydt[1] = -y[0] - mu * y[1] * (y[0] * y[0] - 1);
    return GSL_SUCCESS;
}

/* Row i belongs to equation i; nothing depends on the time itself. */
static int jacobian(double t, const double y[], double *dfdy, double dfdt[], void *params)
{
    double mu = *(const double *)params;
    (void)t;
    dfdy[0] = 0;
    dfdy[1] = 1;
    dfdy[2] = -1 - 2 * mu * y[0] * y[1];
    dfdy[3] = -mu * (y[0] * y[0] - 1);
    dfdt[0] = dfdt[1] = 0;
    return GSL_SUCCESS;
}

static int integrate(const gsl_odeiv2_system *f, const gsl_odeiv2_step_type *type, int show,
                     double *y)
{
    double t = 0;
    int status = GSL_SUCCESS;
    y[0] = 1;
    y[1] = 0;
    gsl_odeiv2_driver *d = gsl_odeiv2_driver_alloc_y_new(f, type, 1e-6, 1e-9, 1e-9);
    for (int i = 1; i <= 10 && status == GSL_SUCCESS; i++) {
        status = gsl_odeiv2_driver_apply(d, &t, 10.0 * i, y);
        if (show)
            printf("t = %5.1f: (% .6f, % .6f)\n", t, y[0], y[1]);
    }
    gsl_odeiv2_driver_free(d);
    return status;
}

int main(void)
{
    double mu = 10;
    gsl_odeiv2_system f;
    f.function = oscillator;
    f.jacobian = jacobian;
    f.dimension = 2;
    f.params = &mu;

    const double somewhere[2] = { 1.7, -0.6 };
    gpf_fdf *check = gpf_check_odeiv2(&f, 0, somewhere, NULL, NULL);
    if (!check || gpf_fdf_outcome(check) != GPF_OUTCOME_RIGHT)
        return 1;
    gpf_report_fdf_text(stdout, check, NULL);
    gpf_fdf_free(check);

    double y[2], other[2];
    int good = integrate(&f, gsl_odeiv2_step_msbdf, 1, y) == GSL_SUCCESS &&
               integrate(&f, gsl_odeiv2_step_rk8pd, 0, other) == GSL_SUCCESS;
    printf("an explicit stepper ends %.0e from there\n",
           fmax(fabs(y[0] - other[0]), fabs(y[1] - other[1])));
    return good && fabs(y[0] - other[0]) < 1e-3 && fabs(y[1] - other[1]) < 1e-3 ? 0 : 1;
}
