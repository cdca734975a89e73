/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the measurements of a net mean. A finding names a cause; what follows from it is told with it
 * and is no finding of its own. */
#include "train/health.h"

#include <gsl/gsl_math.h>
#include <string.h>

/* Rows: name, what usually helps, how bad (0: worst). */
static const struct {
    const char *name, *help;
    int rank;
} kinds[GPF_N_FINDINGS] = {
    [GPF_DEAD_UNIT] = { "dead unit",
                        "standardise the inputs, take a smaller step, begin with ~ he and biases "
                        ">= 0, or use an activation with a slope everywhere (leaky_relu, elu)",
                        2 },
    [GPF_NEARLY_DEAD] = { "nearly dead",
                          "standardise the inputs, take a smaller step, or use leaky_relu or elu",
                          8 },
    [GPF_SATURATED] = { "saturated",
                        "smaller initial weights (~ glorot), standardised inputs, a smaller step",
                        7 },
    [GPF_IDENTICAL_UNITS] = { "identical units",
                              "begin with random weights (~ he, ~ glorot): equal units get equal "
                              "gradients and never part",
                              5 },
    [GPF_NO_GRADIENT] = { "no gradient",
                          "begin with random weights (~ he, ~ glorot) instead of zeros, leave out "
                          "columns that say nothing and params that nothing uses",
                          1 },
    [GPF_VANISHING] = { "vanishing",
                        "weights of the right size (~ he for relu, ~ glorot for tanh), relu or "
                        "leaky_relu instead of sigmoid, fewer layers, or skip connections",
                        4 },
    [GPF_EXPLODING] = { "exploding",
                        "weights of the right size (~ he for relu, ~ glorot for tanh), clipped "
                        "gradients, standardised inputs",
                        3 },
    [GPF_LARGE_STEP] = { "large step", "a smaller rate, a warm-up, standardised inputs and targets",
                         6 },
    [GPF_TINY_STEP] = { "tiny step", "a larger rate", 10 },
    [GPF_CONSTANT] = { "constant prediction",
                       "look for dead, saturated or identical units, and whether the inputs say "
                       "anything about the target",
                       9 },
    [GPF_NOT_FINITE] = { "not finite",
                         "a smaller step, standardised inputs, losses that take logits, smaller "
                         "initial weights",
                         0 },
};

const char *gpf_finding_name(gpf_finding_kind k)
{
    return (unsigned)k < GPF_N_FINDINGS ? kinds[k].name : "";
}

const char *gpf_finding_help(gpf_finding_kind k)
{
    return (unsigned)k < GPF_N_FINDINGS ? kinds[k].help : "";
}

/* Nets of all depths and widths that learn stay far within these, see tests/unit/test_finding.c.
 * He's and Glorot's initial weights keep the mean square of values and gradients from layer to layer,
 * so a growth of the root mean square by a factor f has a probability below 1/f^2 (Markov); a sigmoid
 * shrinks gradients to 1/4 and less per layer, which 5 layers still survive. */
static const double grows = 1e3, shrinks = 1e-5;
/* Variance of a prediction as part of the target's: it says nothing of the samples; it is the same for
 * all but for roundings. */
static const double no_spread = 1e-6, same_spread = 1e-20;
/* The same of a net that has settled on a constant; and how much of what pulls the prediction one way
 * may be left over what pulls the other: 0 at the best constant. */
static const double little_spread = 1e-3, little_use = 0.01, balanced = 1e-2;
/* Cosine between residuals and what a layer sees: below, its weights cannot use them; above, they
 * clearly can. Of noise alone it is about 1/sqrt(samples). */
static const double unrelated = 1e-4, related = 0.05;
/* Correlation of prediction and target from which a net does what it is for. */
static const double fits = 0.5;
/* Length of a step as part of the length of all weights; of those of one layer. */
static const double step_large = 1, step_tiny = 1e-8;

/* Why a param gets no gradient: a row of causes[] below, or a dead layer or input, see dead_cause. */
enum { NOTHING = -1, UNUSED, STEP, ZERO, FLAT, CANCEL, OTHER, N_CAUSES };

static int dead_cause(size_t layer)
{
    return N_CAUSES + 2 * (int)layer;
}

static int input_cause(size_t layer)
{
    return N_CAUSES + 2 * (int)layer + 1;
}

typedef struct words {
    char text[sizeof((gpf_finding *)0)->text];
} words;

