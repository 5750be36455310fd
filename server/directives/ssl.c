// SPDX-License-Identifier: Apache-2.0
//
// ssl_*: what a server's TLS is like. Files are only named here; they are opened when the whole
// configuration is known (server/tls/contexts.c). Relative paths start from the directory of the
// configuration file, as in nginx, not from the prefix.
#include <openssl/ssl.h>

#include "lib/conf/value.h"
#include "server/config/http_conf.h"
#include "server/directives/rows_priv.h"
#include "server/directives/ssl_priv.h"
#include "server/process/report.h"

static struct sv conf_directory(const struct conf_apply *ap)
{
    const char *file = loader_of(ap)->source->file;
    const char *slash = strrchr(file, '/');

    return sv_of(file, slash != NULL ? (size_t)(slash - file) + 1 : 0);
}

// p == NULL when memory is out. An empty one stays empty: it means that there is no file.
static struct sv full_path(const struct conf_apply *ap, struct sv path)
{
    struct sv directory = conf_directory(ap);

    if (path.n == 0 || path.p[0] == '/')
        return path;
    return arena_printf(ap->arena, "%.*s%.*s", SV_ARG(directory), SV_ARG(path));
}

static int set_path(struct conf_apply *ap, const struct conf_directive *row,
                    const struct conf_node *node, void *field)
{
    struct sv *path = field;

    (void)row;
    if (path->p != NULL)
        return fail_duplicate(ap, node);
    *path = full_path(ap, node->argv[1]);
    return path->p != NULL ? 0 : -ENOMEM;
}

// ssl_certificate and ssl_certificate_key: one more.
static int set_certificate(struct conf_apply *ap, const struct conf_directive *row,
                           const struct conf_node *node, void *field)
{
    struct tls_path **tail = field, *path = arena_new(ap->arena, struct tls_path);
    struct tls_conf *tls = &block_of(ap)->server->tls;

    (void)row;
    if (path == NULL)
        return -ENOMEM;
    if (tls->directory == CONF_UNSET_PTR) {
        tls->directory = arena_sv(ap->arena, conf_directory(ap)).p;
        if (tls->directory == NULL)
            return -ENOMEM;
    }
    if (*tail == CONF_UNSET_PTR)
        *tail = NULL;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = path;
    return template_compile(ap->vars, node->argv[1], node, &path->value, ap->error);
}

static int set_ticket_key(struct conf_apply *ap, const struct conf_directive *row,
                          const struct conf_node *node, void *field)
{
    struct tls_key_file **tail = field, *file = arena_new(ap->arena, struct tls_key_file);

    (void)row;
    if (file == NULL)
        return -ENOMEM;
    if (*tail == CONF_UNSET_PTR)
        *tail = NULL;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = file;
    file->path = full_path(ap, node->argv[1]).p;
    return file->path != NULL ? 0 : -ENOMEM;
}

// OpenSSL knows which of its commands take a path, such as Certificate.
static bool names_file(const char *command)
{
    SSL_CONF_CTX *conf = SSL_CONF_CTX_new();

    if (conf == NULL)
        return false;
    SSL_CONF_CTX_set_flags(conf, SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_SERVER | SSL_CONF_FLAG_CLIENT |
                                     SSL_CONF_FLAG_CERTIFICATE);
    int type = SSL_CONF_cmd_value_type(conf, command);
    SSL_CONF_CTX_free(conf);
    return type == SSL_CONF_TYPE_FILE || type == SSL_CONF_TYPE_DIR;
}

static int set_command(struct conf_apply *ap, const struct conf_directive *row,
                       const struct conf_node *node, void *field)
{
    struct tls_command **tail = field, *command = arena_new(ap->arena, struct tls_command);

    (void)row;
    if (command == NULL)
        return -ENOMEM;
    if (*tail == CONF_UNSET_PTR)
        *tail = NULL;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = command;
    command->name = node->argv[1].p;
    command->value = names_file(command->name) ? full_path(ap, node->argv[2]).p : node->argv[2].p;
    return command->value != NULL ? 0 : -ENOMEM;
}

static const struct conf_enum protocol_words[] = {
    {"SSLv2", TLS_CONF_SSL_2}, {"SSLv3", TLS_CONF_SSL_3}, {"TLSv1", TLS_1_0},
    {"TLSv1.1", TLS_1_1},      {"TLSv1.2", TLS_1_2},      {"TLSv1.3", TLS_1_3},
};

