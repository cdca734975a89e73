/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include "help.h"

#include <jansson.h>

/* The report of a row, tanh's with the vjp of another op on request. */
typedef int writer(FILE *out, const gpf_op_check *c, const gpf_report_options *how);

static char *text_of(writer *report, const char *vjp, const gpf_report_options *how)
{
    gpf_op row = *gpf_op_find("tanh", 1);
    if (vjp)
        row.vjp[0] = gpf_op_find(vjp, 1)->vjp[0];
    gpf_op_check *c = gpf_check_op(&row, NULL, NULL);
    assert_non_null(c);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    assert_int_equal(report(out, c, how), GSL_SUCCESS);
    fclose(out);
    gpf_op_check_free(c);
    return text;
}

static void a_right_row(void **state)
{
    (void)state;
    gpf_report_options how = gpf_report_defaults();
    how.model = "ta\033nh";
    how.seconds = 0.5;
    char *text = text_of(gpf_report_op_text, NULL, &how);
    assert_has(text, "ta nh: the row of an op against its own kernel, ");
    assert_has(text, "\n  vjp, input 0 ");
    assert_has(text, "\n  0.5 s\nright: all ");
    assert_has_not(text, "WRONG");
    assert_has_not(text, "\033");
    free(text);
    how.quiet = 1;
    text = text_of(gpf_report_op_text, NULL, &how);
    assert_memory_equal(text, "right: all ", 11);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    free(text);
}

static void a_wrong_row(void **state)
{
    (void)state;
    gpf_report_options how = gpf_report_defaults();
    how.color = 1;
    how.max_rows = 2;
    char *text = text_of(gpf_report_op_text, "sin", &how);
    assert_has(text, "\033[31mWRONG\033[0m\n      ");
    assert_has(text, " more right (--all shows everything)\n");
    assert_has(text, "\033[31mWRONG\033[0m: ");
    assert_has(text, " things tried: vjp, input 0");
    free(text);
    how.all = 1;
    text = text_of(gpf_report_op_text, "sin", &how);
    assert_has_not(text, "--all");
    free(text);
}

static void json_of_a_wrong_row(void **state)
{
    (void)state;
    gpf_report_options how = gpf_report_defaults();
    static const char *const notes[] = { "one", NULL };
    how.notes = notes;
    char *text = text_of(gpf_report_op_json, "sin", &how);
    json_t *all = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(all);
    assert_string_equal(json_string_value(json_object_get(all, "schema")), "gradproof-op/1");
    assert_string_equal(json_string_value(json_object_get(all, "outcome")), "wrong");
    assert_int_equal(json_integer_value(json_object_get(all, "exit_status")), 1);
    assert_true(json_is_null(json_object_get(all, "name")));
    assert_int_equal(json_array_size(json_object_get(all, "notes")), 1);
    const json_t *first = json_array_get(json_object_get(all, "cases"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "verdict")), "wrong");
    assert_true(json_is_string(json_object_get(first, "aspect")));
    assert_true(json_is_integer(json_object_get(first, "tried")));
    assert_true(strlen(json_string_value(json_object_get(first, "text"))) > 0);
    json_decref(all);
    free(text);
}

static void says_when_the_stream_fails(void **state)
{
    (void)state;
    assert_int_equal(gpf_report_op_text(stdout, NULL, NULL), GSL_EINVAL);
    assert_int_equal(gpf_report_op_json(stdout, NULL, NULL), GSL_EINVAL);
    gpf_op_check *c = gpf_check_op(gpf_op_find("tanh", 1), NULL, NULL);
    assert_non_null(c);
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        skip();
    setvbuf(full, NULL, _IONBF, 0);
    assert_int_equal(gpf_report_op_text(full, c, NULL), GSL_EFAILED);
    clearerr(full);
    assert_int_equal(gpf_report_op_json(full, c, NULL), GSL_EFAILED);
    fclose(full);
    gpf_op_check_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_row),
        cmocka_unit_test(a_wrong_row),
        cmocka_unit_test(json_of_a_wrong_row),
        cmocka_unit_test(says_when_the_stream_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
