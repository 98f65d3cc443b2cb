// SPDX-License-Identifier: GPL-2.0
/*
 * MADV_FREE, MADV_COLD and MADV_PAGEOUT go on behind a folio that they cannot
 * handle: one that is shared with a child, or whose first page is gone. They
 * leave a folio in one piece that is in the range as a whole.
 */
#include <sys/syscall.h>
#include <sys/uio.h>

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
	/* nor is that one split */
	EXPECT_ORDER(4, page_at(vma, SHARED));
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
	EXPECT_ORDER(4, page_at(vma, SHARED));
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
}

/* A folio that somebody holds is tried once, not for each of its pages, and left out. */
TEST_F(laf, held)
{
	static const int advice[] = { MADV_FREE, MADV_COLD };
	size_t from = SHARED + 3, i;

	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		char *vma = filled(_metadata);
		int fd = hold(page_at(vma, SHARED));
		long tried;

		ASSERT_LE(0, fd);
		HITS_BEGIN("split_huge_page_to_list");
		ASSERT_EQ(0, madvise(page_at(vma, from), (PAGES - from) * page_size, advice[i]));
		tried = hits_end("split_huge_page_to_list");
		TH_LOG("split_huge_page_to_list: %ld hits", tried);
		EXPECT_EQ(1, tried);
		drain();
		if (advice[i] == MADV_FREE) {
			EXPECT_EQ(kb(PAGES - SHARED - FOLIO), smaps(vma, PAGES, "LazyFree"));
		}
		EXPECT_ORDER(4, page_at(vma, SHARED));
		EXPECT_TRUE(all_there(vma, SHARED, FOLIO));
		close(fd);
		munmap(vma, PAGES * page_size);
	}
}

/* Only the folios at the ends of a range are split. */
#define FROM	21	/* inside a folio of order 2, 3, 4 and so on */
#define TO	227

static void expect_whole(struct __test_metadata *_metadata, char *vma, int order)
{
	size_t nr = ORDER(order), first = (FROM + nr - 1) & ~(nr - 1), last = TO & ~(nr - 1), i;

	for (i = 0; i < PAGES; i++)
		if (i >= first && i < last)
			EXPECT_ORDER(order, page_at(vma, i));
		else if (i >= FROM && i < TO)
			EXPECT_EQ(0, folio_order(page_at(vma, i)));
}

TEST_F(laf, free_whole)
{
	int order;

	for (order = MIN_ORDER; order < 8; order++) {
		char *vma = filled_order(_metadata, PAGES, order);

		ASSERT_EQ(0, madvise(page_at(vma, FROM), (TO - FROM) * page_size, MADV_FREE));
		drain();
		expect_whole(_metadata, vma, order);
		EXPECT_EQ(kb(TO - FROM), smaps(vma, PAGES, "LazyFree"));
		EXPECT_TRUE(holds(vma, PAGES, order));
		munmap(vma, PAGES * page_size);
	}
}

/* What is written into a free folio stays; the rest of it may go. */
TEST_F(laf, free_rewritten)
{
	int order;
	size_t i;

	for (order = MIN_ORDER; order < 8; order++) {
		char *vma = filled_order(_metadata, PAGES, order);
		int try;

		ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_FREE));
		drain();
		ASSERT_ORDER(order, vma);
		for (i = 3; i < PAGES; i += 29)
			fill(page_at(vma, i), 1, 1000 + i);
		for (try = 0; try < 3; try++)
			ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_PAGEOUT));
		for (i = 0; i < PAGES; i++) {
			char *page = page_at(vma, i);

			/* fill() of one page numbers it 0 */
			if (i >= 3 && (i - 3) % 29 == 0) {
				EXPECT_TRUE(holds(page, 1, 1000 + i));
			} else if (!((uint64_t *)page)[7]) {
				EXPECT_TRUE(zeroed(page, 1));
			} else {
				EXPECT_EQ((uint64_t)order << 32 | i << 12 | 7, ((uint64_t *)page)[7]);
			}
		}
		munmap(vma, PAGES * page_size);
	}
}

