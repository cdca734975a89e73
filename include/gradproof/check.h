/* The check: is a gradient right?
 *
 * Compares, element by element, an analytic gradient (backprop, or formulas of your own) with
 * GSL's adaptive finite differences, and gives each element one of five verdicts.
 *
 *   right       both agree within the measured error of the numeric value
 *   wrong       they differ by more than that, and the gap does not move when the step shrinks
 *   kink        a piecewise op changes side inside every usable stencil, shown by its branch
 *               record; the analytic value lies between the one-sided slopes (outside: wrong)
 *   vacuous     0 = 0 and y does not react at all: nothing was tested here
 *   unresolved  the numeric value's own error is larger than the claim
 *
 * @example check
 *     gpf_graph *g = gpf_graph_alloc();
 *     gpf_node w = gpf_param(g, "w", gpf_shape1(4));
 *     gpf_node f = gpf_sum(g, gpf_sin(g, w), GPF_ALL_AXES);
 *     gpf_point *at = gpf_point_alloc(g, 0);
 *     for (size_t i = 0; i < 4; i++)
 *         gsl_vector_set(gpf_point_params(at), i, 0.31 * (double)(i + 1));
 *     gpf_check *c = gpf_check_alloc(g, f, &w, NULL, 1, 0, 1, NULL);
 *     gpf_check_options how = gpf_check_defaults();
 *     assert(gpf_check_run(c, at, &how, NULL) == GSL_SUCCESS);
 *     assert(gpf_check_outcome(c) == GPF_OUTCOME_RIGHT);
 *     assert(gpf_check_tally(c, -1).count[GPF_RIGHT] == 4);
 *     gpf_check_free(c);
 *     gpf_point_free(at);
 *     gpf_graph_free(g);
 * @end
 */
#ifndef GPF_CHECK_H
#define GPF_CHECK_H

#include <gradproof/grad.h>
#include <gradproof/plan.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gpf_verdict {
    GPF_RIGHT,
    GPF_WRONG,
    GPF_KINK,
    GPF_VACUOUS,
    GPF_UNRESOLVED,
    GPF_N_VERDICTS
} gpf_verdict;

/* "right", "wrong", ... Static storage. */
GPF_API const char *gpf_verdict_name(gpf_verdict v);

/* Why a verdict was given, where there is more to say than the verdict itself. */
typedef enum gpf_reason {
    GPF_REASON_NONE,
    GPF_REASON_FLAT_GAP,    /* wrong: the gap stays when the step shrinks */
    GPF_REASON_NOT_FINITE,  /* wrong: the analytic value is NaN or infinite, the numeric is not;
                               unresolved: y itself is not finite here */
    GPF_REASON_OUTSIDE,     /* wrong: outside the one-sided slopes at a kink */
    GPF_REASON_TIE,         /* wrong at a tie, but right just beside it: the rule is right, the
                               derivative it chooses on the edge is not a slope of y */
    GPF_REASON_BETWEEN,     /* kink: between the one-sided slopes */
    GPF_REASON_JUMP,        /* unresolved: y itself jumps here and has no derivative */
    GPF_REASON_NO_REACTION, /* vacuous: y stays the same but for its rounding, at large steps too */
    GPF_REASON_INDEPENDENT, /* vacuous: the graph has no path from the element to y */
    GPF_REASON_NOISE,       /* unresolved: the gap grows as 1/step, y is too noisy here */
    GPF_REASON_TRUNCATION,  /* unresolved: the gap shrinks with the step, none small enough */
    GPF_REASON_CROWDED,     /* unresolved: kinks so close on one side that it has no slope */
    GPF_REASON_UNCONFIRMED, /* a block, unresolved: directions disagree, no single element does */
    GPF_REASON_TOO_SMALL    /* a block, unresolved: below what its directions can see */
} gpf_reason;

GPF_API const char *gpf_reason_name(gpf_reason r); /* "flat gap", ...; "" for none */

