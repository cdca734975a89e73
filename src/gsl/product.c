/* SPDX-License-Identifier: GPL-3.0-or-later */
/* J' u and J'J of multilarge: against J, column by column J e_j where that is right, differences of
 * f where it is not; and whether both products are linear and transposed as asked. */
#include "gsl/gsl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { U_STREAM = 40, W_STREAM, V_STREAM, SAMPLE_STREAM, SAMPLE = 32 };

typedef struct job {
    gpf__subject *s;
    double *J, *error;        /* m x n: as far as is known; NULL in the fast mode */
    double *typical;          /* n */
    double *u, *w, *both;     /* m: random, their sum */
    double *v, *column;       /* n: random, or e_j; m: J v */
    double *Ju, *Jw, *J_both; /* n: J' of those */
    double *noise;            /* n: of J' u, once it disagrees */
    double *squares;          /* n x n: J'J as given, the lower half of J'J */
    double *expected, *size;  /* n x n */
    double *memory;
} job;

/* What other sums of the same terms may differ by. A sweep forward and one backward may cancel to
 * 0 and to 1e-16: what remains is the rounding of what f is made of, of which f is all that is
 * seen. */
static const double ROUNDING = 64 * GSL_DBL_EPSILON;

static int multiply(gpf__subject *s, gpf__route r, const double *x, const double *u, double *out,
                    double *jtj)
{
    return gpf__call(s, r, &(gpf__args){ .x = x, .u = u, .out = out, .jtj = jtj });
}

/* J as it is known: an entry that the differences do not contradict, otherwise the difference. It
 * is rounded as a row is whose variables all change by their own size, |f_i| + sum_k |J_ik| x_k,
 * beside x_j. */
static void know_jacobian(job *w)
{
    const gpf__subject *s = w->s;
    const gpf_fdf *c = s->result;
    const size_t n = s->n;
    memcpy(w->J, s->d, s->m * n * sizeof *w->J);
    memset(w->error, 0, s->m * n * sizeof *w->error);
    for (size_t k = 0; k < c->n_element; k++) {
        const gpf_element *e = &c->element[k];
        const bool differs =
            e->verdict == GPF_WRONG || (e->verdict == GPF_UNRESOLVED && !isfinite(e->analytic));
        if (e->tensor != 0 || !differs)
            continue;
        w->J[e->k] = e->numeric;
        w->error[e->k] = e->error;
    }
    for (size_t i = 0; i < s->m; i++) {
        double size = fabs(s->f[i]);
        for (size_t j = 0; j < n; j++)
            size += isfinite(w->J[i * n + j]) ? fabs(w->J[i * n + j]) * w->typical[j] : 0;
        for (size_t j = 0; j < n; j++)
            w->error[i * n + j] += ROUNDING * size / w->typical[j];
    }
}

/* The rounding of <u, J v> whatever cancels in it. */
static double rounding_of(const job *w, const double *u, const double *v)
{
    const gpf__subject *s = w->s;
    double rows = 0, columns = 0;
    for (size_t i = 0; i < s->m; i++)
        rows += fabs(u[i] * s->f[i]);
    for (size_t j = 0; j < s->n; j++)
        columns += fabs(v[j]) / w->typical[j];
    return ROUNDING * rows * columns;
}

/* analytic beside the sum of products that it should be: error of what they are made of, size the
 * sum of their magnitudes. */
