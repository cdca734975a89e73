/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "gsl/sweep.h"
#include "random_graph.h"

#include <gsl/gsl_matrix.h>

enum { N = 5, MAX = 64 };

static gpf__sweeps *sweeps_of(gpf_graph *g, const gpf_node *ys, size_t n_y, const gpf_node *xs,
                              size_t n_x, size_t batch)
{
    gpf__sweeps *s;
    gpf_diag why = { 0 };
    if (gpf__sweeps_make(g, ys, n_y, xs, n_x, batch, &s, &why))
        fail_msg("%s", why.text);
    for (gpf__sweep kind = 0; kind < GPF__N_SWEEPS; kind++)
        if (gpf__sweeps_plan(s, kind, &why))
            fail_msg("sweep %d: %s", (int)kind, why.text);
    return s;
}

static gpf__grid square_grid(double *at, size_t m, size_t n)
{
    return (gpf__grid){ at, m, n, n, 1 };
}

/* J as it comes, by columns, by rows; and its products, on graphs of all ops. */
static void sweeps_agree(void **state)
{
    (void)state;
    static double J[400 * MAX], f[400], g[400], column[400], row[MAX], JTJ[MAX * MAX];
    int by_rows = 0, by_columns = 0;
    for (uint64_t seed = 0; seed < 120; seed++) {
        random_graph r;
        random_build(&r, seed, 30, SIZE_MAX);
        dice d = { seed + 9000 };
        gpf_point *at = random_point(&r, N, seed + 1);
        const gpf_node ys[] = { r.node[RANDOM_LEAVES + below(&d, 24)], r.node[29], r.y };
        const gpf_node xs[] = { r.node[2], r.node[4], r.X, r.node[5] };
        const size_t n_y = 1 + (size_t)below(&d, 3), n_x = 1 + (size_t)below(&d, 4);
        gpf__sweeps *s = sweeps_of(r.g, ys + 3 - n_y, n_y, xs, n_x, N);
        const size_t m = gpf__sweeps_m(s), n = gpf__sweeps_n(s);
        assert_true(m <= 400 && n <= MAX);
        by_rows += m < n;
        by_columns += m >= n;
        assert_int_equal(gpf__sweeps_place(s, at, NULL), GSL_SUCCESS);
        assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_VALUES, NULL, gpf__numbers(f, m)), 0);
        evaluate(r.g, at, ys + 3 - n_y, n_y, g);
        assert_memory_equal(f, g, m * sizeof *f);
        assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_JACOBIAN, NULL, square_grid(J, m, n)), 0);
        gsl_vector *u = gsl_vector_calloc(n), *v = gsl_vector_calloc(m);
        for (size_t j = 0; j < n; j++) {
            gsl_vector_set_basis(u, j);
            assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_FORWARD, u, gpf__numbers(column, m)), 0);
            for (size_t i = 0; i < m; i++)
                assert_close(column[i], J[i * n + j], 1e-12, 1e-13);
        }
        for (size_t i = 0; i < m; i++) {
            gsl_vector_set_basis(v, i);
            assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_REVERSE, v, gpf__numbers(row, n)), 0);
            for (size_t j = 0; j < n; j++)
                assert_close(row[j], J[i * n + j], 1e-12, 1e-13);
        }
        assert_int_equal(gpf__sweeps_plan_gram(s, NULL), GSL_SUCCESS);
        assert_int_equal(gpf__sweeps_gram(s, square_grid(JTJ, n, n)), GSL_SUCCESS);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j <= i; j++) {
                double sum = 0, size = 0;
                for (size_t k = 0; k < m; k++) {
                    sum += J[k * n + i] * J[k * n + j];
                    size += fabs(J[k * n + i] * J[k * n + j]);
                }
                assert_close(JTJ[i * n + j], sum, 1e-12, 1e-12 * size);
            }
        gsl_vector_free(u);
        gsl_vector_free(v);
        gpf__sweeps_free(s);
        gpf_point_free(at);
        gpf_graph_free(r.g);
    }
    assert_true(by_rows > 10 && by_columns > 10);
}

/* A forward sweep over a forward sweep is v' H v, which comes otherwise by a forward sweep over a
 * reverse one. */
