/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is to be known of a net's layers and units, by one plan. */
#include "plan/plan.h"
#include "train/health.h"

#include <gsl/gsl_linalg.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Relative difference up to which units compute the same: some roundings, no step of training. */
static const double same = 1e-12;
/* Weights with more than this have no rank here: it takes rows * columns * rank steps. */
enum { MAX_RANK = 256, MAX_RANK_LENGTH = 4096 };

/* The outputs of the plan, collected. */
typedef struct outputs {
    gpf_node *node;
    size_t n, cap;
    int status;
} outputs;

static size_t want(outputs *o, gpf_node n)
{
    if (n == GPF_NONE || o->status)
        return GPF__ABSENT;
    o->status = gpf__grow(&o->node, &o->cap, o->n + 1, sizeof *o->node);
    if (o->status)
        return GPF__ABSENT;
    o->node[o->n] = n;
    return o->n++;
}

/* Over the samples, which stand along the other axis than the units. */
static ptrdiff_t samples_of(int unit_axis)
{
    return (ptrdiff_t)1 << !unit_axis;
}

/* Slopes of the exits: da/dz element by element is the vjp of ones, as nothing in between mixes
 * elements. alive = sum over samples of [s != 0], weak = sum of [|s| < 0.01]; where there
 * are several exits, s is the largest. */
static void want_slopes(gpf_graph *g, const gpf__found *l, gpf__measured *m, outputs *out)
{
    gpf_node size = GPF_NONE;
    double constant;
    if (!l->hidden || l->n_exits > GPF__MAX_EXITS)
        return;
    m->blocked = 1;
    for (size_t e = 0; e < l->n_exits; e++) {
        const gpf_node a = l->exit[e];
        gpf_node slope = GPF_NONE;
        if (a == l->z) { /* somewhere z goes on as it is */
            m->blocked = 0;
            return;
        }
        gpf_vjp(g, a, gpf_broadcast(g, gpf_const(g, 1), gpf_node_shape(g, a)), &l->z, 1, &slope);
        if (slope == GPF_NONE)
            continue;
        m->blocked = 0;
        slope = gpf_abs(g, slope);
        size = size == GPF_NONE ? slope : gpf_max(g, size, slope);
    }
    if (size == GPF_NONE || gpf_graph_status(g, NULL) || gpf_node_is_const(g, size, &constant))
        return;
    const ptrdiff_t samples = samples_of(l->axis);
    m->alive = want(out, gpf_sum(g, gpf_sign(g, size), samples));
    const gpf_node off = gpf_sub(g, gpf_const(g, 1), gpf_sign(g, size)),
                   zero = gpf_sub(g, gpf_const(g, 1), gpf_sign(g, gpf_abs(g, l->exit[0])));
    m->silent = want(out, gpf_sum(g, gpf_mul(g, off, zero), samples));
    m->weak = want(out, gpf_sum(g, gpf_greater(g, gpf_const(g, GPF__SMALL_SLOPE), size), samples));
}

static void want_layer(gpf_health *h, gpf_graph *g, size_t l, gpf_node delta, outputs *out)
{
    const gpf__found *f = &h->found.layer[l];
    gpf__measured *m = &h->measured[l];
    const ptrdiff_t samples = samples_of(f->axis);
    *m = (gpf__measured){ .alive = GPF__ABSENT, .weak = GPF__ABSENT, .silent = GPF__ABSENT };
    m->mean = want(out, gpf_mean(g, f->exit[0], samples));
    m->variance = want(out, gpf_variance(g, f->exit[0], samples));
    m->delta = want(out, delta == GPF_NONE ? delta : gpf_sum(g, gpf_abs(g, delta), samples));
    m->squares = want(out, delta == GPF_NONE ? delta : gpf_sum(g, gpf_square(g, delta), samples));
    want_slopes(g, f, m, out);
}

static void want_product(gpf_health *h, gpf_graph *g, size_t p, gpf_node gradient, outputs *out)
{
    const gpf__product *of = &h->found.product[p];
    gpf__factor *f = &h->factor[p];
    const gpf_shape s = gpf_node_shape(g, of->weight);
    f->input = want(out, gpf_sum(g, gpf_abs(g, of->x), samples_of(of->axis)));
    f->weight = gpf_node_is_param(g, of->weight) ? GPF__ABSENT : want(out, of->weight);
    f->gradient = want(out, gradient);
    f->units = (size_t)s.dim[of->unit_axis];
    f->inputs = (size_t)s.dim[!of->unit_axis];
    f->unit_step = of->unit_axis ? 1 : f->inputs;
    f->step = of->unit_axis ? f->units : 1;
}

