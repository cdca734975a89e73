/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "plan/plan.h"
#include "random_graph.h"

/* Only elementwise ops, so that every bit must be the same however they are run. */
static gpf_node random_map(gpf_graph *g, dice *d, const gpf_node *node, size_t n)
{
    const gpf_node a = node[below(d, (int)n)], b = node[below(d, (int)n)];
    switch (below(d, 9)) {
    case 0:
        return gpf_add(g, a, b);
    case 1:
        return gpf_mul(g, gpf_tanh(g, a), b);
    case 2:
        return gpf_sub(g, a, gpf_const(g, 0.5 + below(d, 3)));
    case 3:
        return gpf_max(g, a, b);
    case 4:
        return gpf_relu(g, a);
    case 5:
        return gpf_sin(g, a);
    case 6:
        return gpf_cos(g, a);
    case 7:
        return gpf_mul(g, gpf_step(g, a, 0), gpf_const(g, -1.25));
    default:
        return gpf_sigmoid(g, a);
    }
}

enum { MAPS = 60 };

/* Leaves: a matrix of samples, a row of parameters, one number, a column of samples. */
static size_t random_maps(gpf_graph *g, dice *d, gpf_node *node, gpf_node *X)
{
    *X = gpf_data(g, "X", gpf_shape2(GPF_N, 3));
    node[0] = *X;
    node[1] = gpf_param(g, "b", gpf_shape2(1, 3));
    node[2] = gpf_param(g, "s", gpf_shape0());
    node[3] = gpf_mul(g, *X, node[1]);
    node[4] = gpf_exp(g, gpf_broadcast(g, node[2], gpf_shape2(GPF_N, 1)));
    size_t n = 5;
    while (n < MAPS) {
        node[n] = random_map(g, d, node, n);
        n++;
    }
    return n;
}

/* What several ops of a group read along the same way is read once. */
static void assert_read_once(const gpf_plan *p)
{
    for (int i = 0; i < p->n_code; i++) {
        if (p->code[i].kind != GPF__STRIPS)
            continue;
        const gpf__code *first = &p->code[i + 1], *end = first + p->code[i].n;
        for (const gpf__code *a = first; a < end; a++)
            for (const gpf__code *b = first; a->kind == GPF__READ && b < a; b++) {
                if (b->kind != GPF__READ || b->x[0].at != a->x[0].at)
                    continue;
                const gpf__walk *v = &p->walk[a->of], *w = &p->walk[b->of];
                bool same = v->n == w->n;
                for (int k = 0; same && k < v->n; k++)
                    same = v->count[k] == w->count[k] && v->stride[k] == w->stride[k];
                assert_false(same);
            }
    }
}

/* Fused in one group, step by step through memory, and with every value an output: the same bits.
 * Batches of one element, of a strip and one more, of many strips. */
static void test_fused_bits(void **state)
{
    (void)state;
    const size_t Ns[] = { 1, 2, 5, 171, 513, 1100 };
    static double x[1100 * 3], steps[1100 * 3];
    size_t fused = 0;
    for (uint64_t seed = 1; seed <= 40; seed++)
        for (size_t k = 0; k < COUNT(Ns); k++) {
            const size_t N = Ns[k];
            dice d = { seed };
            gpf_graph *g = gpf_graph_alloc();
            gpf_node node[MAPS], X;
            const size_t n = random_maps(g, &d, node, &X);
            assert_no_error(g);
            gpf_point *at = gpf_point_alloc(g, N);
            fill(&d, theta(at), 4, -1, 1);
            fill(&d, x, N * 3, -1.5, 1.5);
            gpf_point_bind(at, X, x);
            gpf_plan *few = gpf_plan_alloc(g, &node[n - 2], 2, N),
                     *all = gpf_plan_alloc(g, node, n, N), *keep;
            assert_int_equal(gpf__plan_make(g, &node[n - 2], 2, N, NULL, 0, true, &keep),
                             GSL_SUCCESS);
            assert_read_once(few);
            assert_read_once(keep);
            fused += (size_t)(few->n_step - few->n_group);
            gpf_workspace *few_ws = gpf_workspace_alloc(few), *all_ws = gpf_workspace_alloc(all),
                          *keep_ws = gpf_workspace_alloc(keep);
            for (int again = 0; again < 2; again++)
                assert_int_equal(gpf_plan_run(few, few_ws, at), GSL_SUCCESS);
            assert_int_equal(gpf_plan_run(all, all_ws, at), GSL_SUCCESS);
            assert_int_equal(gpf_plan_run(keep, keep_ws, at), GSL_SUCCESS);
            for (size_t o = 0; o < 2; o++) {
                const size_t size = gpf_plan_output_size(few, o);
                assert_memory_equal(gpf_workspace_output(few_ws, o),
                                    gpf_workspace_output(all_ws, n - 2 + o), size * sizeof(double));
                assert_memory_equal(gpf_workspace_output(few_ws, o),
                                    gpf_workspace_output(keep_ws, o), size * sizeof(double));
            }
            for (int s = 0; s < keep->n_step; s++) { /* each alone, on what the run kept */
                const gpf_tensor *t = &keep_ws->t[keep->step[s].value];
                const size_t size = gpf__tensor_size(t);
                memcpy(steps, t->data, size * sizeof(double));
                gpf__step_run(keep, &keep->step[s], keep_ws->t, &keep_ws->frame);
                assert_memory_equal(t->data, steps, size * sizeof(double));
            }
            gpf_workspace_free(few_ws);
            gpf_workspace_free(all_ws);
            gpf_workspace_free(keep_ws);
            gpf_plan_free(few);
            gpf_plan_free(all);
            gpf_plan_free(keep);
            gpf_point_free(at);
            gpf_graph_free(g);
        }
    assert_true(fused > 1000); /* there were groups */
}

