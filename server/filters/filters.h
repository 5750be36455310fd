// SPDX-License-Identifier: Apache-2.0
//
// Filters: they look at the description of a response and change it; run in the order of
// request_respond(), which is nginx's. 0 to go on, a status that takes the response's place, or
// PHASE_WAIT: the same filter is called again when what it waits for has come.
#pragma once

struct request;

int filter_not_modified(struct request *r);
int filter_range(struct request *r);
int filter_headers(struct request *r); // expires, add_header
int filter_charset(struct request *r);
int filter_gzip(struct request *r);
int filter_trailers(struct request *r); // add_trailer
