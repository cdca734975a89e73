/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The layers of a net, from the structure of its graph alone. */
#include "op/rows.h"
#include "train/health.h"

#include <stdlib.h>
#include <string.h>

enum { PARAMS = 1, DATA = 2 };

typedef struct finder {
    const gpf_graph *g;
    size_t n;
    unsigned char *used, *of; /* by node: loss needs it; what it is made of */
    unsigned char *leads;     /* a product lies behind it */
    unsigned char *mark;      /* scratch */
    int *readers;             /* used nodes that read it */
    gpf_node *reader;         /* the last of those */
    int *product;             /* number of the product it is, or -1 */
    gpf__layers *out;
    size_t layer_cap, product_cap;
} finder;

static bool weight_like(const finder *f, gpf_node i)
{
    return f->of[i] == PARAMS;
}

static bool is_product(const finder *f, gpf_node i)
{
    const gpf__node *n = gpf__get(f->g, i);
    return n->op == &gpf_op_matmul && weight_like(f, n->x[0]) != weight_like(f, n->x[1]);
}

/* What the nodes are made of, who reads them, which lead to products. */
static void survey(finder *f, gpf_node loss)
{
    f->used[loss] = 1;
    for (size_t i = f->n; i-- > 1;) {
        const gpf__node *n = gpf__get(f->g, (gpf_node)i);
        for (int k = 0; f->used[i] && k < n->n_x; k++) {
            f->used[n->x[k]] = 1;
            if (k == 0 || n->x[k] != n->x[k - 1]) {
                f->readers[n->x[k]]++;
                f->reader[n->x[k]] = (gpf_node)i;
            }
        }
    }
    for (size_t i = 1; i < f->n; i++) {
        const gpf__node *n = gpf__get(f->g, (gpf_node)i);
        f->product[i] = -1;
        double number;
        f->of[i] = n->n_x || gpf_node_is_const(f->g, (gpf_node)i, &number) ? 0
                   : gpf_node_is_param(f->g, (gpf_node)i)                  ? PARAMS
                                                                           : DATA;
        for (int k = 0; k < n->n_x; k++)
            f->of[i] = (unsigned char)(f->of[i] | f->of[n->x[k]]);
    }
    for (size_t i = f->n; i-- > 1;) {
        const gpf__node *n = gpf__get(f->g, (gpf_node)i);
        const bool product = f->used[i] && is_product(f, (gpf_node)i);
        for (int k = 0; f->used[i] && k < n->n_x; k++)
            if (f->leads[i] || (product && !weight_like(f, n->x[k])))
                f->leads[n->x[k]] = 1;
    }
}

/* From a product through what only it goes into: biases, values that skip layers, transposes. */
static gpf_node preactivation(const finder *f, gpf_node z, int *axis, gpf_node *bias)
{
    while (f->readers[z] == 1) {
        const gpf_node r = f->reader[z];
        const gpf__node *n = gpf__get(f->g, r);
        if (n->op == &gpf_op_transpose) {
            *axis = !*axis;
        } else {
            const int other = n->n_x == 2 && n->x[0] == z;
            if (n->op != &gpf_op_add && !(n->op == &gpf_op_sub && other))
                break;
            if (n->x[other] == z || !(f->of[n->x[other]] & PARAMS) ||
                !gpf_shape_equal(n->shape, gpf__get(f->g, z)->shape))
                break;
            gpf_node b = n->x[other];
            while (gpf__get(f->g, b)->op->view && gpf__get(f->g, b)->n_x == 1)
                b = gpf__get(f->g, b)->x[0];
            if (*bias == GPF_NONE && gpf_node_is_param(f->g, b))
                *bias = b;
        }
        z = r;
    }
    return z;
}

/* Marks what depends on z element by element: 1 for that, 2 for what depends on z otherwise. Values
 * of other layers end it: h + relu(z) is not an activation of z. */
static void follow(const finder *f, gpf_node z)
{
    memset(f->mark, 0, f->n);
    f->mark[z] = 1;
    for (size_t i = (size_t)z + 1; i < f->n; i++) {
        const gpf__node *n = gpf__get(f->g, (gpf_node)i);
        bool touched = false,
             alike = n->op->map && gpf_shape_equal(n->shape, gpf__get(f->g, z)->shape);
        for (int k = 0; f->used[i] && k < n->n_x; k++) {
            const gpf_node x = n->x[k];
            touched |= f->mark[x] != 0;
            alike &= f->mark[x] == 1 || (!f->mark[x] && f->of[x] != (PARAMS | DATA));
        }
        f->mark[i] = (unsigned char)(!touched ? 0 : alike ? 1 : 2);
    }
}

static void find_exits(const finder *f, gpf__found *l)
{
    follow(f, l->z);
    l->closed = 1;
    for (size_t i = (size_t)l->z + 1; i < f->n; i++) {
        const gpf__node *n = gpf__get(f->g, (gpf_node)i);
        for (int k = 0; f->mark[i] == 2 && k < n->n_x; k++) {
            const gpf_node x = n->x[k];
            bool known = f->mark[x] != 1;
            if (known)
                continue;
            if (f->product[i] < 0)
                l->closed = 0;
            if (f->product[i] < 0 && !f->leads[i])
                continue;
            for (size_t e = 0; e < l->n_exits && e < GPF__MAX_EXITS; e++)
                known |= l->exit[e] == x;
            if (!known && l->n_exits < GPF__MAX_EXITS)
                l->exit[l->n_exits] = x;
            l->n_exits += !known;
        }
    }
    l->hidden = l->n_exits > 0;
    l->closed &= l->n_exits == 1;
    if (!l->hidden) {
        l->exit[0] = l->z;
        l->n_exits = 1;
    }
}

