/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ops that move elements and compute nothing. */
#include "graph/graph.h"
#include "op/tile.h"

#include <math.h>
#include <string.h>

size_t gpf__tensor_size(const gpf_tensor *t)
{
    return t->dim[0] * t->dim[1] * t->dim[2] * t->dim[3];
}

void gpf__tensor_dense(gpf_tensor *t)
{
    ptrdiff_t s = 1;
    for (int a = GPF_MAX_RANK; a-- > 0;) {
        t->stride[a] = s;
        s *= (ptrdiff_t)t->dim[a];
    }
    /* Axes right of the rank have size 1; the loop gave them stride 1, as row-major wants. */
}

bool gpf__tensor_is_dense(const gpf_tensor *t)
{
    ptrdiff_t s = 1;
    for (int a = t->rank; a-- > 0;) {
        if (t->dim[a] != 1 && t->stride[a] != s)
            return false;
        s *= (ptrdiff_t)t->dim[a];
    }
    return true;
}

double *gpf__tensor_at(const gpf_tensor *t, size_t e)
{
    double *x = t->data;
    for (int a = t->rank; a-- > 0; e /= t->dim[a])
        x += (ptrdiff_t)(e % t->dim[a]) * t->stride[a];
    return x;
}

void gpf__tensor_copy(const gpf_tensor *y, const gpf_tensor *x)
{
    if (gpf__tensor_is_dense(x) && gpf__tensor_is_dense(y)) {
        memcpy(y->data, x->data, gpf__tensor_size(x) * sizeof *y->data);
        return;
    }
    /* The axes there are, moved to the right, so that the innermost loop is over one of them. */
    size_t d[GPF_MAX_RANK] = { 1, 1, 1, 1 };
    ptrdiff_t s[GPF_MAX_RANK] = { 0 }, t[GPF_MAX_RANK] = { 0 };
    for (int a = x->rank, to = GPF_MAX_RANK; a-- > 0;) {
        d[--to] = x->dim[a];
        s[to] = x->stride[a];
        t[to] = y->stride[a];
    }
    for (size_t i = 0; i < d[0]; i++)
        for (size_t j = 0; j < d[1]; j++)
            for (size_t k = 0; k < d[2]; k++) {
                const double *from =
                    x->data + (ptrdiff_t)i * s[0] + (ptrdiff_t)j * s[1] + (ptrdiff_t)k * s[2];
                double *to =
                    y->data + (ptrdiff_t)i * t[0] + (ptrdiff_t)j * t[1] + (ptrdiff_t)k * t[2];
                for (size_t l = 0; l < d[3]; l++)
                    to[(ptrdiff_t)l * t[3]] = from[(ptrdiff_t)l * s[3]];
            }
}

/* Shapes as attributes: k[at] = rank, then the sizes. */
static void put_shape(gpf_attr *a, int at, gpf_shape s)
{
    a->k[at] = s.rank;
    for (int i = 0; i < s.rank && at + 1 + i < 8; i++)
        a->k[at + 1 + i] = s.dim[i];
}

static const gpf_op_param shape_params[] = { { "shape", GPF_SHAPE, 0, 0 }, { NULL, 0, 0, 0 } };

static int reshape_shape(const gpf_shape *x, int n_x, const gpf_attr *attr, gpf_shape *y, char *why,
                         size_t why_size)
{
    (void)n_x;
    *y = gpf_shape_of((int)attr->k[0], attr->k + 1);
    /* At two batch sizes, so that an N cannot hide in a product. */
    if (gpf_shape_size(*x, 1) == gpf_shape_size(*y, 1) &&
        gpf_shape_size(*x, 2) == gpf_shape_size(*y, 2))
        return GSL_SUCCESS;
    char text[64];
    gpf__format(why, why_size, "cannot be reshaped to %s", gpf_shape_text(*y, text, sizeof text));
    return GPF_ESHAPE;
}

static int reshape_view(gpf_tensor *y, const gpf_tensor *x, const gpf_attr *attr, ptrdiff_t *offset)
{
    (void)attr;
    if (!gpf__tensor_is_dense(x))
        return 0;
    gpf__tensor_dense(y);
    *offset = 0;
    return 1;
}

