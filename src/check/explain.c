/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check/explain.h"
#include "base/text.h"
#include "check/stencil.h"

#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *help;
    gpf_severity severity;
} kinds[] = {
#define EXPLANATION_ROW(symbol, name, severity, help) { name, help, severity },
    GPF_EXPLANATION_LIST(EXPLANATION_ROW)
#undef EXPLANATION_ROW
};

const char *gpf_explanation_name(gpf_explanation_kind k)
{
    return k < GPF_N_EXPLANATIONS ? kinds[k].name : "";
}

const char *gpf_explanation_help(gpf_explanation_kind k)
{
    return k < GPF_N_EXPLANATIONS ? kinds[k].help : "";
}

gpf_severity gpf_explanation_severity(gpf_explanation_kind k)
{
    return k < GPF_N_EXPLANATIONS ? kinds[k].severity : GPF_NOTE;
}

gpf_explanation gpf__explanation(gpf_explanation_kind kind, int part)
{
    return (gpf_explanation){ .kind = kind,
                              .severity = gpf_explanation_severity(kind),
                              .part = part,
                              .row = -1,
                              .column = -1,
                              .other = -1,
                              .ratio = GSL_NAN };
}

/* Evidence. A hypothesis says of entry i: analytic = p_i. If it is nothing but an accident, the
 * analytic value may be anywhere within |p_i - numeric_i| or so and hits p_i within the tolerance t_i
 * with a probability of about t_i / |p_i - numeric_i|. So an entry that fits is worth
 * log2(|p_i - numeric_i| / t_i) bits, one on which p_i is the right value itself is worth none, and a
 * hypothesis needs BITS of them, more for what was chosen to make it fit. */
static const double BITS = 16, MOST_BITS = 40;
/* Of the entries that can tell, so many must fit; those that do not are explained on their own. */
static const double MOST = 0.9;
enum { SAMPLE = 1024, MOST_WRONG_LINES = 64, MOST_ALONE = 3 };

/* Entries first, first + step, .. */
typedef struct scope {
    size_t first, step, n;
    bool open_only; /* those that are wrong and not explained yet */
} scope;

typedef struct block {
    const gpf__evidence *e;
    size_t n;            /* entries */
    unsigned char *open; /* wrong, not explained yet */
    size_t n_open, n_wrong, n_known;
    gpf_explanation *out;
    int n_out, room, most; /* most: room and a last place for what remains */
    struct ramp {
        double start, step, slack; /* a factor of row i: start + i step; what it may be off by */
        bool missing;
    } ramp;
    struct edge {
        double at;
        int step;
    } edge[2 * SAMPLE];
} block;

/* What a hypothesis says of an entry: analytic = c * basis + fixed, with a c of its own or for all. */
typedef struct sight {
    double basis, basis_error, fixed, fixed_error;
} sight;

/* False where it says nothing. */
typedef bool (*see)(const block *b, const ptrdiff_t *arg, size_t i, sight *s);

typedef struct score {
    size_t told, matched; /* entries on which it differs from the truth; that fit */
    size_t wrong, said;   /* open entries in the scope; that fit */
    double bits, best;    /* in all; of the best entry, which may have chosen c */
} score;

static bool known(const block *b, size_t i)
{
    const gpf__evidence *e = b->e;
    return (e->verdict[i] == GPF_RIGHT || e->verdict[i] == GPF_WRONG ||
            e->verdict[i] == GPF_VACUOUS) &&
           isfinite(e->numeric[i]) && isfinite(e->analytic[i]);
}

static double error_of(const block *b, size_t i)
{
    return isfinite(b->e->error[i]) ? fabs(b->e->error[i]) : 0;
}

static double tolerance(const sight *s, double c, double analytic, double p)
{
    return GPF__SAFETY * (fmax(1, fabs(c)) * s->basis_error + s->fixed_error) +
           4e-13 * fmax(fabs(analytic), fabs(p));
}

/* Does entry i fit, or can nothing be held against it? */
static bool fits(const block *b, see model, const ptrdiff_t *arg, double c, size_t i)
{
    sight s;
    if (!known(b, i))
        return false;
    if (!model(b, arg, i, &s))
        return true;
    const double a = b->e->analytic[i], p = c * s.basis + s.fixed;
    return fabs(a - p) <= tolerance(&s, c, a, p);
}

static score judge(const block *b, scope o, size_t stride, see model, const ptrdiff_t *arg,
                   double c)
{
    score r = { .told = 0 };
    for (size_t k = 0; k < o.n; k += stride) {
        const size_t i = o.first + k * o.step;
        sight s;
        if (!known(b, i) || (o.open_only && !b->open[i]))
            continue;
        if (!model(b, arg, i, &s))
            continue;
        r.wrong += b->open[i];
        const double a = b->e->analytic[i], n = b->e->numeric[i], p = c * s.basis + s.fixed,
                     t = tolerance(&s, c, a, p), off = fabs(p - n);
        const bool fit = fabs(a - p) <= t;
        r.said += fit && b->open[i];
        if (off <= 4 * (t + GPF__SAFETY * error_of(b, i))) {
            r.told += !fit; /* right or nearly so by the hypothesis, but it is wrong */
            continue;
        }
        r.told++;
        if (!fit)
            continue;
        r.matched++;
        const double bits = fmin(MOST_BITS, log2(off / fmax(t, GSL_DBL_MIN)));
        r.bits += bits;
        r.best = fmax(r.best, bits);
    }
    return r;
}

static bool enough(const score *s, size_t need, double cost)
{
    return s->matched >= need && (double)s->matched >= MOST * (double)s->told && s->said > 0 &&
           (double)s->said >= MOST * (double)s->wrong && s->bits - cost >= BITS;
}

static int by_place(const void *a, const void *b)
{
    const struct edge *p = a, *q = b;
    return p->at != q->at ? (p->at > q->at) - (p->at < q->at) : q->step - p->step;
}

static bool range_of(const block *b, see model, const ptrdiff_t *arg, size_t i, double *lo,
                     double *hi)
{
    sight s;
    if (!b->open[i] || !model(b, arg, i, &s))
        return false;
    const double a = b->e->analytic[i], gap = a - s.fixed, c = gap / s.basis,
                 half = tolerance(&s, c, a, a) / fabs(s.basis);
    *lo = c - half;
    *hi = c + half;
    return isfinite(*lo) && isfinite(*hi);
}

/* The c that fits most of the wrong entries: each allows an interval; the point in most of them, and
 * what they have in common there. Of a large scope a sample decides, the rest narrows it down. */