static void second_is_v_H_v(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 60; seed++) {
        random_graph r;
        random_build(&r, seed, 24, SIZE_MAX);
        gpf_point *at = random_point(&r, N, seed + 1);
        const gpf_node xs[] = { r.node[2], r.node[3], r.node[4], r.node[5] };
        gpf_node dots[4], Hv[4];
        double v[14], got, expected = 0, size = 0;
        dice d = { seed };
        fill(&d, v, 14, -1, 1);
        const gsl_vector_const_view u = gsl_vector_const_view_array(v, 14);
        gpf__sweeps *s = sweeps_of(r.g, &r.y, 1, xs, 4, N);
        assert_int_equal(gpf__sweeps_place(s, at, NULL), GSL_SUCCESS);
        assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_SECOND, &u.vector, gpf__numbers(&got, 1)),
                         GSL_SUCCESS);
        for (size_t k = 0, from = 0; k < 4; k++) {
            const gpf_shape shape = gpf_node_shape(r.g, xs[k]);
            dots[k] = gpf_const_tensor(r.g, shape, v + from);
            from += gpf_shape_size(shape, N);
        }
        assert_int_equal(gpf_hvp(r.g, r.y, xs, dots, 4, Hv), GSL_SUCCESS);
        for (size_t k = 0, from = 0; k < 4; k++) {
            const size_t n = gpf_shape_size(gpf_node_shape(r.g, xs[k]), N);
            double part[6];
            if (Hv[k] != GPF_NONE)
                evaluate(r.g, at, &Hv[k], 1, part);
            for (size_t i = 0; i < n && Hv[k] != GPF_NONE; i++) {
                expected += v[from + i] * part[i];
                size += fabs(v[from + i] * part[i]);
            }
            from += n;
        }
        assert_close(got, expected, 1e-11, 1e-12 * size);
        gpf__sweeps_free(s);
        gpf_point_free(at);
        gpf_graph_free(r.g);
    }
}

/* F(w, X) = tanh(X W) V for placing. */
typedef struct layer {
    gpf_graph *g;
    gpf_node X, W, V, F;
    double x[3 * 4];
    gpf_point *at;
} layer;

static layer make_layer(void)
{
    layer l = { gpf_graph_alloc(), 0, 0, 0, 0, { 0 }, NULL };
    l.X = gpf_data(l.g, "X", gpf_shape2(GPF_N, 4));
    l.W = gpf_param(l.g, "W", gpf_shape2(4, 3));
    l.V = gpf_param(l.g, "V", gpf_shape2(3, 2));
    l.F = gpf_matmul(l.g, gpf_tanh(l.g, gpf_matmul(l.g, l.X, l.W)), l.V);
    dice d = { 5 };
    fill(&d, l.x, 12, -2, 2);
    l.at = gpf_point_alloc(l.g, 3);
    fill(&d, theta(l.at), 18, -1, 1);
    return l;
}

static void free_layer(layer *l)
{
    gpf_point_free(l->at);
    gpf_graph_free(l->g);
}

/* All params in order are read where they are; others are copied, and so is what has a stride. The
 * point's params count where they are no variables. */
