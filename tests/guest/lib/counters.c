// SPDX-License-Identifier: GPL-2.0
/* The kernel's counters, exact: per-CPU parts are folded in first. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "lib.h"

/* What every test leaves as it was; "free swap" is not in /proc/vmstat. */
static const char * const names[NR_COUNTERS] = {
	"nr_anon_pages",
	"nr_anon_transparent_hugepages",
	"nr_isolated_anon",
	"nr_isolated_file",
	"nr_mlock",
	"nr_unevictable",
	"nr_swapcached",
	[COUNTER_OOM_KILL] = "oom_kill",
	"free swap",
};
/* Of the first: whoever copies a test's output may need a folio or two for it. */
#define SLACK 32

/* move_pages() drains the LRU batches of all CPUs before it looks at a page. */
void drain(void)
{
	static int here;
	void *page = &here;
	int node = 0, status;

	syscall(__NR_move_pages, 0, 1UL, &page, &node, &status, 0);
	write_file("/proc/sys/vm/stat_refresh", "1");
}

/*
 * The number behind "name" or "name:" at the start of a line, or without a name the
 * one the file begins with; -1 if absent.
 */
long number_in(const char *path, const char *name)
{
	size_t len = name ? strlen(name) : 0;
	FILE *f = fopen(path, "re");
	char line[256];
	long value = -1;

	if (!f)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), f)) {
		if (!name)
			value = strtol(line, NULL, 10);
		else if (!strncmp(line, name, len) && (line[len] == ' ' || line[len] == ':'))
			value = strtol(line + len + 1, NULL, 10);
	}
	fclose(f);
	return value;
}

long vmstat(const char *name)
{
	return number_in("/proc/vmstat", name);
}

long meminfo(const char *name)
{
	return number_in("/proc/meminfo", name);
}

long rss_anon(void)
{
	return number_in("/proc/self/status", "RssAnon");
}

/* The sum of @field over the VMAs that begin in the range. */
long smaps(const void *addr, size_t pages, const char *field)
{
	uintptr_t start, end, from = (uintptr_t)addr, to = from + pages * page_size;
	size_t len = strlen(field);
	char line[256];
	bool inside = false;
	long sum = 0;
	FILE *f = fopen("/proc/self/smaps", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start >= from && start < to;
		else if (inside && !strncmp(line, field, len) && line[len] == ':')
			sum += strtol(line + len + 1, NULL, 10);
	}
	if (f)
		fclose(f);
	return sum;
}

long minor_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_minflt;
}

long page_tables(void)
{
	drain();
	return meminfo("PageTables") / (long)(page_size >> 10);
}

/* They are counted until RCU frees them. */
bool page_tables_back(long wanted)
{
	long now = 0;
	int try;

	for (try = 0; try < 50; try++) {
		now = page_tables();
		if (now <= wanted)
			return true;
		usleep(100000);
	}
	printf("# %ld page tables wanted, %ld found\n", wanted, now);
	return false;
}

void counters_read(struct counters *c)
{
	struct sysinfo info;
	int i;

	drain();
	for (i = 0; i < NR_COUNTERS - 1; i++)
		c->value[i] = vmstat(names[i]);
	sysinfo(&info);
	c->value[i] = info.freeswap * info.mem_unit / page_size;
}

/*
 * Whether all are as @before within so many tenths of a second (freeing may lag
 * behind the end of a process); says which are not. A negative counter shows as
 * zero here; stat_refresh logs it, and the check of the kernel log finds that.
 */
bool counters_back(const struct counters *before, int tries)
{
	struct counters now;
	int i;

	for (i = 0; i < tries; i++) {
		counters_read(&now);
		if (labs(now.value[0] - before->value[0]) <= SLACK &&
		    !memcmp(&now.value[1], &before->value[1], sizeof(now) - sizeof(long)))
			return true;
		usleep(100000);
	}
	for (i = 0; i < NR_COUNTERS; i++)
		if (now.value[i] != before->value[i])
			printf("# %s: before the test %ld, after it %ld\n", names[i],
			       before->value[i], now.value[i]);
	return false;
}
