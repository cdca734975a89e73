/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"
#include "train/train.h"

#include <stdio.h>

enum { N = 7, MAX = 400 };

/* A small net to make losses of: pred = tanh(X W + b) v, and what else may stand in one. */
typedef struct net {
    gpf_graph *g;
    gpf_node X, y, w, W, b, v, unused, h, pred, e, xs[4];
    double x_values[N * 3], y_values[N], w_values[N];
    gpf_point *at;
} net;

static void make_net(net *n, uint64_t seed)
{
    dice d = { seed };
    gpf_graph *g = n->g = gpf_graph_alloc();
    n->X = gpf_data(g, "X", gpf_shape2(GPF_N, 3));
    n->y = gpf_data(g, "y", gpf_shape2(GPF_N, 1));
    n->w = gpf_data(g, "w", gpf_shape2(GPF_N, 1));
    n->W = gpf_param(g, "W", gpf_shape2(3, 2));
    n->b = gpf_param(g, "b", gpf_shape2(1, 2));
    n->v = gpf_param(g, "v", gpf_shape2(2, 1));
    n->unused = gpf_param(g, "unused", gpf_shape0());
    n->h = gpf_tanh(g, gpf_add(g, gpf_matmul(g, n->X, n->W), n->b));
    n->pred = gpf_matmul(g, n->h, n->v);
    n->e = gpf_sub(g, n->pred, n->y);
    const gpf_node xs[] = { n->W, n->b, n->v, n->unused };
    memcpy(n->xs, xs, sizeof xs);
    fill(&d, n->x_values, N * 3, -2, 2);
    fill(&d, n->y_values, N, -2, 2);
    fill(&d, n->w_values, N, 0.2, 3);
    n->at = NULL;
}

static void place(net *n, uint64_t seed)
{
    dice d = { seed };
    assert_no_error(n->g);
    n->at = gpf_point_alloc(n->g, N);
    gpf_point_bind(n->at, n->X, n->x_values);
    gpf_point_bind(n->at, n->y, n->y_values);
    gpf_point_bind(n->at, n->w, n->w_values);
    fill(&d, theta(n->at), gpf_graph_n_params(n->g), -1.5, 1.5);
}

static void free_net(net *n)
{
    gpf_point_free(n->at);
    gpf_graph_free(n->g);
}

static gpf_node c(net *n, double value)
{
    return gpf_const(n->g, value);
}

static gpf_node sum_square(net *n, gpf_node x)
{
    return gpf_sum(n->g, gpf_square(n->g, x), GPF_ALL_AXES);
}

/* Losses that are sums of squares, with the number of residuals that they have. */
static gpf_node mse(net *n)
{
    return gpf_mse(n->g, n->pred, n->y, GPF_MEAN);
}
static gpf_node mse_sum(net *n)
{
    return gpf_mse(n->g, n->pred, n->y, GPF_SUM);
}
static gpf_node mse_half(net *n)
{
    return gpf_mse(n->g, n->pred, n->y, GPF_HALF_SUM);
}
static gpf_node half_sse(net *n)
{
    return gpf_half_sse(n->g, n->pred, n->y);
}
static gpf_node regularised(net *n)
{
    return gpf_add(n->g, mse(n),
                   gpf_mul(n->g, c(n, 0.3), gpf_add(n->g, gpf_l2(n->g, n->W), gpf_l2(n->g, n->v))));
}
static gpf_node powers(net *n)
{
    return gpf_div(n->g, gpf_sum(n->g, gpf_pow(n->g, n->e, c(n, 2)), GPF_ALL_AXES),
                   gpf_mul(n->g, c(n, 2), gpf_size(n->g, n->y, 1)));
}
static gpf_node products(net *n)
{
    return gpf_dot(n->g, n->e, n->e);
}
static gpf_node weighted(net *n)
{
    return gpf_sum(n->g, gpf_mul(n->g, n->w, gpf_square(n->g, n->e)), GPF_ALL_AXES);
}
static gpf_node by_axes(net *n)
{
    gpf_node rows = gpf_sum(n->g, gpf_square(n->g, gpf_mul(n->g, n->h, n->e)), 2);
    return gpf_mean(n->g, gpf_div(n->g, rows, n->w), GPF_ALL_AXES);
}
static gpf_node broadcast(net *n)
{
    /* (b^2 added to every row) */
    return gpf_sum(n->g, gpf_add(n->g, gpf_square(n->g, n->h), gpf_square(n->g, n->b)),
                   GPF_ALL_AXES);
}
static gpf_node twice_negated(net *n)
{
    return gpf_sub(n->g, c(n, 0), gpf_sub(n->g, gpf_neg(n->g, mse(n)), sum_square(n, n->b)));
}
static gpf_node matrix_product(net *n)
{
    return gpf_div(n->g, gpf_matmul(n->g, gpf_transpose(n->g, n->e), n->e), c(n, 2));
}
static gpf_node other_product(net *n)
{
    return gpf_matmul(n->g, gpf_transpose(n->g, n->v), n->v);
}
static gpf_node norm_squared(net *n)
{
    return gpf_square(n->g, gpf_norm(n->g, n->e));
}
static gpf_node reshaped(net *n)
{
    return gpf_sum(
        n->g,
        gpf_mul(n->g, gpf_reshape(n->g, gpf_square(n->g, n->W), gpf_shape2(2, 3)),
                gpf_const_tensor(n->g, gpf_shape2(2, 3), (const double[]){ 1, 2, 3, 4, 5, 6 })),
        GPF_ALL_AXES);
}
static gpf_node difference(net *n) /* 3 - 2 = 1 of the same square */
{
    const gpf_node s = gpf_square(n->g, n->e);
    return gpf_sum(n->g, gpf_sub(n->g, gpf_mul(n->g, c(n, 3), s), gpf_mul(n->g, c(n, 2), s)),
                   GPF_ALL_AXES);
}
static gpf_node doubled(net *n) /* a chain with 2^30 ways down */
{
    gpf_node s = mse(n);
    for (int i = 0; i < 30; i++)
        s = gpf_div(n->g, gpf_add(n->g, s, s), c(n, 2));
    return s;
}
static gpf_node deviations(net *n)
{
    return gpf_variance(n->g, n->pred, GPF_ALL_AXES);
}

