/* SPDX-License-Identifier: GPL-3.0-or-later */
/* make bench: all contenders side by side, in rounds, as medians and ratios, with the targets.
 *
 * A contender is a process (worker.h). A round gives each of them one slice in turn, so that what
 * disturbs the machine disturbs all alike; ratios are taken within rounds. */
#define _DEFAULT_SOURCE /* wait4, fork, usleep */
#include "work.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef enum who {
    PRODUCT,
    PRODUCT_ALL, /* on all processors */
    HAND,
    HAND_BLAS,   /* its BLAS on all processors */
    HAND_OPENMP, /* its loop over units on all processors */
    HAND_GSL,
    NAIVE,
    LINKS,
    NUMPY,
    TORCH,
    FANN,
    ADOLC,
    N_WHO,
    NOBODY = N_WHO
} who;

enum { ONE = 1, ALL = 0 };

static const struct contender {
    const char *name, *program, *argument;
    int omp, blas; /* threads */
    const char *preload, *package;
} contenders[N_WHO] = {
    [PRODUCT] = { "gradproof", "native", "gradproof", ONE, ONE, NULL, NULL },
    [PRODUCT_ALL] = { "gradproof", "native", "gradproof", ALL, ALL, NULL, NULL },
    [HAND] = { "C by hand", "native", "hand", ONE, ONE, NULL, NULL },
    [HAND_BLAS] = { "C by hand", "native", "hand", ONE, ALL, NULL, NULL },
    [HAND_OPENMP] = { "C by hand", "native", "hand", ALL, ONE, NULL, NULL },
    [HAND_GSL] = { "C, gslcblas", "native", "hand", ONE, ONE, "libgslcblas.so.0", "libgslcblas0" },
    [NAIVE] = { "C, naive", "native", "naive", ONE, ONE, NULL, NULL },
    [LINKS] = { "C node graph", "native", "links", ONE, ONE, NULL, NULL },
    [NUMPY] = { "NumPy", "peer.py", "numpy", ONE, ONE, NULL, "python3-numpy" },
    [TORCH] = { "PyTorch", "peer.py", "torch", ONE, ONE, NULL, "python3-torch" },
    [FANN] = { "FANN", "fann", NULL, ONE, ONE, NULL, "libfann-dev" },
    [ADOLC] = { "ADOL-C", "adolc", NULL, ONE, ONE, NULL, "libadolc-dev" },
};

#define BIT(w) (1u << (w))
#define TRAINS \
    (BIT(PRODUCT) | BIT(HAND) | BIT(HAND_GSL) | BIT(NUMPY) | BIT(TORCH) | BIT(FANN) | BIT(ADOLC))
#define CHECKS (BIT(PRODUCT) | BIT(HAND) | BIT(NAIVE) | BIT(TORCH))

/* What a row is to reach: of a time, of the ratio to the limit, of the gain by all processors. */
typedef enum goal { NO_GOAL, SECONDS, RATIO, GAIN, ALLOCATIONS } goal;

typedef struct target {
    who of;
    goal what;
    double limit;
} target;

typedef struct row {
    const char *group, *label, *work;
    unsigned contenders;
    enum { FULL, QUICK, SMOKE } least; /* shortest run that has it */
    double each;                       /* pieces in one repetition; 0: one */
    target targets[6];
} row;

#define NO_ALLOCATION           \
    {                           \
        PRODUCT, ALLOCATIONS, 0 \
    }
/* A check makes its threads' overlays; their number has nothing to do with its elements'. */
#define FEW_ALLOCATIONS          \
    {                            \
        PRODUCT, ALLOCATIONS, 64 \
    }

