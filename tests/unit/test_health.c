/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every number of a layer against the same computed by hand from values of the graph. */
#include "count_allocations.h"
#include "unit/help.h"

#include <gsl/gsl_math.h>

enum { N = 31, INPUTS = 3, UNITS = 6 };

typedef struct setup {
    gpf_graph *g;
    gpf_point *at;
    gpf_node X, y, W, b, V, c, z, a, p, loss;
    double x[N * INPUTS], t[N];
} setup;

/* Small whole numbers of biases make relu units that are off for many samples. */
static void make(setup *s, gpf_node (*act)(gpf_graph *, gpf_node), int columns)
{
    dice d = { 77 };
    gpf_graph *g = s->g = gpf_graph_alloc();
    if (columns) {
        s->X = gpf_data(g, "X", gpf_shape2(INPUTS, GPF_N));
        s->y = gpf_data(g, "y", gpf_shape2(1, GPF_N));
        s->W = gpf_param(g, "W", gpf_shape2(UNITS, INPUTS));
        s->b = gpf_param(g, "b", gpf_shape2(UNITS, 1));
        s->V = gpf_param(g, "V", gpf_shape2(1, UNITS));
        s->z = gpf_add(g, gpf_matmul(g, s->W, s->X), s->b);
        s->a = act(g, s->z);
        s->p = gpf_matmul(g, s->V, s->a);
    } else {
        s->X = gpf_data(g, "X", gpf_shape2(GPF_N, INPUTS));
        s->y = gpf_data(g, "y", gpf_shape2(GPF_N, 1));
        s->W = gpf_param(g, "W", gpf_shape2(INPUTS, UNITS));
        s->b = gpf_param(g, "b", gpf_shape2(1, UNITS));
        s->V = gpf_param(g, "V", gpf_shape2(UNITS, 1));
        s->z = gpf_add(g, gpf_matmul(g, s->X, s->W), s->b);
        s->a = act(g, s->z);
        s->p = gpf_matmul(g, s->a, s->V);
    }
    s->loss = gpf_mse(g, s->p, s->y, GPF_SUM);
    s->at = gpf_point_alloc(g, N);
    fill(&d, s->x, COUNT(s->x), -1, 1);
    fill(&d, s->t, COUNT(s->t), -1, 1);
    gpf_point_bind(s->at, s->X, s->x);
    gpf_point_bind(s->at, s->y, s->t);
    fill(&d, theta(s->at), gpf_graph_n_params(g), -1, 1);
    for (int k = 0; k < UNITS; k++)
        theta(s->at)[gpf_param_offset(g, s->b) + (size_t)k] = k - 3.;
}

static void unmake(setup *s)
{
    gpf_point_free(s->at);
    gpf_graph_free(s->g);
}

static double norm(const double *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

/* The slope of the activation by a difference of its values around z. */
static double slope_at(gpf_node (*act)(gpf_graph *, gpf_node), double z)
{
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape0()), y = act(g, x);
    gpf_point *at = gpf_point_alloc(g, 0);
    const double h = 1e-5;
    theta(at)[0] = z + h;
    const double hi = evaluate1(g, at, y);
    theta(at)[0] = z - h;
    const double lo = evaluate1(g, at, y);
    gpf_point_free(at);
    gpf_graph_free(g);
    return (hi - lo) / (2 * h);
}

