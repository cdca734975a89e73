/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The health of a net: a table of its layers, what was found, and what usually helps. */
#include "report/json.h"
#include "report/put.h"
#include "report/table.h"

#include <math.h>
#include <stdbool.h>

enum { LAYER, UNITS, DEAD, NEARLY, SATURATED, DISTINCT, RANK, RMS, DZ, DW, RATIO, N_CELLS };
typedef struct layer_line {
    char cell[N_CELLS][64];
} layer_line;

static void put_count(char *cell, size_t n, bool known)
{
    gpf__format(cell, 64, known ? "%zu" : "-", n);
}

static void put_measure(char *cell, double x)
{
    gpf__format(cell, 64, isnan(x) ? "-" : "%.2g", x);
}

static void fill(const gpf_health *h, size_t i, layer_line *l)
{
    const gpf_layer *y = gpf_health_layer(h, i);
    gpf__format(l->cell[LAYER], sizeof l->cell[LAYER], "%s", y->name);
    put_count(l->cell[UNITS], y->units, true);
    put_count(l->cell[DEAD], y->dead, y->sloped);
    put_count(l->cell[NEARLY], y->nearly, y->sloped);
    put_count(l->cell[SATURATED], y->saturated, y->sloped);
    put_count(l->cell[DISTINCT], y->distinct, true);
    put_count(l->cell[RANK], y->rank, y->rank != (size_t)-1);
    put_measure(l->cell[RMS], y->activation);
    put_measure(l->cell[DZ], y->gradient);
    put_measure(l->cell[DW], y->weight_gradient);
    put_measure(l->cell[RATIO], y->ratio);
}

static void put_line(FILE *out, const layer_line *l, const int *width)
{
    for (int j = 0; j < N_CELLS; j++) {
        fputs("  ", out);
        if (j == LAYER) {
            put_clean(out, l->cell[j]);
            say(out, "%*s", width[j] - (int)strlen(l->cell[j]), "");
        } else {
            say(out, "%*s", width[j], l->cell[j]);
        }
    }
    fputc('\n', out);
}

static void put_layers(FILE *out, const gpf_health *h)
{
    static const layer_line title = { { "layer", "units", "dead", "nearly", "saturated", "distinct",
                                        "rank", "rms a", "|dL/dz|", "|dL/dW|", "step/|W|" } };
    int width[N_CELLS];
    layer_line l;
    const size_t n = gpf_health_n_layers(h);
    if (n == 0)
        return;
    for (int j = 0; j < N_CELLS; j++)
        width[j] = (int)strlen(title.cell[j]);
    for (size_t i = 0; i < n; i++) {
        fill(h, i, &l);
        for (int j = 0; j < N_CELLS; j++)
            if (width[j] < (int)strlen(l.cell[j]))
                width[j] = (int)strlen(l.cell[j]);
    }
    fputc('\n', out);
    put_line(out, &title, width);
    for (size_t i = 0; i < n; i++) {
        fill(h, i, &l);
        put_line(out, &l, width);
    }
}

/* Words that need a person at once are red. */
static int color_of(gpf_finding_kind k)
{
    return k == GPF_NEARLY_DEAD || k == GPF_SATURATED || k == GPF_TINY_STEP ? YELLOW : RED;
}

static void put_findings(FILE *out, const gpf_health *h, const gpf_report_options *how)
{
    const size_t n = gpf_health_n_findings(h),
                 limit = how->max_rows ? how->max_rows : GPF__MAX_ROWS;
    int width = 0;
    for (size_t i = 0; i < n; i++) {
        const int w = (int)strlen(gpf_finding_name(gpf_health_finding(h, i)->kind));
        width = w > width ? w : width;
    }
    for (size_t i = 0; i < n && (how->all || i < limit); i++) {
        const gpf_finding *f = gpf_health_finding(h, i);
        bool told = false;
        fputs(i ? "  " : "\n  ", out);
        put_word(out, how, gpf_finding_name(f->kind), color_of(f->kind), width);
        fputc(' ', out);
        put_words(out, f->text, width + 3, width + 6);
        for (size_t k = 0; k < i; k++)
            told |= gpf_health_finding(h, k)->help == f->help;
        if (told)
            continue;
        say(out, "%*swhat helps:", width + 4, "");
        put_words(out, f->help, width + 4 + (int)strlen("what helps:"), width + 6);
    }
    if (!how->all && n > limit)
        say(out, "  ... and %zu more\n", n - limit);
}

static size_t count_units(const gpf_health *h)
{
    size_t units = 0;
    for (size_t i = 0; i < gpf_health_n_layers(h); i++)
        units += gpf_health_layer(h, i)->hidden ? gpf_health_layer(h, i)->units : 0;
    return units;
}

