/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A process of its own for code that may do anything.
 *
 * What it is doing stands in memory that both processes share, so that the one that is left can say
 * it: no handler has to run in what is broken, a library may even end the process, and the report
 * goes through a pipe of its own, apart from what the library prints. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#define _POSIX_C_SOURCE 200809L
#include "callback.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

enum { SHOWN = 6 };

typedef struct shared {
    _Atomic unsigned long serial; /* of enters and leaves; odd: in a call */
    atomic_int stop, ended;
    _Atomic size_t points;
    const char *function; /* of static storage, the same in both */
    size_t n;             /* variables of x */
    double x[SHOWN];      /* the first of them */
    double t;             /* NaN: none */
} shared;

static shared *board; /* NULL: there is no second process */
static int to_parent = -1;

void guard_enter(const char *function, const double *x, size_t n, size_t stride, const double *t)
{
    if (!board)
        return;
    board->function = function;
    board->n = n;
    for (size_t i = 0; i < n && i < SHOWN; i++)
        board->x[i] = x[i * stride];
    board->t = t ? *t : NAN;
    atomic_fetch_add(&board->serial, 1);
}

void guard_leave(void)
{
    if (board)
        atomic_fetch_add(&board->serial, 1);
}

const char *guard_function(void)
{
    return board && atomic_load(&board->serial) & 1 ? board->function : NULL;
}

int guard_stop(void *arg)
{
    (void)arg;
    return board && atomic_load(&board->stop);
}

void guard_expect(size_t points)
{
    if (board)
        atomic_store(&board->points, points);
}

void guard_die_with(long parent)
{
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    if (getppid() != (pid_t)parent)
        _exit(GPF_OUTCOME_TROUBLE);
}

/* A result on its way: this, then the diag or size bytes of a report. */
typedef struct frame {
    int outcome, is_why;
    size_t size;
} frame;

static int write_all(const void *data, size_t size)
{
    for (const char *p = data; size;) {
        const ssize_t n = write(to_parent, p, size);
        if (n < 0 && errno != EINTR)
            return GSL_EFAILED;
        if (n > 0) {
            p += n;
            size -= (size_t)n;
        }
    }
    return GSL_SUCCESS;
}

int guard_put(void *arg, const callback_result *r)
{
    (void)arg;
    const frame f = { r->outcome, r->why != NULL, r->why ? sizeof *r->why : r->size };
    const int status = write_all(&f, sizeof f);
    return status ? status : write_all(r->why ? (const void *)r->why : r->report, f.size);
}

_Noreturn static void child(const guard *g, long parent, int out)
{
    /* ^C is the parent's, who says so in `stop`. */
    signal(SIGINT, SIG_IGN);
    guard_die_with(parent);
    to_parent = out;
    /* What the library prints is not to stand in the report. */
    dup2(STDERR_FILENO, STDOUT_FILENO);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    g->run(g->arg);
    atomic_store(&board->ended, 1);
    exit(0);
}

/* Bytes that came, of frames that are not whole yet. */
typedef struct inbox {
    char *data;
    size_t n, room;
} inbox;

/* Reads what there is; 0 at the end, negative on errors. */
static ssize_t receive(inbox *in, int from)
{
    enum { CHUNK = 1 << 16 };
    if (in->room - in->n < CHUNK) {
        char *more = realloc(in->data, in->room + in->n + CHUNK);
        if (!more)
            return -1;
        in->data = more;
        in->room += in->n + CHUNK;
    }
    const ssize_t n = read(from, in->data + in->n, in->room - in->n);
    in->n += n > 0 ? (size_t)n : 0;
    return n < 0 && errno == EINTR ? 1 : n;
}

/* Shows the results that are whole. */
static void show_frames(inbox *in, callback_output *out)
{
    frame f;
    size_t used = 0;
    out->points = atomic_load(&board->points);
    while (in->n - used >= sizeof f) {
        memcpy(&f, in->data + used, sizeof f);
        if (in->n - used - sizeof f < f.size)
            break;
        gpf_diag why;
        callback_result r = { .outcome = f.outcome, .size = f.size };
        r.report = in->data + used + sizeof f;
        if (f.is_why && f.size == sizeof why) {
            memcpy(&why, r.report, sizeof why);
            r.why = &why;
        }
        callback_show(out, &r);
        used += sizeof f + f.size;
    }
    memmove(in->data, in->data + used, in->n - used);
    in->n -= used;
}

