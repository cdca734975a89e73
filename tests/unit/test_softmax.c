/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"
#include "op/rows.h"

static gpf_node over(gpf_graph *g, const gpf_op *op, gpf_node x, ptrdiff_t axis)
{
    const gpf_attr attr = { .k = { axis } };
    return gpf_apply(g, op, &x, 1, &attr);
}

/* Both, over each axis of a 3x4x2 tensor, against long double. */
static void test_every_axis(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_shape s = shape_of(3, 3, 4, 2, 1);
    const gpf_node x = gpf_param(g, "x", s);
    gpf_point *at = gpf_point_alloc(g, 0);
    dice d = { 8 };
    fill(&d, theta(at), 24, -3, 3);
    for (ptrdiff_t axis = -3; axis < 3; axis++) {
        const gpf_node nodes[] = { over(g, &gpf_op_softmax, x, axis),
                                   over(g, &gpf_op_log_softmax, x, axis) };
        double got[48];
        evaluate(g, at, nodes, 2, got);
        const int a = (int)(axis < 0 ? axis + 3 : axis);
        size_t stride = 1;
        for (int b = a + 1; b < 3; b++)
            stride *= (size_t)s.dim[b];
        for (size_t i = 0; i < 24; i++) {
            const size_t n = (size_t)s.dim[a], first = i - i / stride % n * stride;
            long double z = 0;
            for (size_t k = 0; k < n; k++)
                z += expl(theta(at)[first + k * stride]);
            assert_close(got[i], (double)(expl(theta(at)[i]) / z), 1e-15, 0);
            assert_close(got[24 + i], (double)(theta(at)[i] - logl(z)), 1e-15, 1e-15);
        }
    }
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* An axis of size 1 may have any stride, 0 included, and the tensor still be row-major. */
static void test_axis_of_size_one(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape2(3, 4)), b = gpf_param(g, "b", gpf_shape1(4));
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 4));
    const ptrdiff_t start[] = { 1, 0 }, size[] = { 1, 4 };
    const gpf_node row = gpf_slice(g, x, start, size),     /* 1x4, row stride 4 */
        same = gpf_broadcast(g, b, gpf_shape2(1, 4)),      /* 1x4, row stride 0 */
        batch = gpf_broadcast(g, b, gpf_node_shape(g, X)); /* Nx4 at N = 1, row stride 0 */
    const gpf_node nodes[] = { over(g, &gpf_op_softmax, row, 0), over(g, &gpf_op_softmax, same, 0),
                               over(g, &gpf_op_log_softmax, batch, 0),
                               over(g, &gpf_op_softmax, gpf_transpose(g, row), 1) };
    assert_no_error(g);
    gpf_point *at = gpf_point_alloc(g, 1);
    dice d = { 4 };
    fill(&d, theta(at), 16, -1, 1);
    double got[16];
    evaluate(g, at, nodes, 4, got);
    for (size_t i = 0; i < 16; i++)
        assert_true(got[i] == (i / 4 == 2 ? 0 : 1));
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void test_messages(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape2(2, 3)), s = gpf_param(g, "s", gpf_shape0());
    over(g, &gpf_op_softmax, x, 2);
    assert_error(g, GPF_ESHAPE, "softmax: x is 2x3 (there is no axis 2)");
    over(g, &gpf_op_log_softmax, x, -3);
    assert_error(g, GPF_ESHAPE, "log_softmax: x is 2x3 (there is no axis -3)");
    gpf_softmax(g, s);
    assert_error(g, GPF_ESHAPE, "softmax: s is scalar (there is no axis -1)");
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_axis),
        cmocka_unit_test(test_axis_of_size_one),
        cmocka_unit_test(test_messages),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
