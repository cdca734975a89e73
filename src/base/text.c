/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE /* strtod_l */
#include "base/text.h"

#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* glibc hands out the one static "C" locale here, so neither call allocates or fails. */
static locale_t c_locale(void)
{
    return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

int gpf__vformat(char *buf, size_t size, const char *format, va_list ap)
{
    const locale_t c = c_locale(), before = c ? uselocale(c) : (locale_t)0;
    const int n = vsnprintf(buf, size, format, ap);
    if (c) {
        uselocale(before);
        freelocale(c);
    }
    return n;
}

int gpf__format(char *buf, size_t size, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    const int n = gpf__vformat(buf, size, format, ap);
    va_end(ap);
    return n;
}

void gpf__append(char *buf, size_t size, const char *format, ...)
{
    const size_t used = size ? strlen(buf) : 0;
    if (used + 1 >= size)
        return;
    va_list ap;
    va_start(ap, format);
    gpf__vformat(buf + used, size - used, format, ap);
    va_end(ap);
}

double gpf__strtod(const char *s, char **end)
{
    const locale_t c = c_locale();
    const double v = c ? strtod_l(s, end, c) : strtod(s, end);
    if (c)
        freelocale(c);
    return v;
}

int gpf__diag(gpf_diag *why, int status, const char *format, ...)
{
    if (why) {
        memset(why, 0, sizeof *why);
        why->status = status;
        va_list ap;
        va_start(ap, format);
        gpf__vformat(why->text, sizeof why->text, format, ap);
        va_end(ap);
    }
    return status;
}

uint64_t gpf__hash(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * 0x100000001b3u;
    return h;
}

uint64_t gpf__mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Optimal string alignment: three rows of the dynamic programme. */
size_t gpf__edit_distance(const char *a, const char *b)
{
    enum { MAX = 63 };
    const size_t n = strnlen(a, MAX), m = strnlen(b, MAX);
    size_t row[3][MAX + 1];
    for (size_t j = 0; j <= m; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = row[i % 3];
        const size_t *up = row[(i - 1) % 3], *up2 = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t d = up[j - 1] + (a[i - 1] != b[j - 1]);
            if (up[j] + 1 < d)
                d = up[j] + 1;
            if (now[j - 1] + 1 < d)
                d = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                up2[j - 2] + 1 < d)
                d = up2[j - 2] + 1;
            now[j] = d;
        }
    }
    return row[n % 3][m];
}

void gpf__suggest(gpf__suggestion *s, const char *candidate)
{
    const size_t limit = strlen(s->wanted) > 4 ? 2 : 1;
    const bool same = !strcasecmp(s->wanted, candidate);
    const size_t d = same ? 0 : gpf__edit_distance(s->wanted, candidate);
    if (d <= limit && d < strlen(candidate) && (!s->best || d < s->distance)) {
        s->best = candidate;
        s->distance = d;
    }
}

char *gpf__suggestion_text(const gpf__suggestion *s, char *buf, size_t size)
{
    buf[0] = 0;
    if (s->best)
        gpf__format(buf, size, " (did you mean '%s'?)", s->best);
    return buf;
}
