/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Derivative rules in graphs: alone, in company, at edges; the jvp; the second order. */
#include "check/op_check.h"
#include "check/stencil.h"
#include "graph/graph.h"
#include "plan/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAVES = 3 * GPF__OP_INPUTS + 4 };

/* A graph around the row, and its leaves' values. */
typedef struct net {
    gpf__op_rig *r;
    const gpf__op_trial *t;
    gpf_graph *g;
    gpf_node x[GPF__OP_INPUTS]; /* leaves for the inputs */
    gpf_node leaf[LEAVES];
    double *value[LEAVES];
    int n_leaves;
    gpf_point *at;
} net;

static void net_free(net *n)
{
    if (n->g && gpf_graph_status(n->g, NULL) == GSL_ENOMEM)
        n->r->status = GSL_ENOMEM;
    for (int i = 0; i < n->n_leaves; i++)
        free(n->value[i]);
    gpf_point_free(n->at);
    gpf_graph_free(n->g);
}

/* A new leaf of the given shape; *values, if not NULL: its values, to be filled in. */
static gpf_node net_leaf(net *n, gpf_shape shape, double **values)
{
    char name[16];
    const size_t size = gpf_shape_size(shape, n->t->N);
    double *x = n->n_leaves < LEAVES ? gpf__op_alloc(n->r, size) : NULL;
    if (!x)
        return GPF_POISON;
    gpf__format(name, sizeof name, "x%d", n->n_leaves); /* inputs come first */
    n->value[n->n_leaves] = x;
    if (values)
        *values = x;
    return n->leaf[n->n_leaves++] = gpf_data(n->g, name, shape);
}

/* A leaf of random numbers without a pattern, of both signs. */
static gpf_node net_random(net *n, gpf_shape shape)
{
    double *x = NULL;
    const gpf_node leaf = net_leaf(n, shape, &x);
    for (size_t k = 0; x && k < gpf_shape_size(shape, n->t->N); k++)
        x[k] =
            (gsl_rng_uniform_int(n->r->rng, 2) ? 1 : -1) * (0.4 + 1.3 * gsl_rng_uniform(n->r->rng));
    return leaf;
}

/* x: values of the inputs, shape by shape; NULL: random ones. */
static bool net_begin(net *n, gpf__op_rig *r, const gpf__op_trial *t)
{
    *n = (net){ .r = r, .t = t, .g = r->status ? NULL : gpf_graph_alloc() };
    if (!n->g)
        r->status = GSL_ENOMEM;
    for (int i = 0; n->g && i < r->n_x; i++) {
        double *x = NULL;
        n->x[i] = net_leaf(n, t->x[i], &x);
        if (x)
            gpf__op_draw(r, i, gpf_shape_size(t->x[i], t->N), x);
    }
    return r->status == GSL_SUCCESS;
}

static bool net_point(net *n)
{
    n->at = gpf_point_alloc(n->g, n->t->N);
    if (!n->at)
        n->r->status = GSL_ENOMEM;
    for (int i = 0; n->at && i < n->n_leaves; i++)
        gpf_point_bind(n->at, n->leaf[i], n->value[i]);
    return n->at;
}

/* Its graph's error as a case, if there is one. */
static bool net_failed(net *n, const char *aspect, int input)
{
    gpf_diag why;
    const int status = gpf_graph_status(n->g, &why);
    if (status == GSL_ENOMEM)
        n->r->status = status;
    else if (status)
        gpf__op_fault(n->r, aspect, input, "%s: %.200s", n->t->text, why.text);
    return status || n->r->status;
}

static gpf_node apply(const net *n, const gpf_node *x)
{
    return gpf_apply(n->g, n->r->op, x, n->r->n_x, &n->r->attr);
}

/* May the input be differentiated by? */
static bool is_real(const gpf__op_rig *r, int i)
{
    return gpf__op_rule(r->op, i, false) && !(r->whole >> i & 1);
}

/* What the wrong elements of the tensor of one of them are like, as text: an explanation, or
 * this. */
