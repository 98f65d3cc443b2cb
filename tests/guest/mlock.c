// SPDX-License-Identifier: GPL-2.0
/*
 * Locked memory gets order 0, and nr_mlock and nr_unevictable come back exactly
 * when it is unlocked: a large folio born locked would never be unlocked again.
 */
#include "lib/fixture.h"

#define PAGES 48

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

static void expect_locked(struct __test_metadata *_metadata,
			  const struct locked *before, long pages)
{
	struct locked now = locked_now();

	EXPECT_EQ(before->mlock + pages, now.mlock);
	EXPECT_EQ(before->unevictable + pages, now.unevictable);
}

static void control(struct __test_metadata *_metadata)
{
	char *vma = map_new(PAGES);

	enable_orders(DEFAULT_ORDERS);
	touch(vma);
	ASSERT_ORDER(4, vma);
	munmap(vma, PAGES * page_size);
}

/* @vma is locked; its pages are small and marked, until they are unlocked. */
static void check_locked(struct __test_metadata *_metadata, char *vma,
			 const struct locked *before)
{
	size_t i;

	for (i = 0; i < PAGES; i++) {
		touch(page_at(vma, i));
		EXPECT_ORDER(0, page_at(vma, i));
	}
	expect_locked(_metadata, before, PAGES);
	for (i = 0; i < PAGES; i += 7) {
		EXPECT_TRUE(page_flag(page_at(vma, i), KPF_UNEVICTABLE));
	}

	ASSERT_EQ(0, munlock(vma, PAGES * page_size));
	expect_locked(_metadata, before, 0);
	for (i = 0; i < PAGES; i += 7) {
		EXPECT_FALSE(page_flag(page_at(vma, i), KPF_MLOCKED));
		EXPECT_FALSE(page_flag(page_at(vma, i), KPF_UNEVICTABLE));
	}
	/* no longer locked: large again */
	ASSERT_EQ(0, madvise(vma, PAGES * page_size, MADV_DONTNEED));
	touch(vma);
	EXPECT_ORDER(4, vma);
}

TEST_F(laf, mlock)
{
	struct locked before;
	char *vma;

	control(_metadata);
	vma = map_new(PAGES);
	before = locked_now();
	ASSERT_EQ(0, mlock(vma, PAGES * page_size));
	check_locked(_metadata, vma, &before);
}

TEST_F(laf, mlock_on_fault)
{
	struct locked before;
	char *vma;

	control(_metadata);
	vma = map_new(PAGES);
	before = locked_now();
	ASSERT_EQ(0, mlock2(vma, PAGES * page_size, MLOCK_ONFAULT));
	EXPECT_EQ(0, present(vma, PAGES));
	touch(page_at(vma, 20));
	EXPECT_EQ(1, present(vma, PAGES));
	check_locked(_metadata, vma, &before);
}

TEST_F(laf, map_locked)
{
	struct locked before;
	char *vma;

	control(_metadata);
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

	control(_metadata);
	vma = reserve(PAGES);
	before = locked_now();
	ASSERT_EQ(0, mlockall(MCL_FUTURE | MCL_ONFAULT));
	map(vma, PAGES);
	check_locked(_metadata, vma, &before);
	ASSERT_EQ(0, munlockall());
}

/* munmap() and exit() without munlock() leave nothing locked either. */
TEST_F(laf, unmap_locked)
{
	struct locked before;
	pid_t pid;
	char *vma;
	size_t i;

	control(_metadata);
	before = locked_now();
	vma = map_new(PAGES);
	ASSERT_EQ(0, mlock(vma, PAGES * page_size));
	expect_locked(_metadata, &before, PAGES);
	ASSERT_EQ(0, munmap(page_at(vma, 5), 20 * page_size));
	expect_locked(_metadata, &before, PAGES - 20);
	ASSERT_EQ(0, munmap(vma, PAGES * page_size));
	expect_locked(_metadata, &before, 0);

	pid = child();
	if (!pid) {
		vma = map_new(PAGES);
		EXPECT_EQ(0, mlock(vma, PAGES * page_size));
		for (i = 0; i < PAGES; i++)
			touch(page_at(vma, i));
		expect_locked(_metadata, &before, PAGES);
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	expect_locked(_metadata, &before, 0);
}
