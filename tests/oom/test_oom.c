/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every operation with its 1st, 2nd, 3rd .. allocation failing, once and from then on, until it
 * succeeds: each failure must be said (GSL_ENOMEM), nothing may leak, and after it the same
 * objects must still work. Linked with --wrap=malloc and so on, and against a library built with
 * GPF_TINY_CHUNKS, in which no arena hides an allocation behind another. */
#define _POSIX_C_SOURCE 200809L /* fmemopen */
#include "../unit/fdf_test.h"

#include "train/archive.h"
#include "train/train.h"

#include <errno.h>
#include <jansson.h>

static unsigned long count, fail_at, failed;
static bool counting, persistent;

static bool fails(void)
{
    if (!counting)
        return false;
    count++;
    if (count != fail_at && !(persistent && count > fail_at))
        return false;
    failed++;
    return true;
}

/* Allocations of library and test that are not yet freed. */
static long alive;

static void *born(void *p)
{
    alive += p != NULL;
    return p;
}

#define WRAP(type, name, params, args)                    \
    type __real_##name params;                            \
    type __wrap_##name params;                            \
    type __wrap_##name params                             \
    {                                                     \
        return fails() ? NULL : born(__real_##name args); \
    }
WRAP(void *, malloc, (size_t n), (n))
WRAP(void *, calloc, (size_t n, size_t size), (n, size))
WRAP(void *, aligned_alloc, (size_t align, size_t n), (align, n))
WRAP(char *, strdup, (const char *s), (s))
WRAP(char *, strndup, (const char *s, size_t n), (s, n))

void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n)
{
    if (fails())
        return NULL;
    void *moved = __real_realloc(p, n);
    return p ? moved : born(moved);
}

int __real_posix_memalign(void **p, size_t align, size_t n);
int __wrap_posix_memalign(void **p, size_t align, size_t n);
int __wrap_posix_memalign(void **p, size_t align, size_t n)
{
    if (fails())
        return GSL_ENOMEM;
    const int status = __real_posix_memalign(p, align, n);
    alive += status == 0;
    return status;
}

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p)
{
    alive -= p != NULL;
    __real_free(p);
}

/* Failures happen between these two. */
static void begin(void)
{
    counting = true;
}

static void end(void)
{
    counting = false;
}

static int handled;

static void remember(const char *reason, const char *file, int line, int code)
{
    (void)reason, (void)file, (void)line;
    handled = code;
}

/* The status of a call that returns an object or NULL: what the handler was told. */
static int status_of(const void *object)
{
    return object ? GSL_SUCCESS : handled;
}

/* What the operations work on: a 2-3-2 net with every kind of loss term, at a small batch. */
typedef struct net {
    gpf_graph *g;
    gpf_node X, Y, xs[4], loss;
    gpf_point *at;
} net;

enum { N = 3, PARAMS = 6 + 3 + 6 + 2 };

static const double rows[] = { 0.3, -1.2, 0.7, 0.4, -0.5, 1.1 }, targets[] = { 1, 0, 0, 1, 1, 0 };

/* NULL-safe: after a failure the nodes are poison. */
static int build(net *n)
{
    n->g = gpf_graph_alloc();
    if (!n->g)
        return handled;
    n->X = gpf_data(n->g, "X", gpf_shape2(GPF_N, 2));
    n->Y = gpf_data(n->g, "Y", gpf_shape2(GPF_N, 2));
    const gpf_node h = gpf_dense(n->g, "h", n->X, 3, gpf_tanh);
    const gpf_node logits = gpf_dense(n->g, "out", h, 2, NULL);
    const gpf_node fit = gpf_cross_entropy(n->g, logits, n->Y, GPF_MEAN);
    for (size_t i = 0; i < 4; i++)
        n->xs[i] = gpf_graph_param(n->g, i);
    n->loss = gpf_add(n->g, fit, gpf_mul(n->g, gpf_const(n->g, 0.01), gpf_l2(n->g, n->xs[2])));
    gpf_node_set_name(n->g, n->loss, "loss");
    return gpf_graph_status(n->g, NULL);
}

static void place(net *n)
{
    n->at = gpf_point_alloc(n->g, N);
    assert_int_equal(gpf_point_bind(n->at, n->X, rows), GSL_SUCCESS);
    assert_int_equal(gpf_point_bind(n->at, n->Y, targets), GSL_SUCCESS);
    dice d = { 3 };
    fill(&d, theta(n->at), gpf_graph_n_params(n->g), -1, 1);
}

static net made(void)
{
    net n = { .g = NULL };
    assert_int_equal(build(&n), GSL_SUCCESS);
    place(&n);
    return n;
}

static void unmake(net *n)
{
    gpf_point_free(n->at);
    gpf_graph_free(n->g);
}

/* An operation: its status, and on success a number that depends on all it made. */
typedef int operation(double *result);

static int op_build(double *result)
{
    net n = { .g = NULL };
    begin();
    const int status = build(&n);
    end();
    if (status == GSL_SUCCESS) {
        place(&n);
        *result = evaluate1(n.g, n.at, n.loss);
    }
    unmake(&n);
    return status;
}

/* All rows and all functions, one on top of another. */
static int op_functions(double *result)
{
    net n = made();
    gpf_node total = n.loss;
    begin();
    for (size_t i = 0; gpf_fn_at(i); i++) {
        const gpf_attr a = gpf_attr_default(gpf_fn_at(i)->params);
        const gpf_node in[] = { n.Y, n.X };
        total = gpf_add(n.g, total, gpf_sum(n.g, gpf_fn_at(i)->build(n.g, in, &a), GPF_ALL_AXES));
    }
    for (size_t i = 0; gpf_op_at(i); i++) {
        const gpf_op *op = gpf_op_at(i);
        const gpf_node in[] = { n.X, n.X };
        if (op->arity > 0 && op->map)
            total = gpf_add(n.g, total,
                            gpf_sum(n.g, gpf_apply(n.g, op, in, op->arity, NULL), GPF_ALL_AXES));
    }
    gpf_node many[20];
    for (size_t i = 0; i < COUNT(many); i++)
        many[i] = n.X;
    total =
        gpf_add(n.g, total, gpf_sum(n.g, gpf_concat(n.g, many, (int)COUNT(many), 1), GPF_ALL_AXES));
    const int status = gpf_graph_status(n.g, NULL);
    end();
    if (status == GSL_SUCCESS)
        *result = total; /* values are NaN here and there: the node's place says it was all made */
    unmake(&n);
    return status;
}

