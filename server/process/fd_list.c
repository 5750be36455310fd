// SPDX-License-Identifier: Apache-2.0
#include "server/process/fd_list.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/sv.h"

int fd_list_add(struct fd_list *l, int fd)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 16 : l->cap * 2;
        int *at = realloc(l->at, cap * sizeof(*at));

        if (at == NULL)
            return -ENOMEM;
        l->at = at;
        l->cap = cap;
    }
    l->at[l->n++] = fd;
    return 0;
}

void fd_list_free(struct fd_list *l)
{
    free(l->at);
    memset(l, 0, sizeof(*l));
}

int fd_list_parse(const char *text, struct fd_list *l, const char **bad)
{
    *bad = NULL;
    while (*text != '\0') {
        size_t n = strcspn(text, ":;");
        uint64_t fd;

        if (text[n] == '\0' || sv_to_u64(sv_of(text, n), &fd) != 0 || fd > INT_MAX) {
            *bad = text;
            return 0;
        }
        if (fd_list_add(l, (int)fd) != 0)
            return -ENOMEM;
        text += n + 1;
    }
    return 0;
}

char *fd_list_format(const struct fd_list *l)
{
    size_t size = sizeof(FD_LIST_VARIABLE "=") + l->n * sizeof("2147483647;");
    char *text = malloc(size);
    size_t at;

    if (text == NULL)
        return NULL;
    at = (size_t)snprintf(text, size, "%s=", FD_LIST_VARIABLE);
    for (size_t i = 0; i < l->n; i++)
        at += (size_t)snprintf(text + at, size - at, "%d;", l->at[i]);
    return text;
}
