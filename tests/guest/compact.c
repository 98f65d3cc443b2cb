// SPDX-License-Identifier: GPL-2.0
/* Compaction makes room for huge pages and leaves smaller folios in one piece. */
#include "lib/fixture.h"

#define PAGEBLOCK_ORDER 9

/* Free pages in blocks that a huge page fits in. */
static size_t free_huge(void)
{
	char text[4096], *line, *word;
	size_t pages = 0;
	int column;

	if (read_file("/proc/buddyinfo", text, sizeof(text)) <= 0)
		return 0;
	/* Node 0, zone DMA, then a number for each order */
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		word = strstr(line, "zone");
		for (column = -2; word && *word; column++) {
			if (column >= PAGEBLOCK_ORDER)
				pages += strtoul(word, NULL, 10) << column;
			word += strcspn(word, " ");
			word += strspn(word, " ");
		}
	}
	return pages;
}

/*
 * The scanner for free pages begins at the end of the zone, and takes one for each
 * small page that the other scanner meets before it comes to our folios. With more
 * holes than small pages on the LRU they meet in the midst of them.
 */
static size_t pages_wanted(void)
{
	size_t small = (meminfo("Active") + meminfo("Inactive")) / (page_size >> 10);

	return (4 * small / PMD + 32) * PMD;
}

#define SAMPLE 16	/* of which one is asked for its order: that takes long */

static size_t split_ones(const char *vma, size_t pages, const uint64_t *pfns, int order)
{
	size_t nr = ORDER(order), split = 0, seen = 0, i;

	for (i = 0; i < pages; i += nr)
		if (pfns[i] && seen++ % SAMPLE == 0)
			split += folio_order(page_at(vma, i)) != order;
	return split;
}

/*
 * Many huge pages full of folios of @order; of two neighbours the first is freed, so
 * that each huge page begins with a hole: after some without a free page the scanner
 * is content with a look at every 32nd page.
 */
static void compact(struct __test_metadata *_metadata, int order)
{
	size_t nr = ORDER(order), pages = pages_wanted(), before, after, i, j;
	size_t kept = 0, moved = 0, torn = 0, wrong = 0;
	uint64_t *was = calloc(pages, sizeof(*was)), *is = calloc(pages, sizeof(*is));
	char *vma = map_new(pages);

	enable_orders(ORDER(order));
	for (i = 0; i < pages; i += nr)
		touch(page_at(vma, i));
	ASSERT_ORDER(order, vma);
	pfns_of(vma, pages, was);
	for (i = 0; i < pages; i += nr) {
		if (was[i] & nr) {
			fill(page_at(vma, i), nr, i);
			kept++;
		} else {
			madvise(page_at(vma, i), nr * page_size, MADV_DONTNEED);
			was[i] = 0;
		}
	}
	ASSERT_EQ(0, split_ones(vma, pages, was, order));
	drain();

	before = free_huge();
	ASSERT_EQ(0, write_file("/proc/sys/vm/compact_memory", "1"));
	after = free_huge();
	EXPECT_EQ(0, split_ones(vma, pages, was, order));
	pfns_of(vma, pages, is);
	for (i = 0; i < pages; i += nr) {
		if (!was[i])
			continue;
		moved += is[i] != was[i];
		for (j = 1; j < nr && is[i + j] == is[i] + j; j++)
			;
		torn += j < nr;
		wrong += !holds(page_at(vma, i), nr, i);
	}
	TH_LOG("order %d: %zu of %zu folios moved, huge free pages %zu, then %zu", order,
	       moved, kept, before, after);
	EXPECT_LT(0, moved);
	EXPECT_LT(before, after);
	EXPECT_EQ(0, torn);
	EXPECT_EQ(0, wrong);
	munmap(vma, pages * page_size);
	free(was);
	free(is);
}

TEST_F(laf, order_4)
{
	compact(_metadata, 4);
}

TEST_F(laf, order_8)
{
	compact(_metadata, 8);
}
