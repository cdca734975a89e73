/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Does the error that comes with a numeric derivative cover its true error? Random nets, all losses
 * and activations of everyday use, against forward and backward passes in long double at the very
 * same numbers.
 *
 *     test_coverage [nets [seed]]
 */
#include <gradproof.h>

#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef long double real;

enum activation { TANH, SIGMOID, RELU, SOFTMAX, N_ACTIVATIONS };
enum loss { MSE, BCE, BCE_OF_SIGMOID, CROSS_ENTROPY, N_LOSSES };
enum { MOST_LAYERS = 4, MOST_WIDTH = 24, MOST_ROWS = 70, MOST = MOST_WIDTH * MOST_ROWS };

static const char *const activation_name[] = { "tanh", "sigmoid", "relu", "softmax" };

/* width[0] inputs, then the layers; z of the last goes into the loss. W: rows x columns of layer
 * l are width[l] x width[l + 1], all params in one vector in the graph's order. */
typedef struct net {
    enum activation act;
    enum loss loss;
    size_t layers, N, width[MOST_LAYERS + 1];
    double x[MOST], y[MOST];
    gpf_graph *g;
    gpf_node X, out;
    gpf_point *at;
} net;

static gpf_node softmax(gpf_graph *g, gpf_node x)
{
    return gpf_softmax(g, x);
}

static void build(net *m)
{
    static const gpf_activation act[] = { gpf_tanh, gpf_sigmoid, gpf_relu, softmax };
    gpf_graph *g = m->g = gpf_graph_alloc();
    m->X = gpf_data(g, "X", gpf_shape2(GPF_N, (ptrdiff_t)m->width[0]));
    const gpf_node y = gpf_data(g, "y", gpf_shape2(GPF_N, (ptrdiff_t)m->width[m->layers]));
    gpf_node a = m->X;
    for (size_t l = 0; l < m->layers; l++) {
        char name[24];
        snprintf(name, sizeof name, "h%zu", l);
        a = gpf_dense(g, name, a, (ptrdiff_t)m->width[l + 1],
                      l + 1 < m->layers ? act[m->act] : NULL);
    }
    m->out = m->loss == MSE              ? gpf_mse(g, a, y, GPF_MEAN)
             : m->loss == BCE            ? gpf_bce_with_logits(g, a, y, GPF_MEAN)
             : m->loss == BCE_OF_SIGMOID ? gpf_bce(g, gpf_sigmoid(g, a), y, GPF_MEAN)
                                         : gpf_cross_entropy(g, a, y, GPF_MEAN);
    m->at = gpf_point_alloc(g, m->N);
    gpf_point_bind(m->at, m->X, m->x);
    gpf_point_bind(m->at, y, m->y);
}

static void draw(net *m, gsl_rng *r)
{
    m->act = (enum activation)gsl_rng_uniform_int(r, N_ACTIVATIONS);
    m->loss = (enum loss)gsl_rng_uniform_int(r, N_LOSSES);
    m->layers = 2 + gsl_rng_uniform_int(r, MOST_LAYERS - 1);
    m->N = 1 + gsl_rng_uniform_int(r, gsl_rng_uniform_int(r, 3) ? 12 : MOST_ROWS);
    for (size_t l = 0; l <= m->layers; l++)
        m->width[l] = 1 + gsl_rng_uniform_int(r, gsl_rng_uniform_int(r, 2) ? 6 : MOST_WIDTH);
    build(m);
    const double inputs = (double[]){ 1, 1, 0.01, 10 }[gsl_rng_uniform_int(r, 4)],
                 gain = (double[]){ 1, 1, 0.3, 3 }[gsl_rng_uniform_int(r, 4)];
    for (size_t i = 0; i < m->N * m->width[0]; i++)
        m->x[i] = gsl_ran_gaussian(r, inputs);
    const size_t n_out = m->width[m->layers];
    const int hard = gsl_rng_uniform_int(r, 2) != 0;
    for (size_t i = 0; i < m->N; i++) {
        double *y = m->y + i * n_out, sum = 0;
        for (size_t j = 0; j < n_out; j++) {
            y[j] = m->loss == MSE ? gsl_ran_gaussian(r, 1) : gsl_rng_uniform(r);
            if (m->loss != MSE && hard)
                y[j] = y[j] > 0.5;
            sum += y[j];
        }
        for (size_t j = 0; j < n_out && m->loss == CROSS_ENTROPY; j++)
            y[j] = hard ? j == i % n_out : y[j] / sum;
    }
    double *theta = gpf_point_params(m->at)->data;
    for (size_t l = 0; l < m->layers; l++) {
        const double sd = gain / sqrt((double)m->width[l]) / (l == 0 && inputs > 1 ? inputs : 1);
        for (size_t i = 0; i < m->width[l] * m->width[l + 1]; i++)
            *theta++ = gsl_ran_gaussian(r, sd);
        for (size_t i = 0; i < m->width[l + 1]; i++)
            *theta++ = gsl_ran_gaussian(r, 0.3);
    }
}