static void say(words *w, const char *format, ...) GPF_PRINTF(2, 3);
static void say(words *w, const char *format, ...)
{
    const size_t used = strlen(w->text);
    va_list ap;
    va_start(ap, format);
    gpf__vformat(w->text + used, sizeof w->text - used, format, ap);
    va_end(ap);
}

static void say_samples(words *w, size_t n)
{
    if (n == 1)
        say(w, " for the one sample");
    else
        say(w, " for all %zu samples", n);
}

static const char *name(const gpf_health *h, gpf_node n, char buf[64])
{
    return gpf_node_label(h->g, n, buf, 64);
}

static const char *s(size_t n)
{
    return n == 1 ? "" : "s";
}

static const char *be(size_t n)
{
    return n == 1 ? "is" : "are";
}

/* A choice among the numbers 0 .. of-1: of units, columns, params, products. */
typedef bool (*choice)(const void *arg, size_t i);

static size_t count(size_t of, choice take, const void *arg)
{
    size_t n = 0;
    for (size_t i = 0; i < of; i++)
        n += take(arg, i);
    return n;
}

/* "A", "A and B", "A, B and 3 more": those that `take` accepts. Returns their number. */
static size_t put_list(words *w, size_t of, choice take,
                       void (*put)(const void *arg, size_t i, char buf[64]), const void *arg)
{
    enum { LISTED = 4 };
    const size_t n = count(of, take, arg), shown = n <= LISTED ? n : LISTED - 1;
    for (size_t i = 0, at = 0; i < of && at < shown; i++) {
        char item[64];
        if (!take(arg, i))
            continue;
        put(arg, i, item);
        say(w, "%s%s", at == 0 ? "" : at + 1 == n ? " and " : ", ", item);
        at++;
    }
    if (n > shown)
        say(w, " and %zu more", n - shown);
    return n;
}

static void put_index(const void *arg, size_t i, char buf[64])
{
    (void)arg;
    gpf__format(buf, 64, "%zu", i);
}

/* The whole before some units of it, then by kind. */
static int rank_of(const gpf_finding *f)
{
    return kinds[f->kind].rank + (f->n_units ? GPF_N_FINDINGS : 0);
}

/* Worst first; of equals the one that was found first. help: NULL: that of the kind. */
static void add(gpf_health *h, gpf_finding_kind kind, int layer, gpf_node node, size_t n_units,
                const words *w, const char *help)
{
    if (h->n_findings == h->max_findings)
        return;
    gpf_finding f = { kind, layer, node, n_units, help ? help : kinds[kind].help, "" };
    memcpy(f.text, w->text, sizeof f.text);
    size_t at = h->n_findings++;
    for (; at > 0 && rank_of(&h->finding[at - 1]) > rank_of(&f); at--)
        h->finding[at] = h->finding[at - 1];
    h->finding[at] = f;
}

static bool all_zero(const double *x, size_t n)
{
    for (size_t i = 0; x && i < n; i++)
        if (x[i] != 0)
            return false;
    return true;
}

static bool no_delta(const gpf_health *h, size_t l)
{
    return all_zero(gpf__measure(h, h->measured[l].delta), h->layer[l].units);
}

static bool no_input(const gpf_health *h, size_t p)
{
    return all_zero(gpf__measure(h, h->factor[p].input), h->factor[p].inputs);
}

/* All products of the layer. */
static bool zero_weight(const gpf_health *h, size_t l)
{
    const gpf__layers *f = &h->found;
    for (size_t p = f->layer[l].product; p < f->n_products && f->product[p].layer == l; p++)
        if (h->factor[p].norm != 0)
            return false;
    return true;
}

static bool all_dead(const gpf_health *h, size_t l)
{
    return h->layer[l].sloped && h->layer[l].dead == h->layer[l].units;
}

static bool feeds(const gpf_health *h, size_t l, size_t p)
{
    return h->found.feeds[l * h->found.n_products + p];
}

/* Why what product p sees is 0 for all samples. */
static int cause_before(const gpf_health *h, size_t p)
{
    for (;;) {
        size_t l = 0;
        while (l < h->found.n && !feeds(h, l, p))
            l++;
        if (l == h->found.n)
            return input_cause(h->found.product[p].layer);
        if (zero_weight(h, l))
            return ZERO;
        if (!all_dead(h, l))
            return OTHER;
        p = h->found.layer[l].product;
        if (!no_input(h, p))
            return dead_cause(l);
    }
}

