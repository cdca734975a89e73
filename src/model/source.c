/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L /* fstat, fileno */
#include "model/ast.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int gpf__characters(const char *s, size_t n)
{
    int count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)s[i] & 0xc0) != 0x80;
    return count;
}

void gpf__clean(char *s)
{
    unsigned char *c = (unsigned char *)s;
    while (*c) {
        const size_t n = *c < 0x80 ? 1 : *c < 0xc2 ? 0 : *c < 0xe0 ? 2 : *c < 0xf0 ? 3 : 4;
        bool whole = n > 0;
        for (size_t i = 1; whole && i < n; i++)
            whole = (c[i] & 0xc0) == 0x80;
        if (!whole || *c < 32 || *c == 127)
            *c = *c == '\t' ? ' ' : '?';
        c += whole ? n : 1;
    }
}

/* Bytes of the first n characters of a line, or of all it has. */
static size_t bytes_of(const char *line, size_t length, int n)
{
    size_t i = 0;
    for (; i < length; i++)
        if (((unsigned char)line[i] & 0xc0) != 0x80 && n-- == 0)
            break;
    return i;
}

/* The line, of a long one a window around the column. */
static void set_source(const char *line, size_t length, gpf_diag *d)
{
    enum { SHOWN = 100, BEFORE = 50, DOTS = 3, ROOM = sizeof d->source - 1 - 2 * DOTS };
    const bool whole = gpf__characters(line, length) <= SHOWN && length < sizeof d->source;
    const int skipped = whole || d->column <= BEFORE ? 0 : d->column - BEFORE;
    const size_t from = bytes_of(line, length, skipped);
    size_t n = length - from;
    if (!whole) {
        n = bytes_of(line + from, n, SHOWN - DOTS - (skipped ? DOTS : 0));
        for (int fewer = SHOWN; n > ROOM; fewer--)
            n = bytes_of(line + from, n, fewer);
    }
    d->caret = d->column - skipped + (skipped ? DOTS : 0);
    char *to = d->source;
    if (skipped)
        memcpy(to, "...", DOTS), to += DOTS;
    memcpy(to, line + from, n);
    for (size_t i = 0; i < n; i++)
        if (!to[i])
            to[i] = '?';
    if (from + n < length)
        memcpy(to + n, "...", DOTS);
    gpf__clean(d->source);
}

static void set_place(const gpf__source *s, gpf__place at, gpf_diag *d)
{
    size_t begin = at.from < s->length ? at.from : s->length, end = begin;
    while (begin > 0 && s->text[begin - 1] != '\n')
        begin--;
    while (end < s->length && s->text[end] != '\n' && s->text[end] != '\r')
        end++;
    const size_t from = at.from < end ? at.from : end, to = at.to < end ? at.to : end;
    d->line = at.line;
    d->column = 1 + gpf__characters(s->text + begin, from - begin);
    d->width = gpf__characters(s->text + from, to > from ? to - from : 0);
    if (d->width < 1)
        d->width = 1;
    set_source(s->text + begin, end - begin, d);
}

int gpf__report(gpf__source *s, gpf__place at, int status, const char *format, ...)
{
    if (status == GSL_ENOMEM)
        s->status = status;
    if (status == GPF_ESYNTAX && at.line == s->syntax_line)
        return status;
    if (status == GPF_ESYNTAX)
        s->syntax_line = at.line;
    /* Kept sorted by line: syntax errors are all found before any other. */
    const size_t n = s->n_why < s->max_why ? s->n_why : s->max_why;
    size_t i = n;
    while (i > 0 && s->why[i - 1].line > at.line)
        i--;
    s->n_why++;
    if (i == s->max_why)
        return status;
    memmove(&s->why[i + 1], &s->why[i], ((n < s->max_why ? n : n - 1) - i) * sizeof *s->why);
    gpf_diag *d = &s->why[i];
    memset(d, 0, sizeof *d);
    d->status = status;
    gpf__format(d->file, sizeof d->file, "%s", s->name);
    gpf__clean(d->file);
    if (at.line > 0)
        set_place(s, at, d);
    va_list ap;
    va_start(ap, format);
    gpf__vformat(d->text, sizeof d->text, format, ap);
    va_end(ap);
    gpf__clean(d->text);
    return status;
}

int gpf__report_nomem(gpf__source *s)
{
    if (s->status == GSL_ENOMEM) /* said already, and memory does not come back */
        return GSL_ENOMEM;
    return gpf__report(s, (gpf__place){ 0, 0, 0 }, GSL_ENOMEM, "out of memory");
}

static int read_stream(FILE *f, size_t max, char **text, size_t *length, char *why, size_t why_size)
{
    char *buf = NULL;
    size_t cap = 0, n = 0;
    for (;;) {
        if (gpf__grow(&buf, &cap, n + 65536, 1)) {
            free(buf);
            gpf__format(why, why_size, "out of memory");
            return GSL_ENOMEM;
        }
        const size_t got = fread(buf + n, 1, cap - n, f);
        n += got;
        if (n > max) {
            free(buf);
            gpf__format(why, why_size, "larger than the limit of %zu bytes", max);
            return GPF_ELIMIT;
        }
        if (got == 0)
            break;
    }
    if (ferror(f)) {
        free(buf);
        gpf__format(why, why_size, "cannot be read");
        return GPF_EFILE;
    }
    *text = buf;
    *length = n;
    return GSL_SUCCESS;
}

int gpf__read_file(const char *path, bool streams, size_t max, char **text, size_t *length,
                   char *why, size_t why_size)
{
    if (!strcmp(path, "-"))
        return read_stream(stdin, max, text, length, why, why_size);
    /* Anything but a regular file may block or never end: that is for the user to ask for, not for
     * what a model names. */
    struct stat st;
    if (stat(path, &st)) {
        gpf__format(why, why_size, "%s", errno == ENOENT ? "no such file" : "cannot be read");
        return GPF_EFILE;
    }
    const bool stream = S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode) || S_ISSOCK(st.st_mode);
    if (!S_ISREG(st.st_mode) && !(streams && stream)) {
        gpf__format(why, why_size, S_ISDIR(st.st_mode) ? "is a directory" : "not a regular file");
        return GPF_EFILE;
    }
    FILE *f = fopen(path, "rb");
    if (!f) {
        const bool memory = errno == ENOMEM;
        gpf__format(why, why_size, "%s", memory ? "out of memory" : "cannot be read");
        return memory ? GSL_ENOMEM : GPF_EFILE;
    }
    const int status = read_stream(f, max, text, length, why, why_size);
    fclose(f);
    return status;
}
