// SPDX-License-Identifier: Apache-2.0
//
// What handlers of files share.
#pragma once

struct request;

// What nginx answers when a file cannot be opened; logs it unless log_not_found is off.
int status_of_open_error(struct request *r, int err, const char *call, const char *path);
