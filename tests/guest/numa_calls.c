// SPDX-License-Identifier: GPL-2.0
/*
 * mbind() and move_pages() on large folios return what they return for small
 * pages (a guest with NUMA=2).
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "lib/fixture.h"

#define PAGES 256

/* On node 0, each page with a tag of its own; order 0: small pages. */
static char *filled(struct __test_metadata *_metadata, int order)
{
	char *vma = map_new(PAGES);
	size_t i;

	enable_orders(order ? ORDER(order) : 0);
	pin_cpu(0);
	bind_to(vma, PAGES, 0, 0);
	for (i = 0; i < PAGES; i++)
		fill(page_at(vma, i), 1, 100 + i);
	for (i = 0; i < PAGES; i++)
		ASSERT_ORDER(order, page_at(vma, i));
	ASSERT_EQ(PAGES, on_node(vma, PAGES, 0));
	ASSERT_TRUE(two_nodes()) {
		TH_LOG("this test wants a guest with NUMA=2");
	}
	return vma;
}

static bool all_hold(char *vma)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		if (pfn_of(page_at(vma, i)) && !holds(page_at(vma, i), 1, 100 + i))
			return false;
	return true;
}

TEST_F(laf, strict)
{
	int order;

	for (order = MIN_ORDER; order <= 5; order++) {
		char *vma = filled(_metadata, order);

		/* only to look is an error, without a move */
		EXPECT_EQ(-EIO, bind_to(vma, PAGES, 1, MPOL_MF_STRICT));
		EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
		EXPECT_EQ(PAGES, on_node(vma, PAGES, 1));
		EXPECT_ORDER(order, vma);
		EXPECT_ORDER(order, page_at(vma, PAGES - 1));
		EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_STRICT));
		EXPECT_TRUE(all_hold(vma));
		munmap(vma, PAGES * page_size);
	}
}

