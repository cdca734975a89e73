/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "help.h"
#include "plan/plan.h"

/* A tensor of random sizes whose axes lie in a random order in memory. */
static gpf_tensor random_tensor(dice *d, double *data)
{
    gpf_tensor t = { .data = data, .rank = below(d, 5), .dim = { 1, 1, 1, 1 } };
    int axis[GPF_MAX_RANK] = { 0, 1, 2, 3 };
    for (int a = 0; a < t.rank; a++)
        t.dim[a] = (size_t)1 + (size_t)below(d, 5);
    for (int a = 0; a < t.rank; a++) {
        const int b = below(d, t.rank), swap = axis[a];
        axis[a] = axis[b];
        axis[b] = swap;
    }
    ptrdiff_t s = 1;
    for (int a = 0; a < t.rank; a++) {
        t.stride[axis[a]] = s;
        s *= (ptrdiff_t)t.dim[axis[a]];
    }
    return t;
}

static ptrdiff_t offset_of(const gpf_tensor *t, const size_t *i)
{
    ptrdiff_t at = 0;
    for (int a = 0; a < t->rank; a++)
        at += (ptrdiff_t)i[a] * t->stride[a];
    return at;
}

static bool next_index(const gpf_tensor *t, size_t *i)
{
    for (int a = t->rank; a-- > 0; i[a] = 0)
        if (++i[a] < t->dim[a])
            return true;
    return false;
}

/* Any layout, any repeated axis, read in any other layout's order, in any pieces. */
static void test_walk(void **state)
{
    (void)state;
    dice d = { 1 };
    double x[5 * 5 * 5 * 5], y[COUNT(x)], z[COUNT(x)];
    fill(&d, x, COUNT(x), -1, 1);
    for (int round = 0; round < 3000; round++) {
        gpf_tensor to = random_tensor(&d, y), from = to;
        const gpf_tensor other = random_tensor(&d, x);
        from.data = x;
        gpf__tensor_dense(&from);
        if (other.rank == to.rank && !memcmp(other.dim, to.dim, sizeof to.dim))
            from = other;
        for (int a = 0; a < to.rank; a++)
            if (below(&d, 4) == 0)
                from.stride[a] = 0;
        const size_t n = gpf__tensor_size(&to);
        const gpf__walk w = gpf__walk_make(&from, &to);
        for (size_t at = 0, m; at < n; at += m) {
            m = 1 + (size_t)below(&d, (int)(n - at));
            gpf__walk_read(y + at, x, &w, at, m);
        }
        size_t i[GPF_MAX_RANK] = { 0 };
        do
            assert_true(y[offset_of(&to, i)] == x[offset_of(&from, i)]);
        while (next_index(&to, i));
        to.data = z;
        gpf__layout_copy(&to, &from);
        assert_memory_equal(y, z, n * sizeof(double));
        if (gpf__linear(&from, &to))
            assert_memory_equal(y, x, n * sizeof(double));
    }
}

/* Neighbouring axes that lie behind one another are one. */
static void test_walk_merges(void **state)
{
    (void)state;
    gpf_tensor t = { .rank = 4, .dim = { 3, 1, 4, 5 } };
    gpf__tensor_dense(&t);
    gpf_tensor flat = t;
    assert_int_equal(gpf__walk_make(&t, &t).n, 1);
    assert_int_equal(gpf__walk_make(&t, &t).count[0], 60);
    flat.stride[0] = flat.stride[2] = flat.stride[3] = 0;
    const gpf__walk w = gpf__walk_make(&flat, &t);
    assert_int_equal(w.n, 1);
    assert_int_equal(w.stride[0], 0);
    flat.stride[3] = 1; /* a row, repeated */
    assert_int_equal(gpf__walk_make(&flat, &t).n, 2);
}

/* Every step of a plan that keeps its values, run alone, gives again what the run gave; sides are
 * in row-major order though the values are not. */
static void test_single_steps(void **state)
{
    (void)state;
    enum { N = 300, C = 3 };
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, C)),
                   b = gpf_param(g, "b", gpf_shape2(1, C)), W = gpf_param(g, "W", gpf_shape2(C, C));
    const gpf_node e = gpf_mul(g, gpf_exp(g, gpf_broadcast(g, b, gpf_shape2(GPF_N, C))), X),
                   r = gpf_relu(g, e), s = gpf_softmax(g, gpf_matmul(g, r, W)),
                   y = gpf_sum(g, gpf_add(g, s, gpf_mul(g, r, b)), GPF_ALL_AXES);
    gpf_plan *p;
    assert_int_equal(gpf__plan_make(g, &y, 1, N, NULL, 0, true, &p), GSL_SUCCESS);
    gpf_workspace *ws = gpf_workspace_alloc(p);
    gpf_point *at = gpf_point_alloc(g, N);
    static double x[N * C], before[N * C], margin[N * C];
    static int side[N * C];
    dice d = { 4 };
    fill(&d, x, COUNT(x), -1, 1);
    fill(&d, theta(at), C + C * C, -1, 1);
    gpf_point_bind(at, X, x);
    assert_int_equal(gpf_plan_run(p, ws, at), GSL_SUCCESS);
    for (int i = 0; i < p->n_step; i++) {
        const gpf__step *step = &p->step[i];
        gpf_tensor *t = &ws->t[step->value];
        const size_t n = gpf__tensor_size(t);
        memcpy(before, t->data, n * sizeof(double));
        fill(&d, t->data, n, 5, 6);
        gpf__step_run(p, step, ws->t, &ws->frame);
        assert_memory_equal(t->data, before, n * sizeof(double));
        if (p->value[step->value].node != r)
            continue;
        gpf__step_sides(p, step, ws->t, &ws->frame, side, margin);
        for (size_t k = 0; k < N; k++)
            for (size_t c = 0; c < C; c++) {
                const double z = exp(theta(at)[c]) * x[k * C + c];
                assert_int_equal(side[k * C + c], z > 0 ? 2 : 0);
                assert_close(margin[k * C + c], fabs(z), 1e-15, 0);
            }
    }
    assert_true(gpf__linear(&ws->t[p->n_value - 1], &ws->t[p->n_value - 1]));
    gpf_point_free(at);
    gpf_workspace_free(ws);
    gpf_plan_free(p);
    gpf_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_walk_merges),
        cmocka_unit_test(test_single_steps),
    };
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
