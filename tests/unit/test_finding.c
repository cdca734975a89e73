/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Nets right after an ordinary initialisation are healthy; what is planted in them is found. */
#include "unit/help.h"

#include <gsl/gsl_math.h>

static double normal(dice *d)
{
    return sqrt(-2 * log(between(d, 1e-300, 1))) * cos(2 * M_PI * between(d, 0, 1));
}

/* Activations with the initialiser that suits them: variance gain / inputs, or Glorot's. */
typedef struct kind {
    gpf_node (*apply)(gpf_graph *g, gpf_node x);
    double gain; /* 0: Glorot */
} kind;

static gpf_node leaky(gpf_graph *g, gpf_node x)
{
    return gpf_leaky_relu(g, x, 0.01);
}

static gpf_node elu(gpf_graph *g, gpf_node x)
{
    return gpf_elu(g, x, 1);
}

static gpf_node linear(gpf_graph *g, gpf_node x)
{
    (void)g;
    return x;
}

static const kind kinds[] = { { gpf_relu, 2 },    { leaky, 2 },        { elu, 2 },
                              { gpf_swish, 2 },   { gpf_gelu, 2 },     { gpf_mish, 2 },
                              { gpf_selu, 1 },    { gpf_tanh, 0 },     { gpf_softsign, 0 },
                              { gpf_sigmoid, 0 }, { gpf_softplus, 0 }, { linear, 0 } };

enum { MOST_LAYERS = 12, SAMPLES = 200 };

typedef struct net {
    gpf_graph *g;
    gpf_point *at;
    gpf_node X, y, prediction, loss, W[MOST_LAYERS + 1], b[MOST_LAYERS + 1], a[MOST_LAYERS + 1];
    int depth; /* hidden layers */
    int width[MOST_LAYERS + 2];
    int outputs;
    double *x, *t;
    gpf_task task;
    gpf_health *h;
} net;

/* depth hidden layers of the given widths; outputs 1: regression, 2: binary, > 2: classes. */
static net make(dice *d, int depth, const int *width, int outputs, const kind *k)
{
    net n = { .depth = depth, .outputs = outputs };
    n.g = gpf_graph_alloc();
    memcpy(n.width, width, sizeof *width * (size_t)(depth + 2));
    const int cols = outputs == 2 ? 1 : outputs;
    n.width[depth + 1] = cols;
    n.X = gpf_data(n.g, "X", gpf_shape2(GPF_N, width[0]));
    n.y = gpf_data(n.g, "y", gpf_shape2(GPF_N, cols));
    gpf_node a = n.X;
    for (int l = 0; l <= depth; l++) {
        char name[16];
        snprintf(name, sizeof name, "W%d", l + 1);
        n.W[l] = gpf_param(n.g, name, gpf_shape2(n.width[l], n.width[l + 1]));
        *name = 'b';
        n.b[l] = gpf_param(n.g, name, gpf_shape2(1, n.width[l + 1]));
        const gpf_node z = gpf_add(n.g, gpf_matmul(n.g, a, n.W[l]), n.b[l]);
        a = l < depth ? k->apply(n.g, z) : z;
        *name = 'a';
        gpf_node_set_name(n.g, a, name);
        n.a[l] = a;
    }
    n.prediction = a;
    n.loss = outputs == 1   ? gpf_mse(n.g, a, n.y, GPF_MEAN)
             : outputs == 2 ? gpf_bce_with_logits(n.g, a, n.y, GPF_MEAN)
                            : gpf_cross_entropy(n.g, a, n.y, GPF_MEAN);
    gpf_node_set_name(n.g, n.loss, "loss");
    n.task = (gpf_task){ a, n.y,
                         outputs == 1   ? GPF_DECIDE_NOTHING
                         : outputs == 2 ? GPF_DECIDE_LOGIT
                                        : GPF_DECIDE_ARGMAX };
    n.at = gpf_point_alloc(n.g, SAMPLES);
    n.x = calloc((size_t)(SAMPLES * n.width[0]), sizeof *n.x);
    n.t = calloc((size_t)(SAMPLES * cols), sizeof *n.t);
    for (int i = 0; i < SAMPLES * n.width[0]; i++)
        n.x[i] = normal(d);
    for (int i = 0; i < SAMPLES; i++) {
        if (outputs == 1)
            n.t[i] = normal(d);
        else if (outputs == 2)
            n.t[i] = below(d, 2);
        else
            n.t[i * cols + below(d, cols)] = 1;
    }
    gpf_point_bind(n.at, n.X, n.x);
    gpf_point_bind(n.at, n.y, n.t);
    for (int l = 0; l <= depth; l++) {
        const double in = n.width[l], out = n.width[l + 1],
                     deviation = sqrt(k->gain > 0 && l < depth ? k->gain / in : 2 / (in + out));
        double *w = theta(n.at) + gpf_param_offset(n.g, n.W[l]);
        for (int i = 0; i < n.width[l] * n.width[l + 1]; i++)
            w[i] = deviation * normal(d);
    }
    return n;
}

