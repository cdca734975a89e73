/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every derivative rule of every op, right and with each fault in turn: the check must pass the
 * one and flag the other; in a graph, and of the row alone. */
#include "planted/plant.h"

#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Shapes and attributes for rows that are not elementwise. */
typedef struct setup {
    const char *name;
    int arity;
    gpf_shape x[2];
    gpf_attr attr;
    bool has_attr;
} setup;

static const setup setups[] = {
    { "sum", 1, { { 2, { 3, 4, 1, 1 } } }, { .k = { 1 } }, true },
    { "max", 1, { { 2, { 3, 4, 1, 1 } } }, { .k = { 2 } }, true },
    { "logsumexp", 1, { { 2, { 3, 4, 1, 1 } } }, { .k = { 2 } }, true },
    { "softmax", 1, { { 2, { 3, 3, 1, 1 } } }, { .k = { -1 } }, true },
    { "log_softmax", 1, { { 2, { 3, 3, 1, 1 } } }, { .k = { -1 } }, true },
    { "matmul", 2, { { 2, { 3, 3, 1, 1 } }, { 2, { 3, 3, 1, 1 } } }, { .k = { 0 } }, false },
    { "transpose", 1, { { 2, { 3, 3, 1, 1 } } }, { .k = { 0 } }, false },
    { "diag", 1, { { 1, { 4, 1, 1, 1 } } }, { .k = { 0 } }, false },
    { "diag_part", 1, { { 2, { 4, 4, 1, 1 } } }, { .k = { 0 } }, false },
    { "trace", 1, { { 2, { 4, 4, 1, 1 } } }, { .k = { 0 } }, false },
    { "reshape", 1, { { 2, { 3, 4, 1, 1 } } }, { .k = { 2, 6, 2 } }, true },
    { "broadcast", 1, { { 2, { 1, 4, 1, 1 } } }, { .k = { 2, 3, 4 } }, true },
    { "slice", 1, { { 2, { 4, 4, 1, 1 } } }, { .k = { 1, 0, 0, 0, 2, 3 } }, true },
    { "pad", 1, { { 2, { 3, 2, 1, 1 } } }, { .k = { 1, 2, 0, 0, 5, 5 } }, true },
    { "concat", 2, { { 2, { 3, 3, 1, 1 } }, { 2, { 2, 3, 1, 1 } } }, { .k = { 0 } }, true },
};

static const setup *find_setup(const char *name)
{
    for (size_t i = 0; i < sizeof setups / sizeof *setups; i++)
        if (!strcmp(setups[i].name, name))
            return &setups[i];
    return NULL;
}

/* f = sum(weights * tanh(op(x..)) + x^2 / 10): cotangents neither 0 nor 1 nor equal, and every
 * input reaches f beside the op too, as in a residual net. Returns the check, run. */
static gpf_check *run(const gpf_op *op, const gpf_op *like, gpf_graph **graph, gpf_point **point)
{
    const setup *s = like->map ? NULL : find_setup(like->name);
    const int n = s ? s->arity : like->arity;
    gpf_graph *g = *graph = gpf_graph_alloc();
    gpf_node x[2], f = gpf_const(g, 0);
    for (int i = 0; i < n; i++) {
        const char *const names[] = { "a", "b" };
        x[i] = gpf_param(g, names[i], s ? s->x[i] : gpf_shape2(3, 3));
        f = gpf_add(g, f, gpf_mul(g, gpf_const(g, 0.1), gpf_sum(g, gpf_square(g, x[i]), -1)));
    }
    const gpf_node y = gpf_apply(g, op, x, n, s && s->has_attr ? &s->attr : NULL);
    gsl_rng *r = gsl_rng_alloc(gsl_rng_mt19937);
    if (y != GPF_POISON) {
        const gpf_shape shape = gpf_node_shape(g, y);
        double w[64];
        for (size_t i = 0; i < gpf_shape_size(shape, 1); i++)
            w[i] = 0.4 + 1.3 * gsl_rng_uniform(r);
        f = gpf_add(g, f,
                    gpf_sum(g, gpf_mul(g, gpf_const_tensor(g, shape, w), gpf_tanh(g, y)), -1));
    }
    gpf_point *at = *point = gpf_point_alloc(g, 0);
    const bool unset = like->lo == 0 && like->hi == 0;
    const double lo = unset ? -2 : like->lo, hi = unset ? 2 : like->hi;
    for (size_t i = 0; i < gpf_graph_n_params(g); i++)
        gsl_vector_set(gpf_point_params(at), i, lo + (hi - lo) * gsl_rng_uniform_pos(r));
    gsl_rng_free(r);
    gpf_diag why;
    gpf_check *c = gpf_check_alloc(g, f, x, NULL, (size_t)n, 0, 1, &why);
    if (!c || gpf_check_run(c, at, NULL, &why)) {
        printf("# %s: %s\n", op->name, why.text);
        gpf_check_free(c);
        return NULL;
    }
    return c;
}

static void free_run(gpf_check *c, gpf_graph *g, gpf_point *at)
{
    gpf_check_free(c);
    gpf_point_free(at);
    gpf_graph_free(g);
}

