/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables: what the right side of a data statement may be. Numbers, made when the model is read. */
#include "model/model.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct context {
    gpf_model *m;
    const char *name; /* of the data */
    int samples;      /* 1 or 0 if declared so, else -1: generators and files have samples */
    gsl_rng *rng;     /* one stream for the whole statement; NULL before it is needed */
} context;

static int eval(context *c, const gpf__ast *a, gpf__values *out);

static int make(context *c, gpf__place at, size_t rows, size_t cols, bool samples, gpf__values *out)
{
    *out = (gpf__values){ .rows = rows,
                          .cols = cols,
                          .samples = c->samples < 0 ? samples : c->samples };
    return gpf__reserve(c->m, at, "table", rows, cols, &out->v);
}

static int rng(context *c)
{
    return c->rng ? GSL_SUCCESS : gpf__stream(c->m, c->name, &c->rng);
}

/* Numbers a function takes, read in order or by name. */
typedef struct argument {
    const char *name;
    bool whole; /* a count: >= 1 */
    double value;
    bool optional;
} argument;

static int read_arguments(context *c, const gpf__ast *call, const gpf__ast *first, argument *arg,
                          size_t n)
{
    gpf__source *src = &c->m->source;
    size_t next = 0;
    unsigned given = 0;
    for (const gpf__ast *a = first; a; a = a->next) {
        size_t i = a->key ? 0 : next++;
        while (a->key && i < n && strcmp(arg[i].name, a->key))
            i++;
        if (i >= n)
            return a->key ? gpf__report(src, a->at, GPF_ENAME, "%s has no parameter '%s'",
                                        call->text, a->key)
                          : gpf__report(src, a->at, GPF_ESYNTAX, "%s takes at most %zu numbers",
                                        call->text, n);
        ptrdiff_t whole = 0;
        const int status = arg[i].whole ? gpf__integer(c->m, a, arg[i].name, 1, INT32_MAX, &whole)
                                        : gpf__number(c->m, a, arg[i].name, &arg[i].value);
        if (status)
            return status;
        if (arg[i].whole)
            arg[i].value = (double)whole;
        given |= 1u << i;
    }
    for (size_t i = 0; i < n; i++)
        if (!arg[i].optional && !(given & 1u << i))
            return gpf__report(src, call->at, GPF_ESYNTAX, "%s: '%s' is missing", call->text,
                               arg[i].name);
    return GSL_SUCCESS;
}

static int filled(context *c, const gpf__ast *a, double value, gpf__values *out)
{
    argument arg[] = { { .name = "rows", .whole = true }, { .name = "columns", .whole = true } };
    int status = read_arguments(c, a, a->first, arg, 2);
    if (!status)
        status = make(c, a->at, (size_t)arg[0].value, (size_t)arg[1].value, true, out);
    for (size_t i = 0; !status && i < out->rows * out->cols; i++)
        out->v[i] = value;
    return status;
}

static int zeros(context *c, const gpf__ast *a, gpf__values *out)
{
    return filled(c, a, 0, out);
}

static int ones(context *c, const gpf__ast *a, gpf__values *out)
{
    return filled(c, a, 1, out);
}

static int normal(context *c, const gpf__ast *a, gpf__values *out)
{
    int status = filled(c, a, 0, out);
    if (!status)
        status = rng(c);
    for (size_t i = 0; !status && i < out->rows * out->cols; i++)
        out->v[i] = gsl_ran_gaussian_ziggurat(c->rng, 1);
    return status;
}

static int uniform(context *c, const gpf__ast *a, gpf__values *out)
{
    argument arg[] = { { .name = "rows", .whole = true },
                       { .name = "columns", .whole = true },
                       { .name = "lo", .value = 0, .optional = true },
                       { .name = "hi", .value = 1, .optional = true } };
    int status = read_arguments(c, a, a->first, arg, 4);
    if (!status && arg[2].value > arg[3].value)
        status = gpf__report(&c->m->source, a->at, GPF_EDATA,
                             "uniform: lo = %.10g is larger than hi = %.10g", arg[2].value,
                             arg[3].value);
    if (!status)
        status = make(c, a->at, (size_t)arg[0].value, (size_t)arg[1].value, true, out);
    if (!status)
        status = rng(c);
    for (size_t i = 0; !status && i < out->rows * out->cols; i++)
        out->v[i] = arg[2].value + (arg[3].value - arg[2].value) * gsl_rng_uniform_pos(c->rng);
    return status;
}

