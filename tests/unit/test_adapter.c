/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "count_allocations.h"
#include "random_graph.h"

#include <gsl/gsl_deriv.h>
#include <pthread.h>
#include <stdio.h>

enum { N = 6, MOST = 64, NETS = 60 };

/* A net with a hidden layer, a state with as many values as variables, and a curve. */
typedef struct net {
    gpf_graph *g;
    gpf_node X, y, t, W, b, v, q, loss, errors, whole, root, moving, line;
    double x[N * 3], target[N];
    gpf_point *at;
} net;

static void make_net(net *n)
{
    dice d = { 77 };
    gpf_graph *g = n->g = gpf_graph_alloc();
    n->X = gpf_data(g, "X", gpf_shape2(GPF_N, 3));
    n->y = gpf_data(g, "y", gpf_shape2(GPF_N, 1));
    n->t = gpf_data(g, "t", gpf_shape0());
    n->W = gpf_param(g, "W", gpf_shape2(3, 2));
    n->b = gpf_param(g, "b", gpf_shape2(1, 2));
    n->v = gpf_param(g, "v", gpf_shape2(2, 1));
    n->q = gpf_param(g, "q", gpf_shape0());
    const gpf_node h = gpf_tanh(g, gpf_add(g, gpf_matmul(g, n->X, n->W), n->b));
    n->errors = gpf_sub(g, gpf_add(g, gpf_matmul(g, h, n->v), n->q), n->y);
    n->loss = gpf_mean(g, gpf_square(g, n->errors), GPF_ALL_AXES);
    /* 6 of 6: W -> sin(W S) + q, W -> W * t + tanh(W) */
    const double mix[] = { 0.3, -1.2, 0.8, 0.5 };
    const gpf_node S = gpf_const_tensor(g, gpf_shape2(2, 2), mix);
    n->root = gpf_add(g, gpf_sin(g, gpf_matmul(g, n->W, S)), n->q);
    n->moving = gpf_add(g, gpf_mul(g, n->W, gpf_square(g, n->t)), gpf_tanh(g, n->root));
    n->line = gpf_add(g, gpf_exp(g, n->q), gpf_sin(g, n->q));
    assert_no_error(g);
    n->at = gpf_point_alloc(g, N);
    fill(&d, n->x, COUNT(n->x), -2, 2);
    fill(&d, n->target, N, -1, 1);
    fill(&d, theta(n->at), 11, -1, 1);
    gpf_point_bind(n->at, n->X, n->x);
    gpf_point_bind(n->at, n->y, n->target);
}

static void free_net(net *n)
{
    gpf_point_free(n->at);
    gpf_graph_free(n->g);
}

static gpf_gsl *adapter(net *n, gpf_node y, const gpf_node *xs, size_t n_x)
{
    gpf_diag why = { 0 };
    gpf_gsl *a = gpf_gsl_alloc(n->g, y, xs, n_x, n->at, &why);
    if (!a)
        fail_msg("%s", why.text);
    return a;
}

#define filled(call)                         \
    do {                                     \
        gpf_diag filled_why = { 0 };         \
        if (call(a, &f, &filled_why))        \
            fail_msg("%s", filled_why.text); \
    } while (0)

/* Vectors with a stride and matrices with a tda, and around the elements what must stay. */
static gsl_vector *strided(size_t n, size_t stride)
{
    gsl_vector *whole = gsl_vector_alloc(n * stride), *v = malloc(sizeof *v);
    gsl_vector_set_all(whole, -99);
    *v = gsl_vector_subvector_with_stride(whole, 0, stride, n).vector;
    v->block = whole->block;
    free(whole);
    return v;
}

static void free_strided(gsl_vector *v)
{
    for (size_t i = 0; i < v->block->size; i++)
        assert_true(i % v->stride == 0 || v->block->data[i] == -99);
    gsl_block_free(v->block);
    free(v);
}

static gsl_vector *random_x(size_t n, size_t stride, uint64_t seed)
{
    dice d = { seed };
    gsl_vector *x = strided(n, stride);
    for (size_t i = 0; i < n; i++)
        gsl_vector_set(x, i, between(&d, -1, 1));
    return x;
}

/* Any callback as a function of one number: value i at x + s e_j. */
typedef struct probe {
    int (*f)(const gsl_vector *x, void *params, gsl_vector *f);
    void *params;
    const gsl_vector *x;
    size_t m, i, j;
} probe;

static double value(double s, void *arg)
{
    const probe *p = arg;
    double memory[MOST], out[MOST];
    gsl_vector_view x = gsl_vector_view_array(memory, p->x->size),
                    f = gsl_vector_view_array(out, p->m);
    gsl_vector_memcpy(&x.vector, p->x);
    memory[p->j] += s;
    assert_int_equal(p->f(&x.vector, p->params, &f.vector), GSL_SUCCESS);
    return out[p->i];
}

static double difference(probe p, size_t i, size_t j)
{
    const gsl_function f = { value, &p };
    double slope, error;
    p.i = i;
    p.j = j;
    gsl_deriv_central(&f, 0, 1e-3, &slope, &error);
    return slope;
}

#define assert_slope(a, probe, i, j) assert_close(a, difference(probe, i, j), 1e-8, 1e-8)

