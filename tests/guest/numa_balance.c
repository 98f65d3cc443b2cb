// SPDX-License-Identifier: GPL-2.0
/*
 * NUMA balancing (a guest with NUMA=2): large folios move to where they are used,
 * as they are, with one hint fault each. Who waits for that has a generous limit.
 */
#include <errno.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "lib/fixture.h"

#define PAGES 1024

#define SECONDS 40	/* for what takes less than one on an idle host */

static char *filled_on(struct __test_metadata *_metadata, int node, int order)
{
	char *vma = map_new(PAGES);
	size_t i;

	ASSERT_TRUE(two_nodes()) {
		TH_LOG("this test wants a guest with NUMA=2");
	}
	pin_cpu(0);
	enable_orders(ORDER(order));
	ASSERT_EQ(0, bind_to(vma, PAGES, node, 0));
	fill(vma, PAGES, order);
	for (i = 0; i < PAGES; i += ORDER(order))
		ASSERT_ORDER(order, page_at(vma, i));
	ASSERT_EQ(PAGES, on_node(vma, PAGES, node));
	return vma;
}

/* From now on without a policy: hint faults come soon, and move what is used. */
static void balance(struct __test_metadata *_metadata, char *vma)
{
	ASSERT_EQ(0, syscall(__NR_mbind, vma, PAGES * page_size, MPOL_DEFAULT, NULL, 0, 0));
	ASSERT_EQ(0, balance_often());
}

/* From the end, so that the first hint of a folio is for its last page. */
static void use(char *vma)
{
	size_t i;

	for (i = PAGES; i--; )
		(void)*(volatile char *)page_at(vma, i);
}

/* Uses the memory until @pages of it are on node 0, or long enough. */
static size_t drawn_to_node0(char *vma, size_t pages)
{
	double end = seconds() + SECONDS;
	size_t nr;

	do {
		use(vma);
		nr = on_node(vma, PAGES, 0);
	} while (nr < pages && seconds() < end);
	return nr;
}

/* Uses the memory until @counter is at @value. */
static bool used_until(char *vma, const char *counter, long value)
{
	double end = seconds() + SECONDS;

	while (vmstat(counter) < value && seconds() < end)
		use(vma);
	return vmstat(counter) >= value;
}

static size_t of_order(int order, char *vma)
{
	size_t i, nr = 0;

	for (i = 0; i < PAGES; i += ORDER(order))
		nr += mapped_order(page_at(vma, i)) == order;
	return nr << order;
}

TEST_F(laf, balanced)
{
	static const int orders[] = { 2, 4, 8, 3, 5 };
	size_t i;

	for (i = 0; i < (longer ? ARRAY_SIZE(orders) : 3); i++) {
		char *vma = filled_on(_metadata, 1, orders[i]);
		long migrated = vmstat("numa_pages_migrated"), rss = rss_anon();
		long thps = vmstat("thp_migration_success") + vmstat("thp_migration_fail");

		balance(_metadata, vma);
		EXPECT_EQ(PAGES, drawn_to_node0(vma, PAGES)) {
			TH_LOG("order %d", orders[i]);
		}
		EXPECT_EQ(PAGES, of_order(orders[i], vma));
		EXPECT_TRUE(holds(vma, PAGES, orders[i]));
		EXPECT_LE(migrated + PAGES, vmstat("numa_pages_migrated"));
		EXPECT_EQ(thps, vmstat("thp_migration_success") +
				vmstat("thp_migration_fail"));
		EXPECT_EQ(rss, rss_anon());
		setting("/proc/sys/kernel/numa_balancing", "0");
		munmap(vma, PAGES * page_size);
	}
}

/* What a child still maps one page of stays; when the child is gone it moves. */
TEST_F(laf, balanced_shared)
{
	char *vma = filled_on(_metadata, 1, 4);
	pid_t pid = child();
	size_t i;

	if (!pid) {
		for (i = 0; i < PAGES; i += 16)
			madvise(page_at(vma, i + 1), 15 * page_size, MADV_DONTNEED);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);
	balance(_metadata, vma);
	/* a hint for each folio, and more */
	EXPECT_TRUE(used_until(vma, "numa_hint_faults",
			       vmstat("numa_hint_faults") + 2 * PAGES / 16));
	EXPECT_EQ(PAGES, on_node(vma, PAGES, 1));
	EXPECT_EQ(PAGES, of_order(4, vma));

	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
	EXPECT_EQ(PAGES, drawn_to_node0(vma, PAGES));
	EXPECT_EQ(PAGES, of_order(4, vma));
	EXPECT_TRUE(holds(vma, PAGES, 4));
}

