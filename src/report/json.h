/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pieces of JSON, for the reports that programs read. */
#ifndef GPF_REPORT_JSON_H
#define GPF_REPORT_JSON_H

#include "base/json.h"
#include "base/text.h"

#include <gradproof/report.h>

typedef struct writer {
    FILE *out;
    int status;
} writer;

/* Takes over v. A missing v means that building it failed. */
static inline void put_value(writer *w, json_t *v)
{
    /* jansson writes reals with 17 digits and a '.' under every locale. */
    if (!v)
        w->status = GSL_ENOMEM;
    else if (json_dumpf(v, w->out, JSON_ENCODE_ANY) && !w->status)
        w->status = ferror(w->out) ? GSL_EFAILED : GSL_ENOMEM;
    json_decref(v);
}

static inline void put_member(writer *w, const char *name, json_t *v)
{
    fprintf(w->out, ",\n  \"%s\": ", name);
    put_value(w, v);
}

/* Counts the failures of setting members, which json_object_set_new reports for a NULL value
 * too. */
static inline int set(json_t *o, const char *name, json_t *v)
{
    return json_object_set_new(o, name, v) != 0;
}

static inline int set_size(json_t *o, const char *name, size_t n)
{
    return set(o, name, json_integer((json_int_t)n));
}

static inline int set_real(json_t *o, const char *name, double x)
{
    const char *text = gpf__json_nonfinite(x);
    char key[48];
    if (!text)
        return set(o, name, json_real(x));
    gpf__format(key, sizeof key, "%s_text", name);
    return set(o, name, json_null()) + set(o, key, json_string(text));
}

/* o, or NULL if building it failed somewhere. */
static inline json_t *finish(json_t *o, int failures)
{
    if (failures == 0)
        return o;
    json_decref(o);
    return NULL;
}

static inline json_t *shape_json(gpf_shape s)
{
    json_t *a = json_array();
    int bad = 0;
    for (int d = 0; d < s.rank; d++)
        bad += json_array_append_new(a, json_integer(s.dim[d])) != 0;
    return finish(a, bad);
}

static inline json_t *label_json(const gpf_graph *g, gpf_node n)
{
    char label[128];
    return gpf__json_text(gpf_node_label(g, n, label, sizeof label));
}

static inline json_t *name_json(const char *text) /* NULL: null */
{
    return text ? gpf__json_text(text) : json_null();
}

/* What a graph's check and a callback's have alike: members of an element but its name, of a tally,
 * of a block. Count failures. json.c */
int gpf__set_element(json_t *o, const gpf_element *e);
int gpf__set_tally(json_t *o, const gpf_tally *t);
int gpf__set_block(json_t *o, const gpf_block *b);
/* part: the name of e->part, NULL for the whole. */
json_t *gpf__explanation_json(const gpf_explanation *e, const char *part);
const char *gpf__outcome_name(gpf_outcome o);

/* "name": [ item, item, .. ], one item a line. */
static inline void open_list(writer *w, const char *name)
{
    fprintf(w->out, ",\n  \"%s\": [", name);
}

static inline void put_item(writer *w, int first, json_t *v)
{
    fputs(first ? "\n    " : ",\n    ", w->out);
    put_value(w, v);
}

static inline void close_list(writer *w)
{
    fputs("\n  ]", w->out);
}

static inline void put_notes(writer *w, const gpf_report_options *how)
{
    open_list(w, "notes");
    for (size_t i = 0; how->notes && how->notes[i]; i++)
        put_item(w, i == 0, gpf__json_text(how->notes[i]));
    close_list(w);
}

#endif
