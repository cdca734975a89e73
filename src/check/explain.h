/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What wrong numbers have in common. */
#ifndef GPF_CHECK_EXPLAIN_H
#define GPF_CHECK_EXPLAIN_H

#include <gradproof/check.h>
#include <stdbool.h>

/* A number that a factor may turn out to be, and what it is: { 200, "the number of samples" }. */
typedef struct gpf__count {
    double value;
    const char *means;
    const char *symbol; /* "N", to be shown in the number's place; NULL: the number is */
} gpf__count;

/* A block of derivatives, rows x cols, row-major: a Jacobian (columns = variables), a gradient as
 * one row, or the gradient of a matrix. What is NULL is not known, and what needs it not tried. */
typedef struct gpf__evidence {
    int part;
    const char *name;  /* "J", "df", "W1" */
    const char *truth; /* what the numeric value is called; NULL: "the slope" */
    const char *(*column_name)(void *arg, size_t column, char *buf,
                               size_t size); /* NULL: numbers */
    void *arg;
    size_t rows, cols;
    const double *analytic, *numeric, *error; /* NaN: not known. error: of both values */
    /* gpf_verdict; GPF_N_VERDICTS: not looked at, or what is wrong with it is said elsewhere */
    const unsigned char *verdict;
    /* Values of the variables: entry i,j's is x[i * x_row + j * x_col]. */
    const double *x;
    size_t x_row, x_col;
    const double *weights; /* by row: of the residuals */
    const double *total;   /* by row: what the total derivative has more (dfdt: dfdy f) */
    const gpf__count *counts;
    size_t n_counts;
} gpf__evidence;

/* Explains the wrong entries: as few explanations as say it all, each true of every entry it speaks
 * of within the errors and of enough of them to be no accident; GPF_UNEXPLAINED for the rest. None
 * where nothing is wrong. At most `most` into out; returns how many, or -1 without memory. */
int gpf__explain(const gpf__evidence *e, gpf_explanation *out, int most);

/* The name of a ratio that is the same number, or the same function of N, at n places: "2", "-1/N".
 * Returns 0 if it is neither. */
int gpf__name_ratio(const double *ratio, const size_t *N, size_t n, char *text, size_t size);

/* A text of an explanation by hand: kind, its severity, part, no row or column, NaN ratio. */
gpf_explanation gpf__explanation(gpf_explanation_kind kind, int part);

#endif
