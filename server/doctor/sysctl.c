// SPDX-License-Identifier: Apache-2.0
//
// One number in one file, against its bounds.
#include "server/doctor/sysctl_priv.h"

#include <string.h>

#include "server/doctor/doctor_priv.h"
#include "server/doctor/tree_priv.h"

bool setting_look(struct doctor *d, const struct check *c, const char *where,
                  const struct setting *s)
{
    const char *name = strrchr(s->path, '/') + 1;
    int64_t value;

    if (tree_number(d, &value, "%s", s->path) != 0)
        return false;
    if (value < s->least || value > s->most)
        change_file(d, finding_add(d, c, where, "%s is %lld", name, (long long)value), s->better,
                    "%s", s->path);
    return true;
}
