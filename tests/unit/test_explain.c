/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mistakes are planted into random derivatives: each must be called by its name, and what is no
 * mistake of a known kind by none. GRADPROOF_CONFUSION=1 in the environment prints the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check/explain.h"
#include "check/stencil.h"

#include <gradproof.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 6 };

typedef enum make { DENSE, SYMMETRIC, DIAGONAL, SPARSE, SMALL_AND_LARGE, N_MAKES } make;

typedef struct scene {
    gpf__evidence e;
    size_t n;
    double *a, *numeric, *error, *x, *weights, *total;
    unsigned char *verdict;
    gpf__count counts[2];
    gsl_rng *r;
    gpf_explanation out[MOST];
    int n_out;
} scene;

static double normal(gsl_rng *r)
{
    return gsl_ran_gaussian(r, 1);
}

/* Right derivatives: a known to `noise` of their size. */
static void begin(scene *s, gsl_rng *r, size_t rows, size_t cols, make how, double noise)
{
    memset(s, 0, sizeof *s);
    s->r = r;
    s->n = rows * cols;
    s->a = calloc(s->n, sizeof(double));
    s->numeric = calloc(s->n, sizeof(double));
    s->error = calloc(s->n, sizeof(double));
    s->x = calloc(cols, sizeof(double));
    s->weights = calloc(rows, sizeof(double));
    s->total = calloc(rows, sizeof(double));
    s->verdict = calloc(s->n, 1);
    for (size_t i = 0; i < s->n; i++) {
        const size_t row = i / cols, col = i % cols;
        s->a[i] = normal(r);
        if (how == SYMMETRIC && row > col && row < cols)
            s->a[i] = s->a[col * cols + row];
        if (how == DIAGONAL && row != col && rows > 1)
            s->a[i] = 0;
        if (how == SPARSE && gsl_rng_uniform(r) < 0.6)
            s->a[i] = 0;
        if (how == SMALL_AND_LARGE)
            s->a[i] *= pow(10, 6 * gsl_rng_uniform(r) - 3);
        s->error[i] = noise * (fabs(s->a[i]) + 0.1);
        s->numeric[i] = s->a[i] + s->error[i] * (2 * gsl_rng_uniform(r) - 1);
    }
    for (size_t j = 0; j < cols; j++)
        s->x[j] = normal(r);
    for (size_t i = 0; i < rows; i++) {
        s->weights[i] = 0.2 + 3 * gsl_rng_uniform(r);
        s->total[i] = normal(r);
    }
    s->counts[0] = (gpf__count){ 200, "the number of samples", NULL };
    s->counts[1] = (gpf__count){ (double)cols, "the number of variables", NULL };
    s->e = (gpf__evidence){ .name = "J",
                            .rows = rows,
                            .cols = cols,
                            .analytic = s->a,
                            .numeric = s->numeric,
                            .error = s->error,
                            .verdict = s->verdict,
                            .x = s->x,
                            .x_col = 1,
                            .weights = s->weights,
                            .total = s->total,
                            .counts = s->counts,
                            .n_counts = 2 };
}

static void end(scene *s)
{
    free(s->a);
    free(s->numeric);
    free(s->error);
    free(s->x);
    free(s->weights);
    free(s->total);
    free(s->verdict);
}

/* Verdicts from the numbers; a part of the entries is not evidence. Returns how many are wrong. */
static size_t look(scene *s, double unseen)
{
    size_t wrong = 0;
    static const unsigned char other[] = { GPF_KINK, GPF_UNRESOLVED, GPF_N_VERDICTS };
    for (size_t i = 0; i < s->n; i++) {
        const double claim = fabs(s->a[i]) > 0 ? fabs(s->a[i]) : 1;
        s->verdict[i] = !gpf__agree(s->a[i], s->numeric[i], s->error[i], 0)  ? GPF_WRONG
                        : s->a[i] == 0 && fabs(s->numeric[i]) <= s->error[i] ? GPF_VACUOUS
                        : s->error[i] <= 0.1 * claim                         ? GPF_RIGHT
                                                                             : GPF_UNRESOLVED;
        if (unseen > 0 && gsl_rng_uniform(s->r) < unseen) {
            s->verdict[i] = other[gsl_rng_uniform_int(s->r, 3)];
            s->numeric[i] = gsl_rng_uniform(s->r) < 0.5 ? NAN : normal(s->r);
        }
        wrong += s->verdict[i] == GPF_WRONG;
    }
    s->n_out = gpf__explain(&s->e, s->out, MOST);
    return wrong;
}

