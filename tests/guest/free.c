// SPDX-License-Identifier: GPL-2.0
/*
 * PTE tables that are freed when they are empty: in place by MADV_DONTNEED, by a
 * shrinker, or because somebody asks for it; and those that are not, since there is
 * still something in them. All is counted, exactly.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "lib/fixture.h"

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT		26
#endif

#define TAG	1000
#define IN_FILE	2000	/* what the copies of a file's pages are copies of */
#define SYSCTL	"/proc/sys/vm/pte_table_reclaim"

/* What has changed since @was, and nothing else has. */
#define EXPECT_SINCE(was, ...) do {					\
	struct tables __now = tables_since(was), __want = { __VA_ARGS__ }; \
	EXPECT_EQ(__want.vm, __now.vm);					\
	EXPECT_EQ(__want.empty, __now.empty);				\
	EXPECT_EQ(__want.inplace, __now.inplace);			\
	EXPECT_EQ(__want.shrinker, __now.shrinker);			\
	EXPECT_EQ(__want.refilled, __now.refilled);			\
} while (0)

static void set_mode(struct __test_metadata *_metadata, int mode)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", mode);
	ASSERT_EQ(0, reclaim_mode(text));
}

static int zap(char *vma, size_t from, size_t pages)
{
	return madvise(page_at(vma, from), pages * page_size, MADV_DONTNEED) ? -errno : 0;
}

/*
 * Room for @tables tables, more than there is memory for. Each is empty once it has
 * had an entry.
 */
