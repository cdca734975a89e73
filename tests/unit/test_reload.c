/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model_test.h"

/* Tables lie beside the model t.gpf: in the directory the test runs in. */
static const char own[] = "test_reload_own.csv", other[] = "test_reload_other.csv";

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int write_own(void **state)
{
    (void)state;
    write_text(own, "x,\"long name\",kind,y,level\n1,10,b,3.5,0\n2,20,a,-7.25,1\n6,60,b,0.5,2\n"
                    "3.5,41,\"c, d\",2,1\n");
    return 0;
}

static int remove_tables(void **state)
{
    (void)state;
    return remove(own) | remove(other);
}

#define TABLE(columns) "csv(\"test_reload_own.csv\"" columns ")"

static gpf_model *read_other(const char *model, const char *table)
{
    gpf_diag why = { 0 };
    gpf_model *m = model_of(model, NULL);
    write_text(other, table);
    if (gpf_model_read_data(m, other, &why))
        fail_msg("%s:%d:%d: %s", why.file, why.line, why.column, why.text);
    assert_int_equal(why.status, GSL_SUCCESS);
    return m;
}

static void functions_as_the_model_has_them(void **state)
{
    (void)state;
    gpf_model *m = read_other(
        "data x = " TABLE(
            ", x") "\n"
                   "data l = " TABLE(
                       ", \"long name\", x") "/100\n"
                                             "data h = standardize(" TABLE(
                                                 ", x, \"long name\"") ")/2 - 1\n"
                                                                       "data t = standardize(x*x + "
                                                                       "1)\n"
                                                                       "data k = " TABLE(
                                                                           ", kind") "\n"
                                                                                     "data K = "
                                                                                     "one_"
                                                                                     "hot(" TABLE(
                                                                                         ", kind") ")\n"
                                                                                                   "data L = one_hot(" TABLE(
                                                                                                       ", level") ")\n"
                                                                                                                  "data M = one_hot(k, 4)\n"
                                                                                                                  "data fixed[4,1] = " TABLE(
                                                                                                                      ", x") "\n"
                                                                                                                             "data c = [1 2; 3 4]\n"
                                                                                                                             "G = one_hot(k)\n",
        "kind,nothing,long name,x,level\nb,1,30,-2,1\na,2,-5,4.5,0\n");
    assert_int_equal(gpf_point_batch(gpf_model_point(m)), 2);
    assert_is(m, "x", "Nx1", "-2 4.5");
    assert_is(m, "l", "Nx2", "0.3 -0.02 -0.05 0.045");
    /* mean and deviation of 1 2 6 3.5 and of 10 20 60 41 */
    const double x = 3.125, sx = sqrt(53.25 / 4 - x * x), y = 32.75, sy = sqrt(5781. / 4 - y * y);
    size_t n;
    double *h = values_of(m, gpf_model_find(m, "h"), &n);
    const double want[] = { (-2 - x) / sx / 2 - 1, (30 - y) / sy / 2 - 1, (4.5 - x) / sx / 2 - 1,
                            (-5 - y) / sy / 2 - 1 };
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++)
        assert_true(fabs(h[i] - want[i]) < 1e-14);
    free(h);
    /* 2 5 37 13.25 */
    double *t = values_of(m, gpf_model_find(m, "t"), &n);
    const double mean = 57.25 / 4, sd = sqrt((4 + 25 + 1369 + 175.5625) / 4 - mean * mean);
    assert_true(fabs(t[0] - (5 - mean) / sd) < 1e-14);
    assert_true(fabs(t[1] - (21.25 - mean) / sd) < 1e-14);
    free(t);
    assert_is(m, "k", "Nx1", "1 0");
    assert_is(m, "K", "Nx3", "0 1 0 1 0 0"); /* c, d is known though nobody has it */
    assert_is(m, "L", "Nx3", "0 1 0 1 0 0");
    assert_is(m, "M", "Nx4", "0 1 0 0 1 0 0 0");
    assert_is(m, "G", "Nx3", "0 1 0 1 0 0");
    assert_is(m, "fixed", "4x1", "1 2 6 3.5");
    assert_is(m, "c", "2x2", "1 2 3 4");
    gpf_model_free(m);
}

