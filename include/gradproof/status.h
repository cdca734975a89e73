/* Status codes and diagnostics.
 *
 * Every fallible function returns an int: GSL_SUCCESS (0), one of GSL's GSL_E* codes, or one of
 * the codes below. Three kinds of failure travel on three channels:
 *
 *   misuse, lack of memory   GSL_ERROR: GSL's error handler sees it, then the code is returned
 *   bad input                the code, and a gpf_diag the caller supplies; no handler is called
 *   outcomes                 fields of a result (a wrong gradient is an outcome, not an error)
 *
 * The library never prints, exits or aborts, and never installs or removes a GSL handler.
 */
#ifndef GPF_STATUS_H
#define GPF_STATUS_H

#include <gsl/gsl_errno.h>
#include <stddef.h>

#if defined __GNUC__
#define GPF_API __attribute__((visibility("default")))
#else
#define GPF_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The library's own codes start behind GSL's. One list gives the enum and the messages. */
#define GPF_STATUS_LIST(X)                                   \
    X(GPF_ESHAPE, 1024, "shapes do not conform")             \
    X(GPF_ESYNTAX, 1025, "syntax error")                     \
    X(GPF_ENAME, 1026, "unknown or duplicate name")          \
    X(GPF_EFILE, 1027, "file cannot be read or written")     \
    X(GPF_EDATA, 1028, "table or value is not usable")       \
    X(GPF_ENOGRAD, 1029, "operation has no derivative rule") \
    X(GPF_EUNBOUND, 1030, "leaf has no values")              \
    X(GPF_ENOTHING, 1031, "nothing to check")                \
    X(GPF_ECANCEL, 1032, "stopped by the caller")            \
    X(GPF_ELIMIT, 1033, "larger than the stated limit")      \
    X(GPF_ERULE, 1034, "an op's rule returned something impossible")

enum gpf_status_code {
#define GPF_STATUS_ENUM(name, value, text) name = value,
    GPF_STATUS_LIST(GPF_STATUS_ENUM)
#undef GPF_STATUS_ENUM
};

/* What is wrong with some input, and where. Filled by functions that take a gpf_diag *; such a
 * pointer may be NULL. Plain data: copy it, keep it, no need to free. */
typedef struct gpf_diag {
    int status;       /* the code that was returned; 0 = nothing wrong */
    int line, column; /* 1-based place in the text; 0 where there is no text */
    int width;        /* number of characters from column that are meant */
    char file[128];   /* name as the caller gave it; "" where there is no file */
    int caret;        /* 1-based place of column in source: of a long line only a part is there */
    char source[256]; /* the offending line, for a caret under it; "..." where it is cut */
    char text[512];   /* one line: what was given, what was expected; shapes and names included */
} gpf_diag;

/* One-line text of a status code, also for GSL's codes. Static storage; never NULL. Thread-safe. */
GPF_API const char *gpf_strerror(int status);

#ifdef __cplusplus
}
#endif
#endif
