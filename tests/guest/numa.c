// SPDX-License-Identifier: GPL-2.0
/*
 * Large folios between two nodes (a guest with NUMA=2). A target node that is
 * full makes a migration fail; it is no reason to kill a process.
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "lib/fixture.h"

#define PAGES 4096	/* more than the watermarks of a full node leave */

static long node_free(int node)
{
	char path[64], text[4096], *line;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
	if (read_file(path, text, sizeof(text)) <= 0)
		return -1;
	line = strstr(text, "MemFree:");
	return line ? strtol(line + strlen("MemFree:"), NULL, 10) / (page_size >> 10) : -1;
}

/* Order 0: small pages. */
static char *filled_on_node0(struct __test_metadata *_metadata, int order)
{
	char *vma = map_new(PAGES);
	size_t i;

	ASSERT_LT(0, node_free(1)) {
		TH_LOG("this test wants a guest with NUMA=2");
	}
	pin_cpu(0);
	enable_orders(order ? ORDER(order) : 0);
	if (!order)
		madvise(vma, PAGES * page_size, MADV_NOHUGEPAGE);
	ASSERT_EQ(0, bind_to(vma, PAGES, 0, 0));
	fill(vma, PAGES, order);
	for (i = 0; i < PAGES; i += 64) {
		ASSERT_ORDER(order, page_at(vma, i));
		ASSERT_EQ(0, node_of(page_at(vma, i)));
	}
	return vma;
}

/* With room on the other node all pages move, and stay in their folios. */
TEST_F(laf, bind)
{
	int order;
	size_t i;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		char *vma = filled_on_node0(_metadata, order);

		EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE));
		for (i = 0; i < PAGES; i += 64) {
			EXPECT_EQ(1, node_of(page_at(vma, i)));
			EXPECT_ORDER(order, page_at(vma, i));
		}
		EXPECT_TRUE(holds(vma, PAGES, order));
		munmap(vma, PAGES * page_size);
	}
}

TEST_F(laf, move_pages)
{
	char *vma = filled_on_node0(_metadata, 4);
	void *pages[PAGES / 16];
	int nodes[PAGES / 16], status[PAGES / 16];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		pages[i] = page_at(vma, i * 16);
		nodes[i] = 1;
	}
	EXPECT_EQ(0, syscall(__NR_move_pages, 0, ARRAY_SIZE(pages), pages, nodes,
			     status, MPOL_MF_MOVE));
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		EXPECT_EQ(1, status[i]);
		EXPECT_EQ(1, node_of(pages[i]));
	}
	EXPECT_TRUE(holds(vma, PAGES, 4));
}

/* All pages of each folio are named, and each is told where it is. */
TEST_F(laf, move_each_page)
{
	char *vma = filled_on_node0(_metadata, 4);
	void *pages[256];
	int nodes[256], status[256];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		pages[i] = page_at(vma, i);
		nodes[i] = 1;
		status[i] = -1;
	}
	EXPECT_EQ(0, syscall(__NR_move_pages, 0, ARRAY_SIZE(pages), pages, nodes,
			     status, MPOL_MF_MOVE));
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		EXPECT_EQ(1, status[i]);
		EXPECT_EQ(1, node_of(pages[i]));
	}
	EXPECT_ORDER(4, vma);
	EXPECT_TRUE(holds(vma, PAGES, 4));
}

/* Strict about pages that do not move: a folio that does is no failure. */
TEST_F(laf, bind_strict)
{
	int order;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		char *vma = filled_on_node0(_metadata, order);

		madvise(vma, page_size, MADV_DONTNEED);
		EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
		EXPECT_EQ(1, node_of(page_at(vma, 1)));
		EXPECT_EQ(1, node_of(page_at(vma, PAGES - 1)));
		EXPECT_TRUE(zeroed(vma, 1));
		munmap(vma, PAGES * page_size);
	}
}

