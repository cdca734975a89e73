/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 65536 };

typedef struct cell {
    const char *text;
    int line, column; /* where it begins, in characters */
} cell;

typedef struct column {
    const char *name;
    double *values;
    const char **category; /* sorted; NULL for numbers */
    size_t n_categories;
    cell first_text; /* of a text column: the first cell that is not a number */
    bool mixed;      /* and others are */
} column;

struct gpf_table {
    gpf__arena arena;
    column *column;
    size_t *by_name; /* columns in order of their names */
    size_t n_columns, n_rows;
    cell *cells; /* the header's and those of every row: messages say where a value stands */
};

/* Reading: the text is copied and its cells end in NUL inside the copy. */
typedef struct reader {
    const char *name;
    char *at, *end, *base;
    const char *text;    /* as given: cells are cut out of the copy at base */
    const char *counted; /* in text: in this line, at this column */
    int line, column;
    gpf_diag *why;
} reader;

static int fail(const reader *r, int status, int line, int col, const char *format, ...)
    GPF_PRINTF(5, 6);

static int fail(const reader *r, int status, int line, int col, const char *format, ...)
{
    char text[sizeof r->why->text];
    va_list ap;
    va_start(ap, format);
    gpf__vformat(text, sizeof text, format, ap);
    va_end(ap);
    gpf__diag(r->why, status, "%s", text);
    if (r->why) {
        gpf__clean(r->why->text);
        gpf__format(r->why->file, sizeof r->why->file, "%s", r->name);
        gpf__clean(r->why->file);
        r->why->line = line;
        r->why->column = col;
        r->why->width = line > 0;
    }
    return status;
}

static int no_memory(const reader *r)
{
    return fail(r, GSL_ENOMEM, 0, 0, "out of memory");
}

/* Column of a place in the current line, not before the last place asked for. */
static int column_of(reader *r, const char *p)
{
    const char *at = r->text + (p - r->base);
    r->column += gpf__characters(r->counted, (size_t)(at - r->counted));
    r->counted = at;
    return r->column;
}

/* The line ends before p. */
static void next_line(reader *r, const char *p)
{
    r->line++;
    r->counted = r->text + (p - r->base);
    r->column = 1;
}

/* Skips blank lines and comments; 0 at the end of the text. */
static bool find_record(reader *r)
{
    while (r->at < r->end) {
        char *p = r->at;
        while (p < r->end && (*p == ' ' || *p == '\t' || *p == '\r'))
            p++;
        if (p < r->end && *p != '\n' && *p != '#')
            return true;
        while (p < r->end && *p != '\n')
            p++;
        r->at = p < r->end ? p + 1 : p;
        next_line(r, r->at);
    }
    return false;
}

/* Reads one cell and what ends it; *last: it was the last of its record. The cell's text has its
 * NUL where the delimiter was, or earlier. */
static int read_cell(reader *r, cell *c, bool *last)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t'))
        r->at++;
    c->line = r->line;
    c->column = column_of(r, r->at);
    char *out = r->at;
    c->text = out;
    if (r->at < r->end && *r->at == '"') {
        for (r->at++;; r->at++) {
            if (r->at == r->end)
                return fail(r, GPF_ESYNTAX, c->line, c->column, "quote is not closed");
            if (*r->at == '"' && (r->at + 1 == r->end || r->at[1] != '"'))
                break;
            r->at += *r->at == '"'; /* a doubled quote stands for one */
            *out++ = *r->at;
            if (*r->at == '\n')
                next_line(r, r->at + 1);
        }
        r->at++;
        while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r'))
            r->at++;
        if (r->at < r->end && *r->at != ',' && *r->at != '\n')
            return fail(r, GPF_ESYNTAX, r->line, column_of(r, r->at),
                        "expected ',' or the end of the line after a quoted cell");
    } else {
        while (r->at < r->end && *r->at != ',' && *r->at != '\n')
            r->at++;
        out = r->at;
        while (out > c->text && (out[-1] == ' ' || out[-1] == '\t' || out[-1] == '\r'))
            out--;
    }
    *last = r->at == r->end || *r->at == '\n';
    const bool more = r->at < r->end;
    *out = 0; /* the copy has room for one byte behind the end */
    r->at += more;
    if (*last && more)
        next_line(r, r->at);
    return GSL_SUCCESS;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Column indices sorted by name; the names lie before them so that qsort can see both. */
typedef struct named {
    const char *name;
    size_t index;
} named;