/* A part that begins and ends inside of a folio. */
TEST_F(laf, strict_part)
{
	char *vma = filled(_metadata, 4);

	EXPECT_EQ(0, bind_to(page_at(vma, 5), 100, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
	EXPECT_EQ(100, on_node(page_at(vma, 5), 100, 1));
	EXPECT_TRUE(all_hold(vma));
}

/* Without its first page a folio is nobody's but ours, too. */
TEST_F(laf, first_page_gone)
{
	char *vma = filled(_metadata, 4);
	size_t i;

	for (i = 0; i < PAGES; i += 16)
		madvise(page_at(vma, i), page_size, MADV_DONTNEED);
	EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
	EXPECT_EQ(PAGES / 16 * 15, on_node(vma, PAGES, 1));
	EXPECT_TRUE(all_hold(vma));
}

/* Small pages among those of a folio: it is queued when they are met. */
TEST_F(laf, small_between)
{
	char *vma = filled(_metadata, 4);
	size_t i;

	enable_orders(0);
	for (i = 7; i < PAGES; i += 16) {
		madvise(page_at(vma, i), page_size, MADV_DONTNEED);
		fill(page_at(vma, i), 1, 100 + i);
		EXPECT_EQ(0, folio_order(page_at(vma, i)));
	}
	EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
	EXPECT_EQ(PAGES, on_node(vma, PAGES, 1));
	EXPECT_TRUE(all_hold(vma));
}

/* The pages of two folios, by turns: when one is met again, the other was the last. */
TEST_F(laf, alternating)
{
	char *vma = filled(_metadata, 4), *both = reserve(32);
	size_t i;

	for (i = 0; i < 32; i++) {
		char *page = page_at(vma, i / 2 + i % 2 * 16);

		ASSERT_EQ(page_at(both, i),
			  mremap(page, page_size, page_size, MREMAP_MAYMOVE | MREMAP_FIXED,
				 page_at(both, i)));
	}
	EXPECT_EQ(0, bind_to(both, 32, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
	EXPECT_EQ(32, on_node(both, 32, 1));
	for (i = 0; i < 32; i++) {
		EXPECT_TRUE(holds(page_at(both, i), 1, 100 + i / 2 + i % 2 * 16));
	}
}

/*
 * More pages than it has lie between the first and the last one of a folio. Those that
 * are queued are not all looked at for each PTE of it: then it is an error, as for all
 * that is not on the LRU, but everything moves.
 */
TEST_F(laf, far_apart)
{
	char *vma = filled(_metadata, 4), *all = reserve(64);

	ASSERT_EQ(all, mremap(vma, page_size, page_size, MREMAP_MAYMOVE | MREMAP_FIXED, all));
	enable_orders(0);
	fill(map(page_at(all, 1), 30), 30, 7);
	ASSERT_EQ(page_at(all, 31),
		  mremap(page_at(vma, 15), page_size, page_size,
			 MREMAP_MAYMOVE | MREMAP_FIXED, page_at(all, 31)));
	EXPECT_EQ(-EIO, bind_to(all, 32, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
	EXPECT_EQ(32, on_node(all, 32, 1));
	EXPECT_TRUE(holds(all, 1, 100));
	EXPECT_TRUE(holds(page_at(all, 1), 30, 7));
	EXPECT_TRUE(holds(page_at(all, 31), 1, 115));
}

/* A folio with unmapped pages is split when memory is wanted, wherever it has gone. */
TEST_F(laf, partly_unmapped)
{
	char *vma = filled(_metadata, 4);
	size_t i;

	for (i = 0; i < PAGES; i += 16)
		madvise(page_at(vma, i + 1), 15 * page_size, MADV_DONTNEED);
	EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
	EXPECT_EQ(PAGES / 16, on_node(vma, PAGES, 1));
	/* in one piece */
	for (i = 0; i < PAGES; i += 16) {
		EXPECT_EQ(4, folio_order(page_at(vma, i)));
	}
	drain();
	for (i = 0; i < 4; i++)
		write_file("/proc/sys/vm/drop_caches", "2");
	for (i = 0; i < PAGES; i += 16) {
		EXPECT_EQ(0, folio_order(page_at(vma, i)));
	}
	EXPECT_TRUE(all_hold(vma));
}

/* What is shared stays, without an error; MPOL_MF_MOVE_ALL moves it. */
static void shared(struct __test_metadata *_metadata, int order)
{
	char *vma = filled(_metadata, order);
	pid_t pid = child();

	if (!pid) {
		raise(SIGSTOP);
		_exit(!all_hold(vma));
	}
	waitpid(pid, NULL, WUNTRACED);
	EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
	EXPECT_EQ(PAGES, on_node(vma, PAGES, 0));
	EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE_ALL | MPOL_MF_STRICT));
	EXPECT_EQ(PAGES, on_node(vma, PAGES, 1));
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
	EXPECT_TRUE(all_hold(vma));
}

TEST_F(laf, shared)
{
	shared(_metadata, 4);
}

TEST_F(stock, shared_small)
{
	shared(_metadata, 0);
}

/* The child keeps one page of each folio: all of the folio stays. */
TEST_F(laf, shared_in_part)
{
	char *vma = filled(_metadata, 4);
	void *page = vma;
	int node = 1, status = 0;
	pid_t pid = child();
	size_t i;

	if (!pid) {
		for (i = 0; i < PAGES; i++)
			if (i % 16 != 5)
				madvise(page_at(vma, i), page_size, MADV_DONTNEED);
		raise(SIGSTOP);
		for (i = 5; i < PAGES; i += 16)
			EXPECT_TRUE(holds(page_at(vma, i), 1, 100 + i));
		_exit(!_metadata->passed);
	}
	waitpid(pid, NULL, WUNTRACED);
	EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE | MPOL_MF_STRICT));
	EXPECT_EQ(PAGES, on_node(vma, PAGES, 0));
	EXPECT_EQ(0, syscall(__NR_move_pages, 0, 1UL, &page, &node, &status, MPOL_MF_MOVE));
	EXPECT_EQ(-EACCES, status);
	EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE_ALL | MPOL_MF_STRICT));
	EXPECT_EQ(PAGES, on_node(vma, PAGES, 1));
	EXPECT_ORDER(4, vma);
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
	EXPECT_TRUE(all_hold(vma));
}

