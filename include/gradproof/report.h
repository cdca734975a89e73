/* Reports: what a check found, as text for people and JSON for programs.
 *
 * Both write to a stream of the caller's and return GSL_SUCCESS, or GSL_EFAILED if the stream
 * took a write error. Numbers are written the same under every locale.
 */
#ifndef GPF_REPORT_H
#define GPF_REPORT_H

#include <gradproof/gsl.h>
#include <gradproof/train.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gpf_report_claim {
    const char *text; /* as written */
    int line;
    const gpf_claim_result *result;
} gpf_report_claim;

typedef struct gpf_report_options {
    int all;                  /* every element, not only those a person has to look at */
    int color;                /* ANSI colours */
    int quiet;                /* only the closing line */
    size_t max_rows;          /* of elements per verdict in the text; 0: 20. --all ignores it */
    const char *model;        /* name to show; may be NULL */
    const char *output;       /* name of y to show; NULL: its label in the graph */
    const char *analytic;     /* what the values under test are; NULL: "backprop" */
    const char *const *notes; /* lines shown under the heading, ended by NULL; may be NULL */
    const gpf_report_claim *claims;
    size_t n_claims;
    const gpf_check_options *how; /* effective settings to show; may be NULL */
    unsigned long model_seed;
    double seconds;      /* wall time; negative: not shown */
    const char *stopped; /* why the check is not complete; NULL if it is */
    const char
        *structure; /* what a callback is, in the text, for readers who know no GSL: "loss and
                              gradient"; NULL: its structure's name */
} gpf_report_options;

GPF_API gpf_report_options gpf_report_defaults(void);

/* c may be NULL when there are only claims; how may be NULL: the defaults. */
GPF_API int gpf_report_text(FILE *out, const gpf_check *c, const gpf_report_options *how);
/* Schema "gradproof-check/1"; every element; explanations if there are any. Numbers that JSON
 * cannot hold are null, with a second field <name>_text: "nan", "inf" or "-inf". */
GPF_API int gpf_report_json(FILE *out, const gpf_check *c, const gpf_report_options *how);

/* The health of a net after a run; JSON schema "gradproof-health/1", every unit in it. Of how:
 * model, output, notes, quiet, color, model_seed; max_rows of findings are shown, unless all is
 * set. */
GPF_API int gpf_report_health_text(FILE *out, const gpf_health *h, const gpf_report_options *how);
GPF_API int gpf_report_health_json(FILE *out, const gpf_health *h, const gpf_report_options *how);

/* A checked callback; JSON schema "gradproof-fdf/1", every element in it. Of how: all, color,
 * quiet, max_rows (of explanations too; 5 of wrong elements will do where explanations say it all),
 * structure, model (what to call the callback, e.g. its symbol; NULL: the structure's name), notes,
 * seconds, stopped. GSL_EINVAL, and nothing is written, for c = NULL: what could not be checked.
 * GSL_ENOMEM as for a graph.
 *
 * gradproof-fdf/1: outcome (right, wrong, trouble, untested), exit_status, stopped (text or null),
 * name, kind, structure, calls { f, df, fdf, fvv }, seconds, notes [text], x [{ name, value }],
 * values [{ value }], explanations [{ kind, severity (fault, doubt, note), part, row, column,
 * other, ratio, matched, total, text }], parts [{ name, rows, columns, total, checked, a count for
 * each verdict, right_by_digits, evaluations, max_gap, entries, block (null, or in the fast mode
 * verdict, reason, total, covered, small, untested, directions, disagreed, evaluations,
 * probability, error, relative_error, magnitude) }], elements [{ part, label, row, column, k,
 * verdict, reason, value, analytic, numeric, error, digits, step, left, left_error, right,
 * right_error, evaluations, inferred }]. What does not apply is null. */
GPF_API int gpf_report_fdf_text(FILE *out, const gpf_fdf *c, const gpf_report_options *how);
GPF_API int gpf_report_fdf_json(FILE *out, const gpf_fdf *c, const gpf_report_options *how);
/* A checked op, likewise; JSON schema "gradproof-op/1": outcome, exit_status, name, seconds, notes
 * [text], cases [{ aspect, input (null: none), verdict, tried, text }]. */
GPF_API int gpf_report_op_text(FILE *out, const gpf_op_check *c, const gpf_report_options *how);
GPF_API int gpf_report_op_json(FILE *out, const gpf_op_check *c, const gpf_report_options *how);

/* The outcome of check and claims together (the command's exit status). */
GPF_API gpf_outcome gpf_report_outcome(const gpf_check *c, const gpf_report_options *how);

#ifdef __cplusplus
}
#endif
#endif