static gpf_element judge(double analytic, double numeric, double error, double size)
{
    gpf_element e = gpf__compared(analytic, numeric, error + 1e-13 * size, GSL_NAN);
    const double off = fabs(analytic - numeric), most = fmax(fabs(analytic), fabs(numeric));
    if (!isfinite(numeric) || !isfinite(error)) {
        e.verdict = GPF_UNRESOLVED;
        e.reason = GPF_REASON_NOT_FINITE;
    } else if (!isfinite(analytic)) {
        e.verdict = GPF_WRONG;
        e.reason = GPF_REASON_NOT_FINITE;
    } else if (size == 0 && analytic == 0) {
        e.verdict = GPF_VACUOUS;
        e.reason = GPF_REASON_NO_REACTION;
    } else if (gpf__agree(analytic, numeric, e.error, 0)) {
        const double claim = analytic == 0 ? size : most;
        e.verdict = e.error <= GPF__RESOLVED * claim ? GPF_RIGHT : GPF_UNRESOLVED;
        e.reason = e.verdict == GPF_RIGHT ? GPF_REASON_NONE : GPF_REASON_NOISE;
        if (e.verdict == GPF_RIGHT)
            e.digits = fmin(16, fmax(0, -log10(fmax(off, e.error) / claim)));
    } else {
        e.verdict = e.error <= 0.05 * most ? GPF_WRONG : GPF_UNRESOLVED;
        e.reason = e.verdict == GPF_WRONG ? GPF_REASON_FLAT_GAP : GPF_REASON_NOISE;
    }
    return e;
}

/* Is a + b = c, up to rounding of sums of their size and `rounding`? */
static bool adds_up(const double *a, const double *b, const double *c, size_t n, double rounding,
                    size_t *entry, double *gap)
{
    double size = 0;
    *gap = 0;
    for (size_t k = 0; k < n; k++)
        size = fmax(size, fabs(a[k]) + fabs(b[k]));
    for (size_t k = 0; k < n; k++) {
        const double off = fabs(a[k] + b[k] - c[k]);
        if (isfinite(off) && off > *gap) {
            *gap = off;
            *entry = k;
        }
    }
    return *gap <= 1e-9 * size + rounding;
}

static int say_not_linear(gpf__subject *s, int part, const char *what, size_t entry, double gap)
{
    s->named |= 1u << part;
    return gpf__say(s, GPF_NOT_LINEAR, part,
                    "%s is not linear in u: for u + w it differs from the sum of those for u and "
                    "for w, by %.3g in entry %zu",
                    what, gap, entry);
}

/* J (e_0 + v) = J e_0 + J v. */
static int check_linear(job *w)
{
    gpf__subject *s = w->s;
    double *unit = w->Ju, *a = w->u, *b = w->w; /* not yet used */
    size_t entry = 0;
    double gap;
    for (size_t j = 0; j < s->n; j++) {
        unit[j] = 0;
        w->v[j] = 0.5 + gpf__uniform(s, V_STREAM, j);
    }
    unit[0] = 1;
    multiply(s, GPF__JU, s->x, unit, a, NULL);
    multiply(s, GPF__JU, s->x, w->v, b, NULL);
    w->v[0] += 1;
    multiply(s, GPF__JU, s->x, w->v, w->column, NULL);
    for (size_t i = 0; i < s->m; i++)
        w->both[i] = 1;
    if (adds_up(a, b, w->column, s->m, rounding_of(w, w->both, w->v), &entry, &gap))
        return GSL_SUCCESS;
    return say_not_linear(s, 0, "J u", entry, gap);
}

/* Element j of J' u by J: the sum over i of J_ij u_i. */
static gpf_element judge_column(job *w, size_t j)
{
    const gpf__subject *s = w->s;
    double sum = 0, size = 0, error = w->noise[j];
    for (size_t i = 0; i < s->m; i++) {
        const double by = (w->J ? w->J[i * s->n + j] : w->column[i]) * w->u[i];
        sum += by;
        size += fabs(by);
        error += fabs(w->u[i]) *
                 (w->J ? w->error[i * s->n + j] : ROUNDING * fabs(s->f[i]) / w->typical[j]);
    }
    gpf_element e = judge(w->Ju[j], sum, error, size);
    e.k = j;
    return e;
}

static int sampled_product(void *arg, const double *x, double *values)
{
    job *w = arg;
    return multiply(w->s, GPF__JTU, x, w->u, values, NULL);
}

