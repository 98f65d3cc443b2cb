// SPDX-License-Identifier: GPL-2.0
/*
 * MADV_FREE, MADV_COLD and MADV_PAGEOUT go on behind a folio that they cannot
 * handle: one that is shared with a child, or whose first page is gone.
 */
#include "lib/fixture.h"

#define PAGES 256
#define FOLIO 16

static long kb(size_t pages)
{
	return pages * page_size >> 10;
}

/* One page at a time: each has a tag of its own. */
static bool all_there(char *vma, size_t first, size_t nr)
{
	size_t i;

	for (i = first; i < first + nr; i++)
		if (!holds(page_at(vma, i), 1, 100 + i))
			return false;
	return true;
}

static char *filled(struct __test_metadata *_metadata)
{
	char *vma = map_new(PAGES);
	size_t i;

	enable_orders(ORDER(4));
	for (i = 0; i < PAGES; i++)
		fill(page_at(vma, i), 1, 100 + i);
	for (i = 0; i < PAGES; i += FOLIO) {
		ASSERT_ORDER(4, page_at(vma, i));
	}
	/* a page that is not on the LRU yet is left out */
	drain();
	return vma;
}

/* A child that shares nothing but the folio at page @first, until SIGCONT. */
static pid_t sharer(char *vma, size_t first)
{
	pid_t pid = child();

	if (!pid) {
		munmap(vma, first * page_size);
		munmap(page_at(vma, first + FOLIO), (PAGES - first - FOLIO) * page_size);
		raise(SIGSTOP);
		_exit(!all_there(vma, first, FOLIO));
	}
	waitpid(pid, NULL, WUNTRACED);
	return pid;
}

/* The three folios in the way, all in one VMA and one page table. */
#define SHARED	16	/* with a child, whole */
#define HEADLESS 64	/* its first page is zapped */
#define HOLED	128	/* two pages in the middle are zapped */

static pid_t obstacles(char *vma)
{
	pid_t pid = sharer(vma, SHARED);

	madvise(page_at(vma, HEADLESS), page_size, MADV_DONTNEED);
	madvise(page_at(vma, HOLED + 6), 2 * page_size, MADV_DONTNEED);
	return pid;
}

#define GONE	3	/* pages that obstacles() zaps */

TEST_F(laf, free)
{
	char *vma = filled(_metadata);
	pid_t pid = obstacles(vma);

	ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_FREE));
	drain();
	/* what a child shares may be left out; all others are free */
	EXPECT_LE(kb(PAGES - FOLIO - GONE), smaps(vma, PAGES, "LazyFree"));
	EXPECT_GE(kb(PAGES - GONE), smaps(vma, PAGES, "LazyFree"));
	EXPECT_EQ(kb(PAGES - GONE), smaps(vma, PAGES, "Rss"));
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));

	/* written again, they are ordinary pages again */
	fill(vma, PAGES, 2);
	drain();
	EXPECT_EQ(0, smaps(vma, PAGES, "LazyFree"));
	EXPECT_TRUE(holds(vma, PAGES, 2));
}

/* Parts that begin and end inside folios: exactly those pages. */
TEST_F(laf, free_parts)
{
	char *vma = filled(_metadata);

	ASSERT_EQ(0, madvise(page_at(vma, 5), 70 * page_size, MADV_FREE));
	ASSERT_EQ(0, madvise(page_at(vma, 250), 6 * page_size, MADV_FREE));
	ASSERT_EQ(0, madvise(page_at(vma, 130), 1 * page_size, MADV_FREE));
	drain();
	EXPECT_EQ(kb(77), smaps(vma, PAGES, "LazyFree"));
	/* the neighbours in those folios are as they were */
	EXPECT_TRUE(all_there(vma, 0, 5));
	EXPECT_TRUE(all_there(vma, 75, 55));
	EXPECT_TRUE(all_there(vma, 131, 119));
}

/* Freed pages read as zero or as before; the others as before. */
TEST_F(laf, free_content)
{
	char *vma = filled(_metadata);
	size_t i;

	ASSERT_EQ(0, madvise(page_at(vma, 10), 100 * page_size, MADV_FREE));
	/* reclaim drops what is free */
	ASSERT_EQ(0, madvise(page_at(vma, 10), 100 * page_size, MADV_PAGEOUT));
	for (i = 0; i < PAGES; i++) {
		bool gone = i >= 10 && i < 110 && !*(uint64_t *)(page_at(vma, i) + 8);

		EXPECT_TRUE(gone ? zeroed(page_at(vma, i), 1) :
				   holds(page_at(vma, i), 1, 100 + i));
	}
}

TEST_F(laf, pageout)
{
	char *vma = filled(_metadata);
	pid_t pid = obstacles(vma);
	long swapped = 0;
	int try;

	ASSERT_TRUE(swap_on(4096));
	for (try = 0; try < 10 && swapped < kb(PAGES - FOLIO - GONE); try++) {
		ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_PAGEOUT));
		swapped = smaps(vma, PAGES, "Swap");
		drain();
	}
	EXPECT_EQ(kb(PAGES - FOLIO - GONE), swapped);
	EXPECT_EQ(FOLIO, present(vma, PAGES));
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));

	EXPECT_TRUE(zeroed(page_at(vma, HEADLESS), 1));
	fill(vma, PAGES, 2);
	EXPECT_TRUE(holds(vma, PAGES, 2));
}

/* As for MADV_PAGEOUT; a cold page has lost its young bit. */
TEST_F(laf, cold)
{
	char *vma = filled(_metadata);
	pid_t pid = obstacles(vma);

	EXPECT_EQ(kb(PAGES - GONE), smaps(vma, PAGES, "Referenced"));
	ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_COLD));
	EXPECT_EQ(kb(FOLIO), smaps(vma, PAGES, "Referenced"));
	EXPECT_EQ(kb(PAGES - GONE), smaps(vma, PAGES, "Rss"));
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
}