static int randint(context *c, const gpf__ast *a, gpf__values *out)
{
    argument arg[] = { { .name = "rows", .whole = true }, { .name = "k", .whole = true } };
    int status = read_arguments(c, a, a->first, arg, 2);
    if (!status)
        status = make(c, a->at, (size_t)arg[0].value, 1, true, out);
    if (!status)
        status = rng(c);
    if (status)
        return status;
    for (size_t i = 0; i < out->rows; i++)
        out->v[i] = (double)gsl_rng_uniform_int(c->rng, (unsigned long)arg[1].value);
    out->n_classes = (size_t)arg[1].value;
    return GSL_SUCCESS;
}

/* Class j of C has n points: radius r from 0 to 1, angle t from 4j to 4(j+1) plus noise, at
 * (r sin t, r cos t): the spirals of the CS231n notes. */
static int spirals(context *c, const gpf__ast *a, gpf__values *out)
{
    argument arg[] = { { .name = "n", .whole = true },
                       { .name = "classes", .whole = true },
                       { .name = "noise", .value = 0.2, .optional = true } };
    int status = read_arguments(c, a, a->first, arg, 3);
    const size_t n = (size_t)arg[0].value, classes = (size_t)arg[1].value;
    if (!status && arg[2].value < 0)
        status =
            gpf__report(&c->m->source, a->at, GPF_EDATA,
                        "spirals: the noise is a standard deviation, so not %.10g", arg[2].value);
    if (!status)
        status = make(c, a->at, n * classes, 2, true, out);
    if (!status)
        status = rng(c);
    for (size_t i = 0; !status && i < n * classes; i++) {
        const double r = n > 1 ? (double)(i % n) / (double)(n - 1) : 0;
        const double t =
            4 * ((double)(i / n) + r) + gsl_ran_gaussian_ziggurat(c->rng, arg[2].value);
        out->v[2 * i] = r * sin(t);
        out->v[2 * i + 1] = r * cos(t);
    }
    return status;
}

static int spiral_labels(context *c, const gpf__ast *a, gpf__values *out)
{
    argument arg[] = { { .name = "n", .whole = true }, { .name = "classes", .whole = true } };
    int status = read_arguments(c, a, a->first, arg, 2);
    const size_t n = (size_t)arg[0].value, classes = (size_t)arg[1].value;
    if (!status)
        status = make(c, a->at, n * classes, 1, true, out);
    for (size_t i = 0; !status && i < n * classes; i++)
        out->v[i] = (double)(i / n);
    out->n_classes = classes;
    return status;
}

/* Path of a table, relative to the folder of the model. */
static char *table_path(context *c, const char *file)
{
    const char *model = c->m->source.name, *slash = strrchr(model, '/');
    const size_t folder = *file == '/' || !slash ? 0 : (size_t)(slash - model) + 1;
    char *path = gpf__arena_alloc(&c->m->arena, folder + strlen(file) + 1);
    if (!path)
        return NULL;
    memcpy(path, model, folder);
    memcpy(path + folder, file, strlen(file) + 1);
    return path;
}

/* Column j becomes column `to` of out. Text counts as labels, but only alone: codes among
 * measurements would be taken for one. A column of numbers with a slip in it is never labels. */
static int copy_column(context *c, const gpf__ast *at, const gpf_table *t, size_t j, size_t to,
                       const char *path, gpf__values *out)
{
    const size_t classes = gpf_table_categories(t, j);
    if (classes > 0) {
        int line, col;
        bool mixed;
        const char *text = gpf__table_first_text(t, j, &line, &col, &mixed);
        if (mixed || out->cols > 1)
            return gpf__report(&c->m->source, at->whole, GPF_EDATA,
                               "column '%s' is not numbers: '%.40s' at %s:%d:%d%s",
                               gpf_table_column_name(t, j), text, path, line, col,
                               mixed ? "" : "; a column of labels is read alone");
        out->n_classes = classes;
    }
    const double *from = gpf_table_column(t, j);
    for (size_t i = 0; i < out->rows; i++)
        out->v[i * out->cols + to] = from[i];
    return GSL_SUCCESS;
}

