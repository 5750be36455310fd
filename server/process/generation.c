// SPDX-License-Identifier: Apache-2.0
#include "server/process/generation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/topo/machine.h"
#include "lib/topo/topo.h"
#include "server/config/config.h"
#include "server/config/http_conf.h"
#include "server/limits/zone.h"
#include "server/process/pidfile.h"
#include "server/process/preflight.h"
#include "server/process/privileges.h"
#include "server/process/report.h"
#include "server/report/topology.h"
#include "server/tls/cache_zones.h"
#include "server/tls/contexts.h"
#include "server/tls/kernel_support.h"
#include "version.h"

char *generation_pid_path(const struct config *config, const char *prefix)
{
    struct sv pid = config->main.pid;
    char *out;

    if (pid.n == 0)
        pid = sv_from(MILLRACE_PID_PATH);
    return asprintf(&out, "%s%.*s", pid.p[0] == '/' ? "" : prefix, SV_ARG(pid)) < 0 ? NULL : out;
}

static int find_identity(struct generation *g)
{
    char why[256];
    int err, rc = identity_find(&g->config->main, &g->identity, why, sizeof(why), &err);

    if (rc != 0)
        report(LOG_LEVEL_EMERG, err, "%s", why);
    g->identity.keep_net_raw = g->config->main.egress_mark != 0;
    return rc;
}

// What the plan came to, for the log that is opened after it.
struct plan_notes {
    char *text; // lines, each with its end
    size_t n;
    FILE *out;
};

static void note_line(void *context, const char *text)
{
    fprintf(((struct plan_notes *)context)->out, "%s\n", text);
}

static void describe_plan(struct generation *g, const struct machine *m, const struct topo *t)
{
    struct plan_notes notes = {.out = open_memstream(&notes.text, &notes.n)};

    if (notes.out == NULL)
        return;
    topology_describe_plan(m, t, &g->plan, note_line, &notes);
    if (fclose(notes.out) == 0)
        g->notes = notes.text;
    else
        free(notes.text);
}

// Some containers have no sysfs: the plan can do without, but nothing is known to describe.
static int make_plan(struct generation *g)
{
    struct machine machine;
    struct topo topo;
    int rc;

    if (machine_load(&machine, NULL) != 0)
        return plan_make(&g->config->main, &g->plan);
    rc = topo_load_machine(&topo, &machine);
    if (rc == 0) {
        rc = plan_make_on(&topo, &g->config->main, &g->plan);
        if (rc == 0)
            describe_plan(g, &machine, &topo);
        topo_destroy(&topo);
    }
    machine_free(&machine);
    return rc;
}

void generation_log_plan(struct generation *g)
{
    char *save = NULL;

    for (char *line = g->notes != NULL ? strtok_r(g->notes, "\n", &save) : NULL; line != NULL;
         line = strtok_r(NULL, "\n", &save))
        log_notice(0, "%s", line);
    free(g->notes);
    g->notes = NULL;
}

static int open_logs(struct generation *g)
{
    const struct log_file *failed;
    int rc = log_files_open(g->config, false, (unsigned)-1, (unsigned)-1, &failed);

    if (rc != 0) {
        report(LOG_LEVEL_EMERG, -rc, "open() \"%s\" failed", failed->path);
        return rc;
    }
    g->sinks = log_files_sinks(g->config);
    return g->sinks != NULL || g->config->main.error_log == NULL ? 0 : -ENOMEM;
}

static int check_pid_path(struct generation *g)
{
    int rc = pidfile_check(g->pid_path);

    if (rc != 0)
        report(LOG_LEVEL_EMERG, -rc, "open() \"%s\" failed", g->pid_path);
    return rc;
}

static int check_ring(struct generation *g)
{
    char text[512];
    int rc = preflight(&g->identity, text, sizeof(text));

    if (rc != 0)
        report(LOG_LEVEL_EMERG, 0, "%s", text);
    return rc;
}

// A single worker has nobody to give connections to.
static int open_exchange(struct generation *g)
{
    if (g->config->main.silos == SILOS_NONE || g->plan.workers < 2)
        return 0;
    return exchange_open(&g->exchange, g->plan.workers, g->plan.count);
}

static bool listens_with_tls(const struct http_conf *http)
{
    const struct listen_conf *l = http != NULL ? http->listens : NULL;

    while (l != NULL && !l->ssl)
        l = l->next;
    return l != NULL;
}

static int open_tls(struct generation *g, struct tls_ticket_keys *tickets,
                    enum generation_use use)
{
    struct http_conf *http = g->config->http;
    int rc = tls_cache_zones_open(http);

    if (rc == 0 && http != NULL)
        rc = tls_contexts_open(http, tickets);
    if (rc == 0 && listens_with_tls(http))
        server_tls_kernel_probe(use != GENERATION_TEST);
    return rc;
}

static int make(struct generation *g, const char *prefix, struct listeners *listeners,
                struct tls_ticket_keys *tickets, enum generation_use use)
{
    int rc;

    g->pid_path = generation_pid_path(g->config, prefix);
    rc = g->pid_path == NULL ? -ENOMEM : find_identity(g);
    if (rc == 0)
        rc = make_plan(g);
    if (rc == 0)
        rc = worker_cpus_make(g->config->main.cpu_affinity, &g->plan, &g->cpus);
    if (rc == 0)
        rc = open_logs(g);
    if (rc == 0 && use != GENERATION_RELOAD)
        log_use(g->sinks); // what goes wrong from here on is also said where it is looked for later
    if (rc == 0)
        rc = limit_zones_open(g->config->http);
    if (rc == 0)
        rc = open_tls(g, tickets, use);
    if (rc == 0)
        rc = check_pid_path(g);
    // A reload need not ask again: silos of the configuration before have their rings.
    if (rc == 0 && use != GENERATION_RELOAD)
        rc = check_ring(g);
    if (rc == 0 && use != GENERATION_TEST)
        rc = open_exchange(g);
    // Last, because this is what others see.
    if (rc == 0 && use == GENERATION_TEST)
        rc = listeners_probe(g->config->http);
    else if (rc == 0)
        rc = listeners_open(listeners, g->config->http, g->plan.workers);
    return rc;
}

int generation_make(struct generation *g, struct config *config, const char *prefix,
                    struct listeners *listeners, struct tls_ticket_keys *tickets,
                    enum generation_use use)
{
    struct log_sink *before = log_current();
    int rc;

    memset(g, 0, sizeof(*g));
    g->config = config;
    privileges_raise_memlock();
    rc = make(g, prefix, listeners, tickets, use);
    if (rc == -ENOMEM)
        report(LOG_LEVEL_EMERG, ENOMEM, "the configuration could not be set up");
    if (rc != 0) {
        log_use(before);
        generation_free(g);
    }
    return rc;
}

void generation_free(struct generation *g)
{
    exchange_close(&g->exchange);
    worker_cpus_free(&g->cpus);
    plan_free(&g->plan);
    free(g->pid_path);
    free(g->notes);
    if (g->config != NULL) {
        log_files_close(g->config);
        if (g->config->http != NULL)
            tls_contexts_close(g->config->http);
        tls_cache_zones_close(g->config->http);
        limit_zones_close(g->config->http);
        config_free(g->config);
    }
    memset(g, 0, sizeof(*g));
}
