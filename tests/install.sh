# SPDX-License-Identifier: GPL-3.0-or-later
#
# `make install` into a staging directory; then the installed library, found through pkg-config,
# is enough for the programs in examples/, in C and in C++, and the installed command runs.
. "$top_src/tests/lib.sh"

case $CFLAGS in *-fsanitize=*) skip_all "a sanitized library is not installed" ;; esac
stage=$tmp/stage

install_it() {
    # Its own make: neither this one's job slots nor its idea of what was made already.
    (unset MAKEFLAGS MFLAGS MAKELEVEL && cd "$top_build" && "${MAKE:-make}" install DESTDIR="$stage")
}
try "make install" install_it

# As if the staging directory were the root: every absolute directory of the .pc file moves there.
sed "s|^\([a-z_]*\)=/|\1=$stage/|" "$stage$libdir/pkgconfig/gradproof.pc" >"$tmp/gradproof.pc"
PKG_CONFIG_PATH=$tmp${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
LD_LIBRARY_PATH=$stage$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export PKG_CONFIG_PATH LD_LIBRARY_PATH

libs_only_what_a_program_needs() {
    pkg-config --exists --print-errors gradproof && pkg-config --libs gradproof &&
        ! pkg-config --libs gradproof | grep gslcblas
}
try "pkg-config finds it, without gslcblas" libs_only_what_a_program_needs

compiles_and_runs() { # SOURCE COMPILER...
    car_source=$1
    shift
    "$@" "$car_source" -o "$tmp/program" $(pkg-config --cflags --libs gradproof) -lm &&
        (cd "$top_src" && "$tmp/program") >"$tmp/output" ||
        { tail -n 20 "$tmp/output" && return 1; }
}
for program in "$top_src"/examples/*.c; do
    [ -f "$program" ] || continue
    name=${program#"$top_src/"}
    try "$name as C" compiles_and_runs "$program" $CC -std=c11
    if have_cxx; then
        # By its suffix: -x c++ would also hold for the libraries behind it.
        cp "$program" "$tmp/program.cc"
        try "$name as C++" compiles_and_runs "$tmp/program.cc" $CXX -std=c++17
    else
        skip "$name as C++" "no C++ compiler"
    fi
done

installed_command() {
    "$stage$bindir/gradproof" --version && "$stage$bindir/gradproof" --help &&
        (cd "$top_src" && "$stage$bindir/gradproof" check --quiet examples/xor.gpf)
}
try "the installed command" installed_command

# From its own share directory, though another prefix was configured.
installed_demos() {
    cd / && "$stage$bindir/gradproof" demo >"$tmp/output" && cat "$tmp/output" &&
        grep "$stage.*/demo" "$tmp/output" &&
        "$stage$bindir/gradproof" demo zero-init >"$tmp/output" && tail -n 2 "$tmp/output"
}
try "the installed demonstrations" installed_demos
finish
