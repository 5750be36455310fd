// SPDX-License-Identifier: Apache-2.0
//
// A step as the command that a person would type.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/doctor/doctor_priv.h"
#include "server/report/command.h"

// Without the newline, which both echo and sysctl add.
static size_t value_length(const char *value)
{
    size_t n = strlen(value);

    return n > 0 && value[n - 1] == '\n' ? n - 1 : n;
}

static void put_sysctl(FILE *out, const char *name, const char *value)
{
    char *word;
    int n = asprintf(&word, "%s=%.*s", name, (int)value_length(value), value);

    if (n < 0)
        return;
    for (char *p = word; p < word + strlen(name); p++) {
        if (*p == '/')
            *p = '.';
    }
    fputs("sysctl -w ", out);
    command_print_word(word, (size_t)n, out);
    free(word);
}

static void put_write(FILE *out, const struct step *s)
{
    static const char sysctls[] = "/proc/sys/";

    if (strncmp(s->path, sysctls, sizeof(sysctls) - 1) == 0) {
        put_sysctl(out, s->path + sizeof(sysctls) - 1, s->value);
        return;
    }
    fputs("echo ", out);
    command_print_word(s->value, value_length(s->value), out);
    fputs(" > ", out);
    command_print_word(s->path, strlen(s->path), out);
}

const char *shell_quoted(struct doctor *d, const char *word)
{
    char *text = NULL;
    const char *copy;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (out != NULL)
        command_print_word(word, strlen(word), out);
    if (out == NULL || fclose(out) != 0)
        d->error = -ENOMEM;
    copy = doctor_text(d, "%s", text != NULL ? text : "");
    free(text);
    return copy;
}

char *step_shell(const struct step *s)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return NULL;
    if (s->argv == NULL)
        put_write(out, s);
    for (size_t i = 0; s->argv != NULL && s->argv[i] != NULL; i++) {
        fputs(i > 0 ? " " : "", out);
        command_print_word(s->argv[i], strlen(s->argv[i]), out);
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
