// SPDX-License-Identifier: Apache-2.0
//
// --topology: reads the machine (or a captured one) and the configuration, plans as a start would,
// and shows it. Starts nothing and opens nothing for writing.
#include "server/report/topology.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <unistd.h>

#include "lib/net/napi.h"
#include "lib/topo/machine.h"
#include "lib/topo/topo.h"
#include "server/config/config.h"
#include "server/process/cmdline.h"
#include "server/process/plan.h"
#include "server/process/report.h"
#include "server/report/commands.h"

#ifndef CAP_BPF
#define CAP_BPF 39
#endif

// The master loads the program, so what this process may do tells only when it is what the master
// will be.
static bool can_bpf(void)
{
    unsigned long long effective = 0;
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "CapEff: %llx", &effective) == 1)
            break;
    }
    if (f != NULL)
        fclose(f);
    return (effective >> CAP_BPF & 1) != 0 || (effective >> CAP_SYS_ADMIN & 1) != 0;
}

static bool can_napi(void)
{
    struct napi_lookup n;

    if (napi_lookup_open(&n) != 0)
        return false;
    napi_lookup_close(&n);
    return true;
}

static int print(struct topology_view *v, bool json)
{
    bool captured = v->machine->root[0] != '\0';
    int rc;

    // Of a captured machine nobody knows; then the way is shown that a master of root goes.
    topology_steering(v->machine, v->plan, captured || can_bpf(), captured || can_napi(),
                      &v->steering);
    rc = json ? topology_print_json(v, stdout) : topology_print_table(v, stdout);
    if (rc == 0 && (fflush(stdout) != 0 || ferror(stdout)))
        rc = -EIO;
    if (rc != 0)
        report(LOG_LEVEL_EMERG, -rc, "the topology could not be written");
    return rc;
}

static int show(struct topology_view *v, const char *root, bool json)
{
    struct machine m;
    struct topo t;
    struct plan plan;
    int rc = machine_load(&m, root);

    if (rc != 0) {
        report(LOG_LEVEL_EMERG, -rc, "reading the machine from \"%s/sys\" failed",
               root != NULL ? root : "");
        return rc;
    }
    rc = topo_load_machine(&t, &m);
    if (rc != 0) {
        report(LOG_LEVEL_EMERG, -rc, "reading the CPUs and nodes of the machine failed");
        machine_free(&m);
        return rc;
    }
    rc = plan_make_on(&t, v->conf, &plan);
    if (rc == 0) {
        v->machine = &m;
        v->topo = &t;
        v->plan = &plan;
        rc = print(v, json);
        plan_free(&plan);
    }
    topo_destroy(&t);
    machine_free(&m);
    return rc;
}

int topology_command(const struct cmdline *c, const struct cmdline_paths *paths)
{
    static const struct main_conf nothing = {.worker_processes = 0, .silos = SILOS_AUTO};
    struct topology_view v = {.conf = &nothing};
    struct config_source source = {.file = paths->conf_file,
                                   .prefix = paths->prefix,
                                   .globals = c->globals,
                                   .error_log = paths->error_log};
    struct conf_error error = {.err = 0};
    struct config *config = NULL;
    int rc;

    if (!command_without_configuration(c, paths)) {
        if (config_load(&source, &config, &error) != 0) {
            report(LOG_LEVEL_EMERG, 0, "%s", error.text);
            return 1;
        }
        v.conf = &config->main;
        v.configuration = paths->conf_file;
    }
    rc = show(&v, c->root, c->json);
    if (config != NULL)
        config_free(config);
    return rc != 0;
}