static void function(void **state)
{
    (void)state;
    net n;
    make_net(&n);
    gpf_gsl *a = adapter(&n, n.line, &n.q, 1);
    gsl_function_fdf f;
    filled(gpf_gsl_function);
    for (double x = -2; x < 2; x += 0.37) {
        double y, dy;
        GSL_FN_FDF_EVAL_F_DF(&f, x, &y, &dy);
        assert_close(y, exp(x) + sin(x), 1e-15, 1e-15);
        assert_close(dy, exp(x) + cos(x), 1e-15, 1e-15);
        assert_true(y == GSL_FN_FDF_EVAL_F(&f, x) && dy == GSL_FN_FDF_EVAL_DF(&f, x));
    }
    gpf_gsl_free(a);
    free_net(&n);
}

static int as_vector(const gsl_vector *x, void *params, gsl_vector *out)
{
    const gsl_multimin_function_fdf *f = params;
    gsl_vector_set(out, 0, f->f(x, f->params));
    return GSL_SUCCESS;
}

static void multimin(void **state)
{
    (void)state;
    net n;
    make_net(&n);
    const gpf_node some[] = { n.v, n.W };
    for (size_t way = 0; way < 2; way++)
        for (size_t stride = 1; stride < 4; stride++) {
            gpf_gsl *a = adapter(&n, n.loss, way ? some : NULL, way ? 2 : 0);
            gsl_multimin_function_fdf f;
            filled(gpf_gsl_multimin);
            assert_int_equal(f.n, way ? 8 : 11);
            gsl_vector *x = random_x(f.n, stride, 3), *g = strided(f.n, 4 - stride),
                       *h = strided(f.n, stride);
            double y;
            f.fdf(x, f.params, &y, g);
            f.df(x, f.params, h);
            assert_true(y == f.f(x, f.params));
            const probe p = { as_vector, &f, x, 1, 0, 0 };
            for (size_t j = 0; j < f.n; j++) {
                assert_slope(gsl_vector_get(g, j), p, 0, j);
                assert_true(gsl_vector_get(g, j) == gsl_vector_get(h, j));
            }
            free_strided(x);
            free_strided(g);
            free_strided(h);
            gpf_gsl_free(a);
        }
    free_net(&n);
}

/* The three structures with a Jacobian have the same callbacks; each is filled in as it says. */
static void jacobians(void **state)
{
    (void)state;
    net n;
    make_net(&n);
    const struct {
        gpf_node y;
        const gpf_node *xs;
        size_t n_x;
    } of[] = {
        { n.root, &n.W, 1 }, { n.errors, NULL, 0 }, { n.errors, &n.X, 1 }, { n.W, &n.W, 1 }
    };
    for (size_t k = 0; k < COUNT(of); k++) {
        gpf_gsl *a = adapter(&n, of[k].y, of[k].xs, of[k].n_x);
        const size_t m = gpf_gsl_values(a), p = gpf_gsl_variables(a);
        gsl_multifit_function_fdf f;
        filled(gpf_gsl_multifit);
        assert_true(f.n == m && f.p == p && f.params == a);
        gsl_vector *x = random_x(p, 2, 4), *y = strided(m, 3), *z = strided(m, 1);
        gsl_matrix *wide = gsl_matrix_alloc(m, p + 3), *K = gsl_matrix_alloc(m, p);
        gsl_matrix_set_all(wide, -99);
        gsl_matrix_view J = gsl_matrix_submatrix(wide, 0, 2, m, p);
        assert_int_equal(f.fdf(x, f.params, y, &J.matrix), GSL_SUCCESS);
        assert_int_equal(f.f(x, f.params, z), GSL_SUCCESS);
        assert_int_equal(f.df(x, f.params, K), GSL_SUCCESS);
        assert_true(gsl_vector_equal(y, z) && gsl_matrix_equal(K, &J.matrix));
        const probe q = { f.f, f.params, x, m, 0, 0 };
        for (size_t i = 0; i < m; i++) {
            for (size_t j = 0; j < p; j++)
                assert_slope(gsl_matrix_get(K, i, j), q, i, j);
            for (size_t j = 0; j < p + 3; j++)
                assert_true((j >= 2 && j < 2 + p) || gsl_matrix_get(wide, i, j) == -99);
        }
        if (m == p) {
            gsl_multiroot_function_fdf f2;
            assert_int_equal(gpf_gsl_multiroot(a, &f2, NULL), GSL_SUCCESS);
            assert_true(f2.n == m && f2.f == f.f && f2.df == f.df && f2.fdf == f.fdf);
        }
        gsl_multifit_nlinear_fdf f3;
        assert_int_equal(gpf_gsl_multifit_nlinear(a, &f3, NULL), GSL_SUCCESS);
        assert_true(f3.n == m && f3.p == p && f3.f == f.f && f3.df == f.df && f3.fvv);
        assert_true(f3.nevalf == 0 && f3.nevaldf == 0 && f3.nevalfvv == 0);
        free_strided(x);
        free_strided(y);
        free_strided(z);
        gsl_matrix_free(wide);
        gsl_matrix_free(K);
        gpf_gsl_free(a);
    }
    free_net(&n);
}