static char *map_sparse(size_t tables)
{
	size_t len = tables * PMD * page_size;
	char *vma = mmap(reserve(tables * PMD), len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	madvise(vma, len, MADV_NOHUGEPAGE);
	return vma;
}

static void touch_sparse(char *vma, size_t tables)
{
	size_t i;

	for (i = 0; i < tables; i++)
		touch(page_at(vma, i * PMD + i % PMD));
}

/* Empty tables, where nothing frees them in place. */
static char *empty_tables(size_t tables)
{
	char *vma = map_sparse(tables);

	touch_sparse(vma, tables);
	zap(vma, 0, tables * PMD);
	return vma;
}

/*
 * Memory of each kind, and what is in it after its pages are dropped
 */

enum kind {
	SMALL, LARGE, SHARED_ANON, SHARED_FILE, PRIVATE_FILE, COPIES, NR_KINDS
};

struct memory {
	char *vma;
	size_t pages;
	int fd;
	enum kind kind;
};

/* Not mapped yet in any way that needs a table. */
static struct memory memory(struct __test_metadata *_metadata, char *at, size_t pages,
			    enum kind kind)
{
	struct memory m = { at, pages, -1, kind };
	int flags = MAP_FIXED | (kind <= LARGE || kind >= PRIVATE_FILE ? MAP_PRIVATE : MAP_SHARED);
	size_t len = pages * page_size, i;
	char data[page_size];

	if (kind <= SHARED_ANON) {
		flags |= MAP_ANONYMOUS;
	} else {
		m.fd = memfd_create("free", MFD_CLOEXEC);
		ASSERT_LE(0, m.fd);
		ASSERT_EQ(0, ftruncate(m.fd, len));
	}
	for (i = 0; kind >= PRIVATE_FILE && i < pages; i++) {
		fill(data, 1, IN_FILE + i);
		ASSERT_EQ(page_size, pwrite(m.fd, data, page_size, i * page_size));
	}
	ASSERT_EQ(at, mmap(at, len, PROT_READ | PROT_WRITE, flags, m.fd, 0));
	enable_orders(kind == LARGE ? ORDER(4) : 0);
	if (kind == SMALL)
		madvise(at, len, MADV_NOHUGEPAGE);
	return m;
}

/* All of it has entries then. */
static void use(struct __test_metadata *_metadata, struct memory *m)
{
	if (m->kind != PRIVATE_FILE)
		fill_pages(m->vma, 0, m->pages, TAG);
	else
		ASSERT_TRUE(pages_hold(m->vma, 0, m->pages, IN_FILE));
	EXPECT_EQ(m->pages, present(m->vma, m->pages));
	if (m->kind == LARGE)
		ASSERT_ORDER(4, m->vma);
}

static bool as_dropped(struct memory *m)
{
	if (m->kind <= LARGE)
		return zeroed(m->vma, m->pages);
	return pages_hold(m->vma, 0, m->pages, m->kind >= PRIVATE_FILE ? IN_FILE : TAG);
}

static void unmap(struct memory *m)
{
	munmap(m->vma, m->pages * page_size);
	if (m->fd >= 0)
		close(m->fd);
}

/*
 * In place
 */

TEST_F(stock, sysctl)
{
	static const char * const bad_values[] = { "-1", "4", "x", "3x", "\n", "4294967296" };
	char text[32] = "";
	pid_t pid;
	size_t i;

	if (read_file(SYSCTL, text, sizeof(text)) < 0)
		SKIP(return, NO_RECLAIM);
	EXPECT_STREQ("2", text);
	for (i = 0; i <= 3; i++) {
		set_mode(_metadata, i);
		read_file(SYSCTL, text, sizeof(text));
		EXPECT_EQ(i, atoi(text));
	}
	for (i = 0; i < ARRAY_SIZE(bad_values); i++) {
		EXPECT_EQ(-EINVAL, write_file(SYSCTL, bad_values[i]));
		read_file(SYSCTL, text, sizeof(text));
		EXPECT_STREQ("3", text);
	}
	/* nothing is no number, but no error either */
	write_file(SYSCTL, "");
	read_file(SYSCTL, text, sizeof(text));
	EXPECT_STREQ("3", text);
	pid = child();
	if (!pid)
		_exit(setuid(1000) || write_file(SYSCTL, "0") != -EACCES);
	EXPECT_TRUE(child_ok(pid));
}

/* A table that is emptied whole, and what the mode has it become. */
static void one_table(struct __test_metadata *_metadata, enum kind kind, int mode)
{
	struct memory m = memory(_metadata, reserve(PMD), PMD, kind);
	struct tables was;

	use(_metadata, &m);
	set_mode(_metadata, mode);
	tables_read(&was);
	ASSERT_EQ(0, zap(m.vma, 0, PMD));
	if (mode >= 2)
		EXPECT_SINCE(&was, .vm = -1, .inplace = 1);
	else
		EXPECT_SINCE(&was, .empty = 1);
	shrink_tables();
	if (mode >= 2)
		EXPECT_SINCE(&was, .vm = -1, .inplace = 1);
	else if (mode == 1)
		EXPECT_SINCE(&was, .vm = -1, .shrinker = 1);
	else
		EXPECT_SINCE(&was, .empty = 1);
	EXPECT_TRUE(as_dropped(&m));
	EXPECT_SINCE(&was, .inplace = mode >= 2, .shrinker = mode == 1, .refilled = mode == 0);
	fill_pages(m.vma, 0, PMD, TAG + 1);
	EXPECT_TRUE(pages_hold(m.vma, 0, PMD, TAG + 1));
	unmap(&m);
}

TEST_F(stock, modes)
{
	enum kind kind;
	int mode;

	if (!reclaim_begin("1"))
		SKIP(return, NO_RECLAIM);
	for (kind = 0; kind < NR_KINDS; kind++) {
		if (kind == LARGE && !huge_here())
			continue;
		for (mode = 0; mode <= 3 && _metadata->passed; mode++)
			one_table(_metadata, kind, mode);
		if (!_metadata->passed) {
			TH_LOG("memory of kind %d, mode %d", kind, mode - 1);
			return;
		}
	}
}

/* Tables count that are empty, however little of them is in the span. */
TEST_F(stock, spans)
{
	static const struct {
		size_t from, nr, tables;
	} spans[] = {
		{ 0, 512, 1 }, { 0, 511, 1 }, { 1, 511, 1 }, { 0, 513, 2 }, { 256, 512, 2 },
		{ 511, 513, 2 }, { 511, 514, 3 }, { 512, 1024, 2 }, { 0, 1536, 3 },
		{ 300, 400, 2 }, { 1023, 2, 2 }, { 700, 1, 1 },
	};
	struct tables was;
	char *space;
	size_t i, p;
	int mode;

	if (!reclaim_begin("1"))
		SKIP(return, NO_RECLAIM);
	space = reserve(3 * PMD);
	for (i = 0; i < 4 * ARRAY_SIZE(spans) && _metadata->passed; i++) {
		size_t from = spans[i / 4].from, nr = spans[i / 4].nr;
		long tables = spans[i / 4].tables, inplace = 0;
		char *vma = map_small_at(space, 3 * PMD);

		mode = i % 4;
		set_mode(_metadata, mode);
		for (p = 0; p < nr; p += 32)
			fill(page_at(vma, from + p), 1, TAG);
		fill(page_at(vma, from + nr - 1), 1, TAG);
		if (mode == 3 || (mode == 2 && nr >= PMD))
			inplace = tables;
		tables_read(&was);
		ASSERT_EQ(0, zap(vma, from, nr));
		EXPECT_SINCE(&was, .vm = -inplace, .inplace = inplace, .empty = tables - inplace);
		shrink_tables();
		if (mode)
			EXPECT_SINCE(&was, .vm = -tables, .inplace = inplace,
				     .shrinker = tables - inplace);
		EXPECT_TRUE(zeroed(page_at(vma, from + nr - 1), 1));
		EXPECT_TRUE(zeroed(page_at(vma, from), 1));
		fill(page_at(vma, from), 1, TAG + 1);
		EXPECT_TRUE(holds(page_at(vma, from), 1, TAG + 1));
		/* not empty any more, or unmapped */
		zap(vma, 0, 3 * PMD);
		munmap(vma, 3 * PMD * page_size);
		EXPECT_EQ(0, tables_since(&was).empty);
		if (!_metadata->passed)
			TH_LOG("mode %d, from page %zu, %zu pages", mode, from, nr);
	}
}

/* Each VMA has a span of its own, both together have one table. */
TEST_F(stock, two_vmas)
{
	struct tables was;
	char *vma;
	int mode;

	if (!reclaim_begin("1"))
		SKIP(return, NO_RECLAIM);
	for (mode = 2; mode <= 3; mode++) {
		vma = map_small(PMD);
		ASSERT_EQ(0, madvise(vma, PMD / 2 * page_size, MADV_DONTFORK));
		fill_pages(vma, 0, PMD, TAG);
		set_mode(_metadata, mode);
		tables_read(&was);
		ASSERT_EQ(0, zap(vma, 0, PMD));
		if (mode == 3)
			EXPECT_SINCE(&was, .vm = -1, .inplace = 1);
		else
			EXPECT_SINCE(&was, .empty = 1);
		EXPECT_TRUE(zeroed(vma, PMD));
	}
}

/* The last one of many small ones, in the mode for that. */
TEST_F(stock, small_spans)
{
	struct tables was;
	char *vma;
	size_t i;

	if (!reclaim_begin("3"))
		SKIP(return, NO_RECLAIM);
	vma = map_small(PMD);
	fill_pages(vma, 0, PMD, TAG);
	tables_read(&was);
	for (i = 1; i < PMD; i++)
		ASSERT_EQ(0, zap(vma, i * 5 % PMD, 1));
	EXPECT_SINCE(&was, .vm = 0);
	EXPECT_TRUE(pages_hold(vma, 0, 1, TAG));
	ASSERT_EQ(0, zap(vma, 0, 1));
	EXPECT_SINCE(&was, .vm = -1, .inplace = 1);
	EXPECT_TRUE(zeroed(vma, PMD));
}

/* A huge page's table is not an empty one, but those of its pages are. */
TEST_F(stock, huge)
{
	struct tables was;
	char *vma;

	if (!huge_here())
		SKIP(return, NO_HUGE);
	if (!reclaim_begin("2"))
		SKIP(return, NO_RECLAIM);
	vma = map_small(PMD);
	fill_pages(vma, 0, PMD, TAG);
	tables_read(&was);
	madvise(vma, PMD * page_size, MADV_HUGEPAGE);
	size_mode(pmd_order, "always");
	ASSERT_TRUE(collapse(vma));
	EXPECT_EQ(PMD * page_size >> 10, smaps(vma, PMD, "AnonHugePages"));
	EXPECT_SINCE(&was, .vm = 0);
	size_mode(pmd_order, "never");
	ASSERT_EQ(0, zap(vma, 7, 1));
	EXPECT_TRUE(pages_hold(vma, 8, PMD, TAG));
	EXPECT_SINCE(&was, .vm = 0);
	ASSERT_EQ(0, zap(vma, 0, PMD));
	EXPECT_SINCE(&was, .vm = -1, .inplace = 1);
	EXPECT_TRUE(zeroed(vma, PMD));
}

/*
 * What keeps a table
 */

static bool protect(char *vma)
{
	return !mprotect(vma, 16 * page_size, PROT_NONE);
}

static bool unprotect(char *vma)
{
	return !mprotect(vma, 16 * page_size, PROT_READ | PROT_WRITE);
}

static bool lock(char *vma)
{
	return !mlock(vma, 16 * page_size);
}

static bool unlock(char *vma)
{
	return !munlock(vma, 16 * page_size);
}

static bool to_swap(char *vma)
{
	return page_out(vma, 16);
}

/* All but one, which is not the first. */
static bool thin(char *vma)
{
	return !zap(vma, 0, 9) && !zap(vma, 10, 6);
}

/* Some pages in a VMA of their own at the beginning of the first of two tables. */
TEST_F(stock, neighbours)
{
	static const struct {
		const char *name;
		bool (*change)(char *vma), (*back)(char *vma);
	} kinds[] = {
		{ "pages", NULL, NULL },
		{ "one page", thin, NULL },
		{ "PROT_NONE", protect, unprotect },
		{ "mlock", lock, unlock },
		{ "swap", to_swap, NULL },
	};
	struct tables was;
	size_t i;

	if (!reclaim_begin("2"))
		SKIP(return, NO_RECLAIM);
	ASSERT_TRUE(swap_on(4096));
	for (i = 0; i < ARRAY_SIZE(kinds) && _metadata->passed; i++) {
		char *other = map_small_at(reserve(2 * PMD), 16);
		char *vma = map_small_at(page_at(other, PMD / 2), PMD);

		set_mode(_metadata, 2);
		fill_pages(other, 0, 16, 1);
		fill_pages(vma, 0, PMD, TAG);
		EXPECT_TRUE(!kinds[i].change || kinds[i].change(other));
		tables_read(&was);
		ASSERT_EQ(0, zap(vma, 0, PMD));
		EXPECT_SINCE(&was, .vm = -1, .inplace = 1);
		shrink_tables();
		EXPECT_EQ(0, reclaim_tables_of(getpid(), "1"));
		EXPECT_SINCE(&was, .vm = -1, .inplace = 1);
		EXPECT_TRUE(!kinds[i].back || kinds[i].back(other));
		EXPECT_TRUE(pages_hold(other, 9, 10, 1));
		EXPECT_TRUE(kinds[i].change == thin || pages_hold(other, 0, 16, 1));
		set_mode(_metadata, 3);
		ASSERT_EQ(0, zap(other, 0, 16));
		EXPECT_SINCE(&was, .vm = -2, .inplace = 2);
		EXPECT_TRUE(zeroed(vma, PMD));
		if (!_metadata->passed)
			TH_LOG("with %s in the same table", kinds[i].name);
	}
}

/* The zero page is a page. */
TEST_F(stock, zero_page)
{
	struct tables was;
	char *vma;

	if (!reclaim_begin("3"))
		SKIP(return, NO_RECLAIM);
	vma = map_small(PMD);
	fill_pages(vma, 0, 8, TAG);
	EXPECT_TRUE(zeroed(page_at(vma, 100), 1));
	tables_read(&was);
	ASSERT_EQ(0, zap(vma, 0, 100));
	EXPECT_SINCE(&was, .vm = 0);
	ASSERT_EQ(0, zap(vma, 100, 1));
	EXPECT_SINCE(&was, .vm = -1, .inplace = 1);
}

TEST_F(stock, bad_page)
{
	struct tables was;
	uint64_t pfn;
	char *vma;

	if (!reclaim_begin("3"))
		SKIP(return, NO_RECLAIM);
	vma = map_small(PMD);
	fill_pages(vma, 0, 16, TAG);
	pfn = pfn_of(page_at(vma, 9));
	ASSERT_EQ(0, poison(page_at(vma, 9), 1));
	tables_read(&was);
	ASSERT_TRUE(thin(vma));
	shrink_tables();
	EXPECT_EQ(0, reclaim_tables_of(getpid(), "1"));
	EXPECT_SINCE(&was, .vm = 0);
	EXPECT_TRUE(bad(page_at(vma, 9)));
	ASSERT_EQ(0, zap(vma, 9, 1));
	EXPECT_SINCE(&was, .vm = -1, .inplace = 1);
	EXPECT_FALSE(bad(page_at(vma, 9)));
	EXPECT_TRUE(unpoison(pfn));
}

/* MADV_DONTNEED leaves them; a table without them is freed as any other. */
TEST_F(stock, markers)
{
	int fd = uffd_open(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM);
	struct tables was;
	struct memory m;

	if (!reclaim_begin("3"))
		SKIP(return, NO_RECLAIM);
	if (fd < 0)
		SKIP(return, "this test wants CONFIG_PTE_MARKER_UFFD_WP");
	m = memory(_metadata, reserve(PMD), PMD, SHARED_FILE);
	use(_metadata, &m);
	ASSERT_EQ(0, uffd_register(fd, m.vma, PMD, UFFDIO_REGISTER_MODE_WP));
	ASSERT_EQ(0, write_protect(fd, page_at(m.vma, 77), 1, true));
	tables_read(&was);
	ASSERT_EQ(0, zap(m.vma, 0, PMD));
	shrink_tables();
	EXPECT_EQ(0, reclaim_tables_of(getpid(), "1"));
	EXPECT_SINCE(&was, .vm = 0);
	EXPECT_EQ(0, present(m.vma, PMD));
	ASSERT_EQ(0, write_protect(fd, page_at(m.vma, 77), 1, false));
	EXPECT_SINCE(&was, .empty = 1);
	shrink_tables();
	EXPECT_SINCE(&was, .vm = -1, .shrinker = 1);
	EXPECT_TRUE(as_dropped(&m));
}

/* Huge pages of arm64 in a table: nobody counts there, and it stays. */
TEST_F(stock, pinned)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED | 16 << MAP_HUGE_SHIFT;
	size_t len = 16 * page_size;
	char *small, *huge;
	struct tables was;

	if (!reclaim_begin("3"))
		SKIP(return, NO_RECLAIM);
	if (setting("/sys/kernel/mm/hugepages/hugepages-64kB/nr_hugepages", "4"))
		SKIP(return, "this test wants huge pages of 64 kB");
	huge = reserve(PMD);
	small = map_small_at(page_at(huge, PMD / 2), 64);
	ASSERT_EQ(huge, mmap(huge, len, PROT_READ | PROT_WRITE, flags, -1, 0));
	fill_pages(huge, 0, 16, TAG);
	fill_pages(small, 0, 64, TAG);
	tables_read(&was);
	ASSERT_EQ(0, zap(small, 0, 64));
	EXPECT_TRUE(pages_hold(huge, 0, 16, TAG));
	EXPECT_EQ(0, madvise(huge, len, MADV_DONTNEED));
	EXPECT_EQ(0, munmap(huge, len));
	shrink_tables();
	EXPECT_EQ(0, reclaim_tables_of(getpid(), "1"));
	EXPECT_SINCE(&was, .vm = 0);
	EXPECT_TRUE(zeroed(small, 64));
}

