/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ^C and the clock, for the verbs that take their time. */
#define _POSIX_C_SOURCE 200809L /* sigaction, clock_gettime */
#include "cmd.h"
#include <signal.h>
#include <time.h>

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
