// SPDX-License-Identifier: Apache-2.0
//
// Protocols, ciphers, groups, early data, and ssl_conf_command.
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "lib/tls/context_priv.h"

#define EARLY_DATA_MAX 16384 // bytes; one record, as nginx

// Forward secrecy and authenticated encryption alone (RFC 9325, 4.2). AES first: processors of
// servers have instructions for it, and the kernel and NICs know it.
#define ECDHE_CIPHERS                                                     \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"          \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"          \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define DHE_CIPHERS                                                       \
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"

static void set_options(SSL_CTX *ctx)
{
    // A connection that ends without close_notify is at its end and no error: HTTP says itself
    // how long a message is. Replay of early data is the matter of the HTTP layer (RFC 8470);
    // OpenSSL's own protection would need one cache over all servers of a name.
    SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_ANTI_REPLAY |
                                 SSL_OP_ENABLE_KTLS);
#ifdef SSL_OP_NO_TX_CERTIFICATE_COMPRESSION
    SSL_CTX_set_options(ctx, SSL_OP_NO_TX_CERTIFICATE_COMPRESSION |
                                 SSL_OP_NO_RX_CERTIFICATE_COMPRESSION);
#endif
    // An idle connection gives its buffers back. The chain is what was configured, and nothing is
    // added from the authorities of client certificates.
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    // Bytes behind the handshake must stay in the socket: the kernel decrypts them.
    SSL_CTX_set_read_ahead(ctx, 0);
    // A ticket costs a record, a seal and a digest, and a player resumes one connection at a time;
    // clients that resume several at once may use one ticket for them (RFC 8446, C.4 advises
    // against it only for privacy). A resumed handshake renews it.
    SSL_CTX_set_num_tickets(ctx, 1);
}

// By options and not by a range of versions: options change with the server that the name chooses.
static void set_protocols(SSL_CTX *ctx, uint32_t protocols)
{
    static const struct {
        uint32_t bit;
        uint64_t no;
    } table[] = {
        {TLS_1_0, SSL_OP_NO_TLSv1},
        {TLS_1_1, SSL_OP_NO_TLSv1_1},
        {TLS_1_2, SSL_OP_NO_TLSv1_2},
        {TLS_1_3, SSL_OP_NO_TLSv1_3},
    };

    // openssl.cnf may have set a range; what our configuration says holds.
    SSL_CTX_set_min_proto_version(ctx, 0);
    SSL_CTX_set_max_proto_version(ctx, 0);
    SSL_CTX_set_options(ctx, SSL_OP_NO_SSLv3);
    for (size_t i = 0; i < array_len(table); i++) {
        if (protocols & table[i].bit)
            SSL_CTX_clear_options(ctx, table[i].no);
        else
            SSL_CTX_set_options(ctx, table[i].no);
    }
}

static int set_ciphers(struct tls_context *c, char *why, char *warning)
{
    const struct tls_settings *s = c->settings;
    const char *ciphers = s->ciphers;

    if (ciphers == NULL) {
        ciphers = s->dhparam != NULL ? ECDHE_CIPHERS ":" DHE_CIPHERS : ECDHE_CIPHERS;
        if (s->protocols & (TLS_1_0 | TLS_1_1))
            snprintf(warning, TLS_ERROR_MAX, "TLSv1 and TLSv1.1 are enabled, but none of the "
                     "default ciphers is for them: \"ssl_ciphers\" has to name some");
    }
    if (SSL_CTX_set_cipher_list(c->ssl_ctx, ciphers) == 0)
        return tls_fail(why, "SSL_CTX_set_cipher_list(\"%s\") failed", ciphers);
    if (s->prefer_server_ciphers)
        SSL_CTX_set_options(c->ssl_ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    return 0;
}

static int set_dhparam(struct tls_context *c, char *why)
{
    const char *path = c->settings->dhparam;

    if (path == NULL)
        return 0;
    BIO *bio = BIO_new_file(path, "r");
    if (bio == NULL)
        return tls_fail(why, "BIO_new_file(\"%s\") failed", path);
    EVP_PKEY *key = PEM_read_bio_Parameters(bio, NULL);
    BIO_free(bio);
    if (key == NULL)
        return tls_fail(why, "PEM_read_bio_Parameters(\"%s\") failed", path);
    if (SSL_CTX_set0_tmp_dh_pkey(c->ssl_ctx, key) == 1)
        return 0;
    EVP_PKEY_free(key);
    return tls_fail(why, "SSL_CTX_set0_tmp_dh_pkey(\"%s\") failed", path);
}

static int set_curves(struct tls_context *c, char *why)
{
    const char *curves = c->settings->curves;

    if (curves == NULL || strcmp(curves, "auto") == 0)
        return 0;
    if (SSL_CTX_set1_curves_list(c->ssl_ctx, curves) == 0)
        return tls_fail(why, "SSL_CTX_set1_curves_list(\"%s\") failed", curves);
    return 0;
}

int tls_context_rules(struct tls_context *c, char *why, char *warning)
{
    int rc;

    set_options(c->ssl_ctx);
    set_protocols(c->ssl_ctx, c->settings->protocols);
    if ((rc = set_ciphers(c, why, warning)) != 0 || (rc = set_dhparam(c, why)) != 0 ||
        (rc = set_curves(c, why)) != 0)
        return rc;
    if (c->settings->early_data) {
        SSL_CTX_set_max_early_data(c->ssl_ctx, EARLY_DATA_MAX);
        SSL_CTX_set_recv_max_early_data(c->ssl_ctx, EARLY_DATA_MAX);
    }
    return 0;
}

static int run_commands(SSL_CONF_CTX *conf, const struct tls_command *command, char *why)
{
    for (; command != NULL; command = command->next) {
        if (SSL_CONF_cmd(conf, command->name, command->value) <= 0)
            return tls_fail(why, "SSL_CONF_cmd(\"%s\", \"%s\") failed", command->name,
                            command->value);
    }
    return SSL_CONF_CTX_finish(conf) == 1 ? 0 : tls_fail(why, "SSL_CONF_finish() failed");
}

int tls_context_commands(struct tls_context *c, char *why)
{
    if (c->settings->commands == NULL)
        return 0;
    SSL_CONF_CTX *conf = SSL_CONF_CTX_new();
    if (conf == NULL)
        return tls_fail(why, "SSL_CONF_CTX_new() failed");
    // The client's flag is nginx's too: some names are known with it alone.
    SSL_CONF_CTX_set_flags(conf, SSL_CONF_FLAG_FILE | SSL_CONF_FLAG_SERVER | SSL_CONF_FLAG_CLIENT |
                                     SSL_CONF_FLAG_CERTIFICATE | SSL_CONF_FLAG_SHOW_ERRORS);
    SSL_CONF_CTX_set_ssl_ctx(conf, c->ssl_ctx);
    int rc = run_commands(conf, c->settings->commands, why);
    SSL_CONF_CTX_free(conf);
    return rc;
}