/* A layer's bias and activation are one group; its product's result never leaves the strip. */
static void test_layer(void **state)
{
    (void)state;
    enum { N = 1000, UNITS = 4 };
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 3)),
                   y = gpf_dense(g, "h", X, UNITS, gpf_tanh),
                   loss = gpf_sum(g, gpf_square(g, y), GPF_ALL_AXES);
    gpf_plan *p = gpf_plan_alloc(g, &loss, 1, N);
    int elementwise = 0;
    for (int k = 0; k < p->n_group; k++)
        elementwise += p->group[k].size > 0;
    assert_int_equal(elementwise, 1);
    /* The product, the sum's input in its place, the turned data; small change. */
    assert_true(gpf_plan_memory(p) < N * (2 * UNITS + 3) + 4 * GPF__STRIP);
    gpf_plan_free(p);
    gpf_graph_free(g);
}

/* What depends on constants alone is no part of a run. */
static void test_constants_once(void **state)
{
    (void)state;
    gpf_graph *g = gpf_graph_alloc();
    const double table[] = { 1, 2, 3, 4, 5, 6 };
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 3)), n = gpf_size(g, X, 1),
                   inverse = gpf_div(g, gpf_const(g, 1), n),
                   k = gpf_exp(g, gpf_const_tensor(g, gpf_shape2(2, 3), table)),
                   y = gpf_sum(g, gpf_mul(g, X, gpf_mul(g, inverse, gpf_sum(g, k, 1))), 2);
    const gpf_node outputs[] = { y, inverse, k };
    gpf_plan *p = gpf_plan_alloc(g, outputs, 3, 4);
    assert_int_equal(p->n_once, 3); /* exp, sum, mul; 1/N is known when the plan is made */
    gpf_workspace *ws = gpf_workspace_alloc(p);
    gpf_point *at = gpf_point_alloc(g, 4);
    double x[4 * 3];
    for (int run = 0; run < 3; run++) {
        for (size_t i = 0; i < COUNT(x); i++)
            x[i] = run + (double)i;
        gpf_point_bind(at, X, x);
        assert_int_equal(gpf_plan_run(p, ws, at), GSL_SUCCESS);
        const double *out = gpf_workspace_output(ws, 0);
        for (size_t i = 0; i < 4; i++) {
            double s = 0;
            for (size_t j = 0; j < 3; j++)
                s += x[i * 3 + j] * (exp(table[j]) + exp(table[3 + j])) / 4;
            assert_close(out[i], s, 1e-14, 0);
        }
        assert_true(gpf_workspace_output(ws, 1)[0] == 0.25);
        for (size_t i = 0; i < 6; i++)
            assert_close(gpf_workspace_output(ws, 2)[i], exp(table[i]), 1e-15, 0);
    }
    gpf_point_free(at);
    gpf_workspace_free(ws);
    gpf_plan_free(p);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fused_bits),
        cmocka_unit_test(test_layer),
        cmocka_unit_test(test_constants_once),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
