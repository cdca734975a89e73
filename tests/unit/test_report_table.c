/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tables of reports from a view by hand; what they look like for a graph and for a callback:
 * test_report_text.c, test_report_fdf.c. */
#define _POSIX_C_SOURCE 200809L /* open_memstream */
#include "help.h"

#include "report/table.h"

enum { ELEMENTS = 30 };

typedef struct made {
    gpf_element element[ELEMENTS];
    gpf_tally tally;
    gpf_explanation explanation[3];
    const char *name;
} made;

static const gpf_element *element_of(const void *c, size_t i)
{
    return &((const made *)c)->element[i];
}

static const gpf_explanation *explanation_of(const void *c, size_t i)
{
    return &((const made *)c)->explanation[i];
}

static gpf_tally tally_of(const void *c, int part)
{
    (void)part;
    return ((const made *)c)->tally;
}

static const gpf_block *block_of(const void *c, size_t part)
{
    (void)c, (void)part;
    return NULL;
}

static bool tested(const void *c, size_t part)
{
    (void)part;
    return ((const made *)c)->tally.count[GPF_RIGHT] > 0;
}

static double value_of(const void *c, const gpf_element *e)
{
    (void)c, (void)e;
    return 1;
}

static char *name_of(const void *c, size_t part, char *buf, size_t size)
{
    (void)part;
    snprintf(buf, size, "%s", ((const made *)c)->name);
    return buf;
}

static char *shape_text(const void *c, size_t part, char *buf, size_t size)
{
    (void)c, (void)part;
    snprintf(buf, size, "30");
    return buf;
}

static char *label_of(const void *c, size_t i, char *buf, size_t size)
{
    snprintf(buf, size, "%s[%zu]", ((const made *)c)->name, i);
    return buf;
}

static void no_detail(FILE *out, const gpf__view *v, const gpf_element *e)
{
    (void)out, (void)v, (void)e;
}

static made *make(gpf_verdict verdict)
{
    made *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->name = "w";
    m->tally = (gpf_tally){ .total = ELEMENTS, .checked = ELEMENTS };
    m->tally.count[verdict] = ELEMENTS;
    dice d = { 3 };
    for (size_t i = 0; i < ELEMENTS; i++) {
        const double slope = between(&d, 1, 2);
        m->element[i] = (gpf_element){ .k = i,
                                       .verdict = verdict,
                                       .analytic = slope,
                                       .numeric = slope,
                                       .error = 1e-10,
                                       .digits = 9,
                                       .left = NAN,
                                       .right = NAN };
    }
    return m;
}

static gpf__view view_of(const made *m, bool narrow)
{
    return (gpf__view){ .check = m,
                        .part = "tensor",
                        .analytic = "mine",
                        .output = "y",
                        .narrow = narrow,
                        .n_parts = 1,
                        .n_elements = ELEMENTS,
                        .element = element_of,
                        .explanation = explanation_of,
                        .tally = tally_of,
                        .block = block_of,
                        .tested = tested,
                        .value = value_of,
                        .name = name_of,
                        .shape = shape_text,
                        .label = label_of,
                        .detail = no_detail };
}

static char *elements_of(const gpf__view *v, const gpf_report_options *how)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    gpf__table_explanations(out, v, how);
    assert_int_equal(gpf__table_elements(out, v, how), GSL_SUCCESS);
    assert_int_equal(gpf__table_tallies(out, v), GSL_SUCCESS);
    fclose(out);
    return text;
}

/* The place of a text in a table. */
static const char *at(const char *text, const char *part)
{
    const char *found = strstr(text, part);
    if (!found)
        fail_msg("'%s' is missing in:\n%s", part, text);
    return found;
}

