/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "train/train.h"

#include "base/arena.h"

#include <float.h>
#include <gsl/gsl_blas.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <gsl/gsl_multimin.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const gpf_minimizer_kind kinds[] = {
    { "bfgs", "quasi-Newton: Fletcher's BFGS with his line search (gsl_multimin vector_bfgs2)",
      &gsl_multimin_fdfminimizer_vector_bfgs2 },
    { "cg-fr", "conjugate gradients of Fletcher and Reeves (gsl_multimin conjugate_fr)",
      &gsl_multimin_fdfminimizer_conjugate_fr },
    { "cg-pr", "conjugate gradients of Polak and Ribiere (gsl_multimin conjugate_pr)",
      &gsl_multimin_fdfminimizer_conjugate_pr },
    { "steepest", "along the gradient, as far as the loss falls (gsl_multimin steepest_descent)",
      &gsl_multimin_fdfminimizer_steepest_descent },
    { "lm", "Levenberg-Marquardt: (J'J + mu D^2) dtheta = -J'r (gsl_multifit_nlinear)", NULL },
};

const gpf_minimizer_kind *gpf_minimizer_at(size_t i)
{
    return i < sizeof kinds / sizeof *kinds ? &kinds[i] : NULL;
}

const gpf_minimizer_kind *gpf_minimizer_find(const char *name)
{
    const gpf_minimizer_kind *k = kinds;
    for (size_t i = 0; (k = gpf_minimizer_at(i)) && strcmp(k->name, name); i++)
        ;
    return k;
}

struct gpf__minimizer {
    gpf__objective objective;
    double rate, tolerance;
    gsl_multimin_fdfminimizer *descent; /* one of these two */
    gsl_multifit_nlinear_workspace *fit;
    gsl_multimin_function_fdf function;
    gsl_multifit_nlinear_fdf residuals;
    size_t rows;        /* of the fit: m, but at least n, as GSL wants it; the rest are zeros */
    int status;         /* of the objective in this iteration: GSL's callbacks cannot return one */
    bool searching;     /* not at the point where an iteration began */
    bool moved;         /* since it began anew */
    double f, slope;    /* where the iteration began: f and the norm of its gradient */
    double first_slope; /* where it was started */
    gsl_vector *at;     /* where the iteration began */
};

/* What GSL is told where the objective has no finite value. Its line searches compare and
 * interpolate: a NaN passes every test of theirs and is taken for progress, an infinity makes the
 * interpolated step 0. This, f + 4 |g| |theta - at| and more than f, makes them take a part of the
 * step. Where the minimiser ends up is judged by the real values. */
static double wall(const gpf__minimizer *m, const double *theta)
{
    double squares = 0;
    for (size_t i = 0; i < m->objective.n; i++) {
        const double d = theta[i] - m->at->data[i];
        squares += d * d;
    }
    const double up = m->f + 4 * m->slope * sqrt(squares);
    return isfinite(up) ? fmax(up, nextafter(m->f, INFINITY)) : DBL_MAX;
}

static void both(const gsl_vector *theta, void *arg, double *f, gsl_vector *gradient)
{
    gpf__minimizer *m = arg;
    if (!m->status)
        m->status =
            m->objective.value(m->objective.arg, theta->data, f, gradient ? gradient->data : NULL);
    if (m->status)
        *f = NAN;
    if (m->searching && !isfinite(*f))
        *f = wall(m, theta->data);
}

static double value(const gsl_vector *theta, void *arg)
{
    double f;
    both(theta, arg, &f, NULL);
    return f;
}

static void slopes(const gsl_vector *theta, void *arg, gsl_vector *gradient)
{
    double f;
    both(theta, arg, &f, gradient);
}

static bool finite(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

static int residuals(const gsl_vector *theta, void *arg, gsl_vector *r)
{
    gpf__minimizer *m = arg;
    gsl_vector_set_zero(r);
    const int status = m->objective.residuals(m->objective.arg, theta->data, r->data);
    if (status || finite(r->data, m->objective.m))
        return status;
    if (!m->searching)
        return GSL_EBADFUNC;
    gsl_vector_set_zero(r); /* longer than now: the step is refused */
    r->data[0] = 2 * sqrt(2 * m->f);
    return GSL_SUCCESS;
}

/* GSL's matrix is one block without gaps, as its own allocation made it. */
static int jacobian(const gsl_vector *theta, void *arg, gsl_matrix *J)
{
    gpf__minimizer *m = arg;
    gsl_matrix_set_zero(J);
    const int status = m->objective.jacobian(m->objective.arg, theta->data, J->data);
    return status ? status : finite(J->data, J->size1 * J->size2) ? GSL_SUCCESS : GSL_EBADFUNC;
}

static int make_fit(gpf__minimizer *m)
{
    const size_t n = m->objective.n;
    m->rows = m->objective.m > n ? m->objective.m : n;
    /* GSL keeps J, its QR factors and an n x n matrix, and some vectors of either length. */
    const size_t room = gpf__machine_memory() / 16 / sizeof(double);
    if (m->rows > room / 3 / (n + 4))
        return GPF_ELIMIT;
    gsl_multifit_nlinear_parameters how = gsl_multifit_nlinear_default_parameters();
    m->fit = gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &how, m->rows, n);
    m->residuals = (gsl_multifit_nlinear_fdf){ residuals, jacobian, NULL, m->rows, n, m, 0, 0, 0 };
    return m->fit ? GSL_SUCCESS : GSL_ENOMEM;
}

