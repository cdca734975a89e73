/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/text.h"
#include "check/stencil.h"
#include "plan/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 8, REDRAWS = 12, GRAD_POINTS = 2, GRAD_SAMPLE = 64 };

/* Relative differences: rounding stays below the first, an error is above the second. */
static const double HOLDS = 1e-9, REFUTED = 1e-6;

static double at(const double *x, size_t n, size_t i)
{
    return x[n == 1 ? 0 : i];
}

static double largest(const double *x, size_t n)
{
    double m = 0;
    for (size_t i = 0; i < n; i++)
        m = fmax(m, fabs(x[i]));
    return m;
}

static bool all_finite(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

/* Compares both sides at one point; keeps the worst element so far. */
static void compare(const gpf_plan *plan, const gpf_workspace *ws, gpf_claim_result *result)
{
    const double *l = gpf_workspace_output(ws, 0), *r = gpf_workspace_output(ws, 1);
    const size_t nl = gpf_plan_output_size(plan, 0), nr = gpf_plan_output_size(plan, 1),
                 n = nl > nr ? nl : nr;
    /* Elements far below the largest are held to a thousandth of it: what cancels to nearly
     * nothing has no digits of its own. */
    const double floor = 1e-3 * fmax(largest(l, nl), largest(r, nr));
    for (size_t i = 0; i < n; i++) {
        const double a = at(l, nl, i), b = at(r, nr, i), size = fmax(fmax(fabs(a), fabs(b)), floor),
                     off = size > 0 ? fabs(a - b) / size : 0;
        if (off > result->worst || (result->points == 0 && i == 0)) {
            result->worst = off;
            result->element = i;
            result->left = a;
            result->right = b;
            result->ratio = a / b;
            result->shape = gpf_plan_output_shape(plan, nl >= nr ? 0 : 1);
        }
    }
    result->points++;
}

/* A gradient inside the claim against GSL at one point. A Jacobian J of f stands for the gradient
 * J' w of sum(w f) with unequal weights w. */
static int check_use(gpf_graph *g, const gpf_claim_use *use, const gpf_point *p, unsigned long seed,
                     gpf_claim_result *result)
{
    gpf_node f = use->f, grad = use->grad;
    if (use->jacobian) {
        const gpf_shape fs = gpf_node_shape(g, f), xs = gpf_node_shape(g, use->x);
        const size_t m = gpf_shape_size(fs, 1);
        double *w = malloc(m * sizeof *w);
        if (!w)
            return GSL_ENOMEM;
        for (size_t i = 0; i < m; i++)
            w[i] = 0.5 + fmod((double)(i + 1) * 0.6180339887498949, 1);
        f = gpf_sum(g, gpf_mul(g, f, gpf_const_tensor(g, fs, w)), GPF_ALL_AXES);
        grad = gpf_reshape(
            g, gpf_matmul(g, gpf_const_tensor(g, gpf_shape2(1, (ptrdiff_t)m), w), grad), xs);
        free(w);
    }
    gpf_check *c = gpf_check_alloc(g, f, &use->x, &grad, 1, p->N, seed, NULL);
    if (!c)
        return gpf_graph_status(g, NULL) ? gpf_graph_status(g, NULL) : GSL_ENOMEM;
    gpf_check_options how = gpf_check_defaults();
    how.sample = GRAD_SAMPLE;
    how.threads = 1; /* small points, few elements */
    how.seed = seed;
    const int status = gpf_check_run(c, p, &how, NULL);
    if (status == GSL_SUCCESS) {
        const gpf_tally t = gpf_check_tally(c, -1);
        result->grads_checked += t.checked;
        result->grads_right += t.count[GPF_RIGHT];
        for (size_t i = 0; i < gpf_check_n_elements(c) && !result->why[0]; i++) {
            const gpf_element *e = gpf_check_element(c, i);
            char label[80];
            if (e->verdict == GPF_WRONG)
                gpf__format(result->why, sizeof result->why,
                            "the gradient with respect to %s is itself wrong: %.7g, GSL says %.7g",
                            gpf_node_label(g, use->x, label, sizeof label), e->analytic,
                            e->numeric);
        }
    }
    gpf_check_free(c);
    return status;
}

/* Runs the claim at up to POINTS generic points, redrawing those where a side is not finite. */
static int compare_everywhere(gpf_graph *g, const gpf_plan *plan, gpf_workspace *ws,
                              const gpf_claim_use *uses, size_t n_uses, const gpf_point *like,
                              size_t N, unsigned long seed, gpf_claim_result *result, bool *nonzero)
{
    int status = GSL_SUCCESS;
    for (unsigned long draw = 0; draw < POINTS + REDRAWS && result->points < POINTS; draw++) {
        gpf_point *p = gpf_point_generic(g, like, N, seed + draw * 0x9e3779b9u);
        status = p ? gpf_plan_run(plan, ws, p) : GSL_ENOMEM;
        const double *l = gpf_workspace_output(ws, 0), *r = gpf_workspace_output(ws, 1);
        const size_t nl = gpf_plan_output_size(plan, 0), nr = gpf_plan_output_size(plan, 1);
        if (status == GSL_SUCCESS && all_finite(l, nl) && all_finite(r, nr)) {
            *nonzero |= largest(l, nl) > 0 || largest(r, nr) > 0;
            compare(plan, ws, result);
            for (size_t i = 0; i < n_uses && status == GSL_SUCCESS && result->points <= GRAD_POINTS;
                 i++)
                status = check_use(g, &uses[i], p, seed + draw, result);
        }
        gpf_point_free(p);
        if (status)
            break;
    }
    return status;
}

static void judge(gpf_claim_result *result, bool same, bool nonzero)
{
    const bool guilty_grad = result->why[0] != 0;
    char *why = result->why;
    const size_t size = sizeof result->why;
    if (guilty_grad) {
        result->verdict = GPF_UNDECIDED;
    } else if (result->points == 0) {
        result->verdict = GPF_UNDECIDED;
        gpf__format(why, size, "no random point was found at which both sides are finite");
    } else if (result->worst > REFUTED) {
        result->verdict = GPF_REFUTED;
        gpf__format(why, size, "left %.7g, right %.7g", result->left, result->right);
    } else if (result->worst > HOLDS) {
        result->verdict = GPF_UNDECIDED;
        gpf__format(why, size,
                    "the sides differ by %.1e of their size: more than rounding, less "
                    "than an error",
                    result->worst);
    } else if (!nonzero) {
        result->verdict = GPF_UNDECIDED;
        gpf__format(why, size, "0 = 0 at every point: nothing was tested");
    } else {
        result->verdict = GPF_HOLDS;
        gpf__format(why, size, "%s%zu random points",
                    same ? "both sides are the same expression; " : "", result->points);
    }
}

int gpf_claim_run(gpf_graph *g, gpf_node left, gpf_node right, const gpf_claim_use *uses,
                  size_t n_uses, const gpf_point *like, unsigned long seed,
                  gpf_claim_result *result)
{
    memset(result, 0, sizeof *result);
    if (!gpf__ok(g, left) || !gpf__ok(g, right))
        return gpf_graph_status(g, NULL);
    const gpf_shape ls = gpf_node_shape(g, left), rs = gpf_node_shape(g, right);
    const bool one = gpf_shape_size(ls, 2) == 1 || gpf_shape_size(rs, 2) == 1;
    if (!one && !gpf_shape_equal(ls, rs)) {
        char a[64], b[64];
        result->verdict = GPF_REFUTED;
        result->left = result->right = result->ratio = result->worst = NAN;
        gpf__format(result->why, sizeof result->why, "the shapes differ: left is %s, right is %s",
                    gpf_shape_text(ls, a, sizeof a), gpf_shape_text(rs, b, sizeof b));
        return GSL_SUCCESS;
    }
    /* Fix the batch size now: it must be the same at all points. */
    gpf_point *first = gpf_point_generic(g, like, 0, seed);
    if (!first)
        return GSL_ENOMEM;
    const size_t N = first->N;
    gpf_point_free(first);
    const gpf_node sides[] = { left, right };
    gpf_plan *plan;
    int status = gpf__plan_make(g, sides, 2, N, NULL, 0, false, &plan);
    gpf_workspace *ws = status ? NULL : gpf__workspace_make(plan);
    bool nonzero = false;
    if (status == GSL_SUCCESS)
        status = ws ? compare_everywhere(g, plan, ws, uses, n_uses, like, N, seed, result, &nonzero)
                    : GSL_ENOMEM;
    if (status == GSL_SUCCESS)
        judge(result, left == right, nonzero);
    gpf_workspace_free(ws);
    gpf_plan_free(plan);
    return status;
}
