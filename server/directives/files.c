// SPDX-License-Identifier: Apache-2.0
//
// From a path to a file: root, alias, index, try_files, the cache of open files, symbolic links,
// and how files are sent.
#include "lib/conf/value.h"
#include "server/directives/rows_priv.h"
#include "server/config/location_conf.h"
#include "server/process/report.h"

static int check_root_variables(struct conf_apply *ap, const struct conf_node *node)
{
    static const char *const circular[][2] = {
        {"$document_root", "${document_root}"},
        {"$realpath_root", "${realpath_root}"},
    };
    const char *path = node->argv[1].p;

    for (size_t i = 0; i < array_len(circular); i++) {
        if (strstr(path, circular[i][0]) != NULL || strstr(path, circular[i][1]) != NULL)
            return conf_fail(ap->error, node, 0,
                             "the %s variable cannot be used in the \"%s\" directive",
                             circular[i][0], node->argv[0].p);
    }
    return 0;
}

static int check_root(struct conf_apply *ap, const struct conf_node *node, bool alias)
{
    const struct location_conf *l = block_of(ap)->location;
    const char *name = node->argv[0].p;

    if (l->root != CONF_UNSET_PTR && l->alias == alias)
        return fail_duplicate(ap, node);
    if (l->root != CONF_UNSET_PTR)
        return conf_fail(ap->error, node, 0,
                         "\"%s\" directive is duplicate, \"%s\" directive was specified earlier",
                         name, l->alias ? "alias" : "root");
    if (alias && l->kind == LOC_NAMED)
        return conf_fail(ap->error, node, 0,
                         "the \"alias\" directive cannot be used inside the named location");
    return check_root_variables(ap, node);
}

// Relative ones start from the prefix, unless a variable stands first.
static struct sv full_path(struct conf_apply *ap, struct sv text)
{
    const char *prefix = loader_of(ap)->config->prefix;

    if (text.n != 0 && (text.p[0] == '/' || text.p[0] == '$'))
        return text;
    return arena_printf(ap->arena, "%s%.*s", prefix, SV_ARG(text));
}

// root and alias; row->aux is set for alias.
static int set_root(struct conf_apply *ap, const struct conf_directive *row,
                    const struct conf_node *node, void *field)
{
    struct location_conf *l = block_of(ap)->location;
    bool alias = row->aux != NULL;

    (void)field;
    int rc = check_root(ap, node, alias);
    if (rc != 0)
        return rc;
    struct sv path = full_path(ap, node->argv[1]);
    if (path.p == NULL)
        return -ENOMEM;
    if (!alias && path.n > 1 && sv_ends(path, SV("/")))
        path.n--;
    l->alias = alias;
    l->alias_len = alias ? l->name.n : 0;
    l->root_is_final = alias && l->kind == LOC_REGEX;
    return template_compile(ap->vars, path, node, &l->root, ap->error);
}

static unsigned count_index(struct template *const *names)
{
    unsigned n = 0;

    while (names != CONF_UNSET_PTR && names[n] != NULL)
        n++;
    return n;
}

static int check_index(struct conf_apply *ap, const struct conf_node *node, unsigned i)
{
    if (node->argv[i].n == 0)
        return conf_fail(ap->error, node, 0, "index \"\" in \"index\" directive is invalid");
    if (node->argv[i].p[0] == '/' && i != node->argc - 1)
        report(LOG_LEVEL_WARN, 0,
               "only the last index in \"index\" directive should be absolute in %s:%u", node->file,
               node->line);
    return 0;
}

// Repeated lines of one block add up.
static int set_index(struct conf_apply *ap, const struct conf_directive *row,
                     const struct conf_node *node, void *field)
{
    struct template ***names = field;
    unsigned old = count_index(*names);
    struct template **grown = arena_array(ap->arena, struct template *, old + node->argc);

    (void)row;
    if (grown == NULL)
        return -ENOMEM;
    if (old != 0)
        memcpy(grown, *names, old * sizeof(struct template *));
    for (unsigned i = 1; i < node->argc; i++) {
        int rc = check_index(ap, node, i);
        if (rc == 0)
            rc = template_compile(ap->vars, node->argv[i], node, &grown[old + i - 1], ap->error);
        if (rc != 0)
            return rc;
    }
    *names = grown;
    return 0;
}

