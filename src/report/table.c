/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tables of a report for people: elements, tallies, blocks, explanations. */
#include "report/table.h"
#include "base/text.h"
#include "report/put.h"
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word;
    int color;
} verdicts[GPF_N_VERDICTS] = {
    [GPF_RIGHT] = { "right", GREEN },
    [GPF_WRONG] = { "WRONG", RED },
    [GPF_KINK] = { "kink", YELLOW },
    [GPF_VACUOUS] = { "vacuous", YELLOW },
    [GPF_UNRESOLVED] = { "unresolved", YELLOW },
};

void gpf__put_verdict(FILE *out, const gpf_report_options *how, gpf_verdict verdict, int width)
{
    put_word(out, how, verdicts[verdict].word, verdicts[verdict].color, width);
}

/* One line of the table of elements. */
enum { ELEMENT, ANALYTIC, NUMERIC, ERROR, DIGITS, RATIO, N_CELLS };

typedef struct line {
    char cell[N_CELLS][96];
} line;

/* x with some significant digits, "-" for a number that is not there. */
static void number(char *buf, size_t size, int digits, double x)
{
    gpf__format(buf, size, isnan(x) ? "-" : "%.*g", digits, unsigned_zero(x));
}

/* Significant digits that show a gap between two numbers, at least `least`. */
static int digits_for(double a, double b, int least)
{
    double gap = fabs(a - b) / fmax(fabs(a), fabs(b));
    return gap > 0 ? (int)fmin(17, fmax(least, 3 - floor(log10(gap)))) : least;
}

static void fill_line(const gpf__view *v, size_t i, line *l)
{
    const gpf_element *e = v->element(v->check, i);
    const size_t size = sizeof l->cell[0];
    clean(v->label(v->check, i, l->cell[ELEMENT], size));
    int wrong = e->verdict == GPF_WRONG;
    int digits = wrong ? digits_for(e->analytic, e->numeric, 7) : 7;
    double ratio = e->verdict == GPF_KINK ? NAN : e->analytic / e->numeric;
    /* A NaN must be seen here. */
    gpf__format(l->cell[ANALYTIC], size, "%.*g", digits, unsigned_zero(e->analytic));
    number(l->cell[NUMERIC], size, digits, e->numeric);
    gpf__format(l->cell[ERROR], size, isnan(e->error) ? "-" : "%.1e", e->error);
    gpf__format(l->cell[DIGITS], size, isnan(e->digits) ? "-" : "%.1f", e->digits);
    number(l->cell[RATIO], size, wrong ? digits_for(ratio, 1, 4) : 4,
           isfinite(ratio) ? ratio : NAN);
}

void gpf__table_slopes(FILE *out, const gpf__view *v, const gpf_element *e)
{
    if (isnan(e->left) || isnan(e->right))
        return;
    say(out, GPF__INDENT "slopes %.7g ± %.1e to the left, %.7g ± %.1e to the right",
        unsigned_zero(e->left), e->left_error, unsigned_zero(e->right), e->right_error);
    if (e->reason != GPF_REASON_JUMP)
        say(out, ";%s%s %.7g %s", v->narrow ? "\n" GPF__INDENT : " ", v->analytic,
            unsigned_zero(e->analytic),
            e->verdict == GPF_WRONG ? "is not between them" : "is between them");
    fputc('\n', out);
}

typedef struct row {
    double badness; /* relative gap; infinite for NaN */
    size_t i;
} row;

static int by_badness(const void *a, const void *b)
{
    const row *p = a, *q = b;
    if (p->badness != q->badness)
        return p->badness < q->badness ? 1 : -1;
    return p->i < q->i ? -1 : p->i > q->i; /* a total order, so the report is the same everywhere */
}

static double badness(const gpf_element *e)
{
    double gap = fabs(e->analytic - e->numeric);
    double scale = fmax(fabs(e->analytic), fabs(e->numeric));
    return isfinite(gap) ? (scale > 0 ? gap / scale : 0) : INFINITY;
}