static int no_column(context *c, const gpf__ast *at, const gpf_table *t, const char *path)
{
    gpf__suggestion similar = { .wanted = at->text };
    char hint[100], list[160] = "";
    for (size_t j = 0; j < gpf_table_columns(t); j++) {
        gpf__suggest(&similar, gpf_table_column_name(t, j));
        gpf__append(list, sizeof list, "%s%s", j ? ", " : "", gpf_table_column_name(t, j));
    }
    return gpf__report(&c->m->source, at->at, GPF_ENAME, "%s has no column '%s'%s; it has %s", path,
                       at->text, gpf__suggestion_text(&similar, hint, sizeof hint), list);
}

/* The categories of column j, for as long as the model lives. */
static int keep_categories(context *c, gpf__place at, const gpf_table *t, size_t j,
                           const gpf__words **out)
{
    gpf__words *words;
    int status = gpf__make_words(c->m, at, gpf_table_categories(t, j), &words);
    for (size_t i = 0; !status && i < words->n; i++)
        status = gpf__keep_text(c->m, at, gpf_table_category(t, j, i), &words->word[i]);
    *out = words;
    return status;
}

/* What the columns are called, and the categories of one that is labels. */
static int learn_columns(context *c, const gpf__ast *a, const gpf_table *t, gpf__values *out)
{
    gpf__words *columns;
    int status = gpf__make_words(c->m, a->at, out->cols, &columns);
    const gpf__ast *name = a->first->next;
    for (size_t j = 0; !status && j < out->cols; j++) {
        if (name)
            columns->word[j] = name->text, name = name->next;
        else
            status = gpf__keep_text(c->m, a->at, gpf_table_column_name(t, j), &columns->word[j]);
    }
    if (!status && out->n_classes)
        status =
            keep_categories(c, a->at, t, (size_t)gpf_table_find(t, columns->word[0]), &out->words);
    if (status)
        return status;
    return gpf__learn(c->m, (gpf__learned){ .call = a, .columns = columns, .words = out->words });
}

static int fill_from(context *c, const gpf__ast *a, const gpf_table *t, const char *path,
                     gpf__values *out)
{
    const gpf__ast *first = a->first->next;
    const size_t cols = first ? a->n - 1 : gpf_table_columns(t);
    int status = make(c, a->at, gpf_table_rows(t), cols, true, out);
    for (size_t j = 0; !first && j < cols && !status; j++)
        status = copy_column(c, a, t, j, j, path, out);
    size_t to = 0;
    for (const gpf__ast *name = first; name && !status; name = name->next, to++) {
        const long j = gpf_table_find(t, name->text);
        status =
            j < 0 ? no_column(c, name, t, path) : copy_column(c, name, t, (size_t)j, to, path, out);
    }
    return status ? status : learn_columns(c, a, t, out);
}

/* The same columns of the file that is read instead. */
static int fill_again(context *c, const gpf__ast *a, gpf__values *out)
{
    const gpf__learned *l = gpf__recall(c->m, a);
    const gpf_table *t = c->m->reading->table;
    const int status = make(c, a->at, gpf_table_rows(t), l->columns->n, true, out);
    out->words = l->words;
    out->n_classes = l->words ? l->words->n : 0;
    return status ? status : gpf__read_columns(c->m, l->columns, l->words, out);
}

