/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The fast mode: the slopes of all values along random directions of all variables against d v, and
 * the way from a gap to the guilty entries, which are then checked one by one. */
#include "check/fast.h"
#include "gsl/gsl.h"

#include <float.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Power: as in check/fast.h, row by row, with one difference: variable j moves by scale_j, its
 * own typical size. A variable at one of its bounds can only move inwards: without the random sign
 * its density is twice as high, as if its scale were half as large. */
enum { DIRECTIONS = GPF__DIRECTIONS, FEWER = 2, STREAM = 303 };

/* A range this short is looked at entry by entry; so many entries at most, so many of one column;
 * so many wrong ones say enough. */
enum {
    LEAF = 4,
    MOST_LOOKED_AT = 512,
    MOST_ROWS = 16,
    MOST_WRONG = 32,
    WITNESSES = 16,
    FEW_ENTRIES = 4096
};

/* Steps, as powers of 8 times the one at which GSL's truncation and rounding errors meet. */
enum { SMALLEST = -4, LARGEST = 4, FEW_VARIABLES = 8 };
static const double FIRST_STEP = 0x1.6p-17;

/* What is known of one row along the direction under test. */
typedef struct row {
    size_t i;
    double analytic, size, size_ax, rounding; /* <d_i, v>; sizes of what could blur it */
    double slope, error, gap, tau;            /* at the last step */
    double best_gap, best_tau;                /* at the last one that counted */
    bool truncated;                           /* its error is that of too large a step */
    double agreed[DIRECTIONS];                /* tolerances of the directions that agreed */
    unsigned n_agreed;
    bool counted, open, disagrees;
} row;

typedef struct rows {
    row *r;
    size_t n;
} rows;

typedef struct fast {
    gpf__subject *s;
    int part;
    size_t first, cols; /* variables of the part */
    gpf_fdf_part *p;
    gpf_block *b;
    double *scale;        /* n; 0: does not move */
    signed char *inwards; /* n: at a bound: the sign it must move with; else 0 */
    bool one_sided;
    double *v, *x, *y, *jv; /* n, n, 4 m, m */
    double *noise_jv;       /* m: of the analytic side along a direction; negative: not yet */
    bool noisy;             /* it is known */
    int level;              /* the best one, once known */
    bool fresh, reacted;
    unsigned next_id;
    size_t looked_at, wrong, done, total;
    double weakest;
    bool unconfirmed;
    gpf__entries *entries;
    int status;
} fast;

static double xi(const fast *f, unsigned id, size_t j)
{
    const double u = gpf__uniform(f->s, STREAM + id, j), size = 0.5 + fmod(2 * u, 1);
    if (f->inwards[j])
        return f->inwards[j] * size;
    return u < 0.5 ? -size : size;
}

static double h_of(int level)
{
    return ldexp(FIRST_STEP, 3 * level);
}

/* <d_i, v> for all rows, over the range that v has. */
static int project(fast *f, rows *all, size_t lo, size_t hi)
{
    gpf__subject *s = f->s;
    if (!s->d) {
        gpf__call(s, GPF__JU, &(gpf__args){ .x = s->x, .u = f->v, .out = f->jv });
        double ratio = 0;
        for (size_t j = lo; j < hi; j++)
            if (f->scale[j] > 0)
                ratio = fmax(ratio, fabs(s->x[j]) / f->scale[j]);
        for (size_t k = 0; k < all->n; k++) {
            row *r = &all->r[k];
            r->analytic = f->jv[r->i];
            r->size = fmax(r->size, fabs(r->analytic)); /* of all directions: may cancel in one */
            r->size_ax = ratio * r->size;
        }
        return GSL_SUCCESS;
    }
    for (size_t k = 0; k < all->n; k++) {
        row *r = &all->r[k];
        const double *d = s->d + r->i * s->n;
        long double value = 0;
        double size = 0, ax = 0;
        for (size_t j = lo; j < hi; j++) {
            if (f->v[j] == 0)
                continue;
            const double term = d[j] * f->v[j];
            value += (long double)d[j] * f->v[j];
            size += term * term;
            ax += d[j] * s->x[j] * d[j] * s->x[j];
        }
        r->analytic = (double)value;
        r->size = sqrt(size);
        r->size_ax = sqrt(ax);
    }
    return GSL_SUCCESS;
}

