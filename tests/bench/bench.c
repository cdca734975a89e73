/* SPDX-License-Identifier: GPL-3.0-or-later */
/* make bench: all contenders side by side, in rounds, as medians and ratios, with the targets.
 *
 * A round gives each contender one slice in turn, so that what disturbs the machine disturbs all
 * alike; ratios are taken within rounds. */
#define _DEFAULT_SOURCE /* getloadavg */
#include "contender.h"
#include "work.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#define BIT(w) (1u << (w))
#define MOST \
    (BIT(PRODUCT) | BIT(HAND) | BIT(HAND_GSL) | BIT(NUMPY) | BIT(TORCH) | BIT(FANN) | BIT(ADOLC))
#define MOST_ALL (MOST | BIT(PRODUCT_ALL) | BIT(HAND_BLAS))
#define CHECKS (BIT(PRODUCT) | BIT(HAND) | BIT(NAIVE) | BIT(TORCH))
#define CHAINS (BIT(PRODUCT) | BIT(LINKS) | BIT(ADOLC))
#define CHECKS_ALL (CHECKS | BIT(PRODUCT_ALL) | BIT(HAND_OPENMP))

typedef enum extent { FULL, QUICK, SMOKE } extent; /* each has the rows of those behind it */

/* A line of work, and what gradproof is to reach in it; 0: nothing stated. */
typedef struct row {
    extent least;
    unsigned contenders;
    const char *group, *label, *work;
    double ratio;                /* times the limit's time, at most */
    double seconds, seconds_all; /* on one thread, on all */
    double gain;                 /* by all threads, at least */
    /* Allocations per repetition. A check makes the overlays of its threads; that has nothing to do
     * with the number of its elements. */
    double allocations;
} row;

#define TRAIN(least, who, label, net, ratio, gain)                     \
    {                                                                  \
        least, who, "train", label, "train " net, ratio, 0, 0, gain, 0 \
    }
#define CHECK(least, who, label, net, seconds, seconds_all)                        \
    {                                                                              \
        least, who, "check", label, "check " net, 2.1, seconds, seconds_all, 0, 64 \
    }
#define CHAIN_OPS 1000

static const row rows[] = {
    TRAIN(SMOKE, MOST, "3-2-2-1 ReLU MSE, batch 1", "3,2,2,1 1 relu mse", 2, 0),
    TRAIN(SMOKE, MOST, "3-2-2-1 ReLU MSE, batch 200", "3,2,2,1 200 relu mse", 2, 0),
    TRAIN(SMOKE, MOST, "2-2-1 sigmoid BCE on XOR", "2,2,1 4 sigmoid bce", 2, 0),
    TRAIN(SMOKE, MOST, "10-32-32-3, batch 64", "10,32,32,3 64 relu ce", 1, 0),
    TRAIN(SMOKE, MOST, "64-64-64-10, batch 64", "64,64,64,10 64 relu ce", 1, 0),
    TRAIN(SMOKE, MOST_ALL, "64-256-256-10, batch 128", "64,256,256,10 128 relu ce", 1.03, 0),
    TRAIN(FULL, MOST_ALL & ~BIT(ADOLC), "784-1024-1024-10, batch 256",
          "784,1024,1024,10 256 relu ce", 1.02, 2.8),
    CHECK(SMOKE, CHECKS, "2-2-1 sigmoid BCE on XOR, 9 elements", "2,2,1 4 sigmoid bce", 10e-6, 0),
    CHECK(SMOKE, CHECKS, "3-2-2-1 ReLU MSE, 200 rows, 17 elements", "3,2,2,1 200 relu mse", 60e-6,
          0),
    CHECK(SMOKE, CHECKS_ALL, "10-32-32-3, batch 64, 1507 elements", "10,32,32,3 64 relu ce", 3e-3,
          1e-3),
    CHECK(QUICK, CHECKS_ALL & ~BIT(TORCH), "64-64-64-10, batch 64, 8970 elements",
          "64,64,64,10 64 relu ce", 65e-3, 18e-3),
    CHECK(FULL, CHECKS_ALL & ~BIT(TORCH) & ~BIT(NAIVE), "64-256-256-10, batch 128, 85002 elements",
          "64,256,256,10 128 relu ce", 2, 0.55),
    { SMOKE, CHAINS, "chain", "1000 scalar ops, forward and backward, per op",
      "chain 1000 1 none none", 0, 20e-9, 0, 0, 0 },
};

