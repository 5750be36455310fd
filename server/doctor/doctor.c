// SPDX-License-Identifier: Apache-2.0
//
// The examination as a whole: all checks in their order, and what is asked of their findings.
#include "server/doctor/doctor.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/doctor/doctor_priv.h"
#include "server/doctor/nic_priv.h"
#include "server/doctor/print_priv.h"
#include "server/doctor/tree_priv.h"

static const struct check *const tables[] = {
    irq_checks, nic_checks,    offload_checks, packet_checks, bond_checks,
    tcp_checks, kernel_checks, memory_checks,  limit_checks,  tls_checks,
};

static void count_nodes(struct doctor *d)
{
    d->cpu_nodes = 0;
    CPU_ZERO(&d->cpus);
    for (unsigned i = 0; d->machine != NULL && i < d->machine->nnodes; i++) {
        const struct machine_node *node = &d->machine->nodes[i];

        d->cpu_nodes += CPU_COUNT(&node->cpus) > 0;
        CPU_OR(&d->cpus, &d->cpus, &node->cpus);
    }
}

void doctor_init(struct doctor *d, const struct doctor_options *options, const struct machine *m)
{
    bool tree = options->root != NULL && options->root[0] != '\0';

    *d = (struct doctor){
        .options = options,
        .machine = m,
        .nics = tree ? &nic_none : &nic_ioctl,
        .runner = tree ? doctor_no_runner : doctor_system,
        .root = tree ? options->root : "",
    };
    d->findings_end = &d->findings;
    arena_init(&d->arena, NULL);
    count_nodes(d);
}

void doctor_destroy(struct doctor *d)
{
    arena_reset(&d->arena);
}

// A check that looked and has nothing to say is a finding too: that it is good.
static void look(struct doctor *d, const struct check *c)
{
    struct finding **before = d->findings_end;

    if (!c->look(d, c) || *before != NULL)
        return;
    struct finding *f = finding_add(d, c, "", "%s", "");
    if (f != NULL)
        f->severity = SEVERITY_OK;
}

static void forget(struct doctor *d, enum check_phase phase)
{
    struct finding **link = &d->findings;

    while (*link != NULL) {
        if ((*link)->check->phase == phase)
            *link = (*link)->next;
        else
            link = &(*link)->next;
    }
    d->findings_end = link;
}

void doctor_examine(struct doctor *d, enum check_phase phase)
{
    forget(d, phase);
    for (size_t t = 0; t < array_len(tables); t++) {
        for (const struct check *c = tables[t]; c->id != NULL; c++) {
            if (c->phase == phase)
                look(d, c);
        }
    }
}

static bool may_change(const struct doctor *d, const char *option)
{
    if (d->root[0] != '\0' || geteuid() == 0)
        return true;
    fprintf(stderr, "millrace: %s needs root: it writes to /proc/sys and /sys and runs ethtool\n",
            option);
    return false;
}

static bool undo_path(const struct doctor *d, char path[PATH_MAX])
{
    const char *given = d->options->undo_path;
    int n = given != NULL ? snprintf(path, PATH_MAX, "%s", given)
                          : snprintf(path, PATH_MAX, "%s%s", d->root, DOCTOR_UNDO_PATH);

    if (n >= 0 && n < PATH_MAX)
        return true;
    fprintf(stderr, "millrace: the path of the undo file is too long\n");
    return false;
}

static enum doctor_result undo(struct doctor *d, FILE *out)
{
    char path[PATH_MAX];
    unsigned failed;

    if (!may_change(d, "--undo") || !undo_path(d, path))
        return DOCTOR_FAILED;
    int rc = doctor_take_back(d, path, d->options->json ? NULL : out, &failed);
    if (rc != 0 && rc != -ENOENT)
        return DOCTOR_FAILED;
    if (d->options->json)
        fprintf(out, "{\"version\":1,\"failed\":%u}\n", failed);
    else if (rc == -ENOENT)
        fprintf(out, "nothing to take back\n");
    else if (failed > 0)
        fprintf(out, "%u could not be taken back and are kept in %s\n", failed, path);
    return failed > 0 ? DOCTOR_FINDINGS : DOCTOR_CLEAN;
}

static enum doctor_result finish(struct doctor *d, const char *path, bool applied, FILE *out)
{
    unsigned left = doctor_left(d);

    if (d->options->json)
        doctor_print_json(d, path, out);
    else if (!applied)
        doctor_print(d, out);
    else if (left > 0)
        fprintf(out, "findings that are left: %u; millrace --doctor shows them\n", left);
    if (applied && !d->options->json)
        fprintf(out, "What was set lasts until the next boot; millrace --doctor --undo takes it "
                     "back (%s).\n", path);
    return left > 0 ? DOCTOR_FINDINGS : DOCTOR_CLEAN;
}

static enum doctor_result examine(struct doctor *d, FILE *out)
{
    char path[PATH_MAX];
    bool apply = d->options->apply && may_change(d, "--apply");

    if (d->machine == NULL || !tree_has(d, "/sys") || !tree_has(d, "/proc")) {
        fprintf(stderr, "millrace: there is no sysfs or proc to look at\n");
        return DOCTOR_FAILED;
    }
    if (!undo_path(d, path))
        return DOCTOR_FAILED;
    doctor_examine(d, PHASE_FIRST);
    doctor_examine(d, PHASE_REST);
    apply = apply && d->error == 0 && doctor_left(d) > 0;
    if (apply &&
        doctor_apply(d, path, d->options->json ? NULL : out) != 0)
        return DOCTOR_FAILED;
    if (d->error != 0) {
        fprintf(stderr, "millrace: %s\n", strerror(-d->error));
        return DOCTOR_FAILED;
    }
    return finish(d, path, apply, out);
}

enum doctor_result doctor_run(const struct doctor_options *options, const struct machine *m,
                              FILE *out)
{
    struct doctor d;
    enum doctor_result result;

    doctor_init(&d, options, m);
    result = options->undo ? undo(&d, out) : examine(&d, out);
    doctor_destroy(&d);
    if (fflush(out) != 0 || ferror(out))
        return DOCTOR_FAILED;
    return result;
}
