/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Right callbacks of all seven structures, which must pass, and the same with bugs planted one by
 * one, which must be flagged and named. The table of both is printed. */
#include "../unit/help.h"

#include <gsl/gsl_blas.h>
#include <stdio.h>

enum { MOST_M = 12, MOST_N = 6 };

/* f_i(x) = sum_j c_ij sin(w_ij x_j + p_ij) + b_i exp(sum_j e_ij x_j) */
typedef struct world {
    size_t m, n;
    double c[MOST_M][MOST_N], w[MOST_M][MOST_N], p[MOST_M][MOST_N], e[MOST_M][MOST_N], b[MOST_M];
    double weight[MOST_M];
    double ridge; /* + ridge/2 x_j^2 in every f_i */
    bool linear;  /* f = c x */
    const struct bug *bug;
    dice chance;
    /* What stateful bugs remember: */
    double last[MOST_M * MOST_N], at[MOST_N];
    const double *address;
    bool known;
    size_t calls;
} world;

typedef enum where {
    IN_D = 1,   /* numbers of df and fdf */
    IN_FDF = 2, /* of fdf alone */
    IN_DT = 4,  /* dfdt */
    IN_FVV = 8,
    IN_JTU = 16, /* J' u and J'J of multilarge */
    IN_F = 32
} where;

/* The structures, as bits. */
enum {
    FUNCTION = 1,
    MULTIMIN = 2,
    MULTIROOT = 4,
    MULTIFIT = 8,
    NLINEAR = 16,
    LARGE = 32,
    ODEIV2 = 64,
    FDF = FUNCTION | MULTIMIN | MULTIROOT | MULTIFIT,
    DENSE = MULTIROOT | MULTIFIT | NLINEAR | ODEIV2,
    RESIDUALS = MULTIFIT | NLINEAR | LARGE,
    SQUARE = MULTIROOT | ODEIV2,
    ALL = 127
};

typedef enum manner {
    NUMBERS, /* change() does it all */
    PARTLY,
    ADDS,
    WRITES_X,
    OUTSIDE,
    STALE_FDF,  /* fdf gives d of its call before */
    NEEDS_F,    /* d of the x at which f was called last */
    BY_ADDRESS, /* d as long as x is at the same address */
    EXCHANGES,
    ERROR,
    RANDOM,
    COUNTS, /* d is another from the third call on */
    FDF_F,  /* fdf's f is f + 1 */
    FVV_NO_V,
    FVV_NO_CROSS,
    FVV_HALF_CROSS,
    FVV_FIRST,
    IGNORES_TRANS,
    IGNORES_NO_TRANS,
    UPPER,
    NOT_LINEAR,
} manner;

typedef struct bug {
    const char *name;
    int structures;
    where in;
    manner manner;
    void (*change)(const world *w, const double *x, double *d, size_t rows, size_t cols);
    gpf_explanation_kind named, or_named;
    const char *part; /* of the explanation; NULL: not looked at */
    ptrdiff_t row, column;
    double ratio; /* 0: not looked at */
} bug;

static void times(double *d, size_t n, double by)
{
    for (size_t k = 0; k < n; k++)
        d[k] *= by;
}

#define CHANGE(name) \
    static void name(const world *w, const double *x, double *d, size_t rows, size_t cols)
#define UNUSED (void)w, (void)x, (void)d, (void)rows, (void)cols

CHANGE(nothing)
{
    UNUSED;
}

CHANGE(twice)
{
    UNUSED;
    times(d, rows * cols, 2);
}

CHANGE(half)
{
    UNUSED;
    times(d, rows * cols, 0.5);
}

CHANGE(mean)
{
    UNUSED;
    times(d, rows * cols, 1 / (double)rows);
}

CHANGE(minus)
{
    UNUSED;
    times(d, rows * cols, -1);
}

CHANGE(zero)
{
    UNUSED;
    times(d, rows * cols, 0);
}

CHANGE(column_sign)
{
    UNUSED;
    for (size_t i = 0; i < rows; i++)
        d[i * cols + 1] *= -1;
}

CHANGE(row_factor)
{
    UNUSED;
    times(d + 2 * cols, cols, 3);
}

CHANGE(transpose)
{
    UNUSED;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < i && i < cols; j++) {
            const double t = d[i * cols + j];
            d[i * cols + j] = d[j * cols + i];
            d[j * cols + i] = t;
        }
}

CHANGE(column_major)
{
    UNUSED;
    double t[MOST_M * MOST_N];
    memcpy(t, d, rows * cols * sizeof *d);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            d[j * rows + i] = t[i * cols + j];
}

CHANGE(swap_columns)
{
    UNUSED;
    for (size_t i = 0; i < rows; i++) {
        const double t = d[i * cols];
        d[i * cols] = d[i * cols + 2];
        d[i * cols + 2] = t;
    }
}

CHANGE(shift_rows)
{
    UNUSED;
    double t[MOST_N];
    memcpy(t, d + (rows - 1) * cols, cols * sizeof *d);
    memmove(d + cols, d, (rows - 1) * cols * sizeof *d);
    memcpy(d, t, cols * sizeof *d);
}

CHANGE(no_ridge)
{
    UNUSED;
    for (size_t k = 0; k < rows * cols; k++)
        d[k] -= w->ridge * x[k % cols];
}

