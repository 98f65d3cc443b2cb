// SPDX-License-Identifier: GPL-2.0
/*
 * After a fork, a write copies as long as anybody else has the old page, in a
 * table, a pipe or the hands of a device, and only so long.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/uio.h>

#include "lib/fixture.h"

#define PAGES 512

static char *filled(struct __test_metadata *_metadata, int order)
{
	char *vma = map_new(PAGES);

	enable_orders(ORDER(order));
	fill(vma, PAGES, 1);
	ASSERT_ORDER(order, vma);
	ASSERT_ORDER(order, page_at(vma, PAGES - 1));
	return vma;
}

/* A child that keeps pages [@from, @to) until SIGCONT, and then still knows them. */
static pid_t keeper(char *vma, size_t from, size_t to)
{
	pid_t pid = child();
	size_t i;

	if (!pid) {
		if (from)
			munmap(vma, from * page_size);
		if (to < PAGES)
			munmap(page_at(vma, to), (PAGES - to) * page_size);
		raise(SIGSTOP);
		for (i = from; i < to; i++)
			if (((uint64_t *)page_at(vma, i))[9] != (1UL << 32 | i << 12 | 9))
				_exit(1);
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);
	return pid;
}

static bool ends_well(pid_t pid)
{
	kill(pid, SIGCONT);
	return child_ok(pid);
}

/* The pages that a write moved to another place. */
static size_t copied(char *vma, size_t from, size_t to, uint32_t tag)
{
	uint64_t before[PAGES];
	size_t i, nr = 0;

	for (i = 0; i < PAGES; i++)
		before[i] = pfn_of(page_at(vma, i));
	fill(page_at(vma, from), to - from, tag);
	for (i = 0; i < PAGES; i++)
		nr += before[i] != pfn_of(page_at(vma, i));
	return nr;
}

TEST_F(laf, after_exit)
{
	int order;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		char *vma = filled(_metadata, order);

		EXPECT_TRUE(ends_well(keeper(vma, 0, PAGES)));
		EXPECT_EQ(0, copied(vma, 0, PAGES, 2));
		EXPECT_ORDER(order, vma);
		EXPECT_TRUE(holds(vma, PAGES, 2));
		munmap(vma, PAGES * page_size);
	}
}

/* One page of a folio that a child has keeps all of the folio from being reused. */
TEST_F(laf, while_shared)
{
	int order;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		size_t kept = 37, first = kept & ~(ORDER(order) - 1UL);
		char *vma = filled(_metadata, order);
		pid_t pid = keeper(vma, kept, kept + 1);

		EXPECT_EQ(ORDER(order), copied(vma, first, first + ORDER(order), 2));
		EXPECT_TRUE(ends_well(pid));
		EXPECT_TRUE(holds(page_at(vma, first), ORDER(order), 2));
		/* the others were reused, or are */
		fill(vma, PAGES, 3);
		EXPECT_TRUE(holds(vma, PAGES, 3));
		munmap(vma, PAGES * page_size);
	}
}

/* The child gives a page to a pipe and ends: what the parent writes must not show there. */
TEST_F(laf, in_a_pipe)
{
	char *vma = filled(_metadata, 4), *buf = map_new(1);
	int fd[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(fd));
	pid = child();
	if (!pid) {
		struct iovec iov = { page_at(vma, 5), page_size };

		_exit(vmsplice(fd[1], &iov, 1, 0) != page_size);
	}
	EXPECT_TRUE(child_ok(pid));
	fill(vma, 16, 2);
	ASSERT_EQ(page_size, read(fd[0], buf, page_size));
	EXPECT_EQ(1UL << 32 | 5UL << 12 | 9, ((uint64_t *)buf)[9]);
	EXPECT_TRUE(holds(vma, 16, 2));
}

/* A folio of which one page is left: it is made exclusive as a whole, or copied. */
TEST_F(laf, last_page)
{
	char *vma = filled(_metadata, 4);
	long hits;
	size_t i;

	for (i = 0; i < PAGES; i += 16) {
		madvise(page_at(vma, i), 5 * page_size, MADV_DONTNEED);
		madvise(page_at(vma, i + 6), 10 * page_size, MADV_DONTNEED);
	}
	EXPECT_TRUE(ends_well(keeper(vma, 0, 0)));
	ASSERT_TRUE(hits_begin("page_move_anon_rmap"));
	for (i = 5; i < PAGES; i += 16) {
		uint64_t pfn = pfn_of(page_at(vma, i));

		fill(page_at(vma, i), 1, 2);
		EXPECT_EQ(pfn, pfn_of(page_at(vma, i)));
		EXPECT_TRUE(holds(page_at(vma, i), 1, 2));
	}
	/* some pages of this process, and none of the folios */
	hits = hits_end("page_move_anon_rmap");
	TH_LOG("page_move_anon_rmap: %ld hits", hits);
	EXPECT_GT(PAGES / 16, hits);
}

/* Folios in two tables, in two VMAs, and without some of their pages. */
TEST_F(laf, in_pieces)
{
	char *vma = filled(_metadata, 4);
	char *to = page_at(reserve(2 * PAGES), 256 + 3);
	size_t i;

	ASSERT_EQ(to, mremap(vma, PAGES * page_size, PAGES * page_size,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	madvise(page_at(to, 40), page_size, MADV_DONTNEED);
	ASSERT_EQ(0, mprotect(page_at(to, 101), page_size, PROT_READ));
	EXPECT_TRUE(ends_well(keeper(to, 41, PAGES)));
	for (i = 0; i < PAGES; i++)
		if (i != 101 && i != 40)
			fill(page_at(to, i), 1, 100 + i);
	for (i = 0; i < PAGES; i++)
		if (i != 101 && i != 40)
			EXPECT_TRUE(holds(page_at(to, i), 1, 100 + i));
	EXPECT_EQ(1UL << 32 | 101UL << 12 | 9, ((uint64_t *)page_at(to, 101))[9]);
	/* and rmap finds all of them */
	ASSERT_TRUE(swap_on(4096));
	for (i = 0; i < 5; i++) {
		drain();
		ASSERT_EQ(0, madvise(to, PAGES * page_size, MADV_PAGEOUT));
	}
	EXPECT_EQ(0, present(to, PAGES));
	for (i = 0; i < PAGES; i++)
		if (i != 101 && i != 40)
			EXPECT_TRUE(holds(page_at(to, i), 1, 100 + i));
}
