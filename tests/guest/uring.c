// SPDX-License-Identifier: GPL-2.0
/* What io_uring's registered buffers are charged with. */
#include <linux/io_uring.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "lib/fixture.h"

#define PAGES 512

static int ring(void)
{
	struct io_uring_params params = {};

	return syscall(__NR_io_uring_setup, 4, &params);
}

static long buffers(int fd, const struct iovec *iov, unsigned int nr)
{
	return syscall(__NR_io_uring_register, fd, IORING_REGISTER_BUFFERS, iov, nr);
}

static long no_buffers(int fd)
{
	return syscall(__NR_io_uring_register, fd, IORING_UNREGISTER_BUFFERS, NULL, 0);
}

/* kB, as pinned by this process */
static long pinned(void)
{
	char text[4096], *line;

	if (read_file("/proc/self/status", text, sizeof(text)) <= 0)
		return -1;
	line = strstr(text, "VmPin:");
	return line ? strtol(line + 6, NULL, 10) : -1;
}

static void charged(struct __test_metadata *_metadata, const struct iovec *iov,
		    unsigned int nr, size_t pages)
{
	int fd = ring();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pinned());
	EXPECT_EQ(0, buffers(fd, iov, nr));
	EXPECT_EQ(pages * (page_size >> 10), pinned());
	EXPECT_EQ(0, no_buffers(fd));
	EXPECT_EQ(0, pinned());
	close(fd);
}

/* A page for a page, however large the folio. */
TEST_F(laf, charge)
{
	int order;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		char *vma = map_new(PAGES);
		struct iovec one = { page_at(vma, 3), 1 };
		struct iovec all = { vma, PAGES * page_size };
		struct iovec two[2] = {
			{ page_at(vma, 2), page_size }, { page_at(vma, 9), page_size },
		};

		enable_orders(ORDER(order));
		fill(vma, PAGES, order);
		ASSERT_ORDER(order, vma);
		charged(_metadata, &one, 1, 1);
		charged(_metadata, two, 2, 2);
		charged(_metadata, &all, 1, PAGES);
		EXPECT_TRUE(holds(vma, PAGES, order));
		munmap(vma, PAGES * page_size);
	}
}

/* A huge page is charged as a whole, and once. */
TEST_F(stock, charge_pmd_size)
{
	char *vma = map_new(PAGES);
	struct iovec two[2] = {
		{ page_at(vma, 2), page_size }, { page_at(vma, 9), page_size },
	};

	thp_mode("always");
	enable_orders(ORDER(pmd_order));
	fill(vma, PAGES, 1);
	if (folio_order(vma) != pmd_order)
		SKIP(return, "no huge page");
	charged(_metadata, two, 2, PAGES);
}

/*
 * fork() may not share what is pinned: the device would go on with pages that a
 * write then leaves to the child. It knows that of the folio as a whole only.
 */
TEST_F(laf, forked)
{
	char *vma = filled_order(_metadata, PAGES, 4);
	struct iovec one = { page_at(vma, 37), page_size };
	uint64_t pfns[PAGES];
	size_t i, copied = 0;
	int fd = ring();
	pid_t pid;

	ASSERT_LE(0, fd);
	HITS_BEGIN("pin_user_pages");
	ASSERT_EQ(0, buffers(fd, &one, 1));
	EXPECT_HITS("pin_user_pages");
	for (i = 0; i < PAGES; i++)
		pfns[i] = pfn_of(page_at(vma, i));
	pid = child();
	if (!pid) {
		for (i = 0; i < PAGES; i++)
			copied += pfn_of(page_at(vma, i)) != pfns[i];
		TH_LOG("%zu pages copied", copied);
		EXPECT_EQ(16, copied);
		EXPECT_TRUE(holds(vma, PAGES, 4));
		raise(SIGSTOP);
		EXPECT_TRUE(holds(vma, PAGES, 4));
		_exit(!_metadata->passed);
	}
	waitpid(pid, NULL, WUNTRACED);
	fill(page_at(vma, 32), 16, 5);
	EXPECT_EQ(pfns[37], pfn_of(page_at(vma, 37)));
	EXPECT_ORDER(4, page_at(vma, 32));
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
	EXPECT_EQ(0, no_buffers(fd));
	close(fd);
	EXPECT_TRUE(holds(page_at(vma, 32), 16, 5));
}

/* A device may write to what is pinned: it stays soft-dirty, and its folio with it. */
TEST_F(laf, soft_dirty)
{
	char *vma = filled_order(_metadata, PAGES, 4);
	struct iovec one = { page_at(vma, 37), page_size };
	size_t i, wrong = 0;
	int fd = ring();

	if (!soft_dirty(vma))
		SKIP(return, "no soft-dirty bits here");
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, buffers(fd, &one, 1));
	HITS_BEGIN("clear_refs_pte_range");
	ASSERT_EQ(0, write_file("/proc/self/clear_refs", "4"));
	EXPECT_HITS("clear_refs_pte_range");
	for (i = 0; i < PAGES; i++)
		wrong += soft_dirty(page_at(vma, i)) != (i / 16 == 37 / 16);
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, no_buffers(fd));
	close(fd);
}
