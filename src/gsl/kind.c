/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The seven structures as rows: how large they are, what they have, how they are called. */
#include "gsl/gsl.h"

#include <string.h>

/* Views, not gsl_vector_view_array: that one calls GSL's error handler for an empty vector. A
 * callback gets const vectors, which GSL's views of const data are behind a cast, too. */
static gsl_vector vector(const double *data, size_t n)
{
    return (gsl_vector){ .size = n, .stride = 1, .data = (double *)data };
}

static gsl_matrix matrix(double *data, size_t rows, size_t cols)
{
    return (gsl_matrix){ .size1 = rows, .size2 = cols, .tda = cols, .data = data };
}

static void function_sizes(const void *s, size_t *n, size_t *m)
{
    (void)s;
    *n = *m = 1;
}

static int function_has(const void *s, gpf__route r)
{
    const gsl_function_fdf *f = s;
    return r == GPF__F ? f->f != NULL : r == GPF__DF ? f->df != NULL : r == GPF__FDF && f->fdf;
}

static int function_call(const void *s, gpf__route r, const gpf__args *a)
{
    const gsl_function_fdf *f = s;
    if (r == GPF__F)
        *a->f = f->f(*a->x, f->params);
    else if (r == GPF__DF)
        *a->d = f->df(*a->x, f->params);
    else
        f->fdf(*a->x, f->params, a->f, a->d);
    return GSL_SUCCESS;
}

static void multimin_sizes(const void *s, size_t *n, size_t *m)
{
    *n = ((const gsl_multimin_function_fdf *)s)->n;
    *m = 1;
}

static int multimin_has(const void *s, gpf__route r)
{
    const gsl_multimin_function_fdf *f = s;
    return r == GPF__F ? f->f != NULL : r == GPF__DF ? f->df != NULL : r == GPF__FDF && f->fdf;
}

static int multimin_call(const void *s, gpf__route r, const gpf__args *a)
{
    const gsl_multimin_function_fdf *f = s;
    const gsl_vector x = vector(a->x, f->n);
    gsl_vector d = vector(a->d, f->n);
    if (r == GPF__F)
        *a->f = f->f(&x, f->params);
    else if (r == GPF__DF)
        f->df(&x, f->params, &d);
    else
        f->fdf(&x, f->params, a->f, &d);
    return GSL_SUCCESS;
}

static void multiroot_sizes(const void *s, size_t *n, size_t *m)
{
    *n = *m = ((const gsl_multiroot_function_fdf *)s)->n;
}

static int multiroot_has(const void *s, gpf__route r)
{
    const gsl_multiroot_function_fdf *f = s;
    return r == GPF__F ? f->f != NULL : r == GPF__DF ? f->df != NULL : r == GPF__FDF && f->fdf;
}

static int multiroot_call(const void *s, gpf__route r, const gpf__args *a)
{
    const gsl_multiroot_function_fdf *f = s;
    const gsl_vector x = vector(a->x, f->n);
    gsl_vector v = vector(a->f, f->n);
    gsl_matrix J = matrix(a->d, f->n, f->n);
    if (r == GPF__F)
        return f->f(&x, f->params, &v);
    if (r == GPF__DF)
        return f->df(&x, f->params, &J);
    return f->fdf(&x, f->params, &v, &J);
}

static void multifit_sizes(const void *s, size_t *n, size_t *m)
{
    const gsl_multifit_function_fdf *f = s;
    *n = f->p;
    *m = f->n;
}

static int multifit_has(const void *s, gpf__route r)
{
    const gsl_multifit_function_fdf *f = s;
    return r == GPF__F ? f->f != NULL : r == GPF__DF ? f->df != NULL : r == GPF__FDF && f->fdf;
}

static int multifit_call(const void *s, gpf__route r, const gpf__args *a)
{
    const gsl_multifit_function_fdf *f = s;
    const gsl_vector x = vector(a->x, f->p);
    gsl_vector v = vector(a->f, f->n);
    gsl_matrix J = matrix(a->d, f->n, f->p);
    if (r == GPF__F)
        return f->f(&x, f->params, &v);
    if (r == GPF__DF)
        return f->df(&x, f->params, &J);
    return f->fdf(&x, f->params, &v, &J);
}

static void nlinear_sizes(const void *s, size_t *n, size_t *m)
{
    const gsl_multifit_nlinear_fdf *f = s;
    *n = f->p;
    *m = f->n;
}

static int nlinear_has(const void *s, gpf__route r)
{
    const gsl_multifit_nlinear_fdf *f = s;
    return r == GPF__F ? f->f != NULL : r == GPF__DF ? f->df != NULL : r == GPF__FVV && f->fvv;
}

static int nlinear_call(const void *s, gpf__route r, const gpf__args *a)
{
    const gsl_multifit_nlinear_fdf *f = s;
    const gsl_vector x = vector(a->x, f->p), u = vector(a->u, f->p);
    gsl_vector v = vector(a->f, f->n), out = vector(a->out, f->n);
    gsl_matrix J = matrix(a->d, f->n, f->p);
    if (r == GPF__F)
        return f->f(&x, f->params, &v);
    if (r == GPF__DF)
        return f->df(&x, f->params, &J);
    return f->fvv(&x, &u, f->params, &out);
}