static int csv(context *c, const gpf__ast *a, gpf__values *out)
{
    gpf__source *src = &c->m->source;
    if (c->m->reading)
        return fill_again(c, a, out);
    if (!a->first || a->first->kind != GPF__STRING || a->first->key)
        return gpf__report(src, a->at, GPF_ESYNTAX,
                           "csv takes the file's name and names of columns: csv(\"file.csv\", TV)");
    for (const gpf__ast *name = a->first->next; name; name = name->next)
        if ((name->kind != GPF__STRING && name->kind != GPF__NAME) || name->key)
            return gpf__report(src, name->whole, GPF_ESYNTAX,
                               "a column is a name, or a string if it has blanks in it");
    const char *path = table_path(c, a->first->text);
    if (!path)
        return gpf__report_nomem(src);
    gpf_diag why;
    gpf_table *t = gpf_table_read(path, &why);
    if (!t && why.status == GSL_ENOMEM)
        return gpf__report_nomem(src);
    if (!t && why.line)
        return gpf__report(src, a->first->at, why.status, "%s:%d:%d: %s", path, why.line,
                           why.column, why.text);
    if (!t)
        return gpf__report(src, a->first->at, why.status, "%s: %s", path, why.text);
    const int status = fill_from(c, a, t, path, out);
    gpf_table_free(t);
    return status;
}

/* Which of its rows a split holds out: the same for every table of samples. */
static int split_rows(context *c, gpf__place at, size_t rows)
{
    gpf_model *m = c->m;
    if (m->held_out || m->split <= 0)
        return GSL_SUCCESS;
    const size_t n = (size_t)floor(m->split * (double)rows + 0.5);
    if (n < 1 || n >= rows)
        return gpf__report(&m->source, at, GPF_EDATA, "split %g of %zu rows leaves no %s rows",
                           m->split, rows, n < 1 ? "test" : "training");
    unsigned char *held = gpf__arena_alloc(&m->arena, rows);
    if (!held)
        return gpf__report_nomem(&m->source);
    memset(held, 1, n);
    gsl_rng *r;
    const int status = gpf__stream(m, "split", &r);
    if (status)
        return status;
    gsl_ran_shuffle(r, held, rows, 1);
    gsl_rng_free(r);
    m->held_out = held;
    return GSL_SUCCESS;
}

/* The first table of samples says how many there are. */
static int check_samples(context *c, gpf__place at, const gpf__values *v)
{
    gpf_model *m = c->m;
    if (!v->samples)
        return GSL_SUCCESS;
    if (m->reading && m->n_samples != v->rows)
        return gpf__missing(m, "%s has %zu rows of its own, not the %zu of %s", c->name, v->rows,
                            m->n_samples, m->reading->path);
    if (m->n_samples && m->n_samples != v->rows)
        return gpf__report(&m->source, at, GPF_ESHAPE,
                           "%s has %zu rows but %s has %zu; all tables "
                           "of N samples must have the same",
                           c->name, v->rows, m->samples_name, m->n_samples);
    const int status = split_rows(c, at, v->rows);
    if (!status && !m->n_samples) {
        m->n_samples = v->rows;
        m->samples_name = c->name;
    }
    return status;
}

/* Mean and standard deviation of every column, both of the training rows. */
static int learn_scale(context *c, const gpf__ast *a, const gpf__values *v)
{
    gpf__learned l = { .call = a };
    int status = gpf__reserve(c->m, a->at, "means", 1, v->cols, &l.mean);
    if (!status)
        status = gpf__reserve(c->m, a->at, "deviations", 1, v->cols, &l.deviation);
    if (status)
        return status;
    const unsigned char *held = v->samples ? c->m->held_out : NULL;
    for (size_t j = 0; j < v->cols; j++) {
        double n = 0, sum = 0, squares = 0, lo = INFINITY, hi = -INFINITY;
        for (size_t i = 0; i < v->rows; i++) {
            const double x = v->v[i * v->cols + j];
            if (held && held[i])
                continue;
            n++;
            sum += x;
            lo = x < lo ? x : lo;
            hi = x > hi ? x : hi;
        }
        const double mean = sum / n;
        for (size_t i = 0; i < v->rows; i++)
            if (!(held && held[i]))
                squares += pow(v->v[i * v->cols + j] - mean, 2);
        const double sd = sqrt(squares / n);
        if (lo == hi || !(sd > 0) || !isfinite(sd))
            return gpf__report(&c->m->source, a->at, GPF_EDATA,
                               "standardize: column %zu of %s is %.10g in all %.0f rows", j + 1,
                               c->name, lo, n);
        l.mean[j] = mean;
        l.deviation[j] = sd;
    }
    return gpf__learn(c->m, l);
}

