/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gpf_check_op: rows that are right, and the same with one fault each, which must be found and named
 * as what it is. */
#include "help.h"

/* Right rows.
 *
 * bend: 0.25 (x - 0.3) below 0.3, x - 0.3 above. */
static double bend(double u)
{
    return u < 0.3 ? 0.25 * (u - 0.3) : u - 0.3;
}

static void bend_map(size_t n, double *y, const double *const *x, const gpf_attr *attr)
{
    (void)attr;
    for (size_t j = 0; j < n; j++)
        y[j] = bend(x[0][j]);
}

static void bend_side(size_t n, int *side, double *margin, const double *const *x,
                      const gpf_attr *attr)
{
    (void)attr;
    for (size_t j = 0; j < n; j++) {
        side[j] = x[0][j] < 0.3 ? 0 : x[0][j] > 0.3 ? 2 : 1;
        margin[j] = fabs(x[0][j] - 0.3);
    }
}

static int bend_moved(size_t n, const double *const *x, const double *const *x0,
                      const gpf_attr *attr)
{
    (void)attr;
    for (size_t j = 0; j < n; j++)
        if ((x[0][j] > 0.3) - (x[0][j] < 0.3) != (x0[0][j] > 0.3) - (x0[0][j] < 0.3))
            return 1;
    return 0;
}

static gpf_node number(const gpf_rule_args *r, double c)
{
    return gpf_const(r->g, c);
}

/* The slope, with `at` of the way from 0.25 to 1 on the edge. */
static gpf_node bend_slope(const gpf_rule_args *r, double at)
{
    const gpf_node above = gpf_step(r->g, gpf_sub(r->g, r->x[0], number(r, 0.3)), at);
    return gpf_add(r->g, number(r, 0.25), gpf_mul(r->g, number(r, 0.75), above));
}

static gpf_node bend_vjp(const gpf_rule_args *r)
{
    return gpf_mul(r->g, r->bar, bend_slope(r, 0));
}

static gpf_node bend_jvp(const gpf_rule_args *r)
{
    return gpf_mul(r->g, bend_slope(r, 0), r->bar);
}

static const gpf_op bend_row = { .name = "bend",
                                 .arity = 1,
                                 .formula = "0.25 (x - 0.3) below 0.3, x - 0.3 above",
                                 .map = bend_map,
                                 .vjp = { bend_vjp },
                                 .jvp = { bend_jvp },
                                 .side = bend_side,
                                 .moved = bend_moved,
                                 .pieces = "below|above",
                                 .tie = "0.25 at x = 0.3" };

/* wave: sin(a) b + b, smooth, of two inputs. */
static void wave_map(size_t n, double *y, const double *const *x, const gpf_attr *attr)
{
    (void)attr;
    for (size_t j = 0; j < n; j++)
        y[j] = sin(x[0][j]) * x[1][j] + x[1][j];
}

static gpf_node wave_vjp0(const gpf_rule_args *r)
{
    return gpf_mul(r->g, r->bar, gpf_mul(r->g, gpf_cos(r->g, r->x[0]), r->x[1]));
}

static gpf_node wave_vjp1(const gpf_rule_args *r)
{
    return gpf_mul(r->g, r->bar, gpf_add(r->g, gpf_sin(r->g, r->x[0]), number(r, 1)));
}

static const gpf_op wave_row = { .name = "wave",
                                 .arity = 2,
                                 .formula = "sin(a) b + b",
                                 .map = wave_map,
                                 .vjp = { wave_vjp0, wave_vjp1 },
                                 .jvp = { wave_vjp0, wave_vjp1 } };

/* energy: half the sum of squares of every row of a matrix, m x n to m. */
static int energy_shape(const gpf_shape *x, int n_x, const gpf_attr *attr, gpf_shape *y, char *why,
                        size_t size)
{
    (void)n_x, (void)attr, (void)size;
    strcpy(why, "a matrix is expected");
    if (x->rank != 2)
        return GPF_ESHAPE;
    *y = gpf_shape1(x->dim[0]);
    return GSL_SUCCESS;
}

static double element(const gpf_tensor *t, size_t i, size_t j)
{
    return t->data[(ptrdiff_t)i * t->stride[0] + (ptrdiff_t)j * t->stride[1]];
}

static double energy_of(const gpf_tensor *x, size_t i)
{
    double sum = 0;
    for (size_t j = 0; j < x->dim[1]; j++)
        sum += element(x, i, j) * element(x, i, j) / 2;
    return sum;
}

static void energy_eval(const gpf_call *c)
{
    for (size_t i = 0; i < c->y->dim[0]; i++)
        c->y->data[i] = energy_of(c->x[0], i);
}

/* bar, m, as a column of x's width */
static gpf_node column(const gpf_rule_args *r, gpf_node bar)
{
    const gpf_shape s = gpf_node_shape(r->g, r->x[0]);
    return gpf_broadcast(r->g, gpf_reshape(r->g, bar, gpf_shape2(s.dim[0], 1)), s);
}

static gpf_node energy_vjp(const gpf_rule_args *r)
{
    return gpf_mul(r->g, column(r, r->bar), r->x[0]);
}

static gpf_node energy_jvp(const gpf_rule_args *r)
{
    return gpf_reshape(r->g, gpf_sum(r->g, gpf_mul(r->g, r->x[0], r->bar), 2),
                       gpf_node_shape(r->g, r->y));
}

