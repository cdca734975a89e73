/* Ops: what a node means.
 *
 * An op is one constant row that holds everything anybody asks of it: name, formula, shape rule,
 * kernel, derivative rules, kinks. Nothing in the library switches on the kind of an op. To add
 * one: write the row in its family file under src/op/ and add one line to GPF_OP_LIST below. The
 * C constructor, the name in the model language, `gradproof ops` and the tests come from those. A
 * damage rule is optional: it only makes checks faster.
 *
 * Your own op is a row of your own, given to gpf_apply, and gpf_check_op (check.h) tells whether
 * all that the row says is so: its derivative rules, its sides, its flags, how its kernel treats
 * memory. It is a constant that must live as long as the graphs and plans it is used in; what is
 * missing is NULL or 0. A whole program: examples/own_op.c.
 *
 * A derivative rule builds nodes. If the cotangent is better computed by numeric code, that code is
 * the kernel of a second row, which the rule applies to whatever it needs of x, y and bar:
 *
 *     static gpf_node rule(const gpf_rule_args *r)
 *     {
 *         const gpf_node in[] = { r->x[0], r->y, r->bar };
 *         return gpf_apply(r->g, &my_backward, in, 3, r->attr);
 *     }
 *
 * With rules of its own, the second row makes second derivatives possible; without, asking for one
 * is GPF_ENOGRAD: "my_backward has no vjp rule for its input 0".
 *
 * @example op
 *     gpf_graph *g = gpf_graph_alloc();
 *     gpf_node x = gpf_param(g, "x", gpf_shape1(5));
 *     gpf_node y = gpf_apply(g, gpf_op_find("tanh", 1), &x, 1, NULL);
 *     assert(y == gpf_tanh(g, x)); // equal nodes are shared
 *     gpf_graph_free(g);
 * @end
 *
 * Threads: rows are constants. The builders below modify their graph.
 */
#ifndef GPF_OP_H
#define GPF_OP_H

#include <gradproof/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A tensor in memory: element (i,j,..) is data[i*stride[0] + j*stride[1] + ..]. */
typedef struct gpf_tensor {
    double *data;
    int rank;
    size_t dim[GPF_MAX_RANK];       /* unused entries are 1 */
    ptrdiff_t stride[GPF_MAX_RANK]; /* in doubles; 0 along a broadcast axis */
} gpf_tensor;

/* One evaluation: write y from x. y is row-major without gaps unless the row says GPF_OP_STRIDED;
 * an x may have any strides unless the row says GPF_OP_DENSE. scratch: as many doubles as the row's
 * scratch rule asked for. */
typedef struct gpf_call {
    const gpf_tensor *y;
    const gpf_tensor *const *x;
    int n_x;
    const gpf_attr *attr;
    size_t N; /* the free batch size of this evaluation */
    double *scratch;
} gpf_call;

/* What a derivative rule gets: the node's inputs x, the node y itself, the input i it is asked
 * about, and a node `bar` (vjp: the cotangent of y; jvp: the tangent of x[i]). It returns a node
 * of x[i]'s shape (vjp: the cotangent y sends to x[i]) or of y's shape (jvp: what x[i]'s tangent
 * contributes to y's), or GPF_NONE for "nothing". One expression of builders; masking,
 * accumulation and shape checks are the sweep's (grad.h). */
typedef struct gpf_rule_args {
    gpf_graph *g;
    const gpf_node *x;
    int n_x;
    gpf_node y, bar;
    int i;
    const gpf_attr *attr;
} gpf_rule_args;

typedef gpf_node (*gpf_rule)(const gpf_rule_args *r);

/* A parameter of an op: where it lives in gpf_attr, and its default. */
enum gpf_param_kind {
    GPF_REAL = 1,  /* p[slot] */
    GPF_INTEGER,   /* k[slot] */
    GPF_AXES,      /* k[slot], a bit mask of axes, or GPF_ALL_AXES */
    GPF_SHAPE,     /* k[slot] = rank, then the sizes */
    GPF_REDUCTION, /* k[slot], an enum gpf_reduction */
    GPF_RANGE      /* k[0..3] starts, k[4..7] sizes */
};

