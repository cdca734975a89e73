/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whole tensors along random directions: no right net is accused, every planted error is found and
 * named, and the stated power is what a simulation finds. */
#include "unit/help.h"

enum { N = 16, TENSORS = 6 };

typedef struct fixture {
    gpf_graph *g;
    gpf_node X, loss, x[TENSORS], grad[TENSORS];
    gpf_point *at;
    double *rows, *labels;
} fixture;

/* A 6-12-9-4 net with softmax cross-entropy and a random point. */
static fixture make(gpf_activation act, uint64_t seed)
{
    fixture f = { .g = gpf_graph_alloc() };
    dice d = { seed };
    f.X = gpf_data(f.g, "X", gpf_shape2(GPF_N, 6));
    const gpf_node y = gpf_data(f.g, "y", gpf_shape2(GPF_N, 4));
    const gpf_node h = gpf_dense(f.g, "h", f.X, 12, act), i = gpf_dense(f.g, "i", h, 9, act);
    f.loss = gpf_cross_entropy(f.g, gpf_dense(f.g, "o", i, 4, NULL), y, GPF_MEAN);
    for (size_t k = 0; k < TENSORS; k++)
        f.x[k] = gpf_graph_param(f.g, k);
    gpf_grad(f.g, f.loss, f.x, TENSORS, f.grad);
    f.at = gpf_point_alloc(f.g, N);
    f.rows = calloc((size_t)N * 10, sizeof *f.rows);
    f.labels = f.rows + (ptrdiff_t)N * 6;
    fill(&d, f.rows, (size_t)N * 6, -1, 1);
    for (size_t k = 0; k < N; k++)
        f.labels[4 * k + (size_t)below(&d, 4)] = 1;
    fill(&d, theta(f.at), gpf_graph_n_params(f.g), -0.8, 0.8);
    gpf_point_bind(f.at, f.X, f.rows);
    gpf_point_bind(f.at, y, f.labels);
    return f;
}

static void unmake(fixture *f)
{
    gpf_point_free(f->at);
    gpf_graph_free(f->g);
    free(f->rows);
}

static gpf_check_options fast_options(unsigned long seed)
{
    gpf_check_options how = gpf_check_defaults();
    how.fast = 1;
    how.seed = seed;
    return how;
}

static gpf_check *run(fixture *f, const gpf_node *grads, unsigned long seed)
{
    const gpf_check_options how = fast_options(seed);
    gpf_check *c = gpf_check_alloc(f->g, f->loss, f->x, grads, TENSORS, N, 1, NULL);
    assert_non_null(c);
    assert_int_equal(gpf_check_run(c, f->at, &how, NULL), GSL_SUCCESS);
    return c;
}

/* The gradient of tensor i with some elements changed by an absolute error. */
static gpf_node with_error(fixture *f, int i, const double *error)
{
    const gpf_shape s = gpf_node_shape(f->g, f->x[i]);
    return gpf_add(f->g, f->grad[i], gpf_const_tensor(f->g, s, error));
}

static void right_nets_are_never_accused(void **state)
{
    (void)state;
    static const gpf_activation act[] = { gpf_relu, gpf_tanh, gpf_sigmoid, gpf_softplus, gpf_abs };
    size_t blocks = 0, covered = 0, total = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        fixture f = make(act[seed % COUNT(act)], seed);
        if (seed % 4 == 3) /* as initialisers make them: dead inputs sit exactly on an edge */
            for (int i = 1; i < TENSORS; i += 2)
                memset(theta(f.at) + gpf_param_offset(f.g, f.x[i]), 0,
                       gpf_shape_size(gpf_node_shape(f.g, f.x[i]), N) * sizeof(double));
        gpf_check *c = run(&f, NULL, (unsigned long)seed);
        assert_int_equal(gpf_check_tally(c, -1).count[GPF_WRONG], 0);
        for (size_t i = 0; i < TENSORS; i++) {
            const gpf_block *b = gpf_check_block(c, i);
            assert_int_not_equal(b->verdict, GPF_WRONG);
            assert_int_not_equal(b->reason, GPF_REASON_UNCONFIRMED);
            assert_int_equal(b->total, gpf_shape_size(gpf_node_shape(f.g, f.x[i]), N));
            assert_int_equal(b->covered + b->small + b->untested, b->total);
            assert_true(b->evaluations > 0);
            blocks += b->directions > 0;
            covered += b->covered;
            total += b->total;
        }
        gpf_check_free(c);
        unmake(&f);
    }
    assert_true(blocks >= 400);
    assert_true((double)covered > 0.8 * (double)total);
}

