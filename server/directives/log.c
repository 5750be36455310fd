// SPDX-License-Identifier: Apache-2.0
//
// error_log, log_format and access_log.
#include "lib/conf/value.h"
#include "server/log/access_log.h"
#include "server/log/log_paths.h"
#include "server/directives/log_default.h"
#include "server/directives/rows_priv.h"
#include "server/config/http_conf.h"
#include "server/config/location_conf.h"

static struct log_file *file_of(struct config *config, struct sv path)
{
    if (sv_eq(path, SV("stderr")) || sv_starts(path, SV("/")))
        return log_file_get(config, path);
    struct sv full = arena_printf(&config->arena, "%s%.*s", config->prefix, SV_ARG(path));
    return full.p != NULL ? log_file_get(config, full) : NULL;
}

static int read_level(struct conf_apply *ap, const struct conf_node *node, enum log_level *level)
{
    struct sv word = node->argv[2];

    *level = LOG_LEVEL_DEBUG;
    // nginx's selective debug levels are all our one.
    if (sv_starts(word, SV("debug_")))
        return 0;
    if (log_level_parse(word.p, level) != 0)
        return conf_fail(ap->error, node, 0, "invalid log level \"%s\"", word.p);
    return 0;
}

static int fail_log(struct conf_apply *ap, const struct conf_node *node, const char *kind)
{
    return conf_fail(ap->error, node, 0, "%s of the \"%s\" directive is not supported: logs are "
                     "files or standard error", kind, node->argv[0].p);
}

static int set_error_log(struct conf_apply *ap, const struct conf_directive *row,
                         const struct conf_node *node, void *field)
{
    struct log_use **tail = field, *use = arena_new(ap->arena, struct log_use);

    (void)row;
    if (use == NULL)
        return -ENOMEM;
    if (sv_starts(node->argv[1], SV("syslog:")))
        return fail_log(ap, node, "\"syslog:\"");
    if (sv_starts(node->argv[1], SV("memory:")))
        return fail_log(ap, node, "\"memory:\"");
    use->level = LOG_LEVEL_ERROR;
    int rc = node->argc == 3 ? read_level(ap, node, &use->level) : 0;
    if (rc != 0)
        return rc;
    use->file = file_of(loader_of(ap)->config, node->argv[1]);
    if (use->file == NULL)
        return -ENOMEM;
    if (*tail == CONF_UNSET_PTR)
        *tail = NULL;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = use;
    return 0;
}

static struct log_format *find_format(const struct http_conf *http, struct sv name)
{
    list_each(it, &http->log_formats) {
        struct log_format *f = container_of(it, struct log_format, node);
        if (sv_eq(f->name, name))
            return f;
    }
    return NULL;
}

static int read_escape(struct conf_apply *ap, const struct conf_node *node, struct sv word,
                       enum log_escape *escape)
{
    if (sv_eq(word, SV("default")))
        *escape = LOG_ESCAPE_DEFAULT;
    else if (sv_eq(word, SV("json")))
        *escape = LOG_ESCAPE_JSON;
    else if (sv_eq(word, SV("none")))
        *escape = LOG_ESCAPE_NONE;
    else
        return conf_fail(ap->error, node, 0, "unknown log format escaping \"%.*s\"", SV_ARG(word));
    return 0;
}

// All words of the format as one text.
static struct sv join_words(struct arena *a, const struct conf_node *node, unsigned from)
{
    size_t total = 0;

    for (unsigned i = from; i < node->argc; i++)
        total += node->argv[i].n;
    char *p = arena_zalloc(a, total + 1), *end = p;
    for (unsigned i = from; p != NULL && i < node->argc; i++) {
        memcpy(end, node->argv[i].p, node->argv[i].n);
        end += node->argv[i].n;
    }
    return sv_of(p, p != NULL ? total : 0);
}

static int compile_format(struct conf_apply *ap, const struct conf_node *node, struct sv text,
                          struct log_format *f)
{
    struct template *t;
    int rc = template_compile(ap->vars, text, node, &t, ap->error);

    if (rc != 0)
        return rc;
    if (t->constant) {
        t->parts = arena_new(ap->arena, struct template_part);
        if (t->parts == NULL)
            return -ENOMEM;
        t->parts[0] = (struct template_part){.literal = t->literal, .capture = -1};
        t->nparts = 1;
    }
    f->parts = t->parts;
    f->nparts = t->nparts;
    return 0;
}

