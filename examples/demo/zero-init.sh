#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# demo: all weights 0: single layers learn, hidden layers do not
. "$(dirname "$0")/lib.sh"

first_gradient() { # MODEL: at zero, by backprop and by GSL, element by element
    gradproof check --all --claims no "$1" | awk -v OFS='\t' '
        BEGIN { print "element", "backprop", "GSL", "its error", "verdict" }
        $1 ~ /^[Wb]\[/ && $4 == "±" { print $1, $2, $3, $5, $8 != "" ? $8 : $7 }' | digits | table
}

fit() { # MODEL: what it reaches from zero
    trained --log fit.tsv "$1"
    column loss fit.tsv | awk 'NR == 1 { printf "  loss %.4g at zero, ", $2 } END { printf "%.4g after %d steps", $2, $1 }'
    column accuracy fit.tsv | awk '
        END { if ($2 ~ /^[0-9]/) printf "; %.1f %% of the flowers right", 100*$2; print "\n" }'
}

title "Zero initialisation"
say "A rule for nets says: never start with all weights 0. Linear, logistic and softmax regression
start there and learn. What is the difference?"

step "Linear regression from zero learns"
show zero-linear.gpf
say "Its first gradient, at W = 0, b = 0, is -2 X'y/N: nothing in it is multiplied by a weight."
first_gradient zero-linear.gpf
fit zero-linear.gpf
run "gradproof train --quiet --optimizer lm --epochs 20 --log lm.tsv zero-linear.gpf"
echo "  least squares (Levenberg-Marquardt of GSL): $(last loss lm.tsv | digits)"
echo

step "Logistic regression from zero learns"
show zero-logistic.gpf
say "At zero every p is 1/2, so the first gradient is X'(1/2 - y)/N."
first_gradient zero-logistic.gpf
fit zero-logistic.gpf

step "Softmax regression from zero learns"
show zero-softmax.gpf
say "At zero every class has probability 1/3."
first_gradient zero-softmax.gpf
say "(b: the three kinds are equally frequent, so this gradient is 0 but for rounding; GSL cannot tell
such a number from 0, and the check says 'unresolved'.)"
fit zero-softmax.gpf

step "The claims of all three"
run "gradproof check --claims only zero-linear.gpf | tail -n 1"
run "gradproof check --claims only zero-logistic.gpf | tail -n 1"
run "gradproof check --claims only zero-softmax.gpf | tail -n 1"

step "A net with two hidden layers, from zero"
show zero-init.gpf
gradproof grad zero-init.gpf | cells | awk -v OFS='\t' '
    !($1 in n) { name[++k] = $1 }
    { n[$1]++; if ($4 != 0) moving[$1]++; if ($4^2 > largest[$1]^2) largest[$1] = $4 }
    END {
        print "gradient", "elements", "not 0", "largest"
        for (i = 1; i <= k; i++) print name[i], n[name[i]], moving[name[i]] + 0, largest[name[i]] + 0
    }' | digits | table
say "The gradient of W1 is X' e1, and e1 has passed through W2 and W3, which are 0. The gradient of W3 is
h2' e3, and h2 = relu(0) = 0. Only b3 is multiplied by nothing."
run_brief "gradproof health zero-init.gpf"

step "Seven activations, 2000 steps from zero"
printf 'f\tlargest |W|\tunits alike\toutput bias\tloss\n' >seven.tsv
for f in relu tanh linear elu swish sigmoid softplus; do
    case $f in linear) call= ;; *) call=$f ;; esac
    sed "s/relu(/$call(/" zero-init.gpf >zero-$f.gpf
    trained --save zero-$f.npz --log zero-$f.tsv zero-$f.gpf
    gradproof eval --load zero-$f.npz zero-$f.gpf W1 W2 W3 b3 | cells | awk -v OFS='\t' -v f=$f \
        -v loss="$(last loss zero-$f.tsv)" '
        $1 ~ /^W/ { if ($4 > largest) largest = $4; if (-$4 > largest) largest = -$4 }
        $1 == "W1" || $1 == "W2" { if ($3 == 0) first = $4; else if ($4 != first) differ = 1 }
        $1 == "b3" { b = $4 }
        END { print f, largest + 0, differ ? "no" : "yes", sprintf("%.4f", b), sprintf("%.4f", loss) }
        ' >>seven.tsv
done
digits %.6g <seven.tsv | table
gradproof eval zero-linear.gpf y | cells | awk '
    { s += $4; q += $4^2; n++ }
    END { printf "  mean of y %.4f; its variance, the loss of the best constant, %.4f\n\n", s/n, q/n - (s/n)^2 }'
say "relu, tanh, linear, elu and swish have f(0) = 0: their weights are exactly 0 after 2000 steps, and
the net predicts the mean. sigmoid(0) = 1/2 and softplus(0) = ln 2 let W3 move, and then the rest; but
the columns of W1 are equal to the last bit. Four units that compute the same are one unit."

step "Not an accident of these numbers: the same as claims"
say "The whole gradient of the zero net is that of the output bias, whatever X, y and b are:"
run "grep -A 6 '^# tanh' zero-init-claims.gpf"
run_brief "gradproof check --claims only zero-init-claims.gpf"
say "And a net whose units are alike gets a gradient whose units are alike, so it stays that way:"
run "grep -A 4 '^J_sigmoid' symmetry-claims.gpf"
run "gradproof check --claims only symmetry-claims.gpf | tail -n 1"

