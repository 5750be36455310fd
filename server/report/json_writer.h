// SPDX-License-Identifier: Apache-2.0
//
// Writes JSON (RFC 8259) to a stream, indented, so that people can read it too. Text of any bytes
// comes out as valid UTF-8. Keys are the program's own and are not escaped.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH_MAX 16

struct json_writer {
    FILE *out; // borrowed
    unsigned depth;
    struct {
        char close;
        bool some; // something stands in it
    } level[JSON_DEPTH_MAX];
};

void json_start(struct json_writer *j, FILE *out);
// `key` is NULL within a list, and for the outermost value.
void json_object(struct json_writer *j, const char *key);
void json_list(struct json_writer *j, const char *key);
void json_end(struct json_writer *j); // of the innermost object or list

void json_text(struct json_writer *j, const char *key, const char *text); // NULL: null
void json_number(struct json_writer *j, const char *key, int64_t value);
void json_bool(struct json_writer *j, const char *key, bool value);
void json_null(struct json_writer *j, const char *key);