CHANGE(no_factor)
{
    UNUSED;
    for (size_t k = 0; k < rows * cols; k++)
        d[k] /= x[k % cols];
}

CHANGE(offset)
{
    UNUSED;
    for (size_t k = 0; k < rows * cols; k++)
        d[k] += 0.1;
}

CHANGE(weights)
{
    UNUSED;
    for (size_t k = 0; k < rows * cols; k++)
        d[k] *= sqrt(w->weight[k / cols]);
}

CHANGE(one_entry)
{
    UNUSED;
    d[rows * cols - 1] += 0.37 * (1 + fabs(d[rows * cols - 1]));
}

CHANGE(rubbish)
{
    UNUSED;
    for (size_t k = 0; k < rows * cols; k++)
        d[k] += sin(7.7 * (double)(k + 1) * (double)(k + 1)) * (1 + fabs(d[k]));
}

CHANGE(one_nan)
{
    UNUSED;
    d[rows * cols - 1] = NAN;
}

static double value(const world *w, size_t i, const double *x)
{
    double sum = 0, power = 0, square = 0;
    for (size_t j = 0; j < w->n; j++) {
        sum += w->linear ? w->c[i][j] * x[j] : w->c[i][j] * sin(w->w[i][j] * x[j] + w->p[i][j]);
        power += w->e[i][j] * x[j];
        square += x[j] * x[j];
    }
    return w->linear ? sum : sum + w->b[i] * exp(power) + w->ridge / 2 * square;
}

static double slope_of(const world *w, size_t i, size_t j, const double *x)
{
    double power = 0;
    if (w->linear)
        return w->c[i][j];
    for (size_t k = 0; k < w->n; k++)
        power += w->e[i][k] * x[k];
    return w->c[i][j] * w->w[i][j] * cos(w->w[i][j] * x[j] + w->p[i][j]) +
           w->b[i] * w->e[i][j] * exp(power) + w->ridge * x[j];
}

static double second_of(const world *w, size_t i, const double *x, const double *v)
{
    double sum = 0, power = 0, by = 0, own = 0;
    if (w->linear)
        return 0;
    for (size_t j = 0; j < w->n; j++) {
        sum +=
            v[j] * v[j] *
            (w->ridge - w->c[i][j] * w->w[i][j] * w->w[i][j] * sin(w->w[i][j] * x[j] + w->p[i][j]));
        power += w->e[i][j] * x[j];
        by += w->e[i][j] * v[j];
        own += w->e[i][j] * v[j] * w->e[i][j] * v[j];
    }
    if (w->bug->manner == FVV_NO_CROSS)
        return sum + w->b[i] * exp(power) * own;
    if (w->bug->manner == FVV_HALF_CROSS)
        return sum + w->b[i] * exp(power) * (own + by * by) / 2;
    return sum + w->b[i] * exp(power) * by * by;
}

/* f as the callbacks see it. */
static int give_f(world *w, const double *x, double *f)
{
    memcpy(w->at, x, w->n * sizeof *x);
    w->known = true;
    for (size_t i = 0; i < w->m; i++)
        f[i] = value(w, i, x) + (w->bug->manner == RANDOM ? between(&w->chance, 0, 1e-3) : 0);
    return GSL_SUCCESS;
}

/* d as they see it: m x n, first of it `cols` columns. in: IN_D, IN_FDF. */
static int give_d(world *w, const double *x, double *d, size_t cols, where in)
{
    const bug *b = w->bug;
    const bool mine = (b->in & in) != 0;
    const double *from = x;
    double fresh[MOST_M * MOST_N];
    if (mine && b->manner == NEEDS_F && w->known)
        from = w->at;
    for (size_t i = 0; i < w->m; i++)
        for (size_t j = 0; j < cols; j++)
            fresh[i * cols + j] = slope_of(w, i, j, from);
    w->calls += mine;
    if (mine && b->change)
        b->change(w, x, fresh, w->m, cols);
    if (mine && b->manner == COUNTS && w->calls > 2)
        times(fresh, w->m * cols, 1.5);
    if (mine && (b->manner == STALE_FDF || b->manner == BY_ADDRESS)) {
        const bool keep = b->manner == BY_ADDRESS && w->known && w->address == x;
        double before[MOST_M * MOST_N];
        memcpy(before, w->last, sizeof before);
        if (!keep)
            memcpy(w->last, fresh, w->m * cols * sizeof *fresh);
        w->known = true;
        w->address = x;
        memcpy(fresh, b->manner == STALE_FDF || keep ? before : fresh, w->m * cols * sizeof *fresh);
    }
    const size_t size = w->m * cols;
    for (size_t k = 0; k < (mine && b->manner == PARTLY ? size - 1 : size); k++)
        d[k] = fresh[k] + (mine && b->manner == ADDS ? d[k] : 0);
    if (mine && b->manner == WRITES_X && cols == w->n)
        ((double *)x)[0] = 3;
    if (mine && b->manner == OUTSIDE)
        d[size] = 1;
    return mine && b->manner == ERROR ? GSL_EDOM : GSL_SUCCESS;
}

