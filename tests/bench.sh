# SPDX-License-Identifier: GPL-3.0-or-later
#
# The benchmark's contenders in C compute the same losses and gradients. Nothing is timed.
top_src=$top_src exec "$top_build/tests/bench/bench" --smoke