/* Every guilty element is wrong, every other one that was looked at is not. */
static void expect_found(const gpf_check *c, int tensor, const double *error, size_t n)
{
    size_t guilty = 0, found = 0;
    for (size_t k = 0; k < n; k++)
        guilty += error[k] != 0;
    for (size_t i = 0; i < gpf_check_n_elements(c); i++) {
        const gpf_element *e = gpf_check_element(c, i);
        const bool is_guilty = e->tensor == tensor && error[e->k] != 0;
        assert_int_equal(e->verdict == GPF_WRONG, is_guilty);
        found += is_guilty;
        const gpf_element *before = i ? gpf_check_element(c, i - 1) : NULL;
        if (before)
            assert_true(before->tensor < e->tensor ||
                        (before->tensor == e->tensor && before->k < e->k));
    }
    assert_int_equal(found, guilty);
    assert_int_equal(gpf_check_block(c, (size_t)tensor)->verdict, GPF_WRONG);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_WRONG);
}

enum plant { RELATIVE, SIGN, SWAP, ZERO_ROW, N_PLANTS };

static void planted_errors_are_found_and_named(void **state)
{
    (void)state;
    static const gpf_activation act[] = { gpf_relu, gpf_tanh };
    static const int tensor[] = { 0, 2, 4, 5 }; /* 6x12, 12x9, 9x4, and the last layer's bias */
    size_t n_planted = 0;
    for (uint64_t seed = 0; seed < 160; seed++) {
        fixture f = make(act[seed % 2], seed);
        const int i = tensor[seed / 2 % 4];
        const enum plant plant = (enum plant)(seed / 8 % N_PLANTS);
        const gpf_shape s = gpf_node_shape(f.g, f.x[i]);
        const size_t n = gpf_shape_size(s, N), columns = (size_t)s.dim[1];
        double a[256], error[256] = { 0 };
        evaluate(f.g, f.at, &f.grad[i], 1, a);
        double typical = 0;
        for (size_t k = 0; k < n; k++)
            typical += fabs(a[k]) / (double)n;
        dice d = { seed + 1000 };
        size_t k = (size_t)below(&d, (int)n), j = (size_t)below(&d, (int)n);
        for (size_t tries = 0; tries < n && fabs(a[k]) < 0.1 * typical; tries++)
            k = (k + 1) % n;
        for (size_t tries = 0; tries < n && fabs(a[j] - a[k]) < 0.1 * typical; tries++)
            j = (j + 1) % n;
        if (plant == RELATIVE)
            error[k] = 0.01 * a[k];
        else if (plant == SIGN)
            error[k] = -2 * a[k];
        else if (plant == SWAP)
            error[k] = a[j] - a[k], error[j] = a[k] - a[j];
        for (size_t l = 0; plant == ZERO_ROW && l < columns; l++)
            error[k / columns * columns + l] = -a[k / columns * columns + l];
        gpf_node grads[TENSORS];
        memcpy(grads, f.grad, sizeof grads);
        grads[i] = with_error(&f, i, error);
        gpf_check *c = run(&f, grads, (unsigned long)seed);
        expect_found(c, i, error, n);
        n_planted++;
        gpf_check_free(c);
        unmake(&f);
    }
    assert_int_equal(n_planted, 160);
}

/* Seen with the stated probability: errors of the stated size in one random element, in two that
 * cancel under equal weights; and the statement is not far below what is true. */
