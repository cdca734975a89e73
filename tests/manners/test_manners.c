/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A guest in somebody's program: whatever text, file or shape comes in, the library returns a status
 * and says why; it calls no handler, prints nothing, and leaves locale, handler, signals, and the
 * floating-point environment as they were. Prints TAP, on a stream of its own. */
#define _GNU_SOURCE /* fegetexcept, open_memstream, sigaction */
#include <gradproof.h>
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *tap;
static int tests, failures, handled, said;
static const char *what;

static void handler(const char *reason, const char *file, int line, int code)
{
    handled++;
    fprintf(tap, "# %s: handler called: %s (%s:%d, %d)\n", what, reason, file, line, code);
}

static void report(int passed, const char *name)
{
    fprintf(tap, "%s %d - %s\n", passed ? "ok" : "not ok", ++tests, name);
    failures += !passed;
}

/* Of one bad input: that it was refused with a reason. */
static void refused(int yes, const char *name, const gpf_diag *why)
{
    if (!yes || (why && (why->status == 0 || !why->text[0]))) {
        fprintf(tap, "# %s: %s: %s\n", what, name, yes ? "no reason given" : "accepted");
        said++;
    }
}

static void begin(const char *name)
{
    what = name;
    handled = said = 0;
}

static void end(void)
{
    report(!handled && !said, what);
}

static unsigned long state = 88172645463325252u;
static unsigned long roll(unsigned long n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % n;
}

/* Models -------------------------------------------------------------------------------------- */

static const char good_model[] = "seed 7\n"
                                 "data X[N,2] = [0.25 -1; 1.5 0.5; 0.75 2]\n"
                                 "data y[N,1] = [1; 0; 1]\n"
                                 "param W[2,3] ~ normal(0, 1)\n"
                                 "param b[1,3] = 0\n"
                                 "h = leaky_relu(X @ W + b, 0.2)\n"
                                 "z = dense(h, 1)\n"
                                 "p = sigmoid(z)\n"
                                 "loss = bce(p, y, sum)\n"
                                 "claim grad(loss, b) = sum(h, 0)\n"
                                 "train optimizer = adam\ntrain rate = 0.1\ntrain epochs = 3\n";

static void parse(const char *text, size_t length, int must_fail)
{
    gpf_diag why[3];
    size_t n_why = 0;
    memset(why, 0, sizeof why);
    gpf_model *m = gpf_model_parse(text, length, "text", NULL, why, 3, &n_why);
    if (must_fail)
        refused(!m && n_why > 0, text, why);
    gpf_model_free(m);
}

