/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is a layer and what is not, whichever way it is written. */
#include "unit/help.h"
#include "train/health.h"

typedef struct fixture {
    gpf_graph *g;
    gpf_node X, y, W, V, b, c;
    gpf__layers found;
} fixture;

/* Samples in rows: X is Nx3, 3 inputs, 4 units, 1 output. */
static fixture begin(void)
{
    fixture f = { .g = gpf_graph_alloc() };
    f.X = gpf_data(f.g, "X", gpf_shape2(GPF_N, 3));
    f.y = gpf_data(f.g, "y", gpf_shape2(GPF_N, 1));
    f.W = gpf_param(f.g, "W", gpf_shape2(3, 4));
    f.b = gpf_param(f.g, "b", gpf_shape2(1, 4));
    f.V = gpf_param(f.g, "V", gpf_shape2(4, 1));
    f.c = gpf_param(f.g, "c", gpf_shape0());
    return f;
}

static void find(fixture *f, gpf_node prediction)
{
    const gpf_node loss = gpf_mse(f->g, prediction, f->y, GPF_MEAN);
    assert_no_error(f->g);
    gpf__layers_free(&f->found);
    assert_int_equal(gpf__layers_find(f->g, loss, &f->found), GSL_SUCCESS);
}

static void end(fixture *f)
{
    gpf__layers_free(&f->found);
    gpf_graph_free(f->g);
}

static gpf_node output(fixture *f, gpf_node a)
{
    return gpf_add(f->g, gpf_matmul(f->g, a, f->V), f->c);
}

static void assert_layer(const fixture *f, size_t i, gpf_node z, gpf_node a, gpf_node weight,
                         gpf_node bias, int axis, int hidden)
{
    const gpf__found *l = &f->found.layer[i];
    assert_true(i < f->found.n);
    assert_int_equal(l->z, z);
    assert_int_equal(l->n_exits, 1);
    assert_int_equal(l->exit[0], a);
    assert_int_equal(f->found.product[l->product].weight, weight);
    assert_int_equal(l->bias, bias);
    assert_int_equal(l->axis, axis);
    assert_int_equal(l->hidden, hidden);
}

static void rows(void **state)
{
    (void)state;
    fixture f = begin();
    const gpf_node z = gpf_add(f.g, gpf_matmul(f.g, f.X, f.W), f.b), a = gpf_relu(f.g, z);
    const gpf_node p = output(&f, a);
    find(&f, p);
    assert_int_equal(f.found.n, 2);
    assert_layer(&f, 0, z, a, f.W, f.b, 1, 1);
    assert_layer(&f, 1, p, p, f.V, f.c, 1, 0);
    assert_true(f.found.layer[0].closed);
    assert_int_equal(f.found.feeds[1], 1); /* layer 0 into product 1 */
    assert_int_equal(f.found.feeds[0] + f.found.feeds[2] + f.found.feeds[3], 0);
    end(&f);
}

/* One z of two products, whose bias only the second of them meets before the other. */
static void two_products(void **state)
{
    (void)state;
    fixture f = begin();
    const gpf_node U = gpf_param(f.g, "U", gpf_shape2(3, 4));
    const gpf_node first = gpf_matmul(f.g, f.X, f.W),
                   second = gpf_add(f.g, gpf_matmul(f.g, gpf_square(f.g, f.X), U), f.b);
    const gpf_node z = gpf_add(f.g, first, second), a = gpf_tanh(f.g, z);
    find(&f, output(&f, a));
    assert_int_equal(f.found.n, 2);
    assert_int_equal(f.found.n_products, 3);
    assert_layer(&f, 0, z, a, f.W, f.b, 1, 1);
    end(&f);
}

static void without_bias_and_activation(void **state)
{
    (void)state;
    fixture f = begin();
    const gpf_node z = gpf_matmul(f.g, f.X, f.W), p = gpf_matmul(f.g, z, f.V);
    find(&f, p);
    assert_int_equal(f.found.n, 2);
    assert_layer(&f, 0, z, z, f.W, GPF_NONE, 1, 1);
    assert_layer(&f, 1, p, p, f.V, GPF_NONE, 1, 0);
    end(&f);
}

