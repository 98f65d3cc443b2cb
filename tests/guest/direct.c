// SPDX-License-Identifier: GPL-2.0
/*
 * What devices and other tasks do with single pages of a large folio: direct I/O
 * reads and writes them in place, a futex is found by one.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "lib/fixture.h"

#define PAGES	512
#define DISK	"/dev/zram0"

static int disk(struct __test_metadata *_metadata)
{
	char size[32];
	int fd;

	snprintf(size, sizeof(size), "%zu", PAGES * page_size);
	setting("/sys/block/zram0/reset", "1");
	setting("/sys/block/zram0/disksize", size);
	fd = open(DISK, O_RDWR | O_DIRECT | O_CLOEXEC);
	ASSERT_LE(0, fd);
	return fd;
}

/* All of the memory, written to the disk or read from it. */
static bool in_pieces(bool out, int fd, char *memory, size_t piece)
{
	size_t at, size = PAGES * page_size;

	for (at = 0; at < size; at += piece) {
		size_t nr = size - at < piece ? size - at : piece;
		ssize_t done = out ? pwrite(fd, memory + at, nr, at) :
				     pread(fd, memory + at, nr, at);

		if (done != (ssize_t)nr)
			return false;
	}
	return true;
}

/*
 * Out of one set of folios and into another, in pieces that begin and end inside
 * of folios. A device that has written to memory marks what it wrote as dirty: it
 * is still there after MADV_FREE and reclaim.
 */
TEST_F(laf, disk)
{
	int order;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		char *from = filled_order(_metadata, PAGES, order);
		char *to = filled_order(_metadata, PAGES, order);
		int fd = disk(_metadata);

		memset(to, 0, PAGES * page_size);
		HITS_BEGIN("bio_iov_iter_get_pages");
		ASSERT_TRUE(in_pieces(true, fd, from, 3 * page_size));
		EXPECT_HITS("bio_iov_iter_get_pages");
		ASSERT_EQ(0, madvise(to, PAGES * page_size, MADV_FREE));
		ASSERT_TRUE(in_pieces(false, fd, to, 5 * page_size));
		EXPECT_ORDER(order, page_at(to, PAGES - ORDER(order)));
		madvise(to, PAGES * page_size, MADV_PAGEOUT);
		EXPECT_TRUE(holds(to, PAGES, order));
		EXPECT_TRUE(holds(from, PAGES, order));
		close(fd);
		setting("/sys/block/zram0/reset", "1");
		munmap(from, PAGES * page_size);
		munmap(to, PAGES * page_size);
	}
}

static void *wait_there(void *word)
{
	while (!syscall(__NR_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0))
		if (__atomic_load_n((int *)word, __ATOMIC_RELAXED))
			break;
	return NULL;
}

/* Who waits on one page is not woken on another one of the folio. */
TEST_F(laf, futex)
{
	char *vma = filled_order(_metadata, PAGES, 4);
	int *word = (int *)page_at(vma, 37), *other = (int *)page_at(vma, 38);
	double end = seconds() + 30;
	pthread_t thread;
	long woken = 0;

	*word = 0;
	*other = 0;
	HITS_BEGIN("get_futex_key");
	ASSERT_EQ(0, pthread_create(&thread, NULL, wait_there, word));
	usleep(100000);
	EXPECT_EQ(0, syscall(__NR_futex, other, FUTEX_WAKE, 1, NULL, NULL, 0));
	__atomic_store_n(word, 1, __ATOMIC_RELAXED);
	while (!woken && seconds() < end) {
		woken = syscall(__NR_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
		/* it may not have slept yet, or be gone */
		if (!woken && !pthread_tryjoin_np(thread, NULL))
			break;
	}
	EXPECT_HITS("get_futex_key");
	if (!woken)
		return;
	EXPECT_EQ(1, woken);
	pthread_join(thread, NULL);
}
