/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Linked with --wrap=malloc and so on: every allocation of the library is counted here. */
#include "count_allocations.h"
#include "train_test.h"

enum { MOST = 64 };

static gpf_train_options settings(const char *optimizer, double rate, size_t epochs)
{
    gpf_train_options how = gpf_train_defaults();
    how.optimizer = optimizer;
    how.rate = rate;
    how.epochs = epochs;
    return how;
}

static void finish(gpf_train *t, gpf_train_end end, const char *why)
{
    assert_int_equal(gpf_train_run(t), GSL_SUCCESS);
    const gpf_progress *p = gpf_train_progress(t);
    if (p->end != end || (why && strcmp(p->why, why)))
        fail_msg("end %d: %s", (int)p->end, p->why);
}

/* (w - 3)^2 + (2 w - 5)^2 by hand: slope 10 w - 26, so at rate 0.05 w goes half the way to 2.6. */
static void test_by_hand(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_data(g, "x", gpf_shape1(GPF_N)), y = gpf_data(g, "y", gpf_shape1(GPF_N)),
                   w = gpf_param(g, "w", gpf_shape0());
    const gpf_node loss = gpf_mse(g, gpf_mul(g, w, x), y, GPF_SUM);
    gpf_point *at = gpf_point_alloc(g, 2);
    const double xs[] = { 1, 2 }, ys[] = { 3, 5 };
    gpf_point_bind(at, x, xs);
    gpf_point_bind(at, y, ys);
    theta(at)[0] = 1;
    gpf_train_options how = settings("sgd", 0.05, 3);
    gpf_train *t = gpf_train_alloc(g, loss, at, &how, NULL, NULL);
    const gpf_progress *p = gpf_train_progress(t);
    static const double want[] = { 1.8, 2.2, 2.4 };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(gpf_train_step(t), GSL_SUCCESS);
        const double v = want[i], before = i ? want[i - 1] : 1;
        assert_close(theta(at)[0], v, 1e-15, 0);
        assert_close(p->loss, (v - 3) * (v - 3) + (2 * v - 5) * (2 * v - 5), 1e-13, 0);
        assert_close(p->gradient, fabs(10 * v - 26), 1e-13, 0);
        assert_close(p->update, (v - before) / v, 1e-14, 0);
        assert_true(p->epoch == i + 1 && p->step == i + 1 && p->evaluated == i + 1);
        assert_true(p->rate == 0.05 && p->best == p->loss && p->best_epoch == i + 1);
        assert_true(p->penalty == 0 && isnan(p->held_out) && isnan(p->accuracy) && isnan(p->dead));
    }
    assert_int_equal(p->end, GPF_TRAIN_EPOCHS);
    assert_string_equal(p->why, "all 3 epochs are done");
    assert_int_equal(gpf_train_step(t), GSL_SUCCESS); /* ended: nothing happens */
    assert_int_equal(p->step, 3);
    gpf_train_free(t);

    /* clip: a step of 1 * rate, whatever the slope; below the limit nothing is cut */
    theta(at)[0] = 1;
    how.clip = 1;
    t = gpf_train_alloc(g, loss, at, &how, NULL, NULL);
    gpf_train_step(t);
    assert_close(theta(at)[0], 1.05, 1e-15, 0);
    gpf_train_free(t);
    theta(at)[0] = 1;
    how.clip = 16.5;
    t = gpf_train_alloc(g, loss, at, &how, NULL, NULL);
    gpf_train_step(t);
    assert_close(theta(at)[0], 1.8, 1e-15, 0);
    gpf_train_free(t);

    /* the schedule, with its warm-up, at every step */
    how = settings("sgd", 0.05, 10);
    how.schedule = "step";
    how.every = 4;
    how.warmup = 2;
    t = gpf_train_alloc(g, loss, at, &how, NULL, NULL);
    for (size_t i = 0; i < 10; i++) {
        gpf_train_step(t);
        assert_close(gpf_train_progress(t)->rate,
                     0.05 * (i < 1 ? 0.5 : 1) *
                         (i < 4   ? 1
                          : i < 8 ? 0.1
                                  : 0.01),
                     1e-14, 0);
    }
    gpf_train_free(t);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* Every optimiser, in batches with and without a smaller last one, against a loop written out: the
 * same bits. */
static void test_batches(void **state)
{
    (void)state;
    static const size_t batches[] = { 0, 1, 4, 11, 10 };
    const gpf_optimizer_kind *kind;
    for (size_t k = 0; (kind = gpf_optimizer_at(k)); k++)
        for (size_t b = 0; b < COUNT(batches); b++) {
            net n;
            net_make(&n, GPF_MEAN);
            gpf_train_options how = settings(kind->name, 0.03, 3);
            how.batch = batches[b];
            how.seed = 7;
            gpf_train *t = net_train(&n, &how, NULL);
            finish(t, GPF_TRAIN_EPOCHS, NULL);
            double got[MOST];
            const size_t size = gpf_graph_n_params(n.g), B = batches[b] ? batches[b] : NET_ROWS;
            memcpy(got, theta(n.at), size * sizeof *got);
            gpf_train_free(t);

            net_values(&n, 20);
            gpf_node xs[] = { n.W1, n.b1, n.W2, n.b2 }, grad[4];
            gpf_grad(n.g, n.loss, xs, 4, grad);
            gpf_optimizer *o = gpf_optimizer_alloc(kind, size);
            size_t order[NET_ROWS];
            for (size_t epoch = 0; epoch < 3; epoch++) {
                gpf__batch_shuffle(order, NET_ROWS, 7, epoch);
                for (size_t i = 0; B == NET_ROWS && i < NET_ROWS; i++)
                    order[i] = i; /* there is no order in all of them */
                for (size_t from = 0; from < NET_ROWS; from += B) {
                    const size_t rows = NET_ROWS - from < B ? NET_ROWS - from : B;
                    double x[NET_ROWS * 3], y[NET_ROWS * 2], g[MOST];
                    for (size_t i = 0; i < rows; i++) {
                        memcpy(x + 3 * i, n.x + 3 * order[from + i], 3 * sizeof *x);
                        memcpy(y + 2 * i, n.want + 2 * order[from + i], 2 * sizeof *y);
                    }
                    gpf_point *at = gpf_point_alloc(n.g, rows);
                    gpf_point_bind(at, n.X, x);
                    gpf_point_bind(at, n.y, y);
                    gsl_vector_memcpy(gpf_point_params(at), gpf_point_params(n.at));
                    evaluate(n.g, at, grad, 4, g);
                    gpf_point_free(at);
                    gpf_optimizer_step(o, gpf_point_params(n.at), g, 0.03);
                }
            }
            gpf_optimizer_free(o);
            assert_memory_equal(got, theta(n.at), size * sizeof *got);
            net_free(&n);
        }
}