#define GPF_ALL_AXES ((ptrdiff_t)-1) /* reduce to a scalar; a mask keeps reduced axes as size 1 */

/* How a loss adds up its terms. GPF_MEAN divides by the number of terms (cross_entropy: by the
 * number of rows). */
enum gpf_reduction { GPF_MEAN = 0, GPF_SUM, GPF_HALF_SUM };

typedef struct gpf_op_param {
    const char *name;
    enum gpf_param_kind kind;
    int slot;
    double value; /* the default */
} gpf_op_param;

/* Row flags: what the library may make use of. A row without any is right, if slower. */
#define GPF_OP_COMMUTES 1u /* f(a,b) = f(b,a) bit for bit, so both are one node */
#define GPF_OP_DENSE 2u    /* eval and branch want every x row-major without gaps */
#define GPF_OP_STEP 4u     /* piecewise constant: derivative 0 away from its edges, by statement */
#define GPF_OP_STRIDED 8u  /* eval takes a y of any strides too (without gaps, in some order) */
#define GPF_OP_LINEAR 16u  /* in each input: its damage rule wants to know changes, not values */
#define GPF_OP_SHIFTS \
    32u /* map of two inputs: y changes by what the first changes, as a - b does */
#define GPF_OP_SINGLE 64u /* y is x where it has as many elements: nothing was reduced */

#define GPF_VARIADIC (-1)

struct gpf__patch;

struct gpf_op {
    const char *name;    /* unique together with arity */
    int arity;           /* number of inputs, or GPF_VARIADIC: one or more */
    const char *formula; /* one line of text, inputs x or a, b, c */
    const char *latex;
    unsigned flags;
    const gpf_op_param *params; /* up to the entry without a name; NULL: none */

    /* Shape of y. On failure returns GPF_ESHAPE and writes the reason into why ("inner sizes 3
     * and 2 differ"); names and shapes are added by the caller. NULL on elementwise ops. */
    int (*shape)(const gpf_shape *x, int n_x, const gpf_attr *attr, gpf_shape *y, char *why,
                 size_t why_size);

    /* The kernel, one of three. map: elementwise, on n contiguous elements of each input (already
     * broadcast); y may be one of the x. eval: the whole tensor. view: no arithmetic at all; y's
     * strides and offset into x, or 0 if these strides cannot express it (then eval copies). */
    void (*map)(size_t n, double *y, const double *const *x, const gpf_attr *attr);
    void (*eval)(const gpf_call *call);
    int (*view)(gpf_tensor *y, const gpf_tensor *x, const gpf_attr *attr, ptrdiff_t *offset);
    size_t (*scratch)(const gpf_call *call); /* doubles eval needs; NULL: none */

    /* Derivatives, entry i for input i (entry 0 for all inputs of a variadic op). The jvp is
     * written independently of the vjp, so that each is a witness of the other. A missing rule
     * means the op has no derivative: asking is GPF_ENOGRAD, unless it is a GPF_OP_STEP. */
    gpf_rule vjp[3];
    gpf_rule jvp[3];

    /* Simplification when a node is built: an existing or simpler node, or GPF_NONE. And a twin
     * of the same value without cancellation or overflow, or GPF_NONE (see gpf_node_stable). */
    gpf_node (*fold)(gpf_graph *g, const gpf_node *x, const gpf_attr *attr);
    gpf_node (*stable)(gpf_graph *g, const gpf_node *x, const gpf_attr *attr);

