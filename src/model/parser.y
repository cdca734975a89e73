/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Grammar of the .gpf language. Everything an error can be about has a place; the tree and its
 * text live in the parser's arena, so nothing here needs a destructor. */
%code requires {
#include "model/ast.h"

typedef void *gpf__scanner;
}

%code {
#include <string.h>

/* The stack lies in yyparse's frame and cannot grow: no allocation, so leaving by longjmp leaks
 * nothing, and running out of it means nesting too deep, never lack of memory. */
#define YYINITDEPTH 2000
#define YYMAXDEPTH 2000

#define YYLLOC_DEFAULT(current, rhs, n)                                                            \
    ((current) = (n) ? gpf__span(YYRHSLOC(rhs, 1), YYRHSLOC(rhs, n))                               \
                     : (gpf__place){ YYRHSLOC(rhs, 0).to, YYRHSLOC(rhs, 0).to,                     \
                                     YYRHSLOC(rhs, 0).line })

/* The generated code is not ours to fix. */
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
}

%code provides {
int gpf__yylex(GPF__YYSTYPE *value, gpf__place *at, gpf__scanner scanner);
}

%code {
static void yyerror(const gpf__place *at, gpf__scanner scanner, gpf__parser *p,
                    const char *message);
static void touch(gpf__parser *p, gpf__place sign, gpf__place number);
static const char *written(gpf__parser *p, gpf__place at);
}

%define api.pure full
%define api.prefix {gpf__yy}
%define api.location.type {gpf__place}
%define parse.error custom
/* Canonical tables know exactly which tokens may follow, and so does the message. */
%define lr.type canonical-lr
%locations
%param { gpf__scanner scanner }
%parse-param { gpf__parser *p }
%expect 0

%union {
    double number;
    const char *text;
    gpf__ast *ast;
    struct {
        double number;
        gpf__ast *computed;
    } cell;
}

%token DATA "'data'" PARAM "'param'" CLAIM "'claim'" SEED "'seed'" SPLIT "'split'"
%token TRAIN "'train'" UPDATE "'update'"
%token <text> NAME "a name" STRING "a string"
%token <number> NUMBER "a number"
%token '\n' "the end of the line"
%token END 0 "the end of the text"

%type <ast> expr postfix primary call arguments argument_list argument index indices
%type <ast> matrix cells dims dim_list initialiser settings setting
%type <cell> cell

%left '+' '-'
%left '*' '/' '@'
%precedence UNARY
%right '^'

%%

text: %empty | text line;

line:
    '\n'
  | statement '\n'
  | error '\n'                  { yyerrok; }
  | NAME '=' error '\n'         { yyerrok; gpf__ast_statement(p, GPF__ASSIGN, @1, @1)->name = $1; }
  | DATA NAME error '\n'        { yyerrok; gpf__ast_statement(p, GPF__DATA, @2, @2)->name = $2; }
  | PARAM NAME error '\n'       { yyerrok; gpf__ast_statement(p, GPF__PARAM, @2, @2)->name = $2; }
  ;

statement:
    DATA NAME dims '=' expr     {
                                    gpf__statement *s = gpf__ast_statement(p, GPF__DATA, @2, @$);
                                    s->name = $2, s->dims = $3, s->right = $5;
                                }
  | PARAM NAME dims '=' expr    {
                                    gpf__statement *s = gpf__ast_statement(p, GPF__PARAM, @2, @$);
                                    s->name = $2, s->dims = $3, s->right = $5;
                                }
  | PARAM NAME dims '~' initialiser {
                                    gpf__statement *s =
                                        gpf__ast_statement(p, GPF__DRAWN_PARAM, @2, @$);
                                    s->name = $2, s->dims = $3, s->right = $5;
                                }
  | NAME '=' expr               {
                                    gpf__statement *s = gpf__ast_statement(p, GPF__ASSIGN, @1, @$);
                                    s->name = $1, s->right = $3;
                                }
  | CLAIM expr '=' expr         {
                                    gpf__statement *s =
                                        gpf__ast_statement(p, GPF__CLAIM, @3, gpf__span(@2, @4));
                                    s->left = $2, s->right = $4;
                                }
  | SEED expr                   { gpf__ast_statement(p, GPF__SEED, @2, @$)->right = $2; }
  | SPLIT expr                  { gpf__ast_statement(p, GPF__SPLIT, @2, @$)->right = $2; }
  | TRAIN settings              { gpf__ast_statement(p, GPF__TRAIN, @1, @$)->right = $2; }
  | UPDATE NAME '=' expr        {
                                    gpf__statement *s = gpf__ast_statement(p, GPF__UPDATE, @2, @$);
                                    s->name = $2, s->right = $4;
                                }
  ;