/* The verdict and the reason for it: in a narrow table on a line of its own, and none where it is
 * the one that every wrong element has. */
static void put_verdict(FILE *out, const gpf__view *v, const gpf_report_options *how,
                        const gpf_element *e, int verdict_width)
{
    char text[80];
    const char *phrase =
        gpf__report_reason(e, v->value(v->check, e), v->analytic, text, sizeof text);
    const bool own_line = v->narrow && *phrase;
    if (v->narrow && (e->reason == GPF_REASON_FLAT_GAP || e->reason == GPF_REASON_BETWEEN))
        phrase = "";
    gpf__put_verdict(out, how, e->verdict, *phrase && !own_line ? verdict_width : 0);
    if (*phrase)
        say(out, "%s%s", own_line ? "\n" GPF__INDENT : "  ", phrase);
    fputc('\n', out);
}

static void put_rows(FILE *out, const gpf__view *v, const gpf_report_options *how, const row *rows,
                     size_t n, const int *width, int verdict_width)
{
    for (size_t r = 0; r < n; r++) {
        const gpf_element *e = v->element(v->check, rows[r].i);
        line l;
        fill_line(v, rows[r].i, &l);
        say(out, "  %-*s  %*s  %*s ± %-*s  %*s  %*s  ", width[ELEMENT], l.cell[ELEMENT],
            width[ANALYTIC], l.cell[ANALYTIC], width[NUMERIC], l.cell[NUMERIC], width[ERROR],
            l.cell[ERROR], width[DIGITS], l.cell[DIGITS], width[RATIO], l.cell[RATIO]);
        put_verdict(out, v, how, e, verdict_width);
        v->detail(out, v, e);
    }
}

/* Rows of the table, without a heading if there are none. */
static void put_table(FILE *out, const gpf__view *v, const gpf_report_options *how, const row *rows,
                      size_t n)
{
    const char *const title[N_CELLS] = { "element", v->analytic, "numeric",
                                         "error",   "digits",    "ratio" };
    if (n == 0)
        return;
    int width[N_CELLS], verdict_width = 0;
    for (int j = 0; j < N_CELLS; j++)
        width[j] = (int)strlen(title[j]);
    for (size_t r = 0; r < n; r++) {
        line l;
        fill_line(v, rows[r].i, &l);
        for (int j = 0; j < N_CELLS; j++)
            if (width[j] < (int)strlen(l.cell[j]))
                width[j] = (int)strlen(l.cell[j]);
        const char *word = verdicts[v->element(v->check, rows[r].i)->verdict].word;
        if (verdict_width < (int)strlen(word))
            verdict_width = (int)strlen(word);
    }
    say(out, "\n  %-*s  %*s  %*s ± %-*s  %*s  %*s  verdict\n", width[ELEMENT], title[ELEMENT],
        width[ANALYTIC], title[ANALYTIC], width[NUMERIC], title[NUMERIC], width[ERROR],
        title[ERROR], width[DIGITS], title[DIGITS], width[RATIO], title[RATIO]);
    put_rows(out, v, how, rows, n, width, verdict_width);
}

