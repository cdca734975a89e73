/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is said of how a callback behaves; the planted suite has the bugs of each structure. */
#include "help.h"

#include "gsl/gsl.h"

/* f = sum (x_j - 0.3 j)^4 + product, of three variables. */
enum { N = 3 };

typedef enum trick {
    NO_TRICK,
    ROUNDS,       /* the sum in changing order */
    NOISE,        /* 1e-9 of chance */
    NARROW,       /* f is defined at x and, of what is near, in one direction only */
    FIRST_CALL,   /* df's first call gives something else */
    FDF_ROUNDS,   /* fdf computes in another order */
    NAN_SURVIVES, /* df multiplies the old content by 0 */
    DF_FROM_F,    /* df takes what f computed last, fdf does not care */
    F_FROM_DF     /* f is off after df */
} trick;

static struct {
    trick is;
    size_t calls;
    dice d;
    double last;
    bool off;
} now;

static const double here[N] = { 0.7, -1.1, 0.4 };

static double value(const double *x, bool backwards)
{
    double sum = 0;
    for (size_t i = 0; i < 40; i++) {
        const size_t k = backwards ? 39 - i : i;
        sum += sin((double)k * x[0] + x[1]) * 1e3 + x[2] * x[2] - x[0] * x[1] / ((double)k + 1);
    }
    return sum;
}

static void gradient(const double *x, bool backwards, double *d)
{
    d[0] = d[1] = d[2] = 0;
    for (size_t i = 0; i < 40; i++) {
        const size_t k = backwards ? 39 - i : i;
        const double c = cos((double)k * x[0] + x[1]) * 1e3;
        d[0] += (double)k * c - x[1] / ((double)k + 1);
        d[1] += c - x[0] / ((double)k + 1);
        d[2] += 2 * x[2];
    }
}

static double f_of(const gsl_vector *x, void *p)
{
    (void)p;
    double f = value(x->data, now.is == ROUNDS && now.calls++ % 2);
    if (now.is == NOISE)
        f += 1e-3 * between(&now.d, -1, 1);
    if (now.is == NARROW && x->data[0] > here[0])
        return NAN;
    if (now.is == F_FROM_DF && now.off)
        f += 1;
    now.off = false;
    now.last = x->data[0];
    return f;
}

static void df_of(const gsl_vector *x, void *p, gsl_vector *df)
{
    (void)p;
    double at[N], d[N];
    memcpy(at, x->data, sizeof at);
    if (now.is == DF_FROM_F)
        at[0] = now.last;
    gradient(at, false, d);
    if (now.is == FIRST_CALL && now.calls++ == 0)
        d[1] = 5;
    now.off = true;
    for (size_t j = 0; j < N; j++)
        gsl_vector_set(df, j, d[j] + (now.is == NAN_SURVIVES ? 0 * gsl_vector_get(df, j) : 0));
}

static void fdf_of(const gsl_vector *x, void *p, double *f, gsl_vector *df)
{
    *f = f_of(x, p);
    if (now.is == FDF_ROUNDS)
        *f = value(x->data, true);
    gradient(x->data, now.is == FDF_ROUNDS, df->data);
    now.off = false;
}

static gpf_fdf *check(trick is)
{
    gsl_multimin_function_fdf f = { f_of, df_of, fdf_of, N, NULL };
    gsl_vector_const_view x = gsl_vector_const_view_array(here, N);
    memset(&now, 0, sizeof now);
    now.is = is;
    gpf_fdf *c = gpf_check_multimin_fdf(&f, &x.vector, NULL, NULL);
    assert_non_null(c);
    return c;
}

static void expect(trick is, gpf_outcome outcome, gpf_explanation_kind kind, gpf_severity severity,
                   const char *begins)
{
    gpf_fdf *c = check(is);
    const gpf_explanation *e = gpf_fdf_explanation(c, 0);
    assert_int_equal(gpf_fdf_outcome(c), outcome);
    assert_non_null(e);
    if (e->kind != kind || strncmp(e->text, begins, strlen(begins)) != 0)
        fail_msg("%s, not %s", e->text, begins);
    assert_int_equal(e->severity, severity);
    gpf_fdf_free(c);
}

static void test_right(void **state)
{
    (void)state;
    static const trick right[] = { NO_TRICK, FDF_ROUNDS, NARROW };
    for (size_t i = 0; i < COUNT(right); i++) {
        gpf_fdf *c = check(right[i]);
        const gpf_explanation *e = gpf_fdf_explanation(c, 0);
        assert_int_equal(gpf_fdf_n_explanations(c), right[i] == NARROW);
        if (e) {
            assert_int_equal(e->severity, GPF_NOTE);
            assert_true(strncmp(e->text, "f is nan at x = (0.", 19) == 0);
        }
        assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_RIGHT);
        gpf_fdf_free(c);
    }
}

