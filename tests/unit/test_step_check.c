/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Steps of a program's own: right ones, and those that no check of a gradient can see. */
#include "train_test.h"

enum { N_PARAMS = 3 * 4 + 4 + 4 * 2 + 2 };

typedef struct step {
    net n;
    gpf_node xs[4], grad[4];
    double before[N_PARAMS], g[N_PARAMS], after[N_PARAMS];
} step;

static void begin(step *s)
{
    net_make(&s->n, GPF_MEAN);
    const gpf_node xs[] = { s->n.W1, s->n.b1, s->n.W2, s->n.b2 };
    memcpy(s->xs, xs, sizeof xs);
    gpf_grad(s->n.g, s->n.loss, s->xs, 4, s->grad);
    evaluate(s->n.g, s->n.at, s->grad, 4, s->g);
    memcpy(s->before, theta(s->n.at), sizeof s->before);
}

static void descend(step *s, double rate)
{
    for (size_t i = 0; i < N_PARAMS; i++)
        s->after[i] = s->before[i] - rate * s->g[i];
}

static gpf_check *run(step *s, double rate)
{
    gpf_diag why;
    gpf_check *c =
        gpf_step_check_alloc(s->n.g, s->n.loss, s->xs, 4, s->after, rate, NET_ROWS, 1, &why);
    if (!c)
        fail_msg("%s", why.text);
    assert_int_equal(gpf_check_run(c, s->n.at, NULL, NULL), GSL_SUCCESS);
    return c;
}

static size_t count(const gpf_check *c, int tensor, gpf_verdict v)
{
    return gpf_check_tally(c, tensor).count[v];
}

/* However small the rate: the last digits of the params must not be taken for the gradient's. */
static void test_right(void **state)
{
    (void)state;
    static const double rates[] = { 0.05, 1, 0.5, 2, 1e3, 1e-3, 1e-6, 1e-9, 1e-12, 1e-15, 1e-18 };
    for (size_t i = 0; i < COUNT(rates); i++) {
        step s;
        begin(&s);
        descend(&s, rates[i]);
        gpf_check *c = run(&s, rates[i]);
        assert_int_equal(count(c, -1, GPF_WRONG), 0);
        if (rates[i] > 1e-8)
            assert_int_equal(count(c, -1, GPF_RIGHT), N_PARAMS);
        if (rates[i] < 1e-13) /* nothing of the gradient is left in the params */
            assert_int_equal(count(c, -1, GPF_UNRESOLVED), N_PARAMS);
        gpf_check_free(c);
        net_free(&s.n);
    }
}

static void test_wrong(void **state)
{
    (void)state;
    step s;
    begin(&s);
    descend(&s, 0.05 * NET_ROWS); /* a mean forgotten */
    gpf_check *c = run(&s, 0.05);
    assert_int_equal(count(c, -1, GPF_WRONG), N_PARAMS);
    gpf_check_free(c);
    descend(&s, 0.05);
    memcpy(s.after + 12, s.before + 12, 4 * sizeof(double)); /* b1 forgotten */
    c = run(&s, 0.05);
    assert_int_equal(count(c, 1, GPF_WRONG), 4);
    assert_int_equal(count(c, -1, GPF_WRONG), 4);
    assert_int_equal(count(c, -1, GPF_RIGHT), N_PARAMS - 4);
    gpf_check_free(c);
    descend(&s, 0.05);
    s.after[0] = NAN;
    c = run(&s, 0.05);
    assert_int_equal(count(c, 0, GPF_WRONG), 1);
    assert_int_equal(count(c, -1, GPF_WRONG), 1);
    gpf_check_free(c);
    net_free(&s.n);
}

/* W2 is updated before the error is passed back through it: right at the last layer, off by
 * O(rate) at the one before. */
