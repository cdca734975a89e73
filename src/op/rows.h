/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the family files share: the rows' declarations and a short way to write rules. */
#ifndef GPF_OP_ROWS_H
#define GPF_OP_ROWS_H

#include "base/text.h"
#include "op/vector.h"

#include <gradproof/op.h>
#include <stdbool.h>

#define GPF_ROW(kind, name) extern const gpf_op gpf_op_##name;
GPF_OP_LIST(GPF_ROW)
#undef GPF_ROW
#define GPF_ROW(kind, name) extern const gpf_fn gpf__fn_##name;
GPF_FN_LIST(GPF_ROW)
#undef GPF_ROW

/* A rule is one expression over: x and w (first and second input), y, bar, i, p and k (attr). */
#define RULE(name, expression)                                                    \
    static gpf_node name(const gpf_rule_args *r)                                  \
    {                                                                             \
        gpf_graph *const g = r->g;                                                \
        const gpf_node x = r->x[0], w = r->x[r->n_x > 1], y = r->y, bar = r->bar; \
        const double *const p = r->attr->p;                                       \
        const ptrdiff_t *const k = r->attr->k;                                    \
        (void)g, (void)x, (void)w, (void)y, (void)bar, (void)p, (void)k;          \
        return (expression);                                                      \
    }

/* Elementwise kernels over u (and v); p is attr->p. */
#define MAP1(name, expression)                                                                  \
    GPF__INLINE void name##_body(size_t n, double *y, const double *const *x,                   \
                                 const gpf_attr *attr)                                          \
    {                                                                                           \
        const double p[] = { attr->p[0], attr->p[1] }, *const x0 = x[0];                        \
        (void)p;                                                                                \
        GPF__SIMD for (size_t j = 0; j < n; j++)                                                \
        {                                                                                       \
            const double u = x0[j];                                                             \
            y[j] = (expression);                                                                \
        }                                                                                       \
    }                                                                                           \
    VERSIONS(void, , name, (size_t n, double *y, const double *const *x, const gpf_attr *attr), \
             (n, y, x, attr))
#define MAP2(name, expression)                                                                  \
    GPF__INLINE void name##_body(size_t n, double *y, const double *const *x,                   \
                                 const gpf_attr *attr)                                          \
    {                                                                                           \
        const double p[] = { attr->p[0], attr->p[1] }, *const x0 = x[0], *const x1 = x[1];      \
        (void)p;                                                                                \
        GPF__SIMD for (size_t j = 0; j < n; j++)                                                \
        {                                                                                       \
            const double u = x0[j], v = x1[j];                                                  \
            y[j] = (expression);                                                                \
        }                                                                                       \
    }                                                                                           \
    VERSIONS(void, , name, (size_t n, double *y, const double *const *x, const gpf_attr *attr), \
             (n, y, x, attr))

/* name_side and name_moved: the piece of an element, a whole number, and its distance from the
 * nearest edge, expressions of u (and v) and p. */
#define PIECES(name, piece, distance)                                                              \
    GPF__INLINE double name##_piece(double u, double v, const double *p)                           \
    {                                                                                              \
        (void)v, (void)p;                                                                          \
        return (piece);                                                                            \
    }                                                                                              \
    static void name##_side(size_t n, int *side, double *margin, const double *const *x,           \
                            const gpf_attr *attr)                                                  \
    {                                                                                              \
        const double *const p = attr->p, *const x0 = x[0], *const x1 = x[1] ? x[1] : x[0];         \
        (void)p;                                                                                   \
        for (size_t j = 0; j < n; j++) {                                                           \
            const double u = x0[j], v = x1[j];                                                     \
            (void)v;                                                                               \
            side[j] = (int)name##_piece(u, v, p);                                                  \
            margin[j] = (distance);                                                                \
        }                                                                                          \
    }                                                                                              \
    GPF__INLINE int name##_moved_body(size_t n, const double *const *x, const double *const *from, \
                                      const gpf_attr *attr)                                        \
    {                                                                                              \
        const double p[] = { attr->p[0], attr->p[1] }, *const x0 = x[0], *const from0 = from[0],   \
                     *const x1 = x[1] ? x[1] : x0, *const from1 = from[1] ? from[1] : from0;       \
        uint64_t any = 0;                                                                          \
        GPF__SIMD_OR(any) for (size_t j = 0; j < n; j++)                                           \
        {                                                                                          \
            const double now = name##_piece(x0[j], x1[j], p),                                      \
                         then = name##_piece(from0[j], from1[j], p);                               \
            any |= gpf__bits(now) ^ gpf__bits(then);                                               \
        }                                                                                          \
        return any != 0;                                                                           \
    }                                                                                              \
    VERSIONS(int, return, name##_moved,                                                            \
             (size_t n, const double *const *x, const double *const *from, const gpf_attr *attr),  \
             (n, x, from, attr))

/* One edge, at distance d = 0 (an expression of u, v, p), negative on piece 0. */
#define EDGE(name, d) PIECES(name, gpf__pick((d) < 0, 0, gpf__pick((d) > 0, 2, 1)), fabs(d))

/* Has the op kinks or jumps? NULL (a copy) has not. */
static inline bool gpf__piecewise(const gpf_op *op)
{
    return op && (op->side || op->branch);
}

/* op applied to x with p[0] = p0. */
gpf_node gpf__apply_p(gpf_graph *g, const gpf_op *op, gpf_node x, double p0);
gpf_node gpf__apply_p2(gpf_graph *g, const gpf_op *op, gpf_node a, gpf_node b, double p0);
/* op applied to x with k[0] = k0 (an axis or a mask of axes). */
gpf_node gpf__apply_k(gpf_graph *g, const gpf_op *op, gpf_node x, ptrdiff_t k0);

/* c * x without the noise of writing constants. */
static inline gpf_node gpf__scale(gpf_graph *g, double c, gpf_node x)
{
    return gpf_mul(g, gpf_const(g, c), x);
}

/* Number of elements; row-major strides of the tensor's sizes; whether it is laid out so. */
size_t gpf__tensor_size(const gpf_tensor *t);
void gpf__tensor_dense(gpf_tensor *t);
bool gpf__tensor_is_dense(const gpf_tensor *t);
/* Element e in row-major order. */
double *gpf__tensor_at(const gpf_tensor *t, size_t e);
/* y[...] = x[...] for tensors of the same sizes and any strides. */
void gpf__tensor_copy(const gpf_tensor *y, const gpf_tensor *x);

#endif