/* Derivatives: after a failure and gpf_graph_clear_status the same call must work. */
typedef int derive(net *n, gpf_node *out);

static int derive_grad(net *n, gpf_node *out)
{
    return gpf_grad(n->g, n->loss, n->xs, 4, out);
}

static int derive_jvp(net *n, gpf_node *out)
{
    gpf_node v[4];
    for (size_t i = 0; i < 4; i++)
        v[i] = gpf_sin(n->g, n->xs[i]);
    return gpf_jvp(n->g, n->loss, n->xs, v, 4, out);
}

static int derive_hvp(net *n, gpf_node *out)
{
    return gpf_hvp(n->g, n->loss, n->xs, n->xs, 4, out);
}

static int derive_jacobian(net *n, gpf_node *out)
{
    return gpf_jacobian(n->g, gpf_sin(n->g, n->xs[2]), n->xs[2], out);
}

static int walk_derivative(derive *f, int n_out, double *result)
{
    net n = made();
    gpf_node out[4];
    begin();
    int status = f(&n, out);
    end();
    const int first = status;
    if (status) {
        for (int i = 0; i < n_out; i++)
            assert_true(out[i] == GPF_POISON);
        gpf_graph_clear_status(n.g);
        status = f(&n, out);
    }
    assert_int_equal(status, GSL_SUCCESS);
    gpf_node total = gpf_const(n.g, 0);
    for (int i = 0; i < n_out; i++)
        total = gpf_add(n.g, total, gpf_sum(n.g, gpf_sin(n.g, out[i]), GPF_ALL_AXES));
    assert_no_error(n.g);
    const double value = evaluate1(n.g, n.at, total);
    static double right[4];
    double *expected = f == derive_grad  ? &right[0]
                       : f == derive_jvp ? &right[1]
                       : f == derive_hvp ? &right[2]
                                         : &right[3];
    if (first == GSL_SUCCESS && failed == 0)
        *expected = value;
    assert_true(value == *expected); /* the first call of the walk fails nothing and sets it */
    *result = value;
    unmake(&n);
    return first;
}

static int op_grad(double *result)
{
    return walk_derivative(derive_grad, 4, result);
}

static int op_jvp(double *result)
{
    return walk_derivative(derive_jvp, 1, result);
}

static int op_hvp(double *result)
{
    return walk_derivative(derive_hvp, 4, result);
}

static int op_jacobian(double *result)
{
    return walk_derivative(derive_jacobian, 1, result);
}

static int op_point(double *result)
{
    net n = made();
    begin();
    gpf_point *p = gpf_point_alloc(n.g, N);
    end();
    const int status = status_of(p);
    if (p)
        *result = (double)gpf_point_params(p)->size;
    gpf_point_free(p);
    unmake(&n);
    return status;
}

/* Plan and workspace of the loss and its gradient, some outputs copies. */
static int op_plan(double *result)
{
    net n = made();
    gpf_node out[7] = { n.loss };
    gpf_grad(n.g, n.loss, n.xs, 4, out + 1);
    out[5] = n.X;
    out[6] = gpf_concat(n.g,
                        (gpf_node[]){ n.X, n.X, n.X, n.X, n.X, n.X, n.X, n.X, n.X, n.X, n.X, n.X,
                                      n.X, n.X, n.X, n.X, n.X },
                        17, 1);
    assert_no_error(n.g);
    begin();
    gpf_plan *plan = gpf_plan_alloc(n.g, out, 7, N);
    int status = status_of(plan);
    gpf_workspace *ws = plan ? gpf_workspace_alloc(plan) : NULL;
    if (plan)
        status = status_of(ws);
    if (ws)
        status = gpf_plan_run(plan, ws, n.at);
    end();
    if (status == GSL_SUCCESS)
        for (size_t i = 0; i < 1 + PARAMS; i++)
            *result += gpf_workspace_output(ws, 0)[i] * (double)(i + 1);
    gpf_workspace_free(ws);
    gpf_plan_free(plan);
    unmake(&n);
    return status;
}

static int op_damage(double *result)
{
    net n = made();
    const gpf_node xs[] = { n.xs[0], n.X, gpf_node_inputs(n.g, n.loss, &(int){ 0 })[0] };
    begin();
    gpf_damage *damage = gpf_damage_alloc(n.g, n.loss, xs, 3, N);
    int status = status_of(damage);
    gpf_overlay *o = NULL;
    if (damage)
        status = gpf_damage_base(damage, n.at, NULL);
    if (damage && status == GSL_SUCCESS)
        status = status_of(o = gpf_overlay_alloc(damage));
    end();
    const double t = 0.25;
    double f = 0;
    for (size_t i = 0; o && i < 3; i++) {
        assert_int_equal(gpf_overlay_values(o, i, 0, &t, 1, &f, NULL), GSL_SUCCESS);
        *result += f;
    }
    gpf_overlay_free(o);
    gpf_damage_free(damage);
    unmake(&n);
    return status;
}

static int op_check(double *result)
{
    net n = made();
    gpf_check_options how = gpf_check_defaults();
    how.threads = 1;
    how.sample = 2;
    gpf_diag why = { .status = 0 };
    begin();
    gpf_check *c = gpf_check_alloc(n.g, n.loss, n.xs, NULL, 4, N, 1, &why);
    int status = c ? gpf_check_run(c, n.at, &how, &why) : why.status;
    end();
    assert_int_equal(why.status, status);
    if (status == GSL_SUCCESS) {
        assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_RIGHT);
        *result = (double)gpf_check_tally(c, -1).count[GPF_RIGHT];
    } else if (c) { /* the object is still good */
        assert_int_equal(gpf_check_run(c, n.at, &how, &why), GSL_SUCCESS);
        assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_RIGHT);
    }
    gpf_check_free(c);
    unmake(&n);
    return status;
}

