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

/* The median of the chunks that fit into `seconds`: of a millisecond, so that most of them end
 * before somebody else is given the processor, or of one repetition. */
static double slice(const contender *c, job *j, double seconds, double *each)
{
    enum { MOST = 256 };
    double t[MOST], total = 0;
    int n = 0;
    while ((t[0] = chunk(c, j, each)) < 0.5e-3)
        j->chunk *= 2;
    do
        total += n ? t[n] = chunk(c, j, each) : t[0];
    while (++n < MOST && total < seconds);
    qsort(t, (size_t)n, sizeof *t, rising);
    return t[n / 2] / (double)j->chunk;
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