static int give_fvv(world *w, const double *x, const double *v, double *out)
{
    const bug *b = w->bug;
    const bool mine = b->in == IN_FVV;
    double fresh[MOST_M], unit[MOST_N] = { 1, 1, 1, 1, 1, 1 };
    for (size_t i = 0; i < w->m; i++) {
        fresh[i] = second_of(w, i, x, mine && b->manner == FVV_NO_V ? unit : v);
        if (mine && b->manner == FVV_FIRST) {
            fresh[i] = 0;
            for (size_t j = 0; j < w->n; j++)
                fresh[i] += slope_of(w, i, j, x) * v[j];
        }
    }
    if (mine && b->change)
        b->change(w, x, fresh, w->m, 1);
    for (size_t i = 0; i < (mine && b->manner == PARTLY ? w->m - 1 : w->m); i++)
        out[i] = fresh[i] + (mine && b->manner == ADDS ? out[i] : 0);
    return GSL_SUCCESS;
}

/* The structures' functions. */

static double scalar_f(double x, void *arg)
{
    double f;
    give_f(arg, &x, &f);
    return f;
}

static double scalar_df(double x, void *arg)
{
    double d[4];
    give_d(arg, &x, d, 1, IN_D);
    return d[0];
}

static void pair_of(world *w, const double *x, double *f, double *d)
{
    give_f(w, x, f);
    if (w->bug->in & IN_FDF && w->bug->manner == FDF_F)
        f[0] += 1;
    give_d(w, x, d, w->n, IN_FDF);
}

static void scalar_fdf(double x, void *arg, double *f, double *df)
{
    world *w = arg;
    if (w->bug->manner == EXCHANGES)
        pair_of(w, &x, df, f);
    else if (w->bug->in & IN_FDF && w->bug->manner == OUTSIDE)
        pair_of(w, &x, f, df);
    else {
        double d[2] = { *df };
        pair_of(w, &x, f, d);
        if (!(w->bug->in & IN_FDF && w->bug->manner == PARTLY))
            *df = d[0];
    }
}

static double multimin_f(const gsl_vector *x, void *arg)
{
    double f;
    give_f(arg, x->data, &f);
    return f;
}

static void multimin_df(const gsl_vector *x, void *arg, gsl_vector *d)
{
    world *w = arg;
    give_d(w, x->data, d->data, w->n, IN_D);
}

static void multimin_fdf(const gsl_vector *x, void *arg, double *f, gsl_vector *d)
{
    pair_of(arg, x->data, f, d->data);
}

static int vector_f(const gsl_vector *x, void *arg, gsl_vector *f)
{
    return give_f(arg, x->data, f->data);
}

static int vector_df(const gsl_vector *x, void *arg, gsl_matrix *J)
{
    world *w = arg;
    return give_d(w, x->data, J->data, w->n, IN_D);
}

static int vector_fdf(const gsl_vector *x, void *arg, gsl_vector *f, gsl_matrix *J)
{
    pair_of(arg, x->data, f->data, J->data);
    return GSL_SUCCESS;
}

static int vector_fvv(const gsl_vector *x, const gsl_vector *v, void *arg, gsl_vector *fvv)
{
    return give_fvv(arg, x->data, v->data, fvv->data);
}

static int large_df(CBLAS_TRANSPOSE_t trans, const gsl_vector *x, const gsl_vector *u, void *arg,
                    gsl_vector *v, gsl_matrix *JTJ)
{
    world *w = arg;
    const bug *b = w->bug;
    const size_t m = w->m, n = w->n;
    double J[MOST_M * MOST_N + 1];
    const bug quiet = { .name = "" };
    const bool numbers = b->manner == NUMBERS || b->manner == NEEDS_F || b->manner == COUNTS;
    w->bug = numbers ? b : &quiet;
    give_d(w, x->data, J, n, IN_D);
    w->bug = b;
    bool transposed = trans == CblasTrans;
    if (b->manner == IGNORES_TRANS)
        transposed = false;
    if (b->manner == IGNORES_NO_TRANS)
        transposed = true;
    const bool mine = b->in & (transposed ? IN_JTU : IN_D);
    const size_t to = transposed ? n : m, over = transposed ? m : n;
    for (size_t k = 0; k < (mine && b->manner == PARTLY ? to - 1 : to); k++) {
        double sum = mine && b->manner == ADDS ? v->data[k] : 0;
        for (size_t l = 0; l < over; l++)
            sum += (transposed ? J[l * n + k] : J[k * n + l]) * u->data[l];
        if (mine && b->manner == NOT_LINEAR)
            sum = sum * fabs(sum);
        if (mine && transposed && b->change)
            b->change(w, x->data, &sum, 1, 1);
        v->data[k] = sum;
    }
    if (mine && b->manner == WRITES_X)
        x->data[1] = 7;
    if (mine && b->manner == OUTSIDE)
        v->data[to] = 7;
    for (size_t j = 0; JTJ && j < n; j++)
        for (size_t k = 0; k <= j; k++) {
            double sum = 0;
            for (size_t i = 0; i < m; i++)
                sum += J[i * n + j] * J[i * n + k];
            if (mine && b->change)
                b->change(w, x->data, &sum, 1, 1);
            if (mine && b->manner == ADDS)
                sum += gsl_matrix_get(JTJ, j, k);
            if (mine && b->manner == UPPER)
                gsl_matrix_set(JTJ, k, j, sum);
            else
                gsl_matrix_set(JTJ, j, k, sum);
        }
    return mine && b->manner == ERROR ? GSL_EDOM : GSL_SUCCESS;
}

