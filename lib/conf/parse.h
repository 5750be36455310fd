// SPDX-License-Identifier: Apache-2.0
//
// nginx's configuration grammar: bytes to a tree of directives. No semantics: it knows no directive
// but `include`. The grammar is that of ngx_conf_file.c: words, '...' and "..." with their escapes,
// # comments, ';', '{', '}', ${name}.
#pragma once

#include "lib/base/arena.h"
#include "lib/base/sv.h"

struct conf_file {
    const char *path;  // as shown in messages; configuration arena
    struct sv text;    // its whole content, for -T
    struct conf_file *next;
};

struct conf_node {
    struct sv *argv;      // argv[0] is the name; all terminated; escapes and quotes resolved
    unsigned argc;
    unsigned line;
    const char *file;
    bool block;           // "{" instead of ";"
    struct conf_node *parent;   // NULL at the top
    struct conf_node *children; // first of the block
    struct conf_node *next;
};

struct conf_error {
    // The whole line but its level: "open() \"x\" failed (2: No such ...) in FILE:LINE".
    char text[512];
    int err;        // the errno value that `text` shows, or 0; for callers that decide by it
};

struct conf_source;

// Lets the program look at each directive but `include` when its head has been read, before its
// block or what follows it is parsed, so that the first error of a file is the one that is
// reported. May be NULL. 0 to go on; -EINVAL with `error` filled to stop.
typedef int (*conf_head_fn)(void *ctx, const struct conf_node *node, struct conf_error *error);

struct conf_options {
    const char *prefix;     // directory that relative `include`s start from, with its last slash
    conf_head_fn head;
    void *ctx;
};

struct conf_tree {
    struct conf_node *first;
    struct conf_file *files; // in order of reading, each path once
};

// Limits on hostile input; nginx's buffer is 4096 bytes for one token.
#define CONF_TOKEN_MAX 4096
#define CONF_DEPTH_MAX 64
#define CONF_INCLUDE_MAX 64   // nested
#define CONF_FILE_MAX (64u << 20)

// `path` as the caller opens it. 0, -EINVAL (see error; also when a file cannot be read) or
// -ENOMEM. The tree, its words and the text of the files are in `a`.
must_check int conf_parse_file(struct arena *a, const char *path, const struct conf_options *o,
                               struct conf_tree *tree, struct conf_error *error);
// The same from memory; `name` stands for the file in messages ("command line" for -g: no line
// then).
must_check int conf_parse_text(struct arena *a, struct sv text, const char *name,
                               const struct conf_options *o, struct conf_tree *tree,
                               struct conf_error *error);

// Stores the message, " (N: errno text)" when `err` is not 0, and " in FILE:LINE" when `node` is
// not NULL (" in command line" for -g). Always returns -EINVAL, so that a setter can return it.
int conf_fail(struct conf_error *error, const struct conf_node *node, int err, const char *fmt, ...)
    printf_like(4, 5);