/* Columns to mean 0 and standard deviation 1, also when other rows are read: those of the model's
 * own. */
static int standardize(context *c, const gpf__ast *a, gpf__values *out)
{
    if (a->n != 1 || a->first->key)
        return gpf__report(&c->m->source, a->at, GPF_ESYNTAX, "standardize takes one table");
    int status = eval(c, a->first, out);
    if (!status)
        status = check_samples(c, a->at, out);
    if (!status && !c->m->reading)
        status = learn_scale(c, a, out);
    if (status)
        return status;
    const gpf__learned *l = c->m->reading ? gpf__recall(c->m, a) : c->m->last_learned;
    out->n_classes = 0;
    out->words = NULL;
    for (size_t i = 0; i < out->rows * out->cols; i++)
        out->v[i] = (out->v[i] - l->mean[i % out->cols]) / l->deviation[i % out->cols];
    return GSL_SUCCESS;
}

static int one_hot(context *c, const gpf__ast *a, gpf__values *out)
{
    gpf__source *src = &c->m->source;
    argument arg[] = { { .name = "classes", .whole = true, .optional = true } };
    gpf__values labels;
    if (!a->first || a->first->key)
        return gpf__report(src, a->at, GPF_ESYNTAX, "one_hot takes a table of labels");
    int status = eval(c, a->first, &labels);
    if (!status)
        status = read_arguments(c, a, a->first->next, arg, 1);
    if (status)
        return status;
    if (labels.cols != 1)
        return gpf__report(src, a->at, GPF_ESHAPE, "one_hot: labels are one column, not %zu",
                           labels.cols);
    const gpf__learned *l = c->m->reading ? gpf__recall(c->m, a) : NULL;
    const double most = l                  ? (double)l->n_classes
                        : arg[0].value > 0 ? arg[0].value
                        : labels.n_classes ? (double)labels.n_classes
                                           : INT32_MAX;
    double max = 0;
    for (size_t i = 0; i < labels.rows; i++) {
        const double x = labels.v[i];
        if (!(x >= 0 && x < most && x == floor(x)))
            return gpf__report(src, a->at, GPF_EDATA,
                               "one_hot: row %zu is %.10g, labels are whole numbers from 0 to %.0f",
                               i + 1, x, most - 1);
        max = x > max ? x : max;
    }
    const size_t classes = most < INT32_MAX ? (size_t)most : (size_t)max + 1;
    status = make(c, a->at, labels.rows, classes, labels.samples, out);
    for (size_t i = 0; !status && i < labels.rows; i++)
        out->v[i * classes + (size_t)labels.v[i]] = 1;
    out->words = labels.words;
    if (status || l)
        return status;
    return gpf__learn(c->m, (gpf__learned){ .call = a, .n_classes = classes });
}

static int literal(context *c, const gpf__ast *a, gpf__values *out)
{
    if (a->bad)
        return GPF_ESYNTAX;
    const int status = make(c, a->whole, a->rows, a->cols, false, out);
    return status ? status : gpf__literal(c->m, a, out->v);
}

/* Arithmetic of tables: equal shapes, or one of them a number. */
static double add(double x, double y)
{
    return x + y;
}

static double sub(double x, double y)
{
    return x - y;
}

static double mul(double x, double y)
{
    return x * y;
}

static double divide(double x, double y)
{
    return x / y;
}

static const struct arithmetic {
    const char *name;
    double (*f)(double x, double y);
} arithmetic[] = { { "add", add }, { "sub", sub }, { "mul", mul }, { "div", divide } };