static void power_is_as_stated(void **state)
{
    (void)state;
    enum { RUNS = 1200 };
    static const gpf_activation act[] = { gpf_relu, gpf_tanh, gpf_softplus };
    size_t runs = 0, one = 0, two = 0, tiny = 0;
    for (uint64_t seed = 0; runs < RUNS; seed++) {
        fixture f = make(act[seed % COUNT(act)], seed / 4);
        dice d = { seed };
        const int i = 2 * (int)(seed % 3);
        const size_t n = gpf_shape_size(gpf_node_shape(f.g, f.x[i]), N);
        const gpf_check_options how = fast_options((unsigned long)seed);
        gpf_check *c = gpf_check_alloc(f.g, f.loss, &f.x[i], NULL, 1, N, 1, NULL);
        assert_int_equal(gpf_check_run(c, f.at, &how, NULL), GSL_SUCCESS);
        const gpf_block b = *gpf_check_block(c, 0);
        gpf_check_free(c);
        if (b.verdict == GPF_RIGHT && b.evaluations > 0 && b.disagreed == 0 && b.error > 0) {
            const size_t k = (size_t)below(&d, (int)n),
                         j = (k + 1 + (size_t)below(&d, (int)n - 1)) % n;
            const double size = roll(&d) & 1 ? b.error : -b.error;
            const double factor[] = { 1, 1, 0.01 };
            size_t *const seen[] = { &one, &two, &tiny };
            for (int plant = 0; plant < 3; plant++) {
                double error[256] = { 0 };
                error[k] = factor[plant] * size;
                if (plant == 1)
                    error[j] = -size;
                gpf_node grad = with_error(&f, i, error);
                c = gpf_check_alloc(f.g, f.loss, &f.x[i], &grad, 1, N, 1, NULL);
                assert_int_equal(gpf_check_run(c, f.at, &how, NULL), GSL_SUCCESS);
                *seen[plant] += gpf_check_block(c, 0)->disagreed > 0;
                gpf_check_free(c);
            }
            runs++;
        }
        unmake(&f);
    }
    print_message("# power: one %zu, two %zu, a hundredth %zu of %d\n", one, two, tiny, RUNS);
    const double slack = 3 * sqrt(GPF_FAST_PROBABILITY * (1 - GPF_FAST_PROBABILITY) * RUNS);
    assert_true((double)one >= GPF_FAST_PROBABILITY * RUNS - slack);
    assert_true((double)two >= GPF_FAST_PROBABILITY * RUNS - slack);
    assert_true(tiny < RUNS / 2);
}

static void everything_wrong_ends_soon(void **state)
{
    (void)state;
    fixture f = make(gpf_tanh, 3);
    gpf_node grads[TENSORS];
    for (int i = 0; i < TENSORS; i++)
        grads[i] = gpf_mul(f.g, gpf_const(f.g, 1.5), f.grad[i]);
    gpf_check *c = run(&f, grads, 1);
    const gpf_block *b = gpf_check_block(c, 2);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_WRONG);
    assert_int_equal(b->verdict, GPF_WRONG);
    assert_true(gpf_check_tally(c, 2).count[GPF_WRONG] >= 64);
    assert_true(b->untested > 0); /* and says so */
    gpf_check_options how = fast_options(1);
    how.max_failures = 2;
    assert_int_equal(gpf_check_run(c, f.at, &how, NULL), GSL_SUCCESS);
    assert_int_equal(gpf_check_tally(c, -1).count[GPF_WRONG], 2);
    assert_int_equal(gpf_check_block(c, 5)->verdict, GPF_UNRESOLVED);
    assert_int_equal(gpf_check_block(c, 5)->untested, 4);
    gpf_check_free(c);
    unmake(&f);
}

static void what_cannot_be_tested_is_said(void **state)
{
    (void)state;
    fixture f = make(gpf_relu, 5);
    double *W2 = theta(f.at) + gpf_param_offset(f.g, f.x[2]);
    memset(W2, 0, 12 * 9 * sizeof *W2); /* the layer below moves nothing */
    gpf_check *c = run(&f, NULL, 1);
    assert_int_equal(gpf_check_block(c, 0)->verdict, GPF_VACUOUS);
    assert_int_equal(gpf_check_block(c, 0)->reason, GPF_REASON_NO_REACTION);
    assert_int_equal(gpf_check_block(c, 0)->small, 72);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_UNTESTED);
    gpf_check_free(c);

    /* "no dependence" where there is one is an error like any other */
    gpf_node grads[TENSORS];
    memcpy(grads, f.grad, sizeof grads);
    grads[4] = GPF_NONE;
    c = run(&f, grads, 1);
    assert_int_equal(gpf_check_block(c, 4)->verdict, GPF_WRONG);
    gpf_check_free(c);

    f.rows[3] = NAN;
    c = run(&f, NULL, 1);
    for (size_t i = 0; i < TENSORS; i++) {
        assert_int_equal(gpf_check_block(c, i)->verdict, GPF_UNRESOLVED);
        assert_int_equal(gpf_check_block(c, i)->reason, GPF_REASON_NOT_FINITE);
        assert_int_equal(gpf_check_block(c, i)->covered, 0);
    }
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_UNTESTED);
    gpf_check_free(c);
    unmake(&f);

    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x[] = { gpf_param(g, "used", gpf_shape1(20)),
                           gpf_param(g, "unused", gpf_shape1(20)) };
    gpf_point *at = gpf_point_alloc(g, 0);
    gsl_vector_set_all(gpf_point_params(at), 0.3);
    c = gpf_check_alloc(g, gpf_sum(g, gpf_exp(g, x[0]), GPF_ALL_AXES), x, NULL, 2, 0, 1, NULL);
    const gpf_check_options how = fast_options(1);
    assert_int_equal(gpf_check_run(c, at, &how, NULL), GSL_SUCCESS);
    assert_int_equal(gpf_check_block(c, 0)->verdict, GPF_RIGHT);
    assert_int_equal(gpf_check_block(c, 0)->covered, 20);
    assert_int_equal(gpf_check_block(c, 1)->verdict, GPF_VACUOUS);
    assert_int_equal(gpf_check_block(c, 1)->reason, GPF_REASON_INDEPENDENT);
    gpf_check_free(c);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* Every element at a tie: no direction is free of a kink, each is decided alone or not at all. */
