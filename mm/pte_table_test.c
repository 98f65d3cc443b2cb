// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit: which table a pmd is, and whether it is the same one; when a table counts as
 * an empty one.
 */

#include <kunit/test.h>
#include <linux/huge_mm.h>
#include <linux/pgalloc.h>
#include <linux/sched/mm.h>

static void is_table(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL);
	pmd_t pmd = __pmd(0);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_FALSE(test, pmd_is_table(pmd));
	pmd_populate(NULL, &pmd, page);
	KUNIT_EXPECT_TRUE(test, pmd_is_table(pmd));
	if (has_transparent_hugepage()) {
		pmd = pmd_mkhuge(pfn_pmd(page_to_pfn(page), PAGE_READONLY));
		KUNIT_EXPECT_FALSE(test, pmd_is_table(pmd));
		KUNIT_EXPECT_FALSE(test, pmd_is_table(pmd_mkinvalid(pmd)));
	}
	__free_page(page);
}

/* The next table is in the same block that a huge pmd could map. */
static void recheck(struct kunit *test)
{
	struct page *page = alloc_pages(GFP_KERNEL, 1);
	pmd_t pmd, before;

	KUNIT_ASSERT_NOT_NULL(test, page);
	pmd_populate(NULL, &pmd, page);
	before = pmd;
	KUNIT_EXPECT_TRUE(test, pte_map_recheck(&pmd, before));
	pmd_populate(NULL, &pmd, page + 1);
	KUNIT_EXPECT_FALSE(test, pte_map_recheck(&pmd, before));
	pmd = __pmd(0);
	KUNIT_EXPECT_FALSE(test, pte_map_recheck(&pmd, before));
#ifdef CONFIG_X86_64
	/* the CPU has walked it meanwhile */
	pmd = __pmd(pmd_val(before) | _PAGE_ACCESSED);
	before = __pmd(pmd_val(before) & ~_PAGE_ACCESSED);
	KUNIT_EXPECT_TRUE(test, pte_map_recheck(&pmd, before));
#endif
	__free_pages(page, 1);
}

static void expect_empty(struct kunit *test, struct mm_struct *mm,
			 pgtable_t table, bool empty)
{
	KUNIT_EXPECT_EQ(test, !!(table->pte_flags & PTE_TABLE_EMPTY), empty);
	KUNIT_EXPECT_EQ(test, atomic_long_read(&mm->pte_tables.nr_empty), empty);
}

/* (GENMASK() would fill KUnit's log) */
static bool is_marked(pgtable_t table)
{
	return table->pte_flags & PTE_TABLE_PASS;
}

static void turns(struct kunit *test)
{
	struct mm_struct *mm = mm_alloc();
	pgtable_t table;
	pte_t *pte;

	KUNIT_ASSERT_NOT_NULL(test, mm);
	table = pte_alloc_one(mm);
	KUNIT_ASSERT_NOT_NULL(test, table);
	pte = page_address(table);

	/* a new one has never been in use, but the shrinker may have seen it */
	expect_empty(test, mm, table, false);
	table->pte_flags |= PTE_TABLE_PASS;
	pte_table_add(mm, pte, 2);
	expect_empty(test, mm, table, false);
	pte_table_sub(mm, pte + 1, 1);
	expect_empty(test, mm, table, false);
	pte_table_sub(mm, pte, 1);
	expect_empty(test, mm, table, true);
	KUNIT_EXPECT_FALSE(test, is_marked(table));
	/* what the shrinker has seen is not true any more */
	table->pte_flags |= PTE_TABLE_PASS;
	pte_table_add(mm, pte, PTRS_PER_PTE);
	expect_empty(test, mm, table, false);
	KUNIT_EXPECT_FALSE(test, is_marked(table));
	pte_table_sub(mm, pte, PTRS_PER_PTE);
	expect_empty(test, mm, table, true);
	pte_table_pin(mm, pte);
	expect_empty(test, mm, table, false);
	/* others may still count what is theirs */
	pte_table_add(mm, pte, 1);
	pte_table_sub(mm, pte, 1);
	expect_empty(test, mm, table, false);

	pte_free(mm, table);
	mmput(mm);
}

static struct kunit_case pte_table_cases[] = {
	KUNIT_CASE(is_table),
	KUNIT_CASE(recheck),
	KUNIT_CASE(turns),
	{}
};

static struct kunit_suite pte_table_suite = {
	.name = "pte_table",
	.test_cases = pte_table_cases,
};

kunit_test_suite(pte_table_suite);
