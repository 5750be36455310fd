// SPDX-License-Identifier: Apache-2.0
//
// Looking at the counters of a running master: its memfd is found among its descriptors (proc(5)),
// mapped read only, and believed only when its header says that it is laid out as ours is. Nothing
// in it is trusted to be in range.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/compiler.h"
#include "server/process/stats_priv.h"

// The kernel appends " (deleted)" to a memfd's name.
static bool is_area(int dir, const char *name)
{
    static const char wanted[] = "/memfd:" STATS_MAGIC " ";
    char target[64];
    ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

    return n >= (ssize_t)sizeof(wanted) - 1 && memcmp(target, wanted, sizeof(wanted) - 1) == 0;
}

// A descriptor, or -errno.
static int open_among(DIR *fds)
{
    const struct dirent *e;

    errno = 0;
    while ((e = readdir(fds)) != NULL) {
        if (is_area(dirfd(fds), e->d_name)) {
            int fd = openat(dirfd(fds), e->d_name, O_RDONLY | O_CLOEXEC);

            return fd < 0 ? -errno : fd;
        }
    }
    return -ENOENT;
}

static int open_area(pid_t pid)
{
    char path[32];
    DIR *fds;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    fds = opendir(path);
    if (fds == NULL)
        return errno == ENOENT ? -ESRCH : -errno;
    fd = open_among(fds);
    closedir(fds);
    return fd;
}

static int check_header(int fd)
{
    struct {
        char magic[16];
        uint32_t version, rows;
        uint64_t size;
    } head;
    struct stat st;

    _Static_assert(sizeof(head) == offsetof(struct stats_area, started), "the head of the area");
    if (fstat(fd, &st) != 0)
        return -errno;
    if (pread(fd, &head, sizeof(head), 0) != sizeof(head) ||
        strncmp(head.magic, STATS_MAGIC, sizeof(head.magic)) != 0 ||
        head.version != STATS_VERSION || head.rows != stats_rows_hash() ||
        head.size != sizeof(struct stats_area) || st.st_size != sizeof(struct stats_area))
        return -EPROTO;
    // Without its seal it could shrink under the mapping.
    return (fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK) != 0 ? 0 : -EPROTO;
}

int stats_attach(pid_t pid, const struct stats_area **area)
{
    int fd = open_area(pid);
    void *p;
    int rc;

    if (fd < 0)
        return fd;
    rc = check_header(fd);
    if (rc == 0) {
        p = mmap(NULL, sizeof(**area), PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
            rc = -errno;
        else
            *area = p;
    }
    close(fd);
    return rc;
}

void stats_detach(const struct stats_area *area)
{
    if (area != NULL)
        munmap((void *)area, sizeof(*area));
}
