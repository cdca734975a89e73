/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the verbs of the command share: options, models, errors, values. No mathematics here. */
#ifndef CMD_H
#define CMD_H

#include <gradproof.h>
#include <jansson.h>
#include <stdio.h>

enum { CMD_TRAIN, CMD_TEST, CMD_ALL_ROWS };          /* --rows, as in gpf_model_options */
enum { CMD_AUTO, CMD_ALWAYS, CMD_NEVER };            /* --color */
enum { CMD_WITH_CLAIMS, CMD_NO_CLAIMS, CMD_CLAIMS }; /* --claims */
enum { CMD_LINES, CMD_NPY };                         /* --exec-format */
#define CMD_NOT_GIVEN ((size_t)-1)

/* A setting of a training run that an option gives. */
typedef struct cmd_setting {
    const gpf_setting *setting;
    const char *value;
} cmd_setting;

/* One call of the command. The options are rows of the table in gradproof.c. */
typedef struct cmd {
    const struct cmd_verb *verb;
    int help, json, quiet, all, fast, grad, dot, values; /* flags */
    int rows, color, claims;                             /* choices */
    size_t seed, sample, threads, max_failures;
    const char *at, *of, *data, *out;
    double split; /* 0: as the model says */
    double rate;  /* where rate_given */
    int rate_given;
    const char *plot; /* demo's --plot */
    const char **wrt; /* n_wrt patterns */
    size_t n_wrt;
    size_t save_every, print_every;
    size_t seeds[2]; /* --seeds A..B */
    const char *save, *resume, *log;
    cmd_setting *set; /* n_set of them */
    size_t n_set;
    /* check --plugin and --exec */
    const char *plugin, *symbol, *kind, *exec, *at_file, *lo, *hi, *scale, *names, *weights;
    int exec_format; /* CMD_LINES, CMD_NPY */
    double t, time_limit;
    int t_given;
    const char *model_option, *callback_option; /* the first that goes only with a MODEL, only
                                                   with --plugin or --exec; NULL: none */
    char **args;                                /* what is not an option; n_args of them */
    int n_args;
} cmd;

typedef struct cmd_verb {
    const char *name, *args, *summary, *about, *example; /* args: lines, where there are several */
    int min_args, max_args;
    int (*run)(const cmd *o); /* returns the exit status */
    unsigned bit;             /* which verb it is in the table of options */
    const char *exits;        /* what the exit statuses mean; NULL: 0 and 2 are all */
} cmd_verb;

int cmd_check(const cmd *o);
int cmd_eval(const cmd *o);
int cmd_grad(const cmd *o);
int cmd_graph(const cmd *o);
int cmd_health(const cmd *o);
int cmd_ops(const cmd *o);
int cmd_demo(const cmd *o);
int cmd_predict(const cmd *o);
int cmd_train(const cmd *o);

/* GSL's error handler: keeps the first reason for cmd_fail_status, prints and ends nothing. */
void cmd_gsl_error(const char *reason, const char *file, int line, int status);

/* Says what is wrong, on stderr with the source line and a caret, with --json also on stdout.
 * shown of total errors are given. Returns the exit status 2. */
int cmd_fail(const cmd *o, const gpf_diag *why, size_t shown, size_t total);
int cmd_failf(const cmd *o, int status, const char *format, ...)
#if defined __GNUC__
    __attribute__((format(printf, 3, 4)))
#endif
    ;
/* The same for wrong usage of a verb: text with arg behind it. */
int cmd_usage(const cmd *o, const char *text, const char *arg);
/* The same for a status that came back, with what GSL's error handler was told. */
int cmd_fail_status(const cmd *o, int status, const gpf_diag *why);

/* 1: verdicts in colours, as --color or the terminal says. */
int cmd_use_color(const cmd *o);

/* The model of the first argument with --seed, --rows, --split, --load and --data; NULL after
 * saying why. */
