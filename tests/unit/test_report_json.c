/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include <gradproof.h>
#include <jansson.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static json_t *json_of(const gpf_check *c, const gpf_report_options *how)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(gpf_report_json(out, c, how), GSL_SUCCESS);
    fclose(out);
    static const char start[] = "{\n  \"schema\": \"gradproof-check/1\",\n";
    assert_memory_equal(text, start, sizeof start - 1);
    json_error_t error;
    json_t *all = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!all)
        fail_msg("line %d: %s in:\n%s", error.line, error.text, text);
    free(text);
    return all;
}

static const char *string_at(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s ? s : "(none)";
}

static json_int_t integer_at(const json_t *o, const char *name)
{
    assert_true(json_is_integer(json_object_get(o, name)));
    return json_integer_value(json_object_get(o, name));
}

/* sum(relu(k)) at k = (0, 0.7), and an analytic gradient by w that is not a number. */
static void every_element_with_all_its_fields(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    gpf_node k = gpf_param(g, "k", gpf_shape1(2)), w = gpf_param(g, "w", gpf_shape2(1, 2));
    gpf_node f = gpf_add(g, gpf_sum(g, gpf_relu(g, k), GPF_ALL_AXES),
                         gpf_sum(g, gpf_sin(g, w), GPF_ALL_AXES));
    gpf_node xs[] = { k, w }, grads[2];
    assert_int_equal(gpf_grad(g, f, xs, 2, grads), GSL_SUCCESS);
    grads[1] = gpf_sqrt(g, gpf_neg(g, gpf_square(g, w)));
    gpf_point *at = gpf_point_alloc(g, 0);
    gsl_vector_set(gpf_point_params(at), 1, 0.7);
    gsl_vector_set(gpf_point_params(at), 2, 0.3);
    gsl_vector_set(gpf_point_params(at), 3, -1.3);
    gpf_check *c = gpf_check_alloc(g, f, xs, grads, 2, 0, 1, NULL);
    gpf_check_options options = gpf_check_defaults();
    assert_int_equal(gpf_check_run(c, at, &options, NULL), GSL_SUCCESS);

    gpf_report_options how = gpf_report_defaults();
    static const char *const notes[] = { "one", "two", NULL };
    how.model = "caf\xe9 \"net\".gpf"; /* not UTF-8, and a quote */
    how.notes = notes;
    how.how = &options;
    how.seconds = 0.5;
    json_t *all = json_of(c, &how);
    assert_string_equal(string_at(all, "outcome"), "wrong");
    assert_int_equal(integer_at(all, "exit_status"), 1);
    assert_string_equal(string_at(all, "model"), "caf? \"net\".gpf");
    assert_int_equal(json_array_size(json_object_get(all, "notes")), 2);
    assert_int_equal(json_array_size(json_object_get(all, "tensors")), 2);
    const json_t *elements = json_object_get(all, "elements");
    assert_int_equal(json_array_size(elements), 4);

    const json_t *e = json_array_get(elements, 0), *kink = json_object_get(e, "kink");
    assert_string_equal(string_at(e, "tensor"), "k");
    assert_string_equal(string_at(e, "verdict"), "kink");
    assert_string_equal(string_at(kink, "op"), "relu");
    assert_string_equal(string_at(kink, "node"), "relu(k)");
    assert_int_equal(integer_at(kink, "element"), 0);
    assert_true(json_is_true(json_object_get(kink, "tie")));
    const json_t *sides = json_object_get(kink, "sides");
    assert_string_equal(json_string_value(json_array_get(sides, 0)), "off");
    assert_string_equal(json_string_value(json_array_get(sides, 3)), "on");

    e = json_array_get(elements, 1);
    assert_string_equal(string_at(e, "verdict"), "right");
    assert_true(json_real_value(json_object_get(e, "value")) == 0.7);
    assert_true(json_is_null(json_object_get(e, "kink")));

    e = json_array_get(elements, 3);
    assert_string_equal(string_at(e, "verdict"), "wrong");
    assert_string_equal(string_at(e, "index"), "[0,1]");
    assert_true(json_is_null(json_object_get(e, "analytic")));
    assert_string_equal(string_at(e, "analytic_text"), "nan");
    assert_true(fabs(json_real_value(json_object_get(e, "numeric")) - cos(-1.3)) < 1e-8);
    json_decref(all);
    gpf_check_free(c);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* 20 elements along directions, one of them wrong, and a tensor nothing depends on. */
static void blocks_of_the_fast_mode(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    gpf_node xs[] = { gpf_param(g, "w", gpf_shape1(20)), gpf_param(g, "u", gpf_shape1(20)) };
    gpf_node f = gpf_sum(g, gpf_exp(g, xs[0]), GPF_ALL_AXES), grads[2] = { GPF_NONE, GPF_NONE };
    double off[20] = { 0 };
    off[13] = 0.25;
    grads[0] = gpf_add(g, gpf_exp(g, xs[0]), gpf_const_tensor(g, gpf_shape1(20), off));
    gpf_point *at = gpf_point_alloc(g, 0);
    gpf_check *c = gpf_check_alloc(g, f, xs, grads, 2, 0, 1, NULL);
    gpf_check_options options = gpf_check_defaults();
    options.fast = 1;
    assert_int_equal(gpf_check_run(c, at, &options, NULL), GSL_SUCCESS);
    gpf_report_options how = gpf_report_defaults();
    how.how = &options;
    json_t *all = json_of(c, &how);
    assert_true(json_is_true(json_object_get(json_object_get(all, "settings"), "fast")));
    const json_t *blocks = json_object_get(all, "blocks"), *b = json_array_get(blocks, 0);
    assert_int_equal(json_array_size(blocks), 2);
    assert_string_equal(string_at(b, "name"), "w");
    assert_string_equal(string_at(b, "verdict"), "wrong");
    assert_int_equal(integer_at(b, "total"), 20);
    assert_int_equal(integer_at(b, "covered"), 20);
    assert_int_equal(integer_at(b, "disagreed"), 1);
    assert_true(integer_at(b, "evaluations") > 4);
    const double error = json_real_value(json_object_get(b, "error"));
    assert_true(error > 0 && error < 1e-6);
    assert_true(json_real_value(json_object_get(b, "magnitude")) == error / 1e-3);
    assert_true(json_real_value(json_object_get(b, "probability")) == 0.99);
    b = json_array_get(blocks, 1);
    assert_string_equal(string_at(b, "verdict"), "vacuous");
    assert_int_equal(integer_at(b, "small"), 20);
    assert_string_equal(string_at(b, "error_text"), "nan");
    const json_t *e = json_object_get(all, "elements");
    size_t wrong = 0;
    for (size_t i = 0; i < json_array_size(e); i++)
        if (!strcmp(string_at(json_array_get(e, i), "verdict"), "wrong")) {
            assert_string_equal(string_at(json_array_get(e, i), "index"), "[13]");
            wrong++;
        }
    assert_int_equal(wrong, 1);
    json_decref(all);
    options.fast = 0;
    assert_int_equal(gpf_check_run(c, at, &options, NULL), GSL_SUCCESS);
    all = json_of(c, &how);
    assert_null(json_object_get(all, "blocks"));
    json_decref(all);
    gpf_check_free(c);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void claims_alone(void **state)
{
    (void)state;
    gpf_claim_result refuted = { .verdict = GPF_REFUTED, .points = 8, .left = INFINITY };
    gpf_report_claim claim = { "a = b", 3, &refuted };
    gpf_report_options how = gpf_report_defaults();
    how.claims = &claim;
    how.n_claims = 1;
    how.stopped = "interrupted";
    const char *set = setlocale(LC_ALL, "de_DE.UTF-8"); /* jansson and gradproof write '.' anyway */
    json_t *all = json_of(NULL, &how);
    if (set)
        setlocale(LC_ALL, "C");
    assert_null(json_object_get(all, "elements"));
    assert_string_equal(string_at(all, "stopped"), "interrupted");
    const json_t *c = json_array_get(json_object_get(all, "claims"), 0);
    assert_string_equal(string_at(c, "verdict"), "refuted");
    assert_string_equal(string_at(c, "left_text"), "inf");
    assert_int_equal(integer_at(c, "line"), 3);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_element_with_all_its_fields),
        cmocka_unit_test(blocks_of_the_fast_mode),
        cmocka_unit_test(claims_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
