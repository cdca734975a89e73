/* gradproof: tells you whether a gradient is right and, when it is not, why.
 *
 * The headers in reading order; each is the manual of its stage.
 *
 *   model text -> graph -> gradient graph -> plan -> values -> check -> report
 *                                                           -> train
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef GRADPROOF_H
#define GRADPROOF_H

#include <gradproof/status.h>
#include <gradproof/graph.h>
#include <gradproof/op.h>
#include <gradproof/grad.h>
#include <gradproof/plan.h>
#include <gradproof/check.h>
#include <gradproof/gsl.h>
#include <gradproof/train.h>
#include <gradproof/model.h>
#include <gradproof/report.h>
#include <gradproof/require.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GPF_VERSION "0.1.0"

/* Version of the library at run time. Static storage. */
GPF_API const char *gpf_version(void);

/* Path of the shared object whose cblas_dgemm is really bound, as the dynamic linker sees it, in
 * buf; "unknown" where that cannot be told. Returns buf. */
GPF_API char *gpf_cblas_provider(char *buf, size_t size);

/* The CPU the library's own kernels are chosen for in this process: "any", "avx2" or "avx512". The
 * environment variable GRADPROOF_CPU can name a lesser one. Static storage. */
GPF_API const char *gpf_cpu(void);

#ifdef __cplusplus
}
#endif
#endif
