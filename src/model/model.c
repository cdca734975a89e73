/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/model.h"
#include "train/archive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash(const char *s)
{
    return gpf__hash(GPF__HASH, s, strlen(s));
}

/* The table entry of a name, or the empty one where it belongs. */
static size_t *entry(const gpf_model *m, const char *name, uint64_t h)
{
    size_t i = (size_t)h & (m->table_size - 1);
    for (; m->table[i]; i = (i + 1) & (m->table_size - 1)) {
        const gpf__symbol *s = m->symbol[m->table[i] - 1];
        if (s->hash == h && !strcmp(s->name, name))
            break;
    }
    return &m->table[i];
}

static int grow_table(gpf_model *m)
{
    if (2 * (m->n_symbols + 1) <= m->table_size)
        return GSL_SUCCESS;
    const size_t size = m->table_size ? 2 * m->table_size : 64;
    size_t *table = calloc(size, sizeof *table);
    if (!table)
        return GSL_ENOMEM;
    free(m->table);
    m->table = table;
    m->table_size = size;
    for (size_t i = 0; i < m->n_symbols; i++)
        *entry(m, m->symbol[i]->name, m->symbol[i]->hash) = i + 1;
    return GSL_SUCCESS;
}

gpf__symbol *gpf__symbol_find(const gpf_model *m, const char *name)
{
    const size_t i = m->table_size ? *entry(m, name, hash(name)) : 0;
    return i ? m->symbol[i - 1] : NULL;
}

gpf__symbol *gpf__symbol_get(gpf_model *m, const char *name)
{
    gpf__symbol *s = gpf__symbol_find(m, name);
    if (s)
        return s;
    s = gpf__arena_alloc(&m->arena, sizeof *s);
    char *copy = gpf__arena_strndup(&m->arena, name, strlen(name));
    if (!s || !copy || grow_table(m) ||
        gpf__grow(&m->symbol, &m->symbol_cap, m->n_symbols + 1, sizeof *m->symbol)) {
        gpf__report_nomem(&m->source);
        return NULL;
    }
    s->name = copy;
    s->hash = hash(copy);
    s->node = GPF_POISON;
    *entry(m, copy, s->hash) = m->n_symbols + 1;
    m->symbol[m->n_symbols++] = s;
    return s;
}

int gpf__symbol_check_new(gpf_model *m, const char *name, gpf__place at)
{
    const gpf__symbol *s = gpf__symbol_find(m, name);
    if (!strcmp(name, "N") || !strcmp(name, "pi"))
        return gpf__report(&m->source, at, GPF_ENAME, "%s always means %s", name,
                           *name == 'N' ? "the number of samples" : "3.14159...");
    if (!s || !s->assigned)
        return GSL_SUCCESS;
    return gpf__report(&m->source, at, GPF_ENAME, "'%s' was given its meaning in line %d already",
                       name, s->at.line);
}

int gpf__symbol_assign(gpf_model *m, const char *name, gpf__place at, gpf_node node)
{
    const int status = gpf__symbol_check_new(m, name, at);
    if (status)
        return status;
    gpf__symbol *s = gpf__symbol_get(m, name);
    if (!s)
        return GSL_ENOMEM;
    if (gpf__grow(&m->name, &m->name_cap, m->n_names + 1, sizeof *m->name))
        return gpf__report_nomem(&m->source);
    size_t *uses = gpf__arena_alloc(&m->arena, m->n_current * sizeof *uses);
    if (!uses)
        return gpf__report_nomem(&m->source);
    if (m->n_current)
        memcpy(uses, m->current, m->n_current * sizeof *uses);
    s->uses = uses;
    s->n_uses = m->n_current;
    s->assigned = true;
    s->at = at;
    s->node = node;
    m->name[m->n_names++] = s->name;
    /* A number is not named: lambda = 1 would turn every 1 of the graph into "lambda". */
    double value;
    if (node == GPF_POISON || gpf_node_is_const(m->g, node, &value) || gpf_node_name(m->g, node))
        return GSL_SUCCESS;
    gpf_node_set_name(m->g, node, s->name);
    return gpf__report_graph(m, at);
}

