// SPDX-License-Identifier: GPL-2.0
/*
 * /sys/kernel/mm/page_idle/bitmap: as Documentation/admin-guide/mm/
 * idle_page_tracking.rst has it for huge pages, a large folio has the flag of its
 * first page, and that is about all of its pages.
 */
#include "lib/fixture.h"

#define PAGES	64

TEST_F(laf, first_page)
{
	int order;
	size_t i;

	for (order = MIN_ORDER; order <= 5; order++) {
		char *vma = map_new(PAGES);
		uint64_t first;

		enable_orders(ORDER(order));
		fill(vma, PAGES, order);
		ASSERT_ORDER(order, vma);
		drain();
		first = pfn_of(vma);
		HITS_BEGIN("page_idle_bitmap_read");

		/* accesses to any page end it; nobody touches the first */
		for (i = 0; i < ORDER(order); i++) {
			ASSERT_TRUE(set_idle(first));
			EXPECT_TRUE(is_idle(first));
			/* a new entry in the TLB, too */
			mprotect(vma, PAGES * page_size, PROT_READ);
			mprotect(vma, PAGES * page_size, PROT_READ | PROT_WRITE);
			touch(page_at(vma, ORDER(order) - 1 - i));
			EXPECT_FALSE(is_idle(first)) {
				TH_LOG("order %d, page %zu was touched", order,
				       ORDER(order) - 1 - i);
			}
		}
		/* what is set for the others is ignored */
		for (i = 1; i < ORDER(order); i++) {
			ASSERT_TRUE(set_idle(first + i));
			EXPECT_FALSE(is_idle(first + i));
			EXPECT_FALSE(is_idle(first));
		}
		EXPECT_HITS("page_idle_bitmap_read");
		munmap(vma, PAGES * page_size);
	}
}