static int read_last_try(struct conf_apply *ap, const struct conf_node *node, struct sv word,
                         struct try_file *t)
{
    struct sv digits;
    int64_t code;

    t->named = sv_starts(word, SV("@"));
    if (!take_prefix(word, "=", &digits))
        return template_compile(ap->vars, word, node, &t->name, ap->error);
    if (conf_number(digits, &code) != 0 || code > 999)
        return conf_fail(ap->error, node, 0, "invalid code \"%.*s\"", SV_ARG(word));
    t->status = (int)code;
    return 0;
}

static int read_try(struct conf_apply *ap, const struct conf_node *node, struct sv word,
                    struct try_file *t)
{
    if (sv_ends(word, SV("/"))) {
        t->directory = true;
        word.n--;
    }
    return template_compile(ap->vars, word, node, &t->name, ap->error);
}

static int set_try_files(struct conf_apply *ap, const struct conf_directive *row,
                         const struct conf_node *node, void *field)
{
    struct location_conf *l = block_of(ap)->location;
    unsigned count = node->argc - 1;
    int rc = 0;

    (void)row;
    (void)field;
    if (l->try_files != NULL)
        return fail_duplicate(ap, node);
    l->try_files = arena_array(ap->arena, struct try_file, count);
    if (l->try_files == NULL)
        return -ENOMEM;
    l->ntry_files = count;
    for (unsigned i = 0; rc == 0 && i < count - 1; i++)
        rc = read_try(ap, node, node->argv[i + 1], &l->try_files[i]);
    return rc != 0 ? rc : read_last_try(ap, node, node->argv[count], &l->try_files[count - 1]);
}

static bool read_cache_word(struct sv word, void *out)
{
    struct file_cache_policy *p = out;
    struct sv rest;
    int64_t n;

    if (take_prefix(word, "inactive=", &rest))
        return conf_sec(rest, &p->inactive_s) == 0;
    if (!take_prefix(word, "max=", &rest) || conf_number(rest, &n) != 0 || n == 0 || n > INT32_MAX)
        return false;
    p->max = (uint32_t)n;
    return true;
}

static int set_open_file_cache(struct conf_apply *ap, const struct conf_directive *row,
                               const struct conf_node *node, void *field)
{
    const struct file_cache_policy **out = field;
    struct file_cache_policy *p = arena_new(ap->arena, struct file_cache_policy);
    bool off;

    (void)row;
    if (*out != CONF_UNSET_PTR)
        return fail_duplicate(ap, node);
    if (p == NULL)
        return -ENOMEM;
    p->inactive_s = 60;
    int rc = read_words(ap, node, read_cache_word, p, &off);
    *out = NULL;
    if (rc != 0 || off)
        return rc;
    if (p->max == 0)
        return conf_fail(ap->error, node, 0, "\"open_file_cache\" must have the \"max\" parameter");
    p->index = block_of(ap)->http->cache_count++;
    *out = p;
    return 0;
}

static bool read_symlink_mode(struct sv word, int64_t *mode)
{
    if (sv_eq(word, SV("off")))
        *mode = SYMLINKS_ALLOWED;
    else if (sv_eq(word, SV("on")))
        *mode = SYMLINKS_OFF;
    else if (sv_eq(word, SV("if_not_owner")))
        *mode = SYMLINKS_IF_OWNER;
    else
        return false;
    return true;
}

static int read_symlink_word(struct conf_apply *ap, const struct conf_node *node, struct sv word)
{
    struct location_conf *l = block_of(ap)->location;
    struct sv from;

    if (read_symlink_mode(word, &l->symlinks))
        return 0;
    if (!take_prefix(word, "from=", &from))
        return fail_parameter(ap, node, word);
    return template_compile(ap->vars, from, node, &l->symlinks_from, ap->error);
}

