/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include "help.h"
#include "report/report.h"

#include <locale.h>

/* f = sum(sin(w)) + relu(v) - relu(-v) + relu(k) with an unused u, at v = k = 0: every verdict a
 * report has to explain. The analytic gradient by w is wrong on request. */
typedef struct setup {
    gpf_graph *g;
    gpf_point *at;
    gpf_check *check;
    gpf_check_options how;
} setup;

enum planted { NOTHING, FACTOR, SMALL, NOT_A_NUMBER };

static setup make(enum planted fault)
{
    gpf_graph *g = gpf_graph_alloc();
    gpf_node w = gpf_param(g, "w", gpf_shape2(2, 2)), v = gpf_param(g, "v", gpf_shape0());
    gpf_node k = gpf_param(g, "k", gpf_shape1(2)), u = gpf_param(g, "u", gpf_shape0());
    gpf_node s = gpf_sum(g, gpf_sin(g, w), GPF_ALL_AXES);
    gpf_node r = gpf_sub(g, gpf_relu(g, v), gpf_relu(g, gpf_neg(g, v)));
    gpf_node f = gpf_add(g, gpf_add(g, s, r), gpf_sum(g, gpf_relu(g, k), GPF_ALL_AXES));
    gpf_node xs[] = { w, v, k, u }, grads[4];
    assert_int_equal(gpf_node_set_name(g, f, "loss"), GSL_SUCCESS);
    assert_int_equal(gpf_grad(g, f, xs, 4, grads), GSL_SUCCESS);
    if (fault == FACTOR || fault == SMALL)
        grads[0] = gpf_mul(g, gpf_const(g, fault == SMALL ? 1 + 1e-7 : 2), grads[0]);
    if (fault == NOT_A_NUMBER)
        grads[0] = gpf_sqrt(g, gpf_neg(g, gpf_square(g, w)));
    setup t = { .g = g, .at = gpf_point_alloc(g, 0), .how = gpf_check_defaults() };
    for (size_t i = 0; i < 4; i++)
        gsl_vector_set(gpf_point_params(t.at), i, 0.31 * (double)(i + 1));
    gsl_vector_set(gpf_point_params(t.at), 5, 0.7); /* k[0] */
    t.check = gpf_check_alloc(g, f, xs, grads, 4, 0, 1, NULL);
    assert_non_null(t.check);
    assert_int_equal(gpf_check_run(t.check, t.at, &t.how, NULL), GSL_SUCCESS);
    return t;
}

static void unmake(setup *t)
{
    gpf_check_free(t->check);
    gpf_point_free(t->at);
    gpf_graph_free(t->g);
}

/* The report as a string, the caller's to free. */
static char *text_of(const gpf_check *c, const gpf_report_options *how)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(gpf_report_text(out, c, how), GSL_SUCCESS);
    fclose(out);
    return text;
}

static void explains_every_verdict(void **state)
{
    (void)state;
    setup t = make(FACTOR);
    gpf_report_options how = gpf_report_defaults();
    how.model = "net.gpf";
    char *text = text_of(t.check, &how);
    assert_has(text, "net.gpf: loss = ");
    assert_has(text, "8 elements of 4 tensors");
    assert_has(text, "w[1,0]");
    assert_has(text, "WRONG  the gap is the same at every step");
    assert_has(text, "the slope is 1 on both sides, backprop says 0");
    assert_has(text, "here at0 = 0");
    assert_has(text, "relu(k)[1]: off at -h, on at +h");
    assert_has(text, "backprop 0 is between them");
    assert_has(text, "u: vacuous; loss does not depend on it");
    assert_has(text, "\nWRONG: 5 of 8 elements\n");
    assert_has_not(text, "k[0]"); /* right: nothing to look at */
    assert_has_not(text, "\033");
    free(text);
    how.analytic = "step/rate";
    text = text_of(t.check, &how);
    assert_has(text, "the slope is 1 on both sides, step/rate says 0");
    assert_has(text, "step/rate 0 is between them");
    assert_has_not(text, "backprop");
    free(text);
    how.all = 1;
    how.color = 1;
    text = text_of(t.check, &how);
    assert_has(text, "k[0] ");
    assert_has(text, "\033[31mWRONG");
    free(text);
    unmake(&t);
}

/* sum(exp(w)) of 20 elements, its gradient off by `error` in one; a tensor u unused on request. */
static char *fast_text(double error, bool unused)
{
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node w = gpf_param(g, "w", gpf_shape1(20)), u = gpf_param(g, "u", gpf_shape1(20));
    double off[20] = { 0 };
    off[13] = error;
    const gpf_node xs[] = { w, u }, f = gpf_sum(g, gpf_exp(g, w), GPF_ALL_AXES);
    const gpf_node grads[] = { gpf_add(g, gpf_exp(g, w), gpf_const_tensor(g, gpf_shape1(20), off)),
                               GPF_NONE };
    gpf_node_set_name(g, f, "loss");
    gpf_point *at = gpf_point_alloc(g, 0);
    gpf_check *c = gpf_check_alloc(g, f, xs, grads, unused ? 2 : 1, 0, 1, NULL);
    gpf_check_options how = gpf_check_defaults();
    how.fast = 1;
    assert_int_equal(gpf_check_run(c, at, &how, NULL), GSL_SUCCESS);
    gpf_report_options options = gpf_report_defaults();
    options.how = &how;
    char *text = text_of(c, &options);
    gpf_check_free(c);
    gpf_point_free(at);
    gpf_graph_free(g);
    return text;
}