/* A mistake: its kind, how it is made, and the row, column, other and ratio it must be given. */
typedef struct mistake {
    gpf_explanation_kind kind;
    const char *name;
    /* 0 where it cannot be made, or not be told from another one */
    int (*plant)(scene *s, gpf_explanation *expected);
} mistake;

static int few(const scene *s, size_t rows, size_t cols)
{
    return s->e.rows < rows || s->e.cols < cols;
}

static int plant_factor_of_all(scene *s, gpf_explanation *x)
{
    static const double c[] = { 2, 0.5, -1, -2, 4, 200, 1 / 200.0, 57.29577951308232, 1.3718 };
    x->ratio = c[gsl_rng_uniform_int(s->r, 9)];
    if (s->n == 1 && x->ratio == 1.3718)
        return 0;
    for (size_t i = 0; i < s->n; i++)
        s->a[i] *= x->ratio;
    return 1;
}

static int plant_column(scene *s, gpf_explanation *x)
{
    static const double c[] = { 2, -1, 0.25, 1.937 };
    if (few(s, 3, 2))
        return 0;
    x->ratio = c[gsl_rng_uniform_int(s->r, 4)];
    x->column = (ptrdiff_t)gsl_rng_uniform_int(s->r, s->e.cols);
    for (size_t i = 0; i < s->e.rows; i++)
        s->a[i * s->e.cols + (size_t)x->column] *= x->ratio;
    return 1;
}

static int plant_row(scene *s, gpf_explanation *x)
{
    static const double c[] = { 2, -1, 0.25, 1.937 };
    if (few(s, 2, 3))
        return 0;
    x->ratio = c[gsl_rng_uniform_int(s->r, 4)];
    x->row = (ptrdiff_t)gsl_rng_uniform_int(s->r, s->e.rows);
    for (size_t j = 0; j < s->e.cols; j++)
        s->a[(size_t)x->row * s->e.cols + j] *= x->ratio;
    return 1;
}

static int plant_weights(scene *s, gpf_explanation *x)
{
    const int root = gsl_rng_uniform(s->r) < 0.5;
    (void)x;
    if (few(s, 3, 1))
        return 0;
    for (size_t i = 0; i < s->n; i++) {
        const double w = s->weights[i / s->e.cols];
        s->a[i] *= root ? sqrt(w) : w;
    }
    return 1;
}

static void permute(scene *s, size_t (*from)(const scene *s, size_t i, size_t by), size_t by)
{
    double *old = malloc(s->n * sizeof *old);
    memcpy(old, s->a, s->n * sizeof *old);
    for (size_t i = 0; i < s->n; i++)
        s->a[i] = old[from(s, i, by)];
    free(old);
}

static size_t transpose(const scene *s, size_t i, size_t by)
{
    (void)by;
    return i % s->e.cols * s->e.cols + i / s->e.cols;
}

static size_t by_columns(const scene *s, size_t i, size_t by)
{
    (void)by;
    return i % s->e.rows * s->e.cols + i / s->e.rows;
}

static size_t next_column(const scene *s, size_t i, size_t by)
{
    const size_t c = s->e.cols;
    return i - i % c + (i % c + by) % c;
}

static size_t next_row(const scene *s, size_t i, size_t by)
{
    return (i + by * s->e.cols) % s->n;
}

static int plant_transposed(scene *s, gpf_explanation *x)
{
    (void)x;
    if (s->e.rows != s->e.cols || s->n == 1)
        return 0;
    permute(s, transpose, 0);
    if (gsl_rng_uniform(s->r) < 0.3 && s->n > 4) {
        x->ratio = -1;
        for (size_t i = 0; i < s->n; i++)
            s->a[i] = -s->a[i];
    }
    return 1;
}

static int plant_by_columns(scene *s, gpf_explanation *x)
{
    (void)x;
    if (s->e.rows == s->e.cols || s->e.rows == 1 || s->e.cols == 1)
        return 0;
    permute(s, by_columns, 0);
    return 1;
}

