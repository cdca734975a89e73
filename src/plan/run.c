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

static void run_whole(const gpf_plan *p, const gpf_workspace *ws, int group)
{
    const gpf__group *g = &p->group[group];
    const gpf__step *s = &p->step[g->first];
    if (g->direct && s->op)
        s->op->eval(&ws->call[group]);
    else
        gpf__step_run(p, s, ws->t, &ws->frame);
}

static void run_strips(const gpf_plan *p, const gpf_workspace *ws, const gpf__group *g)
{
    for (size_t at = 0; at < g->size; at += g->strip) {
        const size_t n = g->size - at < g->strip ? g->size - at : g->strip;
        for (int i = g->code; i < g->code + g->n_code; i++) {
            const gpf__ins *ins = &ws->ins[i];
            const gpf__code *code = &p->code[i];
            if (!ins->map) {
                if (at == 0 || ins->walk->n > 1 || ins->walk->stride[0] != 0)
                    gpf__walk_read(ins->y, ins->x[0], ins->walk, at, n);
                continue;
            }
            const double *x[3];
            for (int k = 0; k < 3; k++)
                x[k] = code->x[k].place == GPF__MEMORY ? ins->x[k] + at : ins->x[k];
            ins->map(n, code->y.place == GPF__MEMORY ? ins->y + at : ins->y, x, ins->attr);
        }
    }
}

static void run_group(const gpf_plan *p, const gpf_workspace *ws, int group)
{
    const gpf__group *g = &p->group[group];
    if (g->n_code == 0) {
        run_whole(p, ws, group);
    } else if (g->size > g->strip) {
        run_strips(p, ws, g);
    } else {
        const gpf__ins *end = ws->ins + g->code + g->n_code;
        for (const gpf__ins *ins = ws->ins + g->code; ins < end; ins++)
            if (ins->map)
                ins->map(ins->n, ins->y, ins->x, ins->attr);
            else
                gpf__walk_read(ins->y, ins->x[0], ins->walk, 0, ins->n);
    }
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
    for (int k = 0; k < p->n_group; k++) {
        const gpf__step *s = &p->step[p->group[k].first];
        for (int i = 0; i < s->n_in; i++)
            ws->x[s->first_in + i] = &ws->t[p->in[s->first_in + i]];
        ws->call[k] = (gpf_call){ &ws->t[s->value], ws->x + s->first_in, s->n_in, &s->attr, p->N,
                                  ws->frame.scratch };
        for (int i = p->group[k].code; i < p->group[k].code + p->group[k].n_code; i++) {
            const gpf__code *code = &p->code[i];
            const gpf__step *of = code->step < 0 ? NULL : &p->step[code->step];
            ws->ins[i] = (gpf__ins){ .map = of ? of->op->map : NULL,
                                     .n = p->group[k].strip,
                                     .attr = of ? &of->attr : NULL,
                                     .walk = of ? NULL : &p->walk[code->walk] };
            point(ws, i);
        }
    }
    for (int k = 0; k < p->n_once; k++)
        run_group(p, ws, k);
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
                             (size_t)p->n_group * sizeof(gpf_call),
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
    for (int i = 0; i < p->n_outside; i++) {
        const gpf__value *v = &p->value[p->outside[i]];
        if (v->source == GPF__DATA && ws->t[p->outside[i]].data != at->data[v->offset])
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
    for (int k = p->n_once; k < p->n_group; k++)
        run_group(p, ws, k);
    gpf__plan_collect(p, ws);
    ws->ran = true;
    return GSL_SUCCESS;
}

const double *gpf_workspace_output(const gpf_workspace *ws, size_t i)
{
    return ws->ran && i < ws->plan->n_output ? ws->block + ws->plan->output[i].offset : NULL;
}