/* How prediction and target spread over the samples, column by column, and where the loss pulls the
 * prediction. */
static void want_task(gpf_health *h, gpf_graph *g, gpf_node gradient, outputs *out)
{
    for (int i = 0; i < 3; i++)
        h->spread[i] = GPF__ABSENT;
    h->pull[0] = h->pull[1] = GPF__ABSENT;
    gpf_node p = h->task.prediction, t = h->task.target;
    if (p <= GPF_POISON || t <= GPF_POISON)
        return;
    const gpf_shape s = gpf_node_shape(g, p), labels = gpf_node_shape(g, t);
    if (s.rank < 1 || s.rank > 2)
        return;
    int samples = s.rank == 2 && s.dim[0] != GPF_N && s.dim[1] == GPF_N;
    const ptrdiff_t axis = (ptrdiff_t)1 << samples;
    if (h->task.decision == GPF_DECIDE_ARGMAX && s.rank == 2 && !samples && s.dim[1] > 1 &&
        labels.dim[0] == s.dim[0] && (labels.rank == 1 || labels.dim[1] == 1))
        t = gpf_one_hot(g, t, s.dim[1]);
    if (!gpf_shape_equal(gpf_node_shape(g, t), s))
        return;
    h->spread[0] = want(out, gpf_variance(g, p, axis));
    h->spread[1] = want(out, gpf_variance(g, t, axis));
    h->spread[2] = want(out, gpf_mean(g,
                                      gpf_mul(g, gpf_sub(g, p, gpf_mean(g, p, axis)),
                                              gpf_sub(g, t, gpf_mean(g, t, axis))),
                                      axis));
    if (gradient == GPF_NONE)
        return;
    h->pull[0] = want(out, gpf_sum(g, gradient, axis));
    h->pull[1] = want(out, gpf_sum(g, gpf_abs(g, gradient), axis));
}

static int want_all(gpf_health *h, gpf_graph *g, outputs *out)
{
    const gpf__layers *const f = &h->found;
    const bool predicts = h->task.prediction > GPF_POISON;
    const size_t params = gpf_graph_n_param_tensors(g), last = params + f->n + f->n_products,
                 n = last + predicts;
    gpf_node *xs = malloc(2 * n * sizeof *xs), *grads = xs + n;
    if (!xs)
        return GSL_ENOMEM;
    if (predicts)
        xs[last] = h->task.prediction;
    for (size_t i = 0; i < params; i++)
        xs[i] = gpf_graph_param(g, i);
    for (size_t l = 0; l < f->n; l++)
        xs[params + l] = f->layer[l].z;
    for (size_t p = 0; p < f->n_products; p++)
        xs[params + f->n + p] = f->product[p].weight;
    gpf_grad(g, h->loss, xs, last, grads);
    /* Alone: asked for p itself, log(1 - p) is no softplus, and all that comes of it NaN at p = 1. */
    if (predicts)
        gpf_grad(g, h->loss, xs + last, 1, grads + last);
    want(out, h->loss);
    for (size_t i = 0; i < params && !gpf_graph_status(g, NULL); i++)
        h->params[i] = want(out, grads[i]);
    for (size_t l = 0; l < f->n && !gpf_graph_status(g, NULL); l++)
        want_layer(h, g, l, grads[params + l], out);
    for (size_t p = 0; p < f->n_products && !gpf_graph_status(g, NULL); p++)
        want_product(h, g, p, grads[params + f->n + p], out);
    if (!gpf_graph_status(g, NULL))
        want_task(h, g, predicts ? grads[last] : GPF_NONE, out);
    free(xs);
    return gpf_graph_status(g, NULL) ? gpf_graph_status(g, NULL) : out->status;
}

