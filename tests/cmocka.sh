# SPDX-License-Identifier: GPL-3.0-or-later
#
# Runs a test program. cmocka 1.1 says "not ok 3 # SKIP name" of a test that skips itself; to TAP
# that is a failure.
said=$("$@")
status=$?
printf '%s\n' "$said" | sed 's/^not ok \([0-9]*\) # SKIP/ok \1 # SKIP/'
exit $status
