/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Statements of the text, one after the other, into the model. After an error the name of the
 * statement is poison: whatever needs it stays silent, and the rest of the text is read. */
#include "model/model.h"

#include <string.h>

bool gpf__fits(gpf_shape shape, size_t rows, size_t cols)
{
    if (shape.rank == 2)
        return (shape.dim[0] == GPF_N || (size_t)shape.dim[0] == rows) &&
               (size_t)shape.dim[1] == cols;
    /* with rows for N, the remaining sizes are the columns */
    return gpf_shape_size(shape, rows) == rows * cols;
}

/* data x[3] = 1 */
static int fill(gpf_model *m, const gpf__statement *s, gpf_shape shape, gpf__values *v)
{
    const size_t n = gpf_shape_size(shape, 0), cols = (size_t)shape.dim[shape.rank - 1];
    const double number = *v->v;
    if (!n) /* too many: gpf_data says so */
        return GSL_SUCCESS;
    v->rows = n / cols;
    v->cols = cols;
    const int status = gpf__reserve(m, s->at, "table", v->rows, v->cols, &v->v);
    for (size_t i = 0; !status && i < n; i++)
        v->v[i] = number;
    return status;
}

/* Declared sizes against those of the table; without any, the table's own. */
static int data_shape(gpf_model *m, const gpf__statement *s, gpf__values *v, gpf_shape *shape)
{
    if (!s->dims) {
        *shape = v->number
                     ? gpf_shape0()
                     : gpf_shape2(v->samples ? GPF_N : (ptrdiff_t)v->rows, (ptrdiff_t)v->cols);
        return GSL_SUCCESS;
    }
    if (v->number && shape->rank && shape->dim[0] != GPF_N)
        return fill(m, s, *shape, v);
    if (gpf__fits(*shape, v->rows, v->cols))
        return GSL_SUCCESS;
    char text[64];
    return gpf__report(&m->source, s->right->whole, GPF_ESHAPE,
                       "data %s is declared as %s but its values are %zux%zu", s->name,
                       gpf_shape_text(*shape, text, sizeof text), v->rows, v->cols);
}

int gpf__choose_rows(gpf_model *m, gpf__place at, const gpf__values *v, int rows,
                     const double **out)
{
    *out = v->v;
    if (!v->samples || !m->held_out || rows == 2)
        return GSL_SUCCESS;
    double *to;
    const int status = gpf__reserve(m, at, "table", v->rows, v->cols, &to);
    *out = to;
    for (size_t i = 0; i < v->rows && !status; i++)
        if (m->held_out[i] == (rows == 1)) {
            memcpy(to, v->v + i * v->cols, v->cols * sizeof *to);
            to += v->cols;
        }
    return status;
}

static void data(gpf_model *m, const gpf__statement *s)
{
    gpf_shape shape = gpf_shape0();
    gpf__values v = { 0 };
    const double *chosen = NULL;
    gpf_node node = GPF_POISON;
    if (gpf__symbol_check_new(m, s->name, s->at))
        return;
    bool ok = s->right && !(s->dims && gpf__shape(m, s->dims->first, true, &shape));
    const int samples = !s->dims ? -1 : shape.rank > 0 && shape.dim[0] == GPF_N;
    if (ok)
        ok = !gpf__data(m, s->right, s->name, samples, &v) && !data_shape(m, s, &v, &shape) &&
             !gpf__choose_rows(m, s->at, &v, m->options.rows, &chosen);
    if (ok) {
        node = gpf_data(m->g, s->name, shape);
        if (gpf__report_graph(m, s->at) || gpf__remember_leaf(m, node, chosen))
            node = GPF_POISON;
    }
    if (node != GPF_POISON && v.samples && m->samples_node == GPF_POISON)
        m->samples_node = node;
    gpf__symbol_assign(m, s->name, s->at, node);
    gpf__symbol *symbol = gpf__symbol_find(m, s->name);
    if (symbol && node != GPF_POISON)
        symbol->table = v;
}