static void models(void)
{
    begin("model texts");
    static const char *const bad[] = { "x = ",
                                       "x = y\n",
                                       "param W[0] = 0\n",
                                       "param W[-3] = 0\n",
                                       "param W[1,1,1,1,1] = 0\n",
                                       "param W[99999,99999] = 0\n",
                                       "param W[2] = [1 2 3]\n",
                                       "data X[N,2] = csv(\"/nowhere.csv\")\n",
                                       "data X = [1 2; 3]\n",
                                       "param a = 1\na = 2\n",
                                       "x = relu()\n",
                                       "x = relu(1, 2, 3, 4)\n",
                                       "x = sum([1 2], 7)\n",
                                       "param W ~ normal(0, -1)\n",
                                       "param W ~ nothing\n",
                                       "train sgd rate=-1\n",
                                       "train nobody\n",
                                       "x = 1e999\n",
                                       "x = [1 2] @ [3 4]\n",
                                       "claim 1\n",
                                       "((((((((((",
                                       "x = 'a'\n",
                                       "\xff\xfe\x00\x01",
                                       "param x = 1\ny = grad(x, z)\n",
                                       "param x[2] = 1\ny = reshape(x, 3)\n",
                                       "param x[2] = 1\ny = x[5]\n",

                                       "data X = csv(1)\n",
                                       "param x[3] ~ uniform(2, 1)\n",
                                       "x = softmax(1, 2, 3)\n",
                                       "x = dense(1)\n",
                                       "data X[N] = normal(0, 1)\n",
                                       "split 7\n",
                                       "update x = 1\n" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        parse(bad[i], strlen(bad[i]), 1);
    /* texts that are nearly right */
    char text[sizeof good_model];
    for (int round = 0; round < 4000; round++) {
        memcpy(text, good_model, sizeof text);
        size_t n = sizeof text - 1;
        for (unsigned long k = 1 + roll(3); k; k--) {
            const size_t at = roll(n), from = roll(n);
            if (roll(4) == 0)
                text[at] = (char)roll(256);
            else if (roll(2))
                text[at] = good_model[from];
            else
                memmove(text + at, text + at + 1, n - at);
        }
        parse(text, roll(8) ? n : roll(n), 0);
    }
    gpf_diag why;
    size_t n_why;
    refused(!gpf_model_read("/nonexistent/model.gpf", NULL, &why, 1, &n_why), "no file", &why);
    refused(!gpf_model_read("/", NULL, &why, 1, &n_why), "a directory", &why);
    gpf_model *m = gpf_model_parse(good_model, strlen(good_model), "good", NULL, &why, 1, &n_why);
    report(m != NULL, "a good model");
    if (!m)
        fprintf(tap, "# %s\n", why.text);
    if (m) {
        refused(gpf_model_read_data(m, "/nonexistent.csv", &why) != 0, "no data", &why);
        refused(gpf_model_read_params(m, "/nonexistent.npz", &why) != 0, "no params", &why);
        refused(!gpf_model_rows(m, 1, &why), "no split", &why);
        refused(gpf_model_find(m, "nobody") == GPF_NONE, "no such name", NULL);
        gpf_model_free(m);
    }
    end();
}

/* Tables and archives ---------------------------------------------------------------------------- */

static void put(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f))
        exit(99);
}

static void files(void)
{
    begin("tables and archives");
    static const char *const bad[] = { "",         "a\n",  "a,b\n1\n",   "a,a\n1,2\n",
                                       "a\n\"x\n", "\n\n", "a,\n1,2,3\n" };
    gpf_diag why;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memset(&why, 0, sizeof why);
        gpf_table *t = gpf_table_parse(bad[i], strlen(bad[i]), "table", &why);
        refused(!t, bad[i], &why);
        gpf_table_free(t);
    }
    refused(!gpf_table_read("/nonexistent.csv", &why), "no table", &why);

    const double x[] = { 1, 2, 3, 4, 5, 6 };
    gpf_archive *a = gpf_archive_alloc();
    refused(gpf_archive_add(a, "", gpf_shape1(2), x) != 0, "no name", NULL);
    refused(gpf_archive_add(a, "\xff", gpf_shape1(2), x) != 0, "not UTF-8", NULL);
    refused(gpf_archive_add(a, "x", gpf_shape1(GPF_N), x) != 0, "a free size", NULL);
    refused(gpf_archive_add(a, "x", gpf_shape2(1 << 20, 1 << 20), x) != 0, "too large", NULL);
    if (gpf_archive_add(a, "W", gpf_shape2(2, 3), x))
        exit(99);
    refused(gpf_archive_add(a, "W", gpf_shape2(2, 3), x) != 0, "twice", NULL);
    refused(gpf_archive_set(a, "k", "\xff") != 0, "text not UTF-8", NULL);
    refused(gpf_archive_write(a, "manners.xyz", &why) != 0, "another ending", &why);
    refused(gpf_archive_write(a, "/nonexistent/manners.npz", &why) != 0, "no folder", &why);
    refused(gpf_archive_write(a, "/dev/full", &why) != 0, "no ending", &why);
    static const char *const paths[] = { "manners.npz", "manners.safetensors" };
    gpf_graph *g = gpf_graph_alloc();
    gpf_param(g, "V", gpf_shape2(2, 3));
    gpf_point *at = gpf_point_alloc(g, 0);
    for (int i = 0; i < 2; i++) {
        if (gpf_archive_write(a, paths[i], &why))
            exit(99);
        refused(gpf_params_read(g, gpf_point_params(at), paths[i], &why) != 0, "no V", &why);
        /* the file, damaged */
        static char bytes[8192], damaged[8192];
        FILE *f = fopen(paths[i], "rb");
        const size_t n = fread(bytes, 1, sizeof bytes, f);
        fclose(f);
        for (int round = 0; round < 600; round++) {
            memcpy(damaged, bytes, n);
            for (unsigned long k = 1 + roll(4); k; k--)
                damaged[roll(n)] = (char)roll(256);
            put(paths[i], damaged, roll(4) ? n : roll(n + 1));
            gpf_archive_free(gpf_archive_read(paths[i], roll(2) ? &why : NULL));
        }
        remove(paths[i]);
    }
    refused(!gpf_archive_read("/nonexistent.npz", &why), "no archive", &why);
    gpf_point_free(at);
    gpf_graph_free(g);
    gpf_archive_free(a);
    end();
}