static int plant_swapped(scene *s, gpf_explanation *x)
{
    const size_t c = s->e.cols, p = gsl_rng_uniform_int(s->r, c), q = (p + 1) % c;
    if (c < 3)
        return 0;
    x->column = (ptrdiff_t)(p < q ? p : q);
    x->other = (ptrdiff_t)(p < q ? q : p);
    for (size_t i = 0; i < s->e.rows; i++) {
        const double a = s->a[i * c + p];
        s->a[i * c + p] = s->a[i * c + q];
        s->a[i * c + q] = a;
    }
    return 1;
}

static int plant_swapped_rows(scene *s, gpf_explanation *x)
{
    const size_t c = s->e.cols, p = 1;
    if (s->e.rows < 3 || c < 2)
        return 0;
    x->row = (ptrdiff_t)p;
    x->other = (ptrdiff_t)p + 1;
    for (size_t j = 0; j < c; j++) {
        const double a = s->a[p * c + j];
        s->a[p * c + j] = s->a[(p + 1) * c + j];
        s->a[(p + 1) * c + j] = a;
    }
    return 1;
}

static int plant_shifted(scene *s, gpf_explanation *x)
{
    if (s->e.cols < 4)
        return 0;
    const size_t by = 1 + gsl_rng_uniform_int(s->r, s->e.cols > 5 ? 2 : 1);
    const int back = gsl_rng_uniform(s->r) < 0.5, open = gsl_rng_uniform(s->r) < 0.5;
    permute(s, next_column, back ? s->e.cols - by : by);
    for (size_t i = 0; open && i < s->n; i++) {
        const size_t j = i % s->e.cols;
        if (back ? j < by : j + by >= s->e.cols)
            s->a[i] = 0;
    }
    x->other = back ? -(ptrdiff_t)by : (ptrdiff_t)by;
    if (!open)
        x->other = -1; /* counted round, it may be called either way */
    return 1;
}

static int plant_shifted_rows(scene *s, gpf_explanation *x)
{
    (void)x;
    if (s->e.rows < 4)
        return 0;
    permute(s, next_row, 1);
    return 1;
}

static int plant_term(scene *s, gpf_explanation *x)
{
    static const double c[] = { 0.01, -0.01, 2.5, -0.37 };
    if (s->e.cols < 3)
        return 0;
    x->ratio = c[gsl_rng_uniform_int(s->r, 4)];
    for (size_t i = 0; i < s->n; i++)
        s->a[i] += x->ratio * s->x[i % s->e.cols];
    return 1;
}

static int plant_factor(scene *s, gpf_explanation *x)
{
    const int way = gsl_rng_uniform(s->r) < 0.5;
    (void)x;
    if (s->e.cols < 2)
        return 0;
    for (size_t i = 0; i < s->n; i++) {
        const double f = s->x[i % s->e.cols];
        s->a[i] *= way ? f : 1 / f;
    }
    return 1;
}

/* The times of the measurements, evenly spaced. */
static int plant_times(scene *s, gpf_explanation *x)
{
    if (s->e.rows < 7)
        return 0;
    x->column = (ptrdiff_t)gsl_rng_uniform_int(s->r, s->e.cols);
    const int way = gsl_rng_uniform(s->r) < 0.5;
    const double start = gsl_rng_uniform(s->r), step = 0.1 + gsl_rng_uniform(s->r);
    for (size_t i = 0; i < s->e.rows; i++) {
        const double t = start + (double)i * step;
        s->a[i * s->e.cols + (size_t)x->column] *= way ? t : 1 / t;
    }
    return 1;
}

static int plant_offset(scene *s, gpf_explanation *x)
{
    const double c = normal(s->r);
    (void)x;
    if (s->n < 3)
        return 0;
    for (size_t i = 0; i < s->n; i++)
        s->a[i] += c;
    return 1;
}

static int plant_zero(scene *s, gpf_explanation *x)
{
    x->ratio = 0;
    memset(s->a, 0, s->n * sizeof *s->a);
    return 1;
}

static int plant_zero_column(scene *s, gpf_explanation *x)
{
    if (few(s, 3, 2))
        return 0;
    x->column = (ptrdiff_t)gsl_rng_uniform_int(s->r, s->e.cols);
    for (size_t i = 0; i < s->e.rows; i++)
        s->a[i * s->e.cols + (size_t)x->column] = 0;
    return 1;
}

static int plant_total(scene *s, gpf_explanation *x)
{
    (void)x;
    if (s->e.cols != 1)
        return 0;
    for (size_t i = 0; i < s->n; i++)
        s->a[i] += s->total[i];
    return 1;
}

