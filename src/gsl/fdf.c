/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The check of a structure: what is given, the order of things, the result. */
#include "gsl/gsl.h"

#include "base/arena.h"

#include <gsl/gsl_math.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

gpf_fdf_options gpf_fdf_defaults(void)
{
    return (gpf_fdf_options){ .seed = 1 };
}

/* What the files of the stage ask of a subject. */

double gpf__uniform(const gpf__subject *s, size_t stream, size_t k)
{
    const uint64_t z = gpf__mix(gpf__mix(s->how->seed + 0x9e3779b97f4a7c15u * (stream + 1)) + k);
    return (double)(z >> 11) * 0x1p-53;
}

bool gpf__is_fixed(const gpf__subject *s, size_t j)
{
    return s->how->lo && s->how->hi &&
           gsl_vector_get(s->how->lo, j) == gsl_vector_get(s->how->hi, j);
}

bool gpf__is_inside(const gpf__subject *s, const double *x)
{
    for (size_t j = 0; j < s->n; j++)
        if ((s->how->lo && x[j] < gsl_vector_get(s->how->lo, j)) ||
            (s->how->hi && x[j] > gsl_vector_get(s->how->hi, j)))
            return false;
    return true;
}

int gpf__add(gpf__subject *s, gpf_explanation e)
{
    size_t room = s->room;
    const int status = gpf__grow(&s->explanation, &room, s->n_explanation + 1, sizeof e);
    s->room = room;
    if (status == GSL_SUCCESS)
        s->explanation[s->n_explanation++] = e;
    return status;
}

int gpf__say(gpf__subject *s, gpf_explanation_kind kind, int part, const char *format, ...)
{
    gpf_explanation e = gpf__explanation(kind, part);
    va_list ap;
    va_start(ap, format);
    gpf__vformat(e.text, sizeof e.text, format, ap);
    va_end(ap);
    return gpf__add(s, e);
}

int gpf__part(gpf__subject *s, const char *name, size_t rows, size_t cols)
{
    gpf_fdf *c = s->result;
    c->part[c->n_part] = (gpf_fdf_part){ .name = name, .rows = rows, .cols = cols };
    c->part[c->n_part].tally.total = rows * cols;
    return (int)c->n_part++;
}

gpf_fdf_part *gpf__part_named(gpf_fdf *c, const char *name)
{
    for (size_t p = 0; p < c->n_part; p++)
        if (strcmp(c->part[p].name, name) == 0)
            return &c->part[p];
    return NULL;
}

int gpf__element(gpf__subject *s, const gpf_element *e)
{
    gpf_fdf *c = s->result;
    const int status = gpf__grow(&c->element, &c->room, c->n_element + 1, sizeof *e);
    if (status)
        return status;
    c->element[c->n_element++] = *e;
    gpf_tally *t = &c->part[e->tensor].tally;
    t->checked++;
    t->count[e->verdict]++;
    if (e->verdict == GPF_RIGHT)
        t->digits[(int)e->digits]++;
    const double gap = fabs(e->analytic - e->numeric);
    if (!(gap <= t->max_gap))
        t->max_gap = isnan(t->max_gap) ? t->max_gap : gap; /* a NaN stays */
    return GSL_SUCCESS;
}

gpf_element gpf__compared(double analytic, double numeric, double error, double value)
{
    return (gpf_element){ .value = value,
                          .analytic = analytic,
                          .numeric = numeric,
                          .error = error,
                          .step = GSL_NAN,
                          .left = GSL_NAN,
                          .right = GSL_NAN,
                          .left_error = GSL_NAN,
                          .right_error = GSL_NAN,
                          .kink_step = GSL_NAN };
}

bool gpf__stop(gpf__subject *s, size_t done, size_t total)
{
    gpf_fdf *c = s->result;
    const gpf_fdf_options *how = s->how;
    size_t wrong = 0;
    for (size_t p = 0; p < c->n_part; p++)
        wrong += c->part[p].tally.count[GPF_WRONG];
    s->done = done;
    s->total = total;
    if (how->max_failures && wrong >= how->max_failures)
        c->stopped = true;
    return c->stopped || gpf__interrupted(s);
}