static const row rows[] = {
    { "train",
      "3-2-2-1 ReLU MSE, batch 1",
      "train 3,2,2,1 1 relu mse",
      TRAINS,
      SMOKE,
      0,
      { { PRODUCT, RATIO, 2 }, NO_ALLOCATION } },
    { "train",
      "3-2-2-1 ReLU MSE, batch 200",
      "train 3,2,2,1 200 relu mse",
      TRAINS,
      SMOKE,
      0,
      { { PRODUCT, RATIO, 2 }, NO_ALLOCATION } },
    { "train",
      "2-2-1 sigmoid BCE on XOR",
      "train 2,2,1 4 sigmoid bce",
      TRAINS,
      SMOKE,
      0,
      { { PRODUCT, RATIO, 2 }, NO_ALLOCATION } },
    { "train",
      "10-32-32-3, batch 64",
      "train 10,32,32,3 64 relu ce",
      TRAINS,
      SMOKE,
      0,
      { { PRODUCT, RATIO, 1 }, NO_ALLOCATION } },
    { "train",
      "64-64-64-10, batch 64",
      "train 64,64,64,10 64 relu ce",
      TRAINS,
      SMOKE,
      0,
      { { PRODUCT, RATIO, 1 }, NO_ALLOCATION } },
    { "train",
      "64-256-256-10, batch 128",
      "train 64,256,256,10 128 relu ce",
      TRAINS | BIT(PRODUCT_ALL) | BIT(HAND_BLAS),
      SMOKE,
      0,
      { { PRODUCT, RATIO, 1.03 }, NO_ALLOCATION } },
    { "train",
      "784-1024-1024-10, batch 256",
      "train 784,1024,1024,10 256 relu ce",
      (TRAINS | BIT(PRODUCT_ALL) | BIT(HAND_BLAS)) & ~BIT(ADOLC),
      FULL,
      0,
      { { PRODUCT, RATIO, 1.02 }, { PRODUCT_ALL, GAIN, 2.8 }, NO_ALLOCATION } },
    { "check",
      "2-2-1 sigmoid BCE on XOR, 9 elements",
      "check 2,2,1 4 sigmoid bce",
      CHECKS,
      SMOKE,
      0,
      { { PRODUCT, SECONDS, 10e-6 }, { PRODUCT, RATIO, 2.1 }, FEW_ALLOCATIONS } },
    { "check",
      "3-2-2-1 ReLU MSE, 200 rows, 17 elements",
      "check 3,2,2,1 200 relu mse",
      CHECKS,
      SMOKE,
      0,
      { { PRODUCT, SECONDS, 60e-6 }, { PRODUCT, RATIO, 2.1 }, FEW_ALLOCATIONS } },
    { "check",
      "10-32-32-3, batch 64, 1507 elements",
      "check 10,32,32,3 64 relu ce",
      CHECKS | BIT(PRODUCT_ALL) | BIT(HAND_OPENMP),
      SMOKE,
      0,
      { { PRODUCT, SECONDS, 3e-3 },
        { PRODUCT, RATIO, 2.1 },
        { PRODUCT_ALL, SECONDS, 1e-3 },
        { PRODUCT_ALL, RATIO, 2.1 },
        FEW_ALLOCATIONS } },
    { "check",
      "64-64-64-10, batch 64, 8970 elements",
      "check 64,64,64,10 64 relu ce",
      (CHECKS | BIT(PRODUCT_ALL) | BIT(HAND_OPENMP)) & ~BIT(TORCH),
      QUICK,
      0,
      { { PRODUCT, SECONDS, 65e-3 },
        { PRODUCT, RATIO, 2.1 },
        { PRODUCT_ALL, SECONDS, 18e-3 },
        { PRODUCT_ALL, RATIO, 2.1 },
        FEW_ALLOCATIONS } },
    { "check",
      "64-256-256-10, batch 128, 85002 elements",
      "check 64,256,256,10 128 relu ce",
      BIT(PRODUCT) | BIT(HAND) | BIT(PRODUCT_ALL) | BIT(HAND_OPENMP),
      FULL,
      0,
      { { PRODUCT, SECONDS, 2 },
        { PRODUCT, RATIO, 2.1 },
        { PRODUCT_ALL, SECONDS, 0.55 },
        { PRODUCT_ALL, RATIO, 2.1 },
        FEW_ALLOCATIONS } },
    { "chain",
      "1000 scalar ops forward and backward, per op",
      "chain 1000 1 none none",
      BIT(PRODUCT) | BIT(LINKS),
      SMOKE,
      1000,
      { { PRODUCT, SECONDS, 20e-9 }, NO_ALLOCATION } },
};

enum { MAX_ROUNDS = 64 };

static struct settings {
    int json, quick, smoke, rounds;
    double slice;
    const char *source, *python, *command, *command_gsl, *model;
} set = { .rounds = 9, .slice = 0.1 };

static int disagreements, met, missed;
static json_t *report;

/* Workers */

