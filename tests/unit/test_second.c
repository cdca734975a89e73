/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"

#include "gsl/gsl.h"

/* f_i = x0 exp(-x1 t_i) + x2 x0 cos(t_i x1): its J, and fvv by the tables of second derivatives. */
enum { M = 9, N = 3 };

static struct {
    double J, fvv; /* factors */
    bool linear;   /* f = t_i x0 - x1 + 2 x2 */
    bool no_cross, fails;
} now;

static double t_of(size_t i)
{
    return 0.17 * (double)(i + 1);
}

static int f_of(const gsl_vector *x, void *p, gsl_vector *f)
{
    (void)p;
    const double *v = x->data;
    for (size_t i = 0; i < M; i++) {
        const double t = t_of(i);
        gsl_vector_set(f, i,
                       now.linear ? t * v[0] - v[1] + 2 * v[2]
                                  : v[0] * exp(-v[1] * t) + v[2] * v[0] * cos(t * v[1]));
    }
    return GSL_SUCCESS;
}

static int df_of(const gsl_vector *x, void *p, gsl_matrix *J)
{
    (void)p;
    const double *v = x->data;
    for (size_t i = 0; i < M; i++) {
        const double t = t_of(i), e = exp(-v[1] * t);
        const double d[] = { now.linear ? t : e + v[2] * cos(t * v[1]),
                             now.linear ? -1 : -v[0] * t * e - v[2] * v[0] * t * sin(t * v[1]),
                             now.linear ? 2 : v[0] * cos(t * v[1]) };
        for (size_t j = 0; j < N; j++)
            gsl_matrix_set(J, i, j, now.J * d[j]);
    }
    return GSL_SUCCESS;
}

static int fvv_of(const gsl_vector *x, const gsl_vector *direction, void *p, gsl_vector *fvv)
{
    (void)p;
    const double *v = x->data, *u = direction->data;
    if (now.fails)
        return GSL_EFAILED;
    for (size_t i = 0; i < M; i++) {
        const double t = t_of(i), e = exp(-v[1] * t), c = cos(t * v[1]), s = sin(t * v[1]);
        const double own = u[1] * u[1] * v[0] * t * t * (e - v[2] * c),
                     cross = 2 * u[0] * u[1] * t * (-e - v[2] * s) + 2 * u[0] * u[2] * c -
                             2 * u[1] * u[2] * v[0] * t * s;
        gsl_vector_set(fvv, i, now.linear ? 0 : now.fvv * (own + (now.no_cross ? 0 : cross)));
    }
    return GSL_SUCCESS;
}

static gpf_fdf *check(bool with_J, const gpf_fdf_options *how, const double *at)
{
    gsl_multifit_nlinear_fdf f = {
        .f = f_of, .df = with_J ? df_of : NULL, .fvv = fvv_of, .n = M, .p = N
    };
    gsl_vector_const_view x = gsl_vector_const_view_array(at, N);
    gpf_fdf *c = gpf_check_multifit_nlinear_fdf(&f, &x.vector, how, NULL);
    assert_non_null(c);
    return c;
}

static const gpf_fdf_part *second(const gpf_fdf *c)
{
    const gpf_fdf_part *p = gpf_fdf_part_at(c, gpf_fdf_n_parts(c) - 1);
    assert_string_equal(p->name, "fvv");
    assert_true(p->rows == M && p->cols == 1);
    return p;
}

static void begin(void)
{
    memset(&now, 0, sizeof now);
    now.J = now.fvv = 1;
}

static const double here[N] = { 1.9, 0.6, -0.8 };