static int set_log_format(struct conf_apply *ap, const struct conf_directive *row,
                          const struct conf_node *node, void *field)
{
    struct http_conf *http = block_of(ap)->http;
    struct log_format *f = arena_new(ap->arena, struct log_format);
    unsigned from = 2;
    struct sv escape;
    int rc = 0;

    (void)row;
    (void)field;
    if (f == NULL)
        return -ENOMEM;
    f->name = node->argv[1];
    if (find_format(http, f->name) != NULL)
        return conf_fail(ap->error, node, 0, "duplicate \"log_format\" name \"%s\"", f->name.p);
    if (take_prefix(node->argv[2], "escape=", &escape)) {
        rc = read_escape(ap, node, escape, &f->escape);
        from = 3;
    }
    struct sv text = join_words(ap->arena, node, from);
    if (rc == 0)
        rc = text.p != NULL ? compile_format(ap, node, text, f) : -ENOMEM;
    if (rc == 0)
        list_append(&http->log_formats, &f->node);
    return rc;
}

static int read_gzip(struct conf_apply *ap, const struct conf_node *node, struct sv word,
                     struct access_log_use *use)
{
    struct sv level;

    use->gzip = 1;
    if (use->buffer == 0)
        use->buffer = 64 << 10;
    if (!take_prefix(word, "gzip=", &level))
        return 0;
    if (conf_number(level, &use->gzip) != 0 || use->gzip < 1 || use->gzip > 9)
        return conf_fail(ap->error, node, 0, "invalid compression level \"%.*s\"", SV_ARG(level));
    return 0;
}

static int read_parameter(struct conf_apply *ap, const struct conf_node *node, struct sv word,
                          struct access_log_use *use)
{
    struct conf_error *e = ap->error;
    struct sv rest;

    if (take_prefix(word, "buffer=", &rest)) {
        if (conf_size(rest, &use->buffer) != 0 || use->buffer == 0)
            return conf_fail(e, node, 0, "invalid buffer size \"%.*s\"", SV_ARG(rest));
        return 0;
    }
    if (take_prefix(word, "flush=", &rest)) {
        if (conf_msec(rest, &use->flush_ms) != 0 || use->flush_ms == 0)
            return conf_fail(e, node, 0, "invalid flush time \"%.*s\"", SV_ARG(rest));
        return 0;
    }
    if (take_prefix(word, "if=", &rest))
        return template_compile(ap->vars, rest, node, &use->condition, e);
    if (sv_eq(word, SV("gzip")) || sv_starts(word, SV("gzip=")))
        return read_gzip(ap, node, word, use);
    return fail_parameter(ap, node, word);
}

static int read_path(struct conf_apply *ap, const struct conf_node *node,
                     struct access_log_use *use)
{
    struct config *config = loader_of(ap)->config;
    struct sv path = node->argv[1];

    if (sv_starts(path, SV("syslog:")))
        return fail_log(ap, node, "\"syslog:\"");
    if (!has_variables(path)) {
        use->file = file_of(config, path);
        return use->file != NULL ? 0 : -ENOMEM;
    }
    if (!sv_starts(path, SV("/")) && !sv_starts(path, SV("$")))
        path = arena_printf(ap->arena, "%s%.*s", config->prefix, SV_ARG(path));
    if (path.p == NULL)
        return -ENOMEM;
    return template_compile(ap->vars, path, node, &use->path, ap->error);
}

// One file has one buffer in a worker: the first line that has one says how large it is.
struct log_buffer {
    const struct log_file *file;
    int64_t size, flush_ms, gzip;
    struct log_buffer *next;
};

static int agree_on_buffer(struct conf_apply *ap, const struct conf_node *node,
                           const struct access_log_use *use)
{
    struct loader *l = loader_of(ap);
    struct log_buffer *b = l->log_buffers;

    while (b != NULL && b->file != use->file)
        b = b->next;
    if (b != NULL &&
        (b->size != use->buffer || b->flush_ms != use->flush_ms || b->gzip != use->gzip))
        return conf_fail(ap->error, node, 0,
                         "access_log \"%s\" already defined with conflicting parameters",
                         node->argv[1].p);
    if (b != NULL)
        return 0;
    b = arena_new(ap->arena, struct log_buffer);
    if (b == NULL)
        return -ENOMEM;
    *b = (struct log_buffer){use->file, use->buffer, use->flush_ms, use->gzip, l->log_buffers};
    l->log_buffers = b;
    use->file->gzip = (int)use->gzip;
    use->file->gzip_buffer = (size_t)use->buffer;
    return 0;
}

static int check_buffers(struct conf_apply *ap, const struct conf_node *node,
                         const struct access_log_use *use)
{
    if (use->flush_ms != 0 && use->buffer == 0)
        return conf_fail(ap->error, node, 0, "no buffer is defined for access_log \"%s\"",
                         node->argv[1].p);
    if (use->buffer != 0 && use->path != NULL)
        return conf_fail(ap->error, node, 0, "buffered logs cannot have variables in name");
    return use->buffer != 0 ? agree_on_buffer(ap, node, use) : 0;
}

static int read_access_log(struct conf_apply *ap, const struct conf_node *node,
                           struct access_log_use *use)
{
    struct sv format = node->argc > 2 ? node->argv[2] : SV("combined");
    int rc = read_path(ap, node, use);

