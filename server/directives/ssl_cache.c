// SPDX-License-Identifier: Apache-2.0
//
// ssl_session_cache and ssl_certificate_cache: small languages of their own.
#include <unistd.h>

#include "lib/conf/value.h"
#include "lib/tls/session_cache.h"
#include "server/config/http_conf.h"
#include "server/directives/rows_priv.h"
#include "server/directives/ssl_priv.h"

static int fail_session_cache(struct conf_apply *ap, const struct conf_node *node, struct sv word)
{
    return conf_fail(ap->error, node, 0, "invalid session cache \"%.*s\"", SV_ARG(word));
}

// The zone of this name: the same one wherever it is named.
static int find_zone(struct conf_apply *ap, const struct conf_node *node, struct sv name,
                     int64_t size, struct tls_cache_zone **out)
{
    struct tls_cache_zone **at = &block_of(ap)->http->tls_cache_zones;

    while (*at != NULL && !sv_eq((*at)->name, name))
        at = &(*at)->next;
    if (*at == NULL) {
        *at = arena_new(ap->arena, struct tls_cache_zone);
        if (*at == NULL)
            return -ENOMEM;
        **at = (struct tls_cache_zone){.name = name, .size = size, .where = node};
    }
    if ((*at)->size != size)
        return conf_fail(ap->error, node, 0, "the size %lld of shared memory zone \"%.*s\" "
                         "conflicts with already declared size %lld", (long long)size,
                         SV_ARG(name), (long long)(*at)->size);
    *out = *at;
    return 0;
}

// shared:NAME:SIZE
static int read_zone(struct conf_apply *ap, const struct conf_node *node, struct sv word,
                     struct sv rest, struct tls_cache_zone **out)
{
    ptrdiff_t colon = sv_find(rest, ':');
    int64_t size;

    if (colon <= 0 || conf_size(sv_skip(rest, (size_t)colon + 1), &size) != 0)
        return fail_session_cache(ap, node, word);
    if (size < (int64_t)TLS_SESSION_CACHE_MIN || size < 8 * sysconf(_SC_PAGESIZE))
        return conf_fail(ap->error, node, 0, "session cache \"%.*s\" is too small", SV_ARG(word));
    return find_zone(ap, node, sv_take(rest, (size_t)colon), size, out);
}

static const struct conf_enum mode_words[] = {
    {"off", TLS_CACHE_MODE_OFF},
    {"none", TLS_CACHE_MODE_NONE},
    {"builtin", TLS_CACHE_MODE_BUILTIN},
};

static int read_word(struct conf_apply *ap, const struct conf_node *node, struct sv word,
                     struct tls_conf *tls)
{
    struct sv rest;

    for (size_t i = 0; i < array_len(mode_words); i++) {
        if (!sv_eq(word, sv_from(mode_words[i].name)))
            continue;
        tls->cache_mode = mode_words[i].value;
        tls->builtin_sessions = 0;
        return 0;
    }
    if (take_prefix(word, "shared:", &rest))
        return read_zone(ap, node, word, rest, &tls->cache_zone);
    if (!take_prefix(word, "builtin:", &rest) || conf_number(rest, &tls->builtin_sessions) != 0)
        return fail_session_cache(ap, node, word);
    tls->cache_mode = TLS_CACHE_MODE_BUILTIN;
    return 0;
}

// The last one said counts, and what says nothing of the built-in cache wants none.
int set_session_cache(struct conf_apply *ap, const struct conf_directive *row,
                      const struct conf_node *node, void *field)
{
    struct tls_conf *tls = &block_of(ap)->server->tls;

    (void)row;
    (void)field;
    for (unsigned i = 1; i < node->argc; i++) {
        int rc = read_word(ap, node, node->argv[i], tls);
        if (rc != 0)
            return rc;
    }
    if (tls->cache_mode == CONF_UNSET)
        tls->cache_mode = TLS_CACHE_MODE_ZONE;
    return 0;
}

static bool read_certificate_word(struct sv word, struct tls_certificate_policy *p, bool *off)
{
    struct sv rest;

    if (take_prefix(word, "max=", &rest))
        return conf_number(rest, &p->max) == 0 && p->max > 0;
    if (take_prefix(word, "inactive=", &rest))
        return conf_sec(rest, &p->inactive_s) == 0;
    if (take_prefix(word, "valid=", &rest))
        return conf_sec(rest, &p->valid_s) == 0;
    *off = *off || sv_eq(word, SV("off"));
    return sv_eq(word, SV("off"));
}

// ssl_certificate_cache off | max=N [inactive=TIME] [valid=TIME];
int set_certificate_cache(struct conf_apply *ap, const struct conf_directive *row,
                          const struct conf_node *node, void *field)
{
    const struct tls_certificate_policy **out = field;
    struct tls_certificate_policy *p = arena_new(ap->arena, struct tls_certificate_policy);
    bool off = false;

    (void)row;
    if (p == NULL)
        return -ENOMEM;
    if (*out != CONF_UNSET_PTR)
        return fail_duplicate(ap, node);
    p->inactive_s = 10;
    p->valid_s = 60;
    for (unsigned i = 1; i < node->argc; i++) {
        if (!read_certificate_word(node->argv[i], p, &off))
            return fail_parameter(ap, node, node->argv[i]);
    }
    if (!off && p->max == 0)
        return conf_fail(ap->error, node, 0,
                         "\"ssl_certificate_cache\" must have the \"max\" parameter");
    *out = off ? NULL : p;
    return 0;
}
