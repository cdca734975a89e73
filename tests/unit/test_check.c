/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <gradproof.h>
#include <gsl/gsl_math.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { N = 7 };

/* A 3-5-4-2 net with kinks, and values for it. */
typedef struct fixture {
    gpf_graph *g;
    gpf_node X, y, z, loss, param[6];
    gpf_point *at;
    double x_values[N * 3], y_values[N * 2];
} fixture;

static double scrambled(size_t i)
{
    return sin(12.9898 * (double)i + 1.37) + 0.3 * cos(78.233 * (double)i);
}

static int set_up(void **state)
{
    static fixture f; /* one test at a time */
    memset(&f, 0, sizeof f);
    f.g = gpf_graph_alloc();
    f.X = gpf_data(f.g, "X", gpf_shape2(GPF_N, 3));
    f.y = gpf_data(f.g, "y", gpf_shape2(GPF_N, 2));
    const gpf_node h = gpf_dense(f.g, "h", f.X, 5, gpf_relu);
    f.z = gpf_dense(f.g, "o", gpf_dense(f.g, "i", h, 4, gpf_tanh), 2, NULL);
    f.loss = gpf_mse(f.g, f.z, f.y, GPF_MEAN);
    for (size_t i = 0; i < 6; i++)
        f.param[i] = gpf_graph_param(f.g, i);
    f.at = gpf_point_alloc(f.g, N);
    for (size_t i = 0; i < N * 3; i++)
        f.x_values[i] = scrambled(i);
    for (size_t i = 0; i < N * 2; i++)
        f.y_values[i] = scrambled(i + 100);
    for (size_t i = 0; i < gpf_graph_n_params(f.g); i++)
        gsl_vector_set(gpf_point_params(f.at), i, scrambled(i + 1000));
    gpf_point_bind(f.at, f.X, f.x_values);
    gpf_point_bind(f.at, f.y, f.y_values);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    gpf_point_free(f->at);
    gpf_graph_free(f->g);
    return 0;
}

static gpf_check *run(fixture *f, gpf_node y, const gpf_node *xs, size_t n,
                      const gpf_check_options *how)
{
    gpf_check *c = gpf_check_alloc(f->g, y, xs, NULL, n, N, 1, NULL);
    assert_non_null(c);
    assert_int_equal(gpf_check_run(c, f->at, how, NULL), GSL_SUCCESS);
    return c;
}

static void every_element_is_right(void **state)
{
    fixture *f = *state;
    gpf_check *c = run(f, f->loss, f->param, 6, NULL);
    const gpf_tally t = gpf_check_tally(c, -1);
    assert_int_equal(t.total, gpf_graph_n_params(f->g));
    assert_int_equal(t.checked, t.total);
    assert_int_equal(t.count[GPF_WRONG] + t.count[GPF_UNRESOLVED], 0);
    assert_true(t.count[GPF_RIGHT] > 20);
    size_t by_digits = 0;
    for (int i = 0; i < 17; i++)
        by_digits += t.digits[i];
    assert_int_equal(by_digits, t.count[GPF_RIGHT]);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_RIGHT);
    assert_int_equal(gpf_check_contracted(c), 0);
    gpf_check_free(c);
}

static bool same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* All fields but padding, and of a record only what is set. */
static void assert_same_element(const gpf_element *a, const gpf_element *b)
{
    const double pairs[][2] = { { a->value, b->value },
                                { a->analytic, b->analytic },
                                { a->numeric, b->numeric },
                                { a->error, b->error },
                                { a->digits, b->digits },
                                { a->step, b->step },
                                { a->left, b->left },
                                { a->right, b->right },
                                { a->left_error, b->left_error },
                                { a->right_error, b->right_error },
                                { a->kink_step, b->kink_step } };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!same(pairs[i][0], pairs[i][1]))
            fail_msg("tensor %d[%zu], number %zu: %.17g and %.17g", a->tensor, a->k, i, pairs[i][0],
                     pairs[i][1]);
    assert_int_equal(a->tensor, b->tensor);
    assert_int_equal(a->k, b->k);
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->reason, b->reason);
    assert_int_equal(a->evaluations, b->evaluations);
    assert_int_equal(a->kink.n_changed, b->kink.n_changed);
    assert_memory_equal(a->side, b->side, sizeof a->side);
    if (a->kink.n_changed == 0)
        return;
    assert_int_equal(a->kink.node, b->kink.node);
    assert_int_equal(a->kink.element, b->kink.element);
    assert_int_equal(a->kink.base, b->kink.base);
    assert_int_equal(a->kink.side, b->kink.side);
    assert_int_equal(a->kink.tie, b->kink.tie);
    assert_true(same(a->kink.margin, b->kink.margin));
    assert_true(a->kink.signature == b->kink.signature);
}

