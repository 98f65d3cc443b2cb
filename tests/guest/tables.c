// SPDX-License-Identifier: GPL-2.0
/*
 * Page tables and huge pages that come and go while others walk them,
 * and tables that are freed. Most of this races on purpose: what goes wrong is
 * seen in the kernel log, in the fixture's counters, or in lost contents.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "lib/fixture.h"

#define PAGES	512	/* PMD, for arrays */

#ifndef MADV_COLD
#define MADV_COLD	20
#define MADV_PAGEOUT	21
#endif

/*
 * Huge pages
 */

static void huge_zero_comes_and_goes(struct actor *a)
{
	(void)*(volatile char *)a->vma;
	madvise(a->vma, PMD * page_size, MADV_DONTNEED);
}

/* The zero page, a huge page, now and then a table. */
static void huge_comes_and_goes(struct actor *a)
{
	huge_zero_comes_and_goes(a);
	touch(page_at(a->vma, any(a, PMD)));
	if (any(a, 8) == 0) {
		madvise(page_at(a->vma, any(a, PMD)), page_size, MADV_DONTNEED);
		map(a->vma, PMD);
	}
	madvise(a->vma, PMD * page_size, MADV_DONTNEED);
}

static void walk(struct actor *a)
{
	unsigned char vec[PAGES];
	size_t len = PMD * page_size;
	void *page = page_at(a->vma, any(a, PMD));
	char byte;
	struct iovec from = { page, 1 }, to = { &byte, 1 };
	int status;

	switch (any(a, 10)) {
	case 0:
		read_all("/proc/self/smaps");
		break;
	case 1:
		read_all("/proc/self/numa_maps");
		break;
	case 2:
		mincore(a->vma, len, vec);
		break;
	case 3:
		madvise(a->vma, len, MADV_COLD);
		break;
	case 4:
		madvise(a->vma, len / 2, MADV_FREE);
		break;
	case 5:
		madvise(a->vma, len, MADV_PAGEOUT);
		break;
	case 6:
		mlock2(a->vma, len, MLOCK_ONFAULT);
		munlock(a->vma, len);
		break;
	case 7:
		syscall(__NR_move_pages, 0, 1UL, &page, NULL, &status, 0);
		break;
	case 8:
		process_vm_readv(getpid(), &to, 1, &from, 1, 0);
		break;
	case 9:
		write_file("/proc/self/clear_refs", any(a, 2) ? "1" : "4");
		break;
	}
}

TEST_F(stock, huge_comes_and_goes)
{
	char *vma = map_new(PMD);
	struct actor actors[] = {
		{ .act = huge_comes_and_goes, .vma = vma },
		{ .act = walk, .vma = vma },
		{ .act = walk, .vma = vma },
	};

	thp_mode("always");
	size_mode(pmd_order, "always");
	act_for(actors, ARRAY_SIZE(actors), 10);
	TH_LOG("%lu huge pages, %lu walks", actors[0].rounds,
	       actors[1].rounds + actors[2].rounds);
	munmap(vma, PMD * page_size);
}

/* Two entries, the last page's of what comes and goes and that of a page behind. */
TEST_F(laf, pagemap_complete)
{
	struct actor actor = { .act = huge_zero_comes_and_goes };
	unsigned long reads = 0, shorter = 0, other = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);
	double end;

	want_folios(_metadata, ORDER(4) | ORDER(pmd_order));
	ASSERT_LE(0, fd);
	actor.vma = map_new(PMD + 1);
	touch(page_at(actor.vma, PMD));
	end = after(5);
	actors_start(&actor, 1);
	while (seconds() < end) {
		uintptr_t page = (uintptr_t)page_at(actor.vma, PMD - 1) / page_size;
		uint64_t entries[2];
		ssize_t len = pread(fd, entries, sizeof(entries), page * sizeof(*entries));

		reads++;
		shorter += len != sizeof(entries);
		other += len == sizeof(entries) && !(entries[1] >> 63);
	}
	actors_stop(&actor, 1);
	TH_LOG("%lu reads, %lu huge pages", reads, actor.rounds);
	EXPECT_EQ(0, shorter);
	EXPECT_EQ(0, other);
	close(fd);
	munmap(actor.vma, (PMD + 1) * page_size);
}

