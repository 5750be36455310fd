// SPDX-License-Identifier: Apache-2.0
//
// Which disks a file comes down to: through block devices that lie on others, file systems that lie
// on several, and loop devices, which lie on files again. Every step is counted, because devices of
// a captured tree may claim to be below each other.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/topo/machine_priv.h"
#include "lib/topo/mounts.h"

struct walk {
    const struct machine *m;
    const struct machine_disk **out;
    unsigned count, max;
    unsigned steps;   // left, on block devices
    unsigned lookups; // left, in the list of mounts and among file systems
};

#define WALK_STEPS_MAX 1024
#define WALK_LOOKUPS_MAX 64
#define WALK_DEPTH_MAX 16
#define BTRFS_MAX 256 // mounted file systems that are looked at

// DIR is the folder of a block device in sysfs, or a link to it.
static void descend(struct walk *w, const char *dir, unsigned depth);
static void descend_place(struct walk *w, dev_t dev, int64_t mount, unsigned depth);

static void found(struct walk *w, dev_t dev)
{
    const struct machine_disk *disk = NULL;

    for (unsigned i = 0; i < w->m->ndisks; i++) {
        if (w->m->disks[i].dev == dev)
            disk = &w->m->disks[i];
    }
    for (unsigned i = 0; disk != NULL && i < w->count; i++) {
        if (w->out[i] == disk)
            disk = NULL;
    }
    if (disk != NULL && w->count < w->max)
        w->out[w->count++] = disk;
}

// The list of mounts: one mount by its number, or the one that a path lies on.
struct lookup {
    int64_t id;
    const char *path; // NULL: by number
    size_t length;    // of the longest mount point so far that the path lies below
    bool found, is_btrfs;
    dev_t dev;
    char source[SYSFS_PATH_MAX];
};

// Of mounts in the same place the last is the one to be seen, so an equal length counts.
static bool is_nearer(struct lookup *l, const char *point)
{
    size_t n = strcmp(point, "/") == 0 ? 0 : strlen(point);

    if (n < l->length || strncmp(l->path, point, n) != 0 ||
        (l->path[n] != '/' && l->path[n] != '\0'))
        return false;
    l->length = n;
    return true;
}

static bool look(void *ctx, const struct mounted *m)
{
    struct lookup *l = ctx;
    size_t n = strlen(m->source);

    if (l->path != NULL ? !is_nearer(l, m->path) : m->id != l->id)
        return true;
    l->found = true;
    l->dev = m->dev;
    l->is_btrfs = strcmp(m->type, "btrfs") == 0;
    memcpy(l->source, n < sizeof(l->source) ? m->source : "", n < sizeof(l->source) ? n + 1 : 1);
    return l->path != NULL;
}

static bool look_up(struct walk *w, struct lookup *l)
{
    if (w->lookups == 0)
        return false;
    w->lookups--;
    return mounts_each(w->m->root, look, l) == 0 && l->found;
}

// "/dev/cciss/c0d0" is "cciss!c0d0" in sysfs.
static bool is_named(const char *source, const char *name)
{
    if (strncmp(source, "/dev/", 5) != 0)
        return false;
    for (source += 5; *source != '\0'; source++, name++) {
        if (*name != (*source == '/' ? '!' : *source))
            return false;
    }
    return *name == '\0';
}

// Is that one of a file system's devices the source of a mount? The kernel gives the path that the
// device was found by: of a dm device its name, and maybe a link that udev made.
static bool is_source(const struct walk *w, const char *dir, const char *name, const char *source)
{
    static const char mapper[] = "/dev/mapper/";
    char mapped[SYSFS_PATH_MAX];
    struct stat st;
    dev_t dev;

    if (is_named(source, name))
        return true;
    if (strncmp(source, mapper, strlen(mapper)) == 0 &&
        sysfs_line(dir, "dm/name", mapped, sizeof(mapped)) &&
        strcmp(mapped, source + strlen(mapper)) == 0)
        return true;
    return w->m->root[0] == '\0' && sysfs_dev(dir, &dev) && stat(source, &st) == 0 &&
           S_ISBLK(st.st_mode) && st.st_rdev == dev;
}

// A file system's devices are links named as block devices. False when the folder is none of one.
static bool btrfs_devices(const char *devices, sysfs_name **names, unsigned *count)
{
    return sysfs_names(devices, "", MACHINE_MEMBERS_MAX * 2, names, count) == 0;
}

static bool holds_source(const struct walk *w, const char *devices, const char *source, bool *is)
{
    char dir[SYSFS_PATH_MAX];
    sysfs_name *names;
    unsigned count;

    *is = false;
    if (!btrfs_devices(devices, &names, &count))
        return false;
    for (unsigned i = 0; i < count && !*is; i++)
        *is = sysfs_path(dir, "%s/%s", devices, names[i]) && is_source(w, dir, names[i], source);
    free(names);
    return true;
}