/* Shapes and names ------------------------------------------------------------------------------ */

static void shapes(void)
{
    begin("shapes, names and nodes");
    gpf_diag why;
#define POISONED(expression)                           \
    do {                                               \
        gpf_graph_clear_status(g);                     \
        memset(&why, 0, sizeof why);                   \
        const gpf_node bad = (expression);             \
        gpf_graph_status(g, &why);                     \
        refused(bad == GPF_POISON, #expression, &why); \
    } while (0)
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node W = gpf_param(g, "W", gpf_shape2(2, 3)),
                   X = gpf_data(g, "X", gpf_shape2(GPF_N, 3));
    const gpf_node v = gpf_param(g, "v", gpf_shape1(3));
    const ptrdiff_t start[] = { 5, 5 }, size[] = { 9, 9 };
    const gpf_node both[] = { W, X };
    POISONED(gpf_matmul(g, X, W));
    POISONED(gpf_add(g, W, gpf_param(g, "u", gpf_shape1(7))));
    POISONED(gpf_param(g, "W", gpf_shape1(2)));
    POISONED(gpf_param(g, "", gpf_shape1(2)));
    POISONED(gpf_param(g, NULL, gpf_shape1(2)));
    POISONED(gpf_param(g, "a b", gpf_shape1(2)));
    POISONED(gpf_param(g, "zero", gpf_shape1(0)));
    POISONED(gpf_param(g, "neg", gpf_shape1(-7)));
    POISONED(gpf_param(g, "free", gpf_shape1(GPF_N)));
    POISONED(gpf_param(g, "large", gpf_shape2(1 << 20, 1 << 20)));
    POISONED(gpf_data(g, "zero", gpf_shape2(GPF_N, 0)));
    POISONED(gpf_reshape(g, W, gpf_shape1(5)));
    POISONED(gpf_broadcast(g, W, gpf_shape1(5)));
    POISONED(gpf_slice(g, W, start, size));
    POISONED(gpf_pad(g, W, start, gpf_shape2(3, 3)));
    POISONED(gpf_concat(g, both, 2, 9));
    POISONED(gpf_concat(g, both, 0, 0));
    POISONED(gpf_one_hot(g, W, 3));
    POISONED(gpf_one_hot(g, v, 0));
    POISONED(gpf_sum(g, W, 1 << 7));
    POISONED(gpf_trace(g, W));
    POISONED(gpf_diagonal(g, W));
    POISONED(gpf_sum_to(g, W, gpf_shape1(9)));
    POISONED(gpf_dense(g, "W", X, 0, NULL));
    POISONED(gpf_relu(g, 9999));
    POISONED(gpf_relu(g, GPF_NONE));
    POISONED(gpf_relu(g, GPF_POISON));
    POISONED(gpf_apply(g, gpf_op_find("add", 2), &W, 1, NULL));
    POISONED(gpf_mse(g, W, X, (enum gpf_reduction)77));
    POISONED(gpf_cross_entropy(g, W, v, GPF_MEAN));
    gpf_graph_clear_status(g);
    gpf_node out[2];
    refused(gpf_grad(g, W, &v, 1, out) != 0, "a gradient of a matrix", NULL);
    gpf_graph_clear_status(g);
    refused(gpf_jacobian(g, X, v, out) != 0, "a Jacobian with N", NULL);
    gpf_graph_clear_status(g);
    refused(gpf_node_set_name(g, v, "W") != 0, "a name twice", NULL);
    gpf_graph_clear_status(g);
    refused(gpf_graph_find(g, "nobody") == GPF_NONE, "no such node", NULL);
    refused(!gpf_op_find("nobody", 1) && !gpf_fn_find("nobody", 1), "no such op", NULL);

    /* leaves without values, checks of nothing */
    gpf_point *at = gpf_point_alloc(g, 4);
    refused(gpf_point_bind(at, W, (const double[]){ 0 }) != 0, "a param bound as data", NULL);
    const gpf_node f = gpf_sum(g, gpf_mul(g, X, v), GPF_ALL_AXES);
    refused(!gpf_check_alloc(g, f, &v, NULL, 0, 4, 1, &why), "a check of nothing", &why);
    gpf_check *c = gpf_check_alloc(g, f, &v, NULL, 1, 4, 1, &why);
    refused(c && gpf_check_run(c, at, NULL, &why) == GPF_EUNBOUND, "data without values", &why);
    gpf_check_options how = gpf_check_defaults();
    how.fast = 1;
    how.sample = 3;
    refused(c && gpf_check_run(c, at, &how, &why) == GSL_EINVAL, "a sample and fast", &why);
    gpf_check_free(c);
    refused(!gpf_check_alloc(g, f, &v, &W, 1, 4, 1, &why), "a gradient of another shape", &why);
    gpf_graph_clear_status(g);
    gpf_plan *plan = gpf_plan_alloc(g, &f, 1, 4);
    gpf_workspace *ws = gpf_workspace_alloc(plan);
    refused(gpf_plan_run(plan, ws, at) == GPF_EUNBOUND, "a run without values", NULL);
    gpf_point *other = gpf_point_alloc(g, 5);
    gpf_workspace_free(ws);
    gpf_plan_free(plan);
    gpf_point_free(other);
    gpf_point_free(at);
    gpf_graph_free(g);
    end();
}

/* Training -------------------------------------------------------------------------------------- */

static void training(void)
{
    begin("settings and training");
    gpf_diag why;
    gpf_train_options how = gpf_train_defaults();
    static const char *const bad[][2] = { { "nobody", "1" },
                                          { "rate", "fast" },
                                          { "rate", "-1" },
                                          { "rate", "1e999" },
                                          { "rate", "" },
                                          { "epochs", "1.5" },
                                          { "epochs", "-1" },
                                          { "epochs", "99999999999999999999999" },
                                          { "optimizer", "nobody" },
                                          { "schedule", "" },
                                          { "health", "maybe" },
                                          { "momentum", "2" },
                                          { "", "" } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        memset(&why, 0, sizeof why);
        refused(gpf_setting_set(&how, bad[i][0], bad[i][1], &why) != 0, bad[i][1], &why);
    }
    gpf_graph *g = gpf_graph_alloc();
    gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 2));
    gpf_node p = gpf_dense(g, "p", X, 1, NULL), loss = gpf_sum(g, gpf_square(g, p), GPF_ALL_AXES);
    gpf_node W = gpf_graph_find(g, "p.W");
    gpf_point *at = gpf_point_alloc(g, 3);
