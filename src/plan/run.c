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

static double *pointer_to(const gpf_workspace *ws, gpf__operand x)
{
    switch (x.place) {
    case GPF__MEMORY:
        return ws->t[x.at].data;
    case GPF__OUTPUT:
        return ws->block + ws->plan->output[x.at].offset;
    case GPF__BUFFER:
        return ws->buffers + x.at;
    case GPF__FILL:
        return ws->fills + ws->plan->fill[x.at].offset;
    default:
        return NULL;
    }
}

/* Points instruction i to its operands. */
static void point(gpf_workspace *ws, int i)
{
    const gpf__code *code = &ws->plan->code[i];
    gpf__ins *ins = &ws->ins[i];
    ins->y = pointer_to(ws, code->y);
    for (int k = 0; k < 3; k++)
        ins->x[k] = pointer_to(ws, code->x[k]);
}

static void run_strips(const gpf_plan *p, const gpf_workspace *ws, const gpf__code *head)
{
    const gpf__group *g = &p->group[head->of];
    const gpf__code *const end = head + 1 + head->n;
    for (size_t at = 0; at < g->size; at += g->strip) {
        const size_t n = g->size - at < g->strip ? g->size - at : g->strip;
        const gpf__ins *ins = &ws->ins[head + 1 - p->code];
        for (const gpf__code *code = head + 1; code < end; code++, ins++) {
            if (code->kind == GPF__READ) {
                const gpf__walk *w = &p->walk[code->of];
                if (at == 0 || w->n > 1 || w->stride[0] != 0)
                    gpf__walk_read(ins->y, ins->x[0], w, at, n);
                continue;
            }
            const double *x[3];
            for (int k = 0; k < 3; k++)
                x[k] = code->x[k].place == GPF__MEMORY ? ins->x[k] + at : ins->x[k];
            ins->map(n, code->y.place == GPF__MEMORY ? ins->y + at : ins->y, x, ins->with.attr);
        }
    }
}

/* What is neither one map nor one whole step; the last instruction that was run. */
static const gpf__ins *run_other(const gpf_plan *p, const gpf_workspace *ws, const gpf__ins *ins)
{
    const gpf__code *code = ins->with.code;
    if (code->kind == GPF__READ) {
        gpf__walk_read(ins->y, ins->x[0], &p->walk[code->of], 0, ins->n);
    } else if (code->kind == GPF__PACK) {
        gpf__step_run(p, &p->step[code->of], ws->t, &ws->frame);
    } else {
        run_strips(p, ws, code);
        ins += code->n;
    }
    return ins;
}

static void run_code(const gpf_plan *p, const gpf_workspace *ws, int from, int to)
{
    const gpf__ins *const end = ws->ins + to;
    for (const gpf__ins *ins = ws->ins + from; ins < end; ins++)
        if (ins->map)
            ins->map(ins->n, ins->y, ins->x, ins->with.attr);
        else if (ins->eval)
            ins->eval(ins->with.call);
        else
            ins = run_other(p, ws, ins);
}

static void set_up_ins(gpf_workspace *ws, int i)
{
    const gpf_plan *p = ws->plan;
    const gpf__code *code = &p->code[i];
    gpf__ins *ins = &ws->ins[i];
    ins->n = code->n;
    if (code->kind == GPF__MAP) {
        ins->map = p->step[code->of].op->map;
        ins->with.attr = &p->step[code->of].attr;
    } else if (code->kind == GPF__WHOLE) {
        ins->eval = p->step[code->of].op->eval;
        ins->with.call = &ws->call[code->of];
    } else {
        ins->with.code = code;
    }
    point(ws, i);
}

/* What a point has no say in: slots, constants, instructions, calls. */
static void set_up(gpf_workspace *ws)
{
    const gpf_plan *p = ws->plan;
    for (int v = 0; v < p->n_value; v++) {
        const gpf__value *value = &p->value[v];
        ws->t[v] = value->t;
        if (value->source == GPF__SLOT)
            ws->t[v].data = ws->block + value->offset;
        else if (value->source == GPF__CONST)
            ws->t[v].data = p->consts + value->offset;
        else if (value->source == GPF__VIEW && ws->t[value->of].data)
            ws->t[v].data = ws->t[value->of].data + value->offset;
    }
    for (int i = 0; i < p->n_fill; i++)
        for (size_t j = 0; j < p->fill[i].size; j++)
            ws->fills[p->fill[i].offset + j] = p->fill[i].value;
    for (int i = 0; i < p->n_step; i++) {
        const gpf__step *s = &p->step[i];
        for (int k = 0; k < s->n_in; k++)
            ws->x[s->first_in + k] = &ws->t[p->in[s->first_in + k]];
        ws->call[i] = (gpf_call){ &ws->t[s->value], ws->x + s->first_in, s->n_in, &s->attr, p->N,
                                  ws->frame.scratch };
    }
    for (int i = 0; i < p->n_code; i++)
        set_up_ins(ws, i);
    run_code(p, ws, 0, p->n_once_code);
}

