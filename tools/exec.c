/* SPDX-License-Identifier: GPL-3.0-or-later */
/* check --exec: a program that reads points and writes a loss and its gradient, gradproof(1),
 * "PROTOCOL OF --exec". */
#define _POSIX_C_SOURCE 200809L
#include "callback.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct program {
    const cmd *o;
    callback_output out;
    pid_t pid;    /* 0: not running; its process group too */
    int in, from; /* its standard input and output; -1: closed */
    size_t n;     /* variables */
    size_t answers;
    char *request; /* request_size bytes */
    size_t request_size, request_room;
    char *got; /* n_got bytes it wrote that are not used yet, room for more and a 0 */
    size_t n_got, got_room, scanned; /* no end of a line in the first `scanned` */
    double *x;                       /* n: of the last answer, */
    numbers answer;                  /* n + 1 of them; fewer while lines of it are still to come */
    char short_line[80];             /* the last of these, quoted */
    size_t digits[2];                /* of the longest loss and derivative so far */
    int f_used, df_used;             /* what was asked of it so far */
    char note[100];
    gpf_diag why; /* of the first failure */
} program;

/* The command as errors name it. */
#define NAMED "'%.80s'"

/* What it last wrote, on one line: " \"..\"". */
static const char *last_words(const program *p, char *buf, size_t size)
{
    enum { MOST = 60 };
    size_t n = p->n_got;
    while (n && (p->got[n - 1] == '\n' || p->got[n - 1] == '\r'))
        n--;
    size_t from = n;
    while (from && p->got[from - 1] != '\n' && n - from < MOST)
        from--;
    snprintf(buf, size, "%s\"%.*s\"", from && p->got[from - 1] != '\n' ? ".." : "", (int)(n - from),
             n ? p->got + from : "");
    return buf;
}