#define NO_TRAINING(name, y, setting, with)                         \
    do {                                                            \
        how = gpf_train_defaults();                                 \
        setting;                                                    \
        memset(&why, 0, sizeof why);                                \
        gpf_train *t = gpf_train_alloc(g, y, at, &how, with, &why); \
        refused(!t, name, &why);                                    \
        gpf_train_free(t);                                          \
    } while (0)
    NO_TRAINING("without values", loss, (void)0, NULL);
    const double x[] = { 1, 2, 3, 4, 5, 6 };
    gpf_point_bind(at, X, x);
    NO_TRAINING("no optimiser of that name", loss, how.optimizer = "nobody", NULL);
    NO_TRAINING("no optimiser", loss, how.optimizer = NULL, NULL);
    NO_TRAINING("no schedule of that name", loss, how.schedule = "nobody", NULL);
    NO_TRAINING("a negative rate", loss, how.rate = -1, NULL);
    NO_TRAINING("a setting it does not have", loss, (how.optimizer = "sgd", how.beta1 = 0.5), NULL);
    NO_TRAINING("lm on what is no sum of squares", gpf_sum(g, gpf_exp(g, p), GPF_ALL_AXES),
                how.optimizer = "lm", NULL);
    NO_TRAINING("a loss of many elements", p, (void)0, NULL);
    gpf_train_with with = gpf_train_plain();
    with.xs = &X;
    with.n_xs = 1;
    NO_TRAINING("data as a param", loss, (void)0, &with);
    gsl_vector *theta = gpf_point_params(at);
    refused(gpf_initialize(g, W, theta, "nobody", NULL, 1) == GPF_ENAME, "no initialiser", NULL);
    refused(gpf_initialize(g, W, theta, "normal", (const double[]){ 0, -1 }, 1) != 0,
            "a deviation < 0", NULL);
    refused(!gpf_step_check_alloc(g, loss, &W, 1, x, -1, 3, 1, &why), "a step back", &why);
    refused(!gpf_step_check_alloc(g, loss, &X, 1, x, 1, 3, 1, &why), "a step of data", &why);
    gpf_graph *empty = gpf_graph_alloc();
    gpf_node one = gpf_const(empty, 1);
    refused(!gpf_health_alloc(empty, one, 1, NULL, NAN, &why), "health of nothing", &why);
    gpf_graph_free(empty);
    how = gpf_train_defaults();
    gpf_train *t = gpf_train_alloc(g, loss, at, &how, NULL, &why);
    refused(t && gpf_train_resume(t, "/nonexistent.npz", &why) != 0, "no checkpoint", &why);
    refused(t && gpf_train_save(t, "/nonexistent/a.npz", &why) != 0, "no folder", &why);
    gpf_train_free(t);

    /* A minimiser that goes nowhere, or off to infinity, is an outcome. */
    static const char *const minimizer[] = { "bfgs", "cg-fr", "cg-pr", "steepest", "lm" };
    for (size_t i = 0; i < 5; i++) {
        how = gpf_train_defaults();
        how.optimizer = minimizer[i];
        gsl_vector_set_all(theta, i % 2 ? 0 : 1e200);
        if ((t = gpf_train_alloc(g, loss, at, &how, NULL, NULL)))
            gpf_train_run(t);
        gpf_train_free(t);
    }
    gpf_point_free(at);
    gpf_graph_free(g);
    end();
}

