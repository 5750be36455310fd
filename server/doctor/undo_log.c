// SPDX-License-Identifier: Apache-2.0
//
// The undo log as text. Pure: bytes in, steps out. The text is not trusted.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/doctor/rules_priv.h"
#include "server/doctor/undo_priv.h"

#define HEAD "millrace-doctor-undo 1"
#define STEPS_MAX 8192
#define WORDS_MAX 8192

void undo_log_init(struct undo_log *log, const char *boot)
{
    *log = (struct undo_log){0};
    arena_init(&log->arena, NULL);
    snprintf(log->boot, sizeof(log->boot), "%s", boot);
}

void undo_log_free(struct undo_log *log)
{
    arena_reset(&log->arena);
    free(log->steps);
    *log = (struct undo_log){0};
}

static int make_room(struct undo_log *log)
{
    if (log->n < log->room)
        return 0;
    unsigned room = log->room > 0 ? log->room * 2 : 64;
    struct step *steps = reallocarray(log->steps, room, sizeof(*steps));
    if (steps == NULL)
        return -ENOMEM;
    log->steps = steps;
    log->room = room;
    return 0;
}

static const char *copy(struct undo_log *log, const char *text)
{
    return arena_strndup(&log->arena, text, strlen(text));
}

static const char *const *copy_argv(struct undo_log *log, const char *const *argv)
{
    const char **out;
    size_t n = 0;

    while (argv[n] != NULL)
        n++;
    out = arena_array(&log->arena, const char *, n + 1);
    for (size_t i = 0; out != NULL && i < n; i++) {
        out[i] = copy(log, argv[i]);
        if (out[i] == NULL)
            return NULL;
    }
    return out;
}

int undo_log_add(struct undo_log *log, const struct step *s)
{
    struct step mine = {0};

    if (make_room(log) != 0)
        return -ENOMEM;
    if (s->argv != NULL) {
        mine.argv = copy_argv(log, s->argv);
        if (mine.argv == NULL)
            return -ENOMEM;
    } else {
        mine.path = copy(log, s->path);
        mine.value = copy(log, s->value);
        if (mine.path == NULL || mine.value == NULL)
            return -ENOMEM;
    }
    log->steps[log->n++] = mine;
    return 0;
}

bool undo_log_has(const struct undo_log *log, const struct step *s)
{
    for (unsigned i = 0; i < log->n; i++) {
        if (step_same_setting(&log->steps[i], s))
            return true;
    }
    return false;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Undoes the escaping into `out`, which has room for word.n + 1 bytes.
static int unescape(struct sv word, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < word.n; i++) {
        unsigned char c = (unsigned char)word.p[i];

        if (c <= ' ' || c >= 0x7f)
            return -EINVAL;
        if (c == '\\') {
            if (word.n - i < 4 || word.p[i + 1] != 'x' || hex(word.p[i + 2]) < 0 ||
                hex(word.p[i + 3]) < 0)
                return -EINVAL;
            c = (unsigned char)(hex(word.p[i + 2]) << 4 | hex(word.p[i + 3]));
            i += 3;
        }
        if (c == '\0')
            return -EINVAL;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return n > 0 ? 0 : -EINVAL;
}

// Splits a line into words of the arena, ended by NULL.
static int split(struct undo_log *log, struct sv line, const char ***out, unsigned *count)
{
    unsigned n = 0;
    size_t words = 1;

    for (size_t i = 0; i < line.n; i++)
        words += line.p[i] == ' ';
    if (words > WORDS_MAX)
        return -EINVAL;
    *out = arena_array(&log->arena, const char *, words + 1);
    if (*out == NULL)
        return -ENOMEM;
    for (bool more = true; more; n++) {
        ptrdiff_t space = sv_find(line, ' ');
        struct sv word = space < 0 ? line : sv_take(line, (size_t)space);
        char *text = arena_alloc(&log->arena, word.n + 1);

        if (text == NULL)
            return -ENOMEM;
        if (unescape(word, text) != 0)
            return -EINVAL;
        (*out)[n] = text;
        more = space >= 0;
        line = more ? sv_skip(line, (size_t)space + 1) : line;
    }
    *count = n;
    return 0;
}

static int parse_entry(struct undo_log *log, struct sv line)
{
    const char **words;
    struct step s = {0};
    unsigned n;
    int rc = split(log, line, &words, &n);

    if (rc != 0)
        return rc;
    if (strcmp(words[0], "write") == 0 && n == 3) {
        s.path = words[1];
        s.value = words[2];
    } else if (strcmp(words[0], "run") == 0 && n > 1) {
        s.argv = words + 1;
    } else {
        return -EINVAL;
    }
    if (log->n >= STEPS_MAX || !step_allowed(&s) || undo_log_has(log, &s))
        return -EINVAL;
    if (make_room(log) != 0)
        return -ENOMEM;
    log->steps[log->n++] = s;
    return 0;
}

static int parse_boot(struct undo_log *log, struct sv line)
{
    struct sv boot = sv_skip(line, sizeof("boot ") - 1);

    if (!sv_starts(line, SV("boot ")) || boot.n == 0 || boot.n >= sizeof(log->boot))
        return -EINVAL;
    for (size_t i = 0; i < boot.n; i++) {
        if (hex(boot.p[i]) < 0 && boot.p[i] != '-')
            return -EINVAL;
    }
    memcpy(log->boot, boot.p, boot.n);
    log->boot[boot.n] = '\0';
    return 0;
}

static int parse_line(struct undo_log *log, struct sv line, unsigned number)
{
    if (number == 1)
        return sv_eq(line, SV(HEAD)) ? 0 : -EINVAL;
    return number == 2 ? parse_boot(log, line) : parse_entry(log, line);
}

int undo_log_parse(struct undo_log *log, struct sv text, unsigned *line)
{
    undo_log_free(log);
    undo_log_init(log, "-");
    for (*line = 1; text.n > 0 || *line <= 2; ++*line) {
        ptrdiff_t end = sv_find(text, '\n');
        int rc = end < 0 ? -EINVAL : parse_line(log, sv_take(text, (size_t)end), *line);

        if (rc != 0)
            return rc;
        text = sv_skip(text, (size_t)end + 1);
    }
    return 0;
}

static void put_word(FILE *out, const char *word)
{
    fputc(' ', out);
    for (; *word != '\0'; word++) {
        unsigned char c = (unsigned char)*word;

        if (c <= ' ' || c >= 0x7f || c == '\\')
            fprintf(out, "\\x%02x", c);
        else
            fputc(c, out);
    }
}

static void put_step(FILE *out, const struct step *s)
{
    if (s->argv == NULL) {
        fputs("write", out);
        put_word(out, s->path);
        put_word(out, s->value);
    } else {
        fputs("run", out);
        for (size_t i = 0; s->argv[i] != NULL; i++)
            put_word(out, s->argv[i]);
    }
    fputc('\n', out);
}

char *undo_log_format(const struct undo_log *log, size_t *n)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, n);

    if (out == NULL)
        return NULL;
    fprintf(out, HEAD "\nboot %s\n", log->boot);
    for (unsigned i = 0; i < log->n; i++)
        put_step(out, &log->steps[i]);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
