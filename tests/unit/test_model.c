/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model_test.h"

static const char file[] = "test_model_file.txt";

static void write_file(const char *text)
{
    FILE *f = fopen(file, "wb");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void names_in_text_order(void **state)
{
    (void)state;
    gpf_model *m = model_of("data x[N,1] = [1; 2]\nparam w = 2\nz = x*w\nsame = z\nk = 3\n", NULL);
    static const char *const names[] = { "x", "w", "z", "same", "k" };
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(gpf_model_name(m, i), names[i]);
    assert_null(gpf_model_name(m, 5));
    assert_int_equal(gpf_model_find(m, "same"), gpf_model_find(m, "z"));
    assert_int_equal(gpf_model_find(m, "pi"), GPF_NONE);
    assert_int_equal(gpf_model_find(m, "nothing"), GPF_NONE);
    /* a number lends its name to no node of the graph */
    assert_string_equal(gpf_node_name(gpf_model_graph(m), gpf_model_find(m, "z")), "z");
    assert_null(gpf_node_name(gpf_model_graph(m), gpf_model_find(m, "k")));
    gpf_model_free(m);
    gpf_model_free(NULL);
}

static void output(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
    } list[] = {
        { "param w[2] = 1\nloss = sum(w)\nz = sum(2*w)\n", "loss" },
        { "param w[2] = 1\na = sum(w)\nb = 2*w\nc = sum(b)\nd = w + c\nk = 2\n", "c" },
        { "data x[N,1] = [1]\na = 2*x\n", NULL }, /* one element only because N = 1 */
        { "param w = 1\n", NULL },
        { "param x = 1\nf = x\n", "f" },
        { "param x = 1\nf = 3*1\n", "f" },
        { "param x = 1\nf = x\nH = 64\n", "f" },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        gpf_model *m = model_of(list[i].text, NULL);
        assert_int_equal(gpf_model_output(m),
                         list[i].name ? gpf_model_find(m, list[i].name) : GPF_NONE);
        gpf_model_free(m);
    }
}

static void notes(void **state)
{
    (void)state;
    gpf_model *m = model_of("data y[N,2] = [1 2; 3 4; 5 6]\na = mse(y, 2*y)\n"
                            "b = huber([1 2], [3 4], reduction=half_sum)\n",
                            NULL);
    assert_string_equal(gpf_model_note(m, 0), "mse: reduction=mean over Nx2, N = 3");
    assert_string_equal(gpf_model_note(m, 1), "huber: reduction=half_sum over 1x2");
    assert_null(gpf_model_note(m, 2));
    const gpf_node a = gpf_model_find(m, "a"), b = gpf_model_find(m, "b");
    assert_true(gpf_model_note_concerns(m, 0, a) && !gpf_model_note_concerns(m, 0, b));
    assert_true(!gpf_model_note_concerns(m, 1, a) && gpf_model_note_concerns(m, 1, b));
    assert_false(gpf_model_note_concerns(m, 2, b));
    gpf_model_free(m);
}

static void params_from_a_file(void **state)
{
    (void)state;
    const char *text = "param A[2,2] = 1\nparam b = 2\nparam c[3] ~ ones\nz = b\n";
    gpf_model *m = model_of(text, NULL);
    gpf_diag why;
    write_file("# kept: b\nA = [1 2;\n 3 4]\nc = [5 6 7]\n");
    assert_int_equal(gpf_model_read_params(m, file, &why), GSL_SUCCESS);
    assert_is(m, "A", "2x2", "1 2 3 4");
    assert_is(m, "b", "scalar", "2");
    assert_is(m, "c", "3", "5 6 7");
    /* what else eval prints is skipped, and a number fills */
    write_file("z = 7\nA = 9\n");
    assert_int_equal(gpf_model_read_params(m, file, &why), GSL_SUCCESS);
    assert_is(m, "A", "2x2", "9 9 9 9");
    assert_is(m, "b", "scalar", "2");
    write_file("b = -1e-3");
    assert_int_equal(gpf_model_read_params(m, file, NULL), GSL_SUCCESS);
    assert_is(m, "b", "scalar", "-0.001");

    static const struct {
        const char *text;
        int status, line, column;
        const char *message;
    } list[] = {
        { "A = [1 2]\n", GPF_ESHAPE, 1, 5, "param A is 2x2 but its values are 1x2" },
        { "\nB = 2\n", GPF_ENAME, 2, 1, "the model has no param 'B' (did you mean" },
        { "b = 2\nA = 1\nb = 2\n", GPF_ENAME, 3, 1, "param b is given twice" },
        { "param b = 2\n", GPF_ESYNTAX, 1, 7, "expected lines like W = [1 2; 3 4]" },
        { "b = \n", GPF_ESYNTAX, 1, 5, "expected an expression" },
        { "A = [1 2; 3]\n", GPF_ESHAPE, 1, 5, "row 2 has 1 element but" },
        { "b = A\n", GPF_EDATA, 1, 5, "b: expected a number that is known here" },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        write_file(list[i].text);
        assert_int_equal(gpf_model_read_params(m, file, &why), list[i].status);
        assert_int_equal(why.line, list[i].line);
        assert_int_equal(why.column, list[i].column);
        assert_string_equal(why.file, file);
        if (!strstr(why.text, list[i].message))
            fail_msg("%s", why.text);
    }
    remove(file);
    assert_int_equal(gpf_model_read_params(m, file, &why), GPF_EFILE);
    assert_string_equal(why.text, "no such file");
    gpf_model_free(m);
}