/* Runs the check with 1, 2, 3, 4 and 7 threads, and with one again. */
static void assert_same_on_any_number_of_threads(gpf_graph *g, gpf_node y, const gpf_node *xs,
                                                 size_t n, const gpf_point *at)
{
    static const int threads[] = { 1, 2, 3, 4, 7, 1 };
    gpf_check *first = NULL;
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        gpf_check *c = gpf_check_alloc(g, y, xs, NULL, n, gpf_point_batch(at), 1, NULL);
        gpf_check_options how = gpf_check_defaults();
        how.threads = threads[i];
        assert_non_null(c);
        assert_int_equal(gpf_check_run(c, at, &how, NULL), GSL_SUCCESS);
#ifdef _OPENMP
        assert_int_equal(gpf_check_threads(c) > 1, threads[i] > 1);
#endif
        if (!first) {
            first = c;
            continue;
        }
        assert_int_equal(gpf_check_n_elements(c), gpf_check_n_elements(first));
        for (size_t k = 0; k < gpf_check_n_elements(c); k++)
            assert_same_element(gpf_check_element(first, k), gpf_check_element(c, k));
        gpf_check_free(c);
    }
    gpf_check_free(first);
}

static void same_bits_on_any_number_of_threads(void **state)
{
    fixture *f = *state;
    gpf_node xs[] = { f->param[0], f->param[1], f->param[2], f->param[4], f->X, f->z };
    assert_same_on_any_number_of_threads(f->g, f->loss, xs, 6, f->at);
}

/* A 10-32-32-3 relu net with cross-entropy on 64 rows, all 1507 elements; or 6-9-4 on 33 rows that
 * are no free N. One zero input, one zero column of weights: ties and dead units, too. */
static void check_larger_net(size_t batch, ptrdiff_t rows, const ptrdiff_t *width, size_t layers)
{
    static const char *const names[] = { "h", "i", "o" };
    static double x[64 * 10], y[64 * 4];
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(rows, width[0])),
                   Y = gpf_data(g, "y", gpf_shape2(rows, width[layers]));
    gpf_node a = X, xs[7];
    for (size_t l = 0; l < layers; l++)
        a = gpf_dense(g, names[l], a, width[l + 1], l + 1 < layers ? gpf_relu : NULL);
    const gpf_node loss = gpf_cross_entropy(g, a, Y, GPF_MEAN);
    gpf_point *at = gpf_point_alloc(g, batch);
    double *theta = gpf_point_params(at)->data;
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = i % 97 ? scrambled(i) : 0;
    for (size_t i = 0; i < sizeof y / sizeof *y; i++)
        y[i] = i % (size_t)width[layers] == i / (size_t)width[layers] % (size_t)width[layers];
    for (size_t i = 0; i < gpf_graph_n_params(g); i++)
        theta[i] = i % (size_t)width[1] == 1 ? 0 : 0.4 * scrambled(i + 1000);
    gpf_point_bind(at, X, x);
    gpf_point_bind(at, Y, y);
    for (size_t i = 0; i < 2 * layers; i++)
        xs[i] = gpf_graph_param(g, i);
    assert_same_on_any_number_of_threads(g, loss, xs, 2 * layers, at);
    xs[0] = X;
    assert_same_on_any_number_of_threads(g, loss, xs, 1, at);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void same_bits_of_larger_nets(void **state)
{
    (void)state;
    check_larger_net(64, GPF_N, (const ptrdiff_t[]){ 10, 32, 32, 3 }, 3);
    check_larger_net(0, 33, (const ptrdiff_t[]){ 6, 9, 4 }, 2);
}

