/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The contenders in C: gradproof by its public interface, and the hand-written limit.
 * Linked with --wrap=malloc and so on, so that allocations are counted. */
#include "count_allocations.h"
#include "mlp.h"
#include "worker.h"

#include <gradproof.h>
#include <gsl/gsl_version.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long allocated(void)
{
    return allocations;
}

static int is(const work *w, const char *kind)
{
    return !strcmp(w->kind, kind);
}

/* gradproof */

typedef struct product {
    work w;
    gpf_graph *g;
    gpf_point *at;
    double *theta, *X, *Y;
    gpf_plan *plan;
    gpf_workspace *ws;
    gpf_optimizer *sgd;
    gpf_check *check;
} product;

static gpf_node net(gpf_graph *g, const work *w)
{
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, w->size[0])),
                   Y = gpf_data(g, "Y", gpf_shape2(GPF_N, w->size[w->layers]));
    const gpf_activation act = w->act[0] == 'r' ? gpf_relu : gpf_sigmoid;
    gpf_node a = X;
    for (int l = 0; l < w->layers; l++) {
        char name[16];
        snprintf(name, sizeof name, "l%d", l);
        a = gpf_dense(g, name, a, w->size[l + 1], l + 1 < w->layers ? act : NULL);
    }
    return w->loss[0] == 'm'   ? gpf_mse(g, a, Y, GPF_MEAN)
           : w->loss[0] == 'b' ? gpf_bce_with_logits(g, a, Y, GPF_MEAN)
                               : gpf_cross_entropy(g, a, Y, GPF_MEAN);
}

/* x p0 + p1 ..., alternating, on scalars. */
static gpf_node chain(gpf_graph *g, int ops)
{
    gpf_node x = gpf_param(g, "x", gpf_shape0());
    for (int i = 0; i < ops; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%d", i);
        const gpf_node p = gpf_param(g, name, gpf_shape0());
        x = i % 2 ? gpf_add(g, x, p) : gpf_mul(g, x, p);
    }
    return x;
}

static void product_close(void *job)
{
    product *p = job;
    gpf_check_free(p->check);
    gpf_optimizer_free(p->sgd);
    gpf_workspace_free(p->ws);
    gpf_plan_free(p->plan);
    gpf_point_free(p->at);
    gpf_graph_free(p->g);
    free(p->X);
    free(p);
}

static void product_reset(void *job)
{
    product *p = job;
    if (is(&p->w, "chain"))
        for (int i = 0; i <= p->w.size[0]; i++)
            p->theta[i] = 1 + 1e-3 * i / p->w.size[0];
    else
        work_params(&p->w, p->theta);
}

static void *product_open(const work *w)
{
    product *p = calloc(1, sizeof *p);
    p->w = *w;
    gpf_graph *g = p->g = gpf_graph_alloc();
    const gpf_node y = is(w, "chain") ? chain(g, w->size[0]) : net(g, w);
    const size_t n = gpf_graph_n_param_tensors(g), B = gpf_graph_n_data(g) ? (size_t)w->batch : 0;
    gpf_node *xs = malloc((2 * n + 1) * sizeof *xs), *out = xs + n;
    for (size_t i = 0; i < n; i++)
        xs[i] = gpf_graph_param(g, i);
    p->at = gpf_point_alloc(g, B);
    p->theta = gpf_point_params(p->at)->data;
    if (B) {
        const size_t n_x = B * (size_t)w->size[0], n_y = B * (size_t)w->size[w->layers];
        p->X = malloc((n_x + n_y) * sizeof *p->X);
        p->Y = p->X + n_x;
        work_data(w, p->X, p->Y);
        gpf_point_bind(p->at, gpf_graph_data(g, 0), p->X);
        gpf_point_bind(p->at, gpf_graph_data(g, 1), p->Y);
    }
    product_reset(p);
    out[0] = y;
    if (is(w, "check"))
        p->check = gpf_check_alloc(g, y, xs, NULL, n, B, 1, NULL);
    else {
        gpf_grad(g, y, xs, n, out + 1);
        p->plan = gpf_plan_alloc(g, out, is(w, "loss") ? 1 : n + 1, B);
        p->ws = p->plan ? gpf_workspace_alloc(p->plan) : NULL;
        p->sgd = gpf_optimizer_alloc(gpf_optimizer_find("sgd"), gpf_graph_n_params(g));
    }
    gpf_diag why = { 0 };
    if (gpf_graph_status(g, &why))
        fprintf(stderr, "gradproof: %s\n", why.text);
    free(xs);
    if (p->ws || p->check)
        return p;
    product_close(p);
    return NULL;
}

/* All gradients are asked for in order, so they are one vector beside the params. */
static void step(product *p)
{
    gpf_plan_run(p->plan, p->ws, p->at);
    gpf_optimizer_step(p->sgd, gpf_point_params(p->at), gpf_workspace_output(p->ws, 1), WORK_RATE);
}

static void product_run(void *job, long times)
{
    product *p = job;
    const gpf_check_options how = gpf_check_defaults();
    const int train = is(&p->w, "train");
    for (; times > 0; times--)
        if (p->check)
            gpf_check_run(p->check, p->at, &how, NULL);
        else if (train)
            step(p);
        else
            gpf_plan_run(p->plan, p->ws, p->at);
}

