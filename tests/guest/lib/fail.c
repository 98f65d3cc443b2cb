// SPDX-License-Identifier: GPL-2.0
/* Allocations that fail on demand: fail_page_alloc and failslab. */
#include <errno.h>
#include <stdio.h>

#include "lib.h"

#define PAGES "/sys/kernel/debug/fail_page_alloc/"
#define SLAB "/sys/kernel/debug/failslab/"

static int set_number(const char *dir, const char *file, int value)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), "%s%s", dir, file);
	snprintf(text, sizeof(text), "%d", value);
	return setting(path, text);
}

/* For threads that asked for it, whether the allocation could wait or not. */
static int fail_in(const char *dir, int percent)
{
	return set_number(dir, "task-filter", 1) ?:
	       set_number(dir, "ignore-gfp-wait", 0) ?:
	       set_number(dir, "verbose", 0) ?:
	       set_number(dir, "interval", 1) ?:
	       set_number(dir, "times", 1000000000) ?:
	       set_number(dir, "probability", percent);
}

/* From now on @percent of the page allocations of @min_order and up fail. 0 or -errno. */
int fail_from(int min_order, int percent)
{
	return set_number(PAGES, "ignore-gfp-highmem", 0) ?:
	       set_number(PAGES, "min-order", min_order) ?:
	       fail_in(PAGES, percent);
}

int slab_fail(int percent)
{
	return fail_in(SLAB, percent);
}

/* For the calling thread. Opening the file to end it may fail as well. */
void fail_me(bool on)
{
	while (write_file("/proc/thread-self/make-it-fail", on ? "1" : "0") == -ENOMEM)
		;
}