static void gather(const world *w, double t, const double y[], double *x)
{
    memcpy(x, y, w->m * sizeof *x);
    x[w->m] = t;
}

static int ode_f(double t, const double y[], double dydt[], void *arg)
{
    double x[MOST_N];
    gather(arg, t, y, x);
    return give_f(arg, x, dydt);
}

static int ode_jacobian(double t, const double y[], double *dfdy, double dfdt[], void *arg)
{
    world *w = arg;
    double x[MOST_N], f[MOST_M];
    gather(w, t, y, x);
    w->address = w->bug->manner == BY_ADDRESS && w->address == y ? x : w->address;
    const int status = give_d(w, x, dfdy, w->m, IN_D);
    if (w->bug->manner == BY_ADDRESS)
        w->address = y;
    if (w->bug->manner == WRITES_X)
        ((double *)y)[0] = 3;
    for (size_t i = 0; i < w->m; i++) {
        dfdt[i] = slope_of(w, i, w->m, x);
        f[i] = value(w, i, x);
    }
    if (w->bug->in & IN_DT && w->bug->change == nothing)
        for (size_t i = 0; i < w->m; i++)
            for (size_t j = 0; j < w->m; j++)
                dfdt[i] += slope_of(w, i, j, x) * f[j];
    else if (w->bug->in & IN_DT)
        w->bug->change(w, x, dfdt, w->m, 1);
    return status;
}

/* A structure with a world behind it. */
typedef struct structure {
    const gpf_fdf_kind *kind;
    world w;
    double x[MOST_N];
    union {
        gsl_function_fdf function;
        gsl_multimin_function_fdf multimin;
        gsl_multiroot_function_fdf multiroot;
        gsl_multifit_function_fdf multifit;
        gsl_multifit_nlinear_fdf nlinear;
        gsl_multilarge_nlinear_fdf large;
        gsl_odeiv2_system odeiv2;
    } u;
} structure;

static const bug no_bug = { .name = "none" };

static void make(structure *s, size_t kind, size_t m, size_t n, const bug *b, uint64_t seed)
{
    dice d = { seed };
    memset(s, 0, sizeof *s);
    s->kind = gpf_fdf_kind_at(kind);
    world *w = &s->w;
    w->m = kind < 2 ? 1 : m;
    w->n = kind == 0 ? 1 : kind == 2 ? m : kind == 6 ? m + 1 : n;
    assert_true(w->m <= MOST_M && w->n <= MOST_N);
    w->bug = b;
    w->ridge = 0.21;
    w->chance.state = 99;
    for (size_t i = 0; i < MOST_M; i++) {
        w->b[i] = between(&d, 0.5, 1.5);
        w->weight[i] = between(&d, 0.3, 4);
        for (size_t j = 0; j < MOST_N; j++) {
            w->c[i][j] = between(&d, 0.5, 2);
            w->w[i][j] = between(&d, 0.3, 1.7);
            w->p[i][j] = between(&d, -1, 1);
            w->e[i][j] = between(&d, -0.6, 0.6);
        }
    }
    fill(&d, s->x, MOST_N, 0.4, 1.9);
    switch (kind) {
    case 0:
        s->u.function = (gsl_function_fdf){ scalar_f, scalar_df, scalar_fdf, w };
        break;
    case 1:
        s->u.multimin =
            (gsl_multimin_function_fdf){ multimin_f, multimin_df, multimin_fdf, w->n, w };
        break;
    case 2:
        s->u.multiroot = (gsl_multiroot_function_fdf){ vector_f, vector_df, vector_fdf, w->n, w };
        break;
    case 3:
        s->u.multifit = (gsl_multifit_function_fdf){
            .f = vector_f, .df = vector_df, .fdf = vector_fdf, .n = w->m, .p = w->n, .params = w
        };
        break;
    case 4:
        s->u.nlinear = (gsl_multifit_nlinear_fdf){
            .f = vector_f, .df = vector_df, .fvv = vector_fvv, .n = w->m, .p = w->n, .params = w
        };
        break;
    case 5:
        s->u.large = (gsl_multilarge_nlinear_fdf){
            .f = vector_f, .df = large_df, .fvv = vector_fvv, .n = w->m, .p = w->n, .params = w
        };
        break;
    default:
        s->u.odeiv2 = (gsl_odeiv2_system){ ode_f, ode_jacobian, w->m, w };
    }
}

static gpf_fdf *check_with(structure *s, gpf_fdf_options how)
{
    gpf_diag why = { .text = "" };
    gsl_vector_view x = gsl_vector_view_array(s->x, s->w.n);
    gsl_matrix *weights = gsl_matrix_alloc(s->w.m, 2); /* a column: of stride 2 */
    for (size_t i = 0; i < s->w.m; i++) {
        gsl_matrix_set(weights, i, 0, s->w.weight[i]);
        gsl_matrix_set(weights, i, 1, 7);
    }
    const gsl_vector_view column = gsl_matrix_column(weights, 0);
    how.weights = &column.vector;
    gpf_fdf *c = gpf_check_fdf(s->kind, &s->u, &x.vector, &how, &why);
    gsl_matrix_free(weights);
    if (!c)
        fail_msg("%s: %s", gpf_fdf_kind_name(s->kind), why.text);
    return c;
}

