/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _DEFAULT_SOURCE /* M_PI */
/* The verdict on one element, in the situations in which other checkers go wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "check/stencil.h"

#include <gradproof.h>
#include <math.h>
#include <string.h>

/* The check of f(w) at one number w, with backprop, or with the constant `claim` as gradient. */
typedef struct scene {
    gpf_graph *g;
    gpf_node w;
    gpf_point *at;
    gpf_check *c;
} scene;

static scene begin(void)
{
    scene s = { .g = gpf_graph_alloc() };
    s.w = gpf_param(s.g, "w", gpf_shape0());
    return s;
}

static const gpf_element *look(scene *s, gpf_node f, double w, const double *claim)
{
    const gpf_node claimed = claim ? gpf_const(s->g, *claim) : GPF_NONE;
    s->at = gpf_point_alloc(s->g, 0);
    gsl_vector_set(gpf_point_params(s->at), 0, w);
    s->c = gpf_check_alloc(s->g, f, &s->w, claim ? &claimed : NULL, 1, 0, 1, NULL);
    assert_non_null(s->c);
    assert_int_equal(gpf_check_run(s->c, s->at, NULL, NULL), GSL_SUCCESS);
    return gpf_check_element(s->c, 0);
}

static void end(scene *s)
{
    gpf_check_free(s->c);
    gpf_point_free(s->at);
    gpf_graph_free(s->g);
}

static gpf_node number(const scene *s, double c)
{
    return gpf_const(s->g, c);
}

/* One row of the table below: f at w must get this verdict for this reason. */
typedef struct expectation {
    const char *what;
    gpf_node (*f)(scene *s);
    double w;
    gpf_verdict verdict;
    gpf_reason reason;
    double digits; /* at least, where right */
} expectation;

static gpf_node f_relu(scene *s)
{
    return gpf_relu(s->g, s->w);
}
static gpf_node f_abs(scene *s)
{
    return gpf_abs(s->g, s->w);
}
static gpf_node f_tied_max(scene *s)
{
    return gpf_max(s->g, s->w, gpf_mul(s->g, number(s, 2), s->w));
}
static gpf_node f_two_ties(scene *s)
{
    return gpf_sub(s->g, gpf_relu(s->g, s->w), gpf_relu(s->g, gpf_neg(s->g, s->w)));
}
static gpf_node f_far_kink(scene *s)
{
    return gpf_add(s->g, gpf_relu(s->g, gpf_sub(s->g, s->w, number(s, 0.7311))), s->w);
}
static gpf_node f_squared_relu(scene *s)
{
    return gpf_square(s->g, gpf_relu(s->g, s->w));
}
static gpf_node f_step(scene *s)
{
    return gpf_step(s->g, s->w, 0);
}
static gpf_node f_square(scene *s)
{
    return gpf_square(s->g, s->w);
}
static gpf_node f_sqrt(scene *s)
{
    return gpf_sqrt(s->g, s->w);
}
static gpf_node f_log(scene *s)
{
    return gpf_log(s->g, s->w);
}
static gpf_node f_offset(scene *s)
{
    return gpf_add(s->g, number(s, 1e6), gpf_sin(s->g, s->w));
}
static gpf_node f_noisy(scene *s)
{
    return gpf_sub(s->g, gpf_add(s->g, number(s, 1e8), gpf_sin(s->g, s->w)), number(s, 1e8));
}
static gpf_node f_fast(scene *s)
{
    return gpf_sin(s->g, gpf_mul(s->g, number(s, 1e6), s->w));
}
static gpf_node f_sigmoid(scene *s)
{
    return gpf_sigmoid(s->g, s->w);
}
static gpf_node f_elu(scene *s)
{
    return gpf_elu(s->g, s->w, 1);
}
static gpf_node f_unused(scene *s)
{
    return gpf_sin(s->g, number(s, 0.4));
}
static gpf_node f_constant_sum(scene *s)
{
    const gpf_node both[] = { s->w, gpf_sin(s->g, s->w) };
    gpf_node row[2];
    for (int i = 0; i < 2; i++)
        row[i] = gpf_reshape(s->g, both[i], gpf_shape1(1));
    return gpf_sum(s->g, gpf_softmax(s->g, gpf_concat(s->g, row, 2, 0)), GPF_ALL_AXES);
}