static void compare(gpf_node (*act)(gpf_graph *, gpf_node), int columns)
{
    setup s;
    make(&s, act, columns);
    gpf_node dz, dW;
    const gpf_node xs[] = { s.z, s.W };
    gpf_node grads[2];
    assert_int_equal(gpf_grad(s.g, s.loss, xs, 2, grads), GSL_SUCCESS);
    dz = grads[0];
    dW = grads[1];
    gpf_health *h = gpf_health_alloc(s.g, s.loss, N, NULL, 0.25, NULL);
    assert_non_null(h);
    assert_true(isnan(gpf_health_loss(h)));
    allocations = 0;
    assert_int_equal(gpf_health_run(h, s.at), GSL_SUCCESS);
    assert_int_equal(gpf_health_run(h, s.at), GSL_SUCCESS);
    assert_int_equal(allocations, 0);
    assert_close(gpf_health_loss(h), evaluate1(s.g, s.at, s.loss), 1e-14, 0);
    assert_int_equal(gpf_health_output(h), s.loss);
    assert_ptr_equal(gpf_health_graph(h), s.g);
    assert_int_equal(gpf_health_n_layers(h), 2);
    assert_null(gpf_health_layer(h, 2));
    const gpf_layer *y = gpf_health_layer(h, 0);
    assert_int_equal(y->z, s.z);
    assert_int_equal(y->a, s.a);
    assert_int_equal(y->weight, s.W);
    assert_int_equal(y->bias, s.b);
    assert_int_equal(y->units, UNITS);
    assert_int_equal(y->samples, N);
    assert_true(y->hidden && y->sloped);
    assert_int_equal(y->rank, INPUTS);
    assert_int_equal(y->distinct, UNITS);

    double z[N * UNITS], a[N * UNITS], delta[N * UNITS], dw[INPUTS * UNITS];
    evaluate(s.g, s.at, &s.z, 1, z);
    evaluate(s.g, s.at, &s.a, 1, a);
    evaluate(s.g, s.at, &dz, 1, delta);
    evaluate(s.g, s.at, &dW, 1, dw);
    size_t dead = 0, nearly = 0, saturated = 0;
    for (size_t k = 0; k < UNITS; k++) {
        double mean = 0, variance = 0;
        size_t off = 0, weak = 0, silent = 0;
        for (size_t i = 0; i < N; i++) {
            const size_t e = columns ? k * N + i : i * UNITS + k;
            const double slope = slope_at(act, z[e]);
            mean += a[e] / N;
            off += slope == 0;
            silent += slope == 0 && a[e] == 0;
            weak += fabs(slope) < 0.01;
        }
        for (size_t i = 0; i < N; i++)
            variance += gsl_pow_2(a[columns ? k * N + i : i * UNITS + k] - mean) / N;
        assert_close(y->unit[k].mean, mean, 1e-12, 1e-15);
        assert_close(y->unit[k].deviation, sqrt(variance), 1e-12, 1e-15);
        assert_close(y->unit[k].off, (double)off / N, 1e-15, 1e-15);
        assert_close(y->unit[k].silent, (double)silent / N, 1e-15, 1e-15);
        assert_close(y->unit[k].saturated, (double)weak / N, 1e-15, 1e-15);
        assert_int_equal(y->unit[k].twin, k);
        dead += off == N;
        nearly += off < N && (double)silent >= 0.95 * N;
        saturated += off < N && (double)silent < 0.95 * N && (double)weak >= 0.95 * N;
    }
    assert_int_equal(y->dead, dead);
    assert_int_equal(y->nearly, nearly);
    assert_int_equal(y->saturated, saturated);
    assert_close(gpf_health_dead(h), (double)dead / UNITS, 1e-15, 0);
    assert_close(y->activation, norm(a, COUNT(a)) / sqrt(COUNT(a)), 1e-12, 0);
    assert_close(y->gradient, norm(delta, COUNT(delta)), 1e-12, 0);
    assert_close(y->weight_gradient, norm(dw, COUNT(dw)), 1e-12, 0);
    const double *w = theta(s.at) + gpf_param_offset(s.g, s.W);
    assert_close(y->weight_norm, norm(w, INPUTS * UNITS), 1e-13, 0);
    assert_close(y->ratio, 0.25 * y->weight_gradient / y->weight_norm, 1e-14, 0);
    const gpf_layer *last = gpf_health_layer(h, 1);
    assert_int_equal(last->units, 1);
    assert_false(last->hidden || last->sloped);
    gpf_health_free(h);
    unmake(&s);
}

static gpf_node swish(gpf_graph *g, gpf_node x)
{
    return gpf_swish(g, x);
}

static void numbers(void **state)
{
    (void)state;
    gpf_node (*const act[])(gpf_graph *, gpf_node) = { gpf_relu, gpf_tanh, gpf_sigmoid,
                                                       swish,    gpf_gelu, gpf_mish };
    for (size_t i = 0; i < COUNT(act); i++) {
        compare(act[i], 0);
        compare(act[i], 1);
    }
}