int gpf_report_health_text(FILE *out, const gpf_health *h, const gpf_report_options *how)
{
    const gpf_report_options defaults = gpf_report_defaults();
    how = how ? how : &defaults;
    const size_t n = gpf_health_n_findings(h), layers = gpf_health_n_layers(h),
                 units = count_units(h);
    if (!how->quiet) {
        char label[64];
        gpf__head_model(out, how);
        put_clean(out, how->output ? how->output
                                   : gpf_node_label(gpf_health_graph(h), gpf_health_output(h),
                                                    label, sizeof label));
        say(out, " = %.7g, %zu layer%s, %zu hidden unit%s\n", gpf_health_loss(h), layers,
            plural(layers), units, plural(units));
        gpf__head_notes(out, how);
        put_layers(out, h);
        put_findings(out, h, how);
        fputc('\n', out);
    }
    if (n)
        put_word(out, how, "findings", RED, 0);
    else
        put_word(out, how, "healthy", GREEN, 0);
    if (n)
        say(out, ": %zu\n", n);
    else
        say(out, ": nothing found in %zu layer%s\n", layers, plural(layers));
    return ferror(out) ? GSL_EFAILED : GSL_SUCCESS;
}

static json_t *unit_json(const gpf_layer *y, size_t k)
{
    const gpf_unit *u = &y->unit[k];
    json_t *o = json_object();
    int bad = y->sloped ? set_real(o, "off", u->off) : set(o, "off", json_null());
    bad += y->sloped ? set_real(o, "saturated", u->saturated) : set(o, "saturated", json_null());
    bad += y->sloped ? set_real(o, "silent", u->silent) : set(o, "silent", json_null());
    bad += set_real(o, "mean", u->mean);
    bad += set_real(o, "deviation", u->deviation);
    bad += set(o, "twin", json_integer(u->twin));
    return finish(o, bad);
}

static json_t *layer_json(const gpf_health *h, size_t i)
{
    const gpf_layer *y = gpf_health_layer(h, i);
    const gpf_graph *g = gpf_health_graph(h);
    json_t *o = json_object(), *units = json_array();
    int bad = set(o, "name", gpf__json_text(y->name));
    bad += set(o, "a", label_json(g, y->a));
    bad += set(o, "z", label_json(g, y->z));
    bad += set(o, "weight", label_json(g, y->weight));
    bad += set(o, "bias", y->bias == GPF_NONE ? json_null() : label_json(g, y->bias));
    bad += set_size(o, "units", y->units);
    bad += set_size(o, "samples", y->samples);
    bad += set(o, "hidden", json_boolean(y->hidden));
    bad += set(o, "sloped", json_boolean(y->sloped));
    bad += set_size(o, "dead", y->dead);
    bad += set_size(o, "nearly_dead", y->nearly);
    bad += set_size(o, "saturated", y->saturated);
    bad += set_size(o, "distinct", y->distinct);
    bad += set(o, "rank", y->rank == (size_t)-1 ? json_null() : json_integer((json_int_t)y->rank));
    bad += set_real(o, "activation", y->activation);
    bad += set_real(o, "gradient", y->gradient);
    bad += set_real(o, "weight_gradient", y->weight_gradient);
    bad += set_real(o, "weight_norm", y->weight_norm);
    bad += set_real(o, "step_ratio", y->ratio);
    for (size_t k = 0; k < y->units; k++)
        bad += json_array_append_new(units, unit_json(y, k)) != 0;
    bad += set(o, "unit", units);
    return finish(o, bad);
}

static json_t *finding_json(const gpf_health *h, size_t i)
{
    const gpf_finding *f = gpf_health_finding(h, i);
    json_t *o = json_object();
    int bad = set(o, "kind", json_string(gpf_finding_name(f->kind)));
    bad += set(o, "layer", f->layer < 0 ? json_null() : json_integer(f->layer));
    bad += set(o, "node", label_json(gpf_health_graph(h), f->node));
    bad += set_size(o, "units", f->n_units);
    bad += set(o, "text", gpf__json_text(f->text));
    bad += set(o, "help", json_string(f->help));
    return finish(o, bad);
}

static json_t *net_json(const gpf_health *h, const gpf_report_options *how)
{
    char label[64];
    const char *name = how->output ? how->output
                                   : gpf_node_label(gpf_health_graph(h), gpf_health_output(h),
                                                    label, sizeof label);
    json_t *o = json_object();
    int bad = set(o, "name", gpf__json_text(name));
    bad += set_real(o, "value", gpf_health_loss(h));
    return finish(o, bad);
}

int gpf_report_health_json(FILE *out, const gpf_health *h, const gpf_report_options *how)
{
    const gpf_report_options defaults = gpf_report_defaults();
    how = how ? how : &defaults;
    writer w = { out, GSL_SUCCESS };
    const size_t n = gpf_health_n_findings(h), layers = gpf_health_n_layers(h);
    fputs("{\n  \"schema\": \"gradproof-health/1\"", out);
    put_member(&w, "outcome", json_string(n ? "findings" : "healthy"));
    put_member(&w, "exit_status", json_integer(n > 0));
    put_member(&w, "model", name_json(how->model));
    put_member(&w, "seed", json_integer((json_int_t)how->model_seed));
    put_member(&w, "output", net_json(h, how));
    put_member(&w, "dead", json_real(gpf_health_dead(h)));
    open_list(&w, "layers");
    for (size_t i = 0; i < layers; i++)
        put_item(&w, i == 0, layer_json(h, i));
    close_list(&w);
    open_list(&w, "findings");
    for (size_t i = 0; i < n; i++)
        put_item(&w, i == 0, finding_json(h, i));
    close_list(&w);
    fputs("\n}\n", out);
    return ferror(out) ? GSL_EFAILED : w.status;
}
