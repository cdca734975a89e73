/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The report for people: what is wrong first, why, and what was tested at all. */
#include "report/put.h"
#include "report/report.h"
#include "base/text.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

gpf_report_options gpf_report_defaults(void)
{
    return (gpf_report_options){ .seconds = -1 };
}

gpf_outcome gpf_report_outcome(const gpf_check *c, const gpf_report_options *how)
{
    const gpf_report_options defaults = gpf_report_defaults();
    how = how ? how : &defaults;
    size_t refuted = 0, undecided = 0;
    for (size_t i = 0; i < how->n_claims; i++) {
        refuted += how->claims[i].result->verdict == GPF_REFUTED;
        undecided += how->claims[i].result->verdict == GPF_UNDECIDED;
    }
    gpf_outcome o = c ? gpf_check_outcome(c) : GPF_OUTCOME_RIGHT;
    /* A wrong element stays wrong however the rest would have come out. */
    if (refuted || o == GPF_OUTCOME_WRONG)
        return GPF_OUTCOME_WRONG;
    if (how->stopped || o == GPF_OUTCOME_TROUBLE || (!c && !how->n_claims))
        return GPF_OUTCOME_TROUBLE;
    return undecided ? GPF_OUTCOME_UNTESTED : o;
}

char *gpf__report_index(gpf_shape s, size_t k, char *buf, size_t size)
{
    size_t at[GPF_MAX_RANK] = { 0 }, rest = k;
    buf[0] = '\0';
    for (int d = s.rank; d-- > 0; rest /= (size_t)(d ? s.dim[d] : 1)) {
        if (d && s.dim[d] <= 0) {
            gpf__format(buf, size, "[#%zu]", k);
            return buf;
        }
        at[d] = d ? rest % (size_t)s.dim[d] : rest;
    }
    for (int d = 0; d < s.rank; d++)
        gpf__append(buf, size, "%c%zu", d ? ',' : '[', at[d]);
    gpf__append(buf, size, "%s", s.rank ? "]" : "");
    return buf;
}

ptrdiff_t gpf__report_sample(gpf_shape s, size_t k)
{
    if (s.rank == 0 || s.dim[0] != GPF_N)
        return -1;
    for (int d = 1; d < s.rank; d++) {
        if (s.dim[d] <= 0)
            return -1;
        k /= (size_t)s.dim[d];
    }
    return (ptrdiff_t)k;
}

char *gpf__report_call(const gpf_graph *g, gpf_node n, char *buf, size_t size)
{
    int n_x = 0, unnamed = 0;
    const gpf_node *x = gpf_node_inputs(g, n, &n_x);
    const char *op = gpf_node_op(g, n)->name, *name = gpf_node_name(g, n);
    for (int i = 0; i < n_x; i++)
        unnamed |= !gpf_node_name(g, x[i]);
    if (name && unnamed) {
        gpf__format(buf, size, "%s %s", op, name);
        return buf;
    }
    gpf__format(buf, size, "%s(", op);
    for (int i = 0; i < n_x; i++) {
        char label[64];
        gpf__append(buf, size, "%s%s", i ? ", " : "", gpf_node_label(g, x[i], label, sizeof label));
    }
    gpf__append(buf, size, ")");
    return buf;
}

char *gpf__report_side(const gpf_op *op, int side, char *buf, size_t size)
{
    if (side & 1) {
        gpf__format(buf, size, "tie");
        return buf;
    }
    const char *piece = op->pieces;
    for (int i = 0; piece && i < side / 2; i++) {
        piece = strchr(piece, '|');
        piece = piece ? piece + 1 : NULL;
    }
    if (piece && side >= 0)
        gpf__format(buf, size, "%.*s", (int)strcspn(piece, "|"), piece);
    else
        gpf__format(buf, size, "piece %d", side / 2);
    return buf;
}

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

static char *tensor_label(const gpf_check *c, size_t i, char *buf, size_t size)
{
    return gpf_node_label(gpf_check_graph(c), gpf_check_tensor(c, i), buf, size);
}

const char *gpf__report_output(const gpf_check *c, const gpf_report_options *how, char *buf,
                               size_t size)
{
    return how->output ? how->output
                       : gpf_node_label(gpf_check_graph(c), gpf_check_output(c), buf, size);
}

#define INDENT "      "

/* One line of the table of elements. */
enum { ELEMENT, ANALYTIC, NUMERIC, ERROR, DIGITS, RATIO, N_CELLS };