static void places(void **state)
{
    (void)state;
    layer l = make_layer();
    gpf_point_bind(l.at, l.X, l.x);
    const gpf_node all[] = { l.W, l.V }, turned[] = { l.V, l.W }, fed[] = { l.X, l.V };
    const struct {
        const gpf_node *xs;
        size_t n_x, n;
        bool in_place;
    } ways[] = { { all, 2, 18, true },
                 { turned, 2, 18, false },
                 { all, 1, 12, false },
                 { fed, 2, 18, false },
                 { fed, 1, 12, false } };
    double expected[6], f[6];
    evaluate(l.g, l.at, &l.F, 1, expected);
    for (size_t w = 0; w < COUNT(ways); w++) {
        gpf__sweeps *s = sweeps_of(l.g, &l.F, 1, ways[w].xs, ways[w].n_x, 3);
        assert_int_equal(gpf__sweeps_n(s), ways[w].n);
        for (size_t stride = 1; stride < 4; stride += 2) {
            double memory[18 * 3];
            gsl_vector_view x = gsl_vector_view_array_with_stride(memory, stride, ways[w].n);
            for (size_t k = 0, i = 0; k < ways[w].n_x; k++) {
                const double *v = gpf_point_values(l.at, ways[w].xs[k]);
                const size_t n = gpf_shape_size(gpf_node_shape(l.g, ways[w].xs[k]), 3);
                for (size_t j = 0; j < n; j++)
                    gsl_vector_set(&x.vector, i++, v[j]);
            }
            /* What x says is not looked at in the point. */
            gpf_point *other = gpf_point_alloc(l.g, 3);
            double rubbish[12];
            for (int i = 0; i < 12; i++)
                rubbish[i] = NAN;
            for (int i = 0; i < 18; i++)
                theta(other)[i] = NAN;
            gpf_point_bind(other, l.X, rubbish);
            const gpf_node leaves[] = { l.X, l.W, l.V };
            for (size_t k = 0; k < 3; k++) {
                bool varied = false;
                for (size_t i = 0; i < ways[w].n_x; i++)
                    varied |= ways[w].xs[i] == leaves[k];
                const double *v = gpf_point_values(l.at, leaves[k]);
                if (!varied && leaves[k] == l.X)
                    gpf_point_bind(other, l.X, v);
                else if (!varied)
                    memcpy(theta(other) + gpf_param_offset(l.g, leaves[k]), v,
                           gpf_shape_size(gpf_node_shape(l.g, leaves[k]), 3) * sizeof *v);
            }
            assert_int_equal(gpf__sweeps_place(s, other, &x.vector), GSL_SUCCESS);
            assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_VALUES, NULL, gpf__numbers(f, 6)), 0);
            assert_memory_equal(f, expected, sizeof f);
            const double *there = theta(gpf__sweeps_point(s));
            if (ways[w].in_place && stride == 1)
                assert_ptr_equal(there, memory);
            else
                assert_ptr_not_equal(there, memory);
            /* The point itself. */
            assert_int_equal(gpf__sweeps_place(s, l.at, NULL), GSL_SUCCESS);
            assert_ptr_equal(theta(gpf__sweeps_point(s)), theta(l.at));
            assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_VALUES, NULL, gpf__numbers(f, 6)), 0);
            assert_memory_equal(f, expected, sizeof f);
            gpf_point_free(other);
        }
        gsl_vector *wrong = gsl_vector_calloc(ways[w].n + 1);
        assert_int_equal(gpf__sweeps_place(s, l.at, wrong), GSL_EBADLEN);
        gsl_vector_free(wrong);
        gpf__sweeps_free(s);
    }
    free_layer(&l);
}

/* Sizes, and leaves that the point does not know or that are not bound. */
static void refusals(void **state)
{
    (void)state;
    layer l = make_layer();
    gpf__sweeps *s = sweeps_of(l.g, &l.F, 1, &l.W, 1, 3);
    double f[18];
    gsl_vector *u = gsl_vector_calloc(12);
    assert_int_equal(gpf__sweeps_place(s, l.at, NULL), GSL_SUCCESS);
    assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_VALUES, NULL, gpf__numbers(f, 6)), GPF_EUNBOUND);
    gpf_point_bind(l.at, l.X, l.x);
    gpf__sweeps_place(s, l.at, NULL);
    assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_VALUES, NULL, gpf__numbers(f, 5)), GSL_EBADLEN);
    assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_FORWARD, u, gpf__numbers(f, 6)), GSL_SUCCESS);
    assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_FORWARD, u, gpf__numbers(f, 12)), GSL_EBADLEN);
    assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_FORWARD, NULL, gpf__numbers(f, 6)), GSL_EBADLEN);
    assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_REVERSE, u, gpf__numbers(f, 12)), GSL_EBADLEN);
    assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_JACOBIAN, NULL, square_grid(f, 6, 6)),
                     GSL_EBADLEN);
    assert_int_equal(gpf__sweeps_gram(s, square_grid(f, 6, 6)), GSL_EBADLEN);
    gpf_point *other = gpf_point_alloc(l.g, 4);
    assert_int_equal(gpf__sweeps_place(s, other, NULL), GSL_EBADLEN);
    gpf_point_free(other);
    gpf__sweeps_free(s);
    /* A param younger than the point: as a variable it is known, else not. */
    const gpf_node c = gpf_param(l.g, "c", gpf_shape2(1, 2)), y = gpf_add(l.g, l.F, c);
    const gpf_node xs[] = { l.W, c };
    s = sweeps_of(l.g, &y, 1, xs, 2, 3);
    gsl_vector *x = gsl_vector_calloc(14);
    assert_int_equal(gpf__sweeps_place(s, l.at, x), GSL_SUCCESS);
    assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_VALUES, NULL, gpf__numbers(f, 6)), GSL_SUCCESS);
    assert_int_equal(gpf__sweeps_place(s, l.at, NULL), GPF_EUNBOUND);
    gpf__sweeps_free(s);
    s = sweeps_of(l.g, &y, 1, xs, 1, 3);
    assert_int_equal(gpf__sweeps_place(s, l.at, u), GPF_EUNBOUND);
    gpf__sweeps_free(s);
    /* So for data. */
    const gpf_node Z = gpf_data(l.g, "Z", gpf_shape2(GPF_N, 2)), z = gpf_add(l.g, l.F, Z);
    s = sweeps_of(l.g, &z, 1, xs, 1, 3);
    assert_int_equal(gpf__sweeps_place(s, l.at, u), GSL_SUCCESS);
    assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_VALUES, NULL, gpf__numbers(f, 6)), GPF_EUNBOUND);
    gpf__sweeps_free(s);
    gsl_vector_free(u);
    gsl_vector_free(x);
    gpf_diag why;
    assert_int_equal(gpf__sweeps_make(l.g, &l.F, 1, &l.W, 1, 0, &s, &why), GSL_EBADLEN);
    assert_string_equal(why.text, "matmul(tanh(..), V) is Nx2, but the point has no batch size");
    assert_null(s);
    assert_int_equal(gpf__sweeps_make(l.g, &l.F, 1, &l.W, 1, (size_t)1 << 31, &s, &why),
                     GPF_ELIMIT);
    free_layer(&l);
}

