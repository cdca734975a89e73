# SPDX-License-Identifier: GPL-3.0-or-later
#
# check --plugin and check --exec. First every file of examples/wrong and examples/exec: the commands in
# its leading comment build and check it, and the lines "prints: .." behind a command are in what that
# prints. Then everything that a library, a program or a user may do wrong.
. "$top_src/tests/lib.sh"

gradproof=$top_build/gradproof
examples=$top_src/examples
PYTHON=${PYTHON-python3}
mkdir "$tmp/run" && cd "$tmp/run" || exit 99

# The words of a text, however they are broken into lines.
words() {
    tr -s '[:space:]' ' '
}

says() { # TEXT: stdin or $tmp/out has it
    words <"$tmp/out" >"$tmp/words"
    grep -qF -- "$1" "$tmp/words" || { echo "no '$1' in:" && cat "$tmp/out" && return 1; }
}

# STATUS TEXT COMMAND...: prints the text somewhere, and with --json valid JSON, with the same status.
expect() {
    expect_status=$1
    expect_text=$2
    shift 2
    "$@" >"$tmp/out" 2>&1 </dev/null
    expect_got=$?
    [ $expect_got -eq "$expect_status" ] ||
        { echo "status $expect_got" && cat "$tmp/out" && return 1; }
    says "$expect_text" || return
    "$@" --json >"$tmp/json" 2>"$tmp/out" </dev/null
    expect_got=$?
    [ $expect_got -eq "$expect_status" ] || { echo "status $expect_got with --json" && return 1; }
    if [ -n "$json" ]; then
        $json <"$tmp/json" >/dev/null || { cat "$tmp/json" && return 1; }
    else
        grep -q '"schema"' "$tmp/json"
    fi
}
json=
for python in "$PYTHON" python3 /usr/bin/python3; do
    ! command -v "$python" >/dev/null 2>&1 || { json="$python -m json.tool" && break; }
done

plugin() { # FILE OPTION...
    plugin_file=$1
    shift
    "$gradproof" check --plugin "./$plugin_file" "$@"
}
ask() { # COMMAND OPTION...
    ask_command=$1
    shift
    "$gradproof" check --exec "$ask_command" "$@"
}

# The examples.

shared() { # SOURCE LIBRARY
    ${CC-cc} -shared -fPIC $CPPFLAGS $CFLAGS $LDFLAGS -o "$2" "$1" $LIBS
}

# SOURCE, whose comment has a command: not as it stands there, but with this build's compiler and flags.
run_line() {
    case $2 in
    "cc -shared"*) shared "$1" "$(basename "$1" .c).so" ;;
    "cc "*) ${CC-cc} $CFLAGS $LDFLAGS -o "$(basename "$1" .c)" "$1" -lm ;;
    "gfortran "*) gfortran -o "$(basename "$1" .f90)_f" "$1" ;;
    "gradproof "*) sh -c "$(printf '%s\n' "$2" | sed "s|^gradproof|'$gradproof'|;s|python3|$python|")" ;;
    esac
}

example() { # SOURCE
    ln -sf "$1" .
    grep -E '^( \*|!)?    ? *(cc|gfortran|gradproof|prints:) ' "$1" | sed 's/^[ *!]*//' >"$tmp/lines"
    grep -q '^prints:' "$tmp/lines" || { echo "it prints nothing" && return 1; }
    while IFS= read -r example_line; do
        case $example_line in
        "prints: "*)
            says "${example_line#prints: }" || return
            case $example_line in
            "prints: WRONG"*) [ $example_status -eq 1 ] || return ;;
            "prints: right"*) [ $example_status -eq 0 ] || return ;;
            esac
            ;;
        *)
            run_line "$1" "$example_line" >"$tmp/out" 2>&1 </dev/null
            example_status=$?
            case $example_line in
            gradproof*) ;;
            *) [ $example_status -eq 0 ] || { cat "$tmp/out" && return 1; } ;;
            esac
            ;;
        esac
    done <"$tmp/lines"
}

