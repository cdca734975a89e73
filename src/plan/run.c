/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Running a plan. Nothing here allocates once a workspace exists. */
#include "plan/plan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *gpf__aligned_alloc(size_t bytes)
{
    enum { LINE = 64 };
    if (bytes > SIZE_MAX - LINE)
        return NULL;
    bytes = (bytes + LINE - 1) / LINE * LINE;
    void *p = aligned_alloc(LINE, bytes ? bytes : LINE);
    return p ? memset(p, 0, bytes) : NULL;
}

size_t gpf__frame_size(const gpf_plan *p)
{
    return p->scratch * sizeof(double) +
           (size_t)p->max_in * (sizeof(gpf_tensor) + sizeof(gpf_tensor *));
}

void gpf__frame_init(gpf__frame *f, const gpf_plan *p, void *memory)
{
    f->scratch = memory;
    f->packed = (gpf_tensor *)(void *)(f->scratch + p->scratch);
    f->x = (const gpf_tensor **)(void *)(f->packed + p->max_in);
}

/* Elements at .. at+n-1 of x in row-major order. */
static void gather(double *to, const gpf_tensor *x, size_t at, size_t n)
{
    size_t i[GPF_MAX_RANK];
    for (int a = GPF_MAX_RANK; a-- > 0;) {
        i[a] = at % x->dim[a];
        at /= x->dim[a];
    }
    const double *from = x->data;
    for (int a = 0; a < GPF_MAX_RANK; a++)
        from += (ptrdiff_t)i[a] * x->stride[a];
    const int last = x->rank ? x->rank - 1 : 0;
    const ptrdiff_t s = x->stride[last];
    while (n > 0) {
        const size_t left = x->dim[last] - i[last], m = n < left ? n : left;
        for (size_t j = 0; j < m; j++)
            to[j] = from[(ptrdiff_t)j * s];
        to += m;
        n -= m;
        from -= (ptrdiff_t)i[last] * s;
        i[last] = 0;
        for (int a = last; a-- > 0;) { /* next row, as an odometer */
            from += x->stride[a];
            if (++i[a] < x->dim[a])
                break;
            from -= (ptrdiff_t)i[a] * x->stride[a];
            i[a] = 0;
        }
    }
}

/* Contiguous strips of an elementwise step's inputs: in place where they are dense, gathered
 * where they are not. Unused entries are NULL. */
static void strips(const gpf__step *s, const gpf_tensor *const *x, double *buffer, size_t at,
                   size_t n, const double *strip[3])
{
    strip[0] = strip[1] = strip[2] = NULL;
    for (int i = 0; i < s->n_in; i++)
        if (gpf__tensor_is_dense(x[i])) {
            strip[i] = x[i]->data + at;
        } else {
            strip[i] = buffer + i * GPF__STRIP;
            gather(buffer + i * GPF__STRIP, x[i], at, n);
        }
}

static bool all_dense(const gpf__step *s, const gpf_tensor *const *x)
{
    for (int i = 0; i < s->n_in; i++)
        if (!gpf__tensor_is_dense(x[i]))
            return false;
    return true;
}

/* Fills in the frame's input pointers, packing what the op wants dense; the op's own scratch. */
static double *inputs(const gpf_plan *p, const gpf__step *s, const gpf_tensor *t,
                      const gpf__frame *f)
{
    double *scratch = f->scratch;
    for (int i = 0; i < s->n_in; i++) {
        f->x[i] = &t[p->in[s->first_in + i]];
        if (s->op && s->op->flags & GPF_OP_DENSE && !gpf__tensor_is_dense(f->x[i])) {
            f->packed[i] = *f->x[i];
            f->packed[i].data = scratch;
            gpf__tensor_dense(&f->packed[i]);
            gpf__tensor_copy(&f->packed[i], f->x[i]);
            scratch += gpf__tensor_size(&f->packed[i]);
            f->x[i] = &f->packed[i];
        }
    }
    return scratch;
}

void gpf__step_run(const gpf_plan *p, const gpf__step *s, const gpf_tensor *t, const gpf__frame *f)
{
    const gpf_tensor *y = &t[s->value];
    double *scratch = inputs(p, s, t, f);
    if (!s->op) {
        gpf__tensor_copy(y, f->x[0]);
    } else if (!s->op->map) {
        const gpf_call call = { y, f->x, s->n_in, &s->attr, p->N, scratch };
        s->op->eval(&call);
    } else {
        const size_t n = gpf__tensor_size(y), step = all_dense(s, f->x) ? n : (size_t)GPF__STRIP;
        for (size_t at = 0; at < n; at += step) {
            const double *strip[3];
            const size_t m = n - at < step ? n - at : step;
            strips(s, f->x, scratch, at, m, strip);
            s->op->map(m, y->data + at, strip, &s->attr);
        }
    }
}

