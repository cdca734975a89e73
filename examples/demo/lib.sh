# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sourced by the demonstrations: how they tell, run, tabulate and draw.
#   GRADPROOF  the command (`gradproof demo` sets it)
#   GPF_PLOT   folder for pictures, - for the terminal, empty for none
# They run in a copy of this folder, so that every command they show works in a copy of yours.
set -u
: "${GRADPROOF:=gradproof}" "${GPF_PLOT:=}"
LC_ALL=C
export LC_ALL
demo_folder=$(cd "$(dirname "$0")" && pwd) || exit 2
demo_name=$(basename "$0" .sh)
case $GRADPROOF in /*) ;; */*) GRADPROOF=$PWD/$GRADPROOF ;; esac
command -v "$GRADPROOF" >/dev/null 2>&1 || {
    echo "$demo_name: there is no command '$GRADPROOF'; GRADPROOF=/path/to/gradproof names it" >&2
    exit 2
}
[ -d "$demo_folder/../data" ] || {
    echo "$demo_name: there are no tables: copy the folder 'data' too, beside $demo_folder" >&2
    exit 2
}
case $GPF_PLOT in
'' | -) ;;
*) mkdir -p "$GPF_PLOT" && GPF_PLOT=$(cd "$GPF_PLOT" && pwd) || exit 2 ;;
esac
demo_pictures=
demo_missing=
demo_tmp=$(mktemp -d "${TMPDIR:-/tmp}/gradproof-demo.XXXXXX") || exit 2
trap 'rm -rf "$demo_tmp"' EXIT
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' HUP TERM
{ mkdir "$demo_tmp/demo" && cp "$demo_folder"/*.gpf "$demo_tmp/demo" &&
    chmod u+w "$demo_tmp/demo"/* &&
    ln -s "$demo_folder/../data" "$demo_tmp/data" && cd "$demo_tmp/demo"; } || exit 2

# Status 2 is trouble, and ends the demonstration; 1 and 3 are verdicts.
gradproof() {
    command "$GRADPROOF" "$@"
    gradproof_status=$?
    [ $gradproof_status -ne 2 ] || exit 2
    return $gradproof_status
}

trained() { # OPTION.. MODEL: trains without a word
    gradproof train --quiet "$@" >/dev/null
}

stop() { # WHY: the demonstration cannot go on
    echo "$demo_name: $1" >&2
    exit 2
}

say() { # TEXT: a paragraph; line breaks in it do not count
    printf '%s\n' "$1" | awk '
        { for (i = 1; i <= NF; i++) {
              if (n && n + 1 + length($i) > 76) { print line; n = 0 }
              line = n ? line " " $i : $i
              n = length(line)
          } }
        END { print line; print "" }'
}

title() { # TEXT
    printf '\n%s\n' "$1"
    printf '%s\n\n' "$1" | sed 's/./=/g'
}

step() { # TEXT
    demo_step=$((${demo_step-0} + 1))
    printf '\n%s\n' "$demo_step. $1"
    printf '%s\n\n' "$demo_step. $1" | sed 's/./-/g'
}

# COMMANDS, each a line, as a slide shows them: a long one is broken where a shell would read on.
shown() {
    printf '%s\n' "$1" | awk -v quote="'" '
        { line = "$ " $0
          while (length(line) > 79) {
              cut = quoted = 0
              for (i = 1; i <= 77; i++) {
                  c = substr(line, i, 1)
                  if (c == quote && substr(line, i - 1, 1) != "\\") quoted = !quoted
                  if (c == " " && !quoted && i > 6 && (cut < 40 || substr(line, i + 1, 1) ~ /[->|]/)) cut = i
              }
              if (!cut) break
              print substr(line, 1, cut) "\\"
              line = "    " substr(line, cut + 1)
          }
          print line }'
}

# Long lines of prose broken as a terminal would, but between words and indented. A line that was
# broken already, its second half indented as far, is filled up anew.
wrapped() {
    awk '
        function fill(indent, next_indent,   cut) {
            while (length(line) > 79) {
                cut = 79
                while (cut > 40 && substr(line, cut, 1) != " ") cut--
                if (cut == 40) break
                print substr(line, 1, cut - 1)
                line = next_indent substr(line, cut + 1)
                broken = 1
            }
        }
        { match($0, /^ */)
          here = substr($0, 1, RLENGTH)
          if (broken && RLENGTH > 8 && here == deep) {
              line = line " " substr($0, RLENGTH + 1)
          } else {
              if (NR > 1) print line
              line = $0
              broken = 0
          }
          deep = here
          fill(here, RLENGTH > 8 ? here : here "    ") }
        END { if (NR) print line }'
}

single_spaced() {
    awk 'NF || !blank { print } { blank = !NF }'
}

# COMMAND: shown, then run as it stands. Its exit status is left in $status; 2 is trouble.
run() {
    shown "$1"
    eval "$1" >run.out
    status=$?
    wrapped <run.out
    echo
    [ $status -ne 2 ] || stop "that command failed"
}

