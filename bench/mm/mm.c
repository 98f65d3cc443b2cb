// SPDX-License-Identifier: GPL-2.0
/*
 * mm: what the basic operations on anonymous memory cost in kernel
 * instructions, as one JSON object.
 *
 * Counted for one CPU, where all of this runs: the counter of a task stops
 * before the task gives its memory back.  In the cgroup of the caller; one with
 * a memory limit or statistics of its own adds about 4 %.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/bench.h"

#define AREA		(64 * MB)
#define PAGES		(AREA / PAGE)
#define SPARSE_STEP	(16 * PAGE)
#define CYCLE_PAGES	16
#define CYCLE_RANGE	(50 * GB)
#define SHARERS		32
#define ONE_PAGE_LOOPS	1000
#define THREADS		64
#define SWAP		"/dev/zram0"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/* Fixed and aligned: where ASLR puts an area decides how many tables it needs. */
#define ADDRESS		((char *)(1UL << 40))

enum row {
	FIRST_WRITE, FORK_EXIT, REWRITE, COPY, MPROTECT, FREE, MUNMAP,
	SPARSE_WRITE, SPARSE_RSS, TABLES_LEFT, TABLE_CYCLE, ONE_PAGE, SHARED_TABLES,
	RECLAIM, COLLAPSE, THREAD_STACKS,
};

static struct {
	const char *key;
	double value;
} rows[] = {
	[FIRST_WRITE]	= { "first_write" },
	[FORK_EXIT]	= { "fork_exit" },
	[REWRITE]	= { "write_after_exit" },
	[COPY]		= { "write_copy" },
	[MPROTECT]	= { "mprotect" },
	[FREE]		= { "madv_free" },
	[MUNMAP]	= { "munmap" },
	[SPARSE_WRITE]	= { "sparse_write" },
	[SPARSE_RSS]	= { "sparse_rss" },
	[TABLES_LEFT]	= { "vmpte_left_kb" },
	[TABLE_CYCLE]	= { "table_cycle" },
	[ONE_PAGE]	= { "one_page_cycle" },
	[SHARED_TABLES]	= { "shared_tables_kb" },
	[RECLAIM]	= { "reclaim" },
	[COLLAPSE]	= { "collapse" },
	[THREAD_STACKS]	= { "thread_stacks_kb" },
};

static int counter;
static uint64_t start, overhead;
static bool warm_up;

static void begin(void)
{
	start = counter_read(counter);
}

static uint64_t end(void)
{
	return counter_read(counter) - start - overhead;
}

/* The smallest of the repetitions is the one that the fewest timer ticks hit. */
static void result(enum row row, double value)
{
	if (warm_up)
		return;
	if (!rows[row].value || value < rows[row].value)
		rows[row].value = value;
}

static char *map(size_t size, int flags)
{
	char *area = mmap(ADDRESS, size, PROT_READ | PROT_WRITE,
			  MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE | flags, -1, 0);

	check(area != ADDRESS, "mmap");
	return area;
}

static char *map_touched(void)
{
	char *area = map(AREA, MAP_PRIVATE);

	touch(area, AREA, PAGE);
	return area;
}

static pid_t fork_checked(void)
{
	pid_t pid = fork();

	check(pid < 0, "fork");
	return pid;
}

static void reap(pid_t pid)
{
	check(waitpid(pid, NULL, 0) != pid, "waitpid");
}

static void fork_and_exit(void)
{
	pid_t pid = fork_checked();

	if (!pid)
		_exit(0);
	reap(pid);
}

static void first_write(void)
{
	char *area = map(AREA, MAP_PRIVATE);

	begin();
	touch(area, AREA, PAGE);
	result(FIRST_WRITE, (double)end() / PAGES);
	begin();
	munmap(area, AREA);
	result(MUNMAP, (double)end() / PAGES);
}

static void write_after_exit(void)
{
	char *area = map_touched();

	begin();
	fork_and_exit();
	result(FORK_EXIT, (double)end() / PAGES);
	begin();
	touch(area, AREA, PAGE);
	result(REWRITE, (double)end() / PAGES);
	munmap(area, AREA);
}

static void write_copy(void)
{
	char *area = map_touched();
	pid_t pid = fork_checked();

	if (!pid) {
		pause();
		_exit(0);
	}
	begin();
	touch(area, AREA, PAGE);
	result(COPY, (double)end() / PAGES);
	kill(pid, SIGKILL);
	reap(pid);
	munmap(area, AREA);
}

static void protect(void)
{
	char *area = map_touched();

	begin();
	check(mprotect(area, AREA, PROT_READ), "mprotect");
	result(MPROTECT, (double)end() / PAGES);
	munmap(area, AREA);
}

static void madv_free(void)
{
	char *area = map_touched();

	begin();
	check(madvise(area, AREA, MADV_FREE), "MADV_FREE");
	result(FREE, (double)end() / PAGES);
	munmap(area, AREA);
}

/* By walking the tables: the counters of mm_struct are batched. */
static uint64_t rss_kb(void)
{
	return read_number("/proc/self/smaps_rollup", "Rss:");
}

static void sparse_write(void)
{
	char *area = map(AREA, MAP_PRIVATE);
	uint64_t before = rss_kb();

	begin();
	touch(area, AREA, SPARSE_STEP);
	result(SPARSE_WRITE, (double)end() / (AREA / SPARSE_STEP));
	result(SPARSE_RSS, (double)(rss_kb() - before) * KB / PAGE / (AREA / SPARSE_STEP));
	munmap(area, AREA);
}