static int plant_single(scene *s, gpf_explanation *x)
{
    static const double c[] = { 2, -1, 1.719 };
    if (s->n < 3)
        return 0;
    const size_t i = gsl_rng_uniform_int(s->r, s->n);
    x->ratio = c[gsl_rng_uniform_int(s->r, 3)];
    x->row = (ptrdiff_t)(i / s->e.cols);
    x->column = (ptrdiff_t)(i % s->e.cols);
    s->a[i] *= x->ratio;
    return 1;
}

static int plant_nan(scene *s, gpf_explanation *x)
{
    (void)x;
    s->a[gsl_rng_uniform_int(s->r, s->n)] = gsl_rng_uniform(s->r) < 0.5 ? NAN : INFINITY;
    return 1;
}

/* What has nothing in common. */
static int plant_unrelated(scene *s, gpf_explanation *x)
{
    (void)x;
    for (size_t i = 0; i < s->n; i++)
        if (gsl_rng_uniform(s->r) < 0.8)
            s->a[i] = s->a[i] * 3 * normal(s->r) + normal(s->r);
    return 1;
}

static const mistake mistakes[] = {
    { GPF_SCALED, "scaled", plant_factor_of_all },
    { GPF_SCALED_COLUMN, "column", plant_column },
    { GPF_SCALED_ROW, "row", plant_row },
    { GPF_WEIGHTED, "weights", plant_weights },
    { GPF_TRANSPOSED, "transposed", plant_transposed },
    { GPF_COLUMN_MAJOR, "by columns", plant_by_columns },
    { GPF_SWAPPED, "swapped cols", plant_swapped },
    { GPF_SWAPPED, "swapped rows", plant_swapped_rows },
    { GPF_SHIFTED, "shifted cols", plant_shifted },
    { GPF_SHIFTED, "shifted rows", plant_shifted_rows },
    { GPF_MISSING_TERM, "term", plant_term },
    { GPF_MISSING_FACTOR, "factor", plant_factor },
    { GPF_MISSING_FACTOR, "times", plant_times },
    { GPF_OFFSET, "offset", plant_offset },
    { GPF_ZERO, "zero", plant_zero },
    { GPF_ZERO, "zero column", plant_zero_column },
    { GPF_TOTAL, "total", plant_total },
    { GPF_SINGLE, "single", plant_single },
    { GPF_FAILS, "nan", plant_nan },
    { GPF_UNEXPLAINED, "unrelated", plant_unrelated },
};
enum { N_MISTAKES = sizeof mistakes / sizeof *mistakes };

static int same(ptrdiff_t expected, ptrdiff_t found)
{
    return expected < 0 || expected == found;
}

static int as_expected(const gpf_explanation *x, const gpf_explanation *found)
{
    return x->kind == found->kind && same(x->row, found->row) && same(x->column, found->column) &&
           (x->other == -1 || x->other == found->other) &&
           (!isfinite(x->ratio) || fabs(x->ratio - found->ratio) <= 1e-3 * fabs(x->ratio));
}

/* How often a mistake was called what. */
typedef struct confusion {
    int count[N_MISTAKES][GPF_N_EXPLANATIONS], trials[N_MISTAKES], right[N_MISTAKES],
        more[N_MISTAKES];
} confusion;

static void one_trial(gsl_rng *r, size_t k, const size_t shape[2], make how, double noise,
                      double unseen, size_t least, confusion *t)
{
    scene s;
    begin(&s, r, shape[0], shape[1], how, noise);
    gpf_explanation x = gpf__explanation(mistakes[k].kind, 0);
    if (mistakes[k].plant(&s, &x) && look(&s, unseen) >= least) {
        t->trials[k]++;
        assert_in_range(s.n_out, 1, MOST);
        t->right[k] += as_expected(&x, &s.out[0]);
        t->more[k] += s.n_out > 1;
        t->count[k][s.out[0].kind]++;
        if (getenv("GRADPROOF_CONFUSION") && !as_expected(&x, &s.out[0]) &&
            t->trials[k] - t->right[k] < 4)
            print_message("  %s %zux%zu make %d noise %g unseen %g: %s\n", mistakes[k].name,
                          shape[0], shape[1], (int)how, noise, unseen, s.out[0].text);
    }
    end(&s);
}