static double *weights(const net *n, int l)
{
    return theta(n->at) + gpf_param_offset(n->g, n->W[l]);
}

static double *biases(const net *n, int l)
{
    return theta(n->at) + gpf_param_offset(n->g, n->b[l]);
}

static const gpf_health *examine(net *n, double rate)
{
    gpf_diag why = { 0 };
    gpf_health_free(n->h);
    n->h = gpf_health_alloc(n->g, n->loss, SAMPLES, &n->task, rate, &why);
    if (!n->h)
        fail_msg("%s", why.text);
    assert_int_equal(gpf_health_run(n->h, n->at), GSL_SUCCESS);
    return n->h;
}

static void finish(net *n)
{
    gpf_health_free(n->h);
    gpf_point_free(n->at);
    gpf_graph_free(n->g);
    free(n->x);
    free(n->t);
}

/* Slope 0 for all samples, looked at one by one. */
static bool off(const net *n, int layer, size_t unit)
{
    double *a = malloc((size_t)(SAMPLES * n->width[layer + 1]) * sizeof *a);
    bool is = true;
    evaluate(n->g, n->at, &n->a[layer], 1, a);
    for (size_t i = 0; i < SAMPLES; i++)
        is = is && a[i * (size_t)n->width[layer + 1] + unit] == 0;
    free(a);
    return is;
}

/* Nothing may be said of a net as it begins but that units are dead which are. A whole layer of
 * narrow nets does close now and then; that is rare and has to be true as well. */
static void fresh_nets_are_healthy(void **state)
{
    (void)state;
    dice d = { 20260401 };
    int closed = 0;
    enum { NETS = 400 };
    for (int i = 0; i < NETS; i++) {
        int width[MOST_LAYERS + 2];
        const int depth = 1 + below(&d, 6);
        for (int l = 0; l <= depth; l++)
            width[l] = 2 + below(&d, i % 2 ? 63 : 7);
        const int k = below(&d, (int)COUNT(kinds));
        net n = make(&d, depth, width, 1 + below(&d, 4), &kinds[k]);
        const gpf_health *h = examine(&n, 0.01);
        assert_int_equal(gpf_health_n_layers(h), (size_t)depth + 1);
        for (size_t f = 0; f < gpf_health_n_findings(h); f++) {
            const gpf_finding *what = gpf_health_finding(h, f);
            closed += what->kind == GPF_NEARLY_DEAD;
            if (what->kind != GPF_DEAD_UNIT && what->kind != GPF_NEARLY_DEAD)
                fail_msg("net %d, activation %d: %s", i, k, what->text);
        }
        for (int l = 0; l < depth; l++)
            for (size_t u = 0; u < gpf_health_layer(h, (size_t)l)->units && k == 0; u++)
                assert_int_equal(gpf_health_layer(h, (size_t)l)->unit[u].off >= 1, off(&n, l, u));
        finish(&n);
    }
    assert_true(closed <= NETS / 100);
}

