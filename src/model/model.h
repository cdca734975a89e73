/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef GPF_MODEL_MODEL_H
#define GPF_MODEL_MODEL_H

#include "model/ast.h"

#include <gradproof/model.h>
#include <gsl/gsl_rng.h>

enum { GPF__MAX_NODES = 1 << 19 };

/* The categories of a column of text, sorted: a word's index is its code. */
typedef struct gpf__words {
    size_t n;
    const char **word;
} gpf__words;

/* A table of numbers while the model is read, in the model's arena. */
typedef struct gpf__values {
    size_t rows, cols;
    double *v;               /* row-major */
    bool samples;            /* its rows are the N samples of the model */
    bool number;             /* a number, not a table of one: fills whatever it is given to */
    size_t n_classes;        /* labels 0 .. n_classes-1; 0: not known to be labels */
    const gpf__words *words; /* of its labels, or of its columns after one_hot; NULL: none */
} gpf__values;

/* What the model's own rows taught a call in a data statement: other rows are then read alike. */
typedef struct gpf__learned {
    const gpf__ast *call;
    struct gpf__learned *next; /* in the order of evaluation */
    const gpf__words *columns; /* csv: the columns it reads */
    const gpf__words *words;   /* csv: the categories, if they are text */
    double *mean, *deviation;  /* standardize: of each column */
    size_t n_classes;          /* one_hot */
} gpf__learned;

/* Another file's rows while the data statements are evaluated again. */
typedef struct gpf__reading {
    const char *path;
    const gpf_table *table;
    const gpf__learned *next; /* to be recalled */
    gpf_diag *why;
    char missing[sizeof((gpf_diag *)0)->text]; /* of the last statement: why it has no values */
} gpf__reading;

typedef struct gpf__symbol {
    const char *name;
    uint64_t hash;
    gpf_node node; /* GPF_POISON: something is wrong with it and that has been said */
    bool assigned; /* by the text, at place */
    bool given;    /* by the file of params that is being read */
    gpf__place at;
    gpf__values table;   /* of a data leaf, all rows of it; v = NULL otherwise */
    const char *missing; /* of a data leaf: why it has no values, or NULL */
    const size_t *uses;  /* gradients its value is made of: indices into the model's uses */
    size_t n_uses;
} gpf__symbol;

/* Values of a leaf until the point can be made: after the last leaf. */
typedef struct gpf__leaf {
    gpf_node node;
    const double *values;
} gpf__leaf;

typedef struct gpf__note {
    const char *loss, *reduction;
    gpf_shape shape;
    gpf_node y;
} gpf__note;

/* A call of a loss function. */
typedef struct gpf__loss {
    gpf_node value;
    gpf_task task;
    bool either; /* prediction and target may have changed places */
} gpf__loss;

typedef struct gpf__update {
    gpf_node param, next;
    int line;
} gpf__update;

/* A setting that a train statement gives. */
typedef struct gpf__given {
    const gpf_setting *setting;
    gpf__place at;
} gpf__given;

struct gpf_model {
    gpf__arena arena; /* whatever lives as long as the model */
    gpf__arena tree;  /* its text and statements, if there are samples that can be replaced */
    gpf__arena other; /* the samples that replaced them */
    gpf__arena *room; /* for tables: arena, or that of the samples being read */
    const gpf__statement *statements;
    const char *text;
    size_t length;
    gpf__learned *learned, *last_learned;
    gpf__reading *reading; /* NULL but in gpf_model_read_data */
    size_t bytes_other;    /* of bytes, in other */
    gpf_graph *g;
    gpf_point *point;
    gpf__source source; /* while reading */
    gpf_model_options options;
    unsigned long seed;
    bool seed_used;
    double split;        /* fraction held out; 0: none */
    gpf__place split_at; /* of the statement */
    size_t n_samples;    /* rows of every table of samples, before the split; 0: none yet */
    const char *samples_name;
    gpf_node samples_node;
    const unsigned char *held_out; /* of each sample; NULL: no split */
    size_t bytes;                  /* of tables and params so far */

    gpf__symbol **symbol; /* in order of first mention; each in the arena */
    size_t n_symbols, symbol_cap;
    size_t *table; /* open addressing: symbol index + 1 */
    size_t table_size;
    const char **name; /* names the text assigned, in its order */
    size_t n_names, name_cap;

    gpf__leaf *leaf;
    size_t n_leaves, leaf_cap;
    gpf_claim_use *use; /* every grad and jacobian there is */
    size_t n_uses, use_cap;
    size_t *current; /* uses of the expression being built, each once */
    size_t n_current, current_cap;
    gpf_model_claim *claim;
    size_t n_claims, claim_cap;
    gpf__note *note;
    size_t n_notes, note_cap;
    const char **note_text;

    gpf_train_options train;
    gpf__given *given;
    size_t n_given, given_cap;
    gpf__update *update;
    size_t n_updates, update_cap;
    bool own_rate;      /* the text gives `rate` a meaning */
    gpf_node rate;      /* else the leaf it stands for, once it is used */
    double *rate_value; /* of that leaf */
    gpf__loss *loss;
    size_t n_losses, loss_cap;
    gpf_task task;
};

