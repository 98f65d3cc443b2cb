// SPDX-License-Identifier: GPL-2.0
/*
 * DAMON on large folios: each of their pages is as hot as it is used, whether
 * virtual or physical addresses are watched, and schemes reach them.
 */
#include <pthread.h>

#include "lib/fixture.h"

#define KDAMOND	"/sys/kernel/mm/damon/admin/kdamonds/"
#define CONTEXT	KDAMOND "0/contexts/0/"
#define SCHEME	CONTEXT "schemes/0/"
#define PAGES	256
#define SAMPLES	10	/* in an aggregation interval */
#define ROUNDS	8	/* aggregation intervals */
#define LONG	100	/* the same, on a slow machine */

static struct toucher {
	pthread_t thread;
	char *vma;
	size_t pages;
	bool stop;
} toucher;

/* All pages all the time; new TLB entries each time, else nobody sees it. */
static void *touch_all(void *unused)
{
	size_t i;

	(void)unused;
	while (!__atomic_load_n(&toucher.stop, __ATOMIC_RELAXED)) {
		for (i = 0; i < toucher.pages; i++)
			touch(page_at(toucher.vma, i));
		mprotect(toucher.vma, toucher.pages * page_size, PROT_READ);
		mprotect(toucher.vma, toucher.pages * page_size, PROT_READ | PROT_WRITE);
	}
	return NULL;
}

static void start_touching(char *vma, size_t pages)
{
	toucher = (struct toucher){ .vma = vma, .pages = pages };
	pthread_create(&toucher.thread, NULL, touch_all, NULL);
}

static void stop_touching(void)
{
	__atomic_store_n(&toucher.stop, true, __ATOMIC_RELAXED);
	pthread_join(toucher.thread, NULL);
}

static void set(struct __test_metadata *_metadata, const char *path, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	ASSERT_EQ(0, write_file(path, text)) {
		TH_LOG("%s", path);
	}
}

static void range(struct __test_metadata *_metadata, const char *what, uint64_t min,
		  uint64_t max)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/max", what);
	set(_metadata, path, max);
	snprintf(path, sizeof(path), "%s/min", what);
	set(_metadata, path, min);
}

static long stat(const char *name)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), SCHEME "stats/%s", name);
	return read_file(path, text, sizeof(text)) > 0 ? strtol(text, NULL, 10) : -1;
}

/*
 * Watches [start, end), and acts on what has seen so many accesses: for a number of
 * aggregation intervals, or until it has found @want bytes of such memory.
 */
static void watch(struct __test_metadata *_metadata, const char *ops, uint64_t start,
		  uint64_t end, const char *action, unsigned int min_accesses,
		  unsigned int rounds, long want)
{
	/* put back in the opposite order */
	ASSERT_EQ(0, setting(KDAMOND "nr_kdamonds", "1"));
	set(_metadata, KDAMOND "0/contexts/nr_contexts", 1);
	ASSERT_EQ(0, write_file(CONTEXT "operations", ops));
	set(_metadata, CONTEXT "monitoring_attrs/intervals/sample_us", 20000);
	set(_metadata, CONTEXT "monitoring_attrs/intervals/aggr_us", SAMPLES * 20000);
	set(_metadata, CONTEXT "monitoring_attrs/intervals/update_us", 100000000);
	range(_metadata, CONTEXT "monitoring_attrs/nr_regions", 3, 10);
	set(_metadata, CONTEXT "targets/nr_targets", 1);
	if (strcmp(ops, "paddr"))
		set(_metadata, CONTEXT "targets/0/pid_target", getpid());
	set(_metadata, CONTEXT "targets/0/regions/nr_regions", 1);
	set(_metadata, CONTEXT "targets/0/regions/0/start", start);
	set(_metadata, CONTEXT "targets/0/regions/0/end", end);
	set(_metadata, CONTEXT "schemes/nr_schemes", 1);
	ASSERT_EQ(0, write_file(SCHEME "action", action));
	range(_metadata, SCHEME "access_pattern/sz", 0, 1UL << 40);
	range(_metadata, SCHEME "access_pattern/nr_accesses", min_accesses, SAMPLES);
	range(_metadata, SCHEME "access_pattern/age", 0, 1000000);
	ASSERT_EQ(0, setting(KDAMOND "0/state", "on"));
	while (rounds--) {
		usleep(SAMPLES * 20000);
		ASSERT_EQ(0, write_file(KDAMOND "0/state", "update_schemes_stats"));
		if (stat("sz_tried") >= want)
			break;
	}
	ASSERT_EQ(0, write_file(KDAMOND "0/state", "off"));
}

