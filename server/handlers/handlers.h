// SPDX-License-Identifier: Apache-2.0
//
// Content handlers: each describes a response or gives a status (a phase result, request.h).
#pragma once

struct request;

int handler_static(struct request *r);
int handler_index(struct request *r);
int handler_stub_status(struct request *r);
// `status`, in the format that the request asks for, and in a fixed one.
int handler_status(struct request *r);
int handler_status_json(struct request *r);
int handler_status_prometheus(struct request *r);
// `return` with a text or a redirect.
struct return_rule;
int handler_return(struct request *r, const struct return_rule *rule);
