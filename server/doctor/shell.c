// SPDX-License-Identifier: Apache-2.0
//
// A step as the command that a person would type. The names of interfaces are whatever somebody
// gave them, escape sequences included, so what is not plain is quoted, and what does not print is
// spelt out ($'...' of bash).
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/doctor/doctor_priv.h"

static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("_./:+,=@%-", c) != NULL;
}

static void put_escaped(FILE *out, const char *word, size_t n)
{
    fputs("$'", out);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)word[i];

        if (c == '\t')
            fputs("\\t", out);
        else if (c < 0x20 || c >= 0x7f)
            fprintf(out, "\\x%02x", c);
        else if (c == '\'' || c == '\\')
            fprintf(out, "\\%c", c);
        else
            fputc(c, out);
    }
    fputc('\'', out);
}

static void put_word(FILE *out, const char *word, size_t n)
{
    bool plain = n > 0, simple = true;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)word[i];

        plain = plain && c != '\0' && is_plain(c);
        simple = simple && c >= 0x20 && c < 0x7f && c != '\'';
    }
    if (plain)
        fprintf(out, "%.*s", (int)n, word);
    else if (simple)
        fprintf(out, "'%.*s'", (int)n, word);
    else
        put_escaped(out, word, n);
}

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
    put_word(out, word, (size_t)n);
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
    put_word(out, s->value, value_length(s->value));
    fputs(" > ", out);
    put_word(out, s->path, strlen(s->path));
}

const char *shell_quoted(struct doctor *d, const char *word)
{
    char *text = NULL;
    const char *copy;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (out != NULL)
        put_word(out, word, strlen(word));
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
        put_word(out, s->argv[i], strlen(s->argv[i]));
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
