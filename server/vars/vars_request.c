// SPDX-License-Identifier: Apache-2.0
//
// Variables of the request itself: what was asked, of which server, for which file, and how it
// went.
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "lib/conf/value.h"
#include "server/conn/conn.h"
#include "server/request/request_file.h"
#include "server/vars/vars_priv.h"
#include "server/worker.h"

#define REQUEST_ID_BYTES 16
#define RANDOM_POOL 512 // bytes drawn at a time: one system call for many requests

// A view kept in the request, `data` its offset. NULL means that it was never there, empty that
// it was empty.
static bool get_view(void *ctx, const struct var *v, struct sv *out)
{
    memcpy(out, (const char *)ctx + v->data, sizeof(*out));
    return out->p != NULL;
}

// A bare "?" has no arguments for nginx; that they were set to nothing is another thing, and is
// told by where the empty value lies.
static const char set_empty[] = "";

static bool get_args(void *ctx, const struct var *v, struct sv *out)
{
    const struct request *r = ctx;

    (void)v;
    *out = r->args;
    return r->args.n != 0 || r->args.p == set_empty;
}

static void set_args(void *ctx, const struct var *v, struct sv value)
{
    struct request *r = ctx;

    (void)v;
    r->args = value.n != 0 ? value : sv_of(set_empty, 0);
}

static bool get_is_args(void *ctx, const struct var *v, struct sv *out)
{
    const struct request *r = ctx;

    (void)v;
    *out = r->args.n != 0 ? SV("?") : sv_of("", 0);
    return true;
}

// Before the line is understood, what came of it: that is what the log shows for a bad request.
static bool get_request(void *ctx, const struct var *v, struct sv *out)
{
    const struct request *r = ctx;
    uint32_t start = r->parsed.method, end = start;

    (void)v;
    if (r->request_line.p != NULL) {
        *out = r->request_line;
        return true;
    }
    if (r->head == NULL || start >= r->head_len)
        return false;
    while (end < r->head_len && r->head[end] != '\r' && r->head[end] != '\n')
        end++;
    *out = sv_of(r->head + start, end - start);
    return true;
}

static bool get_request_method(void *ctx, const struct var *v, struct sv *out)
{
    const struct request *r = ctx;

    (void)v;
    *out = r->method_name;
    return r->method_name.n != 0;
}

// As sent: it is what follows the target in the request line. HTTP/0.9 has none.
static bool get_server_protocol(void *ctx, const struct var *v, struct sv *out)
{
    const struct request *r = ctx;
    const char *after = r->target.p != NULL ? r->target.p + r->target.n : NULL;
    const char *end = r->request_line.p != NULL ? r->request_line.p + r->request_line.n : NULL;

    (void)v;
    if (r->parsed.http_major == 2) {
        *out = SV("HTTP/2.0");
        return true;
    }
    if (r->parsed.http_0_9 || after == NULL || end == NULL || after >= end)
        return false;
    *out = sv_trim(sv_of(after, (size_t)(end - after)));
    return sv_starts(*out, SV("HTTP/"));
}

// nginx's names of HTTP/2 over TLS and in the clear.
static bool get_http2(void *ctx, const struct var *v, struct sv *out)
{
    const struct request *r = ctx;

    (void)v;
    *out = SV("");
    if (r->parsed.http_major == 2)
        *out = vars_is_https(r) ? SV("h2") : SV("h2c");
    return true;
}

static bool get_host(void *ctx, const struct var *v, struct sv *out)
{
    const struct request *r = ctx;

    (void)v;
    *out = r->host.n != 0 ? r->host : r->server->name;
    return true;
}

static bool get_server_name(void *ctx, const struct var *v, struct sv *out)
{
    const struct request *r = ctx;

    (void)v;
    *out = r->server->name;
    return true;
}

static bool get_request_port(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;

    (void)v;
    *out = sv_of("", 0);
    return r->host_port == 0 || vars_number(r, r->host_port, 1, out);
}

static bool get_is_request_port(void *ctx, const struct var *v, struct sv *out)
{
    const struct request *r = ctx;

    (void)v;
    *out = r->host_port != 0 ? SV(":") : sv_of("", 0);
    return true;
}

// Absolute, without the slash that `root` may end with; an alias is given as it was written.
static bool get_document_root(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;

    (void)v;
    if (request_eval(r, r->location->root, out) != 0)
        return false;
    if (out->n == 0 || out->p[0] != '/')
        *out = arena_printf(&r->arena, "%s%.*s", r->worker->config->prefix, SV_ARG(*out));
    if (!r->location->alias && out->n != 0 && out->p[out->n - 1] == '/')
        out->n--;
    return out->p != NULL;
}

// realpath(3) looks at each directory of the root, which are in memory on a machine that serves
// from it. Who asks for this variable has asked for those calls.
static bool get_realpath_root(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    char real[PATH_MAX];

    if (!get_document_root(ctx, v, out))
        return false;
    const char *path = arena_strndup(&r->arena, out->p, out->n);
    if (path == NULL)
        return false;
    if (realpath(path, real) == NULL) {
        request_log(r, LOG_LEVEL_CRIT, errno, "realpath() \"%s\" failed", path);
        return false;
    }
    return vars_copy(r, sv_from(real), out);
}