/* Holes, a table, a huge page and a swapped or absent page: all in one mlock(). */
TEST_F(stock, mlock_over_holes)
{
	char *vma = map_new(4 * PMD);
	double end;
	long locked;

	thp_mode("always");
	size_mode(pmd_order, "always");
	madvise(vma, PMD * page_size, MADV_NOHUGEPAGE);
	end = after(3);
	drain();
	locked = vmstat("nr_mlock");
	while (seconds() < end) {
		touch(page_at(vma, 7));
		touch(page_at(vma, 2 * PMD));
		ASSERT_EQ(0, mlock2(page_at(vma, 3), (4 * PMD - 5) * page_size, MLOCK_ONFAULT));
		touch(page_at(vma, 9));
		touch(page_at(vma, PMD + 1));
		touch(page_at(vma, 3 * PMD + 1));
		drain();
		EXPECT_LT(locked, vmstat("nr_mlock"));
		ASSERT_EQ(0, munlock(page_at(vma, 5), (3 * PMD) * page_size));
		ASSERT_EQ(0, munlock(vma, 4 * PMD * page_size));
		drain();
		EXPECT_EQ(locked, vmstat("nr_mlock"));
		madvise(vma, 4 * PMD * page_size, MADV_DONTNEED);
	}
	munmap(vma, 4 * PMD * page_size);
}

#define TAG 77

/*
 * Swap, NUMA hints, userfaultfd
 */

/* Their own contents, or none after a zap. */
static size_t wrong_pages(const char *vma, size_t pages, uint32_t tag)
{
	size_t i, wrong = 0;

	for (i = 0; i < pages; i++) {
		uint64_t seen = ((volatile uint64_t *)page_at(vma, i))[3];

		wrong += seen && seen != ((uint64_t)tag << 32 | i << 12 | 3);
	}
	return wrong;
}

static void read_pages(struct actor *a)
{
	a->wrong += wrong_pages(a->vma, PMD, TAG);
}

static void zap_some(struct actor *a)
{
	madvise(page_at(a->vma, any(a, PMD - 8)), 8 * page_size, MADV_DONTNEED);
}

static void page_out_some(struct actor *a)
{
	madvise(page_at(a->vma, any(a, PMD - 64)), 64 * page_size, MADV_PAGEOUT);
}

/* The child keeps the slots in use twice, or a zram is read without readahead. */
TEST_F(stock, swap_readahead)
{
	char *vma = map_small(PMD);
	struct actor actors[] = {
		{ .act = read_pages, .vma = vma },
		{ .act = zap_some, .vma = vma },
		{ .act = page_out_some, .vma = vma },
	};
	size_t round, rounds = longer ? 100 : 8;
	long readahead;
	pid_t pid;

	enable_orders(0);
	ASSERT_TRUE(swap_on(16384));
	ASSERT_EQ(0, setting("/proc/sys/vm/page-cluster", "5"));
	readahead = vmstat("swap_ra");
	for (round = 0; round < rounds; round++) {
		fill(vma, PMD, TAG);
		drain();
		ASSERT_EQ(0, madvise(vma, PMD * page_size, MADV_PAGEOUT));
		pid = child();
		if (!pid) {
			raise(SIGSTOP);
			_exit(wrong_pages(vma, PMD, TAG));
		}
		ASSERT_EQ(pid, waitpid(pid, NULL, WUNTRACED));
		act_for(actors, ARRAY_SIZE(actors), 0.5);
		EXPECT_EQ(0, actors[0].wrong);
		kill(pid, SIGCONT);
		EXPECT_TRUE(child_ok(pid));
	}
	TH_LOG("%ld pages read ahead", vmstat("swap_ra") - readahead);
	EXPECT_LT(readahead, vmstat("swap_ra"));
	munmap(vma, PMD * page_size);
	EXPECT_TRUE(swap_off());
}

