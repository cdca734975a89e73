/* SPDX-License-Identifier: GPL-3.0-or-later */
/* check --plugin and --exec: points and vectors of the options, the check of one point after the
 * other, results. The command never sets a locale, so strtod reads a '.'; all numbers are read
 * before a plugin is loaded that may. */
#define _POSIX_C_SOURCE 200809L /* getline, open_memstream */
#include "callback.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char blanks[] = " \t\r\n\v\f";
static char t_name[] = "t";

int callback_diag(gpf_diag *why, int status, const char *format, ...)
{
    va_list ap;
    memset(why, 0, sizeof *why);
    why->status = status;
    va_start(ap, format);
    vsnprintf(why->text, sizeof why->text, format, ap);
    va_end(ap);
    return status;
}

char *callback_point_text(const double *x, size_t n, size_t count, char *buf, size_t size)
{
    size_t used = (size_t)snprintf(buf, size, "(");
    for (size_t i = 0; i < n && used < size; i++)
        used += (size_t)snprintf(buf + used, size - used, "%s%.10g", i ? ", " : "", x[i]);
    if (used < size)
        snprintf(buf + used, size - used, "%s)", n < count ? ", .." : "");
    return buf;
}

int numbers_add(numbers *v, double x)
{
    if (v->n == v->room) {
        const size_t room = v->room ? 2 * v->room : 16;
        double *more = realloc(v->x, room * sizeof *more);
        if (!more)
            return GSL_ENOMEM;
        v->x = more;
        v->room = room;
    }
    v->x[v->n++] = x;
    return GSL_SUCCESS;
}

/* strtod that takes Fortran's 1D+00 too; *end is the text where there is no number, and nothing in
 * hexadecimal digits is one. */
static double read_number(const char *text, const char **end)
{
    char *stop, copy[64];
    double x = strtod(text, &stop);
    const char *digits = text + strspn(text, "+-");
    const size_t used = (size_t)(stop - text);
    *end = stop;
    if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X')) {
        *end = text;
    } else if (used && (*stop == 'D' || *stop == 'd') && used < sizeof copy - 8) {
        snprintf(copy, sizeof copy, "%.*s", (int)used + 7, text);
        copy[used] = 'e';
        x = strtod(copy, &stop);
        *end = text + (stop - copy);
    }
    return x;
}

int numbers_read(numbers *v, const char *text, const char **bad)
{
    int comma = 0;
    for (const char *p = text + strspn(text, blanks);; p += strspn(p, blanks)) {
        const char *end;
        *bad = p;
        if (!*p && !comma)
            return GSL_SUCCESS;
        const double x = read_number(p, &end);
        if (end == p || (*end && *end != ',' && !strchr(blanks, *end)))
            return GSL_EINVAL;
        if (numbers_add(v, x))
            return GSL_ENOMEM;
        p = end + strspn(end, blanks);
        comma = *p == ',';
        p += comma;
    }
}

struct callback_input {
    numbers at; /* rows of them */
    size_t rows;
    numbers lo, hi, scale, weights;
    char **names; /* n_names */
    size_t n_names;
    char *header; /* the first line of the file of points, if it is one */
};

/* What is not a number, as far as it is worth showing. */
static const char *token(const char *bad, char *buf, size_t size)
{
    const size_t n = strcspn(bad, ", \t\r\n\v\f");
    snprintf(buf, size, "'%.*s'", n > 40 ? 40 : (int)n, bad);
    return *bad && n ? buf : *bad ? "',', a number is missing" : "the end, a number is missing";
}

static int is_finite(const numbers *v)
{
    for (size_t i = 0; i < v->n; i++)
        if (!isfinite(v->x[i]))
            return 0;
    return 1;
}

