/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/cpu.h"

#include <gradproof.h>

const char *gpf_version(void)
{
    return GPF_VERSION;
}

int gpf_version_number(void)
{
    return GPF_VERSION_NUMBER;
}

const char *gpf_cpu(void)
{
    return gpf__cpu_name(gpf__cpu());
}
