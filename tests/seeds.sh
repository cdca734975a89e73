# SPDX-License-Identifier: GPL-3.0-or-later
#
# examples/seeds does what it says:
#   every claim of every model has the verdict that the comment behind it expects
#   every line of INDEX.tsv is shown by the file it names, and its command ends as it says
#   INDEX.tsv has all of the seeds' rows and findings, uses all files, and is what the tables in
#   doc/gradproof-seeds.7 say; UPDATE=1 rewrites these tables
# INDEX.tsv: lines of id, what it is, verdict, file, exit status, command, pattern (an extended
# regular expression, or -) of something it prints; commands are run in examples/seeds.
. "$top_src/tests/lib.sh"

tab=$(printf '\t')
page=$top_src/doc/gradproof-seeds.7
mkdir "$tmp/bin" && cp -R "$top_src/examples" "$tmp/examples" && chmod -R u+w "$tmp/examples" &&
    cd "$tmp/examples/seeds" || exit 99
printf '#!/bin/sh\nexec "%s" "$@"\n' "$top_build/gradproof" >"$tmp/bin/gradproof"
chmod +x "$tmp/bin/gradproof"
PATH=$tmp/bin:$PATH
grep -v '^#' INDEX.tsv >"$tmp/index"

# Line and expected verdict of each claim.
expected() { # MODEL
    awk '/^claim/ {
        comment = $0
        sub(/^[^#]*#? */, "", comment)
        sub(/[ ,].*/, "", comment)
        if (comment != "holds" && comment != "refuted" && comment != "undecided")
            comment = "nothing"
        print NR, comment
    }' "$1"
}

# The same as they came out, one claim a line in the report.
found() { # JSON
    sed -n 's/^ *{"line": \([0-9]*\), "text": .*"verdict": "\([a-z]*\)", "why": .*/\1 \2/p' "$1"
}

claims() { # MODEL
    expected "$1" >"$tmp/expected"
    grep nothing "$tmp/expected" && echo "line without an expected verdict" && return 1
    gradproof check --claims only --json "$1" >"$tmp/json" 2>&1
    claims_status=$?
    found "$tmp/json" >"$tmp/found"
    diff -u --label expected --label found "$tmp/expected" "$tmp/found" || return 1
    claims_expected=0
    ! grep -q undecided "$tmp/expected" || claims_expected=3
    ! grep -q refuted "$tmp/expected" || claims_expected=1
    [ "$claims_status" = $claims_expected ] || {
        echo "exit status $claims_status, expected $claims_expected" && return 1
    }
}

# All ids that the comments of a model name: "Rows 6-9, 12 and 14", "W5", "N1-N6".
ids() { # MODEL
    awk '
        function number(text) { gsub(/[^0-9]/, "", text); return text + 0 }
        /#/ {
            sub(/^[^#]*#/, "")
            gsub(/\.\./, " ")
            rows = 0
            n = split($0, word, /[ ,;:.()?\047]+/)
            for (i = 1; i <= n; i++) {
                if (word[i] ~ /^[Rr]ows?$/) {
                    rows = 1
                } else if (word[i] ~ /^[WCNIO]?[0-9]+(-[WCNIO]?[0-9]+)?$/) {
                    kind = substr(word[i], 1, 1)
                    if (kind !~ /[WCNIO]/ && !rows)
                        continue
                    if (kind !~ /[WCNIO]/)
                        kind = ""
                    m = split(word[i], end, "-")
                    for (k = number(end[1]); k <= number(end[m]); k++)
                        print kind k
                } else if (word[i] != "and") {
                    rows = 0
                }
            }
        }' "$1" | sort -u
}

shown() { # ID FILE
    [ -f "$2" ] || { echo "no file $2" && return 1; }
    case $2 in ../*) return 0 ;; esac
    ids "$2" | grep -qx "$1" || { echo "$2 does not name $1" && return 1; }
}

# A command is run once, however many lines have it.
run() { # STATUS COMMAND PATTERN
    run_at=$tmp/run.$(printf %s "$2" | cksum | tr ' ' .)
    [ -f "$run_at" ] || {
        sh -c "$2" >"$run_at" 2>&1 </dev/null
        echo $? >"$run_at.status"
    }
    [ "$(cat "$run_at.status")" = "$1" ] || {
        echo "$2: exit status $(cat "$run_at.status"), expected $1" && tail -n 20 "$run_at"
        return 1
    }
    [ "$3" = - ] || grep -Eq -- "$3" "$run_at" || {
        echo "$2: nothing like $3 in" && tail -n 40 "$run_at"
        return 1
    }
}

line() { # ID FILE STATUS COMMAND PATTERN
    [ "$2" = - ] && return 0
    shown "$1" "$2" && run "$3" "$4" "$5"
}

complete() {
    awk 'BEGIN {
        for (i = 1; i <= 94; i++) print i
        for (i = 1; i <= 23; i++) print "W" i
        for (i = 1; i <= 15; i++) print "C" i
        for (i = 1; i <= 12; i++) print "I" i
        for (i = 1; i <= 6; i++) print "N" i
    }' >"$tmp/all"
    cut -f 1 "$tmp/index" | awk '!seen[$0]++' >"$tmp/there"
    diff -u --label "all ids" --label INDEX.tsv "$tmp/all" "$tmp/there"
}

# What is wrong as printed is refuted by a claim, or by a model or a run that must fail.
wrong() {
    wrong_status=0
    for wrong_id in $(cut -f 1 "$tmp/index" | grep '^W' | sort -u); do
        grep -Eq "^claim .*# refuted.* $wrong_id( |,|\$)" *.gpf ||
            awk -F "$tab" -v id="$wrong_id" '
                $1 == id && ($4 == "-" || $5 == 2 || $6 ~ /--check-step/) { found = 1 }
                END { exit !found }' "$tmp/index" || {
            echo "$wrong_id is refuted nowhere"
            wrong_status=1
        }
    done
    return $wrong_status
}

used() {
    used_status=0
    for used_file in *; do
        [ "$used_file" = INDEX.tsv ] || cut -f 4,6 "$tmp/index" | grep -qF "$used_file" || {
            echo "$used_file is in no line of INDEX.tsv"
            used_status=1
        }
    done
    return $used_status
}

# A list of the manual page stands between a comment such as ".\" table ROWS" or ".\" table W" and the
# .El that closes it. One item for an id, whose files are gathered.
tables() {
    awk -F "$tab" '
        function escape(text) { gsub(/\\/, "\\e", text); gsub(/-/, "\\-", text); return text }
        FILENAME == ARGV[1] {
            if (!($1 in what)) {
                order[++n] = $1
                what[$1] = $2
                verdict[$1] = $3
            }
            if ($4 != "-" && index(files[$1], "|" $4 "|") == 0)
                files[$1] = files[$1] "|" $4 "|"
            next
        }
        !inside { print }
        /^\.\\" table / {
            inside = 1
            table = $0
            sub(/.* /, "", table)
            print ".Bl -tag -width W23 -compact"
            for (i = 1; i <= n; i++) {
                id = order[i]
                kind = id ~ /^[0-9]/ ? "ROWS" : substr(id, 1, 1)
                if (kind != table)
                    continue
                list = files[id]
                gsub(/\|\|/, ", ", list)
                gsub(/\|/, "", list)
                gsub(/\.gpf/, "", list)
                gsub(/,/, " ,", list)
                printf ".It %s\n%s \\(en\n.Em \"%s\"\n", id, escape(what[id]), escape(verdict[id])
                if (list != "")
                    printf ".Pq Pa %s\n", escape(list)
            }
        }
        inside && /^\.El/ { print; inside = 0 }' "$tmp/index" "$page"
}

manual() {
    tables >"$tmp/page" && [ -s "$tmp/page" ] || return 1
    [ -z "${UPDATE-}" ] || cp "$tmp/page" "$page"
    diff -u --label doc/gradproof-seeds.7 --label INDEX.tsv "$page" "$tmp/page"
}

try "INDEX.tsv has every row and every finding" complete
try "INDEX.tsv uses every file" used
try "what is wrong is refuted" wrong
try "doc/gradproof-seeds.7 is INDEX.tsv" manual
for model in *.gpf; do
    ! grep -q '^claim' "$model" || try "claims of $model" claims "$model"
done
while IFS=$tab read -r id what verdict file status command pattern; do
    [ "$what" = - ] || name=$what
    try "$id: $name" line "$id" "$file" "$status" "$command" "$pattern"
done <"$tmp/index"
finish
