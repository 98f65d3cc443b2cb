// SPDX-License-Identifier: GPL-2.0
/* PTE tables that are freed when they are empty: how, and how many. */
#include <stdio.h>
#include <unistd.h>

#include "lib.h"

/* 0 or -errno: -ENOENT where the kernel does not free any. */
int reclaim_mode(const char *mode)
{
	return setting("/proc/sys/vm/pte_table_reclaim", mode);
}

/*
 * Nobody has an empty table when this returns: what a test finds is its own. False
 * where the kernel does not free any.
 */
bool reclaim_begin(const char *mode)
{
	if (reclaim_mode("1"))
		return false;
	shrink_tables();
	return !reclaim_mode(mode);
}

/* Tables of all levels that a process has. */
long tables_of(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return number_in(path, "VmPTE") / (long)(page_size >> 10);
}

void tables_read(struct tables *t)
{
	drain();
	t->vm = tables_of(getpid());
	t->empty = vmstat("nr_pte_table_empty");
	t->inplace = vmstat("pte_table_freed_inplace");
	t->shrinker = vmstat("pte_table_freed_shrinker");
	t->refilled = vmstat("pte_table_refilled");
}

struct tables tables_since(const struct tables *was)
{
	struct tables now;

	tables_read(&now);
	return (struct tables){
		.vm = now.vm - was->vm,
		.empty = now.empty - was->empty,
		.inplace = now.inplace - was->inplace,
		.shrinker = now.shrinker - was->shrinker,
		.refilled = now.refilled - was->refilled,
	};
}

/* One pass or more of all shrinkers. */
void shrink(void)
{
	static bool silent;

	/* or the kernel log has a line for each */
	if (!silent)
		silent = !write_file("/proc/sys/vm/drop_caches", "4");
	write_file("/proc/sys/vm/drop_caches", "2");
}

/* The first pass gives every empty table its second chance. */
void shrink_tables(void)
{
	shrink();
	shrink();
}

/* 0 or -errno */
int reclaim_tables_of(pid_t pid, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/reclaim_pte_tables", pid);
	return write_file(path, text);
}
