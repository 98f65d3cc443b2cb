// SPDX-License-Identifier: GPL-2.0
/*
 * What /proc/<pid>/clear_refs takes back, and pagemap and smaps show. A fault makes
 * all pages of a folio dirty, soft-dirty and young: more is reported than was used,
 * never less. From then on each page has bits of its own.
 */
#include "lib/fixture.h"

#define PAGES	256
#define STRIDE	29	/* between the pages that are used */

static void take_back(struct __test_metadata *_metadata, const char *type)
{
	ASSERT_EQ(0, write_file("/proc/self/clear_refs", type));
}

static bool used(size_t i)
{
	return i % STRIDE == 3;
}

/* How many pages have a bit that they should not have, or the other way round. */
static size_t wrong_soft_dirty(char *vma)
{
	size_t i, wrong = 0;

	for (i = 0; i < PAGES; i++)
		wrong += soft_dirty(page_at(vma, i)) != used(i);
	return wrong;
}

static size_t nr_soft_dirty(char *vma)
{
	size_t i, nr = 0;

	for (i = 0; i < PAGES; i++)
		nr += soft_dirty(page_at(vma, i));
	return nr;
}

TEST_F(laf, soft_dirty)
{
	int order;
	size_t i;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		char *vma = filled_order(_metadata, PAGES, order);

		if (!soft_dirty(vma))
			SKIP(return, "no soft-dirty bits here");
		HITS_BEGIN("clear_refs_pte_range");
		HITS_BEGIN("pagemap_pmd_range");
		take_back(_metadata, "4");
		EXPECT_EQ(0, nr_soft_dirty(vma));
		for (i = 0; i < PAGES; i++)
			if (used(i))
				fill(page_at(vma, i), 1, 100 + i);
		EXPECT_EQ(0, wrong_soft_dirty(vma)) {
			TH_LOG("order %d", order);
		}
		EXPECT_HITS("clear_refs_pte_range");
		EXPECT_HITS("pagemap_pmd_range");
		EXPECT_ORDER(order, vma);

		/* one write, and what comes with it */
		ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_DONTNEED));
		touch(page_at(vma, 3));
		EXPECT_ORDER(order, vma);
		EXPECT_EQ(ORDER(order), nr_soft_dirty(vma));
		munmap(vma, PAGES * page_size);
	}
}

TEST_F(laf, young)
{
	int order;
	size_t i;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		char *vma = filled_order(_metadata, PAGES, order);
		size_t nr = 0;

		EXPECT_EQ(PAGES, smaps(vma, PAGES, "Referenced") / (page_size >> 10));
		HITS_BEGIN("clear_refs_pte_range");
		take_back(_metadata, "1");
		EXPECT_HITS("clear_refs_pte_range");
		EXPECT_EQ(0, smaps(vma, PAGES, "Referenced"));
		/* new entries in the TLB, too */
		mprotect(vma, PAGES * page_size, PROT_READ);
		mprotect(vma, PAGES * page_size, PROT_READ | PROT_WRITE);
		for (i = 0; i < PAGES; i++) {
			if (!used(i))
				continue;
			(void)*(volatile char *)page_at(vma, i);
			nr++;
		}
		EXPECT_EQ(nr, smaps(vma, PAGES, "Referenced") / (page_size >> 10)) {
			TH_LOG("order %d", order);
		}
		EXPECT_ORDER(order, vma);

		ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_DONTNEED));
		touch(page_at(vma, 3));
		EXPECT_ORDER(order, vma);
		EXPECT_EQ(ORDER(order), smaps(vma, PAGES, "Referenced") / (page_size >> 10));
		EXPECT_TRUE(zeroed(vma, PAGES));
		munmap(vma, PAGES * page_size);
	}
}
