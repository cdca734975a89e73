/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the verb train share. */
#ifndef TRAINING_H
#define TRAINING_H

#include "cmd.h"

/* How a run ended, by gpf_train_end: for programs, the word that begins the closing line, and the exit
 * status. */
typedef struct train_ending {
    const char *name, *word;
    int status;
} train_ending;
extern const train_ending train_ends[];

/* Everything a run needs and leaves behind, freed in one place. */
typedef struct run {
    const cmd *o;
    gpf_model *model;
    const char *loss;
    gpf_node y;             /* that of the loss */
    gpf_node *xs, *updates; /* n_xs params; NULL or the formulas of their next values */
    size_t n_xs;
    gpf_point *held_out;
    gpf_train *train;
    cmd_log log;
    int table;   /* lines for people */
    int bar;     /* and a bar on the terminal between them */
    int visible; /* it is there */
    int decides; /* predictions are classes */
    int resumed, trouble;
    int unsaved; /* steps were done since it was saved */
    double start, drawn, saved;
    size_t first_step;  /* done before this run */
    size_t saved_epoch; /* the last one for which --save-every was due */
    size_t next_line;   /* the epoch of the next line */
} run;

/* cmd_train.c: makes the model and its loop ready, with --seed of the cmd; then to the end of the run,
 * or until somebody has had enough. Nonzero after saying why. */
int train_prepare(run *r);
int train_drive(run *r);
void train_free(run *r);

/* train_show.c */
/* Columns that are left out where there is nothing to say in them. */
enum { PENALTY = 1, HELD_OUT = 2, ACCURACY = 4, DEAD = 8, RATE = 16, GRADIENT = 32 };
/* All but those of `without`: titles if p is NULL, else what it says. */
void train_columns(const run *r, const gpf_progress *p, unsigned without);
const char *train_number(double x, const char *format, char buf[40]); /* or "nan", "inf" */
json_t *train_json(double x);                                         /* null for them */
void train_settings(const run *r);
void train_heading(const run *r);
void train_line(const run *r, const gpf_progress *p);
size_t train_line_after(const run *r, size_t epoch); /* the epoch of the next line */
void train_bar(run *r, double t);                    /* if it is time to draw it, at time t */
void train_clear_bar(run *r);
/* All that is said at the end. Returns the exit status. */
int train_report(run *r);

/* train_seeds.c: --seeds. Returns the exit status. */
int train_seeds(const cmd *o);

#endif