/*
 * A write by GUP makes the folio dirty, not its PTE. MADV_FREE of other pages of
 * it must not forget that, or reclaim drops what was written.
 */
TEST_F(laf, free_beside_dirty)
{
	char *vma = filled_order(_metadata, PAGES, 4), *data = map_new(1);
	struct iovec from = { data, page_size }, to = { page_at(vma, 2), page_size };
	int try;

	fill(data, 1, 77);
	ASSERT_EQ(0, madvise(vma, 16 * page_size, MADV_FREE));
	drain();
	ASSERT_ORDER(4, vma);
	ASSERT_EQ(page_size, process_vm_writev(getpid(), &from, 1, &to, 1, 0));
	ASSERT_EQ(0, madvise(page_at(vma, 8), 8 * page_size, MADV_FREE));
	for (try = 0; try < 3; try++) {
		drain();
		ASSERT_EQ(0, madvise(vma, 16 * page_size, MADV_PAGEOUT));
	}
	EXPECT_TRUE(holds(page_at(vma, 2), 1, 77));
}

/* Reclaim takes a free folio without a split, and without swap. */
TEST_F(laf, free_reclaimed)
{
	char *vma = filled_order(_metadata, PAGES, 4);
	long before = vmstat("pglazyfreed");

	ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_FREE));
	drain();
	ASSERT_ORDER(4, vma);
	HITS_BEGIN("try_to_unmap_one");
	HITS_BEGIN("destroy_large_folio");
	ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_PAGEOUT));
	EXPECT_HITS("try_to_unmap_one");
	EXPECT_HITS("destroy_large_folio");
	EXPECT_EQ(0, present(vma, PAGES));
	EXPECT_EQ(PAGES, vmstat("pglazyfreed") - before);
	EXPECT_TRUE(zeroed(vma, PAGES));
}

TEST_F(laf, cold_whole)
{
	int order;

	for (order = MIN_ORDER; order < 8; order++) {
		char *vma = filled_order(_metadata, PAGES, order);

		ASSERT_EQ(0, madvise(page_at(vma, FROM), (TO - FROM) * page_size, MADV_COLD));
		expect_whole(_metadata, vma, order);
		EXPECT_EQ(kb(PAGES - (TO - FROM)), smaps(vma, PAGES, "Referenced"));
		EXPECT_TRUE(holds(vma, PAGES, order));
		munmap(vma, PAGES * page_size);
	}
}

/* Nothing can be paged out where there is no swap: then nothing is split for it. */
TEST_F(laf, pageout_without_swap)
{
	int order;
	size_t i;

	ASSERT_TRUE(swap_off());
	for (order = MIN_ORDER; order < 8; order++) {
		char *vma = filled_order(_metadata, PAGES, order);

		ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_PAGEOUT));
		for (i = 0; i < PAGES; i += ORDER(order)) {
			EXPECT_ORDER(order, page_at(vma, i));
		}
		EXPECT_TRUE(holds(vma, PAGES, order));
		munmap(vma, PAGES * page_size);
	}
}

/* Another process asks, by its pidfd. */
TEST_F(laf, process_madvise)
{
	static const int advice[] = { MADV_COLD, MADV_PAGEOUT };
	char *vma = filled_order(_metadata, PAGES, 4);
	struct iovec range = { page_at(vma, FROM), (TO - FROM) * page_size };
	int pidfd, target = getpid();
	size_t i;
	pid_t pid;

	ASSERT_TRUE(swap_on(4096));
	pid = child();
	if (!pid) {
		/* it shares nothing */
		munmap(vma, PAGES * page_size);
		pidfd = syscall(__NR_pidfd_open, target, 0);
		for (i = 0; i < ARRAY_SIZE(advice); i++)
			if (syscall(__NR_process_madvise, pidfd, &range, 1UL, advice[i], 0U) !=
			    (long)range.iov_len)
				_exit(1);
		_exit(0);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_EQ(PAGES - (TO - FROM), present(vma, PAGES));
	EXPECT_EQ(kb(TO - FROM), smaps(vma, PAGES, "Swap"));
	EXPECT_TRUE(holds(vma, PAGES, 4));
}
