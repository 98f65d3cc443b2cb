// SPDX-License-Identifier: GPL-2.0
/*
 * Memory too fragmented for the wanted order, as fail_page_alloc makes it look:
 * a smaller order is used, the failures are counted, nothing leaks.
 */
#include "lib/fixture.h"

static int biggest_below(unsigned int orders, int limit)
{
	orders &= ORDER(limit) - 1;
	return orders ? 31 - __builtin_clz(orders) : 0;
}

/* One fault for each smallest failing order. */
static void each_limit(struct __test_metadata *_metadata, unsigned int orders,
		       int advice)
{
	int limit, o;

	for (limit = pmd_order; limit >= MIN_ORDER; limit--) {
		int want = biggest_below(orders, limit);
		char *vma = map_new(512);
		struct size_stats stats;

		if (limit < pmd_order) {
			ASSERT_EQ(0, fail_from(limit, 100));
		}
		madvise(vma, 512 * page_size, advice);
		size_stats(&stats);
		fail_me(true);
		touch(page_at(vma, 300));
		fail_me(false);
		ASSERT_ORDER(want, page_at(vma, 300));
		EXPECT_EQ(ORDER(want), present(vma, 512));
		EXPECT_TRUE(zeroed(page_at(vma, 300 & ~(ORDER(want) - 1)), ORDER(want)));
		size_stats_since(&stats);
		for (o = MIN_ORDER; o < pmd_order; o++) {
			bool failed = o >= limit && orders & ORDER(o);

			EXPECT_EQ(o == want ? 1 : 0, stats.alloc[o]);
			EXPECT_EQ(failed ? 1 : 0, stats.fallback[o]) {
				TH_LOG("anon_fault_fallback of order %d, failing from %d",
				       o, limit);
			}
			EXPECT_EQ(0, stats.charge[o]);
		}
		munmap(vma, 512 * page_size);
	}
}

TEST_F(laf, default_orders)
{
	enable_orders(DEFAULT_ORDERS);
	each_limit(_metadata, DEFAULT_ORDERS, MADV_NORMAL);
}

TEST_F(laf, all_orders)
{
	enable_orders(large_orders());
	each_limit(_metadata, large_orders(), MADV_NORMAL);
}

/* Orders with gaps between them, and the flags of an advised VMA. */
TEST_F(laf, gaps_and_advice)
{
	unsigned int orders = ORDER(2) | ORDER(5) | ORDER(8);

	enable_orders(orders);
	each_limit(_metadata, orders, MADV_HUGEPAGE);
}

/* Every second allocation fails: the sums agree, contents hold, nothing leaks. */
TEST_F(laf, half_fails)
{
	size_t pages = 2048, i, round, rounds = longer ? 100 : 3;
	char *vma;
	pid_t pid;

	enable_orders(large_orders());
	vma = map_new(512);
	touch(vma);
	ASSERT_ORDER(8, vma);
	munmap(vma, 512 * page_size);
	ASSERT_EQ(0, fail_from(1, 50));
	ASSERT_TRUE(cgroup_create());

	pid = child();
	if (!pid) {
		size_t found[MAX_ORDER + 1], failures = 0;
		struct size_stats stats;
		int o;

		EXPECT_TRUE(cgroup_enter());
		for (round = 0; round < rounds; round++) {
			memset(found, 0, sizeof(found));
			vma = map_new(pages);
			size_stats(&stats);
			fail_me(true);
			for (i = 0; i < pages; i++)
				touch(page_at(vma, i));
			fail_me(false);
			size_stats_since(&stats);
			for (i = 0; i < pages; i += ORDER(o)) {
				o = mapped_order(page_at(vma, i));
				if (o < 0 || o == 1) {
					EXPECT_ORDER(0, page_at(vma, i));
					_exit(1);
				}
				found[o]++;
			}
			for (o = MIN_ORDER; o < pmd_order; o++) {
				EXPECT_EQ(found[o], stats.alloc[o]);
				failures += stats.fallback[o];
			}
			EXPECT_TRUE(zeroed(vma, pages));
			fill(vma, pages, round);
			EXPECT_TRUE(holds(vma, pages, round));
			munmap(vma, pages * page_size);
		}
		EXPECT_LT(0, failures);
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_EQ(0, cgroup_leak());
}