/* The value of an option; NULL is none. */
static int read_option(const cmd *o, const char *name, const char *text, numbers *v)
{
    char buf[64];
    const char *bad;
    if (!text)
        return 0;
    const int status = numbers_read(v, text, &bad);
    if (status == GSL_ENOMEM)
        return cmd_fail_status(o, status, NULL);
    if (status || !v->n)
        return cmd_failf(o, GSL_EINVAL,
                         "--%s takes numbers separated by commas or blanks; found %s", name,
                         v->n || *text ? token(bad, buf, sizeof buf) : "none");
    return 0;
}

/* Names in a line, between commas if it has any, else between blanks; quotes around them go. */
static int split_names(callback_input *in, char *line)
{
    const char *between = strchr(line, ',') ? "," : blanks;
    size_t room = 2; /* one of them for t */
    for (const char *c = line; *c; c++)
        room += strchr(between, *c) != NULL;
    in->n_names = 0;
    free(in->names);
    in->names = malloc(room * sizeof *in->names);
    if (!in->names)
        return GSL_ENOMEM;
    for (char *p = line, *next; p; p = next) {
        next = p + strcspn(p, between);
        next = *next ? (*next = '\0', next + 1) : NULL;
        p += strspn(p, blanks);
        size_t n = strlen(p);
        while (n && strchr(blanks, p[n - 1]))
            p[--n] = '\0';
        if (n > 1 && *p == '"' && p[n - 1] == '"') {
            p[n - 1] = '\0';
            p++;
        }
        if (*p || *between == ',')
            in->names[in->n_names++] = p;
    }
    return GSL_SUCCESS;
}

/* Says what is wrong with a line of a file, with a caret where it is short enough to be shown. */
static int fail_line(const cmd *o, const char *file, size_t number, const char *line,
                     const char *bad, const char *what)
{
    char buf[64];
    gpf_diag why;
    callback_diag(&why, GPF_EDATA, "%s, not %s", what, token(bad, buf, sizeof buf));
    why.line = number > 2147483647 ? 2147483647 : (int)number;
    why.column = 1 + (int)(bad - line);
    snprintf(why.file, sizeof why.file, "%s", file);
    const size_t shown = strcspn(line, "\r\n");
    if (shown < sizeof why.source) {
        snprintf(why.source, sizeof why.source, "%.*s", (int)shown, line);
        why.caret = why.column;
        why.width = (int)strcspn(bad, ", \t\r\n\v\f");
    }
    return cmd_fail(o, &why, 1, 1);
}

/* Lines of numbers, with a header (NULL: without) as many in each; *header is the first line, owned
 * by the caller, if it is none of numbers. */
static int read_file(const cmd *o, const char *file, numbers *v, size_t *rows, char **header)
{
    const int is_stdin = !strcmp(file, "-");
    FILE *f = is_stdin ? stdin : fopen(file, "r");
    const char *name = is_stdin ? "standard input" : file;
    char *line = NULL;
    size_t room = 0, number = 0, width = 0;
    ssize_t length;
    int status = 0;
    *rows = 0;
    if (!f)
        return cmd_failf(o, GPF_EFILE, "%.200s: %s", name, strerror(errno));
    errno = 0;
    while (!status && (length = getline(&line, &room, f)) >= 0) {
        static const char bom[] = "\xEF\xBB\xBF";
        const char *bad, *text = line;
        const size_t before = v->n;
        if (!number++ && !strncmp(text, bom, 3))
            text += 3;
        if (strlen(line) < (size_t)length) {
            status =
                cmd_failf(o, GPF_EDATA, "%.200s:%zu: a byte that is 0: not a text", name, number);
            break;
        }
        line[strcspn(line, "#")] = '\0';
        status = numbers_read(v, text, &bad);
        if (status == GSL_ENOMEM) {
            status = cmd_fail_status(o, status, NULL);
        } else if (status && header && !*header && !*rows && v->n == before && *bad) {
            v->n = before;
            *header = strdup(text);
            status = *header ? 0 : cmd_fail_status(o, GSL_ENOMEM, NULL);
        } else if (status) {
            status = fail_line(o, name, number, line, bad, "numbers separated by commas or blanks");
        } else if (v->n > before) {
            if (++*rows > 1 && header && v->n - before != width)
                status =
                    cmd_failf(o, GPF_EDATA, "%.200s:%zu: %zu number%s, but %zu in the lines before",
                              name, number, v->n - before, v->n - before == 1 ? "" : "s", width);
            width = v->n - before;
        }
    }
    if (!status && ferror(f))
        status = cmd_failf(o, GPF_EFILE, "%.200s: %s", name, strerror(errno));
    if (!status && !v->n)
        status = cmd_failf(o, GPF_ENOTHING, "%.200s: no number in it", name);
    free(line);
    if (!is_stdin)
        fclose(f);
    return status;
}

