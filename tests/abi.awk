# SPDX-License-Identifier: GPL-3.0-or-later
#
# From preprocessed headers (line markers say what is gradproof's own) to a C program that prints the
# ABI: exported functions with their types, enum constants, size and layout of structs. What it prints
# has one fact a line, its key before the first ": ".

function trim(s)
{
    gsub(/[ \t]+/, " ", s)
    gsub(/ ?\* ?/, " *", s)
    gsub(/\* \*/, "**", s)
    gsub(/\( /, "(", s)
    gsub(/ \)/, ")", s)
    sub(/^ /, "", s)
    sub(/ $/, "", s)
    return s
}

function text(s)
{
    gsub(/\\/, "\\\\", s)
    gsub(/"/, "\\\"", s)
    gsub(/%/, "%%", s)
    return s
}

function say(format, args)
{
    print "    printf(\"" format "\\n\"" (args == "" ? "" : ", " args) ");"
}

# The declaration at the front of `source` up to its ';', which is cut off.
function next_declaration(    i, c, depth)
{
    for (i = 1; i <= length(source); i++) {
        c = substr(source, i, 1)
        if (c == "{" || c == "(")
            depth++
        if (c == "}" || c == ")")
            depth--
        if (c == ";" && depth == 0) {
            c = trim(substr(source, 1, i - 1))
            source = substr(source, i + 1)
            return c
        }
    }
    source = ""
    return ""
}

function field(type, path, name, declaration)
{
    sub(/\[.*/, "", name)
    gsub(/[ *]/, "", name)
    say("struct " type "." path name ": offset %zu, size %zu: " text(declaration),
        "offsetof(" tag type ", " path name "), sizeof (((" tag type " *)0)->" path name ")")
}

# The fields of `source`, down into structs without a name.
function fields(type, path,    d, inner, rest, kept, n, part, i)
{
    while ((d = next_declaration()) != "") {
        if (d ~ /^(struct|union)[^(]*\{/) {
            match(d, /\}[^}]*$/)
            inner = substr(d, index(d, "{") + 1, RSTART - index(d, "{") - 1)
            rest = trim(substr(d, RSTART + 1))
            field(type, path, rest, "struct")
            kept = source
            source = inner
            sub(/\[.*/, "[0]", rest)
            fields(type, path rest ".")
            source = kept
        } else if (match(d, /\(\*[a-z_0-9]+(\[[0-9]+\])?\)/))
            field(type, path, substr(d, RSTART + 2, RLENGTH - 3), d)
        else {
            n = split(d, part, /,/)
            for (i = 1; i <= n; i++) {
                match(part[i], /[A-Za-z_0-9]+ *(\[[^]]*\] *)*$/)
                field(type, path, substr(part[i], RSTART, RLENGTH), d)
            }
        }
    }
}

function constants(list,    n, part, i)
{
    n = split(list, part, /,/)
    for (i = 1; i <= n; i++) {
        sub(/=.*/, "", part[i])
        part[i] = trim(part[i])
        if (part[i] != "")
            say("enum " part[i] ": %d", "(int)" part[i])
    }
}

/^#/ {
    own = $3 ~ /gradproof/
    next
}
own {
    gsub(/__attribute__ *\(\(visibility\("default"\)\)\)/, "EXPORT")
    all = all " " $0
}

END {
    gsub(/extern "C" *\{/, "", all)
    print "#include <gradproof.h>\n#include <stddef.h>\n#include <stdio.h>\nint main(void)\n{"
    source = all
    while ((d = next_declaration()) != "") {
        body = ""
        if (match(d, /\{.*\}/)) {
            body = substr(d, RSTART + 1, RLENGTH - 2)
            name = trim(substr(d, RSTART + RLENGTH))
            head = trim(substr(d, 1, RSTART - 1))
        }
        if (d ~ /^EXPORT/) {
            sub(/^EXPORT /, "", d)
            match(d, /[a-z_0-9]+ ?\(/)
            name = substr(d, RSTART, RLENGTH - 1)
            sub(/ $/, "", name)
            say("function " name ": " text(d), "")
        } else if (body != "" && head ~ /enum/)
            constants(body)
        else if (body != "" && head ~ /struct/) {
            tag = ""
            if (name == "") { # struct X { .. }; typedef elsewhere
                name = head
                sub(/.*struct /, "", name)
                tag = "struct "
            }
            say("struct " name ": size %zu", "sizeof (" tag name ")")
            kept = source
            source = body
            fields(name, "")
            source = kept
        } else if (d ~ /^typedef .*\(\*gpf_/) {
            match(d, /\(\*[a-z_0-9]+\)/)
            say("type " substr(d, RSTART + 2, RLENGTH - 3) ": " text(d), "")
        } else if (d ~ /^typedef / && d !~ /^typedef struct/) {
            name = d
            sub(/.* \*?/, "", name)
            say("type " name ": " text(d), "")
        }
    }
    print "    return 0;\n}"
}
