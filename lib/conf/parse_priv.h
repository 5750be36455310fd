// SPDX-License-Identifier: Apache-2.0
//
// Between the lexer, the reader of files and the parser: one source of text and how far it is read.
#pragma once

#include <errno.h>

#include "lib/base/hash.h"
#include "lib/conf/parse.h"

// A file, or text from memory, that is being parsed.
struct conf_source {
    const char *file;          // as in messages; configuration arena
    struct sv text;
    size_t pos;
    unsigned line;             // of `pos`, from 1
    bool command_line;         // nginx's -g: no blocks, other words in messages
    struct conf_source *outer; // the source with the `include`; NULL for the first
};

// Words of the directive being read; kept between directives so that it grows only a few times.
struct conf_words {
    struct sv *v; // heap
    unsigned n, capacity;
};

enum conf_event {
    CONF_EVENT_DIRECTIVE, // words, then ";"
    CONF_EVENT_BLOCK,     // words, then "{"
    CONF_EVENT_BLOCK_END, // "}"
    CONF_EVENT_EOF,
};

// Reads up to the next event. The words are terminated copies in `a`. 0, -EINVAL or -ENOMEM.
must_check int conf_lex(struct conf_source *s, struct arena *a, struct conf_words *words,
                        enum conf_event *event, struct conf_error *error);

// The whole of a regular file, terminated, in `a`. `from` is the `include` for the message, or
// NULL. Never waits, whatever the path turns out to be. 0, -EINVAL or -ENOMEM.
must_check int conf_read_file(struct arena *a, const char *path, const struct conf_node *from,
                              struct sv *text, struct conf_error *error);

// strmap_put for a table whose size is not known beforehand: makes a larger one in `a` when it is
// full.
must_check int conf_map_put(struct strmap *m, struct arena *a, struct sv key, void *value);

bool conf_is_command_line(const char *file);

// Where a source is now, for conf_fail().
static inline struct conf_node conf_here(const struct conf_source *s)
{
    return (struct conf_node){.file = s->file, .line = s->line};
}
