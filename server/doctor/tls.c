// SPDX-License-Identifier: Apache-2.0
//
// Kernel TLS: is it there to be used?
#include <stdio.h>
#include <string.h>

#include "server/doctor/doctor_priv.h"
#include "server/doctor/tree_priv.h"

static bool has_module_file(const struct doctor *d)
{
    static const char *const ends[] = {"", ".xz", ".zst", ".gz"};
    char release[128];

    if (tree_line(d, release, sizeof(release), "/proc/sys/kernel/osrelease") != 0)
        return false;
    for (size_t i = 0; i < array_len(ends); i++) {
        if (tree_has(d, "/lib/modules/%s/kernel/net/tls/tls.ko%s", release, ends[i]))
            return true;
    }
    return false;
}

static bool look_module(struct doctor *d, const struct check *c)
{
    struct finding *f;

    if (!tree_has(d, "/proc/sys/net"))
        return false;
    if (tree_has(d, "/proc/net/tls_stat") || tree_has(d, "/sys/module/tls"))
        return true;
    if (has_module_file(d)) {
        f = finding_add(d, c, "kernel", "the tls module is not loaded");
        change_run(d, f, argv_of(d, "modprobe", "tls", NULL),
                   argv_of(d, "modprobe", "-r", "tls", NULL));
        return true;
    }
    f = finding_add(d, c, "kernel", "kernel TLS is not there, as a module or built in");
    by_hand_add(d, f, "use a kernel with CONFIG_TLS, such as Debian's own (apt install "
                      "linux-image-amd64)");
    return true;
}

const struct check tls_checks[] = {
    {"ktls", SEVERITY_WARNING, PHASE_REST,
     "With kernel TLS files go from the page cache into encrypted records by sendfile. Without it "
     "every byte is read into the server, encrypted there and copied back.",
     look_module},
    {0},
};
