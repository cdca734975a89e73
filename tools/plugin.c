/* SPDX-License-Identifier: GPL-3.0-or-later */
/* check --plugin: a structure of GSL's that a shared library exports. */
#define _GNU_SOURCE /* dladdr1 */
#include "callback.h"
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <link.h>
#endif

/* The functions of a structure, each between guard_enter and guard_leave: rows of what it returns,
 * the structure, the member, what the guard is told of its place, parameters, and arguments with
 * the params the library gave. Its own params is the structure s as it was exported. */

static void enter(const char *function, const gsl_vector *x)
{
    guard_enter(function, x->data, x->size, x->stride, NULL);
}

#define GUARDED(result, kind, member, entered, parameters, arguments) \
    static result kind##_##member parameters                          \
    {                                                                 \
        const kind##_structure *s = p;                                \
        entered;                                                      \
        const result value = s->member arguments;                     \
        guard_leave();                                                \
        return value;                                                 \
    }
#define GUARDED_VOID(kind, member, entered, parameters, arguments) \
    static void kind##_##member parameters                         \
    {                                                              \
        const kind##_structure *s = p;                             \
        entered;                                                   \
        s->member arguments;                                       \
        guard_leave();                                             \
    }

typedef gsl_function_fdf function_structure;
typedef gsl_multimin_function_fdf multimin_structure;
typedef gsl_multiroot_function_fdf multiroot_structure;
typedef gsl_multifit_function_fdf multifit_structure;
typedef gsl_multifit_nlinear_fdf nlinear_structure;
typedef gsl_multilarge_nlinear_fdf multilarge_structure;
typedef gsl_odeiv2_system odeiv2_structure;

/* The structure to be checked: that of the library, with the functions below where it has one. */
typedef union any {
    function_structure function;
    multimin_structure multimin;
    multiroot_structure multiroot;
    multifit_structure multifit;
    nlinear_structure nlinear;
    multilarge_structure multilarge;
    odeiv2_structure odeiv2;
} any;

/* clang-format off */
GUARDED(double, function, f, guard_enter("f", &x, 1, 1, NULL), (double x, void *p), (x, s->params))
GUARDED(double, function, df, guard_enter("df", &x, 1, 1, NULL), (double x, void *p),
        (x, s->params))
GUARDED_VOID(function, fdf, guard_enter("fdf", &x, 1, 1, NULL),
             (double x, void *p, double *f, double *df), (x, s->params, f, df))

GUARDED(double, multimin, f, enter("f", x), (const gsl_vector *x, void *p), (x, s->params))
GUARDED_VOID(multimin, df, enter("df", x), (const gsl_vector *x, void *p, gsl_vector *df),
             (x, s->params, df))
GUARDED_VOID(multimin, fdf, enter("fdf", x),
             (const gsl_vector *x, void *p, double *f, gsl_vector *df), (x, s->params, f, df))

#define GUARDED_F(kind) GUARDED(int, kind, f, enter("f", x), \
    (const gsl_vector *x, void *p, gsl_vector *f), (x, s->params, f))
#define GUARDED_DF(kind) GUARDED(int, kind, df, enter("df", x), \
    (const gsl_vector *x, void *p, gsl_matrix *J), (x, s->params, J))
#define GUARDED_FDF(kind) GUARDED(int, kind, fdf, enter("fdf", x), \
    (const gsl_vector *x, void *p, gsl_vector *f, gsl_matrix *J), (x, s->params, f, J))
#define GUARDED_FVV(kind) GUARDED(int, kind, fvv, enter("fvv", x), \
    (const gsl_vector *x, const gsl_vector *v, void *p, gsl_vector *fvv), (x, v, s->params, fvv))
GUARDED_F(multiroot) GUARDED_DF(multiroot) GUARDED_FDF(multiroot)
GUARDED_F(multifit) GUARDED_DF(multifit) GUARDED_FDF(multifit)
GUARDED_F(nlinear) GUARDED_DF(nlinear) GUARDED_FVV(nlinear)
GUARDED_F(multilarge) GUARDED_FVV(multilarge)
GUARDED(int, multilarge, df, enter("df", x),
        (CBLAS_TRANSPOSE_t t, const gsl_vector *x, const gsl_vector *u, void *p, gsl_vector *v,
         gsl_matrix *JTJ), (t, x, u, s->params, v, JTJ))

