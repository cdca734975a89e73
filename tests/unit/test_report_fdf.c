/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include "fdf_test.h"

#include <jansson.h>
#include <locale.h>

static char *text_of(const fake *k, const gpf_report_options *how)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(gpf_report_fdf_text(out, &k->c, how), GSL_SUCCESS);
    fclose(out);
    return text;
}

static json_t *json_of(const fake *k, const gpf_report_options *how)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(gpf_report_fdf_json(out, &k->c, how), GSL_SUCCESS);
    fclose(out);
    static const char start[] = "{\n  \"schema\": \"gradproof-fdf/1\",\n";
    assert_memory_equal(text, start, sizeof start - 1);
    json_error_t error;
    json_t *all = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!all)
        fail_msg("line %d: %s in:\n%s", error.line, error.text, text);
    free(text);
    return all;
}

/* Characters, not bytes, of the longest line. */
static void assert_narrow(const char *text)
{
    int column = 0;
    for (const char *s = text; *s; s++) {
        column = *s == '\n' ? 0 : column + ((*s & 0xc0) != 0x80);
        if (column > 80)
            fail_msg("a line of more than 80 columns in:\n%s", text);
    }
}

static void shows_what_is_wrong_and_why(void **state)
{
    (void)state;
    fake *k = wrong_sign();
    gpf_report_options how = gpf_report_defaults();
    how.model = "my_fdf";
    how.max_rows = 3;
    how.seconds = 0.25;
    char *text = text_of(k, &how);
    assert_has(text, "my_fdf (gsl_multifit_nlinear_fdf): 40 values of 3 variables\n  at (");
    assert_has(text, "\n  WRONG   J: column 1 (x[1]) has the wrong sign: 40 of 40 entries are -1");
    assert_has(text, "  J[0,1] ");
    assert_has(text, "  ... and 37 more wrong, all of them said above (--all");
    assert_has(text, "  J     40x3   120/120     80     40  ");
    assert_has(text, "  58 calls of f, 3 of df, 1 of fdf, 0.25 s\n");
    assert_has(text, "\nWRONG: 40 of 120 entries of J: column 1 (x[1]) has the wrong sign\n");
    assert_has_not(text, "kink");
    assert_has_not(text, "\033");
    assert_narrow(text);
    free(text);
    how.max_rows = 0;
    how.structure = "loss and gradient";
    text = text_of(k, &how);
    assert_has(text, "my_fdf (loss and gradient): 40 values");
    assert_has(text, "  ... and 35 more wrong, all of them said above (--all");
    free(text);
    fake_explanation(k, GPF_UNEXPLAINED, GPF_FAULT, 0, "J: 1 entry is wrong in no way known here");
    text = text_of(k, &how);
    assert_has(text, "  ... and 20 more wrong (--all");
    free(text);
    k->c.n_explanation--;
    how.quiet = 1;
    text = text_of(k, &how);
    assert_string_equal(text,
                        "WRONG: 40 of 120 entries of J: column 1 (x[1]) has the wrong sign\n");
    free(text);
    how.quiet = 0;
    how.all = how.color = 1;
    text = text_of(k, &how);
    assert_has(text, "J[39,2]");
    assert_has(text, "fdf J[39,2]");
    assert_has(text, "\033[31mWRONG \033[0m  J: column 1");
    assert_has(text, "\033[31mWRONG\033[0m: 40 of 120");
    free(text);
    fake_explanation(k, GPF_STALE, GPF_FAULT, 1, "fdf: the result is that of an earlier x");
    text = text_of(k, NULL);
    assert_has(text, "has the wrong sign, and 1 more fault\n");
    free(text);
    fake_free(k);
}