gpf_model *cmd_model(const cmd *o);
/* --of, or the model's output, or GPF_NONE if it has none; *name is what the user calls it, "" if
 * nothing. Nonzero after saying why. */
int cmd_output(const cmd *o, gpf_model *m, gpf_node *y, const char **name);

/* Names of a model with their nodes. */
typedef struct cmd_named {
    const char *name; /* borrowed from the model */
    gpf_node node;
} cmd_named;

/* What matches any of the patterns, in the order params, data, assignments. distinct: no node
 * twice under two names. *found is the caller's to free. Nonzero after saying why. */
int cmd_select(const cmd *o, gpf_model *m, const char *const *patterns, size_t n, int distinct,
               cmd_named **found, size_t *n_found);
/* --wrt, or all params. */
int cmd_targets(const cmd *o, gpf_model *m, cmd_named **found, size_t *n_found);

/* The first ^C is noted, for a verb to end in order; the second one kills as usual. */
void cmd_watch_interrupt(void);
int cmd_interrupted(void);
double cmd_now(void); /* seconds, from anywhere */

/* A bar on the terminal, and whether to go on: the progress of a check's options. */
typedef struct cmd_progress {
    double start, drawn;
    int wanted, visible;
    int (*stop)(void *arg); /* 1: end it; NULL: on ^C */
    void *stop_arg;
} cmd_progress;
cmd_progress cmd_progress_start(const cmd *o);
int cmd_progress_show(void *progress, size_t done, size_t total);
void cmd_progress_end(const cmd_progress *p); /* takes the bar away */

/* A log of a training run: a row per evaluated epoch, as TSV or, by the ending of its name, JSON
 * lines. Columns are the members of gpf_progress and, with health, dead.A, grad.A and act.A of
 * every layer with the activation A. */
typedef struct cmd_log {
    FILE *file; /* NULL: none */
    const char *path;
    int json;
    char **column; /* n_columns; known from the first row or the file that is gone on with */
    size_t n_columns;
    int failed; /* errno of the first row that could not be written */
} cmd_log;
/* Nonzero after saying that the name given with --log has another ending. */
int cmd_log_check(const cmd *o);
/* Begins a new one, or goes on with the one that is there behind epoch *keep: rows of later epochs
 * go away first. Nonzero after saying why. */
int cmd_log_open(const cmd *o, const char *path, const size_t *keep, cmd_log *l);
/* Nonzero once something could not be written. */
int cmd_log_row(cmd_log *l, const gpf_progress *p, const gpf_health *h);
void cmd_log_close(cmd_log *l);
/* A number as programs read it: %.17g, but nan and inf without a sign of their own making. */
void cmd_log_number(FILE *f, double x);

/* Values of nodes at the model's point. GPF_NONE among them is allowed and skipped. */
typedef struct cmd_values {
    gpf_plan *plan;
    gpf_workspace *ws;
} cmd_values;
int cmd_values_run(const cmd *o, gpf_model *m, const gpf_node *nodes, size_t n, cmd_values *v);
void cmd_values_free(cmd_values *v);

/* Digits enough to be read back exactly. */
void cmd_put_number(FILE *to, double x);
/* "NAME = [1 2; 3 4]", digits enough to be read back exactly. */
void cmd_put_values(const char *name, gpf_shape shape, const double *x, size_t n);
/* Adds members shape and values to o; numbers JSON lacks are null and listed in values_text.
 * Returns the number of failures. */
int cmd_json_values(json_t *o, gpf_shape shape, const double *x, size_t n);
json_t *cmd_json_text(const char *s); /* any bytes */
/* Its argument; NULL, and that freed, where building it failed. */
json_t *cmd_json_built(json_t *v, int bad);
/* Prints {"schema": "gradproof-<verb>/1", .. the members of o}, takes over o (NULL: no memory). */
int cmd_put_json(const cmd *o, json_t *members);

#endif
