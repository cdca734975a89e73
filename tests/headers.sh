# SPDX-License-Identifier: GPL-3.0-or-later
#
# Each public header compiles alone, in every C and C++ that a program may be written in, with gcc and
# with clang, without a warning.
. "$top_src/tests/lib.sh"

strict="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"
# GSL's headers are the system's, and what warns in there is not ours.
includes="$CPPFLAGS -I$top_src/include"
as_c="-Wstrict-prototypes -Wold-style-definition -Wmissing-prototypes"
as_cxx="-Wold-style-cast -Wextra-semi -Wzero-as-null-pointer-constant"

accepts() { # LANGUAGE COMPILER AND FLAGS...
    accepts_language=$1
    shift
    echo 'int used;' | "$@" -fsyntax-only -x "$accepts_language" - >/dev/null 2>&1
}
alone() { # HEADER LANGUAGE COMPILER AND FLAGS...
    alone_header=$1
    alone_language=$2
    shift 2
    printf '#include <%s>\nint used(void);\nint used(void) { return 0; }\n' "$alone_header" |
        "$@" $includes -fsyntax-only -x "$alone_language" -
}
# LANGUAGE NAME COMPILER AND FLAGS...: all headers
everywhere() {
    everywhere_language=$1
    everywhere_name=$2
    shift 2
    if ! accepts "$everywhere_language" "$@"; then
        skip "$everywhere_name" "not known to ${1##*/}"
        return
    fi
    for header in "$top_src"/include/*.h "$top_src"/include/gradproof/*.h; do
        header=${header#"$top_src/include/"}
        try "$header as $everywhere_name" alone "$header" "$everywhere_language" "$@"
    done
}

everywhere c "C11" $CC -std=c11 $strict $as_c
everywhere c "C17" $CC -std=c17 $strict $as_c
everywhere c "C23" $CC -std=c2x $strict -Wstrict-prototypes
everywhere c "GNU C11" $CC -std=gnu11 $strict $as_c
if have_cxx; then
    everywhere c++ "C++11" $CXX -std=c++11 $strict $as_cxx
    everywhere c++ "C++17" $CXX -std=c++17 $strict $as_cxx
    everywhere c++ "C++20" $CXX -std=c++20 $strict $as_cxx
else
    skip "C++" "no C++ compiler"
fi
# The other compiler, whichever this one is.
for other in gcc clang; do
    command -v $other >/dev/null 2>&1 && [ "${CC##*/}" != $other ] || continue
    everywhere c "C11 of $other" $other -std=c11 $strict
    everywhere c++ "C++20 of $other" $other -std=c++20 $strict -Wold-style-cast
done

# All of them in any order.
backwards() {
    for header in "$top_src"/include/gradproof/*.h; do
        echo "#include <gradproof/${header##*/}>"
    done | sort -r | {
        cat
        echo '#include <gradproof.h>'
    } | $CC -std=c11 $strict $includes -fsyntax-only -x c -
}
try "backwards" backwards
finish
