# SPDX-License-Identifier: GPL-3.0-or-later
#
# The shared library exports what the headers declare with GPF_API, and nothing else.
. "$top_src/tests/lib.sh"

case $CFLAGS in *-fsanitize=*) skip_all "sanitizers export names of their own" ;; esac
library=$top_build/.libs/libgradproof.so
[ -e "$library" ] || skip_all "no shared library was built"

# The compiler expands the op lists; a declaration is what carries the attribute up to its ';'.
echo '#include <gradproof.h>' | $CC $CPPFLAGS -I"$top_src/include" -E -P -x c - | tr '\n' ' ' |
    tr ';{}' '\n\n\n' | grep -F 'visibility("default")' |
    sed 's/.*visibility("default") *)) *//; s/ *(.*//; s/.*[ *]//' | LC_ALL=C sort >"$tmp/declared"
nm -D --defined-only "$library" | awk '{ print $NF }' | LC_ALL=C sort >"$tmp/exported"

is_api() {
    [ -s "$tmp/declared" ] && ! grep -v '^gpf_[a-z0-9]' "$tmp/declared" && ! grep '^gpf__' \
        "$tmp/declared"
}
try "declared names begin with gpf_" is_api
try "exported and declared names are the same ($(wc -l <"$tmp/declared"))" \
    diff "$tmp/declared" "$tmp/exported"
finish
