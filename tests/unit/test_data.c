/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model_test.h"

/* Tables of this test, beside the model t.gpf: in the directory the test runs in. */
static int write_tables(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
    } list[] = {
        { "test_data_a.csv", "x,\"long name\",kind\n1,10,b\n2,20,a\n6,60,b\n" },
        { "test_data_slip.csv", "x,y\n1,2\n3,4,5x\n" },
        { "test_data_mixed.csv", "x,y\n1,2\n3,5x\n" },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        FILE *f = fopen(list[i].name, "wb");
        if (!f || fputs(list[i].text, f) < 0 || fclose(f))
            return -1;
    }
    return 0;
}

static int remove_tables(void **state)
{
    (void)state;
    return remove("test_data_a.csv") | remove("test_data_slip.csv") | remove("test_data_mixed.csv");
}

static void files(void **state)
{
    (void)state;
    gpf_model *m = model_of("data X = csv(\"test_data_a.csv\", \"long name\", x)\n"
                            "data k = csv(\"test_data_a.csv\", kind)\n"
                            "data Y = one_hot(csv(\"test_data_a.csv\", kind))\n"
                            "Z = one_hot(k)\n"
                            "data C[3,1] = csv(\"test_data_a.csv\", x)\n",
                            NULL);
    assert_is(m, "X", "Nx2", "10 1 20 2 60 6");
    assert_is(m, "k", "Nx1", "1 0 1");
    assert_is(m, "Y", "Nx2", "0 1 1 0 0 1");
    assert_is(m, "Z", "Nx2", "0 1 1 0 0 1");
    assert_is(m, "C", "3x1", "1 2 6");
    gpf_model_free(m);
}

static void literals_and_shapes(void **state)
{
    (void)state;
    gpf_model *m = model_of("H = 2\n"
                            "data a = [1 2; 3 4]\n"
                            "data b[N,H] = [1 2; 3 4]\n"
                            "data c[3] = [1; 2; (6/2)]\n"
                            "data d[2,2,2] = [1 2 3 4 5 6 7 8]\n"
                            "data e[N,2,1] = [1 2; 3 4]\n"
                            "data f = 7\n"
                            "data g[] = -7\n"
                            "data h[N] = [1; 2]\n"
                            "data i = zeros(2, 3) + 1\n"
                            "data j = 2*ones(2, H)/4 - a\n",
                            NULL);
    assert_is(m, "a", "2x2", "1 2 3 4");
    assert_is(m, "b", "Nx2", "1 2 3 4");
    assert_is(m, "c", "3", "1 2 3");
    assert_is(m, "d", "2x2x2", "1 2 3 4 5 6 7 8");
    assert_is(m, "e", "Nx2x1", "1 2 3 4");
    assert_is(m, "f", "scalar", "7");
    assert_is(m, "g", "scalar", "-7");
    assert_is(m, "h", "N", "1 2");
    assert_is(m, "i", "Nx3", "1 1 1 1 1 1");
    assert_is(m, "j", "Nx2", "-0.5 -1.5 -2.5 -3.5");
    assert_int_equal(gpf_point_batch(gpf_model_point(m)), 2);
    gpf_model_free(m);
}

static void generators(void **state)
{
    (void)state;
    gpf_model *m = model_of("data n = normal(200, 2)\ndata u = uniform(200, 1, lo=2, hi=3)\n"
                            "data k = randint(200, 3)\ndata s = spirals(100, 2, noise=0)\n"
                            "data l = spiral_labels(100, 2)\nY = one_hot(l)\nK = one_hot(k)\n",
                            NULL);
    size_t size;
    double *u = values_of(m, gpf_model_find(m, "u"), &size), sum = 0;
    for (size_t i = 0; i < size; i++)
        assert_true(u[i] > 2 && u[i] < 3);
    double *n = values_of(m, gpf_model_find(m, "n"), &size);
    assert_int_equal(size, 400);
    for (size_t i = 0; i < size; i++)
        sum += n[i] * n[i];
    assert_true(fabs(sum / 400 - 1) < 0.4);
    double *k = values_of(m, gpf_model_find(m, "k"), &size);
    int count[3] = { 0 };
    for (size_t i = 0; i < size; i++) {
        assert_true(k[i] == 0 || k[i] == 1 || k[i] == 2);
        count[(int)k[i]]++;
    }
    assert_true(count[0] > 30 && count[1] > 30 && count[2] > 30);
    /* without noise a spiral is its formula */
    double *s = values_of(m, gpf_model_find(m, "s"), &size);
    for (size_t i = 0; i < 200; i++) {
        const double r = (double)(i % 100) / 99, t = 4 * ((i < 100 ? 0 : 1) + r);
        assert_true(fabs(s[2 * i] - r * sin(t)) < 1e-12);
        assert_true(fabs(s[2 * i + 1] - r * cos(t)) < 1e-12);
    }
    double *l = values_of(m, gpf_model_find(m, "l"), &size);
    assert_true(l[99] == 0 && l[100] == 1);
    free(u);
    free(n);
    free(k);
    free(s);
    free(l);
    gpf_model_free(m);
}

