// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that fault on one range at once. A thread that finds a neighbour's
 * page under the lock must not lose it, map over it, or leak its own folio.
 */
#include <pthread.h>

#include "lib/fixture.h"

#define THREADS	4
#define PAGES	128

struct racer {
	pthread_t thread;
	int id;
	uint32_t order_of_pages;	/* where it starts, and its stride */
};

static struct {
	char *vma;
	bool stop;
	pthread_barrier_t start, end;
} race;

/* Each thread writes a byte of its own to every page, each in another order. */
static void write_bytes(struct racer *r)
{
	size_t i, stride = 2 * (r->order_of_pages >> 16) + 1;

	for (i = 0; i < PAGES; i++) {
		size_t page = (r->order_of_pages + i * stride) % PAGES;

		page_at(race.vma, page)[r->id] = r->id + 1;
	}
}

static void *racer(void *arg)
{
	struct racer *r = arg;

	pin_cpu(r->id % sysconf(_SC_NPROCESSORS_ONLN));
	for (;;) {
		pthread_barrier_wait(&race.start);
		if (race.stop)
			return NULL;
		write_bytes(r);
		pthread_barrier_wait(&race.end);
	}
}

static void racers_start(struct racer *racers)
{
	int i;

	pthread_barrier_init(&race.start, NULL, THREADS + 1);
	pthread_barrier_init(&race.end, NULL, THREADS + 1);
	for (i = 0; i < THREADS; i++) {
		racers[i].id = i;
		pthread_create(&racers[i].thread, NULL, racer, &racers[i]);
	}
}

static void racers_run(struct racer *racers)
{
	int i;

	for (i = 0; i < THREADS; i++)
		racers[i].order_of_pages = rnd(1U << 20);
	pthread_barrier_wait(&race.start);
	pthread_barrier_wait(&race.end);
}

static void racers_stop(struct racer *racers)
{
	int i;

	race.stop = true;
	pthread_barrier_wait(&race.start);
	for (i = 0; i < THREADS; i++)
		pthread_join(racers[i].thread, NULL);
}

/* The pages whose bytes are not exactly what the threads wrote. */
static size_t wrong_pages(const char *vma)
{
	size_t page, i, wrong = 0;

	for (page = 0; page < PAGES; page++) {
		const char *bytes = page_at(vma, page);
		bool right = true;

		for (i = 0; i < THREADS; i++)
			right &= bytes[i] == i + 1;
		for (; i < 64; i++)
			right &= !bytes[i];
		right &= !bytes[page_size - 1];
		wrong += !right;
	}
	return wrong;
}

/* A fresh range in every round; all is counted when it is quiet again. */
static void rounds_on_fresh_memory(struct __test_metadata *_metadata,
				   unsigned int orders, size_t rounds)
{
	struct racer racers[THREADS];
	size_t found[MAX_ORDER + 1], seen = 0, i;
	struct size_stats stats;
	int order;

	race.vma = map_new(PAGES);
	racers_start(racers);
	/* for the threads' stacks */
	racers_run(racers);
	madvise(race.vma, PAGES * page_size, MADV_DONTNEED);
	while (rounds--) {
		memset(found, 0, sizeof(found));
		size_stats(&stats);
		racers_run(racers);
		size_stats_since(&stats);
		ASSERT_EQ(0, wrong_pages(race.vma));
		ASSERT_EQ(PAGES, present(race.vma, PAGES));
		ASSERT_EQ(PAGES * page_size >> 10, smaps(race.vma, PAGES, "Rss"));
		for (i = 0; i < PAGES; i += ORDER(order)) {
			order = mapped_order(page_at(race.vma, i));
			ASSERT_LE(0, order);
			ASSERT_TRUE(!order || orders & ORDER(order)) {
				TH_LOG("order wanted from %#x, found %d", orders, order);
			}
			found[order]++;
		}
		/* what lost a race is not an allocation that served a fault */
		for (order = MIN_ORDER; order < pmd_order; order++) {
			EXPECT_EQ(found[order], stats.alloc[order]);
			if (found[order])
				seen |= ORDER(order);
		}
		madvise(race.vma, PAGES * page_size, MADV_DONTNEED);
	}
	racers_stop(racers);
	order = 31 - __builtin_clz(orders);
	EXPECT_NE(0, seen & ORDER(order)) {
		TH_LOG("order wanted %d, found %d", order,
		       seen ? 31 - __builtin_clz(seen) : 0);
	}
}