/* What was found for one element. NaN where a field does not apply. */
typedef struct gpf_element {
    int tensor; /* which x */
    size_t k;   /* row-major index into it */
    gpf_verdict verdict;
    gpf_reason reason;
    double value;             /* of the element itself */
    double analytic, numeric; /* the two derivatives */
    double error;             /* what the numeric value may be off by */
    double digits;            /* decimal digits on which both are known to agree, 0 .. 16 */
    double step;              /* h of the deciding stencil: points at +-h, +-h/2 */
    double left, right;       /* one-sided slopes, at a kink */
    double left_error, right_error;
    unsigned evaluations; /* of y */
    gpf_branch kink;      /* the branch record, at a kink; kink.n_changed = 0: none met */
    int side[4];          /* kink: side at -h, -h/2, +h/2, +h of the smallest stencil tried */
    double kink_step;     /* h of that stencil */
} gpf_element;

/* Totals over one tensor or all. */
typedef struct gpf_tally {
    size_t total;                 /* elements there are */
    size_t checked;               /* elements looked at */
    size_t count[GPF_N_VERDICTS]; /* of the checked */
    size_t digits[17];            /* right elements by whole digits verified */
    size_t evaluations;           /* of y, recomputing what is downstream */
    double max_gap;               /* largest |analytic - numeric|, NaN if one is NaN */
} gpf_tally;

/* The whole check's outcome; the value is the command's exit status. */
typedef enum gpf_outcome {
    GPF_OUTCOME_RIGHT = 0, /* nothing wrong, and in every tensor something really tested */
    GPF_OUTCOME_WRONG = 1,
    GPF_OUTCOME_TROUBLE = 2,
    GPF_OUTCOME_UNTESTED = 3 /* nothing wrong, but some tensor has no element right or at a kink;
                                fast: some block is not right */
} gpf_outcome;

/* A tensor in the fast mode: y's slope along a few random directions of the whole tensor against
 * <gradient, direction>, which costs a few tens of evaluations whatever the tensor's size. A gap is
 * halved down to elements, along the same direction and a new one, so at a cost of the log of the
 * size each; they are then checked one by one, and only that accuses. An element of a piecewise op
 * that would change its side goes on along the piece it is on at the base point; where that cannot
 * be (it is exactly on an edge) a smaller step is taken, or the tensor halved. A tensor of a few
 * elements is checked one by one at once.
 *
 * Power: direction v has elements of random sign and of size s * U[1/2, 3/2], s the tensor's own
 * root mean square, and agrees when the gap is within the tolerance tau, the measured error of both
 * sides. Then m directions that all agree would have shown an error d in any one element,
 * whatever the errors of the others, with probability at least
 *     1 - prod_j 2 tau_j / (s d)
 * over the seeds. `error` is the d for which that is GPF_FAST_PROBABILITY. */
#define GPF_FAST_PROBABILITY 0.99
#define GPF_FAST_RELATIVE 1e-3

typedef struct gpf_block {
    gpf_verdict verdict; /* right: nothing disagrees and covered > 0; wrong: an element is */
    gpf_reason reason;
    size_t total;        /* elements = covered + small + untested */
    size_t covered;      /* GPF_FAST_RELATIVE off would have been seen; or checked alone */
    size_t small;        /* |analytic| < magnitude: only absolute errors above `error` */
    size_t untested;     /* no step without a kink, or the search stopped before them */
    unsigned directions; /* along the whole tensor; 0: element by element */
    unsigned disagreed;  /* 1: the last of them did, and the search for elements began */
    size_t evaluations;  /* of y, those of single elements too */
    double error;        /* of one element; NaN without directions that agree */
    double magnitude;    /* error / GPF_FAST_RELATIVE */
} gpf_block;

typedef struct gpf_check_options {
    size_t sample;       /* elements per tensor, chosen at random; 0: all */
    size_t max_failures; /* stop once that many are wrong; 0: never */
    int threads;         /* 0: as many as OpenMP gives and the work is worth; results do not
                            depend on it; the fast mode takes one */
    unsigned long seed;  /* of the sample, of the directions */
    int fast;            /* 1: along random directions, see gpf_block; sample must be 0 */
    /* Called now and then from the calling thread; nonzero stops the check with GPF_ECANCEL,
     * what was found so far stays readable. May be NULL. */
    int (*progress)(void *arg, size_t done, size_t total);
    void *progress_arg;
} gpf_check_options;

