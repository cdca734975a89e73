# SPDX-License-Identifier: GPL-3.0-or-later
#
# The shared library exports what the headers declare with GPF_API, and nothing else; the static one
# has no names but its own. Neither can print, exit, change the locale or the error handler, or keep
# state, because what that takes is not in them.
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

# What a library that is a guest in a program does not call. It reads one variable, GRADPROOF_CPU.
forbidden='exit _exit _Exit quick_exit atexit abort raise kill signal sigaction
    printf vprintf puts putchar perror psignal stdout stderr
    __printf_chk __vprintf_chk __assert_fail err errx warn warnx syslog
    setlocale gsl_set_error_handler gsl_set_error_handler_off gsl_error_handler_t
    gsl_stream_printf gsl_set_stream gsl_set_stream_handler gsl_rng_env_setup gsl_ieee_env_setup
    srand rand random srandom rand_r drand48 srand48 setenv putenv unsetenv clearenv
    system popen fork execl execlp execv execvp posix_spawn
    chdir umask alarm setitimer sleep strtok asctime localtime gmtime strerror
    fesetround feenableexcept feholdexcept gets mktemp tmpnam dlopen pthread_create thrd_create'
calls_none() { # LIBRARY
    nm -u "$1" | awk 'NF { sub(/@.*/, "", $NF); print $NF }' | sort -u >"$tmp/needed"
    [ -s "$tmp/needed" ] || return 1
    for name in $forbidden; do
        ! grep -x "$name" "$tmp/needed" || return 1
    done
}
try "it calls nothing that a guest does not" calls_none "$library"

# Mutable data, each with its reason; all else is constant. From the compiler: what constructors and
# __builtin_cpu_supports keep.
#   gpf__cpu_found    the CPU, and
#   gpf__blas_found   the CBLAS, found once: atomics, and two threads that look find the same
state='gpf__cpu_found gpf__blas_found
    completed.0 __dso_handle __TMC_END__ _edata __bss_start _end __cpu_model __cpu_features2
    data_start __data_start'
keeps_nothing() { # LIBRARY
    nm -f sysv "$1" | awk -F'|' '{ gsub(/ /, ""); gsub(/[^A-Za-z0-9_.|]/, "") }
        $7 ~ /^[.](data|bss|tdata|tbss)/ && $7 !~ /rel[.]ro/ { print $1 }' | sort -u >"$tmp/mutable"
    for name in $state; do
        grep -vx "$name" "$tmp/mutable" >"$tmp/rest"
        mv "$tmp/rest" "$tmp/mutable"
    done
    ! grep . "$tmp/mutable"
}
try "it keeps no state" keeps_nothing "$library"

# Static: the objects a libgradproof.a is made of, before symbols are hidden.
objects=
for archive in "$top_build"/.libs/libgpf_core.a "$top_build"/.libs/libgpf_generated.a \
    "$top_build"/.libs/libgradproof.a; do
    [ ! -e "$archive" ] || objects="$objects $archive"
done
own_names() {
    nm -g --defined-only $objects | awk 'NF == 3 { print $3 }' | sort -u >"$tmp/names"
    LC_ALL=C comm -23 "$tmp/declared" "$tmp/names" >"$tmp/lacking"
    [ -s "$tmp/names" ] && ! grep . "$tmp/lacking" && ! grep -v '^gpf_' "$tmp/names"
}
statically() {
    for archive in $objects; do
        case $archive in *generated*) ;; *) calls_none "$archive" || return 1 ;; esac
    done
}
if [ -n "$objects" ]; then
    try "static: every declared name, and none that is not gpf_.." own_names
    try "static: it calls nothing that a guest does not" statically
else
    skip "static: every declared name, and none that is not gpf_.." "no static objects"
    skip "static: it calls nothing that a guest does not" "no static objects"
fi

# The test itself.
cat >"$tmp/rude.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
int counter;
int gpf_rude(int x)
{
    if (x < 0)
        exit(1);
    return counter += x;
}
END
rude() {
    $CC $CFLAGS -fPIC -shared "$tmp/rude.c" -o "$tmp/rude.so" || return 1
    ! calls_none "$tmp/rude.so" && ! keeps_nothing "$tmp/rude.so" && grep -x counter "$tmp/mutable"
}
try "caught: exit() and a counter" rude
finish