gpf_workspace *gpf__workspace_make(const gpf_plan *p)
{
    const size_t sizes[] = { sizeof(gpf_workspace),
                             p->block * sizeof(double),
                             p->buffers * sizeof(double),
                             p->fills * sizeof(double),
                             gpf__frame_size(p),
                             (size_t)p->n_value * sizeof(gpf_tensor),
                             (size_t)p->n_code * sizeof(gpf__ins),
                             (size_t)p->n_step * sizeof(gpf_call),
                             (size_t)p->n_in * sizeof(gpf_tensor *) };
    enum { N_PIECES = sizeof sizes / sizeof *sizes };
    char *piece[N_PIECES], *memory = NULL;
    size_t total = 0;
    for (int i = 0; i < N_PIECES; i++)
        total += (sizes[i] + 63) & ~(size_t)63;
    memory = gpf__aligned_alloc(total);
    if (!memory)
        return NULL;
    for (int i = 0; i < N_PIECES; i++) {
        piece[i] = memory;
        memory += (sizes[i] + 63) & ~(size_t)63;
    }
    gpf_workspace *ws = (gpf_workspace *)(void *)piece[0];
    ws->plan = p;
    ws->block = (double *)(void *)piece[1];
    ws->buffers = (double *)(void *)piece[2];
    ws->fills = (double *)(void *)piece[3];
    gpf__frame_init(&ws->frame, p, piece[4]);
    ws->t = (gpf_tensor *)(void *)piece[5];
    ws->ins = (gpf__ins *)(void *)piece[6];
    ws->call = (gpf_call *)(void *)piece[7];
    ws->x = (const gpf_tensor **)(void *)piece[8];
    set_up(ws);
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

/* Does everything point to this point's memory already? */
static bool is_bound(const gpf_workspace *ws, const gpf_point *at)
{
    const gpf_plan *p = ws->plan;
    if (!ws->bound || (at->theta ? at->theta->data : NULL) != ws->theta)
        return false;
    for (int i = 0; i < p->n_leaves; i++) {
        const int v = p->outside[i];
        if (ws->t[v].data != at->data[p->value[v].offset])
            return false;
    }
    return true;
}

static int bind(gpf_workspace *ws, const gpf_point *at)
{
    const gpf_plan *p = ws->plan;
    ws->bound = false;
    for (int i = 0; i < p->n_outside; i++) {
        const gpf__value *v = &p->value[p->outside[i]];
        /* Tensors are read-only but for slots, which lie elsewhere. */
        union {
            const double *read;
            double *write;
        } base = { .write = NULL };
        if (v->source == GPF__DATA)
            base.read = at->data[v->offset];
        else if (v->source == GPF__PARAM)
            base.read = at->theta->data + v->offset;
        else
            base.read = ws->t[v->of].data + v->offset;
        if (!base.read)
            return GPF_EUNBOUND;
        ws->t[p->outside[i]].data = base.write;
    }
    for (int i = 0; i < p->n_rebind; i++)
        point(ws, p->rebind[i]);
    ws->theta = at->theta ? at->theta->data : NULL;
    ws->bound = true;
    return GSL_SUCCESS;
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
        gpf__layout_copy(&to, &ws->t[o->value]);
    }
}

int gpf_plan_run(const gpf_plan *p, gpf_workspace *ws, const gpf_point *at)
{
    if (ws->plan != p)
        GSL_ERROR("workspace belongs to another plan", GSL_EINVAL);
    ws->ran = false;
    if (at->n_params < p->n_params || at->n_data < p->n_data)
        return GPF_EUNBOUND; /* the point is older than these leaves */
    if (at->N != p->N)
        GSL_ERROR("point and plan have different batch sizes", GSL_EBADLEN);
    if (!is_bound(ws, at)) {
        const int status = bind(ws, at);
        if (status)
            return status;
    }
    run_code(p, ws, p->n_once_code, p->n_code);
    ws->ran = true;
    return GSL_SUCCESS;
}

const double *gpf_workspace_output(const gpf_workspace *ws, size_t i)
{
    return ws->ran && i < ws->plan->n_output ? ws->block + ws->plan->output[i].offset : NULL;
}