static bool fit(block *b, scope o, see model, const ptrdiff_t *arg, double *lo, double *hi)
{
    size_t wrong = 0, n = 0, met = 0;
    double l, h;
    for (size_t k = 0; k < o.n; k++)
        wrong += b->open[o.first + k * o.step];
    const size_t stride = wrong / SAMPLE + 1;
    for (size_t k = 0; k < o.n && n < SAMPLE; k++) {
        const size_t i = o.first + k * o.step;
        if (b->open[i] && met++ % stride == 0 && range_of(b, model, arg, i, &l, &h)) {
            b->edge[2 * n] = (struct edge){ l, 1 };
            b->edge[2 * n++ + 1] = (struct edge){ h, -1 };
        }
    }
    if (n == 0)
        return false;
    qsort(b->edge, 2 * n, sizeof *b->edge, by_place);
    int depth = 0, deepest = 0;
    for (size_t k = 0; k < 2 * n; k++) {
        depth += b->edge[k].step;
        if (depth > deepest) {
            deepest = depth;
            *lo = b->edge[k].at;
            *hi = b->edge[k + 1].at;
        }
    }
    for (size_t k = 0; k < o.n && stride > 1; k++)
        if (range_of(b, model, arg, o.first + k * o.step, &l, &h) && l <= *hi && h >= *lo) {
            *lo = fmax(*lo, l);
            *hi = fmin(*hi, h);
        }
    return true;
}

/* Numbers that a ratio may be, with a text that can stand before "times". */
static const struct {
    double value;
    const char *times;
    double cost; /* bits: how far-fetched it is */
} constants[] = {
    { 1, "1", 1 }, /* with a sign */
    { 2, "2", 2 },
    { 0.5, "1/2", 2 },
    { 3, "3", 5 },
    { 1 / 3.0, "1/3", 5 },
    { 4, "4", 4 },
    { 0.25, "1/4", 4 },
    { M_PI, "pi", 6 },
    { M_1_PI, "1/pi", 6 },
    { 2 * M_PI, "2 pi", 7 },
    { M_1_PI / 2, "1/(2 pi)", 7 },
    { 180 / M_PI, "180/pi (degrees?)", 5 },
    { M_PI / 180, "pi/180 (degrees?)", 5 },
    { M_LN10, "ln 10 (log10?)", 6 },
    { 1 / M_LN10, "1/ln 10 (log10?)", 6 },
    { M_LN2, "ln 2 (log2?)", 6 },
    { 1 / M_LN2, "1/ln 2 (log2?)", 6 },
};
enum { N_CONSTANTS = sizeof constants / sizeof *constants, N_FORMS = 8 };

typedef struct ratio_name {
    double c, cost;
    bool named;
    char text[96];
} ratio_name;

/* Number k of them; false past the end. */
static bool candidate(const gpf__evidence *e, size_t k, ratio_name *r)
{
    if (k < N_CONSTANTS) {
        *r = (ratio_name){ .c = constants[k].value, .cost = constants[k].cost };
        gpf__format(r->text, sizeof r->text, "%s", constants[k].times);
        return true;
    }
    k -= N_CONSTANTS;
    if (k / N_FORMS >= e->n_counts)
        return false;
    const double v = e->counts[k / N_FORMS].value,
                 of[N_FORMS] = { v, 1 / v, 2 * v, 1 / (2 * v), v / 2, 2 / v, sqrt(v), 1 / sqrt(v) };
    static const char *const before[N_FORMS] = { "",     "1/", "2*",    "1/2/",
                                                 "1/2*", "2/", "sqrt ", "1/sqrt " };
    *r = (ratio_name){ .c = v > 2 ? of[k % N_FORMS] : GSL_NAN, .cost = k % N_FORMS < 2 ? 4 : 7 };
    const gpf__count *count = &e->counts[k / N_FORMS];
    if (count->symbol)
        gpf__format(r->text, sizeof r->text, "%s%s", before[k % N_FORMS], count->symbol);
    else
        gpf__format(r->text, sizeof r->text, "%s%.6g (%s)", before[k % N_FORMS], v, count->means);
    return true;
}

/* The ratio that lies between lo and hi: one of the numbers above if only one of them does and the
 * interval is so small that this is no accident. */
static ratio_name ratio_between(const gpf__evidence *e, double lo, double hi)
{
    ratio_name r = { .c = (lo + hi) / 2 }, one;
    const double sign = r.c < 0 ? -1 : 1, from = fmin(sign * lo, sign * hi),
                 to = fmax(sign * lo, sign * hi), slack = 1e-13 * fabs(r.c),
                 room = fmax(to - from, slack);
    size_t names = 0;
    for (size_t k = 0; candidate(e, k, &one); k++) {
        if (!(one.c >= from - slack && one.c <= to + slack) || (one.c == 1 && sign > 0) ||
            (names && fabs(r.c) == one.c) || !(log2(one.c / room) >= 4 + one.cost))
            continue;
        if (names++ == 0) {
            r.c = sign * one.c;
            r.cost = one.cost;
            gpf__format(r.text, sizeof r.text, "%s%s", sign < 0 ? "-" : "", one.text);
        }
    }
    r.named = names == 1;
    if (names != 1) {
        r.c = (lo + hi) / 2;
        gpf__format(r.text, sizeof r.text, "%.6g", r.c);
    }
    return r;
}

int gpf__name_ratio(const double *ratio, const size_t *N, size_t n, char *text, size_t size)
{
    ratio_name one = { .c = 0 };
    for (size_t k = 0; k < N_CONSTANTS + N_FORMS; k++) {
        const double sign = n > 0 && ratio[0] < 0 ? -1 : 1;
        bool is = n > 0 && !(k == 0 && sign > 0);
        for (size_t i = 0; i < n && is; i++) {
            const gpf__count count = { (double)N[i], "", "N" };
            const gpf__evidence e = { .counts = &count, .n_counts = N[i] > 0 };
            is = candidate(&e, k, &one) && fabs(ratio[i] - sign * one.c) <= 1e-6 * one.c;
        }
        if (is) {
            gpf__format(text, size, "%s%s", sign < 0 ? "-" : "", one.text);
            return 1;
        }
    }
    return 0;
}

/* Fits a ratio to the scope and judges it. */
static bool find_ratio(block *b, scope o, see model, const ptrdiff_t *arg, size_t need,
                       ratio_name *r, score *s)
{
    double lo, hi;
    if (!fit(b, o, model, arg, &lo, &hi))
        return false;
    *r = ratio_between(b->e, lo, hi);
    *s = judge(b, o, 1, model, arg, r->c);
    return r->c != 0 && isfinite(r->c) && enough(s, need, r->named ? r->cost : s->best);
}

/* What was said of the scope has been said, also of entries about which the model knows nothing: what
 * belongs there was not seen, or would come from beyond the edge. */
static void close_entries(block *b, scope o, see model, const ptrdiff_t *arg, double c)
{
    for (size_t k = 0; k < o.n; k++) {
        const size_t i = o.first + k * o.step;
        if (b->open[i] && fits(b, model, arg, c, i)) {
            b->open[i] = 0;
            b->n_open--;
        }
    }
}

static scope everything(const block *b)
{
    return (scope){ 0, 1, b->n, false };
}

static scope line_of(const block *b, bool column, size_t k)
{
    const size_t rows = b->e->rows, cols = b->e->cols;
    return column ? (scope){ k, cols, rows, false } : (scope){ k * cols, 1, cols, false };
}

/* One row or one column: then single entries are its lines. */
static bool flat(const block *b)
{
    return b->e->rows == 1 || b->e->cols == 1;
}