/* fvv against differences of J v. */
static void fvv(void **state)
{
    (void)state;
    net n;
    make_net(&n);
    gpf_gsl *a = adapter(&n, n.errors, NULL, 0);
    gsl_multifit_nlinear_fdf f;
    filled(gpf_gsl_multifit_nlinear);
    gsl_vector *x = random_x(11, 2, 5), *v = random_x(11, 3, 6), *out = strided(N, 2);
    assert_int_equal(f.fvv(x, v, f.params, out), GSL_SUCCESS);
    const double h = 1e-4;
    double Jv[2][N];
    for (int side = 0; side < 2; side++) {
        gsl_vector *moved = gsl_vector_alloc(11);
        gsl_matrix *J = gsl_matrix_alloc(N, 11);
        for (size_t j = 0; j < 11; j++)
            gsl_vector_set(moved, j, gsl_vector_get(x, j) + (side ? h : -h) * gsl_vector_get(v, j));
        f.df(moved, f.params, J);
        for (size_t i = 0; i < N; i++) {
            Jv[side][i] = 0;
            for (size_t j = 0; j < 11; j++)
                Jv[side][i] += gsl_matrix_get(J, i, j) * gsl_vector_get(v, j);
        }
        gsl_vector_free(moved);
        gsl_matrix_free(J);
    }
    for (size_t i = 0; i < N; i++)
        assert_close(gsl_vector_get(out, i), (Jv[1][i] - Jv[0][i]) / (2 * h), 1e-6, 1e-6);
    free_strided(x);
    free_strided(v);
    free_strided(out);
    gpf_gsl_free(a);
    free_net(&n);
}

/* Products with the Jacobian that multifit has; v or JTJ may be missing. */
static void multilarge(void **state)
{
    (void)state;
    net n;
    make_net(&n);
    const gpf_node xs[2][1] = { { n.W }, { n.X } }; /* 6 of 6; 6 of 18: by rows */
    for (size_t k = 0; k < 2; k++) {
        gpf_gsl *a = adapter(&n, n.errors, xs[k], 1);
        const size_t p = gpf_gsl_variables(a);
        gsl_multilarge_nlinear_fdf f;
        gsl_multifit_nlinear_fdf whole;
        filled(gpf_gsl_multilarge_nlinear);
        assert_int_equal(gpf_gsl_multifit_nlinear(a, &whole, NULL), GSL_SUCCESS);
        assert_true(f.n == N && f.p == p && f.fvv == whole.fvv && f.f == whole.f);
        gsl_matrix *J = gsl_matrix_alloc(N, p), *wide = gsl_matrix_alloc(p, p + 1);
        gsl_vector *x = random_x(p, 1, 7), *u = random_x(p, 2, 8), *w = random_x(N, 2, 9),
                   *Ju = strided(N, 2), *Jtw = strided(p, 3);
        gsl_matrix_view JTJ = gsl_matrix_submatrix(wide, 0, 1, p, p);
        gsl_matrix_set_all(wide, -99);
        whole.df(x, whole.params, J);
        assert_int_equal(f.df(CblasNoTrans, x, u, f.params, Ju, NULL), GSL_SUCCESS);
        assert_int_equal(f.df(CblasTrans, x, w, f.params, Jtw, &JTJ.matrix), GSL_SUCCESS);
        for (size_t i = 0; i < N; i++) {
            double sum = 0;
            for (size_t j = 0; j < p; j++)
                sum += gsl_matrix_get(J, i, j) * gsl_vector_get(u, j);
            assert_close(gsl_vector_get(Ju, i), sum, 1e-13, 1e-14);
        }
        for (size_t j = 0; j < p; j++) {
            double sum = 0;
            for (size_t i = 0; i < N; i++)
                sum += gsl_matrix_get(J, i, j) * gsl_vector_get(w, i);
            assert_close(gsl_vector_get(Jtw, j), sum, 1e-13, 1e-14);
            for (size_t i = j; i < p; i++) {
                sum = 0;
                for (size_t r = 0; r < N; r++)
                    sum += gsl_matrix_get(J, r, i) * gsl_matrix_get(J, r, j);
                assert_close(gsl_matrix_get(&JTJ.matrix, i, j), sum, 1e-13, 1e-14);
            }
            assert_true(gsl_matrix_get(wide, j, 0) == -99);
        }
        gsl_matrix *again = gsl_matrix_alloc(p, p);
        gsl_matrix_set_all(again, -99);
        assert_int_equal(f.df(CblasTrans, x, NULL, f.params, NULL, again), GSL_SUCCESS);
        assert_true(gsl_matrix_equal(again, &JTJ.matrix));
        assert_int_equal(f.df(CblasTrans, x, NULL, f.params, NULL, NULL), GSL_SUCCESS);
        assert_int_equal(gpf_gsl_status(a), GSL_SUCCESS);
        gsl_matrix_free(again);
        gsl_matrix_free(J);
        gsl_matrix_free(wide);
        free_strided(x);
        free_strided(u);
        free_strided(w);
        free_strided(Ju);
        free_strided(Jtw);
        gpf_gsl_free(a);
    }
    free_net(&n);
}