static gpf_fdf *check(structure *s)
{
    return check_with(s, gpf_fdf_defaults());
}

static void show(const char *title, const gpf_fdf *c)
{
    static const char *const outcomes[] = { "right", "WRONG", "trouble", "untested" };
    print_message("# %-26s %-18s %-8s", title, gpf_fdf_kind_name(gpf_fdf_kind_of(c)),
                  outcomes[gpf_fdf_outcome(c)]);
    for (size_t i = 0; i < gpf_fdf_n_explanations(c); i++) {
        const gpf_explanation *e = gpf_fdf_explanation(c, i);
        print_message("%s [%s] %s", i ? "\n#         " : "", gpf_explanation_name(e->kind),
                      e->text);
    }
    print_message("\n");
}

static void show_elements(const gpf_fdf *c)
{
    char label[64];
    for (size_t i = 0; i < gpf_fdf_n_elements(c); i++) {
        const gpf_element *e = gpf_fdf_element(c, i);
        if (e->verdict != GPF_RIGHT)
            print_message("#     %s: %s (%s) %.12g against %.12g +- %.3g\n",
                          gpf_fdf_label(c, i, label, sizeof label), gpf_verdict_name(e->verdict),
                          gpf_reason_name(e->reason), e->analytic, e->numeric, e->error);
    }
}

#define N_OF(kind) ((kind) == 1 ? 4u : 3u)
#define M_OF(kind) ((kind) == 2 || (kind) == 6 ? 4u : 7u)