static void say_wrong(net *n, const gpf_check *c, const gpf_element *e, const char *aspect,
                      int input, const char *what)
{
    size_t wrong = 0, zero = 0, looked = 0;
    char text[160] = "";
    for (size_t i = 0; i < gpf_check_n_elements(c); i++) {
        const gpf_element *f = gpf_check_element(c, i);
        if (f->tensor != e->tensor)
            continue;
        looked++;
        wrong += f->verdict == GPF_WRONG;
        zero += f->verdict == GPF_WRONG && f->analytic == 0;
    }
    for (size_t i = 0; i < gpf_check_n_explanations(c) && !text[0]; i++) {
        const gpf_explanation *x = gpf_check_explanation(c, i);
        if (x->part == e->tensor && x->kind != GPF_UNEXPLAINED && x->kind != GPF_SINGLE)
            gpf__format(text, sizeof text, "%.140s; ", x->text);
    }
    if (!text[0] && zero == wrong && wrong > 1)
        gpf__format(text, sizeof text, "the rule says there is no dependence; ");
    gpf__op_fault(n->r, aspect, input,
                  "%s%s: %zu of %zu wrong%s; %selement %zu, at %.6g: rule %.9g, differences %.9g",
                  n->t->text, what, wrong, looked,
                  e->reason == GPF_REASON_TIE ? " on an edge, where `tie` is chosen" : "", text,
                  e->k, e->value, e->analytic, e->numeric);
}

/* f as a function of one number. */
typedef struct scalar {
    net *n;
    gpf_plan *plan;
    gpf_workspace *ws;
    double *place, start;
} scalar;

static double scalar_at(void *arg, double t)
{
    scalar *s = arg;
    *s->place = t;
    const int status = gpf_plan_run(s->plan, s->ws, s->n->at);
    *s->place = s->start;
    return status ? NAN : *gpf_workspace_output(s->ws, 0);
}

static void scalar_values(void *arg, const double *t, size_t m, double *y, gpf_branch *b)
{
    scalar *s = arg;
    for (size_t i = 0; i < m; i++) {
        y[i] = scalar_at(s, s->start + t[i]);
        if (b)
            memset(&b[i], 0, sizeof b[i]);
    }
}

/* A kernel with float inside, a table, or an iteration that stops early is noisy, of which a graph
 * knows nothing: an element that seems wrong is decided again with the noise of f as it is, by
 * steps as long as that wants. */
static void look_again(net *n, gpf_node f, gpf_node x, gpf_element *e)
{
    gpf__op_rig *r = n->r;
    const double range = r->hi - r->lo;
    scalar s = { .n = n };
    for (int i = 0; i < n->n_leaves; i++)
        if (n->leaf[i] == x)
            s.place = n->value[i] + e->k;
    if (!s.place)
        return;
    if (gpf__plan_make(n->g, &f, 1, n->t->N, NULL, 0, false, &s.plan)) {
        r->status = GSL_ENOMEM; /* it was planned before, within all limits */
        return;
    }
    s.start = *s.place;
    s.ws = gpf__workspace_make(s.plan);
    if (!s.ws) {
        r->status = GSL_ENOMEM;
    } else {
        double size;
        double noise = gpf__op_noise(scalar_at, &s, s.start, 0.01 * range, range, &size);
        noise = fmax(noise, r->noise * size);
        const bool hardly = fabs(e->analytic - e->numeric) < 1e-6 * fabs(e->numeric);
        if (noise > 1e-12 * size || hardly) {
            const double step = 0.25 * range * cbrt(fmin(noise / size, 1e-3));
            const gpf__line line = {
                .arg = &s, .values = scalar_values, .grid = true, .step = step
            };
            const gpf__around around = { .base = scalar_at(&s, s.start),
                                         .noise = noise,
                                         .typical = 0.25 * range,
                                         .rounding = noise / size * fabs(e->analytic),
                                         .depends = 1 };
            gpf__decide(&line, &around, e);
        }
    }
    gpf_workspace_free(s.ws);
    gpf_plan_free(s.plan);
}

/* Checks f by n_xs nodes and files the verdicts under `aspect`, for the inputs they stand for.
 * Returns a status; GPF_ENOGRAD is left to the caller. */
