// SPDX-License-Identifier: Apache-2.0
//
// The tables of directives, and what their setters know while a configuration is being read. Each
// table is one area; a row says where a directive may stand and which field it fills.
#pragma once

#include "lib/conf/schema.h"
#include "server/config/config.h"

struct http_conf;
struct server_conf;
struct location_conf;
struct program;
struct listen_line;

// A block being read: what its directives fill, and the blocks in it. Configuration arena.
struct block {
    struct conf_frame frame;
    const struct conf_node *node;
    struct block *parent;
    struct http_conf *http;
    struct server_conf *server;     // of http: what servers inherit from
    struct location_conf *location; // of http and server: what locations inherit from
    struct program *program;        // set, if, ... of this block; made at first need
    struct program **program_home;  // where it goes then
    struct listen_line *listens;    // of server
    struct block *children, **children_tail, *next;
};

struct log_buffer; // log.c

// ap->program
struct loader {
    struct config *config;
    const struct config_source *source;
    struct log_buffer *log_buffers; // of the access logs so far
    struct block *http; // NULL until its block is read
};

extern const struct conf_schema directives_schema;

extern const struct conf_directive directives_main[], directives_events[], directives_blocks[],
    directives_server[], directives_listen[], directives_connection[], directives_files[],
    directives_types[], directives_response[], directives_redirect[], directives_rewrite[],
    directives_log[], directives_access[], directives_map[], directives_geo[], directives_limits[],
    directives_charset[], directives_gzip[], directives_ssl[], directives_http2[],
    directives_ignored[], directives_rejected[];
extern const struct conf_family directives_families[];

// The block whose directives are being applied.
struct block *block_of(const struct conf_apply *ap);
struct loader *loader_of(const struct conf_apply *ap);

// A block within the current one that fills the same structures. NULL when memory is out.
struct block *block_new(struct conf_apply *ap, const struct conf_node *node, uint32_t context);
// Gives it a location structure of its own, nothing set. -ENOMEM.
must_check int block_own_location(struct conf_apply *ap, struct block *b);
// Hangs it into its parent and reads what is in it.
must_check int block_read(struct conf_apply *ap, struct block *b);
