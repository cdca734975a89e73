#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# demo: one neuron learns AND, OR, NAND, not XOR; what sign(0) decides
. "$(dirname "$0")/lib.sh"

title "The perceptron"
say "A perceptron is one neuron that answers 1 or -1, the sign of w x + b. It learns from its mistakes: a
sample on the wrong side is added to w, or taken away from it, until all are on the right one."

step "The rule"
show perceptron.gpf
say "The loss of a wrong sample is -y f(x), that of a right one is 0. Its gradient is -y x, so a step
against it, at rate 1, is the perceptron's rule: add y x. The claims say so:"
run_brief "gradproof check --claims only perceptron.gpf"

step "AND, sweep by sweep"
run "gradproof train --of mistakes --until-loss 0 --save and.npz perceptron.gpf"
say "(The loss shown is the number of mistakes; an epoch is one sweep through the four samples.)"
gradproof eval --load and.npz perceptron.gpf X f label y | cells | samples "X f label y" | table

step "Four gates"
printf 'gate\tsweeps\tmistakes left\tw\tb\n' >gates.tsv
printf 'x1\tx2\ty\tgate\n' >perceptron-gates.tsv
for gate in AND OR NAND XOR; do
    sed "s/^y     = AND/y     = $gate/" perceptron.gpf >gate.gpf
    trained --of mistakes --until-loss 0 --epochs 1000 --save gate.npz --log gate.tsv gate.gpf
    gradproof eval --load gate.npz gate.gpf X y w b >gate.txt
    cells <gate.txt | awk -v gate=$gate -v OFS='\t' '
        { x[$1, $2, $3] = $4 }
        END { for (i = 0; i < 4; i++) print x["X", i, 0], x["X", i, 1], x["y", i, 0], gate }' >>perceptron-gates.tsv
    cells <gate.txt | awk -v gate=$gate '
        { x[$1, $2, $3] = $4 }
        END { printf "%s_w1 = %s\n%s_w2 = %s\n%s_b = %s\n", gate, x["w", 0, 0], gate, x["w", 1, 0], gate, x["b", 0, 0] }' >>lines.gp
    cells <gate.txt | awk -v gate=$gate -v sweeps="$(column loss gate.tsv | tail -n 1 | cut -f 1)" \
        -v left="$(last loss gate.tsv)" -v OFS='\t' '
        { x[$1, $2, $3] = $4 }
        END { print gate, sweeps, left, "(" x["w", 0, 0] ", " x["w", 1, 0] ")", x["b", 0, 0] }' >>gates.tsv
done
table <gates.tsv
say "A line separates the ones from the zeros of AND, OR and NAND, and the rule finds one. For XOR there
is none: f(0,1) + f(1,0) = f(0,0) + f(1,1) for every w and b, but the left side would have to be at
least 0 and the right side below."
picture perceptron-gates "
$(cat lines.gp)
set multiplot layout 2,2 title (format eq \"dumb\" ? \"G is +1, E is -1\" : \"Circles are +1, squares -1\").\"; on the line f = 0, which counts as +1\" font \",18\"
set size square
unset grid
set xrange [-0.5:1.5]
set yrange [-0.5:1.5]
set xtics 0,1,1
set ytics 0,1,1
set key off
do for [gate in \"AND OR NAND XOR\"] {
    set title gate.(gate eq \"XOR\" ? \": no line separates it\" : \"\")
    w1 = value(gate.\"_w1\")
    w2 = value(gate.\"_w2\")
    b = value(gate.\"_b\")
    line(x) = gate eq \"XOR\" ? NaN : -(b + w1*x)/w2
    plot line(x) with lines linetype 7 linewidth 2, \\
         \"perceptron-gates.tsv\" skip 1 using 1:(strcol(4) eq gate && \$3 > 0 ? \$2 : NaN) with points linetype 1 pointsize 2.5, \\
         \"\" skip 1 using 1:(strcol(4) eq gate && \$3 < 0 ? \$2 : NaN) with points linetype 2 pointsize 2.5
}
unset multiplot
" 850

step "What is sign(0)?"
say "At the start w = 0 and b = 0, so f = 0 for every sample. Whether that counts as a mistake is a
convention, and nothing happens without a mistake:"
printf 'sign(0)\tmistakes at first\tw after 20 sweeps\tb\tlabels\n' >zero.tsv
for at0 in 1 0 -1; do
    sed "s/at0=1/at0=$at0/" perceptron.gpf >zero.gpf
    gradproof eval zero.gpf mistakes >first.txt
    trained --save zero.npz zero.gpf
    gradproof eval --load zero.npz zero.gpf w b label | cat first.txt - | cells | awk -v at0=$at0 -v OFS='\t' '
        { x[$1, $2, $3] = $4 }
        END { print at0, x["mistakes", 0, 0], "(" x["w", 0, 0] ", " x["w", 1, 0] ")", x["b", 0, 0],
              x["label", 0, 0] " " x["label", 1, 0] " " x["label", 2, 0] " " x["label", 3, 0] }' >>zero.tsv
done
table <zero.tsv
say "sign(0) = 0, as NumPy has it: no sample has the label -y, nobody is wrong, and the rule
never starts. It is also why the loss cannot be the whole story: it is 0 at w = 0, which is already its
minimum."
closing