# The same for reports with a table that is wider than a slide: it is left out.
run_brief() { # COMMAND
    shown "$1"
    eval "$1" >run.out
    status=$?
    awk '/^  (tensor|layer)  / { skip = 1; print "  [...]" }
         /^  line .* points/ && length > 79 { sub(/  \([0-9]+ random points.*/, "") }
         !skip && !/: reduction=/ { print }
         /^$/                    { skip = 0 }' run.out | sed '/^  seed /d' | single_spaced | wrapped
    echo
    [ $status -ne 2 ] || stop "that command failed"
}

show() { # FILE: a model as the reader finds it, without its licence line
    echo "$ cat $1"
    grep -v SPDX "$1"
    echo
}

# Lines NAME = [1 2; 3 4] or grad(f, x) = .. become rows: NAME row column value, x as d/dx.
cells() {
    sed -n -e 's/^grad([^,]*, \(.*\)) = /d\/d\1 = /' -e 's/[][]//g' -e '/^#/d' -e 's/ = / /p' | awk '
        { n = split(substr($0, length($1) + 1), row, ";")
          for (i = 1; i <= n; i++) {
              m = split(row[i], x, /[ ,]+/)
              c = 0
              for (j = 1; j <= m; j++) if (x[j] != "") print $1, i - 1, c++, x[j]
          } }'
}

# NAMES: cells of matrices with a row per sample, as one tab-separated table.
samples() {
    awk -v names="$1" -v OFS='\t' '
        { x[$1, $2, $3] = $4
          if ($2 + 1 > rows[$1]) rows[$1] = $2 + 1
          if ($3 + 1 > cols[$1]) cols[$1] = $3 + 1 }
        END {
            n = split(names, name, " ")
            head = "sample"
            for (k = 1; k <= n; k++)
                for (j = 0; j < cols[name[k]]; j++)
                    head = head OFS name[k] (cols[name[k]] > 1 ? "[" j "]" : "")
            print head
            for (i = 0; i < rows[name[1]]; i++) {
                line = i
                for (k = 1; k <= n; k++)
                    for (j = 0; j < cols[name[k]]; j++) line = line OFS x[name[k], i, j]
                print line
            }
        }'
}

# NAME LOG: that column of a training log, behind the epoch.
column() {
    awk -F '\t' -v OFS='\t' -v name="$1" '
        NR == 1 { for (j = 1; j <= NF; j++) at[$j] = j; next }
        { print $at["epoch"], $at[name] }' "$2"
}

# LOG of many seeds, UNITS, LIMIT: mean of the dead units, seeds with all of them dead, seeds with a loss
# below LIMIT, median loss; tab-separated.
seeds() {
    awk -F '\t' -v OFS='\t' '
        NR == 1 { for (j = 1; j <= NF; j++) at[$j] = j; next }
        { loss = $at["loss"]
          if ($at["end"] == "not_finite" || loss > 1e12) loss = 1e12
          printf "%.12f%s%s\n", loss, OFS, $at["dead"] }' "$1" | sort -n | awk -F '\t' -v OFS='\t' -v units="$2" -v limit="$3" '
        { loss[NR] = $1
          dead += units*$2
          all += $2 == 1
          low += $1 < limit }
        END {
            median = loss[int((NR + 1)/2)]
            shown = median == 1e12 ? "not finite" : sprintf("%.3g", median)
            print sprintf("%.2f", dead/NR), all + 0, low + 0, shown
        }'
}

# NAME LOG: its value in the last row.
last() {
    column "$1" "$2" | awk -F '\t' 'END { print $2 }'
}

# Tab-separated rows, the first one a header, set in columns: the first to the left, the others right.
table() {
    awk -F '\t' '
        { for (j = 1; j <= NF; j++) {
              cell[NR, j] = $j
              if (length($j) > wide[j]) wide[j] = length($j)
          }
          if (NF > cols) cols = NF }
        END {
            total = 0
            for (j = 1; j <= cols; j++) total += wide[j] + 3
            gap = total > 78 ? "  " : "   "
            for (i = 1; i <= NR; i++) {
                out = ""
                for (j = 1; j <= cols; j++)
                    out = out sprintf("%s%" (j == 1 ? "-" : "") wide[j] "s", j == 1 ? "  " : gap, cell[i, j])
                sub(/ +$/, "", out)
                print out
                if (i == 1) {
                    for (line = "  "; length(line) < length(out); line = line "-") ;
                    print line
                }
            }
            print ""
        }'
}

# [FORMAT]: the long numbers of a table to 4 digits, or as the format says; short ones stay.
digits() {
    awk -F '\t' -v OFS='\t' -v format="${1:-%.4g}" '
        { for (j = 1; j <= NF; j++)
              if ($j ~ /^-?[0-9][0-9]*\.?[0-9]*(e[-+][0-9]+)?$/ && ($j ~ /[.e]/ || length($j) > 6))
                  $j = sprintf(format, $j)
          print }'
}

# One look for all pictures: colours that colour-blind people can tell apart (Okabe and Ito).
plot_style() { # NAME HEIGHT
    cat <<END
# gnuplot $1.gp draws $1.svg, gnuplot -e 'format="png"' $1.gp a $1.png, from $1.tsv
if (!exists("format")) format = "svg"
if (!exists("wide")) wide = 800
if (!exists("high")) high = $2
END
    cat <<'END'
set datafile separator "\t"
if (format ne "dumb") set border 3 linecolor rgb "#444444"
set tics nomirror out
unset mxtics
unset mytics
if (format ne "dumb") set grid linetype 1 linecolor rgb "#e4e4e4" linewidth 1
set key top right Left reverse noautotitle samplen 2.5 spacing 1.25
set linetype 1 linecolor rgb "#0072B2" linewidth 2.5 pointtype 7
set linetype 2 linecolor rgb "#D55E00" linewidth 2.5 pointtype 5
set linetype 3 linecolor rgb "#009E73" linewidth 2.5 pointtype 9
set linetype 4 linecolor rgb "#CC79A7" linewidth 2.5 pointtype 11
set linetype 5 linecolor rgb "#E69F00" linewidth 2.5 pointtype 13
set linetype 6 linecolor rgb "#56B4E9" linewidth 2.5 pointtype 6
set linetype 7 linecolor rgb "#000000" linewidth 2.5 pointtype 4
set linetype 8 linecolor rgb "#999999" linewidth 2.5 pointtype 8
END
    cat <<END
if (format eq "svg") set terminal svg size wide,high font "DejaVu Sans,15" background "white"
if (format eq "png") set terminal pngcairo size 2*wide,2*high font "DejaVu Sans,15" fontscale 1.7 linewidth 1.8 pointscale 1.6
if (format eq "dumb") set terminal dumb 79 26 enhanced
if (format ne "dumb") set output "$1.".format
END
}

no_program() { # PROGRAM PACKAGE: said once
    case $demo_missing in *"$1"*) return ;; esac
    demo_missing="$demo_missing $1"
    no_program_files=
    [ "$GPF_PLOT" = - ] || no_program_files=", but the files to draw them from are written"
    say "(There is no program '$1' here, so its pictures are not drawn$no_program_files. The numbers are
all there. On Debian: apt-get install $2.)"
}

