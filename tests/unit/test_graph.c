/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "graph/graph.h"
#include "help.h"

static void test_shapes(void **state)
{
    (void)state;
    const ptrdiff_t five[] = { 2, 3, 4, 5, 6 };
    assert_int_equal(gpf_shape_of(5, five).rank, 4);
    assert_int_equal(gpf_shape_of(-1, NULL).rank, 0);
    assert_int_equal(gpf_shape1(7).dim[3], 1);
    assert_true(gpf_shape_equal(gpf_shape2(GPF_N, 3), gpf_shape2(GPF_N, 3)));
    assert_false(gpf_shape_equal(gpf_shape2(1, 3), gpf_shape1(3)));
    assert_false(gpf_shape_equal(gpf_shape2(2, 3), gpf_shape2(3, 2)));
    assert_int_equal(gpf_shape_size(gpf_shape0(), 0), 1);
    assert_int_equal(gpf_shape_size(gpf_shape2(GPF_N, 3), 5), 15);
    assert_int_equal(gpf_shape_size(gpf_shape2(GPF_N, 3), 0), 0);
    assert_int_equal(gpf_shape_size(gpf_shape1((ptrdiff_t)GPF_MAX_ELEMENTS), 0), GPF_MAX_ELEMENTS);
    assert_int_equal(gpf_shape_size(gpf_shape1((ptrdiff_t)GPF_MAX_ELEMENTS + 1), 0), 0);
    assert_int_equal(gpf_shape_size(shape_of(4, 1 << 20, 1 << 20, 1 << 20, 1 << 20), 0), 0);
    assert_int_equal(gpf_shape_size(gpf_shape1(-7), 0), 0);
    char text[64], small[4];
    assert_string_equal(gpf_shape_text(gpf_shape0(), text, sizeof text), "scalar");
    assert_string_equal(gpf_shape_text(gpf_shape1(3), text, sizeof text), "3");
    assert_string_equal(gpf_shape_text(shape_of(4, GPF_N, 2, 1, 9), text, sizeof text), "Nx2x1x9");
    assert_string_equal(gpf_shape_text(gpf_shape2(10, 20), small, sizeof small), "10x");
    assert_null(gpf_shape_text(gpf_shape0(), NULL, 0));
}

static void test_sharing(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node a = gpf_param(g, "a", gpf_shape1(3)), b = gpf_param(g, "b", gpf_shape1(3));
    assert_int_equal(gpf_mul(g, a, b), gpf_mul(g, a, b));
    assert_int_equal(gpf_mul(g, a, b), gpf_mul(g, b, a)); /* commutes */
    assert_int_not_equal(gpf_sub(g, a, b), gpf_sub(g, b, a));
    assert_int_not_equal(gpf_step(g, a, 0), gpf_step(g, a, 1)); /* parameters count */
    assert_int_not_equal(gpf_relu(g, a), gpf_relu(g, b));
    assert_int_equal(gpf_const(g, 0.1), gpf_const(g, 0.1));
    assert_int_not_equal(gpf_const(g, 0.0), gpf_const(g, -0.0));
    assert_int_equal(gpf_const(g, NAN), gpf_const(g, NAN));
    const double same[] = { 1, 2 };
    assert_int_not_equal(gpf_const_tensor(g, gpf_shape1(2), same),
                         gpf_const_tensor(g, gpf_shape1(2), same)); /* not compared */
    assert_int_equal(gpf_const_tensor(g, gpf_shape0(), same), gpf_const(g, 1));
    /* Still so after the table has grown many times. */
    gpf_node chain = a;
    for (int i = 0; i < 3000; i++)
        chain = gpf_sin(g, chain);
    const size_t n = gpf_graph_n_nodes(g);
    chain = a;
    for (int i = 0; i < 3000; i++)
        chain = gpf_sin(g, chain);
    assert_int_equal(gpf_graph_n_nodes(g), n);
    assert_int_equal(gpf_graph_find(g, "b"), b);
    assert_no_error(g);
    gpf_graph_free(g);
}

