/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reports of an op's check: a line for each thing that was tried. */
#include "report/json.h"
#include "report/put.h"
#include "report/table.h"

/* "vjp" or "vjp, input 1". Returns buf. */
static char *title_of(const gpf_op_case *e, char *buf, size_t size)
{
    gpf__format(buf, size, "%s", e->aspect);
    if (e->input >= 0)
        gpf__append(buf, size, ", input %d", e->input);
    return buf;
}

static void put_cases(FILE *out, const gpf_op_check *c, const gpf_report_options *how)
{
    const size_t n = gpf_op_check_n_cases(c), limit = how->max_rows ? how->max_rows : GPF__MAX_ROWS;
    size_t seen[GPF_N_VERDICTS] = { 0 };
    int width = (int)strlen("tried");
    char title[96];
    for (size_t i = 0; i < n; i++) {
        const int w = (int)strlen(title_of(gpf_op_check_case(c, i), title, sizeof title));
        width = w > width ? w : width;
    }
    say(out, "\n  %-*s     times  verdict\n", width, "tried");
    for (size_t i = 0; i < n; i++) {
        const gpf_op_case *e = gpf_op_check_case(c, i);
        if (seen[e->verdict]++ >= limit && !how->all)
            continue;
        say(out, "  %-*s  %8zu  ", width, clean(title_of(e, title, sizeof title)), e->tried);
        gpf__put_verdict(out, how, e->verdict, 0);
        fputc('\n', out);
        if (*e->text) {
            say(out, "%*s", (int)strlen(GPF__INDENT) - 1, "");
            put_words(out, e->text, (int)strlen(GPF__INDENT) - 1, (int)strlen(GPF__INDENT));
        }
    }
    for (int v = 0; v < GPF_N_VERDICTS && !how->all; v++)
        if (seen[v] > limit)
            say(out, "  ... and %zu more %s (--all shows everything)\n", seen[v] - limit,
                gpf_verdict_name((gpf_verdict)v));
}

/* "2 of 24 things tried: vjp, input 1; aliasing"; nothing of a verdict that is not there. */
static void close_verdict(const gpf_op_check *c, gpf_verdict verdict, char *buf, size_t size)
{
    enum { LISTED = 3 };
    const size_t n = gpf_op_check_n_cases(c);
    size_t found = 0, listed = 0;
    char title[96];
    for (size_t i = 0; i < n; i++)
        found += gpf_op_check_case(c, i)->verdict == verdict;
    if (found == 0)
        return;
    gpf__append(buf, size, "%s%zu of %zu thing%s tried%s%s", *buf ? "; " : "", found, n, plural(n),
                verdict == GPF_WRONG ? "" : " ",
                verdict == GPF_WRONG ? "" : gpf_verdict_name(verdict));
    for (size_t i = 0; i < n && listed < LISTED; i++)
        if (gpf_op_check_case(c, i)->verdict == verdict)
            gpf__append(buf, size, "%s %s", listed++ ? ";" : ":",
                        title_of(gpf_op_check_case(c, i), title, sizeof title));
    gpf__append(buf, size, "%s", found > listed ? "; .." : "");
}

static void put_closing(FILE *out, const gpf_op_check *c, const gpf_report_options *how)
{
    const gpf_outcome o = gpf_op_check_outcome(c);
    const size_t n = gpf_op_check_n_cases(c);
    size_t tried = 0, right = 0;
    char text[1024] = "";
    for (size_t i = 0; i < n; i++) {
        tried += gpf_op_check_case(c, i)->tried;
        right += gpf_op_check_case(c, i)->verdict == GPF_RIGHT;
    }
    if (o == GPF_OUTCOME_WRONG) {
        close_verdict(c, GPF_WRONG, text, sizeof text);
    } else if (o == GPF_OUTCOME_UNTESTED) {
        close_verdict(c, GPF_UNRESOLVED, text, sizeof text);
        close_verdict(c, GPF_VACUOUS, text, sizeof text);
    }
    if (o == GPF_OUTCOME_UNTESTED && !*text)
        gpf__append(text, sizeof text, "no derivative was; ");
    else if (!*text && right == n)
        gpf__append(text, sizeof text, "all ");
    if (o != GPF_OUTCOME_WRONG && right == n)
        gpf__append(text, sizeof text, "%zu things tried, %zu times in all", n, tried);
    else if (o == GPF_OUTCOME_RIGHT)
        gpf__append(text, sizeof text, "%zu of %zu things tried, %zu times in all", right, n,
                    tried);
    gpf__close(out, how, o, NULL, text);
}

int gpf_report_op_text(FILE *out, const gpf_op_check *c, const gpf_report_options *how)
{
    if (!c)
        return GSL_EINVAL;
    const gpf_report_options defaults = gpf_report_defaults();
    how = how ? how : &defaults;
    if (!how->quiet) {
        const size_t n = gpf_op_check_n_cases(c);
        gpf__head_model(out, how);
        say(out, "the row of an op against its own kernel, %zu thing%s tried\n", n, plural(n));
        gpf__head_notes(out, how);
        put_cases(out, c, how);
        if (how->seconds >= 0)
            say(out, "\n  %.3g s", how->seconds);
        fputc('\n', out);
    }
    put_closing(out, c, how);
    return ferror(out) ? GSL_EFAILED : GSL_SUCCESS;
}

static json_t *case_json(const gpf_op_case *e)
{
    json_t *o = json_object();
    int bad = set(o, "aspect", json_string(e->aspect));
    bad += set(o, "input", e->input < 0 ? json_null() : json_integer(e->input));
    bad += set(o, "verdict", json_string(gpf_verdict_name(e->verdict)));
    bad += set_size(o, "tried", e->tried);
    bad += set(o, "text", gpf__json_text(e->text));
    return finish(o, bad);
}

int gpf_report_op_json(FILE *out, const gpf_op_check *c, const gpf_report_options *how)
{
    if (!c)
        return GSL_EINVAL;
    const gpf_report_options defaults = gpf_report_defaults();
    how = how ? how : &defaults;
    writer w = { out, GSL_SUCCESS };
    const gpf_outcome o = gpf_op_check_outcome(c);
    fputs("{\n  \"schema\": \"gradproof-op/1\"", out);
    put_member(&w, "outcome", json_string(gpf__outcome_name(o)));
    put_member(&w, "exit_status", json_integer(o));
    put_member(&w, "name", name_json(how->model));
    put_member(&w, "seconds", how->seconds >= 0 ? json_real(how->seconds) : json_null());
    put_notes(&w, how);
    open_list(&w, "cases");
    for (size_t i = 0; i < gpf_op_check_n_cases(c); i++)
        put_item(&w, i == 0, case_json(gpf_op_check_case(c, i)));
    close_list(&w);
    fputs("\n}\n", out);
    return ferror(out) ? GSL_EFAILED : w.status;
}