static void right_says_to_how_many_digits(void **state)
{
    (void)state;
    fake *k = fake_alloc("gsl_multimin_function_fdf", 3, 1);
    gpf_element *e = fake_part(k, "df", 1, 3);
    char *text = text_of(k, NULL);
    assert_has(text, "gsl_multimin_function_fdf: 1 value of 3 variables\n  at (");
    assert_has(text, "\nright: all 3 entries of df, to 9.1 digits and more\n");
    free(text);
    fake_part(k, "fdf", 1, 4);
    text = text_of(k, NULL);
    assert_has(text, "\nright: all 3 entries of df and all 4 of fdf, to 9.1 digits and more\n");
    free(text);
    fake_verdict(k, e, GPF_KINK, GPF_REASON_BETWEEN);
    e->left = -1;
    e->right = 2;
    e->left_error = e->right_error = 1e-9;
    fake_verdict(k, e + 1, GPF_VACUOUS, GPF_REASON_NO_REACTION);
    fake_verdict(k, e + 2, GPF_UNRESOLVED, GPF_REASON_NOISE);
    fake_part(k, "fvv", 1, 1);
    text = text_of(k, NULL);
    assert_has(text, "      slopes -1 ± 1.0e-09 to the left, 2 ± 1.0e-09 to the right;\n");
    assert_has(text, "is between them\n");
    assert_has(text, "inferred from one-sided slopes: a callback says nothing of its kinks");
    assert_has(text, "unresolved\n      too noisy: the gap grows as the step shrinks\n");
    assert_has(text, "  df: 1 of 3 is 0, as f does not react (vacuous): [1]\n");
    assert_has(text, "\nright: all 4 entries of fdf and the one of fvv, to 9.1 digits "
                     "and more; 1 at a kink, between its slopes; 1 zero on both sides; 1 "
                     "unresolved\n");
    free(text);
    fake_free(k);
}

static void doubts_and_nothing_tested(void **state)
{
    (void)state;
    fake *k = fake_alloc("gsl_odeiv2_system", 2, 1);
    gpf_element *e = fake_part(k, "dfdy", 1, 1);
    fake_part(k, "dfdt", 1, 1);
    fake_verdict(k, e, GPF_UNRESOLVED, GPF_REASON_TRUNCATION);
    char *text = text_of(k, NULL);
    assert_has(text, "gsl_odeiv2_system: 1 value of 2 variables, at (");
    assert_has(text, "\nuntested: nothing in dfdy (unresolved) was tested\n");
    free(text);
    fake_explanation(k, GPF_RANDOM, GPF_DOUBT, -1,
                     "function is not deterministic: two calls at the same x differ by 3e-4");
    gpf_report_options how = gpf_report_defaults();
    how.color = 1;
    text = text_of(k, &how);
    assert_has(text, "\033[33munsure\033[0m  function is not deterministic");
    assert_has(text, "\033[33munsure\033[0m: function is not deterministic\n");
    free(text);
    k->c.n_explanation = 0;
    fake_explanation(k, GPF_INCOHERENT, GPF_FAULT, 1, "dfdt: not what it was before");
    k->c.stopped = true;
    text = text_of(k, NULL);
    assert_has(text, "\nWRONG: dfdt: not what it was before; stopped before its end\n");
    free(text);
    how.stopped = "stopped by ^C";
    text = text_of(k, &how);
    assert_has(text, "before; stopped by ^C\n");
    free(text);
    fake_free(k);
}

/* A value of f that is NaN is why its row is unresolved, and not the callback's derivative. */
static void says_that_f_is_not_finite(void **state)
{
    (void)state;
    fake *k = fake_alloc("gsl_multiroot_function_fdf", 2, 2);
    gpf_element *e = fake_part(k, "J", 2, 2);
    k->f[1] = NAN;
    fake_verdict(k, e, GPF_WRONG, GPF_REASON_NOT_FINITE);
    e->analytic = -INFINITY;
    fake_verdict(k, e + 2, GPF_UNRESOLVED, GPF_REASON_NOT_FINITE);
    char *text = text_of(k, NULL);
    assert_has(text, "WRONG\n      analytic is -inf here, the slope is finite\n");
    assert_has(text, "unresolved\n      the output is not finite here\n");
    free(text);
    fake_free(k);
}

