// SPDX-License-Identifier: GPL-2.0
/*
 * The ways to set and clear entries of user page tables that no other program
 * comes to. With DEBUG_FREE_USER_PTE the kernel compares the count of a table
 * with its entries itself, so it is enough to get there; a test sees to what is
 * mapped, and what it holds. Most mappings lie in two tables, and what is left
 * of them is for exit().
 */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#ifdef __x86_64__
#include <asm/ldt.h>
#endif

#include "lib/fixture.h"

#define PAGES	64
#define TAG	1000

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT	26
#endif

/* Room in two tables: page @nr is the first of the second. */
static char *across(size_t nr)
{
	return page_at(reserve(2 * PMD), PMD - nr);
}

static char *map_file(struct __test_metadata *_metadata, char *at, size_t pages,
		      int flags, int fd)
{
	ASSERT_EQ(at, mmap(at, pages * page_size, PROT_READ | PROT_WRITE,
			   flags | MAP_FIXED, fd, 0));
	return at;
}

static int file_of(struct __test_metadata *_metadata, size_t pages)
{
	int fd = memfd_create("counts", MFD_CLOEXEC);
	char *vma;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, pages * page_size));
	vma = map_file(_metadata, reserve(pages), pages, MAP_SHARED, fd);
	fill_pages(vma, 0, pages, TAG);
	munmap(vma, pages * page_size);
	return fd;
}

static void move(struct __test_metadata *_metadata, char *from, char *to, size_t pages)
{
	size_t len = pages * page_size;

	ASSERT_EQ(to, mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to));
}

/*
 * Private memory
 */

/* In small pages: of four one is a hole, one the zero page, one in swap. */
static void mix(struct __test_metadata *_metadata, char *vma, size_t pages)
{
	size_t i;

	madvise(vma, pages * page_size, MADV_NOHUGEPAGE);
	for (i = 2; i < pages; i += 4)
		fill(page_at(vma, i), 1, TAG + i);
	ASSERT_TRUE(page_out(vma, pages));
	for (i = 1; i < pages; i += 4)
		ASSERT_TRUE(zeroed(page_at(vma, i), 1));
	for (i = 3; i < pages; i += 4)
		fill(page_at(vma, i), 1, TAG + i);
}

static bool mixed(const char *vma, size_t from, size_t to)
{
	for (; from < to; from++)
		if (from % 4 < 2 ? !zeroed(page_at(vma, from), 1) :
				   !holds(page_at(vma, from), 1, TAG + from))
			return false;
	return true;
}

/* In one table, between tables, into a part of the same, whole tables; and back. */
TEST_F(stock, moved)
{
	static const struct {
		size_t from, to, nr;
	} moves[] = {
		{ 10, 200, 100 }, { 10, 500, 100 }, { 300, 1000, 600 },
		{ 700, 100, 600 }, { 0, 1024, 600 },
	};
	size_t i;

	ASSERT_TRUE(swap_on(8192));
	for (i = 0; i < ARRAY_SIZE(moves); i++) {
		size_t nr = moves[i].nr;
		char *space = reserve(4 * PMD), *to = page_at(space, moves[i].to);
		char *from = map(page_at(space, moves[i].from), nr);

		mix(_metadata, from, nr);
		move(_metadata, from, to, nr);
		EXPECT_TRUE(mixed(to, 0, nr));
		move(_metadata, to, from, nr);
		EXPECT_TRUE(mixed(from, 0, nr));
	}
}

/* Of all that into a huge page, and what is left of that when a part goes. */
TEST_F(stock, collapsed)
{
	char *vma = map_new(PMD);

	if (!huge_here())
		SKIP(return, NO_HUGE);
	ASSERT_TRUE(swap_on(8192));
	mix(_metadata, vma, PMD);
	ASSERT_EQ(0, madvise(vma, PMD * page_size, MADV_HUGEPAGE));
	size_mode(pmd_order, "always");
	ASSERT_TRUE(collapse(vma));
	EXPECT_EQ(PMD * page_size >> 10, smaps(vma, PMD, "AnonHugePages"));
	EXPECT_TRUE(mixed(vma, 0, PMD));
	munmap(page_at(vma, 100), 50 * page_size);
	EXPECT_EQ(PMD - 50, present(vma, PMD));
	EXPECT_TRUE(mixed(vma, 0, 100));
	EXPECT_TRUE(mixed(vma, 150, PMD));
}