static void own_rows_come_back_bit_for_bit(void **state)
{
    (void)state;
    static const char text[] = "data X = standardize(" TABLE(
        ", x, \"long name\"") ")\n"
                              "data all = standardize(csv(\"test_reload_num.csv\"))*0.3\n"
                              "param W[2,3] ~ he\nz = tanh(X @ W)\nloss = mean(z^2)\n";
    write_text("test_reload_num.csv", "x,long name\n1,7\n2,9\n6,2.5\n3.5,8\n");
    gpf_model *m = model_of(text, NULL);
    gsl_vector_set(gpf_point_params(gpf_model_point(m)), 4, 0.123456789);
    const char *const names[] = { "X", "all", "z", "loss" };
    double *before[4];
    size_t n[4], again;
    for (int i = 0; i < 4; i++)
        before[i] = values_of(m, gpf_model_find(m, names[i]), &n[i]);
    gpf_diag why;
    for (int round = 0; round < 3; round++) {
        write_text(other, "x,long name\n8,1\n-8,3\n");
        assert_int_equal(gpf_model_read_data(m, other, &why), GSL_SUCCESS);
        assert_int_equal(gpf_model_read_data(m, round < 2 ? own : "test_reload_num.csv", &why),
                         GSL_SUCCESS);
        for (int i = 0; i < 4; i++) {
            /* all and X read the same columns now, so each is its own only from its own file */
            if (i == (round < 2 ? 1 : 0) || (round == 2 && i > 1))
                continue;
            double *v = values_of(m, gpf_model_find(m, names[i]), &again);
            assert_int_equal(again, n[i]);
            assert_memory_equal(v, before[i], again * sizeof *v);
            free(v);
        }
    }
    for (int i = 0; i < 4; i++)
        free(before[i]);
    gpf_model_free(m);
    remove("test_reload_num.csv");
}

static void scale_is_that_of_the_training_rows(void **state)
{
    (void)state;
    gpf_model_options o = { .rows = 0 };
    for (o.rows = 0; o.rows < 3; o.rows++) {
        gpf_model *m = model_of(
            "split 0.5\ndata X = standardize(" TABLE(", x") ")\n"
                                                            "loss = mean(X)\na = mse(X, 0*X)\n",
            &o);
        size_t n;
        const bool all = o.rows == 2;
        double *before = values_of(m, gpf_model_find(m, "X"), &n);
        assert_int_equal(n, all ? 4 : 2);
        assert_int_equal(gpf_model_read_data(m, own, NULL), GSL_SUCCESS);
        double *after = values_of(m, gpf_model_find(m, "X"), &n);
        assert_int_equal(n, 4); /* all rows of the file, nothing is held out */
        gpf_diag why = { 0 };
        assert_null(gpf_model_rows(m, 1, &why));
        assert_int_equal(why.status, GPF_EDATA);
        for (size_t i = 0; i < (all ? 4 : 2); i++) {
            bool found = false;
            for (size_t j = 0; j < 4; j++)
                found |= before[i] == after[j];
            assert_true(found);
        }
        assert_string_equal(gpf_model_note(m, 0), "mse: reduction=mean over Nx1, N = 4");
        free(before);
        free(after);
        gpf_model_free(m);
    }
}

