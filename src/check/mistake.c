/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mistakes: wrong numbers in their own places. */
#include "check/mistake.h"
#include "base/text.h"
#include "check/stencil.h"

#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>

enum { MOST_ALONE = 3 };

static bool see_scaled(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    (void)arg;
    *s = (sight){ b->e->numeric[i], gpf__error_of(b, i), 0, 0 };
    return true;
}

static bool see_offset(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    (void)arg;
    *s = (sight){ 1, 0, b->e->numeric[i], gpf__error_of(b, i) };
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
    *s = (sight){ x_of(b, i), 0, b->e->numeric[i], gpf__error_of(b, i) };
    return isfinite(s->basis);
}

/* arg: 1: numeric * x, -1: numeric / x */
static bool see_factor(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    const double x = x_of(b, i), f = *arg > 0 ? x : 1 / x;
    *s = (sight){ b->e->numeric[i] * f, gpf__error_of(b, i) * fmax(1, fabs(f)), 0, 0 };
    return isfinite(s->basis);
}

/* arg: 2: w, 1: sqrt w, and the reverse for negative ones */
static bool see_weight(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    const double w = b->e->weights[i / b->e->cols], root = *arg % 2 ? sqrt(w) : w,
                 f = *arg > 0 ? root : 1 / root;
    *s = (sight){ b->e->numeric[i] * f, gpf__error_of(b, i) * fmax(1, fabs(f)), 0, 0 };
    return isfinite(s->basis);
}

static bool see_total(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    const double t = b->e->total[i / b->e->cols];
    (void)arg;
    *s = (sight){ t, 4e-13 * fabs(t), b->e->numeric[i], gpf__error_of(b, i) };
    return isfinite(t);
}

static bool see_ramp(const block *b, const ptrdiff_t *arg, size_t i, sight *s)
{
    const double q = b->ramp.start + (double)(i / b->e->cols) * b->ramp.step,
                 f = b->ramp.missing ? 1 / q : q, p = b->e->numeric[i] * f;
    (void)arg;
    *s = (sight){ p, gpf__error_of(b, i) * fmax(1, fabs(f)) + fabs(p) * b->ramp.slack, 0, 0 };
    return isfinite(p);
}

int gpf__explain_zero(block *b)
{
    size_t zero = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (b->e->analytic[i] != 0) /* also one that is no evidence otherwise */
            return false;
        zero += b->open[i];
    }
    if (zero < gpf__fewest(b))
        return false;
    gpf_explanation *x = gpf__add_mistake(b, GPF_ZERO);
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

int gpf__explain_weighted(block *b)
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
        const score s = gpf__judge_mistake(b, gpf__everything(b), 1, see_weight, &how[k].arg, 1);
        if (!gpf__enough(&s, gpf__fewest(b), 2))
            continue;
        gpf_explanation *x = gpf__add_mistake(b, GPF_WEIGHTED);
        x->matched = s.matched;
        x->total = s.told;
        gpf__format(x->text, sizeof x->text,
                    "%s: each row is %s (%zu of %zu entries), which GSL does itself", b->e->name,
                    how[k].what, s.matched, s.told);
        gpf__close_entries(b, gpf__everything(b), see_weight, &how[k].arg, 1);
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
    char many[64] = "";
    const char *truth = b->e->truth ? b->e->truth : "what it should be";
    if (b->n > 1)
        gpf__format(many, sizeof many, " (%zu of %zu entries)", s->matched, s->told);
    if (r->c != -1 || b->e->truth)
        gpf__format(x->text, sizeof x->text, "%s is %s times %s%s", who, r->text, truth, many);
    else if (b->n == 1)
        gpf__format(x->text, sizeof x->text, "%s has the wrong sign: it is -1 times the slope",
                    who);
    else
        gpf__format(x->text, sizeof x->text,
                    "%s has the wrong sign: %zu of %zu entries are -1 times the slope", who,
                    s->matched, s->told);
}

/* Are all entries that speak for it in one of several rows or columns? Then that is what is
 * shown. */
static bool in_one_line(const block *b)
{
    const size_t cols = b->e->cols;
    size_t first = b->n;
    bool row = !gpf__flat(b), column = row;
    for (size_t i = 0; i < b->n && (row || column); i++)
        if (b->open[i]) {
            first = first == b->n ? i : first;
            row &= i / cols == first / cols;
            column &= i % cols == first % cols;
        }
    return row || column;
}

int gpf__explain_scaled(block *b)
{
    ratio_name r;
    score s;
    if (in_one_line(b) ||
        !gpf__find_ratio(b, gpf__everything(b), see_scaled, NULL, gpf__fewest(b), &r, &s))
        return false;
    gpf_explanation *x = gpf__add_mistake(b, GPF_SCALED);
    char who[80];
    gpf__format(who, sizeof who, "%s", b->e->name);
    say_ratio(b, x, who, &r, &s);
    gpf__close_entries(b, gpf__everything(b), see_scaled, NULL, r.c);
    return true;
}

