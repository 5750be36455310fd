// SPDX-License-Identifier: Apache-2.0
//
// What the judge (http2_judge.h) wants of the fields of an answer. Included once.
#pragma once

#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "test/fuzz/http2_judge.h"

static bool judge_is(const nghttp2_nv *nv, const char *name)
{
    return nv->namelen == strlen(name) && memcmp(nv->name, name, nv->namelen) == 0;
}

static void judge_field(struct judge_stream *s, const nghttp2_nv *nv, unsigned which)
{
    bool head = s == NULL || !s->headed;

    check(nv->namelen != 0);
    for (size_t i = nv->name[0] == ':'; i < nv->namelen; i++)
        check(nv->name[i] > ' ' && nv->name[i] < 0x7f && nv->name[i] != ':' &&
              !(nv->name[i] >= 'A' && nv->name[i] <= 'Z'));
    for (size_t i = 0; i < nv->valuelen; i++)
        check(nv->value[i] != '\r' && nv->value[i] != '\n' && nv->value[i] != '\0');
    check(!judge_is(nv, "connection") && !judge_is(nv, "transfer-encoding"));
    if (s == NULL)
        return;
    check((which == 0 && head) == judge_is(nv, ":status"));
    check(which == 0 || nv->name[0] != ':');
    if (judge_is(nv, ":status"))
        check(nv->valuelen == 3 && nv->value[0] >= '2' && nv->value[0] <= '5');
    if (judge_is(nv, "content-length")) {
        check(s->length == UINT64_MAX);
        s->length = strtoull((const char *)nv->value, NULL, 10);
    }
}

static void judge_block(struct judge *j, struct judge_stream *s, const uint8_t *p, size_t n,
                        bool last)
{
    unsigned which = 0;
    nghttp2_nv nv;
    int flags;

    // A block that goes on has all of its first fields in its first frame.
    do {
        flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(j->inflater, &nv, &flags, p, n, last);
        check(used >= 0);
        p += used;
        n -= (size_t)used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT)
            judge_field(s, &nv, which++);
    } while ((flags & NGHTTP2_HD_INFLATE_FINAL) == 0 && (n != 0 || flags != 0));
    check(n == 0 && (!last || (flags & NGHTTP2_HD_INFLATE_FINAL) != 0));
    if (last)
        check(nghttp2_hd_inflate_end_headers(j->inflater) == 0);
    if (s != NULL && which != 0)
        s->headed = true;
}