    if (rc != 0)
        return rc;
    use->format = find_format(block_of(ap)->http, format);
    if (use->format == NULL)
        return conf_fail(ap->error, node, 0, "unknown log format \"%.*s\"", SV_ARG(format));
    for (unsigned i = 3; rc == 0 && i < node->argc; i++)
        rc = read_parameter(ap, node, node->argv[i], use);
    return rc != 0 ? rc : check_buffers(ap, node, use);
}

static int set_access_log(struct conf_apply *ap, const struct conf_directive *row,
                          const struct conf_node *node, void *field)
{
    struct access_log_use **tail = field, *use;

    (void)row;
    if (sv_eq(node->argv[1], SV("off"))) {
        *tail = NULL;
        return node->argc == 2 ? 0 : fail_parameter(ap, node, node->argv[2]);
    }
    use = arena_new(ap->arena, struct access_log_use);
    if (use == NULL)
        return -ENOMEM;
    int rc = read_access_log(ap, node, use);
    // After `off` further lines of the block are read but don't count.
    if (rc != 0 || *tail == NULL)
        return rc;
    if (*tail == CONF_UNSET_PTR)
        *tail = NULL;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = use;
    return 0;
}

static bool read_path_cache_word(struct sv word, void *out)
{
    struct log_path_policy *p = out;
    struct sv text;
    int64_t n = 0;
    bool max = take_prefix(word, "max=", &text);

    if (max || take_prefix(word, "min_uses=", &text)) {
        if (conf_number(text, &n) != 0 || n > INT32_MAX)
            return false;
        *(max ? &p->max : &p->min_uses) = (unsigned)n;
        return true;
    }
    bool inactive = take_prefix(word, "inactive=", &text);
    if ((!inactive && !take_prefix(word, "valid=", &text)) || conf_sec(text, &n) != 0 ||
        n > INT32_MAX)
        return false;
    *(inactive ? &p->inactive_ms : &p->valid_ms) = (uint64_t)n * 1000;
    return true;
}

static int set_path_cache(struct conf_apply *ap, const struct conf_directive *row,
                          const struct conf_node *node, void *field)
{
    const struct log_path_policy **out = field;
    struct log_path_policy *p = arena_new(ap->arena, struct log_path_policy);
    bool off;

    (void)row;
    if (*out != CONF_UNSET_PTR)
        return fail_duplicate(ap, node);
    if (p == NULL)
        return -ENOMEM;
    *p = (struct log_path_policy){.inactive_ms = 10000, .valid_ms = 60000, .min_uses = 1};
    int rc = read_words(ap, node, read_path_cache_word, p, &off);
    *out = NULL;
    if (rc != 0 || off)
        return rc;
    if (p->max == 0)
        return conf_fail(ap->error, node, 0,
                         "\"open_log_file_cache\" must have \"max\" parameter");
    p->index = ++block_of(ap)->http->log_path_caches;
    *out = p;
    return 0;
}

int access_log_default(struct config *config, struct access_log_use **out)
{
    struct access_log_use *use = arena_new(&config->arena, struct access_log_use);

    if (use == NULL)
        return -ENOMEM;
    use->file = file_of(config, SV("logs/access.log"));
    use->format = find_format(config->http, SV("combined"));
    if (use->file == NULL)
        return -ENOMEM;
    *out = use;
    return 0;
}

int error_log_default(struct config *config, struct sv path)
{
    struct log_use *use = arena_new(&config->arena, struct log_use);

    if (use == NULL)
        return -ENOMEM;
    use->level = LOG_LEVEL_ERROR;
    use->file = file_of(config, path);
    config->main.error_log = use;
    return use->file != NULL ? 0 : -ENOMEM;
}

enum { LOG_ARGS = CONF_ARGS_1 | CONF_ARGS_2 };

const struct conf_directive directives_log[] = {
    {.name = "error_log", .contexts = IN_MAIN, .args = LOG_ARGS, .set = set_error_log,
     AT_MAIN(error_log), ELSE_NULL},
    {.name = "error_log", .contexts = IN_HSL, .args = LOG_ARGS, .set = set_error_log,
     AT_LOCATION(error_log), ELSE_NULL},
    {.name = "log_format", .contexts = IN_HTTP, .args = CONF_ARGS_2MORE, .set = set_log_format},
    {.name = "access_log", .contexts = IN_HSLI, .args = CONF_ARGS_1MORE, .set = set_access_log,
     AT_LOCATION(access_logs), ELSE_NULL},
    {.name = "open_log_file_cache", .contexts = IN_HSL,
     .args = CONF_ARGS_1 | CONF_ARGS_2 | CONF_ARGS_3 | CONF_ARGS_4, .set = set_path_cache,
     AT_LOCATION(log_paths), ELSE_NULL},
    {.name = NULL},
};