static void intermediate_nodes_and_data(void **state)
{
    fixture *f = *state;
    const gpf_node xs[] = { f->X, f->y, f->z };
    gpf_check *c = run(f, f->loss, xs, 3, NULL);
    for (int i = 0; i < 3; i++)
        assert_true(gpf_check_tally(c, i).count[GPF_RIGHT] > 0);
    assert_int_equal(gpf_check_tally(c, -1).count[GPF_WRONG], 0);
    assert_int_equal(gpf_check_tensor_shape(c, 0).dim[0], N);
    gpf_check_free(c);
}

static void an_output_of_many_elements_is_contracted(void **state)
{
    fixture *f = *state;
    gpf_check *c = run(f, f->z, f->param, 6, NULL);
    assert_int_equal(gpf_check_contracted(c), 1);
    assert_int_equal(gpf_check_output(c), f->z);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_RIGHT);
    gpf_check_free(c);
}

static void a_sample_is_a_sample(void **state)
{
    fixture *f = *state;
    gpf_check_options how = gpf_check_defaults();
    how.sample = 3;
    gpf_check *c = run(f, f->loss, f->param, 6, &how), *d = run(f, f->loss, f->param, 6, &how);
    how.seed = 2;
    gpf_check *other = run(f, f->loss, f->param, 6, &how);
    assert_int_equal(gpf_check_n_elements(c), 3 + 3 + 3 + 3 + 3 + 2);
    bool differs = false;
    for (size_t i = 0; i < gpf_check_n_elements(c); i++) {
        assert_int_equal(gpf_check_element(c, i)->k, gpf_check_element(d, i)->k);
        differs |= gpf_check_element(c, i)->k != gpf_check_element(other, i)->k;
        if (i > 0 && gpf_check_element(c, i)->tensor == gpf_check_element(c, i - 1)->tensor)
            assert_true(gpf_check_element(c, i)->k > gpf_check_element(c, i - 1)->k);
    }
    assert_true(differs);
    gpf_check_free(c);
    gpf_check_free(d);
    gpf_check_free(other);
}

/* dL/dW of the wrong shape is refused, of the right shape and wrong value found. */
static void given_gradients(void **state)
{
    fixture *f = *state;
    gpf_node grads[2], wrong;
    gpf_grad(f->g, f->loss, f->param, 2, grads);
    gpf_diag why;
    gpf_check *c = gpf_check_alloc(f->g, f->loss, f->param, grads, 2, N, 1, NULL);
    assert_int_equal(gpf_check_run(c, f->at, NULL, NULL), GSL_SUCCESS);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_RIGHT);
    gpf_check_free(c);

    wrong = gpf_mul(f->g, gpf_const(f->g, 2), grads[0]);
    c = gpf_check_alloc(f->g, f->loss, f->param, &wrong, 1, N, 1, NULL);
    assert_int_equal(gpf_check_run(c, f->at, NULL, NULL), GSL_SUCCESS);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_WRONG);
    const gpf_tally t = gpf_check_tally(c, 0);
    assert_int_equal(t.count[GPF_RIGHT], 0);
    assert_true(t.count[GPF_WRONG] > 5 && t.max_gap > 0);
    gpf_check_free(c);

    wrong = GPF_NONE; /* "does not depend on it" is a claim, too */
    c = gpf_check_alloc(f->g, f->loss, f->param, &wrong, 1, N, 1, NULL);
    assert_int_equal(gpf_check_run(c, f->at, NULL, NULL), GSL_SUCCESS);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_WRONG);
    gpf_check_free(c);

    wrong = gpf_transpose(f->g, grads[0]);
    assert_null(gpf_check_alloc(f->g, f->loss, f->param, &wrong, 1, N, 1, &why));
    assert_int_equal(why.status, GPF_ESHAPE);
    assert_string_equal(why.text, "the gradient given for h.W is 5x3, 3x5 is expected");
    gpf_graph_clear_status(f->g);
    assert_null(gpf_check_alloc(f->g, f->z, f->param, grads, 2, N, 1, &why));
    assert_int_equal(why.status, GPF_ESHAPE);
    gpf_graph_clear_status(f->g);
}

