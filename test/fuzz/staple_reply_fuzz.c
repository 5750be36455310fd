// SPDX-License-Identifier: Apache-2.0
//
// A hostile OCSP responder: what is taken for a response lies within what came, a longer reply
// gives the same response, and the part of a reply that may be good is not refused.
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/tls/staple_reply_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv reply = sv_of((const char *)data, size), body = {0}, again = {0};
    char why[STAPLE_WHY_MAX];
    int rc = staple_reply_parse(reply, &body, why);

    check(rc == 0 || rc == -EAGAIN || rc == -EINVAL);
    if (rc == -EINVAL) {
        check(memchr(why, '\0', sizeof(why)) != NULL && why[0] != '\0');
        for (const char *p = why; *p != '\0'; p++)
            check(*p >= ' ' && *p <= '~');
        return 0;
    }
    check(staple_reply_parse(sv_take(reply, size / 2), &again, why) != -EINVAL);
    if (rc == -EAGAIN)
        return 0;
    check(body.p > reply.p && body.n >= 2 && body.p + body.n <= reply.p + reply.n);
    reply.n = (size_t)(body.p - reply.p) + body.n;
    check(staple_reply_parse(reply, &again, why) == 0 && again.p == body.p && again.n == body.n);
    reply.n--;
    check(staple_reply_parse(reply, &again, why) == -EAGAIN);
    return 0;
}