static void blocks_of_the_fast_mode(void **state)
{
    (void)state;
    char *text = fast_text(0, false);
    assert_has(text, "loss = 20, 20 elements of 1 tensor along random directions against");
    assert_has(text, "\n  w       20             20/20          -         -           4  ");
    assert_has(text, "  right\n\n  An error above 'error seen'");
    assert_has(text, "probability >= 0.99");
    assert_has(text, "\nright: 20 of 20 elements covered: a relative error of 0.001 would");
    assert_has_not(text, "one by one");
    assert_has_not(text, "every element,");
    free(text);
    text = fast_text(0.25, false);
    assert_has(text, "w[13]");
    assert_has(text, "  WRONG\n");
    assert_has(text, " elements were checked one by one.\n");
    assert_has(text, "\nWRONG: 1 element found; 20 of 20 elements covered\n");
    free(text);
    text = fast_text(0, true);
    assert_has(text, "  vacuous: no path in the graph\n");
    assert_has(text, "\nuntested: u is vacuous; 20 of 40 elements covered: ");
    free(text);
}

static void every_reason_has_a_phrase(void **state)
{
    (void)state;
    char text[80];
    int n = 0;
    for (gpf_reason r = GPF_REASON_FLAT_GAP; *gpf_reason_name(r); r++, n++) {
        gpf_element e = { .verdict = GPF_UNRESOLVED, .reason = r };
        const char *phrase = gpf__report_reason(&e, 1, "backprop", text, sizeof text);
        assert_non_null(phrase);
        assert_true(strchr(phrase, ' ') != NULL);
        assert_string_not_equal(phrase, gpf_reason_name(r));
    }
    assert_true(n >= GPF_REASON_TOO_SMALL);
}

static void says_what_is_not_finite(void **state)
{
    (void)state;
    static const struct {
        gpf_verdict verdict;
        double y, value, analytic;
        const char *phrase;
    } list[] = {
        { GPF_UNRESOLVED, NAN, 1, NAN, "the output is not finite here" },
        { GPF_UNRESOLVED, 1, INFINITY, 1, "the element itself is not finite" },
        { GPF_UNRESOLVED, 1, 1, -INFINITY, "backprop is -inf here" },
        { GPF_UNRESOLVED, 1, 1, 1, "the output is finite here, but not at every step" },
        { GPF_WRONG, 1, 1, -NAN, "backprop is nan here, the slope is finite" },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char text[80];
        gpf_element e = { .verdict = list[i].verdict,
                          .reason = GPF_REASON_NOT_FINITE,
                          .value = list[i].value,
                          .analytic = list[i].analytic };
        assert_string_equal(gpf__report_reason(&e, list[i].y, "backprop", text, sizeof text),
                            list[i].phrase);
    }
}

static void the_output_has_the_users_name(void **state)
{
    (void)state;
    setup t = make(NOTHING);
    gpf_report_options how = gpf_report_defaults();
    how.output = "f";
    char *text = text_of(t.check, &how);
    assert_has(text, "f = ");
    assert_has(text, "u: vacuous; f does not depend on it");
    free(text);
    unmake(&t);
}

static void worst_come_first_and_no_more_than_asked(void **state)
{
    (void)state;
    setup t = make(NOT_A_NUMBER);
    gpf_report_options how = gpf_report_defaults();
    how.max_rows = 2;
    char *text = text_of(t.check, &how);
    assert_has(text, "w[0,0]");
    assert_has(text, "nan");
    assert_has(text, "w[0,1]");
    assert_has_not(text, "w[1,0]");
    assert_has(text, "... and 3 more wrong");
    free(text);
    unmake(&t);
}

static void shows_a_gap_however_small(void **state)
{
    (void)state;
    setup t = make(SMALL);
    gpf_report_options how = gpf_report_defaults();
    char *text = text_of(t.check, &how);
    assert_has(text, "1.0000001");
    free(text);
    unmake(&t);
}

static void quiet_is_one_line(void **state)
{
    (void)state;
    setup t = make(FACTOR);
    gpf_report_options how = gpf_report_defaults();
    how.quiet = 1;
    char *text = text_of(t.check, &how);
    assert_string_equal(text, "WRONG: 5 of 8 elements\n");
    free(text);
    unmake(&t);
}

