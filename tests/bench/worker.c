/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _DEFAULT_SOURCE /* clock_gettime, getrusage */
#include "worker.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* Jobs stay open: a row may ask for two in turn. */
typedef struct job {
    char text[256];
    void *of;
    long chunk; /* repetitions between two looks at the clock */
} job;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static job *find(const contender *c, const char *text)
{
    enum { MAX_JOBS = 64 };
    static job jobs[MAX_JOBS];
    static int n;
    work w;
    int i = 0;
    while (i < n && strcmp(jobs[i].text, text))
        i++;
    if (i == MAX_JOBS)
        return NULL;
    if (i == n) {
        snprintf(jobs[n].text, sizeof jobs[n].text, "%s", text);
        jobs[n].chunk = 1;
        jobs[n++].of = work_parse(text, &w) ? c->open(&w) : NULL;
    }
    return jobs[i].of ? &jobs[i] : NULL;
}

/* One chunk; allocations per repetition into *each. */
static double chunk(const contender *c, const job *j, double *each)
{
    const unsigned long before = c->allocations ? c->allocations() : 0;
    const double start = now();
    c->run(j->of, j->chunk);
    const double t = now() - start;
    *each = c->allocations ? (double)(c->allocations() - before) / (double)j->chunk : NAN;
    return t;
}

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The median of five chunks of a fifth of `seconds` each, after shorter ones that warm up; what
 * takes all of `seconds` at once is its own slice. */
static double slice(const contender *c, job *j, double seconds, double *each)
{
    double t[5];
    while ((t[0] = chunk(c, j, each)) < seconds / 10)
        j->chunk *= 2;
    if (t[0] < seconds) {
        for (int i = 0; i < 5; i++)
            t[i] = chunk(c, j, each);
        qsort(t, 5, sizeof *t, rising);
        t[0] = t[2];
    }
    return t[0] / (double)j->chunk;
}

static void answer_time(const contender *c, job *j, double seconds)
{
    double each;
    struct rusage use;
    c->reset(j->of);
    const double t = slice(c, j, seconds, &each);
    getrusage(RUSAGE_SELF, &use);
    printf("ok %.9g %.9g %ld\n", t, each, use.ru_maxrss);
}

int worker_main(const contender *c)
{
    char line[512];
    while (fgets(line, sizeof line, stdin)) {
        double v[3], seconds;
        int at = 0;
        job *j;
        line[strcspn(line, "\n")] = 0;
        if (!strcmp(line, "version"))
            printf("ok %s\n", c->version);
        else if (!strncmp(line, "values ", 7) && c->values && (j = find(c, line + 7))) {
            c->reset(j->of);
            c->values(j->of, v);
            printf("ok %.17g %.17g %.17g\n", v[0], v[1], v[2]);
        } else if (sscanf(line, "time %lf %n", &seconds, &at) == 1 && at &&
                   (j = find(c, line + at)))
            answer_time(c, j, seconds);
        else
            puts("no");
        fflush(stdout);
    }
    return 0;
}