static struct worker {
    pid_t pid;
    FILE *in, *out;
    int gone;
} workers[N_WHO];

static void set_threads(const char *name, long threads)
{
    char text[16];
    snprintf(text, sizeof text, "%ld", threads == ALL ? sysconf(_SC_NPROCESSORS_ONLN) : threads);
    setenv(name, text, 1);
}

/* In the child: becomes the contender. */
static void become(const struct contender *c)
{
    char path[4096];
    const char *dot = strrchr(c->program, '.');
    set_threads("OMP_NUM_THREADS", c->omp);
    set_threads("OPENBLAS_NUM_THREADS", c->blas);
    if (c->preload)
        setenv("LD_PRELOAD", c->preload, 1);
    if (dot) {
        snprintf(path, sizeof path, "%s/tests/bench/%s", set.source, c->program);
        execl(set.python, set.python, path, c->argument, (char *)NULL);
    } else {
        snprintf(path, sizeof path, "tests/bench/%s", c->program);
        execl(path, path, c->argument, (char *)NULL);
    }
    _exit(127);
}

static void start(struct worker *w, const struct contender *c)
{
    int to[2], from[2];
    fflush(NULL);
    if (pipe(to) || pipe(from) || (w->pid = fork()) < 0) {
        perror("bench");
        exit(2);
    }
    if (!w->pid) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        for (int fd = 3; fd < 256; fd++) /* ends of other workers' pipes */
            close(fd);
        become(c);
    }
    close(to[0]);
    close(from[1]);
    w->in = fdopen(to[1], "w");
    w->out = fdopen(from[0], "r");
}

static void stop(struct worker *w)
{
    if (!w->pid)
        return;
    fclose(w->in);
    fclose(w->out);
    waitpid(w->pid, NULL, 0);
    w->pid = 0;
}

/* Sends one line; 1 and what follows "ok" in `answer`, or 0. */
static int ask(struct worker *w, const struct contender *c, char *answer, size_t size,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

static int ask(struct worker *w, const struct contender *c, char *answer, size_t size,
               const char *format, ...)
{
    va_list args;
    if (!w->pid && !w->gone)
        start(w, c);
    if (w->gone)
        return 0;
    va_start(args, format);
    vfprintf(w->in, format, args);
    va_end(args);
    fputc('\n', w->in);
    fflush(w->in);
    if (!fgets(answer, (int)size, w->out)) {
        stop(w);
        w->gone = 1;
        return 0;
    }
    answer[strcspn(answer, "\n")] = 0;
    if (strncmp(answer, "ok ", 3))
        return 0;
    memmove(answer, answer + 3, strlen(answer + 3) + 1);
    return 1;
}

/* Measuring */

typedef struct entry {
    who of;
    const char *work;
    double t[MAX_ROUNDS], allocations;
    int n;
} entry;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Threads that spin for a while after their work must not do so in the next one's slice. */
static void settle(who w)
{
    if (contenders[w].omp == ALL || contenders[w].blas == ALL)
        usleep(60000);
}

static void slice(entry *e)
{
    char answer[256];
    long kb;
    if (ask(&workers[e->of], &contenders[e->of], answer, sizeof answer, "time %g %s", set.slice,
            e->work) &&
        sscanf(answer, "%lf %lf %ld", &e->t[e->n], &e->allocations, &kb) == 3)
        e->n++;
    settle(e->of);
}

/* What takes seconds is repeated less often. */
static int enough(const entry *e, int round)
{
    return round > 0 && (e->n < round || (e->t[0] > 5 && round > 0) || (e->t[0] > 1 && round > 2));
}

static void measure(entry *e, int n)
{
    for (int round = 0; round < set.rounds; round++)
        for (int i = 0; i < n; i++)
            if (!enough(&e[i], round))
                slice(&e[i]);
}

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *t, int n, double part)
{
    double sorted[MAX_ROUNDS];
    if (!n)
        return NAN;
    memcpy(sorted, t, (size_t)n * sizeof *t);
    qsort(sorted, (size_t)n, sizeof *sorted, rising);
    const double at = part * (n - 1);
    const int i = (int)at;
    return i + 1 < n ? sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]) : sorted[i];
}

static double median(const entry *e)
{
    return quantile(e->t, e->n, 0.5);
}

