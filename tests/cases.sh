# SPDX-License-Identifier: GPL-3.0-or-later
#
# One test per folder of tests/cases:
#   cmd      shell commands, run in a copy of the folder; $GRADPROOF is the command, $EXAMPLES the
#            directory of the example models
#   stdout   what they print; not compared if the file is not there
#   stderr   the same
#   filter   sed script applied to both before they are compared (times, versions, paths)
#   status   exit status; 0 if the file is not there
# CASES="a b" runs only these. UPDATE=1 rewrites the files that are there from what came out;
# read the diff before you commit it.
. "$top_src/tests/lib.sh"

GRADPROOF=$top_build/gradproof
EXAMPLES=$top_src/examples
export GRADPROOF EXAMPLES

compare() { # CASE: what came out is in $tmp/out, the folder is the current one
    compare_same=0
    for compare_f in stdout stderr status; do
        [ "$compare_f" = status ] || [ -f "$compare_f" ] || continue
        [ ! -f filter ] || [ "$compare_f" = status ] || {
            sed -f filter "$tmp/out/$compare_f" >"$tmp/out/filtered" || return 1
            mv "$tmp/out/filtered" "$tmp/out/$compare_f"
        }
        compare_expected=$compare_f
        [ -f "$compare_f" ] || { compare_expected=$tmp/zero && echo 0 >"$tmp/zero"; }
        [ -z "${UPDATE-}" ] || [ ! -f "$compare_f" ] ||
            cp "$tmp/out/$compare_f" "$top_src/tests/cases/$1/$compare_f"
        diff -u --label "expected $compare_f" --label "$compare_f" \
            "$compare_expected" "$tmp/out/$compare_f" || compare_same=1
    done
    # A wrong status is best explained by what the command complained about.
    [ $compare_same = 0 ] || [ -f stderr ] || tail -n 20 "$tmp/out/stderr"
    return $compare_same
}

run_case() { # CASE
    rm -rf "$tmp/case" "$tmp/out"
    cp -R "$top_src/tests/cases/$1" "$tmp/case" && chmod -R u+w "$tmp/case" && mkdir "$tmp/out" &&
        cd "$tmp/case" || return 1
    [ -f cmd ] || { echo "tests/cases/$1 has no cmd" && return 1; }
    sh cmd >"$tmp/out/stdout" 2>"$tmp/out/stderr" </dev/null
    echo $? >"$tmp/out/status"
    compare "$1"
}

for folder in "$top_src"/tests/cases/*/; do
    [ -d "$folder" ] || continue
    name=$(basename "$folder")
    case " ${CASES:-$name} " in *" $name "*) ;; *) continue ;; esac
    try "$name" run_case "$name"
done
[ $n -gt 0 ] || try "there are cases" false
finish