static void print_table(const char *title, const confusion *t)
{
    if (!getenv("GRADPROOF_CONFUSION"))
        return;
    print_message("%s\n", title);
    for (size_t k = 0; k < N_MISTAKES; k++) {
        print_message("%-13s %5d trials, %5d as planted, %4d with more:", mistakes[k].name,
                      t->trials[k], t->right[k], t->more[k]);
        for (int q = 0; q < GPF_N_EXPLANATIONS; q++)
            if (t->count[k][q])
                print_message(" %s %d,", gpf_explanation_name((gpf_explanation_kind)q),
                              t->count[k][q]);
        print_message("\n");
    }
}

static const size_t shapes[][2] = { { 1, 1 }, { 1, 3 }, { 1, 12 }, { 7, 1 },  { 40, 1 }, { 2, 2 },
                                    { 3, 3 }, { 9, 9 }, { 40, 3 }, { 5, 16 }, { 30, 20 } };
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

/* Well resolved, dense: whatever can be seen is called by its name. */
static void test_planted(void **state)
{
    (void)state;
    gsl_rng *r = gsl_rng_alloc(gsl_rng_mt19937);
    confusion t;
    memset(&t, 0, sizeof t);
    gsl_rng_set(r, 20240);
    for (size_t k = 0; k < N_MISTAKES; k++)
        for (size_t i = 0; i < N_SHAPES; i++)
            for (int j = 0; j < 40; j++)
                one_trial(r, k, shapes[i], j % 2 ? DENSE : SMALL_AND_LARGE, 1e-10, 0, 1, &t);
    print_table("dense, errors of 1e-10", &t);
    for (size_t k = 0; k < N_MISTAKES; k++)
        if (mistakes[k].kind != GPF_UNEXPLAINED)
            assert_true(t.right[k] >= 0.99 * t.trials[k] && t.trials[k] > 0);
    gsl_rng_free(r);
}

/* Sparse, symmetric, noisy, partly unseen: here a mistake may not be seen, or not be told from a
 * simpler one, but it must not be called by a wrong name. */
static void test_hard(void **state)
{
    (void)state;
    gsl_rng *r = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(r, 515);
    for (int how = 0; how < N_MAKES; how++)
        for (int n = 0; n < 2; n++)
            for (int u = 0; u < 2; u++) {
                confusion t;
                memset(&t, 0, sizeof t);
                for (size_t k = 0; k < N_MISTAKES; k++)
                    for (size_t i = 0; i < N_SHAPES; i++)
                        for (int j = 0; j < (getenv("GRADPROOF_CONFUSION") ? 40 : 8); j++)
                            one_trial(r, k, shapes[i], (make)how, n ? 1e-3 : 1e-8, u ? 0.2 : 0, 1,
                                      &t);
                char title[80];
                snprintf(title, sizeof title, "make %d, errors of %g, unseen %g", how,
                         n ? 1e-3 : 1e-8, u ? 0.2 : 0);
                print_table(title, &t);
                for (size_t k = 0; k < N_MISTAKES; k++) {
                    const int honest = t.count[k][mistakes[k].kind] + t.count[k][GPF_SINGLE] +
                                       t.count[k][GPF_UNEXPLAINED];
                    if (how == DENSE || how == SMALL_AND_LARGE)
                        assert_true(honest >= 0.98 * t.trials[k]);
                    if (how == DENSE && !n && !u && mistakes[k].kind != GPF_UNEXPLAINED)
                        assert_true(t.right[k] >= 0.98 * t.trials[k]);
                }
            }
    gsl_rng_free(r);
}

/* Is it a claim that all or a line of it is wrong in one way? */
static int names_a_pattern(const gpf_explanation *x)
{
    return x->kind != GPF_SINGLE && x->kind != GPF_UNEXPLAINED;
}