static const gpf_finding *only(const gpf_health *h, gpf_finding_kind what, const char *text)
{
    if (gpf_health_n_findings(h) != 1)
        fail_msg("%zu findings: %s; %s", gpf_health_n_findings(h),
                 gpf_health_n_findings(h) ? gpf_health_finding(h, 0)->text : "",
                 gpf_health_n_findings(h) > 1 ? gpf_health_finding(h, 1)->text : "");
    const gpf_finding *f = gpf_health_finding(h, 0);
    assert_string_equal(f->text, text);
    assert_int_equal(f->kind, what);
    assert_non_null(f->help);
    assert_null(gpf_health_finding(h, 1));
    return f;
}

static const int five[] = { 3, 5, 5, 5, 1 };
enum { RELU = 0, TANH = 7, SIGMOID = 9 };

/* No unit is dead or nearly so before something is planted. */
static net lively(dice *d, const int *width, int depth, int k)
{
    for (;;) {
        net n = make(d, depth, width, 1, &kinds[k]);
        if (gpf_health_n_findings(examine(&n, 0.01)) == 0)
            return n;
        finish(&n);
    }
}

static void finds_dead_units(void **state)
{
    (void)state;
    dice d = { 11 };
    net n = lively(&d, five, 3, RELU);
    biases(&n, 1)[3] = -1000;
    const gpf_finding *f =
        only(examine(&n, 0.01), GPF_DEAD_UNIT, "unit 3 of a2 is off for all 200 samples");
    assert_int_equal(f->layer, 1);
    assert_int_equal(f->node, n.a[1]);
    assert_int_equal(f->n_units, 1);
    assert_close(gpf_health_dead(n.h), 1. / 15, 1e-15, 0);
    biases(&n, 1)[1] = -1000;
    only(examine(&n, 0.01), GPF_DEAD_UNIT, "units 1 and 3 of a2 are off for all 200 samples");
    /* All of them: one finding, not one per unit, per param and for the prediction. */
    for (int k = 0; k < 5; k++)
        biases(&n, 1)[k] = -1000;
    f = only(
        examine(&n, 0.01), GPF_DEAD_UNIT,
        "all 5 units of a2 are off for all 200 samples, so W1, b1, W2 and 4 more have no gradient; "
        "the prediction is the same for every sample");
    assert_int_equal(f->n_units, 0);
    finish(&n);
}

/* Layer 3 is dead because nothing comes out of layer 2: not another finding. */
static void death_is_told_once(void **state)
{
    (void)state;
    dice d = { 12 };
    net n = lively(&d, five, 3, RELU);
    for (int k = 0; k < 5; k++) {
        biases(&n, 0)[k] = -1000;
        biases(&n, 2)[k] = -1000;
    }
    const gpf_health *h = examine(&n, 0.01);
    assert_int_equal(gpf_health_layer(h, 1)->dead, 5);
    only(
        h, GPF_DEAD_UNIT,
        "all 5 units of a1 are off for all 200 samples, so W1, b1, W2 and 4 more have no gradient; "
        "the prediction is the same for every sample");
    finish(&n);
}

/* tanh of large values has a slope of exactly 0 in double precision, but is not off. */
static void finds_flat_units(void **state)
{
    (void)state;
    dice d = { 13 };
    net n = lively(&d, five, 3, TANH);
    biases(&n, 1)[4] = 800;
    only(examine(&n, 0.01), GPF_DEAD_UNIT, "unit 4 of a2 is flat: slope 0 for all 200 samples");
    finish(&n);
}

static void finds_nearly_dead_layers(void **state)
{
    (void)state;
    dice d = { 14 };
    net n = lively(&d, five, 3, RELU);
    /* On for the few samples that are farthest out. */
    double *z = malloc(SAMPLES * 5 * sizeof *z);
    evaluate(n.g, n.at, &gpf_health_layer(n.h, 0)->z, 1, z);
    for (int k = 0; k < 5; k++) {
        double top = z[k], second = -1e300;
        for (int i = 1; i < SAMPLES; i++) {
            const double x = z[5 * i + k];
            second = x > top ? top : x > second ? x : second;
            top = fmax(top, x);
        }
        biases(&n, 0)[k] = -(top + second) / 2;
    }
    free(z);
    const gpf_health *h = examine(&n, 0.01);
    assert_int_equal(gpf_health_layer(h, 0)->nearly, 5);
    assert_close(gpf_health_layer(h, 0)->unit[2].off, 199. / 200, 1e-15, 0);
    bool found = false;
    for (size_t i = 0; i < gpf_health_n_findings(h); i++)
        found |= gpf_health_finding(h, i)->layer == 0 &&
                 gpf_health_finding(h, i)->kind == GPF_NEARLY_DEAD &&
                 !strcmp(gpf_health_finding(h, i)->text,
                         "all 5 units of a1 are off for 95 % of the 200 samples or more");
    assert_true(found);
    finish(&n);
}