/* Where both sides are matrices of the same sizes, or one the transpose of a vector. */
static int reshape_damage(const gpf__patch *p)
{
    const gpf__tile *x = p->x[0], *y = p->y;
    const bool same = x->rows == y->rows && x->cols == y->cols,
               turned = x->rows == y->cols && x->cols == y->rows && (x->rows == 1 || x->cols == 1);
    return (same || turned) && gpf__damage_moved(p, &(gpf__move){ .swap = !same });
}

/* Elements in row-major order of x, whatever its strides. */
static void reshape_eval(const gpf_call *c)
{
    gpf_tensor y = *c->x[0];
    y.data = c->y->data;
    gpf__tensor_dense(&y);
    gpf__tensor_copy(&y, c->x[0]);
}

static gpf_node reshape_fold(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    const gpf_shape s = gpf_shape_of((int)attr->k[0], attr->k + 1);
    if (gpf_shape_equal(s, gpf_node_shape(g, x[0])))
        return x[0];
    int n_x;
    const gpf_node *in = gpf_node_inputs(g, x[0], &n_x);
    return gpf_node_op(g, x[0]) == &gpf_op_reshape ? gpf_reshape(g, in[0], s) : GPF_NONE;
}

RULE(reshape_vjp, gpf_reshape(g, bar, gpf_node_shape(g, x)))
RULE(reshape_jvp, gpf_reshape(g, bar, gpf_node_shape(g, y)))
const gpf_op gpf_op_reshape = { .name = "reshape",
                                .arity = 1,
                                .formula = "x with another shape, row-major",
                                .latex = "\\operatorname{reshape}(x)",
                                .params = shape_params,
                                .shape = reshape_shape,
                                .eval = reshape_eval,
                                .view = reshape_view,
                                .damage = reshape_damage,
                                .vjp = { reshape_vjp },
                                .jvp = { reshape_jvp },
                                .fold = reshape_fold };

gpf_node gpf_reshape(gpf_graph *g, gpf_node x, gpf_shape shape)
{
    gpf_attr a = { .k = { 0 } };
    put_shape(&a, 0, shape);
    return gpf_apply(g, &gpf_op_reshape, &x, 1, &a);
}

static int broadcast_shape(const gpf_shape *x, int n_x, const gpf_attr *attr, gpf_shape *y,
                           char *why, size_t why_size)
{
    (void)n_x;
    *y = gpf_shape_of((int)attr->k[0], attr->k + 1);
    bool fits = x->rank <= y->rank;
    for (int a = 0; fits && a < x->rank; a++)
        fits = x->dim[a] == 1 || x->dim[a] == y->dim[y->rank - x->rank + a];
    if (fits)
        return GSL_SUCCESS;
    char text[64];
    gpf__format(why, why_size, "cannot be broadcast to %s", gpf_shape_text(*y, text, sizeof text));
    return GPF_ESHAPE;
}

static int broadcast_view(gpf_tensor *y, const gpf_tensor *x, const gpf_attr *attr,
                          ptrdiff_t *offset)
{
    (void)attr;
    const int shift = y->rank - x->rank;
    for (int a = 0; a < y->rank; a++)
        y->stride[a] = a < shift || x->dim[a - shift] == 1 ? 0 : x->stride[a - shift];
    *offset = 0;
    return 1;
}

static int broadcast_damage(const gpf__patch *p)
{
    const gpf__tile *x = p->x[0], *y = p->y;
    if (p->call->y->rank > 2)
        return 0;
    return gpf__damage_moved(p, &(gpf__move){ .all_rows = x->rows == 1 && y->rows > 1,
                                              .all_cols = x->cols == 1 && y->cols > 1 });
}

static gpf_node broadcast_fold(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    const gpf_shape s = gpf_shape_of((int)attr->k[0], attr->k + 1);
    if (gpf_shape_equal(s, gpf_node_shape(g, x[0])))
        return x[0];
    int n_x;
    const gpf_node *in = gpf_node_inputs(g, x[0], &n_x);
    return gpf_node_op(g, x[0]) == &gpf_op_broadcast ? gpf_broadcast(g, in[0], s) : GPF_NONE;
}

