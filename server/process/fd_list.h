// SPDX-License-Identifier: Apache-2.0
//
// The list of listening sockets that one binary hands to the next through the environment, in
// nginx's form: "NGINX=6;7;8;". Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/compiler.h"

#define FD_LIST_VARIABLE "NGINX"

struct fd_list {
    int *at; // malloc'd
    size_t n, cap;
};

// -ENOMEM.
must_check int fd_list_add(struct fd_list *l, int fd);
void fd_list_free(struct fd_list *l);

// Numbers, each ended by ';' or ':'. What is no number ends the list, and *bad (NULL otherwise)
// points to it; the numbers before it stay. 0 or -ENOMEM.
must_check int fd_list_parse(const char *text, struct fd_list *l, const char **bad);

// "NGINX=6;7;8;", malloc'd; NULL when memory is out.
char *fd_list_format(const struct fd_list *l);
