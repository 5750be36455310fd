// SPDX-License-Identifier: Apache-2.0
//
// Directives that are accepted and have no effect, each with the reason that -t shows. They tune
// what works differently here; nothing that protects anything may stand in this table.
#include "server/directives/directives.h"

#define IGNORED(directive, why) \
    {.name = (directive), .contexts = CONF_CONTEXT_ANY, .klass = CONF_IGNORED, .reason = (why)}

#define UNLISTED "directories are not listed: a request for one is 403"
#define RING "io_uring is the event method"
#define WAITS "a worker never waits for a disk"
#define PAGES "files are sent from the page cache"
#define STORED "files are sent as stored"
#define AT_ONCE "a body is compressed at once, in as much memory as it needs"
#define TABLES "tables have the size they need"
#define BODIES "request bodies are read and dropped"
#define ARENAS "memory comes from arenas"
#define PROXIES "nothing is proxied"
#define BROWSERS "it is for browsers that are gone"
#define SYSTEM "the system's resolver is asked, and only for OCSP responders"

const struct conf_directive directives_ignored[] = {
    IGNORED("upstream", "nothing is proxied, and proxy_pass is refused"),
    IGNORED("autoindex", UNLISTED),
    IGNORED("autoindex_exact_size", UNLISTED),
    IGNORED("autoindex_localtime", UNLISTED),
    IGNORED("autoindex_format", UNLISTED),
    IGNORED("use", RING),
    IGNORED("multi_accept", RING),
    IGNORED("accept_mutex", "each worker has its own listening socket"),
    IGNORED("accept_mutex_delay", "each worker has its own listening socket"),
    IGNORED("worker_aio_requests", RING),
    IGNORED("debug_connection", "there is no debugging log of single connections"),
    IGNORED("debug_points", "failed assertions always end the process"),
    IGNORED("thread_pool", WAITS),
    IGNORED("aio", WAITS),
    IGNORED("aio_write", WAITS),
    IGNORED("directio", PAGES),
    IGNORED("directio_alignment", PAGES),
    IGNORED("output_buffers", PAGES),
    IGNORED("postpone_output", PAGES),
    IGNORED("read_ahead", "the kernel's own read-ahead is used"),
    IGNORED("send_lowat", "Linux has no such socket option"),
    IGNORED("subrequest_output_buffer_size", "there are no subrequests"),
    IGNORED("log_subrequest", "there are no subrequests"),
    IGNORED("types_hash_max_size", TABLES),
    IGNORED("types_hash_bucket_size", TABLES),
    IGNORED("server_names_hash_max_size", TABLES),
    IGNORED("server_names_hash_bucket_size", TABLES),
    IGNORED("variables_hash_max_size", TABLES),
    IGNORED("variables_hash_bucket_size", TABLES),
    IGNORED("map_hash_max_size", TABLES),
    IGNORED("map_hash_bucket_size", TABLES),
    IGNORED("proxy_headers_hash_max_size", PROXIES),
    IGNORED("proxy_headers_hash_bucket_size", PROXIES),
    IGNORED("connection_pool_size", ARENAS),
    IGNORED("request_pool_size", ARENAS),
    IGNORED("client_body_buffer_size", BODIES),
    IGNORED("client_body_temp_path", BODIES),
    IGNORED("client_body_in_file_only", BODIES),
    IGNORED("client_body_in_single_buffer", BODIES),
    IGNORED("client_body_early_read", BODIES),
    IGNORED("proxy_temp_path", PROXIES),
    IGNORED("fastcgi_temp_path", PROXIES),
    IGNORED("uwsgi_temp_path", PROXIES),
    IGNORED("scgi_temp_path", PROXIES),
    IGNORED("gzip_buffers", AT_ONCE),
    IGNORED("gzip_hash", AT_ONCE),
    IGNORED("gzip_no_buffer", AT_ONCE),
    IGNORED("gzip_static", STORED),
    IGNORED("gzip_window", AT_ONCE),
    IGNORED("postpone_gzipping", AT_ONCE),
    IGNORED("gunzip", STORED),
    IGNORED("gunzip_buffers", STORED),
    IGNORED("override_charset", "no response comes with a charset of its own"),
    IGNORED("resolver", SYSTEM),
    IGNORED("resolver_timeout", SYSTEM),
    IGNORED("msie_padding", BROWSERS),
    IGNORED("msie_refresh", BROWSERS),
    IGNORED("pcre_jit", "regular expressions are always compiled"),
    IGNORED("worker_priority", "set it where the service is started"),
    IGNORED("worker_rlimit_core", "set it where the service is started"),
    IGNORED("timer_resolution", "time is read once for each turn of the loop"),
    IGNORED("lock_file", "there are no locks between processes"),
    IGNORED("rewrite_log", "the error log has no debugging lines of this kind"),
    IGNORED("uninitialized_variable_warn", "a variable without value is empty, without a warning"),
    {.name = NULL},
};