/* Room for everything a run writes. */
static int make_room(gpf_health *h, const gpf_graph *g)
{
    const gpf__layers *const f = &h->found;
    const size_t params = gpf_graph_n_param_tensors(g);
    size_t units = 0, longest = 0, rank = 0;
    for (size_t l = 0; l < f->n; l++)
        units += (size_t)gpf_node_shape(g, f->layer[l].z).dim[f->layer[l].axis];
    for (size_t p = 0; p < f->n_products; p++) {
        const gpf_shape s = gpf_node_shape(g, f->product[p].weight);
        const size_t a = (size_t)s.dim[0], b = (size_t)s.dim[1], lo = a < b ? a : b,
                     hi = a + b - lo;
        if (lo > MAX_RANK || hi > MAX_RANK_LENGTH)
            continue;
        longest = hi > longest ? hi : longest;
        rank = lo > rank ? lo : rank;
    }
    /* At most one finding of each kind for a layer, two for a param. */
    h->max_findings = GPF_N_FINDINGS * (f->n + 1) + 2 * params;
    h->layer = calloc(f->n + 1, sizeof *h->layer);
    h->measured = calloc(f->n + 1, sizeof *h->measured);
    h->factor = calloc(f->n_products + 1, sizeof *h->factor);
    h->unit = calloc(units + 1, sizeof *h->unit);
    h->params = malloc(params * sizeof *h->params);
    h->cause = malloc(params * sizeof *h->cause);
    h->finding = calloc(h->max_findings, sizeof *h->finding);
    bool ok =
        h->layer && h->measured && h->factor && h->unit && h->params && h->cause && h->finding;
    if (rank && ok) {
        h->rank_matrix = gsl_matrix_alloc(longest, rank);
        h->rank_work = gsl_vector_alloc(2 * rank);
        h->rank_order = gsl_permutation_alloc(rank);
        ok = h->rank_matrix && h->rank_work && h->rank_order;
    }
    return ok ? GSL_SUCCESS : GSL_ENOMEM;
}

static void name_layers(gpf_health *h)
{
    size_t units = 0;
    for (size_t l = 0; l < h->found.n; l++) {
        const gpf__found *f = &h->found.layer[l];
        gpf_layer *const y = &h->layer[l];
        y->z = f->z;
        y->a = f->exit[0];
        y->weight = h->found.product[f->product].weight;
        y->bias = f->bias;
        y->hidden = f->hidden;
        y->sloped = h->measured[l].alive != GPF__ABSENT;
        y->units = (size_t)gpf_node_shape(h->g, f->z).dim[f->axis];
        y->unit = h->unit + units;
        units += y->units;
        char label[56];
        if (gpf_node_name(h->g, y->a) || gpf_node_name(h->g, y->z))
            gpf_node_label(h->g, y->a, y->name, sizeof y->name);
        else
            gpf__format(y->name, sizeof y->name, "layer %s",
                        gpf_node_label(h->g, y->weight, label, sizeof label));
        const gpf_shape z = gpf_node_shape(h->g, f->z);
        y->samples = z.dim[!f->axis] == GPF_N ? h->N : (size_t)z.dim[!f->axis];
    }
}

gpf_health *gpf_health_alloc(gpf_graph *g, gpf_node loss, size_t N, const gpf_task *task,
                             double rate, gpf_diag *why)
{
    gpf_diag unused;
    why = why ? why : &unused;
    if (gpf_graph_n_param_tensors(g) == 0 && !gpf_graph_status(g, NULL)) {
        gpf__diag(why, GPF_ENOTHING, "nothing to examine: the net has no params");
        return NULL;
    }
    outputs out = { 0 };
    const bool ok = gpf__ok(g, loss);
    gpf_health *h = ok ? calloc(1, sizeof *h) : NULL;
    int status = h ? GSL_SUCCESS : ok ? GSL_ENOMEM : gpf_graph_status(g, NULL);
    if (h) {
        h->g = g;
        h->loss = loss;
        h->task = task ? *task : (gpf_task){ GPF_NONE, GPF_NONE, GPF_DECIDE_NOTHING };
        h->rate = rate;
        h->N = N;
        status = gpf__layers_find(g, loss, &h->found);
        if (!status)
            status = make_room(h, g);
        if (!status)
            status = want_all(h, g, &out);
        if (!status)
            status = gpf__plan_make(g, out.node, out.n, N, NULL, 0, false, &h->plan);
        if (!status) {
            h->ws = gpf_workspace_alloc(h->plan);
            status = h->ws ? GSL_SUCCESS : GSL_ENOMEM;
        }
        free(out.node);
    }
    if (status) {
        if (gpf_graph_status(g, why) == GSL_SUCCESS)
            gpf__diag(why, status, "%s", gpf__plan_error(status));
        gpf_health_free(h);
        return NULL;
    }
    name_layers(h);
    return h;
}

