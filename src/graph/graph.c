/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "graph/graph.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

const gpf_op gpf__op_data = { .name = "data", .formula = "values given at evaluation" };
const gpf_op gpf__op_param = { .name = "param", .formula = "values to be learnt" };
const gpf_op gpf__op_const = { .name = "const", .formula = "a fixed value" };

gpf_shape gpf_shape_of(int rank, const ptrdiff_t *dim)
{
    gpf_shape s = { rank < 0 ? 0 : rank > GPF_MAX_RANK ? GPF_MAX_RANK : rank, { 1, 1, 1, 1 } };
    for (int i = 0; i < s.rank; i++)
        s.dim[i] = dim[i];
    return s;
}

gpf_shape gpf_shape0(void)
{
    return gpf_shape_of(0, NULL);
}

gpf_shape gpf_shape1(ptrdiff_t n)
{
    return gpf_shape_of(1, &n);
}

gpf_shape gpf_shape2(ptrdiff_t rows, ptrdiff_t cols)
{
    const ptrdiff_t dim[] = { rows, cols };
    return gpf_shape_of(2, dim);
}

int gpf_shape_equal(gpf_shape a, gpf_shape b)
{
    if (a.rank != b.rank)
        return 0;
    for (int i = 0; i < a.rank; i++)
        if (a.dim[i] != b.dim[i])
            return 0;
    return 1;
}

size_t gpf_shape_size(gpf_shape s, size_t N)
{
    size_t n = 1;
    for (int i = 0; i < s.rank; i++) {
        const size_t d = s.dim[i] == GPF_N ? N : (size_t)s.dim[i];
        if (d == 0 || n > GPF_MAX_ELEMENTS / d)
            return 0;
        n *= d;
    }
    return n;
}

char *gpf_shape_text(gpf_shape s, char *buf, size_t size)
{
    if (size)
        buf[0] = 0;
    if (s.rank == 0)
        gpf__append(buf, size, "scalar");
    for (int i = 0; i < s.rank; i++) {
        if (s.dim[i] == GPF_N)
            gpf__append(buf, size, "%sN", i ? "x" : "");
        else
            gpf__append(buf, size, "%s%td", i ? "x" : "", s.dim[i]);
    }
    return buf;
}

/* Of whatever identifies a node, and of its name. */
static uint64_t hash_key(const gpf_op *op, const gpf_node *x, int n_x, const gpf_attr *attr)
{
    uint64_t h = gpf__hash(GPF__HASH, &op, sizeof op);
    h = gpf__hash(h, x, (size_t)n_x * sizeof *x);
    return gpf__hash(h, attr, sizeof *attr);
}

static uint64_t hash_name(const char *name)
{
    return gpf__hash(0x84222325cbf29ce4u, name, strlen(name));
}

static void table_put(gpf_node *table, size_t size, uint64_t h, gpf_node n)
{
    size_t i = (size_t)h & (size - 1);
    while (table[i])
        i = (i + 1) & (size - 1);
    table[i] = n;
}

/* Every node is in the table by its key and, if named, once more by its name: room for both at
 * half load. */
static int table_grow(gpf_graph *g)
{
    if (4 * (g->n + 1) <= g->table_size)
        return GSL_SUCCESS;
    const size_t size = g->table_size ? 2 * g->table_size : 256;
    gpf_node *table = calloc(size, sizeof *table);
    if (!table)
        return GSL_ENOMEM;
    for (size_t i = 1; i < g->n; i++) {
        const gpf__node *n = g->node[i];
        table_put(table, size, hash_key(n->op, n->x, n->n_x, &n->attr), (gpf_node)i);
        if (n->name)
            table_put(table, size, hash_name(n->name), (gpf_node)i);
    }
    free(g->table);
    g->table = table;
    g->table_size = size;
    return GSL_SUCCESS;
}

