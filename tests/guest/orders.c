// SPDX-License-Identifier: GPL-2.0
/*
 * The order of the folio that a write fault gets: the highest enabled one whose
 * naturally aligned range lies in the VMA, in one PMD, and has no page yet.
 */
#include "lib/fixture.h"

struct fault {
	size_t start, end;	/* the VMA, in pages */
	size_t at;		/* the page that is written */
	int order;		/* wanted */
};

/* All of it in one space, so that page 512 is where the second PMD begins. */
#define SPACE 1024

static void check_faults(struct __test_metadata *_metadata,
			 const struct fault *faults, size_t nr)
{
	char *space = reserve(SPACE);
	size_t i;

	for (i = 0; i < nr; i++) {
		const struct fault *f = &faults[i];
		size_t size = f->end - f->start;
		char *vma = map(page_at(space, f->start), size);
		char *page = page_at(space, f->at);

		touch(page);
		EXPECT_ORDER_NOTE(f->order, mapped_order(page),
				  ": VMA [%zu, %zu), fault at %zu",
				  f->start, f->end, f->at);
		EXPECT_EQ(ORDER(f->order), present(vma, size));
		EXPECT_TRUE(zeroed(vma, size));
		munmap(vma, size * page_size);
	}
}

TEST_F(laf, vma_edges)
{
	static const struct fault faults[] = {
		/* room for all */
		{ 0, 16, 0, 4 }, { 0, 16, 5, 4 }, { 0, 16, 15, 4 },
		{ 16, 48, 31, 4 }, { 16, 48, 32, 4 },
		/* a page short at the end */
		{ 0, 15, 0, 3 }, { 0, 15, 7, 3 }, { 0, 15, 8, 2 },
		{ 0, 15, 11, 2 }, { 0, 15, 12, 0 }, { 0, 15, 14, 0 },
		/* a page short at the start */
		{ 1, 16, 1, 0 }, { 1, 16, 3, 0 }, { 1, 16, 4, 2 },
		{ 1, 16, 7, 2 }, { 1, 16, 8, 3 }, { 1, 16, 15, 3 },
		/* just large enough, but across a natural boundary */
		{ 1, 17, 1, 0 }, { 1, 17, 8, 3 }, { 1, 17, 16, 0 },
		{ 8, 24, 8, 3 }, { 8, 24, 16, 3 },
		{ 2, 6, 2, 0 }, { 2, 6, 4, 0 },
		/* the smallest large folio, and too small for it */
		{ 0, 4, 3, 2 }, { 0, 3, 0, 0 }, { 4, 6, 4, 0 }, { 7, 8, 7, 0 },
	};

	enable_orders(DEFAULT_ORDERS);
	check_faults(_metadata, faults, ARRAY_SIZE(faults));
}

TEST_F(laf, pmd_edges)
{
	static const struct fault faults[] = {
		{ 504, 520, 511, 3 }, { 504, 520, 512, 3 },
		{ 511, 513, 511, 0 }, { 511, 513, 512, 0 },
		{ 256, 768, 511, 8 }, { 256, 768, 512, 8 },
		{ 257, 767, 511, 7 }, { 257, 767, 512, 7 },
		{ 257, 767, 257, 0 }, { 257, 767, 766, 0 },
		{ 0, 1024, 511, 8 }, { 0, 1024, 512, 8 }, { 0, 1024, 1023, 8 },
		{ 510, 1023, 510, 0 }, { 510, 1023, 512, 8 }, { 510, 1023, 1022, 0 },
	};

	enable_orders(large_orders());
	check_faults(_metadata, faults, ARRAY_SIZE(faults));
}

/* A window of 32 pages; some are there before the fault. */
struct window {
	const char *filled;	/* 'w' written, 'z' the zero page */
	size_t at;
	int order;
};