/* Vacuous elements, part by part: which they are matters more than their numbers, all 0. */
static void put_vacuous(FILE *out, const gpf__view *v)
{
    enum { SHOWN = 8 };
    size_t i = 0, listed = 0;
    for (size_t t = 0; t < v->n_parts; t++) {
        gpf_tally tally = v->tally(v->check, (int)t);
        size_t vacuous = tally.count[GPF_VACUOUS], shown = 0, without_path = 0;
        char name[64], which[SHOWN * 32] = "";
        v->name(v->check, t, name, sizeof name);
        for (; i < v->n_elements && v->element(v->check, i)->tensor == (int)t; i++) {
            const gpf_element *e = v->element(v->check, i);
            char label[128];
            if (e->verdict != GPF_VACUOUS)
                continue;
            without_path += e->reason == GPF_REASON_INDEPENDENT;
            v->label(v->check, i, label, sizeof label);
            const size_t skip = strncmp(label, name, strlen(name)) ? 0 : strlen(name);
            if (shown++ < SHOWN)
                gpf__append(which, sizeof which, " %s", label + skip);
        }
        if (vacuous == 0)
            continue;
        char text[768];
        gpf__format(text, sizeof text, "%s: ", name);
        if (v->narrow &&
            vacuous < tally.checked) /* many Jacobians are sparse: no cause for worry */
            gpf__append(text, sizeof text, "%zu of %zu %s 0, as %s does not react (vacuous):%s%s",
                        vacuous, tally.checked, vacuous == 1 ? "is" : "are", v->output, which,
                        vacuous > SHOWN ? " ..." : "");
        else if (vacuous == tally.checked)
            gpf__append(text, sizeof text, vacuous == 1 ? "vacuous" : "all %zu vacuous", vacuous);
        else
            gpf__append(text, sizeof text, "%zu of %zu vacuous:%s%s", vacuous, tally.checked, which,
                        vacuous > SHOWN ? " ..." : "");
        if (without_path == vacuous)
            gpf__append(text, sizeof text, "; %s does not depend on %s", v->output,
                        vacuous == 1 ? "it" : "them");
        else if (!v->narrow || vacuous == tally.checked)
            gpf__append(text, sizeof text, "; %s is bit for bit the same at every step", v->output);
        fputs(listed++ ? " " : "\n ", out);
        if (v->narrow) {
            put_words(out, text, 1, 6);
        } else {
            fputc(' ', out);
            put_clean(out, text);
            fputc('\n', out);
        }
    }
}

/* Is every wrong element spoken of by an explanation? */
static bool all_explained(const gpf__view *v)
{
    for (size_t p = 0; p < v->n_parts; p++) {
        bool explained = false;
        for (size_t i = 0; i < v->n_explanations; i++) {
            const gpf_explanation *e = v->explanation(v->check, i);
            if (e->part != (int)p || e->severity != GPF_FAULT)
                continue;
            explained = e->kind != GPF_UNEXPLAINED;
            if (!explained)
                break;
        }
        if (!explained && v->tally(v->check, (int)p).count[GPF_WRONG])
            return false;
    }
    for (size_t i = 0; i < v->n_elements; i++) /* these have an explanation of their own */
        if (v->element(v->check, i)->reason == GPF_REASON_TIE)
            return false;
    return true;
}

int gpf__table_elements(FILE *out, const gpf__view *v, const gpf_report_options *how)
{
    static const gpf_verdict shown[] = { GPF_WRONG, GPF_KINK, GPF_UNRESOLVED };
    enum { N_SHOWN = sizeof shown / sizeof *shown, FEW = 5 };
    const bool explained = all_explained(v);
    size_t n = v->n_elements, m = 0, more[N_SHOWN] = { 0 };
    row *rows = malloc((n ? n : 1) * sizeof *rows);
    if (!rows)
        return GSL_ENOMEM;
    if (how->all) {
        for (; m < n; m++)
            rows[m] = (row){ 0, m };
    }
    for (int k = 0; k < N_SHOWN && !how->all; k++) {
        const size_t first = m;
        bool alike = true; /* each says the same: the output is not finite */
        for (size_t i = 0; i < n; i++) {
            const gpf_element *e = v->element(v->check, i);
            if (e->verdict != shown[k])
                continue;
            rows[m++] = (row){ badness(e), i };
            alike &= e->verdict == GPF_UNRESOLVED && e->reason == GPF_REASON_NOT_FINITE;
        }
        const bool few = alike || (shown[k] == GPF_WRONG && explained);
        const size_t limit = how->max_rows ? how->max_rows : few ? FEW : GPF__MAX_ROWS;
        qsort(rows + first, m - first, sizeof *rows, by_badness);
        if (m - first > limit) {
            more[k] = m - first - limit;
            m = first + limit;
        }
    }
    put_table(out, v, how, rows, m);
    for (int k = 0; k < N_SHOWN; k++)
        if (more[k])
            say(out, "  ... and %zu more %s%s (--all shows every element)\n", more[k],
                gpf_verdict_name(shown[k]),
                shown[k] == GPF_WRONG && explained ? ", all of them said above" : "");
    free(rows);
    if (!how->all && v->tally(v->check, -1).count[GPF_VACUOUS])
        put_vacuous(out, v);
    return GSL_SUCCESS;
}

