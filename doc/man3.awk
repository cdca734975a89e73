# SPDX-License-Identifier: GPL-3.0-or-later
#
# The headers are the manual; this sets them as pages of section 3.
#
#   awk -f man3.awk -v page=graph HEADER...    gradproof-graph(3), from graph.h
#   awk -f man3.awk -v page= HEADER... PROGRAM gradproof(3): gradproof.h, an example, an index of all
#   awk -f man3.awk -v links=1 HEADER...       every name and the page that has it, one pair a line
#
# All headers are given each time, gradproof.h first. What is expected of them: the first comment is
# about the whole; a comment at the start of a line is about the declarations directly below it; a
# first line on its own in a comment that goes on is a heading; indented lines are a table if they
# have a gap of two blanks, else they and `@example' are set as they are. What follows a comment that
# begins `The rest is how' is left out.

function escape(s)
{
    gsub(/\\/, "\\(rs", s)
    gsub(/-/, "\\-", s)
    gsub(/'/, "\\(aq", s)
    gsub(/`/, "\\(ga", s)
    gsub(/\^/, "\\(ha", s)
    gsub(/~/, "\\(ti", s)
    return s ~ /^[.]/ ? "\\&" s : s
}

# Names of the library stand out, in text and where they are declared.
function bold(s, what,    out)
{
    while (match(s, what)) {
        out = out substr(s, 1, RSTART - 1) "\\fB" substr(s, RSTART, RLENGTH) "\\fP"
        s = substr(s, RSTART + RLENGTH)
    }
    return out s
}

function put(line)
{
    print line
}

function indent_of(s)
{
    match(s, /^ */)
    return RLENGTH
}

function spaces(n)
{
    return n > 0 ? sprintf("%" n "s", "") : ""
}

# Prose -------------------------------------------------------------------------------------------

# One paragraph's line of running text.
function prose(s)
{
    sub(/^ */, "", s)
    gsub(/  +/, "  ", s)
    put(bold(escape(s), "gpf_[a-z0-9_]*[a-z0-9]"))
}

function paragraph()
{
    if (!fresh)
        put(".PP")
    fresh = 0
}

# Lines T[from .. to] of an indented block: a table of terms, or as they are.
function block(from, to,    i, least, table, tag, width, gap)
{
    least = 99
    for (i = from; i <= to; i++)
        if (indent_of(T[i]) < least)
            least = indent_of(T[i])
    table = least < 4
    for (i = from; i <= to; i++)
        if (indent_of(T[i]) == least) {
            gap = match(substr(T[i], least + 1), /[^ ]  +[^ ]/)
            if (!gap)
                table = 0
            if (gap > width)
                width = gap
        }
    if (!table) {
        paragraph()
        put(".EX")
        for (i = from; i <= to; i++)
            code(T[i] == "" ? "" : "    " substr(T[i], least + 1), "  ")
        put(".EE")
        return
    }
    width = width > 30 ? 8 : width + 2
    if (!fresh)
        put(".PP")
    fresh = 0
    put(".RS 2")
    for (i = from; i <= to; i++) {
        if (indent_of(T[i]) != least) {
            prose(T[i])
            continue
        }
        tag = substr(T[i], least + 1)
        gap = match(tag, /  +/)
        put(".TP " width)
        if (i == from)
            put(".PD 0") # the rows of a table stand close
        put("\\fB" escape(substr(tag, 1, gap - 1)) "\\fP")
        prose(substr(tag, gap))
    }
    put(".PD")
    put(".RE")
}

# The comment in T[from .. n_text].
function text(from,    i, j, example)
{
    for (i = from; i <= n_text; i = j) {
        j = i + 1
        if (T[i] == "")
            continue
        if (T[i] ~ /^@example/) {
            paragraph()
            put(".EX")
            for (; T[j] !~ /^@end/ && j <= n_text; j++)
                code(T[j], "      ")
            put(".EE")
            j++
        } else if (T[i] ~ /^  /) {
            while (j <= n_text && T[j] ~ /^  /)
                j++
            block(i, j - 1)
        } else {
            paragraph()
            for (j = i; j <= n_text && T[j] != "" && T[j] !~ /^( |@)/; j++)
                prose(T[j])
        }
    }
}

# Code --------------------------------------------------------------------------------------------

# One line of code, broken behind a comma or semicolon where it is too wide.
function code(s, hang,    at, i, c)
{
    while (length(s) > WIDTH) {
        at = 0
        for (i = WIDTH - 1; i > indent_of(s) + 12 && !at; i--) {
            c = substr(s, i, 2)
            if (c == ", " || c == "; " || c == "| ")
                at = i
        }
        for (i = WIDTH; i > indent_of(s) + 12 && !at; i--)
            if (substr(s, i, 1) == " ")
                at = i
        if (!at)
            break
        put_code(substr(s, 1, at))
        s = spaces(indent_of(s)) hang substr(s, at + 1 + (substr(s, at + 1, 1) == " "))
        hang = ""
    }
    put_code(s)
}

function put_code(s)
{
    sub(/ +$/, "", s)
    s = escape(s)
    if (names_declared)
        s = bold(s, "gpf_[a-z0-9_]*[a-z0-9]\\(")
    gsub(/\(\\fP/, "\\fP(", s)
    put(s)
}

# Code with its comment beside it, or above where there is no room. Beside it at the column `align`, if
# the code is not longer.
function commented(s, note,    column, words, n, i, line, first)
{
    if (note == "") {
        code(s, "    ")
        return
    }
    column = length(s) + 1
    if (s != "" && align > column) {
        s = s spaces(align - column)
        column = align
    }
    if (column + length(note) + 6 > WIDTH && column > 40)
        column = indent_of(s)
    else if (s != "")
        first = s " "
    if (first == "")
        first = spaces(column)
    n = split(note, words, " ")
    line = first "/*"
    for (i = 1; i <= n; i++) {
        if (length(line) + length(words[i]) + 4 > WIDTH) {
            put_code(line)
            line = spaces(column) "  "
        }
        line = line " " words[i]
    }
    put_code(line " */")
    if (first !~ /[^ ]/ && s ~ /[^ ]/)
        code(s, "    ")
}

# X(a, "b", c) ... of a list: each row as a term and what is said of it.
function list_rows(s,    i, c, quoted, depth, arg, n, part, k, said)
{
    put(".RS 2")
    while (match(s, /X\(/)) {
        s = substr(s, RSTART + 2)
        quoted = 0
        arg = ""
        n = 0
        for (i = 1; i <= length(s); i++) {
            c = substr(s, i, 1)
            if (c == "\"")
                quoted = !quoted
            else if (!quoted && (c == "," || c == ")")) {
                part[++n] = arg
                arg = ""
                if (c == ")")
                    break
            } else if (c != " " || arg != "")
                arg = arg c
        }
        s = substr(s, i + 1)
        put(".TP")
        put("\\fB" escape(part[1]) "\\fP")
        said = part[2]
        for (k = 3; k <= n; k++)
            said = said (k == n ? ": " : ", ") part[k]
        put(escape(said))
    }
    put(".RE")
}

# X(kind, name): constructors, by what they take.
function list_constructors(s,    n, word, i, kind, name, order, seen, names)
{
    while (match(s, /X\([A-Z], [a-z0-9_]+\)/)) {
        kind = substr(s, RSTART + 2, 1)
        name = substr(s, RSTART + 5, RLENGTH - 6)
        s = substr(s, RSTART + RLENGTH)
        if (!(kind in takes))
            continue # declared on its own
        if (!(kind in names))
            order = order kind
        names[kind] = names[kind] " gpf_" name
    }
    for (i = 1; i <= length(order); i++) {
        kind = substr(order, i, 1)
        put(".PP")
        put(".EX")
        code("gpf_node NAME" takes[kind] ";", "    ")
        put(".EE")
        put(".RS 4")
        put(bold(escape(substr(names[kind], 2)), "gpf_[a-z0-9_]*[a-z0-9]"))
        put(".RE")
    }
}

# Lines C[1 .. n_code] of declarations; list: only the lists among them, else all but those.
function declarations(    i, k, s, note, whole, opened)
{
    put(".EX")
    opened = 1
    align = 0
    for (i = 1; i <= n_code; i++)
        if ((k = match(C[i], /[^ ] *\/\*/)) && k < 32 && C[i] ~ /^ /)
            if (k + 1 > align)
                align = k + 1
    for (i = 1; i <= n_code; i++) {
        s = C[i]
        sub(/^GPF_API /, "", s)
        if (s ~ /^ *#define/)
            while (C[i] ~ /\\$/) {
                sub(/ *\\$/, "", s)
                note = C[++i]
                sub(/^ */, " ", note)
                s = s note
            }
        if (hidden(s))
            continue
        # how a macro is made is nobody's affair
        sub(/ GPF__[A-Z]+\(.*/, "", s)
        if (s ~ /^#define GPF_[A-Z_0-9]+\([^)]*\) / && s !~ /_LIST\(X\)/)
            sub(/\).*/, ")", s)
        if (s ~ /^#define GPF_[A-Z]+_LIST\(X\)/) {
            put(".EE")
            opened = 0
            gsub(/\/\*[^*]*\*\//, "", s)
            if (s ~ /X\([A-Z], /)
                list_constructors(s)
            else
                list_rows(s)
            continue
        }
        if (!opened) {
            put(".EX")
            opened = 1
        }
        if (s ~ /^ *GPF_[A-Z]+_LIST\(/) {
            put_code("    /* as listed above */")
            continue
        }
        note = ""
        whole = s
        sub(/^ */, "", whole)
        # a prototype or a function pointer over several lines
        while (s ~ /\(/ && s !~ /[;{]|\/\*|^ *#|^ *\/\*/ && i < n_code) {
            note = C[++i]
            sub(/^ */, " ", note)
            sub(/ *$/, "", s)
            s = s note
            note = ""
        }
        if (match(s, / *\/\*/)) {
            note = substr(s, RSTART + RLENGTH)
            whole = s
            s = substr(s, 1, RSTART - 1)
            if (s == "")
                s = spaces(indent_of(whole))
            while (note !~ /\*\// && i < n_code) {
                whole = C[++i]
                sub(/^ *(\* )?/, "", whole)
                note = note " " whole
            }
            sub(/ *\*\/.*/, "", note)
            sub(/^ /, "", note)
            if (s ~ /^ *$/) {
                own_line(s, note)
                continue
            }
        }
        commented(s, note)
    }
    if (opened)
        put(".EE")
}

function own_line(s, note,    words, n, i, line)
{
    n = split(note, words, " ")
    line = s "/*"
    for (i = 1; i <= n; i++) {
        if (length(line) + length(words[i]) + 4 > WIDTH) {
            put_code(line)
            line = s " *"
        }
        line = line " " words[i]
    }
    put_code(line " */")
}

# Machinery that no reader needs.
function hidden(s)
{
    return s ~ /^ *#(undef|if|else|endif|include)/ || \
        s ~ /^ *#define (GPF__|GPF_[A-Z]+_ENUM|GPF_PROTO|GPF_ARGS_)/ || \
        s ~ /^GPF_[A-Z]+_LIST\(GPF_PROTO\)/ || s ~ /^struct gpf__/
}

# Headers -----------------------------------------------------------------------------------------

# Item: the comment T, the declarations C below it.
function item(    i, first, shown, structure, heading)
{
    first = 1
    while (first <= n_text && T[first] == "")
        first++
    heading = first < n_text && T[first + 1] == "" && T[first] !~ /[.] |:$/
    for (i = 1; i <= n_code; i++) {
        if (!hidden(C[i]) && C[i] !~ /^ /)
            shown = 1
        if (C[i] ~ /\{|_LIST\(X\)/)
            structure = 1
    }
    if (first > n_text && !shown)
        return
    if (heading) {
        i = T[first]
        sub(/\.$/, "", i)
        put(".SS " escape(i))
        fresh = 1
        first++
    }
    names_declared = 1
    if (!shown || heading || structure) {
        names_declared = 0
        text(first)
        names_declared = 1
        if (shown) {
            if (!fresh)
                put(".PP")
            fresh = 0
            declarations()
        }
    } else {
        if (!fresh)
            put(".PP")
        fresh = 0
        declarations()
        if (first <= n_text) {
            put(".RS 4")
            fresh = 1
            names_declared = 0
            text(first)
            put(".RE")
        }
    }
    names_declared = 0
    fresh = 0
}

# Reads the comment that begins at line i of file f into T; returns the line behind it.
function read_comment(f, i,    s, over)
{
    n_text = 0
    for (over = 0; !over && i <= lines[f]; i++) {
        s = L[f, i]
        over = s ~ /\*\//
        sub(/^\/\* ?/, "", s)
        sub(/^ \*\/$/, "", s)
        sub(/ *\*\/.*/, "", s)
        sub(/^ \*( |$)/, "", s)
        if (s !~ /SPDX-License/)
            T[++n_text] = s
    }
    while (n_text && T[n_text] == "")
        n_text--
    return i
}

# The declarations of file f, item by item; of the line behind the first comment.
function body(f, i,    depth, s)
{
    while (i <= lines[f] && L[f, i] !~ /^extern "C"/)
        i++
    n_text = n_code = 0
    for (i += 2; i <= lines[f] && L[f, i] !~ REST; i++) {
        s = L[f, i]
        if (s ~ /^#ifdef __cplusplus/) { # the end of extern "C"
            i += 2
            continue
        }
        if (depth == 0 && (s == "" || s ~ /^\/\*/)) {
            if (s == "" || n_code || n_text) {
                item()
                n_text = n_code = 0
            }
            if (s ~ /clang-format|^\/\* SPDX/)
                continue
            if (s != "")
                i = read_comment(f, i) - 1
            continue
        }
        C[++n_code] = s
        # braces of comments are balanced or not there; a macro goes on to its last line
        depth += gsub(/\{/, "{", s) - gsub(/\}/, "}", s)
        if (depth == 0 && s ~ /\\$/)
            while (L[f, i] ~ /\\$/)
                C[++n_code] = L[f, ++i]
    }
    item()
}

function title(f)
{
    read_comment(f, 1)
    return T[1]
}

function begin_page(name, f,    first)
{
    first = title(f)
    sub(/\.$/, "", first)
    put(".\\\" Made from " f " by doc/man3.awk. SPDX-License-Identifier: GPL-3.0-or-later")
    put(".TH " toupper(escape(name)) " 3 2026 \"gradproof " version "\" \"Library Functions Manual\"")
    put(".nh")
    put(".ad l")
    put(".SH NAME")
    sub(/^[a-z]+: /, "", first)
    if (first ~ /^[A-Z][a-z]/)
        first = tolower(substr(first, 1, 1)) substr(first, 2)
    put(escape(name) " \\- " escape(first))
    put(".SH SYNOPSIS")
    put(".EX")
    put_code("#include <" (f == "gradproof.h" ? f : "gradproof/" f) ">")
    put("")
    put_code("cc ... $(pkg-config --cflags --libs gradproof)")
    put(".EE")
    put(".SH DESCRIPTION")
    fresh = 1
}

# The names a reader may ask for, of file f, in `found`.
function find_names(f,    i, s, rest, depth, n)
{
    n_found = 0
    for (i = 1; i <= lines[f] && L[f, i] !~ REST; i++) {
        s = L[f, i]
        if (s ~ /^ ?\*|^\/\*/)
            continue
        if (s ~ /^GPF_API /) {
            rest = s
            sub(/\(.*/, "", rest)
            sub(/.*[ *]/, "", rest)
            found[++n_found] = rest
        } else if (s ~ /^#define GPF_[A-Z]+_LIST\(X\)/) {
            for (i++; ; i++) {
                rest = L[f, i]
                gsub(/\/\*[^*]*\*\//, "", rest)
                while (match(rest, /X\([A-Z], [a-z0-9_]+\)/)) {
                    # rows of kind S have prototypes of their own
                    if (substr(rest, RSTART + 2, 1) != "S")
                        found[++n_found] = "gpf_" substr(rest, RSTART + 5, RLENGTH - 6)
                    rest = substr(rest, RSTART + RLENGTH)
                }
                if (rest !~ /\\$/)
                    break
            }
        } else if (s ~ /^#define GPF_[A-Z_]+\(/ && !hidden(s)) {
            rest = s
            sub(/\(.*/, "", rest)
            sub(/.* /, "", rest)
            found[++n_found] = rest
        } else if (s ~ /^typedef .*\(\*gpf_/) {
            rest = s
            sub(/.*\(\*/, "", rest)
            sub(/\).*/, "", rest)
            found[++n_found] = rest
        } else if (s ~ /^typedef .*;/ || s ~ /^\} gpf_[a-z_]+;/) {
            rest = s
            sub(/;.*/, "", rest)
            sub(/.* \*?/, "", rest)
            found[++n_found] = rest
        }
    }
}

FILENAME ~ /\.c$/ {
    program[++n_program] = $0
    next
}
FNR == 1 {
    f = FILENAME
    sub(/.*\//, "", f)
    file[++n_files] = f
}
{
    L[f, FNR] = $0
    lines[f] = FNR
}
/^#define GPF_VERSION_(MAJOR|MINOR|PATCH)/ { version = version (version == "" ? "" : ".") $3 }
/^#define GPF_ARGS_[A-Z] / {
    s = $0
    sub(/.*GPF_ARGS_[A-Z] /, "", s)
    gsub(/ \* /, " *", s)
    takes[substr($2, 10)] = s
}

function stem(f)
{
    sub(/\.h$/, "", f)
    return f == "gradproof" ? f : "gradproof-" f
}

function index_of_pages(    k, i)
{
    put(".SH PAGES")
    put("Each header has a page, and each function, type and macro a link to its page:")
    put(".B man gpf_check_run")
    put("shows")
    put(".BR gradproof\\-check (3).")
    for (k = 2; k <= n_files; k++) {
        put(".TP")
        put(".BR " escape(stem(file[k])) " (3)")
        put(escape(title(file[k])))
        find_names(file[k])
        put(".RS")
        put(".PP")
        for (i = 1; i <= n_found; i++)
            put(escape(found[i]) (i < n_found ? "," : ""))
        put(".RE")
    }
}

function see_also(own,    k)
{
    put(".SH SEE ALSO")
    if (own != "gradproof")
        put(".BR gradproof (3),")
    for (k = 2; k <= n_files; k++)
        if (stem(file[k]) != own)
            put(".BR " escape(stem(file[k])) " (3),")
    put(".BR gradproof (1),")
    put(".BR gradproof\\-model (5),")
    put(".BR gsl (3)")
}

END {
    WIDTH = 73
    REST = "^/[*] The rest is how"
    if (links) {
        for (k = 1; k <= n_files; k++) {
            find_names(file[k])
            for (i = 1; i <= n_found; i++)
                print found[i], stem(file[k])
        }
        exit
    }
    f = page == "" ? "gradproof.h" : page ".h"
    if (!(f in lines)) {
        print "man3.awk: no header " f >"/dev/stderr"
        exit 1
    }
    begin_page(stem(f), f)
    i = read_comment(f, 1)
    names_declared = 0
    text(2)
    put(".SH DECLARATIONS")
    fresh = 1
    body(f, i)
    if (page == "") {
        put(".SH EXAMPLE")
        put(".EX")
        for (i = 1; i <= n_program; i++)
            code(program[i], "    ")
        put(".EE")
        index_of_pages()
    }
    see_also(stem(f))
}