static const gpf_op energy_row = { .name = "energy",
                                   .arity = 1,
                                   .formula = "half the sum of squares of a row",
                                   .shape = energy_shape,
                                   .eval = energy_eval,
                                   .vjp = { energy_vjp },
                                   .jvp = { energy_jvp } };

/* Numeric rules: cube's cotangent is a kernel of a row of its own, whose cotangents are nodes. */
static void cube_map(size_t n, double *y, const double *const *x, const gpf_attr *attr)
{
    (void)attr;
    for (size_t j = 0; j < n; j++)
        y[j] = x[0][j] * x[0][j] * x[0][j];
}

static void cube_back_map(size_t n, double *y, const double *const *x, const gpf_attr *attr)
{
    (void)attr;
    for (size_t j = 0; j < n; j++)
        y[j] = 3 * x[0][j] * x[0][j] * x[1][j];
}

static gpf_node cube_back_vjp0(const gpf_rule_args *r)
{
    return gpf_mul(r->g, r->bar, gpf_mul(r->g, number(r, 6), gpf_mul(r->g, r->x[0], r->x[1])));
}

static gpf_node cube_back_vjp1(const gpf_rule_args *r)
{
    return gpf_mul(r->g, r->bar, gpf_mul(r->g, number(r, 3), gpf_square(r->g, r->x[0])));
}

static const gpf_op cube_back_row = { .name = "cube_back",
                                      .arity = 2,
                                      .formula = "3 a^2 b",
                                      .map = cube_back_map,
                                      .vjp = { cube_back_vjp0, cube_back_vjp1 } };

static gpf_node cube_vjp(const gpf_rule_args *r)
{
    const gpf_node in[] = { r->x[0], r->bar };
    return gpf_apply(r->g, &cube_back_row, in, 2, NULL);
}

static const gpf_op cube_row = {
    .name = "cube", .arity = 1, .formula = "x^3", .map = cube_map, .vjp = { cube_vjp }
};

static void print(const gpf_op_check *c)
{
    for (size_t i = 0; i < gpf_op_check_n_cases(c); i++) {
        const gpf_op_case *e = gpf_op_check_case(c, i);
        if (e->text[0])
            print_message("# %s of input %d: %s: %s\n", e->aspect, e->input,
                          gpf_verdict_name(e->verdict), e->text);
    }
}

static gpf_op_check *check(const gpf_op *op, unsigned long seed)
{
    gpf_diag why = { 0 };
    gpf_op_check *c = gpf_check_op(op, &(gpf_op_options){ .seed = seed, .points = 2 }, &why);
    if (!c)
        fail_msg("%s: %d %s", op->name, why.status, why.text);
    return c;
}

static const gpf_op_case *find(const gpf_op_check *c, const char *aspect, int input)
{
    for (size_t i = 0; i < gpf_op_check_n_cases(c); i++) {
        const gpf_op_case *e = gpf_op_check_case(c, i);
        if (!strcmp(e->aspect, aspect) && e->input == input)
            return e;
    }
    return NULL;
}

static void test_right(void **state)
{
    (void)state;
    static const gpf_op *const rows[] = { &bend_row, &wave_row, &energy_row, &cube_row,
                                          &cube_back_row };
    for (size_t i = 0; i < COUNT(rows); i++)
        for (unsigned long seed = 1; seed <= 12; seed++) {
            gpf_op_check *c = check(rows[i], seed);
            if (gpf_op_check_outcome(c) != GPF_OUTCOME_RIGHT) {
                print(c);
                fail_msg("%s, seed %lu: outcome %d", rows[i]->name, seed, gpf_op_check_outcome(c));
            }
            assert_int_equal(find(c, "vjp", 0)->verdict, GPF_RIGHT);
            assert_true(find(c, "vjp", 0)->tried > 4);
            gpf_op_check_free(c);
        }
    gpf_op_check *c = check(&bend_row, 1);
    assert_int_equal(find(c, "edges", 0)->verdict, GPF_KINK);
    assert_int_equal(find(c, "margin", 0)->verdict, GPF_RIGHT);
    assert_int_equal(find(c, "moved", -1)->verdict, GPF_RIGHT);
    assert_int_equal(find(c, "in place", 0)->verdict, GPF_RIGHT);
    gpf_op_check_free(c);
    c = check(&cube_row, 1);
    assert_int_equal(find(c, "second", 0)->verdict, GPF_RIGHT);
    assert_int_equal(find(c, "jvp", 0)->verdict, GPF_VACUOUS);
    gpf_op_check_free(c);
}

/* Faults. Each is a function that spoils a row. */
#define SPOIL(name, like, change) \
    static gpf_op name(void)      \
    {                             \
        gpf_op op = like;         \
        change;                   \
        return op;                \
    }
#define KERNEL(name, body)                                                                    \
    static void name##_map(size_t n, double *y, const double *const *x, const gpf_attr *attr) \
    {                                                                                         \
        (void)attr;                                                                           \
        body                                                                                  \
    }