static int by_size(const void *a, const void *b)
{
    double p = *(const double *)a, q = *(const double *)b;
    return p < q ? -1 : p > q;
}

/* "8.1  9.3 10.2": least, median and most digits among the right elements [from, to). */
static int digits_text(const gpf__view *v, size_t from, size_t to, char *buf, size_t size)
{
    size_t n = 0;
    double *digits = malloc((to > from ? to - from : 1) * sizeof *digits);
    if (!digits)
        return GSL_ENOMEM;
    for (size_t i = from; i < to; i++) {
        const gpf_element *e = v->element(v->check, i);
        if (e->verdict == GPF_RIGHT)
            digits[n++] = e->digits;
    }
    qsort(digits, n, sizeof *digits, by_size);
    char mid[16];
    gpf__format(mid, sizeof mid, n ? "  %4.1f" : "     -", n ? digits[n / 2] : 0);
    if (n)
        gpf__format(buf, size, "%10.1f%s  %4.1f", digits[0], v->narrow ? "" : mid, digits[n - 1]);
    else
        gpf__format(buf, size, "%10s%s  %4s", "-", v->narrow ? "" : mid, "-");
    free(digits);
    return GSL_SUCCESS;
}

double gpf__least_digits(const gpf__view *v)
{
    double least = INFINITY;
    for (size_t i = 0; i < v->n_elements; i++)
        if (v->element(v->check, i)->verdict == GPF_RIGHT)
            least = fmin(least, v->element(v->check, i)->digits);
    return least;
}

/* Widths of the columns of tallies; 0: no such column. */
typedef struct layout {
    int name, shape, checked, verdict[GPF_N_VERDICTS];
    const char *checked_title, *digits_title;
    bool evaluations;
} layout;

static layout lay_out(const gpf__view *v)
{
    const gpf_tally all = v->tally(v->check, -1);
    layout l = { .name = (int)strlen(v->part),
                 .shape = (int)strlen("shape"),
                 .checked_title = v->narrow ? "checked" : "checked/total",
                 .digits_title = v->narrow ? "digits min   max" : "digits min   mid   max",
                 .evaluations = !v->narrow };
    l.checked = (int)strlen(l.checked_title);
    for (size_t t = 0; t < v->n_parts; t++) {
        char text[64];
        const int name = (int)strlen(v->name(v->check, t, text, sizeof text));
        const int shape = (int)strlen(v->shape(v->check, t, text, sizeof text));
        const gpf_tally one = v->tally(v->check, (int)t);
        gpf__format(text, sizeof text, "%zu/%zu", one.checked, one.total);
        if (!v->block(v->check, t) && (int)strlen(text) > l.checked)
            l.checked = (int)strlen(text);
        l.name = name > l.name ? name : l.name;
        l.shape = shape > l.shape ? shape : l.shape;
    }
    for (int k = 0; k < GPF_N_VERDICTS; k++)
        if (!v->narrow || k <= GPF_WRONG || all.count[k])
            l.verdict[k] = (int)strlen(gpf_verdict_name((gpf_verdict)k));
    return l;
}

static void put_tally(FILE *out, const layout *l, const char *name, const char *shape,
                      const gpf_tally *t, const char *digits)
{
    char checked[48], count[24];
    gpf__format(checked, sizeof checked, "%zu/%zu", t->checked, t->total);
    say(out, "  %-*s  %-*s  %*s", l->name, name, l->shape, shape, l->checked, checked);
    for (int k = 0; k < GPF_N_VERDICTS; k++) {
        gpf__format(count, sizeof count, t->count[k] ? "%zu" : "-", t->count[k]);
        if (l->verdict[k])
            say(out, "  %*s", l->verdict[k], count);
    }
    say(out, "  %s", digits);
    if (l->evaluations)
        say(out, "  %11zu", t->evaluations);
    fputc('\n', out);
}

