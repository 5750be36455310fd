// SPDX-License-Identifier: Apache-2.0
//
// What tls.c and bio.c share.
#pragma once

#include "lib/tls/tls.h"

// A BIO (bio(7)) over t->in and t->out: reading takes what was fed, writing appends. NULL when
// memory is out.
BIO *tls_bio_new(struct tls *t);