RULE(broadcast_vjp, gpf_sum_to(g, bar, gpf_node_shape(g, x)))
RULE(broadcast_jvp, gpf_broadcast(g, bar, gpf_node_shape(g, y)))
const gpf_op gpf_op_broadcast = { .name = "broadcast",
                                  .arity = 1,
                                  .formula = "x repeated to a larger shape",
                                  .latex = "\\operatorname{broadcast}(x)",
                                  .params = shape_params,
                                  .shape = broadcast_shape,
                                  .view = broadcast_view,
                                  .damage = broadcast_damage,
                                  .vjp = { broadcast_vjp },
                                  .jvp = { broadcast_jvp },
                                  .fold = broadcast_fold };

gpf_node gpf_broadcast(gpf_graph *g, gpf_node x, gpf_shape shape)
{
    gpf_attr a = { .k = { 0 } };
    put_shape(&a, 0, shape);
    return gpf_apply(g, &gpf_op_broadcast, &x, 1, &a);
}

gpf_node gpf_sum_to(gpf_graph *g, gpf_node x, gpf_shape shape)
{
    if (!gpf__ok(g, x))
        return GPF_POISON;
    const gpf_shape s = gpf_node_shape(g, x);
    const int shift = s.rank - shape.rank;
    ptrdiff_t axes = 0;
    for (int a = 0; a < s.rank; a++)
        if (a < shift || (shape.dim[a - shift] == 1 && s.dim[a] != 1))
            axes |= (ptrdiff_t)1 << a;
    return gpf_reshape(g, axes ? gpf_sum(g, x, shape.rank ? axes : GPF_ALL_AXES) : x, shape);
}

static const gpf_op_param range_params[] = { { "range", GPF_RANGE, 0, 0 }, { NULL, 0, 0, 0 } };

/* The box start .. start + size along one axis of size n; N only whole. */
static int check_range(ptrdiff_t n, ptrdiff_t start, ptrdiff_t size, int axis, char *why,
                       size_t why_size)
{
    if (n == GPF_N || size == GPF_N) {
        if (n == GPF_N && size == GPF_N && start == 0)
            return GSL_SUCCESS;
        gpf__format(why, why_size, "axis %d is the free batch size N: it can only be taken whole",
                    axis);
        return GPF_ESHAPE;
    }
    if (start >= 0 && size >= 1 && start <= n - size)
        return GSL_SUCCESS;
    const ptrdiff_t last = (ptrdiff_t)((size_t)start + (size_t)size - 1); /* wraps, no overflow */
    gpf__format(why, why_size, "elements %td to %td of axis %d do not exist, it has %td", start,
                last, axis, n);
    return GPF_ESHAPE;
}

static int slice_shape(const gpf_shape *x, int n_x, const gpf_attr *attr, gpf_shape *y, char *why,
                       size_t why_size)
{
    (void)n_x;
    *y = gpf_shape_of(x->rank, attr->k + 4);
    for (int a = 0; a < x->rank; a++) {
        const int status = check_range(x->dim[a], attr->k[a], attr->k[4 + a], a, why, why_size);
        if (status)
            return status;
    }
    return GSL_SUCCESS;
}

static int slice_view(gpf_tensor *y, const gpf_tensor *x, const gpf_attr *attr, ptrdiff_t *offset)
{
    *offset = 0;
    for (int a = 0; a < x->rank; a++) {
        y->stride[a] = x->stride[a];
        *offset += attr->k[a] * x->stride[a];
    }
    return 1;
}

/* A box that starts at k: elements move by -k out of it (slice), by k into it (pad). */
static int box_damage(const gpf__patch *p, ptrdiff_t sign)
{
    const ptrdiff_t *k = p->call->attr->k;
    const int rank = p->call->x[0]->rank;
    return rank <= 2 && gpf__damage_moved(p, &(gpf__move){ .row = rank == 2 ? sign * k[0] : 0,
                                                           .col = sign * k[rank == 2] });
}

static int slice_damage(const gpf__patch *p)
{
    return box_damage(p, -1);
}

static int pad_damage(const gpf__patch *p)
{
    return box_damage(p, 1);
}

static gpf_node slice_fold(gpf_graph *g, const gpf_node *x, const gpf_attr *attr)
{
    const gpf_shape s = gpf_node_shape(g, x[0]);
    return gpf_shape_equal(s, gpf_shape_of(s.rank, attr->k + 4)) ? x[0] : GPF_NONE;
}