/* Where the values of a new param go; the node, or poison. */
static gpf_node new_param(gpf_model *m, const char *name, gpf__place at, gpf_shape shape,
                          double **values)
{
    char what[GPF__MAX_NAME + 20];
    gpf__format(what, sizeof what, "param %s", name);
    const size_t n = gpf_shape_size(shape, 0); /* 0: too many, gpf_param says so */
    const size_t cols = shape.rank ? (size_t)shape.dim[shape.rank - 1] : 1;
    if (n && gpf__reserve(m, at, what, n / cols, cols, values))
        return GPF_POISON;
    const gpf_node node = gpf_param(m->g, name, shape);
    if (gpf__report_graph(m, at) || gpf__remember_leaf(m, node, *values))
        return GPF_POISON;
    return node;
}

static int param_values(gpf_model *m, const gpf__statement *s, gpf_shape shape, double *values)
{
    if (s->kind == GPF__DRAWN_PARAM)
        return gpf__initialise(m, s->right, s->name, shape, values);
    if (s->right->kind != GPF__MATRIX) {
        double number;
        const int status = gpf__number(m, s->right, "param", &number);
        for (size_t i = 0; !status && i < gpf_shape_size(shape, 0); i++)
            values[i] = number;
        return status;
    }
    if (s->right->bad)
        return GPF_ESYNTAX;
    char text[64];
    if (!gpf__fits(shape, s->right->rows, s->right->cols))
        return gpf__report(&m->source, s->right->whole, GPF_ESHAPE,
                           "param %s is declared as %s but its values are %zux%zu", s->name,
                           gpf_shape_text(shape, text, sizeof text), s->right->rows,
                           s->right->cols);
    return gpf__literal(m, s->right, values);
}

static void param(gpf_model *m, const gpf__statement *s)
{
    gpf_shape shape = gpf_shape0();
    gpf_node node = GPF_POISON;
    double *values = NULL;
    if (gpf__symbol_check_new(m, s->name, s->at))
        return;
    if (s->right && !s->dims && s->right->kind == GPF__MATRIX)
        shape = gpf_shape2((ptrdiff_t)s->right->rows, (ptrdiff_t)s->right->cols);
    if (s->right && !(s->dims && gpf__shape(m, s->dims->first, false, &shape)))
        node = new_param(m, s->name, s->at, shape, &values);
    if (node != GPF_POISON && param_values(m, s, shape, values))
        node = GPF_POISON;
    gpf__symbol_assign(m, s->name, s->at, node);
}

/* Options of dense after x and units, in order or by name. */
typedef struct options {
    const char *name;
    const gpf__ast *activation, *init, *bias;
} options;

static int layer_options(gpf_model *m, const gpf__ast *first, options *l)
{
    const struct {
        const char *name;
        const gpf__ast **value;
    } option[] = { { "activation", &l->activation }, { "init", &l->init }, { "bias", &l->bias } };
    enum { N = sizeof option / sizeof *option };
    size_t next = 0;
    for (const gpf__ast *a = first; a; a = a->next) {
        size_t i = a->key ? 0 : next++;
        while (a->key && i < N && strcmp(option[i].name, a->key))
            i++;
        if (i >= N || *option[i].value)
            return gpf__report(&m->source, a->at, GPF_ESYNTAX,
                               "after dense(x, units there may be one activation, init= and bias=");
        *option[i].value = a;
    }
    if (l->activation && l->activation->kind != GPF__NAME)
        return gpf__report(&m->source, l->activation->whole, GPF_ESYNTAX,
                           "expected the name of an activation, such as relu; one with "
                           "parameters stands alone: z = dense(X, 5), h = leaky_relu(z, 0.2)");
    if (l->init && l->init->kind != GPF__NAME && l->init->kind != GPF__CALL)
        return gpf__report(&m->source, l->init->whole, GPF_ESYNTAX,
                           "expected an initialiser, such as he or normal(0, 0.1)");
    return GSL_SUCCESS;
}

