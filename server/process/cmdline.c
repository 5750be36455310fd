// SPDX-License-Identifier: Apache-2.0
//
// Options may be written together ("-tq") and an option's argument may follow at once ("-cFILE")
// or as the next word. Long ones stand alone.
#include "server/process/cmdline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/process/cmdline_priv.h"
#include "version.h"

static const struct long_option long_options[] = {
    {"topology", LONG_MODE, WITH(CMD_TOPOLOGY), 0, NULL},
    {"status", LONG_MODE, WITH(CMD_STATUS), 0, NULL},
    {"doctor", LONG_MODE, WITH(CMD_DOCTOR), 0, NULL},
    {"egress-rules", LONG_MODE, WITH(CMD_EGRESS_RULES), 0, NULL},
    {"json", LONG_FLAG,
     WITH(CMD_TOPOLOGY) | WITH(CMD_STATUS) | WITH(CMD_DOCTOR) | WITH(CMD_EGRESS_RULES),
     offsetof(struct cmdline, json), NULL},
    {"root", LONG_TEXT, WITH(CMD_TOPOLOGY) | WITH(CMD_DOCTOR), offsetof(struct cmdline, root),
     "directory name"},
    {"apply", LONG_FLAG, WITH(CMD_DOCTOR) | WITH(CMD_EGRESS_RULES),
     offsetof(struct cmdline, apply), NULL},
    {"undo", LONG_FLAG, WITH(CMD_DOCTOR) | WITH(CMD_EGRESS_RULES),
     offsetof(struct cmdline, undo), NULL},
    {"once", LONG_FLAG, WITH(CMD_STATUS), offsetof(struct cmdline, once), NULL},
    {"interval", LONG_SECONDS, WITH(CMD_STATUS), offsetof(struct cmdline, interval_ms),
     "number of seconds"},
};

static const struct long_table long_table = {long_options, array_len(long_options)};

// Options that are flags, by letter.
static bool set_flag(struct cmdline *c, char letter)
{
    switch (letter) {
    case '?':
    case 'h':
        c->version = c->help = true;
        return true;
    case 'v':
        c->version = true;
        return true;
    case 'V':
        c->version = c->configure = true;
        return true;
    case 't':
        c->test = true;
        return true;
    case 'T':
        c->test = c->dump = true;
        return true;
    case 'q':
        c->quiet = true;
        return true;
    default:
        return false;
    }
}

struct valued {
    char letter;
    const char *requires;
    size_t offset;
};

static const struct valued valued[] = {
    {'p', "directory name", offsetof(struct cmdline, prefix)},
    {'e', "file name", offsetof(struct cmdline, error_log)},
    {'c', "file name", offsetof(struct cmdline, conf_file)},
    {'g', "parameter", offsetof(struct cmdline, globals)},
    {'s', "parameter", offsetof(struct cmdline, signal)},
};

static const struct valued *find_valued(char letter)
{
    for (size_t i = 0; i < array_len(valued); i++) {
        if (valued[i].letter == letter)
            return &valued[i];
    }
    return NULL;
}

static bool is_signal(const char *word)
{
    static const char *const words[] = {"stop", "quit", "reopen", "reload"};

    for (size_t i = 0; i < array_len(words); i++) {
        if (strcmp(word, words[i]) == 0)
            return true;
    }
    return false;
}

static int set_valued(struct cmdline *c, const struct valued *v, const char *value, char *why,
                      size_t why_size)
{
    if (value == NULL) {
        snprintf(why, why_size, "option \"-%c\" requires %s", v->letter, v->requires);
        return -EINVAL;
    }
    if (v->letter == 's' && !is_signal(value)) {
        snprintf(why, why_size, "invalid option: \"-s %s\"", value);
        return -EINVAL;
    }
    *(const char **)((char *)c + v->offset) = value;
    return 0;
}

// One word of flags, ended by an option with a value. `*i` moves when that is the next word.
static int parse_word(char *const argv[], int *i, struct cmdline *c, char *why, size_t why_size)
{
    for (const char *p = argv[*i] + 1; *p != '\0'; p++) {
        const struct valued *v = find_valued(*p);

        if (v != NULL)
            return set_valued(c, v, p[1] != '\0' ? p + 1 : argv[++*i], why, why_size);
        if (!set_flag(c, *p)) {
            snprintf(why, why_size, "invalid option: \"%c\"", *p);
            return -EINVAL;
        }
    }
    return 0;
}

int cmdline_parse(int argc, char *const argv[], struct cmdline *c, char *why, size_t why_size)
{
    memset(c, 0, sizeof(*c));
    for (int i = 1; i < argc; i++) {
        int rc;

        if (argv[i][0] != '-') {
            snprintf(why, why_size, "invalid option: \"%s\"", argv[i]);
            return -EINVAL;
        }
        if (argv[i][1] == '-' && argv[i][2] != '\0')
            rc = cmdline_parse_long(&long_table, argv, &i, c, why, why_size);
        else
            rc = parse_word(argv, &i, c, why, why_size);
        if (rc != 0)
            return rc;
    }
    return cmdline_check_long(&long_table, c, why, why_size);
}

static char *join(const char *prefix, const char *path)
{
    char *out;

    if (path[0] == '/')
        prefix = "";
    return asprintf(&out, "%s%s", prefix, path) < 0 ? NULL : out;
}

static char *with_slash(const char *dir)
{
    size_t n = strlen(dir);
    char *out;

    return asprintf(&out, "%s%s", dir, n > 0 && dir[n - 1] != '/' ? "/" : "") < 0 ? NULL : out;
}

int cmdline_resolve(const struct cmdline *c, struct cmdline_paths *paths)
{
    const char *log = c->error_log != NULL ? c->error_log : MILLRACE_ERROR_LOG_PATH;
    const char *conf = c->conf_file != NULL ? c->conf_file : MILLRACE_CONF_PATH;

    memset(paths, 0, sizeof(*paths));
    paths->prefix = with_slash(c->prefix != NULL ? c->prefix : MILLRACE_PREFIX);
    if (paths->prefix != NULL) {
        paths->conf_file = join(paths->prefix, conf);
        if (log[0] == '\0' || strcmp(log, "stderr") == 0)
            paths->error_log = strdup("stderr");
        else
            paths->error_log = join(paths->prefix, log);
    }
    if (paths->conf_file == NULL || paths->error_log == NULL) {
        cmdline_paths_free(paths);
        return -ENOMEM;
    }
    return 0;
}

void cmdline_paths_free(struct cmdline_paths *paths)
{
    free(paths->prefix);
    free(paths->conf_file);
    free(paths->error_log);
    memset(paths, 0, sizeof(*paths));
}
