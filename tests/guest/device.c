// SPDX-License-Identifier: GPL-2.0
/*
 * Large folios that a device wants: in its own memory, or for itself. The device
 * is lib/test_hmm.c; its interface is not among the kernel's headers.
 */
#include <fcntl.h>
#include <linux/types.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/fixture.h"

struct hmm_dmirror_cmd {
	__u64 addr;
	__u64 ptr;
	__u64 npages;
	__u64 cpages;
	__u64 faults;
};

#define HMM_DMIRROR_MIGRATE_TO_DEV	_IOWR('H', 0x02, struct hmm_dmirror_cmd)
#define HMM_DMIRROR_SNAPSHOT		_IOWR('H', 0x04, struct hmm_dmirror_cmd)
#define HMM_DMIRROR_EXCLUSIVE		_IOWR('H', 0x05, struct hmm_dmirror_cmd)
#define HMM_DMIRROR_CHECK_EXCLUSIVE	_IOWR('H', 0x06, struct hmm_dmirror_cmd)
#define PROT_DEV_PRIVATE_LOCAL		0x20	/* in a snapshot */

#define PAGES 256

/* The first device; there is no node for it in /dev. */
static int device(struct __test_metadata *_metadata)
{
	char line[64];
	int major = -1, fd;
	FILE *f = fopen("/proc/devices", "re");

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "HMM_DMIRROR"))
			major = atoi(line);
	if (f)
		fclose(f);
	ASSERT_LT(0, major) {
		TH_LOG("this test wants CONFIG_TEST_HMM");
	}
	mknod("/tmp/hmm_dmirror0", S_IFCHR | 0600, makedev(major, 0));
	fd = open("/tmp/hmm_dmirror0", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	return fd;
}

static int command(int fd, unsigned long nr, char *vma, size_t pages, void *buf)
{
	struct hmm_dmirror_cmd cmd = {
		.addr = (uintptr_t)vma, .ptr = (uintptr_t)buf, .npages = pages,
	};

	if (ioctl(fd, nr, &cmd))
		return -1;
	return cmd.cpages;
}

static size_t on_device(int fd, char *vma, size_t pages)
{
	unsigned char prot[PAGES];
	size_t i, nr = 0;

	if (command(fd, HMM_DMIRROR_SNAPSHOT, vma, pages, prot) < 0)
		return 0;
	for (i = 0; i < pages; i++)
		nr += (prot[i] & 0xf0) == PROT_DEV_PRIVATE_LOCAL;
	return nr;
}

/* All pages get there, with what is in them, and come back when touched. */
TEST_F(laf, to_device)
{
	char *buf = malloc(PAGES * page_size);
	int order, fd;

	for (order = MIN_ORDER; order <= 5; order++) {
		char *vma = filled_order(_metadata, PAGES, order);

		fd = device(_metadata);
		command(fd, HMM_DMIRROR_MIGRATE_TO_DEV, vma, PAGES, buf);
		EXPECT_EQ(PAGES, on_device(fd, vma, PAGES));
		EXPECT_TRUE(holds(buf, PAGES, order));
		EXPECT_TRUE(holds(vma, PAGES, order));
		EXPECT_EQ(0, on_device(fd, vma, PAGES));
		close(fd);
		munmap(vma, PAGES * page_size);
	}
	free(buf);
}

/* A part; holes and small pages between. */
TEST_F(laf, part_to_device)
{
	char *buf = malloc(PAGES * page_size);
	char *vma = filled_order(_metadata, PAGES, 4);
	int fd = device(_metadata);

	madvise(page_at(vma, 20), page_size, MADV_DONTNEED);
	enable_orders(0);
	madvise(page_at(vma, 40), page_size, MADV_DONTNEED);
	touch(page_at(vma, 40));
	fill(page_at(vma, 5), 50, 77);
	madvise(page_at(vma, 20), page_size, MADV_DONTNEED);
	madvise(page_at(vma, 22), page_size, MADV_DONTNEED);
	/* the zero page is one that the device has to make */
	EXPECT_TRUE(zeroed(page_at(vma, 22), 1));
	command(fd, HMM_DMIRROR_MIGRATE_TO_DEV, page_at(vma, 5), 50, buf);
	EXPECT_EQ(50, on_device(fd, page_at(vma, 5), 50));
	EXPECT_TRUE(zeroed(page_at(vma, 20), 1));
	EXPECT_TRUE(zeroed(page_at(vma, 22), 1));
	EXPECT_TRUE(holds(page_at(vma, 5), 15, 77));
	EXPECT_TRUE(holds(vma, 5, 4));
	close(fd);
	free(buf);
}