int gpf__report_graph(gpf_model *m, gpf__place at)
{
    gpf_diag why;
    const int status = gpf_graph_status(m->g, &why);
    /* a gradient of a gradient of a gradient.. grows as fast as it can be written */
    if (gpf_graph_n_nodes(m->g) > GPF__MAX_NODES && !m->source.status)
        m->source.status =
            gpf__report(&m->source, at, GPF_ELIMIT, "the graph has more than %d nodes up to here",
                        GPF__MAX_NODES);
    if (!status)
        return m->source.status;
    gpf_graph_clear_status(m->g);
    if (status == GSL_ENOMEM)
        return gpf__report_nomem(&m->source);
    return gpf__report(&m->source, at, status, "%s", why.text);
}

int gpf__charge(gpf_model *m, gpf__place at, const char *what, size_t rows, size_t cols)
{
    const double bytes = (double)rows * (double)cols * sizeof(double);
    if (bytes > (double)(m->options.max_bytes - m->bytes))
        return gpf__report(&m->source, at, GPF_ELIMIT,
                           "%s of %zux%zu takes %.3g MB; with what there is, that is more than "
                           "the limit of %.3g MB",
                           what, rows, cols, bytes / 1e6, (double)m->options.max_bytes / 1e6);
    m->bytes += rows * cols * sizeof(double);
    return GSL_SUCCESS;
}

int gpf__reserve(gpf_model *m, gpf__place at, const char *what, size_t rows, size_t cols,
                 double **v)
{
    const int status = gpf__charge(m, at, what, rows, cols);
    if (status)
        return status;
    *v = gpf__arena_alloc(m->room, rows * cols * sizeof **v);
    return *v ? GSL_SUCCESS : gpf__report_nomem(&m->source);
}

int gpf__remember_leaf(gpf_model *m, gpf_node node, const double *values)
{
    if (gpf__grow(&m->leaf, &m->leaf_cap, m->n_leaves + 1, sizeof *m->leaf))
        return gpf__report_nomem(&m->source);
    m->leaf[m->n_leaves++] = (gpf__leaf){ node, values };
    return GSL_SUCCESS;
}

/* Samples in the chosen part of the split. */
static size_t batch(const gpf_model *m, int rows)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_samples; i++)
        n += !m->held_out || rows == 2 || m->held_out[i] == (rows == 1);
    return n;
}

static int make_point(gpf_model *m)
{
    m->point = gpf_point_alloc(m->g, batch(m, m->options.rows));
    if (!m->point)
        return gpf__report_nomem(&m->source);
    for (size_t i = 0; i < m->n_leaves; i++) {
        const gpf__leaf *l = &m->leaf[i];
        if (gpf_node_is_data(m->g, l->node))
            gpf_point_bind(m->point, l->node, l->values);
        else
            memcpy(gpf_point_params(m->point)->data + gpf_param_offset(m->g, l->node), l->values,
                   gpf_shape_size(gpf_node_shape(m->g, l->node), 0) * sizeof *l->values);
    }
    return GSL_SUCCESS;
}

const char **gpf__notes(gpf_model *m, gpf__arena *arena, size_t N)
{
    enum { SIZE = 200 };
    const char **all = gpf__arena_alloc(arena, (m->n_notes + 1) * sizeof *all);
    for (size_t i = 0; all && i < m->n_notes; i++) {
        char *text = gpf__arena_alloc(arena, SIZE), shape[64];
        if (!text)
            return NULL;
        const gpf__note *n = &m->note[i];
        gpf__format(text, SIZE, "%s: reduction=%s over %s", n->loss, n->reduction,
                    gpf_shape_text(n->shape, shape, sizeof shape));
        if (strchr(shape, 'N'))
            gpf__append(text, SIZE, ", N = %zu", N);
        all[i] = text;
    }
    return all;
}

