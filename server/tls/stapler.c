// SPDX-License-Identifier: Apache-2.0
#include "server/tls/stapler.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/tls/stapling.h"
#include "server/config/http_conf.h"

// One question at a time: a responder that hangs must not hold the others up for long.
#define ASK_TIMEOUT_S 15
#define RETRY_S 300 // after a failure, as nginx

struct job {
    const struct tls_context *context;
    struct tls_certificate *certificate;
    struct tls_stapling ask;
    uint64_t due_ms;
    char *said; // the failure that the log knows already; malloc, NULL: none
};

struct stapler {
    pthread_t thread;
    int stop_fd; // readable: stop
    struct log_sink *sinks;
    unsigned njobs;
    struct job jobs[];
};

// A failure that lasts is one line, not one every five minutes.
static void job_failed(struct job *j, const char *why)
{
    if (j->said != NULL && strcmp(j->said, why) == 0)
        return;
    log_error(0, "%s", why);
    free(j->said);
    j->said = strdup(why);
}

static void job_ask(struct job *j)
{
    struct tls_staple *staple = NULL;
    char why[TLS_ERROR_MAX];
    int64_t next_s = RETRY_S;
    int rc = tls_staple_fetch(j->context, j->certificate, &j->ask, &staple, &next_s, why);

    if (rc == -ECANCELED)
        return;
    if (rc == 0) {
        tls_certificate_set_staple(j->certificate, staple);
        free(j->said);
        j->said = NULL;
    } else {
        next_s = RETRY_S; // what is published stays until it expires
        job_failed(j, why);
    }
    clock_update();
    j->due_ms = clock_mono_ms() + (uint64_t)next_s * 1000;
}

static struct job *soonest(struct stapler *s)
{
    struct job *first = &s->jobs[0];

    for (unsigned i = 1; i < s->njobs; i++) {
        if (s->jobs[i].due_ms < first->due_ms)
            first = &s->jobs[i];
    }
    return first;
}

// Sleeps until `due_ms`. false when it is time to stop.
static bool sleep_until(struct stapler *s, uint64_t due_ms)
{
    struct pollfd stop = {s->stop_fd, POLLIN, 0};
    uint64_t now;
    int rc;

    do {
        clock_update();
        now = clock_mono_ms();
        rc = poll(&stop, 1, due_ms > now ? (int)(due_ms - now) : 0);
    } while (rc < 0 && errno == EINTR);
    return rc == 0;
}

static void *stapler_run(void *arg)
{
    struct stapler *s = arg;
    struct job *job;

    pthread_setname_np(pthread_self(), "stapler");
    log_use(s->sinks);
    for (job = soonest(s); sleep_until(s, job->due_ms); job = soonest(s))
        job_ask(job);
    return NULL;
}

static bool is_wanted(const struct server_conf *server)
{
    const struct tls_conf *t = &server->tls;

    return t->stapling > 0 && t->stapling_file.n == 0 && t->context != NULL;
}

// What tls_contexts_open() has warned of is not asked.
static bool job_make(struct job *j, const struct tls_conf *t, unsigned i, int stop_fd)
{
    char why[TLS_ERROR_MAX];

    *j = (struct job){
        .context = t->context,
        .certificate = &t->context->certificates[i],
        .ask = {.responder = t->stapling_responder.n > 0 ? t->stapling_responder.p : NULL,
                .verify = t->stapling_verify > 0,
                .timeout_s = ASK_TIMEOUT_S,
                .cancel_fd = stop_fd},
    };
    return tls_stapling_check(j->context, j->certificate, &j->ask, why) == 0;
}

static unsigned count_certificates(const struct http_conf *http)
{
    unsigned n = 0;

    for (unsigned i = 0; i < http->nservers; i++) {
        if (is_wanted(http->servers[i]))
            n += http->servers[i]->tls.context->ncertificates;
    }
    return n;
}

static void collect(struct stapler *s, const struct http_conf *http)
{
    for (unsigned i = 0; i < http->nservers; i++) {
        const struct tls_conf *t = &http->servers[i]->tls;

        if (!is_wanted(http->servers[i]))
            continue;
        for (unsigned k = 0; k < t->context->ncertificates; k++) {
            if (job_make(&s->jobs[s->njobs], t, k, s->stop_fd))
                s->njobs++;
        }
    }
}

static void release(struct stapler *s)
{
    for (unsigned i = 0; i < s->njobs; i++)
        free(s->jobs[i].said);
    if (s->stop_fd >= 0)
        close(s->stop_fd);
    free(s);
}

int stapler_start(const struct http_conf *http, struct log_sink *sinks, struct stapler **out)
{
    unsigned n = http != NULL ? count_certificates(http) : 0;
    struct stapler *s;
    int rc;

    *out = NULL;
    if (n == 0)
        return 0;
    s = calloc(1, sizeof(*s) + n * sizeof(s->jobs[0]));
    if (s == NULL)
        return -ENOMEM;
    s->sinks = sinks;
    s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = s->stop_fd < 0 ? -errno : 0;
    if (rc == 0) {
        collect(s, http);
        if (s->njobs > 0)
            rc = -pthread_create(&s->thread, NULL, stapler_run, s);
    }
    if (rc != 0 || s->njobs == 0) {
        release(s);
        return rc;
    }
    *out = s;
    return 0;
}

void stapler_stop(struct stapler *s)
{
    if (s != NULL)
        check(eventfd_write(s->stop_fd, 1) == 0);
}

void stapler_free(struct stapler *s)
{
    if (s == NULL)
        return;
    stapler_stop(s);
    pthread_join(s->thread, NULL);
    release(s);
}
