/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gradproof health: can this net learn? */
#include "cmd.h"
#include <math.h>
#include <string.h>

/* The length of a step follows from the rate alone where the step is a multiple of the gradient. */
static double rate_of(const cmd *o, const gpf_model *m)
{
    const gpf_train_options *how = gpf_model_train_options(m);
    if (o->rate_given)
        return o->rate;
    return strcmp(how->optimizer, "sgd") ? NAN : how->rate;
}

static int examine(const cmd *o, gpf_model *m)
{
    gpf_node loss = GPF_NONE;
    const char *name = "";
    gpf_diag why = { 0 };
    int status = cmd_output(o, m, &loss, &name);
    if (status)
        return status;
    if (loss == GPF_NONE)
        return cmd_failf(o, GPF_ENOTHING, "%s: the model has no output; --of names one",
                         o->args[0]);
    const gpf_task task = gpf_model_task(m);
    const gpf_point *at = gpf_model_point(m);
    gpf_health *h =
        gpf_health_alloc(gpf_model_graph(m), loss, gpf_point_batch(at),
                         loss == gpf_model_output(m) ? &task : NULL, rate_of(o, m), &why);
    status = h ? gpf_health_run(h, at) : why.status ? why.status : GSL_ENOMEM;
    if (status) {
        gpf_health_free(h);
        return cmd_fail_status(o, status, &why);
    }
    gpf_report_options report = gpf_report_defaults();
    report.quiet = o->quiet;
    report.color = cmd_use_color(o);
    report.model = strcmp(o->args[0], "-") ? o->args[0] : "standard input";
    report.output = name;
    report.model_seed = gpf_model_seed(m);
    status = (o->json ? gpf_report_health_json : gpf_report_health_text)(stdout, h, &report);
    const int found = gpf_health_n_findings(h) > 0;
    gpf_health_free(h);
    if (status && status != GSL_EFAILED) /* main tells of write errors */
        return cmd_fail_status(o, status, NULL);
    return found;
}

int cmd_health(const cmd *o)
{
    gpf_model *m = cmd_model(o);
    const int status = m ? examine(o, m) : GPF_OUTCOME_TROUBLE;
    gpf_model_free(m);
    return status;
}
