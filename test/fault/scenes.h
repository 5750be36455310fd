// SPDX-License-Identifier: Apache-2.0
//
// What a client asks and the exact bytes that it must get: one scene for each way in which a
// response reaches the socket.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "test/fault/client.h"
#include "test/fault/fixture.h"

// The files of html/ that scenes ask for.
#define SMALL_SIZE 1000u         // goes out behind its head in one send
#define MEDIUM_SIZE 140000u      // sendfile, one quantum
#define BIG_SIZE (1500u << 10)   // sendfile, several quanta

struct scene {
    const char *name;
    const char *request; // ends with a request that closes the connection
    void (*expect)(FILE *out);
    bool big;
};

extern const struct scene scenes[];
extern const size_t scene_count;

// The lines that the scenes need in the server block.
#define SCENE_SERVER                                                        \
    "location = /text { return 200 text; }"                                 \
    "location = /gone { error_page 404 /small; root @nowhere; }"            \
    "location = /many { return 200 $arg_x$arg_x$arg_x$arg_x$arg_x$arg_x; }"

// Starts a server with these lines, and others behind them, and makes its files.
void scenes_start(const char *more);
void scenes_start_tls(enum fixture_tls version, const char *more);
const struct scene *scene_find(const char *name);
struct bytes scene_expected(const struct scene *s);
// Asks, and expects every byte, and with TLS a clean end.
void scene_play(const struct scene *s);
void scenes_play(bool big_too);
// Truly cold: the pages of the file are thrown out before each request.
void scenes_play_cold(void);

// One response as it is to be: status line, headers, body. `type` may be NULL.
struct answer {
    const char *status;
    const char *type;
    size_t length;     // Content-Length
    const char *more;  // header lines behind Connection
    bool file;         // with Last-Modified (unless undated) and ETag
    bool undated;
    size_t file_size;  // in the ETag
    bool keep_alive;
};
void put_head(FILE *out, const struct answer *a);
// Bytes [from, to) of a file of html/.
void put_file(FILE *out, size_t from, size_t to);
// The built-in page of a status.
void put_page(FILE *out, const char *status, bool keep_alive);