/* All pages of all folios by name; @stride apart from each other. */
static void move_each(struct __test_metadata *_metadata, int order, size_t stride)
{
	char *vma = filled(_metadata, order);
	static int nodes[PAGES], status[PAGES];
	static void *pages[PAGES];
	size_t i, wrong = 0;

	for (i = 0; i < PAGES; i++) {
		pages[i] = page_at(vma, i * stride % PAGES + i * stride / PAGES);
		nodes[i] = 1;
		status[i] = -1;
	}
	EXPECT_EQ(0, syscall(__NR_move_pages, 0, (long)PAGES, pages, nodes, status,
			     MPOL_MF_MOVE));
	for (i = 0; i < PAGES; i++)
		wrong += status[i] != 1;
	EXPECT_EQ(0, wrong) {
		TH_LOG("order %d, stride %zu: status of the second %d", order, stride,
		       status[1]);
	}
	EXPECT_EQ(PAGES, on_node(vma, PAGES, 1));
	EXPECT_ORDER(order, vma);
	EXPECT_ORDER(order, page_at(vma, PAGES - 1));
	EXPECT_TRUE(all_hold(vma));
	munmap(vma, PAGES * page_size);
}

TEST_F(laf, move_each_page)
{
	int order;

	for (order = MIN_ORDER; order <= 5; order++)
		move_each(_metadata, order, 1);
}

TEST_F(laf, move_out_of_order)
{
	move_each(_metadata, 4, 16);
	move_each(_metadata, 2, 8);
}

TEST_F(stock, move_small)
{
	move_each(_metadata, 0, 1);
	move_each(_metadata, 0, 16);
}

/* As malloc() hands it out with memory tagging: the kernel ignores the top byte. */
static void *tagged(void *addr)
{
#ifdef __aarch64__
	return (void *)((uintptr_t)addr | 5ULL << 56);
#else
	return addr;
#endif
}

/*
 * What is held stays: the pages of its folio are counted, and all others move, also
 * those in lists behind, which end every @list pages, where another node is wanted.
 */
static void move_held(struct __test_metadata *_metadata, int order, size_t stride, size_t list)
{
	char *vma = filled(_metadata, order);
	static int nodes[PAGES], status[PAGES];
	static void *pages[PAGES];
	int fd = hold(page_at(vma, 37));
	long failed = vmstat("pgmigrate_fail");
	size_t i, want = 0;

	ASSERT_LE(0, fd);
	for (i = 0; i < PAGES; i++) {
		pages[i] = tagged(page_at(vma, i * stride % PAGES + i * stride / PAGES));
		nodes[i] = i / list % 2 ? 0 : 1;
		want += nodes[i];
	}
	EXPECT_EQ(ORDER(order), syscall(__NR_move_pages, 0, (long)PAGES, pages, nodes, status,
					MPOL_MF_MOVE)) {
		TH_LOG("order %d, stride %zu, lists of %zu", order, stride, list);
	}
	/* named in a row, its pages are tried once */
	if (stride == 1)
		EXPECT_GT(2 * (long)ORDER(order), vmstat("pgmigrate_fail") - failed);
	EXPECT_EQ(want - ORDER(order), on_node(vma, PAGES, 1));
	EXPECT_EQ(0, node_of(page_at(vma, 37)));
	close(fd);
	EXPECT_TRUE(all_hold(vma));
	munmap(vma, PAGES * page_size);
}

TEST_F(laf, move_held)
{
	move_held(_metadata, 4, 1, PAGES);
	move_held(_metadata, 4, 16, PAGES);
	move_held(_metadata, 2, 8, PAGES);
	move_held(_metadata, 4, 1, 64);
	move_held(_metadata, 0, 1, 64);
}

TEST_F(stock, move_held_small)
{
	move_held(_metadata, 0, 1, PAGES);
	move_held(_metadata, 0, 16, PAGES);
}

/* What a fault has brought along has a node, though nobody has touched it, and moves. */
TEST_F(laf, came_along)
{
	char *vma = map_new(PAGES);
	void *page = page_at(vma, 33);
	int node = 1, status = -1;
	size_t i;

	enable_orders(ORDER(4));
	pin_cpu(0);
	bind_to(vma, PAGES, 0, 0);
	touch(page_at(vma, 37));
	ASSERT_ORDER(4, page_at(vma, 37));
	ASSERT_TRUE(two_nodes()) {
		TH_LOG("this test wants a guest with NUMA=2");
	}
	drain();
	for (i = 0; i < PAGES; i++) {
		int found = node_of(page_at(vma, i));

		EXPECT_TRUE(i / 16 == 37 / 16 ? !found : found < 0);
	}
	EXPECT_EQ(0, syscall(__NR_move_pages, 0, 1UL, &page, &node, &status, MPOL_MF_MOVE));
	EXPECT_EQ(1, status);
	EXPECT_EQ(16, on_node(page_at(vma, 32), 16, 1));
	EXPECT_ORDER(4, page);
}