/* Two entries that fit are no accident; a block that has only one cannot show more. */
static size_t fewest(const block *b)
{
    return b->n == 1 ? 1 : 2;
}

static gpf_explanation *add(block *b, gpf_explanation_kind kind)
{
    gpf_explanation *x = &b->out[b->n_out++];
    *x = gpf__explanation(kind, b->e->part);
    return x;
}

static const char *column_label(const block *b, size_t j, char *buf, size_t size)
{
    if (b->e->column_name)
        return b->e->column_name(b->e->arg, j, buf, size);
    gpf__format(buf, size, "x[%zu]", j);
    return buf;
}

/* "J[3,1]", "df[2]", "f'". */
static const char *entry_label(const block *b, size_t i, char *buf, size_t size)
{
    if (b->n == 1)
        gpf__format(buf, size, "%s", b->e->name);
    else if (flat(b))
        gpf__format(buf, size, "%s[%zu]", b->e->name, i);
    else
        gpf__format(buf, size, "%s[%zu,%zu]", b->e->name, i / b->e->cols, i % b->e->cols);
    return buf;
}

/* "J: column 1 (x[1])", "J: row 3". */
static void line_label(const block *b, bool column, size_t k, char *buf, size_t size)
{
    char name[64];
    if (!column)
        gpf__format(buf, size, "%s: row %zu", b->e->name, k);
    else if (b->e->column_name)
        gpf__format(buf, size, "%s: column %zu (%s)", b->e->name, k,
                    column_label(b, k, name, sizeof name));
    else
        gpf__format(buf, size, "%s: column %zu", b->e->name, k);
}

/* "every entry", "66 of 72 entries" */
static const char *how_many(const block *b, const score *s, char *buf, size_t size)
{
    if (s->matched == s->told && s->told == b->n)
        gpf__format(buf, size, "every entry");
    else
        gpf__format(buf, size, "%zu of %zu entries", s->matched, s->told);
    return buf;
}

static bool see_scaled(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    (void)arg;
    *s = (sight){ b->e->numeric[i], error_of(b, i), 0, 0 };
    return true;
}

static bool see_offset(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    (void)arg;
    *s = (sight){ 1, 0, b->e->numeric[i], error_of(b, i) };
    return true;
}

static double x_of(const block *b, size_t i)
{
    const gpf__evidence *e = b->e;
    return e->x[i / e->cols * e->x_row + i % e->cols * e->x_col];
}

static bool see_term(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    (void)arg;
    *s = (sight){ x_of(b, i), 0, b->e->numeric[i], error_of(b, i) };
    return isfinite(s->basis);
}

/* arg: 1: numeric * x, -1: numeric / x */
static bool see_factor(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    const double x = x_of(b, i), f = *arg > 0 ? x : 1 / x;
    *s = (sight){ b->e->numeric[i] * f, error_of(b, i) * fmax(1, fabs(f)), 0, 0 };
    return isfinite(s->basis);
}

/* arg: 2: w, 1: sqrt w, and the reverse for negative ones */
static bool see_weight(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    const double w = b->e->weights[i / b->e->cols], root = *arg % 2 ? sqrt(w) : w,
                 f = *arg > 0 ? root : 1 / root;
    *s = (sight){ b->e->numeric[i] * f, error_of(b, i) * fmax(1, fabs(f)), 0, 0 };
    return isfinite(s->basis);
}

static bool see_total(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    const double t = b->e->total[i / b->e->cols];
    (void)arg;
    *s = (sight){ t, 4e-13 * fabs(t), b->e->numeric[i], error_of(b, i) };
    return isfinite(t);
}

static bool see_ramp(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    const double q = b->ramp.start + (double)(i / b->e->cols) * b->ramp.step,
                 f = b->ramp.missing ? 1 / q : q, p = b->e->numeric[i] * f;
    (void)arg;
    *s = (sight){ p, error_of(b, i) * fmax(1, fabs(f)) + fabs(p) * b->ramp.slack, 0, 0 };
    return isfinite(p);
}

/* What belongs into entry j, found at i. */
static bool from(const block *b, size_t j, sight *s)
{
    *s = (sight){ b->e->numeric[j], error_of(b, j), 0, 0 };
    return known(b, j);
}

static bool see_transposed(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    const size_t n = b->e->cols;
    (void)arg;
    return from(b, i % n * n + i / n, s);
}

static bool see_column_major(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    const size_t m = b->e->rows;
    (void)arg;
    return from(b, i % m * b->e->cols + i / m, s);
}

/* arg: the two that are exchanged */
static bool see_swapped_columns(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    const size_t cols = b->e->cols, j = i % cols, p = (size_t)arg[0], q = (size_t)arg[1];
    return from(b, i - j + (j == p ? q : j == q ? p : j), s);
}

static bool see_swapped_rows(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    const size_t cols = b->e->cols, r = i / cols, p = (size_t)arg[0], q = (size_t)arg[1];
    return from(b, (r == p ? q : r == q ? p : r) * cols + i % cols, s);
}

static bool see_swapped_entries(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    const size_t p = (size_t)arg[0], q = (size_t)arg[1];
    return from(b, i == p ? q : i == q ? p : i, s);
}

/* Place k + by of n, if there is one; arg[1]: counted round. */
static bool moved(ptrdiff_t k, const ptrdiff_t *arg, size_t n, size_t *to)
{
    ptrdiff_t j = k + arg[0];
    if (arg[1])
        j = (j % (ptrdiff_t)n + (ptrdiff_t)n) % (ptrdiff_t)n;
    *to = (size_t)j;
    return j >= 0 && (size_t)j < n;
}

static bool see_shifted_columns(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    const size_t cols = b->e->cols, j = i % cols;
    size_t to;
    return moved((ptrdiff_t)j, arg, cols, &to) && from(b, i - j + to, s);
}

static bool see_shifted_rows(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    const size_t cols = b->e->cols;
    size_t to;
    return moved((ptrdiff_t)(i / cols), arg, b->e->rows, &to) && from(b, to * cols + i % cols, s);
}

static bool see_shifted_entries(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    size_t to;
    return moved((ptrdiff_t)i, arg, b->n, &to) && from(b, to, s);
}

/* Is it worth more than a look at a sample? */
static bool promising(const block *b, see model, const ptrdiff_t *arg, double c)
{
    const size_t stride = b->n / SAMPLE + 1;
    if (stride < 8)
        return true;
    const score s = judge(b, everything(b), stride, model, arg, c);
    return (double)s.matched >= 0.5 * (double)s.told;
}

static int explain_zero(block *b)
{
    size_t zero = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (b->e->analytic[i] != 0) /* also one that is no evidence otherwise */
            return false;
        zero += b->open[i];
    }
    if (zero < fewest(b))
        return false;
    gpf_explanation *x = add(b, GPF_ZERO);
    x->ratio = 0;
    x->matched = x->total = zero;
    if (b->n == 1)
        gpf__format(x->text, sizeof x->text, "%s is 0 where the slope is %.6g", b->e->name,
                    b->e->numeric[0]);
    else
        gpf__format(x->text, sizeof x->text, "%s is 0 in every entry; %zu of %zu should not be",
                    b->e->name, zero, b->n);
    for (size_t i = 0; i < b->n; i++)
        b->open[i] = 0;
    b->n_open = 0;
    return true;
}