static const bug bugs[] = {
    { "factor 2", ALL, IN_D | IN_FDF, NUMBERS, twice, GPF_SCALED, GPF_SINGLE, NULL, -2, -2, 2 },
    { "factor 1/2", ALL, IN_D | IN_FDF, NUMBERS, half, GPF_SCALED, GPF_SINGLE, NULL, -2, -2, 0.5 },
    { "factor 1/m", DENSE | LARGE, IN_D | IN_FDF, NUMBERS, mean, GPF_SCALED, 0, NULL, -2, -2, 0 },
    { "sign", ALL, IN_D | IN_FDF, NUMBERS, minus, GPF_SCALED, GPF_SINGLE, NULL, -2, -2, -1 },
    { "all zero", ALL, IN_D | IN_FDF, NUMBERS, zero, GPF_ZERO, 0, NULL, -2, -2, 0 },
    { "sign of column 1", DENSE | LARGE, IN_D | IN_FDF, NUMBERS, column_sign, GPF_SCALED_COLUMN, 0,
      NULL, -1, 1, -1 },
    { "sign of entry 1", MULTIMIN, IN_D | IN_FDF, NUMBERS, column_sign, GPF_SINGLE,
      GPF_SCALED_COLUMN, NULL, -2, 1, -1 },
    { "row 2 times 3", DENSE | LARGE, IN_D | IN_FDF, NUMBERS, row_factor, GPF_SCALED_ROW, 0, NULL,
      2, -1, 3 },
    { "transposed", SQUARE, IN_D | IN_FDF, NUMBERS, transpose, GPF_TRANSPOSED, 0, NULL, -2, -2, 0 },
    { "column-major", MULTIFIT | NLINEAR, IN_D | IN_FDF, NUMBERS, column_major, GPF_COLUMN_MAJOR, 0,
      NULL, -2, -2, 0 },
    { "columns 0 and 2 swapped", DENSE | LARGE, IN_D | IN_FDF, NUMBERS, swap_columns, GPF_SWAPPED,
      0, NULL, -2, -2, 0 },
    { "entries 0 and 2 swapped", MULTIMIN, IN_D | IN_FDF, NUMBERS, swap_columns, GPF_SWAPPED, 0,
      NULL, -2, -2, 0 },
    { "rows shifted", DENSE | LARGE, IN_D | IN_FDF, NUMBERS, shift_rows, GPF_SHIFTED, 0, NULL, -2,
      -2, 0 },
    { "ridge's term missing", MULTIMIN | DENSE | LARGE, IN_D | IN_FDF, NUMBERS, no_ridge,
      GPF_MISSING_TERM, 0, NULL, -2, -2, 0 },
    { "factor x missing", MULTIMIN | DENSE | LARGE, IN_D | IN_FDF, NUMBERS, no_factor,
      GPF_MISSING_FACTOR, 0, NULL, -2, -2, 0 },
    { "0.1 added", MULTIMIN | DENSE | LARGE, IN_D | IN_FDF, NUMBERS, offset, GPF_OFFSET, 0, NULL,
      -2, -2, 0 },
    { "weights twice", RESIDUALS, IN_D | IN_FDF, NUMBERS, weights, GPF_WEIGHTED, 0, NULL, -2, -2,
      0 },
    { "last entry off", MULTIMIN | DENSE | LARGE, IN_D | IN_FDF, NUMBERS, one_entry, GPF_SINGLE, 0,
      NULL, -2, -2, 0 },
    { "rubbish", MULTIMIN | DENSE | LARGE, IN_D | IN_FDF, NUMBERS, rubbish, GPF_UNEXPLAINED, 0,
      NULL, -2, -2, 0 },
    { "last entry nan", ALL & ~LARGE, IN_D | IN_FDF, NUMBERS, one_nan, GPF_FAILS, 0, NULL, -2, -2,
      0 },
    { "last entry not written", ALL & ~(FUNCTION | LARGE), IN_D | IN_FDF, PARTLY, NULL,
      GPF_UNFILLED, 0, NULL, -2, -2, 0 },
    { "fdf writes no df", FUNCTION, IN_FDF, PARTLY, NULL, GPF_UNFILLED, 0, "fdf", -2, -2, 0 },
    { "adds to the output", ALL & ~(FUNCTION | LARGE), IN_D | IN_FDF, ADDS, NULL, GPF_ACCUMULATES,
      0, NULL, -2, -2, 0 },
    { "writes to x", ALL & ~FUNCTION, IN_D, WRITES_X, NULL, GPF_WRITES_X, 0, NULL, -2, -2, 0 },
    { "writes outside", ALL & ~FUNCTION, IN_D, OUTSIDE, NULL, GPF_WRITES_OUTSIDE, 0, NULL, -2, -2,
      0 },
    { "stale fdf", FDF, IN_FDF, STALE_FDF, NULL, GPF_STALE, 0, NULL, -2, -2, 0 },
    { "df of f's last x", ALL, IN_D, NEEDS_F, NULL, GPF_STALE, 0, NULL, -2, -2, 0 },
    { "x known by address", DENSE, IN_D, BY_ADDRESS, NULL, GPF_STALE, 0, NULL, -2, -2, 0 },
    { "another from call 3 on", ALL & ~LARGE, IN_D, COUNTS, NULL, GPF_ORDER, 0, NULL, -2, -2, 0 },
    { "fdf's df has other sign", FDF, IN_FDF, NUMBERS, minus, GPF_SCALED, GPF_SINGLE, "fdf", -2, -2,
      -1 },
    { "fdf's df is off", FDF & ~FUNCTION, IN_FDF, NUMBERS, rubbish, GPF_INCOHERENT, 0, "fdf", -2,
      -2, 0 },
    { "fdf's f + 1", FDF, IN_FDF, FDF_F, NULL, GPF_INCOHERENT, GPF_OFFSET, "fdf", -2, -2, 0 },
    { "fdf exchanges f and df", FUNCTION, IN_FDF, EXCHANGES, NULL, GPF_EXCHANGED, 0, "fdf", -2, -2,
      0 },
    { "df wrong, fdf right", FDF, IN_D, NUMBERS, twice, GPF_SCALED, GPF_SINGLE, NULL, -2, -2, 2 },
    { "df returns an error", DENSE, IN_D, ERROR, NULL, GPF_FAILS, 0, NULL, -2, -2, 0 },
    { "f is random", ALL, IN_F, RANDOM, NULL, GPF_RANDOM, 0, NULL, -2, -2, 0 },
    { "dfdt is 0", ODEIV2, IN_DT, NUMBERS, zero, GPF_ZERO, 0, "dfdt", -2, -2, 0 },
    { "dfdt has other sign", ODEIV2, IN_DT, NUMBERS, minus, GPF_SCALED, GPF_SCALED_COLUMN, "dfdt",
      -2, -2, -1 },
    { "dfdt is total", ODEIV2, IN_DT, NUMBERS, nothing, GPF_TOTAL, 0, "dfdt", -2, -2, 0 },
    { "fvv factor 2", NLINEAR | LARGE, IN_FVV, NUMBERS, twice, GPF_SCALED, GPF_SCALED_COLUMN, "fvv",
      -2, -2, 2 },
    { "fvv factor 1/2", NLINEAR | LARGE, IN_FVV, NUMBERS, half, GPF_SCALED, GPF_SCALED_COLUMN,
      "fvv", -2, -2, 0.5 },
    { "fvv has other sign", NLINEAR | LARGE, IN_FVV, NUMBERS, minus, GPF_SCALED, GPF_SCALED_COLUMN,
      "fvv", -2, -2, -1 },
    { "fvv is 0", NLINEAR | LARGE, IN_FVV, NUMBERS, zero, GPF_ZERO, 0, "fvv", -2, -2, 0 },
    { "fvv ignores v", NLINEAR | LARGE, IN_FVV, FVV_NO_V, NULL, GPF_NOT_QUADRATIC, 0, "fvv", -2, -2,
      0 },
    { "fvv is J v", NLINEAR | LARGE, IN_FVV, FVV_FIRST, NULL, GPF_NOT_QUADRATIC, 0, "fvv", -2, -2,
      0 },
    { "fvv without mixed terms", NLINEAR | LARGE, IN_FVV, FVV_NO_CROSS, NULL, GPF_CROSS_TERMS, 0,
      "fvv", -2, -2, 0 },
    { "fvv, mixed terms once", NLINEAR | LARGE, IN_FVV, FVV_HALF_CROSS, NULL, GPF_CROSS_TERMS, 0,
      "fvv", -2, -2, 0 },
    { "fvv not all written", NLINEAR | LARGE, IN_FVV, PARTLY, NULL, GPF_UNFILLED, 0, "fvv", -2, -2,
      0 },
    { "fvv adds", NLINEAR | LARGE, IN_FVV, ADDS, NULL, GPF_ACCUMULATES, 0, "fvv", -2, -2, 0 },
    { "J' u not all written", LARGE, IN_JTU, PARTLY, NULL, GPF_UNFILLED, 0, "J' u", -2, -2, 0 },
    { "J' u and J'J add", LARGE, IN_JTU, ADDS, NULL, GPF_ACCUMULATES, 0, NULL, -2, -2, 0 },
    { "J' u and J'J twice", LARGE, IN_JTU, NUMBERS, twice, GPF_SCALED, 0, "J' u", -2, -2, 2 },
    { "J' u and J'J sign", LARGE, IN_JTU, NUMBERS, minus, GPF_SCALED, 0, "J'J", -2, -2, -1 },
    { "TransJ ignored", LARGE, IN_JTU, IGNORES_TRANS, NULL, GPF_UNTRANSPOSED, 0, "J' u", -2, -2,
      0 },
    { "TransJ always", LARGE, IN_D, IGNORES_NO_TRANS, NULL, GPF_UNTRANSPOSED, GPF_UNFILLED, NULL,
      -2, -2, 0 },
    { "J'J's upper half", LARGE, IN_JTU, UPPER, NULL, GPF_OTHER_HALF, 0, "J'J", -2, -2, 0 },
    { "J' u not linear", LARGE, IN_JTU, NOT_LINEAR, NULL, GPF_NOT_LINEAR, 0, "J' u", -2, -2, 0 },
    { "J u not linear", LARGE, IN_D, NOT_LINEAR, NULL, GPF_NOT_LINEAR, 0, NULL, -2, -2, 0 },
    { "v not all written", LARGE, IN_D, PARTLY, NULL, GPF_UNFILLED, 0, NULL, -2, -2, 0 },
    { "v added to", LARGE, IN_D, ADDS, NULL, GPF_ACCUMULATES, 0, NULL, -2, -2, 0 },
    { "df returns an error", LARGE, IN_D, ERROR, NULL, GPF_FAILS, 0, NULL, -2, -2, 0 },
};

