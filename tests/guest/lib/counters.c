// SPDX-License-Identifier: GPL-2.0
/* The kernel's counters, exact: per-CPU parts are folded in first. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "lib.h"

/*
 * What every test leaves as it was. drain() adds up all that CPUs keep for themselves,
 * so that nothing has to be allowed for that; only others are not as still. The kernel
 * compares the RSS of a process itself when it ends ("BUG: Bad rss-counter state"), and
 * counters of events, as those of migration, never come back.
 */
static const struct {
	const char *sum;	/* of what is in /proc/vmstat; behind oom_kill just a name */
	long less, more;	/* by as much it may have changed */
} counters[NR_COUNTERS] = {
	/* Whoever copies a test's output may need a folio or two for it. */
	{ "nr_anon_pages", 32, 32 },
	/*
	 * What is on the LRU as anonymous memory, but neither mapped nor shared memory.
	 * Of what others fault in or unmap meanwhile only one side may be seen: up to a
	 * batch of 15 pages for each of two CPUs, or the unmapped part of two folios.
	 */
	{ "nr_inactive_anon + nr_active_anon + nr_unevictable - nr_shmem - nr_anon_pages", 32, 32 },
	/* Those of processes before are still freed, by RCU; others may need one for a folio. */
	{ "nr_page_table_pages", LONG_MAX, 8 },
	{ .sum = "nr_anon_transparent_hugepages" },
	{ .sum = "nr_isolated_anon" },
	{ .sum = "nr_isolated_file" },
	{ .sum = "nr_mlock" },
	{ .sum = "nr_unevictable" },
	{ .sum = "nr_swapcached" },
	{ .sum = "nr_foll_pin_acquired - nr_foll_pin_released" },
	[COUNTER_OOM_KILL] = { .sum = "oom_kill" },
	/* each may be off where their sum is right */
	[COUNTER_OOM_KILL + 1] = { .sum = "Isolated pages of node 0" },
	{ .sum = "Isolated pages of node 1" },
	{ .sum = "Free swap" },
};

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

/* The number in the line of @text that begins with these @len letters, 0 if absent. */
static long number_of(const char *text, const char *name, size_t len)
{
	const char *line;

	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, len) && line[len] == ' ')
			return strtol(line + len, NULL, 10);
	}
	return 0;
}

/* "one + two - three", by the numbers in @text */
static long sum_of(const char *text, const char *sum)
{
	long value = 0, sign = 1;

	while (*sum) {
		size_t len = strcspn(sum, " ");

		if (len == 1)
			sign = *sum == '-' ? -1 : 1;
		else
			value += sign * number_of(text, sum, len);
		sum += len;
		sum += strspn(sum, " ");
	}
	return value;
}

static long isolated_on(int node)
{
	char path[64], text[8192];

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/vmstat", node);
	if (read_file(path, text, sizeof(text)) < 0)
		return 0;
	return sum_of(text, "nr_isolated_anon + nr_isolated_file");
}

void counters_read(struct counters *c)
{
	char text[16384] = "";
	struct sysinfo info;
	int i;

	drain();
	read_file("/proc/vmstat", text, sizeof(text));
	for (i = 0; i <= COUNTER_OOM_KILL; i++)
		c->value[i] = sum_of(text, counters[i].sum);
	c->value[i++] = isolated_on(0);
	c->value[i++] = isolated_on(1);
	sysinfo(&info);
	c->value[i] = info.freeswap * info.mem_unit / page_size;
}

static bool is_back(int i, const struct counters *before, const struct counters *now)
{
	long change = now->value[i] - before->value[i];

	return change >= -counters[i].less && change <= counters[i].more;
}

/*
 * Whether all are as @before within so many tenths of a second (freeing may lag
 * behind the end of a process); says which are not. A negative counter shows as
 * zero here; stat_refresh logs it, and the check of the kernel log finds that.
 */
bool counters_back(const struct counters *before, int tries)
{
	struct counters now;
	int i, try;

	for (try = 0; try < tries; try++) {
		counters_read(&now);
		for (i = 0; i < NR_COUNTERS && is_back(i, before, &now); i++)
			;
		if (i == NR_COUNTERS)
			return true;
		usleep(100000);
	}
	for (i = 0; i < NR_COUNTERS; i++)
		if (!is_back(i, before, &now))
			printf("# %s: before the test %ld, after it %ld\n", counters[i].sum,
			       before->value[i], now.value[i]);
	return false;
}
