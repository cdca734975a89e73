/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"
#include "op/rows.h"

/* x = 0 1 2 .. of the given shape, in every graph here: values are their own positions. */
typedef struct counted {
    gpf_graph *g;
    gpf_node x;
    gpf_point *at;
} counted;

static counted make(gpf_shape s)
{
    counted c = { .g = gpf_graph_alloc() };
    c.x = gpf_param(c.g, "x", s);
    c.at = gpf_point_alloc(c.g, 0);
    for (size_t i = 0; i < gpf_shape_size(s, 0); i++)
        theta(c.at)[i] = (double)i;
    return c;
}

static void unmake(counted *c)
{
    assert_no_error(c->g);
    gpf_point_free(c->at);
    gpf_graph_free(c->g);
}

static void expect(const counted *c, gpf_node n, const double *values, size_t n_values)
{
    double got[64];
    assert_no_error(c->g);
    assert_int_equal(gpf_shape_size(gpf_node_shape(c->g, n), 0), n_values);
    evaluate(c->g, c->at, &n, 1, got);
    assert_values(got, values, n_values);
}
#define EXPECT(c, n, ...) \
    expect(c, n, (double[]){ __VA_ARGS__ }, COUNT(((double[]){ __VA_ARGS__ })))

static void test_reshape(void **state)
{
    (void)state;
    counted c = make(gpf_shape2(2, 3));
    gpf_graph *g = c.g;
    EXPECT(&c, gpf_reshape(g, c.x, gpf_shape2(3, 2)), 0, 1, 2, 3, 4, 5);
    /* not row-major in memory: the elements still come in row-major order */
    EXPECT(&c, gpf_reshape(g, gpf_transpose(g, c.x), gpf_shape1(6)), 0, 3, 1, 4, 2, 5);
    const ptrdiff_t start[] = { 0, 1 }, size[] = { 2, 2 };
    EXPECT(&c, gpf_reshape(g, gpf_slice(g, c.x, start, size), gpf_shape1(4)), 1, 2, 4, 5);
    assert_int_equal(gpf_reshape(g, c.x, gpf_shape2(2, 3)), c.x);
    assert_int_equal(gpf_reshape(g, gpf_reshape(g, c.x, gpf_shape1(6)), gpf_shape2(2, 3)), c.x);
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 4));
    assert_true(gpf_shape_equal(gpf_node_shape(g, gpf_reshape(g, X, shape_of(3, 2, GPF_N, 2, 1))),
                                shape_of(3, 2, GPF_N, 2, 1)));
    gpf_reshape(g, c.x, gpf_shape1(7));
    assert_error(g, GPF_ESHAPE, "reshape: x is 2x3 (cannot be reshaped to 7)");
    gpf_reshape(g, X, gpf_shape1(4)); /* right at N = 1 only */
    assert_error(g, GPF_ESHAPE, "reshape: X is Nx4 (cannot be reshaped to 4)");
    gpf_reshape(g, X, shape_of(3, GPF_N, GPF_N, 4, 1));
    assert_error(g, GPF_ESHAPE, "reshape: X is Nx4 (cannot be reshaped to NxNx4)");
    gpf_reshape(g, c.x, gpf_shape2(-2, -3));
    assert_error(g, GPF_ESHAPE, "reshape: x is 2x3 (cannot be reshaped to -2x-3)");
    unmake(&c);
}

static void test_broadcast(void **state)
{
    (void)state;
    counted c = make(gpf_shape2(2, 1));
    gpf_graph *g = c.g;
    EXPECT(&c, gpf_broadcast(g, c.x, gpf_shape2(2, 3)), 0, 0, 0, 1, 1, 1);
    EXPECT(&c, gpf_broadcast(g, c.x, shape_of(3, 2, 2, 2, 1)), 0, 0, 1, 1, 0, 0, 1, 1);
    assert_int_equal(gpf_broadcast(g, c.x, gpf_shape2(2, 1)), c.x);
    assert_int_equal(
        gpf_broadcast(g, gpf_broadcast(g, c.x, gpf_shape2(2, 3)), shape_of(3, 4, 2, 3, 1)),
        gpf_broadcast(g, c.x, shape_of(3, 4, 2, 3, 1)));
    gpf_broadcast(g, c.x, gpf_shape2(3, 3));
    assert_error(g, GPF_ESHAPE, "broadcast: x is 2x1 (cannot be broadcast to 3x3)");
    gpf_broadcast(g, c.x, gpf_shape1(2));
    assert_error(g, GPF_ESHAPE, "broadcast: x is 2x1 (cannot be broadcast to 2)");
    unmake(&c);
}

