/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of the numbers that a factor may turn out to be. */
#include "check/mistake.h"
#include "base/text.h"

#include <gsl/gsl_math.h>
#include <math.h>

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
    static const char *const before[N_FORMS] = { "", "1/", "2 ",    "1/(2 ",
                                                 "", "2/", "sqrt ", "1/sqrt " },
                             *const after[N_FORMS] = { "", "", "", ")", "/2", "", "", "" };
    *r = (ratio_name){ .c = v > 2 ? of[k % N_FORMS] : GSL_NAN, .cost = k % N_FORMS < 2 ? 4 : 7 };
    const gpf__count *count = &e->counts[k / N_FORMS];
    char number[32];
    gpf__format(number, sizeof number, "%.6g", v);
    gpf__format(r->text, sizeof r->text, "%s%s%s", before[k % N_FORMS],
                count->symbol ? count->symbol : number, after[k % N_FORMS]);
    if (!count->symbol && *after[k % N_FORMS])
        gpf__append(r->text, sizeof r->text, " (%s: %s)", number, count->means);
    else if (!count->symbol)
        gpf__append(r->text, sizeof r->text, " (%s)", count->means);
    return true;
}

/* The ratio that lies between lo and hi: one of the numbers above if only one of them does and the
 * interval is so small that this is no accident. */
ratio_name gpf__ratio_between(const gpf__evidence *e, double lo, double hi)
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