/* Why all units of layer l are dead: it may be for what comes in. */
static int cause_of_death(const gpf_health *h, size_t l)
{
    const size_t p = h->found.layer[l].product;
    return no_input(h, p)                                     ? cause_before(h, p)
           : zero_weight(h, l) && h->layer[l].activation == 0 ? ZERO
                                                              : dead_cause(l);
}

/* Why nothing comes back to the z of layer l. */
static int cause_behind(const gpf_health *h, size_t l)
{
    for (;;) {
        bool passes = false, beyond = false;
        size_t next = 0;
        if (!h->layer[l].hidden)
            return FLAT;
        for (size_t p = 0; p < h->found.n_products; p++) {
            if (!feeds(h, l, p) || h->factor[p].norm == 0)
                continue;
            passes = true;
            if (no_delta(h, h->found.product[p].layer))
                next = h->found.product[p].layer;
            else
                beyond = true;
        }
        if (!passes)
            return ZERO;
        if (h->measured[l].blocked)
            return STEP;
        if (all_dead(h, l))
            return cause_of_death(h, l);
        if (beyond)
            return OTHER;
        l = next; /* a later one: its z depends on this one's */
    }
}

/* Why param i has a gradient of 0; NOTHING if it is not. */
static int cause_of(const gpf_health *h, size_t i)
{
    const gpf_node param = gpf_graph_param(h->g, i);
    if (h->params[i] == GPF__ABSENT)
        return h->found.used[param] ? STEP : UNUSED;
    if (!all_zero(gpf__measure(h, h->params[i]), gpf_plan_output_size(h->plan, h->params[i])))
        return NOTHING;
    for (size_t p = 0; p < h->found.n_products; p++) {
        const size_t l = h->found.product[p].layer;
        if (h->found.product[p].weight == param)
            return no_delta(h, l)   ? cause_behind(h, l)
                   : no_input(h, p) ? cause_before(h, p)
                                    : CANCEL;
    }
    for (size_t l = 0; l < h->found.n; l++)
        if (h->found.layer[l].bias == param)
            return no_delta(h, l) ? cause_behind(h, l) : CANCEL;
    return OTHER;
}

/* The params of one cause, as a list. */
typedef struct of_cause {
    const gpf_health *h;
    int cause;
} of_cause;

static bool has_cause(const void *arg, size_t i)
{
    const of_cause *c = arg;
    return c->h->cause[i] == c->cause;
}

static void put_param(const void *arg, size_t i, char buf[64])
{
    const of_cause *c = arg;
    name(c->h, gpf_graph_param(c->h->g, i), buf);
}

static size_t count_cause(const gpf_health *h, int cause)
{
    return count(gpf_graph_n_param_tensors(h->g), has_cause, &(of_cause){ h, cause });
}

static size_t put_params(words *w, const gpf_health *h, int cause)
{
    return put_list(w, gpf_graph_n_param_tensors(h->g), has_cause, put_param,
                    &(of_cause){ h, cause });
}

/* Zero weights that stop something: the gradient on its way back, or the values of their layer. */
static bool is_blocking(const void *arg, size_t p)
{
    const gpf_health *h = arg;
    const gpf__product *of = &h->found.product[p];
    bool blocks = false;
    if (h->factor[p].norm != 0)
        return false;
    for (size_t q = 0; q < p; q++)
        if (h->found.product[q].weight == of->weight)
            return false;
    for (size_t l = 0; l < h->found.n; l++)
        blocks |= feeds(h, l, p) && no_delta(h, l);
    for (size_t q = 0; q < h->found.n_products; q++)
        blocks |= feeds(h, of->layer, q) && no_input(h, q);
    return blocks;
}

static void put_weight(const void *arg, size_t p, char buf[64])
{
    const gpf_health *h = arg;
    name(h, h->found.product[p].weight, buf);
}

/* Variance of the prediction as part of that of the target; NaN where it is not known. */
static double spread_of(const gpf_health *h)
{
    const double *p = gpf__measure(h, h->spread[0]), *t = gpf__measure(h, h->spread[1]);
    const size_t n = p ? gpf_plan_output_size(h->plan, h->spread[0]) : 0;
    double spread = 0, wanted = 0;
    for (size_t i = 0; i < n; i++) {
        spread += p[i];
        wanted += t[i];
    }
    return wanted > 0 ? spread / wanted : GSL_NAN;
}

