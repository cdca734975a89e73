/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Words on a stream, for the reports that people read. */
#ifndef GPF_REPORT_PUT_H
#define GPF_REPORT_PUT_H

#include "base/text.h"

#include <gradproof/report.h>

static inline void say(FILE *out, const char *format, ...) GPF_PRINTF(2, 3);
static inline void say(FILE *out, const char *format, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, format);
    gpf__vformat(text, sizeof text, format, ap);
    va_end(ap);
    fputs(text, out);
}

/* Names and claims come from files: no control character of theirs may reach a terminal. */
static inline void put_clean(FILE *out, const char *s)
{
    for (; *s; s++)
        putc((unsigned char)*s < ' ' || *s == 127 ? ' ' : *s, out);
}

static inline const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

/* ANSI colours of the words that carry a verdict. */
enum { PLAIN = 0, RED = 31, GREEN = 32, YELLOW = 33 };

static inline void put_word(FILE *out, const gpf_report_options *how, const char *word, int color,
                            int width)
{
    if (how->color)
        say(out, "\033[%dm%-*s\033[0m", color, width, word);
    else
        say(out, "%-*s", width, word);
}

#endif