gpf_graph *gpf_graph_alloc(void)
{
    gpf_graph *g = calloc(1, sizeof *g);
    if (!g)
        GSL_ERROR_NULL("no memory for a graph", GSL_ENOMEM);
    gpf__node *poison = gpf__arena_alloc(&g->arena, sizeof *poison);
    if (!poison || gpf__grow(&g->node, &g->cap, 1, sizeof *g->node) || table_grow(g)) {
        gpf_graph_free(g);
        GSL_ERROR_NULL("no memory for a graph", GSL_ENOMEM);
    }
    poison->op = &gpf__op_const;
    poison->stable = GPF_NONE;
    poison->shape = gpf_shape0();
    g->node[g->n++] = poison;
    return g;
}

void gpf_graph_free(gpf_graph *g)
{
    if (!g)
        return;
    gpf__arena_free(&g->arena);
    free(g->node);
    free(g->table);
    free(g->param);
    free(g->data);
    free(g);
}

int gpf_graph_status(const gpf_graph *g, gpf_diag *why)
{
    if (why)
        *why = g->error;
    return g->error.status;
}

void gpf_graph_clear_status(gpf_graph *g)
{
    memset(&g->error, 0, sizeof g->error);
}

gpf_node gpf__fail(gpf_graph *g, int status, const char *format, ...)
{
    if (g->error.status == GSL_SUCCESS) {
        va_list ap;
        va_start(ap, format);
        gpf__vformat(g->error.text, sizeof g->error.text, format, ap);
        va_end(ap);
        g->error.status = status;
    }
    return GPF_POISON;
}

unsigned char *gpf__needed(const gpf_graph *g, const gpf_node *nodes, size_t n)
{
    unsigned char *need = calloc(g->n, sizeof *need);
    for (size_t i = 0; need && i < n; i++)
        if (nodes[i] > GPF_POISON)
            need[nodes[i]] = 1;
    for (size_t i = g->n; need && i-- > 1;) /* inputs are older than what is made of them */
        for (int k = 0; need[i] && k < g->node[i]->n_x; k++)
            need[g->node[i]->x[k]] = 1;
    return need;
}

bool gpf__ok(gpf_graph *g, gpf_node n)
{
    if (g->error.status)
        return false;
    if (n > GPF_POISON && (size_t)n < g->n)
        return true;
    gpf__fail(g, GSL_EINVAL,
              n == GPF_NONE ? "GPF_NONE given where a node is needed"
                            : "%d given where a node is needed",
              n);
    return false;
}

static gpf_node no_memory(gpf_graph *g)
{
    return gpf__fail(g, GSL_ENOMEM, "no memory for a node (the graph has %zu)", g->n);
}

/* Appends a node. Copies the inputs. */
static gpf_node append(gpf_graph *g, const gpf__node *like)
{
    if (g->n >= INT32_MAX)
        return gpf__fail(g, GPF_ELIMIT, "graph has 2^31 nodes");
    gpf__node *n = gpf__arena_alloc(&g->arena, sizeof *n);
    gpf_node *x = gpf__arena_alloc(&g->arena, (size_t)like->n_x * sizeof *x);
    if (!n || !x || gpf__grow(&g->node, &g->cap, g->n + 1, sizeof *g->node) || table_grow(g))
        return no_memory(g);
    *n = *like;
    if (like->n_x)
        memcpy(x, like->x, (size_t)like->n_x * sizeof *x);
    n->x = x;
    const gpf_node id = (gpf_node)g->n;
    g->node[g->n++] = n;
    table_put(g->table, g->table_size, hash_key(n->op, n->x, n->n_x, &n->attr), id);
    return id;
}

static gpf_node find_equal(const gpf_graph *g, const gpf_op *op, const gpf_node *x, int n_x,
                           const gpf_attr *attr)
{
    size_t i = (size_t)hash_key(op, x, n_x, attr) & (g->table_size - 1);
    for (; g->table[i]; i = (i + 1) & (g->table_size - 1)) {
        const gpf__node *n = g->node[g->table[i]];
        if (n->op == op && n->n_x == n_x && !memcmp(&n->attr, attr, sizeof *attr) &&
            (n_x == 0 || !memcmp(n->x, x, (size_t)n_x * sizeof *x)))
            return g->table[i];
    }
    return GPF_NONE;
}