    /* Kinks and jumps: the smooth piece each element of y is on, even numbers for pieces, odd for
     * a point exactly on the edge between two, and the distance of the inputs from the nearest
     * edge. side: with map, on n elements; branch: with eval, all of y. NULL: smooth. */
    void (*side)(size_t n, int *side, double *margin, const double *const *x, const gpf_attr *attr);
    void (*branch)(const gpf_call *call, int *side, double *margin);
    /* With side, optional, for speed: is any of n elements on another side at x than at x0? */
    int (*moved)(size_t n, const double *const *x, const double *const *x0, const gpf_attr *attr);
    /* How damage (plan.h) passes through an op that is not elementwise, for the library's own rows:
     * src/op/tile.h, which is not installed. NULL, as in a row of yours: the whole node is evaluated
     * again. */
    int (*damage)(const struct gpf__patch *p);
    const char *pieces; /* names of pieces 0, 2, 4 .. separated by '|'; NULL: numbered */
    const char *tie;    /* the derivative the rules choose exactly on an edge */

    double lo, hi; /* where self-tests draw inputs; both 0: [-2, 2] */
};

/* The registry. X(kind, symbol): row gpf_op_<symbol>, constructor gpf_<symbol>.
 *   U (g, x)    B (g, a, b)    R (g, x, axes)    P (g, x, p)    Q (g, x, p, q)
 *   S: prototype below, because its arguments are its own */
/* clang-format off */
#define GPF_OP_LIST(X)                                                                     \
    /* arithmetic.c */                                                                     \
    X(B, add) X(B, sub) X(B, mul) X(B, div) X(U, neg) X(B, pow) X(U, sqrt) X(U, square)    \
    /* exponential.c */                                                                    \
    X(U, exp) X(U, log) X(U, expm1) X(U, log1p) X(U, sin) X(U, cos) X(U, tanh) X(U, sech2) \
    X(U, sigmoid) X(U, softplus) X(U, erf)                                                 \
    /* piecewise.c */                                                                      \
    X(U, abs) X(U, sign) X(P, step) X(B, greater) X(U, relu) X(P, leaky_relu) X(B, prelu)  \
    X(P, elu) X(B, max) X(B, min) X(Q, clip)                                               \
    /* reduce.c */                                                                         \
    X(R, sum) X(R, max_over) X(R, winner) X(R, logsumexp) X(S, size)                       \
    /* softmax.c */                                                                        \
    X(U, softmax) X(U, log_softmax)                                                        \
    /* matrix.c */                                                                         \
    X(B, matmul) X(U, transpose) X(U, diagonal) X(U, diag_part) X(U, trace)                \
    /* shape.c */                                                                          \
    X(S, reshape) X(S, broadcast) X(S, slice) X(S, pad) X(S, concat) X(S, one_hot)

/* Composed functions: they build nodes and have no rows. X(kind, symbol); kinds as above, and
 *   L (g, a, b, reduction). Formulas: `gradproof ops`, src/op/composed.c. */
#define GPF_FN_LIST(X)                                                                    \
    X(R, mean) X(R, variance) X(U, swish) X(U, gelu) X(U, softsign) X(U, mish) X(U, selu) \
    X(L, mse) X(L, mae) X(L, bce) X(L, bce_with_logits) X(L, cross_entropy) X(L, hinge)   \
    X(L, huber) X(B, half_sse) X(B, dot) X(U, l1) X(U, l2) X(U, norm)
/* clang-format on */

#define GPF_ARGS_U (gpf_graph * g, gpf_node x)
#define GPF_ARGS_B (gpf_graph * g, gpf_node a, gpf_node b)
#define GPF_ARGS_R (gpf_graph * g, gpf_node x, ptrdiff_t axes)
#define GPF_ARGS_P (gpf_graph * g, gpf_node x, double p)
#define GPF_ARGS_Q (gpf_graph * g, gpf_node x, double p, double q)
#define GPF_ARGS_L (gpf_graph * g, gpf_node a, gpf_node b, enum gpf_reduction reduction)

