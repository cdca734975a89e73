/* The graph: tensors as nodes.
 *
 * A graph is an append-only list of immutable nodes. A node is an op (op.h) applied to older
 * nodes, or a leaf: data, param or const. A node holds no values: those live in a point (plan.h)
 * and a workspace. Building a node that exists already returns the existing one, and trivial
 * algebra (x*1, x+0, a double transpose) is folded, so gradients stay readable.
 *
 * Building never crashes. The first error sticks to the graph, every later builder call returns
 * GPF_POISON at once, and gpf_graph_status says what happened. So check once, after building:
 *
 * @example graph
 *     gpf_graph *g = gpf_graph_alloc();
 *     gpf_node X = gpf_data(g, "X", gpf_shape2(GPF_N, 3));
 *     gpf_node W = gpf_param(g, "W", gpf_shape2(2, 3));
 *     gpf_node Z = gpf_matmul(g, X, W);
 *     gpf_diag why;
 *     assert(Z == GPF_POISON && gpf_graph_status(g, &why) == GPF_ESHAPE);
 *     assert(!strcmp(why.text, "matmul: X is Nx3 but W is 2x3 (inner sizes 3 and 2 differ)"));
 *     gpf_graph_free(g);
 * @end
 *
 * Threads: one thread builds. Any number may read a graph that nobody is building.
 */
#ifndef GPF_GRAPH_H
#define GPF_GRAPH_H

#include <gradproof/status.h>
#include <gsl/gsl_matrix.h>
#include <gsl/gsl_vector.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A node's handle: its index. Inputs are always older, so index order is topological. */
typedef int gpf_node;

#define GPF_POISON 0  /* the node every builder returns after an error */
#define GPF_NONE (-1) /* no node: "no gradient", which is neither zero nor a failure */

/* A shape: rank 0 (scalar) to 4, sizes >= 1, outermost first; row-major where memory is meant. A
 * size may be GPF_N, the free batch size of the graph, which a plan fixes (plan.h). */
#define GPF_MAX_RANK 4
#define GPF_N ((ptrdiff_t)-1)
#define GPF_MAX_ELEMENTS ((size_t)0x7fffffff) /* of one tensor; more is GPF_ELIMIT */

typedef struct gpf_shape {
    int rank;
    ptrdiff_t dim[GPF_MAX_RANK]; /* unused entries are 1 */
} gpf_shape;

GPF_API gpf_shape gpf_shape0(void);                             /* scalar */
GPF_API gpf_shape gpf_shape1(ptrdiff_t n);                      /* vector */
GPF_API gpf_shape gpf_shape2(ptrdiff_t rows, ptrdiff_t cols);   /* matrix; samples are rows */
GPF_API gpf_shape gpf_shape_of(int rank, const ptrdiff_t *dim); /* rank is cut to 0..4 */
GPF_API int gpf_shape_equal(gpf_shape a, gpf_shape b);
/* Number of elements when the free batch size is N. 0 if it would exceed GPF_MAX_ELEMENTS. */
GPF_API size_t gpf_shape_size(gpf_shape s, size_t N);
/* Writes "scalar", "3", "Nx2", ... into buf (always terminated); returns buf. */
GPF_API char *gpf_shape_text(gpf_shape s, char *buf, size_t size);

typedef struct gpf_graph gpf_graph;
typedef struct gpf_op gpf_op;

/* What a node's op may depend on besides its inputs. Each op row says how it uses it. */
typedef struct gpf_attr {
    double p[2];
    ptrdiff_t k[8];
} gpf_attr;

/* A new, empty graph, owned by the caller. NULL (and GSL_ENOMEM to the handler) without memory.
 * gpf_graph_free releases it and all nodes; NULL is allowed. Plans outlive their graph. */
GPF_API gpf_graph *gpf_graph_alloc(void);
GPF_API void gpf_graph_free(gpf_graph *g);

/* GSL_SUCCESS, or the code of the first error, described in *why (may be NULL). */
GPF_API int gpf_graph_status(const gpf_graph *g, gpf_diag *why);
/* Forget the error and go on building; nodes made before it stay valid. */
GPF_API void gpf_graph_clear_status(gpf_graph *g);

/* Leaves. Names are copied, unique per graph, of letters, digits, '_' and '.'.
 * All params of a graph lie in one contiguous vector in order of creation, each row-major. A
 * param's shape must not contain GPF_N. */