/* Wrong numbers that have nothing in common, thousands of times: nothing is read into them. */
static void test_unrelated(void **state)
{
    (void)state;
    gsl_rng *r = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(r, 99);
    size_t trials = 0, named = 0;
    static const double noise[] = { 1e-12, 1e-7, 1e-4, 1e-2 };
    for (size_t i = 0; i < N_SHAPES; i++)
        for (int j = 0; j < (getenv("GRADPROOF_CONFUSION") ? 4000 : 400); j++) {
            scene s;
            gpf_explanation unused;
            begin(&s, r, shapes[i][0], shapes[i][1], (make)(j % N_MAKES), noise[j / N_MAKES % 4]);
            plant_unrelated(&s, &unused);
            if (look(&s, j % 3 ? 0 : 0.15)) {
                trials++;
                for (int k = 0; k < s.n_out; k++) {
                    named += (size_t)names_a_pattern(&s.out[k]);
                    if (names_a_pattern(&s.out[k]))
                        print_message("%zux%zu make %d noise %g: %s\n", shapes[i][0], shapes[i][1],
                                      j % N_MAKES, noise[j / N_MAKES % 4], s.out[k].text);
                }
            }
            end(&s);
        }
    print_message("%zu of %zu unrelated ones were given a name\n", named, trials);
    assert_true(named == 0);
    gsl_rng_free(r);
}

/* Nothing is wrong: nothing is said. Nothing but NaN, one place for the answer, unknown numbers. */
static void test_edges(void **state)
{
    (void)state;
    gsl_rng *r = gsl_rng_alloc(gsl_rng_mt19937);
    scene s;
    begin(&s, r, 4, 5, DENSE, 1e-9);
    assert_int_equal(look(&s, 0), 0);
    assert_int_equal(s.n_out, 0);
    for (size_t i = 0; i < s.n; i++) {
        s.numeric[i] = s.error[i] = NAN;
        s.verdict[i] = GPF_WRONG;
    }
    assert_int_equal(gpf__explain(&s.e, s.out, MOST), 1);
    assert_int_equal(s.out[0].kind, GPF_UNEXPLAINED);
    for (size_t i = 0; i < s.n; i++)
        s.a[i] = NAN;
    assert_int_equal(gpf__explain(&s.e, s.out, MOST), 1);
    assert_int_equal(s.out[0].kind, GPF_FAILS);
    end(&s);
    begin(&s, r, 4, 5, DENSE, 1e-9);
    s.a[3] = -s.a[3];
    s.a[11] *= 1.7;
    s.e.x = s.e.weights = s.e.total = NULL;
    s.e.n_counts = 0;
    look(&s, 0);
    assert_int_equal(s.n_out, 2);
    assert_int_equal(s.out[0].kind, GPF_SINGLE);
    assert_non_null(strstr(s.out[0].text, "J[0,3] has the wrong sign"));
    assert_int_equal(gpf__explain(&s.e, s.out, 1), 1);
    end(&s);
    gsl_rng_free(r);
}

/* A ratio of two numbers that are both known by two names is given none. */
/* What two mistakes at once, or a small one, are called. */
static void test_words(void **state)
{
    (void)state;
    gsl_rng *r = gsl_rng_alloc(gsl_rng_mt19937);
    scene s;
    begin(&s, r, 6, 4, DENSE, 1e-9); /* a formula that was copied is no shift of them all */
    for (size_t i = 0; i < 6; i++)
        s.a[i * 4 + 3] = s.a[i * 4];
    assert_int_equal(look(&s, 0), 6);
    assert_int_equal(s.n_out, 1);
    assert_int_equal(s.out[0].kind, GPF_SHIFTED);
    assert_int_equal(s.out[0].column, 3);
    assert_int_equal(s.out[0].other, -3);
    assert_string_equal(s.out[0].text,
                        "J: column 3 holds what belongs into column 0 (6 of 6 entries)");
    end(&s);
    begin(&s, r, 6, 6, DENSE, 1e-9); /* transposed, and a column has the wrong sign */
    for (size_t i = 0; i < 36; i++)
        s.a[i] = s.numeric[i % 6 * 6 + i / 6] * (i % 6 == 2 ? -1 : 1);
    look(&s, 0);
    assert_int_equal(s.n_out, 2);
    assert_int_equal(s.out[0].kind, GPF_TRANSPOSED);
    assert_int_equal(s.out[1].kind, GPF_UNEXPLAINED);
    for (size_t i = 0; i < 36; i++)
        s.a[i] = -2 * s.numeric[i % 6 * 6 + i / 6];
    look(&s, 0);
    assert_string_equal(s.out[0].text,
                        "J is transposed: 36 of 36 entries are -2 times the transpose");
    for (size_t i = 0; i < 36; i++) /* a softmax without its cross terms */
        s.a[i] = i % 7 ? 0 : s.numeric[i];
    look(&s, 0);
    assert_string_equal(s.out[0].text,
                        "J has nothing off its diagonal: 30 entries there are 0 where f reacts");
    end(&s);
    begin(&s, r, 1, 1, DENSE, 1e-9);
    s.a[0] = -s.a[0];
    look(&s, 0);
    assert_string_equal(s.out[0].text, "J has the wrong sign: it is -1 times the slope");
    s.a[0] *= -2;
    look(&s, 0);
    assert_string_equal(s.out[0].text, "J is 2 times what it should be");
    end(&s);
    gsl_rng_free(r);
}