static int combine(context *c, const gpf__ast *a, double (*f)(double, double), gpf__values *out)
{
    gpf__values x, y;
    int status = eval(c, a->first, &x);
    if (!status)
        status = eval(c, a->last, &y);
    if (status)
        return status;
    const bool x_one = x.rows * x.cols == 1, y_one = y.rows * y.cols == 1;
    if (c->m->reading && !x_one && !y_one && x.rows != y.rows)
        return gpf__missing(c->m, "%s is made of tables of %zu and %zu rows", c->name, x.rows,
                            y.rows);
    if (!x_one && !y_one && (x.rows != y.rows || x.cols != y.cols))
        return gpf__report(&c->m->source, a->at, GPF_ESHAPE, "%s of tables: %zux%zu and %zux%zu",
                           a->text, x.rows, x.cols, y.rows, y.cols);
    *out = x_one ? y : x;
    out->number = x.number && y.number;
    out->samples = x.samples || y.samples;
    out->n_classes = 0;
    out->words = NULL;
    for (size_t i = 0; i < out->rows * out->cols; i++) {
        const double u = x.v[x_one ? 0 : i], w = y.v[y_one ? 0 : i];
        out->v[i] = f(u, w);
        if (!isfinite(out->v[i]))
            return gpf__report(&c->m->source, a->at, GPF_EDATA, "%s: %.10g and %.10g give %g",
                               a->text, u, w, out->v[i]);
        if (x_one && y_one)
            break;
    }
    return GSL_SUCCESS;
}

static const struct function {
    const char *name;
    int (*make)(context *c, const gpf__ast *a, gpf__values *out);
} functions[] = {
    { "csv", csv },         { "normal", normal },   { "uniform", uniform },
    { "randint", randint }, { "spirals", spirals }, { "spiral_labels", spiral_labels },
    { "zeros", zeros },     { "ones", ones },       { "standardize", standardize },
    { "one_hot", one_hot }
};

static int call(context *c, const gpf__ast *a, gpf__values *out)
{
    for (size_t i = 0; a->n == 2 && i < sizeof arithmetic / sizeof *arithmetic; i++)
        if (!strcmp(arithmetic[i].name, a->text))
            return combine(c, a, arithmetic[i].f, out);
    gpf__suggestion similar = { .wanted = a->text };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (!strcmp(functions[i].name, a->text))
            return functions[i].make(c, a, out);
        gpf__suggest(&similar, functions[i].name);
    }
    char hint[100];
    return gpf__report(&c->m->source, a->at, GPF_ENAME,
                       "%s does not make a table%s; it may be csv, normal, uniform, randint, "
                       "spirals, spiral_labels, zeros, ones, standardize, one_hot, + - * /",
                       a->text, gpf__suggestion_text(&similar, hint, sizeof hint));
}

/* A number; or an earlier table, whole and copied, because functions work in place. */
static int other(context *c, const gpf__ast *a, gpf__values *out)
{
    const gpf__symbol *s = a->kind == GPF__NAME ? gpf__symbol_find(c->m, a->text) : NULL;
    int status;
    if (s && s->missing)
        return gpf__missing(c->m, "%s", s->missing);
    if (s && s->table.v) {
        const gpf__values *t = &s->table;
        status = make(c, a->at, t->rows, t->cols, t->samples, out);
        out->n_classes = t->n_classes;
        out->words = t->words;
        if (!status)
            memcpy(out->v, t->v, t->rows * t->cols * sizeof *t->v);
        return status;
    }
    double value;
    status = gpf__number(c->m, a, "data", &value);
    if (!status)
        status = make(c, a->at, 1, 1, false, out);
    if (status)
        return status;
    *out->v = value;
    out->number = true;
    return GSL_SUCCESS;
}

static int eval(context *c, const gpf__ast *a, gpf__values *out)
{
    memset(out, 0, sizeof *out);
    if (a->kind == GPF__MATRIX)
        return literal(c, a, out);
    if (a->kind == GPF__CALL && strcmp(a->text, "neg"))
        return call(c, a, out);
    return other(c, a, out);
}

int gpf__data(gpf_model *m, const gpf__ast *a, const char *name, int samples, gpf__values *out)
{
    context c = { .m = m, .name = name, .samples = samples };
    int status = eval(&c, a, out);
    if (!status)
        status = check_samples(&c, a->whole, out);
    if (c.rng)
        gsl_rng_free(c.rng);
    return status;
}