static int check(net *n, gpf_node f, const gpf_node *xs, const int *input, const gpf_node *grads,
                 size_t n_xs, const char *aspect, const char *what)
{
    gpf__op_rig *r = n->r;
    gpf_diag why = { 0 };
    if (net_failed(n, aspect, -1))
        return GSL_EFAILED;
    if (gpf_node_shape(n->g, f).rank > 0)
        f = gpf_sum(n->g, gpf_mul(n->g, net_random(n, gpf_node_shape(n->g, f)), f), GPF_ALL_AXES);
    if (net_failed(n, aspect, -1) || !net_point(n))
        return GSL_EFAILED;
    gpf_check *c = gpf_check_alloc(n->g, f, xs, grads, n_xs, n->t->N, r->seed, &why);
    gpf_check_options how = gpf_check_defaults();
    how.threads = 1; /* a user's kernel need not be safe */
    how.sample = 24;
    how.seed = r->seed;
    int status = c ? gpf_check_run(c, n->at, &how, &why) : why.status;
    if (status == GSL_ENOMEM) {
        r->status = status;
    } else if (status && status != GPF_ENOGRAD) {
        gpf__op_fault(r, aspect, n_xs == 1 ? input[0] : -1, "%s%s: %.200s", n->t->text, what,
                      why.text);
    }
    for (size_t i = 0; status == GSL_SUCCESS && i < gpf_check_n_elements(c); i++) {
        gpf_element e = *gpf_check_element(c, i);
        const int of = input[e.tensor];
        if (e.verdict == GPF_WRONG)
            look_again(n, f, xs[e.tensor], &e);
        if (e.verdict == GPF_WRONG)
            say_wrong(n, c, &e, aspect, of, what);
        else if (e.verdict == GPF_UNRESOLVED)
            gpf__op_say(r, aspect, of, e.verdict, "%s%s: element %zu at %.6g: %s", n->t->text, what,
                        e.k, e.value, gpf_reason_name(e.reason));
        else
            gpf__op_count(r, aspect, of, e.verdict, 1);
    }
    gpf_check_free(c);
    return status;
}

/* Nodes of the inputs that have a rule; how many. */
static size_t real_inputs(const net *n, gpf_node *xs, int *input)
{
    size_t k = 0;
    for (int i = 0; i < n->r->n_x; i++)
        if (is_real(n->r, i)) {
            xs[k] = n->x[i];
            input[k++] = i;
        }
    return k;
}

/* Makes f from the inputs' leaves: the row as it stands in some company. */

/* Of a y of one element the check's own cotangent would be 1. */
static gpf_node use_alone(net *n)
{
    return gpf_mul(n->g, gpf_const(n->g, 0.83), apply(n, n->x));
}

/* Something before it, something after it: the cotangent is neither ones nor constant, and the
 * inputs are no leaves. */
static gpf_node after(net *n, gpf_node y)
{
    if (gpf_graph_status(n->g, NULL))
        return GPF_POISON;
    const gpf_node w = net_random(n, gpf_node_shape(n->g, y));
    const gpf_node v = gpf_mul(n->g, gpf_const(n->g, 0.37), y);
    return gpf_sum(n->g, gpf_mul(n->g, w, gpf_add(n->g, v, gpf_square(n->g, v))), GPF_ALL_AXES);
}

static gpf_node use_inside(net *n)
{
    gpf_node x[GPF__OP_INPUTS];
    for (int i = 0; i < n->r->n_x; i++) {
        /* x + x c for c = 0: the same value, another path */
        const gpf_node c = net_leaf(n, gpf_shape0(), NULL);
        x[i] = is_real(n->r, i) ? gpf_add(n->g, n->x[i], gpf_mul(n->g, gpf_sin(n->g, n->x[i]), c))
                                : n->x[i];
    }
    const gpf_node y = apply(n, x);
    return after(n, y);
}

/* Its inputs have other consumers, before and after it. */
static gpf_node use_second(net *n)
{
    gpf_node f = gpf_const(n->g, 0);
    for (int i = 0; i < n->r->n_x; i++)
        if (is_real(n->r, i)) {
            const gpf_node w = net_random(n, gpf_node_shape(n->g, n->x[i]));
            f = gpf_add(n->g, f,
                        gpf_sum(n->g, gpf_mul(n->g, w, gpf_sin(n->g, n->x[i])), GPF_ALL_AXES));
        }
    const gpf_node y = apply(n, n->x);
    if (gpf_graph_status(n->g, NULL))
        return GPF_POISON;
    f = gpf_add(n->g, f, after(n, y));
    const gpf_node w = net_random(n, gpf_node_shape(n->g, y));
    return gpf_add(n->g, f, gpf_sum(n->g, gpf_mul(n->g, w, y), GPF_ALL_AXES));
}

