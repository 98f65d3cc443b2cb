// SPDX-License-Identifier: GPL-2.0
/* Pages that are taken out of use, one by one, from large folios. */
#include "lib/fixture.h"

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

#define PAGES 64

/* Back into use; the number of @nr pages for which that worked. */
static size_t unpoison(const uint64_t *pfns, size_t nr)
{
	char text[32];
	size_t i, done = 0;

	for (i = 0; i < nr; i++) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)pfns[i]);
		done += !write_file("/sys/kernel/debug/hwpoison/unpoison-pfn", text);
	}
	return done;
}

/* Each page of the range is moved away, and keeps its contents; no other is. */
TEST_F(laf, soft_offline)
{
	uint64_t pfns[PAGES];
	int order;

	for (order = MIN_ORDER; order <= 5; order++) {
		size_t from = 5, nr = 9, moved = 0, i;
		char *vma = map_new(PAGES);
		long before;

		enable_orders(ORDER(order));
		fill(vma, PAGES, order);
		ASSERT_ORDER(order, vma);
		drain();
		for (i = 0; i < PAGES; i++)
			pfns[i] = pfn_of(page_at(vma, i));
		before = meminfo("HardwareCorrupted");
		EXPECT_EQ(0, madvise(page_at(vma, from), nr * page_size, MADV_SOFT_OFFLINE));
		EXPECT_EQ(nr * page_size >> 10, meminfo("HardwareCorrupted") - before);
		for (i = 0; i < PAGES; i++)
			moved += pfns[i] != pfn_of(page_at(vma, i));
		EXPECT_EQ(nr, moved);
		EXPECT_TRUE(holds(vma, PAGES, order));
		EXPECT_EQ(nr, unpoison(pfns + from, nr));
		munmap(vma, PAGES * page_size);
	}
}