static int sort_names(gpf_table *t, const reader *r, const cell *header)
{
    named *list = malloc(t->n_columns * sizeof *list);
    t->by_name = gpf__arena_alloc(&t->arena, t->n_columns * sizeof *t->by_name);
    if (!list || !t->by_name) {
        free(list);
        return no_memory(r);
    }
    for (size_t j = 0; j < t->n_columns; j++)
        list[j] = (named){ t->column[j].name, j };
    qsort(list, t->n_columns, sizeof *list, by_text); /* the name comes first in the struct */
    int status = GSL_SUCCESS;
    for (size_t j = 0; j < t->n_columns && !status; j++) {
        t->by_name[j] = list[j].index;
        if (j > 0 && !strcmp(list[j].name, list[j - 1].name)) {
            const size_t i = list[j].index > list[j - 1].index ? list[j].index : list[j - 1].index;
            status = fail(r, GPF_ENAME, header[i].line, header[i].column,
                          "two columns have the name '%s'", list[j].name);
        }
    }
    free(list);
    return status;
}

static bool is_number(const char *text, double *value)
{
    char *end;
    *value = gpf__strtod(text, &end);
    /* strtod also takes hexadecimal and skips blanks: neither is what a table means */
    return end != text && !*end && !strpbrk(text, "xX\n\v\f");
}

static int find_category(const column *c, const char *text, size_t *code)
{
    size_t lo = 0, hi = c->n_categories;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const int order = strcmp(c->category[mid], text);
        if (order == 0) {
            *code = mid;
            return 1;
        }
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return 0;
}

static int set_codes(gpf_table *t, const reader *r, size_t j, const cell *cells)
{
    column *c = &t->column[j];
    c->category = gpf__arena_alloc(&t->arena, t->n_rows * sizeof *c->category);
    if (!c->category)
        return no_memory(r);
    for (size_t i = 0; i < t->n_rows; i++)
        c->category[i] = cells[i * t->n_columns + j].text;
    qsort(c->category, t->n_rows, sizeof *c->category, by_text);
    for (size_t i = 0; i < t->n_rows; i++)
        if (i == 0 || strcmp(c->category[c->n_categories - 1], c->category[i]))
            c->category[c->n_categories++] = c->category[i];
    for (size_t i = 0; i < t->n_rows; i++) {
        size_t code = 0;
        find_category(c, cells[i * t->n_columns + j].text, &code);
        c->values[i] = (double)code;
    }
    return GSL_SUCCESS;
}

/* A column of numbers, or of text if any of its cells is not one. */
static int set_column(gpf_table *t, const reader *r, size_t j, const cell *cells)
{
    column *c = &t->column[j];
    const cell *not_finite = NULL;
    c->values = gpf__arena_alloc(&t->arena, t->n_rows * sizeof *c->values);
    if (!c->values)
        return no_memory(r);
    for (size_t i = 0; i < t->n_rows; i++) {
        const cell *at = &cells[i * t->n_columns + j];
        if (!is_number(at->text, &c->values[i])) {
            if (!c->first_text.text)
                c->first_text = *at;
        } else if (isfinite(c->values[i])) {
            c->mixed = true;
        } else if (!not_finite) {
            not_finite = at;
        }
    }
    if (c->first_text.text)
        return set_codes(t, r, j, cells);
    if (not_finite)
        return fail(r, GPF_EDATA, not_finite->line, not_finite->column,
                    "column '%s': %s is not a finite number", c->name, not_finite->text);
    return GSL_SUCCESS;
}

static int read_cells(gpf_table *t, reader *r, cell **cells, size_t *n)
{
    size_t cap = 0;
    while (find_record(r)) {
        const int line = r->line;
        size_t width = 0;
        bool last = false;
        while (!last) {
            if (gpf__grow(cells, &cap, *n + 1, sizeof **cells))
                return no_memory(r);
            cell *c = &(*cells)[*n];
            const int status = read_cell(r, c, &last);
            if (status)
                return status;
            if (!*c->text)
                return fail(r, GPF_EDATA, c->line, c->column,
                            t->n_columns ? "cell is empty" : "column has no name");
            width++;
            if (t->n_columns && width > t->n_columns)
                return fail(r, GPF_EDATA, c->line, c->column,
                            "more cells than the header's %zu columns", t->n_columns);
            if (width > MAX_COLUMNS)
                return fail(r, GPF_ELIMIT, c->line, c->column, "more than %d columns", MAX_COLUMNS);
            (*n)++;
        }
        if (!t->n_columns)
            t->n_columns = width;
        else if (width < t->n_columns)
            return fail(r, GPF_EDATA, line, 1, "row has %zu cell%s but the header has %zu columns",
                        width, width == 1 ? "" : "s", t->n_columns);
    }
    if (!t->n_columns)
        return fail(r, GPF_EDATA, 0, 0, "table is empty: expected a header line");
    t->n_rows = *n / t->n_columns - 1;
    if (!t->n_rows)
        return fail(r, GPF_EDATA, r->line, 1, "table has a header but no rows");
    return GSL_SUCCESS;
}

