# SPDX-License-Identifier: GPL-3.0-or-later

# GPF_CFLAGS_SUPPORTED(VARIABLE, FLAGS): appends those FLAGS that the compiler takes.
AC_DEFUN([GPF_CFLAGS_SUPPORTED],
[gpf_saved_CFLAGS=$CFLAGS
for gpf_flag in m4_normalize([$2]); do
    AC_MSG_CHECKING([whether $CC accepts $gpf_flag])
    # GCC is silent about an unknown -Wno-x; ask for x itself.
    AS_CASE([$gpf_flag], [-Wno-*], [gpf_asked=-W${gpf_flag@%:@-Wno-}], [gpf_asked=$gpf_flag])
    CFLAGS="$gpf_saved_CFLAGS -Werror $gpf_asked"
    AC_COMPILE_IFELSE([AC_LANG_SOURCE([int gpf_probe;])],
                      [AC_MSG_RESULT([yes])
                       $1="$$1 $gpf_flag"],
                      [AC_MSG_RESULT([no])])
done
CFLAGS=$gpf_saved_CFLAGS
AC_SUBST([$1])])

# GPF_CBLAS: --with-cblas. GSL_LIBS loses its -lgslcblas, CBLAS_LIBS is the provider chosen and
# belongs behind GSL_LIBS on every link line.
AC_DEFUN([GPF_CBLAS],
[AC_ARG_WITH([cblas],
             [AS_HELP_STRING([--with-cblas=NAME],
                             [auto, openblas, blis, blas or gslcblas; auto takes the first that
                              links @<:@auto@:>@])],
             [], [with_cblas=auto])
AS_CASE([$with_cblas],
        [auto | yes], [gpf_candidates="openblas blis blas gslcblas"],
        [openblas | blis | blas | gslcblas], [gpf_candidates=$with_cblas],
        [AC_MSG_ERROR([--with-cblas=$with_cblas: expected auto, openblas, blis, blas or gslcblas])])
GSL_LIBS=`AS_ECHO([" $GSL_LIBS "]) | $SED 's/ -lgslcblas / /; s/ -lm / /; s/^ *//; s/ *$//'`
gpf_saved_LIBS=$LIBS
gpf_saved_CFLAGS=$CFLAGS
CFLAGS="$CFLAGS $GSL_CFLAGS"
GPF_CBLAS_NAME=none
for gpf_candidate in $gpf_candidates; do
    AC_MSG_CHECKING([for cblas_dgemm in $gpf_candidate])
    LIBS="$GSL_LIBS -l$gpf_candidate $gpf_saved_LIBS"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([#include <gsl/gsl_blas.h>
#include <gsl/gsl_cblas.h>],
        [[double x = 1;
          gsl_matrix_view m = gsl_matrix_view_array(&x, 1, 1);
          cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 1, 1, 1, 1, &x, 1, &x, 1, 0,
                      &x, 1);
          return gsl_blas_dgemm(CblasNoTrans, CblasNoTrans, 1, &m.matrix, &m.matrix, 0,
                                &m.matrix);]])],
        [AC_MSG_RESULT([yes])
         GPF_CBLAS_NAME=$gpf_candidate
         CBLAS_LIBS=-l$gpf_candidate
         break],
        [AC_MSG_RESULT([no])])
done
LIBS=$gpf_saved_LIBS
CFLAGS=$gpf_saved_CFLAGS
AS_IF([test $GPF_CBLAS_NAME = none], [AC_MSG_ERROR([no CBLAS that links: tried $gpf_candidates])])
AC_DEFINE_UNQUOTED([GPF_CBLAS_NAME], ["$GPF_CBLAS_NAME"], [The CBLAS linked at configure time])
AS_IF([test $GPF_CBLAS_NAME = gslcblas],
      [AC_DEFINE([GPF_CBLAS_PLAIN], [1], [Define if that CBLAS is plain loops])])
AC_SUBST([GPF_CBLAS_NAME])
AC_SUBST([CBLAS_LIBS])])
