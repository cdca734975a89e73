#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# demo: weights updated too early: no check of a gradient sees it
. "$(dirname "$0")/lib.sh"

title "Stale weights"
say "Backprop passes the error back through the weights that made the prediction. A program that first
updates the weights of a layer and then passes the error through the new ones takes wrong steps, and no
check of a gradient sees it. What does?"

step "A training procedure with a bug"
show stale-weights.gpf
say "The net and its loss are right, and so is the gradient that gradproof derives from them:"
run "gradproof check --quiet stale-weights.gpf"
say "But training does not use that gradient: it runs the update lines. The bug is in them, where no
check of a gradient looks. The same procedure with the old weights:"
run "sed 's/W\([23]\)_new'\\''/W\1'\\''/; s/  *# stale//' stale-weights.gpf >right.gpf"
run "diff stale-weights.gpf right.gpf | grep '^[<>] e[12]'"

step "At a small learning rate it is invisible"
several() { # MODEL RATE: of 20 seeds, how many fail, and the median loss of the others
    trained --seeds 1..20 --evaluate 10 --rate $2 --log many.tsv $1
    awk -F '\t' 'NR > 1 { if ($NF == "not_finite") failed++; else printf "%.12f\n", $3 >"finite" }
        END { print failed + 0 }' many.tsv >failed
    : >>finite
    sort -n finite | awk '{ x[NR] = $1 }
        END { if (NR) printf "%.4f\n", x[int((NR + 1)/2)]; else print "-" }' >median
    rm -f finite
    paste failed median
}
printf 'rate\tstale: NaN\tmedian loss\tcorrect: NaN\tmedian loss\n' >rates.tsv
for rate in 0.01 0.02 0.05 0.1; do
    printf '%s\t%s\t%s\n' $rate "$(several stale-weights.gpf $rate)" "$(several right.gpf $rate)" >>rates.tsv
done
echo "20 seeds each, 30 epochs in batches of 10; NaN: seeds whose loss is not finite."
echo
table <rates.tsv
say "The changed weights differ from the old ones by the rate times a gradient, so the error of the step
is proportional to the rate: that is the claim in the file. At 0.01 both learn alike. At 0.05 and
above many runs with stale weights blow up, and everybody blames the rate."
run_brief "gradproof check --claims only stale-weights.gpf"

step "Checking the step instead of the gradient"
say "train --check-step compares what the update really did, (before - after)/rate, with GSL's
finite differences of the loss, at the rate in use:"
run "gradproof train --quiet --check-step --rate 0.01 stale-weights.gpf >report.txt
tail -n 1 report.txt"
awk '/^  tensor / { on = 1; next } /^  all/ { on = 0 }
    on && NF { print $1 "\t" $2 "\t" $3 "\t" $4 "\t" $5 "\t" $7 }' report.txt |
    { printf 'tensor\tshape\tchecked\tright\twrong\tvacuous\n' && cat; } | table
say "W3 and b3, which the error reaches first, are right; everything in front of them is wrong. That
is where to look: at what is passed on from layer 3 to layer 2. Found at rate 0.01, where the loss shows
nothing. The corrected procedure:"
run "gradproof train --quiet --check-step --rate 0.01 right.gpf"
# The seed that holds out longest, of those that fail.
trained --seeds 1..20 --rate 0.05 --log many.tsv stale-weights.gpf
seed=$(awk -F '\t' 'NR > 1 && $NF == "not_finite" && $2 > most { most = $2; seed = $1 }
    END { print seed ? seed : 1 }' many.tsv)
for run in right:0.01 stale-weights:0.01 right:0.05 stale-weights:0.05; do
    trained --seed "$seed" --rate "${run#*:}" --log one.tsv "${run%:*}.gpf"
    column loss one.tsv
    printf '\n\n'
done >stale-weights-loss.tsv
picture stale-weights-loss '
set title "Stale weights: no difference at rate 0.01, not finite at 0.05"
set xlabel "epoch (20 steps)"
set ylabel "mean squared error"
set logscale y
stats "stale-weights-loss.tsv" index 3 using 1:2 nooutput
set label 1 "not finite from here on" at STATS_max_x,STATS_min_y offset 0.5,-1 textcolor rgb "#D55E00"
plot [0:30] [0.01:10] "stale-weights-loss.tsv" index 0 with lines linetype 6 linewidth 6 title "rate 0.01, right", \
     "" index 1 with lines linetype 7 linewidth 1.5 title "rate 0.01, stale", \
     "" index 2 with lines linetype 1 title "rate 0.05, right", \
     "" index 3 with linespoints linetype 2 pointsize 0.7 title "rate 0.05, stale"
'
closing