static void tables_of_no_file(void **state)
{
    (void)state;
    static const char text[] = "data X = spirals(5, 3)\n"
                               "data label = spiral_labels(5, 3)\n"
                               "data y[N,1] = [1;2;3;4;5;6;7;8;9;10;11;12;13;14;15]\n"
                               "data h[N] = uniform(15, 1)\n"
                               "data e[N,2,1] = zeros(15, 2)\n"
                               "data X2 = standardize(X)*2\n"
                               "data noisy = X + 0.1*normal(15, 2)\n"
                               "data from_noisy = noisy*2\n"
                               "data Y = one_hot(label)\n";
    gpf_model *m = read_other(text, "y,X.1,X.0,e.0,e.1,label,h\n7,0.25,-3,1,2,2,11\n"
                                    "8,0.5,4,3,4,0,12\n-1,-1,1,5,6,1,13\n");
    assert_is(m, "X", "Nx2", "-3 0.25 4 0.5 1 -1");
    assert_is(m, "y", "Nx1", "7 8 -1");
    assert_is(m, "h", "N", "11 12 13");
    assert_is(m, "e", "Nx2x1", "1 2 3 4 5 6");
    assert_is(m, "label", "Nx1", "2 0 1");
    assert_is(m, "Y", "Nx3", "0 0 1 1 0 0 0 1 0");
    gpf_node bound[] = { gpf_model_find(m, "X2"), gpf_model_find(m, "Y"), GPF_NONE };
    gpf_node noisy = gpf_model_find(m, "noisy"), from = gpf_model_find(m, "from_noisy");
    gpf_diag why = { .status = 7 };
    assert_int_equal(gpf_model_bound(m, bound, 3, &why), GSL_SUCCESS);
    assert_int_equal(why.status, GSL_SUCCESS);
    assert_int_equal(gpf_model_bound(m, &noisy, 1, &why), GPF_EUNBOUND);
    assert_string_equal(why.text, "data noisy has no values: noisy is made of tables of 3 and 15 "
                                  "rows");
    assert_int_equal(gpf_model_bound(m, &from, 1, &why), GPF_EUNBOUND);
    assert_string_equal(why.text, "data from_noisy has no values: noisy is made of tables of 3 and "
                                  "15 rows");
    /* as many rows as before, and it is to be had */
    write_text(other, "X.0,X.1\n1,2\n2,3\n3,5\n4,9\n5,8\n6,7\n7,6\n8,5\n9,4\n10,3\n11,2\n12,1\n"
                      "13,0\n14,-1\n15,2\n");
    assert_int_equal(gpf_model_read_data(m, other, &why), GSL_SUCCESS);
    assert_int_equal(gpf_model_bound(m, &from, 1, NULL), GSL_SUCCESS);
    gpf_model_free(m);
}

static void missing_columns(void **state)
{
    (void)state;
    gpf_model *m = read_other(
        "data X = " TABLE(", x, \"long name\"") "\n"
                                                "data y = " TABLE(
                                                    ", y") "\n"
                                                           "data z = y*2\n"
                                                           "param w[2,1] = [0.5; 0.25]\n"
                                                           "p = X @ w\nloss = mse(p, z)\n",
        "x,Y,long name\n2,1,4\n6,2,8\n");
    const gpf_node p = gpf_model_find(m, "p"), loss = gpf_model_find(m, "loss");
    gpf_diag why = { 0 };
    assert_is(m, "p", "Nx1", "2 5");
    assert_int_equal(gpf_model_bound(m, &p, 1, NULL), GSL_SUCCESS);
    assert_int_equal(gpf_model_bound(m, &loss, 1, &why), GPF_EUNBOUND);
    assert_string_equal(why.text, "data z has no values: test_reload_other.csv has no column 'y' "
                                  "(did you mean 'Y'?); it has x, Y, long name");
    assert_null(gpf_point_values(gpf_model_point(m), gpf_model_find(m, "y")));
    /* and back with all of them */
    assert_int_equal(gpf_model_read_data(m, own, &why), GSL_SUCCESS);
    assert_int_equal(gpf_model_bound(m, &loss, 1, &why), GSL_SUCCESS);
    assert_is(m, "z", "Nx1", "7 -14.5 1 4");
    gpf_model_free(m);
}