/* Along directions, and down to the element of a wrong gradient. */
static int op_check_fast(double *result)
{
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node w = gpf_param(g, "w", gpf_shape1(20)),
                   f = gpf_sum(g, gpf_relu(g, gpf_exp(g, w)), GPF_ALL_AXES);
    double off[20] = { 0 };
    off[13] = 0.25;
    const gpf_node grad = gpf_add(g, gpf_exp(g, w), gpf_const_tensor(g, gpf_shape1(20), off));
    gpf_point *at = gpf_point_alloc(g, 0);
    gpf_check_options how = gpf_check_defaults();
    how.fast = 1;
    gpf_diag why = { .status = 0 };
    begin();
    gpf_check *c = gpf_check_alloc(g, f, &w, &grad, 1, 0, 1, &why);
    int status = c ? gpf_check_run(c, at, &how, &why) : why.status;
    end();
    assert_int_equal(why.status, status);
    if (status && c) /* the object is still good */
        assert_int_equal(gpf_check_run(c, at, &how, &why), GSL_SUCCESS);
    if (c) {
        assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_WRONG);
        assert_int_equal(gpf_check_tally(c, 0).count[GPF_WRONG], 1);
        *result = (double)gpf_check_n_elements(c);
    }
    gpf_check_free(c);
    gpf_point_free(at);
    gpf_graph_free(g);
    return status;
}

/* A vector output: contracted with random weights. */
static int op_check_contracted(double *result)
{
    net n = made();
    gpf_check_options how = gpf_check_defaults();
    how.threads = 1;
    const gpf_node y = gpf_relu(n.g, n.xs[2]);
    gpf_diag why = { .status = 0 };
    begin();
    gpf_check *c = gpf_check_alloc(n.g, y, &n.xs[2], NULL, 1, N, 1, &why);
    int status = c ? gpf_check_run(c, n.at, &how, &why) : why.status;
    end();
    if (status == GSL_SUCCESS)
        *result = gpf_check_value(c) + (double)gpf_check_outcome(c);
    gpf_check_free(c);
    unmake(&n);
    return status;
}

static int op_claim(double *result)
{
    net n = made();
    gpf_node d;
    gpf_grad(n.g, n.loss, &n.xs[3], 1, &d);
    const gpf_claim_use use = { n.loss, n.xs[3], d, 0 };
    const gpf_node other = gpf_mul(n.g, d, gpf_const(n.g, 1.5));
    gpf_claim_result r;
    begin();
    const int status = gpf_claim_run(n.g, d, other, &use, 1, n.at, 7, &r);
    end();
    if (status == GSL_SUCCESS) {
        assert_int_equal(r.verdict, GPF_REFUTED);
        *result = r.ratio + (double)r.grads_right;
    }
    unmake(&n);
    return status;
}

static int op_generic(double *result)
{
    net n = made();
    begin();
    gpf_point *p = gpf_point_generic(n.g, n.at, 0, 5);
    end();
    const int status = status_of(p);
    if (p)
        *result = evaluate1(n.g, p, n.loss);
    gpf_point_free(p);
    unmake(&n);
    return status;
}

static int op_print(double *result)
{
    net n = made();
    FILE *out = tmpfile();
    assert_non_null(out);
    begin();
    int status = gpf_graph_print(n.g, n.loss, out);
    if (status == GSL_SUCCESS)
        status = gpf_graph_print_dot(n.g, GPF_NONE, out);
    end();
    *result = (double)ftell(out);
    fclose(out);
    unmake(&n);
    return status;
}

/* The model language: every statement, so that every kind of allocation is met. */
static const char model_text[] =
    "seed 3\n"
    "lambda = 1e-2\n"
    "data  X = standardize(normal(6, 2))\n"
    "data  c = randint(6, 2)\n"
    "data  T[N,2] = [1 0; 0 1; 1 0; 0 1; 1 0; 1 0]\n"
    "param W[2,2] ~ glorot\n"
    "param b[1,2] = 0.1\n"
    "h = dense(X @ W + b, 3, tanh)\n"
    "z = dense(h, 2)\n"
    "loss = cross_entropy(z, one_hot(c)) + lambda*l2(h.W) + mean((z[:,0] - T[:,1])^2)\n"
    "claim grad(loss, b) = sum(grad(loss, X @ W + b), axis=0)\n"
    "claim tanh(z) = 2*sigmoid(2*z) - 1\n"
    "train rate=0.5, epochs=3\n"
    "update b = b - rate*grad(loss, b)\n";

static int op_model(double *result)
{
    gpf_diag why[4] = { { .status = 0 } };
    size_t n_why = 0;
    begin();
    gpf_model *m =
        gpf_model_parse(model_text, strlen(model_text), "inline", NULL, why, COUNT(why), &n_why);
    end();
    if (!m) {
        assert_true(n_why > 0);
        return why[0].status;
    }
    *result = evaluate1(gpf_model_graph(m), gpf_model_point(m), gpf_model_output(m));
    *result += (double)gpf_model_n_claims(m);
    gpf_model_free(m);
    return GSL_SUCCESS;
}

/* The other rows of a split. */
static int op_model_rows(double *result)
{
    static const char text[] = "split 0.5\ndata X[N,2] = [1 2; 3 4; 5 6; 7 8]\nparam w = 2\n"
                               "p = w*X\nY = step(X - 3)\nloss = sum((p - Y)^2)\n";
    gpf_diag why[4] = { { .status = 0 } };
    size_t n_why = 0;
    begin();
    gpf_model *m = gpf_model_parse(text, strlen(text), "inline", NULL, why, COUNT(why), &n_why);
    gpf_point *at = m ? gpf_model_rows(m, 1, why) : NULL;
    end();
    if (at)
        *result = gpf_point_values(at, gpf_model_find(m, "X"))[0] +
                  gsl_vector_get(gpf_point_params(at), 0) + (double)gpf_model_task(m).target;
    gpf_point_free(at);
    gpf_model_free(m);
    return at ? GSL_SUCCESS : why[0].status;
}

