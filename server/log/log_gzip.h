// SPDX-License-Identifier: Apache-2.0
//
// Log lines as a gzip member (RFC 1952). Each line is compressed when it comes, so that no worker
// stops for a whole buffer; what is written out at a time is one member, as in nginx.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct log_gzip;

// Level 1 to 9; `buffer` is about how many bytes of lines a member will have, and bounds the memory
// that is taken. NULL when memory is out.
struct log_gzip *log_gzip_new(int level, size_t buffer);
void log_gzip_free(struct log_gzip *g); // NULL is harmless

// The room that a whole member of `n` bytes of lines may need.
size_t log_gzip_bound(struct log_gzip *g, size_t n);
// Adds `n` bytes of lines (0 with `finish`) to the member; `finish` ends it, and the next call
// begins another one. At most `room` bytes go to `out`, *made of them. False when that was not
// enough: the member is lost, and the next call begins anew.
bool log_gzip_add(struct log_gzip *g, const char *lines, size_t n, bool finish, char *out,
                  size_t room, size_t *made);
// Throws away the member that was begun.
void log_gzip_reset(struct log_gzip *g);
