// SPDX-License-Identifier: Apache-2.0
//
// Builds the tree of directives and expands `include`. Recursion is as deep as blocks and files
// nest, which is bounded; so is the text read in all, because files that include others twice would
// grow without end.
#include "lib/conf/parse.h"

#include <glob.h>
#include <stdlib.h>

#include "lib/conf/parse_priv.h"

#define INCLUDES_MAX 100000           // in one configuration
#define TEXT_MAX (256u << 20)         // bytes in one configuration, repeated files counted again

struct parser {
    struct arena *a;
    const struct conf_options *o;
    struct conf_tree *tree;
    struct conf_file **files_tail;
    struct strmap files; // path -> struct conf_file
    struct conf_error *error;
    struct conf_words words;
    unsigned depth;    // of blocks
    unsigned nested;   // sources being read
    unsigned includes; // so far
    size_t bytes;      // so far
};

// Where the next node is to be hung in.
struct place {
    struct conf_node *parent;
    struct conf_node **tail;
};

static int parse_items(struct parser *p, struct conf_source *s, struct place *at, bool in_block);

static struct conf_node *make_node(struct parser *p, const struct conf_source *s,
                                   const struct place *at, bool block)
{
    struct conf_node *node = arena_new(p->a, struct conf_node);
    struct sv *argv = arena_array(p->a, struct sv, p->words.n);

    if (node == NULL || argv == NULL)
        return NULL;
    memcpy(argv, p->words.v, p->words.n * sizeof(*argv));
    *node = (struct conf_node){
        .argv = argv,
        .argc = p->words.n,
        .line = s->line,
        .file = s->file,
        .block = block,
        .parent = at->parent,
    };
    return node;
}

static int parse_block(struct parser *p, struct conf_source *s, struct conf_node *node)
{
    struct place at = {.parent = node, .tail = &node->children};

    if (p->depth >= CONF_DEPTH_MAX)
        return conf_fail(p->error, node, 0, "blocks are nested more than %d deep", CONF_DEPTH_MAX);
    p->depth++;
    int rc = parse_items(p, s, &at, true);
    p->depth--;
    return rc;
}

// Each path is read and recorded once, so that -T shows exactly what was parsed.
static int get_file(struct parser *p, const char *path, const struct conf_node *from,
                    struct conf_file **out)
{
    struct conf_file *f = strmap_get(&p->files, sv_from(path));
    int rc;

    *out = f;
    if (f != NULL)
        return 0;
    f = arena_new(p->a, struct conf_file);
    if (f == NULL)
        return -ENOMEM;
    rc = conf_read_file(p->a, path, from, &f->text, p->error);
    if (rc != 0)
        return rc;
    f->path = arena_strndup(p->a, path, strlen(path));
    if (f->path == NULL || conf_map_put(&p->files, p->a, sv_from(f->path), f) != 0)
        return -ENOMEM;
    *p->files_tail = f;
    p->files_tail = &f->next;
    *out = f;
    return 0;
}

static bool is_being_read(const struct conf_source *s, const char *path)
{
    for (; s != NULL; s = s->outer)
        if (strcmp(s->file, path) == 0)
            return true;
    return false;
}

static int parse_source(struct parser *p, struct conf_source *s, struct place *at,
                        const struct conf_node *from)
{
    p->bytes += s->text.n;
    if (p->bytes > TEXT_MAX)
        return conf_fail(p->error, from, 0, "configuration is larger than %u bytes", TEXT_MAX);
    p->nested++;
    int rc = parse_items(p, s, at, false);
    p->nested--;
    return rc;
}

static int include_file(struct parser *p, struct conf_source *outer, const struct conf_node *node,
                        const char *path, struct place *at)
{
    struct conf_file *f;

    if (is_being_read(outer, path))
        return conf_fail(p->error, node, 0, "\"%s\" includes itself", path);
    if (p->nested >= CONF_INCLUDE_MAX)
        return conf_fail(p->error, node, 0, "files include each other more than %d deep",
                         CONF_INCLUDE_MAX);
    if (++p->includes > INCLUDES_MAX)
        return conf_fail(p->error, node, 0, "more than %d files are included", INCLUDES_MAX);

    int rc = get_file(p, path, node, &f);
    if (rc != 0)
        return rc;
    struct conf_source s = {.file = f->path, .text = f->text, .line = 1, .outer = outer};
    return parse_source(p, &s, at, node);
}

