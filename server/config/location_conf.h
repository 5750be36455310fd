// SPDX-License-Identifier: Apache-2.0
//
// What applies in one location (or `if` block), after merging.
#pragma once

#include "lib/base/regex.h"
#include "lib/conf/template.h"
#include "lib/file/open_file.h"
#include "lib/http/cond.h"
#include "server/config/http_conf.h"
#include "server/config/response_conf.h"
#include "server/filters/charset_conf.h"
#include "server/filters/gzip_conf.h"
#include "server/limits/limit_conf.h"
#include "server/log/log_file.h"

enum location_kind {
    LOC_PREFIX,        // prefix
    LOC_PREFIX_FINAL,  // ^~
    LOC_EXACT,         // =
    LOC_REGEX,         // ~ and ~*
    LOC_NAMED,         // @
};

struct access_rule {        // allow, deny; first match wins
    struct net_prefix prefix;
    bool all, unix_socket;
    bool deny;
    struct access_rule *next;
};

struct request;
struct access_log_use;      // server/log/access_log.h
struct log_path_policy;     // server/log/log_paths.h
struct location_set;
struct program;

struct location_conf {
    // Identity.
    struct sv name;            // as written after the modifier
    const struct conf_node *where;
    enum location_kind kind;
    struct regex *regex;
    const struct var **captures; // of named groups
    bool auto_redirect;
    struct location_set *children; // nested; NULL when none
    struct server_conf *server;
    struct program *rewrite;   // set, if, return, rewrite in order; NULL when none
    // a content handler that replaces static files (stub_status, ...); or NULL.
    int (*content)(struct request *r);

    // Files.
    struct template *root;     // never NULL after merging
    bool alias;                // root came from `alias`
    bool root_is_final;        // alias of a regex location: the whole path
    size_t alias_len;          // bytes of the path an alias replaces; inherited with it
    struct template **index;   // last is NULL
    struct try_file *try_files; // last has name == NULL and status or uri in it
    unsigned ntry_files;
    struct strmap *types;      // extension -> struct sv *
    struct sv default_type;
    const struct file_cache_policy *open_file_cache; // CONF_UNSET_PTR until merged; NULL: off
    int64_t ofc_valid_s, ofc_min_uses, ofc_errors;
    int64_t symlinks;          // enum symlink_policy
    struct template *symlinks_from;
    int64_t internal, log_not_found;
    int64_t sendfile, sendfile_max_chunk, tcp_nopush, tcp_nodelay, drop_behind;
    int64_t read_ahead;

    // Response.
    struct header_row *headers, *trailers; // CONF_UNSET_PTR until merged
    struct expires *expires;
    int64_t etag, if_modified_since, max_ranges, chunked_transfer_encoding;
    int64_t server_tokens;     // 0 off, 1 on, 2 build
    struct error_page *error_pages;
    struct template *limit_rate, *limit_rate_after;
    int64_t absolute_redirect, port_in_redirect, server_name_in_redirect;
    int64_t msie_padding, recursive_error_pages;
    struct charset_conf charset;
    struct gzip_conf gzip;
    int64_t http2_chunk_size;  // most bytes of a body in one frame, 1 to HTTP2_FRAME_MAX

    // Connection.
    int64_t keepalive_timeout, keepalive_header_s; // second argument in seconds
    int64_t keepalive_requests, keepalive_time, keepalive_disable;
    int64_t keepalive_min_timeout; // an idle connection is kept this long even while draining
    int64_t send_timeout, client_body_timeout;
    int64_t client_max_body_size;
    int64_t lingering_close;   // 0 off, 1 on, 2 always
    int64_t lingering_time, lingering_timeout;
    int64_t reset_timedout_connection;

    // Access and logs.
    struct limit_conf limits;
    struct access_rule *access_rules; // CONF_UNSET_PTR until merged
    struct access_log_use *access_logs; // CONF_UNSET_PTR until merged; NULL: off
    struct log_use *error_log;  // CONF_UNSET_PTR until merged
    const struct log_path_policy *log_paths; // CONF_UNSET_PTR until merged; NULL: the default
    int64_t log_subrequest;
};

enum { LINGER_OFF, LINGER_ON, LINGER_ALWAYS };

// The locations of one block, ordered for search.
struct location_set {
    struct location_conf **prefixes; // sorted by name; exact ones among them
    int *parent;                     // index of the longest other prefix of this one, or -1
    unsigned nprefixes;
    struct strmap exact;             // "=" -> location_conf
    struct location_conf **regexes;  // in order of the file
    unsigned nregexes;
    struct strmap named;             // "@x" -> location_conf (server level only)
};