/* A folio that somebody has a reference to stays, alone. */
TEST_F(laf, held)
{
	char *buf = malloc(PAGES * page_size);
	char *vma = filled_order(_metadata, PAGES, 4);
	int fd = device(_metadata), pipe = hold(page_at(vma, 35));

	ASSERT_LE(0, pipe);
	command(fd, HMM_DMIRROR_MIGRATE_TO_DEV, vma, PAGES, buf);
	EXPECT_EQ(PAGES - 16, on_device(fd, vma, PAGES));
	EXPECT_EQ(4, folio_order(page_at(vma, 35)));
	EXPECT_TRUE(holds(vma, PAGES, 4));
	close(pipe);
	close(fd);
	free(buf);
}

/* Every page, also behind the first of a folio, until the CPU takes it back. */
TEST_F(laf, exclusive)
{
	char *buf = malloc(PAGES * page_size);
	int order, fd;

	for (order = MIN_ORDER; order <= 5; order++) {
		char *vma = filled_order(_metadata, PAGES, order);

		fd = device(_metadata);
		EXPECT_EQ(PAGES, command(fd, HMM_DMIRROR_EXCLUSIVE, vma, PAGES, buf));
		EXPECT_TRUE(holds(buf, PAGES, order));
		EXPECT_TRUE(holds(vma, PAGES, order));
		fill(vma, PAGES, 50 + order);
		EXPECT_EQ(0, command(fd, HMM_DMIRROR_CHECK_EXCLUSIVE, vma, PAGES, buf));
		close(fd);
		munmap(vma, PAGES * page_size);
	}
	free(buf);
}

/*
 * Not a page of a folio that somebody has a reference to: all of the others would go
 * with it, and who then looks for accesses to them finds no PTEs.
 */
TEST_F(laf, exclusive_held)
{
	char *buf = malloc(PAGES * page_size);
	char *vma = filled_order(_metadata, PAGES, 4);
	int fd = device(_metadata), pipe = hold(page_at(vma, 35));
	char *folio = page_at(vma, 32);

	ASSERT_LE(0, pipe);
	EXPECT_EQ(-1, command(fd, HMM_DMIRROR_EXCLUSIVE, folio, 1, buf));
	EXPECT_EQ(-1, command(fd, HMM_DMIRROR_EXCLUSIVE, page_at(folio, 9), 1, buf));
	touch(page_at(folio, 1));
	EXPECT_TRUE(set_idle(pfn_of(page_at(folio, 1)) & -16));
	EXPECT_TRUE(holds(vma, PAGES, 4));
	EXPECT_EQ(4, folio_order(page_at(folio, 1)));
	close(pipe);
	close(fd);
	free(buf);
}

/* What hugetlb has is not split, wherever the device wants a page of it. */
TEST_F(laf, exclusive_hugetlb)
{
	size_t size = 512 * page_size;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT;
	char *buf = malloc(size), *vma = filled_order(_metadata, PAGES, 4), *huge;
	int fd = device(_metadata);

	if (setting("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "1"))
		SKIP(return, "this test wants huge pages of 2 MB");
	huge = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
	ASSERT_NE(MAP_FAILED, huge);
	fill(huge, 512, 9);
	EXPECT_EQ(-1, command(fd, HMM_DMIRROR_EXCLUSIVE, page_at(huge, 37), 1, buf));
	EXPECT_TRUE(holds(huge, 512, 9));
	EXPECT_EQ(-1, command(fd, HMM_DMIRROR_EXCLUSIVE, huge, 64, buf));
	EXPECT_TRUE(holds(huge, 512, 9));
	EXPECT_EQ(PAGES, command(fd, HMM_DMIRROR_EXCLUSIVE, vma, PAGES, buf));
	EXPECT_TRUE(holds(vma, PAGES, 4));
	munmap(huge, size);
	close(fd);
	free(buf);
}

/* One page in the middle of a folio, as an atomic access asks for. */
TEST_F(laf, exclusive_page)
{
	char *buf = malloc(PAGES * page_size);
	char *vma = filled_order(_metadata, PAGES, 4);
	int fd = device(_metadata);

	EXPECT_EQ(1, command(fd, HMM_DMIRROR_EXCLUSIVE, page_at(vma, 37), 1, buf));
	EXPECT_TRUE(holds(vma, PAGES, 4));
	EXPECT_EQ(0, command(fd, HMM_DMIRROR_CHECK_EXCLUSIVE, page_at(vma, 37), 1, buf));
	close(fd);
	free(buf);
}
