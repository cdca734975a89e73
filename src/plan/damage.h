/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a damage object knows of its graph: damage.c finds it out, overlay.c runs it. */
#ifndef GPF_PLAN_DAMAGE_H
#define GPF_PLAN_DAMAGE_H

#include "op/tile.h"
#include "plan/plan.h"

/* An entry of a target's list. */
typedef struct gpf__entry {
    int value;
    int strip;    /* of the group, where it lives; -1: in its tile, others read it */
    bool changes; /* its tile holds changes only */
    bool narrow;  /* what follows is little: rows left out would save less than they cost */
    int own[3];   /* of a member of a group: the entries of the group its inputs are, or -1 */
    const gpf_op *op;
} gpf__entry;

typedef struct gpf__item {
    int first, n; /* entries */
    bool group;
} gpf__item;

/* What changing a target damages: values that y needs, in order. */
typedef struct gpf__target {
    int value;
    size_t first_item, n_items;
    size_t first, n;
    bool depends; /* y depends on it */
} gpf__target;

/* Where the overlay keeps a value's tile; GPF__NOT_KEPT: not at all. */
#define GPF__NOT_KEPT SIZE_MAX
typedef struct gpf__tile_place {
    size_t data, few, kept, cache;
    size_t side;  /* of its branch record, in the arrays of the base */
    size_t least; /* of its columns' smallest margins */
    int first_x;  /* of its inputs, in gpf_damage.x */
} gpf__tile_place;

struct gpf_damage {
    gpf_plan *plan;
    gpf_workspace *base;
    gpf__target *target;
    size_t n_target;
    gpf__entry *entry;
    gpf__item *item;
    size_t n_entry, n_item, entry_cap, item_cap;
    int y;                  /* value */
    gpf__tile_place *place; /* by value */
    gpf_call *call;         /* by value: its step, or its view, at the base */
    const gpf_tensor **x;   /* inputs of the calls */
    int *in;                /* the values they are */
    int *all;               /* 0, 1, 2, .. */
    int *every;             /* values that some target damages, in order */
    size_t n_every;
    size_t n_sides, n_strips;
    size_t most_rows, most; /* of any value; elements of the largest */
    size_t whole;           /* of a value with its inputs */
    size_t strip, tiles;    /* doubles of one and of all of them */
    size_t ints;
    size_t points; /* evaluated together */
    int *side;
    double *margin, *least;
    size_t n_least;
    bool plain;          /* something at the base is not finite: differences would not be either */
    unsigned long epoch; /* of the base */
};

/* Input i of value v as the plan reads it: maybe only another name for the value, which is in
 * gpf_damage.in. */
static inline int gpf__named_input(const gpf_plan *p, int v, int i)
{
    const gpf__value *value = &p->value[v];
    return value->source == GPF__VIEW ? value->of : p->in[p->step[value->step].first_in + i];
}

#endif