/*
 * In how many rounds two samples or more saw an access: there may be few samples in
 * a round on a slow machine. Ends with @want of them.
 */
static long hot_rounds(struct __test_metadata *_metadata, const char *ops,
		       uint64_t start, size_t pages, unsigned int rounds, int want)
{
	long tried;

	watch(_metadata, ops, start, start + pages * page_size, "stat", 2, rounds,
	      want * pages * page_size);
	tried = stat("sz_tried");
	set(_metadata, KDAMOND "nr_kdamonds", 0);
	return tried / (long)(pages * page_size);
}

static void virtual(struct __test_metadata *_metadata, int order)
{
	char *vma = filled_order(_metadata, PAGES, order);
	long hot, cold = hot_rounds(_metadata, "fvaddr", (uintptr_t)vma, PAGES, ROUNDS,
				    ROUNDS);

	start_touching(vma, PAGES);
	hot = hot_rounds(_metadata, "fvaddr", (uintptr_t)vma, PAGES, LONG, 2);
	stop_touching();
	TH_LOG("order %d: seen in %ld rounds when touched, in %ld when not", order, hot,
	       cold);
	EXPECT_LE(2, hot);
	EXPECT_GE(1, cold);
	munmap(vma, PAGES * page_size);
}

TEST_F(stock, virtual_small)
{
	virtual(_metadata, 0);
}

TEST_F(laf, in_use)
{
	virtual(_metadata, 4);
	virtual(_metadata, 8);
}

/* One folio is a range of physical memory. */
TEST_F(laf, physical)
{
	char *vma = filled_order(_metadata, PAGES, 8);
	uint64_t start = pfn_of(vma) * page_size;
	long hot, cold = hot_rounds(_metadata, "paddr", start, PAGES, ROUNDS, ROUNDS);

	start_touching(vma, PAGES);
	hot = hot_rounds(_metadata, "paddr", start, PAGES, LONG, 2);
	stop_touching();
	TH_LOG("seen in %ld rounds when touched, in %ld when not", hot, cold);
	EXPECT_LE(2, hot);
	EXPECT_GE(1, cold);
}

/* A region that begins and ends inside of the folio: all its pages count. */
static void act(struct __test_metadata *_metadata, const char *action)
{
	char *vma = filled_order(_metadata, PAGES, 8);
	uint64_t start = (pfn_of(vma) + 3) * page_size;

	watch(_metadata, "paddr", start, start + 100 * page_size, action, 0, LONG, 1);
	EXPECT_LT(0, stat("sz_tried"));
	EXPECT_EQ(stat("sz_tried"), stat("sz_applied"));
	EXPECT_ORDER(8, vma);
	EXPECT_TRUE(holds(vma, PAGES, 8));
	set(_metadata, KDAMOND "nr_kdamonds", 0);
}

TEST_F(laf, deprioritize)
{
	act(_metadata, "lru_deprio");
}

TEST_F(laf, prioritize)
{
	act(_metadata, "lru_prio");
}

/* The folio is swapped out as a whole. */
TEST_F(laf, page_out)
{
	char *vma = filled_order(_metadata, PAGES, 8);
	uint64_t start = (pfn_of(vma) + 3) * page_size;

	ASSERT_TRUE(swap_on(4 * PAGES));
	watch(_metadata, "paddr", start, start + 100 * page_size, "pageout", 0, LONG,
	      100 * page_size);
	set(_metadata, KDAMOND "nr_kdamonds", 0);
	EXPECT_EQ(PAGES * page_size >> 10, smaps(vma, PAGES, "Swap"));
	EXPECT_TRUE(holds(vma, PAGES, 8));
}