/* The first input in the place of all that have its shape. */
static gpf_node use_shared(net *n)
{
    gpf_node x[GPF__OP_INPUTS];
    for (int i = 0; i < n->r->n_x; i++) {
        const bool same = is_real(n->r, i) && gpf_shape_equal(n->t->x[i], n->t->x[0]);
        x[i] = same ? n->x[0] : n->x[i];
    }
    const gpf_node y = apply(n, x);
    if (gpf_graph_status(n->g, NULL))
        return GPF_POISON;
    /* x / x does not depend on x: something beside it does */
    return gpf_add(n->g, after(n, y), gpf_sum(n->g, gpf_sin(n->g, n->x[0]), GPF_ALL_AXES));
}

static bool can_share(const gpf__op_rig *r, const gpf__op_trial *t)
{
    for (int i = 1; i < r->n_x; i++)
        if (is_real(r, 0) && is_real(r, i) && gpf_shape_equal(t->x[i], t->x[0]))
            return true;
    return false;
}

/* Inputs that do not lie row by row: transposed, cut out of a larger one, repeated. */
static gpf_node use_layout(net *n)
{
    gpf_node x[GPF__OP_INPUTS];
    for (int i = 0; i < n->r->n_x; i++) {
        x[i] = n->x[i];
        if (n->t->x[i].rank == 2)
            x[i] = gpf_transpose(n->g,
                                 gpf_mul(n->g, gpf_const(n->g, 1), gpf_transpose(n->g, n->x[i])));
    }
    return after(n, apply(n, x));
}

/* Every input a single number per column, repeated along the first axis. */
static gpf_node use_broadcast(net *n)
{
    gpf_node x[GPF__OP_INPUTS];
    for (int i = 0; i < n->r->n_x; i++) {
        const gpf_shape s = n->t->x[i];
        x[i] = n->x[i];
        if (s.rank == 0 || s.dim[0] == GPF_N || s.dim[0] == 1 || !is_real(n->r, i))
            continue;
        ptrdiff_t start[GPF_MAX_RANK] = { 0 };
        gpf_shape one = s;
        one.dim[0] = 1;
        x[i] = gpf_broadcast(n->g, gpf_slice(n->g, n->x[i], start, one.dim), s);
    }
    return after(n, apply(n, x));
}

/* The shape of y fits where that of input 0 is: op(op(x)), brought back into the domain by a
 * straight line between. */
static bool can_chain(const gpf__op_rig *r, const gpf__op_trial *t)
{
    return is_real(r, 0) && gpf_shape_equal(t->y, t->x[0]) && r->n_x > 0;
}

static gpf_node use_chain(net *n)
{
    gpf__op_rig *r = n->r;
    double lo = INFINITY, hi = -INFINITY;
    const gpf_node y = apply(n, n->x);
    if (gpf_graph_status(n->g, NULL) || !net_point(n))
        return y;
    double *value = gpf__op_alloc(r, n->t->ny);
    if (value && gpf__op_evaluate(r, n->g, n->at, &y, 1, value) == GSL_SUCCESS)
        for (size_t k = 0; k < n->t->ny; k++) {
            lo = fmin(lo, value[k]);
            hi = fmax(hi, value[k]);
        }
    free(value);
    gpf_point_free(n->at);
    n->at = NULL;
    if (!isfinite(hi - lo))
        return y;
    const double slope = hi > lo ? 0.9 * (r->hi - r->lo) / (hi - lo) : 1,
                 shift = r->lo + 0.05 * (r->hi - r->lo) - slope * lo;
    gpf_node x[GPF__OP_INPUTS];
    memcpy(x, n->x, sizeof x);
    x[0] = gpf_add(n->g, gpf_mul(n->g, gpf_const(n->g, slope), y), gpf_const(n->g, shift));
    return after(n, apply(n, x));
}

static bool anything(const gpf__op_rig *r, const gpf__op_trial *t)
{
    (void)r, (void)t;
    return true;
}

