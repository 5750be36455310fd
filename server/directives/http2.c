// SPDX-License-Identifier: Apache-2.0
//
// http2_*: nginx's directives with its bounds and messages, and the limits that attacks meet.
#include "lib/conf/value.h"
#include "server/config/location_conf.h"
#include "server/directives/rows_priv.h"
#include "server/process/report.h"

// nginx's bounds of its memory pools on 64 bits, so that a file means the same to both.
enum { POOL_LEAST = 112, POOL_ALIGNMENT = 16 };

static int set_max_streams(struct conf_apply *ap, const struct conf_directive *row,
                           const struct conf_node *node, void *field)
{
    int64_t *n = field;
    int rc = conf_set_number(ap, row, node, field);

    if (rc == 0 && *n > INT32_MAX) // as many streams as there can be
        *n = INT32_MAX;
    return rc;
}

static int set_recv_buffer_size(struct conf_apply *ap, const struct conf_directive *row,
                                const struct conf_node *node, void *field)
{
    const int64_t *size = field;
    int rc = conf_set_size(ap, row, node, field);

    if (rc == 0 && *size < HTTP2_RECV_BUFFER_MIN)
        return conf_fail(ap->error, node, 0, "\"http2_recv_buffer_size\" directive value is too "
                         "small");
    return rc;
}

static int set_chunk_size(struct conf_apply *ap, const struct conf_directive *row,
                          const struct conf_node *node, void *field)
{
    int64_t *size = field;
    int rc = conf_set_size(ap, row, node, field);

    if (rc == 0 && *size == 0)
        return conf_fail(ap->error, node, 0, "the http2 chunk size cannot be zero");
    if (rc == 0 && *size > HTTP2_FRAME_MAX)
        *size = HTTP2_FRAME_MAX;
    return rc;
}

static int set_pool_size(struct conf_apply *ap, const struct conf_directive *row,
                         const struct conf_node *node, void *field)
{
    const int64_t *size = field;
    int rc = conf_set_size(ap, row, node, field);

    if (rc == 0 && *size < POOL_LEAST)
        return conf_fail(ap->error, node, 0, "the pool size must be no less than %d", POOL_LEAST);
    if (rc == 0 && *size % POOL_ALIGNMENT != 0)
        return conf_fail(ap->error, node, 0, "the pool size must be a multiple of %d",
                         POOL_ALIGNMENT);
    return rc;
}

static int set_preread_size(struct conf_apply *ap, const struct conf_directive *row,
                            const struct conf_node *node, void *field)
{
    const int64_t *size = field;
    int rc = conf_set_size(ap, row, node, field);

    if (rc == 0 && *size > HTTP2_WINDOW_MAX)
        return conf_fail(ap->error, node, 0, "the maximum body preread buffer size is %lld",
                         (long long)HTTP2_WINDOW_MAX);
    return rc;
}

static int set_index_size(struct conf_apply *ap, const struct conf_directive *row,
                          const struct conf_node *node, void *field)
{
    const int64_t *n = field;
    int rc = conf_set_number(ap, row, node, field);

    if (rc == 0 && (*n == 0 || (*n & (*n - 1)) != 0))
        return conf_fail(ap->error, node, 0, "\"http2_streams_index_size\" directive must be a "
                         "power of two");
    return rc;
}

// `aux` is the directive that took its place, if one did.
static int set_obsolete(struct conf_apply *ap, const struct conf_directive *row,
                        const struct conf_node *node, void *field)
{
    const char *instead = row->aux;

    (void)ap;
    (void)field;
    if (instead != NULL)
        report(LOG_LEVEL_WARN, 0, "the \"%s\" directive is obsolete, use the \"%s\" directive "
               "instead in %s:%u", row->name, instead, node->file, node->line);
    else
        report(LOG_LEVEL_WARN, 0, "the \"%s\" directive is obsolete, ignored in %s:%u", row->name,
               node->file, node->line);
    return 0;
}

// A browser that leaves a page resets what it was loading, and a player that seeks does so again
// and again: some dozens in ten seconds, where an attack needs thousands.
enum { RESETS = 200, CONTROL = 1000, EMPTY = 100, CONTINUATIONS = 8, INTERVAL_MS = 10000 };

static const struct http2_flood_limits floods_default = {
    .resets = RESETS, .control = CONTROL, .empty = EMPTY, .continuations = CONTINUATIONS,
    .interval_ms = INTERVAL_MS,
};

struct flood_limit {
    const char *prefix;
    size_t offset;
};

#define LIMIT(name) {#name "=", offsetof(struct http2_flood_limits, name)}

static const struct flood_limit flood_limits[] = {
    LIMIT(resets), LIMIT(control), LIMIT(empty), LIMIT(continuations),
};

