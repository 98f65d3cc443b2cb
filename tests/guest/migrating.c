// SPDX-License-Identifier: GPL-2.0
/*
 * A huge page that migrates to and fro between two nodes while its entry is
 * changed, copied, moved or dropped: by its entry it is always a huge page.
 */
#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "lib/fixture.h"

#define TAG 77

static void migrate(struct actor *a)
{
	void *page = a->vma;
	int node = a->rounds % 2, status = -1;

	syscall(__NR_move_pages, 0, 1UL, &page, &node, &status, MPOL_MF_MOVE);
	a->wrong += status != node;
}

/* Does @act to a huge page while @a moves it; false if there is nowhere to go. */
static bool while_it_migrates(struct __test_metadata *_metadata, struct actor *a,
			      void (*act)(struct __test_metadata *_metadata, char *vma))
{
	double end;

	if (!two_nodes())
		SKIP(return false, "this test wants a guest with NUMA=2");
	want_folios(_metadata, ORDER(4) | ORDER(pmd_order));
	a->act = migrate;
	a->vma = map_new(PMD);
	fill(a->vma, PMD, TAG);
	ASSERT_EQ(pmd_order, mapped_order(a->vma));
	actors_start(a, 1);
	end = after(5);
	while (seconds() < end)
		act(_metadata, a->vma);
	return true;
}

static void stop(struct __test_metadata *_metadata, struct actor *a)
{
	actors_stop(a, 1);
	TH_LOG("%lu migrations, %lu of them in vain", a->rounds, a->wrong);
	EXPECT_EQ(pmd_order, mapped_order(a->vma));
	EXPECT_TRUE(holds(a->vma, PMD, TAG));
	munmap(a->vma, PMD * page_size);
}

static void protect(struct __test_metadata *_metadata, char *vma)
{
	ASSERT_EQ(0, mprotect(vma, PMD * page_size, PROT_READ));
	ASSERT_EQ(0, mprotect(vma, PMD * page_size, PROT_READ | PROT_WRITE));
	ASSERT_TRUE(holds(vma, 1, TAG));
}

TEST_F(laf, mprotect)
{
	struct actor a = {};

	if (!while_it_migrates(_metadata, &a, protect))
		return;
	stop(_metadata, &a);
	EXPECT_LT(a.wrong, a.rounds);
}

static void fork_and_look(struct __test_metadata *_metadata, char *vma)
{
	pid_t pid = child();

	if (!pid)
		_exit(!holds(vma, 1, TAG));
	ASSERT_TRUE(child_ok(pid));
	ASSERT_TRUE(holds(vma, 1, TAG));
}

TEST_F(laf, fork)
{
	struct actor a = {};

	if (!while_it_migrates(_metadata, &a, fork_and_look))
		return;
	stop(_metadata, &a);
}

static char *away;

static void move(struct __test_metadata *_metadata, char *vma)
{
	size_t len = PMD * page_size;

	ASSERT_EQ(away, mremap(vma, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, away));
	ASSERT_TRUE(holds(away, 1, TAG));
	ASSERT_EQ(vma, mremap(away, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, vma));
}

TEST_F(laf, mremap)
{
	struct actor a = {};

	away = reserve(PMD);
	if (!while_it_migrates(_metadata, &a, move))
		return;
	stop(_metadata, &a);
}

static void lock(struct __test_metadata *_metadata, char *vma)
{
	ASSERT_EQ(0, mlock2(vma, PMD * page_size, MLOCK_ONFAULT));
	ASSERT_EQ(0, munlock(vma, PMD * page_size));
}

TEST_F(laf, mlock)
{
	struct actor a = {};

	if (!while_it_migrates(_metadata, &a, lock))
		return;
	stop(_metadata, &a);
	EXPECT_LT(a.wrong, a.rounds);
}

/* On its way. */
static void drop(struct __test_metadata *_metadata, char *vma)
{
	madvise(vma, PMD * page_size, MADV_DONTNEED);
	ASSERT_EQ(0, *(volatile char *)page_at(vma, 1));
	map(vma, PMD);
	memset(page_at(vma, 1), 1, 8);
}

TEST_F(laf, munmap)
{
	struct actor a = {};

	if (!while_it_migrates(_metadata, &a, drop))
		return;
	fill(a.vma, PMD, TAG);
	stop(_metadata, &a);
}
