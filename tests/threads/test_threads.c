/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What threads may share: each test does the same work in four threads at once and then one after
 * another, and the results are the same to the bit. tests/tsan.sh runs it under the thread
 * sanitizer. Prints TAP. */
#define _POSIX_C_SOURCE 200809L /* open_memstream, barriers */
#include <gradproof.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, MOST = 4096, ROWS = 12 };

/* Writes what it found, or why it failed, into out: at most MOST numbers; returns how many. */
typedef size_t work(void *shared, int who, double *out);

typedef struct job {
    work *work;
    void *shared;
    int who;
    pthread_barrier_t *start;
    double out[MOST];
    size_t n;
} job;

static int tests, failures;

static void *at_once(void *arg)
{
    job *j = arg;
    pthread_barrier_wait(j->start);
    j->n = j->work(j->shared, j->who, j->out);
    return NULL;
}

static void report(int passed, const char *name)
{
    printf("%s %d - %s\n", passed ? "ok" : "not ok", ++tests, name);
    failures += !passed;
}

/* The threads come first, so that they also race to whatever is done once. */
static void race(const char *name, work *w, void *shared)
{
    static job jobs[THREADS];
    static double alone[MOST];
    pthread_barrier_t start;
    pthread_t thread[THREADS];
    int same = 1;
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){ .work = w, .shared = shared, .who = i, .start = &start };
        if (pthread_create(&thread[i], NULL, at_once, &jobs[i]))
            exit(99);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&start);
    for (int i = 0; i < THREADS; i++) {
        const size_t n = w(shared, i, alone);
        if (n == 0 || n != jobs[i].n || memcmp(alone, jobs[i].out, n * sizeof *alone)) {
            printf("# %d: %zu numbers alone, %zu at once, first %g and %g\n", i, n, jobs[i].n,
                   alone[0], jobs[i].out[0]);
            same = 0;
        }
    }
    report(same, name);
}

/* A net of two layers with a kink; loss, and the gradient of all params behind it. */
typedef struct net {
    gpf_graph *g;
    gpf_node X, y, loss, params[4], out[5];
    double x[ROWS][3], want[ROWS];
} net;

static double number(unsigned long i)
{
    return fmod((double)(i * 2654435761u % 1000003u) * 0.6180339887498949, 2) - 1;
}

static net *net_alloc(void)
{
    net *t = calloc(1, sizeof *t);
    t->g = gpf_graph_alloc();
    t->X = gpf_data(t->g, "X", gpf_shape2(GPF_N, 3));
    t->y = gpf_data(t->g, "y", gpf_shape2(GPF_N, 1));
    gpf_node h = gpf_dense(t->g, "h", t->X, 5, gpf_tanh);
    gpf_node r = gpf_dense(t->g, "r", h, 1, gpf_relu);
    t->loss = gpf_mse(t->g, r, t->y, GPF_MEAN);
    const char *const names[] = { "h.W", "h.b", "r.W", "r.b" };
    for (int i = 0; i < 4; i++)
        t->params[i] = gpf_graph_find(t->g, names[i]);
    t->out[0] = t->loss;
    if (gpf_grad(t->g, t->loss, t->params, 4, t->out + 1))
        exit(99);
    for (unsigned i = 0; i < ROWS; i++) {
        for (unsigned j = 0; j < 3; j++)
            t->x[i][j] = number(7 * i + j + 3);
        t->want[i] = number(i + 1000);
    }
    return t;
}

static void net_free(net *t)
{
    gpf_graph_free(t->g);
    free(t);
}

static gpf_point *net_point(net *t, int who)
{
    gpf_point *p = gpf_point_alloc(t->g, ROWS);
    gpf_point_bind(p, t->X, t->x[0]);
    gpf_point_bind(p, t->y, t->want);
    gsl_vector *theta = gpf_point_params(p);
    for (size_t i = 0; i < theta->size; i++)
        gsl_vector_set(theta, i, number(i + 100 * (unsigned long)who + 17));
    return p;
}