/* More references to a swap slot than its byte can count: fork() begins again. */
TEST_F(stock, swap_forked)
{
	char *vma = map(across(4), 8);
	pid_t pids[70];
	size_t i;

	ASSERT_TRUE(swap_on(4096));
	fill(vma, 8, 1);
	ASSERT_TRUE(page_out(vma, 8));
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = child();
		while (!pids[i])
			pause();
	}
	EXPECT_TRUE(holds(vma, 8, 1));
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
}

/*
 * Files
 */

/* What is in the page cache around a page, without what is mapped already. */
TEST_F(stock, fault_around)
{
	int fd = file_of(_metadata, PAGES);
	char *vma = map_file(_metadata, across(24), PAGES, MAP_SHARED, fd);
	char size[32];
	size_t i;

	snprintf(size, sizeof(size), "%zu", 16 * page_size);
	setting("/sys/kernel/debug/fault_around_bytes", size);
	ASSERT_EQ(0, punch(fd, 32, 4));
	for (i = 10; i < 14; i++)
		touch(page_at(vma, i));
	EXPECT_EQ(4, present(vma, PAGES));
	EXPECT_TRUE(pages_hold(vma, 9, 10, TAG));
	EXPECT_EQ(16, present(vma, PAGES));	/* 8 to 23 */
	EXPECT_TRUE(pages_hold(vma, 30, 31, TAG));
	EXPECT_EQ(28, present(vma, PAGES));	/* to 39, but for the hole */
	ASSERT_EQ(0, madvise(page_at(vma, 12), 20 * page_size, MADV_DONTNEED));
	EXPECT_EQ(8, present(vma, PAGES));
	EXPECT_TRUE(pages_hold(vma, 0, 32, TAG));
	EXPECT_TRUE(zeroed(page_at(vma, 32), 4));
	EXPECT_TRUE(pages_hold(vma, 36, PAGES, TAG));
	/* where reclaim takes a file's page there is no swap entry */
	ASSERT_TRUE(swap_on(4096));
	ASSERT_TRUE(page_out(vma, PAGES));
	EXPECT_TRUE(pages_hold(vma, 0, 32, TAG));
}

/* A hole is one in all mappings, but private copies stay; not behind the end. */
TEST_F(stock, file_cut)
{
	int fd = file_of(_metadata, PAGES);
	char *shared = map_file(_metadata, across(32), PAGES, MAP_SHARED, fd);
	char *private = map_file(_metadata, across(32), PAGES, MAP_PRIVATE, fd);

	fill_pages(private, 0, 8, 1);
	fill_pages(private, 40, 48, 1);
	EXPECT_TRUE(pages_hold(shared, 0, PAGES, TAG));
	EXPECT_TRUE(pages_hold(private, 8, 40, TAG));
	ASSERT_EQ(0, ftruncate(fd, 36 * page_size));
	EXPECT_EQ(36, present(shared, PAGES));
	EXPECT_EQ(36, present(private, PAGES));
	EXPECT_TRUE(bad(page_at(shared, 40)));
	EXPECT_TRUE(bad(page_at(private, 40)));
	ASSERT_EQ(0, ftruncate(fd, PAGES * page_size));
	ASSERT_EQ(0, punch(fd, 4, 8));
	EXPECT_EQ(28, present(shared, PAGES));
	EXPECT_EQ(32, present(private, PAGES));
	EXPECT_TRUE(pages_hold(private, 0, 8, 1));
	EXPECT_TRUE(zeroed(page_at(private, 8), 4));
	EXPECT_TRUE(zeroed(page_at(shared, 4), 8));
	EXPECT_TRUE(zeroed(page_at(shared, 36), PAGES - 36));
	ASSERT_EQ(0, madvise(private, PAGES * page_size, MADV_DONTNEED));
	EXPECT_TRUE(pages_hold(private, 0, 4, TAG));
	EXPECT_TRUE(pages_hold(private, 12, 36, TAG));
}