static void odeiv2(void **state)
{
    (void)state;
    net n;
    make_net(&n);
    for (size_t way = 0; way < 2; way++) {
        gpf_gsl *a = adapter(&n, way ? n.moving : n.root, &n.W, 1);
        gsl_odeiv2_system f;
        gpf_diag why;
        assert_int_equal(gpf_gsl_odeiv2(a, way ? n.t : GPF_NONE, &f, &why), GSL_SUCCESS);
        assert_int_equal(f.dimension, 6);
        dice d = { 10 };
        double y[6], up[6], down[6], dydt[6], J[36], dfdt[6];
        const double t = 0.83, h = 1e-5;
        fill(&d, y, 6, -1, 1);
        assert_int_equal(f.function(t, y, dydt, f.params), GSL_SUCCESS);
        assert_int_equal(f.jacobian(t, y, J, dfdt, f.params), GSL_SUCCESS);
        for (size_t j = 0; j < 6; j++) {
            const double y_j = y[j];
            y[j] = y_j + h;
            f.function(t, y, up, f.params);
            y[j] = y_j - h;
            f.function(t, y, down, f.params);
            y[j] = y_j;
            for (size_t i = 0; i < 6; i++)
                assert_close(J[i * 6 + j], (up[i] - down[i]) / (2 * h), 1e-7, 1e-8);
            assert_close(dfdt[j], way ? 2 * t * y[j] : 0, 1e-14, 0);
        }
        /* The time is not one of the values of x, nor does it stay. */
        assert_int_equal(gpf_gsl_status(a), GSL_SUCCESS);
        gsl_multiroot_function_fdf r;
        assert_int_equal(gpf_gsl_multiroot(a, &r, NULL), GSL_SUCCESS);
        gsl_vector_view x = gsl_vector_view_array(y, 6), out = gsl_vector_view_array(up, 6);
        assert_int_equal(r.f(&x.vector, r.params, &out.vector), way ? GPF_EUNBOUND : GSL_SUCCESS);
        assert_int_equal(gpf_gsl_odeiv2(a, way ? GPF_NONE : n.t, &f, &why), way ? GSL_EINVAL : 0);
        if (way)
            assert_string_equal(why.text, "the time is t already");
        gpf_gsl_free(a);
    }
    free_net(&n);
}

/* Failures: NaN in all outputs, the status returned and kept until it is cleared. */
static void failures(void **state)
{
    (void)state;
    net n;
    make_net(&n);
    gpf_gsl *a = adapter(&n, n.loss, NULL, 0), *b = adapter(&n, n.errors, NULL, 0);
    gsl_multimin_function_fdf f;
    filled(gpf_gsl_multimin);
    gsl_multifit_nlinear_fdf fit;
    gsl_multilarge_nlinear_fdf large;
    assert_int_equal(gpf_gsl_multifit_nlinear(b, &fit, NULL), GSL_SUCCESS);
    assert_int_equal(gpf_gsl_multilarge_nlinear(b, &large, NULL), GSL_SUCCESS);
    gsl_vector *x = random_x(11, 1, 1), *g = strided(11, 2), *r = strided(N, 2);
    gsl_matrix *J = gsl_matrix_calloc(N, 11), *JTJ = gsl_matrix_calloc(11, 11);
    double y = 0;
    gpf_point_bind(n.at, n.X, NULL);
    assert_true(isnan(f.f(x, f.params)));
    assert_int_equal(gpf_gsl_status(a), GPF_EUNBOUND);
    gpf_gsl_clear(a);
    assert_int_equal(gpf_gsl_status(a), GSL_SUCCESS);
    f.df(x, f.params, g);
    for (size_t i = 0; i < 11; i++)
        assert_true(isnan(gsl_vector_get(g, i)));
    gsl_vector_set_all(g, 0);
    f.fdf(x, f.params, &y, g);
    assert_true(isnan(y));
    for (size_t i = 0; i < 11; i++)
        assert_true(isnan(gsl_vector_get(g, i)));
    assert_int_equal(fit.f(x, fit.params, r), GPF_EUNBOUND);
    assert_int_equal(fit.df(x, fit.params, J), GPF_EUNBOUND);
    assert_int_equal(large.df(CblasTrans, x, r, large.params, g, JTJ), GPF_EUNBOUND);
    assert_int_equal(large.df(CblasNoTrans, x, x, large.params, r, NULL), GPF_EUNBOUND);
    for (size_t i = 0; i < N; i++)
        assert_true(isnan(gsl_vector_get(r, i)));
    gsl_vector_set_all(r, 0);
    assert_int_equal(fit.fvv(x, x, fit.params, r), GPF_EUNBOUND);
    for (size_t i = 0; i < N; i++) {
        assert_true(isnan(gsl_vector_get(r, i)));
        for (size_t j = 0; j < 11; j++)
            assert_true(isnan(gsl_matrix_get(J, i, j)));
    }
    for (size_t i = 0; i < 121; i++)
        assert_true(isnan(JTJ->data[i]));
    /* What comes after it is right again; the first status stays. */
    gpf_point_bind(n.at, n.X, n.x);
    f.fdf(x, f.params, &y, g);
    assert_true(isfinite(y) && isfinite(gsl_vector_get(g, 3)));
    assert_int_equal(fit.f(g, fit.params, g), GSL_EBADLEN);
    assert_int_equal(fit.df(x, fit.params, JTJ), GSL_EBADLEN);
    assert_int_equal(fit.f(r, fit.params, r), GSL_EBADLEN);
    assert_int_equal(large.df(CblasTrans, x, NULL, large.params, x, NULL), GSL_EBADLEN);
    assert_int_equal(gpf_gsl_status(b), GPF_EUNBOUND);
    /* A NaN is a value. */
    gpf_gsl_clear(a);
    gsl_vector_set_all(x, NAN);
    f.fdf(x, f.params, &y, g);
    assert_true(isnan(y) && isnan(gsl_vector_get(g, 0)));
    assert_int_equal(gpf_gsl_status(a), GSL_SUCCESS);
    gpf_gsl_free(a);
    gpf_gsl_free(b);
    a = adapter(&n, n.moving, &n.W, 1); /* steppers go on after what is not GSL_EBADFUNC */
    gsl_odeiv2_system ode;
    assert_int_equal(gpf_gsl_odeiv2(a, GPF_NONE, &ode, NULL), GSL_SUCCESS);
    double state_y[6] = { 0 }, out[6] = { 0 }, dfdy[36] = { 0 }, dfdt[6] = { 0 };
    assert_int_equal(ode.function(0, state_y, out, ode.params), GSL_EBADFUNC);
    assert_int_equal(ode.jacobian(0, state_y, dfdy, dfdt, ode.params), GSL_EBADFUNC);
    assert_int_equal(gpf_gsl_status(a), GPF_EUNBOUND);
    for (size_t i = 0; i < 36; i++)
        assert_true(isnan(out[i / 6]) && isnan(dfdt[i / 6]) && isnan(dfdy[i]));
    gpf_gsl_free(a);
    free_strided(x);
    free_strided(g);
    free_strided(r);
    gsl_matrix_free(J);
    gsl_matrix_free(JTJ);
    free_net(&n);
}