static void call_at(fast *f, size_t lo, size_t hi, double t, double *y)
{
    gpf__subject *s = f->s;
    for (size_t j = lo; j < hi; j++)
        if (f->v[j] != 0)
            f->x[j] = s->x[j] + t * f->v[j];
    gpf__call(s, GPF__F, &(gpf__args){ .x = f->x, .f = y });
    memcpy(f->x + lo, s->x + lo, (hi - lo) * sizeof *f->x);
}

/* GSL's central rule, or a one-sided one, for all rows at one step. */
static void stencil(fast *f, rows *all, size_t lo, size_t hi, int level)
{
    static const double central[] = { -1, 1, -0.5, 0.5 }, forward[] = { 0.25, 0.5, 0.75, 1 };
    gpf__subject *s = f->s;
    const double h = h_of(level), *at = f->one_sided ? forward : central;
    for (int i = 0; i < 4; i++)
        call_at(f, lo, hi, at[i] * h, f->y + (size_t)i * s->m);
    for (size_t k = 0; k < all->n; k++) {
        row *r = &all->r[k];
        double y[4], size = 0;
        for (int i = 0; i < 4; i++) {
            y[i] = f->y[(size_t)i * s->m + r->i];
            size += fabs(y[i]);
            f->reacted |= fabs(y[i] - s->f[r->i]) > s->noise[r->i];
        }
        double low, high, points;
        if (f->one_sided) { /* derivatives at 0 of polynomials through the base and 3 or 4 points */
            const double y0 = s->f[r->i];
            low = 4 * (-11.0 / 6.0 * y0 + 3 * y[0] - 1.5 * y[1] + 1.0 / 3.0 * y[2]);
            high = 4 * (-25.0 / 12.0 * y0 + 4 * y[0] - 3 * y[1] + 4.0 / 3.0 * y[2] - 0.25 * y[3]);
            points = 25; /* 4 times the root of the sum of the squared coefficients */
        } else {
            low = 0.5 * (y[1] - y[0]);
            high = 4.0 / 3.0 * (y[3] - y[2]) - low / 3;
            points = 2;
        }
        const double rounding =
            points * (s->noise[r->i] + DBL_EPSILON * size) + DBL_EPSILON * r->size_ax + DBL_MIN;
        r->slope = high / h;
        r->error = (fabs(high - low) + rounding) / h;
        r->truncated = fabs(high - low) > rounding;
        r->gap = fabs(r->analytic - r->slope);
        r->tau = GPF__SAFETY * (r->error + r->rounding) + 4e-13 * r->size;
    }
}

/* The step at which the rows' errors are smallest, as a whole. */
static double goodness(const rows *all)
{
    double sum = 0;
    for (size_t k = 0; k < all->n; k++) {
        const double e = all->r[k].error;
        sum += isfinite(e) ? log(e + DBL_MIN) : 1000;
    }
    return sum;
}

static void find_level(fast *f, rows *all, size_t lo, size_t hi)
{
    double best = INFINITY;
    f->level = 0;
    for (int level = 0; level <= LARGEST; level++) {
        stencil(f, all, lo, hi, level);
        const double g = goodness(all);
        if (!(g < best))
            break;
        best = g;
        f->level = level;
    }
    for (int level = -1; f->level == 0 && level >= SMALLEST; level--) {
        stencil(f, all, lo, hi, level);
        const double g = goodness(all);
        if (!(g < best))
            break;
        best = g;
        f->level = level;
    }
    f->fresh = false;
}

/* J v at points beside x: what the analytic side has of noise. */
typedef struct beside {
    fast *f;
    double *d, *dt, *values;
} beside;

static int product_at(void *arg, const double *x, double *values)
{
    const beside *a = arg;
    const fast *f = a->f;
    gpf__subject *s = f->s;
    if (!s->d)
        return gpf__call(s, GPF__JU, &(gpf__args){ .x = x, .u = f->v, .out = values });
    const gpf__route r = s->kind->has(s->structure, GPF__DF) ? GPF__DF : GPF__FDF;
    const int status = gpf__call(s, r,
                                 &(gpf__args){ .x = x,
                                               .f = r == GPF__FDF ? a->values : NULL,
                                               .d = a->d,
                                               .dt = s->kind->time ? a->dt : NULL });
    for (size_t i = 0; i < s->m && !status; i++) {
        long double sum = 0;
        for (size_t j = 0; j < s->n_d; j++)
            sum += (long double)a->d[i * s->n_d + j] * f->v[j];
        if (s->kind->time)
            sum += (long double)a->dt[i] * f->v[s->n_d];
        values[i] = (double)sum;
    }
    return status;
}