#define SPOILED_MAP(name, body) \
    KERNEL(name, body)          \
    SPOIL(name, bend_row, op.map = name##_map)

SPOILED_MAP(reads_neighbour, for (size_t j = 0; j < n; j++)
                                 y[j] = bend(x[0][j]) + (j + 1 < n ? 1e-3 * x[0][j + 1] : 0);)
SPOILED_MAP(reads_past_end,
            for (size_t j = 0; j < n; j++) y[j] = bend(x[0][j]) + 1e-3 * x[0][j + 1];)
SPOILED_MAP(writes_past_end, bend_map(n, y, x, attr); y[n] = 0;)
SPOILED_MAP(writes_before, bend_map(n, y, x, attr); y[-1] = 1;)
SPOILED_MAP(leaves_last, bend_map(n > 1 ? n - 1 : n, y, x, attr);)
SPOILED_MAP(accumulates, for (size_t j = 0; j < n; j++) y[j] += bend(x[0][j]);)
SPOILED_MAP(two_passes, for (size_t j = 0; j < n; j++) y[j] = x[0][j] < 0.3 ? 0.25 : 1;
            for (size_t j = 0; j < n; j++) y[j] *= x[0][j] - 0.3;)
static int calls;
SPOILED_MAP(counts, bend_map(n, y, x, attr); y[0] += 1e-9 * calls++;)
static double last;
SPOILED_MAP(remembers, bend_map(n, y, x, attr); y[0] += last == x[0][n - 1] ? 0 : 1e-7;
            last = x[0][n - 1];)
SPOILED_MAP(writes_to_x, bend_map(n, y, x, attr); ((double *)(size_t)x[0])[0] = 3;)
SPOILED_MAP(in_vectors, bend_map(n, y, x, attr);
            for (size_t j = 0; j < n - n % 4; j++) y[j] *= 1 + 1e-9;)

#define SIDE(name, body)                                                                 \
    static void name##_side(size_t n, int *side, double *margin, const double *const *x, \
                            const gpf_attr *attr)                                        \
    {                                                                                    \
        bend_side(n, side, margin, x, attr);                                             \
        for (size_t j = 0; j < n; j++) {                                                 \
            const double u = x[0][j];                                                    \
            (void)u;                                                                     \
            body                                                                         \
        }                                                                                \
    }                                                                                    \
    SPOIL(name, bend_row, op.side = name##_side; op.moved = NULL)

SIDE(side_elsewhere, side[j] = u < 0 ? 0 : u > 0 ? 2 : 1; margin[j] = fabs(u);)
SIDE(margin_twice, margin[j] *= 2;)
SIDE(margin_half, margin[j] *= 0.5;)
SIDE(margin_on_edge, if (side[j] == 1) margin[j] = 1;)
SIDE(side_last, if (j > 0 && j == n - 1) side[j] = -77777;)
SIDE(side_past_end, side[n] = 0;)
SIDE(side_negative, side[j] = side[j] == 0 ? -2 : side[j];)
SIDE(side_unnamed, side[j] *= 2; if (side[j] == 2) side[j] = 1;)
SPOIL(no_side, bend_row, op.side = NULL; op.moved = NULL; op.tie = op.pieces = NULL)

static int never_moved(size_t n, const double *const *x, const double *const *x0,
                       const gpf_attr *attr)
{
    (void)n, (void)x, (void)x0, (void)attr;
    return 0;
}
static int always_moved(size_t n, const double *const *x, const double *const *x0,
                        const gpf_attr *attr)
{
    (void)n, (void)x, (void)x0, (void)attr;
    return 1;
}
static int moved_but_edge(size_t n, const double *const *x, const double *const *x0,
                          const gpf_attr *attr)
{
    (void)attr;
    for (size_t j = 0; j < n; j++)
        if ((x[0][j] < 0.3) != (x0[0][j] < 0.3))
            return 1;
    return 0;
}
SPOIL(moved_never, bend_row, op.moved = never_moved)
SPOIL(moved_always, bend_row, op.moved = always_moved)
SPOIL(moved_not_onto_edge, bend_row, op.moved = moved_but_edge)

/* Flags. */
SPOIL(no_step, bend_row, op.flags = GPF_OP_STEP; op.vjp[0] = op.jvp[0] = NULL)
SPOIL(no_commuting, wave_row, op.flags = GPF_OP_COMMUTES)
SPOIL(no_shift, wave_row, op.flags = GPF_OP_SHIFTS)
SPOIL(not_linear, energy_row, op.flags = GPF_OP_LINEAR)
SPOIL(not_single, energy_row, op.flags = GPF_OP_SINGLE)
SPOIL(unknown_flag, wave_row, op.flags = 1u << 20)

/* Stand-ins. */
static gpf_node folds_one(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    double c;
    (void)attr;
    return gpf_node_is_const(g, x[1], &c) && c == 1 ? gpf_sin(g, x[0]) : GPF_NONE;
}
static gpf_node folds_to_scalar(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    (void)attr;
    return gpf_sum(g, x[0], GPF_ALL_AXES);
}
static gpf_node folds_to_nothing(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    (void)g, (void)x, (void)attr;
    return 12345;
}
static gpf_node folds_everything(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    (void)attr;
    return gpf_mul(g, gpf_sin(g, x[0]), x[1]);
}
static gpf_node wrong_twin(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    int n_x;
    (void)attr;
    return gpf_node_op(g, x[0]) == gpf_op_find("exp", 1)
               ? gpf_softplus(g, gpf_node_inputs(g, x[0], &n_x)[0])
               : GPF_NONE;
}
SPOIL(fold_of_one, wave_row, op.fold = folds_one)
SPOIL(fold_to_scalar, wave_row, op.fold = folds_to_scalar)
SPOIL(fold_to_nothing, wave_row, op.fold = folds_to_nothing)
SPOIL(fold_of_all, wave_row, op.fold = folds_everything)
SPOIL(twin, bend_row, op.stable = wrong_twin)

/* Kernels of whole tensors, and shapes. */
#define EVAL(name, body)                           \
    static void name##_eval(const gpf_call *c)     \
    {                                              \
        const gpf_tensor *const x = c->x[0];       \
        double *const y = c->y->data;              \
        const size_t m = x->dim[0], n = x->dim[1]; \
        (void)n;                                   \
        body                                       \
    }                                              \
    SPOIL(name, energy_row, op.eval = name##_eval)
#define ENERGY                     \
    for (size_t i = 0; i < m; i++) \
        y[i] = energy_of(x, i);

EVAL(
    ignores_strides, for (size_t i = 0; i < m; i++) {
        y[i] = 0;
        for (size_t j = 0; j < n; j++)
            y[i] += x->data[i * n + j] * x->data[i * n + j] / 2;
    })
EVAL(
    ignores_a_stride, for (size_t i = 0; i < m; i++) {
        y[i] = 0;
        for (size_t j = 0; j < n; j++)
            y[i] += x->data[(ptrdiff_t)i * x->stride[0] + (ptrdiff_t)j] *
                    x->data[(ptrdiff_t)i * x->stride[0] + (ptrdiff_t)j] / 2;
    })
EVAL(eval_past_end, ENERGY y[m] = 0;)
EVAL(eval_adds, for (size_t i = 0; i < m; i++) y[i] += energy_of(x, i);)
EVAL(eval_leaves_last, for (size_t i = 0; i + (m > 1) < m; i++) y[i] = energy_of(x, i);)
EVAL(eval_writes_to_x, ENERGY x->data[0] = 0;)
EVAL(eval_reads_on, ENERGY y[0] += 1e-3 * x->data[m * n];)

static void scratch_eval(const gpf_call *c)
{
    for (size_t i = 0; i < c->y->dim[0]; i++)
        c->scratch[i] = energy_of(c->x[0], i);
    memcpy(c->y->data, c->scratch, c->y->dim[0] * sizeof(double));
}
static size_t one_double(const gpf_call *c)
{
    (void)c;
    return 1;
}
static void dirty_eval(const gpf_call *c)
{
    energy_eval(c);
    c->y->data[0] += 1e-9 * c->scratch[0];
}
SPOIL(small_scratch, energy_row, op.eval = scratch_eval; op.scratch = one_double)
SPOIL(dirty_scratch, energy_row, op.eval = dirty_eval; op.scratch = one_double)

/* 2 x, m x n, row by row whatever y's strides are */
static int same_shape(const gpf_shape *x, int n_x, const gpf_attr *attr, gpf_shape *y, char *why,
                      size_t size)
{
    (void)n_x, (void)attr, (void)why, (void)size;
    strcpy(why, "a matrix is expected");
    *y = *x;
    return x->rank == 2 ? GSL_SUCCESS : GPF_ESHAPE;
}
static void doubled_eval(const gpf_call *c)
{
    const gpf_tensor *x = c->x[0];
    for (size_t i = 0; i < x->dim[0]; i++)
        for (size_t j = 0; j < x->dim[1]; j++)
            c->y->data[i * x->dim[1] + j] = 2 * element(x, i, j);
}
static gpf_node doubled_vjp(const gpf_rule_args *r)
{
    return gpf_mul(r->g, number(r, 2), r->bar);
}
static const gpf_op doubled_row = { .name = "doubled",
                                    .arity = 1,
                                    .formula = "2 x",
                                    .shape = same_shape,
                                    .eval = doubled_eval,
                                    .vjp = { doubled_vjp },
                                    .jvp = { doubled_vjp } };
SPOIL(not_strided, doubled_row, op.flags = GPF_OP_STRIDED)

static int offset_view(gpf_tensor *y, const gpf_tensor *x, const gpf_attr *attr, ptrdiff_t *offset)
{
    (void)attr;
    memcpy(y->stride, x->stride, sizeof y->stride);
    *offset = x->stride[0];
    return 1;
}
SPOIL(view_outside, doubled_row, op.view = offset_view; op.eval = NULL;
      op.vjp[0] = op.jvp[0] = NULL)

#define SHAPE(name, body)                                                                    \
    static int name##_shape(const gpf_shape *x, int n_x, const gpf_attr *attr, gpf_shape *y, \
                            char *why, size_t size)                                          \
    {                                                                                        \
        const int status = energy_shape(x, n_x, attr, y, why, size);                         \
        body return status;                                                                  \
    }                                                                                        \
    SPOIL(name, energy_row, op.shape = name##_shape)
SHAPE(shape_of_columns, if (!status) *y = gpf_shape1(x->dim[1]);)
SHAPE(shape_of_one, if (!status) *y = gpf_shape1(x->dim[0] == GPF_N ? 1 : x->dim[0]);)
SHAPE(shape_of_rank_7, if (!status) y->rank = 7;)
SHAPE(shape_of_size_0, if (!status) y->dim[0] = 0;)
static int asked;
SHAPE(shape_by_turns, if (!status && asked++ % 2) *y = gpf_shape2(x->dim[0], 1);)
SHAPE(shape_writes_on, if (status) memset(why, 'x', size + 8);)
SHAPE(shape_writes_x, ((gpf_shape *)(size_t)x)->dim[0] = 3;)

/* Rules. */
#define RULE_OF(name, like, slot, expression)           \
    static gpf_node name##_rule(const gpf_rule_args *r) \
    {                                                   \
        gpf_graph *const g = r->g;                      \
        (void)g;                                        \
        return expression;                              \
    }                                                   \
    SPOIL(name, like, op.vjp[slot] = name##_rule)

RULE_OF(rule_twice, wave_row, 1, gpf_mul(g, number(r, 2), wave_vjp1(r)))
RULE_OF(rule_none, wave_row, 0, GPF_NONE)
RULE_OF(rule_scalar, energy_row, 0, gpf_sum(g, energy_vjp(r), GPF_ALL_AXES))
RULE_OF(rule_poison, wave_row, 0, GPF_POISON)
RULE_OF(rule_unknown_node, wave_row, 0, 99999)
RULE_OF(rule_without_bar, wave_row, 1,
        gpf_add(g, gpf_sin(g, r->x[0]), gpf_broadcast(g, number(r, 1), gpf_node_shape(g, r->y))))
RULE_OF(rule_of_other, wave_row, 0, wave_vjp1(r))
RULE_OF(rule_that_fails, wave_row, 0, gpf_matmul(g, r->bar, gpf_const(g, 1)))
RULE_OF(rule_on_edge, bend_row, 0, gpf_mul(g, r->bar, bend_slope(r, 7)))
RULE_OF(rule_of_shared, wave_row, 0,
        r->x[0] == r->x[1] ? gpf_mul(g, number(r, 2), wave_vjp0(r)) : wave_vjp0(r))
RULE_OF(rule_of_leaves, energy_row, 0,
        gpf_node_is_data(g, r->x[0]) ? energy_vjp(r) : gpf_mul(g, number(r, 2), energy_vjp(r)))
RULE_OF(rule_at_zero, wave_row, 0, gpf_mul(g, gpf_div(g, r->x[0], r->x[0]), wave_vjp0(r)))
SPOIL(jvp_minus, wave_row, op.jvp[1] = wave_vjp0)

static gpf_node bad_back_vjp1(const gpf_rule_args *r)
{
    return gpf_mul(r->g, number(r, 2), cube_back_vjp1(r));
}
static const gpf_op bad_back_row = { .name = "cube_back",
                                     .arity = 2,
                                     .formula = "3 a^2 b",
                                     .map = cube_back_map,
                                     .vjp = { cube_back_vjp0, bad_back_vjp1 } };
RULE_OF(second_order, cube_row, 0,
        gpf_apply(g, &bad_back_row, (const gpf_node[]){ r->x[0], r->bar }, 2, NULL))

/* Right, whatever else may be said of them. */
KERNEL(single, for (size_t j = 0; j < n; j++) y[j] = (double)tanhf((float)x[0][j]);)
KERNEL(cancels, for (size_t j = 0; j < n; j++) y[j] = (1e7 + sin(x[0][j])) - 1e7;)
KERNEL(
    halves, for (size_t j = 0; j < n; j++) {
        double a = -10; /* of y^3 + y = x */
        double b = 10;
        while (b - a > 1e-7) {
            const double c = (a + b) / 2;
            *(c * c * c + c < x[0][j] ? &a : &b) = c;
        }
        y[j] = (a + b) / 2;
    })
KERNEL(inverse, for (size_t j = 0; j < n; j++) y[j] = 1 / x[0][j];)
KERNEL(by_fours,
       for (size_t j = 0; j < n; j++) y[j] = sin(x[0][j]) * (j < n - n % 4 ? 1 + 4e-16 : 1);)
/* row number b of a: any number will do */
KERNEL(chosen, for (size_t j = 0; j < n; j++) y[j] = x[1][j] > 1 ? sin(x[0][j]) : x[0][j];)

RULE_OF(single_op, cube_row, 0, gpf_mul(g, r->bar, gpf_sech2(g, r->x[0])))
RULE_OF(cancels_op, cube_row, 0, gpf_mul(g, r->bar, gpf_cos(g, r->x[0])))
RULE_OF(halves_op, cube_row, 0,
        gpf_div(g, r->bar, gpf_add(g, number(r, 1), gpf_mul(g, number(r, 3), gpf_square(g, r->y)))))
RULE_OF(inverse_op, cube_row, 0, gpf_neg(g, gpf_mul(g, r->bar, gpf_square(g, r->y))))
RULE_OF(chosen_op, cube_row, 0,
        gpf_mul(g, r->bar,
                gpf_add(g, number(r, 1),
                        gpf_mul(g, gpf_step(g, gpf_sub(g, r->x[1], number(r, 1)), 0),
                                gpf_sub(g, gpf_cos(g, r->x[0]), number(r, 1))))))
SPOIL(single_wrong, cancels_op(), op.map = single_map)

/* The row as it is written. */
static const gpf_op_param same_slot[] = { { "a", GPF_REAL, 0, 1 },
                                          { "b", GPF_REAL, 0, 1 },
                                          { NULL, 0, 0, 0 } };
static const gpf_op_param far_slot[] = { { "a", GPF_REAL, 2, 1 }, { NULL, 0, 0, 0 } };
SPOIL(params_overlap, wave_row, op.params = same_slot)
SPOIL(params_outside, wave_row, op.params = far_slot)
SPOIL(domain_crossed, wave_row, op.lo = 2; op.hi = 1)
SPOIL(two_kernels, wave_row, op.eval = energy_eval)
SPOIL(tie_without_side, wave_row, op.tie = "0")

static const struct fault {
    const char *name;
    gpf_op (*make)(void);
    const char *aspect;
    int input;
    const char *text; /* part of what is said */
} faults[] = {
    { "reads its neighbour", reads_neighbour, "strips", -1, "in a strip of" },
    { "reads past the end", reads_past_end, "reads inside", -1, "outside the tensors" },
    { "writes past the end", writes_past_end, "stays inside", -1, "was written to, 1 behind it" },
    { "writes before y", writes_before, "stays inside", -1, "was written to, 1 before it" },
    { "leaves the last element", leaves_last, "fills y", -1, "is not filled" },
    { "accumulates", accumulates, "fills y", -1, "accumulates" },
    { "two passes", two_passes, "in place", 0, "in the place of input 0" },
    { "static counter", counts, "deterministic", -1, "then" },
    { "static memory of x", remembers, "deterministic", -1, "" },
    { "writes to x", writes_to_x, "inputs untouched", 0, "input 0 was changed" },
    { "other code for fours", in_vectors, "strips", -1, "in a strip of" },
    { "side of another edge", side_elsewhere, "sides", 0, "no side changes" },
    { "margin twice too large", margin_twice, "margin", 0, "away" },
    { "margin half", margin_half, "margin", 0, "the nearest edge" },
    { "margin on the edge", margin_on_edge, "margin", 0, "0 is expected" },
    { "last side not filled", side_last, "sides", -1, "is not filled" },
    { "side past the end", side_past_end, "stays inside", -1, "beside side" },
    { "negative side", side_negative, "sides", -1, "side -2" },
    { "piece without a name", side_unnamed, "pieces", -1, "piece number 3" },
    { "no side", no_side, "smooth", 0, "from 0.25 to 1" },
    { "moved says no", moved_never, "moved", -1, "another piece" },
    { "moved says yes", moved_always, "moved", -1, "the same piece" },
    { "moved ignores the edge", moved_not_onto_edge, "moved", -1, "another piece" },
    { "STEP of a slope", no_step, "step", 0, "y changes by" },
    { "COMMUTES does not", no_commuting, "COMMUTES", -1, "f(b, a)" },
    { "SHIFTS does not", no_shift, "SHIFTS", -1, "the first input changes by" },
    { "LINEAR is not", not_linear, "LINEAR", 0, "not linear in input 0" },
    { "SINGLE is not", not_single, "SINGLE", -1, "as many elements" },
    { "unknown flag", unknown_flag, "row", -1, "a bit that means nothing" },
    { "fold of a constant", fold_of_one, "fold", -1, "stands in for it" },
    { "fold of another shape", fold_to_scalar, "plan", -1,
      "the fold rule of wave returned scalar" },
    { "fold to no node", fold_to_nothing, "plan", -1, "returned no node" },
    { "fold of everything", fold_of_all, "fold", -1, "in a plan" },
    { "wrong twin", twin, "stable", -1, "stands in for it" },
    { "ignores all strides", ignores_strides, "strides", -1, "the inputs lie" },
    { "ignores a stride", ignores_a_stride, "strides", -1, "the inputs lie" },
    { "eval past the end", eval_past_end, "stays inside", -1, "1 behind it" },
    { "eval accumulates", eval_adds, "fills y", -1, "accumulates" },
    { "eval leaves the last", eval_leaves_last, "fills y", -1, "not filled" },
    { "eval writes to x", eval_writes_to_x, "inputs untouched", 0, "was changed" },
    { "eval reads on", eval_reads_on, "reads inside", -1, "outside the tensors" },
    { "scratch too small", small_scratch, "stays inside", -1, "scratch" },
    { "scratch not filled", dirty_scratch, "reads inside", -1, "in scratch before" },
    { "STRIDED is not", not_strided, "strided y", -1, "" },
    { "view outside", view_outside, "stays inside", -1, "outside x" },
    { "shape of columns", shape_of_columns, "reads inside", -1, "outside the tensors" },
    { "shape forgets N", shape_of_one, "shape", -1, "where N is 3" },
    { "shape of rank 7", shape_of_rank_7, "shape", -1, "rank 7" },
    { "shape of size 0", shape_of_size_0, "shape", -1, "sizes 0" },
    { "shape by turns", shape_by_turns, "shape", -1, "when asked again" },
    { "shape writes past why", shape_writes_on, "shape", -1, "past the end of why" },
    { "shape writes to x", shape_writes_x, "shape", -1, "writes to x[0]" },
    { "vjp twice", rule_twice, "vjp", 1, "wrong" },
    { "vjp says nothing", rule_none, "vjp", 0, "" },
    { "vjp of another shape", rule_scalar, "vjp", 0, "returned scalar, expected" },
    { "vjp returns poison", rule_poison, "vjp", -1, "returned no node" },
    { "vjp returns no node", rule_unknown_node, "vjp", -1, "returned no node" },
    { "vjp without cotangent", rule_without_bar, "vjp", 1, "wrong" },
    { "vjp of the other input", rule_of_other, "vjp", 0, "wrong" },
    { "vjp that fails", rule_that_fails, "vjp", -1, "matmul" },
    { "vjp on the edge", rule_on_edge, "edges", 0, "on edges" },
    { "vjp where inputs are shared", rule_of_shared, "shared", 0, "wrong" },
    { "vjp where inputs are nodes", rule_of_leaves, "inside", 0, "wrong" },
    { "vjp NaN at 0", rule_at_zero, "special points", 0, "all 0" },
    { "vjp of a noisy kernel", single_wrong, "vjp", 0, "wrong" },
    { "jvp of the other input", jvp_minus, "jvp", 1, "wrong" },
    { "adjoint of the other input", jvp_minus, "adjoint", 1, "<J' u, v>" },
    { "vjp of the vjp", second_order, "second", -1, "wrong" },
    { "params overlap", params_overlap, "row", -1, "in the same place" },
    { "params outside", params_outside, "row", -1, "outside p[2]" },
    { "lo > hi", domain_crossed, "row", -1, "lo < hi" },
    { "two kernels", two_kernels, "row", -1, "one kernel" },
    { "tie without side", tie_without_side, "row", -1, "there is no side" },
};

static void test_faults(void **state)
{
    const struct fault *f = *state;
    for (unsigned long seed = 1; seed <= 2; seed++) {
        gpf_op op = f->make();
        gpf_op_check *c = check(&op, seed);
        const gpf_op_case *e = find(c, f->aspect, f->input);
        if (!e || e->verdict != GPF_WRONG || !strstr(e->text, f->text)) {
            print(c);
            fail_msg("seed %lu: no '%s' of input %d with '%s'", seed, f->aspect, f->input, f->text);
        }
        assert_int_equal(gpf_op_check_outcome(c), GPF_OUTCOME_WRONG);
        assert_int_equal(gpf_op_check_case(c, 0)->verdict, GPF_WRONG);
        print_message("# %s, %d: %s\n", e->aspect, e->input, e->text);
        gpf_op_check_free(c);
    }
}

static void test_not_accused(void **state)
{
    (void)state;
    static const struct {
        gpf_op (*make)(void);
        void (*map)(size_t n, double *y, const double *const *x, const gpf_attr *attr);
        int arity;
        const char *note; /* NULL: none */
    } rows[] = {
        { single_op, single_map, 1, "noise" },          { cancels_op, cancels_map, 1, "noise" },
        { halves_op, halves_map, 1, "noise" },          { inverse_op, inverse_map, 1, NULL },
        { cancels_op, by_fours_map, 1, "last digits" }, { chosen_op, chosen_map, 2, NULL },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        for (unsigned long seed = 1; seed <= 6; seed++) {
            gpf_op op = rows[i].make();
            op.map = rows[i].map;
            op.arity = rows[i].arity;
            gpf_op_check *c = check(&op, seed);
            if (gpf_op_check_outcome(c) != GPF_OUTCOME_RIGHT) {
                print(c);
                fail_msg("row %zu, seed %lu: outcome %d", i, seed, gpf_op_check_outcome(c));
            }
            const char *const notes[] = { "noise", "last digits" };
            for (size_t k = 0; k < COUNT(notes); k++) {
                const gpf_op_case *e = find(c, notes[k], strcmp(notes[k], "noise") ? -1 : 0);
                const bool wanted = rows[i].note && !strcmp(notes[k], rows[i].note);
                assert_true(wanted ? e && e->verdict == GPF_VACUOUS && e->text[0] : !e);
            }
            gpf_op_check_free(c);
        }
}

/* One cause is said once; what cannot be run is not accused. */
static int tosses;
KERNEL(tosses, for (size_t j = 0; j < n; j++) y[j] = x[0][j] * (tosses++ % 3);)

static size_t endless(const gpf_call *c)
{
    (void)c;
    return (size_t)1 << 40;
}

static void test_once(void **state)
{
    (void)state;
    gpf_op op = cube_row;
    op.map = tosses_map;
    gpf_op_check *c = check(&op, 1);
    assert_int_equal(gpf_op_check_outcome(c), GPF_OUTCOME_WRONG);
    assert_string_equal(gpf_op_check_case(c, 0)->aspect, "deterministic");
    assert_true(gpf_op_check_case(c, 1)->verdict != GPF_WRONG);
    gpf_op_check_free(c);
    op = energy_row;
    op.scratch = endless;
    c = check(&op, 1);
    assert_int_equal(gpf_op_check_outcome(c), GPF_OUTCOME_UNTESTED);
    assert_non_null(strstr(find(c, "value", -1)->text, "1099511627776 doubles of scratch"));
    assert_true(gpf_op_check_case(c, 0)->verdict != GPF_WRONG);
    gpf_op_check_free(c);
}

static void refused(const gpf_op *op, const gpf_op_options *how, int status, const char *text)
{
    gpf_diag why = { 0 };
    assert_null(gpf_check_op(op, how, &why));
    assert_int_equal(why.status, status);
    assert_string_equal(why.text, text);
    assert_null(gpf_check_op(op, how, NULL));
}

static void test_refused(void **state)
{
    (void)state;
    refused(NULL, NULL, GSL_EINVAL, "no row is given");
    refused(&(gpf_op){ .arity = 1 }, NULL, GSL_EINVAL, "the row has no name");
    refused(&(gpf_op){ .name = "f", .arity = 1 }, NULL, GSL_EINVAL,
            "f: the row has no kernel: map, eval or view");
    refused(&(gpf_op){ .name = "f", .arity = 1, .eval = energy_eval }, NULL, GSL_EINVAL,
            "f: only a map can do without a shape rule");
    refused(&(gpf_op){ .name = "f", .arity = -7, .map = bend_map }, NULL, GSL_EINVAL,
            "f: arity is a number of inputs, or GPF_VARIADIC");
    refused(&(gpf_op){ .name = "f", .arity = 4, .map = bend_map }, NULL, GSL_EINVAL,
            "f: an elementwise op has one, two or three inputs");
    const gpf_op *concat = gpf_op_find("concat", GPF_VARIADIC);
    refused(concat, &(gpf_op_options){ .n_x = 99 }, GSL_EINVAL,
            "concat: so many inputs cannot be checked");
    const gpf_shape shape = gpf_shape1(3), none = { 1, { 0, 1, 1, 1 } };
    refused(&energy_row, &(gpf_op_options){ .shapes = &shape }, GSL_EINVAL,
            "energy: shapes are given, but none of them");
    refused(&energy_row, &(gpf_op_options){ .shapes = &shape, .n_shapes = 1 }, GPF_ESHAPE,
            "energy does not take 3");
    refused(&energy_row, &(gpf_op_options){ .shapes = &none, .n_shapes = 1 }, GPF_ESHAPE,
            "energy: shape 0 of input 0 is none");
    const gpf_attr nowhere = { .k = { 2, 7, 11 } };
    refused(gpf_op_find("reshape", 1), &(gpf_op_options){ .attr = &nowhere }, GPF_ENOTHING,
            "reshape: none of some thousand random shapes is one it takes; give some, and its "
            "parameters");
    gpf_op_check_free(NULL);
    gpf_op_check *c = check(&wave_row, 1);
    assert_null(gpf_op_check_case(c, gpf_op_check_n_cases(c)));
    gpf_op_check_free(c);
}

/* Without any rule the values are checked, but that is no test of a derivative. */
static void test_without_rules(void **state)
{
    (void)state;
    gpf_op op = wave_row;
    memset(op.vjp, 0, sizeof op.vjp);
    memset(op.jvp, 0, sizeof op.jvp);
    gpf_op_check *c = check(&op, 1);
    assert_int_equal(gpf_op_check_outcome(c), GPF_OUTCOME_UNTESTED);
    assert_int_equal(find(c, "vjp", 1)->verdict, GPF_VACUOUS);
    assert_non_null(strstr(find(c, "vjp", 1)->text, "GPF_ENOGRAD"));
    gpf_op_check_free(c);
}

/* A backward row without rules of its own: the second derivative is missing, and that is said. */
static const gpf_op last_back_row = {
    .name = "cube_back", .arity = 2, .formula = "3 a^2 b", .map = cube_back_map
};
RULE_OF(once, cube_row, 0,
        gpf_apply(g, &last_back_row, (const gpf_node[]){ r->x[0], r->bar }, 2, NULL))

static void test_missing_second(void **state)
{
    (void)state;
    const gpf_op op = once();
    gpf_graph *g = gpf_graph_alloc();
    const gpf_node x = gpf_param(g, "x", gpf_shape1(3));
    const gpf_node f = gpf_sum(g, gpf_apply(g, &op, &x, 1, NULL), GPF_ALL_AXES);
    gpf_node d, dd;
    assert_int_equal(gpf_grad(g, f, &x, 1, &d), GSL_SUCCESS);
    assert_int_equal(gpf_grad(g, gpf_sum(g, d, GPF_ALL_AXES), &x, 1, &dd), GPF_ENOGRAD);
    assert_error(g, GPF_ENOGRAD, "cube_back has no vjp rule for its input 0");
    gpf_graph_free(g);
    gpf_op_check *c = check(&op, 1);
    const gpf_op_case *e = find(c, "second", -1);
    assert_int_equal(e->verdict, GPF_VACUOUS);
    assert_string_equal(e->text, "no second derivative: cube_back has no vjp rule for its input 0");
    assert_int_equal(gpf_op_check_outcome(c), GPF_OUTCOME_RIGHT);
    gpf_op_check_free(c);
}

/* The same seed gives the same cases; shapes may be given. */
static void test_options(void **state)
{
    (void)state;
    const gpf_shape shapes[] = { gpf_shape2(GPF_N, 40), gpf_shape2(3, 2) };
    const gpf_op_options how = { .shapes = shapes, .n_shapes = 2, .points = 1, .seed = 9 };
    gpf_op_check *a = gpf_check_op(&energy_row, &how, NULL),
                 *b = gpf_check_op(&energy_row, &how, NULL);
    assert_non_null(a);
    assert_int_equal(gpf_op_check_outcome(a), GPF_OUTCOME_RIGHT);
    assert_int_equal(gpf_op_check_n_cases(a), gpf_op_check_n_cases(b));
    for (size_t i = 0; i < gpf_op_check_n_cases(a); i++) {
        assert_int_equal(gpf_op_check_case(a, i)->tried, gpf_op_check_case(b, i)->tried);
        assert_string_equal(gpf_op_check_case(a, i)->text, gpf_op_check_case(b, i)->text);
    }
    gpf_op_check_free(a);
    gpf_op_check_free(b);
}

int main(void)
{
    enum { OTHERS = 7 };
    struct CMUnitTest tests[COUNT(faults) + OTHERS] = {
        cmocka_unit_test(test_right),         cmocka_unit_test(test_refused),
        cmocka_unit_test(test_without_rules), cmocka_unit_test(test_missing_second),
        cmocka_unit_test(test_options),       cmocka_unit_test(test_not_accused),
        cmocka_unit_test(test_once),
    };
    const struct fault *which[COUNT(faults)];
    for (size_t i = 0; i < COUNT(faults); i++) {
        which[i] = &faults[i];
        tests[OTHERS + i] = (struct CMUnitTest){ faults[i].name, test_faults, NULL, NULL,
                                                 (void *)(size_t)which[i] };
    }
    gsl_set_error_handler_off();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
