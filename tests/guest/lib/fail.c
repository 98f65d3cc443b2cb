// SPDX-License-Identifier: GPL-2.0
/* Page allocations that fail on demand (fail_page_alloc). */
#include <errno.h>
#include <stdio.h>

#include "lib.h"

#define FAIL "/sys/kernel/debug/fail_page_alloc/"

/*
 * From now on @percent of the allocations of @min_order and up fail, for threads
 * that asked for it. 0 or -errno.
 */
int fail_from(int min_order, int percent)
{
	char order[16], probability[16];

	snprintf(order, sizeof(order), "%d", min_order);
	snprintf(probability, sizeof(probability), "%d", percent);
	return setting(FAIL "task-filter", "1") ?:
	       setting(FAIL "ignore-gfp-wait", "0") ?:
	       setting(FAIL "ignore-gfp-highmem", "0") ?:
	       setting(FAIL "verbose", "0") ?:
	       setting(FAIL "interval", "1") ?:
	       setting(FAIL "times", "1000000000") ?:
	       setting(FAIL "min-order", order) ?:
	       setting(FAIL "probability", probability);
}

/* For the calling thread. Opening the file to end it may fail as well. */
void fail_me(bool on)
{
	while (write_file("/proc/thread-self/make-it-fail", on ? "1" : "0") == -ENOMEM)
		;
}