static void standardize(void **state)
{
    (void)state;
    gpf_model *m = model_of("data X = standardize([1 10; 3 10.5; 5 11])\n", NULL);
    assert_is(m, "X", "3x2",
              "-1.2247448713915890 -1.2247448713915890 0 0 1.2247448713915890 1.2247448713915890");
    gpf_model_free(m);
}

/* Mean and deviation come from the training rows, also when the test rows are asked for. */
static void split(void **state)
{
    (void)state;
    const char *text = "split 0.25\n"
                       "data raw[N,1] = [1; 2; 3; 4; 5; 6; 7; 80]\n"
                       "data X[N,1] = standardize([1; 2; 3; 4; 5; 6; 7; 80])\n"
                       "data fixed = [1; 2]\n";
    double *raw[3], *x[3], sum = 0, squares = 0;
    size_t n[3];
    for (int rows = 0; rows < 3; rows++) {
        const gpf_model_options o = { .rows = rows };
        gpf_model *m = model_of(text, &o);
        raw[rows] = values_of(m, gpf_model_find(m, "raw"), &n[rows]);
        x[rows] = values_of(m, gpf_model_find(m, "X"), &n[rows]);
        assert_int_equal(gpf_point_batch(gpf_model_point(m)), n[rows]);
        assert_is(m, "fixed", "2x1", "1 2");
        gpf_model_free(m);
    }
    assert_int_equal(n[0], 6);
    assert_int_equal(n[1], 2);
    assert_int_equal(n[2], 8);
    for (size_t i = 0; i < 6; i++)
        sum += raw[0][i];
    for (size_t i = 0; i < 6; i++)
        squares += pow(raw[0][i] - sum / 6, 2);
    for (int rows = 0; rows < 3; rows++)
        for (size_t i = 0; i < n[rows]; i++)
            assert_true(fabs(x[rows][i] - (raw[rows][i] - sum / 6) / sqrt(squares / 6)) < 1e-12);
    for (size_t i = 0, a = 0, b = 0; i < 8; i++) /* the parts make the whole, in order */
        if (a < 6 && raw[2][i] == raw[0][a])
            a++;
        else
            assert_true(raw[2][i] == raw[1][b++]);
    for (int rows = 0; rows < 3; rows++) {
        free(raw[rows]);
        free(x[rows]);
    }
}

static void a_number_fills_declared_sizes(void **state)
{
    (void)state;
    gpf_model *m = model_of("data x[3] = 1 + 1\ndata y[2,2] = -1\ndata z = -3\n", NULL);
    assert_is(m, "x", "3", "2 2 2");
    assert_is(m, "y", "2x2", "-1 -1 -1 -1");
    assert_is(m, "z", "scalar", "-3");
    gpf_model_free(m);
}

