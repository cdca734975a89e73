# SPDX-License-Identifier: GPL-3.0-or-later
#
# Nothing a program was compiled against changes within a soname: exported functions, constants of
# enums, size and layout of structs are those of the record tests/abi.txt (x86-64). After a change
# and a new -version-info, `UPDATE=1 make check TESTS=tests/abi.sh` writes it anew.
. "$top_src/tests/lib.sh"

record=$top_src/tests/abi.txt

machine=$(echo __x86_64__ __LP64__ | $CC $CFLAGS -E -P -x c -)
[ "$machine" = "1 1" ] || skip_all "the record is of x86-64"

current() {
    echo "version-info: $(sed -n 's/.*-version-info \([0-9:]*\).*/\1/p' "$top_src/Makefile.am")"
    echo '#include <gradproof.h>' |
        $CC -std=c11 $CPPFLAGS -I"$top_src/include" -E -x c - >"$tmp/headers" &&
        awk -f "$top_src/tests/abi.awk" "$tmp/headers" >"$tmp/abi.c" &&
        $CC -std=c11 -w $CPPFLAGS -I"$top_src/include" "$tmp/abi.c" -o "$tmp/abi" &&
        "$tmp/abi" | LC_ALL=C sort
}
if ! current >"$tmp/abi.txt" 2>"$tmp/complaints"; then
    try "the headers are understood" cat "$tmp/complaints" /nonexistent
    finish
    exit
fi
[ -z "${UPDATE-}" ] || cp "$tmp/abi.txt" "$record" || exit 99

# RECORD CURRENT: says what changed and what to do about it.
compare() {
    awk '
        function worse(level) { if (level > needed) needed = level }
        function split_line() {
            key = $0
            sub(/: .*/, "", key)
            value = substr($0, length(key) + 3)
        }
        { split_line() }
        NR == FNR { old[key] = value; next }
        { new[key] = value }
        key ~ /^version-info/ { next }
        !(key in old) {
            parent = key
            if (sub(/\..*/, "", parent) && parent in old)
                next # said of the struct
            if (key !~ /\./) print key " is new"
            worse(1)
            next
        }
        old[key] == value { next }
        key ~ /^struct [^.]*$/ {
            split(old[key], a, " ")
            split(value, b, " ")
            print key " " (b[2] + 0 > a[2] + 0 ? "grew" : "shrank") ": " old[key] " -> " value
            worse(2)
            next
        }
        key ~ /^struct/ {
            # its offset alone: said once, of the field before it that changed
            print key " is another field: " old[key] " -> " value
            worse(2)
            next
        }
        key ~ /_N_[A-Z]+$/ { print key " counts more: " old[key] " -> " value; worse(1); next }
        { print key " changed: " old[key] " -> " value; worse(2) }
        END {
            for (key in old)
                if (!(key in new)) { print key " is gone"; worse(2) }
            if (!needed)
                exit 0
            info = old["version-info"]
            split(info, v, ":")
            same = info == new["version-info"]
            if (needed == 2)
                print "Programs built before would break. " (same ? "Bump -version-info" : "See that -version-info is bumped") \
                    " in Makefile.am from " info " to " v[1] + 1 ":0:0"
            else
                print "Programs built before go on working. " (same ? "Set -version-info" : "See that -version-info is") \
                    " in Makefile.am from " info " to " v[1] + 1 ":0:" v[3] + 1
            print "(once for each release; 0:0:0 stays until the first),"
            print "then run `UPDATE=1 make check TESTS=tests/abi.sh` and commit tests/abi.txt."
            exit 1
        }' "$1" "$2"
}

everything() {
    [ -s "$record" ] && compare "$record" "$tmp/abi.txt" && diff "$record" "$tmp/abi.txt"
}
try "the ABI is the recorded one ($(grep -c '^function' "$tmp/abi.txt") functions, $(grep -c '^enum' \
    "$tmp/abi.txt") constants, $(grep -c '^struct [^.]*:' "$tmp/abi.txt") structs)" everything

# The record has what the library really exports, if that can be seen.
library=$top_build/.libs/libgradproof.so
exported() {
    nm -D --defined-only "$library" | awk '{ print $NF }' | LC_ALL=C sort >"$tmp/exported"
    sed -n 's/^function \([^:]*\):.*/\1/p' "$tmp/abi.txt" | LC_ALL=C sort >"$tmp/recorded"
    diff "$tmp/exported" "$tmp/recorded"
}
case $CFLAGS in
*-fsanitize=*) skip "every exported function is in it" "sanitizers export names of their own" ;;
*) if [ -e "$library" ]; then
    try "every exported function is in it" exported
else
    skip "every exported function is in it" "no shared library was built"
fi ;;
esac

# The test itself, on changes that must be told apart.
caught() { # SED-EXPRESSION WHAT-IT-SAYS
    sed "$1" "$tmp/abi.txt" >"$tmp/changed"
    ! compare "$tmp/abi.txt" "$tmp/changed" >"$tmp/said_of_it" && cat "$tmp/said_of_it" &&
        grep "$2" "$tmp/said_of_it"
}
try "caught: a struct that grew" caught 's/^\(struct gpf_tally: size\) .*/\1 99999/' \
    "^struct gpf_tally grew: size .* -> size 99999"
try "caught: fields in another order" caught \
    's/^\(struct gpf_task.prediction: offset\) 0/\1 4/; s/^\(struct gpf_task.target: offset\) 4/\1 0/' \
    "^struct gpf_task.target is another field"
try "caught: an enum's constant" caught 's/^\(enum GPF_WRONG:\) 1/\1 2/' '^enum GPF_WRONG changed'
try "caught: a function that is gone" caught '/^function gpf_check_run:/d' 'check_run is gone'
try "caught: a function with other types" caught 's/^\(function gpf_check_run: \)int/\1long/' \
    'Bump -version-info in .* to 1:0:0'
try "caught: a new function" caught '$s/$/\nfunction gpf_new: int gpf_new(void)/' \
    'Set -version-info in .* to 1:0:1'
finish