int gpf__explain_total(block *b)
{
    if (!b->e->total)
        return false;
    const score s = gpf__judge_mistake(b, gpf__everything(b), 1, see_total, NULL, 1);
    if (!gpf__enough(&s, 1, 0))
        return false;
    gpf_explanation *x = gpf__add_mistake(b, GPF_TOTAL);
    x->matched = s.matched;
    x->total = s.told;
    gpf__format(
        x->text, sizeof x->text,
        "%s is the total derivative: it has dfdy f in it, which belongs not there (%zu of %zu)",
        b->e->name, s.matched, s.told);
    gpf__close_entries(b, gpf__everything(b), see_total, NULL, 1);
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

int gpf__explain_term(block *b)
{
    double lo, hi;
    const scope o = { 0, 1, b->n, true };
    if (!x_varies(b) || !gpf__fit_factor(b, o, see_term, NULL, &lo, &hi))
        return false;
    double c = (lo + hi) / 2;
    /* a round number, if there is one */
    char round[32];
    gpf__format(round, sizeof round, "%.4g", c);
    const double rounded = gpf__strtod(round, NULL);
    c = rounded >= lo && rounded <= hi ? rounded : c;
    const score s = gpf__judge_mistake(b, o, 1, see_term, NULL, c);
    if (!gpf__enough(&s, gpf__fewest(b), s.best))
        return false;
    gpf_explanation *x = gpf__add_mistake(b, GPF_MISSING_TERM);
    char many[64];
    x->ratio = c;
    x->matched = s.matched;
    x->total = s.told;
    gpf__format(x->text, sizeof x->text,
                "%s: %.6g * x is %s in %s: a penalty such as %.6g |x|^2%s?", b->e->name, fabs(c),
                c < 0 ? "missing" : "too much", gpf__how_many(b, &s, many, sizeof many),
                fabs(c) / 2, c < 0 ? " left out" : " that f does not have");
    gpf__close_entries(b, o, see_term, NULL, c);
    return true;
}

int gpf__explain_factor(block *b)
{
    if (!b->e->x || (b->n > 1 && !x_varies(b)))
        return false;
    for (ptrdiff_t way = 1; way >= -1; way -= 2) {
        const score s = gpf__judge_mistake(b, gpf__everything(b), 1, see_factor, &way, 1);
        if (!gpf__enough(&s, gpf__fewest(b), 2))
            continue;
        gpf_explanation *x = gpf__add_mistake(b, GPF_MISSING_FACTOR);
        char many[64];
        x->matched = s.matched;
        x->total = s.told;
        gpf__format(x->text, sizeof x->text, "%s: a factor x is %s%s%s: it is the slope %s x",
                    b->e->name, way > 0 ? "too much" : "missing", b->n > 1 ? " in " : "",
                    b->n > 1 ? gpf__how_many(b, &s, many, sizeof many) : "",
                    way > 0 ? "times" : "divided by");
        gpf__close_entries(b, gpf__everything(b), see_factor, &way, 1);
        return true;
    }
    return false;
}

int gpf__explain_offset(block *b)
{
    double lo, hi;
    if (!gpf__fit_factor(b, gpf__everything(b), see_offset, NULL, &lo, &hi))
        return false;
    const double c = (lo + hi) / 2;
    const score s = gpf__judge_mistake(b, gpf__everything(b), 1, see_offset, NULL, c);
    if (!gpf__enough(&s, 2, s.best))
        return false;
    gpf_explanation *x = gpf__add_mistake(b, GPF_OFFSET);
    char many[64];
    x->matched = s.matched;
    x->total = s.told;
    gpf__format(x->text, sizeof x->text, "%s: %s is too %s by the same number, %.6g", b->e->name,
                gpf__how_many(b, &s, many, sizeof many), c > 0 ? "large" : "small", fabs(c));
    gpf__close_entries(b, gpf__everything(b), see_offset, NULL, c);
    return true;
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

/* The variable that a column is off by: d/d log x is x d/dx, and A in A exp(-t x) is easily lost.
 * The column's own, or the only one that it can be; no variable: cols. */
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
    const scope o = gpf__line_of(b, column, k);
    double lo, hi;
    l->ok = false;
    if (line_zero(b, o, l) || !gpf__fit_factor(b, o, see_scaled, NULL, &lo, &hi))
        return;
    const gpf__evidence *e = b->e;
    ratio_name r = gpf__ratio_between(e, lo, hi);
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
    const score s = gpf__judge_mistake(b, o, 1, see_scaled, NULL, r.c);
    *l = (line){ .c = r.c,
                 .matched = s.matched,
                 .told = s.told,
                 .said = s.said,
                 .kind = l->kind,
                 .by = by,
                 .lacks = lacks,
                 .ok = r.c != 0 && gpf__enough(&s, 2, r.named ? r.cost : s.best) };
}

static void say_line(block *b, bool column, size_t k, const line *l)
{
    gpf_explanation *x = gpf__add_mistake(b, l->kind);
    const score s = { .matched = l->matched, .told = l->told };
    const ratio_name r = gpf__ratio_between(b->e, l->c, l->c);
    char who[96], name[64];
    gpf__mistake_line(b, column, k, who, sizeof who);
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
                    gpf__mistake_column(b, l->by, name, sizeof name), l->matched, l->told);
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
    gpf_explanation *x = gpf__add_mistake(b, zero == n_ok ? GPF_ZERO
                                             : column     ? GPF_SCALED_COLUMN
                                                          : GPF_SCALED_ROW);
    x->matched = matched;
    x->total = told;
    x->ratio = least == most ? least : GSL_NAN;
    const ratio_name r = gpf__ratio_between(b->e, least, most);
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
int gpf__explain_lines(block *b)
{
    if (gpf__flat(b))
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
        gpf__close_entries(b, gpf__line_of(b, column, k), see_scaled, NULL, one->c);
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
        if (!b->open[i] || !gpf__is_evidence(b, i) || e->analytic[i] == 0 || e->numeric[i] == 0)
            continue;
        end[n ? 1 : 0] = r;
        n = n ? 2 : 1;
    }
    for (int k = 0; k < 2 && n == 2; k++) {
        const size_t i = end[k] * e->cols + column;
        q[k] = b->ramp.missing ? e->numeric[i] / e->analytic[i] : e->analytic[i] / e->numeric[i];
        off += gpf__error_of(b, i) / fabs(e->numeric[i]) + 1e-14;
    }
    if (n < 2)
        return false;
    b->ramp.step = (q[1] - q[0]) / (double)(end[1] - end[0]);
    b->ramp.start = q[0] - b->ramp.step * (double)end[0];
    b->ramp.slack = off * fmax(fabs(q[0]), fabs(q[1])) / fmin(fabs(q[0]), fabs(q[1]));
    return fabs(q[1] - q[0]) > 1e-3 * fmax(fabs(q[0]), fabs(q[1])) && b->ramp.slack < 1e-3;
}