static int explain_weighted(block *b)
{
    static const struct {
        ptrdiff_t arg;
        const char *what;
    } how[] = { { 1, "multiplied by the root of its weight" },
                { 2, "multiplied by its weight" },
                { -1, "divided by the root of its weight" },
                { -2, "divided by its weight" } };
    const double *w = b->e->weights;
    bool equal = true;
    for (size_t i = 1; w && i < b->e->rows; i++)
        equal &= w[i] == w[0];
    if (!w || equal)
        return false; /* that would be a constant ratio like any other */
    for (size_t k = 0; k < 4; k++) {
        const score s = judge(b, everything(b), 1, see_weight, &how[k].arg, 1);
        if (!enough(&s, fewest(b), 2))
            continue;
        gpf_explanation *x = add(b, GPF_WEIGHTED);
        x->matched = s.matched;
        x->total = s.told;
        gpf__format(x->text, sizeof x->text,
                    "%s: each row is %s (%zu of %zu entries), which GSL does itself", b->e->name,
                    how[k].what, s.matched, s.told);
        close_entries(b, everything(b), see_weight, &how[k].arg, 1);
        return true;
    }
    return false;
}

static void say_ratio(const block *b, gpf_explanation *x, const char *who, const ratio_name *r,
                      const score *s)
{
    x->ratio = r->c;
    x->matched = s->matched;
    x->total = s->told;
    if (b->e->truth)
        gpf__format(x->text, sizeof x->text, "%s is %s times %s (%zu of %zu entries)", who, r->text,
                    b->e->truth, s->matched, s->told);
    else if (r->c == -1)
        gpf__format(x->text, sizeof x->text,
                    "%s has the wrong sign: %zu of %zu entries are -1 times "
                    "the slope",
                    who, s->matched, s->told);
    else
        gpf__format(x->text, sizeof x->text,
                    "%s is %s times what it should be (%zu of %zu entries)", who, r->text,
                    s->matched, s->told);
}

/* Are all entries that speak for it in one of several rows or columns? Then that is what is shown. */
static bool in_one_line(const block *b)
{
    const size_t cols = b->e->cols;
    size_t first = b->n;
    bool row = !flat(b), column = row;
    for (size_t i = 0; i < b->n && (row || column); i++)
        if (b->open[i]) {
            first = first == b->n ? i : first;
            row &= i / cols == first / cols;
            column &= i % cols == first % cols;
        }
    return row || column;
}

static int explain_scaled(block *b)
{
    ratio_name r;
    score s;
    if (in_one_line(b) || !find_ratio(b, everything(b), see_scaled, NULL, fewest(b), &r, &s))
        return false;
    gpf_explanation *x = add(b, GPF_SCALED);
    char who[80];
    gpf__format(who, sizeof who, "%s", b->e->name);
    say_ratio(b, x, who, &r, &s);
    close_entries(b, everything(b), see_scaled, NULL, r.c);
    return true;
}

static int explain_total(block *b)
{
    if (!b->e->total)
        return false;
    const score s = judge(b, everything(b), 1, see_total, NULL, 1);
    if (!enough(&s, 1, 0))
        return false;
    gpf_explanation *x = add(b, GPF_TOTAL);
    x->matched = s.matched;
    x->total = s.told;
    gpf__format(
        x->text, sizeof x->text,
        "%s is the total derivative: it has dfdy f in it, which belongs not there (%zu of %zu)",
        b->e->name, s.matched, s.told);
    close_entries(b, everything(b), see_total, NULL, 1);
    return true;
}

/* Do the values of x at the wrong entries differ, so that x can be told from a constant? */
static bool x_varies(const block *b)
{
    double least = INFINITY, most = -INFINITY;
    for (size_t i = 0; b->e->x && i < b->n; i++)
        if (b->open[i] && isfinite(x_of(b, i))) {
            least = fmin(least, x_of(b, i));
            most = fmax(most, x_of(b, i));
        }
    return most > least;
}

static int explain_term(block *b)
{
    double lo, hi;
    const scope o = { 0, 1, b->n, true };
    if (!x_varies(b) || !fit(b, o, see_term, NULL, &lo, &hi))
        return false;
    double c = (lo + hi) / 2;
    /* a round number, if there is one */
    char round[32];
    gpf__format(round, sizeof round, "%.4g", c);
    const double rounded = gpf__strtod(round, NULL);
    c = rounded >= lo && rounded <= hi ? rounded : c;
    const score s = judge(b, o, 1, see_term, NULL, c);
    if (!enough(&s, fewest(b), s.best))
        return false;
    gpf_explanation *x = add(b, GPF_MISSING_TERM);
    char many[64];
    x->ratio = c;
    x->matched = s.matched;
    x->total = s.told;
    gpf__format(x->text, sizeof x->text,
                "%s: %.6g * x is %s in %s: a penalty such as %.6g |x|^2%s?", b->e->name, fabs(c),
                c < 0 ? "missing" : "too much", how_many(b, &s, many, sizeof many), fabs(c) / 2,
                c < 0 ? " left out" : " counted twice");
    close_entries(b, o, see_term, NULL, c);
    return true;
}

static int explain_factor(block *b)
{
    if (!b->e->x || (b->n > 1 && !x_varies(b)))
        return false;
    for (ptrdiff_t way = 1; way >= -1; way -= 2) {
        const score s = judge(b, everything(b), 1, see_factor, &way, 1);
        if (!enough(&s, fewest(b), 2))
            continue;
        gpf_explanation *x = add(b, GPF_MISSING_FACTOR);
        char many[64];
        x->matched = s.matched;
        x->total = s.told;
        gpf__format(x->text, sizeof x->text, "%s: a factor x is %s in %s: it is the slope %s x",
                    b->e->name, way > 0 ? "too much" : "missing",
                    how_many(b, &s, many, sizeof many), way > 0 ? "times" : "divided by");
        close_entries(b, everything(b), see_factor, &way, 1);
        return true;
    }
    return false;
}

static int explain_offset(block *b)
{
    double lo, hi;
    if (!fit(b, everything(b), see_offset, NULL, &lo, &hi))
        return false;
    const double c = (lo + hi) / 2;
    const score s = judge(b, everything(b), 1, see_offset, NULL, c);
    if (!enough(&s, 2, s.best))
        return false;
    gpf_explanation *x = add(b, GPF_OFFSET);
    char many[64];
    x->matched = s.matched;
    x->total = s.told;
    gpf__format(x->text, sizeof x->text, "%s: %s is too %s by the same number, %.6g", b->e->name,
                how_many(b, &s, many, sizeof many), c > 0 ? "large" : "small", fabs(c));
    close_entries(b, everything(b), see_offset, NULL, c);
    return true;
}