static const struct use {
    const char *aspect;
    bool (*fits)(const gpf__op_rig *r, const gpf__op_trial *t);
    gpf_node (*build)(net *n);
} uses[] = {
    { "vjp", anything, use_alone },         { "inside", anything, use_inside },
    { "second use", anything, use_second }, { "shared", can_share, use_shared },
    { "layout", anything, use_layout },     { "broadcast", anything, use_broadcast },
    { "chain", can_chain, use_chain },
};
enum { N_USES = sizeof uses / sizeof *uses };

static void try_use(gpf__op_rig *r, const gpf__op_trial *t, const struct use *u)
{
    net n;
    gpf_node xs[GPF__OP_INPUTS];
    int input[GPF__OP_INPUTS];
    if (net_begin(&n, r, t)) {
        size_t n_xs = real_inputs(&n, xs, input);
        const gpf_node f = u->build(&n);
        if (u->build == use_shared) { /* the others are not there */
            size_t k = 1;
            for (size_t i = 1; i < n_xs; i++)
                if (!gpf_shape_equal(t->x[input[i]], t->x[0])) {
                    xs[k] = xs[i];
                    input[k++] = input[i];
                }
            n_xs = k;
        }
        if (n_xs && check(&n, f, xs, input, NULL, n_xs, u->aspect, "") == GPF_ENOGRAD)
            net_failed(&n, u->aspect, -1);
    }
    net_free(&n);
}

/* Points that are not just anywhere. */

/* Element k on, or beside, an edge. */
static double near_edge(const gpf__op_rig *r, int input, size_t k, double away)
{
    const double *edge = r->edge[k % (size_t)r->n_edges];
    return edge[input] + (input == 0 ? away * (r->hi - r->lo) : 0);
}

static const struct special {
    const char *aspect, *what;
    bool edge;
    double value; /* of all elements; of edges: how far beside, in parts of the domain */
} specials[] = {
    { "edges", " on edges", true, 0 },
    { "beside edges", " just above edges", true, 3e-5 },
    { "beside edges", " just below edges", true, -3e-5 },
    { "special points", " all 0", false, 0 },
    { "special points", " all 1", false, 1 },
    { "special points", " all 1e-9", false, 1e-9 },
};

static void try_special(gpf__op_rig *r, const gpf__op_trial *t, const struct special *s)
{
    gpf__op_trial line = *t;
    if (s->edge && (r->n_edges == 0 || !r->op->map))
        return;
    if (!s->edge && (s->value < r->lo || s->value > r->hi))
        return;
    if (s->edge) {
        const double *part[GPF__OP_INPUTS];
        line = gpf__op_part(r, NULL, 0, (size_t)r->n_edges, part);
        gpf__format(line.text, sizeof line.text, "%d", r->n_edges);
    }
    net n;
    gpf_node xs[GPF__OP_INPUTS];
    int input[GPF__OP_INPUTS];
    if (net_begin(&n, r, &line)) {
        const size_t n_xs = real_inputs(&n, xs, input);
        bool finite = true;
        for (int i = 0; i < r->n_x; i++)
            for (size_t k = 0; k < gpf_shape_size(line.x[i], line.N); k++)
                n.value[i][k] = s->edge ? near_edge(r, i, k, s->value) : s->value;
        const gpf_node y = apply(&n, n.x);
        double *value = gpf__op_alloc(r, line.ny);
        if (value && !gpf_graph_status(n.g, NULL) && net_point(&n)) {
            finite = gpf__op_evaluate(r, n.g, n.at, &y, 1, value) == GSL_SUCCESS;
            for (size_t k = 0; k < line.ny; k++)
                finite = finite && isfinite(value[k]);
            gpf_point_free(n.at);
            n.at = NULL;
        }
        free(value);
        if (n_xs && finite)
            check(&n, y, xs, input, NULL, n_xs, s->aspect, s->what);
    }
    net_free(&n);
}

