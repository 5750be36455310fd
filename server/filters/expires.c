// SPDX-License-Identifier: Apache-2.0
#include "server/filters/expires.h"

#include <errno.h>

#include "lib/conf/value.h"

static bool take_word(struct sv text, enum expires_mode *mode)
{
    if (*mode == EXPIRES_MODIFIED)
        return false;
    if (sv_eq(text, SV("epoch")))
        *mode = EXPIRES_EPOCH;
    else if (sv_eq(text, SV("max")))
        *mode = EXPIRES_MAX;
    else if (sv_eq(text, SV("off")))
        *mode = EXPIRES_OFF;
    else
        return false;
    return true;
}

int expires_parse(struct sv text, enum expires_mode *mode, int64_t *seconds, const char **why)
{
    bool minus = false;

    *why = "invalid value";
    if (take_word(text, mode))
        return 0;
    if (text.n != 0 && text.p[0] == '@') {
        *why = "daily time cannot be used with \"modified\" parameter";
        if (*mode == EXPIRES_MODIFIED)
            return -EINVAL;
        *mode = EXPIRES_DAILY;
        text = sv_skip(text, 1);
    } else if (text.n != 0 && (text.p[0] == '+' || text.p[0] == '-')) {
        minus = text.p[0] == '-';
        text = sv_skip(text, 1);
    }
    *why = "invalid value";
    if (conf_sec(text, seconds) != 0)
        return -EINVAL;
    *why = "daily time value must be less than 24 hours";
    if (*mode == EXPIRES_DAILY && *seconds > 24 * 60 * 60)
        return -EINVAL;
    if (minus)
        *seconds = -*seconds;
    return 0;
}
