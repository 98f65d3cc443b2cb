// SPDX-License-Identifier: GPL-2.0
/*
 * The counters that a fault moves, each by the exact amount: the size's own
 * statistics, page faults, RSS and vmstat.
 */
#include "lib/fixture.h"

/* Since @before only the allocations of @order have moved, by @nr. */
static void expect_stats(struct __test_metadata *_metadata,
			 const struct size_stats *before, int order, size_t nr)
{
	struct size_stats since = *before;
	int o;

	size_stats_since(&since);
	for (o = MIN_ORDER; o <= pmd_order; o++) {
		EXPECT_EQ(o == order ? nr : 0, since.alloc[o]) {
			TH_LOG("anon_fault_alloc of order %d", o);
		}
		EXPECT_EQ(0, since.fallback[o]);
		EXPECT_EQ(0, since.charge[o]);
	}
}

/* One page fault and one count for each folio, pages for the rest. */
TEST_F(laf, each_order)
{
	int order;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		size_t nr = 4, pages = nr << order, i;
		struct size_stats before;
		long faults, anon, thps, rss, pmd_faults, pmd_fallbacks;
		char *vma;

		enable_orders(ORDER(order));
		vma = map_new(pages);
		drain();
		anon = vmstat("nr_anon_pages");
		thps = vmstat("nr_anon_transparent_hugepages");
		pmd_faults = vmstat("thp_fault_alloc");
		pmd_fallbacks = vmstat("thp_fault_fallback");
		rss = rss_anon();

		size_stats(&before);
		faults = minor_faults();
		for (i = 0; i < pages; i++)
			touch(page_at(vma, i));
		faults = minor_faults() - faults;

		for (i = 0; i < nr; i++) {
			ASSERT_ORDER(order, page_at(vma, i << order));
		}
		EXPECT_EQ(nr, faults);
		/* what the task itself still caches is less than one folio */
		rss = rss_anon() - rss;
		EXPECT_GE(pages * page_size >> 10, rss - 16);
		EXPECT_LE(pages * page_size >> 10, rss + 16);
		expect_stats(_metadata, &before, order, nr);
		drain();
		EXPECT_LE(anon + pages, vmstat("nr_anon_pages"));
		/* up: this process reads files, and is not alone */
		EXPECT_GE(anon + pages + 8, vmstat("nr_anon_pages"));
		EXPECT_EQ(pages * page_size >> 10, smaps(vma, pages, "Rss"));
		EXPECT_EQ(pages * page_size >> 10, smaps(vma, pages, "Anonymous"));
		EXPECT_EQ(pages * page_size >> 10, smaps(vma, pages, "Private_Dirty"));
		/* all of these mean PMD size */
		EXPECT_EQ(0, smaps(vma, pages, "AnonHugePages"));
		EXPECT_EQ(thps, vmstat("nr_anon_transparent_hugepages"));
		EXPECT_EQ(pmd_faults, vmstat("thp_fault_alloc"));
		EXPECT_EQ(pmd_fallbacks, vmstat("thp_fault_fallback"));
		munmap(vma, pages * page_size);
	}
}

/*
 * RSS is right straight after the faults: a task caches its last single-page
 * faults, and must not cache folios (64 of them would be 64 MB at 1 MB each).
 */
TEST_F(laf, rss_at_once)
{
	size_t nr = 48, pages = nr << 4, i;
	char *vma = map_new(pages);
	long rss;

	enable_orders(ORDER(4));
	rss = rss_anon();
	for (i = 0; i < nr; i++)
		touch(page_at(vma, i << 4));
	rss = (rss_anon() - rss) / (page_size >> 10);
	ASSERT_ORDER(4, vma);
	ASSERT_EQ(pages, present(vma, pages));
	EXPECT_LE(pages - 64, rss);
	EXPECT_GE(pages + 64, rss);
}

/* Order 0 by the rule, not for want of memory: no size has a say in it. */
TEST_F(laf, no_fallback_without_attempt)
{
	char *vma = map_new(16), *small;
	struct size_stats before;

	enable_orders(large_orders());
	touch(vma);
	ASSERT_ORDER(4, vma);
	small = map_new(3);
	size_stats(&before);
	touch(small);
	EXPECT_ORDER(0, small);
	ASSERT_EQ(0, madvise(vma, 16 * page_size, MADV_NOHUGEPAGE));
	ASSERT_EQ(0, madvise(vma, 16 * page_size, MADV_DONTNEED));
	touch(vma);
	EXPECT_ORDER(0, vma);
	expect_stats(_metadata, &before, 0, 0);
}

/* A fault of PMD size counts for that size, and as before in vmstat. */
TEST_F(laf, pmd_size)
{
	size_t pages = ORDER(pmd_order);
	char *vma = map_new(pages);
	struct size_stats before;
	long faults;

	enable_orders(DEFAULT_ORDERS);
	touch(vma);
	ASSERT_ORDER(4, vma);
	munmap(vma, pages * page_size);

	enable_orders(DEFAULT_ORDERS | ORDER(pmd_order));
	vma = map_new(pages);
	size_stats(&before);
	faults = vmstat("thp_fault_alloc");
	touch(vma);
	EXPECT_ORDER(pmd_order, vma);
	EXPECT_EQ(faults + 1, vmstat("thp_fault_alloc"));
	expect_stats(_metadata, &before, pmd_order, 1);
}
