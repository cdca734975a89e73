/* SPDX-License-Identifier: GPL-3.0-or-later */
/* softmax and log_softmax along one axis, by default the last: one row of logits a sample. */
#include "op/axes.h"
#include "op/tile.h"

static const gpf_op_param axis_params[] = { { "axis", GPF_INTEGER, 0, -1 }, { NULL, 0, 0, 0 } };

static int axis_of(const gpf_attr *attr, int rank)
{
    return (int)(attr->k[0] < 0 ? attr->k[0] + rank : attr->k[0]);
}

static int softmax_shape(const gpf_shape *x, int n_x, const gpf_attr *attr, gpf_shape *y, char *why,
                         size_t why_size)
{
    (void)n_x;
    const int axis = axis_of(attr, x->rank);
    if (axis < 0 || axis >= x->rank) {
        gpf__format(why, why_size, "there is no axis %td", attr->k[0]);
        return GPF_ESHAPE;
    }
    *y = *x;
    return GSL_SUCCESS;
}

/* Every softmax row is n elements: e^(x - m) / s with m = max x, s = sum e^(x - m), or the
 * logarithm of that, x - m - log s. s is summed in order of the elements, so that a row's values
 * do not depend on how it lies in memory. y holds e^(x - m) in between. */
GPF__INLINE double finish(double e, double x, double m, double s, bool logarithm)
{
    return logarithm ? (x - m) - s : e / s;
}

GPF__INLINE void row_along(size_t n, const double *x, double *y, double m, bool logarithm)
{
    GPF__SIMD for (size_t i = 0; i < n; i++)
    {
        y[i] = gpf__exp(x[i] - m);
    }
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += y[i];
    s = logarithm ? gpf__log(s) : s;
    GPF__SIMD for (size_t i = 0; i < n; i++)
    {
        y[i] = finish(y[i], x[i], m, s, logarithm);
    }
}

GPF__INLINE void rows_across(const gpf__fibres *f, const double *m, bool logarithm)
{
    double s[GPF__LANES], from[GPF__LANES], to[GPF__LANES];
    const size_t lanes = f->lanes;
    for (size_t j = 0; j < lanes; j++)
        s[j] = 0;
    for (size_t i = 0; i < f->n; i++) {
        const double *x = gpf__lanes(f->x + (ptrdiff_t)i * f->x_step, f->x_lane, lanes, from);
        double *row = f->y + (ptrdiff_t)i * f->y_step, *y = gpf__lanes_to(row, f->y_lane, to);
        GPF__SIMD for (size_t j = 0; j < lanes; j++)
        {
            y[j] = gpf__exp(x[j] - m[j]);
            s[j] += y[j];
        }
        gpf__lanes_done(row, f->y_lane, lanes, to);
    }
    GPF__SIMD for (size_t j = 0; j < lanes; j++)
    {
        s[j] = logarithm ? gpf__log(s[j]) : s[j];
    }
    for (size_t i = 0; i < f->n; i++) {
        const double *x = gpf__lanes(f->x + (ptrdiff_t)i * f->x_step, f->x_lane, lanes, from);
        double *row = f->y + (ptrdiff_t)i * f->y_step, *y = gpf__lanes_to(row, f->y_lane, to);
        const double *e = gpf__lanes(row, f->y_lane, lanes, to);
        GPF__SIMD for (size_t j = 0; j < lanes; j++)
        {
            y[j] = finish(e[j], x[j], m[j], s[j], logarithm);
        }
        gpf__lanes_done(row, f->y_lane, lanes, to);
    }
}

GPF__INLINE void rows(const gpf__fibres *f, bool logarithm)
{
    double m[GPF__LANES];
    gpf__largest(f, m);
    if (!gpf__along(f) || f->y_step != 1) {
        rows_across(f, m, logarithm);
        return;
    }
    for (size_t j = 0; j < f->lanes; j++)
        row_along(f->n, f->x + (ptrdiff_t)j * f->x_lane, f->y + (ptrdiff_t)j * f->y_lane, m[j],
                  logarithm);
}

GPF__INLINE void softmax_rows_body(const gpf__fibres *f)
{
    rows(f, false);
}
VERSIONS(void, , softmax_rows, (const gpf__fibres *f), (f))

GPF__INLINE void log_softmax_rows_body(const gpf__fibres *f)
{
    rows(f, true);
}
VERSIONS(void, , log_softmax_rows, (const gpf__fibres *f), (f))

static void softmax_eval(const gpf_call *c)
{
    gpf__each_fibres(c->x[0], c->y, (ptrdiff_t)1 << axis_of(c->attr, c->y->rank), softmax_rows);
}

static void log_softmax_eval(const gpf_call *c)
{
    gpf__each_fibres(c->x[0], c->y, (ptrdiff_t)1 << axis_of(c->attr, c->y->rank), log_softmax_rows);
}

/* Along the last axis of a matrix: by row. */
static bool by_row(const gpf__patch *p)
{
    const gpf_tensor *x = p->call->x[0];
    return x->rank == 2 && axis_of(p->call->attr, 2) == 1;
}

static int softmax_damage(const gpf__patch *p)
{
    return by_row(p) && gpf__damage_rowwise(p, softmax_eval);
}

static int log_softmax_damage(const gpf__patch *p)
{
    return by_row(p) && gpf__damage_rowwise(p, log_softmax_eval);
}

/* Sum along the softmax axis of r->x[0]'s shape. */
static gpf_node row_sum(const gpf_rule_args *r, gpf_node v)
{
    return gpf_sum(r->g, v, (ptrdiff_t)1 << axis_of(r->attr, gpf_node_shape(r->g, r->x[0]).rank));
}

static gpf_node softmax(const gpf_rule_args *r)
{
    return gpf_apply(r->g, &gpf_op_softmax, r->x, 1, r->attr);
}

/* J = diag(y) - y'y: vjp y (bar - sum(bar y)), jvp y bar - y sum(y bar) */
RULE(softmax_vjp, gpf_mul(g, y, gpf_sub(g, bar, row_sum(r, gpf_mul(g, bar, y)))))
RULE(softmax_jvp, gpf_sub(g, gpf_mul(g, y, bar), gpf_mul(g, y, row_sum(r, gpf_mul(g, y, bar)))))
const gpf_op gpf_op_softmax = { .name = "softmax",
                                .arity = 1,
                                .formula = "e^x / sum e^x along an axis, the last by default",
                                .latex = "\\operatorname{softmax}(x)",
                                .flags = GPF_OP_STRIDED,
                                .params = axis_params,
                                .shape = softmax_shape,
                                .eval = softmax_eval,
                                .damage = softmax_damage,
                                .vjp = { softmax_vjp },
                                .jvp = { softmax_jvp } };

/* J = I - 1 softmax: vjp bar - softmax sum(bar), jvp bar - sum(softmax bar) */
RULE(log_softmax_vjp, gpf_sub(g, bar, gpf_mul(g, softmax(r), row_sum(r, bar))))
RULE(log_softmax_jvp, gpf_sub(g, bar, row_sum(r, gpf_mul(g, gpf_exp(g, y), bar))))
const gpf_op gpf_op_log_softmax = { .name = "log_softmax",
                                    .arity = 1,
                                    .formula = "x - log sum e^x along an axis, the last by default",
                                    .latex = "\\log\\operatorname{softmax}(x)",
                                    .flags = GPF_OP_STRIDED,
                                    .params = axis_params,
                                    .shape = softmax_shape,
                                    .eval = log_softmax_eval,
                                    .damage = log_softmax_damage,
                                    .vjp = { log_softmax_vjp },
                                    .jvp = { log_softmax_jvp } };