/* To two nodes in turn: some pages of a folio want to stay. */
TEST_F(laf, move_to_both)
{
	char *vma = filled(_metadata, 4);
	static int nodes[PAGES], status[PAGES];
	static void *pages[PAGES];
	size_t i, wrong = 0;

	for (i = 0; i < PAGES; i++) {
		pages[i] = page_at(vma, i);
		nodes[i] = i & 1;
	}
	EXPECT_EQ(0, syscall(__NR_move_pages, 0, (long)PAGES, pages, nodes, status,
			     MPOL_MF_MOVE));
	for (i = 0; i < PAGES; i++)
		wrong += status[i] != nodes[i];
	EXPECT_EQ(0, wrong);
	EXPECT_TRUE(all_hold(vma));
}

/* The first folio had a bad page: it has been split, and all others have moved. */
static void expect_others_moved(struct __test_metadata *_metadata, char *vma, size_t nr)
{
	size_t i;

	for (i = 0; i < 16; i++) {
		if (i == nr)
			continue;
		EXPECT_EQ(1, node_of(page_at(vma, i)));
		EXPECT_EQ(0, folio_order(page_at(vma, i)));
		EXPECT_TRUE(holds(page_at(vma, i), 1, 100 + i));
	}
	EXPECT_TRUE(bad(page_at(vma, nr)));
}

/*
 * A folio with a bad page, that could not be split when it went bad: it is not
 * copied, but split, and all other pages move.
 */
static void move_poisoned(struct __test_metadata *_metadata, size_t nr)
{
	char *vma = filled(_metadata, 4);
	uint64_t pfn = pfn_of(page_at(vma, nr));
	int fd;
	size_t i;

	drain();
	fd = hold(page_at(vma, 3));
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, poison(page_at(vma, nr), 1));
	EXPECT_ORDER(4, vma);
	close(fd);

	bind_to(vma, PAGES, 1, MPOL_MF_MOVE);
	expect_others_moved(_metadata, vma, nr);
	for (i = 16; i < PAGES; i++) {
		EXPECT_EQ(1, node_of(page_at(vma, i)));
		EXPECT_ORDER(4, page_at(vma, i));
		EXPECT_TRUE(holds(page_at(vma, i), 1, 100 + i));
	}
	munmap(vma, PAGES * page_size);
	unpoison(pfn);
}

TEST_F(laf, bad_first_page)
{
	move_poisoned(_metadata, 0);
}

TEST_F(laf, bad_other_page)
{
	move_poisoned(_metadata, 6);
}

/*
 * A huge page of shared memory: its split leaves a bad page in the page cache, which
 * is not copied either.
 */
TEST_F(laf, bad_page_of_a_file)
{
	char *space = reserve(PMD), *vma;
	void *page = space;
	int node = 1, status, fd;
	size_t nr = 6, i;
	uint64_t pfn;

	filled(_metadata, 4);
	ASSERT_EQ(0, setting(THP "shmem_enabled", "always"));
	vma = mmap(space, PMD * page_size, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ASSERT_EQ(space, vma);
	for (i = 0; i < PMD; i++)
		fill(page_at(vma, i), 1, 100 + i);
	ASSERT_EQ(pmd_order, folio_order(vma));
	ASSERT_EQ(0, node_of(vma));
	pfn = pfn_of(page_at(vma, nr));
	drain();
	fd = hold(page_at(vma, 3));
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, poison(page_at(vma, nr), 1));
	EXPECT_EQ(pmd_order, folio_order(vma));
	close(fd);

	syscall(__NR_move_pages, 0, 1UL, &page, &node, &status, MPOL_MF_MOVE);
	for (i = 0; i < PMD; i++) {
		if (i == nr)
			continue;
		EXPECT_TRUE(holds(page_at(vma, i), 1, 100 + i));
		EXPECT_EQ(1, node_of(page_at(vma, i)));
	}
	EXPECT_TRUE(bad(page_at(vma, nr)));
	munmap(vma, PMD * page_size);
	unpoison(pfn);
}

/* Who has a folio off the LRU: the list of move_pages() ends in a page that is missing. */
struct queue {
	void *pages[2];
	int *nodes, fd;
	pthread_t thread;
};

