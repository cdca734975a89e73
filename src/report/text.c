/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The report for people: what is wrong first, why, and what was tested at all. */
#include "report/put.h"
#include "report/report.h"
#include "report/table.h"
#include "base/text.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

gpf_report_options gpf_report_defaults(void)
{
    return (gpf_report_options){ .seconds = -1 };
}

gpf_outcome gpf_report_outcome(const gpf_check *c, const gpf_report_options *how)
{
    const gpf_report_options defaults = gpf_report_defaults();
    how = how ? how : &defaults;
    size_t refuted = 0, undecided = 0;
    for (size_t i = 0; i < how->n_claims; i++) {
        refuted += how->claims[i].result->verdict == GPF_REFUTED;
        undecided += how->claims[i].result->verdict == GPF_UNDECIDED;
    }
    gpf_outcome o = c ? gpf_check_outcome(c) : GPF_OUTCOME_RIGHT;
    /* A wrong element stays wrong however the rest would have come out. */
    if (refuted || o == GPF_OUTCOME_WRONG)
        return GPF_OUTCOME_WRONG;
    if (how->stopped || o == GPF_OUTCOME_TROUBLE || (!c && !how->n_claims))
        return GPF_OUTCOME_TROUBLE;
    return undecided ? GPF_OUTCOME_UNTESTED : o;
}

char *gpf__report_index(gpf_shape s, size_t k, char *buf, size_t size)
{
    size_t at[GPF_MAX_RANK] = { 0 }, rest = k;
    buf[0] = '\0';
    for (int d = s.rank; d-- > 0; rest /= (size_t)(d ? s.dim[d] : 1)) {
        if (d && s.dim[d] <= 0) {
            gpf__format(buf, size, "[#%zu]", k);
            return buf;
        }
        at[d] = d ? rest % (size_t)s.dim[d] : rest;
    }
    for (int d = 0; d < s.rank; d++)
        gpf__append(buf, size, "%c%zu", d ? ',' : '[', at[d]);
    gpf__append(buf, size, "%s", s.rank ? "]" : "");
    return buf;
}

ptrdiff_t gpf__report_sample(gpf_shape s, size_t k)
{
    if (s.rank == 0 || s.dim[0] != GPF_N)
        return -1;
    for (int d = 1; d < s.rank; d++) {
        if (s.dim[d] <= 0)
            return -1;
        k /= (size_t)s.dim[d];
    }
    return (ptrdiff_t)k;
}

char *gpf__report_call(const gpf_graph *g, gpf_node n, char *buf, size_t size)
{
    int n_x = 0, unnamed = 0;
    const gpf_node *x = gpf_node_inputs(g, n, &n_x);
    const char *op = gpf_node_op(g, n)->name, *name = gpf_node_name(g, n);
    for (int i = 0; i < n_x; i++)
        unnamed |= !gpf_node_name(g, x[i]);
    if (name && unnamed) {
        gpf__format(buf, size, "%s %s", op, name);
        return buf;
    }
    gpf__format(buf, size, "%s(", op);
    for (int i = 0; i < n_x; i++) {
        char label[64];
        gpf__append(buf, size, "%s%s", i ? ", " : "", gpf_node_label(g, x[i], label, sizeof label));
    }
    gpf__append(buf, size, ")");
    return buf;
}

char *gpf__report_side(const gpf_op *op, int side, char *buf, size_t size)
{
    if (side & 1) {
        gpf__format(buf, size, "tie");
        return buf;
    }
    const char *piece = op->pieces;
    for (int i = 0; piece && i < side / 2; i++) {
        piece = strchr(piece, '|');
        piece = piece ? piece + 1 : NULL;
    }
    if (piece && side >= 0)
        gpf__format(buf, size, "%.*s", (int)strcspn(piece, "|"), piece);
    else
        gpf__format(buf, size, "piece %d", side / 2);
    return buf;
}