void gpf_health_free(gpf_health *h)
{
    if (!h)
        return;
    gpf_workspace_free(h->ws);
    gpf_plan_free(h->plan);
    gpf__layers_free(&h->found);
    gsl_matrix_free(h->rank_matrix);
    gsl_vector_free(h->rank_work);
    gsl_permutation_free(h->rank_order);
    free(h->layer);
    free(h->measured);
    free(h->factor);
    free(h->unit);
    free(h->params);
    free(h->cause);
    free(h->finding);
    free(h);
}

/* Numerically: columns of QR with pivoting whose pivot is above the roundings of the first. */
static size_t rank_of(gpf_health *h, const gpf__factor *f)
{
    const bool tall = f->inputs >= f->units;
    const size_t rows = tall ? f->inputs : f->units, cols = tall ? f->units : f->inputs;
    if (cols > MAX_RANK || rows > MAX_RANK_LENGTH || !isfinite(f->norm))
        return GPF__ABSENT;
    gsl_matrix_view a = gsl_matrix_submatrix(h->rank_matrix, 0, 0, rows, cols);
    gsl_vector_view tau = gsl_vector_subvector(h->rank_work, 0, cols),
                    norm = gsl_vector_subvector(h->rank_work, h->rank_order->size, cols);
    gsl_permutation order = { cols, h->rank_order->data };
    int sign;
    for (size_t i = 0; i < f->inputs; i++)
        for (size_t k = 0; k < f->units; k++)
            gsl_matrix_set(&a.matrix, tall ? i : k, tall ? k : i,
                           f->at[i * f->step + k * f->unit_step]);
    gsl_linalg_QRPT_decomp(&a.matrix, &tau.vector, &order, &sign, &norm.vector);
    const double first = fabs(gsl_matrix_get(&a.matrix, 0, 0));
    size_t rank = 0;
    for (size_t k = 0; k < cols; k++)
        rank += fabs(gsl_matrix_get(&a.matrix, k, k)) > first * GSL_DBL_EPSILON * (double)rows;
    return rank;
}

static void measure_factors(gpf_health *h)
{
    const gsl_vector *theta = gpf_point_params(h->at);
    for (size_t p = 0; p < h->found.n_products; p++) {
        gpf__factor *const f = &h->factor[p];
        f->at = f->weight != GPF__ABSENT
                    ? gpf__measure(h, f->weight)
                    : theta->data + gpf_param_offset(h->g, h->found.product[p].weight);
        f->norm = gpf__norm(f->at, f->inputs * f->units);
    }
}

static bool close_to(double a, double b)
{
    return fabs(a - b) <= same * fmax(fabs(a), fabs(b));
}

/* Units that are computed alike: equal weights in, equal sums over the samples of a, of a^2 and of
 * the slopes' counts. */
static bool computed_alike(const gpf_health *h, size_t l, size_t i, size_t k)
{
    const gpf_unit *u = h->layer[l].unit;
    const gpf__layers *const f = &h->found;
    if (!close_to(u[i].mean, u[k].mean) || !close_to(u[i].deviation, u[k].deviation) ||
        u[i].off != u[k].off || u[i].saturated != u[k].saturated)
        return false;
    for (size_t p = f->layer[l].product; p < f->n_products && f->product[p].layer == l; p++) {
        const gpf__factor *w = &h->factor[p];
        for (size_t j = 0; j < w->inputs; j++)
            if (!close_to(w->at[j * w->step + i * w->unit_step],
                          w->at[j * w->step + k * w->unit_step]))
                return false;
    }
    return true;
}

/* And that lead to the same: equal rows of all later weights, or equal gradients where it is not
 * known what is behind them. */
static bool used_alike(const gpf_health *h, size_t l, size_t i, size_t k)
{
    const gpf__layers *const f = &h->found;
    const double *delta = gpf__measure(h, h->measured[l].delta);
    const double *squares = gpf__measure(h, h->measured[l].squares);
    if (!f->layer[l].closed)
        return delta && (delta[i] > 0 || h->layer[l].unit[i].off >= 1) &&
               close_to(delta[i], delta[k]) && close_to(squares[i], squares[k]);
    for (size_t p = 0; p < f->n_products; p++) {
        const gpf__factor *w = &h->factor[p];
        if (f->product[p].x != f->layer[l].exit[0])
            continue;
        for (size_t m = 0; m < w->units; m++)
            if (!close_to(w->at[i * w->step + m * w->unit_step],
                          w->at[k * w->step + m * w->unit_step]))
                return false;
    }
    return true;
}