/* Everything, on as many threads as the work is worth, seed 1. */
GPF_API gpf_check_options gpf_check_defaults(void);

/* Prepares the check of d y / d xs[i], i < n. Extends the graph by the gradient.
 *   y      any shape; if it has more than one element, sum(y * weights) is checked, with random
 *          unequal weights in [0.5, 1.5] from the seed, so that no two outputs can stand in for
 *          each other
 *   grads  the analytic gradients under test, of the xs' shapes; NULL: backprop. Entries may be
 *          GPF_NONE: "no dependence"
 *   N      the batch size
 * NULL on failure with the reason in *why (may be NULL): GPF_ENOTHING for n = 0, the graph's
 * error, GPF_ELIMIT, GSL_ENOMEM. Owned by the caller. */
typedef struct gpf_check gpf_check;
GPF_API gpf_check *gpf_check_alloc(gpf_graph *g, gpf_node y, const gpf_node *xs,
                                   const gpf_node *grads, size_t n, size_t N, unsigned long seed,
                                   gpf_diag *why);
GPF_API void gpf_check_free(gpf_check *c);

/* Runs it at a point. Bit-identical results for any number of threads, as long as the CBLAS is
 * (its own thread count must not change in between). GPF_EUNBOUND, GPF_ECANCEL, GSL_ENOMEM;
 * GSL_EINVAL for both a sample and the fast mode. */
GPF_API int gpf_check_run(gpf_check *c, const gpf_point *at, const gpf_check_options *how,
                          gpf_diag *why);

/* Results of the last run. Elements in the order of tensors and indices; in the fast mode those
 * that were looked at one by one. */
GPF_API size_t gpf_check_n_elements(const gpf_check *c);
GPF_API const gpf_element *gpf_check_element(const gpf_check *c, size_t i);
GPF_API gpf_tally gpf_check_tally(const gpf_check *c, int tensor); /* -1: all */
/* Tensor i in the fast mode; NULL if that was not how the check ran last. */
GPF_API const gpf_block *gpf_check_block(const gpf_check *c, size_t i);
GPF_API gpf_outcome gpf_check_outcome(const gpf_check *c);
GPF_API size_t gpf_check_n_tensors(const gpf_check *c);
GPF_API gpf_node gpf_check_tensor(const gpf_check *c, size_t i);
GPF_API gpf_shape gpf_check_tensor_shape(const gpf_check *c, size_t i); /* N replaced */
GPF_API size_t gpf_check_batch(const gpf_check *c);                     /* N */
GPF_API gpf_node gpf_check_output(const gpf_check *c);                  /* y as given */
GPF_API double gpf_check_value(const gpf_check *c);   /* y, contracted, at the point */
GPF_API int gpf_check_contracted(const gpf_check *c); /* 1: y had more than one element */
GPF_API int gpf_check_threads(const gpf_check *c);    /* threads really used */
GPF_API const gpf_graph *gpf_check_graph(const gpf_check *c);
/* The oldest node that is not finite at the point, and where; GPF_NONE if all are. */
GPF_API gpf_node gpf_check_nonfinite(const gpf_check *c, size_t *element);

/* Claims: is A = B an identity?
 *
 * Both sides are evaluated at random generic points: two batch sizes N, several scales, and every
 * leaf redrawn, data too, none of its values 0, 1 or equal to another, but keeping what its own
 * values show (signs, probabilities, rows that sum to one, integer labels). A difference counts
 * when it is above the rounding noise of both sides. Gradients inside the claim are checked against
 * GSL at those points. */
typedef enum gpf_claim_verdict { GPF_HOLDS, GPF_REFUTED, GPF_UNDECIDED } gpf_claim_verdict;

/* A derivative used inside a claim: node `grad` is d f / d x (one element f) or, if jacobian is
 * set, the Jacobian of f. */
typedef struct gpf_claim_use {
    gpf_node f, x, grad;
    int jacobian;
} gpf_claim_use;