bool gpf__interrupted(gpf__subject *s)
{
    const gpf_fdf_options *how = s->how;
    if (s->total > 0 && !s->result->stopped && how->progress &&
        how->progress(how->progress_arg, s->done, s->total))
        s->result->stopped = true;
    return s->total > 0 && s->result->stopped;
}

/* What is given. */

static int check_size(const gsl_vector *v, const char *name, size_t n, const gpf_fdf_kind *kind,
                      gpf_diag *why)
{
    if (!v || v->size == n)
        return GSL_SUCCESS;
    return gpf__diag(why, GSL_EBADLEN, "%s has %zu element%s, but the %s has %zu variable%s%s",
                     name, v->size, v->size == 1 ? "" : "s", kind->structure, n, n == 1 ? "" : "s",
                     kind->time ? ", t among them" : "");
}

static int check_variable(const gsl_vector *x, size_t j, const gpf_fdf_options *how, gpf_diag *why)
{
    const double at = gsl_vector_get(x, j), lo = how->lo ? gsl_vector_get(how->lo, j) : -GSL_POSINF,
                 hi = how->hi ? gsl_vector_get(how->hi, j) : GSL_POSINF;
    if (!isfinite(at))
        return gpf__diag(why, GSL_EINVAL, "x[%zu] is %g, a finite number is expected", j, at);
    if (!(lo <= hi))
        return gpf__diag(why, GSL_EINVAL, "lo[%zu] = %g is not below hi[%zu] = %g", j, lo, j, hi);
    if (at < lo)
        return gpf__diag(why, GSL_EINVAL, "x[%zu] = %.17g is below lo[%zu] = %.17g", j, at, j, lo);
    if (at > hi)
        return gpf__diag(why, GSL_EINVAL, "x[%zu] = %.17g is above hi[%zu] = %.17g", j, at, j, hi);
    const double scale = how->scale ? gsl_vector_get(how->scale, j) : 1;
    if (!(scale > 0) || !isfinite(scale))
        return gpf__diag(why, GSL_EINVAL, "scale[%zu] is %g, a number > 0 is expected", j, scale);
    return GSL_SUCCESS;
}

static int check_structure(const gpf_fdf_kind *kind, const void *structure, gpf_diag *why)
{
    if (!structure)
        return gpf__diag(why, GSL_EINVAL, "no structure is given (NULL), a %s is expected",
                         kind->structure);
    if (!kind->has(structure, GPF__F))
        return gpf__diag(why, GSL_EINVAL, "the %s has no function %s: it is NULL", kind->structure,
                         kind->f);
    bool any = false;
    for (gpf__route r = GPF__DF; r < GPF__N_ROUTES; r++)
        any |= kind->has(structure, r) != 0;
    if (!any)
        return gpf__diag(why, GSL_EINVAL, "the %s has no derivative to check: %s%s NULL",
                         kind->structure, kind->df, kind->time ? " is" : " and all others are");
    return GSL_SUCCESS;
}

static int check_options(const gpf_fdf_kind *kind, size_t n, size_t m, const gsl_vector *x,
                         const gpf_fdf_options *how, gpf_diag *why)
{
    int status = check_size(x, "x", n, kind, why);
    if (!status)
        status = check_size(how->lo, "lo", n, kind, why);
    if (!status)
        status = check_size(how->hi, "hi", n, kind, why);
    if (!status)
        status = check_size(how->scale, "scale", n, kind, why);
    if (!status && how->weights && how->weights->size != m)
        status = gpf__diag(why, GSL_EBADLEN, "weights has %zu elements, but there are %zu values",
                           how->weights->size, m);
    const gsl_spmatrix *pattern = how->pattern;
    const size_t n_d = n - (kind->time ? 1 : 0);
    if (!status && pattern &&
        (pattern->size1 != m || (pattern->size2 != n && pattern->size2 != n_d)))
        status = gpf__diag(why, GSL_EBADLEN, "the pattern is %zux%zu, but %s is %zux%zu",
                           pattern->size1, pattern->size2, kind->part, m, n_d);
    bool loose = false;
    for (size_t j = 0; j < n && !status; j++) {
        status = check_variable(x, j, how, why);
        loose |= !(how->lo && how->hi && gsl_vector_get(how->lo, j) == gsl_vector_get(how->hi, j));
    }
    if (!status && !loose)
        status = gpf__diag(why, GPF_ENOTHING, "nothing to check: every variable has lo = hi");
    return status;
}

