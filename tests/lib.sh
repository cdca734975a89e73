# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by the test scripts. `make check` sets top_src, top_build (absolute) and the compilers.

: "${top_src:?} ${top_build:?}"
n=0
tmp=$(mktemp -d "${TMPDIR:-/tmp}/gradproof-test.XXXXXX") || exit 99
trap 'rm -rf "$tmp"' EXIT
trap 'exit 99' HUP INT TERM

skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

skip() { # NAME REASON
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}

# NAME COMMAND...: one test, passed if the command succeeds; if not, what it said is shown.
try() {
    n=$((n + 1))
    try_name=$1
    shift
    if ("$@") >"$tmp/said" 2>&1; then
        echo "ok $n - $try_name"
    else
        echo "not ok $n - $try_name"
        sed 's/^/# /' "$tmp/said"
    fi
}

finish() {
    echo "1..$n"
}

have_cxx() {
    command -v "${CXX%% *}" >/dev/null 2>&1
}

# LANGUAGE (c or cxx) SOURCE PROGRAM: against the library of the build tree, shared or static.
build_program() {
    case $1 in
    c) build_with="$CC -std=c11" ;;
    cxx) build_with="$CXX -x c++ -std=c++17" ;;
    esac
    $build_with $CPPFLAGS $CFLAGS -UNDEBUG -Wall -Wextra -I"$top_src/include" -c "$2" -o "$3.o" &&
        "$top_build/libtool" --silent --tag=CC --mode=link ${build_with%% -*} $CFLAGS $LDFLAGS \
            -no-install -o "$3" "$3.o" "$top_build/libgradproof.la" $LIBS
}