/* Without shuffling the samples come as they are, in every epoch. */
static void test_no_shuffle(void **state)
{
    (void)state;
    net n;
    net_make(&n, GPF_MEAN);
    gpf_train_options how = settings("sgd", 0.03, 2);
    how.batch = 1;
    how.shuffle = 0;
    gpf_train *t = net_train(&n, &how, NULL);
    for (size_t i = 0; i < 2 * NET_ROWS; i++) {
        gpf_train_step(t);
        assert_memory_equal(gpf_point_values(t->part.at, n.X), n.x + 3 * (i % NET_ROWS),
                            3 * sizeof *n.x);
    }
    gpf_train_free(t);
    net_free(&n);
}

/* At fixed params the gradients of the batches of an epoch add up to that of all samples, penalty
 * included: for a sum as they are, for a mean weighted by the samples of each. */
static void test_penalty(void **state)
{
    (void)state;
    for (int mean = 0; mean < 2; mean++) {
        net n;
        net_make(&n, mean ? GPF_MEAN : GPF_SUM);
        const size_t size = gpf_graph_n_params(n.g);
        gpf_train_options how = settings("sgd", 0, 1);
        how.l2 = 0.37;
        how.evaluate = 5;
        gpf_train *t = net_train(&n, &how, NULL);
        double all[MOST], sum[MOST] = { 0 }, plain[MOST], squares = 0;
        gpf_train_evaluate(t);
        memcpy(all, gpf_workspace_output(t->all.ws, (size_t)t->all.out[GPF__CHANGE]),
               size * sizeof *all);
        /* against lambda W added by hand, to weights only */
        gpf_node xs[] = { n.W1, n.b1, n.W2, n.b2 }, grad[4];
        gpf_grad(n.g, n.loss, xs, 4, grad);
        evaluate(n.g, n.at, grad, 4, plain);
        for (size_t i = 0; i < size; i++) {
            const bool weight = i < 12 || (i >= 16 && i < 24);
            squares += weight ? theta(n.at)[i] * theta(n.at)[i] : 0;
            assert_close(all[i], plain[i] + (weight ? 0.37 * theta(n.at)[i] : 0), 1e-13, 1e-15);
        }
        assert_close(gpf_train_progress(t)->penalty, 0.37 / 2 * squares, 1e-14, 0);
        assert_close(gpf_train_progress(t)->loss, evaluate1(n.g, n.at, n.loss), 1e-14, 0);
        gpf_train_free(t);
        how.batch = 4;
        t = net_train(&n, &how, NULL);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(gpf_train_step(t), GSL_SUCCESS);
            const gpf__batch *b = k < 2 ? &t->part : &t->rest;
            const double *g = gpf_workspace_output(b->ws, (size_t)b->out[GPF__CHANGE]);
            for (size_t i = 0; i < size; i++)
                sum[i] += g[i] * (mean ? (double)b->N / NET_ROWS : 1);
        }
        for (size_t i = 0; i < size; i++)
            assert_close(sum[i], all[i], 1e-12, 1e-14);
        gpf_train_free(t);
        net_free(&n);
    }
}

/* An op that counts its evaluations: x as it is. */
static unsigned long evaluations;

static void count_map(size_t n, double *y, const double *const *x, const gpf_attr *attr)
{
    (void)attr;
    evaluations++;
    memmove(y, x[0], n * sizeof *y);
}

static gpf_node pass_on(const gpf_rule_args *r)
{
    return r->bar;
}

static gpf_node pass_twice(const gpf_rule_args *r)
{
    return gpf_mul(r->g, gpf_const(r->g, 2), r->bar);
}

static const gpf_op counter = { .name = "counter",
                                .arity = 1,
                                .formula = "x",
                                .map = count_map,
                                .vjp = { pass_on },
                                .jvp = { pass_on } };
static const gpf_op wrong_op = { .name = "wrong",
                                 .arity = 1,
                                 .formula = "x",
                                 .map = count_map,
                                 .vjp = { pass_twice },
                                 .jvp = { pass_on } };

static gpf_node pass_against(const gpf_rule_args *r)
{
    return gpf_neg(r->g, r->bar);
}

static const gpf_op opposite_op = { .name = "opposite",
                                    .arity = 1,
                                    .formula = "x",
                                    .map = count_map,
                                    .vjp = { pass_against },
                                    .jvp = { pass_on } };

static unsigned long count_run(const char *optimizer, size_t batch, size_t evaluate)
{
    net n;
    net_make(&n, GPF_MEAN);
    n.loss = gpf_apply(n.g, &counter, &n.loss, 1, NULL);
    gpf_train_options how = settings(optimizer, 0.01, 12);
    how.batch = batch;
    how.evaluate = evaluate;
    gpf_train *t = net_train(&n, &how, NULL);
    evaluations = 0;
    finish(t, GPF_TRAIN_EPOCHS, NULL);
    gpf_train_free(t);
    net_free(&n);
    return evaluations;
}