static real sigma(real z)
{
    return z > 0 ? 1 / (1 + expl(-z)) : expl(z) / (1 + expl(z));
}

static void softmax_row(const real *z, real *a, size_t n)
{
    real most = z[0], sum = 0;
    for (size_t j = 1; j < n; j++)
        most = fmaxl(most, z[j]);
    for (size_t j = 0; j < n; j++)
        sum += a[j] = expl(z[j] - most);
    for (size_t j = 0; j < n; j++)
        a[j] /= sum;
}

/* d loss / dz of one row of the last layer. */
static void loss_row(const net *m, const real *z, const double *y, real *dz)
{
    const size_t n = m->width[m->layers];
    real p[MOST_WIDTH], mass = 0;
    softmax_row(z, p, n);
    for (size_t j = 0; j < n; j++)
        mass += y[j];
    for (size_t j = 0; j < n; j++)
        dz[j] = m->loss == MSE             ? 2 * (z[j] - y[j]) / (real)(m->N * n)
                : m->loss == CROSS_ENTROPY ? (mass * p[j] - y[j]) / (real)m->N
                                           : (sigma(z[j]) - y[j]) / (real)(m->N * n);
}

/* One row of an activation: a = f(z), and dz from da = dloss/da. */
static void act_row(enum activation act, const real *z, real *a, size_t n)
{
    if (act == SOFTMAX)
        softmax_row(z, a, n);
    for (size_t j = 0; j < n && act != SOFTMAX; j++)
        a[j] = act == TANH ? tanhl(z[j]) : act == SIGMOID ? sigma(z[j]) : z[j] > 0 ? z[j] : 0;
}

static void act_back(enum activation act, const real *z, const real *a, const real *da, real *dz,
                     size_t n)
{
    real dot = 0;
    for (size_t j = 0; j < n; j++)
        dot += da[j] * a[j];
    for (size_t j = 0; j < n; j++)
        dz[j] = act == TANH      ? da[j] / (coshl(z[j]) * coshl(z[j]))
                : act == SIGMOID ? da[j] * sigma(z[j]) * sigma(-z[j])
                : act == RELU    ? (z[j] > 0 ? da[j] : 0)
                                 : a[j] * (da[j] - dot);
}

/* Exact gradients, row by row: params into g (the graph's order), inputs into gx. */
static void exact(const net *m, real *g, real *gx)
{
    const double *theta = gpf_point_params(m->at)->data;
    memset(g, 0, gpf_graph_n_params(m->g) * sizeof *g);
    for (size_t i = 0; i < m->N; i++) {
        real z[MOST_LAYERS + 1][MOST_WIDTH], a[MOST_LAYERS + 1][MOST_WIDTH], d[2][MOST_WIDTH];
        size_t at[MOST_LAYERS + 1] = { 0 };
        for (size_t j = 0; j < m->width[0]; j++)
            a[0][j] = m->x[i * m->width[0] + j];
        for (size_t l = 0; l < m->layers; l++) {
            const size_t in = m->width[l], out = m->width[l + 1];
            const double *W = theta + at[l], *b = W + in * out;
            for (size_t j = 0; j < out; j++) {
                z[l + 1][j] = b[j];
                for (size_t k = 0; k < in; k++)
                    z[l + 1][j] += a[l][k] * W[k * out + j];
            }
            act_row(m->act, z[l + 1], a[l + 1], out);
            at[l + 1] = at[l] + in * out + out;
        }
        loss_row(m, z[m->layers], m->y + i * m->width[m->layers], d[0]);
        for (size_t l = m->layers; l-- > 0;) {
            const size_t in = m->width[l], out = m->width[l + 1];
            const double *W = theta + at[l];
            real da[MOST_WIDTH];
            for (size_t k = 0; k < in; k++) {
                da[k] = 0;
                for (size_t j = 0; j < out; j++) {
                    g[at[l] + k * out + j] += a[l][k] * d[0][j];
                    da[k] += W[k * out + j] * d[0][j];
                }
            }
            for (size_t j = 0; j < out; j++)
                g[at[l] + in * out + j] += d[0][j];
            if (l > 0)
                act_back(m->act, z[l], a[l], da, d[0], in);
            for (size_t k = 0; k < in && l == 0; k++)
                gx[i * in + k] = da[k];
        }
    }
}

/* What was found. */
typedef struct tally {
    size_t elements, covered, half, kinks, vacuous, missed, wrong, unresolved, unresolved_covered;
    double worst;      /* true error / error, of the resolved */
    double error, off; /* sums of log10 relative to the exact value */
} tally;

