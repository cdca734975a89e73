/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The report for programs: one JSON object, its schema first, one line per element. Written piece
 * by piece, since a net has far more elements than should be in memory as JSON objects. */
#include "report/json.h"
#include "report/report.h"

static json_t *kink_json(const gpf_graph *g, const gpf_element *e)
{
    const gpf_branch *b = &e->kink;
    if (b->n_changed == 0)
        return json_null();
    const gpf_op *op = gpf_node_op(g, b->node);
    ptrdiff_t sample = gpf__report_sample(gpf_node_shape(g, b->node), b->element);
    json_t *o = json_object(), *sides = json_array();
    char text[160];
    int bad = 0;
    for (int i = 0; i < 4; i++) {
        gpf__report_side(op, e->side[i], text, sizeof text);
        bad += json_array_append_new(sides, json_string(text)) != 0;
    }
    bad += set(o, "op", json_string(op->name));
    bad += set(o, "node", gpf__json_text(gpf__report_call(g, b->node, text, sizeof text)));
    bad += set_size(o, "element", b->element);
    bad += set(o, "sample", sample < 0 ? json_null() : json_integer(sample));
    bad += set(o, "base", json_string(gpf__report_side(op, b->base, text, sizeof text)));
    bad += set(o, "sides", sides);
    bad += set_real(o, "step", e->kink_step);
    bad += set_real(o, "margin", b->margin);
    bad += set(o, "tie", json_boolean(b->tie));
    bad += set(o, "tie_rule", op->tie ? json_string(op->tie) : json_null());
    bad += set_size(o, "changed", b->n_changed);
    return finish(o, bad);
}

int gpf__set_element(json_t *o, const gpf_element *e)
{
    int bad = set_size(o, "k", e->k);
    bad += set(o, "verdict", json_string(gpf_verdict_name(e->verdict)));
    bad += set(o, "reason", json_string(gpf_reason_name(e->reason)));
    bad += set_real(o, "value", e->value);
    bad += set_real(o, "analytic", e->analytic);
    bad += set_real(o, "numeric", e->numeric);
    bad += set_real(o, "error", e->error);
    bad += set_real(o, "digits", e->digits);
    bad += set_real(o, "step", e->step);
    bad += set_real(o, "left", e->left);
    bad += set_real(o, "left_error", e->left_error);
    bad += set_real(o, "right", e->right);
    bad += set_real(o, "right_error", e->right_error);
    return bad + set_size(o, "evaluations", e->evaluations);
}

static json_t *element_json(const gpf_check *c, const gpf_element *e)
{
    const gpf_graph *g = gpf_check_graph(c);
    size_t t = (size_t)e->tensor;
    char index[64];
    json_t *o = json_object();
    int bad = set(o, "tensor", label_json(g, gpf_check_tensor(c, t)));
    gpf__report_index(gpf_check_tensor_shape(c, t), e->k, index, sizeof index);
    bad += set(o, "index", json_string(index));
    bad += gpf__set_element(o, e);
    bad += set(o, "kink", kink_json(g, e));
    return finish(o, bad);
}

/* Extends o by the counts of a tally. */
int gpf__set_tally(json_t *o, const gpf_tally *t)
{
    int bad = set_size(o, "total", t->total) + set_size(o, "checked", t->checked);
    for (int v = 0; v < GPF_N_VERDICTS; v++)
        bad += set_size(o, gpf_verdict_name((gpf_verdict)v), t->count[v]);
    json_t *digits = json_array();
    for (size_t i = 0; i < sizeof t->digits / sizeof *t->digits; i++)
        bad += json_array_append_new(digits, json_integer((json_int_t)t->digits[i])) != 0;
    bad += set(o, "right_by_digits", digits);
    bad += set_size(o, "evaluations", t->evaluations);
    return bad + set_real(o, "max_gap", t->max_gap);
}

static json_t *tensor_json(const gpf_check *c, int tensor)
{
    gpf_tally tally = gpf_check_tally(c, tensor);
    json_t *o = json_object();
    int bad = 0;
    if (tensor >= 0) {
        size_t t = (size_t)tensor;
        bad += set(o, "name", label_json(gpf_check_graph(c), gpf_check_tensor(c, t)));
        bad += set(o, "shape", shape_json(gpf_check_tensor_shape(c, t)));
    }
    bad += gpf__set_tally(o, &tally);
    return finish(o, bad);
}