static void parse(gpf_model *m)
{
    gpf__statement *statements = NULL;
    if (m->options.split < 0 || m->options.split >= 1 || isnan(m->options.split))
        gpf__report(&m->source, (gpf__place){ 0, 0, 0 }, GPF_EDATA,
                    "split is the part of the rows to hold out, between 0 and 1, not %g",
                    m->options.split);
    else
        m->split = m->options.split;
    if (!gpf__ast_parse(&m->source, &m->tree, &statements))
        gpf__build(m, statements);
    if (m->n_samples)
        m->statements = statements; /* for gpf_model_read_data */
    else
        gpf__arena_free(&m->tree);
    if (m->options.rows && !m->held_out && !m->source.n_why)
        gpf__report(&m->source, (gpf__place){ 0, 0, 0 }, GPF_EDATA,
                    "%s rows are asked for, but the model has no split of sample tables",
                    m->options.rows == 1 ? "test" : "all");
    if (m->source.n_why || make_point(m))
        return;
    m->note_text = gpf__notes(m, &m->arena, gpf_point_batch(m->point));
    if (!m->note_text)
        gpf__report_nomem(&m->source);
    else
        gpf__find_task(m);
}

gpf_model *gpf_model_parse(const char *text, size_t length, const char *name,
                           const gpf_model_options *options, gpf_diag *why, size_t max_why,
                           size_t *n_why)
{
    gpf_diag none;
    size_t count;
    gpf__source source = { .text = text,
                           .length = length,
                           .name = name,
                           .why = max_why ? why : &none,
                           .max_why = why ? max_why : 0 };
    gpf_model *m = calloc(1, sizeof *m);
    gpf_graph *g = m ? gpf_graph_alloc() : NULL;
    n_why = n_why ? n_why : &count;
    if (!g) {
        free(m);
        gpf__report_nomem(&source);
        *n_why = source.n_why;
        return NULL;
    }
    m->g = g;
    m->room = &m->arena;
    m->source = source;
    if (options)
        m->options = *options;
    if (!m->options.max_bytes)
        m->options.max_bytes = (size_t)1 << 30;
    m->seed = options && options->seed_given ? options->seed : 1;
    m->train = gpf_train_defaults();
    m->rate = GPF_NONE;
    char *copy = gpf__arena_strndup(&m->arena, name, strlen(name));
    if (copy) {
        m->source.name = copy;
        parse(m);
    } else {
        gpf__report_nomem(&m->source);
    }
    if (m->statements && !(m->text = gpf__arena_strndup(&m->tree, text, length)))
        gpf__report_nomem(&m->source);
    *n_why = m->source.n_why;
    if (*n_why) {
        gpf_model_free(m);
        return NULL;
    }
    m->length = length;
    m->source = (gpf__source){ .name = m->source.name }; /* text and why are the caller's */
    return m;
}

gpf_model *gpf_model_read(const char *path, const gpf_model_options *options, gpf_diag *why,
                          size_t max_why, size_t *n_why)
{
    char *text = NULL, reason[100];
    size_t length = 0, count;
    const int status =
        gpf__read_file(path, true, GPF__MAX_TEXT, &text, &length, reason, sizeof reason);
    if (status) {
        gpf__source source = { .name = path, .why = why, .max_why = why ? max_why : 0 };
        gpf__report(&source, (gpf__place){ 0, 0, 0 }, status, "%s", reason);
        *(n_why ? n_why : &count) = source.n_why;
        return NULL;
    }
    gpf_model *m = gpf_model_parse(text, length, path, options, why, max_why, n_why);
    free(text);
    return m;
}

void gpf_model_free(gpf_model *m)
{
    if (!m)
        return;
    gpf_point_free(m->point);
    gpf_graph_free(m->g);
    free(m->symbol);
    free(m->table);
    free(m->name);
    free(m->leaf);
    free(m->use);
    free(m->current);
    free(m->claim);
    free(m->note);
    free(m->given);
    free(m->update);
    free(m->loss);
    gpf__arena_free(&m->arena);
    gpf__arena_free(&m->tree);
    gpf__arena_free(&m->other);
    free(m);
}

gpf_graph *gpf_model_graph(gpf_model *m)
{
    return m->g;
}

gpf_point *gpf_model_point(gpf_model *m)
{
    return m->point;
}

unsigned long gpf_model_seed(const gpf_model *m)
{
    return m->seed;
}

const gpf_train_options *gpf_model_train_options(const gpf_model *m)
{
    return &m->train;
}

int gpf_model_update(const gpf_model *m, size_t i, gpf_node *param, gpf_node *next)
{
    if (i >= m->n_updates)
        return 0;
    *param = m->update[i].param;
    *next = m->update[i].next;
    return 1;
}