static bool is_named(const gpf_fdf *c, const bug *b)
{
    for (size_t i = 0; i < gpf_fdf_n_explanations(c); i++) {
        const gpf_explanation *e = gpf_fdf_explanation(c, i);
        if (e->kind != b->named && (b->or_named == 0 || e->kind != b->or_named))
            continue;
        if (b->part &&
            (e->part < 0 || strcmp(gpf_fdf_part_at(c, (size_t)e->part)->name, b->part) != 0))
            continue;
        if ((b->row != -2 && e->row != b->row) || (b->column != -2 && e->column != b->column) ||
            (b->ratio != 0 && !(fabs(e->ratio / b->ratio - 1) < 1e-3)))
            continue;
        return true;
    }
    return false;
}

static void test_bugs(void **state)
{
    const size_t kind = *(const size_t *)*state;
    size_t planted = 0, missed = 0;
    for (size_t i = 0; i < COUNT(bugs); i++) {
        if (!(bugs[i].structures >> kind & 1))
            continue;
        structure s;
        make(&s, kind, M_OF(kind), N_OF(kind), &bugs[i], 17 + kind);
        gpf_fdf *c = check(&s);
        planted++;
        show(bugs[i].name, c);
        const gpf_outcome expected =
            bugs[i].manner == RANDOM ? GPF_OUTCOME_UNTESTED : GPF_OUTCOME_WRONG;
        if (gpf_fdf_outcome(c) != expected || !is_named(c, &bugs[i])) {
            print_message("#     ^^^^ not named\n");
            show_elements(c);
            missed++;
        }
        gpf_fdf_free(c);
    }
    print_message("# %s: %zu bugs planted\n", gpf_fdf_kind_name(gpf_fdf_kind_at(kind)), planted);
    assert_true(planted >= 8);
    assert_int_equal(missed, 0);
}

static void must_pass(structure *s, const gpf_fdf_options *how, const char *title)
{
    gpf_fdf *c = check_with(s, *how);
    if (gpf_fdf_outcome(c) != GPF_OUTCOME_RIGHT) {
        show(title, c);
        show_elements(c);
        fail_msg("%s: a right %s is not passed", title, gpf_fdf_kind_name(s->kind));
    }
    for (size_t i = 0; i < gpf_fdf_n_explanations(c); i++) /* "f does not depend on t" */
        assert_int_equal(gpf_fdf_explanation(c, i)->kind, GPF_INDEPENDENT);
    gpf_fdf_free(c);
}

static void must_not_accuse(structure *s, const gpf_fdf_options *how, const char *title)
{
    gpf_fdf *c = check_with(s, *how);
    if (gpf_fdf_outcome(c) == GPF_OUTCOME_WRONG) {
        show(title, c);
        show_elements(c);
        fail_msg("%s: a right %s is accused", title, gpf_fdf_kind_name(s->kind));
    }
    gpf_fdf_free(c);
}