/* Median over the rounds of the ratio within a round. */
static double ratio(const entry *a, const entry *b)
{
    double r[MAX_ROUNDS];
    int n = a->n < b->n ? a->n : b->n;
    for (int i = 0; i < n; i++)
        r[i] = a->t[i] / b->t[i];
    return quantile(r, n, 0.5);
}

/* Printing */

static const char *time_text(double s, char *buf, size_t size)
{
    static const struct {
        double unit;
        const char *name;
    } units[] = { { 1, "s" }, { 1e-3, "ms" }, { 1e-6, "us" }, { 1e-9, "ns" } };
    size_t i = 0;
    while (i < 3 && s < units[i].unit)
        i++;
    const double v = s / units[i].unit;
    if (isnan(s))
        snprintf(buf, size, "-");
    else
        snprintf(buf, size, "%.*f %s", v < 9.995 ? 2 : v < 99.95 ? 1 : 0, v, units[i].name);
    return buf;
}

static void judge(json_t *to, const char *text, double value, double limit, int at_least)
{
    const int ok = at_least ? value >= limit : value <= limit;
    if (isnan(value))
        return;
    *(ok ? &met : &missed) += 1;
    if (!set.json)
        printf("  %s %s", text, ok ? "ok" : "MISSED");
    json_array_append_new(to, json_pack("{s:s, s:f, s:f, s:b}", "target", text, "value", value,
                                        "limit", limit, "met", ok));
}

static void judge_target(json_t *to, const target *t, const entry *e, const entry *base,
                         const entry *one, double each)
{
    char text[64], limit[32];
    if (t->what == SECONDS) {
        snprintf(text, sizeof text, "<= %s", time_text(t->limit, limit, sizeof limit));
        judge(to, text, median(e) / each, t->limit, 0);
    } else if (t->what == RATIO && base) {
        snprintf(text, sizeof text, "<= x%g", t->limit);
        judge(to, text, ratio(e, base), t->limit, 0);
    } else if (t->what == GAIN && one) {
        snprintf(text, sizeof text, "gain %.2f >= %g", ratio(one, e), t->limit);
        judge(to, text, ratio(one, e), t->limit, 1);
    } else if (t->what == ALLOCATIONS) {
        snprintf(text, sizeof text, "%.3g allocations <= %g", e->allocations, t->limit);
        judge(to, text, e->allocations, t->limit, 0);
    }
}

static json_t *new_row(const char *group, const char *label)
{
    json_t *r = json_pack("{s:s, s:s, s:[]}", "group", group, "label", label, "results");
    json_array_append_new(json_object_get(report, "rows"), r);
    if (!set.json)
        printf("\n%s %s\n", group, label);
    return r;
}

/* One line of the table, without its end: targets may follow. Returns where they belong. */
static json_t *line(json_t *r, const char *name, int threads, const entry *e, double each,
                    const entry *base)
{
    char mid[32], low[32], rel[32] = "";
    json_t *targets = json_array(), *rounds = json_array();
    const double m = median(e) / each, least = quantile(e->t, e->n, 0) / each,
                 x = base ? ratio(e, base) : NAN;
    if (!isnan(x))
        snprintf(rel, sizeof rel, x < 9.995 ? "x%.2f" : "x%.0f", x);
    if (!set.json)
        printf("  %-16s %3d %10s %10s %8s", name, threads, time_text(m, mid, sizeof mid),
               time_text(least, low, sizeof low), rel);
    for (int i = 0; i < e->n; i++)
        json_array_append_new(rounds, json_real(e->t[i] / each));
    json_array_append_new(
        json_object_get(r, "results"),
        e->n ? json_pack("{s:s, s:i, s:f, s:f, s:o*, s:o, s:o}", "contender", name, "threads",
                         threads, "median", m, "min", least, "ratio",
                         isnan(x) ? NULL : json_real(x), "rounds", rounds, "targets", targets)
             : json_pack("{s:s, s:i, s:n}", "contender", name, "threads", threads, "median"));
    return targets;
}

static int threads_of(who w)
{
    return contenders[w].omp == ALL || contenders[w].blas == ALL
               ? (int)sysconf(_SC_NPROCESSORS_ONLN)
               : 1;
}

/* Agreement: a program that computes something else is not worth timing. */

typedef struct values {
    double loss, projection, last;
} values;

