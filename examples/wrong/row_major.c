/* Wrong: a Jacobian that is stored by columns, as Fortran, MATLAB and R do it, where GSL reads rows.
 *
 * Michaelis and Menten's law with an offset: the speed v of a reaction at the concentrations c_i is
 * fitted by x = (vmax, k, v0),
 *
 *     f_i(x) = vmax c_i / (k + c_i) + v0 - v_i
 *     J_i = (c_i / (k + c_i), -vmax c_i / (k + c_i)^2, 1)
 *
 * The routine that computes J came from Fortran and fills jac(n,p), column after column; its numbers
 * were put into J->data as they are.
 *
 * Build and check; the second one is right:
 *     cc -shared -fPIC -o row_major.so row_major.c $(pkg-config --cflags --libs gsl)
 *     gradproof check --plugin ./row_major.so --symbol enzyme --at 2.1,0.6,0.05
 *     prints: WRONG J is stored by columns, not by rows: 31 of 31 entries match that order
 *     gradproof check --plugin ./row_major.so --symbol enzyme_right --at 2.1,0.6,0.05
 *     prints: right: all 36 entries of J
 */
#include <gsl/gsl_multifit_nlinear.h>

enum { N = 12, P = 3 };

static const double c[N] = { 0.02, 0.05, 0.11, 0.19, 0.33, 0.56, 0.87, 1.3, 2.1, 3.4, 5.2, 7.9 };
static const double v[N] = {
    0.12, 0.22, 0.37, 0.56, 0.81, 1.05, 1.31, 1.48, 1.7, 1.83, 1.94, 2.01
};

static int residuals(const gsl_vector *x, void *params, gsl_vector *f)
{
    const double vmax = gsl_vector_get(x, 0), k = gsl_vector_get(x, 1), v0 = gsl_vector_get(x, 2);
    (void)params;
    for (int i = 0; i < N; i++)
        gsl_vector_set(f, i, vmax * c[i] / (k + c[i]) + v0 - v[i]);
    return GSL_SUCCESS;
}

/* jac[i + n*j] = df_i/dx_j, as jac(n,p) of Fortran. */
static void fortran_jacobian(const double *x, double *jac)
{
    for (int i = 0; i < N; i++) {
        jac[i] = c[i] / (x[1] + c[i]);
        jac[i + N] = -x[0] * c[i] / ((x[1] + c[i]) * (x[1] + c[i]));
        jac[i + 2 * N] = 1;
    }
}

static int jacobian(const gsl_vector *x, int by_columns, gsl_matrix *J)
{
    const double at[P] = { gsl_vector_get(x, 0), gsl_vector_get(x, 1), gsl_vector_get(x, 2) };
    double jac[N * P];
    fortran_jacobian(at, jac);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < P; j++)
            gsl_matrix_set(J, i, j, by_columns ? jac[i * P + j] : jac[i + N * j]);
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
    return jacobian(x, 0, J);
}

const char enzyme_kind[] = "multifit_nlinear";
gsl_multifit_nlinear_fdf enzyme = { .f = residuals, .df = wrong_df, .n = N, .p = P };
const char enzyme_right_kind[] = "multifit_nlinear";
gsl_multifit_nlinear_fdf enzyme_right = { .f = residuals, .df = right_df, .n = N, .p = P };
