/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of the model stage share. */
#ifndef GPF_TESTS_MODEL_TEST_H
#define GPF_TESTS_MODEL_TEST_H

#include <gradproof/model.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { MAX_WHY = 8 };

/* A model that must be right. */
static inline gpf_model *model_of(const char *text, const gpf_model_options *options)
{
    gpf_diag why[MAX_WHY] = { 0 };
    size_t n;
    gpf_model *m = gpf_model_parse(text, strlen(text), "t.gpf", options, why, MAX_WHY, &n);
    if (!m)
        fail_msg("%d:%d: %s", why[0].line, why[0].column, why[0].text);
    assert_int_equal(n, 0);
    return m;
}

/* Values of a node of the model at its own point, copied. */
static inline double *values_of(gpf_model *m, gpf_node node, size_t *n)
{
    gpf_point *at = gpf_model_point(m);
    gpf_plan *p = gpf_plan_alloc(gpf_model_graph(m), &node, 1, gpf_point_batch(at));
    assert_non_null(p);
    gpf_workspace *ws = gpf_workspace_alloc(p);
    assert_int_equal(gpf_plan_run(p, ws, at), GSL_SUCCESS);
    *n = gpf_plan_output_size(p, 0);
    double *copy = malloc(*n * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, gpf_workspace_output(ws, 0), *n * sizeof *copy);
    gpf_workspace_free(ws);
    gpf_plan_free(p);
    return copy;
}

/* Shape and values of a name: is("2x1", "3 4"). */
static inline void assert_is(gpf_model *m, const char *name, const char *shape, const char *values)
{
    const gpf_node node = gpf_model_find(m, name);
    char text[64];
    assert_int_not_equal(node, GPF_NONE);
    assert_string_equal(gpf_shape_text(gpf_node_shape(gpf_model_graph(m), node), text, sizeof text),
                        shape);
    size_t n, i = 0;
    double *v = values_of(m, node, &n);
    char *end;
    for (const char *p = values; *p; p = end, i++) {
        const double want = strtod(p, &end);
        assert_ptr_not_equal(end, p);
        assert_true(i < n);
        if (!(fabs(v[i] - want) <= 1e-12 * (1 + fabs(want))))
            fail_msg("%s: element %zu is %.17g, not %.17g", name, i, v[i], want);
    }
    assert_int_equal(i, n);
    free(v);
}

typedef struct wrong {
    const char *text; /* of the model */
    int line, column, width;
    const char *message; /* the beginning of it */
    int status;
} wrong;

/* Exactly one error, and this one. */
static inline void assert_wrong(const wrong *w)
{
    gpf_diag why[MAX_WHY] = { 0 };
    size_t n;
    gpf_model *m = gpf_model_parse(w->text, strlen(w->text), "t.gpf", NULL, why, MAX_WHY, &n);
    const bool begins = !strncmp(why[0].text, w->message, strlen(w->message));
    if (m || n != 1 || why[0].line != w->line || why[0].column != w->column ||
        why[0].width != w->width || why[0].status != w->status || !begins)
        fail_msg("model:\n%s\ngave %zu errors, first %d:%d(%d) status %d: %s\nnot %d:%d(%d) status "
                 "%d: %s",
                 w->text, n, why[0].line, why[0].column, why[0].width, why[0].status, why[0].text,
                 w->line, w->column, w->width, w->status, w->message);
    assert_string_equal(why[0].file, "t.gpf");
}

#endif