gpf_node gpf_model_rate(const gpf_model *m)
{
    return m->rate;
}

/* Binds the data of the leaves as they are in those rows. */
static int bind_rows(gpf_model *m, gpf_point *at, int rows)
{
    for (size_t i = 0; i < m->n_leaves; i++) {
        const gpf_node node = m->leaf[i].node;
        if (!gpf_node_is_data(m->g, node))
            continue;
        const gpf__values *table = &gpf__symbol_find(m, gpf_node_name(m->g, node))->table;
        const double *values = m->leaf[i].values;
        const int status = table->v
                               ? gpf__choose_rows(m, (gpf__place){ 0, 0, 0 }, table, rows, &values)
                               : GSL_SUCCESS;
        if (status)
            return status;
        gpf_point_bind(at, node, values);
    }
    return GSL_SUCCESS;
}

gpf_point *gpf_model_rows(gpf_model *m, int rows, gpf_diag *why)
{
    gpf_diag first = { 0 };
    const char *name = m->source.name;
    if (!m->held_out) {
        gpf__diag(why, GPF_EDATA, "%s holds nothing out: it has no split", name);
        return NULL;
    }
    gpf_point *at = gpf_point_alloc(m->g, batch(m, rows));
    if (!at) {
        gpf__diag(why, GSL_ENOMEM, "no memory for a point");
        return NULL;
    }
    m->source = (gpf__source){ .name = name, .why = &first, .max_why = 1 };
    const int status = bind_rows(m, at, rows);
    m->source = (gpf__source){ .name = name };
    if (why)
        *why = first;
    if (status) {
        gpf_point_free(at);
        return NULL;
    }
    if (gpf_point_params(at))
        gsl_vector_memcpy(gpf_point_params(at), gpf_point_params(m->point));
    return at;
}

gpf_node gpf_model_find(const gpf_model *m, const char *name)
{
    const gpf__symbol *s = gpf__symbol_find(m, name);
    return s && s->assigned ? s->node : GPF_NONE;
}

const char *gpf_model_name(const gpf_model *m, size_t i)
{
    return i < m->n_names ? m->name[i] : NULL;
}

gpf_node gpf_model_output(const gpf_model *m)
{
    gpf_node constant = GPF_NONE;
    const gpf_node loss = gpf_model_find(m, "loss");
    if (loss != GPF_NONE)
        return loss;
    for (size_t i = m->n_names; i-- > 0;) {
        const gpf_node n = gpf_model_find(m, m->name[i]);
        const gpf_shape s = gpf_node_shape(m->g, n);
        const bool leaf = gpf_node_is_param(m->g, n) || gpf_node_is_data(m->g, n);
        int n_x;
        gpf_node_inputs(m->g, n, &n_x);
        /* a data or param statement names the leaf itself, z = x gives it a second name; N elements
         * are one only by chance */
        if (gpf_shape_size(s, 1) != 1 || gpf_shape_size(s, 2) != 1 ||
            (leaf && !strcmp(gpf_node_name(m->g, n), m->name[i])))
            continue;
        if (n_x > 0 || leaf)
            return n;
        if (constant == GPF_NONE) /* H = 64 is rarely what is meant */
            constant = n;
    }
    return constant;
}

size_t gpf_model_n_claims(const gpf_model *m)
{
    return m->n_claims;
}

gpf_model_claim gpf_model_claim_at(const gpf_model *m, size_t i)
{
    return m->claim[i];
}

const char *gpf_model_note(const gpf_model *m, size_t i)
{
    return i < m->n_notes ? m->note_text[i] : NULL;
}

int gpf_model_note_concerns(const gpf_model *m, size_t i, gpf_node y)
{
    if (i >= m->n_notes || y < m->note[i].y)
        return 0;
    const gpf_node loss = m->note[i].y;
    bool *need = calloc((size_t)y + 1, sizeof *need);
    if (!need)
        return 1;
    need[y] = true;
    for (gpf_node k = y; k > loss; k--) {
        int n;
        const gpf_node *x = gpf_node_inputs(m->g, k, &n);
        for (int j = 0; need[k] && j < n; j++)
            need[x[j]] = true;
    }
    const int concerns = need[loss];
    free(need);
    return concerns;
}

