// SPDX-License-Identifier: Apache-2.0
//
// What a server block says about TLS, as plain values: the input of tls_context_make(). Paths are
// absolute. All texts are terminated and borrowed; they live as long as the configuration.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum tls_protocol_bits { TLS_1_0 = 1, TLS_1_1 = 2, TLS_1_2 = 4, TLS_1_3 = 8 };

enum tls_verify {
    TLS_VERIFY_OFF,
    TLS_VERIFY_ON,            // a certificate is demanded
    TLS_VERIFY_OPTIONAL,      // asked for; one that comes must verify
    TLS_VERIFY_OPTIONAL_NO_CA // asked for; who signed it does not matter
};

enum tls_builtin_cache {
    TLS_CACHE_OFF,     // says that sessions cannot be resumed
    TLS_CACHE_NONE,    // says that they may be, keeps none
    TLS_CACHE_BUILTIN, // of this silo alone
};

// One ssl_certificate with its ssl_certificate_key: a path, or "data:" and PEM itself.
struct tls_pair {
    const char *certificate, *key;
};

struct tls_command { // ssl_conf_command
    const char *name, *value;
    struct tls_command *next;
};

struct tls_key_file { // ssl_session_ticket_key: 48 or 80 bytes; the first encrypts
    const char *path;
    struct tls_key_file *next;
};

struct tls_loader;
struct tls_session_cache;
struct tls_ticket_keys;

struct tls_settings {
    const struct tls_pair *pairs; // NULL with npairs 0: certificates are chosen by a hook, or never
    unsigned npairs;
    const struct tls_loader *loader; // of pairs (lib/tls/load.h); NULL: they are read each time
    const char *password_file;    // NULL: none
    uint32_t protocols;           // enum tls_protocol_bits
    const char *ciphers;          // TLS 1.2 and before (openssl-ciphers(1)); NULL: our default
    bool prefer_server_ciphers;
    const char *curves;           // NULL or "auto": OpenSSL's own order
    const char *dhparam;          // NULL: no finite-field ephemeral keys
    const struct tls_command *commands;
    enum tls_verify verify;
    const char *client_certificate;  // CAs whose names are sent to clients
    const char *trusted_certificate; // CAs whose names are not
    const char *crl;
    int verify_depth;
    bool reject_handshake;
    int64_t session_timeout_s;
    enum tls_builtin_cache builtin_cache;
    int64_t builtin_sessions;        // of TLS_CACHE_BUILTIN; 0: OpenSSL's default
    struct tls_session_cache *cache; // shared; NULL: none
    bool session_tickets;
    const struct tls_key_file *key_files; // NULL: `tickets`
    struct tls_ticket_keys *tickets; // the master's own; shared by all silos
    bool early_data;
    const char *staple_file;         // ssl_stapling_file: a DER response; NULL: none
    const char *id;                  // session id context: what sessions must not cross; or NULL
};