/* Directions are leaves that are used again; but not if F depends on them, or if their names are
 * taken, or cut. */
static void directions(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    char long_name[2][120];
    memset(long_name, 'w', sizeof long_name);
    memcpy(&long_name[0][117], "a", 2);
    memcpy(&long_name[1][117], "b", 2);
    const gpf_node a = gpf_param(g, long_name[0], gpf_shape1(40)),
                   b = gpf_param(g, long_name[1], gpf_shape1(40)),
                   v = gpf_param(g, "v", gpf_shape1(40)),
                   taken = gpf_param(g, "gpf.dot.v", gpf_shape1(40));
    const gpf_node y = gpf_mul(g, gpf_add(g, gpf_square(g, a), gpf_sin(g, b)),
                               gpf_mul(g, v, taken)),
                   xs[] = { a, b, v, taken };
    gpf__sweeps *s = sweeps_of(g, &y, 1, xs, 4, 0);
    const size_t leaves = gpf_graph_n_data(g);
    assert_int_equal(leaves, 5);
    gpf_point *at = gpf_point_alloc(g, 0);
    dice d = { 8 };
    fill(&d, theta(at), 160, -1, 1);
    double J[40 * 160], K[40 * 160];
    gpf__sweeps_place(s, at, NULL);
    assert_int_equal(gpf__sweeps_run(s, GPF__SWEEP_JACOBIAN, NULL, square_grid(J, 40, 160)), 0);
    for (size_t i = 0; i < 40; i++)
        for (size_t j = 0; j < 160; j++) {
            const double *p = theta(at), q = p[i] * p[i] + sin(p[40 + i]);
            const double slope[] = { 2 * p[i] * p[80 + i] * p[120 + i],
                                     cos(p[40 + i]) * p[80 + i] * p[120 + i], q * p[120 + i],
                                     q * p[80 + i] };
            assert_close(J[i * 160 + j], j % 40 == i ? slope[j / 40] : 0, 1e-13, 0);
        }
    gpf__sweeps *again = sweeps_of(g, &y, 1, xs, 4, 0);
    assert_int_equal(gpf_graph_n_data(g), leaves);
    /* J u as a function of the params: its own directions are others. */
    const gpf_node du = gpf_graph_find(g, "gpf.dot.v.1");
    assert_true(du != GPF_NONE && gpf_node_is_data(g, du));
    gpf_node Ju;
    assert_int_equal(gpf_jvp(g, y, &v, &du, 1, &Ju), GSL_SUCCESS);
    gpf__sweeps *t = sweeps_of(g, &Ju, 1, &taken, 1, 0);
    gpf__sweeps *w = sweeps_of(g, &Ju, 1, &v, 1, 0);
    double ones[40];
    for (int i = 0; i < 40; i++)
        ones[i] = i;
    gpf_point *later = gpf_point_alloc(g, 0);
    memcpy(theta(later), theta(at), 160 * sizeof(double));
    gpf_point_bind(later, du, ones);
    gpf__sweeps_place(t, later, NULL);
    assert_int_equal(gpf__sweeps_run(t, GPF__SWEEP_JACOBIAN, NULL, square_grid(K, 40, 40)), 0);
    for (size_t i = 0; i < 40; i++) {
        const double *p = theta(at);
        assert_close(K[i * 41], (p[i] * p[i] + sin(p[40 + i])) * (double)i, 1e-13, 0);
    }
    gpf__sweeps_place(w, later, NULL); /* J u is linear in v: no v in it */
    assert_int_equal(gpf__sweeps_run(w, GPF__SWEEP_JACOBIAN, NULL, square_grid(K, 40, 40)), 0);
    for (size_t i = 0; i < 1600; i++)
        assert_true(K[i] == 0);
    gpf__sweeps_place(again, later, NULL);
    assert_int_equal(gpf__sweeps_run(again, GPF__SWEEP_JACOBIAN, NULL, square_grid(K, 40, 160)), 0);
    assert_memory_equal(J, K, sizeof J);
    gpf__sweeps_free(s);
    gpf__sweeps_free(again);
    gpf__sweeps_free(t);
    gpf__sweeps_free(w);
    gpf_point_free(at);
    gpf_point_free(later);
    gpf_graph_free(g);
}