enum { MAX_ROUNDS = 64 };

static struct settings {
    extent run;
    int table, rounds;
    const char *json;
    double slice;
} set = { .table = 1, .rounds = 9, .slice = 0.1 };

static int disagreements, met, missed;
static json_t *report;

static const char *setting(const char *name, const char *otherwise)
{
    const char *s = getenv(name);
    return s && *s ? s : otherwise;
}

/* Measuring */

typedef struct entry {
    who of;
    const char *work;
    double t[MAX_ROUNDS], allocations;
    int n;
} entry;

static void slice(entry *e)
{
    char answer[256];
    long kb;
    if (contender_ask(e->of, answer, sizeof answer, "time %g %s", set.slice, e->work) &&
        sscanf(answer, "%lf %lf %ld", &e->t[e->n], &e->allocations, &kb) == 3)
        e->t[e->n++] /= strncmp(e->work, "chain", 5) ? 1 : CHAIN_OPS;
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

/* Text of the table, where there is one. */
static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (set.table)
        vprintf(format, args);
    va_end(args);
}

static void judge(json_t *to, const char *text, double value, double limit, int at_least)
{
    const int ok = at_least ? value >= limit : value <= limit;
    if (isnan(value))
        return;
    *(ok ? &met : &missed) += 1;
    say("  %s %s", text, ok ? "ok" : "MISSED");
    json_array_append_new(to, json_pack("{s:s, s:f, s:f, s:b}", "target", text, "value", value,
                                        "limit", limit, "met", ok));
}

/* e: gradproof on some number of threads; base: the limit; one: gradproof on one. */
static void judge_entry(json_t *to, const row *r, const entry *e, const entry *base,
                        const entry *one)
{
    const int all = e != one;
    const double seconds = all ? r->seconds_all : r->seconds;
    char text[64], limit[32];
    if (!e->n)
        return;
    if (seconds > 0) {
        snprintf(text, sizeof text, "<= %s", time_text(seconds, limit, sizeof limit));
        judge(to, text, median(e), seconds, 0);
    }
    if (r->ratio > 0 && (!all || seconds > 0)) {
        snprintf(text, sizeof text, "<= x%g", r->ratio);
        judge(to, text, ratio(e, base), r->ratio, 0);
    }
    if (all && r->gain > 0) {
        snprintf(text, sizeof text, "gain %.2f >= %g", ratio(one, e), r->gain);
        judge(to, text, ratio(one, e), r->gain, 1);
    }
    if (!all) {
        snprintf(text, sizeof text, "%.3g allocations <= %g", e->allocations, r->allocations);
        judge(to, text, e->allocations, r->allocations, 0);
    }
}

static json_t *new_row(const char *group, const char *label)
{
    json_t *r = json_pack("{s:s, s:s, s:[]}", "group", group, "label", label, "results");
    json_array_append_new(json_object_get(report, "rows"), r);
    say("\n%s %s\n", group, label);
    return r;
}

/* Every row has fresh processes: what one has left in memory is not another's. */
static void end_row(void)
{
    for (who w = 0; w < N_WHO; w++)
        contender_stop(w);
    fflush(stdout);
}