TEST_F(laf, partly_filled)
{
	static const struct window windows[] = {
		{ "................................", 9, 4 },
		{ ".....w..........................", 0, 2 },
		{ ".....w..........................", 4, 0 },
		{ ".....w..........................", 7, 0 },
		{ ".....w..........................", 8, 3 },
		{ ".....w..........................", 16, 4 },
		{ "...............w................", 0, 3 },
		{ "...............w................", 8, 2 },
		{ "...............w................", 12, 0 },
		{ "...............w................", 31, 4 },
		{ "................w...............", 15, 4 },
		{ "w...............................", 1, 0 },
		{ "w...............................", 4, 2 },
		{ "w...............................", 8, 3 },
		{ "w...w...w...w...w...............", 1, 0 },
		{ "w...w...w...w...w...............", 15, 0 },
		{ "w.......w.......w.......w.......", 5, 2 },
		{ "w.......w.......w.......w.......", 31, 2 },
		{ "z...............................", 8, 3 },
		{ "z...............................", 1, 0 },
		{ "...............z................", 0, 3 },
		{ "...............z................", 16, 4 },
		{ "z.......w.......................", 12, 2 },
		{ ".......................z........", 24, 3 },
	};
	size_t i, p;

	for (i = 0; i < ARRAY_SIZE(windows); i++) {
		const struct window *w = &windows[i];
		char *vma = map_new(strlen(w->filled));

		enable_orders(0);
		for (p = 0; w->filled[p]; p++) {
			if (w->filled[p] == 'w')
				fill(page_at(vma, p), 1, p);
			if (w->filled[p] == 'z') {
				ASSERT_EQ(0, *(volatile char *)page_at(vma, p));
			}
		}
		enable_orders(DEFAULT_ORDERS);
		touch(page_at(vma, w->at));
		EXPECT_ORDER_NOTE(w->order, mapped_order(page_at(vma, w->at)),
				  ": \"%s\", fault at %zu", w->filled, w->at);
		for (p = 0; w->filled[p]; p++) {
			if (w->filled[p] == 'w') {
				EXPECT_TRUE(holds(page_at(vma, p), 1, p));
			}
			if (w->filled[p] == 'z') {
				EXPECT_TRUE(page_flag(page_at(vma, p), KPF_ZERO_PAGE));
			}
		}
		munmap(vma, p * page_size);
	}
}

/* Every order alone: one fault brings in that order and nothing else. */
TEST_F(laf, each_order)
{
	size_t round, rounds = longer ? 64 : 4;
	int order;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		enable_orders(ORDER(order));
		for (round = 0; round < rounds; round++) {
			char *vma = map_new(SPACE);
			char *page = page_at(vma, rnd(SPACE));

			touch(page);
			ASSERT_ORDER(order, page);
			EXPECT_EQ(ORDER(order), present(vma, SPACE));
			munmap(vma, SPACE * page_size);
		}
	}
}

/* With order 2 and up enabled, a hole for two pages takes two faults. */
TEST_F(laf, never_order_1)
{
	char *vma = map_new(16);
	int i;

	enable_orders(large_orders());
	touch(page_at(vma, 8));
	ASSERT_ORDER(4, page_at(vma, 8));

	munmap(vma, 16 * page_size);
	vma = map(vma, 2);
	for (i = 0; i < 2; i++) {
		touch(page_at(vma, i));
		EXPECT_ORDER(0, page_at(vma, i));
		EXPECT_EQ(i + 1, present(vma, 2));
	}
}

/* In a table without an entry: the PMD size is for huge pages, never for PTEs. */
TEST_F(laf, empty_table)
{
	char *vma = map_new(PMD);

	reclaim_mode("0");	/* else the table goes with its last entry */
	enable_orders(ORDER(4));
	touch(vma);
	ASSERT_ORDER(4, vma);
	ASSERT_EQ(0, madvise(vma, PMD * page_size, MADV_DONTNEED));
	enable_orders(ORDER(4) | ORDER(pmd_order));
	touch(page_at(vma, 37));
	EXPECT_ORDER(4, page_at(vma, 37));
	EXPECT_EQ(16, present(vma, PMD));
}

/* arm64 keeps for each page whether its instructions can be fetched. */
TEST_F(laf, executable)
{
	int order;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		char *vma = map_new(PMD);
		size_t i, missing = 0;

		enable_orders(ORDER(order));
		ASSERT_EQ(0, mprotect(vma, PMD * page_size, PROT_READ | PROT_WRITE | PROT_EXEC));
		touch(page_at(vma, 3));
		ASSERT_ORDER(order, vma);
		for (i = 0; i < ORDER(order); i++)
			missing += !page_flag(page_at(vma, i), KPF_ARCH);
#ifdef __aarch64__
		EXPECT_EQ(0, missing) {
			TH_LOG("order %d", order);
		}
#endif
		munmap(vma, PMD * page_size);
	}
}

/* What a hole in a folio gets when it is written again. */
TEST_F(laf, hole)
{
	char *vma = map_new(32);

	enable_orders(DEFAULT_ORDERS);
	touch(page_at(vma, 16));
	ASSERT_ORDER(4, page_at(vma, 16));
	fill(page_at(vma, 16), 16, 1);

	ASSERT_EQ(0, madvise(page_at(vma, 20), 4 * page_size, MADV_DONTNEED));
	ASSERT_EQ(0, madvise(page_at(vma, 25), 1 * page_size, MADV_DONTNEED));
	EXPECT_EQ(11, present(page_at(vma, 16), 16));
	touch(page_at(vma, 21));
	EXPECT_ORDER(2, page_at(vma, 21));
	EXPECT_TRUE(zeroed(page_at(vma, 20), 4));
	touch(page_at(vma, 25));
	EXPECT_ORDER(0, page_at(vma, 25));
	EXPECT_TRUE(zeroed(page_at(vma, 25), 1));
	EXPECT_EQ(4, folio_order(page_at(vma, 16)));

	ASSERT_EQ(0, madvise(page_at(vma, 16), 16 * page_size, MADV_DONTNEED));
	touch(page_at(vma, 31));
	EXPECT_ORDER(4, page_at(vma, 31));
	EXPECT_TRUE(zeroed(page_at(vma, 16), 16));
}

