// SPDX-License-Identifier: Apache-2.0
//
// A judge of what an HTTP/2 server says to a client that may say anything. It reads both
// directions frame by frame, by hand, and knows of each stream what may be said on it, and how much
// DATA the client has allowed at most.
#pragma once

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JUDGE_STREAMS 4096 // those with higher numbers are not looked at one by one
#define JUDGE_TABLES 256   // SETTINGS_HEADER_TABLE_SIZE that are not acknowledged yet

struct judge_stream {
    uint64_t opened, sent;   // bytes of WINDOW_UPDATE; of DATA
    uint64_t length;         // content-length; UINT64_MAX: none
    bool asked, cancelled;   // by the client
    bool headed, ended, reset;
};

struct judge_table {
    uint32_t least, last;    // of one SETTINGS frame; UINT32_MAX: none was there
};

struct judge {
    // What the client said.
    char said[16384 + 9 + 16384];
    size_t nsaid;
    bool deaf;               // it said something that ends the connection, perhaps: no more of it
    uint32_t highest;        // id
    uint64_t window, opened; // the largest initial window of streams; WINDOW_UPDATE of stream 0
    struct judge_table tables[JUDGE_TABLES];
    unsigned ntables, acked;

    // What the server says.
    char frame[9 + 16384];
    size_t nframe;
    uint64_t nframes, sent;
    uint32_t goaway;         // last stream id
    uint32_t continued;      // a header block of that stream goes on; 0: none
    bool block_ends;         // the stream, too
    nghttp2_hd_inflater *inflater;
    struct judge_stream streams[JUDGE_STREAMS];
};

// Bytes that the client is about to say, behind the preface's first 24.
void judge_hears(struct judge *j, const uint8_t *bytes, size_t n);