static void finds_saturated_layers(void **state)
{
    (void)state;
    dice d = { 15 };
    for (int k = TANH; k <= SIGMOID; k += SIGMOID - TANH) {
        net n = lively(&d, five, 2, k);
        for (int i = 0; i < 15; i++)
            weights(&n, 0)[i] *= 1000;
        only(examine(&n, 1e-4), GPF_SATURATED,
             "all 5 units of a1 are saturated: slope below 0.01 for 95 % of the samples or more");
        finish(&n);
    }
}

static void finds_twins(void **state)
{
    (void)state;
    dice d = { 16 };
    net n = lively(&d, five, 3, TANH);
    for (int i = 0; i < 5; i++) {
        weights(&n, 1)[5 * i + 4] = weights(&n, 1)[5 * i + 1];
        weights(&n, 2)[5 * 4 + i] = weights(&n, 2)[5 * 1 + i];
    }
    const gpf_finding *f =
        only(examine(&n, 0.01), GPF_IDENTICAL_UNITS,
             "units 1 and 4 of a2 are identical, with equal weights in and out: they stay so");
    assert_int_equal(f->n_units, 2);
    assert_int_equal(gpf_health_layer(n.h, 1)->unit[4].twin, 1);
    assert_int_equal(gpf_health_layer(n.h, 1)->distinct, 4);
    assert_int_equal(gpf_health_layer(n.h, 1)->rank, 4);
    /* Equal weights in, but not out: they part with the next step. */
    weights(&n, 2)[5 * 4 + 2] += 1e-9;
    assert_int_equal(gpf_health_n_findings(examine(&n, 0.01)), 0);
    /* Equal out, but not in. */
    weights(&n, 2)[5 * 4 + 2] = weights(&n, 2)[5 * 1 + 2];
    weights(&n, 1)[4] += 1e-9;
    assert_int_equal(gpf_health_n_findings(examine(&n, 0.01)), 0);
    /* Equal weights, but another bias. */
    weights(&n, 1)[4] = weights(&n, 1)[1];
    biases(&n, 1)[1] = 0.25;
    assert_int_equal(gpf_health_n_findings(examine(&n, 0.01)), 0);
    finish(&n);
}

static void set_weights(net *n, int first, int last, double c)
{
    for (int l = first; l <= last; l++)
        for (int i = 0; i < n->width[l] * n->width[l + 1]; i++)
            weights(n, l)[i] = c;
}