static void kinks_everywhere(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape1(600));
    gpf_point *at = gpf_point_alloc(g, 0);
    gpf_check *c = gpf_check_alloc(g, gpf_sum(g, gpf_relu(g, x), -1), &x, NULL, 1, 0, 1, NULL);
    const gpf_check_options how = fast_options(1);
    assert_int_equal(gpf_check_run(c, at, &how, NULL), GSL_SUCCESS);
    const gpf_block *b = gpf_check_block(c, 0);
    assert_int_equal(gpf_check_tally(c, 0).count[GPF_WRONG], 0);
    assert_int_equal(b->covered, gpf_check_tally(c, 0).count[GPF_KINK]);
    assert_true(b->covered > 0 && b->untested > 0);
    assert_int_equal(b->covered + b->untested, 600);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_RIGHT);
    gpf_check_free(c);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static gpf_node elu(gpf_graph *g, gpf_node x)
{
    return gpf_elu(g, x, 0.7);
}

static gpf_node clipped(gpf_graph *g, gpf_node x)
{
    return gpf_clip(g, x, -0.5, 0.5);
}

static gpf_node largest(gpf_graph *g, gpf_node x)
{
    return gpf_max(g, x, gpf_mul(g, gpf_const(g, -0.4), x));
}

/* Every element as near to an edge as can be: along the pieces they are on all are covered, with
 * steps that no kink has made small; a wrong one is found among them. */
static void kinks_within_every_step(void **state)
{
    (void)state;
    static const gpf_activation act[] = { gpf_relu, elu, clipped, largest, gpf_abs };
    enum { M = 300 };
    for (size_t i = 0; i < COUNT(act); i++) {
        gpf_graph *g = gpf_graph_alloc();
        const gpf_node x = gpf_param(g, "x", gpf_shape1(M));
        double weight[M], off[M] = { 0 };
        dice d = { i };
        fill(&d, weight, M, 0.5, 1.5);
        /* a slope on either side of every edge */
        const gpf_node y = gpf_add(g, act[i](g, x), gpf_mul(g, gpf_const(g, 3), x)),
                       f = gpf_sum(g, gpf_mul(g, gpf_const_tensor(g, gpf_shape1(M), weight), y),
                                   -1);
        gpf_node grads[2];
        gpf_grad(g, f, &x, 1, grads);
        off[211] = 1e-3;
        grads[1] = gpf_add(g, grads[0], gpf_const_tensor(g, gpf_shape1(M), off));
        gpf_point *at = gpf_point_alloc(g, 0);
        for (size_t k = 0; k < M; k++)
            theta(at)[k] = (act[i] == clipped ? 0.5 : 0) + (k % 2 ? 1e-9 : -1e-9);
        theta(at)[0] = 0.9; /* gives the tensor a scale far above that */
        for (int wrong = 0; wrong < 2; wrong++) {
            gpf_check *c = gpf_check_alloc(g, f, &x, &grads[wrong], 1, 0, 1, NULL);
            const gpf_check_options how = fast_options(4);
            assert_int_equal(gpf_check_run(c, at, &how, NULL), GSL_SUCCESS);
            const gpf_block *b = gpf_check_block(c, 0);
            assert_int_equal(b->covered, M);
            assert_true(b->error < 1e-4); /* elu curves, the others bend sharply */
            assert_int_equal(b->verdict, wrong ? GPF_WRONG : GPF_RIGHT);
            if (wrong)
                expect_found(c, 0, off, M);
            else
                assert_int_equal(gpf_check_n_elements(c), 0);
            gpf_check_free(c);
        }
        gpf_point_free(at);
        gpf_graph_free(g);
    }
}