/* The tangent's way. Along t, x_i = x_i(0) + t v_i: the slope of <w, y> at t = 0 is <w, J v>. */
static void try_jvp(gpf__op_rig *r, const gpf__op_trial *t, int i)
{
    net n;
    gpf_node x[GPF__OP_INPUTS], jv = GPF_NONE, w, one;
    if (!net_begin(&n, r, t)) {
        net_free(&n);
        return;
    }
    const gpf_node along = net_leaf(&n, gpf_shape0(), NULL), v = net_random(&n, t->x[i]);
    memcpy(x, n.x, sizeof x);
    x[i] = gpf_add(n.g, x[i], gpf_mul(n.g, along, v));
    const gpf_node y = apply(&n, x);
    one = gpf_const(n.g, 1);
    if (!gpf_graph_status(n.g, NULL))
        gpf_jvp(n.g, y, &along, &one, 1, &jv);
    if (!net_failed(&n, "jvp", i)) {
        w = net_random(&n, gpf_node_shape(n.g, y));
        const gpf_node f = gpf_sum(n.g, gpf_mul(n.g, w, y), GPF_ALL_AXES);
        const gpf_node slope =
            jv == GPF_NONE ? GPF_NONE : gpf_sum(n.g, gpf_mul(n.g, w, jv), GPF_ALL_AXES);
        check(&n, f, &along, &i, &slope, 1, "jvp", " along a random direction");
    }
    net_free(&n);
}

/* <u, J v> = <J' u, v>, without a step size. */
static void try_adjoint(gpf__op_rig *r, const gpf__op_trial *t, int i)
{
    net n;
    gpf_node grad = GPF_NONE, jv = GPF_NONE;
    if (net_begin(&n, r, t)) {
        const gpf_node y = apply(&n, n.x);
        gpf_node u = GPF_POISON, v = GPF_POISON;
        if (!gpf_graph_status(n.g, NULL)) {
            u = net_random(&n, gpf_node_shape(n.g, y));
            v = net_random(&n, t->x[i]);
        }
        if (!gpf_graph_status(n.g, NULL) && !r->status) {
            gpf_vjp(n.g, y, u, &n.x[i], 1, &grad);
            gpf_jvp(n.g, y, &n.x[i], &v, 1, &jv);
        }
        if (!net_failed(&n, "adjoint", i) && jv != GPF_NONE && grad != GPF_NONE) {
            gpf_graph *g = n.g;
            const gpf_node left = gpf_mul(g, u, jv), right = gpf_mul(g, grad, v);
            const gpf_node out[] = { gpf_sum(g, left, GPF_ALL_AXES),
                                     gpf_sum(g, right, GPF_ALL_AXES),
                                     gpf_sum(g, gpf_abs(g, left), GPF_ALL_AXES),
                                     gpf_sum(g, gpf_abs(g, right), GPF_ALL_AXES) };
            double f[4];
            if (net_point(&n) && gpf__op_evaluate(r, g, n.at, out, 4, f) == GSL_SUCCESS &&
                isfinite(f[0] + f[1])) {
                gpf__op_tried(r, "adjoint", i, 1);
                if (fabs(f[0] - f[1]) > 1e-10 * (f[2] + f[3]))
                    gpf__op_fault(r, "adjoint", i, "%s: <u, J v> = %.12g but <J' u, v> = %.12g",
                                  t->text, f[0], f[1]);
            }
        }
    }
    net_free(&n);
}

/* h = sum_i <c_i, J_i' u>, by the inputs and by u: a vjp of the vjp. */
static void try_second(gpf__op_rig *r, const gpf__op_trial *t)
{
    net n;
    gpf_node xs[GPF__OP_INPUTS + 1], grad[GPF__OP_INPUTS + 1];
    int input[GPF__OP_INPUTS + 1];
    if (net_begin(&n, r, t)) {
        size_t n_xs = real_inputs(&n, xs, input);
        const gpf_node y = apply(&n, n.x);
        gpf_node u = GPF_POISON, h = gpf_const(n.g, 0);
        if (!gpf_graph_status(n.g, NULL))
            u = net_random(&n, gpf_node_shape(n.g, y));
        if (!gpf_graph_status(n.g, NULL))
            gpf_vjp(n.g, y, u, xs, n_xs, grad);
        for (size_t i = 0; !gpf_graph_status(n.g, NULL) && i < n_xs; i++)
            if (grad[i] != GPF_NONE) {
                const gpf_node c = net_random(&n, gpf_node_shape(n.g, xs[i]));
                h = gpf_add(n.g, h, gpf_sum(n.g, gpf_mul(n.g, c, grad[i]), GPF_ALL_AXES));
            }
        xs[n_xs] = u;
        input[n_xs++] = -1;
        if (check(&n, h, xs, input, NULL, n_xs, "second", " of the vjp") == GPF_ENOGRAD) {
            gpf_diag why;
            gpf_graph_status(n.g, &why);
            gpf__op_note(r, "second", -1, "no second derivative: %.200s", why.text);
        }
    }
    net_free(&n);
}