GUARDED(int, odeiv2, function, guard_enter("function", y, s->dimension, 1, &t),
        (double t, const double y[], double dydt[], void *p), (t, y, dydt, s->params))
GUARDED(int, odeiv2, jacobian, guard_enter("jacobian", y, s->dimension, 1, &t),
        (double t, const double y[], double *dfdy, double dfdt[], void *p),
        (t, y, dfdy, dfdt, s->params))

#define WRAP(kind, member) s->kind.member = s->kind.member ? kind##_##member : NULL
#define WRAPPED(kind, one, two, three)                       \
    static void wrap_##kind(any *s, void *exported)          \
    {                                                        \
        WRAP(kind, one), WRAP(kind, two), WRAP(kind, three); \
        s->kind.params = exported;                           \
    }
WRAPPED(function, f, df, fdf)
WRAPPED(multimin, f, df, fdf)
WRAPPED(multiroot, f, df, fdf)
WRAPPED(multifit, f, df, fdf)
WRAPPED(nlinear, f, df, fvv)
WRAPPED(multilarge, f, df, fvv)

static void wrap_odeiv2(any *s, void *exported)
{
    WRAP(odeiv2, function), WRAP(odeiv2, jacobian);
    s->odeiv2.params = exported;
}
/* clang-format on */

typedef struct row {
    const char *kind;
    size_t size;
    void (*wrap)(any *s, void *exported);
} row;

static const row rows[] = {
    { "function", sizeof(gsl_function_fdf), wrap_function },
    { "multimin", sizeof(gsl_multimin_function_fdf), wrap_multimin },
    { "multiroot", sizeof(gsl_multiroot_function_fdf), wrap_multiroot },
    { "multifit", sizeof(gsl_multifit_function_fdf), wrap_multifit },
    { "multifit_nlinear", sizeof(gsl_multifit_nlinear_fdf), wrap_nlinear },
    { "multilarge_nlinear", sizeof(gsl_multilarge_nlinear_fdf), wrap_multilarge },
    { "odeiv2", sizeof(gsl_odeiv2_system), wrap_odeiv2 },
};
enum { N_ROWS = sizeof rows / sizeof *rows };

/* GSL errors that the library's functions raise. */
static struct raised {
    unsigned long n;
    char text[300]; /* of the first */
    char note[360];
} raised;

static void note_gsl_error(const char *reason, const char *file, int line, int status)
{
    const char *function = guard_function();
    if (!function) {
        cmd_gsl_error(reason, file, line, status);
        return;
    }
    if (!raised.n++)
        snprintf(raised.text, sizeof raised.text, "%s raised a GSL error, %.60s: %.120s (%.60s:%d)",
                 function, gsl_strerror(status), reason, file, line);
}

static const char *note(void *arg)
{
    (void)arg;
    if (!raised.n)
        return NULL;
    if (raised.n == 1)
        snprintf(raised.note, sizeof raised.note, "%s", raised.text);
    else
        snprintf(raised.note, sizeof raised.note, "%s, and %lu more", raised.text, raised.n - 1);
    raised.n = 0;
    return raised.note;
}

typedef struct plugin {
    const cmd *o;
    callback_input *in;
    char path[4096];
} plugin;

static const gpf_diag *never_failed(void *arg)
{
    (void)arg;
    return NULL;
}

static void fail(const gpf_diag *why)
{
    guard_put(NULL, &(callback_result){ GPF_OUTCOME_TROUBLE, why, NULL, 0 });
}

/* A symbol's address; *size is 0 where the system does not tell it, *is_function likewise. */
static void *look_up(void *library, const char *name, size_t *size, int *is_function)
{
    void *address = dlsym(library, name);
    *size = 0;
    *is_function = 0;
#ifdef __GLIBC__
    Dl_info info;
    const ElfW(Sym) *sym = NULL;
    if (address && dladdr1(address, &info, (void **)&sym, RTLD_DL_SYMENT) && sym &&
        info.dli_saddr == address) {
        *size = sym->st_size;
        *is_function = (sym->st_info & 15) == STT_FUNC;
    }
#endif
    return address;
}

/* What the library says by SYMBOL_kind, an array or a pointer; NULL: nothing. */
static const char *kind_of(void *library, const char *symbol)
{
    char name[300];
    size_t size;
    int is_function;
    snprintf(name, sizeof name, "%.250s_kind", symbol);
    const void *said = look_up(library, name, &size, &is_function);
    const char *text = said;
    if (said && size == sizeof text) /* no kind's name has seven letters */
        memcpy(&text, said, sizeof text);
    return is_function ? NULL : text;
}

