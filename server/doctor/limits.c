// SPDX-License-Identifier: Apache-2.0
//
// Is there room for as many connections as the configuration asks for?
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/sv.h"
#include "server/doctor/doctor_priv.h"
#include "server/doctor/tree_priv.h"

#define SPARE 1024           // listeners, logs, rings and what else a process opens
#define MEMLOCK_LEAST (64 << 20)
#define LIMITS_TEXT 4096

// Each connection has a socket and, while it sends, a file; 0: the configuration is not known.
static uint64_t wanted_files(const struct doctor *d, uint64_t workers)
{
    uint64_t total;

    if (__builtin_mul_overflow(workers, d->options->worker_connections, &total) || total == 0 ||
        total > UINT32_MAX)
        return 0;
    return 2 * total + SPARE;
}

static uint64_t wanted_by_all(const struct doctor *d)
{
    return wanted_files(d, d->options->workers);
}

// A silo is one process for all its workers.
static uint64_t wanted_by_process(const struct doctor *d)
{
    uint64_t workers = d->options->silo_workers;

    return wanted_files(d, workers > 0 ? workers : d->options->workers);
}

// The soft limit of a line such as "Max open files            1024       524288       files".
static bool read_limit(const struct doctor *d, const char *name, uint64_t *soft)
{
    char text[LIMITS_TEXT], word[32];
    pid_t master = d->options->master;
    int rc = master > 0 ? tree_read(d, text, sizeof(text), "/proc/%d/limits", master)
                        : tree_read(d, text, sizeof(text), "/proc/self/limits");
    const char *line = rc == 0 ? strstr(text, name) : NULL;

    if (line == NULL || sscanf(line + strlen(name), " %31s", word) != 1)
        return false;
    if (strcmp(word, "unlimited") == 0) {
        *soft = UINT64_MAX;
        return true;
    }
    return sv_to_u64(sv_from(word), soft) == 0;
}

// Where a limit was read: that of a shell says little of a service.
static const char *limits_of(const struct doctor *d)
{
    return d->options->master > 0 ? "running master" : "this shell";
}

static bool look_nofile(struct doctor *d, const struct check *c)
{
    uint64_t want = wanted_by_process(d), have = d->options->worker_rlimit_nofile;
    const char *where = have > 0 ? "configuration" : limits_of(d);

    if (want == 0 || (have == 0 && !read_limit(d, "Max open files", &have)))
        return false;
    if (have >= want)
        return true;
    struct finding *f = finding_add(d, c, where, "%" PRIu64 " open files for a process, a silo "
                                                 "may want %" PRIu64, have, want);
    by_hand_add(d, f, "in the main context of the configuration: worker_rlimit_nofile %" PRIu64
                      ";", want);
    by_hand_add(d, f, "when that is refused, in the unit ([Service]): LimitNOFILE=%" PRIu64, want);
    return true;
}

static bool look_file_max(struct doctor *d, const struct check *c)
{
    static const char path[] = "/proc/sys/fs/file-max";
    uint64_t want = wanted_by_all(d), have;
    char text[64], better[32];

    // The usual value does not fit into a signed number.
    if (want == 0 || tree_line(d, text, sizeof(text), "%s", path) != 0 ||
        sv_to_u64(sv_from(text), &have) != 0)
        return false;
    if (have >= want)
        return true;
    snprintf(better, sizeof(better), "%" PRIu64, 2 * want);
    change_file(d, finding_add(d, c, "limits", "file-max is %" PRIu64 " for the whole machine, "
                                               "the workers may want %" PRIu64, have, want),
                better, "%s", path);
    return true;
}

static bool look_nr_open(struct doctor *d, const struct check *c)
{
    static const char path[] = "/proc/sys/fs/nr_open";
    uint64_t want = max_of(wanted_by_process(d), d->options->worker_rlimit_nofile);
    char better[32];
    int64_t have;

    if (want == 0 || want > UINT32_MAX / 2 || tree_number(d, &have, "%s", path) != 0)
        return false;
    if (have >= (int64_t)want)
        return true;
    snprintf(better, sizeof(better), "%" PRIu64, (want + 1023) / 1024 * 1024);
    change_file(d, finding_add(d, c, "limits", "nr_open is %lld, a process may want %" PRIu64,
                               (long long)have, want),
                better, "%s", path);
    return true;
}

static bool look_conntrack(struct doctor *d, const struct check *c)
{
    static const char path[] = "/proc/sys/net/netfilter/nf_conntrack_max";
    uint64_t connections;
    char better[32];
    int64_t have;

    if (wanted_by_all(d) == 0 || tree_number(d, &have, "%s", path) != 0)
        return false;
    connections = d->options->workers * d->options->worker_connections;
    // Closed connections stay in the table for two minutes.
    if (have >= 2 * (int64_t)connections)
        return true;
    snprintf(better, sizeof(better), "%" PRIu64, 4 * connections);
    change_file(d, finding_add(d, c, "limits", "nf_conntrack_max is %lld for %" PRIu64
                                               " connections", (long long)have, connections),
                better, "%s", path);
    return true;
}

static bool look_memlock(struct doctor *d, const struct check *c)
{
    uint64_t have;

    // What root's shell has is no matter, because root's master lifts it.
    if ((d->options->master <= 0 && geteuid() == 0) ||
        !read_limit(d, "Max locked memory", &have))
        return false;
    if (have >= MEMLOCK_LEAST)
        return true;
    struct finding *f = finding_add(d, c, limits_of(d), "%" PRIu64 " KiB of locked memory",
                                    have / 1024);
    by_hand_add(d, f, "in the unit ([Service]): LimitMEMLOCK=infinity");
    by_hand_add(d, f, "in a shell, before the server is started: ulimit -l unlimited");
    return true;
}

const struct check limit_checks[] = {
    {"nofile", SEVERITY_WARNING, PHASE_REST,
     "A connection has a socket, and while it sends also a file. When the numbers run out, no "
     "connection is accepted until others end.",
     look_nofile},
    {"file-max", SEVERITY_WARNING, PHASE_REST,
     "The kernel refuses every open file beyond this number, to all programs but root's.",
     look_file_max},
    {"nr-open", SEVERITY_WARNING, PHASE_REST,
     "No process can be allowed more open files than this, whatever worker_rlimit_nofile and the "
     "unit say.",
     look_nr_open},
    {"conntrack", SEVERITY_PROBLEM, PHASE_REST,
     "The firewall's table of connections is smaller than what the server may hold. When it is "
     "full, packets of new connections are dropped. Rules with `notrack` for the server's ports "
     "avoid it and its cost.",
     look_conntrack},
    {"memlock", SEVERITY_ADVICE, PHASE_REST,
     "Buffers that are registered with io_uring count as locked memory of users without "
     "privileges. A master that root starts lifts the limit by itself; another one does not.",
     look_memlock},
    {0},
};