static bool valid_name(const char *name)
{
    if (!name || !*name)
        return false;
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '.' && (unsigned char)*c < 128)
            return false;
    return true;
}

gpf_node gpf_graph_find(const gpf_graph *g, const char *name)
{
    size_t i = (size_t)hash_name(name) & (g->table_size - 1);
    for (; g->table[i]; i = (i + 1) & (g->table_size - 1)) {
        const gpf__node *n = g->node[g->table[i]];
        if (n->name && !strcmp(n->name, name))
            return g->table[i];
    }
    return GPF_NONE;
}

int gpf_node_set_name(gpf_graph *g, gpf_node n, const char *name)
{
    if (!gpf__ok(g, n))
        return g->error.status;
    if (!valid_name(name)) {
        gpf__fail(g, GPF_ENAME, "'%s' is not a name (letters, digits, '_' and '.')",
                  name ? name : "");
        return GPF_ENAME;
    }
    const gpf_node other = gpf_graph_find(g, name);
    if (other != GPF_NONE && other != n) {
        gpf__fail(g, GPF_ENAME, "the name '%s' is taken", name);
        return GPF_ENAME;
    }
    if (g->node[n]->name)
        return GSL_SUCCESS;
    char *copy = gpf__arena_strndup(&g->arena, name, strlen(name));
    if (!copy) {
        no_memory(g);
        return GSL_ENOMEM;
    }
    g->node[n]->name = copy;
    table_put(g->table, g->table_size, hash_name(copy), n);
    return GSL_SUCCESS;
}

/* 0 if the shape is one a node may have; else the error is set. */
static int check_shape(gpf_graph *g, const char *what, const char *name, gpf_shape s, bool free_n)
{
    char text[64];
    if (s.rank < 0 || s.rank > GPF_MAX_RANK) {
        gpf__fail(g, GPF_ESHAPE, "%s %s has rank %d, 0 to %d are possible", what, name, s.rank,
                  GPF_MAX_RANK);
        return GPF_ESHAPE;
    }
    gpf_shape_text(s, text, sizeof text);
    for (int i = 0; i < s.rank; i++)
        if (s.dim[i] < 1 && !(free_n && s.dim[i] == GPF_N)) {
            gpf__fail(g, GPF_ESHAPE, "%s %s is %s: size %td of axis %d is not %s", what, name, text,
                      s.dim[i], i, free_n ? "positive" : "a positive number");
            return GPF_ESHAPE;
        }
    if (gpf_shape_size(s, 1) == 0) {
        gpf__fail(g, GPF_ELIMIT, "%s %s is %s: more than %zu elements", what, name, text,
                  GPF_MAX_ELEMENTS);
        return GPF_ELIMIT;
    }
    return GSL_SUCCESS;
}

static gpf_node leaf(gpf_graph *g, const gpf_op *op, const char *name, gpf_shape shape)
{
    if (g->error.status)
        return GPF_POISON;
    if (!valid_name(name))
        return gpf__fail(g, GPF_ENAME, "'%s' is not a name (letters, digits, '_' and '.')",
                         name ? name : "");
    if (gpf_graph_find(g, name) != GPF_NONE)
        return gpf__fail(g, GPF_ENAME, "the name '%s' is taken", name);
    const bool data = op == &gpf__op_data;
    if (check_shape(g, op->name, name, shape, data))
        return GPF_POISON;
    gpf_node **list = data ? &g->data : &g->param;
    size_t *n = data ? &g->n_data : &g->n_param, *cap = data ? &g->data_cap : &g->param_cap;
    if (gpf__grow(list, cap, *n + 1, sizeof **list))
        return no_memory(g);
    const size_t size = gpf_shape_size(shape, 1);
    if (!data && size > SIZE_MAX / sizeof(double) - g->n_params)
        return gpf__fail(g, GPF_ELIMIT, "param %s: too many params", name);
    /* k[0] makes the key of each leaf its own: leaves are never shared. */
    const gpf__node like = { .op = op,
                             .shape = shape,
                             .stable = GPF_NONE,
                             .attr = { .k = { (ptrdiff_t)*n } },
                             .leaf = data ? *n : g->n_params };
    const gpf_node id = append(g, &like);
    if (id == GPF_POISON || gpf_node_set_name(g, id, name))
        return GPF_POISON;
    (*list)[(*n)++] = id;
    if (!data)
        g->n_params += size;
    return id;
}

