// SPDX-License-Identifier: GPL-2.0
/* PTE tables that are freed when they are empty: how, and how many. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
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

#define BLOCK_PAGES	512	/* PMD, for arrays */

/*
 * Tables of PMDs and above come and go with VMAs. Those for what lies around @addr stay
 * from now on: a page near it, one in the gigabyte before, and one in that behind.
 */
void tables_keep_upper(const void *addr)
{
	size_t block = PMD * page_size, span = PMD * block;
	uintptr_t middle = (uintptr_t)addr & ~(span - 1), from, at;

	for (from = middle - span; from <= middle + span; from += span) {
		char *page = MAP_FAILED;

		for (at = from; at < from + span && page == MAP_FAILED; at += block) {
			page = mmap((void *)at, page_size, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
			/* else it is outside of the address space */
			if (page == MAP_FAILED && errno != EEXIST)
				break;
		}
		if (page != MAP_FAILED)
			touch(page);
	}
}

static bool any_entry(int fd, uintptr_t start, uintptr_t end)
{
	uint64_t words[BLOCK_PAGES] = { 0 };
	size_t len = (end - start) / page_size * sizeof(*words), i;

	if (pread(fd, words, len, start / page_size * sizeof(*words)) < 0)
		return false;
	/* present or swapped: others are flags of the VMA */
	for (i = 0; i < BLOCK_PAGES && !(words[i] >> 62); i++)
		;
	return i < BLOCK_PAGES;
}

/*
 * Tables of this process, of all levels, but for those of PTEs that have an entry: more
 * than before are empty ones that nobody knows of, or are counted only. Also in it is the
 * table of the vDSO's data, which pagemap does not show.
 */
long tables_without_entries(void)
{
	size_t block = PMD * page_size;
	uintptr_t start, end, next, last = 0;
	long used = 0;
	char line[256];
	FILE *maps;
	int fd;

	/* has it used */
	seconds();
	maps = fopen("/proc/self/maps", "re");
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		for (; start < end; start = next) {
			next = start / block * block + block;
			if (next > end)
				next = end;
			/* that of two VMAs is one */
			if (start / block == last || !any_entry(fd, start, next))
				continue;
			last = start / block;
			used++;
		}
	}
	if (maps)
		fclose(maps);
	close(fd);
	return tables_of(getpid()) - used;
}

#define LATE "/sys/kernel/debug/pte_table_late"
#define OVERTAKEN "/sys/kernel/debug/pte_table_overtaken"
static long overtaken;

/*
 * Where a thread finds a table, it waits for somebody to free it, until late_end(). False
 * if there is no such thread, or the kernel has no CONFIG_DEBUG_FREE_USER_PTE.
 */
bool late_begin(pid_t tid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", tid);
	overtaken = number_in(OVERTAKEN, NULL);
	return tid && overtaken >= 0 && !setting(LATE, text);
}

/* How often that has happened. */
long late_end(void)
{
	setting(LATE, "0");
	return number_in(OVERTAKEN, NULL) - overtaken;
}