/* A text with errors of its own: lack of memory is still told from them. */
static int op_model_errors(double *result)
{
    static const char text[] =
        "param W[2,2] ~ normal(0, 1)\nq = W @ nothing\nq2 = exp(W\nz = W + [1 2 3]\n";
    gpf_diag why[8] = { { .status = 0 } };
    size_t n_why = 0;
    begin();
    gpf_model *m = gpf_model_parse(text, strlen(text), "inline", NULL, why, COUNT(why), &n_why);
    end();
    assert_null(m);
    assert_true(n_why > 0);
    for (size_t i = 0; i < n_why && i < COUNT(why); i++)
        if (why[i].status == GSL_ENOMEM)
            return GSL_ENOMEM;
    *result = (double)n_why;
    return GSL_SUCCESS;
}

static int op_table(double *result)
{
    static const char text[] =
        "# flowers\nlength,kind,width\n1.5,a,2\n2.5,\"b, too\",3\n-3,a,4e-1\n";
    gpf_diag why = { .status = 0 };
    begin();
    gpf_table *t = gpf_table_parse(text, strlen(text), "inline.csv", &why);
    end();
    const int status = t ? GSL_SUCCESS : why.status;
    for (size_t j = 0; t && j < gpf_table_columns(t); j++)
        *result += gpf_table_column(t, j)[2] * (double)(j + 1);
    gpf_table_free(t);
    return status;
}

static int op_optimizer(double *result)
{
    gsl_vector *theta = gsl_vector_calloc(5);
    const double g[5] = { 1, 2, 3, 4, 5 };
    begin();
    gpf_optimizer *o = gpf_optimizer_alloc(gpf_optimizer_find("adam"), 5);
    if (o)
        gpf_optimizer_step(o, theta, g, 0.1);
    end();
    *result = gsl_vector_get(theta, 4);
    gpf_optimizer_free(o);
    gsl_vector_free(theta);
    return o ? GSL_SUCCESS : GSL_ENOMEM;
}

/* The Jacobian of a net's sum of squares, with a penalty. */
static int op_residuals(double *result)
{
    net n = made();
    const gpf_node h = gpf_matmul(n.g, n.X, n.xs[0]);
    const gpf_node fit = gpf_mean(n.g, gpf_square(n.g, gpf_tanh(n.g, h)), GPF_ALL_AXES);
    const gpf_node y = gpf_add(n.g, fit, gpf_l2(n.g, n.xs[2]));
    gpf__residuals *r;
    double J[(3 * N + 6) * PARAMS] = { 0 };
    begin();
    const int status = gpf__residuals_make(n.g, y, n.xs, 4, N, &r, NULL);
    end();
    if (status == GSL_SUCCESS) {
        assert_int_equal(gpf__residuals_jacobian(r, n.at, J), GSL_SUCCESS);
        for (size_t i = 0; i < COUNT(J); i++)
            *result += J[i] * (double)(i + 1);
    }
    gpf__residuals_free(r);
    unmake(&n);
    return status;
}

static int bowl(void *arg, const double *theta, double *f, double *gradient)
{
    (void)arg;
    *f = theta[0] * theta[0] + 3 * theta[1] * theta[1];
    if (gradient) {
        gradient[0] = 2 * theta[0];
        gradient[1] = 6 * theta[1];
    }
    return GSL_SUCCESS;
}

static int op_minimizer(double *result)
{
    const gpf__objective f = { .n = 2, .value = bowl };
    const double from[] = { 1, 2 };
    double theta[2], value, slope;
    gpf__minimizer *m;
    begin();
    int status = gpf__minimizer_make(gpf_minimizer_find("bfgs"), &f, 0.1, 0.1, &m);
    if (!status)
        status = gpf__minimizer_start(m, from);
    if (!status)
        status = gpf__minimizer_iterate(m, theta, &value, &slope);
    end();
    if (status == GSL_SUCCESS)
        *result = value;
    gpf__minimizer_free(m);
    return status;
}

/* A whole run in batches, with checks of gradient and step, penalty and held-out samples. */
static int train(double *result, const char *optimizer, bool checked)
{
    net n = made();
    gpf_train_options how = gpf_train_defaults();
    how.optimizer = optimizer;
    how.epochs = 2;
    how.l2 = 0.1;
    how.patience = 2;
    how.batch = checked ? 4 : 0;
    how.check_every = how.check_sample = checked;
    how.check_step = checked;
    how.check_sample += !checked;
    gpf_train_with with = gpf_train_plain();
    with.held_out = n.at;
    with.xs = checked ? n.xs + 1 : NULL;
    with.n_xs = 2;
    gpf_diag why = { .status = 0 };
    begin();
    gpf_train *t = gpf_train_alloc(n.g, n.loss, n.at, &how, &with, &why);
    int status = t ? gpf_train_run(t) : why.status;
    end();
    if (status == GSL_SUCCESS)
        *result = gpf_train_progress(t)->loss;
    else if (t) /* the loop is still good */
        assert_int_equal(gpf_train_run(t), GSL_SUCCESS);
    gpf_train_free(t);
    unmake(&n);
    return status;
}

static int op_train(double *result)
{
    return train(result, "sgd", true);
}

static int op_train_all(double *result)
{
    return train(result, "adam", false);
}

static int op_train_minimizer(double *result)
{
    return train(result, "bfgs", false);
}

static int op_step_check(double *result)
{
    net n = made();
    double after[64];
    for (size_t i = 0; i < gpf_graph_n_params(n.g); i++)
        after[i] = gsl_vector_get(gpf_point_params(n.at), i) - 0.01;
    gpf_diag why = { .status = 0 };
    begin();
    gpf_check *c = gpf_step_check_alloc(n.g, n.loss, n.xs, 2, after, 0.1, N, 1, &why);
    int status = c ? gpf_check_run(c, n.at, NULL, &why) : why.status;
    end();
    if (status == GSL_SUCCESS)
        *result = gpf_check_tally(c, -1).max_gap;
    gpf_check_free(c);
    unmake(&n);
    return status;
}

