/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the text and the JSON report say alike. */
#ifndef GPF_REPORT_REPORT_H
#define GPF_REPORT_REPORT_H

#include <gradproof/report.h>

/* "[0,2]" for element k of a tensor, "" for a scalar's, "[#k]" where the shape has an N that is
 * not its first size, so that only the row-major index is known. Returns buf. */
char *gpf__report_index(gpf_shape s, size_t k, char *buf, size_t size);

/* The index along the batch axis of an element, or -1 if the first axis is not N. */
ptrdiff_t gpf__report_sample(gpf_shape s, size_t k);

/* The op of a node applied to its inputs: "relu(z1)"; "relu h1" where h1 has a name that says more
 * than its inputs. Returns buf. */
char *gpf__report_call(const gpf_graph *g, gpf_node n, char *buf, size_t size);

/* Why the verdict of an element was given, "" if there is no more to say; y is the value of the
 * output, analytic the name of what is under test. Returns buf or static text. */
const char *gpf__report_reason(const gpf_element *e, double y, const char *analytic, char *buf,
                               size_t size);
/* That name: the caller's, else "backprop". */
const char *gpf__report_analytic(const gpf_report_options *how);

/* The output's name: the caller's, else its label. Returns that or buf. */
const char *gpf__report_output(const gpf_check *c, const gpf_report_options *how, char *buf,
                               size_t size);

/* What an op calls a side: one of its pieces, or "the tie" for odd sides. Returns buf. */
char *gpf__report_side(const gpf_op *op, int side, char *buf, size_t size);

#endif