/* Entries found elsewhere, perhaps with a sign or a factor that has a name. */
static bool explain_moved(block *b, gpf_explanation_kind kind, see model, const char *what,
                          const char *where)
{
    ratio_name r = { .c = 1, .named = true };
    score s = { .told = 0 };
    bool ok = false;
    if (promising(b, model, NULL, 1)) {
        s = judge(b, everything(b), 1, model, NULL, 1);
        ok = enough(&s, 2, 0);
    }
    if (!ok)
        ok = find_ratio(b, everything(b), model, NULL, 3, &r, &s) && r.named;
    if (!ok)
        return false;
    gpf_explanation *x = add(b, kind);
    x->ratio = r.c == 1 ? GSL_NAN : r.c;
    x->matched = s.matched;
    x->total = s.told;
    gpf__format(x->text, sizeof x->text, "%s is %s", b->e->name, what);
    if (r.c != 1)
        gpf__append(x->text, sizeof x->text, " and %s times too large", r.text);
    gpf__append(x->text, sizeof x->text, ": %zu of %zu %sentries match %s", s.matched, s.told,
                kind == GPF_TRANSPOSED ? "off-diagonal " : "", where);
    close_entries(b, everything(b), model, NULL, r.c);
    return true;
}

static int explain_transposed(block *b)
{
    return b->e->rows == b->e->cols && b->n > 1 &&
           explain_moved(b, GPF_TRANSPOSED, see_transposed, "transposed", "the transpose");
}

static int explain_column_major(block *b)
{
    return b->e->rows != b->e->cols && !flat(b) &&
           explain_moved(b, GPF_COLUMN_MAJOR, see_column_major, "stored by columns, not by rows",
                         "that order");
}

/* One row or column on its own. */
typedef struct line {
    double c;
    size_t matched, told, said;
    gpf_explanation_kind kind;
    size_t by; /* the variable that is its factor */
    bool lacks, ok;
} line;

static bool line_zero(const block *b, scope o, line *l)
{
    size_t zero = 0;
    for (size_t k = 0; k < o.n; k++) {
        const size_t i = o.first + k * o.step;
        if (b->e->analytic[i] != 0)
            return false;
        zero += b->open[i];
    }
    *l = (line){ .matched = zero, .told = zero, .said = zero, .kind = GPF_ZERO, .ok = zero >= 2 };
    return l->ok;
}

/* The variable that a column is off by: d/d log x is x d/dx, and A in A exp(-t x) is easily lost. The
 * column's own, or the only one that it can be; no variable: cols. */
static size_t factor_between(const block *b, size_t own, double lo, double hi, bool *lacks)
{
    enum { MOST_VARIABLES = 64 };
    const gpf__evidence *e = b->e;
    const double slack = 1e-13 * fabs(lo), room = fmax(hi - lo, slack);
    size_t found = e->cols, n = 0;
    for (size_t k = 0; k < e->cols; k++)
        for (int way = 0; way < 2 && (k == own || e->cols <= MOST_VARIABLES); way++) {
            const double x = e->x[k * e->x_col], f = way ? 1 / x : x;
            if (!(f >= lo - slack && f <= hi + slack && log2(fabs(f) / room) >= 8))
                continue;
            if (found != own) {
                found = k;
                *lacks = way == 1;
            }
            n++;
        }
    return n == 1 || found == own ? found : e->cols;
}

static void read_line(block *b, bool column, size_t k, line *l)
{
    const scope o = line_of(b, column, k);
    double lo, hi;
    l->ok = false;
    if (line_zero(b, o, l) || !fit(b, o, see_scaled, NULL, &lo, &hi))
        return;
    const gpf__evidence *e = b->e;
    ratio_name r = ratio_between(e, lo, hi);
    l->kind = column ? GPF_SCALED_COLUMN : GPF_SCALED_ROW;
    size_t by = e->cols;
    bool lacks = false;
    if (column && e->x && e->x_row == 0 && !r.named && r.c != 0) {
        by = factor_between(b, k, lo, hi, &lacks);
        if (by < e->cols) {
            const double x = e->x[by * e->x_col];
            l->kind = GPF_MISSING_FACTOR;
            r.c = lacks ? 1 / x : x;
            r.named = true;
            r.cost = 5 + log2((double)e->cols);
        }
    }
    const score s = judge(b, o, 1, see_scaled, NULL, r.c);
    *l = (line){ .c = r.c,
                 .matched = s.matched,
                 .told = s.told,
                 .said = s.said,
                 .kind = l->kind,
                 .by = by,
                 .lacks = lacks,
                 .ok = r.c != 0 && enough(&s, 2, r.named ? r.cost : s.best) };
}

static void say_line(block *b, bool column, size_t k, const line *l)
{
    gpf_explanation *x = add(b, l->kind);
    const score s = { .matched = l->matched, .told = l->told };
    const ratio_name r = ratio_between(b->e, l->c, l->c);
    char who[96], name[64];
    line_label(b, column, k, who, sizeof who);
    *(column ? &x->column : &x->row) = (ptrdiff_t)k;
    if (l->kind == GPF_ZERO) {
        x->ratio = 0;
        x->matched = x->total = l->matched;
        gpf__format(x->text, sizeof x->text, "%s is 0: %zu entries are missing where f reacts", who,
                    l->matched);
        return;
    }
    say_ratio(b, x, who, &r, &s);
    if (l->kind == GPF_MISSING_FACTOR)
        gpf__format(x->text, sizeof x->text, "%s %s %s: %zu of %zu entries", who,
                    l->lacks ? "lacks a factor," : "has a factor too much,",
                    column_label(b, l->by, name, sizeof name), l->matched, l->told);
}

/* More lines than anybody wants to read one by one. */
static void say_lines(block *b, bool column, const line *l, size_t n, size_t n_ok)
{
    const char *lines = column ? "columns" : "rows";
    size_t matched = 0, told = 0, zero = 0, first = n;
    double least = INFINITY, most = -INFINITY;
    for (size_t k = 0; k < n; k++) {
        if (!l[k].ok)
            continue;
        first = first == n ? k : first;
        matched += l[k].matched;
        told += l[k].told;
        zero += l[k].kind == GPF_ZERO;
        least = fmin(least, l[k].c);
        most = fmax(most, l[k].c);
    }
    gpf_explanation *x = add(b, zero == n_ok ? GPF_ZERO
                                : column     ? GPF_SCALED_COLUMN
                                             : GPF_SCALED_ROW);
    x->matched = matched;
    x->total = told;
    x->ratio = least == most ? least : GSL_NAN;
    const ratio_name r = ratio_between(b->e, least, most);
    if (zero == n_ok)
        gpf__format(x->text, sizeof x->text, "%s: %zu %s are 0 where f reacts, the first is %zu",
                    b->e->name, n_ok, lines, first);
    else if (least == most)
        gpf__format(x->text, sizeof x->text,
                    "%s: %zu of %zu %s are %s times the slope, the first is "
                    "%zu",
                    b->e->name, n_ok, n, lines, r.text, first);
    else
        gpf__format(x->text, sizeof x->text,
                    "%s: %zu of %zu %s are off by a factor of their own, %.4g to %.4g%s",
                    b->e->name, n_ok, n, lines, least, most,
                    !column && least > 0 ? ": weighted?" : "");
}

