# SPDX-License-Identifier: GPL-3.0-or-later
#
# tests/threads under the thread sanitizer: the library's sources once more, without OpenMP, whose
# runtime the sanitizer does not understand.
. "$top_src/tests/lib.sh"

case $CFLAGS in *-fsanitize=*) skip_all "another sanitizer is at work" ;; esac
flags="-std=c11 -fopenmp-simd -fno-math-errno -fno-trapping-math -ffp-contract=off -w -O1 -g -fsanitize=thread"
printf 'int main(void)\n{\n    return 0;\n}\n' >"$tmp/probe.c"
$CC $flags "$tmp/probe.c" -o "$tmp/probe" >/dev/null 2>&1 && "$tmp/probe" ||
    skip_all "no thread sanitizer here"

mkdir "$tmp/o"
find "$top_src/src" -name '*.c' ! -name parser.c ! -name lexer.c >"$tmp/sources"
for generated in parser lexer; do
    file=$top_build/src/model/$generated.c
    [ -f "$file" ] || file=$top_src/src/model/$generated.c
    echo "$file"
done >>"$tmp/sources"
echo "$top_src/tests/threads/test_threads.c" >>"$tmp/sources"
{
    awk '{ o = $0; gsub(/[^a-z_0-9]/, "-", o); objects = objects " o/" o ".o"
            rules = rules "o/" o ".o: " $0 "\n\t$(COMPILE) -c " $0 " -o $@\n" }
        END { print "threads:" objects "\n\t$(LINK)" objects " $(LIBRARIES)\n" rules }' "$tmp/sources"
} >"$tmp/Makefile"

compiles() {
    (
        unset MAKEFLAGS MFLAGS MAKELEVEL
        "${MAKE:-make}" -s -C "$tmp" -j "$(nproc 2>/dev/null || echo 2)" threads \
            COMPILE="$CC -DHAVE_CONFIG_H -I$top_build -I$top_src/include -I$top_src/src -I$top_build/src $CPPFLAGS $flags" \
            LINK="$CC $flags -pthread $LDFLAGS -o threads" LIBRARIES="$test_libs"
    )
}
sanitized() {
    (cd "$tmp" && TSAN_OPTIONS=halt_on_error=0:exitcode=66 ./threads) >"$tmp/output" 2>&1
    sanitized_status=$?
    cat "$tmp/output"
    [ $sanitized_status -eq 0 ] && ! grep -q 'WARNING: ThreadSanitizer' "$tmp/output"
}
try "the library under the thread sanitizer" compiles
try "tests/threads under it" sanitized

# The sanitizer itself, on a race that is one.
cat >"$tmp/race.c" <<'END'
#include <pthread.h>
static int n;
static void *add(void *arg)
{
    n++;
    return arg;
}
int main(void)
{
    pthread_t other;
    pthread_create(&other, 0, add, 0);
    add(0);
    pthread_join(other, 0);
    return 0;
}
END
race() {
    $CC $flags "$tmp/race.c" -o "$tmp/race" -pthread &&
        ! TSAN_OPTIONS=exitcode=66 "$tmp/race" >"$tmp/output" 2>&1 && grep 'data race' "$tmp/output"
}
try "caught: a race" race
finish
