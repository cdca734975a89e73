# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every demonstration runs without a complaint, draws what it says it draws, and does without
# gnuplot and Graphviz; the models beside them can be read, and their claims hold.
. "$top_src/tests/lib.sh"

GRADPROOF_DEMOS=$top_src/examples/demo
export GRADPROOF_DEMOS
gradproof=$top_build/gradproof

# The same PATH without the programs that draw.
mkdir "$tmp/bin" || exit 99
for program in awk basename cat chmod cp cut date diff dirname env expr fold grep head ln ls mkdir mktemp mv \
    paste pwd rm sed seq sh sleep sort tail tee touch tr uniq wc; do
    at=$(command -v $program) && ln -s "$at" "$tmp/bin/$program"
done

demos=$("$gradproof" demo | awk '/^  [a-z]/ { print $1 }')

all_are_listed() {
    for script in "$GRADPROOF_DEMOS"/*.sh; do
        name=$(basename "$script" .sh)
        [ "$name" = lib ] || printf '%s\n' "$demos" | grep -x "$name" || {
            echo "$name is not listed by gradproof demo"
            return 1
        }
    done
}
try "all are listed" all_are_listed

quiet() { # COMMAND...: succeeds, prints something, and nothing on standard error
    "$@" >"$tmp/stdout" 2>"$tmp/stderr" </dev/null
    quiet_status=$?
    cat "$tmp/stderr"
    [ $quiet_status -eq 0 ] || { tail -n 5 "$tmp/stdout" && echo "exit status $quiet_status"; }
    [ $quiet_status -eq 0 ] && [ -s "$tmp/stdout" ] && [ ! -s "$tmp/stderr" ]
}

narrow() { # everything can be read on a slide, but for the paths at the end
    awk 'length > 80 && !/^(Open and change|Pictures, )/ { print; bad = 1 }
        END { exit bad }' "$tmp/stdout"
}

told() { # the first thing under the title is a sentence, not a table or a command
    sed -n 5p "$tmp/stdout" | grep '^[A-Za-z]'
}

drawn() { # NAME: without the programs that draw, but their files are written
    rm -rf "$tmp/bare"
    quiet env PATH="$tmp/bin" "$gradproof" demo "$1" --plot "$tmp/bare" && narrow && told || return 1
    set -- "$tmp/bare"/*
    [ ! -e "$1" ] || grep 'apt-get install' "$tmp/stdout"
}

pictures() { # NAME: each .gp and .dot has become an SVG and a PNG
    rm -rf "$tmp/pictures"
    quiet "$gradproof" demo "$1" --plot "$tmp/pictures" && narrow && told || return 1
    for source in "$tmp/pictures"/*.gp "$tmp/pictures"/*.dot; do
        [ -e "$source" ] || continue
        grep -q '^# gnuplot\|digraph' "$source" || return 1
        picture=${source%.*}
        case $source in *.gp) [ -s "$picture.tsv" ] || return 1 ;; esac
        grep -q '</svg>' "$picture.svg" && [ -s "$picture.png" ] || {
            echo "$picture.svg or .png is not there"
            return 1
        }
    done
}

# All of them with pictures where they can be drawn; where not, and one with both kinds, without.
for name in $demos; do
    if command -v gnuplot >/dev/null 2>&1 && command -v dot >/dev/null 2>&1; then
        try "$name with pictures" pictures "$name"
    else
        skip "$name with pictures" "no gnuplot or no Graphviz"
        try "$name" drawn "$name"
    fi
done
try "dying-relu without gnuplot and Graphviz" drawn dying-relu
in_the_terminal() {
    quiet "$gradproof" demo relu-at-zero --plot - && grep 'step h' "$tmp/stdout"
}
if command -v gnuplot >/dev/null 2>&1; then
    try "relu-at-zero in the terminal" in_the_terminal
else
    skip "relu-at-zero in the terminal" "no gnuplot"
fi

claims_hold() { # MODEL: it can be read, and its claims hold if it has any
    if grep -q '^claim' "$1"; then
        "$gradproof" check --claims only "$1"
    else
        "$gradproof" graph "$1" >/dev/null
    fi
}
for model in "$GRADPROOF_DEMOS"/*.gpf; do
    try "claims of ${model##*/}" claims_hold "$model"
done

refuses() { # TEXT ARGUMENT..: exit status 2 and a message with TEXT
    refuses_text=$1
    shift
    "$gradproof" demo "$@" >"$tmp/stdout" 2>"$tmp/stderr"
    [ $? -eq 2 ] && grep -e "$refuses_text" "$tmp/stderr"
}
try "an unknown name" refuses 'zero-init' zero-int
try "no path for a name" refuses 'is no demonstration' ../demo/xor
try "the library is none" refuses 'is no demonstration' lib
try "a folder that cannot be made" refuses 'cannot make' xor --plot "$tmp/a/b"
try "a file for a folder" refuses 'no folder' xor --plot "$top_src/README.md"
try "--plot without a name" refuses 'NAME' --plot -
no_folder() {
    GRADPROOF_DEMOS=$tmp/none refuses 'GRADPROOF_DEMOS'
}
try "no folder of demonstrations" no_folder
no_shell() { # past libtool's wrapper, which is a script itself
    real=$top_build/.libs/gradproof
    [ -x "$real" ] || real=$gradproof
    env PATH="$tmp/none" "$real" demo xor >"$tmp/stdout" 2>"$tmp/stderr"
    [ $? -eq 2 ] && grep 'cannot run sh' "$tmp/stderr"
}
try "no shell" no_shell
listed() { # in 80 columns
    "$gradproof" demo >"$tmp/stdout" && sed 1d "$tmp/stdout" >"$tmp/list" &&
        [ -s "$tmp/list" ] && ! grep -E '.{81}' "$tmp/list"
}
try "the list in 80 columns" listed

# As a lecturer does: both folders copied, a model changed, the script run by itself.
copied() {
    mkdir "$tmp/mine" && cp -R "$top_src/examples/demo" "$tmp/mine/demo" &&
        chmod -R u+w "$tmp/mine/demo" && cd "$tmp/mine" || return 1
    sed 's/x = 0$/x = 0.5/' demo/relu-sum.gpf >changed && mv changed demo/relu-sum.gpf || return 1
    GRADPROOF=$gradproof sh demo/relu-at-zero.sh >"$tmp/stdout" 2>"$tmp/stderr" && return 1
    grep "copy the folder 'data' too" "$tmp/stderr" && [ ! -s "$tmp/stdout" ] || return 1
    ln -s "$top_src/examples/data" data
    GPF_PLOT=new/pictures GRADPROOF=$gradproof quiet sh demo/relu-at-zero.sh || return 1
    grep 'x = 0.5' "$tmp/stdout" && [ -s new/pictures/relu-at-zero-steps.tsv ]
}
try "a copy that was changed" copied
no_command() {
    GRADPROOF=$tmp/none sh "$GRADPROOF_DEMOS/xor.sh" >"$tmp/stdout" 2>"$tmp/stderr"
    [ $? -eq 2 ] && grep "no command '$tmp/none'" "$tmp/stderr" && [ ! -s "$tmp/stdout" ]
}
try "no command" no_command
status_of_the_script() {
    mkdir -p "$tmp/mine" && printf '# demo: mine\nexit 7\n' >"$tmp/mine/mine.sh" || return 1
    GRADPROOF_DEMOS=$tmp/mine "$gradproof" demo mine
    [ $? -eq 7 ]
}
try "the exit status is the script's" status_of_the_script
finish