static int measure_noise(fast *f)
{
    gpf__subject *s = f->s;
    beside a = { .f = f };
    const size_t size = s->d ? s->m * s->n_d : 0;
    a.d = malloc((size + 1) * sizeof *a.d);
    a.dt = malloc((s->m + 1) * sizeof *a.dt);
    a.values = malloc((s->m + 1) * sizeof *a.values);
    const int status = a.d && a.dt && a.values
                           ? gpf__scatter(s, product_at, &a, s->m, f->v, f->noise_jv)
                           : GSL_ENOMEM;
    free(a.d);
    free(a.dt);
    free(a.values);
    f->noisy = status == GSL_SUCCESS;
    return status;
}

/* What one more step says of a row; true if a smaller one may say more. A gap counts when it stays
 * at smaller steps, as far down as these can tell; an agreement when the error is small, which that
 * of a step with a kink in it is not. */
static bool weigh(row *r)
{
    if (!isfinite(r->slope) || !isfinite(r->tau))
        return !r->counted;
    if (r->counted && !(r->tau <= (r->disagrees ? r->best_gap / 4 : r->best_tau)))
        return false;
    r->counted = true;
    r->best_gap = r->gap;
    r->best_tau = r->tau;
    r->disagrees = !(r->gap <= r->tau);
    return r->disagrees ||
           (r->truncated && r->tau > 1e-2 * GPF_FAST_RELATIVE * fmax(r->size, fabs(r->slope)));
}

/* Direction id over [lo, hi): which rows disagree? */
static void along(fast *f, rows *all, unsigned id, size_t lo, size_t hi, int smallest)
{
    for (size_t j = lo; j < hi; j++)
        f->v[j] = f->scale[j] > 0 ? f->scale[j] * xi(f, id, j) : 0;
    project(f, all, lo, hi);
    if (f->fresh)
        find_level(f, all, lo, hi);
    for (size_t k = 0; k < all->n; k++)
        all->r[k].counted = all->r[k].disagrees = false;
    rows left = *all;
    for (int level = f->level; level >= smallest && left.n && !f->status; level--) {
        stencil(f, &left, lo, hi, level);
        size_t n = 0;
        bool doubt = false;
        for (size_t k = 0; k < left.n; k++) {
            const bool open = weigh(&left.r[k]);
            doubt |= left.r[k].disagrees;
            if (open) { /* to the front: the others cost nothing any more */
                const row one = left.r[k];
                left.r[k] = left.r[n];
                left.r[n++] = one;
            }
        }
        left.n = n;
        if (doubt && !f->noisy) { /* before anybody is suspected */
            f->status = measure_noise(f);
            for (size_t k = 0; k < all->n && !f->status; k++)
                all->r[k].rounding = f->noise_jv[all->r[k].i];
            for (size_t k = 0; k < left.n; k++)
                left.r[k].counted = left.r[k].disagrees = false;
            level++;
        }
    }
    for (size_t k = 0; k < all->n; k++) {
        row *r = &all->r[k];
        r->disagrees |= !r->counted;
        if (!r->disagrees)
            r->agreed[r->n_agreed++] = r->best_tau;
    }
}

static void cover(fast *f, row *r, size_t lo, size_t hi)
{
    const gpf__subject *s = f->s;
    const double error = gpf__error_seen(r->agreed, r->n_agreed);
    size_t moving = 0;
    for (size_t j = lo; j < hi; j++)
        moving += f->scale[j] > 0;
    /* Without a matrix an entry's size is that of its row: the root mean square of d_ij scale_j. */
    const double typical = s->d ? 0 : r->size / sqrt((double)(moving ? moving : 1));
    for (size_t j = lo; j < hi; j++) {
        if (f->scale[j] == 0)
            continue; /* looked at, or not free */
        const double scale = f->inwards[j] ? f->scale[j] / 2 : f->scale[j],
                     a = s->d ? fabs(s->d[r->i * s->n + j]) * scale : typical;
        f->weakest = fmax(f->weakest, error / scale);
        if (a * GPF_FAST_RELATIVE >= error)
            f->b->covered++;
        else
            f->b->small++;
    }
}

