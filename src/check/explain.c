/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "check/mistake.h"
#include "base/text.h"
#include "check/stencil.h"

#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>

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
 * analytic value may be anywhere within |p_i - numeric_i| or so and hits p_i within the tolerance
 * t_i with a probability of about t_i / |p_i - numeric_i|. So an entry that fits is worth
 * log2(|p_i - numeric_i| / t_i) bits, one on which p_i is the right value itself is worth none, and
 * a hypothesis needs BITS of them, more for what was chosen to make it fit. */
static const double BITS = GPF__BITS, MOST_BITS = 40;
/* Of the entries that can tell, so many must fit; those that do not are explained on their own. */
static const double MOST = 0.9;

bool gpf__is_evidence(const block *b, size_t i)
{
    const gpf__evidence *e = b->e;
    return (e->verdict[i] == GPF_RIGHT || e->verdict[i] == GPF_WRONG ||
            e->verdict[i] == GPF_VACUOUS) &&
           isfinite(e->numeric[i]) && isfinite(e->analytic[i]);
}

double gpf__error_of(const block *b, size_t i)
{
    return isfinite(b->e->error[i]) ? fabs(b->e->error[i]) : 0;
}

static double tolerance(const sight *s, double c, double analytic, double p)
{
    return GPF__SAFETY * (fmax(1, fabs(c)) * s->basis_error + s->fixed_error) +
           4e-13 * fmax(fabs(analytic), fabs(p));
}

/* Does entry i fit, or can nothing be held against it? */
bool gpf__mistake_fits(const block *b, see model, const ptrdiff_t *arg, double c, size_t i)
{
    sight s;
    if (!gpf__is_evidence(b, i))
        return false;
    if (!model(b, arg, i, &s))
        return true;
    const double a = b->e->analytic[i], p = c * s.basis + s.fixed;
    return fabs(a - p) <= tolerance(&s, c, a, p);
}