/* Other data and other fixed params are seen at once; so is a new x at the same place. */
static void rebinding(void **state)
{
    (void)state;
    net n;
    make_net(&n);
    gpf_gsl *a = adapter(&n, n.errors, &n.v, 1);
    gsl_multifit_function_fdf f;
    filled(gpf_gsl_multifit);
    double other[N * 3], expected[N];
    dice d = { 55 };
    fill(&d, other, COUNT(other), -1, 1);
    gsl_vector *x = gsl_vector_alloc(2), *y = gsl_vector_alloc(N);
    for (int round = 0; round < 20; round++) {
        if (round % 2)
            gpf_point_bind(n.at, n.X, round % 4 == 1 ? other : n.x);
        else
            fill(&d, theta(n.at), 11, -1, 1);
        if (round % 5 == 0)
            n.target[2] = round;
        memcpy(x->data, theta(n.at) + 8, 2 * sizeof(double));
        theta(n.at)[8] = NAN; /* a variable's value is x's */
        assert_int_equal(f.f(x, f.params, y), GSL_SUCCESS);
        theta(n.at)[8] = x->data[0];
        evaluate(n.g, n.at, &n.errors, 1, expected);
        assert_memory_equal(y->data, expected, sizeof expected);
    }
    gsl_vector_free(x);
    gsl_vector_free(y);
    gpf_gsl_free(a);
    free_net(&n);
}

/* Nothing is allocated in a call, whatever the structure and the layout. */
static void no_allocations(void **state)
{
    (void)state;
    net n;
    make_net(&n);
    const double now = 2;
    gpf_point_bind(n.at, n.t, &now);
    const gpf_node some[] = { n.v, n.W }, *ways[] = { NULL, some, &n.X };
    const size_t counts[] = { 0, 2, 1 };
    for (size_t k = 0; k < 3; k++)
        for (size_t stride = 1; stride < 3; stride++) {
            gpf_gsl *a = adapter(&n, n.loss, ways[k], counts[k]),
                    *b = adapter(&n, n.errors, ways[k], counts[k]),
                    *c = adapter(&n, n.moving, &n.W, 1);
            gsl_multimin_function_fdf f;
            filled(gpf_gsl_multimin);
            gsl_multifit_nlinear_fdf fit;
            gsl_multilarge_nlinear_fdf large;
            gsl_odeiv2_system ode;
            assert_int_equal(gpf_gsl_multifit_nlinear(b, &fit, NULL), GSL_SUCCESS);
            assert_int_equal(gpf_gsl_multilarge_nlinear(b, &large, NULL), GSL_SUCCESS);
            assert_int_equal(gpf_gsl_odeiv2(c, n.t, &ode, NULL), GSL_SUCCESS);
            gsl_vector *x = random_x(f.n, stride, 1), *z = random_x(f.n, 1, 2),
                       *g = strided(f.n, stride), *r = strided(N, stride);
            gsl_matrix *J = gsl_matrix_calloc(N, f.n), *JTJ = gsl_matrix_calloc(f.n, f.n);
            double y, s[6] = { 0.3 }, dydt[6], dfdy[36], dfdt[6];
            const unsigned long before = allocations;
            for (int round = 0; round < 3; round++) {
                const gsl_vector *at = round % 2 ? x : z;
                f.f(at, f.params);
                f.df(at, f.params, g);
                f.fdf(at, f.params, &y, g);
                fit.f(at, fit.params, r);
                fit.df(at, fit.params, J);
                fit.fvv(at, x, fit.params, r);
                large.df(CblasNoTrans, at, x, large.params, r, NULL);
                large.df(CblasTrans, at, r, large.params, g, JTJ);
                ode.function(y, s, dydt, ode.params);
                ode.jacobian(y, s, dfdy, dfdt, ode.params);
            }
            assert_int_equal(allocations, before);
            assert_int_equal(gpf_gsl_status(a) | gpf_gsl_status(b) | gpf_gsl_status(c), 0);
            free_strided(x);
            free_strided(z);
            free_strided(g);
            free_strided(r);
            gsl_matrix_free(J);
            gsl_matrix_free(JTJ);
            gpf_gsl_free(a);
            gpf_gsl_free(b);
            gpf_gsl_free(c);
        }
    free_net(&n);
}