static void bad_files_lose_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *table;
        int status, line, column;
        const char *file, *message;
    } list[] = {
        { "x,kind,level\n1,a,0\n2,e,1\n", GPF_EDATA, 3, 3, other,
          "'e' is no category of kind; the model knows 'a', 'b', 'c, d'" },
        { "x,kind,level\n1,3,0\n", GPF_EDATA, 2, 3, other, "'3' is no category of kind" },
        { "x,kind,level\n1,a,0\n2,b,4\n", GPF_EDATA, 3, 10, "t.gpf",
          "one_hot: row 2 is 4, labels are whole numbers from 0 to 2 (reading test_reload_oth" },
        { "x,kind,level\n1,a,0\n2,b,high\n", GPF_EDATA, 3, 5, other,
          "column 'level' is not numbers: 'high'" },
        { "x,kind,level\n1,a,0\n\"2.5 \n\",b,1\n", GPF_EDATA, 3, 1, other,
          "column 'x' is not numbers: '2.5 ?'" },
        { "x,kind,level,g\n1,a,0,0\n2,b,1,1.5\n", GPF_EDATA, 3, 7, other,
          "labels are whole numbers from 0 to 4, not 1.5" },
        { "x,kind\n1,a\n2\n", GPF_EDATA, 3, 1, other, "row has 1 cell but the header has 2" },
        { "x,kind\n1,a,7\n", GPF_EDATA, 2, 5, other, "more cells than the header's 2 columns" },
        { "x,kind\nnan,a\n", GPF_EDATA, 2, 1, other, "column 'x': nan is not a finite number" },
        { "x,kind\n", GPF_EDATA, 2, 1, other, "table has a header but no rows" },
        { "", GPF_EDATA, 0, 0, other, "table is empty" },
        { "u,v\n1,2\n", GPF_EDATA, 0, 0, "",
          "test_reload_other.csv has no column 'x'; it has u, v" },
        { "x,x\n1,2\n", GPF_ENAME, 1, 3, other, "two columns have the name 'x'" },
        { "x\n1e308\n1\n", GPF_EDATA, 4, 41, "t.gpf", "mul: 1e+308 and 10 give inf (reading" },
    };
    gpf_model *m = model_of(
        "data X = standardize(" TABLE(
            ", x") ")\n"
                   "data k = " TABLE(", kind") "\n"
                                               "data L = one_hot(" TABLE(
                                                   ", level") ")\n"
                                                              "data x10 = " TABLE(
                                                                  ", x") "*10\n"
                                                                         "data g = randint(4, 5)\n"
                                                                         "loss = mse(X, k)\n",
        NULL);
    gpf_diag why;
    const gpf_point *at = gpf_model_point(m);
    size_t n;
    double *before = values_of(m, gpf_model_find(m, "X"), &n);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        write_text(other, list[i].table);
        const int status = gpf_model_read_data(m, other, &why);
        if (status != list[i].status || why.status != status || why.line != list[i].line ||
            why.column != list[i].column || strcmp(why.file, list[i].file) ||
            strncmp(why.text, list[i].message, strlen(list[i].message)))
            fail_msg("%zu: status %d, %s:%d:%d: %s", i, status, why.file, why.line, why.column,
                     why.text);
        assert_ptr_equal(gpf_model_point(m), at);
    }
    assert_int_equal(gpf_model_read_data(m, ".", &why), GPF_EFILE);
    assert_string_equal(why.text, "is a directory");
    assert_int_equal(gpf_model_read_data(m, "test_reload_none.csv", NULL), GPF_EFILE);
    double *after = values_of(m, gpf_model_find(m, "X"), &n);
    assert_memory_equal(before, after, n * sizeof *after);
    free(before);
    free(after);
    assert_string_equal(gpf_model_note(m, 0), "mse: reduction=mean over Nx1, N = 4");
    /* and a good one is still read, a later bad one does not undo it */
    write_text(other, "x,kind,level,g\n1,a,0,4\n-5,b,1,3\n");
    assert_int_equal(gpf_model_read_data(m, other, &why), GSL_SUCCESS);
    write_text(other, list[0].table);
    assert_int_equal(gpf_model_read_data(m, other, &why), GPF_EDATA);
    assert_is(m, "g", "Nx1", "4 3");
    assert_is(m, "x10", "Nx1", "10 -50");
    assert_string_equal(gpf_model_note(m, 0), "mse: reduction=mean over Nx1, N = 2");
    gpf_model_free(m);
}