static void stops_after_failures(void **state)
{
    fixture *f = *state;
    gpf_node grad;
    gpf_grad(f->g, f->loss, f->param, 1, &grad);
    const gpf_node wrong = gpf_neg(f->g, grad);
    gpf_check *c = gpf_check_alloc(f->g, f->loss, f->param, &wrong, 1, N, 1, NULL);
    gpf_check_options how = gpf_check_defaults();
    how.max_failures = 1;
    assert_int_equal(gpf_check_run(c, f->at, &how, NULL), GSL_SUCCESS);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_WRONG);
    gpf_check_free(c);
}

static int stop_at_once(void *arg, size_t done, size_t total)
{
    size_t *calls = arg;
    assert_true(done <= total);
    ++*calls;
    return 1;
}

static void the_caller_can_stop(void **state)
{
    fixture *f = *state;
    size_t calls = 0;
    gpf_check *c = gpf_check_alloc(f->g, f->loss, &f->X, NULL, 1, N, 1, NULL);
    gpf_check_options how = gpf_check_defaults();
    how.progress = stop_at_once;
    how.progress_arg = &calls;
    gpf_diag why;
    assert_int_equal(gpf_check_run(c, f->at, &how, &why), GPF_ECANCEL);
    assert_int_equal(calls, 1);
    assert_true(gpf_check_n_elements(c) > 0);
    gpf_check_free(c);
}

static void trouble(void **state)
{
    fixture *f = *state;
    gpf_diag why;
    assert_null(gpf_check_alloc(f->g, f->loss, NULL, NULL, 0, N, 1, &why));
    assert_int_equal(why.status, GPF_ENOTHING);
    assert_null(gpf_check_alloc(f->g, 999999, f->param, NULL, 1, N, 1, &why));
    assert_int_equal(why.status, GSL_EINVAL);
    gpf_graph_clear_status(f->g);

    gpf_check *c = gpf_check_alloc(f->g, f->loss, f->param, NULL, 1, N, 1, &why);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_TROUBLE); /* not run yet */
    gpf_point_bind(f->at, f->y, NULL);
    assert_int_equal(gpf_check_run(c, f->at, NULL, &why), GPF_EUNBOUND);
    assert_string_equal(why.text, "data y has no values");
    gpf_point *other = gpf_point_alloc(f->g, N + 1);
    assert_int_equal(gpf_check_run(c, other, NULL, &why), GSL_EBADLEN);
    gpf_point_free(other);
    gpf_check_free(c);
    gpf_check_free(NULL);
}

/* One bad input must not make everything silently right. */
static void nan_in_the_data(void **state)
{
    fixture *f = *state;
    f->x_values[4] = NAN;
    gpf_check *c = run(f, f->loss, f->param, 6, NULL);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_UNTESTED);
    assert_int_equal(gpf_check_tally(c, -1).count[GPF_RIGHT], 0);
    size_t element;
    assert_int_equal(gpf_check_nonfinite(c, &element), f->X);
    assert_int_equal(element, 4);
    assert_true(isnan(gpf_check_value(c)));
    gpf_check_free(c);
}

/* A dead unit in a tested tensor is reported and harmless; a tensor without any test is not. */
static void dead_units_and_untested_tensors(void **state)
{
    fixture *f = *state;
    gsl_matrix_view w = gpf_param_view(f->g, f->param[0], gpf_point_params(f->at));
    gsl_matrix_view b = gpf_param_view(f->g, f->param[1], gpf_point_params(f->at));
    gsl_matrix_set(&b.matrix, 0, 2, -100);
    gpf_check *c = run(f, f->loss, f->param, 6, NULL);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_RIGHT);
    assert_int_equal(gpf_check_element(c, 2)->verdict, GPF_VACUOUS);
    assert_int_equal(gpf_check_element(c, 2)->reason, GPF_REASON_NO_REACTION);
    gpf_check_free(c);
    gsl_matrix_set_all(&w.matrix, 0);
    gsl_matrix_set_all(&b.matrix, -1);
    c = run(f, f->loss, f->param, 6, NULL);
    assert_int_equal(gpf_check_tally(c, 0).count[GPF_VACUOUS], 15);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_UNTESTED);
    gpf_check_free(c);
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(gpf_verdict_name(GPF_RIGHT), "right");
    assert_string_equal(gpf_verdict_name(GPF_UNRESOLVED), "unresolved");
    for (int i = 0; i < GPF_N_VERDICTS; i++)
        assert_true(gpf_verdict_name((gpf_verdict)i)[0] != 0);
    for (int i = GPF_REASON_FLAT_GAP; i <= GPF_REASON_TOO_SMALL; i++)
        assert_true(gpf_reason_name((gpf_reason)i)[0] != 0);
}

