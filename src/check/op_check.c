/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Is a row right? This file: the row as it is written, the shapes it takes, and the cases. */
#include "base/arena.h"
#include "check/op_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct gpf_op_check {
    gpf_op_case *cases;
    size_t n, room;
};

/* Of things said of one case the one with the higher rank counts. */
static int rank_of(gpf_verdict v)
{
    static const int rank[] = {
        [GPF_VACUOUS] = 0, [GPF_UNRESOLVED] = 1, [GPF_KINK] = 2, [GPF_RIGHT] = 3, [GPF_WRONG] = 4
    };
    return rank[v];
}

static gpf_op_case *find(const gpf__op_rig *r, const char *aspect, int input)
{
    for (size_t i = 0; i < r->c->n; i++)
        if (!strcmp(r->c->cases[i].aspect, aspect) && r->c->cases[i].input == input)
            return &r->c->cases[i];
    return NULL;
}

static gpf_op_case *find_or_add(gpf__op_rig *r, const char *aspect, int input)
{
    gpf_op_check *c = r->c;
    gpf_op_case *known = find(r, aspect, input);
    if (known)
        return known;
    if (gpf__grow(&c->cases, &c->room, c->n + 1, sizeof *c->cases)) {
        r->status = GSL_ENOMEM;
        return NULL;
    }
    c->cases[c->n] = (gpf_op_case){ .aspect = aspect, .input = input, .verdict = GPF_VACUOUS };
    return &c->cases[c->n++];
}

void gpf__op_count(gpf__op_rig *r, const char *aspect, int input, gpf_verdict v, size_t n)
{
    gpf_op_case *e = find_or_add(r, aspect, input);
    if (!e || n == 0)
        return;
    e->tried += n;
    if (rank_of(e->verdict) < rank_of(v)) {
        e->verdict = v;
        e->text[0] = 0;
    }
}

void gpf__op_say(gpf__op_rig *r, const char *aspect, int input, gpf_verdict v, const char *format,
                 ...)
{
    gpf_op_case *e = find_or_add(r, aspect, input);
    if (!e || rank_of(e->verdict) > rank_of(v) || (e->verdict == v && e->text[0]))
        return;
    e->verdict = v;
    va_list ap;
    va_start(ap, format);
    gpf__vformat(e->text, sizeof e->text, format, ap);
    va_end(ap);
}

bool gpf__op_faulty(const gpf__op_rig *r, const char *aspect, int input)
{
    const gpf_op_case *e = find(r, aspect, input);
    return e && e->verdict == GPF_WRONG;
}

double *gpf__op_alloc(gpf__op_rig *r, size_t n)
{
    double *x = r->status ? NULL : calloc(n + 1, sizeof *x);
    if (!x)
        r->status = GSL_ENOMEM;
    return x;
}

void gpf__op_draw(gpf__op_rig *r, int i, size_t n, double *x)
{
    for (size_t k = 0; k < n; k++)
        x[k] = r->whole >> i & 1 ? (double)gsl_rng_uniform_int(r->rng, 3)
                                 : r->lo + (r->hi - r->lo) * gsl_rng_uniform_pos(r->rng);
}

double *gpf__op_draw_all(gpf__op_rig *r, const gpf__op_trial *t, const double *x[])
{
    size_t n = 0;
    for (int i = 0; i < r->n_x; i++)
        n += t->nx[i];
    double *block = gpf__op_alloc(r, n), *at = block;
    for (int i = 0; block && i < r->n_x; i++) {
        gpf__op_draw(r, i, t->nx[i], at);
        x[i] = at;
        at += t->nx[i];
    }
    return block;
}

/* The row as it is written. */

static size_t n_params(const gpf_op *op)
{
    enum { MOST = 10 }; /* there are ten slots */
    size_t n = 0;
    while (op->params && n <= MOST && op->params[n].name)
        n++;
    return n;
}

/* Slots of k a parameter takes; 0 for one in p. */
static int width_of(enum gpf_param_kind kind)
{
    return kind == GPF_REAL ? 0 : kind == GPF_SHAPE ? 5 : kind == GPF_RANGE ? 8 : 1;
}

