// SPDX-License-Identifier: Apache-2.0
//
// Reads a configuration file whole. A path in a configuration may name anything: a FIFO or a device
// must neither hang the program nor be read, so files are opened without waiting and must be
// regular.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/conf/parse_priv.h"

static int check_kind(int fd, const char *path, const struct conf_node *from, size_t *size,
                      struct conf_error *error)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return conf_fail(error, from, errno, "fstat() \"%s\" failed", path);
    if (S_ISDIR(st.st_mode))
        return conf_fail(error, from, EISDIR, "read() \"%s\" failed", path);
    if (!S_ISREG(st.st_mode))
        return conf_fail(error, from, 0, "\"%s\" is not a regular file", path);
    if (st.st_size > CONF_FILE_MAX)
        return conf_fail(error, from, EFBIG, "read() \"%s\" failed", path);
    *size = (size_t)st.st_size;
    return 0;
}

// A file that shrinks meanwhile gives what is left of it.
static int read_all(int fd, char *p, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        ssize_t n = read(fd, p + *got, size - *got);
        if (n == 0)
            break;
        if (n > 0)
            *got += (size_t)n;
        else if (errno != EINTR)
            return -errno;
    }
    return 0;
}

static int read_open_file(struct arena *a, int fd, const char *path, const struct conf_node *from,
                          struct sv *text, struct conf_error *error)
{
    size_t size = 0, got = 0;
    int rc = check_kind(fd, path, from, &size, error);

    if (rc != 0)
        return rc;
    char *p = arena_alloc(a, size + 1);
    if (p == NULL)
        return -ENOMEM;
    rc = read_all(fd, p, size, &got);
    if (rc != 0)
        return conf_fail(error, from, -rc, "read() \"%s\" failed", path);
    p[got] = '\0';
    *text = sv_of(p, got);
    return 0;
}

int conf_read_file(struct arena *a, const char *path, const struct conf_node *from,
                   struct sv *text, struct conf_error *error)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0)
        return conf_fail(error, from, errno, "open() \"%s\" failed", path);
    int rc = read_open_file(a, fd, path, from, text, error);
    close(fd);
    return rc;
}
