// SPDX-License-Identifier: Apache-2.0
//
// The lookup: a machine of steps, each of which opens one name, at once when the kernel has all of
// the path in memory, else on the ring. Without a symlink policy there is one step. Knows the cache
// only as a place to ask before and to tell after.
#include "lib/file/open_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/sys.h"
#include "lib/file/file_priv.h"
#include "lib/ring/ring.h"

#define FILE_STEP_ROW(name) [FILE_STEP_##name] = file_step_##name,
static const file_step_fn steps[FILE_STEP_COUNT] = {FILE_STEPS(FILE_STEP_ROW)};
#undef FILE_STEP_ROW

int file_table_init(struct file_table *t, struct ring *ring, unsigned ncaches)
{
    *t = (struct file_table){.ring = ring, .ncaches = ncaches};
    t->caches = calloc(ncaches > 0 ? ncaches : 1, sizeof(t->caches[0]));
    return t->caches != NULL ? 0 : -ENOMEM;
}

void file_table_destroy(struct file_table *t)
{
    check(t->opening == 0);
    for (unsigned i = 0; i < t->ncaches; i++)
        file_cache_destroy(t->caches[i]);
    free(t->caches);
    *t = (struct file_table){0};
}

void file_next(struct file_lookup *l, enum file_step step, const char *name, unsigned flags,
               unsigned resolve)
{
    l->step = step;
    l->name = name;
    l->how = (struct open_how){.flags = flags | O_CLOEXEC, .resolve = resolve};
}

// O_NONBLOCK: a FIFO without a writer must not hang the open, nor a device. O_PATH allows neither
// it nor O_NOCTTY, and needs neither.
unsigned file_final_flags(const struct file_lookup *l)
{
    return l->test_only ? O_PATH : O_RDONLY | O_NONBLOCK | O_NOCTTY;
}

bool file_fail(struct file_lookup *l, int err)
{
    check(err > 0);
    l->err = err;
    return false;
}

static void fill(struct open_file *f, const struct stat *st)
{
    *f = (struct open_file){
        .refs = 1,
        .fd = -1,
        .is_file = S_ISREG(st->st_mode),
        .is_dir = S_ISDIR(st->st_mode),
        .owner_exec = (st->st_mode & S_IXUSR) != 0,
        .dev = st->st_dev,
        .ino = st->st_ino,
        .size = (uint64_t)st->st_size,
        .mtime_s = st->st_mtim.tv_sec,
        .mtime_ns = st->st_mtim.tv_nsec,
        .ctime_s = st->st_ctim.tv_sec,
        .ctime_ns = st->st_ctim.tv_nsec,
    };
}

bool file_give(struct file_lookup *l, int fd)
{
    struct stat st;
    int err = sys->fstat(fd, &st) == 0 ? 0 : errno;
    struct open_file *f = err == 0 ? malloc(sizeof(*f)) : NULL;

    if (f == NULL) {
        sys->close(fd);
        return file_fail(l, err != 0 ? err : ENOMEM);
    }
    fill(f, &st);
    // Only what will be read stays open: an open FIFO would change what its writer sees, and a
    // directory's attributes are all that is asked for.
    if (f->is_file && !l->test_only)
        f->fd = fd;
    else
        sys->close(fd);
    l->file = f;
    return false;
}

void file_unref(struct open_file *f)
{
    check(f->refs > 0);
    if (--f->refs > 0)
        return;
    check(f->entry == NULL);
    if (f->fd >= 0)
        sys->close(f->fd);
    free(f);
}

void file_put(struct file_table *t, struct open_file *f)
{
    (void)t;
    if (f == NULL)
        return;
    struct file_entry *e = f->entry;
    bool only_cached = e != NULL && f->refs == 2;
    file_unref(f);
    if (only_cached)
        file_cache_released(e);
}

static void finish(struct file_lookup *l)
{
    if (l->dir_fd != AT_FDCWD)
        sys->close(l->dir_fd);
    l->dir_fd = AT_FDCWD;
    free(l->part);
    l->part = NULL;
    file_cache_store(l->table, l);
}

// Runs steps while the kernel can answer from memory. 0: finished; -EINPROGRESS: on the ring.
static int run(struct file_lookup *l)
{
    bool more = true;

    while (more) {
        uint64_t resolve = l->how.resolve;

        l->how.resolve |= RESOLVE_CACHED;
        int res = sys->openat2(l->dir_fd, l->name, &l->how, sizeof(l->how));
        if (res < 0)
            res = -errno;
        l->how.resolve = resolve;
        if (res == -EAGAIN) {
            res = ring_openat2(l->table->ring, &l->op, l->dir_fd, l->name, &l->how);
            if (res == 0) {
                l->table->opening++;
                return -EINPROGRESS;
            }
        }
        more = steps[l->step](l, res);
    }
    finish(l);
    return 0;
}

static void opened(struct op *op, int32_t res, uint32_t flags)
{
    struct file_lookup *l = container_of(op, struct file_lookup, op);

    (void)flags;
    check(l->table->opening > 0);
    l->table->opening--;
    if (steps[l->step](l, res)) {
        if (run(l) == -EINPROGRESS)
            return;
    } else {
        finish(l);
    }
    l->done(l);
}

bool file_step_open(struct file_lookup *l, int res)
{
    if (res >= 0)
        return file_give(l, res);
    // Which component was a link decides the error.
    if (res == -ELOOP && l->symlinks == SYMLINKS_OFF)
        return file_step_parent(l, res);
    return file_fail(l, -res);
}

int file_lookup(struct file_table *t, struct file_lookup *l)
{
    if (l->op.magic == OP_MAGIC)
        check(!op_in_flight(&l->op));
    check(l->path[0] == '/');
    check(l->symlinks_from == 0 || l->path[l->symlinks_from] == '/');
    op_init(&l->op, opened);
    l->table = t;
    l->err = 0;
    l->file = NULL;
    l->dir_fd = AT_FDCWD;
    l->part = NULL;
    if (l->cache != NULL && l->cache->max > 0 && file_cache_find(t, l))
        return 0;
    if (l->symlinks == SYMLINKS_ALLOWED) {
        file_next(l, FILE_STEP_open, l->path, file_final_flags(l), 0);
    } else if (!file_symlinks_start(l)) {
        finish(l);
        return 0;
    }
    return run(l);
}
