/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Words on a stream, for the reports that people read. */
#ifndef GPF_REPORT_PUT_H
#define GPF_REPORT_PUT_H

#include "base/text.h"

#include <gradproof/report.h>
#include <math.h>
#include <string.h>

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

/* Names and claims come from files: no control character of theirs may reach a terminal, nor those
 * that UTF-8 has from U+0080 on. */
static inline int control(const char *s) /* how many bytes of one begin here */
{
    const unsigned char c = (unsigned char)s[0], next = c ? (unsigned char)s[1] : 0;
    if (c == 0xc2 && next >= 0x80 && next < 0xa0)
        return 2;
    return c < ' ' || c == 127;
}

/* In place; returns s. */
static inline char *clean(char *s)
{
    for (char *at = s; *at; at++)
        for (int n = control(at); n > 0; n--)
            at[n - 1] = ' ';
    return s;
}

static inline void put_clean(FILE *out, const char *s)
{
    while (*s) {
        const int n = control(s);
        putc(n ? ' ' : *s, out);
        s += n ? n : 1;
    }
}

/* The sign of a zero or a NaN says nothing. */
static inline double unsigned_zero(double x)
{
    return isnan(x) ? NAN : x + 0.0; /* -0 + 0 = 0 */
}

/* Rows of a table and findings, unless the caller says otherwise. */
enum { GPF__MAX_ROWS = 20 };

static inline const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

/* Words of a text from column `at` on, wrapped to a width and indented. */
static inline void put_words_within(FILE *out, int width, const char *text, int at, int indent)
{
    while (*text) {
        char word[256];
        const int n = (int)strcspn(text, " ");
        if (at + 1 + n > width) {
            say(out, "\n%*s", indent - 1, "");
            at = indent - 1;
        }
        gpf__format(word, sizeof word, " %.*s", n, text);
        put_clean(out, word);
        at += 1 + n;
        text += n + (text[n] == ' ');
    }
    fputc('\n', out);
}

static inline void put_words(FILE *out, const char *text, int at, int indent)
{
    put_words_within(out, 79, text, at, indent);
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
