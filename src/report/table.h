/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tables of a report for people, written from a view of what was checked: a graph's check, a
 * callback's. */
#ifndef GPF_REPORT_TABLE_H
#define GPF_REPORT_TABLE_H

#include <gradproof/report.h>
#include <stdbool.h>

#define GPF__INDENT "      " /* of lines that say more of an element */

/* Elements (check.h) in the order of their parts, e->tensor. Every function gets `check`. */
typedef struct gpf__view gpf__view;
struct gpf__view {
    const void *check;
    const char *part;     /* what a part is called: "tensor" */
    const char *analytic; /* what the values under test are called: "backprop" */
    const char *output;   /* what they are derivatives of: "loss" */
    bool narrow;          /* 80 columns: what says nothing here is left out, and no sum of parts */
    size_t n_parts, n_elements, n_explanations;
    const gpf_element *(*element)(const void *check, size_t i);
    const gpf_explanation *(*explanation)(const void *check, size_t i);
    gpf_tally (*tally)(const void *check, int part);           /* -1: all */
    const gpf_block *(*block)(const void *check, size_t part); /* NULL: not by directions */
    bool (*tested)(const void *check, size_t part);            /* something of it was */
    double (*value)(const void *check, const gpf_element *e);  /* of the output */
    char *(*name)(const void *check, size_t part, char *buf, size_t size);
    char *(*shape)(const void *check, size_t part, char *buf, size_t size);
    /* The name of element i, its part's name first: "w[1,0]". */
    char *(*label)(const void *check, size_t i, char *buf, size_t size);
    /* Lines that say more of an element; of its kink, above all. */
    void (*detail)(FILE *out, const gpf__view *v, const gpf_element *e);
};

/* "WRONG" in its colour, filled up to a width. */
void gpf__put_verdict(FILE *out, const gpf_report_options *how, gpf_verdict verdict, int width);
/* "slopes 0 ± 1e-12 to the left, 1 ± 1e-12 to the right; backprop 0.5 is between them". */
void gpf__table_slopes(FILE *out, const gpf__view *v, const gpf_element *e);

/* What the wrong elements have in common, faults in red. */
void gpf__table_explanations(FILE *out, const gpf__view *v, const gpf_report_options *how);
/* The elements a person has to look at, or all. GSL_ENOMEM. */
int gpf__table_elements(FILE *out, const gpf__view *v, const gpf_report_options *how);
/* A line for each part that was checked element by element. GSL_ENOMEM. */
int gpf__table_tallies(FILE *out, const gpf__view *v);
/* A line for each part that was checked along directions, and what they would have seen. */
void gpf__table_blocks(FILE *out, const gpf__view *v, const gpf_report_options *how);
bool gpf__table_has_blocks(const gpf__view *v);

/* Pieces of the closing line, appended to buf. The parts of which nothing was tested, and how many
 * they are; */
size_t gpf__close_untested(const gpf__view *v, char *buf, size_t size);
/* sep, then how many elements are neither right nor wrong; */
void gpf__close_rest(const gpf__view *v, const gpf_tally *all, const char *sep, char *buf,
                     size_t size);
/* the blocks. */
void gpf__close_blocks(const gpf__view *v, char *buf, size_t size);
/* The least digits of the right elements. */
double gpf__least_digits(const gpf__view *v);
/* "WRONG: text" on a line, in the outcome's colour. word: NULL, or another than the outcome's. */
void gpf__close(FILE *out, const gpf_report_options *how, gpf_outcome o, const char *word,
                const char *text);

/* "name: " if the caller gave one; the caller's notes, a line each. */
void gpf__head_model(FILE *out, const gpf_report_options *how);
void gpf__head_notes(FILE *out, const gpf_report_options *how);

#endif
