# SPDX-License-Identifier: GPL-3.0-or-later
#
# gradproof(1) and --help know the same verbs, options and settings; no tag stands twice in a section;
# the pages are in order for groff.
. "$top_src/tests/lib.sh"

gradproof=$top_build/gradproof
page=$top_src/doc/gradproof.1
verbs=$("$gradproof" --help | awk '/^Verbs:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }')

# OPTION VERB, one pair a line: from the help of every verb, without the settings ...
for verb in $verbs; do
    "$gradproof" "$verb" --help | awk -v verb="$verb" '
        /^Settings/ { exit }
        $1 ~ /^--/ && $1 != "--help" { print $1, verb }'
done | LC_ALL=C sort >"$tmp/helped"
# ... and from the page, whose entries end in a line with the verbs.
awk '/^\.S[HS] / { inside = /OPTIONS/ || (inside && /^\.SS/ && !/Settings/) }
    inside && /^\./ && tag { option = $0; gsub(/\\/, "", option)
        option = match(option, /--[a-z][-a-z]*/) ? substr(option, RSTART, RLENGTH) : "" }
    { tag = /^\.TP$/ }
    inside && option && /^\([a-z, ]*\)$/ {
        gsub(/[(),]/, "")
        for (i = 1; i <= NF; i++) print option, $i
    }' "$page" | LC_ALL=C sort >"$tmp/written"

options_of_the_verbs() {
    [ -s "$tmp/helped" ] && diff "$tmp/helped" "$tmp/written"
}
try "every option, with the verbs that take it" options_of_the_verbs

settings() {
    "$gradproof" train --help | awk '/^Settings/ { on = 1 } /^Exit/ { on = 0 }
        on && $1 ~ /^--/ { sub(/\[.*/, "", $1); print substr($1, 3) }' >"$tmp/a"
    awk '/^\.S[HS] / { on = /Settings of/ } on && /^\.B [a-z]/ && tag { gsub(/\\/, ""); print $2 }
        { tag = /^\.TP$/ }' "$page" >"$tmp/b"
    [ -s "$tmp/a" ] && diff "$tmp/a" "$tmp/b"
}
try "every setting, in order" settings

all_verbs() {
    for verb in $verbs; do
        grep -qx "\.B gradproof $verb" "$page" && grep -qx "\.B $verb" "$page" || {
            echo "$verb"
            return 1
        }
    done
}
try "every verb, in the synopsis too" all_verbs

narrow() { # help in a terminal of 80 columns
    for verb in '' $verbs; do
        "$gradproof" $verb --help >"$tmp/help" || return 1
        [ -s "$tmp/help" ] && ! grep -E '.{81}' "$tmp/help" || return 1
    done
}
try "help in 80 columns" narrow

nothing_twice() { # PAGE
    awk '/^\.S[HS] / { section = $0 }
        tag && seen[section, $0]++ { print section ": " $0; bad = 1 }
        { tag = /^\.TP$/ }
        END { exit bad }' "$1"
}
in_order() { # PAGE
    groff -man -Tascii -ww -rLL=80n "$1" >"$tmp/set" 2>"$tmp/complaints"
    cat "$tmp/complaints"
    [ -s "$tmp/set" ] && [ ! -s "$tmp/complaints" ]
}
for name in gradproof.1 gradproof-model.5 gradproof-seeds.7; do
    try "$name, nothing twice" nothing_twice "$top_src/doc/$name"
    if command -v groff >/dev/null 2>&1; then
        try "$name, no complaint of groff" in_order "$top_src/doc/$name"
    else
        skip "$name, no complaint of groff" "no groff"
    fi
done
finish