static int set_disable_symlinks(struct conf_apply *ap, const struct conf_directive *row,
                                const struct conf_node *node, void *field)
{
    struct location_conf *l = block_of(ap)->location;
    int rc = 0;

    (void)row;
    (void)field;
    if (l->symlinks != CONF_UNSET)
        return fail_duplicate(ap, node);
    for (unsigned i = 1; rc == 0 && i < node->argc; i++)
        rc = read_symlink_word(ap, node, node->argv[i]);
    if (rc != 0)
        return rc;
    if (l->symlinks == CONF_UNSET)
        return conf_fail(ap->error, node, 0, "\"disable_symlinks\" must have \"off\", \"on\" or "
                         "\"if_not_owner\" parameter");
    if (node->argc == 2) {
        l->symlinks_from = NULL;
        return 0;
    }
    if (l->symlinks_from == CONF_UNSET_PTR)
        return conf_fail(ap->error, node, 0, "duplicate parameters \"%s %s\"", node->argv[1].p,
                         node->argv[2].p);
    if (l->symlinks == SYMLINKS_ALLOWED)
        return conf_fail(ap->error, node, 0, "\"from=\" cannot be used with \"off\" parameter");
    return 0;
}

static int set_internal(struct conf_apply *ap, const struct conf_directive *row,
                        const struct conf_node *node, void *field)
{
    int64_t *internal = field;

    (void)ap;
    (void)row;
    (void)node;
    *internal = 1;
    return 0;
}

static const struct conf_enum page_cache_uses[] = {{"keep", 0}, {"drop", 1}, {NULL, 0}};

const struct conf_directive directives_files[] = {
    {.name = "root", .contexts = IN_HSLI, .args = CONF_ARGS_1, .set = set_root, AT_LOCATION(root),
     ELSE_NULL},
    {.name = "alias", .contexts = CTX_LOCATION, .args = CONF_ARGS_1, .set = set_root,
     AT_LOCATION(root), ELSE_NULL, .aux = "alias"},
    {.name = "index", .contexts = IN_HSL, .args = CONF_ARGS_1MORE, .set = set_index,
     AT_LOCATION(index), ELSE_NULL},
    {.name = "try_files", .contexts = IN_SL, .args = CONF_ARGS_2MORE, .set = set_try_files,
     AT_LOCATION(try_files)},
    {.name = "open_file_cache", .contexts = IN_HSL, .args = CONF_ARGS_1 | CONF_ARGS_2,
     .set = set_open_file_cache, AT_LOCATION(open_file_cache), ELSE_NULL},
    {.name = "open_file_cache_valid", .contexts = IN_HSL, .args = CONF_ARGS_1,
     .set = conf_set_sec, AT_LOCATION(ofc_valid_s), ELSE_INT(60)},
    {.name = "open_file_cache_min_uses", .contexts = IN_HSL, .args = CONF_ARGS_1,
     .set = conf_set_number, AT_LOCATION(ofc_min_uses), ELSE_INT(1)},
    {.name = "open_file_cache_errors", .contexts = IN_HSL, .args = CONF_ON_OFF,
     .set = conf_set_flag, AT_LOCATION(ofc_errors), ELSE_INT(0)},
    {.name = "disable_symlinks", .contexts = IN_HSL, .args = CONF_ARGS_1 | CONF_ARGS_2,
     .set = set_disable_symlinks, AT_LOCATION(symlinks), ELSE_INT(SYMLINKS_ALLOWED)},
    // The second half of the row above: from=.
    {.name = "", .set = set_nothing, AT_LOCATION(symlinks_from), ELSE_NULL},
    {.name = "internal", .contexts = CTX_LOCATION, .args = CONF_ARGS_0, .set = set_internal,
     AT_LOCATION(internal), ELSE_INT(0)},
    {.name = "log_not_found", .contexts = IN_HSL, .args = CONF_ON_OFF, .set = conf_set_flag,
     AT_LOCATION(log_not_found), ELSE_INT(1)},
    {.name = "sendfile", .contexts = IN_HSLI, .args = CONF_ON_OFF, .set = conf_set_flag,
     AT_LOCATION(sendfile), ELSE_INT(0)},
    {.name = "sendfile_max_chunk", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = conf_set_size,
     AT_LOCATION(sendfile_max_chunk), ELSE_INT(2 << 20)},
    {.name = "page_cache", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = conf_set_enum,
     AT_LOCATION(drop_behind), ELSE_INT(0), .aux = page_cache_uses},
    {.name = NULL},
};
