/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef GPF_CHECK_GENERIC_H
#define GPF_CHECK_GENERIC_H

#include <gradproof/check.h>

/* Where the leaves of a generic point are drawn: data always as its own values show what it is
 * (signs, fractions, ..); params anywhere, or as their own values show; everything near them. */
typedef enum gpf__where { GPF__ANYWHERE, GPF__ALIKE, GPF__NEARBY } gpf__where;

typedef struct gpf__draw {
    gpf__where where;
    double scale; /* of values that have no scale of their own */
} gpf__draw;

/* gpf_point_generic; NULL without memory. */
gpf_point *gpf__generic(const gpf_graph *g, const gpf_point *like, size_t N, unsigned long seed,
                        gpf__draw how);

/* The next batch size above `beyond` unlike every size in the graph, so that no axis can stand in
 * for it. */
size_t gpf__unlike_batch(const gpf_graph *g, size_t beyond);

#endif