/* Weights of rank 1 and 0, and too large to look at. */
static void ranks(void **state)
{
    (void)state;
    setup s;
    make(&s, gpf_tanh, 0);
    double *w = theta(s.at) + gpf_param_offset(s.g, s.W);
    gpf_health *h = gpf_health_alloc(s.g, s.loss, N, NULL, GSL_NAN, NULL);
    for (int i = 0; i < INPUTS; i++)
        for (int k = 0; k < UNITS; k++)
            w[i * UNITS + k] = (1.1 + i) * (k - 2.3);
    assert_int_equal(gpf_health_run(h, s.at), GSL_SUCCESS);
    assert_int_equal(gpf_health_layer(h, 0)->rank, 1);
    assert_true(isnan(gpf_health_layer(h, 0)->ratio));
    memset(w, 0, sizeof *w * INPUTS * UNITS);
    assert_int_equal(gpf_health_run(h, s.at), GSL_SUCCESS);
    assert_int_equal(gpf_health_layer(h, 0)->rank, 0);
    gpf_health_free(h);
    unmake(&s);

    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 257));
    const gpf_node p = gpf_matmul(g, X, gpf_param(g, "W", gpf_shape2(257, 300)));
    h = gpf_health_alloc(g, gpf_sum(g, gpf_square(g, p), GPF_ALL_AXES), 2, NULL, GSL_NAN, NULL);
    gpf_point *at = gpf_point_alloc(g, 2);
    double *x = calloc(2 * 257, sizeof *x);
    gpf_point_bind(at, X, x);
    assert_int_equal(gpf_health_run(h, at), GSL_SUCCESS);
    assert_int_equal(gpf_health_layer(h, 0)->rank, (size_t)-1);
    gpf_health_free(h);
    gpf_point_free(at);
    gpf_graph_free(g);
    free(x);
}

/* A unit is dead only if it is off wherever its weights are used, and if no way out has a slope. */
static void shared_weights_and_two_ways(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node A = gpf_data(g, "A", gpf_shape2(GPF_N, 1)),
                   B = gpf_data(g, "B", gpf_shape2(GPF_N, 1)),
                   W = gpf_param(g, "W", gpf_shape2(1, 2)), V = gpf_param(g, "V", gpf_shape2(2, 1));
    const gpf_node left = gpf_relu(g, gpf_matmul(g, A, W)),
                   right = gpf_relu(g, gpf_matmul(g, B, W));
    const gpf_node p = gpf_sub(g, gpf_matmul(g, left, V), gpf_matmul(g, right, V));
    const gpf_node loss = gpf_sum(g, gpf_square(g, gpf_sub(g, p, gpf_const(g, 1))), GPF_ALL_AXES);
    gpf_point *at = gpf_point_alloc(g, 3);
    static const double a[] = { 1, 2, 3.5 }, b[] = { -1, -0.5, -2 }, w[] = { 0.5, -1.25, 2, 0.75 };
    gpf_point_bind(at, A, a);
    gpf_point_bind(at, B, b);
    memcpy(theta(at), w, sizeof w);
    gpf_health *h = gpf_health_alloc(g, loss, 3, NULL, GSL_NAN, NULL);
    assert_int_equal(gpf_health_run(h, at), GSL_SUCCESS);
    /* unit 0 is on for A only, unit 1 for B only */
    assert_int_equal(gpf_health_layer(h, 0)->dead, 1);
    assert_int_equal(gpf_health_layer(h, 1)->dead, 1);
    assert_int_equal(gpf_health_n_findings(h), 0);
    gpf_point_bind(at, B, a);
    assert_int_equal(gpf_health_run(h, at), GSL_SUCCESS);
    assert_true(gpf_health_n_findings(h) > 0);
    gpf_health_free(h);
    gpf_point_free(at);
    gpf_graph_free(g);

    setup s;
    g = s.g = gpf_graph_alloc();
    s.X = gpf_data(g, "X", gpf_shape2(GPF_N, INPUTS));
    s.W = gpf_param(g, "W", gpf_shape2(INPUTS, 2));
    s.V = gpf_param(g, "V", gpf_shape2(4, 1));
    s.b = gpf_param(g, "b", gpf_shape2(1, 2));
    s.z = gpf_add(g, gpf_matmul(g, s.X, s.W), s.b);
    const gpf_node both[] = { gpf_relu(g, s.z), gpf_relu(g, gpf_neg(g, s.z)) };
    s.loss = gpf_sum(g, gpf_square(g, gpf_matmul(g, gpf_concat(g, both, 2, 1), s.V)), GPF_ALL_AXES);
    s.at = gpf_point_alloc(g, N);
    dice d = { 5 };
    fill(&d, s.x, COUNT(s.x), -1, 1);
    gpf_point_bind(s.at, s.X, s.x);
    fill(&d, theta(s.at), gpf_graph_n_params(g), 0.5, 1);
    theta(s.at)[gpf_param_offset(g, s.b)] = -100;
    h = gpf_health_alloc(g, s.loss, N, NULL, GSL_NAN, NULL);
    assert_int_equal(gpf_health_run(h, s.at), GSL_SUCCESS);
    assert_int_equal(gpf_health_layer(h, 0)->dead, 0);
    assert_true(gpf_health_layer(h, 0)->sloped);
    gpf_health_free(h);
    unmake(&s);
}