/* ", so W1 and b1 have no gradient", and what that makes of the prediction. */
static void put_consequence(words *w, const gpf_health *h, int cause)
{
    const size_t n = count_cause(h, cause);
    if (n) {
        say(w, ", so ");
        put_params(w, h, cause);
        say(w, " ha%s no gradient", n == 1 ? "s" : "ve");
    }
    if (n && spread_of(h) <= same_spread)
        say(w, "; the prediction is the same for every sample");
}

/* What is told of the n params of a cause; nothing where it is none to worry about. */
static void tell_unused(words *w, const gpf_health *h, size_t n)
{
    char label[64];
    (void)n;
    say(w, "%s does not use ", name(h, h->loss, label));
    put_params(w, h, UNUSED);
}

static void tell_step(words *w, const gpf_health *h, size_t n)
{
    char a[64];
    size_t l = 0;
    while (l < h->found.n && !h->measured[l].blocked)
        l++;
    put_params(w, h, STEP);
    say(w, " reach%s %s only through steps%s%s, which have slope 0", n == 1 ? "es" : "",
        name(h, h->loss, a), l < h->found.n ? " as in " : "",
        l < h->found.n ? h->layer[l].name : "");
}

static void tell_zero(words *w, const gpf_health *h, size_t n)
{
    const size_t zeros = put_list(w, h->found.n_products, is_blocking, put_weight, h),
                 moving = count_cause(h, NOTHING);
    (void)n;
    say(w, " %s zero", be(zeros));
    put_consequence(w, h, ZERO);
    if (moving >= 1 && moving <= 3) {
        say(w, "; only ");
        put_params(w, h, NOTHING);
        say(w, " move%s", moving == 1 ? "s" : "");
    }
}

static void tell_flat(words *w, const gpf_health *h, size_t n)
{
    char label[64];
    (void)n;
    if (h->value == 0) /* a loss of 0 has nowhere to go */
        return;
    say(w, "%s is flat where it is now", name(h, h->loss, label));
    put_consequence(w, h, FLAT);
}

/* Of some params that is nothing: the residuals of balanced classes add up to 0 for the bias. */
static void tell_cancel(words *w, const gpf_health *h, size_t n)
{
    if (n < gpf_graph_n_param_tensors(h->g) || h->value == 0)
        return;
    say(w, "the gradient is exactly 0: the terms of the samples cancel, no param moves");
}

/* Params that belong to no layer. Where something is wrong with a layer, that is why. */
static void tell_other(words *w, const gpf_health *h, size_t n)
{
    for (size_t i = 0; i < gpf_graph_n_param_tensors(h->g); i++)
        if (h->cause[i] != NOTHING && h->cause[i] != CANCEL && h->cause[i] != OTHER)
            return;
    if (h->value == 0)
        return;
    put_params(w, h, OTHER);
    say(w, " get%s a gradient of exactly 0", n == 1 ? "s" : "");
    size_t p = 0;
    while (p < h->found.n_products && !no_input(h, p))
        p++;
    if (p == h->found.n_products)
        return;
    char a[64];
    const size_t samples = h->layer[h->found.product[p].layer].samples;
    say(w, ": %s is 0", name(h, h->found.product[p].x, a));
    say_samples(w, samples);
}

static const struct {
    void (*tell)(words *w, const gpf_health *h, size_t n);
    const char *help;
} causes[N_CAUSES] = {
    [UNUSED] = { tell_unused, "use them in the loss, or leave them out" },
    [STEP] = { tell_step, "an activation with a slope (sigmoid, tanh, relu), or update formulas as "
                          "of the perceptron instead of a gradient" },
    [ZERO] = { tell_zero, "begin with random weights (~ he, ~ glorot); biases may be 0" },
    [FLAT] = { tell_flat, "a loss with a slope where the prediction is wrong" },
    [CANCEL] = { tell_cancel, "begin with random weights (~ he, ~ glorot)" },
    [OTHER] = { tell_other, "see what they are multiplied with" },
};

static void judge_params(gpf_health *h)
{
    const size_t n = gpf_graph_n_param_tensors(h->g);
    for (size_t i = 0; i < n; i++)
        h->cause[i] = cause_of(h, i);
    for (int c = 0; c < N_CAUSES; c++) {
        words w = { "" };
        size_t first = 0;
        while (first < n && h->cause[first] != c)
            first++;
        if (first < n)
            causes[c].tell(&w, h, count_cause(h, c));
        if (*w.text)
            add(h, GPF_NO_GRADIENT, -1, gpf_graph_param(h->g, first), 0, &w, causes[c].help);
    }
}

