/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"
#include "op/rows.h"

#include <float.h>

typedef long double exact_fn(long double x);

static exact_fn exact_sech2, exact_sigmoid, exact_softplus;

static long double exact_sech2(long double x)
{
    const long double c = coshl(x);
    return 1 / c / c;
}

static long double exact_sigmoid(long double x)
{
    return 1 / (1 + expl(-x));
}

static long double exact_softplus(long double x)
{
    return (x > 0 ? x : 0) + log1pl(expl(-fabsl(x)));
}

static const struct function {
    const gpf_op *op;
    exact_fn *exact;
    double lo, hi, ulp;
} functions[] = {
    { &gpf_op_exp, expl, -2, 2, 0.8 },
    { &gpf_op_exp, expl, -708, 709.7, 0.8 },
    { &gpf_op_exp, expl, -745, -708, 0.9 }, /* subnormal: rounded twice */
    { &gpf_op_expm1, expm1l, -2, 2, 1.1 },
    { &gpf_op_expm1, expm1l, -1e-5, 1e-5, 0.6 },
    { &gpf_op_expm1, expm1l, -700, 709.7, 1.1 },
    { &gpf_op_log, logl, 0.5, 2, 0.9 },
    { &gpf_op_log, logl, 0x1p-1074, 0x1p-1022, 0.6 },
    { &gpf_op_log, logl, 0, DBL_MAX, 0.6 },
    { &gpf_op_log1p, log1pl, -0.99, 3, 0.9 },
    { &gpf_op_log1p, log1pl, -1e-5, 1e-5, 0.6 },
    { &gpf_op_log1p, log1pl, 0, DBL_MAX, 0.6 },
    { &gpf_op_sin, sinl, -4, 4, 0.85 },
    { &gpf_op_sin, sinl, -2e6, 2e6, 0.85 },
    { &gpf_op_cos, cosl, -4, 4, 0.85 },
    { &gpf_op_cos, cosl, -2e6, 2e6, 0.85 },
    { &gpf_op_tanh, tanhl, -2, 2, 1.4 },
    { &gpf_op_tanh, tanhl, -30, 30, 1.4 },
    { &gpf_op_sech2, exact_sech2, -4, 4, 2.5 },
    { &gpf_op_sech2, exact_sech2, -350, 350, 2.5 },
    { &gpf_op_sigmoid, exact_sigmoid, -4, 4, 2.5 },
    { &gpf_op_sigmoid, exact_sigmoid, -700, 700, 2.5 },
    { &gpf_op_softplus, exact_softplus, -4, 4, 2 },
    { &gpf_op_softplus, exact_softplus, -700, 700, 2 },
};

/* Runs the test on every path this machine has. */
static void on_every_cpu(void (*test)(void))
{
    const int best = gpf__cpu();
    for (int cpu = 0; cpu <= best; cpu++) {
        atomic_store(&gpf__cpu_found, cpu);
        test();
    }
    atomic_store(&gpf__cpu_found, best);
}

static double ulps(double y, long double exact)
{
    int e;
    frexpl(exact, &e);
    return (double)fabsl(ldexpl(y - exact, 53 - (e < -1021 ? -1021 : e)));
}

static void accuracy(void)
{
    enum { N = 20000 };
    static double x[N], y[N];
    const double *in[] = { x, NULL, NULL };
    const gpf_attr attr = { .p = { 0 } };
    dice d = { 5 };
    for (size_t i = 0; i < COUNT(functions); i++) {
        const struct function *f = &functions[i];
        fill(&d, x, N, f->lo, f->hi);
        f->op->map(N, y, in, &attr);
        for (size_t j = 0; j < N; j++)
            if (!(ulps(y[j], f->exact(x[j])) <= f->ulp))
                fail_msg("%s(%a) = %a is %.2f ulp off", f->op->name, x[j], y[j],
                         ulps(y[j], f->exact(x[j])));
    }
}

static void test_accuracy(void **state)
{
    (void)state;
    volatile long double one = 1;
    if (one + LDBL_EPSILON == 1 || LDBL_MANT_DIG < 64)
        skip(); /* valgrind has no long double */
    on_every_cpu(accuracy);
}

