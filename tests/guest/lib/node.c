// SPDX-License-Identifier: GPL-2.0
/* Which node pages are on, and are bound to. */
#include <errno.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib.h"

#define BALANCING "/sys/kernel/debug/sched/numa_balancing/"

bool two_nodes(void)
{
	return !access("/sys/devices/system/node/node1", F_OK);
}

/* Automatic balancing is on, and hint faults come soon. 0 or -errno. */
int balance_often(void)
{
	setting(BALANCING "scan_delay_ms", "10");
	setting(BALANCING "scan_period_min_ms", "10");
	setting(BALANCING "scan_period_max_ms", "50");
	return setting("/proc/sys/kernel/numa_balancing", "1");
}

/* 0 or -errno; @flags are those of mbind(). */
int bind_to(void *addr, size_t pages, int node, unsigned int flags)
{
	unsigned long mask = 1UL << node;

	return syscall(__NR_mbind, addr, pages * page_size, MPOL_BIND, &mask, 64, flags) ?
	       -errno : 0;
}

int node_of(void *addr)
{
	int status = -1;

	syscall(__NR_move_pages, 0, 1UL, &addr, NULL, &status, 0);
	return status;
}

size_t on_node(void *addr, size_t pages, int node)
{
	void *page[256];
	int status[256];
	size_t i, nr = 0;

	for (; pages; pages -= i, addr = page_at(addr, i)) {
		for (i = 0; i < 256 && i < pages; i++)
			page[i] = page_at(addr, i);
		if (syscall(__NR_move_pages, 0, i, page, NULL, status, 0))
			return 0;
		for (size_t j = 0; j < i; j++)
			nr += status[j] == node;
	}
	return nr;
}