static void test_constants_fold(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    double v = 0;
    const gpf_node c = gpf_add(g, gpf_const(g, 2), gpf_const(g, 3));
    assert_int_equal(c, gpf_const(g, 5));
    const gpf_node t = gpf_broadcast(g, gpf_const(g, 2), gpf_shape2(2, 3));
    const gpf_node sum = gpf_exp(g, gpf_mul(g, t, gpf_const(g, 0.5)));
    assert_true(gpf_node_is_const(g, sum, &v) && v == exp(1));
    assert_true(gpf_shape_equal(gpf_node_shape(g, sum), gpf_shape2(2, 3)));
    assert_true(gpf_node_is_const(g, gpf_transpose(g, t), &v) && v == 2);
    const gpf_node x = gpf_param(g, "x", gpf_shape1(2));
    const double two[] = { 4, 4 };
    assert_false(gpf_node_is_const(g, x, &v));
    assert_false(gpf_node_is_const(g, gpf_const_tensor(g, gpf_shape1(2), two), &v));
    assert_false(gpf_node_is_const(g, GPF_NONE, &v));
    assert_false(gpf_node_is_const(g, GPF_POISON, &v));
    assert_false(gpf_node_is_const(g, 12345, &v));
    gpf_graph_free(g);
}

static void test_first_error_sticks(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node a = gpf_param(g, "a", gpf_shape2(2, 3)), b = gpf_param(g, "b", gpf_shape2(2, 4));
    const size_t n = gpf_graph_n_nodes(g);
    assert_int_equal(gpf_graph_status(g, NULL), GSL_SUCCESS);
    assert_int_equal(gpf_add(g, a, b), GPF_POISON);
    assert_int_equal(gpf_exp(g, a), GPF_POISON); /* right by itself, but after the error */
    assert_int_equal(gpf_matmul(g, a, b), GPF_POISON);
    assert_int_equal(gpf_param(g, "c", gpf_shape0()), GPF_POISON);
    assert_int_equal(gpf_const(g, 1), GPF_POISON);
    assert_int_equal(gpf_concat(g, &a, 1, 0), GPF_POISON);
    assert_int_equal(gpf_mean(g, a, 1), GPF_POISON);
    assert_int_equal(gpf_dense(g, "l", a, 2, gpf_tanh), GPF_POISON);
    assert_int_equal(gpf_node_set_name(g, a, "z"), GPF_ESHAPE);
    gpf_node out[] = { 77, 77 }, xs[] = { a, b };
    assert_int_equal(gpf_grad(g, a, xs, 2, out), GPF_ESHAPE);
    assert_true(out[0] == GPF_POISON && out[1] == GPF_POISON);
    assert_int_equal(gpf_graph_n_nodes(g), n);
    assert_error(g, GPF_ESHAPE, "add: a is 2x3 but b is 2x4 (sizes 3 and 4 do not broadcast)");
    assert_int_equal(gpf_graph_status(g, NULL), GSL_SUCCESS); /* cleared: building goes on */
    assert_int_not_equal(gpf_exp(g, a), GPF_POISON);
    gpf_graph_free(g);
}

static void map4(size_t n, double *y, const double *const *x, const gpf_attr *attr)
{
    (void)attr;
    memcpy(y, x[0], n * sizeof *y);
}