int gpf__explain_ramps(block *b)
{
    enum { FEWEST_ROWS = 5 };
    int found = 0;
    for (size_t k = 0; k < b->e->cols && b->e->rows >= FEWEST_ROWS && b->n_out < b->room; k++) {
        const scope o = gpf__line_of(b, true, k);
        for (int way = 0; way < 2; way++) {
            b->ramp.missing = way == 0;
            if (!find_ramp(b, k))
                continue;
            const score s = gpf__judge_mistake(b, o, 1, see_ramp, NULL, 1);
            if (!gpf__enough(&s, FEWEST_ROWS, 2 * s.best))
                continue;
            gpf_explanation *x = gpf__add_mistake(b, GPF_MISSING_FACTOR);
            char who[96];
            gpf__mistake_line(b, true, k, who, sizeof who);
            x->column = (ptrdiff_t)k;
            x->matched = s.matched;
            x->total = s.told;
            gpf__format(x->text, sizeof x->text,
                        "%s %s a factor that grows evenly with the row, as a time does: %zu of %zu "
                        "entries, %.4g row%+.4g",
                        who, way == 0 ? "lacks" : "has, too much,", s.matched, s.told, b->ramp.step,
                        fabs(b->ramp.start) < 1e-8 * fabs(b->ramp.step) ? 0 : b->ramp.start);
            gpf__close_entries(b, o, see_ramp, NULL, 1);
            found = 1;
            break;
        }
    }
    return found;
}

/* Entries without a number: nothing else can be said of them. */
int gpf__explain_not_finite(block *b)
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
    gpf_explanation *x = gpf__add_mistake(b, GPF_FAILS);
    char label[64];
    gpf__mistake_entry(b, first, label, sizeof label);
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

/* A square block that has entries on its diagonal, and there only. */
static bool is_diagonal(const block *b)
{
    const size_t cols = b->e->cols;
    if (b->e->rows != cols || cols < 2)
        return false;
    for (size_t i = 0; i < b->n; i++)
        if ((b->e->analytic[i] != 0) != (i % (cols + 1) == 0))
            return false;
    return true;
}

