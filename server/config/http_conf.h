// SPDX-License-Identifier: Apache-2.0
//
// The http part of a configuration: servers, addresses and what was compiled for all of them.
#pragma once

#include "lib/base/hash.h"
#include "lib/base/regex.h"
#include "lib/conf/template.h"
#include "lib/net/address.h"
#include "lib/net/listener.h"
#include "lib/net/prefix.h"
#include "server/config/config.h"
#include "server/config/http2_conf.h"
#include "server/tls/tls_conf.h"

struct charset_pair;
struct limit_zone;
struct location_set;

struct server_name {
    struct sv name;        // as written; lower case
    struct regex *regex;   // "~..." names
    const struct var **captures; // variables of the named groups, regex->nnamed of them
    struct server_conf *server;
};

// How a request's host chooses among the servers of one address (nginx: exact, *.head, tail.*,
// regex, default).
struct name_table {
    struct strmap exact;    // -> struct server_name
    struct strmap head;     // "*.example.com" keyed "example.com"; ".example.com" also exact
    struct strmap tail;     // "www.example.*" keyed "www.example"
    struct server_name **regexes;
    unsigned nregexes;
    struct server_conf *fallback; // default_server
};

// One address listened on. `fds` are the sockets: one for each worker (SO_REUSEPORT), or one for
// all (unix).
struct listen_conf {
    struct net_address address;
    struct listen_options options;
    struct name_table names;
    const struct conf_node *where;
    bool explicit_default, bound_by_set;
    bool ssl;                      // `ssl` was said for it
    bool http2;                    // `http2` was said for it: for all its servers
    unsigned index;                // in http_conf.listens, from 0
    int *fds;
    unsigned nfds;
    struct listen_conf *next;
};

struct http_conf {
    struct config *config;
    struct var_registry vars;
    struct listen_conf *listens;
    unsigned nlistens;
    struct server_conf **servers;
    unsigned nservers;
    struct list log_formats;       // access_log.h
    struct charset_pair *charset_pairs; // server/filters/charset_conf.h
    struct limit_zone *limit_zones; // server/limits/zone.h
    unsigned cache_count;          // open_file_cache definitions (file_cache_policy.index)
    unsigned log_path_caches;      // open_log_file_cache definitions (log_path_policy.index)
    struct tls_cache_zone *tls_cache_zones;
    struct tls_objects *tls_objects; // server/tls/objects.h
    uint32_t tls_facts_wanted;     // which $ssl_ variables are used (lib/tls/facts.h)
    uint32_t var_slots;            // size of a request's value cache
    int64_t http2_recv_buffer_size; // of a worker; at least HTTP2_RECV_BUFFER_MIN
    int64_t server_names_in_use;   // any listen has more than one server
};

// One server block, after merging.
struct server_conf {
    struct sv name;                // $server_name: first server_name, or ""
    struct location_conf *location; // the server's own level
    struct location_set *locations;
    struct program *rewrite;       // server-level if/set/return/rewrite; NULL when none
    struct http_conf *http;
    int64_t client_header_timeout;
    int64_t client_header_buffer_size;
    int64_t large_buffer_count, large_buffer_size;
    int64_t max_headers;
    int64_t connection_pool_size, request_pool_size; // accepted, no meaning
    int64_t ignore_invalid_headers, underscores_in_headers, merge_slashes;
    struct server_name **names;
    unsigned nnames;
    struct tls_conf tls;
    struct http2_conf http2;
    const struct conf_node *where;
};

// The server for `host` (lower case, no port; may be empty). Sets named captures through `capture`
// when a regex name matched (may be NULL).
typedef void (*name_capture_fn)(void *ctx, const struct server_name *name,
                                const struct regex_match *m, struct sv host);
struct server_conf *name_table_find(const struct name_table *t, struct sv host,
                                    name_capture_fn capture, void *ctx);
