// SPDX-License-Identifier: Apache-2.0
//
// How much the kernel's TLS holds back. It takes and seals bytes that TCP has no room for yet, says
// that they are sent, and gives them to TCP later, from a kernel thread (6.1: tls_sw_write_space,
// tx_work_handler). No call tells how many those are: SIOCOUTQ and poll(2) know of TCP's bytes
// alone. close(2) tries once more without waiting and frees the rest (tls_sw_release_resources_tx),
// and shutdown(2) sends the FIN before it: the client sees its answer cut off in mid-record. So
// whoever closes in order asks here first.
#pragma once

#include <stdint.h>

#include "lib/base/compiler.h"

// What TCP has been given is the payload, and so many bytes for each record, on top of a base. The
// kernel numbers its records, which says how many there were. All zero: not known.
struct tls_kernel_flow {
    uint64_t base;    // bytes of TCP's stream before the first record; modulo 2^64
    uint8_t overhead; // bytes of a record beside its payload; 0: not known
    uint8_t info;     // size of the cipher's struct tls12_crypto_info_...
};

// The socket has keys to send with, and TCP all records so far. `payload` counts the caller's bytes
// that the socket took, from any moment on; later ones must all be counted. Where the kernel does
// not tell, the flow stays unknown.
void tls_kernel_flow_begin(struct tls_kernel_flow *f, int fd, uint64_t payload);
// Bytes that are sealed and not with TCP. Of an unknown flow, or when the client's acknowledgements
// come too fast to count: more than 0 while TCP has any that are not acknowledged. 0 when the
// connection is broken, as nothing will ever leave.
must_check uint64_t tls_kernel_held(const struct tls_kernel_flow *f, int fd, uint64_t payload);
