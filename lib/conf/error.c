// SPDX-License-Identifier: Apache-2.0
//
// Messages of a configuration's faults, in nginx's form: text, errno text, place. The place is
// never cut off, because it is what the reader needs most; the text gives way.
#include <stdarg.h>
#include <stdio.h>

#include "lib/conf/parse_priv.h"

#define SHOWN_PATH_MAX 200 // of a longer path only the end is shown

bool conf_is_command_line(const char *file)
{
    return strcmp(file, "command line") == 0;
}

static void format_place(const struct conf_node *node, char *out, size_t size)
{
    size_t n = strlen(node->file);
    const char *dots = n > SHOWN_PATH_MAX ? "..." : "";
    const char *tail = n > SHOWN_PATH_MAX ? node->file + n - SHOWN_PATH_MAX : node->file;

    if (conf_is_command_line(node->file))
        snprintf(out, size, " in command line");
    else
        snprintf(out, size, " in %s%s:%u", dots, tail, node->line);
}

static size_t format_errno(int err, char *out, size_t size)
{
    const char *text = strerrordesc_np(err);

    snprintf(out, size, " (%d: %s)", err, text != NULL ? text : "Unknown error");
    return strlen(out);
}

int conf_fail(struct conf_error *error, const struct conf_node *node, int err, const char *fmt, ...)
{
    char suffix[320] = "";
    size_t used = err != 0 ? format_errno(err, suffix, 80) : 0;
    va_list args;

    if (node != NULL)
        format_place(node, suffix + used, sizeof(suffix) - used);

    size_t room = sizeof(error->text) - strlen(suffix) - 1;
    va_start(args, fmt);
    int n = vsnprintf(error->text, room + 1, fmt, args);
    va_end(args);

    size_t at = n > 0 ? (size_t)n : 0;
    if (at > room) {
        at = room;
        memcpy(error->text + at - 3, "...", 3);
    }
    memcpy(error->text + at, suffix, strlen(suffix) + 1);
    error->err = err;
    return -EINVAL;
}
