/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/text.h"
#include "help.h"

#include <locale.h>

static void test_format_and_append(void **state)
{
    (void)state;
    char buf[8];
    assert_int_equal(gpf__format(buf, sizeof buf, "%.3f", 1.5), 5);
    assert_string_equal(buf, "1.500");
    gpf__append(buf, sizeof buf, "-%d", 12345); /* cut */
    assert_string_equal(buf, "1.500-1");
    gpf__append(buf, sizeof buf, "more");
    assert_string_equal(buf, "1.500-1");
    buf[0] = 'q';
    gpf__append(buf, 0, "nothing"); /* looks at nothing, too */
    assert_string_equal(buf, "q.500-1");
}

static void test_strtod(void **state)
{
    (void)state;
    char *end;
    assert_true(gpf__strtod("-2.25e3x", &end) == -2250);
    assert_string_equal(end, "x");
    assert_true(gpf__strtod("1,5", &end) == 1);
    assert_string_equal(end, ",5");
}

/* The same under a locale with a decimal comma, if this machine has one. */
static void test_comma_locale(void **state)
{
    (void)state;
    static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8",
                                         "vi_VN.UTF-8" };
    const char *set = NULL;
    for (size_t i = 0; !set && i < COUNT(names); i++)
        set = setlocale(LC_ALL, names[i]);
    if (!set)
        skip();
    char plain[16];
    snprintf(plain, sizeof plain, "%.1f", 0.5);
    assert_string_equal(plain, "0,5"); /* the locale is really on */
    test_format_and_append(state);
    test_strtod(state);
    gpf_diag why;
    gpf__diag(&why, GPF_EDATA, "%g", 0.5);
    assert_string_equal(why.text, "0.5");
    snprintf(plain, sizeof plain, "%.1f", 0.5);
    assert_string_equal(plain, "0,5"); /* and was left on */
    setlocale(LC_ALL, "C");
}

static void test_diag(void **state)
{
    (void)state;
    gpf_diag why;
    memset(&why, 0x7f, sizeof why);
    assert_int_equal(gpf__diag(&why, GPF_ENAME, "no %s", "W9"), GPF_ENAME);
    assert_int_equal(why.status, GPF_ENAME);
    assert_string_equal(why.text, "no W9");
    assert_int_equal(why.line + why.column + why.width, 0);
    assert_string_equal(why.file, "");
    assert_string_equal(why.source, "");
    assert_int_equal(gpf__diag(NULL, GPF_EDATA, "%d", 1), GPF_EDATA);
    char longer[2000];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    gpf__diag(&why, GPF_ENAME, "%s", longer);
    assert_int_equal(strlen(why.text), sizeof why.text - 1);
}

static void test_edit_distance(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        size_t distance;
    } pairs[] = {
        { "", "", 0 },
        { "", "abc", 3 },
        { "sigmoid", "sigmoid", 0 },
        { "sigmod", "sigmoid", 1 },
        { "sigmiod", "sigmoid", 1 },
        { "relu", "gelu", 1 },
        { "tanh", "than", 2 },
        { "ca", "abc", 3 },
        { "kitten", "sitting", 3 },
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        assert_int_equal(gpf__edit_distance(pairs[i].a, pairs[i].b), pairs[i].distance);
        assert_int_equal(gpf__edit_distance(pairs[i].b, pairs[i].a), pairs[i].distance);
    }
    char a[200], b[200];
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    a[199] = b[199] = 0;
    assert_int_equal(gpf__edit_distance(a, b), 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_and_append), cmocka_unit_test(test_strtod),
        cmocka_unit_test(test_comma_locale),      cmocka_unit_test(test_diag),
        cmocka_unit_test(test_edit_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