/* Units or columns by a test of their number. */
typedef struct some {
    const gpf_health *h;
    size_t layer, product;
    const double *values;
} some;

/* A unit of weights used more than once is dead if it is off in all its uses. */
static bool is_dead(const void *arg, size_t k)
{
    const some *of = arg;
    const gpf_health *h = of->h;
    const gpf_layer *y = &h->layer[of->layer];
    if (!(y->unit[k].off >= 1))
        return false;
    const int axis = h->found.product[h->found.layer[of->layer].product].unit_axis;
    for (size_t l = 0; l < h->found.n; l++)
        if (h->layer[l].weight == y->weight && h->layer[l].hidden &&
            h->found.product[h->found.layer[l].product].unit_axis == axis &&
            !(h->layer[l].unit[k].off >= 1))
            return false;
    return true;
}

static bool is_nearly(const void *arg, size_t k)
{
    const some *of = arg;
    const gpf_unit *u = &of->h->layer[of->layer].unit[k];
    return u->silent >= GPF__MOST && u->off < 1;
}

static bool is_saturated(const void *arg, size_t k)
{
    const some *of = arg;
    const gpf_unit *u = &of->h->layer[of->layer].unit[k];
    return u->saturated >= GPF__MOST && u->silent < GPF__MOST && u->off < 1;
}

static bool is_zero_column(const void *arg, size_t k)
{
    return ((const some *)arg)->values[k] == 0;
}

/* "all 8 units of h1", "units 1 and 3 of h1" */
static void put_units(words *w, const some *of, choice take)
{
    const gpf_layer *y = &of->h->layer[of->layer];
    const size_t n = count(y->units, take, of);
    if (n == y->units && n > 1) {
        say(w, n == 2 ? "both units" : "all %zu units", n);
    } else {
        say(w, "unit%s ", s(n));
        put_list(w, y->units, take, put_index, of);
    }
    say(w, " of %s", y->name);
}

static void judge_dead(gpf_health *h, size_t l)
{
    const gpf_layer *y = &h->layer[l];
    const some of = { .h = h, .layer = l };
    words w = { "" };
    const size_t dead = count(y->units, is_dead, &of);
    bool off = true;
    for (size_t k = 0; k < y->units; k++)
        off &= !is_dead(&of, k) || (y->unit[k].mean == 0 && y->unit[k].deviation == 0);
    if (dead == 0 || (all_dead(h, l) && cause_of_death(h, l) != dead_cause(l)))
        return;
    put_units(&w, &of, is_dead);
    say(&w, " %s %s", be(dead), off ? "off" : "flat: slope 0");
    say_samples(&w, y->samples);
    put_consequence(&w, h, dead_cause(l));
    add(h, GPF_DEAD_UNIT, (int)l, y->a, dead == y->units ? 0 : dead, &w, NULL);
}

static void judge_slopes(gpf_health *h, size_t l, bool good)
{
    const gpf_layer *y = &h->layer[l];
    const some of = { .h = h, .layer = l };
    /* A unit that is seldom on is what relu is for; a layer of them is closed. */
    if (y->nearly && 10 * (y->nearly + y->dead) >= 9 * y->units) {
        words w = { "" };
        put_units(&w, &of, is_nearly);
        say(&w, " %s off for %g %% of the %zu samples or more", be(y->nearly), 100 * GPF__MOST,
            y->samples);
        add(h, GPF_NEARLY_DEAD, (int)l, y->a, y->nearly == y->units ? 0 : y->nearly, &w, NULL);
    }
    /* In a net that does its work, a unit at its ends is a decision. */
    if (!good && y->saturated && 4 * y->saturated >= y->units) {
        words w = { "" };
        put_units(&w, &of, is_saturated);
        say(&w, " %s saturated: slope below %g for %g %% of the samples or more", be(y->saturated),
            GPF__SMALL_SLOPE, 100 * GPF__MOST);
        add(h, GPF_SATURATED, (int)l, y->a, y->saturated == y->units ? 0 : y->saturated, &w, NULL);
    }
}

/* Units of the first group of twins. */
static bool is_twin(const void *arg, size_t k)
{
    const some *of = arg;
    return (size_t)of->h->layer[of->layer].unit[k].twin == of->product;
}