/* A fork finds entries that wait for a hint: the fault lets nobody write to them. */
TEST_F(laf, balanced_forked)
{
	char *vma = filled_on(_metadata, 1, 4);
	long marked = vmstat("numa_pte_updates") + PAGES;
	double end = seconds() + SECONDS;
	size_t i;
	pid_t pid;

	balance(_metadata, vma);
	while (vmstat("numa_pte_updates") < marked && seconds() < end)
		;
	setting("/proc/sys/kernel/numa_balancing", "0");
	EXPECT_LE(marked, vmstat("numa_pte_updates"));
	pid = child();
	if (!pid) {
		raise(SIGSTOP);
		_exit(!holds(vma, PAGES, 4));
	}
	waitpid(pid, NULL, WUNTRACED);
	for (i = 0; i < PAGES; i += 16)
		(void)*(volatile char *)page_at(vma, i + 3);
	EXPECT_EQ(PAGES, on_node(vma, PAGES, 1));
	EXPECT_EQ(PAGES, of_order(4, vma));
	fill(vma, PAGES, 5);
	kill(pid, SIGCONT);
	EXPECT_TRUE(child_ok(pid));
	EXPECT_TRUE(holds(vma, PAGES, 5));
}

/* One that somebody holds stays, in one piece, and can be used. */
TEST_F(laf, balanced_held)
{
	char *vma = filled_on(_metadata, 1, 4);
	int fd = hold(page_at(vma, 37));

	ASSERT_LE(0, fd);
	balance(_metadata, vma);
	EXPECT_EQ(PAGES - 16, drawn_to_node0(vma, PAGES - 16));
	EXPECT_EQ(16, on_node(vma, PAGES, 1));
	EXPECT_EQ(PAGES, of_order(4, vma));
	EXPECT_TRUE(holds(vma, PAGES, 4));
	close(fd);
	EXPECT_EQ(PAGES, drawn_to_node0(vma, PAGES));
	EXPECT_EQ(PAGES, of_order(4, vma));
	EXPECT_TRUE(holds(vma, PAGES, 4));
}

/* Huge pages move as they do without folios of other sizes. */
TEST_F(stock, balanced_huge)
{
	char *vma;

	thp_mode("always");
	vma = filled_on(_metadata, 1, pmd_order);
	balance(_metadata, vma);
	EXPECT_EQ(PAGES, drawn_to_node0(vma, PAGES));
	EXPECT_EQ(PAGES, of_order(pmd_order, vma));
	EXPECT_TRUE(holds(vma, PAGES, pmd_order));
}

/*
 * What is pinned cannot move, and gets no hints. The scan goes upwards: when it has
 * come to what is below, twice, it has passed.
 */
TEST_F(laf, balanced_pinned)
{
	char *vma = filled_on(_metadata, 1, 4), *below = vma;
	int fd = pin_longterm(vma, PAGES), pass;
	long faults;

	ASSERT_LE(0, fd);
	balance(_metadata, vma);
	for (pass = 0; pass < 2; pass++) {
		char *other = filled_on(_metadata, 1, 4);

		ASSERT_GT(below, other);
		below = other;
		balance(_metadata, other);
		ASSERT_EQ(PAGES, drawn_to_node0(other, PAGES));
	}
	setting("/proc/sys/kernel/numa_balancing", "0");
	faults = minor_faults();
	use(vma);
	EXPECT_EQ(faults, minor_faults());
	EXPECT_EQ(PAGES, on_node(vma, PAGES, 1));
	EXPECT_EQ(PAGES, of_order(4, vma));
	close(fd);
	EXPECT_TRUE(holds(vma, PAGES, 4));
}

/*
 * One with a page that is known to be bad is not copied, nor split: who answers
 * a hint fault has one page to give back.
 */
TEST_F(laf, balanced_bad)
{
	char *vma = filled_on(_metadata, 1, 4);
	uint64_t pfn = pfn_of(page_at(vma, 37));
	int fd = hold(page_at(vma, 32));

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, poison(page_at(vma, 37), 1));
	close(fd);
	balance(_metadata, vma);
	EXPECT_EQ(PAGES - 16, drawn_to_node0(vma, PAGES - 16));
	/* the next time, too: scans are rare now */
	EXPECT_TRUE(used_until(vma, "numa_hint_faults", vmstat("numa_hint_faults") + 1));
	EXPECT_EQ(16, on_node(page_at(vma, 32), 16, 1));
	EXPECT_EQ(PAGES, of_order(4, vma));
	EXPECT_TRUE(holds(vma, PAGES, 4));
	munmap(vma, PAGES * page_size);
	EXPECT_TRUE(unpoison(pfn));
}

/*
 * A folio of which a page is mapped only waits to be split. It stays: moving
 * takes the place of its old copy in that queue, and the new one gets none.
 */
TEST_F(laf, balanced_in_part)
{
	char *vma = filled_on(_metadata, 1, 4);
	size_t i;

	for (i = 0; i < PAGES; i += 16) {
		fill(page_at(vma, i + 3), 1, 4);
		madvise(page_at(vma, i), 3 * page_size, MADV_DONTNEED);
		madvise(page_at(vma, i + 4), 12 * page_size, MADV_DONTNEED);
	}
	balance(_metadata, vma);
	EXPECT_TRUE(used_until(vma, "numa_hint_faults",
			       vmstat("numa_hint_faults") + 4 * PAGES / 16));
	EXPECT_EQ(PAGES / 16, on_node(vma, PAGES, 1));
	for (i = 0; i < PAGES; i += 16)
		EXPECT_TRUE(holds(page_at(vma, i + 3), 1, 4));
}

