// SPDX-License-Identifier: GPL-2.0
/* Large folios on their way to swap and back: every page keeps its contents. */
#include "lib/fixture.h"

#define SWAP_PAGES 16384

static char *filled(struct __test_metadata *_metadata, unsigned int orders,
		    size_t pages, uint32_t tag)
{
	char *vma = map_new(pages);

	enable_orders(orders);
	fill(vma, pages, tag);
	ASSERT_ORDER(31 - __builtin_clz(orders), vma);
	return vma;
}

TEST_F(laf, each_order)
{
	size_t pages = 256, round, rounds = longer ? 20 : 1;
	int order;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		char *vma = filled(_metadata, ORDER(order), pages, order);

		if (order == MIN_ORDER) {
			ASSERT_TRUE(swap_on(SWAP_PAGES));
			HITS_BEGIN("split_huge_page_to_list");
			HITS_BEGIN("do_swap_page");
		}
		for (round = 0; round < rounds; round++) {
			swap_out(_metadata, vma, pages);
			EXPECT_TRUE(holds(vma, pages, order + round));
			fill(vma, pages, order + round + 1);
		}
		munmap(vma, pages * page_size);
	}
	EXPECT_TRUE(swap_off());
	EXPECT_EQ(0, meminfo("SwapFree"));
	EXPECT_HITS("split_huge_page_to_list");
	EXPECT_HITS("do_swap_page");
}

/* Swap entries count as pages: a fault beside them gets what fits. */
TEST_F(laf, beside_swapped)
{
	char *vma = filled(_metadata, ORDER(4), 16, 5);

	ASSERT_TRUE(swap_on(SWAP_PAGES));
	swap_out(_metadata, vma, 16);
	enable_orders(DEFAULT_ORDERS);
	ASSERT_EQ(0, madvise(page_at(vma, 4), 12 * page_size, MADV_DONTNEED));
	touch(page_at(vma, 9));
	EXPECT_ORDER(3, page_at(vma, 9));
	touch(page_at(vma, 7));
	EXPECT_ORDER(2, page_at(vma, 7));
	EXPECT_TRUE(zeroed(page_at(vma, 4), 12));
	EXPECT_EQ(12, present(vma, 16));
	EXPECT_TRUE(holds(vma, 4, 5));
}

/* swapoff() brings every page of every process back. */
TEST_F(laf, swapoff)
{
	size_t pages = 1024;
	char *vma = filled(_metadata, DEFAULT_ORDERS, pages, 7);
	pid_t pid;

	ASSERT_TRUE(swap_on(SWAP_PAGES));
	swap_out(_metadata, vma, pages);
	pid = child();
	if (!pid) {
		fill(page_at(vma, 512), 100, 8);
		raise(SIGSTOP);
		EXPECT_TRUE(holds(vma, 512, 7));
		EXPECT_TRUE(holds(page_at(vma, 512), 100, 8));
		_exit(!_metadata->passed);
	}
	ASSERT_EQ(pid, waitpid(pid, NULL, WUNTRACED));
	HITS_BEGIN("swapin_readahead");
	EXPECT_TRUE(swap_off());
	EXPECT_HITS("swapin_readahead");
	EXPECT_EQ(0, meminfo("SwapFree"));
	EXPECT_EQ(pages, present(vma, pages));
	EXPECT_TRUE(holds(vma, pages, 7));
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
}

/* A cgroup whose memory is a third of what its process uses, over and over. */
static void pressure(struct __test_metadata *_metadata, unsigned int orders, int advice)
{
	size_t pages = longer ? 12288 : 3072, chunk = 256, i, round;
	size_t rounds = longer ? 20 : 2;
	char *vma;
	pid_t pid;

	vma = filled(_metadata, orders, chunk, 1);
	munmap(vma, chunk * page_size);
	ASSERT_TRUE(swap_on(SWAP_PAGES));
	ASSERT_TRUE(cgroup_create());
	ASSERT_EQ(0, cgroup_set("memory.max", longer ? "16M" : "4M"));
	pid = child();
	if (!pid) {
		EXPECT_TRUE(cgroup_enter());
		vma = map_new(pages);
		madvise(vma, pages * page_size, advice);
		for (round = 0; round < rounds; round++) {
			for (i = 0; i < pages; i += chunk)
				fill(page_at(vma, i), chunk, i + round);
			for (i = 0; i < pages; i += chunk) {
				EXPECT_TRUE(holds(page_at(vma, i), chunk, i + round));
			}
			/* makes room for new folios in the next round */
			madvise(vma, pages / 2 * page_size, MADV_DONTNEED);
		}
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_LT(0, cgroup_get("memory.events", "max"));
	EXPECT_EQ(0, cgroup_get("memory.events", "oom_kill"));
	EXPECT_TRUE(swap_off());
	EXPECT_EQ(0, meminfo("SwapFree"));
	EXPECT_EQ(0, cgroup_leak());
}

TEST_F(laf, pressure)
{
	pressure(_metadata, DEFAULT_ORDERS, MADV_NORMAL);
}

TEST_F(laf, pressure_advised)
{
	pressure(_metadata, large_orders(), MADV_HUGEPAGE);
}