/* One line of the table, without its end: targets may follow. Returns where they belong. */
static json_t *line(json_t *r, const char *name, int threads, const entry *e, const entry *base)
{
    char mid[32], low[32], rel[32] = "";
    const double m = median(e), least = quantile(e->t, e->n, 0), x = base ? ratio(e, base) : NAN;
    if (!isnan(x))
        snprintf(rel, sizeof rel, x < 9.995 ? "x%.2f" : "x%.0f", x);
    say("  %-18s %3d %10s %10s %8s", name, threads, time_text(m, mid, sizeof mid),
        time_text(least, low, sizeof low), rel);
    json_t *targets = json_array(), *rounds = json_array();
    for (int i = 0; i < e->n; i++)
        json_array_append_new(rounds, json_real(e->t[i]));
    /* json_real(NaN) is NULL, which leaves the member out. */
    json_array_append_new(json_object_get(r, "results"),
                          json_pack("{s:s, s:i, s:o*, s:o*, s:o*, s:o, s:o}", "contender", name,
                                    "threads", threads, "median", json_real(m), "min",
                                    json_real(least), "ratio", json_real(x), "rounds", rounds,
                                    "targets", targets));
    return targets;
}

/* Agreement: a program that computes something else is not worth timing. */

typedef struct values {
    double loss, projection, last;
} values;

static int values_of(who w, const char *job, values *v)
{
    char answer[256];
    return contender_ask(w, answer, sizeof answer, "values %s", job) &&
           sscanf(answer, "%lf %lf %lf", &v->loss, &v->projection, &v->last) == 3;
}

static int near(double a, double b, double rel)
{
    return fabs(a - b) <= rel * fmax(fabs(a), fabs(b));
}

/* The same numbers up to rounding, which grows where a sum cancels; a numeric gradient up to its
 * error. */
static int agrees(const values *a, const values *b, int check)
{
    return near(a->loss, b->loss, 1e-12) && near(a->last, b->last, 1e-12) &&
           near(a->projection, b->projection, check ? 1e-5 : 1e-11);
}

/* The limit for w: with as many threads, where there is one. */
static who limit_of(unsigned contenders, who w)
{
    if (w == PRODUCT_ALL && contenders & BIT(HAND_OPENMP))
        return HAND_OPENMP;
    if (w == PRODUCT_ALL && contenders & BIT(HAND_BLAS))
        return HAND_BLAS;
    return contenders & BIT(LINKS) ? LINKS : HAND;
}

/* Asks everybody for values; says who has the limit's, and counts who has not. */
static void compare(const row *r)
{
    const who base = limit_of(r->contenders, PRODUCT);
    values limit, v;
    const char *separator = "";
    if (!values_of(base, r->work, &limit)) {
        fprintf(stderr, "# %s: no answer from %s\n", r->work, contender_name(base));
        disagreements++;
        return;
    }
    say("  same loss and gradient as %s: ", contender_name(base));
    for (who w = 0; w < N_WHO; w++) {
        if (!(r->contenders & BIT(w)) || w == base)
            continue;
        v = (values){ NAN, NAN, NAN };
        if (!values_of(w, r->work, &v) && contender_package(w))
            continue; /* a peer may be missing or know no such job, we may not */
        const int same = agrees(&v, &limit, !strcmp(r->group, "check"));
        disagreements += !same;
        say("%s%s%s", separator, contender_name(w), same ? "" : " (NO)");
        separator = ", ";
        if (!same)
            fprintf(stderr,
                    "# %s, %s: loss %.17g, gradient %.17g, at last %.17g; %s: %.17g %.17g %.17g\n",
                    r->work, contender_name(w), v.loss, v.projection, v.last, contender_name(base),
                    limit.loss, limit.projection, limit.last);
    }
    say("\n");
}