static void explains_zeros(void **state)
{
    (void)state;
    dice d = { 17 };
    static const int zero[] = { 3, 4, 1, 1 };
    net n = make(&d, 1, zero, 1, &kinds[RELU]);
    set_weights(&n, 0, 1, 0);
    const char *both =
        "W1 and W2 are zero, so W1, b1 and W2 have no gradient; the prediction is the same for "
        "every sample; only b2 moves";
    only(examine(&n, 0.01), GPF_NO_GRADIENT, both);
    finish(&n);
    n = make(&d, 1, zero, 1, &kinds[TANH]);
    set_weights(&n, 0, 1, 0);
    only(examine(&n, 0.01), GPF_NO_GRADIENT, both);
    set_weights(&n, 0, 1, 0.5);
    only(examine(&n, 0.01), GPF_IDENTICAL_UNITS,
         "all 4 units of a1 are identical, with equal weights in and out: they stay so");
    assert_int_equal(gpf_health_layer(n.h, 0)->rank, 1);
    finish(&n);
    n = make(&d, 1, zero, 1, &kinds[SIGMOID]);
    set_weights(&n, 0, 1, 0);
    assert_int_equal(gpf_health_n_findings(examine(&n, 0.01)), 2);
    assert_string_equal(gpf_health_finding(n.h, 0)->text,
                        "W2 is zero, so W1 and b1 have no gradient; the prediction is the same for "
                        "every sample; only W2 and b2 move");
    assert_int_equal(gpf_health_finding(n.h, 1)->kind, GPF_IDENTICAL_UNITS);
    finish(&n);
    /* Deep and zero, and one zero layer in the middle. */
    n = make(&d, 3, five, 1, &kinds[TANH]);
    set_weights(&n, 2, 2, 0);
    only(examine(&n, 0.01), GPF_NO_GRADIENT,
         "W3 is zero, so W1, b1, W2 and 2 more have no gradient; the prediction is the same for "
         "every sample; only W3, b3 and b4 move");
    set_weights(&n, 0, 3, 0);
    only(examine(&n, 0.01), GPF_NO_GRADIENT,
         "W1, W2, W3 and W4 are zero, so W1, b1, W2 and 4 more have no gradient; the prediction is "
         "the same for every sample; only b4 moves");
    finish(&n);
    /* A row. */
    n = lively(&d, five, 3, TANH);
    for (int i = 0; i < 5; i++)
        weights(&n, 2)[5 * 3 + i] = 0;
    only(examine(&n, 0.01), GPF_NO_GRADIENT,
         "row 3 of W3 is zero, so nothing comes back to that unit of a2");
    finish(&n);
}

/* Linear models that begin with zeros learn. */
static void zeros_without_hidden_layers_are_healthy(void **state)
{
    (void)state;
    dice d = { 18 };
    static const int plain[] = { 4, 1 };
    for (int outputs = 1; outputs <= 3; outputs++) {
        net n = make(&d, 0, plain, outputs, &kinds[RELU]);
        set_weights(&n, 0, 0, 0);
        assert_int_equal(gpf_health_n_findings(examine(&n, 0.01)), 0);
        finish(&n);
    }
}

static void finds_empty_columns(void **state)
{
    (void)state;
    dice d = { 19 };
    net n = lively(&d, five, 3, TANH);
    for (int i = 0; i < SAMPLES; i++)
        n.x[3 * i + 2] = 0;
    const gpf_finding *f =
        only(examine(&n, 0.01), GPF_NO_GRADIENT,
             "column 2 of X is 0 for all 200 samples, so that row of W1 gets no gradient");
    assert_int_equal(f->node, n.X);
    for (int i = 0; i < 3 * SAMPLES; i++)
        n.x[i] = 0;
    bool found = false;
    const gpf_health *h = examine(&n, 0.01);
    for (size_t i = 0; i < gpf_health_n_findings(h); i++)
        found |= !strncmp(gpf_health_finding(h, i)->text, "X is 0 for all 200 samples, so W1", 33);
    assert_true(found);
    finish(&n);
}

static void finds_growth_and_decay(void **state)
{
    (void)state;
    dice d = { 20 };
    int width[MOST_LAYERS + 2];
    for (int l = 0; l < MOST_LAYERS + 2; l++)
        width[l] = 16;
    net n = make(&d, 6, width, 1, &kinds[RELU]);
    for (int l = 0; l <= 6; l++)
        for (int i = 0; i < n.width[l] * n.width[l + 1]; i++)
            weights(&n, l)[i] *= 10;
    const gpf_health *h = examine(&n, GSL_NAN);
    const gpf_finding *worst = NULL;
    for (size_t i = 0; i < gpf_health_n_findings(h); i++)
        if (gpf_health_finding(h, i)->kind == GPF_EXPLODING)
            worst = gpf_health_finding(h, i);
    assert_non_null(worst);
    finish(&n);
    n = make(&d, 10, width, 1, &kinds[SIGMOID]);
    for (int l = 0; l <= 10; l++)
        for (int i = 0; i < n.width[l] * n.width[l + 1]; i++)
            weights(&n, l)[i] *= 0.1;
    h = examine(&n, GSL_NAN);
    assert_int_equal(gpf_health_n_findings(h), 1);
    assert_int_equal(gpf_health_finding(h, 0)->kind, GPF_VANISHING);
    finish(&n);
}