for source in "$examples"/wrong/*.c "$examples"/exec/*.c; do
    try "${source#"$top_src/"}" example "$source"
done
for python in "$PYTHON" /usr/bin/python3 ''; do
    ! "$python" -c 'import numpy' 2>/dev/null || break
done
if [ -n "$python" ]; then
    try "examples/exec/logistic.py with NumPy" example "$examples/exec/logistic.py"
else
    skip "examples/exec/logistic.py with NumPy" "no NumPy"
fi
if [ -n "$json" ]; then
    try "examples/exec/logistic.py, NumPy or not" expect 0 'right: all 3 entries' \
        ask "${json%% *} -S logistic.py" --at 0.3,-0.8,1.1
else
    skip "examples/exec/logistic.py, NumPy or not" "no Python"
fi
if command -v gfortran >/dev/null 2>&1; then
    try "examples/exec/logistic.f90" example "$examples/exec/logistic.f90"
else
    skip "examples/exec/logistic.f90" "no gfortran"
fi
ln -sf "$examples/exec/logistic.py" .

# Plugins.

cat >bad.c <<'C'
#include <gsl/gsl_errno.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <gsl/gsl_multimin.h>
#include <gsl/gsl_multiroots.h>
#include <gsl/gsl_odeiv2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What happens in df once x[0] has left 0.5; and in f. */
static double f(const gsl_vector *x, void *p)
{
    (void)p;
    return gsl_vector_get(x, 0) * gsl_vector_get(x, 0) * gsl_vector_get(x, 1);
}
static void df(const gsl_vector *x, void *p, gsl_vector *g)
{
    (void)p;
    gsl_vector_set(g, 0, 2 * gsl_vector_get(x, 0) * gsl_vector_get(x, 1));
    gsl_vector_set(g, 1, gsl_vector_get(x, 0) * gsl_vector_get(x, 0));
}
#define BAD(name, what)                                           \
    static void df_##name(const gsl_vector *x, void *p, gsl_vector *g) \
    {                                                             \
        df(x, p, g);                                              \
        what;                                                     \
    }                                                             \
    gsl_multimin_function_fdf name = { f, df_##name, 0, 2, 0 };
static double deep(volatile double *x)
{
    volatile double y[1000];
    y[0] = *x + 1;
    return y[0] > 0 ? deep(y) + 1 : 0;
}
BAD(crash, *(volatile int *)16 = 1)
BAD(aborts, abort())
BAD(hangs, for (;;) pause())
BAD(spins, for (volatile int i = 0;; i++))
BAD(error, GSL_ERROR_VOID("no such table", GSL_EINVAL))
BAD(exits, exit(7))
BAD(exits_well, exit(0))
BAD(overflow, gsl_vector_set(g, 0, deep(x->data)))
BAD(frees, char *volatile at = malloc(64); free(at + 8))
BAD(killed, raise(SIGKILL))
BAD(prints, puts("{ noise"))
BAD(fine, )
BAD(forks, if (fork() == 0) { sleep(5); _exit(0); })
BAD(closes, for (int i = 3; i < 99; i++) close(i))
static double crash_in_f(const gsl_vector *x, void *p)
{
    if (gsl_vector_get(x, 0) != 0.5)
        raise(SIGFPE);
    return f(x, p);
}
gsl_multimin_function_fdf late = { crash_in_f, df, 0, 2, 0 };
gsl_multimin_function_fdf empty;
gsl_multimin_function_fdf huge = { f, df, 0, (size_t)-1, 0 };
gsl_multimin_function_fdf *pointer = &fine;
const char fine_kind[] = "multimin";
extern gsl_multimin_function_fdf spelled;
gsl_multimin_function_fdf spelled = { f, df, 0, 2, 0 };
const char spelled_kind[] = "multimim";
static int rhs(double t, const double y[], double dydt[], void *p)
{
    (void)p;
    dydt[0] = -t * y[0] + y[1];
    dydt[1] = y[0] * y[1];
    return t > 3 ? *(volatile int *)16 : 0;
}
static int jacobian(double t, const double y[], double *dfdy, double dfdt[], void *p)
{
    (void)p;
    dfdy[0] = -t;
    dfdy[1] = 1;
    dfdy[2] = y[1];
    dfdy[3] = y[0];
    dfdt[0] = -y[0];
    dfdt[1] = 0;
    return 0;
}
gsl_odeiv2_system ode = { rhs, jacobian, 2, 0 };
C
cat >load.c <<'C'
#include <stdlib.h>
__attribute__((constructor)) static void begin(void)
{
    abort();
}
C
# Under the address sanitizer a crash is an exit with its report.
crashed='crashed: Segmentation fault'
case $CFLAGS in *sanitize*) crashed='ended the process, exit status 1' ;; esac
try "the bad library builds" shared bad.c bad.so
try "the library that aborts builds" shared load.c load.so