static void test_messages(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape2(2, 3)),
                   X = gpf_data(g, "X", gpf_shape2(GPF_N, 3));
    gpf_exp(g, GPF_NONE);
    assert_error(g, GSL_EINVAL, "GPF_NONE given where a node is needed");
    gpf_add(g, x, 999);
    assert_error(g, GSL_EINVAL, "999 given where a node is needed");
    gpf_exp(g, GPF_POISON);
    assert_error(g, GSL_EINVAL, "0 given where a node is needed");
    const ptrdiff_t box[] = { 0, 0 };
    const char *const no_node = "999 given where a node is needed";
    gpf_size(g, 999, 1);
    assert_error(g, GSL_EINVAL, no_node);
    gpf_slice(g, 999, box, box);
    assert_error(g, GSL_EINVAL, no_node);
    gpf_pad(g, 999, box, gpf_shape2(1, 1));
    assert_error(g, GSL_EINVAL, no_node);
    gpf_sum_to(g, 999, gpf_shape0());
    assert_error(g, GSL_EINVAL, no_node);
    gpf_mean(g, 999, 1);
    assert_error(g, GSL_EINVAL, no_node);
    gpf_mse(g, x, 999, GPF_SUM);
    assert_error(g, GSL_EINVAL, no_node);
    gpf_dense(g, "layer", 999, 2, NULL);
    assert_error(g, GSL_EINVAL, no_node);

    gpf_param(g, "x", gpf_shape0());
    assert_error(g, GPF_ENAME, "the name 'x' is taken");
    gpf_data(g, "a b", gpf_shape0());
    assert_error(g, GPF_ENAME, "'a b' is not a name (letters, digits, '_' and '.')");
    gpf_data(g, "", gpf_shape0());
    assert_error(g, GPF_ENAME, "'' is not a name (letters, digits, '_' and '.')");
    gpf_data(g, NULL, gpf_shape0());
    assert_error(g, GPF_ENAME, "'' is not a name (letters, digits, '_' and '.')");
    gpf_node_set_name(g, gpf_exp(g, x), "x");
    assert_error(g, GPF_ENAME, "the name 'x' is taken");
    gpf_node_set_name(g, gpf_exp(g, x), "-");
    assert_error(g, GPF_ENAME, "'-' is not a name (letters, digits, '_' and '.')");

    gpf_param(g, "W", gpf_shape2(GPF_N, 3));
    assert_error(g, GPF_ESHAPE, "param W is Nx3: size -1 of axis 0 is not a positive number");
    gpf_data(g, "W", gpf_shape2(3, 0));
    assert_error(g, GPF_ESHAPE, "data W is 3x0: size 0 of axis 1 is not positive");
    const double v[] = { 1 };
    gpf_const_tensor(g, gpf_shape1(-2), v);
    assert_error(g, GPF_ESHAPE, "const tensor is -2: size -2 of axis 0 is not a positive number");
    gpf_param(g, "W", gpf_shape2(65536, 32768));
    assert_error(g, GPF_ELIMIT, "param W is 65536x32768: more than 2147483647 elements");
    const gpf_node col = gpf_param(g, "col", gpf_shape2(65536, 1)),
                   row = gpf_param(g, "row", gpf_shape2(1, 65536));
    gpf_matmul(g, col, row);
    assert_error(g, GPF_ELIMIT, "result of matmul is 65536x65536: more than 2147483647 elements");
    gpf_add(g, col, row);
    assert_error(g, GPF_ELIMIT,
                 "result of broadcast is 65536x65536: more than 2147483647 elements");
    gpf_broadcast(g, x, shape_of(3, 0, 2, 3, 1));
    assert_error(g, GPF_ESHAPE, "result of broadcast is 0x2x3: size 0 of axis 0 is not positive");

    gpf_apply(g, gpf_op_find("matmul", 2), &x, 1, NULL);
    assert_error(g, GSL_EINVAL, "matmul takes 2 inputs, 1 given");
    gpf_apply(g, gpf_op_find("exp", 1), &x, 0, NULL);
    assert_error(g, GSL_EINVAL, "exp takes 1 input, 0 given");
    gpf_concat(g, NULL, 0, 0);
    assert_error(g, GSL_EINVAL, "concat takes at least 1 input, 0 given");
    const gpf_op wide = { .name = "wide", .arity = 4, .map = map4 };
    const gpf_node four[] = { x, x, x, x };
    gpf_apply(g, &wide, four, 4, NULL);
    assert_error(g, GSL_EINVAL, "wide: an elementwise op has at most 3 inputs");

    gpf_add(g, x, X);
    assert_error(g, GPF_ESHAPE, "add: x is 2x3 but X is Nx3 (sizes 2 and N do not broadcast)");
    gpf_mul(g, gpf_exp(g, x), gpf_transpose(g, x));
    assert_error(g, GPF_ESHAPE,
                 "mul: exp(x) is 2x3 but transpose(x) is 3x2 (sizes 2 and 3 do not broadcast)");
    gpf_graph_free(g);
}

