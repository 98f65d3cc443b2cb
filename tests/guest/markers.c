// SPDX-License-Identifier: GPL-2.0
/*
 * What userfaultfd has in the page tables of a file in memory: pages that it puts
 * there, and the markers of those that are write-protected but not mapped. As in
 * counts.c it is enough to get there, and the mappings lie in two tables.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "lib/fixture.h"

#define PAGES	64
#define TAG	1000

#define MARKERS	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM | \
		 UFFD_FEATURE_SIGBUS)
#define NO_MARKERS "this test wants CONFIG_PTE_MARKER_UFFD_WP"

/* Room in two tables, one half of @pages in each. */
static char *across(size_t pages)
{
	return page_at(reserve(2 * PMD), PMD - pages / 2);
}

/* All of the file is there, and nothing of it is mapped at @at. */
static int map_file(struct __test_metadata *_metadata, char *at, size_t pages, int flags)
{
	int fd = memfd_create("markers", MFD_CLOEXEC), prot = PROT_READ | PROT_WRITE;
	size_t len = pages * page_size;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, len));
	ASSERT_EQ(at, mmap(at, len, prot, MAP_SHARED | MAP_FIXED, fd, 0));
	fill_pages(at, 0, pages, TAG);
	ASSERT_EQ(at, mmap(at, len, prot, flags | MAP_FIXED, fd, 0));
	return fd;
}

/* mremap() and fork() wait until somebody has read of them. */
static void *read_events(void *fd)
{
	struct pollfd pollfd = { .fd = (intptr_t)fd, .events = POLLIN };
	struct uffd_msg msg;

	while (poll(&pollfd, 1, -1) == 1)
		read(pollfd.fd, &msg, sizeof(msg));
	return NULL;
}

/* All of @vma; -1 where the kernel cannot do that to a file. */
static int protected(struct __test_metadata *_metadata, char *vma, size_t pages,
		     uint64_t event)
{
	int fd = uffd_open(MARKERS | event);
	pthread_t thread;

	if (fd < 0)
		return fd;
	ASSERT_EQ(0, uffd_register(fd, vma, pages, UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, write_protect(fd, vma, pages, true));
	if (event)
		ASSERT_EQ(0, pthread_create(&thread, NULL, read_events, (void *)(intptr_t)fd));
	return fd;
}

/*
 * How many let the kernel write the byte that is there anyway. Where userfaultfd
 * would wait there is an error (SIGBUS for others), and the page is mapped then.
 */
static size_t writable(char *vma, size_t from, size_t to)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	size_t nr = 0;

	for (; from < to; from++)
		nr += read(zero, page_at(vma, from), 1) == 1;
	close(zero);
	return nr;
}

/* A fault through a marker maps one page; what drops them are faults, too. */
TEST_F(stock, faults)
{
	char *vma = across(PAGES);
	int fd;

	map_file(_metadata, vma, PAGES, MAP_SHARED);
	fd = protected(_metadata, vma, PAGES, 0);
	if (fd < 0)
		SKIP(return, NO_MARKERS);
	EXPECT_TRUE(pages_hold(vma, 24, 40, TAG));
	EXPECT_EQ(16, present(vma, PAGES));
	EXPECT_EQ(0, writable(vma, 20, 44));
	EXPECT_EQ(24, present(vma, PAGES));
	ASSERT_EQ(0, write_protect(fd, page_at(vma, 10), 40, false));
	EXPECT_EQ(40, writable(vma, 10, 50));
	EXPECT_EQ(0, writable(vma, 0, 4));
	/* in a VMA that is not watched for writes any more */
	ASSERT_EQ(0, uffd_register(fd, vma, PAGES, UFFDIO_REGISTER_MODE_MISSING));
	EXPECT_EQ(14, writable(vma, 50, PAGES));
	EXPECT_TRUE(pages_hold(vma, 8, PAGES, TAG));
}

/* Where a protected page has been they come by themselves, and then they stay. */
TEST_F(stock, stay)
{
	char *vma = across(PAGES);
	int file = map_file(_metadata, vma, PAGES, MAP_SHARED);
	int fd = protected(_metadata, vma, PAGES, 0);

	if (fd < 0)
		SKIP(return, NO_MARKERS);
	ASSERT_TRUE(swap_on(4096));
	EXPECT_TRUE(pages_hold(vma, 0, 40, TAG));
	ASSERT_TRUE(page_out(vma, PAGES));
	EXPECT_EQ(0, writable(vma, 0, 8));
	ASSERT_EQ(0, madvise(vma, 16 * page_size, MADV_DONTNEED));
	EXPECT_EQ(0, present(vma, PAGES));
	EXPECT_TRUE(pages_hold(vma, 8, 16, TAG));
	ASSERT_EQ(0, punch(file, 12, 8));
	EXPECT_EQ(0, writable(vma, 0, 24));
	EXPECT_TRUE(zeroed(page_at(vma, 12), 8));
	EXPECT_TRUE(pages_hold(vma, 28, 48, TAG));
	ASSERT_EQ(0, ftruncate(file, 32 * page_size));
	ASSERT_EQ(0, ftruncate(file, PAGES * page_size));
	EXPECT_EQ(0, writable(vma, 28, 56));
	EXPECT_TRUE(zeroed(page_at(vma, 32), PAGES - 32));
	ASSERT_EQ(0, uffd_unregister(fd, vma, PAGES));
	EXPECT_EQ(PAGES, writable(vma, 0, PAGES));
}

