// SPDX-License-Identifier: Apache-2.0
//
// What the ssl_ directives say of a server, before and after it has become a context. Configuration
// arena, but for the context. Integers are CONF_UNSET and pointers CONF_UNSET_PTR until merged.
#pragma once

#include "lib/conf/template.h"
#include "lib/tls/context.h"
#include "lib/tls/load.h"
#include "lib/tls/settings.h"

struct conf_node;

// ssl_session_cache shared:NAME:SIZE, one for each name of a configuration.
struct tls_cache_zone {
    struct sv name;
    int64_t size;                    // bytes
    const struct conf_node *where;
    struct tls_session_cache *cache; // NULL until opened; carried over a reload
    struct tls_cache_zone *next;     // http_conf.tls_cache_zones
};

// What keeps sessions besides a zone. Like nginx, none and off switch a zone off that another level
// has named.
enum tls_cache_mode {
    TLS_CACHE_MODE_OFF,
    TLS_CACHE_MODE_NONE,
    TLS_CACHE_MODE_BUILTIN,
    TLS_CACHE_MODE_ZONE, // nothing but the zone
};

// ssl_certificate_cache; also a NULL pointer to one: off.
struct tls_certificate_policy {
    int64_t max; // certificates and keys
    int64_t inactive_s, valid_s;
};

// ssl_certificate or ssl_certificate_key: one, and those of the lines before it.
struct tls_path {
    struct template *value; // as written: relative to the configuration file, or "data:..."
    struct tls_path *next;  // in order of the file
};

// server_conf.tls
struct tls_conf {
    struct tls_path *certificates, *keys; // at least as many keys; NULL: none
    struct sv password_file, ciphers, ecdh_curve, dhparam;
    struct sv client_certificate, trusted_certificate, crl;
    struct sv stapling_file, stapling_responder;
    struct tls_command *commands;
    struct tls_key_file *ticket_keys;
    struct tls_cache_zone *cache_zone; // NULL: none
    int64_t cache_mode;                // enum tls_cache_mode
    int64_t builtin_sessions;
    int64_t protocols;                 // enum tls_protocol_bits, and the two below
    int64_t prefer_server_ciphers, verify, verify_depth, session_timeout_s, session_tickets;
    int64_t buffer_size, early_data, stapling, stapling_verify, reject_handshake;
    int64_t certificate_compression;
    const struct tls_certificate_policy *certificate_policy; // NULL: off
    bool certificates_vary;            // a path has variables: found in mid-handshake
    struct tls_passwords passwords;    // where they vary: read while there are privileges to
    const char *directory;             // relative paths start there; with its last slash
    struct tls_settings settings;      // made from the above by tls_contexts_open()
    struct tls_context *context;       // NULL: no TLS here; owned
};

// May be said in ssl_protocols; OpenSSL has neither.
enum { TLS_CONF_SSL_2 = 0x100, TLS_CONF_SSL_3 = 0x200 };

// Does the server say enough to be one for TLS?
static inline bool tls_conf_is_server(const struct tls_conf *t)
{
    return t->certificates != NULL || t->reject_handshake == 1;
}