p() { # SYMBOL OPTION...
    p_symbol=$1
    shift
    plugin bad.so --symbol "$p_symbol" --at 0.5,2 "$@"
}
try "a fine one" expect 0 'right: all 2 entries of df' p fine
try "crashes" expect 2 "./bad.so: df of crash at x = (0.5, 2) $crashed" p crash
try "aborts" expect 2 'df of aborts at x = (0.5, 2) aborted' p aborts
try "hangs" expect 2 'df of hangs at x = (0.5, 2) did not return within 0.3 s' \
    p hangs --time-limit 0.3
try "spins" expect 2 'df of spins at x = (0.5, 2) did not return within 0.3 s' \
    p spins --time-limit 0.3
try "raises a GSL error" expect 0 'df raised a GSL error, invalid argument supplied by user: no such table' \
    p error
try "calls exit" expect 2 'df of exits at x = (0.5, 2) ended the process, exit status 7' p exits
try "calls exit(0)" expect 2 'ended the process, exit status 0' p exits_well
try "recurses for ever" expect 2 'df of overflow at x = (0.5, 2)' p overflow
try "corrupts the heap" expect 2 'df of frees at x = (0.5, 2)' p frees
try "is killed" expect 2 'df of killed at x = (0.5, 2) was killed' p killed
try "leaves a process behind" expect 0 'right: all 2 entries of df' p forks
try "closes files" expect 2 'no result came' p closes
try "prints" expect 0 'right: all 2 entries of df' p prints
try "crashes in f, beside the point" expect 2 'f of late at x = (' p late
try "has no functions" expect 2 'empty' p empty
try "has too many variables" expect 2 'huge has 18446744073709551615 variables' p huge
try "crashes when it is loaded" expect 2 'loading it aborted' plugin load.so --symbol x --at 1
try "no time limit" expect 0 'right: all 2 entries' p fine --time-limit 0
try "no library" expect 2 'absent.so: cannot open shared object file' \
    plugin absent.so --symbol x --at 1
try "no library, but a text" expect 2 'bad.c' plugin bad.c --symbol x --at 1
try "no symbol" expect 2 './bad.so exports no nothing' p nothing
try "a function" expect 2 'df_fine' p df_fine
try "a pointer" expect 2 'pointer is a pointer; what is needed is the gsl_multimin_function_fdf' \
    p pointer
try "no such kind" expect 2 "there is no kind 'multi', but function, multimin, multiroot" \
    p fine --kind multi
try "no such kind in the library" expect 2 "spelled_kind: there is no kind 'multimim'" p spelled
try "another kind" expect 2 'fine has 40 bytes, a gsl_multifit_nlinear_fdf 72; that is the size of --kind multimin' \
    p fine --kind multifit_nlinear
try "another kind, by default" expect 2 'without --kind or an exported ode_kind it is taken for multimin' \
    p ode
try "odeiv2" expect 0 'right: all 4 entries of dfdy' p ode --kind odeiv2 --t 0.7
try "odeiv2, time as a last number" expect 0 'right: all 4 entries of dfdy' \
    plugin bad.so --symbol ode --kind odeiv2 --at 0.5,2,0.7
try "odeiv2, crash" expect 2 "function of ode at t = 3.5, y = (0.5, 2) $crashed" \
    p ode --kind odeiv2 --t 3.5
try "odeiv2, names and bounds" expect 0 'u = 0.5, v = 2' \
    p ode --kind odeiv2 --t 0.7 --names u,v --lo 0 --hi inf --scale 1
try "a time without a use" expect 2 '--t is the time of a gsl_odeiv2_system' p fine --t 1
echo 1 2 >w.txt
try "weights without a use" expect 2 '--weights are those of residuals' p fine --weights w.txt
try "a file that is not there" expect 2 'absent.csv: No such file' \
    plugin bad.so --symbol fine --at-file absent.csv
try "too few numbers" expect 2 '--at 1: 1 number, but fine has 2 variables' \
    plugin bad.so --symbol fine --at 1
try "too many numbers" expect 2 '--at 1,2,3: 3 numbers, but fine has 2 variables' \
    plugin bad.so --symbol fine --at 1,2,3

