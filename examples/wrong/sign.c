/* Wrong: one column of a Jacobian has the wrong sign.
 *
 * An exponential decay with a background, as in GSL's manual: x = (A, lambda, b),
 *
 *     f_i(x) = A exp(-lambda t_i) + b - y_i
 *     J_i = (exp(-lambda t_i), -t_i A exp(-lambda t_i), 1)
 *
 * With the minus sign lost in column 1, gsl_multifit_nlinear_driver returns GSL_SUCCESS and a wrong
 * fit, with standard errors.
 *
 * Build and check; the second one is right:
 *     cc -shared -fPIC -o sign.so sign.c $(pkg-config --cflags --libs gsl) -lm
 *     gradproof check --plugin ./sign.so --symbol decay --at 4.9,1.4,0.8 --names A,lambda,b
 *     prints: WRONG J: column 1 (lambda) has the wrong sign: 15 of 15 entries are -1 times the slope
 *     gradproof check --plugin ./sign.so --symbol decay_right --at 4.9,1.4,0.8
 *     prints: right: 47 of 48 entries of J
 *     prints: J: 1 of 48 is 0, as f does not react
 */
#include <gsl/gsl_math.h>
#include <gsl/gsl_multifit_nlinear.h>

enum { N = 16, P = 3 };

static const double y[N] = { 6.03, 4.71, 4.22, 3.23, 3.05, 2.32, 2.26, 1.81,
                             1.79, 1.37, 1.52, 1.29, 1.21, 1.24, 1.02, 1.15 };

static double t(int i)
{
    return 0.18 * i;
}

static int residuals(const gsl_vector *x, void *params, gsl_vector *f)
{
    const double A = gsl_vector_get(x, 0), lambda = gsl_vector_get(x, 1), b = gsl_vector_get(x, 2);
    (void)params;
    for (int i = 0; i < N; i++)
        gsl_vector_set(f, i, A * exp(-lambda * t(i)) + b - y[i]);
    return GSL_SUCCESS;
}

static int jacobian(const gsl_vector *x, double sign, gsl_matrix *J)
{
    const double A = gsl_vector_get(x, 0), lambda = gsl_vector_get(x, 1);
    for (int i = 0; i < N; i++) {
        const double e = exp(-lambda * t(i));
        gsl_matrix_set(J, i, 0, e);
        gsl_matrix_set(J, i, 1, sign * t(i) * A * e);
        gsl_matrix_set(J, i, 2, 1);
    }
    return GSL_SUCCESS;
}

static int wrong_df(const gsl_vector *x, void *params, gsl_matrix *J)
{
    (void)params;
    return jacobian(x, 1, J);
}

static int right_df(const gsl_vector *x, void *params, gsl_matrix *J)
{
    (void)params;
    return jacobian(x, -1, J);
}

const char decay_kind[] = "multifit_nlinear";
gsl_multifit_nlinear_fdf decay = { .f = residuals, .df = wrong_df, .n = N, .p = P };
const char decay_right_kind[] = "multifit_nlinear";
gsl_multifit_nlinear_fdf decay_right = { .f = residuals, .df = right_df, .n = N, .p = P };