static int64_t protocol_of(struct sv word)
{
    for (size_t i = 0; i < array_len(protocol_words); i++) {
        if (sv_eq_nocase(word, sv_from(protocol_words[i].name)))
            return protocol_words[i].value;
    }
    return 0;
}

// Lines of one level add up.
static int set_protocols(struct conf_apply *ap, const struct conf_directive *row,
                         const struct conf_node *node, void *field)
{
    int64_t *bits = field;

    (void)row;
    if (*bits == CONF_UNSET)
        *bits = 0;
    for (unsigned i = 1; i < node->argc; i++) {
        int64_t bit = protocol_of(node->argv[i]);
        if (bit == 0)
            return fail_value(ap, node, node->argv[i]);
        if (*bits & bit)
            report(LOG_LEVEL_WARN, 0, "duplicate value \"%s\" in %s:%u", node->argv[i].p,
                   node->file, node->line);
        *bits |= bit;
    }
    return 0;
}

static int set_buffer_size(struct conf_apply *ap, const struct conf_directive *row,
                           const struct conf_node *node, void *field)
{
    int rc = conf_set_size(ap, row, node, field);

    if (rc == 0 && *(int64_t *)field == 0)
        return conf_fail(ap->error, node, 0, "\"%s\" directive invalid value", node->argv[0].p);
    return rc;
}

static const struct conf_enum verify_words[] = {
    {"off", TLS_VERIFY_OFF},
    {"on", TLS_VERIFY_ON},
    {"optional", TLS_VERIFY_OPTIONAL},
    {"optional_no_ca", TLS_VERIFY_OPTIONAL_NO_CA},
    {NULL, 0},
};

// What would let a revoked certificate of a client in where nginx keeps it out is not ignored.
static int set_only_off(struct conf_apply *ap, const struct conf_directive *row,
                        const struct conf_node *node, void *field)
{
    (void)field;
    if (sv_eq_nocase(node->argv[1], SV("off")))
        return 0;
    return conf_fail(ap->error, node, 0, "the value \"%s\" of the \"%s\" directive is not "
                     "supported: %s", node->argv[1].p, row->name, (const char *)row->aux);
}

static const char no_ocsp[] = "clients' certificates are checked against ssl_crl alone";