/* W x with samples in columns, and weights stored the other way round. */
static void columns_and_transposes(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    fixture f = { .g = g };
    f.X = gpf_data(g, "X", gpf_shape2(3, GPF_N));
    f.y = gpf_data(g, "y", gpf_shape2(1, GPF_N));
    f.W = gpf_param(g, "W", gpf_shape2(4, 3));
    f.b = gpf_param(g, "b", gpf_shape2(4, 1));
    f.V = gpf_param(g, "V", gpf_shape2(4, 1)); /* inputs x units, used as V' */
    const gpf_node z = gpf_add(g, gpf_matmul(g, f.W, f.X), f.b), a = gpf_tanh(g, z),
                   p = gpf_matmul(g, gpf_transpose(g, f.V), a);
    find(&f, p);
    assert_int_equal(f.found.n, 2);
    assert_layer(&f, 0, z, a, f.W, f.b, 0, 1);
    assert_layer(&f, 1, p, p, f.V, GPF_NONE, 0, 0);
    assert_int_equal(f.found.product[0].unit_axis, 0);
    assert_int_equal(f.found.product[1].unit_axis, 1);
    end(&f);
    /* Units in rows, samples in columns, turned round before the bias. */
    f = begin();
    const gpf_node U = gpf_param(f.g, "U", gpf_shape2(4, 3));
    const gpf_node m = gpf_matmul(f.g, U, gpf_transpose(f.g, f.X));
    const gpf_node turned = gpf_add(f.g, gpf_transpose(f.g, m), f.b), r = gpf_relu(f.g, turned);
    find(&f, output(&f, r));
    assert_int_equal(f.found.n, 2);
    assert_int_equal(f.found.layer[0].axis, gpf_node_shape(f.g, f.found.layer[0].z).dim[1] == 4);
    assert_int_equal(f.found.layer[0].exit[0], r);
    end(&f);
}

/* Activations of many nodes, with params and data inside. */
static void composed_activations(void **state)
{
    (void)state;
    fixture f = begin();
    const gpf_node slope = gpf_param(f.g, "slope", gpf_shape2(1, 4)),
                   mask = gpf_data(f.g, "mask", gpf_shape2(GPF_N, 4));
    const gpf_node z = gpf_add(f.g, gpf_matmul(f.g, f.X, f.W), f.b);
    const gpf_node a[] = { gpf_swish(f.g, z), gpf_gelu(f.g, z), gpf_mish(f.g, z),
                           gpf_prelu(f.g, z, slope), gpf_mul(f.g, gpf_relu(f.g, z), mask) };
    for (size_t i = 0; i < COUNT(a); i++) {
        find(&f, output(&f, a[i]));
        assert_int_equal(f.found.n, 2);
        assert_layer(&f, 0, z, a[i], f.W, f.b, 1, 1);
        assert_true(f.found.layer[0].closed);
    }
    end(&f);
}

/* h + relu(h U + d): the activation ends before h is added, and h is an exit of its own layer. */
static void skips(void **state)
{
    (void)state;
    fixture f = begin();
    const gpf_node U = gpf_param(f.g, "U", gpf_shape2(4, 4)),
                   d = gpf_param(f.g, "d", gpf_shape2(1, 4));
    const gpf_node z = gpf_add(f.g, gpf_matmul(f.g, f.X, f.W), f.b), h = gpf_relu(f.g, z);
    const gpf_node z2 = gpf_add(f.g, gpf_matmul(f.g, h, U), d), r = gpf_relu(f.g, z2);
    find(&f, output(&f, gpf_add(f.g, h, r)));
    assert_int_equal(f.found.n, 3);
    assert_layer(&f, 0, z, h, f.W, f.b, 1, 1);
    assert_layer(&f, 1, z2, r, U, d, 1, 1);
    assert_false(f.found.layer[0].closed);
    assert_false(f.found.layer[1].closed);
    assert_int_equal(
        f.found.feeds[0 * 3 + 1] && f.found.feeds[0 * 3 + 2] && f.found.feeds[1 * 3 + 2], 1);
    /* relu(h U + d + h): z is the whole sum. */
    const gpf_node sum = gpf_add(f.g, z2, h), inside = gpf_relu(f.g, sum);
    find(&f, output(&f, inside));
    assert_int_equal(f.found.n, 3);
    assert_layer(&f, 1, sum, inside, U, d, 1, 1);
    end(&f);
}

