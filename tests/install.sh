# SPDX-License-Identifier: GPL-3.0-or-later
#
# The installed package, found through pkg-config, is enough for the examples that are installed with
# it: programs, plugins, programs in other languages, models; in C and in C++, shared and static.
# `make check' installs into a staging directory; `make installcheck' (installed=yes) looks at what was
# installed, under DESTDIR if that is given.
. "$top_src/tests/lib.sh"

case $CFLAGS in *-fsanitize=*) skip_all "a sanitized library is not installed" ;; esac

install_it() {
    # Its own make: neither this one's job slots nor its idea of what was made already.
    (unset MAKEFLAGS MFLAGS MAKELEVEL && cd "$top_build" && "${MAKE:-make}" install DESTDIR="$stage")
}
if [ "${installed-}" = yes ]; then
    stage=${stage-}
else
    stage=$tmp/stage
    try "make install" install_it
fi
share=$stage$pkgdatadir
PATH=$stage$bindir:$PATH
LD_LIBRARY_PATH=$stage$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# As if the staging directory were the root: every absolute directory of the .pc file moves there.
sed "s|^\([a-z_]*\)=/|\1=$stage/|" "$stage$libdir/pkgconfig/gradproof.pc" >"$tmp/gradproof.pc"
PKG_CONFIG_PATH=$tmp${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
export PATH LD_LIBRARY_PATH PKG_CONFIG_PATH

libs_only_what_a_program_needs() {
    pkg-config --exists --print-errors gradproof && pkg-config --libs gradproof &&
        ! pkg-config --libs gradproof | grep gslcblas
}
try "pkg-config finds it, without gslcblas" libs_only_what_a_program_needs

# Some read examples/..., some write files: not into the installed tree.
mkdir "$tmp/here" && ln -s "$share" "$tmp/here/examples" || exit 99

runs() {
    (cd "$tmp/here" && "$tmp/program") >"$tmp/output" 2>&1 ||
        { tail -n 20 "$tmp/output" && return 1; }
}
compiles_and_runs() { # SOURCE COMPILER...
    car_source=$1
    shift
    "$@" "$car_source" -o "$tmp/program" $(pkg-config --cflags --libs gradproof) -lm && runs
}
static_library=$stage$libdir/libgradproof.a
statically() { # SOURCE
    statically_libs=$(pkg-config --static --libs gradproof | sed "s|-lgradproof|$static_library|")
    $CC -std=c11 "$1" -o "$tmp/program" $(pkg-config --cflags gradproof) $statically_libs -lm &&
        ! ldd "$tmp/program" | grep libgradproof && runs
}
for program in "$share"/*.c "$share"/gsl/*.c; do
    [ -f "$program" ] || continue
    name=${program#"$share/"}
    try "$name as C" compiles_and_runs "$program" $CC -std=c11
    if have_cxx; then
        # By its suffix: -x c++ would also hold for the libraries behind it.
        cp "$program" "$tmp/program.cc"
        try "$name as C++" compiles_and_runs "$tmp/program.cc" $CXX -std=c++17
    else
        skip "$name as C++" "no C++ compiler"
    fi
    if [ -f "$static_library" ]; then
        try "$name with the static library" statically "$program"
    else
        skip "$name with the static library" "none is installed"
    fi
done

# What the comments of plugins and foreign programs say to do, done: lines that begin with a compiler or
# with `gradproof'; `prints:' is in the output of the line before, however that is broken into lines.
told() { # SOURCE
    sed -n '/^[ *!#]* *\(cc\|gfortran\|gradproof check\|prints:\) /{s/^[ *!#]*//;p;}' "$1"
}
words() {
    tr -s '[:space:]' ' '
}
followed() { # SOURCE
    mkdir -p "$tmp/there" && cp "${1%/*}"/* "$tmp/there" && cd "$tmp/there" || return 1
    followed_n=0
    told "$1" >"$tmp/told"
    while read -r followed_line; do
        followed_n=$((followed_n + 1))
        case $followed_line in
        *npy*) python3 -c 'import numpy' 2>/dev/null || break ;;
        esac
        case $followed_line in
        prints:*)
            words <"$tmp/output" | grep -F -e "$(echo "${followed_line#prints: }" | words | sed 's/ $//')" ||
                { echo "$followed_line" && cat "$tmp/output" && return 1; }
            ;;
        cc\ *) eval "$CC ${followed_line#cc }" || return 1 ;;
        gfortran\ *) eval "$followed_line" || return 1 ;;
        gradproof\ *)
            eval "$followed_line" </dev/null >"$tmp/output" 2>&1
            [ $? -ne 2 ] || { echo "$followed_line" && cat "$tmp/output" && return 1; }
            ;;
        esac
    done <"$tmp/told"
    [ $followed_n -gt 1 ]
}
for source in "$share"/wrong/*.c "$share"/exec/*.*; do
    [ -f "$source" ] || continue
    name=${source#"$share/"}
    case $name in
    *.f90) needed=gfortran ;;
    *.py) needed=python3 ;;
    *) needed=true ;;
    esac
    if command -v $needed >/dev/null 2>&1; then
        try "$name, as its comment says" followed "$source"
    else
        skip "$name, as its comment says" "no $needed"
    fi
done
# A plugin needs GSL and nothing of gradproof.
without_gradproof() {
    for source in "$share"/wrong/*.c; do
        ! grep -n 'include.*gradproof' "$source" || return 1
        $CC -shared -fPIC "$source" -o "$tmp/plugin.so" $(pkg-config --cflags --libs gsl) -lm || return 1
    done
}
if [ -d "$share/wrong" ]; then
    try "plugins need nothing but GSL" without_gradproof
fi

installed_command() {
    gradproof --version && gradproof --help && (cd "$share" && gradproof check --quiet xor.gpf)
}
try "the installed command" installed_command
# Every model is read and answered: right, wrong or untested, but never trouble.
installed_models() {
    for model in "$share"/*.gpf; do
        gradproof check --quiet "$model" >"$tmp/output" 2>&1
        [ $? -ne 2 ] || { echo "$model" && cat "$tmp/output" && return 1; }
    done
}
try "the installed models" installed_models

# From its own share directory, though another prefix was configured.
installed_demos() {
    cd / && gradproof demo >"$tmp/output" && cat "$tmp/output" &&
        grep "$stage.*/demo" "$tmp/output" &&
        gradproof demo zero-init >"$tmp/output" && tail -n 2 "$tmp/output"
}
try "the installed demonstrations" installed_demos

manual_pages() {
    man3=$stage$mandir/man3
    for name in gradproof gradproof-check gpf_check_run gpf_add gpf_element; do
        [ -s "$man3/$name.3" ] || { echo "$man3/$name.3" && return 1; }
    done
    grep -x '.so man3/gradproof-check.3' "$man3/gpf_check_run.3" &&
        [ "$(ls "$man3" | grep -c '^gpf_')" -gt 300 ] && {
        ! command -v man >/dev/null 2>&1 || ! man --version 2>/dev/null | grep -q '^man ' ||
            man -M "$stage$mandir" -P cat gpf_check_run | grep 'gpf_check_run(gpf_check'
    }
}
try "man gpf_check_run" manual_pages

# Nothing is left behind, but only a staging directory is ours to empty.
if [ "${installed-}" != yes ]; then
    uninstalls() {
        (unset MAKEFLAGS MFLAGS MAKELEVEL && cd "$top_build" && "${MAKE:-make}" uninstall DESTDIR="$stage") &&
            ! find "$stage" -type f | grep . && ! find "$stage" -type l | grep .
    }
    try "make uninstall" uninstalls
fi
finish