/* The row alone. */
static gpf_op_check *run_alone(const gpf_op *op, const gpf_op *like)
{
    const setup *s = like->map ? NULL : find_setup(like->name);
    const gpf_shape square[] = { gpf_shape2(3, 3), gpf_shape2(3, 3) };
    gpf_diag why;
    gpf_op_check *c = gpf_check_op(op,
                                   &(gpf_op_options){ .attr = s && s->has_attr ? &s->attr : NULL,
                                                      .n_x = s ? s->arity : 0,
                                                      .shapes = s ? s->x : square,
                                                      .n_shapes = 1,
                                                      .points = 1,
                                                      .seed = 3 },
                                   &why);
    if (!c)
        printf("# %s: %s\n", op->name, why.text);
    return c;
}

/* Is the rule of that input what is accused? */
static bool names_rule(const gpf_op_check *c, int slot)
{
    bool named = false;
    for (size_t i = 0; c && i < gpf_op_check_n_cases(c); i++) {
        const gpf_op_case *e = gpf_op_check_case(c, i);
        named = named || (e->verdict == GPF_WRONG && e->input == slot &&
                          (!strcmp(e->aspect, "vjp") || !strcmp(e->aspect, "beside edges")));
    }
    return named;
}

static void print_wrong(const gpf_op_check *c)
{
    for (size_t i = 0; c && i < gpf_op_check_n_cases(c); i++) {
        const gpf_op_case *e = gpf_op_check_case(c, i);
        if (e->verdict == GPF_WRONG || e->verdict == GPF_UNRESOLVED)
            printf("#   %s of input %d: %s\n", e->aspect, e->input, e->text);
    }
}

int main(void)
{
    size_t alone = 0, named = 0;
    size_t rules = 0, innocent = 0, planted = 0, flagged = 0, missing = 0;
    for (size_t i = 0; gpf_op_at(i); i++) {
        const gpf_op *op = gpf_op_at(i);
        if (!op->vjp[0])
            continue; /* piecewise constant: no rule to be wrong */
        if (!op->map && !find_setup(op->name)) {
            printf("# %s has no setup in this test\n", op->name);
            missing++;
            continue;
        }
        gpf_graph *g;
        gpf_point *at;
        gpf_check *right = run(op, op, &g, &at);
        rules++;
        innocent += right && gpf_check_outcome(right) == GPF_OUTCOME_RIGHT;
        if (!right || gpf_check_outcome(right) != GPF_OUTCOME_RIGHT)
            printf("# %s: right, but accused\n", op->name);
        gpf_op_check *row = run_alone(op, op);
        alone += row && gpf_op_check_outcome(row) == GPF_OUTCOME_RIGHT;
        if (!row || gpf_op_check_outcome(row) != GPF_OUTCOME_RIGHT) {
            printf("# %s: right, but accused alone\n", op->name);
            print_wrong(row);
        }
        gpf_op_check_free(row);
        for (int slot = 0; slot < 2 && op->vjp[slot]; slot++)
            for (size_t k = 0; k < N_FAULTS; k++) {
                planted_op bad;
                plant_make(&bad, op, slot, &faults[k]);
                gpf_graph *bad_g;
                gpf_point *bad_at;
                gpf_check *c = run(&bad.op, op, &bad_g, &bad_at);
                /* Does the fault change a value? The transpose of a symmetric one does not. */
                double most = 0;
                for (size_t e = 0; c && right && e < gpf_check_n_elements(c); e++)
                    most = fmax(most, fabs(gpf_check_element(c, e)->analytic -
                                           gpf_check_element(right, e)->analytic));
                if (bad.used && most > 1e-9) {
                    planted++;
                    if (gpf_check_outcome(c) == GPF_OUTCOME_WRONG)
                        flagged++;
                    else
                        printf("# %s input %d: %s not flagged (differs by %g)\n", op->name, slot,
                               faults[k].name, most);
                    gpf_op_check *bad_row = run_alone(&bad.op, op);
                    named += names_rule(bad_row, slot);
                    if (!names_rule(bad_row, slot)) {
                        printf("# %s input %d: %s not flagged alone\n", op->name, slot,
                               faults[k].name);
                        print_wrong(bad_row);
                    }
                    gpf_op_check_free(bad_row);
                }
                free_run(c, bad_g, bad_at);
            }
        free_run(right, g, at);
    }
    printf(
        "1..5\n# %zu ops with rules, %zu passed; %zu faults planted, %zu flagged, %zu of the row "
        "alone\n",
        rules, innocent, planted, flagged, named);
    const struct {
        bool ok;
        const char *what;
    } results[] = {
        { missing == 0, "every op with a rule is in this test" },
        { innocent == rules && rules > 30, "no right rule accused" },
        { planted == flagged && planted > 5 * rules, "every planted fault flagged" },
        { alone == rules, "no right row accused" },
        { named == planted, "every planted fault flagged and named by the check of the row" },
    };
    bool ok = true;
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        printf("%s %zu - %s\n", results[i].ok ? "ok" : "not ok", i + 1, results[i].what);
        ok = ok && results[i].ok;
    }
    return !ok;
}
