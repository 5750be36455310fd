// SPDX-License-Identifier: Apache-2.0
//
// Putting the calling thread where the plan says.
#include <errno.h>
#include <limits.h>
#include <numaif.h>

#include "lib/topo/topo.h"

#define LONG_BITS (sizeof(unsigned long) * CHAR_BIT)

int topo_bind_cpus(const cpu_set_t *cpus)
{
    return sched_setaffinity(0, sizeof(*cpus), cpus) == 0 ? 0 : -errno;
}

int topo_bind_memory(int node)
{
    unsigned long mask[CPU_SETSIZE / LONG_BITS] = {0};
    long rc;

    if (node >= CPU_SETSIZE)
        return -EINVAL;
    if (node < 0) {
        rc = set_mempolicy(MPOL_DEFAULT, NULL, 0);
    } else {
        mask[(size_t)node / LONG_BITS] = 1ul << ((size_t)node % LONG_BITS);
        // The kernel looks at one bit less than told, which no machine needs.
        rc = set_mempolicy(MPOL_PREFERRED, mask, CPU_SETSIZE);
    }
    return rc == 0 || errno == ENOSYS ? 0 : -errno;
}
