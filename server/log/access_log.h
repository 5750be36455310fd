// SPDX-License-Identifier: Apache-2.0
//
// log_format and access_log: formats compiled once, lines made when a request ends.
#pragma once

#include "lib/conf/template.h"
#include "server/log/log_file.h"

struct http_conf;
struct request;

enum log_escape { LOG_ESCAPE_DEFAULT, LOG_ESCAPE_JSON, LOG_ESCAPE_NONE };

struct log_format {
    struct list node;        // http_conf.log_formats
    struct sv name;
    enum log_escape escape;
    unsigned nparts;
    struct template_part *parts;
};

struct access_log_use {      // one access_log directive
    struct log_file *file;   // NULL: path has variables
    struct template *path;   // then
    struct log_format *format;
    struct template *condition; // if=; NULL: always
    int64_t buffer;          // bytes; 0: none
    int64_t flush_ms;        // 0: none
    int64_t gzip;            // level; 0: lines are written as they are
    struct access_log_use *next;
};

// Writes the request's lines (nginx's log phase). Never blocks.
void access_log_write(struct request *r);

// The predefined "combined".
must_check int log_format_combined(struct http_conf *http);