/* A param of a layer, drawn by init or zero if init is NULL. */
static gpf_node layer_param(gpf_model *m, const gpf__ast *at, const options *l, char letter,
                            gpf_shape shape, const gpf__ast *init)
{
    char name[GPF__MAX_NAME + 3];
    double *values = NULL;
    gpf__format(name, sizeof name, "%s.%c", l->name, letter);
    if (gpf__symbol_check_new(m, name, at->at))
        return GPF_POISON;
    const gpf_node node = new_param(m, name, at->at, shape, &values);
    if (node == GPF_POISON || (init && gpf__initialise(m, init, name, shape, values)))
        return GPF_POISON;
    /* the gradients that x is made of are not part of the param */
    const size_t n_current = m->n_current;
    m->n_current = 0;
    const int status = gpf__symbol_assign(m, name, at->at, node);
    m->n_current = n_current;
    return status ? GPF_POISON : node;
}

/* act(x @ W + b), W inputs x units, b 1 x units */
static gpf_node dense(gpf_model *m, const gpf__ast *a, const char *name)
{
    options l = { .name = name };
    ptrdiff_t units = 0, bias = 1;
    if (a->n < 2 || a->first->key || a->first->next->key) {
        gpf__report(&m->source, a->at, GPF_ESYNTAX,
                    "dense takes the input and the number of units: dense(X, 64, relu)");
        return GPF_POISON;
    }
    const gpf_node x = gpf__expr(m, a->first);
    if (gpf__integer(m, a->first->next, "units", 1, INT32_MAX, &units) ||
        layer_options(m, a->first->next->next, &l) ||
        (l.bias && gpf__integer(m, l.bias, "bias", 0, 1, &bias)) || x == GPF_POISON)
        return GPF_POISON;
    const gpf_shape s = gpf_node_shape(m->g, x);
    char text[64], label[64];
    if (s.rank != 2 || s.dim[1] == GPF_N) {
        gpf__report(
            &m->source, a->at, GPF_ESHAPE, "dense: %s is %s but samples in rows are expected",
            gpf_node_label(m->g, x, label, sizeof label), gpf_shape_text(s, text, sizeof text));
        return GPF_POISON;
    }
    const char *act = l.activation ? l.activation->text : NULL;
    gpf__ast init = { .kind = GPF__CALL, .at = a->at, .text = gpf_initializer_for(act) };
    if (l.init) {
        init = *l.init;
        init.key = NULL;
    }
    const gpf_node w = layer_param(m, a, &l, 'W', gpf_shape2(s.dim[1], units), &init);
    const gpf_node b =
        bias && w != GPF_POISON ? layer_param(m, a, &l, 'b', gpf_shape2(1, units), NULL) : w;
    if (w == GPF_POISON || b == GPF_POISON)
        return GPF_POISON;
    gpf_node z = gpf_matmul(m->g, x, w);
    if (bias)
        z = gpf_add(m->g, z, b);
    if (gpf__report_graph(m, a->at))
        return GPF_POISON;
    if (!act)
        return z;
    char z_name[GPF__MAX_NAME + 3]; /* reports name the unit whose kink they met, claims can too */
    gpf__format(z_name, sizeof z_name, "%s.z", name);
    if (gpf__symbol_assign(m, z_name, a->at, z))
        return GPF_POISON;
    return gpf__activation(m, act, l.activation->at, z);
}

/* A layer that failed still says what its parts are called: later lines that use them are right. */
static gpf_node layer(gpf_model *m, const gpf__ast *a, const char *name)
{
    const gpf_node node = dense(m, a, name);
    for (const char *p = "Wbz"; node == GPF_POISON && *p; p++) {
        char param_name[GPF__MAX_NAME + 3];
        gpf__format(param_name, sizeof param_name, "%s.%c", name, *p);
        gpf__symbol_get(m, param_name);
    }
    return node;
}