static const struct {
    const char *name;
    gpf_node (*loss)(net *n);
    size_t m;
} squares[] = {
    { "mse", mse, N },
    { "mse, sum", mse_sum, N },
    { "mse, half sum", mse_half, N },
    { "half_sse", half_sse, N },
    { "with a penalty", regularised, N + 6 + 2 },
    { "powers", powers, N },
    { "products", products, N },
    { "weighted", weighted, N },
    { "sums by axes", by_axes, 2 * N },
    { "broadcast", broadcast, 2 * N + 2 },
    { "negated twice", twice_negated, N + 2 },
    { "e' e", matrix_product, N },
    { "v' v", other_product, 2 },
    { "a norm squared", norm_squared, N },
    { "reshaped", reshaped, 6 },
    { "a difference", difference, N },
    { "many ways", doubled, N },
    { "variance", deviations, N },
};

/* |r|^2 / 2 is the loss; J is its Jacobian, by the graph's other sweep and by J'r = grad. */
static void sums_of_squares(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(squares); k++) {
        net n;
        make_net(&n, 100 + k);
        const gpf_node loss = squares[k].loss(&n);
        place(&n, 200 + k);
        gpf__residuals *r;
        gpf_diag why = { 0 };
        if (gpf__residuals_make(n.g, loss, n.xs, 4, N, &r, &why))
            fail_msg("%s: %s", squares[k].name, why.text);
        const size_t m = gpf__residuals_size(r), p = 11;
        if (m != squares[k].m)
            fail_msg("%s: %zu residuals", squares[k].name, m);
        double out[MAX], J[MAX], up[MAX], down[MAX], f = 0;
        assert_int_equal(gpf__residuals_run(r, n.at, out), GSL_SUCCESS);
        for (size_t i = 0; i < m; i++)
            f += out[i] * out[i] / 2;
        assert_close(f, evaluate1(n.g, n.at, loss), 1e-13, 0);
        assert_int_equal(gpf__residuals_jacobian(r, n.at, J), GSL_SUCCESS);
        gpf_node grads[4];
        double g[11] = { 0 };
        assert_int_equal(gpf_grad(n.g, loss, n.xs, 4, grads), GSL_SUCCESS);
        for (size_t i = 0, at = 0; i < 4; i++) {
            if (grads[i] != GPF_NONE)
                evaluate(n.g, n.at, &grads[i], 1, g + at);
            at += gpf_shape_size(gpf_node_shape(n.g, n.xs[i]), N);
        }
        const double h = 1e-5;
        for (size_t j = 0; j < p; j++) {
            double g_j = 0;
            for (size_t i = 0; i < m; i++)
                g_j += J[i * p + j] * out[i];
            assert_close(g_j, g[j], 1e-12, 1e-13);
            double *t = &theta(n.at)[j];
            const double t0 = *t;
            *t = t0 + h;
            gpf__residuals_run(r, n.at, up);
            *t = t0 - h;
            gpf__residuals_run(r, n.at, down);
            *t = t0;
            for (size_t i = 0; i < m; i++)
                assert_close(J[i * p + j], (up[i] - down[i]) / (2 * h), 1e-6, 1e-8);
        }
        gpf__residuals_free(r);
        free_net(&n);
    }
}