// The folder with the devices of the btrfs that is mounted from `source`. When it is the only one
// its source does not matter: a root file system that the kernel mounted by itself is of
// "/dev/root", which is nowhere.
static bool find_btrfs(const struct walk *w, const char *source, char out[SYSFS_PATH_MAX])
{
    char top[SYSFS_PATH_MAX], devices[SYSFS_PATH_MAX];
    unsigned count, seen = 0;
    sysfs_name *names;
    bool is = false;

    if (!sysfs_path(top, "%s/sys/fs/btrfs", w->m->root) ||
        sysfs_names(top, "", BTRFS_MAX, &names, &count) != 0)
        return false;
    for (unsigned i = 0; i < count && !is; i++) {
        if (!sysfs_path(devices, "%s/%s/devices", top, names[i]) ||
            !holds_source(w, devices, source, &is))
            continue;
        seen++;
        strcpy(out, devices);
    }
    free(names);
    return is || seen == 1;
}

// `all` are in DIR, each the folder of a block device.
static void descend_all(struct walk *w, const char *dir, const sysfs_name *all, unsigned count,
                        unsigned depth)
{
    char below[SYSFS_PATH_MAX];

    for (unsigned i = 0; i < count; i++) {
        if (sysfs_path(below, "%s/%s", dir, all[i]))
            descend(w, below, depth);
    }
}

static void descend_btrfs(struct walk *w, const char *source, unsigned depth)
{
    char devices[SYSFS_PATH_MAX];
    sysfs_name *names;
    unsigned count;

    if (!find_btrfs(w, source, devices) || !btrfs_devices(devices, &names, &count))
        return;
    descend_all(w, devices, names, count, depth);
    free(names);
}

static void descend_mount(struct walk *w, struct lookup *l, unsigned depth)
{
    if (!look_up(w, l))
        return;
    if (major(l->dev) != 0)
        descend_place(w, l->dev, MOUNT_UNKNOWN, depth);
    else if (l->is_btrfs)
        descend_btrfs(w, l->source, depth);
}

// What the kernel says of a path counts, but it is not asked about a captured tree, and may refuse:
// the folder of a disk image is seldom everybody's.
static void descend_path(struct walk *w, const char *path, unsigned depth)
{
    struct lookup l = {.path = path};
    struct statx st;

    if (w->m->root[0] == '\0') {
        if (statx(AT_FDCWD, path, AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) == 0) {
            descend_place(w, makedev(st.stx_dev_major, st.stx_dev_minor), mounts_id_of(&st),
                          depth);
            return;
        }
        if (errno != EACCES)
            return;
    }
    descend_mount(w, &l, depth);
}

// The file behind a loop device, as the kernel wrote it: absolute, not escaped, with a line end.
// False when there is none that could be found by its name.
static bool read_backing_file(const char *dir, char out[PATH_MAX + 1])
{
    static const char deleted[] = " (deleted)";
    char path[SYSFS_PATH_MAX];
    FILE *f = sysfs_path(path, "%s/loop/backing_file", dir) ? sysfs_open(path) : NULL;
    size_t n = f != NULL ? fread(out, 1, PATH_MAX + 1, f) : 0;

    if (f != NULL)
        fclose(f);
    if (n < 2 || out[0] != '/' || out[n - 1] != '\n')
        return false;
    out[n - 1] = '\0';
    return strlen(out) == n - 1 && (n < sizeof(deleted) ||
                                    strcmp(out + n - sizeof(deleted), deleted) != 0);
}

static void descend_loop(struct walk *w, const char *dir, unsigned depth)
{
    char file[PATH_MAX + 1];

    if (read_backing_file(dir, file))
        descend_path(w, file, depth);
}

static void descend(struct walk *w, const char *dir, unsigned depth)
{
    char below[SYSFS_PATH_MAX];
    sysfs_name *names;
    unsigned count;
    dev_t dev;

    if (depth == WALK_DEPTH_MAX || w->steps == 0)
        return;
    w->steps--;
    if (sysfs_exists(dir, "partition")) {
        if (sysfs_path(below, "%s/..", dir))
            descend(w, below, depth + 1);
        return;
    }
    if (sysfs_path(below, "%s/slaves", dir) &&
        sysfs_names(below, "", MACHINE_MEMBERS_MAX * 2, &names, &count) == 0) {
        descend_all(w, below, names, count, depth + 1);
        free(names);
        if (count > 0)
            return;
    }
    if (sysfs_exists(dir, "loop"))
        descend_loop(w, dir, depth + 1);
    else if (sysfs_dev(dir, &dev))
        found(w, dev);
}

static void descend_place(struct walk *w, dev_t dev, int64_t mount, unsigned depth)
{
    struct lookup l = {.id = mount};
    char dir[SYSFS_PATH_MAX];

    // Below sys/dev everything is a link, and ".." is taken of what it points to.
    if (major(dev) == 0) {
        if (mount >= 0)
            descend_mount(w, &l, depth);
    } else if (sysfs_path(dir, "%s/sys/dev/block/%u:%u", w->m->root, major(dev), minor(dev))) {
        descend(w, dir, depth);
    }
}

unsigned machine_disks(const struct machine *m, dev_t dev, int64_t mount,
                       const struct machine_disk **out, unsigned max)
{
    struct walk w = {.m = m, .out = out, .max = max, .steps = WALK_STEPS_MAX,
                     .lookups = WALK_LOOKUPS_MAX};

    descend_place(&w, dev, mount, 0);
    return w.count;
}
