// SPDX-License-Identifier: Apache-2.0
//
// Writes JSON (RFC 8259) to a stream: indented, so that people can read it too, or in one line.
// Text and keys of any bytes come out as valid UTF-8. Errors are the stream's (ferror(3)).
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 16

struct json_writer {
    FILE *out; // borrowed
    bool compact;
    unsigned depth;
    struct {
        char close;
        bool some; // something stands in it
    } level[JSON_DEPTH_MAX];
};

void json_start(struct json_writer *j, FILE *out);
void json_start_compact(struct json_writer *j, FILE *out);
// `key` is NULL within a list, and for the outermost value.
void json_object(struct json_writer *j, const char *key);
void json_list(struct json_writer *j, const char *key);
void json_end(struct json_writer *j); // of the innermost object or list

void json_text(struct json_writer *j, const char *key, const char *text); // NULL: null
void json_number(struct json_writer *j, const char *key, int64_t value);
void json_fraction(struct json_writer *j, const char *key, double value); // six digits; finite
void json_bool(struct json_writer *j, const char *key, bool value);
void json_null(struct json_writer *j, const char *key);
