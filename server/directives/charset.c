// SPDX-License-Identifier: Apache-2.0
//
// charset, source_charset, charset_types and the charset_map block.
#include "server/config/http_conf.h"
#include "server/config/location_conf.h"
#include "server/directives/rows_priv.h"
#include "server/filters/charset_conf.h"

#define SEQUENCE_MAX 3 // bytes of UTF-8 that a byte can stand for

static int set_charset(struct conf_apply *ap, const struct conf_directive *row,
                       const struct conf_node *node, void *field)
{
    struct template **name = field;

    if (*name != CONF_UNSET_PTR || !sv_eq(node->argv[1], SV("off")))
        return conf_set_template(ap, row, node, field);
    *name = NULL;
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Pairs of digits; one alone where a single byte is meant. False when it is none.
static bool read_hex(struct sv text, uint8_t bytes[SEQUENCE_MAX], size_t *n)
{
    *n = 0;
    if (text.n == 1 && hex_digit(text.p[0]) >= 0) {
        bytes[(*n)++] = (uint8_t)hex_digit(text.p[0]);
        return true;
    }
    if (text.n == 0 || text.n % 2 != 0 || text.n / 2 > SEQUENCE_MAX)
        return false;
    for (size_t i = 0; i < text.n; i += 2) {
        int high = hex_digit(text.p[i]), low = hex_digit(text.p[i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[(*n)++] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static int add_line(struct conf_apply *ap, const struct conf_node *line, struct charset_map *m)
{
    uint8_t byte[SEQUENCE_MAX], to[SEQUENCE_MAX];
    size_t n;

    if (line->argc != 2)
        return conf_fail(ap->error, line, 0, "invalid parameters number");
    if (!read_hex(line->argv[0], byte, &n) || n != 1)
        return fail_value(ap, line, line->argv[0]);
    if (!read_hex(line->argv[1], to, &n))
        return fail_value(ap, line, line->argv[1]);
    int rc = charset_map_add(m, ap->arena, byte[0], sv_of((const char *)to, n));
    return rc == -EINVAL ? fail_value(ap, line, line->argv[1]) : rc;
}

static int check_names(struct conf_apply *ap, const struct conf_node *node)
{
    const struct charset_pair *pairs = block_of(ap)->http->charset_pairs;
    struct sv first = node->argv[1], second = node->argv[2];
    bool backward;

    if (sv_eq_nocase(first, second))
        return conf_fail(ap->error, node, 0,
                         "\"charset_map\" between the same charsets \"%s\" and \"%s\"", first.p,
                         second.p);
    if (sv_eq_nocase(first, SV("utf-8")))
        return conf_fail(ap->error, node, 0, "\"charset_map\" with \"utf-8\" charset should be "
                         "given in the second column");
    if (charset_pair_find(pairs, first, second, &backward) != NULL)
        return conf_fail(ap->error, node, 0,
                         "duplicate \"charset_map\" between \"%s\" and \"%s\"", first.p, second.p);
    return 0;
}

static int set_charset_map(struct conf_apply *ap, const struct conf_directive *row,
                           const struct conf_node *node, void *field)
{
    struct http_conf *http = block_of(ap)->http;
    struct charset_pair *p = arena_new(ap->arena, struct charset_pair);
    int rc = check_names(ap, node);

    (void)row;
    (void)field;
    if (rc != 0 || p == NULL)
        return rc != 0 ? rc : -ENOMEM;
    p->first = node->argv[1];
    p->second = node->argv[2];
    rc = charset_map_init(&p->map, ap->arena, sv_eq_nocase(p->second, SV("utf-8")));
    for (const struct conf_node *c = node->children; rc == 0 && c != NULL; c = c->next)
        rc = add_line(ap, c, &p->map);
    p->next = http->charset_pairs;
    http->charset_pairs = p;
    return rc;
}

const struct conf_directive directives_charset[] = {
    {.name = "charset", .contexts = IN_HSLI, .args = CONF_ARGS_1, .set = set_charset,
     AT_LOCATION(charset.name), ELSE_NULL},
    {.name = "source_charset", .contexts = IN_HSLI, .args = CONF_ARGS_1,
     .set = conf_set_template, AT_LOCATION(charset.source), ELSE_NULL},
    {.name = "charset_types", .contexts = IN_HSL, .args = CONF_ARGS_1MORE, .set = set_type_list,
     AT_LOCATION(charset.types), ELSE_NULL},
    {.name = "charset_map", .contexts = IN_HTTP, .args = CONF_ARGS_2 | CONF_BLOCK,
     .set = set_charset_map, .aux = conf_data_block},
    {.name = NULL},
};
