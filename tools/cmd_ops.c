/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gradproof ops: the registry. */
#include "cmd.h"
#include <string.h>

/* "all", "mean", "0.01": a parameter's default as a model would write it; "" if it has none. */
static void default_text(const gpf_op_param *p, char *buf, size_t size)
{
    static const char *const reductions[] = {
        [GPF_MEAN] = "mean", [GPF_SUM] = "sum", [GPF_HALF_SUM] = "half_sum"
    };
    buf[0] = '\0';
    if (p->kind == GPF_REDUCTION)
        snprintf(buf, size, "%s", reductions[(int)p->value]);
    else if (p->kind == GPF_AXES && p->value < 0)
        snprintf(buf, size, "all");
    else if (p->kind != GPF_SHAPE && p->kind != GPF_RANGE)
        snprintf(buf, size, "%.6g", p->value);
}

/* "leaky_relu(x, slope=0.01)" */
static void call_text(const char *name, int arity, const gpf_op_param *p, char *buf, size_t size)
{
    static const char *const inputs[] = { "", "x", "a, b", "a, b, c" };
    const char *sep = arity ? ", " : "";
    size_t used = (size_t)snprintf(buf, size, "%s(%s", name,
                                   arity == GPF_VARIADIC ? "x, ..." : inputs[arity]);
    for (; p && p->name && used < size; p++, sep = ", ") {
        char value[32];
        default_text(p, value, sizeof value);
        used += (size_t)snprintf(buf + used, size - used, "%s%s%s%s", sep, p->name,
                                 *value ? "=" : "", value);
    }
    if (used < size)
        snprintf(buf + used, size - used, ")");
}

static json_t *row_json(const char *name, int arity, const char *formula, const char *latex,
                        const gpf_op_param *p)
{
    json_t *o = json_object(), *params = json_array();
    int bad = json_object_set_new(o, "name", json_string(name));
    bad |= json_object_set_new(o, "arity", arity < 0 ? json_null() : json_integer(arity));
    bad |= json_object_set_new(o, "formula", json_string(formula ? formula : ""));
    bad |= json_object_set_new(o, "latex", json_string(latex ? latex : ""));
    for (; p && p->name; p++) {
        char value[32];
        default_text(p, value, sizeof value);
        bad |= json_array_append_new(params,
                                     json_pack("{s:s, s:s}", "name", p->name, "default", value));
    }
    bad |= json_object_set_new(o, "params", params);
    return cmd_json_built(o, bad);
}

static int print_json(const cmd *o)
{
    json_t *all = json_object(), *ops = json_array(), *fns = json_array();
    int bad = 0;
    const gpf_op *op;
    const gpf_fn *fn;
    for (size_t i = 0; (op = gpf_op_at(i)); i++) {
        json_t *row = row_json(op->name, op->arity, op->formula, op->latex, op->params);
        if (row)
            bad |= json_object_set_new(row, "tie", op->tie ? json_string(op->tie) : json_null());
        bad |= json_array_append_new(ops, row);
    }
    for (size_t i = 0; (fn = gpf_fn_at(i)); i++)
        bad |= json_array_append_new(
            fns, row_json(fn->name, fn->arity, fn->formula, fn->latex, fn->params));
    bad |= json_object_set_new(all, "ops", ops);
    bad |= json_object_set_new(all, "functions", fns);
    return cmd_put_json(o, cmd_json_built(all, bad));
}

int cmd_ops(const cmd *o)
{
    if (o->json)
        return print_json(o);
    const gpf_op *op;
    const gpf_fn *fn;
    char call[128];
    printf("%-32s %-44s %s\n", "op", "formula", "derivative at a tie");
    for (size_t i = 0; (op = gpf_op_at(i)); i++) {
        call_text(op->name, op->arity, op->params, call, sizeof call);
        printf(op->tie ? "%-32s %-44s %s\n" : "%-32s %s\n", call, op->formula, op->tie);
    }
    printf("\nfunctions composed of ops\n");
    for (size_t i = 0; (fn = gpf_fn_at(i)); i++) {
        call_text(fn->name, fn->arity, fn->params, call, sizeof call);
        printf("%-32s %s\n", call, fn->formula);
    }
    return GPF_OUTCOME_RIGHT;
}
