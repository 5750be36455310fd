// SPDX-License-Identifier: Apache-2.0
#include "server/report/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/topo/machine.h"
#include "server/config/config.h"
#include "server/doctor/doctor.h"
#include "server/process/cmdline.h"
#include "server/process/generation.h"
#include "server/process/pidfile.h"
#include "server/process/plan.h"
#include "server/process/report.h"
#include "server/report/egress_rules.h"
#include "server/report/status.h"

// NULL when it cannot be loaded, which is said.
static struct config *load(const struct cmdline *c, const struct cmdline_paths *paths)
{
    struct config_source source = {.file = paths->conf_file, .prefix = paths->prefix,
                                   .globals = c->globals, .error_log = paths->error_log};
    struct conf_error error = {.err = 0};
    struct config *config;

    if (config_load(&source, &config, &error) == 0)
        return config;
    report(LOG_LEVEL_EMERG, 0, "%s", error.text);
    return NULL;
}

static int load_machine(struct machine *m, const char *root)
{
    int rc = machine_load(m, root);

    if (rc != 0)
        report(LOG_LEVEL_EMERG, -rc, "reading the machine failed");
    return rc;
}

bool command_without_configuration(const struct cmdline *c, const struct cmdline_paths *paths)
{
    return c->conf_file == NULL && access(paths->conf_file, F_OK) != 0 && errno == ENOENT;
}

int command_status(const struct cmdline *c, const struct cmdline_paths *paths)
{
    struct config *config = load(c, paths);
    int code = 1;

    if (config == NULL)
        return code;
    char *pid_path = generation_pid_path(config, paths->prefix);
    if (pid_path != NULL)
        code = status_command(pid_path, c->interval_ms, c->once, c->json, stdout);
    free(pid_path);
    config_free(config);
    return code;
}

static pid_t running_master(const struct config *config, const char *prefix)
{
    char *path = generation_pid_path(config, prefix), text[32];
    pid_t pid = 0;

    if (path == NULL || pidfile_read(path, &pid, text, sizeof(text)) != 0)
        pid = 0;
    free(path);
    return pid;
}

// What the configuration comes to, as far as there is one: the machine can be looked at without.
static void take_configuration(const struct cmdline *c, const struct cmdline_paths *paths,
                               struct doctor_options *o)
{
    struct config *config = command_without_configuration(c, paths) ? NULL : load(c, paths);
    struct plan plan;

    if (config == NULL)
        return;
    if (c->root == NULL)
        o->master = running_master(config, paths->prefix);
    o->worker_connections = (uint64_t)config->main.worker_connections;
    if (config->main.worker_rlimit_nofile > 0)
        o->worker_rlimit_nofile = (uint64_t)config->main.worker_rlimit_nofile;
    if (c->root == NULL && plan_make(&config->main, &plan) == 0) {
        o->workers = plan.workers;
        for (unsigned i = 0; i < plan.count; i++)
            o->silo_workers = max_of(o->silo_workers, (uint64_t)plan.silos[i].workers);
        plan_free(&plan);
    }
    config_free(config);
}

int command_doctor(const struct cmdline *c, const struct cmdline_paths *paths)
{
    struct doctor_options o = {.root = c->root, .apply = c->apply, .undo = c->undo,
                               .json = c->json};
    struct machine machine;

    if (load_machine(&machine, c->root) != 0)
        return DOCTOR_FAILED;
    if (!c->undo)
        take_configuration(c, paths, &o);
    int code = (int)doctor_run(&o, &machine, stdout);
    machine_free(&machine);
    return code;
}

int command_egress_rules(const struct cmdline *c, const struct cmdline_paths *paths)
{
    enum egress_rules_action action = c->apply  ? EGRESS_RULES_APPLY
                                      : c->undo ? EGRESS_RULES_UNDO
                                                : EGRESS_RULES_PRINT;
    struct machine machine;

    (void)paths;
    if (load_machine(&machine, NULL) != 0)
        return 1;
    int rc = egress_rules_command(&machine, action, c->json, stdout);
    machine_free(&machine);
    return rc != 0;
}