static void run_row(const row *r)
{
    static entry e[N_WHO];
    entry *of[N_WHO] = { NULL };
    int n = 0;
    json_t *out = new_row(r->group, r->label);
    compare(r);
    for (who w = 0; w < N_WHO; w++)
        if (r->contenders & BIT(w)) {
            of[w] = &e[n];
            e[n++] = (entry){ .of = w, .work = r->work };
        }
    measure(e, n);
    for (int i = 0; i < n; i++) {
        const who w = e[i].of;
        const entry *limit = of[limit_of(r->contenders, w)];
        json_t *targets = line(out, contender_name(w), contender_threads(w), &e[i], limit);
        if (w == PRODUCT || w == PRODUCT_ALL)
            judge_entry(targets, r, &e[i], limit, of[PRODUCT]);
        say("\n");
    }
    end_row();
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
        snprintf(text, sizeof text, "%s, %s", contender_name(e[i].of), i % 2 ? "forward" : "both");
        json_t *targets = line(out, text, 1, &e[i], &e[i | 1]);
        if (!i) {
            snprintf(text, sizeof text, "<= x%.2f", limit);
            judge(targets, text, ratio(&e[0], &e[1]), limit, 0);
        }
        say("\n");
    }
    end_row();
}

/* Peak memory of the processes. */
static void run_memory(void)
{
    static const who of[] = { PRODUCT, HAND };
    json_t *out = new_row("memory", "of the 784-1024-1024-10 training step");
    for (int i = 0; i < 2; i++) {
        char answer[256];
        double t, each;
        long kb = 0;
        contender_ask(of[i], answer, sizeof answer,
                      "time 0.001 train 784,1024,1024,10 256 relu ce");
        sscanf(answer, "%lf %lf %ld", &t, &each, &kb);
        const double mb = (double)kb * 1024e-6;
        json_t *targets = json_array();
        say("  %-18s %3d %7.1f MB", contender_name(of[i]), 1, mb);
        if (of[i] == PRODUCT)
            judge(targets, "<= 65 MB", mb, 65, 0);
        say("\n");
        json_array_append_new(json_object_get(out, "results"),
                              json_pack("{s:s, s:f, s:o}", "contender", contender_name(of[i]), "MB",
                                        mb, "targets", targets));
    }
    end_row();
}

/* The command from its start to its exit, with the CBLAS it was configured with and with gslcblas,
 * on the model of the first example. */
static void run_start(void)
{
    static const struct {
        const char *name, *command;
        double seconds;
    } programs[] = { { "/bin/true", NULL, 0 },
                     { "gradproof", "BENCH_COMMAND", 6e-3 },
                     { "with gslcblas", "BENCH_COMMAND_GSLCBLAS", 4e-3 } };
    static entry e[3];
    char model[4096];
    double mb[3] = { 0 };
    snprintf(model, sizeof model, "%s/examples/xor.gpf", setting("top_src", ".."));
    json_t *out = new_row("start", "of gradproof check examples/xor.gpf, to its exit");
    for (int round = 0; round < 5 * set.rounds && round < MAX_ROUNDS; round++)
        for (int i = 0; i < 3; i++) {
            const char *command = i ? setting(programs[i].command, NULL) : programs[i].name;
            const char *const argv[] = { command, i ? "check" : NULL, model, NULL };
            const double t = command ? contender_process(argv, &mb[i]) : NAN;
            if (!isnan(t))
                e[i].t[e[i].n++] = t;
        }
    for (int i = 0; i < 3; i++) {
        char text[64], limit[32];
        json_t *targets =
            line(out, programs[i].name, i ? contender_threads(PRODUCT_ALL) : 1, &e[i], &e[0]);
        if (i && e[i].n) {
            snprintf(text, sizeof text, "<= %s",
                     time_text(programs[i].seconds, limit, sizeof limit));
            judge(targets, text, median(&e[i]), programs[i].seconds, 0);
            snprintf(text, sizeof text, "%.1f MB <= 15", mb[i]);
            judge(targets, text, mb[i], 15, 0);
        }
        say("\n");
    }
}

/* The run as a whole */

