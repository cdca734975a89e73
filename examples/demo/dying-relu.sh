#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# demo: a ReLU unit that is off for every sample is lost, and the check passes
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
gradient is 0. Only unit 1 and the output bias still learn."

step "The check passes while the unit is lost"
run_brief "gradproof check --load step1.npz dying-relu.gpf"
say "Backprop says 0, GSL says 0: they agree, as the derivative of a function that does not change is
0. gradproof does not count that as evidence: 'vacuous' means that nothing was tested there, and the
exit status is $status, not 0. What is wrong is the net, not its gradient."
run "gradproof health --load step1.npz dying-relu.gpf"

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
say "The numbers of unit 0 are the same to the last bit. The net has become one with a single unit."

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
