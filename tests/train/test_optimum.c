/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Models whose optimum is known, or known to be one: trained on the tables of the examples, they
 * reach it. */
#include "unit/help.h"

#include <gsl/gsl_multifit.h>
#include <stdio.h>

enum { MARKETS = 200, FLOWERS = 150 };

static FILE *open_table(const char *name)
{
    char path[4096], line[200];
    const char *top = getenv("top_src");
    snprintf(path, sizeof path, "%s/examples/data/%s", top ? top : ".", name);
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("%s: cannot be read (top_src must name the source folder)", path);
    assert_non_null(fgets(line, sizeof line, f)); /* the header */
    return f;
}

static void read_advertising(double *X, double *y)
{
    FILE *f = open_table("Advertising.csv");
    for (size_t i = 0; i < MARKETS; i++)
        assert_int_equal(
            fscanf(f, "%lf,%lf,%lf,%lf", &X[3 * i], &X[3 * i + 1], &X[3 * i + 2], &y[i]), 4);
    fclose(f);
}

/* One-hot rows by the order in which the species come. */
static void read_iris(double *X, double *y)
{
    FILE *f = open_table("iris.csv");
    char name[40], last[40] = "";
    int k = -1;
    for (size_t i = 0; i < FLOWERS; i++) {
        double *x = X + 4 * i;
        assert_int_equal(fscanf(f, "%lf,%lf,%lf,%lf,%39s", x, x + 1, x + 2, x + 3, name), 5);
        k += strcmp(name, last) != 0;
        strcpy(last, name);
        for (int c = 0; c < 3; c++)
            y[3 * i + (size_t)c] = c == k;
    }
    assert_int_equal(k, 2);
    fclose(f);
}

/* Mean 0, variance 1. */
static void standardize(double *X, size_t rows, size_t cols)
{
    for (size_t j = 0; j < cols; j++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < rows; i++)
            sum += X[i * cols + j];
        for (size_t i = 0; i < rows; i++) {
            X[i * cols + j] -= sum / (double)rows;
            squares += X[i * cols + j] * X[i * cols + j];
        }
        for (size_t i = 0; i < rows; i++)
            X[i * cols + j] /= sqrt(squares / (double)rows);
    }
}

/* z = X W + b and a loss of it. */
typedef struct model {
    gpf_graph *g;
    gpf_node X, y, z;
    gpf_point *at;
} model;

static model make(size_t rows, ptrdiff_t cols, ptrdiff_t units, const double *X, const double *y)
{
    model m = { .g = gpf_graph_alloc() };
    m.X = gpf_data(m.g, "X", gpf_shape2(GPF_N, cols));
    m.y = gpf_data(m.g, "y", gpf_shape2(GPF_N, units));
    m.z = gpf_dense(m.g, "line", m.X, units, NULL);
    m.at = gpf_point_alloc(m.g, rows);
    gpf_point_bind(m.at, m.X, X);
    gpf_point_bind(m.at, m.y, y);
    return m;
}

static void release(model *m)
{
    gpf_point_free(m->at);
    gpf_graph_free(m->g);
}

static gpf_progress fit(const model *m, gpf_node loss, const char *optimizer, double l2,
                        size_t epochs)
{
    gpf_train_options how = gpf_train_defaults();
    how.optimizer = optimizer;
    how.epochs = epochs;
    how.l2 = l2;
    gpf_diag why = { 0 };
    gpf_train *t = gpf_train_alloc(m->g, loss, m->at, &how, NULL, &why);
    if (!t)
        fail_msg("%s: %s", optimizer, why.text);
    assert_int_equal(gpf_train_run(t), GSL_SUCCESS);
    const gpf_progress p = *gpf_train_progress(t);
    gpf_train_free(t);
    return p;
}

/* min sum((X w + b - y)^2) + lambda |w|^2, by GSL; the intercept is the last and goes unpenalised. */
static double least_squares(const double *X, const double *y, double lambda, double *w)
{
    const size_t rows = MARKETS + (lambda > 0 ? 3 : 0);
    gsl_matrix *A = gsl_matrix_calloc(rows, 4), *cov = gsl_matrix_alloc(4, 4);
    gsl_vector *b = gsl_vector_calloc(rows);
    for (size_t i = 0; i < MARKETS; i++) {
        for (size_t j = 0; j < 3; j++)
            gsl_matrix_set(A, i, j, X[3 * i + j]);
        gsl_matrix_set(A, i, 3, 1);
        gsl_vector_set(b, i, y[i]);
    }
    for (size_t j = 0; MARKETS + j < rows; j++)
        gsl_matrix_set(A, MARKETS + j, j, sqrt(lambda));
    gsl_vector_view v = gsl_vector_view_array(w, 4);
    gsl_multifit_linear_workspace *ws = gsl_multifit_linear_alloc(rows, 4);
    double chisq;
    gsl_multifit_linear(A, b, &v.vector, cov, &chisq, ws);
    gsl_multifit_linear_free(ws);
    gsl_matrix_free(A);
    gsl_matrix_free(cov);
    gsl_vector_free(b);
    return chisq;
}