/* From one node and the other; what was zapped is written again. */
static void use_from_both_nodes(struct actor *a)
{
	size_t i;

	pin_cpu(a->rounds / 256 % 2 ? sysconf(_SC_NPROCESSORS_ONLN) - 1 : 0);
	read_pages(a);
	for (i = 0; i < PMD; i++)
		((volatile uint64_t *)page_at(a->vma, i))[3] = (uint64_t)TAG << 32 | i << 12 | 3;
}

static void zap_one(struct actor *a)
{
	madvise(page_at(a->vma, any(a, PMD)), page_size, MADV_DONTNEED);
	usleep(1000);
}

/*
 * A page that reclaim is just looking at (there is no swap to take it to) cannot
 * migrate: then the fault goes back to its entry.
 */
TEST_F(stock, numa_hints)
{
	char *vma = map_small(PMD);
	struct actor actors[] = {
		{ .act = use_from_both_nodes, .vma = vma },
		{ .act = page_out_some, .vma = vma },
		{ .act = zap_one, .vma = vma },
	};
	long faults, migrated;

	if (!two_nodes())
		SKIP(return, "this test wants a guest with NUMA=2");
	ASSERT_EQ(0, balance_often());
	enable_orders(0);
	fill(vma, PMD, TAG);
	faults = vmstat("numa_hint_faults");
	migrated = vmstat("numa_pages_migrated");
	act_for(actors, ARRAY_SIZE(actors), 10);
	EXPECT_EQ(0, actors[0].wrong);
	TH_LOG("%ld faults, %ld migrations", vmstat("numa_hint_faults") - faults,
	       vmstat("numa_pages_migrated") - migrated);
	EXPECT_LT(faults, vmstat("numa_hint_faults"));
	munmap(vma, PMD * page_size);
}

static void zap_many(struct actor *a)
{
	if (any(a, 2))
		madvise(a->vma, PMD * page_size, MADV_DONTNEED);
	else
		zap_some(a);
}

static void uffd_copy(struct actor *a)
{
	static char data[4096] __attribute__((aligned(4096)));
	size_t page = any(a, PMD);
	struct uffdio_copy copy = {
		.dst = (uintptr_t)page_at(a->vma, page), .len = page_size,
		.src = (uintptr_t)data,
		.mode = UFFDIO_COPY_MODE_DONTWAKE,
	};

	memset(data, 0x5a, sizeof(data));
	if (ioctl(a->fd, UFFDIO_COPY, &copy) && copy.copy != -EEXIST)
		a->wrong++;
}

static void uffd_zero(struct actor *a)
{
	size_t page = any(a, PMD);
	struct uffdio_zeropage zero = {
		.range = { .start = (uintptr_t)page_at(a->vma, page), .len = page_size },
		.mode = UFFDIO_ZEROPAGE_MODE_DONTWAKE,
	};

	if (ioctl(a->fd, UFFDIO_ZEROPAGE, &zero) && zero.zeropage != -EEXIST)
		a->wrong++;
}

TEST_F(stock, uffd_missing)
{
	char *vma = map_new(PMD);
	int fd = uffd_open(0);
	struct actor actors[] = {
		{ .act = uffd_copy, .vma = vma, .fd = fd },
		{ .act = uffd_zero, .vma = vma, .fd = fd },
		{ .act = zap_many, .vma = vma },
	};

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, uffd_register(fd, vma, PMD, UFFDIO_REGISTER_MODE_MISSING));
	act_for(actors, ARRAY_SIZE(actors), 5);
	EXPECT_EQ(0, actors[0].wrong);
	EXPECT_EQ(0, actors[1].wrong);
	munmap(vma, PMD * page_size);
	close(fd);
}

