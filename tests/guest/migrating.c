// SPDX-License-Identifier: GPL-2.0
/*
 * A huge page that migrates to and fro between two nodes while its entry is
 * changed, copied, moved or dropped: by its entry it is always a huge page.
 */
#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "lib/fixture.h"

#define TAG 77

/* Large anonymous folios, which stock does not have. */
static void control(struct __test_metadata *_metadata)
{
	char *vma = map_new(16);

	enable_orders(ORDER(4) | ORDER(pmd_order));
	touch(vma);
	ASSERT_ORDER(4, vma);
	munmap(vma, 16 * page_size);
}

static void migrate(struct actor *a)
{
	void *page = a->vma;
	int node = a->rounds % 2, status = -1;

	syscall(__NR_move_pages, 0, 1UL, &page, &node, &status, MPOL_MF_MOVE);
	a->wrong += status != node;
}

static char *start(struct __test_metadata *_metadata, struct actor *a)
{
	control(_metadata);
	a->act = migrate;
	a->vma = map_new(PMD);
	fill(a->vma, PMD, TAG);
	ASSERT_EQ(pmd_order, mapped_order(a->vma));
	actors_start(a, 1);
	return a->vma;
}

static void stop(struct __test_metadata *_metadata, struct actor *a)
{
	actors_stop(a, 1);
	TH_LOG("%lu migrations, %lu of them in vain", a->rounds, a->wrong);
	EXPECT_EQ(pmd_order, mapped_order(a->vma));
	EXPECT_TRUE(holds(a->vma, PMD, TAG));
	munmap(a->vma, PMD * page_size);
}

TEST_F(laf, mprotect)
{
	size_t len = PMD * page_size;
	struct actor a = {};
	double end;
	char *vma;

	if (!two_nodes())
		SKIP(return, "this test wants a guest with NUMA=2");
	vma = start(_metadata, &a);
	end = after(5);
	while (seconds() < end) {
		ASSERT_EQ(0, mprotect(vma, len, PROT_READ));
		ASSERT_EQ(0, mprotect(vma, len, PROT_READ | PROT_WRITE));
		ASSERT_TRUE(holds(vma, 1, TAG));
	}
	stop(_metadata, &a);
	EXPECT_LT(a.wrong, a.rounds);
}

TEST_F(laf, fork)
{
	struct actor a = {};
	double end;
	char *vma;

	if (!two_nodes())
		SKIP(return, "this test wants a guest with NUMA=2");
	vma = start(_metadata, &a);
	end = after(5);
	while (seconds() < end) {
		pid_t pid = child();

		if (!pid)
			_exit(!holds(vma, 1, TAG));
		ASSERT_TRUE(child_ok(pid));
		ASSERT_TRUE(holds(vma, 1, TAG));
	}
	stop(_metadata, &a);
}

TEST_F(laf, mremap)
{
	size_t len = PMD * page_size;
	struct actor a = {};
	char *vma, *to;
	double end;

	if (!two_nodes())
		SKIP(return, "this test wants a guest with NUMA=2");
	to = reserve(PMD);
	vma = start(_metadata, &a);
	end = after(5);
	while (seconds() < end) {
		ASSERT_EQ(to, mremap(vma, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to));
		ASSERT_TRUE(holds(to, 1, TAG));
		ASSERT_EQ(vma, mremap(to, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, vma));
	}
	stop(_metadata, &a);
}

TEST_F(laf, mlock)
{
	size_t len = PMD * page_size;
	struct actor a = {};
	double end;
	char *vma;

	if (!two_nodes())
		SKIP(return, "this test wants a guest with NUMA=2");
	vma = start(_metadata, &a);
	end = after(5);
	while (seconds() < end) {
		ASSERT_EQ(0, mlock2(vma, len, MLOCK_ONFAULT));
		ASSERT_EQ(0, munlock(vma, len));
	}
	stop(_metadata, &a);
	EXPECT_LT(a.wrong, a.rounds);
}

/* Unmapped on its way, over and over. */
TEST_F(laf, munmap)
{
	struct actor a = {};
	double end;
	char *vma;

	if (!two_nodes())
		SKIP(return, "this test wants a guest with NUMA=2");
	vma = start(_metadata, &a);
	end = after(5);
	while (seconds() < end) {
		madvise(vma, PMD * page_size, MADV_DONTNEED);
		ASSERT_EQ(0, *(volatile char *)page_at(vma, 1));
		map(vma, PMD);
		memset(page_at(vma, 1), 1, 8);
	}
	fill(vma, PMD, TAG);
	stop(_metadata, &a);
}
