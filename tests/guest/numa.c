// SPDX-License-Identifier: GPL-2.0
/*
 * Large folios between two nodes (a guest with NUMA=2). A target node that is
 * full makes a migration fail; it is no reason to kill a process. NUMA balancing
 * moves them to where they are used.
 */
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "lib/fixture.h"

#define PAGES 4096	/* more than the watermarks of a full node leave */

static long bind_to(void *addr, size_t pages, int node, unsigned int flags)
{
	unsigned long mask = 1UL << node;

	return syscall(__NR_mbind, addr, pages * page_size, MPOL_BIND, &mask, 64, flags);
}

/* The node of the page at @addr, or -errno. */
static int node_of(void *addr)
{
	int status = -1;

	syscall(__NR_move_pages, 0, 1UL, &addr, NULL, &status, 0);
	return status;
}

static long node_free(int node)
{
	char path[64], text[4096], *line;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
	if (read_file(path, text, sizeof(text)) <= 0)
		return -1;
	line = strstr(text, "MemFree:");
	return line ? strtol(line + strlen("MemFree:"), NULL, 10) / (page_size >> 10) : -1;
}

static char *filled_on(struct __test_metadata *_metadata, int node, int order)
{
	char *vma = map_new(PAGES);
	size_t i;

	ASSERT_LT(0, node_free(1)) {
		TH_LOG("this test wants a guest with NUMA=2");
	}
	pin_cpu(0);
	enable_orders(ORDER(order));
	ASSERT_EQ(0, bind_to(vma, PAGES, node, 0));
	fill(vma, PAGES, order);
	for (i = 0; i < PAGES; i += 64) {
		ASSERT_ORDER(order, page_at(vma, i));
		ASSERT_EQ(node, node_of(page_at(vma, i)));
	}
	return vma;
}

static char *filled_on_node0(struct __test_metadata *_metadata, int order)
{
	return filled_on(_metadata, 0, order);
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
	int fd[2], node = 1, status = -1, try;
	char *vma = filled_on_node0(_metadata, 4), text[4096];
	struct iovec iov = { page_at(vma, 5), page_size };
	void *page = vma;

	ASSERT_EQ(0, pipe(fd));
	ASSERT_EQ(page_size, vmsplice(fd[1], &iov, 1, 0));
	syscall(__NR_move_pages, 0, 1UL, &page, &node, &status, MPOL_MF_MOVE);
	EXPECT_EQ(0, node_of(vma));
	ASSERT_EQ(sizeof(text), read(fd[0], text, sizeof(text)));
	for (try = 0; try < 3; try++)
		write_file("/proc/sys/vm/drop_caches", "2");
	EXPECT_ORDER(4, vma);
	EXPECT_TRUE(holds(vma, PAGES, 4));
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

/* A child's locked memory fills @node, until SIGCONT. It shares nothing of @vma. */
static pid_t fill_node(int node, char *vma)
{
	pid_t pid = child();

	if (!pid) {
		munmap(vma, PAGES * page_size);
		enable_orders(ORDER(pmd_order));
		take(node, ORDER(pmd_order), LEFT + 2 * PAGES);
		enable_orders(0);
		/* khugepaged raises it to more than PAGES */
		setting("/proc/sys/vm/min_free_kbytes", "4096");
		take(node, 64, LEFT);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);
	return pid;
}

static void bind_to_full_node(struct __test_metadata *_metadata, int order)
{
	char *vma = filled_on_node0(_metadata, order);
	long kills = vmstat("oom_kill"), room;
	pid_t hog;

	hog = fill_node(1, vma);
	madvise(vma, PAGES * page_size, MADV_HUGEPAGE);
	room = node_free(1);
	/* moves what fits into the last free pages */
	bind_to(vma, PAGES, 1, MPOL_MF_MOVE);
	/* what is left of a full node is in pieces: hardly one is larger than this */
	if (order == MIN_ORDER)
		EXPECT_GT(room, node_free(1));
	EXPECT_EQ(0, node_of(page_at(vma, PAGES - 1)));
	EXPECT_EQ(kills, vmstat("oom_kill"));
	EXPECT_TRUE(holds(vma, PAGES, order));
	EXPECT_EQ(PAGES, present(vma, PAGES));
	EXPECT_EQ(0, kill(hog, SIGCONT));
	EXPECT_TRUE(child_ok(hog));
	munmap(vma, PAGES * page_size);
}

TEST_F(laf, full_node_order_2)
{
	bind_to_full_node(_metadata, 2);
}

TEST_F(laf, full_node_order_3)
{
	bind_to_full_node(_metadata, 3);
}

TEST_F(laf, full_node_order_4)
{
	bind_to_full_node(_metadata, 4);
}

static long locked_pages(const char *counter)
{
	drain();
	return vmstat(counter);
}

/* Locked folios move as they are, and are as locked there as they were here. */
TEST_F(laf, locked)
{
	int order;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		char *vma = filled_on_node0(_metadata, order);
		long mlocked = locked_pages("nr_mlock");
		long unevictable = locked_pages("nr_unevictable");

		ASSERT_EQ(0, mlock(vma, PAGES * page_size));
		EXPECT_EQ(0, bind_to(vma, PAGES, 1, MPOL_MF_MOVE));
		EXPECT_EQ(1, node_of(page_at(vma, PAGES - 1)));
		EXPECT_ORDER(order, vma);
		EXPECT_TRUE(folio_flag(vma, KPF_MLOCKED));
		EXPECT_EQ(mlocked + PAGES, locked_pages("nr_mlock"));
		EXPECT_EQ(unevictable + PAGES, locked_pages("nr_unevictable"));
		/* counted once, so that once is enough */
		ASSERT_EQ(0, munlock(vma, PAGES * page_size));
		EXPECT_EQ(mlocked, locked_pages("nr_mlock"));
		EXPECT_EQ(unevictable, locked_pages("nr_unevictable"));
		EXPECT_ORDER(order, vma);
		munmap(vma, PAGES * page_size);
	}
}

