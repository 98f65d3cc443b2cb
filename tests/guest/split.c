// SPDX-License-Identifier: GPL-2.0
/*
 * The storm that crashed the first RFC: threads split folios by MADV_FREE on
 * parts of them, while others fault, zap and fork. Order 1 broke the page next
 * to the folio, so that the oops came anywhere; every word is checked here.
 */
#include <pthread.h>

#include "lib/fixture.h"

#define THREADS	3
#define PAGES	512

static struct storm {
	char *vma;
	uint32_t tag;
	size_t ops;
	size_t wrong;
} storm;

static uint64_t *words_of(size_t page)
{
	return (uint64_t *)page_at(storm.vma, page);
}

static uint64_t word(size_t page, size_t i)
{
	return (uint64_t)storm.tag << 32 | page << 12 | i;
}

/* A word is what every writer writes there, or zero after a zap. */
static void check_page(size_t page)
{
	size_t i, wrong = 0;

	for (i = 0; i < page_size / 8; i += 7) {
		uint64_t seen = __atomic_load_n(&words_of(page)[i], __ATOMIC_RELAXED);

		wrong += seen && seen != word(page, i);
	}
	if (wrong)
		__atomic_add_fetch(&storm.wrong, wrong, __ATOMIC_RELAXED);
}

static void write_page(size_t page)
{
	size_t i;

	for (i = 0; i < page_size / 8; i += 7)
		__atomic_store_n(&words_of(page)[i], word(page, i), __ATOMIC_RELAXED);
}

static void *worker(void *arg)
{
	static const int advice[] = {
		MADV_FREE, MADV_FREE, MADV_FREE, MADV_DONTNEED, MADV_PAGEOUT, MADV_COLD,
	};
	uint32_t x = (uintptr_t)arg;
	size_t op, i;

	for (op = 0; op < storm.ops; op++) {
		size_t page, nr;

		x = x * 1664525 + 1013904223;
		page = (x >> 8) % PAGES;
		/* rarely a multiple of a folio */
		nr = 1 + (x >> 20) % 24;
		if (page + nr > PAGES)
			nr = PAGES - page;
		if (x >> 31) {
			for (i = page; i < page + nr; i++)
				write_page(i);
		} else {
			madvise(page_at(storm.vma, page), nr * page_size,
				advice[(x >> 4) % ARRAY_SIZE(advice)]);
		}
		for (i = page; i < page + nr; i++)
			check_page(i);
	}
	return NULL;
}

/* The child looks at all pages and copies some, then ends. */
static bool fork_once(void)
{
	size_t page;
	pid_t pid = child();

	if (!pid) {
		storm.wrong = 0;
		for (page = 0; page < PAGES; page++) {
			check_page(page);
			if (page % 5 == 0)
				write_page(page);
		}
		madvise(page_at(storm.vma, 100), 200 * page_size, MADV_FREE);
		_exit(storm.wrong != 0);
	}
	return child_ok(pid);
}

static void storm_of(struct __test_metadata *_metadata, int order)
{
	pthread_t threads[THREADS];
	size_t i, page;
	pid_t pid;

	enable_orders(ORDER(order));
	storm.vma = map_new(PAGES);
	storm.tag = 0x50000000 + order;
	storm.ops = longer ? 20000 : 250;
	touch(page_at(storm.vma, 3));
	ASSERT_ORDER(order, storm.vma);
	madvise(storm.vma, PAGES * page_size, MADV_DONTNEED);

	ASSERT_TRUE(cgroup_create());
	pid = child();
	if (!pid) {
		EXPECT_TRUE(cgroup_enter());
		for (page = 0; page < PAGES; page++)
			write_page(page);
		for (i = 0; i < THREADS; i++)
			pthread_create(&threads[i], NULL, worker,
				       (void *)(uintptr_t)rnd(1U << 31));
		for (i = 0; i < storm.ops / 25; i++) {
			EXPECT_TRUE(fork_once());
		}
		for (i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		for (page = 0; page < PAGES; page++)
			check_page(page);
		EXPECT_EQ(0, storm.wrong);
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_EQ(0, cgroup_leak());
}

/*
 * Of each folio one page is left. Their memory comes back when somebody needs it,
 * and what is left keeps its contents.
 */
TEST_F(laf, partly_unmapped)
{
	size_t folios = 64, i;
	char *vma = map_new(folios << 4);
	long before = 0, after = 0;
	pid_t pid;
	int try;

	enable_orders(ORDER(4));
	touch(vma);
	ASSERT_ORDER(4, vma);
	madvise(vma, page_size << 4, MADV_DONTNEED);
	ASSERT_TRUE(cgroup_create());
	ASSERT_EQ(0, cgroup_set("memory.swap.max", "0"));
	HITS_BEGIN("deferred_split_scan");
	pid = child();
	if (!pid) {
		EXPECT_TRUE(cgroup_enter());
		for (i = 0; i < folios; i++) {
			char *folio = page_at(vma, i << 4), *kept = page_at(folio, i % 16);

			fill(folio, 16, i);
			if (kept > folio)
				madvise(folio, kept - folio, MADV_DONTNEED);
			madvise(kept + page_size, (15 - i % 16) * page_size, MADV_DONTNEED);
		}
		before = cgroup_get("memory.current", NULL) / page_size;
		for (try = 0; try < 50; try++) {
			cgroup_set("memory.reclaim", "4M");
			after = cgroup_get("memory.current", NULL) / page_size;
			if (after < before - folios * 14)
				break;
		}
		EXPECT_GT(before - folios * 14, after);
		for (i = 0; i < folios; i++) {
			char *kept = page_at(vma, (i << 4) + i % 16);

			EXPECT_EQ(0, folio_order(kept));
			/* as fill() left page i % 16 of a longer run */
			EXPECT_EQ((uint64_t)i << 32 | (i % 16) << 12 | 5, ((uint64_t *)kept)[5]);
		}
		_exit(!_metadata->passed);
	}
	EXPECT_TRUE(child_ok(pid));
	EXPECT_EQ(0, cgroup_leak());
	EXPECT_HITS("deferred_split_scan");
}

#define STORM(order)						\
TEST_F(laf, order_##order)				\
{								\
	storm_of(_metadata, order);				\
}

STORM(2)
STORM(3)
STORM(4)
STORM(5)
STORM(6)
STORM(7)
STORM(8)
