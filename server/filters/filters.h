// SPDX-License-Identifier: Apache-2.0
//
// Header filters: they look at the description of a response and change it; run in the order of
// request_respond(). 0 to go on, or a status that takes the response's place.
#pragma once

struct request;

int filter_not_modified(struct request *r);
int filter_range(struct request *r);
int filter_charset(struct request *r);
int filter_headers(struct request *r); // expires, add_header
