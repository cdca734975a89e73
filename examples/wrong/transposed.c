/* Wrong: a Jacobian with rows and columns exchanged.
 *
 * Four species compete (Lotka and Volterra); where nothing changes any more,
 *
 *     f_i(x) = r_i x_i (1 - sum_j a_ij x_j) = 0
 *     J_ij = df_i/dx_j = r_i (1 - sum_k a_ik x_k) [i = j] - r_i x_i a_ij
 *
 * Written out by hand, J_ij ends up at (j, i). The diagonal is right, and gsl_multiroot_fdfsolver
 * wanders off or converges slowly, which looks like a bad start.
 *
 * Build and check; the second one is right:
 *     cc -shared -fPIC -o transposed.so transposed.c $(pkg-config --cflags --libs gsl)
 *     gradproof check --plugin ./transposed.so --symbol species --at 0.4,0.7,0.3,0.9
 *     prints: WRONG J is transposed: 12 of 12 off-diagonal entries match the transpose
 *     gradproof check --plugin ./transposed.so --symbol species_right --at 0.4,0.7,0.3,0.9
 *     prints: right: all 16 entries of J
 */
#include <gsl/gsl_multiroots.h>

enum { N = 4 };

static const double r[N] = { 1, 0.72, 1.53, 1.27 };
static const double a[N][N] = {
    { 1, 1.09, 1.52, 0.1 }, { 0.2, 1, 0.44, 1.36 }, { 2.33, 0.3, 1, 0.47 }, { 1.21, 0.51, 0.35, 1 }
};

static double room_left(const gsl_vector *x, int i)
{
    double left = 1;
    for (int j = 0; j < N; j++)
        left -= a[i][j] * gsl_vector_get(x, j);
    return left;
}

static int growth(const gsl_vector *x, void *params, gsl_vector *f)
{
    (void)params;
    for (int i = 0; i < N; i++)
        gsl_vector_set(f, i, r[i] * gsl_vector_get(x, i) * room_left(x, i));
    return GSL_SUCCESS;
}

static double derivative(const gsl_vector *x, int i, int j)
{
    const double of_x = i == j ? r[i] * room_left(x, i) : 0;
    return of_x - r[i] * gsl_vector_get(x, i) * a[i][j];
}

static int wrong_df(const gsl_vector *x, void *params, gsl_matrix *J)
{
    (void)params;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            gsl_matrix_set(J, j, i, derivative(x, i, j)); /* should be J, i, j */
    return GSL_SUCCESS;
}

static int wrong_fdf(const gsl_vector *x, void *params, gsl_vector *f, gsl_matrix *J)
{
    growth(x, params, f);
    return wrong_df(x, params, J);
}

static int right_df(const gsl_vector *x, void *params, gsl_matrix *J)
{
    (void)params;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            gsl_matrix_set(J, i, j, derivative(x, i, j));
    return GSL_SUCCESS;
}

static int right_fdf(const gsl_vector *x, void *params, gsl_vector *f, gsl_matrix *J)
{
    growth(x, params, f);
    return right_df(x, params, J);
}

const char species_kind[] = "multiroot";
gsl_multiroot_function_fdf species = { growth, wrong_df, wrong_fdf, N, NULL };
const char species_right_kind[] = "multiroot";
gsl_multiroot_function_fdf species_right = { growth, right_df, right_fdf, N, NULL };