static int values_of(who w, const char *job, values *v)
{
    char answer[256];
    const int ok = ask(&workers[w], &contenders[w], answer, sizeof answer, "values %s", job) &&
                   sscanf(answer, "%lf %lf %lf", &v->loss, &v->projection, &v->last) == 3;
    settle(w);
    return ok;
}

static int near(double a, double b, double rel)
{
    return fabs(a - b) <= rel * fmax(fabs(a), fabs(b));
}

/* Rounding apart, loss and gradient are the same numbers; a numeric gradient is so to its error,
 * relative to a projection that may be small by chance. */
static int agrees(const values *a, const values *b, int check)
{
    return near(a->loss, b->loss, 1e-12) && near(a->last, b->last, 1e-12) &&
           near(a->projection, b->projection, check ? 1e-5 : 1e-11);
}

static who base_of(unsigned mask, who w)
{
    if (w == PRODUCT_ALL && mask & BIT(HAND_OPENMP))
        return HAND_OPENMP;
    if (w == PRODUCT_ALL && mask & BIT(HAND_BLAS))
        return HAND_BLAS;
    return mask & BIT(LINKS) ? LINKS : HAND;
}

/* Asks everybody for values; says who has the limit's, and counts who has not. */
static void compare(const row *r)
{
    const int check = !strncmp(r->work, "check", 5);
    values limit, v;
    const char *separator = "";
    if (!values_of(base_of(r->contenders, PRODUCT), r->work, &limit)) {
        disagreements++;
        return;
    }
    if (!set.json && !set.smoke)
        printf("  same loss and gradient as C: ");
    for (int w = 0; w < N_WHO; w++) {
        if (!(r->contenders & BIT(w)) || w == (int)base_of(r->contenders, PRODUCT) ||
            threads_of(w) > 1 || !values_of(w, r->work, &v))
            continue;
        const int same = agrees(&v, &limit, check);
        disagreements += !same;
        if (!set.json && !set.smoke)
            printf("%s%s%s", separator, contenders[w].name, same ? "" : " (NO)");
        if (!same)
            fprintf(stderr,
                    "# %s, %s: loss %.17g, gradient %.17g, at last %.17g; C: %.17g %.17g %.17g\n",
                    r->work, contenders[w].name, v.loss, v.projection, v.last, limit.loss,
                    limit.projection, limit.last);
        separator = ", ";
    }
    if (!set.json && !set.smoke)
        putchar('\n');
}

static void run_row(const row *r)
{
    static entry e[N_WHO];
    entry *of[N_WHO + 1] = { NULL };
    const double each = r->each > 0 ? r->each : 1;
    int n = 0;
    json_t *out = new_row(r->group, r->label);
    compare(r);
    for (int w = 0; w < N_WHO; w++)
        if (r->contenders & BIT(w)) {
            of[w] = &e[n];
            e[n++] = (entry){ .of = (who)w, .work = r->work };
        }
    measure(e, n);
    for (int i = 0; i < n; i++) {
        entry *base = of[base_of(r->contenders, e[i].of)];
        json_t *targets =
            line(out, contenders[e[i].of].name, threads_of(e[i].of), &e[i], each, base);
        for (const target *t = r->targets; t->what != NO_GOAL; t++)
            if (t->of == e[i].of)
                judge_target(targets, t, &e[i], base, of[PRODUCT], each);
        if (!set.json)
            putchar('\n');
    }
    if (!set.json)
        fflush(stdout);
}

/* (forward + backward) / forward against the ratio of their multiply-adds: every layer's product
 * forward, for its weights, and, but for the first, for its inputs. */
static void run_passes(const char *label, const char *gradient, const char *loss)
{
    work net;
    entry e[4] = { { .of = PRODUCT, .work = gradient },
                   { .of = PRODUCT, .work = loss },
                   { .of = HAND, .work = gradient },
                   { .of = HAND, .work = loss } };
    char text[64];
    work_parse(loss, &net);
    const double forward = work_cost(&net),
                 limit = 1.08 * (3 - (double)net.batch * net.size[0] * net.size[1] / forward);
    json_t *out = new_row("passes", label);
    measure(e, 4);
    for (int i = 0; i < 4; i++) {
        json_t *targets = line(out, contenders[e[i].of].name, 1, &e[i], 1, &e[i | 1]);
        if (!i) {
            snprintf(text, sizeof text, "<= x%.2f", limit);
            judge(targets, text, ratio(&e[0], &e[1]), limit, 0);
        }
        if (!set.json)
            putchar('\n');
    }
}

