/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "damage_test.h"

/* Leaves: the overlay agrees with a full evaluation at the changed leaf. */
static void test_leaf_targets(void **state)
{
    (void)state;
    static random_graph r;
    for (uint64_t seed = 100; seed < 130; seed++) {
        const size_t N = 1 + seed % 5;
        random_build(&r, seed, 120, SIZE_MAX);
        gpf_point *at = random_point(&r, N, seed);
        bench b = set_up(r.g, r.y, r.node, RANDOM_LEAVES, at);
        assert_true(near(b.y, evaluate1(r.g, at, r.y)));
        dice d = { seed };
        for (int trial = 0; trial < 25; trial++) {
            const size_t i = (size_t)below(&d, RANDOM_LEAVES),
                         n = gpf_damage_target_size(b.damage, i), k = (size_t)below(&d, (int)n);
            const double t = between(&d, -1, 1);
            double *x = i == 0 ? r.x : i == 1 ? r.z : theta(at) + gpf_param_offset(r.g, r.node[i]);
            assert_memory_equal(gpf_damage_target(b.damage, i), x, n * sizeof *x);
            const double f = at_offset(&b, i, k, t), keep = x[k];
            x[k] = keep + t;
            assert_true(near(f, evaluate1(r.g, at, r.y)));
            x[k] = keep;
            if (!gpf_damage_depends(b.damage, i))
                assert_true(f == b.y);
        }
        tear_down(&b);
        gpf_point_free(at);
        gpf_graph_free(r.g);
    }
}

/* Not a node that stands for itself: one made twice is shared, and what views a view is folded to
 * view what lies behind it. */
static bool is_shared(const random_graph *r, size_t where)
{
    const char *name = gpf_node_op(r->g, r->node[where])->name;
    if (!strcmp(name, "transpose") || !strcmp(name, "reshape") || !strcmp(name, "broadcast"))
        return true;
    size_t uses = 0;
    for (size_t i = 0; i < r->n; i++)
        uses += r->node[i] == r->node[where];
    return uses > 1;
}

/* Any node, also views: the value of a graph in which that node is itself plus a leaf. */
static void test_intermediate_targets(void **state)
{
    (void)state;
    static random_graph r, s;
    size_t depend = 0;
    for (uint64_t seed = 200; seed < 600; seed++) {
        const size_t N = 1 + seed % 4;
        dice d = { seed };
        const size_t where = RANDOM_LEAVES + (size_t)below(&d, 75);
        random_build(&r, seed, 100, SIZE_MAX);
        if (is_shared(&r, where)) {
            gpf_graph_free(r.g);
            continue;
        }
        random_build(&s, seed, 100, where);
        gpf_point *at = random_point(&r, N, seed), *moved = random_point(&s, N, seed);
        const gpf_node xs[] = { r.X, r.node[where], r.node[2] };
        bench b = set_up(r.g, r.y, xs, 3, at);
        depend += (size_t)gpf_damage_depends(b.damage, 1);
        double *delta = s.d;
        const size_t n = gpf_damage_target_size(b.damage, 1);
        for (int trial = 0; trial < 10; trial++) {
            const size_t k = (size_t)below(&d, (int)n);
            const double t = between(&d, -0.5, 0.5), f = at_offset(&b, 1, k, t);
            delta[k] = t;
            assert_close(f, evaluate1(s.g, moved, s.y), 1e-13, 1e-13);
            delta[k] = 0;
            at_offset(&b, (size_t)trial % 3, 0, 0.25); /* turn elsewhere and back */
        }
        tear_down(&b);
        gpf_point_free(at);
        gpf_point_free(moved);
        gpf_graph_free(r.g);
        gpf_graph_free(s.g);
    }
    assert_true(depend >= 20);
}

