# SPDX-License-Identifier: GPL-3.0-or-later
#
# Training runs that are killed at random moments, by SIGKILL, and go on: what they end with is to the
# byte what a run ends with that nobody killed. KILLS=200 kills more often. And no room on the disk.
. "$top_src/tests/lib.sh"

gradproof=$top_build/gradproof
kills=${KILLS-20}
OPENBLAS_NUM_THREADS=1
export OPENBLAS_NUM_THREADS

cat >"$tmp/net.gpf" <<'GPF'
seed 7
split 0.25
data X = spirals(60, 3)
data label = spiral_labels(60, 3)
h = dense(X, 16, tanh)
logits = dense(h, 3)
loss = cross_entropy(logits, one_hot(label))
train optimizer=adam, rate=0.02, epochs=150, batch=16, shuffle=1, schedule=cosine, patience=100
GPF

train() { # FILE OPTION...: saves often, so that many kills hit the writing
    train_to=$1
    shift
    "$gradproof" train --quiet --save "$train_to" --save-every 1 "$@" "$tmp/net.gpf"
}

# From where it is, or from the start.
go_on() { # FILE
    if [ -f "$1" ]; then
        exec "$gradproof" train --quiet --save "$1" --save-every 1 --resume "$1" "$tmp/net.gpf"
    else
        exec "$gradproof" train --quiet --save "$1" --save-every 1 "$tmp/net.gpf"
    fi
}

# FILE SEED: kills until a run comes through; adds the kills that hit to the file `hits`.
killed_often() {
    mkdir "$tmp/run" || return
    killed_file=$tmp/run/$1
    killed_n=0
    awk -v n="$kills" -v seed="$2" 'BEGIN {
        srand(seed)
        for (i = 0; i < n; i++) printf "%.3f\n", 0.005 + 0.15 * rand()
    }' >"$tmp/delays"
    while read -r killed_delay; do
        go_on "$killed_file" >"$tmp/out" 2>&1 &
        killed_pid=$!
        sleep "$killed_delay"
        kill -KILL $killed_pid 2>/dev/null && killed_n=$((killed_n + 1))
        wait $killed_pid 2>/dev/null
        killed_status=$?
        # Killed, or through; an error would be something else.
        [ $killed_status -eq 137 ] || [ $killed_status -eq 0 ] ||
            { cat "$tmp/out" && return 1; }
        [ $killed_status -ne 0 ] || check_run "$killed_file" || return
    done <"$tmp/delays"
    # Not even what was being written is left.
    (go_on "$killed_file") && check_run "$killed_file" || return
    rmdir "$tmp/run" && echo "$killed_n" >>"$tmp/hits"
}

# FILE: the same as that of the run that nobody killed. Then it is removed.
check_run() {
    cmp "$1" "$tmp/never.${1##*.}" && rm "$1"
}

for ending in npz safetensors; do
    try "a run that nobody kills, .$ending" train "$tmp/never.$ending"
    try "$kills kills, .$ending" killed_often "run.$ending" $$
done
try "kills hit" awk '{ n += $1 } END { print n; exit n < 1 }' "$tmp/hits"

# Files no larger than a block or two, as the shell allows. Signal 25 is SIGXFSZ.
no_room() {
    cp "$tmp/part.npz" "$tmp/kept.npz"
    (
        trap '' 25 && ulimit -f 1 || exit 77
        go_on "$tmp/part.npz"
    ) >"$tmp/out" 2>&1
    room_status=$?
    cat "$tmp/out"
    [ $room_status -eq 2 ] && grep -q 'part.npz: cannot be written: File too large' "$tmp/out" &&
        cmp "$tmp/part.npz" "$tmp/kept.npz" && [ ! -e "$tmp/part.npz.tmp" ] || return
    (go_on "$tmp/part.npz") && cmp "$tmp/part.npz" "$tmp/never.npz"
}

# A small file system, where one may be mounted.
full_disk() {
    cp "$tmp/early.npz" "$tmp/disk/run.npz" || return
    dd if=/dev/zero of="$tmp/disk/rest" bs=4096 count=100 2>/dev/null
    (go_on "$tmp/disk/run.npz") >"$tmp/out" 2>&1
    disk_status=$?
    cat "$tmp/out"
    [ $disk_status -eq 2 ] && grep -q 'cannot be written: No space left on device' "$tmp/out" &&
        cmp "$tmp/disk/run.npz" "$tmp/early.npz" && [ ! -e "$tmp/disk/run.npz.tmp" ] || return
    rm "$tmp/disk/rest"
    (go_on "$tmp/disk/run.npz") && cmp "$tmp/disk/run.npz" "$tmp/never.npz"
}

# A run that was stopped in the middle.
go_on "$tmp/part.npz" >/dev/null 2>&1 &
pid=$!
while [ ! -f "$tmp/part.npz" ] && kill -0 $pid 2>/dev/null; do
    sleep 0.01
done
kill -KILL $pid 2>/dev/null
wait $pid 2>/dev/null
cp "$tmp/part.npz" "$tmp/early.npz"

if (trap '' 25 && ulimit -f 1) 2>/dev/null; then
    try "no room: the old file stays and is good" no_room
else
    skip "no room: the old file stays and is good" "no limit on the size of files"
fi
mkdir "$tmp/disk"
if mount -t tmpfs -o size=64k gradproof "$tmp/disk" 2>/dev/null; then
    trap 'umount "$tmp/disk"; rm -rf "$tmp"' EXIT
    try "a full disk: the old file stays and is good" full_disk
else
    skip "a full disk: the old file stays and is good" "no file system can be mounted"
fi

nowhere() {
    ! train "$tmp/nowhere/run.npz" 2>"$tmp/out" || return
    cat "$tmp/out"
    grep -q 'nowhere/run.npz: cannot be written: No such file or directory' "$tmp/out"
}
try "no such folder" nowhere

finish
