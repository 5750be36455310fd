// SPDX-License-Identifier: Apache-2.0
//
// The configuration parser and the template compiler on arbitrary text. Includes lead into a
// directory of this process only, with a file that includes itself, one that is well formed and a
// FIFO.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/conf/schema.h"
#include "lib/conf/template.h"
#include "lib/conf/value.h"

static char dir[64];

static void put(const char *name, const char *text)
{
    char path[96];

    snprintf(path, sizeof(path), "%s%s", dir, name);
    FILE *f = fopen(path, "w");
    check(f != NULL);
    fputs(text, f);
    fclose(f);
}

static void remove_files(void)
{
    static const char *const names[] = {"a", "b", "f", ""};

    for (size_t i = 0; i < array_len(names); i++) {
        char path[96];
        snprintf(path, sizeof(path), "%s%s", dir, names[i]);
        remove(path);
    }
}

static void make_files(void)
{
    char fifo[96];

    strcpy(dir, "/tmp/conf-fuzz-XXXXXX");
    check(mkdtemp(dir) != NULL);
    strcat(dir, "/");
    put("a", "x 1;\ny { z; }\n");
    put("b", "x;\ninclude b;\n");
    snprintf(fifo, sizeof(fifo), "%sf", dir);
    check(mkfifo(fifo, 0600) == 0);
    atexit(remove_files);
}

// Leaves the directory out of the reach of a path in the input.
static bool may_escape(const uint8_t *data, size_t n)
{
    return memmem(data, n, "include", 7) != NULL && memchr(data, '/', n) != NULL;
}

static int look(void *ctx, const struct conf_node *node, struct conf_error *error)
{
    (void)ctx;
    (void)error;
    check(node->argc >= 1);
    return 0;
}

static unsigned check_nodes(const struct conf_node *first, const struct conf_node *parent)
{
    unsigned count = 0;

    for (const struct conf_node *n = first; n != NULL; n = n->next) {
        check(n->line >= 1 && n->file != NULL && n->parent == parent);
        check(n->argc >= 1 && !sv_eq(n->argv[0], SV("include")));
        for (unsigned i = 0; i < n->argc; i++)
            check(strlen(n->argv[i].p) == n->argv[i].n && n->argv[i].n < CONF_TOKEN_MAX);
        check(n->block || n->children == NULL);
        count += 1 + check_nodes(n->children, n);
    }
    return count;
}

static void fuzz_parse(struct arena *a, struct sv text, const char *name)
{
    struct conf_options o = {.prefix = dir, .head = look};
    struct conf_tree tree;
    struct conf_error error;
    int rc = conf_parse_text(a, text, name, &o, &tree, &error);

    check(rc == 0 || rc == -EINVAL);
    check((rc == 0) == (error.text[0] == '\0'));
    check(memchr(error.text, '\0', sizeof(error.text)) != NULL);
    check_nodes(tree.first, NULL);
}

static bool read_name(void *ctx, const struct var *v, struct sv *out)
{
    (void)ctx;
    *out = v->name;
    return v->name.n % 2 == 0;
}

static bool read_capture(void *ctx, int n, struct sv *out)
{
    (void)ctx;
    check(n >= 1 && n <= 9);
    *out = SV("captured");
    return n < 5;
}

static void fuzz_template(struct arena *a, struct sv text)
{
    static const struct template_reader reader = {read_name, read_capture};
    struct var_registry vars;
    struct template *t;
    struct conf_error error;
    struct sv out;

    check(var_registry_init(&vars, a) == 0);
    check(var_define(&vars, &(struct var){.name = SV("host")}, NULL) == 0);
    check(var_define(&vars, &(struct var){.name = SV("arg_"), .flags = VAR_PREFIX}, NULL) == 0);
    int rc = template_compile(&vars, text, NULL, &t, &error);
    bool dollar = text.n != 0 && memchr(text.p, '$', text.n) != NULL;
    check(rc == 0 || (rc == -EINVAL && dollar));
    if (rc != 0)
        return;
    check(t->constant == !dollar);
    check(template_eval(t, &reader, NULL, a, &out) == 0);
    check(dollar || sv_eq(out, text));
}

static void fuzz_values(struct sv text)
{
    int64_t size, offset, n;

    if (conf_size(text, &size) == 0)
        check(size >= 0 && conf_offset(text, &offset) == 0 && size == offset);
    if (conf_number(text, &n) == 0)
        check(n >= 0 && conf_sec(text, &size) == 0 && n == size);
    if (conf_sec(text, &size) == 0)
        check(size >= 0);
    if (conf_msec(text, &n) == 0)
        check(n >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct sv text = {(const char *)data, n};
    struct arena a;

    if (dir[0] == '\0')
        make_files();
    arena_init(&a, NULL);
    if (!may_escape(data, n)) {
        fuzz_parse(&a, text, "fuzz.conf");
        fuzz_parse(&a, text, "command line");
    }
    fuzz_template(&a, text);
    fuzz_values(text);
    arena_reset(&a);
    return 0;
}