static void list_kinds(char *buf, size_t size, size_t only)
{
    size_t used = 0, n = 0;
    *buf = '\0';
    for (int i = 0; i < N_ROWS && used < size; i++)
        if (!only || rows[i].size == only)
            used +=
                (size_t)snprintf(buf + used, size - used, "%s%s", n++ ? ", " : "", rows[i].kind);
}

/* The row of the kind and the exported structure, or why not. */
static const row *find(const plugin *p, void *library, void **structure, gpf_diag *why)
{
    const cmd *o = p->o;
    char list[200];
    size_t size;
    int is_function;
    *structure = look_up(library, o->symbol, &size, &is_function);
    if (!*structure) {
        callback_diag(why, GPF_ENAME,
                      "%.200s exports no %.100s; 'nm -D' lists what it does: static and hidden "
                      "symbols are not, and C++ needs extern \"C\"",
                      p->path, o->symbol);
        return NULL;
    }
    const char *name = o->kind ? o->kind : kind_of(library, o->symbol), *asked = name;
    if (!name)
        name = "multimin";
    const row *r = NULL;
    for (int i = 0; i < N_ROWS; i++)
        if (!strcmp(rows[i].kind, name))
            r = &rows[i];
    if (!r || !gpf_fdf_kind_find(name)) {
        list_kinds(list, sizeof list, 0);
        callback_diag(why, GPF_ENAME, "%s%.60s: there is no kind '%.60s', but %s",
                      o->kind ? "--kind" : o->symbol, o->kind ? "" : "_kind", name, list);
        return NULL;
    }
    const char *type = gpf_fdf_kind_structure(gpf_fdf_kind_find(name));
    if (is_function) {
        callback_diag(why, GPF_ENAME,
                      "%.100s is a function; what is needed is a %s that is filled in", o->symbol,
                      type);
    } else if (size == sizeof(void *)) {
        callback_diag(why, GPF_ENAME, "%.100s is a pointer; what is needed is the %s itself",
                      o->symbol, type);
    } else if (size && size != r->size) {
        list_kinds(list, sizeof list, size);
        callback_diag(why, GPF_ENAME, "%.100s has %zu bytes, a %s %zu%s%s%s%s", o->symbol, size,
                      type, r->size, *list ? "; that is the size of --kind " : "", list,
                      asked ? "" : "; without --kind or an exported ", asked ? "" : o->symbol);
        if (!asked) {
            const size_t used = strlen(why->text);
            snprintf(why->text + used, sizeof why->text - used, "_kind it is taken for %s", name);
        }
    } else {
        return r;
    }
    return NULL;
}

static void run(void *arg)
{
    plugin *p = arg;
    gpf_diag why;
    void *structure;
    gsl_set_error_handler(note_gsl_error);
    guard_enter("loading it", NULL, 0, 1, NULL);
    void *library = dlopen(p->path, RTLD_NOW | RTLD_LOCAL);
    guard_leave();
    if (!library) {
        const char *text = dlerror();
        callback_diag(&why, GPF_EFILE, "%.480s", text ? text : p->path);
        fail(&why);
        return;
    }
    const row *r = find(p, library, &structure, &why);
    if (!r) {
        fail(&why);
        return;
    }
    any s;
    memset(&s, 0, sizeof s);
    memcpy(&s, structure, r->size);
    r->wrap(&s, structure);
    const callback c = { .o = p->o,
                         .name = p->o->symbol,
                         .kind = gpf_fdf_kind_find(r->kind),
                         .structure = &s,
                         .stop = guard_stop,
                         .failed = never_failed,
                         .note = note,
                         .put = guard_put };
    guard_expect(callback_input_points(p->in, gpf_fdf_kind_variables(c.kind, c.structure)));
    callback_run(&c, p->in);
}

int plugin_check(const cmd *o, callback_input *in)
{
    plugin p = { .o = o, .in = in };
    callback_output out = { .o = o };
    /* dlopen looks for a name without a slash where libraries are installed. */
    snprintf(p.path, sizeof p.path, "%s%s",
             !strchr(o->plugin, '/') && !access(o->plugin, F_OK) ? "./" : "", o->plugin);
    return guard_run(&(guard){ o, p.path, o->symbol, run, &p }, &out);
}
