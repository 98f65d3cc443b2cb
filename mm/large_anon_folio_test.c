// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of the order choice, included by large_anon_folio.c
 *
 * The model knows nothing of windows and nearest entries: it looks at every
 * entry of every candidate block.
 */

#include <kunit/test.h>

#define TABLE_MAX	16U

static unsigned int naive_order(const pte_t *table, unsigned int idx,
				unsigned int lo, unsigned int hi,
				unsigned long orders)
{
	unsigned int order, start, i;

	for (order = BITS_PER_LONG - 1; order > 0; order--) {
		if (!(orders & BIT(order)))
			continue;
		start = idx & ~((1U << order) - 1);
		for (i = start; i < start + (1U << order); i++) {
			if (i < lo || i >= hi)
				break;
			if (i != idx && !pte_none(table[i]))
				break;
		}
		if (i == start + (1U << order))
			return order;
	}
	return 0;
}

static void fill_table(pte_t *table, unsigned int nr, unsigned long set)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		table[i] = __pte(set & BIT(i) ? 0xa5 : 0);
}

/* Every fault in, and every VMA over, one population of a table. */
static void check_table(struct kunit *test, unsigned int nr, unsigned long set,
			unsigned long orders)
{
	pte_t table[TABLE_MAX];
	unsigned int idx, lo, hi;

	fill_table(table, nr, set);

	for (idx = 0; idx < nr; idx++) {
		if (set & BIT(idx))
			continue;
		for (lo = 0; lo <= idx; lo++) {
			for (hi = idx + 1; hi <= nr; hi++) {
				struct pte_window w = { idx, lo, hi };
				unsigned int want, got;

				want = naive_order(table, idx, lo, hi, orders);
				got = scan_window(table, &w, orders);
				if (want != got)
					KUNIT_FAIL(test,
						   "set %#lx idx %u [%u,%u) orders %#lx: want %u got %u",
						   set, idx, lo, hi, orders,
						   want, got);
				/*
				 * What is left for a fallback may be too wide,
				 * as the scan stops early, but never too small.
				 */
				want = naive_order(table, idx, lo, hi,
						   orders & ~BIT(got));
				KUNIT_EXPECT_GE(test, window_order(&w, orders & ~BIT(got)), want);
			}
		}
	}
}

static void scan_window_all_of_8(struct kunit *test)
{
	unsigned long orders, set;

	for (orders = 0; orders < BIT(4); orders++)
		for (set = 0; set < BIT(8); set++)
			check_table(test, 8, set, orders & ~BIT(0));
}

/* Up to two set entries decide all that the nearest ones can. */
static void scan_window_pairs_of_16(struct kunit *test)
{
	unsigned int a, b;

	for (a = 0; a < 16; a++)
		for (b = a; b < 16; b++) {
			check_table(test, 16, BIT(a) | BIT(b), BIT(4) | BIT(3) | BIT(2));
			check_table(test, 16, BIT(a) | BIT(b), BIT(4) | BIT(2));
		}
	check_table(test, 16, 0, BIT(4) | BIT(3) | BIT(2));
}

/* The window is what is left for a smaller order. */
static void scan_window_narrows(struct kunit *test)
{
	struct pte_window w = { .idx = 5, .lo = 0, .hi = 16 };
	pte_t table[TABLE_MAX];

	fill_table(table, 16, BIT(1) | BIT(9));
	KUNIT_EXPECT_EQ(test, scan_window(table, &w, BIT(4)), 0U);
	KUNIT_EXPECT_EQ(test, w.lo, 2U);
	KUNIT_EXPECT_EQ(test, window_order(&w, BIT(3) | BIT(2)), 2U);

	w = (struct pte_window){ .idx = 5, .lo = 0, .hi = 16 };
	fill_table(table, 16, BIT(9));
	KUNIT_EXPECT_EQ(test, scan_window(table, &w, BIT(4)), 0U);
	KUNIT_EXPECT_EQ(test, w.hi, 9U);
	KUNIT_EXPECT_EQ(test, window_order(&w, BIT(3) | BIT(2)), 3U);
}

/*
 * Without PMD-sized pages in hardware (on x86_64 only under Xen PV) nobody has
 * registered the shrinker that splits folios.
 */
static void no_folios_without_huge_pages(struct kunit *test)
{
	unsigned long flags = transparent_hugepage_flags;
	struct vm_area_struct *vma;
	struct mm_struct *mm;

	mm = kunit_kzalloc(test, sizeof(*mm), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, mm);
	vma = kunit_kzalloc(test, sizeof(*vma), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vma);
	vma_init(vma, mm);
	vma_set_anonymous(vma);
	vma->vm_flags = VM_READ | VM_WRITE;

	KUNIT_EXPECT_TRUE(test, vma_takes_folios(vma));
	/* as hugepage_init() leaves it */
	transparent_hugepage_flags = BIT(TRANSPARENT_HUGEPAGE_NEVER_DAX);
	KUNIT_EXPECT_FALSE(test, vma_takes_folios(vma));
	transparent_hugepage_flags = flags;
}

static struct kunit_case large_anon_folio_cases[] = {
	KUNIT_CASE(scan_window_all_of_8),
	KUNIT_CASE(scan_window_pairs_of_16),
	KUNIT_CASE(scan_window_narrows),
	KUNIT_CASE(no_folios_without_huge_pages),
	{}
};

static struct kunit_suite large_anon_folio_suite = {
	.name = "large_anon_folio",
	.test_cases = large_anon_folio_cases,
};

kunit_test_suite(large_anon_folio_suite);