/*
 * In a table of somebody else's, which may go away, nobody looks for a huge page of 64K.
 * mincore() asks the page cache where there is no entry to be looked at.
 */
TEST_F(stock, beside_huge)
{
	int fd = memfd_create("free", MFD_CLOEXEC | MFD_HUGETLB | 16U << MAP_HUGE_SHIFT);
	size_t len = 16 * page_size;
	unsigned char vec[16] = { 0 };
	char *huge, *small;

	if (!reclaim_begin("3"))
		SKIP(return, NO_RECLAIM);
	if (fd < 0 || setting("/sys/kernel/mm/hugepages/hugepages-64kB/nr_hugepages", "4"))
		SKIP(return, "this test wants huge pages of 64 kB");
	ASSERT_EQ(0, ftruncate(fd, len));
	huge = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, huge);
	fill_pages(huge, 0, 16, TAG);
	munmap(huge, len);
	huge = reserve(PMD);
	small = map_small_at(page_at(huge, PMD / 2), 1);
	touch(small);
	ASSERT_EQ(huge, mmap(huge, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0));
	ASSERT_EQ(0, mincore(huge, len, vec));
	EXPECT_EQ(1, vec[0] & 1);
	ASSERT_EQ(0, zap(small, 0, 1));
	EXPECT_TRUE(pages_hold(huge, 0, 16, TAG));
}