static const char *fault_of_params(const gpf_op *op)
{
    const size_t n = n_params(op);
    if (n > 10)
        return "params has no end: its last entry has no name";
    unsigned p = 0, k = 0;
    for (size_t i = 0; i < n; i++) {
        const gpf_op_param *q = &op->params[i];
        const int width = width_of(q->kind), most = width ? 8 : 2;
        if (q->kind < GPF_REAL || q->kind > GPF_RANGE)
            return "a parameter is of no known kind";
        if (q->slot < 0 || q->slot + (width ? width : 1) > most)
            return "a parameter lies outside p[2] and k[8]";
        const unsigned bits = ((1u << (width ? width : 1)) - 1) << q->slot;
        unsigned *used = width ? &k : &p;
        if (*used & bits)
            return "two parameters lie in the same place";
        *used |= bits;
        for (size_t j = 0; j < i; j++)
            if (!strcmp(op->params[j].name, q->name))
                return "two parameters have the same name";
    }
    return NULL;
}

static bool has_rule(const gpf_rule *rules)
{
    return rules[0] || rules[1] || rules[2];
}

static bool has_rule_beyond(const gpf_op *op)
{
    for (int i = op->arity == GPF_VARIADIC ? 1 : op->arity; i < 3; i++)
        if (op->vjp[i] || op->jvp[i])
            return true;
    return false;
}