/* A migration that fails leaves the folio as it was: nobody splits it later. */
TEST_F(laf, failed_migration)
{
	char *vma = filled_on_node0(_metadata, 4), text[4096];
	int fd = hold(page_at(vma, 5)), node = 1, status = -1, try;
	void *page = vma;

	ASSERT_LE(0, fd);
	syscall(__NR_move_pages, 0, 1UL, &page, &node, &status, MPOL_MF_MOVE);
	EXPECT_EQ(0, node_of(vma));
	ASSERT_EQ(sizeof(text), read(fd, text, sizeof(text)));
	for (try = 0; try < 3; try++)
		write_file("/proc/sys/vm/drop_caches", "2");
	EXPECT_ORDER(4, vma);
	EXPECT_TRUE(holds(vma, PAGES, 4));
}

/*
 * Without room in one piece folios are split, and their pages move. One that is in
 * use and cannot be split stays behind, alone.
 */
TEST_F(laf, held_among_others)
{
	int order;
	size_t i;

	for (order = 2; order < pmd_order; order++) {
		char *vma = filled_on_node0(_metadata, order);
		int fd = hold(vma);

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, fail_from(MIN_ORDER, 100));
		fail_me(true);
		bind_to(vma, PAGES, 1, MPOL_MF_MOVE);
		fail_me(false);
		EXPECT_EQ(0, node_of(vma));
		EXPECT_ORDER(order, vma);
		for (i = ORDER(order); i < PAGES; i += 64) {
			EXPECT_EQ(1, node_of(page_at(vma, i)));
		}
		EXPECT_TRUE(holds(vma, PAGES, order));
		close(fd);
		munmap(vma, PAGES * page_size);
	}
}

#define LEFT 1600	/* less than PAGES, more than the watermarks */

/* Takes pieces of @node until @left pages are free, or others come from elsewhere. */
static void take(int node, size_t pages, long left)
{
	unsigned long mask = 1UL << node;
	long least = node_free(node), now = least;
	int in_vain = 0;

	while (in_vain < 16 && now > left) {
		char *vma = map_new(pages);

		syscall(__NR_mbind, vma, pages * page_size, MPOL_PREFERRED, &mask, 64, 0);
		mlock(vma, pages * page_size);
		now = node_free(node);
		in_vain = now < least ? 0 : in_vain + 1;
		least = now < least ? now : least;
	}
}

/*
 * A child's locked memory fills @node but for @left pages, until SIGCONT. It shares
 * nothing of @vma.
 */
static pid_t fill_node(int node, char *vma, long left)
{
	pid_t pid = child();

	if (!pid) {
		munmap(vma, PAGES * page_size);
		enable_orders(ORDER(pmd_order));
		take(node, ORDER(pmd_order), left + 2 * PAGES);
		enable_orders(0);
		/* khugepaged raises it to more than PAGES */
		setting("/proc/sys/vm/min_free_kbytes", "4096");
		take(node, 64, left);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);
	return pid;
}

static void bind_all(struct __test_metadata *_metadata, char *vma)
{
	(void)_metadata;
	/* moves what fits into the last free pages: nothing, where they are in pieces */
	bind_to(vma, PAGES, 1, MPOL_MF_MOVE);
}

/* Success means that all have moved; a number, that no more have stayed behind. */
static void move_all(struct __test_metadata *_metadata, char *vma)
{
	static void *pages[PAGES];
	static int nodes[PAGES], status[PAGES];
	size_t i, behind;
	long left;

	for (i = 0; i < PAGES; i++) {
		pages[i] = page_at(vma, i);
		nodes[i] = 1;
	}
	left = syscall(__NR_move_pages, 0, (long)PAGES, pages, nodes, status, MPOL_MF_MOVE);
	if (left < 0)
		left = -errno;
	behind = on_node(vma, PAGES, 0);
	TH_LOG("move_pages() returned %ld, %zu pages are behind", left, behind);
	if (left < 0) {
		EXPECT_EQ(-ENOMEM, left);
		EXPECT_LT(0, behind);
	} else {
		EXPECT_LE(behind, left);
		EXPECT_GE(PAGES, left);
	}
}

