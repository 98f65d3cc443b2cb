// SPDX-License-Identifier: GPL-2.0
/*
 * Large folios in locked memory: nr_mlock and nr_unevictable are the pages that
 * are locked, whatever was locked, unlocked, unmapped, moved, copied or split,
 * and in whichever order; and nothing stays marked that is no longer locked.
 */
#include <fcntl.h>

#include "lib/fixture.h"

#define PAGES 64
#define FOLIO 16	/* pages of order 4 */

struct locked {
	long mlock, unevictable;
};

static struct locked locked_now(void)
{
	struct locked now;

	drain();
	now.mlock = vmstat("nr_mlock");
	now.unevictable = vmstat("nr_unevictable");
	return now;
}

#define EXPECT_LOCKED(before, pages) do {				\
	struct locked __now = locked_now();				\
	long __pages = (pages);						\
	EXPECT_EQ(__pages, __now.mlock - (before)->mlock);		\
	EXPECT_EQ(__pages, __now.unevictable - (before)->unevictable);	\
} while (0)

/* The present pages of the range whose folios are marked. */
static size_t marked(char *vma, size_t pages)
{
	size_t i, nr = 0;

	for (i = 0; i < pages; i++)
		nr += folio_flag(page_at(vma, i), KPF_MLOCKED) &&
		      folio_flag(page_at(vma, i), KPF_UNEVICTABLE);
	return nr;
}

/* What is not marked must not look half-way so either. */
static size_t flagged(char *vma, size_t pages)
{
	size_t i, nr = 0;

	for (i = 0; i < pages; i++)
		nr += folio_flag(page_at(vma, i), KPF_MLOCKED) ||
		      folio_flag(page_at(vma, i), KPF_UNEVICTABLE);
	return nr;
}

static void lock(struct __test_metadata *_metadata, char *vma, size_t from, size_t to)
{
	ASSERT_EQ(0, mlock(page_at(vma, from), (to - from) * page_size));
}

static void unlock(struct __test_metadata *_metadata, char *vma, size_t from, size_t to)
{
	ASSERT_EQ(0, munlock(page_at(vma, from), (to - from) * page_size));
}

/* Memory in folios of order 4 that nobody has locked yet. */
static char *large(struct __test_metadata *_metadata)
{
	char *vma = map_new(PAGES);

	enable_orders(ORDER(4));
	fill(vma, PAGES, 7);
	ASSERT_ORDER(4, vma);
	ASSERT_ORDER(4, page_at(vma, PAGES - 1));
	return vma;
}

static char *large_locked(struct __test_metadata *_metadata, struct locked *before)
{
	char *vma = large(_metadata);

	*before = locked_now();
	lock(_metadata, vma, 0, PAGES);
	EXPECT_LOCKED(before, PAGES);
	return vma;
}

/* Its folio cannot be split until the file is closed. */
static int pin(struct __test_metadata *_metadata, char *page)
{
	int fd = hold(page);

	ASSERT_LE(0, fd);
	return fd;
}

static void split(char *vma, size_t pages)
{
	char text[96];

	snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", getpid(), (long)vma,
		 (long)page_at(vma, pages));
	write_file("/sys/kernel/debug/split_huge_pages", text);
}

/* @vma is locked and present; it is marked in large folios until it is unlocked. */
static void check_locked(struct __test_metadata *_metadata, char *vma,
			 const struct locked *before)
{
	size_t i;

	for (i = 0; i < PAGES; i++) {
		touch(page_at(vma, i));
		EXPECT_ORDER(4, page_at(vma, i));
	}
	EXPECT_LOCKED(before, PAGES);
	EXPECT_EQ(PAGES, marked(vma, PAGES));
	EXPECT_EQ(PAGES * page_size >> 10, smaps(vma, PAGES, "Locked"));

	ASSERT_EQ(0, munlock(vma, PAGES * page_size));
	EXPECT_LOCKED(before, 0);
	EXPECT_EQ(0, flagged(vma, PAGES));
	EXPECT_EQ(0, smaps(vma, PAGES, "Locked"));
	for (i = 0; i < PAGES; i += FOLIO) {
		EXPECT_ORDER(4, page_at(vma, i));
	}
}

TEST_F(laf, mlock)
{
	struct locked before;
	char *vma;

	want_folios(_metadata, ORDER(4));
	vma = map_new(PAGES);
	before = locked_now();
	lock(_metadata, vma, 0, PAGES);
	check_locked(_metadata, vma, &before);
}

