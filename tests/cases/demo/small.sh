#!/bin/sh
# demo: a small story
echo "pictures: ${GPF_PLOT:+${GPF_PLOT##*/}}"
"$GRADPROOF" demo | head -n 1 | cut -c1-14
exit 3
