/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"

#include "gsl/gsl.h"

/* f_i = sum_j a_ij sin(x_j), of any size: products with J need no J. */
enum { MOST = 60 };

static struct {
    double forward, backward, squares; /* factors */
    double with_squares;               /* of J' u, where J'J is asked for too */
    size_t column;                     /* of J' alone: another sign; MOST: none */
} now;

static double a_of(size_t i, size_t j)
{
    return sin(3.1 * (double)i + 7.7 * (double)(j + 1) * (double)(j + 2)) + 0.3;
}

static int f_of(const gsl_vector *x, void *p, gsl_vector *f)
{
    (void)p;
    for (size_t i = 0; i < f->size; i++) {
        double sum = 0;
        for (size_t j = 0; j < x->size; j++)
            sum += a_of(i, j) * sin(gsl_vector_get(x, j));
        gsl_vector_set(f, i, sum);
    }
    return GSL_SUCCESS;
}

static int df_of(CBLAS_TRANSPOSE_t trans, const gsl_vector *x, const gsl_vector *u, void *p,
                 gsl_vector *v, gsl_matrix *JTJ)
{
    const size_t n = x->size, m = trans == CblasTrans ? u->size : v->size;
    (void)p;
    for (size_t k = 0; k < v->size; k++) {
        double sum = 0;
        for (size_t l = 0; l < u->size; l++)
            sum += u->data[l] * (trans == CblasTrans ? a_of(l, k) * cos(x->data[k])
                                                     : a_of(k, l) * cos(x->data[l]));
        sum *= trans == CblasTrans ? now.backward * (JTJ ? now.with_squares : 1) : now.forward;
        v->data[k] = trans == CblasTrans && k == now.column ? -sum : sum;
    }
    for (size_t j = 0; JTJ && j < n; j++)
        for (size_t k = 0; k <= j; k++) {
            double sum = 0;
            for (size_t i = 0; i < m; i++)
                sum += a_of(i, j) * a_of(i, k);
            gsl_matrix_set(JTJ, j, k, now.squares * sum * cos(x->data[j]) * cos(x->data[k]));
        }
    return GSL_SUCCESS;
}

static gpf_fdf *check(size_t m, size_t n, bool fast)
{
    const gsl_multilarge_nlinear_fdf f = { .f = f_of, .df = df_of, .n = m, .p = n };
    double at[MOST];
    dice d = { m * 100 + n };
    fill(&d, at, n, 0.2, 1.2);
    gsl_vector_view x = gsl_vector_view_array(at, n);
    gpf_fdf_options how = gpf_fdf_defaults();
    how.fast = fast;
    gpf_fdf *c = gpf_check_multilarge_nlinear_fdf(&f, &x.vector, &how, NULL);
    assert_non_null(c);
    return c;
}

static void begin(void)
{
    now.forward = now.backward = now.squares = now.with_squares = 1;
    now.column = MOST;
}

static gpf_tally tally(const gpf_fdf *c, const char *name)
{
    for (size_t p = 0; p < gpf_fdf_n_parts(c); p++)
        if (strcmp(gpf_fdf_part_at(c, p)->name, name) == 0)
            return gpf_fdf_part_at(c, p)->tally;
    fail_msg("no part %s", name);
    return (gpf_tally){ .total = 0 };
}

static void test_right(void **state)
{
    (void)state;
    static const size_t shapes[][2] = {
        { 5, 3 }, { 3, 5 }, { 1, 1 }, { 1, 7 }, { 9, 1 }, { 4, 4 }
    };
    begin();
    for (size_t i = 0; i < COUNT(shapes); i++) {
        const size_t m = shapes[i][0], n = shapes[i][1];
        gpf_fdf *c = check(m, n, false);
        assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_RIGHT);
        assert_int_equal(gpf_fdf_n_explanations(c), 0);
        assert_int_equal(tally(c, "J u").count[GPF_RIGHT], m * n);
        assert_int_equal(tally(c, "J' u").count[GPF_RIGHT], n);
        assert_int_equal(tally(c, "J'J").count[GPF_RIGHT], n * (n + 1) / 2);
        assert_int_equal(tally(c, "J'J").total, n * (n + 1) / 2);
        gpf_fdf_free(c);
    }
}

/* Whose fault: where J' alone is wrong, J is not accused; and the reverse. */
static void test_one_of_them(void **state)
{
    (void)state;
    begin();
    now.backward = 2;
    gpf_fdf *c = check(7, 3, false);
    assert_int_equal(tally(c, "J u").count[GPF_WRONG], 0);
    assert_int_equal(tally(c, "J' u").count[GPF_WRONG], 3);
    assert_int_equal(tally(c, "J'J").count[GPF_WRONG], 0);
    assert_int_equal(gpf_fdf_n_explanations(c), 1);
    assert_int_equal(gpf_fdf_explanation(c, 0)->kind, GPF_SCALED);
    gpf_fdf_free(c);
    begin();
    now.forward = 2;
    c = check(7, 3, false);
    assert_int_equal(tally(c, "J u").count[GPF_WRONG], 21);
    assert_int_equal(tally(c, "J' u").count[GPF_WRONG], 0);
    assert_int_equal(tally(c, "J'J").count[GPF_WRONG], 0);
    gpf_fdf_free(c);
    begin();
    now.squares = -1;
    c = check(7, 3, false);
    assert_int_equal(tally(c, "J'J").count[GPF_WRONG], 6);
    assert_int_equal(gpf_fdf_n_explanations(c), 1);
    gpf_fdf_free(c);
    begin();
    now.column = 1;
    c = check(7, 3, false);
    assert_int_equal(tally(c, "J' u").count[GPF_WRONG], 1);
    char label[32];
    for (size_t i = 0; i < gpf_fdf_n_elements(c); i++)
        if (gpf_fdf_element(c, i)->verdict == GPF_WRONG)
            assert_string_equal(gpf_fdf_label(c, i, label, sizeof label), "J' u[1]");
    gpf_fdf_free(c);
    begin();
    now.with_squares = 0.5;
    c = check(7, 3, false);
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_WRONG);
    assert_int_equal(gpf_fdf_explanation(c, 0)->kind, GPF_INCOHERENT);
    assert_string_equal(gpf_fdf_part_at(c, 1)->name, "J' u");
    assert_int_equal(gpf_fdf_explanation(c, 0)->part, 1);
    gpf_fdf_free(c);
}

/* Without J: a sample of J' u, and one number for all the rest. */
static void test_fast(void **state)
{
    (void)state;
    begin();
    gpf_fdf *c = check(40, MOST, true);
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_RIGHT);
    assert_int_equal(tally(c, "J' u").count[GPF_RIGHT], 32);
    assert_int_equal(tally(c, "J' u").total, MOST);
    gpf_fdf_free(c);
    now.backward = 2;
    c = check(40, MOST, true);
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_WRONG);
    assert_int_equal(tally(c, "J' u").count[GPF_WRONG], 32);
    gpf_fdf_free(c);
    for (size_t j = 0; j < MOST; j++) {
        begin();
        now.column = j;
        c = check(40, MOST, true);
        assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_WRONG);
        gpf_fdf_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),
        cmocka_unit_test(test_one_of_them),
        cmocka_unit_test(test_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
