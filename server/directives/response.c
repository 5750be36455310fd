// SPDX-License-Identifier: Apache-2.0
//
// What a response carries besides its body, and what stands in for it when there is an error.
#include "lib/conf/value.h"
#include "lib/http/cond.h"
#include "server/directives/rows_priv.h"
#include "server/filters/expires.h"
#include "server/handlers/handlers.h"

// add_header and add_trailer.
static int set_add_header(struct conf_apply *ap, const struct conf_directive *row,
                          const struct conf_node *node, void *field)
{
    struct header_row **tail = field, *h = arena_new(ap->arena, struct header_row);

    (void)row;
    if (h == NULL)
        return -ENOMEM;
    if (node->argc == 4 && !sv_eq(node->argv[3], SV("always")))
        return fail_parameter(ap, node, node->argv[3]);
    h->name = node->argv[1];
    h->always = node->argc == 4;
    if (*tail == CONF_UNSET_PTR)
        *tail = NULL;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = h;
    return template_compile(ap->vars, node->argv[2], node, &h->value, ap->error);
}

static int set_expires(struct conf_apply *ap, const struct conf_directive *row,
                       const struct conf_node *node, void *field)
{
    struct expires **out = field, *e = arena_new(ap->arena, struct expires);
    struct sv text = node->argv[node->argc - 1];
    const char *why;

    (void)row;
    if (*out != CONF_UNSET_PTR)
        return fail_duplicate(ap, node);
    if (e == NULL)
        return -ENOMEM;
    if (node->argc == 3 && !sv_eq(node->argv[1], SV("modified")))
        return conf_fail(ap->error, node, 0, "\"expires\" directive invalid value");
    e->mode = node->argc == 3 ? EXPIRES_MODIFIED : EXPIRES_ACCESS;
    *out = e;
    if (has_variables(text))
        return template_compile(ap->vars, text, node, &e->value, ap->error);
    if (expires_parse(text, &e->mode, &e->seconds, &why) != 0)
        return conf_fail(ap->error, node, 0, "\"expires\" directive %s", why);
    return 0;
}

// The part before the codes' meaning: "=", "=200", or nothing.
static int read_overwrite(struct conf_apply *ap, const struct conf_node *node, int *overwrite,
                          unsigned *ncodes)
{
    struct sv word = node->argv[node->argc - 2], digits;
    int64_t code = 0;

    *overwrite = -1;
    *ncodes = node->argc - 2;
    if (!take_prefix(word, "=", &digits))
        return 0;
    if (node->argc == 3 || (digits.n != 0 && (conf_number(digits, &code) != 0 || code > 999)))
        return fail_value(ap, node, word);
    *overwrite = (int)code;
    *ncodes = node->argc - 3;
    return 0;
}

static int read_code(struct conf_apply *ap, const struct conf_node *node, struct sv word,
                     unsigned *status)
{
    int64_t code;

    if (conf_number(word, &code) != 0 || code == 499)
        return fail_value(ap, node, word);
    if (code < 300 || code > 599)
        return conf_fail(ap->error, node, 0, "value \"%.*s\" must be between 300 and 599",
                         SV_ARG(word));
    *status = (unsigned)code;
    return 0;
}

static int add_page(struct conf_apply *ap, struct error_page page, struct error_page **tail)
{
    struct error_page *p = arena_new(ap->arena, struct error_page);

    if (p == NULL)
        return -ENOMEM;
    *p = page;
    // Our own codes for bad requests never go out.
    if (p->overwrite < 0 && p->status >= 494 && p->status <= 497)
        p->overwrite = 400;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = p;
    return 0;
}

static int set_error_page(struct conf_apply *ap, const struct conf_directive *row,
                          const struct conf_node *node, void *field)
{
    struct error_page **pages = field, page = {.next = NULL};
    struct sv uri = node->argv[node->argc - 1];
    unsigned ncodes;

    (void)row;
    int rc = read_overwrite(ap, node, &page.overwrite, &ncodes);
    if (rc == 0)
        rc = template_compile(ap->vars, uri, node, &page.uri, ap->error);
    page.named = sv_starts(uri, SV("@"));
    if (*pages == CONF_UNSET_PTR)
        *pages = NULL;
    for (unsigned i = 1; rc == 0 && i <= ncodes; i++) {
        rc = read_code(ap, node, node->argv[i], &page.status);
        if (rc == 0)
            rc = add_page(ap, page, pages);
    }
    return rc;
}

