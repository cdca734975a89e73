#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# demo: two and three spirals: a linear model, a net of 100 ReLU units
. "$(dirname "$0")/lib.sh"

title "Spirals"
say "Points on spiral arms, a class for each arm: no straight line parts them. What can a linear model do
here, what a net with one hidden layer?"

step "A linear model"
show spirals-linear.gpf
run "gradproof check --quiet spirals-linear.gpf"
run "gradproof train --quiet --save linear-3.npz spirals-linear.gpf"

step "A hidden layer of 100 ReLU units"
show spirals.gpf
run "gradproof check --fast --quiet spirals.gpf"
run "gradproof train --quiet --save net-3.npz --log net-3.tsv spirals.gpf"

step "Two arms and three"
for C in 2 3; do
    sed "s/, 3)/, $C)/" spirals-linear.gpf >linear-$C.gpf
    sed "s/, 3)/, $C)/" spirals.gpf >net-$C.gpf
done
printf 'model\t2 arms\t3 arms\n' >accuracy.tsv
for m in linear net; do
    for C in 2 3; do
        trained --save $m-$C.npz --log $m-$C.tsv $m-$C.gpf
        last accuracy $m-$C.tsv | digits %.3f >right-$C
    done
    printf '%s\t%s\t%s\n' "$m" "$(cat right-2)" "$(cat right-3)" >>accuracy.tsv
done
echo "Part of the points that is classified rightly:"
echo
table <accuracy.tsv
say "No model can have more than 0.995 and 0.993: every arm begins at the origin, and of two or three
points on top of each other only one can get its class."

step "What the two have learnt"
say "A model divides the plane: 'predict' gives the class of every point of a grid (a CSV file with the
columns X.0 and X.1), of which the picture is made."
awk 'BEGIN {
    print "X.0,X.1"
    for (i = -60; i <= 60; i++) for (j = -60; j <= 60; j++) print i/50 "," j/50
}' >grid.csv
run "gradproof predict --load net-3.npz --data grid.csv net-3.gpf | head -n 3"
for m in linear-2 net-2 linear-3 net-3; do
    gradproof predict --load $m.npz --data grid.csv $m.gpf |
        awk -F , 'NR > 1 { print $NF }' >$m.class
done
{
    tail -n +2 grid.csv | tr , '\t' | paste - linear-2.class net-2.class linear-3.class net-3.class
    echo
    echo
    for C in 2 3; do
        gradproof eval net-$C.gpf X k | cells | awk -v OFS='\t' -v C=$C '
            { x[$1, $2, $3] = $4; if ($2 > n) n = $2 }
            END { for (i = 0; i <= n; i++) print x["X", i, 0], x["X", i, 1], x["k", i, 0] }'
        echo
        echo
    done
} >spirals-regions.tsv
picture spirals-regions '
set multiplot layout 2,2 margins 0.03,0.97,0.03,0.94 spacing 0.04,0.07
set size ratio -1
unset grid
set border 0
unset xtics
unset ytics
set key off
unset colorbox
set palette defined (0 "#bcdcf2", 1 "#fbd9c0", 2 "#c5e8dc") maxcolors 3
set cbrange [0:2]
do for [i = 0:3] {
    set title (i % 2 ? "100 ReLU units, " : "linear, ").(i < 2 ? "two" : "three")." arms"
    points = i < 2 ? 1 : 2
    if (format eq "dumb") {
        plot [-1.2:1.2] [-1.2:1.2] for [c = 0:2] "spirals-regions.tsv" index 0 every 3 using 1:(column(i + 3) == c ? $2 : NaN) with points pointtype c + 1
    } else {
        plot [-1.2:1.2] [-1.2:1.2] "spirals-regions.tsv" index 0 using 1:2:(column(i + 3)) with image, \
            for [c = 0:2] "" index points using 1:($3 == c ? $2 : NaN) with points linetype c + 1 pointsize 0.45
    }
}
unset multiplot
' 850
closing
