// SPDX-License-Identifier: Apache-2.0
//
// Beginning and end of the host (host.h). Included once in each program.
#pragma once

#include "lib/base/clock.h"
#include "test/unit/server/http2/host_turns.h"

static void host_load(const char *server)
{
    struct conf_error error;
    char path[80];

    snprintf(path, sizeof(path), "%s/conf", host.dir);
    FILE *out = fopen(path, "we");
    check(out != NULL);
    fprintf(out, "error_log stderr info;\nevents {}\nhttp { access_log off; http2 on;\n"
                 "server { listen 127.0.0.1:8080; root %s; %s } }\n", host.dir, server);
    fclose(out);
    struct config_source source = {.file = path, .prefix = "/"};
    int rc = config_load(&source, &host.config, &error);
    if (rc != 0)
        fprintf(stderr, "%s\n", error.text);
    check(rc == 0);
    unlink(path);
}

static void host_worker(void)
{
    struct worker *w = aligned_alloc(64, (sizeof(*w) + 63) / 64 * 64);
    char why[512];

    check(w != NULL);
    memset(w, 0, sizeof(*w));
    host.worker = w;
    host.stats = calloc(1, sizeof(*host.stats) + 64);
    w->magic = WORKER_MAGIC;
    w->config = host.config;
    w->stats = host.stats;
    w->connection_counter = &host.connections;
    w->sinks = &host.sink;
    w->scratch = malloc(WORKER_SCRATCH);
    w->chunks.keep = 16;
    list_init(&w->conns);
    list_init(&w->idle);
    list_init(&w->log_waiters);
    list_init(&w->handshakes);
    clock_update();
    check(ring_init(&w->ring, why, sizeof(why)) == 0);
    w->ring.features.cachestat = false;
    check(file_table_init(&w->files, &w->ring, host.config->http->cache_count) == 0);
}

void host_open(const char *server, const uint64_t *sizes, size_t nsizes)
{
    static struct sys_calls calls;

    memset(&host, 0, sizeof(host));
    host.room = SIZE_MAX;
    host.seed = 1;
    strcpy(host.dir, "/tmp/millrace-http2-XXXXXX");
    check(mkdtemp(host.dir) != NULL);
    for (size_t i = 0; i < nsizes; i++)
        host_file(sizes[i]);
    host_load(server);
    host_worker();
    host.sink = (struct log_sink){.level = LOG_LEVEL_INFO, .emit = host_log};
    log_use(&host.sink);
    calls = sys_default;
    calls.send = host_send;
    calls.openat2 = host_openat2;
    calls.preadv2 = host_preadv2;
    sys = &calls;
}

static void host_free_pools(struct worker *w)
{
    while (w->free_conns != NULL) {
        struct conn *c = w->free_conns;
        w->free_conns = c->next_free;
        free(c);
    }
    worker_free_requests(w);
    arena_pool_drain(&w->chunks);
    record_buffers_free(w);
    http2_worker_free(w);
}

void host_close(void)
{
    struct worker *w = host.worker;
    char command[96];

    list_each_safe (node, &w->conns)
        conn_close(container_of(node, struct conn, node));
    while (w->nconns != 0)
        check(ring_turn(&w->ring, true) == 0);
    check(w->nconns == 0 && w->files.opening == 0);
    check(host.stats->active == 0 && host.stats->writing == 0 && host.stats->waiting == 0);
    sys = &sys_default;
    log_use(NULL);
    file_table_destroy(&w->files);
    ring_destroy(&w->ring);
    host_free_pools(w);
    free(w->scratch);
    free(w);
    free(host.stats);
    free(host.wire);
    config_free(host.config);
    snprintf(command, sizeof(command), "rm -r %s", host.dir);
    check(system(command) == 0);
}
