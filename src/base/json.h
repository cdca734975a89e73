/* SPDX-License-Identifier: GPL-3.0-or-later */
/* JSON of any text and any number. Inline, because the command writes JSON too. */
#ifndef GPF_BASE_JSON_H
#define GPF_BASE_JSON_H

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A JSON string of any bytes: where s is not UTF-8, each byte beyond ASCII becomes '?'.
 * NULL without memory. */
static inline json_t *gpf__json_text(const char *s)
{
    json_t *text = json_string(s);
    size_t n = 0, beyond = 0;
    for (; s[n]; n++)
        beyond += (unsigned char)s[n] >= 128;
    char *ascii = text || !beyond ? NULL : malloc(n + 1); /* ASCII fails for memory only */
    if (!ascii)
        return text;
    for (size_t i = 0; i <= n; i++)
        ascii[i] = (char)((unsigned char)s[i] < 128 ? s[i] : '?');
    text = json_string(ascii);
    free(ascii);
    return text;
}

/* What JSON has no number for: "nan", "inf", "-inf"; NULL for finite x. */
static inline const char *gpf__json_nonfinite(double x)
{
    return isfinite(x) ? NULL : isnan(x) ? "nan" : x > 0 ? "inf" : "-inf";
}

#endif
