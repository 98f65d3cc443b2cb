// SPDX-License-Identifier: GPL-2.0
/*
 * What unmaps several pages of a folio at once has to unmap these and no others:
 * parts of folios, shared ones, and pages that lie in another order than in
 * their folio. What counts the mappings of several pages of a file at once has to
 * count each for the cgroup that it is charged to. The fixture wants all counters
 * back, and all memory.
 */
#include "lib/fixture.h"

#define PAGES 512

static void expect_hole(struct __test_metadata *_metadata, char *vma, size_t from,
			size_t to, int order)
{
	size_t i;

	EXPECT_EQ(PAGES - (to - from), present(vma, PAGES));
	for (i = 0; i < PAGES; i++)
		if (i < from || i >= to)
			EXPECT_EQ((uint64_t)order << 32 | i << 12 | 9,
				  ((uint64_t *)page_at(vma, i))[9]);
}

/* From the middle of one folio to the middle of another, and inside of one. */
TEST_F(laf, parts)
{
	static const struct {
		size_t from, to;
	} holes[] = { { 0, 1 }, { 1, 3 }, { 3, 300 }, { 257, 511 }, { 511, 512 }, { 0, 512 } };
	size_t i, pages;
	long rss;
	int order;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		enable_orders(ORDER(order));
		for (i = 0; i < ARRAY_SIZE(holes); i++) {
			char *vma = map_new(PAGES);

			pages = holes[i].to - holes[i].from;
			fill(vma, PAGES, order);
			ASSERT_ORDER(order, vma);
			rss = rss_anon();
			madvise(page_at(vma, holes[i].from), pages * page_size, MADV_DONTNEED);
			EXPECT_EQ(rss - (long)(pages * page_size >> 10), rss_anon());
			expect_hole(_metadata, vma, holes[i].from, holes[i].to, order);
			enable_orders(0);
			EXPECT_TRUE(zeroed(page_at(vma, holes[i].from), pages));
			enable_orders(ORDER(order));
			munmap(vma, PAGES * page_size);
		}
	}
}

