/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reports of a callback's check. */
#include "gsl/gsl.h"
#include "report/json.h"
#include "report/put.h"
#include "report/table.h"

static const gpf_element *element_of(const void *c, size_t i)
{
    return gpf_fdf_element(c, i);
}

static const gpf_explanation *explanation_of(const void *c, size_t i)
{
    return gpf_fdf_explanation(c, i);
}

static gpf_tally tally_of(const void *c, int part)
{
    if (part >= 0)
        return gpf_fdf_part_at(c, (size_t)part)->tally;
    gpf_tally all = { 0 };
    for (size_t i = 0; i < gpf_fdf_n_parts(c); i++) {
        const gpf_tally *t = &gpf_fdf_part_at(c, i)->tally;
        all.total += t->total;
        all.checked += t->checked;
        for (int v = 0; v < GPF_N_VERDICTS; v++)
            all.count[v] += t->count[v];
    }
    return all;
}

static const gpf_block *block_of(const void *c, size_t part)
{
    const gpf_block *b = &gpf_fdf_part_at(c, part)->block;
    return b->directions ? b : NULL;
}

/* A part along directions has a line of its own. */
static bool tested(const void *c, size_t part)
{
    return block_of(c, part) || gpf__part_tested(gpf_fdf_part_at(c, part));
}

/* f's value that a row is the derivative of; of parts with other rows, NaN where one of them is. */
static double value_of(const void *check, const gpf_element *e)
{
    const gpf_fdf *c = check;
    const gpf_fdf_part *p = gpf_fdf_part_at(c, (size_t)e->tensor);
    const double *f = gpf_fdf_values(c);
    if (p->rows == c->m && p->cols)
        return f[e->k / p->cols];
    for (size_t i = 0; i < c->m; i++)
        if (!isfinite(f[i]))
            return NAN;
    return 0;
}

static char *name_of(const void *c, size_t part, char *buf, size_t size)
{
    gpf__format(buf, size, "%s", gpf_fdf_part_at(c, part)->name);
    return buf;
}

static char *shape_of(const void *c, size_t part, char *buf, size_t size)
{
    const gpf_fdf_part *p = gpf_fdf_part_at(c, part);
    gpf__format(buf, size, "%zux%zu", p->rows, p->cols);
    return buf;
}

static char *label_of(const void *c, size_t i, char *buf, size_t size)
{
    return gpf_fdf_label(c, i, buf, size);
}

static void put_detail(FILE *out, const gpf__view *v, const gpf_element *e)
{
    if (e->verdict == GPF_KINK || e->reason == GPF_REASON_OUTSIDE || e->reason == GPF_REASON_JUMP ||
        e->reason == GPF_REASON_CROWDED)
        gpf__table_slopes(out, v, e);
}

static gpf__view view_of(const gpf_fdf *c)
{
    return (gpf__view){ .check = c,
                        .part = "part",
                        .analytic = "analytic",
                        .output = c->kind->f,
                        .narrow = true,
                        .n_parts = gpf_fdf_n_parts(c),
                        .n_elements = gpf_fdf_n_elements(c),
                        .n_explanations = gpf_fdf_n_explanations(c),
                        .element = element_of,
                        .explanation = explanation_of,
                        .tally = tally_of,
                        .block = block_of,
                        .tested = tested,
                        .value = value_of,
                        .name = name_of,
                        .shape = shape_of,
                        .label = label_of,
                        .detail = put_detail };
}

/* "(5, 1.5, lambda = 2)" within `limit` characters; 1 if not all of x is in it. */
static int where(const gpf_fdf *c, size_t limit, char *buf, size_t size)
{
    const gsl_vector *x = gpf_fdf_x(c);
    gpf__format(buf, size, "(");
    for (size_t j = 0; j < x->size; j++) {
        char item[128] = "", number[32];
        const char *name = gpf_fdf_variable(c, j);
        gpf__format(number, sizeof number, "x[%zu]", j);
        if (strcmp(name, number) != 0)
            gpf__format(item, sizeof item, "%.64s = ", name);
        gpf__append(item, sizeof item, "%.7g", unsigned_zero(gsl_vector_get(x, j)));
        const size_t rest = x->size - j, tail = rest > 1 ? strlen(", ... 123456 more)") : 1;
        if (strlen(buf) + 2 + strlen(item) + tail > limit) {
            gpf__append(buf, size, "%s... %zu more)", j ? ", " : "", rest);
            return 1;
        }
        gpf__append(buf, size, "%s%s", j ? ", " : "", item);
    }
    gpf__append(buf, size, ")");
    return 0;
}