static void worst_first_and_not_more_than_asked_for(void **state)
{
    (void)state;
    made *m = make(GPF_WRONG);
    for (size_t i = 0; i < ELEMENTS; i++)
        m->element[i].analytic *= 1 + 0.01 * (double)i;
    m->element[11].analytic = NAN;
    m->element[4].analytic = -1e9;
    const gpf__view v = view_of(m, false);
    gpf_report_options how = gpf_report_defaults();
    char *text = elements_of(&v, &how);
    assert_true(at(text, "w[11]") < at(text, "w[4]") && at(text, "w[4]") < at(text, "w[29]"));
    assert_true(at(text, "w[29]") < at(text, "w[28]"));
    at(text, "\n  ... and 10 more wrong (--all");
    free(text);
    how.max_rows = 2;
    text = elements_of(&v, &how);
    assert_null(strstr(text, "w[29]"));
    at(text, "\n  ... and 28 more wrong (--all");
    free(text);
    how.all = 1;
    text = elements_of(&v, &how);
    assert_true(at(text, "w[0]") < at(text, "w[1]") && at(text, "w[28]") < at(text, "w[29]"));
    free(text);
    free(m);
}

static void few_rows_where_all_say_the_same(void **state)
{
    (void)state;
    made *m = make(GPF_UNRESOLVED);
    for (size_t i = 0; i < ELEMENTS; i++)
        m->element[i].reason = GPF_REASON_NOT_FINITE;
    const gpf__view v = view_of(m, true);
    const gpf_report_options how = gpf_report_defaults();
    char *text = elements_of(&v, &how);
    at(text, "\n  ... and 25 more unresolved (--all");
    free(text);
    m->element[7].reason = GPF_REASON_NOISE;
    text = elements_of(&v, &how);
    at(text, "\n  ... and 10 more unresolved (--all");
    free(text);
    free(m);
}

static void a_narrow_table_leaves_out_what_says_nothing(void **state)
{
    (void)state;
    made *m = make(GPF_RIGHT);
    gpf__view v = view_of(m, true);
    const gpf_report_options how = gpf_report_defaults();
    char *text = elements_of(&v, &how);
    at(text, "  checked  right  wrong  digits min   max\n");
    free(text);
    v.narrow = false;
    text = elements_of(&v, &how);
    at(text, "right  wrong  kink  vacuous  unresolved  digits min   mid   max  evaluations\n");
    free(text);
    free(m);
}

static void no_control_character_of_a_name(void **state)
{
    (void)state;
    static const gpf_verdict verdicts[] = { GPF_WRONG, GPF_VACUOUS, GPF_RIGHT };
    for (size_t i = 0; i < COUNT(verdicts); i++) {
        made *m = make(verdicts[i]);
        m->name = "w\033[31m\r\xc2\x85";
        m->explanation[0] = (gpf_explanation){ .severity = GPF_NOTE, .text = "a\033b \xc2\x9f c" };
        gpf__view v = view_of(m, i % 2);
        v.n_explanations = 1;
        v.output = "\033y";
        const gpf_report_options how = gpf_report_defaults();
        char *text = elements_of(&v, &how);
        for (const char *s = text; *s; s++)
            assert_true(*s == '\n' || (unsigned char)*s >= ' ');
        assert_null(strstr(text, "\xc2\x9f"));
        at(text, "\n  note    a b   c\n");
        free(text);
        free(m);
    }
}

static void explanations_are_wrapped_and_limited(void **state)
{
    (void)state;
    made *m = make(GPF_RIGHT);
    for (size_t i = 0; i < COUNT(m->explanation); i++) {
        m->explanation[i].severity = (gpf_severity)i;
        for (size_t k = 0; k < 25; k++)
            snprintf(m->explanation[i].text + 10 * k, 11, "word %4zu ", k);
    }
    gpf__view v = view_of(m, true);
    v.n_explanations = COUNT(m->explanation);
    gpf_report_options how = gpf_report_defaults();
    how.max_rows = 2;
    how.color = 1;
    char *text = elements_of(&v, &how);
    at(text, "\n  \033[31mWRONG \033[0m  word");
    at(text, "\n  \033[33munsure\033[0m  word");
    at(text, "\n  ... and 1 more\n");
    how.color = 0;
    free(text);
    text = elements_of(&v, &how);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") < 80);
    free(text);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worst_first_and_not_more_than_asked_for),
        cmocka_unit_test(few_rows_where_all_say_the_same),
        cmocka_unit_test(a_narrow_table_leaves_out_what_says_nothing),
        cmocka_unit_test(no_control_character_of_a_name),
        cmocka_unit_test(explanations_are_wrapped_and_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
