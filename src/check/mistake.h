/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Inside of explain.h: what a mistake is, how one is judged, and the tables of known ones. */
#ifndef GPF_CHECK_MISTAKE_H
#define GPF_CHECK_MISTAKE_H

#include "check/explain.h"

/* Wrong entries that decide on a factor, at most; bits of evidence that a mistake needs. */
enum { GPF__SAMPLE = 1024, GPF__BITS = 16 };

/* Entries first, first + step, .. */
typedef struct scope {
    size_t first, step, n;
    bool open_only; /* those that are wrong and not explained yet */
} scope;

typedef struct block {
    const gpf__evidence *e;
    size_t n;            /* entries */
    unsigned char *open; /* wrong, not explained yet */
    size_t n_open, n_known;
    gpf_explanation *out;
    int n_out, room, most; /* most: room and a last place for what remains */
    struct ramp {
        double start, step, slack; /* a factor of row i: start + i step; what it may be off by */
        bool missing;
    } ramp;
    struct edge {
        double at;
        int step;
    } edge[2 * GPF__SAMPLE];
} block;

/* What a hypothesis says of an entry: analytic = c * basis + fixed, with a c of its own or for
 * all. */
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

typedef struct ratio_name {
    double c, cost;
    bool named;
    char text[96];
} ratio_name;

bool gpf__is_evidence(const block *b, size_t i);
double gpf__error_of(const block *b, size_t i);
bool gpf__mistake_fits(const block *b, see model, const ptrdiff_t *arg, double c, size_t i);
score gpf__judge_mistake(const block *b, scope o, size_t stride, see model, const ptrdiff_t *arg,
                         double c);
bool gpf__enough_of(const score *s, double share, size_t need, double cost);
bool gpf__enough(const score *s, size_t need, double cost);
bool gpf__fit_factor(block *b, scope o, see model, const ptrdiff_t *arg, double *lo, double *hi);
bool gpf__range_of(const block *b, see model, const ptrdiff_t *arg, size_t i, double *lo,
                   double *hi);
ratio_name gpf__ratio_between(const gpf__evidence *e, double lo, double hi);
bool gpf__find_ratio(block *b, scope o, see model, const ptrdiff_t *arg, size_t need, ratio_name *r,
                     score *s);
void gpf__close_entries(block *b, scope o, see model, const ptrdiff_t *arg, double c);
scope gpf__everything(const block *b);
scope gpf__line_of(const block *b, bool column, size_t k);
bool gpf__flat(const block *b);
size_t gpf__fewest(const block *b);
gpf_explanation *gpf__add_mistake(block *b, gpf_explanation_kind kind);
const char *gpf__mistake_column(const block *b, size_t j, char *buf, size_t size);
const char *gpf__mistake_entry(const block *b, size_t i, char *buf, size_t size);
void gpf__mistake_line(const block *b, bool column, size_t k, char *buf, size_t size);
const char *gpf__how_many(const block *b, const score *s, char *buf, size_t size);

int gpf__explain_alike(block *b);
int gpf__explain_column_major(block *b);
int gpf__explain_factor(block *b);
int gpf__explain_lines(block *b);
int gpf__explain_not_finite(block *b);
int gpf__explain_offset(block *b);
int gpf__explain_ramps(block *b);
int gpf__explain_scaled(block *b);
int gpf__explain_shifted(block *b);
int gpf__explain_single(block *b);
int gpf__explain_swapped(block *b);
int gpf__explain_swapped_entries(block *b);
int gpf__explain_term(block *b);
int gpf__explain_total(block *b);
int gpf__explain_transposed(block *b);
int gpf__explain_weighted(block *b);
int gpf__explain_zero(block *b);
int gpf__explain_zero_entries(block *b);

#endif