static void put_heading(FILE *out, const gpf_fdf *c, const gpf_report_options *how)
{
    enum { WIDTH = 79 };
    const char *structure =
        how->structure ? how->structure : gpf_fdf_kind_structure(gpf_fdf_kind_of(c));
    const size_t n = gpf_fdf_x(c)->size;
    char head[256], at[WIDTH + 1];
    gpf__format(head, sizeof head, how->model ? "%.120s (%s)" : "%s%s",
                how->model ? how->model : "", structure);
    gpf__append(head, sizeof head, ": %zu value%s of %zu variable%s", c->m, plural(c->m), n,
                plural(n));
    put_clean(out, head);
    const size_t used = strlen(head) + strlen(", at ");
    if (used >= WIDTH || where(c, WIDTH - used, at, sizeof at)) {
        where(c, WIDTH - strlen("  at "), at, sizeof at);
        fputs("\n  at ", out);
    } else {
        fputs(", at ", out);
    }
    put_clean(out, at);
    fputc('\n', out);
    gpf__head_notes(out, how);
}

static void put_calls(FILE *out, const gpf_fdf *c, const gpf_report_options *how)
{
    const gpf_fdf_calls calls = gpf_fdf_n_calls(c);
    const struct {
        size_t n;
        const char *name;
    } counts[] = { { calls.df, c->kind->df }, { calls.fdf, "fdf" }, { calls.fvv, "fvv" } };
    say(out, "\n  %zu call%s of %s", calls.f, plural(calls.f), c->kind->f);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i].n)
            say(out, ", %zu of %s", counts[i].n, counts[i].name);
    if (how->seconds >= 0)
        say(out, ", %.3g s", how->seconds);
    fputc('\n', out);
}

/* What an explanation says before it gives numbers: "column 1 (x[1]) has the wrong sign". known:
 * the part whose name the reader has just read, -1 for none. */
static void append_gist(const gpf_fdf *c, const gpf_explanation *e, int known, char *buf,
                        size_t size)
{
    const char *part = e->part >= 0 ? gpf_fdf_part_at(c, (size_t)e->part)->name : "";
    const size_t prefix = strlen(part);
    const char *text = e->text, *gist = text;
    if (prefix && !strncmp(text, part, prefix) && !strncmp(text + prefix, ": ", 2))
        gist += prefix + 2;
    size_t n = 0;
    while (gist[n] && strncmp(gist + n, ": ", 2) != 0 && strncmp(gist + n, "; ", 2) != 0)
        n++;
    if (e->part != known) {
        n += (size_t)(gist - text);
        gist = text;
    }
    gpf__append(buf, size, "%.*s", (int)n, gist);
}

/* The first explanation of a severity that says something; how many there are in *n. */
static const gpf_explanation *first(const gpf_fdf *c, gpf_severity severity, size_t *n)
{
    const gpf_explanation *found = NULL;
    *n = 0;
    for (size_t i = gpf_fdf_n_explanations(c); i-- > 0;) {
        const gpf_explanation *e = gpf_fdf_explanation(c, i);
        if (e->severity != severity || e->kind == GPF_UNEXPLAINED)
            continue;
        found = e;
        ++*n;
    }
    return found;
}

static void close_wrong(const gpf_fdf *c, char *buf, size_t size)
{
    size_t faults, listed = 0;
    int part = -1;
    const gpf_explanation *fault = first(c, GPF_FAULT, &faults);
    for (size_t i = 0; i < gpf_fdf_n_parts(c); i++) {
        const gpf_fdf_part *p = gpf_fdf_part_at(c, i);
        if (!p->tally.count[GPF_WRONG])
            continue;
        const size_t of = block_of(c, i) ? p->block.total : p->tally.checked;
        gpf__append(buf, size, "%s%zu of %zu %s of %s", listed ? ", " : "",
                    p->tally.count[GPF_WRONG], of, of == 1 ? "entry" : "entries", p->name);
        part = listed++ ? -1 : (int)i;
    }
    if (!fault)
        return;
    gpf__append(buf, size, listed ? ": " : "");
    append_gist(c, fault, part, buf, size);
    if (faults > 1)
        gpf__append(buf, size, ", and %zu more fault%s", faults - 1, plural(faults - 1));
}

/* "all 120 entries of J, 38 of 40 of fvv and the one of dfdt, to 7.2 digits and more", of the parts
 * that were not checked along directions; those go first. */
