/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Callbacks for tests/require.sh: of each kind a right one and a wrong one. */
#ifndef CALLBACKS_H
#define CALLBACKS_H

#include <gsl/gsl_errno.h>
#include <gsl/gsl_multimin.h>
#include <gsl/gsl_odeiv2.h>
#include <math.h>

/* f = sum over i of exp(0.37 x_i) + (x_i - 0.61)^2; the wrong gradient forgets the 2. */
static double f(const gsl_vector *x, void *params)
{
    double sum = 0;
    (void)params;
    for (size_t i = 0; i < x->size; i++) {
        const double v = gsl_vector_get(x, i), d = v - 0.61;
        sum += exp(0.37 * v) + d * d;
    }
    return sum;
}

static void gradient(const gsl_vector *x, double factor, gsl_vector *df)
{
    for (size_t i = 0; i < x->size; i++) {
        const double v = gsl_vector_get(x, i);
        gsl_vector_set(df, i, 0.37 * exp(0.37 * v) + factor * (v - 0.61));
    }
}

static void df_right(const gsl_vector *x, void *params, gsl_vector *df)
{
    (void)params;
    gradient(x, 2, df);
}

static void df_wrong(const gsl_vector *x, void *params, gsl_vector *df)
{
    (void)params;
    gradient(x, 1, df);
}

static void fdf_right(const gsl_vector *x, void *params, double *value, gsl_vector *df)
{
    *value = f(x, params);
    df_right(x, params, df);
}

static void fdf_wrong(const gsl_vector *x, void *params, double *value, gsl_vector *df)
{
    *value = f(x, params);
    df_wrong(x, params, df);
}

/* Nothing of it depends on x: nothing can be tested. */
static double f_flat(const gsl_vector *x, void *params)
{
    (void)x;
    (void)params;
    return 0.25;
}

static void df_flat(const gsl_vector *x, void *params, gsl_vector *df)
{
    (void)x;
    (void)params;
    gsl_vector_set_zero(df);
}

static void fdf_flat(const gsl_vector *x, void *params, double *value, gsl_vector *df)
{
    *value = f_flat(x, params);
    df_flat(x, params, df);
}

static gsl_multimin_function_fdf right_fdf = { f, df_right, fdf_right, 3, NULL };
static gsl_multimin_function_fdf wrong_fdf = { f, df_wrong, fdf_wrong, 3, NULL };
static gsl_multimin_function_fdf flat_fdf = { f_flat, df_flat, fdf_flat, 3, NULL };

/* y' = (y0 y1, sin y0 + t); the wrong Jacobian is transposed. */
static int rhs(double t, const double y[], double dydt[], void *params)
{
    (void)params;
    dydt[0] = y[0] * y[1];
    dydt[1] = sin(y[0]) + t;
    return GSL_SUCCESS;
}

static int jacobian(double t, const double y[], double *dfdy, double dfdt[], void *params)
{
    const int transposed = params != NULL;
    (void)t;
    dfdy[0] = y[1];
    dfdy[transposed ? 2 : 1] = y[0];
    dfdy[transposed ? 1 : 2] = cos(y[0]);
    dfdy[3] = 0;
    dfdt[0] = 0;
    dfdt[1] = 1;
    return GSL_SUCCESS;
}

static int transposed;
static gsl_odeiv2_system right_ode = { rhs, jacobian, 2, NULL };
static gsl_odeiv2_system wrong_ode = { rhs, jacobian, 2, &transposed };
static const double state_y[] = { 0.83, -1.27 };

static double point_data[] = { 0.713, -1.291, 2.177 };
static gsl_vector point = { 3, 1, point_data, NULL, 0 };

#endif
