// SPDX-License-Identifier: Apache-2.0
#include "server/process/respawn.h"

uint64_t respawn_delay(struct respawn *r, uint64_t lived_ms)
{
    uint64_t delay = 0;

    if (lived_ms >= RESPAWN_YOUNG_MS)
        r->young_deaths = 0;
    if (r->young_deaths > 0) {
        delay = RESPAWN_FIRST_MS;
        for (unsigned i = 1; i < r->young_deaths && delay < RESPAWN_MAX_MS; i++)
            delay *= 2;
    }
    r->young_deaths++;
    return delay < RESPAWN_MAX_MS ? delay : RESPAWN_MAX_MS;
}