/* One element; where it disagrees, again with the noise of J' u. */
static int check_entry(job *w, int part, size_t j, bool *measured)
{
    gpf__subject *s = w->s;
    gpf_element e = judge_column(w, j);
    int status = GSL_SUCCESS;
    if (e.verdict == GPF_WRONG && isfinite(e.analytic)) {
        if (!*measured) {
            for (size_t k = 0; k < s->n; k++) /* the scale of each variable */
                w->v[k] = w->typical[k] * (gpf__uniform(s, V_STREAM, k) < 0.5 ? -1 : 1);
            status = gpf__scatter(s, sampled_product, w, s->n, w->v, w->noise);
        }
        *measured = true;
        e = judge_column(w, j);
    }
    e.tensor = part;
    return status ? status : gpf__element(s, &e);
}

/* Without J: some columns, one by one. */
static int check_sample(job *w, int part)
{
    gpf__subject *s = w->s;
    bool measured = false;
    int status = GSL_SUCCESS;
    const size_t n = s->n < SAMPLE ? s->n : SAMPLE;
    double *unit = w->J_both;
    memset(unit, 0, s->n * sizeof *unit);
    for (size_t k = 0; k < n && !status; k++) {
        const double within = s->n <= SAMPLE ? 0 : gpf__uniform(s, SAMPLE_STREAM, k);
        const size_t first = s->n * k / n, next = s->n * (k + 1) / n,
                     j = first + (size_t)(within * (double)(next - first));
        unit[j] = 1;
        multiply(s, GPF__JU, s->x, unit, w->column, NULL);
        unit[j] = 0;
        status = check_entry(w, part, j, &measured);
    }
    return status;
}

/* <u, J v> = <J' u, v>, of all columns at once. */
static int check_adjoint(job *w, int part)
{
    gpf__subject *s = w->s;
    double left = 0, right = 0, size = 0;
    for (size_t j = 0; j < s->n; j++)
        w->v[j] = 0.5 + gpf__uniform(s, V_STREAM, j);
    multiply(s, GPF__JU, s->x, w->v, w->column, NULL);
    for (size_t i = 0; i < s->m; i++) {
        left += w->u[i] * w->column[i];
        size += fabs(w->u[i] * w->column[i]);
    }
    for (size_t j = 0; j < s->n; j++) {
        right += w->Ju[j] * w->v[j];
        size += fabs(w->Ju[j] * w->v[j]);
    }
    if (!isfinite(left) || !isfinite(right) ||
        fabs(left - right) <= 1e-9 * size + rounding_of(w, w->u, w->v))
        return GSL_SUCCESS;
    return gpf__say(s, GPF_UNEXPLAINED, part,
                    "J' u does not belong to J u: <u, J v> = %.9g, <J' u, v> = %.9g", left, right);
}

/* Are products that are not those of J those of J as J u gives it? */
static bool is_derived(const job *w, const double *given, bool squares)
{
    const gpf__subject *s = w->s;
    const size_t n = s->n;
    if (s->result->part[0].tally.count[GPF_WRONG] == 0)
        return false;
    for (size_t j = 0; j < n; j++)
        for (size_t k = 0; k <= (squares ? j : 0); k++) {
            double sum = 0, size = 0;
            for (size_t i = 0; i < s->m; i++) {
                const double by = s->d[i * n + j] * (squares ? s->d[i * n + k] : w->u[i]);
                sum += by;
                size += fabs(by);
            }
            if (!gpf__agree(given[squares ? j * n + k : j], sum, 1e-12 * size, 0))
                return false;
        }
    return true;
}

/* Is J' u really J u, as far as both go? */
static bool is_untransposed(const job *w)
{
    const gpf__subject *s = w->s;
    const size_t n = s->n, k_max = n < s->m ? n : s->m;
    bool apart = false;
    for (size_t k = 0; k < k_max; k++) {
        double sum = 0, size = 0, error = 0;
        for (size_t j = 0; j < k_max; j++) {
            sum += w->J[k * n + j] * w->u[j];
            size += fabs(w->J[k * n + j] * w->u[j]);
            error += fabs(w->error[k * n + j] * w->u[j]);
        }
        /* with more variables than values, it went on into what is no u */
        if (s->m < n || !gpf__agree(w->Ju[k], sum, error + 1e-12 * size, 0))
            return false;
        apart |= judge_column((job *)w, k).verdict == GPF_WRONG;
    }
    return apart;
}