/* grad of sum(sin x), 64 elements: by noise of its own off in the first 60, wrong in the last. */
static gpf_check *noisy_gradient(gpf_graph *g)
{
    enum { M = 64 };
    const gpf_shape shape = gpf_shape1(M);
    double far[M], factor[M];
    for (size_t i = 0; i < M; i++) {
        far[i] = i < 60 ? 1e10 : 0;
        factor[i] = i + 1 < M ? 1 : 1.5;
    }
    const gpf_node x = gpf_param(g, "x", shape), b = gpf_const_tensor(g, shape, far),
                   cosine = gpf_sub(g, gpf_add(g, gpf_cos(g, x), b), b),
                   grad = gpf_mul(g, cosine, gpf_const_tensor(g, shape, factor)),
                   y = gpf_sum(g, gpf_sin(g, x), GPF_ALL_AXES);
    gpf_check *c = gpf_check_alloc(g, y, &x, &grad, 1, 0, 1, NULL);
    assert_non_null(c);
    return c;
}

/* Elements that noise excuses are no failures: the check must not stop for them, nor accuse them
 * when it is stopped. */
static void noise_is_no_failure(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    gpf_check *c = noisy_gradient(g);
    gpf_point *at = gpf_point_alloc(g, 0);
    for (size_t i = 0; i < 64; i++)
        gsl_vector_set(gpf_point_params(at), i, 0.3 + 0.01 * (double)i);
    gpf_check_options how = gpf_check_defaults();
    how.max_failures = 1;
    assert_int_equal(gpf_check_run(c, at, &how, NULL), GSL_SUCCESS);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_WRONG);
    assert_int_equal(gpf_check_tally(c, -1).count[GPF_WRONG], 1);
    size_t calls = 0;
    how = gpf_check_defaults();
    how.progress = stop_at_once;
    how.progress_arg = &calls;
    assert_int_equal(gpf_check_run(c, at, &how, NULL), GPF_ECANCEL);
    assert_int_equal(gpf_check_tally(c, -1).checked, 32);
    assert_int_equal(gpf_check_tally(c, -1).count[GPF_WRONG], 0);
    gpf_check_free(c);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* Two numbers of whole units each whose difference is noise: nobody is accused, whatever runs
 * before, and so at whatever random numbers. */
static void cancellation_accuses_nobody(void **state)
{
    (void)state;
    for (int steps = 0; steps < 40; steps++) {
        gpf_graph *g = gpf_graph_alloc();
        const gpf_node w = gpf_param(g, "w", gpf_shape0()),
                       far = gpf_const(g, 1e7 * (1 + 0.37 * steps));
        gpf_node x = w;
        for (int i = 0; i < steps; i++)
            x = gpf_tanh(g, x);
        const gpf_node twins =
            gpf_sub(g, gpf_add(g, gpf_sin(g, x), far), gpf_add(g, gpf_cos(g, x), far));
        gpf_check *c =
            gpf_check_alloc(g, gpf_add(g, twins, gpf_exp(g, x)), &w, NULL, 1, 0, 1, NULL);
        gpf_point *at = gpf_point_alloc(g, 0);
        for (int i = 0; i < 20; i++) {
            gsl_vector_set(gpf_point_params(at), 0, 2 * scrambled((size_t)i));
            assert_int_equal(gpf_check_run(c, at, NULL, NULL), GSL_SUCCESS);
            assert_int_equal(gpf_check_tally(c, -1).count[GPF_WRONG], 0);
        }
        gpf_check_free(c);
        gpf_point_free(at);
        gpf_graph_free(g);
    }
}

/* What is left of 1 - p for p close to 1 has no digit: rounding is not in proportion there, leaves
 * the domain of a log or a root, or is magnified beyond any digit of y. The slice hides from the
 * graph that the difference can be computed well. */