# Points and vectors.

f() { # FILE OPTION...
    f_file=$1
    shift
    plugin bad.so --symbol fine --at-file "$f_file" "$@"
}
bytes() { # FORMAT: a file
    printf "$1" >points.csv
}
bytes 'a,b\n0.5,2\n'
try "a header gives the names" expect 0 'a = 0.5, b = 2' f points.csv
bytes '\357\273\277"a", "b b"\r\n0.5,2\r\n'
try "quotes, a byte order mark, DOS lines" expect 0 'a = 0.5, b b = 2' f points.csv
bytes '# both\n\n 0.5\t2 # one\n  \n0.3 -1\n0.1,1'
try "comments, blanks, no newline at the end" expect 0 '3 of 3 points: 3 right' f points.csv
bytes '0.5\n2\n'
try "a number a line is one point" expect 0 'at (0.5, 2)' f points.csv
try "from standard input" sh -c "printf '0.5 2' |
    '$gradproof' check --plugin ./bad.so --symbol fine --at-file - --quiet"
bytes ''
try "an empty file" expect 2 'points.csv: no number in it' f points.csv
bytes 'a,b\n'
try "a header only" expect 2 'points.csv: no number in it' f points.csv
bytes 'a,b\nc,d\n'
try "two headers" expect 2 "points.csv:2:1: numbers separated by commas or blanks, not 'c'" f points.csv
bytes '1,2\n3,4x\n'
try "no number" expect 2 "points.csv:2:3: numbers separated by commas or blanks, not '4x'" f points.csv
bytes '1,2\n3\n'
try "lines of different length" expect 2 'points.csv:2: 1 number, but 2 in the lines before' f points.csv
bytes '1,,2\n'
try "a gap" expect 2 "points.csv:1:3: numbers separated by commas or blanks, not ','" f points.csv
bytes '1,2,\n'
try "a comma at the end" expect 2 'a number is missing' f points.csv
bytes '1,2\0003\n'
try "a zero byte" expect 2 'points.csv:1: a byte that is 0' f points.csv
bytes '1,nan\n'
try "a point that is not finite" expect 2 'a point has to be finite' f points.csv
try "a directory" expect 2 '.: Is a directory' f .
try "a pipe" expect 0 'right' sh -c "printf '1 2\n' | '$gradproof' check --plugin ./bad.so \
    --symbol fine --at-file /dev/stdin \$*" check
bytes '0.5,2\n-1,1\n'
try "one point out of bounds, the other checked" expect 2 '2 of 2 points: 1 right, 1 trouble' \
    f points.csv --lo 0
try "--at twice" expect 2 'one of --at and --at-file says where' f points.csv --at 1,2
try "no --at" expect 2 'one of --at and --at-file says where' plugin bad.so --symbol fine
try "--at is no number" expect 2 "--at takes numbers separated by commas or blanks; found 'b'" \
    plugin bad.so --symbol fine --at 1,b
try "--at is empty" expect 2 '--at takes numbers separated by commas or blanks; found none' \
    plugin bad.so --symbol fine --at ''
try "--at is hexadecimal" expect 2 "found '0x10'" plugin bad.so --symbol fine --at 0x10,1
try "--at is nan" expect 2 '--at 1,nan: a point has to be finite' plugin bad.so --symbol fine --at 1,nan
try "--lo of another size" expect 2 '--lo gives 3 numbers, but there are 2 variables' p fine --lo 1,2,3
try "--hi below --lo" expect 2 'lo' p fine --lo 0 --hi -1
try "--names of another size" expect 2 '--names gives 3, but fine has 2 variables' p fine --names a,b,c
try "--names, one empty" expect 2 'name 2 is empty' p fine --names a,
try "an empty name of a library" expect 2 '--plugin takes a shared library' "$gradproof" check \
    --plugin '' --symbol x --at 1
try "--scale of 0" expect 2 'scale' p fine --scale 0
try "--weights of another size" expect 2 'w.txt: 2 weights, but decay has 16 values' \
    plugin sign.so --symbol decay --at 4.9,1.4,0.8 --weights w.txt
try "--weights" expect 1 'WRONG: 15 of 48' sh -c "seq 1 16 >w.txt && '$gradproof' check \
    --plugin ./sign.so --symbol decay --at 4.9,1.4,0.8 --weights w.txt \$*" check