static void test_slice_and_pad(void **state)
{
    (void)state;
    counted c = make(shape_of(3, 2, 3, 2, 1));
    gpf_graph *g = c.g;
    const ptrdiff_t start[] = { 1, 0, 1 }, size[] = { 1, 3, 1 }, zero[] = { 0, 0, 0 };
    const gpf_node s = gpf_slice(g, c.x, start, size);
    EXPECT(&c, s, 7, 9, 11);
    EXPECT(&c, gpf_pad(g, s, start, shape_of(3, 2, 3, 2, 1)), 0, 0, 0, 0, 0, 0, 0, 7, 0, 9, 0, 11);
    const ptrdiff_t again[] = { 0, 1, 0 }, two[] = { 1, 2, 1 };
    EXPECT(&c, gpf_slice(g, s, again, two), 9, 11); /* a view of a view */
    assert_int_equal(gpf_slice(g, c.x, zero, gpf_node_shape(g, c.x).dim), c.x);
    assert_int_equal(gpf_pad(g, c.x, zero, gpf_node_shape(g, c.x)), c.x);
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 3));
    const ptrdiff_t column[] = { 0, 1 }, whole[] = { GPF_N, 1 }, part[] = { 2, 1 },
                    off[] = { 1, 1 };
    assert_true(
        gpf_shape_equal(gpf_node_shape(g, gpf_slice(g, X, column, whole)), gpf_shape2(GPF_N, 1)));
    gpf_slice(g, X, column, part);
    assert_error(g, GPF_ESHAPE,
                 "slice: X is Nx3 (axis 0 is the free batch size N: it can only be taken whole)");
    gpf_slice(g, X, off, whole);
    assert_error(g, GPF_ESHAPE,
                 "slice: X is Nx3 (axis 0 is the free batch size N: it can only be taken whole)");
    const ptrdiff_t late[] = { 1, 2, 0 }, far[] = { PTRDIFF_MAX, 0, 0 }, none[] = { 1, 0, 1 };
    gpf_slice(g, c.x, late, two);
    assert_error(g, GPF_ESHAPE,
                 "slice: x is 2x3x2 (elements 2 to 3 of axis 1 do not exist, it has 3)");
    gpf_slice(g, c.x, zero, none);
    assert_error(g, GPF_ESHAPE,
                 "slice: x is 2x3x2 (elements 0 to -1 of axis 1 do not exist, it has 3)");
    assert_int_equal(gpf_slice(g, c.x, far, two), GPF_POISON);
    gpf_graph_clear_status(g);
    gpf_pad(g, s, late, shape_of(3, 2, 3, 2, 1));
    assert_error(g, GPF_ESHAPE,
                 "pad: slice(x) is 1x3x1 (elements 2 to 4 of axis 1 do not exist, it has 3)");
    unmake(&c);
}

static void test_concat(void **state)
{
    (void)state;
    counted c = make(gpf_shape2(2, 2));
    gpf_graph *g = c.g;
    const gpf_node t = gpf_transpose(g, c.x),
                   parts[] = { c.x, t,
                               gpf_slice(g, c.x, (ptrdiff_t[]){ 0, 1 }, (ptrdiff_t[]){ 2, 1 }) };
    EXPECT(&c, gpf_concat(g, parts, 2, 0), 0, 1, 2, 3, 0, 2, 1, 3);
    EXPECT(&c, gpf_concat(g, parts, 3, 1), 0, 1, 0, 2, 1, 2, 3, 1, 3, 3);
    EXPECT(&c, gpf_concat(g, parts, 1, 0), 0, 1, 2, 3);
    gpf_node many[40]; /* more inputs than fit on the builder's stack */
    for (size_t i = 0; i < 40; i++)
        many[i] = gpf_reshape(g, gpf_sum(g, gpf_mul(g, c.x, gpf_const(g, (double)i)), GPF_ALL_AXES),
                              gpf_shape1(1));
    double got[40];
    const gpf_node all = gpf_concat(g, many, 40, 0);
    evaluate(g, c.at, &all, 1, got);
    for (size_t i = 0; i < 40; i++)
        assert_true(got[i] == 6.0 * (double)i);
    gpf_node d;
    gpf_grad(g, gpf_sum(g, gpf_square(g, all), GPF_ALL_AXES), &c.x, 1, &d);
    evaluate(g, c.at, &d, 1, got); /* 2 sum i^2 6 */
    for (size_t i = 0; i < 4; i++)
        assert_close(got[i], 2 * 6 * 20540.0, 1e-14, 0);
    gpf_concat(g, parts, 3, 0);
    assert_error(
        g, GPF_ESHAPE,
        "concat: x is 2x2, transpose(x) is 2x2, slice(x) is 2x1 (sizes differ outside axis 0)");
    gpf_concat(g, parts, 2, 2);
    assert_error(g, GPF_ESHAPE, "concat: x is 2x2 but transpose(x) is 2x2 (there is no axis 2)");
    gpf_concat(g, parts, 2, -1);
    assert_error(g, GPF_ESHAPE, "concat: x is 2x2 but transpose(x) is 2x2 (there is no axis -1)");
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 3));
    gpf_concat(g, &X, 1, 0);
    assert_error(g, GPF_ESHAPE, "concat: X is Nx3 (axis 0 is the free batch size N)");
    unmake(&c);
}