static bool enough(const fast *f)
{
    return f->status || f->s->result->stopped || f->wrong >= MOST_WRONG ||
           f->looked_at >= MOST_LOOKED_AT;
}

/* The ordinary check of one entry; its verdict is the one that counts. */
static gpf_verdict decide(fast *f, size_t i, size_t j, double analytic)
{
    gpf__subject *s = f->s;
    gpf_element e = { .tensor = f->part,
                      .k = i * f->cols + (j - f->first),
                      .value = s->x[j],
                      .analytic = analytic,
                      .verdict = GPF_N_VERDICTS };
    f->status = gpf__entries_look(f->entries, i, j, &e);
    if (!f->status)
        f->status = gpf__element(s, &e);
    f->wrong += e.verdict == GPF_WRONG;
    return e.verdict;
}

static void look_at(fast *f, size_t i, size_t j, double analytic)
{
    gpf__block_looked_at(f->b, decide(f, i, j, analytic));
    f->looked_at++;
}

/* Column j of the analytic Jacobian, at the rows. */
static void analytic_column(fast *f, size_t j)
{
    gpf__subject *s = f->s;
    if (s->d) {
        for (size_t i = 0; i < s->m; i++)
            f->jv[i] = s->d[i * s->n + j];
        return;
    }
    memset(f->v, 0, s->n * sizeof *f->v);
    f->v[j] = 1;
    gpf__call(s, GPF__JU, &(gpf__args){ .x = s->x, .u = f->v, .out = f->jv });
    f->v[j] = 0;
}

static void progress(fast *f, size_t n)
{
    f->done += n;
    if (!f->status)
        gpf__stop(f->s, f->done, f->total);
}

static void look_at_range(fast *f, const rows *guilty, size_t lo, size_t hi)
{
    const size_t stride = guilty->n / MOST_ROWS + 1;
    for (size_t j = lo; j < hi; j++) {
        if (f->scale[j] == 0)
            continue;
        if (!enough(f))
            analytic_column(f, j);
        for (size_t k = 0; k < guilty->n; k++)
            if (k % stride == 0 && !enough(f))
                look_at(f, guilty->r[k].i, j, f->jv[guilty->r[k].i]);
            else
                f->b->untested++;
    }
    progress(f, guilty->n * (hi - lo));
}

/* Tests the rows over [lo, hi) along the directions given. Those that agree are covered, the others
 * stay in `all`; *guilty is the direction that showed it. */
static void test(fast *f, rows *all, size_t lo, size_t hi, const unsigned *id, unsigned n,
                 unsigned *guilty)
{
    const size_t before = all->n;
    size_t n_bad = 0;
    for (size_t k = 0; k < all->n; k++)
        all->r[k].n_agreed = 0;
    rows good = *all;
    for (unsigned d = 0; d < n && good.n && !f->status; d++) {
        along(f, &good, id[d], lo, hi, n == DIRECTIONS ? SMALLEST : f->level - 2);
        /* the bad ones to the end */
        size_t k = 0;
        while (k < good.n)
            if (good.r[k].disagrees) {
                const row bad = good.r[k];
                good.r[k] = good.r[good.n - 1];
                good.r[good.n - 1] = bad;
                good.n--;
                n_bad++;
                *guilty = id[d];
            } else {
                k++;
            }
        if (n == DIRECTIONS) {
            f->b->directions = d + 1;
            f->b->disagreed = n_bad > 0;
        }
    }
    for (size_t k = 0; k < good.n && !f->status; k++)
        cover(f, &good.r[k], lo, hi);
    progress(f, good.n * (hi - lo));
    memmove(all->r, all->r + good.n, n_bad * sizeof *all->r);
    all->n = f->status ? 0 : before - good.n;
}

/* Of a gap: there is none; its entries are wrong, or all right when looked at one by one, as with a
 * kink within the steps; neither. */
typedef enum answer { NO_GAP, ANSWERED, UNANSWERED } answer;

/* Narrows gaps down to entries. Halves are tested along the direction that showed them, whose gap
 * is the sum of theirs, and along a new one. */
