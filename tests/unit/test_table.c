/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model_test.h"

static gpf_table *table_of(const char *text)
{
    gpf_diag why = { 0 };
    gpf_table *t = gpf_table_parse(text, strlen(text), "t.csv", &why);
    if (!t)
        fail_msg("%d:%d: %s", why.line, why.column, why.text);
    return t;
}

static void plain(void **state)
{
    (void)state;
    static const char *const same[] = {
        "a,b\n1,2\n3,-4.5e1\n",
        "a,b\r\n1,2\r\n3,-4.5e1",
        "\357\273\277a,b\n1,2\n3,-45",
        "# note\n\na , b\n 1,\t2 \n\n3,-45\n",
        "\"a\",\"b\"\n\"1\",2\n3,\"-45\" \n",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        gpf_table *t = table_of(same[i]);
        assert_int_equal(gpf_table_rows(t), 2);
        assert_int_equal(gpf_table_columns(t), 2);
        assert_string_equal(gpf_table_column_name(t, 1), "b");
        assert_int_equal(gpf_table_find(t, "b"), 1);
        assert_int_equal(gpf_table_find(t, "c"), -1);
        assert_true(gpf_table_column(t, 0)[1] == 3);
        assert_true(gpf_table_column(t, 1)[1] == -45);
        assert_int_equal(gpf_table_categories(t, 0), 0);
        assert_null(gpf_table_column(t, 2));
        assert_null(gpf_table_column_name(t, 2));
        gpf_table_free(t);
    }
    gpf_table_free(NULL);
}

static void quoted_cells(void **state)
{
    (void)state;
    gpf_table *t = table_of("\"a \"\"b\"\"\",\"c,d\"\n\"x\ny\",1\n\"\"\"\",2\n");
    assert_string_equal(gpf_table_column_name(t, 0), "a \"b\"");
    assert_string_equal(gpf_table_column_name(t, 1), "c,d");
    assert_string_equal(gpf_table_category(t, 0, 0), "\"");
    assert_string_equal(gpf_table_category(t, 0, 1), "x\ny");
    gpf_table_free(t);
}

static void text_becomes_codes(void **state)
{
    (void)state;
    gpf_table *t = table_of("s\npear\napple\npear\nfig\n");
    const double *v = gpf_table_column(t, 0);
    assert_int_equal(gpf_table_categories(t, 0), 3);
    assert_string_equal(gpf_table_category(t, 0, 0), "apple");
    assert_string_equal(gpf_table_category(t, 0, 2), "pear");
    assert_null(gpf_table_category(t, 0, 3));
    assert_true(v[0] == 2 && v[1] == 0 && v[2] == 2 && v[3] == 1);
    gpf_table_free(t);
}

static void wrong_tables(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status, line, column;
        const char *message;
    } list[] = {
        { "", GPF_EDATA, 0, 0, "table is empty: expected a header line" },
        { "# only\n\n", GPF_EDATA, 0, 0, "table is empty: expected a header line" },
        { "a,b\n", GPF_EDATA, 2, 1, "table has a header but no rows" },
        { "a,b\n1,2\n3\n", GPF_EDATA, 3, 1, "row has 1 cell but the header has 2 columns" },
        { "a,b\n1,2,3\n", GPF_EDATA, 2, 5, "more cells than the header's 2 columns" },
        { "a,b\n1,\n", GPF_EDATA, 2, 3, "cell is empty" },
        { "a,b\n\xc3\xa9,\n", GPF_EDATA, 2, 3, "cell is empty" },
        { "a,,b\n1,2,3\n", GPF_EDATA, 1, 3, "column has no name" },
        { "a,b,a\n1,2,3\n", GPF_ENAME, 1, 5, "two columns have the name 'a'" },
        { "a\n1\nnan\n", GPF_EDATA, 3, 1, "column 'a': nan is not a finite number" },
        { "a,b\n1,1e999\n", GPF_EDATA, 2, 3, "column 'b': 1e999 is not a finite number" },
        { "a\n\"x\n", GPF_ESYNTAX, 2, 1, "quote is not closed" },
        { "a\n\"x\"y\n", GPF_ESYNTAX, 2, 4,
          "expected ',' or the end of the line after a quoted cell" },
        { "a,b\n\"x\n\",\n", GPF_EDATA, 3, 3, "cell is empty" },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        gpf_diag why = { 0 };
        assert_null(gpf_table_parse(list[i].text, strlen(list[i].text), "t.csv", &why));
        assert_string_equal(why.text, list[i].message);
        assert_int_equal(why.status, list[i].status);
        assert_int_equal(why.line, list[i].line);
        assert_int_equal(why.column, list[i].column);
        assert_string_equal(why.file, "t.csv");
        assert_null(gpf_table_parse(list[i].text, strlen(list[i].text), "t.csv", NULL));
    }
    gpf_diag why;
    assert_null(gpf_table_parse("a\n1\n\0\n", 6, "t.csv", &why));
    assert_int_equal(why.line, 3);
    assert_null(gpf_table_read("no/such/file.csv", &why));
    assert_int_equal(why.status, GPF_EFILE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),
        cmocka_unit_test(quoted_cells),
        cmocka_unit_test(text_becomes_codes),
        cmocka_unit_test(wrong_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