/* Entries here and there that are 0. */
int gpf__explain_zero_entries(block *b)
{
    size_t n = 0, first = 0;
    const bool diagonal = is_diagonal(b);
    for (size_t i = b->n; i-- > 0;)
        if (b->open[i] && b->e->analytic[i] == 0 && gpf__is_evidence(b, i)) {
            n++;
            first = i;
            b->open[i] = 0;
        }
    if (n == 0)
        return 0;
    b->n_open -= n;
    gpf_explanation *x = gpf__add_mistake(b, GPF_ZERO);
    char label[64];
    gpf__mistake_entry(b, first, label, sizeof label);
    x->ratio = 0;
    x->matched = x->total = n;
    if (n == 1) {
        x->row = (ptrdiff_t)(first / b->e->cols);
        x->column = (ptrdiff_t)(first % b->e->cols);
        gpf__format(x->text, sizeof x->text, "%s is 0 where the slope is %.6g", label,
                    b->e->numeric[first]);
    } else if (diagonal) {
        gpf__format(x->text, sizeof x->text,
                    "%s has nothing off its diagonal: %zu entries there are 0 where f reacts",
                    b->e->name, n);
    } else {
        gpf__format(x->text, sizeof x->text,
                    "%s: %zu entries are 0 where f reacts, the first is %s", b->e->name, n, label);
    }
    return 1;
}

/* Here and there, but all by the same factor. */
int gpf__explain_alike(block *b)
{
    const scope o = { 0, 1, b->n, true };
    double lo, hi;
    if (b->n_open < 2 || !gpf__fit_factor(b, o, see_scaled, NULL, &lo, &hi))
        return 0;
    const ratio_name r = gpf__ratio_between(b->e, lo, hi);
    const score s = gpf__judge_mistake(b, o, 1, see_scaled, NULL, r.c);
    /* which ones they are was chosen, too */
    const double chosen = (double)s.matched * log2((double)b->n_open / (double)(s.matched + 1) + 1);
    if (s.matched < (r.named ? 2u : 3u) || s.bits - s.best - chosen < GPF__BITS || r.c == 0 ||
        (!r.named && 2 * s.matched < b->n_open))
        return 0;
    gpf_explanation *x = gpf__add_mistake(b, GPF_SINGLE);
    char list[128] = "", label[64];
    size_t n = 0;
    for (size_t i = 0; i < b->n && n <= MOST_ALONE; i++)
        if (b->open[i] && gpf__mistake_fits(b, see_scaled, NULL, r.c, i)) {
            const char *next =
                n == MOST_ALONE ? ".." : gpf__mistake_entry(b, i, label, sizeof label);
            gpf__append(list, sizeof list, "%s%s", n ? ", " : "", next);
            n++;
        }
    x->ratio = r.c;
    x->matched = s.matched;
    x->total = b->n;
    gpf__format(x->text, sizeof x->text, "%s: %zu of %zu entries are %s times the slope (%s)",
                b->e->name, s.matched, b->n, r.text, list);
    gpf__close_entries(b, o, see_scaled, NULL, r.c);
    return 1;
}

/* Where else its value would be right: the only such place, or b->n. */
static size_t belongs(const block *b, size_t i)
{
    const double a = b->e->analytic[i];
    size_t found = b->n;
    for (size_t j = 0; j < b->n; j++) {
        const double t = GPF__SAFETY * gpf__error_of(b, j) + 4e-13 * fabs(a);
        if (j == i || !gpf__is_evidence(b, j) || !(fabs(a - b->e->numeric[j]) <= t))
            continue;
        if (found < b->n || a == rint(a) || log2(fabs(a) / t) < GPF__BITS)
            return b->n;
        found = j;
    }
    return found;
}

static void say_single(block *b, size_t i)
{
    const double a = b->e->analytic[i], n = b->e->numeric[i];
    const size_t other = belongs(b, i);
    gpf_explanation *x = gpf__add_mistake(b, GPF_SINGLE);
    char label[64], belongs_to[64];
    gpf__mistake_entry(b, i, label, sizeof label);
    x->row = (ptrdiff_t)(i / b->e->cols);
    x->column = (ptrdiff_t)(i % b->e->cols);
    x->matched = x->total = 1;
    gpf__format(x->text, sizeof x->text, "%s is %.6g, the slope is %.6g", label, a, n);
    double lo, hi;
    if (gpf__range_of(b, see_scaled, NULL, i, &lo, &hi) && n != 0) {
        const ratio_name r = gpf__ratio_between(b->e, lo, hi);
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
                    gpf__mistake_entry(b, other, belongs_to, sizeof belongs_to));
    }
    b->open[i] = 0;
    b->n_open--;
}

/* Few entries among others that are right. */
int gpf__explain_single(block *b)
{
    int found = 0;
    if (b->n_open > MOST_ALONE || (b->n_open == b->n_known && b->n_open > 1) ||
        b->n_out + (int)b->n_open > b->most)
        return 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->open[i] && gpf__is_evidence(b, i)) {
            say_single(b, i);
            found = 1;
        }
    return found;
}