/* Two doubles of an entry are the check's own: the value under test, and the copy the callback is
 * given to fill. */
static int check_memory(const gpf_fdf_kind *kind, const void *structure, size_t n, size_t m,
                        const gpf_fdf_options *how, gpf_diag *why)
{
    const size_t most = gpf__machine_memory() / 16 / sizeof(double);
    if ((how->fast && kind->has(structure, GPF__JU)) || n <= most / m)
        return GSL_SUCCESS;
    return gpf__diag(why, GPF_ELIMIT,
                     "the Jacobian is %zux%zu: more than a sixteenth of this machine's memory%s", m,
                     n, kind->has(structure, GPF__JU) ? "; the fast mode needs none" : "");
}

/* Memory. */

void gpf_fdf_free(gpf_fdf *c)
{
    if (!c)
        return;
    free(c->x.data);
    free(c->f);
    free(c->names);
    free(c->element);
    free(c->explanation);
    free(c);
}

/* All names in one block: the pointers, then the texts. */
static char **copy_names(const gpf_fdf_kind *kind, size_t n, const char *const *given)
{
    enum { LONGEST = 24 }; /* y[18446744073709551615] */
    size_t size = 0;
    for (size_t j = 0; j < n; j++)
        size += given && given[j] ? strlen(given[j]) + 1 : LONGEST;
    char **names = malloc(n * sizeof *names + size);
    char *text = names ? (char *)(names + n) : NULL;
    for (size_t j = 0; names && j < n; j++) {
        if (given && given[j])
            memcpy(text, given[j], strlen(given[j]) + 1);
        else if (kind->time && j + 1 == n)
            memcpy(text, "t", 2);
        else
            gpf__format(text, LONGEST, "%s[%zu]", kind->time ? "y" : "x", j);
        names[j] = text;
        text += strlen(text) + 1;
    }
    return names;
}

static void close_subject(gpf__subject *s)
{
    gpf__call_free(s);
    free(s->x);
    free(s->d);
    free(s->beside);
    free(s->explanation);
    gpf_fdf_free(s->result);
}

static int open_subject(gpf__subject *s, const gsl_vector *x)
{
    const size_t n = s->n, m = s->m;
    gpf_fdf *c = s->result = calloc(1, sizeof *c);
    if (!c)
        return GSL_ENOMEM;
    *c = (gpf_fdf){ .kind = s->kind, .n = n, .m = m };
    c->x = (gsl_vector){ .size = n, .stride = 1, .data = malloc(n * sizeof(double)) };
    c->f = malloc(m * sizeof *c->f);
    c->names = copy_names(s->kind, n, s->how->names);
    s->x = malloc((n + 4 * m) * sizeof *s->x);
    const bool large = gpf__has(s, GPF__JU);
    const size_t room = gpf__machine_memory() / 16 / sizeof(double);
    const bool whole = !(large && s->how->fast);
    s->squares = large && whole && n <= room / n;
    if (whole)
        s->d = malloc(m * n * sizeof *s->d);
    if (!c->x.data || !c->f || !c->names || !s->x || (whole && !s->d))
        return GSL_ENOMEM;
    s->f = s->x + n;
    s->noise = s->f + m;
    s->spread = s->noise + m;
    s->idle = s->spread + m;
    for (size_t j = 0; j < n; j++)
        s->x[j] = c->x.data[j] = gsl_vector_get(x, j);
    for (size_t i = 0; i < m; i++) {
        s->f[i] = GSL_NAN;
        s->noise[i] = s->spread[i] = 0;
    }
    for (size_t k = 0; whole && k < m * n; k++)
        s->d[k] = GSL_NAN;
    return gpf__call_alloc(s);
}

void gpf__random_direction(const gpf__subject *s, size_t stream, double *v)
{
    gpf__typicals(s, v);
    for (size_t j = 0; j < s->n; j++) {
        const double u = gpf__uniform(s, stream, j);
        v[j] *= gpf__is_fixed(s, j) ? 0 : u < 0.5 ? u - 1 : u;
    }
}