static answer search(fast *f, const rows *suspects, size_t lo, size_t hi, const unsigned *id,
                     unsigned n)
{
    const size_t wrong = f->wrong, untested = f->b->untested;
    if ((hi - lo <= LEAF && n < DIRECTIONS) || enough(f)) {
        look_at_range(f, suspects, lo, hi);
        return f->wrong > wrong || f->b->untested == untested ? ANSWERED : UNANSWERED;
    }
    rows guilty = { malloc((suspects->n + 1) * sizeof *guilty.r), suspects->n };
    if (!guilty.r) {
        f->status = GSL_ENOMEM;
        return UNANSWERED;
    }
    memcpy(guilty.r, suspects->r, suspects->n * sizeof *guilty.r);
    unsigned direction = 0;
    answer a = NO_GAP;
    test(f, &guilty, lo, hi, id, n, &direction);
    if (guilty.n && !f->status) {
        const unsigned next[FEWER] = { direction, f->next_id++ };
        if (hi - lo <= LEAF) {
            a = search(f, &guilty, lo, hi, next, FEWER);
        } else {
            const size_t middle = lo + (hi - lo) / 2;
            const answer one = search(f, &guilty, lo, middle, next, FEWER),
                         two = search(f, &guilty, middle, hi, next, FEWER);
            a = one > two ? one : two;
        }
        if (a == NO_GAP)
            a = UNANSWERED;
    }
    free(guilty.r);
    return a;
}

/* Looks at entries from everywhere that were not looked at. */
static void call_witnesses(fast *f)
{
    gpf__subject *s = f->s;
    const gpf_fdf *c = s->result;
    size_t called = 0;
    for (size_t k = 0; k < 8 * WITNESSES && called < WITNESSES && !f->status && !c->stopped; k++) {
        const size_t i = (size_t)(gpf__uniform(s, STREAM - 1, 2 * k) * (double)s->m),
                     j = f->first +
                         (size_t)(gpf__uniform(s, STREAM - 1, 2 * k + 1) * (double)f->cols);
        bool known = f->scale[j] == 0 || (s->d && s->d[i * s->n + j] == 0);
        for (size_t q = 0; q < c->n_element && !known; q++)
            known =
                c->element[q].tensor == f->part && c->element[q].k == i * f->cols + (j - f->first);
        if (known)
            continue;
        called++;
        analytic_column(f, j);
        decide(f, i, j, f->jv[i]);
        progress(f, 0);
    }
}

/* How far every variable may go, and to which side. */
static void set_scales(fast *f)
{
    const gpf__subject *s = f->s;
    const gsl_vector *lo = s->how->lo, *hi = s->how->hi;
    gpf__typicals(s, f->scale);
    for (size_t j = 0; j < s->n; j++) {
        if (j < f->first || j >= f->first + f->cols || gpf__is_fixed(s, j)) {
            f->scale[j] = 0;
            continue;
        }
        /* the largest step, a largest xi, and some room for rounding */
        const double reach = 1.6 * h_of(LARGEST),
                     down = lo ? s->x[j] - gsl_vector_get(lo, j) : INFINITY,
                     up = hi ? gsl_vector_get(hi, j) - s->x[j] : INFINITY, room = fmin(down, up);
        if (room < 0x1p-8 * reach * f->scale[j] && fmax(down, up) > room) {
            f->inwards[j] = down > up ? -1 : 1;
            f->one_sided = true;
            f->scale[j] = fmin(f->scale[j], fmax(down, up) / reach);
        } else {
            f->scale[j] = fmin(f->scale[j], room / reach);
        }
    }
}

/* Entries that are not finite are looked at alone; their variables do not move. */
static void look_at_nonfinite(fast *f)
{
    gpf__subject *s = f->s;
    for (size_t j = f->first; s->d && j < f->first + f->cols; j++) {
        size_t bad = 0;
        for (size_t i = 0; i < s->m; i++)
            bad += isfinite(s->d[i * s->n + j]) ? 0 : 1;
        if (bad == 0 || f->scale[j] == 0)
            continue;
        f->scale[j] = 0;
        for (size_t i = 0; i < s->m; i++)
            if (!isfinite(s->d[i * s->n + j]) && !enough(f))
                look_at(f, i, j, s->d[i * s->n + j]);
            else
                f->b->untested++;
        progress(f, s->m);
    }
}

