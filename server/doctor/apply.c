// SPDX-License-Identifier: Apache-2.0
//
// Making changes and taking them back. The order is what a crash must not spoil: first what there
// was is safe on the disk, then the change is made. What was recorded once stays, so that a second
// run does not take the first one's result for what was there before.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/doctor/doctor_priv.h"
#include "server/doctor/rules_priv.h"
#include "server/doctor/tree_priv.h"
#include "server/doctor/undo_priv.h"

struct application {
    struct doctor *d;
    struct undo_log log;
    const char *path; // of the log
    FILE *out;        // may be NULL
    bool changed;     // something was, in this phase
};

static void read_boot(const struct doctor *d, char boot[UNDO_BOOT_MAX])
{
    if (tree_line(d, boot, UNDO_BOOT_MAX, "/proc/sys/kernel/random/boot_id") != 0 ||
        boot[0] == '\0' || boot[strspn(boot, "0123456789abcdef-")] != '\0')
        strcpy(boot, "-");
}

// Settings don't outlive a boot, and neither does what there was before them.
static bool is_stale(const struct undo_log *log, const char *boot)
{
    return strcmp(log->boot, "-") != 0 && strcmp(boot, "-") != 0 && strcmp(log->boot, boot) != 0;
}

static int explain_load(int rc, const char *path, unsigned line)
{
    if (rc == -EINVAL && line > 0)
        fprintf(stderr, "millrace: %s:%u: not a line that the doctor wrote; nothing was changed\n",
                path, line);
    else if (rc == -EPERM)
        fprintf(stderr, "millrace: %s: not a plain file that only this user can write; nothing "
                        "was changed\n", path);
    else if (rc != 0 && rc != -ENOENT)
        fprintf(stderr, "millrace: %s: %s\n", path, strerror(-rc));
    return rc;
}

static int load(struct doctor *d, struct undo_log *log, const char *path)
{
    char boot[UNDO_BOOT_MAX];
    unsigned line;

    read_boot(d, boot);
    undo_log_init(log, boot);
    int rc = undo_log_load(log, path, &line);
    if (rc == 0 && is_stale(log, boot)) {
        undo_log_free(log);
        undo_log_init(log, boot);
    }
    return explain_load(rc, path, line);
}

static int lock(const char *path, bool make_folder)
{
    int fd = undo_lock(path, make_folder);

    if (fd == -EWOULDBLOCK)
        fprintf(stderr, "millrace: another doctor is at work on %s\n", path);
    else if (fd < 0 && (fd != -ENOENT || make_folder))
        fprintf(stderr, "millrace: the folder of %s: %s\n", path, strerror(-fd));
    return fd;
}

// NULL when it worked, else why not; of the arena.
static const char *perform(struct doctor *d, const struct step *s, int *rc)
{
    int status = 0;

    if (s->argv == NULL)
        *rc = tree_write(d, s->path, s->value);
    else
        *rc = d->runner.run(d->runner.context, s->argv, &status);
    if (*rc == -ENOENT && s->argv != NULL)
        return doctor_text(d, "%s is not installed", s->argv[0]);
    if (*rc == -EOPNOTSUPP && s->argv != NULL)
        return "commands are for a machine, not for a tree";
    if (*rc != 0)
        return strerror(-*rc);
    return status != 0 ? doctor_text(d, "exit status %d", status) : NULL;
}

static void say(FILE *out, const struct step *s, const char *error)
{
    char *text = out != NULL ? step_shell(s) : NULL;

    if (text == NULL)
        return;
    fprintf(out, "    %s: %s%s\n", text, error == NULL ? "done" : "failed: ",
            error == NULL ? "" : error);
    fflush(out);
    free(text);
}

static int record(struct application *a, const struct step *undo)
{
    if (undo_log_has(&a->log, undo))
        return 0;
    int rc = undo_log_add(&a->log, undo);
    if (rc == 0)
        rc = undo_log_save(&a->log, a->path);
    if (rc != 0)
        fprintf(stderr, "millrace: %s: %s; nothing more is changed\n", a->path, strerror(-rc));
    return rc;
}

static int make_change(struct application *a, struct change *c)
{
    int rc;

    if (!step_allowed(&c->apply) || !step_allowed(&c->undo)) {
        // An interface with a name that is more than a name, or a value of a strange form.
        c->error = "not of a form that is safe to run: do it by hand";
    } else {
        rc = record(a, &c->undo);
        if (rc != 0)
            return rc;
        c->error = perform(a->d, &c->apply, &rc);
    }
    c->state = c->error == NULL ? CHANGE_DONE : CHANGE_FAILED;
    a->changed |= c->state == CHANGE_DONE;
    say(a->out, &c->apply, c->error);
    return 0;
}

static int make_phase(struct application *a, enum check_phase phase)
{
    a->changed = false;
    for (struct finding *f = a->d->findings; f != NULL; f = f->next) {
        if (f->check->phase != phase || f->changes == NULL)
            continue;
        if (a->out != NULL)
            fprintf(a->out, "%s, %s\n", f->check->id, f->where);
        for (struct change *c = f->changes; c != NULL; c = c->next) {
            int rc = make_change(a, c);

            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

int doctor_apply(struct doctor *d, const char *undo_path, FILE *out)
{
    struct application a = {.d = d, .path = undo_path, .out = out};
    int fd = lock(undo_path, true), rc;

    if (fd < 0)
        return fd;
    rc = load(d, &a.log, undo_path);
    if (rc == 0 || rc == -ENOENT)
        rc = make_phase(&a, PHASE_FIRST);
    // Other queues have other interrupts and other files.
    if (rc == 0 && a.changed)
        doctor_examine(d, PHASE_REST);
    if (rc == 0)
        rc = d->error != 0 ? d->error : make_phase(&a, PHASE_REST);
    undo_log_free(&a.log);
    close(fd);
    return rc;
}

// What is no longer there (an interrupt of a queue that is gone) needs no taking back.
static bool take_back_one(struct doctor *d, const struct step *s, FILE *out)
{
    int rc;
    const char *error = perform(d, s, &rc);

    if (rc == -ENOENT && s->argv == NULL)
        error = NULL;
    say(out, s, error);
    return error == NULL;
}

static int take_back_all(struct doctor *d, struct undo_log *log, const char *path, FILE *out,
                         unsigned *failed)
{
    unsigned kept = log->n;

    // Those that failed gather at the end, in their order.
    for (unsigned i = log->n; i-- > 0;) {
        struct step s = log->steps[i];

        if (!take_back_one(d, &s, out)) {
            kept--;
            ++*failed;
            log->steps[kept] = s;
        }
    }
    for (unsigned i = 0; i < *failed; i++)
        log->steps[i] = log->steps[kept + i];
    log->n = *failed;
    return undo_log_save(log, path);
}

int doctor_take_back(struct doctor *d, const char *undo_path, FILE *out, unsigned *failed)
{
    struct undo_log log;
    int fd = lock(undo_path, false), rc;

    *failed = 0;
    if (fd < 0)
        return fd;
    rc = load(d, &log, undo_path);
    if (rc == 0) {
        bool empty = log.n == 0;

        rc = take_back_all(d, &log, undo_path, out, failed);
        if (rc != 0)
            fprintf(stderr, "millrace: %s: %s\n", undo_path, strerror(-rc));
        else if (empty)
            rc = -ENOENT;
    }
    undo_log_free(&log);
    close(fd);
    return rc;
}
