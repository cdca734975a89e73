#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every command the README shows with its output, `    $ command`, prints just that, one after the
# other in one directory that has the examples.
. "$top_src/tests/lib.sh"

# What differs from run to run: how many threads there are and how long they took.
settle() {
    sed -e 's/, [0-9]* threads\{0,1\}, / THREADS, /' -e 's/, [0-9.e-]* s$/, TIME/' -e 's/[[:space:]]*$//'
}

shown() { # LINE: the indented or empty lines behind it, up to the next command or paragraph
    awk -v want="$1" '
        found && (/^    \$ / || !/^(    |$)/) { exit }
        found { print }
        $0 == want { found = 1 }' "$top_src/README.md" |
        sed 's/^    //' | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' | settle
}

prints_what_is_shown() { # LINE
    shown "$1" >"$tmp/expected"
    (cd "$tmp/here" && PATH=$top_build:$PATH && sh -c "${1#    \$ }" 2>&1) | settle >"$tmp/actual"
    diff "$tmp/expected" "$tmp/actual"
}

mkdir "$tmp/here" && ln -s "$top_src/examples" "$tmp/here/examples" || exit 99
grep '^    \$ ' "$top_src/README.md" >"$tmp/commands"
while IFS= read -r line; do
    case $line in
    *python3*) command -v python3 >/dev/null 2>&1 || { skip "${line#    }" "no python3" && continue; } ;;
    esac
    try "${line#    }" prints_what_is_shown "$line"
done <"$tmp/commands"
finish