/* All samples: what an evaluation computed is the next step's. */
static void test_no_double_work(void **state)
{
    (void)state;
    assert_int_equal(count_run("adam", 0, 1), 12 + 1);
    assert_int_equal(count_run("adam", 0, 5), 12 + 1);
    assert_int_equal(count_run("adam", 4, 1), 12 * 3 + 12 + 1);
    assert_int_equal(count_run("adam", 4, 5), 12 * 3 + 2 + 1 + 1);
}

/* Where a program writes params between steps, the loop goes on from there. */
static void test_moved(void **state)
{
    (void)state;
    net n;
    net_make(&n, GPF_MEAN);
    gpf_train_options how = settings("sgd", 0.1, 5);
    gpf_train *t = net_train(&n, &how, NULL);
    gpf_train_step(t);
    theta(n.at)[2] = 0.25;
    double before[MOST], g[MOST];
    memcpy(before, theta(n.at), 26 * sizeof *before);
    gpf_node xs[] = { n.W1, n.b1, n.W2, n.b2 }, grad[4];
    gpf_grad(n.g, n.loss, xs, 4, grad);
    evaluate(n.g, n.at, grad, 4, g);
    gpf_train_step(t);
    for (size_t i = 0; i < 26; i++)
        assert_true(theta(n.at)[i] == before[i] - 0.1 * g[i]);
    gpf_train_free(t);
    net_free(&n);
}

/* Params that are not to be trained keep their bits, whatever decays. */
static void test_subset(void **state)
{
    (void)state;
    for (size_t batch = 0; batch < 5; batch += 4) {
        net n;
        net_make(&n, GPF_SUM);
        double before[MOST];
        memcpy(before, theta(n.at), 26 * sizeof *before);
        gpf_train_with with = gpf_train_plain();
        const gpf_node xs[] = { n.b2, n.W1 }; /* in an order of its own */
        with.xs = xs;
        with.n_xs = 2;
        gpf_train_options how = settings("adamw", 0.01, 4);
        how.weight_decay = 0.1;
        how.l2 = 0.2;
        how.clip = 0.5;
        how.batch = batch;
        gpf_train *t = net_train(&n, &how, &with);
        finish(t, GPF_TRAIN_EPOCHS, NULL);
        assert_memory_equal(theta(n.at) + 12, before + 12, 12 * sizeof *before);
        for (size_t i = 0; i < 26; i++)
            assert_true((theta(n.at)[i] == before[i]) == (i >= 12 && i < 24));
        gpf_train_free(t);
        net_free(&n);
    }
}