typedef struct gpf_claim_result {
    gpf_claim_verdict verdict;
    size_t points;        /* generic points compared */
    size_t N;             /* batch size at the worst one; 0: the graph has none */
    int holds_here;       /* refuted: 1 if both sides agree at the model's own point */
    size_t element;       /* the worst element, row-major */
    gpf_shape shape;      /* of the sides at that point */
    double left, right;   /* both values there */
    double ratio;         /* left / right */
    double worst;         /* largest difference relative to the larger side's magnitude */
    size_t grads_checked; /* gradient elements compared with GSL inside this claim */
    size_t grads_right;   /* of these */
    char why[256];        /* one line */
} gpf_claim_result;

/* like: the model's own point, whose values show what each leaf is. The shapes
 * of both sides must be equal, or one of them a single element; else the claim is refuted for
 * that. Returns an error only for trouble (memory, unbound leaves). */
GPF_API int gpf_claim_run(gpf_graph *g, gpf_node left, gpf_node right, const gpf_claim_use *uses,
                          size_t n_uses, const gpf_point *like, unsigned long seed,
                          gpf_claim_result *result);

/* A point like `like`, every leaf of g redrawn as described above, at batch size N (0: small and
 * unlike every other size of the graph). Owns its data. NULL without memory. */
GPF_API gpf_point *gpf_point_generic(const gpf_graph *g, const gpf_point *like, size_t N,
                                     unsigned long seed);

/* Explanations: what the wrong elements have in common, and what else is wrong with a callback.
 *
 * One row for each kind: X(symbol, name, severity, help). `name` is stable, for programs. A fault
 * makes an outcome wrong; a doubt keeps it from being right. */
typedef enum gpf_severity { GPF_FAULT, GPF_DOUBT, GPF_NOTE } gpf_severity;

/* clang-format off */
#define GPF_EXPLANATION_LIST(X)                                                                    \
    /* How a callback behaves: gsl.h */                                                            \
    X(GPF_FAILS, "fails", GPF_FAULT, "a function returned an error or NaN where f is defined")     \
    X(GPF_UNDEFINED, "undefined", GPF_DOUBT, "f itself failed or is not finite here")              \
    X(GPF_RANDOM, "not deterministic", GPF_DOUBT, "two calls at the same x give two values")       \
    X(GPF_ORDER, "depends on call order", GPF_FAULT, "a value depends on what was called before")  \
    X(GPF_STALE, "stale", GPF_FAULT, "the result is that of the x of an earlier call")             \
    X(GPF_WRITES_X, "writes to x", GPF_FAULT, "x is const, but was changed")                       \
    X(GPF_WRITES_OUTSIDE, "writes outside", GPF_FAULT, "memory beside the output was written to")  \
    X(GPF_UNFILLED, "not filled", GPF_FAULT, "entries of the output were never written")           \
    X(GPF_ACCUMULATES, "accumulates", GPF_FAULT, "the result is added to what was in the output")  \
    X(GPF_INCOHERENT, "incoherent", GPF_FAULT, "fdf gives another result than f or df")            \
    X(GPF_EXCHANGED, "outputs exchanged", GPF_FAULT, "one output holds what belongs into another") \
    X(GPF_NOT_LINEAR, "not linear in u", GPF_FAULT, "J u is not linear in u")                      \
    X(GPF_NOT_QUADRATIC, "not quadratic in v", GPF_FAULT, "fvv is not quadratic in v")             \
    X(GPF_INDEPENDENT, "no dependence", GPF_NOTE, "0, rightly: no t in f, or f is linear")         \
    /* Numbers: one of these for every part or tensor with wrong elements */                       \
    X(GPF_SCALED, "constant ratio", GPF_FAULT, "everything is off by the same factor")             \
    X(GPF_SCALED_COLUMN, "column ratio", GPF_FAULT, "a column is off by a factor of its own")      \
    X(GPF_SCALED_ROW, "row ratio", GPF_FAULT, "a row is off by a factor of its own")               \
    X(GPF_WEIGHTED, "weights", GPF_FAULT, "rows are multiplied by their weights, or their roots")  \
    X(GPF_TRANSPOSED, "transposed", GPF_FAULT, "element i,j is where j,i belongs")                 \
    X(GPF_COLUMN_MAJOR, "column-major", GPF_FAULT, "stored by columns where rows are expected")    \
    X(GPF_SWAPPED, "swapped", GPF_FAULT, "two entries, rows or columns stand for each other")      \
    X(GPF_SHIFTED, "shifted", GPF_FAULT, "entries, rows or columns are one or more places off")    \
    X(GPF_MISSING_TERM, "term in x", GPF_FAULT, "the gap is a constant times the variable itself") \
    X(GPF_MISSING_FACTOR, "factor x", GPF_FAULT, "off by a factor that is the variable itself")    \
    X(GPF_OFFSET, "constant gap", GPF_FAULT, "the same number is added everywhere")                \
    X(GPF_ZERO, "missing", GPF_FAULT, "zero where f reacts")                                       \
    X(GPF_TOTAL, "total derivative", GPF_FAULT, "df/dt has dfdy f in it, which is not its part")   \
    X(GPF_CROSS_TERMS, "cross terms", GPF_FAULT, "mixed second derivatives are missing or halved") \
    X(GPF_OTHER_HALF, "other half", GPF_FAULT, "the upper half is filled where the lower is read") \
    X(GPF_UNTRANSPOSED, "TransJ ignored", GPF_FAULT, "J u is given for J' u, or the reverse")      \
    X(GPF_OUTSIDE_PATTERN, "outside the pattern", GPF_FAULT, "nonzero outside of the pattern")     \
    X(GPF_SINGLE, "single entries", GPF_FAULT, "only these entries are wrong, each by a factor")   \
    X(GPF_UNEXPLAINED, "unexplained", GPF_FAULT, "wrong in no way that is known here")
