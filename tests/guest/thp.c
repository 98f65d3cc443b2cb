// SPDX-License-Identifier: GPL-2.0
/* Huge pages of PMD size: as they were, whatever the smaller sizes do. */
#include <fcntl.h>
#include <linux/falloc.h>

#include "lib/fixture.h"

static long kb(size_t pages)
{
	return pages * page_size >> 10;
}

/* The policy of the boot, top level always. */
TEST_F(stock, fault)
{
	char *vma = map_new(2 * PMD);
	long alloc, thps;

	drain();
	alloc = vmstat("thp_fault_alloc");
	thps = vmstat("nr_anon_transparent_hugepages");
	fill(page_at(vma, 700), 1, 1);
	EXPECT_EQ(kb(PMD), smaps(vma, 2 * PMD, "AnonHugePages"));
	EXPECT_EQ(pmd_order, mapped_order(page_at(vma, PMD)));
	EXPECT_EQ(PMD, present(vma, 2 * PMD));
	drain();
	EXPECT_EQ(alloc + 1, vmstat("thp_fault_alloc"));
	EXPECT_EQ(thps + 1, vmstat("nr_anon_transparent_hugepages"));
	EXPECT_TRUE(holds(page_at(vma, 700), 1, 1));
}

/* khugepaged may come by at any time: it fills no holes. */
static void keep_holes(void)
{
	setting(THP "khugepaged/max_ptes_none", "0");
}

TEST_F(stock, advised_only)
{
	char *vma = map_new(2 * PMD);

	keep_holes();
	thp_mode("madvise");
	touch(vma);
	EXPECT_EQ(0, smaps(vma, 2 * PMD, "AnonHugePages"));
	ASSERT_EQ(0, madvise(vma, 2 * PMD * page_size, MADV_HUGEPAGE));
	touch(page_at(vma, PMD));
	EXPECT_EQ(kb(PMD), smaps(vma, 2 * PMD, "AnonHugePages"));
}

TEST_F(stock, never)
{
	char *vma = map_new(PMD);

	thp_mode("never");
	ASSERT_EQ(0, madvise(vma, PMD * page_size, MADV_HUGEPAGE));
	touch(vma);
	EXPECT_EQ(0, folio_order(vma));
	EXPECT_EQ(1, present(vma, PMD));
}

/* A read maps the huge zero page, a write of it brings in memory. */
TEST_F(stock, zero_page)
{
	char *vma = map_new(PMD);

	EXPECT_EQ(0, *(volatile char *)page_at(vma, 5));
	EXPECT_EQ(PMD, present(vma, PMD));
	EXPECT_EQ(0, smaps(vma, PMD, "Anonymous"));
	fill(page_at(vma, 5), 1, 3);
	EXPECT_TRUE(holds(page_at(vma, 5), 1, 3));
	EXPECT_TRUE(zeroed(page_at(vma, 6), 1));
}

TEST_F(stock, split)
{
	char *vma = map_new(PMD);

	fill(vma, PMD, 4);
	EXPECT_EQ(kb(PMD), smaps(vma, PMD, "AnonHugePages"));
	/* khugepaged would make it huge again */
	thp_mode("never");
	ASSERT_EQ(0, madvise(page_at(vma, 100), 50 * page_size, MADV_FREE));
	EXPECT_EQ(0, smaps(vma, PMD, "AnonHugePages"));
	EXPECT_TRUE(holds(vma, 100, 4));
	fill(vma, PMD, 5);
	EXPECT_TRUE(holds(vma, PMD, 5));
}

/* What cannot have PMD size gets the next smaller one. */
TEST_F(laf, smaller_beside)
{
	char *vma = map_new(2 * PMD);

	enable_orders(ORDER(pmd_order) | DEFAULT_ORDERS);
	touch(vma);
	EXPECT_ORDER(pmd_order, vma);
	munmap(page_at(vma, PMD + 256), 256 * page_size);
	touch(page_at(vma, PMD));
	EXPECT_ORDER(4, page_at(vma, PMD));
	EXPECT_EQ(PMD + 16, present(vma, PMD + 256));
}

/* Small and large folios, holes and a shared page collapse into a huge page. */
TEST_F(laf, collapse)
{
	char *vma = map_new(PMD);
	size_t i;

	enable_orders(DEFAULT_ORDERS);
	for (i = 0; i < PMD; i++)
		if (i % 64 < 40)
			fill(page_at(vma, i), 1, i);
	ASSERT_ORDER(4, vma);
	madvise(page_at(vma, 130), 3 * page_size, MADV_DONTNEED);
	size_mode(pmd_order, "always");
	ASSERT_EQ(0, madvise(vma, PMD * page_size, MADV_COLLAPSE));
	EXPECT_EQ(kb(PMD), smaps(vma, PMD, "AnonHugePages"));
	for (i = 0; i < PMD; i++) {
		bool kept = i % 64 < 40 && (i < 130 || i > 132);

		EXPECT_TRUE(kept ? holds(page_at(vma, i), 1, i) :
				   zeroed(page_at(vma, i), 1));
	}
}

