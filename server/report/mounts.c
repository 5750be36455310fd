// SPDX-License-Identifier: Apache-2.0
#include "server/report/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MOUNTS_MAX 4096
#define LINES_MAX 65536 // looked at: a captured file may be anything

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
    unsigned major_number, minor_number;

    if (dash == NULL)
        return false;
    *dash = '\0';
    fields[0] = strtok_r(line, " ", &save);
    for (int i = 1; i < 5 && fields[i - 1] != NULL; i++)
        fields[i] = strtok_r(NULL, " ", &save);
    m->type = strtok_r(dash + 3, " \n", &save);
    m->source = m->type != NULL ? strtok_r(NULL, " \n", &save) : NULL;
    m->path = fields[4];
    if (m->path == NULL || m->source == NULL ||
        sscanf(fields[2], "%u:%u%c", &major_number, &minor_number, &end) != 2 || major_number == 0)
        return false;
    m->dev = makedev(major_number, minor_number);
    unescape(m->path);
    unescape(m->source);
    return true;
}

static int copy(const struct mounted *from, struct mounted *to)
{
    *to = (struct mounted){strdup(from->path), strdup(from->type), strdup(from->source),
                           from->dev};
    return to->path != NULL && to->type != NULL && to->source != NULL ? 0 : -ENOMEM;
}

static int add(const struct mounted *m, struct mounted **out, unsigned *count)
{
    for (unsigned i = 0; i < *count; i++) {
        struct mounted *old = &(*out)[i];

        if (old->dev != m->dev)
            continue;
        char *path = strlen(m->path) < strlen(old->path) ? strdup(m->path) : NULL;
        if (path != NULL) {
            free(old->path);
            old->path = path;
        }
        return 0;
    }
    struct mounted *more = realloc(*out, ((size_t)*count + 1) * sizeof(*more));
    if (more == NULL)
        return -ENOMEM;
    *out = more;
    return copy(m, &more[(*count)++]);
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

int mounts_read(const char *root, struct mounted **out, unsigned *count)
{
    char line[16384]; // two paths of the longest, in the kernel's escapes
    FILE *f;
    int rc = open_file(root, &f);

    *out = NULL;
    *count = 0;
    if (rc != 0)
        return rc;
    for (unsigned i = 0; i < LINES_MAX && rc == 0 && *count < MOUNTS_MAX; i++) {
        struct mounted m;

        if (fgets(line, sizeof(line), f) == NULL)
            break;
        if (parse(line, &m))
            rc = add(&m, out, count);
    }
    fclose(f);
    if (rc != 0) {
        mounts_free(*out, *count);
        *out = NULL;
        *count = 0;
    }
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