/* Are the columns J e_j, where they are wrong, those of J'? */
static bool is_transposed(const job *w)
{
    const gpf__subject *s = w->s;
    const gpf_fdf *c = s->result;
    const size_t n = s->n, m = s->m;
    size_t wrong = 0, matched = 0;
    for (size_t k = 0; k < c->n_element; k++) {
        const gpf_element *e = &c->element[k];
        const size_t i = e->k / n, j = e->k % n;
        if (e->tensor != 0 || e->verdict != GPF_WRONG || j >= m || i >= n || !isfinite(e->analytic))
            continue;
        wrong++;
        matched += gpf__agree(e->analytic, w->J[j * n + i], w->error[j * n + i] + e->error, 0) != 0;
    }
    return wrong > 0 && matched == wrong;
}

static int explain_transposition(job *w, int part)
{
    gpf__subject *s = w->s;
    const bool wrong = s->result->part[part].tally.count[GPF_WRONG] > 0,
               forward = s->result->part[0].tally.count[GPF_WRONG] > 0 && is_transposed(w),
               backward = wrong && is_untransposed(w);
    if (!forward && !backward)
        return GSL_SUCCESS;
    if (forward)
        s->named |= 1u;
    if (backward)
        s->named |= 1u << part;
    if (forward && backward)
        return gpf__say(s, GPF_UNTRANSPOSED, part,
                        "J u and J' u stand for each other: TransJ is read the wrong way round, or "
                        "J is stored transposed");
    return gpf__say(s, GPF_UNTRANSPOSED, forward ? 0 : part,
                    forward ? "J' u is given where J u was asked for: TransJ is ignored"
                            : "J u is given where J' u was asked for: TransJ is ignored");
}

/* J' of u, w and their sum; of u also when J'J is asked for. */
static int check_transposed(job *w, int part)
{
    gpf__subject *s = w->s;
    size_t entry = 0;
    double gap;
    int status = GSL_SUCCESS;
    for (size_t i = 0; i < s->m; i++) {
        w->u[i] = 0.5 + gpf__uniform(s, U_STREAM, i);
        w->w[i] = gpf__uniform(s, W_STREAM, i) - 0.5;
        w->both[i] = w->u[i] + w->w[i];
    }
    memset(w->noise, 0, s->n * sizeof *w->noise);
    multiply(s, GPF__JTU, s->x, w->w, w->Jw, NULL);
    multiply(s, GPF__JTU, s->x, w->both, w->J_both, NULL);
    multiply(s, GPF__JTU, s->x, w->u, w->Ju, NULL);
    for (size_t j = 0; j < s->n; j++)
        w->v[j] = 1;
    const double rounding = rounding_of(w, w->both, w->v);
    if (!adds_up(w->Ju, w->Jw, w->J_both, s->n, rounding, &entry, &gap))
        status = say_not_linear(s, part, "J' u", entry, gap);
    bool measured = false;
    for (size_t j = 0; j < s->n && !status && w->J; j++)
        status = check_entry(w, part, j, &measured);
    if (!status && !w->J)
        status = check_sample(w, part);
    if (!status && !w->J && s->result->part[part].tally.count[GPF_WRONG] == 0)
        status = check_adjoint(w, part);
    if (!status && w->J && !(s->named >> part & 1))
        status = explain_transposition(w, part);
    if (w->J && is_derived(w, w->Ju, false))
        s->derived |= 1u << part;
    return status;
}

/* J'J and the errors of its entries. */
static void square_jacobian(job *w, double *error)
{
    const gpf__subject *s = w->s;
    const size_t n = s->n;
    for (size_t k = 0; k < n * n; k++)
        w->expected[k] = w->size[k] = error[k] = 0;
    for (size_t i = 0; i < s->m; i++) {
        const double *J = w->J + i * n, *off = w->error + i * n;
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k <= j; k++) {
                w->expected[j * n + k] += J[j] * J[k];
                w->size[j * n + k] += fabs(J[j] * J[k]);
                error[j * n + k] += fabs(J[j]) * off[k] + fabs(J[k]) * off[j] + off[j] * off[k];
            }
    }
}

