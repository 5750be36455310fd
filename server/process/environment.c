// SPDX-License-Identifier: Apache-2.0
#include "server/process/environment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "server/config/config.h"

static const char *find(char *const *from, const char *name, size_t n)
{
    for (; *from != NULL; from++) {
        if (strncmp(*from, name, n) == 0 && (*from)[n] == '=')
            return *from;
    }
    return NULL;
}

static bool is_name(const char *text, const char *name)
{
    size_t n = strlen(name);

    return strncmp(text, name, n) == 0 && (text[n] == '\0' || text[n] == '=');
}

char **environment_make(const struct env_line *lines, char *const *from, const char *extra)
{
    size_t n = 3, used = 0; // TZ, extra, NULL
    bool has_tz = false;
    char **out;

    for (const struct env_line *l = lines; l != NULL; l = l->next, n++)
        has_tz = has_tz || is_name(l->text, "TZ");
    out = calloc(n, sizeof(*out));
    if (out == NULL)
        return NULL;
    for (const struct env_line *l = lines; l != NULL; l = l->next) {
        const char *value = strchr(l->text, '=') != NULL ? l->text
                                                         : find(from, l->text, strlen(l->text));

        if (value != NULL)
            out[used++] = (char *)value;
    }
    if (!has_tz && find(from, "TZ", 2) != NULL)
        out[used++] = (char *)find(from, "TZ", 2);
    if (extra != NULL)
        out[used++] = (char *)extra;
    return out;
}
