// SPDX-License-Identifier: Apache-2.0
//
// Findings for a person: the worst first, with why and how.
#include <stdlib.h>
#include <string.h>

#include "server/doctor/doctor_priv.h"
#include "server/doctor/print_priv.h"

#define WIDTH 88

static const char *const severities[] = {
    [SEVERITY_OK] = "ok",
    [SEVERITY_ADVICE] = "advice",
    [SEVERITY_WARNING] = "warning",
    [SEVERITY_PROBLEM] = "problem",
};

// What comes from files and names must not steer the terminal.
static void put_clean(FILE *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        fputc(c < ' ' || c >= 0x7f ? '?' : c, out);
    }
}

static void put_line(FILE *out, const char *title, const char *text)
{
    fprintf(out, "  %-8s", title);
    put_clean(out, text, strlen(text));
    fputc('\n', out);
}

// Words that fit beside the title, then the next line.
static void put_wrapped(FILE *out, const char *title, const char *text)
{
    while (*text != '\0') {
        size_t n = strlen(text);

        if (n > WIDTH) {
            for (n = WIDTH; n > 0 && text[n] != ' ';)
                n--;
            n = n > 0 ? n : WIDTH;
        }
        fprintf(out, "  %-8s", title);
        put_clean(out, text, n);
        fputc('\n', out);
        text += n + strspn(text + n, " ");
        title = "";
    }
}

static void put_step(FILE *out, const char *title, const struct step *s)
{
    char *text = step_shell(s);

    if (text != NULL)
        put_line(out, title, text);
    free(text);
}

static void put_finding(FILE *out, const struct finding *f)
{
    fprintf(out, "%s: %s, ", severities[f->severity], f->check->id);
    put_clean(out, f->where, strlen(f->where));
    fputs(": ", out);
    put_clean(out, f->found, strlen(f->found));
    fputc('\n', out);
    put_wrapped(out, "why", f->check->why);
    for (const struct change *c = f->changes; c != NULL; c = c->next)
        put_step(out, c == f->changes ? "mend" : "", &c->apply);
    for (const struct change *c = f->changes; c != NULL; c = c->next)
        put_step(out, c == f->changes ? "undo" : "", &c->undo);
    for (const struct by_hand *h = f->by_hand; h != NULL; h = h->next)
        put_line(out, h == f->by_hand ? "by hand" : "", h->text);
    fputc('\n', out);
}

static unsigned count(const struct doctor *d, enum severity severity)
{
    unsigned n = 0;

    for (const struct finding *f = d->findings; f != NULL; f = f->next)
        n += f->severity == severity;
    return n;
}

void doctor_print(const struct doctor *d, FILE *out)
{
    unsigned good = 0;

    for (int severity = SEVERITY_PROBLEM; severity > SEVERITY_OK; severity--) {
        for (const struct finding *f = d->findings; f != NULL; f = f->next) {
            if ((int)f->severity == severity)
                put_finding(out, f);
        }
    }
    fputs("good:", out);
    for (const struct finding *f = d->findings; f != NULL; f = f->next) {
        if (f->severity == SEVERITY_OK)
            fprintf(out, "%s %s", good++ % 8 == 7 ? "\n     " : "", f->check->id);
    }
    fprintf(out, "%s\nproblems: %u, warnings: %u, advice: %u, good: %u\n",
            good == 0 ? " nothing" : "", count(d, SEVERITY_PROBLEM), count(d, SEVERITY_WARNING),
            count(d, SEVERITY_ADVICE), good);
}

unsigned doctor_left(const struct doctor *d)
{
    unsigned left = 0;

    for (const struct finding *f = d->findings; f != NULL; f = f->next) {
        bool done = f->severity == SEVERITY_OK || f->changes != NULL;

        for (const struct change *c = f->changes; c != NULL; c = c->next)
            done = done && c->state == CHANGE_DONE;
        left += !done;
    }
    return left;
}
