// SPDX-License-Identifier: Apache-2.0
#include "test/fault/scenes.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/compiler.h"
#include "server/bounds.h"
#include "test/fault/fixture.h"

_Static_assert(SMALL_SIZE <= SMALL_BODY_MAX && MEDIUM_SIZE > SMALL_BODY_MAX &&
                   MEDIUM_SIZE < SEND_QUANTUM && BIG_SIZE > SEND_QUANTUM,
               "each size goes the way that its comment says");

// All files have the same bytes, as far as they reach. They don't repeat, so that no piece can
// stand for another.
static const char *content(void)
{
    static char bytes[BIG_SIZE];
    unsigned random = 7;

    for (size_t i = 0; bytes[BIG_SIZE - 1] == 0 && i < BIG_SIZE; i++) {
        random = random * 1664525u + 1013904223u;
        bytes[i] = (char)('!' + (random >> 24) % 90);
    }
    return bytes;
}

void put_file(FILE *out, size_t from, size_t to)
{
    fwrite(content() + from, 1, to - from, out);
}

void put_head(FILE *out, const struct answer *a)
{
    fprintf(out, "HTTP/1.1 %s\r\nServer: millrace\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
            a->status);
    if (a->type != NULL)
        fprintf(out, "Content-Type: %s\r\n", a->type);
    if (a->type != NULL)
        fprintf(out, "Content-Length: %zu\r\n", a->length);
    if (a->file && !a->undated)
        fprintf(out, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    fprintf(out, "Connection: %s\r\n", a->keep_alive ? "keep-alive" : "close");
    if (a->file)
        fprintf(out, "ETag: \"%x-%zx\"\r\n", FIXTURE_MODIFIED, a->file_size);
    fprintf(out, "%s\r\n", a->more != NULL ? a->more : "");
}

void put_page(FILE *out, const char *status, bool keep_alive)
{
    char page[512];
    int n = snprintf(page, sizeof(page),
                     "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n"
                     "<center><h1>%s</h1></center>\r\n<hr><center>millrace</center>\r\n"
                     "</body>\r\n</html>\r\n", status, status);

    put_head(out, &(struct answer){.status = status, .type = "text/html", .length = (size_t)n,
                                   .keep_alive = keep_alive});
    fwrite(page, 1, (size_t)n, out);
}

static void put_whole(FILE *out, size_t size, bool keep_alive)
{
    put_head(out, &(struct answer){.status = "200 OK", .type = "text/plain", .length = size,
                                   .more = "Accept-Ranges: bytes\r\n", .file = true,
                                   .file_size = size, .keep_alive = keep_alive});
    put_file(out, 0, size);
}

static void expect_small(FILE *out)
{
    put_whole(out, SMALL_SIZE, false);
}

static void expect_medium(FILE *out)
{
    put_whole(out, MEDIUM_SIZE, false);
}

static void expect_big(FILE *out)
{
    put_whole(out, BIG_SIZE, false);
}

static void expect_head(FILE *out)
{
    put_head(out, &(struct answer){.status = "200 OK", .type = "text/plain", .length = BIG_SIZE,
                                   .more = "Accept-Ranges: bytes\r\n", .file = true,
                                   .file_size = BIG_SIZE});
}

static void put_text(FILE *out, const char *text, bool keep_alive)
{
    put_head(out, &(struct answer){.status = "200 OK", .type = "text/plain",
                                   .length = strlen(text), .keep_alive = keep_alive});
    fputs(text, out);
}

static void expect_text(FILE *out)
{
    put_text(out, "text", false);
}

static void expect_not_modified(FILE *out)
{
    put_head(out, &(struct answer){.status = "304 Not Modified", .file = true,
                                   .file_size = SMALL_SIZE});
}

static void expect_range(FILE *out)
{
    char more[64];

    snprintf(more, sizeof(more), "Content-Range: bytes 100-139899/%u\r\n", MEDIUM_SIZE);
    put_head(out, &(struct answer){.status = "206 Partial Content", .type = "text/plain",
                                   .length = 139800, .more = more, .file = true,
                                   .file_size = MEDIUM_SIZE});
    put_file(out, 100, 139900);
}

static void put_part(FILE *out, size_t from, size_t to, size_t size)
{
    fprintf(out, "\r\n--====================\r\nContent-Type: text/plain\r\n"
            "Content-Range: bytes %zu-%zu/%zu\r\n\r\n", from, to - 1, size);
    put_file(out, from, to);
}

static void put_multipart(FILE *out, const size_t (*ranges)[2], size_t count, size_t size)
{
    char *body;
    size_t n;
    FILE *parts = open_memstream(&body, &n);

    for (size_t i = 0; i < count; i++)
        put_part(parts, ranges[i][0], ranges[i][1], size);
    fprintf(parts, "\r\n--====================--\r\n");
    fclose(parts);
    put_head(out, &(struct answer){.status = "206 Partial Content",
                                   .type = "multipart/byteranges; boundary=====================",
                                   .length = n, .file = true, .file_size = size});
    fwrite(body, 1, n, out);
    free(body);
}

static void expect_multipart(FILE *out)
{
    static const size_t ranges[][2] = {{0, 1}, {500, 900}, {999, 1000}};

    put_multipart(out, ranges, array_len(ranges), SMALL_SIZE);
}

static void expect_big_multipart(FILE *out)
{
    static const size_t ranges[][2] = {{0, 100000}, {200000, 700000}, {1535999, 1536000}};

    put_multipart(out, ranges, array_len(ranges), BIG_SIZE);
}

static void expect_unsatisfiable(FILE *out)
{
    char *page, *rest;
    size_t n;
    FILE *text = open_memstream(&page, &n);

    put_page(text, "416 Requested Range Not Satisfiable", false);
    fclose(text);
    rest = strstr(page, "\r\n\r\n");
    fwrite(page, 1, (size_t)(rest + 2 - page), out);
    fprintf(out, "Content-Range: bytes */%u%s", SMALL_SIZE, rest);
    free(page);
}

static void expect_not_found(FILE *out)
{
    put_page(out, "404 Not Found", false);
}

// A file that stands for an error has no Last-Modified and no ranges, as nginx has it.
static void expect_error_page(FILE *out)
{
    put_head(out, &(struct answer){.status = "404 Not Found", .type = "text/plain",
                                   .length = SMALL_SIZE, .file = true, .file_size = SMALL_SIZE,
                                   .undated = true});
    put_file(out, 0, SMALL_SIZE);
}

static void expect_bad_request(FILE *out)
{
    put_page(out, "400 Bad Request", false);
}

static void expect_pipelined(FILE *out)
{
    put_whole(out, SMALL_SIZE, true);
    put_text(out, "text", true);
    put_whole(out, MEDIUM_SIZE, true);
    put_page(out, "404 Not Found", true);
    put_whole(out, SMALL_SIZE, false);
}

static void expect_small_pipeline(FILE *out)
{
    put_text(out, "text", true);
    put_whole(out, SMALL_SIZE, true);
    put_text(out, "text", false);
}

#define GET(path, more) "GET " path " HTTP/1.1\r\nHost: a\r\n" more "\r\n"
#define LAST(path, more) GET(path, "Connection: close\r\n" more)

const struct scene scenes[] = {
    {"small", LAST("/small", ""), expect_small, false},
    {"medium", LAST("/medium", ""), expect_medium, false},
    {"big", LAST("/big", ""), expect_big, true},
    {"head", "HEAD /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", expect_head, false},
    {"text", LAST("/text", ""), expect_text, false},
    {"not modified", LAST("/small", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
     expect_not_modified, false},
    {"range", LAST("/medium", "Range: bytes=100-139899\r\n"), expect_range, false},
    {"multipart", LAST("/small", "Range: bytes=0-0,500-899,999-\r\n"), expect_multipart, false},
    {"big multipart", LAST("/big", "Range: bytes=0-99999,200000-699999,-1\r\n"),
     expect_big_multipart, true},
    {"unsatisfiable", LAST("/small", "Range: bytes=1000-\r\n"), expect_unsatisfiable, false},
    {"not found", LAST("/none", ""), expect_not_found, false},
    {"error page", LAST("/gone", ""), expect_error_page, false},
    {"bad request", "GET /small HTTP/1.1\r\n\r\n", expect_bad_request, false},
    {"pipelined", GET("/small", "") GET("/text", "") GET("/medium", "") GET("/none", "")
     LAST("/small", ""), expect_pipelined, false},
    {"small pipeline", GET("/text", "") GET("/small", "") LAST("/text", ""),
     expect_small_pipeline, false},
};
const size_t scene_count = array_len(scenes);

void scenes_start_tls(enum fixture_tls version, const char *more)
{
    char server[4096];

    snprintf(server, sizeof(server), "%s %s", SCENE_SERVER, more != NULL ? more : "");
    fixture_start(&(struct fixture_setup){.server = server, .tls = version});
    fixture_file("small", content(), SMALL_SIZE);
    fixture_file("medium", content(), MEDIUM_SIZE);
    fixture_file("big", content(), BIG_SIZE);
}

void scenes_start(const char *more)
{
    scenes_start_tls(FIXTURE_PLAIN, more);
}

const struct scene *scene_find(const char *name)
{
    for (size_t i = 0; i < scene_count; i++) {
        if (strcmp(scenes[i].name, name) == 0)
            return &scenes[i];
    }
    cr_assert_fail("there is no scene \"%s\"", name);
    return NULL;
}

struct bytes scene_expected(const struct scene *s)
{
    struct bytes b = {0};
    FILE *out = open_memstream(&b.p, &b.n);

    s->expect(out);
    fclose(out);
    return b;
}

void scene_play(const struct scene *s)
{
    struct bytes expected = scene_expected(s), got = client_fetch(s->request);

    bytes_expect(&got, &expected, s->name);
    cr_assert(!got.reset, "%s: the connection was reset", s->name);
    cr_assert(!got.unclean, "%s: ended without close_notify", s->name);
    bytes_free(&got);
    bytes_free(&expected);
}

void scenes_play(bool big_too)
{
    for (size_t i = 0; i < scene_count; i++) {
        if (big_too || !scenes[i].big)
            scene_play(&scenes[i]);
    }
}

void scenes_play_cold(void)
{
    static const char *const names[] = {"small", "medium", "big"};
    char path[256];

    for (unsigned i = 0; i < 30; i++) {
        fixture_path(names[i % 3], path, sizeof(path));
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        cr_assert_eq(fdatasync(fd), 0);
        cr_assert_eq(posix_fadvise(fd, i % 2 * 4096, 0, POSIX_FADV_DONTNEED), 0);
        close(fd);
        scene_play(scene_find(names[i % 3]));
    }
}
