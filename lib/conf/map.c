// SPDX-License-Identifier: Apache-2.0
//
// A string table that grows, for names whose number is known only after loading.
#include "lib/conf/parse_priv.h"

static int grow(struct strmap *m, struct arena *a)
{
    struct strmap larger;

    if (strmap_init(&larger, a, m->count < 8 ? 16 : m->count * 2, m->nocase) != 0)
        return -ENOMEM;
    for (uint32_t i = 0; m->slots != NULL && i <= m->mask; i++) {
        if (m->slots[i].key.p == NULL)
            continue;
        int rc = strmap_put(&larger, m->slots[i].key, m->slots[i].value);
        if (rc != 0)
            return rc;
    }
    *m = larger;
    return 0;
}

int conf_map_put(struct strmap *m, struct arena *a, struct sv key, void *value)
{
    int rc = m->slots != NULL ? strmap_put(m, key, value) : -ENOSPC;

    if (rc != -ENOSPC)
        return rc;
    rc = grow(m, a);
    return rc != 0 ? rc : strmap_put(m, key, value);
}