static void judge_twins(gpf_health *h, size_t l)
{
    const gpf_layer *y = &h->layer[l];
    size_t leader = y->units, twins = 0, groups = 0;
    bool moves = y->weight_gradient != 0;
    for (size_t p = 0; p < h->found.n_products; p++)
        moves |= feeds(h, l, p) && h->layer[h->found.product[p].layer].weight_gradient != 0;
    if (!y->hidden || !moves) /* where nothing moves that is the finding */
        return;
    for (size_t k = 0; k < y->units; k++) {
        const size_t of = (size_t)y->unit[k].twin;
        if (of == k || y->unit[k].off >= 1) /* dead units are lost, alike or not */
            continue;
        bool again = false;
        for (size_t i = 0; i < k; i++)
            again |= i != of && (size_t)y->unit[i].twin == of;
        groups += !again;
        leader = of < leader ? of : leader;
        twins++;
    }
    if (!twins)
        return;
    words w = { "" };
    const some of = { .h = h, .layer = l, .product = leader };
    put_units(&w, &of, is_twin);
    say(&w, " are identical, with equal weights in and out: they stay so");
    if (groups > 1)
        say(&w, " (and %zu more such group%s)", groups - 1, s(groups - 1));
    add(h, GPF_IDENTICAL_UNITS, (int)l, y->a, y->distinct == 1 ? 0 : twins + groups, &w, NULL);
}

/* Columns of the data that are 0. */
static void judge_columns(gpf_health *h, size_t p)
{
    const gpf__product *of = &h->found.product[p];
    const gpf__factor *f = &h->factor[p];
    const some these = { .h = h, .product = p, .values = gpf__measure(h, f->input) };
    char a[64], b[64];
    for (size_t l = 0; l < h->found.n; l++)
        if (feeds(h, l, p)) /* a layer comes before: no data */
            return;
    for (size_t q = 0; q < p; q++)
        if (h->found.product[q].x == of->x) /* told of another layer that reads the same */
            return;
    const size_t zeros = count(f->inputs, is_zero_column, &these),
                 samples = h->layer[of->layer].samples;
    const bool whole = zeros == f->inputs;
    words w = { "" };
    if (!zeros)
        return;
    if (!whole) {
        say(&w, "%s%s ", of->axis ? "column" : "row", s(zeros));
        put_list(&w, f->inputs, is_zero_column, put_index, &these);
        say(&w, " of ");
    }
    say(&w, "%s %s 0", name(h, of->x, a), whole ? "is" : be(zeros));
    say_samples(&w, samples);
    if (whole)
        put_consequence(&w, h, input_cause(of->layer));
    else
        say(&w, ", so %s %s%s of %s get%s no gradient", zeros == 1 ? "that" : "those",
            of->unit_axis ? "row" : "column", s(zeros), name(h, of->weight, b),
            zeros == 1 ? "s" : "");
    add(h, GPF_NO_GRADIENT, (int)of->layer, of->x, whole ? 0 : zeros, &w,
        "leave out columns that say nothing");
}

static bool leads_nowhere(const void *arg, size_t k)
{
    const some *of = arg;
    const gpf_health *h = of->h;
    for (size_t p = 0; p < h->found.n_products; p++) {
        const gpf__factor *f = &h->factor[p];
        if (h->found.product[p].x != h->layer[of->layer].a)
            continue;
        for (size_t m = 0; m < f->units; m++)
            if (f->at[k * f->step + m * f->unit_step] != 0)
                return false;
    }
    return true;
}

/* Rows of weights that let nothing back to a unit. */
static void judge_rows(gpf_health *h, size_t l)
{
    const gpf_layer *y = &h->layer[l];
    const some of = { .h = h, .layer = l };
    size_t next = 0;
    char b[64];
    if (!h->found.layer[l].closed || no_delta(h, l))
        return;
    const size_t n = count(y->units, leads_nowhere, &of);
    if (n == 0)
        return;
    while (h->found.product[next].x != y->a)
        next++;
    words w = { "" };
    const gpf__product *p = &h->found.product[next];
    say(&w, "%s%s ", p->unit_axis ? "row" : "column", s(n));
    put_list(&w, y->units, leads_nowhere, put_index, &of);
    say(&w, " of %s %s zero, so nothing comes back to %s unit%s of %s", name(h, p->weight, b),
        be(n), n == 1 ? "that" : "those", s(n), y->name);
    add(h, GPF_NO_GRADIENT, (int)l, p->weight, n, &w, causes[ZERO].help);
}

