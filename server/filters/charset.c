// SPDX-License-Identifier: Apache-2.0
//
// charset: names the character set of textual types in Content-Type. Nothing is recoded.
#include "server/filters/filters.h"
#include "server/request/request.h"

int filter_charset(struct request *r)
{
    const struct location_conf *l = r->location;
    struct response *s = &r->response;

    if (l->charset.n == 0 || s->content_type.n == 0 || sv_eq(l->charset, SV("off")))
        return 0;
    if (l->charset_types != NULL && strmap_get(l->charset_types, SV("*")) == NULL &&
        strmap_get(l->charset_types, s->content_type) == NULL)
        return 0;
    s->charset = l->charset;
    return 0;
}
