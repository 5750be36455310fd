// SPDX-License-Identifier: Apache-2.0
//
// A certificate for a server under test, signed by itself.
#pragma once

// Makes the files server.crt and server.key in `folder`, which has its last slash.
void certificate_make(const char *folder);
