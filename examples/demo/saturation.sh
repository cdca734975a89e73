#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# demo: sigmoid and tanh kill gradients: flat units, many layers
. "$(dirname "$0")/lib.sh"

title "Saturation: sigmoid and tanh kill gradients"
say "A sigmoid or a tanh is flat where its input is far from 0. Backprop multiplies by its slope, so a flat
unit stops the gradient: at once where the inputs are large, little by little in a net of many layers."

step "The slope of an activation far from 0"
show saturation.gpf
run_brief "gradproof check --claims only saturation.gpf"
gradproof eval saturation.gpf z s_slope tanh_slope | cells | samples "z s_slope tanh_slope" |
    cut -f 2- | awk -F '\t' -v OFS='\t' '
        NR == 1 { print "z", "sigmoid slope", "s(1-s), rounded", "tanh slope"; next }
        { s = 1/(1 + exp(-$1)); print $1, sprintf("%.2g", $2), sprintf("%.2g", s*(1 - s)), sprintf("%.2g", $3) }
        ' | table
say "The sigmoid's slope is at most 1/4, at 0, and falls as e^-|z|; that of tanh as e^-2|z|. Both are
flat for large |z|, on either side. The third column is the textbook's s(1-s) in plain double
precision: from z = 37 on s is rounded to exactly 1 and the slope to exactly 0. gradproof computes
it from e^-|z|, so that the second column stays right."

step "Large inputs: a layer that is flat from the start"
show saturated-inputs.gpf
layer() { # LABEL FILE: a row on the hidden layer
    gradproof eval "$2" h | cells >h.txt
    gradproof grad --wrt 'h.W' --wrt 'yhat.W' "$2" | cells >g.txt
    awk -v OFS='\t' -v label="$1" -v low="$3" '
        FILENAME == "h.txt" { n++; if ($4 > 0.999 || $4 < low) flat++ }
        $1 == "d/dh.W" { first += $4^2 }
        $1 == "d/dyhat.W" { last += $4^2 }
        END { printf "%s\t%.0f %%\t%.3g\t%.3g\n", label, 100*flat/n, sqrt(first), sqrt(last) }
        ' h.txt g.txt
}
standard='s/= csv(\(.*\))$/= standardize(csv(\1))/'
sed 's/sigmoid/tanh/' saturated-inputs.gpf >raw-tanh.gpf
sed "$standard" saturated-inputs.gpf >standard-sigmoid.gpf
sed "$standard" raw-tanh.gpf >standard-tanh.gpf
{
    printf 'inputs, activation\tsaturated\t|dloss/dW1|\t|dloss/dW2|\n'
    layer "raw, sigmoid" saturated-inputs.gpf 0.001
    layer "raw, tanh" raw-tanh.gpf -0.999
    layer "standardised, sigmoid" standard-sigmoid.gpf 0.001
    layer "standardised, tanh" standard-tanh.gpf -0.999
} | table
say "Saturated: outputs closer than 0.001 to the ends of the activation, of all samples and units.
The weights behind such a layer still get a gradient; those in front of it hardly any."

run_brief "gradproof health saturated-inputs.gpf"

step "Many layers: a small factor for each"
show deep.gpf
say "Backprop multiplies by the slope of the activation in every layer. Norm of the gradient of the
loss by the weights of each layer, at the start, for three activations (init: what suits each):"
for f in sigmoid tanh relu; do
    sed "s/sigmoid/$f/" deep.gpf >deep-$f.gpf
    gradproof grad --wrt '*.W' deep-$f.gpf | cells | awk -v f=$f '
        !($1 in seen) { seen[$1] = ++n; name[n] = $1 }
        { square[seen[$1]] += $4^2 }
        END { for (k = 1; k <= n; k++) print f, k, sqrt(square[k]) }'
done | awk -v OFS='\t' '
    { x[$1, $2] = $3; if ($2 > n) n = $2 }
    END { print "layer", "sigmoid", "tanh", "relu"
          for (k = 1; k <= n; k++) print k, x["sigmoid", k], x["tanh", k], x["relu", k] }
    ' >saturation-layers.tsv
digits %.2g <saturation-layers.tsv | table
awk -F '\t' 'NR == 2 { first = $2 } END {
    unit = 10^(int(log($2/first)/log(10)) - 1)
    printf "%.0f\n", int($2/first/unit + 0.5)*unit }' saturation-layers.tsv >ratio
say "In the sigmoid net the first layer gets about 1/$(cat ratio) of what the last one gets: at the same
learning rate it stands still. tanh has slope 1 at 0, relu has slope 1 wherever it is on."
picture saturation-layers '
set title "Sigmoid layers shrink the gradient on its way back to the first layer"
set xlabel "layer (1 is the first)"
set ylabel "norm of dloss/dW of the layer"
set logscale y
set format y "10^{%T}"
set xtics 1
set key bottom right
plot "saturation-layers.tsv" skip 1 using 1:2 with linespoints title "sigmoid", \
     "" skip 1 using 1:3 with linespoints title "tanh", \
     "" skip 1 using 1:4 with linespoints title "relu"
'
run_brief "gradproof health deep.gpf"

step "What it costs"
say "The three nets, trained alike with plain gradient descent:"
for f in sigmoid tanh relu; do
    trained --log $f.tsv deep-$f.gpf
    column loss $f.tsv | sed "s/^/$f	/"
done | awk -F '\t' -v OFS='\t' '
    { x[$1, $2] = $3; if ($2 > n) n = $2 }
    END { print "epoch", "sigmoid", "tanh", "relu"
          for (e = 0; e <= n; e++) print e, x["sigmoid", e], x["tanh", e], x["relu", e] }
    ' >saturation-loss.tsv
awk 'NR == 1 || (NR - 2) % 40 == 0' saturation-loss.tsv | digits %.3f | table
say "Cross-entropy; 1.099 = ln 3 is that of a net which knows nothing. The sigmoid net stays there: its
first layers hardly move, and what they pass on says nothing about the flower."
picture saturation-loss '
set title "Ten sigmoid layers do not start to learn"
set xlabel "epoch (15 steps of 10 flowers)"
set ylabel "cross-entropy"
set key center right
plot [0:] [0:1.4] "saturation-loss.tsv" skip 1 using 1:2 with lines title "sigmoid", \
     "" skip 1 using 1:3 with lines title "tanh", \
     "" skip 1 using 1:4 with lines title "relu"
'
closing