static const expectation table[] = {
    { "on the edge of relu", f_relu, 0, GPF_KINK, GPF_REASON_BETWEEN, 0 },
    { "1e-6 beside it", f_relu, 1e-6, GPF_RIGHT, GPF_REASON_NONE, 8 },
    { "1e-13 beside it", f_relu, 1e-13, GPF_RIGHT, GPF_REASON_NONE, 8 },
    { "off", f_relu, -0.3, GPF_VACUOUS, GPF_REASON_NO_REACTION, 0 },
    { "off by very little", f_relu, -1e-13, GPF_VACUOUS, GPF_REASON_NO_REACTION, 0 },
    { "|x| at 0", f_abs, 0, GPF_KINK, GPF_REASON_BETWEEN, 0 },
    { "max at a tie", f_tied_max, 0, GPF_KINK, GPF_REASON_BETWEEN, 0 },
    { "relu(x) - relu(-x) at 0", f_two_ties, 0, GPF_WRONG, GPF_REASON_TIE, 0 },
    { "relu(x) - relu(-x) beside 0", f_two_ties, 0.2, GPF_RIGHT, GPF_REASON_NONE, 8 },
    { "a kink 1e-6 ahead", f_far_kink, 0.7311 - 1e-6, GPF_RIGHT, GPF_REASON_NONE, 6 },
    { "a kink 1e-12 ahead", f_far_kink, 0.7311 - 1e-12, GPF_RIGHT, GPF_REASON_NONE, 6 },
    { "a kink 1e-12 behind", f_far_kink, 0.7311 + 1e-12, GPF_RIGHT, GPF_REASON_NONE, 6 },
    { "a tie that is smooth", f_squared_relu, 0, GPF_RIGHT, GPF_REASON_NONE, 4 },
    { "a jump", f_step, 0, GPF_UNRESOLVED, GPF_REASON_JUMP, 0 },
    { "a minimum", f_square, 0, GPF_RIGHT, GPF_REASON_NONE, 8 },
    { "end of the domain", f_sqrt, 0, GPF_UNRESOLVED, GPF_REASON_NOT_FINITE, 0 },
    { "near the end of the domain", f_sqrt, 1e-5, GPF_RIGHT, GPF_REASON_NONE, 7 },
    { "steep", f_log, 1e-3, GPF_RIGHT, GPF_REASON_NONE, 7 },
    { "outside the domain", f_log, -1, GPF_UNRESOLVED, GPF_REASON_NOT_FINITE, 0 },
    { "large offset", f_offset, 0.5, GPF_RIGHT, GPF_REASON_NONE, 3 },
    { "noise GSL does not know of", f_noisy, 0.5, GPF_RIGHT, GPF_REASON_NONE, 3 },
    { "fast oscillation", f_fast, 0.5, GPF_RIGHT, GPF_REASON_NONE, 5 },
    { "saturated", f_sigmoid, 30, GPF_UNRESOLVED, GPF_REASON_NOISE, 0 },
    { "saturated for good", f_sigmoid, 800, GPF_VACUOUS, GPF_REASON_NO_REACTION, 0 },
    { "elu at 0", f_elu, 0, GPF_RIGHT, GPF_REASON_NONE, 7 },
    { "not used", f_unused, 0.2, GPF_VACUOUS, GPF_REASON_INDEPENDENT, 0 },
    { "sum of a softmax", f_constant_sum, 0.3, GPF_VACUOUS, GPF_REASON_NO_REACTION, 0 },
};

static void verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        scene s = begin();
        const gpf_element *e = look(&s, table[i].f(&s), table[i].w, NULL);
        if (e->verdict != table[i].verdict || e->reason != table[i].reason ||
            e->digits < table[i].digits)
            fail_msg("%s: %s (%s), backprop %.17g, GSL %.17g +- %g, %g digits", table[i].what,
                     gpf_verdict_name(e->verdict), gpf_reason_name(e->reason), e->analytic,
                     e->numeric, e->error, e->digits);
        end(&s);
    }
}

/* Wherever the right value is right, near misses of it must be wrong. */
static void near_misses(void **state)
{
    (void)state;
    static const double factors[] = { 1.001, 0.999, 2, 0.5, -1, 0, 1.00001 };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].verdict != GPF_RIGHT || table[i].digits < 6)
            continue;
        for (size_t k = 0; k < sizeof factors / sizeof *factors; k++) {
            scene right = begin();
            const double truth = look(&right, table[i].f(&right), table[i].w, NULL)->analytic;
            end(&right);
            if (truth == 0)
                continue;
            const double claim = factors[k] * truth;
            scene s = begin();
            const gpf_element *e = look(&s, table[i].f(&s), table[i].w, &claim);
            if (e->verdict != GPF_WRONG)
                fail_msg("%s, times %g: %s (%s), claimed %.17g, GSL %.17g +- %g", table[i].what,
                         factors[k], gpf_verdict_name(e->verdict), gpf_reason_name(e->reason),
                         e->analytic, e->numeric, e->error);
            end(&s);
        }
    }
}

