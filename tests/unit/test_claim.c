/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <gradproof.h>
#include <math.h>
#include <string.h>

typedef struct fixture {
    gpf_graph *g;
    gpf_node z, one_hot, X, W;
    gpf_point *like;
    double z_values[6], labels[6], x_values[8];
} fixture;

static int set_up(void **state)
{
    static fixture f;
    f.g = gpf_graph_alloc();
    f.z = gpf_data(f.g, "z", gpf_shape2(2, 3));
    f.one_hot = gpf_data(f.g, "Y", gpf_shape2(2, 3));
    f.X = gpf_data(f.g, "X", gpf_shape2(GPF_N, 2));
    f.W = gpf_param(f.g, "W", gpf_shape2(2, 3));
    f.like = gpf_point_alloc(f.g, 4);
    const double z[] = { 0.3, -1, 2, 0.1, 0.4, -0.6 }, y[] = { 1, 0, 0, 0, 0, 1 },
                 x[] = { 0, 0, 0, 1, 1, 0, 1, 1 };
    memcpy(f.z_values, z, sizeof z);
    memcpy(f.labels, y, sizeof y);
    memcpy(f.x_values, x, sizeof x);
    gpf_point_bind(f.like, f.z, f.z_values);
    gpf_point_bind(f.like, f.one_hot, f.labels);
    gpf_point_bind(f.like, f.X, f.x_values);
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    gpf_point_free(f->like);
    gpf_graph_free(f->g);
    return 0;
}

static gpf_claim_result claim(fixture *f, gpf_node left, gpf_node right)
{
    gpf_claim_result r;
    assert_int_equal(gpf_claim_run(f->g, left, right, NULL, 0, f->like, 1, &r), GSL_SUCCESS);
    return r;
}

/* The lecture's tanh(a) = 2 sigmoid(a) - 1, and what it should say. */
static void tanh_by_sigmoid(void **state)
{
    fixture *f = *state;
    gpf_graph *g = f->g;
    const gpf_node one = gpf_const(g, 1), two = gpf_const(g, 2), left = gpf_tanh(g, f->z);
    gpf_claim_result r =
        claim(f, left, gpf_sub(g, gpf_mul(g, two, gpf_sigmoid(g, gpf_mul(g, two, f->z))), one));
    assert_int_equal(r.verdict, GPF_HOLDS);
    assert_int_equal(r.points, 8);
    r = claim(f, left, gpf_sub(g, gpf_mul(g, two, gpf_sigmoid(g, f->z)), one));
    assert_int_equal(r.verdict, GPF_REFUTED);
    assert_true(r.worst > 0.1 && fabs(r.left / r.right - r.ratio) < 1e-12);
}

/* (1 - p) for p close to 1 by one to three units: sigmoid(-u)/(1 - p) is 1, and comes out as anything
 * from 1/2 to 3/2. The slice hides from the graph that the difference can be computed well. */
static void nothing_but_noise_refutes_nothing(void **state)
{
    fixture *f = *state;
    gpf_graph *g = f->g;
    const ptrdiff_t start[] = { 0, 0 }, size[] = { 2, 2 };
    for (int i = 0; i < 20; i++) {
        const gpf_node u = gpf_add(g, gpf_const(g, 35.2 + 0.08 * i),
                                   gpf_mul(g, gpf_const(g, 0.3), gpf_sin(g, f->z))),
                       p = gpf_slice(g, gpf_sigmoid(g, u), start, size),
                       q = gpf_slice(g, gpf_sigmoid(g, gpf_neg(g, u)), start, size);
        const gpf_claim_result r =
            claim(f, gpf_div(g, q, gpf_sub(g, gpf_const(g, 1), p)), gpf_const(g, 1));
        assert_int_equal(r.verdict, GPF_UNDECIDED);
    }
}

static void ratio_of_a_missing_factor(void **state)
{
    fixture *f = *state;
    const gpf_node l = gpf_sin(f->g, f->z), r2 = gpf_mul(f->g, gpf_const(f->g, 2), l);
    const gpf_claim_result r = claim(f, l, r2);
    assert_int_equal(r.verdict, GPF_REFUTED);
    assert_true(fabs(r.ratio - 0.5) < 1e-15);
}

static void shapes_that_differ(void **state)
{
    fixture *f = *state;
    gpf_claim_result r = claim(f, f->z, gpf_transpose(f->g, f->z));
    assert_int_equal(r.verdict, GPF_REFUTED);
    assert_string_equal(r.why, "the shapes differ: left is 2x3, right is 3x2");
    /* one element stands for itself everywhere */
    r = claim(f, gpf_sub(f->g, gpf_exp(f->g, f->z), gpf_exp(f->g, f->z)), gpf_const(f->g, 1));
    assert_int_equal(r.verdict, GPF_REFUTED);
}