// No limit can be taken away: 0 is refused.
static int set_flood_limit(struct conf_apply *ap, const struct conf_node *node, struct sv word,
                           struct http2_flood_limits *floods)
{
    struct sv value;

    if (take_prefix(word, "interval=", &value)) {
        int64_t *ms = &floods->interval_ms;
        return conf_msec(value, ms) == 0 && *ms != 0 ? 0 : fail_value(ap, node, word);
    }
    for (size_t i = 0; i < array_len(flood_limits); i++) {
        int64_t *n = (int64_t *)((char *)floods + flood_limits[i].offset);
        if (!take_prefix(word, flood_limits[i].prefix, &value))
            continue;
        if (conf_number(value, n) != 0 || *n == 0 || *n > INT32_MAX)
            return fail_value(ap, node, word);
        return 0;
    }
    return fail_parameter(ap, node, word);
}

// What a level says replaces all that the level around it says.
static int set_flood_limits(struct conf_apply *ap, const struct conf_directive *row,
                            const struct conf_node *node, void *field)
{
    struct http2_flood_limits *floods = &block_of(ap)->server->http2.floods;
    int rc = 0;

    (void)row;
    (void)field;
    if (floods->resets != CONF_UNSET)
        return fail_duplicate(ap, node);
    *floods = floods_default;
    for (unsigned i = 1; rc == 0 && i < node->argc; i++)
        rc = set_flood_limit(ap, node, node->argv[i], floods);
    return rc;
}

#define OBSOLETE(directive, where, instead) \
    {.name = (directive), .contexts = (where), .args = CONF_ARGS_1, .set = set_obsolete, \
     .aux = (instead)}

const struct conf_directive directives_http2[] = {
    {.name = "http2", .contexts = IN_HS, .args = CONF_ON_OFF, .set = conf_set_flag,
     AT_SERVER(http2.on), ELSE_INT(0)},
    {.name = "http2_max_concurrent_streams", .contexts = IN_HS, .args = CONF_ARGS_1,
     .set = set_max_streams, AT_SERVER(http2.max_concurrent_streams), ELSE_INT(128)},
    {.name = "http2_recv_buffer_size", .contexts = IN_HTTP, .args = CONF_ARGS_1,
     .set = set_recv_buffer_size, AT_HTTP(http2_recv_buffer_size), ELSE_INT(256 << 10)},
    // nginx's default is 8k. Whole frames cost less, and streams take turns by frames anyway.
    {.name = "http2_chunk_size", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = set_chunk_size,
     AT_LOCATION(http2_chunk_size), ELSE_INT(HTTP2_FRAME_MAX)},
    {.name = "http2_flood_limits", .contexts = IN_HS, .args = CONF_ARGS_1MORE,
     .set = set_flood_limits, AT_SERVER(http2.floods.resets), ELSE_INT(RESETS)},
    // The other fields of the row above.
    {.name = "", .set = set_nothing, AT_SERVER(http2.floods.control), ELSE_INT(CONTROL)},
    {.name = "", .set = set_nothing, AT_SERVER(http2.floods.empty), ELSE_INT(EMPTY)},
    {.name = "", .set = set_nothing, AT_SERVER(http2.floods.continuations),
     ELSE_INT(CONTINUATIONS)},
    {.name = "", .set = set_nothing, AT_SERVER(http2.floods.interval_ms), ELSE_INT(INTERVAL_MS)},
    // Read and checked as by nginx, and of no effect: memory comes from arenas, request bodies are
    // dropped, and streams are found without an index of ours.
    {.name = "http2_pool_size", .contexts = IN_HS, .args = CONF_ARGS_1, .set = set_pool_size,
     AT_SERVER(http2.pool_size), ELSE_INT(4096)},
    {.name = "http2_body_preread_size", .contexts = IN_HS, .args = CONF_ARGS_1,
     .set = set_preread_size, AT_SERVER(http2.body_preread_size), ELSE_INT(65536)},
    {.name = "http2_streams_index_size", .contexts = IN_HS, .args = CONF_ARGS_1,
     .set = set_index_size, AT_SERVER(http2.streams_index_size), ELSE_INT(32)},
    OBSOLETE("http2_max_concurrent_pushes", IN_HS, NULL),
    OBSOLETE("http2_push", IN_HSL, NULL),
    OBSOLETE("http2_push_preload", IN_HSL, NULL),
    OBSOLETE("http2_max_requests", IN_HS, "keepalive_requests"),
    OBSOLETE("http2_max_field_size", IN_HS, "large_client_header_buffers"),
    OBSOLETE("http2_max_header_size", IN_HS, "large_client_header_buffers"),
    OBSOLETE("http2_recv_timeout", IN_HS, "client_header_timeout"),
    OBSOLETE("http2_idle_timeout", IN_HS, "keepalive_timeout"),
    {.name = NULL},
};
