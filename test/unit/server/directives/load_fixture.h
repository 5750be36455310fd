// SPDX-License-Identifier: Apache-2.0
//
// Loads configurations from text, through a file as the program does.
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/config/config.h"
#include "server/config/http_conf.h"
#include "server/config/location_conf.h"

#define FIXTURE_PREFIX "/srv/fixture/"

// A text that is refused, and how the message begins; it ends with the file and `line`.
struct refused {
    const char *text, *message;
    unsigned line;
};

static struct conf_error load_error;

static inline int load(const char *text, const char *globals, struct config **out)
{
    char path[] = "/tmp/millrace-directives-XXXXXX";
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    struct config_source s = {.file = path, .prefix = FIXTURE_PREFIX, .globals = globals};
    int rc = config_load(&s, out, &load_error);
    unlink(path);
    return rc;
}

static inline struct config *load_main(const char *text)
{
    struct config *c = NULL;

    cr_assert_eq(load(text, NULL, &c), 0, "%s", load_error.text);
    return c;
}

// printf with one %s: `text` goes into events {} http { ... }.
static inline char *in_http(const char *text)
{
    char *all;

    cr_assert_geq(asprintf(&all, "events {}\nhttp {\n%s\n}\n", text), 0);
    return all;
}

static inline struct config *load_http(const char *text)
{
    char *all = in_http(text);
    struct config *c = load_main(all);

    free(all);
    return c;
}

// The only server's own level.
static inline struct config *load_server(const char *text, const struct location_conf **out)
{
    char *all;

    cr_assert_geq(asprintf(&all, "server { listen 8080;\n%s\n}", text), 0);
    struct config *c = load_http(all);
    free(all);
    *out = c->http->servers[0]->location;
    return c;
}

// The file's name is made up, so the message is looked at from both ends.
static inline void check_message(const struct refused *r, int rc)
{
    char place[32];
    const char *text = load_error.text;

    cr_expect_eq(rc, -EINVAL, "\"%s\" was accepted", r->text);
    cr_expect(strncmp(text, r->message, strlen(r->message)) == 0,
              "\"%s\" gave \"%s\", not \"%s\"", r->text, text, r->message);
    snprintf(place, sizeof(place), ":%u", r->line);
    size_t n = strlen(text), m = strlen(place);
    cr_expect(r->line == 0 || (n > m && strcmp(text + n - m, place) == 0),
              "\"%s\" gave \"%s\", not line %u", r->text, text, r->line);
}

static inline void check_refused(const struct refused *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct config *c = NULL;
        int rc = load(rows[i].text, NULL, &c);
        check_message(&rows[i], rc);
        config_free(rc == 0 ? c : NULL);
    }
}

// The same for texts of an http block, whose first line is line 3 of the file.
static inline void check_refused_http(const struct refused *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct config *c = NULL;
        char *all = in_http(rows[i].text);
        int rc = load(all, NULL, &c);
        check_message(&rows[i], rc);
        config_free(rc == 0 ? c : NULL);
        free(all);
    }
}

#define assert_sv(view, text)                                                          \
    cr_assert(sv_eq((view), sv_from(text)), "\"%.*s\" is not \"%s\"", SV_ARG(view), (text))