/* gpf_jacobian wants shapes without N and works by reverse sweeps. */
static void as_gpf_jacobian(void **state)
{
    (void)state;
    dice d = { 31 };
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape1(5)), A = gpf_data(g, "A", gpf_shape2(4, 5));
    const gpf_node z = gpf_matmul(g, A, gpf_reshape(g, gpf_sin(g, x), gpf_shape2(5, 1)));
    const gpf_node loss = gpf_mul(g, gpf_const(g, 0.5), gpf_sum(g, gpf_square(g, z), GPF_ALL_AXES));
    gpf_node J;
    assert_int_equal(gpf_jacobian(g, z, x, &J), GSL_SUCCESS);
    gpf__residuals *r;
    assert_int_equal(gpf__residuals_make(g, loss, &x, 1, 0, &r, NULL), GSL_SUCCESS);
    gpf_point *at = gpf_point_alloc(g, 0);
    double values[20], expected[20], got[20];
    fill(&d, values, 20, -1, 1);
    fill(&d, theta(at), 5, -1, 1);
    gpf_point_bind(at, A, values);
    evaluate(g, at, &J, 1, expected);
    assert_int_equal(gpf__residuals_jacobian(r, at, got), GSL_SUCCESS);
    for (int i = 0; i < 20; i++)
        assert_close(got[i], expected[i], 1e-14, 1e-15);
    gpf__residuals_free(r);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* Only some params are asked about; a point may be younger or older than what the sweeps added. */
static void some_params(void **state)
{
    (void)state;
    net n;
    make_net(&n, 9);
    const gpf_node loss = mse(&n), some[] = { n.v, n.b };
    place(&n, 10);
    gpf__residuals *r, *s;
    assert_int_equal(gpf__residuals_make(n.g, loss, some, 2, N, &r, NULL), GSL_SUCCESS);
    assert_int_equal(gpf__residuals_make(n.g, loss, some, 2, N, &s, NULL), GSL_SUCCESS);
    double J[4 * N], K[4 * N], h[2 * N];
    assert_int_equal(gpf__residuals_jacobian(r, n.at, J), GSL_SUCCESS);
    gpf_point *later = gpf_point_alloc(n.g, N);
    gpf_point_bind(later, n.X, n.x_values);
    gpf_point_bind(later, n.y, n.y_values);
    memcpy(theta(later), theta(n.at), gpf_graph_n_params(n.g) * sizeof(double));
    assert_int_equal(gpf__residuals_jacobian(s, later, K), GSL_SUCCESS);
    assert_memory_equal(J, K, sizeof J);
    evaluate(n.g, n.at, &n.h, 1, h);
    for (int i = 0; i < N; i++) /* d r_i / d v = sqrt(2/N) h_i */
        assert_close(J[4 * i], sqrt(2.0 / N) * h[2 * i], 1e-14, 0);
    gpf__residuals_free(r);
    gpf__residuals_free(s);
    gpf_point_free(later);
    free_net(&n);
}

/* What does not depend on the params is left out; the rest are the residuals. */
static void constants_do_not_matter(void **state)
{
    (void)state;
    net n;
    make_net(&n, 12);
    const gpf_node loss = gpf_sub(n.g, gpf_add(n.g, mse(&n), gpf_const(n.g, 3)),
                                  gpf_sum(n.g, gpf_log(n.g, n.w), GPF_ALL_AXES));
    place(&n, 13);
    gpf__residuals *r;
    assert_int_equal(gpf__residuals_make(n.g, loss, n.xs, 3, N, &r, NULL), GSL_SUCCESS);
    assert_int_equal(gpf__residuals_size(r), N);
    gpf__residuals_free(r);
    /* A fixed param is a constant like others: v tanh(..) is no obstacle if only v is trained. */
    const gpf_node scaled = gpf_mul(n.g, gpf_exp(n.g, gpf_sum(n.g, n.W, GPF_ALL_AXES)), mse(&n));
    assert_int_equal(gpf__residuals_make(n.g, scaled, &n.v, 1, N, &r, NULL), GSL_SUCCESS);
    double out[N], f = 0;
    assert_int_equal(gpf__residuals_run(r, n.at, out), GSL_SUCCESS);
    for (int i = 0; i < N; i++)
        f += out[i] * out[i] / 2;
    assert_close(f, evaluate1(n.g, n.at, scaled), 1e-13, 0);
    gpf__residuals_free(r);
    free_net(&n);
}