/* An update as a formula is the optimiser's step, bit for bit; all are taken at the old params. */
static void test_updates(void **state)
{
    (void)state;
    for (size_t batch = 0; batch < 5; batch += 4) {
        net n;
        net_make(&n, GPF_MEAN);
        gpf_train_options how = settings("sgd", 0.07, 5);
        how.batch = batch;
        how.schedule = "cosine";
        gpf_train *t = net_train(&n, &how, NULL);
        finish(t, GPF_TRAIN_EPOCHS, NULL);
        gpf_train_free(t);
        double want[MOST];
        memcpy(want, theta(n.at), 26 * sizeof *want);
        net_values(&n, 20);
        gpf_node xs[] = { n.W1, n.b1, n.W2, n.b2 }, updates[4];
        const gpf_node rate = gpf_data(n.g, "rate", gpf_shape0());
        gpf_grad(n.g, n.loss, xs, 4, updates);
        for (int i = 0; i < 4; i++)
            updates[i] = gpf_sub(n.g, xs[i], gpf_mul(n.g, rate, updates[i]));
        gpf_train_with with = gpf_train_plain();
        with.updates = updates;
        with.rate = rate;
        how.check_step = 1; /* and it is a right one */
        t = net_train(&n, &how, &with);
        finish(t, GPF_TRAIN_EPOCHS, NULL);
        assert_memory_equal(theta(n.at), want, 26 * sizeof *want);
        assert_true(isnan(gpf_train_progress(t)->gradient));
        assert_int_equal(gpf_check_tally(gpf_train_check(t), -1).count[GPF_RIGHT], 26);
        gpf_train_free(t);
        net_free(&n);
    }
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node a = gpf_param(g, "a", gpf_shape1(2)), b = gpf_param(g, "b", gpf_shape1(2)),
                   c = gpf_param(g, "c", gpf_shape0());
    const gpf_node swap[] = { b, a, GPF_NONE };
    gpf_point *at = gpf_point_alloc(g, 0);
    static const double from[] = { 1, 2, 3, 4, 5 }, to[] = { 3, 4, 1, 2, 5 };
    memcpy(theta(at), from, sizeof from);
    gpf_train_with with = gpf_train_plain();
    with.updates = swap;
    gpf_train_options how = settings("sgd", 1, 7);
    gpf_train *t =
        gpf_train_alloc(g, gpf_add(g, c, gpf_sum(g, a, GPF_ALL_AXES)), at, &how, &with, NULL);
    finish(t, GPF_TRAIN_EPOCHS, NULL);
    assert_memory_equal(theta(at), to, sizeof to);
    gpf_train_free(t);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* Handmade backprop with W4's mistake: W2 first, then the error through the new W2. */
static void test_stale(void **state)
{
    (void)state;
    net n;
    net_make(&n, GPF_MEAN);
    gpf_graph *g = n.g;
    const gpf_node rate = gpf_data(g, "rate", gpf_shape0());
    gpf_node xs[] = { n.W1, n.b1, n.W2, n.b2 }, updates[4], error;
    gpf_grad(g, n.loss, xs, 4, updates);
    gpf_grad(g, n.loss, &n.p, 1, &error);
    const gpf_node next = gpf_sub(g, n.W2, gpf_mul(g, rate, updates[2]));
    gpf_vjp(g, n.h, gpf_matmul(g, error, gpf_transpose(g, next)), xs, 2, updates);
    for (int i = 0; i < 4; i++)
        updates[i] = gpf_sub(g, xs[i], gpf_mul(g, rate, updates[i]));
    gpf_train_with with = gpf_train_plain();
    with.updates = updates;
    with.rate = rate;
    gpf_train_options how = settings("sgd", 1e-3, 5);
    how.check_step = 1;
    how.batch = 5;
    gpf_train *t = net_train(&n, &how, &with);
    finish(t, GPF_TRAIN_WRONG, NULL);
    const gpf_progress *p = gpf_train_progress(t);
    assert_int_equal(p->step, 1);
    const char *begins = "in epoch 1, step 1 of 3: element 0 of W1 is wrong: (before - after)/rate";
    assert_memory_equal(p->why, begins, strlen(begins));
    const gpf_check *c = gpf_train_check(t);
    assert_int_equal(gpf_check_tally(c, 0).count[GPF_WRONG], 12);
    assert_int_equal(gpf_check_tally(c, 1).count[GPF_WRONG], 4);
    assert_int_equal(gpf_check_tally(c, 2).count[GPF_RIGHT], 8);
    assert_int_equal(gpf_check_tally(c, 3).count[GPF_RIGHT], 2);
    gpf_train_free(t);
    how.check_step = 0; /* no check of the gradient sees it */
    how.check_every = 1;
    how.epochs = 2;
    t = net_train(&n, &how, &with);
    finish(t, GPF_TRAIN_EPOCHS, NULL);
    gpf_train_free(t);
    net_free(&n);
}

/* Gradients are checked at epochs 0, every, 2 every; the graph does not grow from check to check. */
static void test_checks(void **state)
{
    (void)state;
    net n;
    net_make(&n, GPF_MEAN);
    gpf_train_options how = settings("sgd", 0.1, 9);
    how.check_every = 2;
    how.check_sample = 3;
    how.check_step = 1;
    how.batch = 3;
    how.l2 = 0.1;
    gpf_train *t = net_train(&n, &how, NULL);
    gpf_train_step(t);
    const size_t nodes = gpf_graph_n_nodes(n.g);
    assert_non_null(gpf_train_check(t));
    finish(t, GPF_TRAIN_EPOCHS, NULL);
    assert_int_equal(gpf_check_tally(gpf_train_check(t), -1).checked, 3 + 3 + 3 + 2);
    assert_int_equal(gpf_graph_n_nodes(n.g), nodes);
    gpf_train_free(t);

    n.loss = gpf_apply(n.g, &wrong_op, &n.loss, 1, NULL);
    how.check_step = 0;
    t = net_train(&n, &how, NULL);
    double before[MOST];
    memcpy(before, theta(n.at), 26 * sizeof *before);
    finish(t, GPF_TRAIN_WRONG, NULL);
    const gpf_progress *p = gpf_train_progress(t);
    const char *begins = "before the first epoch: element ";
    assert_memory_equal(p->why, begins, strlen(begins));
    assert_int_equal(p->step, 0);
    assert_memory_equal(theta(n.at), before, 26 * sizeof *before);
    gpf_train_free(t);
    net_free(&n);
}

/* w - rate * 2 w0: right in the first epoch, wrong in all others. */
static void test_which_steps_are_checked(void **state)
{
    (void)state;
    const size_t every[] = { 0, 1, 3 }, found[] = { 2, 2, 4 };
    gpf_graph *g = gpf_graph_alloc();
    gpf_point *at;
    const gpf_node w = gpf_param(g, "w", gpf_shape0());
    const gpf_node next = gpf_sub(g, w, gpf_const(g, 0.125 * 2 * 1.7));
    gpf_train_with with = gpf_train_plain();
    with.updates = &next;
    for (size_t i = 0; i < COUNT(every); i++) {
        at = gpf_point_alloc(g, 0);
        *theta(at) = 1.7;
        gpf_train_options how = settings("sgd", 0.125, 9);
        how.check_step = 1;
        how.check_every = every[i];
        gpf_train *t = gpf_train_alloc(g, gpf_square(g, w), at, &how, &with, NULL);
        assert_non_null(t);
        finish(t, GPF_TRAIN_WRONG, NULL);
        assert_int_equal(gpf_train_progress(t)->step, found[i]);
        gpf_train_free(t);
        gpf_point_free(at);
    }
    gpf_graph_free(g);
}

/* As good as before is no better. */
static void test_a_loss_that_stands_still(void **state)
{
    (void)state;
    net n;
    net_make(&n, GPF_MEAN);
    gpf_train_options how = settings("sgd", 0, 50);
    how.patience = 3;
    gpf_train *t = net_train(&n, &how, NULL);
    finish(t, GPF_TRAIN_PATIENCE, NULL);
    assert_int_equal(gpf_train_progress(t)->epoch, 3);
    assert_int_equal(gpf_train_progress(t)->best_epoch, 0);
    gpf_train_free(t);
    net_free(&n);
}

typedef struct diary {
    size_t epoch[MOST], n, stop_at;
    double held[MOST];
} diary;

static int write_down(void *arg, const gpf_progress *p)
{
    diary *d = arg;
    d->held[d->n] = p->held_out;
    d->epoch[d->n++] = p->epoch;
    return d->stop_at && p->epoch >= d->stop_at;
}

/* What is held out is the opposite of what is learned: it gets worse from the best on. */
static void test_patience(void **state)
{
    (void)state;
    net n;
    net_make(&n, GPF_MEAN);
    gpf_point *held = gpf_point_alloc(n.g, 4);
    double y[8];
    double now[NET_ROWS * 2];
    evaluate(n.g, n.at, &n.p, 1, now);
    for (size_t i = 0; i < 8; i++) /* a little on the way, then back */
        y[i] = now[i] + 0.3 * (n.want[i] - now[i]);
    gpf_point_bind(held, n.X, n.x);
    gpf_point_bind(held, n.y, y);
    diary d = { .n = 0 };
    gpf_train_with with = gpf_train_plain();
    with.held_out = held;
    with.progress = write_down;
    with.progress_arg = &d;
    gpf_train_options how = settings("sgd", 0.05, 50);
    how.patience = 3;
    how.evaluate = 2;
    gpf_train *t = net_train(&n, &how, &with);
    const gpf_progress *p = gpf_train_progress(t);
    assert_int_equal(gpf_train_run(t), GSL_SUCCESS);
    assert_int_equal(p->end, GPF_TRAIN_PATIENCE);
    size_t best = 0;
    for (size_t i = 1; i < d.n - 1; i++)
        best = d.held[i] < d.held[best] ? i : best;
    assert_true(best > 0 && d.n == best + 4 && d.epoch[d.n - 1] == 2 * (best + 3));
    assert_true(p->best == d.held[best] && p->best_epoch == 2 * best);
    assert_true(p->held_out == p->best && p->evaluated == p->best_epoch); /* they are back */
    char why[200];
    snprintf(why, sizeof why,
             "no better held-out loss than %.6g of epoch %zu, whose params are back", p->best,
             p->best_epoch);
    assert_string_equal(p->why, why);
    gsl_vector_memcpy(gpf_point_params(held), gpf_point_params(n.at));
    assert_true(evaluate1(n.g, held, n.loss) == p->best);
    assert_int_equal(p->held_out_samples, 4);
    gpf_train_free(t);

    /* as many epochs, stopped there: the same params */
    double back[MOST];
    memcpy(back, theta(n.at), 26 * sizeof *back);
    net_values(&n, 20);
    how.epochs = 2 * best;
    t = net_train(&n, &how, NULL);
    finish(t, GPF_TRAIN_EPOCHS, NULL);
    assert_memory_equal(theta(n.at), back, 26 * sizeof *back);
    gpf_train_free(t);
    gpf_point_free(held);
    net_free(&n);
}

static void test_ends(void **state)
{
    (void)state;
    net n;
    net_make(&n, GPF_MEAN);
    gpf_train_options how = settings("adam", 0.05, 400);
    how.until_loss = 0.1;
    gpf_train *t = net_train(&n, &how, NULL);
    finish(t, GPF_TRAIN_UNTIL, NULL);
    const gpf_progress *p = gpf_train_progress(t);
    assert_true(p->loss <= 0.1 && p->epoch > 1 && p->epoch < 400);
    gpf_train_free(t);
    how.until_loss = NAN;
    how.until_gradient = 0.05;
    how.batch = 4; /* that of all samples counts, not that of a batch */
    t = net_train(&n, &how, NULL);
    finish(t, GPF_TRAIN_UNTIL, NULL);
    p = gpf_train_progress(t);
    gpf_node xs[] = { n.W1, n.b1, n.W2, n.b2 }, grad[4];
    gpf_grad(n.g, n.loss, xs, 4, grad);
    double g[MOST], squares = 0;
    evaluate(n.g, n.at, grad, 4, g);
    for (size_t i = 0; i < 26; i++)
        squares += g[i] * g[i];
    assert_close(p->gradient, sqrt(squares), 1e-13, 0);
    assert_true(p->gradient <= 0.05);
    gpf_train_free(t);

    how = settings("adam", 0.05, 400);
    how.until_accuracy = 1;
    gpf_train_with with = gpf_train_plain();
    with.task = (gpf_task){ n.p, n.y, GPF_DECIDE_ARGMAX };
    net_values(&n, 21);
    t = net_train(&n, &how, &with);
    finish(t, GPF_TRAIN_UNTIL, "the accuracy 1 is at least 1");
    gpf_train_free(t);

    /* nothing to do but to look */
    how = settings("adam", 0.05, 0);
    diary d = { .n = 0 };
    with.progress = write_down;
    with.progress_arg = &d;
    t = net_train(&n, &how, &with);
    finish(t, GPF_TRAIN_EPOCHS, "all 0 epochs are done");
    assert_true(d.n == 1 && d.epoch[0] == 0 && gpf_train_progress(t)->accuracy == 1);
    gpf_train_free(t);

    /* evaluated before the first step, every third epoch, and at the end */
    how.epochs = 7;
    how.evaluate = 3;
    how.batch = 4;
    d.n = 0;
    t = net_train(&n, &how, &with);
    finish(t, GPF_TRAIN_EPOCHS, NULL);
    static const size_t want[] = { 0, 3, 6, 7 };
    assert_int_equal(d.n, 4);
    assert_memory_equal(d.epoch, want, sizeof want);
    gpf_train_free(t);

    how.evaluate = 1;
    d = (diary){ .stop_at = 4 };
    t = net_train(&n, &how, &with);
    assert_int_equal(gpf_train_epoch(t), GSL_SUCCESS);
    p = gpf_train_progress(t);
    assert_true(p->epoch == 1 && p->step == 3);
    gpf_train_step(t);
    assert_int_equal(gpf_train_epoch(t), GSL_SUCCESS); /* the rest of the second */
    assert_true(p->epoch == 2 && p->step == 6);
    finish(t, GPF_TRAIN_STOPPED, "stopped by the caller after epoch 4");
    gpf_train_free(t);
    net_free(&n);
}

static void test_not_finite(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_data(g, "x", gpf_shape1(GPF_N)), w = gpf_param(g, "w", gpf_shape0());
    gpf_node z = gpf_mul(g, w, x), r = gpf_log(g, z), s = gpf_sqrt(g, z);
    gpf_node_set_name(g, r, "r");
    const gpf_node loss = gpf_sum(g, r, GPF_ALL_AXES), root = gpf_sum(g, s, GPF_ALL_AXES);
    const double xs[] = { 1, 2, -1, 2 };
    gpf_point *at = gpf_point_alloc(g, 4);
    gpf_point_bind(at, x, xs);
    theta(at)[0] = 0.7;
    gpf_train_options how = settings("sgd", 0.05, 5);
    gpf_train *t = gpf_train_alloc(g, loss, at, &how, NULL, NULL);
    finish(t, GPF_TRAIN_NOT_FINITE,
           "the loss is nan before the first epoch; the first node that is not finite is r, "
           "element 2");
    assert_true(theta(at)[0] == 0.7 && isnan(gpf_train_progress(t)->best));
    gpf_train_free(t);
    const gpf_node negative = gpf_mul(g, gpf_const(g, copysign(NAN, -1)), root);
    t = gpf_train_alloc(g, negative, at, &how, NULL, NULL);
    assert_non_null(t);
    assert_int_equal(gpf_train_run(t), GSL_SUCCESS);
    assert_memory_equal(gpf_train_progress(t)->why, "the loss is nan ", 16);
    gpf_train_free(t);

    /* in a batch: between evaluations */
    const double last[] = { 1, 2, 3, 1 };
    gpf_point_bind(at, x, last);
    how = settings("sgd", 0.5, 50); /* w falls by 0.5/w or so until it is below 0 */
    how.batch = 2;
    how.shuffle = 0;
    t = gpf_train_alloc(g, loss, at, &how, NULL, NULL);
    assert_int_equal(gpf_train_run(t), GSL_SUCCESS);
    const gpf_progress *p = gpf_train_progress(t);
    assert_int_equal(p->end, GPF_TRAIN_NOT_FINITE);
    assert_non_null(
        strstr(p->why, "in epoch 1, step 2 of 2; the first node that is not finite is r"));
    gpf_train_free(t);

    /* a gradient that is not, where the loss is: the params stay as they were */
    theta(at)[0] = 0;
    how = settings("adam", 0.5, 50);
    t = gpf_train_alloc(g, root, at, &how, NULL, NULL);
    assert_int_equal(gpf_train_run(t), GSL_SUCCESS);
    p = gpf_train_progress(t);
    assert_int_equal(p->end, GPF_TRAIN_NOT_FINITE);
    const char *begins =
        "the gradient's norm is inf in epoch 1; the first node that is not finite is";
    assert_memory_equal(p->why, begins, strlen(begins));
    assert_true(theta(at)[0] == 0);
    gpf_train_free(t);

    /* an update that is not */
    const gpf_node update = gpf_log(g, w);
    gpf_train_with with = gpf_train_plain();
    with.updates = &update;
    theta(at)[0] = 0;
    t = gpf_train_alloc(g, root, at, &how, &with, NULL);
    assert_int_equal(gpf_train_run(t), GSL_SUCCESS);
    p = gpf_train_progress(t);
    assert_string_equal(p->why,
                        "an update is -inf in epoch 1; the first node that is not finite is "
                        "log(w), element 0");
    assert_true(theta(at)[0] == 0);
    gpf_train_free(t);

    /* too large a step */
    theta(at)[0] = 1;
    how = settings("sgd", 1e200, 50);
    t = gpf_train_alloc(g, gpf_sum(g, gpf_square(g, z), GPF_ALL_AXES), at, &how, NULL, NULL);
    assert_int_equal(gpf_train_run(t), GSL_SUCCESS);
    p = gpf_train_progress(t);
    assert_int_equal(p->end, GPF_TRAIN_NOT_FINITE);
    assert_non_null(strstr(p->why, "; params have grown to 3e+201: a smaller rate, or clip"));
    gpf_train_free(t);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* Data that lose their values on the way are an error, not an end. */
static void test_unbound(void **state)
{
    (void)state;
    net n;
    net_make(&n, GPF_MEAN);
    gpf_train_options how = settings("adam", 0.05, 5);
    gpf_train *t = net_train(&n, &how, NULL);
    gpf_train_step(t);
    gpf_point_bind(n.at, n.X, NULL);
    assert_int_equal(gpf_train_step(t), GPF_EUNBOUND);
    assert_int_equal(gpf_train_run(t), GPF_EUNBOUND);
    assert_int_equal(gpf_train_progress(t)->end, GPF_TRAIN_RUNNING);
    gpf_point_bind(n.at, n.X, n.x);
    finish(t, GPF_TRAIN_EPOCHS, NULL);
    gpf_train_free(t);

    /* in the evaluation behind the last step: it is made up for, and nothing else is done */
    gpf_point *held = gpf_point_alloc(n.g, 4);
    gpf_point_bind(held, n.X, n.x);
    gpf_point_bind(held, n.y, n.want);
    gpf_train_with with = gpf_train_plain();
    with.held_out = held;
    how.epochs = 1;
    t = net_train(&n, &how, &with);
    assert_int_equal(gpf_train_evaluate(t), GSL_SUCCESS);
    gpf_point_bind(held, n.X, NULL);
    assert_int_equal(gpf_train_run(t), GPF_EUNBOUND);
    assert_int_equal(gpf_train_progress(t)->step, 0);
    gpf_point_bind(held, n.X, n.x);
    how.epochs = 2;
    assert_int_equal(gpf_train_step(t), GSL_SUCCESS);
    finish(t, GPF_TRAIN_EPOCHS, "the one epoch is done");
    gpf_train_free(t);
    t = net_train(&n, &how, &with);
    assert_int_equal(gpf_train_step(t), GSL_SUCCESS);
    gpf_point_bind(held, n.X, NULL);
    assert_int_equal(gpf_train_step(t), GPF_EUNBOUND);
    assert_int_equal(gpf_train_step(t), GPF_EUNBOUND);
    gpf_point_bind(held, n.X, n.x);
    finish(t, GPF_TRAIN_EPOCHS, "all 2 epochs are done");
    assert_int_equal(gpf_train_progress(t)->step, 2);
    gpf_train_free(t);
    gpf_point_free(held);
    net_free(&n);
}

/* Minimisers reach the least squares solution, with a penalty on the slope only too. */
static void test_minimizers(void **state)
{
    (void)state;
    enum { N = 9 };
    double x[N], y[N], mx = 0, my = 0, xx = 0, xy = 0;
    dice d = { 77 };
    fill(&d, x, N, -1, 3);
    for (size_t i = 0; i < N; i++)
        y[i] = 0.7 - 1.3 * x[i] + between(&d, -0.4, 0.4);
    for (size_t i = 0; i < N; i++) {
        mx += x[i] / N;
        my += y[i] / N;
    }
    for (size_t i = 0; i < N; i++) {
        xx += (x[i] - mx) * (x[i] - mx);
        xy += (x[i] - mx) * (y[i] - my);
    }
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 1)),
                   Y = gpf_data(g, "Y", gpf_shape2(GPF_N, 1));
    const gpf_node loss = gpf_mse(g, gpf_dense(g, "line", X, 1, NULL), Y, GPF_HALF_SUM);
    gpf_point *at = gpf_point_alloc(g, N);
    gpf_point_bind(at, X, x);
    gpf_point_bind(at, Y, y);
    const gpf_minimizer_kind *kind;
    for (size_t k = 0; (kind = gpf_minimizer_at(k)); k++)
        for (int penalty = 0; penalty < 2; penalty++) {
            theta(at)[0] = 0.3;
            theta(at)[1] = -0.2;
            gpf_train_options how = settings(kind->name, 0.01, 500);
            how.l2 = penalty ? 0.8 : 0;
            gpf_diag why;
            gpf_train *t = gpf_train_alloc(g, loss, at, &how, NULL, &why);
            if (!t)
                fail_msg("%s: %s", kind->name, why.text);
            assert_int_equal(gpf_train_run(t), GSL_SUCCESS);
            const gpf_progress *p = gpf_train_progress(t);
            /* half the sum: (xx + lambda) w = xy */
            const double slope = xy / (xx + how.l2);
            assert_close(theta(at)[0], slope, 1e-7, 0);
            assert_close(theta(at)[1], my - slope * mx, 1e-7, 0);
            if (p->end != GPF_TRAIN_CONVERGED && strcmp(kind->name, "steepest") != 0)
                fail_msg("%s ends with %d: %s", kind->name, (int)p->end, p->why);
            assert_true(p->gradient < 1e-6 && p->step == p->epoch && p->evaluated == p->epoch);
            assert_close(p->penalty, how.l2 / 2 * slope * slope, 1e-6, 0);
            gpf_train_free(t);
        }
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* Health is looked at with every evaluation. */
static void test_health(void **state)
{
    (void)state;
    net n;
    net_make(&n, GPF_MEAN);
    const gpf_node h = gpf_relu(n.g, gpf_add(n.g, gpf_matmul(n.g, n.X, n.W1), n.b1));
    n.loss = gpf_mse(n.g, gpf_matmul(n.g, h, n.W2), n.y, GPF_MEAN);
    for (size_t i = 0; i < 3; i++)
        theta(n.at)[4 * i + 1] = 0; /* unit 1 of 4 */
    theta(n.at)[13] = -1;
    gpf_train_options how = settings("sgd", 0.01, 4);
    how.health = 1;
    how.batch = 4;
    const gpf_node xs[] = { n.W1, n.b1, n.W2 };
    gpf_train_with with = gpf_train_plain();
    with.xs = xs;
    with.n_xs = 3;
    gpf_train *t = net_train(&n, &how, &with);
    assert_null(gpf_train_health(t));
    assert_int_equal(gpf_train_evaluate(t), GSL_SUCCESS);
    assert_true(gpf_train_progress(t)->dead == 0.25);
    finish(t, GPF_TRAIN_EPOCHS, NULL);
    assert_true(gpf_train_progress(t)->dead == 0.25);
    assert_int_equal(gpf_health_layer(gpf_train_health(t), 0)->dead, 1);
    gpf_train_free(t);
    net_free(&n);
}

/* A run that goes on from its saved state is the run that was not interrupted, at any step. */
/* A wrong gradient: a minimiser ends all the same, never at a higher loss, and says what to do. */
static void test_minimizers_of_a_wrong_gradient(void **state)
{
    (void)state;
    const gpf_op *const wrong[] = { &wrong_op, &opposite_op };
    const gpf_minimizer_kind *kind;
    for (size_t i = 0; i < 2 * 2; i++)
        for (size_t k = 0; (kind = gpf_minimizer_at(k)) && kind->type; k++) {
            net n;
            net_make(&n, GPF_MEAN);
            const gpf_op *op = wrong[i % 2];
            if (i < 2) { /* of all params, or of some of them */
                n.loss = gpf_apply(n.g, op, &n.loss, 1, NULL);
            } else {
                const gpf_node w = gpf_apply(n.g, op, &n.W2, 1, NULL);
                const gpf_node squares = gpf_sum(n.g, gpf_square(n.g, w), GPF_ALL_AXES);
                n.loss = gpf_add(n.g, n.loss, squares);
            }
            gpf_train_options how = settings(kind->name, 0.01, 500);
            gpf_train *t = net_train(&n, &how, NULL);
            gpf_train_epoch(t);
            const double first = gpf_train_progress(t)->loss;
            assert_int_equal(gpf_train_run(t), GSL_SUCCESS);
            const gpf_progress *p = gpf_train_progress(t);
            assert_true(p->end != GPF_TRAIN_RUNNING && p->loss <= first);
            if (op == &opposite_op && p->end != GPF_TRAIN_NO_PROGRESS)
                fail_msg("%s ends with %d: %s", kind->name, (int)p->end, p->why);
            if (p->end == GPF_TRAIN_NO_PROGRESS)
                assert_non_null(strstr(p->why, "wrong gradient, which a check tells"));
            gpf_train_free(t);
            net_free(&n);
        }
}

static void test_resume(void **state)
{
    (void)state;
    net n;
    net_make(&n, GPF_MEAN);
    for (size_t batch = 0; batch < 5; batch += 4) {
        gpf_point *held = gpf_point_alloc(n.g, 6);
        gpf_point_bind(held, n.X, n.x + 9);
        gpf_point_bind(held, n.y, n.want + 6);
        gpf_train_with with = gpf_train_plain();
        with.held_out = held;
        gpf_train_options how = settings("adam", 0.02, 6);
        how.batch = batch;
        how.schedule = "cosine";
        how.patience = 100;
        how.evaluate = 2;
        net_values(&n, 20);
        gpf_train *t = net_train(&n, &how, &with);
        finish(t, GPF_TRAIN_EPOCHS, NULL);
        double want[MOST];
        memcpy(want, theta(n.at), 26 * sizeof *want);
        const gpf_progress last = *gpf_train_progress(t);
        gpf_train_free(t);
        for (size_t steps = 0; steps <= last.step; steps++) {
            net_values(&n, 20);
            t = net_train(&n, &how, &with);
            for (size_t i = 0; i < steps; i++)
                gpf_train_step(t);
            double params[MOST], best[MOST], moments[2][MOST];
            gpf__train_take(t, params);
            memcpy(best, t->best, sizeof *best * t->n);
            const gpf__run_state now = t->now;
            for (int i = 0; i < 2; i++)
                memcpy(moments[i], gpf_optimizer_state(t->optimizer, i), sizeof *best * t->n);
            const unsigned long count = gpf_optimizer_steps(t->optimizer);
            gpf__train_saved(t);
            gpf_train_free(t);
            memset(theta(n.at), 0, 26 * sizeof(double));
            t = net_train(&n, &how, &with);
            gpf__train_put(t, params);
            memcpy(t->best, best, sizeof *best * t->n);
            for (int i = 0; i < 2; i++)
                memcpy(gpf_optimizer_state(t->optimizer, i), moments[i], sizeof *best * t->n);
            gpf_optimizer_set_steps(t->optimizer, count);
            t->now = now;
            gpf__train_resumed(t);
            finish(t, GPF_TRAIN_EPOCHS, NULL);
            assert_memory_equal(theta(n.at), want, 26 * sizeof *want);
            const gpf_progress *p = gpf_train_progress(t);
            assert_true(p->loss == last.loss && p->best == last.best && p->step == last.step);
            assert_true(p->best_epoch == last.best_epoch && p->update == last.update);
            gpf_train_free(t);
        }
        gpf_point_free(held);
    }
    /* more epochs: it goes on; not where it had ended for another reason */
    gpf_train_options how = settings("sgd", 0.02, 3);
    gpf_train *t = net_train(&n, &how, NULL);
    finish(t, GPF_TRAIN_EPOCHS, NULL);
    t->how.epochs = 5;
    gpf__train_resumed(t);
    finish(t, GPF_TRAIN_EPOCHS, "all 5 epochs are done");
    t->now.progress.end = GPF_TRAIN_WRONG;
    t->how.epochs = 6;
    gpf__train_resumed(t);
    assert_int_equal(gpf_train_progress(t)->end, GPF_TRAIN_WRONG);
    gpf_train_free(t);
    net_free(&n);
}

/* After alloc nothing is allocated. */
static void test_no_allocation(void **state)
{
    (void)state;
    static const struct {
        const char *optimizer;
        size_t batch;
        bool subset, clip;
    } cases[] = { { "adam", 0, false, true },
                  { "adam", 4, false, false },
                  { "sgd", 1, true, true },
                  { "nesterov", 0, true, false },
                  { "adagrad", 5, true, true } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        net n;
        net_make(&n, GPF_SUM);
        gpf_point *held = gpf_point_alloc(n.g, 4);
        gpf_point_bind(held, n.X, n.x);
        gpf_point_bind(held, n.y, n.want);
        gpf_train_with with = gpf_train_plain();
        with.held_out = held;
        with.task = (gpf_task){ n.p, n.y, GPF_DECIDE_ARGMAX };
        with.xs = cases[i].subset ? &n.W2 : NULL;
        with.n_xs = cases[i].subset;
        gpf_train_options how = settings(cases[i].optimizer, 0.001, 4);
        how.batch = cases[i].batch;
        how.l2 = 0.1;
        how.clip = cases[i].clip ? 0.01 : 0;
        how.patience = 3;
        allocations = 0;
        gpf_train *t = net_train(&n, &how, &with);
        assert_true(allocations > 50); /* the counter works */
        allocations = 0;
        assert_int_equal(gpf_train_run(t), GSL_SUCCESS);
        assert_int_equal(allocations, 0);
        gpf_train_free(t);
        gpf_point_free(held);
        net_free(&n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_no_shuffle),
        cmocka_unit_test(test_penalty),
        cmocka_unit_test(test_no_double_work),
        cmocka_unit_test(test_moved),
        cmocka_unit_test(test_subset),
        cmocka_unit_test(test_updates),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_which_steps_are_checked),
        cmocka_unit_test(test_a_loss_that_stands_still),
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_unbound),
        cmocka_unit_test(test_minimizers),
        cmocka_unit_test(test_minimizers_of_a_wrong_gradient),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_health),
        cmocka_unit_test(test_no_allocation),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