/* All functions below that return int have reported what is wrong, except where `silent` is
 * said: then it was reported before (a poisoned name). */

/* model.c */
gpf__symbol *gpf__symbol_get(gpf_model *m, const char *name); /* made if new; NULL: no memory */
gpf__symbol *gpf__symbol_find(const gpf_model *m, const char *name);
/* Gives the name its node. Reports a second assignment. */
int gpf__symbol_assign(gpf_model *m, const char *name, gpf__place at, gpf_node node);
/* GPF_ENAME with a report if the text has assigned the name already. */
int gpf__symbol_check_new(gpf_model *m, const char *name, gpf__place at);
/* Counts rows x cols values, for `what`, against the model's limit. */
int gpf__charge(gpf_model *m, gpf__place at, const char *what, size_t rows, size_t cols);
/* Room for rows x cols values within the model's limit, for `what`. */
int gpf__reserve(gpf_model *m, gpf__place at, const char *what, size_t rows, size_t cols,
                 double **v);
/* Reports what the graph has against the last call, and clears it. */
int gpf__report_graph(gpf_model *m, gpf__place at);
/* 0, or what ended the reading. */
int gpf__remember_leaf(gpf_model *m, gpf_node node, const double *values);

/* The texts of gpf_model_note for N samples; NULL: no memory, not reported. */
const char **gpf__notes(gpf_model *m, gpf__arena *arena, size_t N);

/* expr.c */
gpf_node gpf__expr(gpf_model *m, const gpf__ast *a); /* GPF_POISON: reported */
/* A number known while reading; what: "size", for messages. */
int gpf__number(gpf_model *m, const gpf__ast *a, const char *what, double *value);
int gpf__integer(gpf_model *m, const gpf__ast *a, const char *what, ptrdiff_t lo, ptrdiff_t hi,
                 ptrdiff_t *value);
int gpf__literal(gpf_model *m, const gpf__ast *a, double *values); /* of a GPF__MATRIX */
/* Sizes as children of a: [2, H] or reshape's arguments. N only as allowed. */
int gpf__shape(gpf_model *m, const gpf__ast *first, bool allow_n, gpf_shape *shape);
/* A registered function of one node, by name, at its defaults: an activation. */
gpf_node gpf__activation(gpf_model *m, const char *name, gpf__place at, gpf_node x);

/* build.c */
void gpf__build(gpf_model *m, const gpf__statement *statements);
/* Does a table of rows x cols fit a declared shape? Sizes of rank 2 must be equal; other ranks take
 * the same elements in row-major order. */
bool gpf__fits(gpf_shape shape, size_t rows, size_t cols);
/* The rows in use of a table of samples that is split; rows: as in gpf_model_options. */
int gpf__choose_rows(gpf_model *m, gpf__place at, const gpf__values *v, int rows,
                     const double **out);

/* task.c */
/* Remembers y = function(x[0], x[1]) if that is a loss. */
int gpf__loss_call(gpf_model *m, const char *function, gpf_node value, const gpf_node *x);
/* Once the point is there: fills m->task. */
int gpf__find_task(gpf_model *m);

/* reload.c: the rows of another file */
/* Remembers what a call has learned, for gpf__recall to give it back when it is evaluated again. */
int gpf__learn(gpf_model *m, gpf__learned what);
const gpf__learned *gpf__recall(gpf_model *m, const gpf__ast *call);
/* n words to be set, and a copy of a text, both for as long as the model lives. */
int gpf__make_words(gpf_model *m, gpf__place at, size_t n, gpf__words **out);
int gpf__keep_text(gpf_model *m, gpf__place at, const char *text, const char **out);
/* The columns of the file that is read, coded by words unless these are NULL, into out, made by the
 * caller. GPF_EUNBOUND if the file lacks any. */
int gpf__read_columns(gpf_model *m, const gpf__words *columns, const gpf__words *words,
                      const gpf__values *out);
/* Says why the table cannot be had from the file that is read. Returns GPF_EUNBOUND, which is silent
 * and ends the statement. */
int gpf__missing(gpf_model *m, const char *format, ...) GPF_PRINTF(2, 3);

/* data.c: samples: 1 or 0 if declared so, -1: as the function says. name: of its random stream. */
int gpf__data(gpf_model *m, const gpf__ast *a, const char *name, int samples, gpf__values *out);

/* init.c */
/* A random stream of its own for every name, so that adding one changes no other. */
int gpf__stream(gpf_model *m, const char *name, gsl_rng **rng);
int gpf__initialise(gpf_model *m, const gpf__ast *call, const char *name, gpf_shape shape,
                    double *values);

/* table.c: the first cell of a text column that is not a number, and whether others are. */
const char *gpf__table_first_text(const gpf_table *t, size_t j, int *line, int *col, bool *mixed);
/* As written, and where. */
const char *gpf__table_cell(const gpf_table *t, size_t i, size_t j, int *line, int *col);
/* gpf_table_read, with streams also from stdin ("-"), pipes and the like. */
gpf_table *gpf__table_read(const char *path, bool streams, gpf_diag *why);

#endif
