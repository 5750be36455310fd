// SPDX-License-Identifier: Apache-2.0
//
// Findings for machines (RFC 8259). Bytes that are not ASCII are written as the code points of the
// same number, so that the text is valid whatever an interface is called.
#include <stdlib.h>
#include <string.h>

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

static void put_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < ' ' || c >= 0x7f)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void put_field(FILE *out, const char *name, const char *value)
{
    fprintf(out, "\"%s\":", name);
    put_string(out, value);
}

static void put_step(FILE *out, const char *name, const struct step *s)
{
    char *text = step_shell(s);

    put_field(out, name, text != NULL ? text : "");
    fputc(',', out);
    free(text);
}

static void put_changes(FILE *out, const struct finding *f)
{
    fputs("\"changes\":[", out);
    for (const struct change *c = f->changes; c != NULL; c = c->next) {
        fputs(c == f->changes ? "{" : ",{", out);
        put_step(out, "apply", &c->apply);
        put_step(out, "undo", &c->undo);
        put_field(out, "state", states[c->state]);
        if (c->error != NULL) {
            fputc(',', out);
            put_field(out, "error", c->error);
        }
        fputc('}', out);
    }
    fputc(']', out);
}

static void put_finding(FILE *out, const struct finding *f)
{
    fputc('{', out);
    put_field(out, "id", f->check->id);
    fputc(',', out);
    put_field(out, "severity", severities[f->severity]);
    fputc(',', out);
    put_field(out, "where", f->where);
    fputc(',', out);
    put_field(out, "found", f->found);
    fputc(',', out);
    put_field(out, "why", f->check->why);
    fputs(",\"by_hand\":[", out);
    for (const struct by_hand *h = f->by_hand; h != NULL; h = h->next) {
        fputs(h == f->by_hand ? "" : ",", out);
        put_string(out, h->text);
    }
    fputs("],", out);
    put_changes(out, f);
    fputc('}', out);
}

void doctor_print_json(const struct doctor *d, const char *undo_path, FILE *out)
{
    const char *comma = "";

    fputs("{\"version\":1,", out);
    put_field(out, "undo_file", undo_path);
    fputs(",\"findings\":[", out);
    for (const struct finding *f = d->findings; f != NULL; f = f->next) {
        if (f->severity == SEVERITY_OK)
            continue;
        fputs(comma, out);
        put_finding(out, f);
        comma = ",\n";
    }
    fputs("],\"good\":[", out);
    comma = "";
    for (const struct finding *f = d->findings; f != NULL; f = f->next) {
        if (f->severity != SEVERITY_OK)
            continue;
        fputs(comma, out);
        put_string(out, f->check->id);
        comma = ",";
    }
    fputs("]}\n", out);
}