/* One plan, a workspace each. */
typedef struct planned {
    net *t;
    gpf_plan *plan;
} planned;

static size_t run_plan(void *shared, int who, double *out)
{
    const planned *s = shared;
    gpf_point *at = net_point(s->t, who);
    gpf_workspace *ws = gpf_workspace_alloc(s->plan);
    const size_t n = 1 + gpf_graph_n_params(s->t->g);
    for (int i = 0; i < 50; i++) {
        gsl_vector_set(gpf_point_params(at), (size_t)i % (n - 1), 0.01 * i);
        if (gpf_plan_run(s->plan, ws, at))
            return 0;
    }
    memcpy(out, gpf_workspace_output(ws, 0), n * sizeof *out);
    gpf_workspace_free(ws);
    gpf_point_free(at);
    return n;
}

/* One damage, an overlay each. */
static size_t run_overlay(void *shared, int who, double *out)
{
    const gpf_damage *d = shared;
    gpf_overlay *o = gpf_overlay_alloc(d);
    size_t n = 0;
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < gpf_damage_target_size(d, i); k++) {
            const double t[] = { 0.1 + who, -0.3 * who, 2 };
            gpf_branch b[3];
            if (gpf_overlay_values(o, i, k, t, 3, out + n, b))
                return 0;
            n += 3;
        }
    gpf_overlay_free(o);
    return n;
}

static size_t tell(const gpf_check *c, double *out)
{
    const size_t n = gpf_check_n_elements(c);
    for (size_t i = 0; i < n; i++) {
        const gpf_element *e = gpf_check_element(c, i);
        out[3 * i] = e->numeric;
        out[3 * i + 1] = e->error;
        out[3 * i + 2] = (double)e->verdict;
    }
    return 3 * n;
}

/* Graphs of their own; the checks spread over threads of their own where there is OpenMP. */
static size_t run_check(void *shared, int who, double *out)
{
    (void)shared;
    net *t = net_alloc();
    gpf_point *at = net_point(t, who);
    gpf_check *c = gpf_check_alloc(t->g, t->loss, t->params, NULL, 4, ROWS, 1, NULL);
    gpf_check_options how = gpf_check_defaults();
    how.threads = 1 + who % 2;
    how.fast = who == 3;
    size_t n = c && !gpf_check_run(c, at, &how, NULL) ? tell(c, out) : 0;
    out[n++] = gpf_check_value(c);
    char *text = NULL;
    size_t length = 0;
    FILE *f = open_memstream(&text, &length);
    gpf_report_options shown = gpf_report_defaults();
    if (gpf_report_text(f, c, &shown) || gpf_report_json(f, c, &shown))
        n = 0;
    fclose(f);
    for (size_t i = 0; i < length && n && n < MOST; i++) /* but for the time it took */
        out[n++] = text[i];
    free(text);
    gpf_check_free(c);
    gpf_point_free(at);
    net_free(t);
    return n;
}

/* One graph, which nobody extends any more, and one point; a check each. */
typedef struct checks {
    gpf_check *check[THREADS];
    gpf_point *at;
} checks;

static size_t run_checks(void *shared, int who, double *out)
{
    const checks *s = shared;
    gpf_check_options how = gpf_check_defaults();
    how.threads = 1;
    return gpf_check_run(s->check[who], s->at, &how, NULL) ? 0 : tell(s->check[who], out);
}