/* Watched for writes only: huge pages come by faults in between. */
TEST_F(stock, uffd_wp)
{
	char *vma = map_new(PMD);
	int fd = uffd_open(UFFD_FEATURE_PAGEFAULT_FLAG_WP);
	struct actor actors[] = {
		{ .act = uffd_copy, .vma = vma, .fd = fd },
		{ .act = uffd_zero, .vma = vma, .fd = fd },
		{ .act = huge_zero_comes_and_goes, .vma = vma },
	};

	if (fd < 0)
		return;	/* an architecture without write protection */
	ASSERT_EQ(0, uffd_register(fd, vma, PMD, UFFDIO_REGISTER_MODE_WP));
	thp_mode("always");
	size_mode(pmd_order, "always");
	act_for(actors, ARRAY_SIZE(actors), 5);
	EXPECT_EQ(0, actors[0].wrong);
	EXPECT_EQ(0, actors[1].wrong);
	munmap(vma, PMD * page_size);
	close(fd);
}

/*
 * Tables that are freed
 */

#define TABLES 128

/* One page a table. */
static void touch_sparse(char *vma)
{
	size_t i;

	for (i = 0; i < TABLES; i++)
		touch(page_at(vma, i * PMD));
}

static void *touch_sparse_threads(void *vma)
{
	for (;;)
		touch_sparse(vma);
	return NULL;
}

/* A process ends in the middle of it. */
TEST_F(stock, exit_of_threads)
{
	size_t rounds = longer ? 200 : 20;
	long before = page_tables();

	ASSERT_TRUE(cgroup_create());
	while (rounds--) {
		pid_t pid = child();

		if (!pid) {
			char *vma = map_small(TABLES * PMD);
			pthread_t thread;
			int i;

			if (!cgroup_enter())
				_exit(1);
			for (i = 0; i < 4; i++)
				pthread_create(&thread, NULL, touch_sparse_threads, vma);
			touch_sparse(vma);
			_exit(page_tables() < before + TABLES);
		}
		ASSERT_TRUE(child_ok(pid));
	}
	/* for what this process has needed itself */
	EXPECT_TRUE(page_tables_back(before + 8));
	EXPECT_EQ(0, cgroup_leak());
	EXPECT_GE(8, cgroup_get("memory.stat", "pagetables") / (long)page_size);
}

/* Interrupts that one CPU has sent to others to have a function called. */
static long function_calls(void)
{
	char text[16384], *line;
	long sum = 0;

	if (read_file("/proc/interrupts", text, sizeof(text)) <= 0)
		return -1;
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *number = strchr(line, ':'), *end;

		if (!strstr(line, "Function call interrupts") || !number)
			continue;
		for (number++;; number = end) {
			long n = strtol(number, &end, 10);

			if (end == number)
				break;
			sum += n;
		}
	}
	return sum;
}

/* Without a page to collect them in each table is freed by itself. */
TEST_F(laf, no_memory_for_a_batch)
{
	size_t round, rounds = longer ? 200 : 10;
	long before, calls, least = TABLES;
	char *space;

	want_folios(_metadata, ORDER(4) | ORDER(pmd_order));
	space = reserve(TABLES * PMD);
	before = page_tables();
	/* only what does not wait for memory fails */
	ASSERT_EQ(0, fail_from(0, 100));
	ASSERT_EQ(0, setting("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "1"));
	for (round = 0; round < rounds; round++) {
		char *vma = map(space, TABLES * PMD);
		long own = tables_of(getpid());

		madvise(vma, TABLES * PMD * page_size, MADV_NOHUGEPAGE);
		touch_sparse(vma);
		EXPECT_LE(own + TABLES, tables_of(getpid()));
		calls = function_calls();
		fail_me(true);
		munmap(vma, TABLES * PMD * page_size);
		fail_me(false);
		calls = function_calls() - calls;
		least = calls < least ? calls : least;
	}
	/* one to each other CPU for each table, when it waits for these */
	EXPECT_GT(TABLES / 4, least);
	EXPECT_TRUE(page_tables_back(before + 8));
}