static void machine(void)
{
    static const who programs[] = { PRODUCT, HAND_GSL, NUMPY, TORCH, FANN, ADOLC };
    char text[1024], cpu[200] = "unknown CPU";
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(text, sizeof text, f))
        if (sscanf(text, "model name : %199[^\n]", cpu) == 1)
            break;
    if (f)
        fclose(f);
    struct utsname os;
    double load = NAN;
    uname(&os);
    getloadavg(&load, 1);
    json_t *versions = json_object();
    json_object_set_new(report, "machine",
                        json_pack("{s:s, s:i, s:s, s:f}", "cpu", cpu, "processors",
                                  contender_threads(PRODUCT_ALL), "kernel", os.release, "load",
                                  load));
    json_object_set_new(report, "versions", versions);
    say("%s, %d processors, %s %s, load %.1f\n", cpu, contender_threads(PRODUCT_ALL), os.sysname,
        os.release, load);
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        const char *name = contender_name(programs[i]);
        const int here = contender_ask(programs[i], text, sizeof text, "version");
        json_object_set_new(versions, name, here ? json_string(text) : json_null());
        if (!here && !contender_package(programs[i])) {
            fputs("bench: no tests/bench/native that runs: start it by make bench\n", stderr);
            exit(2);
        }
        if (here)
            say("%-12s %s\n", name, text);
        else
            say("%-12s - (apt-get install %s)\n", name, contender_package(programs[i]));
    }
    end_row();
    say("\n  %-18s %3s %10s %10s %8s  %s\n", "contender", "thr", "median", "minimum", "ratio",
        "targets");
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
    end_row();
    printf("1..%d\n", tests);
    return failed > 0;
}

static const char usage[] =
    "Usage: bench [--json FILE] [--quick] [--smoke] [--rounds N] [GROUP]...\n"
    "Groups: train check chain passes memory start; default: all.\n";

static int wanted(char **groups, int n, const char *group)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(groups[i], group))
            return 1;
    return !n;
}

int main(int argc, char **argv)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++)
        if (!strcmp(argv[i], "--json") && i + 1 < argc)
            set.json = argv[++i];
        else if (!strcmp(argv[i], "--quick"))
            set.run = QUICK, set.rounds = 3, set.slice = 0.02;
        else if (!strcmp(argv[i], "--smoke"))
            set.run = SMOKE, set.table = 0;
        else if (!strcmp(argv[i], "--rounds") && i + 1 < argc && atoi(argv[i + 1]) > 0)
            set.rounds = atoi(argv[++i]) < MAX_ROUNDS ? atoi(argv[i]) : MAX_ROUNDS;
        else
            return fputs(usage, stderr), 2;
    char **const groups = argv + i;
    const int n = argc - i;
    signal(SIGPIPE, SIG_IGN); /* a contender that is not here */
    contender_setup(setting("top_src", ".."), setting("PYTHON", "/usr/bin/python3"));
    if (set.run == SMOKE)
        return smoke();
    report = json_pack("{s:s, s:[]}", "schema", "gradproof-bench/1", "rows");
    machine();
    if (wanted(groups, n, "start"))
        run_start();
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        if (wanted(groups, n, rows[k].group) && rows[k].least >= set.run)
            run_row(&rows[k]);
    if (wanted(groups, n, "passes"))
        run_passes("64-256-256-10, forward and backward / forward",
                   "gradient 64,256,256,10 128 relu ce", "loss 64,256,256,10 128 relu ce");
    if (wanted(groups, n, "passes") && set.run == FULL)
        run_passes("784-1024-1024-10, forward and backward / forward",
                   "gradient 784,1024,1024,10 256 relu ce", "loss 784,1024,1024,10 256 relu ce");
    if (wanted(groups, n, "memory"))
        run_memory();
    if (set.json && json_dump_file(report, set.json, JSON_INDENT(1) | JSON_REAL_PRECISION(6)))
        return perror(set.json), 2;
    say("\n%d targets met, %d missed; %d results disagree with C\n", met, missed, disagreements);
    json_decref(report);
    return disagreements > 0;
}
