/* Derivatives: functions from graph to graph.
 *
 * A derivative is more nodes of the same graph. It can be printed, planned, compared with a
 * formula, and differentiated again. Results that do not depend on x are GPF_NONE ("no
 * gradient"), which is neither a node of zeros nor a failure.
 *
 * @example grad
 *     gpf_graph *g = gpf_graph_alloc();
 *     gpf_node w = gpf_param(g, "w", gpf_shape1(3)), u = gpf_param(g, "u", gpf_shape1(3));
 *     gpf_node f = gpf_sum(g, gpf_square(g, w), GPF_ALL_AXES), df[2], xs[] = { w, u };
 *     assert(gpf_grad(g, f, xs, 2, df) == GSL_SUCCESS);
 *     assert(df[0] == gpf_mul(g, gpf_const(g, 2), w) && df[1] == GPF_NONE);
 *     gpf_graph_free(g);
 * @end
 *
 * All functions return the graph's status (GPF_ENOGRAD where an op on the way has no rule) and
 * write GPF_POISON results on failure. They append to the graph: one thread at a time.
 */
#ifndef GPF_GRAD_H
#define GPF_GRAD_H

#include <gradproof/op.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reverse sweep: out[i] = d y / d xs[i], of xs[i]'s shape. y must have one element. Any node may
 * be an x, also an intermediate one. O(nodes). */
GPF_API int gpf_grad(gpf_graph *g, gpf_node y, const gpf_node *xs, size_t n, gpf_node *out);

/* The same with a given cotangent: out[i] = J_i' bar, bar of y's shape, y of any shape. */
GPF_API int gpf_vjp(gpf_graph *g, gpf_node y, gpf_node bar, const gpf_node *xs, size_t n,
                    gpf_node *out);

/* Forward sweep: *out = sum_i J_i dots[i], of y's shape; dots[i] has xs[i]'s shape or is
 * GPF_NONE. Uses the rows' jvp rules, which are written independently of the vjp rules, so
 * <bar, jvp> = <vjp, dot> tests both without a step size. */
GPF_API int gpf_jvp(gpf_graph *g, gpf_node y, const gpf_node *xs, const gpf_node *dots, size_t n,
                    gpf_node *out);

/* Hessian-vector products: out[i] = sum_j H_ij vs[j] for a one-element y, by a forward sweep over
 * the gradient. */
GPF_API int gpf_hvp(gpf_graph *g, gpf_node y, const gpf_node *xs, const gpf_node *vs, size_t n,
                    gpf_node *out);

/* The whole Jacobian as a matrix: row = element of y, column = element of x, both row-major. For
 * small outputs: size(y) <= 1024 and no N in either shape. Zeros where y does not depend on x. */
GPF_API int gpf_jacobian(gpf_graph *g, gpf_node y, gpf_node x, gpf_node *out);

#ifdef __cplusplus
}
#endif
#endif
