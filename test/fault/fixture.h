// SPDX-License-Identifier: Apache-2.0
//
// A real worker in the test's own process, on a thread of its own and on a loopback port that was
// free. It runs on the table of faults.h. fixture_stop() looks whether everything is as it was.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct stats;
struct worker;

enum fixture_tls { FIXTURE_PLAIN, FIXTURE_TLS_1_2, FIXTURE_TLS_1_3 };

// Texts that go into the configuration; NULL: nothing.
struct fixture_setup {
    const char *events; // in the events block
    const char *listen; // behind the address of `listen`
    const char *server; // in the only server block; "@" is the folder, with its last slash
    enum fixture_tls tls; // what is listened with, and what clients speak
};

// Writes the configuration and starts the worker; its files lie in html/ of a new folder.
void fixture_start(const struct fixture_setup *setup);
// A file of html/, with a time of modification that never changes (FIXTURE_MODIFIED).
#define FIXTURE_MODIFIED 784111777 // Sun, 06 Nov 1994 08:49:37 GMT
void fixture_file(const char *name, const char *data, size_t n);
void fixture_path(const char *name, char *out, size_t size);

uint16_t fixture_port(void);
enum fixture_tls fixture_tls(void);
// For what nothing else tells; its memory is the worker thread's.
struct worker *fixture_worker(void);
const struct stats *fixture_stats(void);
// How many lines of the error log have both the level ("[crit]") and the text in them; "": any.
// Lines are written behind the answers they belong to: what must come is waited for.
unsigned fixture_count_log(const char *level, const char *text);
// Waits until there are as many; fails when they don't come or more of them come.
void fixture_expect_log(const char *level, const char *text, unsigned times);

// A client has connected: the worker is expected to accept it, sooner or later.
void fixture_connected(void);
// All connections that the worker has accepted up to now.
int64_t fixture_accepted(void);
// Waits until all have been accepted and no connection is left, then expects gauges and descriptors
// as they were at the start.
void fixture_settle(void);
// Settles, stops the worker, and expects that nothing of it is left.
void fixture_stop(void);
// The same, once the log is seen to hold nothing critical.
void fixture_stop_well(void);

uint64_t now_ms(void);
void sleep_ms(unsigned ms);