void gpf__step_sides(const gpf_plan *p, const gpf__step *s, const gpf_tensor *t,
                     const gpf__frame *f, int *side, double *margin)
{
    const gpf_tensor *y = &t[s->value];
    double *scratch = inputs(p, s, t, f);
    if (s->op->branch) {
        const gpf_call call = { y, f->x, s->n_in, &s->attr, p->N, scratch };
        s->op->branch(&call, side, margin);
        return;
    }
    const size_t n = gpf__tensor_size(y);
    for (size_t at = 0; at < n; at += GPF__STRIP) {
        const double *strip[3];
        const size_t m = n - at < GPF__STRIP ? n - at : GPF__STRIP;
        strips(s, f->x, scratch, at, m, strip);
        s->op->side(m, side + at, margin + at, strip, &s->attr);
    }
}

int gpf__plan_bind(const gpf_plan *p, const gpf_point *at, gpf_tensor *t, double *block)
{
    if (at->n_params < p->n_params || at->n_data < p->n_data)
        return GPF_EUNBOUND; /* the point is older than these leaves */
    if (at->N != p->N)
        GSL_ERROR("point and plan have different batch sizes", GSL_EBADLEN);
    for (int i = 0; i < p->n_value; i++) {
        const gpf__value *v = &p->value[i];
        /* The tensors are read-only but for slots, which the block makes writable. */
        union {
            const double *read;
            double *write;
        } base = { .write = block };
        if (v->source == GPF__DATA)
            base.read = at->data[v->offset];
        else if (v->source == GPF__PARAM)
            base.read = at->theta->data;
        else if (v->source == GPF__CONST)
            base.read = p->consts;
        else if (v->source == GPF__VIEW)
            base.write = t[v->of].data;
        if (!base.read)
            return GPF_EUNBOUND;
        t[i].data = base.write + (v->source == GPF__DATA ? 0 : v->offset);
    }
    return GSL_SUCCESS;
}

gpf_workspace *gpf__workspace_make(const gpf_plan *p)
{
    const size_t head = (sizeof(gpf_workspace) + 63) & ~(size_t)63,
                 tensors = (size_t)p->n_value * sizeof(gpf_tensor),
                 block = p->block * sizeof(double);
    gpf_workspace *ws = gpf__aligned_alloc(head + block + gpf__frame_size(p) + tensors);
    if (!ws)
        return NULL;
    char *memory = (char *)ws + head;
    ws->plan = p;
    ws->block = (double *)(void *)memory;
    gpf__frame_init(&ws->frame, p, memory + block);
    ws->t = (gpf_tensor *)(void *)(memory + block + gpf__frame_size(p));
    for (int i = 0; i < p->n_value; i++)
        ws->t[i] = p->value[i].t;
    return ws;
}

gpf_workspace *gpf_workspace_alloc(const gpf_plan *p)
{
    gpf_workspace *ws = gpf__workspace_make(p);
    if (!ws)
        GSL_ERROR_NULL("no memory for a workspace", GSL_ENOMEM);
    return ws;
}

void gpf_workspace_free(gpf_workspace *ws)
{
    free(ws);
}

void gpf__plan_collect(const gpf_plan *p, gpf_workspace *ws)
{
    for (size_t i = 0; i < p->n_output; i++) {
        const gpf__output *o = &p->output[i];
        if (!o->copy)
            continue;
        gpf_tensor to = p->value[o->value].t;
        to.data = ws->block + o->offset;
        gpf__tensor_dense(&to);
        gpf__tensor_copy(&to, &ws->t[o->value]);
    }
}

int gpf_plan_run(const gpf_plan *p, gpf_workspace *ws, const gpf_point *at)
{
    if (ws->plan != p)
        GSL_ERROR("workspace belongs to another plan", GSL_EINVAL);
    ws->ran = false;
    const int status = gpf__plan_bind(p, at, ws->t, ws->block);
    if (status)
        return status;
    for (int s = 0; s < p->n_step; s++)
        gpf__step_run(p, &p->step[s], ws->t, &ws->frame);
    gpf__plan_collect(p, ws);
    ws->ran = true;
    return GSL_SUCCESS;
}

const double *gpf_workspace_output(const gpf_workspace *ws, size_t i)
{
    return ws->ran && i < ws->plan->n_output ? ws->block + ws->plan->output[i].offset : NULL;
}