RULE(slice_vjp, gpf_pad(g, bar, k, gpf_node_shape(g, x)))
RULE(slice_jvp, gpf_slice(g, bar, k, k + 4))
const gpf_op gpf_op_slice = { .name = "slice",
                              .arity = 1,
                              .formula = "x[start:stop, ..]",
                              .latex = "x_{i:j}",
                              .params = range_params,
                              .shape = slice_shape,
                              .view = slice_view,
                              .damage = slice_damage,
                              .vjp = { slice_vjp },
                              .jvp = { slice_jvp },
                              .fold = slice_fold };

static gpf_node apply_range(gpf_graph *g, const gpf_op *op, gpf_node x, const ptrdiff_t *start,
                            const ptrdiff_t *size)
{
    if (!gpf__ok(g, x))
        return GPF_POISON;
    gpf_attr a = { .k = { 0 } };
    for (int i = 0; i < gpf_node_shape(g, x).rank; i++) {
        a.k[i] = start[i];
        a.k[4 + i] = size[i];
    }
    return gpf_apply(g, op, &x, 1, &a);
}

gpf_node gpf_slice(gpf_graph *g, gpf_node x, const ptrdiff_t *start, const ptrdiff_t *size)
{
    return apply_range(g, &gpf_op_slice, x, start, size);
}

/* pad: k[4..7] are the sizes of y. */
static int pad_shape(const gpf_shape *x, int n_x, const gpf_attr *attr, gpf_shape *y, char *why,
                     size_t why_size)
{
    (void)n_x;
    *y = gpf_shape_of(x->rank, attr->k + 4);
    for (int a = 0; a < x->rank; a++) {
        const int status = check_range(y->dim[a], attr->k[a], x->dim[a], a, why, why_size);
        if (status)
            return status;
    }
    return GSL_SUCCESS;
}

static void pad_eval(const gpf_call *c)
{
    memset(c->y->data, 0, gpf__tensor_size(c->y) * sizeof(double));
    gpf_tensor box = *c->x[0];
    ptrdiff_t offset;
    slice_view(&box, c->y, c->attr, &offset);
    box.data = c->y->data + offset;
    gpf__tensor_copy(&box, c->x[0]);
}

RULE(pad_vjp, gpf_slice(g, bar, k, gpf_node_shape(g, x).dim))
RULE(pad_jvp, gpf_pad(g, bar, k, gpf_node_shape(g, y)))
const gpf_op gpf_op_pad = { .name = "pad",
                            .arity = 1,
                            .formula = "x inside a larger tensor of zeros",
                            .latex = "\\operatorname{pad}(x)",
                            .params = range_params,
                            .shape = pad_shape,
                            .eval = pad_eval,
                            .damage = pad_damage,
                            .vjp = { pad_vjp },
                            .jvp = { pad_jvp },
                            .fold = slice_fold };

gpf_node gpf_pad(gpf_graph *g, gpf_node x, const ptrdiff_t *start, gpf_shape shape)
{
    return apply_range(g, &gpf_op_pad, x, start, shape.dim);
}

static const gpf_op_param concat_params[] = { { "axis", GPF_INTEGER, 0, 0 }, { NULL, 0, 0, 0 } };

static int concat_shape(const gpf_shape *x, int n_x, const gpf_attr *attr, gpf_shape *y, char *why,
                        size_t why_size)
{
    const ptrdiff_t axis = attr->k[0];
    *y = x[0];
    if (axis < 0 || axis >= x[0].rank) {
        gpf__format(why, why_size, "there is no axis %td", axis);
        return GPF_ESHAPE;
    }
    for (int i = 0; i < n_x; i++) {
        gpf_shape rest = x[i];
        if (x[i].dim[axis] == GPF_N) {
            gpf__format(why, why_size, "axis %td is the free batch size N", axis);
            return GPF_ESHAPE;
        }
        rest.dim[axis] = x[0].dim[axis];
        if (!gpf_shape_equal(rest, x[0])) {
            gpf__format(why, why_size, "sizes differ outside axis %td", axis);
            return GPF_ESHAPE;
        }
        if (i)
            y->dim[axis] += x[i].dim[axis];
    }
    return GSL_SUCCESS;
}