const char *gpf__report_output(const gpf_check *c, const gpf_report_options *how, char *buf,
                               size_t size)
{
    return how->output ? how->output
                       : gpf_node_label(gpf_check_graph(c), gpf_check_output(c), buf, size);
}

static const char *not_finite(const gpf_element *e, double y, const char *analytic, char *buf,
                              size_t size)
{
    if (!isfinite(y))
        return "the output is not finite here";
    if (!isfinite(e->value))
        return "the element itself is not finite";
    if (isfinite(e->analytic))
        return "the output is finite here, but not at every step";
    gpf__format(buf, size, "%s is %g here%s", analytic, unsigned_zero(e->analytic),
                e->verdict == GPF_WRONG ? ", the slope is finite" : "");
    return buf;
}

const char *gpf__report_analytic(const gpf_report_options *how)
{
    return how->analytic ? how->analytic : "backprop";
}

const char *gpf__report_reason(const gpf_element *e, double y, const char *analytic, char *buf,
                               size_t size)
{
    static const char *const phrases[] = {
        [GPF_REASON_NONE] = "",
        [GPF_REASON_FLAT_GAP] = "the gap is the same at every step",
        [GPF_REASON_OUTSIDE] = "not between the one-sided slopes",
        [GPF_REASON_TIE] = "the derivative chosen at a tie is no slope",
        [GPF_REASON_BETWEEN] = "between the one-sided slopes",
        [GPF_REASON_JUMP] = "the output itself jumps here: it has no derivative",
        [GPF_REASON_NO_REACTION] = "no reaction to any step",
        [GPF_REASON_INDEPENDENT] = "no path in the graph",
        [GPF_REASON_NOISE] = "too noisy: the gap grows as the step shrinks",
        [GPF_REASON_TRUNCATION] = "too curved: the gap still shrinks with the step",
        [GPF_REASON_CROWDED] = "kinks too close together for a one-sided slope",
        [GPF_REASON_UNCONFIRMED] =
            "directions disagree, single elements do not: tiny errors, or a kink nearby",
        [GPF_REASON_TOO_SMALL] = "every element is too small to be seen",
    };
    if (e->reason == GPF_REASON_NOT_FINITE)
        return not_finite(e, y, analytic, buf, size);
    const char *phrase =
        (size_t)e->reason < sizeof phrases / sizeof *phrases ? phrases[e->reason] : NULL;
    return phrase ? phrase : gpf_reason_name(e->reason);
}

/* "relu(z1)[17,0] (sample 17)", and how many more elements changed piece with it. */
static void put_culprit(FILE *out, const gpf_check *c, const gpf_branch *b)
{
    const gpf_graph *g = gpf_check_graph(c);
    gpf_shape shape = gpf_node_shape(g, b->node);
    ptrdiff_t sample = gpf__report_sample(shape, b->element);
    char call[160], index[64];
    say(out, "%s%s", clean(gpf__report_call(g, b->node, call, sizeof call)),
        gpf__report_index(shape, b->element, index, sizeof index));
    if (sample >= 0)
        say(out, " (sample %td)", sample);
    if (b->n_changed > 1)
        say(out, " and %zu more", b->n_changed - 1);
}