/* Rows or columns with a factor of their own, whichever says more with fewer. */
static int explain_lines(block *b)
{
    if (flat(b))
        return 0;
    const size_t n[2] = { b->e->rows, b->e->cols };
    line *l = malloc((n[0] + n[1]) * sizeof *l), *side[2] = { l, l ? l + n[0] : NULL };
    if (!l)
        return -1;
    size_t said[2] = { 0, 0 }, ok[2] = { 0, 0 };
    for (int column = 0; column < 2; column++)
        for (size_t k = 0; k < n[column]; k++) {
            line *one = &side[column][k];
            read_line(b, column, k, one);
            said[column] += one->ok ? one->said : 0;
            ok[column] += one->ok;
        }
    const int column = said[1] != said[0] ? said[1] > said[0] : ok[1] <= ok[0];
    const bool few = ok[column] <= MOST_ALONE && b->n_out + (int)ok[column] <= b->room;
    if (ok[column] && !few)
        say_lines(b, column, side[column], n[column], ok[column]);
    for (size_t k = 0; k < n[column]; k++) {
        const line *one = &side[column][k];
        if (!one->ok)
            continue;
        if (few)
            say_line(b, column, k, one);
        close_entries(b, line_of(b, column, k), see_scaled, NULL, one->c);
    }
    const int found = ok[column] > 0;
    free(l);
    return found;
}

/* A factor that is an evenly spaced quantity of the rows, as the times of measurements often are:
 * analytic = numeric / t, or numeric t. Two entries tell which; the others must be so. */
static bool find_ramp(block *b, size_t column)
{
    const gpf__evidence *e = b->e;
    size_t end[2] = { 0, 0 };
    double q[2] = { 0, 0 }, off = 0;
    int n = 0;
    for (size_t r = 0; r < e->rows; r++) {
        const size_t i = r * e->cols + column;
        if (!b->open[i] || !known(b, i) || e->analytic[i] == 0 || e->numeric[i] == 0)
            continue;
        end[n ? 1 : 0] = r;
        n = n ? 2 : 1;
    }
    for (int k = 0; k < 2 && n == 2; k++) {
        const size_t i = end[k] * e->cols + column;
        q[k] = b->ramp.missing ? e->numeric[i] / e->analytic[i] : e->analytic[i] / e->numeric[i];
        off += error_of(b, i) / fabs(e->numeric[i]) + 1e-14;
    }
    if (n < 2)
        return false;
    b->ramp.step = (q[1] - q[0]) / (double)(end[1] - end[0]);
    b->ramp.start = q[0] - b->ramp.step * (double)end[0];
    b->ramp.slack = off * fmax(fabs(q[0]), fabs(q[1])) / fmin(fabs(q[0]), fabs(q[1]));
    return fabs(q[1] - q[0]) > 1e-3 * fmax(fabs(q[0]), fabs(q[1])) && b->ramp.slack < 1e-3;
}

static int explain_ramps(block *b)
{
    enum { FEWEST_ROWS = 5 };
    int found = 0;
    for (size_t k = 0; k < b->e->cols && b->e->rows >= FEWEST_ROWS && b->n_out < b->room; k++) {
        const scope o = line_of(b, true, k);
        for (int way = 0; way < 2; way++) {
            b->ramp.missing = way == 0;
            if (!find_ramp(b, k))
                continue;
            const score s = judge(b, o, 1, see_ramp, NULL, 1);
            if (!enough(&s, FEWEST_ROWS, 2 * s.best))
                continue;
            gpf_explanation *x = add(b, GPF_MISSING_FACTOR);
            char who[96];
            line_label(b, true, k, who, sizeof who);
            x->column = (ptrdiff_t)k;
            x->matched = s.matched;
            x->total = s.told;
            gpf__format(x->text, sizeof x->text,
                        "%s %s a factor that grows evenly with the row, as a time does: %zu of %zu "
                        "entries, %.4g row%+.4g",
                        who, way == 0 ? "lacks" : "has, too much,", s.matched, s.told, b->ramp.step,
                        fabs(b->ramp.start) < 1e-8 * fabs(b->ramp.step) ? 0 : b->ramp.start);
            close_entries(b, o, see_ramp, NULL, 1);
            found = 1;
            break;
        }
    }
    return found;
}

/* Two rows or columns that stand for each other. */
static bool explain_swapped_lines(block *b, bool column)
{
    size_t wrong[MOST_WRONG_LINES], n = 0;
    const size_t lines = column ? b->e->cols : b->e->rows,
                 length = column ? b->e->rows : b->e->cols, stride = length / 64 + 1;
    const see model = column ? see_swapped_columns : see_swapped_rows;
    bool found = false;
    if (flat(b))
        return false;
    for (size_t k = 0; k < lines; k++) {
        const scope o = line_of(b, column, k);
        bool open = false;
        for (size_t i = 0; i < o.n && !open; i++)
            open = b->open[o.first + i * o.step];
        if (open && n == MOST_WRONG_LINES)
            return false;
        if (open)
            wrong[n++] = k;
    }
    for (size_t p = 0; p < n && b->n_out < b->room; p++)
        for (size_t q = p + 1; q < n && b->n_out < b->room; q++) {
            const ptrdiff_t arg[] = { (ptrdiff_t)wrong[p], (ptrdiff_t)wrong[q] };
            const scope one = line_of(b, column, wrong[p]), two = line_of(b, column, wrong[q]);
            const score quick = judge(b, one, stride, model, arg, 1);
            if ((double)quick.matched < 0.5 * (double)quick.told || quick.told == 0)
                continue;
            const score s = judge(b, one, 1, model, arg, 1), t = judge(b, two, 1, model, arg, 1);
            const score both = { s.told + t.told, s.matched + t.matched, s.wrong + t.wrong,
                                 s.said + t.said, s.bits + t.bits,       0 };
            if (!s.matched || !t.matched || !enough(&both, 2, 1 + 2 * log2((double)n)))
                continue;
            gpf_explanation *x = add(b, GPF_SWAPPED);
            *(column ? &x->column : &x->row) = arg[0];
            x->other = arg[1];
            x->matched = both.matched;
            x->total = both.told;
            gpf__format(x->text, sizeof x->text,
                        "%s: %s %zu and %zu are swapped: %zu of %zu entries match the other one",
                        b->e->name, column ? "columns" : "rows", wrong[p], wrong[q], both.matched,
                        both.told);
            close_entries(b, one, model, arg, 1);
            close_entries(b, two, model, arg, 1);
            found = true;
            break;
        }
    return found;
}

static int explain_swapped(block *b)
{
    const bool columns = explain_swapped_lines(b, true);
    return explain_swapped_lines(b, false) || columns;
}