/* What stands in for a node, by fold and by stable, has its value. Guises of an input under which a
 * row may want to be something else: constants, results of other ops, another input. */
typedef gpf_node (*guise)(net *n, int i, size_t number);

static gpf_node as_constant(net *n, int i, size_t number)
{
    static const double c[] = { 0, 1, -1, 2, 0.5, -2, 3 };
    if (number >= sizeof c / sizeof *c)
        return GPF_NONE;
    return gpf_broadcast(n->g, gpf_const(n->g, c[number]), n->t->x[i]);
}

/* Elementwise op number `number` of the library on the leaf; 1 minus it. */
static gpf_node as_result(net *n, int i, size_t number)
{
    for (size_t k = 0; gpf_op_at(k); k++) {
        const gpf_op *op = gpf_op_at(k);
        if (op->map && op->arity == 1 && number-- == 0)
            return gpf_apply(n->g, op, &n->x[i], 1, NULL);
    }
    return GPF_NONE;
}

static gpf_node as_rest(net *n, int i, size_t number)
{
    const gpf_node y = as_result(n, i, number);
    return y == GPF_NONE ? y : gpf_sub(n->g, gpf_const(n->g, 1), y);
}

static gpf_node as_sum(net *n, int i, size_t number)
{
    const gpf_node y = as_result(n, i, number);
    return y == GPF_NONE ? y : gpf_add(n->g, gpf_const(n->g, 1), y);
}

static gpf_node as_minus(net *n, int i, size_t number)
{
    const gpf_node y = as_result(n, i, number);
    return y == GPF_NONE ? y : gpf_neg(n->g, y);
}

static gpf_node as_own(net *n, int i, size_t number)
{
    gpf_node x[GPF__OP_INPUTS];
    memcpy(x, n->x, sizeof x);
    if (number > 0 || !gpf_shape_equal(n->t->y, n->t->x[i]))
        return GPF_NONE;
    return apply(n, x);
}

static gpf_node as_other(net *n, int i, size_t number)
{
    const bool fits = i > 0 && number == 0 && gpf_shape_equal(n->t->x[i], n->t->x[0]);
    return fits ? n->x[0] : GPF_NONE;
}

static const guise guises[] = {
    as_constant, as_result, as_rest, as_sum, as_minus, as_own, as_other
};

/* The row's value with input i in a guise, in the graph and by the kernel. */
static bool try_guise(gpf__op_rig *r, const gpf__op_trial *t, int i, guise make, size_t number)
{
    net n;
    gpf_node x[GPF__OP_INPUTS], out[2] = { GPF_POISON, GPF_POISON };
    bool exists = false;
    if (net_begin(&n, r, t)) {
        memcpy(x, n.x, sizeof x);
        x[i] = make(&n, i, number);
        exists = x[i] != GPF_NONE;
        out[0] = exists ? apply(&n, x) : GPF_NONE;
        out[1] = x[i];
        const bool folded =
                       exists && !gpf_graph_status(n.g, NULL) && gpf_node_op(n.g, out[0]) != r->op,
                   twin = exists && !gpf_graph_status(n.g, NULL) && !folded &&
                          gpf_node_stable(n.g, out[0]) != GPF_NONE;
        const char *const aspect = twin ? "stable" : "fold";
        double *values = gpf__op_alloc(r, 2 * t->ny + t->nx[i]), *y = values;
        if (exists && net_failed(&n, aspect, i)) {
            exists = false;
        } else if ((folded || twin) && values && net_point(&n) &&
                   gpf__op_evaluate(r, n.g, n.at, out, 2, values) == GSL_SUCCESS) {
            const double *in[GPF__OP_INPUTS];
            double *kernel = values + t->ny + t->nx[i], most = 0;
            for (int k = 0; k < r->n_x; k++)
                in[k] = n.value[k];
            in[i] = values + t->ny;
            gpf__op_run(r, t, in, &(gpf__op_how){ 0 }, kernel);
            for (size_t k = 0; k < t->ny; k++)
                most = isfinite(kernel[k]) ? fmax(most, fabs(kernel[k])) : most;
            gpf__op_tried(r, aspect, -1, t->ny);
            for (size_t k = 0; k < t->ny; k++)
                if (isfinite(kernel[k]) && !(fabs(y[k] - kernel[k]) <= 1e-8 * most)) {
                    char label[120];
                    gpf__op_fault(
                        r, aspect, -1, "%s: y is %.12g, but what stands in for it, %s, is %.12g",
                        t->text, kernel[k], gpf_node_label(n.g, out[0], label, sizeof label), y[k]);
                    break;
                }
        }
        free(values);
    }
    net_free(&n);
    return exists && !r->status;
}