/* Compaction, which a full node sets off, has a page on its way for a moment. */
static size_t present_soon(char *vma)
{
	int try;

	for (try = 0; try < 50 && present(vma, PAGES) != PAGES; try++)
		usleep(10000);
	return present(vma, PAGES);
}

/* False if all of it has found room after all. */
static bool move_to_full_node(struct __test_metadata *_metadata, int order, long left,
			      void (*move)(struct __test_metadata *_metadata, char *vma))
{
	char *vma = filled_on_node0(_metadata, order);
	long kills = vmstat("oom_kill");
	bool was_full;
	pid_t hog;

	hog = fill_node(1, vma, left);
	madvise(vma, PAGES * page_size, MADV_HUGEPAGE);
	move(_metadata, vma);
	was_full = node_of(page_at(vma, PAGES - 1)) == 0;
	EXPECT_EQ(kills, vmstat("oom_kill"));
	EXPECT_TRUE(holds(vma, PAGES, order));
	EXPECT_EQ(PAGES, present_soon(vma));
	EXPECT_EQ(0, kill(hog, SIGCONT));
	EXPECT_TRUE(child_ok(hog));
	munmap(vma, PAGES * page_size);
	return was_full;
}

/* Reclaim may make room meanwhile: then with less. */
static void full_node(struct __test_metadata *_metadata, int order,
		      void (*move)(struct __test_metadata *_metadata, char *vma))
{
	long left = LEFT;

	while (left > LEFT / 8 && !move_to_full_node(_metadata, order, left, move))
		left /= 2;
	EXPECT_LT(LEFT / 8, left);
}

TEST_F(laf, full_node_order_2)
{
	full_node(_metadata, 2, bind_all);
}

TEST_F(laf, full_node_order_3)
{
	full_node(_metadata, 3, bind_all);
}

TEST_F(laf, full_node_order_4)
{
	full_node(_metadata, 4, bind_all);
}

/* The target is on that node or nowhere. */
TEST_F(laf, full_node_move_pages)
{
	full_node(_metadata, 4, move_all);
}

TEST_F(stock, full_node_move_small)
{
	full_node(_metadata, 0, move_all);
}

/* Where the node at hand is full: small pages of the other one, and no folio. */
TEST_F(laf, local_or_small)
{
	char *there = filled_on_node0(_metadata, 4), *vma = map_new(16 * PAGES);
	size_t remote = 0, large = 0, i;
	pid_t hog = fill_node(0, there, LEFT);

	enable_orders(ORDER(4));
	pin_cpu(0);
	/* reclaim may make room meanwhile */
	for (i = 0; i < 16 * PAGES && remote < 512; i++) {
		touch(page_at(vma, i));
		if (node_of(page_at(vma, i)) != 1)
			continue;
		remote++;
		large += folio_order(page_at(vma, i)) > 0;
	}
	TH_LOG("%zu of %zu pages are on the other node", remote, i);
	EXPECT_LT(0, remote);
	EXPECT_EQ(0, large);
	EXPECT_EQ(0, kill(hog, SIGCONT));
	EXPECT_TRUE(child_ok(hog));
}

static long locked_pages(const char *counter)
{
	drain();
	return vmstat(counter);
}

/*
 * Moves what is locked but for @left pages at both ends: each page is as locked as
 * before, there and here, and counted once, so that one munlock() is enough.
 */
static char *move_locked(struct __test_metadata *_metadata, int order, size_t left)
{
	char *vma = filled_on_node0(_metadata, order);
	long mlocked = locked_pages("nr_mlock");
	long unevictable = locked_pages("nr_unevictable");

	ASSERT_EQ(0, mlock(vma, PAGES * page_size));
	EXPECT_EQ(0, bind_to(page_at(vma, left), PAGES - 2 * left, 1, MPOL_MF_MOVE));
	EXPECT_EQ(1, node_of(page_at(vma, left)));
	EXPECT_EQ(1, node_of(page_at(vma, PAGES - 1 - left)));
	if (!left)
		EXPECT_ORDER(order, vma);
	EXPECT_TRUE(folio_flag(page_at(vma, left), KPF_MLOCKED));
	EXPECT_EQ(mlocked + PAGES, locked_pages("nr_mlock")) {
		TH_LOG("order %d", order);
	}
	EXPECT_EQ(unevictable + PAGES, locked_pages("nr_unevictable"));
	ASSERT_EQ(0, munlock(vma, PAGES * page_size));
	EXPECT_EQ(mlocked, locked_pages("nr_mlock"));
	EXPECT_EQ(unevictable, locked_pages("nr_unevictable"));
	EXPECT_TRUE(holds(vma, PAGES, order));
	return vma;
}