/* Peak memory of processes that do nothing else. */
static void run_memory(void)
{
    static const target limits[] = { { PRODUCT, NO_GOAL, 65 }, { HAND, NO_GOAL, INFINITY } };
    json_t *out = new_row("memory", "of the 784-1024-1024-10 training step");
    for (int i = 0; i < 2; i++) {
        struct worker fresh = { 0 };
        const struct contender *c = &contenders[limits[i].of];
        char answer[256], text[64];
        double t, each;
        long kb;
        json_t *targets = json_array();
        if (!ask(&fresh, c, answer, sizeof answer,
                 "time 0.001 train 784,1024,1024,10 256 relu ce") ||
            sscanf(answer, "%lf %lf %ld", &t, &each, &kb) != 3)
            kb = 0;
        stop(&fresh);
        const double mb = (double)kb * 1024e-6;
        if (!set.json)
            printf("  %-16s %3d %7.1f MB", c->name, 1, mb);
        if (isfinite(limits[i].limit)) {
            snprintf(text, sizeof text, "<= %g MB", limits[i].limit);
            judge(targets, text, mb, limits[i].limit, 0);
        }
        json_array_append_new(
            json_object_get(out, "results"),
            json_pack("{s:s, s:f, s:o}", "contender", c->name, "MB", mb, "targets", targets));
        if (!set.json)
            putchar('\n');
    }
}

/* Start of a process to its exit. */

/* /bin/true, or the command's check of a model if `command` is given. */
static double run_process(const char *command, double *mib)
{
    const char *program = command ? command : "/bin/true";
    struct rusage use;
    int status;
    fflush(NULL);
    const double start = now();
    const pid_t pid = fork();
    if (!pid) {
        dup2(open("/dev/null", O_WRONLY), 1);
        if (command)
            execl(program, "gradproof", "check", set.model, (char *)NULL);
        else
            execl(program, program, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &use) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
        return NAN;
    *mib = (double)use.ru_maxrss / 1024;
    return now() - start;
}

static void run_start(void)
{
    static const struct {
        const char *name;
        double seconds, mb;
    } limits[] = { { "/bin/true", 0, 0 },
                   { "gradproof", 6e-3, 15 },
                   { "with gslcblas", 4e-3, 15 } };
    const char *commands[] = { NULL, set.command, set.command_gsl };
    static entry e[3];
    double mib[3] = { 0 };
    json_t *out = new_row("start", "gradproof check xor.gpf, start to exit");
    for (int round = 0; round < 5 * set.rounds && round < MAX_ROUNDS; round++)
        for (int i = 0; i < 3; i++) {
            const double t = i && !commands[i] ? NAN : run_process(commands[i], &mib[i]);
            if (!isnan(t))
                e[i].t[e[i].n++] = t;
        }
    for (int i = 0; i < 3; i++) {
        char text[64], limit[32];
        json_t *targets = line(out, limits[i].name, threads_of(PRODUCT_ALL), &e[i], 1, &e[0]);
        if (limits[i].mb > 0 && e[i].n) {
            snprintf(text, sizeof text, "<= %s", time_text(limits[i].seconds, limit, sizeof limit));
            judge(targets, text, median(&e[i]), limits[i].seconds, 0);
            snprintf(text, sizeof text, "%.1f MB <= %g", mib[i] * 1.048576, limits[i].mb);
            judge(targets, text, mib[i] * 1.048576, limits[i].mb, 0);
        }
        if (!set.json)
            putchar('\n');
    }
}

/* The run as a whole */

static void machine(void)
{
    char text[1024], model[200] = "unknown CPU";
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(text, sizeof text, f))
        if (sscanf(text, "model name : %199[^\n]", model) == 1)
            break;
    if (f)
        fclose(f);
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    json_object_set_new(report, "machine", json_string(model));
    json_object_set_new(report, "processors", json_integer(cpus));
    struct utsname os;
    uname(&os);
    json_object_set_new(report, "kernel", json_string(os.release));
    json_t *versions = json_object();
    json_object_set_new(report, "versions", versions);
    if (!set.json)
        printf("%s, %ld processors, %s %s\n", model, cpus, os.sysname, os.release);
    static const who programs[] = { PRODUCT, HAND_GSL, NUMPY, TORCH, FANN, ADOLC };
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        const struct contender *c = &contenders[programs[i]];
        const int here = ask(&workers[programs[i]], c, text, sizeof text, "version");
        json_object_set_new(versions, c->name, here ? json_string(text) : json_null());
        if (!set.json && here)
            printf("%-12s %s\n", c->name, text);
        else if (!set.json)
            printf("%-12s not here: apt-get install %s\n", c->name, c->package);
    }
    if (!set.json)
        printf("\n  %-16s %3s %10s %10s %8s  %s\n", "contender", "thr", "median", "minimum",
               "ratio to C", "targets");
}