static void where_no_digit_is_left_nobody_is_accused(void **state)
{
    (void)state;
    const ptrdiff_t start[] = { 0, 0 }, size[] = { 2, 2 };
    for (int i = 0; i < 240; i++) {
        gpf_graph *g = gpf_graph_alloc();
        const double far = 30 + 8 * fabs(scrambled((size_t)i)) / 1.3;
        const gpf_node z = gpf_param(g, "z", gpf_shape2(3, 3)), one = gpf_const(g, 1),
                       u = gpf_add(
                           g, gpf_const(g, far),
                           gpf_mul(g, gpf_const(g, pow(10, i % 7 * 0.5 - 2)), gpf_sin(g, z))),
                       q = gpf_sub(g, one, gpf_slice(g, gpf_sigmoid(g, u), start, size)),
                       forms[] = { gpf_div(g, one, gpf_square(g, q)),
                                   gpf_log(g, gpf_add(g, q, gpf_const(g, 7e-17))),
                                   gpf_sin(g, gpf_mul(g, gpf_const(g, exp(far)), q)) };
        gpf_check *c =
            gpf_check_alloc(g, gpf_sum(g, forms[i % 3], GPF_ALL_AXES), &z, NULL, 1, 0, 1, NULL);
        gpf_point *at = gpf_point_alloc(g, 0);
        for (size_t k = 0; k < 9; k++)
            gsl_vector_set(gpf_point_params(at), k, 2.3 * scrambled(100 * (size_t)i + k));
        gpf_check_options how = gpf_check_defaults();
        for (how.fast = 0; how.fast < 2; how.fast++) {
            assert_int_equal(gpf_check_run(c, at, &how, NULL), GSL_SUCCESS);
            assert_int_equal(gpf_check_tally(c, -1).count[GPF_WRONG], 0);
        }
        gpf_check_free(c);
        gpf_point_free(at);
        gpf_graph_free(g);
    }
}

/* What is noisy only by v does not hide that the slope by w was dropped. */
static void noise_of_others_hides_nothing(void **state)
{
    (void)state;
    const gpf_verdict expected[] = { GPF_WRONG, GPF_UNRESOLVED };
    for (int i = 0; i < 2; i++) {
        gpf_graph *g = gpf_graph_alloc();
        const gpf_node w = gpf_param(g, "w", gpf_shape0()), v = gpf_param(g, "v", gpf_shape0()),
                       steep =
                           gpf_exp(g, gpf_mul(g, gpf_const(g, (i + 11) * M_LN10), gpf_exp(g, v))),
                       y = gpf_add(g, steep, gpf_mul(g, gpf_const(g, 0.1), gpf_sin(g, w))),
                       xs[] = { w, v };
        gpf_node grads[2];
        assert_int_equal(gpf_grad(g, y, xs, 2, grads), GSL_SUCCESS);
        grads[0] = gpf_const(g, 0);
        gpf_point *at = gpf_point_alloc(g, 0);
        gsl_vector_set(gpf_point_params(at), 0, 0.7);
        gsl_vector_set(gpf_point_params(at), 1, 1e-3);
        gpf_check *c = gpf_check_alloc(g, y, xs, grads, 2, 0, 1, NULL);
        assert_int_equal(gpf_check_run(c, at, NULL, NULL), GSL_SUCCESS);
        assert_int_equal(gpf_check_element(c, 0)->verdict, expected[i]);
        assert_int_equal(gpf_check_element(c, 1)->verdict, GPF_RIGHT);
        gpf_check_free(c);
        gpf_point_free(at);
        gpf_graph_free(g);
    }
}

/* y = w + a w^3 + b w^5 with a = -1.25 (1 + d) b h^2: at step h both of GSL's rules agree on
 * 1 - b h^4 / 4, and their difference tells of a much smaller error. 200: so that rounding is as
 * large and GSL sees no reason for a smaller step. */
