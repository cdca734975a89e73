# SPDX-License-Identifier: GPL-3.0-or-later
#
# Each public header compiles alone, as C11 and as C++17, without a warning.
. "$top_src/tests/lib.sh"

alone() { # HEADER LANGUAGE COMPILER...
    alone_header=$1
    alone_language=$2
    shift 2
    printf '#include <%s>\nint used(void);\nint used(void) { return 0; }\n' "$alone_header" |
        "$@" -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror $CPPFLAGS \
            -I"$top_src/include" -fsyntax-only -x "$alone_language" -
}

for header in "$top_src"/include/*.h "$top_src"/include/gradproof/*.h; do
    header=${header#"$top_src/include/"}
    try "$header as C11" alone "$header" c $CC -std=c11
    if have_cxx; then
        try "$header as C++17" alone "$header" c++ $CXX -std=c++17
    else
        skip "$header as C++17" "no C++ compiler"
    fi
done
finish
