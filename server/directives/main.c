// SPDX-License-Identifier: Apache-2.0
//
// The main context and `events`: what the process tree looks like.
#include <unistd.h>

#include "lib/conf/value.h"
#include "lib/file/replica.h"
#include "lib/topo/topo.h"
#include "server/directives/rows_priv.h"
#include "server/process/report.h"
#include "server/process/worker_cpus.h"

static int set_user(struct conf_apply *ap, const struct conf_directive *row,
                    const struct conf_node *node, void *field)
{
    struct main_conf *main = field;

    (void)row;
    if (main->user.p != NULL)
        return fail_duplicate(ap, node);
    main->user = node->argv[1];
    if (node->argc == 3)
        main->group = node->argv[2];
    if (geteuid() != 0)
        report(LOG_LEVEL_WARN, 0, "the \"user\" directive makes sense only if the master process "
               "runs with super-user privileges, ignored in %s:%u", node->file, node->line);
    return 0;
}

static int set_worker_processes(struct conf_apply *ap, const struct conf_directive *row,
                                const struct conf_node *node, void *field)
{
    int64_t *value = field;

    (void)row;
    if (*value != CONF_UNSET)
        return fail_duplicate(ap, node);
    *value = 0;
    if (sv_eq(node->argv[1], SV("auto")))
        return 0;
    if (conf_number(node->argv[1], value) != 0 || *value == 0)
        return conf_fail(ap->error, node, 0, "\"worker_processes\" directive invalid value");
    return 0;
}

static int set_connections(struct conf_apply *ap, const struct conf_directive *row,
                           const struct conf_node *node, void *field)
{
    int64_t *value = field;

    (void)row;
    if (*value != CONF_UNSET)
        return fail_duplicate(ap, node);
    if (conf_number(node->argv[1], value) != 0)
        return conf_fail(ap->error, node, 0, "invalid number \"%s\"", node->argv[1].p);
    return 0;
}

static int set_env(struct conf_apply *ap, const struct conf_directive *row,
                   const struct conf_node *node, void *field)
{
    struct env_line **tail = field, *line = arena_new(ap->arena, struct env_line);

    (void)row;
    if (line == NULL)
        return -ENOMEM;
    line->text = node->argv[1].p;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = line;
    return 0;
}

static int read_silo_word(struct conf_apply *ap, const struct conf_node *node, struct sv word,
                          struct silo_line *line)
{
    char why[128];
    struct sv rest;
    int64_t n;

    if (take_prefix(word, "cpus=", &rest)) {
        if (topo_parse_cpus(rest, &line->cpus, why, sizeof(why)) != 0)
            return conf_fail(ap->error, node, 0, "%s", why);
        return 0;
    }
    if (!take_prefix(word, "node=", &rest))
        return fail_parameter(ap, node, word);
    if (conf_number(rest, &n) != 0 || n >= CPU_SETSIZE)
        return conf_fail(ap->error, node, 0, "invalid node \"%.*s\"", SV_ARG(rest));
    line->node = (int)n;
    return 0;
}

// silo cpus=0-3 node=0;
static int set_silo(struct conf_apply *ap, const struct conf_directive *row,
                    const struct conf_node *node, void *field)
{
    struct silo_line **tail = field, *line = arena_new(ap->arena, struct silo_line);

    (void)row;
    if (line == NULL)
        return -ENOMEM;
    line->where = node;
    line->node = TOPO_NODE_ANY;
    for (unsigned i = 1; i < node->argc; i++) {
        int rc = read_silo_word(ap, node, node->argv[i], line);
        if (rc != 0)
            return rc;
    }
    if (CPU_COUNT(&line->cpus) == 0)
        return conf_fail(ap->error, node, 0, "\"silo\" must have the \"cpus\" parameter");
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = line;
    return 0;
}

// worker_cpu_affinity 0001 0010 0100 1000; worker_cpu_affinity auto [01010101];
static int set_cpu_affinity(struct conf_apply *ap, const struct conf_directive *row,
                            const struct conf_node *node, void *field)
{
    struct cpu_affinity **home = field, *a = arena_new(ap->arena, struct cpu_affinity);
    char why[128];

    (void)row;
    if (*home != NULL)
        return fail_duplicate(ap, node);
    cpu_set_t *masks = arena_array(ap->arena, cpu_set_t, node->argc - 1);
    if (a == NULL || masks == NULL)
        return -ENOMEM;
    a->masks = masks;
    a->automatic = sv_eq(node->argv[1], SV("auto"));
    if (a->automatic && node->argc > 3)
        return conf_fail(ap->error, node, 0,
                         "invalid number of arguments in \"worker_cpu_affinity\" directive");
    for (unsigned i = a->automatic ? 2 : 1; i < node->argc; i++) {
        if (worker_cpus_parse(node->argv[i], &masks[a->nmasks++], why, sizeof(why)) != 0)
            return conf_fail(ap->error, node, 0, "%s", why);
    }
    *home = a;
    return 0;
}