/* Other samples, read twice, and params from an archive. */
static int op_model_data(double *result)
{
    static const char with_files[] =
        "data X = standardize(csv(\"test_oom_own.csv\", x, y))\n"
        "data k = one_hot(csv(\"test_oom_own.csv\", kind))\ndata g = normal(3, 2)\n"
        "param W[2,2] ~ he\np = X @ W\nloss = mse(p, k)\n";
    static const char *const file[] = { "test_oom_own.csv", "test_oom_new.csv", "test_oom.npz" };
    static const char *const text[] = { "x,y,kind\n1,2,a\n3,5,b\n4,4,a\n",
                                        "y,x,kind\n1,2,b\n7,0.5,a\n" };
    gpf_diag why = { .status = 0 };
    size_t n_why = 0;
    for (int i = 0; i < 2; i++) {
        FILE *f = fopen(file[i], "wb");
        assert_true(f && fputs(text[i], f) >= 0 && fclose(f) == 0);
    }
    gpf_model *m = gpf_model_parse(with_files, strlen(with_files), "inline", NULL, &why, 1, &n_why);
    assert_non_null(m);
    const gpf_graph *g = gpf_model_graph(m);
    const gpf_node y = gpf_model_output(m);
    const gsl_vector *theta = gpf_point_params(gpf_model_point(m));
    assert_int_equal(gpf_params_write(g, theta, file[2], NULL), GSL_SUCCESS);
    const double before = evaluate1(gpf_model_graph(m), gpf_model_point(m), y);
    begin();
    int status = gpf_model_read_data(m, file[1], &why);
    if (!status)
        status = gpf_model_read_data(m, file[1], &why);
    if (!status)
        status = gpf_model_read_params(m, file[2], &why);
    if (!status)
        status = gpf_model_bound(m, &y, 1, &why);
    end();
    assert_int_equal(status, why.status);
    /* it is the one or the other, never something between */
    const double after = evaluate1(gpf_model_graph(m), gpf_model_point(m), y);
    assert_true(gpf_point_batch(gpf_model_point(m)) == 2 || (status && after == before));
    *result = after + (double)gpf_point_batch(gpf_model_point(m));
    gpf_model_free(m);
    for (size_t i = 0; i < COUNT(file); i++)
        remove(file[i]);
    return status;
}

/* A net with a dead unit, a skip and shared weights. */
static int op_health(double *result)
{
    static const double x[] = { 0.5, -1.5, 2, 0.25 }, y[] = { 1, 0 };
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 2)),
                   Y = gpf_data(g, "y", gpf_shape2(GPF_N, 1)),
                   W = gpf_param(g, "W", gpf_shape2(2, 2)), V = gpf_param(g, "V", gpf_shape2(2, 1));
    const gpf_node h = gpf_relu(g, gpf_matmul(g, X, W)),
                   r = gpf_add(g, h, gpf_tanh(g, gpf_matmul(g, h, W))), p = gpf_matmul(g, r, V);
    const gpf_node loss = gpf_mse(g, p, Y, GPF_MEAN);
    gpf_point *at = gpf_point_alloc(g, 2);
    gpf_point_bind(at, X, x);
    gpf_point_bind(at, Y, y);
    for (size_t i = 0; i < 6; i++)
        theta(at)[i] = i % 2 ? -3. : 0.5 + (double)i;
    const gpf_task task = { p, Y, GPF_DECIDE_NOTHING };
    gpf_diag why = { .status = 0 };
    begin();
    gpf_health *health = gpf_health_alloc(g, loss, 2, &task, 0.1, &why);
    int status = health ? gpf_health_run(health, at) : why.status;
    end();
    if (!status)
        *result = gpf_health_loss(health) + (double)gpf_health_n_findings(health);
    gpf_health_free(health);
    gpf_point_free(at);
    gpf_graph_free(g);
    return status;
}

/* Both formats, written to memory and read again. */
static int op_archive(double *result)
{
    static const gpf__archive_format *const formats[] = { &gpf__npz, &gpf__safetensors };
    static unsigned char bytes[4096];
    const double x[] = { 1.5, 2.5, 3.5, 4.5, 5.5, 6.5 };
    gpf_diag why = { .status = 0 };
    int status = GSL_SUCCESS;
    for (size_t i = 0; !status && i < COUNT(formats); i++) {
        FILE *f = fmemopen(bytes, sizeof bytes, "wb");
        begin();
        gpf_archive *a = gpf_archive_alloc(), *b = NULL;
        status = status_of(a);
        if (!status)
            status = gpf_archive_add(a, "W", gpf_shape2(2, 3), x);
        if (!status)
            status = gpf_archive_add(a, "s", gpf_shape0(), x);
        if (!status)
            status = gpf_archive_set(a, "key", "text");
        if (!status && formats[i]->write(a, f))
            status = errno == ENOMEM ? GSL_ENOMEM : GPF_EFILE;
        end();
        fflush(f);
        const size_t n = (size_t)ftell(f);
        begin();
        if (!status) {
            b = gpf__archive_parse(bytes, n, "memory", &why);
            status = b ? GSL_SUCCESS : why.status;
        }
        end();
        if (!status)
            *result += gpf_archive_find(b, "W")->values[5] + gpf_archive_get(b, "key")[0];
        fclose(f);
        gpf_archive_free(a);
        gpf_archive_free(b);
    }
    return status;
}

static int op_params(double *result)
{
    static const char path[] = "test_oom_params.npz";
    net n = made();
    gpf_diag why = { .status = 0 };
    begin();
    int status = gpf_params_write(n.g, gpf_point_params(n.at), path, &why);
    if (!status)
        status = gpf_params_read(n.g, gpf_point_params(n.at), path, &why);
    end();
    assert_int_equal(why.status, status);
    *result = gsl_vector_get(gpf_point_params(n.at), PARAMS - 1);
    remove(path);
    unmake(&n);
    return status;
}

/* Bad memory while saving leaves the run as it was, while resuming too. */
static int op_checkpoint(double *result)
{
    static const char path[] = "test_oom_checkpoint.safetensors";
    net n = made();
    gpf_train_options how = gpf_train_defaults();
    how.patience = 3;
    gpf_diag why = { .status = 0 };
    gpf_train *t = gpf_train_alloc(n.g, n.loss, n.at, &how, NULL, &why);
    assert_non_null(t);
    assert_int_equal(gpf_train_step(t), GSL_SUCCESS);
    begin();
    int status = gpf_train_save(t, path, &why);
    if (!status)
        status = gpf_train_resume(t, path, &why);
    end();
    assert_int_equal(why.status, status);
    assert_int_equal(gpf_train_progress(t)->step, 1);
    *result = gsl_vector_get(gpf_point_params(n.at), PARAMS - 1);
    remove(path);
    gpf_train_free(t);
    unmake(&n);
    return status;
}