/* clang-format on */

typedef enum gpf_explanation_kind {
#define GPF_EXPLANATION_ENUM(symbol, name, severity, help) symbol,
    GPF_EXPLANATION_LIST(GPF_EXPLANATION_ENUM)
#undef GPF_EXPLANATION_ENUM
        GPF_N_EXPLANATIONS
} gpf_explanation_kind;

GPF_API const char *gpf_explanation_name(gpf_explanation_kind k);
GPF_API const char *gpf_explanation_help(gpf_explanation_kind k);
GPF_API gpf_severity gpf_explanation_severity(gpf_explanation_kind k);

/* One explanation. Numbers that do not apply are NaN, indices -1. */
typedef struct gpf_explanation {
    gpf_explanation_kind kind;
    gpf_severity severity;
    int part;              /* tensor of a check, part of a callback; -1: the whole */
    ptrdiff_t row, column; /* of which it is said; -1: all */
    ptrdiff_t other;       /* swapped: the other one; shifted: by how many places */
    double ratio;          /* scaled: analytic / numeric; a term: gap / x */
    size_t matched, total; /* entries it is true of, of those it was tried on */
    char text[256];        /* one line: "J is transposed: 66 of 72 entries match J'" */
} gpf_explanation;

/* Of the last run of a check: what the wrong elements of each tensor have in common. */
GPF_API size_t gpf_check_n_explanations(const gpf_check *c);
GPF_API const gpf_explanation *gpf_check_explanation(const gpf_check *c, size_t i);