static void close_right(const gpf__view *v, char *buf, size_t size)
{
    size_t last = 0, listed = 0;
    gpf_tally all = { 0 };
    if (gpf__table_has_blocks(v))
        gpf__close_blocks(v, buf, size);
    for (size_t i = 0; i < v->n_parts; i++) {
        const gpf_tally t = v->tally(v->check, (int)i);
        if (v->block(v->check, i))
            continue;
        last = t.count[GPF_RIGHT] ? i : last;
        for (int k = 0; k < GPF_N_VERDICTS; k++)
            all.count[k] += t.count[k];
    }
    for (size_t i = 0; i <= last && all.count[GPF_RIGHT]; i++) {
        const gpf_tally t = v->tally(v->check, (int)i);
        const size_t right = t.count[GPF_RIGHT];
        char name[64];
        if (!right || v->block(v->check, i))
            continue;
        gpf__append(buf, size, "%s", listed ? i == last ? " and " : ", " : *buf ? "; " : "");
        if (t.checked == 1 && !gpf_fdf_stopped(v->check))
            gpf__append(buf, size, listed ? "the one" : "the one entry");
        else if (right == t.checked && !gpf_fdf_stopped(v->check))
            gpf__append(buf, size, listed ? "all %zu" : "all %zu entries", right);
        else
            gpf__append(buf, size, listed ? "%zu of %zu" : "%zu of %zu entries", right, t.checked);
        gpf__append(buf, size, " of %s", v->name(v->check, i, name, sizeof name));
        listed++;
    }
    if (listed)
        gpf__append(buf, size, ", to %.1f digits and more", gpf__least_digits(v));
    gpf__close_rest(v, &all, *buf ? "; " : "", buf, size);
}

static void put_closing(FILE *out, const gpf__view *v, const gpf_report_options *how)
{
    const gpf_fdf *c = v->check;
    const gpf_outcome o = gpf_fdf_outcome(c);
    const bool stopped = how->stopped || gpf_fdf_stopped(c);
    const char *word = NULL;
    char text[1024] = "";
    size_t doubts;
    const gpf_explanation *doubt = first(c, GPF_DOUBT, &doubts);
    if (o == GPF_OUTCOME_WRONG) {
        close_wrong(c, text, sizeof text);
    } else if (o == GPF_OUTCOME_UNTESTED && doubt) {
        word = "unsure";
        append_gist(c, doubt, -1, text, sizeof text);
    } else if (o != GPF_OUTCOME_UNTESTED || !gpf__close_untested(v, text, sizeof text)) {
        close_right(v, text, sizeof text);
    }
    if (stopped)
        gpf__append(text, sizeof text, "%s%s", *text ? "; " : "",
                    how->stopped ? how->stopped : "stopped before its end");
    gpf__close(out, how, o, word, text);
}

int gpf_report_fdf_text(FILE *out, const gpf_fdf *c, const gpf_report_options *how)
{
    if (!c)
        return GSL_EINVAL;
    const gpf_report_options defaults = gpf_report_defaults();
    how = how ? how : &defaults;
    const gpf__view v = view_of(c);
    if (!how->quiet) {
        put_heading(out, c, how);
        gpf__table_explanations(out, &v, how);
        int status = gpf__table_elements(out, &v, how);
        if (!status && tally_of(c, -1).count[GPF_KINK])
            fputs("\n  Kinks are inferred from one-sided slopes: a callback says nothing of its "
                  "kinks.\n",
                  out);
        if (!status && gpf__table_has_blocks(&v))
            gpf__table_blocks(out, &v, how);
        if (!status)
            status = gpf__table_tallies(out, &v);
        if (status)
            return status;
        put_calls(out, c, how);
    }
    put_closing(out, &v, how);
    return ferror(out) ? GSL_EFAILED : GSL_SUCCESS;
}

static json_t *variable_json(const gpf_fdf *c, size_t j)
{
    json_t *o = json_object();
    int bad = set(o, "name", gpf__json_text(gpf_fdf_variable(c, j)));
    bad += set_real(o, "value", gsl_vector_get(gpf_fdf_x(c), j));
    return finish(o, bad);
}

static json_t *value_json(double f)
{
    json_t *o = json_object();
    return finish(o, set_real(o, "value", f));
}

static json_t *block_json(const gpf_block *b)
{
    json_t *o = json_object();
    return finish(o, gpf__set_block(o, b));
}