/* Each order in turn; the second time the folios are there already. */
TEST_F(laf, each_order)
{
	struct locked before;
	int order;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		size_t pages = 512;
		char *vma = map_new(pages);

		enable_orders(ORDER(order));
		before = locked_now();
		lock(_metadata, vma, 0, pages);
		ASSERT_ORDER(order, vma);
		EXPECT_LOCKED(&before, pages);
		unlock(_metadata, vma, 0, pages);
		EXPECT_LOCKED(&before, 0);
		lock(_metadata, vma, 0, pages);
		EXPECT_LOCKED(&before, pages);
		EXPECT_ORDER(order, page_at(vma, pages - 1));
		munmap(vma, pages * page_size);
		EXPECT_LOCKED(&before, 0);
	}
}

TEST_F(laf, mlock_on_fault)
{
	struct locked before;
	char *vma;

	want_folios(_metadata, ORDER(4));
	vma = map_new(PAGES);
	before = locked_now();
	ASSERT_EQ(0, mlock2(vma, PAGES * page_size, MLOCK_ONFAULT));
	EXPECT_EQ(0, present(vma, PAGES));
	touch(page_at(vma, 20));
	EXPECT_EQ(FOLIO, present(vma, PAGES));
	EXPECT_LOCKED(&before, FOLIO);
	check_locked(_metadata, vma, &before);
}

TEST_F(laf, map_locked)
{
	struct locked before;
	char *vma;

	want_folios(_metadata, ORDER(4));
	vma = reserve(PAGES);
	before = locked_now();
	vma = mmap(vma, PAGES * page_size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_LOCKED, -1, 0);
	ASSERT_NE(MAP_FAILED, vma);
	check_locked(_metadata, vma, &before);
}

TEST_F(laf, mlockall_future)
{
	struct locked before;
	char *vma;

	want_folios(_metadata, ORDER(4));
	vma = reserve(PAGES);
	before = locked_now();
	ASSERT_EQ(0, mlockall(MCL_FUTURE | MCL_ONFAULT));
	map(vma, PAGES);
	check_locked(_metadata, vma, &before);
	ASSERT_EQ(0, munlockall());
}

/* Its other memory is locked as well, so only flags and the difference count. */
TEST_F(laf, mlockall_current)
{
	char *vma = large(_metadata);
	struct locked before = locked_now(), with, without;

	ASSERT_EQ(0, mlockall(MCL_CURRENT));
	with = locked_now();
	EXPECT_EQ(PAGES, marked(vma, PAGES));
	EXPECT_ORDER(4, vma);
	munmap(vma, PAGES * page_size);
	without = locked_now();
	EXPECT_EQ(PAGES, with.mlock - without.mlock);
	EXPECT_EQ(PAGES, with.unevictable - without.unevictable);
	ASSERT_EQ(0, munlockall());
	EXPECT_LOCKED(&before, 0);
}