static void models_without_samples(void **state)
{
    (void)state;
    gpf_model *m = model_of("data c = [1 2; 3 4]\na = sum(c)\n", NULL);
    gpf_diag why;
    assert_int_equal(gpf_model_read_data(m, own, &why), GPF_EDATA);
    assert_string_equal(why.text, "test_reload_own.csv: the model has no data of N rows to "
                                  "replace");
    assert_is(m, "a", "scalar", "10");
    gpf_model_free(m);
}

static void limit(void **state)
{
    (void)state;
    gpf_model_options o = { .max_bytes = 1000 };
    gpf_model *m = model_of("data X = " TABLE(", x") "\n", &o);
    char text[2000] = "x\n";
    for (int i = 0; i < 200; i++)
        strcat(text, "1.5\n");
    write_text(other, text);
    gpf_diag why;
    assert_int_equal(gpf_model_read_data(m, other, &why), GPF_ELIMIT);
    assert_int_equal(why.line, 1);
    assert_non_null(strstr(why.text, "(reading test_reload_other.csv)"));
    assert_is(m, "X", "Nx1", "1 2 6 3.5");
    text[2 + 4 * 60] = 0;
    write_text(other, text);
    for (int i = 0; i < 50; i++) /* what is replaced does not count */
        assert_int_equal(gpf_model_read_data(m, other, &why), GSL_SUCCESS);
    gpf_model_free(m);
}

static void categories(void **state)
{
    (void)state;
    gpf_model *m = model_of("data k = " TABLE(", kind") "\n"
                                                        "data K = one_hot(k)\n"
                                                        "data same = K\n"
                                                        "data twice = k*2\n"
                                                        "data x = " TABLE(", x") "\n"
                                                                                 "a = one_hot(k)\n",
                            NULL);
    static const char *const words[] = { "a", "b", "c, d" };
    write_text(other, "x\n1\n");
    for (int round = 0; round < 2; round++) { /* also where the column is missing */
        for (size_t i = 0; i < 3; i++) {
            assert_string_equal(gpf_model_category(m, gpf_model_find(m, "k"), i), words[i]);
            assert_string_equal(gpf_model_category(m, gpf_model_find(m, "K"), i), words[i]);
            assert_string_equal(gpf_model_category(m, gpf_model_find(m, "same"), i), words[i]);
        }
        assert_null(gpf_model_category(m, gpf_model_find(m, "k"), 3));
        assert_null(gpf_model_category(m, gpf_model_find(m, "x"), 0));
        assert_null(gpf_model_category(m, gpf_model_find(m, "twice"), 0));
        assert_null(gpf_model_category(m, gpf_model_find(m, "a"), 0));
        assert_null(gpf_model_category(m, GPF_NONE, 0));
        assert_null(gpf_model_category(m, GPF_POISON, 0));
        assert_int_equal(gpf_model_read_data(m, other, NULL), GSL_SUCCESS);
    }
    gpf_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_as_the_model_has_them),
        cmocka_unit_test(own_rows_come_back_bit_for_bit),
        cmocka_unit_test(scale_is_that_of_the_training_rows),
        cmocka_unit_test(tables_of_no_file),
        cmocka_unit_test(missing_columns),
        cmocka_unit_test(bad_files_lose_nothing),
        cmocka_unit_test(models_without_samples),
        cmocka_unit_test(limit),
        cmocka_unit_test(categories),
    };
    return cmocka_run_group_tests(tests, write_own, remove_tables);
}
