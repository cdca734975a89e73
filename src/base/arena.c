/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE /* _SC_PHYS_PAGES */
#include "base/arena.h"

#include <gradproof/status.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The test build gives every object its own chunk: with real chunks one failing malloc stands for
 * hundreds of places, and the walk over failures would see only the first of them. */
#ifdef GPF_TINY_CHUNKS
enum { CHUNK = 1, FIRST = 1 };
#else
enum { CHUNK = 16384, FIRST = 16 };
#endif

struct gpf__chunk {
    struct gpf__chunk *previous;
    size_t used, size;
    alignas(max_align_t) char bytes[];
};

void *gpf__arena_alloc(gpf__arena *a, size_t size)
{
    const size_t align = alignof(max_align_t);
    if (size > SIZE_MAX - sizeof(struct gpf__chunk) - align)
        return NULL;
    size = (size + align - 1) / align * align;
    struct gpf__chunk *c = a->last;
    if (!c || c->size - c->used < size) {
        const size_t room = size > CHUNK ? size : CHUNK;
        c = malloc(sizeof *c + room);
        if (!c)
            return NULL;
        c->previous = a->last;
        c->used = 0;
        c->size = room;
        a->last = c;
    }
    void *p = c->bytes + c->used;
    c->used += size;
    return memset(p, 0, size);
}

char *gpf__arena_strndup(gpf__arena *a, const char *s, size_t n)
{
    char *copy = gpf__arena_alloc(a, n + 1);
    if (copy)
        memcpy(copy, s, n);
    return copy;
}

void gpf__arena_free(gpf__arena *a)
{
    while (a->last) {
        struct gpf__chunk *previous = a->last->previous;
        free(a->last);
        a->last = previous;
    }
}

int gpf__grow(void *array, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap)
        return GSL_SUCCESS;
    size_t n = *cap ? *cap : FIRST;
#ifdef GPF_TINY_CHUNKS
    n = need;
#else
    while (n < need)
        n = n > SIZE_MAX / 2 ? need : 2 * n;
#endif
    if (n > SIZE_MAX / size)
        return GSL_ENOMEM;
    void *old, *grown;
    memcpy(&old, array, sizeof old); /* *array may be of any object pointer type */
    grown = realloc(old, n * size);
    if (!grown)
        return GSL_ENOMEM;
    memcpy(array, &grown, sizeof grown);
    *cap = n;
    return GSL_SUCCESS;
}

size_t gpf__machine_memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (size_t)pages * (size_t)size : SIZE_MAX;
}