/* The noise of f at the point, along a direction of all free variables. */
static int measure_noise(gpf__subject *s)
{
    double *v = malloc(s->n * sizeof *v);
    if (!v)
        return GSL_ENOMEM;
    enum { NOISE_STREAM = 101 };
    gpf__random_direction(s, NOISE_STREAM, v);
    const int status = gpf__measure_noise(s, v, s->noise);
    for (size_t i = 0; i < s->m; i++)
        s->noise[i] = fmax(s->noise[i], s->spread[i]);
    free(v);
    return status;
}

/* Explanations of numbers. */

static const char *variable_name(void *arg, size_t column, char *buf, size_t size)
{
    const gpf_fdf *c = arg;
    gpf__format(buf, size, "%s", c->names[column]);
    return buf;
}

/* A part as a block of numbers. */
typedef struct table {
    double *analytic, *numeric, *error;
    unsigned char *verdict;
    double *total, *weights; /* m */
} table;

/* Entries that are NaN or infinite have been spoken of as such, and say nothing of a pattern. */
static size_t fill_table(const gpf__subject *s, size_t part, table *t)
{
    const gpf_fdf *c = s->result;
    const size_t size = c->part[part].rows * c->part[part].cols;
    size_t wrong = 0;
    for (size_t k = 0; k < size; k++) {
        t->analytic[k] = t->numeric[k] = t->error[k] = GSL_NAN;
        t->verdict[k] = GPF_N_VERDICTS;
    }
    for (size_t i = 0; i < c->n_element; i++) {
        const gpf_element *e = &c->element[i];
        if ((size_t)e->tensor != part || !isfinite(e->analytic))
            continue;
        t->analytic[e->k] = e->analytic;
        t->numeric[e->k] = e->numeric;
        t->error[e->k] = e->error;
        t->verdict[e->k] = (unsigned char)e->verdict;
        wrong += e->verdict == GPF_WRONG;
    }
    return wrong;
}

/* What a total derivative in t has more than the partial one: dfdy f, by what is known of dfdy. Its
 * error adds to that of the differences it is added to. */
static void fill_total(const gpf__subject *s, double *total, double *error)
{
    const gpf_fdf *c = s->result;
    for (size_t i = 0; i < s->m; i++)
        total[i] = 0;
    for (size_t k = 0; k < c->n_element; k++) {
        const gpf_element *e = &c->element[k];
        const size_t i = e->k / s->n_d, j = e->k % s->n_d;
        const bool wrong = e->verdict == GPF_WRONG;
        if (e->tensor != 0)
            continue;
        total[i] += (wrong ? e->numeric : e->analytic) * s->f[j];
        error[i] += fabs((wrong ? e->error : 1e-15 * e->analytic) * s->f[j]);
    }
}

/* As a name in a sentence. */
static const char *part_title(const gpf__subject *s, const char *part)
{
    return strcmp(part, "fdf") == 0 ? s->kind->indices < 2 ? "fdf's df" : "fdf's J" : part;
}

/* And what it was compared with; NULL: slopes. */
static const char *part_truth(const char *part)
{
    return strcmp(part, "fvv") == 0                                ? "the second derivative"
           : strcmp(part, "J' u") == 0 || strcmp(part, "J'J") == 0 ? "the product"
                                                                   : NULL;
}

