/* Wrong: the factor 2 of the square is missing in the gradient of a ridge regression.
 *
 *     loss(w) = sum_i (x_i w - y_i)^2 + lambda |w|^2
 *     d loss/dw_j = 2 sum_i (x_i w - y_i) x_ij + 2 lambda w_j
 *
 * GSL's minimisers still go downhill with half of it, only slowly, and a line search that compares
 * values with slopes gives up early.
 *
 * Build and check; the second one is right:
 *     cc -shared -fPIC -o factor.so factor.c $(pkg-config --cflags --libs gsl)
 *     gradproof check --plugin ./factor.so --symbol ridge --at 0.4,-1.3,0.8
 *     prints: WRONG df is 1/2 times what it should be (3 of 3 entries)
 *     gradproof check --plugin ./factor.so --symbol ridge_right --at 0.4,-1.3,0.8
 *     prints: right: all 3 entries of df
 */
#include <gsl/gsl_multimin.h>

enum { N = 8, P = 3 };

static const double X[N][P] = { { 1, 0.31, -1.22 }, { 1, -0.54, 0.67 }, { 1, 1.48, 0.12 },
                                { 1, -1.93, 1.05 }, { 1, 0.86, -0.39 }, { 1, 0.07, 1.71 },
                                { 1, -1.16, -0.8 }, { 1, 2.04, 0.93 } };
static const double y[N] = { 1.9, 0.2, 2.8, -1.1, 2.4, 0.6, 0.3, 3.1 };
static const double lambda = 0.1;

static double residual(const gsl_vector *w, int i)
{
    double sum = -y[i];
    for (int j = 0; j < P; j++)
        sum += X[i][j] * gsl_vector_get(w, j);
    return sum;
}

static double loss(const gsl_vector *w, void *params)
{
    double sum = 0;
    (void)params;
    for (int i = 0; i < N; i++)
        sum += residual(w, i) * residual(w, i);
    for (int j = 0; j < P; j++)
        sum += lambda * gsl_vector_get(w, j) * gsl_vector_get(w, j);
    return sum;
}

static void gradient(const gsl_vector *w, double factor, gsl_vector *g)
{
    for (int j = 0; j < P; j++) {
        double sum = lambda * gsl_vector_get(w, j);
        for (int i = 0; i < N; i++)
            sum += residual(w, i) * X[i][j];
        gsl_vector_set(g, j, factor * sum);
    }
}

static void wrong_df(const gsl_vector *w, void *params, gsl_vector *g)
{
    (void)params;
    gradient(w, 1, g);
}

static void wrong_fdf(const gsl_vector *w, void *params, double *f, gsl_vector *g)
{
    *f = loss(w, params);
    wrong_df(w, params, g);
}

static void right_df(const gsl_vector *w, void *params, gsl_vector *g)
{
    (void)params;
    gradient(w, 2, g);
}

static void right_fdf(const gsl_vector *w, void *params, double *f, gsl_vector *g)
{
    *f = loss(w, params);
    right_df(w, params, g);
}

gsl_multimin_function_fdf ridge = { loss, wrong_df, wrong_fdf, P, NULL };
gsl_multimin_function_fdf ridge_right = { loss, right_df, right_fdf, P, NULL };