static void measure_units(gpf_health *h, size_t l)
{
    const gpf__measured *m = &h->measured[l];
    gpf_layer *const y = &h->layer[l];
    gpf_unit *const unit = h->unit + (y->unit - h->unit);
    const double *mean = gpf__measure(h, m->mean), *variance = gpf__measure(h, m->variance);
    const double *alive = gpf__measure(h, m->alive), *weak = gpf__measure(h, m->weak);
    const double *silent = gpf__measure(h, m->silent), n = (double)y->samples;
    double squares = 0;
    y->dead = y->nearly = y->saturated = y->distinct = 0;
    for (size_t k = 0; k < y->units; k++) {
        gpf_unit *const u = &unit[k];
        u->mean = mean[k];
        u->deviation = sqrt(fmax(variance[k], 0));
        if (isnan(variance[k]))
            u->deviation = variance[k];
        u->silent = silent ? silent[k] / n : 0;
        u->off = alive ? 1 - alive[k] / n : 0;
        u->saturated = weak ? weak[k] / n : 0;
        squares += mean[k] * mean[k] + variance[k];
        if (u->off >= 1)
            y->dead++;
        else if (u->silent >= GPF__MOST)
            y->nearly++;
        else if (u->saturated >= GPF__MOST)
            y->saturated++;
    }
    y->activation = sqrt(squares / (double)y->units);
    for (size_t k = 0; k < y->units; k++) {
        size_t twin = 0;
        while (twin < k && !(unit[twin].twin == (int)twin && computed_alike(h, l, twin, k) &&
                             (!h->found.layer[l].hidden || used_alike(h, l, twin, k))))
            twin++;
        unit[k].twin = (int)twin;
        y->distinct += twin == k;
    }
}

static void measure_layer(gpf_health *h, size_t l)
{
    gpf_layer *const y = &h->layer[l];
    const gpf__factor *f = &h->factor[h->found.layer[l].product];
    const double *squares = gpf__measure(h, h->measured[l].squares);
    const double *gradient = gpf__measure(h, f->gradient);
    double sum = 0;
    for (size_t k = 0; squares && k < y->units; k++)
        sum += squares[k];
    y->gradient = sqrt(sum);
    y->weight_norm = f->norm;
    y->weight_gradient = gradient ? gpf__norm(gradient, f->inputs * f->units) : 0;
    y->ratio = h->rate * y->weight_gradient / y->weight_norm;
    if (!(y->weight_norm > 0))
        y->ratio = GSL_NAN;
    y->rank = rank_of(h, f);
    measure_units(h, l);
}

int gpf_health_run(gpf_health *h, const gpf_point *at)
{
    const int status = gpf_plan_run(h->plan, h->ws, at);
    if (status)
        return status;
    h->at = at;
    h->value = *gpf_workspace_output(h->ws, 0);
    h->ran = 1;
    measure_factors(h);
    for (size_t l = 0; l < h->found.n; l++)
        measure_layer(h, l);
    gpf__judge(h);
    h->at = NULL; /* the caller's, who may free it */
    return GSL_SUCCESS;
}

double gpf_health_loss(const gpf_health *h)
{
    return h->ran ? h->value : GSL_NAN;
}

gpf_node gpf_health_output(const gpf_health *h)
{
    return h->loss;
}

size_t gpf_health_n_layers(const gpf_health *h)
{
    return h->found.n;
}

const gpf_layer *gpf_health_layer(const gpf_health *h, size_t i)
{
    return i < h->found.n ? &h->layer[i] : NULL;
}

size_t gpf_health_n_findings(const gpf_health *h)
{
    return h->n_findings;
}

const gpf_finding *gpf_health_finding(const gpf_health *h, size_t i)
{
    return i < h->n_findings ? &h->finding[i] : NULL;
}

double gpf_health_dead(const gpf_health *h)
{
    size_t dead = 0, units = 0;
    for (size_t l = 0; l < h->found.n; l++) {
        units += h->layer[l].hidden ? h->layer[l].units : 0;
        dead += h->layer[l].dead;
    }
    return units ? (double)dead / (double)units : 0;
}

const gpf_graph *gpf_health_graph(const gpf_health *h)
{
    return h->g;
}