static int read_input(const cmd *o, callback_input *in)
{
    int status = 0;
    in->rows = 1;
    if (o->at)
        status = read_option(o, "at", o->at, &in->at);
    else
        status = read_file(o, o->at_file, &in->at, &in->rows, &in->header);
    if (!status && !is_finite(&in->at))
        status = cmd_failf(o, GSL_EINVAL, "%s%.200s: a point has to be finite",
                           o->at ? "--at " : "", o->at ? o->at : o->at_file);
    if (!status)
        status = read_option(o, "lo", o->lo, &in->lo);
    if (!status)
        status = read_option(o, "hi", o->hi, &in->hi);
    if (!status)
        status = read_option(o, "scale", o->scale, &in->scale);
    if (!status && o->weights) {
        size_t rows;
        status = read_file(o, o->weights, &in->weights, &rows, NULL);
    }
    if (status)
        return status;
    if (o->names) {
        free(in->header);
        in->header = strdup(o->names);
        if (!in->header)
            return cmd_fail_status(o, GSL_ENOMEM, NULL);
    }
    if (in->header && split_names(in, in->header))
        return cmd_fail_status(o, GSL_ENOMEM, NULL);
    for (size_t i = 0; o->names && i < in->n_names; i++)
        if (!*in->names[i])
            return cmd_failf(o, GSL_EINVAL, "--names: name %zu is empty", i + 1);
    return 0;
}

callback_input *callback_input_read(const cmd *o)
{
    callback_input *in = calloc(1, sizeof *in);
    if (!in) {
        cmd_fail_status(o, GSL_ENOMEM, NULL);
        return NULL;
    }
    if (!read_input(o, in))
        return in;
    callback_input_free(in);
    return NULL;
}

void callback_input_free(callback_input *in)
{
    if (!in)
        return;
    free(in->at.x);
    free(in->lo.x);
    free(in->hi.x);
    free(in->scale.x);
    free(in->weights.x);
    free(in->names);
    free(in->header);
    free(in);
}

/* One number a line is one point, unless points have one number. */
size_t callback_input_points(const callback_input *in, size_t n)
{
    return n != 1 && in->rows == in->at.n ? 1 : in->rows;
}

size_t callback_input_variables(const callback_input *in)
{
    return in->at.n / callback_input_points(in, 0);
}

/* Gives v its full length n: one number stands for all, but not for the time, which may be left
 * out. time: 1 if the last variable is t, whose number then is `otherwise`. */
static int fit(numbers *v, const char *what, size_t n, int time, double otherwise, gpf_diag *why)
{
    const size_t states = n - (size_t)time;
    int status = 0;
    if (!v->n)
        return 0;
    if (v->n == 1)
        while (!status && v->n < states)
            status = numbers_add(v, v->x[0]);
    if (!status && time && v->n == states)
        status = numbers_add(v, otherwise);
    if (status)
        return callback_diag(why, status, "%s", gpf_strerror(status));
    if (v->n == n)
        return 0;
    return callback_diag(why, GSL_EBADLEN, "--%s gives %zu numbers, but there %s %zu variable%s%s",
                         what, v->n, states == 1 ? "is" : "are", states, states == 1 ? "" : "s",
                         time ? " and t" : "");
}

