/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include "unit/help.h"

#include <gsl/gsl_math.h>
#include <jansson.h>
#include <stdio.h>

/* y = V relu(x W + b), with units of W that can be switched off. */
typedef struct setup {
    gpf_graph *g;
    gpf_point *at;
    gpf_health *h;
    gpf_node b;
} setup;

static const double x[] = { 0.5, -1.5, 2, 0.25 }, y[] = { 1, 0, 2, 1 },
                    start[] = { 1, -0.75, 0.5, 0.25, 0.5, 0.75, 1.5, -2, 1.25 };

static setup make(double bias, double rate)
{
    setup s = { .g = gpf_graph_alloc() };
    gpf_graph *g = s.g;
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 1)),
                   Y = gpf_data(g, "y", gpf_shape2(GPF_N, 1)),
                   W = gpf_param(g, "W", gpf_shape2(1, 3)), b = gpf_param(g, "b", gpf_shape2(1, 3)),
                   V = gpf_param(g, "V", gpf_shape2(3, 1));
    const gpf_node a = gpf_relu(g, gpf_add(g, gpf_matmul(g, X, W), b)), p = gpf_matmul(g, a, V);
    const gpf_node loss = gpf_mse(g, p, Y, GPF_MEAN);
    gpf_node_set_name(g, a, "h1");
    gpf_node_set_name(g, p, "p");
    gpf_node_set_name(g, loss, "loss");
    s.at = gpf_point_alloc(g, 4);
    gpf_point_bind(s.at, X, x);
    gpf_point_bind(s.at, Y, y);
    memcpy(theta(s.at), start, sizeof start);
    theta(s.at)[gpf_param_offset(g, b) + 1] = bias;
    s.h = gpf_health_alloc(g, loss, 4, NULL, rate, NULL);
    assert_non_null(s.h);
    assert_int_equal(gpf_health_run(s.h, s.at), GSL_SUCCESS);
    return s;
}

static void unmake(setup *s)
{
    gpf_health_free(s->h);
    gpf_point_free(s->at);
    gpf_graph_free(s->g);
}

typedef int report(FILE *out, const gpf_health *h, const gpf_report_options *how);

static char *text_of(report *put, const gpf_health *h, const gpf_report_options *how)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_int_equal(put(out, h, how), GSL_SUCCESS);
    fclose(out);
    return text;
}

static void assert_text(const gpf_health *h, const gpf_report_options *how, const char *expected)
{
    char *text = text_of(gpf_report_health_text, h, how);
    assert_string_equal(text, expected);
    free(text);
}

static void healthy(void **state)
{
    (void)state;
    setup s = make(0.5, GSL_NAN);
    assert_text(s.h, NULL,
                "loss = 6.141846, 2 layers, 3 hidden units\n"
                "\n"
                "  layer  units  dead  nearly  saturated  distinct  rank  rms a  |dL/dz|  |dL/dW|  "
                "step/|W|\n"
                "  h1         3     0       0          0         3     1    1.1        5      9.3  "
                "       -\n"
                "  p          1     -       -          -         1     1    3.4      2.5      6.4  "
                "       -\n"
                "\n"
                "healthy: nothing found in 2 layers\n");
    gpf_report_options how = gpf_report_defaults();
    how.quiet = how.color = 1;
    assert_text(s.h, &how, "\033[32mhealthy\033[0m: nothing found in 2 layers\n");
    unmake(&s);
}

