// SPDX-License-Identifier: Apache-2.0
//
// Findings and what mends them. When memory is out the doctor notes it, and everything here takes
// the missing pieces: the examination is then refused as a whole.
#include "server/doctor/finding_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/doctor/doctor_priv.h"
#include "server/doctor/tree_priv.h"

static void *lost(struct doctor *d)
{
    d->error = -ENOMEM;
    return NULL;
}

static __attribute__((format(printf, 2, 0))) const char *
text_from(struct doctor *d, const char *fmt, va_list args)
{
    char *heap, *copy = NULL;
    int n = vasprintf(&heap, fmt, args);

    if (n >= 0) {
        copy = arena_strndup(&d->arena, heap, (size_t)n);
        free(heap);
    }
    if (copy != NULL)
        return copy;
    lost(d);
    return "";
}

const char *doctor_text(struct doctor *d, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    const char *text = text_from(d, fmt, args);
    va_end(args);
    return text;
}

struct finding *finding_add(struct doctor *d, const struct check *c, const char *where,
                            const char *fmt, ...)
{
    struct finding *f = arena_new(&d->arena, struct finding);
    va_list args;

    if (f == NULL)
        return lost(d);
    f->check = c;
    f->severity = c->severity;
    f->where = doctor_text(d, "%s", where);
    va_start(args, fmt);
    f->found = text_from(d, fmt, args);
    va_end(args);
    f->changes_end = &f->changes;
    f->by_hand_end = &f->by_hand;
    *d->findings_end = f;
    d->findings_end = &f->next;
    return f;
}

static struct change *change_add(struct doctor *d, struct finding *f)
{
    struct change *c = f != NULL ? arena_new(&d->arena, struct change) : NULL;

    if (c == NULL)
        return lost(d);
    *f->changes_end = c;
    f->changes_end = &c->next;
    return c;
}

void change_write(struct doctor *d, struct finding *f, const char *value, const char *undo,
                  const char *path_fmt, ...)
{
    struct change *c = change_add(d, f);
    va_list args;

    if (c == NULL)
        return;
    va_start(args, path_fmt);
    c->apply.path = c->undo.path = text_from(d, path_fmt, args);
    va_end(args);
    c->apply.value = doctor_text(d, "%s\n", value);
    c->undo.value = doctor_text(d, "%s", undo);
}

void change_file(struct doctor *d, struct finding *f, const char *value, const char *path_fmt, ...)
{
    char before[TREE_VALUE_MAX];
    va_list args;

    va_start(args, path_fmt);
    const char *path = text_from(d, path_fmt, args);
    va_end(args);
    if (tree_read(d, before, sizeof(before), "%s", path) == 0)
        change_write(d, f, value, before, "%s", path);
}

void change_run(struct doctor *d, struct finding *f, const char *const *apply,
                const char *const *undo)
{
    struct change *c;

    if (apply == NULL || undo == NULL) {
        lost(d);
        return;
    }
    c = change_add(d, f);
    if (c == NULL)
        return;
    c->apply.argv = apply;
    c->undo.argv = undo;
}

const char *const *argv_of(struct doctor *d, ...)
{
    const char **argv;
    unsigned n = 0;
    va_list args;

    va_start(args, d);
    while (va_arg(args, const char *) != NULL)
        n++;
    va_end(args);
    argv = arena_array(&d->arena, const char *, n + 1);
    if (argv == NULL)
        return lost(d);
    va_start(args, d);
    for (unsigned i = 0; i < n; i++)
        argv[i] = doctor_text(d, "%s", va_arg(args, const char *));
    va_end(args);
    return argv;
}

void by_hand_add(struct doctor *d, struct finding *f, const char *fmt, ...)
{
    struct by_hand *h = f != NULL ? arena_new(&d->arena, struct by_hand) : NULL;
    va_list args;

    if (h == NULL) {
        lost(d);
        return;
    }
    va_start(args, fmt);
    h->text = text_from(d, fmt, args);
    va_end(args);
    *f->by_hand_end = h;
    f->by_hand_end = &h->next;
}
