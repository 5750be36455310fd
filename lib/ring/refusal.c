// SPDX-License-Identifier: Apache-2.0
//
// Why the kernel refused io_uring, and what to do about it. This is the commonest failure of a
// first run in a container, so the text names the one setting that has to change.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "lib/ring/ring_priv.h"

// The number after `prefix` at the start of a line of the file, or -1.
static int read_fact(const char *path, const char *prefix)
{
    char line[256];
    int value = -1;
    FILE *f = fopen(path, "re");

    if (f == NULL)
        return -1;
    while (value < 0 && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, prefix, strlen(prefix)) == 0 &&
            sscanf(line + strlen(prefix), "%d", &value) != 1)
            value = -1;
    fclose(f);
    return value;
}

void ring_refusal_gather(struct ring_refusal *f, int err)
{
    struct rlimit limit;

    f->err = err;
    f->sysctl = read_fact("/proc/sys/kernel/io_uring_disabled", "");
    f->seccomp = read_fact("/proc/self/status", "Seccomp:");
    f->memlock = UINT64_MAX;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        f->memlock = limit.rlim_cur;
}

static const char *explain_sysctl(int sysctl)
{
    if (sysctl == 1)
        return "kernel.io_uring_disabled is 1 (privileged only): sysctl -w "
               "kernel.io_uring_disabled=0, or put this group's id into "
               "kernel.io_uring_group";
    return "kernel.io_uring_disabled is 2 (off): sysctl -w kernel.io_uring_disabled=0";
}

#define SECCOMP_TEXT                                                                        \
    "a seccomp filter (container profile) forbids it: allow io_uring_setup, io_uring_enter " \
    "and io_uring_register, e.g. --security-opt seccomp=conf/seccomp.json"

// In the order in which the kernel asks: a seccomp filter sees the call first and may answer with
// any errno, but EPERM beside a closed sysctl is the sysctl's until that has been opened.
static const char *explain_denial(const struct ring_refusal *f)
{
    if (f->err == EPERM && f->sysctl > 0)
        return explain_sysctl(f->sysctl);
    if (f->seccomp == 2)
        return SECCOMP_TEXT;
    if (f->err == ENOSYS)
        return "this kernel is built without io_uring: use Linux 6.1 or later with "
               "CONFIG_IO_URING=y";
    return "a security module (SELinux, AppArmor) or a sandbox denies it: see the audit log";
}

static const char *explain_other(int err)
{
    switch (err) {
    case EINVAL:
        return "this kernel lacks what is needed: use Linux 6.1 or later";
    case EMFILE:
        return "no descriptor is free: raise worker_rlimit_nofile or ulimit -n";
    case ENFILE:
        return "no descriptor is free on this machine: raise fs.file-max";
    default:
        return "unexpected";
    }
}

static void explain_memory(uint64_t memlock, char *text, size_t size)
{
    if (memlock == UINT64_MAX)
        snprintf(text, size, "the machine or the memory cgroup is out of memory");
    else
        snprintf(text, size,
                 "RLIMIT_MEMLOCK is %" PRIu64 " KiB: raise it with LimitMEMLOCK=infinity in the "
                 "service unit, or ulimit -l unlimited; else memory is out",
                 memlock / 1024);
}

void ring_refusal_explain(const struct ring_refusal *f, char *why, size_t size)
{
    char memory[RING_WHY_MAX];
    const char *text;

    if (f->err == ENOMEM) {
        explain_memory(f->memlock, memory, sizeof(memory));
        text = memory;
    } else if (f->err == EPERM || f->err == EACCES || f->err == ENOSYS) {
        text = explain_denial(f);
    } else {
        text = explain_other(f->err);
    }
    snprintf(why, size, "io_uring refused (%d: %s): %s", f->err, strerror(f->err), text);
}
