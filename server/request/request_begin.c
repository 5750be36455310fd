// SPDX-License-Identifier: Apache-2.0
//
// From a complete head to a request that knows what is asked, of which server, and whether its
// connection may go on.
#include <errno.h>

#include <llhttp.h>

#include "lib/base/check.h"
#include "lib/tls/tls.h"
#include "server/conn/conn.h"
#include "server/phases/phases.h"
#include "server/request/request.h"
#include "server/vars/vars.h"

static enum method method_of(uint8_t m)
{
    switch (m) {
    case HTTP_GET:
        return METHOD_GET;
    case HTTP_HEAD:
        return METHOD_HEAD;
    case HTTP_POST:
        return METHOD_POST;
    case HTTP_OPTIONS:
        return METHOD_OPTIONS;
    default:
        return METHOD_OTHER;
    }
}

static void set_line(struct request *r)
{
    const struct http_head *p = &r->parsed;

    r->method_name = sv_of(r->head + p->method, p->method_len);
    r->target = sv_of(r->head + p->target, p->target_len);
    if (p->line_len != 0)
        r->request_line = sv_of(r->head + p->method, p->line_len);
}

// Enough of the request for a log line, whatever has become of its head.
void request_note_line(struct request *r)
{
    struct uri uri;

    set_line(r);
    if (r->target.n == 0 || r->path.n != 0)
        return;
    if (uri_parse(r->target, r->server->merge_slashes, &r->arena, &uri) != 0)
        return;
    r->uri = uri;
    r->path = uri.path;
    r->args = uri.args;
}

static void name_captured(void *ctx, const struct server_name *name, const struct regex_match *m,
                          struct sv host)
{
    vars_set_captures(ctx, name->regex, name->captures, m, host);
}

// Without a Host, the server that was named in the handshake.
static void choose_server(struct request *r)
{
    const struct name_table *names = &r->conn->listen->names;

    if (r->host.n == 0 && r->conn->tls_server != NULL)
        return;
    r->server = name_table_find(names, r->host, name_captured, r);
    r->location = r->server->location;
}

#define READING "while reading client request headers" // nginx's words, which log readers look for

// What a certificate that was asked for must be. 0, or a status of nginx's own.
static unsigned judge_certificate(struct request *r)
{
    const struct conn *c = r->conn;
    enum tls_verify verify = (enum tls_verify)r->server->tls.verify;

    if (c->verify_error != X509_V_OK &&
        (verify != TLS_VERIFY_OPTIONAL_NO_CA || !tls_verify_error_is_optional(c->verify_error))) {
        request_log(r, LOG_LEVEL_INFO, 0, "client SSL certificate verify error: (%d:%s) " READING,
                    (int)c->verify_error, X509_verify_cert_error_string(c->verify_error));
        return 495;
    }
    if (verify == TLS_VERIFY_ON && !c->client_cert) {
        request_log(r, LOG_LEVEL_INFO, 0, "client sent no required SSL certificate " READING);
        return 496;
    }
    return 0;
}

// HTTP/2 may be spoken to an address, and not to the server that is asked for there.
static bool is_protocol_served(struct request *r)
{
    if (r->parsed.http_major < 2 || r->server->http2.on || r->conn->listen->http2)
        return true;
    request_log(r, LOG_LEVEL_INFO, 0, "client attempted to request the server name for which the "
                "negotiated protocol is disabled " READING);
    return false;
}

// What the connection's TLS says against the request. 0 or a status.
static unsigned judge_tls(struct request *r)
{
    const struct conn *c = r->conn;

    if (c->plain_on_tls) {
        request_log(r, LOG_LEVEL_INFO, 0, "client sent plain HTTP request to HTTPS port " READING);
        return 497;
    }
    if (c->security == CONN_SECURITY_plain)
        return 0;
    // Early data can be replayed by whoever recorded it (RFC 8470).
    if (c->early && r->method != METHOD_GET && r->method != METHOD_HEAD &&
        r->method != METHOD_OPTIONS)
        return 425;
    if (r->server->tls.verify == TLS_VERIFY_OFF)
        return 0;
    // The certificate was judged by the rules of the server that the handshake named.
    if (c->tls_server != NULL && c->tls_server != r->server) {
        request_log(r, LOG_LEVEL_INFO, 0, "client attempted to request the server name different "
                    "from the one that was negotiated " READING);
        return 421;
    }
    return judge_certificate(r);
}

// 0 or 400. The authority of an absolute-form target goes before the Host header (RFC 9112, 3.2.2).
static int read_host(struct request *r)
{
    struct sv text = r->uri.authority.n != 0 ? r->uri.authority : request_header(r, SV("host"));

    if (text.p == NULL)
        return 0;
    return host_parse(text, &r->arena, &r->host, &r->host_port) == 0 ? 0 : 400;
}

static int read_target(struct request *r)
{
    int rc = uri_parse(r->target, r->server->merge_slashes, &r->arena, &r->uri);

    if (rc == -ENOMEM)
        return 500;
    if (rc != 0)
        return 400;
    r->path = r->uri.path;
    r->args = r->uri.args;
    return 0;
}

// The server's own merge_slashes is only known once the server is: the target is read again where
// the two differ.
static int find_server(struct request *r)
{
    const struct server_conf *fallback = r->server;
    int rc = read_target(r);

    if (rc == 0)
        rc = read_host(r);
    if (rc != 0)
        return rc;
    choose_server(r);
    if (r->server != fallback && r->server->merge_slashes != fallback->merge_slashes)
        return read_target(r);
    return 0;
}

// Answers without walking the phases from their start.
static void answer(struct request *r, unsigned status)
{
    r->keep_alive = false;
    r->expect_tested = true;
    r->rejected = status;
    r->phase = PHASE_REJECT;
    request_run(r);
}

void request_begin(struct request *r)
{
    set_line(r);
    r->method = method_of(r->parsed.llhttp_method);
    r->header_only = r->method == METHOD_HEAD;
    // CONNECT names an authority instead of a path; TRACE is refused whatever it names.
    if (r->parsed.llhttp_method == HTTP_CONNECT || r->parsed.llhttp_method == HTTP_TRACE) {
        answer(r, 405);
        return;
    }
    int rc = find_server(r);
    if (rc != 0) {
        request_log(r, LOG_LEVEL_INFO, 0, "client sent invalid request");
        answer(r, (unsigned)rc);
        return;
    }
    unsigned refused = is_protocol_served(r) ? judge_tls(r) : 421;
    if (refused != 0) {
        answer(r, refused);
        return;
    }
    r->phase = PHASE_SERVER_REWRITE;
    request_run(r);
}

void request_reject(struct request *r, unsigned status, const char *why)
{
    request_note_line(r);
    r->header_only = r->parsed.llhttp_method == HTTP_HEAD && r->parsed.line_len != 0;
    r->body_done = true;
    request_log(r, LOG_LEVEL_INFO, 0, "%s", why);
    answer(r, status);
}