/* What the library is told; the vectors are the input's. */
typedef struct settings {
    gpf_fdf_options how;
    gsl_vector lo, hi, scale, weights;
    size_t n;      /* variables */
    size_t points; /* of them */
    size_t given;  /* numbers of a point; the time may be left out */
    double *x;     /* n */
    cmd_progress progress;
} settings;

static int has_residuals(const gpf_fdf_kind *kind)
{
    const char *name = gpf_fdf_kind_name(kind);
    return strstr(name, "multifit") || strstr(name, "multilarge");
}

static int has_time(const gpf_fdf_kind *kind)
{
    return !strcmp(gpf_fdf_kind_name(kind), "odeiv2");
}

/* NULL, or the n numbers of v as a vector. */
static const gsl_vector *vector_of(const numbers *v, gsl_vector *to)
{
    if (!v->n)
        return NULL;
    *to = gsl_vector_const_view_array(v->x, v->n).vector;
    return to;
}

static int fit_points(const callback *c, const callback_input *in, settings *s, gpf_diag *why)
{
    const int time = has_time(c->kind);
    s->points = callback_input_points(in, s->n - (size_t)time);
    s->given = in->at.n / s->points;
    if (s->given != s->n - (size_t)time && !(time && !c->o->t_given && s->given == s->n))
        return callback_diag(why, GSL_EBADLEN,
                             "%s%.100s: %zu number%s, but %.100s has %zu variable%s",
                             c->o->at ? "--at " : "", c->o->at ? c->o->at : c->o->at_file, s->given,
                             s->given == 1 ? "" : "s", c->name, s->n - (size_t)time,
                             s->n - (size_t)time == 1 ? "" : "s");
    s->x = malloc(s->n * sizeof *s->x);
    return s->x ? GSL_SUCCESS : callback_diag(why, GSL_ENOMEM, "%s", gpf_strerror(GSL_ENOMEM));
}

static int fit_input(const callback *c, callback_input *in, settings *s, gpf_diag *why)
{
    const cmd *o = c->o;
    const int time = has_time(c->kind);
    const size_t n = gpf_fdf_kind_variables(c->kind, c->structure),
                 m = gpf_fdf_kind_values(c->kind, c->structure);
    s->n = n;
    if (n <= (size_t)time)
        return callback_diag(why, GPF_ENOTHING, "%.100s has no variables", c->name);
    if (n > (size_t)-1 / sizeof(double) || m > (size_t)-1 / sizeof(double))
        return callback_diag(why, GPF_ELIMIT, "%.100s has %zu variables and %zu values: no %s",
                             c->name, n, m, gpf_fdf_kind_structure(c->kind));
    if (o->t_given && !time)
        return callback_diag(why, GSL_EINVAL,
                             "--t is the time of a gsl_odeiv2_system; %.100s is a %s", c->name,
                             gpf_fdf_kind_structure(c->kind));
    if (o->weights && !has_residuals(c->kind))
        return callback_diag(why, GSL_EINVAL, "--weights are those of residuals; %.100s is a %s",
                             c->name, gpf_fdf_kind_structure(c->kind));
    if (o->weights && in->weights.n != m)
        return callback_diag(why, GSL_EBADLEN, "%.100s: %zu weights, but %.100s has %zu values",
                             o->weights, in->weights.n, c->name, m);
    const int names = in->n_names && (in->n_names == n || in->n_names + (size_t)time == n);
    if (o->names && !names)
        return callback_diag(why, GSL_EBADLEN, "--names gives %zu, but %.100s has %zu variables",
                             in->n_names, c->name, n - (size_t)time);
    int status = fit_points(c, in, s, why);
    if (!status)
        status = fit(&in->lo, "lo", n, time, -HUGE_VAL, why);
    if (!status)
        status = fit(&in->hi, "hi", n, time, HUGE_VAL, why);
    if (!status)
        status = fit(&in->scale, "scale", n, time, o->t != 0 ? fabs(o->t) : 1, why);
    if (status)
        return status;
    if (names && in->n_names < n)
        in->names[in->n_names++] = t_name;
    s->how = gpf_fdf_defaults();
    s->how.lo = vector_of(&in->lo, &s->lo);
    s->how.hi = vector_of(&in->hi, &s->hi);
    s->how.scale = vector_of(&in->scale, &s->scale);
    s->how.weights = vector_of(&in->weights, &s->weights);
    s->how.names = names ? (const char *const *)in->names : NULL;
    s->how.max_failures = o->max_failures;
    s->how.fast = o->fast;
    if (o->seed != CMD_NOT_GIVEN)
        s->how.seed = o->seed;
    s->how.progress = cmd_progress_show;
    s->how.progress_arg = &s->progress;
    return GSL_SUCCESS;
}