/* The gather gets no memory for more: what it has goes first, then the rest. */
TEST_F(laf, no_memory_for_a_batch)
{
	int order;

	for (order = MIN_ORDER; order <= 5; order++) {
		char *vma = filled_order(_metadata, PAGES, order);

		/* only what does not wait for memory fails */
		ASSERT_EQ(0, fail_from(0, 100));
		ASSERT_EQ(0, setting("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "1"));
		fail_me(true);
		madvise(page_at(vma, 3), 500 * page_size, MADV_DONTNEED);
		fail_me(false);
		expect_hole(_metadata, vma, 3, 503, order);
		enable_orders(0);
		EXPECT_TRUE(zeroed(page_at(vma, 3), 500));
		munmap(vma, PAGES * page_size);
	}
}

/* Two processes unmap different parts of the folios that they share. */
TEST_F(laf, shared)
{
	int order;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		char *vma = map_new(PAGES);
		pid_t pid;

		enable_orders(ORDER(order));
		fill(vma, PAGES, order);
		ASSERT_ORDER(order, vma);
		pid = child();
		if (!pid) {
			munmap(page_at(vma, 5), 300 * page_size);
			_exit(!holds(vma, 5, order));
		}
		madvise(page_at(vma, 250), 200 * page_size, MADV_DONTNEED);
		expect_hole(_metadata, vma, 250, 450, order);
		EXPECT_TRUE(child_ok(pid));
		expect_hole(_metadata, vma, 250, 450, order);
		munmap(vma, PAGES * page_size);
	}
}

/* Page i of a run where page @nr - 1 - i was, in another place. */
static char *reversed(struct __test_metadata *_metadata, char *vma, size_t nr)
{
	char *to = reserve(nr);
	size_t i;

	for (i = 0; i < nr; i++) {
		char *target = page_at(to, nr - 1 - i);

		ASSERT_EQ(target, mremap(page_at(vma, i), page_size, page_size,
					 MREMAP_MAYMOVE | MREMAP_FIXED, target));
	}
	return to;
}

/* Neighbours in the table are not the pages that follow in the folio. */
TEST_F(laf, other_order)
{
	size_t nr = 64, i, zapped = 21;
	char *vma;

	enable_orders(ORDER(4));
	vma = map_new(nr);
	fill(vma, nr, 1);
	ASSERT_ORDER(4, vma);
	vma = reversed(_metadata, vma, nr);
	madvise(page_at(vma, 3), zapped * page_size, MADV_DONTNEED);
	EXPECT_EQ(nr - zapped, present(vma, nr));
	for (i = 0; i < nr; i++)
		if (i < 3 || i >= 3 + zapped)
			EXPECT_EQ(1UL << 32 | (nr - 1 - i) << 12 | 9,
				  ((uint64_t *)page_at(vma, i))[9]);
	munmap(vma, nr * page_size);
}

/* One page in two was replaced by a copy: the rest is not in one run. */
TEST_F(laf, with_gaps)
{
	char *vma = map_new(PAGES);
	size_t i;
	pid_t pid;

	enable_orders(ORDER(4));
	fill(vma, PAGES, 4);
	ASSERT_ORDER(4, vma);
	pid = child();
	if (!pid) {
		raise(SIGSTOP);
		_exit(!holds(vma, PAGES, 4));
	}
	waitpid(pid, NULL, WUNTRACED);
	for (i = 0; i < PAGES; i += 2)
		((uint64_t *)page_at(vma, i))[1] = 0;
	madvise(page_at(vma, 37), 400 * page_size, MADV_DONTNEED);
	expect_hole(_metadata, vma, 37, 437, 4);
	munmap(vma, PAGES * page_size);
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
}

/* @from, @from + 2, ... of the file are charged to the cgroup of the caller. */
static bool write_every_other(int fd, size_t from)
{
	size_t i;

	for (i = from; i < PAGES; i += 2)
		if (pwrite(fd, &i, sizeof(i), i * page_size) != sizeof(i))
			return false;
	return true;
}

/* Mapped file pages of the cgroup; its statistics lag behind for 2 s. */
static long mapped_of_group(long wanted)
{
	long mapped = -1;
	int try;

	for (try = 0; try < 50 && mapped != wanted; try++) {
		usleep(try ? 100000 : 0);
		mapped = cgroup_get("memory.stat", "file_mapped") / (long)page_size;
	}
	return mapped;
}

static long mapped_by_all(void)
{
	drain();
	return vmstat("nr_mapped");
}

TEST_F(stock, pages_of_two_groups)
{
	int fd = memfd_create("groups", MFD_CLOEXEC), round;
	size_t i;
	pid_t pid;

	ASSERT_TRUE(cgroup_create());
	ASSERT_EQ(0, ftruncate(fd, PAGES * page_size));
	ASSERT_TRUE(write_every_other(fd, 0));
	pid = child();
	if (!pid)
		_exit(!cgroup_enter() || !write_every_other(fd, 1));
	ASSERT_TRUE(child_ok(pid));

	/* in the first round the pages of this program are mapped, too */
	for (round = 0; round < 2; round++) {
		long before = mapped_by_all();
		char *vma = mmap(reserve(PAGES), PAGES * page_size, PROT_READ,
				 MAP_SHARED | MAP_FIXED, fd, 0);

		for (i = 0; i < PAGES; i++)
			EXPECT_EQ(i, *(volatile size_t *)page_at(vma, i));
		EXPECT_EQ(PAGES / 2, mapped_of_group(PAGES / 2));
		if (round)
			EXPECT_EQ(before + PAGES, mapped_by_all());

		/* some more of one than of the other */
		munmap(page_at(vma, 100), 101 * page_size);
		EXPECT_EQ((PAGES - 100) / 2, mapped_of_group((PAGES - 100) / 2));
		munmap(vma, PAGES * page_size);
		EXPECT_EQ(0, mapped_of_group(0));
		if (round)
			EXPECT_EQ(before, mapped_by_all());
	}
	close(fd);
}