static void test_names(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape1(2)), y = gpf_exp(g, x);
    assert_null(gpf_node_name(g, y));
    char name[] = "h1.out_2";
    assert_int_equal(gpf_node_set_name(g, y, name), GSL_SUCCESS);
    name[0] = 'q'; /* copied */
    assert_string_equal(gpf_node_name(g, y), "h1.out_2");
    assert_int_equal(gpf_node_set_name(g, y, "other"), GSL_SUCCESS); /* the first stays */
    assert_string_equal(gpf_node_name(g, y), "h1.out_2");
    assert_int_equal(gpf_node_set_name(g, y, "h1.out_2"), GSL_SUCCESS);
    assert_int_equal(gpf_graph_find(g, "h1.out_2"), y);
    assert_int_equal(gpf_graph_find(g, "other"), GPF_NONE);
    assert_int_equal(gpf_graph_find(g, "h1.out_"), GPF_NONE);
    assert_no_error(g);
    for (int i = 0; i < 500; i++) {
        char p[16];
        snprintf(p, sizeof p, "p%d", i);
        gpf_param(g, p, gpf_shape0());
    }
    for (int i = 0; i < 500; i++) {
        char p[16];
        snprintf(p, sizeof p, "p%d", i);
        assert_string_equal(gpf_node_name(g, gpf_graph_find(g, p)), p);
    }
    gpf_graph_free(g);
}

static void test_params_are_one_vector(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 2));
    const gpf_node s = gpf_param(g, "s", gpf_shape0()), W = gpf_param(g, "W", gpf_shape2(2, 3));
    const gpf_node y = gpf_data(g, "y", gpf_shape1(GPF_N)), v = gpf_param(g, "v", gpf_shape1(4));
    const gpf_node T = gpf_param(g, "T", shape_of(3, 2, 3, 4, 1));
    const gpf_node params[] = { s, W, v, T }, data[] = { X, y };
    const size_t offset[] = { 0, 1, 7, 11 };
    assert_int_equal(gpf_graph_n_params(g), 35);
    assert_int_equal(gpf_graph_n_param_tensors(g), 4);
    assert_int_equal(gpf_graph_n_data(g), 2);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(gpf_graph_param(g, i), params[i]);
        assert_int_equal(gpf_param_offset(g, params[i]), offset[i]);
        assert_true(gpf_node_is_param(g, params[i]) && !gpf_node_is_data(g, params[i]));
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(gpf_graph_data(g, i), data[i]);
        assert_true(gpf_node_is_data(g, data[i]) && !gpf_node_is_param(g, data[i]));
    }
    assert_int_equal(gpf_graph_param(g, 4), GPF_NONE);
    assert_int_equal(gpf_graph_data(g, 2), GPF_NONE);

    gsl_vector *theta_vector = gsl_vector_alloc(35);
    for (size_t i = 0; i < 35; i++)
        gsl_vector_set(theta_vector, i, (double)i);
    const size_t rows[] = { 1, 2, 1, 6 }, cols[] = { 1, 3, 4, 4 };
    for (size_t i = 0; i < 4; i++) {
        gsl_matrix_view m = gpf_param_view(g, params[i], theta_vector);
        assert_int_equal(m.matrix.size1, rows[i]);
        assert_int_equal(m.matrix.size2, cols[i]);
        for (size_t r = 0; r < rows[i]; r++)
            for (size_t c = 0; c < cols[i]; c++)
                assert_true(gsl_matrix_get(&m.matrix, r, c) ==
                            (double)(offset[i] + r * cols[i] + c));
        gsl_matrix_set(&m.matrix, 0, 0, -1); /* a view, not a copy */
        assert_true(gsl_vector_get(theta_vector, offset[i]) == -1);
    }
    gsl_vector_free(theta_vector);
    gpf_graph_free(g);
}