initialiser:
    NAME                        { $$ = gpf__ast_text(p, GPF__CALL, @1, $1); }
  | call
  ;

call:
    NAME '(' arguments ')'      { $$ = $3; $$->text = $1; $$->at = @1; $$->whole = @$; }
  ;

dims:
    %empty                      { $$ = NULL; }
  | '[' ']'                     { $$ = gpf__ast_text(p, GPF__CALL, @$, "shape"); }
  | '[' dim_list ']'            { $$ = $2; $$->whole = @$; }
  ;

dim_list:
    expr                        { $$ = gpf__ast_text(p, GPF__CALL, @$, "shape");
                                  gpf__ast_add(p, $$, $1); }
  | dim_list ',' expr           { $$ = gpf__ast_add(p, $1, $3); }
  ;

settings:
    setting                     { $$ = gpf__ast_text(p, GPF__CALL, @$, "train");
                                  gpf__ast_add(p, $$, $1); }
  | settings ',' setting        { $$ = gpf__ast_add(p, $1, $3); }
  ;

setting:
    key '=' STRING              {
                                    $$ = gpf__ast_text(p, GPF__STRING, @1, $3);
                                    $$->key = written(p, @1), $$->whole = @3;
                                }
  | key '=' value               {
                                    $$ = gpf__ast_text(p, GPF__STRING, @1, written(p, @3));
                                    $$->key = written(p, @1), $$->whole = @3;
                                }
  ;

/* Keys and values as they are written: until-loss, cg-fr, -1e-3. */
key: words | SEED { };

value:
    words
  | NUMBER                      { }
  | '-' NUMBER                  { }
  | '+' NUMBER                  { }
  ;

words:
    NAME                        { }
  | words '-' NAME
  ;

expr:
    postfix
  | expr '+' expr               { $$ = gpf__ast_call(p, "add", @2, $1, $3); }
  | expr '-' expr               { $$ = gpf__ast_call(p, "sub", @2, $1, $3); }
  | expr '*' expr               { $$ = gpf__ast_call(p, "mul", @2, $1, $3); }
  | expr '/' expr               { $$ = gpf__ast_call(p, "div", @2, $1, $3); }
  | expr '@' expr               { $$ = gpf__ast_call(p, "matmul", @2, $1, $3); }
  | expr '^' expr               { $$ = gpf__ast_call(p, "pow", @2, $1, $3); }
  | '-' expr %prec UNARY        { $$ = gpf__ast_call(p, "neg", @1, $2, NULL); }
  | '+' expr %prec UNARY        { $$ = $2; }
  ;

postfix:
    primary
  | postfix '\''                { $$ = gpf__ast_call(p, "transpose", @2, $1, NULL); }
  | postfix '[' indices ']'     {
                                    /* indices holds them as its children: put $1 before them */
                                    $$ = gpf__ast_new(p, GPF__SLICE, gpf__span(@2, @4));
                                    gpf__ast_add(p, $$, $1);
                                    gpf__ast *next = NULL;
                                    for (gpf__ast *i = $3->first; i; i = next) {
                                        next = i->next;
                                        i->next = NULL;
                                        gpf__ast_add(p, $$, i);
                                    }
                                    $$->whole = @$;
                                }
  ;

primary:
    NUMBER                      { $$ = gpf__ast_new(p, GPF__NUMBER, @1); $$->number = $1; }
  | STRING                      { $$ = gpf__ast_text(p, GPF__STRING, @1, $1); }
  | NAME                        { $$ = gpf__ast_text(p, GPF__NAME, @1, $1); }
  | call
  | '(' expr ')'                { $$ = $2; $$->whole = @$; }
  | matrix
  ;