typedef struct line {
    char cell[N_CELLS][96];
} line;

/* The sign of a zero or a NaN says nothing. */
static double unsigned_zero(double x)
{
    return isnan(x) ? NAN : x + 0.0; /* -0 + 0 = 0 */
}

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

static void fill_line(const gpf_check *c, const gpf_element *e, line *l)
{
    size_t i = (size_t)e->tensor, size = sizeof l->cell[0];
    char name[64], index[64];
    gpf__format(l->cell[ELEMENT], size, "%s%s", tensor_label(c, i, name, sizeof name),
                gpf__report_index(gpf_check_tensor_shape(c, i), e->k, index, sizeof index));
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

static const char *not_finite(const gpf_element *e, double y, const char *analytic, char *buf,
                              size_t size)
{
    if (!isfinite(y))
        return "the output is not finite here";
    if (!isfinite(e->value))
        return "the element itself is not finite";
    if (isfinite(e->analytic))
        return "the output is finite here, but not at every step";
    gpf__format(buf, size, "%s is %g here%s", analytic, unsigned_zero(e->analytic),
                e->verdict == GPF_WRONG ? ", the slope is finite" : "");
    return buf;
}

const char *gpf__report_analytic(const gpf_report_options *how)
{
    return how->analytic ? how->analytic : "backprop";
}

const char *gpf__report_reason(const gpf_element *e, double y, const char *analytic, char *buf,
                               size_t size)
{
    static const char *const phrases[] = {
        [GPF_REASON_NONE] = "",
        [GPF_REASON_FLAT_GAP] = "the gap is the same at every step",
        [GPF_REASON_OUTSIDE] = "not between the one-sided slopes",
        [GPF_REASON_TIE] = "the derivative chosen at a tie is no slope",
        [GPF_REASON_BETWEEN] = "between the one-sided slopes",
        [GPF_REASON_JUMP] = "the output itself jumps here: it has no derivative",
        [GPF_REASON_NO_REACTION] = "no reaction to any step",
        [GPF_REASON_INDEPENDENT] = "no path in the graph",
        [GPF_REASON_NOISE] = "too noisy: the gap grows as the step shrinks",
        [GPF_REASON_TRUNCATION] = "too curved: the gap still shrinks with the step",
        [GPF_REASON_CROWDED] = "kinks too close together for a one-sided slope",
        [GPF_REASON_UNCONFIRMED] = "a direction disagrees, but no element looked at is wrong",
        [GPF_REASON_TOO_SMALL] = "every element is too small to be seen",
    };
    if (e->reason == GPF_REASON_NOT_FINITE)
        return not_finite(e, y, analytic, buf, size);
    const char *phrase =
        (size_t)e->reason < sizeof phrases / sizeof *phrases ? phrases[e->reason] : NULL;
    return phrase ? phrase : gpf_reason_name(e->reason);
}

/* "relu(z1)[17,0] (sample 17)", and how many more elements changed piece with it. */
static void put_culprit(FILE *out, const gpf_check *c, const gpf_branch *b)
{
    const gpf_graph *g = gpf_check_graph(c);
    gpf_shape shape = gpf_node_shape(g, b->node);
    ptrdiff_t sample = gpf__report_sample(shape, b->element);
    char call[160], index[64];
    say(out, "%s%s", gpf__report_call(g, b->node, call, sizeof call),
        gpf__report_index(shape, b->element, index, sizeof index));
    if (sample >= 0)
        say(out, " (sample %td)", sample);
    if (b->n_changed > 1)
        say(out, " and %zu more", b->n_changed - 1);
}

/* Backprop follows an op's stated convention on its edge, and that convention is no slope of y. */
static void put_tie(FILE *out, const gpf_check *c, const gpf_element *e, const char *analytic)
{
    const gpf_graph *g = gpf_check_graph(c);
    const gpf_op *op = gpf_node_op(g, e->kink.node);
    if (fabs(e->left - e->right) <= e->left_error + e->right_error)
        say(out, INDENT "the slope is %.7g on both sides, %s says %.7g\n", unsigned_zero(e->right),
            analytic, unsigned_zero(e->analytic));
    else
        say(out, INDENT "the slopes are %.7g and %.7g, %s says %.7g\n", unsigned_zero(e->left),
            unsigned_zero(e->right), analytic, unsigned_zero(e->analytic));
    fputs(INDENT, out);
    put_culprit(out, c, &e->kink);
    fputs(e->kink.n_changed > 1 ? " sit exactly on their edges" : " sits exactly on its edge", out);
    say(out, "; beside it %s is right\n", analytic);
    if (!op->tie)
        return;
    say(out, INDENT "there the derivative of %s is a convention: %s", op->name, op->tie);
    const char *sep = "; here ";
    for (const gpf_op_param *p = op->params; p && p->name; p++) {
        if (p->kind != GPF_REAL)
            continue;
        say(out, "%s%s = %.7g", sep, p->name, gpf_node_attr(g, e->kink.node)->p[p->slot]);
        sep = ", ";
    }
    fputc('\n', out);
}

static void put_kink(FILE *out, const gpf_check *c, const gpf_element *e, const char *analytic)
{
    const gpf_op *op = gpf_node_op(gpf_check_graph(c), e->kink.node);
    char side[4][40];
    for (int i = 0; i < 4; i++)
        gpf__report_side(op, e->side[i], side[i], sizeof side[i]);
    fputs(INDENT, out);
    put_culprit(out, c, &e->kink);
    if (e->side[0] == e->side[1] && e->side[2] == e->side[3])
        say(out, ": %s at -h, %s at +h", side[0], side[3]);
    else
        say(out, ": %s, %s, %s, %s at -h, -h/2, +h/2, +h", side[0], side[1], side[2], side[3]);
    say(out, " (h = %.1e)", e->kink_step);
    if (e->kink.margin > 0)
        say(out, ", %.1e from its edge\n", e->kink.margin);
    else
        fputs(", exactly on its edge\n", out);
    if (isnan(e->left) || isnan(e->right))
        return;
    say(out, INDENT "slopes %.7g ± %.1e to the left, %.7g ± %.1e to the right",
        unsigned_zero(e->left), e->left_error, unsigned_zero(e->right), e->right_error);
    if (e->reason != GPF_REASON_JUMP)
        say(out, "; %s %.7g %s", analytic, unsigned_zero(e->analytic),
            e->verdict == GPF_WRONG ? "is not between them" : "is between them");
    fputc('\n', out);
}

static void put_detail(FILE *out, const gpf_check *c, const gpf_element *e, const char *analytic)
{
    if (e->kink.n_changed == 0)
        return;
    if (e->reason == GPF_REASON_TIE)
        put_tie(out, c, e, analytic);
    else if (e->verdict == GPF_KINK || e->reason == GPF_REASON_OUTSIDE ||
             e->reason == GPF_REASON_CROWDED || e->reason == GPF_REASON_JUMP)
        put_kink(out, c, e, analytic);
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

/* Rows [0, n) of the table, without a heading if there are none. */
static void put_rows(FILE *out, const gpf_check *c, const gpf_report_options *how, const row *rows,
                     size_t n, const int *width, int verdict_width)
{
    for (size_t r = 0; r < n; r++) {
        const gpf_element *e = gpf_check_element(c, rows[r].i);
        line l;
        fill_line(c, e, &l);
        say(out, "  %-*s  %*s  %*s ± %-*s  %*s  %*s  ", width[ELEMENT], l.cell[ELEMENT],
            width[ANALYTIC], l.cell[ANALYTIC], width[NUMERIC], l.cell[NUMERIC], width[ERROR],
            l.cell[ERROR], width[DIGITS], l.cell[DIGITS], width[RATIO], l.cell[RATIO]);
        char text[80];
        const char *phrase =
            gpf__report_reason(e, gpf_check_value(c), gpf__report_analytic(how), text, sizeof text);
        put_word(out, how, verdicts[e->verdict].word, verdicts[e->verdict].color,
                 *phrase ? verdict_width : 0);
        say(out, "%s%s\n", *phrase ? "  " : "", phrase);
        put_detail(out, c, e, gpf__report_analytic(how));
    }
}

static void put_table(FILE *out, const gpf_check *c, const gpf_report_options *how, const row *rows,
                      size_t n)
{
    const char *const title[N_CELLS] = { "element", gpf__report_analytic(how),
                                         "numeric", "error",
                                         "digits",  "ratio" };
    if (n == 0)
        return;
    int width[N_CELLS], verdict_width = 0;
    for (int j = 0; j < N_CELLS; j++)
        width[j] = (int)strlen(title[j]);
    for (size_t r = 0; r < n; r++) {
        const gpf_element *e = gpf_check_element(c, rows[r].i);
        line l;
        fill_line(c, e, &l);
        for (int j = 0; j < N_CELLS; j++)
            if (width[j] < (int)strlen(l.cell[j]))
                width[j] = (int)strlen(l.cell[j]);
        if (verdict_width < (int)strlen(verdicts[e->verdict].word))
            verdict_width = (int)strlen(verdicts[e->verdict].word);
    }
    say(out, "\n  %-*s  %*s  %*s ± %-*s  %*s  %*s  verdict\n", width[ELEMENT], title[ELEMENT],
        width[ANALYTIC], title[ANALYTIC], width[NUMERIC], title[NUMERIC], width[ERROR],
        title[ERROR], width[DIGITS], title[DIGITS], width[RATIO], title[RATIO]);
    put_rows(out, c, how, rows, n, width, verdict_width);
}

/* Vacuous elements, tensor by tensor: which they are matters more than their numbers, all 0. */
static void put_vacuous(FILE *out, const gpf_check *c, const gpf_report_options *how)
{
    enum { SHOWN = 8 };
    size_t n = gpf_check_n_elements(c), i = 0;
    char label[64];
    const char *y = gpf__report_output(c, how, label, sizeof label);
    for (size_t t = 0; t < gpf_check_n_tensors(c); t++) {
        gpf_tally tally = gpf_check_tally(c, (int)t);
        size_t vacuous = tally.count[GPF_VACUOUS], shown = 0, without_path = 0;
        char name[64], which[SHOWN * 32] = "";
        for (; i < n && gpf_check_element(c, i)->tensor == (int)t; i++) {
            const gpf_element *e = gpf_check_element(c, i);
            char index[64];
            if (e->verdict != GPF_VACUOUS)
                continue;
            without_path += e->reason == GPF_REASON_INDEPENDENT;
            if (shown++ < SHOWN)
                gpf__append(
                    which, sizeof which, " %s",
                    gpf__report_index(gpf_check_tensor_shape(c, t), e->k, index, sizeof index));
        }
        if (vacuous == 0)
            continue;
        say(out, "\n  %s: ", tensor_label(c, t, name, sizeof name));
        if (vacuous == tally.checked)
            say(out, vacuous == 1 ? "vacuous" : "all %zu vacuous", vacuous);
        else
            say(out, "%zu of %zu vacuous:%s%s", vacuous, tally.checked, which,
                vacuous > SHOWN ? " ..." : "");
        if (without_path == vacuous)
            say(out, "; %s does not depend on %s", y, vacuous == 1 ? "it" : "them");
        else
            say(out, "; %s is bit for bit the same at every step", y);
    }
}

static int put_elements(FILE *out, const gpf_check *c, const gpf_report_options *how)
{
    static const gpf_verdict shown[] = { GPF_WRONG, GPF_KINK, GPF_UNRESOLVED };
    enum { N_SHOWN = sizeof shown / sizeof *shown };
    size_t n = gpf_check_n_elements(c), m = 0, more[N_SHOWN] = { 0 };
    size_t limit = how->max_rows ? how->max_rows : 20;
    row *rows = malloc((n ? n : 1) * sizeof *rows);
    if (!rows)
        return GSL_ENOMEM;
    if (how->all) {
        for (; m < n; m++)
            rows[m] = (row){ 0, m };
    }
    for (int v = 0; v < N_SHOWN && !how->all; v++) {
        size_t first = m;
        for (size_t i = 0; i < n; i++) {
            const gpf_element *e = gpf_check_element(c, i);
            if (e->verdict == shown[v])
                rows[m++] = (row){ badness(e), i };
        }
        qsort(rows + first, m - first, sizeof *rows, by_badness);
        if (m - first > limit) {
            more[v] = m - first - limit;
            m = first + limit;
        }
    }
    put_table(out, c, how, rows, m);
    for (int v = 0; v < N_SHOWN; v++)
        if (more[v])
            say(out, "  ... and %zu more %s (--all shows every element)\n", more[v],
                gpf_verdict_name(shown[v]));
    free(rows);
    if (!how->all && gpf_check_tally(c, -1).count[GPF_VACUOUS]) {
        put_vacuous(out, c, how);
        fputc('\n', out);
    }
    return GSL_SUCCESS;
}

static int by_size(const void *a, const void *b)
{
    double p = *(const double *)a, q = *(const double *)b;
    return p < q ? -1 : p > q;
}

/* "8.1  9.3 10.2": least, median and most digits among the right elements [from, to). */
static int digits_text(const gpf_check *c, size_t from, size_t to, char *buf, size_t size)
{
    size_t n = 0;
    double *digits = malloc((to > from ? to - from : 1) * sizeof *digits);
    if (!digits)
        return GSL_ENOMEM;
    for (size_t i = from; i < to; i++) {
        const gpf_element *e = gpf_check_element(c, i);
        if (e->verdict == GPF_RIGHT)
            digits[n++] = e->digits;
    }
    qsort(digits, n, sizeof *digits, by_size);
    if (n)
        gpf__format(buf, size, "%10.1f  %4.1f  %4.1f", digits[0], digits[n / 2], digits[n - 1]);
    else
        gpf__format(buf, size, "%10s  %4s  %4s", "-", "-", "-");
    free(digits);
    return GSL_SUCCESS;
}

static void put_tally(FILE *out, const char *name, const char *shape, int name_width,
                      int shape_width, const gpf_tally *t, const char *digits)
{
    static const gpf_verdict order[] = { GPF_RIGHT, GPF_WRONG, GPF_KINK, GPF_VACUOUS,
                                         GPF_UNRESOLVED };
    char checked[48], count[24];
    gpf__format(checked, sizeof checked, "%zu/%zu", t->checked, t->total);
    say(out, "  %-*s  %-*s  %13s", name_width, name, shape_width, shape, checked);
    for (size_t v = 0; v < sizeof order / sizeof *order; v++) {
        gpf__format(count, sizeof count, t->count[order[v]] ? "%zu" : "-", t->count[order[v]]);
        say(out, "  %*s", (int)strlen(gpf_verdict_name(order[v])), count);
    }
    say(out, "  %s  %11zu\n", digits, t->evaluations);
}

static int put_tallies(FILE *out, const gpf_check *c)
{
    size_t n = gpf_check_n_elements(c), tensors = gpf_check_n_tensors(c), from = 0;
    int name_width = (int)strlen("tensor"), shape_width = (int)strlen("shape");
    char name[64], shape[64], digits[64];
    for (size_t t = 0; t < tensors; t++) {
        int w = (int)strlen(tensor_label(c, t, name, sizeof name));
        name_width = w > name_width ? w : name_width;
        w = (int)strlen(gpf_shape_text(gpf_check_tensor_shape(c, t), shape, sizeof shape));
        shape_width = w > shape_width ? w : shape_width;
    }
    say(out,
        "\n  %-*s  %-*s  %13s  right  wrong  kink  vacuous  unresolved  "
        "digits min   mid   max  evaluations\n",
        name_width, "tensor", shape_width, "shape", "checked/total");
    for (size_t t = 0; t < tensors; t++) {
        gpf_tally tally = gpf_check_tally(c, (int)t);
        size_t to = from;
        while (to < n && gpf_check_element(c, to)->tensor == (int)t)
            to++;
        if (digits_text(c, from, to, digits, sizeof digits))
            return GSL_ENOMEM;
        put_tally(out, tensor_label(c, t, name, sizeof name),
                  gpf_shape_text(gpf_check_tensor_shape(c, t), shape, sizeof shape), name_width,
                  shape_width, &tally, digits);
        from = to;
    }
    if (tensors > 1) {
        gpf_tally tally = gpf_check_tally(c, -1);
        if (digits_text(c, 0, n, digits, sizeof digits))
            return GSL_ENOMEM;
        put_tally(out, "all", "", name_width, shape_width, &tally, digits);
    }
    return GSL_SUCCESS;
}

/* One line per block of the fast mode: how much of the tensor its directions have covered, and what
 * they would have seen. */
enum { TENSOR, SHAPE, COVERED, SMALL, UNTESTED, ALONG, EVALUATIONS, SEEN, LEAST, N_BLOCK_CELLS };

typedef struct block_line {
    char cell[N_BLOCK_CELLS][96];
} block_line;

static void fill_block(const gpf_check *c, size_t t, block_line *l)
{
    const gpf_block *b = gpf_check_block(c, t);
    const size_t counts[] = { b->small, b->untested, b->directions, b->evaluations },
                 size = sizeof l->cell[0];
    char label[64], shape[64];
    gpf__format(l->cell[TENSOR], size, "%s", tensor_label(c, t, label, sizeof label));
    gpf__format(l->cell[SHAPE], size, "%s",
                gpf_shape_text(gpf_check_tensor_shape(c, t), shape, sizeof shape));
    gpf__format(l->cell[COVERED], size, "%zu/%zu", b->covered, b->total);
    for (int j = SMALL; j <= EVALUATIONS; j++)
        gpf__format(l->cell[j], size, counts[j - SMALL] ? "%zu" : "-", counts[j - SMALL]);
    gpf__format(l->cell[SEEN], size, isnan(b->error) ? "-" : "%.1e", b->error);
    gpf__format(l->cell[LEAST], size, isnan(b->magnitude) ? "-" : "%.1e", b->magnitude);
}

static void put_block(FILE *out, const block_line *l, const int *width)
{
    for (int j = 0; j < N_BLOCK_CELLS; j++)
        say(out, j <= SHAPE ? "  %-*s" : "  %*s", width[j], l->cell[j]);
}

static void put_blocks(FILE *out, const gpf_check *c, const gpf_report_options *how)
{
    static const block_line title = { { "tensor", "shape", "covered/total", "too small", "untested",
                                        "directions", "evaluations", "error seen",
                                        "covers |a| >=" } };
    int width[N_BLOCK_CELLS];
    block_line l;
    bool directions = false;
    for (int j = 0; j < N_BLOCK_CELLS; j++)
        width[j] = (int)strlen(title.cell[j]);
    for (size_t t = 0; t < gpf_check_n_tensors(c); t++) {
        fill_block(c, t, &l);
        for (int j = 0; j < N_BLOCK_CELLS; j++)
            if (width[j] < (int)strlen(l.cell[j]))
                width[j] = (int)strlen(l.cell[j]);
    }
    fputc('\n', out);
    put_block(out, &title, width);
    fputs("  verdict\n", out);
    for (size_t t = 0; t < gpf_check_n_tensors(c); t++) {
        const gpf_block *b = gpf_check_block(c, t);
        const gpf_element e = { .reason = b->reason, .verdict = b->verdict };
        char text[80];
        const char *phrase = gpf__report_reason(&e, gpf_check_value(c), gpf__report_analytic(how),
                                                text, sizeof text);
        fill_block(c, t, &l);
        put_block(out, &l, width);
        fputs("  ", out);
        put_word(out, how, verdicts[b->verdict].word, verdicts[b->verdict].color, 0);
        say(out, "%s%s\n", *phrase ? ": " : "", phrase);
        directions |= b->directions > 0;
    }
    if (directions)
        say(out,
            "\n  An error above 'error seen' in any one element of a tensor, whatever the errors "
            "of\n"
            "  the others, would have been seen with probability >= %g; that is a relative error\n"
            "  above %g of elements of at least the size in the last column. Smaller ones are\n"
            "  not covered.\n",
            GPF_FAST_PROBABILITY, GPF_FAST_RELATIVE);
    if (gpf_check_tally(c, -1).checked)
        say(out, "%s  %zu element%s checked one by one.\n", directions ? "" : "\n",
            gpf_check_tally(c, -1).checked,
            gpf_check_tally(c, -1).checked == 1 ? " was" : "s were");
}

static void put_heading(FILE *out, const gpf_check *c, const gpf_report_options *how)
{
    if (how->model) {
        put_clean(out, how->model);
        fputs(": ", out);
    }
    if (c) {
        gpf_tally all = gpf_check_tally(c, -1);
        size_t tensors = gpf_check_n_tensors(c);
        char label[64];
        put_clean(out, gpf__report_output(c, how, label, sizeof label));
        if (gpf_check_contracted(c))
            fputs(" summed with random weights", out);
        const size_t n = gpf_check_block(c, 0) ? all.total : all.checked;
        say(out, " = %.7g, %zu element%s of %zu tensor%s %sagainst GSL's central differences\n",
            unsigned_zero(gpf_check_value(c)), n, plural(n), tensors, plural(tensors),
            gpf_check_block(c, 0) ? "along random directions " : "");
    } else {
        say(out, "%zu claim%s\n", how->n_claims, plural(how->n_claims));
    }
    for (size_t i = 0; how->notes && how->notes[i]; i++) {
        fputs("  ", out);
        put_clean(out, how->notes[i]);
        fputc('\n', out);
    }
}

/* What a claim's verdict rests on: in brackets behind one that holds, on a line of its own else. */
static void put_evidence(FILE *out, const gpf_claim_result *r)
{
    char index[64];
    fputs(r->verdict == GPF_HOLDS ? "  (" : INDENT, out);
    if (r->holds_here)
        fputs("holds at the model's own point, but not in general: ", out);
    put_clean(out, r->why);
    if (r->verdict == GPF_REFUTED && r->points) {
        if (isfinite(r->ratio))
            say(out, ", ratio %.4g", r->ratio);
        gpf__report_index(r->shape, r->element, index, sizeof index);
        say(out, " at the worst%s%s of %zu random point%s (data, params and N redrawn",
            *index ? " element " : "", index, r->points, plural(r->points));
        if (r->N)
            say(out, "; there N = %zu", r->N);
        fputc(')', out);
    }
    if (r->grads_checked)
        say(out, "; %zu gradient element%s confirmed by GSL", r->grads_right,
            plural(r->grads_right));
    fputs(r->verdict == GPF_HOLDS ? ")\n" : "\n", out);
}

static void put_claims(FILE *out, const gpf_report_options *how)
{
    static const struct {
        const char *word;
        int color;
    } words[] = { [GPF_HOLDS] = { "holds", GREEN },
                  [GPF_REFUTED] = { "REFUTED", RED },
                  [GPF_UNDECIDED] = { "undecided", YELLOW } };
    for (size_t i = 0; i < how->n_claims; i++) {
        const gpf_report_claim *claim = &how->claims[i];
        const gpf_claim_result *r = claim->result;
        say(out, "%s  line %3d  ", i ? "" : "\n", claim->line);
        put_word(out, how, words[r->verdict].word, words[r->verdict].color, 11);
        put_clean(out, claim->text);
        if (r->verdict != GPF_HOLDS)
            fputc('\n', out);
        put_evidence(out, r);
    }
}

static void put_settings(FILE *out, const gpf_check *c, const gpf_report_options *how)
{
    say(out, "\n  seed %lu", how->model_seed);
    if (c && gpf_check_batch(c))
        say(out, ", N = %zu", gpf_check_batch(c));
    if (c && how->how && how->how->seed != how->model_seed)
        say(out, ", of the %s %lu", gpf_check_block(c, 0) ? "directions" : "sample",
            how->how->seed);
    if (c && how->how && how->how->sample)
        say(out, ", up to %zu element%s per tensor", how->how->sample, plural(how->how->sample));
    else if (c && how->how && !gpf_check_block(c, 0))
        fputs(", every element", out);
    if (c && how->how && how->how->max_failures)
        say(out, ", stops at %zu wrong", how->how->max_failures);
    if (c)
        say(out, ", %d thread%s", gpf_check_threads(c), plural((size_t)gpf_check_threads(c)));
    if (how->seconds >= 0)
        say(out, ", %.3g s", how->seconds);
    fputc('\n', out);
}

/* What the closing line says of the blocks. */
static void close_blocks(const gpf_check *c, char *buf, size_t size)
{
    gpf_tally all = gpf_check_tally(c, -1);
    size_t wrong = all.count[GPF_WRONG], covered = 0, untested = 0, listed = 0;
    for (size_t t = 0; t < gpf_check_n_tensors(c); t++) {
        covered += gpf_check_block(c, t)->covered;
        untested += gpf_check_block(c, t)->untested;
    }
    if (wrong)
        gpf__append(buf, size, "%zu element%s found; ", wrong, plural(wrong));
    for (size_t t = 0; t < gpf_check_n_tensors(c) && !wrong; t++) {
        const gpf_block *b = gpf_check_block(c, t);
        char name[64];
        if (b->verdict != GPF_RIGHT)
            gpf__append(buf, size, "%s%s is %s", listed++ ? ", " : "",
                        tensor_label(c, t, name, sizeof name), gpf_verdict_name(b->verdict));
    }
    gpf__append(buf, size, "%s%zu of %zu elements covered", listed ? "; " : "", covered, all.total);
    if (untested)
        gpf__append(buf, size, ", %zu untested", untested);
    if (!wrong && covered)
        gpf__append(buf, size, ": a relative error of %g would have been seen", GPF_FAST_RELATIVE);
}

/* What the closing line says of the elements. */
static void close_elements(const gpf_check *c, gpf_outcome o, char *buf, size_t size)
{
    gpf_tally all = gpf_check_tally(c, -1);
    size_t wrong = all.count[GPF_WRONG], right = all.count[GPF_RIGHT], listed = 0;
    if (wrong) {
        gpf__append(buf, size, "%zu of %zu element%s", wrong, all.checked, plural(all.checked));
        return;
    }
    for (size_t t = 0; t < gpf_check_n_tensors(c) && o == GPF_OUTCOME_UNTESTED; t++) {
        gpf_tally tally = gpf_check_tally(c, (int)t);
        char name[64];
        if (tally.count[GPF_RIGHT] || tally.count[GPF_KINK])
            continue;
        gpf__append(buf, size, "%s%s", listed++ ? ", " : "nothing in ",
                    tensor_label(c, t, name, sizeof name));
        const char *sep = " (";
        for (int v = 0; v < GPF_N_VERDICTS; v++) {
            if (tally.count[v]) {
                gpf__append(buf, size, "%s%s", sep, gpf_verdict_name((gpf_verdict)v));
                sep = ", ";
            }
        }
        gpf__append(buf, size, "%s", *sep == ',' ? ")" : "");
    }
    if (listed) {
        gpf__append(buf, size, " was tested");
        return;
    }
    double least = INFINITY;
    for (size_t i = 0; i < gpf_check_n_elements(c); i++)
        if (gpf_check_element(c, i)->verdict == GPF_RIGHT)
            least = fmin(least, gpf_check_element(c, i)->digits);
    const char *sep = "";
    if (all.checked == 0)
        gpf__append(buf, size, "no element checked");
    if (right) {
        if (right == all.checked)
            gpf__append(buf, size, right == 1 ? "%zu element agrees" : "all %zu elements agree",
                        right);
        else
            gpf__append(buf, size, "%zu of %zu elements agree%s", right, all.checked,
                        right == 1 ? "s" : "");
        gpf__append(buf, size, ", at least %.1f digits", least);
        sep = "; ";
    }
    static const struct {
        gpf_verdict verdict;
        const char *text;
    } rest[] = { { GPF_KINK, "at a kink, between its slopes" },
                 { GPF_VACUOUS, "vacuous" },
                 { GPF_UNRESOLVED, "unresolved" } };
    for (size_t v = 0; v < sizeof rest / sizeof *rest; v++) {
        size_t n = all.count[rest[v].verdict];
        if (n)
            gpf__append(buf, size, "%s%zu %s", sep, n, rest[v].text);
        sep = n ? "; " : sep;
    }
}

static void close_claims(const gpf_report_options *how, char *buf, size_t size)
{
    size_t count[3] = { 0 }, n = how->n_claims;
    for (size_t i = 0; i < n; i++)
        count[how->claims[i].result->verdict]++;
    if (count[GPF_REFUTED])
        gpf__append(buf, size, "%zu of %zu claim%s refuted", count[GPF_REFUTED], n, plural(n));
    if (count[GPF_UNDECIDED])
        gpf__append(buf, size, "%s%zu of %zu claim%s undecided", count[GPF_REFUTED] ? ", " : "",
                    count[GPF_UNDECIDED], n, plural(n));
    if (count[GPF_HOLDS] == n)
        gpf__append(buf, size, n == 1 ? "the claim holds" : "all %zu claims hold", n);
}

static void put_closing(FILE *out, const gpf_check *c, const gpf_report_options *how)
{
    static const struct {
        const char *word;
        int color;
    } words[] = { [GPF_OUTCOME_RIGHT] = { "right", GREEN },
                  [GPF_OUTCOME_WRONG] = { "WRONG", RED },
                  [GPF_OUTCOME_TROUBLE] = { "not finished", YELLOW },
                  [GPF_OUTCOME_UNTESTED] = { "untested", YELLOW } };
    gpf_outcome o = gpf_report_outcome(c, how);
    char text[1024] = "";
    if (c && gpf_check_block(c, 0))
        close_blocks(c, text, sizeof text);
    else if (c)
        close_elements(c, how->stopped ? GPF_OUTCOME_TROUBLE : gpf_check_outcome(c), text,
                       sizeof text);
    if (c && how->n_claims)
        gpf__append(text, sizeof text, "; ");
    if (how->n_claims)
        close_claims(how, text, sizeof text);
    if (how->stopped)
        gpf__append(text, sizeof text, "; %s", how->stopped);
    put_word(out, how, words[o].word, words[o].color, 0);
    say(out, ": %s\n", text);
}

int gpf_report_text(FILE *out, const gpf_check *c, const gpf_report_options *how)
{
    const gpf_report_options defaults = gpf_report_defaults();
    how = how ? how : &defaults;
    if (!how->quiet) {
        put_heading(out, c, how);
        put_claims(out, how);
        int status = c ? put_elements(out, c, how) : GSL_SUCCESS;
        if (!status && c && gpf_check_block(c, 0))
            put_blocks(out, c, how);
        else if (!status && c)
            status = put_tallies(out, c);
        if (status)
            return status;
        put_settings(out, c, how);
    }
    put_closing(out, c, how);
    return ferror(out) ? GSL_EFAILED : GSL_SUCCESS;
}
