/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Checks of callbacks made by hand, for the reports: every field is known. */
#ifndef GPF_TESTS_UNIT_FDF_TEST_H
#define GPF_TESTS_UNIT_FDF_TEST_H

#include "help.h"

#include "gsl/gsl.h"

/* Room for a check of few parts; c is what the reports see. */
typedef struct fake {
    gpf_fdf c;
    gpf_fdf_kind kind;
    gsl_vector *x;
    double f[64];
    char name[16][40], *names[16];
    gpf_element element[512];
    gpf_explanation explanation[32];
} fake;

static inline fake *fake_alloc(const char *structure, size_t n, size_t m)
{
    fake *k = calloc(1, sizeof *k);
    assert_non_null(k);
    assert_true(n <= COUNT(k->names) && m <= COUNT(k->f));
    k->kind.name = "fake";
    k->kind.structure = structure;
    k->c.kind = &k->kind;
    k->c.n = n;
    k->c.m = m;
    k->kind.f = "f";
    k->kind.df = "df";
    k->kind.part = "J";
    k->kind.indices = m > 1 ? 2 : 1;
    k->x = gsl_vector_alloc(n);
    assert_non_null(k->x);
    k->c.x = *k->x;
    dice d = { 20 + n };
    for (size_t j = 0; j < n; j++) {
        gsl_vector_set(k->x, j, between(&d, -3, 3));
        snprintf(k->name[j], sizeof k->name[j], "x[%zu]", j);
        k->names[j] = k->name[j];
    }
    fill(&d, k->f, m, -2, 2);
    k->c.f = k->f;
    k->c.names = k->names;
    k->c.element = k->element;
    k->c.explanation = k->explanation;
    k->c.room = COUNT(k->element);
    k->c.calls = (gpf_fdf_calls){ 58, 3, 1, 0 };
    return k;
}

static inline void fake_free(fake *k)
{
    gsl_vector_free(k->x);
    free(k);
}

/* A part of right entries with high-entropy slopes; returns its first element. */
static inline gpf_element *fake_part(fake *k, const char *name, size_t rows, size_t cols)
{
    gpf_fdf_part *p = &k->c.part[k->c.n_part];
    *p = (gpf_fdf_part){ .name = name, .rows = rows, .cols = cols, .total = rows * cols };
    p->block.error = p->block.magnitude = NAN;
    p->tally.total = p->tally.checked = p->tally.count[GPF_RIGHT] = rows * cols;
    gpf_element *first = &k->element[k->c.n_element];
    dice d = { 7 + k->c.n_part };
    for (size_t i = 0; i < rows * cols; i++) {
        assert_true(k->c.n_element < COUNT(k->element));
        const double slope = between(&d, -2, 2);
        k->element[k->c.n_element++] =
            (gpf_element){ .tensor = (int)k->c.n_part,
                           .k = i,
                           .verdict = GPF_RIGHT,
                           .value = gsl_vector_get(k->x, i % cols % k->c.n),
                           .analytic = slope,
                           .numeric = slope,
                           .error = 3e-11,
                           .digits = 9.1 + 0.01 * (double)i,
                           .step = 1e-3,
                           .left = NAN,
                           .right = NAN,
                           .left_error = NAN,
                           .right_error = NAN,
                           .evaluations = 4 };
    }
    k->c.n_part++;
    return first;
}

/* Another verdict on an element. */
static inline void fake_verdict(fake *k, gpf_element *e, gpf_verdict verdict, gpf_reason reason)
{
    gpf_tally *t = &k->c.part[e->tensor].tally;
    t->count[e->verdict]--;
    t->count[verdict]++;
    e->verdict = verdict;
    e->reason = reason;
    if (verdict != GPF_RIGHT)
        e->digits = verdict == GPF_WRONG ? 0 : NAN;
}

static inline gpf_explanation *fake_explanation(fake *k, gpf_explanation_kind kind,
                                                gpf_severity severity, int part, const char *text)
{
    gpf_explanation *e = &k->explanation[k->c.n_explanation++];
    *e = (gpf_explanation){ .kind = kind,
                            .severity = severity,
                            .part = part,
                            .row = -1,
                            .column = -1,
                            .other = -1,
                            .ratio = NAN };
    snprintf(e->text, sizeof e->text, "%s", text);
    return e;
}

/* A Jacobian of 40 x 3 whose column 1 has the wrong sign, and a right fdf. */
static inline fake *wrong_sign(void)
{
    fake *k = fake_alloc("gsl_multifit_nlinear_fdf", 3, 40);
    gpf_element *e = fake_part(k, "J", 40, 3);
    for (size_t i = 1; i < 120; i += 3) {
        e[i].analytic = -e[i].numeric;
        fake_verdict(k, &e[i], GPF_WRONG, GPF_REASON_FLAT_GAP);
    }
    fake_part(k, "fdf", 40, 4);
    gpf_explanation *x =
        fake_explanation(k, GPF_SCALED_COLUMN, GPF_FAULT, 0,
                         "J: column 1 (x[1]) has the wrong sign: 40 of 40 entries are -1 times the "
                         "slope");
    x->column = 1;
    x->ratio = -1;
    x->matched = x->total = 40;
    return k;
}

#endif
