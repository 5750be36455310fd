// SPDX-License-Identifier: Apache-2.0
//
// What the made-up host's examination is expected to find.
#pragma once

#include "test/unit/server/doctor/doctor_fixture.h"

// The only finding of a check.
static __attribute__((unused)) const struct finding *only(const char *id)
{
    const struct finding *found = NULL;

    for (const struct finding *f = doctor.findings; f != NULL; f = f->next) {
        if (strcmp(f->check->id, id) != 0)
            continue;
        cr_expect_null(found, "%s is found twice", id);
        found = f;
    }
    cr_assert_not_null(found, "%s is not found", id);
    return found;
}

static __attribute__((unused)) void expect_good(const char *id)
{
    cr_expect_eq(only(id)->severity, SEVERITY_OK, "%s: %s", id, only(id)->found);
}

static __attribute__((unused)) void expect_absent(const char *id)
{
    for (const struct finding *f = doctor.findings; f != NULL; f = f->next)
        cr_expect_str_neq(f->check->id, id);
}

static __attribute__((unused)) void expect_found(const char *id, enum severity severity,
                                                 const char *where, const char *found)
{
    const struct finding *f = only(id);

    cr_expect_eq(f->severity, severity, "%s has severity %d", id, f->severity);
    cr_expect_str_eq(f->where, where);
    cr_expect_str_eq(f->found, found);
    for (const struct change *c = f->changes; c != NULL; c = c->next) {
        cr_expect(step_allowed(&c->apply), "%s: what mends is not allowed", id);
        cr_expect(step_allowed(&c->undo), "%s: what takes back is not allowed", id);
    }
}

static __attribute__((unused)) unsigned count_changes(const char *id)
{
    unsigned n = 0;

    for (const struct change *c = only(id)->changes; c != NULL; c = c->next)
        n++;
    return n;
}

static __attribute__((unused)) void expect_change(const char *id, unsigned index,
                                                  const char *apply, const char *undo)
{
    const struct change *c = only(id)->changes;

    while (c != NULL && index-- > 0)
        c = c->next;
    cr_assert_not_null(c, "%s has fewer changes", id);
    char *text = step_shell(&c->apply), *back = step_shell(&c->undo);
    cr_expect_str_eq(text, apply);
    cr_expect_str_eq(back, undo);
    free(text);
    free(back);
}

static __attribute__((unused)) void expect_by_hand(const char *id, unsigned index,
                                                   const char *text)
{
    const struct by_hand *h = only(id)->by_hand;

    while (h != NULL && index-- > 0)
        h = h->next;
    cr_assert_not_null(h, "%s has fewer lines", id);
    cr_expect_str_eq(h->text, text);
}