/* A net as all structures, by constants as directions and by leaves. */
static int op_gsl(double *result)
{
    net n = made();
    const gpf_node t = gpf_data(n.g, "t", gpf_shape0());
    const gpf_node h = gpf_tanh(n.g, gpf_matmul(n.g, n.X, n.xs[0]));
    const gpf_node loss = gpf_mean(n.g, gpf_square(n.g, h), GPF_ALL_AXES);
    const gpf_node pushed = gpf_mul(n.g, gpf_sin(n.g, n.xs[2]), t);
    const gpf_node many = gpf_mul(n.g, h, h);
    gpf_point_free(n.at);
    place(&n);
    gsl_multimin_function_fdf f;
    gsl_multifit_nlinear_fdf fit;
    gsl_multilarge_nlinear_fdf large;
    gsl_odeiv2_system ode;
    gpf_gsl *b = NULL, *c = NULL;
    begin();
    gpf_diag why = { .status = 0 };
    gpf_gsl *a = gpf_gsl_alloc(n.g, loss, NULL, 0, n.at, &why);
    int status = a ? gpf_gsl_multimin(a, &f, &why) : why.status;
    if (!status) {
        b = gpf_gsl_alloc(n.g, many, &n.X, 1, n.at, &why);
        status = b ? gpf_gsl_multifit_nlinear(b, &fit, &why) : why.status;
    }
    if (!status)
        status = gpf_gsl_multilarge_nlinear(b, &large, &why);
    if (!status) {
        c = gpf_gsl_alloc(n.g, pushed, &n.xs[2], 1, n.at, &why);
        status = c ? gpf_gsl_odeiv2(c, t, &ode, &why) : why.status;
    }
    end();
    if (status == GSL_SUCCESS) {
        gsl_vector *df = gsl_vector_alloc(f.n);
        f.fdf(gpf_point_params(n.at), f.params, result, df);
        *result += gsl_vector_get(df, 0) + (double)fit.n + (double)large.p + (double)ode.dimension;
        gsl_vector_free(df);
    }
    gpf_gsl_free(a);
    gpf_gsl_free(b);
    gpf_gsl_free(c);
    unmake(&n);
    return status;
}

/* Reports of a callback with every verdict and of an op, as text and as JSON. */
static int op_reports(double *result)
{
    static char text[1 << 17];
    fake *k = fake_alloc("gsl_multimin_function_fdf", 3, 1);
    gpf_element *e = fake_part(k, "df", 1, 3);
    fake_verdict(k, &e[0], GPF_KINK, GPF_REASON_BETWEEN);
    fake_verdict(k, &e[1], GPF_VACUOUS, GPF_REASON_NO_REACTION);
    fake_verdict(k, &e[2], GPF_WRONG, GPF_REASON_FLAT_GAP);
    fake_explanation(k, GPF_SINGLE, GPF_FAULT, 0, "df[2] is 2 times the slope");
    static gpf_op_check *c; /* made once: it takes longer than all reports */
    c = c ? c : gpf_check_op(gpf_op_find("tanh", 1), NULL, NULL);
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_true(c && out);
    json_set_alloc_funcs(malloc, free);
    begin();
    int status = gpf_report_fdf_text(out, &k->c, NULL);
    status = status ? status : gpf_report_fdf_json(out, &k->c, NULL);
    status = status ? status : gpf_report_op_text(out, c, NULL);
    status = status ? status : gpf_report_op_json(out, c, NULL);
    end();
    *result = status ? 0 : (double)ftell(out);
    fclose(out);
    fake_free(k);
    return status;
}

/* A verdict is not lost with its report. */
static int op_require(double *result)
{
    static gpf_required r;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node w = gpf_param(g, "w", gpf_shape1(3));
    const gpf_node f = gpf_sum(g, gpf_sin(g, w), GPF_ALL_AXES), wrong = gpf_sin(g, w);
    gpf_point *at = gpf_point_alloc(g, 0);
    gsl_vector_set_all(gpf_point_params(at), 0.3);
    gpf_check *c = gpf_check_alloc(g, f, &w, &wrong, 1, 0, 1, NULL);
    assert_int_equal(gpf_check_run(c, at, NULL, NULL), GSL_SUCCESS);
    begin();
    const gpf_outcome o = gpf_require_check(&r, c, "c");
    end();
    assert_int_equal(o, GPF_OUTCOME_WRONG);
    const int status = strstr(r.text, "no memory for the report") ? GSL_ENOMEM : GSL_SUCCESS;
    *result = status ? 0 : (double)strlen(r.text);
    gpf_check_free(c);
    gpf_point_free(at);
    gpf_graph_free(g);
    return status;
}

/* A row alone, of one shape: what is tried of it is the same for any. */
static int op_row(double *result)
{
    const gpf_shape shape = gpf_shape0();
    const gpf_op_options how = { .shapes = &shape, .n_shapes = 1, .points = 1 };
    gpf_diag why = { .status = 0 };
    begin();
    gpf_op_check *c = gpf_check_op(gpf_op_find("sign", 1), &how, &why);
    end();
    for (size_t i = 0; c && i < gpf_op_check_n_cases(c); i++)
        *result += (double)gpf_op_check_case(c, i)->tried;
    const int status = c ? GSL_SUCCESS : why.status;
    gpf_op_check_free(c);
    return status;
}

/* Callbacks of all structures, right ones and wrong ones: f_i = a_i sin(x_0 + i) + x_1 x_2 and so on,
 * by the same formulas. */
static double wrong_by;

static double fit_value(size_t i, const double *x)
{
    return sin(x[0] + (double)i) + x[1] * x[2] * x[2];
}

static double fit_slope(size_t i, size_t j, const double *x)
{
    return wrong_by * (j == 0 ? cos(x[0] + (double)i) : j == 1 ? x[2] * x[2] : 2 * x[1] * x[2]);
}

