/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mistakes: right numbers in wrong places. */
#include "check/mistake.h"
#include "base/text.h"
#include "check/stencil.h"

#include <gsl/gsl_math.h>
#include <math.h>

enum { MOST_WRONG_LINES = 64 };

/* What belongs into entry j, found at i. */
static bool from(const block *b, size_t j, sight *s)
{
    *s = (sight){ b->e->numeric[j], gpf__error_of(b, j), 0, 0 };
    return gpf__is_evidence(b, j);
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
    const size_t stride = b->n / GPF__SAMPLE + 1;
    if (stride < 8)
        return true;
    const score s = gpf__judge_mistake(b, gpf__everything(b), stride, model, arg, c);
    return (double)s.matched >= 0.5 * (double)s.told;
}

/* Entries found elsewhere, perhaps with a sign or a factor that has a name. `share` of them: those
 * of a matrix whose transpose is wrong, too, in a column, are not to be named pair by pair. */
static int explain_moved(block *b, gpf_explanation_kind kind, see model, double share,
                         const char *what, const char *where)
{
    ratio_name r = { .c = 1, .named = true };
    score s = { .told = 0 };
    bool ok = false;
    if (promising(b, model, NULL, 1)) {
        s = gpf__judge_mistake(b, gpf__everything(b), 1, model, NULL, 1);
        ok = gpf__enough_of(&s, share, 2, 0);
    }
    if (!ok)
        ok = gpf__find_ratio(b, gpf__everything(b), model, NULL, 3, &r, &s) && r.named;
    if (!ok)
        return 0;
    gpf_explanation *x = gpf__add_mistake(b, kind);
    x->ratio = r.c == 1 ? GSL_NAN : r.c;
    x->matched = s.matched;
    x->total = s.told;
    gpf__format(x->text, sizeof x->text, "%s is %s: %zu of %zu ", b->e->name, what, s.matched,
                s.told);
    if (r.c == 1)
        gpf__append(x->text, sizeof x->text, "%sentries match %s",
                    kind == GPF_TRANSPOSED ? "off-diagonal " : "", where);
    else
        gpf__append(x->text, sizeof x->text, "entries are %s times %s", r.text, where);
    gpf__close_entries(b, gpf__everything(b), model, NULL, r.c);
    return 1;
}

int gpf__explain_transposed(block *b)
{
    return b->e->rows == b->e->cols && b->n > 1 &&
           explain_moved(b, GPF_TRANSPOSED, see_transposed, 0.6, "transposed", "the transpose");
}

int gpf__explain_column_major(block *b)
{
    return b->e->rows != b->e->cols && !gpf__flat(b) &&
           explain_moved(b, GPF_COLUMN_MAJOR, see_column_major, 0.9,
                         "stored by columns, not by rows", "that order");
}

/* Two rows or columns that stand for each other. */
static bool explain_swapped_lines(block *b, bool column)
{
    size_t wrong[MOST_WRONG_LINES], n = 0;
    const size_t lines = column ? b->e->cols : b->e->rows,
                 length = column ? b->e->rows : b->e->cols, stride = length / 64 + 1;
    const see model = column ? see_swapped_columns : see_swapped_rows;
    bool found = false;
    if (gpf__flat(b))
        return false;
    for (size_t k = 0; k < lines; k++) {
        const scope o = gpf__line_of(b, column, k);
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
            const scope one = gpf__line_of(b, column, wrong[p]),
                        two = gpf__line_of(b, column, wrong[q]);
            const score quick = gpf__judge_mistake(b, one, stride, model, arg, 1);
            if ((double)quick.matched < 0.5 * (double)quick.told || quick.told == 0)
                continue;
            const score s = gpf__judge_mistake(b, one, 1, model, arg, 1),
                        t = gpf__judge_mistake(b, two, 1, model, arg, 1);
            const score both = { s.told + t.told, s.matched + t.matched, s.wrong + t.wrong,
                                 s.said + t.said, s.bits + t.bits,       0 };
            if (!s.matched || !t.matched || !gpf__enough(&both, 2, 1 + 2 * log2((double)n)))
                continue;
            gpf_explanation *x = gpf__add_mistake(b, GPF_SWAPPED);
            *(column ? &x->column : &x->row) = arg[0];
            x->other = arg[1];
            x->matched = both.matched;
            x->total = both.told;
            gpf__format(x->text, sizeof x->text,
                        "%s: %s %zu and %zu are swapped: %zu of %zu entries match the other one",
                        b->e->name, column ? "columns" : "rows", wrong[p], wrong[q], both.matched,
                        both.told);
            gpf__close_entries(b, one, model, arg, 1);
            gpf__close_entries(b, two, model, arg, 1);
            found = true;
            break;
        }
    return found;
}

