/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Checks as requirements of unit tests: outcome and short report, TAP. */
#define _POSIX_C_SOURCE 200809L /* fmemopen */
#include <gradproof/require.h>

#include "report/put.h"

#include <stdbool.h>

/* A report of either kind. */
typedef int report_of(FILE *out, const void *c, const gpf_report_options *how);

static int fdf_text(FILE *out, const void *c, const gpf_report_options *how)
{
    return gpf_report_fdf_text(out, c, how);
}

static int op_text(FILE *out, const void *c, const gpf_report_options *how)
{
    return gpf_report_op_text(out, c, how);
}

static int check_text(FILE *out, const void *c, const gpf_report_options *how)
{
    return gpf_report_text(out, c, how);
}

/* The name of an object that a macro was given the address of. */
static const char *bare(const char *name)
{
    return name + strspn(name, "& (");
}

static void trim(char *text)
{
    size_t n = strlen(text);
    while (n && text[n - 1] == '\n')
        text[--n] = '\0';
}

/* A report into buf: GSL_SUCCESS, GSL_EFAILED if it was cut, GSL_ENOMEM. */
static int write_text(char *buf, size_t size, report_of *report, const void *c,
                      const gpf_report_options *how)
{
    buf[0] = buf[size - 1] = '\0';
    FILE *out = fmemopen(buf, size - 1, "w");
    if (!out)
        return GSL_ENOMEM;
    int status = report(out, c, how);
    if (fclose(out) && !status)
        status = GSL_EFAILED;
    return status;
}

/* Of a report that is too long the middle lines are left out, not the closing one. */
static void cut(char *text, size_t size, const char *closing)
{
    static const char dots[] = "\n  ...\n";
    const size_t room = size - strlen(closing) - sizeof dots;
    text[strlen(text) < room ? strlen(text) : room] = '\0';
    char *end = strrchr(text, '\n');
    end = end ? end : text;
    *end = '\0';
    gpf__append(text, size, "%s%s", dots, closing);
}

static gpf_outcome describe(gpf_required *r, gpf_outcome outcome, report_of *report, const void *c,
                            const char *name)
{
    gpf_report_options how = gpf_report_defaults();
    how.model = bare(name);
    how.max_rows = 5;
    r->outcome = outcome;
    r->why = (gpf_diag){ 0 };
    int status = write_text(r->text, sizeof r->text, report, c, &how);
    if (status == GSL_EFAILED) {
        char closing[1400];
        how.quiet = 1;
        status = write_text(closing, sizeof closing, report, c, &how);
        cut(r->text, sizeof r->text, closing);
        status = status == GSL_EFAILED ? GSL_SUCCESS : status;
    }
    /* What is wrong stays wrong without a report. */
    if (status)
        gpf__format(r->text, sizeof r->text, "%s: outcome %d, but no memory for the report",
                    bare(name), (int)outcome);
    trim(r->text);
    return outcome;
}

/* r->why says why there is nothing to describe. */
static gpf_outcome trouble(gpf_required *r, const char *name)
{
    r->outcome = GPF_OUTCOME_TROUBLE;
    gpf__format(r->text, sizeof r->text, "%s cannot be checked: %s", bare(name),
                *r->why.text ? r->why.text : gpf_strerror(r->why.status));
    return r->outcome;
}

gpf_outcome gpf_require_fdf(gpf_required *r, gpf_fdf *c, const char *name)
{
    if (!c)
        return trouble(r, name);
    describe(r, gpf_fdf_outcome(c), fdf_text, c, name);
    gpf_fdf_free(c);
    return r->outcome;
}

gpf_outcome gpf_require_op(gpf_required *r, gpf_op_check *c, const char *name)
{
    if (!c)
        return trouble(r, name);
    describe(r, gpf_op_check_outcome(c), op_text, c, name);
    gpf_op_check_free(c);
    return r->outcome;
}

gpf_outcome gpf_require_check(gpf_required *r, const gpf_check *c, const char *name)
{
    if (!c) {
        gpf__diag(&r->why, GSL_EINVAL, "there is no check");
        return trouble(r, name);
    }
    return describe(r, gpf_check_outcome(c), check_text, c, name);
}

/* A name after "ok N - ": a '#' would begin a directive. */
static void put_name(FILE *out, const char *name)
{
    while (*name) {
        const int n = control(name);
        if (*name == '#' || *name == '\\')
            putc('\\', out);
        putc(n ? ' ' : *name, out);
        name += n ? n : 1;
    }
}

void gpf_tap_add(gpf_tap *tap, const gpf_required *r, const char *name, int tested)
{
    const bool skip = r->outcome == GPF_OUTCOME_UNTESTED && !tested;
    const bool ok = r->outcome == GPF_OUTCOME_RIGHT || skip;
    tap->n++;
    tap->failed += !ok;
    say(tap->out, "%sok %d - ", ok ? "" : "not ", tap->n);
    put_name(tap->out, bare(name));
    if (skip) {
        const char *closing = strrchr(r->text, '\n');
        fputs(" # SKIP ", tap->out);
        put_clean(tap->out, closing ? closing + 1 : r->text);
    }
    fputc('\n', tap->out);
    for (const char *line = r->text; !ok && *line;) {
        const size_t n = strcspn(line, "\n");
        char text[2000];
        gpf__format(text, sizeof text, n ? "# %.*s" : "#", (int)n, line);
        put_clean(tap->out, text);
        fputc('\n', tap->out);
        line += n + (line[n] == '\n');
    }
    fflush(tap->out); /* the next check may crash */
}

int gpf_tap_end(gpf_tap *tap)
{
    say(tap->out, "1..%d\n", tap->n);
    return fflush(tap->out) || ferror(tap->out) || tap->failed || !tap->n;
}