static void test_stale(void **state)
{
    (void)state;
    static const double rates[] = { 0.5, 0.05, 1e-3, 1e-5 };
    for (size_t i = 0; i < COUNT(rates); i++) {
        step s;
        begin(&s);
        descend(&s, rates[i]);
        gpf_graph *g = s.n.g;
        gpf_node error, late[2];
        gpf_grad(g, s.n.loss, &s.n.p, 1, &error);
        const gpf_node next = gpf_const_tensor(g, gpf_shape2(4, 2), s.after + 16),
                       back = gpf_matmul(g, error, gpf_transpose(g, next));
        const gpf_node xs[] = { s.n.W1, s.n.b1 };
        gpf_vjp(g, s.n.h, back, xs, 2, late);
        evaluate(g, s.n.at, late, 2, s.g); /* W1 and b1 lie before W2 */
        for (size_t k = 0; k < 16; k++)
            s.after[k] = s.before[k] - rates[i] * s.g[k];
        gpf_check *c = run(&s, rates[i]);
        assert_int_equal(count(c, 0, GPF_WRONG), 12);
        assert_int_equal(count(c, 1, GPF_WRONG), 4);
        assert_int_equal(count(c, 2, GPF_RIGHT), 8);
        assert_int_equal(count(c, 3, GPF_RIGHT), 2);
        const double gap = gpf_check_tally(c, 0).max_gap;
        assert_true(gap > 1e-3 * rates[i] && gap < 10 * rates[i]);
        gpf_check_free(c);
        net_free(&s.n);
    }
}

static void refuse(step *s, const gpf_node *xs, size_t n, double rate, int status, const char *text)
{
    gpf_diag why = { .status = 0 };
    assert_null(gpf_step_check_alloc(s->n.g, s->n.loss, xs, n, s->after, rate, NET_ROWS, 1, &why));
    assert_null(gpf_step_check_alloc(s->n.g, s->n.loss, xs, n, s->after, rate, NET_ROWS, 1, NULL));
    assert_int_equal(why.status, status);
    assert_string_equal(why.text, text);
}

static void test_refusals(void **state)
{
    (void)state;
    step s;
    begin(&s);
    descend(&s, 0.1);
    refuse(&s, s.xs, 4, 0, GSL_EDOM, "the learning rate of a step is above 0, not 0");
    refuse(&s, s.xs, 4, -0.1, GSL_EDOM, "the learning rate of a step is above 0, not -0.1");
    refuse(&s, s.xs, 4, NAN, GSL_EDOM, "the learning rate of a step is above 0, not nan");
    refuse(&s, s.xs, 4, INFINITY, GSL_EDOM, "the learning rate of a step is above 0, not inf");
    refuse(&s, s.xs, 0, 0.1, GPF_ENOTHING, "nothing to check: no tensor is given");
    refuse(&s, &s.n.X, 1, 0.1, GPF_EDATA, "X is no param: a step changes params");
    const gpf_node none = GPF_NONE;
    gpf_diag why;
    assert_null(gpf_step_check_alloc(s.n.g, s.n.loss, &none, 1, s.after, 0.1, NET_ROWS, 1, &why));
    assert_int_not_equal(why.status, 0);
    gpf_graph_clear_status(s.n.g);
    net_free(&s.n);
}

/* That of the loop: made once, run at step after step. */
static void test_again(void **state)
{
    (void)state;
    step s;
    begin(&s);
    gpf_data(s.n.g, "step.0.rate", gpf_shape0()); /* somebody has that name */
    gpf__step_check *c;
    assert_int_equal(gpf__step_check_make(s.n.g, s.n.loss, s.xs, 4, NET_ROWS, 1, &c, NULL),
                     GSL_SUCCESS);
    const size_t nodes = gpf_graph_n_nodes(s.n.g);
    const gpf_check_options how = gpf_check_defaults();
    for (int i = 0; i < 4; i++) {
        evaluate(s.n.g, s.n.at, s.grad, 4, s.g);
        memcpy(s.before, theta(s.n.at), sizeof s.before);
        descend(&s, 0.1);
        s.after[20] += i == 2 ? 1e-6 : 0;
        assert_int_equal(gpf__step_check_run(c, s.n.at, s.before, s.after, 0.1, &how, NULL),
                         GSL_SUCCESS);
        const gpf_check *check = gpf__step_check_of(c);
        assert_int_equal(count(check, -1, GPF_WRONG), i == 2);
        assert_int_equal(count(check, 2, GPF_RIGHT), i == 2 ? 7 : 8);
        memcpy(theta(s.n.at), s.after, sizeof s.after);
    }
    assert_int_equal(gpf_graph_n_nodes(s.n.g), nodes);
    gpf__step_check_free(c);
    gpf__step_check_free(NULL);
    net_free(&s.n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right),    cmocka_unit_test(test_wrong), cmocka_unit_test(test_stale),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_again),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