try "--max-failures" expect 1 'stopped' plugin sign.so --symbol decay --at 4.9,1.4,0.8 --max-failures 1
try "--fast" expect 1 'wrong sign' plugin sign.so --symbol decay --at 4.9,1.4,0.8 --fast
try "--all" expect 0 'df[1]' p fine --all
try "--quiet" expect 0 'right: all 2 entries' p fine --quiet

# Usage.

usage() { # TEXT OPTION...
    usage_text=$1
    shift
    expect 2 "$usage_text" "$gradproof" check "$@"
}
try "both" usage 'one of --plugin and --exec' --plugin a --exec b
try "a model too" usage 'a MODEL does not go with --plugin and --exec: m.gpf' --exec b --at 1 m.gpf
try "no symbol" usage '--plugin needs --symbol' --plugin a --at 1
try "an option of models" usage 'about a MODEL, not about --plugin or --exec: --wrt' \
    --exec b --at 1 --wrt W
try "an option of callbacks" usage 'this option needs --plugin or --exec: --lo' m.gpf --lo 1
try "an option of plugins" usage 'this option goes with --plugin: --kind' --exec b --at 1 --kind multimin
try "an option of programs" usage '--exec-format goes with --exec' \
    --plugin a --symbol b --at 1 --exec-format npy
try "a time limit below 0" usage '--time-limit takes seconds' --exec b --at 1 --time-limit -1
try "a format there is not" usage '--exec-format takes lines|npy' --exec b --at 1 --exec-format json
try "nothing" usage 'missing argument MODEL, or --plugin or --exec'
try "an empty command" usage '--exec takes a command' --exec ' ' --at 1

# Programs. f(x) = sum x_i^2, but for what the first argument says.

