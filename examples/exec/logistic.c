/* Logistic regression as a program that gradproof can ask, gradproof(1), "PROTOCOL OF --exec": it
 * reads lines of params w and writes lines with the loss and its gradient.
 *
 *     loss(w) = sum_i log(1 + exp(-s_i)) + |w|^2/20,   s_i = y_i x_i w,   y_i = 1 or -1
 *     d loss/dw_j = -sum_i y_i x_ij / (1 + exp(s_i)) + w_j/10
 *
 * Build and check:
 *     cc -o logistic logistic.c -lm
 *     gradproof check --exec ./logistic --at 0.3,-0.8,1.1
 *     prints: right: all 3 entries of df
 */
#include <math.h>
#include <stdio.h>

enum { N = 6, P = 3 };

static const double x[N][P] = { { 1, 0.52, -1.7 }, { 1, -1.31, 0.44 }, { 1, 0.83, 1.26 },
                                { 1, 2.05, -0.6 }, { 1, -0.27, -0.9 }, { 1, -1.88, 0.15 } };
static const double y[N] = { -1, -1, 1, 1, -1, 1 };

static double loss(const double *w, double *g)
{
    double f = 0;
    for (int j = 0; j < P; j++) {
        f += w[j] * w[j] / 20;
        g[j] = w[j] / 10;
    }
    for (int i = 0; i < N; i++) {
        double s = 0;
        for (int j = 0; j < P; j++)
            s += y[i] * x[i][j] * w[j];
        f += log1p(exp(-s));
        for (int j = 0; j < P; j++)
            g[j] -= y[i] * x[i][j] / (1 + exp(s));
    }
    return f;
}

int main(void)
{
    double w[P], g[P];
    while (scanf("%lf %lf %lf", &w[0], &w[1], &w[2]) == P) {
        printf("%.17g", loss(w, g));
        for (int j = 0; j < P; j++)
            printf(" %.17g", g[j]);
        printf("\n");
        fflush(stdout); /* a pipe is buffered: without this the answer never comes */
    }
    return 0;
}