/* Says what the other process was doing, and how it ended: what. */
static void show_end(const guard *g, callback_output *out, const char *what, const char *advice)
{
    char at[200] = "", place[300];
    gpf_diag why;
    const int inside = atomic_load(&board->serial) & 1;
    if (board->n) {
        char x[160];
        callback_point_text(board->x, board->n < SHOWN ? board->n : SHOWN, board->n, x, sizeof x);
        if (isnan(board->t))
            snprintf(at, sizeof at, " at x = %s", x);
        else
            snprintf(at, sizeof at, " at t = %.10g, y = %s", board->t, x);
    }
    if (!board->function)
        snprintf(place, sizeof place, "before any of its functions was called: the process");
    else if (!inside)
        snprintf(place, sizeof place, "after %s of %.100s had returned%s: the process",
                 board->function, g->symbol, at);
    else if (!board->n)
        snprintf(place, sizeof place, "%s", board->function);
    else
        snprintf(place, sizeof place, "%s of %.100s%s", board->function, g->symbol, at);
    callback_diag(&why, GSL_EFAILED, "%.100s: %s %s%s", g->file, place, what, advice);
    callback_show(out, &(callback_result){ GPF_OUTCOME_TROUBLE, &why, NULL, 0 });
}

static void show_status(const guard *g, callback_output *out, int status)
{
    char what[120];
    const int outside = !(atomic_load(&board->serial) & 1);
    if (WIFSIGNALED(status))
        snprintf(what, sizeof what, "%s: %s",
                 WTERMSIG(status) == SIGABRT   ? "aborted"
                 : WTERMSIG(status) == SIGKILL ? "was killed"
                                               : "crashed",
                 strsignal(WTERMSIG(status)));
    else
        snprintf(what, sizeof what, "ended the process, exit status %d", WEXITSTATUS(status));
    show_end(g, out, what,
             outside && board->function ? "; memory may have been written to that is not its own"
                                        : "");
}

/* 1: nothing comes any more, even if what it started still holds the pipe. */
static int is_gone(pid_t pid)
{
    siginfo_t info = { .si_pid = 0 };
    return atomic_load(&board->ended) ||
           (!waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid == pid);
}

/* Waits for results until the other process is through, dead, or over the limit of a call: 1 then.
 * The time that counts is what this process saw pass: not that in which both were stopped. */
static int supervise(const guard *g, callback_output *out, int from, pid_t pid)
{
    enum { SLICE = 200 }; /* ms */
    const double limit = g->o->time_limit;
    const int slice = limit > 0 && limit * 1000 < 4 * SLICE ? (int)(limit * 250) + 1 : SLICE;
    inbox in = { 0 };
    unsigned long serial = 0;
    double spent = 0, before = cmd_now();
    int over = 0;
    for (;;) {
        struct pollfd p = { .fd = from, .events = POLLIN };
        const int gone = is_gone(pid); /* asked first: what it wrote is there by then */
        const int ready = poll(&p, 1, gone ? 0 : slice);
        if (cmd_interrupted())
            atomic_store(&board->stop, 1);
        if (ready > 0) {
            if (receive(&in, from) <= 0)
                break;
            show_frames(&in, out);
            continue;
        }
        if (gone)
            break;
        const unsigned long seen = atomic_load(&board->serial);
        const double now = cmd_now(), passed = now - before;
        before = now;
        spent = seen != serial || !(seen & 1) ? 0 : spent + (passed < 1 ? passed : 0);
        serial = seen;
        if (limit > 0 && spent >= limit) {
            over = 1;
            break;
        }
    }
    free(in.data);
    return over;
}

/* The end of a process whose work is done: its own exit functions may run, but not for ever. */
static int reap(pid_t pid, int kill_now)
{
    enum { PATIENCE = 100 }; /* of 20 ms */
    int status = 0;
    if (kill_now)
        kill(pid, SIGKILL);
    for (int i = 0; !kill_now && i < PATIENCE; i++) {
        if (waitpid(pid, &status, WNOHANG) == pid)
            return status;
        poll(NULL, 0, 20);
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static int start(const guard *g, callback_output *out)
{
    int ends[2];
    const long parent = (long)getpid();
    if (pipe(ends))
        return cmd_failf(g->o, GSL_EFAILED, "no pipe: %s", strerror(errno));
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        child(g, parent, ends[1]);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return cmd_failf(g->o, GSL_EFAILED, "no process: %s", strerror(errno));
    }
    const int over = supervise(g, out, ends[0], pid);
    close(ends[0]);
    const int status = reap(pid, over);
    if (isatty(STDERR_FILENO) && !atomic_load(&board->ended))
        fputs("\r\033[K", stderr); /* a bar that is still there */
    if (over) {
        char what[64];
        snprintf(what, sizeof what, "did not return within %g s", g->o->time_limit);
        show_end(g, out, what, " (--time-limit)");
    } else if (!atomic_load(&board->ended)) {
        show_status(g, out, status);
    }
    return callback_close(out);
}

int guard_run(const guard *g, callback_output *out)
{
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED) {
        board = NULL;
        return cmd_fail_status(g->o, GSL_ENOMEM, NULL);
    }
    const int status = start(g, out);
    munmap(board, sizeof *board);
    board = NULL;
    return status;
}