static void params_from_an_archive(void **state)
{
    (void)state;
    static const char npz[] = "test_model_params.npz", safe[] = "test_model_params.st";
    const char *text = "param A[2,2] = 1\nparam b = 2\nz = sum(A)*b\n";
    gpf_model *m = model_of(text, NULL);
    gsl_vector *theta = gpf_point_params(gpf_model_point(m));
    gpf_diag why;
    const double values[] = { 0.1, -2.5e-9, 3, 4, -0.75 };
    memcpy(theta->data, values, sizeof values);
    assert_int_equal(gpf_params_write(gpf_model_graph(m), theta, npz, NULL), GSL_SUCCESS);
    rename(npz, safe); /* known by its content, whatever it is called */
    gsl_vector_set_all(theta, 7);
    assert_int_equal(gpf_model_read_params(m, safe, &why), GSL_SUCCESS);
    assert_memory_equal(theta->data, values, sizeof values);
    /* one that is not what it is called: its reader says why, not the one of lines */
    write_file("A = 9\n");
    rename(file, npz);
    assert_int_not_equal(gpf_model_read_params(m, npz, &why), GSL_SUCCESS);
    assert_null(strstr(why.text, "expected lines"));
    /* of a file that is wrong in its last line nothing is taken */
    write_file("A = 9\nb = [1 2 3]\n");
    assert_int_equal(gpf_model_read_params(m, file, &why), GPF_ESHAPE);
    assert_memory_equal(theta->data, values, sizeof values);
    /* params of another model */
    gpf_model *other = model_of("param A[2,3] = 1\nparam b = 2\n", NULL);
    assert_int_not_equal(gpf_model_read_params(other, safe, &why), GSL_SUCCESS);
    assert_is(other, "A", "2x3", "1 1 1 1 1 1");
    gpf_model_free(other);
    gpf_model_free(m);
    remove(npz);
    remove(safe);
    remove(file);
}

static void models_from_files(void **state)
{
    (void)state;
    gpf_diag why[2];
    size_t n;
    write_file("a = 1\nb = a +\n");
    assert_null(gpf_model_read(file, NULL, why, 2, &n));
    assert_int_equal(n, 1);
    assert_string_equal(why[0].file, file);
    assert_string_equal(why[0].source, "b = a +");
    write_file("a = 1");
    gpf_model *m = gpf_model_read(file, NULL, NULL, 0, NULL);
    assert_non_null(m);
    gpf_model_free(m);
    remove(file);
    assert_null(gpf_model_read(file, NULL, why, 2, &n));
    assert_int_equal(n, 1);
    assert_int_equal(why[0].status, GPF_EFILE);
    assert_string_equal(why[0].text, "no such file");
    assert_null(gpf_model_read(".", NULL, why, 2, &n));
    assert_string_equal(why[0].text, "is a directory");
}

static void errors_beyond_the_callers_room_are_counted(void **state)
{
    (void)state;
    const char *text = "a = \nb = \nc = \n";
    gpf_diag why[2];
    size_t n;
    assert_null(gpf_model_parse(text, strlen(text), "t", NULL, why, 2, &n));
    assert_int_equal(n, 3);
    assert_int_equal(why[1].line, 2);
    assert_null(gpf_model_parse(text, strlen(text), "t", NULL, NULL, 0, &n));
    assert_int_equal(n, 3);
}