static int add_product(finder *f, gpf_node i)
{
    gpf__layers *const o = f->out;
    const gpf__node *n = gpf__get(f->g, i);
    const int right = weight_like(f, n->x[1]); /* x @ W */
    gpf__product p = {
        .node = i, .x = n->x[!right], .weight = n->x[right], .axis = right, .unit_axis = right
    };
    gpf_node w = p.weight;
    int axis = p.unit_axis;
    for (; gpf__get(f->g, w)->op == &gpf_op_transpose; axis = !axis)
        w = gpf__get(f->g, w)->x[0];
    if (gpf_node_is_param(f->g, w)) {
        p.weight = w;
        p.unit_axis = axis;
    }
    gpf__found l = { .axis = p.axis, .bias = GPF_NONE };
    l.z = preactivation(f, i, &l.axis, &l.bias);
    size_t at = 0;
    while (at < o->n && o->layer[at].z != l.z)
        at++;
    if (gpf__grow(&o->product, &f->product_cap, o->n_products + 1, sizeof *o->product) ||
        gpf__grow(&o->layer, &f->layer_cap, o->n + 1, sizeof *o->layer))
        return GSL_ENOMEM;
    if (at == o->n)
        o->layer[o->n++] = l;
    else if (o->layer[at].bias == GPF_NONE)
        o->layer[at].bias = l.bias;
    p.layer = (size_t)l.z; /* until the layers are in order */
    o->product[o->n_products++] = p;
    return GSL_SUCCESS;
}

static int by_z(const void *a, const void *b)
{
    return ((const gpf__found *)a)->z - ((const gpf__found *)b)->z;
}

static int by_layer(const void *a, const void *b)
{
    const gpf__product *p = a, *q = b;
    return p->layer != q->layer ? (p->layer < q->layer ? -1 : 1) : p->node - q->node;
}

/* Which products see what becomes of z before any other product does. */
static void find_feeds(const finder *f, size_t l)
{
    gpf__layers *const o = f->out;
    memset(f->mark, 0, f->n);
    f->mark[o->layer[l].z] = 1;
    for (size_t i = (size_t)o->layer[l].z + 1; i < f->n; i++) {
        const gpf__node *n = gpf__get(f->g, (gpf_node)i);
        for (int k = 0; f->used[i] && k < n->n_x; k++)
            f->mark[i] |= f->mark[n->x[k]];
        if (f->mark[i] && f->product[i] >= 0) {
            o->feeds[l * o->n_products + (size_t)f->product[i]] = 1;
            f->mark[i] = 0;
        }
    }
}

static int find(finder *f, gpf_node loss)
{
    gpf__layers *const o = f->out;
    survey(f, loss);
    for (size_t i = 1; i < f->n; i++)
        if (f->used[i] && is_product(f, (gpf_node)i) && add_product(f, (gpf_node)i))
            return GSL_ENOMEM;
    if (o->n == 0)
        return GSL_SUCCESS;
    qsort(o->layer, o->n, sizeof *o->layer, by_z);
    for (size_t p = 0; p < o->n_products; p++) {
        size_t l = 0;
        while ((size_t)o->layer[l].z != o->product[p].layer)
            l++;
        o->product[p].layer = l;
    }
    qsort(o->product, o->n_products, sizeof *o->product, by_layer);
    for (size_t p = o->n_products; p-- > 0;) {
        o->layer[o->product[p].layer].product = p;
        f->product[o->product[p].node] = (int)p;
    }
    o->feeds = calloc(o->n * o->n_products, 1);
    if (!o->feeds)
        return GSL_ENOMEM;
    for (size_t l = 0; l < o->n; l++) {
        find_exits(f, &o->layer[l]);
        find_feeds(f, l);
    }
    return GSL_SUCCESS;
}

int gpf__layers_find(const gpf_graph *g, gpf_node loss, gpf__layers *found)
{
    const size_t n = gpf_graph_n_nodes(g);
    *found = (gpf__layers){ 0 };
    finder f = { .g = g, .n = n, .out = found };
    f.used = found->used = calloc(n, 1);
    f.of = calloc(3 * n, 1);
    f.readers = calloc(2 * n, sizeof *f.readers);
    f.reader = calloc(n, sizeof *f.reader);
    int status = GSL_ENOMEM;
    if (f.used && f.of && f.readers && f.reader) {
        f.leads = f.of + n;
        f.mark = f.leads + n;
        f.product = f.readers + n;
        status = find(&f, loss);
    }
    free(f.of);
    free(f.readers);
    free(f.reader);
    if (status)
        gpf__layers_free(found);
    return status;
}

void gpf__layers_free(gpf__layers *l)
{
    free(l->layer);
    free(l->product);
    free(l->feeds);
    free(l->used);
    *l = (gpf__layers){ 0 };
}