static void add(tally *t, const gpf_element *e, real truth)
{
    const double off = (double)fabsl(e->numeric - truth);
    const size_t ok = off <= e->error;
    t->wrong += e->verdict == GPF_WRONG;
    t->kinks += e->verdict == GPF_KINK;
    t->vacuous += e->verdict == GPF_VACUOUS;
    t->missed += e->verdict == GPF_VACUOUS && fabsl(truth) > 1e-15L; /* was no 0 = 0 */
    if (e->verdict == GPF_UNRESOLVED && isfinite(e->numeric) && isfinite(e->error)) {
        t->unresolved++;
        t->unresolved_covered += ok;
    }
    if (e->verdict != GPF_RIGHT && e->verdict != GPF_WRONG)
        return;
    t->elements++;
    t->covered += ok;
    t->half += off <= e->error / 2;
    if (!(off / e->error <= t->worst))
        t->worst = off / e->error;
    if (truth != 0) {
        t->error += log10(e->error / (double)fabsl(truth));
        t->off += log10(fmax(off, 1e-20 * (double)fabsl(truth)) / (double)fabsl(truth));
    }
}

static void show(const char *name, const tally *t)
{
    printf("# %-8s %7zu elements, %.4f %% covered, %.2f %% by half the error, worst ratio %.3g; "
           "error 1e%.1f, truly off 1e%.1f; %zu kinks, %zu vacuous, %zu wrong, %zu unresolved (%zu "
           "covered)\n",
           name, t->elements, 100 * (double)t->covered / (double)t->elements,
           100 * (double)t->half / (double)t->elements, t->worst, t->error / (double)t->elements,
           t->off / (double)t->elements, t->kinks, t->vacuous, t->wrong, t->unresolved,
           t->unresolved_covered);
}

/* Elements of the params and the inputs of one net; 0 if the check did not run. */
static int check(net *m, tally *t, double *backprop)
{
    static real g[MOST_LAYERS * (MOST_WIDTH + 1) * MOST_WIDTH], gx[MOST];
    gpf_node xs[2 * MOST_LAYERS + 1];
    size_t n = gpf_graph_n_param_tensors(m->g);
    for (size_t i = 0; i < n; i++)
        xs[i] = gpf_graph_param(m->g, i);
    xs[n++] = m->X;
    exact(m, g, gx);
    gpf_check *c = gpf_check_alloc(m->g, m->out, xs, NULL, n, m->N, 1, NULL);
    gpf_check_options how = gpf_check_defaults();
    how.sample = 16;
    const int ran = c && gpf_check_run(c, m->at, &how, NULL) == GSL_SUCCESS;
    for (size_t i = 0; ran && i < gpf_check_n_elements(c); i++) {
        const gpf_element *e = gpf_check_element(c, i);
        const gpf_node x = xs[e->tensor];
        const real truth = x == m->X ? gx[e->k] : g[gpf_param_offset(m->g, x) + e->k];
        add(t, e, truth);
        *backprop = fmax(*backprop, (double)(fabsl(e->analytic - truth) / (1 + fabsl(truth))));
    }
    gpf_check_free(c);
    return ran;
}

int main(int argc, char **argv)
{
    const unsigned long nets = argc > 1 ? strtoul(argv[1], NULL, 10) : 260,
                        seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    static net m;
    tally all = { 0 }, by[N_ACTIVATIONS] = { { 0 } };
    gsl_rng *r = gsl_rng_alloc(gsl_rng_mt19937);
    size_t failed = 0;
    double backprop = 0;
    for (unsigned long i = 0; i < nets; i++) {
        gsl_rng_set(r, seed * 1000003 + i);
        draw(&m, r);
        tally *t = &by[m.act];
        failed += !check(&m, t, &backprop);
        gpf_point_free(m.at);
        gpf_graph_free(m.g);
    }
    gsl_rng_free(r);
    for (int a = 0; a < N_ACTIVATIONS; a++) {
        const tally *t = &by[a];
        show(activation_name[a], t);
        all.elements += t->elements;
        all.covered += t->covered;
        all.half += t->half;
        all.kinks += t->kinks;
        all.vacuous += t->vacuous;
        all.missed += t->missed;
        all.wrong += t->wrong;
        all.unresolved += t->unresolved;
        all.unresolved_covered += t->unresolved_covered;
        all.error += t->error;
        all.off += t->off;
        all.worst = fmax(all.worst, t->worst);
    }
    show("all", &all);
    const int enough = failed == 0 && all.elements >= 40 * nets,
              covered = 1000 * all.covered >= 999 * all.elements,
              right = all.wrong + all.missed == 0 && backprop < 1e-12;
    printf("1..3\n%s 1 - every check ran, %zu elements resolved\n", enough ? "ok" : "not ok",
           all.elements);
    printf("%s 2 - the error covers at least 99.9 %% of them\n", covered ? "ok" : "not ok");
    printf("%s 3 - none is wrong, none vacuous that is not 0 (%zu), backprop exact to %.1e\n",
           right ? "ok" : "not ok", all.missed, backprop);
    return !(enough && covered && right);
}
