#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# demo: descent on the input: a flower that the net calls virginica
. "$(dirname "$0")/lib.sh"

title "The gradient by the input"
say "Training asks how the loss changes with the weights. The same backward pass also tells how it changes
with the input. Here that gradient changes a flower until the net calls it one of another kind."

step "A net that knows irises"
show input-gradient.gpf
run "gradproof train --quiet --save net.npz input-gradient.gpf"
run "gradproof eval --load net.npz input-gradient.gpf 'W*' 'b*' >net.txt"

step "The same formulas, another question"
say "Backprop passes the error on to the weights of every layer, and one step further: to the input.
Training throws that away. Here it is kept, and the weights stay as they are."
show input-search.gpf
run_brief "gradproof check --load net.txt --wrt x input-search.gpf"
say "So the error passed on to the input, often written delta_x, is e1 W1', and GSL agrees."

step "Descent on the input"
run "gradproof train --quiet --load net.txt --wrt x --save x.npz input-search.gpf"
path() { # START MODEL STEP..: x and p after so many steps
    path_start=$1 path_model=$2
    shift 2
    for e in "$@"; do
        trained --load "$path_start" --wrt x --epochs "$e" --save at.npz "$path_model"
        gradproof eval --load at.npz "$path_model" x p | cells | awk -v OFS='\t' -v e="$e" '
            { v[$1, $3] = $4 }
            END { print e, v["x", 0], v["x", 1], v["x", 2], v["x", 3], v["p", 0], v["p", 1], v["p", 2] }'
    done
}
flowers() { # PATTERN of steps: those rows of a path as a table
    {
        printf 'step\tsepal l.\tw.\tpetal l.\tw.\tsetosa\tversicolor\tvirginica\n'
        awk -F '\t' -v OFS='\t' -v steps="$1" '
            $1 ~ steps { for (j = 2; j <= NF; j++) $j = sprintf("%.2f", $j); print }'
    } | table
}
path net.txt input-search.gpf 0 20 50 65 80 100 125 150 200 250 300 325 350 375 400 425 450 475 500 550 600 800 1000 \
    >input-gradient-path.tsv
flowers '^(0|50|100|200|300|400|500|1000)$' <input-gradient-path.tsv
say "Lengths in cm; the last three columns are the probabilities the net gives. The flower it starts
from is a setosa; on the way it is, for the net, a versicolor, and in the end a virginica."

step "Is it a flower?"
gradproof eval input-gradient.gpf X Y | cells | awk -v OFS='\t' '
    { v[$1, $2, $3] = $4; if ($2 > n) n = $2 }
    END {
        print "mean of", "sepal l.", "w.", "petal l.", "w."
        split("setosa versicolor virginica", name, " ")
        for (k = 0; k < 3; k++) {
            line = name[k + 1]
            for (j = 0; j < 4; j++) {
                s = m = 0
                for (i = 0; i <= n; i++) if (v["Y", i, k]) { s += v["X", i, j]; m++ }
                line = line OFS sprintf("%.2f", s/m)
            }
            print line
        }
    }' | table
say "It is not. No iris has a petal of 1.5 cm that is 4 cm wide. The net never saw such a thing, so
what it says there means nothing; descent on the input finds just these places, as nothing keeps it
from them. This is how inputs are made that fool a net."

step "With a price for leaving the data"
show input-likely.gpf
say "The search goes on from where the first one ended:"
run "gradproof eval --load x.npz input-search.gpf x 'W*' 'b*' >found.txt"
run "gradproof check --quiet --load found.txt --wrt x input-likely.gpf"
path found.txt input-likely.gpf 0 20 50 75 100 150 200 250 300 400 500 700 1000 >likely.tsv
flowers '^(0|50|100|200|500|1000)$' <likely.tsv
say "That is a virginica, among its kind: data that obey a constraint, made by the gradient
by the input. (From the setosa itself this search ends between the kinds, in a local minimum.)"
picture input-gradient-path '
set title "Gradient descent on the input: from setosa, past versicolor, to virginica"
set xlabel "step of gradient descent on the four lengths"
set ylabel "probability the net gives"
set key center right
plot [0:1000] [0:1] "input-gradient-path.tsv" using 1:6 with linespoints title "setosa", \
     "" using 1:7 with linespoints title "versicolor", \
     "" using 1:8 with linespoints title "virginica"
'
gradproof eval input-gradient.gpf X Y | cells | awk -v OFS='\t' '
    { v[$1, $2, $3] = $4; if ($2 > n) n = $2 }
    END { for (k = 0; k < 3; k++) {
              for (i = 0; i <= n; i++) if (v["Y", i, k]) print v["X", i, 2], v["X", i, 3]
              print "\n"
          } }' >input-gradient-petals.tsv
{
    cut -f 4,5 input-gradient-path.tsv
    printf '\n\n'
    cut -f 4,5 likely.tsv
} >>input-gradient-petals.tsv
picture input-gradient-petals '
set title "Petals: what the net calls a virginica, and what is one"
set xlabel "petal length (cm)"
set ylabel "petal width (cm)"
plot [0:8] [0:5] "input-gradient-petals.tsv" index 0 with points pointsize 0.7 title "setosa", \
     "" index 1 with points pointsize 0.7 title "versicolor", \
     "" index 2 with points pointsize 0.7 title "virginica", \
     "" index 3 with linespoints linetype 7 pointsize 1 title "x, first search", \
     "" index 4 with linespoints linetype 4 pointsize 1 title "x, with a price"
'
closing
