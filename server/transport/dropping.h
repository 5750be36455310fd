// SPDX-License-Identifier: Apache-2.0
//
// page_cache drop: what a response read from the disk leaves the page cache behind it. The kernel's
// threads do it, since giving pages back may wait for other CPUs.
#pragma once

#include <stdint.h>

struct request;
struct worker;

// The body has been sent up to `off` of the file. Does nothing where nothing is to be dropped.
void dropping_sent(struct request *r, uint64_t off);
// The response is at its end; its file is still open.
void dropping_end(struct request *r);
