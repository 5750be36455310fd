// SPDX-License-Identifier: Apache-2.0
//
// A request made by hand, on a real loopback connection, with a configuration of one server and one
// location: for tests of what reads requests. Nothing runs on a ring.
#pragma once

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/http/h1.h"
#include "server/conn/conn.h"
#include "server/request/request.h"
#include "server/vars/vars.h"
#include "server/worker.h"

struct fixture {
    struct config config;
    struct http_conf http;
    struct server_conf server;
    struct location_conf location;
    struct listen_conf listen;
    struct stats stats;
    struct worker *worker;
    struct conn conn;
    struct request *r;
    int client;
};

// Accepted and connected sockets on 127.0.0.1; the listener's address goes to `listen`.
static inline void fixture_connect(struct fixture *f)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(addr);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    f->client = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert(listener >= 0 && f->client >= 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&addr, n), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&addr, &n), 0);
    cr_assert_eq(connect(f->client, (struct sockaddr *)&addr, n), 0);
    f->conn.fd = accept(listener, NULL, NULL);
    cr_assert(f->conn.fd >= 0);
    net_address_set(&f->listen.address, (struct sockaddr *)&addr, n);
    close(listener);
}

static inline struct fixture *fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->worker = calloc(1, (sizeof(*f->worker) + 63) / 64 * 64);
    f->r = calloc(1, sizeof(*f->r));
    arena_init(&f->config.arena, NULL);
    list_init(&f->config.log_files);
    f->config.prefix = "/prefix/";
    f->config.http = &f->http;
    list_init(&f->http.log_formats);
    cr_assert_eq(var_registry_init(&f->http.vars, &f->config.arena), 0);
    cr_assert_eq(vars_register(&f->http.vars), 0);
    f->server.http = &f->http;
    f->server.name = SV("server.example");
    f->server.location = &f->location;
    f->location.server = &f->server;
    f->worker->magic = WORKER_MAGIC;
    f->worker->config = &f->config;
    f->worker->stats = &f->stats;
    f->conn.magic = CONN_MAGIC;
    f->conn.worker = f->worker;
    f->conn.listen = &f->listen;
    f->conn.number = 42;
    f->conn.requests = 3;
    fixture_connect(f);
    *f->r = (struct request){.magic = REQUEST_MAGIC, .conn = &f->conn, .worker = f->worker,
                             .server = &f->server, .location = &f->location};
    arena_init(&f->r->arena, NULL);
    response_init(&f->r->response);
    return f;
}

// What the connection does with a head that is complete.
static inline void fixture_head(struct fixture *f, const char *head)
{
    struct request *r = f->r;
    struct h1_limits limits = {.first_buffer = 1024, .large_size = 8192, .large_count = 4,
                               .fields = {.max_headers = 100, .ignore_invalid = true}};

    r->h1 = arena_new(&r->arena, struct h1_parser);
    h1_init(r->h1, &r->parsed, &r->arena, &limits);
    r->head_len = (uint32_t)strlen(head);
    r->head = arena_strndup(&r->arena, head, r->head_len);
    cr_assert_eq(h1_head(r->h1, r->head, r->head_len), H1_DONE);
    r->request_length = r->head_len;
    r->request_line = sv_of(r->head + r->parsed.method, r->parsed.line_len);
    r->method_name = sv_of(r->head + r->parsed.method, r->parsed.method_len);
    r->target = sv_of(r->head + r->parsed.target, r->parsed.target_len);
    r->keep_alive = r->h1->keep_alive;
    cr_assert_eq(uri_parse(r->target, true, &r->arena, &r->uri), 0);
    r->path = r->uri.path;
    r->args = r->uri.args;
    struct sv host = request_header(r, SV("host"));
    if (host.n != 0)
        cr_assert_eq(host_parse(host, &r->arena, &r->host, &r->host_port), 0);
}

static inline struct template *fixture_template(struct fixture *f, const char *text)
{
    struct conf_error error;
    struct template *t;

    cr_assert_eq(template_compile(&f->http.vars, sv_from(text), NULL, &t, &error), 0);
    return t;
}

static inline struct sv fixture_eval(struct fixture *f, const char *text)
{
    struct sv out;

    cr_assert_eq(request_eval(f->r, fixture_template(f, text), &out), 0);
    return out;
}

// False when it has no value.
static inline bool fixture_read(struct fixture *f, const char *name, struct sv *out)
{
    const struct var *v = var_refer(&f->http.vars, sv_from(name), NULL);

    cr_assert(v != NULL && (v->flags & VAR_WEAK) == 0, "$%s is not known", name);
    return vars_read(f->r, v, out);
}

static inline void fixture_free(struct fixture *f)
{
    close(f->client);
    close(f->conn.fd);
    arena_reset(&f->r->arena);
    arena_reset(&f->config.arena);
    free(f->r);
    free(f->worker);
    free(f);
}
