// SPDX-License-Identifier: GPL-2.0
/*
 * A memory cgroup at its limit, without swap: what does not fit as a large folio
 * comes as smaller ones, and nobody is killed for the sake of size.
 */
#include <fcntl.h>

#include "lib/fixture.h"

#define CGROUP "/sys/fs/cgroup/laf-test/"

/* Open before the limit is near: opening a file is charged as well. */
static int max_fd, current_fd;

static long charged(void)
{
	char text[32] = "";

	pread(current_fd, text, sizeof(text) - 1, 0);
	return strtol(text, NULL, 10) / page_size;
}

static void limit(long pages)
{
	char text[32] = "max";

	if (pages)
		snprintf(text, sizeof(text), "%ld", pages * page_size);
	pwrite(max_fd, text, strlen(text), 0);
}

/*
 * Uses single pages until just @pages more fit into the cgroup. A CPU charges 64
 * pages ahead; below a limit that is nearer than that it charges one by one, so
 * the first step of one says that nothing is left ahead.
 */
static void leave_room(char *filler, long pages)
{
	long max, now, last, i = 0;

	for (; i < 256; i++)
		touch(page_at(filler, i));
	max = charged() + 48;
	limit(max);
	do {
		last = charged();
		touch(page_at(filler, i++));
		now = charged();
	} while (now != last + 1 || max - now > pages);
}

/* With room for @room pages the fault gets @want, and is no reason to kill. */
static void fault_at_limit(struct __test_metadata *_metadata, int advice,
			   long room, int want)
{
	char *filler = map_new(1024), *vma = map_new(512);
	struct size_stats stats;
	int o, found;
	long max;

	EXPECT_EQ(0, madvise(filler, 1024 * page_size, MADV_NOHUGEPAGE));
	EXPECT_EQ(0, madvise(vma, 512 * page_size, advice));
	max_fd = open(CGROUP "memory.max", O_WRONLY | O_CLOEXEC);
	current_fd = open(CGROUP "memory.current", O_RDONLY | O_CLOEXEC);
	EXPECT_LE(0, current_fd);
	pin_cpu(0);
	/* the page table is there before it gets tight */
	touch(page_at(vma, 511));
	size_stats(&stats);
	max = cgroup_get("memory.events", "max");

	leave_room(filler, room);
	touch(page_at(vma, 37));
	limit(0);

	found = mapped_order(page_at(vma, 37));
	EXPECT_ORDER_NOTE(want, found, ", room for %ld pages", room);
	size_stats_since(&stats);
	for (o = MIN_ORDER; o <= 4; o++) {
		bool failed = o > want;

		EXPECT_EQ(failed, stats.charge[o]) {
			TH_LOG("anon_fault_fallback_charge of order %d", o);
		}
		EXPECT_EQ(failed, stats.fallback[o]) {
			TH_LOG("anon_fault_fallback of order %d", o);
		}
	}
	/* counted before what may block reclaims, and not for what fails at once */
	EXPECT_EQ(max, cgroup_get("memory.events", "max"));
	EXPECT_EQ(0, cgroup_get("memory.events", "oom"));
	EXPECT_EQ(0, cgroup_get("memory.events", "oom_kill"));
}

static void at_limit(struct __test_metadata *_metadata, int advice)
{
	static const struct {
		long room;
		int order;
	} cases[] = { { 40, 4 }, { 11, 3 }, { 6, 2 }, { 2, 0 } };
	int i;

	enable_orders(DEFAULT_ORDERS);
	ASSERT_TRUE(cgroup_create());
	ASSERT_EQ(0, cgroup_set("memory.swap.max", "0"));
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		pid_t pid = child();

		if (!pid) {
			EXPECT_TRUE(cgroup_enter());
			fault_at_limit(_metadata, advice, cases[i].room, cases[i].order);
			_exit(!_metadata->passed);
		}
		EXPECT_TRUE(child_ok(pid));
	}
	EXPECT_EQ(0, cgroup_leak());
}

TEST_F(laf, at_limit)
{
	at_limit(_metadata, MADV_NORMAL);
}

/* Nor does an advised VMA reclaim, or even kill, for the sake of size. */
TEST_F(laf, at_limit_advised)
{
	at_limit(_metadata, MADV_HUGEPAGE);
}

/*
 * What is wrong with the pages of anon in memory.stat, which is brought up to
 * date every two seconds. The process itself may need a few pages in between.
 */
static long anon_off(long want)
{
	long off = 0;
	int try;

	for (try = 0; try < 30; try++) {
		off = cgroup_get("memory.stat", "anon") / (long)page_size - want;
		if (off >= 0 && off < 32)
			return 0;
		usleep(100000);
	}
	return off;
}

/* All pages of a folio are charged, once, and given back page by page. */
TEST_F(laf, charge)
{
	size_t pages = 1024, i;
	pid_t pid;

	enable_orders(large_orders());
	ASSERT_TRUE(cgroup_create());
	pid = child();
	if (!pid) {
		char *vma = map_new(pages);

		EXPECT_TRUE(cgroup_enter());
		for (i = 0; i < pages; i += 16)
			touch(page_at(vma, i));
		EXPECT_ORDER(8, vma);
		EXPECT_EQ(0, anon_off(pages));
		EXPECT_EQ(0, cgroup_get("memory.stat", "anon_thp"));
		EXPECT_LE(pages * page_size, cgroup_get("memory.current", NULL));
		munmap(page_at(vma, 512), 512 * page_size);
		EXPECT_EQ(0, anon_off(512));
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_EQ(0, cgroup_leak());
}