TEST_F(laf, default_orders)
{
	enable_orders(DEFAULT_ORDERS);
	rounds_on_fresh_memory(_metadata, DEFAULT_ORDERS, longer ? 5000 : 40);
}

TEST_F(laf, one_large_order)
{
	enable_orders(ORDER(7));
	rounds_on_fresh_memory(_metadata, ORDER(7), longer ? 5000 : 40);
}

/*
 * A thread that gets single pages only is the faster one: while the other still
 * clears its folio, the page of the fault itself, or a neighbour, comes in.
 */
static long go, done;

static void *small_writer(void *stride)
{
	long round;

	pin_cpu(1);
	fail_me(true);
	for (round = 1; ; round++) {
		while (__atomic_load_n(&go, __ATOMIC_ACQUIRE) < round)
			;
		if (race.stop)
			return NULL;
		page_at(race.vma, round * (long)stride % 16)[1] = 2;
		__atomic_store_n(&done, round, __ATOMIC_RELEASE);
	}
}

/* In round n both write to page n, or the other one to page n * @stride. */
static void small_against_large(struct __test_metadata *_metadata, long stride)
{
	long rounds = longer ? 20000 : 300, round, lost = 0, small = 0;
	pthread_t thread;

	enable_orders(ORDER(4));
	race.vma = map_new(16);
	touch(race.vma);
	ASSERT_ORDER(4, race.vma);
	madvise(race.vma, 16 * page_size, MADV_DONTNEED);
	ASSERT_EQ(0, fail_from(MIN_ORDER, 100));
	pin_cpu(0);
	pthread_create(&thread, NULL, small_writer, (void *)stride);
	for (round = 1; round <= rounds; round++) {
		char *mine = page_at(race.vma, round % 16);
		char *other = page_at(race.vma, round * stride % 16);

		__atomic_store_n(&go, round, __ATOMIC_RELEASE);
		mine[0] = 1;
		while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) < round)
			;
		lost += mine[0] != 1 || other[1] != 2;
		small += folio_order(other) == 0;
		madvise(race.vma, 16 * page_size, MADV_DONTNEED);
	}
	race.stop = true;
	__atomic_store_n(&go, round, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, lost);
	/* else nothing was tried here */
	EXPECT_LT(0, small);
}

TEST_F(laf, small_on_same_page)
{
	small_against_large(_metadata, 1);
}

TEST_F(laf, small_on_neighbour)
{
	small_against_large(_metadata, 3);
}

/* Orders come and go while the threads fault. */
static void *change_policy(void *stop)
{
	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED)) {
		enable_orders(large_orders());
		enable_orders(ORDER(2) | ORDER(6));
		enable_orders(0);
		enable_orders(DEFAULT_ORDERS);
	}
	return NULL;
}