step "A constant is no better, one different weight is enough"
say "W = 0.5 instead of 0, and then W1[0,2] = 0.51; or, from zero, W1[0,2] = 0.01. 10000 steps:"
variant() { # NAME ACTIVATION CONSTANT ODD: a model
    sed -e "s/relu(/$2(/" -e "s/\(W.*\]\) = 0/\1 = $3/" zero-init.gpf >$1.gpf
    [ -z "$4" ] || {
        sed "s/^param W1.*/param W1[3,4] = [$3 $3 $4 $3; $3 $3 $3 $3; $3 $3 $3 $3]/" $1.gpf >odd.gpf &&
            mv odd.gpf $1.gpf
    }
}
spread() { # MODEL and options: the largest difference between two columns of W1
    gradproof eval "$@" W1 | cells | awk '
        !($2 in low) { low[$2] = high[$2] = $4 }
        $4 < low[$2] { low[$2] = $4 }
        $4 > high[$2] { high[$2] = $4 }
        END { for (i in low) if (high[i] - low[i] > s) s = high[i] - low[i]; print s + 0 }'
}
printf 'net\tall alike: loss\tspread\tone differs: loss\tspread\n' >odd.tsv
for at in relu:0:0.01 relu:0.5:0.51 tanh:0:0.01 tanh:0.5:0.51 sigmoid:0:0.01 sigmoid:0.5:0.51; do
    f=${at%%:*}
    constant=${at#*:} odd=${at##*:}
    constant=${constant%:*}
    for kind in alike odd; do
        case $kind in alike) other= ;; *) other=$odd ;; esac
        variant $f-$constant-$kind $f $constant "$other"
        trained --epochs 10000 --save $kind.npz --log $f-$constant-$kind.tsv \
            --evaluate 10 $f-$constant-$kind.gpf
        printf '%s\t%s\n' "$(last loss $f-$constant-$kind.tsv)" \
            "$(spread --load $kind.npz $f-$constant-$kind.gpf)" >$kind.row
    done
    printf '%s, W = %s\t%s\t%s\n' $f $constant "$(cat alike.row)" "$(cat odd.row)" >>odd.tsv
done
digits %.3g <odd.tsv | table
say "Spread: the largest difference between two columns of W1. Alike it is 0, to the last bit, for ever;
the net can do no better than one with a single unit a layer. One weight that differs, and the units
part. But not in relu and tanh nets from zero: there W2 and W3 are still 0, and nothing reaches W1."
{
    printf 'step\trelu 0.51\tsigmoid 0.01\n'
    for e in 0 1 2 5 10 20 50 100 200 500 1000 2000 3000 5000 7000 10000; do
        printf '%s' $e
        for m in relu-0.5-odd sigmoid-0-odd; do
            trained --epochs $e --save at.npz $m.gpf
            printf '\t%s' "$(spread --load at.npz $m.gpf)"
        done
        echo
    done
} >zero-init-spread.tsv
picture zero-init-spread '
set title "One weight that differs is enough to break the symmetry"
set xlabel "step of gradient descent"
set ylabel "largest difference of two units"
set logscale xy
set format y "10^{%T}"
set label 1 "all weights alike: exactly 0, at every step" at graph 0.03,0.06
set key top left
plot [1:10000] [1e-3:100] "zero-init-spread.tsv" skip 1 using 1:2 with linespoints title "relu from 0.5, one weight 0.51", \
     "" skip 1 using 1:3 with linespoints title "sigmoid from 0, one weight 0.01"
'
variant relu-he relu 0 ""
sed 's/\(W.*\]\) = 0/\1 ~ he/' zero-init.gpf >relu-he.gpf
trained --epochs 10000 --evaluate 10 --log relu-he.tsv relu-he.gpf
for m in relu-0-alike sigmoid-0-alike sigmoid-0-odd relu-he; do
    column loss $m.tsv | sed "s/^/$m	/"
done | awk -F '\t' -v OFS='\t' '
    { x[$1, $2] = $3; if (!($2 in seen)) { seen[$2] = 1; at[++n] = $2 } }
    END {
        print "step", "relu, zero", "sigmoid, zero", "sigmoid, one 0.01", "relu, he"
        for (i = 1; i <= n; i++)
            print at[i], x["relu-0-alike", at[i]], x["sigmoid-0-alike", at[i]], x["sigmoid-0-odd", at[i]], x["relu-he", at[i]]
    }' >zero-init-loss.tsv
picture zero-init-loss '
set title "All 0: relu learns the mean, sigmoid what one unit can"
set xlabel "step of gradient descent"
set ylabel "mean squared error"
set logscale xy
set key bottom left
plot [10:10000] [0.01:300] "zero-init-loss.tsv" skip 1 using 1:2 with lines title "relu, all 0", \
     "" skip 1 using 1:3 with lines title "sigmoid, all 0: units alike", \
     "" skip 1 using 1:4 with lines title "sigmoid, one weight 0.01", \
     "" skip 1 using 1:5 with lines title "relu, He initialisation"
'

step "In short"
say "A gradient of exactly 0 is a right gradient. Zero is a fine start for biases and for models with
one layer. A hidden layer needs weights that are not 0, or nothing comes back through them, and that
are not equal, or its units stay copies of each other: random ones are both. With He's initialiser
this net reaches a loss of $(last loss relu-he.tsv | digits %.2f)."
closing