static void test_small_corners(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape0()), X = gpf_data(g, "X", gpf_shape2(GPF_N, 1)),
                   unused = gpf_param(g, "unused", gpf_shape0()), c = gpf_const(g, 2);
    const gpf_node inner = gpf_mul(g, c, x),
                   y = gpf_reshape(g, gpf_mul(g, X, inner), gpf_shape1(GPF_N));
    const double one[] = { 3 };
    gpf_point *at = gpf_point_alloc(g, 1);
    gpf_point_bind(at, X, one);
    theta(at)[0] = 0.5;
    const gpf_node xs[] = { x, X, unused, inner, x, gpf_node_inputs(g, inner, &(int){ 0 })[0] };
    bench b = set_up(g, y, xs, 6, at); /* one element at N = 1 */
    assert_true(b.y == 3);
    assert_true(at_offset(&b, 0, 0, 1) == 9);
    assert_true(at_offset(&b, 1, 0, 1) == 4);
    assert_true(at_offset(&b, 2, 0, 1) == 3);
    assert_false(gpf_damage_depends(b.damage, 2));
    assert_true(at_offset(&b, 3, 0, 1) == 6);
    assert_true(at_offset(&b, 4, 0, 1) == 9);   /* the same node twice */
    assert_true(at_offset(&b, 5, 0, 1) == 4.5); /* a constant, too */
    double f;
    const double t = 1;
    assert_int_equal(gpf_overlay_values(b.o, 0, 1, &t, 1, &f, NULL), GSL_EINVAL);
    assert_int_equal(gpf_overlay_values(b.o, 6, 0, &t, 1, &f, NULL), GSL_EINVAL);
    assert_int_equal(gpf_overlay_values(b.o, 0, 0, NULL, 0, NULL, NULL), GSL_SUCCESS);
    assert_null(gpf_damage_target(b.damage, 6));
    assert_int_equal(gpf_damage_target_size(b.damage, 6), 0);
    assert_false(gpf_damage_depends(b.damage, 6));
    tear_down(&b);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void test_no_base(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape1(GPF_N)), y = gpf_sum(g, X, GPF_ALL_AXES);
    gpf_damage *damage = gpf_damage_alloc(g, y, &X, 1, 2);
    gpf_overlay *o = gpf_overlay_alloc(damage);
    gpf_point *at = gpf_point_alloc(g, 2), *other = gpf_point_alloc(g, 3);
    const double rows[] = { 1, 2, 3 };
    double f, t = 1;
    for (int after_failure = 0; after_failure < 2; after_failure++) {
        assert_int_equal(gpf_overlay_values(o, 0, 0, &t, 1, &f, NULL), GSL_EINVAL);
        assert_null(gpf_damage_target(damage, 0));
        assert_int_equal(gpf_damage_nonfinite(damage, NULL), GPF_NONE);
        assert_int_equal(gpf_damage_base(damage, at, NULL), GPF_EUNBOUND);
        gpf_point_bind(other, X, rows);
        assert_int_equal(gpf_damage_base(damage, other, NULL), GSL_EBADLEN);
    }
    gpf_point_bind(at, X, rows);
    assert_int_equal(gpf_damage_base(damage, at, &f), GSL_SUCCESS);
    assert_true(f == 3);
    assert_int_equal(gpf_overlay_values(o, 0, 1, &t, 1, &f, NULL), GSL_SUCCESS);
    assert_true(f == 4);
    gpf_overlay_free(o);
    gpf_overlay_free(NULL);
    gpf_damage_free(damage);
    gpf_damage_free(NULL);
    assert_null(gpf_damage_alloc(g, X, &X, 1, 2)); /* two elements */
    assert_null(gpf_damage_alloc(g, y, (gpf_node[]){ 99 }, 1, 2));
    assert_null(gpf_damage_alloc(g, GPF_NONE, &X, 1, 2));
    assert_null(gpf_damage_alloc(g, y, &X, 1, 0));
    gpf_point_free(at);
    gpf_point_free(other);
    gpf_graph_free(g);
}

/* The oldest node that is not finite, and its element: where the trouble starts. */
static void test_nonfinite(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape2(2, 2));
    const gpf_node root = gpf_sqrt(g, gpf_transpose(g, x)),
                   y = gpf_sum(g, gpf_exp(g, root), GPF_ALL_AXES);
    gpf_point *at = gpf_point_alloc(g, 0);
    memcpy(theta(at), (double[]){ 1, 2, 3, 4 }, 4 * sizeof(double));
    bench b = set_up(g, y, &x, 1, at);
    size_t element = 99;
    assert_int_equal(gpf_damage_nonfinite(b.damage, &element), GPF_NONE);
    assert_int_equal(element, 99);
    theta(at)[1] = -2;
    assert_int_equal(gpf_damage_base(b.damage, at, NULL), GSL_SUCCESS);
    assert_int_equal(gpf_damage_nonfinite(b.damage, &element), root);
    assert_int_equal(element, 2); /* of the transpose */
    assert_int_equal(gpf_damage_nonfinite(b.damage, NULL), root);
    tear_down(&b);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* A constant that is one number for all of its elements: there is nothing behind it to be found not
 * finite. */
static void test_one_constant(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape1(GPF_N)), x = gpf_param(g, "x", gpf_shape2(2, 3)),
                   n = gpf_size(g, X, 1), /* known to the plan only */
        c = gpf_sqrt(g, gpf_broadcast(g, n, gpf_shape2(2, 3))),
                   more = gpf_const_tensor(g, gpf_shape1(2), (double[]){ INFINITY, NAN }),
                   y = gpf_add(g, gpf_sum(g, gpf_mul(g, x, c), GPF_ALL_AXES),
                               gpf_sum(g, gpf_step(g, gpf_neg(g, more), 0), GPF_ALL_AXES));
    const double rows[4] = { 0 };
    gpf_point *at = gpf_point_alloc(g, 4);
    gpf_point_bind(at, X, rows);
    gpf_damage *d = gpf_damage_alloc(g, y, &x, 1, 4);
    assert_int_equal(gpf_damage_base(d, at, NULL), GSL_SUCCESS);
    size_t element = 9;
    assert_int_equal(gpf_damage_nonfinite(d, &element), more);
    assert_int_equal(element, 0);
    gpf_damage_free(d);
    gpf_point_free(at);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaf_targets),  cmocka_unit_test(test_intermediate_targets),
        cmocka_unit_test(test_small_corners), cmocka_unit_test(test_no_base),
        cmocka_unit_test(test_nonfinite),     cmocka_unit_test(test_one_constant),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
