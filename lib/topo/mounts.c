// SPDX-License-Identifier: Apache-2.0
#include "lib/topo/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MOUNTS_MAX 4096
#define LINES_MAX 65536 // looked at, or pieces of them: a captured file may be anything

static bool is_octal(const char *p)
{
    return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' && p[2] <= '7';
}

// The kernel writes blanks, line ends and backslashes as "\040".
static void unescape(char *text)
{
    char *to = text;

    for (const char *p = text; *p != '\0'; to++) {
        if (p[0] == '\\' && is_octal(p + 1)) {
            *to = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
            p += 4;
        } else {
            *to = *p++;
        }
    }
    *to = '\0';
}

// "36 35 98:0 / /mnt rw,noatime master:1 - ext4 /dev/root rw": the fields before the dash vary.
static bool parse(char *line, struct mounted *m)
{
    char *fields[5] = {NULL}, *save, *dash = strstr(line, " - "), end;
    unsigned id, major_number, minor_number;

    if (dash == NULL)
        return false;
    *dash = '\0';
    fields[0] = strtok_r(line, " ", &save);
    for (int i = 1; i < 5 && fields[i - 1] != NULL; i++)
        fields[i] = strtok_r(NULL, " ", &save);
    m->type = strtok_r(dash + 3, " \n", &save);
    m->source = m->type != NULL ? strtok_r(NULL, " \n", &save) : NULL;
    m->path = fields[4];
    if (m->path == NULL || m->source == NULL || sscanf(fields[0], "%u%c", &id, &end) != 1 ||
        sscanf(fields[2], "%u:%u%c", &major_number, &minor_number, &end) != 2)
        return false;
    m->id = id;
    m->dev = makedev(major_number, minor_number);
    unescape(m->path);
    unescape(m->type);
    unescape(m->source);
    return true;
}

static int copy(const struct mounted *from, struct mounted *to)
{
    *to = (struct mounted){from->id, strdup(from->path), strdup(from->type),
                           strdup(from->source), from->dev};
    return to->path != NULL && to->type != NULL && to->source != NULL ? 0 : -ENOMEM;
}

struct list {
    struct mounted *mounts;
    unsigned count;
    int rc;
};

static int add(struct list *list, const struct mounted *m)
{
    for (unsigned i = 0; i < list->count; i++) {
        struct mounted *old = &list->mounts[i];

        if (old->dev != m->dev)
            continue;
        char *path = strlen(m->path) < strlen(old->path) ? strdup(m->path) : NULL;
        if (path != NULL) {
            free(old->path);
            old->path = path;
            old->id = m->id;
        }
        return 0;
    }
    struct mounted *more = realloc(list->mounts, ((size_t)list->count + 1) * sizeof(*more));
    if (more == NULL)
        return -ENOMEM;
    list->mounts = more;
    return copy(m, &more[list->count++]);
}

static bool add_of_device(void *ctx, const struct mounted *m)
{
    struct list *list = ctx;

    if (major(m->dev) != 0 || strcmp(m->type, "btrfs") == 0)
        list->rc = add(list, m);
    return list->rc == 0 && list->count < MOUNTS_MAX;
}

static int open_file(const char *root, FILE **f)
{
    char *path;

    if (asprintf(&path, "%s/proc/self/mountinfo", root) < 0)
        return -ENOMEM;
    // Of a FIFO the end comes at once.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int rc = fd < 0 ? -errno : 0;
    free(path);
    *f = rc == 0 ? fdopen(fd, "r") : NULL;
    if (rc == 0 && *f == NULL) {
        close(fd);
        rc = -ENOMEM;
    }
    return rc;
}

static bool is_cut(const char *line, size_t size)
{
    return strlen(line) == size - 1 && line[size - 2] != '\n';
}

int mounts_each(const char *root, mounts_one *one, void *ctx)
{
    char line[16384]; // two paths of the longest, in the kernel's escapes
    bool more = true, cut = false;
    FILE *f;
    int rc = open_file(root, &f);

    if (rc != 0)
        return rc;
    for (unsigned i = 0; i < LINES_MAX && more && fgets(line, sizeof(line), f) != NULL; i++) {
        struct mounted m;
        bool begins = !cut;

        cut = is_cut(line, sizeof(line));
        if (begins && parse(line, &m))
            more = one(ctx, &m);
    }
    fclose(f);
    return 0;
}

int mounts_read(const char *root, struct mounted **out, unsigned *count)
{
    struct list list = {.mounts = NULL};
    int rc = mounts_each(root, add_of_device, &list);

    if (rc == 0)
        rc = list.rc;
    if (rc != 0) {
        mounts_free(list.mounts, list.count);
        list = (struct list){.mounts = NULL};
    }
    *out = list.mounts;
    *count = list.count;
    return rc;
}

void mounts_free(struct mounted *mounts, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        free(mounts[i].path);
        free(mounts[i].type);
        free(mounts[i].source);
    }
    free(mounts);
}

int64_t mounts_id_of(const struct statx *st)
{
    return (st->stx_mask & STATX_MNT_ID) != 0 ? (int64_t)st->stx_mnt_id : MOUNT_UNKNOWN;
}

int64_t mounts_id(int fd)
{
    struct statx st;

    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &st) != 0)
        return MOUNT_UNKNOWN;
    return mounts_id_of(&st);
}
