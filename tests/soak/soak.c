/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Random nets whose gradients are right: not one element may be accused, and none excused without
 * proof. Then the same nets with a planted fault: each must be flagged.
 *
 *     soak [nets [seed]]
 */
#include "planted/plant.h"

#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const gpf_activation smooth_or_not[] = { gpf_relu,  gpf_tanh,     gpf_sigmoid, gpf_softplus,
                                                gpf_swish, gpf_gelu,     gpf_mish,    gpf_selu,
                                                gpf_abs,   gpf_softsign, gpf_sin,     gpf_relu,
                                                gpf_relu,  NULL };

static gpf_node leaky(gpf_graph *g, gpf_node x)
{
    return gpf_leaky_relu(g, x, 0.1);
}

static gpf_node elu(gpf_graph *g, gpf_node x)
{
    return gpf_elu(g, x, 0.7);
}

static gpf_node clipped(gpf_graph *g, gpf_node x)
{
    return gpf_clip(g, x, -0.6, 0.9);
}

static gpf_node maxout(gpf_graph *g, gpf_node x)
{
    return gpf_max(g, x, gpf_mul(g, gpf_const(g, -0.4), x));
}

static const gpf_activation with_parameters[] = { leaky, elu, clipped, maxout };

static gpf_activation pick_activation(gsl_rng *r)
{
    enum {
        PLAIN = sizeof smooth_or_not / sizeof *smooth_or_not,
        MORE = sizeof with_parameters / sizeof *with_parameters
    };
    const unsigned long i = gsl_rng_uniform_int(r, PLAIN + MORE);
    return i < PLAIN ? smooth_or_not[i] : with_parameters[i - PLAIN];
}

static gpf_node loss_of(gpf_graph *g, gpf_node z, gpf_node y, unsigned long kind)
{
    const gpf_node inside = gpf_sigmoid(g, y), rows = gpf_softmax(g, y);
    switch (kind) {
    case 0:
        return gpf_mse(g, z, y, GPF_MEAN);
    case 1:
        return gpf_half_sse(g, z, y);
    case 2:
        return gpf_bce_with_logits(g, z, inside, GPF_SUM);
    case 3:
        return gpf_cross_entropy(g, z, rows, GPF_MEAN);
    case 4:
        return gpf_huber(g, z, y, GPF_MEAN);
    case 5:
        return gpf_mae(g, z, y, GPF_SUM);
    case 6:
        return gpf_bce(g, gpf_sigmoid(g, z), inside, GPF_MEAN);
    default:
        return gpf_logsumexp(g, gpf_mul(g, z, y), GPF_ALL_AXES);
    }
}

typedef struct net {
    gpf_graph *g;
    gpf_node loss, X;
    gpf_point *at;
    double *x, *y;
} net;

static double *normals(gsl_rng *r, size_t n, double sd)
{
    double *v = malloc(n * sizeof *v);
    for (size_t i = 0; v && i < n; i++)
        v[i] = gsl_ran_gaussian(r, sd);
    return v;
}

