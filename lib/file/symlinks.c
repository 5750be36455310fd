// SPDX-License-Identifier: Apache-2.0
//
// disable_symlinks: the steps of a lookup that must not follow links, or only links whose target
// has the same owner. `on` is one openat2(2) with RESOLVE_NO_SYMLINKS; `if_not_owner` walks
// component by component, because only the walk sees each link. Errors are nginx's: ELOOP when the
// last component is a refused link, ENOTDIR when one on the way is (nginx opens directories with
// O_NOFOLLOW|O_DIRECTORY, which the kernel answers with ENOTDIR).
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/sys.h"
#include "lib/file/file_priv.h"

static void enter(struct file_lookup *l, int fd)
{
    if (l->dir_fd != AT_FDCWD)
        sys->close(l->dir_fd);
    l->dir_fd = fd;
}

// Owner and kind of what was just opened, or why it was not. The inode is in memory then, so this
// does not wait.
static int look(int fd, struct stat *st)
{
    if (fd < 0)
        return -fd;
    if (sys->fstat(fd, st) == 0)
        return 0;
    int err = errno;
    sys->close(fd);
    return err;
}

static const char *skip_slashes(const char *p)
{
    return p + strspn(p, "/");
}

// What is left below the trusted part; "." when nothing is.
static const char *below_prefix(const struct file_lookup *l)
{
    const char *rest = skip_slashes(l->path + l->symlinks_from);

    return *rest != '\0' ? rest : ".";
}

bool file_symlinks_start(struct file_lookup *l)
{
    const char *root = "/";

    if (l->symlinks == SYMLINKS_OFF && l->symlinks_from == 0) {
        file_next(l, FILE_STEP_open, l->path, file_final_flags(l), RESOLVE_NO_SYMLINKS);
        return true;
    }
    l->part = strdup(l->path);
    if (l->part == NULL)
        return file_fail(l, ENOMEM);
    l->at = l->symlinks_from;
    if (l->symlinks_from > 0) {
        l->part[l->at++] = '\0';
        root = l->part;
    }
    file_next(l, FILE_STEP_prefix, root, O_PATH | O_DIRECTORY, 0);
    return true;
}

// The walk of if_not_owner: the next component, or the end.
static bool next_component(struct file_lookup *l)
{
    char *p = l->part + l->at;

    p += strspn(p, "/");
    // A path that ends in a slash names a directory, which is open already: again, for reading.
    if (*p == '\0') {
        file_next(l, FILE_STEP_open, ".", file_final_flags(l), 0);
        return true;
    }
    char *slash = strchr(p, '/');
    if (slash == NULL) {
        file_next(l, FILE_STEP_last, p, file_final_flags(l) | O_NOFOLLOW, 0);
        return true;
    }
    *slash = '\0';
    l->at = (size_t)(slash + 1 - l->part);
    file_next(l, FILE_STEP_component, p, O_PATH | O_NOFOLLOW, 0);
    return true;
}

bool file_step_prefix(struct file_lookup *l, int res)
{
    if (res < 0)
        return file_fail(l, -res);
    enter(l, res);
    if (l->symlinks == SYMLINKS_IF_OWNER)
        return next_component(l);
    file_next(l, FILE_STEP_open, below_prefix(l), file_final_flags(l), RESOLVE_NO_SYMLINKS);
    return true;
}

// Called first with the open's own ELOOP, which sets up the question, then with the answer.
bool file_step_parent(struct file_lookup *l, int res)
{
    if (l->step == FILE_STEP_parent) {
        if (res >= 0)
            sys->close(res);
        return file_fail(l, res == -ELOOP ? ENOTDIR : ELOOP);
    }
    check(l->step == FILE_STEP_open);
    char *copy = strdup(l->name);
    if (copy == NULL)
        return file_fail(l, ENOMEM);
    free(l->part);
    l->part = copy;
    char *slash = strrchr(copy, '/');
    if (slash == NULL || slash == copy)
        return file_fail(l, ELOOP);
    *slash = '\0';
    file_next(l, FILE_STEP_parent, copy, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
    return true;
}

// The descriptor is the component itself, link or not: nobody can exchange it between the look and
// the use.
bool file_step_component(struct file_lookup *l, int res)
{
    struct stat st;
    int err = look(res, &st);

    if (err != 0)
        return file_fail(l, err);
    if (S_ISDIR(st.st_mode)) {
        enter(l, res);
        return next_component(l);
    }
    sys->close(res);
    if (!S_ISLNK(st.st_mode))
        return file_fail(l, ENOTDIR);
    l->link_owner = st.st_uid;
    file_next(l, FILE_STEP_component_target, l->name, O_PATH | O_DIRECTORY, 0);
    return true;
}

// A link exchanged for another in between has another owner, or leads where its owner could have
// pointed the first one.
static int target_owner(struct file_lookup *l, int fd)
{
    struct stat st;
    int err = look(fd, &st);

    if (err == 0 && st.st_uid != l->link_owner) {
        sys->close(fd);
        err = ELOOP;
    }
    return err;
}

bool file_step_component_target(struct file_lookup *l, int res)
{
    int err = target_owner(l, res);

    if (err != 0)
        return file_fail(l, err);
    enter(l, res);
    return next_component(l);
}

static bool follow_last(struct file_lookup *l, uid_t owner)
{
    l->link_owner = owner;
    file_next(l, FILE_STEP_last_target, l->name, file_final_flags(l), 0);
    return true;
}

// With O_PATH a link is opened as itself; without, O_NOFOLLOW refuses it.
bool file_step_last(struct file_lookup *l, int res)
{
    struct stat st;

    if (res == -ELOOP) {
        file_next(l, FILE_STEP_last_link, l->name, O_PATH | O_NOFOLLOW, 0);
        return true;
    }
    if (res < 0)
        return file_fail(l, -res);
    if (!l->test_only)
        return file_give(l, res);
    int err = look(res, &st);
    if (err != 0)
        return file_fail(l, err);
    if (!S_ISLNK(st.st_mode))
        return file_give(l, res);
    sys->close(res);
    return follow_last(l, st.st_uid);
}

bool file_step_last_link(struct file_lookup *l, int res)
{
    struct stat st;
    int err = look(res, &st);

    if (err != 0)
        return file_fail(l, err);
    sys->close(res);
    return follow_last(l, st.st_uid);
}

bool file_step_last_target(struct file_lookup *l, int res)
{
    int err = target_owner(l, res);

    return err == 0 ? file_give(l, res) : file_fail(l, err);
}