/* Ops with one rule only: J is swept the way that can be. */
static void twice_map(size_t n, double *y, const double *const *x, const gpf_attr *attr)
{
    (void)attr;
    for (size_t i = 0; i < n; i++)
        y[i] = 2 * x[0][i];
}

static gpf_node twice_rule(const gpf_rule_args *a)
{
    return gpf_mul(a->g, gpf_const(a->g, 2), a->bar);
}

static const gpf_op only[] = {
    { .name = "down", .arity = 1, .formula = "2 x", .map = twice_map, .vjp = { twice_rule } },
    { .name = "along", .arity = 1, .formula = "2 x", .map = twice_map, .jvp = { twice_rule } },
    { .name = "neither", .arity = 1, .formula = "2 x", .map = twice_map },
};

static void missing_rules(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(only); k++)
        for (size_t rows = 1; rows < 4; rows++) {
            gpf_graph *g = gpf_graph_alloc();
            const gpf_node w = gpf_param(g, "w", gpf_shape2(1, 2));
            const gpf_node c = gpf_param(g, "c", gpf_shape2((ptrdiff_t)rows, 1));
            const gpf_node y = gpf_sum(g, gpf_mul(g, gpf_apply(g, &only[k], &w, 1, NULL), c), 2);
            gpf__sweeps *s;
            gpf_diag why = { 0 };
            assert_int_equal(gpf__sweeps_make(g, &y, 1, &w, 1, 0, &s, &why), GSL_SUCCESS);
            const bool forward = k == 1, reverse = k == 0;
            assert_int_equal(gpf__sweeps_plan(s, GPF__SWEEP_FORWARD, &why),
                             forward ? 0 : GPF_ENOGRAD);
            if (!forward) {
                char text[80];
                snprintf(text, sizeof text, "%s has no jvp rule for its input 0", only[k].name);
                assert_string_equal(why.text, text);
            }
            assert_no_error(g);
            assert_int_equal(gpf__sweeps_plan(s, GPF__SWEEP_SECOND, NULL),
                             forward ? 0 : GPF_ENOGRAD);
            assert_int_equal(gpf__sweeps_plan(s, GPF__SWEEP_REVERSE, &why),
                             reverse ? 0 : GPF_ENOGRAD);
            assert_int_equal(gpf__sweeps_plan(s, GPF__SWEEP_JACOBIAN, &why),
                             forward || reverse ? 0 : GPF_ENOGRAD);
            assert_no_error(g);
            gpf_point *at = gpf_point_alloc(g, 0);
            double J[8];
            for (size_t i = 0; i < 2 + rows; i++)
                theta(at)[i] = 0.5 + (double)i;
            gpf__sweeps_place(s, at, NULL);
            if (forward || reverse) {
                assert_int_equal(
                    gpf__sweeps_run(s, GPF__SWEEP_JACOBIAN, NULL, square_grid(J, rows, 2)), 0);
                for (size_t i = 0; i < 2 * rows; i++)
                    assert_true(J[i] == 2 * (2.5 + (double)(i / 2)));
            }
            gpf__sweeps_free(s);
            gpf_point_free(at);
            gpf_graph_free(g);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sweeps_agree), cmocka_unit_test(second_is_v_H_v),
        cmocka_unit_test(places),       cmocka_unit_test(refusals),
        cmocka_unit_test(directions),   cmocka_unit_test(missing_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