int gpf__table_tallies(FILE *out, const gpf__view *v)
{
    const layout l = lay_out(v);
    const bool blocks = gpf__table_has_blocks(v);
    size_t from = 0, listed = 0;
    char name[64], shape[64], digits[64];
    for (size_t t = 0; t < v->n_parts; t++) {
        gpf_tally tally = v->tally(v->check, (int)t);
        size_t to = from;
        while (to < v->n_elements && v->element(v->check, to)->tensor == (int)t)
            to++;
        if (digits_text(v, from, to, digits, sizeof digits))
            return GSL_ENOMEM;
        from = to;
        if (v->block(v->check, t))
            continue;
        if (listed++ == 0) {
            say(out, "\n  %-*s  %-*s  %*s", l.name, v->part, l.shape, "shape", l.checked,
                l.checked_title);
            for (int k = 0; k < GPF_N_VERDICTS; k++)
                if (l.verdict[k])
                    say(out, "  %s", gpf_verdict_name((gpf_verdict)k));
            say(out, "  %s%s\n", l.digits_title, l.evaluations ? "  evaluations" : "");
        }
        put_tally(out, &l, clean(v->name(v->check, t, name, sizeof name)),
                  v->shape(v->check, t, shape, sizeof shape), &tally, digits);
    }
    if (listed > 1 && !blocks && !v->narrow) {
        gpf_tally tally = v->tally(v->check, -1);
        if (digits_text(v, 0, v->n_elements, digits, sizeof digits))
            return GSL_ENOMEM;
        put_tally(out, &l, "all", "", &tally, digits);
    }
    return GSL_SUCCESS;
}

/* One line per block of the fast mode: how much of the part its directions have covered, and what
 * they would have seen. */
enum { PART, SHAPE, COVERED, SMALL, UNTESTED, ALONG, EVALUATIONS, SEEN, LEAST, N_BLOCK_CELLS };

typedef struct block_line {
    char cell[N_BLOCK_CELLS][96];
} block_line;

static void fill_block(const gpf__view *v, size_t t, block_line *l)
{
    const gpf_block *b = v->block(v->check, t);
    const size_t counts[] = { b->small, b->untested, b->directions, b->evaluations },
                 size = sizeof l->cell[0];
    clean(v->name(v->check, t, l->cell[PART], 64));
    v->shape(v->check, t, l->cell[SHAPE], 64);
    gpf__format(l->cell[COVERED], size, "%zu/%zu", b->covered, b->total);
    for (int j = SMALL; j <= EVALUATIONS; j++)
        gpf__format(l->cell[j], size, counts[j - SMALL] ? "%zu" : "-", counts[j - SMALL]);
    gpf__format(l->cell[SEEN], size, isnan(b->error) ? "-" : "%.1e", b->error);
    gpf__format(l->cell[LEAST], size, isnan(b->magnitude) ? "-" : "%.1e", b->magnitude);
}

static void put_block(FILE *out, const block_line *l, const int *width)
{
    for (int j = 0; j < N_BLOCK_CELLS; j++)
        if (width[j])
            say(out, j <= SHAPE ? "  %-*s" : "  %*s", width[j], l->cell[j]);
}

bool gpf__table_has_blocks(const gpf__view *v)
{
    for (size_t t = 0; t < v->n_parts; t++)
        if (v->block(v->check, t))
            return true;
    return false;
}