/* Callbacks --------------------------------------------------------------------------------------- */

static double f_ok(const gsl_vector *x, void *p)
{
    (void)p;
    return gsl_vector_get(x, 0);
}
static double f_nan(const gsl_vector *x, void *p)
{
    (void)x, (void)p;
    return NAN;
}
static void df_ok(const gsl_vector *x, void *p, gsl_vector *df)
{
    (void)x, (void)p;
    gsl_vector_set_all(df, 1);
}
static void fdf_ok(const gsl_vector *x, void *p, double *f, gsl_vector *df)
{
    *f = f_ok(x, p);
    df_ok(x, p, df);
}
static int fit_fails(const gsl_vector *x, void *p, gsl_vector *f)
{
    (void)x, (void)p, (void)f;
    return GSL_EDOM;
}
static int J_fails(const gsl_vector *x, void *p, gsl_matrix *J)
{
    (void)x, (void)p, (void)J;
    return GSL_EDOM;
}

static void callbacks(void)
{
    begin("callbacks");
    gpf_diag why;
    gsl_vector *x = gsl_vector_calloc(1), *two = gsl_vector_calloc(2), *nan1 = gsl_vector_alloc(1);
    gsl_vector *minus = gsl_vector_alloc(1);
    gsl_vector_set(nan1, 0, NAN);
    gsl_vector_set(minus, 0, -1);
    gpf_fdf_options how = gpf_fdf_defaults();
    const gsl_multimin_function_fdf ok = { f_ok, df_ok, fdf_ok, 1, NULL };
    gsl_multimin_function_fdf f = ok;
#define NO_CHECK(name, at)                                       \
    do {                                                         \
        memset(&why, 0, sizeof why);                             \
        gpf_fdf *c = gpf_check_multimin_fdf(&f, at, &how, &why); \
        refused(!c, name, &why);                                 \
        gpf_fdf_free(c);                                         \
        f = ok;                                                  \
        how = gpf_fdf_defaults();                                \
    } while (0)
    NO_CHECK("x of another size", two);
    NO_CHECK("x is NaN", nan1);
    f.f = NULL;
    NO_CHECK("no f", x);
    f.df = NULL, f.fdf = NULL;
    NO_CHECK("no derivative", x);
    f.n = 0;
    NO_CHECK("no variables", x);
    how.lo = two;
    NO_CHECK("bounds of another size", x);
    how.lo = x, how.hi = minus;
    NO_CHECK("bounds that are crossed", x);
    how.hi = minus;
    NO_CHECK("x outside", x);
    how.scale = minus;
    NO_CHECK("a negative scale", x);
    how.lo = how.hi = x;
    NO_CHECK("nothing free", x);
    refused(!gpf_fdf_kind_find("nobody") && !gpf_fdf_kind_at(7), "no such kind", NULL);

    /* that f fails or is not finite is an outcome */
    f.f = f_nan;
    gpf_fdf *c = gpf_check_multimin_fdf(&f, x, NULL, &why);
    refused(!c || gpf_fdf_outcome(c) != GPF_OUTCOME_RIGHT, "f is NaN", NULL);
    gpf_fdf_free(c);
    const gsl_multifit_nlinear_fdf fit = { .f = fit_fails, .df = J_fails, .n = 2, .p = 1 };
    c = gpf_check_multifit_nlinear_fdf(&fit, x, NULL, &why);
    refused(!c || gpf_fdf_outcome(c) != GPF_OUTCOME_RIGHT, "f fails", NULL);
    gpf_fdf_free(c);

    /* a graph that is none of GSL's structures */
    gpf_graph *g = gpf_graph_alloc();
    gpf_point *none = gpf_point_alloc(g, 0);
    gpf_node one = gpf_const(g, 1);
    refused(!gpf_gsl_alloc(g, one, NULL, 0, none, &why), "a function of nothing", &why);
    gpf_point_free(none);
    gpf_node w = gpf_param(g, "w", gpf_shape1(3));
    gpf_point *at = gpf_point_alloc(g, 0);
    gpf_gsl *a = gpf_gsl_alloc(g, w, &w, 1, at, &why);
    gsl_function_fdf one_to_one;
    gsl_multimin_function_fdf many_to_one;
    gsl_odeiv2_system ode;
    memset(&why, 0, sizeof why);
    refused(a && gpf_gsl_function(a, &one_to_one, &why) != 0, "three variables, not one", &why);
    memset(&why, 0, sizeof why);
    refused(a && gpf_gsl_multimin(a, &many_to_one, &why) != 0, "three values, not one", &why);
    memset(&why, 0, sizeof why);
    refused(a && gpf_gsl_odeiv2(a, w, &ode, &why) != 0, "a time of three elements", &why);
    gpf_gsl_free(a);
    gpf_point_free(at);
    gpf_graph_free(g);

    /* streams that cannot be written */
    c = gpf_check_multimin_fdf(&ok, x, NULL, &why);
    FILE *full = fopen("/dev/full", "w");
    if (full) {
        setvbuf(full, NULL, _IONBF, 0);
        refused(gpf_report_fdf_text(full, c, NULL) != 0, "a full disk", NULL);
        refused(gpf_report_fdf_json(full, c, NULL) != 0, "a full disk, JSON", NULL);
        fclose(full);
    }
    gpf_fdf_free(c);

    const gpf_op nothing = { .name = NULL };
    refused(!gpf_check_op(&nothing, NULL, &why), "an op of nothing", &why);
    gsl_vector_free(minus);
    gsl_vector_free(nan1);
    gsl_vector_free(two);
    gsl_vector_free(x);
    end();
}