static const double special[] = { 0,        -0.0,      1e-320, -1e-320, 0x1p-1074, 1e-300,
                                  -1e-300,  1e-10,     -1e-10, 0.3,     -0.3,      1,
                                  -1,       2,         0.5,    -0.5,    -0.25,     25,
                                  -25,      37,        -37,    709.78,  709.79,    -745.1,
                                  -745.2,   1e6,       -3e6,   1e22,    DBL_MAX,   -DBL_MAX,
                                  INFINITY, -INFINITY, NAN };

enum { MANY = 203 };

/* Numbers of all kinds, many of them special; b often equals a. */
static void draw(dice *d, double *a, double *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        a[i] = below(d, 3) ? between(d, -3, 3) : special[below(d, (int)COUNT(special))];
        b[i] = below(d, 4) == 0 ? a[i]
               : below(d, 3)    ? between(d, -3, 3)
                                : special[below(d, (int)COUNT(special))];
    }
}

static int same(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* Wherever an element stands, in a vector of whatever length, on whichever CPU, in place or not:
 * the same bits. */
static void one_place(const gpf_op *op, const double *a, const double *b)
{
    const gpf_attr attr = gpf_attr_default(op->params);
    const double *x[3] = { a, op->arity == 2 ? b : NULL, NULL };
    const int best = gpf__cpu();
    double alone[MANY], y[MANY];
    atomic_store(&gpf__cpu_found, GPF__CPU_ANY);
    for (size_t i = 0; i < MANY; i++) {
        const double *one[3] = { a + i, op->arity == 2 ? b + i : NULL, NULL };
        op->map(1, &alone[i], one, &attr);
    }
    for (int cpu = 0; cpu <= best; cpu++) {
        atomic_store(&gpf__cpu_found, cpu);
        for (size_t n = 1; n <= MANY; n += n < 20 ? 1 : 61) {
            op->map(n, y, x, &attr);
            for (size_t i = 0; i < n; i++)
                if (!same(y[i], alone[i]))
                    fail_msg("%s(%a, %a) is %a alone but %a at %zu of %zu on %s", op->name, a[i],
                             b[i], alone[i], y[i], i, n, gpf__cpu_name(cpu));
        }
        memcpy(y, a, sizeof y);
        x[0] = y;
        op->map(MANY, y, x, &attr);
        x[0] = a;
        for (size_t i = 0; i < MANY; i++)
            assert_true(same(y[i], alone[i]));
    }
    atomic_store(&gpf__cpu_found, best);
}

static void test_one_value_everywhere(void **state)
{
    (void)state;
    dice d = { 6 };
    double a[MANY], b[MANY];
    for (size_t i = 0; gpf_op_at(i); i++)
        for (int trial = 0; gpf_op_at(i)->map && trial < 8; trial++) {
            draw(&d, a, b, MANY);
            one_place(gpf_op_at(i), a, b);
        }
}

/* moved says what the sides say. */
static void moved(void)
{
    dice d = { 7 };
    double a[MANY], b[MANY], a0[MANY], b0[MANY], margin[MANY];
    int side[MANY], side0[MANY];
    int rows = 0, yes = 0, no = 0;
    for (size_t i = 0; gpf_op_at(i); i++) {
        const gpf_op *op = gpf_op_at(i);
        if (!op->side)
            continue;
        assert_non_null(op->moved);
        rows++;
        const gpf_attr attr = gpf_attr_default(op->params);
        for (int trial = 0; trial < 3000; trial++) {
            const size_t n = 1 + (size_t)below(&d, trial % 2 ? 40 : 2);
            draw(&d, a, b, n);
            memcpy(a0, a, sizeof a);
            memcpy(b0, b, sizeof b);
            draw(&d, a0 + below(&d, (int)n), b0 + below(&d, (int)n), 1);
            const double *x[3] = { a, op->arity == 2 ? b : NULL, NULL },
                         *x0[3] = { a0, op->arity == 2 ? b0 : NULL, NULL };
            op->side(n, side, margin, x, &attr);
            op->side(n, side0, margin, x0, &attr);
            const int expected = memcmp(side, side0, n * sizeof *side) != 0;
            assert_int_equal(op->moved(n, x, x0, &attr) != 0, expected);
            yes += expected;
            no += !expected;
        }
    }
    assert_true(rows >= 12 && yes > 1000 && no > 1000);
}

static void test_moved(void **state)
{
    (void)state;
    on_every_cpu(moved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accuracy),
        cmocka_unit_test(test_one_value_everywhere),
        cmocka_unit_test(test_moved),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
