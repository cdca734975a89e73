/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The health of a net in three parts: layers.c finds the layers, health.c measures them, finding.c
 * judges the measurements. */
#ifndef GPF_TRAIN_HEALTH_H
#define GPF_TRAIN_HEALTH_H

#include "graph/graph.h"

#include "train/train.h"

#include <gsl/gsl_permutation.h>

#define GPF__ABSENT ((size_t)-1)
enum { GPF__MAX_EXITS = 4 };
/* A slope below this moves weights a hundred times slower than slope 1 does. */
#define GPF__SMALL_SLOPE 0.01
/* Part of the samples that makes a unit nearly dead or saturated. */
#define GPF__MOST 0.95

/* A matrix product of something that flows through the net with something made of params only. */
typedef struct gpf__product {
    gpf_node node, x, weight; /* weight: a param where W is one or its transpose, else the factor */
    int axis;                 /* of node that counts units: 1 for x @ W, 0 for W @ x */
    int unit_axis;            /* of weight that counts units */
    size_t layer;
} gpf__product;

/* A value z = x @ W + b (+ more products and values that skip layers), and where a(z) leaves the
 * values that depend on z element by element, on its way to later weights. */
typedef struct gpf__found {
    gpf_node z, bias;
    int axis;   /* of z that counts units */
    int hidden; /* later weights multiply what comes of it */
    int closed; /* a single exit, which only products read: what is behind a unit is known */
    gpf_node exit[GPF__MAX_EXITS];
    size_t n_exits; /* more than there is room for: the layer's slopes are not judged */
    size_t product; /* the first of its products */
} gpf__found;

typedef struct gpf__layers {
    gpf__found *layer; /* by z */
    size_t n;
    gpf__product *product; /* by layer */
    size_t n_products;
    unsigned char *feeds; /* n x n_products: what z becomes reaches the product's x directly */
    unsigned char *used;  /* by node: loss depends on it */
} gpf__layers;

/* GSL_SUCCESS or GSL_ENOMEM. layers.c */
int gpf__layers_find(const gpf_graph *g, gpf_node loss, gpf__layers *found);
void gpf__layers_free(gpf__layers *l);

/* What the plan computes for a layer: numbers of outputs, GPF__ABSENT where there is none. All but
 * the weight are sums over the samples, one number per unit. */
typedef struct gpf__measured {
    size_t mean, variance; /* of a */
    size_t alive, weak;    /* samples with a slope that is not 0, that is small or 0 */
    size_t silent;         /* with a slope of 0 and a value of 0 */
    size_t delta, squares; /* sums of |d loss/d z| and of its squares */
    int blocked;           /* a is a step of z: there is no slope at all */
} gpf__measured;

typedef struct gpf__factor {
    size_t input;     /* sum of |x| by feature */
    size_t weight;    /* values of a weight that is no param, else GPF__ABSENT */
    size_t gradient;  /* d loss/d W */
    const double *at; /* the weight's values in this run: at[i * step + k * unit_step] */
    size_t inputs, units, step, unit_step;
    double norm; /* of the weight */
} gpf__factor;

struct gpf_health {
    const gpf_graph *g;
    gpf_node loss;
    gpf_task task;
    double rate;
    size_t N;
    gpf__layers found;
    gpf_layer *layer;        /* as found.layer */
    gpf__measured *measured; /* as found.layer */
    gpf__factor *factor;     /* as found.product */
    gpf_unit *unit;          /* of all layers */
    size_t *params;          /* gradient of param i: output, or GPF__ABSENT */
    int *cause;              /* of finding.c, per param */
    size_t spread[3];        /* of prediction and target: variances, covariance */
    size_t pull[2];          /* sums over the samples of d loss/d prediction and of its size */
    gpf_plan *plan;
    gpf_workspace *ws;
    const gpf_point *at; /* of this run */
    gsl_matrix *rank_matrix;
    gsl_vector *rank_work; /* tau and norms */
    gsl_permutation *rank_order;
    double value;
    gpf_finding *finding;
    size_t n_findings, max_findings;
    int ran;
};

static inline const double *gpf__measure(const gpf_health *h, size_t output)
{
    return output == GPF__ABSENT ? NULL : gpf_workspace_output(h->ws, output);
}

/* Fills h->finding from what was measured. finding.c */
void gpf__judge(gpf_health *h);

#endif
