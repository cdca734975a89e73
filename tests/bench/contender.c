/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _DEFAULT_SOURCE /* fork, wait4, usleep */
#include "contender.h"

#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ONE = 1, ALL = 0 };

static const struct {
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

static struct {
    pid_t pid;
    FILE *in, *out;
    int gone;
} workers[N_WHO];

static const char *source_dir, *python_path;

void contender_setup(const char *source, const char *python)
{
    source_dir = source;
    python_path = python;
}

const char *contender_name(who w)
{
    return contenders[w].name;
}

const char *contender_package(who w)
{
    return contenders[w].package;
}

int contender_threads(who w)
{
    const int all = contenders[w].omp == ALL || contenders[w].blas == ALL;
    return all ? (int)sysconf(_SC_NPROCESSORS_ONLN) : 1;
}

double contender_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void set_threads(const char *name, long threads)
{
    char text[16];
    snprintf(text, sizeof text, "%ld", threads == ALL ? sysconf(_SC_NPROCESSORS_ONLN) : threads);
    setenv(name, text, 1);
}

/* In the child: becomes the contender. */
static void become(who w)
{
    const char *program = contenders[w].program, *argument = contenders[w].argument;
    char path[4096];
    set_threads("OMP_NUM_THREADS", contenders[w].omp);
    set_threads("OPENBLAS_NUM_THREADS", contenders[w].blas);
    if (contenders[w].preload)
        setenv("LD_PRELOAD", contenders[w].preload, 1);
    if (strchr(program, '.')) {
        snprintf(path, sizeof path, "%s/tests/bench/%s", source_dir, program);
        execl(python_path, python_path, path, argument, (char *)NULL);
    } else {
        snprintf(path, sizeof path, "tests/bench/%s", program);
        execl(path, path, argument, (char *)NULL);
    }
    _exit(127);
}

static void start(who w)
{
    int to[2], from[2];
    fflush(NULL);
    if (pipe(to) || pipe(from) || (workers[w].pid = fork()) < 0) {
        perror("bench");
        exit(2);
    }
    if (!workers[w].pid) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        for (int fd = 3; fd < 256; fd++) /* ends of other workers' pipes */
            close(fd);
        become(w);
    }
    close(to[0]);
    close(from[1]);
    workers[w].in = fdopen(to[1], "w");
    workers[w].out = fdopen(from[0], "r");
}

void contender_stop(who w)
{
    if (!workers[w].pid)
        return;
    fclose(workers[w].in);
    fclose(workers[w].out);
    waitpid(workers[w].pid, NULL, 0);
    workers[w].pid = 0;
}

int contender_ask(who w, char *answer, size_t size, const char *format, ...)
{
    va_list args;
    if (!workers[w].pid && !workers[w].gone)
        start(w);
    if (workers[w].gone)
        return 0;
    va_start(args, format);
    vfprintf(workers[w].in, format, args);
    va_end(args);
    fputc('\n', workers[w].in);
    fflush(workers[w].in);
    if (!fgets(answer, (int)size, workers[w].out)) {
        contender_stop(w);
        workers[w].gone = 1;
        return 0;
    }
    /* Threads that spin for a while after their work must not do so in the next one's time. */
    if (contender_threads(w) > 1)
        usleep(60000);
    answer[strcspn(answer, "\n")] = 0;
    if (strncmp(answer, "ok ", 3))
        return 0;
    memmove(answer, answer + 3, size - 3);
    return 1;
}

double contender_process(const char *const *argv, double *mb)
{
    struct rusage use;
    int status;
    fflush(NULL);
    const double start = contender_now();
    const pid_t pid = fork();
    if (!pid) {
        dup2(open("/dev/null", O_WRONLY), 1);
        execv(argv[0], (char **)(size_t)argv);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &use) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
        return NAN;
    *mb = (double)use.ru_maxrss * 1024e-6;
    return contender_now() - start;
}
