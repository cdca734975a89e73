#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# demo: sales from advertising: a 3-2-2-1 net against least squares
. "$(dirname "$0")/lib.sh"

title "Advertising"
say "How much does a market sell for what it spends on TV, radio and newspapers? First least squares, the
best that a linear formula can do; then a small net on the same markets: what does it gain, and does it
always?"

step "Least squares"
show advertising-linear.gpf
say "The loss is a sum of squares, so GSL's Levenberg-Marquardt solves it in a few steps; the Jacobian
comes from the graph. GSL's BFGS is as quick, gradient descent needs more. All end at the same point:"
printf 'method\titerations\tloss\tw[TV]\tw[Radio]\tw[News]\tb\n' >methods.tsv
for method in lm bfgs sgd; do
    trained --optimizer $method --rate 0.1 --epochs 1000 --until-gradient 1e-9 --save ols.npz \
        --log ols.tsv advertising-linear.gpf
    gradproof eval --load ols.npz advertising-linear.gpf w b | cells | awk -v OFS='\t' -v name=$method \
        -v n="$(column loss ols.tsv | tail -n 1 | cut -f 1)" -v loss="$(last loss ols.tsv)" '
        { x[$1, $2] = $4 }
        END { printf "%s\t%s", name, n
              printf "\t%.8f\t%.8f\t%.8f\t%.8f\t%.7f\n", loss, x["w", 0], x["w", 1], x["w", 2], x["b", 0] }' >>methods.tsv
done
table <methods.tsv
say "A gradient of 0 is what the normal equations say, and the claim in the file is that."
run_brief "gradproof check --claims only advertising-linear.gpf"

step "A 3-2-2-1 net"
show advertising.gpf
run "gradproof check --quiet advertising.gpf"
run "gradproof train --quiet --save net.npz --log net.tsv advertising.gpf"
printf 'model\tloss, 160 markets\tloss, 40 held out\tR2 held out\n' >both.tsv
trained --log ols.tsv --save ols.npz advertising-linear.gpf
gradproof eval --rows test advertising.gpf y | cells | awk '
    { s += $4; q += $4^2; n++ }
    END { print q/n - (s/n)^2 }' >variance
for m in ols net; do
    case $m in ols) label="least squares" ;; *) label="3-2-2-1 net" ;; esac
    awk -v OFS='\t' -v label="$label" -v a="$(last loss $m.tsv)" -v b="$(last held_out $m.tsv)" '
        { printf "%s\t%.3f\t%.3f\t%.3f\n", label, a, b, 1 - b/$1 }' variance >>both.tsv
done
table <both.tsv
say "The net finds what a line cannot: TV and radio help each other. R2 is the part of the variance of the
sales that is explained, here in markets the model has not seen."

step "But not from every start"
trained --health --seeds 1..20 --log starts.tsv advertising.gpf
trained --seeds 1..20 --log lines.tsv advertising-linear.gpf
{
    printf 'seed\tleast squares\tnet\tdead units of 4\n'
    awk -F '\t' -v OFS='\t' '
        FNR == 1 { for (j = 1; j <= NF; j++) at[FILENAME, $j] = j; next }
        FILENAME == "lines.tsv" { line[$1] = $at[FILENAME, "held_out"]; next }
        { printf "%s\t%.3f\t%.3f\t%d\n", $1, line[$1], $at[FILENAME, "held_out"], 4*$at[FILENAME, "dead"] }
        ' lines.tsv starts.tsv
} >starts.table
head -n 11 starts.table | table
awk -F '\t' 'NR > 1 { n++; if ($3 < $2) better++; if ($4 > 0) dead++; if ($3 > 15) lost++ }
    END { print better + 0, dead + 0, lost + 0, n }' starts.table >counts
read -r better dead lost n <counts
say "(Held-out loss; the first 10 of $n seeds. The seed draws the split too.) The net is better than
the line in $better of $n starts. In $dead it has lost ReLU units, and in $lost of them so many that it
predicts the mean: see gradproof demo dying-relu."

{
    column loss net.tsv
    printf '\n\n'
    column held_out net.tsv
    printf '\n\n'
    printf '0\t%s\n1000\t%s\n' "$(last held_out ols.tsv)" "$(last held_out ols.tsv)"
} >advertising-loss.tsv
picture advertising-loss '
set title "The net passes least squares, in markets it has not seen too"
set xlabel "epoch (5 steps of 32 markets)"
set ylabel "mean squared error"
set logscale y
plot [0:1000] [0.2:300] "advertising-loss.tsv" index 0 with lines title "net, 160 markets to learn from", \
     "" index 1 with lines title "net, 40 markets held out", \
     "" index 2 with lines linetype 7 dashtype 2 linewidth 1.5 title "least squares, held out"
'
for m in ols:advertising-linear net:advertising; do
    gradproof predict --rows test --load ${m%%:*}.npz ${m#*:}.gpf | tail -n +2 >${m%%:*}.predicted
done
gradproof eval --rows test advertising.gpf y | cells | awk '{ print $4 }' |
    paste - ols.predicted net.predicted >advertising-sales.tsv
picture advertising-sales '
set title "Predicted and actual sales of the 40 markets held out"
set xlabel "actual sales (thousand units)"
set ylabel "predicted sales (thousand units)"
set key top left
set xrange [0:30]
set yrange [0:30]
plot x with lines linetype 8 linewidth 1.5, \
     "advertising-sales.tsv" using 1:2 with points linetype 2 title "least squares", \
     "" using 1:3 with points linetype 1 title "3-2-2-1 net"
'
closing