static void rules_that_agree_by_accident(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const double h = ldexp(1.375, -16), b = 1e-6 / pow(h, 4), a = -1.25 * 1.009 * b * h * h;
    const gpf_node w = gpf_param(g, "w", gpf_shape0()), square = gpf_square(g, w),
                   cube = gpf_mul(g, w, square), fifth = gpf_mul(g, cube, square),
                   y = gpf_add(g,
                               gpf_add(g, gpf_add(g, w, gpf_const(g, 200)),
                                       gpf_mul(g, gpf_const(g, a), cube)),
                               gpf_mul(g, gpf_const(g, b), fifth));
    gpf_point *at = gpf_point_alloc(g, 0);
    gpf_check *c = gpf_check_alloc(g, y, &w, NULL, 1, 0, 1, NULL);
    assert_int_equal(gpf_check_run(c, at, NULL, NULL), GSL_SUCCESS);
    assert_int_not_equal(gpf_check_element(c, 0)->verdict, GPF_WRONG);
    gpf_check_free(c);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* A point from before a leaf was added has no values for it, not those of the last run. */
static void an_older_point_knows_less(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    gpf_point *old = gpf_point_alloc(g, 0);
    const gpf_node w = gpf_param(g, "w", gpf_shape0()), d = gpf_data(g, "d", gpf_shape0());
    gpf_point *at = gpf_point_alloc(g, 0);
    const double value = 2;
    gpf_point_bind(at, d, &value);
    gpf_check *c = gpf_check_alloc(g, gpf_mul(g, gpf_exp(g, w), d), &w, NULL, 1, 0, 1, NULL);
    assert_int_equal(gpf_check_run(c, at, NULL, NULL), GSL_SUCCESS);
    assert_int_equal(gpf_check_run(c, old, NULL, NULL), GPF_EUNBOUND);
    gpf_check_free(c);
    gpf_point_free(old);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* Where a check looks up whether to stop does not depend on what ran before it. */
static int note_done(void *arg, size_t done, size_t total)
{
    size_t *sum = arg;
    *sum = *sum * 31 + done + 7 * total;
    return 0;
}

static void blocks_are_the_same_again(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 30)),
                   h = gpf_dense(g, "h", gpf_dense(g, "i", X, 60, gpf_tanh), 60, gpf_tanh);
    static double x[1000 * 30];
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = scrambled(i);
    gpf_point *at = gpf_point_alloc(g, 1000);
    gpf_point_bind(at, X, x);
    for (size_t i = 0; i < gpf_graph_n_params(g); i++)
        gsl_vector_set(gpf_point_params(at), i, 0.2 * scrambled(i + 1000));
    gpf_check *c = gpf_check_alloc(g, gpf_l2(g, h), (gpf_node[]){ gpf_graph_param(g, 0) }, NULL, 1,
                                   1000, 1, NULL);
    size_t sum[3] = { 0 };
    gpf_check_options how = gpf_check_defaults();
    how.progress = note_done;
    how.sample = 100;
    for (int run = 0; run < 3; run++) {
        how.progress_arg = &sum[run];
        assert_int_equal(gpf_check_run(c, at, &how, NULL), GSL_SUCCESS);
    }
    assert_true(sum[0] == sum[1] && sum[0] == sum[2]);
    gpf_check_free(c);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* A check that runs again is worth no more threads than at first. */
static void worth_as_many_threads_again(void **state)
{
    const fixture *f = *state;
    gpf_check *c = gpf_check_alloc(f->g, f->loss, f->param, NULL, 6, N, 1, NULL);
    assert_int_equal(gpf_check_run(c, f->at, NULL, NULL), GSL_SUCCESS);
    const int threads = gpf_check_threads(c);
    for (int i = 0; i < 200; i++)
        assert_int_equal(gpf_check_run(c, f->at, NULL, NULL), GSL_SUCCESS);
    assert_int_equal(gpf_check_threads(c), threads);
    gpf_check_free(c);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(worth_as_many_threads_again),
        CASE(every_element_is_right),
        CASE(same_bits_on_any_number_of_threads),
        cmocka_unit_test(same_bits_of_larger_nets),
        CASE(intermediate_nodes_and_data),
        CASE(an_output_of_many_elements_is_contracted),
        CASE(a_sample_is_a_sample),
        CASE(given_gradients),
        CASE(stops_after_failures),
        CASE(the_caller_can_stop),
        CASE(trouble),
        CASE(nan_in_the_data),
        CASE(dead_units_and_untested_tensors),
        cmocka_unit_test(noise_is_no_failure),
        cmocka_unit_test(cancellation_accuses_nobody),
        cmocka_unit_test(where_no_digit_is_left_nobody_is_accused),
        cmocka_unit_test(noise_of_others_hides_nothing),
        cmocka_unit_test(rules_that_agree_by_accident),
        cmocka_unit_test(an_older_point_knows_less),
        cmocka_unit_test(blocks_are_the_same_again),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
