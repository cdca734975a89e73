#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# demo: a unit that is off for every sample is lost; the check passes
. "$(dirname "$0")/lib.sh"

forward() { # MODEL and options: the forward pass, a row per sample
    gradproof eval "$@" X z1 a1 yhat y e2 loss >forward.txt
    cells <forward.txt | samples "X z1 a1 yhat y e2" | digits | table
    sed -n 's/^loss/  loss/p' forward.txt | cut -c1-16
    echo
}

backward() { # MODEL and options: the gradient, a row per hidden unit
    gradproof grad "$@" >backward.txt
    cells <backward.txt | awk -v OFS='\t' '
        { x[$1, $2, $3] = $4 }
        END {
            print "unit", "dloss/dW1[0]", "dW1[1]", "db1", "dW2"
            for (j = 0; j < 2; j++)
                print j, x["d/dW1", 0, j], x["d/dW1", 1, j], x["d/db1", 0, j], x["d/dW2", j, 0]
            printf "output bias\t\t\t\t%s\n", x["d/db2", 0, 0]
        }' | digits | table
}

title "The dying ReLU"
say "relu(z) = max(0, z) has slope 1 where z > 0 and slope 0 where z < 0. A unit whose z is negative
is 'off': its output is 0, and backprop multiplies everything that would reach its weights by 0."

step "A small net, on paper"
show dying-relu.gpf
run_brief "gradproof check --claims only dying-relu.gpf"

step "Forward, then backward"
forward dying-relu.gpf
say "Unit 0 (column 0 of z1) is on for sample 0 and off for sample 1. e2 is the error yhat - y."
backward dying-relu.gpf
say "Sample 1 adds nothing to row 0: for that sample the unit's weights, its bias and the weight
behind it do not move. Sample 0 still moves them. So far all is well, and the check says so:"
run "gradproof check --quiet dying-relu.gpf"

step "One step of gradient descent, rate 1/4; forward again"
run "gradproof train --epochs 1 --quiet --save step1.npz dying-relu.gpf"
forward --load step1.npz dying-relu.gpf
backward --load step1.npz dying-relu.gpf
say "One large error, one step, and unit 0 is off for both samples: it is dead. Its row of the
gradient is 0. Only unit 1 and the output bias still learn. The error does come back to a1, where the
loss would fall if unit 0 gave more; the slope 0 between z1 and a1 lets none of it through:"
gradproof grad --load step1.npz --wrt a1 --wrt z1 dying-relu.gpf | cells |
    samples "d/da1 d/dz1" | digits | sed 's/d\/d/dloss\/d/g' | table
gradproof graph --values --grad --dot --of loss --load step1.npz dying-relu.gpf >dying-relu-graph.dot
graph_picture dying-relu-graph

step "The check passes while the unit is lost"
run_brief "gradproof check --load step1.npz dying-relu.gpf"
say "Backprop says 0, GSL says 0: they agree, as the derivative of a function that does not change
is 0. gradproof does not count that as evidence: 'vacuous' means that nothing was tested there. It is
the net that is wrong, not its gradient, and another verb looks at that:"
run_brief "gradproof health --load step1.npz dying-relu.gpf"

step "It never comes back under gradient descent"
run "gradproof train --load step1.npz --epochs 2000 --rate 0.05 --quiet --save late.npz dying-relu.gpf"
for at in step1 late; do
    gradproof eval --load $at.npz dying-relu.gpf W1 b1 W2 b2 loss | cells | sed "s/^/$at /"
done | awk -v OFS='\t' '
    { x[$1, $2, $3, $4] = $5 }
    function row(label, name, i, j) {
        print label, x["step1", name, i, j], x["late", name, i, j],
            x["step1", name, i, j] == x["late", name, i, j] ? "no" : "yes"
    }
    END {
        print "", "after 1 step", "2000 steps later", "moved"
        row("W1[0,0]  into unit 0", "W1", 0, 0)
        row("W1[1,0]", "W1", 1, 0)
        row("b1[0]    its bias", "b1", 0, 0)
        row("W2[0]    out of it", "W2", 0, 0)
        row("W1[0,1]  into unit 1", "W1", 0, 1)
        row("b1[1]    its bias", "b1", 0, 1)
        row("W2[1]    out of it", "W2", 1, 0)
        row("b2       output bias", "b2", 0, 0)
        row("loss", "loss", 0, 0)
    }' | digits %.6g | table
say "The numbers of unit 0 are the same to the last bit. The net has become one with a single unit
(which is enough for two samples)."

step "When all units are dead, the last bias still moves"
say "The same first step at rate 1 kills both units:"
run "gradproof train --epochs 1 --rate 1 --quiet --save dead.npz dying-relu.gpf"
backward --load dead.npz dying-relu.gpf
run "gradproof train --load dead.npz --epochs 500 --rate 0.05 --quiet --save mean.npz dying-relu.gpf"
forward --load mean.npz dying-relu.gpf
say "'An output of 0 means no update' holds for the weights and the bias of the dead units and for the
weights behind them. It does not hold for the bias behind them: that one goes to the mean of y,
0.75, and the net predicts it whatever it is given. As claims, for any net and any data:"
show dead-unit-claims.gpf
run_brief "gradproof check --claims only dead-unit-claims.gpf"

