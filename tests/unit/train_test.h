/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A small net with data, for the tests of training. */
#ifndef GPF_TESTS_UNIT_TRAIN_TEST_H
#define GPF_TESTS_UNIT_TRAIN_TEST_H

#include "help.h"

#include "train/loop.h"

enum { NET_ROWS = 11 };

/* tanh net 3-4-2 with biases, squared error. */
typedef struct net {
    gpf_graph *g;
    gpf_node X, y, W1, b1, W2, b2, h, p, loss;
    gpf_point *at;
    double x[NET_ROWS * 3], want[NET_ROWS * 2];
} net;

static inline void net_values(net *n, uint64_t seed)
{
    dice d = { seed };
    fill(&d, n->x, COUNT(n->x), -1.5, 1.5);
    fill(&d, n->want, COUNT(n->want), -1, 1);
    fill(&d, theta(n->at), gpf_graph_n_params(n->g), -0.9, 0.9);
}

static inline void net_make(net *n, enum gpf_reduction reduction)
{
    gpf_graph *g = n->g = gpf_graph_alloc();
    n->X = gpf_data(g, "X", gpf_shape2(GPF_N, 3));
    n->y = gpf_data(g, "y", gpf_shape2(GPF_N, 2));
    n->W1 = gpf_param(g, "W1", gpf_shape2(3, 4));
    n->b1 = gpf_param(g, "b1", gpf_shape2(1, 4));
    n->W2 = gpf_param(g, "W2", gpf_shape2(4, 2));
    n->b2 = gpf_param(g, "b2", gpf_shape2(1, 2));
    n->h = gpf_tanh(g, gpf_add(g, gpf_matmul(g, n->X, n->W1), n->b1));
    n->p = gpf_add(g, gpf_matmul(g, n->h, n->W2), n->b2);
    n->loss = gpf_mse(g, n->p, n->y, reduction);
    assert_no_error(g);
    n->at = gpf_point_alloc(g, NET_ROWS);
    gpf_point_bind(n->at, n->X, n->x);
    gpf_point_bind(n->at, n->y, n->want);
    net_values(n, 20);
}

static inline void net_free(net *n)
{
    gpf_point_free(n->at);
    gpf_graph_free(n->g);
}

static inline gpf_train *net_train(net *n, const gpf_train_options *how, const gpf_train_with *with)
{
    gpf_diag why = { .status = 0 };
    gpf_train *t = gpf_train_alloc(n->g, n->loss, n->at, how, with, &why);
    if (!t)
        fail_msg("%d: %s", why.status, why.text);
    return t;
}

#endif
