/* SPDX-License-Identifier: GPL-3.0-or-later */
/* check --plugin and check --exec: what both share. */
#ifndef CALLBACK_H
#define CALLBACK_H

#include "cmd.h"

/* Numbers as they were given. */
typedef struct numbers {
    double *x; /* n of them, room for more */
    size_t n, room;
} numbers;

/* Appends the numbers of a text, which are separated by commas or blanks. GSL_EINVAL: *bad is where
 * something else begins, the end of the text where a number is missing there; GSL_ENOMEM. */
int numbers_read(numbers *v, const char *text, const char **bad);
int numbers_add(numbers *v, double x); /* GSL_ENOMEM */

/* Fills *why as cmd_failf would say it; returns status. */
int callback_diag(gpf_diag *why, int status, const char *format, ...)
#if defined __GNUC__
    __attribute__((format(printf, 3, 4)))
#endif
    ;
/* "(1, 2.5, ..)" of count numbers, the first n of which are there. Returns buf. */
char *callback_point_text(const double *x, size_t n, size_t count, char *buf, size_t size);

/* What came of one point. */
typedef struct callback_result {
    int outcome;         /* a gpf_outcome */
    const gpf_diag *why; /* trouble; NULL: there is a report */
    const char *report;  /* text or JSON, size bytes */
    size_t size;
} callback_result;

/* One to be checked. */
typedef struct callback {
    const cmd *o;
    const char *name; /* in the report */
    const char *what; /* it is, there; NULL: the structure's name */
    const gpf_fdf_kind *kind;
    const void *structure;
    void *arg;
    int (*stop)(void *arg);               /* 1: end the check */
    const gpf_diag *(*failed)(void *arg); /* why its results are none; NULL: they are good */
    const char *(*note)(void *arg);       /* one for the report, anew for each point; NULL: none */
    int (*put)(void *arg, const callback_result *r); /* nonzero: it cannot be passed on */
} callback;

/* The points and vectors of the options; owned by the caller. */
typedef struct callback_input callback_input;
callback_input *callback_input_read(const cmd *o); /* NULL after saying why */
void callback_input_free(callback_input *in);
size_t callback_input_points(const callback_input *in, size_t n); /* for n variables; 0: any n */
/* Numbers of the first point, where nothing else says how many variables there are. */
size_t callback_input_variables(const callback_input *in);

/* Checks it at all points, one result for each; one with the reason where the input does not
 * fit. */
void callback_run(const callback *c, callback_input *in);

/* The results as they come: reports on standard output, trouble on standard error; with --json all
 * in one object. */
typedef struct callback_output {
    const cmd *o;
    size_t shown;    /* results so far */
    size_t count[4]; /* by outcome */
    size_t points;   /* that are expected */
} callback_output;
int callback_show(callback_output *out, const callback_result *r);
int callback_close(callback_output *out); /* the exit status: the worst outcome */

/* A process of its own for code that may do anything: crash, hang, exit. guard.c */
typedef struct guard {
    const cmd *o;
    const char *file, *symbol; /* what it is called in errors */
    void (*run)(void *arg);    /* there; ends by returning */
    void *arg;
} guard;
/* The exit status. Results that run passes to guard_put come out of callback_show. */
int guard_run(const guard *g, callback_output *out);
int guard_put(void *arg, const callback_result *r);
int guard_stop(void *arg);        /* 1: the user wants no more */
void guard_expect(size_t points); /* so many results will come */
/* Around each call of a function at x, and at t if there is one. */
void guard_enter(const char *function, const double *x, size_t n, size_t stride, const double *t);
void guard_leave(void);
const char *guard_function(void); /* that is being called; NULL: none */
/* In a child: to be killed when `parent` dies, where the system can do that. */
void guard_die_with(long parent);

int plugin_check(const cmd *o, callback_input *in); /* --plugin */
int exec_check(const cmd *o, callback_input *in);   /* --exec */
int callback_check(const cmd *o);                   /* either */

#endif