/* They move with the pages if userfaultfd does. */
TEST_F(stock, moved)
{
	static const uint64_t events[] = { 0, UFFD_FEATURE_EVENT_REMAP };
	size_t i, len = PAGES * page_size;

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		char *vma = across(PAGES), *to = across(PAGES - 25);

		map_file(_metadata, vma, PAGES, MAP_SHARED);
		if (protected(_metadata, vma, PAGES, events[i]) < 0)
			SKIP(return, NO_MARKERS);
		EXPECT_TRUE(pages_hold(vma, 8, 16, TAG));
		ASSERT_EQ(to, mremap(vma, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to));
		EXPECT_EQ(events[i] ? 0 : PAGES, writable(to, 0, PAGES));
		EXPECT_TRUE(pages_hold(to, 0, PAGES, TAG));
	}
}

/* A child has them if it has userfaultfd; for a private copy fork() looks anyway. */
TEST_F(stock, forked)
{
	static const struct {
		int flags;
		uint64_t event;
	} kinds[] = {
		{ MAP_SHARED, UFFD_FEATURE_EVENT_FORK },
		{ MAP_PRIVATE, UFFD_FEATURE_EVENT_FORK },
		{ MAP_PRIVATE, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		char *vma = across(PAGES);
		pid_t pid;

		map_file(_metadata, vma, PAGES, kinds[i].flags);
		fill(page_at(vma, 5), 1, 1);
		if (protected(_metadata, vma, PAGES, kinds[i].event) < 0)
			SKIP(return, NO_MARKERS);
		pid = child();
		if (!pid) {
			EXPECT_EQ(kinds[i].event ? 0 : PAGES, writable(vma, 0, PAGES));
			EXPECT_TRUE(holds(page_at(vma, 5), 1, 1));
			EXPECT_TRUE(pages_hold(vma, 6, PAGES, TAG));
			_exit(!_metadata->passed);
		}
		EXPECT_TRUE(child_ok(pid));
		EXPECT_EQ(0, writable(vma, 0, PAGES));
	}
}

/* A whole table of them, where a huge page was. */
TEST_F(stock, huge)
{
	char *vma = reserve(PMD);

	if (!huge_here())
		SKIP(return, NO_HUGE);
	map_file(_metadata, vma, PMD, MAP_SHARED);
	EXPECT_TRUE(collapse(vma));
	EXPECT_EQ(PMD * page_size >> 10, smaps(vma, PMD, "ShmemPmdMapped"));
	if (protected(_metadata, vma, PMD, 0) < 0)
		SKIP(return, NO_MARKERS);
	EXPECT_EQ(0, present(vma, PMD));
	EXPECT_EQ(0, writable(vma, 100, 110));
	EXPECT_TRUE(pages_hold(vma, 0, PMD, TAG));
}

/* What userfaultfd puts into nothing, and in place of markers where it has them. */
TEST_F(stock, fills)
{
	int fd = uffd_open(MARKERS | UFFD_FEATURE_MINOR_SHMEM), file;
	char *vma = across(96), *data = map_new(32);
	uint64_t mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR;
	struct uffdio_copy copy = {
		.dst = (uintptr_t)vma, .src = (uintptr_t)data, .len = 32 * page_size,
	};
	struct uffdio_zeropage zero = { .range = uffd_range(page_at(vma, 32), 32) };
	struct uffdio_continue more = { .range = uffd_range(page_at(vma, 64), 32) };
	bool wp = fd >= 0;
	size_t i;

	if (wp)
		mode |= UFFDIO_REGISTER_MODE_WP;
	else
		fd = uffd_open(UFFD_FEATURE_MINOR_SHMEM);
	ASSERT_LE(0, fd);
	file = map_file(_metadata, vma, 96, MAP_SHARED);
	ASSERT_EQ(0, punch(file, 0, 64));
	ASSERT_EQ(0, uffd_register(fd, vma, 96, mode));
	for (i = 0; wp && i < 96; i += 3)
		ASSERT_EQ(0, write_protect(fd, page_at(vma, i), 1, true));
	fill_pages(data, 0, 32, 1);
	EXPECT_EQ(0, ioctl(fd, UFFDIO_COPY, &copy));
	EXPECT_EQ(0, ioctl(fd, UFFDIO_ZEROPAGE, &zero));
	EXPECT_EQ(0, ioctl(fd, UFFDIO_CONTINUE, &more));
	EXPECT_EQ(96, present(vma, 96));
	EXPECT_TRUE(pages_hold(vma, 0, 32, 1));
	EXPECT_TRUE(zeroed(page_at(vma, 32), 32));
	EXPECT_TRUE(pages_hold(vma, 64, 96, TAG));
}