cat >bad_program.c <<'C'
#define _POSIX_C_SOURCE 200809L
#include <ctype.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void slowly(const char *s)
{
    for (; *s; s++) {
        write(1, s, 1);
        nanosleep(&(struct timespec){ 0, 200000 }, NULL);
    }
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    char *line = NULL, *text = NULL;
    size_t room = 0, size;
    int answers = 0;
    if (!strcmp(how, "once"))
        return 3;
    if (!strcmp(how, "banner"))
        puts("Loading the data ..");
    if (!strcmp(how, "deaf")) {
        close(0);
        pause();
    }
    if (!strcmp(how, "mute")) {
        close(1);
        pause();
    }
    for (;;) {
        FILE *to = open_memstream(&text, &size);
        double sum = 0, x;
        char *p, *end;
        if (!strcmp(how, "first")) { /* a long answer, when one byte has been read */
            char c;
            if (read(0, &c, 1) <= 0)
                return 0;
            fprintf(to, "5");
            for (int i = 0; i < 20000; i++)
                fprintf(to, " 0.00000000000000000");
            fprintf(to, "\n");
            fclose(to);
            fputs(text, stdout);
            fflush(stdout);
            free(text);
            while (read(0, &c, 1) == 1 && c != '\n')
                ;
            continue;
        }
        if (getline(&line, &room, stdin) <= 0)
            return 0;
        for (p = line; x = strtod(p, &end), end != p; p = end)
            sum += x * x;
        fprintf(to, "%.17g", strcmp(how, "nan") ? strcmp(how, "inf") ? sum : INFINITY : NAN);
        for (p = line; x = strtod(p, &end), end != p; p = end)
            fprintf(to, " %.17g", strcmp(how, "wrong") ? strcmp(how, "nangrad") ? 2 * x : NAN : x);
        if (!strcmp(how, "more"))
            fprintf(to, " 1");
        if (!strcmp(how, "lines"))
            fprintf(to, "\n1\n2 3");
        if (!strcmp(how, "twice"))
            fprintf(to, "\n1\n");
        if (strcmp(how, "open"))
            fprintf(to, "\n");
        fclose(to);
        for (p = text; *p; p++)
            if (!strcmp(how, "wrap") && *p == ' ')
                *p = '\n';
            else if (!strcmp(how, "comma") && *p == ' ')
                *p = ',';
        if (!strcmp(how, "dos") || !strcmp(how, "fortran"))
            for (p = text; *p; p++)
                printf("%s%c", !isspace(*p) ? "" : *how == 'f' ? "D+00" : *p == '\n' ? "\r" : "", *p);
        if (!strcmp(how, "digits"))
            printf("%.4f 1 4\n", sum);
        if (!strcmp(how, "brackets"))
            puts("4.25 [1 4]");
        if (!strcmp(how, "payload"))
            puts("-nan(0x800) 1 4");
        if (strchr("dfbp", *how) && strstr("dos fortran digits brackets payload", how) && *how)
            strcpy(text, "\n");
        if (!strcmp(how, "prompt"))
            printf("x> ");
        answers++;
        if (!strcmp(how, "hang") || (!strcmp(how, "later") && answers > 3))
            pause();
        if (!strcmp(how, "stubborn")) {
            signal(SIGTERM, SIG_IGN);
            signal(SIGHUP, SIG_IGN);
            if (fork() == 0)
                for (;;)
                    pause();
        }
        if (!strcmp(how, "dies") && answers > 3)
            raise(SIGSEGV);
        if (!strcmp(how, "fails") && answers > 3) {
            printf("Traceback: no such key\n");
            return 1;
        }
        if (!strcmp(how, "fewer"))
            strcpy(strchr(text, ' '), "\n");
        if (!strcmp(how, "comments"))
            printf("# one\n\n   \n");
        if (!strcmp(how, "long"))
            for (int i = 0; i < 10000000; i++)
                putchar('1');
        if (!strcmp(how, "rubbish"))
            printf("The loss is ");
        if (!strcmp(how, "zero"))
            putchar(0);
        if (!strcmp(how, "stderr"))
            fprintf(stderr, "iteration %d\n", answers);
        if (!strcmp(how, "slow"))
            slowly(text);
        else
            fputs(text, stdout);
        if (strcmp(how, "buffered"))
            fflush(stdout);
        if (!strcmp(how, "open"))
            return 0;
        free(text);
    }
}
C
try "the bad program builds" ${CC-cc} -o bad bad_program.c -lm
waits_no_more() {
    timeout --foreground --preserve-status -s INT 0.5 "$gradproof" check --exec './bad hang' \
        --at 0.5,2 --time-limit 0 >"$tmp/out" 2>&1
    [ $? -eq 2 ] && says "interrupted while waiting for answer 1 of './bad hang'"
}
a() { # HOW OPTION...
    a_how=$1
    shift
    ask "./bad $a_how" --at 0.5,2 "$@"
}
try "a fine one" expect 0 'right: all 2 entries of df' a ''
try "a wrong one" expect 1 'df is 1/2 times what it should be' a wrong
try "two points in one process" expect 0 '2 of 2 points: 2 right' sh -c "printf '1 2\n3 4' >points.csv
    '$gradproof' check --exec ./bad --at-file points.csv \$*" check
try "no such program" expect 2 "'./absent' ended with exit status 127 (no such command) before its answer 1" \
    ask ./absent --at 1
try "no program" expect 2 'exit status 126 (not executable)' ask ./bad.c --at 1
try "ends at once" expect 2 "'./bad once' ended with exit status 3 before its answer 1" a once
try "ends well after one answer" expect 2 'ended with exit status 0 before its answer 2; it has to go on' \
    ask 'read x; echo 1 2' --at 1
try "dies after 3 answers" expect 2 'died of signal 11 (Segmentation fault) before its answer 4' a dies
try "fails after 3 answers" expect 2 "answer 4 of './bad fails': no line of numbers: \"Traceback" a fails
try "hangs" expect 2 "'./bad hang' gave no answer 1 within 0.3 s; does it flush its output" \
    a hang --time-limit 0.3
try "hangs after 3 answers" expect 2 'gave no answer 4 within 2 s' a later --time-limit 2
try "does not flush" expect 2 'does it flush its output after every answer?' a buffered --time-limit 0.3
try "closes its output" expect 2 'gave no answer 1 within 0.3 s' a mute --time-limit 0.3
try "closes its input" expect 2 'gave no answer 1 within 0.3 s' a deaf --time-limit 0.3
try "rubbish" expect 2 "answer 1 of './bad rubbish': no line of numbers: \"The loss is" a rubbish
try "a banner" expect 2 'no line of numbers: "Loading the data .."' a banner
try "too few numbers" expect 2 \
    "answer 1 of './bad fewer': 3 numbers expected (the loss and 2 derivatives), 1 found: \"4.25\"" a fewer