static void not_finite_never_agrees(void **state)
{
    (void)state;
    static const double claims[] = { NAN, INFINITY, -INFINITY };
    for (size_t k = 0; k < 3; k++) {
        scene s = begin();
        const gpf_element *e = look(&s, f_square(&s), 0.6, &claims[k]);
        assert_int_equal(e->verdict, GPF_WRONG);
        assert_int_equal(e->reason, GPF_REASON_NOT_FINITE);
        assert_int_equal(gpf_check_outcome(s.c), GPF_OUTCOME_WRONG);
        end(&s);
    }
    assert_false(gpf__agree(NAN, NAN, 1, 1));
    assert_false(gpf__agree(1, NAN, INFINITY, 1) && !isnan(NAN));
    assert_false(gpf__agree(INFINITY, INFINITY, 1, 1));
}

/* At a kink every value between the slopes passes, and nothing outside. */
static void interval_at_a_kink(void **state)
{
    (void)state;
    static const struct {
        double claim;
        gpf_verdict verdict;
    } cases[] = { { 0, GPF_KINK },      { 0.5, GPF_KINK },     { 1, GPF_KINK },
                  { 1.001, GPF_WRONG }, { -0.001, GPF_WRONG }, { 2, GPF_WRONG } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scene s = begin();
        const gpf_element *e = look(&s, f_relu(&s), 0, &cases[i].claim);
        assert_int_equal(e->verdict, cases[i].verdict);
        assert_int_equal(e->kink.n_changed, 1);
        assert_int_equal(e->kink.node, gpf_relu(s.g, s.w));
        assert_int_equal(e->kink.base, 1);
        assert_int_equal(e->kink.tie, 1);
        assert_int_equal(e->side[0], 0);
        assert_int_equal(e->side[1], 0);
        assert_int_equal(e->side[2], 2);
        assert_int_equal(e->side[3], 2);
        assert_true(fabs(e->left) < 1e-9 && fabs(e->right - 1) < 1e-9);
        end(&s);
    }
}

/* A claim of 0 where a tiny element is hidden beside a large value must not pass as vacuous. */
static void small_steps_are_no_excuse(void **state)
{
    (void)state;
    const double zero = 0;
    scene s = begin();
    const gpf_node f = gpf_add(s.g, gpf_const(s.g, 1), gpf_sin(s.g, s.w));
    const gpf_element *e = look(&s, f, 1e-14, &zero);
    assert_int_equal(e->verdict, GPF_WRONG);
    end(&s);
}

static gpf_node f_cancels(scene *s)
{
    return gpf_sub(s->g, s->w, gpf_sin(s->g, s->w));
}
static gpf_node f_half_tanh(scene *s)
{
    return gpf_mul(s->g, number(s, 0.5), gpf_add(s->g, number(s, 1), gpf_tanh(s->g, s->w)));
}
static gpf_node f_gelu(scene *s)
{
    return gpf_gelu(s->g, s->w);
}
static gpf_node f_arc(scene *s)
{
    return gpf_sub(s->g, gpf_sqrt(s->g, gpf_add(s->g, number(s, 1), gpf_square(s->g, s->w))),
                   number(s, 1));
}
static gpf_node f_sin(scene *s)
{
    return gpf_sin(s->g, s->w);
}
static gpf_node f_very_fast(scene *s)
{
    return gpf_sin(s->g, gpf_mul(s->g, number(s, 1e9), s->w));
}
static gpf_node f_aliased(scene *s)
{
    return gpf_sin(s->g, gpf_mul(s->g, number(s, 2 * M_PI * 65536), s->w));
}
static gpf_node f_ripple(scene *s)
{
    return gpf_add(s->g, s->w, gpf_mul(s->g, number(s, 1e-9), f_very_fast(s)));
}
static gpf_node f_plateau(scene *s)
{
    return gpf_sub(s->g, gpf_add(s->g, number(s, 1e12), gpf_sin(s->g, s->w)), number(s, 1e12));
}
static gpf_node f_pole(scene *s)
{
    return gpf_div(s->g, number(s, 1), s->w);
}
/* kinks at 0, -1e-5 and 1, of both signs */
static gpf_node f_crowd(scene *s)
{
    const double at[] = { 0, -1e-5, 1 }, weight[] = { 1, -1, 0.5 };
    gpf_node f = gpf_const(s->g, 0);
    for (int i = 0; i < 3; i++)
        f = gpf_add(s->g, f,
                    gpf_mul(s->g, number(s, weight[i]),
                            gpf_relu(s->g, gpf_sub(s->g, s->w, number(s, at[i])))));
    return f;
}
static gpf_node f_root_behind_a_kink(scene *s)
{
    return gpf_sqrt(s->g, gpf_relu(s->g, gpf_sub(s->g, s->w, number(s, 0.7))));
}