static void zero_is_no_evidence(void **state)
{
    fixture *f = *state;
    const gpf_node zero = gpf_sub(f->g, f->z, f->z);
    const gpf_claim_result r = claim(f, zero, gpf_mul(f->g, gpf_const(f->g, 3), zero));
    assert_int_equal(r.verdict, GPF_UNDECIDED);
    assert_string_equal(r.why, "0 = 0 at every point: nothing was tested");
}

static void outside_the_domain(void **state)
{
    fixture *f = *state;
    const gpf_node minus = gpf_neg(f->g, gpf_square(f->g, f->z)), l = gpf_log(f->g, minus);
    const gpf_claim_result r = claim(f, l, gpf_sin(f->g, l));
    assert_int_equal(r.verdict, GPF_UNDECIDED);
    assert_int_equal(r.points, 0);
}

/* delta = softmax - Y needs rows of Y that sum to one; the model's own values say they do. */
static void softmax_cross_entropy(void **state)
{
    fixture *f = *state;
    gpf_graph *g = f->g;
    const gpf_node loss = gpf_cross_entropy(g, f->z, f->one_hot, GPF_SUM);
    gpf_node grad;
    gpf_grad(g, loss, &f->z, 1, &grad);
    const gpf_claim_use use = { .f = loss, .x = f->z, .grad = grad };
    gpf_claim_result r;
    const gpf_node right = gpf_sub(g, gpf_softmax(g, f->z), f->one_hot);
    assert_int_equal(gpf_claim_run(g, grad, right, &use, 1, f->like, 1, &r), GSL_SUCCESS);
    assert_int_equal(r.verdict, GPF_HOLDS);
    assert_true(r.grads_checked >= 12 && r.grads_right == r.grads_checked);
}

/* A claim is compared three ways: a gradient that is itself wrong decides nothing. */
static void a_wrong_gradient_inside(void **state)
{
    fixture *f = *state;
    gpf_graph *g = f->g;
    const gpf_node loss = gpf_sum(g, gpf_sin(g, f->z), GPF_ALL_AXES),
                   wrong = gpf_sin(g, f->z); /* not cos */
    const gpf_claim_use use = { .f = loss, .x = f->z, .grad = wrong };
    gpf_claim_result r;
    assert_int_equal(gpf_claim_run(g, wrong, gpf_sin(g, f->z), &use, 1, f->like, 1, &r),
                     GSL_SUCCESS);
    assert_int_equal(r.verdict, GPF_UNDECIDED);
    assert_true(strstr(r.why, "itself wrong") != NULL);
}

static void jacobian_inside(void **state)
{
    fixture *f = *state;
    gpf_graph *g = f->g;
    const ptrdiff_t start[] = { 0, 0 }, size[] = { 1, 3 };
    const gpf_node row = gpf_slice(g, f->z, start, size), mu = gpf_softmax(g, row);
    gpf_node J;
    assert_int_equal(gpf_jacobian(g, mu, row, &J), GSL_SUCCESS);
    const gpf_node right = gpf_sub(g, gpf_diagonal(g, mu), gpf_matmul(g, gpf_transpose(g, mu), mu));
    const gpf_claim_use use = { .f = mu, .x = row, .grad = J, .jacobian = 1 };
    gpf_claim_result r;
    assert_int_equal(gpf_claim_run(g, J, right, &use, 1, f->like, 1, &r), GSL_SUCCESS);
    assert_int_equal(r.verdict, GPF_HOLDS);
    assert_true(r.grads_right > 0);
    assert_int_equal(gpf_claim_run(g, J, gpf_diagonal(g, mu), &use, 1, f->like, 1, &r),
                     GSL_SUCCESS);
    assert_int_equal(r.verdict, GPF_REFUTED);
}

/* Formulas that are true of some numbers only: of small ones, of one batch size, of 0 and 1. */
static void true_of_some_numbers(void **state)
{
    fixture *f = *state;
    gpf_graph *g = f->g;
    const gpf_node fifteen = gpf_const(g, 15), total = gpf_sum(g, f->X, GPF_ALL_AXES);
    const struct {
        gpf_node left, right;
        int holds_here;
    } claims[] = {
        { gpf_clip(g, f->z, -2.1, 2.1), f->z, 1 },
        { gpf_add(g, f->z, gpf_step(g, gpf_sub(g, f->z, gpf_const(g, 3)), 0)), f->z, 1 },
        { gpf_step(g, gpf_add(g, f->z, gpf_const(g, 2.5)), 0), gpf_const(g, 1), 1 },
        { gpf_mean(g, f->X, GPF_ALL_AXES), gpf_div(g, total, fifteen), 0 },
        { gpf_mean(g, f->X, GPF_ALL_AXES), gpf_div(g, total, gpf_const(g, 8)), 1 },
        { gpf_square(g, f->X), f->X, 1 },
    };
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        const gpf_claim_result r = claim(f, claims[i].left, claims[i].right);
        assert_int_equal(r.verdict, GPF_REFUTED);
        assert_int_equal(r.holds_here, claims[i].holds_here);
        assert_true(r.N >= 3);
    }
}