try "too many numbers" expect 2 '3 numbers expected (the loss and 2 derivatives), 4 found: "4.25 1 4 1"' \
    a more
try "more than one answer" expect 2 'wrote more than answer 1: "1"' a twice
try "an answer broken into lines" expect 0 'right: all 2 entries of df' a wrap
try "commas" expect 0 'right: all 2 entries of df' a comma
try "DOS lines" expect 0 'right: all 2 entries of df' a dos
try "exponents of Fortran" expect 0 'right: all 2 entries of df' a fortran
try "brackets" expect 2 'no line of numbers: "4.25 [1 4]"; numbers only, without brackets' a brackets
try "a prompt" expect 2 'nothing but answers may stand on standard output' a prompt
try "nan with a payload" expect 3 'nan at x = (0.5, 2)' a payload
try "few digits" expect 3 'writes its loss with no more than 5 digits' a digits
try "^C while it hangs" waits_no_more
try "closed streams" sh -c "'$gradproof' check --exec ./bad --at 1,2 <&- &&
    '$gradproof' check --plugin ./bad.so --symbol fine --at 1,2 <&- &&
    ! '$gradproof' check --exec ./bad --at 1,2 <&- >&-"
try "a line of 10 MB" expect 2 'a line of more than' a long
try "a zero byte" expect 2 'answer 1' a zero
try "a loss that is nan" expect 3 'f' a nan
try "a loss that is inf" expect 3 'f' a inf
try "a gradient that is nan" expect 1 'WRONG' a nangrad
try "no newline at the end" expect 2 'ended with exit status 0 before its answer 2' a open
try "comments and blank lines" expect 0 'right: all 2 entries of df' a comments
try "byte by byte" expect 0 'right: all 2 entries of df' a slow
try "its stderr passes through" expect 0 'iteration 2' a stderr
try "npy is asked for, a text comes" expect 2 "answer 1 of './bad ' is no .npy file" \
    a '' --exec-format npy
try "a command of several" expect 0 'right: all 2 entries' ask 'echo begin >&2; ./bad; true' --at 1,2
try "no time limit" expect 0 'right: all 2 entries' a '' --time-limit 0

awk 'BEGIN { srand(3); for (i = 0; i < 20000; i++) print rand() + 0.5 }' >many.txt
try "20000 numbers" expect 0 'right' ask ./bad --at-file many.txt --fast
try "20000 numbers, answered before they are read" expect 3 'of df' ask './bad first' --at-file many.txt --fast

none_left() { # it, and what it started, is gone
    ask "./bad stubborn $$" --at 1,2 --quiet >"$tmp/out" 2>&1 || return
    ! ps -e -o args= | grep "^\./bad stubborn $$"
}
if ps -e -o args= >/dev/null 2>&1; then
    try "nothing is left" none_left
else
    skip "nothing is left" "no ps"
fi

# A signal ends it in order, with what was found.
interrupted() { # OPTION...
    timeout --foreground --preserve-status -s INT 2 "$gradproof" check "$@" >"$tmp/out" 2>&1
    interrupted_status=$?
    says interrupted && [ $interrupted_status -eq 2 ]
}
cat >slow.c <<'C'
#include <gsl/gsl_multimin.h>
#include <time.h>
static double f(const gsl_vector *x, void *p)
{
    (void)p;
    nanosleep(&(struct timespec){ 0, 20000000 }, 0);
    return gsl_vector_get(x, 0);
}
static void df(const gsl_vector *x, void *p, gsl_vector *g)
{
    (void)x, (void)p;
    gsl_vector_set_zero(g);
    gsl_vector_set(g, 0, 1);
}
gsl_multimin_function_fdf slow = { f, df, 0, 1000, 0 };
C
head -n 1000 many.txt >thousand.txt
try "the slow library builds" shared slow.c slow.so
if command -v timeout >/dev/null 2>&1; then
    try "^C, a library" interrupted --plugin slow.so --symbol slow --at-file thousand.txt
    try "^C, a program" interrupted --exec 'while read x; do echo 1 0 0 0 0; sleep 0.2; done' --at 1,2,3,4
else
    skip "^C" "no timeout"
fi
full() {
    p fine >/dev/full 2>"$tmp/out"
    [ $? -eq 2 ] && says 'cannot write standard output'
}
[ ! -c /dev/full ] || try "a full disk" full
finish