score gpf__judge_mistake(const block *b, scope o, size_t stride, see model, const ptrdiff_t *arg,
                         double c)
{
    score r = { .told = 0 };
    for (size_t k = 0; k < o.n; k += stride) {
        const size_t i = o.first + k * o.step;
        sight s;
        if (!gpf__is_evidence(b, i) || (o.open_only && !b->open[i]))
            continue;
        if (!model(b, arg, i, &s))
            continue;
        r.wrong += b->open[i];
        const double a = b->e->analytic[i], n = b->e->numeric[i], p = c * s.basis + s.fixed,
                     t = tolerance(&s, c, a, p), off = fabs(p - n);
        const bool fit = fabs(a - p) <= t;
        r.said += fit && b->open[i];
        if (off <= 4 * (t + GPF__SAFETY * gpf__error_of(b, i))) {
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

bool gpf__enough_of(const score *s, double share, size_t need, double cost)
{
    return s->matched >= need && (double)s->matched >= share * (double)s->told && s->said > 0 &&
           (double)s->said >= share * (double)s->wrong && s->bits - cost >= BITS;
}

bool gpf__enough(const score *s, size_t need, double cost)
{
    return gpf__enough_of(s, MOST, need, cost);
}

static int by_place(const void *a, const void *b)
{
    const struct edge *p = a, *q = b;
    return p->at != q->at ? (p->at > q->at) - (p->at < q->at) : q->step - p->step;
}

bool gpf__range_of(const block *b, see model, const ptrdiff_t *arg, size_t i, double *lo,
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

/* The c that fits most of the wrong entries: each allows an interval; the point in most of them,
 * and what they have in common there. Of a large scope a sample decides, the rest narrows it
 * down. */
bool gpf__fit_factor(block *b, scope o, see model, const ptrdiff_t *arg, double *lo, double *hi)
{
    size_t wrong = 0, n = 0, met = 0;
    double l, h;
    for (size_t k = 0; k < o.n; k++)
        wrong += b->open[o.first + k * o.step];
    const size_t stride = wrong / GPF__SAMPLE + 1;
    for (size_t k = 0; k < o.n && n < GPF__SAMPLE; k++) {
        const size_t i = o.first + k * o.step;
        if (b->open[i] && met++ % stride == 0 && gpf__range_of(b, model, arg, i, &l, &h)) {
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
        if (gpf__range_of(b, model, arg, o.first + k * o.step, &l, &h) && l <= *hi && h >= *lo) {
            *lo = fmax(*lo, l);
            *hi = fmin(*hi, h);
        }
    return true;
}

/* Fits a ratio to the scope and judges it. */
bool gpf__find_ratio(block *b, scope o, see model, const ptrdiff_t *arg, size_t need, ratio_name *r,
                     score *s)
{
    double lo, hi;
    if (!gpf__fit_factor(b, o, model, arg, &lo, &hi))
        return false;
    *r = gpf__ratio_between(b->e, lo, hi);
    *s = gpf__judge_mistake(b, o, 1, model, arg, r->c);
    return r->c != 0 && isfinite(r->c) && gpf__enough(s, need, r->named ? r->cost : s->best);
}

/* What was said of the scope has been said, also of entries about which the model knows nothing:
 * what belongs there was not seen, or would come from beyond the edge. */
void gpf__close_entries(block *b, scope o, see model, const ptrdiff_t *arg, double c)
{
    for (size_t k = 0; k < o.n; k++) {
        const size_t i = o.first + k * o.step;
        if (b->open[i] && gpf__mistake_fits(b, model, arg, c, i)) {
            b->open[i] = 0;
            b->n_open--;
        }
    }
}

scope gpf__everything(const block *b)
{
    return (scope){ 0, 1, b->n, false };
}

scope gpf__line_of(const block *b, bool column, size_t k)
{
    const size_t rows = b->e->rows, cols = b->e->cols;
    return column ? (scope){ k, cols, rows, false } : (scope){ k * cols, 1, cols, false };
}

/* One row or one column: then single entries are its lines. */
bool gpf__flat(const block *b)
{
    return b->e->rows == 1 || b->e->cols == 1;
}

/* Two entries that fit are no accident; a block that has only one cannot show more. */
size_t gpf__fewest(const block *b)
{
    return b->n == 1 ? 1 : 2;
}

gpf_explanation *gpf__add_mistake(block *b, gpf_explanation_kind kind)
{
    gpf_explanation *x = &b->out[b->n_out++];
    *x = gpf__explanation(kind, b->e->part);
    return x;
}

const char *gpf__mistake_column(const block *b, size_t j, char *buf, size_t size)
{
    if (b->e->column_name)
        return b->e->column_name(b->e->arg, j, buf, size);
    gpf__format(buf, size, "x[%zu]", j);
    return buf;
}

/* "J[3,1]", "df[2]", "f'". */
const char *gpf__mistake_entry(const block *b, size_t i, char *buf, size_t size)
{
    if (b->n == 1)
        gpf__format(buf, size, "%s", b->e->name);
    else if (gpf__flat(b))
        gpf__format(buf, size, "%s[%zu]", b->e->name, i);
    else
        gpf__format(buf, size, "%s[%zu,%zu]", b->e->name, i / b->e->cols, i % b->e->cols);
    return buf;
}

/* "J: column 1 (x[1])", "J: row 3". */
void gpf__mistake_line(const block *b, bool column, size_t k, char *buf, size_t size)
{
    char name[64];
    if (!column)
        gpf__format(buf, size, "%s: row %zu", b->e->name, k);
    else if (b->e->column_name)
        gpf__format(buf, size, "%s: column %zu (%s)", b->e->name, k,
                    gpf__mistake_column(b, k, name, sizeof name));
    else
        gpf__format(buf, size, "%s: column %zu", b->e->name, k);
}

/* "every entry", "66 of 72 entries" */
const char *gpf__how_many(const block *b, const score *s, char *buf, size_t size)
{
    if (s->matched == s->told && s->told == b->n)
        gpf__format(buf, size, "every entry");
    else
        gpf__format(buf, size, "%zu of %zu entries", s->matched, s->told);
    return buf;
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
    gpf_explanation *x = gpf__add_mistake(b, GPF_UNEXPLAINED);
    char label[64];
    x->row = (ptrdiff_t)(worst / b->e->cols);
    x->column = (ptrdiff_t)(worst % b->e->cols);
    x->matched = b->n_open;
    x->total = b->n;
    x->ratio = b->e->analytic[worst] / b->e->numeric[worst];
    gpf__format(x->text, sizeof x->text,
                "%s: %zu of %zu entries are wrong in no way known here; %s is %.6g, the slope %.6g",
                b->e->name, b->n_open, b->n, gpf__mistake_entry(b, worst, label, sizeof label),
                b->e->analytic[worst], b->e->numeric[worst]);
    b->n_open = 0;
    return 1;
}

/* What is tried, from what says most in the fewest words to what says least. Each adds explanations
 * of its kind and closes the entries they speak of; 1 if there were any, -1 without memory. */
static int (*const ways[])(block *b) = {
    gpf__explain_not_finite,      gpf__explain_zero,         gpf__explain_total,
    gpf__explain_scaled,          gpf__explain_weighted,     gpf__explain_transposed,
    gpf__explain_column_major,    gpf__explain_factor,       gpf__explain_term,
    gpf__explain_offset,          gpf__explain_ramps,        gpf__explain_swapped,
    gpf__explain_shifted,         gpf__explain_lines, /* or of rows */
    gpf__explain_lines,                               /* what is left of the other ones */
    gpf__explain_swapped_entries, gpf__explain_zero_entries, gpf__explain_alike,
    gpf__explain_alike,           gpf__explain_single,
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
        b->n_known += gpf__is_evidence(b, i);
    }
    for (size_t k = 0; k < sizeof ways / sizeof *ways && !(status < 0); k++)
        if (b->n_open && b->n_out < b->room)
            status = ways[k](b);
    if (!(status < 0) && b->n_open && b->n_out < most)
        explain_not(b);
    const int n = status < 0 ? -1 : b->n_out;
    free(b->open);
    free(b);
    return n;
}