static int include_matches(struct parser *p, struct conf_source *outer,
                           const struct conf_node *node, const char *pattern, struct place *at)
{
    glob_t g;
    int rc = glob(pattern, 0, NULL, &g);

    if (rc == GLOB_NOMATCH)
        return 0;
    if (rc == GLOB_NOSPACE)
        return -ENOMEM;
    if (rc != 0)
        return conf_fail(p->error, node, errno, "glob() \"%s\" failed", pattern);
    for (size_t i = 0; rc == 0 && i < g.gl_pathc; i++)
        rc = include_file(p, outer, node, g.gl_pathv[i], at);
    globfree(&g);
    return rc;
}

static int include(struct parser *p, struct conf_source *s, const struct conf_node *node,
                   struct place *at)
{
    const char *prefix = p->o != NULL && p->o->prefix != NULL ? p->o->prefix : "";

    if (node->block)
        return conf_fail(p->error, node, 0, "directive \"include\" is not terminated by \";\"");
    if (node->argc != 2)
        return conf_fail(p->error, node, 0, "invalid number of arguments in \"include\" directive");

    const char *name = node->argv[1].p;
    struct sv path = arena_printf(p->a, "%s%s", name[0] == '/' ? "" : prefix, name);
    if (path.p == NULL)
        return -ENOMEM;
    if (strpbrk(path.p, "*?[") != NULL)
        return include_matches(p, s, node, path.p, at);
    return include_file(p, s, node, path.p, at);
}

static int parse_directive(struct parser *p, struct conf_source *s, struct place *at, bool block)
{
    struct conf_node *node = make_node(p, s, at, block);

    if (node == NULL)
        return -ENOMEM;
    if (block && s->command_line)
        return conf_fail(p->error, node, 0, "block directives are not supported in -g option");
    if (sv_eq(node->argv[0], SV("include")))
        return include(p, s, node, at);
    *at->tail = node;
    at->tail = &node->next;
    if (p->o != NULL && p->o->head != NULL) {
        int rc = p->o->head(p->o->ctx, node, p->error);
        if (rc != 0)
            return rc;
    }
    return block ? parse_block(p, s, node) : 0;
}

// Up to the end of the block or, outside of blocks, of the source.
static int parse_items(struct parser *p, struct conf_source *s, struct place *at, bool in_block)
{
    for (;;) {
        enum conf_event event;
        int rc = conf_lex(s, p->a, &p->words, &event, p->error);
        if (rc != 0)
            return rc;

        if (event == CONF_EVENT_EOF || event == CONF_EVENT_BLOCK_END) {
            struct conf_node here = conf_here(s);
            if (in_block == (event == CONF_EVENT_BLOCK_END))
                return 0;
            return conf_fail(p->error, &here, 0,
                             in_block ? "unexpected end of file, expecting \"}\""
                                      : "unexpected \"}\"");
        }
        rc = parse_directive(p, s, at, event == CONF_EVENT_BLOCK);
        if (rc != 0)
            return rc;
    }
}

static struct parser parser_make(struct arena *a, const struct conf_options *o,
                                 struct conf_tree *tree, struct conf_error *error)
{
    *tree = (struct conf_tree){0};
    *error = (struct conf_error){0};
    return (struct parser){
        .a = a, .o = o, .tree = tree, .files_tail = &tree->files, .error = error};
}

static int parse_first(struct parser *p, struct conf_source *s)
{
    struct place at = {.tail = &p->tree->first};
    int rc = parse_source(p, s, &at, NULL);

    free(p->words.v);
    return rc;
}

int conf_parse_file(struct arena *a, const char *path, const struct conf_options *o,
                    struct conf_tree *tree, struct conf_error *error)
{
    struct parser p = parser_make(a, o, tree, error);
    struct conf_file *f;
    int rc = get_file(&p, path, NULL, &f);

    if (rc != 0)
        return rc;
    struct conf_source s = {.file = f->path, .text = f->text, .line = 1};
    return parse_first(&p, &s);
}

int conf_parse_text(struct arena *a, struct sv text, const char *name,
                    const struct conf_options *o, struct conf_tree *tree, struct conf_error *error)
{
    struct parser p = parser_make(a, o, tree, error);
    struct conf_source s = {
        .file = arena_strndup(a, name, strlen(name)),
        .text = text,
        .line = 1,
        .command_line = conf_is_command_line(name),
    };

    return s.file != NULL ? parse_first(&p, &s) : -ENOMEM;
}
