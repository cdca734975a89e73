/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model_test.h"

#include <locale.h>

static void numbers(void **state)
{
    (void)state;
    gpf_model *m = model_of("a = 1\nb = 1.5\nc = .5\nd = 2.\ne = 1e-3\nf = 1.5E+2\n", NULL);
    assert_is(m, "a", "scalar", "1");
    assert_is(m, "b", "scalar", "1.5");
    assert_is(m, "c", "scalar", "0.5");
    assert_is(m, "d", "scalar", "2");
    assert_is(m, "e", "scalar", "0.001");
    assert_is(m, "f", "scalar", "150");
    gpf_model_free(m);
}

static void numbers_do_not_follow_the_locale(void **state)
{
    (void)state;
    static const char *const commas[] = { "de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "nl_NL.UTF-8" };
    bool set = false;
    for (size_t i = 0; i < sizeof commas / sizeof *commas && !set; i++)
        set = setlocale(LC_ALL, commas[i]) != NULL;
    if (!set)
        skip(); /* no locale with a decimal comma here */
    gpf_model *m = model_of("a = 1.5\nb = sum([0.25 0.5])\n", NULL);
    const gpf_node a = gpf_model_find(m, "a");
    double value = 0;
    assert_true(gpf_node_is_const(gpf_model_graph(m), a, &value));
    setlocale(LC_ALL, "C");
    assert_true(value == 1.5);
    gpf_model_free(m);
}

static void comments_blank_lines_and_line_ends(void **state)
{
    (void)state;
    gpf_model *m = model_of("\xef\xbb\xbf# \xc3\xa9 \xff note\r\n\r\n\ta = 1 # one\r\n"
                            "b = (a +\r\n  # inside\r\n 2)\r\nc = [1,\n2;\n3, 4]",
                            NULL);
    assert_is(m, "b", "scalar", "3");
    assert_is(m, "c", "2x2", "1 2 3 4");
    gpf_model_free(m);
}

static void names_may_contain_dots(void **state)
{
    (void)state;
    gpf_model *m = model_of("h1.W = 2\n_x9 = h1.W\ndatax = 1\nseeds = 2\n", NULL);
    assert_is(m, "_x9", "scalar", "2");
    gpf_model_free(m);
}

static void wrong_characters(void **state)
{
    (void)state;
    static const char long_name[] =
        "a = b123456789b123456789b123456789b123456789b123456789b123456789b123\n";
    static const wrong list[] = {
        { "a = 1e-999\n", 1, 5, 6, "number is too small", GPF_ESYNTAX },
        { "a = 1\nb = a $ 2\n", 2, 7, 1, "character '$' means nothing here", GPF_ESYNTAX },
        { "b = \xc3\xa9\n", 1, 5, 1, "character '\xc3\xa9' means nothing here", GPF_ESYNTAX },
        { "b = 1 \xff\n", 1, 7, 1, "byte 0xff means nothing here", GPF_ESYNTAX },
        { "b = \001\n", 1, 5, 1, "byte 0x01 means nothing here", GPF_ESYNTAX },
        { "b = \"abc\n", 1, 5, 4, "string does not end in this line", GPF_ESYNTAX },
        { "b = 1e999\n", 1, 5, 5, "number is too large", GPF_ESYNTAX },
        { "b = 1\\\n", 1, 6, 1, "character '\\' means nothing here", GPF_ESYNTAX },
        { long_name, 1, 5, 64, "name is longer than 63 characters", GPF_ESYNTAX },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        assert_wrong(&list[i]);
}

static void nul_bytes(void **state)
{
    (void)state;
    static const char text[] = "a = 1\nb = \0 2\nc = \"x\0y\"\n";
    gpf_diag why[MAX_WHY];
    size_t n;
    assert_null(gpf_model_parse(text, sizeof text - 1, "t.gpf", NULL, why, MAX_WHY, &n));
    assert_int_equal(n, 2);
    assert_string_equal(why[0].text, "byte 0x00 means nothing here");
    assert_string_equal(why[1].text, "NUL byte in a string");
    assert_int_equal(why[1].line, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(numbers_do_not_follow_the_locale),
        cmocka_unit_test(comments_blank_lines_and_line_ends),
        cmocka_unit_test(names_may_contain_dots),
        cmocka_unit_test(wrong_characters),
        cmocka_unit_test(nul_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