static void blocks_of_the_fast_mode(void **state)
{
    (void)state;
    fake *k = fake_alloc("gsl_multimin_function_fdf", 12, 1);
    fake_part(k, "df", 1, 12);
    fake_part(k, "fdf", 1, 13);
    gpf_fdf_part *p = &k->c.part[0];
    p->tally.checked = p->tally.count[GPF_RIGHT] = 0;
    memmove(k->element, k->element + 12, 13 * sizeof *k->element);
    k->c.n_element = 13;
    p->total = p->tally.total = 12000;
    p->block = (gpf_block){ .verdict = GPF_RIGHT,
                            .total = 12000,
                            .covered = 12000,
                            .directions = 8,
                            .evaluations = 64,
                            .error = 1e-9,
                            .magnitude = 1e-6 };
    char *text = text_of(k, NULL);
    assert_has(text, "  df    1x12   12000/12000           8     1.0e-09  1.0e-06  right\n");
    assert_has(text, "in any one element of a part, whatever");
    assert_has(text, "probability >= 0.99; that");
    assert_has(text, "  fdf   1x13     13/13     13      -  ");
    assert_has(text,
               "\nright: 12000 of 12000 elements covered: a relative error of 0.001 would have "
               "been seen; all 13 entries of fdf, to 9.1 digits and more\n");
    free(text);
    p->block.verdict = GPF_UNRESOLVED;
    p->block.reason = GPF_REASON_TOO_SMALL;
    p->block.covered = 0;
    p->block.small = 12000;
    text = text_of(k, NULL);
    assert_has(text, "\n  part  shape  covered  too small  directions  error seen");
    assert_has(text, "unresolved:\n      every element is too small to be seen\n");
    assert_has(text, "\nuntested: df is unresolved; 0 of 12000 elements covered");
    free(text);
    json_t *all = json_of(k, NULL);
    const json_t *part = json_array_get(json_object_get(all, "parts"), 0);
    const json_t *block = json_object_get(part, "block");
    assert_string_equal(json_string_value(json_object_get(block, "reason")), "too small");
    assert_int_equal(json_integer_value(json_object_get(block, "directions")), 8);
    assert_true(
        json_is_null(json_object_get(json_array_get(json_object_get(all, "parts"), 1), "block")));
    json_decref(all);
    fake_free(k);
}

static void shortens_and_cleans_names(void **state)
{
    (void)state;
    fake *k = fake_alloc("gsl_multimin_function_fdf", 16, 1);
    fake_part(k, "df", 1, 16);
    snprintf(k->name[0], sizeof k->name[0], "A\033[2J\nB\xc2\x9b");
    gpf_report_options how = gpf_report_defaults();
    how.model = "f\033]0;x\007";
    fake_explanation(k, GPF_UNEXPLAINED, GPF_FAULT, 0, "df: \033[31mred\r\n\tand so on");
    for (int all = 0; all < 2; all++) {
        how.all = all;
        char *text = text_of(k, &how);
        for (const char *s = text; *s; s++)
            assert_true(*s == '\n' || (unsigned char)*s >= ' ');
        assert_has_not(text, "\xc2\x9b");
        assert_has(text, "1 value of 16 variables\n  at (A [2J B");
        assert_has(text, " more)\n");
        assert_narrow(text);
        free(text);
    }
    fake_free(k);
}

static void is_the_same_under_every_locale(void **state)
{
    (void)state;
    fake *k = wrong_sign();
    char *text = text_of(k, NULL);
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "de_DE"))
        print_message("# no German locale\n");
    char *german = text_of(k, NULL);
    setlocale(LC_ALL, "C");
    assert_string_equal(text, german);
    free(text);
    free(german);
    fake_free(k);
}

static const char *string_at(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s ? s : "(none)";
}