/* Widths of the columns; a narrow table has none that would be empty, and the calls elsewhere. */
static void block_widths(const gpf__view *v, const block_line *title, int *width)
{
    size_t small = 0, untested = 0;
    for (int j = 0; j < N_BLOCK_CELLS; j++)
        width[j] = (int)strlen(title->cell[j]);
    for (size_t t = 0; t < v->n_parts; t++) {
        block_line l;
        const gpf_block *b = v->block(v->check, t);
        if (!b)
            continue;
        small += b->small;
        untested += b->untested;
        fill_block(v, t, &l);
        for (int j = 0; j < N_BLOCK_CELLS; j++)
            if (width[j] < (int)strlen(l.cell[j]))
                width[j] = (int)strlen(l.cell[j]);
    }
    if (v->narrow) {
        width[EVALUATIONS] = 0;
        width[SMALL] = small ? width[SMALL] : 0;
        width[UNTESTED] = untested ? width[UNTESTED] : 0;
    }
}

void gpf__table_blocks(FILE *out, const gpf__view *v, const gpf_report_options *how)
{
    block_line title = { { "", "shape", "covered/total", "too small", "untested", "directions",
                           "evaluations", "error seen", "covers |a| >=" } };
    gpf__format(title.cell[PART], sizeof title.cell[PART], "%s", v->part);
    if (v->narrow) {
        gpf__format(title.cell[COVERED], sizeof title.cell[COVERED], "covered");
        gpf__format(title.cell[LEAST], sizeof title.cell[LEAST], "|a| >=");
    }
    int width[N_BLOCK_CELLS];
    bool directions = false;
    size_t single = 0;
    block_widths(v, &title, width);
    fputc('\n', out);
    put_block(out, &title, width);
    fputs("  verdict\n", out);
    for (size_t t = 0; t < v->n_parts; t++) {
        const gpf_block *b = v->block(v->check, t);
        if (!b)
            continue;
        const gpf_element e = { .tensor = (int)t, .reason = b->reason, .verdict = b->verdict };
        char text[80];
        const char *phrase =
            gpf__report_reason(&e, v->value(v->check, &e), v->analytic, text, sizeof text);
        block_line l;
        fill_block(v, t, &l);
        put_block(out, &l, width);
        fputs("  ", out);
        gpf__put_verdict(out, how, b->verdict, 0);
        say(out, "%s%s%s\n", *phrase ? ":" : "",
            !*phrase    ? ""
            : v->narrow ? "\n" GPF__INDENT
                        : " ",
            phrase);
        directions |= b->directions > 0;
        single += v->tally(v->check, (int)t).checked;
    }
    if (directions) {
        char text[512];
        gpf__format(text, sizeof text,
                    "An error above 'error seen' in any one element of a %s, whatever the errors "
                    "of the others, would have been seen with probability >= %g; that is a "
                    "relative error above %g of elements of at least the size in the last column. "
                    "Smaller ones are not covered.",
                    v->part, GPF_FAST_PROBABILITY, GPF_FAST_RELATIVE);
        fputs("\n ", out);
        put_words_within(out, v->narrow ? 79 : 86, text, 1, 2);
    }
    if (single)
        say(out, "%s  %zu element%s checked one by one.\n", directions ? "" : "\n", single,
            single == 1 ? " was" : "s were");
}

void gpf__table_explanations(FILE *out, const gpf__view *v, const gpf_report_options *how)
{
    static const struct {
        const char *word;
        int color;
    } words[] = { [GPF_FAULT] = { "WRONG", RED },
                  [GPF_DOUBT] = { "unsure", YELLOW },
                  [GPF_NOTE] = { "note", PLAIN } };
    const size_t n = v->n_explanations, limit = how->max_rows ? how->max_rows : GPF__MAX_ROWS;
    const int width = (int)strlen("unsure");
    for (size_t i = 0; i < n && (how->all || i < limit); i++) {
        const gpf_explanation *e = v->explanation(v->check, i);
        fputs(i ? "  " : "\n  ", out);
        put_word(out, how, words[e->severity].word, words[e->severity].color, width);
        fputc(' ', out);
        put_words(out, e->text, width + 3, width + 4);
    }
    if (!how->all && n > limit)
        say(out, "  ... and %zu more\n", n - limit);
}