static int explain_table(gpf__subject *s, size_t part, table *t)
{
    enum { MOST = 12 };
    gpf_explanation found[MOST];
    gpf_fdf *c = s->result;
    const gpf_fdf_part *p = &c->part[part];
    if (fill_table(s, part, t) == 0)
        return GSL_SUCCESS;
    const bool first = part == 0 && strcmp(p->name, s->kind->part) == 0,
               time = strcmp(p->name, "dfdt") == 0;
    if (time)
        fill_total(s, t->total, t->error);
    const gpf__count counts[] = { { (double)s->m, "the number of values", NULL },
                                  { (double)s->n_d, "the number of variables", NULL } };
    const bool weights = s->how->weights && p->rows == s->m;
    for (size_t i = 0; weights && i < s->m; i++)
        t->weights[i] = gsl_vector_get(s->how->weights, i);
    const gpf__evidence e = { .part = (int)part,
                              .name = part_title(s, p->name),
                              .truth = part_truth(p->name),
                              .column_name = first ? variable_name : NULL,
                              .arg = c,
                              .rows = p->rows,
                              .cols = p->cols,
                              .analytic = t->analytic,
                              .numeric = t->numeric,
                              .error = t->error,
                              .verdict = t->verdict,
                              .x = first ? s->x : NULL,
                              .x_col = 1,
                              .weights = weights ? t->weights : NULL,
                              .total = time ? t->total : NULL,
                              .counts = counts,
                              .n_counts = sizeof counts / sizeof *counts };
    const int n = gpf__explain(&e, found, MOST);
    int status = n < 0 ? GSL_ENOMEM : GSL_SUCCESS;
    for (int i = 0; i < n && !status; i++)
        status = gpf__add(s, found[i]);
    return status;
}

/* Products that are right beside a J that is not: nothing more is to be said of them. */
static int explain_derived(gpf__subject *s, size_t part)
{
    gpf_explanation e = gpf__explanation(GPF_UNEXPLAINED, (int)part);
    for (size_t i = s->n_explanation; i-- > 0;)
        if (s->explanation[i].part == 0)
            e.kind = s->explanation[i].kind;
    const gpf_fdf_part *p = &s->result->part[part];
    e.matched = p->tally.count[GPF_WRONG];
    e.total = p->tally.checked;
    gpf__format(e.text, sizeof e.text, "%s is that of the same wrong J as %s", p->name,
                s->result->part[0].name);
    return gpf__add(s, e);
}

static int explain_part(gpf__subject *s, size_t part)
{
    const gpf_fdf_part *p = &s->result->part[part];
    if (p->tally.count[GPF_WRONG] == 0 || s->named >> part & 1)
        return GSL_SUCCESS;
    if (s->derived >> part & 1)
        return explain_derived(s, part);
    const size_t size = p->rows * p->cols;
    table t;
    t.analytic = malloc(size * sizeof *t.analytic);
    t.numeric = malloc(size * sizeof *t.numeric);
    t.error = malloc(size * sizeof *t.error);
    t.verdict = malloc(size);
    t.total = malloc(s->m * sizeof *t.total);
    t.weights = malloc(s->m * sizeof *t.weights);
    const bool ok = t.analytic && t.numeric && t.error && t.verdict && t.total && t.weights;
    const int status = ok ? explain_table(s, part, &t) : GSL_ENOMEM;
    free(t.analytic);
    free(t.numeric);
    free(t.error);
    free(t.verdict);
    free(t.total);
    free(t.weights);
    return status;
}

/* NaN and infinities where f has a slope. */
static int explain_nonfinite(gpf__subject *s, size_t part)
{
    gpf_fdf *c = s->result;
    size_t n = 0, first = 0;
    char label[128];
    if (s->named >> part & 1)
        return GSL_SUCCESS;
    for (size_t i = 0; i < c->n_element; i++) {
        const gpf_element *e = &c->element[i];
        if ((size_t)e->tensor == part && e->verdict == GPF_WRONG &&
            e->reason == GPF_REASON_NOT_FINITE && n++ == 0)
            first = i;
    }
    for (gpf__route r = 0; r < GPF__N_ROUTES; r++) /* has that been said? */
        for (int o = 0; o < GPF__N_SLOTS; o++)
            if (r != GPF__F && (s->mishap[r].unfilled[o] || s->mishap[r].failures))
                return GSL_SUCCESS;
    if (n == 0)
        return GSL_SUCCESS;
    const gpf_fdf_part *p = &c->part[part];
    gpf_explanation e = gpf__explanation(GPF_FAILS, (int)part);
    e.matched = n;
    e.total = p->tally.checked;
    gpf__format(e.text, sizeof e.text,
                "%s is %s where f has a slope: %zu of %zu entries, the first %s",
                part_title(s, p->name), isnan(c->element[first].analytic) ? "nan" : "infinite", n,
                p->tally.checked, gpf_fdf_label(c, first, label, sizeof label));
    return gpf__add(s, e);
}

