/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "random_graph.h"

#include <pthread.h>

/* Everything a damage object needs, for y and up to 8 targets. */
typedef struct bench {
    gpf_damage *damage;
    gpf_overlay *o;
    double y;
} bench;

static bench set_up(const gpf_graph *g, gpf_node y, const gpf_node *xs, size_t n,
                    const gpf_point *at)
{
    bench b = { .damage = gpf_damage_alloc(g, y, xs, n, gpf_point_batch(at)) };
    assert_non_null(b.damage);
    assert_int_equal(gpf_damage_base(b.damage, at, &b.y), GSL_SUCCESS);
    b.o = gpf_overlay_alloc(b.damage);
    assert_non_null(b.o);
    return b;
}

static void tear_down(bench *b)
{
    gpf_overlay_free(b->o);
    gpf_damage_free(b->damage);
}

static double at_offset(bench *b, size_t i, size_t k, double t)
{
    double f = NAN;
    assert_int_equal(gpf_overlay_values(b->o, i, k, &t, 1, &f, NULL), GSL_SUCCESS);
    return f;
}

/* A low-rank update rounds differently from a recomputation. */
static bool near(double f, double full)
{
    return fabs(f - full) <= 1e-12 * (1 + fabs(full)) || (isnan(f) && isnan(full)) || f == full;
}

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

/* m values in one call are the m calls; the base and the order do not matter. */
static void test_base_is_untouched(void **state)
{
    (void)state;
    static random_graph r;
    random_build(&r, 5, 150, SIZE_MAX);
    gpf_point *at = random_point(&r, 6, 5);
    const gpf_node xs[] = { r.node[2], r.X, r.node[40], r.y };
    bench b = set_up(r.g, r.y, xs, 4, at);
    double before[64 * 3], f[5], g[5];
    const size_t n = gpf_damage_target_size(b.damage, 1);
    memcpy(before, gpf_damage_target(b.damage, 1), n * sizeof *before);
    const double t[] = { -1, 0.5, 0, 1e-9, 0.5 };
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(gpf_overlay_values(b.o, i, 0, t, 5, f, NULL), GSL_SUCCESS);
        for (size_t j = 5; j-- > 0;)
            g[j] = at_offset(&b, i, 0, t[j]);
        assert_memory_equal(f, g, sizeof f);
        assert_true(f[1] == f[4]);
        assert_true(f[2] == b.y); /* t = 0 */
    }
    assert_true(at_offset(&b, 3, 0, 0.5) == b.y + 0.5); /* y itself as a target */
    assert_true(at_offset(&b, 1, n - 1, INFINITY) != b.y);
    assert_memory_equal(gpf_damage_target(b.damage, 1), before, n * sizeof *before);
    assert_true(at_offset(&b, 0, 0, 0) == b.y); /* no infinity left behind */
    /* another base: the overlay follows */
    theta(at)[0] += 0.25;
    double y;
    assert_int_equal(gpf_damage_base(b.damage, at, &y), GSL_SUCCESS);
    assert_true(y != b.y && near(y, evaluate1(r.g, at, r.y)));
    assert_true(at_offset(&b, 0, 0, 0) == y);
    theta(at)[0] -= 0.25;
    assert_int_equal(gpf_damage_base(b.damage, at, NULL), GSL_SUCCESS);
    assert_true(at_offset(&b, 0, 0, 0.25) == y);
    tear_down(&b);
    gpf_point_free(at);
    gpf_graph_free(r.g);
}