/* Backprop follows an op's stated convention on its edge, and that convention is no slope of y. */
static void put_tie(FILE *out, const gpf__view *v, const gpf_element *e)
{
    const gpf_check *c = v->check;
    const char *analytic = v->analytic;
    const gpf_graph *g = gpf_check_graph(c);
    const gpf_op *op = gpf_node_op(g, e->kink.node);
    if (fabs(e->left - e->right) <= e->left_error + e->right_error)
        say(out, GPF__INDENT "the slope is %.7g on both sides, %s says %.7g\n",
            unsigned_zero(e->right), analytic, unsigned_zero(e->analytic));
    else
        say(out, GPF__INDENT "the slopes are %.7g and %.7g, %s says %.7g\n", unsigned_zero(e->left),
            unsigned_zero(e->right), analytic, unsigned_zero(e->analytic));
    fputs(GPF__INDENT, out);
    put_culprit(out, c, &e->kink);
    fputs(e->kink.n_changed > 1 ? " sit exactly on their edges" : " sits exactly on its edge", out);
    say(out, "; beside it %s is right\n", analytic);
    if (!op->tie)
        return;
    say(out, GPF__INDENT "there the derivative of %s is a convention: %s", op->name, op->tie);
    const char *sep = "; here ";
    for (const gpf_op_param *p = op->params; p && p->name; p++) {
        if (p->kind != GPF_REAL)
            continue;
        say(out, "%s%s = %.7g", sep, p->name, gpf_node_attr(g, e->kink.node)->p[p->slot]);
        sep = ", ";
    }
    fputc('\n', out);
}

static void put_kink(FILE *out, const gpf__view *v, const gpf_element *e)
{
    const gpf_check *c = v->check;
    const gpf_op *op = gpf_node_op(gpf_check_graph(c), e->kink.node);
    char side[4][40];
    for (int i = 0; i < 4; i++)
        gpf__report_side(op, e->side[i], side[i], sizeof side[i]);
    fputs(GPF__INDENT, out);
    put_culprit(out, c, &e->kink);
    if (e->side[0] == e->side[1] && e->side[2] == e->side[3])
        say(out, ": %s at -h, %s at +h", side[0], side[3]);
    else
        say(out, ": %s, %s, %s, %s at -h, -h/2, +h/2, +h", side[0], side[1], side[2], side[3]);
    say(out, " (h = %.1e)", e->kink_step);
    if (e->kink.margin > 0)
        say(out, ", %.1e from its edge\n", e->kink.margin);
    else
        fputs(", exactly on its edge\n", out);
    gpf__table_slopes(out, v, e);
}

/* Backprop's conventions and the branch record, as a graph has them. */
static void put_detail(FILE *out, const gpf__view *v, const gpf_element *e)
{
    if (e->kink.n_changed == 0)
        return;
    if (e->reason == GPF_REASON_TIE)
        put_tie(out, v, e);
    else if (e->verdict == GPF_KINK || e->reason == GPF_REASON_OUTSIDE ||
             e->reason == GPF_REASON_CROWDED || e->reason == GPF_REASON_JUMP)
        put_kink(out, v, e);
}

static const gpf_element *element_of(const void *c, size_t i)
{
    return gpf_check_element(c, i);
}

static const gpf_explanation *explanation_of(const void *c, size_t i)
{
    return gpf_check_explanation(c, i);
}

static gpf_tally tally_of(const void *c, int tensor)
{
    return gpf_check_tally(c, tensor);
}

static const gpf_block *block_of(const void *c, size_t i)
{
    return gpf_check_block(c, i);
}

static bool tested(const void *c, size_t i)
{
    const gpf_tally t = gpf_check_tally(c, (int)i);
    return t.count[GPF_RIGHT] || t.count[GPF_KINK];
}

static double value_of(const void *c, const gpf_element *e)
{
    (void)e;
    return gpf_check_value(c);
}

static char *name_of(const void *c, size_t i, char *buf, size_t size)
{
    return gpf_node_label(gpf_check_graph(c), gpf_check_tensor(c, i), buf, size);
}

static char *shape_of(const void *c, size_t i, char *buf, size_t size)
{
    return gpf_shape_text(gpf_check_tensor_shape(c, i), buf, size);
}

static char *label_of(const void *c, size_t i, char *buf, size_t size)
{
    const gpf_element *e = gpf_check_element(c, i);
    const size_t t = (size_t)e->tensor;
    char name[64], index[64];
    gpf__format(buf, size, "%s%s", name_of(c, t, name, sizeof name),
                gpf__report_index(gpf_check_tensor_shape(c, t), e->k, index, sizeof index));
    return buf;
}