size_t gpf__close_untested(const gpf__view *v, char *buf, size_t size)
{
    size_t listed = 0;
    for (size_t t = 0; t < v->n_parts; t++) {
        gpf_tally tally = v->tally(v->check, (int)t);
        char name[64];
        if (v->tested(v->check, t))
            continue;
        gpf__append(buf, size, "%s%s", listed++ ? ", " : "nothing in ",
                    v->name(v->check, t, name, sizeof name));
        const char *sep = " (";
        for (int k = 0; k < GPF_N_VERDICTS; k++) {
            if (tally.count[k]) {
                gpf__append(buf, size, "%s%s", sep, gpf_verdict_name((gpf_verdict)k));
                sep = ", ";
            }
        }
        gpf__append(buf, size, "%s", *sep == ',' ? ")" : "");
    }
    if (listed)
        gpf__append(buf, size, " was tested");
    return listed;
}

void gpf__close_rest(const gpf__view *v, const gpf_tally *all, const char *sep, char *buf,
                     size_t size)
{
    static const struct {
        gpf_verdict verdict;
        const char *text;
    } rest[] = { { GPF_KINK, "at a kink, between its slopes" },
                 { GPF_VACUOUS, "vacuous" },
                 { GPF_UNRESOLVED, "unresolved" } };
    for (size_t k = 0; k < sizeof rest / sizeof *rest; k++) {
        size_t n = all->count[rest[k].verdict];
        if (n)
            gpf__append(buf, size, "%s%zu %s", sep, n,
                        v->narrow && rest[k].verdict == GPF_VACUOUS ? "zero on both sides"
                                                                    : rest[k].text);
        sep = n ? "; " : sep;
    }
}

void gpf__close_blocks(const gpf__view *v, char *buf, size_t size)
{
    size_t wrong = 0, covered = 0, untested = 0, total = 0, listed = 0;
    for (size_t t = 0; t < v->n_parts; t++) {
        const gpf_block *b = v->block(v->check, t);
        if (!b)
            continue;
        wrong += v->tally(v->check, (int)t).count[GPF_WRONG];
        covered += b->covered;
        untested += b->untested;
        total += v->tally(v->check, (int)t).total;
    }
    if (wrong)
        gpf__append(buf, size, "%zu element%s found; ", wrong, plural(wrong));
    for (size_t t = 0; t < v->n_parts && !wrong; t++) {
        const gpf_block *b = v->block(v->check, t);
        char name[64];
        if (b && b->verdict != GPF_RIGHT)
            gpf__append(buf, size, "%s%s is %s", listed++ ? ", " : "",
                        v->name(v->check, t, name, sizeof name), gpf_verdict_name(b->verdict));
    }
    gpf__append(buf, size, "%s%zu of %zu elements covered", listed ? "; " : "", covered, total);
    if (untested)
        gpf__append(buf, size, ", %zu untested", untested);
    if (!wrong && covered)
        gpf__append(buf, size, ": a relative error of %g would have been seen", GPF_FAST_RELATIVE);
}

void gpf__close(FILE *out, const gpf_report_options *how, gpf_outcome o, const char *word,
                const char *text)
{
    static const struct {
        const char *word;
        int color;
    } words[] = { [GPF_OUTCOME_RIGHT] = { "right", GREEN },
                  [GPF_OUTCOME_WRONG] = { "WRONG", RED },
                  [GPF_OUTCOME_TROUBLE] = { "not finished", YELLOW },
                  [GPF_OUTCOME_UNTESTED] = { "untested", YELLOW } };
    put_word(out, how, word ? word : words[o].word, words[o].color, 0);
    fputs(": ", out);
    put_clean(out, text);
    fputc('\n', out);
}

void gpf__head_model(FILE *out, const gpf_report_options *how)
{
    if (how->model) {
        put_clean(out, how->model);
        fputs(": ", out);
    }
}

void gpf__head_notes(FILE *out, const gpf_report_options *how)
{
    for (size_t i = 0; how->notes && how->notes[i]; i++) {
        fputs("  ", out);
        put_clean(out, how->notes[i]);
        fputc('\n', out);
    }
}