static void judges_steps(void **state)
{
    (void)state;
    dice d = { 21 };
    net n = lively(&d, five, 2, TANH);
    assert_int_equal(gpf_health_n_findings(examine(&n, 0.1)), 0);
    assert_int_equal(gpf_health_n_findings(examine(&n, GSL_NAN)), 0);
    const gpf_health *h = examine(&n, 1e4);
    assert_int_equal(gpf_health_n_findings(h), 1);
    assert_int_equal(gpf_health_finding(h, 0)->kind, GPF_LARGE_STEP);
    h = examine(&n, 1e-12);
    assert_int_equal(gpf_health_n_findings(h), 1);
    assert_int_equal(gpf_health_finding(h, 0)->kind, GPF_TINY_STEP);
    finish(&n);
}

static bool finds(const gpf_health *h, gpf_finding_kind wanted)
{
    for (size_t i = 0; i < gpf_health_n_findings(h); i++)
        if (gpf_health_finding(h, i)->kind == wanted)
            return true;
    return false;
}

/* The output follows the mean of y and nothing else: hidden units that are saturated to the last
 * but one bit, each the same for every sample. */
static void finds_constant_predictions(void **state)
{
    (void)state;
    dice d = { 22 };
    net n = lively(&d, five, 1, TANH);
    double mean = 0;
    for (int i = 0; i < SAMPLES; i++)
        mean += n.t[i] / SAMPLES;
    for (int k = 0; k < 5; k++) {
        biases(&n, 0)[k] = 18 + k / 8.;
        mean -= weights(&n, 1)[k];
    }
    for (int i = 0; i < 15; i++)
        weights(&n, 0)[i] *= 1e-3;
    biases(&n, 1)[0] = mean;
    const gpf_health *h = examine(&n, GSL_NAN);
    assert_true(finds(h, GPF_CONSTANT));
    finish(&n);
}

/* Hidden units that hardly differ from sample to sample, hardly heard behind them, and the output bias
 * at the mean of y; or not there yet, which the next steps will change. */
static void finds_loss_at_best_constant(void **state)
{
    (void)state;
    dice d = { 23 };
    net n = lively(&d, five, 1, TANH);
    double mean = 0;
    for (int i = 0; i < SAMPLES; i++)
        mean += n.t[i] / SAMPLES;
    for (int k = 0; k < 5; k++) {
        biases(&n, 0)[k] = 0.5 + k / 8.;
        weights(&n, 1)[k] *= 1e-2;
        mean -= weights(&n, 1)[k] * tanh(biases(&n, 0)[k]);
    }
    for (int i = 0; i < 15; i++)
        weights(&n, 0)[i] *= 1e-3;
    biases(&n, 1)[0] = mean;
    assert_true(finds(examine(&n, GSL_NAN), GPF_CONSTANT));
    biases(&n, 1)[0] = mean + 0.5;
    assert_false(finds(examine(&n, GSL_NAN), GPF_CONSTANT));
    /* Nor is one that can use a fiftieth of what comes back. */
    biases(&n, 1)[0] = 0;
    for (int i = 0; i < SAMPLES; i++) {
        n.t[i] = n.x[3 * i];
        biases(&n, 1)[0] += n.t[i] / SAMPLES;
    }
    for (int i = 0; i < 15; i++)
        weights(&n, 0)[i] *= 30;
    for (int k = 0; k < 5; k++)
        biases(&n, 1)[0] -= weights(&n, 1)[k] * tanh(biases(&n, 0)[k]);
    assert_false(finds(examine(&n, GSL_NAN), GPF_CONSTANT));
    finish(&n);
}

/* Loss and params, health at the samples of x (and y). */
static gpf_health *health_of(gpf_graph *g, gpf_node loss, gpf_point *at, const gpf_task *task)
{
    gpf_health *h = gpf_health_alloc(g, loss, gpf_point_batch(at), task, GSL_NAN, NULL);
    assert_non_null(h);
    assert_int_equal(gpf_health_run(h, at), GSL_SUCCESS);
    return h;
}

