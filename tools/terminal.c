/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ^C, the clock and colours: what the verbs that take their time share. */
#define _POSIX_C_SOURCE 200809L /* sigaction, clock_gettime */
#include "cmd.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
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

int cmd_use_color(const cmd *o)
{
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
    if (o->color != CMD_AUTO)
        return o->color == CMD_ALWAYS;
    return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") && !(no && *no);
}