/* A read fault maps the zero page alone, and never brings in memory. */
TEST_F(laf, read_fault)
{
	char *vma = map_new(32);
	size_t i;

	enable_orders(DEFAULT_ORDERS);
	for (i = 0; i < 16; i += 2) {
		ASSERT_EQ(0, *(volatile char *)page_at(vma, i));
		EXPECT_TRUE(page_flag(page_at(vma, i), KPF_ZERO_PAGE));
	}
	EXPECT_EQ(8, present(vma, 32));
	touch(page_at(vma, 16));
	EXPECT_ORDER(4, page_at(vma, 16));
	/* Writing where the zero page is replaces just that page. */
	touch(vma);
	EXPECT_EQ(0, folio_order(vma));
	EXPECT_FALSE(page_flag(vma, KPF_ZERO_PAGE));
	EXPECT_EQ(8 + 16, present(vma, 32));
}

/* What the rule says, the slow way. */
static int model(unsigned int orders, size_t start, size_t end,
		 const bool *filled, size_t at)
{
	int order;

	for (order = pmd_order - 1; order >= MIN_ORDER; order--) {
		size_t first = at & ~(ORDER(order) - 1UL), p;

		if (!(orders & ORDER(order)) || first < start ||
		    first + ORDER(order) > end)
			continue;
		for (p = first; p < first + ORDER(order) && !filled[p]; p++)
			;
		if (p == first + ORDER(order))
			return order;
	}
	return 0;
}

/* A random VMA in two PMDs with a few pages near the fault, for @orders. */
static void random_fault(struct __test_metadata *_metadata, char *space,
			 unsigned int orders)
{
	size_t start = rnd(SPACE), end, at, nr, p;
	bool filled[SPACE] = {};
	int order;
	char *vma;

	start &= ~(ORDER(rnd(10)) - 1UL);
	end = start + 1 + rnd(SPACE - start);
	if (rnd(2))
		end = (end + 511) & ~511UL;
	at = start + rnd(end - start);
	vma = map(page_at(space, start), end - start);

	enable_orders(0);
	for (nr = rnd(4); nr; nr--) {
		size_t off = rnd(ORDER(rnd(10)) + 1);

		p = rnd(2) ? at + off : at - off;
		if (p == at || p < start || p >= end)
			continue;
		filled[p] = true;
		if (rnd(2))
			touch(page_at(space, p));
		else
			ASSERT_EQ(0, *(volatile char *)page_at(space, p));
	}
	for (nr = 0, p = start; p < end; p++)
		nr += filled[p];

	enable_orders(orders);
	order = model(orders, start, end, filled, at);
	touch(page_at(space, at));
	EXPECT_ORDER_NOTE(order, mapped_order(page_at(space, at)),
			  ": enabled %#x, VMA [%zu, %zu), fault at %zu, %zu pages before",
			  orders, start, end, at, nr);
	EXPECT_EQ(nr + ORDER(order), present(vma, end - start));
	munmap(vma, (end - start) * page_size);
}

/* Every set of orders below PMD order. */
TEST_F(laf, enabled_sets)
{
	char *space = reserve(SPACE), *vma = map(space, 16);
	unsigned int orders;
	int i, rounds = longer ? 100 : 2;

	enable_orders(large_orders());
	touch(vma);
	ASSERT_ORDER(4, vma);
	munmap(vma, 16 * page_size);
	for (orders = 0; orders <= large_orders(); orders += ORDER(MIN_ORDER))
		for (i = 0; i < rounds && _metadata->passed; i++)
			random_fault(_metadata, space, orders);
}

/* /proc/kpageflags: one head, tails, and KPF_THP on each, as for a huge page. */
TEST_F(laf, kpageflags)
{
	int order;
	size_t i;

	for (order = MIN_ORDER; order < pmd_order; order++) {
		size_t pages = 2 * ORDER(order);
		char *vma = filled_order(_metadata, pages, order);

		HITS_BEGIN("stable_page_flags");
		EXPECT_TRUE(folio_flag(vma, KPF_UPTODATE));
		for (i = 0; i < pages; i++) {
			bool head = !(i % ORDER(order));

			EXPECT_TRUE(page_flag(page_at(vma, i), KPF_THP));
			EXPECT_EQ(head, page_flag(page_at(vma, i), KPF_COMPOUND_HEAD));
			EXPECT_EQ(!head, page_flag(page_at(vma, i), KPF_COMPOUND_TAIL));
		}
		EXPECT_HITS("stable_page_flags");
		munmap(vma, pages * page_size);
	}
}