/* y = sum(relu(x)) + max(x): which elements change side, and what is reported of them. */
static void test_branch_records(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape1(4)), s = gpf_param(g, "s", gpf_shape1(1));
    const gpf_node z = gpf_add(g, x, s), relu = gpf_relu(g, z),
                   most = gpf_max_over(g, x, GPF_ALL_AXES);
    const gpf_node y = gpf_add(g, gpf_sum(g, relu, GPF_ALL_AXES), most);
    gpf_point *at = gpf_point_alloc(g, 0);
    memcpy(theta(at), (double[]){ -0.25, 0.5, -1, 0, 0 }, 5 * sizeof(double)); /* s = 0 */
    const gpf_node xs[] = { x, s };
    bench b = set_up(g, y, xs, 2, at);
    const double t[] = { 0.125, 0.5, 1, -0.125, 0.25 };
    double f[5];
    gpf_branch r[5];
    int side;
    assert_int_equal(gpf_overlay_side(b.o, relu, 0, &side), GSL_EINVAL); /* nothing evaluated yet */

    /* x[0]: at +0.125 nothing; at +0.5 the relu opens; at +1 x[0] is the largest, too */
    assert_int_equal(gpf_overlay_values(b.o, 0, 0, t, 5, f, r), GSL_SUCCESS);
    assert_int_equal(r[0].n_changed, 0);
    assert_int_equal(r[0].signature, 0);
    assert_int_equal(r[1].n_changed, 1);
    assert_int_equal(r[1].node, relu);
    assert_int_equal(r[1].element, 0);
    assert_true(r[1].base == 0 && r[1].side == 2 && r[1].tie == 0);
    assert_true(r[1].margin == 0.25);
    assert_int_equal(r[2].n_changed, 2);
    assert_int_equal(r[2].node, relu); /* nearest to its edge at the base: 0.25 against 0.5 */
    assert_true(r[2].signature != r[1].signature && r[2].signature != 0);
    assert_int_equal(r[3].n_changed, 0);
    assert_int_equal(r[4].n_changed, 1);
    assert_true(r[4].side == 1 && r[4].tie == 0); /* exactly onto the edge */
    assert_values(f, (double[]){ 1, 1.25, 2, 1, 1 }, 5);
    /* sides of the last evaluation: t = 0.25 */
    const int sides[] = { 1, 2, 0, 1 };
    for (size_t e = 0; e < 4; e++) {
        assert_int_equal(gpf_overlay_side(b.o, relu, e, &side), GSL_SUCCESS);
        assert_int_equal(side, sides[e]);
    }
    assert_int_equal(gpf_overlay_side(b.o, most, 0, &side), GSL_SUCCESS);
    assert_int_equal(side, 2 * 1);
    assert_int_equal(gpf_overlay_side(b.o, relu, 4, &side), GSL_EINVAL);
    assert_int_equal(gpf_overlay_side(b.o, z, 0, &side), GSL_EINVAL);

    /* x[3] is on the edge at the base: a tie, whichever way it moves */
    const double both[] = { -1e-9, 1e-9, 0 };
    assert_int_equal(gpf_overlay_values(b.o, 0, 3, both, 3, f, r), GSL_SUCCESS);
    assert_true(r[0].n_changed == 1 && r[0].tie == 1 && r[0].base == 1 && r[0].side == 0);
    assert_true(r[1].n_changed == 1 && r[1].tie == 1 && r[1].side == 2 && r[1].margin == 0);
    assert_int_equal(r[2].n_changed, 0);
    assert_true(r[0].signature != r[1].signature);

    /* s moves all of z, and the maximum not at all */
    const double shift[] = { 0.3, 0.3, 2, -0.6 };
    assert_int_equal(gpf_overlay_values(b.o, 1, 0, shift, 4, f, r), GSL_SUCCESS);
    assert_true(r[0].n_changed == 2 && r[0].element == 3 && r[0].margin == 0 && r[0].tie);
    assert_true(r[0].signature == r[1].signature); /* equal changes */
    assert_int_equal(r[2].n_changed, 3);
    assert_int_equal(r[3].n_changed, 2);
    assert_int_equal(gpf_overlay_side(b.o, most, 0, &side), GSL_SUCCESS); /* where it was */
    assert_int_equal(side, 2 * 1);
    tear_down(&b);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* One change of one element to the same piece, twice, but not of the same element: nothing else in
 * the record of a sum tells the two apart. */
static void test_signature(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node a = gpf_param(g, "a", gpf_shape0());
    const double both_ways[] = { 1, -1 };
    const gpf_node z = gpf_mul(g, a, gpf_const_tensor(g, gpf_shape1(2), both_ways));
    const gpf_node y = gpf_sum(g, gpf_abs(g, gpf_sub(g, z, gpf_const(g, 0.25))), GPF_ALL_AXES);
    gpf_point *at = gpf_point_alloc(g, 0);
    bench b = set_up(g, y, &a, 1, at);
    const double t[] = { -1, 1, -2, 2 };
    double f[4];
    gpf_branch r[4];
    assert_int_equal(gpf_overlay_values(b.o, 0, 0, t, 4, f, r), GSL_SUCCESS);
    for (size_t i = 0; i < 4; i++)
        assert_true(r[i].n_changed == 1 && r[i].base == 0 && r[i].side == 2);
    assert_true(r[0].signature != r[1].signature);
    assert_true(r[0].signature == r[2].signature && r[1].signature == r[3].signature);
    tear_down(&b);
    gpf_point_free(at);
    gpf_graph_free(g);
}

typedef struct job {
    const gpf_damage *damage;
    size_t n;
    int status;
    double f[2 * 18];
    gpf_branch b[2 * 18];
} job;

static void *perturb(void *arg)
{
    job *j = arg;
    const double t[] = { -0.75, 0.75 };
    gpf_overlay *o = gpf_overlay_alloc(j->damage);
    for (int again = 0; again < 30; again++)
        for (size_t k = 0; k < j->n; k++)
            j->status |= gpf_overlay_values(o, k % 2, k / 2, t, 2, j->f + 2 * k, j->b + 2 * k);
    gpf_overlay_free(o);
    return NULL;
}

static void test_threads_share_a_base(void **state)
{
    (void)state;
    static random_graph r;
    random_build(&r, 31, 150, SIZE_MAX);
    gpf_point *at = random_point(&r, 6, 31);
    const gpf_node xs[] = { r.X, r.node[2] }; /* 6x3 and 3x2 */
    bench b = set_up(r.g, r.y, xs, 2, at);
    static job jobs[3];
    pthread_t thread[3];
    for (size_t i = 0; i < 3; i++) {
        jobs[i].damage = b.damage;
        jobs[i].n = 12;
        assert_int_equal(pthread_create(&thread[i], NULL, perturb, &jobs[i]), 0);
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    size_t changes = 0;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(jobs[i].status, GSL_SUCCESS);
        assert_memory_equal(jobs[i].f, jobs[0].f, 24 * sizeof *jobs[i].f);
        for (size_t k = 0; k < 24; k++) {
            assert_true(jobs[i].b[k].signature == jobs[0].b[k].signature);
            changes += jobs[i].b[k].n_changed;
        }
    }
    assert_true(changes > 0);
    tear_down(&b);
    gpf_point_free(at);
    gpf_graph_free(r.g);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaf_targets),      cmocka_unit_test(test_intermediate_targets),
        cmocka_unit_test(test_base_is_untouched), cmocka_unit_test(test_branch_records),
        cmocka_unit_test(test_signature),         cmocka_unit_test(test_threads_share_a_base),
        cmocka_unit_test(test_small_corners),     cmocka_unit_test(test_no_base),
        cmocka_unit_test(test_nonfinite),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