static void large_sizes(const void *s, size_t *n, size_t *m)
{
    const gsl_multilarge_nlinear_fdf *f = s;
    *n = f->p;
    *m = f->n;
}

static int large_has(const void *s, gpf__route r)
{
    const gsl_multilarge_nlinear_fdf *f = s;
    return r == GPF__F                     ? f->f != NULL
           : r == GPF__JU || r == GPF__JTU ? f->df != NULL
                                           : r == GPF__FVV && f->fvv;
}

/* GSL 2.7 asks for J u alone, for J' u alone, and for J' u with J'J; never without u and v. */
static int large_call(const void *s, gpf__route r, const gpf__args *a)
{
    const gsl_multilarge_nlinear_fdf *f = s;
    const bool transposed = r == GPF__JTU;
    const gsl_vector x = vector(a->x, f->p), u = vector(a->u, transposed ? f->n : f->p);
    gsl_vector v = vector(a->f, f->n), out = vector(a->out, transposed ? f->p : f->n);
    gsl_matrix jtj = matrix(a->jtj, f->p, f->p);
    if (r == GPF__F)
        return f->f(&x, f->params, &v);
    if (r == GPF__FVV)
        return f->fvv(&x, &u, f->params, &out);
    return f->df(transposed ? CblasTrans : CblasNoTrans, &x, &u, f->params, &out,
                 a->jtj ? &jtj : NULL);
}

static void odeiv2_sizes(const void *s, size_t *n, size_t *m)
{
    *m = ((const gsl_odeiv2_system *)s)->dimension;
    *n = *m + 1;
}

static int odeiv2_has(const void *s, gpf__route r)
{
    const gsl_odeiv2_system *f = s;
    return r == GPF__F ? f->function != NULL : r == GPF__DF && f->jacobian;
}

/* x is y, then t. */
static int odeiv2_call(const void *s, gpf__route r, const gpf__args *a)
{
    const gsl_odeiv2_system *f = s;
    const double t = a->x[f->dimension];
    return r == GPF__F ? f->function(t, a->x, a->f, f->params)
                       : f->jacobian(t, a->x, a->d, a->dt, f->params);
}

static const gpf_fdf_kind kinds[] = {
    { .name = "function",
      .structure = "gsl_function_fdf",
      .f = "f",
      .df = "df",
      .part = "df",
      .sizes = function_sizes,
      .has = function_has,
      .call = function_call },
    { .name = "multimin",
      .structure = "gsl_multimin_function_fdf",
      .f = "f",
      .df = "df",
      .part = "df",
      .indices = 1,
      .sizes = multimin_sizes,
      .has = multimin_has,
      .call = multimin_call },
    { .name = "multiroot",
      .structure = "gsl_multiroot_function_fdf",
      .f = "f",
      .df = "df",
      .part = "J",
      .indices = 2,
      .sizes = multiroot_sizes,
      .has = multiroot_has,
      .call = multiroot_call },
    { .name = "multifit",
      .structure = "gsl_multifit_function_fdf",
      .f = "f",
      .df = "df",
      .part = "J",
      .indices = 2,
      .sizes = multifit_sizes,
      .has = multifit_has,
      .call = multifit_call },
    { .name = "multifit_nlinear",
      .structure = "gsl_multifit_nlinear_fdf",
      .f = "f",
      .df = "df",
      .part = "J",
      .indices = 2,
      .sizes = nlinear_sizes,
      .has = nlinear_has,
      .call = nlinear_call },
    { .name = "multilarge_nlinear",
      .structure = "gsl_multilarge_nlinear_fdf",
      .f = "f",
      .df = "df",
      .part = "J u",
      .indices = 2,
      .sizes = large_sizes,
      .has = large_has,
      .call = large_call },
    { .name = "odeiv2",
      .structure = "gsl_odeiv2_system",
      .f = "function",
      .df = "jacobian",
      .part = "dfdy",
      .indices = 2,
      .sizes = odeiv2_sizes,
      .has = odeiv2_has,
      .call = odeiv2_call,
      .time = 1 },
};

enum { N_KINDS = sizeof kinds / sizeof *kinds };

const gpf_fdf_kind *gpf_fdf_kind_at(size_t i)
{
    return i < N_KINDS ? &kinds[i] : NULL;
}

const gpf_fdf_kind *gpf_fdf_kind_find(const char *name)
{
    for (size_t i = 0; name && i < N_KINDS; i++)
        if (strcmp(kinds[i].name, name) == 0 || strcmp(kinds[i].structure, name) == 0)
            return &kinds[i];
    return NULL;
}

const char *gpf_fdf_kind_name(const gpf_fdf_kind *k)
{
    return k->name;
}

const char *gpf_fdf_kind_structure(const gpf_fdf_kind *k)
{
    return k->structure;
}

size_t gpf_fdf_kind_variables(const gpf_fdf_kind *k, const void *structure)
{
    size_t n, m;
    k->sizes(structure, &n, &m);
    return n;
}

size_t gpf_fdf_kind_values(const gpf_fdf_kind *k, const void *structure)
{
    size_t n, m;
    k->sizes(structure, &n, &m);
    return m;
}

const char *gpf__route_name(const gpf_fdf_kind *k, gpf__route r)
{
    switch (r) {
    case GPF__F:
        return k->f;
    case GPF__FDF:
        return "fdf";
    case GPF__FVV:
        return "fvv";
    default:
        return k->df;
    }
}
