// SPDX-License-Identifier: Apache-2.0
//
// What the files of lib/file say to each other: the steps of a lookup, and the cache around it.
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "lib/file/open_file.h"

// The steps of a lookup. Each opens one name (l->dir_fd, l->name, l->how) and has one function that
// takes the result: a descriptor, which it owns then, or -errno.
#define FILE_STEPS(STEP)                                                                    \
    STEP(open)             /* the thing itself */                                           \
    STEP(prefix)           /* the trusted start of the path */                              \
    STEP(parent)           /* a link was met: was it on the way or at the end? */           \
    STEP(component)        /* a directory on the way, or a link to one */                   \
    STEP(component_target) /* what that link points at */                                   \
    STEP(last)             /* the last component, if it is no link */                       \
    STEP(last_link)        /* the last component, which is a link: who owns it? */          \
    STEP(last_target)      /* what that link points at */

#define FILE_STEP_ENUM(name) FILE_STEP_##name,
enum file_step { FILE_STEPS(FILE_STEP_ENUM) FILE_STEP_COUNT };
#undef FILE_STEP_ENUM

// True: the next step is set up. False: the lookup has finished, and l->err or l->file is set.
typedef bool (*file_step_fn)(struct file_lookup *l, int res);

#define FILE_STEP_PROTOTYPE(name) bool file_step_##name(struct file_lookup *l, int res);
FILE_STEPS(FILE_STEP_PROTOTYPE)
#undef FILE_STEP_PROTOTYPE

// Sets up a step. `flags` without O_CLOEXEC, which every one gets.
void file_next(struct file_lookup *l, enum file_step step, const char *name, unsigned flags,
               unsigned resolve);

// The flags of the open whose descriptor is the result.
unsigned file_final_flags(const struct file_lookup *l);

// Ends a lookup; both give false, for the step functions. file_give() owns `fd` and fails itself
// when the attributes or memory cannot be had.
bool file_fail(struct file_lookup *l, int err);
bool file_give(struct file_lookup *l, int fd);

// The first step of a lookup that follows a symlink policy. False: it failed at once.
bool file_symlinks_start(struct file_lookup *l);

// Drops a reference without telling the cache.
void file_unref(struct open_file *f);

// A fresh entry answers the lookup: true.
bool file_cache_find(struct file_table *t, struct file_lookup *l);
// A finished lookup enters the cache. May replace l->file by an equal one that is open already.
void file_cache_store(struct file_table *t, struct file_lookup *l);
// Only the cache holds the entry's file now.
void file_cache_released(struct file_entry *e);
void file_cache_destroy(struct file_cache *c); // NULL is harmless
