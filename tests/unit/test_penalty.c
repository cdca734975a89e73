/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train_test.h"

static int bias(const gpf_graph *g, gpf_node loss, gpf_node param)
{
    int is = -1;
    assert_int_equal(gpf__is_bias(g, loss, param, &is), GSL_SUCCESS);
    return is;
}

static void test_bias(void **state)
{
    (void)state;
    net n;
    net_make(&n, GPF_MEAN);
    assert_int_equal(bias(n.g, n.loss, n.W1), 0);
    assert_int_equal(bias(n.g, n.loss, n.b1), 1);
    assert_int_equal(bias(n.g, n.loss, n.W2), 0);
    assert_int_equal(bias(n.g, n.loss, n.b2), 1);
    gpf_square(n.g, n.b1); /* not of the loss */
    assert_int_equal(bias(n.g, n.loss, n.b1), 1);
    net_free(&n);

    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_data(g, "x", gpf_shape2(GPF_N, 3));
    const gpf_node row = gpf_param(g, "row", gpf_shape1(3)),
                   both = gpf_param(g, "both", gpf_shape1(3)),
                   column = gpf_param(g, "column", gpf_shape2(3, 1)),
                   unused = gpf_param(g, "unused", gpf_shape1(2));
    gpf_node z = gpf_sub(g, x, gpf_reshape(g, row, gpf_shape2(1, 3))); /* a view of it is added */
    z = gpf_add(g, z, gpf_transpose(g, column));
    z = gpf_mul(g, gpf_add(g, z, both), both);
    const gpf_node loss = gpf_mean(g, gpf_square(g, z), GPF_ALL_AXES);
    assert_no_error(g);
    assert_int_equal(bias(g, loss, row), 1);
    assert_int_equal(bias(g, loss, column), 1);
    assert_int_equal(bias(g, loss, both), 0);
    assert_int_equal(bias(g, loss, unused), 0);
    gpf_node late = GPF_NONE; /* newer than the loss, by more than the loss has nodes */
    for (int i = 0; i < 200; i++) {
        char name[20];
        snprintf(name, sizeof name, "late%d", i);
        late = gpf_param(g, name, gpf_shape0());
    }
    assert_int_equal(bias(g, loss, late), 0);
    gpf_graph_free(g);
}

static gpf__adding adding(const net *n, gpf_node loss)
{
    gpf__adding how;
    assert_no_error(n->g);
    double before[64];
    memcpy(before, theta(n->at), gpf_graph_n_params(n->g) * sizeof *before);
    assert_int_equal(gpf__loss_scale(n->g, loss, n->at, &how), GSL_SUCCESS);
    assert_memory_equal(before, theta(n->at), gpf_graph_n_params(n->g) * sizeof *before);
    return how;
}

static void test_scale(void **state)
{
    (void)state;
    net n;
    net_make(&n, GPF_MEAN);
    gpf_graph *g = n.g;
    assert_int_equal(adding(&n, n.loss), GPF__MEANS);
    assert_int_equal(adding(&n, gpf_mse(g, n.p, n.y, GPF_SUM)), GPF__SUMS);
    assert_int_equal(adding(&n, gpf_mse(g, n.p, n.y, GPF_HALF_SUM)), GPF__SUMS);
    assert_int_equal(adding(&n, gpf_cross_entropy(g, n.p, n.y, GPF_MEAN)), GPF__MEANS);
    /* A mean with a penalty of its own still is one; a sum with one is neither. */
    const gpf_node own = gpf_sum(g, gpf_square(g, n.W1), GPF_ALL_AXES);
    assert_int_equal(adding(&n, gpf_add(g, n.loss, own)), GPF__MEANS);
    assert_int_equal(adding(&n, gpf_add(g, gpf_mse(g, n.p, n.y, GPF_SUM), own)), GPF__UNKNOWN);
    assert_int_equal(adding(&n, gpf_sqrt(g, gpf_mse(g, n.p, n.y, GPF_SUM))), GPF__UNKNOWN);
    /* Where it is 0 or not a number, other params tell. */
    memset(theta(n.at), 0, gpf_graph_n_params(g) * sizeof(double));
    assert_int_equal(adding(&n, gpf_sum(g, gpf_square(g, n.p), GPF_ALL_AXES)), GPF__SUMS);
    theta(n.at)[3] = NAN;
    assert_int_equal(adding(&n, n.loss), GPF__MEANS);
    assert_int_equal(adding(&n, gpf_mul(g, n.loss, gpf_const(g, 0))), GPF__UNKNOWN);
    net_free(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bias),
        cmocka_unit_test(test_scale),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
