/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the gsl stage share.
 *
 *   kind.c     the seven structures as rows: sizes and calls
 *   call.c     a guarded call: poison, guards, x untouched, status, counts
 *   probe.c    how a callback behaves, before any difference: explanations
 *   scatter.c  the noise of values at a point
 *   column.c   F along one variable (or a group of them), all rows at once: gpf__line of each row
 *   entries.c  the entries of the parts that are first derivatives of f
 *   pattern.c  the groups of columns of a sparsity pattern
 *   second.c   fvv; product.c: J u, J' u, J'J of multilarge
 *   random.c   the fast mode
 *   fdf.c      a check: memory, the order of things, explanations, results
 *   adapter.c  a graph as a structure; sweep.c: J u, J' u, fvv of a graph
 */
#ifndef GPF_GSL_GSL_H
#define GPF_GSL_GSL_H

#include "base/text.h"
#include "check/explain.h"
#include "check/stencil.h"

#include <gradproof/gsl.h>

/* What can be asked of a structure. */
typedef enum gpf__route {
    GPF__F,   /* f */
    GPF__DF,  /* d */
    GPF__FDF, /* f and d */
    GPF__FVV, /* in direction v: second */
    GPF__JU,  /* J u, multilarge */
    GPF__JTU, /* J' u, and JTJ */
    GPF__N_ROUTES
} gpf__route;

/* The arguments of one call. Outputs that a route does not write are NULL. All dense; a callback
 * sees them as vectors of stride 1 and matrices whose tda is their width. */
typedef struct gpf__args {
    const double *x; /* n variables; odeiv2: y, then t */
    const double *u; /* fvv: the direction, n; J u: n; J' u: m */
    double *f;       /* m */
    double *d;       /* m x n_d row-major; n_d: columns of it, odeiv2: dim */
    double *dt;      /* odeiv2: m */
    double *out;     /* fvv: m; J u: m; J' u: n */
    double *jtj;     /* n x n, lower half; J' u only; may be NULL, as GSL passes NULL */
} gpf__args;

/* A row: everything that is particular to one structure. */
struct gpf_fdf_kind {
    const char *name, *structure;
    const char *f, *df, *part; /* what its functions are called, and the first part: "J" */
    void (*sizes)(const void *s, size_t *n, size_t *m); /* variables, values */
    int (*has)(const void *s, gpf__route r);            /* is there a function for it */
    /* Calls it; its status, 0 for void. The vectors are wrapped here, nothing is copied. */
    int (*call)(const void *s, gpf__route r, const gpf__args *a);
    int time;    /* 1: the last variable is t, whose derivative is a part of its own */
    int indices; /* of an entry of d in a label: 0 df, 1 df[j], 2 J[i,j] */
};
/* The function that serves a route: "df", "jacobian". kind.c */
const char *gpf__route_name(const gpf_fdf_kind *k, gpf__route r);

/* The outputs of a call. */
typedef enum gpf__slot {
    GPF__OUT_F,
    GPF__OUT_D,
    GPF__OUT_DT,
    GPF__OUT_V, /* args.out */
    GPF__OUT_JTJ,
    GPF__N_SLOTS
} gpf__slot;

/* What outputs hold before a call. A NaN with a payload of its own can be told from every NaN that
 * a callback computes, and is not taken for a value: it stays where nothing was written, and comes
 * back where something was added to it. Which of both it was, a call with numbers tells. */
typedef enum gpf__poison { GPF__POISON_NAN, GPF__POISON_NUMBER, GPF__POISON_ZERO } gpf__poison;
/* The number that entry k of an output holds then; in (1, 2), each another. */
double gpf__poison_number(gpf__slot o, size_t k);

/* What the calls of a route did wrong so far. */
typedef struct gpf__mishap {
    bool wrote_x, wrote_outside;
    bool accumulates; /* set by the probe: outputs are zeroed before every call from then on */
    bool adds[GPF__N_SLOTS]; /* to which of them it adds */
    /* Its values belong to another x unless the route `prime` was called at this one: gpf__call does so
     * from then on, so that all else can be judged. */
    bool primed;
    gpf__route prime;
    size_t failures; /* calls with a status other than GSL_SUCCESS */
    int status;      /* of the first that is near the point */
    size_t troubles; /* calls near the point that failed or gave values that are not finite; */
    double odd;      /* of the first of them, whose status is 0, one such value */
    size_t odd_entry;
    double *at;                    /* n: where that was */
    size_t unfilled[GPF__N_SLOTS]; /* entries the poison was left in, in the call that had most */
    size_t unfilled_first[GPF__N_SLOTS];
    size_t nonfinite[GPF__N_SLOTS]; /* entries written, but NaN or infinite, in the last call */
    size_t nonfinite_first[GPF__N_SLOTS];
} gpf__mishap;

