/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Weak stand-ins for what other stages do not define yet. Goes when they do. */
#include "gsl/gsl.h"

#include <string.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#define WEAK __attribute__((weak))

WEAK size_t gpf_check_n_explanations(const gpf_check *c)
{
    (void)c;
    return 0;
}
WEAK const gpf_explanation *gpf_check_explanation(const gpf_check *c, size_t i)
{
    (void)c;
    (void)i;
    return NULL;
}
#define NAME(symbol, name, severity, help) [symbol] = name,
#define SEVERITY(symbol, name, severity, help) [symbol] = severity,
WEAK const char *gpf_explanation_name(gpf_explanation_kind k)
{
    static const char *const names[] = { GPF_EXPLANATION_LIST(NAME) };
    return k < GPF_N_EXPLANATIONS ? names[k] : "";
}
WEAK gpf_severity gpf_explanation_severity(gpf_explanation_kind k)
{
    static const gpf_severity severities[] = { GPF_EXPLANATION_LIST(SEVERITY) };
    return k < GPF_N_EXPLANATIONS ? severities[k] : GPF_NOTE;
}
WEAK void gpf_fdf_free(gpf_fdf *c)
{
    (void)c;
}
WEAK size_t gpf_fdf_n_parts(const gpf_fdf *c)
{
    return c->n_part;
}
WEAK const gpf_fdf_part *gpf_fdf_part_at(const gpf_fdf *c, size_t i)
{
    return &c->part[i];
}
WEAK size_t gpf_fdf_n_elements(const gpf_fdf *c)
{
    return c->n_element;
}
WEAK const gpf_element *gpf_fdf_element(const gpf_fdf *c, size_t i)
{
    return &c->element[i];
}
WEAK size_t gpf_fdf_n_explanations(const gpf_fdf *c)
{
    return c->n_explanation;
}
WEAK const gpf_explanation *gpf_fdf_explanation(const gpf_fdf *c, size_t i)
{
    return &c->explanation[i];
}
WEAK gpf_outcome gpf_fdf_outcome(const gpf_fdf *c)
{
    gpf_outcome o = GPF_OUTCOME_RIGHT;
    for (size_t i = 0; i < c->n_explanation; i++) {
        if (c->explanation[i].severity == GPF_FAULT)
            return GPF_OUTCOME_WRONG;
        if (c->explanation[i].severity == GPF_DOUBT)
            o = GPF_OUTCOME_UNTESTED;
    }
    for (size_t i = 0; i < c->n_part; i++) {
        const gpf_tally *t = &c->part[i].tally;
        if (t->count[GPF_WRONG])
            return GPF_OUTCOME_WRONG;
        if (c->part[i].block.directions ? c->part[i].block.verdict != GPF_RIGHT
                                        : !t->count[GPF_RIGHT] && !t->count[GPF_KINK])
            o = GPF_OUTCOME_UNTESTED;
    }
    return o;
}
WEAK const gpf_fdf_kind *gpf_fdf_kind_of(const gpf_fdf *c)
{
    return c->kind;
}
WEAK const char *gpf_fdf_kind_name(const gpf_fdf_kind *k)
{
    return k->name;
}
WEAK const char *gpf_fdf_kind_structure(const gpf_fdf_kind *k)
{
    return k->structure;
}
WEAK const gsl_vector *gpf_fdf_x(const gpf_fdf *c)
{
    return c->x;
}
WEAK const char *gpf_fdf_variable(const gpf_fdf *c, size_t j)
{
    return c->names[j];
}
WEAK const double *gpf_fdf_values(const gpf_fdf *c)
{
    return c->f;
}
WEAK gpf_fdf_calls gpf_fdf_n_calls(const gpf_fdf *c)
{
    return c->calls;
}
WEAK int gpf_fdf_stopped(const gpf_fdf *c)
{
    return c->stopped;
}
WEAK char *gpf_fdf_label(const gpf_fdf *c, size_t i, char *buf, size_t size)
{
    const gpf_element *e = &c->element[i];
    const gpf_fdf_part *p = &c->part[e->tensor];
    if (p->rows == 1 || p->cols == 1)
        snprintf(buf, size, "%s[%zu]", p->name, e->k);
    else
        snprintf(buf, size, "%s[%zu,%zu]", p->name, e->k / p->cols, e->k % p->cols);
    return buf;
}
WEAK size_t gpf_op_check_n_cases(const gpf_op_check *c)
{
    (void)c;
    return 0;
}
WEAK const gpf_op_case *gpf_op_check_case(const gpf_op_check *c, size_t i)
{
    (void)c;
    (void)i;
    return NULL;
}
WEAK gpf_outcome gpf_op_check_outcome(const gpf_op_check *c)
{
    (void)c;
    return GPF_OUTCOME_UNTESTED;
}