const struct conf_directive directives_ssl[] = {
    {.name = "ssl_object_cache_inheritable", .contexts = IN_MAIN, .args = CONF_ON_OFF,
     .set = conf_set_flag, AT_MAIN(ssl_objects_inheritable), ELSE_INT(1)},
    {.name = "ssl_certificate", .contexts = IN_HS, .args = CONF_ARGS_1, .set = set_certificate,
     AT_SERVER(tls.certificates), ELSE_NULL},
    {.name = "ssl_certificate_key", .contexts = IN_HS, .args = CONF_ARGS_1,
     .set = set_certificate, AT_SERVER(tls.keys), ELSE_NULL},
    // Where the paths of these two start.
    {.name = "", .set = set_nothing, AT_SERVER(tls.directory), ELSE_NULL},
    {.name = "ssl_certificate_cache", .contexts = IN_HS,
     .args = CONF_ARGS_1 | CONF_ARGS_2 | CONF_ARGS_3, .set = set_certificate_cache,
     AT_SERVER(tls.certificate_policy), ELSE_NULL},
    {.name = "ssl_certificate_compression", .contexts = IN_HS, .args = CONF_ON_OFF,
     .set = conf_set_flag, AT_SERVER(tls.certificate_compression), ELSE_INT(0)},
    {.name = "ssl_password_file", .contexts = IN_HS, .args = CONF_ARGS_1, .set = set_path,
     AT_SERVER(tls.password_file), ELSE_TEXT(NULL)},
    {.name = "ssl_protocols", .contexts = IN_HS, .args = CONF_ARGS_1MORE, .set = set_protocols,
     AT_SERVER(tls.protocols), ELSE_INT(TLS_1_2 | TLS_1_3)},
    {.name = "ssl_ciphers", .contexts = IN_HS, .args = CONF_ARGS_1, .set = conf_set_sv,
     AT_SERVER(tls.ciphers), ELSE_TEXT(NULL)},
    {.name = "ssl_prefer_server_ciphers", .contexts = IN_HS, .args = CONF_ON_OFF,
     .set = conf_set_flag, AT_SERVER(tls.prefer_server_ciphers), ELSE_INT(0)},
    {.name = "ssl_ecdh_curve", .contexts = IN_HS, .args = CONF_ARGS_1, .set = conf_set_sv,
     AT_SERVER(tls.ecdh_curve), ELSE_TEXT("auto")},
    {.name = "ssl_dhparam", .contexts = IN_HS, .args = CONF_ARGS_1, .set = set_path,
     AT_SERVER(tls.dhparam), ELSE_TEXT(NULL)},
    {.name = "ssl_conf_command", .contexts = IN_HS, .args = CONF_ARGS_2, .set = set_command,
     AT_SERVER(tls.commands), ELSE_NULL},
    {.name = "ssl_buffer_size", .contexts = IN_HS, .args = CONF_ARGS_1, .set = set_buffer_size,
     AT_SERVER(tls.buffer_size), ELSE_INT(16384)},
    {.name = "ssl_early_data", .contexts = IN_HS, .args = CONF_ON_OFF, .set = conf_set_flag,
     AT_SERVER(tls.early_data), ELSE_INT(0)},
    {.name = "ssl_reject_handshake", .contexts = IN_HS, .args = CONF_ON_OFF,
     .set = conf_set_flag, AT_SERVER(tls.reject_handshake), ELSE_INT(0)},

    {.name = "ssl_session_cache", .contexts = IN_HS, .args = CONF_ARGS_1 | CONF_ARGS_2,
     .set = set_session_cache, AT_SERVER(tls.cache_mode), ELSE_INT(TLS_CACHE_MODE_NONE)},
    // The other two parts of the row above.
    {.name = "", .set = set_nothing, AT_SERVER(tls.builtin_sessions), ELSE_INT(0)},
    {.name = "", .set = set_nothing, AT_SERVER(tls.cache_zone), ELSE_NULL},
    {.name = "ssl_session_timeout", .contexts = IN_HS, .args = CONF_ARGS_1, .set = conf_set_sec,
     AT_SERVER(tls.session_timeout_s), ELSE_INT(300)},
    {.name = "ssl_session_tickets", .contexts = IN_HS, .args = CONF_ON_OFF,
     .set = conf_set_flag, AT_SERVER(tls.session_tickets), ELSE_INT(1)},
    {.name = "ssl_session_ticket_key", .contexts = IN_HS, .args = CONF_ARGS_1,
     .set = set_ticket_key, AT_SERVER(tls.ticket_keys), ELSE_NULL},

    {.name = "ssl_verify_client", .contexts = IN_HS, .args = CONF_ARGS_1, .set = conf_set_enum,
     AT_SERVER(tls.verify), ELSE_INT(TLS_VERIFY_OFF), .aux = verify_words},
    {.name = "ssl_verify_depth", .contexts = IN_HS, .args = CONF_ARGS_1, .set = conf_set_number,
     AT_SERVER(tls.verify_depth), ELSE_INT(1)},
    {.name = "ssl_client_certificate", .contexts = IN_HS, .args = CONF_ARGS_1, .set = set_path,
     AT_SERVER(tls.client_certificate), ELSE_TEXT(NULL)},
    {.name = "ssl_trusted_certificate", .contexts = IN_HS, .args = CONF_ARGS_1, .set = set_path,
     AT_SERVER(tls.trusted_certificate), ELSE_TEXT(NULL)},
    {.name = "ssl_crl", .contexts = IN_HS, .args = CONF_ARGS_1, .set = set_path,
     AT_SERVER(tls.crl), ELSE_TEXT(NULL)},
    {.name = "ssl_ocsp", .contexts = IN_HS, .args = CONF_ARGS_1, .set = set_only_off,
     .aux = no_ocsp},
    {.name = "ssl_ocsp_cache", .contexts = IN_HS, .args = CONF_ARGS_1, .set = set_only_off,
     .aux = no_ocsp},

    {.name = "ssl_stapling", .contexts = IN_HS, .args = CONF_ON_OFF, .set = conf_set_flag,
     AT_SERVER(tls.stapling), ELSE_INT(0)},
    {.name = "ssl_stapling_file", .contexts = IN_HS, .args = CONF_ARGS_1, .set = set_path,
     AT_SERVER(tls.stapling_file), ELSE_TEXT(NULL)},
    {.name = "ssl_stapling_responder", .contexts = IN_HS, .args = CONF_ARGS_1,
     .set = conf_set_sv, AT_SERVER(tls.stapling_responder), ELSE_TEXT(NULL)},
    {.name = "ssl_stapling_verify", .contexts = IN_HS, .args = CONF_ON_OFF,
     .set = conf_set_flag, AT_SERVER(tls.stapling_verify), ELSE_INT(0)},
    {.name = NULL},
};