/* Two threads, two adapters, one graph, one point. */
typedef struct worker {
    gsl_multifit_nlinear_fdf f;
    double sum;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    double x[11], y[N], J[N * 11];
    gsl_vector_view xv = gsl_vector_view_array(x, 11), yv = gsl_vector_view_array(y, N);
    gsl_matrix_view Jv = gsl_matrix_view_array(J, N, 11);
    dice d = { 4 };
    for (int round = 0; round < 400; round++) {
        fill(&d, x, 11, -1, 1);
        w->f.f(&xv.vector, w->f.params, &yv.vector);
        w->f.df(&xv.vector, w->f.params, &Jv.matrix);
        for (size_t i = 0; i < N * 11; i++)
            w->sum += J[i] * (double)(i + 1) + y[i / 11];
    }
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    net n;
    make_net(&n);
    worker w[2] = { 0 };
    gpf_gsl *a[2];
    for (int i = 0; i < 2; i++) {
        a[i] = adapter(&n, n.errors, NULL, 0);
        assert_int_equal(gpf_gsl_multifit_nlinear(a[i], &w[i].f, NULL), GSL_SUCCESS);
    }
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, work, &w[0]), 0);
    work(&w[1]);
    pthread_join(other, NULL);
    assert_true(w[0].sum == w[1].sum && w[0].sum != 0);
    gpf_gsl_free(a[0]);
    gpf_gsl_free(a[1]);
    free_net(&n);
}