/* The ends of the hidden layers: their root mean squares per element. */
static void judge_depth(gpf_health *h)
{
    size_t first = h->found.n, last = 0;
    for (size_t l = 0; l < h->found.n; l++) {
        if (!h->layer[l].hidden)
            continue;
        first = first == h->found.n ? l : first;
        last = l;
    }
    if (first >= last)
        return;
    const gpf_layer *a = &h->layer[first], *b = &h->layer[last];
    const double na = (double)a->units * (double)a->samples,
                 nb = (double)b->units * (double)b->samples;
    /* From 0 nothing grows: past a layer that is dead, values and gradients may go by its side. */
    const double back = b->gradient > 0 ? a->gradient / sqrt(na) / (b->gradient / sqrt(nb)) : 0,
                 forth = a->activation > 0 ? b->activation / a->activation : 0;
    const bool explodes = back > grows || forth > grows,
               is_back = explodes ? back > forth : back > 0 && back < shrinks;
    if (!explodes && !is_back && !(forth > 0 && forth < shrinks))
        return;
    words w = { "" };
    say(&w, "%s %s %.2g%s from %s %sto %s (root mean squares)", is_back ? "gradients" : "values",
        explodes ? "grow" : "shrink to", is_back ? back : forth, explodes ? " times" : "",
        is_back ? b->name : a->name, is_back ? "back " : "", is_back ? a->name : b->name);
    add(h, explodes ? GPF_EXPLODING : GPF_VANISHING, (int)(is_back ? first : last),
        is_back ? a->z : b->a, 0, &w, NULL);
}

/* How much of the largest d loss/d z its weights can use: |x' delta| / (|x| |delta|), here with sums
 * of absolute values over the samples for |x|, which makes it larger by at most sqrt(samples). */
static double use_of(const gpf_health *h, size_t l)
{
    const gpf__factor *f = &h->factor[h->found.layer[l].product];
    const double *input = gpf__measure(h, f->input);
    double x = 0, delta = 0;
    for (size_t i = 0; i < f->inputs; i++)
        x += input[i] * input[i];
    for (size_t k = 0; k < h->found.n; k++)
        delta = fmax(delta, h->layer[k].gradient);
    const double all = sqrt(x / (double)h->layer[l].samples) * delta;
    return all > 0 ? h->layer[l].weight_gradient / all : 0;
}

/* Correlation of prediction and target, the mean over the columns; NaN where it is not known. */
static double correlation(const gpf_health *h)
{
    const double *p = gpf__measure(h, h->spread[0]), *t = gpf__measure(h, h->spread[1]),
                 *pt = gpf__measure(h, h->spread[2]);
    const size_t n = p ? gpf_plan_output_size(h->plan, h->spread[0]) : 0;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += p[i] > 0 && t[i] > 0 ? pt[i] / sqrt(p[i] * t[i]) : 0;
    return n ? sum / (double)n : GSL_NAN;
}

/* Is the prediction where the loss has the best constant: sum over the samples of d loss/d p = 0? */
static bool best_constant(const gpf_health *h)
{
    const double *sum = gpf__measure(h, h->pull[0]), *size = gpf__measure(h, h->pull[1]);
    const size_t n = sum ? gpf_plan_output_size(h->plan, h->pull[0]) : 0;
    for (size_t i = 0; i < n; i++)
        if (!(fabs(sum[i]) <= balanced * size[i]))
            return false;
    return n > 0;
}

/* The prediction says the same of every sample, and no weight is about to change that: a net that
 * begins with zeros in its last layer does predict the same, but will not for long. A net with hidden
 * layers that sits at the best constant hardly moves either: what comes through to its last weights
 * is nearly the same for every sample. */
