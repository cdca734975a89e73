# SPDX-License-Identifier: GPL-3.0-or-later
#
# GPF_REQUIRE_... and GPF_TAP_... in programs as a user writes them: without a framework, with one of
# one's own, with cmocka, with Check; each with right and with wrong callbacks.
. "$top_src/tests/lib.sh"

case $CFLAGS in *-fsanitize=*) skip_all "programs here are linked without sanitizers" ;; esac

builds() { # LANGUAGE NAME [LIBS...]
    builds_language=$1
    builds_name=$2
    shift 2
    (LIBS="$LIBS $*" CFLAGS="$CFLAGS -Wpedantic -Wshadow -Wconversion -Werror" && build_program \
        "$builds_language" "$top_src/tests/require/$builds_name.c" "$tmp/$builds_name")
}

says() { # FILE TEXT..: all of it
    says_file=$1
    shift
    for says_text; do
        grep -qF -e "$says_text" "$says_file" ||
            { echo "'$says_text' is missing in:" && cat "$says_file" && return 1; }
    done
}

# STATUS ARGUMENT TEXT..: of the plain program, on stderr
plain() {
    plain_want=$1
    plain_argument=$2
    shift 2
    plain_status=0
    "$tmp/plain" "$plain_argument" >"$tmp/out" 2>"$tmp/err" || plain_status=$?
    cat "$tmp/out" "$tmp/err"
    [ "$plain_status" = "$plain_want" ] || { echo "status $plain_status" && return 1; }
    says "$tmp/err" "$@"
}
plain_passes() {
    plain 0 right && says "$tmp/out" passed && ! [ -s "$tmp/err" ]
}
for language in c cxx; do
    if [ $language = cxx ] && ! have_cxx; then
        skip "plain, C++" "no C++ compiler"
        continue
    fi
    try "plain builds, $language" builds $language plain
    try "plain, right" plain_passes
    try "plain, a wrong gradient" plain 1 wrong "require/plain.c:17: wrong_fdf (gsl_multimin_" \
        "WRONG: 3 of 3 entries of df"
    try "plain, a wrong Jacobian" plain 1 ode "wrong_ode (gsl_odeiv2_system)" "entries of dfdy"
    try "plain, a wrong op" plain 1 op "mine: the row of an op" "vjp, input 0" "WRONG: "
    try "plain, nothing tested" plain 1 flat "untested: nothing in df (vacuous) was tested"
    try "plain, trouble" plain 1 trouble "right_fdf cannot be checked: lo has 2 elements"
done

own() {
    "$tmp/own" >"$tmp/out" && says "$tmp/out" "<<wrong_fdf (gsl_" "<<wrong_ode (gsl_" "2 failures"
}
for language in c cxx; do
    if [ $language = cxx ] && ! have_cxx; then
        skip "a framework of one's own, C++" "no C++ compiler"
        continue
    fi
    try "a framework of one's own builds, $language" builds $language own
    try "a framework of one's own" own
done

# Every line is a result, a diagnostic or the plan; results are numbered from 1; the plan is right.
parse() {
    awk '/^ok [0-9]+ - / { if ($2 != ++n) exit bad = 1; good++; next }
        /^not ok [0-9]+ - / { if ($3 != ++n) exit bad = 1; next }
        /^#/ { next }
        /^1\.\.[0-9]+$/ { plan = substr($0, 4); next }
        { print "no TAP: " $0; exit bad = 1 }
        END { if (bad || plan != n) exit 1; print good + 0 " of " n }' "$1"
}
tap() {
    tap_status=0
    "$tmp/tap" >"$tmp/out" || tap_status=$?
    cat "$tmp/out"
    [ "$tap_status" = 1 ] && parse "$tmp/out" >"$tmp/parsed" && cat "$tmp/parsed" &&
        says "$tmp/parsed" "4 of 8" &&
        says "$tmp/out" "not ok 2 - wrong_fdf" "# WRONG: 3 of 3 entries of df" "ok 3 - right_ode" \
            "not ok 6 - flat_fdf" "ok 7 - flat_fdf # SKIP untested: nothing in df" \
            'not ok 8 - gpf_op_find("no \#such' "1..8"
}
try "TAP builds" builds c tap
try "TAP" tap

# NAME: a program of a framework: its test "right" passes, "wrong" and "untested" fail
framework() {
    CMOCKA_MESSAGE_OUTPUT=STDOUT "$tmp/with_$1" >"$tmp/out" 2>&1
    cat "$tmp/out"
    says "$tmp/out" "wrong_fdf (gsl_multimin_function_fdf): 1 value of 3 variables" \
        "WRONG: 3 of 3 entries of df" "untested: nothing in df (vacuous) was tested" &&
        says "$tmp/out" "with_$1.c:" "$2"
}
try "cmocka builds" builds c with_cmocka -lcmocka
try "cmocka" framework cmocka "PASSED  ] 1 test"
if pkg-config --exists check; then
    try "Check builds" builds c with_check $(pkg-config --libs check)
    try "Check" framework check "Checks: 3, Failures: 2, Errors: 0"
else
    skip "Check" "it is not installed"
fi
finish