static void try_stand_ins(gpf__op_rig *r)
{
    const double *part[GPF__OP_INPUTS];
    const gpf__op_trial flat = gpf__op_part(r, NULL, 0, 4, part);
    if (!r->op->fold && !r->op->stable)
        return;
    const size_t n = r->op->map ? 1 : r->n_trials < 3 ? r->n_trials : 3;
    for (size_t k = 0; k < n; k++)
        for (int i = 0; i < r->n_x; i++)
            for (size_t f = 0; f < sizeof guises / sizeof *guises; f++)
                for (size_t number = 0;
                     try_guise(r, r->op->map ? &flat : &r->trial[k], i, guises[f], number);)
                    number++;
}

/* The rules as such: of inputs without one only that is said. */
static void try_present(gpf__op_rig *r)
{
    const bool none = !r->op->vjp[0] && !r->op->vjp[1] && !r->op->vjp[2];
    for (int i = 0; i < r->n_x && !(r->op->flags & GPF_OP_STEP); i++) {
        if (!gpf__op_rule(r->op, i, false))
            gpf__op_note(r, "vjp", i, "no rule%s: asking for a derivative by it is GPF_ENOGRAD",
                         none ? "" : " for this input");
        if (!gpf__op_rule(r->op, i, true))
            gpf__op_note(r, "jvp", i, "no rule: forward derivatives by it are GPF_ENOGRAD");
    }
}

void gpf__op_try_rules(gpf__op_rig *r)
{
    try_present(r);
    try_stand_ins(r);
    if (r->op->flags & GPF_OP_STEP || r->n_x == 0)
        return;
    bool any = false, sound = true;
    for (int i = 0; i < r->n_x; i++)
        any = any || is_real(r, i);
    for (size_t k = 0; k < r->n_trials && any; k++)
        for (size_t p = 0; p < r->points && !r->status; p++)
            try_use(r, &r->trial[k], &uses[0]);
    for (size_t s = 0; s < sizeof specials / sizeof *specials && any && !r->status; s++)
        for (size_t k = 0; k < (specials[s].edge ? 1 : r->n_trials) && !r->status; k++)
            try_special(r, &r->trial[k], &specials[s]);
    for (int i = -1; i < r->n_x; i++)
        sound = sound && !gpf__op_faulty(r, "vjp", i);
    /* A rule that is wrong alone is wrong everywhere: that is said once. */
    for (size_t k = 0; k < r->n_trials && any && sound; k++)
        for (int u = 1; u < N_USES && !r->status; u++)
            if (uses[u].fits(r, &r->trial[k]))
                try_use(r, &r->trial[k], &uses[u]);
    for (size_t k = 0; k < r->n_trials; k++) {
        for (int i = 0; i < r->n_x && !r->status; i++)
            if (gpf__op_rule(r->op, i, true) && !(r->whole >> i & 1)) {
                for (size_t p = 0; p < r->points && !r->status; p++)
                    try_jvp(r, &r->trial[k], i);
                if (gpf__op_rule(r->op, i, false) && !r->status)
                    try_adjoint(r, &r->trial[k], i);
            }
        if (any && sound && !r->status)
            try_second(r, &r->trial[k]);
    }
}
