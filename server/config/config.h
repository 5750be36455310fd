// SPDX-License-Identifier: Apache-2.0
//
// What a loaded configuration is: one immutable tree of structures in one arena, made by the
// master, read by all workers of the silos that were started from it. Which directive fills which
// field is in server/directives/. Integers are int64_t with CONF_UNSET until merged; times are
// milliseconds unless the name says otherwise; sizes are bytes.
#pragma once

#include <sched.h>

#include "lib/base/arena.h"
#include "lib/base/list.h"
#include "lib/conf/parse.h"
#include "lib/conf/schema.h"
#include "server/log/log_file.h"

enum { LEVEL_MAIN, LEVEL_HTTP, LEVEL_SERVER, LEVEL_LOCATION };

enum {
    CTX_MAIN = 1 << 0,
    CTX_EVENTS = 1 << 1,
    CTX_HTTP = 1 << 2,
    CTX_SERVER = 1 << 3,
    CTX_LOCATION = 1 << 4,
    CTX_IF_SERVER = 1 << 5,   // `if` in server
    CTX_IF_LOCATION = 1 << 6, // `if` in location
};

enum silo_mode { SILOS_AUTO, SILOS_NODE, SILOS_L3, SILOS_NONE };
enum silo_by { SILO_BY_ARRIVAL, SILO_BY_EGRESS };
enum steering_mode { STEER_AUTO, STEER_WORKERS, STEER_SILOS, STEER_OFF };

struct silo_line { // one explicit `silo cpus=... node=...;`
    cpu_set_t cpus;
    int node;
    const struct conf_node *where;
    struct silo_line *next;
};

struct cpu_affinity { // `worker_cpu_affinity`
    bool automatic;         // one CPU for each worker, of the mask or of all
    const cpu_set_t *masks; // in order of the workers; the last is for all that follow
    unsigned nmasks;        // with `auto` 0 or 1
};

struct env_line {
    const char *text; // NAME or NAME=value
    struct env_line *next;
};

struct main_conf {
    struct sv user, group;         // `user`; p == NULL: as compiled
    int64_t worker_processes;      // 0: auto
    int64_t worker_rlimit_nofile;
    int64_t worker_shutdown_timeout;
    int64_t worker_connections;
    struct sv pid;
    int64_t daemon, master_process;
    struct log_use *error_log;     // chain
    struct env_line *env;
    int64_t silos;                 // enum silo_mode
    struct silo_line *silo_lines;
    struct cpu_affinity *cpu_affinity; // NULL: not said
    int64_t silo_by;               // enum silo_by
    int64_t steering;              // enum steering_mode
    int64_t egress_mark;
    int64_t replica_memory;        // bytes for each silo; 0: no replicas
    int64_t replica_anywhere;      // also of what lies on the silo's own node
    struct sv working_directory;
    int64_t http_seen, events_seen;
    int64_t ssl_objects_inheritable;
};

struct http_conf;
struct server_conf;
struct location_conf;
struct regex;

struct config_regex { // what config_free() has to free besides the arena
    struct regex *regex;
    struct config_regex *next;
};

struct config {
    struct arena arena;        // owns everything below
    struct conf_tree tree;     // for -T
    struct main_conf main;
    struct http_conf *http;    // NULL without an http block
    struct list log_files;     // struct log_file, each path once
    struct config_regex *regexes;
    const char *prefix;        // -p, with its last slash: relative roots start from it
    unsigned generation;       // 1 at start, one more for each reload
};

// Where and how to load from.
struct config_source {
    const char *file;    // -c, absolute
    const char *prefix;  // -p, with its last slash
    const char *globals; // -g, may be NULL
    const char *error_log; // -e, may be NULL
    bool test;           // -t: notices are printed
};

// Parses, checks and merges; opens nothing but the configuration files and what they name as files
// to be read. 0, -EINVAL (see error), -ENOMEM. On failure nothing is left behind.
must_check int config_load(const struct config_source *source, struct config **out,
                           struct conf_error *error);
void config_free(struct config *c);