int gpf__set_block(json_t *o, const gpf_block *b)
{
    int bad = set(o, "verdict", json_string(gpf_verdict_name(b->verdict)));
    bad += set(o, "reason", json_string(gpf_reason_name(b->reason)));
    bad += set_size(o, "total", b->total);
    bad += set_size(o, "covered", b->covered);
    bad += set_size(o, "small", b->small);
    bad += set_size(o, "untested", b->untested);
    bad += set_size(o, "directions", b->directions);
    bad += set_size(o, "disagreed", b->disagreed);
    bad += set_size(o, "evaluations", b->evaluations);
    bad += set_real(o, "probability", GPF_FAST_PROBABILITY);
    bad += set_real(o, "error", b->error);
    bad += set_real(o, "relative_error", GPF_FAST_RELATIVE);
    return bad + set_real(o, "magnitude", b->magnitude);
}

static json_t *block_json(const gpf_check *c, size_t i)
{
    json_t *o = json_object();
    int bad = set(o, "name", label_json(gpf_check_graph(c), gpf_check_tensor(c, i)));
    bad += set(o, "shape", shape_json(gpf_check_tensor_shape(c, i)));
    bad += gpf__set_block(o, gpf_check_block(c, i));
    return finish(o, bad);
}

static json_t *index_json(ptrdiff_t i) /* < 0: does not apply */
{
    return i < 0 ? json_null() : json_integer((json_int_t)i);
}

/* Of a swap the other index, of a shift the number of places, which may be negative. */
static json_t *other_json(const gpf_explanation *e)
{
    return e->kind == GPF_SHIFTED ? json_integer((json_int_t)e->other) : index_json(e->other);
}

json_t *gpf__explanation_json(const gpf_explanation *e, const char *part)
{
    static const char *const severities[] = {
        [GPF_FAULT] = "fault", [GPF_DOUBT] = "doubt", [GPF_NOTE] = "note"
    };
    json_t *o = json_object();
    int bad = set(o, "kind", json_string(gpf_explanation_name(e->kind)));
    bad += set(o, "severity", json_string(severities[e->severity]));
    bad += set(o, "part", name_json(part));
    bad += set(o, "row", index_json(e->row));
    bad += set(o, "column", index_json(e->column));
    bad += set(o, "other", other_json(e));
    bad += set_real(o, "ratio", e->ratio);
    bad += set_size(o, "matched", e->matched);
    bad += set_size(o, "total", e->total);
    bad += set(o, "text", gpf__json_text(e->text));
    return finish(o, bad);
}

const char *gpf__outcome_name(gpf_outcome o)
{
    static const char *const names[] = { [GPF_OUTCOME_RIGHT] = "right",
                                         [GPF_OUTCOME_WRONG] = "wrong",
                                         [GPF_OUTCOME_TROUBLE] = "trouble",
                                         [GPF_OUTCOME_UNTESTED] = "untested" };
    return names[o];
}

static json_t *claim_json(const gpf_report_claim *claim)
{
    static const char *const names[] = {
        [GPF_HOLDS] = "holds", [GPF_REFUTED] = "refuted", [GPF_UNDECIDED] = "undecided"
    };
    const gpf_claim_result *r = claim->result;
    json_t *o = json_object();
    int bad = set(o, "line", json_integer(claim->line));
    bad += set(o, "text", gpf__json_text(claim->text));
    bad += set(o, "verdict", json_string(names[r->verdict]));
    bad += set(o, "why", gpf__json_text(r->why));
    bad += set_size(o, "points", r->points);
    bad += set_size(o, "batch", r->N);
    bad += set(o, "holds_here", json_boolean(r->holds_here));
    bad += set(o, "shape", shape_json(r->shape));
    bad += set_size(o, "element", r->element);
    bad += set_real(o, "left", r->left);
    bad += set_real(o, "right", r->right);
    bad += set_real(o, "ratio", r->ratio);
    bad += set_real(o, "worst", r->worst);
    bad += set_size(o, "gradients_checked", r->grads_checked);
    bad += set_size(o, "gradients_right", r->grads_right);
    return finish(o, bad);
}