static int put_trouble(const callback *c, const gpf_diag *why)
{
    return c->put(c->arg, &(callback_result){ GPF_OUTCOME_TROUBLE, why, NULL, 0 });
}

/* The report as text in memory, then passed on. */
static int put_report(const callback *c, const gpf_fdf *f, double seconds)
{
    const cmd *o = c->o;
    const char *notes[2] = { c->note(c->arg), NULL };
    const int user = c->stop(c->arg);
    callback_result r = { .outcome = (int)gpf_fdf_outcome(f) };
    gpf_report_options report = gpf_report_defaults();
    gpf_diag why;
    char *text = NULL;
    report.all = o->all;
    report.quiet = o->quiet;
    report.color = cmd_use_color(o);
    report.model = c->name;
    report.structure = c->what;
    report.notes = notes;
    report.seconds = seconds;
    if (gpf_fdf_stopped(f))
        report.stopped = user ? "interrupted" : "stopped: as many wrong entries as --max-failures";
    FILE *to = open_memstream(&text, &r.size);
    int status =
        to ? (o->json ? gpf_report_fdf_json : gpf_report_fdf_text)(to, f, &report) : GSL_ENOMEM;
    if (to && fclose(to) && !status)
        status = GSL_ENOMEM;
    r.report = text;
    if (status)
        callback_diag(&why, status, "%s", gpf_strerror(status));
    status = status ? put_trouble(c, &why) : c->put(c->arg, &r);
    free(text);
    return status;
}

/* Point number i; nonzero ends it all. */
static int check_point(const callback *c, const callback_input *in, settings *s, size_t i)
{
    gpf_diag why = { 0 };
    memcpy(s->x, in->at.x + i * s->given, s->given * sizeof *s->x);
    if (s->given < s->n)
        s->x[s->given] = c->o->t;
    const gsl_vector x = gsl_vector_const_view_array(s->x, s->n).vector;
    s->progress = cmd_progress_start(c->o);
    s->progress.stop = c->stop;
    s->progress.stop_arg = c->arg;
    gpf_fdf *f = gpf_check_fdf(c->kind, c->structure, &x, &s->how, &why);
    cmd_progress_end(&s->progress);
    const gpf_diag *failed = c->failed(c->arg);
    int status;
    if (failed) {
        put_trouble(c, failed);
        status = GSL_EFAILED;
    } else if (f) {
        status = put_report(c, f, cmd_now() - s->progress.start);
    } else {
        char point[120];
        gpf_diag at;
        callback_diag(&at, why.status ? why.status : GSL_ENOMEM, "%s%s%s",
                      s->points > 1 ? callback_point_text(s->x, s->n < 4 ? s->n : 4, s->n, point,
                                                          sizeof point)
                                    : "",
                      s->points > 1 ? ": " : "",
                      why.text[0] ? why.text : gpf_strerror(why.status ? why.status : GSL_ENOMEM));
        status = put_trouble(c, &at);
    }
    gpf_fdf_free(f);
    return status;
}

