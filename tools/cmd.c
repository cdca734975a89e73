/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the verbs share: errors, the model and its names, values. */
#include "cmd.h"
#include "base/json.h"
#include <fnmatch.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

/* What GSL's handler was told first. Threads of the checker may report at once. */
static char gsl_reason[256];
static atomic_flag gsl_reported = ATOMIC_FLAG_INIT;

void cmd_gsl_error(const char *reason, const char *file, int line, int status)
{
    (void)file;
    (void)line;
    (void)status;
    if (!atomic_flag_test_and_set(&gsl_reported))
        snprintf(gsl_reason, sizeof gsl_reason, "%s", reason);
}

/* Texts may quote any bytes of a file: nothing in them may control a terminal. */
static void put_clean(const char *s)
{
    for (; *s; s++)
        putc(((unsigned char)*s < ' ' && *s != '\t') || *s == 127 ? '?' : *s, stderr);
}

static void put_caret(const gpf_diag *d)
{
    fputs("  ", stderr);
    put_clean(d->source);
    fputs("\n  ", stderr);
    int at = 1;
    const char *c = d->source;
    for (; *c && at < d->caret; c++, at++)
        if (((unsigned char)*c & 0xC0) != 0x80) /* one column per character, not per byte */
            putc(*c == '\t' ? '\t' : ' ', stderr);
    putc('^', stderr);
    for (at = 1; at < d->width && *c; at++, c++)
        if (c[1] && ((unsigned char)c[1] & 0xC0) != 0x80)
            putc('~', stderr);
    putc('\n', stderr);
}

static json_t *diag_json(const gpf_diag *d)
{
    json_t *e = json_object();
    int bad = json_object_set_new(e, "text", cmd_json_text(d->text));
    bad |= json_object_set_new(e, "kind", json_string(gpf_strerror(d->status)));
    bad |= json_object_set_new(e, "file", d->file[0] ? cmd_json_text(d->file) : json_null());
    bad |= json_object_set_new(e, "line", json_integer(d->line));
    bad |= json_object_set_new(e, "column", json_integer(d->column));
    bad |= json_object_set_new(e, "width", json_integer(d->width));
    bad |= json_object_set_new(e, "caret", json_integer(d->caret));
    bad |= json_object_set_new(e, "source", cmd_json_text(d->source));
    return cmd_json_built(e, bad);
}

int cmd_fail(const cmd *o, const gpf_diag *why, size_t shown, size_t total)
{
    for (size_t i = 0; i < shown; i++) {
        put_clean(why[i].file[0] ? why[i].file : "gradproof");
        if (why[i].line)
            fprintf(stderr, ":%d:%d", why[i].line, why[i].column);
        fputs(": ", stderr);
        put_clean(why[i].text);
        putc('\n', stderr);
        if (why[i].line && why[i].source[0])
            put_caret(&why[i]);
    }
    if (total > shown)
        fprintf(stderr, "... and %zu more\n", total - shown);
    if (o->json) {
        json_t *members = json_object(), *errors = json_array();
        int bad = json_object_set_new(members, "outcome", json_string("trouble"));
        bad |= json_object_set_new(members, "exit_status", json_integer(2));
        for (size_t i = 0; i < shown; i++)
            bad |= json_array_append_new(errors, diag_json(&why[i]));
        bad |= json_object_set_new(members, "errors", errors);
        bad |= json_object_set_new(members, "errors_total", json_integer((json_int_t)total));
        cmd_put_json(o, cmd_json_built(members, bad));
    }
    return GPF_OUTCOME_TROUBLE;
}

int cmd_failf(const cmd *o, int status, const char *format, ...)
{
    gpf_diag why = { .status = status };
    va_list ap;
    va_start(ap, format);
    vsnprintf(why.text, sizeof why.text, format, ap);
    va_end(ap);
    return cmd_fail(o, &why, 1, 1);
}

int cmd_fail_status(const cmd *o, int status, const gpf_diag *why)
{
    if (why && why->text[0])
        return cmd_fail(o, why, 1, 1);
    if (gsl_reason[0])
        return cmd_failf(o, status, "%s", gsl_reason);
    return cmd_failf(o, status, "%s", gpf_strerror(status));
}

json_t *cmd_json_built(json_t *v, int bad)
{
    if (!bad)
        return v;
    json_decref(v);
    return NULL;
}

json_t *cmd_json_text(const char *s)
{
    return gpf__json_text(s);
}

/* One line per member, in lists one per item: readable, and close to one datum a line. */
static int put_member(const char *name, const json_t *v)
{
    const json_t *item;
    size_t i;
    int bad = 0;
    printf(",\n  \"%s\": ", name);
    if (!json_is_array(v))
        return json_dumpf(v, stdout, JSON_ENCODE_ANY);
    putchar('[');
    json_array_foreach(v, i, item)
    {
        fputs(i ? ",\n    " : "\n    ", stdout);
        bad |= json_dumpf(item, stdout, JSON_ENCODE_ANY);
    }
    fputs("\n  ]", stdout);
    return bad;
}