static size_t run_training(void *shared, int who, double *out)
{
    (void)shared;
    static const char *const optimizer[THREADS] = { "adam", "sgd", "bfgs", "lm" };
    net *t = net_alloc();
    gpf_point *at = net_point(t, who);
    gpf_train_options how = gpf_train_defaults();
    how.optimizer = optimizer[who];
    how.epochs = 6;
    how.batch = who < 2 ? 5 : 0;
    how.check_every = 3;
    how.health = 1;
    gpf_train *train = gpf_train_alloc(t->g, t->loss, at, &how, NULL, NULL);
    size_t n = 0;
    if (train && !gpf_train_run(train)) {
        const gsl_vector *theta = gpf_point_params(at);
        for (; n < theta->size; n++)
            out[n] = gsl_vector_get(theta, n);
        out[n++] = gpf_train_progress(train)->loss;
        out[n++] = (double)gpf_health_n_findings(gpf_train_health(train));
    }
    gpf_train_free(train);
    gpf_point_free(at);
    net_free(t);
    return n;
}

/* Text, tables and files. */
static size_t run_model(void *shared, int who, double *out)
{
    (void)shared;
    char text[400], path[64];
    snprintf(text, sizeof text,
             "data X[N,2] = [0.25 -1; %d 0.5; 0.75 2]\nparam W[2,3] ~ normal(0, 1)\n"
             "h = leaky_relu(X @ W, 0.2)\nloss = mean(h^2)\nclaim h - h = 0*h\n",
             who + 1);
    gpf_diag why[2];
    size_t n_why, n = 0;
    gpf_model *m = gpf_model_parse(text, strlen(text), "inline", NULL, why, 2, &n_why);
    if (!m)
        return 0;
    const gsl_vector *theta = gpf_point_params(gpf_model_point(m));
    for (; n < theta->size; n++)
        out[n] = gsl_vector_get(theta, n);
    snprintf(path, sizeof path, "threads-%d.%s", who, who % 2 ? "npz" : "safetensors");
    if (gpf_params_write(gpf_model_graph(m), theta, path, NULL) ||
        gpf_model_read_params(m, path, NULL))
        return 0;
    remove(path);
    gpf_table *t = gpf_table_parse("a,b\n1.5,x\n2.5,y\n", 16, "table", NULL);
    out[n++] = gpf_table_column(t, 0)[1];
    gpf_table_free(t);
    gpf_model_free(m);
    /* what cannot be read is said in the caller's own gpf_diag */
    m = gpf_model_parse("y = x +\n", 8, "bad", NULL, why, 2, &n_why);
    out[n++] = m ? -1 : (double)why[0].column;
    return n;
}

/* Callbacks: one structure, which has no state. */
static double rosenbrock(const gsl_vector *x, void *scale)
{
    const double a = gsl_vector_get(x, 0), b = gsl_vector_get(x, 1);
    return *(double *)scale * (b - a * a) * (b - a * a) + (1 - a) * (1 - a);
}

static void rosenbrock_df(const gsl_vector *x, void *scale, gsl_vector *df)
{
    const double a = gsl_vector_get(x, 0), b = gsl_vector_get(x, 1), s = *(double *)scale;
    gsl_vector_set(df, 0, -4 * s * a * (b - a * a) - 2 * (1 - a));
    gsl_vector_set(df, 1, 2 * s * (b - a * a));
}

static void rosenbrock_fdf(const gsl_vector *x, void *scale, double *f, gsl_vector *df)
{
    *f = rosenbrock(x, scale);
    rosenbrock_df(x, scale, df);
}

static size_t run_callback(void *shared, int who, double *out)
{
    const gsl_multimin_function_fdf *f = shared;
    double at[] = { -1.2 + who, 1.1 };
    const gsl_vector_view x = gsl_vector_view_array(at, 2);
    gpf_fdf *c = gpf_check_multimin_fdf(f, &x.vector, NULL, NULL);
    if (!c)
        return 0;
    size_t n = 0;
    out[n++] = (double)gpf_fdf_outcome(c);
    for (size_t i = 0; i < gpf_fdf_n_elements(c); i++) {
        out[n++] = gpf_fdf_element(c, i)->numeric;
        out[n++] = gpf_fdf_element(c, i)->error;
    }
    gpf_fdf_free(c);
    return n;
}