static gpf_node cross_entropy(net *n)
{
    return gpf_cross_entropy(n->g, n->h, n->h, GPF_SUM);
}
static gpf_node absolute(net *n)
{
    return gpf_mae(n->g, n->pred, n->y, GPF_MEAN);
}
static gpf_node negative(net *n)
{
    return gpf_sub(n->g, mse(n), gpf_l2(n->g, n->v));
}
static gpf_node scaled_by_param(net *n)
{
    return gpf_mul(n->g, mse(n), gpf_exp(n->g, n->unused));
}
static gpf_node divided_by_param(net *n)
{
    return gpf_div(n->g, mse(n), gpf_exp(n->g, n->unused));
}
static gpf_node named(net *n)
{
    const gpf_node k = gpf_abs(n->g, n->W);
    gpf_node_set_name(n->g, k, "size_of_W");
    return gpf_add(n->g, mse(n), gpf_sum(n->g, k, GPF_ALL_AXES));
}
static gpf_node gram(net *n)
{
    return gpf_sum(n->g, gpf_matmul(n->g, gpf_transpose(n->g, n->h), n->h), GPF_ALL_AXES);
}
static gpf_node no_params(net *n)
{
    return sum_square(n, n->y);
}
static gpf_node a_param(net *n)
{
    return n->unused;
}

static void what_stands_in_the_way(void **state)
{
    (void)state;
    static const struct {
        gpf_node (*loss)(net *n);
        int status;
        const char *text;
    } list[] = {
        { cross_entropy, GPF_EDATA, "(mul)" },
        { absolute, GPF_EDATA, "(abs)" },
        { negative, GPF_EDATA, "that of the square of v is -0.5" },
        { scaled_by_param, GPF_EDATA, "(mul)" },
        { divided_by_param, GPF_EDATA, "(div)" },
        { named, GPF_EDATA, "size_of_W (abs)" },
        { gram, GPF_EDATA, "(matmul)" },
        { no_params, GPF_ENOTHING, "does not depend" },
        { a_param, GPF_EDATA, "unused (param)" },
    };
    for (size_t k = 0; k < COUNT(list); k++) {
        net n;
        make_net(&n, k);
        const gpf_node loss = list[k].loss(&n);
        gpf__residuals *r;
        gpf_diag why = { 0 };
        assert_int_equal(gpf__residuals_make(n.g, loss, n.xs, 4, N, &r, &why), list[k].status);
        assert_null(r);
        assert_int_equal(why.status, list[k].status);
        if (!strstr(why.text, list[k].text))
            fail_msg("'%s' is not in '%s'", list[k].text, why.text);
        assert_int_equal(gpf__residuals_make(n.g, loss, n.xs, 4, N, &r, NULL), list[k].status);
        assert_no_error(n.g);
        free_net(&n);
    }
}

static void other_failures(void **state)
{
    (void)state;
    net n;
    make_net(&n, 3);
    gpf__residuals *r;
    gpf_diag why;
    const gpf_node loss = weighted(&n);
    place(&n, 4);
    assert_int_equal(gpf__residuals_make(n.g, loss, n.xs, 0, N, &r, &why), GPF_ENOTHING);
    /* An N whose tensors or whose Jacobian nobody has room for. */
    assert_int_equal(gpf__residuals_make(n.g, loss, n.xs, 4, 0x7fffffff, &r, &why), GPF_ELIMIT);
    assert_int_equal(gpf__residuals_make(n.g, loss, n.xs, 4, N, &r, &why), GSL_SUCCESS);
    double out[N], J[11 * N];
    n.w_values[2] = -1; /* a factor that only the data know to be negative */
    assert_int_equal(gpf__residuals_run(r, n.at, out), GSL_SUCCESS);
    assert_true(isnan(out[2]) && isfinite(out[1]));
    n.w_values[2] = 0;
    assert_int_equal(gpf__residuals_run(r, n.at, out), GSL_SUCCESS);
    assert_int_equal(gpf__residuals_jacobian(r, n.at, J), GSL_SUCCESS);
    for (int j = 0; j < 11; j++)
        assert_true(J[22 + j] == 0);
    gpf_point_bind(n.at, n.w, NULL);
    assert_int_equal(gpf__residuals_run(r, n.at, out), GPF_EUNBOUND);
    assert_int_equal(gpf__residuals_jacobian(r, n.at, J), GPF_EUNBOUND);
    gpf__residuals_free(r);
    gpf__residuals_free(NULL);
    gpf_matmul(n.g, n.X, n.X);
    assert_int_equal(gpf__residuals_make(n.g, loss, n.xs, 4, N, &r, &why), GPF_ESHAPE);
    free_net(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_of_squares),
        cmocka_unit_test(as_gpf_jacobian),
        cmocka_unit_test(some_params),
        cmocka_unit_test(constants_do_not_matter),
        cmocka_unit_test(what_stands_in_the_way),
        cmocka_unit_test(other_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