// silo_replica_memory 4g [anywhere];
static int set_replica_memory(struct conf_apply *ap, const struct conf_directive *row,
                              const struct conf_node *node, void *field)
{
    struct main_conf *main = container_of((int64_t *)field, struct main_conf, replica_memory);

    (void)row;
    if (main->replica_memory != CONF_UNSET)
        return fail_duplicate(ap, node);
    if (conf_offset(node->argv[1], &main->replica_memory) != 0)
        return fail_value(ap, node, node->argv[1]);
    if (main->replica_memory != 0 && main->replica_memory < REPLICA_CHUNK)
        return conf_fail(ap->error, node, 0, "\"silo_replica_memory\" must be 0 or at least 1m");
    main->replica_anywhere = node->argc == 3;
    if (node->argc == 3 && !sv_eq(node->argv[2], SV("anywhere")))
        return fail_parameter(ap, node, node->argv[2]);
    return 0;
}

static int set_events(struct conf_apply *ap, const struct conf_directive *row,
                      const struct conf_node *node, void *field)
{
    int64_t *seen = field;

    (void)row;
    if (*seen)
        return fail_duplicate(ap, node);
    *seen = 1;
    struct block *b = block_new(ap, node, CTX_EVENTS);
    return b != NULL ? block_read(ap, b) : -ENOMEM;
}

static const struct conf_enum silo_modes[] = {
    {"auto", SILOS_AUTO}, {"node", SILOS_NODE}, {"l3", SILOS_L3}, {"none", SILOS_NONE}, {NULL, 0},
};

static const struct conf_enum silo_by_words[] = {
    {"arrival", SILO_BY_ARRIVAL}, {"egress", SILO_BY_EGRESS}, {NULL, 0},
};

static const struct conf_enum steering_modes[] = {
    {"auto", STEER_AUTO}, {"worker", STEER_WORKERS}, {"silo", STEER_SILOS}, {"off", STEER_OFF},
    {NULL, 0},
};

const struct conf_directive directives_main[] = {
    {.name = "user", .contexts = IN_MAIN, .args = CONF_ARGS_1 | CONF_ARGS_2, .set = set_user},
    {.name = "worker_processes", .contexts = IN_MAIN, .args = CONF_ARGS_1,
     .set = set_worker_processes, AT_MAIN(worker_processes), ELSE_INT(1)},
    {.name = "worker_cpu_affinity", .contexts = IN_MAIN, .args = CONF_ARGS_1MORE,
     .set = set_cpu_affinity, AT_MAIN(cpu_affinity)},
    {.name = "worker_rlimit_nofile", .contexts = IN_MAIN, .args = CONF_ARGS_1,
     .set = conf_set_number, AT_MAIN(worker_rlimit_nofile), ELSE_INT(CONF_UNSET)},
    {.name = "worker_shutdown_timeout", .contexts = IN_MAIN, .args = CONF_ARGS_1,
     .set = conf_set_msec, AT_MAIN(worker_shutdown_timeout), ELSE_INT(0)},
    {.name = "pid", .contexts = IN_MAIN, .args = CONF_ARGS_1, .set = conf_set_sv, AT_MAIN(pid),
     ELSE_TEXT(NULL)},
    {.name = "daemon", .contexts = IN_MAIN, .args = CONF_ON_OFF, .set = conf_set_flag,
     AT_MAIN(daemon), ELSE_INT(1)},
    {.name = "master_process", .contexts = IN_MAIN, .args = CONF_ON_OFF, .set = conf_set_flag,
     AT_MAIN(master_process), ELSE_INT(1)},
    {.name = "env", .contexts = IN_MAIN, .args = CONF_ARGS_1, .set = set_env, AT_MAIN(env)},
    {.name = "working_directory", .contexts = IN_MAIN, .args = CONF_ARGS_1, .set = conf_set_sv,
     AT_MAIN(working_directory), ELSE_TEXT(NULL)},
    {.name = "silos", .contexts = IN_MAIN, .args = CONF_ARGS_1, .set = conf_set_enum,
     AT_MAIN(silos), ELSE_INT(SILOS_AUTO), .aux = silo_modes},
    {.name = "silo", .contexts = IN_MAIN, .args = CONF_ARGS_1 | CONF_ARGS_2, .set = set_silo,
     AT_MAIN(silo_lines)},
    {.name = "silo_by", .contexts = IN_MAIN, .args = CONF_ARGS_1, .set = conf_set_enum,
     AT_MAIN(silo_by), ELSE_INT(SILO_BY_ARRIVAL), .aux = silo_by_words},
    {.name = "steering", .contexts = IN_MAIN, .args = CONF_ARGS_1, .set = conf_set_enum,
     AT_MAIN(steering), ELSE_INT(STEER_AUTO), .aux = steering_modes},
    {.name = "egress_mark", .contexts = IN_MAIN, .args = CONF_ON_OFF, .set = conf_set_flag,
     AT_MAIN(egress_mark), ELSE_INT(0)},
    {.name = "silo_replica_memory", .contexts = IN_MAIN, .args = CONF_ARGS_1 | CONF_ARGS_2,
     .set = set_replica_memory, AT_MAIN(replica_memory), ELSE_INT(0)},
    {.name = NULL},
};

const struct conf_directive directives_events[] = {
    {.name = "events", .contexts = IN_MAIN, .args = CONF_ARGS_0 | CONF_BLOCK, .set = set_events,
     AT_MAIN(events_seen)},
    {.name = "worker_connections", .contexts = CTX_EVENTS, .args = CONF_ARGS_1,
     .set = set_connections, AT_MAIN(worker_connections), ELSE_INT(512)},
    {.name = NULL},
};