step "What kills units in practice: large inputs, large steps"
show dying-net.gpf
say "100 seeds each, one pass over the 200 markets. Dead: of the four hidden units, on average. Lost:
seeds with all four dead. Learnt: seeds whose loss is below 10 (the best constant has 27.1)."
standard='s/= csv(\(.*Radio.*\))/= standardize(csv(\1))/'
run "sed '$standard' dying-net.gpf >dying-standard.gpf"
many() { # LABEL MODEL OPTION..: one row on 100 seeds
    many_label=$1
    many_model=$2
    shift 2
    trained --health --seeds 1..100 "$@" --log many.tsv "$many_model"
    printf '%s\t%s\n' "$many_label" "$(seeds many.tsv 4 10)"
}
for kind in net standard; do
    case $kind in net) label="raw inputs" ;; *) label="standardised" ;; esac
    printf '%s, rate\tdead\tlost\tlearnt\tmedian loss\n' "$label" >rates.tsv
    many "  before training" dying-$kind.gpf --epochs 0 >>rates.tsv
    for rate in 0.0001 0.001 0.01 0.1; do
        many "  $rate" dying-$kind.gpf --rate $rate >>rates.tsv
    done
    table <rates.tsv
done
say "Raw budgets go up to 300. The first errors are large, their gradient is larger still, and one step
throws the weights so far that a unit is off for all markets. Standardised inputs (mean 0, deviation
1) have both signs, so that with a bias of 0 every unit of the first layer begins on for some markets, and
the gradient is of the size of the error."

step "Dead units over time"
for run in net:0.001 net:0.01 standard:0.001 standard:0.01; do
    for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        trained --health --seed $seed --epochs 25 --batch 50 --rate "${run#*:}" \
            --log one.tsv "dying-${run%:*}.gpf"
        column dead one.tsv | sed "s/^/$run	/"
    done
done | awk -F '\t' -v OFS='\t' '
    { sum[$1, $2] += $3; n[$1, $2]++; if ($2 > last) last = $2 }
    END {
        print "step", "raw, 0.001", "raw, 0.01", "std., 0.001", "std., 0.01"
        k = split("net:0.001 net:0.01 standard:0.001 standard:0.01", run, " ")
        for (e = 0; e <= last; e++) {
            line = 4*e
            for (i = 1; i <= k; i++) line = line OFS sum[run[i], e]/n[run[i], e]
            print line
        }
    }' >dying-relu-dead.tsv
echo "Part of the hidden units that is dead, mean of 20 seeds, batches of 50:"
echo
awk 'NR <= 4 || NR % 5 == 2' dying-relu-dead.tsv | digits %.2f | table
picture dying-relu-dead '
set title "Raw inputs kill ReLU units in the first steps"
set xlabel "step (of 50 samples)"
set ylabel "dead hidden units (%)"
set yrange [0:100]
set key center right
plot "dying-relu-dead.tsv" skip 1 using 1:(100*$3) with linespoints title "raw inputs, rate 0.01", \
     "" skip 1 using 1:(100*$2) with linespoints title "raw inputs, rate 0.001", \
     "" skip 1 using 1:(100*$5) with linespoints title "standardised, rate 0.01", \
     "" skip 1 using 1:(100*$4) with linespoints title "standardised, rate 0.001"
'
say "A dead unit of the first layer stays dead. One of a later layer can come back as long as the layer
in front of it still moves, but that is rare."

step "What helps: another activation"
printf 'standardised, rate 0.001\tdead\tlost\tlearnt\tmedian loss\n' >others.tsv
for f in relu leaky_relu elu swish; do
    sed "s/relu(/$f(/" dying-standard.gpf >dying-$f.gpf
    many "  $f" dying-$f.gpf --rate 0.001 --epochs 30 >>others.tsv
done
table <others.tsv
say "leaky_relu (slope 0.01), elu and swish have a slope where relu has none, so no unit is lost, and
more of the seeds learn. They do not help against steps that are far too long:"
printf 'raw inputs, rate 0.01\tdead\tlost\tlearnt\tmedian loss\n' >raw.tsv
for f in relu leaky_relu elu swish; do
    sed "s/relu(/$f(/" dying-net.gpf >raw-$f.gpf
    many "  $f" raw-$f.gpf --rate 0.01 >>raw.tsv
done
table <raw.tsv
say "elu and swish are flat too, far enough to the left. leaky_relu is flat nowhere, so that the steps go
on, and the loss runs away."

step "What helps: an initialisation of the right size"
say "In a wide layer, weights of deviation 1 add up to large values and large errors. He's initialiser
takes sqrt(2/inputs) instead. The same net with 32 units a layer, standardised inputs, 5 epochs:"
sed -e 's/\[3,2\]/[3,32]/' -e 's/\[2,2\]/[32,32]/' -e 's/\[2,1\]/[32,1]/' -e 's/\[1,2\]/[1,32]/' \
    dying-standard.gpf >dying-wide.gpf
sed 's/normal(0, 1)/he/' dying-wide.gpf >dying-he.gpf
printf 'init, rate\tdead of 64\tlearnt of 20\tmedian loss\n' >init.tsv
for rate in 0.0003 0.001 0.003; do
    for kind in wide he; do
        case $kind in wide) label="normal(0, 1)" ;; *) label=he ;; esac
        trained --health --seeds 1..20 --rate $rate --epochs 5 --log many.tsv \
            dying-$kind.gpf
        printf '%s, %s\t%s\n' "$label" "$rate" "$(seeds many.tsv 64 10 | cut -f 1,3,4)" >>init.tsv
    done
done
table <init.tsv
say "At a small rate both learn. The larger the rate, the more the size of the first weights matters: at
0.003 the nets from normal(0, 1) run away, those from he learn."

step "In short"
say "A correct gradient is no promise that a net learns. Look at the units (gradproof health, gradproof
train --health), standardise the inputs, take a smaller step or an initialiser of the right size, or
an activation that has a slope everywhere."
closing