static int explain_swapped_entries(block *b)
{
    size_t wrong[MOST_WRONG_LINES], n = 0;
    int found = 0;
    if (b->n_open > MOST_WRONG_LINES)
        return 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->open[i])
            wrong[n++] = i;
    for (size_t p = 0; p < n; p++)
        for (size_t q = p + 1; q < n && b->n_out < b->room && b->open[wrong[p]]; q++) {
            const ptrdiff_t arg[] = { (ptrdiff_t)wrong[p], (ptrdiff_t)wrong[q] };
            const scope o = { wrong[p], wrong[q] - wrong[p], 2, true };
            const score s = judge(b, o, 1, see_swapped_entries, arg, 1);
            if (!enough(&s, 2, 1 + 2 * log2((double)n)))
                continue;
            gpf_explanation *x = add(b, GPF_SWAPPED);
            char one[64], two[64];
            const size_t cols = b->e->cols;
            /* by column where that tells them apart */
            if (b->e->rows > 1)
                x->row = arg[0] / (ptrdiff_t)cols;
            if (cols > 1)
                x->column = arg[0] % (ptrdiff_t)cols;
            x->other = arg[1];
            x->matched = x->total = 2;
            gpf__format(x->text, sizeof x->text, "%s and %s are swapped: each is the other's slope",
                        entry_label(b, wrong[p], one, sizeof one),
                        entry_label(b, wrong[q], two, sizeof two));
            close_entries(b, o, see_swapped_entries, arg, 1);
            found = 1;
        }
    return found;
}

typedef struct direction {
    see model;
    const char *what;
    ptrdiff_t n, step;
    int which; /* of row, column: 0, 1; 2: entries */
} direction;

/* By how many places a wrong entry i, which is not 0, may have been moved, nearest first. */
static size_t places(const block *b, const direction *d, size_t i, ptrdiff_t *by, size_t most)
{
    const ptrdiff_t here = (ptrdiff_t)i / d->step % d->n;
    const double a = b->e->analytic[i];
    size_t n = 0;
    for (ptrdiff_t far = 1; far < d->n && n < most; far++)
        for (int sign = 1; sign >= -1; sign -= 2) {
            const ptrdiff_t there = here + sign * far;
            if (there < 0 || there >= d->n || n == most)
                continue;
            const size_t j = (size_t)((ptrdiff_t)i + sign * far * d->step);
            const double t = GPF__SAFETY * error_of(b, j) + 4e-13 * fabs(a);
            if (known(b, j) && fabs(a - b->e->numeric[j]) <= t)
                by[n++] = sign * far;
        }
    return n;
}

static bool explain_shift_by(block *b, const direction *d, ptrdiff_t by)
{
    const scope all = { 0, 1, b->n, true };
    for (ptrdiff_t round = 1; round >= 0; round--) {
        const ptrdiff_t arg[] = { by, round };
        const score s = judge(b, all, 1, d->model, arg, 1);
        if (!enough(&s, 3, 6) || 2 * s.said < b->n_open) /* two are swapped */
            continue;
        if (round && 2 * by > d->n) /* the shorter way round */
            by -= d->n;
        else if (round && -2 * by > d->n)
            by += d->n;
        gpf_explanation *x = add(b, GPF_SHIFTED);
        x->other = by;
        x->matched = s.matched;
        x->total = s.told;
        gpf__format(
            x->text, sizeof x->text,
            "%s: %s are shifted: each holds what belongs %td place%s %s%s (%zu of %zu entries)",
            b->e->name, d->what, by < 0 ? -by : by, by * by == 1 ? "" : "s",
            by > 0 ? "after it" : "before it", round ? ", counted round" : "", s.matched, s.told);
        close_entries(b, all, d->model, arg, 1);
        return true;
    }
    return false;
}

static bool explain_shift(block *b, const direction *d)
{
    enum { ENTRIES = 4, TRIED = 4 };
    const size_t stride = b->n_open / (ENTRIES + 1) + 1;
    size_t met = 0, asked = 0;
    for (size_t i = 0; d->n > 2 && i < b->n && asked < ENTRIES; i++) {
        ptrdiff_t by[TRIED];
        if (!b->open[i] || b->e->analytic[i] == 0 || met++ % stride < stride / 2)
            continue;
        met += stride - met % stride;
        asked++;
        const size_t n = places(b, d, i, by, TRIED);
        for (size_t k = 0; k < n; k++)
            if (explain_shift_by(b, d, by[k]))
                return true;
    }
    return false;
}

static int explain_shifted(block *b)
{
    const ptrdiff_t rows = (ptrdiff_t)b->e->rows, cols = (ptrdiff_t)b->e->cols;
    const direction d[] = { { see_shifted_columns, "columns", cols, 1, 1 },
                            { see_shifted_rows, "rows", rows, cols, 0 },
                            { see_shifted_entries, "entries", rows * cols, 1, 2 } };
    for (size_t k = flat(b) ? 2 : 0; k < 3; k++)
        if (explain_shift(b, &d[k]))
            return 1;
    return 0;
}

/* Entries without a number: nothing else can be said of them. */
static int explain_not_finite(block *b)
{
    size_t n = 0, first = 0;
    for (size_t i = b->n; i-- > 0;)
        if (b->open[i] && !isfinite(b->e->analytic[i])) {
            n++;
            first = i;
            b->open[i] = 0;
        }
    if (n == 0)
        return 0;
    b->n_open -= n;
    gpf_explanation *x = add(b, GPF_FAILS);
    char label[64];
    entry_label(b, first, label, sizeof label);
    x->matched = x->total = n;
    if (n == 1) {
        x->row = (ptrdiff_t)(first / b->e->cols);
        x->column = (ptrdiff_t)(first % b->e->cols);
        gpf__format(x->text, sizeof x->text, "%s is %s where the slope is %.6g", label,
                    isnan(b->e->analytic[first]) ? "NaN" : "infinite", b->e->numeric[first]);
    } else {
        gpf__format(
            x->text, sizeof x->text,
            "%s: %zu of %zu entries are NaN or infinite where f has a slope, the first is %s",
            b->e->name, n, b->n, label);
    }
    return 1;
}

/* Entries here and there that are 0. */
static int explain_zero_entries(block *b)
{
    size_t n = 0, first = 0;
    for (size_t i = b->n; i-- > 0;)
        if (b->open[i] && b->e->analytic[i] == 0 && known(b, i)) {
            n++;
            first = i;
            b->open[i] = 0;
        }
    if (n == 0)
        return 0;
    b->n_open -= n;
    gpf_explanation *x = add(b, GPF_ZERO);
    char label[64];
    entry_label(b, first, label, sizeof label);
    x->ratio = 0;
    x->matched = x->total = n;
    if (n == 1) {
        x->row = (ptrdiff_t)(first / b->e->cols);
        x->column = (ptrdiff_t)(first % b->e->cols);
        gpf__format(x->text, sizeof x->text, "%s is 0 where the slope is %.6g", label,
                    b->e->numeric[first]);
    } else {
        gpf__format(x->text, sizeof x->text,
                    "%s: %zu entries are 0 where f reacts, the first is %s", b->e->name, n, label);
    }
    return 1;
}