static void product_values(void *job, double *three)
{
    product *p = job;
    product_run(p, 1);
    if (p->check) {
        const size_t n = gpf_check_n_elements(p->check);
        double *g = malloc(n * sizeof *g);
        three[2] = 0;
        for (size_t i = 0; i < n; i++) {
            const gpf_element *e = gpf_check_element(p->check, i);
            g[i] = e->verdict == GPF_RIGHT ? e->numeric : e->analytic;
            three[2] += e->verdict == GPF_WRONG;
        }
        three[0] = gpf_check_value(p->check);
        three[1] = work_projection(n, g);
        free(g);
        return;
    }
    const size_t n = is(&p->w, "chain") ? (size_t)p->w.size[0] + 1 : p->w.n_params;
    three[0] = gpf_workspace_output(p->ws, 0)[0];
    three[1] = is(&p->w, "loss") ? 0 : work_projection(n, gpf_workspace_output(p->ws, 1));
    product_run(p, 10);
    three[2] = gpf_workspace_output(p->ws, 0)[0];
}

/* The limit: mlp.c and mlp_check.c. */

typedef struct hand {
    mlp *m;
    mlp_check *check;
    size_t (*full)(mlp_check *);
    double loss;
    size_t wrong;
} hand;

static void *hand_open(const work *w)
{
    if (is(w, "chain"))
        return NULL;
    hand *h = calloc(1, sizeof *h);
    h->check = is(w, "check") ? mlp_check_open(w) : NULL;
    h->full = mlp_check_run;
    h->m = h->check ? mlp_check_net(h->check) : mlp_open(w, 0);
    return h;
}

static void *naive_open(const work *w)
{
    hand *h = is(w, "check") ? hand_open(w) : NULL;
    if (h)
        h->full = mlp_check_naive;
    return h;
}

static void hand_reset(void *job)
{
    mlp_reset(((hand *)job)->m);
}

static void hand_run(void *job, long times)
{
    hand *h = job;
    const work *w = &h->m->w;
    const int train = is(w, "train"), loss = is(w, "loss");
    for (; times > 0; times--)
        if (h->check)
            h->wrong = h->full(h->check);
        else if (train)
            h->loss = mlp_step(h->m);
        else {
            h->loss = mlp_forward(h->m);
            if (!loss)
                mlp_backward(h->m);
        }
}

static void hand_values(void *job, double *three)
{
    hand *h = job;
    const size_t n = h->m->w.n_params;
    hand_run(job, 1);
    if (h->check) {
        three[0] = mlp_forward(h->m);
        three[1] = work_projection(n, mlp_check_numeric(h->check));
        three[2] = (double)h->wrong;
        return;
    }
    three[0] = h->loss;
    three[1] = is(&h->m->w, "loss") ? 0 : work_projection(n, h->m->grad);
    hand_run(job, 10);
    three[2] = h->loss;
}

/* The limit for a chain: an array of nodes with function pointers. */

typedef struct link link;
struct link {
    void (*forward)(link *n);
    void (*backward)(link *n);
    link *x, *p;
    double value, bar;
};

typedef struct links {
    int n;
    link *leaf, *op; /* leaf 0 is x, the others p0, p1, ... */
    double *grad;
} links;

static void mul_forward(link *n)
{
    n->value = n->x->value * n->p->value;
    n->bar = 0;
}

static void mul_backward(link *n)
{
    n->x->bar += n->bar * n->p->value;
    n->p->bar += n->bar * n->x->value;
}

static void add_forward(link *n)
{
    n->value = n->x->value + n->p->value;
    n->bar = 0;
}

static void add_backward(link *n)
{
    n->x->bar += n->bar;
    n->p->bar += n->bar;
}

static void links_reset(void *job)
{
    links *c = job;
    for (int i = 0; i <= c->n; i++)
        c->leaf[i].value = 1 + 1e-3 * i / c->n;
}

static void *links_open(const work *w)
{
    const int n = w->size[0];
    if (!is(w, "chain"))
        return NULL;
    links *c = calloc(1, sizeof *c);
    c->n = n;
    c->leaf = calloc((size_t)(2 * n + 1), sizeof *c->leaf);
    c->op = c->leaf + n + 1;
    c->grad = calloc((size_t)n + 1, sizeof *c->grad);
    for (int i = 0; i < n; i++)
        c->op[i] = (link){ i % 2 ? add_forward : mul_forward,
                           i % 2 ? add_backward : mul_backward,
                           i ? &c->op[i - 1] : &c->leaf[0],
                           &c->leaf[i + 1],
                           0,
                           0 };
    links_reset(c);
    return c;
}

static void links_run(void *job, long times)
{
    links *c = job;
    for (; times > 0; times--) {
        for (int i = 0; i <= c->n; i++)
            c->leaf[i].bar = 0;
        for (int i = 0; i < c->n; i++)
            c->op[i].forward(&c->op[i]);
        c->op[c->n - 1].bar = 1;
        for (int i = c->n; i-- > 0;)
            c->op[i].backward(&c->op[i]);
        for (int i = 0; i <= c->n; i++)
            c->grad[i] = c->leaf[i].bar;
    }
}

static void links_values(void *job, double *three)
{
    links *c = job;
    links_run(job, 1);
    three[0] = three[2] = c->op[c->n - 1].value;
    three[1] = work_projection((size_t)c->n + 1, c->grad);
}

int main(int argc, char **argv)
{
    char cblas[256], version[512];
    snprintf(version, sizeof version, "%s, kernels for %s, GSL %s, CBLAS %s, compiler %s",
             gpf_version(), gpf_cpu(), gsl_version, gpf_cblas_provider(cblas, sizeof cblas),
             __VERSION__);
    const contender all[] = {
        { "gradproof", version, product_open, product_reset, product_run, product_values,
          allocated },
        { "hand", version, hand_open, hand_reset, hand_run, hand_values, allocated },
        { "naive", version, naive_open, hand_reset, hand_run, hand_values, allocated },
        { "links", version, links_open, links_reset, links_run, links_values, allocated },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (argc == 2 && !strcmp(argv[1], all[i].name))
            return worker_main(&all[i]);
    fputs("usage: native gradproof|hand|naive|links\n", stderr);
    return 2;
}