static int make_descent(gpf__minimizer *m, const void *type)
{
    const gsl_multimin_fdfminimizer_type *const *gsls = type;
    m->descent = gsl_multimin_fdfminimizer_alloc(*gsls, m->objective.n);
    m->function = (gsl_multimin_function_fdf){ value, slopes, both, m->objective.n, m };
    return m->descent ? GSL_SUCCESS : GSL_ENOMEM;
}

int gpf__minimizer_make(const gpf_minimizer_kind *kind, const gpf__objective *f, double rate,
                        double tolerance, gpf__minimizer **made)
{
    *made = NULL;
    if (f->n == 0)
        return GPF_ENOTHING;
    gpf__minimizer *m = calloc(1, sizeof *m);
    if (!m)
        return GSL_ENOMEM;
    m->objective = *f;
    m->rate = isnan(rate) ? 0.01 : rate;
    m->tolerance = isnan(tolerance) ? 0.1 : tolerance;
    m->at = gsl_vector_calloc(f->n);
    const int status = !m->at ? GSL_ENOMEM : kind->type ? make_descent(m, kind->type) : make_fit(m);
    if (status) {
        gpf__minimizer_free(m);
        return status;
    }
    *made = m;
    return GSL_SUCCESS;
}

void gpf__minimizer_free(gpf__minimizer *m)
{
    if (!m)
        return;
    if (m->descent)
        gsl_multimin_fdfminimizer_free(m->descent);
    gsl_multifit_nlinear_free(m->fit);
    gsl_vector_free(m->at);
    free(m);
}

static const gsl_vector *position(const gpf__minimizer *m)
{
    return m->fit ? m->fit->x : m->descent->x;
}

/* Takes over f and the norm of the gradient from where GSL is. */
static int look(gpf__minimizer *m)
{
    if (m->status)
        return m->status;
    const double r = m->fit ? gsl_blas_dnrm2(m->fit->f) : 0;
    m->f = m->fit ? r * r / 2 : m->descent->f;
    m->slope = gsl_blas_dnrm2(m->fit ? m->fit->g : m->descent->gradient);
    return isfinite(m->f) && isfinite(m->slope) ? GSL_SUCCESS : GSL_EBADFUNC;
}

/* GSL anew at m->at. */
static int begin(gpf__minimizer *m)
{
    m->status = GSL_SUCCESS;
    m->searching = m->moved = false;
    if (m->fit)
        m->status = gsl_multifit_nlinear_init(m->at, &m->residuals, m->fit);
    else
        gsl_multimin_fdfminimizer_set(m->descent, &m->function, m->at, m->rate, m->tolerance);
    return look(m);
}

int gpf__minimizer_start(gpf__minimizer *m, const double *theta)
{
    memcpy(m->at->data, theta, m->objective.n * sizeof *theta);
    const int status = begin(m);
    m->first_slope = m->slope;
    return status;
}

static int iterate(gpf__minimizer *m)
{
    gsl_vector_memcpy(m->at, position(m));
    /* With J = 0 GSL's solver would call it an error that a matrix has no rank. */
    if (m->slope == 0)
        return GSL_ENOPROG;
    m->searching = true;
    const int status = m->fit ? gsl_multifit_nlinear_iterate(m->fit)
                              : gsl_multimin_fdfminimizer_iterate(m->descent);
    m->searching = false;
    if (m->status || status)
        return m->status ? m->status : status;
    m->moved = true;
    return look(m);
}

/* Nothing but rounding is left: the norm of the gradient is small against where it began, or what it
 * promises on a way as long as theta against the loss itself. For a fit column by column, which does
 * not depend on the scales of the params: |J_i'r| against |J_i| |r|, or |r| against the terms
 * J_i theta_i that make it up. */
static bool at_minimum(const gpf__minimizer *m)
{
    if (m->slope == 0)
        return true;
    if (!m->fit)
        return m->slope <= 1e-6 * m->first_slope ||
               m->slope * gsl_blas_dnrm2(m->at) <= 1e-8 * fabs(m->f);
    const double r = gsl_blas_dnrm2(m->fit->f);
    double terms = 0;
    bool small = true;
    for (size_t i = 0; i < m->objective.n; i++) {
        const gsl_vector_const_view column = gsl_matrix_const_column(m->fit->J, i);
        const double length = gsl_blas_dnrm2(&column.vector);
        terms += length * fabs(m->fit->x->data[i]);
        small = small && fabs(m->fit->g->data[i]) <= 1e-7 * length * r;
    }
    return small || r <= 1e-13 * terms;
}

int gpf__minimizer_iterate(gpf__minimizer *m, double *theta, double *f, double *gradient)
{
    int status = iterate(m);
    /* A search that ends without a lower point may owe that to what it remembers of the way. */
    if (status == GSL_ENOPROG && m->moved && m->slope > 0) {
        status = begin(m);
        if (!status)
            status = iterate(m);
    }
    /* After any failure it is where it was. */
    memcpy(theta, (status ? m->at : position(m))->data, m->objective.n * sizeof *theta);
    *f = m->f;
    *gradient = m->slope;
    return status == GSL_ENOPROG && at_minimum(m) ? GPF__CONVERGED : status;
}
