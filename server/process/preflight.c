// SPDX-License-Identifier: Apache-2.0
#include "server/process/preflight.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/ring/ring.h"
#include "server/process/privileges.h"

struct answer {
    int rc;
    char text[512];
};

static void try_ring(const struct identity *id, struct answer *a)
{
    struct ring *ring = aligned_alloc(64, (sizeof(*ring) + 63) / 64 * 64);

    a->rc = ring == NULL ? -ENOMEM : privileges_drop(id);
    if (a->rc == 0) {
        memset(ring, 0, sizeof(*ring));
        a->rc = ring_init(ring, a->text, sizeof(a->text));
    }
    if (a->rc == 0)
        ring_destroy(ring);
    else if (a->text[0] == '\0')
        snprintf(a->text, sizeof(a->text), "io_uring cannot be set up: %s", strerror(-a->rc));
    free(ring);
}

static _Noreturn void child(const struct identity *id, int fd)
{
    struct answer a = {.rc = 0};

    try_ring(id, &a);
    _exit(write(fd, &a, sizeof(a)) != sizeof(a));
}

int preflight(const struct identity *id, char *why, size_t why_size)
{
    struct answer a = {.rc = -ECHILD, .text = "the trial of io_uring gave no answer"};
    int ends[2];
    pid_t pid;

    why[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    pid = fork();
    if (pid == 0)
        child(id, ends[1]);
    close(ends[1]);
    // A child that was killed for asking (a seccomp profile can do that) leaves the pipe empty.
    if (pid > 0 && read(ends[0], &a, sizeof(a)) == 0)
        a.rc = -EPERM;
    if (pid > 0)
        waitpid(pid, NULL, 0);
    close(ends[0]);
    snprintf(why, why_size, "%s", a.text);
    return a.rc;
}