/* Two findings that the same helps against. */
static void what_helps_is_said_once(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 1));
    const gpf_node h = gpf_dense(g, "h", X, 2, gpf_relu), k = gpf_dense(g, "k", h, 2, gpf_relu);
    const gpf_node p = gpf_dense(g, "p", k, 1, NULL);
    const gpf_node loss = gpf_mean(g, gpf_square(g, p), GPF_ALL_AXES);
    gpf_point *at = gpf_point_alloc(g, 4);
    gpf_point_bind(at, X, x);
    static const double values[] = { 1, 0.75, 3, -9, 1.5, 0.5, 0.25, 1.25, 1, -90, 2, 1.5, 0.5 };
    assert_int_equal(gpf_graph_n_params(g), COUNT(values));
    memcpy(theta(at), values, sizeof values);
    gpf_health *net = gpf_health_alloc(g, loss, 4, NULL, GSL_NAN, NULL);
    assert_non_null(net);
    assert_int_equal(gpf_health_run(net, at), GSL_SUCCESS);
    assert_int_equal(gpf_health_n_findings(net), 2);
    char *text = text_of(gpf_report_health_text, net, NULL);
    size_t told = 0;
    for (size_t i = 0; text[i]; i++)
        told += !strncmp(text + i, "what helps:", strlen("what helps:"));
    assert_int_equal(told, 1);
    free(text);
    gpf_health_free(net);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void findings(void **state)
{
    (void)state;
    static const char *const notes[] = { "mse: mean over 4 terms", NULL };
    setup s = make(-9, 0.01);
    gpf_report_options how = gpf_report_defaults();
    how.model = "a\033[1mb.gpf";
    how.output = "J";
    how.notes = notes;
    char *text = text_of(gpf_report_health_text, s.h, &how);
    assert_non_null(strstr(text, "a [1mb.gpf: J = "));
    assert_non_null(strstr(text, "\n  mse: mean over 4 terms\n"));
    assert_non_null(strstr(text, "\n  dead unit  unit 1 of h1 is off for all 4 samples\n"
                                 "             what helps: standardise the inputs"));
    assert_non_null(strstr(text, "\n\nfindings: 1\n"));
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 100);
    free(text);
    how.quiet = 1;
    assert_text(s.h, &how, "findings: 1\n");
    unmake(&s);
}

static void json(void **state)
{
    (void)state;
    setup s = make(-9, 0.01);
    gpf_report_options how = gpf_report_defaults();
    how.model = "m.gpf";
    char *text = text_of(gpf_report_health_json, s.h, &how);
    json_t *all = json_loads(text, 0, NULL);
    assert_non_null(all);
    assert_string_equal(json_string_value(json_object_get(all, "schema")), "gradproof-health/1");
    assert_string_equal(json_string_value(json_object_get(all, "outcome")), "findings");
    assert_int_equal(json_integer_value(json_object_get(all, "exit_status")), 1);
    assert_close(json_real_value(json_object_get(all, "dead")), 1. / 3, 1e-15, 0);
    const json_t *layers = json_object_get(all, "layers"), *one = json_array_get(layers, 0);
    assert_int_equal(json_array_size(layers), 2);
    assert_string_equal(json_string_value(json_object_get(one, "name")), "h1");
    assert_string_equal(json_string_value(json_object_get(one, "bias")), "b");
    assert_int_equal(json_integer_value(json_object_get(one, "dead")), 1);
    const json_t *units = json_object_get(one, "unit");
    assert_int_equal(json_array_size(units), 3);
    assert_true(json_real_value(json_object_get(json_array_get(units, 1), "off")) == 1);
    one = json_array_get(layers, 1);
    assert_true(json_is_null(json_object_get(one, "bias")));
    assert_true(
        json_is_null(json_object_get(json_array_get(json_object_get(one, "unit"), 0), "off")));
    const json_t *found = json_array_get(json_object_get(all, "findings"), 0);
    assert_string_equal(json_string_value(json_object_get(found, "kind")), "dead unit");
    assert_string_equal(json_string_value(json_object_get(found, "node")), "h1");
    assert_int_equal(json_integer_value(json_object_get(found, "units")), 1);
    json_decref(all);
    free(text);
    /* What JSON has no number for. */
    theta(s.at)[0] = GSL_NAN;
    assert_int_equal(gpf_health_run(s.h, s.at), GSL_SUCCESS);
    text = text_of(gpf_report_health_json, s.h, NULL);
    all = json_loads(text, 0, NULL);
    assert_non_null(all);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(all, "output"), "value_text")), "nan");
    json_decref(all);
    free(text);
    unmake(&s);
}

static void full_disk(void **state)
{
    (void)state;
    setup s = make(-9, 0.01);
    report *const puts[] = { gpf_report_health_text, gpf_report_health_json };
    for (size_t i = 0; i < COUNT(puts); i++) {
        FILE *out = fopen("/dev/full", "w");
        if (!out)
            skip();
        setvbuf(out, NULL, _IONBF, 0);
        assert_int_equal(puts[i](out, s.h, NULL), GSL_EFAILED);
        fclose(out);
    }
    unmake(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(healthy),
        cmocka_unit_test(findings),
        cmocka_unit_test(what_helps_is_said_once),
        cmocka_unit_test(json),
        cmocka_unit_test(full_disk),
    };
    return cmocka_run_group_tests_name("report_health", tests, NULL, NULL);
}
