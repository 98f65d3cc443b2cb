// SPDX-License-Identifier: GPL-2.0
/* Compaction makes room for huge pages and leaves smaller folios in one piece. */
#include "lib/fixture.h"

#define PAGEBLOCK_ORDER 9
#define PAGES (32UL << PAGEBLOCK_ORDER)

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

/* Many huge pages full of folios of @order; every other one is freed. */
static void compact(struct __test_metadata *_metadata, int order)
{
	size_t nr = 1 << order, folios = PAGES / nr, before, after, i;
	size_t moved = 0, whole = 0, wrong = 0;
	uint64_t *pfns = calloc(folios, sizeof(*pfns));
	char *vma = map_new(folios * nr);

	enable_orders(ORDER(order));
	for (i = 0; i < folios; i++)
		touch(page_at(vma, i * nr));
	ASSERT_ORDER(order, vma);
	for (i = 1; i < folios; i += 2)
		madvise(page_at(vma, i * nr), nr * page_size, MADV_DONTNEED);
	for (i = 0; i < folios; i += 2) {
		fill(page_at(vma, i * nr), nr, i);
		pfns[i] = pfn_of(page_at(vma, i * nr));
		whole += folio_order(page_at(vma, i * nr)) == order;
	}
	drain();

	before = free_huge();
	ASSERT_EQ(0, write_file("/proc/sys/vm/compact_memory", "1"));
	after = free_huge();
	for (i = 0; i < folios; i += 2) {
		whole -= folio_order(page_at(vma, i * nr)) == order;
		moved += pfns[i] != pfn_of(page_at(vma, i * nr));
		wrong += !holds(page_at(vma, i * nr), nr, i);
	}
	TH_LOG("order %d: %zu of %zu folios moved, huge free pages %zu, then %zu", order,
	       moved, (folios + 1) / 2, before, after);
	EXPECT_EQ(0, whole);
	EXPECT_EQ(0, wrong);
	munmap(vma, folios * nr * page_size);
	free(pfns);
	/* how many depends on what else is in the zone, and where its scanners meet */
	if (!moved)
		SKIP(return, "the scanners met before they came to the folios");
}

TEST_F(laf, order_4)
{
	compact(_metadata, 4);
}

TEST_F(laf, order_8)
{
	compact(_metadata, 8);
}