/* munmap() and exit() without munlock() leave nothing locked either. */
TEST_F(laf, unmap)
{
	struct locked before;
	pid_t pid;
	char *vma = large_locked(_metadata, &before);

	ASSERT_EQ(0, munmap(page_at(vma, 5), 20 * page_size));
	EXPECT_LOCKED(&before, PAGES - 20);
	EXPECT_EQ(5, marked(vma, 5));
	EXPECT_EQ(PAGES - 25, marked(page_at(vma, 25), PAGES - 25));
	EXPECT_ORDER(0, vma);
	EXPECT_ORDER(0, page_at(vma, 25));
	EXPECT_ORDER(4, page_at(vma, 32));
	ASSERT_EQ(0, munmap(vma, PAGES * page_size));
	EXPECT_LOCKED(&before, 0);

	pid = child();
	if (!pid) {
		large_locked(_metadata, &before);
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_LOCKED(&before, 0);
}

/* Parts of folios: those that lie across a limit become small, the others do not. */
TEST_F(laf, part)
{
	char *vma = large(_metadata);
	struct locked before = locked_now();

	lock(_metadata, vma, 20, 60);
	EXPECT_LOCKED(&before, 40);
	EXPECT_EQ(40, marked(page_at(vma, 20), 40));
	EXPECT_EQ(0, flagged(vma, 20));
	EXPECT_EQ(0, flagged(page_at(vma, 60), 4));
	EXPECT_ORDER(4, vma);
	EXPECT_ORDER(0, page_at(vma, 20));
	EXPECT_ORDER(4, page_at(vma, 40));
	EXPECT_ORDER(0, page_at(vma, 59));

	unlock(_metadata, vma, 36, 64);
	EXPECT_LOCKED(&before, 16);
	EXPECT_EQ(16, marked(page_at(vma, 20), 16));
	EXPECT_EQ(0, flagged(page_at(vma, 36), 28));
	EXPECT_ORDER(0, page_at(vma, 40));

	lock(_metadata, vma, 0, PAGES);
	EXPECT_LOCKED(&before, PAGES);
	EXPECT_TRUE(holds(vma, PAGES, 7));
	unlock(_metadata, vma, 0, PAGES);
	EXPECT_LOCKED(&before, 0);
	EXPECT_EQ(0, flagged(vma, PAGES));
}

/* Only what is written there changes; the limits move with each call. */
TEST_F(laf, protect)
{
	struct locked before;
	char *vma = large_locked(_metadata, &before);

	ASSERT_EQ(0, mprotect(page_at(vma, 5), 6 * page_size, PROT_READ));
	EXPECT_LOCKED(&before, PAGES);
	/* into the VMA behind it, without a new one */
	ASSERT_EQ(0, mprotect(page_at(vma, 35), 29 * page_size, PROT_READ));
	ASSERT_EQ(0, mprotect(page_at(vma, 27), 8 * page_size, PROT_READ));
	EXPECT_LOCKED(&before, PAGES);
	munmap(page_at(vma, 27), 37 * page_size);
	EXPECT_LOCKED(&before, 27);
	EXPECT_EQ(27, marked(vma, 27));
	unlock(_metadata, vma, 5, 11);
	EXPECT_LOCKED(&before, 21);
	munmap(vma, PAGES * page_size);
	EXPECT_LOCKED(&before, 0);
}

/* Whole, then to an address that is not aligned, at the end in another table. */
TEST_F(laf, remap)
{
	char *to = reserve(PAGES), *far = page_at(reserve(1024), 512 - 24);
	struct locked before;
	char *vma = large_locked(_metadata, &before);

	ASSERT_EQ(to, mremap(vma, PAGES * page_size, PAGES * page_size,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_LOCKED(&before, PAGES);
	EXPECT_ORDER(4, to);
	unlock(_metadata, to, 0, PAGES);
	EXPECT_LOCKED(&before, 0);
	EXPECT_ORDER(4, to);
	lock(_metadata, to, 0, PAGES);
	ASSERT_EQ(far, mremap(to, PAGES * page_size, PAGES * page_size,
			      MREMAP_MAYMOVE | MREMAP_FIXED, far));
	EXPECT_LOCKED(&before, PAGES);
	unlock(_metadata, far, 0, PAGES);
	EXPECT_LOCKED(&before, 0);
	EXPECT_EQ(0, flagged(far, PAGES));
	lock(_metadata, far, 0, PAGES);
	EXPECT_LOCKED(&before, PAGES);
	EXPECT_TRUE(holds(far, PAGES, 7));
	munmap(far, PAGES * page_size);
	EXPECT_LOCKED(&before, 0);
}

/* A piece goes elsewhere, and each of both goes on by itself. */
TEST_F(laf, remap_part)
{
	char *to = reserve(PAGES);
	struct locked before;
	char *vma = large_locked(_metadata, &before);

	ASSERT_EQ(to, mremap(page_at(vma, 5), 30 * page_size, 30 * page_size,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_LOCKED(&before, PAGES);
	munmap(to, 30 * page_size);
	EXPECT_LOCKED(&before, PAGES - 30);
	EXPECT_EQ(5, marked(vma, 5));
	EXPECT_EQ(PAGES - 35, marked(page_at(vma, 35), PAGES - 35));
	unlock(_metadata, vma, 0, 5);
	unlock(_metadata, vma, 35, PAGES);
	EXPECT_LOCKED(&before, 0);
	EXPECT_EQ(0, flagged(vma, 5));
}

TEST_F(laf, dontneed_part)
{
	struct locked before;
	char *vma = large_locked(_metadata, &before);

	ASSERT_EQ(0, madvise(page_at(vma, 7), 30 * page_size, MADV_DONTNEED_LOCKED));
	EXPECT_LOCKED(&before, PAGES - 30);
	EXPECT_EQ(7, marked(vma, 7));
	EXPECT_EQ(PAGES - 37, marked(page_at(vma, 37), PAGES - 37));
	/* born locked, beside what is left */
	touch(page_at(vma, 20));
	EXPECT_ORDER(4, page_at(vma, 20));
	EXPECT_LOCKED(&before, PAGES - 30 + FOLIO);
	unlock(_metadata, vma, 0, PAGES);
	EXPECT_LOCKED(&before, 0);
}

/* A huge page loses its mark when its pmd is split: what stays is counted all the same. */
TEST_F(laf, huge_part)
{
	struct locked before;
	size_t pages = 2 * PMD;
	char *vma = map_new(pages);

	thp_mode("never"); /* without sizes of their own there are none then */
	enable_orders(ORDER(pmd_order));
	fill(vma, pages, 7);
	ASSERT_ORDER(pmd_order, vma);
	ASSERT_ORDER(pmd_order, page_at(vma, PMD));
	before = locked_now();
	lock(_metadata, vma, 0, pages);
	EXPECT_LOCKED(&before, pages);
	ASSERT_EQ(0, munmap(page_at(vma, 100), 30 * page_size));
	EXPECT_LOCKED(&before, pages - 30);
	ASSERT_EQ(0, madvise(page_at(vma, PMD + 7), 30 * page_size, MADV_DONTNEED_LOCKED));
	EXPECT_LOCKED(&before, pages - 60);
	EXPECT_TRUE(holds(vma, 100, 7));
	ASSERT_EQ(0, munlock(vma, 100 * page_size));
	EXPECT_LOCKED(&before, pages - 160);
	ASSERT_EQ(0, munmap(vma, pages * page_size));
	EXPECT_LOCKED(&before, 0);
}

/* fork() does not lock; a write copies a page, and what is left stays locked. */
TEST_F(laf, fork)
{
	struct locked before;
	char *vma = large_locked(_metadata, &before);
	pid_t pid = child();

	if (!pid) {
		raise(SIGSTOP);
		fill(page_at(vma, 40), 10, 9);
		_exit(!holds(vma, 40, 7));
	}
	waitpid(pid, NULL, WUNTRACED);
	EXPECT_LOCKED(&before, PAGES);
	touch(page_at(vma, 3)); /* a byte that is zero anyway */
	EXPECT_LOCKED(&before, PAGES);
	EXPECT_EQ(PAGES, marked(vma, PAGES));
	EXPECT_ORDER(0, page_at(vma, 5));
	EXPECT_ORDER(4, page_at(vma, 20));
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
	EXPECT_LOCKED(&before, PAGES);
	EXPECT_TRUE(holds(vma, PAGES, 7));
	unlock(_metadata, vma, 0, PAGES);
	EXPECT_LOCKED(&before, 0);
	EXPECT_EQ(0, flagged(vma, PAGES));
}

/* Two have the same folios locked, one of them twice in a row. */
TEST_F(laf, shared)
{
	struct locked before;
	char *vma = large_locked(_metadata, &before);
	pid_t pid = child();

	if (!pid) {
		/* read-only, or mlock() would copy */
		ASSERT_EQ(0, mprotect(vma, PAGES * page_size, PROT_READ));
		lock(_metadata, vma, 0, PAGES);
		EXPECT_LOCKED(&before, PAGES);
		EXPECT_ORDER(4, vma);
		unlock(_metadata, vma, 0, PAGES);
		EXPECT_LOCKED(&before, PAGES);
		lock(_metadata, vma, 0, PAGES);
		raise(SIGSTOP);
		_exit(!_metadata->passed);
	}
	waitpid(pid, NULL, WUNTRACED);
	unlock(_metadata, vma, 0, PAGES);
	EXPECT_LOCKED(&before, PAGES);
	EXPECT_EQ(PAGES, marked(vma, PAGES));
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
	EXPECT_LOCKED(&before, 0);
	EXPECT_EQ(0, flagged(vma, PAGES));
}

TEST_F(laf, split)
{
	struct locked before;
	char *vma = large_locked(_metadata, &before);

	split(vma, PAGES);
	EXPECT_ORDER(0, vma);
	EXPECT_ORDER(0, page_at(vma, PAGES - 1));
	EXPECT_LOCKED(&before, PAGES);
	EXPECT_EQ(PAGES, marked(vma, PAGES));
	unlock(_metadata, vma, 0, PAGES);
	EXPECT_LOCKED(&before, 0);
	EXPECT_EQ(0, flagged(vma, PAGES));
}

/*
 * A folio that cannot be split is not marked unless it is locked as a whole; its
 * pages get their marks with the split.
 */
TEST_F(laf, pinned)
{
	char *vma = large(_metadata);
	struct locked before = locked_now();
	int pipe;

	pipe = pin(_metadata, page_at(vma, 3));
	lock(_metadata, vma, 0, 8);
	EXPECT_ORDER(4, vma);
	EXPECT_LOCKED(&before, 0);
	EXPECT_EQ(8 * page_size >> 10, smaps(vma, 8, "Locked"));
	unlock(_metadata, vma, 0, 8);
	EXPECT_LOCKED(&before, 0);

	lock(_metadata, vma, 0, PAGES);
	EXPECT_LOCKED(&before, PAGES);
	/* each leaves the mark of a folio that it has only a part of */
	unlock(_metadata, vma, 0, 4);
	EXPECT_ORDER(4, vma);
	EXPECT_LOCKED(&before, PAGES - FOLIO);
	EXPECT_EQ(0, flagged(vma, FOLIO));
	munmap(page_at(vma, 14), 2 * page_size);
	EXPECT_LOCKED(&before, PAGES - FOLIO);

	close(pipe);
	split(vma, PAGES);
	EXPECT_LOCKED(&before, PAGES - 6);
	EXPECT_EQ(0, flagged(vma, 4));
	EXPECT_EQ(10, marked(page_at(vma, 4), 10));
	munmap(vma, PAGES * page_size);
	EXPECT_LOCKED(&before, 0);
}

/* What is left of a pinned folio is not taken for locked. */
TEST_F(laf, pinned_unmap)
{
	struct locked before;
	char *vma = large_locked(_metadata, &before);
	int pipe;

	pipe = pin(_metadata, page_at(vma, 3));
	munmap(page_at(vma, 8), 4 * page_size);
	EXPECT_LOCKED(&before, PAGES - FOLIO);
	EXPECT_EQ(0, flagged(vma, 8));
	unlock(_metadata, vma, 0, 8);
	unlock(_metadata, vma, 12, PAGES);
	EXPECT_LOCKED(&before, 0);
	close(pipe);
}

/* With memory short nothing of it goes, and marks that are missing come back. */
TEST_F(laf, reclaim)
{
	struct locked before, now;
	int pipe;
	pid_t pid;
	char *vma;
	int try;

	want_folios(_metadata, ORDER(4));
	ASSERT_TRUE(cgroup_create());
	pid = child();
	if (!pid) {
		ASSERT_TRUE(cgroup_enter());
		ASSERT_TRUE(swap_on(4096));
		vma = large(_metadata);
		before = locked_now();
		lock(_metadata, vma, 0, FOLIO + 8);
		EXPECT_LOCKED(&before, FOLIO + 8);
		/* the child takes the mark along; then it is whole here again */
		pipe = pin(_metadata, vma);
		pid = child();
		if (!pid) {
			mprotect(vma, FOLIO * page_size, PROT_READ);
			mlock(vma, FOLIO * page_size);
			madvise(vma, page_size, MADV_DONTNEED_LOCKED);
			madvise(page_at(vma, 1), page_size, MADV_DONTNEED_LOCKED);
			_exit(0);
		}
		EXPECT_TRUE(child_ok(pid));
		EXPECT_LOCKED(&before, 8);
		close(pipe);
		for (try = 0; try < 50; try++) {
			cgroup_set("memory.reclaim", "4M");
			now = locked_now();
			if (now.mlock - before.mlock == FOLIO + 8 &&
			    smaps(vma, PAGES, "Swap"))
				break;
		}
		EXPECT_LOCKED(&before, FOLIO + 8);
		EXPECT_EQ(FOLIO + 8, present(vma, FOLIO + 8));
		EXPECT_EQ(FOLIO + 8, marked(vma, FOLIO + 8));
		EXPECT_LT(0, smaps(vma, PAGES, "Swap"));
		EXPECT_ORDER(4, vma);
		EXPECT_TRUE(holds(vma, PAGES, 7));
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_EQ(0, cgroup_leak());
}