/* One check in the making. */
typedef struct gpf__subject gpf__subject;
struct gpf__subject {
    const gpf_fdf_kind *kind;
    const void *structure;
    size_t n, m, n_d; /* variables, values, columns of d */
    const gpf_fdf_options *how;
    double *x;      /* n: where */
    double *f;      /* m: there */
    double *noise;  /* m: of f there, at least `spread`; gpf__check_jacobian measures it */
    double *idle;   /* m: values that nobody wants */
    double *spread; /* m: by how much f differs from call to call at the same x */
    double
        *d; /* m x n: the analytic Jacobian as the first route of DF, FDF, JU gives it, t's column
                      the last; NULL in the fast mode of multilarge */
    bool squares; /* multilarge: J'J is asked for; not where n x n would be too much memory */
    double *
        beside; /* n + 2 m: x', f(x') and how far dfdt may bend f between, if J is the same there to
                       the last bit; else NULL */
    struct gpf__frame *frame; /* of call.c: guarded copies of all arguments */
    size_t n_calls[GPF__N_ROUTES];
    gpf__poison poison; /* what outputs hold before the next call */
    gpf__mishap mishap[GPF__N_ROUTES];
    gpf_explanation *explanation;
    size_t n_explanation, room;
    bool unsteady;    /* d at one x depends on calls at others: not to be differenced */
    unsigned derived; /* bit p: part p is wrong as part 0 is, of which it is made */
    unsigned named; /* bit p: what is wrong with part p has been said, gpf__explain is not asked */
    struct gpf_fdf *result;
    size_t done, total; /* as last told to progress */
};

/* A guarded call. x and u are copied, outputs poisoned before, checked and copied out after:
 * entries never written are NaN there (of J'J, the lower half counts). GSL_SUCCESS, or the
 * callback's status (outputs are NaN then); what it did wrong is in s->mishap. No allocation.
 * call.c */
int gpf__call(gpf__subject *s, gpf__route r, const gpf__args *a);
int gpf__call_alloc(gpf__subject *s);
void gpf__call_free(gpf__subject *s);
/* Entry k of an output as the last call left it: the poison if it was not written. */
double gpf__call_raw(const gpf__subject *s, gpf__slot o, size_t k);
/* Did the last call leave its poison there, or add to it? */
bool gpf__is_poison(const gpf__subject *s, gpf__slot o, size_t k);

/* How it behaves; fills s->f and s->d on the way and adds explanations. GSL_ENOMEM. probe.c */
int gpf__probe(gpf__subject *s);
int gpf__check_beside(gpf__subject *s); /* s->beside, when noise and part 0 are known */
int gpf__describe(gpf__subject *s);     /* explanations of s->mishap, when all calls are made */
int gpf__add(gpf__subject *s, gpf_explanation e); /* GSL_ENOMEM. fdf.c */
/* The same: kind, part (-1: the whole) and a text. */
int gpf__say(gpf__subject *s, gpf_explanation_kind kind, int part, const char *format, ...)
    GPF_PRINTF(4, 5);
/* Number k of a stream of the seed, in [0, 1): the same on every machine. */
double gpf__uniform(const gpf__subject *s, size_t stream, size_t k);
/* Is there a function for a route? */
static inline bool gpf__has(const gpf__subject *s, gpf__route r)
{
    return s->kind->has(s->structure, r) != 0;
}
/* A direction of the variables' scales, none of its elements near 0 but those of held variables. */
void gpf__random_direction(const gpf__subject *s, size_t stream, double *v);
/* Is variable j held by its bounds? Is the point inside them? */
bool gpf__is_fixed(const gpf__subject *s, size_t j);
bool gpf__is_inside(const gpf__subject *s, const double *x);

/* The noise of f's m values along direction v, whose elements are of the size of the variables'
 * scales, inside the bounds (ECnoise, 9 to 27 calls): a bound, some times the standard deviation,
 * at least that of rounding. GSL_ENOMEM. scatter.c */
int gpf__measure_noise(gpf__subject *s, const double *v, double *noise);
/* Only what shows in a wide region and is not seen near by, before anything is called wrong: an
 * iteration that is stopped at a tolerance stops alike at neighbouring points. 18 calls. rest: m,
 * what the differences of highest order leave at the widest spacing, noise or curvature: f is as
 * smooth as that there. */
int gpf__measure_noise_wide(gpf__subject *s, const double *v, double *noise, double *rest);
/* The same of anything: `values` gives `count` numbers at x. */
typedef int gpf__sampled(void *arg, const double *x, double *values);
int gpf__scatter(gpf__subject *s, gpf__sampled *values, void *arg, size_t count, const double *v,
                 double *noise);

