// SPDX-License-Identifier: GPL-2.0
/*
 * mbind() and move_pages() on large folios return what they return for small
 * pages (a guest with NUMA=2).
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "lib/fixture.h"

#define PAGES 256

/* On node 0, each page with a tag of its own; order 0: small pages. */
static char *filled(struct __test_metadata *_metadata, int order)
{
	char *vma = map_new(PAGES);
	size_t i;

	enable_orders(order ? ORDER(order) : 0);
	pin_cpu(0);
	bind_to(vma, PAGES, 0, 0);
	for (i = 0; i < PAGES; i++)
		fill(page_at(vma, i), 1, 100 + i);
	for (i = 0; i < PAGES; i++)
		ASSERT_ORDER(order, page_at(vma, i));
	ASSERT_EQ(PAGES, on_node(vma, PAGES, 0));
	ASSERT_TRUE(two_nodes()) {
		TH_LOG("this test wants a guest with NUMA=2");
	}
	return vma;
}

static bool all_hold(char *vma)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		if (pfn_of(page_at(vma, i)) && !holds(page_at(vma, i), 1, 100 + i))
			return false;
	return true;
}

TEST_F(laf, strict)
{
	int order;

	for (order = MIN_ORDER; order <= 5; order++) {
		char *vma = filled(_metadata, order);

		/* only to look is an error, without a move */
		EXPECT_EQ(-EIO, bind_to(vma, PAGES, 1, MPOL_MF_STRICT));
		EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
		EXPECT_EQ(PAGES, on_node(vma, PAGES, 1));
		EXPECT_ORDER(order, vma);
		EXPECT_ORDER(order, page_at(vma, PAGES - 1));
		EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_STRICT));
		EXPECT_TRUE(all_hold(vma));
		munmap(vma, PAGES * page_size);
	}
}

