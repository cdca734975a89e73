# SPDX-License-Identifier: GPL-3.0-or-later
#
# A stage includes itself and stages to its left, the command only public headers (and the inline
# JSON helpers it shares with the reports); and every file
# of the tree is listed in Makefile.am, so that nothing is left out of builds, checks or tarballs.
. "$top_src/tests/lib.sh"

stages="base graph op grad plan check gsl train model report"

rank() { # of a stage; 99 for none
    rank_i=0
    for rank_s in $stages; do
        rank_i=$((rank_i + 1))
        [ "$rank_s" = "$1" ] && echo $rank_i && return
    done
    echo 99
}

# STAGE FILE...: prints the includes that the stage may not have.
violations() {
    v_stage=$1
    shift
    grep -En '^[[:space:]]*#[[:space:]]*include' /dev/null "$@" |
        sed 's/:[0-9]*:[^<"]*/ /' |
        while read -r v_file v_target v_rest; do
            v_name=${v_target#?}
            v_name=${v_name%?}
            case $v_target in
            '"config.h"') continue ;;
            '<gradproof/status.h>' | '<gradproof/graph.h>' | '<gradproof/op.h>') continue ;;
            '<gradproof.h>')
                [ "$v_stage" = tools ] && continue
                case $v_file in */base/version.c | */base/blas.c) continue ;; esac
                ;;
            '<gradproof/'*)
                [ "$v_stage" = tools ] && continue
                v_name=${v_name#gradproof/}
                [ "$v_name" = require.h ] && v_name=report.h # whose second header it is
                [ "$(rank "${v_name%.h}")" -le "$(rank "$v_stage")" ] && continue
                ;;
            '<'*) continue ;;
            '"cmd.h"' | '"training.h"' | '"callback.h"') [ "$v_stage" = tools ] && continue ;;
            '"base/json.h"') continue ;;
            '"'*/*'"')
                [ "$v_stage" != tools ] &&
                    [ "$(rank "${v_name%%/*}")" -le "$(rank "$v_stage")" ] && continue
                ;;
            esac
            echo "$v_file: stage $v_stage may not include $v_target"
        done
}

none() { # COMMAND...: succeeds if the command prints nothing
    none_said=$("$@")
    [ -z "$none_said" ] || { echo "$none_said" && return 1; }
}

one_stage() {
    set -- "$1" "$top_src/src/$1"/*.[chly]
    [ -f "$2" ] || { echo "$2: no such file" && return 1; }
    none violations "$@"
}

headers() {
    headers_bad=0
    for headers_h in "$top_src"/include/gradproof/*.h; do
        headers_s=$(basename "$headers_h" .h)
        [ "$headers_s" = status ] && headers_s=base
        [ "$headers_s" = require ] && headers_s=report
        none violations "$headers_s" "$headers_h" || headers_bad=1
    done
    return $headers_bad
}

unlisted() {
    # One word a line, so that names compare whole.
    tr -s '[:space:]\\' '\n\n' <"$top_src/Makefile.am" >"$tmp/listed"
    (
        cd "$top_src" || exit
        find include src tools -name '*.[chly]' ! -name 'parser.[ch]' ! -name 'lexer.[ch]'
        find tests/*/ -name '*.h'
        find tests/*/ -name 'test_*.c' -o -name 'fuzz_*.c' -o -path '*/soak/*.c' | sed 's/\.c$//'
        find tests -maxdepth 1 -name '*.sh'
    ) | while read -r unlisted_f; do
        grep -qxF "$unlisted_f" "$tmp/listed" || echo "Makefile.am does not list $unlisted_f"
    done
}

for stage in $stages; do
    try "stage $stage" one_stage "$stage"
done
try "public headers" headers
try "the command" none violations tools "$top_src"/tools/*.[ch]
try "every file is in Makefile.am" none unlisted

# The rules themselves, on lines that must be caught.
planted() { # STAGE INCLUDE
    echo "#include $2" >"$tmp/planted.c"
    ! none violations "$1" "$tmp/planted.c"
}
try "caught: base includes a graph header" planted base '"graph/graph.h"'
try "caught: op includes plan" planted op '"plan/plan.h"'
try "caught: plan includes the check header" planted plan '<gradproof/check.h>'
try "caught: a stage includes everything" planted check '<gradproof.h>'
try "caught: a file without its stage" planted check '"stencil.h"'
try "caught: the command includes internals" planted tools '"base/text.h"'
finish