static int fill(gpf_table *t, reader *r, const char *text, size_t length)
{
    const char *nul = memchr(text, 0, length);
    char *copy = gpf__arena_strndup(&t->arena, text, length);
    if (!copy)
        return no_memory(r);
    const bool mark = length >= 3 && !memcmp(copy, "\xef\xbb\xbf", 3);
    r->text = text;
    r->base = copy;
    r->at = copy + (mark ? 3 : 0);
    r->end = copy + length;
    r->counted = text + (mark ? 3 : 0);
    r->line = r->column = 1;
    if (nul) {
        int line = 1;
        for (const char *p = text; p < nul; p++)
            line += *p == '\n';
        return fail(r, GPF_ESYNTAX, line, 1, "NUL byte: this is not a text table");
    }
    size_t n = 0;
    int status = read_cells(t, r, &t->cells, &n);
    const cell *cells = t->cells;
    if (!status) {
        t->column = gpf__arena_alloc(&t->arena, t->n_columns * sizeof *t->column);
        if (!t->column)
            status = no_memory(r);
    }
    for (size_t j = 0; j < t->n_columns && !status; j++)
        t->column[j].name = cells[j].text;
    if (!status)
        status = sort_names(t, r, cells);
    for (size_t j = 0; j < t->n_columns && !status; j++)
        status = set_column(t, r, j, cells + t->n_columns);
    return status;
}

gpf_table *gpf_table_parse(const char *text, size_t length, const char *name, gpf_diag *why)
{
    reader r = { .name = name, .why = why };
    gpf_table *t = calloc(1, sizeof *t);
    if (!t) {
        no_memory(&r);
        return NULL;
    }
    if (fill(t, &r, text, length)) {
        gpf_table_free(t);
        return NULL;
    }
    return t;
}

gpf_table *gpf__table_read(const char *path, bool streams, gpf_diag *why)
{
    const size_t max = (size_t)1 << 28; /* cells take many times their text */
    const reader r = { .name = path, .why = why };
    char *text = NULL, reason[80];
    size_t length = 0;
    const int status = gpf__read_file(path, streams, max, &text, &length, reason, sizeof reason);
    if (status) {
        fail(&r, status, 0, 0, "%s", reason);
        return NULL;
    }
    gpf_table *t = gpf_table_parse(text, length, path, why);
    free(text);
    return t;
}

gpf_table *gpf_table_read(const char *path, gpf_diag *why)
{
    return gpf__table_read(path, false, why);
}

void gpf_table_free(gpf_table *t)
{
    if (!t)
        return;
    free(t->cells);
    gpf__arena_free(&t->arena);
    free(t);
}

size_t gpf_table_rows(const gpf_table *t)
{
    return t->n_rows;
}

size_t gpf_table_columns(const gpf_table *t)
{
    return t->n_columns;
}

const char *gpf_table_column_name(const gpf_table *t, size_t j)
{
    return j < t->n_columns ? t->column[j].name : NULL;
}

long gpf_table_find(const gpf_table *t, const char *name)
{
    size_t lo = 0, hi = t->n_columns;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;
        const int order = strcmp(t->column[t->by_name[mid]].name, name);
        if (order == 0)
            return (long)t->by_name[mid];
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

const double *gpf_table_column(const gpf_table *t, size_t j)
{
    return j < t->n_columns ? t->column[j].values : NULL;
}

size_t gpf_table_categories(const gpf_table *t, size_t j)
{
    return j < t->n_columns ? t->column[j].n_categories : 0;
}

const char *gpf_table_category(const gpf_table *t, size_t j, size_t code)
{
    return j < t->n_columns && code < t->column[j].n_categories ? t->column[j].category[code]
                                                                : NULL;
}

const char *gpf__table_first_text(const gpf_table *t, size_t j, int *line, int *col, bool *mixed)
{
    const column *c = &t->column[j];
    *line = c->first_text.line;
    *col = c->first_text.column;
    *mixed = c->mixed;
    return c->first_text.text;
}

const char *gpf__table_cell(const gpf_table *t, size_t i, size_t j, int *line, int *col)
{
    const cell *c = &t->cells[(i + 1) * t->n_columns + j];
    *line = c->line;
    *col = c->column;
    return c->text;
}