/* Exactly on an edge the derivative is the one the op states. */
static void kinks(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node w = gpf_param(g, "w", gpf_shape1(3));
    gpf_point *at = gpf_point_alloc(g, 0);
    gpf_gsl *a = gpf_gsl_alloc(g, gpf_add(g, gpf_relu(g, w), gpf_abs(g, w)), &w, 1, at, NULL);
    gsl_multifit_nlinear_fdf f;
    filled(gpf_gsl_multifit_nlinear);
    double x[3] = { -1, 0, 1 }, J[9], fvv[3];
    gsl_vector_view xv = gsl_vector_view_array(x, 3), out = gsl_vector_view_array(fvv, 3);
    gsl_matrix_view Jv = gsl_matrix_view_array(J, 3, 3);
    f.df(&xv.vector, f.params, &Jv.matrix);
    const double expected[9] = { -1, 0, 0, 0, 0, 0, 0, 0, 2 };
    assert_values(J, expected, 9);
    f.fvv(&xv.vector, &xv.vector, f.params, &out.vector);
    assert_values(fvv, (const double[]){ 0, 0, 0 }, 3);
    gpf_gsl_free(a);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* What the checker of callbacks says of them, on graphs of all ops. */
static void judge(gpf_fdf *c, gpf_outcome expected, const char *name, uint64_t seed, gpf_diag *why)
{
    if (!c)
        fail_msg("%s of graph %d: %s", name, (int)seed, why->text);
    const gpf_outcome outcome = gpf_fdf_outcome(c);
    if (outcome == GPF_OUTCOME_WRONG || (expected == GPF_OUTCOME_RIGHT && outcome != expected)) {
        gpf_report_fdf_text(stderr, c, NULL);
        fail_msg("%s of graph %d: outcome %d", name, (int)seed, (int)outcome);
    }
    gpf_fdf_free(c);
}

static void check_all(gpf_graph *g, gpf_node y, const gpf_node *xs, size_t n_x, gpf_node t,
                      const gpf_point *at, gpf_outcome expected, uint64_t seed)
{
    gpf_diag why = { 0 };
    gpf_gsl *a = gpf_gsl_alloc(g, y, xs, n_x, at, &why);
    if (!a)
        fail_msg("graph %d: %s", (int)seed, why.text);
    const size_t m = gpf_gsl_values(a), n = gpf_gsl_variables(a);
    gsl_vector *x = random_x(n, 1, seed);
    union {
        gsl_function_fdf function;
        gsl_multimin_function_fdf multimin;
        gsl_multiroot_function_fdf multiroot;
        gsl_multifit_function_fdf multifit;
        gsl_multifit_nlinear_fdf multifit_nlinear;
        gsl_multilarge_nlinear_fdf multilarge_nlinear;
        gsl_odeiv2_system odeiv2;
    } f;
#define check_one(name)                                                                         \
    do {                                                                                        \
        assert_int_equal(gpf_gsl_##name(a, &f.name, &why), GSL_SUCCESS);                        \
        judge(gpf_check_fdf(gpf_fdf_kind_find(#name), &f.name, x, NULL, &why), expected, #name, \
              seed, &why);                                                                      \
    } while (0)
    check_one(multifit);
    check_one(multifit_nlinear);
    check_one(multilarge_nlinear);
    if (m == 1)
        check_one(multimin);
    if (m == 1 && n == 1)
        check_one(function);
    if (m == n) {
        check_one(multiroot);
        assert_int_equal(gpf_gsl_odeiv2(a, t, &f.odeiv2, &why), GSL_SUCCESS);
        judge(gpf_check_odeiv2(&f.odeiv2, 0.6, x->data, NULL, &why), expected, "odeiv2", seed,
              &why);
    }
    assert_int_equal(gpf_gsl_status(a), GSL_SUCCESS);
    free_strided(x);
    gpf_gsl_free(a);
}

static void nets_are_right(void **state)
{
    (void)state;
    net n;
    make_net(&n);
    const gpf_node some[] = { n.v, n.X };
    check_all(n.g, n.loss, NULL, 0, GPF_NONE, n.at, GPF_OUTCOME_RIGHT, 1);
    check_all(n.g, n.errors, NULL, 0, GPF_NONE, n.at, GPF_OUTCOME_RIGHT, 2);
    check_all(n.g, n.errors, some, 2, GPF_NONE, n.at, GPF_OUTCOME_RIGHT, 3);
    check_all(n.g, n.root, &n.W, 1, n.t, n.at, GPF_OUTCOME_RIGHT, 4);
    check_all(n.g, n.line, &n.q, 1, n.t, n.at, GPF_OUTCOME_RIGHT, 5);
    const double now = 0.3; /* which only odeiv2 knows by itself */
    gpf_point_bind(n.at, n.t, &now);
    check_all(n.g, n.moving, &n.W, 1, n.t, n.at, GPF_OUTCOME_RIGHT, 6);
    free_net(&n);
    /* The last: J, J' u and J'J cancel to other roundings of 0. */
    static const uint64_t cancelling[] = { 2470, 2705, 4686, 12571, 15375, 20766 };
    for (uint64_t k = 0; k < NETS + COUNT(cancelling); k++) {
        const uint64_t seed = k < NETS ? k : cancelling[k - NETS];
        random_graph r;
        random_build(&r, seed, 24, SIZE_MAX);
        dice d = { seed };
        gpf_point *at = random_point(&r, 3, seed);
        const gpf_node xs[] = { r.node[2 + below(&d, 4)], r.X };
        const gpf_node ys[] = { r.y, r.node[RANDOM_LEAVES + below(&d, 18)] };
        check_all(r.g, ys[seed % 2], xs, 1 + (size_t)below(&d, 2), GPF_NONE, at,
                  GPF_OUTCOME_UNTESTED, seed);
        gpf_point_free(at);
        gpf_graph_free(r.g);
    }
}

static void twice_map(size_t n, double *y, const double *const *x, const gpf_attr *attr)
{
    (void)attr;
    for (size_t i = 0; i < n; i++)
        y[i] = 2 * x[0][i];
}

/* A rule that is a number-cruncher without rules of its own: J, but no fvv. */
static const gpf_op plain_2 = { .name = "plain_2", .arity = 1, .formula = "2 x", .map = twice_map };

static gpf_node by_plain_2(const gpf_rule_args *r)
{
    return gpf_mul(r->g, r->bar, gpf_apply(r->g, &plain_2, &r->x[0], 1, NULL));
}

static void square_map(size_t n, double *y, const double *const *x, const gpf_attr *attr)
{
    (void)attr;
    for (size_t i = 0; i < n; i++)
        y[i] = x[0][i] * x[0][i];
}

static const gpf_op once = { .name = "once",
                             .arity = 1,
                             .formula = "x^2",
                             .map = square_map,
                             .vjp = { by_plain_2 },
                             .jvp = { by_plain_2 } };

static void without_rules(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node w = gpf_param(g, "w", gpf_shape1(3)), s = gpf_apply(g, &once, &w, 1, NULL),
                   none = gpf_apply(g, &plain_2, &w, 1, NULL);
    gpf_point *at = gpf_point_alloc(g, 0);
    gpf_gsl *a = gpf_gsl_alloc(g, s, &w, 1, at, NULL);
    gsl_multifit_nlinear_fdf f;
    gsl_multilarge_nlinear_fdf large;
    filled(gpf_gsl_multifit_nlinear);
    assert_null(f.fvv);
    filled(gpf_gsl_multifit_nlinear); /* asked again, it is the same */
    assert_null(f.fvv);
    assert_int_equal(gpf_gsl_multilarge_nlinear(a, &large, NULL), GSL_SUCCESS);
    assert_null(large.fvv);
    double x[3] = { 1.5, -2, 3 }, J[9];
    gsl_vector_view xv = gsl_vector_view_array(x, 3);
    gsl_matrix_view Jv = gsl_matrix_view_array(J, 3, 3);
    assert_int_equal(f.df(&xv.vector, f.params, &Jv.matrix), GSL_SUCCESS);
    assert_values(J, (const double[]){ 3, 0, 0, 0, -4, 0, 0, 0, 6 }, 9);
    gpf_gsl_free(a);
    a = gpf_gsl_alloc(g, gpf_add(g, s, none), &w, 1, at, NULL);
    gpf_diag why;
    assert_int_equal(gpf_gsl_multifit_nlinear(a, &f, &why), GPF_ENOGRAD);
    assert_string_equal(why.text, "plain_2 has no jvp rule for its input 0");
    assert_int_equal(gpf_gsl_multilarge_nlinear(a, &large, NULL), GPF_ENOGRAD);
    assert_no_error(g);
    gpf_gsl_free(a);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void misuse(void **state)
{
    (void)state;
    net n;
    make_net(&n);
    gpf_diag why;
#define refused(y, xs, n_x, code, message)                       \
    do {                                                         \
        assert_null(gpf_gsl_alloc(n.g, y, xs, n_x, n.at, &why)); \
        assert_int_equal(why.status, code);                      \
        assert_string_equal(why.text, message);                  \
        assert_no_error(n.g);                                    \
        assert_null(gpf_gsl_alloc(n.g, y, xs, n_x, n.at, NULL)); \
    } while (0)
    gpf_node xs[3] = { n.W, n.errors, n.W };
    refused(n.loss, xs, 2, GSL_EINVAL, "variable 1, sub(add(..), y), is neither a param nor data");
    xs[1] = n.v;
    refused(n.loss, xs, 3, GSL_EINVAL, "variables 0 and 2 are both W");
    xs[1] = 999;
    refused(n.loss, xs, 2, GSL_EINVAL, "variable 1: 999 is not a node of the graph");
    refused(999, NULL, 0, GSL_EINVAL, "999 is not a node of the graph");
    refused(GPF_POISON, NULL, 0, GSL_EINVAL, "0 is not a node of the graph");
    const gpf_node c = gpf_param(n.g, "c", gpf_shape0()), later = gpf_add(n.g, n.loss, c);
    refused(later, &n.W, 1, GPF_EUNBOUND, "the point was made before param c was added");
    const gpf_node Z = gpf_data(n.g, "Z", gpf_shape2(GPF_N, 1));
    refused(gpf_add(n.g, n.loss, Z), &n.W, 1, GPF_EUNBOUND,
            "the point was made before data Z was added");
    gpf_gsl *a = gpf_gsl_alloc(n.g, later, NULL, 0, n.at, &why);
    assert_non_null(a); /* all params: c is one of the variables */
    assert_int_equal(gpf_gsl_variables(a), 12);
    gpf_gsl_free(a);

    gsl_function_fdf f1;
    gsl_multimin_function_fdf f2;
    gsl_multiroot_function_fdf f3;
    gsl_odeiv2_system f4;
    a = adapter(&n, n.errors, &n.W, 1);
    n.at = (gpf_point_free(n.at), gpf_point_alloc(n.g, 4));
    gpf_gsl_free(a);
    a = adapter(&n, n.errors, &n.W, 1);
    assert_int_equal(gpf_gsl_values(a), 4); /* the point's N */
    const char *label = "sub(add(..), y) is Nx1: 4 values of 6 variables";
    char text[200];
#define wrong(call, structure, expected)                                                \
    do {                                                                                \
        assert_int_equal(call, GPF_ESHAPE);                                             \
        snprintf(text, sizeof text, "%s: %s; %s expected", structure, label, expected); \
        assert_string_equal(why.text, text);                                            \
    } while (0)
    wrong(gpf_gsl_function(a, &f1, &why), "gsl_function_fdf", "1 of 1 is");
    wrong(gpf_gsl_multimin(a, &f2, &why), "gsl_multimin_function_fdf", "1 value is");
    wrong(gpf_gsl_multiroot(a, &f3, &why), "gsl_multiroot_function_fdf", "as many are");
    wrong(gpf_gsl_odeiv2(a, GPF_NONE, &f4, &why), "gsl_odeiv2_system", "as many are");
    gpf_gsl_free(a);
    a = adapter(&n, n.root, &n.W, 1);
    assert_int_equal(gpf_gsl_odeiv2(a, n.X, &f4, &why), GPF_ESHAPE);
    assert_string_equal(why.text,
                        "the time, X, is data of shape Nx3; data of one element expected");
    assert_int_equal(gpf_gsl_odeiv2(a, n.q, &f4, &why), GPF_ESHAPE);
    assert_string_equal(why.text, "the time, q, is a param; data of one element expected");
    assert_int_equal(gpf_gsl_odeiv2(a, -7, &f4, &why), GSL_EINVAL);
    gpf_gsl_free(a);
    a = adapter(&n, n.t, &n.t, 1);
    assert_int_equal(gpf_gsl_odeiv2(a, n.t, &f4, &why), GSL_EINVAL);
    assert_string_equal(why.text, "the time, t, is one of the variables");
    gpf_gsl_free(a);

    gpf_graph *empty = gpf_graph_alloc();
    const gpf_node one = gpf_const(empty, 1);
    gpf_point *nowhere = gpf_point_alloc(empty, 0);
    assert_null(gpf_gsl_alloc(empty, one, NULL, 0, nowhere, &why));
    assert_int_equal(why.status, GPF_ENOTHING);
    assert_string_equal(why.text, "no variables: the graph has no params");
    assert_null(gpf_gsl_alloc(empty, one, NULL, 0, n.at, &why));
    assert_string_equal(why.text, "the point belongs to another graph");
    gpf_matmul(empty, one, one); /* a graph's own error is the answer, and stays */
    assert_null(gpf_gsl_alloc(empty, one, NULL, 0, nowhere, &why));
    assert_int_equal(why.status, GPF_ESHAPE);
    assert_int_equal(gpf_graph_status(empty, NULL), GPF_ESHAPE);
    gpf_point_free(nowhere);
    gpf_graph_free(empty);
    gpf_gsl_free(NULL);
    free_net(&n);
}

/* The graph is not needed once the structures are there. */
static void without_the_graph(void **state)
{
    (void)state;
    net n;
    make_net(&n);
    gpf_gsl *a = adapter(&n, n.loss, NULL, 0);
    gsl_multimin_function_fdf f;
    filled(gpf_gsl_multimin);
    gsl_vector *x = random_x(11, 1, 1), *g = strided(11, 1);
    double before, after;
    f.fdf(x, f.params, &before, g);
    gpf_graph_free(n.g);
    f.fdf(x, f.params, &after, g);
    assert_true(before == after);
    gpf_gsl_free(a);
    free_strided(x);
    free_strided(g);
    gpf_point_free(n.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(function),       cmocka_unit_test(multimin),
        cmocka_unit_test(jacobians),      cmocka_unit_test(fvv),
        cmocka_unit_test(multilarge),     cmocka_unit_test(odeiv2),
        cmocka_unit_test(failures),       cmocka_unit_test(rebinding),
        cmocka_unit_test(no_allocations), cmocka_unit_test(threads),
        cmocka_unit_test(kinks),          cmocka_unit_test(without_rules),
        cmocka_unit_test(misuse),         cmocka_unit_test(without_the_graph),
        cmocka_unit_test(nets_are_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
