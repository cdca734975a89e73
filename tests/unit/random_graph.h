/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Graphs of random ops, for tests of plans and damage: every layout, every kind of kernel. */
#ifndef GPF_TESTS_UNIT_RANDOM_GRAPH_H
#define GPF_TESTS_UNIT_RANDOM_GRAPH_H

#include "help.h"

enum { RANDOM_LEAVES = 6, RANDOM_MOST = 260 };

typedef struct random_graph {
    gpf_graph *g;
    gpf_node node[RANDOM_MOST]; /* in order of creation; leaves first */
    size_t n;
    gpf_node y; /* one element, from the last of them */
    gpf_node X, Z, delta;
    double x[513 * 3], z[513 * 2], d[512];
} random_graph;

static inline bool can_broadcast(gpf_shape a, gpf_shape b)
{
    for (int i = 0; i < 2; i++)
        if (a.dim[i] != b.dim[i] && a.dim[i] != 1 && b.dim[i] != 1)
            return false;
    return true;
}

/* One more node from two random ones; all are matrices. What does not conform becomes a tanh, so
 * every step makes a node, and the same dice make the same graph. */
static inline gpf_node random_step(random_graph *r, dice *d)
{
    gpf_graph *g = r->g;
    const int what = below(d, 14), pick = below(d, 3);
    const gpf_node a = r->node[below(d, (int)r->n)];
    gpf_node b = r->node[below(d, (int)r->n)];
    const gpf_shape s = gpf_node_shape(g, a), t = gpf_node_shape(g, b);
    const bool free_n = s.dim[0] == GPF_N || s.dim[1] == GPF_N;
    const ptrdiff_t from[] = { 0, s.dim[1] - 1 }, size[] = { s.dim[0], 1 };
    const gpf_node pair[] = { a, b };
    switch (what) {
    case 0:
        return pick ? gpf_sin(g, a) : gpf_abs(g, a);
    case 1:
        return pick ? gpf_relu(g, a) : gpf_sigmoid(g, a);
    case 2:
    case 3:
        if (can_broadcast(s, t))
            return pick == 0 ? gpf_add(g, a, b) : pick == 1 ? gpf_max(g, a, b) : gpf_mul(g, a, b);
        break;
    case 4:
    case 5:
    case 6:
        if (s.dim[1] != t.dim[0])
            b = gpf_transpose(g, b);
        if (s.dim[1] == gpf_node_shape(g, b).dim[0])
            return gpf_tanh(g, gpf_matmul(g, a, b));
        break;
    case 7:
        return gpf_transpose(g, a);
    case 8:
        return pick == 0 ? gpf_tanh(g, gpf_sum(g, a, 1)) : gpf_max_over(g, a, pick);
    case 9:
        if (s.dim[1] != GPF_N)
            return gpf_slice(g, a, from, size);
        break;
    case 10:
        if (s.dim[0] == t.dim[0] && s.dim[1] != GPF_N && t.dim[1] != GPF_N &&
            s.dim[1] + t.dim[1] < 9)
            return gpf_concat(g, pair, 2, 1);
        break;
    case 11:
        if (!free_n)
            return gpf_reshape(g, a, gpf_shape2(s.dim[1], s.dim[0]));
        break;
    case 12:
        return gpf_softmax(g, a);
    default:
        if (s.dim[0] == 1)
            return gpf_broadcast(g, a, gpf_shape2(pick ? 4 : GPF_N, s.dim[1]));
    }
    return gpf_tanh(g, a);
}

/* n nodes from one seed. at_delta: that node is replaced by itself plus a data leaf `delta` of its
 * shape, the rest is built from the sum; SIZE_MAX: nowhere. */
static inline void random_build(random_graph *r, uint64_t seed, size_t n, size_t at_delta)
{
    dice d = { seed };
    gpf_graph *g = r->g = gpf_graph_alloc();
    r->X = gpf_data(g, "X", gpf_shape2(GPF_N, 3));
    r->Z = gpf_data(g, "Z", gpf_shape2(GPF_N, 2));
    const gpf_node leaves[RANDOM_LEAVES] = { r->X,
                                             r->Z,
                                             gpf_param(g, "W", gpf_shape2(3, 2)),
                                             gpf_param(g, "b", gpf_shape2(1, 3)),
                                             gpf_param(g, "V", gpf_shape2(2, 2)),
                                             gpf_param(g, "s", gpf_shape2(1, 1)) };
    r->delta = GPF_NONE;
    memcpy(r->node, leaves, sizeof leaves);
    r->n = RANDOM_LEAVES;
    while (r->n < n) {
        gpf_node made = random_step(r, &d);
        if (r->n == at_delta) {
            r->delta = gpf_data(g, "delta", gpf_node_shape(g, made));
            made = gpf_add(g, made, r->delta);
        }
        r->node[r->n++] = made;
    }
    r->y = gpf_const(g, 0);
    for (size_t i = n - 12; i < n; i++)
        r->y = gpf_add(g, r->y, gpf_sum(g, gpf_sin(g, r->node[i]), GPF_ALL_AXES));
    assert_no_error(g);
    fill(&d, r->x, COUNT(r->x), -1.5, 1.5);
    fill(&d, r->z, COUNT(r->z), -1, 1);
}

/* The 14 numbers of W, b, V, s; the values of delta are r->d. */
static inline gpf_point *random_point(const random_graph *r, size_t N, uint64_t seed)
{
    dice d = { seed };
    gpf_point *at = gpf_point_alloc(r->g, N);
    fill(&d, theta(at), 14, -1, 1);
    assert_int_equal(gpf_point_bind(at, r->X, r->x), GSL_SUCCESS);
    assert_int_equal(gpf_point_bind(at, r->Z, r->z), GSL_SUCCESS);
    if (r->delta != GPF_NONE) {
        assert_in_range(gpf_shape_size(gpf_node_shape(r->g, r->delta), N), 1, COUNT(r->d));
        gpf_point_bind(at, r->delta, r->d);
    }
    return at;
}

#endif
