/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Memory that dies at once, and arrays that grow. */
#ifndef GPF_BASE_ARENA_H
#define GPF_BASE_ARENA_H

#include <stddef.h>

/* A bump allocator. Start from zeros; addresses never move; no single free. */
typedef struct gpf__arena {
    struct gpf__chunk *last;
} gpf__arena;

/* size bytes, zeroed, aligned for any type; NULL without memory. size 0 gives a valid pointer. */
void *gpf__arena_alloc(gpf__arena *a, size_t size);
char *gpf__arena_strndup(gpf__arena *a, const char *s, size_t n);
void gpf__arena_free(gpf__arena *a); /* back to zeros */

/* Makes room for `need` items of `size` bytes in *array (from malloc or NULL), whose capacity is
 * *cap. Returns 0, or GSL_ENOMEM with the array as it was. New room is not initialised. */
int gpf__grow(void *array, size_t *cap, size_t need, size_t size);

/* Bytes of memory this machine has; SIZE_MAX where that cannot be told. */
size_t gpf__machine_memory(void);

#endif