static void assign(gpf_model *m, const gpf__statement *s)
{
    gpf_node node = GPF_POISON;
    if (gpf__symbol_check_new(m, s->name, s->at))
        return;
    if (s->right && s->right->kind == GPF__CALL && !strcmp(s->right->text, "dense"))
        node = layer(m, s->right, s->name);
    else if (s->right)
        node = gpf__expr(m, s->right);
    gpf__symbol_assign(m, s->name, s->at, node);
}

static void claim(gpf_model *m, const gpf__statement *s)
{
    const gpf_node left = gpf__expr(m, s->left), right = gpf__expr(m, s->right);
    if (left == GPF_POISON || right == GPF_POISON)
        return;
    const size_t n = s->whole.to - s->whole.from;
    char *text = gpf__arena_strndup(&m->arena, m->source.text + s->whole.from, n);
    gpf_claim_use *uses = gpf__arena_alloc(&m->arena, m->n_current * sizeof *uses);
    if (!text || !uses || gpf__grow(&m->claim, &m->claim_cap, m->n_claims + 1, sizeof *m->claim)) {
        gpf__report_nomem(&m->source);
        return;
    }
    gpf__clean(text);
    for (size_t i = 0; i < m->n_current; i++)
        uses[i] = m->use[m->current[i]];
    m->claim[m->n_claims++] =
        (gpf_model_claim){ left, right, uses, m->n_current, text, s->at.line };
}

static void seed(gpf_model *m, const gpf__statement *s)
{
    ptrdiff_t value;
    if (gpf__integer(m, s->right, "seed", 0, UINT32_MAX, &value))
        return;
    if (m->seed_used)
        gpf__report(&m->source, s->at, GPF_ESYNTAX,
                    "seed comes too late: numbers were drawn before this line");
    else if (!m->options.seed_given)
        m->seed = (unsigned long)value;
}

static void split(gpf_model *m, const gpf__statement *s)
{
    double fraction;
    if (gpf__number(m, s->right, "split", &fraction))
        return;
    if (!(fraction > 0 && fraction < 1))
        gpf__report(&m->source, s->right->whole, GPF_EDATA,
                    "split is the part of the rows to hold out, between 0 and 1, not %g", fraction);
    else if (m->split_at.line)
        gpf__report(&m->source, s->at, GPF_ESYNTAX, "there is a split already");
    else if (m->n_samples)
        gpf__report(&m->source, s->at, GPF_ESYNTAX,
                    "split comes too late: %s was read before this line", m->samples_name);
    else {
        m->split_at = s->at;
        if (m->options.split == 0)
            m->split = fraction;
    }
}

/* One setting of a train statement: the key's place is a->at, the value's a->whole. */
static void set(gpf_model *m, const gpf__ast *a)
{
    const gpf_setting *setting = gpf_setting_find(a->key);
    gpf_diag why = { 0 };
    for (size_t i = 0; setting && i < m->n_given; i++)
        if (m->given[i].setting == setting) {
            gpf__report(&m->source, a->at, GPF_ENAME, "train: %s is given in line %d already",
                        setting->name, m->given[i].at.line);
            return;
        }
    const int status = gpf_setting_set(&m->train, a->key, a->text, &why);
    if (status)
        gpf__report(&m->source, setting ? a->whole : a->at, status, "train: %s", why.text);
    else if (gpf__grow(&m->given, &m->given_cap, m->n_given + 1, sizeof *m->given))
        gpf__report_nomem(&m->source);
    else
        m->given[m->n_given++] = (gpf__given){ setting, a->at };
}

static void train(gpf_model *m, const gpf__statement *s)
{
    for (const gpf__ast *a = s->right->first; a; a = a->next)
        set(m, a);
}