int gpf__explain_swapped(block *b)
{
    const bool columns = explain_swapped_lines(b, true);
    return explain_swapped_lines(b, false) || columns;
}

int gpf__explain_swapped_entries(block *b)
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
            const score s = gpf__judge_mistake(b, o, 1, see_swapped_entries, arg, 1);
            if (!gpf__enough(&s, 2, 1 + 2 * log2((double)n)))
                continue;
            gpf_explanation *x = gpf__add_mistake(b, GPF_SWAPPED);
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
                        gpf__mistake_entry(b, wrong[p], one, sizeof one),
                        gpf__mistake_entry(b, wrong[q], two, sizeof two));
            gpf__close_entries(b, o, see_swapped_entries, arg, 1);
            found = 1;
        }
    return found;
}

typedef struct direction {
    see model;
    const char *what, *line; /* NULL: entries */
    ptrdiff_t n, step;
} direction;

/* Are all entries that it speaks of in one row or column? Which one; else the number of them. */
static size_t one_line(const block *b, const direction *d, const ptrdiff_t *arg)
{
    size_t found = (size_t)d->n;
    for (size_t i = 0; i < b->n; i++) {
        const size_t k = i / (size_t)d->step % (size_t)d->n;
        if (!b->open[i] || !gpf__mistake_fits(b, d->model, arg, 1, i) || k == found)
            continue;
        if (found < (size_t)d->n)
            return (size_t)d->n;
        found = k;
    }
    return found;
}

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
            const double t = GPF__SAFETY * gpf__error_of(b, j) + 4e-13 * fabs(a);
            if (gpf__is_evidence(b, j) && fabs(a - b->e->numeric[j]) <= t)
                by[n++] = sign * far;
        }
    return n;
}

static bool explain_shift_by(block *b, const direction *d, ptrdiff_t by)
{
    const scope all = { 0, 1, b->n, true };
    for (ptrdiff_t round = 1; round >= 0; round--) {
        const ptrdiff_t arg[] = { by, round };
        const score s = gpf__judge_mistake(b, all, 1, d->model, arg, 1);
        if (!gpf__enough(&s, 3, 6) || 2 * s.said < b->n_open) /* two are swapped */
            continue;
        if (round && 2 * by > d->n) /* the shorter way round */
            by -= d->n;
        else if (round && -2 * by > d->n)
            by += d->n;
        const size_t one = one_line(b, d, arg);
        gpf_explanation *x = gpf__add_mistake(b, GPF_SHIFTED);
        x->other = by;
        x->matched = s.matched;
        x->total = s.told;
        if (d->line && one < (size_t)d->n) {
            const ptrdiff_t there = ((ptrdiff_t)one + arg[0] + d->n) % d->n;
            *(d->step == 1 ? &x->column : &x->row) = (ptrdiff_t)one;
            x->other = there - (ptrdiff_t)one;
            gpf__format(x->text, sizeof x->text,
                        "%s: %s %zu holds what belongs into %s %td (%zu of %zu entries)",
                        b->e->name, d->line, one, d->line, there, s.matched, s.told);
        } else {
            gpf__format(
                x->text, sizeof x->text,
                "%s: %s are shifted: each holds what belongs %td place%s %s%s (%zu of %zu entries)",
                b->e->name, d->what, by < 0 ? -by : by, by * by == 1 ? "" : "s",
                by > 0 ? "after it" : "before it", round ? ", counted round" : "", s.matched,
                s.told);
        }
        gpf__close_entries(b, all, d->model, arg, 1);
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

int gpf__explain_shifted(block *b)
{
    const ptrdiff_t rows = (ptrdiff_t)b->e->rows, cols = (ptrdiff_t)b->e->cols;
    const direction d[] = { { see_shifted_columns, "columns", "column", cols, 1 },
                            { see_shifted_rows, "rows", "row", rows, cols },
                            { see_shifted_entries, "entries", NULL, rows * cols, 1 } };
    for (size_t k = gpf__flat(b) ? 2 : 0; k < 3; k++)
        if (explain_shift(b, &d[k]))
            return 1;
    return 0;
}