/* Do the limit and gradproof compute the same? TAP, nothing timed. */
static int smoke(void)
{
    int tests = 0, failed = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        row r = rows[i];
        r.contenders &= BIT(PRODUCT) | BIT(HAND) | BIT(NAIVE) | BIT(LINKS);
        if (r.least < SMOKE)
            continue;
        disagreements = 0;
        compare(&r);
        failed += disagreements > 0;
        printf("%sok %d - %s %s\n", disagreements ? "not " : "", ++tests, r.group, r.label);
    }
    printf("1..%d\n", tests);
    return failed > 0;
}

static const char usage[] = "Usage: bench [--json] [--quick] [--smoke] [--rounds N] [GROUP]...\n"
                            "Groups: train check chain passes memory start; default: all.\n";

static int wanted(char **groups, int n, const char *group)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(groups[i], group))
            return 1;
    return !n;
}

static const char *setting(const char *name, const char *otherwise)
{
    const char *s = getenv(name);
    return s && *s ? s : otherwise;
}

int main(int argc, char **argv)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++)
        if (!strcmp(argv[i], "--json"))
            set.json = 1;
        else if (!strcmp(argv[i], "--quick"))
            set.quick = 1, set.rounds = 3, set.slice = 0.02;
        else if (!strcmp(argv[i], "--smoke"))
            set.smoke = 1;
        else if (!strcmp(argv[i], "--rounds") && i + 1 < argc && atoi(argv[i + 1]) > 0)
            set.rounds = atoi(argv[++i]) < MAX_ROUNDS ? atoi(argv[i]) : MAX_ROUNDS;
        else
            return fputs(usage, stderr), 2;
    char **const groups = argv + i;
    const int n = argc - i;
    signal(SIGPIPE, SIG_IGN); /* a contender that is not here */
    set.source = setting("top_src", "..");
    set.python = setting("PYTHON", "/usr/bin/python3");
    set.command = setting("BENCH_COMMAND", NULL);
    set.command_gsl = setting("BENCH_COMMAND_GSLCBLAS", NULL);
    char model[4096];
    snprintf(model, sizeof model, "%s/examples/xor.gpf", set.source);
    set.model = model;
    report = json_pack("{s:s, s:[]}", "schema", "gradproof-bench/1", "rows");
    if (set.smoke) {
        const int status = smoke();
        json_decref(report);
        for (int w = 0; w < N_WHO; w++)
            stop(&workers[w]);
        return status;
    }
    machine();
    if (wanted(groups, n, "start"))
        run_start();
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        if (wanted(groups, n, rows[k].group) && (!set.quick || rows[k].least >= QUICK))
            run_row(&rows[k]);
    if (wanted(groups, n, "passes"))
        run_passes("64-256-256-10, (forward + backward) / forward",
                   "gradient 64,256,256,10 128 relu ce", "loss 64,256,256,10 128 relu ce");
    if (wanted(groups, n, "passes") && !set.quick)
        run_passes("784-1024-1024-10, (forward + backward) / forward",
                   "gradient 784,1024,1024,10 256 relu ce", "loss 784,1024,1024,10 256 relu ce");
    if (wanted(groups, n, "memory"))
        run_memory();
    for (int w = 0; w < N_WHO; w++)
        stop(&workers[w]);
    if (set.json) {
        json_dumpf(report, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
        putchar('\n');
    } else
        printf("\n%d targets met, %d missed; %d results disagree with C\n", met, missed,
               disagreements);
    json_decref(report);
    return disagreements > 0;
}
