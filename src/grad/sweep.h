/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What both sweeps share. */
#ifndef GPF_GRAD_SWEEP_H
#define GPF_GRAD_SWEEP_H

#include "graph/graph.h"

#include <gradproof/grad.h>

/* Checks y and the xs, poisons the results. Returns the graph's status. */
int gpf__sweep_check(gpf_graph *g, gpf_node y, const gpf_node *xs, size_t n, gpf_node *out,
                     size_t n_out);
/* The shapes of given and like must be equal. Returns the graph's status. */
int gpf__sweep_shape(gpf_graph *g, const char *what, gpf_node given, gpf_node like);
/* Applies node n's rule for input i and checks what it returns. */
gpf_node gpf__sweep_rule(gpf_graph *g, gpf_node n, int i, gpf_node bar, bool forward);
/* a + b, where GPF_NONE is nothing. */
gpf_node gpf__sweep_add(gpf_graph *g, gpf_node a, gpf_node b);

#endif