/* dfdt of a system that does not depend on t and fvv of a linear f are zero, rightly: there is
 * nothing else to be seen in them. */
static bool may_be_zero(const gpf_fdf_part *p)
{
    return (strcmp(p->name, "dfdt") == 0 || strcmp(p->name, "fvv") == 0) &&
           p->tally.count[GPF_VACUOUS] == p->tally.checked && p->tally.checked > 0;
}

static int explain_zero(gpf__subject *s, size_t part)
{
    const gpf_fdf_part *p = &s->result->part[part];
    if (!may_be_zero(p))
        return GSL_SUCCESS;
    return gpf__say(s, GPF_INDEPENDENT, (int)part, "%s %s: %s is 0, and so it should be",
                    s->kind->f, s->kind->time ? "does not depend on t" : "is linear at x", p->name);
}

static int explain(gpf__subject *s)
{
    int status = gpf__describe(s);
    for (size_t p = 0; p < s->result->n_part && !status; p++) {
        status = explain_nonfinite(s, p);
        if (!status)
            status = explain_part(s, p);
        if (!status)
            status = explain_zero(s, p);
    }
    return status;
}

/* The order of things. */

static int run(gpf__subject *s)
{
    const bool first = gpf__has(s, GPF__DF) || gpf__has(s, GPF__FDF) || gpf__has(s, GPF__JU);
    int status = gpf__probe(s);
    if (!status)
        status = measure_noise(s);
    if (!status && first)
        status = s->how->fast ? gpf__check_random(s) : gpf__check_jacobian(s);
    s->total = 0;
    if (!status && first)
        status = gpf__check_beside(s);
    if (!status && !s->result->stopped)
        status = gpf__check_fdf_route(s);
    if (!status && !s->result->stopped)
        status = gpf__check_products(s);
    if (!status && !s->result->stopped)
        status = gpf__check_second(s);
    return status ? status : explain(s);
}

static int by_place(const void *a, const void *b)
{
    const gpf_element *p = a, *q = b;
    if (p->tensor != q->tensor)
        return p->tensor < q->tensor ? -1 : 1;
    return p->k < q->k ? -1 : p->k > q->k;
}

/* Faults first, otherwise in the order they were found. */
static void sort_explanations(gpf_fdf *c)
{
    for (size_t i = 1; i < c->n_explanation; i++)
        for (size_t j = i; j > 0 && c->explanation[j].severity < c->explanation[j - 1].severity;
             j--) {
            const gpf_explanation e = c->explanation[j];
            c->explanation[j] = c->explanation[j - 1];
            c->explanation[j - 1] = e;
        }
}

static gpf_fdf *finish(gpf__subject *s)
{
    gpf_fdf *c = s->result;
    memcpy(c->f, s->f, s->m * sizeof *c->f);
    c->calls =
        (gpf_fdf_calls){ .f = s->n_calls[GPF__F],
                         .df = s->n_calls[GPF__DF] + s->n_calls[GPF__JU] + s->n_calls[GPF__JTU],
                         .fdf = s->n_calls[GPF__FDF],
                         .fvv = s->n_calls[GPF__FVV] };
    for (size_t p = 0; p < c->n_part; p++)
        if (c->part[p].total < c->part[p].tally.checked)
            c->part[p].total = c->part[p].tally.checked;
    for (size_t i = 0; i < c->n_element; i++)
        c->part[c->element[i].tensor].tally.evaluations += c->element[i].evaluations;
    if (c->n_element)
        qsort(c->element, c->n_element, sizeof *c->element, by_place);
    c->explanation = s->explanation;
    c->n_explanation = s->n_explanation;
    s->explanation = NULL;
    s->result = NULL;
    sort_explanations(c);
    return c;
}

