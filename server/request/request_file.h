// SPDX-License-Identifier: Apache-2.0
//
// From a request's path to a file: root and alias, the asynchronous look-up, the content type.
#pragma once

#include "server/request/request.h"

// Starts r->lookup (path, cache, symlinks and test_only set by request_map_path or the caller).
// 0: r->lookup.err / .file are set. PHASE_WAIT: return it from the phase; request_resume follows.
must_check int request_lookup(struct request *r);
// Gives back the file of a lookup not handed to the response.
void request_drop_file(struct request *r);

// File system path of `path` by root or alias, terminated, in the arena; sets the lookup's policy
// fields. 0 or a status (500).
must_check int request_map_path(struct request *r, struct sv path, struct sv *out);
// The same for a root or alias that was worked out already.
must_check int request_map_path_under(struct request *r, struct sv root, struct sv name,
                                      struct sv *out);
// Sets the lookup's cache and disable_symlinks for an absolute path as the location says. 0 or 500.
must_check int request_lookup_policy(struct request *r, struct sv path);
// By the extension of the current path: types, else default_type.
struct sv content_type_of(const struct request *r);
