// SPDX-License-Identifier: Apache-2.0
#include "server/process/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/log.h"
#include "server/config/config.h"

static int find_user(struct identity *id, gid_t *group, char *why, size_t why_size, int *err)
{
    struct passwd *pw;

    errno = 0;
    pw = getpwnam(id->user);
    if (pw == NULL) {
        *err = errno;
        snprintf(why, why_size, "getpwnam(\"%s\") failed", id->user);
        return -ENOENT;
    }
    id->uid = pw->pw_uid;
    *group = pw->pw_gid;
    return 0;
}

static int find_group(struct identity *id, const char *name, char *why, size_t why_size, int *err)
{
    struct group *gr;

    errno = 0;
    gr = getgrnam(name);
    if (gr == NULL) {
        *err = errno;
        snprintf(why, why_size, "getgrnam(\"%s\") failed", name);
        return -ENOENT;
    }
    id->gid = gr->gr_gid;
    return 0;
}

int identity_find(const struct main_conf *conf, struct identity *id, char *why, size_t why_size,
                  int *err)
{
    char group[64];
    int rc;

    memset(id, 0, sizeof(*id));
    *err = 0;
    id->uid = geteuid();
    id->gid = getegid();
    if (id->uid != 0)
        return 0;
    id->drop = true;
    if (conf->user.p == NULL || conf->user.n == 0) {
        // The group of that user has different names on different systems, so it is not named.
        snprintf(id->user, sizeof(id->user), "%s", PRIVILEGES_USER);
        return find_user(id, &id->gid, why, why_size, err);
    }
    snprintf(id->user, sizeof(id->user), "%.*s", SV_ARG(conf->user));
    rc = find_user(id, &id->gid, why, why_size, err);
    if (rc != 0)
        return rc;
    if (conf->group.p == NULL || conf->group.n == 0) // nginx: the group named as the user
        snprintf(group, sizeof(group), "%s", id->user);
    else
        snprintf(group, sizeof(group), "%.*s", SV_ARG(conf->group));
    return find_group(id, group, why, why_size, err);
}

static int failed(const char *what, unsigned id)
{
    int err = errno;

    log_emerg(err, "%s(%u) failed", what, id);
    return -err;
}

// setuid(2) empties the sets in use; the bounding set would still let an exec fill them.
static void empty_bounding_set(void)
{
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

// After setuid(2) with PR_SET_KEEPCAPS, which leaves everything permitted. What cannot be reduced
// must not go on.
static int keep_net_raw_alone(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    uint32_t kept;

    if (syscall(SYS_capget, &head, sets) != 0)
        return failed("capget", 0);
    kept = sets[0].permitted & 1u << CAP_NET_RAW;
    memset(sets, 0, sizeof(sets));
    sets[0].permitted = sets[0].effective = kept;
    if (syscall(SYS_capset, &head, sets) != 0)
        return failed("capset", 0);
    prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    if (kept == 0)
        log_warn(0, "egress_mark: CAP_NET_RAW was not there to be kept, nothing is marked");
    return 0;
}

int privileges_drop(const struct identity *id)
{
    bool keep = id->keep_net_raw && id->uid != 0;
    int rc;

    if (!id->drop)
        return 0;
    if (setgid(id->gid) != 0)
        return failed("setgid", id->gid);
    if (initgroups(id->user, id->gid) != 0)
        log_emerg(errno, "initgroups(%s, %u) failed", id->user, id->gid);
    if (id->uid != 0)
        empty_bounding_set();
    if (keep)
        prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    if (setuid(id->uid) != 0)
        return failed("setuid", id->uid);
    rc = keep ? keep_net_raw_alone() : 0;
    if (rc != 0)
        return rc;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    // The change of user took this away, and with it core dumps and a look by a debugger.
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)
        log_alert(errno, "prctl(PR_SET_DUMPABLE) failed");
    return 0;
}

void privileges_raise_memlock(void)
{
    static const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};

    if (geteuid() == 0 && setrlimit(RLIMIT_MEMLOCK, &none) != 0)
        log_info(errno, "setrlimit(RLIMIT_MEMLOCK) failed");
}