/* These two are about page tables; folios would hide what the tables cost. */
static void table_cycles(void)
{
	char *area = map(CYCLE_RANGE, MAP_PRIVATE);

	check(madvise(area, CYCLE_RANGE, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	begin();
	for (size_t offset = 0; offset < CYCLE_RANGE; offset += TABLE) {
		touch(area + offset, TABLE, TABLE / CYCLE_PAGES);
		check(madvise(area + offset, TABLE, MADV_DONTNEED), "MADV_DONTNEED");
	}
	result(TABLE_CYCLE, (double)end() / (CYCLE_RANGE / TABLE));
	result(TABLES_LEFT, read_number("/proc/self/status", "VmPTE:"));
	munmap(area, CYCLE_RANGE);
}

static void one_page(void)
{
	char *area = map(AREA, MAP_PRIVATE);

	check(madvise(area, AREA, MADV_NOHUGEPAGE), "MADV_NOHUGEPAGE");
	begin();
	for (int i = 0; i < ONE_PAGE_LOOPS; i++) {
		touch(area, PAGE, PAGE);
		check(madvise(area, PAGE, MADV_DONTNEED), "MADV_DONTNEED");
	}
	result(ONE_PAGE, (double)end() / ONE_PAGE_LOOPS);
	munmap(area, AREA);
}

static void shared_tables(void)
{
	char *area = map(AREA, MAP_SHARED);
	pid_t pids[SHARERS];
	uint64_t sum = 0;
	char path[64], byte;
	int ready[2];

	check(pipe(ready), "pipe");
	for (int i = 0; i < SHARERS; i++) {
		pids[i] = fork_checked();
		if (!pids[i]) {
			touch(area, AREA, PAGE);
			check(write(ready[1], "", 1) != 1, "write");
			pause();
			_exit(0);
		}
	}
	for (int i = 0; i < SHARERS; i++)
		check(read(ready[0], &byte, 1) != 1, "read");
	for (int i = 0; i < SHARERS; i++) {
		snprintf(path, sizeof(path), "/proc/%d/status", pids[i]);
		sum += read_number(path, "VmPTE:");
		kill(pids[i], SIGKILL);
		reap(pids[i]);
	}
	result(SHARED_TABLES, sum);
	close(ready[0]);
	close(ready[1]);
	munmap(area, AREA);
}

/*
 * In a cgroup, where reclaim can be asked for: it looks which pages were used,
 * and swaps the others to a compressed RAM disk.
 */
static void reclaim(void)
{
	const char *dir = cgroup_create();
	char path[128], *area;
	uint64_t swapped;

	/* job.sh has made it; it stays from the first round on */
	check(swapon(SWAP, 0) && errno != EBUSY, "swapon " SWAP);
	cgroup_enter(dir);
	area = map_touched();
	snprintf(path, sizeof(path), "%s/memory.reclaim", dir);
	swapped = read_number("/proc/vmstat", "pswpout");
	begin();
	write_file(path, "32M");	/* fails if it was less */
	swapped = read_number("/proc/vmstat", "pswpout") - swapped;
	check(!swapped, "nothing was swapped out");
	result(RECLAIM, (double)end() / swapped);
	munmap(area, AREA);
	cgroup_remove(dir);
}

static void collapse(void)
{
	char *area = map_touched();

	begin();
	check(madvise(area, AREA, MADV_COLLAPSE), "MADV_COLLAPSE");
	result(COLLAPSE, (double)end() / PAGES);
	munmap(area, AREA);
}

static void *wait_at(void *barrier)
{
	pthread_barrier_wait(barrier);
	pthread_barrier_wait(barrier);
	return NULL;
}

/* In a child, since the C library keeps stacks for the next thread. */
static void thread_stacks(void)
{
	pthread_t threads[THREADS];
	pthread_barrier_t barrier;
	uint64_t before;
	double *kb = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	check(kb == MAP_FAILED, "mmap");
	pid = fork_checked();
	if (!pid) {
		pthread_barrier_init(&barrier, NULL, THREADS + 1);
		before = rss_kb();
		for (int i = 0; i < THREADS; i++)
			check(pthread_create(&threads[i], NULL, wait_at, &barrier),
			      "pthread_create");
		pthread_barrier_wait(&barrier);
		*kb = (double)(rss_kb() - before) / THREADS;
		_exit(0);
	}
	reap(pid);
	result(THREAD_STACKS, *kb);
	munmap(kb, PAGE);
}

static const struct {
	void (*run)(void);
	int repeats;
} tests[] = {
	{ first_write,		10 },
	{ write_after_exit,	10 },
	{ write_copy,		10 },
	{ protect,		10 },
	{ madv_free,		10 },
	{ sparse_write,		40 },
	{ one_page,		10 },
	{ table_cycles,		1 },
	{ shared_tables,	1 },
	{ thread_stacks,	1 },
	{ collapse,		4 },
	{ reclaim,		4 },
};

static void measure_overhead(void)
{
	uint64_t empty, least = UINT64_MAX;

	for (int i = 0; i < 100; i++) {
		begin();
		empty = end();
		if (empty < least)
			least = empty;
	}
	overhead = least;
}

int main(void)
{
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	check(sched_setaffinity(0, sizeof(cpu), &cpu), "sched_setaffinity");
	counter = counter_open(-1, 0, KERNEL, false);
	measure_overhead();
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		/* The first one fills the allocator's lists and is dropped. */
		for (int j = 0; j <= tests[i].repeats; j++) {
			warm_up = !j;
			tests[i].run();
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		printf("%c\"%s\":%.2f", i ? ',' : '{', rows[i].key, rows[i].value);
	puts("}");
	return 0;
}