gpf_node gpf_data(gpf_graph *g, const char *name, gpf_shape shape)
{
    return leaf(g, &gpf__op_data, name, shape);
}

gpf_node gpf_param(gpf_graph *g, const char *name, gpf_shape shape)
{
    return leaf(g, &gpf__op_param, name, shape);
}

gpf_node gpf_const(gpf_graph *g, double value)
{
    if (g->error.status)
        return GPF_POISON;
    const gpf__node like = {
        .op = &gpf__op_const, .shape = gpf_shape0(), .stable = GPF_NONE, .attr = { .p = { value } }
    };
    const gpf_node same = find_equal(g, like.op, NULL, 0, &like.attr);
    return same != GPF_NONE ? same : append(g, &like);
}

gpf_node gpf_const_tensor(gpf_graph *g, gpf_shape shape, const double *values)
{
    if (g->error.status || check_shape(g, "const", "tensor", shape, false))
        return GPF_POISON;
    const size_t n = gpf_shape_size(shape, 1);
    if (shape.rank == 0)
        return gpf_const(g, values[0]);
    double *copy = gpf__arena_alloc(&g->arena, n * sizeof *copy);
    if (!copy)
        return no_memory(g);
    memcpy(copy, values, n * sizeof *copy);
    const gpf__node like = { .op = &gpf__op_const,
                             .shape = shape,
                             .stable = GPF_NONE,
                             .attr = { .k = { (ptrdiff_t)g->n } },
                             .values = copy };
    return append(g, &like);
}

int gpf_node_is_const(const gpf_graph *g, gpf_node n, double *value)
{
    if (n <= GPF_POISON || (size_t)n >= g->n)
        return 0;
    /* A view rearranges or repeats elements, so all equal stays all equal. */
    while (g->node[n]->op->view && g->node[n]->n_x == 1)
        n = g->node[n]->x[0];
    const gpf__node *c = g->node[n];
    if (c->op != &gpf__op_const || c->values)
        return 0;
    *value = c->attr.p[0];
    return 1;
}

/* Writes "X is Nx3 but W is 2x3" (two inputs) or "a is 3, b is 4, c is 5". */
static void describe(const gpf_graph *g, const gpf_node *x, int n_x, char *buf, size_t size)
{
    buf[0] = 0;
    for (int i = 0; i < n_x; i++) {
        char label[80], shape[64];
        gpf__append(buf, size, "%s%s is %s",
                    i == 0     ? ""
                    : n_x == 2 ? " but "
                               : ", ",
                    gpf_node_label(g, x[i], label, sizeof label),
                    gpf_shape_text(gpf__get(g, x[i])->shape, shape, sizeof shape));
    }
}

static gpf_node shape_error(gpf_graph *g, const gpf_op *op, const gpf_node *x, int n_x, int status,
                            const char *why)
{
    char inputs[360];
    describe(g, x, n_x, inputs, sizeof inputs);
    return gpf__fail(g, status, "%s: %s (%s)", op->name, inputs, why);
}

/* numpy's rule: right-aligned, a size of 1 stretches. */
static int common_shape(const gpf_graph *g, const gpf_node *x, int n_x, gpf_shape *y, char *why,
                        size_t size)
{
    *y = gpf_shape0();
    for (int i = 0; i < n_x; i++) {
        const int r = gpf__get(g, x[i])->shape.rank;
        y->rank = r > y->rank ? r : y->rank;
    }
    for (int i = 0; i < n_x; i++) {
        const gpf_shape s = gpf__get(g, x[i])->shape;
        for (int a = 0; a < s.rank; a++) {
            ptrdiff_t *d = &y->dim[y->rank - s.rank + a];
            if (*d == 1 || *d == s.dim[a]) {
                *d = s.dim[a];
            } else if (s.dim[a] != 1) {
                char l[24], r[24];
                gpf_shape_text(gpf_shape1(*d), l, sizeof l);
                gpf_shape_text(gpf_shape1(s.dim[a]), r, sizeof r);
                gpf__format(why, size, "sizes %s and %s do not broadcast", l, r);
                return GPF_ESHAPE;
            }
        }
    }
    return GSL_SUCCESS;
}

