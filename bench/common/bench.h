/* SPDX-License-Identifier: GPL-2.0 */
/* What the benchmark programs share: instruction counters and a cgroup. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define KB	1024UL
#define MB	(1024 * KB)
#define GB	(1024 * MB)
#define PAGE	(4 * KB)
#define TABLE	(2 * MB)	/* what one PTE table maps */

enum mode { USER, KERNEL };

/* One line on stderr, then exit 2. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
/* The same if error, with what and errno's text. */
void check(bool error, const char *what);

/* Writes to one byte every step bytes. */
void touch(volatile char *area, size_t size, size_t step);

/*
 * A counter of retired instructions.  pid and cpu as in perf_event_open(2); it
 * follows the children of a task.  With on_exec it starts at the task's exec.
 */
int counter_open(pid_t pid, int cpu, enum mode mode, bool on_exec);
uint64_t counter_read(int fd);

/* The first number behind key in a file of "key value" lines; a file of one number has key "". */
uint64_t read_number(const char *path, const char *key);
/* False with errno set where the file is missing or refuses the text. */
bool write_file(const char *path, const char *text);

/* A fresh memory cgroup; returns its directory. */
const char *cgroup_create(void);
/* Moves the caller into it. */
void cgroup_enter(const char *dir);
/* Leaves for the root group if the caller is inside, then removes it. */
void cgroup_remove(const char *dir);

#endif