static void judge_constant(gpf_health *h)
{
    char label[64];
    const double spread = spread_of(h);
    double use = 0;
    bool hidden = false;
    for (size_t l = 0; l < h->found.n; l++) {
        use = fmax(use, use_of(h, l));
        hidden = hidden || h->layer[l].hidden;
    }
    const bool same = spread <= no_spread && use <= unrelated;
    if (!same && !(hidden && spread <= little_spread && use <= little_use && best_constant(h)))
        return;
    /* A dead layer or zero weights have told it already. */
    for (size_t i = 0; i < h->n_findings; i++)
        if (h->finding[i].n_units == 0 &&
            (h->finding[i].kind == GPF_DEAD_UNIT || h->finding[i].kind == GPF_NO_GRADIENT))
            return;
    words w = { "" };
    say(&w,
        same ? "%s is the same for every sample, and hardly any gradient would change that"
             : "the loss is no better than that of the best constant: %s is nearly the same for "
               "every sample",
        name(h, h->task.prediction, label));
    add(h, GPF_CONSTANT, -1, h->task.prediction, 0, &w, NULL);
}

static void judge_step(gpf_health *h, bool good)
{
    double step = 0, weights = 0, largest = 0;
    size_t worst = 0, last = 0;
    for (size_t l = 0; l < h->found.n; l++) {
        const gpf_layer *y = &h->layer[l];
        if (!(y->weight_norm > 0))
            continue;
        step = hypot(step, h->rate * y->weight_gradient);
        weights = hypot(weights, y->weight_norm);
        if (y->ratio > largest) {
            largest = y->ratio;
            worst = l;
        }
        last = l;
    }
    const double ratio = step / weights;
    char label[64];
    words w = { "" };
    if (ratio > step_large) {
        say(&w, "a step at rate %g changes %s by %.2g times its length", h->rate,
            name(h, h->layer[worst].weight, label), largest);
        add(h, GPF_LARGE_STEP, (int)worst, h->layer[worst].weight, 0, &w, NULL);
    } else if (largest > 0 && largest < step_tiny && !isnan(correlation(h)) && !good &&
               use_of(h, last) > related) {
        say(&w,
            "a step at rate %g changes no weights by more than %.2g of their length, while "
            "there is much to gain",
            h->rate, largest);
        add(h, GPF_TINY_STEP, -1, h->layer[last].weight, 0, &w, NULL);
    }
}

/* The first place that is not finite. Nothing else can be said of such a net. */
static bool judge_finite(gpf_health *h)
{
    char label[64];
    words w = { "" };
    gpf_node about = h->loss;
    int layer = -1;
    const double *theta = gpf_point_params(h->at)->data;
    for (size_t i = 0; i < gpf_graph_n_param_tensors(h->g) && !w.text[0]; i++) {
        const gpf_node p = gpf_graph_param(h->g, i);
        if (gpf__all_finite(theta + gpf_param_offset(h->g, p),
                            gpf_shape_size(gpf_node_shape(h->g, p), 1)))
            continue;
        say(&w, "%s is not finite", name(h, p, label));
        about = p;
    }
    for (size_t l = 0; l < h->found.n && !w.text[0]; l++) {
        const gpf_layer *y = &h->layer[l];
        const size_t p = h->found.layer[l].product;
        if (!gpf__all_finite(gpf__measure(h, h->factor[p].input), h->factor[p].inputs)) {
            about = h->found.product[p].x;
            say(&w, "%s is not finite", name(h, about, label));
        } else if (!isfinite(y->activation)) {
            about = y->a;
            layer = (int)l;
            say(&w, "%s is not finite, or too large to be squared", name(h, about, label));
        }
    }
    if (!w.text[0] && !isfinite(h->value))
        say(&w, "%s = %g", name(h, h->loss, label), h->value);
    for (size_t i = 0; i < gpf_graph_n_param_tensors(h->g) && !w.text[0]; i++) {
        if (h->params[i] == GPF__ABSENT ||
            gpf__all_finite(gpf__measure(h, h->params[i]),
                            gpf_plan_output_size(h->plan, h->params[i])))
            continue;
        about = gpf_graph_param(h->g, i);
        say(&w, "the gradient of %s is not finite", name(h, about, label));
    }
    if (!w.text[0])
        return true;
    add(h, GPF_NOT_FINITE, layer, about, 0, &w, NULL);
    return false;
}

void gpf__judge(gpf_health *h)
{
    h->n_findings = 0;
    if (!judge_finite(h))
        return;
    const bool good = correlation(h) > fits;
    judge_params(h);
    for (size_t l = 0; l < h->found.n; l++) {
        judge_dead(h, l);
        judge_slopes(h, l, good);
        judge_twins(h, l);
        judge_rows(h, l);
    }
    for (size_t p = 0; p < h->found.n_products; p++)
        judge_columns(h, p);
    judge_depth(h);
    judge_constant(h);
    judge_step(h, good);
}
