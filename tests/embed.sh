# SPDX-License-Identifier: GPL-3.0-or-later
#
# A program that names -lgslcblas itself, before or behind gradproof, shared or static, binds that for
# the whole process: verdicts and numbers stay what they are.
. "$top_src/tests/lib.sh"

case $CFLAGS in *-fsanitize=*) skip_all "links by hand, without sanitizers" ;; esac
library=$top_build/.libs/libgradproof.so
[ -e "$library" ] || skip_all "no shared library was built"
$CC -std=c11 -Wall -Wextra $CPPFLAGS $CFLAGS -I"$top_src/include" -c "$top_src/tests/manners/embed.c" \
    -o "$tmp/embed.o" || exit 99
LD_LIBRARY_PATH=$top_build/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH

gradproof="-L$top_build/.libs -lgradproof"
plain_static=-l:libgslcblas.a
links() { # the probe without gradproof
    printf 'int main(void)\n{\n    return 0;\n}\n' >"$tmp/probe.c"
    $CC "$tmp/probe.c" "$@" -o "$tmp/probe" >/dev/null 2>&1
}

run() { # OUTPUT LIBRARY...
    run_output=$1
    shift
    $CC $CFLAGS $LDFLAGS "$tmp/embed.o" "$@" -lm -o "$tmp/embed" && "$tmp/embed" >"$run_output" &&
        cat "$run_output"
}
is_right() { # OUTPUT PROVIDER
    grep "^provider .*$2" "$1" && grep -x 'product right' "$1" && grep -x 'gsl 17 23 39 53' "$1" &&
        grep -x 'check 0: 60 right, 0 wrong' "$1" && grep -x 'check 1: 0 right, 60 wrong' "$1"
}
reference() {
    run "$tmp/usual" $gradproof $LIBS && is_right "$tmp/usual" ''
}
try "as pkg-config links it" reference

as_usual() { # PROVIDER LIBRARY...
    as_usual_provider=$1
    shift
    run "$tmp/output" "$@" && is_right "$tmp/output" "$as_usual_provider" || return 1
    # 9 digits of every number
    awk 'NR == FNR { old[FNR] = $2; next }
        /^(loss|theta) / && (d = $2 - old[FNR]) * d > 1e-18 * (1e-3 + $2 * $2) { print; bad = 1 }
        END { exit bad || FNR < 10 }' "$tmp/usual" "$tmp/output"
}
keep=-Wl,--no-as-needed
if links -lgslcblas -lm; then
    try "-lgslcblas before" as_usual gslcblas $keep -lgslcblas $gradproof $LIBS
    try "-lgslcblas behind" as_usual '' $gradproof $LIBS $keep -lgslcblas
    try "as GSL's manual links" as_usual '' $gradproof -lgsl -lgslcblas
    try "-lgsl -lgslcblas before" as_usual '' -lgsl -lgslcblas $gradproof
    gslcblas_preloaded() {
        LD_PRELOAD=libgslcblas.so.0 "$tmp/embed" >"$tmp/output" && is_right "$tmp/output" gslcblas
    }
    try "gslcblas preloaded" gslcblas_preloaded
else
    skip "-lgslcblas" "no libgslcblas"
fi
if links $plain_static -lm; then
    try "a static gslcblas behind" as_usual embed $gradproof $LIBS $plain_static
    try "a static gslcblas before" as_usual '' $plain_static $gradproof $LIBS
else
    skip "a static gslcblas" "no libgslcblas.a"
fi

# The library itself static, as its objects are before symbols are hidden.
objects="$top_build/.libs/libgpf_core.a $top_build/.libs/libgpf_generated.a"
if [ -e "$top_build/.libs/libgpf_core.a" ]; then
    try "gradproof static" as_usual '' $objects $test_libs
    ! links -lgslcblas -lm ||
        try "gradproof static, -lgslcblas before" as_usual gslcblas $keep -lgslcblas $objects $test_libs
else
    skip "gradproof static" "no static objects"
fi
finish