static int fit_f(const gsl_vector *x, void *p, gsl_vector *f)
{
    (void)p;
    for (size_t i = 0; i < f->size; i++)
        gsl_vector_set(f, i, fit_value(i, x->data));
    return GSL_SUCCESS;
}

static int fit_df(const gsl_vector *x, void *p, gsl_matrix *J)
{
    (void)p;
    for (size_t i = 0; i < J->size1; i++)
        for (size_t j = 0; j < 3; j++)
            gsl_matrix_set(J, i, j, fit_slope(i, j, x->data));
    return GSL_SUCCESS;
}

static int fit_fdf(const gsl_vector *x, void *p, gsl_vector *f, gsl_matrix *J)
{
    fit_f(x, p, f);
    fit_df(x, p, J);
    gsl_matrix_scale(J, wrong_by);
    return GSL_SUCCESS;
}

static int fit_fvv(const gsl_vector *x, const gsl_vector *v, void *p, gsl_vector *fvv)
{
    const double *a = x->data, *b = v->data;
    (void)p;
    for (size_t i = 0; i < fvv->size; i++)
        gsl_vector_set(fvv, i,
                       -sin(a[0] + (double)i) * b[0] * b[0] + 4 * a[2] * b[1] * b[2] * wrong_by +
                           2 * a[1] * b[2] * b[2]);
    return GSL_SUCCESS;
}

static int fit_product(CBLAS_TRANSPOSE_t trans, const gsl_vector *x, const gsl_vector *u, void *p,
                       gsl_vector *v, gsl_matrix *JTJ)
{
    const size_t m = trans == CblasTrans ? u->size : v->size;
    (void)p;
    gsl_vector_set_zero(v);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < 3; j++) {
            const double d = fit_slope(i, j, x->data);
            if (trans == CblasTrans)
                v->data[j] += wrong_by * d * u->data[i];
            else
                v->data[i] += d * u->data[j];
            for (size_t k = 0; JTJ && k <= j; k++)
                *gsl_matrix_ptr(JTJ, j, k) =
                    (i ? gsl_matrix_get(JTJ, j, k) : 0) + d * fit_slope(i, k, x->data);
        }
    return GSL_SUCCESS;
}

static int fit_ode(double t, const double y[], double dydt[], void *p)
{
    const double x[] = { y[0], y[1], t };
    (void)p;
    dydt[0] = fit_value(0, x);
    dydt[1] = fit_value(1, x);
    return GSL_SUCCESS;
}

static int fit_ode_jacobian(double t, const double y[], double *dfdy, double dfdt[], void *p)
{
    const double x[] = { y[0], y[1], t };
    (void)p;
    for (size_t i = 0; i < 2; i++) {
        dfdy[2 * i] = fit_slope(i, 0, x);
        dfdy[2 * i + 1] = fit_slope(i, 1, x);
        dfdt[i] = fit_slope(i, 2, x);
    }
    return GSL_SUCCESS;
}

/* What was found, in one number. */
static int sum_up(gpf_fdf *c, const gpf_diag *why, double *result)
{
    if (!c)
        return why->status;
    for (size_t i = 0; i < gpf_fdf_n_elements(c); i++)
        *result += (double)(gpf_fdf_element(c, i)->verdict + 1) * (double)(i + 1);
    *result += 1e6 * (double)gpf_fdf_n_explanations(c) + (double)gpf_fdf_outcome(c);
    gpf_fdf_free(c);
    return GSL_SUCCESS;
}

static int op_callbacks(double *result)
{
    enum { VALUES = 4 };
    const gsl_multifit_function_fdf fit = {
        .f = fit_f, .df = fit_df, .fdf = fit_fdf, .n = VALUES, .p = 3
    };
    const gsl_multifit_nlinear_fdf nlinear = {
        .f = fit_f, .df = fit_df, .fvv = fit_fvv, .n = VALUES, .p = 3
    };
    const gsl_multilarge_nlinear_fdf large = {
        .f = fit_f, .df = fit_product, .fvv = fit_fvv, .n = VALUES, .p = 3
    };
    const gsl_odeiv2_system ode = { fit_ode, fit_ode_jacobian, 2, NULL };
    double at[] = { 0.4, -0.9, 1.3 };
    gsl_vector_view x = gsl_vector_view_array(at, 3);
    gpf_fdf_options how = gpf_fdf_defaults();
    int status = GSL_SUCCESS;
    for (int k = 0; k < 3 && !status; k++) { /* right, wrong, along directions */
        gpf_diag why = { .status = 0 };
        wrong_by = k == 1 ? 2 : 1;
        how.fast = k == 2;
        begin();
        gpf_fdf *c = gpf_check_multifit_fdf(&fit, &x.vector, &how, &why);
        end();
        status = sum_up(c, &why, result);
        begin();
        if (!status)
            c = gpf_check_multifit_nlinear_fdf(&nlinear, &x.vector, &how, &why);
        end();
        status = status ? status : sum_up(c, &why, result);
        begin();
        if (!status)
            c = gpf_check_multilarge_nlinear_fdf(&large, &x.vector, &how, &why);
        end();
        status = status ? status : sum_up(c, &why, result);
        begin();
        if (!status)
            c = gpf_check_odeiv2(&ode, 1.3, at, &how, &why);
        end();
        status = status ? status : sum_up(c, &why, result);
    }
    return status;
}

/* With a pattern that is too small, where J says so and where only f does. */
static int op_callback_pattern(double *result)
{
    enum { VALUES = 4 };
    const gsl_multifit_nlinear_fdf nlinear = { .f = fit_f, .df = fit_df, .n = VALUES, .p = 3 };
    double at[] = { 0.4, -0.9, 1.3 };
    gsl_vector_view x = gsl_vector_view_array(at, 3);
    gsl_spmatrix *pattern = gsl_spmatrix_alloc(VALUES, 3);
    for (size_t i = 0; i < VALUES; i++)
        gsl_spmatrix_set(pattern, i, i % 3, 1);
    gpf_fdf_options how = gpf_fdf_defaults();
    how.pattern = pattern;
    gpf_diag why = { .status = 0 };
    wrong_by = 2;
    begin();
    gpf_fdf *c = gpf_check_multifit_nlinear_fdf(&nlinear, &x.vector, &how, &why);
    end();
    gsl_spmatrix_free(pattern);
    return sum_up(c, &why, result);
}