void callback_run(const callback *c, callback_input *in)
{
    gpf_diag why;
    settings s = { .n = 0 };
    if (fit_input(c, in, &s, &why))
        put_trouble(c, &why);
    else
        for (size_t i = 0; i < s.points && !c->stop(c->arg); i++)
            if (check_point(c, in, &s, i))
                break;
    free(s.x);
}

int callback_show(callback_output *out, const callback_result *r)
{
    const int json = out->o->json, many = out->points > 1;
    if (json && many)
        fputs(out->shown ? ",\n" : "{\n\"schema\": \"gradproof-points/1\",\n\"points\": [\n",
              stdout);
    else if (out->shown && !out->o->quiet)
        putchar('\n');
    out->shown++;
    out->count[r->outcome & 3]++;
    if (r->why)
        cmd_fail(out->o, r->why, 1, 1);
    else
        fwrite(r->report, 1, r->size, stdout);
    fflush(stdout);
    return ferror(stdout) ? GSL_EFAILED : GSL_SUCCESS;
}

int callback_close(callback_output *out)
{
    static const int by_weight[] = { GPF_OUTCOME_TROUBLE, GPF_OUTCOME_WRONG, GPF_OUTCOME_UNTESTED };
    static const char *const name[] = { "right", "wrong", "trouble", "untested" };
    int worst = GPF_OUTCOME_RIGHT;
    if (!out->shown)
        return cmd_failf(out->o, cmd_interrupted() ? GPF_ECANCEL : GSL_EFAILED, "%s",
                         cmd_interrupted()
                             ? "interrupted before anything was checked"
                             : "no result came: the library closes files that are not its own");
    if (out->shown < out->points) /* by ^C, or by trouble, which is counted then */
        out->count[GPF_OUTCOME_TROUBLE] += !out->count[GPF_OUTCOME_WRONG];
    for (size_t i = sizeof by_weight / sizeof *by_weight; i-- > 0;)
        if (out->count[by_weight[i]])
            worst = by_weight[i];
    if (out->points > 1 && out->o->json) {
        printf("],\n\"exit_status\": %d\n}\n", worst);
    } else if (out->points > 1) {
        printf("%s%zu of %zu points:", out->o->quiet ? "" : "\n", out->shown, out->points);
        for (int i = 0, n = 0; i < 4; i++)
            if (out->count[i])
                printf("%s %zu %s", n++ ? "," : "", out->count[i], name[i]);
        putchar('\n');
    }
    return worst;
}

int callback_check(const cmd *o)
{
    if (o->plugin && o->exec)
        return cmd_usage(o, "one of --plugin and --exec", "");
    if (o->n_args)
        return cmd_usage(o, "a MODEL does not go with --plugin and --exec: ", o->args[0]);
    if (o->model_option)
        return cmd_usage(o, "this option is about a MODEL, not about --plugin or --exec: --",
                         o->model_option);
    if (o->plugin && !*o->plugin)
        return cmd_usage(o, "--plugin takes a shared library", "");
    if (o->plugin && (!o->symbol || !*o->symbol))
        return cmd_usage(o, "--plugin needs --symbol, the name of the structure", "");
    if (o->exec && (o->symbol || o->kind || o->t_given || o->weights))
        return cmd_usage(o, "--exec is a loss and its gradient; this option goes with --plugin: --",
                         o->symbol    ? "symbol"
                         : o->kind    ? "kind"
                         : o->t_given ? "t"
                                      : "weights");
    if (o->plugin && o->exec_format)
        return cmd_usage(o, "--exec-format goes with --exec", "");
    if (!o->at == !o->at_file)
        return cmd_usage(o, "one of --at and --at-file says where", "");
    callback_input *in = callback_input_read(o);
    if (!in)
        return GPF_OUTCOME_TROUBLE;
    cmd_watch_interrupt();
    signal(SIGCHLD, SIG_DFL); /* ignored, it would take away how a process ended */
    const int status = (o->plugin ? plugin_check : exec_check)(o, in);
    callback_input_free(in);
    return status;
}
