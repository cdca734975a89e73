# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every kernel's slower versions, which this machine would not choose: the tests of values, damage
# and checks with each path forced, and the same verdicts on all of them. (A path that the machine
# does not have becomes the best it has.)
. "$top_src/tests/lib.sh"

forced() { # CPU PROGRAM ARGUMENT...
    forced_program=$2
    [ -x "$top_build/$2" ] || { echo "$2 is not built" && return 1; }
    GRADPROOF_CPU=$1
    export GRADPROOF_CPU
    shift 2
    "$top_build/$forced_program" "$@"
}

# Of each tensor and claim of a model: what was found how often. A line each.
# An element beside a kink may be right or at the kink: the paths round differently.
verdicts() { # CPU MODEL
    (cd "$top_src/examples" && GRADPROOF_CPU=$1 "$top_build/gradproof" check --json "$2") |
        sed -En -e 's/^ *\{*"(all|name)": (.*"unresolved": [0-9]*).*/\1 \2/p' \
            -e 's/.*"text": (.*), "verdict": "([a-z]*)".*"points": .*/\2 \1/p' \
            -e 's/"outcome"/outcome/p' |
        awk '{
            if (match($0, /"right": [0-9]+/)) right = substr($0, RSTART + 9, RLENGTH - 9)
            if (match($0, /"kink": [0-9]+/))
                sub(/"right": [0-9]+.*"kink": [0-9]+/,
                    "\"tested\": " right + substr($0, RSTART + 8, RLENGTH - 8))
            print
        }'
}

same_verdicts() { # MODEL
    for same_cpu in any avx2 avx512; do
        verdicts $same_cpu "$1" >"$tmp/$same_cpu"
        grep -q outcome "$tmp/$same_cpu" && grep -Eq '"tested"|holds|refuted' "$tmp/$same_cpu" ||
            { echo "no verdicts" && cat "$tmp/$same_cpu" && return 1; }
        diff -u "$tmp/any" "$tmp/$same_cpu" || return 1
    done
}

programs='tests/soak/soak tests/coverage/test_coverage'
if [ -x "$top_build/tests/ops/test_ops" ]; then # not without cmocka
    programs="$programs tests/ops/test_ops tests/ops/test_damage_ops tests/unit/test_plan
tests/unit/test_run tests/unit/test_damage tests/unit/test_check tests/unit/test_stencil"
fi
for cpu in any avx2; do
    for program in $programs; do
        case $program in
        */soak) set -- 100 ;;
        */test_coverage) set -- 60 ;;
        */test_damage_ops) set -- 15 ;;
        *) set -- ;;
        esac
        try "$program on $cpu" forced $cpu "$program" "$@"
    done
done
for model in "$top_src"/examples/*.gpf; do
    try "$(basename "$model"): the same verdicts" same_verdicts "$(basename "$model")"
done
finish
