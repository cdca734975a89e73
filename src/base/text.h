/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Text that does not depend on the locale of the process. */
#ifndef GPF_BASE_TEXT_H
#define GPF_BASE_TEXT_H

#include <gradproof/status.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#if defined __GNUC__
#define GPF_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define GPF_PRINTF(f, a)
#endif

/* snprintf and vsnprintf with '.' as the decimal point whatever the locale is. */
int gpf__format(char *buf, size_t size, const char *format, ...) GPF_PRINTF(3, 4);
int gpf__vformat(char *buf, size_t size, const char *format, va_list ap) GPF_PRINTF(3, 0);
/* Appends to the text in buf, cutting what does not fit. */
void gpf__append(char *buf, size_t size, const char *format, ...) GPF_PRINTF(3, 4);
/* strtod with '.' as the decimal point whatever the locale is. */
double gpf__strtod(const char *s, char **end);

/* Fills *why (may be NULL) with a status and a formatted text; returns the status. */
int gpf__diag(gpf_diag *why, int status, const char *format, ...) GPF_PRINTF(3, 4);

/* FNV-1a of n bytes, going on from h; GPF__HASH to begin. The same on every machine: random streams
 * are named by it. */
#define GPF__HASH 0xcbf29ce484222325u
uint64_t gpf__hash(uint64_t h, const void *bytes, size_t n);
/* splitmix64's finaliser: numbers that follow one another become such as do not. */
uint64_t gpf__mix(uint64_t z);

/* Edits (insert, delete, change, swap neighbours) that turn a into b; strings longer than 63 are
 * cut. For "did you mean". */
size_t gpf__edit_distance(const char *a, const char *b);

/* The best "did you mean": offer candidates one by one, then ask. */
typedef struct gpf__suggestion {
    const char *wanted, *best;
    size_t distance;
} gpf__suggestion;
void gpf__suggest(gpf__suggestion *s, const char *candidate);
/* " (did you mean 'x'?)" or "". Returns buf. */
char *gpf__suggestion_text(const gpf__suggestion *s, char *buf, size_t size);

#endif