int cmd_put_json(const cmd *o, json_t *members)
{
    const char *name;
    json_t *v;
    int bad = !members;
    printf("{\n  \"schema\": \"gradproof-%s/1\"", o->verb ? o->verb->name : "usage");
    json_object_foreach(members, name, v) bad |= put_member(name, v);
    fputs("\n}\n", stdout);
    json_decref(members);
    /* A stream that took a write error is reported once, at the end of main. */
    if (bad && !ferror(stdout)) {
        fprintf(stderr, "gradproof: %s\n", gpf_strerror(GSL_ENOMEM));
        return GPF_OUTCOME_TROUBLE;
    }
    return GPF_OUTCOME_RIGHT;
}

/* Puts in what other files have for the model. */
static int load(const cmd *o, gpf_model *m)
{
    gpf_diag why = { 0 };
    int status = 0;
    if (o->at && strcmp(o->at, "init"))
        status = gpf_model_read_params(m, o->at, &why);
    if (!status && o->data)
        status = gpf_model_read_data(m, o->data, &why);
    return status ? cmd_fail_status(o, status, &why) : 0;
}

int cmd_use_color(const cmd *o)
{
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
    if (o->color != CMD_AUTO)
        return o->color == CMD_ALWAYS;
    return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") && !(no && *no);
}

gpf_model *cmd_model(const cmd *o)
{
    enum { MAX_SHOWN = 20 };
    gpf_diag why[MAX_SHOWN] = { { 0 } };
    size_t n = 0;
    gpf_model_options how = { .rows = o->rows, .split = o->split };
    if (o->data && o->rows == CMD_TEST) {
        cmd_usage(o, "one of --rows test and --data: of that file, all rows are used", "");
        return NULL;
    }
    if (o->seed != CMD_NOT_GIVEN) {
        how.seed = o->seed;
        how.seed_given = 1;
    }
    gpf_model *m = gpf_model_read(o->args[0], &how, why, MAX_SHOWN, &n);
    if (!m && n == 0)
        cmd_fail_status(o, GSL_ENOMEM, NULL);
    else if (!m)
        cmd_fail(o, why, n < MAX_SHOWN ? n : MAX_SHOWN, n);
    if (m && load(o, m)) {
        gpf_model_free(m);
        m = NULL;
    }
    return m;
}

/* The names of a model by index: params, data, then the assignments. NULL past the end. */
static const char *name_at(gpf_model *m, size_t i, gpf_node *node)
{
    const gpf_graph *g = gpf_model_graph(m);
    size_t params = gpf_graph_n_param_tensors(g), data = gpf_graph_n_data(g);
    if (i < params + data) {
        *node = i < params ? gpf_graph_param(g, i) : gpf_graph_data(g, i - params);
        return gpf_node_name(g, *node);
    }
    const char *name = gpf_model_name(m, i - params - data);
    *node = name ? gpf_model_find(m, name) : GPF_NONE;
    return name;
}

/* "A, B, C", as far as it fits. */
static void list_names(gpf_model *m, char *buf, size_t size)
{
    const char *name;
    gpf_node node;
    size_t used = 0, params_and_data = gpf_graph_n_param_tensors(gpf_model_graph(m)) +
                                       gpf_graph_n_data(gpf_model_graph(m));
    buf[0] = '\0';
    for (size_t i = 0; (name = name_at(m, i, &node)); i++) {
        /* An assignment list may name params and data again. */
        if (i >= params_and_data && (gpf_node_is_param(gpf_model_graph(m), node) ||
                                     gpf_node_is_data(gpf_model_graph(m), node)))
            continue;
        if (used + strlen(name) + 8 > size) {
            snprintf(buf + used, size - used, ", ...");
            return;
        }
        used += (size_t)snprintf(buf + used, size - used, "%s%s", used ? ", " : "", name);
    }
}

int cmd_select(const cmd *o, gpf_model *m, const char *const *patterns, size_t n, int distinct,
               cmd_named **found, size_t *n_found)
{
    size_t total = 0;
    const char *name;
    gpf_node node;
    while (name_at(m, total, &node))
        total++;
    *n_found = 0;
    *found = malloc((total ? total : 1) * sizeof **found);
    char *matched = calloc(n ? n : 1, 1);
    if (!*found || !matched) {
        free(matched);
        free(*found);
        *found = NULL;
        return cmd_fail_status(o, GSL_ENOMEM, NULL);
    }
    for (size_t i = 0; (name = name_at(m, i, &node)); i++) {
        int wanted = 0, seen = 0;
        for (size_t p = 0; p < n; p++) {
            if (!fnmatch(patterns[p], name, 0))
                wanted = matched[p] = 1;
        }
        for (size_t j = 0; j < *n_found; j++)
            seen |= distinct ? (*found)[j].node == node : !strcmp((*found)[j].name, name);
        if (wanted && !seen && node > GPF_POISON)
            (*found)[(*n_found)++] = (cmd_named){ name, node };
    }
    int status = 0;
    for (size_t p = 0; p < n && !status; p++) {
        char names[400];
        if (matched[p])
            continue;
        list_names(m, names, sizeof names);
        status =
            cmd_failf(o, GPF_ENAME, "'%.80s' matches no name of the model: %s", patterns[p], names);
    }
    free(matched);
    if (status) {
        free(*found);
        *found = NULL;
    }
    return status;
}