static json_t *settings_json(const gpf_check *c, const gpf_report_options *how)
{
    json_t *o = json_object();
    int bad = set(o, "seed", json_integer((json_int_t)how->model_seed));
    if (how->how) {
        bad += set(o, "sample_seed", json_integer((json_int_t)how->how->seed));
        bad += set_size(o, "sample", how->how->sample);
        bad += set_size(o, "max_failures", how->how->max_failures);
        bad += set(o, "fast", json_boolean(how->how->fast));
    }
    bad += set(o, "batch", c ? json_integer((json_int_t)gpf_check_batch(c)) : json_null());
    bad += set(o, "threads", c ? json_integer(gpf_check_threads(c)) : json_null());
    bad += set(o, "seconds", how->seconds >= 0 ? json_real(how->seconds) : json_null());
    return finish(o, bad);
}

static json_t *output_json(const gpf_check *c, const gpf_report_options *how)
{
    gpf_shape shape = gpf_node_shape(gpf_check_graph(c), gpf_check_output(c));
    char text[64];
    json_t *o = json_object();
    int bad = set(o, "name", gpf__json_text(gpf__report_output(c, how, text, sizeof text)));
    bad += set(o, "shape", json_string(gpf_shape_text(shape, text, sizeof text)));
    bad += set(o, "contracted", json_boolean(gpf_check_contracted(c)));
    bad += set_real(o, "value", gpf_check_value(c));
    return finish(o, bad);
}

static void put_explanations(writer *w, const gpf_check *c)
{
    open_list(w, "explanations");
    for (size_t i = 0; i < gpf_check_n_explanations(c); i++) {
        const gpf_explanation *e = gpf_check_explanation(c, i);
        char label[128] = "";
        if (e->part >= 0)
            gpf_node_label(gpf_check_graph(c), gpf_check_tensor(c, (size_t)e->part), label,
                           sizeof label);
        put_item(w, i == 0, gpf__explanation_json(e, e->part >= 0 ? label : NULL));
    }
    close_list(w);
}

int gpf_report_json(FILE *out, const gpf_check *c, const gpf_report_options *how)
{
    const gpf_report_options defaults = gpf_report_defaults();
    how = how ? how : &defaults;
    writer w = { out, GSL_SUCCESS };
    gpf_outcome o = gpf_report_outcome(c, how);
    fputs("{\n  \"schema\": \"gradproof-check/1\"", out);
    put_member(&w, "outcome", json_string(gpf__outcome_name(o)));
    put_member(&w, "exit_status", json_integer(o));
    put_member(&w, "stopped", name_json(how->stopped));
    put_member(&w, "model", name_json(how->model));
    put_member(&w, "analytic", gpf__json_text(gpf__report_analytic(how)));
    put_member(&w, "settings", settings_json(c, how));
    put_notes(&w, how);
    if (c) {
        put_member(&w, "output", output_json(c, how));
        put_member(&w, "all", tensor_json(c, -1));
        open_list(&w, "tensors");
        for (size_t t = 0; t < gpf_check_n_tensors(c); t++)
            put_item(&w, t == 0, tensor_json(c, (int)t));
        close_list(&w);
        if (gpf_check_block(c, 0)) {
            open_list(&w, "blocks");
            for (size_t t = 0; t < gpf_check_n_tensors(c); t++)
                put_item(&w, t == 0, block_json(c, t));
            close_list(&w);
        }
        if (gpf_check_n_explanations(c))
            put_explanations(&w, c);
        open_list(&w, "elements");
        for (size_t i = 0; i < gpf_check_n_elements(c); i++)
            put_item(&w, i == 0, element_json(c, gpf_check_element(c, i)));
        close_list(&w);
    }
    open_list(&w, "claims");
    for (size_t i = 0; i < how->n_claims; i++)
        put_item(&w, i == 0, claim_json(&how->claims[i]));
    close_list(&w);
    fputs("\n}\n", out);
    return ferror(out) ? GSL_EFAILED : w.status;
}
