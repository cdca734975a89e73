/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Other samples in place of the model's own: its data statements, evaluated again over one file. */
#include "model/model.h"
#include "graph/graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int gpf__learn(gpf_model *m, gpf__learned what)
{
    gpf__learned *l = gpf__arena_alloc(&m->arena, sizeof *l);
    if (!l)
        return gpf__report_nomem(&m->source);
    *l = what;
    if (m->last_learned)
        m->last_learned->next = l;
    else
        m->learned = l;
    m->last_learned = l;
    return GSL_SUCCESS;
}

/* Calls are evaluated in the same order every time, though some may be left out. */
const gpf__learned *gpf__recall(gpf_model *m, const gpf__ast *call)
{
    const gpf__learned *l = m->reading->next;
    while (l->call != call)
        l = l->next;
    m->reading->next = l;
    return l;
}

int gpf__make_words(gpf_model *m, gpf__place at, size_t n, gpf__words **out)
{
    int status = gpf__charge(m, at, "names", n, 1);
    gpf__words *words = status ? NULL : gpf__arena_alloc(&m->arena, sizeof *words);
    const char **word = words ? gpf__arena_alloc(&m->arena, n * sizeof *word) : NULL;
    if (!status && !word)
        status = gpf__report_nomem(&m->source);
    if (word)
        *words = (gpf__words){ n, word };
    *out = words;
    return status;
}

int gpf__keep_text(gpf_model *m, gpf__place at, const char *text, const char **out)
{
    const size_t n = strlen(text);
    const int status = gpf__charge(m, at, "names", n / sizeof(double) + 1, 1);
    if (status)
        return status;
    *out = gpf__arena_strndup(&m->arena, text, n);
    return *out ? GSL_SUCCESS : gpf__report_nomem(&m->source);
}

int gpf__missing(gpf_model *m, const char *format, ...)
{
    char text[sizeof m->reading->missing]; /* the reason may be quoted in its own place */
    va_list ap;
    va_start(ap, format);
    gpf__vformat(text, sizeof text, format, ap);
    va_end(ap);
    gpf__clean(text);
    memcpy(m->reading->missing, text, sizeof text);
    return GPF_EUNBOUND;
}

static int wrong_cell(const gpf_model *m, size_t i, size_t j, const char *format, ...)
    GPF_PRINTF(4, 5);