static void json_has_everything(void **state)
{
    (void)state;
    fake *k = wrong_sign();
    gpf_explanation *swap = fake_explanation(k, GPF_SHIFTED, GPF_FAULT, 1, "shifted");
    swap->other = -1;
    swap->row = 3;
    k->f[2] = NAN;
    k->element[1].numeric = INFINITY;
    static const char *const notes[] = { "one", NULL };
    gpf_report_options how = gpf_report_defaults();
    how.model = "caf\xe9";
    how.notes = notes;
    json_t *all = json_of(k, &how);
    assert_string_equal(string_at(all, "outcome"), "wrong");
    assert_int_equal(json_integer_value(json_object_get(all, "exit_status")), 1);
    assert_true(json_is_null(json_object_get(all, "stopped")));
    assert_string_equal(string_at(all, "name"), "caf?");
    assert_string_equal(string_at(all, "kind"), "fake");
    assert_string_equal(string_at(all, "structure"), "gsl_multifit_nlinear_fdf");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(all, "calls"), "f")), 58);
    const json_t *x = json_object_get(all, "x");
    assert_int_equal(json_array_size(x), 3);
    assert_string_equal(string_at(json_array_get(x, 2), "name"), "x[2]");
    assert_true(json_real_value(json_object_get(json_array_get(x, 2), "value")) ==
                gsl_vector_get(k->x, 2));
    const json_t *values = json_object_get(all, "values");
    assert_int_equal(json_array_size(values), 40);
    assert_true(json_is_null(json_object_get(json_array_get(values, 2), "value")));
    assert_string_equal(string_at(json_array_get(values, 2), "value_text"), "nan");
    const json_t *explanations = json_object_get(all, "explanations");
    const json_t *e = json_array_get(explanations, 0);
    assert_string_equal(string_at(e, "kind"), "column ratio");
    assert_string_equal(string_at(e, "severity"), "fault");
    assert_string_equal(string_at(e, "part"), "J");
    assert_int_equal(json_integer_value(json_object_get(e, "column")), 1);
    assert_true(json_is_null(json_object_get(e, "row")));
    assert_true(json_is_null(json_object_get(e, "other")));
    assert_true(json_real_value(json_object_get(e, "ratio")) == -1);
    assert_int_equal(json_integer_value(json_object_get(e, "matched")), 40);
    e = json_array_get(explanations, 1);
    assert_int_equal(json_integer_value(json_object_get(e, "other")), -1);
    assert_string_equal(string_at(e, "ratio_text"), "nan");
    const json_t *part = json_array_get(json_object_get(all, "parts"), 0);
    assert_string_equal(string_at(part, "name"), "J");
    assert_int_equal(json_integer_value(json_object_get(part, "rows")), 40);
    assert_int_equal(json_integer_value(json_object_get(part, "columns")), 3);
    assert_int_equal(json_integer_value(json_object_get(part, "wrong")), 40);
    const json_t *elements = json_object_get(all, "elements");
    assert_int_equal(json_array_size(elements), 280);
    e = json_array_get(elements, 1);
    assert_string_equal(string_at(e, "label"), "J[0,1]");
    assert_string_equal(string_at(e, "verdict"), "wrong");
    assert_string_equal(string_at(e, "reason"), "flat gap");
    assert_string_equal(string_at(e, "numeric_text"), "inf");
    assert_int_equal(json_integer_value(json_object_get(e, "row")), 0);
    assert_int_equal(json_integer_value(json_object_get(e, "column")), 1);
    assert_true(json_is_false(json_object_get(e, "inferred")));
    json_decref(all);
    fake_free(k);
}

static void says_when_the_stream_fails(void **state)
{
    (void)state;
    assert_int_equal(gpf_report_fdf_text(stdout, NULL, NULL), GSL_EINVAL);
    assert_int_equal(gpf_report_fdf_json(stdout, NULL, NULL), GSL_EINVAL);
    fake *k = wrong_sign();
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        skip();
    setvbuf(full, NULL, _IONBF, 0);
    assert_int_equal(gpf_report_fdf_text(full, &k->c, NULL), GSL_EFAILED);
    clearerr(full);
    assert_int_equal(gpf_report_fdf_json(full, &k->c, NULL), GSL_EFAILED);
    fclose(full);
    fake_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_what_is_wrong_and_why),
        cmocka_unit_test(right_says_to_how_many_digits),
        cmocka_unit_test(doubts_and_nothing_tested),
        cmocka_unit_test(says_that_f_is_not_finite),
        cmocka_unit_test(blocks_of_the_fast_mode),
        cmocka_unit_test(shortens_and_cleans_names),
        cmocka_unit_test(is_the_same_under_every_locale),
        cmocka_unit_test(json_has_everything),
        cmocka_unit_test(says_when_the_stream_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
