#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# demo: 2-2-1 nets from 100 seeds: how often solved, where stuck
. "$(dirname "$0")/lib.sh"

title "XOR"
say "XOR is 1 where one of two inputs is 1, but not both. A single neuron cannot learn it, as no line parts
the ones from the zeros; a net with two hidden units can have it. Does gradient descent find the weights?"

step "By hand"
show xor-sign.gpf
run_brief "gradproof check --claims only xor-sign.gpf"
gradproof eval xor-sign.gpf x01 h01 f01 x11 h11 f11 >hand.txt
cells <hand.txt | samples "x01 h01 f01" | table
cells <hand.txt | samples "x11 h11 f11" | table
say "A net for inputs 0 and 1 is not one for inputs -1 and 1: the coding of the truth values belongs to
the weights."

step "By gradient descent"
show xor-net.gpf
run "gradproof check --quiet xor-net.gpf"
say "The gradient is right. Two starts:"
good= stuck=
trained --seeds 1..20 --log few.tsv xor-net.gpf
good=$(awk -F '\t' 'NR > 1 && $3 < 0.1 { print $1; exit }' few.tsv)
stuck=$(awk -F '\t' 'NR > 1 && $3 > 1.38 && $3 < 1.4 { print $1; exit }' few.tsv)
for seed in $good $stuck; do
    run "gradproof train --quiet --seed $seed --save at.npz --log $seed.tsv xor-net.gpf"
    sed 's/^z2 .*/&\
p = sigmoid(z2)/' xor-net.gpf >with-p.gpf
    gradproof eval --load at.npz with-p.gpf X y p | cells | samples "X y p" | digits %.3f | table
done
say "The second one is stuck: two samples are right, the other two get 1/2 each. That costs
2 ln 2 = 1.386, and gradient descent finds no way on from there."

step "100 starts"
printf 'net\tsolved\t1.386\t1.910\t2.773\telsewhere\n' >starts.tsv
for f in sigmoid tanh relu; do
    for h in 2 4; do
        sed -e "s/sigmoid(/$f(/" -e "s/W1\[2,2\]/W1[2,$h]/" -e "s/W2\[2,1\]/W2[$h,1]/" \
            -e "s/b1\[1,2\]/b1[1,$h]/" xor-net.gpf >start.gpf
        trained --evaluate 5000 --seeds 1..100 --log $f-$h.tsv start.gpf
        awk -F '\t' -v OFS='\t' -v name="2-$h-1, $f" '
            function near(x, y) { return x > y - 0.01 && x < y + 0.01 }
            NR > 1 {
                if ($3 < 0.1) solved++
                else if (near($3, 2*log(2))) a++
                else if (near($3, 3*log(3) - 2*log(2))) b++
                else if (near($3, 4*log(2))) c++
                else other++
            }
            END { print name, solved + 0, a + 0, b + 0, c + 0, other + 0 }' $f-$h.tsv >>starts.tsv
    done
done
table <starts.tsv
say "The plateaus have names: 1.386 = 2 ln 2, two samples at 1/2; 1.910 = 3 ln 3 - 2 ln 2, three samples
that get the same answer, 1/3 or 2/3; 2.773 = 4 ln 2, all four at 1/2. The ReLU net is stuck most
often: a unit that is off for all four samples does not move. Two more units help all three."
for seed in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    trained --seed $seed --evaluate 20 --epochs 3000 --log one.tsv xor-net.gpf
    column loss one.tsv | sed "s/$/	$(awk -v loss="$(last loss one.tsv)" 'BEGIN { print loss < 0.5 }')/"
    echo
done >xor-starts.tsv
picture xor-starts '
set title "2-2-1 sigmoid nets on XOR: 20 starts, plateaus with names"
set xlabel "step of gradient descent"
set ylabel "cross-entropy (sum)"
set yrange [0:3.5]
set ytics ("0" 0, "2 ln 2" 1.3863, "3 ln 3 - 2 ln 2" 1.9095, "4 ln 2" 2.7726)
plot [0:1500] "xor-starts.tsv" using 1:($3 == 1 ? $2 : NaN) with lines linetype 1 linewidth 1.2 title "solved", \
     "" using 1:($3 == 0 ? $2 : NaN) with lines linetype 2 linewidth 2.5 title "stuck"
'
step "The moral"
say "A right gradient does not make training succeed. And a net that learns is no proof of its gradient:
examples/xor-claims.gpf has nine formulas of a lecture, four of them wrong; trained with them, some
starts solve XOR all the same."
closing
