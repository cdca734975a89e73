# SPDX-License-Identifier: GPL-3.0-or-later
#
# gradproof(1) and --help know the same verbs, options and settings; no tag stands twice in a section;
# the pages are in order for groff and mandoc. Section 3 has every name of the public headers.
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
linted() { # PAGE: what the two style books disagree on is nobody's error
    mandoc -Tlint -W warning "$1" >"$tmp/complaints"
    ! grep -v 'cannot parse date' "$tmp/complaints"
}
for name in gradproof.1 gradproof-model.5 gradproof-seeds.7; do
    try "$name, nothing twice" nothing_twice "$top_src/doc/$name"
done
sections=$(cd "$top_src/include" && ls gradproof/*.h | sed 's|.*/\(.*\)\.h|gradproof-\1.3|')
for name in gradproof.1 gradproof-model.5 gradproof-seeds.7 gradproof.3 $sections; do
    file=$top_build/doc/$name
    [ -f "$file" ] || file=$top_src/doc/$name
    if command -v groff >/dev/null 2>&1; then
        try "$name, no complaint of groff" in_order "$file"
    else
        skip "$name, no complaint of groff" "no groff"
    fi
    if command -v mandoc >/dev/null 2>&1; then
        try "$name, no complaint of mandoc" linted "$file"
    else
        skip "$name, no complaint of mandoc" "no mandoc"
    fi
done

# Section 3 is made from the headers: that the maker has understood them.
echo '#include <gradproof.h>' | $CC $CPPFLAGS -I"$top_src/include" -E -P -x c - | tr '\n' ' ' |
    tr ';{}' '\n\n\n' | grep -F 'visibility("default")' |
    sed 's/.*visibility("default") *)) *//; s/ *(.*//; s/.*[ *]//' | LC_ALL=C sort >"$tmp/declared"
awk -f "$top_src/doc/man3.awk" -v links=1 "$top_src/include/gradproof.h" \
    "$top_src"/include/gradproof/*.h >"$tmp/links"
cut -d' ' -f1 "$tmp/links" | LC_ALL=C sort >"$tmp/linked"

has_links() {
    [ -s "$tmp/declared" ] && LC_ALL=C comm -23 "$tmp/declared" "$tmp/linked" >"$tmp/without" &&
        ! grep . "$tmp/without"
}
try "a link for every function ($(wc -l <"$tmp/declared"))" has_links
once() {
    ! uniq -d "$tmp/linked" | grep .
}
try "no name twice" once
on_their_pages() {
    while read -r name page; do
        file=$top_build/doc/$page.3
        [ -f "$file" ] || file=$top_src/doc/$page.3
        grep -q "$(echo "$name" | sed 's/[*]//')" "$file" || { echo "$name $page" && return 1; }
    done <"$tmp/links"
}
try "every name is on the page it is linked to" on_their_pages
whole_lines() { # no declaration without its name, no code without its end
    for name in $sections gradproof.3; do
        file=$top_build/doc/$name
        [ -f "$file" ] || file=$top_src/doc/$name
        ! grep -nE '^(#define|typedef|GPF_API.*) *$|GPF_API|GPF_PROTO|#(ifdef|ifndef|endif|undef)' "$file" || return 1
        [ "$(grep -c '^\.EX$' "$file")" -eq "$(grep -c '^\.EE$' "$file")" ] || return 1
    done
}
try "whole lines" whole_lines
# Blanks do not count: every word of every comment, in its order.
every_word() { # HEADER PAGE
    sed -n '/^extern "C" {/,/^#ifdef __cplusplus/p' "$1" >"$tmp/header"
    awk '/^\/\*/ { on = 1 }
        on && !/clang-format/ { s = $0; sub(/^(\/\*| \*)/, "", s); sub(/\*?\/$/, "", s); print s }
        /\*\/$/ { on = 0 }' "$tmp/header" | sed '/^ *@/d' | tr -s '[:space:]' '\n\n' |
        grep . | LC_ALL=C sort | uniq -c | sed 's/^ *//' >"$tmp/words"
    sed 's/\\f[BP]//g; s/\\(rs/\\/g; s/\\-/-/g; s/\\(aq/'"'"'/g; s/\\(ga/`/g; s/\\(ha/^/g
        s/\\(ti/~/g; s/\\&//g; s/^\.SS //' "$2" | tr -s '[:space:]' '\n\n' |
        grep . | LC_ALL=C sort | uniq -c | sed 's/^ *//' >"$tmp/set_words"
    [ -s "$tmp/words" ] && awk 'NR == FNR { n[$2] = $1; next }
        { sub(/\.$/, "", $2) } n[$2] + n[$2 "."] < $1 { print; bad = 1 } END { exit bad }' \
        "$tmp/set_words" "$tmp/words"
}
for name in $sections; do
    header=${name#gradproof-}
    file=$top_build/doc/$name
    [ -f "$file" ] || file=$top_src/doc/$name
    try "$name, every word of the header's comments" every_word \
        "$top_src/include/gradproof/${header%.3}.h" "$file"
done
finish