gpf_fdf *gpf_check_fdf(const gpf_fdf_kind *kind, const void *structure, const gsl_vector *x,
                       const gpf_fdf_options *how, gpf_diag *why)
{
    const gpf_fdf_options defaults = gpf_fdf_defaults();
    how = how ? how : &defaults;
    if (!kind || !x) {
        gpf__diag(why, GSL_EINVAL, "no %s is given (NULL)", kind ? "x" : "kind of structure");
        return NULL;
    }
    if (check_structure(kind, structure, why))
        return NULL;
    size_t n, m;
    kind->sizes(structure, &n, &m);
    if (m == 0 || n <= (kind->time ? 1 : 0)) {
        gpf__diag(why, GPF_ENOTHING, "nothing to check: the %s has no %s", kind->structure,
                  m == 0 ? "values" : "variables");
        return NULL;
    }
    if (check_options(kind, n, m, x, how, why) || check_memory(kind, structure, n, m, how, why))
        return NULL;
    gpf__subject s = { .kind = kind,
                       .structure = structure,
                       .n = n,
                       .m = m,
                       .n_d = n - (kind->time ? 1 : 0),
                       .how = how };
    int status = open_subject(&s, x);
    if (!status)
        status = run(&s);
    gpf_fdf *c = NULL;
    if (!status)
        c = finish(&s);
    else
        gpf__diag(why, status, "%s", gpf_strerror(status));
    close_subject(&s);
    return c;
}

gpf_fdf *gpf_check_function_fdf(const gsl_function_fdf *f, double x, const gpf_fdf_options *how,
                                gpf_diag *why)
{
    const gsl_vector at = { .size = 1, .stride = 1, .data = &x };
    return gpf_check_fdf(gpf_fdf_kind_find("function"), f, &at, how, why);
}

gpf_fdf *gpf_check_multimin_fdf(const gsl_multimin_function_fdf *f, const gsl_vector *x,
                                const gpf_fdf_options *how, gpf_diag *why)
{
    return gpf_check_fdf(gpf_fdf_kind_find("multimin"), f, x, how, why);
}

gpf_fdf *gpf_check_multiroot_fdf(const gsl_multiroot_function_fdf *f, const gsl_vector *x,
                                 const gpf_fdf_options *how, gpf_diag *why)
{
    return gpf_check_fdf(gpf_fdf_kind_find("multiroot"), f, x, how, why);
}

gpf_fdf *gpf_check_multifit_fdf(const gsl_multifit_function_fdf *f, const gsl_vector *x,
                                const gpf_fdf_options *how, gpf_diag *why)
{
    return gpf_check_fdf(gpf_fdf_kind_find("multifit"), f, x, how, why);
}

gpf_fdf *gpf_check_multifit_nlinear_fdf(const gsl_multifit_nlinear_fdf *f, const gsl_vector *x,
                                        const gpf_fdf_options *how, gpf_diag *why)
{
    return gpf_check_fdf(gpf_fdf_kind_find("multifit_nlinear"), f, x, how, why);
}

gpf_fdf *gpf_check_multilarge_nlinear_fdf(const gsl_multilarge_nlinear_fdf *f, const gsl_vector *x,
                                          const gpf_fdf_options *how, gpf_diag *why)
{
    return gpf_check_fdf(gpf_fdf_kind_find("multilarge_nlinear"), f, x, how, why);
}

gpf_fdf *gpf_check_odeiv2(const gsl_odeiv2_system *f, double t, const double *y,
                          const gpf_fdf_options *how, gpf_diag *why)
{
    const gpf_fdf_kind *kind = gpf_fdf_kind_find("odeiv2");
    if (!f || !y)
        return gpf_check_fdf(kind, f, NULL, how, why);
    const size_t dim = f->dimension;
    double *x = malloc((dim + 1) * sizeof *x);
    if (!x) {
        gpf__diag(why, GSL_ENOMEM, "%s", gpf_strerror(GSL_ENOMEM));
        return NULL;
    }
    memcpy(x, y, dim * sizeof *x);
    x[dim] = t;
    const gsl_vector at = { .size = dim + 1, .stride = 1, .data = x };
    gpf_fdf *c = gpf_check_fdf(kind, f, &at, how, why);
    free(x);
    return c;
}

/* What was found. */

size_t gpf_fdf_n_parts(const gpf_fdf *c)
{
    return c->n_part;
}

const gpf_fdf_part *gpf_fdf_part_at(const gpf_fdf *c, size_t i)
{
    return i < c->n_part ? &c->part[i] : NULL;
}

