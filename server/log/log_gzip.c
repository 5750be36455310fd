// SPDX-License-Identifier: Apache-2.0
#include "server/log/log_gzip.h"

#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

#include "lib/base/check.h"
#include "lib/http/gzip.h"

struct log_gzip {
    z_stream z;
};

struct log_gzip *log_gzip_new(int level, size_t buffer)
{
    struct log_gzip *g = calloc(1, sizeof(*g));

    if (g == NULL || gzip_open(&g->z, level, buffer) == 0)
        return g;
    free(g);
    return NULL;
}

void log_gzip_free(struct log_gzip *g)
{
    if (g == NULL)
        return;
    deflateEnd(&g->z);
    free(g);
}

size_t log_gzip_bound(struct log_gzip *g, size_t n)
{
    return deflateBound(&g->z, n);
}

void log_gzip_reset(struct log_gzip *g)
{
    check(deflateReset(&g->z) == Z_OK);
}

bool log_gzip_add(struct log_gzip *g, const char *lines, size_t n, bool finish, char *out,
                  size_t room, size_t *made)
{
    g->z.next_in = (const Bytef *)lines;
    g->z.avail_in = (uInt)n;
    g->z.next_out = (Bytef *)out;
    g->z.avail_out = (uInt)room;
    int rc = deflate(&g->z, finish ? Z_FINISH : Z_NO_FLUSH);
    *made = room - g->z.avail_out;
    bool good = finish ? rc == Z_STREAM_END : rc == Z_OK && g->z.avail_in == 0;
    if (finish || !good)
        log_gzip_reset(g);
    return good;
}