TEST_F(laf, changing_policy)
{
	size_t rounds = longer ? 5000 : 30, i;
	struct racer racers[THREADS];
	bool stop = false;
	pthread_t policy;
	int order;

	enable_orders(DEFAULT_ORDERS);
	race.vma = map_new(PAGES);
	touch(race.vma);
	ASSERT_ORDER(4, race.vma);
	madvise(race.vma, PAGES * page_size, MADV_DONTNEED);

	pthread_create(&policy, NULL, change_policy, &stop);
	racers_start(racers);
	while (rounds--) {
		racers_run(racers);
		EXPECT_EQ(0, wrong_pages(race.vma));
		EXPECT_EQ(PAGES, present(race.vma, PAGES));
		for (i = 0; i < PAGES; i += ORDER(order)) {
			order = mapped_order(page_at(race.vma, i));
			ASSERT_TRUE(order == 0 || order >= MIN_ORDER);
		}
		madvise(race.vma, PAGES * page_size, MADV_DONTNEED);
	}
	racers_stop(racers);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(policy, NULL);
}

/*
 * Pages vanish while others fault around them. Whoever reads back a page of its
 * own sees its own bytes or, after a zap, zeroes: never another page's.
 */
static void *write_and_read(void *arg)
{
	struct racer *r = arg;
	size_t i, n = longer ? 400000 : 3000;
	uint32_t x = r->order_of_pages | 1;
	size_t wrong = 0;

	for (i = 0; i < n; i++) {
		size_t page;
		volatile uint32_t *word;
		uint32_t seen;

		x = x * 1664525 + 1013904223;
		page = (x >> 16) % PAGES;
		word = (uint32_t *)page_at(race.vma, page) + r->id;
		if (x >> 30) {
			*word = page << 8 | r->id;
			seen = *word;
			wrong += seen && seen != (page << 8 | r->id);
		} else {
			madvise(page_at(race.vma, page & ~7), 8 * page_size,
				MADV_DONTNEED);
		}
	}
	return (void *)wrong;
}

TEST_F(laf, faults_and_zaps)
{
	struct racer racers[THREADS];
	void *wrong;
	pid_t pid;
	int i;

	enable_orders(DEFAULT_ORDERS);
	race.vma = map_new(PAGES);
	touch(race.vma);
	ASSERT_ORDER(4, race.vma);
	ASSERT_TRUE(cgroup_create());
	pid = child();
	if (!pid) {
		EXPECT_TRUE(cgroup_enter());
		for (i = 0; i < THREADS; i++) {
			racers[i].id = i;
			racers[i].order_of_pages = rnd(1U << 31);
			pthread_create(&racers[i].thread, NULL, write_and_read, &racers[i]);
		}
		for (i = 0; i < THREADS; i++) {
			pthread_join(racers[i].thread, &wrong);
			EXPECT_EQ(NULL, wrong);
		}
		EXPECT_EQ(present(race.vma, PAGES) * page_size >> 10,
			  smaps(race.vma, PAGES, "Rss"));
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_EQ(0, cgroup_leak());
}

/* Reclaim looks at folios that are just being mapped, and splits and swaps them. */
static void *reclaim(void *stop)
{
	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED))
		cgroup_set("memory.reclaim", "256K");
	return NULL;
}

TEST_F(laf, faults_and_reclaim)
{
	size_t rounds = longer ? 2000 : 30;
	struct racer racers[THREADS];
	bool stop = false;
	pthread_t reclaimer;
	pid_t pid;

	enable_orders(DEFAULT_ORDERS);
	race.vma = map_new(PAGES);
	touch(race.vma);
	ASSERT_ORDER(4, race.vma);
	madvise(race.vma, PAGES * page_size, MADV_DONTNEED);
	ASSERT_TRUE(swap_on(4096));
	ASSERT_TRUE(cgroup_create());
	pid = child();
	if (!pid) {
		EXPECT_TRUE(cgroup_enter());
		pthread_create(&reclaimer, NULL, reclaim, &stop);
		racers_start(racers);
		while (rounds--) {
			racers_run(racers);
			EXPECT_EQ(0, wrong_pages(race.vma));
			madvise(race.vma, PAGES * page_size, MADV_DONTNEED);
		}
		racers_stop(racers);
		__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
		pthread_join(reclaimer, NULL);
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_TRUE(swap_off());
	EXPECT_EQ(0, cgroup_leak());
}