/* One NAME = literal of a file of params. */
static void read_param(gpf_model *m, const gpf__statement *s)
{
    gpf__source *src = &m->source;
    gpf__symbol *symbol = s->name ? gpf__symbol_find(m, s->name) : NULL;
    if (s->kind != GPF__ASSIGN) {
        gpf__report(src, s->at, GPF_ESYNTAX, "expected lines like W = [1 2; 3 4] and nothing else");
        return;
    }
    if (!s->right)
        return;
    if (!symbol || !symbol->assigned) {
        gpf__suggestion similar = { .wanted = s->name };
        char hint[100];
        for (size_t i = 0; i < m->n_names; i++)
            if (gpf_node_is_param(m->g, gpf_model_find(m, m->name[i])))
                gpf__suggest(&similar, m->name[i]);
        gpf__report(src, s->at, GPF_ENAME, "the model has no param '%s'%s", s->name,
                    gpf__suggestion_text(&similar, hint, sizeof hint));
        return;
    }
    /* What eval prints beside params: data, assigned nodes, and z = W, W's second name. */
    if (!gpf_node_is_param(m->g, symbol->node) ||
        strcmp(gpf_node_name(m->g, symbol->node), s->name))
        return;
    if (symbol->given) {
        gpf__report(src, s->at, GPF_ENAME, "param %s is given twice", s->name);
        return;
    }
    symbol->given = true;
    const gpf_shape shape = gpf_node_shape(m->g, symbol->node);
    const bool matrix = s->right->kind == GPF__MATRIX;
    if (s->right->bad)
        return;
    const size_t n = gpf_shape_size(shape, 0);
    char text[64];
    if (matrix && !gpf__fits(shape, s->right->rows, s->right->cols)) {
        gpf__report(src, s->right->whole, GPF_ESHAPE, "param %s is %s but its values are %zux%zu",
                    s->name, gpf_shape_text(shape, text, sizeof text), s->right->rows,
                    s->right->cols);
        return;
    }
    double *to = gpf_point_params(m->point)->data + gpf_param_offset(m->g, symbol->node);
    double number;
    if (matrix)
        gpf__literal(m, s->right, to);
    else if (!gpf__number(m, s->right, s->name, &number))
        for (size_t i = 0; i < n; i++) /* as in the model: a number fills all of it */
            to[i] = number;
}

/* An archive, or what is called one: its reader then says what is wrong with it. */
static bool is_archive(const char *path)
{
    return gpf__archive_format_for(path) || (strcmp(path, "-") && gpf_archive_is(path));
}

static int read_lines(gpf_model *m, const char *path, gpf_diag *why)
{
    char *text = NULL, reason[100];
    size_t length = 0;
    gpf_diag first = { 0 };
    const char *name = m->source.name;
    m->source = (gpf__source){ .name = path, .why = &first, .max_why = 1 };
    int status = gpf__read_file(path, true, GPF__MAX_TEXT, &text, &length, reason, sizeof reason);
    if (status)
        gpf__report(&m->source, (gpf__place){ 0, 0, 0 }, status, "%s", reason);
    m->source.text = text;
    m->source.length = length;
    gpf__arena tree = { NULL };
    gpf__statement *s = NULL;
    for (size_t i = 0; i < m->n_symbols; i++)
        m->symbol[i]->given = false;
    if (!status)
        gpf__ast_parse(&m->source, &tree, &s);
    for (; s && m->source.status == GSL_SUCCESS; s = s->next)
        read_param(m, s);
    gpf__arena_free(&tree);
    free(text);
    m->source = (gpf__source){ .name = name };
    if (why)
        *why = first;
    return first.status;
}

int gpf_model_read_params(gpf_model *m, const char *path, gpf_diag *why)
{
    gsl_vector *theta = gpf_point_params(m->point), *before = NULL;
    if (theta && !(before = gsl_vector_alloc(theta->size)))
        return gpf__diag(why, GSL_ENOMEM, "out of memory");
    if (theta)
        gsl_vector_memcpy(before, theta);
    const int status =
        is_archive(path) ? gpf_params_read(m->g, theta, path, why) : read_lines(m, path, why);
    if (theta && status)
        gsl_vector_memcpy(theta, before);
    gsl_vector_free(before);
    return status;
}