/* F along variables that share no row: column j alone, or a group of a pattern. Points are kept, so
 * that all rows that ask for the same t cost one evaluation. column.c */
typedef struct gpf__column gpf__column;
gpf__column *gpf__column_alloc(gpf__subject *s); /* NULL without memory */
void gpf__column_free(gpf__column *c);
/* Forgets the points; t then changes every one of these variables, each by t times its own power of
 * two beside the first's. */
void gpf__column_set(gpf__column *c, const size_t *variables, size_t n);
/* Row i of it; valid until the next call. Outside the bounds its values are NaN and cost
 * nothing. */
gpf__line gpf__column_row(gpf__column *c, size_t i, size_t variable);
double gpf__typical(const gpf__subject *s, size_t j);   /* magnitude of variable j, for the step */
void gpf__typicals(const gpf__subject *s, double *all); /* n: of all of them */
size_t gpf__column_evaluations(const gpf__column *c);   /* since it was set */

/* All entries of parts 0 and dfdt into the result, and explanations of what is outside the pattern.
 * Stopped by progress or max_failures: s->result->stopped. GSL_ENOMEM. entries.c */
int gpf__check_jacobian(gpf__subject *s);
/* Single entries, decided like those: entry i,j into e, whose tensor, k, value and analytic are
 * set. Rows of the variable asked for last share its points. NULL, GSL_ENOMEM without memory. */
typedef struct gpf__entries gpf__entries;
gpf__entries *gpf__entries_alloc(gpf__subject *s);
void gpf__entries_free(gpf__entries *l);
int gpf__entries_look(gpf__entries *l, size_t i, size_t j, gpf_element *e);

/* A pattern, by columns and by rows, and groups of columns without a common row (A. R. Curtis, M.
 * J. D. Powell and J. K. Reid, On the estimation of sparse Jacobian matrices, 1974). pattern.c */
typedef struct gpf__pattern {
    size_t n, m, n_group;
    size_t *column, *row_of;  /* column j's rows: row_of[column[j] .. column[j + 1]), ascending */
    size_t *row, *column_of;  /* row i's columns */
    size_t *group, *variable; /* group g's variables: variable[group[g] .. group[g + 1]) */
} gpf__pattern;
/* Of the first m rows and n columns; skip: columns to leave out of the groups, or NULL. NULL
 * without memory. Any format of GSL's. */
gpf__pattern *gpf__pattern_alloc(const gsl_spmatrix *a, size_t m, size_t n,
                                 const unsigned char *skip);
void gpf__pattern_free(gpf__pattern *p);
bool gpf__pattern_has(const gpf__pattern *p, size_t i, size_t j);
int gpf__check_random(gpf__subject *s);    /* the same in the fast mode. random.c */
int gpf__check_fdf_route(gpf__subject *s); /* part fdf. probe.c */
int gpf__check_products(gpf__subject *s);  /* parts J' u, J'J. product.c */
int gpf__check_second(gpf__subject *s);    /* part fvv. second.c */

/* The result under construction. */
struct gpf_fdf {
    const gpf_fdf_kind *kind;
    size_t n, m;
    gsl_vector x; /* whose data is owned */
    double *f;
    char **names; /* of the variables; one block of memory */
    gpf_fdf_part part[6];
    size_t n_part;
    gpf_element *element;
    size_t n_element, room;
    gpf_explanation *explanation;
    size_t n_explanation;
    gpf_fdf_calls calls;
    bool stopped; /* whoever fills a part sets it when progress or max_failures says so */
};
/* Whether something of a part was tested, or there was nothing to be. fdf.c */
bool gpf__part_tested(const gpf_fdf_part *p);
/* The part of that name, NULL if there is none. fdf.c */
gpf_fdf_part *gpf__part_named(struct gpf_fdf *c, const char *name);
/* Entry k of a part: gpf_fdf_label. */
char *gpf__entry_label(const struct gpf_fdf *c, size_t part, size_t k, char *buf, size_t size);
/* Asks progress and max_failures; true (and result->stopped) if the check shall end. fdf.c */
bool gpf__stop(gpf__subject *s, size_t done, size_t total);
/* Asks progress again, before a call of a callback that may be slow: what it would have given is
 * then not to be used. Never where `total` is 0. fdf.c */
bool gpf__interrupted(gpf__subject *s);
/* A new part; its elements are then added, in any order. -1 without memory. fdf.c */
int gpf__part(gpf__subject *s, const char *name, size_t rows, size_t cols);
int gpf__element(gpf__subject *s, const gpf_element *e); /* to part e->tensor, the last one */
/* Two values that were compared without a stencil; the verdict is still to be given. */
gpf_element gpf__compared(double analytic, double numeric, double error, double value);

#endif