static void test_right(void **state)
{
    (void)state;
    begin();
    gpf_fdf_options how = gpf_fdf_defaults();
    dice d = { 5 };
    for (how.seed = 1; how.seed < 30; how.seed++) {
        double at[N];
        fill(&d, at, N, -2, 2);
        gpf_fdf *c = check(true, &how, at);
        for (size_t i = 0; i < gpf_fdf_n_explanations(c); i++)
            fail_msg("%s", gpf_fdf_explanation(c, i)->text);
        assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_RIGHT);
        assert_int_equal(second(c)->tally.count[GPF_RIGHT], M);
        assert_true(gpf_fdf_n_calls(c).fvv > 4);
        gpf_fdf_free(c);
    }
}

/* J missing or wrong: second differences of f. */
static void test_without_J(void **state)
{
    (void)state;
    gpf_fdf_options how = gpf_fdf_defaults();
    for (how.seed = 1; how.seed < 30; how.seed++) {
        begin();
        gpf_fdf *c = check(false, &how, here);
        assert_int_equal(gpf_fdf_n_parts(c), 1);
        assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_RIGHT);
        assert_true(second(c)->tally.count[GPF_RIGHT] >= M - 2);
        gpf_fdf_free(c);
        now.J = 1.5;
        c = check(true, &how, here);
        assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_WRONG);
        assert_int_equal(second(c)->tally.count[GPF_WRONG], 0);
        assert_int_equal(gpf_fdf_n_explanations(c), 1);
        gpf_fdf_free(c);
        now.J = 2;
        now.no_cross = true;
        c = check(true, &how, here);
        assert_int_equal(gpf_fdf_n_explanations(c), 2);
        assert_int_equal(gpf_fdf_explanation(c, 0)->kind, GPF_CROSS_TERMS);
        gpf_fdf_free(c);
    }
}

/* 0 = 0 is all there is to see of a linear f. */
static void test_linear(void **state)
{
    (void)state;
    for (int with_J = 0; with_J < 2; with_J++) {
        begin();
        now.linear = true;
        gpf_fdf *c = check(with_J, NULL, here);
        assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_RIGHT);
        assert_int_equal(second(c)->tally.count[GPF_VACUOUS], M);
        gpf_fdf_free(c);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    begin();
    double lo[N], hi[N];
    for (size_t j = 0; j < N; j++) {
        lo[j] = j == 0 ? here[j] : here[j] - 0.5;
        hi[j] = j == 1 ? here[j] : here[j] + 0.5;
    }
    gsl_vector_view l = gsl_vector_view_array(lo, N), h = gsl_vector_view_array(hi, N);
    gpf_fdf_options how = gpf_fdf_defaults();
    how.lo = &l.vector;
    how.hi = &h.vector;
    for (how.seed = 1; how.seed < 20; how.seed++) {
        gpf_fdf *c = check(true, &how, here);
        assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_RIGHT);
        gpf_fdf_free(c);
    }
    now.fvv = -1;
    gpf_fdf *c = check(true, &how, here);
    assert_int_equal(gpf_fdf_explanation(c, 0)->kind, GPF_SCALED);
    gpf_fdf_free(c);
    lo[2] = hi[2] = here[2]; /* fixed: v is 0 there */
    now.fvv = 1;
    c = check(true, &how, here);
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_RIGHT);
    gpf_fdf_free(c);
}

/* sum_j c_ij g(x_j), where x_0 and x_1 are on edges of g' (g = x|x|, or Huber's) or of g = |x|:
 * whatever side fvv takes for each, it is not accused; where another one is on no edge, it is. */
enum { MANY = 60 };

static struct {
    int piece;
    double fvv;
} edge;

static double g_of(double x, int order)
{
    const double d = 0.5, side = x >= 0 ? 1 : -1, inside = fabs(x) <= d;
    const double by[3][3] = { { fabs(x), side, 0 },
                              { x * fabs(x), 2 * fabs(x), 2 * side },
                              { inside != 0 ? x * x / 2 : d * (fabs(x) - d / 2),
                                inside != 0 ? x : d * side, inside } };
    return by[edge.piece][order];
}