/* True, but hidden by rounding: nobody is refuted for that. */
static void rounding_refutes_nothing(void **state)
{
    fixture *f = *state;
    gpf_graph *g = f->g;
    const gpf_node a = f->z, big = gpf_const(g, 1e6),
                   left =
                       gpf_sub(g, gpf_sub(g, gpf_square(g, gpf_add(g, a, big)), gpf_const(g, 1e12)),
                               gpf_mul(g, gpf_const(g, 2e6), a));
    assert_int_not_equal(claim(f, left, gpf_square(g, a)).verdict, GPF_REFUTED);
    /* 1 - tanh^2 has lost all digits where z is large; it is the derivative nevertheless */
    gpf_node grad;
    gpf_grad(g, gpf_sum(g, gpf_tanh(g, a), GPF_ALL_AXES), &a, 1, &grad);
    assert_int_equal(
        claim(f, grad, gpf_sub(g, gpf_const(g, 1), gpf_square(g, gpf_tanh(g, a)))).verdict,
        GPF_HOLDS);
}

/* sqrt(x - 50) is defined near the model's own x = 100 only. */
static void a_domain_far_from_zero(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape0()),
                   root = gpf_sqrt(g, gpf_sub(g, x, gpf_const(g, 50)));
    gpf_point *like = gpf_point_alloc(g, 0);
    gsl_vector_set(gpf_point_params(like), 0, 100);
    gpf_claim_result r;
    assert_int_equal(gpf_claim_run(g, gpf_square(g, root), gpf_sub(g, x, gpf_const(g, 50)), NULL, 0,
                                   like, 1, &r),
                     GSL_SUCCESS);
    assert_int_equal(r.verdict, GPF_HOLDS);
    gpf_point_free(like);
    gpf_graph_free(g);
}

/* Inputs that are only 0 and 1 hide errors; generic points are neither, and keep what matters. */
static void generic_points(void **state)
{
    fixture *f = *state;
    gpf_point *p = gpf_point_generic(f->g, f->like, 0, 5),
              *q = gpf_point_generic(f->g, f->like, 0, 5);
    const size_t n = gpf_point_batch(p);
    assert_true(n >= 2 && n != 3); /* unlike the sizes of the graph */
    const double *x = gpf_point_values(p, f->X), *y = gpf_point_values(p, f->one_hot),
                 *w = gpf_point_values(p, f->W);
    for (size_t i = 0; i < n * 2; i++) {
        assert_true(x[i] > 0 && x[i] < 1);
        for (size_t j = 0; j < i; j++)
            assert_true(x[i] != x[j]);
    }
    for (size_t i = 0; i < 2; i++)
        assert_true(fabs(y[3 * i] + y[3 * i + 1] + y[3 * i + 2] - 1) < 1e-15 && y[3 * i] > 0);
    for (size_t i = 0; i < 6; i++)
        assert_true(w[i] != 0 && w[i] != 1);
    assert_memory_equal(x, gpf_point_values(q, f->X), n * 2 * sizeof *x);
    gpf_point_free(p);
    gpf_point_free(q);
}

static void labels_stay_labels(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node label = gpf_data(g, "label", gpf_shape2(GPF_N, 1));
    gpf_one_hot(g, label, 3);
    const double values[] = { 2, 0, 1, 2 };
    gpf_point *like = gpf_point_alloc(g, 4);
    gpf_point_bind(like, label, values);
    gpf_point *p = gpf_point_generic(g, like, 50, 1);
    for (size_t i = 0; i < 50; i++) {
        const double v = gpf_point_values(p, label)[i];
        assert_true(v == 0 || v == 1 || v == 2);
    }
    gpf_point_free(p);
    gpf_point_free(like);
    gpf_graph_free(g);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(tanh_by_sigmoid),
        CASE(nothing_but_noise_refutes_nothing),
        CASE(ratio_of_a_missing_factor),
        CASE(shapes_that_differ),
        CASE(zero_is_no_evidence),
        CASE(outside_the_domain),
        CASE(softmax_cross_entropy),
        CASE(a_wrong_gradient_inside),
        CASE(jacobian_inside),
        CASE(true_of_some_numbers),
        CASE(rounding_refutes_nothing),
        cmocka_unit_test(a_domain_far_from_zero),
        CASE(generic_points),
        cmocka_unit_test(labels_stay_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