static void *move_queued(void *arg)
{
	struct queue *q = arg;
	int status[2];

	syscall(__NR_move_pages, 0, 2UL, q->pages, q->nodes, status, MPOL_MF_MOVE);
	return NULL;
}

static void isolate(struct __test_metadata *_metadata, struct queue *q, char *page)
{
	char *list = map_small(2);
	struct pollfd pollfd;

	q->pages[0] = page;
	q->pages[1] = NULL;
	q->nodes = (int *)page_at(list, 1) - 1;
	q->nodes[0] = 1;
	q->fd = uffd_open(0);
	ASSERT_LE(0, q->fd);
	ASSERT_EQ(0, uffd_register(q->fd, page_at(list, 1), 1, UFFDIO_REGISTER_MODE_MISSING));
	ASSERT_EQ(0, pthread_create(&q->thread, NULL, move_queued, q));
	pollfd = (struct pollfd){ .fd = q->fd, .events = POLLIN };
	ASSERT_EQ(1, poll(&pollfd, 1, 60000));
}

static void go_on(struct queue *q)
{
	struct uffdio_zeropage zero = { .range = uffd_range(q->nodes + 1, 1) };

	ioctl(q->fd, UFFDIO_ZEROPAGE, &zero);
	pthread_join(q->thread, NULL);
	close(q->fd);
}

/* A folio that another one moves is busy, as a small page is; it is not asked for again. */
TEST_F(laf, busy_elsewhere)
{
	char *vma = filled(_metadata, 4);
	void *pages[2] = { page_at(vma, 20), page_at(vma, 3) };
	int nodes[2] = { 1, 1 }, status[2] = { -1, -1 };
	struct queue q;

	drain();
	isolate(_metadata, &q, vma);
	EXPECT_EQ(0, syscall(__NR_move_pages, 0, 2UL, pages, nodes, status, MPOL_MF_MOVE));
	EXPECT_EQ(1, status[0]);
	EXPECT_EQ(-EBUSY, status[1]);
	EXPECT_EQ(0, syscall(__NR_move_pages, 0, 1UL, &pages[1], nodes, status, MPOL_MF_MOVE));
	EXPECT_EQ(-EBUSY, status[0]);
	go_on(&q);
	EXPECT_EQ(32, on_node(vma, PAGES, 1));
	EXPECT_ORDER(4, vma);
	EXPECT_TRUE(all_hold(vma));
}

/* memory_failure() does not get hold of the page, but the folio knows of it. */
static uint64_t bad_while_isolated(struct __test_metadata *_metadata, struct queue *q,
				   char *vma, size_t nr)
{
	uint64_t pfn = pfn_of(page_at(vma, nr));

	drain();
	HITS_BEGIN("memory_failure");
	isolate(_metadata, q, vma);
	EXPECT_EQ(-EBUSY, poison_pfn(pfn));
	EXPECT_HITS("memory_failure");
	EXPECT_ORDER(4, vma);
	return pfn;
}

TEST_F(laf, bad_while_isolated)
{
	static const size_t nrs[] = { 6, 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(nrs); i++) {
		char *vma = filled(_metadata, 4);
		struct queue q;
		uint64_t pfn;

		pfn = bad_while_isolated(_metadata, &q, vma, nrs[i]);
		go_on(&q);
		expect_others_moved(_metadata, vma, nrs[i]);
		munmap(vma, PAGES * page_size);
		unpoison(pfn);
	}
}

/* Freed before it could be split: page by page, but for the bad one. */
TEST_F(laf, bad_while_isolated_freed)
{
	char *vma = filled(_metadata, 4);
	size_t free = 0, i;
	struct queue q;
	uint64_t pfn;

	pfn = bad_while_isolated(_metadata, &q, vma, 6);
	munmap(vma, PAGES * page_size);
	go_on(&q);
	EXPECT_TRUE(pfn_flag(pfn, KPF_HWPOISON));
	EXPECT_FALSE(pfn_flag(pfn, KPF_BUDDY));
	for (i = 0; i < 16; i++)
		free += pfn_flag(pfn - 6 + i, KPF_BUDDY);
	TH_LOG("%zu pages are free", free);
	/* somebody may have taken some already */
	EXPECT_LT(8, free);
	unpoison(pfn);
}