/* A table goes with 512 entries, or empty, and is needed again; not with a copy. */
TEST_F(stock, file_collapsed)
{
	int fd = file_of(_metadata, PMD);
	char *one = map_file(_metadata, reserve(PMD), PMD, MAP_SHARED, fd);
	char *other = map_file(_metadata, reserve(PMD), PMD, MAP_SHARED, fd);
	char *private = map_file(_metadata, reserve(PMD), PMD, MAP_PRIVATE, fd);

	if (!huge_here())
		SKIP(return, NO_HUGE);
	EXPECT_TRUE(pages_hold(one, 0, PMD, TAG));
	EXPECT_TRUE(pages_hold(other, 0, 300, TAG));
	EXPECT_TRUE(pages_hold(private, 0, 300, TAG));
	fill(page_at(private, 5), 1, 1);
	ASSERT_TRUE(collapse(one));
	EXPECT_EQ(PMD * page_size >> 10, smaps(one, PMD, "ShmemPmdMapped"));
	EXPECT_TRUE(pages_hold(other, 0, PMD, TAG));
	EXPECT_TRUE(collapse(other));
	EXPECT_EQ(PMD * page_size >> 10, smaps(other, PMD, "ShmemPmdMapped"));
	EXPECT_TRUE(pages_hold(private, 6, PMD, TAG));
	EXPECT_FALSE(collapse(private));
	EXPECT_TRUE(holds(page_at(private, 5), 1, 1));
	munmap(page_at(one, 100), 50 * page_size);
	EXPECT_TRUE(pages_hold(one, 0, 100, TAG));
	ASSERT_EQ(0, ftruncate(fd, 300 * page_size));
	EXPECT_TRUE(bad(page_at(other, 300)));
	EXPECT_TRUE(pages_hold(other, 0, 300, TAG));
}

/*
 * What drivers insert
 */

/* vm_insert_pages(): so many requests that they are in two tables anywhere. */
TEST_F(stock, uring_requests)
{
	struct io_uring_params params = {};
	int fd = syscall(__NR_io_uring_setup, 32768, &params);
	size_t pages = 32768 * sizeof(struct io_uring_sqe) / page_size;
	char *vma;
	pid_t pid;

	ASSERT_LE(0, fd);
	vma = mmap(NULL, pages * page_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   IORING_OFF_SQES);
	ASSERT_NE(MAP_FAILED, vma);
	EXPECT_EQ(pages, present(vma, pages));
	fill_pages(vma, 0, pages, TAG);
	pid = child();
	if (!pid) {
		munmap(page_at(vma, 100), 300 * page_size);
		_exit(!pages_hold(vma, 0, 100, TAG) || present(vma, pages) != pages - 300);
	}
	EXPECT_TRUE(child_ok(pid));
	munmap(page_at(vma, 50), 300 * page_size);
	EXPECT_TRUE(pages_hold(vma, 350, pages, TAG));
}

/* vm_insert_page(): pages that a device of lib/test_hmm.c gives away. */
TEST_F(stock, hmm_pages)
{
	char line[64], *vma = across(5), *to = across(3);
	FILE *f = fopen("/proc/devices", "re");
	int major = 0, fd;

	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "HMM_DMIRROR"))
			major = atoi(line);
	if (!major)
		SKIP(return, "this test wants CONFIG_TEST_HMM");
	mknod("/tmp/hmm_dmirror0", S_IFCHR | 0600, makedev(major, 0));
	fd = open("/tmp/hmm_dmirror0", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	map_file(_metadata, vma, 8, MAP_SHARED, fd);
	EXPECT_EQ(8, present(vma, 8));
	fill_pages(vma, 0, 8, TAG);
	move(_metadata, vma, to, 8);
	munmap(page_at(to, 2), 2 * page_size);
	EXPECT_TRUE(pages_hold(to, 4, 8, TAG));
}

