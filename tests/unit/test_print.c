/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include "help.h"

typedef int print_fn(const gpf_graph *g, gpf_node y, FILE *out);

static void assert_prints(print_fn *print, const gpf_graph *g, gpf_node y, const char *expected)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(print(g, y, out), GSL_SUCCESS);
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

static void test_labels(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape2(2, 3)), b = gpf_param(g, "b", gpf_shape1(3));
    const gpf_node five[] = { x, x, x, x, x };
    const double values[] = { 1, 2 };
    const struct {
        gpf_node n;
        const char *label;
    } labels[] = {
        { x, "x" },
        { gpf_const(g, 0.25), "0.25" },
        { gpf_tanh(g, x), "tanh(x)" },
        { gpf_add(g, x, b), "add(x, b)" }, /* the broadcast is not mentioned */
        { gpf_tanh(g, gpf_exp(g, x)), "tanh(exp(..))" },
        { gpf_mul(g, gpf_exp(g, x), gpf_const(g, 2)), "mul(exp(..), 2)" },
        { gpf_concat(g, five, 5, 0), "concat(x, x, x, x, ..)" },
        { gpf_const_tensor(g, gpf_shape1(2), values), "[..]" },
    };
    for (size_t i = 0; i < COUNT(labels); i++) {
        char text[80];
        assert_string_equal(gpf_node_label(g, labels[i].n, text, sizeof text), labels[i].label);
    }
    char small[6];
    assert_string_equal(gpf_node_label(g, gpf_tanh(g, x), small, sizeof small), "tanh(");
    gpf_node_set_name(g, gpf_tanh(g, x), "h");
    assert_string_equal(gpf_node_label(g, gpf_exp(g, gpf_tanh(g, x)), small, sizeof small),
                        "exp(h");
    gpf_graph_free(g);
}

static gpf_node small_net(gpf_graph *g)
{
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 2)),
                   W = gpf_param(g, "W", gpf_shape2(2, 3));
    const gpf_node h = gpf_leaky_relu(g, gpf_matmul(g, X, W), 0.2);
    gpf_node_set_name(g, h, "h");
    gpf_param(g, "unused", gpf_shape0());
    const gpf_node total = gpf_sum(g, gpf_sum(g, h, 1), GPF_ALL_AXES);
    const gpf_node loss = gpf_mul(g, gpf_const(g, 0.5), total);
    gpf_node_set_name(g, loss, "loss");
    return loss;
}

static void test_text(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node loss = small_net(g);
    assert_prints(gpf_graph_print, g, loss,
                  "X = data                                         Nx2\n"
                  "W = param                                        2x3\n"
                  "%3 = matmul(X, W)                                Nx3\n"
                  "h = leaky_relu(%3, slope=0.2)                    Nx3\n"
                  "%6 = sum(h, axis=0)                              1x3\n"
                  "%7 = sum(%6)                                     scalar\n"
                  "loss = mul(0.5, %7)                              scalar\n");
    assert_prints(gpf_graph_print, g, gpf_graph_find(g, "X"),
                  "X = data                                         Nx2\n");
    gpf_graph_free(g);
    g = gpf_graph_alloc();
    assert_prints(gpf_graph_print, g, GPF_NONE, "");
    gpf_param(g, "a", gpf_shape0());
    gpf_param(g, "b", gpf_shape0());
    assert_prints(gpf_graph_print, g, GPF_NONE, /* all */
                  "a = param                                        scalar\n"
                  "b = param                                        scalar\n");
    gpf_graph_free(g);
}

static void test_dot(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape1(GPF_N)), w = gpf_param(g, "w", gpf_shape0());
    const gpf_node y = gpf_mul(g, X, w);
    assert_prints(gpf_graph_print_dot, g, y,
                  "digraph gradproof {\n"
                  "    rankdir=LR;\n"
                  "    node [shape=box, fontname=\"monospace\"];\n"
                  "    n1 [label=\"X\\ndata N\", style=filled, fillcolor=\"#d8e8ff\"];\n"
                  "    n2 [label=\"w\\nparam scalar\", style=filled, fillcolor=\"#ffe8c0\"];\n"
                  "    n3 [label=\"%3\\nbroadcast N\"];\n"
                  "    n2 -> n3;\n"
                  "    n4 [label=\"%4\\nmul N\"];\n"
                  "    n1 -> n4;\n"
                  "    n3 -> n4;\n"
                  "}\n");
    gpf_graph_free(g);
}

static int two_notes(void *arg, gpf_node n, size_t line, char *buf, size_t size)
{
    const gpf_node *without = arg;
    snprintf(buf, size, "note %zu of \"%d\"\\", line, n);
    return n != *without && line < 2;
}

/* Lines under a node; in Graphviz part of its label, which a quote must not end. */
static void test_notes(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    gpf_node X = gpf_data(g, "X", gpf_shape1(GPF_N)), y = gpf_exp(g, X);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(gpf_graph_print_notes(g, y, out, two_notes, &X), GSL_SUCCESS);
    assert_int_equal(gpf_graph_print_dot_notes(g, y, out, two_notes, &X), GSL_SUCCESS);
    fclose(out);
    assert_string_equal(text,
                        "X = data                                         N\n"
                        "%2 = exp(X)                                      N\n"
                        "    note 0 of  2  \n"
                        "    note 1 of  2  \n"
                        "digraph gradproof {\n"
                        "    rankdir=LR;\n"
                        "    node [shape=box, fontname=\"monospace\"];\n"
                        "    n1 [label=\"X\\ndata N\", style=filled, fillcolor=\"#d8e8ff\"];\n"
                        "    n2 [label=\"%2\\nexp N\\nnote 0 of  2  \\nnote 1 of  2  \"];\n"
                        "    n1 -> n2;\n"
                        "}\n");
    free(text);
    gpf_graph_free(g);
}

static void test_write_error(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node loss = small_net(g);
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        skip();
    setvbuf(full, NULL, _IONBF, 0);
    assert_int_equal(gpf_graph_print(g, loss, full), GSL_EFAILED);
    assert_int_equal(gpf_graph_print_dot(g, loss, full), GSL_EFAILED);
    fclose(full);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels),      cmocka_unit_test(test_text),
        cmocka_unit_test(test_dot),         cmocka_unit_test(test_notes),
        cmocka_unit_test(test_write_error),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