#define GPF_PROTO_U(name) GPF_API gpf_node gpf_##name GPF_ARGS_U;
#define GPF_PROTO_B(name) GPF_API gpf_node gpf_##name GPF_ARGS_B;
#define GPF_PROTO_R(name) GPF_API gpf_node gpf_##name GPF_ARGS_R;
#define GPF_PROTO_P(name) GPF_API gpf_node gpf_##name GPF_ARGS_P;
#define GPF_PROTO_Q(name) GPF_API gpf_node gpf_##name GPF_ARGS_Q;
#define GPF_PROTO_L(name) GPF_API gpf_node gpf_##name GPF_ARGS_L;
#define GPF_PROTO_S(name)
#define GPF_PROTO(kind, name) GPF_PROTO_##kind(name)
GPF_OP_LIST(GPF_PROTO)
GPF_FN_LIST(GPF_PROTO)
#undef GPF_PROTO
#undef GPF_PROTO_S
#undef GPF_PROTO_L
#undef GPF_PROTO_Q
#undef GPF_PROTO_P
#undef GPF_PROTO_R
#undef GPF_PROTO_B
#undef GPF_PROTO_U

/* size(x, axes): the number of elements of x along the axes, as a scalar; may contain N. */
GPF_API gpf_node gpf_size(gpf_graph *g, gpf_node x, ptrdiff_t axes);
/* reshape: same elements in row-major order. An N in the old shape must stay N. */
GPF_API gpf_node gpf_reshape(gpf_graph *g, gpf_node x, gpf_shape shape);
/* broadcast to a larger shape by numpy's rule; elementwise ops do this by themselves. */
GPF_API gpf_node gpf_broadcast(gpf_graph *g, gpf_node x, gpf_shape shape);
/* slice: the box of `size` elements per axis from `start`. All of an N axis: start 0, size N.
 * pad is its transpose: x placed at `start` in a tensor of zeros of the given shape. */
GPF_API gpf_node gpf_slice(gpf_graph *g, gpf_node x, const ptrdiff_t *start, const ptrdiff_t *size);
GPF_API gpf_node gpf_pad(gpf_graph *g, gpf_node x, const ptrdiff_t *start, gpf_shape shape);
GPF_API gpf_node gpf_concat(gpf_graph *g, const gpf_node *x, int n_x, int axis);
/* one_hot: labels 0..k-1 of shape N or Nx1 to Nxk; other values give a row of NaN. */
GPF_API gpf_node gpf_one_hot(gpf_graph *g, gpf_node labels, ptrdiff_t k);
/* Sums x over the axes along which `shape` was broadcast to x's shape: broadcast's transpose. */
GPF_API gpf_node gpf_sum_to(gpf_graph *g, gpf_node x, gpf_shape shape);

/* A layer: act(x @ W + b) with new params <name>.W (inputs x units) and <name>.b (1 x units).
 * act may be NULL: linear; else x @ W + b is named <name>.z. */
typedef gpf_node (*gpf_activation)(gpf_graph *g, gpf_node x);
GPF_API gpf_node gpf_dense(gpf_graph *g, const char *name, gpf_node x, ptrdiff_t units,
                           gpf_activation act);

/* A composed function, for lookup by name. build: n_x nodes, parameters as in an op row. */
typedef struct gpf_fn {
    const char *name;
    int arity;
    const char *formula, *latex;
    const gpf_op_param *params;
    gpf_node (*build)(gpf_graph *g, const gpf_node *x, const gpf_attr *attr);
} gpf_fn;

/* The registry by index, NULL past the end; by name and number of inputs, NULL if unknown (an
 * arity of GPF_VARIADIC finds the first of that name). */
GPF_API const gpf_op *gpf_op_at(size_t i);
GPF_API const gpf_op *gpf_op_find(const char *name, int arity);
GPF_API const gpf_fn *gpf_fn_at(size_t i);
GPF_API const gpf_fn *gpf_fn_find(const char *name, int arity);
/* All parameters at the row's defaults. */
GPF_API gpf_attr gpf_attr_default(const gpf_op_param *params);

#ifdef __cplusplus
}
#endif
#endif
