/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ^C, the clock and a bar, for the verbs that take their time. */
#define _POSIX_C_SOURCE 200809L /* sigaction, clock_gettime, isatty */
#include "cmd.h"
#include <signal.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void note_interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
}

void cmd_watch_interrupt(void)
{
    struct sigaction before,
        ours = { .sa_handler = note_interrupt, .sa_flags = (int)SA_RESETHAND | SA_RESTART };
    sigemptyset(&ours.sa_mask);
    /* Started in the background by a shell, ^C is not meant for us. */
    if (!sigaction(SIGINT, NULL, &before) && before.sa_handler != SIG_IGN)
        sigaction(SIGINT, &ours, NULL);
}

int cmd_interrupted(void)
{
    return interrupted;
}

double cmd_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

cmd_progress cmd_progress_start(const cmd *o)
{
    return (cmd_progress){ .start = cmd_now(), .wanted = isatty(STDERR_FILENO) && !o->quiet };
}

int cmd_progress_show(void *progress, size_t done, size_t total)
{
    enum { WIDTH = 20 };
    static const char bar[] = "####################                    ";
    cmd_progress *p = progress;
    double t = cmd_now(), part = total ? (double)done / (double)total : 0;
    if (p->wanted && t - p->start > 0.5 && t - p->drawn > 0.1) {
        int full = (int)(part * WIDTH);
        fprintf(stderr, "\rchecking %3d%% [%.*s] %zu/%zu", (int)(part * 100), WIDTH,
                bar + WIDTH - full, done, total);
        if (part > 0)
            fprintf(stderr, "  %.0f s left", (t - p->start) * (1 - part) / part);
        fputs("\033[K", stderr);
        p->drawn = t;
        p->visible = 1;
    }
    return p->stop ? p->stop(p->stop_arg) : cmd_interrupted();
}

void cmd_progress_end(const cmd_progress *p)
{
    if (p->visible)
        fputs("\r\033[K", stderr);
}