static void linear_regression(void **state)
{
    (void)state;
    static const char *const optimizers[] = { "lm", "bfgs" };
    double X[3 * MARKETS], y[MARKETS], w[4];
    read_advertising(X, y);
    for (int standard = 0; standard < 2; standard++) {
        if (standard)
            standardize(X, MARKETS, 3);
        for (int penalised = 0; penalised < 2; penalised++) {
            /* mse + lambda/2 |W|^2 is (sum of squares + N lambda/2 |W|^2)/N */
            const double lambda = penalised ? 0.17 : 0;
            const double chisq = least_squares(X, y, lambda * MARKETS / 2, w);
            for (size_t k = 0; k < COUNT(optimizers); k++) {
                model m = make(MARKETS, 3, 1, X, y);
                const gpf_node loss = gpf_mse(m.g, m.z, m.y, GPF_MEAN);
                const gpf_progress p = fit(&m, loss, optimizers[k], lambda, 500);
                assert_int_equal(p.end, GPF_TRAIN_CONVERGED);
                printf("# %s %d %d: %zu epochs\n", optimizers[k], standard, penalised, p.epoch);
                assert_close(p.loss + p.penalty, chisq / MARKETS, 1e-12, 0);
                for (int j = 0; j < 4; j++)
                    assert_close(theta(m.at)[j], w[j], 1e-8, 0);
                release(&m);
            }
        }
    }
}

/* Does a market sell more than 14 for what it spends on TV? Not separable. */
static void logistic_regression(void **state)
{
    (void)state;
    double X[3 * MARKETS], y[MARKETS], tv[MARKETS];
    read_advertising(X, y);
    for (size_t i = 0; i < MARKETS; i++) {
        tv[i] = X[3 * i];
        y[i] = y[i] > 14;
    }
    for (int standard = 0; standard < 2; standard++) {
        if (standard)
            standardize(tv, MARKETS, 1);
        model m = make(MARKETS, 1, 1, tv, y);
        const gpf_progress p =
            fit(&m, gpf_bce_with_logits(m.g, m.z, m.y, GPF_MEAN), "bfgs", 0, 500);
        assert_int_equal(p.end, GPF_TRAIN_CONVERGED);
        printf("# %zu epochs, gradient %g\n", p.epoch, p.gradient);
        assert_true(p.gradient < 1e-8);
        double dw = 0, db = 0; /* X' (p - y)/N */
        for (size_t i = 0; i < MARKETS; i++) {
            const double e = 1 / (1 + exp(-theta(m.at)[0] * tv[i] - theta(m.at)[1])) - y[i];
            dw += e * tv[i] / MARKETS;
            db += e / MARKETS;
        }
        assert_true(fabs(dw) < 1e-8 && fabs(db) < 1e-8);
        release(&m);
    }
}

/* With a penalty the optimum is one point, but for what all biases have in common. */
static void softmax_regression(void **state)
{
    (void)state;
    double X[4 * FLOWERS], y[3 * FLOWERS], first[12] = { 0 };
    read_iris(X, y);
    dice d = { 4 };
    for (int again = 0; again < 2; again++) {
        model m = make(FLOWERS, 4, 3, X, y);
        fill(&d, theta(m.at), 15, -again, again);
        const gpf_progress p =
            fit(&m, gpf_cross_entropy(m.g, m.z, m.y, GPF_MEAN), "bfgs", 0.01, 5000);
        assert_int_equal(p.end, GPF_TRAIN_CONVERGED);
        printf("# %zu epochs, gradient %g\n", p.epoch, p.gradient);
        assert_true(p.gradient < 1e-8);
        for (int j = 0; again && j < 12; j++)
            assert_close(theta(m.at)[j], first[j], 1e-6, 0);
        memcpy(first, theta(m.at), sizeof first);
        release(&m);
    }
}

/* Least squares of a loss that is none is refused, with what is in the way. */
static void not_for_lm(void **state)
{
    (void)state;
    double X[4 * FLOWERS] = { 0 }, y[3 * FLOWERS] = { 0 };
    model m = make(FLOWERS, 4, 3, X, y);
    gpf_train_options how = gpf_train_defaults();
    how.optimizer = "lm";
    gpf_diag why = { 0 };
    assert_null(
        gpf_train_alloc(m.g, gpf_cross_entropy(m.g, m.z, m.y, GPF_MEAN), m.at, &how, NULL, &why));
    assert_int_equal(why.status, GPF_EDATA);
    assert_non_null(strstr(why.text, "lm needs a sum of squares"));
    printf("# %s\n", why.text);
    release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linear_regression),
        cmocka_unit_test(logistic_regression),
        cmocka_unit_test(softmax_regression),
        cmocka_unit_test(not_for_lm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