arguments:
    %empty                      { $$ = gpf__ast_new(p, GPF__CALL, @$); }
  | argument_list
  ;

argument_list:
    argument                    { $$ = gpf__ast_new(p, GPF__CALL, @$); gpf__ast_add(p, $$, $1); }
  | argument_list ',' argument  { $$ = gpf__ast_add(p, $1, $3); }
  ;

argument:
    expr
  | NAME '=' expr               { $$ = $3; $$->key = $1; }
  ;

indices:
    index                       { $$ = gpf__ast_new(p, GPF__CALL, @$); gpf__ast_add(p, $$, $1); }
  | indices ',' index           { $$ = gpf__ast_add(p, $1, $3); }
  ;

index:
    expr
  | ':'                         { $$ = gpf__ast_range(p, @$, NULL, NULL); }
  | expr ':'                    { $$ = gpf__ast_range(p, @$, $1, NULL); }
  | ':' expr                    { $$ = gpf__ast_range(p, @$, NULL, $2); }
  | expr ':' expr               { $$ = gpf__ast_range(p, @$, $1, $3); }
  ;

matrix:
    '[' cells ']'               {
                                    $$ = gpf__ast_end_row(p, $2, @$);
                                    $$->at = $$->whole = @$;
                                }
  | '[' cells ';' ']'           {
                                    $$ = gpf__ast_end_row(p, $2, @$);
                                    $$->at = $$->whole = @$;
                                }
  ;

cells:
    cell                        {
                                    gpf__ast *m = gpf__ast_new(p, GPF__MATRIX, @1);
                                    $$ = gpf__ast_element(p, m, $1.number, $1.computed, @1, true);
                                }
  | cells cell                  {
                                    $$ = gpf__ast_element(p, $1, $2.number, $2.computed, @2, false);
                                }
  | cells ',' cell              {
                                    $$ = gpf__ast_element(p, $1, $3.number, $3.computed, @3, true);
                                }
  | cells ';' cell              {
                                    gpf__ast_end_row(p, $1, @1);
                                    $$ = gpf__ast_element(p, $1, $3.number, $3.computed, @3, true);
                                }
  ;

cell:
    NUMBER                      { $$.number = $1; $$.computed = NULL; }
  | '-' NUMBER                  {
                                    touch(p, @1, @2);
                                    $$.number = -$2, $$.computed = NULL;
                                }
  | '+' NUMBER                  {
                                    touch(p, @1, @2);
                                    $$.number = $2, $$.computed = NULL;
                                }
  | '(' expr ')'                { $$.number = 0; $$.computed = $2; }
  ;

%%

/* [1 - 2] must not quietly become two elements. */
static void touch(gpf__parser *p, gpf__place sign, gpf__place number)
{
    if (sign.to != number.from)
        gpf__report(p->source, sign, GPF_ESYNTAX,
                    "inside [ ] a sign touches its number; write (a - b) for a difference");
}

static const char *written(gpf__parser *p, gpf__place at)
{
    return gpf__parser_strndup(p, p->source->text + at.from, at.to - at.from);
}

static void yyerror(const gpf__place *at, gpf__scanner scanner, gpf__parser *p, const char *message)
{
    (void)scanner;
    (void)message; /* bison has only one to give: its stack is full */
    gpf__parser_leave(p, gpf__report(p->source, *at, GPF_ELIMIT,
                                     "nested too deep (more than %d levels)", GPF__MAX_DEPTH));
}

/* "an operator, ')' or the end of the line": whole classes of tokens get one word. Each class is
 * recognised by a token that no other class has. */