/* Zeros make units alike, whether relu is dead there or sigmoid is not. */
static void counts_equal_units_that_are_dead(void **state)
{
    (void)state;
    dice d = { 29 };
    for (int k = 0; k < 2; k++) {
        net n = make(&d, 1, five, 1, &kinds[k ? SIGMOID : RELU]);
        memset(theta(n.at), 0, gpf_point_params(n.at)->size * sizeof(double));
        const gpf_layer *y = gpf_health_layer(examine(&n, GSL_NAN), 0);
        assert_int_equal(y->distinct, 1);
        assert_int_equal(y->dead, k ? 0 : 5);
        assert_int_equal(finds(n.h, GPF_IDENTICAL_UNITS), k);
        finish(&n);
    }
}

/* log(1 - p) of p = sigmoid(z) has a gradient also where p is 1 or 0 in double precision. */
static void takes_sure_predictions(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 1)),
                   y = gpf_data(g, "y", gpf_shape2(GPF_N, 1)), one = gpf_const(g, 1);
    const gpf_node p = gpf_sigmoid(g, gpf_dense(g, "z", X, 1, NULL));
    const gpf_node right = gpf_mul(g, y, gpf_log(g, p)),
                   wrong = gpf_mul(g, gpf_sub(g, one, y), gpf_log(g, gpf_sub(g, one, p))),
                   loss = gpf_neg(g, gpf_mean(g, gpf_add(g, right, wrong), GPF_ALL_AXES));
    static const double x[] = { 1, -1, 0.002, -0.003 }, t[] = { 1, 0, 0, 1 };
    gpf_point *at = gpf_point_alloc(g, 4);
    gpf_point_bind(at, X, x);
    gpf_point_bind(at, y, t);
    theta(at)[0] = 801.7;
    gpf_health *h = health_of(g, loss, at, &(gpf_task){ p, y, GPF_DECIDE_HALF });
    assert_int_equal(gpf_health_n_findings(h), 0);
    gpf_health_free(h);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* The last hidden layer is dead, and the values go by its side: nothing grows from 0. */
static void goes_past_a_dead_layer(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 1)),
                   a = gpf_dense(g, "a", X, 2, gpf_tanh),
                   r = gpf_add(g, a, gpf_dense(g, "b", a, 2, gpf_relu)),
                   loss = gpf_mean(g, gpf_square(g, gpf_dense(g, "y", r, 1, NULL)), GPF_ALL_AXES);
    static const double x[] = { 1, -2, 0.5 },
                        params[] = { 0.7, -0.4, 0, 0, 0.3, 0.2, 0.1, 0.4, -9, -8, 0.6, 0.5, 0 };
    gpf_point *at = gpf_point_alloc(g, 3);
    gpf_point_bind(at, X, x);
    memcpy(theta(at), params, sizeof params);
    gpf_health *h = health_of(g, loss, at, NULL);
    assert_true(finds(h, GPF_DEAD_UNIT));
    assert_false(finds(h, GPF_EXPLODING));
    gpf_health_free(h);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* max(z, 0) has a slope at 0, where a relu has none: what comes out of the zeros is no dead layer. */