/* Cancellation, underflow, scales far from the element's own, kinks behind kinks. */
static void nobody_is_accused(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        gpf_node (*f)(scene *s);
        double w[6];
    } list[] = {
        { "x - sin x", f_cancels, { 1e-6, 1e-3, 0.1, 1 } },
        { "(1 + tanh x)/2", f_half_tanh, { -12, -15, -17, -19, 5 } },
        { "gelu", f_gelu, { -8, -10, -12, 0.3 } },
        { "sqrt(1 + x^2) - 1", f_arc, { 1e-8, 1e-5, 1e-3, 2 } },
        { "sin of large x", f_sin, { 1e4, 1e6, 1e8, 1e12, 1e16 } },
        { "sin 1e9 x", f_very_fast, { 1, 0.3, 1e-9 } },
        { "sin 2 pi 65536 x", f_aliased, { 0.3, 1 } },
        { "x + 1e-9 sin 1e9 x", f_ripple, { 1, 0.3 } },
        { "(sin x + 1e12) - 1e12", f_plateau, { 0.7, 2 } },
        { "x^2 that underflows", f_square, { 1e-160, 1e-300, 1e-150 } },
        { "1/x", f_pole, { 1e-100, -1e-20, 1e-5, 1e100 } },
        { "three kinks", f_crowd, { 1e-9, -1e-5, -0.5, 2 } },
        { "sqrt(relu(x - 0.7))", f_root_behind_a_kink, { 0.7 + 2e-16, 0.7 + 1e-12, 0.8 } },
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        for (size_t k = 0; k < 6 && list[i].w[k] != 0; k++) {
            scene s = begin();
            const gpf_element *e = look(&s, list[i].f(&s), list[i].w[k], NULL);
            if (e->verdict == GPF_WRONG)
                fail_msg("%s at %g: %s, backprop %.17g, GSL %.17g +- %g, h %g", list[i].what,
                         list[i].w[k], gpf_reason_name(e->reason), e->analytic, e->numeric,
                         e->error, e->step);
            end(&s);
            /* and a zero is no derivative of any of these */
            const double zero = 0;
            s = begin();
            e = look(&s, list[i].f(&s), list[i].w[k], &zero);
            if (e->verdict == GPF_RIGHT)
                fail_msg("%s at %g: 0 is right to %g digits, GSL %.17g +- %g", list[i].what,
                         list[i].w[k], e->digits, e->numeric, e->error);
            end(&s);
        }
}

/* A claim of zero with a large mate in the same tensor is not right for being small beside it. */
static void small_beside_its_tensor(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node w = gpf_param(g, "w", gpf_shape1(2));
    const double scales[] = { 1e3, 1e-9 };
    const gpf_node f = gpf_sum(
        g, gpf_mul(g, gpf_const_tensor(g, gpf_shape1(2), scales), gpf_sin(g, w)), GPF_ALL_AXES);
    const double claims[] = { 1e3 * cos(0.4), 0 };
    const gpf_node claim = gpf_const_tensor(g, gpf_shape1(2), claims);
    gpf_point *at = gpf_point_alloc(g, 0);
    gsl_vector_set_all(gpf_point_params(at), 0.4);
    gpf_check *c = gpf_check_alloc(g, f, &w, &claim, 1, 0, 1, NULL);
    assert_int_equal(gpf_check_run(c, at, NULL, NULL), GSL_SUCCESS);
    assert_int_equal(gpf_check_element(c, 0)->verdict, GPF_RIGHT);
    assert_int_not_equal(gpf_check_element(c, 1)->verdict, GPF_RIGHT);
    gpf_check_free(c);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* A caller's op may have a kink and no side rule: then only the two slopes tell. */
static void kinks_nobody_declared(void **state)
{
    (void)state;
    static const struct {
        double claim;
        gpf_verdict verdict;
    } cases[] = { { 0, GPF_KINK }, { 0.5, GPF_KINK }, { 1, GPF_KINK }, { 1.001, GPF_WRONG } };
    gpf_op silent = *gpf_op_find("relu", 1);
    silent.side = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scene s = begin();
        const gpf_node f = gpf_apply(s.g, &silent, &s.w, 1, NULL);
        const gpf_element *e = look(&s, f, 0, &cases[i].claim);
        assert_int_equal(e->verdict, cases[i].verdict);
        assert_int_equal(e->kink.n_changed, 0);
        end(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(near_misses),
        cmocka_unit_test(not_finite_never_agrees),
        cmocka_unit_test(interval_at_a_kink),
        cmocka_unit_test(small_steps_are_no_excuse),
        cmocka_unit_test(nobody_is_accused),
        cmocka_unit_test(small_beside_its_tensor),
        cmocka_unit_test(kinks_nobody_declared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
