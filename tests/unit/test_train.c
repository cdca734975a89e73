/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a loop is made of, and what it refuses. */
#include "train_test.h"

static net n;
static gpf_train_options how;
static gpf_train_with with;

static void begin(void)
{
    net_make(&n, GPF_SUM);
    how = gpf_train_defaults();
    with = gpf_train_plain();
}

static void refuse(int status, const char *text)
{
    gpf_diag why = { .status = 0 };
    assert_null(gpf_train_alloc(n.g, n.loss, n.at, &how, &with, &why));
    assert_string_equal(why.text, text);
    assert_int_equal(why.status, status);
    assert_null(gpf_train_alloc(n.g, n.loss, n.at, &how, &with, NULL));
    how = gpf_train_defaults();
    with = gpf_train_plain();
}

static void test_plain(void **state)
{
    (void)state;
    begin();
    gpf_train *t = gpf_train_alloc(n.g, n.loss, n.at, NULL, NULL, NULL);
    assert_non_null(t);
    const gpf_progress *p = gpf_train_progress(t);
    assert_true(p->epoch == 0 && p->step == 0 && p->steps == 1 && p->samples == NET_ROWS);
    assert_true(p->end == GPF_TRAIN_RUNNING && isnan(p->loss) && isnan(p->best) && !*p->why);
    assert_string_equal(gpf_train_how(t)->optimizer, "adam");
    assert_string_equal(gpf_train_penalty_note(t), "");
    assert_null(gpf_train_check(t));
    assert_null(gpf_train_health(t));
    gpf_train_free(t);
    gpf_train_free(NULL);
    how.batch = 4;
    t = net_train(&n, &how, NULL);
    assert_int_equal(gpf_train_progress(t)->steps, 3); /* 4 + 4 + 3 */
    gpf_train_free(t);
    how.batch = 400; /* more than there are: all */
    t = net_train(&n, &how, NULL);
    assert_int_equal(gpf_train_progress(t)->steps, 1);
    gpf_train_free(t);
    net_free(&n);
}

static void test_refusals(void **state)
{
    (void)state;
    begin();
    char optimizer[] = "adamm";
    how.optimizer = optimizer;
    gpf_diag why;
    assert_null(gpf_train_alloc(n.g, n.loss, n.at, &how, &with, &why));
    assert_int_equal(why.status, GPF_ENAME);
    how = gpf_train_defaults();
    how.optimizer = "sgd";
    how.momentum = 0.5;
    refuse(GPF_ENAME, "sgd has no setting momentum, only weight_decay");
    how.rate = -1;
    refuse(GSL_EDOM, "rate must be a number from 0 on, not '-1'");
    const gpf_node loss = n.loss;
    n.loss = n.p;
    refuse(GPF_ESHAPE, "the loss add(matmul(..), b2) is Nx2, one element is expected (sum it)");
    n.loss = loss;

    const gpf_node twice[] = { n.W1, n.b1, n.W1 }, data[] = { n.W1, n.X };
    with.xs = twice;
    with.n_xs = 3;
    refuse(GPF_ENAME, "param W1 is to be trained twice");
    with.xs = data;
    with.n_xs = 2;
    refuse(GPF_EDATA, "X cannot be trained: it is no param");
    with.xs = data;
    with.n_xs = 0;
    refuse(GPF_ENOTHING, "there is no param to train");
    with.updates = (const gpf_node[]){ n.W1, n.b1, n.b2, n.b2 };
    refuse(GPF_ESHAPE, "the update of W2 is 1x2, 4x2 is expected");
    with.rate = n.X;
    refuse(GPF_ESHAPE, "the learning rate X must be scalar data");
    with.rate = n.W1;
    refuse(GPF_ESHAPE, "the learning rate W1 must be scalar data");

    gpf_point *held = gpf_point_alloc(n.g, 4), *empty = gpf_point_alloc(n.g, 0);
    gpf_point_bind(held, n.X, n.x);
    with.held_out = held;
    refuse(GPF_EUNBOUND, "data y has no values among what is held out");
    with.held_out = empty;
    refuse(GPF_EDATA, "nothing is held out: the point has no samples");
    gpf_point_free(held);
    gpf_point_free(empty);
    gpf_point_bind(n.at, n.X, NULL);
    refuse(GPF_EUNBOUND, "data X has no values");
    gpf_point_bind(n.at, n.X, n.x);

    with.task = (gpf_task){ n.h, n.y, GPF_DECIDE_ARGMAX };
    refuse(GPF_ESHAPE, "no accuracy: predictions are 11x4 but targets are 11x2");
    how.l2 = 0.1;
    with.xs = &n.b1;
    with.n_xs = 1;
    refuse(GPF_EDATA, "l2: no weights: the params (b1) are only added");
    n.loss = gpf_sqrt(n.g, loss);
    how.l2 = 0.1;
    how.batch = 4;
    refuse(GPF_EDATA, "l2 with a batch: the loss neither sums nor averages over samples (twice the "
                      "samples give neither 2 nor 1 times the loss), so a batch's part of the "
                      "penalty is not known; use batch 0");
    n.loss = loss;

    const gpf_node late = gpf_param(n.g, "late", gpf_shape1(3));
    refuse(GPF_EDATA, "the point knows 26 params, the graph has 29: make it anew");
    gpf_point_free(n.at);
    n.at = gpf_point_alloc(n.g, NET_ROWS);
    gpf_point_bind(n.at, n.X, n.x);
    gpf_point_bind(n.at, n.y, n.want);
    with.xs = &late;
    with.n_xs = 1;
    refuse(GPF_ENOTHING, "the loss depends on no param that is to be trained");
    how.optimizer = "lm";
    n.loss = gpf_sum(n.g, gpf_exp(n.g, n.p), GPF_ALL_AXES);
    assert_null(gpf_train_alloc(n.g, n.loss, n.at, &how, NULL, &why));
    assert_int_equal(why.status, GPF_EDATA);
    net_free(&n);
}