static double coefficient(size_t i, size_t j)
{
    return sin(3.1 * (double)i + 1.7 * (double)j + 0.3 * (double)(i * j) + 1);
}

static double edge_sum(size_t i, const gsl_vector *x, const gsl_vector *v, int order)
{
    double sum = 0;
    for (size_t j = 0; j < MANY; j++) {
        const double c = coefficient(i, j), at = gsl_vector_get(x, j);
        sum += c * g_of(at, order) * (v ? pow(gsl_vector_get(v, j), 2) : 1);
        if (j == MANY - 1) /* a part that is smooth everywhere */
            sum += v ? -3 * sin(at) * pow(gsl_vector_get(v, j), 2) : 3 * sin(at);
    }
    return sum;
}

static int edge_f(const gsl_vector *x, void *p, gsl_vector *f)
{
    (void)p;
    for (size_t i = 0; i < M; i++)
        gsl_vector_set(f, i, edge_sum(i, x, NULL, 0));
    return GSL_SUCCESS;
}

static int edge_df(const gsl_vector *x, void *p, gsl_matrix *J)
{
    (void)p;
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < MANY; j++) {
            const double at = gsl_vector_get(x, j);
            gsl_matrix_set(J, i, j,
                           coefficient(i, j) * g_of(at, 1) + (j == MANY - 1 ? 3 * cos(at) : 0));
        }
    return GSL_SUCCESS;
}

static int edge_fvv(const gsl_vector *x, const gsl_vector *v, void *p, gsl_vector *fvv)
{
    (void)p;
    for (size_t i = 0; i < M; i++)
        gsl_vector_set(fvv, i, edge.fvv * edge_sum(i, x, v, 2));
    return GSL_SUCCESS;
}

static void test_kinks(void **state)
{
    (void)state;
    const gsl_multifit_nlinear_fdf f = {
        .f = edge_f, .df = edge_df, .fvv = edge_fvv, .n = M, .p = MANY
    };
    double at[MANY];
    gsl_vector_view x = gsl_vector_view_array(at, MANY);
    for (edge.piece = 0; edge.piece < 3; edge.piece++)
        for (size_t on = 0; on < 4; on++)
            for (int run = 0; run < 16; run++) {
                for (size_t j = 0; j < MANY; j++)
                    at[j] = 1.3 * sin(2.3 * (double)j + 0.4);
                for (size_t j = 0; j < on; j++)
                    at[j] = edge.piece == 2 ? 0.5 : 0;
                gpf_fdf_options how = gpf_fdf_defaults();
                how.fast = run % 2;
                how.seed = 1 + (unsigned long)run;
                edge.fvv = 1;
                gpf_fdf *c = gpf_check_multifit_nlinear_fdf(&f, &x.vector, &how, NULL);
                if (gpf_fdf_outcome(c) == GPF_OUTCOME_WRONG)
                    fail_msg("piece %d, %d on edges, seed %lu: %s", edge.piece, (int)on, how.seed,
                             gpf_fdf_explanation(c, 0)->text);
                gpf_fdf_free(c);
                edge.fvv = 1.5;
                c = gpf_check_multifit_nlinear_fdf(&f, &x.vector, &how, NULL);
                if (on == 0)
                    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_WRONG);
                gpf_fdf_free(c);
            }
}

static void test_failing(void **state)
{
    (void)state;
    begin();
    now.fails = true;
    gpf_fdf *c = check(true, NULL, here);
    assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_WRONG);
    assert_int_equal(gpf_fdf_explanation(c, 0)->kind, GPF_FAILS);
    assert_string_equal(
        gpf_fdf_explanation(c, 0)->text,
        "fvv returned 5 (generic failure) at x = (1.9, 0.6, -0.8), where f does not "
        "fail");
    gpf_fdf_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),   cmocka_unit_test(test_without_J),
        cmocka_unit_test(test_linear),  cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_failing), cmocka_unit_test(test_kinks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