static json_t *part_json(const gpf_fdf *c, size_t i)
{
    const gpf_fdf_part *p = gpf_fdf_part_at(c, i);
    json_t *o = json_object();
    int bad = set(o, "name", json_string(p->name));
    bad += set_size(o, "rows", p->rows);
    bad += set_size(o, "columns", p->cols);
    bad += gpf__set_tally(o, &p->tally);
    bad += set_size(o, "entries", p->total);
    bad += set(o, "block", block_of(c, i) ? block_json(&p->block) : json_null());
    return finish(o, bad);
}

static json_t *element_json(const gpf_fdf *c, size_t i)
{
    const gpf_element *e = gpf_fdf_element(c, i);
    const gpf_fdf_part *p = gpf_fdf_part_at(c, (size_t)e->tensor);
    char label[128];
    json_t *o = json_object();
    int bad = set(o, "part", json_string(p->name));
    bad += set(o, "label", gpf__json_text(gpf_fdf_label(c, i, label, sizeof label)));
    bad += set_size(o, "row", e->k / p->cols);
    bad += set_size(o, "column", e->k % p->cols);
    bad += gpf__set_element(o, e);
    /* A callback has no branch record: what is said of kinks is concluded from slopes. */
    bad +=
        set(o, "inferred", json_boolean(e->verdict == GPF_KINK || e->reason == GPF_REASON_OUTSIDE));
    return finish(o, bad);
}

static json_t *calls_json(const gpf_fdf *c)
{
    const gpf_fdf_calls calls = gpf_fdf_n_calls(c);
    json_t *o = json_object();
    int bad = set_size(o, "f", calls.f);
    bad += set_size(o, "df", calls.df);
    bad += set_size(o, "fdf", calls.fdf);
    bad += set_size(o, "fvv", calls.fvv);
    return finish(o, bad);
}

static json_t *stopped_json(const gpf_fdf *c, const gpf_report_options *how)
{
    if (how->stopped)
        return gpf__json_text(how->stopped);
    return gpf_fdf_stopped(c) ? json_string("stopped before its end") : json_null();
}

int gpf_report_fdf_json(FILE *out, const gpf_fdf *c, const gpf_report_options *how)
{
    if (!c)
        return GSL_EINVAL;
    const gpf_report_options defaults = gpf_report_defaults();
    how = how ? how : &defaults;
    writer w = { out, GSL_SUCCESS };
    const gpf_outcome o = gpf_fdf_outcome(c);
    const gpf_fdf_kind *kind = gpf_fdf_kind_of(c);
    fputs("{\n  \"schema\": \"gradproof-fdf/1\"", out);
    put_member(&w, "outcome", json_string(gpf__outcome_name(o)));
    put_member(&w, "exit_status", json_integer(o));
    put_member(&w, "stopped", stopped_json(c, how));
    put_member(&w, "name", name_json(how->model));
    put_member(&w, "kind", json_string(gpf_fdf_kind_name(kind)));
    put_member(&w, "structure", json_string(gpf_fdf_kind_structure(kind)));
    put_member(&w, "calls", calls_json(c));
    put_member(&w, "seconds", how->seconds >= 0 ? json_real(how->seconds) : json_null());
    put_notes(&w, how);
    open_list(&w, "x");
    for (size_t j = 0; j < gpf_fdf_x(c)->size; j++)
        put_item(&w, j == 0, variable_json(c, j));
    close_list(&w);
    open_list(&w, "values");
    for (size_t i = 0; i < c->m; i++)
        put_item(&w, i == 0, value_json(gpf_fdf_values(c)[i]));
    close_list(&w);
    open_list(&w, "explanations");
    for (size_t i = 0; i < gpf_fdf_n_explanations(c); i++) {
        const gpf_explanation *e = gpf_fdf_explanation(c, i);
        put_item(&w, i == 0,
                 gpf__explanation_json(e, e->part < 0 ? NULL
                                                      : gpf_fdf_part_at(c, (size_t)e->part)->name));
    }
    close_list(&w);
    open_list(&w, "parts");
    for (size_t i = 0; i < gpf_fdf_n_parts(c); i++)
        put_item(&w, i == 0, part_json(c, i));
    close_list(&w);
    open_list(&w, "elements");
    for (size_t i = 0; i < gpf_fdf_n_elements(c); i++)
        put_item(&w, i == 0, element_json(c, i));
    close_list(&w);
    fputs("\n}\n", out);
    return ferror(out) ? GSL_EFAILED : w.status;
}
