/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "damage_test.h"

#include <pthread.h>

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

/* What is infinite at the base may be finite again in y: changes would be inf - inf. */
static void test_infinite_inside(void **state)
{
    (void)state;
    const double rows[] = { INFINITY, 1, 2, 3 };
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_data(g, "x", gpf_shape2(GPF_N, 1)), w = gpf_param(g, "w", gpf_shape0()),
                   s = gpf_sum(g, gpf_square(g, gpf_mul(g, x, w)), GPF_ALL_AXES),
                   f = gpf_add(g, gpf_sigmoid(g, s), w);
    gpf_point *at = gpf_point_alloc(g, 4);
    gpf_point_bind(at, x, rows);
    gpf_point_params(at)->data[0] = 0.5;
    gpf_damage *d = gpf_damage_alloc(g, f, &w, 1, 4);
    double y = 0, t = 0.25, moved = 0;
    assert_int_equal(gpf_damage_base(d, at, &y), GSL_SUCCESS);
    gpf_overlay *o = gpf_overlay_alloc(d);
    assert_int_equal(gpf_overlay_values(o, 0, 0, &t, 1, &moved, NULL), GSL_SUCCESS);
    assert_true(y == 1.5 && moved == 1.75);
    gpf_overlay_free(o);
    gpf_damage_free(d);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* y is a product itself: what a product makes on demand for its readers is asked for. */
static void test_product_is_y(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node a = gpf_param(g, "a", gpf_shape2(1, 3)), b = gpf_param(g, "b", gpf_shape2(3, 1)),
                   y = gpf_matmul(g, a, gpf_square(g, b)), xs[] = { a, b };
    gpf_point *at = gpf_point_alloc(g, 0);
    memcpy(theta(at), (double[]){ 1, 2, 3, 4, 5, 6 }, 6 * sizeof(double));
    bench on = set_up(g, y, xs, 2, at);
    assert_true(on.y == 16 + 50 + 108);
    assert_true(at_offset(&on, 0, 1, 0.5) == on.y + 0.5 * 25);
    assert_true(at_offset(&on, 1, 2, 1) == on.y + 3 * (49 - 36));
    tear_down(&on);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* One of the points leaves the domain: its record is the same as if it were asked for alone. */
static void test_one_point_is_nan(void **state)
{
    (void)state;
    enum { N = 64 };
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 2)),
                   w = gpf_param(g, "w", gpf_shape2(2, 3)), v = gpf_param(g, "v", gpf_shape2(2, 2)),
                   h = gpf_exp(g, gpf_matmul(g, X, v)), bias = gpf_param(g, "b", gpf_shape2(1, 3)),
                   z = gpf_add(g, gpf_matmul(g, h, gpf_log(g, w)), gpf_log(g, bias)),
                   y = gpf_sum(g, gpf_relu(g, z), GPF_ALL_AXES), xs[] = { w, bias };
    gpf_point *at = gpf_point_alloc(g, N);
    memcpy(theta(at), (double[]){ 0.5, 2, 3, 4, 0.25, 6 }, 6 * sizeof(double));
    for (size_t k = 0; k < 3; k++)
        theta(at)[gpf_param_offset(g, bias) + k] = 0.5 + (double)k;
    double x[N * 2];
    dice d = { 3 };
    fill(&d, x, COUNT(x), 1, 2);
    gpf_point_bind(at, X, x);
    bench b = set_up(g, y, xs, 2, at);
    const double t[] = { -7, -1e-6, 1e-6, 1e-5 };
    for (size_t e = 0; e < 9; e++) {
        const size_t i = e / 6, k = e % 6;
        double f[4], alone;
        gpf_branch r[4], one;
        assert_int_equal(gpf_overlay_values(b.o, i, k, t, 4, f, r), GSL_SUCCESS);
        for (size_t j = 0; j < 4; j++) {
            assert_int_equal(gpf_overlay_values(b.o, i, k, &t[j], 1, &alone, &one), GSL_SUCCESS);
            assert_true(near(f[j], alone));
            assert_int_equal(r[j].n_changed, one.n_changed);
            assert_true(r[j].signature == one.signature);
        }
        assert_true(isnan(f[0]) && r[0].n_changed > 0);
    }
    tear_down(&b);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void twice_map(size_t n, double *y, const double *const *x, const gpf_attr *attr)
{
    (void)attr;
    for (size_t j = 0; j < n; j++)
        y[j] = 2 * x[0][j];
}

static void after_map(size_t n, double *y, const double *const *x, const gpf_attr *attr)
{
    (void)attr;
    for (size_t j = 0; j < n; j++)
        y[j] = x[0][j] + 1;
}

/* Elementwise rows of one input that say of themselves what is true, and asked for nothing. */
static void test_own_rows(void **state)
{
    (void)state;
    static const gpf_op
        twice = { .name = "twice", .arity = 1, .flags = GPF_OP_LINEAR, .map = twice_map },
        after = { .name = "after", .arity = 1, .flags = GPF_OP_SHIFTS, .map = after_map };
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape2(2, 2)), w = gpf_param(g, "w", gpf_shape2(2, 1)),
                   z = gpf_square(g, x), product = gpf_matmul(g, z, w),
                   doubled = gpf_apply(g, &twice, &z, 1, NULL),
                   moved = gpf_apply(g, &after, &product, 1, NULL),
                   y = gpf_add(g, gpf_sum(g, moved, GPF_ALL_AXES),
                               gpf_sum(g, doubled, GPF_ALL_AXES));
    gpf_point *at = gpf_point_alloc(g, 0);
    memcpy(theta(at), (double[]){ 1, 2, 3, 4, 5, 6 }, 6 * sizeof(double));
    bench b = set_up(g, y, &x, 1, at);
    assert_true(at_offset(&b, 0, 1, 1) == b.y + (9 - 4) * (6 + 2));
    assert_true(at_offset(&b, 0, 2, 1) == b.y + (16 - 9) * (5 + 2));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_is_untouched), cmocka_unit_test(test_branch_records),
        cmocka_unit_test(test_signature),         cmocka_unit_test(test_product_is_y),
        cmocka_unit_test(test_infinite_inside),   cmocka_unit_test(test_one_point_is_nan),
        cmocka_unit_test(test_own_rows),          cmocka_unit_test(test_threads_share_a_base),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