/* One graph and one point; functions of GSL for each thread, who asked for them before. */
typedef struct adapters {
    gpf_gsl *a[THREADS];
    gsl_multimin_function_fdf f[THREADS];
} adapters;

static size_t run_adapter(void *shared, int who, double *out)
{
    adapters *s = shared;
    gsl_multimin_function_fdf *f = &s->f[who];
    gsl_vector *x = gsl_vector_alloc(f->n), *df = gsl_vector_alloc(f->n);
    size_t n = 0;
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < f->n; i++)
            gsl_vector_set(x, i, number(i + 31 * (unsigned long)(who + round)));
        f->fdf(x, f->params, &out[n++], df);
    }
    for (size_t i = 0; i < f->n; i++)
        out[n++] = gsl_vector_get(df, i);
    gsl_vector_free(x);
    gsl_vector_free(df);
    return gpf_gsl_status(s->a[who]) ? 0 : n;
}

static size_t run_op(void *shared, int who, double *out)
{
    (void)who;
    gpf_op_check *c = gpf_check_op(shared, NULL, NULL);
    if (!c)
        return 0;
    size_t n = 0;
    out[n++] = (double)gpf_op_check_outcome(c);
    for (size_t i = 0; i < gpf_op_check_n_cases(c) && n < MOST; i++)
        out[n++] = (double)gpf_op_check_case(c, i)->verdict;
    gpf_op_check_free(c);
    return n;
}

static size_t run_version(void *shared, int who, double *out)
{
    (void)shared, (void)who;
    char provider[256];
    out[0] = (double)gpf_version_number();
    out[1] = (double)strlen(gpf_cpu());
    out[2] = (double)strlen(gpf_cblas_provider(provider, sizeof provider));
    return 3;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    race("what the library is", run_version, NULL);

    net *t = net_alloc();
    gpf_point *at = net_point(t, 9);
    planned plan = { t, gpf_plan_alloc(t->g, t->out, 5, ROWS) };
    race("workspaces on one plan", run_plan, &plan);
    gpf_plan_free(plan.plan);

    gpf_damage *d = gpf_damage_alloc(t->g, t->loss, t->params, 4, ROWS);
    gpf_damage_base(d, at, NULL);
    race("overlays on one damage", run_overlay, d);
    gpf_damage_free(d);

    race("checks", run_check, NULL);
    checks many = { { NULL }, at };
    for (int i = 0; i < THREADS; i++)
        many.check[i] = gpf_check_alloc(t->g, t->loss, t->params, NULL, 4, ROWS, 1, NULL);
    race("checks on one graph and one point", run_checks, &many);
    for (int i = 0; i < THREADS; i++)
        gpf_check_free(many.check[i]);

    race("trainings", run_training, NULL);
    race("models, tables, archives", run_model, NULL);

    double scale = 100;
    const gsl_multimin_function_fdf f = { rosenbrock, rosenbrock_df, rosenbrock_fdf, 2, &scale };
    race("checks of one callback", run_callback, (void *)&f);

    adapters gsl;
    int have = 1;
    for (int i = 0; i < THREADS; i++) {
        gsl.a[i] = gpf_gsl_alloc(t->g, t->loss, NULL, 0, at, NULL);
        have = have && gsl.a[i] && !gpf_gsl_multimin(gsl.a[i], &gsl.f[i], NULL);
    }
    if (have)
        race("functions of GSL on one graph and one point", run_adapter, &gsl);
    else
        report(0, "functions of GSL on one graph and one point");
    for (int i = 0; i < THREADS; i++)
        gpf_gsl_free(gsl.a[i]);

    race("checks of one op", run_op, (void *)(uintptr_t)gpf_op_find("softmax", 1));

    gpf_point_free(at);
    net_free(t);
    printf("1..%d\n", tests);
    return failures != 0;
}
