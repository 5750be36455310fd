// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "server/http2/priority_updates.h"

#include <string.h>

void priority_updates_begin(struct priority_updates *u)
{
    u->got = 0;
    u->too_long = false;
}

void priority_updates_part(struct priority_updates *u, const void *data, size_t n)
{
    size_t part = min_of(n, sizeof(u->bytes) - u->got);

    if (part != 0)
        memcpy(u->bytes + u->got, data, part);
    u->got = (uint8_t)(u->got + part);
    u->too_long = u->too_long || part < n;
}

struct priority_update priority_updates_end(const struct priority_updates *u)
{
    const unsigned char *b = (const unsigned char *)u->bytes;
    struct priority_update got = {.kind = UPDATE_SHORT, .p = HTTP_PRIORITY_DEFAULT};

    if (u->got < 4)
        return got;
    got.id = (int32_t)((b[0] & 0x7fu) << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3]);
    if (got.id % 2 == 0)
        got.kind = UPDATE_MISPLACED;
    else if (u->too_long || !http_priority_parse(sv_of(u->bytes + 4, u->got - 4u), &got.p))
        got.kind = UPDATE_PASSED_OVER;
    else
        got.kind = UPDATE_GOOD;
    return got;
}

// Where it is, or what is to go for it: the oldest.
static size_t place_of(const struct priority_updates *u, int32_t id)
{
    size_t i = 0;

    while (i < UPDATES_EARLY - 1 && u->early[i].id != 0 && u->early[i].id != id)
        i++;
    return i;
}

void priority_updates_keep(struct priority_updates *u, int32_t id, struct http_priority p)
{
    size_t i = place_of(u, id);

    memmove(&u->early[1], &u->early[0], i * sizeof(u->early[0]));
    u->early[0].id = id;
    u->early[0].p = p;
}

bool priority_updates_take(struct priority_updates *u, int32_t id, struct http_priority *p)
{
    bool found = false;
    size_t left = 0;

    for (size_t i = 0; i < UPDATES_EARLY && u->early[i].id != 0; i++) {
        if (u->early[i].id == id) {
            *p = u->early[i].p;
            found = true;
        } else if (u->early[i].id > id) {
            u->early[left++] = u->early[i];
        }
    }
    for (; left < UPDATES_EARLY; left++)
        u->early[left].id = 0;
    return found;
}
