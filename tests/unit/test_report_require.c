/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The library's half of require.h; its macros: tests/require.sh. */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include "help.h"

#include "../require/callbacks.h"

/* A graph with n params that nothing depends on, each with a long name, and one that sin does; its
 * gradient is wrong on request. */
static gpf_check *graph_check(gpf_graph *g, size_t n, bool wrong)
{
    gpf_node xs[64], grads[64] = { GPF_NONE };
    assert_true(n < COUNT(xs));
    for (size_t i = 0; i <= n; i++) {
        char name[200];
        snprintf(name, sizeof name, "w%063zu", i);
        xs[i] = gpf_param(g, name, gpf_shape2(2, 5));
        grads[i] = GPF_NONE;
    }
    const gpf_node f = gpf_sum(g, gpf_sin(g, xs[n]), GPF_ALL_AXES);
    grads[n] = gpf_mul(g, gpf_const(g, wrong ? 2 : 1), gpf_cos(g, xs[n]));
    gpf_point *at = gpf_point_alloc(g, 0);
    dice d = { 5 };
    fill(&d, theta(at), gpf_point_params(at)->size, 0.2, 1.3);
    gpf_check *c = gpf_check_alloc(g, f, xs, grads, n + 1, 0, 1, NULL);
    assert_non_null(c);
    const gpf_check_options how = gpf_check_defaults();
    assert_int_equal(gpf_check_run(c, at, &how, NULL), GSL_SUCCESS);
    gpf_point_free(at);
    return c;
}

static void assert_ends(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    if (n < m || strcmp(text + n - m, end) != 0)
        fail_msg("'%s' does not end:\n%s", end, text);
}

static void a_graph(void **state)
{
    (void)state;
    gpf_required r;
    gpf_graph *g = gpf_graph_alloc();
    gpf_check *c = graph_check(g, 0, false);
    assert_int_equal(gpf_require_check(&r, c, "& my_check"), GPF_OUTCOME_RIGHT);
    assert_memory_equal(r.text, "my_check: ", 10);
    assert_non_null(strstr(r.text, "\nright: all 10 elements agree"));
    gpf_check_free(c);
    gpf_graph_free(g);
    assert_int_equal(gpf_require_check(&r, NULL, "c"), GPF_OUTCOME_TROUBLE);
    assert_string_equal(r.text, "c cannot be checked: there is no check");
}

/* 60 tensors are more than the text has room for: its closing line stays. */
static void a_long_report_is_cut(void **state)
{
    (void)state;
    gpf_required r;
    gpf_graph *g = gpf_graph_alloc();
    gpf_check *c = graph_check(g, 60, true);
    assert_int_equal(gpf_require_check(&r, c, "c"), GPF_OUTCOME_WRONG);
    assert_true(strlen(r.text) > sizeof r.text / 2 && strlen(r.text) < sizeof r.text);
    assert_ends(r.text, "\n  ...\nWRONG: 10 of 610 elements");
    gpf_check_free(c);
    gpf_graph_free(g);
}

static void callbacks_and_ops(void **state)
{
    (void)state;
    gpf_required r;
    (void)flat_fdf, (void)right_ode, (void)wrong_ode, (void)state_y;
    assert_int_equal(
        gpf_require_fdf(&r, gpf_check_multimin_fdf(&right_fdf, &point, NULL, &r.why), "&right_fdf"),
        GPF_OUTCOME_RIGHT);
    assert_int_equal(gpf_require_fdf(&r, gpf_check_multimin_fdf(&wrong_fdf, &point, NULL, &r.why),
                                     "(&wrong_fdf"),
                     GPF_OUTCOME_WRONG);
    assert_memory_equal(r.text, "wrong_fdf (gsl_multimin_function_fdf): ", 39);
    assert_int_equal(gpf_require_op(&r, gpf_check_op(gpf_op_find("tanh", 1), NULL, &r.why), "tanh"),
                     GPF_OUTCOME_RIGHT);
    gpf_op nameless = *gpf_op_find("tanh", 1);
    nameless.name = NULL;
    assert_int_equal(gpf_require_op(&r, gpf_check_op(&nameless, NULL, &r.why), "&nameless"),
                     GPF_OUTCOME_TROUBLE);
    assert_memory_equal(r.text, "nameless cannot be checked: ", 28);
    assert_int_equal(r.why.status, GSL_EINVAL);
}

static void tap(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    gpf_tap t = { out, 0, 0 };
    gpf_required r = { .outcome = GPF_OUTCOME_RIGHT, .text = "report" };
    gpf_tap_add(&t, &r, "&a", 1);
    r = (gpf_required){ .outcome = GPF_OUTCOME_WRONG, .text = "one\n\ntwo\033" };
    gpf_tap_add(&t, &r, "b # \\ \n c", 1);
    r = (gpf_required){ .outcome = GPF_OUTCOME_UNTESTED, .text = "x\nuntested: y" };
    gpf_tap_add(&t, &r, "d", 0);
    assert_int_equal(t.failed, 1);
    gpf_tap_add(&t, &r, "e", 1);
    r = (gpf_required){ .outcome = GPF_OUTCOME_TROUBLE, .text = "" };
    gpf_tap_add(&t, &r, "f", 0);
    assert_int_equal(gpf_tap_end(&t), 1);
    fclose(out);
    assert_string_equal(text, "ok 1 - a\n"
                              "not ok 2 - b \\# \\\\   c\n# one\n#\n# two \n"
                              "ok 3 - d # SKIP untested: y\n"
                              "not ok 4 - e\n# x\n# untested: y\n"
                              "not ok 5 - f\n"
                              "1..5\n");
    free(text);
}

/* No test at all is a failure, and so is a stream that takes nothing. */
static void tap_says_when_there_is_nothing(void **state)
{
    (void)state;
    FILE *out = fopen("/dev/null", "w");
    assert_non_null(out);
    gpf_tap t = { out, 0, 0 };
    assert_int_equal(gpf_tap_end(&t), 1);
    const gpf_required r = { .outcome = GPF_OUTCOME_RIGHT };
    gpf_tap_add(&t, &r, "a", 1);
    assert_int_equal(gpf_tap_end(&t), 0);
    fclose(out);
    out = fopen("/dev/full", "w");
    if (!out)
        skip();
    t = (gpf_tap){ out, 0, 0 };
    gpf_tap_add(&t, &r, "a", 1);
    assert_int_equal(gpf_tap_end(&t), 1);
    fclose(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_graph),
        cmocka_unit_test(a_long_report_is_cut),
        cmocka_unit_test(callbacks_and_ops),
        cmocka_unit_test(tap),
        cmocka_unit_test(tap_says_when_there_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