/*
 * remap_pfn_range(): the registers of a virtio device. To read the first one and
 * the configuration changes nothing; pagemap leaves out such a mapping.
 */
TEST_F(stock, pci_resource)
{
	char path[64], *vma = across(2);
	int slot, fd = -1;
	struct stat st;
	pid_t pid;

	for (slot = 0; fd < 0 && slot < 32; slot++) {
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/0000:00:%02x.0/resource4", slot);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (fd < 0 || fstat(fd, &st) || st.st_size < 4 * page_size)
		SKIP(return, "this test wants a PCI device with 16 kB of registers");
	map_file(_metadata, vma, 4, MAP_SHARED, fd);
	pid = child();
	if (!pid)
		_exit(bad(vma) || bad(page_at(vma, 2)));
	EXPECT_TRUE(child_ok(pid));
	EXPECT_FALSE(bad(vma));
	EXPECT_FALSE(bad(page_at(vma, 2)));
	munmap(vma, 4 * page_size);
}

/*
 * Others
 */

static __attribute__((noinline, noclone)) int probed(int x)
{
	asm volatile("" : "+r" (x));
	return x + 1;
}

/* The copy with a breakpoint goes, and the file's page comes by a fault. */
TEST_F(stock, uprobe)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };
	unsigned long start, end, offset, here = (unsigned long)probed;
	FILE *f = fopen("/proc/self/maps", "re");
	char text[256];
	int round, i;

	if (read_file("/sys/bus/event_source/devices/uprobe/type", text, sizeof(text)) <= 0)
		SKIP(return, "this test wants CONFIG_UPROBE_EVENTS");
	attr.type = atoi(text);
	attr.uprobe_path = (uintptr_t)"/proc/self/exe";
	while (f && fgets(text, sizeof(text), f))
		if (sscanf(text, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 &&
		    start <= here && here < end)
			attr.probe_offset = here - start + offset;
	for (round = 0; round < 3; round++) {
		int fd = syscall(__NR_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
		uint64_t count = 0;
		pid_t pid;

		ASSERT_LE(0, fd);
		for (i = 0; i < 5; i++)
			EXPECT_EQ(i + 1, probed(i));
		EXPECT_EQ(sizeof(count), read(fd, &count, sizeof(count)));
		EXPECT_EQ(5, count);
		/* nobody asked for the child: it drops the breakpoint when it gets there */
		pid = child();
		if (!pid)
			_exit(probed(7) != 8 || probed(8) != 9);
		EXPECT_TRUE(child_ok(pid));
		close(fd);
		EXPECT_EQ(8, probed(7));
	}
}

#ifdef __x86_64__

static int set_ldt(unsigned int entry, unsigned int limit)
{
	struct user_desc desc = {
		.entry_number = entry, .limit = limit, .seg_32bit = 1, .useable = 1,
	};

	return syscall(__NR_modify_ldt, 0x11, &desc, sizeof(desc));
}

static unsigned int ldt_limit(unsigned int entry)
{
	unsigned int limit = 0;

	asm volatile("lsl %1, %0" : "+r" (limit) : "r" (entry << 3 | 7) : "cc");
	return limit;
}

/* With page table isolation it is in a table that has no VMA, and is pinned. */
TEST_F(stock, ldt)
{
	int i, status;
	pid_t pid;

	if (set_ldt(1, 1000))
		SKIP(return, "this test wants CONFIG_MODIFY_LDT_SYSCALL");
	for (i = 0; i < 8; i++) {
		pid = child();
		if (!pid) {
			EXPECT_EQ(1000, ldt_limit(1));
			/* one page or many, in the other slot */
			EXPECT_EQ(0, set_ldt(1000 * i + 9, 2000 + i));
			EXPECT_EQ(2000 + i, ldt_limit(1000 * i + 9));
			if (!_metadata->passed || i % 2)
				_exit(!_metadata->passed);
			/* what it cannot parse ends in 2 */
			close(STDERR_FILENO);
			execl("/proc/self/exe", "counts", "-?", NULL);
			_exit(1);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(i % 2 ? 0 : 2, WEXITSTATUS(status));
	}
	EXPECT_EQ(1000, ldt_limit(1));
}

#endif

/* arm64 has huge pages in a table with small ones, which is pinned. */
TEST_F(stock, hugetlb_beside)
{
	char *space = reserve(PMD), *huge = page_at(space, 64);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 16 << MAP_HUGE_SHIFT;
	pid_t pid;

	if (setting("/sys/kernel/mm/hugepages/hugepages-64kB/nr_hugepages", "24"))
		SKIP(return, "this test wants huge pages of 64 kB");
	map(space, PMD);
	madvise(space, PMD * page_size, MADV_NOHUGEPAGE);
	fill_pages(space, 0, PMD, TAG);
	map_file(_metadata, huge, 128, flags, -1);
	fill_pages(huge, 0, 128, 1);
	pid = child();
	if (!pid) {
		fill_pages(huge, 0, 64, 2);
		munmap(page_at(huge, 64), 32 * page_size);
		munmap(page_at(space, 300), 100 * page_size);
		EXPECT_TRUE(pages_hold(huge, 0, 64, 2));
		EXPECT_TRUE(pages_hold(huge, 96, 128, 1));
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_TRUE(pages_hold(huge, 0, 128, 1));
	munmap(page_at(huge, 32), 32 * page_size);
	fill_pages(map(page_at(huge, 32), 32), 0, 32, 3);
	madvise(page_at(space, 200), 200 * page_size, MADV_DONTNEED);
	EXPECT_TRUE(pages_hold(space, 0, 64, TAG));
	EXPECT_TRUE(pages_hold(page_at(huge, 32), 0, 32, 3));
	EXPECT_TRUE(pages_hold(huge, 64, 128, 1));
	EXPECT_TRUE(zeroed(page_at(space, 200), 200));
}

/*
 * One table with all kinds of entries, which two processes leave in pieces.
 * MADV_FREE drops what is in swap, and what is bad.
 */
TEST_F(stock, every_kind)
{
	int fd = file_of(_metadata, PAGES);
	char *space = reserve(PMD), *anon = map(space, 64), *other = map(page_at(space, 192), 16);
	char *shared = map_file(_metadata, page_at(space, 64), PAGES, MAP_SHARED, fd);
	char *private = map_file(_metadata, page_at(space, 128), PAGES, MAP_PRIVATE, fd);
	uint64_t pfn;
	pid_t pid;

	ASSERT_TRUE(swap_on(4096));
	mix(_metadata, anon, 64);
	fill_pages(private, 8, 16, 1);
	madvise(other, 16 * page_size, MADV_NOHUGEPAGE);
	fill_pages(other, 0, 16, 1);
	pfn = pfn_of(page_at(other, 3));
	ASSERT_EQ(0, poison(page_at(other, 3), 1));
	EXPECT_TRUE(pages_hold(shared, 0, 16, TAG));
	EXPECT_TRUE(pages_hold(private, 0, 8, TAG));
	pid = child();
	if (!pid) {
		munmap(page_at(space, 32), 162 * page_size);
		EXPECT_TRUE(mixed(anon, 0, 32));
		EXPECT_TRUE(bad(page_at(other, 3)));
		EXPECT_TRUE(pages_hold(other, 4, 16, 1));
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_TRUE(pages_hold(private, 8, 16, 1));
	EXPECT_TRUE(pages_hold(shared, 0, PAGES, TAG));
	EXPECT_TRUE(mixed(anon, 0, 16));
	EXPECT_LT(0, smaps(anon, 64, "Swap"));
	ASSERT_EQ(0, madvise(anon, 64 * page_size, MADV_FREE));
	EXPECT_EQ(0, smaps(anon, 64, "Swap"));
	EXPECT_TRUE(zeroed(page_at(anon, 62), 1));
	EXPECT_TRUE(bad(page_at(other, 3)));
	ASSERT_EQ(0, madvise(other, 16 * page_size, MADV_FREE));
	EXPECT_FALSE(bad(page_at(other, 3)));
	EXPECT_TRUE(unpoison(pfn));
}