/* Locked folios move as they are. */
TEST_F(laf, locked)
{
	int order;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		char *vma = move_locked(_metadata, order, 0);

		EXPECT_ORDER(order, vma);
		munmap(vma, PAGES * page_size);
	}
}

/* The limits of what moves are within folios. */
TEST_F(laf, locked_in_part)
{
	int order;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		char *vma = move_locked(_metadata, order, 5);

		EXPECT_EQ(0, node_of(vma));
		munmap(vma, PAGES * page_size);
	}
}

static struct {
	char *vma;
	size_t pages, step;
	bool stop;
} mover;

/* From one node to the other and back, until it is stopped. */
static void *move_around(void *arg)
{
	size_t nr = mover.pages / mover.step, i;
	void *pages[nr];
	int nodes[nr], status[nr], node = 0;

	(void)arg;
	while (!__atomic_load_n(&mover.stop, __ATOMIC_RELAXED)) {
		node = !node;
		for (i = 0; i < nr; i++) {
			pages[i] = page_at(mover.vma, i * mover.step);
			nodes[i] = node;
		}
		syscall(__NR_move_pages, 0, nr, pages, nodes, status, MPOL_MF_MOVE);
	}
	return NULL;
}

/* A page that has just been migrated is free, and no longer marked, soon after. */
static bool nothing_locked(long mlocked)
{
	int try;

	for (try = 0; try < 100; try++) {
		write_file("/proc/sys/vm/stat_refresh", "1");
		if (vmstat("nr_mlock") == mlocked)
			return true;
		usleep(1000);
	}
	return false;
}

/*
 * Pages on their way to the other node, or back where that fails, while they are
 * locked and unlocked: none is marked in the end. Some are held, so that they are
 * always on their way back.
 */
static void lock_what_moves(struct __test_metadata *_metadata, int order, size_t pages)
{
	size_t rounds = longer ? 10000 : 100, i;
	char *vma = filled_on_node0(_metadata, order);
	long mlocked = locked_pages("nr_mlock");
	double end = seconds() + (longer ? 3600 : 10);	/* on a busy host */
	pthread_t thread;
	int held[8];

	munmap(page_at(vma, pages), (PAGES - pages) * page_size);
	for (i = 0; i < ARRAY_SIZE(held); i++) {
		held[i] = hold(page_at(vma, i * pages / ARRAY_SIZE(held)));
		ASSERT_LE(0, held[i]);
	}
	mover.vma = vma;
	mover.pages = pages;
	mover.step = ORDER(order);
	mover.stop = false;
	pthread_create(&thread, NULL, move_around, NULL);
	pin_cpu(1);
	for (i = 0; i < rounds && seconds() < end; i++) {
		ASSERT_EQ(0, mlock(vma, pages * page_size));
		ASSERT_EQ(0, munlock(vma, pages * page_size));
		ASSERT_TRUE(nothing_locked(mlocked)) {
			TH_LOG("round %zu", i);
		}
	}
	__atomic_store_n(&mover.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	TH_LOG("%zu rounds", i);
	for (i = 0; i < ARRAY_SIZE(held); i++)
		close(held[i]);
	EXPECT_EQ(mlocked, locked_pages("nr_mlock"));
	EXPECT_TRUE(holds(vma, pages, order));
}

TEST_F(laf, locked_moving)
{
	lock_what_moves(_metadata, 2, 256);
}

TEST_F(laf, locked_moving_huge)
{
	thp_mode("never"); /* without sizes of their own there are none then */
	lock_what_moves(_metadata, pmd_order, 2 * PMD);
}
