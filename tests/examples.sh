# SPDX-License-Identifier: GPL-3.0-or-later
#
# The examples in the public headers (from " * @example NAME" to " * @end") and the programs in
# examples/ compile, and run without a complaint; the programs also as C++.
. "$top_src/tests/lib.sh"

# Some write files: not into the source tree.
mkdir "$tmp/here" && ln -s "$top_src/examples" "$tmp/here/examples" || exit 99

runs() { # LANGUAGE SOURCE: what it saves, if anything, is a file of params
    rm -f "$tmp/saved.npz"
    build_program "$1" "$2" "$tmp/program" || return 1
    (cd "$tmp/here" && "$tmp/program" "$tmp/saved.npz") >"$tmp/output" ||
        { tail -n 20 "$tmp/output" && return 1; }
}

# HEADER NAME: statements, or a whole program if it has a main of its own.
extract() {
    awk -v name="$2" '
        $1 == "*" && $2 == "@end" { inside = 0 }
        inside { if (!sub(/^ \*     /, "")) sub(/^ \* ?/, ""); print }
        $1 == "*" && $2 == "@example" && $3 == name { inside = 1 }' "$1" >"$tmp/lines"
    if grep -q '^int main(' "$tmp/lines"; then
        cat "$tmp/lines"
    else
        printf '#include <gradproof.h>\n#include <assert.h>\n#include <string.h>\n'
        printf 'int main(void)\n{\n' && cat "$tmp/lines" && printf '    return 0;\n}\n'
    fi
}

for header in "$top_src"/include/*.h "$top_src"/include/gradproof/*.h; do
    for name in $(sed -n 's/^ \* @example //p' "$header"); do
        extract "$header" "$name" >"$tmp/$name.c"
        try "${header#"$top_src/"}, example $name" runs c "$tmp/$name.c"
    done
done
for program in "$top_src"/examples/*.c "$top_src"/examples/gsl/*.c; do
    [ -f "$program" ] || continue
    try "${program#"$top_src/"} as C" runs c "$program"
    if have_cxx; then
        try "${program#"$top_src/"} as C++" runs cxx "$program"
    else
        skip "${program#"$top_src/"} as C++" "no C++ compiler"
    fi
done
saves() { # SOURCE
    runs c "$1" && [ -s "$tmp/saved.npz" ]
}
try "examples/train.c saves its params" saves "$top_src/examples/train.c"
finish