/* plant: an op put behind the first layer, or NULL. */
static net random_net(gsl_rng *r, const gpf_op *plant)
{
    net m = { .g = gpf_graph_alloc() };
    const size_t N = 1 + gsl_rng_uniform_int(r, gsl_rng_uniform_int(r, 4) ? 8 : 64);
    const ptrdiff_t in = 1 + (ptrdiff_t)gsl_rng_uniform_int(r, 5),
                    out = 1 + (ptrdiff_t)gsl_rng_uniform_int(r, 4);
    const int depth = 1 + (int)gsl_rng_uniform_int(r, 4);
    m.X = gpf_data(m.g, "X", gpf_shape2(GPF_N, in));
    const gpf_node y = gpf_data(m.g, "y", gpf_shape2(GPF_N, out));
    gpf_node h = m.X, penalty = gpf_const(m.g, 0);
    for (int l = 0; l < depth; l++) {
        char name[16];
        snprintf(name, sizeof name, "h%d", l);
        h = gpf_dense(m.g, name, h, l + 1 == depth ? out : 1 + (ptrdiff_t)gsl_rng_uniform_int(r, 6),
                      l + 1 == depth ? NULL : pick_activation(r));
        if (plant && l == 0)
            h = gpf_apply(m.g, plant, &h, 1, NULL);
    }
    if (gsl_rng_uniform_int(r, 3) == 0)
        penalty = gpf_mul(m.g, gpf_const(m.g, 0.03), gpf_l2(m.g, gpf_graph_param(m.g, 0)));
    m.loss = gpf_add(m.g, loss_of(m.g, h, y, gsl_rng_uniform_int(r, 8)), penalty);
    m.at = gpf_point_alloc(m.g, N);
    /* Raw inputs of any scale, targets, sometimes zero biases as initialisers make them. */
    const double scale = (double[]){ 1, 1, 1, 0.01, 50 }[gsl_rng_uniform_int(r, 5)];
    m.x = normals(r, N * (size_t)in, scale);
    m.y = normals(r, N * (size_t)out, 1);
    gpf_point_bind(m.at, m.X, m.x);
    gpf_point_bind(m.at, y, m.y);
    const bool zero_bias = gsl_rng_uniform_int(r, 3) == 0;
    for (size_t i = 0; i < gpf_graph_n_param_tensors(m.g); i++) {
        gsl_matrix_view w = gpf_param_view(m.g, gpf_graph_param(m.g, i), gpf_point_params(m.at));
        const bool bias = i % 2 == 1;
        const double sd = i == 0 ? 1 / (scale > 1 ? scale : 1) : 1;
        for (size_t j = 0; j < w.matrix.size1; j++)
            for (size_t k = 0; k < w.matrix.size2; k++)
                gsl_matrix_set(&w.matrix, j, k,
                               bias && zero_bias ? 0 : gsl_ran_gaussian(r, bias ? 0.5 : sd));
    }
    return m;
}

static void free_net(net *m)
{
    gpf_point_free(m->at);
    gpf_graph_free(m->g);
    free(m->x);
    free(m->y);
}

static gpf_check *check_net(net *m, bool inputs)
{
    gpf_node xs[16];
    size_t n = gpf_graph_n_param_tensors(m->g);
    for (size_t i = 0; i < n; i++)
        xs[i] = gpf_graph_param(m->g, i);
    if (inputs)
        xs[n++] = m->X;
    gpf_diag why;
    gpf_check *c = gpf_check_alloc(m->g, m->loss, xs, NULL, n, gpf_point_batch(m->at), 1, &why);
    gpf_check_options how = gpf_check_defaults();
    how.sample = 40;
    if (c && gpf_check_run(c, m->at, &how, &why) == GSL_SUCCESS)
        return c;
    printf("# %s\n", why.text);
    gpf_check_free(c);
    return NULL;
}

/* An excuse needs proof: a kink its branch record and both slopes, an unresolved element an error
 * bar that really is wider than the claim, or kinks on every side. */
static bool proven(const gpf_element *e)
{
    if (e->verdict == GPF_KINK)
        return e->kink.n_changed > 0 && isfinite(e->left) && isfinite(e->right);
    if (e->verdict == GPF_VACUOUS)
        return e->analytic == 0;
    if (e->verdict == GPF_UNRESOLVED && e->reason == GPF_REASON_CROWDED)
        return e->kink.n_changed > 0;
    if (e->verdict == GPF_UNRESOLVED)
        return !(e->error < 1e-4 * fmax(fabs(e->analytic), fabs(e->numeric)));
    return true;
}

static void show(const net *m, unsigned long id, const gpf_element *e)
{
    char label[80];
    printf("# net %lu tensor %s[%zu] %s (%s): %.10g, GSL %.10g +- %.1e, step %g, value %g, kinks "
           "%zu, slopes %g %g\n",
           id, gpf_node_label(m->g, gpf_graph_param(m->g, (size_t)e->tensor), label, sizeof label),
           e->k, gpf_verdict_name(e->verdict), gpf_reason_name(e->reason), e->analytic, e->numeric,
           e->error, e->step, e->value, e->kink.n_changed, e->left, e->right);
}

