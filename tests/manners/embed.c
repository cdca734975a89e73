/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A program with products large enough for a CBLAS: prints which it is, verdicts, and numbers that must
 * be the same with any. */
#include <gradproof.h>
#include <gsl/gsl_blas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 140, IN = 150, HIDDEN = 144, OUT = 3 };

static double number(unsigned long i)
{
    return fmod((double)(i * 2654435761u % 1000003u) * 0.6180339887498949, 2) - 1;
}

int main(void)
{
    static double x[ROWS][IN], want[ROWS][OUT];
    char provider[512];
    printf("provider %s\n", gpf_cblas_provider(provider, sizeof provider));
    for (unsigned i = 0; i < ROWS; i++) {
        for (unsigned j = 0; j < IN; j++)
            x[i][j] = number(IN * i + j);
        for (unsigned j = 0; j < OUT; j++)
            want[i][j] = number(OUT * i + j + 99991);
    }
    gpf_graph *g = gpf_graph_alloc();
    gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, IN)),
             y = gpf_data(g, "y", gpf_shape2(GPF_N, OUT));
    gpf_node h = gpf_dense(g, "h", X, HIDDEN, gpf_tanh);
    gpf_node loss = gpf_mse(g, gpf_dense(g, "p", h, OUT, NULL), y, GPF_MEAN);
    gpf_point *at = gpf_point_alloc(g, ROWS);
    gpf_point_bind(at, X, x[0]);
    gpf_point_bind(at, y, want[0]);
    gsl_vector *theta = gpf_point_params(at);
    for (size_t i = 0; i < theta->size; i++)
        gsl_vector_set(theta, i, 0.1 * number(i + 5));

    /* the hidden layer, by the textbook */
    const gsl_matrix_view W = gpf_param_view(g, gpf_graph_find(g, "h.W"), theta);
    const gpf_node z = gpf_graph_find(g, "h.z");
    gpf_plan *plan = gpf_plan_alloc(g, &z, 1, ROWS);
    gpf_workspace *ws = plan ? gpf_workspace_alloc(plan) : NULL;
    if (!ws || gpf_plan_run(plan, ws, at))
        return GPF_OUTCOME_TROUBLE;
    double worst = 0;
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < HIDDEN; j++) {
            const size_t bias = gpf_param_offset(g, gpf_graph_find(g, "h.b"));
            double sum = gsl_vector_get(theta, bias + j);
            for (size_t k = 0; k < IN; k++)
                sum += x[i][k] * gsl_matrix_get(&W.matrix, k, j);
            worst = fmax(worst, fabs(sum - gpf_workspace_output(ws, 0)[i * HIDDEN + j]));
        }
    printf("product %s\n", worst < 1e-13 ? "right" : "WRONG");
    gpf_workspace_free(ws);
    gpf_plan_free(plan);

    /* backprop, and a gradient that is off by the factor 2 */
    gpf_node param = gpf_graph_find(g, "h.W"), grad[2];
    if (gpf_grad(g, loss, &param, 1, grad))
        return GPF_OUTCOME_TROUBLE;
    grad[1] = gpf_mul(g, gpf_const(g, 2), grad[0]);
    gpf_check_options how = gpf_check_defaults();
    how.sample = 60;
    for (int i = 0; i < 2; i++) {
        gpf_check *c = gpf_check_alloc(g, loss, &param, &grad[i], 1, ROWS, 1, NULL);
        if (!c || gpf_check_run(c, at, &how, NULL))
            return GPF_OUTCOME_TROUBLE;
        printf("check %d: %zu right, %zu wrong\n", i, gpf_check_tally(c, -1).count[GPF_RIGHT],
               gpf_check_tally(c, -1).count[GPF_WRONG]);
        gpf_check_free(c);
    }

    gpf_train_options run = gpf_train_defaults();
    run.optimizer = "sgd";
    run.rate = 0.05;
    run.epochs = 8;
    gpf_train *t = gpf_train_alloc(g, loss, at, &run, NULL, NULL);
    if (!t || gpf_train_run(t))
        return GPF_OUTCOME_TROUBLE;
    printf("loss %.10g\n", gpf_train_progress(t)->loss);
    for (size_t i = 0; i < theta->size; i += 997)
        printf("theta %.10g\n", gsl_vector_get(theta, i));
    gpf_train_free(t);

    /* GSL's own products, of the program */
    double a[] = { 1, 2, 3, 4 }, b[] = { 5, 6, 7, 8 }, c[4];
    gsl_matrix_view A = gsl_matrix_view_array(a, 2, 2), B = gsl_matrix_view_array(b, 2, 2);
    gsl_matrix_view C = gsl_matrix_view_array(c, 2, 2);
    gsl_blas_dgemm(CblasNoTrans, CblasTrans, 1, &A.matrix, &B.matrix, 0, &C.matrix);
    printf("gsl %g %g %g %g\n", c[0], c[1], c[2], c[3]);
    gpf_point_free(at);
    gpf_graph_free(g);
    return 0;
}