static gpf__view view_of(const gpf_check *c, const gpf_report_options *how, char *buf, size_t size)
{
    return (gpf__view){ .check = c,
                        .part = "tensor",
                        .analytic = gpf__report_analytic(how),
                        .output = gpf__report_output(c, how, buf, size),
                        .n_parts = gpf_check_n_tensors(c),
                        .n_elements = gpf_check_n_elements(c),
                        .n_explanations = gpf_check_n_explanations(c),
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

static void put_heading(FILE *out, const gpf__view *v, const gpf_report_options *how)
{
    const gpf_check *c = v->check;
    gpf__head_model(out, how);
    if (c) {
        gpf_tally all = gpf_check_tally(c, -1);
        put_clean(out, v->output);
        if (gpf_check_contracted(c))
            fputs(" summed with random weights", out);
        const size_t n = gpf_check_block(c, 0) ? all.total : all.checked;
        say(out, " = %.7g, %zu element%s of %zu tensor%s %sagainst GSL's central differences\n",
            unsigned_zero(gpf_check_value(c)), n, plural(n), v->n_parts, plural(v->n_parts),
            gpf_check_block(c, 0) ? "along random directions " : "");
    } else {
        say(out, "%zu claim%s\n", how->n_claims, plural(how->n_claims));
    }
    gpf__head_notes(out, how);
}

/* What a claim's verdict rests on: in brackets behind one that holds, on a line of its own else. */
static void put_evidence(FILE *out, const gpf_claim_result *r)
{
    char index[64];
    fputs(r->verdict == GPF_HOLDS ? "  (" : GPF__INDENT, out);
    if (r->holds_here)
        fputs("holds at the model's own point, but not in general: ", out);
    put_clean(out, r->why);
    if (r->verdict == GPF_REFUTED && r->points) {
        if (isfinite(r->ratio))
            say(out, ", ratio %.4g", r->ratio);
        gpf__report_index(r->shape, r->element, index, sizeof index);
        say(out, " at the worst%s%s of %zu random point%s (data, params and N redrawn",
            *index ? " element " : "", index, r->points, plural(r->points));
        if (r->N)
            say(out, "; there N = %zu", r->N);
        fputc(')', out);
    }
    if (r->grads_checked)
        say(out, "; %zu gradient element%s confirmed by GSL", r->grads_right,
            plural(r->grads_right));
    fputs(r->verdict == GPF_HOLDS ? ")\n" : "\n", out);
}

static void put_claims(FILE *out, const gpf_report_options *how)
{
    static const struct {
        const char *word;
        int color;
    } words[] = { [GPF_HOLDS] = { "holds", GREEN },
                  [GPF_REFUTED] = { "REFUTED", RED },
                  [GPF_UNDECIDED] = { "undecided", YELLOW } };
    for (size_t i = 0; i < how->n_claims; i++) {
        const gpf_report_claim *claim = &how->claims[i];
        const gpf_claim_result *r = claim->result;
        say(out, "%s  line %3d  ", i ? "" : "\n", claim->line);
        put_word(out, how, words[r->verdict].word, words[r->verdict].color, 11);
        put_clean(out, claim->text);
        if (r->verdict != GPF_HOLDS)
            fputc('\n', out);
        put_evidence(out, r);
    }
}

static void put_settings(FILE *out, const gpf_check *c, const gpf_report_options *how)
{
    say(out, "\n  seed %lu", how->model_seed);
    if (c && gpf_check_batch(c))
        say(out, ", N = %zu", gpf_check_batch(c));
    if (c && how->how && how->how->seed != how->model_seed)
        say(out, ", of the %s %lu", gpf_check_block(c, 0) ? "directions" : "sample",
            how->how->seed);
    if (c && how->how && how->how->sample)
        say(out, ", up to %zu element%s per tensor", how->how->sample, plural(how->how->sample));
    else if (c && how->how && !gpf_check_block(c, 0))
        fputs(", every element", out);
    if (c && how->how && how->how->max_failures)
        say(out, ", stops at %zu wrong", how->how->max_failures);
    if (c)
        say(out, ", %d thread%s", gpf_check_threads(c), plural((size_t)gpf_check_threads(c)));
    if (how->seconds >= 0)
        say(out, ", %.3g s", how->seconds);
    fputc('\n', out);
}

/* What the closing line says of the elements. */
static void close_elements(const gpf__view *v, gpf_outcome o, char *buf, size_t size)
{
    gpf_tally all = v->tally(v->check, -1);
    size_t wrong = all.count[GPF_WRONG], right = all.count[GPF_RIGHT];
    if (wrong) {
        gpf__append(buf, size, "%zu of %zu element%s", wrong, all.checked, plural(all.checked));
        return;
    }
    if (o == GPF_OUTCOME_UNTESTED && gpf__close_untested(v, buf, size))
        return;
    if (all.checked == 0)
        gpf__append(buf, size, "no element checked");
    if (right) {
        if (right == all.checked)
            gpf__append(buf, size, right == 1 ? "%zu element agrees" : "all %zu elements agree",
                        right);
        else
            gpf__append(buf, size, "%zu of %zu elements agree%s", right, all.checked,
                        right == 1 ? "s" : "");
        gpf__append(buf, size, ", at least %.1f digits", gpf__least_digits(v));
    }
    gpf__close_rest(v, &all, right ? "; " : "", buf, size);
}

static void close_claims(const gpf_report_options *how, char *buf, size_t size)
{
    size_t count[3] = { 0 }, n = how->n_claims;
    for (size_t i = 0; i < n; i++)
        count[how->claims[i].result->verdict]++;
    if (count[GPF_REFUTED])
        gpf__append(buf, size, "%zu of %zu claim%s refuted", count[GPF_REFUTED], n, plural(n));
    if (count[GPF_UNDECIDED])
        gpf__append(buf, size, "%s%zu of %zu claim%s undecided", count[GPF_REFUTED] ? ", " : "",
                    count[GPF_UNDECIDED], n, plural(n));
    if (count[GPF_HOLDS] == n)
        gpf__append(buf, size, n == 1 ? "the claim holds" : "all %zu claims hold", n);
}

static void put_closing(FILE *out, const gpf__view *v, const gpf_report_options *how)
{
    const gpf_check *c = v->check;
    char text[1024] = "";
    if (c && gpf_check_block(c, 0))
        gpf__close_blocks(v, text, sizeof text);
    else if (c)
        close_elements(v, how->stopped ? GPF_OUTCOME_TROUBLE : gpf_check_outcome(c), text,
                       sizeof text);
    if (c && how->n_claims)
        gpf__append(text, sizeof text, "; ");
    if (how->n_claims)
        close_claims(how, text, sizeof text);
    if (how->stopped)
        gpf__append(text, sizeof text, "; %s", how->stopped);
    gpf__close(out, how, gpf_report_outcome(c, how), NULL, text);
}

int gpf_report_text(FILE *out, const gpf_check *c, const gpf_report_options *how)
{
    const gpf_report_options defaults = gpf_report_defaults();
    how = how ? how : &defaults;
    char label[64];
    const gpf__view v = c ? view_of(c, how, label, sizeof label) : (gpf__view){ 0 };
    if (!how->quiet) {
        put_heading(out, &v, how);
        put_claims(out, how);
        if (c) {
            gpf__table_explanations(out, &v, how);
            int status = gpf__table_elements(out, &v, how);
            if (!status)
                status = gpf__table_tallies(out, &v);
            if (status)
                return status;
            if (gpf__table_has_blocks(&v))
                gpf__table_blocks(out, &v, how);
        }
        put_settings(out, c, how);
    }
    put_closing(out, &v, how);
    return ferror(out) ? GSL_EFAILED : GSL_SUCCESS;
}