static void concat_eval(const gpf_call *c)
{
    gpf_attr at = { .k = { 0 } };
    for (int i = 0; i < c->n_x; i++) {
        gpf_tensor box = *c->x[i];
        ptrdiff_t offset;
        slice_view(&box, c->y, &at, &offset);
        box.data = c->y->data + offset;
        gpf__tensor_copy(&box, c->x[i]);
        at.k[c->attr->k[0]] += (ptrdiff_t)c->x[i]->dim[c->attr->k[0]];
    }
}

static int concat_damage(const gpf__patch *p)
{
    enum { MOST = 16 };
    const gpf_call *c = p->call;
    const int rank = c->y->rank;
    const ptrdiff_t axis = c->attr->k[0];
    gpf__move move[MOST] = { { .row = 0 } };
    ptrdiff_t start = 0;
    if (rank > 2 || c->n_x > MOST)
        return 0;
    for (int i = 0; i < c->n_x; i++) {
        if (rank == 2 && axis == 0)
            move[i].row = start;
        else
            move[i].col = start;
        start += (ptrdiff_t)c->x[i]->dim[axis];
    }
    return gpf__damage_moved(p, move);
}

/* Where input i starts in y. */
typedef struct place {
    ptrdiff_t start[GPF_MAX_RANK];
} place;

static place concat_start(const gpf_rule_args *r)
{
    place p = { { 0 } };
    const ptrdiff_t axis = r->attr->k[0];
    for (int j = 0; j < r->i; j++)
        p.start[axis] += gpf_node_shape(r->g, r->x[j]).dim[axis];
    return p;
}

RULE(concat_vjp, gpf_slice(g, bar, concat_start(r).start, gpf_node_shape(g, r->x[r->i]).dim))
RULE(concat_jvp, gpf_pad(g, bar, concat_start(r).start, gpf_node_shape(g, y)))
const gpf_op gpf_op_concat = { .name = "concat",
                               .arity = GPF_VARIADIC,
                               .formula = "a, b, .. side by side along an axis",
                               .latex = "[a\\;b]",
                               .params = concat_params,
                               .shape = concat_shape,
                               .eval = concat_eval,
                               .damage = concat_damage,
                               .vjp = { concat_vjp },
                               .jvp = { concat_jvp } };

gpf_node gpf_concat(gpf_graph *g, const gpf_node *x, int n_x, int axis)
{
    const gpf_attr a = { .k = { axis } };
    return gpf_apply(g, &gpf_op_concat, x, n_x, &a);
}

static const gpf_op_param one_hot_params[] = { { "classes", GPF_INTEGER, 0, 2 },
                                               { NULL, 0, 0, 0 } };

static int one_hot_shape(const gpf_shape *x, int n_x, const gpf_attr *attr, gpf_shape *y, char *why,
                         size_t why_size)
{
    (void)n_x;
    if (!(x->rank == 1 || (x->rank == 2 && x->dim[1] == 1))) {
        gpf__format(why, why_size, "labels are expected as N or Nx1");
        return GPF_ESHAPE;
    }
    if (attr->k[0] < 1) {
        gpf__format(why, why_size, "%td classes", attr->k[0]);
        return GPF_ESHAPE;
    }
    *y = gpf_shape2(x->dim[0], attr->k[0]);
    return GSL_SUCCESS;
}

static void one_hot_eval(const gpf_call *c)
{
    const size_t classes = c->y->dim[1];
    for (size_t i = 0; i < c->y->dim[0]; i++) {
        const double label = c->x[0]->data[(ptrdiff_t)i * c->x[0]->stride[0]];
        const bool valid = label >= 0 && label < (double)classes && label == floor(label);
        for (size_t j = 0; j < classes; j++)
            c->y->data[i * classes + j] = !valid ? NAN : (double)j == label;
    }
}

const gpf_op gpf_op_one_hot = { .name = "one_hot",
                                .arity = 1,
                                .formula = "row i is 1 at label x_i, else 0",
                                .latex = "e_{x}",
                                .flags = GPF_OP_STEP,
                                .params = one_hot_params,
                                .shape = one_hot_shape,
                                .eval = one_hot_eval };

gpf_node gpf_one_hot(gpf_graph *g, gpf_node labels, ptrdiff_t k)
{
    const gpf_attr a = { .k = { k } };
    return gpf_apply(g, &gpf_op_one_hot, &labels, 1, &a);
}
