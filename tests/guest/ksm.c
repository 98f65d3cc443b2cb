// SPDX-License-Identifier: GPL-2.0
/*
 * KSM merges pages of large folios, inside of one and across, after it has split
 * them; what somebody holds stays. Each page keeps its contents.
 */
#include <errno.h>

#include "lib/fixture.h"

#define KSM	"/sys/kernel/mm/ksm/"
#define PAGES	128
#define KINDS	4	/* of contents, in turn */
#define HELD	37

static long ksm(const char *name)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), KSM "%s", name);
	return read_file(path, text, sizeof(text)) < 0 ? -1 : atol(text);
}

static bool all_hold(char *vma, uint32_t tag)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		if (!holds(page_at(vma, i), 1, tag + i % KINDS))
			return false;
	return true;
}

static bool sharing_is(long pages)
{
	double end = seconds() + 60;

	while (ksm("pages_sharing") != pages && seconds() < end)
		usleep(10000);
	return ksm("pages_sharing") == pages;
}

TEST_F(laf, merge)
{
	int order;
	size_t i;

	for (order = MIN_ORDER; order <= 5; order++) {
		char *vma = filled_order(_metadata, PAGES, order);
		uint64_t held;
		int fd;

		for (i = 0; i < PAGES; i++)
			fill(page_at(vma, i), 1, 100 + i % KINDS);
		fd = hold(page_at(vma, HELD));
		ASSERT_LE(0, fd);
		held = pfn_of(page_at(vma, HELD));
		HITS_BEGIN("split_huge_page_to_list");
		ASSERT_EQ(0, setting(KSM "sleep_millisecs", "1"));
		ASSERT_EQ(0, setting(KSM "pages_to_scan", "1000"));
		ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_MERGEABLE));
		ASSERT_EQ(0, setting(KSM "run", "1"));

		/* the folio of the page that is held cannot be split */
		EXPECT_TRUE(sharing_is(PAGES - ORDER(order) - KINDS)) {
			TH_LOG("order %d: %ld shared, %ld sharing", order,
			       ksm("pages_shared"), ksm("pages_sharing"));
		}
		EXPECT_EQ(KINDS, ksm("pages_shared"));
		EXPECT_HITS("split_huge_page_to_list");
		EXPECT_EQ(held, pfn_of(page_at(vma, HELD)));
		EXPECT_TRUE(all_hold(vma, 100));

		/* a write gets a page of its own, and does not show in the others */
		fill(vma, 1, 7);
		EXPECT_TRUE(holds(vma, 1, 7));
		EXPECT_TRUE(holds(page_at(vma, KINDS), 1, 100));
		fill(vma, 1, 100);
		close(fd);
		ASSERT_EQ(0, write_file(KSM "run", "2"));
		EXPECT_EQ(0, ksm("pages_shared"));
		EXPECT_TRUE(all_hold(vma, 100));
		munmap(vma, PAGES * page_size);
	}
}

static bool scanned(long times)
{
	long until = ksm("full_scans") + times;
	double end = seconds() + 60;

	while (ksm("full_scans") < until && seconds() < end)
		usleep(10000);
	return ksm("full_scans") >= until;
}

/*
 * A page that goes bad while KSM has it in mind is like no other from then on: its
 * folio stays.
 */
TEST_F(laf, bad_page)
{
	char *vma = filled_order(_metadata, PAGES, 4), *like = map_small(1);
	uint64_t pfn = pfn_of(page_at(vma, HELD));
	size_t i;
	int fd;

	for (i = 0; i < PAGES; i++)
		fill(page_at(vma, i), 1, 100 + i);
	fill(like, 1, 99);
	ASSERT_EQ(0, setting(KSM "sleep_millisecs", "1"));
	ASSERT_EQ(0, setting(KSM "pages_to_scan", "1000"));
	ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_MERGEABLE));
	ASSERT_EQ(0, madvise(like, page_size, MADV_MERGEABLE));
	ASSERT_EQ(0, setting(KSM "run", "1"));
	/* what has not changed since the last scan is compared in the second, or third */
	EXPECT_TRUE(scanned(4));
	fd = hold(page_at(vma, HELD + 1));
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, poison(page_at(vma, HELD), 1));
	close(fd);
	fill(like, 1, 100 + HELD);
	EXPECT_TRUE(scanned(5));
	EXPECT_EQ(0, ksm("pages_shared"));
	EXPECT_EQ(pfn, pfn_of(page_at(vma, HELD)));
	EXPECT_ORDER(4, page_at(vma, HELD));
	munmap(vma, PAGES * page_size);
	EXPECT_TRUE(scanned(2));
	ASSERT_EQ(0, write_file(KSM "run", "2"));
	unpoison(pfn);
}

/* What is merged and bad cannot be copied: an error, not one try after the other. */
TEST_F(laf, bad_merged_page)
{
	char *vma = map_small(2);
	uint64_t pfn;

	want_folios(_metadata, 0);
	fill(vma, 1, 7);
	fill(page_at(vma, 1), 1, 7);
	ASSERT_EQ(0, setting(KSM "sleep_millisecs", "1"));
	ASSERT_EQ(0, madvise(vma, 2 * page_size, MADV_MERGEABLE));
	ASSERT_EQ(0, setting(KSM "run", "1"));
	EXPECT_TRUE(sharing_is(1));
	pfn = pfn_of(vma);
	EXPECT_EQ(pfn, pfn_of(page_at(vma, 1)));
	EXPECT_EQ(-EBUSY, poison(vma, 1));
	EXPECT_EQ(-1, madvise(vma, 2 * page_size, MADV_UNMERGEABLE));
	EXPECT_EQ(EHWPOISON, errno);
	EXPECT_TRUE(bad_to_write(vma));
	EXPECT_EQ(pfn, pfn_of(vma));
	munmap(vma, 2 * page_size);
	ASSERT_EQ(0, write_file(KSM "run", "2"));
	unpoison(pfn);
}