static void test_names(void **state)
{
    (void)state;
    char text[64];
    const size_t N[] = { 4, 5, 4 };
    const double by_N[] = { 0.5, 0.4, 0.5 }, two[] = { -2, -2, -2 }, other[] = { 1.3, 1.3, 1.3 };
    assert_true(gpf__name_ratio(by_N, N, 3, text, sizeof text));
    assert_string_equal(text, "2/N");
    assert_true(gpf__name_ratio(two, N, 3, text, sizeof text));
    assert_string_equal(text, "-2");
    assert_false(gpf__name_ratio(other, N, 3, text, sizeof text));
    for (int k = 0; k < GPF_N_EXPLANATIONS; k++) {
        assert_true(strlen(gpf_explanation_name((gpf_explanation_kind)k)) > 0);
        assert_true(strlen(gpf_explanation_help((gpf_explanation_kind)k)) > 0);
    }
    assert_string_equal(gpf_explanation_name(GPF_N_EXPLANATIONS), "");
}

/* A check of a graph whose gradient is given, by hand and wrong. */
static void test_graph(void **state)
{
    (void)state;
    enum { N = 7 };
    double x[N * 3], y[N];
    gpf_graph *g = gpf_graph_alloc();
    gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 3)), Y = gpf_data(g, "y", gpf_shape2(GPF_N, 1)),
             W = gpf_param(g, "W", gpf_shape2(3, 1)), A = gpf_param(g, "A", gpf_shape2(3, 3)),
             e = gpf_sub(g, gpf_matmul(g, gpf_matmul(g, X, A), W), Y),
             f = gpf_mean(g, gpf_square(g, e), GPF_ALL_AXES);
    gpf_node xs[] = { W, A }, grads[2];
    assert_int_equal(gpf_grad(g, f, xs, 2, grads), GSL_SUCCESS);
    grads[0] = gpf_matmul(g, gpf_transpose(g, gpf_matmul(g, X, A)), e); /* N / 2 times too large */
    grads[1] = gpf_transpose(g, grads[1]);
    gpf_point *at = gpf_point_alloc(g, N);
    for (size_t i = 0; i < N * 3; i++)
        x[i] = sin(1.7 * (double)i + 0.3);
    for (size_t i = 0; i < N; i++)
        y[i] = cos(2.3 * (double)i);
    gpf_point_bind(at, X, x);
    gpf_point_bind(at, Y, y);
    for (size_t i = 0; i < 12; i++)
        gsl_vector_set(gpf_point_params(at), i, sin(0.9 * (double)i + 1));
    gpf_check *c = gpf_check_alloc(g, f, xs, grads, 2, N, 1, NULL);
    assert_non_null(c);
    for (int fast = 0; fast < 2; fast++) {
        gpf_check_options how = gpf_check_defaults();
        how.fast = fast;
        assert_int_equal(gpf_check_run(c, at, &how, NULL), GSL_SUCCESS);
        assert_int_equal(gpf_check_n_explanations(c), 2);
        const gpf_explanation *one = gpf_check_explanation(c, 0),
                              *two = gpf_check_explanation(c, 1);
        assert_int_equal(one->kind, GPF_SCALED);
        assert_int_equal(one->part, 0);
        assert_true(fabs(one->ratio - 3.5) < 1e-12);
        assert_non_null(strstr(one->text, "7/2 (7: the number of samples)"));
        assert_int_equal(two->kind, GPF_TRANSPOSED);
        assert_int_equal(two->part, 1);
    }
    assert_null(gpf_check_explanation(c, 2));
    gpf_check_free(c);
    gpf_point_free(at);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planted),   cmocka_unit_test(test_hard),
        cmocka_unit_test(test_unrelated), cmocka_unit_test(test_edges),
        cmocka_unit_test(test_words),     cmocka_unit_test(test_names),
        cmocka_unit_test(test_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