/* The surroundings ---------------------------------------------------------------------------------- */

static void work(void)
{
    gpf_diag why;
    size_t n_why;
    gpf_model *m = gpf_model_parse(good_model, strlen(good_model), "good", NULL, &why, 1, &n_why);
    gpf_graph *g = gpf_model_graph(m);
    gpf_node loss = gpf_model_output(m), W = gpf_graph_find(g, "W");
    gpf_check *c = gpf_check_alloc(g, loss, &W, NULL, 1, 3, 1, NULL);
    gpf_check_run(c, gpf_model_point(m), NULL, NULL);
    char *text = NULL;
    size_t length;
    FILE *to = open_memstream(&text, &length);
    gpf_report_text(to, c, NULL);
    gpf_report_json(to, c, NULL);
    gpf_train *t =
        gpf_train_alloc(g, loss, gpf_model_point(m), gpf_model_train_options(m), NULL, NULL);
    gpf_train_run(t);
    gpf_train_free(t);
    fclose(to);
    free(text);
    gpf_check_free(c);
    gpf_model_free(m);
}

static void surroundings(void)
{
    static const int signals[] = { SIGFPE, SIGPIPE, SIGINT, SIGSEGV, SIGABRT, SIGALRM };
    struct sigaction before[6], after;
    for (int i = 0; i < 6; i++)
        sigaction(signals[i], NULL, &before[i]);
    char locale[256];
    const int comma = setlocale(LC_ALL, "de_DE.UTF-8") != NULL;
    snprintf(locale, sizeof locale, "%s", setlocale(LC_ALL, NULL));
    fesetround(FE_TONEAREST);
    const int except = fegetexcept();
    srand(7);
    const int first = rand();
    srand(7);

    work();

    report(rand() == first, "rand() goes on where it was");
    report(!strcmp(locale, setlocale(LC_ALL, NULL)), "the locale is what it was");
    report(fegetround() == FE_TONEAREST && fegetexcept() == except,
           "floating point is what it was");
    int same = 1;
    for (int i = 0; i < 6; i++) {
        sigaction(signals[i], NULL, &after);
        same = same && after.sa_handler == before[i].sa_handler;
    }
    report(same, "signals are handled as they were");
    char half[8];
    snprintf(half, sizeof half, "%.1f", 0.5);
    if (comma) {
        gpf_train_options how = gpf_train_defaults();
        gpf_diag why;
        report(half[1] == ',' && !gpf_setting_set(&how, "rate", "0.5", &why) && how.rate == 0.5,
               "numbers have points where the program's have commas");
    } else
        fprintf(tap, "ok %d - commas # SKIP no de_DE.UTF-8\n", ++tests);
    setlocale(LC_ALL, "C");
    report(gsl_set_error_handler(handler) == handler, "the error handler is the program's");
}

int main(void)
{
    /* What would be printed lands in a file; TAP goes to the old stdout. */
    FILE *caught = tmpfile();
    tap = fdopen(dup(1), "w");
    if (!tap || !caught)
        return 99;
    setvbuf(tap, NULL, _IOLBF, 0);
    dup2(fileno(caught), 1);
    dup2(fileno(caught), 2);
    gsl_set_error_handler(handler);

    models();
    files();
    shapes();
    training();
    callbacks();
    surroundings();

    fflush(stdout);
    fflush(stderr);
    char line[256];
    int printed = 0;
    rewind(caught);
    while (fgets(line, sizeof line, caught)) {
        fprintf(tap, "# printed: %s", line);
        printed = 1;
    }
    report(!printed, "nothing was printed");
    fprintf(tap, "1..%d\n", tests);
    return failures != 0;
}
