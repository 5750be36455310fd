// SPDX-License-Identifier: Apache-2.0
//
// Which of the two programs steers a group, and how one takes over from another.
#include "lib/net/steering.h"

#include <errno.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/base/log.h"
#include "lib/net/steering_priv.h"

static int check_slots(const struct steering_slot *slots, unsigned n, unsigned nfds)
{
    for (unsigned i = 0; i < n; i++) {
        const struct steering_slot *s = &slots[i];

        if (s->first != STEERING_ANYWHERE &&
            (s->count == 0 || (unsigned)s->first + s->count > nfds))
            return -EINVAL;
    }
    return 0;
}

// The sockets come free when the kernel has taken the program before down, a grace period after its
// last user is gone.
static int add_patiently(struct steering_ebpf *e, const int *fds, unsigned nfds)
{
    const struct timespec nap = {.tv_nsec = 1000000};
    int rc = -EBUSY;

    for (int ms = 0; ms < STEERING_PATIENCE_MS && rc == -EBUSY; ms++) {
        if (ms > 0)
            nanosleep(&nap, NULL);
        rc = steering_ebpf_add(e, fds, nfds);
    }
    return rc;
}

// From EBPF to EBPF. The classic program steers meanwhile; where it cannot hold the plan, the
// kernel's hash does.
static int take_over(struct steering_ebpf *e, const int *fds, unsigned nfds,
                     const struct steering_plan *plan, enum steering_kind *kind)
{
    int rc = steering_classic_attach(fds[0], plan);

    *kind = rc == 0 ? STEERING_CBPF : STEERING_OFF;
    if (rc != 0)
        rc = steering_detach(fds[0]);
    if (rc == 0)
        rc = add_patiently(e, fds, nfds);
    if (rc == 0)
        rc = steering_ebpf_attach(e, fds[0]);
    if (rc == 0)
        *kind = STEERING_EBPF;
    return rc;
}

static int attach_ebpf(const int *fds, unsigned nfds, const struct steering_plan *plan,
                       enum steering_kind *kind)
{
    struct steering_ebpf e;
    int rc = steering_ebpf_open(&e, nfds, plan);

    if (rc != 0)
        return rc;
    rc = steering_ebpf_add(&e, fds, nfds);
    if (rc == -EBUSY)
        rc = take_over(&e, fds, nfds, plan, kind);
    else if (rc == 0)
        rc = steering_ebpf_attach(&e, fds[0]);
    if (rc == 0)
        *kind = STEERING_EBPF;
    steering_ebpf_close(&e);
    return rc;
}

int steering_attach(const int *fds, unsigned nfds, const struct steering_plan *plan,
                    enum steering_kind *kind)
{
    int rc;

    *kind = STEERING_OFF;
    if (nfds == 0 || check_slots(plan->by_cpu, plan->ncpus, nfds) != 0 ||
        check_slots(plan->by_node, plan->nnodes, nfds) != 0)
        return -EINVAL;
    rc = attach_ebpf(fds, nfds, plan, kind);
    if (rc == 0 || *kind == STEERING_CBPF)
        return 0;
    log_write(LOG_LEVEL_DEBUG, 0, -rc, "no eBPF steering");
    rc = steering_classic_attach(fds[0], plan);
    if (rc == 0)
        *kind = STEERING_CBPF;
    return rc;
}

int steering_detach(int fd)
{
    int unused = 0;

    if (setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &unused, sizeof(unused)) == 0)
        return 0;
    return errno == ENOENT ? 0 : -errno;
}

const char *steering_name(enum steering_kind kind)
{
    static const char *const names[] = {
        [STEERING_OFF] = "hash",
        [STEERING_CBPF] = "classic BPF",
        [STEERING_EBPF] = "eBPF",
    };

    return names[kind];
}