/* A line, as far as it is worth showing. */
static const char *quoted(const char *line, char *buf, size_t size)
{
    const size_t n = strcspn(line, "\r\n");
    snprintf(buf, size, "\"%.*s%s\"", n > 60 ? 60 : (int)n, line, n > 60 ? ".." : "");
    return buf;
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* It is sent its end of input and has a moment to come to its own; then it is killed, with all it
 * started. Returns the wait status. */
static int finish(program *p, double patience)
{
    int status = 0, done = 0;
    char rest[4096];
    const double end = cmd_now() + patience;
    if (!p->pid)
        return 0;
    close_end(&p->in);
    while (!done && cmd_now() < end) {
        struct pollfd out = { .fd = p->from, .events = POLLIN };
        poll(&out, 1, 10); /* what it still writes must not hold it up */
        if (out.revents && read(p->from, rest, sizeof rest) == 0)
            close_end(&p->from);
        done = waitpid(p->pid, &status, WNOHANG) == p->pid;
    }
    kill(-p->pid, SIGKILL);
    while (!done && waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
        ;
    close_end(&p->from);
    p->pid = 0;
    return status;
}

/* It is gone, or has closed its output, which comes to the same. */
static int fail_ended(program *p)
{
    char words[160] = "", how[120], buf[120];
    if (p->n_got)
        snprintf(words, sizeof words, "; it last wrote %s", last_words(p, buf, sizeof buf));
    const int status = finish(p, 1);
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    const int sig = WIFSIGNALED(status)        ? WTERMSIG(status)
                    : code > 128 && code < 160 ? code - 128
                                               : 0;
    if (sig == SIGKILL)
        snprintf(how, sizeof how, "closed its output, or was killed,");
    else if (sig)
        snprintf(how, sizeof how, "died of signal %d (%s)", sig, strsignal(sig));
    else
        snprintf(how, sizeof how, "ended with exit status %d%s", code,
                 code == 127   ? " (no such command)"
                 : code == 126 ? " (not executable)"
                               : "");
    if (p->answer.n)
        snprintf(words, sizeof words, ", of which %zu of %zu numbers had come: %s", p->answer.n,
                 p->n + 1, p->short_line);
    return callback_diag(&p->why, GSL_EFAILED, NAMED " %s before its answer %zu%s%s", p->o->exec,
                         how, p->answers + 1, words,
                         p->answers && !sig && !code ? "; it has to go on until its input ends"
                                                     : "");
}

static int fail_limit(program *p, size_t sent)
{
    char words[160], buf[120];
    if (p->n_got)
        snprintf(words, sizeof words, ": it has written %s and no end of the line",
                 last_words(p, buf, sizeof buf));
    else
        snprintf(words, sizeof words, "%s",
                 sent < p->request_size ? ": it does not read its input"
                                        : "; does it flush its output after every answer?");
    return callback_diag(&p->why, GPF_ELIMIT, NAMED " gave no answer %zu within %g s%s", p->o->exec,
                         p->answers + 1, p->o->time_limit, words);
}

_Noreturn static void become(const cmd *o, long parent, int in, int out)
{
    setpgid(0, 0);
    guard_die_with(parent);
    signal(SIGINT, SIG_DFL);
    signal(SIGPIPE, SIG_DFL);
    if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
        execl("/bin/sh", "sh", "-c", o->exec, (char *)NULL);
    _exit(127);
}

/* A pipe whose ends are not inherited, end `ours` of which does not block. */
static int open_pipe(int ends[2], int ours)
{
    if (pipe(ends))
        return -1;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return fcntl(ends[ours], F_SETFL, fcntl(ends[ours], F_GETFL) | O_NONBLOCK);
}

static int launch(program *p)
{
    int in[2] = { -1, -1 }, out[2] = { -1, -1 };
    const long parent = (long)getpid();
    fflush(NULL);
    if (!open_pipe(in, 1) && !open_pipe(out, 0))
        p->pid = fork();
    else
        p->pid = -1;
    if (p->pid == 0)
        become(p->o, parent, in[0], out[1]);
    const int error = errno;
    close_end(&in[0]);
    close_end(&out[1]);
    p->in = in[1];
    p->from = out[0];
    if (p->pid > 0) {
        setpgid(p->pid, p->pid); /* here too: whoever comes first */
        return GSL_SUCCESS;
    }
    close_end(&p->in);
    close_end(&p->from);
    p->pid = 0;
    return callback_diag(&p->why, GSL_EFAILED, NAMED ": no process: %s", p->o->exec,
                         strerror(error));
}

static void drop(program *p, size_t n)
{
    p->n_got -= n;
    p->scanned = 0;
    memmove(p->got, p->got + n, p->n_got + 1);
}

/* The length of the first line with its end, 0 if that is not there yet. */
static size_t first_line(program *p)
{
    const char *end =
        p->n_got > p->scanned ? memchr(p->got + p->scanned, '\n', p->n_got - p->scanned) : NULL;
    p->scanned = p->n_got;
    return end ? (size_t)(end - p->got) + 1 : 0;
}

/* Is what is left of next_line nothing that an answer begins with? */
static int nothing_left(const program *p)
{
    return !p->n_got || *p->got == '#';
}

/* Drops blanks and comments, whole or begun, in front of the first line. */
static size_t next_line(program *p)
{
    enum { MOST = 4096 };
    size_t n;
    for (;;) {
        const size_t blank = p->n_got ? strspn(p->got, " \t\r\n\v\f") : 0;
        if (blank)
            drop(p, blank);
        n = first_line(p);
        if (!n || *p->got != '#')
            break;
        drop(p, n);
    }
    if (nothing_left(p) && p->n_got > MOST) { /* a comment that may never end */
        p->n_got = p->scanned = 1;
        p->got[1] = '\0';
    }
    return n;
}

static const char *expected_numbers(const program *p, char *buf, size_t size)
{
    snprintf(buf, size, "%zu numbers expected (the loss and %zu derivative%s)", p->n + 1, p->n,
             p->n == 1 ? "" : "s");
    return buf;
}

static int fail_count(program *p, size_t found, const char *line)
{
    char expected[120];
    return callback_diag(&p->why, GPF_EDATA, "answer %zu of " NAMED ": %s, %zu found: %s",
                         p->answers + 1, p->o->exec, expected_numbers(p, expected, sizeof expected),
                         found, line);
}

/* The digits of the longest number in n bytes. */
static size_t digits_in(const char *text, size_t n)
{
    size_t most = 0, digits = 0;
    for (const char *c = text; c < text + n; c++) {
        if (*c >= '0' && *c <= '9')
            digits += digits || *c != '0'; /* not those in front */
        else if (*c != '.')
            digits = 0;
        if (digits > most)
            most = digits;
    }
    return most;
}

static void note_digits(program *p, const char *line, size_t n, int has_loss)
{
    static const char between[] = ", \t\r\n\v\f";
    const size_t begin = strspn(line, between);
    const size_t loss = has_loss ? begin + strcspn(line + begin, between) : 0;
    const size_t digits[] = { digits_in(line, loss), digits_in(line + loss, n - loss) };
    for (int i = 0; i < 2; i++)
        if (digits[i] > p->digits[i])
            p->digits[i] = digits[i];
}

/* Appends the numbers of a line of n bytes to the answer; the line is gone then. */
static int take_line(program *p, size_t n)
{
    const char *bad;
    char words[120];
    const size_t text = n && p->got[n - 1] == '\n' ? n - 1 : n;
    const char after = p->got[text];
    p->got[text] = '\0';
    const int begins = p->answer.n == 0;
    int status = numbers_read(&p->answer, p->got, &bad);
    if (status == GSL_ENOMEM)
        callback_diag(&p->why, status, "%s", gpf_strerror(status));
    else if (!status && strlen(p->got) < text)
        status = callback_diag(&p->why, GPF_EDATA, "answer %zu of " NAMED ": a byte that is 0",
                               p->answers + 1, p->o->exec);
    else if (status)
        status =
            callback_diag(&p->why, GPF_EDATA, "answer %zu of " NAMED ": no line of numbers: %s%s",
                          p->answers + 1, p->o->exec, quoted(p->got, words, sizeof words),
                          strpbrk(bad, "[](){}") ? "; numbers only, without brackets"
                          : p->answers           ? ""
                                       : "; nothing but answers may stand on standard output");
    else if (p->answer.n > p->n + 1)
        status = fail_count(p, p->answer.n, quoted(p->got, words, sizeof words));
    if (!status) {
        note_digits(p, p->got, text, begins);
        quoted(p->got, p->short_line, sizeof p->short_line);
    }
    p->got[text] = after;
    if (status)
        return status;
    drop(p, n);
    return p->answer.n == p->n + 1 ? GSL_SUCCESS : GSL_CONTINUE;
}

/* One answer out of what came: GSL_SUCCESS, GSL_CONTINUE where more has to come, or p->why. end: no
 * more will. It may be broken into lines, as Fortran's write (*,*) does after 80 columns. */
static int take_text(program *p, int end)
{
    const size_t most = 4096 + 64 * (p->n + 1);
    int status = GSL_CONTINUE;
    while (status == GSL_CONTINUE) {
        size_t n = next_line(p);
        if (nothing_left(p))
            break;
        if (!n && end)
            n = p->n_got;
        if ((n ? n : p->n_got) > most)
            return callback_diag(&p->why, GPF_ELIMIT,
                                 "answer %zu of " NAMED
                                 ": a line of more than %zu bytes for %zu numbers",
                                 p->answers + 1, p->o->exec, most, p->n + 1);
        if (!n)
            break;
        status = take_line(p, n);
    }
    return status;
}

/* An answer is an array of n + 1 doubles, least byte first, in a file of version 1 to 3 of the
 * format. */
static int take_npy(program *p, int end)
{
    static const char magic[] = "\x93NUMPY";
    const unsigned char *b = (const unsigned char *)p->got;
    char header[1024], expected[120], words[120];
    (void)end;
    if (memcmp(b, magic, p->n_got < 6 ? p->n_got : 6))
        return callback_diag(&p->why, GPF_EDATA, "answer %zu of " NAMED " is no .npy file: %s",
                             p->answers + 1, p->o->exec, quoted(p->got, words, sizeof words));
    if (p->n_got < 12)
        return GSL_CONTINUE;
    const size_t at = b[6] == 1 ? 10 : 12;
    const size_t length = b[8] + 256u * b[9] + (b[6] == 1 ? 0 : 65536u * b[10] + 16777216u * b[11]);
    if (b[6] < 1 || b[6] > 3 || length >= sizeof header)
        return callback_diag(&p->why, GPF_EDATA,
                             "answer %zu of " NAMED
                             ": .npy version %d, header of %zu bytes: not read",
                             p->answers + 1, p->o->exec, b[6], length);
    if (p->n_got < at + length)
        return GSL_CONTINUE;
    memcpy(header, b + at, length);
    header[length] = '\0';
    const char *shape = strstr(header, "'shape':");
    size_t count = 1;
    for (const char *c = shape ? strchr(shape, '(') : NULL; c && *c && *c != ')';) {
        c += strspn(c, "(, ");
        if (*c >= '0' && *c <= '9') {
            const unsigned long long size = strtoull(c, NULL, 10);
            count = size && count > p->n + 1 ? count : count * (size < p->n + 2 ? size : p->n + 2);
        }
        c += strcspn(c, ",)");
    }
    if (!shape || !strstr(header, "'descr': '<f8'"))
        return callback_diag(&p->why, GPF_EDATA,
                             "answer %zu of " NAMED
                             ": an array of '<f8' (float64) expected, found %s",
                             p->answers + 1, p->o->exec, quoted(header, words, sizeof words));
    if (count != p->n + 1)
        return callback_diag(
            &p->why, GPF_EDATA, "answer %zu of " NAMED ": %s, found %s", p->answers + 1, p->o->exec,
            expected_numbers(p, expected, sizeof expected), quoted(shape, words, sizeof words));
    if (p->n_got < at + length + 8 * count)
        return GSL_CONTINUE;
    p->answer.n = 0;
    for (size_t i = 0; i < count; i++) {
        const unsigned char *from = b + at + length + 8 * i;
        uint64_t bits = 0;
        double x;
        for (int k = 7; k >= 0; k--)
            bits = bits << 8 | from[k];
        memcpy(&x, &bits, sizeof x);
        if (numbers_add(&p->answer, x))
            return callback_diag(&p->why, GSL_ENOMEM, "%s", gpf_strerror(GSL_ENOMEM));
    }
    drop(p, at + length + 8 * count);
    return GSL_SUCCESS;
}

static int reserve(char **buf, size_t *room, size_t need)
{
    if (*room >= need)
        return GSL_SUCCESS;
    char *more = realloc(*buf, need + *room);
    if (!more)
        return GSL_ENOMEM;
    *buf = more;
    *room += need;
    return GSL_SUCCESS;
}

static int ask_text(program *p, const double *x)
{
    char *to;
    if (reserve(&p->request, &p->request_room, 26 * p->n + 2))
        return GSL_ENOMEM;
    to = p->request;
    for (size_t i = 0; i < p->n; i++)
        to += snprintf(to, 26, "%s%.17g", i ? " " : "", x[i]);
    *to++ = '\n';
    p->request_size = (size_t)(to - p->request);
    return GSL_SUCCESS;
}

static int ask_npy(program *p, const double *x)
{
    enum { HEADER = 128 };
    if (reserve(&p->request, &p->request_room, HEADER + 8 * p->n))
        return GSL_ENOMEM;
    char *h = p->request;
    memcpy(h, "\x93NUMPY\x01\x00", 8);
    h[8] = HEADER - 10;
    h[9] = 0;
    const int used = snprintf(h + 10, HEADER - 10,
                              "{'descr': '<f8', 'fortran_order': False, 'shape': (%zu,), }", p->n);
    memset(h + 10 + used, ' ', (size_t)(HEADER - 10 - used));
    h[HEADER - 1] = '\n';
    for (size_t i = 0; i < p->n; i++) {
        uint64_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        for (int k = 0; k < 8; k++)
            h[HEADER + 8 * i + (size_t)k] = (char)(bits >> 8 * k & 255);
    }
    p->request_size = HEADER + 8 * p->n;
    return GSL_SUCCESS;
}

typedef struct format {
    const char *name;
    int (*ask)(program *p, const double *x); /* makes the request */
    int (*take)(program *p, int end);
} format;

/* In the order of CMD_LINES, CMD_NPY. */
static const format formats[] = { { "lines", ask_text, take_text }, { "npy", ask_npy, take_npy } };

/* More of what it writes: the number of bytes, 0 at its end, -1 for not now. */
static ssize_t read_more(program *p)
{
    enum { CHUNK = 1 << 16 };
    if (reserve(&p->got, &p->got_room, p->n_got + CHUNK + 1)) {
        callback_diag(&p->why, GSL_ENOMEM, "%s", gpf_strerror(GSL_ENOMEM));
        return 0;
    }
    const ssize_t n = read(p->from, p->got + p->n_got, CHUNK);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? -1 : 0;
    p->n_got += (size_t)n;
    p->got[p->n_got] = '\0';
    return n;
}

/* It has been waited for long enough. */
static int fail_waiting(program *p, size_t sent)
{
    if (cmd_interrupted())
        return callback_diag(&p->why, GPF_ECANCEL,
                             "interrupted while waiting for answer %zu of " NAMED, p->answers + 1,
                             p->o->exec);
    return p->answer.n ? fail_count(p, p->answer.n, p->short_line) : fail_limit(p, sent);
}

/* Sends the request and reads at the same time, so that neither waits for the other with both pipes
 * full. */
static int exchange(program *p, const format *as)
{
    const double limit = p->o->time_limit, patience = 1; /* s */
    double until = limit > 0 ? cmd_now() + limit : HUGE_VAL, hurried = 0;
    size_t sent = 0, had = 0;
    int end = 0, status = GSL_CONTINUE;
    p->answer.n = 0;
    for (;;) {
        if (status == GSL_CONTINUE && p->n_got)
            status = as->take(p, end);
        if (status != GSL_CONTINUE && (status != GSL_SUCCESS || sent == p->request_size))
            return status;
        if (end)
            return fail_ended(p);
        /* An answer that has begun goes on at once, and who says ^C does not want to wait. */
        if (p->answer.n > had || (cmd_interrupted() && hurried == 0)) {
            hurried = cmd_now() + patience;
            had = p->answer.n;
        }
        const double last = hurried > 0 && hurried < until ? hurried : until;
        const double left = last - cmd_now();
        struct pollfd fds[2] = { { .fd = status == GSL_CONTINUE ? p->from : -1, .events = POLLIN },
                                 { .fd = sent < p->request_size ? p->in : -1, .events = POLLOUT } };
        const int ready = poll(fds, 2, left <= 0 ? 0 : left > 0.2 ? 200 : (int)(left * 1000) + 1);
        if (ready == 0 && left <= 0)
            return fail_waiting(p, sent);
        if (ready <= 0)
            continue;
        if (fds[0].revents && read_more(p) == 0)
            end = 1;
        if (p->why.status)
            return p->why.status;
        if (fds[1].revents) {
            const ssize_t n = write(p->in, p->request + sent, p->request_size - sent);
            if (n > 0)
                sent += (size_t)n;
            else if (n < 0 && errno != EAGAIN && errno != EINTR)
                sent = p->request_size; /* it reads no more: what it writes says why */
        }
    }
}

/* An answer that is longer than one makes all that follow wrong. */
static int check_quiet(program *p)
{
    char words[120];
    while (p->n_got < 4096 && read_more(p) > 0)
        ;
    if (p->why.status)
        return p->why.status;
    if (p->o->exec_format == CMD_LINES)
        next_line(p);
    p->scanned = 0;
    if (!p->n_got || (p->o->exec_format == CMD_LINES && nothing_left(p)))
        return GSL_SUCCESS;
    return callback_diag(&p->why, GPF_EDATA, NAMED " wrote more than answer %zu: %s", p->o->exec,
                         p->answers, quoted(p->got, words, sizeof words));
}

/* p->answer for x; nonzero with p->why. */
static int ask(program *p, const double *x)
{
    const format *as = &formats[p->o->exec_format];
    p->f_used = p->df_used = 0;
    if (!p->why.status && !p->pid)
        launch(p);
    if (!p->why.status && p->answers)
        check_quiet(p);
    if (!p->why.status && as->ask(p, x))
        callback_diag(&p->why, GSL_ENOMEM, "%s", gpf_strerror(GSL_ENOMEM));
    if (!p->why.status)
        exchange(p, as);
    if (p->why.status) {
        finish(p, 0);
        return p->why.status;
    }
    p->answers++;
    memcpy(p->x, x, p->n * sizeof *x);
    return GSL_SUCCESS;
}

/* The last answer serves one call of f and one of df: who asks a second time wants to see whether
 * it is the same. */
static int answer(program *p, const gsl_vector *x, int *used)
{
    double *copy = NULL;
    const double *now = x->data;
    int known = p->answers && !*used;
    if (x->stride != 1) {
        copy = malloc(p->n * sizeof *copy);
        for (size_t i = 0; copy && i < p->n; i++)
            copy[i] = gsl_vector_get(x, i);
        now = copy;
    }
    if (!now)
        callback_diag(&p->why, GSL_ENOMEM, "%s", gpf_strerror(GSL_ENOMEM));
    else if (!known || memcmp(p->x, now, p->n * sizeof *now))
        ask(p, now);
    *used = 1;
    free(copy);
    return p->why.status;
}

static double ask_f(const gsl_vector *x, void *params)
{
    program *p = params;
    return answer(p, x, &p->f_used) ? NAN : p->answer.x[0];
}

static void ask_df(const gsl_vector *x, void *params, gsl_vector *df)
{
    program *p = params;
    const int failed = answer(p, x, &p->df_used);
    for (size_t i = 0; i < p->n; i++)
        gsl_vector_set(df, i, failed ? NAN : p->answer.x[1 + i]);
}

static int stop(void *arg)
{
    const program *p = arg;
    return p->why.status || cmd_interrupted();
}

static const gpf_diag *failed(void *arg)
{
    const program *p = arg;
    return p->why.status ? &p->why : NULL;
}

/* Digits that are not written look like noise, or like an error. Numbers that are short by nature
 * are shorter still, or not so at many points. */
static const char *note(void *arg)
{
    enum { SHORTEST = 4, LONGEST = 10, ANSWERS = 8 };
    static const char *const what[] = { "loss", "derivatives" };
    program *p = arg;
    for (int i = 0; i < 2 && p->answers >= ANSWERS; i++)
        if (p->digits[i] >= SHORTEST && p->digits[i] <= LONGEST) {
            snprintf(p->note, sizeof p->note,
                     "the program writes its %s with no more than %zu digits; 17 keep all", what[i],
                     p->digits[i]);
            return p->note;
        }
    return NULL;
}

static int put(void *arg, const callback_result *r)
{
    program *p = arg;
    return callback_show(&p->out, r);
}

int exec_check(const cmd *o, callback_input *in)
{
    program p = { .o = o, .in = -1, .from = -1, .out.o = o, .n = callback_input_variables(in) };
    gsl_multimin_function_fdf f = { .f = ask_f, .df = ask_df, .n = p.n, .params = &p };
    const callback c = { .o = o,
                         .name = o->exec,
                         .what = "loss and gradient",
                         .kind = gpf_fdf_kind_find("multimin"),
                         .structure = &f,
                         .arg = &p,
                         .stop = stop,
                         .failed = failed,
                         .note = note,
                         .put = put };
    if (!o->exec[strspn(o->exec, " \t\n")])
        return cmd_usage(o, "--exec takes a command", "");
    p.x = malloc(p.n * sizeof *p.x);
    if (!p.x)
        return cmd_fail_status(o, GSL_ENOMEM, NULL);
    signal(SIGPIPE, SIG_IGN);
    p.out.points = callback_input_points(in, p.n);
    callback_run(&c, in);
    finish(&p, 1);
    signal(SIGPIPE, SIG_DFL);
    free(p.x);
    free(p.request);
    free(p.got);
    free(p.answer.x);
    return callback_close(&p.out);
}