/* khugepaged goes by the file of the PMD size, too, whatever the top level says. */
TEST_F(laf, khugepaged)
{
	char *vma = map_new(PMD);
	double end;

	thp_mode("never");
	enable_orders(ORDER(4));
	fill(vma, PMD, 4);
	ASSERT_ORDER(4, vma);
	drain();
	size_mode(pmd_order, "always");
	setting(THP "khugepaged/pages_to_scan", "4096");
	setting(THP "khugepaged/scan_sleep_millisecs", "5");
	/* that is what makes it known */
	ASSERT_EQ(0, madvise(vma, PMD * page_size, MADV_HUGEPAGE));
	end = seconds() + 60;
	while (!smaps(vma, PMD, "AnonHugePages") && seconds() < end)
		usleep(10000);
	EXPECT_EQ(kb(PMD), smaps(vma, PMD, "AnonHugePages"));
	EXPECT_TRUE(holds(vma, PMD, 4));
}

struct split_events {
	long done, failed, queued;
};

static struct split_events split_events(void)
{
	return (struct split_events) {
		.done = vmstat("thp_split_page"),
		.failed = vmstat("thp_split_page_failed"),
		.queued = vmstat("thp_deferred_split_page"),
	};
}

/* A split that fails, a folio that waits for one, and one that is done, of each order. */
TEST_F(laf, split_events)
{
	int order;

	keep_holes();
	thp_mode("never"); /* without sizes of their own there are none then */
	for (order = MIN_ORDER; order <= pmd_order; order++) {
		char *vma = filled_order(_metadata, PMD, order);
		struct split_events was = split_events(), now;
		long wanted = order == pmd_order;
		int fd = hold(vma);

		ASSERT_LE(0, fd);
		madvise(vma, 2 * page_size, MADV_COLD);
		EXPECT_EQ(order, folio_order(vma));
		close(fd);
		madvise(page_at(vma, 3), page_size, MADV_DONTNEED);
		EXPECT_EQ(order, folio_order(vma));
		madvise(vma, 2 * page_size, MADV_COLD);
		EXPECT_EQ(0, folio_order(vma));
		now = split_events();
		EXPECT_EQ(wanted, now.failed - was.failed);
		EXPECT_EQ(wanted, now.queued - was.queued);
		EXPECT_EQ(wanted, now.done - was.done);
		munmap(vma, PMD * page_size);
	}
}

/*
 * A file's huge page is cut out of the pmd under the locks of the file only: mremap()
 * may find nothing where it has just seen a huge page. There is nothing else within 1G
 * of both places, so that each move allocates tables in between. A stock kernel does
 * not survive it, and is not asked to.
 */
TEST_F(laf, moved_while_cut)
{
	size_t size = PMD * page_size, far = 1UL << 30;
	char *space, *page, *other, *old;
	unsigned long rounds = 0;
	double end, touched = 0;
	int fd;
	pid_t pid;

	munmap(filled_order(_metadata, PMD, 4), size);
	ASSERT_EQ(0, setting(THP "shmem_enabled", "always"));
	fd = memfd_create("thp", MFD_CLOEXEC);
	ASSERT_EQ(0, ftruncate(fd, size));
	ASSERT_EQ(0, fallocate(fd, 0, 0, size));
	space = mmap(NULL, 4 * far, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, space);
	munmap(space, 4 * far);
	page = (char *)(((uintptr_t)space + far - 1) & -far);
	other = page + far;
	ASSERT_EQ(page, mmap(page, size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0));
	EXPECT_EQ(0, *page);
	EXPECT_EQ(kb(PMD), smaps(page, PMD, "ShmemPmdMapped"));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		munmap(page, size);
		while (!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size) &&
		       !fallocate(fd, 0, 0, size))
			;
		_exit(1);
	}
	/* a fault waits for the one who cuts: most moves are without, so that they meet */
	for (end = seconds() + 8; seconds() < end; rounds++) {
		if (seconds() >= touched + 0.1) {
			EXPECT_EQ(0, *(volatile char *)page);
			touched = seconds();
		}
		if (mremap(page, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, other) != other)
			break;
		old = page;
		page = other;
		other = old;
	}
	TH_LOG("%lu rounds", rounds);
	EXPECT_LE(end, seconds());
	EXPECT_EQ(0, kill(pid, SIGKILL));
	EXPECT_FALSE(child_ok(pid));
	EXPECT_TRUE(zeroed(page, PMD));
	munmap(page, size);
	close(fd);
}