/* tanh(x W + h U + b): one layer of two products; the weights of a layer used twice. */
static void sums_and_shared_weights(void **state)
{
    (void)state;
    fixture f = begin();
    const gpf_node U = gpf_param(f.g, "U", gpf_shape2(4, 4)),
                   X2 = gpf_data(f.g, "X2", gpf_shape2(GPF_N, 3));
    const gpf_node h1 = gpf_tanh(f.g, gpf_add(f.g, gpf_matmul(f.g, f.X, f.W), f.b));
    const gpf_node m1 = gpf_matmul(f.g, X2, f.W), m2 = gpf_matmul(f.g, h1, U);
    const gpf_node z2 = gpf_add(f.g, gpf_add(f.g, m1, m2), f.b);
    const gpf_node h2 = gpf_tanh(f.g, z2);
    find(&f, output(&f, h2));
    assert_int_equal(f.found.n, 3);
    assert_int_equal(f.found.n_products, 4);
    assert_layer(&f, 1, z2, h2, f.W, f.b, 1, 1);
    assert_int_equal(f.found.product[1].layer, 1);
    assert_int_equal(f.found.product[2].layer, 1);
    end(&f);
}

/* Two ways out: both are looked at. Softmax and normalisation mix the elements: left alone. */
static void several_exits_and_mixing(void **state)
{
    (void)state;
    fixture f = begin();
    const gpf_node z = gpf_add(f.g, gpf_matmul(f.g, f.X, f.W), f.b);
    const gpf_node both[] = { gpf_relu(f.g, z), gpf_relu(f.g, gpf_neg(f.g, z)) };
    const gpf_node V2 = gpf_param(f.g, "V2", gpf_shape2(8, 1));
    find(&f, gpf_matmul(f.g, gpf_concat(f.g, both, 2, 1), V2));
    assert_int_equal(f.found.layer[0].n_exits, 2);
    assert_false(f.found.layer[0].closed);
    find(&f, output(&f, gpf_softmax(f.g, z)));
    assert_layer(&f, 0, z, z, f.W, f.b, 1, 1);
    const gpf_node centred = gpf_sub(f.g, z, gpf_mean(f.g, z, 1));
    find(&f, output(&f, gpf_relu(f.g, centred)));
    assert_int_equal(f.found.layer[0].exit[0], z);
    end(&f);
}

/* softplus inside a loss, the square of the residual, a saturated output: not hidden layers. */
static void losses_are_no_layers(void **state)
{
    (void)state;
    fixture f = begin();
    const gpf_node a = gpf_tanh(f.g, gpf_add(f.g, gpf_matmul(f.g, f.X, f.W), f.b)),
                   p = output(&f, a);
    const gpf_node loss[] = { gpf_bce_with_logits(f.g, p, f.y, GPF_MEAN),
                              gpf_bce(f.g, gpf_sigmoid(f.g, p), f.y, GPF_SUM),
                              gpf_add(f.g, gpf_mse(f.g, p, f.y, GPF_MEAN), gpf_l2(f.g, f.W)) };
    for (size_t i = 0; i < COUNT(loss); i++) {
        gpf__layers_free(&f.found);
        assert_int_equal(gpf__layers_find(f.g, loss[i], &f.found), GSL_SUCCESS);
        assert_int_equal(f.found.n, 2);
        assert_layer(&f, 1, p, p, f.V, f.c, 1, 0);
    }
    end(&f);
}

/* Products of params alone, of data alone, and params that multiply elements are no layers. */
static void other_products(void **state)
{
    (void)state;
    fixture f = begin();
    const gpf_node w = gpf_param(f.g, "w", gpf_shape2(1, 3));
    const gpf_node gram = gpf_sum(f.g, gpf_matmul(f.g, gpf_transpose(f.g, f.X), f.X), GPF_ALL_AXES);
    const gpf_node product = gpf_matmul(f.g, f.W, f.V); /* 3x1, params only */
    const gpf_node p = gpf_add(f.g, gpf_sum(f.g, gpf_mul(f.g, f.X, w), 2), gram);
    find(&f, p);
    assert_int_equal(f.found.n, 0);
    find(&f, gpf_matmul(f.g, f.X, product));
    assert_int_equal(f.found.n, 1);
    assert_int_equal(f.found.product[0].weight, product);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),
        cmocka_unit_test(two_products),
        cmocka_unit_test(without_bias_and_activation),
        cmocka_unit_test(columns_and_transposes),
        cmocka_unit_test(composed_activations),
        cmocka_unit_test(skips),
        cmocka_unit_test(sums_and_shared_weights),
        cmocka_unit_test(several_exits_and_mixing),
        cmocka_unit_test(losses_are_no_layers),
        cmocka_unit_test(other_products),
    };
    return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
