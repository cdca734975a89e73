/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <gradproof/status.h>

const char *gpf_strerror(int status)
{
    static const struct {
        int value;
        const char *text;
    } list[] = {
#define ENTRY(name, value, text) { value, text },
        GPF_STATUS_LIST(ENTRY)
#undef ENTRY
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i].value == status)
            return list[i].text;
    return gsl_strerror(status);
}