static bool all_zero(const fast *f)
{
    const gpf__subject *s = f->s;
    for (size_t i = 0; s->d && i < s->m; i++)
        for (size_t j = f->first; j < f->first + f->cols; j++)
            if (s->d[i * s->n + j] != 0)
                return false;
    return s->d != NULL;
}

static void conclude(fast *f)
{
    gpf_block *b = f->b;
    gpf__block_conclude(b, f->weakest, f->wrong > 0, f->unconfirmed);
    if (b->verdict == GPF_UNRESOLVED && !f->unconfirmed && !f->reacted && all_zero(f)) {
        b->verdict = GPF_VACUOUS;
        b->reason = GPF_REASON_NO_REACTION;
    }
    f->p->total = b->covered + b->small;
}

/* Every entry, as the ordinary check does. */
static void check_all(fast *f)
{
    gpf__subject *s = f->s;
    for (size_t j = f->first; j < f->first + f->cols; j++) {
        if (f->scale[j] == 0)
            continue;
        analytic_column(f, j);
        for (size_t i = 0; i < s->m && !f->status && !s->result->stopped; i++)
            look_at(f, i, j, f->jv[i]);
        progress(f, s->m);
    }
}

static void check_part(fast *f)
{
    gpf__subject *s = f->s;
    size_t moving = 0;
    f->fresh = true;
    f->next_id = DIRECTIONS;
    set_scales(f);
    for (size_t j = 0; j < s->n; j++)
        moving += f->scale[j] > 0;
    f->b->total = f->b->untested = moving * s->m;
    f->total = f->b->total;
    if (moving == 0)
        return;
    f->b->untested = 0;
    if (moving <= FEW_VARIABLES && moving * s->m <= FEW_ENTRIES) {
        check_all(f);
        *f->b = (gpf_block){ .error = GSL_NAN, .magnitude = GSL_NAN };
        return;
    }
    look_at_nonfinite(f);
    rows all = { calloc(s->m, sizeof *all.r), s->m };
    unsigned id[DIRECTIONS];
    for (unsigned d = 0; d < DIRECTIONS; d++)
        id[d] = d;
    if (!all.r)
        f->status = GSL_ENOMEM;
    for (size_t i = 0; i < s->m && !f->status; i++)
        all.r[i].i = i;
    if (!f->status)
        f->unconfirmed =
            search(f, &all, f->first, f->first + f->cols, id, DIRECTIONS) == UNANSWERED;
    if (f->wrong)
        call_witnesses(f);
    free(all.r);
    conclude(f);
}

/* One part: variables [first, first + cols). */
static int check(gpf__subject *s, const char *name, size_t first, size_t cols)
{
    fast f = { .s = s, .first = first, .cols = cols };
    const size_t before = s->n_calls[GPF__F];
    if ((f.part = gpf__part(s, name, s->m, cols)) < 0)
        return GSL_ENOMEM;
    f.p = &s->result->part[f.part];
    f.b = &f.p->block;
    *f.b = (gpf_block){ .verdict = GPF_UNRESOLVED, .error = GSL_NAN, .magnitude = GSL_NAN };
    double *memory = calloc(3 * s->n + 6 * s->m, sizeof *memory);
    f.inwards = calloc(s->n, 1);
    f.entries = gpf__entries_alloc(s);
    if (memory && f.inwards && f.entries) {
        f.scale = memory;
        f.v = f.scale + s->n;
        f.x = f.v + s->n;
        f.y = f.x + s->n;
        f.jv = f.y + 4 * s->m;
        f.noise_jv = f.jv + s->m;
        memcpy(f.x, s->x, s->n * sizeof *f.x);
        check_part(&f);
        if (f.b->total)
            f.b->evaluations = s->n_calls[GPF__F] - before;
    } else {
        f.status = GSL_ENOMEM;
    }
    gpf__entries_free(f.entries);
    free(f.inwards);
    free(memory);
    return f.status;
}

int gpf__check_random(gpf__subject *s)
{
    const size_t time = (size_t)s->kind->time;
    const int status = check(s, s->kind->part, 0, s->n - time);
    return status || !time || s->result->stopped ? status : check(s, "dfdt", s->n - 1, 1);
}