static void wrong_data(void **state)
{
    (void)state;
    static const wrong list[] = {
        { "data x = uniform(2, 2, 1, 0)\n", 1, 10, 7, "uniform: lo = 1 is larger than hi = 0",
          GPF_EDATA },
        { "data x = spirals(2, 2, noise=-1)\n", 1, 10, 7,
          "spirals: the noise is a standard deviation, so not -1", GPF_EDATA },
        { "data x[2] = [1]\n", 1, 13, 3, "data x is declared as 2 but its values are 1x1",
          GPF_ESHAPE },
        { "data X = csv(\"no.csv\")\n", 1, 14, 8, "no.csv: no such file", GPF_EFILE },
        { "data X = csv(\"test_data_a.csv\", z)\n", 1, 33, 1,
          "test_data_a.csv has no column 'z'; it has x, long name, kind", GPF_ENAME },
        { "data X = csv(\"test_data_a.csv\", kin)\n", 1, 33, 3,
          "test_data_a.csv has no column 'kin' (did you mean 'kind'?)", GPF_ENAME },
        { "data X = csv(\"test_data_a.csv\")\n", 1, 10, 22,
          "column 'kind' is not numbers: 'b' at test_data_a.csv:2:6; a column of labels is read "
          "alone",
          GPF_EDATA },
        { "data X = csv(\"test_data_mixed.csv\", y)\n", 1, 37, 1,
          "column 'y' is not numbers: '5x' at test_data_mixed.csv:3:3", GPF_EDATA },
        { "data X = csv(\"test_data_slip.csv\")\n", 1, 14, 20,
          "test_data_slip.csv:3:5: more cells than the header's 2 columns", GPF_EDATA },
        { "data X = csv(x)\n", 1, 10, 3, "csv takes the file's name", GPF_ESYNTAX },
        { "data X = csv(\"test_data_a.csv\", 1)\n", 1, 33, 1, "a column is a name", GPF_ESYNTAX },
        { "data X = normal(3)\n", 1, 10, 6, "normal: 'columns' is missing", GPF_ESYNTAX },
        { "data X = normal(3, 2, 1)\n", 1, 23, 1, "normal takes at most 2 numbers", GPF_ESYNTAX },
        { "data X = normal(3, 0)\n", 1, 20, 1, "columns: expected a whole number from 1",
          GPF_EDATA },
        { "data X = normal(3, 2, sd=1)\n", 1, 26, 1, "normal has no parameter 'sd'", GPF_ENAME },
        { "data X = norml(3, 2)\n", 1, 10, 5, "norml does not make a table (did you mean 'normal'",
          GPF_ENAME },
        { "data X = standardize([1 2; 1 3])\n", 1, 10, 11,
          "standardize: column 1 of X is 1 in all 2 rows", GPF_EDATA },
        { "data X = one_hot([0; 1.5])\n", 1, 10, 7, "one_hot: row 2 is 1.5, labels are whole",
          GPF_EDATA },
        { "data X = one_hot([0; 2], 2)\n", 1, 10, 7, "one_hot: row 2 is 2, labels are whole",
          GPF_EDATA },
        { "data X = one_hot([0 1])\n", 1, 10, 7, "one_hot: labels are one column, not 2",
          GPF_ESHAPE },
        { "data X = [1 2] + [1; 2]\n", 1, 16, 1, "add of tables: 1x2 and 2x1", GPF_ESHAPE },
        { "data X = [1 2]/0\n", 1, 15, 1, "div: 1 and 0 give inf", GPF_EDATA },
        { "data X[3,2] = [1 2; 3 4]\n", 1, 15, 10,
          "data X is declared as 3x2 but its values are 2x2", GPF_ESHAPE },
        { "data X = normal(4, 1)\ndata y = normal(5, 1)\n", 2, 10, 12,
          "y has 5 rows but X has 4; all tables of N samples must have the same", GPF_ESHAPE },
        { "data X = normal(100000, 100000)\n", 1, 10, 6,
          "table of 100000x100000 takes 8e+04 MB; with what there is", GPF_ELIMIT },
        { "data X[2,N] = [1 2; 3 4]\n", 1, 10, 1, "N, the number of samples, can only be the first",
          GPF_ESHAPE },
        { "split 0.9\ndata X = normal(3, 1)\n", 2, 10, 12, "split 0.9 of 3 rows leaves no training",
          GPF_EDATA },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        assert_wrong(&list[i]);
}

static void limits_are_the_callers(void **state)
{
    (void)state;
    const gpf_model_options o = { .max_bytes = 1000 };
    gpf_diag why;
    size_t n;
    const char *fits = "data X = normal(60, 1)\nparam W[65] = 0\n", *not = "param W[126] = 0\n";
    gpf_model_free(model_of(fits, &o));
    assert_null(gpf_model_parse(not, strlen(not ), "t", &o, &why, 1, &n));
    assert_int_equal(why.status, GPF_ELIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),      cmocka_unit_test(literals_and_shapes),
        cmocka_unit_test(generators), cmocka_unit_test(standardize),
        cmocka_unit_test(split),      cmocka_unit_test(a_number_fills_declared_sizes),
        cmocka_unit_test(wrong_data), cmocka_unit_test(limits_are_the_callers),
    };
    return cmocka_run_group_tests(tests, write_tables, remove_tables);
}