static int set_stub_status(struct conf_apply *ap, const struct conf_directive *row,
                           const struct conf_node *node, void *field)
{
    (void)row;
    (void)node;
    (void)field;
    block_of(ap)->location->content = handler_stub_status;
    return 0;
}

static int set_status(struct conf_apply *ap, const struct conf_directive *row,
                      const struct conf_node *node, void *field)
{
    struct location_conf *l = block_of(ap)->location;

    (void)row;
    (void)field;
    if (node->argc == 1)
        l->content = handler_status;
    else if (sv_eq(node->argv[1], SV("json")))
        l->content = handler_status_json;
    else if (sv_eq(node->argv[1], SV("prometheus")))
        l->content = handler_status_prometheus;
    else
        return fail_parameter(ap, node, node->argv[1]);
    return 0;
}

static const struct conf_enum token_modes[] = {{"off", 0}, {"on", 1}, {"build", 2}, {NULL, 0}};

static const struct conf_enum ims_modes[] = {
    {"off", IMS_OFF}, {"exact", IMS_EXACT}, {"before", IMS_BEFORE}, {NULL, 0},
};

const struct conf_directive directives_response[] = {
    {.name = "add_header", .contexts = IN_HSLI, .args = CONF_ARGS_2 | CONF_ARGS_3,
     .set = set_add_header, AT_LOCATION(headers), ELSE_NULL},
    {.name = "add_trailer", .contexts = IN_HSLI, .args = CONF_ARGS_2 | CONF_ARGS_3,
     .set = set_add_header, AT_LOCATION(trailers), ELSE_NULL},
    {.name = "expires", .contexts = IN_HSLI, .args = CONF_ARGS_1 | CONF_ARGS_2,
     .set = set_expires, AT_LOCATION(expires), ELSE_NULL},
    {.name = "etag", .contexts = IN_HSL, .args = CONF_ON_OFF, .set = conf_set_flag,
     AT_LOCATION(etag), ELSE_INT(1)},
    {.name = "if_modified_since", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = conf_set_enum,
     AT_LOCATION(if_modified_since), ELSE_INT(IMS_EXACT), .aux = ims_modes},
    {.name = "max_ranges", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = conf_set_number,
     AT_LOCATION(max_ranges), ELSE_INT(INT32_MAX)},
    {.name = "chunked_transfer_encoding", .contexts = IN_HSL, .args = CONF_ON_OFF,
     .set = conf_set_flag, AT_LOCATION(chunked_transfer_encoding), ELSE_INT(1)},
    {.name = "server_tokens", .contexts = IN_HSL, .args = CONF_ARGS_1, .set = conf_set_enum,
     AT_LOCATION(server_tokens), ELSE_INT(1), .aux = token_modes},
    {.name = "error_page", .contexts = IN_HSLI, .args = CONF_ARGS_2MORE, .set = set_error_page,
     AT_LOCATION(error_pages), ELSE_NULL},
    {.name = "recursive_error_pages", .contexts = IN_HSL, .args = CONF_ON_OFF,
     .set = conf_set_flag, AT_LOCATION(recursive_error_pages), ELSE_INT(0)},
    {.name = "stub_status", .contexts = IN_SL, .args = CONF_ARGS_0 | CONF_ARGS_1,
     .set = set_stub_status},
    {.name = "status", .contexts = CTX_LOCATION, .args = CONF_ARGS_0 | CONF_ARGS_1,
     .set = set_status},
    {.name = NULL},
};

const struct conf_directive directives_redirect[] = {
    {.name = "absolute_redirect", .contexts = IN_HSL, .args = CONF_ON_OFF, .set = conf_set_flag,
     AT_LOCATION(absolute_redirect), ELSE_INT(1)},
    {.name = "port_in_redirect", .contexts = IN_HSL, .args = CONF_ON_OFF, .set = conf_set_flag,
     AT_LOCATION(port_in_redirect), ELSE_INT(1)},
    {.name = "server_name_in_redirect", .contexts = IN_HSL, .args = CONF_ON_OFF,
     .set = conf_set_flag, AT_LOCATION(server_name_in_redirect), ELSE_INT(0)},
    {.name = NULL},
};