/* Steps have no slope, and what they hide has no gradient: one finding. */
static void steps_and_unused_params(void **state)
{
    (void)state;
    setup s;
    make(&s, gpf_sign, 0);
    gpf_node_set_name(s.g, s.a, "a");
    gpf_node_set_name(s.g, s.loss, "loss");
    gpf_health *h = gpf_health_alloc(s.g, s.loss, N, NULL, GSL_NAN, NULL);
    assert_int_equal(gpf_health_run(h, s.at), GSL_SUCCESS);
    assert_false(gpf_health_layer(h, 0)->sloped);
    assert_int_equal(gpf_health_n_findings(h), 1);
    assert_string_equal(gpf_health_finding(h, 0)->text,
                        "W and b reach loss only through steps as in a, which have slope 0");
    gpf_health_free(h);
    unmake(&s);
    make(&s, gpf_tanh, 0);
    gpf_node_set_name(s.g, s.loss, "loss");
    gpf_param(s.g, "lost", gpf_shape1(3));
    gpf_point_free(s.at);
    s.at = gpf_point_alloc(s.g, N);
    gpf_point_bind(s.at, s.X, s.x);
    gpf_point_bind(s.at, s.y, s.t);
    dice d = { 6 };
    fill(&d, theta(s.at), gpf_graph_n_params(s.g), -1, 1);
    h = gpf_health_alloc(s.g, s.loss, N, NULL, GSL_NAN, NULL);
    assert_int_equal(gpf_health_run(h, s.at), GSL_SUCCESS);
    assert_int_equal(gpf_health_n_findings(h), 1);
    assert_string_equal(gpf_health_finding(h, 0)->text, "loss does not use lost");
    assert_int_equal(gpf_health_finding(h, 0)->kind, GPF_NO_GRADIENT);
    gpf_health_free(h);
    unmake(&s);
}

static void refuses(void **state)
{
    (void)state;
    gpf_diag why = { 0 };
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 2));
    const gpf_node loss = gpf_sum(g, X, GPF_ALL_AXES);
    assert_null(gpf_health_alloc(g, loss, 3, NULL, 0, &why));
    assert_int_equal(why.status, GPF_ENOTHING);
    assert_null(gpf_health_alloc(g, loss, 3, NULL, 0, NULL));
    gpf_param(g, "w", gpf_shape1(2));
    assert_null(gpf_health_alloc(g, X, 3, NULL, 0, &why)); /* not one element */
    assert_int_equal(why.status, GPF_ESHAPE);
    gpf_graph_clear_status(g);
    gpf_health *h = gpf_health_alloc(g, loss, 3, NULL, 0, &why);
    gpf_point *at = gpf_point_alloc(g, 3), *other = gpf_point_alloc(g, 4);
    gsl_error_handler_t *before = gsl_set_error_handler_off();
    assert_int_equal(gpf_health_run(h, at), GPF_EUNBOUND);
    assert_int_equal(gpf_health_run(h, other), GSL_EBADLEN);
    gsl_set_error_handler(before);
    assert_int_equal(gpf_health_n_findings(h), 0);
    gpf_point_free(at);
    gpf_point_free(other);
    gpf_health_free(h);
    gpf_health_free(NULL);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(ranks),
        cmocka_unit_test(shared_weights_and_two_ways),
        cmocka_unit_test(steps_and_unused_params),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
