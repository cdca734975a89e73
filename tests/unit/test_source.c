/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/ast.h"
#include "model_test.h"

static void errors_are_sorted_by_line_and_the_first_are_kept(void **state)
{
    (void)state;
    const char *text = "one\ntwo\nthree\nfour\n";
    gpf_diag why[3];
    gpf__source s = { .text = text, .length = strlen(text), .name = "n", .why = why, .max_why = 3 };
    gpf__report(&s, (gpf__place){ 8, 13, 3 }, GPF_ENAME, "third");
    gpf__report(&s, (gpf__place){ 0, 3, 1 }, GPF_ENAME, "first %d", 1);
    gpf__report(&s, (gpf__place){ 14, 18, 4 }, GPF_ENAME, "fourth");
    gpf__report(&s, (gpf__place){ 5, 7, 2 }, GPF_ENAME, "second");
    assert_int_equal(s.n_why, 4);
    assert_string_equal(why[0].text, "first 1");
    assert_string_equal(why[1].text, "second");
    assert_string_equal(why[2].text, "third");
    assert_string_equal(why[1].source, "two");
    assert_int_equal(why[1].line, 2);
    assert_int_equal(why[1].column, 2);
    assert_int_equal(why[1].width, 2);
}

static void one_syntax_error_a_line(void **state)
{
    (void)state;
    gpf_diag why[3];
    gpf__source s = { .text = "abc", .length = 3, .name = "n", .why = why, .max_why = 3 };
    gpf__report(&s, (gpf__place){ 0, 1, 1 }, GPF_ESYNTAX, "a");
    gpf__report(&s, (gpf__place){ 1, 2, 1 }, GPF_ESYNTAX, "b");
    gpf__report(&s, (gpf__place){ 1, 2, 1 }, GPF_ENAME, "c");
    assert_int_equal(s.n_why, 2);
}

static void columns_count_characters(void **state)
{
    (void)state;
    const char *text = "x\xc3\xa9\xe2\x82\xac y";
    gpf_diag why;
    gpf__source s = {
        .text = text, .length = strlen(text), .name = "n", .why = &why, .max_why = 1
    };
    gpf__report(&s, (gpf__place){ 7, 8, 1 }, GPF_ENAME, "here");
    assert_int_equal(why.column, 5);
    assert_int_equal(why.width, 1);
    assert_int_equal(gpf__characters(text, strlen(text)), 5);
}

static void nothing_unprintable_comes_out(void **state)
{
    (void)state;
    char s[] = "a\033[1m\tb\xc3\xa9\xff\xc3";
    gpf__clean(s);
    assert_string_equal(s, "a?[1m b\xc3\xa9??");
    gpf_diag why;
    gpf__source src = { .text = "x\0y", .length = 3, .name = "n\n", .why = &why, .max_why = 1 };
    gpf__report(&src, (gpf__place){ 1, 2, 1 }, GPF_ENAME, "bad '%s'", "\r");
    assert_string_equal(why.source, "x?y");
    assert_string_equal(why.file, "n?");
    assert_string_equal(why.text, "bad '?'");
}

static void of_a_long_line_a_window_is_shown(void **state)
{
    (void)state;
    /* 400 characters of two bytes each, X at the place */
    static const struct {
        size_t x;
        const char *starts, *ends;
    } list[] = { { 0, "X\xc3\xa9", "\xc3\xa9..." },
                 { 200, "...\xc3\xa9", "\xc3\xa9..." },
                 { 399, "...\xc3\xa9", "\xc3\xa9X" } };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        char line[801];
        size_t n = 0;
        const uint32_t at = (uint32_t)(2 * list[i].x);
        for (size_t k = 0; k < 400; k++) {
            if (k == list[i].x)
                line[n++] = 'X';
            else
                line[n++] = '\xc3', line[n++] = '\xa9';
        }
        gpf_diag why;
        gpf__source s = { .text = line, .length = n, .name = "n", .why = &why, .max_why = 1 };
        gpf__report(&s, (gpf__place){ at, at + 1, 1 }, GPF_ENAME, "here");
        const size_t shown = strlen(why.source);
        assert_int_equal(why.column, (int)list[i].x + 1);
        assert_true(gpf__characters(why.source, shown) <= 100);
        assert_memory_equal(why.source, list[i].starts, strlen(list[i].starts));
        assert_string_equal(why.source + shown - strlen(list[i].ends), list[i].ends);
        const char *x = strchr(why.source, 'X');
        assert_non_null(x);
        assert_int_equal(why.caret, gpf__characters(why.source, (size_t)(x - why.source)) + 1);
    }
}

static void suggestions_are_near(void **state)
{
    (void)state;
    char text[64];
    gpf__suggestion s = { .wanted = "sigmiod" };
    gpf__suggest(&s, "sin");
    assert_string_equal(gpf__suggestion_text(&s, text, sizeof text), "");
    gpf__suggest(&s, "sigmoids");
    gpf__suggest(&s, "sigmoid");
    gpf__suggest(&s, "softmax");
    assert_string_equal(gpf__suggestion_text(&s, text, sizeof text), " (did you mean 'sigmoid'?)");
}

static void only_files_that_may_be_are_read(void **state)
{
    (void)state;
    char *text, why[80];
    size_t n;
    assert_int_equal(gpf__read_file("no/such/file", false, 10, &text, &n, why, sizeof why),
                     GPF_EFILE);
    assert_string_equal(why, "no such file");
    assert_int_equal(gpf__read_file("/dev/null", false, 10, &text, &n, why, sizeof why), GPF_EFILE);
    assert_string_equal(why, "not a regular file");
    assert_int_equal(gpf__read_file(".", true, 10, &text, &n, why, sizeof why), GPF_EFILE);
    assert_string_equal(why, "is a directory");
    assert_int_equal(gpf__read_file("/dev/null", true, 10, &text, &n, why, sizeof why),
                     GSL_SUCCESS);
    assert_int_equal(n, 0);
    free(text);
    assert_int_equal(gpf__read_file("/dev/zero", true, 10, &text, &n, why, sizeof why), GPF_ELIMIT);
    char path[] = "test_source_XXXXXX";
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs("12345", f);
    fclose(f);
    assert_int_equal(gpf__read_file(path, false, 4, &text, &n, why, sizeof why), GPF_ELIMIT);
    assert_int_equal(gpf__read_file(path, false, 5, &text, &n, why, sizeof why), GSL_SUCCESS);
    assert_int_equal(n, 5);
    assert_memory_equal(text, "12345", 5);
    free(text);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_sorted_by_line_and_the_first_are_kept),
        cmocka_unit_test(one_syntax_error_a_line),
        cmocka_unit_test(columns_count_characters),
        cmocka_unit_test(nothing_unprintable_comes_out),
        cmocka_unit_test(of_a_long_line_a_window_is_shown),
        cmocka_unit_test(suggestions_are_near),
        cmocka_unit_test(only_files_that_may_be_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