static void names_zero_factors(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 1)), zero = gpf_const(g, 0),
                   V = gpf_param(g, "V", gpf_shape2(1, 1)), W = gpf_param(g, "W", gpf_shape2(1, 1)),
                   a = gpf_max(g, gpf_matmul(g, X, V), zero), z = gpf_matmul(g, a, W),
                   loss = gpf_mean(g, gpf_square(g, gpf_sub(g, z, gpf_const(g, 1))), GPF_ALL_AXES);
    gpf_node_set_name(g, a, "a");
    static const double x[] = { 0, -2, -0.5 };
    gpf_point *at = gpf_point_alloc(g, 3);
    gpf_point_bind(at, X, x);
    theta(at)[0] = theta(at)[1] = 0.8;
    gpf_health *h = health_of(g, loss, at, NULL);
    assert_int_equal(gpf_health_n_findings(h), 1);
    assert_string_equal(gpf_health_finding(h, 0)->text,
                        "W gets a gradient of exactly 0: a is 0 for all 3 samples");
    gpf_health_free(h);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void names_what_is_not_finite(void **state)
{
    (void)state;
    dice d = { 23 };
    net n = lively(&d, five, 2, RELU);
    const double kept = weights(&n, 1)[3];
    weights(&n, 1)[3] = GSL_NAN;
    only(examine(&n, 0.01), GPF_NOT_FINITE, "W2 is not finite");
    weights(&n, 1)[3] = kept;
    n.x[7] = GSL_POSINF;
    only(examine(&n, 0.01), GPF_NOT_FINITE, "X is not finite");
    n.x[7] = 0.5;
    n.t[3] = GSL_NAN;
    only(examine(&n, 0.01), GPF_NOT_FINITE, "loss = nan");
    n.t[3] = 0;
    for (int i = 0; i < 25; i++)
        weights(&n, 1)[i] *= 1e200;
    only(examine(&n, 0.01), GPF_NOT_FINITE, "a2 is not finite, or too large to be squared");
    finish(&n);
}

/* XOR solved by hand: all units are at their ends and right so. */
static void a_net_that_does_its_work_is_healthy(void **state)
{
    (void)state;
    dice d = { 24 };
    static const int xor [] = { 2, 2, 1 };
    net n = make(&d, 1, xor, 2, &kinds[SIGMOID]);
    static const double w1[] = { 20, 20, 20, 20 }, b1[] = { -10, -30 }, w2[] = { 20, -20 };
    memcpy(weights(&n, 0), w1, sizeof w1);
    memcpy(biases(&n, 0), b1, sizeof b1);
    memcpy(weights(&n, 1), w2, sizeof w2);
    biases(&n, 1)[0] = -10;
    for (int i = 0; i < SAMPLES; i++) {
        n.x[2 * i] = i & 1;
        n.x[2 * i + 1] = i >> 1 & 1;
        n.t[i] = (i ^ i >> 1) & 1;
    }
    const gpf_health *h = examine(&n, 1);
    assert_int_equal(gpf_health_n_findings(h), 0);
    assert_int_equal(gpf_health_layer(h, 0)->saturated, 2);
    finish(&n);
}

static void every_kind_has_its_words(void **state)
{
    (void)state;
    for (int k = 0; k < GPF_N_FINDINGS; k++) {
        assert_true(strlen(gpf_finding_name((gpf_finding_kind)k)) > 3);
        assert_true(strlen(gpf_finding_help((gpf_finding_kind)k)) > 10);
        for (int i = 0; i < k; i++)
            assert_string_not_equal(gpf_finding_name((gpf_finding_kind)k),
                                    gpf_finding_name((gpf_finding_kind)i));
    }
    assert_string_equal(gpf_finding_name(GPF_N_FINDINGS), "");
    assert_string_equal(gpf_finding_help(GPF_N_FINDINGS), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_nets_are_healthy),
        cmocka_unit_test(finds_dead_units),
        cmocka_unit_test(death_is_told_once),
        cmocka_unit_test(finds_flat_units),
        cmocka_unit_test(finds_nearly_dead_layers),
        cmocka_unit_test(finds_saturated_layers),
        cmocka_unit_test(finds_twins),
        cmocka_unit_test(explains_zeros),
        cmocka_unit_test(zeros_without_hidden_layers_are_healthy),
        cmocka_unit_test(finds_empty_columns),
        cmocka_unit_test(finds_growth_and_decay),
        cmocka_unit_test(judges_steps),
        cmocka_unit_test(finds_constant_predictions),
        cmocka_unit_test(finds_loss_at_best_constant),
        cmocka_unit_test(counts_equal_units_that_are_dead),
        cmocka_unit_test(takes_sure_predictions),
        cmocka_unit_test(goes_past_a_dead_layer),
        cmocka_unit_test(names_zero_factors),
        cmocka_unit_test(names_what_is_not_finite),
        cmocka_unit_test(a_net_that_does_its_work_is_healthy),
        cmocka_unit_test(every_kind_has_its_words),
    };
    return cmocka_run_group_tests_name("finding", tests, NULL, NULL);
}
