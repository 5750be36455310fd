// SPDX-License-Identifier: Apache-2.0
//
// The picture for programs. The shape is documented in doc/numa.md; what is there stays, new keys
// may come. Numbers that are not known are null. `schema` goes up when something changes meaning.
#include <errno.h>
#include <stdio.h>

#include "lib/topo/mounts.h"
#include "lib/topo/topo.h"
#include "server/config/config.h"
#include "server/process/plan.h"
#include "lib/base/json_writer.h"
#include "server/report/topology_priv.h"

#define SCHEMA 1

static void put_cpus(struct json_writer *j, const char *key, const cpu_set_t *cpus)
{
    char text[8 * CPU_SETSIZE];

    topo_format_cpus(cpus, text, sizeof(text));
    json_text(j, key, text);
}

static void put_known(struct json_writer *j, const char *key, int64_t value, bool known)
{
    if (known)
        json_number(j, key, value);
    else
        json_null(j, key);
}

static void put_node(struct json_writer *j, const struct topology_view *v,
                     const struct machine_node *node)
{
    cpu_set_t allowed;

    CPU_AND(&allowed, &node->cpus, &v->topo->allowed);
    json_object(j, NULL);
    json_number(j, "node", node->id);
    put_cpus(j, "cpus", &node->cpus);
    put_cpus(j, "allowed_cpus", &allowed);
    json_number(j, "memory_bytes", (int64_t)node->memory);
    json_end(j);
}

static void put_members(struct json_writer *j, const struct machine *m,
                        const struct machine_link *l)
{
    const struct machine_link *members[MACHINE_MEMBERS_MAX];
    unsigned n = machine_members(m, l, members, MACHINE_MEMBERS_MAX);

    json_list(j, "physical");
    for (unsigned i = 0; i < n; i++)
        json_text(j, NULL, members[i]->name);
    json_end(j);
}

static void put_bond(struct json_writer *j, const struct machine_link *l)
{
    if (l->kind != LINK_BOND) {
        json_null(j, "bond");
        return;
    }
    json_object(j, "bond");
    json_text(j, "mode", topology_bond_mode(l->bond_mode));
    json_text(j, "xmit_hash_policy", topology_bond_policy(l->bond_policy));
    json_text(j, "lacp_rate", l->lacp_fast ? "fast" : "slow");
    json_end(j);
}

static const char *name_of(const struct machine *m, int index)
{
    const struct machine_link *l = index != 0 ? machine_link(m, index) : NULL;

    return l != NULL ? l->name : NULL;
}

static void put_link(struct json_writer *j, const struct machine *m, const struct machine_link *l)
{
    const struct machine_link *master = machine_link(m, l->master);
    bool member = l->master != 0 && master != NULL && master->kind == LINK_BOND;
    char mac[24];

    snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", l->mac[0], l->mac[1], l->mac[2],
             l->mac[3], l->mac[4], l->mac[5]);
    json_object(j, NULL);
    json_text(j, "name", l->name);
    json_number(j, "index", l->index);
    json_text(j, "kind", topology_kind(l->kind));
    put_known(j, "node", l->node, l->node >= 0);
    json_bool(j, "up", l->up);
    put_known(j, "speed_mbps", l->speed, l->speed > 0);
    json_number(j, "rx_queues", l->rx_queues);
    json_text(j, "mac", mac);
    json_text(j, "master", name_of(m, l->master));
    json_text(j, "lower", name_of(m, l->lower));
    put_known(j, "vlan", l->vlan, l->vlan != 0);
    put_bond(j, l);
    put_known(j, "position", l->position, member);
    if (member)
        json_bool(j, "transmits", l->transmits);
    else
        json_null(j, "transmits");
    put_members(j, m, l);
    json_end(j);
}

static void put_disk(struct json_writer *j, const struct machine_disk *d)
{
    json_object(j, NULL);
    json_text(j, "name", d->name);
    put_known(j, "node", d->node, d->node >= 0);
    json_end(j);
}

static void put_mount(struct json_writer *j, const struct machine *m, const struct mounted *mount)
{
    const struct machine_disk *disks[MACHINE_MEMBERS_MAX];
    unsigned n = machine_disks(m, mount->dev, mount->id, disks, MACHINE_MEMBERS_MAX);

    if (n == 0)
        return;
    json_object(j, NULL);
    json_text(j, "path", mount->path);
    json_text(j, "type", mount->type);
    json_text(j, "source", mount->source);
    json_list(j, "disks");
    for (unsigned i = 0; i < n; i++)
        json_text(j, NULL, disks[i]->name);
    json_end(j);
    json_end(j);
}

static int put_mounts(struct json_writer *j, const struct machine *m)
{
    struct mounted *mounts;
    unsigned count;
    int rc = mounts_read(m->root, &mounts, &count);

    if (rc == -ENOMEM)
        return rc;
    json_list(j, "file_systems");
    for (unsigned i = 0; i < count; i++)
        put_mount(j, m, &mounts[i]);
    json_end(j);
    mounts_free(mounts, count);
    return 0;
}

static void put_silo(struct json_writer *j, const struct plan *p, unsigned i)
{
    const struct plan_silo *s = &p->silos[i];

    json_object(j, NULL);
    json_number(j, "silo", i);
    put_known(j, "node", s->node, s->node >= 0);
    put_cpus(j, "cpus", &s->cpus);
    json_number(j, "workers", s->workers);
    json_number(j, "first_worker", s->first);
    json_end(j);
}

static void put_steering(struct json_writer *j, const struct topology_steering *s)
{
    json_object(j, "steering");
    json_text(j, "kind", s->kind);
    json_text(j, "by", s->by);
    json_text(j, "why", s->why);
    json_text(j, "after_accept", s->after);
    json_end(j);
}

static void put_note(void *context, const char *text)
{
    json_text(context, NULL, text);
}

static void put_machine(struct json_writer *j, const struct topology_view *v)
{
    const struct machine *m = v->machine;

    json_list(j, "nodes");
    for (unsigned i = 0; i < m->nnodes; i++)
        put_node(j, v, &m->nodes[i]);
    json_end(j);
    put_cpus(j, "online_cpus", &v->topo->online);
    put_cpus(j, "allowed_cpus", &v->topo->allowed);
    put_known(j, "quota_cpus", v->topo->quota, v->topo->quota > 0);
    json_list(j, "interfaces");
    for (unsigned i = 0; i < m->nlinks; i++)
        put_link(j, m, &m->links[i]);
    json_end(j);
    json_list(j, "disks");
    for (unsigned i = 0; i < m->ndisks; i++)
        put_disk(j, &m->disks[i]);
    json_end(j);
}

int topology_print_json(const struct topology_view *v, FILE *out)
{
    struct json_writer j;
    int rc;

    json_start(&j, out);
    json_object(&j, NULL);
    json_number(&j, "schema", SCHEMA);
    json_text(&j, "root", v->machine->root);
    json_text(&j, "configuration", v->configuration);
    put_machine(&j, v);
    rc = put_mounts(&j, v->machine);
    json_text(&j, "silos_by", topology_silos_word(v->conf));
    json_number(&j, "workers", v->plan->workers);
    json_list(&j, "silos");
    for (unsigned i = 0; i < v->plan->count; i++)
        put_silo(&j, v->plan, i);
    json_end(&j);
    put_steering(&j, &v->steering);
    json_list(&j, "log");
    topology_describe_plan(v->machine, v->topo, v->plan, put_note, &j);
    json_end(&j);
    json_end(&j);
    return rc;
}