/* Data and intermediate nodes, a NaN in the analytic gradient, a y of many elements. */
static void any_node_any_output(void **state)
{
    (void)state;
    fixture f = make(gpf_relu, 8);
    const gpf_node h = gpf_graph_find(f.g, "h"), xs[] = { f.X, h == GPF_NONE ? f.loss : h };
    const gpf_check_options how = fast_options(1);
    gpf_check *c = gpf_check_alloc(f.g, f.loss, xs, NULL, 2, N, 1, NULL);
    assert_int_equal(gpf_check_run(c, f.at, &how, NULL), GSL_SUCCESS);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_RIGHT);
    gpf_check_free(c);

    const gpf_node z = gpf_tanh(f.g, gpf_matmul(f.g, f.X, f.x[0]));
    c = gpf_check_alloc(f.g, z, f.x, NULL, 1, N, 1, NULL);
    assert_int_equal(gpf_check_run(c, f.at, &how, NULL), GSL_SUCCESS);
    assert_int_equal(gpf_check_contracted(c), 1);
    assert_int_equal(gpf_check_outcome(c), GPF_OUTCOME_RIGHT);
    gpf_check_free(c);

    double error[72] = { 0 };
    error[50] = NAN;
    gpf_node grads[TENSORS];
    memcpy(grads, f.grad, sizeof grads);
    grads[0] = with_error(&f, 0, error);
    c = run(&f, grads, 1);
    expect_found(c, 0, error, 72);
    assert_int_equal(gpf_check_element(c, 0)->k, 50);
    gpf_check_free(c);
    unmake(&f);
}

/* Same seed, same bits; another seed, other directions. A later full check forgets the blocks. */
static void runs_are_repeatable(void **state)
{
    (void)state;
    fixture f = make(gpf_softplus, 2);
    gpf_check *a = run(&f, NULL, 7), *b = run(&f, NULL, 7), *other = run(&f, NULL, 8);
    bool differs = false;
    for (size_t i = 0; i < TENSORS; i++) {
        const gpf_block *p = gpf_check_block(a, i), *q = gpf_check_block(b, i);
        assert_memory_equal(&p->error, &q->error, sizeof p->error);
        assert_int_equal(p->evaluations, q->evaluations);
        differs |= p->error != gpf_check_block(other, i)->error && p->directions > 0;
    }
    assert_true(differs);
    assert_null(gpf_check_block(a, TENSORS));
    assert_int_equal(gpf_check_run(a, f.at, NULL, NULL), GSL_SUCCESS);
    assert_null(gpf_check_block(a, 0));
    gpf_check_options how = fast_options(1);
    how.sample = 3;
    gpf_diag why;
    assert_int_equal(gpf_check_run(a, f.at, &how, &why), GSL_EINVAL);
    gpf_check_free(a);
    gpf_check_free(b);
    gpf_check_free(other);
    unmake(&f);
}

static int stop_at_once(void *arg, size_t done, size_t total)
{
    assert_true(done <= total && done > 0);
    ++*(size_t *)arg;
    return 1;
}

static void the_caller_can_stop(void **state)
{
    (void)state;
    fixture f = make(gpf_tanh, 1);
    size_t calls = 0;
    gpf_check_options how = fast_options(1);
    how.progress = stop_at_once;
    how.progress_arg = &calls;
    gpf_check *c = gpf_check_alloc(f.g, f.loss, f.x, NULL, TENSORS, N, 1, NULL);
    assert_int_equal(gpf_check_run(c, f.at, &how, NULL), GPF_ECANCEL);
    assert_int_equal(calls, 1);
    assert_int_equal(gpf_check_block(c, 0)->verdict, GPF_RIGHT);
    assert_int_equal(gpf_check_block(c, 5)->verdict, GPF_UNRESOLVED);
    gpf_check_free(c);
    unmake(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_nets_are_never_accused),
        cmocka_unit_test(planted_errors_are_found_and_named),
        cmocka_unit_test(power_is_as_stated),
        cmocka_unit_test(everything_wrong_ends_soon),
        cmocka_unit_test(what_cannot_be_tested_is_said),
        cmocka_unit_test(kinks_everywhere),
        cmocka_unit_test(kinks_within_every_step),
        cmocka_unit_test(any_node_any_output),
        cmocka_unit_test(runs_are_repeatable),
        cmocka_unit_test(the_caller_can_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