#define MOVED 256

static struct {
	char *vma;
	bool stop;
} mover;

/* From one node to the other and back, until it is stopped. */
static void *move_around(void *arg)
{
	void *pages[MOVED / 4];
	int nodes[MOVED / 4], status[MOVED / 4], node = 0;
	size_t i;

	(void)arg;
	while (!__atomic_load_n(&mover.stop, __ATOMIC_RELAXED)) {
		node = !node;
		for (i = 0; i < ARRAY_SIZE(pages); i++) {
			pages[i] = page_at(mover.vma, i * 4);
			nodes[i] = node;
		}
		syscall(__NR_move_pages, 0, ARRAY_SIZE(pages), pages, nodes, status,
			MPOL_MF_MOVE);
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
 * locked and unlocked: none is marked in the end.
 */
TEST_F(laf, locked_moving)
{
	size_t rounds = longer ? 10000 : 500, i;
	char *vma = filled_on_node0(_metadata, 2);
	long mlocked = locked_pages("nr_mlock");
	pthread_t thread;

	munmap(page_at(vma, MOVED), (PAGES - MOVED) * page_size);
	mover.vma = vma;
	pthread_create(&thread, NULL, move_around, NULL);
	pin_cpu(1);
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, mlock(vma, MOVED * page_size));
		ASSERT_EQ(0, munlock(vma, MOVED * page_size));
		ASSERT_TRUE(nothing_locked(mlocked)) {
			TH_LOG("round %zu", i);
		}
	}
	__atomic_store_n(&mover.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	EXPECT_EQ(mlocked, locked_pages("nr_mlock"));
	EXPECT_TRUE(holds(vma, MOVED, 2));
}

/* NUMA balancing: hint faults come soon, and move what is used from elsewhere. */
#define BALANCING "/sys/kernel/debug/sched/numa_balancing/"
#define SECONDS 40	/* for what takes less than one on an idle host */

static void balance(struct __test_metadata *_metadata, char *vma)
{
	ASSERT_EQ(0, syscall(__NR_mbind, vma, PAGES * page_size, MPOL_DEFAULT, NULL, 0, 0));
	setting(BALANCING "scan_delay_ms", "10");
	setting(BALANCING "scan_period_min_ms", "10");
	setting(BALANCING "scan_period_max_ms", "50");
	ASSERT_EQ(0, setting("/proc/sys/kernel/numa_balancing", "1"));
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static size_t pages_on(int node, char *vma)
{
	void *pages[256];
	int status[256];
	size_t i, j, nr = 0;

	for (i = 0; i < PAGES; i += 256) {
		for (j = 0; j < 256; j++)
			pages[j] = page_at(vma, i + j);
		syscall(__NR_move_pages, 0, 256UL, pages, NULL, status, 0);
		for (j = 0; j < 256; j++)
			nr += status[j] == node;
	}
	return nr;
}

static void use(char *vma)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		(void)*(volatile char *)page_at(vma, i);
}

/* Uses the memory until @pages of it are on node 0, or long enough. */
static size_t drawn_to_node0(char *vma, size_t pages)
{
	double end = seconds() + SECONDS;
	size_t nr;

	do {
		use(vma);
		nr = pages_on(0, vma);
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
	static const int orders[] = { 2, 3, 4, 5, 8 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
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
			       vmstat("numa_hint_faults") + 4 * PAGES / 16));
	EXPECT_EQ(PAGES, pages_on(1, vma));
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
	EXPECT_EQ(PAGES, pages_on(1, vma));
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
	EXPECT_EQ(1, node_of(page_at(vma, 32)));
	EXPECT_EQ(PAGES, of_order(4, vma));
	EXPECT_TRUE(holds(vma, PAGES, 4));
	close(fd);
	EXPECT_EQ(PAGES, drawn_to_node0(vma, PAGES));
	EXPECT_EQ(PAGES, of_order(4, vma));
	EXPECT_TRUE(holds(vma, PAGES, 4));
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
	char *vma = filled_on_node0(_metadata, 4);
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
	EXPECT_EQ(PAGES, pages_on(0, vma));
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
		char *at = page_at(racer.vma, (r = r * 1664525 + 1013904223) >> 16 & (HALF / 2 - 1));

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