static void test_right(void **state)
{
    const size_t kind = *(const size_t *)*state;
    const gpf_fdf_options how = gpf_fdf_defaults();
    static const size_t shapes[][2] = {
        { 7, 3 }, { 1, 1 }, { 1, 4 }, { 5, 1 }, { 12, 2 }, { 2, 5 }
    };
    for (uint64_t seed = 1; seed < 12; seed++)
        for (size_t i = 0; i < COUNT(shapes); i++) {
            structure s;
            const size_t m = kind == 2 || kind == 6 ? 1 + i % 4 : shapes[i][0];
            make(&s, kind, m, shapes[i][1], &no_bug, seed);
            must_pass(&s, &how, "right");
        }
    structure s;
    make(&s, kind, M_OF(kind), N_OF(kind), &no_bug, 5);
    gpf_fdf *c = check(&s);
    show("none", c);
    gpf_fdf_free(c);
}

/* Where x = 0, huge, tiny, and at a bound. */
static void test_awkward(void **state)
{
    const size_t kind = *(const size_t *)*state;
    for (uint64_t seed = 1; seed < 10; seed++) {
        gpf_fdf_options how = gpf_fdf_defaults();
        structure s;
        make(&s, kind, M_OF(kind), N_OF(kind), &no_bug, seed);
        for (size_t j = 0; j < s.w.n; j++)
            s.x[j] = 0;
        must_not_accuse(&s, &how, "x = 0");
        for (size_t j = 0; j < s.w.n; j++)
            s.x[j] = j % 2 ? 1e-9 : 1e-200;
        must_not_accuse(&s, &how, "tiny x");
        s.w.ridge = 0;
        for (size_t j = 0; j < s.w.n; j++) {
            s.x[j] = 1e7 * (double)(j + 1);
            for (size_t i = 0; i < s.w.m; i++) {
                s.w.w[i][j] = 1e-7;
                s.w.e[i][j] *= 1e-8;
            }
        }
        must_not_accuse(&s, &how, "large x");
        make(&s, kind, M_OF(kind), N_OF(kind), &no_bug, seed);
        double lo[MOST_N], hi[MOST_N];
        for (size_t j = 0; j < s.w.n; j++) {
            lo[j] = j % 3 == 0 ? s.x[j] : s.x[j] - 1;
            hi[j] = j % 3 == 1 ? s.x[j] : s.x[j] + 1;
        }
        gsl_vector_view l = gsl_vector_view_array(lo, s.w.n), h = gsl_vector_view_array(hi, s.w.n);
        how.lo = &l.vector;
        how.hi = &h.vector;
        /* A slope near 0 is too small for differences to one side. */
        if (fabs(slope_of(&s.w, 0, 0, s.x)) > 0.05)
            must_pass(&s, &how, "at bounds");
        else
            must_not_accuse(&s, &how, "at bounds");
        make(&s, kind, M_OF(kind), N_OF(kind), &no_bug, seed);
        s.w.linear = true;
        how = gpf_fdf_defaults();
        must_pass(&s, &how, "linear");
    }
}

/* TransJ read wrongly where J is square, so that nothing but numbers tells. */
static void test_square_products(void **state)
{
    (void)state;
    static const bug wrong[] = {
        { "TransJ ignored, n = m", LARGE, IN_JTU, IGNORES_TRANS, NULL, GPF_UNTRANSPOSED, 0, "J' u",
          -2, -2, 0 },
        { "TransJ always, n = m", LARGE, IN_D, IGNORES_NO_TRANS, NULL, GPF_UNTRANSPOSED, 0, "J u",
          -2, -2, 0 },
        { "J transposed, n = m", LARGE, IN_D, NUMBERS, transpose, GPF_UNTRANSPOSED, 0, "J' u", -2,
          -2, 0 },
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        structure s;
        make(&s, 5, 4, 4, &wrong[i], 8);
        gpf_fdf *c = check(&s);
        show(wrong[i].name, c);
        assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_WRONG);
        assert_true(is_named(c, &wrong[i]));
        gpf_fdf_free(c);
    }
}

/* A system that does not depend on t. */
static void test_autonomous(void **state)
{
    (void)state;
    structure s;
    make(&s, 6, 4, 0, &no_bug, 3);
    for (size_t i = 0; i < s.w.m; i++) {
        s.w.c[i][4] = s.w.e[i][4] = 0;
    }
    s.w.ridge = 0;
    const gpf_fdf_options how = gpf_fdf_defaults();
    must_pass(&s, &how, "autonomous");
}

int main(void)
{
    enum { KINDS = 7 };
    static const char *const names[3][KINDS] = {
        { "right: function", "right: multimin", "right: multiroot", "right: multifit",
          "right: multifit_nlinear", "right: multilarge_nlinear", "right: odeiv2" },
        { "awkward: function", "awkward: multimin", "awkward: multiroot", "awkward: multifit",
          "awkward: multifit_nlinear", "awkward: multilarge_nlinear", "awkward: odeiv2" },
        { "bugs: function", "bugs: multimin", "bugs: multiroot", "bugs: multifit",
          "bugs: multifit_nlinear", "bugs: multilarge_nlinear", "bugs: odeiv2" }
    };
    static void (*const run[])(void **) = { test_right, test_awkward, test_bugs };
    struct CMUnitTest tests[3 * KINDS + 2];
    size_t index[KINDS], n = 0;
    for (size_t k = 0; k < KINDS; k++)
        index[k] = k;
    for (size_t t = 0; t < 3; t++)
        for (size_t k = 0; k < KINDS; k++)
            tests[n++] = (struct CMUnitTest){ names[t][k], run[t], NULL, NULL, &index[k] };
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_autonomous);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_square_products);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