size_t gpf_fdf_n_elements(const gpf_fdf *c)
{
    return c->n_element;
}

const gpf_element *gpf_fdf_element(const gpf_fdf *c, size_t i)
{
    return i < c->n_element ? &c->element[i] : NULL;
}

size_t gpf_fdf_n_explanations(const gpf_fdf *c)
{
    return c->n_explanation;
}

const gpf_explanation *gpf_fdf_explanation(const gpf_fdf *c, size_t i)
{
    return i < c->n_explanation ? &c->explanation[i] : NULL;
}

bool gpf__part_tested(const gpf_fdf_part *p)
{
    if (may_be_zero(p))
        return true;
    return p->block.directions > 0 ? p->block.verdict == GPF_RIGHT
                                   : p->tally.count[GPF_RIGHT] + p->tally.count[GPF_KINK] > 0;
}

gpf_outcome gpf_fdf_outcome(const gpf_fdf *c)
{
    bool tested = c->n_part > 0;
    for (size_t p = 0; p < c->n_part; p++) {
        if (c->part[p].tally.count[GPF_WRONG])
            return GPF_OUTCOME_WRONG;
        tested &= gpf__part_tested(&c->part[p]);
    }
    for (size_t i = 0; i < c->n_explanation; i++) {
        if (c->explanation[i].severity == GPF_FAULT)
            return GPF_OUTCOME_WRONG;
        tested &= c->explanation[i].severity != GPF_DOUBT;
    }
    return c->stopped ? GPF_OUTCOME_TROUBLE : tested ? GPF_OUTCOME_RIGHT : GPF_OUTCOME_UNTESTED;
}

const gpf_fdf_kind *gpf_fdf_kind_of(const gpf_fdf *c)
{
    return c->kind;
}

const gsl_vector *gpf_fdf_x(const gpf_fdf *c)
{
    return &c->x;
}

const char *gpf_fdf_variable(const gpf_fdf *c, size_t j)
{
    return j < c->n ? c->names[j] : NULL;
}

const double *gpf_fdf_values(const gpf_fdf *c)
{
    return c->f;
}

gpf_fdf_calls gpf_fdf_n_calls(const gpf_fdf *c)
{
    return c->calls;
}

int gpf_fdf_stopped(const gpf_fdf *c)
{
    return c->stopped;
}

/* f or f[i]; J[i,j], df[j] or df. */
static void entry_label(const gpf_fdf *c, const char *name, size_t i, size_t j, char *buf,
                        size_t size)
{
    if (c->kind->indices == 2)
        gpf__format(buf, size, "%s[%zu,%zu]", name, i, j);
    else if (c->kind->indices == 1)
        gpf__format(buf, size, "%s[%zu]", name, j);
    else
        gpf__format(buf, size, "%s", name);
}

char *gpf__entry_label(const gpf_fdf *c, size_t part, size_t k, char *buf, size_t size)
{
    const gpf_fdf_part *p = &c->part[part];
    const size_t i = k / p->cols, j = k % p->cols;
    const char *d = c->kind->indices < 2 ? "df" : c->kind->time ? "dfdy" : "J";
    if (strcmp(p->name, c->kind->part) == 0)
        entry_label(c, d, i, j, buf, size);
    else if (strcmp(p->name, "fdf") == 0 && j > 0) {
        gpf__format(buf, size, "fdf ");
        if (size > 4)
            entry_label(c, d, i, j - 1, buf + 4, size - 4);
    } else if (strcmp(p->name, "fdf") == 0)
        gpf__format(buf, size, c->kind->indices < 2 ? "fdf f" : "fdf f[%zu]", i);
    else if (p->cols > 1 && p->rows > 1)
        gpf__format(buf, size, "%s[%zu,%zu]", p->name, i, j);
    else
        gpf__format(buf, size, "%s[%zu]", p->name, k);
    return buf;
}

char *gpf_fdf_label(const gpf_fdf *c, size_t i, char *buf, size_t size)
{
    if (i < c->n_element)
        return gpf__entry_label(c, (size_t)c->element[i].tensor, c->element[i].k, buf, size);
    if (size)
        *buf = '\0';
    return buf;
}
