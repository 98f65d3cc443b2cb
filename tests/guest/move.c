// SPDX-License-Identifier: GPL-2.0
/*
 * Folios whose pages are no longer where the fault put them: moved to addresses
 * that are not aligned, across two page tables, or divided between two VMAs.
 */
#include "lib/fixture.h"

#define PAGES 512

static char *filled(struct __test_metadata *_metadata, int order, size_t pages)
{
	char *vma = map_new(pages);

	enable_orders(ORDER(order));
	fill(vma, pages, order);
	ASSERT_ORDER(order, vma);
	ASSERT_ORDER(order, page_at(vma, pages - 1));
	return vma;
}

/* To @shift pages behind the middle of a page table: the end is in another. */
static char *moved(struct __test_metadata *_metadata, char *vma, size_t pages,
		   size_t shift)
{
	char *to = page_at(reserve(pages + 512), 256 + shift);

	ASSERT_EQ(to, mremap(vma, pages * page_size, pages * page_size,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	return to;
}

/* Still whole after the move, and contents survive all that splits them. */
TEST_F(laf, misaligned)
{
	int order;
	pid_t pid;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		char *vma = filled(_metadata, order, PAGES);

		vma = moved(_metadata, vma, PAGES, 1 + order);
		EXPECT_EQ(order, folio_order(vma));
		EXPECT_EQ(order, folio_order(page_at(vma, PAGES - 1)));
		EXPECT_TRUE(holds(vma, PAGES, order));
		pid = child();
		if (!pid) {
			fill(vma, PAGES, 50);
			_exit(!holds(vma, PAGES, 50));
		}
		EXPECT_TRUE(child_ok(pid));
		EXPECT_TRUE(holds(vma, PAGES, order));

		if (order == MIN_ORDER) {
			ASSERT_TRUE(swap_on(8192));
		}
		swap_out(_metadata, vma, PAGES);
		EXPECT_TRUE(holds(vma, PAGES, order));
		munmap(vma, PAGES * page_size);
	}
}

TEST_F(laf, free_moved)
{
	char *vma = filled(_metadata, 4, PAGES);

	vma = moved(_metadata, vma, PAGES, 3);
	drain();
	ASSERT_EQ(0, madvise(page_at(vma, 7), 300 * page_size, MADV_FREE));
	drain();
	EXPECT_EQ(300 * page_size >> 10, smaps(vma, PAGES, "LazyFree"));
	EXPECT_TRUE(holds(vma, 7, 4));
	fill(vma, PAGES, 5);
	EXPECT_TRUE(holds(vma, PAGES, 5));
}

/* Folios that lie in two page tables each, as far as one becomes a huge page. */
TEST_F(laf, collapse_moved)
{
	size_t pages = 1280;
	char *vma = filled(_metadata, 4, pages);

	/* pages 251 to 1275 are two whole page tables */
	vma = moved(_metadata, vma, pages, 5);
	size_mode(pmd_order, "always");
	ASSERT_EQ(0, madvise(page_at(vma, 251), 1024 * page_size, MADV_COLLAPSE));
	EXPECT_EQ(1024 * page_size >> 10, smaps(vma, pages, "AnonHugePages"));
	EXPECT_TRUE(holds(vma, pages, 4));
}

/* mprotect() cuts the VMA inside a folio; rmap has to find the pages of both. */
TEST_F(laf, divided)
{
	char *vma = filled(_metadata, 6, PAGES);
	pid_t pid;

	ASSERT_EQ(0, mprotect(page_at(vma, 101), 300 * page_size, PROT_READ));
	pid = child();
	if (!pid) {
		fill(vma, 101, 51);
		mprotect(page_at(vma, 101), 300 * page_size, PROT_READ | PROT_WRITE);
		munmap(page_at(vma, 200), 50 * page_size);
		raise(SIGSTOP);
		_exit(!holds(vma, 101, 51));
	}
	waitpid(pid, NULL, WUNTRACED);
	EXPECT_TRUE(holds(vma, PAGES, 6));
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));

	drain();
	ASSERT_TRUE(swap_on(8192));
	swap_out(_metadata, vma, PAGES);
	EXPECT_TRUE(holds(vma, PAGES, 6));
	ASSERT_EQ(0, mprotect(vma, PAGES * page_size, PROT_READ | PROT_WRITE));
	fill(vma, PAGES, 7);
	EXPECT_TRUE(holds(vma, PAGES, 7));
}