/* Trouble that stands in the graph is told, not hidden. */
static void test_broken_graph(void **state)
{
    (void)state;
    begin();
    gpf_matmul(n.g, n.X, n.X);
    refuse(GPF_ESHAPE, "matmul: X is Nx3 but X is Nx3 (inner sizes 3 and N differ)");
    gpf_graph_clear_status(n.g);
    n.loss = GPF_NONE;
    gpf_diag why;
    assert_null(gpf_train_alloc(n.g, GPF_NONE, n.at, &how, &with, &why));
    assert_int_not_equal(why.status, 0);
    net_free(&n);
}

static void test_no_samples(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node w = gpf_param(g, "w", gpf_shape1(3)),
                   f = gpf_sum(g, gpf_square(g, w), GPF_ALL_AXES);
    gpf_point *at = gpf_point_alloc(g, 0);
    theta(at)[1] = 0.7;
    how = gpf_train_defaults();
    how.batch = 4;
    gpf_diag why;
    assert_null(gpf_train_alloc(g, f, at, &how, NULL, &why));
    assert_string_equal(why.text, "batch 4: no data has N rows to take some of; without a batch, "
                                  "every step takes all");
    assert_int_equal(why.status, GPF_EDATA);
    how.batch = 0;
    how.optimizer = "bfgs";
    gpf_train *t = gpf_train_alloc(g, f, at, &how, NULL, &why);
    assert_non_null(t);
    assert_int_equal(gpf_train_run(t), GSL_SUCCESS);
    assert_true(fabs(theta(at)[1]) < 1e-8);
    gpf_train_free(t);
    gpf_point_free(at);
    gpf_graph_free(g);
}

static void note(enum gpf_reduction reduction, size_t batch, const char *text)
{
    net_make(&n, reduction);
    how = gpf_train_defaults();
    how.l2 = 0.01;
    how.batch = batch;
    gpf_train *t = net_train(&n, &how, NULL);
    assert_string_equal(gpf_train_penalty_note(t), text);
    gpf_train_free(t);
    net_free(&n);
}

static void test_notes(void **state)
{
    (void)state;
    note(GPF_SUM, 4,
         "l2 0.01: adds 0.01/2 * sum of squares of W1, W2 (not of b1, b2) to the loss; the loss "
         "sums over samples, so a batch of 4 of 11 gets 4/11 of it");
    note(GPF_SUM, 0,
         "l2 0.01: adds 0.01/2 * sum of squares of W1, W2 (not of b1, b2) to the loss, which sums "
         "over 11 samples");
    note(GPF_MEAN, 4,
         "l2 0.01: adds 0.01/2 * sum of squares of W1, W2 (not of b1, b2) to the loss; the loss is "
         "a mean over samples, so every batch gets all of it");
    note(GPF_MEAN, 0,
         "l2 0.01: adds 0.01/2 * sum of squares of W1, W2 (not of b1, b2) to the loss, which is a "
         "mean over 11 samples");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_broken_graph), cmocka_unit_test(test_no_samples),
        cmocka_unit_test(test_notes),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
