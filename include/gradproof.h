/* gradproof: tells you whether a gradient is right and, when it is not, why.
 *
 * The headers in reading order; each is the manual of its stage.
 *
 *   model text -> graph -> gradient graph -> plan -> values
 *
 *   values -> check -> report        is the gradient right and, if not, why
 *   values -> train -> report        fit; say why it does not learn
 *   values -> gsl                    the graph as a callback of GSL's
 *   your callback -> gsl -> report   the check, of anybody's derivatives
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

/* The version of these headers. GPF_VERSION_NUMBER is for comparing:
 *     #if GPF_VERSION_NUMBER >= 1002000   1.2.0 or later
 * is the same as gpf_version_number() >= 1002000 at run time, of the library that is really
 * there. */
#define GPF_VERSION_MAJOR 0
#define GPF_VERSION_MINOR 1
#define GPF_VERSION_PATCH 0
#define GPF_VERSION_NUMBER \
    (GPF_VERSION_MAJOR * 1000000 + GPF_VERSION_MINOR * 1000 + GPF_VERSION_PATCH)
#define GPF__QUOTE(text) #text
#define GPF__DOTTED(a, b, c) GPF__QUOTE(a) "." GPF__QUOTE(b) "." GPF__QUOTE(c)
#define GPF_VERSION GPF__DOTTED(GPF_VERSION_MAJOR, GPF_VERSION_MINOR, GPF_VERSION_PATCH)

/* Version of the library at run time: GPF_VERSION and GPF_VERSION_NUMBER as it was built with.
 * Static storage. A program built with older headers of the same soname may find a later library
 * here. */
GPF_API const char *gpf_version(void);
GPF_API int gpf_version_number(void);

/* What stays: the ABI.
 *
 * A program that was built against one libgradproof.so.N goes on working, without being built
 * again, with every later library of the same N. Within a soname
 *
 *   functions   may be added; none is taken away, and none changes its parameters or its result
 *   enums       no constant changes its value, and none is added to an enum that sizes an array in
 *               a struct (GPF_N_VERDICTS). Other enums may grow at their end, so a switch over one
 *               needs a default; the count behind the last (GPF_N_EXPLANATIONS, GPF_N_FINDINGS) is
 *               that of the headers, not of the library
 *   structs     neither size nor layout changes, whoever allocates them. Those with _alloc and
 *               _free are opaque: programs know their pointers only, they may change at will
 *   tables      rows of ops, optimisers, settings, .. may be added: in any order, so find them by
 *               name. What a row of yours leaves zero (gpf_op) keeps meaning what it means
 *   texts       of diagnostics, explanations and reports may change; names that are said to be
 *               stable, and the schemas of the JSON, may not
 *
 * Anything else is a new soname: the libtool -version-info in Makefile.am, of which tests/abi.sh,
 * with a record of every exported function, struct and enum, sees to it that it is not forgotten.
 * Names that begin with gpf__ or GPF__ are nobody's but the library's.
 *
 * Options are structs you allocate: begin with their function of defaults (gpf_check_defaults,
 * gpf_fdf_defaults, gpf_train_defaults, gpf_train_plain, gpf_report_defaults), or with = { 0 }
 * where there is none (gpf_op_options, gpf_model_options), and set fields by name. So your source
 * goes on compiling, and meaning the same, when a new soname has new fields. */

/* Path of the object whose cblas_dgemm is really bound, as the dynamic linker sees it, in buf;
 * "unknown" where that cannot be told. Returns buf.
 *
 * The library is linked with a fast CBLAS, but a program that names -lgslcblas itself (as in the
 * usual -lgsl -lgslcblas -lm), in whatever place, shared or static, binds that one for all of the
 * process. It does no harm: results are right with any CBLAS, and where this library finds
 * gslcblas, or a CBLAS inside of the program, it takes its own products for matrices of all sizes.
 * They run on the calling thread; a step of a 784-1024-1024-10 net then takes 1.0 to 1.2 times as
 * long as with OpenBLAS on one thread (with gslcblas's products it was 20 times), one of a small
 * net, which never uses a CBLAS, the same. What your program itself asks of gsl_blas_.. is as slow
 * as gslcblas is: leave -lgslcblas away, GSL's symbols are all there without it. */
GPF_API char *gpf_cblas_provider(char *buf, size_t size);

/* The CPU the library's own kernels are chosen for in this process: "any", "avx2" or "avx512". The
 * environment variable GRADPROOF_CPU can name a lesser one. On another one values may differ in
 * their last digits (products and sums are added up in another order), and so a minimiser may take
 * another number of steps. Static storage. */
GPF_API const char *gpf_cpu(void);

#ifdef __cplusplus
}
#endif
#endif