/* A callback along directions, one entry of whose gradient is wrong. */
static double squares(const gsl_vector *x, void *arg)
{
    double y = 0;
    (void)arg;
    for (size_t j = 0; j < x->size; j++)
        y += (double)(j + 1) * gsl_vector_get(x, j) * gsl_vector_get(x, j);
    return y;
}

static void squares_df(const gsl_vector *x, void *arg, gsl_vector *df)
{
    (void)arg;
    for (size_t j = 0; j < x->size; j++)
        gsl_vector_set(df, j, (j == 21 ? -2 : 2) * (double)(j + 1) * gsl_vector_get(x, j));
}

static void squares_fdf(const gsl_vector *x, void *arg, double *f, gsl_vector *df)
{
    *f = squares(x, arg);
    squares_df(x, arg, df);
}

static int op_fdf_fast(double *result)
{
    enum { VARIABLES = 40 };
    double at[VARIABLES];
    for (size_t j = 0; j < VARIABLES; j++)
        at[j] = 0.3 + 0.07 * (double)j;
    const gsl_vector_view x = gsl_vector_view_array(at, VARIABLES);
    const gsl_multimin_function_fdf f = { squares, squares_df, squares_fdf, VARIABLES, NULL };
    gpf_fdf_options how = gpf_fdf_defaults();
    how.fast = 1;
    gpf_diag why = { .status = 0 };
    begin();
    gpf_fdf *c = gpf_check_multimin_fdf(&f, &x.vector, &how, &why);
    end();
    if (c) {
        assert_int_equal(gpf_fdf_outcome(c), GPF_OUTCOME_WRONG);
        *result = (double)gpf_fdf_n_elements(c);
    }
    gpf_fdf_free(c);
    return c ? GSL_SUCCESS : why.status;
}

/* To add an operation: its function above, its line here. `least` is a contract: fewer points of
 * failure mean that allocations are no longer seen, not that the walk became cheap. */
static const struct {
    const char *name;
    operation *run;
    unsigned long least;
} operations[] = {
    { "build", op_build, 75 },
    { "functions", op_functions, 550 },
    { "grad", op_grad, 75 },
    { "jvp", op_jvp, 115 },
    { "hvp", op_hvp, 220 },
    { "jacobian", op_jacobian, 70 },
    { "point", op_point, 5 },
    { "plan", op_plan, 130 },
    { "damage", op_damage, 90 },
    { "check", op_check, 280 },
    { "check of a vector", op_check_contracted, 80 },
    { "check along directions", op_check_fast, 90 },
    { "claim", op_claim, 420 },
    { "generic point", op_generic, 6 },
    { "print", op_print, 2 },
    { "model", op_model, 500 },
    { "model with errors", op_model_errors, 55 },
    { "rows of a model", op_model_rows, 170 },
    { "table", op_table, 20 },
    { "optimizer", op_optimizer, 1 },
    { "sum of squares", op_residuals, 600 },
    { "minimizer", op_minimizer, 1 },
    { "training", op_train, 300 },
    { "training with all samples", op_train_all, 200 },
    { "training by a minimiser", op_train_minimizer, 200 },
    { "check of a step", op_step_check, 100 },
    { "model, other samples", op_model_data, 60 },
    { "health", op_health, 100 },
    { "archive", op_archive, 55 },
    { "params in a file", op_params, 38 },
    { "checkpoint", op_checkpoint, 400 },
    { "graph as callbacks", op_gsl, 1000 },
    { "callback along directions", op_fdf_fast, 60 },
    { "reports of callbacks and ops", op_reports, 300 },
    { "requirement", op_require, 2 },
    { "check of callbacks", op_callbacks, 600 },
    { "pattern of a callback", op_callback_pattern, 40 },
    { "check of a row", op_row, 2000 },
};

static int attempt(operation *run, unsigned long at, bool go_on, double *result)
{
    count = failed = 0;
    fail_at = at;
    persistent = go_on;
    handled = GSL_SUCCESS;
    *result = 0;
    const int status = run(result);
    assert_false(counting);
    return status;
}

/* The allocation to fail after this one: each of the first thousands, then some of what repeats. */
static unsigned long next_point(unsigned long at)
{
    return at < 2000 ? at + 1 : at + 97;
}

static void walk(const char *name, operation *run, unsigned long least)
{
    double right = 0, result;
    assert_int_equal(attempt(run, 0, false, &right), GSL_SUCCESS);
    assert_true(count >= least);
    for (int go_on = 0; go_on < 2; go_on++) {
        unsigned long points = 0;
        const long before = alive;
        for (unsigned long at = 1;; at = next_point(at)) {
            const int status = attempt(run, at, go_on, &result);
            if (status != GSL_SUCCESS && status != GSL_ENOMEM)
                fail_msg("%s: allocation %lu fails: status %d, %s", name, at, status,
                         gpf_strerror(status));
            if (status == GSL_SUCCESS && result != right)
                fail_msg("%s: allocation %lu fails: success with %.17g, not %.17g", name, at,
                         result, right);
            if (status == GSL_SUCCESS && failed)
                fail_msg("%s: allocation %lu fails and nobody says so", name, at);
            if (status == GSL_ENOMEM && !failed)
                fail_msg("%s: no memory, but nothing failed", name);
            if (!failed)
                break;
            points++;
            if (alive != before)
                fail_msg("%s: allocation %lu fails: %ld lost", name, at, alive - before);
        }
        print_message("# %s%s: %lu points of failure\n", name, go_on ? ", persistent" : "", points);
        if (points < least)
            fail_msg("%s: %lu points of failure, %lu are known", name, points, least);
    }
}

static void test_operation(void **state)
{
    const size_t i = *(const size_t *)*state;
    walk(operations[i].name, operations[i].run, operations[i].least);
}

int main(void)
{
    struct CMUnitTest tests[COUNT(operations)];
    size_t index[COUNT(operations)];
    for (size_t i = 0; i < COUNT(operations); i++) {
        index[i] = i;
        tests[i] = (struct CMUnitTest){ operations[i].name, test_operation, NULL, NULL, &index[i] };
    }
    gsl_set_error_handler(remember);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
