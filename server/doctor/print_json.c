// SPDX-License-Identifier: Apache-2.0
//
// Findings for machines.
#include <stdlib.h>

#include "lib/base/json_writer.h"
#include "server/doctor/doctor_priv.h"
#include "server/doctor/print_priv.h"

static const char *const severities[] = {
    [SEVERITY_OK] = "ok",
    [SEVERITY_ADVICE] = "advice",
    [SEVERITY_WARNING] = "warning",
    [SEVERITY_PROBLEM] = "problem",
};

static const char *const states[] = {
    [CHANGE_PLANNED] = "planned",
    [CHANGE_DONE] = "done",
    [CHANGE_FAILED] = "failed",
};

static void put_step(struct json_writer *j, const char *name, const struct step *s)
{
    char *text = step_shell(s);

    json_text(j, name, text != NULL ? text : "");
    free(text);
}

static void put_changes(struct json_writer *j, const struct finding *f)
{
    json_list(j, "changes");
    for (const struct change *c = f->changes; c != NULL; c = c->next) {
        json_object(j, NULL);
        put_step(j, "apply", &c->apply);
        put_step(j, "undo", &c->undo);
        json_text(j, "state", states[c->state]);
        if (c->error != NULL)
            json_text(j, "error", c->error);
        json_end(j);
    }
    json_end(j);
}

static void put_finding(struct json_writer *j, const struct finding *f)
{
    json_object(j, NULL);
    json_text(j, "id", f->check->id);
    json_text(j, "severity", severities[f->severity]);
    json_text(j, "where", f->where);
    json_text(j, "found", f->found);
    json_text(j, "why", f->check->why);
    json_list(j, "by_hand");
    for (const struct by_hand *h = f->by_hand; h != NULL; h = h->next)
        json_text(j, NULL, h->text);
    json_end(j);
    put_changes(j, f);
    json_end(j);
}

void doctor_print_json(const struct doctor *d, const char *undo_path, FILE *out)
{
    struct json_writer writer, *j = &writer;

    json_start_compact(j, out);
    json_object(j, NULL);
    json_number(j, "version", 1);
    json_text(j, "undo_file", undo_path);
    json_list(j, "findings");
    for (const struct finding *f = d->findings; f != NULL; f = f->next) {
        if (f->severity != SEVERITY_OK)
            put_finding(j, f);
    }
    json_end(j);
    json_list(j, "good");
    for (const struct finding *f = d->findings; f != NULL; f = f->next) {
        if (f->severity == SEVERITY_OK)
            json_text(j, NULL, f->check->id);
    }
    json_end(j);
    json_end(j);
}