int cmd_targets(const cmd *o, gpf_model *m, cmd_named **found, size_t *n_found)
{
    if (o->n_wrt)
        return cmd_select(o, m, o->wrt, o->n_wrt, 1, found, n_found);
    const gpf_graph *g = gpf_model_graph(m);
    size_t n = gpf_graph_n_param_tensors(g);
    *n_found = n;
    *found = malloc((n ? n : 1) * sizeof **found);
    if (!*found)
        return cmd_fail_status(o, GSL_ENOMEM, NULL);
    for (size_t i = 0; i < n; i++)
        name_at(m, i, &(*found)[i].node);
    for (size_t i = 0; i < n; i++)
        (*found)[i].name = gpf_node_name(g, (*found)[i].node);
    return 0;
}

/* Of several names for a node the last one, as the output is the last assignment. */
static const char *name_of(const gpf_model *m, gpf_node y)
{
    const char *name, *found = "";
    if (gpf_model_find(m, "loss") == y)
        return "loss";
    for (size_t i = 0; (name = gpf_model_name(m, i)); i++)
        if (gpf_model_find(m, name) == y)
            found = name;
    return found;
}

int cmd_output(const cmd *o, gpf_model *m, gpf_node *y, const char **name)
{
    *y = o->of ? gpf_model_find(m, o->of) : gpf_model_output(m);
    *name = o->of ? o->of : *y == GPF_NONE ? "" : name_of(m, *y);
    if (o->of && *y == GPF_NONE)
        *y = gpf_graph_find(gpf_model_graph(m), o->of);
    if (!o->of || *y != GPF_NONE)
        return 0;
    char names[400];
    list_names(m, names, sizeof names);
    return cmd_failf(o, GPF_ENAME, "no node is called '%.80s'; the model has %s", o->of, names);
}

int cmd_values_run(const cmd *o, gpf_model *m, const gpf_node *nodes, size_t n, cmd_values *v)
{
    gpf_graph *g = gpf_model_graph(m);
    const gpf_point *at = gpf_model_point(m);
    gpf_node *present = malloc((n ? n : 1) * sizeof *present);
    size_t n_present = 0;
    *v = (cmd_values){ 0 };
    for (size_t i = 0; i < n && present; i++)
        if (nodes[i] != GPF_NONE)
            present[n_present++] = nodes[i];
    gpf_diag why = { 0 };
    int status = present ? gpf_model_bound(m, present, n_present, &why) : GSL_ENOMEM;
    if (!status && n_present) {
        v->plan = gpf_plan_alloc(g, present, n_present, gpf_point_batch(at));
        v->ws = v->plan ? gpf_workspace_alloc(v->plan) : NULL;
        status = v->ws ? gpf_plan_run(v->plan, v->ws, at) : GSL_ENOMEM;
    }
    free(present);
    if (!status)
        return 0;
    cmd_values_free(v);
    return cmd_fail_status(o, status, &why);
}

void cmd_values_free(cmd_values *v)
{
    gpf_workspace_free(v->ws);
    gpf_plan_free(v->plan);
    *v = (cmd_values){ 0 };
}

/* The shortest of 15 to 17 digits that reads back as the same number. */
void cmd_put_number(FILE *to, double x)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    fputs(isnan(x) ? "nan" : x == 0 ? "0" : text, to); /* the sign of a zero says nothing */
}

void cmd_put_values(const char *name, gpf_shape shape, const double *x, size_t n)
{
    size_t columns = shape.rank ? (size_t)shape.dim[shape.rank - 1] : 1;
    printf("%s = ", name);
    if (shape.rank)
        putchar('[');
    for (size_t i = 0; i < n; i++) {
        if (i)
            fputs(i % columns ? " " : "; ", stdout);
        cmd_put_number(stdout, x[i]);
    }
    puts(shape.rank ? "]" : "");
}

int cmd_json_values(json_t *o, gpf_shape shape, const double *x, size_t n)
{
    json_t *sizes = json_array(), *values = json_array(), *texts = json_object();
    int bad = 0;
    for (int d = 0; d < shape.rank; d++)
        bad += json_array_append_new(sizes, json_integer(shape.dim[d])) != 0;
    for (size_t i = 0; i < n; i++) {
        const char *text = gpf__json_nonfinite(x[i]);
        char index[24];
        snprintf(index, sizeof index, "%zu", i);
        bad += json_array_append_new(values, text ? json_null() : json_real(x[i])) != 0;
        if (text)
            bad += json_object_set_new(texts, index, json_string(text)) != 0;
    }
    bad += json_object_set_new(o, "shape", sizes) != 0;
    bad += json_object_set_new(o, "values", values) != 0;
    if (json_object_size(texts))
        bad += json_object_set(o, "values_text", texts) != 0;
    json_decref(texts);
    return bad;
}
