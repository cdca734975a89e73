/* Wrong: an fdf that takes the gradient from what the call before left behind.
 *
 * Logistic regression. The probabilities are wanted for the loss and for its gradient, so f keeps them,
 * and fdf, which computes the gradient first, uses them: those of another w. GSL's minimisers call f
 * and fdf by turns at different points and stop with "iteration is not making progress", or at a wrong
 * place. f and df are right.
 *
 *     loss(w) = -sum_i (y_i log p_i + (1 - y_i) log(1 - p_i)),  p_i = 1 / (1 + exp(-x_i w))
 *     d loss/dw_j = sum_i (p_i - y_i) x_ij
 *
 * Build and check; the second one is right:
 *     cc -shared -fPIC -o stale.so stale.c $(pkg-config --cflags --libs gsl) -lm
 *     gradproof check --plugin ./stale.so --symbol logistic --at 0.3,-0.8,1.1
 *     prints: WRONG fdf's df is stale: it belongs to the x of fdf's own call before
 *     gradproof check --plugin ./stale.so --symbol logistic_right --at 0.3,-0.8,1.1
 *     prints: right: all 3 entries of df
 */
#include <gsl/gsl_math.h>
#include <gsl/gsl_multimin.h>

enum { N = 7, P = 3 };

static const double X[N][P] = { { 1, 0.52, -1.7 }, { 1, -1.31, 0.44 }, { 1, 0.83, 1.26 },
                                { 1, 2.05, -0.6 }, { 1, -0.27, -0.9 }, { 1, -1.88, 0.15 },
                                { 1, 1.12, 0.71 } };
static const double y[N] = { 0, 0, 1, 1, 0, 1, 1 };
static double p[N]; /* kept by f */

static double loss(const gsl_vector *w, void *params)
{
    double sum = 0;
    (void)params;
    for (int i = 0; i < N; i++) {
        double z = 0;
        for (int j = 0; j < P; j++)
            z += X[i][j] * gsl_vector_get(w, j);
        p[i] = 1 / (1 + exp(-z));
        sum -= y[i] * log(p[i]) + (1 - y[i]) * log1p(-p[i]);
    }
    return sum;
}

static void gradient_of_p(gsl_vector *g)
{
    for (int j = 0; j < P; j++) {
        double sum = 0;
        for (int i = 0; i < N; i++)
            sum += (p[i] - y[i]) * X[i][j];
        gsl_vector_set(g, j, sum);
    }
}

static void df(const gsl_vector *w, void *params, gsl_vector *g)
{
    loss(w, params);
    gradient_of_p(g);
}

static void wrong_fdf(const gsl_vector *w, void *params, double *f, gsl_vector *g)
{
    gradient_of_p(g);
    *f = loss(w, params); /* too late */
}

static void right_fdf(const gsl_vector *w, void *params, double *f, gsl_vector *g)
{
    *f = loss(w, params);
    gradient_of_p(g);
}

gsl_multimin_function_fdf logistic = { loss, df, wrong_fdf, P, NULL };
gsl_multimin_function_fdf logistic_right = { loss, df, right_fdf, P, NULL };