static void test_reading(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape1(2)), w = gpf_param(g, "w", gpf_shape1(2));
    const gpf_node y = gpf_max(g, x, w);
    int n_x = 0;
    const gpf_node *in = gpf_node_inputs(g, y, &n_x);
    assert_int_equal(n_x, 2);
    assert_true(in[0] == x && in[1] == w);
    assert_string_equal(gpf_node_op(g, y)->name, "max");
    assert_string_equal(gpf_node_op(g, x)->name, "param");
    assert_true(gpf_node_attr(g, y)->p[0] == 0.5); /* the row's default */
    assert_int_equal(gpf_node_stable(g, y), GPF_NONE);
    for (int i = 0; i < 5000; i++) /* borrowed arrays stay where they are while the graph grows */
        gpf_add(g, x, gpf_const(g, i));
    assert_true(in[0] == x && in[1] == w);
    gpf_graph_free(g);
    gpf_graph_free(NULL);
}

/* N is a size of its own: it conforms to N and to 1, never to a number. */
static void test_free_batch_size(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 3)),
                   b = gpf_param(g, "b", gpf_shape2(1, 3)), v = gpf_param(g, "v", gpf_shape1(3)),
                   five = gpf_param(g, "five", gpf_shape2(5, 3));
    const gpf_shape n3 = gpf_shape2(GPF_N, 3);
    assert_true(gpf_shape_equal(gpf_node_shape(g, gpf_add(g, X, b)), n3));
    assert_true(gpf_shape_equal(gpf_node_shape(g, gpf_add(g, v, X)), n3));
    assert_true(gpf_shape_equal(gpf_node_shape(g, gpf_add(g, X, X)), n3));
    assert_true(gpf_shape_equal(gpf_node_shape(g, gpf_matmul(g, X, gpf_transpose(g, X))),
                                gpf_shape2(GPF_N, GPF_N)));
    assert_true(gpf_shape_equal(gpf_node_shape(g, gpf_matmul(g, gpf_transpose(g, X), X)),
                                gpf_shape2(3, 3)));
    gpf_add(g, X, five);
    assert_error(g, GPF_ESHAPE, "add: X is Nx3 but five is 5x3 (sizes N and 5 do not broadcast)");
    gpf_matmul(g, gpf_transpose(g, X), five);
    assert_error(g, GPF_ESHAPE,
                 "matmul: transpose(X) is 3xN but five is 5x3 (inner sizes N and 5 differ)");
    gpf_graph_free(g);
}

static void test_needed(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node a = gpf_data(g, "a", gpf_shape0()), b = gpf_data(g, "b", gpf_shape0()),
                   c = gpf_data(g, "c", gpf_shape0());
    const gpf_node y = gpf_exp(g, gpf_mul(g, gpf_add(g, a, b), b)), z = gpf_tanh(g, c);
    const gpf_node ys[] = { GPF_NONE, y };
    unsigned char *need = gpf__needed(g, ys, COUNT(ys));
    assert_non_null(need);
    assert_true(need[a] && need[b] && need[y]);
    assert_false(need[c] || need[z]);
    free(need);
    need = gpf__needed(g, &z, 1);
    assert_true(need[c] && need[z] && !need[a]);
    free(need);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_constants_fold),
        cmocka_unit_test(test_first_error_sticks),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_params_are_one_vector),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_free_batch_size),
        cmocka_unit_test(test_needed),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
