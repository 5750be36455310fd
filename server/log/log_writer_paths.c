// SPDX-License-Identifier: Apache-2.0
//
// Log files that are only known by path when a request ends. A few stay open, as
// open_log_file_cache says; a path that is not used any more gives its descriptor back.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "server/config/http_conf.h"
#include "server/log/log_writer_priv.h"
#include "server/worker.h"

// Without open_log_file_cache nginx opens a file for every line. A short while is enough to spare
// that, and to notice soon that a log was renamed.
static const struct log_path_policy kept_briefly = {
    .max = 32, .inactive_ms = 60000, .valid_ms = 10000, .min_uses = 1,
};

int log_paths_init(struct worker *w, struct log_writers *logs)
{
    const struct http_conf *http = w->config->http;

    logs->ncaches = http != NULL ? http->log_path_caches + 1 : 1;
    logs->caches = calloc(logs->ncaches, sizeof(*logs->caches));
    if (logs->caches == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < logs->ncaches; i++)
        list_init(&logs->caches[i].paths);
    return 0;
}

static struct log_writer *find(const struct log_path_cache *cache, const char *path)
{
    list_each (it, &cache->paths) {
        struct log_writer *lw = container_of(it, struct log_writer, node);
        if (strcmp(lw->path, path) == 0)
            return lw;
    }
    return NULL;
}

void log_writer_retire(struct log_writer *lw)
{
    if (!lw->retired) {
        lw->retired = true;
        lw->cache->n--;
        list_remove(&lw->node);
        list_append(&lw->worker->logs->retired, &lw->node);
    }
    if (log_writer_holds(lw))
        log_writer_due(lw);
    else
        log_writer_maybe_free(lw);
}

static struct log_writer *oldest(const struct log_path_cache *cache)
{
    return container_of(cache->paths.prev, struct log_writer, node);
}

static void retire_unused(struct log_path_cache *cache, uint64_t now)
{
    while (!list_empty(&cache->paths)) {
        struct log_writer *lw = oldest(cache);
        if (now - lw->used_ms < lw->policy->inactive_ms)
            return;
        log_writer_retire(lw);
    }
}

static struct log_writer *make(struct worker *w, struct log_path_cache *cache,
                               const struct log_path_policy *policy, const char *path)
{
    struct log_writer *lw = malloc(sizeof(*lw));

    if (lw == NULL)
        return NULL;
    log_writer_init(lw, w, NULL);
    lw->path = strdup(path);
    if (lw->path == NULL) {
        free(lw);
        return NULL;
    }
    lw->policy = policy;
    lw->cache = cache;
    if (cache->n >= policy->max)
        log_writer_retire(oldest(cache));
    cache->n++;
    return lw;
}

void log_writer_add_path(struct worker *w, const struct log_path_policy *policy, const char *path,
                         const char *line, size_t n)
{
    const struct log_path_policy *p = policy != NULL ? policy : &kept_briefly;
    struct log_path_cache *cache = &w->logs->caches[p->index];
    uint64_t now = clock_mono_ms();
    unsigned uses = 0;

    retire_unused(cache, now);
    struct log_writer *lw = find(cache, path);
    if (lw != NULL && lw->fd >= 0 && now - lw->opened_ms >= p->valid_ms) {
        uses = lw->uses;
        log_writer_retire(lw);
        lw = NULL;
    }
    if (lw == NULL) {
        lw = make(w, cache, p, path);
        if (lw == NULL) {
            stats_add(&w->stats->log_lines_dropped, 1);
            return;
        }
        lw->uses = uses;
    }
    lw->uses++;
    lw->used_ms = now;
    list_remove(&lw->node);
    list_prepend(&cache->paths, &lw->node);
    log_writer_append(lw, line, n);
    log_writer_due(lw);
}

void log_paths_retire_all(struct log_writers *logs)
{
    for (unsigned i = 0; i < logs->ncaches; i++) {
        while (!list_empty(&logs->caches[i].paths))
            log_writer_retire(list_first(&logs->caches[i].paths, struct log_writer, node));
    }
}