static void claims_stand_beside_or_alone(void **state)
{
    (void)state;
    gpf_claim_result holds = { .verdict = GPF_HOLDS, .points = 8, .why = "8 random points" };
    gpf_claim_result refuted = { .verdict = GPF_REFUTED,
                                 .points = 8,
                                 .element = 1,
                                 .shape = gpf_shape2(2, 2),
                                 .left = 0.123,
                                 .right = 0.246,
                                 .ratio = 0.5,
                                 .why = "left 0.123, right 0.246",
                                 .grads_checked = 4,
                                 .grads_right = 4 };
    gpf_claim_result undecided = { .verdict = GPF_UNDECIDED, .ratio = NAN, .why = "all NaN" };
    gpf_report_claim claims[] = { { "a = \033b", 3, &holds },
                                  { "c = d", 12, &undecided },
                                  { "e = f", 14, &refuted } };
    gpf_report_options how = gpf_report_defaults();
    how.claims = claims;

    assert_int_equal(gpf_report_outcome(NULL, &how), GPF_OUTCOME_TROUBLE); /* nothing at all */
    how.n_claims = 1;
    assert_int_equal(gpf_report_outcome(NULL, &how), GPF_OUTCOME_RIGHT);
    char *text = text_of(NULL, &how);
    assert_has(
        text,
        "line   3  holds      a =  b  (8 random points)\n"); /* no escape reaches a terminal */
    assert_has(text, "\nright: the claim holds\n");
    free(text);
    how.n_claims = 2;
    assert_int_equal(gpf_report_outcome(NULL, &how), GPF_OUTCOME_UNTESTED);
    text = text_of(NULL, &how);
    assert_has(text, "line  12  undecided  c = d\n      all NaN\n");
    assert_has(text, "\nuntested: 1 of 2 claims undecided\n");
    free(text);
    how.n_claims = 3;
    how.stopped = "interrupted";
    assert_int_equal(gpf_report_outcome(NULL, &how), GPF_OUTCOME_WRONG);
    text = text_of(NULL, &how);
    assert_has(text, "left 0.123, right 0.246, ratio 0.5 at the worst element [0,1] of 8 random "
                     "points (data, params and N redrawn); 4 gradient elements confirmed by GSL\n");
    assert_has(text, "\nWRONG: 1 of 3 claims refuted, 1 of 3 claims undecided; interrupted\n");
    free(text);
}

static void a_stopped_check_is_not_right(void **state)
{
    (void)state;
    gpf_claim_result holds = { .verdict = GPF_HOLDS, .points = 8 };
    gpf_report_claim claim = { "a = b", 3, &holds };
    gpf_report_options how = gpf_report_defaults();
    how.claims = &claim;
    how.n_claims = 1;
    how.stopped = "interrupted after 1 claim";
    assert_int_equal(gpf_report_outcome(NULL, &how), GPF_OUTCOME_TROUBLE);
    char *text = text_of(NULL, &how);
    assert_has(text, "\nnot finished: the claim holds; interrupted after 1 claim\n");
    free(text);
}

static void numbers_do_not_follow_the_locale(void **state)
{
    (void)state;
    setup t = make(FACTOR);
    gpf_report_options how = gpf_report_defaults();
    char *before = text_of(t.check, &how);
    static const char *const commas[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8",
                                          "nl_NL.UTF-8" };
    const char *set = NULL;
    for (size_t i = 0; i < sizeof commas / sizeof *commas && !set; i++)
        set = setlocale(LC_ALL, commas[i]);
    char *after = set ? text_of(t.check, &how) : NULL;
    setlocale(LC_ALL, "C");
    if (set)
        assert_string_equal(before, after);
    free(before);
    free(after);
    unmake(&t);
    if (!set)
        skip(); /* no locale with a decimal comma is installed */
}

/* Of both reports: a write that fails is said. */
static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    int (*const reports[])(FILE *, const gpf_check *,
                           const gpf_report_options *) = { gpf_report_text, gpf_report_json };
    gpf_claim_result holds = { .verdict = GPF_HOLDS };
    gpf_report_claim claim = { "a = b", 3, &holds };
    gpf_report_options how = gpf_report_defaults();
    how.claims = &claim;
    how.n_claims = 1;
    for (int i = 0; i < 2; i++) {
        FILE *out = fopen("/dev/full", "w");
        if (!out)
            skip();
        setvbuf(out, NULL, _IONBF, 0);
        assert_int_equal(reports[i](out, NULL, &how), GSL_EFAILED);
        fclose(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explains_every_verdict),
        cmocka_unit_test(blocks_of_the_fast_mode),
        cmocka_unit_test(every_reason_has_a_phrase),
        cmocka_unit_test(says_what_is_not_finite),
        cmocka_unit_test(the_output_has_the_users_name),
        cmocka_unit_test(worst_come_first_and_no_more_than_asked),
        cmocka_unit_test(shows_a_gap_however_small),
        cmocka_unit_test(quiet_is_one_line),
        cmocka_unit_test(claims_stand_beside_or_alone),
        cmocka_unit_test(a_stopped_check_is_not_right),
        cmocka_unit_test(numbers_do_not_follow_the_locale),
        cmocka_unit_test(a_full_disk_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