static void *wait_for_end(void *arg)
{
	char byte;

	return read(*(int *)arg, &byte, 1) ? NULL : arg;
}

/*
 * Where a process has two threads, what is here already gets hints as well. One
 * fault ends those of the folio.
 */
TEST_F(laf, one_hint_a_folio)
{
	char *vma = filled_on(_metadata, 0, 4);
	pthread_t thread;
	long updates, faults;
	int fd[2];

	ASSERT_EQ(0, pipe(fd));
	pthread_create(&thread, NULL, wait_for_end, &fd[0]);
	updates = vmstat("numa_pte_updates");
	faults = vmstat("numa_hint_faults");
	balance(_metadata, vma);
	EXPECT_TRUE(used_until(vma, "numa_pte_updates", updates + 4 * PAGES));
	setting("/proc/sys/kernel/numa_balancing", "0");
	use(vma);
	updates = vmstat("numa_pte_updates") - updates;
	faults = vmstat("numa_hint_faults") - faults;
	TH_LOG("%ld entries marked, %ld faults", updates, faults);
	EXPECT_LT(0, faults);
	EXPECT_LT(4 * faults, updates);
	close(fd[1]);
	pthread_join(thread, NULL);
	EXPECT_EQ(PAGES, on_node(vma, PAGES, 0));
	EXPECT_EQ(PAGES, of_order(4, vma));
	EXPECT_TRUE(holds(vma, PAGES, 4));
}

/* Both halves are used from both nodes; the second one comes and goes. */
#define HALF 256

static struct {
	char *vma;
	bool stop;
} racer;

static bool racing(void)
{
	return !__atomic_load_n(&racer.stop, __ATOMIC_RELAXED);
}

static void *race_protect(void *arg)
{
	uint32_t r = 1;

	while (racing()) {
		char *at = page_at(racer.vma,
				   (r = r * 1664525 + 1013904223) >> 16 & (HALF / 2 - 1));

		mprotect(at, HALF / 2 * page_size, PROT_READ);
		usleep(100);
		mprotect(at, HALF / 2 * page_size, PROT_READ | PROT_WRITE);
		usleep(100);
	}
	return arg;
}

static void *race_zap(void *arg)
{
	char *half = page_at(racer.vma, HALF);
	long *wrong = arg;
	uint32_t r = 2;

	while (racing()) {
		size_t i = (r = r * 1664525 + 1013904223) >> 16 & (HALF - 1);
		size_t nr = 1 + (r >> 8) % 32;

		nr = nr < HALF - i ? nr : HALF - i;
		*wrong += !holds(half, HALF, 7);
		madvise(page_at(half, i), nr * page_size, MADV_DONTNEED);
		*wrong += !zeroed(page_at(half, i), nr);
		fill(half, HALF, 7);
	}
	return arg;
}

static void *race_use(void *arg)
{
	long *wrong = arg, round;

	for (round = 0; racing(); round++) {
		if (round % 64 == 0)
			pin_cpu(round / 64 % 2 ? sysconf(_SC_NPROCESSORS_ONLN) - 1 : 0);
		*wrong += !holds(racer.vma, HALF, 4);
	}
	return arg;
}

TEST_F(laf, balanced_racing)
{
	static void *(*const threads[])(void *) = { race_use, race_zap, race_protect };
	char *vma = filled_on(_metadata, 1, 4);
	long faults = vmstat("numa_hint_faults"), migrated = vmstat("numa_pages_migrated");
	long wrong[ARRAY_SIZE(threads)] = {};
	pthread_t thread[ARRAY_SIZE(threads)];
	double end = seconds() + (longer ? 300 : 10);
	size_t i;

	balance(_metadata, vma);
	fill(page_at(vma, HALF), HALF, 7);
	racer.vma = vma;
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&thread[i], NULL, threads[i], &wrong[i]);
	while (seconds() < end) {
		pid_t pid = child();

		if (!pid)
			_exit(!holds(vma, HALF, 4));
		ASSERT_TRUE(child_ok(pid));
		usleep(100000);
	}
	__atomic_store_n(&racer.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < ARRAY_SIZE(threads); i++) {
		pthread_join(thread[i], NULL);
		EXPECT_EQ(0, wrong[i]);
	}
	TH_LOG("%ld faults, %ld pages moved", vmstat("numa_hint_faults") - faults,
	       vmstat("numa_pages_migrated") - migrated);
	EXPECT_LT(faults, vmstat("numa_hint_faults"));
	EXPECT_TRUE(holds(vma, HALF, 4));
	EXPECT_TRUE(holds(page_at(vma, HALF), HALF, 7));
}
