// SPDX-License-Identifier: Apache-2.0
#include "server/log/access_log.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "lib/base/clock.h"
#include "server/log/log_writer.h"
#include "test/unit/server/request_fixture.h"

static struct fixture *f;
static struct log_file file = {.path = "access.log", .fd = -1};
static struct access_log_use use;

static void set_up(void)
{
    char why[256];

    f = fixture_new();
    cr_assert_eq(log_format_combined(&f->http), 0);
    file.fd = memfd_create("access.log", MFD_CLOEXEC);
    cr_assert_geq(file.fd, 0);
    list_append(&f->config.log_files, &file.node);
    int rc = ring_init(&f->worker->ring, why, sizeof(why));
    cr_assert_eq(rc, 0, "%s", why);
    cr_assert_eq(log_writers_init(f->worker), 0);
    use.file = &file;
    use.format = list_first(&f->http.log_formats, struct log_format, node);
    f->location.access_logs = &use;
}

static void tear_down(void)
{
    log_writers_finish(f->worker);
    ring_destroy(&f->worker->ring);
    close(file.fd);
    fixture_free(f);
}

TestSuite(access_log, .init = set_up, .fini = tear_down, .timeout = 30);

static const char *written(void)
{
    static char text[1 << 18];

    log_writers_finish(f->worker);
    ssize_t n = pread(file.fd, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static struct log_format *format(const char *text, enum log_escape escape)
{
    struct log_format *made = arena_new(&f->config.arena, struct log_format);
    struct template *t = fixture_template(f, text);

    made->escape = escape;
    made->parts = t->parts;
    made->nparts = t->nparts;
    return made;
}

Test(access_log, combined)
{
    char expected[256];

    fixture_head(f, "GET /a?b HTTP/1.1\r\nHost: h\r\nUser-Agent: curl \"7\"\r\n\r\n");
    f->r->response.status = 206;
    f->r->response.header_bytes = 100;
    f->r->response.sent_bytes = 1123;
    snprintf(expected, sizeof(expected),
             "127.0.0.1 - - [%s] \"GET /a?b HTTP/1.1\" 206 1023 \"-\" \"curl \\x227\\x22\"\n",
             clock_now()->log_local);
    access_log_write(f->r);
    cr_assert_str_eq(written(), expected);
}

Test(access_log, combined_of_a_request_that_was_not_understood)
{
    f->r->response.status = 400;
    access_log_write(f->r);
    cr_assert_not_null(strstr(written(), "] \"-\" 400 0 \"-\" \"-\"\n"));
}

Test(access_log, missing_values_by_escape)
{
    struct access_log_use none = {.file = &file, .format = format("<$arg_x>", LOG_ESCAPE_NONE)};
    struct access_log_use json = {.file = &file, .format = format("{$arg_x}", LOG_ESCAPE_JSON),
                                  .next = &none};

    use.format = format("[$arg_x]", LOG_ESCAPE_DEFAULT);
    use.next = &json;
    access_log_write(f->r);
    cr_assert_str_eq(written(), "[-]\n{}\n<>\n");
}

Test(access_log, value_that_is_there_and_empty_is_no_dash)
{
    fixture_head(f, "GET /?x= HTTP/1.0\r\nReferer:\r\n\r\n");
    use.format = format("[$arg_x][$http_referer][$http_via]", LOG_ESCAPE_DEFAULT);
    access_log_write(f->r);
    cr_assert_str_eq(written(), "[][][-]\n");
}

Test(access_log, condition)
{
    use.format = format("$request_uri", LOG_ESCAPE_DEFAULT);
    use.condition = fixture_template(f, "$arg_log");
    fixture_head(f, "GET /1?log=0 HTTP/1.0\r\n\r\n");
    access_log_write(f->r);
    fixture_head(f, "GET /2?log= HTTP/1.0\r\n\r\n");
    access_log_write(f->r);
    fixture_head(f, "GET /3?log=00 HTTP/1.0\r\n\r\n");
    access_log_write(f->r);
    fixture_head(f, "GET /4 HTTP/1.0\r\n\r\n");
    access_log_write(f->r);
    cr_assert_str_eq(written(), "/3?log=00\n");
}

Test(access_log, off_writes_nothing)
{
    f->location.access_logs = NULL;
    access_log_write(f->r);
    cr_assert_str_eq(written(), "");
}

Test(access_log, line_longer_than_the_first_room_is_whole)
{
    static char head[40000];
    size_t n = (size_t)sprintf(head, "GET /");

    memset(head + n, 'u', 7000);
    memset(head + n + 3000, '"', 1000);
    strcpy(head + n + 7000, " HTTP/1.0\r\n\r\n");
    fixture_head(f, head);
    use.format = format("$uri$uri!", LOG_ESCAPE_DEFAULT);
    access_log_write(f->r);
    const char *got = written();
    cr_assert_eq(strlen(got), 2 * (1 + 6000 + 4000) + 2);
    cr_assert_eq(strcmp(got + strlen(got) - 3, "u!\n"), 0);
    cr_assert_eq(strspn(strchr(got, '\\'), "\\x2"), 4000);
}

Test(access_log, path_with_variables)
{
    char name[] = "/tmp/millrace-access-XXXXXX", text[64] = "", head[128];
    int fd = mkstemp(name);
    struct access_log_use by_path = {.path = fixture_template(f, "/tmp/millrace-access-$arg_n"),
                                     .format = format("$uri", LOG_ESCAPE_DEFAULT)};

    snprintf(head, sizeof(head), "GET /x?n=%s HTTP/1.0\r\n\r\n", strrchr(name, '-') + 1);
    fixture_head(f, head);
    f->location.access_logs = &by_path;
    access_log_write(f->r);
    log_writers_finish(f->worker);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    unlink(name);
    close(fd);
    cr_assert_eq(n, 3);
    cr_assert_str_eq(text, "/x\n");
}