int main(int argc, char **argv)
{
    const unsigned long nets = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000,
                        seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
    gsl_rng *r = gsl_rng_alloc(gsl_rng_mt19937);
    size_t count[GPF_N_VERDICTS] = { 0 }, total = 0, accused = 0, unproven = 0, failed = 0,
           conventions = 0;
    for (unsigned long i = 0; i < nets; i++) {
        gsl_rng_set(r, seed * 1000003 + i);
        net m = random_net(r, NULL);
        gpf_check *c = check_net(&m, i % 3 == 0);
        failed += c == NULL;
        for (size_t k = 0; c && k < gpf_check_n_elements(c); k++) {
            const gpf_element *e = gpf_check_element(c, k);
            total++;
            count[e->verdict]++;
            /* Several ties at once (zero biases behind a dead layer) can leave backprop with a
             * value that is no slope of the function: that accusation is true, and says so. */
            const bool convention = e->reason == GPF_REASON_TIE && e->kink.tie;
            conventions += convention;
            if (e->verdict == GPF_WRONG && !convention) {
                accused++;
                show(&m, i, e);
            }
            if (!proven(e)) {
                unproven++;
                show(&m, i, e);
            }
        }
        gpf_check_free(c);
        free_net(&m);
    }
    printf("1..3\n");
    printf("# %lu nets, %zu elements: %zu right, %zu kink, %zu vacuous, %zu unresolved, %zu wrong "
           "(%zu tie conventions)\n",
           nets, total, count[GPF_RIGHT], count[GPF_KINK], count[GPF_VACUOUS],
           count[GPF_UNRESOLVED], count[GPF_WRONG], conventions);
    printf("%s 1 - no correct gradient accused (%zu), every check ran (%zu did not)\n",
           accused + failed == 0 && total > 0 ? "ok" : "not ok", accused, failed);
    printf("%s 2 - no excuse without proof (%zu)\n", unproven == 0 ? "ok" : "not ok", unproven);

    /* The same with a fault in the derivative rule of one op behind the first layer. The net with
     * the right rule tells whether the fault shows in any element at all (a relu that is on for all
     * samples does not care which moment its input is of); where it does, it must be flagged. */
    size_t planted = 0, flagged = 0, equivalent = 0;
    for (unsigned long i = 0; i < nets; i++) {
        planted_op bad;
        if (!plant_elementwise(&bad, i))
            continue;
        gsl_rng_set(r, seed * 7000003 + i);
        net wrong = random_net(r, &bad.op);
        gsl_rng_set(r, seed * 7000003 + i);
        net right = random_net(r, bad.original);
        gpf_check *c = check_net(&wrong, false), *ok = check_net(&right, false);
        bool shows = false;
        for (size_t k = 0; c && ok && k < gpf_check_n_elements(c); k++) {
            const gpf_element *w = gpf_check_element(c, k), *e = gpf_check_element(ok, k);
            shows |= e->verdict == GPF_RIGHT && fabs(w->analytic - e->analytic) > 100 * e->error;
        }
        const bool seen = c && gpf_check_outcome(c) == GPF_OUTCOME_WRONG;
        planted += shows;
        equivalent += !shows;
        flagged += shows && seen;
        if (shows && !seen) {
            printf("# net %lu: %s of %s not flagged\n", i, bad.fault->name, bad.op.name);
            for (size_t k = 0; k < gpf_check_tally(c, 0).checked; k++)
                show(&wrong, i, gpf_check_element(c, k));
        }
        gpf_check_free(c);
        gpf_check_free(ok);
        free_net(&wrong);
        free_net(&right);
    }
    printf("# %zu planted faults, %zu flagged, %zu more show in no element\n", planted, flagged,
           equivalent);
    printf("%s 3 - every planted fault flagged\n",
           flagged == planted && planted > nets / 3 ? "ok" : "not ok");
    gsl_rng_free(r);
    return accused + failed + unproven || flagged != planted;
}
