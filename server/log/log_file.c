// SPDX-License-Identifier: Apache-2.0
#include "server/log/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/config/config.h"

static bool same_path(const struct log_file *f, struct sv path)
{
    if (f->path == NULL)
        return sv_eq(path, SV("stderr"));
    return sv_eq(sv_from(f->path), path);
}

struct log_file *log_file_get(struct config *c, struct sv path)
{
    unsigned count = 0;
    struct log_file *f;

    list_each(it, &c->log_files) {
        f = container_of(it, struct log_file, node);
        if (same_path(f, path))
            return f;
        count++;
    }
    f = arena_new(&c->arena, struct log_file);
    if (f == NULL)
        return NULL;
    if (!sv_eq(path, SV("stderr"))) {
        f->path = arena_strndup(&c->arena, path.p, path.n);
        if (f->path == NULL)
            return NULL;
    }
    f->fd = f->path == NULL ? STDERR_FILENO : -1;
    f->index = count;
    list_append(&c->log_files, &f->node);
    return f;
}

// A silo has given up root when it reopens, so the file must be its user's by then.
static int give(int fd, uid_t uid)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return 0;
    if (st.st_uid != uid && fchown(fd, uid, (gid_t)-1) != 0)
        return -errno;
    if ((st.st_mode & (S_IRUSR | S_IWUSR)) != (S_IRUSR | S_IWUSR) &&
        fchmod(fd, (st.st_mode & 07777) | S_IRUSR | S_IWUSR) != 0)
        return -errno;
    return 0;
}

static int open_one(struct log_file *f, uid_t uid)
{
    int fd = open(f->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
    int rc = 0;

    if (fd < 0)
        return -errno;
    if (uid != (uid_t)-1)
        rc = give(fd, uid);
    if (rc == 0 && f->fd < 0) {
        f->fd = fd;
        return 0;
    }
    if (rc == 0 && dup3(fd, f->fd, O_CLOEXEC) < 0)
        rc = -errno;
    close(fd);
    return rc;
}

int log_files_open(struct config *c, bool reopen, unsigned uid, unsigned gid,
                   const struct log_file **failed)
{
    int first = 0;

    (void)gid; // nginx leaves the group as it is, and so do log rotation set-ups made for it
    list_each(it, &c->log_files) {
        struct log_file *f = container_of(it, struct log_file, node);
        int rc;

        if (f->path == NULL || (f->fd >= 0 && !reopen))
            continue;
        rc = open_one(f, uid);
        if (rc == 0 || first != 0)
            continue;
        first = rc;
        *failed = f;
        if (!reopen)
            return rc;
    }
    return first;
}

void log_files_close(struct config *c)
{
    list_each(it, &c->log_files) {
        struct log_file *f = container_of(it, struct log_file, node);

        if (f->path != NULL && f->fd >= 0) {
            close(f->fd);
            f->fd = -1;
        }
    }
}

struct log_sink *log_files_sinks(struct config *c)
{
    struct log_sink *first = NULL, **next = &first;

    for (const struct log_use *use = c->main.error_log; use != NULL; use = use->next) {
        struct log_sink *sink = arena_new(&c->arena, struct log_sink);

        if (sink == NULL)
            return NULL;
        *sink = (struct log_sink){.level = use->level, .emit = log_emit_fd, .fd = use->file->fd};
        *next = sink;
        next = &sink->next;
    }
    return first;
}

void log_files_take_stderr(const struct config *c)
{
    const struct log_use *first = c->main.error_log;

    list_each (node, &c->log_files) {
        if (container_of(node, struct log_file, node)->path == NULL)
            return;
    }
    if (first != NULL && dup2(first->file->fd, STDERR_FILENO) < 0)
        log_alert(errno, "dup2(STDERR) failed");
}