/* The value of an elementwise op on constants, as a constant of y's shape. */
static gpf_node fold_constants(gpf_graph *g, const gpf_op *op, const gpf_node *x, int n_x,
                               const gpf_attr *attr, gpf_shape shape)
{
    double v[3], y;
    const double *in[] = { &v[0], &v[1], &v[2] };
    for (int i = 0; i < n_x; i++)
        if (!gpf_node_is_const(g, x[i], &v[i]))
            return GPF_NONE;
    op->map(1, &y, in, attr);
    return gpf_broadcast(g, gpf_const(g, y), shape);
}

/* Can node n, which a row's rule gave, stand for the op's result? */
static bool is_stand_in(gpf_graph *g, const gpf_op *op, const char *rule, gpf_node n,
                        gpf_shape shape)
{
    char got[64] = "no node", expected[64];
    if (g->error.status)
        return false;
    const bool exists = n > GPF_POISON && (size_t)n < g->n;
    if (exists && gpf_shape_equal(gpf__get(g, n)->shape, shape))
        return true;
    if (exists)
        gpf_shape_text(gpf__get(g, n)->shape, got, sizeof got);
    gpf__fail(g, GPF_ERULE, "the %s rule of %s returned %s, expected %s", rule, op->name, got,
              gpf_shape_text(shape, expected, sizeof expected));
    return false;
}

gpf_node gpf_apply(gpf_graph *g, const gpf_op *op, const gpf_node *x, int n_x, const gpf_attr *attr)
{
    enum { ELEMENTWISE_MAX = 3 };
    for (int i = 0; i < n_x; i++)
        if (!gpf__ok(g, x[i]))
            return GPF_POISON;
    if (g->error.status)
        return GPF_POISON;
    if (op->arity == GPF_VARIADIC ? n_x < 1 : n_x != op->arity)
        return gpf__fail(g, GSL_EINVAL, "%s takes %s%d input%s, %d given", op->name,
                         op->arity == GPF_VARIADIC ? "at least " : "", abs(op->arity),
                         abs(op->arity) == 1 ? "" : "s", n_x);
    const gpf_attr a = attr ? *attr : gpf_attr_default(op->params);

    gpf_node same_shape[ELEMENTWISE_MAX];
    char why[160] = "";
    gpf_shape shape = gpf_shape0();
    if (op->map && !op->shape) {
        if (n_x > ELEMENTWISE_MAX)
            return gpf__fail(g, GSL_EINVAL, "%s: an elementwise op has at most %d inputs", op->name,
                             ELEMENTWISE_MAX);
        const int status = common_shape(g, x, n_x, &shape, why, sizeof why);
        if (status)
            return shape_error(g, op, x, n_x, status, why);
        for (int i = 0; i < n_x; i++)
            same_shape[i] = gpf_broadcast(g, x[i], shape);
        x = same_shape;
    } else {
        gpf_shape in[16], *xs = n_x <= 16 ? in : malloc((size_t)n_x * sizeof *xs);
        if (!xs)
            return no_memory(g);
        for (int i = 0; i < n_x; i++)
            xs[i] = gpf__get(g, x[i])->shape;
        const int status = op->shape(xs, n_x, &a, &shape, why, sizeof why);
        if (xs != in)
            free(xs);
        if (status)
            return shape_error(g, op, x, n_x, status, why);
    }
    if (g->error.status || check_shape(g, "result of", op->name, shape, true))
        return GPF_POISON;

    gpf_node y = op->fold ? op->fold(g, x, &a) : GPF_NONE;
    if (y == GPF_NONE && op->map && n_x > 0)
        y = fold_constants(g, op, x, n_x, &a, shape);
    if (y == GPF_NONE)
        y = find_equal(g, op, x, n_x, &a);
    if (y == GPF_NONE && op->flags & GPF_OP_COMMUTES && n_x == 2) {
        const gpf_node swapped[] = { x[1], x[0] };
        y = find_equal(g, op, swapped, n_x, &a);
    }
    if (y != GPF_NONE)
        return is_stand_in(g, op, "fold", y, shape) ? y : GPF_POISON;
    const gpf_node twin = op->stable ? op->stable(g, x, &a) : GPF_NONE;
    if (twin != GPF_NONE && !is_stand_in(g, op, "stable", twin, shape))
        return GPF_POISON;
    const gpf__node like = {
        .op = op, .x = x, .n_x = n_x, .shape = shape, .attr = a, .stable = twin
    };
    return append(g, &like);
}