# NAME COMMANDS [HEIGHT]: NAME.tsv, which is there already, drawn by gnuplot commands.
picture() {
    demo_pictures="$demo_pictures $1"
    case $GPF_PLOT in
    '') return ;;
    -) picture_to=. ;;
    *) picture_to=$GPF_PLOT && { cp "$1.tsv" "$picture_to" || stop "cannot write to $GPF_PLOT"; } ;;
    esac
    { plot_style "$1" "${3-500}" && printf '%s\n' "$2"; } >"$picture_to/$1.gp" ||
        stop "cannot write to $GPF_PLOT"
    if ! command -v gnuplot >/dev/null 2>&1; then
        no_program gnuplot gnuplot
    elif [ "$GPF_PLOT" = - ]; then
        gnuplot -e 'format="dumb"' "$1.gp" | tr -d '\f' | sed 's/ *$//' | single_spaced
        echo
    else
        (cd "$picture_to" && gnuplot "$1.gp" && gnuplot -e 'format="png"' "$1.gp") ||
            stop "gnuplot could not draw $1.gp"
        echo "(picture: $1.svg, $1.png)"
        echo
    fi
}

# NAME: NAME.dot, which is there already, drawn by Graphviz.
graph_picture() {
    demo_pictures="$demo_pictures $1"
    case $GPF_PLOT in
    '') return ;;
    -) say "(The graph $1 needs more room than a terminal has: --plot DIR draws it.)" && return ;;
    esac
    # from top to bottom: a slide is not as wide as a net is long
    sed 's/rankdir=LR/rankdir=TB/' "$1.dot" >"$GPF_PLOT/$1.dot" || stop "cannot write to $GPF_PLOT"
    if ! command -v dot >/dev/null 2>&1; then
        no_program dot graphviz
    else
        (cd "$GPF_PLOT" && dot -Tsvg "$1.dot" -o "$1.svg" && dot -Tpng -Gdpi=110 "$1.dot" -o "$1.png") ||
            stop "dot could not draw $1.dot"
        echo "(picture: $1.svg, $1.png)"
        echo
    fi
}

closing() { # at the end of every demonstration
    if [ -n "$GPF_PLOT" ] && [ "$GPF_PLOT" != - ]; then
        echo "Pictures, with what they are drawn from: $GPF_PLOT"
    elif [ -z "$GPF_PLOT" ] && [ -n "$demo_pictures" ]; then
        echo "With pictures:  gradproof demo $demo_name --plot DIR"
    fi
    # what was not written was not told: a full disk, a closed pipe
    echo "Open and change: $demo_folder/$demo_name.sh" || exit 2
}
