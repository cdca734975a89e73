/* SPDX-License-Identifier: GPL-3.0-or-later */
/* State while a plan is made: plan.c finds values and steps, group.c what runs together, memory.c
 * where everything lies. */
#ifndef GPF_PLAN_MAKE_H
#define GPF_PLAN_MAKE_H

#include "plan/plan.h"

#include <stdint.h>

/* What a node is needed for. */
enum { GPF__IS_READ = 1, GPF__IS_OUTPUT = 2, GPF__IS_TARGET = 4 };

typedef struct gpf__maker {
    const gpf_graph *g;
    gpf_plan *p;
    const gpf_node *targets;
    size_t n_targets;
    bool keep;
    ptrdiff_t rows;      /* samples of a graph without N, by its data; else 0 */
    unsigned char *need; /* by node */
    gpf_node *twin;      /* by node */
    int *index;          /* by node: its value */
    size_t value_cap, step_cap, in_cap, n_consts, const_cap;
    int *group_of; /* by step */
    int *last; /* by value: the last step that reads its memory; GPF__KEPT: until the next run */
} gpf__maker;

#define GPF__KEPT INT32_MAX

/* The value that owns the memory v looks into. */
int gpf__root(const gpf_plan *p, int v);
/* The one constant that all elements of value v are, or NULL. */
const double *gpf__one_constant(const gpf_plan *p, int v);
/* Does the step read memory as its result lies, from the start to the end of what v looks into? */
bool gpf__reads_linear(const gpf_plan *p, const gpf__step *s, int v);

/* Puts steps that run together behind one another. */
int gpf__make_groups(gpf__maker *m);
/* Who lives where, until when. */
int gpf__make_memory(gpf__maker *m, const gpf_node *outputs, size_t n);
/* The instructions, once everything has its place. */
int gpf__make_code(gpf__maker *m);

#endif