static void no_such_param(gpf_model *m, const gpf__statement *s)
{
    gpf__suggestion similar = { .wanted = s->name };
    char hint[100];
    if (gpf__symbol_find(m, s->name)) { /* of another kind, or what is wrong with it was said */
        if (gpf__symbol_find(m, s->name)->node != GPF_POISON)
            gpf__report(&m->source, s->at, GPF_ENAME,
                        "update: %s is no param; only params have a next value", s->name);
        return;
    }
    for (size_t i = 0; i < gpf_graph_n_param_tensors(m->g); i++)
        gpf__suggest(&similar, gpf_node_name(m->g, gpf_graph_param(m->g, i)));
    gpf__report(&m->source, s->at, GPF_ENAME, "update: there is no param '%s' so far%s", s->name,
                gpf__suggestion_text(&similar, hint, sizeof hint));
}

static void update(gpf_model *m, const gpf__statement *s)
{
    const gpf__symbol *symbol = gpf__symbol_find(m, s->name);
    const gpf_node param = symbol ? symbol->node : GPF_POISON;
    gpf_node next = gpf__expr(m, s->right);
    if (param == GPF_POISON || !gpf_node_is_param(m->g, param)) {
        no_such_param(m, s);
        return;
    }
    for (size_t i = 0; i < m->n_updates; i++)
        if (m->update[i].param == param) {
            gpf__report(&m->source, s->at, GPF_ENAME,
                        "update: %s has got its next value in line %d already", s->name,
                        m->update[i].line);
            return;
        }
    if (next == GPF_POISON)
        return;
    const gpf_shape shape = gpf_node_shape(m->g, param), given = gpf_node_shape(m->g, next);
    if (given.rank == 0 && shape.rank > 0) /* a number fills, as in the param statement */
        next = gpf_broadcast(m->g, next, shape);
    else if (!gpf_shape_equal(given, shape)) {
        char is[64], not [64];
        gpf__report(&m->source, s->right->whole, GPF_ESHAPE,
                    "update: param %s is %s but its next value is %s", s->name,
                    gpf_shape_text(shape, is, sizeof is), gpf_shape_text(given, not, sizeof not ));
        return;
    }
    if (gpf__report_graph(m, s->at))
        return;
    if (gpf__grow(&m->update, &m->update_cap, m->n_updates + 1, sizeof *m->update))
        gpf__report_nomem(&m->source);
    else
        m->update[m->n_updates++] = (gpf__update){ param, next, s->at.line };
}

/* The seed of a train statement gives way to one that is asked for, and goes before the model's. */
static void end_training(gpf_model *m)
{
    bool own = false;
    for (size_t i = 0; i < m->n_given; i++) {
        if (!strcmp(m->given[i].setting->name, "seed"))
            own = true;
        else if (m->given[i].setting->type == GPF_SETTING_OPTIMIZER && m->n_updates)
            gpf__report(&m->source, m->given[i].at, GPF_ENAME,
                        "train: the update of %s in line %d takes the optimizer's place",
                        gpf_node_name(m->g, m->update->param), m->update->line);
    }
    if (!own || m->options.seed_given)
        m->train.seed = m->seed;
    if (m->rate_value)
        *m->rate_value = m->train.rate;
}

void gpf__build(gpf_model *m, const gpf__statement *statements)
{
    static void (*const build[])(gpf_model *, const gpf__statement *) = {
        [GPF__DATA] = data,     [GPF__PARAM] = param, [GPF__DRAWN_PARAM] = param,
        [GPF__ASSIGN] = assign, [GPF__CLAIM] = claim, [GPF__SEED] = seed,
        [GPF__SPLIT] = split,   [GPF__TRAIN] = train, [GPF__UPDATE] = update
    };
    for (const gpf__statement *s = statements; s; s = s->next)
        m->own_rate =
            m->own_rate || (s->name && s->kind != GPF__UPDATE && !strcmp(s->name, "rate"));
    for (const gpf__statement *s = statements; s && !m->source.status; s = s->next) {
        m->n_current = 0;
        build[s->kind](m, s);
    }
    end_training(m);
    if (m->split > 0 && !m->n_samples && !m->source.n_why)
        gpf__report(&m->source, m->split_at, GPF_EDATA, "split: no data has N rows to hold out");
}