/* A sum in changing order is no doubt. */
static void test_chance(void **state)
{
    (void)state;
    expect(ROUNDS, GPF_OUTCOME_RIGHT, GPF_RANDOM, GPF_NOTE,
           "f varies from call to call by rounding");
    gpf_fdf *c = check(NOISE);
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_UNTESTED);
    assert_int_equal(gpf_fdf_explanation(c, 0)->kind, GPF_RANDOM);
    assert_int_equal(gpf_fdf_explanation(c, 0)->severity, GPF_DOUBT);
    for (size_t i = 0; i < gpf_fdf_n_elements(c); i++)
        assert_int_not_equal(gpf_fdf_element(c, i)->verdict, GPF_WRONG);
    gpf_fdf_free(c);
}

static void test_order(void **state)
{
    (void)state;
    expect(FIRST_CALL, GPF_OUTCOME_WRONG, GPF_ORDER, GPF_FAULT,
           "df depends on how often it was called: df[1] is 5 at first");
    expect(F_FROM_DF, GPF_OUTCOME_WRONG, GPF_ORDER, GPF_FAULT,
           "f depends on what was called before");
}

static void test_accumulation(void **state)
{
    (void)state;
    expect(NAN_SURVIVES, GPF_OUTCOME_WRONG, GPF_ACCUMULATES, GPF_FAULT, "df adds");
}

/* Two equal values of the two f say nothing of which; all df's entries are of the other x. */
static void test_stale(void **state)
{
    (void)state;
    gpf_fdf *c = check(DF_FROM_F);
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_WRONG);
    assert_int_equal(gpf_fdf_n_explanations(c), 1);
    const gpf_explanation *e = gpf_fdf_explanation(c, 0);
    assert_true(e->kind == GPF_STALE || e->kind == GPF_ORDER);
    /* the rest was judged with f called first */
    for (size_t i = 0; i < gpf_fdf_n_elements(c); i++)
        assert_int_equal(gpf_fdf_element(c, i)->verdict, GPF_RIGHT);
    gpf_fdf_free(c);
}

/* A gradient at a minimum is nothing but rounding, another one in fdf. */
static double bowl(const gsl_vector *x, void *p)
{
    (void)p;
    double sum = 0;
    for (size_t i = 0; i < 50; i++)
        sum += pow(x->data[0] - 0.1 * (double)i, 2);
    return sum;
}

static void bowl_df(const gsl_vector *x, void *p, gsl_vector *df)
{
    (void)p;
    double sum = 0;
    for (size_t i = 0; i < 50; i++)
        sum += 2 * (x->data[0] - 0.1 * (double)i);
    df->data[0] = sum;
}

static void bowl_fdf(const gsl_vector *x, void *p, double *f, gsl_vector *df)
{
    *f = bowl(x, p);
    df->data[0] = 0;
    for (size_t i = 50; i-- > 0;)
        df->data[0] += 2 * (x->data[0] - 0.1 * (double)i);
}

static void test_minimum(void **state)
{
    (void)state;
    gsl_multimin_function_fdf f = { bowl, bowl_df, bowl_fdf, 1, NULL };
    double at[] = { 2.45 };
    gsl_vector_view x = gsl_vector_view_array(at, 1);
    gpf_fdf *c = gpf_check_multimin_fdf(&f, &x.vector, NULL, NULL);
    assert_int_not_equal(gpf_fdf_outcome(c), GPF_OUTCOME_WRONG);
    gpf_fdf_free(c);
}

/* Without df, fdf's own derivative is what is under test. */
static void test_without_df(void **state)
{
    (void)state;
    gsl_multimin_function_fdf f = { f_of, NULL, fdf_of, N, NULL };
    gsl_vector_const_view x = gsl_vector_const_view_array(here, N);
    memset(&now, 0, sizeof now);
    gpf_fdf *c = gpf_check_multimin_fdf(&f, &x.vector, NULL, NULL);
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_RIGHT);
    assert_int_equal(gpf_fdf_part_at(c, 0)->tally.count[GPF_RIGHT], N);
    assert_int_equal(gpf_fdf_part_at(c, 1)->tally.count[GPF_RIGHT], 1);
    gpf_fdf_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),      cmocka_unit_test(test_chance),
        cmocka_unit_test(test_order),      cmocka_unit_test(test_accumulation),
        cmocka_unit_test(test_stale),      cmocka_unit_test(test_minimum),
        cmocka_unit_test(test_without_df),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