/* A part that begins and ends inside of a folio. */
TEST_F(laf, strict_part)
{
	char *vma = filled(_metadata, 4);

	EXPECT_EQ(0, bind_to(page_at(vma, 5), 100, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
	EXPECT_EQ(100, on_node(page_at(vma, 5), 100, 1));
	EXPECT_TRUE(all_hold(vma));
}

/* Without its first page a folio is nobody's but ours, too. */
TEST_F(laf, first_page_gone)
{
	char *vma = filled(_metadata, 4);
	size_t i;

	for (i = 0; i < PAGES; i += 16)
		madvise(page_at(vma, i), page_size, MADV_DONTNEED);
	EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
	EXPECT_EQ(PAGES / 16 * 15, on_node(vma, PAGES, 1));
	EXPECT_TRUE(all_hold(vma));
}

/* Small pages among those of a folio: it is queued when they are met. */
TEST_F(laf, small_between)
{
	char *vma = filled(_metadata, 4);
	size_t i;

	enable_orders(0);
	for (i = 7; i < PAGES; i += 16) {
		madvise(page_at(vma, i), page_size, MADV_DONTNEED);
		fill(page_at(vma, i), 1, 100 + i);
		EXPECT_EQ(0, folio_order(page_at(vma, i)));
	}
	EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
	EXPECT_EQ(PAGES, on_node(vma, PAGES, 1));
	EXPECT_TRUE(all_hold(vma));
}

/* The pages of two folios, by turns: when one is met again, the other was the last. */
TEST_F(laf, alternating)
{
	char *vma = filled(_metadata, 4), *both = reserve(32);
	size_t i;

	for (i = 0; i < 32; i++) {
		char *page = page_at(vma, i / 2 + i % 2 * 16);

		ASSERT_EQ(page_at(both, i),
			  mremap(page, page_size, page_size, MREMAP_MAYMOVE | MREMAP_FIXED,
				 page_at(both, i)));
	}
	EXPECT_EQ(0, bind_to(both, 32, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
	EXPECT_EQ(32, on_node(both, 32, 1));
	for (i = 0; i < 32; i++) {
		EXPECT_TRUE(holds(page_at(both, i), 1, 100 + i / 2 + i % 2 * 16));
	}
}

/* A folio with unmapped pages is split when memory is wanted, wherever it has gone. */
TEST_F(laf, partly_unmapped)
{
	char *vma = filled(_metadata, 4);
	size_t i;

	for (i = 0; i < PAGES; i += 16)
		madvise(page_at(vma, i + 1), 15 * page_size, MADV_DONTNEED);
	EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
	EXPECT_EQ(PAGES / 16, on_node(vma, PAGES, 1));
	/* in one piece */
	for (i = 0; i < PAGES; i += 16) {
		EXPECT_EQ(4, folio_order(page_at(vma, i)));
	}
	drain();
	for (i = 0; i < 4; i++)
		write_file("/proc/sys/vm/drop_caches", "2");
	for (i = 0; i < PAGES; i += 16) {
		EXPECT_EQ(0, folio_order(page_at(vma, i)));
	}
	EXPECT_TRUE(all_hold(vma));
}

/* What is shared stays, without an error; MPOL_MF_MOVE_ALL moves it. */
static void shared(struct __test_metadata *_metadata, int order)
{
	char *vma = filled(_metadata, order);
	pid_t pid = child();

	if (!pid) {
		raise(SIGSTOP);
		_exit(!all_hold(vma));
	}
	waitpid(pid, NULL, WUNTRACED);
	EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
	EXPECT_EQ(PAGES, on_node(vma, PAGES, 0));
	EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE_ALL | MPOL_MF_STRICT));
	EXPECT_EQ(PAGES, on_node(vma, PAGES, 1));
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
	EXPECT_TRUE(all_hold(vma));
}

TEST_F(laf, shared)
{
	shared(_metadata, 4);
}

TEST_F(stock, shared_small)
{
	shared(_metadata, 0);
}

/* All pages of all folios by name; @stride apart from each other. */
static void move_each(struct __test_metadata *_metadata, int order, size_t stride)
{
	char *vma = filled(_metadata, order);
	static int nodes[PAGES], status[PAGES];
	static void *pages[PAGES];
	size_t i, wrong = 0;

	for (i = 0; i < PAGES; i++) {
		pages[i] = page_at(vma, i * stride % PAGES + i * stride / PAGES);
		nodes[i] = 1;
		status[i] = -1;
	}
	EXPECT_EQ(0, syscall(__NR_move_pages, 0, (long)PAGES, pages, nodes, status,
			     MPOL_MF_MOVE));
	for (i = 0; i < PAGES; i++)
		wrong += status[i] != 1;
	EXPECT_EQ(0, wrong) {
		TH_LOG("order %d, stride %zu: status of the second %d", order, stride,
		       status[1]);
	}
	EXPECT_EQ(PAGES, on_node(vma, PAGES, 1));
	EXPECT_ORDER(order, vma);
	EXPECT_ORDER(order, page_at(vma, PAGES - 1));
	EXPECT_TRUE(all_hold(vma));
	munmap(vma, PAGES * page_size);
}

TEST_F(laf, move_each_page)
{
	int order;

	for (order = MIN_ORDER; order <= 5; order++)
		move_each(_metadata, order, 1);
}

TEST_F(laf, move_out_of_order)
{
	move_each(_metadata, 4, 16);
	move_each(_metadata, 2, 8);
}

TEST_F(stock, move_small)
{
	move_each(_metadata, 0, 1);
	move_each(_metadata, 0, 16);
}

/* What a fault has brought along has a node, though nobody has touched it, and moves. */
TEST_F(laf, came_along)
{
	char *vma = map_new(PAGES);
	void *page = page_at(vma, 33);
	int node = 1, status = -1;
	size_t i;

	enable_orders(ORDER(4));
	pin_cpu(0);
	bind_to(vma, PAGES, 0, 0);
	touch(page_at(vma, 37));
	ASSERT_ORDER(4, page_at(vma, 37));
	ASSERT_TRUE(two_nodes()) {
		TH_LOG("this test wants a guest with NUMA=2");
	}
	drain();
	for (i = 0; i < PAGES; i++) {
		int found = node_of(page_at(vma, i));

		EXPECT_TRUE(i / 16 == 37 / 16 ? !found : found < 0);
	}
	EXPECT_EQ(0, syscall(__NR_move_pages, 0, 1UL, &page, &node, &status, MPOL_MF_MOVE));
	EXPECT_EQ(1, status);
	EXPECT_EQ(16, on_node(page_at(vma, 32), 16, 1));
	EXPECT_ORDER(4, page);
}

/* To two nodes in turn: some pages of a folio want to stay. */
TEST_F(laf, move_to_both)
{
	char *vma = filled(_metadata, 4);
	static int nodes[PAGES], status[PAGES];
	static void *pages[PAGES];
	size_t i, wrong = 0;

	for (i = 0; i < PAGES; i++) {
		pages[i] = page_at(vma, i);
		nodes[i] = i & 1;
	}
	EXPECT_EQ(0, syscall(__NR_move_pages, 0, (long)PAGES, pages, nodes, status,
			     MPOL_MF_MOVE));
	for (i = 0; i < PAGES; i++)
		wrong += status[i] != nodes[i];
	EXPECT_EQ(0, wrong);
	EXPECT_TRUE(all_hold(vma));
}

/*
 * A folio with a bad page, that could not be split when it went bad: it is not
 * copied, but split, and all other pages move.
 */
static void move_poisoned(struct __test_metadata *_metadata, size_t nr)
{
	char *vma = filled(_metadata, 4);
	uint64_t pfn = pfn_of(page_at(vma, nr));
	int fd;
	size_t i;

	drain();
	fd = hold(page_at(vma, 3));
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, poison(page_at(vma, nr), 1));
	EXPECT_ORDER(4, vma);
	close(fd);

	bind_to(vma, PAGES, 1, MPOL_MF_MOVE);
	for (i = 0; i < PAGES; i++) {
		if (i == nr)
			continue;
		EXPECT_EQ(1, on_node(page_at(vma, i), 1, 1));
		EXPECT_EQ(i < 16 ? 0 : 4, folio_order(page_at(vma, i)));
		EXPECT_TRUE(holds(page_at(vma, i), 1, 100 + i));
	}
	EXPECT_TRUE(bad(page_at(vma, nr)));
	munmap(vma, PAGES * page_size);
	unpoison(pfn);
}

TEST_F(laf, bad_first_page)
{
	move_poisoned(_metadata, 0);
}

TEST_F(laf, bad_other_page)
{
	move_poisoned(_metadata, 6);
}
