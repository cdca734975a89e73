#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# demo: a slope by convention, and what a finite difference sees of it
. "$(dirname "$0")/lib.sh"

title "ReLU at zero"
say "relu(x) = max(0, x) has slope 0 on the left of 0 and slope 1 on the right. At 0 it has no
derivative. Programs must return something: most return 0, some lecture notes 1, a few 1/2."

step "Three conventions, one point"
show relu-at-zero.gpf
run_brief "gradproof check relu-at-zero.gpf"
say "None of the three is called wrong, and none is called right: each lies between the slopes of
the two sides, and the report says 'kink'. Only x[0,3], away from 0, can be tested, and is right."

step "Not everything is a convention"
run "sed 's/at0=0)/at0=2)/' relu-at-zero.gpf | gradproof check - | grep -A 2 WRONG | head -n 3"
say "2 is outside of [0, 1]: no convention, an error."

step "A sum of conventions need not be one"
show relu-sum.gpf
{
    printf "relu'(0)\tbackprop\tslope left\tslope right\tverdict\n"
    for at0 in 0 0.5 1; do
        sed "s/at0=0/at0=$at0/g" relu-sum.gpf >with.gpf
        gradproof grad with.gpf | cells >with.txt
        gradproof check with.gpf >check.txt
        awk -v at0=$at0 '$1 == "d/dx" { g = $4 }
            FILENAME == "check.txt" && $1 == "x" && $2 ~ /^[0-9.]+$/ { v = $7 == "WRONG" ? "WRONG" : v }
            FILENAME == "check.txt" && /^(right|WRONG)/ { sub(/:.*/, ""); v = $0 }
            END { printf "%s\t%s\t1\t1\t%s\n", at0, g, v }' with.txt check.txt
    done
} | table
say "The function is x. Its derivative is 1, at 0 as well. With relu'(0) = 0 backprop loses both
terms, with 1 it counts both. Here only 1/2 gives the derivative; a hair beside 0 they all do."

step "Why two numbers side by side are not enough"
say "At 0 the central difference (relu(h) - relu(-h))/2h is 1/2 for every h, and GSL's estimate of
its error is below 1e-15: sure of itself, and no derivative of anything. With relu'(0) = 1/2 both
numbers would even agree. So gradproof records which side of its edge every ReLU is on at x - h, x
and x + h. 'off at -h, on at +h' above is that record, and the two slopes come from one-sided
rules."

step "The V of finite differences"
say "A large step h is off the tangent (truncation), a small one loses digits (rounding). The error
against h makes a V; the best step is at its lowest point. A model can compute it:"
show v-curve.gpf
gradproof eval v-curve.gpf h one_sided central kink | cells | awk -v OFS='\t' '
    { x[$1, $2] = $4; if ($2 > n) n = $2 }
    END { print "h", "one-sided, tanh", "central, tanh", "central, relu"
          for (i = 0; i <= n; i++) print x["h", i], x["one_sided", i], x["central", i], x["kink", i] }
    ' >relu-at-zero-steps.tsv
echo "Absolute error of the slope, by the step h:"
echo
awk 'NR == 1 || (NR - 2) % 4 == 0' relu-at-zero-steps.tsv | digits %.1e | table
say "One-sided differences are off by about h, central ones by about h^2; at their best they are right to
about 8 and 11 digits. Beside the kink the central difference is off by almost 1/2 as long as the step reaches across,
and as good as any as soon as it does not."
picture relu-at-zero-steps '
set title "A central difference is best near h = 1e-5; across a kink it is wrong"
set xlabel "step h"
set ylabel "absolute error of the slope"
set logscale xy
set format x "10^{%T}"
set format y "10^{%T}"
set key top left
low(x) = x > 0 ? x : 1e-17
plot [1e-13:1] [1e-17:100] "relu-at-zero-steps.tsv" skip 1 using 1:(low($2)) with linespoints title "tanh, one-sided", \
     "" skip 1 using 1:(low($3)) with linespoints title "tanh, central", \
     "" skip 1 using 1:(low($4)) with linespoints title "relu 0.001 from its kink, central"
'
closing