/* Was the strictly upper half filled, and the lower not? */
static bool is_other_half(const job *w)
{
    const gpf__subject *s = w->s;
    const size_t n = s->n;
    bool any = false;
    for (size_t j = 0; j < n; j++)
        for (size_t k = 0; k < j; k++) {
            const size_t lower = j * n + k, upper = k * n + j;
            const double given = gpf__call_raw(s, GPF__OUT_JTJ, upper);
            const bool left = gpf__is_poison(s, GPF__OUT_JTJ, lower) || w->squares[lower] == 0;
            if (!left || !gpf__agree(given, w->expected[lower], 1e-10 * w->size[lower], 0))
                return false;
            any |= given != 0;
        }
    return any;
}

static int check_squares(job *w, double *error)
{
    gpf__subject *s = w->s;
    const size_t n = s->n;
    double gap = 0, size = 0;
    int status = GSL_SUCCESS;
    for (size_t j = 0; j < n; j++)
        w->v[j] = 1;
    multiply(s, GPF__JTU, s->x, w->u, w->Jw, w->squares);
    const int part = gpf__part(s, "J'J", n, n);
    s->result->part[part].tally.total = n * (n + 1) / 2;
    square_jacobian(w, error);
    if (is_other_half(w)) {
        s->mishap[GPF__JTU].unfilled[GPF__OUT_JTJ] = 0;
        s->named |= 1u << part;
        status = gpf__say(s, GPF_OTHER_HALF, part,
                          "df fills the upper half of JTJ: GSL reads the lower one");
    }
    if (is_derived(w, w->squares, true))
        s->derived |= 1u << part;
    for (size_t j = 0; j < n; j++) {
        size = fmax(size, fabs(w->Ju[j]));
        gap = fmax(gap, fabs(w->Ju[j] - w->Jw[j]));
    }
    if (!status && gap > 1e-9 * size + rounding_of(w, w->u, w->v))
        status = gpf__say(s, GPF_INCOHERENT, part - 1,
                          "J' u is another when JTJ is asked for too: by %.3g", gap);
    for (size_t j = 0; j < n && !status; j++)
        for (size_t k = 0; k <= j && !status; k++) {
            const size_t at = j * n + k;
            gpf_element e = judge(w->squares[at], w->expected[at], error[at], w->size[at]);
            e.tensor = part;
            e.k = at;
            status = gpf__element(s, &e);
        }
    return status;
}

static int check(job *w, double *error)
{
    gpf__subject *s = w->s;
    if (w->J)
        know_jacobian(w);
    int status = check_linear(w);
    const int part = gpf__part(s, "J' u", 1, s->n);
    if (!status)
        status = check_transposed(w, part);
    if (!status && s->squares && w->J)
        status = check_squares(w, error);
    return status;
}

int gpf__check_products(gpf__subject *s)
{
    if (!gpf__has(s, GPF__JTU))
        return GSL_SUCCESS;
    const size_t n = s->n, m = s->m, whole = s->d ? m * n : 0,
                 square = s->squares && s->d ? n * n : 0;
    job w = { .s = s };
    double *next = w.memory = malloc((4 * m + 6 * n + 2 * whole + 4 * square) * sizeof *next);
    if (!next)
        return GSL_ENOMEM;
    w.u = next;
    w.w = next += m;
    w.both = next += m;
    w.column = next += m;
    w.v = next += m;
    w.Ju = next += n;
    w.Jw = next += n;
    w.J_both = next += n;
    w.noise = next += n;
    w.typical = next += n;
    next += n;
    gpf__typicals(s, w.typical);
    w.J = whole ? next : NULL;
    w.error = next + whole;
    w.squares = next += 2 * whole;
    w.expected = next += square;
    w.size = next += square;
    const int status = check(&w, next + square);
    free(w.memory);
    return status;
}