size_t gpf_graph_n_nodes(const gpf_graph *g)
{
    return g->n;
}

const char *gpf_node_name(const gpf_graph *g, gpf_node n)
{
    return gpf__get(g, n)->name;
}

gpf_shape gpf_node_shape(const gpf_graph *g, gpf_node n)
{
    return gpf__get(g, n)->shape;
}

const gpf_op *gpf_node_op(const gpf_graph *g, gpf_node n)
{
    return gpf__get(g, n)->op;
}

const gpf_attr *gpf_node_attr(const gpf_graph *g, gpf_node n)
{
    return &gpf__get(g, n)->attr;
}

const gpf_node *gpf_node_inputs(const gpf_graph *g, gpf_node n, int *n_x)
{
    *n_x = gpf__get(g, n)->n_x;
    return gpf__get(g, n)->x;
}

gpf_node gpf_node_stable(const gpf_graph *g, gpf_node n)
{
    return gpf__get(g, n)->stable;
}

/* Is x reached from n within `depth` steps? Twins are made from at most three levels of inputs. */
static bool reaches(const gpf_graph *g, gpf_node n, gpf_node x, int depth)
{
    if (n == x)
        return true;
    if (n < x || depth == 0)
        return false;
    const gpf__node *node = gpf__get(g, n);
    for (int i = 0; i < node->n_x; i++)
        if (reaches(g, node->x[i], x, depth - 1))
            return true;
    return false;
}

gpf_node gpf__stable_for(const gpf_graph *g, gpf_node n, const gpf_node *xs, size_t n_xs)
{
    enum { LEVELS = 4 };
    const gpf_node twin = gpf__get(g, n)->stable;
    for (size_t i = 0; twin != GPF_NONE && i < n_xs; i++)
        if (xs[i] != n && reaches(g, n, xs[i], LEVELS) && !reaches(g, twin, xs[i], 2 * LEVELS))
            return GPF_NONE;
    return twin;
}

int gpf_node_is_param(const gpf_graph *g, gpf_node n)
{
    return gpf__get(g, n)->op == &gpf__op_param;
}

int gpf_node_is_data(const gpf_graph *g, gpf_node n)
{
    return gpf__get(g, n)->op == &gpf__op_data;
}

size_t gpf_graph_n_param_tensors(const gpf_graph *g)
{
    return g->n_param;
}

gpf_node gpf_graph_param(const gpf_graph *g, size_t i)
{
    return i < g->n_param ? g->param[i] : GPF_NONE;
}

size_t gpf_graph_n_params(const gpf_graph *g)
{
    return g->n_params;
}

size_t gpf_param_offset(const gpf_graph *g, gpf_node param)
{
    return gpf__get(g, param)->leaf;
}

gsl_matrix_view gpf_param_view(const gpf_graph *g, gpf_node param, gsl_vector *theta)
{
    const gpf__node *n = gpf__get(g, param);
    const size_t cols = n->shape.rank ? (size_t)n->shape.dim[n->shape.rank - 1] : 1;
    return gsl_matrix_view_array(theta->data + n->leaf, gpf_shape_size(n->shape, 1) / cols, cols);
}

size_t gpf_graph_n_data(const gpf_graph *g)
{
    return g->n_data;
}

gpf_node gpf_graph_data(const gpf_graph *g, size_t i)
{
    return i < g->n_data ? g->data[i] : GPF_NONE;
}