static void growth_is_limited(void **state)
{
    (void)state;
    char text[4000] = "param w[3] = [1 2 3]\ng = sum(sin(w)*exp(w)*w)\n";
    for (int i = 0; i < 40; i++) {
        char line[80];
        snprintf(line, sizeof line, "%s%d = sum(grad(%s%d, w)*tanh(w)*exp(w))\n", "g", i + 1, "g",
                 i);
        strcat(text, i ? line : "g0 = g*g\n");
        if (i == 0)
            strcat(text, line);
    }
    gpf_diag why;
    size_t n;
    assert_null(gpf_model_parse(text, strlen(text), "t", NULL, &why, 1, &n));
    assert_int_equal(n, 1);
    assert_int_equal(why.status, GPF_ELIMIT);
    assert_string_equal(why.text, "the graph has more than 524288 nodes up to here");
}

static void test_rows_need_a_split(void **state)
{
    (void)state;
    const gpf_model_options o = { .rows = 1 };
    gpf_diag why;
    size_t n;
    assert_null(gpf_model_parse("a = 1\n", 6, "t", &o, &why, 1, &n));
    assert_int_equal(why.status, GPF_EDATA);
    assert_int_equal(why.line, 0);
}

static void split_that_is_asked_for(void **state)
{
    (void)state;
    const char *text = "split 0.25\ndata X[N,1] = [1; 2; 3; 4; 5; 6; 7; 8]\nrate2 = 2*rate\n";
    gpf_model_options o = { .split = 0.5 };
    gpf_model *m = model_of(text, &o);
    assert_int_equal(gpf_point_batch(gpf_model_point(m)), 4);
    gpf_model_free(m);
    m = model_of(text + strlen("split 0.25\n"), &o);
    assert_int_equal(gpf_point_batch(gpf_model_point(m)), 4);
    gpf_model_free(m);
    static const double bad[] = { -0.5, 1, NAN, INFINITY };
    for (size_t i = 0; i < 4; i++) {
        gpf_diag why;
        size_t n;
        o.split = bad[i];
        assert_null(gpf_model_parse(text, strlen(text), "t", &o, &why, 1, &n));
        assert_int_equal(n, 1);
        assert_int_equal(why.status, GPF_EDATA);
    }
    gpf_diag why;
    size_t n;
    o.split = 0.5;
    assert_null(gpf_model_parse("a = 1\n", 6, "t", &o, &why, 1, &n));
    assert_string_equal(why.text, "split: no data has N rows to hold out");
}

static void rows_of_the_split(void **state)
{
    (void)state;
    gpf_diag why;
    gpf_model *m = model_of("split 0.25\ndata X[N,2] = [1 2; 3 4; 5 6; 7 8]\ndata k[2] = 3\n"
                            "param w = 7\nf = sum(X)*w*rate*k[0]\n",
                            NULL);
    gsl_vector_set_all(gpf_point_params(gpf_model_point(m)), 2);
    const gpf_node X = gpf_model_find(m, "X");
    double sum = 0;
    for (int rows = 0; rows <= 2; rows++) {
        static const size_t samples[] = { 3, 1, 4 };
        gpf_point *at = gpf_model_rows(m, rows, &why);
        assert_non_null(at);
        assert_int_equal(gpf_point_batch(at), samples[rows]);
        assert_true(gsl_vector_get(gpf_point_params(at), 0) == 2);
        for (size_t i = 0; i < 2 * samples[rows]; i++)
            sum += gpf_point_values(at, X)[i];
        assert_true(gpf_point_values(at, gpf_model_rate(m))[0] == gpf_model_train_options(m)->rate);
        assert_true(gpf_point_values(at, gpf_model_find(m, "k"))[1] == 3);
        gpf_point_free(at);
    }
    assert_true(sum == 2 * 36); /* both parts make the whole */
    gpf_model_free(m);
    m = model_of("data X[N,1] = [1; 2]\n", NULL);
    assert_null(gpf_model_rows(m, 1, &why));
    assert_int_equal(why.status, GPF_EDATA);
    assert_string_equal(why.text, "t.gpf holds nothing out: it has no split");
    assert_null(gpf_model_rows(m, 1, NULL));
    gpf_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_in_text_order),
        cmocka_unit_test(output),
        cmocka_unit_test(notes),
        cmocka_unit_test(params_from_a_file),
        cmocka_unit_test(params_from_an_archive),
        cmocka_unit_test(models_from_files),
        cmocka_unit_test(errors_beyond_the_callers_room_are_counted),
        cmocka_unit_test(growth_is_limited),
        cmocka_unit_test(test_rows_need_a_split),
        cmocka_unit_test(split_that_is_asked_for),
        cmocka_unit_test(rows_of_the_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
