/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The formats are told by their content: the same target, on another corpus. */
#include "fuzz_npz.c"