GPF_API gpf_node gpf_data(gpf_graph *g, const char *name, gpf_shape shape);
GPF_API gpf_node gpf_param(gpf_graph *g, const char *name, gpf_shape shape);
GPF_API gpf_node gpf_const(gpf_graph *g, double value);
/* values: gpf_shape_size(shape, 0) doubles, row-major, copied. No GPF_N in the shape. */
GPF_API gpf_node gpf_const_tensor(gpf_graph *g, gpf_shape shape, const double *values);

/* Applies an op, also one of the caller's own (op.h). Elementwise ops broadcast their inputs as
 * numpy does. attr may be NULL: all parameters at the defaults of the row. */
GPF_API gpf_node gpf_apply(gpf_graph *g, const gpf_op *op, const gpf_node *x, int n_x,
                           const gpf_attr *attr);

/* Names a node for messages and reports; the first name of a node stays its name.
 * GPF_ENAME if another node has that name. Looking up: GPF_NONE if there is no such node. */
GPF_API int gpf_node_set_name(gpf_graph *g, gpf_node n, const char *name);
GPF_API gpf_node gpf_graph_find(const gpf_graph *g, const char *name);

/* Reading nodes. n must be a node of the graph. Strings and arrays are borrowed from the graph. */
GPF_API size_t gpf_graph_n_nodes(const gpf_graph *g); /* node ids are 1 .. n_nodes - 1 */
GPF_API const char *gpf_node_name(const gpf_graph *g, gpf_node n); /* NULL if it has none */
GPF_API gpf_shape gpf_node_shape(const gpf_graph *g, gpf_node n);
GPF_API const gpf_op *gpf_node_op(const gpf_graph *g, gpf_node n);
GPF_API const gpf_attr *gpf_node_attr(const gpf_graph *g, gpf_node n);
GPF_API const gpf_node *gpf_node_inputs(const gpf_graph *g, gpf_node n, int *n_x);
/* The node that computes the same value without cancellation or overflow (log(sigmoid(z)) as
 * -softplus(-z)), which plans and gradients use in place of n; GPF_NONE if there is none. */
GPF_API gpf_node gpf_node_stable(const gpf_graph *g, gpf_node n);
/* 1 and *value if every element of n is the same constant, else 0. */
GPF_API int gpf_node_is_const(const gpf_graph *g, gpf_node n, double *value);
GPF_API int gpf_node_is_param(const gpf_graph *g, gpf_node n);
GPF_API int gpf_node_is_data(const gpf_graph *g, gpf_node n);
/* A label for people: the name, or the op with its inputs, cut to fit. Returns buf. */
GPF_API char *gpf_node_label(const gpf_graph *g, gpf_node n, char *buf, size_t size);

/* The params: tensors 0 .. n-1 in order of creation, n_params doubles in all. */
GPF_API size_t gpf_graph_n_param_tensors(const gpf_graph *g);
GPF_API gpf_node gpf_graph_param(const gpf_graph *g, size_t i);
GPF_API size_t gpf_graph_n_params(const gpf_graph *g);
GPF_API size_t gpf_param_offset(const gpf_graph *g, gpf_node param); /* into that vector */
/* One param inside a vector of all of them (length n_params, stride 1), as a matrix: rank 0 is
 * 1x1, rank 1 is 1xn, rank 3 and 4 have their last axis as columns. Borrowed from theta. */
GPF_API gsl_matrix_view gpf_param_view(const gpf_graph *g, gpf_node param, gsl_vector *theta);

/* Data leaves in order of creation. */
GPF_API size_t gpf_graph_n_data(const gpf_graph *g);
GPF_API gpf_node gpf_graph_data(const gpf_graph *g, size_t i);

/* Prints the nodes that y needs (all if y is GPF_NONE), one a line, or as a Graphviz digraph. */
GPF_API int gpf_graph_print(const gpf_graph *g, gpf_node y, FILE *out);
GPF_API int gpf_graph_print_dot(const gpf_graph *g, gpf_node y, FILE *out);
/* The same with notes: for every node printed, note is called with line = 0, 1, .. and writes that
 * line into buf, until it returns 0. */
typedef int (*gpf_graph_note)(void *arg, gpf_node n, size_t line, char *buf, size_t size);
GPF_API int gpf_graph_print_notes(const gpf_graph *g, gpf_node y, FILE *out, gpf_graph_note note,
                                  void *arg);
GPF_API int gpf_graph_print_dot_notes(const gpf_graph *g, gpf_node y, FILE *out,
                                      gpf_graph_note note, void *arg);

#ifdef __cplusplus
}
#endif
#endif