static void test_one_hot(void **state)
{
    (void)state;
    counted c = make(gpf_shape1(5));
    gpf_graph *g = c.g;
    memcpy(theta(c.at), (double[]){ 2, 0, 0.5, -1, NAN }, 5 * sizeof(double));
    EXPECT(&c, gpf_one_hot(g, c.x, 3), 0, 0, 1, 1, 0, 0, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
           NAN);
    theta(c.at)[0] = 3; /* one too large */
    double got[15];
    const gpf_node y = gpf_one_hot(g, gpf_reshape(g, c.x, gpf_shape2(5, 1)), 3);
    evaluate(g, c.at, &y, 1, got);
    assert_true(isnan(got[0]) && isnan(got[2]) && got[3] == 1);
    gpf_one_hot(g, c.x, 0);
    assert_error(g, GPF_ESHAPE, "one_hot: x is 5 (0 classes)");
    gpf_one_hot(g, y, 2);
    assert_error(g, GPF_ESHAPE,
                 "one_hot: one_hot(reshape(..)) is 5x3 (labels are expected as N or Nx1)");
    unmake(&c);
}

static void test_sum_to(void **state)
{
    (void)state;
    counted c = make(gpf_shape2(2, 3));
    gpf_graph *g = c.g;
    EXPECT(&c, gpf_sum_to(g, c.x, gpf_shape2(1, 3)), 3, 5, 7);
    EXPECT(&c, gpf_sum_to(g, c.x, gpf_shape1(3)), 3, 5, 7);
    EXPECT(&c, gpf_sum_to(g, c.x, gpf_shape2(2, 1)), 3, 12);
    EXPECT(&c, gpf_sum_to(g, c.x, gpf_shape1(1)), 15);
    EXPECT(&c, gpf_sum_to(g, c.x, gpf_shape0()), 15);
    assert_int_equal(gpf_sum_to(g, c.x, gpf_shape2(2, 3)), c.x);
    gpf_sum_to(g, c.x, gpf_shape1(2));
    assert_int_equal(gpf_graph_status(g, NULL), GPF_ESHAPE);
    gpf_graph_clear_status(g);
    unmake(&c);
}

/* Strides and copies, below the ops. */
static void test_tensors(void **state)
{
    (void)state;
    gpf_tensor t = { NULL, 3, { 2, 3, 4, 1 }, { 0 } };
    gpf__tensor_dense(&t);
    assert_int_equal(gpf__tensor_size(&t), 24);
    assert_true(t.stride[0] == 12 && t.stride[1] == 4 && t.stride[2] == 1);
    assert_true(gpf__tensor_is_dense(&t));
    t.stride[1] = 5;
    assert_false(gpf__tensor_is_dense(&t));
    t.dim[1] = 1; /* the stride of a size of 1 does not matter, those of the others do */
    t.stride[0] = 4;
    assert_true(gpf__tensor_is_dense(&t));
    double from[6] = { 0, 1, 2, 3, 4, 5 }, to[6];
    const gpf_tensor x = { from, 2, { 3, 2, 1, 1 }, { 1, 3, 1, 1 } };
    gpf_tensor y = { to, 2, { 3, 2, 1, 1 }, { 0 } };
    gpf__tensor_dense(&y);
    gpf__tensor_copy(&y, &x);
    assert_values(to, (double[]){ 0, 3, 1, 4, 2, 5 }, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reshape),       cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_slice_and_pad), cmocka_unit_test(test_concat),
        cmocka_unit_test(test_one_hot),       cmocka_unit_test(test_sum_to),
        cmocka_unit_test(test_tensors),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