/* The file's row i of column j is not what the model can use. */
static int wrong_cell(const gpf_model *m, size_t i, size_t j, const char *format, ...)
{
    gpf_diag *why = m->reading->why;
    memset(why, 0, sizeof *why);
    va_list ap;
    va_start(ap, format);
    gpf__vformat(why->text, sizeof why->text, format, ap);
    va_end(ap);
    gpf__clean(why->text);
    gpf__format(why->file, sizeof why->file, "%s", m->reading->path);
    gpf__clean(why->file);
    gpf__table_cell(m->reading->table, i, j, &why->line, &why->column);
    why->width = 1;
    return why->status = GPF_EDATA;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *cell_text(const gpf_table *t, size_t i, size_t j)
{
    int line, column;
    return gpf__table_cell(t, i, j, &line, &column);
}

static int unknown_category(const gpf_model *m, size_t i, size_t j, const gpf__words *words)
{
    const gpf_table *t = m->reading->table;
    char list[200] = "", hint[100];
    gpf__suggestion similar = { .wanted = cell_text(t, i, j) };
    for (size_t k = 0; k < words->n; k++) {
        gpf__suggest(&similar, words->word[k]);
        gpf__append(list, sizeof list, "%s'%s'", k ? ", " : "", words->word[k]);
    }
    return wrong_cell(m, i, j, "'%.60s' is no category of %.60s%s; the model knows %s",
                      similar.wanted, gpf_table_column_name(t, j),
                      gpf__suggestion_text(&similar, hint, sizeof hint), list);
}

/* Column j of the file becomes column `to` of out. */
static int read_column(gpf_model *m, size_t j, const gpf__words *words, const gpf__values *out,
                       size_t to)
{
    const gpf_table *t = m->reading->table;
    const double *from = gpf_table_column(t, j);
    int line, column;
    bool mixed;
    if (!words && gpf_table_categories(t, j)) {
        size_t i = 0;
        const char *text = gpf__table_first_text(t, j, &line, &column, &mixed);
        while (cell_text(t, i, j) != text)
            i++;
        return wrong_cell(m, i, j, "column '%.60s' is not numbers: '%.60s'",
                          gpf_table_column_name(t, j), text);
    }
    for (size_t i = 0; i < out->rows; i++) {
        double *v = &out->v[i * out->cols + to];
        if (!words) {
            *v = from[i];
            continue;
        }
        const char *text = cell_text(t, i, j);
        const char **found = bsearch(&text, words->word, words->n, sizeof text, by_text);
        if (!found)
            return unknown_category(m, i, j, words);
        *v = (double)(found - words->word);
    }
    return GSL_SUCCESS;
}

/* "new.csv has no columns 'X.0', 'X.1'; it has x.0 (did you mean..), y": of many the first few. */
static int missing_columns(gpf_model *m, const gpf__words *columns)
{
    enum { SHOWN = 4, CANDIDATES = 1000 };
    const gpf_table *t = m->reading->table;
    char wanted[340] = "", list[160] = "", hint[100] = "";
    size_t n = 0;
    for (size_t k = 0; k < columns->n; k++) {
        if (gpf_table_find(t, columns->word[k]) >= 0)
            continue;
        if (n++ < SHOWN)
            gpf__append(wanted, sizeof wanted, "%s'%.60s'", n > 1 ? ", " : "", columns->word[k]);
        gpf__suggestion similar = { .wanted = columns->word[k] };
        for (size_t j = 0; n == 1 && j < gpf_table_columns(t) && j < CANDIDATES; j++)
            gpf__suggest(&similar, gpf_table_column_name(t, j));
        if (n == 1)
            gpf__suggestion_text(&similar, hint, sizeof hint);
    }
    for (size_t j = 0; j < gpf_table_columns(t) && strlen(list) + 1 < sizeof list; j++)
        gpf__append(list, sizeof list, "%s%s", j ? ", " : "", gpf_table_column_name(t, j));
    return gpf__missing(m, "%.100s has no column%s %s%s%s; it has %s", m->reading->path,
                        n > 1 ? "s" : "", wanted, n > SHOWN ? ", .." : "", n == 1 ? hint : "",
                        list);
}

int gpf__read_columns(gpf_model *m, const gpf__words *columns, const gpf__words *words,
                      const gpf__values *out)
{
    const gpf_table *t = m->reading->table;
    for (size_t k = 0; k < columns->n; k++)
        if (gpf_table_find(t, columns->word[k]) < 0)
            return missing_columns(m, columns);
    int status = GSL_SUCCESS;
    for (size_t k = 0; k < columns->n && !status; k++)
        status = read_column(m, (size_t)gpf_table_find(t, columns->word[k]), words, out, k);
    return status;
}

/* Is a table made from a file, or from samples that have been read again? */
static bool follows(const gpf_model *m, const gpf__ast *a)
{
    const gpf__symbol *s = a->kind == GPF__NAME ? gpf__symbol_find(m, a->text) : NULL;
    bool found = (s && s->table.samples) || (a->kind == GPF__CALL && !strcmp(a->text, "csv"));
    for (const gpf__ast *x = a->kind == GPF__CALL ? a->first : NULL; x && !found; x = x->next)
        found = follows(m, x);
    return found;
}

/* Labels that the text of the model knows to be 0 .. n-1. */
static int check_labels(const gpf_model *m, const gpf__values *v, size_t j)
{
    for (size_t i = 0; v->n_classes && i < v->rows; i++)
        if (!(v->v[i] >= 0 && v->v[i] < (double)v->n_classes && v->v[i] == floor(v->v[i])))
            return wrong_cell(m, i, j, "labels are whole numbers from 0 to %zu, not %.10g",
                              v->n_classes - 1, v->v[i]);
    return GSL_SUCCESS;
}

/* A literal or generated table: columns NAME, or NAME.0, NAME.1, .. */
static int plain_table(gpf_model *m, const gpf__statement *s, gpf__values *v)
{
    enum { SIZE = GPF__MAX_NAME + 24 };
    const gpf_table *t = m->reading->table;
    v->rows = gpf_table_rows(t);
    v->words = NULL;
    int status = gpf__charge(m, s->at, "names", v->cols, SIZE / sizeof(double) + 2);
    if (!status)
        status = gpf__reserve(m, s->at, "table", v->rows, v->cols, &v->v);
    if (status)
        return status;
    const char **word = gpf__arena_alloc(m->room, v->cols * sizeof *word);
    char *text = gpf__arena_alloc(m->room, v->cols * SIZE);
    if (!word || !text)
        return gpf__report_nomem(&m->source);
    for (size_t j = 0; j < v->cols; j++) {
        word[j] = text + j * SIZE;
        gpf__format(text + j * SIZE, SIZE, "%s", s->name);
        if (v->cols > 1)
            gpf__append(text + j * SIZE, SIZE, ".%zu", j);
    }
    status = gpf__read_columns(m, &(gpf__words){ v->cols, word }, NULL, v);
    return status ? status : check_labels(m, v, (size_t)gpf_table_find(t, word[0]));
}

/* Gives a symbol its new table, or the reason why it has none. */
static int replace(gpf_model *m, const gpf__statement *s, gpf__symbol *symbol)
{
    gpf__values v = symbol->table;
    const size_t cols = v.cols;
    int status;
    symbol->missing = NULL;
    if (follows(m, s->right))
        status = gpf__data(m, s->right, s->name, s->dims ? 1 : -1, &v);
    else
        status = plain_table(m, s, &v);
    if (!status && v.cols != cols)
        status = gpf__missing(m, "%s has %zu columns now, not %zu", s->name, v.cols, cols);
    if (!status) {
        symbol->table = v;
        return GSL_SUCCESS;
    }
    symbol->table.v = NULL;
    if (status != GPF_EUNBOUND)
        return status;
    const char *why = m->reading->missing;
    symbol->missing = gpf__arena_strndup(m->room, why, strlen(why));
    return symbol->missing ? GSL_SUCCESS : gpf__report_nomem(&m->source);
}

/* What reading changes in the symbols, to be put back if it fails. */
typedef struct before {
    gpf__values table;
    const char *missing;
} before;

static int replace_all(gpf_model *m)
{
    const char *first = NULL;
    bool any = false;
    for (const gpf__statement *s = m->statements; s; s = s->next) {
        gpf__symbol *symbol = s->kind == GPF__DATA ? gpf__symbol_find(m, s->name) : NULL;
        if (!symbol || !symbol->table.samples)
            continue;
        const int status = replace(m, s, symbol);
        if (status)
            return status;
        any |= !symbol->missing;
        first = first ? first : symbol->missing;
    }
    return any ? GSL_SUCCESS : gpf__diag(m->reading->why, GPF_EDATA, "%s", first);
}

/* A point with the samples of the symbols and the old one's params and other data. */
static gpf_point *make_point(const gpf_model *m)
{
    gpf_point *p = gpf_point_alloc(m->g, m->n_samples);
    if (!p)
        return NULL;
    for (size_t i = 0; i < gpf_graph_n_data(m->g); i++) {
        const gpf_node node = gpf_graph_data(m->g, i);
        const gpf__symbol *s = gpf__symbol_find(m, gpf_node_name(m->g, node));
        const bool samples = s && s->node == node && s->table.samples;
        gpf_point_bind(p, node, samples ? s->table.v : gpf_point_values(m->point, node));
    }
    if (gpf_point_params(p))
        gsl_vector_memcpy(gpf_point_params(p), gpf_point_params(m->point));
    return p;
}

static void commit(gpf_model *m, gpf__arena *room, gpf_point *point, const char **notes)
{
    gpf_point_free(m->point);
    gpf__arena_free(&m->other);
    m->point = point;
    m->other = *room;
    m->note_text = notes;
    m->held_out = NULL; /* all rows of the file are in use */
    m->options.rows = 2;
}

static int read_samples(gpf_model *m, gpf__reading *r)
{
    gpf__arena room = { NULL };
    const size_t bytes = m->bytes, n_samples = m->n_samples;
    before *old = malloc(m->n_symbols * sizeof *old);
    if (!old)
        return gpf__diag(r->why, GSL_ENOMEM, "out of memory");
    for (size_t i = 0; i < m->n_symbols; i++)
        old[i] = (before){ m->symbol[i]->table, m->symbol[i]->missing };
    r->next = m->learned;
    m->reading = r;
    m->room = &room;
    m->bytes -= m->bytes_other;
    m->n_samples = gpf_table_rows(r->table);
    const size_t own = m->bytes;
    gpf_point *point = NULL;
    const char **notes = NULL;
    int status = replace_all(m);
    if (!status) {
        point = make_point(m);
        notes = gpf__notes(m, &room, m->n_samples);
        if (!point || !notes)
            status = gpf__diag(r->why, GSL_ENOMEM, "out of memory");
    }
    m->reading = NULL;
    m->room = &m->arena;
    if (!status) {
        m->bytes_other = m->bytes - own;
        commit(m, &room, point, notes);
    } else {
        m->bytes = bytes;
        m->n_samples = n_samples;
        for (size_t i = 0; i < m->n_symbols; i++) {
            m->symbol[i]->table = old[i].table;
            m->symbol[i]->missing = old[i].missing;
        }
        gpf_point_free(point);
        gpf__arena_free(&room);
    }
    free(old);
    return status;
}

int gpf_model_read_data(gpf_model *m, const char *path, gpf_diag *why)
{
    gpf_diag first = { 0 };
    if (!m->n_samples)
        return gpf__diag(why, GPF_EDATA, "%.200s: the model has no data of N rows to replace",
                         path);
    gpf_table *t = gpf__table_read(path, true, &first);
    if (t) {
        gpf__reading r = { .path = path, .table = t, .why = &first };
        const char *name = m->source.name;
        m->source = (gpf__source){
            .text = m->text, .length = m->length, .name = name, .why = &first, .max_why = 1
        };
        read_samples(m, &r);
        if (m->source.n_why) { /* an error in terms of the model's text */
            gpf__append(first.text, sizeof first.text, " (reading %.100s)", path);
            gpf__clean(first.text);
        }
        m->source = (gpf__source){ .name = name };
        gpf_table_free(t);
    }
    if (why)
        *why = first;
    return first.status;
}

int gpf_model_bound(const gpf_model *m, const gpf_node *nodes, size_t n, gpf_diag *why)
{
    unsigned char *need = gpf__needed(m->g, nodes, n);
    int status = gpf__diag(why, need ? GSL_SUCCESS : GSL_ENOMEM, need ? "" : "out of memory");
    for (size_t i = 0; !status && i < gpf_graph_n_data(m->g); i++) {
        const gpf_node node = gpf_graph_data(m->g, i);
        const char *name = gpf_node_name(m->g, node);
        const gpf__symbol *s = gpf__symbol_find(m, name);
        if (need[node] && !gpf_point_values(m->point, node))
            status = gpf__diag(why, GPF_EUNBOUND, "data %s has no values%s%s", name,
                               s && s->missing ? ": " : "", s && s->missing ? s->missing : "");
    }
    free(need);
    return status;
}

const char *gpf_model_category(const gpf_model *m, gpf_node data, size_t code)
{
    const bool is_data = data > GPF_POISON && gpf_node_is_data(m->g, data);
    const char *name = is_data ? gpf_node_name(m->g, data) : NULL;
    const gpf__symbol *s = name ? gpf__symbol_find(m, name) : NULL;
    const gpf__words *words = s && s->node == data ? s->table.words : NULL;
    return words && code < words->n ? words->word[code] : NULL;
}
