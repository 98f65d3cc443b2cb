// SPDX-License-Identifier: GPL-2.0
/*
 * A guest with MTE=1: order 0 everywhere, since splits and entries of large
 * folios lose and wipe tags in 6.1; and small pages keep theirs.
 */
#include "lib/fixture.h"

#define PAGES 64

TEST_F(stock, order_0)
{
	char *vma = map_new(PAGES);
	size_t i;

	ASSERT_TRUE(mte_on()) {
		TH_LOG("this test wants a guest with MTE=1");
	}
	enable_orders(large_orders());
	for (i = 0; i < PAGES; i += 4) {
		touch(page_at(vma, i));
		EXPECT_ORDER(0, page_at(vma, i));
		EXPECT_EQ(i / 4 + 1, present(vma, PAGES));
	}
	madvise(vma, PAGES * page_size, MADV_DONTNEED);
	madvise(vma, PAGES * page_size, MADV_HUGEPAGE);
	touch(vma);
	EXPECT_ORDER(0, vma);
}

#ifdef __aarch64__
#define PROT_MTE 0x20

/* A tag of page @i's own; the first granule gets it. */
static char *tagged(char *page, size_t i)
{
	return (char *)((uintptr_t)page | (uintptr_t)(1 + i % 15) << 56);
}

static void store_tag(char *p)
{
	asm volatile(".arch armv8.5-a+memtag\n\tstg %0, [%0]" : : "r" (p) : "memory");
}

static char *load_tag(char *p)
{
	asm volatile(".arch armv8.5-a+memtag\n\tldg %0, [%0]" : "+r" (p) : : "memory");
	return p;
}

TEST_F(stock, tags)
{
	char *vma = map_new(PAGES);
	size_t i;
	pid_t pid;

	ASSERT_TRUE(mte_on());
	enable_orders(large_orders());
	ASSERT_EQ(0, mprotect(vma, PAGES * page_size, PROT_READ | PROT_WRITE | PROT_MTE));
	for (i = 0; i < PAGES; i++)
		store_tag(tagged(page_at(vma, i), i));
	pid = child();
	if (!pid) {
		touch(vma);
		for (i = 0; i < PAGES; i++) {
			EXPECT_EQ(tagged(page_at(vma, i), i), load_tag(page_at(vma, i)));
		}
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	madvise(page_at(vma, 5), 20 * page_size, MADV_FREE);
	for (i = 0; i < PAGES; i++) {
		EXPECT_EQ(tagged(page_at(vma, i), i), load_tag(page_at(vma, i)));
	}
}
#endif