/* Here and there, but all by the same factor. */
static int explain_alike(block *b)
{
    const scope o = { 0, 1, b->n, true };
    double lo, hi;
    if (b->n_open < 2 || !fit(b, o, see_scaled, NULL, &lo, &hi))
        return 0;
    const ratio_name r = ratio_between(b->e, lo, hi);
    const score s = judge(b, o, 1, see_scaled, NULL, r.c);
    /* which ones they are was chosen, too */
    const double chosen = (double)s.matched * log2((double)b->n_open / (double)(s.matched + 1) + 1);
    if (s.matched < (r.named ? 2u : 3u) || s.bits - s.best - chosen < BITS || r.c == 0 ||
        (!r.named && 2 * s.matched < b->n_open))
        return 0;
    gpf_explanation *x = add(b, GPF_SINGLE);
    char list[128] = "", label[64];
    size_t n = 0;
    for (size_t i = 0; i < b->n && n <= MOST_ALONE; i++)
        if (b->open[i] && fits(b, see_scaled, NULL, r.c, i)) {
            const char *next = n == MOST_ALONE ? ".." : entry_label(b, i, label, sizeof label);
            gpf__append(list, sizeof list, "%s%s", n ? ", " : "", next);
            n++;
        }
    x->ratio = r.c;
    x->matched = s.matched;
    x->total = b->n;
    gpf__format(x->text, sizeof x->text, "%s: %zu of %zu entries are %s times the slope (%s)",
                b->e->name, s.matched, b->n, r.text, list);
    close_entries(b, o, see_scaled, NULL, r.c);
    return 1;
}

/* Where else its value would be right: the only such place, or b->n. */
static size_t belongs(const block *b, size_t i)
{
    const double a = b->e->analytic[i];
    size_t found = b->n;
    for (size_t j = 0; j < b->n; j++) {
        const double t = GPF__SAFETY * error_of(b, j) + 4e-13 * fabs(a);
        if (j == i || !known(b, j) || !(fabs(a - b->e->numeric[j]) <= t))
            continue;
        if (found < b->n || a == rint(a) || log2(fabs(a) / t) < BITS)
            return b->n;
        found = j;
    }
    return found;
}

static void say_single(block *b, size_t i)
{
    const double a = b->e->analytic[i], n = b->e->numeric[i];
    const size_t other = belongs(b, i);
    gpf_explanation *x = add(b, GPF_SINGLE);
    char label[64], belongs_to[64];
    entry_label(b, i, label, sizeof label);
    x->row = (ptrdiff_t)(i / b->e->cols);
    x->column = (ptrdiff_t)(i % b->e->cols);
    x->matched = x->total = 1;
    gpf__format(x->text, sizeof x->text, "%s is %.6g, the slope is %.6g", label, a, n);
    double lo, hi;
    if (range_of(b, see_scaled, NULL, i, &lo, &hi) && n != 0) {
        const ratio_name r = ratio_between(b->e, lo, hi);
        x->ratio = r.c;
        if (r.named)
            gpf__format(x->text, sizeof x->text,
                        r.c == -1 ? "%s has the wrong sign: it is %s times "
                                    "the slope %.6g"
                                  : "%s is %s times the slope %.6g",
                        label, r.text, n);
    }
    if (other < b->n) {
        x->other = (ptrdiff_t)other;
        gpf__append(x->text, sizeof x->text, "; its value is that of %s",
                    entry_label(b, other, belongs_to, sizeof belongs_to));
    }
    b->open[i] = 0;
    b->n_open--;
}

/* Few entries among others that are right. */
static int explain_single(block *b)
{
    int found = 0;
    if (b->n_open > MOST_ALONE || (b->n_open == b->n_known && b->n_open > 1) ||
        b->n_out + (int)b->n_open > b->most)
        return 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->open[i] && known(b, i)) {
            say_single(b, i);
            found = 1;
        }
    return found;
}

static int explain_not(block *b)
{
    size_t worst = b->n;
    double most = -1;
    for (size_t i = 0; i < b->n; i++) {
        const double gap = fabs(b->e->analytic[i] - b->e->numeric[i]);
        if (b->open[i] && (worst == b->n || gap > most)) {
            worst = i;
            most = gap;
        }
    }
    gpf_explanation *x = add(b, GPF_UNEXPLAINED);
    char label[64];
    x->row = (ptrdiff_t)(worst / b->e->cols);
    x->column = (ptrdiff_t)(worst % b->e->cols);
    x->matched = b->n_open;
    x->total = b->n;
    x->ratio = b->e->analytic[worst] / b->e->numeric[worst];
    gpf__format(x->text, sizeof x->text,
                "%s: %zu of %zu entries are wrong in no way known here; %s is %.6g, the slope %.6g",
                b->e->name, b->n_open, b->n, entry_label(b, worst, label, sizeof label),
                b->e->analytic[worst], b->e->numeric[worst]);
    b->n_open = 0;
    return 1;
}

/* What is tried, from what says most in the fewest words to what says least. Each adds explanations of
 * its kind and closes the entries they speak of; 1 if there were any, -1 without memory. */
static const struct {
    gpf_explanation_kind kind;
    int (*explain)(block *b);
} ways[] = {
    { GPF_FAILS, explain_not_finite },
    { GPF_ZERO, explain_zero },
    { GPF_TOTAL, explain_total },
    { GPF_SCALED, explain_scaled },
    { GPF_WEIGHTED, explain_weighted },
    { GPF_TRANSPOSED, explain_transposed },
    { GPF_COLUMN_MAJOR, explain_column_major },
    { GPF_MISSING_FACTOR, explain_factor },
    { GPF_MISSING_TERM, explain_term },
    { GPF_OFFSET, explain_offset },
    { GPF_MISSING_FACTOR, explain_ramps },
    { GPF_SWAPPED, explain_swapped },
    { GPF_SHIFTED, explain_shifted },
    { GPF_SCALED_COLUMN, explain_lines }, /* or of rows */
    { GPF_SCALED_ROW, explain_lines },    /* what is left of the other ones */
    { GPF_SWAPPED, explain_swapped_entries },
    { GPF_ZERO, explain_zero_entries },
    { GPF_SINGLE, explain_alike },
    { GPF_SINGLE, explain_alike },
    { GPF_SINGLE, explain_single },
};

int gpf__explain(const gpf__evidence *e, gpf_explanation *out, int most)
{
    block *b = calloc(1, sizeof *b);
    int status = 0;
    if (!b)
        return -1;
    b->e = e;
    b->n = e->rows * e->cols;
    b->out = out;
    b->open = malloc(b->n + 1);
    b->most = most;
    b->room = most > 1 ? most - 1 : most;
    if (!b->open)
        status = -1;
    for (size_t i = 0; i < b->n && !status; i++) {
        b->open[i] = e->verdict[i] == GPF_WRONG;
        b->n_open += b->open[i];
        b->n_known += known(b, i);
    }
    for (size_t k = 0; k < sizeof ways / sizeof *ways && !(status < 0); k++)
        if (b->n_open && b->n_out < b->room)
            status = ways[k].explain(b);
    if (!(status < 0) && b->n_open && b->n_out < most)
        explain_not(b);
    const int n = status < 0 ? -1 : b->n_out;
    free(b->open);
    free(b);
    return n;
}
