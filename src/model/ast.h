/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The .gpf text: places in it, messages about it, and the tree the parser makes of it. */
#ifndef GPF_MODEL_AST_H
#define GPF_MODEL_AST_H

#include "base/arena.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

/* Model text larger or nested deeper than this is GPF_ELIMIT; so every recursion over the tree is
 * bounded. */
enum { GPF__MAX_TEXT = 16 << 20, GPF__MAX_DEPTH = 256, GPF__MAX_NAME = 63 };

/* Bytes from .. to-1 of the text, the first of them on `line`. */
typedef struct gpf__place {
    uint32_t from, to;
    int line;
} gpf__place;

/* A text and what was found wrong with it, in text order. */
typedef struct gpf__source {
    const char *text;
    size_t length;
    const char *name; /* stands in messages; tables are looked for beside it */
    gpf_diag *why;
    size_t max_why, n_why;
    int syntax_line; /* of the last syntax error: one a line is enough */
    int status;      /* GSL_ENOMEM once memory ran out: ends everything */
} gpf__source;

/* Records an error; returns its status. A place with line 0 is "no place". */
int gpf__report(gpf__source *s, gpf__place at, int status, const char *format, ...)
    GPF_PRINTF(4, 5);
int gpf__report_nomem(gpf__source *s);

/* Characters in n bytes: every byte that does not continue a UTF-8 sequence. */
int gpf__characters(const char *s, size_t n);
/* What people wrote reaches terminals: every control character, and every byte that is not UTF-8
 * or was cut off by a full buffer, becomes '?'. */
void gpf__clean(char *s);

/* Reads a regular file, or stdin for "-", of at most max bytes into memory from malloc; with
 * streams also pipes, terminals and the like until they end. Returns 0 or a code with the reason in
 * why. */
int gpf__read_file(const char *path, bool streams, size_t max, char **text, size_t *length,
                   char *why, size_t why_size);

enum gpf__ast_kind {
    GPF__NUMBER, /* number */
    GPF__STRING, /* text */
    GPF__NAME,   /* text */
    GPF__CALL,   /* text = function, operators too: "add", "neg"; children = arguments */
    GPF__SLICE,  /* first child is sliced by the others, which are expressions or ranges */
    GPF__RANGE,  /* from:to, each may be NULL */
    GPF__MATRIX  /* values; children = the elements that are expressions, see index */
};

typedef struct gpf__ast {
    enum gpf__ast_kind kind;
    int depth;
    gpf__place at;    /* of the operator or the function's name */
    gpf__place whole; /* of all of it */
    const char *text;
    const char *key; /* as an argument: its name, or NULL */
    double number;
    struct gpf__ast *first, *last, *next; /* children; next sibling */
    size_t n;                             /* children */
    struct gpf__ast *from, *to;
    double *values; /* rows x cols, row-major */
    size_t rows, cols, n_values, cap;
    size_t row_from; /* first value of the row being read */
    bool bad;        /* reported already */
    size_t index;    /* as an element of a matrix: which */
} gpf__ast;

enum gpf__statement_kind {
    GPF__DATA,
    GPF__PARAM,
    GPF__DRAWN_PARAM, /* right is an initialiser */
    GPF__ASSIGN,
    GPF__CLAIM,
    GPF__SEED,
    GPF__SPLIT,
    GPF__TRAIN, /* right is a call of strings: keys and values of settings */
    GPF__UPDATE /* right is the next value of the param called name */
};

typedef struct gpf__statement {
    enum gpf__statement_kind kind;
    gpf__place at, whole; /* of the name or keyword; of all of it */
    const char *name;
    gpf__ast *dims;  /* a call with the sizes as children, or NULL */
    gpf__ast *left;  /* of a claim */
    gpf__ast *right; /* NULL after a syntax error: the name is known, its meaning is not */
    struct gpf__statement *next;
} gpf__statement;

/* Parses the whole text. Syntax errors go to the source and reading goes on with the next line.
 * Returns 0, or the code that ended it: GSL_ENOMEM, GPF_ELIMIT. */
int gpf__ast_parse(gpf__source *s, gpf__arena *arena, gpf__statement **out);

/* Shared by lexer and parser while they run. */
typedef struct gpf__parser {
    gpf__source *source;
    gpf__arena *arena;
    gpf__statement *first, *last;
    uint32_t at; /* lexer: bytes read */
    int line;
    int brackets;      /* open ones: a newline inside them ends nothing */
    gpf__place opened; /* the outermost of them */
    bool ended;        /* the newline that ends the last line has been given out */
    jmp_buf out;       /* lack of memory and hard limits leave through here, with a code */
} gpf__parser;

_Noreturn void gpf__parser_leave(gpf__parser *p, int status);
void *gpf__parser_alloc(gpf__parser *p, size_t size);
char *gpf__parser_strndup(gpf__parser *p, const char *s, size_t n);

gpf__place gpf__span(gpf__place from, gpf__place to);
gpf__ast *gpf__ast_new(gpf__parser *p, enum gpf__ast_kind kind, gpf__place at);
gpf__ast *gpf__ast_text(gpf__parser *p, enum gpf__ast_kind kind, gpf__place at, const char *text);
/* A call of one or two arguments; b may be NULL. */
gpf__ast *gpf__ast_call(gpf__parser *p, const char *name, gpf__place at, gpf__ast *a, gpf__ast *b);
gpf__ast *gpf__ast_add(gpf__parser *p, gpf__ast *parent, gpf__ast *child);
gpf__ast *gpf__ast_range(gpf__parser *p, gpf__place at, gpf__ast *from, gpf__ast *to);
/* Appends an element to the last row of a literal; expression may be NULL. separated: a comma or
 * semicolon precedes it. */
gpf__ast *gpf__ast_element(gpf__parser *p, gpf__ast *matrix, double value, gpf__ast *expression,
                           gpf__place at, bool separated);
/* Ends a row; reports one of another length than the first. */
gpf__ast *gpf__ast_end_row(gpf__parser *p, gpf__ast *matrix, gpf__place at);
gpf__statement *gpf__ast_statement(gpf__parser *p, enum gpf__statement_kind kind, gpf__place at,
                                   gpf__place whole);

#endif