/* Your own op: is its row right?
 *
 * The row alone, as in `gpf_op` (op.h), on shapes it takes, N at 1 and at 3. What is tried, by the
 * names of its cases:
 *
 *   row, formula, tie       the row as it is written
 *   shape                   the shape rule refuses or says what y's shape is, and writes nothing
 *                           else
 *   stays inside            the kernel writes y and nothing beside it, inputs or scratch
 *   inputs untouched
 *   deterministic           the same bits again, after other calls too
 *   fills y                 all of it, whatever was in it
 *   reads inside            nothing but the inputs, and no scratch it did not write
 *   strides, strided y      any layout gives the same, unless the flags exclude it
 *   in place, strips        a map: y in the place of an input; whole or in parts. Noted as last
 *                           digits: not the same bits, as of code that is vectorized (-ffast-math)
 *   plan                    the same in a graph
 *   special values, NaN     0, -0, 1e-300, inf, NaN ..: any result, but always the same. Noted: a
 *                           NaN that may vanish
 *   COMMUTES, LINEAR, SHIFTS, SINGLE, step     flags
 *   smooth                  no kink or jump where there is no side, by inputs that have a rule.
 *                           Noted as noise: float inside, a tolerance; slopes are then taken at
 *                           long steps
 *   sides, pieces, margin, moved               sides change where the slope does; margins are true
 *   fold, stable            what stands in for a node has its value
 *   vjp                     against differences of the kernel, at random points, unequal cotangents
 *   edges, beside edges     on and just beside the edges
 *   special points          all 0, 1, 1e-9, if the domain lo .. hi has them
 *   inside, second use, shared, layout, broadcast, chain       between other nodes; used twice; one
 *                           node as several inputs; transposed; repeated; applied to its own result
 *   jvp, adjoint            the jvp against differences; <u, J v> = <J' u, v>
 *   second                  the vjp of the vjp, by inputs and cotangent. Noted: there is none
 *
 * A rule may be nodes of other ops or a numeric kernel: a row of its own (op.h). A kernel that was
 * seen to reach outside its tensors is run in no graph: no rule is tried then. Nothing can be done
 * about a kernel that writes far out of bounds or a rule that crashes. Rules and kernels are called
 * from the calling thread only. A few hundredths of a second for an ordinary row.
 *
 * @example own
 *     gpf_op mine = *gpf_op_find("tanh", 1);
 *     mine.name = "mine";
 *     mine.vjp[0] = gpf_op_find("sin", 1)->vjp[0]; // the rule of another function
 *     gpf_op_check *c = gpf_check_op(&mine, NULL, NULL);
 *     assert(gpf_op_check_outcome(c) == GPF_OUTCOME_WRONG);
 *     assert(!strcmp(gpf_op_check_case(c, 0)->aspect, "vjp"));
 *     gpf_op_check_free(c);
 * @end
 */
typedef struct gpf_op_options {
    const gpf_attr *attr;    /* NULL: the row's defaults */
    int n_x;                 /* inputs of a variadic op; 0: 3 */
    const gpf_shape *shapes; /* n_shapes * inputs; NULL: found by trying what the row takes */
    size_t n_shapes;
    size_t points;      /* random points for each; 0: 4 */
    unsigned long seed; /* 0: 1 */
} gpf_op_options;

/* One thing that was tried. Of all that was found for it the worst counts: wrong, right, kink,
 * unresolved, vacuous (nothing to test here; with a text: a note). */
typedef struct gpf_op_case {
    const char *aspect; /* as above; static */
    int input;          /* of which it is said; -1: none */
    gpf_verdict verdict;
    size_t tried;   /* elements or evaluations */
    char text[256]; /* what is wrong, with shapes and numbers; "" if nothing is */
} gpf_op_case;

typedef struct gpf_op_check gpf_op_check;
/* NULL with *why: GSL_EINVAL for a row that cannot be one (no name, no kernel), GPF_ENOTHING if no
 * shape was found that it takes (a rule that wants particular sizes, or parameters: give them),
 * GPF_ESHAPE or GPF_ELIMIT for given shapes it does not take, GSL_ENOMEM. At most 8 inputs. */
GPF_API gpf_op_check *gpf_check_op(const gpf_op *op, const gpf_op_options *how, gpf_diag *why);
GPF_API void gpf_op_check_free(gpf_op_check *c);
GPF_API size_t gpf_op_check_n_cases(const gpf_op_check *c); /* those that are wrong first */
GPF_API const gpf_op_case *gpf_op_check_case(const gpf_op_check *c, size_t i);
/* Untested: nothing is wrong, but no vjp was tested (there is none), or it or the value could not
 * be resolved. */
GPF_API gpf_outcome gpf_op_check_outcome(const gpf_op_check *c);

#ifdef __cplusplus
}
#endif
#endif