// Mapping sets the look-up's policy, which a look-up under way or behind us must keep.
static bool get_request_filename(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    struct file_lookup kept = r->lookup;

    (void)v;
    int rc = request_map_path(r, r->path, out);
    r->lookup = kept;
    return rc == 0;
}

static bool get_request_completion(void *ctx, const struct var *v, struct sv *out)
{
    const struct request *r = ctx;

    (void)v;
    *out = r->response.header_sent && r->response.body == NULL ? SV("OK") : sv_of("", 0);
    return true;
}

static bool get_request_length(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;

    (void)v;
    return vars_number(r, r->request_length, 1, out);
}

static bool draw(unsigned char out[REQUEST_ID_BYTES])
{
    static _Thread_local unsigned char pool[RANDOM_POOL];
    static _Thread_local size_t left;

    if (left < REQUEST_ID_BYTES) {
        if (getrandom(pool, sizeof(pool), 0) != sizeof(pool))
            return false;
        left = sizeof(pool);
    }
    left -= REQUEST_ID_BYTES;
    memcpy(out, pool + left, REQUEST_ID_BYTES);
    return true;
}

static bool get_request_id(void *ctx, const struct var *v, struct sv *out)
{
    static const char hex[] = "0123456789abcdef";
    struct request *r = ctx;
    unsigned char id[REQUEST_ID_BYTES];

    (void)v;
    if (r->request_id.p == NULL) {
        char *p = arena_alloc(&r->arena, 2 * REQUEST_ID_BYTES);
        if (p == NULL || !draw(id))
            return false;
        for (size_t i = 0; i < REQUEST_ID_BYTES; i++) {
            p[2 * i] = hex[id[i] >> 4];
            p[2 * i + 1] = hex[id[i] & 15];
        }
        r->request_id = sv_of(p, 2 * REQUEST_ID_BYTES);
    }
    *out = r->request_id;
    return true;
}

static bool get_status(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    unsigned status = r->response.status;

    (void)v;
    if (r->error_status != 0)
        status = r->error_status;
    else if (status == 0 && r->parsed.http_0_9)
        status = 9;
    return vars_number(r, status, 3, out);
}

static bool get_bytes_sent(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;

    (void)v;
    return vars_number(r, r->response.sent_bytes, 1, out);
}

static bool get_body_bytes_sent(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;
    const struct response *s = &r->response;
    uint64_t body = s->sent_bytes > s->header_bytes ? s->sent_bytes - s->header_bytes : 0;

    (void)v;
    return vars_number(r, body, 1, out);
}

static bool get_pipe(void *ctx, const struct var *v, struct sv *out)
{
    const struct request *r = ctx;

    (void)v;
    *out = r->pipelined ? SV("p") : SV(".");
    return true;
}

static bool get_limit_rate(void *ctx, const struct var *v, struct sv *out)
{
    struct request *r = ctx;

    (void)v;
    return vars_number(r, r->limit_rate, 1, out);
}

static void set_limit_rate(void *ctx, const struct var *v, struct sv value)
{
    struct request *r = ctx;
    int64_t rate;

    (void)v;
    if (conf_size(value, &rate) != 0) {
        request_log(r, LOG_LEVEL_ERROR, 0, "invalid $limit_rate \"%.*s\"", SV_ARG(value));
        return;
    }
    r->limit_rate = (uint64_t)rate;
    r->limit_rate_set = true;
}

#define VIEW(name, field) {name, get_view, offsetof(struct request, field), 0, NULL}

static const struct var_row rows[] = {
    VIEW("uri", path),
    VIEW("document_uri", path),
    {"query_string", get_args, 0, 0, NULL},
    VIEW("request_uri", uri.raw),
    {"args", get_args, 0, VAR_CHANGEABLE, set_args},
    {"is_args", get_is_args, 0, 0, NULL},
    {"request", get_request, 0, 0, NULL},
    {"request_method", get_request_method, 0, 0, NULL},
    {"server_protocol", get_server_protocol, 0, 0, NULL},
    {"http2", get_http2, 0, 0, NULL},
    {"host", get_host, 0, 0, NULL},
    {"server_name", get_server_name, 0, 0, NULL},
    {"request_port", get_request_port, 0, 0, NULL},
    {"is_request_port", get_is_request_port, 0, 0, NULL},
    {"document_root", get_document_root, 0, 0, NULL},
    {"realpath_root", get_realpath_root, 0, 0, NULL},
    {"request_filename", get_request_filename, 0, 0, NULL},
    {"request_completion", get_request_completion, 0, 0, NULL},
    {"request_length", get_request_length, 0, 0, NULL},
    {"request_id", get_request_id, 0, 0, NULL},
    {"status", get_status, 0, 0, NULL},
    {"bytes_sent", get_bytes_sent, 0, 0, NULL},
    {"body_bytes_sent", get_body_bytes_sent, 0, 0, NULL},
    {"pipe", get_pipe, 0, 0, NULL},
    {"limit_rate", get_limit_rate, 0, VAR_CHANGEABLE, set_limit_rate},
};

const struct var_table vars_request_table = {rows, array_len(rows)};