static void expected(const yypcontext_t *ctx, char *buf, size_t size)
{
    static const struct {
        const char *sign, *word, *tokens;
    } class[] = {
        { "'='", "'='", "'=' '-'" }, /* what a statement lacks comes first */
        { "'claim'", "a statement", "'data' 'param' 'claim' 'seed' 'split' 'train' 'update' a name" },
        { "'*'", "an operator", "'+' '-' '*' '/' '@' '^' '\\'' '[' '('" },
        { "a string", "an expression", "a name a number a string '(' '[' '+' '-'" },
        { "a number", "a number", "a number '(' '+' '-'" },
    };
    enum { N_CLASSES = sizeof class / sizeof *class, MAX_WORDS = 5 };
    yysymbol_kind_t kind[YYNTOKENS];
    const int n = yypcontext_expected_tokens(ctx, kind, YYNTOKENS);
    const char *word[N_CLASSES + YYNTOKENS];
    bool present[N_CLASSES] = { false };
    bool nested = false; /* a setting's value has no brackets */
    int n_words = 0;
    for (int i = 0; i < n; i++)
        nested = nested || !strcmp(yysymbol_name(kind[i]), "'('");
    for (int c = 0; c < N_CLASSES; c++) {
        for (int i = 0; i < n; i++)
            present[c] = present[c] || !strcmp(yysymbol_name(kind[i]), class[c].sign);
        if (c == 4 && present[3])
            present[c] = false; /* an expression may be a number */
        if (present[c])
            word[n_words++] = c == 3 && !nested ? "a value" : class[c].word;
    }
    for (int i = 0; i < n; i++) {
        const char *name = yysymbol_name(kind[i]);
        bool covered = kind[i] == YYSYMBOL_SEED; /* as a key, a name like others */
        for (int c = 0; c < N_CLASSES; c++)
            covered = covered || (present[c] && strstr(class[c].tokens, name));
        /* at the start of a line there may also be nothing */
        if (!covered && !(present[1] && kind[i] != YYSYMBOL_YYerror))
            word[n_words++] = name;
    }
    for (int i = 0; i < n_words && i < MAX_WORDS; i++)
        gpf__append(buf, size, "%s%s", i == 0 ? "" : i == n_words - 1 ? " or " : ", ", word[i]);
}

static int yyreport_syntax_error(const yypcontext_t *ctx, gpf__scanner scanner, gpf__parser *p)
{
    (void)scanner;
    const gpf__place at = *yypcontext_location(ctx);
    const yysymbol_kind_t token = yypcontext_token(ctx);
    char words[200] = "", given[120] = "", open[80] = "";
    expected(ctx, words, sizeof words);
    const int width = at.to - at.from < 60 ? (int)(at.to - at.from) : 60;
    if (token == YYSYMBOL_NAME || token == YYSYMBOL_NUMBER || token == YYSYMBOL_STRING)
        gpf__format(given, sizeof given, "%.*s", width, p->source->text + at.from);
    else if (token != YYSYMBOL_YYEMPTY)
        gpf__format(given, sizeof given, "%s", yysymbol_name(token));
    if (p->brackets > 0 && (p->opened.line != at.line || at.from == at.to))
        gpf__format(open, sizeof open, " ('%c' of line %d is still open)",
                    p->source->text[p->opened.from], p->opened.line);
    gpf__report(p->source, at, GPF_ESYNTAX, "expected %s but found %s%s", words, given, open);
    p->brackets = 0; /* so that the next newline ends the broken statement */
    return 0;
}

int gpf__yylex_init_extra(gpf__parser *p, gpf__scanner *scanner);
int gpf__yylex_destroy(gpf__scanner scanner);
void *gpf__yy_scan_bytes(const char *bytes, int n, gpf__scanner scanner);

int gpf__ast_parse(gpf__source *s, gpf__arena *arena, gpf__statement **out)
{
    gpf__parser p = { .source = s, .arena = arena, .line = 1 };
    gpf__scanner scanner;
    *out = NULL;
    if (s->length > GPF__MAX_TEXT)
        return gpf__report(s, (gpf__place){ 0, 0, 0 }, GPF_ELIMIT,
                           "text has %zu bytes, the limit is %d", s->length, GPF__MAX_TEXT);
    if (gpf__yylex_init_extra(&p, &scanner))
        return gpf__report_nomem(s);
    int status = setjmp(p.out);
    if (status == 0) {
        const bool bom = s->length >= 3 && !memcmp(s->text, "\xef\xbb\xbf", 3);
        p.at = bom ? 3 : 0;
        gpf__yy_scan_bytes(s->text + p.at, (int)(s->length - p.at), scanner);
        gpf__yyparse(scanner, &p);
    }
    gpf__yylex_destroy(scanner);
    if (status == GSL_ENOMEM)
        gpf__report_nomem(s);
    *out = p.first;
    return status;
}
