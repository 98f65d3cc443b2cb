// SPDX-License-Identifier: GPL-2.0
/* One cgroup (v2) below the root, for tests that need a memory limit. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib.h"

#define ROOT "/sys/fs/cgroup/"
#define OURS ROOT "laf-test"

/* False with cgroup_disable=memory. */
bool cgroup_here(void)
{
	char controllers[256];

	return read_file(ROOT "cgroup.controllers", controllers, sizeof(controllers)) > 0 &&
	       strstr(controllers, "memory");
}

bool cgroup_create(void)
{
	return !write_file(ROOT "cgroup.subtree_control", "+memory") &&
	       !mkdir(OURS, 0755);
}

/* Moves the caller; its children follow. */
bool cgroup_enter(void)
{
	return !write_file(OURS "/cgroup.procs", "0");
}

/* The last process may still be on its way out. */
void cgroup_remove(void)
{
	int try;

	for (try = 0; try < 20 && rmdir(OURS) && errno == EBUSY; try++)
		usleep(100000);
}

int cgroup_set(const char *file, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), OURS "/%s", file);
	return write_file(path, value);
}

long cgroup_get(const char *file, const char *key)
{
	char path[128];

	snprintf(path, sizeof(path), OURS "/%s", file);
	return number_in(path, key);
}

/*
 * All processes are gone, and with them what memory.stat has of them: exactly, since a
 * look at cpu.stat has CPUs add up what each keeps for itself. True without a cgroup.
 */
bool cgroup_stat_back(void)
{
	static const char * const keys[] = {
		"anon", "anon_thp", "swapcached", "inactive_anon", "active_anon",
		"unevictable", "pagetables", NULL
	};
	int i, try, nr;
	long left[8];

	if (access(OURS, F_OK))
		return true;
	for (try = 0; try < 50; try++) {
		drain();
		read_all(OURS "/cpu.stat");
		for (nr = i = 0; keys[i]; i++) {
			left[i] = cgroup_get("memory.stat", keys[i]);
			nr += left[i] > 0;
		}
		if (!nr)
			return true;
		usleep(100000);
	}
	for (i = 0; keys[i]; i++)
		if (left[i] > 0)
			printf("# memory.stat still has %ld of %s\n", left[i], keys[i]);
	return false;
}

/* The smallest large folio; statistics may be a page behind for ever. */
#define LEAK 4

/*
 * All processes of the cgroup are gone: what it is still charged for, other than
 * kernel memory, has leaked. The limit makes it give back per-CPU stock.
 */
long cgroup_leak(void)
{
	long kernel = 0, pages = 0;
	int try;

	for (try = 0; try < 50; try++) {
		cgroup_set("memory.high", "0");
		kernel = cgroup_get("memory.stat", "kernel");
		pages = (cgroup_get("memory.current", NULL) - kernel) / (long)page_size;
		if (pages < LEAK)
			return 0;
		usleep(100000);
	}
	printf("# %ld pages are still charged, and %ld of kernel memory\n", pages,
	       kernel / (long)page_size);
	return pages;
}
