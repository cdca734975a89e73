/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model_test.h"

int main(void)
{
    return 0;
}