static void try_row(gpf__op_rig *r)
{
    const gpf_op *op = r->op;
    const unsigned known = GPF_OP_COMMUTES | GPF_OP_DENSE | GPF_OP_STEP | GPF_OP_STRIDED |
                           GPF_OP_LINEAR | GPF_OP_SHIFTS | GPF_OP_SINGLE;
    const bool edges = op->side || op->branch, whole = op->lo == 0 && op->hi == 0;
    const char *const params = fault_of_params(op);
    const struct {
        bool so;
        const char *text;
    } faults[] = {
        { params, params },
        { !(whole || op->lo < op->hi) || !isfinite(op->lo) || !isfinite(op->hi),
          "lo < hi is expected, or both 0" },
        { op->side && !op->map, "side goes with map, and there is none" },
        { op->branch && !op->eval, "branch goes with eval, and there is none" },
        { op->moved && !op->side, "moved goes with side, and there is none" },
        { (op->tie || op->pieces) && !edges, "tie and pieces speak of edges, but there is no side "
                                             "and no branch" },
        { op->map && op->eval, "map and eval are both given: one kernel is expected" },
        { op->map && op->view, "map and view are both given: one kernel is expected" },
        { op->flags & GPF_OP_COMMUTES && op->arity != 2, "GPF_OP_COMMUTES is about two inputs" },
        { op->flags & GPF_OP_SHIFTS && (op->arity != 2 || !op->map),
          "GPF_OP_SHIFTS is about a map of two inputs" },
        { op->flags & ~known, "flags has a bit that means nothing" },
        { op->flags & GPF_OP_STEP && (has_rule(op->vjp) || has_rule(op->jvp)),
          "GPF_OP_STEP says there is no derivative, but there is a rule" },
        { op->damage != NULL && !gpf_op_find(op->name, op->arity),
          "damage is for the library's own rows" },
        { has_rule_beyond(op), "there is a rule for an input that does not exist" },
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (faults[i].so)
            gpf__op_fault(r, "row", -1, "%s", faults[i].text);
    gpf__op_tried(r, "row", -1, sizeof faults / sizeof *faults);
    if (!op->formula || !*op->formula || strchr(op->formula, '\n'))
        gpf__op_note(r, "formula", -1, "one line of text is expected, for messages and reports");
    if (edges && !op->tie)
        gpf__op_note(r, "tie", -1, "the row does not say which derivative it takes on an edge");
}

/* Why the row cannot be one at all; NULL if it can. */
static const char *impossible(const gpf_op *op)
{
    return !op                                  ? "no row is given"
           : !op->name || !*op->name            ? "the row has no name"
           : !op->map && !op->eval && !op->view ? "the row has no kernel: map, eval or view"
           : op->arity < GPF_VARIADIC           ? "arity is a number of inputs, or GPF_VARIADIC"
           : !op->map && !op->shape             ? "only a map can do without a shape rule"
           : op->map && (op->arity > 3 || op->arity < 1)
               ? "an elementwise op has one, two or three inputs"
               : NULL;
}

/* Shapes. */

static void tensor_of(gpf_tensor *t, size_t *size, gpf_shape s, size_t N)
{
    *t = (gpf_tensor){ .rank = s.rank, .dim = { 1, 1, 1, 1 } };
    for (int a = 0; a < s.rank; a++)
        t->dim[a] = s.dim[a] == GPF_N ? N : (size_t)s.dim[a];
    gpf__tensor_dense(t);
    *size = gpf__tensor_size(t);
}

/* numpy's rule, as gpf_apply has it. */
static int broadcast(const gpf_shape *x, int n_x, gpf_shape *y)
{
    *y = gpf_shape0();
    for (int i = 0; i < n_x; i++)
        y->rank = x[i].rank > y->rank ? x[i].rank : y->rank;
    for (int i = 0; i < n_x; i++)
        for (int a = 0; a < x[i].rank; a++) {
            ptrdiff_t *d = &y->dim[y->rank - x[i].rank + a];
            if (*d == 1)
                *d = x[i].dim[a];
            else if (*d != x[i].dim[a] && x[i].dim[a] != 1)
                return GPF_ESHAPE;
        }
    return GSL_SUCCESS;
}

static bool has_N(const gpf_shape *x, int n)
{
    for (int i = 0; i < n; i++)
        for (int a = 0; a < x[i].rank; a++)
            if (x[i].dim[a] == GPF_N)
                return true;
    return false;
}

static char *shapes_text(const gpf_shape *x, int n, char *buf, size_t size)
{
    char one[64];
    buf[0] = 0;
    for (int i = 0; i < n; i++)
        gpf__append(buf, size, "%s%s", i ? ", " : "", gpf_shape_text(x[i], one, sizeof one));
    return buf;
}

/* Does the row take these shapes? Its rule is watched: it may refuse, but not write nonsense. */
static bool accepts(gpf__op_rig *r, const gpf_shape *x, gpf_shape *y)
{
    enum { ROOM = 160, MARGIN = 64 };
    const gpf_op *op = r->op;
    if (!op->shape)
        return !broadcast(x, r->n_x, y);
    gpf_shape given[GPF__OP_INPUTS + 1], again = gpf_shape0();
    char why[ROOM + MARGIN], text[160];
    memcpy(given, x, sizeof given - sizeof *given);
    memset(why, 0, ROOM);
    memset(why + ROOM, '#', MARGIN);
    *y = gpf_shape0();
    const int status = op->shape(given, r->n_x, &r->attr, y, why, ROOM);
    shapes_text(x, r->n_x, text, sizeof text);
    gpf__op_tried(r, "shape", -1, 1);
    for (int i = 0; i < MARGIN; i++)
        if (why[ROOM + i] != '#') {
            gpf__op_fault(r, "shape", -1, "%s: writes past the end of why", text);
            return false;
        }
    for (int i = 0; i < r->n_x; i++)
        if (memcmp(&given[i], &x[i], sizeof *x))
            gpf__op_fault(r, "shape", -1, "%s: the rule writes to x[%d]", text, i);
    if (!memchr(why, 0, ROOM))
        gpf__op_fault(r, "shape", -1, "%s: why has no end", text);
    if (status) {
        if (!why[0])
            gpf__op_note(r, "shape why", -1, "%s are refused and why is left empty", text);
        return false;
    }
    bool fine = y->rank >= 0 && y->rank <= GPF_MAX_RANK;
    for (int a = 0; fine && a < y->rank; a++)
        fine = y->dim[a] >= 1 || y->dim[a] == GPF_N;
    if (!fine) {
        gpf__op_fault(r, "shape", -1,
                      "%s are taken, but y's shape is none: rank %d, sizes %td, .. "
                      "(rank 0 to 4 and sizes of at least 1 are expected)",
                      text, y->rank, y->dim[0]);
        return false;
    }
    char a[64], b[64];
    if (op->shape(given, r->n_x, &r->attr, &again, why, ROOM) || !gpf_shape_equal(again, *y)) {
        gpf__op_fault(r, "shape", -1, "%s: y is %s when asked once, %s when asked again", text,
                      gpf_shape_text(*y, a, sizeof a), gpf_shape_text(again, b, sizeof b));
        return false;
    }
    return gpf_shape_size(*y, 1) > 0;
}

static void settle(gpf_shape *s, size_t N)
{
    for (int a = 0; a < s->rank; a++)
        s->dim[a] = s->dim[a] == GPF_N ? (ptrdiff_t)N : s->dim[a];
}

/* With N replaced by a number, y must be what it was with N replaced. */
static void try_batch(gpf__op_rig *r, const gpf__op_trial *t)
{
    gpf_shape x[GPF__OP_INPUTS], y = gpf_shape0(), want = t->y;
    char why[160] = "", a[64], b[64];
    if (!r->op->shape || !has_N(t->x, r->n_x))
        return;
    memcpy(x, t->x, sizeof x);
    for (int i = 0; i < r->n_x; i++)
        settle(&x[i], t->N);
    if (r->op->shape(x, r->n_x, &r->attr, &y, why, sizeof why))
        return; /* a rule may ask for an N by its attributes */
    settle(&want, t->N);
    settle(&y, t->N);
    if (gpf_shape_equal(y, want))
        return;
    gpf__op_fault(r, "shape", -1, "%s: y is %s, but %s where N is %zu", t->text,
                  gpf_shape_text(t->y, a, sizeof a), gpf_shape_text(y, b, sizeof b), t->N);
}

static int add_trial(gpf__op_rig *r, const gpf_shape *x, gpf_shape y, size_t N, size_t *room)
{
    if (gpf__grow(&r->trial, room, r->n_trials + 1, sizeof *r->trial))
        return r->status = GSL_ENOMEM;
    gpf__op_trial *t = &r->trial[r->n_trials];
    memset(t, 0, sizeof *t);
    t->y = y;
    t->N = N;
    tensor_of(&t->ty, &t->ny, y, N);
    for (int i = 0; i < r->n_x; i++) {
        t->x[i] = x[i];
        tensor_of(&t->tx[i], &t->nx[i], r->op->shape ? x[i] : y, N);
    }
    shapes_text(x, r->n_x, t->text, sizeof t->text);
    if (has_N(x, r->n_x))
        gpf__append(t->text, sizeof t->text, " with N = %zu", N);
    r->n_trials++;
    try_batch(r, t);
    return GSL_SUCCESS;
}

/* A trial, or two: shapes with an N are tried at 3 and at 1. */
static int add_trials(gpf__op_rig *r, const gpf_shape *x, gpf_shape y, size_t *room)
{
    const bool free_N = has_N(x, r->n_x) || has_N(&y, 1);
    int status = add_trial(r, x, y, free_N ? 3 : 0, room);
    if (status == GSL_SUCCESS && free_N)
        status = add_trial(r, x, y, 1, room);
    return status;
}

/* Random shapes of few sizes, so that rules which want some of them equal are met. */
static void guess(gpf__op_rig *r, gpf_shape *x)
{
    static const ptrdiff_t sizes[] = { 1, 2, 3, 5, GPF_N };
    ptrdiff_t pool[3];
    const int rank = (int)gsl_rng_uniform_int(r->rng, GPF_MAX_RANK + 1);
    for (int i = 0; i < 3; i++)
        pool[i] = sizes[gsl_rng_uniform_int(r->rng, 5)];
    for (int i = 0; i < r->n_x; i++) {
        const bool other = gsl_rng_uniform_int(r->rng, 4) == 0;
        x[i] = gpf_shape0();
        x[i].rank = other ? (int)gsl_rng_uniform_int(r->rng, GPF_MAX_RANK + 1) : rank;
        for (int a = 0; a < x[i].rank; a++)
            x[i].dim[a] = pool[gsl_rng_uniform_int(r->rng, 3)];
    }
}

/* Ranks, and which sizes are 1 or N: shapes of one pattern are alike. */
static bool same_pattern(const gpf_shape *a, const gpf_shape *b, int n)
{
    for (int i = 0; i < n; i++) {
        if (a[i].rank != b[i].rank)
            return false;
        for (int k = 0; k < a[i].rank; k++)
            if ((a[i].dim[k] == 1) != (b[i].dim[k] == 1) ||
                (a[i].dim[k] == GPF_N) != (b[i].dim[k] == GPF_N))
                return false;
    }
    return true;
}

/* Of every pattern one is enough, while there are others. */
static bool is_new(const gpf__op_rig *r, const gpf_shape *x, bool picky)
{
    for (size_t i = 0; i < r->n_trials; i++) {
        bool same = true;
        for (int k = 0; k < r->n_x; k++)
            same = same && gpf_shape_equal(r->trial[i].x[k], x[k]);
        if (same || (picky && same_pattern(r->trial[i].x, x, r->n_x)))
            return false;
    }
    return true;
}

static int find_shapes(gpf__op_rig *r, size_t *room)
{
    enum { TRIES = 6000, ENOUGH = 10, MOST_ELEMENTS = 30 };
    for (int i = 0; i < TRIES && r->n_trials < ENOUGH && !r->status; i++) {
        gpf_shape x[GPF__OP_INPUTS], y;
        bool small = true;
        guess(r, x);
        for (int k = 0; k < r->n_x; k++) {
            const size_t n = gpf_shape_size(x[k], 3);
            small = small && n <= MOST_ELEMENTS && n > 0;
        }
        if (small && is_new(r, x, i < TRIES / 2) && accepts(r, x, &y) && gpf_shape_size(y, 3) > 0 &&
            gpf_shape_size(y, 3) <= 4 * MOST_ELEMENTS)
            add_trials(r, x, y, room);
        if (r->n_x == 0 && r->n_trials)
            break;
    }
    return r->status;
}

/* Those given, all of which must be taken. */
static int take_shapes(gpf__op_rig *r, const gpf_op_options *how, size_t *room, gpf_diag *why)
{
    for (size_t i = 0; i < how->n_shapes; i++) {
        const gpf_shape *x = how->shapes + i * (size_t)r->n_x;
        gpf_shape y = gpf_shape0(), all[GPF__OP_INPUTS];
        char text[160];
        for (int k = 0; k < r->n_x; k++) {
            all[k] = x[k];
            bool fine = x[k].rank >= 0 && x[k].rank <= GPF_MAX_RANK;
            for (int a = 0; fine && a < x[k].rank; a++)
                fine = x[k].dim[a] >= 1 || x[k].dim[a] == GPF_N;
            if (!fine || gpf_shape_size(x[k], 3) == 0)
                return gpf__diag(why, GPF_ESHAPE, "%s: shape %zu of input %d is none", r->op->name,
                                 i, k);
        }
        if (!accepts(r, all, &y))
            return gpf__diag(why, r->status ? r->status : GPF_ESHAPE, "%s does not take %s",
                             r->op->name, shapes_text(x, r->n_x, text, sizeof text));
        if (gpf_shape_size(y, 3) == 0)
            return gpf__diag(why, GPF_ELIMIT, "%s of %s is too large", r->op->name,
                             shapes_text(x, r->n_x, text, sizeof text));
        if (add_trials(r, all, y, room))
            return r->status;
    }
    return GSL_SUCCESS;
}

/* Labels and the like: where numbers of the domain give no finite value, whole ones may. */
static void find_domain(gpf__op_rig *r)
{
    const gpf__op_trial *t = &r->trial[0];
    const unsigned most = 1u << (r->n_x < 3 ? r->n_x : 3);
    const double *x[GPF__OP_INPUTS];
    for (r->whole = 0; r->whole < most && !r->status; r->whole++) {
        double *y = gpf__op_alloc(r, t->ny), *block = gpf__op_draw_all(r, t, x);
        bool finite = y && block && gpf__op_run(r, t, x, &(gpf__op_how){ 0 }, y);
        for (size_t k = 0; finite && k < t->ny; k++)
            finite = isfinite(y[k]);
        free(y);
        free(block);
        if (finite || r->stuck)
            return;
    }
    r->whole = 0;
    gpf__op_say(r, "value", -1, GPF_UNRESOLVED, "%s: not finite at random points between %g and %g",
                t->text, r->lo, r->hi);
}

static int by_severity(const void *a, const void *b)
{
    const gpf_op_case *p = a, *q = b;
    const int d = rank_of(q->verdict) - rank_of(p->verdict);
    const bool wrong = p->verdict == GPF_WRONG || q->verdict == GPF_WRONG;
    return wrong && d ? d : 0;
}

/* Wrong ones first; else as they were filed. */
static void order(gpf_op_check *c)
{
    for (size_t i = 1; i < c->n; i++) {
        const gpf_op_case e = c->cases[i];
        size_t k = i;
        for (; k > 0 && by_severity(&e, &c->cases[k - 1]) < 0; k--)
            c->cases[k] = c->cases[k - 1];
        c->cases[k] = e;
    }
}

static int run(gpf__op_rig *r, const gpf_op_options *how, gpf_diag *why)
{
    size_t room = 0;
    try_row(r);
    const int status = how->shapes ? take_shapes(r, how, &room, why) : find_shapes(r, &room);
    if (status)
        return status;
    if (r->n_trials == 0 && gpf__op_faulty(r, "shape", -1))
        return r->status;
    if (r->n_trials == 0)
        return r->status = gpf__diag(why, GPF_ENOTHING,
                                     "%s: none of some thousand random shapes is one it takes; "
                                     "give some, and its parameters",
                                     r->op->name);
    find_domain(r);
    gpf__op_try_kernel(r);
    gpf__op_try_edges(r);
    if (gpf__op_safe(r))
        gpf__op_try_rules(r);
    return r->status;
}

gpf_op_check *gpf_check_op(const gpf_op *op, const gpf_op_options *how, gpf_diag *why)
{
    const gpf_op_options defaults = { 0 };
    how = how ? how : &defaults;
    const char *no = impossible(op);
    const bool variadic = op && op->arity == GPF_VARIADIC;
    const int n_x = no ? 0 : !variadic ? op->arity : how->n_x ? how->n_x : 3;
    if (!no && (n_x < 0 || n_x > GPF__OP_INPUTS || (variadic && n_x < 1)))
        no = "so many inputs cannot be checked";
    if (!no && how->shapes && how->n_shapes == 0)
        no = "shapes are given, but none of them";
    if (no) {
        gpf__diag(why, GSL_EINVAL, "%s%s%s", op && op->name ? op->name : "",
                  op && op->name && *op->name ? ": " : "", no);
        return NULL;
    }
    const bool anywhere = !(op->lo < op->hi) || !isfinite(op->lo) || !isfinite(op->hi);
    gpf__op_rig r = { .op = op,
                      .attr = how->attr ? *how->attr
                                        : gpf_attr_default(fault_of_params(op) ? NULL : op->params),
                      .n_x = n_x,
                      .lo = anywhere ? -2 : op->lo,
                      .hi = anywhere ? 2 : op->hi,
                      .points = how->points ? how->points : 4,
                      .seed = how->seed ? how->seed : 1,
                      .c = calloc(1, sizeof *r.c),
                      .rng = gsl_rng_alloc(gsl_rng_mt19937) };
    int status = r.c && r.rng ? GSL_SUCCESS : GSL_ENOMEM;
    if (status == GSL_SUCCESS) {
        gsl_rng_set(r.rng, r.seed);
        status = run(&r, how, why);
    }
    free(r.trial);
    free(r.memory);
    if (r.rng)
        gsl_rng_free(r.rng);
    if (status) {
        if (status == GSL_ENOMEM)
            gpf__diag(why, status, "no memory to check %s", op->name);
        gpf_op_check_free(r.c);
        return NULL;
    }
    order(r.c);
    return r.c;
}

void gpf_op_check_free(gpf_op_check *c)
{
    if (!c)
        return;
    free(c->cases);
    free(c);
}

size_t gpf_op_check_n_cases(const gpf_op_check *c)
{
    return c->n;
}

const gpf_op_case *gpf_op_check_case(const gpf_op_check *c, size_t i)
{
    return i < c->n ? &c->cases[i] : NULL;
}

/* Of what has to be tested: a derivative, or that a step is one. */
static bool matters(const gpf_op_case *e)
{
    return !strcmp(e->aspect, "vjp") || !strcmp(e->aspect, "step") || !strcmp(e->aspect, "value");
}

gpf_outcome gpf_op_check_outcome(const gpf_op_check *c)
{
    bool tested = false, open = false;
    for (size_t i = 0; i < c->n; i++) {
        const gpf_op_case *e = &c->cases[i];
        if (e->verdict == GPF_WRONG)
            return GPF_OUTCOME_WRONG;
        open = open || (matters(e) && e->verdict == GPF_UNRESOLVED);
        tested = tested || (matters(e) && (e->verdict == GPF_RIGHT || e->verdict == GPF_KINK));
    }
    return tested && !open ? GPF_OUTCOME_RIGHT : GPF_OUTCOME_UNTESTED;
}
