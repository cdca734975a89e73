/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tests of damage objects and of overlays need. */
#ifndef GPF_TESTS_UNIT_DAMAGE_TEST_H
#define GPF_TESTS_UNIT_DAMAGE_TEST_H

#include "random_graph.h"

/* Everything a damage object needs, for y and its targets. */
typedef struct bench {
    gpf_damage *damage;
    gpf_overlay *o;
    double y;
} bench;

static inline bench set_up(const gpf_graph *g, gpf_node y, const gpf_node *xs, size_t n,
                           const gpf_point *at)
{
    bench b = { .damage = gpf_damage_alloc(g, y, xs, n, gpf_point_batch(at)) };
    assert_non_null(b.damage);
    assert_int_equal(gpf_damage_base(b.damage, at, &b.y), GSL_SUCCESS);
    b.o = gpf_overlay_alloc(b.damage);
    assert_non_null(b.o);
    return b;
}

static inline void tear_down(bench *b)
{
    gpf_overlay_free(b->o);
    gpf_damage_free(b->damage);
}

static inline double at_offset(bench *b, size_t i, size_t k, double t)
{
    double f = NAN;
    assert_int_equal(gpf_overlay_values(b->o, i, k, &t, 1, &f, NULL), GSL_SUCCESS);
    return f;
}

/* A low-rank update rounds differently from a recomputation. */
static inline bool near(double f, double full)
{
    return fabs(f - full) <= 1e-12 * (1 + fabs(full)) || (isnan(f) && isnan(full)) || f == full;
}

#endif