/*
 * Others who leave a table empty
 */

static bool free_and_reclaim(struct memory *m)
{
	return !madvise(m->vma, m->pages * page_size, MADV_FREE) && page_out(m->vma, m->pages);
}

static bool reclaim_pages(struct memory *m)
{
	return swap_on(4096) && page_out(m->vma, m->pages);
}

static bool cut_off(struct memory *m)
{
	return !ftruncate(m->fd, 0) && !ftruncate(m->fd, m->pages * page_size);
}

static bool punch_all(struct memory *m)
{
	return !punch(m->fd, 0, m->pages);
}

/* Page by page: the other place is another one in its table. */
static bool move_away(struct memory *m)
{
	char *to = page_at(reserve(PMD), 5);
	size_t len = m->pages * page_size;

	if (mremap(m->vma, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		return false;
	m->vma = to;
	return true;
}

static bool drop_bit_by_bit(struct memory *m)
{
	size_t i;

	for (i = 0; i < m->pages; i += 4)
		if (zap(m->vma, i, 4))
			return false;
	return true;
}

/* Never in place, also where that is what MADV_DONTNEED always does. */
TEST_F(stock, emptied_otherwise)
{
	static const struct {
		const char *name;
		bool (*empty)(struct memory *m);
		enum kind kind;
		int mode;
		bool zero;	/* is what is read then, or what was there */
	} ways[] = {
		{ "MADV_FREE and reclaim", free_and_reclaim, SMALL, 3, true },
		{ "MADV_FREE of folios", free_and_reclaim, LARGE, 3, true },
		{ "a hole", punch_all, SHARED_FILE, 3, true },
		{ "a hole below a private mapping", punch_all, PRIVATE_FILE, 3, true },
		{ "truncate", cut_off, SHARED_FILE, 3, true },
		{ "truncate with copies", cut_off, COPIES, 3, true },
		{ "mremap", move_away, SMALL, 3, false },
		{ "small MADV_DONTNEEDs", drop_bit_by_bit, SMALL, 2, true },
		{ "small MADV_DONTNEEDs of folios", drop_bit_by_bit, LARGE, 2, true },
		{ "reclaim of a file", reclaim_pages, SHARED_FILE, 3, false },
	};
	struct tables was;
	size_t i;

	if (!reclaim_begin("1"))
		SKIP(return, NO_RECLAIM);
	for (i = 0; i < ARRAY_SIZE(ways) && _metadata->passed; i++) {
		char *at = page_at(reserve(PMD), PMD / 4);
		struct memory m = memory(_metadata, at, PMD / 2, ways[i].kind);
		long more = ways[i].empty == move_away;

		if (m.kind == LARGE && !huge_here())
			continue;
		use(_metadata, &m);
		drain();
		/* only that one is to become empty */
		EXPECT_EQ(0, reclaim_tables_of(getpid(), "1"));
		set_mode(_metadata, ways[i].mode);
		tables_read(&was);
		EXPECT_TRUE(ways[i].empty(&m));
		EXPECT_SINCE(&was, .vm = more, .empty = 1);
		shrink_tables();
		EXPECT_SINCE(&was, .vm = more - 1, .shrinker = 1);
		EXPECT_TRUE(ways[i].zero ? zeroed(m.vma, m.pages) :
					   pages_hold(m.vma, 0, m.pages, TAG));
		fill_pages(m.vma, 0, m.pages, TAG + 1);
		EXPECT_TRUE(pages_hold(m.vma, 0, m.pages, TAG + 1));
		if (!_metadata->passed)
			TH_LOG("emptied by %s", ways[i].name);
		unmap(&m);
	}
}

/* Unmapping takes tables along, empty or not, and so do the ends of processes. */
TEST_F(stock, unmapped)
{
	struct tables was;
	char *vma;
	pid_t pid;

	if (!reclaim_begin("0"))
		SKIP(return, NO_RECLAIM);
	tables_read(&was);
	vma = empty_tables(16);
	EXPECT_EQ(16, tables_since(&was).empty);
	munmap(page_at(vma, 8 * PMD), 8 * PMD * page_size);
	EXPECT_EQ(8, tables_since(&was).empty);
	pid = child();
	if (!pid) {
		empty_tables(16);
		_exit(tables_since(&was).empty != 24);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_EQ(8, tables_since(&was).empty);
	munmap(vma, 8 * PMD * page_size);
	EXPECT_EQ(0, tables_since(&was).empty);
	EXPECT_EQ(0, tables_since(&was).inplace);
	EXPECT_EQ(0, tables_since(&was).shrinker);
	EXPECT_EQ(0, tables_since(&was).refilled);
}

/* Entry by entry, since the new place is not aligned as the old one: no new table. */
TEST_F(stock, moved_empty)
{
	size_t len = 8 * PMD * page_size, i;
	struct tables was;
	char *space, *vma, *to;

	if (!reclaim_begin("0"))
		SKIP(return, NO_RECLAIM);
	space = reserve(24 * PMD);
	vma = map_small_at(page_at(space, PMD), 8 * PMD);
	to = page_at(vma, 12 * PMD + 1);
	/* the upper levels of both places stay as they are */
	touch(map_small_at(space, 1));
	touch(map_small_at(to - page_size, 1));
	touch(map_small_at(to + len, 1));
	tables_read(&was);
	touch_sparse(vma, 8);
	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, zap(vma, i * PMD + i, 1));
	/* the last one of these is in the next table then */
	fill_pages(vma, 3 * PMD, 4 * PMD, TAG);
	EXPECT_SINCE(&was, .vm = 8, .empty = 7, .refilled = 1);
	ASSERT_EQ(to, mremap(vma, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_SINCE(&was, .vm = 2, .refilled = 1);
	EXPECT_TRUE(pages_hold(to, 3 * PMD, 4 * PMD, TAG));
	EXPECT_TRUE(zeroed(to, 3 * PMD));
}

/* Who clears entries and flushes later is waited for where a table goes, or is passed over. */
TEST_F(stock, batched_flush)
{
	static const char flush[] = "flush_tlb_batched_pending";
	long tables = 16, hits;
	size_t len = tables * PMD * page_size;
	char *vma, *to;

	if (!reclaim_begin("0"))
		SKIP(return, NO_RECLAIM);
	vma = empty_tables(tables);
	/* not by whole tables */
	to = page_at(reserve(tables * PMD + 1), 1);
	if (!hits_begin(flush))
		SKIP(return, "no flush is batched here");
	ASSERT_EQ(to, mremap(vma, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to));
	hits = hits_end(flush);
	TH_LOG("mremap has asked %ld times", hits);
	/* the unmapping at its end asks for each of them, too */
	EXPECT_LE(2 * tables, hits);
	vma = empty_tables(tables);
	ASSERT_TRUE(hits_begin(flush));
	EXPECT_EQ(0, reclaim_tables_of(getpid(), "1"));
	hits = hits_end(flush);
	TH_LOG("reclaim_pte_tables has asked %ld times", hits);
	EXPECT_LE(tables, hits);
}

/* To another place in the same table: it has not been empty in between. */
TEST_F(stock, moved_inside)
{
	struct tables was;
	char *space, *vma, *to;

	if (!reclaim_begin("0"))
		SKIP(return, NO_RECLAIM);
	space = reserve(2 * PMD);
	vma = map_small_at(page_at(space, 8), 16);
	to = page_at(space, 100);
	fill_pages(vma, 0, 16, TAG);
	tables_read(&was);
	ASSERT_EQ(to, mremap(vma, 16 * page_size, 16 * page_size,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_SINCE(&was, .vm = 0);
	EXPECT_TRUE(pages_hold(to, 0, 16, TAG));
}

/*
 * MADV_COLLAPSE goes on after a block without a table; of a file it is mapped as a
 * huge page there, too.
 */
TEST_F(stock, collapsed_beside)
{
	size_t len = 3 * PMD * page_size, kb = PMD * page_size >> 10;
	struct memory m;
	char *vma;

	if (!huge_here())
		SKIP(return, NO_HUGE);
	if (!reclaim_begin("2"))
		SKIP(return, NO_RECLAIM);
	vma = map_small(3 * PMD);
	fill_pages(vma, 0, 3 * PMD, TAG);
	ASSERT_EQ(0, zap(vma, PMD, PMD));
	EXPECT_EQ(0, madvise(vma, len, MADV_HUGEPAGE));
	EXPECT_EQ(-1, madvise(vma, len, MADV_COLLAPSE));
	EXPECT_EQ(2 * kb, smaps(vma, 3 * PMD, "AnonHugePages"));
	EXPECT_TRUE(pages_hold(vma, 0, PMD, TAG));
	EXPECT_TRUE(pages_hold(vma, 2 * PMD, 3 * PMD, TAG));
	munmap(vma, len);

	m = memory(_metadata, reserve(3 * PMD), 3 * PMD, SHARED_FILE);
	use(_metadata, &m);
	ASSERT_EQ(0, zap(m.vma, 0, PMD));
	EXPECT_EQ(0, madvise(m.vma, len, MADV_COLLAPSE));
	EXPECT_EQ(3 * kb, smaps(m.vma, 3 * PMD, "ShmemPmdMapped"));
	EXPECT_TRUE(pages_hold(m.vma, 0, 3 * PMD, TAG));
	unmap(&m);
}

/* Each of two processes has tables of its own. */
TEST_F(stock, forked)
{
	struct tables was;
	char *vma;
	pid_t pid;

	if (!reclaim_begin("3"))
		SKIP(return, NO_RECLAIM);
	vma = map_small(PMD);
	fill_pages(vma, 0, PMD, TAG);
	tables_read(&was);
	pid = child();
	if (!pid) {
		tables_read(&was);
		EXPECT_EQ(0, zap(vma, 0, PMD));
		EXPECT_SINCE(&was, .vm = -1, .inplace = 1);
		EXPECT_TRUE(zeroed(vma, PMD));
		fill_pages(vma, 0, PMD, 1);
		EXPECT_TRUE(pages_hold(vma, 0, PMD, 1));
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_SINCE(&was, .inplace = 1);
	EXPECT_TRUE(pages_hold(vma, 0, PMD, TAG));
	pid = child();
	if (!pid) {
		raise(SIGSTOP);
		_exit(!pages_hold(vma, 0, PMD, TAG));
	}
	ASSERT_EQ(pid, waitpid(pid, NULL, WUNTRACED));
	ASSERT_EQ(0, zap(vma, 0, PMD));
	EXPECT_SINCE(&was, .vm = -1, .inplace = 2);
	EXPECT_TRUE(zeroed(vma, PMD));
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
}

/* A child has a table for each that is not empty. */
TEST_F(stock, forked_empty)
{
	struct tables was;
	char *space, *vma;
	pid_t pid;

	if (!reclaim_begin("0"))
		SKIP(return, NO_RECLAIM);
	space = reserve(10 * PMD);
	vma = map_small_at(page_at(space, PMD), 8 * PMD);
	/* the upper levels stay as they are */
	touch(map_small_at(space, 1));
	touch(map_small_at(page_at(space, 9 * PMD), 1));
	touch_sparse(vma, 8);
	ASSERT_EQ(0, zap(vma, 0, 8 * PMD));
	fill(page_at(vma, 3 * PMD), 1, TAG);
	pid = child();
	if (!pid) {
		tables_read(&was);
		EXPECT_TRUE(holds(page_at(vma, 3 * PMD), 1, TAG));
		munmap(vma, 8 * PMD * page_size);
		EXPECT_SINCE(&was, .vm = -1);
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
}

/*
 * The shrinker
 */

#define TABLES 256

/* All of them, and what they were charged to gets them back. */
TEST_F(stock, many)
{
	struct tables was;
	long before;
	char *vma;
	int mode;

	if (!reclaim_begin("1"))
		SKIP(return, NO_RECLAIM);
	vma = map_sparse(TABLES);
	before = page_tables();
	for (mode = 1; mode <= 3; mode++) {
		set_mode(_metadata, mode);
		touch_sparse(vma, TABLES);
		EXPECT_LE(before + TABLES, page_tables());
		tables_read(&was);
		ASSERT_EQ(0, zap(vma, 0, TABLES * PMD));
		if (mode == 1) {
			EXPECT_SINCE(&was, .empty = TABLES);
			shrink_tables();
			EXPECT_SINCE(&was, .vm = -TABLES, .shrinker = TABLES);
		} else {
			EXPECT_SINCE(&was, .vm = -TABLES, .inplace = TABLES);
		}
		/* some of the upper levels stay, and helpers want a few */
		EXPECT_TRUE(page_tables_back(before + 8));
	}
}

/*
 * An empty table that was filled and emptied again has a second chance again: what one
 * write has marked is not what the next one frees. One write may be two passes if
 * there was much to be freed elsewhere, hence the tries.
 */
TEST_F(stock, second_chance)
{
	long spared = 0, tries, tables = 32;
	struct tables was, now;
	char *vma;

	if (!reclaim_begin("1"))
		SKIP(return, NO_RECLAIM);
	vma = map_sparse(tables);
	for (tries = 0; tries < 20 && spared < 3; tries++) {
		touch_sparse(vma, tables);
		tables_read(&was);
		zap(vma, 0, tables * PMD);
		shrink();
		now = tables_since(&was);
		EXPECT_EQ(now.vm, -now.shrinker);
		if (now.vm)
			continue;
		touch_sparse(vma, tables);
		EXPECT_SINCE(&was, .refilled = tables);
		/* what is in use is not freed */
		shrink_tables();
		EXPECT_SINCE(&was, .refilled = tables);
		zap(vma, 0, tables * PMD);
		shrink();
		spared += !tables_since(&was).vm;
		shrink();
		EXPECT_SINCE(&was, .vm = -tables, .refilled = tables, .shrinker = tables);
	}
	TH_LOG("spared %ld times in %ld tries", spared, tries);
	EXPECT_LT(0, spared);
}

/* For the shrinker only, in a cgroup; else the test is skipped. */
static bool begin_with_cgroup(struct __test_metadata *_metadata)
{
	if (!reclaim_begin("1"))
		SKIP(return false, NO_RECLAIM);
	if (!cgroup_here())
		SKIP(return false, NO_CGROUP);
	ASSERT_TRUE(cgroup_create());
	return true;
}

/* In the cgroup: has empty tables and stops until it may end. */
static pid_t start_with_tables(struct __test_metadata *_metadata, size_t tables)
{
	pid_t pid = child();

	if (!pid) {
		if (!cgroup_enter())
			_exit(1);
		/* fork may leave some without an entry */
		reclaim_tables_of(getpid(), "1");
		empty_tables(tables);
		raise(SIGSTOP);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, NULL, WUNTRACED));
	return pid;
}

static void end(struct __test_metadata *_metadata, pid_t pid)
{
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
}

/* Reclaim in a cgroup frees what was charged to it. */
TEST_F(stock, cgroup)
{
	static const char * const files[] = { "memory.reclaim", "memory.high" };
	struct tables was;
	long tables;
	pid_t pid;
	int i, try;

	if (!begin_with_cgroup(_metadata))
		return;
	empty_tables(TABLES);
	for (i = 0; i < 2; i++) {
		pid = start_with_tables(_metadata, TABLES);
		tables = tables_of(pid);
		tables_read(&was);
		for (try = 0; try < 20 && tables_of(pid) > tables - TABLES; try++)
			cgroup_set(files[i], i ? "0" : "64M");
		EXPECT_EQ(tables - TABLES, tables_of(pid)) {
			TH_LOG("with %s", files[i]);
		}
		EXPECT_SINCE(&was, .empty = -TABLES, .shrinker = TABLES);
		cgroup_set("memory.high", "max");
		end(_metadata, pid);
	}
	tables_read(&was);
	shrink_tables();
	EXPECT_SINCE(&was, .vm = -TABLES, .empty = -TABLES, .shrinker = TABLES);
	EXPECT_EQ(0, cgroup_leak());
}

#define MMS_AT_ONCE	256	/* address spaces that a pass of the shrinker looks at */

/* The first half of twice as many has an empty table each, the others have had one. */
static void have_been_empty(void)
{
	pid_t pids[2 * MMS_AT_ONCE];
	bool ok = cgroup_enter();
	int i;

	for (i = 0; i < 2 * MMS_AT_ONCE; i++) {
		pids[i] = child();
		if (!pids[i]) {
			char *vma;

			reclaim_tables_of(getpid(), "1");
			vma = empty_tables(1);
			if (i >= MMS_AT_ONCE)
				touch(vma);
			raise(SIGSTOP);
			_exit(0);
		}
		ok = ok && waitpid(pids[i], NULL, WUNTRACED) == pids[i];
	}
	raise(ok ? SIGSTOP : SIGKILL);
	for (i = 0; i < 2 * MMS_AT_ONCE; i++) {
		kill(pids[i], SIGCONT);
		ok = child_ok(pids[i]) && ok;
	}
	_exit(!ok);
}

/* Those that have one are counted, and scanned. */
TEST_F(stock, more_than_at_once)
{
	struct tables was;
	int status;
	pid_t pid;

	if (!begin_with_cgroup(_metadata))
		return;
	tables_read(&was);
	pid = child();
	if (!pid)
		have_been_empty();
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	EXPECT_SINCE(&was, .empty = MMS_AT_ONCE, .refilled = MMS_AT_ONCE);
	shrink_tables();
	EXPECT_SINCE(&was, .shrinker = MMS_AT_ONCE, .refilled = MMS_AT_ONCE);
	end(_metadata, pid);
}

/* The tables of a process belong to two groups, and are used and empty by turns. */
TEST_F(stock, two_groups)
{
	char *inherited;
	long tables;
	pid_t pid;
	int try;

	if (!begin_with_cgroup(_metadata))
		return;
	inherited = map_sparse(1);
	touch(inherited);
	pid = child();
	if (!pid) {
		char *vma;

		if (!cgroup_enter())
			_exit(1);
		vma = empty_tables(TABLES);
		touch_sparse(vma, TABLES);
		/* the table is the parent's group's */
		zap(inherited, 0, 1);
		zap(vma, 0, TABLES * PMD);
		raise(SIGSTOP);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, NULL, WUNTRACED));
	tables = tables_of(pid);
	for (try = 0; try < 20 && tables_of(pid) > tables - TABLES; try++)
		cgroup_set("memory.reclaim", "64M");
	EXPECT_GE(tables - TABLES, tables_of(pid));
	end(_metadata, pid);
	EXPECT_EQ(0, cgroup_leak());
}

/* Instead of its empty tables, not in addition to them, a process gets pages. */
TEST_F(stock, limit)
{
	size_t tables = 1024, pages = 512, i;
	pid_t pid;

	if (!begin_with_cgroup(_metadata))
		return;
	pid = child();
	if (!pid) {
		char text[32], *vma = map_small(pages);
		long before;

		EXPECT_TRUE(cgroup_enter());
		empty_tables(tables);
		before = tables_of(getpid());
		snprintf(text, sizeof(text), "%ld",
			 cgroup_get("memory.current", NULL) + (256 << 10));
		EXPECT_EQ(0, cgroup_set("memory.max", text));
		for (i = 0; i < pages; i++) {
			touch(page_at(vma, i));
			/* they are charged until RCU has freed them */
			if (i % 8 == 0)
				usleep(2000);
		}
		EXPECT_GT(before, tables_of(getpid()));
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_EQ(0, cgroup_get("memory.events", "oom_kill"));
	EXPECT_EQ(0, cgroup_leak());
}

/*
 * /proc/<pid>/reclaim_pte_tables
 */

TEST_F(stock, asked_for)
{
	static const char * const bad_values[] = { "0", "2", "-1", "11", "x", "1x", "\n" };
	struct tables was;
	struct stat st;
	size_t i;
	int mode;

	if (!reclaim_begin("1"))
		SKIP(return, NO_RECLAIM);
	ASSERT_EQ(0, stat("/proc/self/reclaim_pte_tables", &st));
	EXPECT_EQ(0222, st.st_mode & 07777);
	/* the upper levels */
	munmap(empty_tables(16), 16 * PMD * page_size);
	for (mode = 0; mode <= 1; mode++) {
		char *vma;

		set_mode(_metadata, mode);
		vma = map_sparse(16);
		touch_sparse(vma, 16);
		tables_read(&was);
		zap(vma, 0, 16 * PMD);
		for (i = 0; i < ARRAY_SIZE(bad_values); i++)
			EXPECT_EQ(-EINVAL, reclaim_tables_of(getpid(), bad_values[i]));
		EXPECT_SINCE(&was, .empty = 16);
		EXPECT_EQ(0, reclaim_tables_of(getpid(), "1\n"));
		EXPECT_SINCE(&was, .vm = -16, .shrinker = 16);
		/* nothing to do */
		EXPECT_EQ(0, reclaim_tables_of(getpid(), "1"));
		EXPECT_SINCE(&was, .vm = -16, .shrinker = 16);
		EXPECT_TRUE(zeroed(page_at(vma, PMD), 2));
	}
}

/* Dumpable again, so that its files in /proc are its own. */
static bool become(uid_t uid)
{
	return !uid || (!setgid(uid) && !setuid(uid) && !prctl(PR_SET_DUMPABLE, 1) &&
			!prctl(PR_SET_PDEATHSIG, SIGKILL));
}

static bool drop_capability(int cap)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data))
		return false;
	data[CAP_TO_INDEX(cap)].effective &= ~CAP_TO_MASK(cap);
	return !syscall(SYS_capset, &header, data);
}

TEST_F(stock, asked_for_by_others)
{
	static const struct {
		uid_t owner, writer;
		bool allowed;
		int dropped;	/* capability of the writer, or 0 */
	} users[] = {
		{ 0, 0, true, 0 }, { 0, 1000, false, 0 }, { 1000, 0, true, 0 },
		{ 1000, 1000, true, 0 }, { 1000, 1001, false, 0 },
		{ 1000, 0, false, CAP_SYS_ADMIN }, { 0, 0, true, CAP_SYS_ADMIN },
		{ 1000, 0, true, CAP_DAC_OVERRIDE },
	};
	size_t i;

	if (!reclaim_begin("0"))
		SKIP(return, NO_RECLAIM);
	for (i = 0; i < ARRAY_SIZE(users); i++) {
		pid_t owner = child(), writer;
		struct tables was;
		long tables;

		if (!owner) {
			/* fork may leave some without an entry */
			reclaim_tables_of(getpid(), "1");
			empty_tables(16);
			if (!become(users[i].owner))
				_exit(1);
			raise(SIGSTOP);
			_exit(0);
		}
		ASSERT_EQ(owner, waitpid(owner, NULL, WUNTRACED));
		tables = tables_of(owner);
		tables_read(&was);
		writer = child();
		if (!writer) {
			int err = 1;

			if (become(users[i].writer) &&
			    (!users[i].dropped || drop_capability(users[i].dropped)))
				err = reclaim_tables_of(owner, "1");

			_exit(users[i].allowed ? err : err != -EPERM && err != -EACCES);
		}
		EXPECT_TRUE(child_ok(writer)) {
			TH_LOG("of user %d, by user %d", users[i].owner, users[i].writer);
		}
		if (users[i].allowed) {
			EXPECT_EQ(tables - 16, tables_of(owner));
			EXPECT_SINCE(&was, .empty = -16, .shrinker = 16);
		} else {
			EXPECT_EQ(tables, tables_of(owner));
			EXPECT_SINCE(&was, .vm = 0);
		}
		end(_metadata, owner);
	}
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* A process that has its mmap_lock most of the time, for long. */
static pid_t start_protecting(void)
{
	size_t len = 32 * PMD * page_size;
	pid_t pid = child();
	char *vma;

	if (pid)
		return pid;
	vma = map_sparse(32);
	madvise(vma, len, MADV_POPULATE_READ);
	for (;;) {
		mprotect(vma, len, PROT_READ);
		mprotect(vma, len, PROT_READ | PROT_WRITE);
	}
}

TEST_F(stock, interrupted)
{
	struct itimerval often = { .it_interval.tv_usec = 2000, .it_value.tv_usec = 2000 };
	struct itimerval never = {};
	struct sigaction action = { .sa_handler = on_alarm };
	unsigned long done = 0, interrupted = 0, other = 0;
	double end;
	pid_t pid;

	if (!reclaim_begin("1"))
		SKIP(return, NO_RECLAIM);
	pid = start_protecting();
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	end = after(8);
	while (seconds() < end && interrupted < 10) {
		int err = reclaim_tables_of(pid, "1");

		done += !err;
		interrupted += err == -EINTR;
		other += err && err != -EINTR;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	TH_LOG("%lu done, %lu interrupted", done, interrupted);
	EXPECT_EQ(0, other);
	EXPECT_LT(0, interrupted);
	EXPECT_EQ(0, reclaim_tables_of(pid, "1"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/*
 * Again and again: nothing is left of many tables, wherever they were counted.
 * CYCLES says how many.
 */

static long cycles_wanted(void)
{
	const char *wanted = getenv("CYCLES");

	return wanted ? atol(wanted) : longer ? 1000000 : 10000;
}

static bool charged_back(long tables)
{
	int try;

	for (try = 0; try < 100; try++) {
		if (cgroup_get("memory.stat", "pagetables") / (long)page_size <= tables)
			return true;
		usleep(100000);
	}
	return false;
}

/* In a process and a group of its own, after which nothing is left. */
static void in_cgroup(struct __test_metadata *_metadata,
		      void (*cycles)(struct __test_metadata *_metadata))
{
	long before;
	pid_t pid;

	if (!cgroup_here())
		SKIP(return, NO_CGROUP);
	ASSERT_TRUE(cgroup_create());
	before = page_tables();
	pid = child();
	if (!pid) {
		long charged;

		EXPECT_TRUE(cgroup_enter());
		cycles(_metadata);
		charged = tables_of(getpid()) + 8;
		EXPECT_TRUE(charged_back(charged));
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_TRUE(page_tables_back(before + 8));
	EXPECT_EQ(0, cgroup_leak());
	EXPECT_GE(8, cgroup_get("memory.stat", "pagetables") / (long)page_size);
}

static void one_by_one(struct __test_metadata *_metadata)
{
	long i, cycles = cycles_wanted();
	char *vma = map_small(2 * PMD);
	struct tables was;

	touch(vma);
	touch(page_at(vma, PMD));
	zap(vma, 0, 2 * PMD);
	tables_read(&was);
	for (i = 0; i < cycles; i++) {
		size_t page = i % (2 * PMD);
		volatile uint64_t *word = (uint64_t *)page_at(vma, page);

		if (*word)
			break;
		/* the zero page is enough, and as fast as it gets */
		if (i % 7 == 0)
			*word = i + 1;
		/* of one page, and of all */
		if (i % 8)
			zap(vma, page, 1);
		else
			zap(vma, 0, 2 * PMD);
	}
	EXPECT_EQ(cycles, i);
	EXPECT_SINCE(&was, .inplace = cycles);
}

TEST_F(stock, cycles)
{
	if (!reclaim_begin("3"))
		SKIP(return, NO_RECLAIM);
	in_cgroup(_metadata, one_by_one);
}

#define AT_ONCE	512

/* By a span for all; or each by small ones, of which the first leaves it an entry. */
static bool use_and_empty(char *vma, size_t tables, bool small)
{
	size_t i, first, second;
	bool done = true;

	touch_sparse(vma, tables);
	if (!small)
		return !zap(vma, 0, tables * PMD);
	for (i = 0; i < tables; i++) {
		first = i * PMD + i % PMD;
		second = i * PMD + (i + 1) % PMD;
		(void)*(volatile char *)page_at(vma, second);
		done &= !zap(vma, first, 1) && !zap(vma, second, 1);
	}
	return done;
}

/* Never in place, and many at once; every other time some of the empty ones are used again. */
static void many_at_once(struct __test_metadata *_metadata)
{
	long cycles = cycles_wanted(), freed = 0, refilled = 0;
	char *vma = map_sparse(AT_ONCE);
	struct tables was;
	int round;

	/* the upper levels, and a table for what set_mode() remembers */
	set_mode(_metadata, 1);
	EXPECT_TRUE(use_and_empty(vma, AT_ONCE, false));
	EXPECT_EQ(0, reclaim_tables_of(getpid(), "1"));
	tables_read(&was);
	for (round = 0; freed < cycles && _metadata->passed; round++) {
		bool small = round & 4;

		set_mode(_metadata, small ? 2 : 1);
		EXPECT_TRUE(use_and_empty(vma, AT_ONCE, small));
		if (round & 2) {
			EXPECT_TRUE(use_and_empty(vma, AT_ONCE / 8, small));
			refilled += AT_ONCE / 8;
		}
		EXPECT_SINCE(&was, .vm = AT_ONCE, .empty = AT_ONCE, .shrinker = freed,
			     .refilled = refilled);
		if (round & 1)
			reclaim_tables_of(getpid(), "1");
		else
			shrink_tables();
		freed += AT_ONCE;
		EXPECT_SINCE(&was, .shrinker = freed, .refilled = refilled);
	}
	TH_LOG("%ld tables, %ld of them refilled", freed, refilled);
}

TEST_F(stock, cycles_at_once)
{
	if (!reclaim_begin("1"))
		SKIP(return, NO_RECLAIM);
	in_cgroup(_metadata, many_at_once);
}
